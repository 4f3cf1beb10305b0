"""A miniature France in the producers' own formats: a few rows each, values written for the tests.

Every edition of the catalogue that is not a health survey has its file here, with what makes the real
one hard to read: encoding, byte-order mark, line ends, separators, thousands, padding, empty trailing
columns, total rows, notes, title rows, projected outlines with names in cp1252. The places are coherent from one
file to the next:

    Béziers (34032)                QP034001 to QP034003, two of three published in 2021
    Lille and Mons-en-Barœul       QP059001 lies in both, its outline is a bow tie; QP059002 is secret
    Paris 13e                      QP075001, named by its arrondissement
    Octeville, now Cherbourg       QP050001, named by a commune that is no more
    Saint-Denis (La Réunion)       QP974001, without an outline in 2015
    Île-de-Bréhat                  no QPV, no intercommunality, no urban unit
"""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from math import isnan
from pathlib import Path
from xml.sax.saxutils import escape

import geopandas as gpd
from shapely import Point, Polygon

Cells = Mapping[str, object]
NBSP, NARROW = "\u00a0", "\u202f"


# --- forms of files ----------------------------------------------------------------------------------------------


def csv(
    header: str,
    rows: Iterable[str],
    *,
    keep: str = "",
    separator: str = ";",
    eol: str = "\r\n",
    bom: bool = False,
    trailing: int = 0,
    quoted: bool = False,
    thousands: str = "",
) -> bytes:
    """A wide table: the producer's whole header, and rows that fill the columns named in `keep`, the others blank.

    In `rows`, cells are separated by `|`, and `_` stands for the thousands separator of the file.
    """
    names = header.split(separator)
    kept = keep.split() if keep else names  # without the outer spaces of a name, such as `EVOL_CA_N_E `
    lines = [header + separator * trailing]
    for row in rows:
        cells = dict(zip(kept, row.replace("_", thousands).split("|"), strict=True))
        assert set(cells) <= {name.strip() for name in names}, set(cells) - set(names)
        lines.append(separator.join(cells.get(name.strip(), "") for name in names) + separator * trailing)
    if quoted:  # names and codes are quoted in this edition, numbers are not
        lines[0] = separator.join(f'"{name}"' for name in lines[0].split(separator))
        lines[1:] = [
            f'"{code}"{separator}{rest}' for code, _, rest in (line.partition(separator) for line in lines[1:])
        ]
    text = eol.join(lines) + eol
    return text.encode("utf-8-sig" if bom else "utf-8")


def archive(members: Mapping[str, bytes]) -> bytes:
    """A zip whose bytes depend on its content only."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, content)
    return buffer.getvalue()


def members_of(content: bytes) -> dict[str, bytes]:
    """What a zip holds."""
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


class Percent(float):
    """A number that its workbook shows in percent: 0.125 reads 12.5 %. Not a number is a blank cell of that style."""


class Error(str):
    """What a spreadsheet writes in place of a number that it cannot compute: `#DIV/0!`."""


# cell styles of `xlsx`: as it is, in percent, in a percent format of one's own, and beside a percent sign in words
_STYLES = (
    '<numFmts count="2"><numFmt numFmtId="164" formatCode="0.0\u00a0%"/>'
    '<numFmt numFmtId="165" formatCode="0.0&quot; %&quot;"/></numFmts>'
    '<cellStyleXfs count="1"><xf numFmtId="9"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="10"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs>'
)


def xlsx(sheets: Mapping[str, list[list[object]]], *, hidden: Sequence[int] = (), style: int = 1) -> bytes:
    """The smallest workbook that readers of xlsx accept: texts in line, numbers as numbers, blanks left out.

    `hidden` rows are not shown; cells that are `Percent` bear that one of the `_STYLES`.
    """

    def cell(value: object, place: str) -> str:
        if value == "":
            return ""
        if isinstance(value, Error):
            return f'<c r="{place}" t="e"><v>{value}</v></c>'
        if isinstance(value, Percent):
            held = "" if isnan(value) else f"<v>{float(value)}</v>"
            return f'<c r="{place}" s="{style}">{held}</c>'
        if isinstance(value, str):
            return f'<c r="{place}" t="inlineStr"><is><t>{escape(value)}</t></is></c>'
        return f'<c r="{place}"><v>{value}</v></c>'

    def sheet(rows: list[list[object]]) -> bytes:
        lines = (
            f'<row r="{r}"{" hidden=" + chr(34) + "1" + chr(34) if r in hidden else ""}>'
            + "".join(cell(value, f"{chr(65 + c)}{r}") for c, value in enumerate(row))
            + "</row>"
            for r, row in enumerate(rows, start=1)
        )
        return (f'{xml}<worksheet xmlns="{main}"><sheetData>{"".join(lines)}</sheetData></worksheet>').encode()

    xml = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, len(sheets) + 1)
    listed = "".join(f'<sheet name="{n}" sheetId="{i}" r:id="rId{i}"/>' for i, n in zip(numbers, sheets, strict=True))
    links = "".join(
        f'<Relationship Id="rId{i}" Type="{office}/worksheet" Target="worksheets/sheet{i}.xml"/>' for i in numbers
    )
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{i}.xml" ContentType="{kind}.worksheet+xml"/>' for i in numbers
    )
    root = f'<Relationship Id="rId1" Type="{office}/officeDocument" Target="xl/workbook.xml"/>'
    rels = f'{xml}<Relationships xmlns="{package}/relationships">%s</Relationships>'
    members = {
        "[Content_Types].xml": f'{xml}<Types xmlns="{package}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>{parts}</Types>',
        "_rels/.rels": rels % root,
        "xl/workbook.xml": f'{xml}<workbook xmlns="{main}" xmlns:r="{office}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": rels % links,
        "xl/styles.xml": f'{xml}<styleSheet xmlns="{main}">{_STYLES}</styleSheet>',
    }
    pages = {f"xl/worksheets/sheet{i}.xml": sheet(rows) for i, rows in zip(numbers, sheets.values(), strict=True)}
    return archive({name: text.encode() for name, text in members.items()} | pages)


def xls(sheets: Mapping[str, list[list[object]]]) -> bytes:
    """A real xls: BIFF8 records in an OLE container. No library of the project writes them, and they are simple."""

    def record(kind: int, body: bytes) -> bytes:
        return struct.pack("<HH", kind, len(body)) + body

    def cell(row: int, column: int, value: object) -> bytes:
        place = struct.pack("<HHH", row, column, 0)
        if isinstance(value, str):  # LABEL, UTF-16
            text = value.encode("utf-16-le")
            return record(0x0204, place + struct.pack("<HB", len(text) // 2, 1) + text)
        return record(0x0203, place + struct.pack("<d", value))  # NUMBER

    def bof(kind: int) -> bytes:
        return record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 6))

    def sheet(rows: list[list[object]]) -> bytes:
        size = record(0x0200, struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows)), 0))
        cells = (cell(r, c, value) for r, row in enumerate(rows) for c, value in enumerate(row) if value != "")
        return bof(0x0010) + size + b"".join(cells) + eof

    def directory(starts: list[int]) -> bytes:
        names = [name.encode("utf-16-le") for name in sheets]
        bodies = (
            struct.pack("<IBBBB", start, 0, 0, len(name) // 2, 1) + name
            for start, name in zip(starts, names, strict=True)
        )
        return bof(0x0005) + b"".join(record(0x0085, body) for body in bodies) + eof

    eof = record(0x000A, b"")
    pages = [sheet(rows) for rows in sheets.values()]
    first = len(directory([0] * len(pages)))
    book = directory([first + sum(map(len, pages[:i])) for i in range(len(pages))]) + b"".join(pages)
    # streams under 4096 bytes go to another part of the container: padded past that
    book = book.ljust(max(4096, -(-len(book) // 512) * 512), b"\0")
    sectors = len(book) // 512
    assert sectors <= 126, "one sector of allocation table holds no more"
    end, free = 0xFFFFFFFE, 0xFFFFFFFF
    chain = [0xFFFFFFFD, end, *range(3, sectors + 2), end]

    def entry(name: str, kind: int, child: int, start: int, size: int) -> bytes:
        text = (name + "\0").encode("utf-16-le")
        body = text.ljust(64, b"\0") + struct.pack("<HBBIII", len(text), kind, 1, free, free, child)
        return body + bytes(36) + struct.pack("<IQ", start, size)

    header = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    table = struct.pack("<128I", *chain, *[free] * (128 - len(chain)))
    entries = entry("Root Entry", 5, 1, end, 0) + entry("Workbook", 2, free, 2, len(book))
    return header + table + entries.ljust(512, b"\0") + book


def square(x: float, y: float, side: float) -> Polygon:
    """A square from its lower left corner."""
    return Polygon([(x, y), (x + side, y), (x + side, y + side), (x, y + side)])


def bow_tie(x: float, y: float, side: float) -> Polygon:
    """A ring that crosses itself: two triangles, half of the square's area; `buffer(0)` keeps one of them."""
    return Polygon([(x, y), (x + side, y + side), (x + side, y), (x, y + side)])


