"""The store: Parquet files with a manifest, written aside and put in place in one step.

    processed/
      CURRENT                   name of the build in use, replaced atomically
      builds/<name>/
        manifest.json           what was read, counted and written, with hashes
        observations/<source>.parquet
        zones/<layer>.parquet   GeoParquet
        codes/<table>.parquet

A build starts as hard links to the files of the previous one, so a source that fails keeps its last
good figures, and a reader sees one build or the other, never a mixture. The embedded snapshot has the
layout of one build.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, reduce
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante.content import sha256_of
from qpv_sante.errors import StoreError

log = logging.getLogger(__name__)
FORMAT = 1
_READ_HINT = "Run `qpv-sante build`, or use the embedded snapshot by removing this folder."


def data_dir() -> Path:
    """Root of the data folders: `QPV_SANTE_DATA`, else `data` in a checkout, else the user's folder."""
    if given := os.environ.get("QPV_SANTE_DATA"):
        return Path(given)
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data"
    import platformdirs

    return Path(platformdirs.user_data_dir("qpv_sante"))


def snapshot_dir() -> Path:
    """Folder of the snapshot that is embedded in the package."""
    return Path(str(files("qpv_sante") / "snapshot"))


@lru_cache(maxsize=8)
def _manifest(path: Path, modified: int) -> dict[str, Any]:
    """A manifest, checked against the files that are there."""
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StoreError(f"{path} is damaged: {error}. {_READ_HINT}") from error
    absent = [key for key in ("format", "created", "sources", "files") if key not in manifest]
    if absent:
        raise StoreError(f"{path} is damaged: it lacks {', '.join(absent)}. {_READ_HINT}")
    if manifest["format"] != FORMAT:
        raise StoreError(f"{path}: format {manifest['format']}, expected {FORMAT}. {_READ_HINT}")
    for name, record in manifest["files"].items():
        file = path.parent / name
        size = file.stat().st_size if file.is_file() else None
        if size != record["bytes"]:
            raise StoreError(f"{file}: {record['bytes']} bytes expected, got {size}. {_READ_HINT}")
    return manifest


