"""Exports and records of the Opendatasoft platforms (Odissé, data.ameli.fr): one row a cell."""

from __future__ import annotations

import json

import pandas as pd

from qpv_sante.catalogue import Source, Vintage
from qpv_sante.download import RawFile, open_member
from qpv_sante.errors import SchemaError
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import read_text_csv
from qpv_sante.readers.long import tables_of_cells


def read_csv(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Observations of a whole export (`/exports/csv`).

    Parameters
    ----------
    source, vintage : Source, Vintage
        The catalogue's description; see `qpv_sante.forms.LongForm`.
    raw : RawFile
        The verified file.

    Returns
    -------
    Tables
        `observations`, `codes` if the producer classifies territories, and `counts`.

    Raises
    ------
    SchemaError
        The file has not the declared form.
    """
    where = f"{source.key(vintage)}, {raw.path.name}"
    with open_member(raw) as stream:
        frame = read_text_csv(stream.read(), source.tables_of(vintage)[0], where=where)
    return tables_of_cells(frame, source, vintage, where=where)


def read_records(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Observations of an answer of the records service (`/records`); see `read_csv`.

    Raises
    ------
    SchemaError
        Not such an answer, an incomplete one, or one that has not the declared form.
    """
    where = f"{source.key(vintage)}, {raw.path.name}"
    with open_member(raw) as stream:
        frame = read_text_records(stream.read(), where=where)
    return tables_of_cells(frame, source, vintage, where=where)


def read_text_records(content: bytes, *, where: str) -> pd.DataFrame:
    """The records of an answer as text, one row each.

    Parameters
    ----------
    content : bytes
        JSON with `total_count` and `results`.
    where : str
        For messages.

    Returns
    -------
    DataFrame of str
        Null is `""`. Index: number of the record, from 1.

    Raises
    ------
    SchemaError
        Not JSON of that form, or fewer records than the platform has: the service gives 10 unless
        asked for more, and 100 at most.

    Examples
    --------
    >>> read_text_records(b'{"total_count": 1, "results": [{"annee": "2021", "taux": 13.2}]}', where="example")
          annee  taux
    line
    1      2021  13.2
    """
    try:
        answer = json.loads(content)
        total, results = answer["total_count"], answer["results"]
        frame = pd.DataFrame(results)
    except (ValueError, KeyError, TypeError) as error:
        raise SchemaError(f"{where}: not an answer with total_count and results: {error!r}.") from error
    if len(frame) != total or frame.empty:
        raise SchemaError(
            f"{where}: {len(frame)} records of {total}. The service gives 100 at most: use /exports/csv for the whole."
        )
    text = frame.map(lambda cell: "" if cell is None or cell != cell else str(cell)).astype("str")
    text.index = pd.RangeIndex(1, len(text) + 1, name="line")
    return text