def flat(x: float, y: float) -> Polygon:
    """A ring without area, as three outlines of 2024 are."""
    return Polygon([(x, y), (x + 0.001, y + 0.001), (x, y)])


def shapefile(frame: gpd.GeoDataFrame, name: str, encoding: str) -> dict[str, bytes]:
    """Members of a zipped shapefile, without the .cpg that would tell its encoding."""
    with tempfile.TemporaryDirectory() as folder:
        frame.to_file(Path(folder) / f"{name}.shp", engine="pyogrio", encoding=encoding)
        return {
            f"{name}{end}": (Path(folder) / f"{name}{end}").read_bytes() for end in (".shp", ".shx", ".dbf", ".prj")
        }


def geojson(frame: gpd.GeoDataFrame) -> bytes:
    """A GeoJSON in WGS84."""
    return frame.to_json(to_wgs84=True, drop_id=True).encode()


# --- income and poverty ------------------------------------------------------------------------------------------

_FILO = (
    "CODGEO;DISP_Q1_A{y};DISP_MED_A{y};DISP_Q3_A{y};DISP_EQ_A{y};DISP_D1_A{y};DISP_D2_A{y};DISP_D3_A{y};DISP_D4_A{y};"
    "DISP_D6_A{y};DISP_D7_A{y};DISP_D8_A{y};DISP_D9_A{y};DISP_RD_A{y};DISP_GINI_A{y};DISP_S80S20_A{y};DISP_PACT_A{y};"
    "DISP_PCHO_A{y};DISP_PPEN_A{y};DISP_PPAT_A{y};DISP_PPSOC_A{y};DISP_PPFAM_A{y};DISP_PPMINI_A{y};DISP_PPLOGT_A{y};"
    "DISP_PIMPOT_A{y};DISP_TP60_A{y};"
)
_FILO_OLD = (
    "codgeo;disp_q1_a{y};disp_q2_a{y};disp_q3_a{y};disp_q1q3q2_a{y};disp_d1_a{y};disp_d2_a{y};disp_d3_a{y};disp_d4_a{y};"
    "disp_d6_a{y};disp_d7_a{y};disp_d8_a{y};disp_d9_a{y};disp_d1d9_a{y};disp_gini_a{y};disp_s80s20_a{y};disp_pact_a{y};"
    "disp_pcho_a{y};disp_ppen_a{y};disp_ppat_a{y};disp_ppsoc_a{y};disp_ppfam_a{y};disp_ppmini_a{y};disp_pplogt_a{y};"
    "disp_pimpot_a{y};tp60_a{y};note"
)


def filosofi_old(year: int, total: str) -> bytes:
    """2016 and 2017: lower case, other names, thousands not separated."""
    y = year % 100
    rows = [
        f"{total}|10040|13210|2,9|22,6|-9,6|44,3|0",
        "QP034001|8000|10400|2,9|37|-7,1|61|0",
        "QP034002|9000|11100|2,7|33,5|-7,5|57,2|1",
        "QP034003|9100|11300|2,6|31,8|-8|56|0",
        "QP050001|9900|12900|2,6|24|-8,3|43|0",
        "QP059001|9500|12400|2,8|27,1|-8,1|48,5|0",
        "QP059002|||||||0",
        "QP075001|11000|15100|3,4|15,5|-12|39|0",
        "QP974001|9700|12200|3|28,4|-9,9|50,4|0",
    ]
    keep = f"codgeo disp_q1_a{y} disp_q2_a{y} disp_d1d9_a{y} disp_ppsoc_a{y} disp_pimpot_a{y} tp60_a{y} note"
    return csv(_FILO_OLD.format(y=y), rows, keep=keep)


def filosofi(year: int) -> bytes:
    """2018 and 2019: no-break space in thousands, one row of totals, a note."""
    y = year % 100
    rows = [
        "Ensemble|14_010|2,9|23,9|-9,5|43,6|0",
        "QP034001|10_610|2,8|36,5|-7,0|60,8|0",
        "QP034002|11_250|2,6|33,0|-7,4|56,4|1",
        "QP034003|11_430|2,5|31,1|-7,9|55,7|0",
        "QP050001|13_050|2,6|23,2|-8,2|41,2|0",
        "QP059001|12_560|2,8|26,5|-8,0|47,3|0",
        "QP059002||||||0",
        "QP075001|15_240|3,3|15,1|-11,8|38,9|0",
        "QP974001|13_450|3,2|28,4|-10,6|48,4|0",
    ]
    keep = f"CODGEO DISP_MED_A{y} DISP_RD_A{y} DISP_PPSOC_A{y} DISP_PIMPOT_A{y} DISP_TP60_A{y} DISP_NOTE_A{y}"
    return csv(_FILO.format(y=y) + f"DISP_NOTE_A{y}", rows, keep=keep, thousands=NBSP)


def filosofi_2021() -> bytes:
    """2021: rates on grids, their step padded with spaces; `,` alone for a missing number, `so` where not published."""
    rows = [
        "QP034001|10900|2,8|35,9|62|  1|0",
        "QP034002||||||so",
        "QP034003|11600|2,5|30,7|57|  2|0",
        "QP050001|13400|2,6|22,8|40|  1|1",
        "QP059001|12900|2,8|25,9|46|  1|0",
        "QP059002|||||  ,|5",
        "QP075001|15700|3,3|14,8|39|  2|0",
    ]
    keep = "CODGEO DISP_MED_A21 DISP_RD_A21 DISP_PPSOC_A21 DISP_TP60_A21 DISP_INCERT_A21 DISP_NOTE_A21"
    return csv(_FILO.format(y=21) + "DISP_INCERT_A21;DISP_NOTE_A21", rows, keep=keep)