@dataclass(frozen=True)
class Store:
    """One build, read-only.

    Attributes
    ----------
    path : Path
        The build's folder.
    kind : str
        `processed` or `snapshot`.
    """

    path: Path
    kind: str

    @property
    def manifest(self) -> dict[str, Any]:
        """The build's manifest, read again only if its file changed.

        Raises
        ------
        StoreError
            Absent, unreadable, of another format, or at odds with the files that are there.
        """
        path = self.path / "manifest.json"
        try:
            return _manifest(path, path.stat().st_mtime_ns)
        except FileNotFoundError as error:
            raise StoreError(f"No manifest in {self.path}. {_READ_HINT}") from error

    @property
    def label(self) -> str:
        """The store and its date, for messages: `snapshot of 2026-11-22`."""
        return f"{self.kind} of {self.manifest['created'][:10]}"

    def has(self, name: str) -> bool:
        """Whether the store holds a file (`observations/insee_demo_qpv`)."""
        return f"{name}.parquet" in self.manifest["files"]

    def observations(self, source_id: str, **equal: object) -> pd.DataFrame:
        """Rows of the long table from one source, those where columns equal the values given."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        # half the time of a filtered data set: rows are sorted by indicator, so most groups are passed over whole
        file = pq.ParquetFile(self.path / "observations" / f"{source_id}.parquet")
        table = file.read_row_groups(_groups_with(file, "indicator", equal.get("indicator")))
        if equal:
            wanted = [pc.equal(table[name], value) for name, value in equal.items()]
            table = table.filter(reduce(pc.and_, wanted))
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def zones(self, layer: str) -> Any:
        """Outlines of a layer (`qpv_2015`), in EPSG:4326."""
        import geopandas as gpd

        return gpd.read_parquet(self.path / "zones" / f"{layer}.parquet")

    def codes(self, table: str) -> pd.DataFrame:
        """A code table (`territories`), all text."""
        return pd.read_parquet(self.path / "codes" / f"{table}.parquet")

    def names(self, kind: str) -> list[str]:
        """Names of the files of one kind: `observations`, `zones` or `codes`."""
        return [Path(name).stem for name in self.manifest["files"] if name.startswith(kind + "/")]


def _groups_with(file: Any, column: str, value: object) -> list[int]:
    """Row groups of a Parquet file whose statistics allow a value in a column; all of them for none."""
    at = file.schema_arrow.get_field_index(column)
    limits = [file.metadata.row_group(group).column(at).statistics for group in range(file.num_row_groups)]
    return [
        group
        for group, limit in enumerate(limits)
        if value is None or limit is None or not limit.has_min_max or limit.min <= value <= limit.max
    ]


def processed_dir(root: Path | None = None) -> Path:
    """Folder of the builds."""
    return (root or data_dir()) / "processed"


def current_store(root: Path | None = None) -> Store | None:
    """The build in use, or none if nothing was ever built.

    Raises
    ------
    StoreError
        A build is declared in use and is not whole.
    """
    pointer = processed_dir(root) / "CURRENT"
    if not pointer.is_file():
        return None
    store = Store(pointer.parent / "builds" / pointer.read_text(encoding="utf-8").strip(), "processed")
    _ = store.manifest
    return store


def open_stores(root: Path | None = None) -> list[Store]:
    """The stores to read, best first: the build in use if it is whole, then the embedded snapshot.

    A damaged build is told in the log and passed over.

    Raises
    ------
    StoreError
        There is neither.
    """
    stores = []
    try:
        current = current_store(root)
        if current:
            stores.append(current)
    except StoreError as error:
        log.warning("The processed data cannot be used: %s Falling back on the embedded snapshot.", error)
    if (snapshot_dir() / "manifest.json").is_file():
        stores.append(Store(snapshot_dir(), "snapshot"))
    if not stores:
        raise StoreError(f"No data in {processed_dir(root)} and no embedded snapshot. Run `qpv-sante build`.")
    return stores


def find_store(name: str, root: Path | None = None) -> Store:
    """The best store that holds a file (`codes/territories`).

    Raises
    ------
    StoreError
        No store holds it.
    """
    stores = open_stores(root)
    for store in stores:
        if store.has(name):
            if store is not stores[0]:
                # a folder that holds imports alone never had the open figures: nothing to worry about
                built = any(not one.get("imported") for one in stores[0].manifest["sources"].values())
                log.log(
                    logging.WARNING if built else logging.INFO,
                    "%s is not in the %s; read from the %s.",
                    name,
                    stores[0].label,
                    store.label,
                )
            return store
    raise StoreError(f"No store holds {name}. Run `qpv-sante build`.")


class Build:
    """A build being written, aside from the one in use."""

    def __init__(self, path: Path, previous: Store | None) -> None:
        self.path = path
        self.sources: dict[str, Any] = dict(previous.manifest["sources"]) if previous else {}
        self.failures: dict[str, str] = {}
        self.written: set[str] = set()
        self._records: dict[str, Any] = {}
        path.mkdir(parents=True)
        for name, record in (previous.manifest["files"] if previous else {}).items():
            _link(previous.path / name, path / name)  # type: ignore[union-attr]
            self._records[name] = record

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Write a table (`observations/x`, `zones/x`, `codes/x`) as Parquet, and record its hash."""
        import geopandas as gpd

        path = self.path / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        # aside, then in place: the hard link leads to the previous build, and a failed write leaves the table whole
        aside = path.with_suffix(".new")
        try:
            if isinstance(frame, gpd.GeoDataFrame):
                frame.to_parquet(aside, compression="zstd", write_covering_bbox=False)
            else:
                frame.to_parquet(aside, compression="zstd", index=False, row_group_size=50_000)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        self.written.add(name)
        self._records[f"{name}.parquet"] = {
            "sha256": sha256_of(path),
            "bytes": path.stat().st_size,
            "rows": len(frame),
        }

    def holds(self, name: str) -> bool:
        """Whether the build has a table, its own or that of the previous build."""
        return f"{name}.parquet" in self._records

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
            "sources": dict(sorted(self.sources.items())),
            "failures": self.failures,
            "files": dict(sorted(self._records.items())),
        }
        text = json.dumps(manifest, ensure_ascii=False, indent=1)
        (self.path / "manifest.json").write_text(text + "\n", encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # file systems without hard links
        shutil.copy2(source, target)


@contextmanager
def new_build(root: Path | None = None, *, keep: int = 2) -> Iterator[Build]:
    """Write a build aside; put it in use when the block ends without error.

    Parameters
    ----------
    root : Path, optional
        Data root, `data_dir()` by default.
    keep : int
        Earlier builds kept.

    Yields
    ------
    Build

    Raises
    ------
    StoreError
        Another build is running, or the folder cannot be written.
    """
    import filelock

    folder = processed_dir(root)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except filelock.Timeout as error:
        raise StoreError(f"Another build is running in {folder}. Wait for it to end.") from error
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error}. Set QPV_SANTE_DATA to another folder.") from error
    try:
        try:
            previous = current_store(root)
        except StoreError as error:
            log.warning("The previous build is not whole and is not reused: %s", error)
            previous = None
        for stray in (folder / "builds").glob("*.partial"):
            shutil.rmtree(stray)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
        build = Build(folder / "builds" / f"{stamp}.partial", previous)
        try:
            yield build
            build.write_manifest()
            final = build.path.with_name(stamp)
            build.path.rename(final)
            _point_to(folder, stamp)
        except OSError as error:
            raise StoreError(f"The build in {folder} was abandoned; the previous one is kept: {error}") from error
        finally:
            shutil.rmtree(build.path, ignore_errors=True)
        kept = {stamp, *(path.name for path in _builds(folder)[-(keep + 1) :])}
        for old in _builds(folder):
            if old.name not in kept:
                shutil.rmtree(old)
    finally:
        lock.release()


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
            path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _builds(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "builds").iterdir() if path.suffix != ".partial")


def _point_to(folder: Path, name: str) -> None:
    aside = folder / "CURRENT.new"
    with aside.open("w", encoding="utf-8") as stream:
        stream.write(name + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    aside.replace(folder / "CURRENT")
