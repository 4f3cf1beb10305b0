"""Refresh: ask the producers, stage what changed, compare, put in use, tell.

    faults.py    what went wrong, by kind and in words
    probing.py   what each producer says now of its files
    before.py    what new files are held against: the tables in use, or the embedded snapshot
    drift.py     what moved too far to be put in use unseen
    meaning.py   figures and labels that may mean something else, whatever the size of the change
    displacement.py  outlines that are elsewhere
    evidence.py  one finding, in either language
    changes.py   what differs, by key
    outcome.py   what happened to each source, and the exit code
    telling.py   the same in words: Markdown, HTML, JSON

A source that fails keeps its raw files and its figures; the others go on. Nothing is in use before all of it is
written, and the build before stays on disk (`qpv-sante rollback`).
"""

from __future__ import annotations

import dataclasses
import logging
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante import builds, download, history, pipeline, store
from qpv_sante._version import __version__
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Source, core_catalogue
from qpv_sante.errors import DownloadError, Fault, StoreError, UnknownNameError, did_you_mean
from qpv_sante.lockfile import LOCK_FILE, Lock
from qpv_sante.refresh.before import declared, tables_before, unfamiliar
from qpv_sante.refresh.changes import compare_tables
from qpv_sante.refresh.drift import find_drift
from qpv_sante.refresh.faults import fault_of
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.probing import Probe, State, survey

if TYPE_CHECKING:
    import requests

__all__ = ["RefreshReport", "refresh"]

log = logging.getLogger(__name__)
STAGING = ".staging"
KEPT = "the file and the figures in use, untouched"
_TO_GET = {State.NEW, State.CHANGED, State.MOVED, State.UNKNOWN}
_NO_ANSWER = {State.MISSING, State.UNREACHABLE}


@checked
def refresh(
    sources: Sequence[str] | None = None,
    *,
    dry_run: bool = False,
    accept: Collection[str] = (),
    keep: int = 2,
    root: Path | None = None,
    progress: bool = False,
) -> RefreshReport:
    """Bring the data folder up to date with the producers, and say what moved.

    After a rollback, a source that it took back stays as it is until its producer publishes another file than the one
    that was put aside, or until it is named in `sources`.

    Parameters
    ----------
    sources : sequence of str, optional
        Source ids; all of the catalogue by default.
    dry_run : bool
        Probe, download aside, read and compare; put nothing in use.
    accept : collection of str
        Sources whose drift beyond the catalogue's tolerance a person has looked at and accepts.
    keep : int
        Earlier builds kept, at least 1; `qpv-sante rollback` returns to them.
    root : Path, optional
        Data root; see `qpv_sante.store.data_dir`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    RefreshReport
        One outcome a source; `.frame()`, `.exit_code()`, and `.save(path)` as `.md`, `.html` or `.json`.

    Raises
    ------
    UnknownNameError
        A source that is not in the catalogue, or `keep` under 1.
    StoreError
        The data folder cannot be written, or another build or refresh is running. Nothing was changed.
    DownloadError
        The lock file of the sources cannot be read. Nothing was changed.

    Notes
    -----
    What is wrong in the store itself (a damaged manifest, table or pointer, an imported table that only an earlier
    build still has) is put right by the way and told in `RefreshReport.warnings`.

    Examples
    --------
    >>> refresh(["insee_filosofi_qvp"])
    Traceback (most recent call last):
    ...
    qpv_sante.errors.UnknownNameError: Unknown source 'insee_filosofi_qvp'. Did you mean 'insee_filosofi_qpv' ...
    """
    known = core_catalogue()  # imported sources have no address
    chosen = [known.source(name) for name in dict.fromkeys(sources or known.sources)]
    for name in accept:
        if name not in {*known.sources, pipeline.GEOGRAPHY}:
            raise UnknownNameError(f"Unknown source {name!r} in accept. {did_you_mean(name, known.sources)}")
    root = root or store.data_dir()
    report = RefreshReport(started=datetime.now(UTC), dry_run=dry_run, store=store.processed_dir(root))
    try:
        # one session: what a host said of its load while it was probed holds for the downloads
        with builds.new_build(root, keep=keep) as target, download.new_session() as session:
            work = _Refresh(root, target, accept, session, asked=bool(sources))
            try:
                report.survey = survey(chosen, work.lock, session)
                work.run(chosen, report, progress)
                report.repairs = work.repairs()
                if dry_run or not (work.rebuilt or target.repairs):
                    target.abandon()
                if not dry_run:
                    work.promote()
            finally:
                shutil.rmtree(work.staging, ignore_errors=True)
    # Broad on purpose: what was found until then is told, whatever stopped the rest
    except Exception as error:
        if not report.outcomes:  # nothing was begun: another one is running, or the folder is closed
            raise
        report.problem, report.fault = pipeline.told(error), fault_of(error)
        for outcome in report.outcomes:
            outcome.withdraw()
        log.error("refresh: %s", error)
    report.finished = datetime.now(UTC)
    return report