def filosofi_qp24() -> bytes:
    """QPV 2024: the rate only; QPV that are not published have no row."""
    return csv("CODGEO;DISP_TP60_A21", ["QN03401M|62", "QN05901I|46", "QN07501M|39", "QN05001M|"])


def _comparator(year: int, rows: list[str], **options: str) -> bytes:
    y = year % 100
    names = (
        "NBMENFISC NBPERSMENFISC MED PIMP TP60 TP60AGE1 TP60AGE2 TP60AGE3 TP60AGE4 TP60AGE5 TP60AGE6 TP60TOL1 TP60TOL2"
    )
    names += " PACT PTSA PCHO PBEN PPEN PPAT PPSOC PPFAM PPMINI PPLOGT PIMPOT D1 D9 RD"
    header = ";".join(["CODGEO", *(f"{name}{y}" for name in names.split())])
    keep = f"CODGEO NBMENFISC{y} NBPERSMENFISC{y} MED{y} TP60{y} PPSOC{y} PIMPOT{y} RD{y}"
    return csv(header, rows, keep=keep, **options)  # type: ignore[arg-type]


def communes_2019() -> bytes:
    """Decimal point, blank for secrecy, line ends of Windows."""
    return _comparator(
        2019,
        [
            "22016|200|400|21500||||",
            "34032|36000|74000|17020|35|12.9|-9.4|3.5",
            "50129|37000|76000|20860|14|5.6|-14|2.9",
            "59350|105000|200000|20160|26|7.3|-16.5|4.6",
            "59410|9000|20000|19000|24|9.1|-12|3.6",
            "75056|1037197|2046445|28570|15|2.8|-28.9|6.3",
            "75113|81474|164962|24970|16|4.5|-22.2|4.7",
            "97411|54000|140000|17260|32|15|-13.7|4.8",
        ],
    )


def communes_2021() -> bytes:
    """Decimal comma, `s` for secrecy, `nd` for a commune without data, line ends of Unix."""
    return _comparator(
        2021,
        [
            "22016|205|410|22300|s|s|s|s",
            "34032|36500|75000|17620|34,0|12,0|-9,0|3,5",
            "50129|nd|nd|nd|nd|nd|nd|nd",
            "59350|106000|202000|21040|26,0|6,8|-16,0|4,6",
            "59410|9100|20200|19600|25,0|8,5|-11,5|3,6",
            "75056|1007247|1958437|29730|15,0|2,7|-28,5|6,4",
            "75113|81749|165983|25670|16,0|4,4|-21,8|4,8",
            "97411|54500|141000|17900|31,0|14,1|-13,2|4,7",
        ],
        eol="\n",
    )


def _structure(rows: list[str]) -> bytes:
    header = (
        "CODGEO;LIBGEO;NBMEN19;NBPERS19;NBUC19;Q119;Q219;Q319;Q3_Q1;D119;D219;D319;D419;D619;D719;D819;D919;RD;S80S2019;"
        "GI19;PACT19;PTSA19;PCHO19;PBEN19;PPEN19;PPAT19;PPSOC19;PPFAM19;PPMINI19;PPLOGT19;PIMPOT19"
    )
    return csv(header, rows, keep="CODGEO LIBGEO NBMEN19 NBPERS19 NBUC19 Q219 RD S80S2019 PPSOC19 PIMPOT19", bom=True)


def structure() -> bytes:
    """Medians and deciles by EPCI, department, region, and metropolitan France under the code 1."""
    return archive(
        {
            "FILO2019_DISP_EPCI.csv": _structure(
                [
                    "200067205|CA du Cotentin|80000|175000|120000,5|21460|2,8|3,300|4,6|-14,5",
                    "200093201|Métropole Européenne de Lille|480000|1150000|730000,1|21530|4,2|5,100|6,0|-17,0",
                    "243400769|CA de Béziers-Méditerranée|58000|121000|83000,9|18890|3,5|4,200|9,0|-11,6",
                    "249740119|CA du Nord de la Réunion (CINOR)|80393|205604|134257,7|17260|4,8|5,800|14,9|-13,7",
                ]
            ),
            "FILO2019_DISP_DEP.csv": _structure(
                [
                    "34|Hérault|520000|1140000|760000,3|20330|3,7|4,600|7,4|-14,6",
                    "59|Nord|1060000|2560000|1640000,6|20200|3,5|4,300|8,3|-14,4",
                    "974|La Réunion|322669|867558|557997,6|15890|4,3|5,400|17,3|-13,1",
                ]
            ),
            "FILO2019_DISP_REG.csv": _structure(["76|Occitanie|2640000|5780000|3900000,2|20900|3,4|4,200|6,0|-15,1"]),
            "FILO2019_DISP_METROPOLE.csv": _structure(
                ["1|France métropolitaine|27937964|62973019|43338321,3|21930|3,4|4,400|5,8|-17,7"]
            ),
        }
    )


def filosofi_iris() -> bytes:
    """By IRIS: one value of each status."""
    header = (
        "IRIS;LIBIRIS;COM;LIBCOM;DISP_TP6019;DISP_Q119;DISP_MED19;DISP_Q319;DISP_EQ19;DISP_D119;DISP_D219;DISP_D319;"
        "DISP_D419;DISP_D619;DISP_D719;DISP_D819;DISP_D919;DISP_RD19;DISP_S80S2019;DISP_GI19;DISP_PACT19;DISP_PTSA19;"
        "DISP_PCHO19;DISP_PBEN19;DISP_PPEN19;DISP_PPAT19;DISP_PPSOC19;DISP_PPFAM19;DISP_PPMINI19;DISP_PPLOGT19;"
        "DISP_PIMPOT19;DISP_NOTE19"
    )
    rows = [
        "340320101|Jean Jaurès|34032|Béziers|54,1|-6,9|0",
        "340320102|Allées Paul Riquet|34032|Béziers|49,9|-7,2|1",
        "593500101|Lille Centre 1|59350|Lille|ns|ns|0",
        "594100101|Mons 1|59410|Mons-en-Barœul|nd|nd|0",
        "751134901|Salpêtrière 1|75113|Paris 13e Arrondissement|so|so|0",
        "974110101|La Petite Île-La Redoute|97411|Saint-Denis|48,1|-10,4|0",
    ]
    return csv(header, rows, keep="IRIS LIBIRIS COM LIBCOM DISP_TP6019 DISP_PIMPOT19 DISP_NOTE19", bom=True)


# --- thematic bases by QPV 2015 ----------------------------------------------------------------------------------

_DEMO = (
    "CODGEO;POP_MUN;POP_COM_QP;POP_COM;TX_F;TX_TOT_0A24;TX_F_0A24;TX_TOT_60ETPLUS;TX_F_60ETPLUS;IND_JEUNE;TX_TOT_MEN1;"
    "TX_TOT_MEN6;TX_TOT_ET;TX_F_ET;NOTE_RP;A;PERCOU;AM;AI;ACSSENF;ACAVENF;AC3ENF;A_NETUD_24;A_ETUD;ENF;ENF_2;ENF_3_5;"
    "ENF_6_10;ENF_11_14;ENF_15_17;ENF_18_24;NOTE_CNAF"
)
_DEMO_KEEP = "CODGEO POP_MUN TX_TOT_0A24 TX_TOT_60ETPLUS TX_TOT_MEN1 TX_TOT_ET TX_F_ET"


