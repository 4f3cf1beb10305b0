"""Readers against what the producers' files hold, and what they could hold one day."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import producers as miniature
import pytest
import shapely
from producers import bow_tie, flat, square

from qpv_sante.catalogue import Note, Series, Source, Table, Vintage, catalogue
from qpv_sante.download import RawFile
from qpv_sante.errors import SchemaError
from qpv_sante.readers import Tables, codes, get_reader, perimeters, wide
from qpv_sante.readers.cells import find_column, parse_numbers, qualify, read_text_csv, read_text_sheet
from qpv_sante.readers.names import check_names, compare_names

COMMA = Table(missing={"": "suppressed", "s": "suppressed", "nd": "unavailable", "so": "not_applicable"})
POINT = Table(decimal=".", missing={"": "suppressed"})


def cells(*texts: str, name: str = "TP6021") -> pd.Series:
    """A column as readers see it: the index is the line of the file."""
    return pd.Series(texts, index=pd.RangeIndex(2, 2 + len(texts), name="line"), name=name, dtype="str")


def raw_file(folder: Path, key: str, content: bytes, name: str | None = None) -> RawFile:
    path = folder / (name or {**miniature.EDITIONS, **miniature.CARE_EDITIONS}[key][0])
    path.write_bytes(content)
    return RawFile(key, path, "https://example.fr/x", "0" * 64, len(content), None, None, "2026-01-01T00:00:00+00:00")


def read(key: str, folder: Path, content: bytes | None = None) -> Tables:
    """Read an edition of the miniature, or another content in its place."""
    name, _, edition = key.partition("@")
    source = catalogue().source(name)
    raw = raw_file(folder, key, miniature.contents()[key] if content is None else content)
    return get_reader(source.reader)(source, source.get_vintage(edition), raw)


def edited(key: str, *changes: tuple[str, str]) -> bytes:
    """The zip of an edition, its first member changed."""
    members = miniature.members_of(miniature.contents()[key])
    first = next(iter(members))
    text = members[first].decode("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return miniature.archive({**members, first: text.encode("utf-8")})


def values_of(tables: Tables, indicator: str) -> dict[str, float]:
    frame = tables.observations
    assert frame is not None
    rows = frame[(frame["indicator"] == indicator) & (frame["sex"] == "_T") & (frame["age"] == "_T")]
    return rows.set_index("geo_code")["value"].to_dict()


# --- numbers and markers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "table", "value"),
    [
        ("1\u202f056", COMMA, 1056.0),
        ("10\u00a0690", COMMA, 10690.0),
        ("1 056,5", COMMA, 1056.5),
        ("-12,3", COMMA, -12.3),
        ("  2", COMMA, 2.0),
        ("0", COMMA, 0.0),
        ("0,00", COMMA, 0.0),
        ("63.1", POINT, 63.1),
        ("-9.4", POINT, -9.4),
        ("1.2e3", POINT, 1200.0),
        ("1\u2009234\u00a0567,8", COMMA, 1_234_567.8),
        ("1 234", POINT, 1234.0),
        ("0012", COMMA, 12.0),
    ],
)
def test_number(text: str, table: Table, value: float) -> None:
    values, flags = parse_numbers(cells(text), table, where="file.csv")
    assert (values.tolist(), flags.tolist()) == ([value], ["observed"])


@pytest.mark.parametrize(
    "text", ["12 15", "3 5", "1 4,0", "1 2345", "1234 567", "0 123", "1 234 5", "1  234", "1\u00a07"]
)
@pytest.mark.parametrize("table", [COMMA, POINT])
def test_a_space_stands_only_before_three_digits(text: str, table: Table) -> None:
    """12 15 is not 1215: it is two numbers, or one that lost a digit."""
    with pytest.raises(SchemaError, match=r"is neither a number.*A space stands only before three digits") as told:
        parse_numbers(cells("1", text.replace(",", table.decimal)), table, where="file.csv")
    assert "line 3" in str(told.value)


def test_markers_of_several_words_may_have_no_break_spaces() -> None:
    table = Table(missing={"N/A - secret statistique": "suppressed"})
    _, flags = parse_numbers(cells("N/A\u00a0-\u00a0secret  statistique", "1 234"), table, where="file.csv")
    assert flags.tolist() == ["suppressed", "observed"]


def test_markers_give_their_own_flags() -> None:
    values, flags = parse_numbers(cells("", "s", "nd", " so ", "3"), COMMA, where="file.csv")
    assert values.isna().tolist() == [True, True, True, True, False]
    assert flags.tolist() == ["suppressed", "suppressed", "unavailable", "not_applicable", "observed"]


def test_zero_is_not_missing() -> None:
    values, flags = parse_numbers(cells("0", ""), COMMA, where="file.csv")
    assert values.iloc[0] == 0
    assert flags.tolist() == ["observed", "suppressed"]


@pytest.mark.parametrize("text", ["x", "n.s.", "12.5", "1,2,3", "-", "1e3", "NaN", "nan", "inf", "12 %", "--5"])
def test_unknown_marker_is_told_with_file_line_column_and_value(text: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse_numbers(cells("1", "2", text, "x2"), COMMA, where="source@2021, file.csv")
    said = str(caught.value)
    for expected in ("source@2021, file.csv", "TP6021", "line 4", repr(text), "2 such cells", "['', 'nd', 's', 'so']"):
        assert expected in said


def test_decimal_comma_where_a_point_is_declared_is_refused() -> None:
    """1,5 read as 15 would be worse than an error."""
    with pytest.raises(SchemaError, match=r"decimal mark '\.'"):
        parse_numbers(cells("1,5"), POINT, where="file.csv")


def test_no_marker_declared() -> None:
    values, flags = parse_numbers(cells("1", "2"), Table(), where="file.csv")
    assert values.tolist() == [1, 2]
    assert flags.tolist() == ["observed", "observed"]
    with pytest.raises(SchemaError, match=r"declared missing marker \[\]"):
        parse_numbers(cells("1", ""), Table(), where="file.csv")


# --- notes -------------------------------------------------------------------------------------------------------

NOTE = Note(column=["NOTE"], codes={"0": "observed", "1": "unreliable", "5": "suppressed", "": "unavailable"})


def test_note_qualifies_a_value_and_explains_a_missing_one() -> None:
    values, flags = parse_numbers(cells("4", "4", "", "", "s"), COMMA, where="file.csv")
    _, qualified = qualify(values, flags, cells("0", " 1 ", "5", "", "1"), NOTE, where="file.csv")
    # the last one is missing whatever the note says of its quality
    assert qualified.tolist() == ["observed", "unreliable", "suppressed", "unavailable", "suppressed"]


def test_unknown_note_is_told() -> None:
    values, flags = parse_numbers(cells("4", "5"), COMMA, where="file.csv")
    with pytest.raises(
        SchemaError, match=r"file\.csv: column NOTE, line 3: unknown note '7'; declared: \['', '0', '1', '5'\]"
    ):
        qualify(values, flags, cells("0", "7", name="NOTE"), NOTE, where="file.csv")


def test_note_that_contradicts_the_value_is_told() -> None:
    values, flags = parse_numbers(cells("4", "5"), COMMA, where="file.csv")
    with pytest.raises(SchemaError, match=r"column TP6021, line 3: 5\.0 is published but NOTE = '5' says suppressed"):
        qualify(values.rename("TP6021"), flags, cells("0", "5", name="NOTE"), NOTE, where="file.csv")


# --- text tables -------------------------------------------------------------------------------------------------


def test_text_stays_text() -> None:
    """Leading zeros, 2A, and the letters NA (a commune code of Namibia is not our business) are not guessed."""
    frame = read_text_csv(b"CODGEO;A\r\n01001;NA\r\n2A004;007\r\n", Table(), where="file.csv")
    assert frame.to_numpy().tolist() == [["01001", "NA"], ["2A004", "007"]]
    assert frame.index.tolist() == [2, 3]


def test_empty_trailing_columns_go_and_a_filled_one_without_name_is_refused() -> None:
    frame = read_text_csv(b"CODGEO;EVOL ;;;\r\n01001;1;;;\r\n", Table(), where="file.csv")
    assert frame.columns.tolist() == ["CODGEO", "EVOL"]
    with pytest.raises(SchemaError, match="1 columns hold values but have no name"):
        read_text_csv(b"CODGEO;A;;\r\n01001;1;;\r\n01002;1;9;\r\n", Table(), where="file.csv")


def test_blank_rows_are_counted_and_lines_keep_their_numbers() -> None:
    content = b"CODGEO;A;B\r\n01001;1;2\r\n\r\n;;\r\n01002;3;x\r\n"
    frame = read_text_csv(content, Table(), where="file.csv")
    assert frame.attrs["blank rows"] == 2
    assert frame.index.tolist() == [2, 5]
    with pytest.raises(SchemaError, match="line 5: 'x'"):
        parse_numbers(frame["B"], Table(), where="file.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\r\n \r\n", "the file is empty"),
        (b"CODGEO;A\r\n", "a header but no row"),
        (b"CODGEO;A\r\n;\r\n\r\n", "a header but no row"),
        (b"CODGEO,A\r\n01001,1\r\n", r"one column only with the separator ';'; first line: 'CODGEO,A'"),
        (b"CODGEO;A\r\n01001;1\r\n01002;1;2\r\n", "line 3 has 3 cells, more cells than the header"),
        (b"CODGEO;A\r\n01001;1;2\r\n01002;1;2\r\n", "more cells than the header"),
        (b"CODGEO;A;B\r\n01001;1;2\r\n01002;1\r\n", "line 3 has fewer cells than the header"),
        ("CODGEO;LIB\r\n01001;Devèze\r\n".encode("cp1252"), "expected encoding utf-8-sig, but byte 21"),
    ],
)
def test_file_that_is_not_the_table(content: bytes, message: str) -> None:
    with pytest.raises(SchemaError, match=f"source@2021, file.csv: .*{message}"):
        read_text_csv(content, Table(), where="source@2021, file.csv")


QUOTED = """CODGEO;LIB;A
QP034001;Centre Ville;12,5
QP034002;"Iranget;14,0
QP034003;Devèze;17,5
QP034004;Les "Cévennes;22,5
QP034005;Petit Bard;25,0
"""


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("", "", "line 3, cell 2: '\"Iranget;14,0' opens a quotation mark"),
        ('"Iranget;14,0', 'Iranget;"14,0', "line 3, cell 3: '\"14,0' opens"),
        ('"Iranget;14,0', '"Iranget;14,0"', "line 3 has fewer cells than the header"),
        ('"Iranget;14,0', '"Iranget"s;14,0', "line 3, cell 2: '\"Iranget\"s;14,0' opens"),
        ('"Iranget;14,0', '"Iranget\nou plus loin";14,0', "line 3, cell 2: '\"Iranget' opens"),
        ("QP034001;Centre Ville", '"QP034001;Centre Ville', "line 2, cell 1"),
        ("CODGEO;LIB;A", 'CODGEO;"LIB;A', "line 1, cell 2"),
    ],
)
def test_a_quotation_mark_that_its_line_does_not_close_is_refused(old: str, new: str, place: str) -> None:
    """Read as one cell, it would take the rows that follow, and give QP034002 the value of another."""
    with pytest.raises(SchemaError, match=f"file.csv: {place}"):
        read_text_csv(QUOTED.replace(old, new).encode(), Table(), where="file.csv")


def test_quotation_marks_that_are_closed_or_inside_a_cell_are_read() -> None:
    text = QUOTED.replace('"Iranget', '"Iranget; ""Grangette"""').replace("Petit Bard", '"Petit Bard" ')
    frame = read_text_csv(text.encode(), Table(), where="file.csv")
    assert frame["A"].tolist() == ["12,5", "14,0", "17,5", "22,5", "25,0"]
    assert frame["LIB"].str.strip().tolist()[1:4:2] == ['Iranget; "Grangette"', 'Les "Cévennes']
    assert frame.index.tolist() == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("name", ["insee_filosofi_qpv", "insee_cog", "insee_bpe", "finess_occitanie"])
