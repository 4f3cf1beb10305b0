"""Readers: one module per file shape. Each turns a producer's file into tables, and counts what it drops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante.errors import CatalogueError, SchemaError, did_you_mean
from qpv_sante.texts import first_unsafe_cell

if TYPE_CHECKING:
    import geopandas as gpd

    from qpv_sante.catalogue import Source, Vintage
    from qpv_sante.download import RawFile


@dataclass
class Tables:
    """What a reader found in one file.

    Attributes
    ----------
    observations : DataFrame or None
        Rows of the long table.
    zones : dict of str to GeoDataFrame
        Outlines by layer name (`qpv_2015`).
    codes : dict of str to DataFrame
        Code tables by name (`communes`).
    counts : dict of str to int
        Rows read, dropped (and why) and repaired, for the manifest.
    names : dict of str to list of str
        Names under which the columns of each series were found, as the catalogue writes them, by indicator, sex and
        age.
    """

    observations: pd.DataFrame | None = None
    zones: dict[str, gpd.GeoDataFrame] = field(default_factory=dict)
    codes: dict[str, pd.DataFrame] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that a terminal, a page or a figure would not show as they are.

        Raises
        ------
        SchemaError
        """
        for name, frame in {**self.zones, **self.codes}.items():
            if found := first_unsafe_cell(pd.DataFrame(frame.drop(columns="geometry", errors="ignore"))):
                row, column, cell = found
                raise SchemaError(
                    f"{name}, row {row + 1} of the table, {column}: {cell!a} holds a control character. Nothing "
                    "was read: the file is damaged, or its encoding is not the one that is declared."
                )


Reader = Callable[["Source", "Vintage", "RawFile"], Tables]
_READERS = {
    "wide_csv": "qpv_sante.readers.wide:read_csv",
    "wide_workbook": "qpv_sante.readers.wide:read_workbook",
    "perimeters": "qpv_sante.readers.perimeters:read",
    "code_csv": "qpv_sante.readers.codes:read_csv",
    "code_geojson": "qpv_sante.readers.codes:read_geojson",
    "code_workbook": "qpv_sante.readers.codes:read_workbook",
    "opendatasoft_csv": "qpv_sante.readers.opendatasoft:read_csv",
    "opendatasoft_records": "qpv_sante.readers.opendatasoft:read_records",
    "answer_sheets": "qpv_sante.readers.answers:read",
    "facility_counts": "qpv_sante.readers.facilities:read",
    "located_points": "qpv_sante.readers.points:read",
}


def read_file(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Read one file with the reader of its source, in a process of its own where a library could stop this one.

    Raises
    ------
    QpvSanteError
        The file is not as the catalogue describes it, or stopped whoever read it.
    """
    from qpv_sante.readers import apart

    return (
        apart.read(source, vintage, raw)
        if source.reader in apart.NATIVE
        else get_reader(source.reader)(source, vintage, raw)
    )


def get_reader(name: str) -> Reader:
    """The reader of a file shape, imported when asked for.

    Raises
    ------
    CatalogueError
        No such reader; the message lists them.
    """
    if name not in _READERS:
        raise CatalogueError(f"Unknown reader {name!r}. {did_you_mean(name, _READERS)}")
    module, _, function = _READERS[name].partition(":")
    reader: Reader = getattr(import_module(module), function)
    return reader
