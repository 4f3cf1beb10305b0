"""Where a figure is written: the cells of a producer's file that gave it, found by the readers' own functions.

One function a file shape, as for reading. Nothing is parsed in another way here: what a file looks like is in the
catalogue, and the functions that read its cells are those of the build.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante.catalogue import Series, Source, Table, Vintage, catalogue
from qpv_sante.content import open_member, open_workbook
from qpv_sante.readers import geoclip
from qpv_sante.readers.answers import read_counts
from qpv_sante.readers.cells import find_column, format_names, parse_numbers, read_text_csv, read_text_sheet
from qpv_sante.readers.long import correct, describe_cells, plain
from qpv_sante.readers.opendatasoft import read_text_records


@dataclass(frozen=True)
class Cell:
    """A cell as it is published.

    Attributes
    ----------
    role : str
        `value`, `numerator`, `denominator`, `note`, `step`, `lower`, `upper`, `n` or `count`.
    column : str
        Its heading.
    row : int
        Line of the file from 1, row of the sheet, or rank of the record.
    text : str
    """

    role: str
    column: str
    row: int
    text: str


@dataclass(frozen=True)
class Origin:
    """The cells of a figure, and what they give.

    Attributes
    ----------
    table : Table
        How the file writes numbers and missing ones.
    member, sheet : str
        Where the cells are, in a zip or a workbook.
    cells : list of Cell
    hint : str
        What is particular: `record`, `template`, `reader` or `none` (the file has no line, and so zero).
    """

    table: Table = field(default_factory=Table)
    member: str = ""
    sheet: str = ""
    cells: list[Cell] = field(default_factory=list)
    hint: str = ""

    def parts(self) -> list[list[Cell]]:
        """The cells that make the value: of one column, or of a numerator then of a denominator."""
        by_role = [[cell for cell in self.cells if cell.role == role] for role in ("value", "numerator", "denominator")]
        return by_role[:1] if by_role[0] else by_role[1:]

    @property
    def column(self) -> str:
        """The columns, as they are calculated: `A + B / C`."""
        return " / ".join(" + ".join(dict.fromkeys(cell.column for cell in part)) for part in self.parts())

    @property
    def text(self) -> str:
        """The cells as published, as they are calculated: `12 + 8 / 1 056`."""
        return " / ".join(" + ".join(cell.text for cell in part) for part in self.parts())

    def value(self) -> float:
        """What the cells give by the readers' own rules; missing where a marker stands or nothing is divided.

        Raises
        ------
        SchemaError
            A cell is neither a number nor a declared marker.
        """
        sums = []
        for part in self.parts():
            texts = pd.Series([cell.text for cell in part], name=part[0].column, dtype="str")
            sums.append(float(parse_numbers(texts, self.table, where=self.member)[0].sum(skipna=False)))
        if len(sums) == 1:
            return sums[0]
        return 100 * sums[0] / sums[1] if sums[1] else math.nan


@dataclass(frozen=True)
class Wanted:
    """A figure to find again.

    Attributes
    ----------
    source, vintage : Source, Vintage
    figure : mapping
        A row of the long table.
    path : Path
        The verified file that gave it.
    """

    source: Source
    vintage: Vintage
    figure: Mapping[Any, Any]
    path: Path

    @property
    def where(self) -> str:
        """Edition and file, for messages."""
        return f"{self.source.key(self.vintage)}, {self.path.name}"

    def series(self) -> list[Series]:
        """The series of the catalogue that may have given the figure."""
        wanted = self.figure["indicator"], self.figure["year"]
        return [
            one
            for indicator, one in catalogue().series_in(self.source.id, self.vintage.id)
            if (indicator.id, one.years.get(self.vintage.id, self.vintage.year)) == wanted
            if not one.geo_levels or self.figure["geo_level"] in one.geo_levels
        ]

    def tables(self) -> list[Table]:
        """The tables of the edition at the figure's level and zoning."""
        wanted = self.figure["geo_level"], self.figure["geo_vintage"]
        return [one for one in self.source.tables_of(self.vintage) if (one.geo_level, one.geo_vintage) == wanted]

    def read(self, pattern: str | None = None) -> tuple[bytes, str]:
        """Bytes of the file or of a member, and the member's full name."""
        member = pattern and format_names([pattern], self.vintage.year)[0]
        with open_member(self.path, member) as stream:
            name = stream.name if isinstance(stream, zipfile.ZipExtFile) else ""
            return stream.read(), name or ""