def test_every_reader_of_csv_refuses_an_open_quotation_mark(name: str, tmp_path: Path) -> None:
    """Wide, code, facility and point files alike: what follows the mark is never swallowed."""
    editions = {**miniature.EDITIONS, **miniature.CARE_EDITIONS}
    key = next(one for one in editions if one.partition("@")[0] == name)
    content = editions[key][1]()
    zipped = content.startswith(b"PK")
    members = miniature.members_of(content) if zipped else {"": content}
    first = next(iter(members))
    lines = members[first].split(b"\n")
    lines[2] = b'"' + lines[2]
    members = {**members, first: b"\n".join(lines)}
    with pytest.raises(SchemaError, match=r"line 3, cell 1: .* opens a quotation mark"):
        read(key, tmp_path, miniature.archive(members) if zipped else members[""])


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_is_stronger_than_what_is_declared(mark: str) -> None:
    content = "CODGEO;LIB\r\n01001;Devèze\r\n".encode(mark)
    frame = read_text_csv(content, Table(encoding="cp1252"), where="file.csv")
    assert frame.to_numpy().tolist() == [["01001", "Devèze"]]


@pytest.mark.parametrize(
    ("content", "encoding", "message"),
    [
        (
            "Devèze".encode("cp1252"),
            "utf-8-sig",
            r'at line 2, .*reads \'01001;Devèze\'.*encoding = "cp1252" in the catal',
        ),
        ("Devèze".encode(), "cp1252", r"would read '01001;DevÃ¨ze'\. Declare encoding = \"utf-8-sig\""),
        (b"a\0b\0", "utf-8-sig", r'encoding = "utf-16-le"'),
        (b"\x81\xff", "utf-8-sig", "Save it as UTF-8"),
        (b"x", "utf8000", "unknown encoding 'utf8000'"),
    ],
)
def test_no_encoding_is_guessed(content: bytes, encoding: str, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        read_text_csv(b"CODGEO;LIB\n01001;" + content + b"\n", Table(encoding=encoding), where="file.csv")


def test_lone_carriage_returns_end_lines_too() -> None:
    frame = read_text_csv(b"CODGEO;A\r01001;1\r01002;x\r", Table(), where="file.csv")
    assert frame.index.tolist() == [2, 3]


def test_two_columns_of_one_name_are_not_the_first_of_them() -> None:
    frame = read_text_csv(b"CODGEO;A;A\n01001;1;2\n", Table(), where="file.csv")
    with pytest.raises(SchemaError, match=r"several columns for \['A'\]"):
        find_column(frame, ["A"], where="file.csv")


def test_columns_are_found_whatever_their_case() -> None:
    frame = pd.DataFrame({"codgeo": ["x"], "disp_tp60_a19": ["1"], "Disp_Med": ["2"]})
    assert find_column(frame, ["DISP_TP60_A19", "TP60_A19"], where="f") == "disp_tp60_a19"
    with pytest.raises(
        SchemaError, match=r"f: no column TP60 or TX60\. Columns of the file: codgeo, disp_tp60_a19, Disp_Med"
    ):
        find_column(frame, ["TP60", "TX60"], where="f")
    with pytest.raises(SchemaError, match=r"several columns for \['DISP_MED', 'DISP_TP60_A19'\]"):
        find_column(frame, ["DISP_MED", "DISP_TP60_A19"], where="f")


# --- wide tables -------------------------------------------------------------------------------------------------


def test_header_case_and_names_change_with_the_year(tmp_path: Path) -> None:
    """Lower case and tp60 in 2016, capitals and DISP_TP60 in 2019: one indicator."""
    assert values_of(read("insee_filosofi_qpv@2016", tmp_path), "poverty_rate")["QP034001"] == 61.0
    assert values_of(read("insee_filosofi_qpv@2019", tmp_path), "poverty_rate")["QP034001"] == 60.8
    assert values_of(read("insee_filosofi_qpv@2016", tmp_path), "median_standard_of_living")["QP034001"] == 10400
    assert values_of(read("insee_filosofi_qpv@2019", tmp_path), "median_standard_of_living")["QP034001"] == 10610


@pytest.mark.parametrize(
    ("key", "read_rows", "totals"),
    [
        ("insee_filosofi_qpv@2016", 9, 1),  # Ensemble
        ("insee_filosofi_qpv@2017", 9, 1),  # 00
        ("insee_demo_qpv@2020", 9, 1),  # 00
        ("insee_filosofi_qpv@2021", 7, 0),
    ],
)
def test_total_rows_are_dropped_and_counted(key: str, read_rows: int, totals: int, tmp_path: Path) -> None:
    tables = read(key, tmp_path)
    counts = {name.rpartition(": ")[2]: number for name, number in tables.counts.items()}
    assert counts == {"rows read": read_rows, "rows dropped (blank)": 0, "rows dropped (totals)": totals}
    assert tables.observations is not None
    assert tables.observations["geo_code"].nunique() == read_rows - totals
    assert tables.observations["geo_code"].str.match("QP").all()


def test_blank_rows_of_a_wide_file_are_counted(tmp_path: Path) -> None:
    content = edited("cnaf_iris@2020", ("501290101;", ";" * 22 + "\r\n501290101;"))
    counts = read("cnaf_iris@2020", tmp_path, content).counts
    assert counts["data_CAF_2020_IRIS.csv: rows dropped (blank)"] == 1
    assert counts["data_CAF_2020_IRIS.csv: rows read"] == 9


def test_recoded_territory(tmp_path: Path) -> None:
    """The producer writes 1 for metropolitan France."""
    frame = read("insee_filosofi_structure@2019", tmp_path).observations
    assert frame is not None
    country = frame[frame["geo_level"] == "country"]
    assert set(country["geo_code"]) == {"FM"}
    assert country.set_index("indicator")["value"].to_dict() == {
        "median_standard_of_living": 21930,
        "decile_ratio": 3.4,
        "social_benefit_income_share": 5.8,
    }


CHANGES = {
    "renamed column": (
        (";DISP_TP60_A19;", ";DISP_TXPAUV_A19;"),
        "no column DISP_TP60_A19 or TP60_A19.*DISP_TXPAUV_A19",
    ),
    "two columns": ((";DISP_D1_A19;", ";TP60_A19;"), "several columns for"),
    "renamed note": ((";DISP_NOTE_A19", ";QUALITE"), "no column DISP_NOTE_A19 or NOTE"),
    "renamed code": (("CODGEO;", "QP;"), "no column CODGEO"),
    "unknown marker": ((";48,4;", ";c;"), r"column DISP_TP60_A19, line 10: 'c'"),
    "unknown note": ((";41,2;0", ";41,2;9"), "column DISP_NOTE_A19, line 6: unknown note '9'"),
    "contradiction": ((";41,2;0", ";41,2;5"), r"line 6: .* is published but DISP_NOTE_A19 = '5' says suppressed"),
    "duplicate code": (("QP034002;", "QP034001;"), r"1 codes appear twice, first QP034001 \(line 4\)"),
    "lost zero": (("QP034001;", "QP34001;"), "1 code is not a qpv code .*'QP34001'.*Codes are text"),
    "other zoning": (("QP034001;", "QN03401M;"), r"1 code is not a qpv code \(2015\): 'QN03401M'"),
    "unknown total": (("Ensemble;", "Total;"), "1 code is not a qpv code .*'Total'"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_file_that_changed(change: str, tmp_path: Path) -> None:
    replaced, message = CHANGES[change]
    with pytest.raises(SchemaError, match=f"insee_filosofi_qpv@2019, data_filo19_qp_revdis.csv: .*{message}"):
        read("insee_filosofi_qpv@2019", tmp_path, edited("insee_filosofi_qpv@2019", replaced))


def test_wrong_encoding_of_a_member(tmp_path: Path) -> None:
    members = miniature.members_of(miniature.contents()["insee_demo_qpv@2022"])
    latin = members["DEMO_2022.csv"].decode("utf-8-sig").replace("\u202f", " ").replace("œ", "oe").encode("latin-1")
    with pytest.raises(SchemaError, match=r"insee_demo_qpv@2022, DEMO_2022\.csv: expected encoding utf-8-sig"):
        read("insee_demo_qpv@2022", tmp_path, miniature.archive({"DEMO_2022.csv": latin}))


# --- shares ------------------------------------------------------------------------------------------------------


def test_share_is_numerator_over_denominator(tmp_path: Path) -> None:
    tables = read("insee_demo_qpv@2022", tmp_path)
    shares = values_of(tables, "single_parent_recipient_share")
    assert shares["QP034001"] == pytest.approx(100 * 1639 / 9103)
    assert shares["QP034002"] == 20.0
    assert tables.observations is not None
    rows = tables.observations.query("indicator == 'single_parent_recipient_share'").set_index("geo_code")
    assert rows.loc["QP034001", "denominator"] == 9103
    assert rows.loc["QP059002", "flag"] == "suppressed"
    assert set(rows["year"]) == {2020}  # the edition of 2022 counts recipients at the end of 2020


def test_share_with_two_numerators(tmp_path: Path) -> None:
    """Health cover of 2022: with and without contribution."""
    cover = read("insee_income_benefits_qpv@2022", tmp_path)
    assert values_of(cover, "c2s_share")["QP034001"] == 35.0
    assert values_of(cover, "c2s_free_share")["QP034001"] == 30.0


def test_an_edition_that_counts_only_the_free_cover_is_not_read_as_the_whole(tmp_path: Path) -> None:
    """CC2S of edition 2021 has no one who pays a contribution: it is C_C2SNP under another name."""
    frame = read("insee_income_benefits_qpv@2021", tmp_path).observations
    assert frame is not None
    assert "c2s_share" not in set(frame["indicator"])
    assert values_of(read("insee_income_benefits_qpv@2021", tmp_path), "c2s_free_share")["QP034001"] == 40.0
    known = catalogue()
    for lang, paid, free in (("fr", "avec et sans participation", "sans participation"),
                             ("en", "with and without contribution", "pay no contribution")):  # fmt: skip
        assert paid in known.indicator("c2s_share").definition[lang]
        assert free in known.indicator("c2s_free_share").definition[lang]


def test_numerator_above_denominator_is_refused(tmp_path: Path) -> None:
    content = edited("insee_demo_qpv@2022", (";1\u202f000;;200;", ";1\u202f000;;1\u202f200;"))
    with pytest.raises(SchemaError, match=r"single_parent_recipient_share, line 3: AM = 1200 is above A = 1000"):
        read("insee_demo_qpv@2022", tmp_path, content)


def test_zero_over_zero_is_not_applicable(tmp_path: Path) -> None:
    """An IRIS without any recipient has no share; it has a count, which is zero."""
    frame = read("cnaf_iris@2020", tmp_path).observations
    assert frame is not None
    rows = frame[frame["geo_code"] == "501290102"].set_index("indicator")
    assert rows.loc["single_parent_recipient_share", "flag"] == "not_applicable"
    assert np.isnan(rows.loc["single_parent_recipient_share", "value"])
    assert rows.loc["benefit_recipients", ["value", "flag"]].tolist() == [0.0, "observed"]


def test_withheld_numerator_withholds_the_share(tmp_path: Path) -> None:
    content = edited("insee_demo_qpv@2022", (";1\u202f000;;200;", ";1\u202f000;;;"))
    frame = read("insee_demo_qpv@2022", tmp_path, content).observations
    assert frame is not None
    row = frame.query("indicator == 'single_parent_recipient_share' and geo_code == 'QP034002'").iloc[0]
    assert (row["flag"], row["denominator"]) == ("suppressed", 1000)


# --- published grids -----------------------------------------------------------------------------------------------


def poverty(key: str, folder: Path, content: bytes | None = None) -> pd.DataFrame:
    frame = read(key, folder, content).observations
    assert frame is not None
    return frame[frame["indicator"] == "poverty_rate"].set_index("geo_code")


def test_a_value_is_bounded_by_half_a_step_of_the_grid_it_is_published_on(tmp_path: Path) -> None:
    rows = poverty("insee_filosofi_qpv@2021", tmp_path)
    bounds = rows[["lower", "value", "upper", "interval", "flag"]]
    assert bounds.loc["QP034001"].tolist() == [61.5, 62, 62.5, "rounding", "observed"]  # step 1
    assert bounds.loc["QP034003"].tolist() == [56, 57, 58, "rounding", "observed"]  # step 2: odd numbers only
    assert bounds.loc["QP050001"].tolist() == [39.5, 40, 40.5, "rounding", "unreliable"]
    for code in ("QP034002", "QP059002"):  # `so`, and a number printed as a comma alone
        assert bounds.loc[code, ["lower", "value", "upper"]].isna().all()
        assert bounds.loc[code, ["interval", "flag"]].tolist() == ["none", "suppressed"]
    # another column of the same table has no grid
    frame = read("insee_filosofi_qpv@2021", tmp_path).observations
    assert frame is not None
    assert set(frame.loc[frame["indicator"] == "decile_ratio", "interval"]) == {"none"}


def test_a_step_is_found_in_lower_case_and_its_bounds_stay_in_range(tmp_path: Path) -> None:
    header = ("DISP_INCERT_A21", "disp_incert_a21")
    content = edited("insee_filosofi_qpv@2021", header, (";62;  1;", ";99,9;0,1;"), (";57;  2;", ";0;  1;"))
    rows = poverty("insee_filosofi_qpv@2021", tmp_path, content)
    assert rows.loc["QP034001", ["lower", "upper"]].tolist() == pytest.approx([99.85, 99.95])
    assert rows.loc["QP034003", ["lower", "upper"]].tolist() == [0, 0.5]


def test_without_the_step_a_value_is_bounded_by_the_coarsest_grid_that_holds_it(tmp_path: Path) -> None:
    """39 may be of the whole numbers or of the odd ones; 62 and 46 are of the whole ones, 39,4 of the tenths."""
    rows = poverty("insee_filosofi_qpv2024@2021", tmp_path, edited("insee_filosofi_qpv2024@2021", (";46", ";39,4")))
    half = (rows["upper"] - rows["value"]).dropna().round(6).to_dict()
    assert half == {"QN03401M": 0.5, "QN05901I": 0.05, "QN07501M": 1.0}
    assert rows["interval"].to_dict()["QN05001M"] == "none"
    # a step that the file withholds for one value is that of the grids as well
    content = edited("insee_filosofi_qpv@2021", (";57;  2;", ";57;  so;"), (";62;  1;", ";62;  ,;"))
    rows = poverty("insee_filosofi_qpv@2021", tmp_path, content)
    assert (rows["upper"] - rows["value"]).dropna().loc[["QP034001", "QP034003"]].tolist() == [0.5, 1.0]


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (";62;  2;", "line 2: 62 does not lie on the grid which DISP_INCERT_A21 says for it, step 2"),
        (";62;  5;", "line 2: 62 does not lie on the grid which DISP_INCERT_A21 says for it, step 5"),
        (";62,5;  1;", "line 2: 62.5 does not lie on the grid which DISP_INCERT_A21 says for it, step 1"),
        (";62,55;  ;", "line 2: 62.55 does not lie on the grid declared in the catalogue"),
    ],
)
def test_a_value_off_its_grid_stops_the_source(cells: str, told: str, tmp_path: Path) -> None:
    content = edited("insee_filosofi_qpv@2021", (";62;  1;", cells))
    with pytest.raises(SchemaError, match=told):
        poverty("insee_filosofi_qpv@2021", tmp_path, content)


# --- workbooks ---------------------------------------------------------------------------------------------------


def test_missing_sheet_lists_those_that_exist(tmp_path: Path) -> None:
    content = miniature.xls({"Régions": [["a"]], "Par quartier": [["b"]]})
    with pytest.raises(SchemaError, match=r"no sheet 'Quartiers'; the workbook has \['Régions', 'Par quartier'\]"):
        read("insee_census2010_qpv@2010", tmp_path, content)


def test_workbook_that_is_not_one(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"demographie_2010_qpv.xls: not a readable workbook"):
        read("insee_census2010_qpv@2010", tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))