def demo_2020() -> bytes:
    """No name, no note of the census, whole numbers without separator."""
    rows = [
        "00|4_758_000|39|17|38|19|18|1_500_000|300_000|900_000|100_000|200_000|0",
        "QP034001|19054|35,5|20,1|51,7|21|19|8449|1629|4965|559|1296|0",
        "QP034002|2832|38,4|23,8|44,6|21,6|19,1|1044|196|484|83|281|0",
        "QP034003|4605|38,6|24|33,1|24,9|23,7|1380|212|692|162|314|0",
        "QP050001|2600|36|21|40|5|4,5|820|205|410|55|150|0",
        "QP059001|6100|40|15|42|18|17|2050|492|1000|200|358|0",
        "QP059002|1480|41|14|44|20|19||||||3",
        "QP075001|2127|33,4|20,7|58,1|26|13,8|960|96|697|50|117|0",
        "QP974001|900|||||||||||",
    ]
    header = _DEMO.replace("POP_COM;TX_F;", "POP_COM;LIB_COM;TX_F;").replace(";NOTE_RP", "")
    return csv(header, rows, keep=f"{_DEMO_KEEP} A AM AI ACSSENF ACAVENF NOTE_CNAF")


def demo_2021() -> bytes:
    """Quoted names and codes; the census says 6 where it does not publish."""
    rows = [
        "QP034001|19472|35,2|20,9|52,3|20,4|18,5|0|8970|1683|5383|568|1336|0",
        "QP034002|3124|36,7|24,8|45,9|27,6|25,8|0|1113|212|507|90|304|0",
        "QP034003|3947|37,5|24,9|33,7|24,7|23,7|0|1370|202|717|154|297|0",
        "QP050001|2500|36,1|21,2|40,4|5,1|4,4|0|810|202|400|60|148|0",
        "QP059001|6000|39,6|15,2|42,6|18,4|17,3|0|2020|500|980|190|350|0",
        "QP059002|1500|41,3|13,8|44,7|20,4|18,9|0||||||5",
        "QP075001|2145|30,8|25,2|59,3|25,3|15,8|0|1002|120|721|41|120|0",
        "QP974001|848||||||6|324|98|153|15|58|0",
    ]
    return csv(_DEMO, rows, keep=f"{_DEMO_KEEP} NOTE_RP A AM AI ACSSENF ACAVENF NOTE_CNAF", quoted=True)


def demo_2022() -> bytes:
    """Passed through a spreadsheet: byte-order mark, narrow spaces, empty trailing columns. Names of communes."""
    rows = [
        "QP034001|Centre Ville|19_472|Béziers|35,0|21,1|52,1|19,9|18,1|0|9_103|1_639|5_576|588|1_300|0",
        "QP034002|Iranget Grangette|3_124|Béziers|39,0|23,2|43,6|33,4||0|1_000|200|420|80|300|0",
        "QP034003|Devèze|3_947|Béziers|36,0|26,6|33,1|25,1|24,5|0|1_400|210|730|160|300|0",
        "QP050001|Les Provinces|2_500|Octeville|36,2|21,3|40,6|5,2|4,3|0|800|200|400|60|140|0",
        "QP059001|Nouveau Mons|6_000|Lille, Mons-en-Barœul|39,5|15,3|42,8|18,6|17,5|0|2_000|500|970|180|350|0",
        "QP059002|Concorde|1_500|Lille|41,5|13,7|44,9|20,6|18,7|0||||||5",
        "QP075001|Bédier - Boutroux|2_145|Paris 13e Arrondissement|29,4|27,7|63,3|26|16|0|960|96|700|44|120|0",
        "QP974001|Camélias|848|Saint-Denis||||||0|330|99|150|15|66|0",
    ]
    header = _DEMO.replace("CODGEO;", "CODGEO;LIBGEO;").replace("POP_COM;TX_F;", "POP_COM;LIB_COM;TX_F;")
    keep = _DEMO_KEEP.replace("CODGEO POP_MUN", "CODGEO LIBGEO POP_MUN LIB_COM")
    keep += " NOTE_RP A AM AI ACSSENF ACAVENF NOTE_CNAF"
    return csv(header, rows, keep=keep, bom=True, trailing=12, thousands=NARROW)


def demo_qp24() -> bytes:
    """QPV 2024: blank where the census does not publish."""
    rows = [
        "QN03401M|20100|9800|20,2|24|53,1|2,2|38,5",
        "QN05001M|2450|1200|5,5|6|41|2|47",
        "QN05901I|6050|2500|18,9|22|43|5|44,1",
        "QN07501M|4300|2300|25|29|60,5|2|58,2",
        "QN97401M|8507||||||",
    ]
    return csv("CODGEO;POP_MUN;MEN;TX_TOT_ET;TX_TOT_IMMI;TX_TOT_MEN1;TX_TOT_MEN6;TX_TOT_EMPL", rows)


def revn(year: int) -> bytes:
    """Health cover and benefits: the columns of the cover change with the year."""
    cover = {2021: "CC2S", 2022: "C_C2SNP;C_C2SP"}[year]
    header = (
        "CODGEO;LIBGEO;PMIMP;DECUC_Q2;DECUC_Q1;DECUC_Q3;BREV;DECUC_D1;DECUC_D9;DECUC_D1D9;DISP_Q2;DISP_Q1;DISP_Q3;TP60;"
        f"DISP_D1;DISP_D9;DISP_D1D9;PACT;PPEN;PPSOC;PIMPOT;PPAT;NOTE_FILO;C;{cover};NOTE_CNAM;A;APPA;ARSAS;AAAH;NOTE_CNAF"
    )
    rows = {
        2021: [
            "QP034001|Centre Ville|0|19_500|7_800|0|8_970|3_588|700|0",
            "QP034002|Iranget Grangette|0|3_000|1_050|0|1_113|371|90|0",
            "QP034003|Devèze|0|3_800|1_140|0|1_370|411|120|0",
            "QP050001|Les Provinces|0|2_400|480|0|810|162|60|0",
            "QP059001|Nouveau Mons|0|5_800|1_740|0|2_020|606|150|0",
            "QP059002|Concorde|1|||5||||5",
            "QP075001|Bédier - Boutroux|0|2_000|300|0|1_002|167|40|0",
            "QP974001|Camélias|0||||324|139|21|0",
        ],
        2022: [
            "QP034001|Centre Ville|0|20_000|6_000|1_000|0|9_103|3_600|720|0",
            "QP034002|Iranget Grangette|0|3_100|800|130|0|1_000|340|90|0",
            "QP034003|Devèze|0|3_900|1_000|170|0|1_400|420|125|0",
            "QP050001|Les Provinces|0|2_500|450|50|0|800|160|62|0",
            "QP059001|Nouveau Mons|0|6_000|1_500|300|0|2_000|600|155|0",
            "QP059002|Concorde|0||||3||||5",
            "QP075001|Bédier - Boutroux|0|2_100|250|65|0|960|160|42|0",
            "QP974001|Camélias|0|931|451|42|0|330|135|20|0",
        ],
    }[year]
    keep = f"CODGEO LIBGEO NOTE_FILO C {cover.replace(';', ' ')} NOTE_CNAM A ARSAS AAAH NOTE_CNAF"
    return csv(header, rows, keep=keep, bom=True, trailing=20, thousands=NARROW)


