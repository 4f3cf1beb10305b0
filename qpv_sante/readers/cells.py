"""From a producer's text cells to tables of text, numbers and flags."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Grid, Note, Table
from qpv_sante.content import open_workbook
from qpv_sante.errors import SchemaError, UnknownMarkerError
from qpv_sante.observations import MISSING_FLAGS
from qpv_sante.readers.formats import read_formats

# Thousands separators found in the files: space, no-break space, narrow no-break space, thin space
_SPACES = " \u00a0\u202f\u2009"
_REMOVED = str.maketrans("", "", _SPACES)
# a space separates thousands before exactly three digits; anywhere else it may be two numbers
_WHOLE = rf"[-+]?(?:[1-9][0-9]{{0,2}}(?:[{_SPACES}][0-9]{{3}})+|[0-9]+)"
_NUMBER = {",": rf"{_WHOLE}(?:,[0-9]+)?", ".": rf"{_WHOLE}(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"}
# what a byte-order mark says is stronger than what is declared; the longest first
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Advice:
    """Where the reader of an error can put things right.

    Attributes
    ----------
    place : str
        What describes the file: the catalogue (a producer's), or the metadata of the import (the analyst's own).
    stopped : str
        What became of the rest.
    header, missing : str
        Keys there of the line of the headings, and of the missing markers.
    producer : bool
        Whether someone else may have changed the file.
    """

    place: str
    stopped: str
    header: str
    missing: str
    producer: bool

    def asks(self, question: str) -> str:
        """Ask what the producer may have done; nothing of the analyst's own file."""
        return f" Has the producer {question}?" if self.producer else ""


CATALOGUE = Advice("the catalogue", "Nothing of this source was stored.", "`header_row`", "`missing`", True)
METADATA = Advice("the metadata of the import", "Nothing was stored.", "`header_line`", "`[missing]`", False)


def format_names(names: list[str], year: int) -> list[str]:
    """Column names with `{year}` and `{yy}` replaced by the year's digits.

    Examples
    --------
    >>> format_names(["DISP_TP60_A{yy}"], 2019)
    ['DISP_TP60_A19']
    """
    return [name.replace("{year}", str(year)).replace("{yy}", f"{year % 100:02d}") for name in names]