def test_sheet_without_rows(tmp_path: Path) -> None:
    sheets = {"Quartiers": [["Titre"], ["NOM_QP", "qp"]]}
    with pytest.raises(SchemaError, match="sheet 'Quartiers' has 2 rows, none after its header"):
        read("insee_census2010_qpv@2010", tmp_path, miniature.xls(sheets))


def test_sheet_cells_as_typed() -> None:
    """Whole numbers have no decimal point, blank rows and columns without name go, rows keep their numbers."""
    rows = [["Titre"], ["CODGEO", "A", ""], ["01001", 12.0, "note"], ["", "", ""], ["2A004", 3.5, ""]]
    frame = read_text_sheet(miniature.xlsx({"S": rows}), Table(sheet="S", header_row=1), where="f.xlsx")
    assert frame.columns.tolist() == ["CODGEO", "A"]
    assert frame.to_numpy().tolist() == [["01001", "12"], ["2A004", "3.5"]]
    assert frame.index.tolist() == [3, 5]
    assert frame.attrs["blank rows"] == 1


@pytest.mark.parametrize(("style", "expected"), [(1, "12.5"), (2, "12.5"), (3, "0.125"), (0, "0.125")])
def test_cells_in_percent_are_read_as_they_are_shown(style: int, expected: str) -> None:
    """A built-in format, one of the analyst's own; a percent sign in words multiplies nothing."""
    rows = [["CODGEO", "A", "B"], ["01001", miniature.Percent(0.125), 12], ["01002", 14.5, miniature.Percent(0.07)]]
    frame = read_text_sheet(miniature.xlsx({"S": rows}, style=style), Table(sheet="S"), where="f.xlsx")
    assert frame["A"].tolist() == [expected, "14.5"]
    assert frame["B"].tolist() == ["12", "7" if expected == "12.5" else "0.07"]
    assert frame.attrs.get("percent cells", []) == ([[2, "A"], [3, "B"]] if expected == "12.5" else [])


