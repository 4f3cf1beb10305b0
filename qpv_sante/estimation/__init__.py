"""Synthetic estimates by QPV of what is not published by QPV, with their check: `estimate`.

Depression and perceived health are known for regions and departments at the finest. What open data allow
is to weight the rates of social categories by the composition of each quarter. The result is a model's
answer under stated assumptions, never a measure.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante import loading, observations, style
from qpv_sante.errors import InvalidInputError, UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.estimation import composition, synthetic, words
from qpv_sante.estimation.composition import Quarters
from qpv_sante.estimation.rates import BENCHMARKS, Survey, check_estimable, check_predictors, load_survey
from qpv_sante.estimation.validation import (
    UnvalidatedEstimateError,
    constant_error,
    predictor_sets,
    set_name,
    validate,
    validation_frame,
)
from qpv_sante.territories import Territory

__all__ = ["MIN_POPULATION", "UnvalidatedEstimateError", "estimate", "validate"]

log = logging.getLogger(__name__)

# A QPV has 1,000 inhabitants at least when it is drawn; below, census shares rest on too few people
MIN_POPULATION = 1000
ESTIMATE_COLUMNS = (
    *observations.COLUMNS,
    *("predictors", "n_predictors", "spread", "benchmark", "validated", "population", "assumption", "reason"),
)
_FINEST = "finest"


@dataclass(frozen=True)
class _Area:
    """The published values estimates are benchmarked to: one row an area, one column a draw."""

    published: pd.DataFrame
    draws: np.ndarray


@dataclass(frozen=True)
class _Single:
    """Synthetic rates under one predictor: of every QPV and, where it is known, of every area."""

    value: np.ndarray
    draws: np.ndarray
    area_value: np.ndarray | None
    area_draws: np.ndarray | None


def estimate(
    indicator: str,
    *,
    geo_vintage: int = 2015,
    territory: str | Territory | None = None,
    predictors: Sequence[str] = ("household", "activity", "finances"),
    benchmark: str | None = _FINEST,
    draws: int = 2000,
    seed: int = 0,
    allow_unvalidated: bool = False,
    level: float = 0.95,
    lang: str = "fr",
) -> pd.DataFrame:
    r"""Synthetic estimate, by QPV, of a health indicator that is not published by QPV.

    Parameters
    ----------
    indicator : {"depression_prevalence", "self_perceived_health_good"}
    geo_vintage : int
        Zoning of the QPV, 2015 or 2024 (which lacks single parents and ages).
    territory : str, optional
        A name or typed code; all of France by default.
    predictors : sequence of str
        What residents are known by: `household`, `activity`, `finances` (through poverty), `age`. Each gives
        an estimate, and several together one more. Perceived health is published by `age` only.
    benchmark : {"finest", "region", "department"} or None
        Area whose published value must be returned: `finest` is the region for depression, the department
        for perceived health. None leaves the national rates as they are.
    draws : int
        Monte Carlo draws behind the interval.
    seed : int
        The same seed gives the same interval, whatever the territory and the order of the predictors.
    allow_unvalidated : bool
        Also return estimates whose check does not beat the constant, with a warning. Without it they are
        flagged `unavailable`, and asking for nothing else is an error.
    level : float
        Confidence level of the interval.
    lang : {"fr", "en"}
        Language of `assumption` and `reason`.

    Returns
    -------
    DataFrame
        One row a QPV and predictor set: columns of the long table (value in percent, `flag` "estimated",
        `interval` "model"; an estimate that cannot be made is missing, flagged `unavailable`), then `predictors`,
        `n_predictors`, `spread` (largest less smallest value of the QPV over single predictors, before
        benchmark, in points; missing with fewer than two), `benchmark` (area, empty if none), `validated`,
        `population`, `assumption`, `reason`.
        `attrs`: `label`; `validation`, the records of `validate`'s frame (`pd.DataFrame(attrs["validation"])`);
        `assumptions`, in `fr` and `en`; `benchmark`, one record an area and set, with the factor and what it
        implies for the rest of the area; `min_population`.

    Raises
    ------
    UnavailableLevelError
        No estimation method, zoning or published value at that level, or no QPV in the territory.
    UnknownNameError
        Unknown indicator, predictor, benchmark or territory.
    UnvalidatedEstimateError
        No predictor set passes its check; the message gives the errors.
    InvalidInputError
        `draws`, `seed` or `level` out of range.

    Notes
    -----
    With :math:`w_{qk}` the share of category k among the people of QPV q and :math:`r_k` its national rate,
    :math:`s_q = \sum_k w_{qk} r_k`. With several predictors, effects are added on the logit scale, as if
    the predictors were independent (`synthetic.combine` says why).

    Benchmark: the published value :math:`P_a` is that of the whole area, not of its QPV. The synthetic rate
    of the whole area, :math:`s_a`, is computed from the area's own composition, and

    .. math:: \hat p_q = s_q \, P_a / s_a .

    The ratio is linear: for any division of the area whose synthetic rates add up to :math:`s_a` (the QPV
    and the rest), the estimates weighted by population add up to :math:`P_a` exactly. What the rest must be
    is in `attrs["benchmark"]`: a rest outside the range of the rates would betray the assumptions. The composition
    of regions is known by sex and age (file), and by perceived finances (printed reports); by household and activity
    it is not, and these estimates are left without benchmark.

    Interval: quantiles of draws in which the published rates vary by their published limits (normal on the
    logit scale) and the QPV's value by the root mean square error of the leave-one-out check (that of the
    constant where there is nothing to check). Departmental figures of perceived health have no published
    interval: only the second part remains.

    References
    ----------
    Ardilly P., Economie et Statistique 483-485, 2016, on communal estimates. Chauvin et al. 2019,
    doi:10.1016/j.respe.2018.12.021, on ecological bias for these outcomes. Zhang X. et al. 2014,
    doi:10.1093/aje/kwu018, on the better method that individual answers allow.

    Examples
    --------
    >>> figures = estimate("depression_prevalence", predictors=["finances"], territory="Béziers", lang="en")
    >>> figures[["geo_code", "value", "flag", "benchmark"]].round(1)
       geo_code  value       flag  benchmark
    0  QP034001   24.4  estimated  region:76
    1  QP034002   25.8  estimated  region:76
    2  QP034003   25.2  estimated  region:76
    """
    lang = style.check_lang(lang)
    names = check_predictors(indicator, predictors)
    target = _check_benchmark(indicator, benchmark)
    _check_numbers(draws, seed, level)
    places = loading.gazetteer()
    place = places.resolve(territory)
    quarters = composition.load_quarters(geo_vintage)
    wanted = places.qpv_in(place, geo_vintage)["geo_code"]
    if wanted.empty:
        where = f"{place.name} ({place.key})" if place else "France"
        raise UnavailableLevelError(f"{where} has no QPV of the {geo_vintage} zoning: nothing to estimate.")
    kept = quarters.frame.index.isin(wanted)
    quarters = Quarters(quarters.frame[kept], quarters.flags[kept], quarters.sources)
    survey = load_survey(indicator)
    checks = validation_frame(survey, names, lang)
    deciding = checks[checks["rates"] == "leave_one_out"].set_index("predictors")
    _check_validated(indicator, deciding, allow_unvalidated)
    areas = _Area(survey.areas, synthetic.draw_rates(survey.areas, draws, [seed, 100]))
    country = synthetic.draw_rates(survey.country, draws, [seed, 101])
    noise = np.random.default_rng([seed, 102]).standard_normal(draws)
    single = {
        name: _single(name, survey, quarters, draws, [seed, number])
        for number, name in enumerate(composition.NEEDS)
        if name in names
    }
    frames, factors = [], []
    for combined in predictor_sets(names):
        check = deciding.loc[set_name(combined)]
        about = {"predictors": set_name(combined), "n_predictors": len(combined), "validated": bool(check["validated"])}
        about["source"] = _sources(combined, survey, quarters)
        if not (about["validated"] or allow_unvalidated):
            reason = words.REASONS["unvalidated"][lang].format(note=check["note"])
            assumed = words.assumption_of(combined, survey.level, False, False, lang)
            empty = pd.DataFrame({"value": np.nan, "bare": np.nan}, index=quarters.frame.index)
            frames.append(empty.assign(reason=style.typography(reason, lang), assumption=assumed, **about))
            continue
        error = check["error_logit"] if np.isfinite(check["error_logit"]) else constant_error(survey)
        bare, value, drawn, factor = _combined(
            [single[name] for name in combined], survey, areas, country, quarters, target, combined
        )
        lower, upper = synthetic.percentile_limits(synthetic.expit(synthetic.logit(drawn) + error * noise), level)
        reason = _reasons(combined, quarters, value, lang)
        frame = pd.DataFrame({"value": 100 * value, "lower": 100 * lower, "upper": 100 * upper}, index=reason.index)
        frame["lower"], frame["upper"] = frame.min(axis=1), frame.max(axis=1)
        frame["bare"] = 100 * bare
        frame[reason != ""] = np.nan
        if factor is not None:
            frame["benchmark"] = f"{target}:" + quarters.frame[str(target)]
            factors += _benchmark_records(combined, factor, survey, frame, quarters)
        assumed = words.assumption_of(combined, survey.level, factor is not None, target is not None, lang)
        frames.append(frame.assign(reason=reason, assumption=assumed, **about))
    result = _assemble(frames, survey, quarters, geo_vintage)
    codes: tuple[style.Lang, style.Lang] = ("fr", "en")
    label = {"fr": "estimation, non mesurée", "en": "estimate, not measured"}[lang]
    result.attrs = {
        "indicator": indicator,
        "label": label,
        "validation": checks.to_dict("records"),
        "assumptions": {code: words.common_assumptions(survey.level, code) for code in codes},
        "benchmark": factors,
        "min_population": MIN_POPULATION,
        "level": level,
    }
    return result


def _check_benchmark(indicator: str, benchmark: str | None) -> str | None:
    finest = BENCHMARKS[check_estimable(indicator)]
    if benchmark is None or benchmark in (_FINEST, finest):
        return None if benchmark is None else finest
    valid = (_FINEST, "region", "department")
    if benchmark not in valid:
        raise UnknownNameError(f"Unknown benchmark {benchmark!r}. {did_you_mean(benchmark, valid)} Or None.")
    raise UnavailableLevelError(
        f"{indicator} has no published total by {benchmark}; pass benchmark={finest!r}, or None for none."
    )


def _check_numbers(draws: int, seed: int, level: float) -> None:
    from qpv_sante.intervals.columns import check_level

    check_level(level)
    if draws < 100 or seed < 0:
        raise InvalidInputError(f"draws must be 100 or more and seed 0 or more; got draws={draws}, seed={seed}.")


def _check_validated(indicator: str, checks: pd.DataFrame, allowed: bool) -> None:
    """Refuse when no set passes its check; warn when some are asked for all the same."""
    failing = checks[~checks["validated"]]
    said = "; ".join(
        f"{name}: {row.note}" + (f" (MAE {row.mae:.2f} against {row.mae_constant:.2f})" if row.n_areas else "")
        for name, row in zip(failing.index, failing.itertuples(), strict=True)
    )
    if allowed and len(failing):
        warnings.warn(f"{indicator}: estimates without a passed check. {said}", UserWarning, stacklevel=3)
    elif len(failing) == len(checks):
        raise UnvalidatedEstimateError(
            f"{indicator}: no predictor set passes its check. {said}. allow_unvalidated=True gives the estimates, "
            "which must then not be presented as better than the area's published value."
        )
    elif len(failing):
        log.info("%s: withheld, the check is not passed: %s", indicator, said)


def _single(name: str, survey: Survey, quarters: Quarters, draws: int, seed: list[int]) -> _Single:
    """Synthetic rates of the QPV and of the areas under one predictor."""
    cells = survey.cells[name]
    rates = cells.national["value"].to_numpy() / 100
    drawn = synthetic.draw_rates(cells.national, draws, seed)
    if any(need not in quarters.frame for need in composition.NEEDS[name]):
        size = len(quarters.frame)
        value, varied = np.full(size, np.nan), np.full((size, draws), np.nan)
    else:
        share = composition.shares(name, survey, quarters.frame).to_numpy()
        value, varied = share @ rates, share @ drawn
    if cells.areas is None:
        return _Single(value, varied, None, None)
    whole = synthetic.composition_of(cells.areas, survey.areas.index, cells.national.index).to_numpy()
    return _Single(value, varied, whole @ rates, whole @ drawn)


def _combined(
    parts: list[_Single],
    survey: Survey,
    areas: _Area,
    country: np.ndarray,
    quarters: Quarters,
    target: str | None,
    names: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.DataFrame | None]:
    """Value before and after benchmark and draws of each QPV under a predictor set, and the areas' factors if any."""
    base = survey.country["value"].to_numpy() / 100
    value = synthetic.combine([part.value for part in parts], base)
    drawn = synthetic.combine([part.draws for part in parts], country)
    of_areas = [(part.area_value, part.area_draws) for part in parts]
    if target is None or any(one is None for one, _ in of_areas):
        return value, value, drawn, None
    whole = synthetic.combine([one for one, _ in of_areas if one is not None], base)
    whole_drawn = synthetic.combine([one for _, one in of_areas if one is not None], country)
    published = areas.published["value"].to_numpy() / 100
    factor = pd.DataFrame({"synthetic": whole, "factor": published / whole}, index=areas.published.index)
    # an area without a published value (Mayotte, a department under secrecy) has no factor, nor its QPV an estimate
    place = factor.index.get_indexer(quarters.frame[target])
    found = (place >= 0)[:, None]
    drawn = drawn * np.where(found, (areas.draws / whole_drawn)[place], np.nan)
    return value, value * np.where(found[:, 0], factor["factor"].to_numpy()[place], np.nan), drawn, factor


