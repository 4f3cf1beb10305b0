"""Long tables: one row a cell, columns that say whom it describes, then figures."""

from __future__ import annotations

import logging
import re

import msgspec
import pandas as pd

from qpv_sante import observations
from qpv_sante.catalogue import Indicator, Series, Source, Table, Vintage, catalogue
from qpv_sante.errors import CatalogueError, SchemaError
from qpv_sante.forms import Correction, Dimension, LongForm, Place
from qpv_sante.geography import check_codes
from qpv_sante.observations import TOTAL
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import find_column, parse_numbers
from qpv_sante.readers.denominators import check_ceilings, check_same, check_whole_and_parts

log = logging.getLogger(__name__)

_STOPPED = "Nothing of this source was stored."
# 05-sept, oct-14, 2020-05-09: what a spreadsheet makes of the age classes 05-09 and 10-14
_DATE = re.compile(r"\d{1,2}[-/ ][a-zéû]{3,5}\.?|[a-zéû]{3,5}\.?[-/ ]\d{2,4}|\d{4}-\d{2}-\d{2}.*", re.IGNORECASE)
_CELL = ["geo_level", "geo_code", "sex", "age", "category"]


def plain(cells: pd.Series) -> pd.Series:
    """Labels that differ only by typography made equal: apostrophes, no-break and outer spaces.

    Examples
    --------
    >>> plain(pd.Series(["Vous êtes à l’aise ", "Provence-Alpes-Côte d'Azur"])).tolist()
    ["Vous êtes à l'aise", "Provence-Alpes-Côte d'Azur"]
    """
    # thousands of rows repeat a few labels
    return cells.map({label: _plain(label) for label in cells.unique()})


def _plain(label: str) -> str:
    return re.sub(r"\s+", " ", re.sub("[’ʼ]", "'", label)).strip()


def tables_of_cells(frame: pd.DataFrame, source: Source, vintage: Vintage, *, where: str) -> Tables:
    """A long table of text as rows of ours.

    Parameters
    ----------
    frame : DataFrame of str
        One row a cell; the index gives line numbers.
    source, vintage : Source, Vintage
        `source.long` says which columns mean what, and each table is one geographic level. Rows of
        another year belong to another edition.
    where : str
        For messages.

    Returns
    -------
    Tables
        `observations`; `codes` with the producer's own classification of territories, if declared;
        `counts` of rows read, repaired and left out.

    Raises
    ------
    SchemaError
        A column, class, code or marker that is not declared, a crossing where margins were declared,
        a duplicate, or a whole that is smaller than its parts.
    """
    form = source.long
    if form is None:
        raise CatalogueError(f"source.{source.id}: the reader needs a [source.{source.id}.long] record.")
    counts = {"rows read": len(frame)}
    frame, repaired = correct(frame, form.corrections, where=where)
    counts |= repaired
    years = frame[find_column(frame, form.year, where=where)].str.strip()
    counts["rows of other years"] = int((years != str(vintage.year)).sum())
    if counts["rows of other years"] == len(frame):
        raise SchemaError(f"{where}: no row of {vintage.year}; years of the file: {sorted(years.unique())[:12]}.")
    frame = frame[years == str(vintage.year)]
    tables = {str(table.geo_level): table for table in source.tables_of(vintage)}
    cells = describe_cells(frame, form, tables, where=where)
    reader = _Figures(frame, cells, form, where)
    series = catalogue().series_in(source.id, vintage.id)
    found = [
        reader.rows(indicator, one, tables[level]).assign(year=one.years.get(vintage.id, vintage.year))
        for indicator, one in series
        for level in tables
        if not one.geo_levels or level in one.geo_levels
    ]
    counts["rows of other subjects or levels"] = len(frame) - len(reader.used)
    counts["values missing"] = int(sum(rows["value"].isna().sum() for rows in found))
    long = pd.concat(found, ignore_index=True).assign(source=source.key(vintage))
    if form.sample_size:
        check_whole_and_parts(long, "n", 0.0, where=where)
    if long["denominator"].notna().any():
        check_same(long, where=where)
        check_whole_and_parts(long, "denominator", form.rounded_to or 0.0, where=where)
        if form.population_tolerance:
            checked = check_ceilings(long, form.population_tolerance, where=where)
            counts["denominators held against the population"] = checked
    long = long.sort_values(["sex", "age", "category"], kind="stable")
    codes = {}
    if form.classification:
        codes[f"{source.id}_classification"] = reader.classification(source.key(vintage), vintage.year)
    return Tables(observations=observations.tidy(long), codes=codes, counts=counts)


