"""The embedded snapshot: the build in use, small enough to travel with the package."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpv_sante import builds, store
from qpv_sante.catalogue import core_catalogue
from qpv_sante.errors import StoreError
from qpv_sante.geography import QPV_ZONINGS, department_of_qpv, projected_crs, with_neighbours
from qpv_sante.lockfile import LOCK_FILE, Lock

if TYPE_CHECKING:
    import geopandas as gpd

log = logging.getLogger(__name__)

CODE_TABLES = (
    *("current_communes", "former_communes", "qpv", "territories", "spf_barometer_2024_classification"),
    *("care_structures", "care_structures_coverage"),
)
COMMUNES = "commune_2018"
TOLERANCE_M = 5.0
# A background: to 3 m, in binary fractions of a degree, which compress twice as well as decimal ones
_BACKGROUND_GRID = 2.0**15


def write_snapshot(target: Path | None = None, *, root: Path | None = None) -> Path:
    """Write the build in use as the package's snapshot.

    Observations and code tables are those of the build; outlines are simplified for display. The lock file of
    the sources goes with them: address, hash and date of each producer's file. A source that could not be built keeps
    what the snapshot in place has of it: one address that does not answer stops no other source.

    Parameters
    ----------
    target : Path, optional
        Folder to write; the package's own by default.
    root : Path, optional
        Data root of the build.

    Returns
    -------
    Path
        The folder. A previous snapshot there is replaced at the end, in one step.

    Raises
    ------
    StoreError
        Nothing was built, a source of the catalogue is missing from the build and from the snapshot in place, or the
        folder cannot be written.
    """
    current = store.current_store(root)
    if current is None:
        raise StoreError(f"Nothing was built in {store.processed_dir(root)}. Run `qpv-sante build` first.")
    target = target or store.snapshot_dir()
    before, kept = _kept(current, target)
    aside = target.with_name(target.name + ".partial")
    if aside.exists():
        shutil.rmtree(aside)
    written = builds.Build(aside, None)
    published = set(core_catalogue().sources)
    written.sources = {name: record for name, record in current.manifest["sources"].items() if name in published}
    for name in current.names("observations"):
        if name in published:
            written.put(f"observations/{name}", current.observations(name))
    for name in CODE_TABLES:
        written.put(f"codes/{name}", current.codes(name))
    for name in current.names("zones"):
        zones = current.zones(name)
        written.put(f"zones/{name}", background_of(zones, current) if name == COMMUNES else simplify(zones))
    for name, record in kept.items():
        written.sources[name] = record
        log.warning("%s is not in the build: the snapshot keeps what it had of it", name)
        for table in record["tables"]:
            kind, _, layer = table.partition("/")
            written.put(table, getattr(before, kind)(layer))
    written.sources["outlines"] = {
        "title": f"Contours simplifiés à {TOLERANCE_M:g} m pour l'affichage",
        "producer": "ANCT, IGN, Insee",
        "licence": "Licence Ouverte 2.0",
        "editions": {},
        "rows": 0,
        "tolerance_m": TOLERANCE_M,
    }
    written.write_manifest()
    lock = Lock.load((root or store.data_dir()) / LOCK_FILE).copy(aside / LOCK_FILE)
    recorded = lock.keys()
    for key in recorded:
        if key.partition("@")[0] not in published:
            lock.record(key, None)
    earlier = Lock.load(target / LOCK_FILE)
    recorded_before = earlier.keys()
    for key in recorded_before:
        if key.partition("@")[0] in kept:
            lock.record(key, earlier.get(key))
    lock.save()
    previous = target.with_name(target.name + ".old")
    if target.exists():
        target.rename(previous)
    aside.rename(target)
    shutil.rmtree(previous, ignore_errors=True)
    size = sum(record["bytes"] for record in store.Store(target, "snapshot").manifest["files"].values())
    log.info("snapshot written in %s: %.1f MB", target, size / 1e6)
    return target


def _kept(current: store.Store, target: Path) -> tuple[store.Store, dict[str, dict[str, Any]]]:
    """The snapshot in place, and the records of the sources that it has and that the build lacks.

    Raises
    ------
    StoreError
        A source that neither has. What the tables of territories are made of is not in a snapshot: it must be built.
    """
    before = store.Store(target, "snapshot")
    manifest = before.manifest if (target / "manifest.json").is_file() else {"sources": {}, "files": {}}
    absent = [name for name in core_catalogue().sources if name not in current.manifest["sources"]]
    records = {name: manifest["sources"][name] for name in absent if name in manifest["sources"]}
    kept = {
        name: record
        for name, record in records.items()
        if record.get("tables") and all(f"{table}.parquet" in manifest["files"] for table in record["tables"])
    }
    if lost := [name for name in absent if name not in kept]:
        raise StoreError(f"The build lacks {', '.join(lost)}: a snapshot needs every source. Run `qpv-sante build`.")
    return before, kept


def background_of(communes: gpd.GeoDataFrame, current: store.Store) -> gpd.GeoDataFrame:
    """The communes that maps of QPV draw behind them: those that hold or touch one, and their neighbours.

    Parameters
    ----------
    communes : GeoDataFrame
    current : Store
        With the QPV of both zonings.

    Returns
    -------
    GeoDataFrame
        Simplified as `simplify` does, to 3 m.
    """
    import geopandas as gpd
    import numpy as np
    import pandas as pd
    import shapely

    from qpv_sante.readers.perimeters import as_polygons

    quarters = pd.concat([current.zones(f"qpv_{zoning}").geometry for zoning in QPV_ZONINGS]).dropna()
    kept = simplify(with_neighbours(communes, quarters))
    rounded = shapely.transform(kept.geometry.to_numpy(), lambda xy: np.round(xy * _BACKGROUND_GRID) / _BACKGROUND_GRID)
    valid = as_polygons(shapely.make_valid(rounded))
    return kept.set_geometry(gpd.GeoSeries(valid, index=kept.index, crs=kept.crs))


def simplify(zones: gpd.GeoDataFrame, tolerance_m: float = TOLERANCE_M) -> gpd.GeoDataFrame:
    """Outlines with fewer vertices, borders that neighbours share kept shared.

    Parameters
    ----------
    zones : GeoDataFrame
        Polygons; `geo_code` tells in which projected system overseas outlines are measured.
    tolerance_m : float
        Size in metres of the details that may go.

    Returns
    -------
    GeoDataFrame
        The same rows, in the same CRS; outlines stay valid, and a missing one stays missing.
    """
    import geopandas as gpd
    import numpy as np
    import pandas as pd
    import shapely

    from qpv_sante.readers.perimeters import as_polygons

    is_qpv = zones["geo_code"].str.match("Q[PN]")
    departments = department_of_qpv(zones["geo_code"]).where(is_qpv, "01")
    parts = []
    for crs, group in zones.groupby(departments.map(projected_crs)):
        local = group.to_crs(crs)
        present = local.geometry.notna()
        simple = shapely.coverage_simplify(local.geometry[present].to_numpy(), tolerance_m)
        local.loc[present, "geometry"] = gpd.GeoSeries(simple, index=local.index[present], crs=crs)
        local = local.to_crs(zones.crs)
        # 6 decimals of a degree are 10 cm; overlapping neighbours are not a coverage, and rounding can
        # make a spike cross: repaired as at reading
        rounded = shapely.transform(local.geometry[present].to_numpy(), lambda xy: np.round(xy, 6))
        local.loc[present, "geometry"] = gpd.GeoSeries(
            as_polygons(shapely.make_valid(rounded)), index=local.index[present], crs=zones.crs
        )
        parts.append(local)
    return gpd.GeoDataFrame(pd.concat(parts).sort_index(), geometry="geometry", crs=zones.crs)
