"""Exports of Géoclip portals (CartoSanté, INSEE's Statistiques locales, Balises and other ORS portals).

    CartoSanté; ; ;                                                           who answers
    Référentiel géographique : France par bassin de vie; ; ;                  where, and at which level
    Code;Libellé;APL Médecins généralistes 2023;Part des bénéf. en ALD 2024   one column an indicator and a year
    01004;Ambérieu-en-Bugey;3;N/A - secret statistique

They are downloaded by hand: nothing says their address, and each column has its own year.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pandas as pd

from qpv_sante.catalogue import Table
from qpv_sante.content import open_workbook
from qpv_sante.errors import SchemaError, did_you_mean
from qpv_sante.geography import fold
from qpv_sante.readers.cells import METADATA, decode, parse_numbers, read_text_csv, read_text_sheet, sheet_rows

MISSING = {
    "N/A - secret statistique": "suppressed",
    "N/A - résultat non disponible": "unavailable",
    "N/A - division par 0": "not_applicable",
}
# as the portals write it; a spreadsheet that saves it again may change the encoding, the separator and the marks
FORM = Table(decimal=".", missing=MISSING)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_REFERENCE = re.compile(r"Référentiel géographique\s*:\s*(?P<place>.+?) par (?P<level>.+)")
_HEADER = re.compile(r'"?Code"?(?P<separator>[;,\t|])"?Libellé"?(?:(?P=separator)|$)')
_YEAR = r"(?:19|20)[0-9]{2}"
# title lines above the header: two of the portal, and blank ones of those who saved it again
_LINES_ABOVE = 12
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
    columns : dict of str to (str, int or None)
        Title and year of each column of figures, by heading; none where the heading ends in no year.
    cells : DataFrame of str
        `Code`, `Libellé` and one column a heading. Index: line number in the file.
    form : Table
        Encoding, separator, decimal mark and markers that it was read with.
    """

    producer: str
    place: str
    referential: str
    geo_level: str
    geo_vintage: int | None
    columns: dict[str, tuple[str, int | None]]
    cells: pd.DataFrame
    form: Table


def is_export(content: bytes) -> bool:
    """Whether a file, CSV or workbook, is such an export: its second line says so.

    Examples
    --------
    >>> text = "CartoSanté; ; \\nRéférentiel géographique : France par commune; ; \\n"
    >>> is_export(text.encode("utf-8-sig")), is_export(text.encode("cp1252")), is_export(text.encode("utf-16"))
    (True, True, True)
    """
    if content.startswith(_WORKBOOKS):
        return bool(_export_sheets(content, where="workbook"))
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    lines = content[:4000].decode(encoding, errors="replace").splitlines()
    # in another encoding, each accented letter is one that cannot be read
    return len(lines) > 1 and re.match(r'"?R.f.rentiel g.ographique', lines[1]) is not None


def _export_sheets(content: bytes, *, where: str) -> list[str]:
    """The sheets of a workbook that hold an export."""
    book = open_workbook(content, where=where)
    found = []
    for name in book.sheet_names:
        rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False, nrows=_LINES_ABOVE)
        if any(row and _REFERENCE.match(str(row[0])) for row in rows):
            found.append(str(name))
    return found


