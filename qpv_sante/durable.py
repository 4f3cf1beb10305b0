"""Files that outlive a kill and a power cut: on the disk before anything points to them, there whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from pathlib import Path

# file systems of networks that know no synchronisation of a folder
_NOT_KNOWN = {errno.EINVAL, errno.ENOTSUP, errno.EBADF}


def sync(path: Path) -> None:
    """Put a file, or the names that a folder holds, on the disk now: the system may keep them in memory for long.

    Parameters
    ----------
    path : Path
        A file that was written and closed, or a folder in which names were added or replaced.

    Raises
    ------
    OSError
        The disk refuses: what was written must not be relied upon.
    """
    folder = path.is_dir()
    if folder and os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
    try:
        os.fsync(handle)
    except OSError as error:
        if not folder or error.errno not in _NOT_KNOWN:
            raise
    finally:
        os.close(handle)


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there whole, or as it was before.

    Parameters
    ----------
    path : Path
        The file; `NAME.new` beside it is written first, and overwritten if a killed run left one.
    text : str
        Its content, in UTF-8.

    Raises
    ------
    OSError
        The file is then as it was.
    """
    aside = path.with_name(f"{path.name}.new")
    try:
        with aside.open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
        sync(aside)
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    sync(path.parent)


def replace_folder(aside: Path, target: Path) -> None:
    """Put a folder in place of another one; `whole_folder` finds one of the two whatever happens in between.

    Two renames are needed, as no portable call exchanges two folders. Before the first the former is in place; between
    the two it is beside, as `NAME.old`; after the second the new one is in place. None of them is ever half a folder.

    Parameters
    ----------
    aside : Path
        The new folder, complete, on the same file system.
    target : Path
        Where it goes.

    Raises
    ------
    OSError
        `whole_folder` gives the former one, or the new one if only the removal of the former failed.
    """
    for folder in (*(path for path in aside.rglob("*") if path.is_dir()), aside):
        sync(folder)
    old = former(target)
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)  # of an earlier replacement, which went to its end
        target.rename(old)
    aside.rename(target)
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def settle_folder(target: Path) -> None:
    """Take away what a replacement that was cut has left, or put the former folder back if the new one is not there."""
    old = former(target)
    if old.is_dir():
        if target.exists():
            shutil.rmtree(old)
        else:
            old.rename(target)


def former(target: Path) -> Path:
    """Where a folder is while another one takes its place."""
    return target.with_name(f"{target.name}.old")


def whole_folder(target: Path) -> Path:
    """The folder itself, or the former one if a replacement was cut between its two renames."""
    old = former(target)
    return old if old.is_dir() and not target.exists() else target