def test_formats_stand_where_the_sheet_has_them() -> None:
    """A table that does not begin in A1, and blank cells in percent on its right and below."""
    blank = miniature.Percent("nan")
    rows: list[list[object]] = [[""], ["", ""], ["", "CODGEO", "A", blank, blank]]
    rows += [
        ["", "01001", miniature.Percent(0.125), blank],
        ["", "01002", 7],
        [blank, blank, blank, blank, blank, blank],
    ]
    frame = read_text_sheet(miniature.xlsx({"S": rows}), Table(sheet="S", header_row=2), where="f.xlsx")
    assert frame.to_numpy().tolist() == [["01001", "12.5"], ["01002", "7"]]
    assert frame.index.tolist() == [4, 5]


def test_formats_are_those_of_the_sheet_that_is_read() -> None:
    sheets = {"Lisez-moi": [["a"], ["b"]], "S": [["CODGEO", "A"], ["01001", miniature.Percent(0.5)]]}
    frame = read_text_sheet(miniature.xlsx(sheets, hidden=[2]), Table(sheet="S"), where="f.xlsx")
    assert frame["A"].tolist() == ["50"]
    assert frame.attrs["hidden rows"] == [2]


def test_census_workbook(tmp_path: Path) -> None:
    shares = values_of(read("insee_census2010_qpv@2010", tmp_path), "single_parent_household_share")
    assert shares["QP034001"] == 19.3
    assert shares["QP034002"] == 20.0
    assert np.isnan(shares["QP059002"])