def locate(wanted: Wanted) -> Origin:
    """The cells that gave a figure.

    Parameters
    ----------
    wanted : Wanted

    Returns
    -------
    Origin
        Without cells if the figure has none: its `hint` says why, or is empty if the line is not there.

    Raises
    ------
    SchemaError
        The file has not the declared form any more.
    DownloadError
        The file cannot be opened.
    """
    return _SHAPES.get(wanted.source.reader, _elsewhere)(wanted)


def declared_column(wanted: Wanted) -> str:
    """The columns that the catalogue names, where the file is not there to say how it spells them."""
    for one in wanted.series():
        # a long list of accepted spellings is one column
        parts = [one.column[:1]] if one.column else [one.numerator, one.denominator[:1]]
        return " / ".join(" + ".join(format_names(names, wanted.vintage.year)) for names in parts)
    return ""


def _cells(frame: pd.DataFrame, row: int, roles: list[tuple[str, list[str]]], wanted: Wanted) -> Iterator[Cell]:
    """The cells of a line; a column that an edition does not have is left out, unless it makes the value."""
    present = {str(name).casefold() for name in frame.columns}
    for role, declared in roles:
        names = format_names(declared, wanted.vintage.year)
        if names and (role in ("value", "numerator") or any(name.strip().casefold() in present for name in names)):
            column = find_column(frame, names, where=wanted.where)
            yield Cell(role, column, row, str(frame.loc[row, column]))


def _in_wide(wanted: Wanted) -> Origin:
    read = read_text_sheet if wanted.source.reader == "wide_workbook" else read_text_csv
    classes = wanted.figure["sex"], wanted.figure["age"]
    chosen = [one for one in wanted.series() if (one.sex, one.age) == classes]
    for table in wanted.tables() if chosen else []:
        content, member = wanted.read(table.member)
        frame = read(content, table, where=wanted.where)
        codes = frame[find_column(frame, [table.code], where=wanted.where)].str.strip()
        rows = codes.index[(codes.replace(table.recode) == wanted.figure["geo_code"]) & ~codes.isin(table.totals)]
        if not len(rows):
            continue
        one = chosen[0]
        roles = [("value", one.column)] if one.column else [("numerator", [name]) for name in one.numerator]
        roles += [("denominator", one.denominator), ("step", one.step)]
        roles += [("note", table.notes[one.note].column)] if one.note else []
        return Origin(table, member, table.sheet or "", list(_cells(frame, int(rows[0]), roles, wanted)))
    return Origin()


def _in_long(wanted: Wanted) -> Origin:
    form, where, figure = wanted.source.long, wanted.where, wanted.figure
    tables = {str(table.geo_level): table for table in wanted.source.tables_of(wanted.vintage)}
    content, member = wanted.read()
    records = wanted.source.reader == "opendatasoft_records"
    if records:
        published = read_text_records(content, where=where)
    else:
        published = read_text_csv(content, next(iter(tables.values())), where=where)
    if form is None:
        return Origin()
    frame, _ = correct(published, form.corrections, where=where)
    frame = frame[frame[find_column(frame, form.year, where=where)].str.strip() == str(wanted.vintage.year)]
    for one in wanted.series():
        chosen = pd.Series(True, index=frame.index)
        for column, texts in one.cells.items():
            chosen &= plain(frame[find_column(frame, [column], where=where)]).isin(plain(pd.Series(texts)))
        here = describe_cells(frame[chosen], form, tables, where=where)
        for name in ("geo_level", "geo_code", "sex", "age", "category"):
            here = here[here[name] == figure[name]]
        if len(here):
            roles = [("value", one.column), ("denominator", one.denominator), ("n", form.sample_size)]
            roles += [("lower", form.lower), ("upper", form.upper), ("count", form.count)]
            # as published: before what the catalogue puts right
            cells = list(_cells(published, int(here.index[0]), roles, wanted))
            return Origin(tables[str(figure["geo_level"])], member, "", cells, "record" if records else "")
    return Origin()


