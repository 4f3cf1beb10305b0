"""From a figure to its cell: every shape of file, by hand on small files and on the producers' own."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import producers as miniature
import pytest
from test_health_readers import NATIONAL, RECORDS, cnam, workbook

from conftest import Producers
from qpv_sante import manifests, pipeline, store
from qpv_sante.catalogue import catalogue
from qpv_sante.content import sha256_of
from qpv_sante.errors import InvalidInputError, StoreError, UnavailableLevelError, UnknownNameError
from qpv_sante.imports import import_observations
from qpv_sante.integrity import verify
from qpv_sante.provenance import CELL_COLUMNS, COLUMNS, provenance


def only(indicator: str, code: str, year: int, **asked: object) -> pd.Series:
    frame = provenance(indicator, code, year, **asked).frame()  # type: ignore[arg-type]
    assert len(frame) == 1, frame
    return frame.iloc[0]


# --- wide tables --------------------------------------------------------------------------------------------------


def test_column_of_a_zipped_csv(built):
    found = only("poverty_rate", "QP034001", 2019)
    assert tuple(found.index) == COLUMNS
    assert found[["value", "flag", "source"]].tolist() == [60.8, "observed", "insee_filosofi_qpv@2019"]
    assert found[["member", "sheet", "column"]].tolist() == ["data_filo19_qp_revdis.csv", "", "DISP_TP60_A19"]
    # the header is line 1, the row of totals line 2
    assert found[["row", "cell", "agrees", "note"]].tolist() == [3, "60,8", True, ""]
    raw = built / "raw" / found["file"]
    assert (found["sha256"], found["bytes"]) == (sha256_of(raw), raw.stat().st_size)
    with zipfile.ZipFile(raw) as archive:
        line = archive.read(found["member"]).decode().split("\r\n")[found["row"] - 1]
    assert line.startswith("QP034001;") and line.split(";").count(found["cell"]) == 1
    assert found["licence"] == "Licence Ouverte 2.0"
    assert found["producer"].startswith("Insee") and found["url"].endswith("data_filo19_qp_revdis_csv.zip")
    assert found["retrieved"].startswith("20") and found["store"].startswith("processed of ")


def test_ratio_names_numerator_and_denominator(built):
    of = provenance("single_parent_recipient_share", "QP034001", 2018)
    found = of.frame().iloc[0]
    assert found[["column", "row", "cell", "agrees"]].tolist() == ["AM / A", 3, "1629 / 8449", True]
    assert found["value"] == pytest.approx(100 * 1629 / 8449)
    assert tuple(of.cells.columns) == CELL_COLUMNS
    assert of.cells[["role", "column", "row", "cell"]].to_numpy().tolist() == [
        ["numerator", "AM", 3, "1629"],
        ["denominator", "A", 3, "8449"],
        ["note", "NOTE_CNAF", 3, "0"],
    ]


def test_withheld_figure_shows_what_is_published_in_its_place(built):
    of = provenance("poverty_rate", "QP034002", 2021, geo_vintage=2015)
    found = of.frame().iloc[0]
    assert np.isnan(found["value"]) and found["flag"] in ("suppressed", "unavailable", "not_applicable")
    assert found[["row", "cell", "agrees"]].tolist() == [3, "", True]
    assert of.cells.set_index("role").loc["note", "cell"] == "so"
    secret = only("poverty_rate", "22016", 2021)
    assert secret[["cell", "agrees", "flag"]].tolist() == ["s", True, "suppressed"]


def test_member_has_its_name_in_the_zip_and_text_its_spaces(built):
    assert only("poverty_rate", "34032", 2019)["member"] == "cc_filosofi_2019_COM.CSV"
    median = only("median_standard_of_living", "QP034001", 2019)
    assert (median["value"], median["cell"]) == (10610, "10\u00a0610")


def test_old_workbook_gives_sheet_and_row(built):
    found = only("single_parent_household_share", "QP034001", 2010)
    assert found[["sheet", "column", "row", "cell"]].tolist() == ["Quartiers", "tx_tot_fam_mono", 8, "19.3"]
    assert found[["value", "agrees", "member"]].tolist() == [19.3, True, ""]


def test_code_of_a_region_and_of_a_qpv_of_two_zonings_are_kept_apart(built):
    region = only("median_standard_of_living", "76", 2019)
    assert region[["geo_level", "member", "row", "cell"]].tolist() == ["region", "FILO2019_DISP_REG.csv", 2, "20900"]
    country = only("median_standard_of_living", "FM", 2019)
    # recoded: the file says 1
    assert country[["geo_level", "member", "cell"]].tolist() == ["country", "FILO2019_DISP_METROPOLE.csv", "21930"]


def test_every_figure_of_the_miniature_is_found_again(built):
    """A sample of each edition and level, missing values included: the cell gives the stored value."""
    checked = set()
    current = store.current_store()
    for source in current.names("observations"):
        stored = current.observations(source)
        for key, rows in stored.groupby(["source", "geo_level"], observed=True):
            sample = pd.concat([rows[rows["value"].notna()].tail(2), rows[rows["value"].isna()].head(1)])
            for row in sample.to_dict("records"):
                where = {name: row[name] for name in ("geo_level", "geo_vintage", "sex", "age", "category")}
                frame = provenance(row["indicator"], row["geo_code"], row["year"], **where).frame()
                found = frame[frame["source"] == row["source"]].iloc[0]
                assert found["agrees"], found
                assert found["row"] >= 2 and found["column"]
                checked.add(key)
    assert len(checked) > 20


# --- long tables and answers --------------------------------------------------------------------------------------


@pytest.fixture
def health(producers: Producers, tmp_path: Path):
    """Build one health source from a small file."""

    def build(source: str, content: bytes) -> Path:
        for vintage in catalogue().source(source).vintage:
            producers.replace(f"{source}@{vintage.id}", content)
        assert pipeline.build([source], root=tmp_path / "data").failures == {}
        return tmp_path / "data"

    return build


def test_export_gives_the_line_of_each_class(health):
    health("spf_barometer_2024", NATIONAL.encode())
    of = provenance("depression_prevalence", "F", 2024, sex="F", category="household:single_parent")
    found = of.frame().iloc[0]
    assert found[["row", "column", "cell", "agrees"]].tolist() == [7, "estimation", "23.8", True]
    assert NATIONAL.split("\r\n")[found["row"] - 1].split(";")[9] == "23.8"
    cells = of.cells.set_index("role")["cell"]
    assert cells[["lower", "upper", "n"]].tolist() == ["21.7", "26.0", "2700.0"]
    assert len(provenance("depression_prevalence", "F", 2024, sex=None).frame()) == 3


def test_class_that_a_spreadsheet_damaged_is_found_as_published(health):
    health("cnam_pathologies", cnam().encode())
    found = only("anxiolytic_share", "84", 2020, geo_level="region", sex="F", age="Y5T9")
    cells = cnam().split("\r\n")[found["row"] - 1].split(";")
    assert cells[5:9] == ["05-sept", "2", "84", "999"]
    assert found["cell"] == cells[11] and found["agrees"]
    blank = only("anxiolytic_share", "01", 2020, geo_level="department", sex="M", age="Y5T9")
    assert (blank["flag"], blank["cell"], blank["agrees"]) == ("suppressed", "", True)


def test_answer_of_a_service_gives_the_rank_of_the_record(health):
    health("spf_depression_history", json.dumps({"total_count": len(RECORDS), "results": RECORDS}).encode())
    year = int(RECORDS[2]["annee"])
    found = only("depression_prevalence_2005_2021", "F", year, sex="F")
    assert found[["row", "cell", "agrees"]].tolist() == [3, "16.57", True]
    assert "rang de l'enregistrement" in found["note"]


def test_sheet_of_answers_gives_each_answer_and_the_total(health):
    health("drees_vqs_department", miniature.xlsx(workbook()))
    of = provenance("self_perceived_health_good", "01", 2021, age="Y25T59")
    found = of.frame().iloc[0]
    assert found[["sheet", "row", "cell", "agrees"]].tolist() == ["ETAT_SANT", 4, "135100 + 105700 / 293700", True]
    assert of.cells[["role", "row", "cell"]].to_numpy().tolist() == [
        ["numerator", 4, "135100"],
        ["numerator", 5, "105700"],
        ["denominator", 8, "293700"],
    ]
    rows = workbook()["ETAT_SANT"]
    assert [rows[line - 1][4] for line in of.cells["row"]] == [135100.0, 105700.0, 293700.0]
    assert "lignes 4, 5, 8" in repr(of)


# --- imports ------------------------------------------------------------------------------------------------------

EXPORT = "\n".join(
    [
        "CartoSanté; ; ; ",
        "Référentiel géographique : France par bassin de vie; ; ; ",
        "Code;Libellé;APL Médecins généralistes 2023;Part des bénéf. en ALD dans la pop 2024",
        "01004;Ambérieu-en-Bugey;3;N/A - secret statistique",
        "01033;Valserhône;1.8;13.7",
    ]
)


@pytest.fixture
def export(tmp_path, monkeypatch):
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    path = tmp_path / "cartosante.csv"
    path.write_bytes(EXPORT.encode("utf-8-sig"))
    report = import_observations(path, source="cartosante")
    return path, sorted(report.indicators)


def test_import_says_what_is_kept_and_reads_the_file_that_is_given(export):
    path, names = export
    ald = next(name for name in names if "ald" in name)
    kept = only(ald, "01033", 2024)
    assert kept[["value", "file", "column"]].tolist() == [
        13.7,
        "cartosante.csv",
        "Part des bénéf. en ALD dans la pop 2024",
    ]
    assert pd.isna(kept["row"]) and pd.isna(kept["cell"]) and "file=" in kept["note"]
    read = only(ald, "01033", 2024, file=path)
    assert read[["row", "cell", "agrees", "note"]].tolist() == [5, "13.7", True, ""]


def test_withheld_figure_of_an_import_is_not_shown(export):
    path, names = export
    of = provenance(next(name for name in names if "ald" in name), "01004", 2024, file=path)
    found = of.frame().iloc[0]
    assert (found["flag"], found["row"]) == ("suppressed", 4)
    assert pd.isna(found["cell"]) and of.cells.empty and "secret" in found["note"]


def test_another_file_than_the_imported_one_is_not_read(export):
    path, names = export
    path.write_bytes(path.read_bytes().replace(b"13.7", b"99.9"))
    found = only(next(name for name in names if "ald" in name), "01033", 2024, file=path)
    assert pd.isna(found["cell"]) and "sha256" in found["note"]
    with pytest.raises(StoreError, match=r"does not exist: give file= the path of cartosante\.csv"):
        provenance(found["indicator"], "01033", 2024, file=path.with_name("gone.csv"))


def test_table_of_the_analyst_says_that_its_form_is_not_recorded(tmp_path, monkeypatch):
    from qpv_sante.imports.template import write_template

    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    table, declared = write_template(tmp_path / "figures.csv")
    import_observations(table, source="ors", metadata=declared)
    stored = store.current_store().observations("ors").iloc[0]
    found = only("example_ald_share", stored["geo_code"], stored["year"], file=table, sex=None, age=None)
    assert pd.isna(found["row"]) and "figures.csv" in found["note"]


# --- what is missing ----------------------------------------------------------------------------------------------


def test_snapshot_alone_gives_everything_but_the_line(tmp_path, monkeypatch):
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "none"))
    found = only("poverty_rate", "QP034001", 2019, lang="en")
    assert found[["value", "column", "file"]].tolist() == [
        54.9,
        "DISP_TP60_A19",
        "insee_filosofi_qpv/2019/data_filo19_qp_revdis_csv.zip",
    ]
    assert pd.isna(found["row"]) and pd.isna(found["cell"]) and pd.isna(found["agrees"])
    assert "`qpv-sante build --source insee_filosofi_qpv` downloads it" in found["note"]
    assert found["store"].startswith("snapshot of ") and re.fullmatch("[0-9a-f]{64}", found["sha256"])
    assert found["bytes"] > 0 and found["url"].startswith("https://") and found["retrieved"]
    assert not (tmp_path / "none").exists()


def test_raw_file_that_is_not_the_one_read_is_not_quoted(workspace):
    path = workspace / "raw" / only("poverty_rate", "QP034001", 2019)["file"]
    members = miniature.members_of(path.read_bytes())
    path.write_bytes(miniature.archive({name: text.replace(b"60,8", b"10,0") for name, text in members.items()}))
    found = only("poverty_rate", "QP034001", 2019)
    assert pd.isna(found["cell"]) and "sha256" in found["note"] and found["value"] == 60.8
    assert found["note"].startswith(found["file"])  # no path of this machine: notes go into reports
    assert not verify(workspace).sound


def test_stored_value_that_is_not_that_of_the_cell_is_told(workspace):
    current = store.current_store(workspace)
    path = current.path / "observations" / "insee_filosofi_qpv.parquet"
    frame = pd.read_parquet(path)
    here = (frame["geo_code"] == "QP034001") & (frame["year"] == 2019) & (frame["indicator"] == "poverty_rate")
    frame.loc[here, ["value", "lower", "upper"]] = 61.8
    path.unlink()
    frame.to_parquet(path, index=False)
    manifest = manifests.read(current.path)
    manifest["files"]["observations/insee_filosofi_qpv.parquet"] |= {
        "bytes": path.stat().st_size,
        "sha256": sha256_of(path),  # a damaged table is refused: this one was built otherwise
    }
    manifests.write(current.path, manifest)
    found = only("poverty_rate", "QP034001", 2019, lang="en")
    assert found[["value", "cell", "agrees"]].tolist() == [61.8, "60,8", False]
    assert found["note"] == "the cell does not give the stored value: see `verify`"


def test_damaged_lock_leaves_the_figure_and_says_why(workspace):
    (workspace / "sources.lock.toml").write_text("[")
    found = only("poverty_rate", "QP034001", 2019)
    assert found["value"] == 60.8 and pd.isna(found["cell"]) and found["note"]


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        (("poverty_rat", "QP034001", 2019, {}), UnknownNameError, "Did you mean 'poverty_rate'"),
        (("poverty_rate", "QP03401", 2019, {}), UnknownNameError, r"\(qpv 2015, .*Did you mean 'QP0340"),
        (("poverty_rate", "QN03401M", 2019, {}), UnknownNameError, r"\. It has one in 2021 \(qpv 2024\)\.$"),
        (("poverty_rate", "QP034001", "abc", {}), InvalidInputError, "year takes int; got 'abc'"),
        (("poverty_rate", "QP034001", 2019, {"file": "x.csv"}), UnknownNameError, "file of an import; .* comes from"),
        (("poverty_rate", "QP034001", 2019, {"lang": "de"}), UnknownNameError, "Unknown lang 'de'"),
        (("poverty_rate", "QP034001", 1999, {}), UnavailableLevelError, "not read for year=1999"),
        (("poverty_rate", "QP034001", 2019, {"geo_level": "quartier"}), UnknownNameError, "Unknown geo_level"),
        (("poverty_rate", "QP034001", 2019, {"geo_vintage": 2024}), UnavailableLevelError, "not read for"),
        (("poverty_rate", "QP034001", 2019, {"sex": "F"}), UnavailableLevelError, "Published classes: sex: _T"),
        (("depression_prevalence", "QP034001", 2024, {"geo_level": "qpv"}), UnavailableLevelError, "per QPV"),
    ],
)
def test_what_does_not_exist_is_answered_with_what_does(tmp_path, monkeypatch, asked, error, message):
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "none"))
    with pytest.raises(error, match=message):
        provenance(*asked[:3], **asked[3])


def test_code_is_taken_in_either_case(built):
    assert only("poverty_rate", " qp034001", 2019).equals(only("poverty_rate", "QP034001", 2019))


def test_it_is_shown_in_both_languages_and_escaped(built):
    french = provenance("poverty_rate", "QP034001", 2019)
    assert "ligne 3" in repr(french) and "DISP_TP60_A19 = « 60,8 »" in repr(french)
    english = provenance("poverty_rate", "QP034001", 2019, lang="en")
    assert "row 3" in repr(english) and "60.8" in repr(english)
    page = french._repr_html_()
    assert "DISP_TP60_A19" in page and page.count("<table>") == 1
    french.figures.loc[0, "title"] = "<script>"
    assert "<script>" not in french._repr_html_()


# --- the producers' own files -------------------------------------------------------------------------------------

REAL = ["insee_filosofi_qpv", "insee_filosofi_commune", "insee_demo_qpv", "insee_census2010_qpv"]
REAL += ["spf_barometer_2024_region", "drees_vqs_department"]


@pytest.fixture(scope="module")
def real(mirror: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with a handful of sources, built from the producers' files."""
    folder = tmp_path_factory.mktemp("origin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QPV_SANTE_MIRROR", mirror)
        patch.setenv("QPV_SANTE_DATA", str(folder))
        assert pipeline.build(REAL, root=folder).failures == {}
    return folder