# --- names beside codes ------------------------------------------------------------------------------------------

DEPARTMENTS = pd.DataFrame(
    {"code": ["30", "31", "32", "33", "34"], "name": ["Gard", "Haute-Garonne", "Gers", "Gironde", "Hérault"]}
)
COMMUNES = pd.DataFrame(
    [
        ("59100", "Bousignies"),
        ("59200", "Eringhem"),
        ("59300", "Hem-Lenglet"),
        ("59512", "Roubaix"),
        ("59599", "Tourcoing"),
        ("59606", "Valenciennes"),
        ("69123", "Lyon"),
        ("73065", "Chambéry"),
    ],
    columns=["code", "name"],
)
QUARTERS = pd.DataFrame(
    [
        ("QP034001", "Centre Ville"),
        ("QP034003", "Devèze"),
        ("QP011010", "Centre Ville"),
        ("QP059001", "Nouveau Mons-Les Sarts"),
        ("QP075001", "Les Sarts"),
    ],
    columns=["code", "name"],
)


def contradictions(known: pd.DataFrame, level: str, **names: str) -> dict[str, str]:
    codes = pd.Series([code.removeprefix("c") for code in names], dtype="str")
    found = compare_names(codes, pd.Series(list(names.values()), dtype="str"), known, level).against
    return dict(zip(found["code"], found["other"], strict=True))


