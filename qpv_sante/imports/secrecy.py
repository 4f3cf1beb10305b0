"""Statistical secrecy of imported figures: what is withheld, and what must not be found by subtraction.

The rule is that of a minimum frequency: a figure that rests on fewer persons than the threshold is withheld (primary
suppression), and so is one whose complement is. What is withheld must then not be found from what is published. The
attacker knows every published figure with its rounding, the figures stored already, the threshold, and (to be on the
safe side) which figures are under it; linear programs give the least and greatest value of each figure withheld
(`feasible`). A figure is protected if these lie at least `threshold - 2` apart: as many whole values remain possible as
a count of persons under the threshold may have, 1 to `threshold - 1` (sliding protection; Hundepool et al. 2012,
*Statistical Disclosure Control*; Fischetti and Salazar-González 2001, *Management Science* 47). Where it is not, the
file is refused, or other figures of the file are withheld (secondary suppression), the smallest of a sum first, until
every one is protected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Indicator
from qpv_sante.errors import DisclosureError, SchemaError
from qpv_sante.imports.metadata import Secrecy
from qpv_sante.observations import TOTAL
from qpv_sante.territories import Gazetteer

if TYPE_CHECKING:
    from qpv_sante.imports.feasible import Bools, Floats, Ints, System
    from qpv_sante.imports.relations import Relations

_BASE = " (denominator)"
_PER = re.compile(r"\b(?:pour|sur|per|out of)\s+(\d[\d\s.,]*)", re.IGNORECASE)
_CLOSE = 1e-6
# threshold of figures whose rule is not known: two values must remain
_UNKNOWN = 3.0
# unknowns to pass through in search of a figure to withhold
_STEPS = 6
# rates of more indicators than these are not looked at for shares that add up to the whole
_MOST_RATES = 60
# figures that a message names
_NAMED = 5


@dataclass(frozen=True)
class Applied:
    """A file after the rule of secrecy.

    Attributes
    ----------
    frame : DataFrame
        The file; what is withheld has no value and the flag `suppressed`.
    withheld : int
        Figures under the threshold, or whose complement is.
    secondary : int
        Figures withheld so that the others cannot be found by subtraction.
    """

    frame: pd.DataFrame
    withheld: int
    secondary: int


def scale(indicator: Indicator) -> float | None:
    """How many persons of the denominator a unit of the figure is one of; none where the unit does not say it.

    Examples
    --------
    >>> rate = Indicator(id="r", label={}, short={}, theme="x", kind="rate", unit={"fr": "pour 100 000"},
    ...                  definition={}, population={}, series=[])
    >>> scale(rate)
    100000.0
    """
    if indicator.kind in ("count", "median"):
        return None
    for text in indicator.unit.values():
        if "‰" in text:
            return 1000.0
        if "%" in text:
            return 100.0
        found = _PER.search(text)
        if found:
            return float(re.sub(r"\D", "", found[1]) or 0) or None
    if indicator.kind == "rate" and indicator.range in ([0, 100], [0, 1]):
        return float(indicator.range[1])
    return None


def persons(frame: pd.DataFrame, indicators: Mapping[str, Indicator]) -> pd.Series:
    """Number of persons that each figure counts, where it can be known.

    Parameters
    ----------
    frame : DataFrame
        `indicator, value, count, denominator`.
    indicators : mapping of str to Indicator

    Returns
    -------
    Series of float
        The count itself, else the numerator given, else the rate times its denominator by the unit of the rate (per
        cent, per mille, per 100,000), to the nearest person; of a standardised rate, about that number. Missing where
        nothing says it.

    Examples
    --------
    >>> rate = Indicator(id="r", label={}, short={}, theme="x", kind="rate", unit={"en": "%"}, definition={},
    ...                  population={}, series=[], range=[0, 100])
    >>> frame = pd.DataFrame({"indicator": ["r"], "value": [12.5], "count": [float("nan")], "denominator": [80.0]})
    >>> persons(frame, {"r": rate}).tolist()
    [10.0]
    """
    kinds = frame["indicator"].map({name: one.kind for name, one in indicators.items()})
    per = frame["indicator"].map({name: scale(one) for name, one in indicators.items()}).astype(float)
    shares = (frame["value"] * frame["denominator"] / per).round()
    return frame["value"].where(kinds == "count").fillna(frame["count"]).fillna(shares)


def without_base(frame: pd.DataFrame, indicators: Mapping[str, Indicator]) -> bool:
    """Whether a rate of the inhabitants comes without its denominator."""
    weights = frame["indicator"].map({name: one.weight for name, one in indicators.items()})
    return bool((frame["value"].notna() & frame["denominator"].isna() & (weights == "population")).any())


def withhold(
    frame: pd.DataFrame,
    rule: Secrecy | None,
    indicators: Mapping[str, Indicator],
    *,
    where: str,
    people: pd.Series | None = None,
) -> tuple[pd.DataFrame, int]:
    """Figures under the threshold, withheld with their interval; so are those whose complement is under it.

    Parameters
    ----------
    frame : DataFrame
        `line, indicator, value, lower, upper, count, denominator, flag`.
    rule : Secrecy or None
        No rule withholds nothing.
    indicators : mapping of str to Indicator
    where : str
        File, for messages.
    people : Series, optional
        Inhabitants of each row's territory as the store has them: the most that the denominator of a rate can be where
        the file does not give it.

    Returns
    -------
    frame : DataFrame
        A withheld figure has no value and the flag `suppressed`; a denominator under the threshold goes too.
        With a threshold of 11, 2995 persons of 3000 are withheld as 5 are: the complement can be read off.
    withheld : int
        Figures that this withheld, besides those that the producer had withheld.

    Raises
    ------
    SchemaError
        A figure comes without the counts that would tell whether the rule holds.
    """
    if rule is None:
        return frame, 0
    small, few, rest = _under(frame, rule, indicators, people, where)
    hidden = frame["value"].notna() & (small | few | rest)
    return _hide(frame, hidden, few), int(hidden.sum())


def _hide(frame: pd.DataFrame, hidden: pd.Series, few: pd.Series) -> pd.DataFrame:
    result = frame.assign(flag=frame["flag"].mask(hidden, "suppressed"), denominator=frame["denominator"].mask(few))
    for name in ("value", "lower", "upper", "count"):
        result[name] = result[name].mask(hidden | few)
    return result


def _under(
    frame: pd.DataFrame, rule: Secrecy, indicators: Mapping[str, Indicator], people: pd.Series | None, where: str
) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Figures that count too few, refer to too few, leave too few out."""
    number, size = persons(frame, indicators), frame["denominator"]
    present = frame["value"].notna()
    kinds = frame["indicator"].map({name: one.kind for name, one in indicators.items()})
    unknown = frame[present & number.isna() & (size.isna() | kinds.isin(["rate", "standardised_rate"]))]
    if len(unknown) and not rule.applied_by_producer:
        first = unknown.iloc[0]
        raise SchemaError(
            f"{where}: line {first['line']}, {first['indicator']}: the rule of secrecy (threshold {rule.threshold}) "
            f"cannot be checked, as {len(unknown)} figures come without count or denominator. Add the column `count` "
            'or `denominator` (and a unit such as %, ‰ or "pour 100 000"), or declare `applied_by_producer = true` '
            "in [secrecy] if the producer applied it."
        )
    if people is not None:
        # a denominator is at most the inhabitants: what is too few of them is too few of it
        weights = frame["indicator"].map({name: one.weight for name, one in indicators.items()})
        most = people.where(size.isna() & (weights == "population"))
        number = number.fillna(persons(frame.assign(denominator=most), indicators))
        size = size.fillna(most)
    floor = -1 if rule.zero_is_secret else 0
    small = (number < rule.threshold) & (number > floor)
    # 2995 of 3000: who is not counted is as few as who would be withheld
    left = size - number
    rest = (left < rule.threshold) & (left > floor) & kinds.ne("standardised_rate")
    return small, frame["denominator"] < rule.threshold, rest


