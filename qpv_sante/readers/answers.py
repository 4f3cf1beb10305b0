"""Workbooks of a survey's counts: a sheet a question, rows of territory and answer, a column an age class."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pandas as pd

from qpv_sante import observations
from qpv_sante.catalogue import Indicator, Series, Source, Table, Vintage, catalogue
from qpv_sante.content import open_workbook
from qpv_sante.download import RawFile, open_member
from qpv_sante.errors import CatalogueError, SchemaError
from qpv_sante.forms import SheetForm
from qpv_sante.geography import check_codes
from qpv_sante.observations import TOTAL
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import parse_numbers
from qpv_sante.readers.denominators import check_ceilings, check_same
from qpv_sante.readers.names import hold_names

_STOPPED = "Nothing of this source was stored."


def read(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Shares of answers, from a workbook of counts.

    Parameters
    ----------
    source, vintage : Source, Vintage
        The catalogue's description; see `qpv_sante.forms.SheetForm`. Each table is a sheet.
    raw : RawFile
        The verified workbook.

    Returns
    -------
    Tables
        `observations`: `value` is a percentage of those who live in the territory, `denominator` their
        number; no interval, since none is published. `counts` of cells read and missing, by sheet.

    Raises
    ------
    SchemaError
        A sheet, answer, age class, code or marker that is not declared; answers that do not add up to
        their total; sheets that give the same people two populations.
    """
    form = source.sheets
    if form is None:
        raise CatalogueError(f"source.{source.id}: the reader needs a [source.{source.id}.sheets] record.")
    where = f"{source.key(vintage)}, {raw.path.name}"
    with open_member(raw) as stream:
        book = open_workbook(stream.read(), where=where)
    series = catalogue().series_in(source.id, vintage.id)
    found, counts = [], {"sheets in the workbook": len(book.sheet_names)}
    for table in source.tables_of(vintage):
        if table.sheet not in book.sheet_names:
            raise SchemaError(
                f"{where}: no sheet {table.sheet!r}; the workbook has {book.sheet_names}. {_STOPPED} "
                "If the producer renamed it, correct the catalogue."
            )
        here = f"{where}, sheet {table.sheet}"
        cells = read_counts(
            book.get_sheet_by_name(table.sheet).to_python(skip_empty_area=False), table, form, where=here
        )
        check_total(cells, form, where=here)
        counts[f"{table.sheet}: cells read"] = len(cells)
        counts[f"{table.sheet}: cells missing"] = int(cells["count"].isna().sum())
        for indicator, one in series:
            if one.sheet == table.sheet:
                share = shares(cells, indicator, one, form, where=here)
                found.append(
                    share.assign(
                        year=one.years.get(vintage.id, vintage.year),
                        geo_level=table.geo_level,
                        geo_vintage=table.geo_vintage,
                    )
                )
    long = pd.concat(found, ignore_index=True).assign(source=source.key(vintage), sex=TOTAL, category=TOTAL)
    check_same(long, where=where)
    if form.population_tolerance:
        checked = check_ceilings(long, form.population_tolerance, where=where)
        counts["denominators held against the population"] = checked
    return Tables(observations=observations.tidy(long), counts=counts)


def read_counts(rows: Sequence[Sequence[object]], table: Table, form: SheetForm, *, where: str) -> pd.DataFrame:
    """The counts of one sheet, one row a cell.

    Parameters
    ----------
    rows : sequence of sequences
        The sheet's cells.
    table : Table
        Header row, level, missing markers.
    form : SheetForm
    where : str
        File and sheet, for messages.

    Returns
    -------
    DataFrame
        `geo_code, answer, age, count, flag, line`; the notes under the table are left out.

    Raises
    ------
    SchemaError
        The header is not the declared one, or a cell, code or answer is not what was declared.
    """
    header = [str(cell).strip() for cell in rows[table.header_row]] if len(rows) > table.header_row else []
    if form.territory not in header:
        raise SchemaError(
            f"{where}, row {table.header_row + 1}: expected the header {form.territory!r}, got {header}. {_STOPPED}"
        )
    first = header.index(form.territory)
    # the column of answers has no header
    ages = header[first + 2 :]
    if ages != list(form.ages):
        raise SchemaError(
            f"{where}, row {table.header_row + 1}: age classes {ages}, expected {list(form.ages)}. A class may have "
            f"been renamed, or turned into a date by a spreadsheet. {_STOPPED}"
        )
    body = pd.DataFrame([[_text(cell) for cell in row[first:]] for row in rows[table.header_row + 1 :]], dtype="str")
    body.columns = pd.Index(["territory", "answer", *ages])
    body.index = pd.RangeIndex(table.header_row + 2, table.header_row + 2 + len(body), name="line")
    # notes stand under the table, alone in their row
    body = body[(body.drop(columns="territory") != "").any(axis=1)]
    codes = body["territory"].str.extract(form.code, expand=False)
    bad = body[codes.isna() | (body["answer"] == "")]
    if len(bad):
        raise SchemaError(
            f"{where}, row {bad.index[0]}: {bad.iloc[0].tolist()} does not name a territory and an answer. {_STOPPED}"
        )
    level, vintage = str(table.geo_level), int(table.geo_vintage or 0)
    check_codes(codes, level, vintage, where=where)
    first_rows = ~codes.duplicated()
    names = body["territory"].str.replace(form.code, "", regex=True)
    hold_names(codes[first_rows], names[first_rows], level, vintage, where=where)
    body = body.assign(geo_code=codes)
    twice = body[body.duplicated(["geo_code", "answer"])]
    if len(twice):
        line = twice.index[0]
        raise SchemaError(
            f"{where}, row {line}: {twice['territory'].iloc[0]} and {twice['answer'].iloc[0]!r} appear twice. "
            f"{_STOPPED}"
        )
    parts = []
    for label, age in form.ages.items():
        numbers, flags = parse_numbers(body[label], table, where=where)
        parts.append(body[["geo_code", "answer"]].assign(age=age, count=numbers, flag=flags, line=body.index))
    return pd.concat(parts, ignore_index=True)