def test_names_that_are_those_of_other_codes() -> None:
    assert contradictions(DEPARTMENTS, "department", c30="Gard", c31="HAUTE GARONNE", c34="") == {}
    assert contradictions(DEPARTMENTS, "department", c30="Haute-Garonne", c31="Gers") == {"30": "31", "31": "32"}
    assert contradictions(COMMUNES, "commune", c59100="Roubaix", c59500="Tourcoing") == {
        "59100": "59512",
        "59500": "59599",
    }
    # an arrondissement bears the name of its commune
    assert contradictions(COMMUNES, "commune", c69381="Lyon", c69382="Lyon 2e") == {}
    # both of one department; a short name of one's own is not that of a far place
    assert contradictions(QUARTERS, "qpv", QP034001="Devèze", QP034003="Centre Ville") == {
        "QP034001": "QP034003",
        "QP034003": "QP034001",
    }
    assert contradictions(QUARTERS, "qpv", QP059001="Les Sarts", QP034001="Centre ville Béziers") == {}


def held(codes: list[str], names: list[str]) -> list[str]:
    index = pd.RangeIndex(2, 2 + len(codes), name="line")
    given = pd.Series(codes, index=index, dtype="str"), pd.Series(names, index=index, dtype="str")
    return check_names(*given, DEPARTMENTS, "department", where="file.csv", stopped="Nothing was stored.")


def test_most_names_against_their_codes_are_refused_and_some_are_told() -> None:
    codes, names = DEPARTMENTS["code"].tolist(), DEPARTMENTS["name"].tolist()
    assert held(codes, names) == []
    [warning] = held(codes, [names[1], names[0], *names[2:]])
    assert warning.startswith(
        "file.csv: 2 of 5 names are those of other codes: line 2: 30 is Gard, Haute-Garonne is 31;"
    )
    with pytest.raises(
        SchemaError, match=r"5 of 5 names are those of other codes: line 2: .*shifted.*Nothing was stored"
    ):
        held(codes, [*names[1:], names[0]])
    [warning] = held(codes, [f"Bassin {number}" for number in range(5)])
    assert "5 of 5 names resemble no known name of their department" in warning