def decode(content: bytes, encoding: str, *, where: str, advice: Advice = CATALOGUE) -> str:
    """The text of a file in its declared encoding, or in that of its byte-order mark; never in a guessed one.

    Parameters
    ----------
    content : bytes
    encoding : str
        As declared: `utf-8-sig` reads UTF-8 with or without byte-order mark.
    where : str
        File, for messages.
    advice : Advice

    Returns
    -------
    str
        Its line ends are `\\n`.

    Raises
    ------
    SchemaError
        Another encoding; the message names the line, and the encoding that would read it.

    Examples
    --------
    >>> decode("\ufeffDevèze\\r\\n".encode("utf-16-le"), "utf-8-sig", where="example")
    'Devèze\\n'
    >>> decode("QP034003;Devèze".encode("cp1252"), "utf-8-sig", where="example", advice=METADATA)
    Traceback (most recent call last):
        ...
    qpv_sante.errors.SchemaError: example: expected encoding utf-8-sig, but byte 12, ... "cp1252" in ...
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    used = marked or encoding
    try:
        text = content.decode(used)
    except LookupError as error:
        raise SchemaError(
            f"{where}: unknown encoding {encoding!r}. Expected utf-8-sig, cp1252 or utf-16, for example: correct "
            f"`encoding` in {advice.place}."
        ) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SchemaError(
            f"{where}: expected encoding {used}, but byte {error.start}, at line {line}, cannot be read: "
            f"{error.reason}.{advice.asks('changed the encoding')} {_other_encoding(content, line, advice)}"
        ) from error
    if "\0" in text:
        raise SchemaError(
            f"{where}: NUL characters, as of UTF-16 without its mark. Save the file as UTF-8, or declare "
            f'encoding = "utf-16-le" in {advice.place}.'
        )
    if marked is None and len(text) == len(content) and not content.isascii() and _is_utf8(content):
        raise SchemaError(
            f"{where}: declared in {encoding}, but its letters beyond ASCII are written in UTF-8: they would read "
            f'{_beyond_ascii(text)!r}. Declare encoding = "utf-8-sig" in {advice.place}.'
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _other_encoding(content: bytes, line: int, advice: Advice) -> str:
    try:
        shown = content.split(b"\n")[line - 1].decode("cp1252").strip()
    except UnicodeDecodeError:
        return f"Save it as UTF-8, or declare its `encoding` in {advice.place}."
    return (
        f"In the encoding of Windows, that line reads {shown[:80]!r}: if that is right, declare "
        f'encoding = "cp1252" in {advice.place}.'
    )


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _beyond_ascii(text: str) -> str:
    found = re.search(r"\S*[^\x00-\x7f]\S*", text)
    return found[0][:40] if found else ""


def read_text_csv(content: bytes, table: Table, *, where: str, advice: Advice = CATALOGUE) -> pd.DataFrame:
    """A CSV as text: nothing guessed, empty trailing columns dropped, names without outer spaces.

    A row is a line: a quoted cell ends where it began, or the line is refused. An unclosed quotation mark would
    otherwise swallow the rows that follow, and give one row the value of another.

    Parameters
    ----------
    content : bytes
        The file.
    table : Table
        Its declared encoding and separator.
    where : str
        Source and member, for messages.
    advice : Advice

    Returns
    -------
    DataFrame of str
        Index: line number in the file.

    Raises
    ------
    SchemaError
        Wrong encoding or separator, no row, a quotation mark that its line does not close, or rows of unequal length.
    """
    if not content.strip():
        raise SchemaError(f"{where}: the file is empty.")
    text = decode(content, table.encoding, where=where, advice=advice)
    lines = text.removesuffix("\n").split("\n")
    if len(lines) <= table.header_row:
        raise SchemaError(f"{where}: the header is expected at line {table.header_row + 1}; the file has {len(lines)}.")
    check_quotes(lines, table.separator, where=where)
    body = _without_empty_columns(lines[table.header_row :], table.separator)
    width = _number_of_cells(body[0], table.separator)
    if width == 1:
        raise SchemaError(
            f"{where}: one column only with the separator {table.separator!r}; first line: {body[0][:80]!r}."
            f"{advice.asks('changed the separator')}{_other_separator(body[0], table.separator, advice)}"
        )
    _check_widths(body, table, advice, where=where)
    frame = pd.read_csv(
        io.StringIO("\n".join(body)),
        sep=table.separator,
        dtype=str,
        header=None,
        names=list(range(width)),
        index_col=False,
        keep_default_na=False,
        skip_blank_lines=False,
    )
    # a blank line has no cell at all
    header, frame = frame.iloc[0].fillna("").str.strip(), frame.iloc[1:]
    frame.index = pd.RangeIndex(table.header_row + 2, table.header_row + 2 + len(frame), name="line")
    unnamed = [number for number, name in enumerate(header) if not name and (~_is_blank(frame.iloc[:, number])).any()]
    if unnamed:
        raise SchemaError(
            f"{where}: {len(unnamed)} columns hold values but have no name, the first is column {unnamed[0] + 1}. If "
            f"the headings are on another line, say which by {advice.header} in {advice.place}."
        )
    frame = _under_names(frame, header.tolist())
    if frame.empty:
        raise SchemaError(f"{where}: the file has a header but no row.")
    return frame


def _under_names(frame: pd.DataFrame, header: list[str]) -> pd.DataFrame:
    """The columns that a header names, and the rows that hold something."""
    frame = frame.loc[:, [bool(name) for name in header]]
    frame.columns = pd.Index([name for name in header if name])
    return _without_blank_rows(frame)


def check_quotes(lines: Sequence[str], separator: str, *, where: str) -> None:
    """Refuse a cell that opens a quotation mark and does not close it on its line, or goes on after it.

    Raises
    ------
    SchemaError
        The message names the line and the cell.

    Examples
    --------
    >>> check_quotes(['a;"b; c"', 'Les "Cévennes;2'], ";", where="example")
    >>> check_quotes(["name;value", '"Iranget;14,0'], ";", where="example")
    Traceback (most recent call last):
        ...
    qpv_sante.errors.SchemaError: example: line 2, cell 1: '"Iranget;14,0' opens a quotation mark ...
    """
    row = _row_form(separator)
    for number, line in enumerate(lines, start=1):
        if '"' in line and row.fullmatch(line) is None:
            found = row.match(line)
            before = line[: found.end()] if found else ""
            # the row form stops before the separator of the cell that it cannot take
            start = len(before) + (1 if before and line[len(before)] == separator else 0)
            if not line.startswith('"', start):
                start = max(line.rfind(separator, 0, start) + 1, 0)
            cell = _number_of_cells(line[:start], separator)
            raise SchemaError(
                f"{where}: line {number}, cell {cell}: {line[start : start + 60]!r} opens a quotation mark "
                "and does not close it before the end of the cell, on the same line. Remove the "
                'mark, or write the cell between two ("Le ""Petit"" Bard"). The rows after it could not be told apart.'
            )


@lru_cache(maxsize=8)
def _row_form(separator: str) -> re.Pattern[str]:
    """A row whose quoted cells are whole; inside a cell that is not quoted, a quotation mark is a character."""
    mark = re.escape(separator)
    cell = rf'(?>"(?>[^"]|"")*" *(?={mark}|$)|[^"{mark}][^{mark}]*|)'
    return re.compile(rf"{cell}(?>{mark}{cell})*")


def _number_of_cells(line: str, separator: str) -> int:
    if '"' in line:
        mark = re.escape(separator)
        line = re.sub(rf'(?:^|(?<={mark}))"(?:[^"]|"")*"', "", line)
    return line.count(separator) + 1


def _check_widths(lines: list[str], table: Table, advice: Advice, *, where: str) -> None:
    """Refuse a line with more cells than the header, or fewer than its last name: pandas would fill it with blanks."""
    most = _number_of_cells(lines[0], table.separator)
    least = _number_of_cells(lines[0].rstrip(table.separator + " "), table.separator)
    for number, line in enumerate(lines[1:], start=table.header_row + 2):
        cells = _number_of_cells(line, table.separator)
        if cells > most:
            raise SchemaError(
                f"{where}: line {number} has {cells} cells, more cells than the header has names ({most}). Is there a "
                f"{table.separator!r} inside a cell that is not quoted? If the headings are on another line, say which "
                f"by {advice.header} in {advice.place}."
            )
        if cells < least and line.strip():
            raise SchemaError(
                f"{where}: line {number} has fewer cells than the header ({cells} of {least}): is the file cut?"
            )


def _other_separator(header: str, separator: str, advice: Advice) -> str:
    other = max((mark for mark in ";,\t|" if mark != separator), key=header.count)
    if not header.count(other):
        return ""
    shown = "\\t" if other == "\t" else other
    return f' If its cells are separated by {other!r}, declare separator = "{shown}" in {advice.place}.'


def _without_empty_columns(lines: list[str], separator: str) -> list[str]:
    """The lines without the hundreds of empty columns that a spreadsheet left on the right of each row."""
    empty = separator * (len(lines[0]) - len(lines[0].rstrip(separator)))
    if not empty or not all(line.endswith(empty) or not line for line in lines):
        return lines
    return [line.removesuffix(empty) for line in lines]


def _is_blank(cells: pd.Series) -> pd.Series:
    return cells.isin(["", np.nan])


def _without_blank_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that hold something; `attrs["blank rows"]` counts the others."""
    blank = _is_blank(frame.iloc[:, 0])
    if blank.any():
        blank &= frame.isin(["", np.nan]).all(axis=1)
    kept = frame[~blank]
    kept.attrs = {"blank rows": int(blank.sum())}
    return kept


