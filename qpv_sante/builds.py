"""Builds: the store's tables written aside, then put in use in one step.

A build starts as hard links to the sound files of the previous one, so a source that fails keeps its last good
figures, and a reader sees one build or the other, never a mixture. Each build names the one that it was made from,
to which `rollback` returns. Imports belong to the folder: no build that is kept has them in another form than the build
in use.
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
from qpv_sante.store import Pointer, Store, build_in_use, processed_dir

log = logging.getLogger(__name__)
_OWN_FILE, _OWN_FOLDER = 0o600, 0o700
_STAMP = "%Y%m%dT%H%M%S%fZ"
WRITE_HINT = (
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

    Notes
    -----
    The folder is its owner's alone while it is written, and stays so if a figure in it is restricted.
    """

    def __init__(self, path: Path, previous: Store | None, promised: Mapping[str, str] | None = None) -> None:
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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=_OWN_FOLDER)
        if previous:
            self._take_over(previous, promised or {})

    def _take_over(self, previous: Store, promised: Mapping[str, str]) -> None:
        """Start from the sound tables of a build; a source that lacks one is lost, a record that lies is put right.

        Imports are taken in the form that is promised only.
        """
        manifest, problems = previous.declared(), previous.problems()
        sound = {name for name in manifest["files"] if name.removesuffix(".parquet") not in problems}
        wrong = {name for name, _, _ in manifests.contradictions(manifest, previous.path, sound)}
        listed = {table for source, record in manifest["sources"].items() for table in tables_of(source, record)}
        for name in sound:
            if name.removesuffix(".parquet") in listed:  # what no source lists, nothing reads nor repairs
                self.link(name, previous.path, manifest["files"][name])
        refused = {one for one, found in manifests.imports_of(manifest).items() if promised.get(one) != found}
        for source in refused:
            self.drop(f"observations/{source}")
        for source, record in manifest["sources"].items():
            if source in refused:
                continue
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

    def bring(self, source: str, frame: pd.DataFrame, record: Mapping[str, Any]) -> None:
        """Put the figures of an import and what the manifest says of it, together."""
        name = f"observations/{source}"
        with self.staged({name: frame}, private=bool(manifests.restriction_of(record))) as written:
            self.place(written)
        self.sources[source] = {**record, "imported": True, "rows": self.rows(name)}
        self.lost.discard(source)
        self.missing_imports.pop(source, None)

    def forget(self, source: str) -> None:
        """Take an import out, or what is left of it; earlier builds lose it when this one is in use."""
        self.drop(f"observations/{source}")
        self.sources.pop(source, None)
        self.lost.discard(source)
        self.missing_imports.pop(source, None)

    def put_all(self, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write tables that go together: all of them or none."""
        with self.staged(tables) as written:
            self.place(written)

    @contextmanager
    def staged(
        self, tables: Mapping[str, pd.DataFrame], *, private: bool = False
    ) -> Iterator[dict[str, dict[str, Any]]]:
        """Write tables aside, to be looked at before `place` puts them in; what is not placed goes away.

        Parameters
        ----------
        tables : mapping of str to DataFrame
            By name.
        private : bool
            Their owner alone may read them, from the first byte on.

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
                    if private:
                        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWN_FILE))
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
                raise StoreError(f"{', '.join(tables)} could not be written: {error}. {WRITE_HINT}") from error
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
            raise StoreError(f"{', '.join(written)} could not be written: {error}. {WRITE_HINT}") from error

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
        for folder in (path for path in self.path.iterdir() if path.is_dir()):
            sync(folder)
        if not any(manifests.restriction_of(record) for record in self.sources.values()):
            shutil.copymode(self.path.parent, self.path)
        manifests.write(self.path, self.content(), copied=copied)

    def content(self) -> dict[str, Any]:
        """What the manifest says."""
        from qpv_sante._version import __version__

        return {
            "format": manifests.FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "package": __version__,
            "previous": self.previous.path.name if self.previous else None,
            "sources": dict(sorted(self.sources.items())),
            "failures": self.failures,
            "files": dict(sorted(self._records.items())),
        }


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
            previous, repairs = history.last_readable(folder)
            promised = history.promise(folder, previous)
            _clean(folder, promised)
            stamp = _next_stamp(folder)
            final, aside = folder / "builds" / stamp, folder / "builds" / f"{stamp}.partial"
            build = Build(aside, previous, promised.imports)
            build.repairs += repairs
            build.rolled_back = history.rolled_back(folder)
            history.take_imports(build, folder, promised)
            yield build
            if build.abandoned:
                return
            (aside / history.PENDING).touch()  # named on the disk with the manifest
            build.write_manifest()
            missing = {name: promised.imports[name] for name in build.missing_imports}
            imports = {**missing, **manifests.imports_of(build.content())}
            aside.rename(final)
            try:
                sync(final.parent)
                history.point_to(folder, stamp, build.rolled_back, imports)
                (final / history.PENDING).unlink()
            except OSError as error:
                if not _in_use(folder, stamp):
                    shutil.rmtree(final, ignore_errors=True)
                    raise
                log.warning("%s is in use, and a power cut now could undo it: %s", stamp, error)
        except OSError as error:
            if isinstance(error, QpvSanteError):  # says more than we can
                raise
            raise StoreError(
                f"The build in {folder} was abandoned; the previous one is kept: {error}. {WRITE_HINT}"
            ) from error
        finally:
            if aside:
                shutil.rmtree(aside, ignore_errors=True)
        kept = {stamp, *history.chain(folder, stamp)[:keep]}
        # what is left of an import, or cannot be read, may be the only one: a person decides
        kept |= {path.parents[1].name for paths in build.missing_imports.values() for path in paths}
        try:
            for old in history.folders(folder):
                if old.name not in kept and history.is_readable(old):
                    _discard(old)
            _erase_stale(folder, history.Promise(imports, final, sure=True))
        except (
            OSError
        ) as error:  # the new build is in use: what is left is no failure of it, and goes with the next run
            log.warning("Earlier builds could not be cleaned, `qpv-sante verify` lists what is left: %s", error)