def test_names_of_a_producers_file_are_held_against_its_codes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def departments(*names: str) -> Tables:
        lines = [f"{code};{name};13,0;20000;1000" for code, name in zip(DEPARTMENTS["code"], names, strict=True)]
        text = "\n".join(["CODGEO;LIBGEO;TP60;MED;NB", *lines])
        source, vintage = minimal(geo_level="department", geo_vintage=2024)
        table = source.tables[0]
        frame = read_text_csv(text.encode(), table, where="file.csv")
        rate = catalogue().indicator("poverty_rate")
        series = [(rate, Series(source="s", column=["TP60"]))]
        return Tables(observations=wide.melt(frame, source, vintage, table, series, where="file.csv"))

    names = DEPARTMENTS["name"].tolist()
    assert len(departments(*names).observations) == 5
    assert "names" not in caplog.text
    departments(names[1], names[0], *names[2:])
    assert "2 of 5 names are those of other codes" in caplog.text
    with pytest.raises(
        SchemaError, match=r"5 of 5 names.*line 6: 34 is Hérault, Gard is 30\. .*Nothing of this source"
    ):
        departments(*names[1:], names[0])


# --- code tables -------------------------------------------------------------------------------------------------


def test_codes_keep_their_zeros(tmp_path: Path) -> None:
    table = read("insee_region_names@2021", tmp_path).codes["commune_regions"]
    assert table.set_index("code").loc["97411"].tolist() == ["04", "La Réunion", "153001"]
    frame = read("insee_iris@2021", tmp_path).codes["iris"].set_index("code")
    assert frame.loc["751134901", "urban_unit"] == "00851"


def test_blank_code_is_refused(tmp_path: Path) -> None:
    content = miniature.contents()["insee_cog@2024"].replace(b"COM,34032,", b"COM,,")
    with pytest.raises(SchemaError, match=r"insee_cog@2024, v_commune_2024.csv: 1 rows have no code, first at line 3"):
        read("insee_cog@2024", tmp_path, content)


def test_code_table_with_shifted_columns_is_refused(tmp_path: Path) -> None:
    """One more cell in each row would put every code one column away."""
    lines = miniature.contents()["insee_cog@2024"].decode().splitlines()
    content = "\n".join([lines[0], *(f"0,{line}" for line in lines[1:])]).encode()
    with pytest.raises(SchemaError, match="more cells than the header"):
        read("insee_cog@2024", tmp_path, content)


def test_renamed_column_of_a_code_table(tmp_path: Path) -> None:
    content = miniature.contents()["insee_cog@2024"].replace(b"COMPARENT", b"PARENT")
    with pytest.raises(SchemaError, match="no column COMPARENT"):
        read("insee_cog@2024", tmp_path, content)


# --- outlines ----------------------------------------------------------------------------------------------------

QPV = Table(geo_level="qpv", geo_vintage=2015, crs=2154)


def outlines(rows: dict[str, shapely.Geometry | None], crs: int = 2154) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"geo_code": list(rows)}, geometry=list(rows.values()), crs=crs)


def area(zone: gpd.GeoDataFrame, code: str) -> float:
    return zone.to_crs(2154).set_index("geo_code").geometry[code].area


def test_invalid_outline_is_repaired_with_its_area_and_counted() -> None:
    crossed = bow_tie(706_500, 7_059_500, 500)
    rows = {"QP059002": square(700_000, 7_059_500, 500), "QP059001": crossed}
    zone, counts = perimeters.check_outlines(outlines(rows), QPV, where="f")
    assert counts == {"rows read": 2, "outlines repaired": 1, "outlines without area": 0}
    assert zone["geo_code"].tolist() == ["QP059001", "QP059002"]
    assert zone.crs.to_epsg() == 4326
    assert zone.geometry.is_valid.all()
    assert set(zone.geom_type) == {"MultiPolygon"}
    # two triangles of 62,500 m2 each: `buffer(0)` would give another outline, in silence
    assert area(zone, "QP059001") == pytest.approx(125_000, rel=1e-5)
    assert crossed.buffer(0).area < 100_000
    assert area(zone, "QP059002") == pytest.approx(250_000, rel=1e-5)


def test_lines_and_points_left_by_the_repair_go() -> None:
    """A spike becomes a line: it has no area and would break unions."""
    spiked = shapely.Polygon([(0, 0), (500, 0), (500, 500), (250, 500), (250, 900), (250, 500), (0, 500)])
    moved = shapely.transform(spiked, lambda xy: xy + np.array([700_000, 6_250_000]))
    zone, counts = perimeters.check_outlines(outlines({"QP034001": moved}), QPV, where="f")
    assert counts["outlines repaired"] == 1
    assert zone.geom_type.tolist() == ["MultiPolygon"]
    assert area(zone, "QP034001") == pytest.approx(250_000, rel=1e-5)


@pytest.mark.parametrize("empty", [flat(700_000, 6_250_000), shapely.Polygon(), None])
def test_outline_without_area_is_missing_and_counted(empty: shapely.Geometry | None) -> None:
    """The neighbourhood stays in the list, without an outline."""
    rows = {"QP034001": square(700_000, 6_250_000, 500), "QP034002": empty}
    zone, counts = perimeters.check_outlines(outlines(rows), QPV, where="f")
    assert counts["outlines without area"] == 1
    assert zone["geo_code"].tolist() == ["QP034001", "QP034002"]
    assert zone.geometry.isna().tolist() == [False, True]


