"""Every QPV of a zoning with its value, and the weight that stands for its people where its own is not known."""

from __future__ import annotations

import pandas as pd

from qpv_sante import aggregation, loading, store
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import ComparabilityError, UnavailableLevelError
from qpv_sante.observations import AUTO, CLASSES


def quarters_with_values(
    indicator: Indicator,
    *,
    geo_vintage: int,
    year: int,
    sex: str = AUTO,
    age: str = AUTO,
) -> pd.DataFrame:
    """Every QPV of a zoning, with its value, bounds and weight where they are published.

    Parameters
    ----------
    indicator : Indicator
    geo_vintage, year : int
    sex, age : str
        As in `load_observations`; one class at a time.

    Returns
    -------
    DataFrame
        Rows of the gazetteer's `qpv`, with `value, lower, upper, interval, flag, source, denominator,
        weight`, `weight_base` (`denominator`, or the fallback) and `in_field` (whether the source lists the
        QPV; one that it does not is flagged `unavailable`). `attrs["weight"]` names the weight.

    Raises
    ------
    ComparabilityError
        Several classes and no total; the message lists them.
    """
    asked = ("quarters", indicator.id, geo_vintage, year, sex, age)
    return store.remembered(
        asked,
        lambda: _quarters_with_values(indicator, geo_vintage=geo_vintage, year=year, sex=sex, age=age),
    )


def _quarters_with_values(indicator: Indicator, *, geo_vintage: int, year: int, sex: str, age: str) -> pd.DataFrame:
    frame = loading.load_observations(
        indicator.id, geo_level="qpv", geo_vintage=geo_vintage, year=year, sex=sex, age=age
    )
    check_one_class(frame, f"{indicator.id} of {year} by QPV")
    sources = frame["source"].astype("str").unique()
    if len(sources) > 1:
        raise UnavailableLevelError(
            f"{indicator.id} of {year} has several sources by QPV: {', '.join(sources)}. Pass one to load_observations."
        )
    rounding = catalogue().rounding(indicator.id, sources[0])
    frame = aggregation.with_bounds(frame, rounding, indicator.range)
    columns = ["geo_code", "source", "value", "lower", "upper", "interval", "flag", "denominator"]
    frame[["flag", "source"]] = frame[["flag", "source"]].astype("str")
    quarters = loading.gazetteer().qpv_in(None, geo_vintage).merge(frame[columns], on="geo_code", how="left")
    quarters["in_field"] = quarters["source"].notna()
    quarters["flag"] = quarters["flag"].fillna("unavailable")
    quarters["interval"] = quarters["interval"].fillna("none")
    published = quarters["value"].notna()
    weight, base = quarters["denominator"], "denominator"
    if indicator.kind == "rate" and not weight[published].notna().all():
        weight, base = _fallback_weight(indicator, quarters["geo_code"], geo_vintage, year)
    elif indicator.kind == "rate":
        # a withheld denominator is about the usual share of the inhabitants: needed for bounds alone
        people, _ = _nearest_counts("population", quarters["geo_code"], geo_vintage, year)
        weight = weight.fillna(people * weight.sum() / people[weight.notna()].sum())
    elif indicator.kind == "count":
        weight, _ = _nearest_counts("population", quarters["geo_code"], geo_vintage, year)
    quarters = quarters.assign(weight=weight, weight_base=base)
    label = base if indicator.kind == "rate" else "sum" if indicator.kind == "count" else "none"
    quarters.attrs = {**frame.attrs, "weight": label}
    return quarters


def check_one_class(frame: pd.DataFrame, what: str) -> None:
    """Refuse rows of several classes where one value a place is needed.

    Parameters
    ----------
    frame : DataFrame
        Rows of the long table.
    what : str
        What they are, for the message.

    Raises
    ------
    ComparabilityError
        The message lists the classes, and names those that can be asked for.
    """
    several = {name: found for name in CLASSES if len(found := _classes(frame, name)) > 1}
    if several:
        listed = "; ".join(f"{name}: {', '.join(found)}" for name, found in several.items())
        name, found = next(reversed(several.items()))
        raise ComparabilityError(
            f"{what}: one class at a time, and no total is given to stand for them. Classes: {listed}. Pass one, for "
            f"example {name}={found[0]!r}; load_observations(..., {name}=None) gives them all."
        )


def _classes(frame: pd.DataFrame, name: str) -> list[str]:
    return loading.sorted_classes(frame[name].astype("str").unique())


def classes_by_qpv(indicator: Indicator, *, geo_vintage: int, year: int, sex: str, age: str) -> list[tuple[str, str]]:
    """Sex and age of each class that stands for what is asked: one, or every class where there is no total."""
    if AUTO not in (sex, age):
        return [(sex, age)]
    frame = loading.load_observations(
        indicator.id, geo_level="qpv", geo_vintage=geo_vintage, year=year, sex=sex, age=age
    )
    pairs = frame[["sex", "age"]].astype("str").drop_duplicates()
    order = {age: rank for rank, age in enumerate(_classes(frame, "age"))}
    return sorted(pairs.itertuples(index=False, name=None), key=lambda pair: (order[pair[1]], pair[0]))


def one_class(indicator: Indicator, *, geo_vintage: int, year: int, sex: str, age: str) -> tuple[str, str]:
    """Sex and age that stand for what is asked, where one value a QPV is needed.

    Raises
    ------
    ComparabilityError
        Several classes and no total; the message lists them.
    """
    pairs = classes_by_qpv(indicator, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    check_one_class(pd.DataFrame(pairs, columns=["sex", "age"]).assign(category="_T"), f"{indicator.id} of {year}")
    return pairs[0]


def other_years(indicator: str, geo_code: str, geo_vintage: int, but: int) -> pd.DataFrame:
    """Values of a QPV for other years, oldest first: what is missing in one year may be known in another.

    Examples
    --------
    >>> other_years("poverty_rate", "QP974001", 2015, 2021)["year"].tolist()
    [2016, 2017, 2018, 2019]
    """
    rows = loading.load_observations(indicator, geo_level="qpv", geo_vintage=geo_vintage)
    own = rows[(rows["geo_code"] == geo_code) & rows["value"].notna() & (rows["year"] != but)]
    return own.sort_values("year", ignore_index=True)


def _fallback_weight(indicator: Indicator, codes: pd.Series, geo_vintage: int, year: int) -> tuple[pd.Series, str]:
    """The count that the catalogue names as weight, of the nearest year in the same zoning."""
    if indicator.weight is None:
        raise UnavailableLevelError(
            f"{indicator.id} is published without its denominator, and the catalogue names no fallback weight."
        )
    return _nearest_counts(indicator.weight, codes, geo_vintage, year)


def _nearest_counts(indicator: str, codes: pd.Series, geo_vintage: int, year: int) -> tuple[pd.Series, str]:
    """A count by QPV, of the nearest year in the same zoning, and its name with that year."""
    every = loading.load_observations(indicator, geo_level="qpv", geo_vintage=geo_vintage)
    # the later of two years at the same distance: populations are published late
    nearest = min(sorted(every["year"].unique(), reverse=True), key=lambda one: abs(int(one) - year))
    values = every[every["year"] == nearest].set_index("geo_code")["value"]
    return codes.map(values), f"{indicator} {nearest}"