def _in_use(folder: Path, name: str) -> bool:
    with suppress(OSError):
        return Pointer.read(folder).name == name
    return False


def _discard(build: Path) -> None:
    """Remove a build: by its name first, so that none is ever there by half."""
    aside = build.with_name(f"{build.name}.partial")
    build.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _clean(folder: Path, promised: history.Promise) -> None:
    """Take away what killed runs left: none of it was ever in use, or it is not any more."""
    for left in history.leftovers(folder):
        log.info("left by a run that was cut, removed: %s", left)
        if left.parent.name == "builds" and left.suffix != ".partial":
            _discard(left)
        elif left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)
    _erase_stale(folder, promised)


def _erase_stale(folder: Path, promised: history.Promise) -> None:
    """Erase from the earlier builds what `stale_imports` finds: from their manifests, then the tables themselves."""
    for build in history.folders(folder):
        sources, tables = history.stale_imports(build, promised)
        try:
            if sources:
                manifest = manifests.read(build)
                for source in sources:
                    manifest["sources"].pop(source)
                    manifest["files"].pop(f"observations/{source}.parquet", None)
                manifests.write(build, manifest)
        finally:
            for table in tables:
                (build / "observations" / f"{table}.parquet").unlink(missing_ok=True)


def rollback(root: Path | None = None, *, undo: bool = False) -> tuple[Store, Store]:
    """Put the build before the one in use back in use; raw files and the lock file of the sources stay.

    The rollback is recorded: `verify` tells it as a state, and a refresh leaves alone each source that it took back
    until its producer publishes another file than the one that was put aside, or until the source is named
    (`qpv-sante refresh --source NAME`).

    Imports are not taken back: the earlier build is given those of the build in use, so that no figure comes back under
    an older secrecy rule or licence, and none that was removed. `import` is the way to change them.

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
        base = current if history.is_readable(current.path) else None
        promised = history.promise(folder, base)
        try:
            _clean(folder, promised)
        except OSError as error:  # what must not come back could not be erased
            raise StoreError(f"{current.path.name} is still in use: {error}. {WRITE_HINT}") from error
        before, damaged = history.rolled_back(folder), []
        if undo and before is None:
            raise StoreError(f"{current.path.name} is not in use by a rollback: there is nothing to undo.")
        ways = [before.left] if undo and before else history.chain(folder, current.path.name)
        for name in ways:
            other = Store(folder / "builds" / name, "processed")
            try:
                own = {f"observations/{source}" for source in manifests.imports_of(other.declared())}
                problems = {table: found for table, found in other.problems().items() if table not in own}
            except StoreError as error:
                problems = {"manifest.json": str(error)}
            if not problems:
                held = None if undo else history.put_aside(current, other, datetime.now(UTC).date(), before)
                try:
                    _carry_imports(folder, other, promised)
                    history.point_to(folder, name, held, promised.imports)
                except OSError as error:
                    if not _in_use(folder, name):
                        raise StoreError(
                            f"{name} was not put back in use; {current.path.name} still is: {error}. {WRITE_HINT}"
                        ) from error
                    log.warning("%s is in use, and a power cut now could undo it: %s", name, error)
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


def _carry_imports(folder: Path, target: Store, promised: history.Promise) -> None:
    """Give an earlier build the imports of the build in use, in the form that they have there, and no other."""
    manifest = target.declared()
    there, gone = manifests.imports_of(manifest), []
    for source in there.keys() | promised.imports.keys():
        name, fingerprint = f"observations/{source}.parquet", promised.imports.get(source)
        if fingerprint is not None and there.get(source) == fingerprint and _sound(target.path, manifest, name):
            continue
        found = history.find_import(folder, source, fingerprint) if fingerprint else None
        if found is None:
            manifest["sources"].pop(source, None)
            manifest["files"].pop(name, None)
            gone.append(target.path / name)
            if fingerprint:
                log.warning("The imported figures of %s cannot be used: import the file again.", source)
            continue
        origin, theirs = found
        manifest["sources"][source] = theirs["sources"][source]
        manifest["files"][name] = theirs["files"][name]
        if manifests.restriction_of(theirs["sources"][source]):
            target.path.chmod(_OWN_FOLDER)
        aside = target.path / f"{name}.new"
        _link(origin / name, aside)
        aside.replace(target.path / name)
        sync(aside.parent)
    if manifest != target.declared():
        manifests.write(target.path, manifest)
    for path in gone:
        path.unlink(missing_ok=True)


def _sound(build: Path, manifest: Mapping[str, Any], name: str) -> bool:
    path, record = build / name, manifest["files"].get(name)
    return record is not None and path.is_file() and sha256_of(path) == record["sha256"]
