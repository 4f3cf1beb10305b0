"""Statistical secrecy of imported figures: what is withheld, and what must not be found by subtraction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from qpv_sante.catalogue import Indicator
from qpv_sante.errors import DisclosureError, SchemaError
from qpv_sante.imports.metadata import Secrecy
from qpv_sante.observations import TOTAL
from qpv_sante.territories import Gazetteer, current_commune

_CELL = ["indicator", "geo_code", "sex", "age", "year"]


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
        The count itself, else the numerator given, else the rate in percent times its denominator,
        to the nearest person. Missing where nothing says it.

    Examples
    --------
    >>> rate = Indicator(id="r", label={}, short={}, theme="x", kind="rate", unit={"en": "%"}, definition={},
    ...                  population={}, series=[], range=[0, 100])
    >>> frame = pd.DataFrame({"indicator": ["r"], "value": [12.5], "count": [float("nan")], "denominator": [80.0]})
    >>> persons(frame, {"r": rate}).tolist()
    [10.0]
    """
    kinds = frame["indicator"].map({name: one.kind for name, one in indicators.items()})
    percent = frame["indicator"].map({name: one.range == [0, 100] for name, one in indicators.items()}).astype(bool)
    shares = (frame["value"] * frame["denominator"] / 100).where((kinds == "rate") & percent).round()
    return frame["value"].where(kinds == "count").fillna(frame["count"]).fillna(shares)


def withhold(
    frame: pd.DataFrame, rule: Secrecy | None, indicators: Mapping[str, Indicator], *, where: str
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
    number = persons(frame, indicators)
    size = frame["denominator"]
    present = frame["value"].notna()
    unknown = frame[present & number.isna() & size.isna()]
    if len(unknown) and not rule.applied_by_producer:
        first = unknown.iloc[0]
        raise SchemaError(
            f"{where}: line {first['line']}, {first['indicator']}: the rule of secrecy (threshold {rule.threshold}) "
            f"cannot be checked, as {len(unknown)} figures come without count or denominator. Add the column `count` "
            "or `denominator`, or declare `applied_by_producer = true` in [secrecy] if the producer applied it."
        )
    small = (number < rule.threshold) & (rule.zero_is_secret | (number > 0))
    few = size < rule.threshold
    # 2995 of 3000: who is not counted is as few as who would be withheld
    rest = size - number
    small |= (rest < rule.threshold) & (rule.zero_is_secret | (rest > 0))
    hidden = present & (small | few)
    result = frame.assign(flag=frame["flag"].mask(hidden, "suppressed"), denominator=size.mask(few))
    for name in ("value", "lower", "upper", "count"):
        result[name] = result[name].mask(hidden | few)
    return result, int(hidden.sum())


def refuse_recomputable(
    frame: pd.DataFrame,
    totals: pd.DataFrame,
    indicators: Mapping[str, Indicator],
    *,
    level: str,
    places: Gazetteer,
    where: str,
) -> None:
    """Refuse a file in which a withheld figure is the difference of those that it gives.

    Two ways are looked for: the total of a territory (the sum of a commune's QPV) with one part withheld,
    and both sexes, or all ages, with one class withheld.

    Parameters
    ----------
    frame : DataFrame
        The parts, after `withhold`: `line, indicator, geo_code, sex, age, year, value, count, denominator, flag`.
    totals : DataFrame
        The same columns; `geo_code` is a typed code (`commune:34032`).
    indicators : mapping of str to Indicator
    level : str
        Level of the parts.
    places : Gazetteer
        Says which parts lie in a territory, whether the file has them or not.
    where : str
        File, for messages.

    Raises
    ------
    DisclosureError
        The message gives lines and codes, never the value.
    """
    hidden = frame["flag"] == "suppressed"
    if not hidden.any():
        return
    frame = frame.assign(hidden=hidden, persons=persons(frame, indicators))
    found = [*_by_territory(frame, totals.assign(persons=persons(totals, indicators)), level, places)]
    found += [*_by_class(frame, "sex"), *_by_class(frame, "age")]
    if found:
        listed = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        raise DisclosureError(
            f"{where}: {len(found)} withheld figures can be found by subtraction: {listed}. Nothing was stored. "
            "Withhold a second part of the same total, or leave the total out of the file."
        )


def _by_territory(frame: pd.DataFrame, totals: pd.DataFrame, level: str, places: Gazetteer) -> Iterator[str]:
    key = ["indicator", "sex", "age", "year"]
    groups = dict(list(frame.groupby(key)))
    for total in totals[totals["persons"].notna()].itertuples():
        parts = groups.get((total.indicator, total.sex, total.age, total.year))
        if parts is None:
            continue
        inside, listed = _parts_in(str(total.geo_code), parts, level, places)
        known = inside["persons"].notna()
        # a part that the file does not list, or that straddles the border, hides the one that is withheld
        if listed == len(inside) and (~known).sum() == 1 and inside.loc[~known, "hidden"].all():
            part = inside[~known].iloc[0]
            yield (
                f"{part['indicator']} of {part['geo_code']} (line {part['line']}) is {total.geo_code} "
                f"(line {total.line}) less its {known.sum()} other {level}"
            )


def _parts_in(typed: str, parts: pd.DataFrame, level: str, places: Gazetteer) -> tuple[pd.DataFrame, int]:
    """The parts of a territory that the file lists, and how many there are in all."""
    place = places.resolve(typed)
    assert place is not None  # noqa: S101 - a code always designates a territory
    if level == "qpv":
        zoning = int(parts["geo_vintage"].iloc[0])
        members = places.qpv_in(place, zoning)
        column = "communes" if place.level == "commune" else place.level
        if column in members and place.level != "country":
            whole = members[column] == place.code
            if not whole.all():
                return parts.iloc[:0], -1
        codes = members["geo_code"]
    else:
        communes = places.communes.loc[places.communes_in(place), "code"]
        if level == "commune":
            codes = communes
        else:  # IRIS have no list of their own: those of the file are taken for all
            codes = parts["geo_code"][current_commune(parts["geo_code"].str[:5], places.former_communes).isin(communes)]
    return parts[parts["geo_code"].isin(codes)], len(codes)


def _by_class(frame: pd.DataFrame, name: str) -> Iterator[str]:
    """One class withheld beside all the others and their total."""
    if (frame[name] == TOTAL).all():
        return
    key = [one for one in _CELL if one != name]
    for _, cells in frame.groupby(key):
        total, classes = cells[cells[name] == TOTAL], cells[cells[name] != TOTAL]
        known = classes["persons"].notna()
        if len(total) != 1 or total["persons"].isna().any() or len(classes) < 2 or (~known).sum() != 1:
            continue
        # age classes need not cover everyone: the others above the total are not parts of it
        if classes.loc[~known, "hidden"].all() and classes["persons"].sum() <= total["persons"].iloc[0]:
            part = classes[~known].iloc[0]
            yield (
                f"{part['indicator']} of {part['geo_code']}, {name} {part[name]} (line {part['line']}) is the total "
                f"(line {total['line'].iloc[0]}) less the other classes"
            )