def by_hand(folder: Path, found: pd.Series, *, encoding: str = "utf-8-sig", separator: str = ";") -> dict[str, str]:
    """The line of the file, under its headings, without anything of the package."""
    content = (folder / "raw" / found["file"]).read_bytes()
    if found["member"]:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(found["member"])
    lines = content.decode(encoding).splitlines()
    cells = [next(csv.reader([lines[at]], delimiter=separator)) for at in (0, found["row"] - 1)]
    return dict(zip([name.strip() for name in cells[0]], cells[1], strict=False))


@pytest.mark.mirror
@pytest.mark.parametrize(
    ("asked", "code_column", "separator"),
    [
        (("poverty_rate", "QP034001", 2019, "qpv"), "CODGEO", ";"),
        (("poverty_rate", "34032", 2021, "commune"), "CODGEO", ";"),
        (("median_standard_of_living", "QP059001", 2018, "qpv"), "CODGEO", ";"),
        (("single_parent_recipient_share", "QP034001", 2020, "qpv"), "CODGEO", ";"),
        (("depression_prevalence", "76", 2024, "region"), "Nouvelles régions", ","),
    ],
)
def test_line_of_the_producers_file_holds_the_value(real, monkeypatch, asked, code_column, separator):
    monkeypatch.setenv("QPV_SANTE_DATA", str(real))
    indicator, code, year, level = asked
    found = only(indicator, code, year, geo_level=level)
    assert found["agrees"] and found["store"].startswith("processed of ")
    line = by_hand(real, found, separator=separator)
    assert line[code_column] == code
    numbers = [float(re.sub(r"\s", "", line[column]).replace(",", ".")) for column in str(found["column"]).split(" / ")]
    value = numbers[0] if len(numbers) == 1 else 100 * numbers[0] / numbers[1]
    assert value == pytest.approx(found["value"])
    assert [line[column] for column in str(found["column"]).split(" / ")] == str(found["cell"]).split(" / ")


@pytest.mark.mirror
@pytest.mark.parametrize(
    "asked",
    [
        ("single_parent_household_share", "QP034001", 2010, "_T"),
        ("self_perceived_health_good", "34", 2021, "Y25T59"),
    ],
)
def test_row_of_the_producers_workbook_holds_the_value(real, monkeypatch, asked):
    import python_calamine

    monkeypatch.setenv("QPV_SANTE_DATA", str(real))
    indicator, code, year, age = asked
    of = provenance(indicator, code, year, age=age)
    found = of.frame().iloc[0]
    book = python_calamine.CalamineWorkbook.from_path(real / "raw" / found["file"])
    rows = book.get_sheet_by_name(found["sheet"]).to_python(skip_empty_area=False)
    for cell in of.cells.to_dict("records"):
        texts = [
            str(int(one)) if isinstance(one, float) and one.is_integer() else str(one) for one in rows[cell["row"] - 1]
        ]
        assert cell["cell"] in texts
        assert any(one.startswith(code) for one in texts)
    assert found["agrees"]
