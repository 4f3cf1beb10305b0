"""The documented form of an analyst's own table: reading it, and writing an example of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import msgspec
import pandas as pd

from qpv_sante.catalogue import Table
from qpv_sante.content import open_workbook
from qpv_sante.errors import OutputError, SchemaError, StoreError, UnknownNameError, did_you_mean
from qpv_sante.imports.metadata import MISSING, Figure, Metadata, missing_markers
from qpv_sante.observations import FLAGS, MISSING_FLAGS, TOTAL
from qpv_sante.readers.cells import METADATA, decode, parse_numbers, read_text_csv, read_text_sheet, sheet_rows

COLUMNS = {
    "geo_code": "code of the territory, as text",
    "value": "the figure, or a missing marker",
    "indicator": "which indicator, where the file has several",
    "year": "year of the figure, where the file has several",
    "sex": "F, M, or blank for everyone",
    "age": "Y18T29, Y_GE60, Y_LT18, or blank for everyone",
    "count": "number of persons counted (numerator of a rate): tells whether secrecy holds",
    "denominator": "number of persons that a rate refers to",
    "lower": "lower limit of the interval",
    "upper": "upper limit of the interval",
    "flag": "observed, estimated, provisional or unreliable",
    "name": "name of the territory, held against its code",
}
_NUMBERS = ("count", "denominator", "lower", "upper")
# titles and notes above the headings
_LINES_ABOVE = 20
_TEXTS = (".csv", ".txt")
_WORKBOOKS = (".xlsx", ".xls")
_AGE = r"_T|Y\d+T\d+|Y_(?:LT|GE)\d+"


def read_template(
    path: Path, content: bytes, declared: Metadata, mapping: Mapping[str, str | None] | None, *, where: str
) -> tuple[pd.DataFrame, Table]:
    """The figures of a CSV or XLSX with the template's columns.

    Parameters
    ----------
    path : Path
        Its suffix tells the format.
    content : bytes
        The file.
    declared : Metadata
        Separator, decimal mark, encoding, sheet, missing markers, year.
    mapping : mapping of str to str or None
        The file's heading to the template's column; None or "" leaves a heading out.
    where : str
        File, for messages.

    Returns
    -------
    figures : DataFrame
        `line, geo_code, name, column, year, sex, age, value, lower, upper, count, denominator, flag, percent`, and
        `indicator` (blank where the file does not say). `percent` says that a workbook shows the value in percent.
        `attrs["left out"]`: headings that were not read.
    form : Table
        How the file is written.

    Raises
    ------
    SchemaError
        Another column than those of the template, no year, or a cell that is neither a number nor a
        declared marker.
    """
    asked = {**declared.columns, **(mapping or {})}
    table = table_of(path, content, declared, asked, where=where)
    if path.suffix.lower() in _TEXTS:
        cells = read_text_csv(content, table, where=where, advice=METADATA)
    else:
        cells = read_text_sheet(content, table, where=where)
    hidden = cells.attrs.get("hidden rows", [])
    if hidden:
        raise SchemaError(
            f"{where}: sheet {table.sheet!r}: {len(hidden)} rows of the table are hidden, the first is row "
            f"{hidden[0]}. Show them, or delete those that are not to be read. Nothing was stored."
        )
    shown = {(line, heading) for line, heading in cells.attrs.get("percent cells", [])}
    parts, layouts = [], _layouts(cells, asked, declared, where)
    for heading, names in layouts:
        renamed = cells[list(names)].rename(columns=names)
        percent = {names[column] for _, column in shown if column in names}
        wrong = sorted(percent & {"count", "denominator", "geo_code", "year"})
        if wrong:
            raise SchemaError(f"{where}: column {wrong[0]}: numbers of persons expected, got cells in percent.")
        part = _figures(renamed, table, declared, heading, where)
        part["percent"] = [(line, heading) in shown for line in renamed.index]
        parts.append(part)
    frame = pd.concat(parts, ignore_index=True)
    read = {name for _, names in layouts for name in names}
    frame.attrs["left out"] = [heading for heading in cells.columns if heading not in read]
    return frame, table


def _figures(renamed: pd.DataFrame, table: Table, declared: Metadata, heading: str, where: str) -> pd.DataFrame:
    """The figures of one column of values, its companions under the template's names."""
    values, flags = parse_numbers(renamed["value"].rename(heading), table, where=where, advice=METADATA)
    frame = pd.DataFrame({"line": renamed.index, "geo_code": renamed["geo_code"].str.strip(), "column": heading})
    frame["name"] = renamed["name"].str.strip() if "name" in renamed else ""
    frame = frame.assign(value=values, flag=_flags(renamed, flags, where))
    blank = msgspec.structs.replace(table, missing={"": "unavailable", **table.missing})
    for name in _NUMBERS:
        frame[name] = (
            parse_numbers(renamed[name], blank, where=where, advice=METADATA)[0] if name in renamed else float("nan")
        )
    figure = declared.figures.get(heading, Figure())
    for name, form, expected in (("sex", "_T|F|M", "F, M or _T"), ("age", _AGE, "Y18T29, Y_GE60, Y_LT18 or _T")):
        usual = getattr(figure, name) or TOTAL
        words = (
            renamed[name].str.strip().replace("", TOTAL) if name in renamed else pd.Series(usual, index=renamed.index)
        )
        _refuse(words.rename(name), ~words.str.fullmatch(form).astype(bool), f"expected {expected}", where)
        frame[name] = words
    frame["year"] = figure.year or _years(renamed, declared, where)
    frame["indicator"] = figure.indicator or (renamed["indicator"].str.strip() if "indicator" in renamed else "")
    return frame


