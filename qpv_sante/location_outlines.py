"""Outlines in which points are looked up: prepared once a store, and the points that each may concern."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from qpv_sante import store
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.geography import METROPOLITAN_CRS, QPV_ZONINGS, department_of_qpv, projected_crs

if TYPE_CHECKING:
    import geopandas as gpd

# west, south, east, north in degrees, and the QPV departments inside; a point in none of them is not in France
TERRITORIES = {
    "metropolitan France": ((-5.6, 41.2, 10.0, 51.6), ()),
    "Guadeloupe, Martinique, Saint-Martin, Saint-Barthélemy": (
        (-63.3, 14.2, -60.7, 18.3),
        ("971", "972", "977", "978"),
    ),
    "Guyane": ((-54.8, 2.0, -51.4, 6.0), ("973",)),
    "La Réunion": ((55.1, -21.5, 56.0, -20.7), ("974",)),
    "Mayotte": ((44.9, -13.2, 45.5, -12.5), ("976",)),
    "Saint-Pierre-et-Miquelon": ((-56.6, 46.6, -56.0, 47.3), ("975",)),
    "Polynésie française": ((-155.0, -28.0, -134.0, -7.5), ("987",)),
    "Nouvelle-Calédonie": ((163.0, -23.0, 168.5, -19.0), ("988",)),
    "Wallis-et-Futuna": ((-178.5, -14.6, -176.0, -13.0), ("986",)),
}
# Outlines of departments are simplified and lack the smallest islands (Sein lies 10 km from the nearest outline)
COAST_M = 12_000
_METRES_PER_DEGREE = 110_000.0  # a little less than the shortest degree of latitude: boxes are never too small
_CELL = 0.1  # of the grid that tells land from sea, in degrees


@dataclass(frozen=True)
class Layer:
    """Outlines of a zoning, each in the projected system of its territory, ready to be asked."""

    codes: np.ndarray
    shapes: np.ndarray
    edges: np.ndarray
    crs: np.ndarray
    bounds: np.ndarray
    tolerance_m: float
    drawn: frozenset[str]
    undrawn: tuple[str, ...]
    origin: str


def territory_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Number in `TERRITORIES` of the box that holds each point; -1 for none."""
    found = np.full(len(x), -1, dtype=np.int8)
    for number, ((west, south, east, north), _) in enumerate(TERRITORIES.values()):
        found[(x >= west) & (x <= east) & (y >= south) & (y <= north)] = number
    return found