def apply_rule(
    frame: pd.DataFrame,
    totals: pd.DataFrame,
    stored: pd.DataFrame,
    rule: Secrecy | None,
    indicators: Mapping[str, Indicator],
    *,
    level: str,
    places: Gazetteer,
    where: str,
    people: pd.Series | None = None,
) -> Applied:
    """Withhold what the rule asks for, and see that nothing withheld is given away by what is published.

    Parameters
    ----------
    frame : DataFrame
        The file: `line, source, geo_level, geo_code, geo_vintage, indicator, sex, age, year, value, lower, upper,
        count, denominator, flag, rounding`.
    totals : DataFrame
        Totals of the file, which are published elsewhere: the same columns; `geo_code` is a typed code
        (`commune:34032`).
    stored : DataFrame
        What the store publishes of any indicator of the file, and of the other imports: the same columns, and
        `category, imported, threshold, most`. See `stored.stored_rows`.
    rule : Secrecy or None
        Without a rule, what the producer withheld must not be given exactly.
    indicators : mapping of str to Indicator
        Those of the file and of the stored rows.
    level : str
        Level of the file.
    places : Gazetteer
    where : str
        File, for messages.
    people : Series, optional
        See `withhold`.

    Returns
    -------
    Applied

    Raises
    ------
    SchemaError
        See `withhold`.
    DisclosureError
        A figure that is withheld can be found; the message gives the equation with lines and codes, never a value.
    """
    shown, withheld = withhold(frame, rule, indicators, where=where, people=people)
    secret = (shown["flag"] == "suppressed").any() or (stored["flag"] == "suppressed").any()
    if not secret and (rule is None or persons(frame, indicators).isna().all()):
        return Applied(shown, withheld, 0)
    from qpv_sante.imports.relations import find_relations

    beside = stored[stored["year"].isin(frame["year"].unique())]
    figures = _figures(frame, shown, totals, beside, rule, indicators, level, people, where)
    if figures.empty:
        return Applied(shown, withheld, 0)
    relations = find_relations(figures, places)
    hunt = _Hunt(figures, relations, rule)
    secondary = hunt.protect(where)
    rows = figures.loc[secondary, "row"].drop_duplicates().to_numpy(int)
    mask = pd.Series(False, index=shown.index)
    mask.iloc[rows] = True
    bases = pd.Series(False, index=shown.index)
    bases.iloc[figures.loc[secondary[figures.loc[secondary, "base"].to_numpy(bool)], "row"].to_numpy(int)] = True
    return Applied(_hide(shown, mask, bases), withheld, int(mask.sum()))


