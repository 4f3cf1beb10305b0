"""Values by year placed on an axis, where their series break, and which of them a line may join."""

from __future__ import annotations

from itertools import pairwise

import pandas as pd

from qpv_sante import style
from qpv_sante.catalogue import catalogue
from qpv_sante.charts import common
from qpv_sante.errors import ComparabilityError

REASONS = ("zoning", "source", "definition")
TREND_COLUMNS = (
    *("series", "label", "side", "year", "value", "lower", "upper", "interval", "flag", "geo_vintage", "source"),
    *("described", "x", "segment"),
)
_COMPARED = ("territory", "territory_code", "indicator", "year", "geo_vintage", "reference", "qpv_value")
_OBSERVED = ("indicator", "source", "geo_level", "geo_code", "geo_vintage", "year", "value", "flag")
_SHIFT = 0.4  # years between two zonings of the same year


def trend_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """One row a series, year and zoning, placed on the axis of the years and cut into comparable segments.

    Parameters
    ----------
    frame : DataFrame
        Frames of `compare` of several years (and zonings) one under the other, or rows of `load_observations`.

    Returns
    -------
    DataFrame
        Columns of `TREND_COLUMNS`, values in the indicator's unit. `side` is `qpv`, `reference` or, of observations,
        `observed`; `described` marks a median of neighbourhoods in place of an aggregate; `x` is the year, moved
        aside where two zonings share it; rows of one `segment` of one series compare with each other.

    Raises
    ------
    SchemaError
        Neither kind of frame.
    ComparabilityError
        Several indicators, references or classes, or two rows for one territory, zoning and year.
    """
    compared = "qpv_value" in frame.columns
    common.check_columns(frame, _COMPARED if compared else _OBSERVED, "plot_trend", "compare() or load_observations()")
    frame = frame.reset_index(drop=True)
    frame = frame.assign(**{name: frame[name].astype("str") for name in frame.select_dtypes("category")})
    common.check_single(frame, ("indicator", "reference", "sex", "age", "category", "geo_level"), "plot_trend", "frame")
    indicator = catalogue().indicator(str(frame["indicator"].iloc[0]))
    rows = _of_comparisons(frame) if compared else _of_observations(frame)
    twice = rows.duplicated(["series", "side", "year", "geo_vintage"])
    if twice.any():
        one = rows[twice].iloc[0]
        raise ComparabilityError(
            f"plot_trend draws one value a year and zoning; {one['label']} has several for {one['year']} "
            f"({one['geo_vintage']} zoning): keep one source or one comparison."
        )
    rows = rows.sort_values(["series", "side", "year", "geo_vintage"], kind="stable", ignore_index=True)
    zonings = {year: sorted(group.unique()) for year, group in rows.groupby("year")["geo_vintage"]}
    rows["x"] = [
        year + _SHIFT * (zonings[year].index(zoning) - (len(zonings[year]) - 1) / 2)
        for year, zoning in zip(rows["year"], rows["geo_vintage"], strict=True)
    ]
    family = [indicator.family(int(year)) for year in rows["year"]]
    keys = zip(rows["geo_vintage"], rows["source"].map(_names), family, strict=True)
    rows["segment"] = ["|".join(map(str, key)) for key in keys]
    return rows.reindex(columns=list(TREND_COLUMNS))


