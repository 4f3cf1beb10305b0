"""The embedded snapshot: the build in use, small enough to travel with the package."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from qpv_sante import builds, store
from qpv_sante.catalogue import core_catalogue
from qpv_sante.durable import replace_folder
from qpv_sante.errors import StoreError
from qpv_sante.geography import department_of_qpv, projected_crs
from qpv_sante.lockfile import LOCK_FILE, Lock

if TYPE_CHECKING:
    import geopandas as gpd

log = logging.getLogger(__name__)

CODE_TABLES = (
    *("current_communes", "former_communes", "qpv", "territories", "spf_barometer_2024_classification"),
    *("care_structures", "care_structures_coverage"),
)
TOLERANCE_M = 5.0


def write_snapshot(target: Path | None = None, *, root: Path | None = None) -> Path:
    """Write the build in use as the package's snapshot.

    Observations and code tables are those of the build; outlines are simplified for display. The lock file of
    the sources goes with them: address, hash and date of each producer's file.

    Parameters
    ----------
    target : Path, optional
        Folder to write; the package's own by default.
    root : Path, optional
        Data root of the build.

    Returns
    -------
    Path
        The folder. A previous snapshot is replaced at the end (see `durable.replace_folder`): a kill leaves the one
        or the other, whole, and the package reads it.

    Raises
    ------
    StoreError
        Nothing was built, a source of the catalogue is missing from the build, or the folder cannot be written.
    """
    current = store.current_store(root)
    if current is None:
        raise StoreError(f"Nothing was built in {store.processed_dir(root)}. Run `qpv-sante build` first.")
    absent = [name for name in core_catalogue().sources if name not in current.manifest["sources"]]
    if absent:
        raise StoreError(f"The build lacks {', '.join(absent)}: a snapshot needs every source. Run `qpv-sante build`.")
    target = target or store.snapshot_home()
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
        written.put(f"zones/{name}", simplify(current.zones(name)))
    written.sources["outlines"] = {
        "title": f"Contours simplifiés à {TOLERANCE_M:g} m pour l'affichage",
        "producer": "ANCT, IGN, Insee",
        "licence": "Licence Ouverte 2.0",
        "editions": {},
        "rows": 0,
        "tolerance_m": TOLERANCE_M,
    }
    written.write_manifest(copied=False)
    lock = Lock.load((root or store.data_dir()) / LOCK_FILE).copy(aside / LOCK_FILE)
    recorded = lock.keys()
    for key in recorded:
        if key.partition("@")[0] not in published:
            lock.record(key, None)
    lock.save()
    replace_folder(aside, target)
    size = sum(record["bytes"] for record in store.Store(target, "snapshot").manifest["files"].values())
    log.info("snapshot written in %s: %.1f MB", target, size / 1e6)
    return target


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
