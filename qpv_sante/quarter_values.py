"""Every QPV of a zoning with its value, and the weight that stands for its people where its own is not published."""

from __future__ import annotations

import pandas as pd

from qpv_sante import aggregation, loading, store
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.years import best_covered_year


def quarters_with_values(
    indicator: Indicator,
    *,
    geo_vintage: int,
    year: int,
    sex: str,
    age: str,
) -> pd.DataFrame:
    """Every QPV of a zoning, with its value, bounds and weight where they are published.

    Parameters
    ----------
    indicator : Indicator
    geo_vintage, year : int
    sex, age : str

    Returns
    -------
    DataFrame
        Rows of the gazetteer's `qpv`, with `value, lower, upper, interval, flag, source, denominator,
        weight`, `weight_base` (`denominator`, or the fallback) and `in_field` (whether the source lists the
        QPV; one that it does not is flagged `unavailable`). `attrs["weight"]` names the weight.
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


def _fallback_weight(indicator: Indicator, codes: pd.Series, geo_vintage: int, year: int) -> tuple[pd.Series, str]:
    """The count that the catalogue names as weight, of the best covered and nearest year in the same zoning."""
    if indicator.weight is None:
        raise UnavailableLevelError(
            f"{indicator.id} is published without its denominator, and the catalogue names no fallback weight."
        )
    return _nearest_counts(indicator.weight, codes, geo_vintage, year)


def _nearest_counts(indicator: str, codes: pd.Series, geo_vintage: int, year: int) -> tuple[pd.Series, str]:
    """A count by QPV, of the best covered and nearest year in the same zoning, and its name with that year."""
    every = loading.load_observations(indicator, geo_level="qpv", geo_vintage=geo_vintage)
    nearest = best_covered_year(every, codes, near=year)
    values = every[every["year"] == nearest].set_index("geo_code")["value"]
    return codes.map(values), f"{indicator} {nearest}"
