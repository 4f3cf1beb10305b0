"""Structures inside an outline and around it, with what the doubt on their location leaves possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qpv_sante.errors import InvalidInputError, SchemaError
from qpv_sante.geography import department_of_qpv, projected_crs

if TYPE_CHECKING:
    import geopandas as gpd

# How far the true place may be from the published one, in metres. Conventions, not measures: no file read of
# structures gives the error of its geocoding.
PRECISION_M = {"address": 30.0, "street": 200.0, "locality": 1_000.0, "commune": 5_000.0}
UNKNOWN_PRECISION_M = 100.0
KINDS: dict[str, tuple[str, ...]] = {
    "health_houses": ("health_houses",),
    "health_centres": ("health_centres",),
    "health_structures": ("health_houses", "health_centres"),
}


def count_nearby(
    zones: gpd.GeoDataFrame,
    structures: pd.DataFrame,
    *,
    distances: Sequence[float] = (0, 500, 1000),
    unknown_precision: float = UNKNOWN_PRECISION_M,
) -> pd.DataFrame:
    r"""Structures at most at each distance from each outline.

    With :math:`d` the distance from a structure to the outline (negative inside, to its border) and :math:`r` the
    precision of its location, it is counted at distance :math:`D` if :math:`d \le D`; it is there for certain if
    :math:`d + r \le D`, and may be there if :math:`d - r \le D`. A structure whose precision is worse than the
    distance is therefore never certain, except deep inside the outline.

    Parameters
    ----------
    zones : GeoDataFrame
        `geo_code` (QPV), `communes` (codes separated by `;`), `department`; an outline may be missing.
    structures : DataFrame
        `structure, kind, commune, department, longitude, latitude, location, precision`. A structure is counted once
        whatever the number of its establishments; one without location is in no count, and may be anywhere in its
        commune (for distance 0) or its department (beyond).
    distances : sequence of float
        Metres from the outline, measured in the projected system of the territory.
    unknown_precision : float
        Metres allowed for a structure whose precision is not published.

    Returns
    -------
    DataFrame
        One row a zone, kind (keys of `KINDS`) and distance: `geo_code, indicator, distance_m, value, lower, upper`
        (number of structures: counted, certain, possible), `n_used, n_total` (structures of that kind with a usable
        location, and all of them, in the zone's department). Counts are missing where the outline is.

    Raises
    ------
    InvalidInputError
        Distances that are negative, not finite, repeated or none; a negative precision.
    SchemaError
        A precision that has no radius.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely import box
    >>> zone = {"geo_code": ["QP031001"], "communes": ["31555"], "department": ["31"]}
    >>> zones = gpd.GeoDataFrame(zone, geometry=[box(570000, 6270000, 570400, 6270400)], crs=2154)
    >>> at = gpd.points_from_xy([570200, 570390, 570800], [6270200] * 3, crs=2154).to_crs(4326)
    >>> structures = pd.DataFrame(
    ...     {"structure": ["1", "2", "3"], "kind": "health_houses", "commune": "31555", "department": "31",
    ...      "longitude": at.x, "latitude": at.y, "location": "published", "precision": "unknown"})
    >>> found = count_nearby(zones, structures, distances=[0, 500]).query("indicator == 'health_houses'")
    >>> found[["distance_m", "value", "lower", "upper"]].values.tolist()
    [[0.0, 2.0, 1.0, 2.0], [500.0, 3.0, 3.0, 3.0]]
    """
    reach = check_distances(distances)
    if not np.isfinite(unknown_precision) or unknown_precision < 0:
        raise InvalidInputError(
            f"`unknown_precision` must be a number of metres, 0 or more; found {unknown_precision!r}."
        )
    radii = {**PRECISION_M, "unknown": float(unknown_precision)}
    single = structures.drop_duplicates("structure", ignore_index=True)
    strange = sorted(set(single["precision"]) - set(radii))
    if strange:
        raise SchemaError(f"structures: no radius for the precision {', '.join(strange)}; known: {', '.join(radii)}.")
    placed = single[single["location"] == "published"].reset_index(drop=True)
    lost = single[single["location"] != "published"]
    away = signed_distances(zones, placed)
    radius = placed["precision"].map(radii).to_numpy(dtype=float)
    departments = zones["department"].to_numpy()
    undrawn = np.isnan(away).all(axis=1) if len(placed) else ~_drawn(zones)
    rows = []
    for indicator, kinds in KINDS.items():
        mine = placed["kind"].isin(kinds).to_numpy()
        known = placed[mine].groupby("department").size()
        unknown = lost[lost["kind"].isin(kinds)]
        by_department = unknown.groupby("department").size()
        hosts = zones["communes"].str.split(";")
        n_used = pd.Series(departments).map(known).fillna(0).to_numpy(dtype=float)
        n_lost = pd.Series(departments).map(by_department).fillna(0).to_numpy(dtype=float)
        near_lost = np.array([unknown["commune"].isin(codes).sum() for codes in hosts], dtype=float)
        for distance in reach:
            with np.errstate(invalid="ignore"):  # outlines that are missing
                counts = [
                    (away[:, mine] + sign * radius[mine] <= distance).sum(axis=1).astype(float) for sign in (0, 1, -1)
                ]
            value, lower, upper = (np.where(undrawn, np.nan, number) for number in counts)
            rows.append(
                pd.DataFrame(
                    {
                        "geo_code": zones["geo_code"].to_numpy(),
                        "indicator": indicator,
                        "distance_m": distance,
                        "value": value,
                        "lower": lower,
                        "upper": upper + (near_lost if distance == 0 else n_lost),
                        "n_used": n_used,
                        "n_total": n_used + n_lost,
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def check_distances(distances: Sequence[float]) -> list[float]:
    """The distances as numbers, in order.

    Raises
    ------
    InvalidInputError
    """
    try:
        reach = sorted(float(distance) for distance in distances)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"`distances` must be metres such as (0, 500, 1000); found {distances!r}.") from error
    if not reach or len(set(reach)) < len(reach) or not np.isfinite(reach).all() or reach[0] < 0:
        raise InvalidInputError(
            f"`distances` must be different metres, 0 or more, such as (0, 500, 1000); found {distances!r}."
        )
    return reach


def _drawn(zones: gpd.GeoDataFrame) -> np.ndarray:
    drawn: np.ndarray = ~(zones.geometry.isna() | zones.geometry.is_empty).to_numpy()
    return drawn


def signed_distances(zones: gpd.GeoDataFrame, placed: pd.DataFrame) -> np.ndarray:
    """Metres from each structure to each outline: positive outside, negative inside, missing without outline."""
    import geopandas as gpd
    import shapely

    points = gpd.GeoSeries(gpd.points_from_xy(placed["longitude"], placed["latitude"]), crs=4326)
    systems = department_of_qpv(zones["geo_code"]).map(projected_crs).to_numpy()
    drawn = _drawn(zones)
    away = np.full((len(zones), len(placed)), np.nan)
    for crs in np.unique(systems[drawn]):
        chosen = np.flatnonzero(drawn & (systems == crs))
        outlines = zones.geometry.iloc[chosen].to_crs(int(crs)).to_numpy()
        places = points.to_crs(int(crs)).to_numpy()
        # a point far from the territory has no coordinates in its system: it is not near it either
        finite = np.isfinite(shapely.get_x(places)) & np.isfinite(shapely.get_y(places))
        metres = np.full((len(chosen), len(placed)), np.inf)
        metres[:, finite] = shapely.distance(outlines[:, None], places[None, finite])
        zone, point = np.nonzero(metres == 0)
        metres[zone, point] = -shapely.distance(shapely.boundary(outlines[zone]), places[point])
        away[chosen] = metres
    return away


def beyond_coverage(
    zones: gpd.GeoDataFrame, departments: gpd.GeoDataFrame, covered: Sequence[str], distance: float
) -> np.ndarray:
    """Whether what surrounds each zone reaches into a department that the source of structures does not cover.

    Parameters
    ----------
    zones : GeoDataFrame
        QPV, in the departments covered.
    departments : GeoDataFrame
        Outlines of departments (`geo_code`); the sea and foreign countries are in none of them.
    covered : sequence of str
        Departments of the source.
    distance : float
        Metres around the zone; 0 never reaches beyond.

    Returns
    -------
    array of bool
    """
    import shapely

    if distance == 0:
        return np.zeros(len(zones), dtype=bool)
    others = departments[~departments["geo_code"].isin(covered)]
    systems = department_of_qpv(zones["geo_code"]).map(projected_crs).to_numpy()
    reached = np.zeros(len(zones), dtype=bool)
    drawn = _drawn(zones)
    for crs in np.unique(systems[drawn]):
        chosen = np.flatnonzero(drawn & (systems == crs))
        around = shapely.buffer(zones.geometry.iloc[chosen].to_crs(int(crs)).to_numpy(), distance)
        tree = shapely.STRtree(others.geometry.to_crs(int(crs)).to_numpy())
        reached[chosen[np.unique(tree.query(around, predicate="intersects")[0])]] = True
    return reached
