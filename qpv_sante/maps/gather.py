"""What a map takes from the store: QPV of a territory, their figures, the outlines around."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import pandas as pd

from qpv_sante import style
from qpv_sante.errors import ComparabilityError, StoreError, UnavailableLevelError
from qpv_sante.geography import with_neighbours
from qpv_sante.observations import AUTO
from qpv_sante.territories import Territory

# Levels whose outline frames the map
FRAMED = ("department", "region")
_OUTLINES_VINTAGE = 2018
_FIGURES = ["geo_code", "value", "lower", "upper", "interval", "n", "denominator", "flag", "source"]


def resolve(territory: str | Territory | None) -> Territory | None:
    """The territory of a name or a typed code; none for all of France."""
    from qpv_sante import loading

    return loading.gazetteer().resolve(territory)


def figures(
    indicator: str, *, geo_vintage: int, year: int, sex: str = AUTO, age: str = AUTO, source: str | None = None
) -> pd.DataFrame:
    """Figures of every QPV of France, one row a QPV, from one source.

    Returns
    -------
    DataFrame
        Rows of the long table. Of all France: a territory that the source does not cover is told QPV by QPV, not
        by an error, and classes may rest on more than what is drawn.

    Raises
    ------
    ComparabilityError
        Several sources, or several classes and no total.
    """
    from qpv_sante import loading
    from qpv_sante.quarter_values import check_one_class

    frame = loading.load_observations(
        indicator, geo_level="qpv", geo_vintage=geo_vintage, year=year, sex=sex, age=age, source=source
    )
    check_one_class(frame, f"{indicator} of {year} by QPV")
    sources = frame["source"].astype("str").unique()
    if len(sources) > 1:
        raise ComparabilityError(
            f"{indicator} of {year} has several sources by QPV: {', '.join(sources)}. Pass source= with one of them."
        )
    text = {name: frame[name].astype("str") for name in ("flag", "source", "interval")}
    return frame.assign(**text)


def class_of(frame: pd.DataFrame) -> tuple[str, str]:
    """Sex and age of figures of one class."""
    return str(frame["sex"].iloc[0]), str(frame["age"].iloc[0])


def quarters(place: Territory | None, geo_vintage: int) -> gpd.GeoDataFrame:
    """QPV of a territory with their outlines, missing where none is published.

    Raises
    ------
    UnavailableLevelError
        No QPV of that zoning there, or no outline.
    """
    from qpv_sante import loading

    places = loading.gazetteer()
    members = places.qpv_in(place, geo_vintage)
    if members.empty and place is not None:
        other = len(places.qpv_in(place, 2015 if geo_vintage == 2024 else 2024))
        raise UnavailableLevelError(
            f"{place.name} ({place.key}): no QPV of the {geo_vintage} zoning in the files read, nothing to map. "
            f"QPV of the other zoning: {other}."
        )
    outlines = loading.load_zones("qpv", vintage=geo_vintage, territory=place)[["geo_code", "geometry"]]
    kept = members[["geo_code", "name", "commune_names", "department"]]
    zones = kept.merge(outlines, on="geo_code", how="left", validate="1:1")
    return gpd.GeoDataFrame(zones, geometry="geometry", crs=outlines.crs)


def with_figures(zones: gpd.GeoDataFrame, frame: pd.DataFrame, *, suffix: str = "") -> gpd.GeoDataFrame:
    """The QPV with their figures; one that the source does not cover is unavailable.

    Parameters
    ----------
    zones : GeoDataFrame
        As `quarters` gives them.
    frame : DataFrame
        As `figures` gives it.
    suffix : str
        After the names of the columns of figures.
    """
    columns = {name: f"{name}{suffix}" for name in _FIGURES if name != "geo_code"}
    joined = zones.merge(frame[_FIGURES].rename(columns=columns), on="geo_code", how="left", validate="1:1")
    joined[f"flag{suffix}"] = joined[f"flag{suffix}"].fillna("unavailable")
    return joined


def background(place: Territory | None, zones: gpd.GeoDataFrame) -> dict[str, gpd.GeoDataFrame]:
    """Outlines to draw under the QPV, by level.

    Communes for what is smaller than a department, where those of every QPV are in the store; departments and regions
    are always given: they fill what is beyond.

    Parameters
    ----------
    place : Territory, optional
    zones : GeoDataFrame
        As `quarters` gives them.
    """
    from qpv_sante import loading

    levels = {level: loading.load_zones(level, vintage=_OUTLINES_VINTAGE) for level in FRAMED}
    if place is None or place.level in (*FRAMED, "country"):
        return levels
    communes = communes_under(zones)
    return levels if communes is None else {**levels, "commune": communes}


def communes_under(zones: gpd.GeoDataFrame) -> gpd.GeoDataFrame | None:
    """Outlines of communes, if the store has those of every QPV; none elsewhere."""
    from qpv_sante import loading

    try:
        communes = loading.load_zones("commune", vintage=_OUTLINES_VINTAGE)
    except (UnavailableLevelError, StoreError):
        return None  # a build or a snapshot without them: departments do
    points = zones.geometry.dropna().representative_point()
    placed = points.to_frame("geometry").sjoin(communes, predicate="within").index
    return communes if len(points) and points.index.isin(placed).all() else None


def communes_around(zones: gpd.GeoDataFrame) -> gpd.GeoDataFrame | None:
    """Outlines of the communes that hold these QPV and of their neighbours; none where the store has none of them."""
    from qpv_sante import loading

    try:
        communes = loading.load_zones("commune", vintage=_OUTLINES_VINTAGE)
    except (UnavailableLevelError, StoreError):
        return None
    near = with_neighbours(communes, zones.geometry.dropna())
    return near if len(near) else None


def practices(zones: gpd.GeoDataFrame, geo_vintage: int, lang: style.Lang) -> gpd.GeoDataFrame:
    """Practices whose place is known below the commune, in one of these QPV or in a commune that holds one."""
    from qpv_sante import loading
    from qpv_sante.initiatives import load_initiatives

    listed = load_initiatives(lang=lang)
    listed = listed[listed.geometry.notna()]
    quarters = loading.gazetteer().qpv_in(None, geo_vintage)
    hosts = quarters.loc[quarters["geo_code"].isin(zones["geo_code"]), "communes"].str.split(";").explode()
    return listed[listed["commune_code"].isin(hosts)].reset_index(drop=True)


def focus(place: Territory | None) -> gpd.GeoDataFrame | None:
    """Outlines that frame the map of a region, a department, a commune or several; none elsewhere and overseas."""
    from qpv_sante import loading

    if place is None or not (place.level in (*FRAMED, "commune") or place.communes):
        return None
    level = "commune" if place.communes else place.level
    try:
        outlines = loading.load_zones(level, vintage=_OUTLINES_VINTAGE, territory=place)
    except (UnavailableLevelError, StoreError):
        return None
    # a frame of some communes of several would leave the others out
    return outlines if len(outlines) >= len(place.communes) else None


def mapped(frame: pd.DataFrame, place: Territory | None, geo_vintage: int) -> dict[str, Any]:
    """What a map of one indicator is drawn from: arguments of `draw_map` and of `explore_zones`.

    Parameters
    ----------
    frame : DataFrame
        As `figures` gives it.
    place : Territory, optional
    geo_vintage : int

    Returns
    -------
    dict
        `zones, background, place, focus, sources`.
    """
    zones = with_figures(quarters(place, geo_vintage), frame)
    under = background(place, zones)
    return {
        "zones": zones,
        "background": under,
        "place": place,
        "focus": focus(place),
        "sources": style.source_keys(frame["source"].unique()),
    }
