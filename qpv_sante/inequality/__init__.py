"""Summary measures of inequality between groups, from their published definitions, with intervals.

The measures are those of the World Health Organization's health equity toolkit, as defined by Schlotheuber and
Hosseinpoor (2022). With groups j of value y, population share p, mean ``μ = Σ p y`` and J groups in all; X is the share
of the population below the middle of a group when groups are ranked from the most disadvantaged (0) to the most
advantaged (1), the same for groups of equal rank:

==================  ===========================================================================  ==================
code                definition                                                                   scale it needs
==================  ===========================================================================  ==================
``d``, ``r``        difference, ratio of two groups (which ones: see `summarize`)                any, positive
``aci``             ``2 cov_p(y, X) = Σ p (2X - 1) y``                                           any
``rci``             ``aci / μ``                                                                  not negative
``rci_erreygers``   ``4 aci / (max - min)``                                                      bounded
``rci_wagstaff``    ``aci (max - min) / ((max - μ) (μ - min))``                                  bounded
``sii``             slope of the population-weighted least squares of y on X                     any
``rii``             ratio of its predictions at X = 1 and X = 0                                  positive
``sii_logit``       difference of the predictions at 1 and 0 of the population-weighted logistic  bounded
                    regression of y on X (weights applied once)
``rii_logit``       their ratio                                                                  bounded
``bgv``             ``Σ p (y - μ)²``                                                             any
``bgsd``, ``cov``   its square root; in percent of μ                                             any, not negative
``mdmu``, ``mdmw``  mean of ``|y - μ|``, over groups (1/J); over people (p)                      any
``mdbu``, ``mdbw``  same, from the best group                                                    any
``mdru``, ``mdrw``  same, from the reference group                                               any
``idisu``, ``idisw``  ``100 mdmu / μ``, ``100 mdmw / μ``                                         not negative
``ti``              ``1000 Σ p (y/μ) ln(y/μ)``, a zero counting for zero                         not negative
``mld``             ``-1000 Σ p ln(y/μ)``                                                        positive
``par``, ``paf``    ``y_ref - μ``, 0 where no gain is possible; in percent of μ                  any, not negative
==================  ===========================================================================  ==================

The concentration and slope measures are positive when the indicator is concentrated among the advantaged, whether
more is better or not.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd

from qpv_sante.errors import InvalidInputError, UnknownNameError, did_you_mean
from qpv_sante.inequality.gradients import gradient
from qpv_sante.inequality.inversion import CHOOSING, invert, largest_contrast
from qpv_sante.inequality.measures import BOUNDED, ORDERED, RELATIVE, UNITS, Design, evaluate
from qpv_sante.inequality.words import bias_note, join, pair_note, say, undefined
from qpv_sante.intervals.columns import (
    UNCERTAINTIES,
    Column,
    check_choice,
    check_level,
    read_columns,
    require,
)
from qpv_sante.intervals.limits import quantile
from qpv_sante.style import Lang, check_lang

__all__ = ["bootstrap", "summarize"]

_INDEXES = ("rci", "rci_erreygers", "rci_wagstaff")
_RATIOS = ("r", "rii", "rii_logit")
_SIGNED = ("d", "aci", "sii", "sii_logit", "par", "paf", *_INDEXES)


def summarize(
    estimate: Column,
    population: Column,
    *,
    se: Column | None = None,
    rank: Column | None = None,
    favourable: bool = False,
    reference: Hashable | None = None,
    measures: Sequence[str] | None = None,
    level: float = 0.95,
    bounds: tuple[float, float] = (0, 100),
    interval: str = "sampling",
    draws: int = 1000,
    seed: int = 0,
    lang: str = "fr",
) -> pd.DataFrame:
    """Summary measures of inequality between groups, one per row, with intervals.

    Parameters
    ----------
    estimate : array-like, shape (n_groups,)
        Value of each group: percent (0 to 100), or another scale given by `bounds`; see the table of the module for
        what each measure needs. Text labels of the groups are the index of the Series.
    population : array-like, shape (n_groups,)
        People of each group, positive; taken as known.
    se : array-like, shape (n_groups,), optional
        Standard errors of the estimates, independent between groups. Without them there is no interval: a source that
        counts everyone has no sampling error, and none is made up.
    rank : array-like, shape (n_groups,), optional
        Place of each group, 1 = most disadvantaged; equal numbers are ties and share their mid-rank. Needed by the
        concentration and slope measures.
    favourable : bool
        Whether more of the indicator is better (False for poverty).
    reference : label, optional
        Group of reference for ``mdru``, ``mdrw``, ``par``, ``paf`` and, without `rank`, ``d`` and ``r``.
    measures : sequence of str, optional
        Codes; all 25 by default, in the order of the module's table.
    level : float
        Confidence level, between 0 and 1.
    bounds : tuple of float
        Least and greatest possible values of the indicator, for the Erreygers, Wagstaff and logistic measures.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the standard errors, hence the intervals, express.
    draws, seed : int
        Number and seed of the simulated sets of estimates, where a measure's interval is simulated.
    lang : {"fr", "en"}
        Language of `note`.

    Returns
    -------
    DataFrame, indexed by ``measure``
        ``value``, ``se``, ``lower``, ``upper``, ``unit``, ``interval`` (what the interval expresses, missing where
        there is none), ``method`` (of the interval) and ``note``. A measure that the input does not allow has a
        missing value and the reason in ``note``.

    Raises
    ------
    InvalidInputError
        For fewer than two groups, a population that is not positive, negative standard errors, missing ranks, or
        estimates out of `bounds` when a measure that needs them is named in `measures` (asked for by default, it is
        listed as not allowed).
    UnknownNameError
        For an unknown measure, reference, kind of uncertainty or language.

    Notes
    -----
    *Pairs.* With `rank`, ``d`` and ``r`` compare the two ends of the ranking (advantaged to disadvantaged if more is
    better, the reverse otherwise), tied groups being pooled; without rank, the highest to the lowest value, or, with a
    reference, the reference to the lowest (more is better) or the highest to the reference. The reference of ``par``
    and ``paf`` is the most advantaged group with rank, the best value without, or `reference`.

    *Intervals* are on each measure's own scale. Linear measures have exact variances (``normal``); smooth ones the
    delta method (``delta``, on the log scale for ratios: ``delta_log``). Measures of spread grow with the error of the
    estimates and cannot fall below zero: their limits invert a test, by simulation (``inverted_test``), and hold
    equality where the observed value is no larger than equality would give. Measures that choose a group from the data
    (``mdbu``, ``mdbw``; ``d``, ``r``, ``par`` and ``paf`` without rank or reference) have the limits of all the
    differences that could have been chosen (``simultaneous``), wide for many groups; they have no standard error. With
    ``interval="process"``, errors are those of proportions and change along the test. See
    `qpv_sante.inequality.inversion`; the coverage measured by simulation is in docs/methode.md. Limits are cut at the
    bounds of the measure, and stretched to contain the value.

    References
    ----------
    Schlotheuber and Hosseinpoor (2022), Int J Environ Res Public Health 19:3697. Ahn et al. (2018), JCO Clinical
    Cancer Informatics 2:1-19. Erreygers (2009), J Health Economics 28:504-515. Wagstaff (2005), Health Economics
    14:429-432. Carpenter (1999), J R Stat Soc B 61:159-172 (inverted tests). Šidák (1967), J Am Stat Assoc
    62:626-633.

    Examples
    --------
    >>> summary = summarize([40, 30, 20], [100, 100, 200], se=[2, 2, 1], rank=[1, 2, 3], measures=["d", "sii", "par"])
    >>> summary.rename_axis(None)[["value", "se", "lower", "upper", "method"]].round(2)
         value    se  lower  upper  method
    d    20.00  2.24  15.62  24.38  normal
    sii -31.11  3.33 -37.63 -24.59  normal
    par  -7.50  0.87  -9.20  -5.80  normal
    """
    level, language = check_level(level), check_lang(lang)
    check_choice("interval", interval, UNCERTAINTIES)
    codes = _codes(measures)
    groups, design, labels, unknown = _groups(estimate, population, se, rank, favourable, reference, bounds)
    if unknown:
        return _table(codes, dict.fromkeys(codes, say("unknown", language, unknown=unknown, total=len(labels))))
    y, w = groups["estimate"], groups["population"]
    refused = _refusals(y, w, labels, design, codes, language, explicit=measures is not None)
    allowed = [code for code in codes if code not in refused]
    values = {code: out[0] for code, out in evaluate(y[None], w[None], None, design, allowed).items()}
    notes = refused | {code: undefined(code, language) for code, value in values.items() if np.isnan(value)}
    notes |= {code: pair_note(code, y, labels, design, language) for code in values if code not in notes}
    rows = _rows(
        values, notes, groups.get("se"), y, w, design, level=level, kind=interval, draws=draws, seed=seed, lang=language
    )
    return _table(codes, notes, rows)


def bootstrap(
    estimate: Column,
    population: Column,
    *,
    rank: Column | None = None,
    favourable: bool = False,
    reference: Hashable | None = None,
    measures: Sequence[str] | None = None,
    bounds: tuple[float, float] = (0, 100),
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Measures over groups drawn again with replacement: how far they depend on which groups there are.

    Groups keep their value, population and rank; a group drawn twice counts twice. The reference stays the reference
    even where it is not drawn.

    Parameters
    ----------
    estimate, population, rank, favourable, reference, measures, bounds
        As in `summarize`.
    draws, seed : int
        Number of draws, and seed of the generator.

    Returns
    -------
    DataFrame, shape (draws, n_measures)
        One row per draw, one column per measure; missing where the measure is not defined.

    Raises
    ------
    InvalidInputError
        As in `summarize`, and for a missing estimate.

    Examples
    --------
    >>> replicates = bootstrap([40, 30, 20, 25], [100, 100, 200, 150], measures=["bgsd", "ti"], draws=200)
    >>> replicates.shape, bool((replicates["bgsd"] <= 10).all())
    ((200, 2), True)
    """
    codes = _codes(measures)
    groups, design, labels, unknown = _groups(estimate, population, None, rank, favourable, reference, bounds)
    if unknown:
        why = say("unknown", "en", unknown=unknown, total=len(labels))
        raise InvalidInputError(f"groups cannot be drawn: {why}")
    y, w = groups["estimate"], groups["population"]
    refused = _refusals(y, w, labels, design, codes, "en", explicit=measures is not None)
    allowed = [code for code in codes if code not in refused]
    generator = np.random.default_rng(seed)
    times = generator.multinomial(len(y), np.full(len(y), 1 / len(y)), size=draws).astype(float)
    return pd.DataFrame(evaluate(y[None], times * w, times, design, allowed)).reindex(columns=codes)


