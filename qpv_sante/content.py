"""What a file is: its hash, its nature, and whether its zip or workbook is sound. Nothing here uses the network."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from qpv_sante.errors import DownloadError, RefusedContentError, SchemaError

if TYPE_CHECKING:
    from qpv_sante.download import RawFile

MAX_DECLARED = 1 << 20  # bytes of a file in which a person declares something: metadata, territories, practices
MAX_UNPACKED, MAX_RATIO, FREE_RATIO_BELOW, MAX_MEMBERS = 2 << 30, 200, 10 << 20, 10_000  # of a zip
# of a workbook, which is read in memory as one grid a sheet: bytes unpacked, bytes of the old format, cells of a grid
MAX_WORKBOOK, MAX_XLS, MAX_CELLS = 512 << 20, 64 << 20, 4_000_000  # a cell takes some 300 bytes once read

# kind -> what its first bytes show
KINDS = {
    "zip": "zip archive",
    "xlsx": "zip archive",
    "xls": "OLE workbook",
    "csv": "text",
    "json": "JSON document",
    "geojson": "JSON document",
}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAGIC = {
    b"PK\x03\x04": "zip archive",
    b"PK\x05\x06": "zip archive",  # an empty one
    _OLE: "OLE workbook",
    b"\x1f\x8b": "gzip",
    b"%PDF": "PDF",
}


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_regular(path: Path, max_bytes: int) -> bytes:
    """Read a file that a person names: a regular one, of bounded size; a pipe or a device may never end.

    Parameters
    ----------
    path : Path
        The file; links are followed.
    max_bytes : int
        Size that is still read.

    Returns
    -------
    bytes

    Raises
    ------
    OSError
        Absent, unreadable, not a regular file, or larger.
    """
    # a pipe without a writer would already keep the opening waiting
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is not a regular file (a device, a pipe or a folder)")
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise OSError(f"{path} has more than {max_bytes} bytes")
    return content


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
    RefusedContentError
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
        raise RefusedContentError(f"{path}: cannot be opened as expected ({error}); try: download it again.") from error
    expected = problem[0] if problem else f"one member matching {member!r}" if member else "a single member"
    got = problem[1] if problem else f"{len(found)}; members: {_listing(files)}"
    raise RefusedContentError(f"{path}: the zip is not what was expected.\n  expected: {expected}\n  got: {got}")


def check_archive(path: Path) -> None:
    """Refuse an unsafe zip that another library is about to open, from its directory alone.

    Raises
    ------
    DownloadError
        Not a zip, or one that holds too much, leaves its folder, links elsewhere or is encrypted.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            problem = _unsafe([info for info in archive.infolist() if not info.is_dir()])
    except (OSError, zipfile.BadZipFile) as error:
        raise DownloadError(f"{path}: cannot be opened as expected ({error}); try: download it again.") from error
    if problem:
        raise DownloadError(f"{path}: the zip is not what was expected.\n  expected: {problem[0]}\n  got: {problem[1]}")


def open_workbook(content: bytes, *, where: str) -> Any:
    """Open a workbook that cannot harm: its sizes are checked first, and macros are left behind.

    Every workbook is opened here, the producers' and the analyst's own.

    Parameters
    ----------
    content : bytes
        An xlsx (or xlsm), or an xls.
    where : str
        Source or file, for messages.

    Returns
    -------
    python_calamine.CalamineWorkbook

    Raises
    ------
    SchemaError
        Not a workbook, a zip that is unsafe, a document type declaration, or sheets so large that they would fill
        the memory; the message says what was expected and found.
    """
    import python_calamine

    try:
        if not content.startswith(_OLE):
            content = _plain_workbook(content)
        elif len(content) > MAX_XLS:
            raise _Refused(f"at most {MAX_XLS} bytes expected in an xls, got {len(content)}")
        return python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
    except (python_calamine.CalamineError, _Refused) as error:
        raise SchemaError(f"{where}: not a readable workbook: {error}. Nothing of it was read.") from error


class _Refused(Exception):
    """Why a workbook is not opened."""