def _layouts(
    cells: pd.DataFrame, asked: Mapping[str, str | None], declared: Metadata, where: str
) -> list[tuple[str, dict[str, str]]]:
    """Each column of values, and the template's name of the columns that go with it, by heading.

    A long table has one; a wide one has as many as the metadata declares in `[figures]`.
    """
    headings = list(cells.columns)
    twice = [heading for heading in headings if headings.count(heading) > 1]
    if twice:
        raise SchemaError(f"{where}: several columns are called {twice[0]!r}. Rename one of them.")
    if not declared.figures:
        names = _names(cells, asked, where)
        return [(next(heading for heading, name in names.items() if name == "value"), names)]
    companions = [
        text
        for figure in declared.figures.values()
        for text in (figure.count, figure.denominator, figure.lower, figure.upper)
        if text
    ]
    strangers = [heading for heading in [*declared.figures, *companions] if heading not in headings]
    if strangers:
        raise SchemaError(
            f"{where}: [figures]: no column {strangers[0]!r}. {did_you_mean(strangers[0], headings, limit=30)}"
        )
    # what is common to all figures: codes, names, sexes; the rest of a wide table is left aside
    common = {}
    for heading in headings:
        name = asked.get(heading, heading.casefold()) or ""
        if heading not in (*declared.figures, *companions) and name in COLUMNS and name != "value":
            common[heading] = name
    if "geo_code" not in common.values():
        raise SchemaError(
            f"{where}: no column geo_code. Columns of the file: {', '.join(headings)}. Say which has the codes (in the "
            'metadata: [columns], "HEADING" = "geo_code").'
        )
    layouts = []
    for heading, figure in declared.figures.items():
        own = {getattr(figure, name): name for name in _NUMBERS if getattr(figure, name)}
        layouts.append((heading, {**common, **own, heading: "value"}))
    return layouts


def table_of(path: Path, content: bytes, declared: Metadata, asked: Mapping[str, str | None], *, where: str) -> Table:
    """How the file is written: what the metadata says, and where its headings are found.

    Parameters
    ----------
    path : Path
    content : bytes
    declared : Metadata
    asked : mapping of str to str or None
        Heading to column of the template.
    where : str

    Returns
    -------
    Table

    Raises
    ------
    SchemaError
        Several sheets, and no or several that have the template's headings.
    UnknownNameError
        Another suffix.
    """
    suffix = path.suffix.lower()
    above, wide = (declared.header_line or 1) - 1, bool(declared.figures)
    markers = missing_markers(declared, MISSING)
    if suffix in _TEXTS:
        table = Table(
            separator=declared.separator or ";",
            encoding=declared.encoding or "utf-8-sig",
            decimal=declared.decimal or ",",
            missing=markers,
            header_row=above,
        )
        if declared.header_line is None and content.strip():
            lines = decode(content, table.encoding, where=where, advice=METADATA).split("\n")[:_LINES_ABOVE]
            found = _header_row([line.split(table.separator) for line in lines], asked, wide=wide)
            table = msgspec.structs.replace(table, header_row=found or 0)
        return table
    if suffix not in _WORKBOOKS:
        raise UnknownNameError(f"{where}: unknown suffix {suffix!r}. {did_you_mean(suffix, (*_TEXTS, *_WORKBOOKS))}")
    book = open_workbook(content, where=where)
    sheets = [declared.sheet] if declared.sheet else list(book.sheet_names)
    headers = {
        name: _header_row(sheet_rows(content, name, where=where)[:_LINES_ABOVE], asked, wide=wide) for name in sheets
    }
    found_in = [name for name, row in headers.items() if row is not None]
    if len(found_in) != 1 and len(sheets) > 1:
        which = "several sheets have" if found_in else "no sheet has"
        raise SchemaError(
            f"{where}: {which} the columns geo_code and value; the workbook has {sheets}. Say which to read: "
            "`sheet` in the metadata, and `header_line` if its headings are not on the first line."
        )
    sheet = found_in[0] if found_in else sheets[0]
    # a workbook holds numbers, which are read with a point whatever the spreadsheet shows
    row = above if declared.header_line else headers[sheet] or 0
    return Table(sheet=sheet, decimal=".", missing=markers, header_row=row)


