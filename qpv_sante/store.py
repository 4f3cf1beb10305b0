"""The store: Parquet files with a manifest, as they are read; `builds` writes them.

    processed/
      CURRENT                   name of the build in use, replaced atomically; after a rollback, what was put aside;
                                where there are imports, their fingerprints
      builds/<name>/
        manifest.json           what was read, counted and written, with hashes (see `manifests`)
        manifest.copy.json      the same, for the day when it is damaged
        observations/<source>.parquet
        zones/<layer>.parquet   GeoParquet
        codes/<table>.parquet

The embedded snapshot has the layout of one build. What the catalogue must know of an import, its restriction and its
secrecy rule are in the manifest of the build that has its figures: they are put in use together.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache, reduce
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import manifests
from qpv_sante.content import read_regular, sha256_of
from qpv_sante.durable import whole_folder
from qpv_sante.errors import StoreError
from qpv_sante.manifests import READ_HINT, tables_of

log = logging.getLogger(__name__)
_SHOWN = 4  # sources that a warning names
_opened: ContextVar[dict[Path, list[Store]] | None] = ContextVar("opened", default=None)
_known: ContextVar[dict[tuple[Hashable, ...], pd.DataFrame] | None] = ContextVar("known", default=None)


def data_dir() -> Path:
    """Root of the data folders: `QPV_SANTE_DATA`, else `data` in a checkout, else the user's folder.

    Raises
    ------
    StoreError
        The variable is set to nothing, or to a path that begins or ends with a space: the data would go elsewhere.
    """
    given = os.environ.get("QPV_SANTE_DATA")
    if given is not None:
        if not given or given != given.strip():
            raise StoreError(
                f"QPV_SANTE_DATA is {given!r}: expected the path of a folder, without a space before or after it. "
                "Nothing was read or written. Give it a path, or unset it to use the default folder."
            )
        return Path(given).expanduser()
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
    return manifests.read(folder)


@lru_cache(maxsize=8)
def _hashes(folder: Path, stamp: tuple[int | None, ...], kind: str) -> dict[str, dict[str, str]]:
    """Of each table, the hashes of those that it goes with, its own first.

    Tables of one source go together: one that is damaged condemns the others in a build. The snapshot leaves out tables
    that it does not need, and each of its tables stands by itself.
    """
    manifest = _manifest(folder, stamp)
    own = {name.removesuffix(".parquet"): record["sha256"] for name, record in manifest["files"].items()}
    found = {name: {name: sha256} for name, sha256 in own.items()}
    for source, record in manifest["sources"].items() if kind == "processed" else ():
        tables = [name for name in tables_of(source, record) if name in own]
        for name in tables:
            found[name] |= {other: own[other] for other in tables}
    return found


@lru_cache(maxsize=4096)
def _damage(path: Path, stamp: tuple[int, ...], sha256: str) -> str:
    """What is wrong with the bytes of a table, blank if nothing; read once in a process as long as the file stays."""
    found = sha256_of(path)
    return "" if found == sha256 else f"sha256 {sha256} expected, got {found}"


@lru_cache(maxsize=4096)
def _tell_once(place: Path, level: int, message: str) -> None:
    """Log something once in a process: a script that reads a hundred times is told once."""
    log.log(level, message)


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
            Absent, unreadable, or of another format.
        """
        return _manifest(self.path, manifests.stamp(self.path))

    @property
    def label(self) -> str:
        """The store and its date, for messages: `snapshot of 2026-11-22`."""
        return f"{self.kind} of {self.manifest['created'][:10]}"

    def has(self, name: str) -> bool:
        """Whether the store holds a file (`observations/insee_demo_qpv`)."""
        return f"{name}.parquet" in self.manifest["files"]

    def serves(self, source_id: str) -> bool:
        """Whether the store has a source, of which the bytes are those that were recorded."""
        record = self.manifest["sources"].get(source_id)
        return record is not None and not any(
            self.damage(name) for name in tables_of(source_id, record) if self.has(name)
        )

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

    def damage(self, name: str) -> str:
        """What is wrong with the bytes of a table, or of one that it goes with; blank if nothing."""
        together = _hashes(self.path, manifests.stamp(self.path), self.kind).get(name)
        if together is None:
            return f"{self.path} does not hold {name}."
        for table, sha256 in together.items():
            path = self.path / f"{table}.parquet"
            try:
                state = path.stat()
                problem = _damage(path, (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns), sha256)
            except OSError as error:
                problem = str(error)
            if problem:
                return f"{path} is not as it was written: {problem}."
        return ""

    @contextmanager
    def _reading(self, name: str) -> Iterator[Path]:
        """Path of a table whose bytes are the recorded ones; what cannot be read is told as such.

        A build that is being written has no manifest yet: its tables were hashed when they were put there.
        """
        path = self.path / f"{name}.parquet"
        written = self.path.suffix == ".partial" and manifests.stamp(self.path) == (None, None)
        if not written and (problem := self.damage(name)):
            raise StoreError(f"{path} cannot be read. {problem} {READ_HINT}")
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