def read_text_sheet(content: bytes, table: Table, *, where: str) -> pd.DataFrame:
    """A workbook's sheet as text, its header row found where the catalogue says.

    Parameters
    ----------
    content : bytes
        The workbook (xls or xlsx).
    table : Table
        Sheet name, header row (0 is the first) and rows to skip after it.
    where : str
        Source, for messages.

    Returns
    -------
    DataFrame of str
        Empty cells are `""`; a cell in percent is what the sheet shows (12.5, not 0.125). Index: row number in the
        sheet. `attrs`, if there are any: `percent cells`, as row and heading, and `hidden rows`.

    Raises
    ------
    SchemaError
        Not a workbook, no such sheet (the message lists them), or no row.
    """
    rows = sheet_rows(content, table.sheet or "", where=where)
    if len(rows) <= table.header_row + 1 + table.skip_after_header:
        raise SchemaError(f"{where}: sheet {table.sheet!r} has {len(rows)} rows, none after its header.")
    first = table.header_row + 1 + table.skip_after_header
    header = [str(cell).strip() for cell in rows[table.header_row]]
    formats = read_formats(content, str(table.sheet))
    body = [[_cell_text(cell) for cell in row] for row in rows[first:]]
    # cells that hold nothing may be styled far beyond the table
    inside = [place for place in formats.percent if first < place[0] <= len(rows) and place[1] <= len(header)]
    for row, column in inside:
        # a sheet shows 12.5 % and holds 0.125
        cell = rows[row - 1][column - 1]
        if isinstance(cell, int | float):
            body[row - first - 1][column - 1] = _cell_text(float(f"{100 * cell:.12g}"))
    for (row, column), error in formats.errors.items():
        if first < row <= len(rows) and column <= len(header):
            body[row - first - 1][column - 1] = error
    frame = pd.DataFrame(body, columns=range(len(header)), dtype="str")
    frame.index = pd.RangeIndex(first + 1, first + 1 + len(frame), name="line")
    frame = _under_names(frame, header)
    percent = [[row, header[column - 1]] for row, column in sorted(inside)]
    hidden = [row for row in formats.hidden if row > first and row in frame.index]
    frame.attrs |= {name: found for name, found in (("percent cells", percent), ("hidden rows", hidden)) if found}
    return frame


