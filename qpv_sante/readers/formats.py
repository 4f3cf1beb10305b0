"""What an xlsx says of its cells besides numbers and texts, which is all that the library that reads it gives."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from posixpath import join, normpath
from xml.parsers import expat

# formats that a workbook need not declare: 0% and 0.00%
_PERCENT = {9, 10}
Start = Callable[[str, dict[str, str]], None]


@dataclass
class Formats:
    """Cells and rows of a sheet that say more than their numbers, counted from 1.

    Attributes
    ----------
    percent : set of (int, int)
        Row and column of the cells shown in percent: 0.125 is read 12.5 %.
    hidden : list of int
        Rows that the sheet does not show.
    errors : dict of (int, int) to str
        Cells that could not be computed (`#DIV/0!`), which would read as blanks.
    """

    percent: set[tuple[int, int]] = field(default_factory=set)
    hidden: list[int] = field(default_factory=list)
    errors: dict[tuple[int, int], str] = field(default_factory=dict)


def read_formats(content: bytes, sheet: str) -> Formats:
    """Percent cells, hidden rows and errors of a sheet.

    Parameters
    ----------
    content : bytes
        A workbook that `qpv_sante.content.open_workbook` has accepted.
    sheet : str

    Returns
    -------
    Formats
        Empty for an xls, whose styles are not read.
    """
    if not content.startswith(b"PK"):
        return Formats()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # names of the parts differ by case from one program to another
        parts = {name.casefold(): name for name in archive.namelist()}

        def part(name: str) -> bytes:
            return archive.read(parts[name.casefold()]) if name.casefold() in parts else b""

        styles = _percent_styles(part("xl/styles.xml"))
        return _formats(part(_path_of(sheet, part("xl/workbook.xml"), part("xl/_rels/workbook.xml.rels"))), styles)


def is_percent(code: str) -> bool:
    """Whether a format multiplies by 100: a percent sign that is not a quoted word of it.

    Examples
    --------
    >>> is_percent("0.0%"), is_percent('0.0" %"'), is_percent(r"0.0\\%"), is_percent('#,##0.0\\xa0%;[Red]-0.0%')
    (True, False, False, True)
    """
    return "%" in re.sub(r'"[^"]*"|[\\_*].|\[[^\]]*\]', "", code)


def _parse(part: bytes, start: Start, text: Callable[[str], None] | None = None) -> None:
    if part:
        parser = expat.ParserCreate()
        parser.CharacterDataHandler = text
        parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
        parser.Parse(part, True)


def _percent_styles(styles: bytes) -> set[int]:
    """Numbers of the cell styles that are in percent."""
    codes, found, inside, number = {}, set(), False, 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal inside, number
        if name == "numFmt":
            codes[int(attributes["numFmtId"])] = is_percent(attributes.get("formatCode", ""))
        elif name in ("cellStyleXfs", "cellXfs", "cellStyles", "dxfs"):
            inside = name == "cellXfs"
        elif name == "xf" and inside:
            form = int(attributes.get("numFmtId", 0))
            if codes.get(form, form in _PERCENT):
                found.add(number)
            number += 1

    _parse(styles, start)
    return found


def _path_of(sheet: str, workbook: bytes, relations: bytes) -> str:
    """Part of the workbook that holds a sheet; none (an empty name) if it is not found."""
    identifier, target = "", ""

    def named(name: str, attributes: dict[str, str]) -> None:
        nonlocal identifier
        if name == "sheet" and attributes.get("name") == sheet:
            identifier = next((text for key, text in attributes.items() if key.rpartition(":")[2] == "id"), "")

    def related(name: str, attributes: dict[str, str]) -> None:
        nonlocal target
        if name == "Relationship" and attributes.get("Id") == identifier:
            target = attributes["Target"]

    _parse(workbook, named)
    _parse(relations, related)
    return target.lstrip("/") if target.startswith("/") else normpath(join("xl", target))


def _formats(part: bytes, styles: set[int]) -> Formats:
    found, row, column, kind, failed = Formats(), 0, 0, None, False

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal row, column, kind, failed
        if name == "row":
            row, column = int(attributes.get("r", row + 1)), 0
            if attributes.get("hidden") in ("1", "true"):
                found.hidden.append(row)
        elif name == "c":
            column = _column(attributes["r"]) if "r" in attributes else column + 1
            if int(attributes.get("s", 0)) in styles:
                found.percent.add((row, column))
            kind = attributes.get("t")
        failed = name == "v" and kind == "e"

    def text(said: str) -> None:
        if failed:
            found.errors[row, column] = found.errors.get((row, column), "") + said

    _parse(part, start, text)
    return found


def _column(address: str) -> int:
    number = 0
    for letter in address.rstrip("0123456789").upper():
        number = 26 * number + ord(letter) - 64
    return number