@dataclass(frozen=True)
class Pointer:
    """What `CURRENT` says.

    Attributes
    ----------
    name : str
        Build in use.
    held : str
        The rollback that holds, as `history` writes it; blank if there is none.
    imports : mapping of str to str
        Imports of the build in use by name, and those that should be there, with their fingerprints (see
        `manifests.imports_of`): if its manifest is lost, nothing but these may be taken from another build.
    """

    name: str
    held: str = ""
    imports: Mapping[str, str] = field(default_factory=dict)

    def text(self) -> str:
        """Its lines: what is blank at the end is left out; a seal comes with the imports."""
        if not self.imports:
            return "".join(f"{line}\n" for line in (self.name, self.held) if line)
        said = {"imports": dict(self.imports), "seal": self._seal()}
        return f"{self.name}\n{self.held}\n{json.dumps(said, ensure_ascii=False)}\n"

    def _seal(self) -> str:
        return manifests.digest([self.name, self.held, dict(self.imports)])

    @classmethod
    def read(cls, folder: Path) -> Pointer:
        """The pointer of a folder of builds.

        Raises
        ------
        FileNotFoundError
            Nothing was built.
        StoreError
            It cannot be read, or is not as it was written.
        """
        path = folder / "CURRENT"
        try:
            lines = [*read_regular(path, manifests.MAX_BYTES).decode("utf-8").splitlines(), "", "", ""]
            name, held = lines[0].strip(), lines[1]
            if name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
                raise ValueError(f"{name!r} is not the name of a build")
            if not lines[2]:
                return cls(name, held)
            said = json.loads(lines[2])
            found = cls(name, held, dict(said["imports"]))
            if said["seal"] != found._seal():
                raise ValueError("it was altered after it was written")
        except FileNotFoundError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise StoreError(f"{path} cannot be read: {error}. {READ_HINT}") from error
        return found


def build_in_use(folder: Path) -> Store | None:
    """The build that is declared in use, whole or not."""
    try:
        return Store(folder / "builds" / Pointer.read(folder).name, "processed")
    except FileNotFoundError:
        return None


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


@contextmanager
def afresh() -> Iterator[None]:
    """Read from the build in use now, even within a block of `one_build`: what is written depends on it."""
    opened, known = _opened.set(None), _known.set(None)
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
    """What changes when a build, with its imports, or the snapshot does: for what is made of their tables and kept."""
    return tuple((one.path, manifests.stamp(one.path)) for one in open_stores())


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
    stores = [current] if (current := _current_or_told(root)) else []
    if (snapshot_dir() / "manifest.json").is_file():
        stores.append(Store(snapshot_dir(), "snapshot"))
    if not stores:
        raise StoreError(f"No data in {processed_dir(root)} and no embedded snapshot. Run `qpv-sante build`.")
    return stores


def _current_or_told(root: Path | None) -> Store | None:
    try:
        return current_store(root)
    except StoreError as error:
        told = f"The processed data cannot be used: {error} Falling back on the embedded snapshot."
        _tell_once(processed_dir(root), logging.WARNING, told)
        return None


def serving_build(root: Path | None = None) -> Store | None:
    """The build that is read, that of the block of `one_build` if there is one; none if nothing was built, or told."""
    if _opened.get() is None:
        return _current_or_told(root)
    return next((one for one in open_stores(root) if one.kind == "processed"), None)


def find_store(name: str, root: Path | None = None) -> Store:
    """The best store that holds a file (`codes/territories`), of which the bytes are those that were recorded.

    A damaged table is told in the log, once, and passed over.

    Raises
    ------
    StoreError
        No store holds it, or those that do are damaged.
    """
    stores, damaged = open_stores(root), []
    for store in stores:
        if store.has(name):
            if problem := store.damage(name):
                damaged.append(problem)
                if store is not stores[-1] and stores[-1].has(name):
                    told = f"{problem} {name} is read from the {stores[-1].label}. {READ_HINT}"
                    _tell_once(store.path, logging.WARNING, told)
                continue
            if store is not stores[0] and not damaged:
                _say_fallback(name, stores[0], store)
            return store
    if damaged:
        raise StoreError(f"{name} cannot be used. {' '.join(damaged)} {READ_HINT} `qpv-sante verify` says more.")
    raise StoreError(f"No store holds {name}. Run `qpv-sante build`.")


def _say_fallback(name: str, first: Store, other: Store) -> None:
    """Say that a table is read from a store that is not the first one: a warning once, then in the log's details."""
    log.info("%s is not in the %s; read from the %s.", name, first.label, other.label)
    # a folder that holds imports alone never had the open figures: nothing to worry about
    built = sorted(key for key, one in first.manifest["sources"].items() if not one.get("imported"))
    if built:
        shown = ", ".join(built[:_SHOWN]) + (f" and {len(built) - _SHOWN} others" if len(built) > _SHOWN else "")
        text = (
            f"The {first.label} holds {shown} alone: what it lacks is read from the {other.label}, and may be of "
            "another date. Run `qpv-sante build` without --source to have everything of one date. Said once."
        )
        _tell_once(first.path, logging.WARNING, text)
