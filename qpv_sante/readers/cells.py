"""From a producer's text cells to tables of text, numbers and flags."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Grid, Note, Table
from qpv_sante.content import open_workbook
from qpv_sante.errors import SchemaError, UnknownMarkerError
from qpv_sante.observations import MISSING_FLAGS

# Thousands separators found in the files: space, no-break space, narrow no-break space
_SPACES = str.maketrans("", "", " \u00a0\u202f")


def format_names(names: list[str], year: int) -> list[str]:
    """Column names with `{year}` and `{yy}` replaced by the year's digits.

    Examples
    --------
    >>> format_names(["DISP_TP60_A{yy}"], 2019)
    ['DISP_TP60_A19']
    """
    return [name.replace("{year}", str(year)).replace("{yy}", f"{year % 100:02d}") for name in names]


def read_text_csv(content: bytes, table: Table, *, where: str) -> pd.DataFrame:
    """A CSV as text: nothing guessed, empty trailing columns dropped, names without outer spaces.

    Parameters
    ----------
    content : bytes
        The file.
    table : Table
        Its declared encoding and separator.
    where : str
        Source and member, for messages.

    Returns
    -------
    DataFrame of str
        Index: line number in the file.

    Raises
    ------
    SchemaError
        Wrong encoding or separator, no row, or rows of unequal length.
    """
    if not content.strip():
        raise SchemaError(f"{where}: the file is empty.")
    try:
        text = content.decode(table.encoding)
    except UnicodeDecodeError as error:
        raise SchemaError(
            f"{where}: expected encoding {table.encoding}, but byte {error.start} cannot be read: {error.reason}. "
            "Has the producer changed the encoding? Declare it in the catalogue's `encoding`."
        ) from error
    try:
        frame = pd.read_csv(
            io.StringIO(_without_empty_columns(text, table)),
            sep=table.separator,
            dtype=str,
            keep_default_na=False,
            skiprows=table.header_row,
            skip_blank_lines=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SchemaError(f"{where}: not a table separated by {table.separator!r}: {error}") from error
    if frame.shape[1] == 1:
        raise SchemaError(
            f"{where}: one column only with the separator {table.separator!r}; first line: "
            f"{text.splitlines()[0][:80]!r}. Has the producer changed the separator?"
        )
    if not isinstance(frame.index, pd.RangeIndex):  # pandas would take the first column for an index
        raise SchemaError(f"{where}: the first row has more cells than the header has names.")
    frame.columns = frame.columns.str.strip()
    unnamed = [name for name in frame.columns if name.startswith("Unnamed: ")]
    filled = [name for name in unnamed if (frame[name] != "").any()]
    if filled:
        raise SchemaError(f"{where}: {len(filled)} columns hold values but have no name, first {filled[0]}.")
    frame = frame.drop(columns=unnamed)
    # the header is line 1, and a quoted line break would shift what follows: none of these files has one
    frame.index = pd.RangeIndex(table.header_row + 2, table.header_row + 2 + len(frame), name="line")
    frame = _without_blank_rows(frame)
    if frame.empty:
        raise SchemaError(f"{where}: the file has a header but no row.")
    if short := _short_row(text, table):
        raise SchemaError(f"{where}: line {short} has fewer cells than the header: is the file cut?")
    return frame


def _short_row(text: str, table: Table) -> int | None:
    """Number of the first line with fewer cells than named columns: pandas would fill it with blanks, in silence."""
    header, *lines = text.split("\n")[table.header_row :]
    least = header.rstrip(table.separator + " \r").count(table.separator)
    for number, line in enumerate(lines, start=table.header_row + 2):
        if line.count(table.separator) < least and line.strip():
            # a quoted line break: what follows cannot be counted by lines
            return None if line.count('"') % 2 else number
    return None


def _without_empty_columns(text: str, table: Table) -> str:
    """The text without the hundreds of empty columns that a spreadsheet left on the right of each row."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    header = lines[table.header_row] if len(lines) > table.header_row else ""
    empty = table.separator * (len(header) - len(header.rstrip(table.separator)))
    if not empty or not all(line.endswith(empty) or not line for line in lines[table.header_row :]):
        return text
    return "\n".join(line.removesuffix(empty) for line in lines)


def _without_blank_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that hold something; `attrs["blank rows"]` counts the others."""
    blank = frame.iloc[:, 0].isin(["", np.nan])
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
        Empty cells are `""`. Index: row number in the sheet.

    Raises
    ------
    SchemaError
        Not a workbook, no such sheet (the message lists them), or no row.
    """
    book = open_workbook(content, where=where)
    if table.sheet not in book.sheet_names:
        raise SchemaError(f"{where}: no sheet {table.sheet!r}; the workbook has {book.sheet_names}.")
    rows = book.get_sheet_by_name(table.sheet).to_python(skip_empty_area=False)
    if len(rows) <= table.header_row + 1 + table.skip_after_header:
        raise SchemaError(f"{where}: sheet {table.sheet!r} has {len(rows)} rows, none after its header.")
    first = table.header_row + 1 + table.skip_after_header
    header = [str(cell).strip() for cell in rows[table.header_row]]
    frame = pd.DataFrame([[_cell_text(cell) for cell in row] for row in rows[first:]], columns=header, dtype="str")
    frame.index = pd.RangeIndex(first + 1, first + 1 + len(frame), name="line")
    return _without_blank_rows(frame).loc[:, [bool(name) for name in header]]


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
    cells: pd.Series, table: Table, *, where: str, declare_in: str = "the catalogue's `missing`"
) -> tuple[pd.Series, pd.Series]:
    """Numbers and missing markers of a column of text.

    Parameters
    ----------
    cells : Series of str
    table : Table
        Decimal mark and the flag of each missing marker.
    where : str
        Source, for messages.
    declare_in : str
        Where a new marker is declared, for messages.

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
    text = stripped.str.translate(_SPACES)
    # numbers lose their spaces, markers made of several words keep theirs
    worded = any(" " in marker for marker in table.missing)
    flags = (stripped if worded else text).map(table.missing).astype("str")
    if table.decimal == ",":
        pattern, numeric = r"[-+]?\d+(?:,\d+)?", text.str.replace(",", ".", regex=False)
    else:
        pattern, numeric = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", text
    is_number = text.str.fullmatch(pattern).astype(bool) & flags.isna()
    unknown = cells[(~is_number & flags.isna()).to_numpy()[position]]
    if len(unknown):
        markers = sorted(table.missing)
        raise UnknownMarkerError(
            f"{where}: column {cells.name}, line {unknown.index[0]}: {unknown.iloc[0]!r} is neither a number "
            f"(decimal mark {table.decimal!r}) nor a declared missing marker {markers}; {len(unknown)} such cells. "
            "Nothing of this source was stored. If the marker is the producer's, declare it in "
            f"{declare_in} with its flag."
        )
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