def _codes(measures: Sequence[str] | None) -> list[str]:
    if isinstance(measures, str):
        raise UnknownNameError(f"`measures` must be a sequence of codes, such as [{measures!r}].")
    return [check_choice("measures", code, list(UNITS)) for code in (UNITS if measures is None else measures)]


def _groups(
    estimate: Column,
    population: Column,
    se: Column | None,
    rank: Column | None,
    favourable: bool,
    reference: Hashable | None,
    bounds: tuple[float, float],
) -> tuple[dict[str, np.ndarray], Design, pd.Index, int]:
    """Check the groups and put them in an order that depends on their content only; count those without figures."""
    given = {"estimate": estimate, "population": population, "se": se, "rank": rank}
    index, columns = read_columns(**{name: column for name, column in given.items() if column is not None})
    if len(index) < 2:
        raise InvalidInputError(f"inequality needs two groups or more; found {len(index)}.")
    if not bounds[0] < bounds[1]:
        raise InvalidInputError(f"`bounds` must be (least, greatest); found {bounds!r}.")
    y, w = columns["estimate"], columns["population"]
    require(~(w <= 0), index, "`population` must be positive", population=w)
    errors, ranks = columns.get("se", np.zeros_like(y)), columns.get("rank", np.zeros_like(y))
    require(~(errors < 0), index, "`se` must not be negative", se=errors)
    require(~np.isnan(ranks), index, "`rank` must be known for every group", rank=ranks)
    order = np.lexsort((errors, w, y, ranks))
    place = None
    if reference is not None:
        found = np.flatnonzero(index[order] == reference)
        if len(found) != 1:
            state = "designates several groups" if len(found) else "is not a group"
            raise UnknownNameError(f"`reference` {reference!r} {state}. {did_you_mean(reference, index)}")
        place = int(found[0])
    starts = np.unique(ranks[order], return_index=True)[1] if rank is not None else None
    design = Design(starts, bool(favourable), place, (float(bounds[0]), float(bounds[1])))
    unknown = int(np.isnan(y + w).sum())
    return {name: column[order] for name, column in columns.items()}, design, index[order], unknown