@dataclass
class _Refresh:
    """A refresh being done: what is in use, what is staged; whether the sources were asked for by name."""

    root: Path
    target: builds.Build
    accept: Collection[str]
    session: requests.Session
    asked: bool
    lock: Lock = field(init=False)
    staged: dict[str, tuple[download.RawFile, str | None]] = field(default_factory=dict)
    rebuilt: bool = False

    def __post_init__(self) -> None:
        self.lock = Lock.load(self.root / LOCK_FILE)
        shutil.rmtree(self.staging, ignore_errors=True)  # what a killed run left

    @property
    def staging(self) -> Path:
        return self.root / "raw" / STAGING

    def run(self, sources: Sequence[Source], report: RefreshReport, progress: bool) -> None:
        """Stage and compare each source; what passes is written in the new build."""
        from tqdm.auto import tqdm

        for source in tqdm(sources, desc="refresh", unit="source", disable=not progress):
            outcome = Outcome(source.id, source.title, source.producer)
            report.outcomes.append(outcome)
            outcome.probes = [report.survey.probes[source.key(vintage)] for vintage in source.vintage]
            try:
                self._source(source, outcome)
            # Broad on purpose: files are read by half a dozen libraries with errors of their own, and what one of
            # them raises on the file of one producer must not stop the others. It is told with its kind.
            except Exception as error:
                outcome.fail(_advised(error, source), fault_of(error))
                log.error("%s: %s", source.id, error)
            outcome.kept = source.id in self.target.sources
        if pipeline.assembly_due(self.target):
            self._assemble(report)
        for source_id, title, producer, problem in history.told_missing(self.target, self.root):
            outcome = Outcome(source_id, title, producer)
            outcome.fail(problem, Fault.STORE)
            report.outcomes.append(outcome)

    def _assemble(self, report: RefreshReport) -> None:
        """Make the tables of territories again; told if it changes something, repairs something or fails."""
        outcome = Outcome(pipeline.GEOGRAPHY, "Tables d'appartenance", "Insee, ANCT")
        known = self.target.sources.get(pipeline.GEOGRAPHY, {})
        lost, own = pipeline.GEOGRAPHY in self.target.lost, bool(self.target.written)
        before = self._tables(known.get("tables", []))
        try:
            pipeline.assemble(self.target, accept_changes=pipeline.GEOGRAPHY in self.accept)
            made = self.target.sources[pipeline.GEOGRAPHY]
            outcome.changes = compare_tables(before, self._tables(made["tables"]))
            outcome.rows, self.rebuilt = made["rows"], True
            if lost or not own:  # not a consequence of what this refresh wrote
                outcome.reasons = ["damaged in the store" if lost else "not assembled yet"]
        except Exception as error:  # broad on purpose, as for the sources that they are made of
            outcome.drift = list(getattr(error, "drift", ()))
            outcome.fail(
                f"{pipeline.told(error)}\n  kept: the tables of territories in use, untouched\n"
                "  try: qpv-sante refresh, which tries again each time",
                Fault.ASSEMBLY,
            )
            log.error("%s: %s", pipeline.GEOGRAPHY, error)
        if outcome.changes or outcome.reasons or outcome.problem:
            outcome.status = outcome.status if outcome.problem else "changed"
            outcome.kept = pipeline.GEOGRAPHY in self.target.sources
            report.outcomes.append(outcome)

    def repairs(self) -> list[tuple[str, str]]:
        """What was wrong in the store, and the rollback that still holds."""
        held = self.target.rolled_back
        if held is None:
            return self.target.repairs
        return [*self.target.repairs, ("rolled_back", f"{held.day}, {held.left}: {', '.join(held.sources)}")]

    def _source(self, source: Source, outcome: Outcome) -> None:
        silent = [probe for probe in outcome.probes if probe.state in _NO_ANSWER]
        # a file that is lost or damaged here is to be got although the producer's is the same
        to_get = {
            probe.key
            for probe in outcome.probes
            if probe.state in _TO_GET or (probe not in silent and self._without_file(probe.key))
        }
        if silent:
            outcome.fail("\n".join(f"{p.key}: {p.detail}" for p in silent), *(p.fault for p in silent if p.fault))
        obtained = _Obtained(self, {probe.key: probe for probe in outcome.probes})
        for vintage in source.vintage:
            if source.key(vintage) in to_get:
                obtained(source.key(vintage), pipeline.request_for(source, vintage))
        outcome.reasons = self._reasons(source, obtained.files)
        if any(self._without_file(probe.key) for probe in silent):
            return  # it cannot be read without that edition
        if self._held(source, obtained.files):
            outcome.reasons = []
        if not outcome.reasons:
            self.staged |= obtained.staged  # the same content under other headers: recorded, nothing to build
            return
        reading = pipeline.read_source(source, obtained)
        known = self.target.sources.get(source.id, {}).get("tables", [])
        with self.target.staged(reading.tables) as written:
            # the same bytes are the same figures: neither read, compared nor written again
            moved = {name: record for name, record in written.items() if not self.target.same(name, record)}
            if not self._accepted(source, outcome, reading, {*known, *moved} - (written.keys() - moved.keys())):
                return
            outcome.undecided = pipeline.undecided_breaks(reading)
            self.target.place(moved)
        for name in set(known) - set(reading.tables):
            self.target.drop(name)
        self.target.record(source.id, reading.record)
        self.staged |= obtained.staged
        self.rebuilt = True
        for one in outcome.undecided:
            log.warning("%s", one)
        outcome.status = "failed" if outcome.problem else "changed"
        outcome.rows = reading.rows

    def _accepted(self, source: Source, outcome: Outcome, reading: pipeline.Reading, names: Collection[str]) -> bool:
        """Compare the tables named with those in use, or with the snapshot's; whether they may replace them."""
        first = source.id not in self.target.sources
        # what was lost here was looked at when it was put in use
        judged = any(reason.startswith("file") for reason in outcome.reasons) or "not built yet" in outcome.reasons
        others = unfamiliar(reading.hashes) if first and judged else []
        before, embedded = tables_before(self.target, names, snapshot=first)
        before = declared(source, before)
        # the snapshot's outlines are simplified: they would all differ, and say nothing
        compared = {name: table for name, table in before.items() if name not in embedded or "zones/" not in name}
        outcome.changes = compare_tables(compared, reading.tables)
        outcome.others = others
        if judged and (others if first else outcome.changes):
            outcome.drift = find_drift(before, reading.tables, source.tolerance, snapshot=embedded)
            if outcome.drift and source.id not in self.accept:
                against = "those of the package's snapshot" if first else "those in use"
                outcome.fail(
                    f"the new files are not like {against}, and were put aside\n- "
                    + "\n- ".join(map(str, outcome.drift))
                    + f"\nIf the producer meant it: qpv-sante refresh --source {source.id} --accept {source.id}",
                    Fault.DRIFT,
                )
                return False
        return True

    def _without_file(self, key: str) -> bool:
        return download.recorded(key, self.root / "raw", self.lock) is None

    def _reasons(self, source: Source, obtained: Mapping[str, download.RawFile]) -> list[str]:
        """Why a source has to be built again; empty if it has not."""
        record = self.target.sources.get(source.id)
        reasons = [f"file {key}" for key in self._newer(source, obtained)]
        if record is None:
            return ["damaged in the store" if source.id in self.target.lost else "not built yet", *reasons]
        if list(record["editions"]) != [vintage.id for vintage in source.vintage]:
            reasons.append("editions of the catalogue")
        previous = self.target.previous
        if previous and (version := previous.declared().get("package")) != __version__:
            reasons.append(f"built by version {version or 'unknown'}")
        behind = [
            vintage.id
            for vintage in source.vintage
            if (entry := self.lock.get(source.key(vintage)))
            and vintage.id in record["editions"]
            and (record["editions"][vintage.id]["sha256"], record["editions"][vintage.id].get("bytes", entry.bytes))
            != (entry.sha256, entry.bytes)
        ]
        return reasons + [f"files newer than the store: {', '.join(behind)}" for _ in behind[:1]]

    def _held(self, source: Source, obtained: Mapping[str, download.RawFile]) -> bool:
        """Whether a rollback took the source back, and its producer still gives the files that were put aside."""
        held = self.target.rolled_back
        if held is None or self.asked or source.id not in held.sources or source.id in self.target.lost:
            return False
        for key in (source.key(vintage) for vintage in source.vintage):
            file = obtained.get(key) or self.lock.get(key)
            if not held.holds(key, file.sha256 if file else None):
                return False
        return True

    def _newer(self, source: Source, obtained: Mapping[str, download.RawFile]) -> list[str]:
        """Editions whose content is not the recorded one."""
        keys = [source.key(vintage) for vintage in source.vintage if source.key(vintage) in obtained]
        return [key for key in keys if (e := self.lock.get(key)) is None or e.sha256 != obtained[key].sha256]

    def _tables(self, names: Collection[str]) -> dict[str, pd.DataFrame]:
        """Tables that the new build has by now: those of the build in use, as long as nothing replaced them."""
        reader = store.Store(self.target.path, "processed")
        return {name: reader.table(name) for name in names if self.target.holds(name)}

    def promote(self) -> None:
        """Put the staged raw files in place of the good ones, each with its record."""
        for raw, published in self.staged.values():
            download.promote(raw, raw_dir=self.root / "raw", staging=self.staging, lock=self.lock, published=published)