def ipro(year: int) -> bytes:
    """Employment: the column `EVOL_CA_N_E ` ends with a space."""
    header = (
        "CODGEO;LIBGEO;TX_TOT_EMPL;TX_F_EMPL;TX_ET_EMPL;TX_TOT_EDLIM;TX_F_EDLIM;TX_ET_EDLIM;CA;NOTE_ASP;EVOL_CA_N_E ;"
        "NOTE_ASP_E;ABCDE;ABCDE_F;ABCDE_H;ABC;ABC_F;ABC_H;A;A_F;A_H;ABC_25;ABC_2649;ABC_50;NOTE_PE;EVOL_ABC_T4;NOTE_PE_T"
    )
    rows = [
        "QP034001|Centre Ville|32,1|27,4|33,0|-18,2|3_100|1_500|1_600|430|2_000|670|0",
        "QP034002|Iranget Grangette|35,0|29,9|30,1|33,3|420|200|220|60|270|90|0",
        "QP034003|Devèze|36,2|31,8|28,8|0,0|520|250|270|70|330|120|0",
        "QP050001|Les Provinces|45,5|41,0|24,0|100,0|380|180|200|80|220|80|0",
        "QP059001|Nouveau Mons|41,3|36,6|26,1||1_050|480|570|190|640|220|0",
        "QP059002|Concorde|40,2||||||||||3",
        "QP075001|Bédier - Boutroux|56,0|54,2|22,5|-7,1|300|150|150|30|190|80|0",
        "QP974001|Camélias||||0,0|600|320|280|90|380|130|0",
    ]
    if year == 2022:
        rows[0] = "QP034001|Centre Ville|33,0|28,5|32,4|5,0|2_950|1_400|1_550|400|1_910|640|0"
    keep = "CODGEO LIBGEO TX_TOT_EMPL TX_F_EMPL TX_TOT_EDLIM EVOL_CA_N_E ABC ABC_F ABC_H ABC_25 ABC_2649 ABC_50 NOTE_PE"
    return csv(header, rows, keep=keep, bom=True, trailing=15, thousands=NARROW)


def census_2010() -> bytes:
    """A workbook: titles, technical names on the sixth row, wording on the seventh, real numbers, blanks."""
    titles: list[list[object]] = [
        ["Estimations démographiques"],
        ["Données par quartier"],
        ["Champ : Quartiers de la politique de la ville de la France métropolitaine"],
        ["Source : Recensement de la population 2010"],
        [],
    ]
    names: list[object] = ["NOM_QP", "qp", "listcom", "reg", "niv", "tx_tot_men1", "tx_tot_fam_mono", "l_nbpers"]
    words: list[object] = ["Nom du quartier", "Code du quartier", "Code commune", "", "Taille du quartier"]
    rows: list[list[object]] = [
        ["Centre Ville", "QP034001", "Béziers", "91", "6. 10000 et plus", 50.5, 19.3, 1.9],
        ["Iranget Grangette", "QP034002", "Béziers", "91", "2. 2000 à 3000", 44, 20, 2.3],
        ["Devèze", "QP034003", "Béziers", "91", "3. 3000 à 5000", 33.4, 15.5, 2.6],
        ["Les Provinces", "QP050001", "Octeville", "25", "2. 2000 à 3000", 40, 21.7, 2.1],
        ["Nouveau Mons", "QP059001", "Lille, Mons-en-Barœul", "31", "4. 5000 à 10000", 41.9, 17.2, 2.4],
        ["Concorde", "QP059002", "Lille", "31", "1.    - de 1999", 43.1, "", ""],
        ["Bédier - Boutroux", "QP075001", "Paris", "11", "2. 2000 à 3000", 58, 9, 1.8],
    ]
    words += ["Part des ménages d'une personne", "Part des familles monoparentales", "Nombre de personnes"]
    regions: list[list[object]] = [*titles, ["", "reg", "tx_tot_fam_mono"], ["Nom", "", "Part"], ["Ensemble", "", 15.3]]
    return xls({"Regions": regions, "Quartiers": [*titles, names, words, *rows], "Documentation": [["Documentation"]]})


def caf_iris() -> bytes:
    """Benefit recipients by IRIS: notes 2 to 5 withhold, and an IRIS without any recipient has no share."""
    header = (
        "CODGEO;NOTE;A;PERCOU;AI;AM;ACSSENF;ACAVENF;AC3ENF;ENF;ENF_2;ENF_3_5;ENF_6_10;ENF_11_14;ENF_15_17;ENF_18_24;"
        "A_ETUD;A_NETUD_24;AAL;AAPL;AAAH;APPA;ARSAS"
    )
    rows = [
        "340320101|0|501|238|66|23|174|36|83",
        "340320102|0|1000|500|150|100|250|109|250",
        "501290101|0|400|200|100|40|60|20|40",
        "501290102|0|0|0|0|0|0|0|0",
        "593500101|2|||||||",
        "594100101|5|||||||",
        "751134901|3|||||||",
        "974110101|4|||||||",
    ]
    return csv(header, rows, keep="CODGEO NOTE A AI AM ACSSENF ACAVENF AAAH ARSAS")


# --- codes -------------------------------------------------------------------------------------------------------


def legal_populations() -> bytes:
    """Populations of communes; Paris by arrondissement."""
    rows = [
        "53|Bretagne|22|3|  |016|22016|Île-de-Bréhat|377|6|383",
        "76|Occitanie|34|1|98|032|34032|Béziers|79041|1000|80041",
        "28|Normandie|50|2|98|129|50129|Cherbourg-en-Cotentin|78549|1500|80049",
        "32|Hauts-de-France|59|5|97|350|59350|Lille|236710|2000|238710",
        "32|Hauts-de-France|59|5|25|410|59410|Mons-en-Barœul|21600|150|21750",
        "11|Île-de-France|75|1|  |113|75113|Paris 13e Arrondissement|178350|1108|179458",
        "04|La Réunion|974|1|93|411|97411|Saint-Denis|153001|1400|154401",
    ]
    return csv("REG;Région;DEP;CODARR;CODCAN;CODCOM;COM;Commune;PMUN;PCAP;PTOT", rows)


def communes() -> bytes:
    """The official code: communes, arrondissements, associated and delegated communes (which have no department)."""
    rows = [
        "COM|22016|53|22|22D|223|5|ILE DE BREHAT|Île-de-Bréhat|Île-de-Bréhat|2216|",
        "COM|34032|76|34|34D|341|0|BEZIERS|Béziers|Béziers|3498|",
        "COM|50129|28|50|50D|502|0|CHERBOURG EN COTENTIN|Cherbourg-en-Cotentin|Cherbourg-en-Cotentin|5098|",
        "COMD|50602|||||0|TOURLAVILLE|Tourlaville|Tourlaville||50129",
        "COM|59350|32|59|59D|595|0|LILLE|Lille|Lille|5997|",
        "COMA|59355|||||0|LOMME|Lomme|Lomme||59350",
        "COM|59410|32|59|59D|595|0|MONS EN BAROEUL|Mons-en-Barœul|Mons-en-Barœul|5925|",
        "COM|75056|11|75|75C|751|0|PARIS|Paris|Paris|7599|",
        "ARM|75113|11|75|75C|751|0|PARIS 13E|Paris 13e|Paris 13e Arrondissement|7599|75056",
        "COM|97411|04|974|974D|9741|0|SAINT DENIS|Saint-Denis|Saint-Denis|97493|",
    ]
    header = "TYPECOM,COM,REG,DEP,CTCD,ARR,TNCC,NCC,NCCENR,LIBELLE,CAN,COMPARENT"
    return csv(header, rows, separator=",", eol="\n")