def _plain_workbook(content: bytes) -> bytes:
    """An xlsx made again of its XML parts alone, each unpacked and checked.

    The library that reads workbooks trusts the sizes and the addresses of cells that they declare, and stops the
    process when the memory is short. It is given what was checked, and nothing else: no macro, no other archive, and
    no second directory that one zip library would see and not another.
    """
    plain = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(plain, "w") as copy:
            files = [info for info in archive.infolist() if not info.is_dir()]
            problem = _unsafe(files, MAX_WORKBOOK)
            names = {info.filename.casefold() for info in files}
            if not problem and not {"[content_types].xml", "xl/workbook.xml"} <= names:
                problem = "the parts of an xlsx", f"members: {_listing(files)}"
            forms = {info.compress_type for info in files}
            if not problem and not forms <= {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                problem = "members stored or deflated", "another compression"
            if problem:
                raise _Refused(f"{problem[0]} expected, got {problem[1]}")
            for info in files:
                if info.filename.casefold().endswith((".xml", ".rels")):
                    part = archive.read(info)
                    _check_part(part, info.filename)
                    copy.writestr(info.filename, part)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise _Refused(f"an xlsx or xls expected, got a damaged one ({error})") from error
    return plain.getvalue()


def _check_part(part: bytes, name: str) -> None:
    """Refuse XML that declares entities, hides its text from this check, or spreads its cells too far."""
    from xml.parsers import expat

    if b"\0" in part:
        raise _Refused(f"{name}: UTF-8 expected, got NUL bytes")
    if re.search(rb"(?i)<!(doctype|entity)", part):
        raise _Refused(f"{name}: no document type expected, got one, which could declare entities without end")
    if b"sheetData" not in part:
        return
    extent = _Extent()
    parser = expat.ParserCreate()
    parser.StartElementHandler = extent.start
    try:
        parser.Parse(part, True)
    except expat.ExpatError as error:
        raise _Refused(f"{name}: {error}") from error
    if extent.rows * extent.columns > MAX_CELLS:
        raise _Refused(
            f"{name}: at most {MAX_CELLS} cells expected from the first to the last, got {extent.rows} rows of "
            f"{extent.columns} columns; a cell far from the table may have been filled by mistake; a larger table "
            "can be saved as .csv"
        )


class _Extent:
    """How far the cells of a sheet that hold something go, as its XML is read."""

    def __init__(self) -> None:
        self.rows = self.columns = self.row = self.column = 0
        self.place = (0, 0)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Follow the rows and cells; a cell without its address comes after the one before."""
        local = name.rpartition(":")[2]
        if local == "row":
            self.row, self.column, self.place = int(attributes.get("r", self.row + 1)), 0, (0, 0)
        elif local == "c":
            row, self.column = self.row, self.column + 1
            if address := attributes.get("r"):
                found = re.fullmatch(r"([A-Za-z]{1,3})([0-9]{1,7})", address)
                if not found:
                    raise _Refused(f"an address of a cell such as A1 expected, got {address[:20]!r}")
                self.column = 0
                for letter in found[1].upper():
                    self.column = 26 * self.column + ord(letter) - 64
                row = int(found[2])
            self.place = row, self.column
        elif self.place != (0, 0):  # inside a cell, which holds something; styled blanks hold nothing
            self.rows, self.columns = max(self.rows, self.place[0]), max(self.columns, self.place[1])


def _matches(name: str, pattern: str) -> bool:
    name, pattern = name.replace("\\", "/").casefold(), pattern.casefold()
    return any(part == pattern or fnmatch.fnmatchcase(part, pattern) for part in (name, name.rpartition("/")[2]))


def _listing(files: Sequence[zipfile.ZipInfo]) -> str:
    more = f", ... ({len(files)} in all)" if len(files) > 12 else ""
    return ", ".join(info.filename for info in files[:12]) + more or "none"


def _unsafe(files: Sequence[zipfile.ZipInfo], most: int | None = None) -> tuple[str, str] | None:
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
    most = most or MAX_UNPACKED
    unpacked, packed = sum(info.file_size for info in files), sum(info.compress_size for info in files)
    if unpacked > most or unpacked > max(FREE_RATIO_BELOW, MAX_RATIO * packed):
        expected = f"at most {most} bytes once unpacked, and {MAX_RATIO} times the packed size"
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