def audit(stored: pd.DataFrame, indicators: Mapping[str, Indicator], places: Gazetteer) -> pd.DataFrame:
    """What published figures leave of each one that is withheld, whoever withheld it.

    Parameters
    ----------
    stored : DataFrame
        See `stored.stored_rows`.
    indicators : mapping of str to Indicator
        Those of the rows.
    places : Gazetteer

    Returns
    -------
    DataFrame
        One row a withheld count: `indicator, source, geo_level, geo_code, year, sex, age, category`, `exposed`, whether
        it is given to within less than its threshold asks (of an unknown one: exactly), and `contradictory`, whether
        what surrounds it contradicts itself. The values are not told.
    """
    from qpv_sante.imports.feasible import feasible_intervals
    from qpv_sante.imports.relations import find_relations

    nothing = stored.iloc[:0]
    figures = _figures(nothing, nothing, nothing, stored, None, indicators, "", None, "store")
    relations = find_relations(figures, places)
    system = relations.equations(figures)
    hidden = np.flatnonzero(figures["hidden"].to_numpy(bool) & (relations.cell_of >= 0))
    cells = relations.cell_of[hidden]
    width = np.maximum(figures["threshold"].to_numpy(float)[hidden] - 2.0, 1.0)
    found = feasible_intervals(system, cells, width)
    columns = ["indicator", "source", "geo_level", "geo_code", "year", "sex", "age", "category"]
    return figures.loc[hidden, columns].assign(
        exposed=found.upper - found.lower < width - _CLOSE, contradictory=found.contradictory
    )