def commune_events() -> bytes:
    """Mergers: the former commune appears as merged, then as delegated."""
    rows = [
        "32|2016-01-01|COM|50602|TOURLAVILLE|Tourlaville|COM|50129|CHERBOURG EN COTENTIN|Cherbourg-en-Cotentin",
        "32|2016-01-01|COM|50602|TOURLAVILLE|Tourlaville|COMD|50602|TOURLAVILLE|Tourlaville",
        "31|2000-02-28|COM|50383|OCTEVILLE|Octeville|COM|50129|CHERBOURG OCTEVILLE|Cherbourg-Octeville",
        "33|2000-02-27|COM|59355|LOMME|Lomme|COM|59350|LILLE|Lille",
        "33|2000-02-27|COM|59355|LOMME|Lomme|COMA|59355|LOMME|Lomme",
    ]
    header = (
        "MOD,DATE_EFF,TYPECOM_AV,COM_AV,TNCC_AV,NCC_AV,NCCENR_AV,LIBELLE_AV,"
        "TYPECOM_AP,COM_AP,TNCC_AP,NCC_AP,NCCENR_AP,LIBELLE_AP"
    )
    keep = "MOD DATE_EFF TYPECOM_AV COM_AV NCC_AV LIBELLE_AV TYPECOM_AP COM_AP NCC_AP LIBELLE_AP"
    return csv(header, rows, keep=keep, separator=",", eol="\n")


def epci() -> bytes:
    """A workbook in a zip: titles, long names on the fifth row, technical names on the sixth."""
    titles: list[list[object]] = [
        ["Intercommunalité et Métropole au 01/01/2022"],
        ["France - Composition communale des intercommunalités"],
        ["Mise en ligne le 18/03/2022   Géographie au 01/01/2022"],
        ["@Insee       Source(s) : Insee"],
        [
            "Code géographique",
            "Libellé géographique",
            "EPCI - Métropole",
            "Libellé de l'EPCI / Métropole",
            "Département",
        ],
    ]
    rows: list[list[object]] = [
        ["22016", "Île-de-Bréhat", "ZZZZZZZZZ", "Sans objet", "22", "53"],
        ["34032", "Béziers", "243400769", "CA de Béziers-Méditerranée", "34", "76"],
        ["50129", "Cherbourg-en-Cotentin", "200067205", "CA du Cotentin", "50", "28"],
        ["59350", "Lille", "200093201", "Métropole Européenne de Lille", "59", "32"],
        ["59410", "Mons-en-Barœul", "200093201", "Métropole Européenne de Lille", "59", "32"],
        ["75056", "Paris", "200054781", "Métropole du Grand Paris", "75", "11"],
        ["97411", "Saint-Denis", "249740119", "CA du Nord de la Réunion (CINOR)", "974", "04"],
    ]
    names: list[object] = ["CODGEO", "LIBGEO", "EPCI", "LIBEPCI", "DEP", "REG"]
    sheets = {"EPCI": [*titles, ["EPCI", "LIBEPCI"]], "Composition_communale": [*titles, names, *rows]}
    return archive({"Intercommunalite_Metropole_au_01-01-2022.xlsx": xlsx(sheets)})


def iris() -> bytes:
    """IRIS, their communes and urban units (codes ending in 000: outside any)."""
    rows = [
        "220160000|Île-de-Bréhat (commune non irisée)|Z|2201600|22016|Île-de-Bréhat|22000|53|22",
        "340320101|Jean Jaurès|H|3403201|34032|Béziers|34502|76|34",
        "340320102|Allées Paul Riquet|H|3403201|34032|Béziers|34502|76|34",
        "501290101|Centre|H|5012901|50129|Cherbourg-en-Cotentin|50501|28|50",
        "501290102|Divette|H|5012901|50129|Cherbourg-en-Cotentin|50501|28|50",
        "593500101|Lille Centre 1|A|5935001|59350|Lille|59702|32|59",
        "594100101|Mons 1|H|5941001|59410|Mons-en-Barœul|59702|32|59",
        "751134901|Salpêtrière 1|H|7511349|75113|Paris 13e Arrondissement|00851|11|75",
        "974110101|La Petite Île-La Redoute|H|9741101|97411|Saint-Denis|9D603|04|974",
    ]
    return csv("CODE_IRIS;LIB_IRIS;TYP_IRIS;GRD_QUART;DEPCOM;LIBCOM;UU2020;REG;DEP", rows, bom=True)


# --- outlines ----------------------------------------------------------------------------------------------------

SIDE = 500.0  # metres
_CORNERS = {
    "34": (721_000, 6_249_000),
    "59": (706_500, 7_059_500),
    "75": (653_500, 6_858_500),
    "50": (369_500, 6_956_500),
}


def qpv_2015() -> bytes:
    """Metropolitan QPV in Lambert-93 and the encoding of Windows; QP059001 crosses itself."""
    x, y = _CORNERS["34"]
    rows = [
        ("QP034001", "Centre Ville", "Béziers", square(x, y, SIDE)),
        ("QP034002", "Iranget Grangette", "Béziers", square(x + SIDE, y, SIDE)),
        ("QP034003", "Devèze", "Béziers", square(x + 3 * SIDE, y, SIDE)),
        ("QP050001", "Les Provinces d’Octeville", "Octeville", square(*_CORNERS["50"], SIDE)),
        ("QP059001", "Nouveau Mons", "Mons-en-Baroeul, Lille", bow_tie(*_CORNERS["59"], SIDE)),
        ("QP059002", "Concorde", "Lille", square(_CORNERS["59"][0] - 4 * SIDE, _CORNERS["59"][1], SIDE)),
        ("QP075001", "Bédier - Boutroux", "Paris 13ème arrondissement", square(*_CORNERS["75"], SIDE)),
    ]
    frame = gpd.GeoDataFrame(rows, columns=["CODE_QP", "NOM_QP", "COMMUNE_QP", "geometry"], crs=2154)
    return archive(shapefile(frame, "QP_METROPOLE_LB93", "CP1252"))


def _metropolitan(outlines: Mapping[str, Polygon]) -> dict[str, Polygon]:
    return gpd.GeoSeries(outlines, crs=2154).to_crs(4326).to_dict()


