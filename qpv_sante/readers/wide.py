"""Wide tables: one row a territory, one column a figure (INSEE's CSV and workbooks)."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from qpv_sante import observations
from qpv_sante.catalogue import Indicator, Series, Source, Table, Vintage, catalogue
from qpv_sante.download import RawFile, open_member
from qpv_sante.errors import SchemaError
from qpv_sante.geography import check_codes, department_of_commune, department_of_qpv, is_overseas
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import (
    find_column,
    format_names,
    on_grid,
    parse_numbers,
    qualify,
    read_text_csv,
    read_text_sheet,
)
from qpv_sante.readers.names import hold_names


def read_csv(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Observations of a CSV, or of the CSV members of a zip.

    Parameters
    ----------
    source, vintage : Source, Vintage
        The catalogue's description.
    raw : RawFile
        The verified file.

    Returns
    -------
    Tables
        `observations` and `counts`.

    Raises
    ------
    SchemaError
        The file has not the declared form.
    """
    return _read(source, vintage, raw, read_text_csv)


def read_workbook(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Observations of a workbook's sheets; see `read_csv`."""
    return _read(source, vintage, raw, read_text_sheet)


def _read(source: Source, vintage: Vintage, raw: RawFile, read_text: Callable[..., pd.DataFrame]) -> Tables:
    tables: list[pd.DataFrame] = []
    counts: dict[str, int] = {}
    names: dict[str, list[str]] = {}
    series = catalogue().series_in(source.id, vintage.id)
    for table in source.tables_of(vintage):
        member = table.member and format_names([table.member], vintage.year)[0]
        where = f"{source.key(vintage)}, {member or raw.path.name}"
        with open_member(raw, member) as stream:
            frame = read_text(stream.read(), table, where=where)
        carried = [(i, s) for i, s in series if not s.geo_levels or table.geo_level in s.geo_levels]
        tables.append(melt(frame, source, vintage, table, carried, where=where))
        names |= {f"{i.id} {s.sex} {s.age}": _names_found(frame, s, vintage.year) for i, s in carried}
        name = f"{member or raw.path.name}: "
        dropped = len(frame) - tables[-1]["geo_code"].nunique()
        blank = frame.attrs["blank rows"]
        counts |= {name + "rows read": len(frame) + blank, name + "rows dropped (blank)": blank}
        counts[name + "rows dropped (totals)"] = dropped
    return Tables(observations=observations.concat(tables), counts=counts, names=names)


def _names_found(frame: pd.DataFrame, one: Series, year: int) -> list[str]:
    """Names, as the catalogue writes them, of the columns of a series that the file has."""
    present = {name.casefold() for name in frame.columns}
    wanted = [one.column] if one.column else [[name] for name in one.numerator]
    wanted += [one.denominator] if one.denominator else []
    return [
        next(
            name
            for name, written in zip(names, format_names(names, year), strict=True)
            if written.casefold() in present
        )
        for names in wanted
    ]


def melt(
    frame: pd.DataFrame,
    source: Source,
    vintage: Vintage,
    table: Table,
    series: list[tuple[Indicator, Series]],
    *,
    where: str,
) -> pd.DataFrame:
    """A wide table of text as rows of the long table.

    Parameters
    ----------
    frame : DataFrame of str
        One row a territory.
    source, vintage, table : Source, Vintage, Table
        What the catalogue says of it.
    series : list of (Indicator, Series)
        The figures to take.
    where : str
        For messages.

    Returns
    -------
    DataFrame
        The long table; total rows declared in the catalogue are left out.

    Raises
    ------
    SchemaError
        Missing column, unknown marker or note, duplicate or malformed code, names that contradict their codes.
    """
    if table.geo_level is None or table.geo_vintage is None:
        raise SchemaError(f"{where}: the catalogue gives no geo_level and geo_vintage.")
    code_column = find_column(frame, [table.code], where=where)
    codes = frame[code_column].str.strip().replace(table.recode)
    kept = ~codes.isin(table.totals)
    frame, codes = frame[kept], codes[kept]
    check_codes(codes, table.geo_level, table.geo_vintage, where=where)
    twice = codes[codes.duplicated()]
    if len(twice):
        raise SchemaError(f"{where}: {len(twice)} codes appear twice, first {twice.iloc[0]} (line {twice.index[0]}).")
    labels = [name for name in frame.columns if name.casefold() == table.label.casefold()]
    if labels:
        hold_names(codes, frame[labels[0]], table.geo_level, table.geo_vintage, where=where)
    columns = _Columns(frame, table, vintage.year, where)
    rows = []
    for indicator, one in series:
        measures = columns.ratio(one, indicator) if one.numerator else columns.single(one, indicator)
        rows.append(
            measures.assign(
                geo_code=codes,
                indicator=indicator.id,
                sex=one.sex,
                age=one.age,
                year=one.years.get(vintage.id, vintage.year),
            )
        )
    if not rows:
        raise SchemaError(f"{where}: no indicator of the catalogue is taken from this table.")
    long = pd.concat(rows, ignore_index=True)
    if table.blank_overseas:
        department = department_of_qpv if table.geo_level == "qpv" else department_of_commune
        blank = (
            long["value"].isna() & (long["flag"] == table.missing.get("")) & is_overseas(department(long["geo_code"]))
        )
        long["flag"] = long["flag"].mask(blank, table.blank_overseas)
    return observations.tidy(
        long.assign(source=source.key(vintage), geo_level=table.geo_level, geo_vintage=table.geo_vintage)
    )


class _Columns:
    """The figures of one wide table, each column parsed once."""

    def __init__(self, frame: pd.DataFrame, table: Table, year: int, where: str) -> None:
        self.frame, self.table, self.year, self.where = frame, table, year, where
        self.parsed: dict[str, tuple[pd.Series, pd.Series]] = {}

    def numbers(self, names: list[str]) -> tuple[pd.Series, pd.Series]:
        column = find_column(self.frame, format_names(names, self.year), where=self.where)
        if column not in self.parsed:
            self.parsed[column] = parse_numbers(self.frame[column], self.table, where=self.where)
        return self.parsed[column]

    def qualified(self, one: Series, values: pd.Series, flags: pd.Series) -> tuple[pd.Series, pd.Series]:
        if one.note is None:
            return values, flags
        note = self.table.notes[one.note]
        names = format_names(note.column, self.year)
        present = {name.casefold() for name in self.frame.columns}
        if note.optional and not present & {name.casefold() for name in names}:
            return values, flags
        column = find_column(self.frame, names, where=self.where)
        return qualify(values, flags, self.frame[column], note, where=self.where)

    def single(self, one: Series, indicator: Indicator) -> pd.DataFrame:
        values, flags = self.qualified(one, *self.numbers(one.column))
        measures = pd.DataFrame({"value": values, "flag": flags})
        if one.denominator:
            measures["denominator"] = self.numbers(one.denominator)[0]
        if one.grids:
            half = self.steps(one, indicator, values) / 2
            low, high = indicator.range or (None, None)
            # a value out of range stays between its bounds: it is told as what it is
            measures["lower"] = (values - half).clip(lower=low).clip(upper=values)
            measures["upper"] = (values + half).clip(upper=high).clip(lower=values)
            measures["interval"] = half.notna().map({True: "rounding", False: "none"})
        return measures

    def steps(self, one: Series, indicator: Indicator, values: pd.Series) -> pd.Series:
        """Step of the grid that each value is published on: the producer's, else that of the coarsest that holds it."""
        ordered = sorted(one.grids, key=lambda grid: grid.step)
        steps = pd.Series(float("nan"), index=values.index)
        for grid in ordered:
            steps = steps.mask(on_grid(values, grid), grid.step)
        names = format_names(one.step, self.year)
        present = {name.casefold() for name in self.frame.columns}
        if one.step and any(name.casefold() in present for name in names):
            told = self.numbers(one.step)[0].where(values.notna())
            fits = told.isna()
            for grid in ordered:
                fits |= ((told - grid.step).abs() < 1e-6) & on_grid(values, grid)
            self._on_grid(fits, values, indicator, f"which {names[0]} says for it", told)
            steps = told.fillna(steps)
        self._on_grid(steps.notna() | values.isna(), values, indicator, "declared in the catalogue", steps)
        return steps

    def _on_grid(self, fits: pd.Series, values: pd.Series, indicator: Indicator, which: str, steps: pd.Series) -> None:
        """Stop at a value off its grid: half a step would then not bound it."""
        if not fits.all():
            line = fits.index[~fits][0]
            step = f", step {steps[line]:g}" if pd.notna(steps[line]) else ""
            raise SchemaError(
                f"{self.where}: {indicator.id}, line {line}: {values[line]:g} does not lie on the grid {which}{step}; "
                f"{int((~fits).sum())} such values. The grids are in the catalogue (`grids` of the series). Nothing of "
                "this source was stored."
            )

    def ratio(self, one: Series, indicator: Indicator) -> pd.DataFrame:
        parts = [self.numbers([name]) for name in one.numerator]
        numerator = sum((values for values, _ in parts[1:]), parts[0][0])
        denominator, flags = self.numbers(one.denominator)
        for _, part_flags in parts:
            flags = flags.where(flags != "observed", part_flags)
        zero = denominator == 0
        values = (100 * numerator / denominator.mask(zero)).where(flags == "observed")
        flags = flags.mask(zero & (flags == "observed"), "not_applicable")
        above = values[values > 100]
        if len(above):
            line = above.index[0]
            raise SchemaError(
                f"{self.where}: {indicator.id}, line {line}: {' + '.join(one.numerator)} = {numerator[line]:g} is "
                f"above {one.denominator[0]} = {denominator[line]:g}. Nothing of this source was stored."
            )
        values, flags = self.qualified(one, values.rename(indicator.id), flags)
        return pd.DataFrame({"value": values, "flag": flags, "denominator": denominator})