def _figures(
    frame: pd.DataFrame,
    shown: pd.DataFrame,
    totals: pd.DataFrame,
    stored: pd.DataFrame,
    rule: Secrecy | None,
    indicators: Mapping[str, Indicator],
    level: str,
    people: pd.Series | None,
    where: str,
) -> pd.DataFrame:
    """Every published or withheld count, with what the attacker knows of it by itself."""
    columns = ["indicator", "sex", "age", "year", "geo_level", "geo_code", "geo_vintage", "source", "line"]
    columns += ["value", "count", "denominator", "flag", "rounding"]
    file = shown[columns].assign(category=TOTAL, origin="file", total_of="", row=np.arange(len(shown)))
    file["number"] = persons(frame, indicators).to_numpy()
    file = file.assign(threshold=float("nan"), most=float("nan"), imported=True)
    typed = totals[columns]
    typed = typed.assign(category=TOTAL, origin="total", total_of=level, row=-1)
    typed = typed.assign(threshold=float("nan"), most=float("nan"), imported=True)
    typed["geo_level"] = typed["geo_code"].str.split(":", n=1).str[0]
    typed["geo_code"] = typed["geo_code"].str.split(":", n=1).str[1]
    old = stored.assign(origin="store", total_of="", row=-1)[[*file.columns.drop(["number"])]]
    parts = [file]
    for rows in (typed, old):
        if len(rows):
            parts.append(rows.assign(number=persons(rows, indicators)))
    every = pd.concat(parts, ignore_index=True)
    per = every["indicator"].map({name: scale(one) for name, one in indicators.items()}).astype(float)
    kinds = every["indicator"].map({name: one.kind for name, one in indicators.items()})
    counted = (kinds == "count") | ((kinds == "rate") & per.notna())
    hidden = every["flag"] == "suppressed"
    center = every["value"].where(kinds == "count", every["value"] * every["denominator"] / per)
    half = (every["rounding"].fillna(0.0) * every["denominator"] / per).where(kinds != "count", 0.0)
    # the count of a total is given with it; those of the file are not kept
    exact = (every["origin"] == "total") & every["count"].notna()
    center, half = center.mask(exact, every["count"]), half.mask(exact, 0.0)
    low, high = (center - half).clip(lower=0.0), center + half
    size = every["denominator"].fillna(np.inf)
    high = np.minimum(high, size)
    whole = np.ceil(low - _CLOSE), np.floor(high + _CLOSE)
    fits = (whole[0] <= whole[1]) & (half > 0) & (size % 1 == 0)
    every["low"], every["high"] = low.mask(fits, whole[0]), high.mask(fits, whole[1])
    every.loc[hidden, "low"] = 0.0
    every.loc[hidden, "high"] = size.where(every["most"].isna() | (kinds != "count"), every["most"])[hidden]
    every["hidden"], every["base"] = hidden, False
    every["slack"] = ((every["high"] - every["low"]) / 2).where(~hidden, half.fillna(0.0)).fillna(0.0)
    if rule is not None:
        _know_rule(every, frame, rule, indicators, people, where)
    every["quantity"] = every["indicator"]
    every = every[counted & (hidden | every["low"].notna())].reset_index(drop=True)
    # of an open source the rule is not known: what it withholds must not be given exactly
    usual = float(rule.threshold) if rule else _UNKNOWN
    every["threshold"] = every["threshold"].fillna(usual).where(every["imported"].astype(bool), _UNKNOWN)
    return _with_bases(every, frame, rule)


def _know_rule(
    every: pd.DataFrame,
    frame: pd.DataFrame,
    rule: Secrecy,
    indicators: Mapping[str, Indicator],
    people: pd.Series | None,
    where: str,
) -> None:
    """What the rule itself tells of a figure that it withholds."""
    least, most = 0.0 if rule.zero_is_secret else 1.0, rule.threshold - 1.0
    small, few, rest = (one.to_numpy() for one in _under(frame, rule, indicators, people, where))
    present = frame["value"].notna().to_numpy()
    count = len(frame)
    size = frame["denominator"].to_numpy(float)
    low, high = every["low"].to_numpy(copy=True), every["high"].to_numpy(copy=True)
    here = present & (small | few)
    # a denominator that is withheld is not known to bound its figure
    high[:count][here] = np.fmin(most, np.where(few, most, size))[here]
    low[:count][here] = np.where(few, 0.0, np.minimum(least, high[:count]))[here]
    left = present & rest & ~small & ~few
    low[:count][left] = np.maximum(size - most, 0.0)[left]
    high[:count][left] = (size - least)[left]
    unsized = left & np.isnan(size)
    low[:count][unsized], high[:count][unsized] = 0.0, np.inf
    every["low"], every["high"] = low, high


