"""Code tables: communes, their changes, and the territories that contain them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd

from qpv_sante.catalogue import Source, Table, Vintage
from qpv_sante.download import RawFile, open_member
from qpv_sante.errors import SchemaError
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import find_column, format_names, read_text_csv, read_text_sheet


def read_csv(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """The declared columns of a CSV, as text, under our names.

    Parameters
    ----------
    source, vintage : Source, Vintage
        Each table's `columns` maps the producer's names to ours; `output` names the code table.
    raw : RawFile
        The verified file.

    Returns
    -------
    Tables
        `codes` and `counts`.

    Raises
    ------
    SchemaError
        The file has not the declared form, or a code is blank.
    """
    return _read(source, vintage, raw, read_text_csv)


def read_workbook(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """The declared columns of a workbook's sheet; see `read_csv`."""
    return _read(source, vintage, raw, read_text_sheet)


def read_geojson(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """The declared attributes of the features of a GeoJSON, whatever their geometry; see `read_csv`."""
    return _read(source, vintage, raw, _attributes)


def _attributes(content: bytes, table: Table, *, where: str) -> pd.DataFrame:
    """Attributes as text, one row a feature, numbered from 1."""
    try:
        found = json.loads(content.decode(table.encoding))
        rows = [feature["properties"] for feature in found["features"]]
        frame = pd.DataFrame(rows, index=range(1, len(rows) + 1)).fillna("").astype("str")
    except (ValueError, KeyError, TypeError) as error:
        raise SchemaError(
            f"{where}: not a GeoJSON of features with attributes: {type(error).__name__}: {error}"
        ) from error
    frame.attrs["blank rows"] = 0
    return frame


def _read(source: Source, vintage: Vintage, raw: RawFile, read_text: Callable[..., pd.DataFrame]) -> Tables:
    codes: dict[str, pd.DataFrame] = {}
    counts: dict[str, int] = {}
    for table in source.tables_of(vintage):
        member = table.member and format_names([table.member], vintage.year)[0]
        where = f"{source.key(vintage)}, {member or raw.path.name}"
        with open_member(raw, member) as stream:
            frame = read_text(stream.read(), table, where=where)
        name = table.output or source.id
        codes[name] = select(frame, table, where=where)
        blank = frame.attrs["blank rows"]
        counts |= {f"{name}: rows read": len(frame) + blank, f"{name}: rows dropped (blank)": blank}
    return Tables(codes=codes, counts=counts)


def select(frame: pd.DataFrame, table: Table, *, where: str) -> pd.DataFrame:
    """The declared columns under our names.

    Raises
    ------
    SchemaError
        A declared column is absent, or the first one (the code) is blank somewhere.
    """
    found = {find_column(frame, [theirs], where=where): ours for theirs, ours in table.columns.items()}
    selected = frame[list(found)].rename(columns=found)
    key = selected.columns[0]
    blank = selected.index[selected[key].str.strip() == ""]
    if len(blank):
        raise SchemaError(f"{where}: {len(blank)} rows have no {key}, first at line {blank[0]}.")
    return selected.reset_index(drop=True)
