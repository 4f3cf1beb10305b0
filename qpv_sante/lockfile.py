"""What was downloaded, as recorded by the program: one table per source vintage, with its hash.

People write the catalogue, the program writes this file; the two never mix.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import threading
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import tomli_w

from qpv_sante.content import read_regular
from qpv_sante.durable import write_whole
from qpv_sante.errors import DownloadError

LOCK_FILE = "sources.lock.toml"  # in the data folder; a copy goes with the snapshot
_MAX_BYTES = 64 << 20
_SEAL = "seal"  # of each entry: damage is found, and costs that entry alone
_HEADER = "# Written by qpv-sante at each download: what every raw file was. Not for editing by hand.\n\n"


log = logging.getLogger(__name__)


def _seal(key: str, table: Mapping[str, Any]) -> str:
    content = json.dumps([key, table], sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


@dataclasses.dataclass(frozen=True)
class LockEntry:
    """One raw file as it was when it was downloaded.

    Attributes
    ----------
    file : str
        Path relative to the raw folder, with forward slashes.
    url : str
        The producer's address that gave the file.
    sha256, bytes : str, int
        Hash and size of the file.
    etag, last_modified : str or None
        What the producer's server said of it.
    retrieved : str
        Date and time of the download, ISO 8601, UTC.
    published : str or None
        Date that the producer's page or catalogue gave for the file, as it was written there.

    Raises
    ------
    ValueError
        If a field has the wrong type, or the path leaves the raw folder.
    """

    file: str
    url: str
    sha256: str
    bytes: int
    etag: str | None
    last_modified: str | None
    retrieved: str
    published: str | None = None

    def __post_init__(self) -> None:
        """Refuse what a damaged or forged lock file could hold."""
        for name in ("file", "url", "sha256", "retrieved"):
            if not isinstance(getattr(self, name), str):
                raise ValueError(f"{name!r} should be text, is {getattr(self, name)!r}")
        if not isinstance(self.bytes, int):
            raise ValueError(f"'bytes' should be a whole number, is {self.bytes!r}")
        path = PurePosixPath(self.file)
        if path.is_absolute() or ".." in path.parts or not path.parts or "\\" in self.file or ":" in self.file:
            raise ValueError(f"'file' should be a path inside the raw folder, is {self.file!r}")


class Lock:
    """The lock file of a data folder, held in memory and written whole.

    Parameters
    ----------
    path : Path or None
        Where :meth:`save` writes; None keeps everything in memory (staging, tests).
    entries : mapping
        Entries by vintage key, such as ``"insee_filosofi_qpv@2021"``.

    Attributes
    ----------
    damaged : tuple of str
        Keys of entries that are not as they were written: as if they had never been, their files are downloaded again.

    Notes
    -----
    One object may be shared by threads. Two processes must hold a lock of their own on the data folder.

    Examples
    --------
    >>> lock = Lock(None)
    >>> lock.get("insee_filosofi_qpv@2021") is None
    True
    >>> entry = LockEntry("a/2021/a.csv", "https://a.fr/a.csv", "00", 2, None, None, "2026-01-01T00:00:00+00:00")
    >>> lock.record("a@2021", entry)
    >>> lock.keys(), lock.get("a@2021").bytes
    (['a@2021'], 2)
    """

    def __init__(self, path: Path | None, entries: Mapping[str, LockEntry] | None = None) -> None:
        self.path = path
        self.damaged: tuple[str, ...] = ()
        self._entries = dict(entries or {})
        self._guard = threading.RLock()

    @classmethod
    def load(cls, path: Path | str) -> Lock:
        """Read a lock file; an absent one gives an empty lock.

        Parameters
        ----------
        path : Path or str
            The lock file.

        Returns
        -------
        Lock

        Raises
        ------
        DownloadError
            If the file exists and cannot be read, or does not have the declared form.
        """
        path = Path(path)
        try:
            tables: dict[str, Any] = tomllib.loads(read_regular(path, _MAX_BYTES).decode("utf-8"))
            entries, damaged = {}, []
            for key, table in tables.items():
                try:
                    said = {name: value for name, value in table.items() if name != _SEAL}
                    entry = LockEntry(**{"etag": None, "last_modified": None, **said})
                    if table.get(_SEAL, seal := _seal(key, said)) != seal:
                        damaged.append(key)
                        continue
                    entries[key] = entry
                except (TypeError, ValueError) as error:
                    raise ValueError(f"table {key!r}: {error}") from error
        except FileNotFoundError:
            return cls(path)
        except (
            OSError,
            ValueError,
            AttributeError,
            RecursionError,
        ) as error:  # TOML and encoding errors are ValueErrors
            raise DownloadError(
                f"{path}: the lock file of the sources cannot be read.\n"
                f"  expected: one TOML table per source vintage (file, url, sha256, bytes, retrieved)\n"
                f"  got: {error}\n"
                f"  kept: the file, untouched\n"
                f"  try: restore it from a copy or from version control; without any copy, delete it and build again "
                f"(every file is then downloaded anew and recorded as it is today)"
            ) from error
        lock = cls(path, entries)
        lock.damaged = tuple(damaged)
        for key in damaged:
            log.warning("%s: the entry of %s was altered after it was written, and is not used.", path, key)
        return lock

    def keys(self) -> list[str]:
        """List the vintage keys recorded, sorted."""
        return sorted(self._entries)

    def get(self, key: str) -> LockEntry | None:
        """Give the entry of a vintage key, or None."""
        return self._entries.get(key)

    def record(self, key: str, entry: LockEntry | None) -> None:
        """Set the entry of a vintage key in memory; None removes it. :meth:`save` writes.

        Parameters
        ----------
        key : str
            Vintage key.
        entry : LockEntry or None
            What to remember.
        """
        with self._guard:
            if entry is None:
                self._entries.pop(key, None)
            else:
                self._entries[key] = entry

    def copy(self, path: Path | None = None) -> Lock:
        """Copy the lock to work on it apart, for instance while files are staged.

        Parameters
        ----------
        path : Path or None
            Where the copy would be written; None keeps it in memory.

        Returns
        -------
        Lock
        """
        return Lock(path, self._entries)

    def save(self) -> None:
        """Write the lock file: whole or not at all.

        Raises
        ------
        DownloadError
            If it cannot be written; the previous file is then untouched.
        """
        if self.path is None:
            return
        with self._guard:
            tables = {
                key: {name: value for name, value in sorted(vars(entry).items()) if value is not None}
                for key, entry in sorted(self._entries.items())
            }
            tables = {key: {**table, _SEAL: _seal(key, table)} for key, table in tables.items()}
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                write_whole(self.path, _HEADER + tomli_w.dumps(tables))
            except OSError as error:
                raise DownloadError(
                    f"{self.path}: the lock file of the sources could not be written.\n"
                    f"  got: {error}\n"
                    f"  kept: the previous lock file, untouched\n"
                    f"  try: free some space, or choose a writable data folder with QPV_SANTE_DATA"
                ) from error
