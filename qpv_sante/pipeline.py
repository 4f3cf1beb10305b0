"""From the producers to the store: download, read, validate, assemble, put in use.

Each source is built on its own. One that fails keeps its last good figures; the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import builds, download, observations, store, territories
from qpv_sante._version import __version__
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Source, Vintage, core_catalogue
from qpv_sante.discontinuities import Discontinuity, level_jumps, renamed, undecided
from qpv_sante.errors import QpvSanteError, SchemaError, StoreError
from qpv_sante.lockfile import LOCK_FILE, Lock
from qpv_sante.readers import apart, read_file
from qpv_sante.readers.cells import format_names

if TYPE_CHECKING:
    import geopandas as gpd

log = logging.getLogger(__name__)

GEOGRAPHY = "territories"
_GEOGRAPHY_CODES = ("communes", "commune_events", "commune_epci", "iris", "commune_regions", "qpv_2015_names")
# of the QPV of 2024, a newer list of communes than the outlines': taken where the build has it
_GEOGRAPHY_MORE = ("qpv_2024_communes",)
_GEOGRAPHY_ZONES = ("department_2018", "qpv_2015", "qpv_2024")
# what the tables of territories are made of
GEOGRAPHY_INPUTS = (*(f"codes/{name}" for name in _GEOGRAPHY_CODES), *(f"zones/{name}" for name in _GEOGRAPHY_ZONES))


@dataclass
class BuildReport:
    """What a build did.

    Attributes
    ----------
    built : dict of str to int
        Rows stored, by source.
    failures : dict of str to str
        What went wrong, by source; their last good figures are kept.
    undecided : list of Discontinuity
        Breaks between two editions that ask for a decision in the catalogue.
    kept : list of str
        Failed sources whose figures of an earlier build are still in use.
    others : dict of list of str
        Editions that were read here for the first time, from another file than the one that the embedded snapshot was
        made of; by source.
    store : Path
        Folder of the builds.
    """

    built: dict[str, int] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    undecided: list[Discontinuity] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=dict)
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


@checked
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
        Accept files whose content changed since they were recorded in the lock file, and figures that are far from
        those in use, or from those of the embedded snapshot where nothing is in use.
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

    from qpv_sante.refresh.before import check_source

    known = core_catalogue()  # imported sources have no address: builds keep them as they are
    chosen = [known.source(name) for name in dict.fromkeys(sources or known.sources)]
    root = root or store.data_dir()
    report = BuildReport(store=store.processed_dir(root))
    with builds.new_build(root) as target:
        lock = Lock.load(root / LOCK_FILE)
        if any(source.reader in apart.NATIVE for source in chosen):
            apart.start()
        obtain = partial(
            download.fetch,
            raw_dir=root / "raw",
            lock=lock,
            accept_changes=accept_changes,
            offline=offline,
            session=download.new_session(),
        )
        for source in tqdm(chosen, desc="build", unit="source", disable=not progress):
            try:
                reading = read_source(source, obtain)
                breaks = undecided_breaks(reading)
                if not accept_changes and (others := check_source(target, source, reading.tables, reading.hashes)):
                    report.others[source.id] = others
                    log.warning("%s: not the file that the snapshot was made of: %s", source.id, ", ".join(others))
                target.put_all(reading.tables)
                target.record(source.id, reading.record)
                report.built[source.id] = reading.rows
                report.undecided += breaks
            # Broad on purpose: files are read by half a dozen libraries with errors of their own, and what one of them
            # raises on the file of one producer must not stop the others. It is told with its kind.
            except Exception as error:
                report.failures[source.id] = told(error)
                log.error("%s: %s", source.id, told(error))
        if report.built:
            try:
                assemble(target, accept_changes=accept_changes)
            except Exception as error:  # likewise: of tables made of what was read
                report.failures[GEOGRAPHY] = told(error)
                log.error("%s: %s", GEOGRAPHY, told(error))
        for one in report.undecided:
            log.warning("%s", one)
        report.kept = [name for name in report.failures if name in target.sources]
        target.failures = report.failures
        if not report.built:
            raise StoreError("No source could be built; nothing was changed.\n" + _listed(report.failures))
    return report


def told(error: BaseException) -> str:
    """An error in words, with its kind when the package did not raise it on purpose."""
    return str(error) if isinstance(error, QpvSanteError) else f"{type(error).__name__}: {error}"


def _listed(failures: dict[str, str]) -> str:
    return "\n".join(f"- {name}: {problem}" for name, problem in failures.items())


@dataclass
class Reading:
    """A source as it was read from its files, validated.

    Attributes
    ----------
    tables : dict of str to DataFrame
        By name in the store: `observations/<source>`, `zones/<layer>`, `codes/<table>`.
    record : dict
        What the manifest says of the source.
    names : dict
        By edition: the columns that each series was found in.
    hashes : dict of str to str
        SHA-256 of its files, by edition (`source@edition`).
    """

    tables: dict[str, pd.DataFrame]
    record: dict[str, Any]
    hashes: dict[str, str]
    names: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(len(table) for table in self.tables.values())


def read_source(source: Source, obtain: Callable[[str, download.Request], download.RawFile]) -> Reading:
    """Read and validate every edition of a source; nothing is written.

    Parameters
    ----------
    source : Source
        Of the catalogue.
    obtain : callable
        From the key of an edition (`source@edition`) and its request to its local file.

    Returns
    -------
    Reading

    Raises
    ------
    QpvSanteError
        A file that could not be obtained, or is not as the catalogue describes it.
    Exception
        Whatever a library raises on what no reader foresaw.
    """
    tables: dict[str, pd.DataFrame] = {}
    frames, editions, names = [], {}, {}
    for vintage in source.vintage:
        key = source.key(vintage)
        raw = obtain(key, request_for(source, vintage))
        found = read_file(source, vintage, raw)
        if found.observations is not None:
            observations.validate(found.observations, where=key)
            frames.append(found.observations)
        for name, zone in found.zones.items():
            # editions may be the parts of one layer
            tables[f"zones/{name}"] = _with_outlines(tables.get(f"zones/{name}"), zone, where=key)
        tables |= {f"codes/{name}": table for name, table in found.codes.items()}
        names[key] = found.names
        editions[vintage.id] = {
            "url": raw.url,
            "sha256": raw.sha256,
            "bytes": raw.bytes,
            "retrieved": raw.retrieved,
            "counts": found.counts,
        }
    if frames:
        joined = observations.concat(frames).sort_values(["indicator", "year"], kind="stable", ignore_index=True)
        tables[f"observations/{source.id}"] = joined
    record = {
        "title": source.title,
        "producer": source.producer,
        "licence": source.licence,
        "editions": editions,
        "rows": sum(len(table) for table in tables.values()),
        "tables": sorted(tables),
    }
    return Reading(
        tables, record, {source.key(name): str(edition["sha256"]) for name, edition in editions.items()}, names
    )


def undecided_breaks(reading: Reading) -> list[Discontinuity]:
    """Breaks between the editions of a source that the catalogue says nothing of: see `qpv_sante.discontinuities`."""
    known = core_catalogue()
    tables = [table for name, table in reading.tables.items() if name.startswith("observations/")]
    jumps = [one for table in tables for one in level_jumps(table, known)]
    return undecided([*jumps, *renamed(reading.names, known)], known)


def _with_outlines(layer: pd.DataFrame | None, part: gpd.GeoDataFrame, *, where: str) -> pd.DataFrame:
    """A layer with the outlines of one more file.

    Raises
    ------
    SchemaError
        A code that another file gave.
    """
    if layer is None:
        return part
    both = pd.concat([layer, part], ignore_index=True)
    twice = both.loc[both["geo_code"].duplicated(), "geo_code"]
    if len(twice):
        raise SchemaError(
            f"{where}: {len(twice)} outlines that another file of the source gives, first {twice.iloc[0]}."
        )
    return both.sort_values("geo_code", ignore_index=True)


def _made_of(target: builds.Build) -> dict[str, str | None]:
    """What the assembled tables depend on: the code of the package, and the tables that they are made of."""
    more = [f"codes/{name}" for name in _GEOGRAPHY_MORE if target.holds(f"codes/{name}")]
    return {"package": __version__, **{name: target.hash_of(name) for name in (*GEOGRAPHY_INPUTS, *more)}}


def assembly_due(target: builds.Build) -> bool:
    """Whether the assembled tables can be made, and are not those of the tables that the build has."""
    known = target.sources.get(GEOGRAPHY, {}).get("made_of")
    return all(target.holds(name) for name in GEOGRAPHY_INPUTS) and known != _made_of(target)


def assemble(target: builds.Build, *, accept_changes: bool = False) -> None:
    """Write the code tables that are made of several sources; without all of these, the snapshot's stay in use.

    They are made again when what they are made of is not what they were made of: an assembly that failed is tried
    again by the next build or refresh, whatever that one builds.

    Raises
    ------
    DriftError
        They are too far from those in use, or from the snapshot's, unless `accept_changes`.
    """
    import geopandas as gpd

    from qpv_sante.refresh.before import check_territories

    absent = [name for name in GEOGRAPHY_INPUTS if not target.holds(name)]
    if absent:
        log.warning("The tables of territories were not made again: %s not built yet.", ", ".join(absent))
        return
    made_of = _made_of(target)
    if target.sources.get(GEOGRAPHY, {}).get("made_of") == made_of:
        return
    more = [name for name in _GEOGRAPHY_MORE if target.holds(f"codes/{name}")]
    listed = (*_GEOGRAPHY_CODES, *more)
    codes = {name: pd.read_parquet(target.path / "codes" / f"{name}.parquet") for name in listed}
    zones = {name: gpd.read_parquet(target.path / "zones" / f"{name}.parquet") for name in _GEOGRAPHY_ZONES}
    tables, counts = territories.assemble(codes, zones)
    put = {f"codes/{name if name != 'communes' else 'current_communes'}": table for name, table in tables.items()}
    before = target.sources.get(GEOGRAPHY, {}).get("made_of")
    if not accept_changes and (before is None or before["package"] == __version__):
        # another version of the package may make them otherwise: that is not a producer's doing
        check_territories(target, put, made_before=before is not None)
    target.put_all(put)
    record = {
        "title": "Tables d'appartenance",
        "producer": "Insee, ANCT (assembled)",
        "licence": "Licence Ouverte 2.0",
        "editions": {},
        "rows": sum(len(table) for table in tables.values()),
        "tables": sorted(put),
        "counts": counts,
        "made_of": made_of,
    }
    target.record(GEOGRAPHY, record)