def sheet_rows(content: bytes, sheet: str, *, where: str) -> list[list[object]]:
    """The cells of a sheet, from A1.

    Raises
    ------
    SchemaError
        Not a workbook, or no such sheet; the message lists them.
    """
    book = open_workbook(content, where=where)
    if sheet not in book.sheet_names:
        raise SchemaError(f"{where}: no sheet {sheet!r}; the workbook has {book.sheet_names}.")
    rows: list[list[object]] = book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    return rows


def _cell_text(cell: object) -> str:
    """A workbook's cell as it would be typed: whole numbers without a decimal point."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell)


def find_column(frame: pd.DataFrame, names: list[str], *, where: str) -> str:
    """The one column of the frame that bears one of the accepted names, whatever its case.

    Raises
    ------
    SchemaError
        None or several; the message lists the columns of the file.
    """
    accepted = {name.strip().casefold() for name in names}
    found = [name for name in frame.columns if name.casefold() in accepted]
    if len(found) == 1:
        return str(found[0])
    listed = ", ".join(map(str, frame.columns[:40]))
    problem = f"no column {' or '.join(names)}" if not found else f"several columns for {names}: {found}"
    raise SchemaError(f"{where}: {problem}. Columns of the file: {listed}. Has the producer renamed it?")


def parse_numbers(
    cells: pd.Series, table: Table, *, where: str, advice: Advice = CATALOGUE
) -> tuple[pd.Series, pd.Series]:
    """Numbers and missing markers of a column of text.

    Parameters
    ----------
    cells : Series of str
    table : Table
        Decimal mark and the flag of each missing marker.
    where : str
        Source, for messages.
    advice : Advice

    Returns
    -------
    values : Series of float
        Missing where the cell is a marker.
    flags : Series of str
        `observed`, or the marker's flag.

    Raises
    ------
    UnknownMarkerError
        A cell is neither a number nor a declared marker: the message gives line, column and cell.

    Examples
    --------
    >>> table = Table(missing={"s": "suppressed"})
    >>> values, flags = parse_numbers(pd.Series(["1 056,5", "s"]), table, where="example")
    >>> values.tolist(), flags.tolist()
    ([1056.5, nan], ['observed', 'suppressed'])
    """
    # a column repeats its cells: each is parsed once
    position, cell = pd.factorize(cells, use_na_sentinel=False)
    stripped = pd.Series(cell, dtype="str").str.strip()
    # a marker of several words may be written with no-break spaces
    words = stripped.str.replace(rf"[{_SPACES}]+", " ", regex=True)
    flags = words.map(table.missing).astype("str")
    is_number = stripped.str.fullmatch(_NUMBER[table.decimal]).astype(bool) & flags.isna()
    unknown = cells[(~is_number & flags.isna()).to_numpy()[position]]
    if len(unknown):
        raise UnknownMarkerError(
            f"{where}: column {cells.name}, line {unknown.index[0]}: {unknown.iloc[0]!r} is neither a number "
            f"(decimal mark {table.decimal!r}) nor a declared missing marker {sorted(table.missing)}; {len(unknown)} "
            f"such cells. {advice.stopped} {_how_to_read(unknown.iloc[0], table.decimal, advice)}"
        )
    text = stripped.str.translate(_REMOVED)
    numeric = text.str.replace(",", ".", regex=False) if table.decimal == "," else text
    values = pd.Series(np.nan, index=text.index)
    values[is_number] = numeric[is_number].astype(float)
    flags = flags.fillna("observed")
    return (
        pd.Series(values.to_numpy()[position], index=cells.index, name=cells.name),
        flags.take(position).set_axis(cells.index).rename(cells.name),
    )


def on_grid(values: pd.Series, grid: Grid) -> pd.Series:
    """Which values lie on a grid.

    Examples
    --------
    >>> on_grid(pd.Series([34.0, 35.0, 35.5]), Grid(step=2, first=1)).tolist()
    [False, True, False]
    """
    place = (values - grid.first) / grid.step
    return (place - place.round()).abs() < 1e-6


def _how_to_read(cell: str, decimal: str, advice: Advice) -> str:
    """What to do about a cell that is not read."""
    cell = cell.strip()
    other = "." if decimal == "," else ","
    if re.fullmatch(_NUMBER[other], cell):
        return f'If its decimal mark is {other!r}, declare decimal = "{other}" in {advice.place}.'
    if re.fullmatch(rf"[-+0-9.,{_SPACES}]+", cell):
        return "A space stands only before three digits (1 234): correct the cell, which may hold two numbers."
    if re.fullmatch(rf"[-+]?[0-9.,{_SPACES}]+%", cell):
        return "Take the percent signs out of the column: its unit is that of the indicator."
    return f"If it is a missing marker, declare it in {advice.missing} of {advice.place}, with its flag."


def qualify(
    values: pd.Series, flags: pd.Series, notes: pd.Series, note: Note, *, where: str
) -> tuple[pd.Series, pd.Series]:
    """Flags refined by the producer's note column.

    A note on a published value may lower its reliability; a note on a missing one says why it is
    missing. A note that declares missing a value that is there contradicts the file.

    Returns
    -------
    values, flags : Series

    Raises
    ------
    SchemaError
        Unknown note, or contradiction between note and value.
    """
    text = notes.str.strip()
    meaning = text.map(note.codes)
    unknown = text[meaning.isna()]
    if len(unknown):
        raise UnknownMarkerError(
            f"{where}: column {notes.name}, line {unknown.index[0]}: unknown note {unknown.iloc[0]!r}; "
            f"declared: {sorted(note.codes)}. Nothing of this source was stored."
        )
    missing_note = meaning.isin(MISSING_FLAGS)
    contradiction = values[values.notna() & missing_note]
    if len(contradiction):
        line = contradiction.index[0]
        raise SchemaError(
            f"{where}: column {values.name}, line {line}: {contradiction.iloc[0]} is published but {notes.name} = "
            f"{text[line]!r} says {meaning[line]}. Nothing of this source was stored."
        )
    use_note = values.notna() | missing_note
    return values, meaning.where(use_note, flags)
