"""The embedded snapshot: the build in use, small enough to travel with the package."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpv_sante import builds, store
from qpv_sante.catalogue import core_catalogue
from qpv_sante.durable import replace_folder, settle_folder
from qpv_sante.errors import QpvSanteError, StoreError
from qpv_sante.geography import QPV_ZONINGS, department_of_qpv, projected_crs, with_neighbours
from qpv_sante.lockfile import LOCK_FILE, Lock

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd

log = logging.getLogger(__name__)

CODE_TABLES = (
    *("current_communes", "former_communes", "qpv", "territories", "spf_barometer_2024_classification"),
    *("care_structures", "care_structures_coverage"),
)
_CODES = tuple(f"codes/{name}" for name in CODE_TABLES)
COMMUNES = "commune_2018"
TOLERANCE_M = 5.0
# A background: to 3 m, in binary fractions of a degree, which compress twice as well as decimal ones
_BACKGROUND_GRID = 2.0**15


def write_snapshot(target: Path | None = None, *, root: Path | None = None) -> Path:
    """Write the build in use as the package's snapshot, only what differs from the previous one.

    Observations and code tables are those of the build; outlines are simplified for display. The lock file of
    the sources goes with them: address, hash and date of each producer's file. A source that the build lacks keeps
    what the previous snapshot has of it, and so does what has not moved, down to its bytes and its dates: a
    difference between two snapshots is a difference of the producers.

    Parameters
    ----------
    target : Path, optional
        Folder to write; the package's own by default.
    root : Path, optional
        Data root of the build.

    Returns
    -------
    Path
        The folder. A previous snapshot is replaced at the end, if anything differs (see `durable.replace_folder`): a
        kill leaves the one or the other, whole, and the package reads it.

    Raises
    ------
    StoreError
        Nothing was built, a source is neither in the build nor in the previous snapshot, another run is writing, or the
        folder cannot be written.
    """
    target = target or store.snapshot_home()
    if store.current_store(root) is None:
        raise StoreError(f"Nothing was built in {store.processed_dir(root)}. Run `qpv-sante build` first.")
    # the build that is read stays, and no other snapshot is being written from it
    with builds.exclusive(root):
        try:
            return _write(target, root)
        except OSError as error:
            if isinstance(error, QpvSanteError):
                raise
            raise StoreError(f"The snapshot in {target} was not replaced: {error}. {builds.WRITE_HINT}") from error


def _write(target: Path, root: Path | None) -> Path:
    current = store.current_store(root)
    assert current is not None  # noqa: S101 - it was there, and nothing takes the last one away
    settle_folder(target)
    before = _previous(target)
    kept = _kept(current, before)
    aside = target.with_name(target.name + ".partial")
    if aside.exists():
        shutil.rmtree(aside)
    written = builds.Build(aside, None)
    published = set(core_catalogue().sources)
    for source, record in current.manifest["sources"].items():
        if source in published and source not in kept.sources:
            written.sources[source] = _dated(record, before, source)
    wanted = [f"observations/{name}" for name in current.names("observations") if name in published]
    wanted += [name for name in _CODES if current.has(name)]
    wanted += [f"zones/{name}" for name in current.names("zones")]
    for name in wanted:
        if name not in kept.tables:
            _put(written, name, _shown(name, current), before)
    if before:
        written.sources |= {source: before.manifest["sources"][source] for source in kept.sources}
        for name in kept.tables:
            written.take(name, before)
    for source, record in written.sources.items():  # a background has fewer rows than the build
        if (tables := record["tables"]) and all(written.holds(name) for name in tables):
            written.sources[source] = record | {"rows": sum(written.rows(name) for name in tables)}
    written.sources["outlines"] = {
        "title": f"Contours simplifiés à {TOLERANCE_M:g} m pour l'affichage",
        "producer": "ANCT, IGN, Insee",
        "licence": "Licence Ouverte 2.0",
        "editions": {},
        "rows": 0,
        "tolerance_m": TOLERANCE_M,
    }
    written.write_manifest(copied=False)
    lock = _lock(Lock.load((root or store.data_dir()) / LOCK_FILE), before, published, kept).copy(aside / LOCK_FILE)
    lock.save()
    if before and _alike(aside, target):
        shutil.rmtree(aside)
        log.info("nothing differs from the snapshot in %s: left as it is", target)
        return target
    replace_folder(aside, target)
    size = sum(record["bytes"] for record in store.Store(target, "snapshot").manifest["files"].values())
    log.info("snapshot written in %s: %.1f MB", target, size / 1e6)
    return target


@dataclass(frozen=True)
class _Kept:
    """What the previous snapshot goes on giving."""

    sources: frozenset[str]
    tables: frozenset[str]


def _previous(target: Path) -> store.Store | None:
    """The snapshot that is there, if it is whole."""
    before = store.Store(target, "snapshot")
    try:
        return before if before.manifest and not before.problems() else None
    except StoreError:
        return None


def _kept(current: store.Store, before: store.Store | None) -> _Kept:
    """Sources that the build lacks, and the territories with all that they are made of where it has not made them.

    A new outline beside the former tables of territories would be a quarter that no table knows.
    """
    from qpv_sante.pipeline import GEOGRAPHY_INPUTS

    there = before.manifest if before else {"sources": {}, "files": {}}
    names, known = set(core_catalogue().sources), there["sources"] | current.manifest["sources"]
    absent = names - current.manifest["sources"].keys()
    assembled = set(_CODES) - {table for name in names & known.keys() for table in known[name]["tables"]}
    again = all(current.has(name) for name in assembled)
    if not again:
        absent |= {name for name in names & known.keys() if set(GEOGRAPHY_INPUTS) & set(known[name]["tables"])}
    if unknown := sorted(absent - there["sources"].keys()):
        told = f"{', '.join(unknown)}{'' if again else ', or what the tables of territories are made of'}"
        raise StoreError(f"The build lacks {told}, and no whole snapshot there has it. Run `qpv-sante build`.")
    tables = {table for name in absent for table in known[name]["tables"]} | (set() if again else assembled)
    if absent:
        log.warning("Not built anew, kept as in the previous snapshot: %s", ", ".join(sorted(absent)))
    return _Kept(frozenset(absent), frozenset(name for name in tables if f"{name}.parquet" in there["files"]))


def _shown(name: str, current: store.Store) -> pd.DataFrame:
    """A table of the build as the snapshot has it: outlines for display."""
    table = current.table(name)
    if name == f"zones/{COMMUNES}":
        return background_of(table, current)
    return simplify(table) if name.startswith("zones/") else table


def _put(written: builds.Build, name: str, table: pd.DataFrame, before: store.Store | None) -> None:
    """Write a table, or take the previous one where it says the same in other bytes."""
    written.put(name, table)
    if before and before.has(name) and before.table(name).equals(store.Store(written.path, "snapshot").table(name)):
        written.take(name, before)


def _dated(record: dict[str, Any], before: store.Store | None, source: str) -> dict[str, Any]:
    """A source's record, with the former date of retrieval of the files that are the same."""
    known = before.manifest["sources"].get(source, {}).get("editions", {}) if before else {}
    editions = {
        name: edition | {"retrieved": known[name]["retrieved"]} if _same(edition, known.get(name)) else edition
        for name, edition in record["editions"].items()
    }
    return record | {"editions": editions}


def _same(edition: Mapping[str, Any], known: Mapping[str, Any] | None) -> bool:
    return known is not None and (edition["sha256"], edition["url"]) == (known["sha256"], known["url"])


def _lock(lock: Lock, before: store.Store | None, published: set[str], kept: _Kept) -> Lock:
    """The lock of the published sources, in memory; what is the same keeps its former entry."""
    known, found = Lock.load(before.path / LOCK_FILE) if before else Lock(None), Lock(None)
    for key in {*lock.keys(), *known.keys()}:
        source, new, old = key.partition("@")[0], lock.get(key), known.get(key)
        if source in kept.sources or (new and old and _same(vars(new), vars(old))):
            found.record(key, old)
        elif source in published:
            found.record(key, new)
    return found


def _alike(aside: Path, target: Path) -> bool:
    """Whether two snapshots have the same records, tables and files of producers."""
    one, other = (store.Store(path, "snapshot").declared() for path in (aside, target))
    texts = [(path / LOCK_FILE).read_text(encoding="utf-8") for path in (aside, target) if (path / LOCK_FILE).is_file()]
    return len(texts) == 2 and texts[0] == texts[1] and all(one[name] == other[name] for name in ("sources", "files"))


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