def _reasons(names: tuple[str, ...], quarters: Quarters, value: np.ndarray, lang: style.Lang) -> pd.Series:
    """Why a QPV has no estimate; empty where it has one."""
    people = quarters.frame["population"]
    reason = pd.Series("", index=people.index)
    reason[np.isnan(value)] = words.REASONS["benchmark"][lang]
    for name in reversed(names):
        missing = composition.missing_because(name, quarters, lang)
        reason = missing.where(missing != "", reason)
    floor = style.format_number(MIN_POPULATION, 0, lang=lang)
    reason[people < MIN_POPULATION] = words.REASONS["floor"][lang].format(floor=floor)
    reason[people.isna()] = words.REASONS["population"][lang]
    return reason.map(lambda text: style.typography(text, lang))


def _benchmark_records(
    names: tuple[str, ...], factor: pd.DataFrame, survey: Survey, frame: pd.DataFrame, quarters: Quarters
) -> list[dict[str, object]]:
    """What the benchmark implies for each area: its QPV, its rest, and their sum."""
    communes = loading.gazetteer().communes
    people = communes.groupby(survey.level)["population"].sum()
    known = frame["value"].notna()
    weight = quarters.frame["population"].where(known)
    code = quarters.frame[survey.level]
    inside = weight.groupby(code).sum()
    mean = (weight * frame["value"]).groupby(code).sum() / inside
    records: list[dict[str, object]] = []
    for area in mean.dropna().index:
        share = float(inside[area] / people[area])
        published, ratio = float(survey.areas["value"][area]), float(factor["factor"][area])
        whole = 100 * float(factor["synthetic"][area])
        rest = (whole - share * mean[area] / ratio) / (1 - share) * ratio
        records.append(
            {
                "predictors": set_name(names),
                "area": f"{survey.level}:{area}",
                "published": published,
                "synthetic": whole,
                "factor": ratio,
                "qpv_share": share,
                "qpv_value": float(mean[area]),
                "rest_value": float(rest),
                "aggregate": float(share * mean[area] + (1 - share) * rest),
            }
        )
    return records


