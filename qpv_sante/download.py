"""From a source vintage to a verified local file; nothing is parsed here.

A file is first decided upon (:func:`decide`, a plain value), then obtained (:func:`fetch`). It arrives under a
temporary name beside its target, is measured, hashed, recognised and tested, and only then takes its place: whatever
the producer answers, the previous good file stays. How the bytes come is in :mod:`qpv_sante.transfer`, what a file is
in :mod:`qpv_sante.content`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import logging
import re
import shutil
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from qpv_sante.content import content_problem, open_member, sha256_of
from qpv_sante.durable import sync
from qpv_sante.errors import CatalogueError, DownloadError, Fault
from qpv_sante.lockfile import Lock, LockEntry
from qpv_sante.transfer import Request, Transfer, advice, local_name, new_session

if TYPE_CHECKING:
    import requests

__all__ = ["Action", "RawFile", "Request", "decide", "fetch", "new_session", "open_member", "promote", "recorded"]

log = logging.getLogger(__name__)

STALE_AFTER = 3600.0  # seconds; the stall protection keeps a living download younger
_STAGING = ".download-"


@dataclasses.dataclass(frozen=True)
class RawFile:
    """A producer's file on disk, as served; the fields are those of :class:`~qpv_sante.lockfile.LockEntry`."""

    key: str
    path: Path
    url: str
    sha256: str
    bytes: int
    etag: str | None
    last_modified: str | None
    retrieved: str
    published: str | None = None


class Action(enum.StrEnum):
    """What to do about one file."""

    USE = "use"  # the local file is the recorded one: no network
    DOWNLOAD = "download"  # take what the producer serves and record it
    DOWNLOAD_SAME = "download_same"  # download, and refuse anything but the recorded content
    UNAVAILABLE = "unavailable"  # it would take the network, which was refused


def decide(
    local: str | None, locked: str | None, *, accept_changes: bool = False, force: bool = False, offline: bool = False
) -> Action:
    """Decide what to do about a file; nothing is read, asked or written.

    Parameters
    ----------
    local, locked : str or None
        SHA-256 of the file on disk and of the lock file; None where there is none.
    accept_changes : bool
        Accept a content other than the recorded one, if there is a reason to download.
    force : bool
        Download although the local file is good.
    offline : bool
        No network; prevails over `force`.

    Returns
    -------
    Action

    Examples
    --------
    >>> [str(decide(*hashes)) for hashes in (("a", "a"), ("b", "a"), (None, "a"), ("b", None), (None, None))]
    ['use', 'download_same', 'download_same', 'download', 'download']
    >>> str(decide("b", "a", accept_changes=True)), str(decide("a", "a", accept_changes=True))
    ('download', 'use')
    """
    if locked is not None and local == locked and (offline or not force):
        return Action.USE
    if offline:
        return Action.UNAVAILABLE
    return Action.DOWNLOAD if locked is None or accept_changes else Action.DOWNLOAD_SAME


def fetch(
    key: str,
    request: Request,
    *,
    raw_dir: Path | str,
    lock: Lock,
    accept_changes: bool = False,
    force: bool = False,
    offline: bool = False,
    progress: bool = False,
    session: requests.Session | None = None,
    kept: str | None = None,
) -> RawFile:
    """Give the verified local file of a source vintage, downloading it if needed.

    A local file whose hash is the recorded one is used without any network. A missing or damaged one is downloaded
    and must have the recorded hash; a first download is recorded. After a download the lock file is saved.

    Parameters
    ----------
    key : str
        Vintage key, ``source@vintage``: the file goes to ``raw_dir/source/vintage/``.
    request : Request
        Where the file is and what it must look like.
    raw_dir : Path or str
        Folder of the raw files.
    lock : Lock
        What was downloaded before.
    accept_changes : bool
        Accept and record a content other than the recorded one. It does not by itself cause a download.
    force : bool
        Download even if the local file is good.
    offline : bool
        Never use the network.
    progress : bool
        Show a progress bar.
    session : requests.Session, optional
        As :func:`new_session` makes them; give one to reuse connections.
    kept : str, optional
        What an error says is kept, where it is not the file of `raw_dir`.

    Returns
    -------
    RawFile

    Raises
    ------
    DownloadError
        If the file could not be obtained or is not what was expected. The previous file and the lock are untouched.
    CatalogueError
        If `key` is not of the form ``source@vintage``.
    """
    if not re.fullmatch(r"\w[\w.\-]*@\w[\w.\-]*", key):
        raise CatalogueError(f"Not a vintage key (source@vintage): {key!r}.")
    raw_dir, entry = Path(raw_dir), lock.get(key)
    folder = raw_dir.joinpath(*key.split("@"))
    path = raw_dir / entry.file if entry else folder / local_name(request.url, request.kind) if request.url else None
    transfer = Transfer(key, request, session, progress)
    try:
        local = sha256_of(path) if path and path.is_file() else None
        damaged = entry is not None and local not in {None, entry.sha256}
        transfer.kept = kept or (
            f"{path}, {'damaged as it was found' if damaged else 'untouched'}" if local else "nothing, no file yet"
        )
        same_place = entry is None or request.leads_to(entry.url)
        if entry and offline and not same_place:
            log.warning("%s: the catalogue's address changed since the download from %s", key, entry.url)
        action = decide(
            local,
            entry.sha256 if entry else None,
            accept_changes=accept_changes,
            force=force or not same_place,  # another address may serve another file: ask it
            offline=offline,
        )
        if action is Action.USE and entry and path:
            return _raw_file(key, path, entry)
        if action is Action.UNAVAILABLE:
            wanted = f"sha256 {entry.sha256}" if entry else "a file recorded in the lock file"
            got = f"sha256 {local} ({path})" if local else "no local file"
            transfer.fail(
                "offline, and no verified local file", expected=wanted, got=got, hint="run once with a network"
            )
        if damaged:
            log.warning("%s: %s is damaged (sha256 %s), downloading it again", key, path, local)
        folder.mkdir(parents=True, exist_ok=True)
        return _download(transfer, raw_dir, folder, lock, entry if action is Action.DOWNLOAD_SAME else None)
    except DownloadError:
        raise
    except (OSError, ValueError) as error:  # requests' errors are OSErrors; a malformed address is a ValueError
        transfer.fail("could not be obtained", got=f"{type(error).__name__}: {error}", hint=advice(error), cause=error)