def test_good_outlines_are_not_touched() -> None:
    before = square(700_000, 6_250_000, 500)
    zone, counts = perimeters.check_outlines(outlines({"QP034001": before}), QPV, where="f")
    assert counts == {"rows read": 1, "outlines repaired": 0, "outlines without area": 0}
    (after,) = zone.to_crs(2154).geometry
    assert after.symmetric_difference(before).area < 0.01


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (outlines({"QP034001": square(3, 43, 0.01)}, crs=4326), "expected EPSG:2154, got EPSG:4326"),
        (outlines({"QP034001": square(3, 43, 1)}).set_crs(None, allow_override=True), "expected EPSG:2154, got None"),
        (outlines({"QN03401M": square(7e5, 6e6, 500)}), r"1 code is not a qpv code \(2015\): 'QN03401M'"),
        (outlines({"34001": square(7e5, 6e6, 500)}), ".*'34001'"),
        (outlines({"": square(7e5, 6e6, 500)}), "1 code is not a qpv code"),
        (outlines({}), "the layer is empty"),
    ],
)
def test_layer_that_is_not_the_layer(frame: gpd.GeoDataFrame, message: str) -> None:
    with pytest.raises(SchemaError, match=f"source@2024, f.shp: {message}"):
        perimeters.check_outlines(frame, QPV, where="source@2024, f.shp")


def test_duplicate_outline_is_refused() -> None:
    frame = pd.concat([outlines({"QP034001": square(7e5, 6e6, 500)})] * 2, ignore_index=True)
    with pytest.raises(SchemaError, match="1 codes appear twice, first QP034001"):
        perimeters.check_outlines(frame, QPV, where="f")


def test_shapefile_in_the_encoding_of_windows(tmp_path: Path) -> None:
    tables = read("anct_qpv2015@2018-01", tmp_path)
    zone = tables.zones["qpv_2015"].set_index("geo_code")
    assert zone.loc["QP034003", "name"] == "Devèze"
    assert zone.loc["QP075001", "commune_names"] == "Paris 13ème arrondissement"
    assert zone.loc["QP050001", "name"] == "Les Provinces d’Octeville"
    assert tables.counts["qpv_2015: outlines repaired"] == 1
    x, y = zone.geometry["QP034001"].centroid.coords[0]
    assert (x, y) == pytest.approx((3.262, 43.336), abs=0.01)  # Béziers


def test_a_name_with_a_control_character_stops_its_source():
    frame = pd.DataFrame({"code": ["34032", "59350"], "name": ["Béziers", "Lille\x1b[2J"]})
    with pytest.raises(SchemaError, match=r"communes, row 2 of the table, name: 'Lille\\x1b\[2J' holds a control"):
        Tables(codes={"communes": frame})


def test_geojson_without_the_declared_attribute(tmp_path: Path) -> None:
    content = edited("anct_qpv2024@2026-01", ('"siren_epci"', '"epci"'))
    with pytest.raises(SchemaError, match=r"no column siren_epci.*Columns of the file: code_qp"):
        read("anct_qpv2024@2026-01", tmp_path, content)


def test_layer_that_cannot_be_read(tmp_path: Path) -> None:
    members = miniature.members_of(miniature.contents()["anct_qpv2015@2018-01"])
    del members["QP_METROPOLE_LB93.shx"], members["QP_METROPOLE_LB93.dbf"]
    members["QP_METROPOLE_LB93.shp"] = b"not a shapefile"
    with pytest.raises(SchemaError, match=r"QP_METROPOLE_LB93.shp: not a readable layer of outlines"):
        read("anct_qpv2015@2018-01", tmp_path, miniature.archive(members))


# --- catalogue against reader ------------------------------------------------------------------------------------


def minimal(**table: object) -> tuple[Source, Vintage]:
    vintage = Vintage(id="2021", year=2021, url="https://example.fr/x.csv")
    source = Source(
        id="example",
        title="Exemple",
        producer="Insee",
        licence="Licence Ouverte 2.0",
        landing_page="https://example.fr",
        reader="wide_csv",
        file="csv",
        tables=[Table(**table)],  # type: ignore[arg-type]
        vintage=[vintage],
    )
    return source, vintage


def test_table_without_level_is_told(tmp_path: Path) -> None:
    source, vintage = minimal()
    raw = raw_file(tmp_path, "example@2021", b"CODGEO;A\r\n01001;1\r\n", "x.csv")
    with pytest.raises(SchemaError, match=r"example@2021, x\.csv: the catalogue gives no geo_level"):
        wide.read_csv(source, vintage, raw)


def test_table_that_carries_nothing_is_told() -> None:
    source, vintage = minimal(geo_level="commune", geo_vintage=2024)
    frame = read_text_csv(b"CODGEO;A\r\n01001;1\r\n", source.tables[0], where="f")
    with pytest.raises(SchemaError, match="no indicator of the catalogue"):
        wide.melt(frame, source, vintage, source.tables[0], [], where="f")


def test_classes_are_rows() -> None:
    source, vintage = minimal(geo_level="commune", geo_vintage=2024)
    frame = read_text_csv(b"CODGEO;ABC_F;ABC_H\r\n01001;1;2\r\n", source.tables[0], where="f")
    seekers = catalogue().indicator("job_seekers")
    series = [
        (seekers, Series(source="example", column=[f"ABC_{end}"], sex=sex)) for end, sex in (("F", "F"), ("H", "M"))
    ]
    long = wide.melt(frame, source, vintage, source.tables[0], series, where="f")
    assert long.set_index("sex")["value"].to_dict() == {"F": 1, "M": 2}
    assert long["source"].tolist() == ["example@2021"] * 2


def test_codes_of_a_workbook_in_a_zip(tmp_path: Path) -> None:
    source = catalogue().source("insee_epci")
    raw = raw_file(tmp_path, "insee_epci@2022", miniature.contents()["insee_epci@2022"])
    tables = codes.read_workbook(source, source.vintage[0], raw)
    assert tables.codes["commune_epci"].set_index("code").loc["34032", "epci_name"] == "CA de Béziers-Méditerranée"
    assert tables.counts == {"commune_epci: rows read": 7, "commune_epci: rows dropped (blank)": 0}