def _refusals(
    y: np.ndarray, w: np.ndarray, labels: pd.Index, design: Design, codes: Sequence[str], lang: Lang, *, explicit: bool
) -> dict[str, str]:
    """Measures that the groups do not allow, with the reason."""
    refused: dict[str, str] = {}
    low, high = design.bounds
    inside = (y >= low) & (y <= high)
    if explicit and set(codes) & set(BOUNDED):
        require(inside, labels, f"`estimate` must lie within `bounds` ({low:g} to {high:g})", estimate=y)
    mean = np.average(y, weights=w)
    for code in codes:
        if code in ORDERED and design.starts is None:
            refused[code] = say("needs_rank", lang)
        elif code in (*ORDERED, "d", "r") and design.starts is not None and len(design.starts) == 1:
            refused[code] = say("one_rank", lang)
        elif code in ("mdru", "mdrw") and design.reference is None:
            refused[code] = say("needs_reference", lang)
        elif code in BOUNDED and not inside.all():
            refused[code] = say("outside", lang, low=low, high=high)
        elif code in RELATIVE and (y < 0).any():
            refused[code] = say("negative", lang)
        elif code in RELATIVE and mean == 0:
            refused[code] = say("zero_mean", lang)
        elif code == "mld" and (y == 0).any():
            refused[code] = say("zero", lang)
    return refused