def _in_answers(wanted: Wanted) -> Origin:
    form, figure, where = wanted.source.sheets, wanted.figure, wanted.where
    content, member = wanted.read()
    if form is None:
        return Origin()
    labels = {age: label for label, age in form.ages.items()}
    for one in wanted.series():
        for table in wanted.tables():
            if table.sheet != one.sheet or figure["age"] not in labels:
                continue
            rows = open_workbook(content, where=where).get_sheet_by_name(table.sheet).to_python(skip_empty_area=False)
            counts = read_counts(rows, table, form, where=where)
            here = counts[(counts["geo_code"] == figure["geo_code"]) & (counts["age"] == figure["age"])]
            if here.empty:
                continue
            lines, label = here.set_index("answer")["line"], labels[figure["age"]]
            texts = read_text_sheet(content, table, where=where)[label]
            cells = [
                Cell(role, f"{label} ({answer})", int(lines[answer]), str(texts[lines[answer]]))
                for role, answers in (("numerator", one.numerator), ("denominator", one.denominator))
                for answer in answers
            ]
            return Origin(table, member, str(table.sheet), cells)
    return Origin()


def _in_facilities(wanted: Wanted) -> Origin:
    """Facilities: the lines of a kind, or of several, in a place add up, and no line is zero."""
    for one in wanted.series():
        for table in wanted.tables():
            content, member = wanted.read(table.member)
            frame = read_text_csv(content, table, where=wanted.where)
            places = frame[find_column(frame, [table.code], where=wanted.where)].str.strip()
            chosen = places.str.replace("_", "", regex=False) == wanted.figure["geo_code"]
            for column, kinds in one.cells.items():
                chosen &= frame[find_column(frame, [column], where=wanted.where)].str.strip().isin(kinds)
            rows = frame.index[chosen]
            cells = [cell for row in rows for cell in _cells(frame, int(row), [("value", one.column)], wanted)]
            return Origin(table, member, "", cells, "" if cells else "none")
    return Origin()


def _in_export(wanted: Wanted) -> Origin:
    content, _ = wanted.read()
    # an import says in its record how its file was read
    form = next((table for table in wanted.tables() if table.missing), None)
    if form is None:
        export = geoclip.read_export(content, where=wanted.where)
    else:
        export = geoclip.read_export(content, where=wanted.where, form=form, separator=form.separator, sheet=form.sheet)
    codes = export.cells["Code"].str.strip()
    rows = codes.index[codes == wanted.figure["geo_code"]]
    # an import has one series a year, which names its heading
    for one in wanted.series() if len(rows) else []:
        cells = list(_cells(export.cells, int(rows[0]), [("value", one.column)], wanted))
        return Origin(export.form, cells=cells)
    return Origin()


def _in_template(wanted: Wanted) -> Origin:
    return Origin(hint="template")


def _elsewhere(wanted: Wanted) -> Origin:
    return Origin(hint="reader")


_SHAPES: dict[str, Callable[[Wanted], Origin]] = {
    "wide_csv": _in_wide,
    "wide_workbook": _in_wide,
    "opendatasoft_csv": _in_long,
    "opendatasoft_records": _in_long,
    "answer_sheets": _in_answers,
    "facility_counts": _in_facilities,
    "geoclip": _in_export,
    "import_template": _in_template,
}