def _header_row(rows: Sequence[Sequence[object]], asked: Mapping[str, str | None], *, wide: bool) -> int | None:
    """The first row, from 0, that has the columns of the template; none if no row has. A wide table has no `value`."""
    for number, row in enumerate(rows):
        cells = [str(cell).strip().strip('"').strip() for cell in row]
        names = [asked.get(cell, cell.casefold()) for cell in cells]
        if "geo_code" in names and (wide or "value" in names):
            return number
    return None


def _names(cells: pd.DataFrame, asked: Mapping[str, str | None], where: str) -> dict[str, str]:
    """The template's name of each column that is read."""
    strangers = [heading for heading in asked if heading not in cells]
    if strangers:
        raise SchemaError(
            f"{where}: no column {strangers[0]!r} to map. {did_you_mean(strangers[0], cells.columns, limit=30)}"
        )
    names = {heading: asked.get(heading, str(heading).casefold()) or "" for heading in cells.columns}
    unknown = [heading for heading, name in names.items() if name and name not in COLUMNS]
    if unknown:
        first = unknown[0]
        raise SchemaError(
            f"{where}: unknown column {first!r}. {did_you_mean(names[first], COLUMNS, limit=20)} Give "
            f"mapping={{{first!r}: 'a column of the template'}}, or None to leave it out; a table with one column a "
            'figure or a year is declared in the metadata, one [figures."HEADING"] a column; headings that are not on '
            "the first line, by `header_line`. `qpv-sante import --template FILE` writes an example."
        )
    given = [name for name in names.values() if name]
    absent = [name for name in ("geo_code", "value") if name not in given]
    twice = [name for name in COLUMNS if given.count(name) > 1]
    if absent or twice:
        problem = f"no column {' nor '.join(absent)}" if absent else f"several columns for {twice[0]}"
        raise SchemaError(f"{where}: {problem}. Columns of the file: {', '.join(map(str, cells.columns))}.")
    return {heading: name for heading, name in names.items() if name}


def _refuse(cells: pd.Series, bad: pd.Series, expected: str, where: str) -> None:
    if bad.any():
        line = cells.index[bad][0]
        raise SchemaError(
            f"{where}: column {cells.name}, line {line}: {cells[line]!r}; {expected}. {int(bad.sum())} such cells. "
            "Nothing was stored."
        )


def _flags(renamed: pd.DataFrame, flags: pd.Series, where: str) -> pd.Series:
    """Flags of missing markers, refined by the column `flag` on values that are there."""
    if "flag" not in renamed:
        return flags
    told = renamed["flag"].str.strip()
    valid = [flag for flag in FLAGS if flag not in MISSING_FLAGS]
    present = flags == "observed"
    _refuse(renamed["flag"], present & ~told.isin(["", *valid]), f"expected {', '.join(valid)} or blank", where)
    _refuse(
        renamed["flag"],
        ~present & ~told.isin(["", *MISSING_FLAGS]),
        f"expected {', '.join(MISSING_FLAGS)} or blank",
        where,
    )
    return flags.mask(told != "", told)


def _years(renamed: pd.DataFrame, declared: Metadata, where: str) -> pd.Series:
    if "year" in renamed:
        words = renamed["year"].str.strip()
        words = words.replace({text: str(year) for text, year in declared.years.items()})
        expected = (
            "expected a year in four digits. If it is a period, say under which year it is stored (in the metadata: "
            '[years], "2018-2022" = 2020)'
        )
        _refuse(words, ~words.str.fullmatch(r"(?:19|20)[0-9]{2}").astype(bool), expected, where)
        return words.astype(int)
    if declared.year is None:
        raise SchemaError(f"{where}: no year. Give the column `year`, or `year` in the metadata.")
    return pd.Series(declared.year, index=renamed.index)


def write_template(path: Path | str) -> tuple[Path, Path]:
    """Write an example of the table and, beside it, of its metadata: together they are a valid import.

    Parameters
    ----------
    path : Path or str
        `.csv`; the metadata has the same name and the suffix `.toml`.

    Returns
    -------
    table, metadata : Path

    Raises
    ------
    UnknownNameError
        Another suffix.
    StoreError
        A file is there already, or cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() != ".csv":
        raise UnknownNameError(
            f"Cannot write {path.name}: the template is a .csv; a .xlsx of the same columns is read too."
        )
    both = path, path.with_suffix(".toml")
    there = [one.name for one in both if one.exists()]
    if there:
        raise StoreError(f"{' and '.join(there)} would be overwritten; choose another name for the template.")
    folder = files("qpv_sante") / "templates"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        both[0].write_text((folder / "import.csv").read_text(encoding="utf-8"), encoding="utf-8-sig")
        both[1].write_text((folder / "import.toml").read_text(encoding="utf-8"), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error}") from error
    return both
