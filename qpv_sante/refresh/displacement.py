"""Outlines held against those in use, one by one: how much of each is elsewhere, and how far it went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import shapely

from qpv_sante.geography import department_of_qpv, projected_crs

if TYPE_CHECKING:
    import geopandas as gpd

ALIKE = 0.9  # two outlines are one if at most a tenth of their area is not in both
MIN_OUTLINES = 5  # whose common move is that of a layer


def measured(zones: gpd.GeoDataFrame) -> pd.Series:
    """Outlines by code, in metres, each in the projected system of its territory; those of one code together.

    Codes without any outline are missing values.
    """
    if zones.empty:
        return pd.Series(dtype=object)
    codes = zones["geo_code"].astype("string")
    crs = department_of_qpv(codes).where(codes.str.match("Q[PN]"), codes).map(projected_crs)
    parts = [
        pd.Series(group.geometry.to_crs(system).to_numpy(), index=group.index, dtype=object)
        for system, group in zones.groupby(crs.to_numpy())
    ]
    shapes: Any = pd.concat(parts).reindex(zones.index)
    if codes.duplicated().any():
        merged = shapes.dropna().groupby(codes).agg(lambda some: shapely.union_all(some.to_numpy()))
        return merged.reindex(codes.unique())
    return shapes.set_axis(codes.to_numpy())


def compare_outlines(old: gpd.GeoDataFrame, new: gpd.GeoDataFrame) -> pd.DataFrame:
    """Outlines of two states of a layer, side by side.

    Parameters
    ----------
    old, new : GeoDataFrame
        With `geo_code`.

    Returns
    -------
    DataFrame
        By code: `before` and `after` (square metres, missing without an outline), `elsewhere` (share of the larger
        of the two that is not in both), `east` and `north` (metres from one centroid to the other), and the shapes
        themselves.
    """
    sides = {"shape_before": measured(old), "shape_after": measured(new)}
    found = pd.DataFrame({name: shapes[shapes.notna()] for name, shapes in sides.items()}, dtype=object)
    one, two = (found[name].where(found[name].notna(), None).to_numpy() for name in sides)
    found["before"], found["after"] = shapely.area(one), shapely.area(two)
    found["elsewhere"] = np.where(found["before"].isna() != found["after"].isna(), 1.0, 0.0)
    differs = ~shapely.equals_exact(one, two) & found["before"].notna().to_numpy() & found["after"].notna().to_numpy()
    found["east"], found["north"] = 0.0, 0.0
    if differs.any():
        pair = [shapely.make_valid(side[differs]) for side in (one, two)]
        larger = np.maximum(shapely.area(pair[0]), shapely.area(pair[1]))
        with np.errstate(divide="ignore", invalid="ignore"):
            common = shapely.area(shapely.intersection(*pair)) / larger
        found.loc[differs, "elsewhere"] = 1 - np.nan_to_num(common, nan=1.0)
        centres = [shapely.get_coordinates(shapely.centroid(side)) for side in pair]
        found.loc[differs, ["east", "north"]] = centres[1] - centres[0]
    return found


def common_move(outlines: pd.DataFrame) -> float:
    """Metres by which a layer as a whole went, however its outlines were redrawn; 0 if they did not go the same way."""
    both = outlines[outlines["before"].notna() & outlines["after"].notna()]
    if len(both) < MIN_OUTLINES:
        return 0.0
    east, north = both["east"].median(), both["north"].median()
    metres = float(np.hypot(east, north))
    spread = np.hypot(both["east"] - east, both["north"] - north).median()
    return metres if spread < metres / 2 else 0.0


def of_another(outlines: pd.DataFrame) -> dict[str, str]:
    """Codes whose outline is the one that another code had, and that code; a code that is new may take one over."""
    moved = outlines[(outlines["elsewhere"] > 1 - ALIKE) & outlines["before"].notna() & outlines["after"].notna()]
    former = outlines[outlines["before"].notna()]
    if moved.empty or former.empty:
        return {}
    tree = shapely.STRtree(former["shape_before"].to_numpy())
    new, old = tree.query(moved["shape_after"].to_numpy(), predicate="intersects")
    shapes = moved["shape_after"].to_numpy()[new], former["shape_before"].to_numpy()[old]
    larger = np.maximum(shapely.area(shapes[0]), shapely.area(shapes[1]))
    alike = shapely.area(shapely.intersection(*shapes)) >= ALIKE * larger
    pairs = zip(moved.index[new[alike]], former.index[old[alike]], strict=True)
    return {str(code): str(other) for code, other in pairs if code != other}