def _download(transfer: Transfer, raw_dir: Path, folder: Path, lock: Lock, must_equal: LockEntry | None) -> RawFile:
    """Stage beside the target, check, record, swap."""
    request = transfer.request
    for stray in folder.glob(_STAGING + "*"):  # what a killed run left
        with contextlib.suppress(OSError):
            if max(item.stat().st_mtime for item in (stray, *stray.iterdir())) < time.time() - STALE_AFTER:
                shutil.rmtree(stray)
    with tempfile.TemporaryDirectory(prefix=_STAGING, dir=folder, ignore_cleanup_errors=True) as staging:
        staged = transfer.obtain(Path(staging))
        if problem := content_problem(staged, request.kind, request.members):
            transfer.fail("the file is not what was expected", expected=problem[0], got=problem[1], fault=Fault.CONTENT)
        if must_equal and transfer.sha256 != must_equal.sha256:
            transfer.fail(
                f"the producer's file changed since {must_equal.retrieved}",
                expected=f"sha256 {must_equal.sha256} ({must_equal.bytes} bytes, from {must_equal.url})",
                got=f"sha256 {transfer.sha256} ({transfer.size} bytes)",
                hint="accept_changes=True or --accept-changes takes the new file; refresh also says what moved",
                fault=Fault.CHANGED,
            )
        target = folder / local_name(transfer.address, request.kind)
        new = LockEntry(
            file=target.relative_to(raw_dir).as_posix(),
            url=transfer.address,
            sha256=transfer.sha256,
            bytes=transfer.size,
            etag=transfer.headers.get("ETag"),
            last_modified=transfer.headers.get("Last-Modified"),
            retrieved=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        staged.chmod(0o644)  # temporary files are private, raw files are not
        try:
            _settle(transfer.key, staged, raw_dir, lock, new)
        except DownloadError as error:
            transfer.fail("could not be recorded", got=str(error), hint=advice(error.__cause__ or error), cause=error)
    return _raw_file(transfer.key, target, new)


def _settle(key: str, staged: Path, raw_dir: Path, lock: Lock, entry: LockEntry) -> None:
    """Put a file in its place in the raw folder and record it: both or neither."""
    previous, target = lock.get(key), raw_dir / entry.file
    target.parent.mkdir(parents=True, exist_ok=True)
    sync(staged)
    # The lock first: killed between the two, the next run sees a file that is not the recorded one and gets it
    # again. The other way round, it would see a good file as a changed one.
    lock.record(key, entry)
    try:
        lock.save()
        staged.replace(target)
        sync(target.parent)
    except BaseException:
        lock.record(key, previous)
        with contextlib.suppress(OSError):
            lock.save()
        raise
    if previous:
        with contextlib.suppress(OSError):
            old = raw_dir / previous.file
            if not old.samefile(target):  # superseded under another name
                old.unlink()


def promote(raw: RawFile, *, raw_dir: Path, staging: Path, lock: Lock, published: str | None = None) -> None:
    """Put a file that was fetched into a staging folder in place of the good one, and record it.

    Parameters
    ----------
    raw : RawFile
        As :func:`fetch` gave it, with `staging` as its raw folder.
    raw_dir, staging : Path
        Folders of the raw files, in use and staged, on one file system.
    lock : Lock
        Of the files in use.
    published : str, optional
        Date that the producer gives for the file.

    Raises
    ------
    DownloadError, OSError
        The file in use and the lock are then untouched.
    """
    file = raw.path.relative_to(staging).as_posix()
    _settle(raw.key, raw.path, raw_dir, lock, dataclasses.replace(_entry(raw, file), published=published))


def recorded(key: str, raw_dir: Path, lock: Lock) -> RawFile | None:
    """Give the local file of a source vintage if it is the recorded one: no network."""
    entry = lock.get(key)
    if entry is None:
        return None
    path = raw_dir / entry.file
    return _raw_file(key, path, entry) if path.is_file() and sha256_of(path) == entry.sha256 else None


def _entry(raw: RawFile, file: str) -> LockEntry:
    return LockEntry(file=file, **{name: value for name, value in vars(raw).items() if name not in {"key", "path"}})


def _raw_file(key: str, path: Path, entry: LockEntry) -> RawFile:
    return RawFile(key, path, **{name: value for name, value in vars(entry).items() if name != "file"})