def territories_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of `load_observations` for a comparison of larger territories, which has no figure of QPV; others as is."""
    if "kind" not in frame or not (frame["kind"] == "published").any():
        return frame
    published = frame[frame["kind"] == "published"]
    level = published["territory_code"].str.partition(":")
    return published.drop(columns=[name for name in published if name.startswith(("qpv_", "reference", "n_"))]).assign(
        geo_level=level[0], geo_code=level[2], geo_vintage=0
    )


def _of_comparisons(frame: pd.DataFrame) -> pd.DataFrame:
    sides = []
    for side in ("qpv", "reference"):
        value = pd.to_numeric(frame.get(f"{side}_value"))
        described = pd.Series(False, index=frame.index)
        if side == "qpv" and "qpv_median" in frame:
            described = value.isna() & frame["qpv_median"].notna()
            value = value.fillna(frame["qpv_median"])
        bounds = {
            end: pd.to_numeric(frame[f"{side}_{end}"]).mask(described) if f"{side}_{end}" in frame else float("nan")
            for end in ("lower", "upper")
        }
        flag = frame["flag"].astype("str") if "flag" in frame else pd.Series("observed", index=frame.index)
        source = frame.get("source" if side == "qpv" else "reference_source")
        part = pd.DataFrame({"series": frame["territory_code"], "label": frame["territory"], "side": side,
                             "value": value, **bounds, "described": described})  # fmt: skip
        part["flag"] = flag if side == "qpv" else "observed"
        part["interval"] = frame.get("interval", "")
        part["source"] = source.fillna("").astype("str") if source is not None else ""
        part = part.assign(year=frame["year"].astype(int), geo_vintage=frame["geo_vintage"].astype(int))
        if side == "reference":
            # a reference that was not asked for is not a missing one
            part = part[part["value"].notna()]
        sides.append(part)
    return pd.concat(sides, ignore_index=True)


def _of_observations(frame: pd.DataFrame) -> pd.DataFrame:
    from qpv_sante import loading

    places = loading.gazetteer()
    level = str(frame["geo_level"].iloc[0])
    if level == "qpv":
        kinds = frame[["geo_code", "geo_vintage"]].drop_duplicates("geo_code")
        codes = [(vintage, group["geo_code"]) for vintage, group in kinds.groupby("geo_vintage")]
        labels = {
            code: name
            for vintage, some in codes
            for code, name in zip(some, common.qpv_labels(some, vintage), strict=True)
        }
        names = pd.Series(labels)
    else:
        table = places.territories[places.territories["level"] == level]
        names = table.drop_duplicates("code").set_index("code")["name"]
    columns = {name: frame[name] if name in frame else float("nan") for name in ("lower", "upper")}
    return pd.DataFrame(
        {
            "series": level + ":" + frame["geo_code"],
            "label": frame["geo_code"].map(names).fillna(frame["geo_code"]),
            "side": "observed",
            "value": pd.to_numeric(frame["value"]),
            **columns,
            "interval": frame.get("interval", ""),
            "flag": frame["flag"],
            "described": False,
            "source": frame["source"],
            "year": frame["year"].astype(int),
            # the year of the official codes is no zoning: a commune stays a commune
            "geo_vintage": frame["geo_vintage"].astype(int) if level == "qpv" else 0,
        }
    )


def _names(sources: str) -> str:
    """Sources without their edition: the edition changes every year, the source seldom."""
    return ", ".join(sorted({key.partition("@")[0] for key in style.source_keys([sources])}))


def breaks(rows: pd.DataFrame) -> pd.DataFrame:
    """Breaks between neighbouring values of each series.

    Parameters
    ----------
    rows : DataFrame
        As `trend_rows` gives it.

    Returns
    -------
    DataFrame
        One row a place on the axis: `before`, `after` (the years), `x` (between the two values), `reasons` (of
        `REASONS`, separated by `, `): the zoning changed, the source (not its edition), or the definition or method,
        where the catalogue says that the years do not compare. Sorted by `x`.

    Examples
    --------
    >>> from qpv_sante import load_observations
    >>> rates = load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, territory="qpv:QP034003")
    >>> breaks(trend_rows(rates))[["before", "after", "reasons"]].values.tolist()
    [[2018, 2019, 'definition'], [2019, 2021, 'definition']]
    """
    found: dict[tuple[float, int, int], set[str]] = {}
    for _, group in rows.groupby(["series", "side"], sort=False):
        ordered = group.sort_values("x", kind="stable").to_dict("records")
        for one, two in pairwise(ordered):
            parts = zip(REASONS, one["segment"].split("|"), two["segment"].split("|"), strict=True)
            reasons = {name for name, before, after in parts if before != after}
            if reasons:
                place = (round((one["x"] + two["x"]) / 2, 6), int(one["year"]), int(two["year"]))
                found.setdefault(place, set()).update(reasons)
    records = [
        {"before": before, "after": after, "x": x, "reasons": ", ".join(r for r in REASONS if r in reasons)}
        for (x, before, after), reasons in sorted(found.items())
    ]
    return pd.DataFrame(records, columns=["before", "after", "x", "reasons"])


def segments(rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Runs of values that a line may join: one series, one segment, consecutive years, none missing.

    Parameters
    ----------
    rows : DataFrame
        As `trend_rows` gives it.

    Returns
    -------
    list of DataFrame
        A run of one row is a point without line.
    """
    runs = []
    for _, group in rows[rows["value"].notna()].groupby(["series", "side", "segment"], sort=False):
        ordered = group.sort_values("year", kind="stable")
        number = (ordered["year"].diff() != 1).cumsum()
        runs += [run for _, run in ordered.groupby(number)]
    return runs
