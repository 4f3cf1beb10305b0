"""Outlines: shapefiles and GeoJSON, checked, repaired where invalid, and counted."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from qpv_sante.catalogue import Source, Table, Vintage
from qpv_sante.content import check_archive
from qpv_sante.download import RawFile
from qpv_sante.errors import SchemaError
from qpv_sante.geography import check_codes
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import find_column


def read(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Outlines of a perimeter file.

    Parameters
    ----------
    source, vintage : Source, Vintage
        Each table's `columns` maps the producer's attributes to ours; `crs` is the expected EPSG code.
    raw : RawFile
        A GeoJSON, or a zip of a GeoJSON or a shapefile.

    Returns
    -------
    Tables
        `zones` named by level and zoning (`qpv_2015`), in EPSG:4326, valid polygons only, with the
        declared attributes as text; `counts` of rows, repairs and empty outlines.

    Raises
    ------
    SchemaError
        Unreadable layer, missing attribute, other CRS, duplicate or malformed code.
    """
    zones: dict[str, gpd.GeoDataFrame] = {}
    counts: dict[str, int] = {}
    for table in source.tables_of(vintage):
        layer = f"{table.geo_level}_{table.geo_vintage}"
        where = f"{source.key(vintage)}, {table.member or raw.path.name}"
        frame = _open(raw, table, where=where)
        found = {find_column(frame, [theirs], where=where): ours for theirs, ours in table.columns.items()}
        zone = frame[[*found, "geometry"]].rename(columns=found)
        zone = zone.assign(**{name: zone[name].fillna("").astype("str").str.strip() for name in found.values()})
        zones[layer], repairs = check_outlines(zone, table, where=where)
        counts |= {f"{layer}: {name}": number for name, number in repairs.items()}
    return Tables(zones=zones, counts=counts)


def _open(raw: RawFile, table: Table, *, where: str) -> gpd.GeoDataFrame:
    if raw.path.suffix == ".zip":
        check_archive(raw.path)
    path = f"/vsizip/{raw.path}/{table.member}" if raw.path.suffix == ".zip" else str(raw.path)
    # None lets the file say its own encoding (a .cpg, or UTF-8 by GeoJSON's standard)
    encoding = None if table.encoding == "utf-8-sig" else table.encoding
    try:
        return pyogrio.read_dataframe(path, encoding=encoding)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, UnicodeDecodeError) as error:
        raise SchemaError(f"{where}: not a readable layer of outlines: {error}") from error


def check_outlines(zone: gpd.GeoDataFrame, table: Table, *, where: str) -> tuple[gpd.GeoDataFrame, dict[str, int]]:
    """Outlines that can be measured: right CRS, unique codes, valid polygons.

    Invalid outlines are repaired with `make_valid`, which keeps their area (`buffer(0)` can lose
    5 % of it); what is not polygon after repair is dropped from the outline. An outline without
    area is kept as missing, so that its neighbourhood stays in the list.

    Returns
    -------
    zone : GeoDataFrame
        In EPSG:4326, sorted by `geo_code`.
    counts : dict of str to int
        Rows read, outlines repaired, outlines without area.

    Raises
    ------
    SchemaError
    """
    if zone.empty:
        raise SchemaError(f"{where}: the layer is empty.")
    if zone.crs is None or (table.crs and zone.crs.to_epsg() != table.crs):
        raise SchemaError(f"{where}: expected EPSG:{table.crs}, got {zone.crs and zone.crs.to_string()}.")
    codes = zone["geo_code"]
    check_codes(codes, str(table.geo_level), int(table.geo_vintage or 0), where=where)
    twice = codes[codes.duplicated()]
    if len(twice):
        raise SchemaError(f"{where}: {len(twice)} codes appear twice, first {twice.iloc[0]}.")
    geometry = zone.geometry.to_numpy()
    invalid = ~shapely.is_valid(geometry)
    geometry = as_polygons(np.where(invalid, shapely.make_valid(geometry), geometry))
    without_area = shapely.area(geometry) == 0
    geometry[without_area] = None
    counts = {
        "rows read": len(zone),
        "outlines repaired": int(invalid.sum()),
        "outlines without area": int(without_area.sum()),
    }
    zone = zone.set_geometry(gpd.GeoSeries(geometry, index=zone.index, crs=zone.crs)).to_crs(4326)
    return zone.sort_values("geo_code", ignore_index=True), counts


def as_polygons(geometry: np.ndarray) -> np.ndarray:
    """The polygons of each geometry as one multipolygon: repair can leave lines and points.

    Parameters
    ----------
    geometry : ndarray of shapely geometries

    Returns
    -------
    ndarray
        Multipolygons, empty where a geometry has no polygon.

    Examples
    --------
    >>> import shapely
    >>> bow_tie = shapely.from_wkt("POLYGON ((0 0, 2 2, 2 0, 0 2, 0 0))")
    >>> as_polygons(np.array([shapely.make_valid(bow_tie)]))[0].area
    2.0
    """
    parts, owner = shapely.get_parts(geometry, return_index=True)
    nested, inner = shapely.get_parts(parts, return_index=True)
    owner = owner[inner]
    polygon = shapely.get_type_id(nested) == shapely.GeometryType.POLYGON
    gathered = pd.Series(nested[polygon]).groupby(owner[polygon]).agg(list)
    result = np.full(len(geometry), shapely.MultiPolygon(), dtype=object)
    result[gathered.index] = [shapely.MultiPolygon(polygons) for polygons in gathered]
    return result
