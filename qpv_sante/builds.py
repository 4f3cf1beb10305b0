"""Builds: the store's tables written aside, then put in use in one step.

A build starts as hard links to the sound files of the previous one, so a source that fails keeps its last good
figures, and a reader sees one build or the other, never a mixture. Each build names the one that it was made from,
to which `rollback` returns.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante.content import sha256_of
from qpv_sante.errors import QpvSanteError, StoreError, UnknownNameError
from qpv_sante.store import FORMAT, Store, build_in_use, processed_dir

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
    recovered : bool
        The previous build was not the one declared in use, which is lost: it is to be put in use again.
    """

    def __init__(self, path: Path, previous: Store | None) -> None:
        self.path = path
        self.sources: dict[str, Any] = {}
        self.failures: dict[str, str] = {}
        self.written: set[str] = set()
        self.lost: set[str] = set()
        self.recovered = False
        self.previous = previous
        self._records: dict[str, Any] = {}
        self._abandoned = False
        path.mkdir(parents=True)
        if previous:
            self._take_over(previous)

    def _take_over(self, previous: Store) -> None:
        """Start from the sound tables of a build; a source that lacks one is lost."""
        manifest, problems = previous.declared(), previous.problems()
        for name, record in manifest["files"].items():
            if name.removesuffix(".parquet") not in problems:
                _link(previous.path / name, self.path / name)
                self._records[name] = record
        for source, record in manifest["sources"].items():
            if problems.keys() & set(record.get("tables", [f"observations/{source}"])):
                self.lost.add(source)
            else:
                self.sources[source] = record
        for name, problem in problems.items():
            log.warning("%s of the build in use is damaged (%s) and is not reused", name, problem)

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
                self._aside(name).replace(self.path / f"{name}.parquet")
                self._records[f"{name}.parquet"] = record
                self.written.add(name)
        except OSError as error:
            raise StoreError(f"{', '.join(written)} could not be written: {error}. {_WRITE_HINT}") from error

    def same(self, name: str, record: Mapping[str, Any]) -> bool:
        """Whether the build already has a table of the same bytes."""
        known = self._records.get(f"{name}.parquet")
        return known is not None and known["sha256"] == record["sha256"]

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

    def write_manifest(self) -> None:
        """Write the manifest, last."""
        from qpv_sante._version import __version__

        manifest = {
            "format": FORMAT,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "package": __version__,
            "previous": self.previous.path.name if self.previous else None,
            "sources": dict(sorted(self.sources.items())),
            "failures": self.failures,
            "files": dict(sorted(self._records.items())),
        }
        _write_whole(self.path / "manifest.json", json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")


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
            previous, recovered = _last_readable(folder)
            stamp = _next_stamp(folder)
            final, aside = folder / "builds" / stamp, folder / "builds" / f"{stamp}.partial"
            build = Build(aside, previous)
            build.recovered = recovered
            yield build
            if build.abandoned:
                return
            build.write_manifest()
            aside.rename(final)
            try:
                _point_to(folder, stamp)
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
        kept = {stamp, *_chain(folder, stamp)[:keep]}
        for old in _builds(folder):
            if old.name not in kept and _is_readable(old):  # what cannot be read may hold what nothing else has
                shutil.rmtree(old, ignore_errors=True)


def _is_readable(path: Path) -> bool:
    try:
        Store(path, "processed").declared()
    except StoreError:
        return False
    return True


def _last_readable(folder: Path) -> tuple[Store | None, bool]:
    """The build in use, or the last that can be read if it or the pointer to it is lost; whether it is the latter."""
    try:
        current = build_in_use(folder)
        if current and current.declared():
            return current, False
    except StoreError as error:
        log.warning("The previous build is not whole and is not reused: %s", error)
    for path in reversed(_builds(folder)):
        with suppress(StoreError):
            earlier = Store(path, "processed")
            earlier.declared()
            log.warning("No build is in use: going on from %s", path.name)
            return earlier, True
    return None, False


def rollback(root: Path | None = None) -> tuple[Store, Store]:
    """Put the build before the one in use back in use; raw files and the lock file of the sources stay.

    Parameters
    ----------
    root : Path, optional
        Data root, `data_dir()` by default.

    Returns
    -------
    tuple of Store
        The build that was in use, and the one that is now.

    Raises
    ------
    StoreError
        There is no earlier build, none of them is sound, or another build is running.
    """
    with exclusive(root) as folder:
        current = build_in_use(folder)
        if current is None:
            raise StoreError(f"Nothing was built in {folder}: there is nothing to go back from.")
        damaged = []
        for name in _chain(folder, current.path.name):
            earlier = Store(folder / "builds" / name, "processed")
            try:
                problems = earlier.problems()
            except StoreError as error:
                problems = {"manifest.json": str(error)}
            if not problems:
                _point_to(folder, name)
                return current, earlier
            damaged.append(f"{name} ({', '.join(problems)})")
        told = f" Damaged: {'; '.join(damaged)}." if damaged else ""
        raise StoreError(f"{folder} holds no sound build before {current.path.name}.{told} Run `qpv-sante refresh`.")


def _next_stamp(folder: Path) -> str:
    """Name of a new build: the time, or just after the last build if the clock went back."""
    now = datetime.now(UTC)
    names = [path.name for path in _builds(folder)]
    stamp = now.strftime(_STAMP)
    if names and max(names) >= stamp:
        with suppress(ValueError):
            stamp = (datetime.strptime(max(names), _STAMP) + timedelta(microseconds=1)).strftime(_STAMP)
    return stamp


def _chain(folder: Path, name: str) -> list[str]:
    """The builds that a build was made from, the nearest first; by name where a manifest does not say."""
    names = [path.name for path in _builds(folder)]
    chain: list[str] = []
    while True:
        try:
            before = Store(folder / "builds" / name, "processed").declared()["previous"]
        except (StoreError, KeyError):
            before = max((one for one in names if one < name), default=None)
        if before not in names or before in chain:
            return chain
        chain.append(before)
        name = before


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
    if not (folder / "CURRENT").is_file():
        return
    current = (folder / "CURRENT").read_text(encoding="utf-8").strip()
    name = f"observations/{source_id}.parquet"
    for build in _builds(folder):
        path = build / "manifest.json"
        if build.name == current or not (build / name).is_file():
            continue
        (build / name).unlink()
        if path.is_file():
            manifest = json.loads(path.read_text(encoding="utf-8"))
            manifest["sources"].pop(source_id, None)
            manifest["files"].pop(name, None)
            _write_whole(path, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")


def _builds(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "builds").iterdir() if path.suffix != ".partial")


def _point_to(folder: Path, name: str) -> None:
    _write_whole(folder / "CURRENT", name + "\n")


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole, or not at all."""
    aside = path.with_name(f"{path.name}.new")
    try:
        with aside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