def shares(cells: pd.DataFrame, indicator: Indicator, one: Series, form: SheetForm, *, where: str) -> pd.DataFrame:
    """Share of those who gave some answers, among all.

    Parameters
    ----------
    cells : DataFrame
        A sheet, as `read_counts` gives it.
    indicator : Indicator
    one : Series
        `numerator` lists the answers; `denominator` is the total.
    form : SheetForm
    where : str

    Returns
    -------
    DataFrame
        `indicator, geo_code, age, value, flag, denominator, line`.

    Raises
    ------
    SchemaError
        An answer that the sheet has not.
    """
    known = sorted(cells["answer"].unique())
    absent = [name for name in [*one.numerator, *one.denominator] if name not in known]
    if absent or one.denominator != [form.answer_total]:
        raise SchemaError(
            f"{where}: {indicator.id}: no answer {absent or one.denominator}; the sheet has {known}. {_STOPPED}"
        )
    key = ["geo_code", "age"]
    chosen = cells[cells["answer"].isin(one.numerator)].pivot(index=key, columns="answer", values="count")
    # one missing answer makes the sum missing, never a smaller number
    numerator = chosen.sum(axis=1, skipna=False)
    whole = cells[cells["answer"] == form.answer_total].set_index(key)
    missing = cells[cells["count"].isna() & cells["answer"].isin([*one.numerator, form.answer_total])]
    reasons = missing.groupby(key, sort=False)["flag"].first()
    table = whole[["count", "line"]].rename(columns={"count": "denominator"})
    table["value"] = 100 * numerator / table["denominator"]
    table["flag"] = reasons.reindex(table.index).fillna("observed")
    return table.reset_index().assign(indicator=indicator.id)


def check_total(cells: pd.DataFrame, form: SheetForm, *, where: str) -> None:
    """Answers must add up to their total, give or take the rounding of each.

    Raises
    ------
    SchemaError
        An answer is missing from the sheet, counted twice, or the total is that of other people.
    """
    key = ["geo_code", "age"]
    answers = cells[cells["answer"] != form.answer_total]
    added = answers.groupby(key, sort=False)["count"].agg(["sum", "count", "size"])
    whole = cells[cells["answer"] == form.answer_total].set_index(key)[["count", "line"]]
    joined = added.join(whole.rename(columns={"count": "whole"}), how="outer")
    # secrecy hides some answers: the rest can then only fall short
    complete = joined["count"] == joined["size"]
    gap = (joined["sum"] - joined["whole"]).where(complete, (joined["sum"] - joined["whole"]).clip(lower=0)).abs()
    bad = joined[(gap > form.rounded_to / 2 * (joined["size"] + 1)) | joined["whole"].isna() & joined["count"].gt(0)]
    if len(bad):
        code, age = bad.index[0]
        one = bad.iloc[0]
        raise SchemaError(
            f"{where}, row {one['line']:g}: {code}, {age}: answers add up to {one['sum']:g} but "
            f"{form.answer_total!r} is {one['whole']:g}; {len(bad)} such totals. {_STOPPED}"
        )


def _text(cell: object) -> str:
    """A cell as it would be typed: whole numbers without a decimal point."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else re.sub(r"\s+", " ", str(cell)).strip()