def _advised(error: BaseException, source: Source) -> str:
    """An error in words, with what to do about it: what the readers say of a file does not know of refreshing."""
    told = pipeline.told(error)
    if "try: " in told or isinstance(error, StoreError):
        return told
    return (
        f"{told}\n  kept: {KEPT}\n  try: look at {source.landing_page}; if the producer changed the form of its files "
        "on purpose, the catalogue has to describe the new one"
    )


class _Obtained:
    """Local files of the editions of a source: the recorded ones, or new ones in the staging folder."""

    def __init__(self, work: _Refresh, probes: Mapping[str, Probe]) -> None:
        self.work, self.probes = work, probes
        self.files: dict[str, download.RawFile] = {}
        self.staged: dict[str, tuple[download.RawFile, str | None]] = {}

    def __call__(self, key: str, request: download.Request) -> download.RawFile:
        """Give the file of an edition, downloading it at most once."""
        if key in self.files:
            return self.files[key]
        probe = self.probes[key]
        local = None if probe.state in _TO_GET else download.recorded(key, self.work.root / "raw", self.work.lock)
        if local is None and probe.state in _NO_ANSWER:
            raise DownloadError(f"{key}: no local file, and {probe.detail}")
        if local is None:
            local = download.fetch(
                key, request, raw_dir=self.work.staging, lock=Lock(None), session=self.work.session, kept=KEPT
            )
            local = dataclasses.replace(local, published=probe.published)
            self.staged[key] = (local, probe.published)
        self.files[key] = local
        return local
