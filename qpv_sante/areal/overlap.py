"""Exact intersection of zones with zones: areas, shares and people, no values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qpv_sante.errors import SchemaError
from qpv_sante.geography import METROPOLITAN_CRS, projected_crs

if TYPE_CHECKING:
    import geopandas as gpd

SLIVER = 1e-9
COLUMNS = ["source_code", "target_code", "area", "share_of_source", "share_of_target"]
PAIRS_AT_ONCE = 200_000
# sources that hold each other for more than half, or cover a target by a twentieth more than once, count people twice;
# outlines simplified one by one overlap by less than a hundredth
_NESTED, _TWICE = 0.5, 0.05

# west, south, east, north in degrees: which overseas territory a zone lies in
OVERSEAS_BOXES = {
    "971": (-64.0, 14.0, -60.5, 18.7),  # Guadeloupe, Martinique, Saint-Martin: one system for the Antilles
    "973": (-55.0, 1.5, -51.0, 6.5),
    "974": (54.8, -21.8, 56.3, -20.5),
    "976": (44.5, -13.5, 45.8, -12.2),
    "975": (-57.0, 46.4, -55.8, 47.6),
    "987": (-155.5, -28.5, -134.0, -7.0),
}


def areal_weights(
    sources: gpd.GeoDataFrame,
    targets: gpd.GeoDataFrame,
    *,
    source_id: str = "geo_code",
    target_id: str = "geo_code",
    source_population: str | pd.Series | None = None,
    population: pd.DataFrame | None = None,
    people: str = "population",
    cell_id: str = "idcar_200m",
    sliver: float = SLIVER,
) -> pd.DataFrame:
    """Exact intersection of source zones (IRIS, communes, QPV) with target zones (QPV).

    Each target is measured in the projected system of the territory it lies in (`projected_crs`:
    Lambert-93 in metropolitan France, the local UTM overseas). Invalid outlines are repaired
    (`make_valid`), never buffered. Only sources near a target are projected and cut.

    Parameters
    ----------
    sources, targets : GeoDataFrame
        Polygons, in any coordinate reference system as long as it is declared; the two may differ.
    source_id, target_id : str
        Columns of codes, unique in their frame.
    source_population : str or Series, optional
        People in each source: a column of `sources`, or a Series indexed by source code. People are
        then supposed to be spread evenly in the source: `people = share_of_source x population`.
    population : DataFrame or GeoDataFrame, optional
        Where people live inside the sources, finer than the sources: the cells of a grid (see
        `grid_weights`) or zones with a geometry. `people` is then what lies in each intersection.
    people, cell_id : str
        Columns of `population`: number of people, and id of the cells.
    sliver : float
        Intersections below this share of both zones are dropped: with the default 1e-9 only the
        numerical noise of shared borders goes, and totals hold to 1e-9.

    Returns
    -------
    DataFrame
        One row per intersecting pair: `source_code, target_code, area` (m2), `share_of_source`
        (area / source area), `share_of_target` (area / target area); with a population also `people`,
        `people_share_of_source`, `people_share_of_target` (missing where a number of people is).
        A target that meets no source has one row with a missing `source_code` and area 0; area and
        share are missing if its outline is.

    Raises
    ------
    SchemaError
        No CRS, a missing column, repeated codes, sources that overlap (a commune and its arrondissements: what
        both hold would count twice), or zones that lie outside French territories in geographic coordinates.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely import box
    >>> def squares(**boxes):
    ...     data = {"geo_code": list(boxes)}
    ...     return gpd.GeoDataFrame(data, geometry=list(boxes.values()), crs=2154)
    >>> iris = squares(A=box(700000, 6600000, 700100, 6600100), B=box(700100, 6600000, 700200, 6600100))
    >>> qpv = squares(Q=box(700050, 6600000, 700120, 6600050))
    >>> areal_weights(iris, qpv).round(3).to_string(index=False, header=False).split()
    ['A', 'Q', '2500.0', '0.25', '0.714', 'B', 'Q', '1000.0', '0.10', '0.286']
    """
    check_zones(sources, source_id, "sources")
    check_zones(targets, target_id, "targets")
    weights, pieces = _overlay(sources, targets, source_id, target_id, sliver, keep_pieces=population is not None)
    check_cover(weights)
    if population is not None:
        inside = people_in(pieces, population, people=people, cell_id=cell_id)
        whole = {}
        for role, zones, name in (("source", sources, source_id), ("target", targets, target_id)):
            met = zones[zones[name].astype(str).isin(weights[f"{role}_code"])]
            found = people_in(met.geometry, population, people=people, cell_id=cell_id)
            whole[role] = weights[f"{role}_code"].map(pd.Series(found, index=met[name].astype(str).to_numpy()))
        weights["people"] = inside
        for role, total in whole.items():
            share = (weights["people"] / total.where(total > 0)).clip(upper=1)
            weights[f"people_share_of_{role}"] = share
    elif source_population is not None:
        if isinstance(source_population, str):
            counted = pd.Series(sources[source_population].to_numpy(), index=sources[source_id].astype(str))
        else:
            counted = source_population
        add_people(weights, weights["source_code"].map(counted))
    return with_lonely_targets(weights, targets, target_id)


def people_in(
    zones: gpd.GeoSeries, population: pd.DataFrame, *, people: str = "population", cell_id: str = "idcar_200m"
) -> np.ndarray:
    """People that live in each zone, from the cells of a grid or from zones with a geometry.

    Parameters
    ----------
    zones : GeoSeries
        Polygons with a declared CRS.
    population : DataFrame or GeoDataFrame
        Cells (a table) or zones; what they do not cover is taken as empty.
    people, cell_id : str
        Columns of `population`.

    Returns
    -------
    array of float
        In the order of `zones`; missing where a cell that the zone meets has a missing number.
    """
    import geopandas as gpd

    from qpv_sante.areal.grid import grid_weights, resolution

    if people not in population:
        raise SchemaError(f"population has no column {people!r}; it has {list(population.columns)[:12]}. Pass people=.")
    numbered = gpd.GeoDataFrame({"zone": np.arange(len(zones)).astype(str)}, geometry=zones.to_numpy(), crs=zones.crs)
    if isinstance(population, gpd.GeoDataFrame):
        shapes = population[[people, population.geometry.name]].assign(_row=np.arange(len(population)).astype(str))
        weights = areal_weights(shapes, numbered, source_id="_row", target_id="zone", source_population=people)
    else:
        size = resolution(population, cell_id)
        weights = grid_weights(population, numbered, cell_id=cell_id, target_id="zone", size=size, people=people)
    inside = weights[weights["source_code"].notna()].groupby("target_code")["people"]
    known = inside.count() == inside.size()
    total = inside.sum().where(known)
    return total.reindex(numbered["zone"], fill_value=0.0).to_numpy(dtype=float)


def add_people(weights: pd.DataFrame, counted: pd.Series) -> None:
    """Add the columns of people, spread evenly over each source zone."""
    weights["people"] = weights["share_of_source"] * counted.to_numpy(dtype=float)
    weights["people_share_of_source"] = weights["share_of_source"]
    people = weights.groupby("target_code")["people"]
    total = people.transform("sum").where(people.transform("count") == people.transform("size"))
    weights["people_share_of_target"] = weights["people"] / total.where(total > 0)


def check_zones(zones: Any, column: str, where: str) -> None:
    """Refuse what is not a frame of outlines with a CRS and unique codes."""
    import geopandas as gpd

    if not isinstance(zones, gpd.GeoDataFrame):
        raise SchemaError(f"{where} must be a GeoDataFrame with outlines, not {type(zones).__name__}.")
    if zones.crs is None:
        raise SchemaError(f"{where} have no coordinate reference system. Declare it: set_crs(2154), for example.")
    if column not in zones:
        raise SchemaError(f"{where} have no column {column!r}; they have {list(zones.columns)[:12]}.")
    repeated = zones[column].duplicated()
    if repeated.any():
        raise SchemaError(
            f"{where}: code {zones.loc[repeated, column].iloc[0]!r} is repeated; dissolve the parts first."
        )


def valid(shapes: np.ndarray) -> np.ndarray:
    """Valid polygons; a repair keeps the covered surface and drops the lines and points it leaves."""
    import shapely

    bad = ~shapely.is_valid(shapes) & ~shapely.is_missing(shapes)
    if bad.any():
        shapes = shapes.copy()
        shapes[bad] = shapely.make_valid(shapes[bad], method="structure", keep_collapsed=False)
    return shapes


def local_crs(zones: gpd.GeoDataFrame) -> np.ndarray:
    """EPSG code in which each zone is measured, from where it lies; 0 for "the system it comes in"."""
    import geopandas as gpd

    bounds = zones.geometry.bounds.to_numpy(dtype=float)
    centres = gpd.points_from_xy((bounds[:, 0] + bounds[:, 2]) / 2, (bounds[:, 1] + bounds[:, 3]) / 2, crs=zones.crs)
    centres = centres.to_crs(4326)
    east, north = centres.x, centres.y
    codes = np.zeros(len(zones), dtype=int)
    codes[(east > -6) & (east < 11) & (north > 41) & (north < 52)] = METROPOLITAN_CRS
    for department, (west, south, right, top) in OVERSEAS_BOXES.items():
        codes[(east > west) & (east < right) & (north > south) & (north < top)] = projected_crs(department)
    elsewhere = (codes == 0) & ~np.isnan(bounds[:, 0])
    if elsewhere.any() and zones.crs.is_geographic:
        first = int(np.flatnonzero(elsewhere)[0])
        raise SchemaError(
            f"{int(elsewhere.sum())} zones lie outside French territories, the first at longitude {east[first]:.3f}, "
            f"latitude {north[first]:.3f}. Are the axes swapped? Elsewhere, project them (in metres) beforehand."
        )
    return codes


def _overlay(
    sources: gpd.GeoDataFrame,
    targets: gpd.GeoDataFrame,
    source_id: str,
    target_id: str,
    sliver: float,
    keep_pieces: bool,
) -> tuple[pd.DataFrame, gpd.GeoSeries]:
    import geopandas as gpd
    import shapely

    source_codes = sources[source_id].astype(str).to_numpy()
    target_codes = targets[target_id].astype(str).to_numpy()
    local = local_crs(targets)
    drawn = ~(targets.geometry.isna() | targets.geometry.is_empty).to_numpy()
    tree = shapely.STRtree(sources.geometry.to_numpy())
    parts: list[pd.DataFrame] = []
    shapes: list[gpd.GeoSeries] = []
    for epsg in np.unique(local[drawn]):
        crs = int(epsg) if epsg else targets.crs
        chosen = np.flatnonzero(drawn & (local == epsg))
        zones = targets.geometry.iloc[chosen]
        near = _near(tree, zones.to_crs(sources.crs))
        mine = valid(sources.geometry.iloc[near].to_crs(crs).to_numpy())
        theirs = valid(zones.to_crs(crs).to_numpy())
        at, by = shapely.STRtree(mine).query(theirs, predicate="intersects")
        kept = []
        area = np.empty(len(at))
        for start in range(0, len(at), PAIRS_AT_ONCE):
            some = slice(start, start + PAIRS_AT_ONCE)
            cut = shapely.intersection(theirs[at[some]], mine[by[some]])
            area[some] = shapely.area(cut)
            if keep_pieces:
                kept.append(cut)
        with np.errstate(invalid="ignore", divide="ignore"):  # outlines flattened by simplification have no area
            of_source = np.minimum(area / shapely.area(mine)[by], 1)
            of_target = np.minimum(area / shapely.area(theirs)[at], 1)
        real = (area > 0) & ((of_source > sliver) | (of_target > sliver))
        met = np.unique(by[real])
        _refuse_nested(mine[met], source_codes[near[met]])
        columns = [source_codes[near[by]], target_codes[chosen[at]], area, of_source, of_target]
        part = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))[real]
        order = np.lexsort((near[by[real]], chosen[at[real]]))
        parts.append(part.iloc[order])
        if keep_pieces and kept:
            # a touching edge leaves lines beside the polygons of an intersection: they hold nobody
            shapes.append(gpd.GeoSeries(np.concatenate(kept)[real][order], crs=crs).to_crs(4326))
    empty = pd.DataFrame({name: np.empty(0) for name in COLUMNS})
    weights = pd.concat(parts or [empty], ignore_index=True).astype({"source_code": "str", "target_code": "str"})
    pieces = pd.concat(shapes, ignore_index=True) if shapes else gpd.GeoSeries([], crs=4326)
    return weights, pieces


def _refuse_nested(shapes: np.ndarray, codes: np.ndarray) -> None:
    """Stop where a zone lies in another for more than half."""
    import shapely

    inner, outer = shapely.STRtree(shapes).query(shapely.point_on_surface(shapes), predicate="intersects")
    others = inner != outer
    inner, outer = inner[others], outer[others]
    shared = shapely.area(shapely.intersection(shapes[inner], shapes[outer]))
    size = shapely.area(shapes)
    # of two zones that hold each other, the smaller lies in the larger
    smaller = (size[inner] < size[outer]) | ((size[inner] == size[outer]) & (inner < outer))
    nested = smaller & (shared > _NESTED * size[inner])
    if nested.any():
        pairs = [f"{codes[a]} in {codes[b]}" for a, b in zip(inner[nested], outer[nested], strict=True)]
        more = f", ... ({len(pairs)} in all)" if len(pairs) > 5 else ""
        raise SchemaError(
            f"sources overlap: {', '.join(pairs[:5])}{more}. What both hold would count twice: keep either the whole "
            "(a commune) or its parts (its arrondissements)."
        )


def check_cover(weights: pd.DataFrame) -> None:
    """Refuse weights whose sources cover a target more than once.

    Parameters
    ----------
    weights : DataFrame
        `source_code, target_code, share_of_target`.

    Raises
    ------
    SchemaError
        The message names the target and its sources.
    """
    covered = weights.groupby("target_code", sort=False)["share_of_target"].sum()
    twice = covered.index[covered > 1 + _TWICE]
    if len(twice):
        met = weights.loc[weights["target_code"] == twice[0], "source_code"]
        raise SchemaError(
            f"sources overlap: target {twice[0]} is covered {covered[twice[0]]:.2f} times, by "
            f"{', '.join(met.head(6).astype(str))}; {len(twice)} such targets. What two sources hold would count "
            "twice: keep zones that do not overlap."
        )


def _near(tree: Any, zones: gpd.GeoSeries) -> np.ndarray:
    """Positions of the sources whose box meets that of a zone, in the system of the sources.

    A straight edge bends from one system to another: the boxes are widened by 2 % of their size,
    a hundred times what an edge of 50 km bends.
    """
    import shapely

    west, south, east, north = zones.bounds.to_numpy().T
    margin = 0.02 * np.maximum(east - west, north - south)
    boxes = shapely.box(west - margin, south - margin, east + margin, north + margin)
    return np.unique(tree.query(boxes)[1])


def with_lonely_targets(weights: pd.DataFrame, targets: gpd.GeoDataFrame, target_id: str) -> pd.DataFrame:
    """The weights, with a row for each target that no source touches."""
    codes = targets[target_id].astype(str)
    lonely = ~codes.isin(weights["target_code"].unique())
    if not lonely.any():
        return weights
    undrawn = (targets.geometry.isna() | targets.geometry.is_empty)[lonely].to_numpy()
    zero = np.where(undrawn, np.nan, 0.0)
    rows = pd.DataFrame({"target_code": codes[lonely].to_numpy(), "area": zero, "share_of_target": zero})
    joined = pd.concat([weights, rows.reindex(columns=weights.columns)], ignore_index=True)
    return joined.astype({"source_code": "str", "target_code": "str"})