def _with_bases(every: pd.DataFrame, frame: pd.DataFrame, rule: Secrecy | None) -> pd.DataFrame:
    """Denominators as counts of their own, where one of them is withheld or is the sum of several rates' counts."""
    if rule is None:
        return every
    size = frame["denominator"].to_numpy(float)
    row = every["row"].to_numpy()
    own = np.where(row >= 0, size[np.maximum(row, 0)], every["denominator"])
    few = (row >= 0) & (own < rule.threshold)
    wanted = {*every.loc[few, "indicator"], *_shared_bases(every.assign(size=own)[row >= 0])}
    concerned = every["indicator"].isin(wanted) & ~np.isnan(own)
    if not concerned.any():
        return every
    bases = every[concerned].assign(
        quantity=every.loc[concerned, "indicator"] + _BASE,
        number=own[concerned],
        hidden=few[concerned],
        low=np.where(few[concerned], 0.0, own[concerned]),
        high=np.where(few[concerned], rule.threshold - 1.0, own[concerned]),
        slack=0.0,
        base=True,
    )
    return pd.concat([every, bases], ignore_index=True)


def _shared_bases(rates: pd.DataFrame) -> list[str]:
    """Of the rates of one denominator, whose counts may add up to it, one each."""
    place = ["year", "sex", "age", "geo_code"]
    wide = rates.dropna(subset=["size"]).drop_duplicates([*place, "indicator"])
    if wide["indicator"].nunique() < 2:
        return []
    sizes = wide.pivot(index=place, columns="indicator", values="size")
    if sizes.shape[1] > _MOST_RATES:
        return []
    alike = sizes.T.drop_duplicates().index
    many = [one for one in alike if sum(sizes[one].equals(sizes[other]) for other in sizes) > 1]
    return [str(one) for one in many]


