"""QPV and outlines brought to one plane: overseas territories in boxes under the mainland."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import geopandas as gpd
import pandas as pd

from qpv_sante.geography import METROPOLITAN_CRS, department_of_qpv, is_overseas, projected_crs
from qpv_sante.maps import layers


@dataclass(frozen=True)
class Plane:
    """Everything in metres of one plane.

    Attributes
    ----------
    quarters : GeoDataFrame
        QPV with an outline, with `layer, flag, geo_code`.
    outlines : dict of str to list of shapely geometry
        Outlines in view, by level.
    texts : list of (float, float, str)
        Names of overseas insets.
    departments : list of (float, float, str)
        Names of the departments that are mapped.
    communes : list of (float, float, str)
        Names of the communes, at the middle of their QPV.
    frames : list of (float, float, float, float)
        Boxes of overseas insets.
    bounds : tuple of float
        What is seen first.
    """

    quarters: gpd.GeoDataFrame
    outlines: dict[str, list[Any]]
    texts: list[tuple[float, float, str]]
    departments: list[tuple[float, float, str]]
    communes: list[tuple[float, float, str]]
    frames: list[tuple[float, float, float, float]]
    bounds: tuple[float, float, float, float]


def place_quarters(
    drawn: gpd.GeoDataFrame,
    background: dict[str, gpd.GeoDataFrame],
    focus: gpd.GeoDataFrame | None,
    *,
    national: bool,
) -> Plane:
    """Bring QPV and outlines to one plane, overseas territories of a national map into boxes under it.

    Parameters
    ----------
    drawn : GeoDataFrame
        QPV with an outline.
    background, focus
        As in `draw_map`.
    national : bool

    Returns
    -------
    Plane
    """
    departments: pd.Series = department_of_qpv(drawn["geo_code"])
    crs = METROPOLITAN_CRS if national else projected_crs(departments.iloc[0])
    behind = {level: frame.to_crs(crs) for level, frame in background.items()}
    away = is_overseas(departments) & national
    frames: list[tuple[float, float, float, float]] = []
    texts: list[tuple[float, float, str]] = []
    here = drawn[~away].to_crs(crs)
    scene = layers.Scene(here, behind, (), False, focus.to_crs(crs) if focus is not None else None)
    if national and "department" in behind:
        west, south, east, north = behind["department"].total_bounds
    elif len(here):
        west, south, east, north = layers.extent(scene)
    else:
        west, south, east, north = 0.0, 0.0, 1e6, 1e6
    parts = [here]
    codes = sorted(departments[away].unique())
    if codes:
        step = (east - west) / max(len(codes), 6)
        top = south - 0.35 * step
        for position, code in enumerate(codes):
            box = (west + position * step, top - 0.92 * step, west + (position + 0.92) * step, top)
            own = drawn[departments == code].to_crs(projected_crs(code))
            own = own.set_geometry(_into_box(own.geometry, box).to_numpy()).set_crs(crs, allow_override=True)
            parts.append(own)
            frames.append(box)
            texts.append((box[0], top + 0.04 * step, layers.overseas_name(code)))
        south = top - 1.0 * step
    quarters = pd.concat(parts).loc[drawn.index]
    seen = (west - (east - west), south - (north - south), east + (east - west), north + (north - south))
    grain = max(east - west, north - south) / 2500
    outlines = {}
    inner: list[tuple[float, float, str]] = []
    if scene.focus is not None:
        outlines["focus"] = list(scene.focus.geometry.simplify(grain))
        if "department" in behind and "name" in behind["department"]:
            points = behind["department"].representative_point()
            mine = points.within(scene.focus.union_all())
            found = zip(points[mine], behind["department"].loc[mine, "name"], strict=True)
            inner = [(point.x, point.y, str(name)) for point, name in found]
    # the finest under the others
    for level in sorted(behind, key=["commune", "department", "region"].index):
        frame = behind[level]
        near = frame.cx[seen[0] : seen[2], seen[1] : seen[3]].geometry.simplify(grain)
        near = near if national else near.clip_by_rect(*seen)
        if shapes := [shape for shape in near if not shape.is_empty]:
            outlines[level] = shapes
    room = 0.02 * (east - west)
    return Plane(
        gpd.GeoDataFrame(quarters, geometry="geometry", crs=crs),
        outlines,
        texts,
        inner,
        _commune_names(quarters),
        frames,
        (west - room, south - room, east + room, north + room),
    )


def _into_box(shapes: gpd.GeoSeries, box: tuple[float, float, float, float]) -> gpd.GeoSeries:
    """Shapes moved and scaled, alike in both directions, into the middle of a box."""
    west, south, east, north = shapes.total_bounds
    size = max(east - west, north - south, 2_000.0) * 1.15
    scale = (box[2] - box[0]) / size
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    matrix = [scale, 0, 0, scale, x - scale * (west + east) / 2, y - scale * (south + north) / 2]
    return shapes.affine_transform(matrix)


def _commune_names(quarters: gpd.GeoDataFrame) -> list[tuple[float, float, str]]:
    if "commune_names" not in quarters:
        return []
    first = quarters["commune_names"].astype("str").str.split(";").str[0]
    points = quarters.geometry.centroid
    middle = (
        pd.DataFrame({"x": points.x, "y": quarters.geometry.bounds["maxy"]})
        .groupby(first)
        .agg({"x": "mean", "y": "max"})
    )
    return [(row.x, row.y, str(name)) for name, row in middle.iterrows()]