def correct(frame: pd.DataFrame, corrections: list[Correction], *, where: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Damaged cells put right as the catalogue declares, and counted.

    A correction that finds nothing is told in the log: the producer may have repaired its file, and
    the record can go.

    Raises
    ------
    SchemaError
        A damaged cell whose row does not confirm the repair.
    """
    counts = {}
    for one in corrections:
        column = find_column(frame, [one.column], where=where)
        damaged = frame[column].str.strip() == one.found
        for other, expected in one.confirmed_by.items():
            witness = plain(frame.loc[damaged, find_column(frame, [other], where=where)])
            against = witness[witness != _plain(expected)]
            if len(against):
                raise SchemaError(
                    f"{where}: column {column}, line {against.index[0]}: {one.found!r} would become {one.becomes!r}, "
                    f"but {other} says {against.iloc[0]!r}, not {expected!r}. {_STOPPED}"
                )
        if not damaged.any():
            log.warning("%s: the correction of %s %r finds nothing and may be removed.", where, column, one.found)
        counts[f"{column}: {one.found} repaired as {one.becomes}"] = int(damaged.sum())
        frame = frame.assign(**{column: frame[column].mask(damaged, one.becomes)})
    return frame, counts


def describe_cells(frame: pd.DataFrame, form: LongForm, tables: dict[str, Table], *, where: str) -> pd.DataFrame:
    """Whom each row describes.

    Returns
    -------
    DataFrame
        `geo_level, geo_code, parent, sex, age, category`, indexed as the frame; `parent` is the code
        at the next coarser level.

    Raises
    ------
    SchemaError
        An undeclared class or code, or a row that crosses dimensions declared as margins.
    """
    cells = _places(frame, form.places, tables, where=where)
    margins = {}
    category = pd.Series(TOTAL, index=frame.index)
    for dimension in form.dimensions:
        column = find_column(frame, dimension.column, where=where)
        codes = _classes(frame[column], dimension, where=where)
        if dimension.name in ("sex", "age"):
            cells[dimension.name] = codes
        else:
            category = category.where(codes == TOTAL, dimension.name + ":" + codes)
        if dimension.name not in form.crossed:
            margins[column] = codes != TOTAL
    if "geography" not in form.crossed:
        column = find_column(frame, form.places[0].column, where=where)
        margins[column] = cells["geo_level"] != form.places[-1].level
    if margins:
        crossing = pd.DataFrame(margins)
        bad = crossing.index[crossing.sum(axis=1) > 1]
        if len(bad):
            line = bad[0]
            named = [f"{name} = {frame.loc[line, name]!r}" for name in crossing.columns[crossing.loc[line]]]
            raise SchemaError(
                f"{where}: line {line} crosses {' and '.join(named)}, where the catalogue declares margins: one "
                f"dimension at a time. {len(bad)} such rows. Margins must not be summed as a crossing. {_STOPPED}"
            )
    return cells.assign(category=category).reindex(columns=[*_CELL, "parent"], fill_value=TOTAL)


def _classes(cells: pd.Series, dimension: Dimension, *, where: str) -> pd.Series:
    meaning = {_plain(label): code for label, code in dimension.values.items()}
    if dimension.total is not None:
        meaning[_plain(dimension.total)] = TOTAL
    text = plain(cells)
    codes = text.map(meaning)
    unknown = cells[codes.isna()]
    if len(unknown):
        cell = unknown.iloc[0]
        hint = ""
        if _DATE.fullmatch(cell.strip()):
            hint = "It looks like a date that a spreadsheet made of a class: declare a correction with its reason. "
        raise SchemaError(
            f"{where}: column {cells.name}, line {unknown.index[0]}: {cell!r} is not a declared class of "
            f"{dimension.name}; {len(unknown)} such cells. Declared: {list(meaning)}. {hint}{_STOPPED}"
        )
    return codes


def _places(frame: pd.DataFrame, places: list[Place], tables: dict[str, Table], *, where: str) -> pd.DataFrame:
    """Level, code and parent of each row, finest level first."""
    result = pd.DataFrame({"geo_level": "", "geo_code": "", "parent": ""}, index=frame.index)
    free = pd.Series(True, index=frame.index)
    for number, place in enumerate(places):
        if place.column:
            cells = frame[find_column(frame, place.column, where=where)]
            here = free & (plain(cells) != _plain(place.total)) if place.total is not None else free
            codes = _place_codes(cells[here], place, where=where)
            _check_places(cells[here], codes, place, int(tables[place.level].geo_vintage or 0), where=where)
        else:
            here, codes = free, pd.Series(str(place.code), index=frame.index[free])
        result.loc[here, "geo_level"] = place.level
        result.loc[here, "geo_code"] = codes
        if number + 1 < len(places):
            above = places[number + 1]
            parents: pd.Series | str = str(above.code)
            if above.column:
                column = find_column(frame, above.column, where=where)
                # a region row of Odissé has no cell of its own for the country: the place above has a code
                parents = _place_codes(frame.loc[here, column], above, where=where)
            result.loc[here, "parent"] = parents
        free = free & ~here
    if free.any():
        line = free.index[free][0]
        raise SchemaError(f"{where}: line {line} belongs to none of the levels {[p.level for p in places]}. {_STOPPED}")
    return result


def _place_codes(cells: pd.Series, place: Place, *, where: str) -> pd.Series:
    text = plain(cells)
    if place.values:
        codes = text.map({_plain(label): code for label, code in place.values.items()})
        unknown = cells[codes.isna()]
        if len(unknown):
            raise SchemaError(
                f"{where}: column {cells.name}, line {unknown.index[0]}: {unknown.iloc[0]!r} is not a declared "
                f"{place.level}; declared: {list(place.values)}. {_STOPPED}"
            )
        return codes
    # leading zeros that a spreadsheet took away
    return text.where(~text.str.fullmatch(r"\d+").astype(bool), text.str.zfill(place.pad)) if place.pad else text


def _check_places(cells: pd.Series, codes: pd.Series, place: Place, vintage: int, *, where: str) -> None:
    try:
        check_codes(codes.drop_duplicates(), place.level, vintage)
    except SchemaError:
        pass  # found again below, with its line
    else:
        return
    for code in codes.unique():
        try:
            check_codes(pd.Series([code]), place.level, vintage)
        except SchemaError as error:
            line = codes.index[codes == code][0]
            raise SchemaError(
                f"{where}: column {cells.name}, line {line}: {cells[line]!r} is not a {place.level} code "
                f"({vintage}). If it stands for a total, declare it as such (`total`). {_STOPPED}"
            ) from error


class _Figures:
    """The figures of a long table, series by series."""

    def __init__(self, frame: pd.DataFrame, cells: pd.DataFrame, form: LongForm, where: str) -> None:
        self.frame, self.cells, self.form, self.where = frame, cells, form, where
        self.used: set[int] = set()
        self.parsed: dict[tuple[str, ...], tuple[pd.Series, pd.Series]] = {}

    def rows(self, indicator: Indicator, one: Series, table: Table) -> pd.DataFrame:
        """Rows of one indicator at one level, with the line they come from."""
        chosen = self.cells["geo_level"] == table.geo_level
        for column, wanted in one.cells.items():
            found = plain(self.frame[find_column(self.frame, [column], where=self.where)])
            chosen &= found.isin([_plain(cell) for cell in wanted])
        if not chosen.any():
            raise SchemaError(
                f"{self.where}: no row of {table.geo_level} where {one.rows}; {indicator.id} cannot be read. {_STOPPED}"
            )
        rows = self.cells[chosen].assign(line=self.frame.index[chosen])
        twice = rows[rows.duplicated(_CELL)]
        if len(twice):
            first = twice.iloc[0]
            raise SchemaError(
                f"{self.where}: {indicator.id}: line {first['line']} repeats a cell: "
                f"{', '.join(str(first[name]) for name in _CELL)}; {len(twice)} such rows. {_STOPPED}"
            )
        self.used.update(rows.index)
        frame = self.frame[chosen]
        values, flags = self._numbers(frame, one.column, table)
        rows = rows.assign(indicator=indicator.id, geo_vintage=table.geo_vintage, value=values, flag=flags)
        rows["denominator"] = self._numbers(frame, one.denominator, table)[0] if one.denominator else float("nan")
        if self.form.sample_size:
            rows["n"] = self._numbers(frame, self.form.sample_size, table)[0]
        if self.form.lower:
            rows = self._bounds(rows, frame, table)
        if self.form.count:
            self._check_ratio(rows, frame, table)
        return rows

    def _numbers(self, frame: pd.DataFrame, names: list[str], table: Table) -> tuple[pd.Series, pd.Series]:
        """Numbers of a column in the chosen rows; the whole column is parsed, once for all levels."""
        column = find_column(self.frame, names, where=self.where)
        key = (column, *sorted(table.missing))
        if key not in self.parsed:
            self.parsed[key] = parse_numbers(self.frame[column], table, where=self.where)
        values, flags = self.parsed[key]
        return values.loc[frame.index], flags.loc[frame.index]

    def _companions(self, rows: pd.DataFrame, frame: pd.DataFrame, names: list[str], table: Table) -> pd.Series:
        """A column that is blank where, and only where, the value is missing."""
        lenient = msgspec.structs.replace(table, missing={**table.missing, "": "unavailable"})
        numbers, _ = self._numbers(frame, names, lenient)
        odd = rows[numbers.isna() != rows["value"].isna()]
        if len(odd):
            line = odd["line"].iloc[0]
            column = find_column(frame, names, where=self.where)
            raise SchemaError(
                f"{self.where}: line {line}: value {odd['value'].iloc[0]} beside {column} = "
                f"{frame.loc[line, column]!r}: one is missing without the other. {_STOPPED}"
            )
        return numbers

    def _bounds(self, rows: pd.DataFrame, frame: pd.DataFrame, table: Table) -> pd.DataFrame:
        """The published interval; where the file also writes it as text, both must agree."""
        lower = self._companions(rows, frame, self.form.lower, table)
        upper = self._companions(rows, frame, self.form.upper, table)
        if self.form.interval_text:
            column = find_column(frame, self.form.interval_text, where=self.where)
            ends = frame[column].str.extract(r"\[\s*(\d+(?:,\d+)?)\s*-\s*(\d+(?:,\d+)?)\s*\]")
            ends = ends.apply(lambda end: end.str.replace(",", ".").astype(float))
            agree = ((ends[0] - lower).abs() < 0.051) & ((ends[1] - upper).abs() < 0.051)
            bad = frame.index[~agree & rows["value"].notna()]
            if len(bad):
                raise SchemaError(
                    f"{self.where}: line {bad[0]}: {column} = {frame.loc[bad[0], column]!r} but the bounds are "
                    f"{lower[bad[0]]} and {upper[bad[0]]}. {_STOPPED}"
                )
        has_bounds = lower.notna()
        return rows.assign(lower=lower, upper=upper, interval=has_bounds.map({True: "sampling", False: "none"}))

    def _check_ratio(self, rows: pd.DataFrame, frame: pd.DataFrame, table: Table) -> None:
        """The published rate must be that of its counts, give or take their rounding."""
        count = self._companions(rows, frame, self.form.count, table)
        half = (self.form.rounded_to or 0.0) / 2
        low = 100 * (count - half) / (rows["denominator"] + half)
        high = 100 * (count + half) / (rows["denominator"] - half)
        bad = rows[(rows["value"] < low - 0.001) | (rows["value"] > high + 0.001)]
        if len(bad):
            first = bad.iloc[0]
            line = first["line"]
            raise SchemaError(
                f"{self.where}: line {line}: {first['indicator']} = {first['value']:g} is not {count[line]:g} over "
                f"{first['denominator']:g}, even with counts rounded to {2 * half:g}; {len(bad)} such rows. {_STOPPED}"
            )

    def classification(self, key: str, year: int) -> pd.DataFrame:
        """The producer's own verdict on each territory, in its own words."""
        column = find_column(self.frame, self.form.classification, where=self.where)
        verdict = self.frame[column].str.strip()
        table = self.cells[_CELL].assign(source=key, year=str(year), classification=verdict)
        return table[verdict != ""].sort_values(["geo_level", "geo_code"], ignore_index=True).astype("str")
