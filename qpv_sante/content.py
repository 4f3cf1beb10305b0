"""What a file is: its hash, its nature, and whether its zip is sound. Nothing here uses the network."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from qpv_sante.errors import DownloadError

if TYPE_CHECKING:
    from qpv_sante.download import RawFile

MAX_UNPACKED, MAX_RATIO, FREE_RATIO_BELOW, MAX_MEMBERS = 2 << 30, 200, 10 << 20, 10_000  # of a zip

# kind -> what its first bytes show
KINDS = {
    "zip": "zip archive",
    "xlsx": "zip archive",
    "xls": "OLE workbook",
    "csv": "text",
    "json": "JSON document",
    "geojson": "JSON document",
}
_MAGIC = {
    b"PK\x03\x04": "zip archive",
    b"PK\x05\x06": "zip archive",  # an empty one
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "OLE workbook",
    b"\x1f\x8b": "gzip",
    b"%PDF": "PDF",
}


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def open_member(raw: RawFile | Path, member: str | None = None) -> BinaryIO:
    """Open a file, or one member of a zip, for reading bytes.

    Parameters
    ----------
    raw : RawFile or Path
        The file.
    member : str, optional
        Name or ``fnmatch`` pattern of the member (case and folder do not count). None gives the file itself or, for
        a zip (not a workbook), its only member.

    Returns
    -------
    BinaryIO
        To be closed by the caller, which may use it in a ``with`` block.

    Raises
    ------
    DownloadError
        If the file is missing or not a zip, if the zip is unsafe, or if no or several members match.
    """
    path = Path(raw) if isinstance(raw, str | os.PathLike) else raw.path
    try:
        if member is None and not (zipfile.is_zipfile(path) and path.suffix.lower() == ".zip"):
            return path.open("rb")
        with zipfile.ZipFile(path) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
            problem = _unsafe(files)
            data = [info for info in files if not info.filename.startswith("__MACOSX/")]
            found = [info for info in data if member is None or _matches(info.filename, member)]
            exact = [info for info in found if info.filename == member]
            if not problem and len(exact or found) == 1:
                return cast(BinaryIO, archive.open((exact or found)[0]))  # keeps the archive open as long as needed
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise DownloadError(f"{path}: cannot be opened as expected ({error}); try: download it again.") from error
    expected = problem[0] if problem else f"one member matching {member!r}" if member else "a single member"
    got = problem[1] if problem else f"{len(found)}; members: {_listing(files)}"
    raise DownloadError(f"{path}: the zip is not what was expected.\n  expected: {expected}\n  got: {got}")


def _matches(name: str, pattern: str) -> bool:
    name, pattern = name.replace("\\", "/").casefold(), pattern.casefold()
    return any(part == pattern or fnmatch.fnmatchcase(part, pattern) for part in (name, name.rpartition("/")[2]))


def _listing(files: Sequence[zipfile.ZipInfo]) -> str:
    more = f", ... ({len(files)} in all)" if len(files) > 12 else ""
    return ", ".join(info.filename for info in files[:12]) + more or "none"


def _unsafe(files: Sequence[zipfile.ZipInfo]) -> tuple[str, str] | None:
    """Why a zip must not be read, from its directory alone: (expected, got)."""
    names = [info.filename for info in files]
    if len(set(names)) < len(names) or len(names) > MAX_MEMBERS:
        return f"at most {MAX_MEMBERS} members, each name once", f"{len(names)} members, {len(set(names))} names"
    for info in files:
        name = info.orig_filename  # zipfile cuts the other one at a NUL byte
        if re.search(r"\0|^/|^[a-zA-Z]:|(^|/)\.\.(/|$)", name.replace("\\", "/")):
            return "members inside the archive's own folder", f"member {name!r}"
        if stat.S_ISLNK(info.external_attr >> 16):
            return "plain files", f"symbolic link {name!r}"
        if info.flag_bits & 0x1:
            return "readable members", f"encrypted member {name!r}"
    unpacked, packed = sum(info.file_size for info in files), sum(info.compress_size for info in files)
    if unpacked > MAX_UNPACKED or unpacked > max(FREE_RATIO_BELOW, MAX_RATIO * packed):
        expected = f"at most {MAX_UNPACKED} bytes once unpacked, and {MAX_RATIO} times the packed size"
        return expected, f"{unpacked} bytes from {packed}: a zip bomb"
    return None


def _zip_problem(path: Path, members: Sequence[str]) -> tuple[str, str] | None:
    """Why a zip is not acceptable: (expected, got); every member is read once, against its checksum."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = [info for info in archive.infolist() if not info.is_dir()]
            if problem := _unsafe(files):
                return problem
            for pattern in members:
                if not any(_matches(info.filename, pattern) for info in files):
                    return f"a member {pattern!r}", f"members: {_listing(files)}"
            if not files:
                return "at least one member", "an empty zip archive"
            bad = archive.testzip()
            return ("intact members", f"member {bad!r} fails its checksum") if bad else None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        return "an intact zip archive", f"a damaged one ({error})"


def _nature(head: bytes) -> str:
    """What the first bytes of a file show."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    if not text:
        return "empty file"
    if text.startswith(b"<"):
        if not re.match(rb"(?i)<(!doctype\s+html|html|head|body|!--)", text):
            return "XML document"
        title = re.search(rb"(?is)<title[^>]*>(.*?)</title>", text)
        words = re.sub(rb"(?s)<[^>]*>|\s+", b" ", title[1] if title else text).decode("utf-8", errors="replace")
        return f"HTML page in place of the file: {' '.join(words.split())[:80]!r}"
    if re.search(rb"[\x00-\x08\x0e-\x1f]", head):
        return "unrecognised bytes"
    return "JSON document" if text.startswith((b"{", b"[")) else "text"


def content_problem(path: Path, kind: str, members: Sequence[str] = ()) -> tuple[str, str] | None:
    """Why a file is not of its declared kind, or a zip without its `members`: (expected, got), or None."""
    with path.open("rb") as stream:
        head = stream.read(1 << 16)
        stream.seek(max(0, path.stat().st_size - 64))
        tail = stream.read().rstrip()
    nature = _nature(head)
    if nature != KINDS[kind]:
        return f"{kind} ({KINDS[kind]})", nature
    if kind == "xlsx":
        return _zip_problem(path, ("[Content_Types].xml", "xl/workbook.xml"))
    if kind == "zip":
        return _zip_problem(path, members)
    if nature == "JSON document" and not tail.endswith((b"}", b"]")):
        return "a complete JSON document", f"one that ends in {tail[-20:]!r}"
    if kind == "geojson" and b'"type"' not in head:
        return "a GeoJSON document", "a JSON document without any type"
    return None
