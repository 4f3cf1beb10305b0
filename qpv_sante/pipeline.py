"""From the producers to the store: download, read, validate, assemble, put in use.

Each source is built on its own. One that fails keeps its last good figures; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from qpv_sante import download, observations, store, territories
from qpv_sante.catalogue import Source, Vintage, core_catalogue
from qpv_sante.errors import QpvSanteError, StoreError
from qpv_sante.lockfile import Lock
from qpv_sante.readers import Tables, get_reader
from qpv_sante.readers.cells import format_names

log = logging.getLogger(__name__)

# What a producer's file can break besides what the readers check: reported with its source, never swallowed
_SOURCE_FAULTS = (QpvSanteError, OSError, ValueError, KeyError)
_GEOGRAPHY = "territories"
_GEOGRAPHY_CODES = ("communes", "commune_events", "commune_epci", "iris", "commune_regions", "qpv_2015_names")
_GEOGRAPHY_ZONES = ("department_2018", "qpv_2015", "qpv_2024")


@dataclass
class BuildReport:
    """What a build did.

    Attributes
    ----------
    built : dict of str to int
        Rows stored, by source.
    failures : dict of str to str
        What went wrong, by source; their last good figures are kept.
    kept : list of str
        Failed sources whose figures of an earlier build are still in use.
    store : Path
        Folder of the builds.
    """

    built: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    store: Path | None = None

    def frame(self) -> pd.DataFrame:
        """One row a source: `source, status, rows, problem`."""
        rows = [(name, "built", rows, "") for name, rows in self.built.items()]
        rows += [
            (name, "failed, previous kept" if name in self.kept else "failed", 0, problem)
            for name, problem in self.failures.items()
        ]
        return pd.DataFrame(rows, columns=["source", "status", "rows", "problem"])


def request_for(source: Source, vintage: Vintage) -> download.Request:
    """What the downloader needs to know of an edition."""
    members = [table.member for table in source.tables_of(vintage) if table.member]
    return download.Request(
        kind=source.file,
        url=vintage.url,
        landing_page=vintage.landing_page if vintage.link_pattern else None,
        link_pattern=vintage.link_pattern,
        members=tuple(format_names(members, vintage.year)),
        max_bytes=source.max_bytes,
        allowed_hosts=tuple(source.allowed_hosts),
    )


def build(
    sources: Sequence[str] | None = None,
    *,
    root: Path | None = None,
    accept_changes: bool = False,
    offline: bool = False,
    progress: bool = False,
) -> BuildReport:
    """Download, read, validate and store sources.

    Parameters
    ----------
    sources : sequence of str, optional
        Source ids; all of the catalogue by default.
    root : Path, optional
        Data root; see `qpv_sante.store.data_dir`.
    accept_changes : bool
        Accept files whose content changed since they were recorded in the lock file.
    offline : bool
        Use `data/raw` only.
    progress : bool
        Show a progress bar.

    Returns
    -------
    BuildReport

    Raises
    ------
    UnknownNameError
        A source that is not in the catalogue.
    StoreError
        The data folder cannot be written, or another build is running.
    """
    from tqdm.auto import tqdm

    known = core_catalogue()  # imported sources have no address: builds keep them as they are
    chosen = [known.source(name) for name in dict.fromkeys(sources or known.sources)]
    root = root or store.data_dir()
    report = BuildReport(store=store.processed_dir(root))
    with store.new_build(root) as target:
        lock = Lock.load(root / "sources.lock.toml")
        session = download.new_session()
        for source in tqdm(chosen, desc="build", unit="source", disable=not progress):
            try:
                report.built[source.id] = _build_source(
                    source, target, root / "raw", lock, session, accept_changes, offline
                )
            except _SOURCE_FAULTS as error:
                report.failures[source.id] = _told(error)
                log.error("%s: %s", source.id, error)
        if report.built:
            try:
                _assemble(target)
            except _SOURCE_FAULTS as error:
                report.failures[_GEOGRAPHY] = _told(error)
                log.error("%s: %s", _GEOGRAPHY, error)
        report.kept = [name for name in report.failures if name in target.sources]
        target.failures = report.failures
        if not report.built:
            raise StoreError("No source could be built; nothing was changed.\n" + _listed(report.failures))
    return report


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, QpvSanteError) else f"{type(error).__name__}: {error}"


def _listed(failures: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {problem}" for name, problem in failures.items())


def _build_source(
    source: Source, target: store.Build, raw_dir: Path, lock: Lock, session: object, accept_changes: bool, offline: bool
) -> int:
    """Build every edition of a source, then write; returns the number of rows."""
    results: list[Tables] = []
    editions = {}
    for vintage in source.vintage:
        key = source.key(vintage)
        raw = download.fetch(
            key,
            request_for(source, vintage),
            raw_dir=raw_dir,
            lock=lock,
            accept_changes=accept_changes,
            offline=offline,
            session=session,  # type: ignore[arg-type]
        )
        tables = get_reader(source.reader)(source, vintage, raw)
        if tables.observations is not None:
            observations.validate(tables.observations, where=key)
        results.append(tables)
        editions[vintage.id] = {
            "url": raw.url,
            "sha256": raw.sha256,
            "bytes": raw.bytes,
            "retrieved": raw.retrieved,
            "counts": tables.counts,
        }
    rows = 0
    frames = [tables.observations for tables in results if tables.observations is not None]
    if frames:
        joined = observations.concat(frames).sort_values(["indicator", "year"], kind="stable", ignore_index=True)
        target.put(f"observations/{source.id}", joined)
        rows += len(joined)
    for tables in results:
        for name, zone in tables.zones.items():
            target.put(f"zones/{name}", zone)
            rows += len(zone)
        for name, table in tables.codes.items():
            target.put(f"codes/{name}", table)
            rows += len(table)
    target.sources[source.id] = {
        "title": source.title,
        "producer": source.producer,
        "licence": source.licence,
        "editions": editions,
        "rows": rows,
    }
    return rows


def _assemble(target: store.Build) -> None:
    """Write the code tables that are made of several sources; without all of these, the snapshot's stay in use."""
    import geopandas as gpd

    needed = [f"codes/{name}" for name in _GEOGRAPHY_CODES] + [f"zones/{name}" for name in _GEOGRAPHY_ZONES]
    absent = [name for name in needed if not (target.path / f"{name}.parquet").is_file()]
    if absent:
        log.warning("The tables of territories were not made again: %s not built yet.", ", ".join(absent))
        return
    if target.holds(f"codes/{_GEOGRAPHY}") and not target.written.intersection(needed):
        return  # made of files that this build did not touch
    codes = {name: pd.read_parquet(target.path / "codes" / f"{name}.parquet") for name in _GEOGRAPHY_CODES}
    zones = {name: gpd.read_parquet(target.path / "zones" / f"{name}.parquet") for name in _GEOGRAPHY_ZONES}
    tables, counts = territories.assemble(codes, zones)
    for name, table in tables.items():
        target.put(f"codes/{name if name != 'communes' else 'current_communes'}", table)
    target.sources[_GEOGRAPHY] = {
        "title": "Tables d'appartenance",
        "producer": "Insee, ANCT (assembled)",
        "licence": "Licence Ouverte 2.0",
        "editions": {},
        "rows": sum(len(table) for table in tables.values()),
        "counts": counts,
    }