def qpv_2024() -> bytes:
    """All QPV of 2024 in WGS84, with their territories; one crosses itself, one has no area."""
    x, y = _CORNERS["34"]
    local = _metropolitan(
        {"34": square(x, y, 2 * SIDE), "59": bow_tie(*_CORNERS["59"], SIDE), "75": square(*_CORNERS["75"], 2 * SIDE)}
    )
    names = ["code_qp", "lib_qp", "insee_reg", "lib_reg", "insee_dep", "lib_dep", "insee_com", "lib_com", "siren_epci"]
    rows = [
        "QN03401M|Centre Ville|76|Occitanie|34|Hérault|34032|Béziers|243400769",
        "QN05001M|Les Provinces|28|Normandie|50|Manche|50129|Cherbourg-en-Cotentin|200067205",
        "QN05901I|Nouveau Mons|32|Hauts-de-France|59|Nord|59350, 59410|Lille, Mons-en-Barœul|200093201",
        "QN07501M|Bédier - Boutroux|11|Île-de-France|75|Paris|75056|Paris|217500016",
        "QN97401M|Camélias|04|La Réunion|974|La Réunion|97411|Saint-Denis|249740119",
    ]
    shapes = [local["34"], flat(-1.6, 49.6), local["59"], local["75"], square(55.45, -20.88, 0.005)]
    frame = gpd.GeoDataFrame(
        [[*row.split("|"), shape] for row, shape in zip(rows, shapes, strict=True)],
        columns=[*names, "geometry"],
        crs=4326,
    )
    return archive({"GEOJSON/QP2024_France_Hexagonale_Outre_Mer_WGS84.geojson": geojson(frame)})


def qpv_2024_communes() -> bytes:
    """One point a commune, with its QPV of 2024: a QPV in two communes is in the rows of both."""
    rows = [
        ("34032", "Béziers", "QN03401M", "Centre Ville"),
        ("50129", "Cherbourg-en-Cotentin", "QN05001M", "Les Provinces"),
        ("59350", "Lille; Mons-en-Barœul", "QN05901I", "Nouveau Mons"),
        ("59410", "Lille; Mons-en-Barœul", "QN05901I", "Nouveau Mons"),
        ("75056", "Paris", "QN07501M", "Bédier - Boutroux"),
        ("97411", "Saint-Denis", "QN97401M", "Camélias"),
    ]
    columns = ["insee_com", "lib_com", "code_qp", "lib_qp"]
    points = [[*row, Point(0, 0)] for row in rows]
    return geojson(gpd.GeoDataFrame(points, columns=[*columns, "geometry"], crs=4326))


def _areas(names: Mapping[str, str]) -> bytes:
    # each a square of 100 km around its QPV; 22 beside 50
    corners = {"34": "34", "76": "34", "59": "59", "32": "59", "75": "75", "11": "75", "50": "50", "28": "50"}
    shapes = {
        code: square(_CORNERS[corners[code]][0] - 50_000, _CORNERS[corners[code]][1] - 50_000, 100_000)
        for code in names
    }
    rows = [(code, names[code], shape) for code, shape in _metropolitan(shapes).items()]
    return geojson(gpd.GeoDataFrame(rows, columns=["code", "nom", "geometry"], crs=4326))


def departments() -> bytes:
    """Outlines of the metropolitan departments that have QPV."""
    return _areas({"34": "Hérault", "50": "Manche", "59": "Nord", "75": "Paris"})


def regions() -> bytes:
    """Outlines of their regions."""
    return _areas({"11": "Île-de-France", "28": "Normandie", "32": "Hauts-de-France", "76": "Occitanie"})


_COMMUNES = {
    "dep09": {"09122": "Foix"}, "dep11": {"11069": "Carcassonne"}, "dep12": {"12202": "Rodez"},
    "dep30": {"30189": "Nîmes"}, "dep31": {"31555": "Toulouse"}, "dep32": {"32013": "Auch"},
    "dep34": {"34032": "Béziers", "34129": "Lespignan"}, "dep46": {"46042": "Cahors"}, "dep48": {"48095": "Mende"},
    "dep65": {"65440": "Tarbes"}, "dep66": {"66136": "Perpignan"}, "dep81": {"81004": "Albi"},
    "dep82": {"82121": "Montauban"}, "reg32": {"59350": "Lille", "59410": "Mons-en-Barœul"},
}  # fmt: skip


def _communes(part: str) -> Callable[[], bytes]:
    """Outlines of communes of one file: squares of 20 km, those of Béziers and Lille around their QPV."""

    def make() -> bytes:
        rank = list(_COMMUNES).index(part)
        west, south = _CORNERS["59" if part == "reg32" else "34"]
        # files lie above one another, the communes of one side by side
        north = 0 if part in ("dep34", "reg32") else 20_000 * (rank + 1)
        shapes = {
            code: square(west - 10_000 + 20_000 * place, south - 10_000 + north, 20_000)
            for place, code in enumerate(_COMMUNES[part])
        }
        rows = [(code, _COMMUNES[part][code], shape) for code, shape in _metropolitan(shapes).items()]
        return geojson(gpd.GeoDataFrame(rows, columns=["code", "nom", "geometry"], crs=4326))

    return make


# --- care supply -------------------------------------------------------------------------------------------------


def facilities() -> bytes:
    """Facilities by IRIS and kind: only what exists has a row, a commune that is not cut stands for its IRIS."""
    rows = [
        "22016|22016|D232|1",
        "34032|34032_0101|D113|1",
        "34032|34032_0101|D201|5",
        "34032|34032_0101|D232|20",
        "34032|34032_0102|D201|7",
        *(f"34032|34032_0102|{kind}|1" for kind in ("D202", "D203", "D206", "D207", "D208", "D209")),
        "34032|34032_0102|D221|6",
        "34032|34032_0102|D233|4",
        "34032|34032_0102|D301|3",
        "50129|50129_0101|D201|8",
        "50602|50602|D201|2",
        "59350|59350_0101|D108|2",
        "59350|59350_0101|D201|30",
        *(f"59350|59350_0101|{kind}|2" for kind in ("D207", "D210", "D211", "D212", "D213", "D214")),
        "59350|59350_0101|D221|9",
        "59350|59350_0101|D232|60",
        "59410|59410_0101|D201|6",
        "75113|75113_4901|D201|40",
        "97411|97411_0101|D301|4",
    ]
    return csv("DEPCOM;DCIRIS;TYPEQU;NB_EQUIP", rows, eol="\n", thousands="_")  # `_` is the producer's here


# number, legal entity, name, long name, category, place in metres from the corner of QP034001 (none: not located)
STRUCTURES: list[tuple[str, str, str, str, str, tuple[float, float] | None]] = [
    ("340000011", "340000001", "MSP CENTRE", "MAISON DE SANTE DU CENTRE", "603", (250, 250)),
    ("340000022", "340000002", "CTRE DENT", "CENTRE DENTAIRE DES ALLEES", "124", (450, 250)),
    ("340000033", "340000002", "CSI DES ALLEES", "", "124", (450, 250)),
    ("340000044", "340000004", "MSP DEVEZE", "", "603", (1250, 250)),
    ("340000055", "340000005", "CDS SANS ADRESSE", "", "124", None),
    ("340000077", "340000007", "PHARMACIE DES ALLEES", "", "620", (460, 250)),
]


