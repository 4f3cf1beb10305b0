"""The documented form of an analyst's own table: reading it, and writing an example of it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Literal

import pandas as pd

from qpv_sante.catalogue import Table
from qpv_sante.content import open_workbook
from qpv_sante.errors import OutputError, SchemaError, StoreError, UnknownNameError, did_you_mean
from qpv_sante.imports.metadata import MISSING, Metadata, missing_markers
from qpv_sante.observations import FLAGS, MISSING_FLAGS, TOTAL
from qpv_sante.readers.cells import parse_numbers, read_text_csv, read_text_sheet

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
    "name": "name of the territory, not read",
}
_NUMBERS = ("count", "denominator", "lower", "upper")
_AGE = r"_T|Y\d+T\d+|Y_(?:LT|GE)\d+"


def read_template(
    path: Path, content: bytes, declared: Metadata, mapping: Mapping[str, str | None] | None, *, where: str
) -> pd.DataFrame:
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
    DataFrame
        `line, geo_code, column, year, sex, age, value, lower, upper, count, denominator, flag`, and `indicator`
        (blank where the file does not say).

    Raises
    ------
    SchemaError
        Another column than those of the template, no year, or a cell that is neither a number nor a
        declared marker.
    """
    cells = _cells(path, content, declared, where)
    renamed = _renamed(cells, {**declared.columns, **(mapping or {})}, where)
    table = Table(decimal=_decimal(path, declared), missing=missing_markers(declared, MISSING))
    declare = "the `[missing]` table of the import's metadata"
    values, flags = parse_numbers(renamed["value"], table, where=where, declare_in=declare)
    frame = pd.DataFrame({"line": renamed.index, "geo_code": renamed["geo_code"].str.strip(), "column": "value"})
    frame = frame.assign(value=values, flag=_flags(renamed, flags, where))
    blank = Table(decimal=table.decimal, missing={"": "unavailable", **table.missing})
    for name in _NUMBERS:
        found = (
            parse_numbers(renamed[name], blank, where=where, declare_in=declare)[0] if name in renamed else float("nan")
        )
        frame[name] = found
    for name, form, expected in (("sex", "_T|F|M", "F, M or _T"), ("age", _AGE, "Y18T29, Y_GE60, Y_LT18 or _T")):
        words = (
            renamed[name].str.strip().replace("", TOTAL) if name in renamed else pd.Series(TOTAL, index=renamed.index)
        )
        _refuse(words, ~words.str.fullmatch(form).astype(bool), f"expected {expected}", where)
        frame[name] = words
    frame["year"] = _years(renamed, declared, where)
    frame["indicator"] = renamed["indicator"].str.strip() if "indicator" in renamed else ""
    return frame.reset_index(drop=True)


def _cells(path: Path, content: bytes, declared: Metadata, where: str) -> pd.DataFrame:
    suffix = path.suffix.lower()
    if suffix in (".csv", ".txt"):
        table = Table(separator=declared.separator, encoding=declared.encoding)
        return read_text_csv(content, table, where=where)
    if suffix in (".xlsx", ".xls"):
        return read_text_sheet(content, Table(sheet=declared.sheet or _first_sheet(content, where)), where=where)
    raise UnknownNameError(f"{where}: unknown suffix {suffix!r}. {did_you_mean(suffix, ('.csv', '.xlsx', '.xls'))}")


def _first_sheet(content: bytes, where: str) -> str:
    return str(open_workbook(content, where=where).sheet_names[0])


def _decimal(path: Path, declared: Metadata) -> Literal[",", "."]:
    # a workbook holds numbers, which are read with a point whatever the spreadsheet shows
    return declared.decimal if path.suffix.lower() in (".csv", ".txt") else "."


def _renamed(cells: pd.DataFrame, asked: Mapping[str, str | None], where: str) -> pd.DataFrame:
    """The columns under the template's names."""
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
            f"mapping={{{first!r}: 'a column of the template'}}, or None to leave it out. "
            "`qpv-sante import --template FILE` writes an example."
        )
    given = [name for name in names.values() if name]
    absent = [name for name in ("geo_code", "value") if name not in given]
    twice = [name for name in COLUMNS if given.count(name) > 1]
    if absent or twice:
        problem = f"no column {' nor '.join(absent)}" if absent else f"several columns for {twice[0]}"
        raise SchemaError(f"{where}: {problem}. Columns of the file: {', '.join(map(str, cells.columns))}.")
    return cells[[heading for heading, name in names.items() if name]].rename(columns=names)


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
        _refuse(words, ~words.str.fullmatch(r"(?:19|20)\d{2}").astype(bool), "expected a year in four digits", where)
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
