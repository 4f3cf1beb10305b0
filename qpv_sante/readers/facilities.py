"""Facilities by kind: one row a place and a kind of facility, with their number (INSEE's base of facilities)."""

from __future__ import annotations

import pandas as pd

from qpv_sante import observations
from qpv_sante.catalogue import Indicator, Series, Source, Table, Vintage, catalogue
from qpv_sante.download import RawFile, open_member
from qpv_sante.errors import SchemaError
from qpv_sante.geography import check_codes
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import find_column, format_names, parse_numbers, read_text_csv

# Length of a commune code: the file gives it in place of the IRIS where the commune is not cut
_COMMUNE = 5


def read(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Counts of facilities, by the places that each table of the catalogue names.

    The file has no row for what does not exist. A place that it lists, for a facility of any kind, has zero of the
    kinds that it does not list there: the base is exhaustive. Of places that it never lists, nothing is said here.

    Parameters
    ----------
    source, vintage : Source, Vintage
        Each table's `code` is the column of places, `columns` names the commune's; each series' `rows` gives the
        column of kinds and the kind, or the kinds that add up, `column` the number.
    raw : RawFile
        The verified file.

    Returns
    -------
    Tables
        `observations` and `counts`: rows read, facilities without a place of that level.

    Raises
    ------
    SchemaError
        Missing column, number that is negative or not whole, row given twice, IRIS outside its commune, or a kind
        that is nowhere in the file (the nomenclature changed).
    """
    tables: list[pd.DataFrame] = []
    counts: dict[str, int] = {}
    frames: dict[str, pd.DataFrame] = {}
    series = catalogue().series_in(source.id, vintage.id)
    for table in source.tables_of(vintage):
        member = table.member and format_names([table.member], vintage.year)[0]
        name = member or raw.path.name
        where = f"{source.key(vintage)}, {name}"
        if name not in frames:  # the levels are read from one member: parsed once
            with open_member(raw, member) as stream:
                frames[name] = read_text_csv(stream.read(), table, where=where)
            blank = frames[name].attrs["blank rows"]
            counts[f"{name}: rows read"] = len(frames[name]) + blank
        carried = [(i, s) for i, s in series if not s.geo_levels or table.geo_level in s.geo_levels]
        rows, unplaced = count_facilities(frames[name], source.key(vintage), vintage, table, carried, where=where)
        tables.append(rows)
        counts[f"{name}: facilities without {table.geo_level}"] = unplaced
    return Tables(observations=observations.concat(tables), counts=counts)


def count_facilities(
    frame: pd.DataFrame,
    key: str,
    vintage: Vintage,
    table: Table,
    series: list[tuple[Indicator, Series]],
    *,
    where: str,
) -> tuple[pd.DataFrame, int]:
    """Counts of one level as rows of the long table, and the number of facilities that have no place of that level.

    Raises
    ------
    SchemaError
        See `read`.
    """
    if table.geo_level is None or table.geo_vintage is None:
        raise SchemaError(f"{where}: the catalogue gives no geo_level and geo_vintage.")
    if not series:
        raise SchemaError(f"{where}: no indicator of the catalogue is taken from this table.")
    kinds = {column for _, one in series for column in one.cells}
    numbers = {name for _, one in series for name in one.column}
    if len(kinds) != 1 or len(numbers) != 1 or any(len(one.cells) != 1 for _, one in series):
        raise SchemaError(f"{where}: each series needs one and the same column of kinds and of numbers.")
    kind = frame[find_column(frame, sorted(kinds), where=where)].str.strip()
    number, flags = parse_numbers(frame[find_column(frame, sorted(numbers), where=where)], table, where=where)
    faulty = number[(number < 0) | (number % 1 != 0) & number.notna()]
    if len(faulty):
        raise SchemaError(f"{where}: line {faulty.index[0]}: {faulty.iloc[0]:g} facilities; expected a whole number.")
    cells = frame[find_column(frame, [table.code], where=where)].str.strip()
    communes = frame[find_column(frame, list(table.columns), where=where)].str.strip() if table.columns else cells
    twice = pd.DataFrame({"commune": communes, "cell": cells, "kind": kind}).duplicated()
    if table.columns and twice.any():
        line = twice[twice].index[0]
        raise SchemaError(f"{where}: {kind[line]} in {cells[line]} has two rows, the second at line {line}.")
    places = cells.str.replace("_", "", regex=False)
    elsewhere = places[places.str[:_COMMUNE] != communes]
    if len(elsewhere):
        line = elsewhere.index[0]
        raise SchemaError(f"{where}: line {line}: {cells[line]} is not in the commune {communes[line]}.")
    placed = places.str.len() > _COMMUNE if table.geo_level == "iris" else pd.Series(True, index=places.index)
    check_codes(places[placed], table.geo_level, table.geo_vintage, where=where)
    wanted = {indicator.id: one.cells[next(iter(kinds))] for indicator, one in series}
    carried = {code for codes in wanted.values() for code in codes}
    absent = sorted(carried - set(kind))
    if absent:
        raise SchemaError(
            f"{where}: no row of the kind {', '.join(absent)}; kinds of the file: {', '.join(sorted(set(kind))[:30])}. "
            "Has the nomenclature changed? Declare the new code in `rows`."
        )
    listed = places[placed].drop_duplicates()
    rows = []
    for indicator_id, codes in wanted.items():
        mine = placed & kind.isin(codes)
        total = number[mine].groupby(places[mine]).sum().reindex(listed, fill_value=0.0)
        # the sum with a missing part is unknown: it takes the flag of that part
        unknown = flags[mine & number.isna()].groupby(places[mine & number.isna()]).first().reindex(listed)
        rows.append(
            pd.DataFrame(
                {
                    "geo_code": listed.to_numpy(),
                    "indicator": indicator_id,
                    "value": total.mask(unknown.notna()).to_numpy(),
                    "flag": unknown.fillna("observed").to_numpy(),
                }
            )
        )
    unplaced = int(number[~placed & kind.isin(carried)].sum())
    long = pd.concat(rows, ignore_index=True).assign(source=key, year=vintage.year)
    return observations.tidy(long.assign(geo_level=table.geo_level, geo_vintage=table.geo_vintage)), unplaced
