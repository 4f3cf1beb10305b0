"""Builds: the store's tables written aside, then put in use in one step.

A build starts as hard links to the sound files of the previous one, so a source that fails keeps its last good
figures, and a reader sees one build or the other, never a mixture. Each build names the one that it was made from,
to which `rollback` returns.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import history, manifests
from qpv_sante.content import sha256_of
from qpv_sante.durable import sync
from qpv_sante.errors import QpvSanteError, StoreError, UnknownNameError
from qpv_sante.manifests import tables_of
from qpv_sante.store import Store, build_in_use, processed_dir

log = logging.getLogger(__name__)
_STAMP = "%Y%m%dT%H%M%S%fZ"
_WRITE_HINT = (
    "Free some space or correct the rights of the folder, or set QPV_SANTE_DATA to another one, and run it again."
)


class Build:
    """A build being written, aside from the one in use.

    Attributes
    ----------
    lost : set of str
        Sources of the previous build of which a table is damaged or absent: they are to be built again.
    repairs : list of tuple of str
        What was wrong in the store and is right in this build, kind and text: it is to be put in use even if nothing
        else is new. Kinds are those of `RefreshReport.warnings`.
    missing_imports : dict of str to list of Path
        Imported sources of which no table can be used any more, and where what is left of them is.
    rolled_back : RolledBack or None
        The rollback that still holds; a source that is built again leaves it.
    """

    def __init__(self, path: Path, previous: Store | None) -> None:
        self.path = path
        self.sources: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self.written: set[str] = set()
        self.lost: set[str] = set()
        self.repairs: list[tuple[str, str]] = []
        self.missing_imports: dict[str, list[Path]] = {}
        self.rolled_back: history.RolledBack | None = None
        self.previous = previous
        self._records: dict[str, Any] = {}
        self._abandoned = False
        path.mkdir(parents=True)
        if previous:
            self._take_over(previous)

    def _take_over(self, previous: Store) -> None:
        """Start from the sound tables of a build; a source that lacks one is lost, a record that lies is put right."""
        manifest, problems = previous.declared(), previous.problems()
        sound = {name for name in manifest["files"] if name.removesuffix(".parquet") not in problems}
        wrong = {name for name, _, _ in manifests.contradictions(manifest, previous.path, sound)}
        listed = {table for source, record in manifest["sources"].items() for table in tables_of(source, record)}
        for name in sound:
            if name.removesuffix(".parquet") in listed:  # what no source lists, nothing reads nor repairs
                self.link(name, previous.path, manifest["files"][name])
        for source, record in manifest["sources"].items():
            tables = tables_of(source, record)
            if not all(self.holds(table) for table in tables):
                self.lost.add(source)
            else:
                rows = {"rows": sum(self.rows(table) for table in tables)} if "rows" in record else {}
                self.sources[source] = {**record, **rows}
        for name, problem in problems.items():
            log.warning("%s of the build in use is damaged (%s) and is not reused", name, problem)
        self.repairs += [("record", name) for name in sorted(wrong - self.lost)]

    def link(self, name: str, folder: Path, record: Mapping[str, Any]) -> None:
        """Take over a file of another build, of which the hash is the recorded one."""
        _link(folder / name, self.path / name)
        self._records[name] = {**record, **manifests.facts(self.path / name)}

    @property
    def abandoned(self) -> bool:
        """Whether the build will be thrown away at the end."""
        return self._abandoned

    def abandon(self) -> None:
        """Throw the build away at the end, without error: nothing is worth putting in use."""
        self._abandoned = True

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table (`observations/x`, `zones/x`, `codes/x`) as Parquet, and record its hash."""
        self.put_all({name: frame})

    def put_all(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write tables that go together: all of them or none."""
        with self.staged(tables) as written:
            self.place(written)

    @contextmanager
    def staged(self, tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, dict[str, Any]]]:
        """Write tables aside, to be looked at before `place` puts them in; what is not placed goes away.

        Yields
        ------
        dict of str to dict
            `sha256, bytes, rows` by table, as in the manifest.

        Raises
        ------
        StoreError
            They cannot be written.
        """
        import geopandas as gpd

        records: dict[str, dict[str, Any]] = {}
        try:
            try:
                for name, frame in tables.items():
                    aside = self._aside(name)
                    aside.parent.mkdir(parents=True, exist_ok=True)
                    records[name] = {}
                    if isinstance(frame, gpd.GeoDataFrame):
                        frame.to_parquet(aside, compression="zstd", write_covering_bbox=False)
                    else:
                        frame.to_parquet(aside, compression="zstd", index=False, row_group_size=50_000)
                    records[name] = {
                        "sha256": sha256_of(aside),
                        "bytes": aside.stat().st_size,
                        "rows": len(frame),
                    }
            except OSError as error:
                raise StoreError(f"{', '.join(tables)} could not be written: {error}. {_WRITE_HINT}") from error
            yield records
        finally:
            for name in records:
                self._aside(name).unlink(missing_ok=True)

    def place(self, written: Mapping[str, dict[str, Any]]) -> None:
        """Put staged tables in their place; the hard link there leads to the previous build, which keeps its own."""
        try:
            for name, record in written.items():
                sync(self._aside(name))
                self._aside(name).replace(self.path / f"{name}.parquet")
                self._records[f"{name}.parquet"] = record
                self.written.add(name)
        except OSError as error:
            raise StoreError(f"{', '.join(written)} could not be written: {error}. {_WRITE_HINT}") from error

    def same(self, name: str, record: Mapping[str, Any]) -> bool:
        """Whether the build already has a table of the same bytes."""
        return self.hash_of(name) == record["sha256"]

    def _aside(self, name: str) -> Path:
        return self.path / f"{name}.new"

    def holds(self, name: str) -> bool:
        """Whether the build has a table, its own or that of the previous build."""
        return f"{name}.parquet" in self._records

    def take(self, name: str, origin: Store) -> None:
        """Take a table of another build as it is, in place of the one that is here."""
        (self.path / f"{name}.parquet").unlink(missing_ok=True)
        _link(origin.path / f"{name}.parquet", self.path / f"{name}.parquet")
        self._records[f"{name}.parquet"] = origin.declared()["files"][f"{name}.parquet"]

    def rows(self, name: str) -> int:
        """Rows of a table that the build has."""
        return int(self._records[f"{name}.parquet"]["rows"])

    def drop(self, name: str) -> None:
        """Take a table out of the build; earlier builds keep theirs (see `purge`)."""
        (self.path / f"{name}.parquet").unlink(missing_ok=True)
        self._records.pop(f"{name}.parquet", None)

    def hash_of(self, name: str) -> str | None:
        """SHA-256 of a table that the build has."""
        record = self._records.get(f"{name}.parquet")
        return record["sha256"] if record else None

    def record(self, source: str, record: Mapping[str, Any]) -> None:
        """Say what a source was built from; it was built on purpose, and no rollback holds it any more."""
        self.sources[source] = dict(record)
        self.lost.discard(source)
        if self.rolled_back:
            self.rolled_back = self.rolled_back.without(source)

    def write_manifest(self, *, copied: bool = True) -> None:
        """Write the manifest, last, once the tables are on the disk."""
        from qpv_sante._version import __version__

        for folder in (path for path in self.path.iterdir() if path.is_dir()):
            sync(folder)
        content = {
            "format": manifests.FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "package": __version__,
            "previous": self.previous.path.name if self.previous else None,
            "sources": dict(sorted(self.sources.items())),
            "failures": self.failures,
            "files": dict(sorted(self._records.items())),
        }
        manifests.write(self.path, content, copied=copied)


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # file systems without hard links
        shutil.copy2(source, target)


@contextmanager
def exclusive(root: Path | None = None) -> Iterator[Path]:
    """Hold the data folder for writing; a process that dies lets it go.

    Yields
    ------
    Path
        Folder of the builds.

    Raises
    ------
    StoreError
        A build or a refresh is running, or the folder cannot be written.
    """
    import filelock

    folder = processed_dir(root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        raise StoreError(
            f"Another build or refresh is running in {folder}: nothing was done. Wait for it to end."
        ) from error
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}. Set QPV_SANTE_DATA to another folder.") from error
    try:
        yield folder
    finally:
        lock.release()


@contextmanager
def new_build(root: Path | None = None, *, keep: int = 2) -> Iterator[Build]:
    """Write a build aside; put it in use when the block ends without error, unless it was abandoned.

    Parameters
    ----------
    root : Path, optional
        Data root, `data_dir()` by default.
    keep : int
        Earlier builds kept, at least one: it may be open in a reader.

    Yields
    ------
    Build

    Raises
    ------
    StoreError
        Another build is running, or the folder cannot be written.
    """
    if keep < 1:
        raise UnknownNameError(f"keep is {keep}: at least 1 earlier build is kept, a reader may have it open.")
    with exclusive(root) as folder:
        aside = None
        try:
            (folder / "builds").mkdir(exist_ok=True)
            for stray in (folder / "builds").glob("*.partial"):
                shutil.rmtree(stray)
            previous, repairs = history.last_readable(folder)
            stamp = _next_stamp(folder)
            final, aside = folder / "builds" / stamp, folder / "builds" / f"{stamp}.partial"
            build = Build(aside, previous)
            build.repairs += repairs
            build.rolled_back = history.rolled_back(folder)
            history.take_imports(build, folder)
            yield build
            if build.abandoned:
                return
            build.write_manifest()
            aside.rename(final)
            try:
                sync(final.parent)
                history.point_to(folder, stamp, build.rolled_back)
            except OSError:
                shutil.rmtree(final, ignore_errors=True)
                raise
        except OSError as error:
            if isinstance(error, QpvSanteError):  # says more than we can
                raise
            raise StoreError(
                f"The build in {folder} was abandoned; the previous one is kept: {error}. {_WRITE_HINT}"
            ) from error
        finally:
            if aside:
                shutil.rmtree(aside, ignore_errors=True)
        kept = {stamp, *history.chain(folder, stamp)[:keep]}
        # what is left of an import, or cannot be read, may be the only one: a person decides
        kept |= {path.parents[1].name for paths in build.missing_imports.values() for path in paths}
        for old in history.folders(folder):
            if old.name not in kept and history.is_readable(old):
                shutil.rmtree(old, ignore_errors=True)


def rollback(root: Path | None = None, *, undo: bool = False) -> tuple[Store, Store]:
    """Put the build before the one in use back in use; raw files and the lock file of the sources stay.

    The rollback is recorded: `verify` tells it as a state, and a refresh leaves alone each source that it took back
    until its producer publishes another file than the one that was put aside, or until the source is named
    (`qpv-sante refresh --source NAME`).

    Parameters
    ----------
    root : Path, optional
        Data root, `data_dir()` by default.
    undo : bool
        Return to the build that was left by the first of the rollbacks, if it is still kept.

    Returns
    -------
    tuple of Store
        The build that was in use, and the one that is now.

    Raises
    ------
    StoreError
        There is no earlier build, none of them is sound, or another build is running; or nothing is to be undone.
    """
    with exclusive(root) as folder:
        current = build_in_use(folder)
        if current is None:
            raise StoreError(f"Nothing was built in {folder}: there is nothing to go back from.")
        before, damaged = history.rolled_back(folder), []
        if undo and before is None:
            raise StoreError(f"{current.path.name} is not in use by a rollback: there is nothing to undo.")
        ways = [before.left] if undo and before else history.chain(folder, current.path.name)
        for name in ways:
            other = Store(folder / "builds" / name, "processed")
            try:
                problems = other.problems()
            except StoreError as error:
                problems = {"manifest.json": str(error)}
            if not problems:
                held = None if undo else history.put_aside(current, other, datetime.now(UTC).date(), before)
                history.point_to(folder, name, held)
                return current, other
            damaged.append(f"{name} ({', '.join(problems)})")
        told = f" Damaged: {'; '.join(damaged)}." if damaged else ""
        if undo and before:
            sources = " ".join(f"--source {one}" for one in before.sources)
            raise StoreError(
                f"{before.left}, which the rollback left, is no longer there or not sound.{told} `qpv-sante refresh "
                f"{sources}` takes the producers' files again."
            )
        raise StoreError(f"{folder} holds no sound build before {current.path.name}.{told} Run `qpv-sante refresh`.")


def _next_stamp(folder: Path) -> str:
    """Name of a new build: the time, or just after the last build if the clock went back."""
    now = datetime.now(UTC)
    names = [path.name for path in history.folders(folder)]
    stamp = now.strftime(_STAMP)
    if names and max(names) >= stamp:
        with suppress(ValueError):
            stamp = (datetime.strptime(max(names), _STAMP) + timedelta(microseconds=1)).strftime(_STAMP)
    return stamp


def purge(source_id: str, root: Path | None = None) -> None:
    """Erase a source's figures from the earlier builds that are kept, and from their manifests.

    Parameters
    ----------
    source_id : str
        The build in use is left alone: it was written without the figures, or with others.
    root : Path, optional
        Data root, `data_dir()` by default.
    """
    folder = processed_dir(root)
    current = build_in_use(folder)
    if current is None:
        return
    name = f"observations/{source_id}.parquet"
    for build in history.folders(folder):
        if build == current.path or not (build / name).is_file():
            continue
        (build / name).unlink()
        with suppress(StoreError):  # a manifest that cannot be read gives no figure
            manifest = manifests.read(build)
            manifest["sources"].pop(source_id, None)
            manifest["files"].pop(name, None)
            manifests.write(build, manifest)