class _Hunt:
    """The attacker at work, and what is withheld in answer."""

    def __init__(self, figures: pd.DataFrame, relations: Relations, rule: Secrecy | None) -> None:
        self.figures, self.relations, self.rule = figures, relations, rule
        self.figure_of = np.full(relations.count, -1, dtype=np.int64)
        # of several figures in one cell the file's own speaks
        order = np.argsort((figures["origin"] != "file").to_numpy(), kind="stable")[::-1]
        listed = order[relations.cell_of[order] >= 0]
        self.figure_of[relations.cell_of[listed]] = listed
        self.new = (figures["origin"] != "store").to_numpy()
        self.rows = np.repeat(np.arange(relations.matrix.shape[0]), np.diff(relations.matrix.indptr))
        self.columns = relations.matrix.tocsc()

    def protect(self, where: str) -> Ints:
        """Figures to withhold besides; none where every one that is withheld is protected.

        Raises
        ------
        DisclosureError
            One that is not, and the file does not let others be withheld.
        """
        cells = np.unique(self.relations.cell_of[self.new & (self.relations.cell_of >= 0)])
        fresh = np.zeros(self.relations.count, dtype=bool)
        fresh[cells] = True
        pending = np.zeros(self.relations.matrix.shape[0], dtype=bool)
        pending[self.rows[fresh[self.relations.matrix.indices]]] = True
        chosen: list[int] = []
        while pending.any():
            system = self.relations.equations(self.figures)
            exposed = self._exposed(system, pending)
            if not len(exposed):
                break
            first = exposed
            if self.rule is not None and self.rule.secondary:
                # one figure at a time among those that bear on each other: it may protect the others too
                first = exposed[np.unique(self._parts(system)[exposed], return_index=True)[1]]
            picked = self._picked(system, first) if self.rule is not None and self.rule.secondary else {}
            lost = [cell for cell in first.tolist() if cell not in picked]
            if lost:
                raise DisclosureError(self._told(system, lost, where))
            more = np.unique(np.array(list(picked.values()), dtype=np.int64))
            chosen += more.tolist()
            self._withhold(more)
            again = np.zeros(self.relations.count, dtype=bool)
            again[exposed] = again[self.relations.cell_of[more]] = True
            pending[:] = False
            pending[self.rows[again[self.relations.matrix.indices]]] = True
        return np.array(sorted(chosen), dtype=np.int64)

    def _parts(self, system: System) -> Ints:
        """Part of the equations in which each cell lies; cells that are published link nothing."""
        from scipy import sparse
        from scipy.sparse.csgraph import connected_components

        matrix = self.relations.matrix
        here = system.links[matrix.indices]
        r, c = self.rows[here], matrix.indices[here]
        size = sum(matrix.shape)
        graph = sparse.coo_array((np.ones(len(r)), (r, matrix.shape[0] + c)), shape=(size, size))
        return connected_components(graph, directed=False)[1][matrix.shape[0] :]

    def _withhold(self, more: Ints) -> None:
        """Withhold figures; a denominator goes with its figure."""
        figures = self.figures
        base = figures["base"].to_numpy(bool)
        row = figures["row"].to_numpy()
        twin = (row >= 0) & np.isin(row, row[more[base[more]]])
        # the flag does not say which figures were withheld for the others: nothing is known of it
        size = figures["denominator"].fillna(np.inf).to_numpy(float, copy=True)
        size[base | twin] = np.inf
        taken = twin.copy()
        taken[more] = True
        taken &= ~figures["hidden"].to_numpy(bool)
        figures["low"] = figures["low"].mask(taken, 0.0)
        figures["high"] = figures["high"].mask(taken, size)
        figures["hidden"] |= taken

    def _exposed(self, system: System, pending: Bools) -> Ints:
        """Cells that the attacker knows too well, in reach of some equations."""
        from qpv_sante.imports.feasible import System, feasible_intervals
        from qpv_sante.imports.relations import touched

        rows = touched(system, pending)
        part = System(system.matrix[rows], system.lower, system.upper, system.links)
        inside = np.unique(part.matrix.indices)
        hidden = np.zeros(self.relations.count, dtype=bool)
        withheld = self.figures["hidden"].to_numpy(bool) & (self.relations.cell_of >= 0)
        hidden[self.relations.cell_of[withheld]] = True
        implied = self.figure_of < 0
        targets = inside[hidden[inside] | (implied[inside] & (self.rule is not None))]
        width = self._width(targets)
        bounds = feasible_intervals(part, targets, width)
        narrow = bounds.upper - bounds.lower < width - _CLOSE
        # nobody lists it: it matters if it is known to be some persons, and fewer than the threshold
        limit = float(self.rule.threshold) if self.rule else 1.0
        named = hidden[targets]
        secret = named | ((bounds.lower < limit) & (bounds.upper > 0.5) & ~bounds.contradictory)
        exposed = targets[narrow & secret]
        return self._not_before(system, exposed)

    def _width(self, cells: Ints) -> Floats:
        limit = self.figures["threshold"].to_numpy(float)
        figure = self.figure_of[cells]
        whole = float(self.rule.threshold) if self.rule else _UNKNOWN
        threshold = np.where(figure >= 0, limit[np.maximum(figure, 0)], whole)
        return np.maximum(threshold - 2.0, 1.0)

    def _not_before(self, system: System, exposed: Ints) -> Ints:
        """Those that the file exposes: what the store gives away without it is not the file's doing."""
        from qpv_sante.imports.feasible import System, feasible_intervals

        figure = self.figure_of[exposed]
        old = (figure >= 0) & ~self.new[np.maximum(figure, 0)]
        if not old.any():
            return exposed
        fresh = np.zeros(self.relations.count, dtype=bool)
        fresh[self.relations.cell_of[self.new & (self.relations.cell_of >= 0)]] = True
        with_new = np.zeros(self.relations.matrix.shape[0], dtype=bool)
        with_new[self.rows[fresh[self.relations.matrix.indices]]] = True
        before = System(system.matrix[np.flatnonzero(~with_new)], system.lower, system.upper, system.links)
        width = self._width(exposed[old])
        bounds = feasible_intervals(before, exposed[old], width)
        keep = np.ones(len(exposed), dtype=bool)
        keep[old] = bounds.upper - bounds.lower >= width - _CLOSE
        return exposed[keep]

    def _picked(self, system: System, exposed: Ints) -> dict[int, int]:
        """The smallest figure to withhold for each exposed cell, in the nearest of its equations that have one."""
        assert self.rule is not None  # noqa: S101 - see `protect`
        figures = self.figures
        number, size = figures["number"].to_numpy(float), figures["denominator"].to_numpy(float)
        left = np.where(np.isnan(size), np.inf, size - number)
        base = figures["base"].to_numpy(bool)
        free = (figures["origin"] == "file").to_numpy() & ~figures["hidden"].to_numpy(bool)
        free &= (number >= self.rule.threshold) & ((left >= self.rule.threshold) | base)
        room = np.where(system.links, system.upper - system.lower, 0.0)
        found: dict[int, int] = {}
        for cell, width in zip(exposed.tolist(), self._width(exposed).tolist(), strict=True):
            seen: set[int] = set()
            reach = {cell}
            for step in range(_STEPS):
                rows = {int(row) for one in reach for row in self._rows_with(one)} - seen
                seen |= rows
                if not step:
                    # first where the others that are withheld leave it no room
                    tight = {row for row in rows if self._room(row, cell, room) < width - _CLOSE}
                    able = self._able(tight, free)
                    rows = tight if len(able) else rows
                able = self._able(rows, free)
                if len(able):
                    found[cell] = int(able[np.argmin(number[able])])
                    break
                reach = {int(one) for row in rows for one in self._cells_in(row) if system.links[one]}
        return found

    def _room(self, row: int, cell: int, room: Floats) -> float:
        """How far the other unknowns of an equation let a cell move."""
        cells = self._cells_in(row)
        return float(room[cells[cells != cell]].sum())

    def _rows_with(self, cell: int) -> Ints:
        return self.columns.indices[self.columns.indptr[cell] : self.columns.indptr[cell + 1]]

    def _cells_in(self, row: int) -> Ints:
        matrix = self.relations.matrix
        return matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]]

    def _able(self, rows: set[int], free: Bools) -> Ints:
        """Figures of some equations that may be withheld."""
        if not rows:
            return np.empty(0, dtype=np.int64)
        listed = self.figure_of[np.unique(np.concatenate([self._cells_in(row) for row in rows]))]
        return listed[(listed >= 0) & free[np.maximum(listed, 0)]]

    # --- words -------------------------------------------------------------------------------------------------

    def _told(self, system: System, exposed: list[int], where: str) -> str:
        said = [self._equation(system, cell) for cell in exposed[:_NAMED]]
        listed = "; ".join(text for text, _ in said)
        listed += f"; and {len(exposed) - _NAMED} more" if len(exposed) > _NAMED else ""
        stored = any(across for _, across in said)
        advice = (
            ""
            if self.rule is None
            else (
                " Figures of this file do not suffice to protect them."
                if self.rule.secondary
                else " Declare `secondary = true` in [secrecy] to have other figures withheld too, the smallest first."
            )
        )
        if stored:
            return (
                f"{where}: with the figures that are stored already, {len(exposed)} withheld figures could be found by "
                f"subtraction: {listed}. Nothing was stored. Withhold a second part of the same total, leave these "
                "totals out of the file, or remove the other import (`qpv-sante import --remove SOURCE@EDITION`)."
                f"{advice}"
            )
        return (
            f"{where}: {len(exposed)} withheld figures can be found by subtraction: {listed}. Nothing was stored. "
            f"Withhold a second part of the same total, or leave the total out of the file.{advice}"
        )

    def _equation(self, system: System, cell: int) -> tuple[str, bool]:
        """The equation that gives a cell away, without values, and whether it uses what is stored already."""
        weights = self._weights(system, cell)
        exact = weights is not None
        if weights is None:
            # no subtraction alone: the limits of other unknowns are reached
            rows = self._rows_with(cell)
            weights = dict.fromkeys(rows[:1].tolist(), 1.0)
        terms: dict[int, float] = {}
        matrix = self.relations.matrix
        for row, weight in weights.items():
            for at in range(matrix.indptr[row], matrix.indptr[row + 1]):
                terms[matrix.indices[at]] = terms.get(matrix.indices[at], 0.0) + weight * matrix.data[at]
        own = terms.pop(cell, 1.0) or 1.0
        terms = {one: -value / own for one, value in terms.items() if abs(value) > 1e-4}
        known = {one: value for one, value in terms.items() if not system.links[one]}
        others = [one for one in terms if system.links[one]]
        across = any(self.figure_of[one] >= 0 and not self.new[self.figure_of[one]] for one in (cell, *terms))
        plus = [one for one, value in known.items() if value > 0]
        minus = [one for one, value in known.items() if value < 0]
        classes = {str(self.relations.kinds[row]) for row in weights} <= {"sex", "age"} and len(weights) == 1
        verb = "is given by" if across else "is"
        if plus and not minus and len(plus) > 1:
            body = "the sum of its parts"
            body += "" if len(plus) > 4 else f": {', '.join(self._term(one, cell, across) for one in plus)}"
        else:
            body = " and ".join(self._term(one, cell, across) for one in plus[:3])
            body += f" and {len(plus) - 3} more" if len(plus) > 3 else ""
            if len(minus) > 3 or (across and len(minus) > 1):
                body += f" less {'the' if classes else 'its'} {len(minus)} other {'classes' if classes else 'parts'}"
            elif minus:
                body += " less the other classes: " if classes else " less "
                body += " less ".join(self._term(one, cell, across) for one in minus)
        if not plus and not minus:
            body = "another figure of the same territory and class, which is published"
        elif not exact:
            held = ", ".join(self._term(one, cell, across) for one in others[:3])
            body += f"{', within narrow limits,' if plus or minus else ''} beside {held or 'what rounding leaves'}"
            body += ", withheld too and held by their own limits" if others else ""
        return f"{self._name(cell, across)} {verb} {body}", across

    def _weights(self, system: System, cell: int) -> dict[int, float] | None:
        """Equations, with weights, that sum to the cell and published figures alone."""
        from scipy import sparse
        from scipy.optimize import linprog

        from qpv_sante.imports.relations import touched

        start = np.zeros(system.matrix.shape[0], dtype=bool)
        start[self._rows_with(cell)] = True
        rows = touched(system, start)
        matrix = system.matrix[rows]
        unknown = np.unique(matrix.indices[system.links[matrix.indices]])
        wanted = (unknown == cell).astype(float)
        if not wanted.any():
            return None
        part = sparse.csr_array(matrix[:, unknown].T)
        found = linprog(
            np.ones(2 * len(rows)), A_eq=sparse.hstack([part, -part]), b_eq=wanted, bounds=(0, None), method="highs"
        )
        if found.x is None:
            return None
        weights = found.x[: len(rows)] - found.x[len(rows) :]
        return {int(rows[at]): float(weights[at]) for at in np.flatnonzero(np.abs(weights) > 1e-6)}

    def _name(self, cell: int, across: bool) -> str:
        figure = self.figure_of[cell]
        if figure < 0:
            told = self.relations.names.of(cell)
            return f"{told} (in no file)" if told else f"what is left of {self._whole_of(cell)}"
        one = self.figures.loc[figure]
        place = one["geo_code"]
        place = f"{one['geo_level']}:{place}" if across or one["origin"] == "total" else place
        kind = "".join(f", {name} {one[name]}" for name in ("sex", "age", "category") if one[name] != TOTAL)
        at = f"line {one['line']}" if self.new[figure] else str(one["source"])
        year = f" in {one['year']} (withheld, {at})" if across else f" ({at})"
        return f"{one['quantity']} of {place}{kind}{year}"

    def _whole_of(self, cell: int) -> str:
        row = self.columns.indices[self.columns.indptr[cell]]
        matrix = self.relations.matrix
        inside = slice(matrix.indptr[row], matrix.indptr[row + 1])
        wholes = matrix.indices[inside][matrix.data[inside] > 0]
        return " and ".join(self._name(int(one), across=False) for one in wholes)

    def _term(self, cell: int, target: int, across: bool) -> str:
        """A published figure as it differs from the one that is sought."""
        one = self.figures.loc[self.figure_of[cell]]
        at = f"line {one['line']}" if one["origin"] != "store" else str(one["source"])
        other = self.figure_of[target]
        place = f"{one['geo_level']}:{one['geo_code']}" if across or one["origin"] == "total" else one["geo_code"]
        kind = ", ".join(f"{name} {one[name]}" for name in ("sex", "age") if one[name] != TOTAL)
        if other < 0:
            return f"{place}{', ' if kind else ''}{kind} ({at})"
        sought = self.figures.loc[other]
        if one["quantity"] != sought["quantity"]:
            return f"{one['quantity']} ({at})"
        if (one["geo_level"], one["geo_code"]) == (sought["geo_level"], sought["geo_code"]):
            return f"{kind or 'the total'} ({at})"
        return f"{place}{', ' if kind and (one['sex'], one['age']) != (sought['sex'], sought['age']) else ''}" + (
            f"{kind} ({at})" if kind and (one["sex"], one["age"]) != (sought["sex"], sought["age"]) else f" ({at})"
        )