def far_from_land(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points of the box of metropolitan France are farther than `COAST_M` from its departments."""
    import shapely

    (west, south, _, _), _ = next(iter(TERRITORIES.values()))
    land, cells = _land(store.find_store("zones/department_2018"))
    state = cells[((y - south) / _CELL).astype(int), ((x - west) / _CELL).astype(int)]
    far = state == 0
    border = np.flatnonzero(state == 2)
    far[border] = ~shapely.contains_xy(land, x[border], y[border])
    return far


@lru_cache(maxsize=2)
def _land(origin: store.Store) -> tuple[Any, np.ndarray]:
    import geopandas as gpd
    import shapely

    departments = origin.zones("department_2018").to_crs(METROPOLITAN_CRS).geometry
    around = departments.make_valid().simplify(200).union_all().buffer(COAST_M, quad_segs=4)
    land = gpd.GeoSeries([around], crs=METROPOLITAN_CRS).to_crs(4326).iloc[0]
    shapely.prepare(land)
    (west, south, east, north), _ = next(iter(TERRITORIES.values()))
    columns, rows = np.arange(int((east - west) / _CELL) + 1), np.arange(int((north - south) / _CELL) + 1)
    left, low = np.meshgrid(west + columns * _CELL, south + rows * _CELL)
    boxes = shapely.box(left, low, left + _CELL, low + _CELL)
    state = np.where(shapely.contains_properly(land, boxes), 1, np.where(shapely.intersects(land, boxes), 2, 0))
    return land, state.astype(np.int8)


def read_layer(geo_vintage: int) -> Layer:
    """The outlines of a zoning in the store in use.

    Raises
    ------
    UnavailableLevelError
        No such zoning.
    """
    if geo_vintage not in QPV_ZONINGS:
        raise UnavailableLevelError(
            f"No QPV zoning of {geo_vintage!r}. geo_vintage is one of {', '.join(map(str, QPV_ZONINGS))}."
        )
    return _layer(store.find_store(f"zones/qpv_{geo_vintage}"), geo_vintage)


@lru_cache(maxsize=4)
def _layer(origin: store.Store, geo_vintage: int) -> Layer:
    import shapely

    from qpv_sante.loading import gazetteer

    zones: gpd.GeoDataFrame = origin.zones(f"qpv_{geo_vintage}")
    present = zones.geometry.notna() & ~zones.geometry.is_empty
    drawn = zones[present].reset_index(drop=True)
    departments = department_of_qpv(drawn["geo_code"])
    crs = departments.map(projected_crs).to_numpy()
    shapes = np.empty(len(drawn), dtype=object)
    for code in np.unique(crs):
        chosen = crs == code
        shapes[chosen] = drawn.geometry[chosen].to_crs(int(code)).make_valid().to_numpy()
    edges = shapely.boundary(shapes)
    shapely.prepare(shapes)
    shapely.prepare(edges)
    listed = gazetteer().qpv_in(None, geo_vintage)
    absent = listed[~listed["geo_code"].isin(drawn["geo_code"])]
    shown = frozenset(departments)
    return Layer(
        codes=drawn["geo_code"].to_numpy(dtype=object),
        shapes=shapes,
        edges=edges,
        crs=crs,
        bounds=shapely.bounds(drawn.geometry.to_numpy()),
        # of a store that simplified its outlines; others are as published
        tolerance_m=float(origin.manifest["sources"].get("outlines", {}).get("tolerance_m", 0.0)),
        drawn=shown,
        undrawn=tuple(absent.loc[absent["department"].isin(shown), "geo_code"]),
        origin=origin.label,
    )


def pairs_near(
    bounds: np.ndarray, x: np.ndarray, y: np.ndarray, territory: np.ndarray, margin: float
) -> tuple[np.ndarray, np.ndarray]:
    """Points and outlines whose boxes, widened by a margin in metres, hold them.

    Each territory is cut into cells that know the boxes that reach them: a million points are held against their
    own cell, and no shape is built for those that are near no QPV.
    """
    high = np.abs(bounds[:, [1, 3]]).max(axis=1)
    lat_pad = margin / _METRES_PER_DEGREE
    lon_pad = margin / (_METRES_PER_DEGREE * np.cos(np.radians(np.minimum(high + lat_pad, 89.0))))
    boxes = bounds + np.column_stack([-lon_pad, np.full(len(bounds), -lat_pad), lon_pad, np.full(len(bounds), lat_pad)])
    cell = 0.01 * max(1.0, np.ceil(lat_pad / 0.05))
    owner = territory_of((bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2)
    points, zones = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for number, ((west, south, east, north), _) in enumerate(TERRITORIES.values()):
        at, mine = np.flatnonzero(territory == number), np.flatnonzero(owner == number)
        if not (len(at) and len(mine)):
            continue
        width, height = int((east - west) / cell) + 1, int((north - south) / cell) + 1
        corners = ((boxes[mine] - [west, south, west, south]) / cell).astype(int)
        corners = np.clip(corners, 0, [width - 1, height - 1, width - 1, height - 1])
        reached = [
            (np.arange(low, top + 1)[:, None] * width + np.arange(left, right + 1)).ravel()
            for left, low, right, top in corners
        ]
        holder = np.repeat(mine, [len(cells) for cells in reached])
        cells = np.concatenate(reached)
        order = np.argsort(cells, kind="stable")
        holder, count = holder[order], np.bincount(cells, minlength=width * height)
        start = np.concatenate([[0], np.cumsum(count)])
        own = ((y[at] - south) / cell).astype(int) * width + ((x[at] - west) / cell).astype(int)
        near = count[own] > 0
        at, own = at[near], own[near]
        number_of = count[own]
        first = np.repeat(start[own] - np.concatenate([[0], np.cumsum(number_of)[:-1]]), number_of)
        zone = holder[first + np.arange(len(first))]
        point = np.repeat(at, number_of)
        box = boxes[zone]
        hit = (x[point] >= box[:, 0]) & (x[point] <= box[:, 2]) & (y[point] >= box[:, 1]) & (y[point] <= box[:, 3])
        points.append(point[hit])
        zones.append(zone[hit])
    return np.concatenate(points), np.concatenate(zones)


def projected(x: np.ndarray, y: np.ndarray, at: np.ndarray, crs: int) -> tuple[np.ndarray, np.ndarray]:
    """Some of the points, in a projected system."""
    import pyproj

    east, north = pyproj.Transformer.from_crs(4326, crs, always_xy=True).transform(x[at], y[at])
    return np.asarray(east, dtype=float), np.asarray(north, dtype=float)
