"""The store: Parquet files with a manifest, as they are read; `builds` writes them.

    processed/
      CURRENT                   name of the build in use, replaced atomically; after a rollback, what was put aside
      builds/<name>/
        manifest.json           what was read, counted and written, with hashes (see `manifests`)
        manifest.copy.json      the same, for the day when it is damaged
        observations/<source>.parquet
        zones/<layer>.parquet   GeoParquet
        codes/<table>.parquet

The embedded snapshot has the layout of one build.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache, reduce
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import manifests
from qpv_sante.content import sha256_of
from qpv_sante.durable import whole_folder
from qpv_sante.errors import StoreError
from qpv_sante.manifests import READ_HINT

log = logging.getLogger(__name__)
_SHOWN = 4  # sources that a warning names
_opened: ContextVar[dict[Path, list[Store]] | None] = ContextVar("opened", default=None)
_known: ContextVar[dict[tuple[Hashable, ...], pd.DataFrame] | None] = ContextVar("known", default=None)
_told: set[tuple[str, ...]] = set()  # warnings given in this process: a script reads the same stores hundreds of times


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
    """Folder of the snapshot that is embedded in the package, whole even if its replacement was cut."""
    return whole_folder(snapshot_home())


def snapshot_home() -> Path:
    """Place of the embedded snapshot, where `snapshot_dir` is but for a replacement that was cut."""
    return Path(str(files("qpv_sante") / "snapshot"))


@lru_cache(maxsize=8)
def _manifest(folder: Path, stamp: tuple[int | None, ...]) -> dict[str, Any]:
    """A manifest, checked against the files that are there."""
    manifest = manifests.read(folder)
    for name, record in manifest["files"].items():
        file = folder / name
        size = file.stat().st_size if file.is_file() else None
        if size != record["bytes"]:
            raise StoreError(f"{file}: {record['bytes']} bytes expected, got {size}. {READ_HINT}")
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
        """The build's manifest, read again only if its files changed.

        Raises
        ------
        StoreError
            Absent, unreadable, of another format, or at odds with the files that are there.
        """
        return _manifest(self.path, manifests.stamp(self.path))

    @property
    def label(self) -> str:
        """The store and its date, for messages: `snapshot of 2026-11-22`."""
        return f"{self.kind} of {self.manifest['created'][:10]}"

    def has(self, name: str) -> bool:
        """Whether the store holds a file (`observations/insee_demo_qpv`)."""
        return f"{name}.parquet" in self.manifest["files"]

    def observations(self, source_id: str, **equal: object) -> pd.DataFrame:
        """Rows of the long table from one source, those where columns equal the values given."""
        asked = ("observations", self.path, source_id, *sorted(equal.items()))
        return remembered(asked, lambda: self._observations(source_id, **equal))

    def _observations(self, source_id: str, **equal: object) -> pd.DataFrame:
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        # half the time of a filtered data set: rows are sorted by indicator, so most groups are passed over whole
        with self._reading(f"observations/{source_id}") as path:
            file = pq.ParquetFile(path)
            table = file.read_row_groups(_groups_with(file, "indicator", equal.get("indicator")))
        if equal:
            wanted = [pc.equal(table[name], value) for name, value in equal.items()]
            table = table.filter(reduce(pc.and_, wanted))
        frame: pd.DataFrame = table.to_pandas()
        return frame

    def zones(self, layer: str) -> Any:
        """Outlines of a layer (`qpv_2015`), in EPSG:4326."""
        import geopandas as gpd

        def read() -> gpd.GeoDataFrame:
            with self._reading(f"zones/{layer}") as path:
                return gpd.read_parquet(path)

        return remembered(("zones", self.path, layer), read)

    def codes(self, table: str) -> pd.DataFrame:
        """A code table (`territories`), all text."""
        with self._reading(f"codes/{table}") as path:
            return pd.read_parquet(path)

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        """Path of a table; what cannot be read is told as such."""
        path = self.path / f"{name}.parquet"
        try:
            yield path
        except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
            raise StoreError(f"{path} cannot be read: {error}. {READ_HINT}") from error

    def problems(self) -> dict[str, str]:
        """Tables whose bytes are not those of the manifest, with what is wrong; every file is read.

        Raises
        ------
        StoreError
            The manifest itself cannot be read.
        """
        manifest = self.declared()
        found = {}
        for name, record in manifest["files"].items():
            path = self.path / name
            got = sha256_of(path) if path.is_file() else None
            if got != record["sha256"]:
                found[name.removesuffix(".parquet")] = "absent" if got is None else f"sha256 {got}"
        return found

    def declared(self) -> dict[str, Any]:
        """The manifest as it is written now, whatever the files are."""
        return manifests.read(self.path)

    def table(self, name: str) -> pd.DataFrame:
        """A whole table by its name in the manifest (`codes/territories`)."""
        kind, _, table = name.partition("/")
        if kind == "zones":
            zones: pd.DataFrame = self.zones(table)
            return zones
        return self.observations(table) if kind == "observations" else self.codes(table)

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
    store = build_in_use(processed_dir(root))
    if store:
        _ = store.manifest
    return store


def build_in_use(folder: Path) -> Store | None:
    """The build that is declared in use, whole or not."""
    try:
        lines = (folder / "CURRENT").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder / 'CURRENT'} cannot be read: {error}. {READ_HINT}") from error
    return Store(folder / "builds" / "".join(lines[:1]).strip(), "processed")


@contextmanager
def one_build() -> Iterator[None]:
    """Read every table of the block from the build in use when the first was opened.

    A refresh may put another build in use in between; the earlier one is kept on disk.
    """
    if _opened.get() is not None:
        yield
        return
    opened, known = _opened.set({}), _known.set({})
    try:
        yield
    finally:
        _opened.reset(opened)
        _known.reset(known)


def remembered(key: tuple[Hashable, ...], make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What is made of the tables of a build, made once in a block of `one_build`, and each time outside.

    Parameters
    ----------
    key : tuple
        What is made, and all that it depends on but the build.
    make : callable
        Makes it.

    Returns
    -------
    DataFrame
        The caller's own: pandas copies what it changes of it.
    """
    known = _known.get()
    if known is None:
        return make()
    if key not in known:
        known[key] = make()
    return known[key].copy(deep=False)