def _sources(names: tuple[str, ...], survey: Survey, quarters: Quarters) -> str:
    """Editions behind an estimate, in the form that `cite` reads."""
    measured = [
        quarters.sources[need] for name in names for need in composition.NEEDS[name] if need in quarters.sources
    ]
    return ", ".join(dict.fromkeys([*survey.sources, *measured]))


def _assemble(frames: list[pd.DataFrame], survey: Survey, quarters: Quarters, geo_vintage: int) -> pd.DataFrame:
    """The sets one under the other, QPV by QPV, in the form of the long table."""
    # before benchmark: only some predictors have one, and it would pass for a difference between them
    alone = pd.concat([f["bare"] for f in frames if f["n_predictors"].iloc[0] == 1], axis=1)
    spread = (alone.max(axis=1) - alone.min(axis=1)).where(alone.notna().sum(axis=1) > 1)
    stacked = pd.concat([frame.assign(order=number) for number, frame in enumerate(frames)])
    stacked = stacked.rename_axis("geo_code").reset_index().sort_values(["geo_code", "order"], ignore_index=True)
    known = stacked["value"].notna()
    stacked = stacked.assign(
        indicator=survey.indicator,
        geo_level="qpv",
        geo_vintage=geo_vintage,
        year=survey.year,
        flag=np.where(known, "estimated", "unavailable"),
        interval=np.where(known, "model", "none"),
        spread=stacked["geo_code"].map(spread),
        population=stacked["geo_code"].map(quarters.frame["population"]),
    )
    if "benchmark" not in stacked:
        stacked["benchmark"] = ""
    stacked["benchmark"] = stacked["benchmark"].fillna("")
    result = observations.tidy(stacked)
    extras = [name for name in ESTIMATE_COLUMNS if name not in observations.COLUMNS]
    return result.assign(**{name: stacked[name] for name in extras})[list(ESTIMATE_COLUMNS)]
