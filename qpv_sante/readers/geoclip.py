"""Exports of Géoclip portals (CartoSanté, INSEE's Statistiques locales, Balises and other ORS portals).

    CartoSanté; ; ;                                                           who answers
    Référentiel géographique : France par bassin de vie; ; ;                  where, and at which level
    Code;Libellé;APL Médecins généralistes 2023;Part des bénéf. en ALD 2024   one column an indicator and a year
    01004;Ambérieu-en-Bugey;3;N/A - secret statistique

They are downloaded by hand: nothing says their address, and each column has its own year.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from qpv_sante.catalogue import Table
from qpv_sante.errors import SchemaError, did_you_mean
from qpv_sante.geography import fold
from qpv_sante.readers.cells import parse_numbers, read_text_csv

MISSING = {"N/A - secret statistique": "suppressed", "N/A - résultat non disponible": "unavailable"}
_REFERENCE = re.compile(r"Référentiel géographique\s*:\s*(?P<place>.+?) par (?P<level>.+)")
_HEADER_ROW = 2
# The second line names the level, not the year of its codes. Living areas are those of 2022, the only edition
# in which the portals' lists of codes agree; other zonings have several editions, and are asked for.
_LEVELS: dict[str, tuple[str, int | None]] = {
    "bassin de vie": ("living_area", 2022),
    "bassin de vie canton ville": ("canton_town", 2022),
    "canton ville": ("canton_town", 2022),
    "commune": ("commune", None),
    "commune et arrondissement": ("commune", None),
    "departement": ("department", None),
    "region": ("region", None),
    "epci": ("epci", None),
    "intercommunalite": ("epci", None),
    "iris": ("iris", None),
    "unite urbaine": ("urban_unit", None),
    "qpv": ("qpv", None),
    "quartier prioritaire": ("qpv", None),
    "quartier prioritaire de la politique de la ville": ("qpv", None),
    "quartier de la politique de la ville": ("qpv", None),
}


@dataclass(frozen=True)
class Export:
    """An export, its cells as text.

    Attributes
    ----------
    producer : str
        First line: the portal.
    place, referential : str
        Second line: the territory asked for, and the name of the level.
    geo_level : str
        A key of `qpv_sante.geography.LEVELS`.
    geo_vintage : int or None
        Year of the codes, where the level has one edition or the line gives it.
    columns : dict of str to (str, int)
        Title and year of each column of figures, by heading.
    cells : DataFrame of str
        `Code`, `Libellé` and one column a heading. Index: line number in the file.
    """

    producer: str
    place: str
    referential: str
    geo_level: str
    geo_vintage: int | None
    columns: dict[str, tuple[str, int]]
    cells: pd.DataFrame


def is_export(content: bytes) -> bool:
    """Whether a file is such an export: its second line says so.

    Examples
    --------
    >>> is_export("CartoSanté; ; \\nRéférentiel géographique : France par commune; ; \\n".encode("utf-8-sig"))
    True
    """
    lines = content[:2000].decode("utf-8-sig", errors="replace").split("\n", 2)
    return len(lines) > 1 and lines[1].startswith("Référentiel g")


def read_export(content: bytes, *, where: str) -> Export:
    """Read an export: its two title lines, its headings, its cells.

    Parameters
    ----------
    content : bytes
        UTF-8, with or without byte-order mark, separated by semicolons.
    where : str
        File, for messages.

    Returns
    -------
    Export

    Raises
    ------
    SchemaError
        Not such an export, an unknown level, a heading without year or written twice, or rows of
        unequal length.

    Examples
    --------
    >>> text = '''CartoSanté; ;
    ... Référentiel géographique : France par bassin de vie; ;
    ... Code;Libellé;APL Médecins généralistes 2023
    ... 01004;Ambérieu-en-Bugey;3'''
    >>> export = read_export(text.encode("utf-8-sig"), where="example")
    >>> export.producer, export.geo_level, export.geo_vintage, export.columns
    ('CartoSanté', 'living_area', 2022, {'APL Médecins généralistes 2023': ('APL Médecins généralistes', 2023)})
    """
    table = Table(header_row=_HEADER_ROW, decimal=".", missing=MISSING)
    cells = read_text_csv(content, table, where=where)
    lines = content.decode("utf-8-sig").splitlines()
    producer = lines[0].split(";")[0].strip()
    if not producer:
        raise SchemaError(f"{where}: line 1 is expected to name the producer; found {lines[0][:60]!r}.")
    described = _REFERENCE.fullmatch(lines[1].split(";")[0].strip())
    if described is None:
        raise SchemaError(
            f"{where}: line 2 is expected to read 'Référentiel géographique : France par ...'; "
            f"found {lines[1][:80]!r}. Is this a Géoclip export?"
        )
    if list(cells.columns[:2]) != ["Code", "Libellé"]:
        raise SchemaError(f"{where}: line 3 is expected to begin with Code;Libellé; found {list(cells.columns[:2])}.")
    headings = [name.strip() for name in next(csv.reader(io.StringIO(lines[2]), delimiter=";"))]
    twice = sorted({name for name in headings if name and headings.count(name) > 1})
    if twice:
        raise SchemaError(f"{where}: line 3 has the same heading several times: {twice}.")
    columns = {name: split_heading(name, where=where) for name in cells.columns[2:]}
    if not columns:
        raise SchemaError(f"{where}: line 3 has no column of figures after Code;Libellé.")
    referential = described["level"].strip()
    level, vintage = parse_level(referential, where=where)
    return Export(producer, described["place"].strip(), referential, level, vintage, columns, cells)


def split_heading(heading: str, *, where: str) -> tuple[str, int]:
    """Title and year of a column.

    Raises
    ------
    SchemaError
        No year at the end: a period (`2016-2022`) is not a year.

    Examples
    --------
    >>> split_heading("Part des bénéf. en ALD dans la pop 2024", where="example")
    ('Part des bénéf. en ALD dans la pop', 2024)
    """
    found = re.fullmatch(r"(.*\S)\s+((?:19|20)\d{2})", heading)
    if found is None:
        raise SchemaError(
            f"{where}: line 3, column {heading!r}: no year at the end of the heading. Expected 'TITLE YEAR', such as "
            "'Taux de pauvreté 2021'; figures of a period are not one year's."
        )
    return re.sub(r"\s+", " ", found[1]), int(found[2])


def parse_level(referential: str, *, where: str) -> tuple[str, int | None]:
    """Level, and the year of its codes if it is known, of a geographic referential.

    Raises
    ------
    SchemaError
        Unknown referential; the message lists those that are known.

    Examples
    --------
    >>> parse_level("bassin de vie / canton-ville", where="example"), parse_level("QPV 2024", where="example")
    (('canton_town', 2022), ('qpv', 2024))
    """
    words = fold(referential)
    dated = re.fullmatch(r"(.+?) (20\d{2})", words)
    name = dated[1] if dated else words
    if name not in _LEVELS:
        raise SchemaError(
            f"{where}: line 2: unknown geographic referential {referential!r}. {did_you_mean(name, _LEVELS, limit=20)}"
        )
    level, vintage = _LEVELS[name]
    return level, int(dated[2]) if dated else vintage


def long_table(
    export: Export, headings: list[str], *, where: str, missing: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """The figures of chosen columns, one row each.

    Parameters
    ----------
    export : Export
    headings : list of str
        Columns to take.
    where : str
        File, for messages.
    missing : mapping of str to str, optional
        Markers that the file uses besides `MISSING`, and their flags.

    Returns
    -------
    DataFrame
        `line, geo_code, column, year, value, flag`; the value is missing if and only if the flag says why.

    Raises
    ------
    SchemaError
        A cell is neither a number nor a known marker; the message names file, column, line and cell.

    Examples
    --------
    >>> title = "X; ;\\nRéférentiel géographique : France par commune; ;\\nCode;Libellé;ALD 2024\\n"
    >>> export = read_export((title + "01004;A;N/A - secret statistique").encode(), where="example")
    >>> long_table(export, ["ALD 2024"], where="example").values.tolist()
    [[4, '01004', 'ALD 2024', 2024, nan, 'suppressed']]
    """
    table = Table(decimal=".", missing={**MISSING, **(missing or {})})
    codes = export.cells["Code"].str.strip()
    parts = []
    for heading in headings:
        values, flags = parse_numbers(
            export.cells[heading], table, where=where, declare_in="the `[missing]` table of the import's metadata"
        )
        part = pd.DataFrame({"line": codes.index, "geo_code": codes.to_numpy()})
        parts.append(
            part.assign(column=heading, year=export.columns[heading][1], value=values.to_numpy(), flag=flags.to_numpy())
        )
    return pd.concat(parts, ignore_index=True)
