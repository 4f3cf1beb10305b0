"""From a point to its QPV, with "uncertain" as an answer near an edge."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from qpv_sante.arguments import checked
from qpv_sante.errors import InvalidInputError, SchemaError, did_you_mean
from qpv_sante.geography import METROPOLITAN_CRS, projected_crs
from qpv_sante.location_outlines import (
    TERRITORIES,
    Layer,
    far_from_land,
    pairs_near,
    projected,
    read_layer,
    territory_of,
)

log = logging.getLogger(__name__)

STATUSES = ("inside", "outside", "uncertain", "unknown", "no_outlines", "not_in_france")
COLUMNS = ("geo_code", "status", "distance_m", "candidates", "drawn_in")
_INSIDE, _OUTSIDE, _UNCERTAIN, _UNKNOWN, _NO_OUTLINES, _ABROAD = range(len(STATUSES))

_SWAPPED_SHARE = 0.5

# How far the true place may be from what a geocoder (BAN, Géoplateforme) found, in metres, by its `result_type`. Of a
# municipality it gives the town hall, which says nothing of the neighbourhood. Conventions, as for structures of care.
GEOCODED_M = {"housenumber": 0.0, "street": 200.0, "locality": 1_000.0, "municipality": np.inf}
# under this `result_score`, what was found may be another address
LEAST_SCORE = 0.5
_AXES = (("lon", "lat"), ("longitude", "latitude"))


@checked
def locate(
    lon: Any,
    lat: Any = None,
    *,
    geo_vintage: int = 2024,
    tolerance_m: float | Sequence[float] | np.ndarray | pd.Series = 50.0,
    nearest: bool = False,
) -> pd.DataFrame:
    """The QPV in which points lie, or that it cannot be told.

    Parameters
    ----------
    lon, lat : float, array-like, DataFrame or GeoDataFrame
        Longitudes and latitudes in degrees (WGS 84), longitude first; or a frame with columns `lon` and `lat`, or
        `longitude` and `latitude`; or a GeoDataFrame of points in any declared reference system. The columns
        `result_type` and `result_score` that French geocoders add to a frame count: a street is known to 200 m, a
        locality to 1 km (more than `tolerance_m`), and a municipality, or a score under 0.5, is `unknown`.
    geo_vintage : int
        Zoning of the QPV: 2015 or 2024.
    tolerance_m : float or array-like
        How far from the truth the points may be, in metres: one number, or one a point (geocoders tell a house number
        from a street). The simplification of the outlines is added to it: a point nearer than the sum to an edge that
        would change the answer is `uncertain`.
    nearest : bool
        Give the distance to the nearest QPV for points that are outside as well; slower.

    Returns
    -------
    DataFrame
        One row a point, with the index of the points:

        - `geo_code`: the QPV, of points that are `inside`; missing otherwise;
        - `status`: `inside`, `outside` (of every QPV), `uncertain` (near an edge), `unknown` (no coordinates, or those
          of a municipality or of a doubtful address),
          `no_outlines` (an overseas territory of which no outline of that zoning is read) or `not_in_france` (in
          no territory of France, or farther than 12 km from the departments: at sea, abroad);
        - `distance_m`: metres to the nearest edge of a QPV; of points outside, missing beyond the tolerance unless
          `nearest`;
        - `candidates`: of `uncertain` points, the QPV in which they may lie, nearest first, separated by `;`; any of
          them may be wrong, and so may they all where the point is near the outer edge;
        - `drawn_in`: the QPV in whose outline the point falls as drawn, whatever the tolerance;
        - `nearest`: with `nearest=True`, the nearest QPV.

        `attrs`: `geo_vintage`, `outline_tolerance_m`, `origin`, and `without_outline`, the QPV of the territories
        drawn that have no outline: a point that lies in one of them is said to be `outside`; `imprecise`, the number
        of points that have coordinates and are `unknown`.

    Raises
    ------
    InvalidInputError
        Latitudes first, coordinates that are not in degrees, columns of different lengths, a negative tolerance.
    SchemaError
        A frame without coordinates, a `result_type` or `result_score` that is not a geocoder's, a
        GeoDataFrame without reference system or with other shapes than points.
    UnavailableLevelError
        No QPV zoning of that year.

    Notes
    -----
    Distances are measured in the projected system of each territory (Lambert-93, local UTM overseas). The outlines of
    the embedded snapshot are simplified to 5 m; those that `build` stores are the producer's own.

    Examples
    --------
    >>> locate(3.2548, 43.3360, geo_vintage=2024)[["geo_code", "status"]].values.tolist()
    [['QN03403M', 'inside']]
    >>> locate([2.3522, -30.0], [48.8566, 40.0])["status"].tolist()
    ['outside', 'not_in_france']
    """
    index, x, y = _coordinates(lon, lat)
    margins = _margins(tolerance_m, len(index))
    precision = _precision(lon, len(index))
    imprecise = np.isinf(precision) & np.isfinite(x) & np.isfinite(y)
    x, y = np.where(imprecise, np.nan, x), np.where(imprecise, np.nan, y)
    margins = np.where(np.isinf(precision), margins, np.maximum(margins, precision))
    layer = read_layer(geo_vintage)
    margins = margins + layer.tolerance_m
    status = np.full(len(x), _OUTSIDE, dtype=np.int8)
    known = np.isfinite(x) & np.isfinite(y)
    status[~known] = _UNKNOWN
    territory = territory_of(x, y)
    _refuse_swapped(x, y, known & (territory < 0))
    status[known & (territory < 0)] = _ABROAD
    metropolitan = np.flatnonzero(territory == 0)
    status[metropolitan[far_from_land(x[metropolitan], y[metropolitan])]] = _ABROAD
    for number, (_, departments) in enumerate(TERRITORIES.values()):
        if departments and not layer.drawn.intersection(departments):
            status[territory == number] = _NO_OUTLINES
    within, distance, pairs = _near_edges(layer, x, y, territory, margins)
    # what the outlines say is stronger than a coarse coast
    status[pairs["point"].to_numpy()] = _OUTSIDE
    decided = within >= 0
    status[decided] = _INSIDE
    near = pairs["distance"] <= margins[pairs["point"].to_numpy()]
    status[pairs.loc[near, "point"].to_numpy()] = _UNCERTAIN
    doubtful = (near | pairs["inside"]) & (status[pairs["point"].to_numpy()] == _UNCERTAIN)
    codes = pd.array(layer.codes, dtype="str")
    shown = np.where(status == _INSIDE, within, -1)
    distance[(status != _INSIDE) & (status != _UNCERTAIN)] = np.nan
    result = pd.DataFrame(
        {
            "geo_code": codes.take(shown, allow_fill=True),
            "status": pd.array(np.array(STATUSES), dtype="str").take(status),
            "distance_m": distance,
            "candidates": _candidates(pairs[doubtful], codes, len(x)),
            "drawn_in": codes.take(within, allow_fill=True),
        },
        index=index,
    )
    if nearest:
        _add_nearest(result, layer, x, y, status)
    result.attrs = {
        "geo_vintage": geo_vintage,
        "outline_tolerance_m": layer.tolerance_m,
        "without_outline": list(layer.undrawn),
        "imprecise": int(imprecise.sum()),
        "origin": {f"qpv_{geo_vintage}": layer.origin},
    }
    return result


def _coordinates(lon: Any, lat: Any) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    """Index, longitudes and latitudes of the points, whatever they come in."""
    import geopandas as gpd

    if isinstance(lon, pd.DataFrame):
        if lat is not None:
            raise InvalidInputError("Give a frame of points alone, or longitudes and latitudes; not both.")
        if isinstance(lon, gpd.GeoDataFrame):
            return _points(lon)
        found = [pair for pair in _AXES if set(pair) <= set(lon.columns)]
        if len(found) != 1:
            problem = "it has both pairs" if found else "missing: " + ", ".join(set(_AXES[0]) - set(lon.columns))
            raise SchemaError(
                f"locate needs columns lon and lat, or longitude and latitude; {problem}. The frame has "
                f"{', '.join(map(str, list(lon.columns)[:12]))}. Rename: rename(columns={{'x': 'lon', 'y': 'lat'}})."
            )
        return lon.index, *_degrees(lon[found[0][0]], lon[found[0][1]])
    if isinstance(lon, gpd.GeoSeries):
        if lat is not None:
            raise InvalidInputError("Give points alone, or longitudes and latitudes; not both.")
        return _points(lon)
    if lat is None:
        raise InvalidInputError("locate needs longitudes and latitudes, or a frame of points; got longitudes alone.")
    if isinstance(lon, pd.Series) and isinstance(lat, pd.Series) and not lon.index.equals(lat.index):
        raise InvalidInputError("The longitudes and the latitudes have different indexes: which goes with which?")
    longitudes, latitudes = _degrees(lon, lat)
    return (lon.index if isinstance(lon, pd.Series) else pd.RangeIndex(len(longitudes))), longitudes, latitudes


def _degrees(lon: Any, lat: Any) -> tuple[np.ndarray, np.ndarray]:
    found = []
    for name, given in (("lon", lon), ("lat", lat)):
        try:
            column = given if isinstance(given, pd.Series) else pd.Series(np.atleast_1d(given))
            values = pd.to_numeric(column, errors="raise").to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"{name} must be numbers in degrees, with a decimal point: {error}") from error
        found.append(values)
    x, y = found
    if len(x) != len(y):
        raise InvalidInputError(f"As many longitudes as latitudes are needed; got {len(x)} and {len(y)}.")
    # infinities fall with the missing ones: no place on Earth either way
    finite = np.isfinite(x) & np.isfinite(y)
    far = finite & ((np.abs(x) > 180) | (np.abs(y) > 180))
    if far.any():
        at = int(np.flatnonzero(far)[0])
        raise InvalidInputError(
            f"{int(far.sum())} points are not in degrees, the first (row {at}) at {x[at]:g}, {y[at]:g}. If these are "
            "metres, pass a GeoDataFrame with its reference system: "
            "geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(x, y), crs=2154)."
        )
    return x, y


def _points(frame: Any) -> tuple[pd.Index, np.ndarray, np.ndarray]:
    import shapely

    try:
        shapes = frame.geometry
    except AttributeError as error:
        raise SchemaError("The GeoDataFrame has no geometry: set_geometry() names the column of points.") from error
    if shapes.crs is None:
        raise SchemaError("The points have no reference system. Declare it: set_crs(4326) for degrees, for example.")
    array = shapes.to_numpy()
    kinds = shapely.get_type_id(array)
    others = ~np.isin(kinds, (-1, 0))
    if others.any():
        at = int(np.flatnonzero(others)[0])
        raise SchemaError(
            f"locate takes points; row {at} is a {array[at].geom_type}. A zone lies in several QPV: see areal_weights."
        )
    x, y = shapely.get_x(array), shapely.get_y(array)
    if shapes.crs.to_epsg() != 4326:
        import pyproj

        x, y = pyproj.Transformer.from_crs(shapes.crs, 4326, always_xy=True).transform(x, y)
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    return frame.index, *_degrees(x, y)


def _margins(tolerance_m: Any, number: int) -> np.ndarray:
    given = np.asarray(tolerance_m, dtype=float)
    if given.ndim > 1 or given.size not in (1, number):
        raise InvalidInputError(f"tolerance_m is one number, or one a point ({number}); got {given.size}.")
    if not (np.isfinite(given).all() and (given >= 0).all()):
        raise InvalidInputError("tolerance_m is a number of metres, not negative and not missing.")
    return np.broadcast_to(given.ravel(), (number,)) if given.size == 1 else given


def _precision(given: Any, number: int) -> np.ndarray:
    """How far from the truth each point may be according to its geocoder, in metres; infinite where it says nothing."""
    precision = np.zeros(number)
    if not isinstance(given, pd.DataFrame):
        return precision
    if "result_type" in given:
        kinds = given["result_type"].astype("str").str.strip().replace("", np.nan)
        metres = kinds.map(GEOCODED_M)
        strange = kinds[kinds.notna() & metres.isna()]
        if len(strange):
            raise SchemaError(
                f"result_type: {strange.iloc[0]!r} at row {strange.index[0]!r} is not a geocoder's. "
                f"{did_you_mean(strange.iloc[0], GEOCODED_M)} Drop the column if it means something else."
            )
        precision = metres.fillna(0).to_numpy(dtype=float)
    if "result_score" in given:
        scores = given["result_score"]
        try:
            numbers = pd.to_numeric(scores, errors="raise").to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise SchemaError(f"result_score: numbers from 0 to 1 expected, with a decimal point: {error}.") from error
        wrong = np.flatnonzero((numbers < 0) | (numbers > 1.001))
        if len(wrong):
            raise SchemaError(
                f"result_score: {numbers[wrong[0]]:g} at row {scores.index[wrong[0]]!r}; 0 to 1 expected."
            )
        precision = np.where(numbers < LEAST_SCORE, np.inf, precision)
    return precision


def _refuse_swapped(x: np.ndarray, y: np.ndarray, lost: np.ndarray) -> None:
    """Stop when most points lie in no French territory, and do once latitude and longitude change places."""
    if not lost.any():
        return
    at = np.flatnonzero(lost)
    swapped = at[territory_of(y[at], x[at]) >= 0]
    if not len(swapped):
        return
    said = f"the first (row {swapped[0]}) at longitude {x[swapped[0]]:g}, latitude {y[swapped[0]]:g}"
    if len(swapped) > _SWAPPED_SHARE * np.isfinite(x + y).sum():
        raise InvalidInputError(
            f"{len(swapped)} points lie outside France and would lie inside it with the axes exchanged, {said}. "
            "locate takes the longitude first: locate(lon, lat)."
        )
    log.warning("%d points may have their latitude first, %s; they are not moved.", len(swapped), said)


def _near_edges(
    layer: Layer, x: np.ndarray, y: np.ndarray, territory: np.ndarray, margins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """The outline that holds each point (-1: none), the distance to an edge, and every pair of point and outline near.

    Only points in the box of an outline, widened by the tolerance, are projected and measured.
    """
    import shapely

    within, distance = np.full(len(x), -1), np.full(len(x), np.nan)
    point, zone = pairs_near(layer.bounds, x, y, territory, float(margins.max(initial=0)))
    inside, metres = np.zeros(len(point), dtype=bool), np.empty(len(point))
    for code in np.unique(layer.crs[zone]):
        chosen = np.flatnonzero(layer.crs[zone] == code)
        east, north = projected(x, y, point[chosen], int(code))
        inside[chosen] = shapely.intersects_xy(layer.shapes[zone[chosen]], east, north)
        metres[chosen] = shapely.distance(layer.edges[zone[chosen]], shapely.points(east, north))
    held = np.flatnonzero(inside)
    # outlines that overlap: the one in which the point lies deepest
    held = held[np.argsort(metres[held], kind="stable")]
    within[point[held]] = zone[held]
    order = np.argsort(-metres, kind="stable")
    distance[point[order]] = metres[order]
    pairs = pd.DataFrame({"point": point, "zone": zone, "distance": metres, "inside": inside})
    return within, distance, pairs


def _candidates(near: pd.DataFrame, codes: Any, number: int) -> Any:
    """Codes of the outlines near each point, the one that holds it first, then by distance; empty elsewhere."""
    ranked = near.assign(depth=near["distance"].where(~near["inside"], -1)).sort_values(["point", "depth"])
    first = ~ranked["point"].duplicated()
    result = np.full(number, -1)
    result[ranked.loc[first, "point"].to_numpy()] = ranked.loc[first, "zone"].to_numpy()
    single = codes.take(result, allow_fill=True)
    several = ranked[ranked["point"].duplicated(keep=False)]
    if several.empty:
        return single
    names = pd.Series(codes.take(several["zone"].to_numpy()), index=several.index)
    joined = names.groupby(several["point"]).agg(";".join)
    filled = pd.Series(single)
    filled.loc[joined.index] = joined
    return filled.array


def _add_nearest(result: pd.DataFrame, layer: Layer, x: np.ndarray, y: np.ndarray, status: np.ndarray) -> None:
    """Columns of the nearest QPV, of points in the territories that are drawn."""
    import shapely

    code, metres = np.full(len(x), -1), np.full(len(x), np.nan)
    territory = territory_of(x, y)
    for number, (_, departments) in enumerate(TERRITORIES.values()):
        wanted = projected_crs(departments[0]) if departments else METROPOLITAN_CRS
        zones = np.flatnonzero(layer.crs == wanted)
        at = np.flatnonzero((territory == number) & np.isin(status, (_INSIDE, _OUTSIDE, _UNCERTAIN)))
        if not (len(zones) and len(at)):
            continue
        east, north = projected(x, y, at, wanted)
        points = shapely.points(east, north)
        (which, found) = shapely.STRtree(layer.shapes[zones]).query_nearest(points, all_matches=False)
        code[at[which]] = zones[found]
        metres[at[which]] = shapely.distance(layer.edges[zones[found]], points[which])
    result["nearest"] = pd.array(layer.codes, dtype="str").take(code, allow_fill=True)
    result["distance_m"] = result["distance_m"].fillna(pd.Series(metres, index=result.index))