def _rows(
    values: dict[str, float],
    notes: dict[str, str],
    se: np.ndarray | None,
    y: np.ndarray,
    w: np.ndarray,
    design: Design,
    *,
    level: float,
    kind: str,
    draws: int,
    seed: int,
    lang: Lang,
) -> dict[str, dict[str, float | str]]:
    """Value, standard error and limits of each measure; completes the notes."""
    z = quantile(level)
    rows: dict[str, dict[str, float | str]] = {code: {"value": value} for code, value in values.items()}
    defined = [code for code in values if not np.isnan(values[code])]
    why = ""
    if se is None:
        why = say("no_errors", lang)
    elif np.isnan(se).any():
        why = say("some_errors", lang, unknown=int(np.isnan(se).sum()), total=len(se))
    if se is None or why:
        notes |= {code: join(notes.get(code, ""), why, lang) for code in defined}
        return rows
    slopes = {code: gradient(code, y, w, design) for code in defined}
    binomial = kind == "process"
    chosen = [code for code in defined if slopes[code] is None and code in CHOOSING]
    inverted = {code: values[code] for code in defined if slopes[code] is None and code not in CHOOSING}
    if not (se > 0).any():
        rows_without = {code: join(notes[code], say("zero_errors", lang), lang) for code in (*inverted, *chosen)}
        notes |= rows_without
        defined = [code for code in defined if code not in rows_without]
    found = (
        invert(inverted, y, w, se, design, level=level, draws=draws, seed=seed, binomial=binomial)
        if inverted and (se > 0).any()
        else {}
    )
    for code in defined:
        value, slope = values[code], slopes[code]
        ratio = code in _RATIOS
        if ratio and value == 0:
            notes[code] = join(notes[code], say("zero_ratio", lang), lang)
            continue
        centre = np.log(value) if ratio else value
        if slope is not None:
            spread, method = float(np.sqrt(np.sum((slope * se) ** 2))), "delta_log" if ratio else "delta"
            if code in ("d", "aci", "rci_erreygers", "sii", "par"):
                method = "normal"
        elif code in chosen:
            if ratio and (y <= 0).any():
                notes[code] = join(notes[code], say("zero_ratio", lang), lang)
                continue
            limits = largest_contrast(code, y, w, se, design, level=level, binomial=binomial)
            rows[code] |= _held(value, limits, kind, "simultaneous")
            continue
        else:
            inversion = found[code]
            if inversion is None:
                notes[code] = join(notes[code], say("not_simulated", lang), lang)
                continue
            lower, upper, excess, spread = inversion
            if excess > spread / 4:
                notes[code] = join(notes[code], bias_note(excess, lang), lang)
            rows[code] |= _held(value, (lower, upper), kind, "inverted_test") | {"se": spread}
            continue
        ends = np.array([centre - z * spread, centre + z * spread])
        ends = _cut(code, np.exp(ends) if ratio else ends, design)
        rows[code] |= _held(value, ends, kind, method) | {"se": spread * value if ratio else spread}
    return rows


def _held(value: float, limits: Sequence[float] | np.ndarray, kind: str, method: str) -> dict[str, float | str]:
    """Limits stretched to contain the value, and what they are."""
    lower, upper = min(float(limits[0]), value), max(float(limits[1]), value)
    return {"lower": lower, "upper": upper, "interval": kind, "method": method}


def _cut(code: str, limits: np.ndarray, design: Design) -> np.ndarray:
    """Limits cut at the bounds of a measure."""
    if code in _INDEXES:
        return np.clip(limits, -1, 1)
    if code in ("par", "paf"):
        return np.maximum(limits, 0) if design.favourable else np.minimum(limits, 0)
    if code in _SIGNED and not (code == "d" and design.starts is None):
        return limits
    return np.maximum(limits, 0)


def _table(
    codes: Sequence[str], notes: dict[str, str], rows: dict[str, dict[str, float | str]] | None = None
) -> pd.DataFrame:
    numbers = {
        name: pd.Series([(rows or {}).get(code, {}).get(name) for code in codes], dtype=float)
        for name in ("value", "se", "lower", "upper")
    }
    texts = {
        name: pd.Series([(rows or {}).get(code, {}).get(name) for code in codes], dtype="str")
        for name in ("interval", "method")
    }
    unit = pd.Series([UNITS[code] for code in codes], dtype="str")
    note = pd.Series([notes.get(code, "") for code in codes], dtype="str")
    frame = pd.DataFrame({**numbers, "unit": unit, **texts, "note": note})
    return frame.set_axis(pd.Index(list(codes), name="measure", dtype="str"))