def read_export(
    content: bytes, *, where: str, form: Table = FORM, separator: str | None = None, sheet: str | None = None
) -> Export:
    """Read an export: its two title lines, its headings, its cells.

    Parameters
    ----------
    content : bytes
        A CSV, or a workbook with the same cells.
    where : str
        File, for messages.
    form : Table, optional
        Encoding, decimal mark and missing markers; those of the portals by default. The separator is what stands
        between `Code` and `Libellé`.
    separator : str, optional
        Another separator than that.
    sheet : str, optional
        Of a workbook: the one sheet that holds an export by default.

    Returns
    -------
    Export

    Raises
    ------
    SchemaError
        Not such an export, an unknown level, a heading written twice, or rows of unequal length.

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
    if content.startswith(_WORKBOOKS):
        sheets = [sheet] if sheet else _export_sheets(content, where=where)
        if len(sheets) != 1:
            raise SchemaError(f"{where}: several sheets hold an export: {sheets}. Give `sheet` in the metadata.")
        above = [[str(cell).strip() for cell in row] for row in sheet_rows(content, sheets[0], where=where)]
        header = _header_row([";".join(row) for row in above[:_LINES_ABOVE]], where=where)
        # a workbook holds numbers, which are read with a point whatever the spreadsheet shows
        form = msgspec.structs.replace(form, sheet=sheets[0], header_row=header, decimal=".")
        cells = read_text_sheet(content, form, where=where)
    else:
        lines = decode(content, form.encoding, where=where, advice=METADATA).split("\n")[:_LINES_ABOVE]
        header = _header_row(lines, where=where)
        found = _HEADER.match(lines[header])
        mark = separator or (found["separator"] if found else form.separator)
        form = msgspec.structs.replace(form, separator=mark, header_row=header)
        cells = read_text_csv(content, form, where=where, advice=METADATA)
        above = [[cell.strip().strip('"').strip() for cell in line.split(mark)] for line in lines]
    first = [row[0] for row in above[:header]]
    producer = first[0]
    if not producer:
        raise SchemaError(f"{where}: line 1 is expected to name the producer; found {above[0][:6]}.")
    described = next((found for found in map(_REFERENCE.fullmatch, first) if found), None)
    if described is None:
        raise SchemaError(
            f"{where}: line 2 is expected to read 'Référentiel géographique : France par ...'; "
            f"found {first[1][:80]!r}. Is this a Géoclip export?"
        )
    if list(cells.columns[:2]) != ["Code", "Libellé"]:
        raise SchemaError(
            f"{where}: line {header + 1} is expected to begin with Code;Libellé; found {list(cells.columns[:2])}."
        )
    headings = list(cells.columns)
    twice = sorted({name for name in headings if headings.count(name) > 1})
    if twice:
        raise SchemaError(f"{where}: line {header + 1} has the same heading several times: {twice}.")
    columns = {name: split_heading(name) for name in headings[2:]}
    if not columns:
        raise SchemaError(f"{where}: line {header + 1} has no column of figures after Code;Libellé.")
    referential = described["level"].strip()
    level, vintage = parse_level(referential, where=where)
    return Export(producer, described["place"].strip(), referential, level, vintage, columns, cells, form)


def _header_row(lines: Sequence[str], *, where: str) -> int:
    """Where the headings are, from 0."""
    for number, line in enumerate(lines):
        if number > 1 and _HEADER.match(line):
            return number
    shown = lines[2][:60] if len(lines) > 2 else ""
    raise SchemaError(f"{where}: line 3 is expected to begin with Code;Libellé; found {shown!r}.")


def split_heading(heading: str) -> tuple[str, int | None]:
    """Title and year of a column; no year where the heading does not end in one: a period or a quarter is not a year.

    Examples
    --------
    >>> split_heading("Part des bénéf. en ALD dans la pop 2024"), split_heading("Population des ménages (2022)")
    (('Part des bénéf. en ALD dans la pop', 2024), ('Population des ménages', 2022))
    >>> split_heading("Taux de chômage trimestriel 2025-T4"), split_heading("Taux de mortalité 2016-2022")
    (('Taux de chômage trimestriel', None), ('Taux de mortalité', None))
    """
    heading = re.sub(r"\s+", " ", heading)
    found = re.fullmatch(
        rf"(?P<title>.*\S) (?P<open>\()?(?P<time>{_YEAR}(?: ?(?:[-/]|à) ?(?:{_YEAR}|T[1-4]))?)(?(open)\))", heading
    )
    if found is None:
        return heading, None
    return found["title"], int(found["time"]) if found["time"].isdecimal() else None


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


def long_table(export: Export, years: Mapping[str, int], *, where: str) -> pd.DataFrame:
    """The figures of chosen columns, one row each.

    Parameters
    ----------
    export : Export
    years : mapping of str to int
        Columns to take, and their years.
    where : str
        File, for messages.

    Returns
    -------
    DataFrame
        `line, geo_code, name, column, year, value, flag, percent`; the value is missing if and only if the flag says
        why, and `percent` says that a workbook shows the cell in percent.

    Raises
    ------
    SchemaError
        A cell is neither a number nor a known marker; the message names file, column, line and cell.

    Examples
    --------
    >>> title = "X; ;\\nRéférentiel géographique : France par commune; ;\\nCode;Libellé;ALD 2024\\n"
    >>> export = read_export((title + "01004;A;N/A - secret statistique").encode(), where="example")
    >>> long_table(export, {"ALD 2024": 2024}, where="example").values.tolist()
    [[4, '01004', 'A', 'ALD 2024', 2024, nan, 'suppressed', False]]
    """
    codes, names = export.cells["Code"].str.strip(), export.cells["Libellé"].str.strip()
    shown = {(line, heading) for line, heading in export.cells.attrs.get("percent cells", [])}
    parts = []
    for heading, year in years.items():
        values, flags = parse_numbers(export.cells[heading], export.form, where=where, advice=METADATA)
        part = pd.DataFrame({"line": codes.index, "geo_code": codes.to_numpy(), "name": names.to_numpy()})
        part = part.assign(column=heading, year=year, value=values.to_numpy(), flag=flags.to_numpy())
        parts.append(part.assign(percent=[(line, heading) in shown for line in codes.index]))
    return pd.concat(parts, ignore_index=True)