def stamps() -> tuple[object, ...]:
    """What changes when a build, the snapshot or an import does: for what is made of their tables and kept."""
    from qpv_sante.imports.records import record_stamps

    return (*((one.path, manifests.stamp(one.path)) for one in open_stores()), *record_stamps())


def open_stores(root: Path | None = None) -> list[Store]:
    """The stores to read, best first: the build in use if it is whole, then the embedded snapshot.

    A damaged build is told in the log and passed over.

    Raises
    ------
    StoreError
        There is neither.
    """
    opened = _opened.get()
    if opened is None:
        return _open_stores(root)
    place = processed_dir(root)
    if place not in opened:
        opened[place] = _open_stores(root)
    return opened[place]


def _open_stores(root: Path | None) -> list[Store]:
    stores = []
    try:
        current = current_store(root)
        if current:
            stores.append(current)
    except StoreError as error:
        _warn_once(
            (str(processed_dir(root)), str(error)),
            f"The processed data cannot be used: {error} Falling back on the embedded snapshot.",
        )
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
                _say_fallback(name, stores[0], store)
            return store
    raise StoreError(f"No store holds {name}. Run `qpv-sante build`.")


def _say_fallback(name: str, first: Store, other: Store) -> None:
    """Say that a table is read from a store that is not the first one: a warning once, then in the log's details."""
    log.info("%s is not in the %s; read from the %s.", name, first.label, other.label)
    # a folder that holds imports alone never had the open figures: nothing to worry about
    built = sorted(key for key, one in first.manifest["sources"].items() if not one.get("imported"))
    if built:
        shown = ", ".join(built[:_SHOWN]) + (f" and {len(built) - _SHOWN} others" if len(built) > _SHOWN else "")
        text = (
            f"The {first.label} holds {shown} and not {name}: what it lacks is read from the {other.label}, and may be "
            "of another date. Run `qpv-sante build` without --source to have everything of one date. Said once."
        )
        _warn_once((str(first.path), str(other.path)), text)


def _warn_once(key: tuple[str, ...], text: str) -> None:
    """Warn of something about a store the first time that this process meets it."""
    if key not in _told:
        _told.add(key)
        log.warning("%s", text)