def structures() -> bytes:
    """FINESS, Hérault only: one row an authorised activity, two establishments behind one door, axes swapped once."""
    header = (
        "numero finess etablissement juridique,numero finess etablissement,libelle description equipement sociaux,"
        "libta_equipement,rsej,activite,libelle activite,forme,libelle forme,nofinessej_1,raison_sociale,rslongue,"
        "code commune,departement,libelle departement,categetab,categorie,latitude,longitude,type d etablissements,"
        "code_insee"
    )
    keep = "établissement entité activité nom long catégorie latitude longitude commune"
    names = {
        "numero finess etablissement": "établissement",
        "nofinessej_1": "entité",
        "activite": "activité",
        "raison_sociale": "nom",
        "rslongue": "long",
        "categetab": "catégorie",
        "code_insee": "commune",
    }
    x, y = _CORNERS["34"]
    rows = []
    for number, body, name, long_name, category, place in STRUCTURES:
        point = gpd.points_from_xy([x + place[0]], [y + place[1]], crs=2154).to_crs(4326) if place else None
        longitude, latitude = (str(point.x[0]), str(point.y[0])) if point is not None else ("", "")
        activities = ("07", "16") if number == "340000011" else ("",)
        rows += [
            "|".join([number, body, activity, name, long_name, category, latitude, longitude, "34032"])
            for activity in activities
        ]
    rows.append("340000066|340000006||CDS AXES||124|3.21|43.34|34032")
    text = csv(
        ",".join(names.get(name, name) for name in header.split(",")), rows, keep=keep, separator=",", eol="\n"
    ).decode()
    return text.replace(text.partition("\n")[0], header, 1).encode()


# --- every edition of the catalogue, and its address -------------------------------------------------------------


def _zipped(member: str, content: Callable[[], bytes]) -> Callable[[], bytes]:
    return lambda: archive({member: content()})


# edition -> (name that the landing page links to, content)
EDITIONS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "insee_filosofi_qpv@2016": (
        "data_filo16_qp_revdis_csv.zip",
        _zipped("data_filo16_qp_revdis.csv", lambda: filosofi_old(2016, "Ensemble")),
    ),
    "insee_filosofi_qpv@2017": (
        "data_filo17_qp_revdis_csv.zip",
        _zipped("data_filo17_qp_revdis.csv", lambda: filosofi_old(2017, "00")),
    ),
    "insee_filosofi_qpv@2018": (
        "data_filo18_qp_revdis_csv.zip",
        _zipped("data_filo18_qp_revdis.csv", lambda: filosofi(2018)),
    ),
    "insee_filosofi_qpv@2019": (
        "data_filo19_qp_revdis_csv.zip",
        _zipped("data_filo19_qp_revdis.csv", lambda: filosofi(2019)),
    ),
    "insee_filosofi_qpv@2021": (
        "revenus_pauvrete_2021_qp15_csv.zip",
        lambda: archive(
            {
                "data_indic-revenu-disponible-qp15-2021_QP.csv": filosofi_2021(),
                "meta_indic-revenu-disponible-qp15-2021_QP.csv": b"COD_VAR;LIB_VAR\r\nCODGEO;Code\r\n",
            }
        ),
    ),
    "insee_filosofi_qpv2024@2021": (
        "revenus_pauvrete_2021_qp24_v2_csv.zip",
        _zipped("data_indic-revenu-disponible-qp24-2021_v2_QP24.csv", filosofi_qp24),
    ),
    "insee_filosofi_commune@2019": (
        "base-cc-filosofi-2019_CSV.zip",
        # the extension is in capitals this year, and a second table comes with it
        lambda: archive(
            {"cc_filosofi_2019_COM.CSV": communes_2019(), "meta_cc_filosofi_2019_COM.CSV": b"COD_VAR;LIB\r\n"}
        ),
    ),
    "insee_filosofi_commune@2021": (
        "base-cc-filosofi-2021-geo2024_csv.zip",
        _zipped("cc_filosofi_2021_COM.csv", communes_2021),
    ),
    "insee_filosofi_structure@2019": ("indic-struct-distrib-revenu-2019_csv.zip", structure),
    "insee_filosofi_iris@2019": (
        "BASE_TD_FILO_DISP_IRIS_2019_CSV.zip",
        _zipped("BASE_TD_FILO_DISP_IRIS_2019.csv", filosofi_iris),
    ),
    "insee_demo_qpv@2020": ("data_DEMO_2020_V1_QP_csv.zip", _zipped("data_DEMO_2020_V1_QP.csv", demo_2020)),
    "insee_demo_qpv@2021": ("data_DEMO_2021_V1_QP_csv.zip", _zipped("data_DEMO_2021_V1_QP.csv", demo_2021)),
    "insee_demo_qpv@2022": ("DEMO_2022_csv.zip", _zipped("DEMO_2022.csv", demo_2022)),
    "insee_demo_qpv2024@2020": ("data_DEMO_QP24_2020_csv.zip", _zipped("data_DEMO_QP24_2020.csv", demo_qp24)),
    "insee_income_benefits_qpv@2021": ("REVN_2021_csv.zip", _zipped("REVN_2021.csv", lambda: revn(2021))),
    "insee_income_benefits_qpv@2022": ("REVN_2022_csv.zip", _zipped("REVN_2022.csv", lambda: revn(2022))),
    "insee_employment_qpv@2021": ("IPRO_2021_csv.zip", _zipped("IPRO_2021.csv", lambda: ipro(2021))),
    "insee_employment_qpv@2022": ("IPRO_2022_csv.zip", _zipped("IPRO_2022.csv", lambda: ipro(2022))),
    "insee_census2010_qpv@2010": ("demographie_2010_qpv.xls", census_2010),
    "cnaf_iris@2020": ("data_CAF_2020_IRIS_csv.zip", _zipped("data_CAF_2020_IRIS.csv", caf_iris)),
    "insee_legal_populations@2021": ("donnees_communes.csv", legal_populations),
    "anct_qpv2015@2018-01": ("qp-politiquedelaville-shp.zip", qpv_2015),
    "anct_qpv2024@2026-01": ("qpv-2024-geojson.zip", qpv_2024),
    "anct_qpv2024_communes@2026-01": ("centroide-4326_qpv.geojson", qpv_2024_communes),
    "ign_departments@2018": ("departements-version-simplifiee.geojson", departments),
    "ign_regions@2018": ("regions-version-simplifiee.geojson", regions),
    **{f"ign_communes@2018-{part}": (f"communes-{part}.geojson", _communes(part)) for part in _COMMUNES},
    "insee_cog@2024": ("v_commune_2024.csv", communes),
    "insee_cog_events@2024": ("v_mvt_commune_2024.csv", commune_events),
    "insee_epci@2022": ("Intercommunalite_Metropole_au_01-01-2022.zip", epci),
    "insee_iris@2021": ("reference_IRIS_geo2021.zip", _zipped("reference_IRIS_geo2021.csv", iris)),
    "insee_qpv2015_names@2022": ("DEMO_2022_csv.zip", _zipped("DEMO_2022.csv", demo_2022)),
    "insee_region_names@2021": ("donnees_communes.csv", legal_populations),
    "finess_occitanie@2025": ("finess_occitanie.csv", structures),
}
# what a theme with tests of its own is built from, on top of the above
CARE_EDITIONS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "insee_bpe@2019": ("bpe19_ensemble_sante_csv.zip", _zipped("bpe19_ensemble_sante.csv", facilities)),
}
SOURCES = list(dict.fromkeys(key.partition("@")[0] for key in EDITIONS))


@lru_cache(maxsize=1)
def contents() -> dict[str, bytes]:
    """The file of every edition."""
    return {key: make() for key, (_, make) in EDITIONS.items()}
