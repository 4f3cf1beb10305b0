"""The import door: what comes in, what is refused, what follows the figures, and how they leave."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import producers as miniature
import pytest
import tomli_w
from matplotlib import pyplot as plt
from matplotlib.text import Text

import qpv_sante as qs
from conftest import Producers
from qpv_sante import builds, cli, export, loading, manifests, maps, snapshot, store, style
from qpv_sante.catalogue import catalogue, core_catalogue, load_catalogue
from qpv_sante.errors import (
    CatalogueError,
    ComparabilityError,
    DisclosureError,
    QpvSanteError,
    SchemaError,
    StoreError,
    UnavailableLevelError,
    UnknownNameError,
)
from qpv_sante.imports import records
from qpv_sante.imports.metadata import known_headings
from qpv_sante.imports.template import write_template
from qpv_sante.readers import geoclip

EXPORTS = Path(__file__).resolve().parents[2] / "shared" / "mirror" / "context" / "sante"
SECRET, ABSENT = "N/A - secret statistique", "N/A - résultat non disponible"
NOTICE = "convention ORS 2024, usage interne"
RESTRICTED: dict[str, Any] = {
    "title": "Affections de longue durée par QPV",
    "producer": "ORS Occitanie",
    "licence": "restricted",
    "restriction": NOTICE,
    "edition": "2023",
    "year": 2023,
    "geo_level": "qpv",
    "geo_vintage": 2015,
    "secrecy": {"threshold": 11},
    "indicator": {
        "ors_ald_share": {
            "label": {"fr": "Part en ALD (ORS)", "en": "Long-term illness (ORS)"},
            "unit": "%",
            "kind": "rate",
            "higher_is": "worse",
            "definition": "Bénéficiaires en ALD, rapportés aux bénéficiaires.",
        }
    },
}
COUNT = {"label": "Décès", "unit": "décès", "kind": "count", "definition": "Décès domiciliés."}
QPV = """geo_code;value;count;denominator
QP034001;14,2;1136;8000
QP034002;17,5;560;3200
QP034003;8,0;8;100
QP059001;s;;"""

Import = Callable[..., Any]


def geoclip_text(
    *rows: str,
    headings: str = "APL Médecins généralistes 2023;Part des bénéf. en ALD dans la pop 2024",
    level: str = "bassin de vie",
    producer: str = "CartoSanté",
) -> str:
    """An export as the portals write it: two title lines padded with `; `, byte-order mark, decimal point."""
    pad = "; " * (headings.count(";") + 2)
    title = [f"{producer}{pad}", f"Référentiel géographique : France par {level}{pad}", f"Code;Libellé;{headings}"]
    return "\n".join([*title, *rows])


LIVING_AREAS = geoclip_text(
    f"01004;Ambérieu-en-Bugey;3;{SECRET}", "01033;Valserhône;1.8;13.7", f"977ZZ;St-Barthélémy;{ABSENT};1.9"
)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder: everything but imports comes from the embedded snapshot."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def bring(tmp_path: Path) -> Import:
    """Write a file and import it; metadata are RESTRICTED with changes, or none for an export."""

    def write(
        text: str | bytes, *, name: str = "figures.csv", source: str = "ors", mapping: Any = None, **changes: Any
    ) -> Any:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8-sig"))
        export_of_portal = isinstance(text, str) and "Référentiel" in text
        declared = changes if export_of_portal else {**RESTRICTED, **changes}
        declared = {key: value for key, value in declared.items() if value is not None}
        return qs.import_observations(path, source=source, mapping=mapping, metadata=declared or None)

    return write


def values(indicator: str, **asked: Any) -> dict[str, float]:
    frame = qs.load_observations(indicator, **asked)
    return frame.set_index("geo_code")["value"].dropna().to_dict()


def nothing_stored(data: Path) -> bool:
    return not list(data.glob("processed/builds/*")) and not list(data.glob("imports/*"))


# --- Géoclip exports ---------------------------------------------------------------------------------------------


def test_export_is_recognised_without_metadata(bring: Import) -> None:
    report = bring(LIVING_AREAS, source="cartosante")
    assert report.source == "cartosante@2024"
    assert (report.geo_level, report.geo_vintage, report.rows) == ("living_area", 2022, 6)
    assert report.indicators == {"ald_share": 3, "gp_access": 3}
    assert report.flags == {"observed": 4, "suppressed": 1, "unavailable": 1}
    frame = qs.load_observations("ald_share", geo_level="living_area", geo_vintage=2022, year=2024)
    assert frame[["geo_code", "flag"]].values.tolist() == [
        ["01004", "suppressed"],
        ["01033", "observed"],
        ["977ZZ", "observed"],
    ]
    assert values("gp_access", year=2023) == {"01004": 3.0, "01033": 1.8}
    assert catalogue().rounding("gp_access", "cartosante@2024") == 0.05
    described = str(qs.describe("ald_share"))
    assert "living_area 2022 (2024)" in described
    assert "CartoSanté" in described
    assert qs.cite("cartosante").startswith("CartoSanté (Agences régionales de santé), « CartoSanté")


def test_known_headings_make_indicators_of_the_catalogue() -> None:
    known = known_headings()
    core = core_catalogue()
    assert set(known.existing) <= set(core.indicators)
    assert not set(known.indicator) & set(core.indicators)
    for name, measure in known.indicator.items():
        assert measure.headings, name
        assert measure.producer, name
        assert measure.theme in {**known.theme, **core.themes}, name
        for text in (measure.label, measure.unit, measure.definition, measure.population):
            assert isinstance(text, dict), name
            assert set(text) == {"fr", "en"}, name
    headings = [heading for measure in known.indicator.values() for heading in measure.headings]
    assert len(headings) == len(set(headings))


def test_territory_of_living_areas_is_that_of_their_central_commune(bring: Import) -> None:
    bring(LIVING_AREAS, source="cartosante")
    assert set(values("gp_access", territory="department:01")) == {"01004", "01033"}
    assert set(values("gp_access", territory="commune:01033")) == {"01033"}
    rows = (
        "0106;Bourg-en-Bresse-2;3.1",
        "01004;Ambérieu;3",
        "2A01;Ajaccio-1;2",
        "97493;Saint-Paul-3;1",
        "69381;Lyon;4",
    )
    bring(
        geoclip_text(*rows, headings="APL Médecins généralistes 2023", level="bassin de vie / canton-ville"),
        name="apl.csv",
        source="cartosante",
    )
    assert set(values("gp_access", geo_level="canton_town", territory="department:01")) == {"0106", "01004"}
    assert set(values("gp_access", geo_level="canton_town", territory="region:94")) == {"2A01"}
    with pytest.raises(UnavailableLevelError, match="Town cantons are known by department only"):
        qs.load_observations("gp_access", geo_level="canton_town", territory="commune:01033")


def test_existing_indicator_gains_a_level_and_keeps_its_definition(bring: Import) -> None:
    before = core_catalogue().indicator("poverty_rate")
    text = geoclip_text("01;Ain;10.8", headings="Taux de pauvreté 2021", level="département", producer="Insee - X")
    with pytest.raises(CatalogueError, match="metadata must give title, licence"):
        bring(text, source="sl")
    bring(text, source="sl", title="Export", licence="Licence Ouverte 2.0")
    after = catalogue().indicator("poverty_rate")
    assert records.same_definition(before, after)
    assert "department" in qs.list_indicators().set_index("id").loc["poverty_rate", "levels"]
    assert values("poverty_rate", geo_level="department", year=2021) == {"01": 10.8}
    # what was there is untouched: the snapshot answers, and does not complain of the young folder
    assert values("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019, territory="Béziers")


def test_mapping_names_and_leaves_out_columns(bring: Import) -> None:
    text = LIVING_AREAS.replace("APL Médecins généralistes", "Indice local")
    with pytest.raises(SchemaError, match=r"figures.csv, line 3: unknown heading 'Indice local 2023'.*mapping="):
        bring(text)
    report = bring(text, mapping={"Indice local": "gp_access", "Part des bénéf. en ALD dans la pop 2024": None})
    assert (report.indicators, report.left_out) == ({"gp_access": 3}, ["Part des bénéf. en ALD dans la pop 2024"])
    with pytest.raises(SchemaError, match=r"no column 'Indise' to map. Valid: Indice local 2023, Part"):
        bring(text, mapping={"Indise": None})
    with pytest.raises(SchemaError, match="every column is left out"):
        bring(text, mapping={"Indice local": None, "Part des bénéf. en ALD dans la pop": None})
    own = {"indicator": {"local_index": {**COUNT, "kind": "score", "headings": ["Indice local"]}}}
    assert set(bring(text, source="other", mapping={"Part des bénéf. en ALD dans la pop": None}, **own).indicators) == {
        "local_index"
    }


BAD_EXPORTS = {
    "unknown marker": (("1.8;13.7", "1.8;c"), r"column Part des bénéf.*, line 5: 'c' is neither .* `\[missing\]`"),
    "decimal comma": (("13.7", "13,7"), r"line 5: '13,7' is neither a number \(decimal mark '.'\)"),
    "rate above 100": (("13.7", "137"), r"line 5, column Part des bénéf.* 2024, 01033: 137; a rate .* \[0, 100\]"),
    "unknown code": (
        ("01033", "01999"),
        r"line 5, the code '01999' is that of no living_area that the package knows .*; 1 such codes",
    ),
    "lost zero": (("01033", "1033"), r"line 5: 1 code is not a living_area code \(2022\): '1033'"),
    "duplicate": (("01033", "01004"), r"line 5, 01004 is there twice for gp_access of 2023 \(first at line 4\)"),
    "unknown level": (
        ("bassin de vie", "bassin d'emploi"),
        r"line 2: unknown geographic referential .bassin d'emploi",
    ),
    "no place": ((" : France par", " France"), r"line 2 is expected to read 'Référentiel géographique : France par"),
    "no year": (("APL Médecins généralistes 2023", "APL"), r"line 3: unknown heading 'APL'.*no year at the end"),
    "period": (("généralistes 2023", "généralistes 2018-2023"), "figures of a period or a quarter are not one year's"),
    "twice": (
        ("Part des bénéf. en ALD dans la pop 2024", "APL Médecins généralistes 2023"),
        "line 3 has the same head",
    ),
    "header": (("Code;Libellé", "Code;Nom"), r"line 3 is expected to begin with Code;Libellé"),
    "no producer": (("CartoSanté;", ";"), "line 1 is expected to name the producer"),
    "cut row": (("01033;Valserhône;1.8;13.7", "01033;Valserhône"), "line 5 has fewer cells than the header"),
}


@pytest.mark.parametrize("fault", BAD_EXPORTS)
def test_bad_export_is_refused_with_its_place(fault: str, bring: Import, data: Path) -> None:
    (old, new), message = BAD_EXPORTS[fault]
    assert old in LIVING_AREAS
    with pytest.raises(SchemaError, match=message) as told:
        bring(LIVING_AREAS.replace(old, new))
    assert str(told.value).startswith("figures.csv")
    assert nothing_stored(data)


def test_export_says_its_level_and_asks_for_what_it_does_not_say(bring: Import) -> None:
    one = {"headings": "Part des bénéf. en ALD dans la pop 2024"}
    with pytest.raises(SchemaError, match=r"line 2 says 'bassin de vie' .living_area.; the metadata says commune"):
        bring(LIVING_AREAS, geo_level="commune")
    with pytest.raises(
        SchemaError, match="living_area of 2022 according to the file, of 2012 according to the metadata"
    ):
        bring(LIVING_AREAS, geo_vintage=2012)
    communes = geoclip_text("01004;Ambérieu-en-Bugey;12", **one, level="commune")
    with pytest.raises(CatalogueError, match="year of its commune codes: give geo_vintage"):
        bring(communes)
    assert bring(communes, geo_vintage=2024).geo_vintage == 2024
    quarters = geoclip_text("QP034001;Centre;12", **one, level="quartier prioritaire")
    assert bring(quarters, name="qpv.csv", source="q").geo_vintage == 2015
    both = geoclip_text("QP034001;Centre;12", "QN03401M;Centre;12", **one, level="QPV")
    with pytest.raises(
        SchemaError, match=r"QPV of both zonings: QP034001 of 2015 \(line 4\), QN03401M of 2024 \(line 5\)"
    ):
        bring(both, name="both.csv", source="q2")


# --- the analyst's own table -------------------------------------------------------------------------------------


def test_template_is_itself_valid(tmp_path: Path) -> None:
    table, declared = write_template(tmp_path / "modele.csv")
    report = qs.import_observations(table, source="modele", metadata=declared)
    assert report.flags == {"observed": 2, "suppressed": 1, "unavailable": 1}
    frame = qs.load_observations("example_ald_share").set_index("geo_code")
    assert frame.loc["QP034001", ["value", "denominator"]].tolist() == [14.2, 8000]
    with pytest.raises(StoreError, match=r"modele.csv and modele.toml would be overwritten"):
        write_template(table)
    with pytest.raises(UnknownNameError, match=r"the template is a .csv"):
        write_template(tmp_path / "modele.xlsx")


def test_counts_under_the_threshold_are_withheld_and_counted(bring: Import) -> None:
    report = bring(QPV)
    assert (report.withheld, report.flags) == (1, {"observed": 2, "suppressed": 2})
    assert "\nUn chiffre retiré par la règle de secret" in str(report)
    frame = qs.load_observations("ors_ald_share").set_index("geo_code")
    assert frame["value"].dropna().to_dict() == {"QP034001": 14.2, "QP034002": 17.5}
    assert frame.loc["QP034003", "denominator"] == 100
    # without the column of counts, the rate times its denominator tells
    again = "geo_code;value;denominator\nQP034001;14,2;8000\nQP034003;8,0;100\nQP059001;50;6"
    report = bring(again)
    assert report.withheld == 2
    assert "\n2 chiffres retirés par la règle de secret" in str(report)
    assert qs.load_observations("ors_ald_share").set_index("geo_code")["denominator"].dropna().to_dict() == {
        "QP034001": 8000,
        "QP034003": 100,
    }


def test_zero_is_secret_unless_said_otherwise(bring: Import) -> None:
    deaths = "geo_code;value\nQP034001;0\nQP034002;10\nQP059001;11"
    own = {"indicator": {"ors_deaths": COUNT}}
    assert bring(deaths, **own).withheld == 2
    assert bring(deaths, secrecy={"threshold": 11, "zero_is_secret": False}, **own).withheld == 1
    assert values("ors_deaths") == {"QP034001": 0.0, "QP059001": 11.0}


def test_rule_that_cannot_be_checked_is_refused_unless_the_producer_applied_it(bring: Import) -> None:
    bare = "geo_code;value\nQP034001;14,2\nQP034002;s"
    with pytest.raises(SchemaError, match=r"line 2, ors_ald_share: .*threshold 11.* cannot be checked"):
        bring(bare)
    assert bring(bare, secrecy={"threshold": 11, "applied_by_producer": True}).withheld == 0


def test_nothing_withheld_is_left_in_the_data_folder(bring: Import, data: Path) -> None:
    """8 persons of 100: neither the value nor the count is kept, in any file."""
    bring(QPV)
    for path in data.rglob("*.parquet"):
        frame = pd.read_parquet(path)
        row = frame[frame["geo_code"] == "QP034003"].iloc[0]
        assert row[["value", "lower", "upper", "n"]].isna().all()
    for path in [*data.rglob("*.toml"), *data.rglob("*.json")]:
        assert "QP034003" not in path.read_text(encoding="utf-8")


BAD_TABLES = {
    "2024 code in a 2015 file": (("QP034002", "QN03401M"), {}, r"line 3, 'QN03401M' is a QPV code of the 2024 zoning"),
    "2015 codes in a 2024 file": (("", ""), {"geo_vintage": 2024}, r"line 2, 'QP034001' is a QPV code of the 2015 zon"),
    "unknown code": (
        ("QP034002", "QP034099"),
        {},
        r"line 3, the code 'QP034099' is that of no qpv .*the zoning of 2015.*Did you mean",
    ),
    "malformed code": (("QP034002", "34002"), {}, r"figures.csv: line 3: 1 code is not a qpv code \(2015\): '34002'"),
    "no such zoning": (("", ""), {"geo_vintage": 2016}, "of the 2015 zoning; the file is declared of 2016"),
    "rate above 100": (("17,5;560", "117,5;560"), {}, r"line 3, column value, QP034002: 117.5; a rate .* \[0, 100\]"),
    "negative denominator": (("3200", "-3200"), {}, "column denominator, QP034002: -3200; a number of persons"),
    "numerator above": (("560;3200", "5600;3200"), {}, "line 3, column count, QP034002: 5600; the numerator is above"),
    "duplicate": (("QP034002", "QP034001"), {}, r"line 3, QP034001 is there twice .*first at line 2"),
    "unknown marker": (("17,5", "n.c."), {}, r"column value, line 3: 'n.c.' is neither a number .*\['nd', 's', 'so'\]"),
    "blank": (("17,5", ""), {}, "column value, line 3: '' is neither a number"),
    "unknown column": (("count", "effectif"), {}, r"unknown column 'effectif'.*mapping="),
    "no value": (("value", "name"), {}, r"no column value\. Columns of the file: geo_code, name"),
    "separator": (("", ""), {"separator": ","}, 'declare separator = ";" in the metadata'),
    "bad year": (("count", "year"), {}, "column year, line 2: '1136'; expected a year in four digits"),
    "no year": (("", ""), {"year": None}, "no year. Give the column `year`, or `year` in the metadata"),
    "two indicators": (("", ""), {"indicator": {}}, r"line 2 does not say its indicator"),
    "unknown indicator": (("count", "indicator"), {}, r"line 2, unknown indicator '1136'"),
    "half a person": (
        ("", ""),
        {"indicator": {"x": COUNT}},
        r"column value, QP034001: 14.2; a count is a whole number",
    ),
    "crossed": (("count", "lower"), {"interval": "sampling"}, "the value is outside its interval"),
    "sex": (("count", "sex"), {}, r"column sex, line 2: '1136'; expected F, M or _T"),
}


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_bad_table_is_refused_with_its_place(fault: str, bring: Import, data: Path) -> None:
    (old, new), changes, message = BAD_TABLES[fault]
    assert old in QPV
    with pytest.raises(SchemaError, match=message):
        bring(QPV.replace(old, new, 1), **changes)
    assert nothing_stored(data)


BAD_METADATA = {
    "unknown key": ({"licens": "x"}, "unknown field `licens`.*Keys: title, producer, licence"),
    "kind": ({"indicator": {"x": {**COUNT, "kind": "share"}}}, "Invalid enum value 'share'"),
    "no notice": ({"restriction": None}, "needs `restriction`, the notice"),
    "no rule": ({"secrecy": None}, r"restricted figures need \[secrecy\]"),
    "threshold": ({"secrecy": {"threshold": 0}}, "secrecy.threshold = 0"),
    "flag": ({"missing": {"x": "observed"}}, "missing marker 'x': 'observed' is not one of suppressed"),
    "indicator id": ({"indicator": {"Part ALD": COUNT}}, "indicator 'Part ALD': expected lower-case"),
    "text": ({"indicator": {"x": {**COUNT, "label": {"de": "x"}}}}, "label is given in fr"),
    "core definition": ({"indicator": {"poverty_rate": COUNT}}, r"\[indicator.poverty_rate\] exists in the catalogue"),
    "no level": ({"geo_level": None}, "must give geo_level.*--metadata FILE"),
    "no title": ({"title": None}, "must give title"),
    "no zoning": ({"geo_level": "commune", "geo_vintage": None}, "no commune|year of its commune codes"),
    "theme": ({"indicator": {"x": {**RESTRICTED["indicator"]["ors_ald_share"], "theme": "z"}}}, "unknown theme 'z'"),
}


@pytest.mark.parametrize("fault", BAD_METADATA)
def test_bad_metadata_is_refused_with_its_key(fault: str, bring: Import, data: Path) -> None:
    changes, message = BAD_METADATA[fault]
    text = QPV if fault != "no zoning" else "geo_code;value;denominator\n34032;12;90000"
    with pytest.raises(CatalogueError, match=message):
        bring(text, **changes)
    assert nothing_stored(data)


def test_other_refusals(bring: Import, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="source='ORS 31': expected lower-case"):
        bring(QPV, source="ORS 31")
    with pytest.raises(UnknownNameError, match="source='insee_filosofi_qpv' is a source of the package"):
        bring(QPV, source="insee_filosofi_qpv")
    with pytest.raises(UnknownNameError, match=r"unknown suffix '.ods'"):
        bring(QPV, name="figures.ods")
    with pytest.raises(UnknownNameError, match="Unknown geo_level 'quartier'"):
        bring(QPV, geo_level="quartier")
    with pytest.raises(StoreError, match="cannot be read"):
        qs.import_observations(tmp_path / "absent.csv", source="ors")
    with pytest.raises(CatalogueError, match="cannot be read"):
        qs.import_observations(tmp_path / "figures.csv", source="ors", metadata=tmp_path / "absent.toml")
    with pytest.raises(SchemaError, match="cannot be read"):
        bring(QPV.replace("value", "vàlue").encode("latin-1"))
    with pytest.raises(CatalogueError, match="the file has intervals; say which"):
        bring(QPV.replace("count", "upper"))


def test_workbook_of_the_same_columns(bring: Import) -> None:
    rows: list[list[object]] = [["Code quartier", "value", "count", "denominator", "Remarque"]]
    rows += [["QP034001", 14.2, 1136, 8000, "x"], ["QP034002", "s", "", "", ""]]
    book = miniature.xlsx({"ALD": rows})
    columns = {"Code quartier": "geo_code", "Remarque": ""}
    bring(book, name="figures.xlsx", columns=columns)
    assert values("ors_ald_share") == {"QP034001": 14.2}
    with pytest.raises(SchemaError, match="no sheet 'Feuille'"):
        bring(book, name="figures.xlsx", columns=columns, sheet="Feuille")
    with pytest.raises(SchemaError, match="not a readable workbook"):
        bring(b"not a workbook", name="figures.xlsx")


def test_classes_intervals_flags_and_markers(bring: Import) -> None:
    text = """geo_code;sex;age;value;lower;upper;denominator;flag
QP034001;;;14,2;13,1;15,4;8 000;unreliable
QP034001;F;Y_GE60;30;28;32;900;
QP034002;;;n.d.;;;;"""
    bring(text, interval="sampling", missing={"n.d.": "unavailable"})
    frame = qs.load_observations("ors_ald_share", sex=None, age=None)
    row = frame[(frame["geo_code"] == "QP034001") & (frame["sex"] == "_T")].iloc[0]
    assert row[["lower", "upper", "interval", "flag"]].tolist() == [13.1, 15.4, "sampling", "unreliable"]
    assert values("ors_ald_share", sex="F", age="Y_GE60") == {"QP034001": 30.0}
    assert frame.set_index("geo_code").loc["QP034002", "flag"] == "unavailable"
    with pytest.raises(SchemaError, match="column flag, line 3: 'certain'; expected observed"):
        bring(
            text.replace(";900;", ";900;certain").replace("QP034001;F", "QP059001;F"),
            interval="sampling",
            missing={"n.d.": "unavailable"},
        )


# --- what could be found by subtraction --------------------------------------------------------------------------

DEATHS = "geo_code;sex;value\nQP034001;;40\nQP034002;;30\nQP034003;;5\ncommune:34032;;75"
OWN = {"indicator": {"ors_deaths": COUNT}}


def test_total_that_gives_a_withheld_part_away_is_refused(bring: Import, data: Path) -> None:
    with pytest.raises(
        DisclosureError, match=r"1 withheld figures .*ors_deaths of QP034003 \(line 4\) is commune:34032"
    ) as e:
        bring(DEATHS, **OWN)
    assert " 5 " not in str(e.value)
    assert nothing_stored(data)
    # two withheld parts protect each other; totals are checked, not stored
    report = bring(DEATHS.replace("30", "6"), **OWN)
    assert (report.withheld, report.rows) == (2, 3)
    assert set(values("ors_deaths")) == {"QP034001"}
    # a part that the file does not list hides it as well
    assert bring(DEATHS.replace("QP034002;;30\n", ""), **OWN).withheld == 1


def test_rates_with_their_denominators_are_subtracted_too(bring: Import) -> None:
    rows = ["QP034001;50;80", "QP034002;25;80", "QP034003;s;100", "commune:34032;26,9;260"]
    with pytest.raises(DisclosureError, match="ors_ald_share of QP034003"):
        bring("\n".join(["geo_code;value;denominator", *rows]))


def test_one_withheld_sex_beside_the_other_and_the_total_is_refused(bring: Import) -> None:
    text = "geo_code;sex;value\nQP034001;;40\nQP034001;F;35\nQP034001;M;5"
    with pytest.raises(DisclosureError, match=r"sex M \(line 4\) is the total \(line 2\) less the other classes"):
        bring(text, **OWN)
    assert bring(text.replace("QP034001;F;35", "QP034001;F;s"), **OWN).withheld == 1


HERAULT: dict[str, Any] = {"indicator": {"ors_deaths": COUNT}, "restriction": None, "licence": "Libre"}


def communes_of_herault(hidden: str = "4") -> str:
    communes = loading.gazetteer().communes
    codes = communes.loc[communes["department"] == "34", "code"].tolist()
    assert len(codes) == 342
    return "\n".join(
        ["geo_code;value", *(f"{code};{20 + n}" for n, code in enumerate(codes[1:])), f"{codes[0]};{hidden}"]
    )


COMMUNES = {"geo_level": "commune", "geo_vintage": 2024, "edition": "communes", "name": "communes.csv"}
DEPARTMENT = {"geo_level": "department", "geo_vintage": 2024, "edition": "department", "name": "department.csv"}
TOTAL_34 = "geo_code;value\n34;" + str(sum(20 + n for n in range(341)) + 4)


@pytest.mark.parametrize("source", ["ors", "other"])
@pytest.mark.parametrize("total_first", [False, True])
def test_secrecy_holds_across_editions_and_sources(source: str, total_first: bool, bring: Import, data: Path) -> None:
    steps: list[tuple[str, dict[str, Any]]] = [(communes_of_herault(), COMMUNES), (TOTAL_34, DEPARTMENT)]
    first, second = reversed(steps) if total_first else steps
    bring(first[0], **first[1], **HERAULT)
    told = r"ors_deaths of commune:34001 in 2023 \(withheld, .*\) is given by department:34 \(.*--remove"
    with pytest.raises(DisclosureError, match=told) as error:
        bring(second[0], source=source, **second[1], **HERAULT)
    assert "4" not in re.findall(r"\b\d+\b", str(error.value).replace("34001", "").replace("2 communes", ""))
    assert set(qs.load_observations("ors_deaths")["geo_level"]) == {first[1]["geo_level"]}
    # another year is another total, and a second part withheld protects the first
    bring(second[0], source=source, **second[1], **{**HERAULT, "year": 2022})


def test_two_withheld_parts_protect_each_other_unless_an_epci_parts_them(bring: Import) -> None:
    communes = loading.gazetteer().communes
    codes = communes.loc[communes["department"] == "34"].set_index("code")["epci"]
    two = [codes.index[0], codes.index[codes != codes.iloc[0]][0]]
    text = communes_of_herault().replace(f"\n{two[1]};", f"\n{two[1]};3\n#").split("\n")
    bring("\n".join(line for line in text if not line.startswith("#")), **COMMUNES, **HERAULT)
    bring(TOTAL_34, **DEPARTMENT, **HERAULT)
    inside = codes[codes == codes.iloc[0]].index
    assert len(communes[communes["epci"] == codes.iloc[0]]) == len(inside)
    epci = {"geo_level": "epci", "geo_vintage": 2024, "edition": "epci", "name": "epci.csv"}
    with pytest.raises(DisclosureError, match=f"2 withheld figures.*commune:{two[0]}.*commune:{two[1]}"):
        bring(f"geo_code;value\n{codes.iloc[0]};5000", **epci, **HERAULT)


def test_withheld_total_is_the_sum_of_its_parts(bring: Import) -> None:
    codes = loading.gazetteer().communes.query("department == '34'")["code"]
    bring("geo_code;value\n" + "\n".join(f"{code};20" for code in codes), **COMMUNES, **HERAULT)
    with pytest.raises(DisclosureError, match=r"department:34 in 2023 .withheld, line 2. is given by the sum of its"):
        bring("geo_code;value\n34;s", **DEPARTMENT, **HERAULT)


def test_regional_value_is_not_painted_on_qpv(bring: Import, caplog: pytest.LogCaptureFixture) -> None:
    region = qs.load_observations("depression_prevalence", geo_level="region").set_index("geo_code")["value"]
    quarters = loading.gazetteer().qpv.query("geo_vintage == 2015 and region in ['76', '32']")
    painted = "geo_code;indicator;value\n" + "\n".join(
        f"{row.geo_code};depression_prevalence;{region[row.region]:g}".replace(".", ",")
        for row in quarters.itertuples()
    )
    own: dict[str, Any] = {"indicator": None, "year": 2024, "secrecy": {"threshold": 11, "applied_by_producer": True}}
    with pytest.raises(SchemaError, match=r"line 2: the \d+ QPV of depression_prevalence \(2024\) all bear .* region"):
        bring(painted, **own)
    with pytest.raises(SchemaError, match="all bear"):
        bring(painted, **{**own, "year": 2023})
    one = "\n".join(painted.split("\n")[:2])
    with caplog.at_level(logging.WARNING):
        bring(one, **own)
    assert "the 1 QPV of depression_prevalence" in caplog.text
    bring(painted.rsplit(";", 1)[0] + ";99", **own)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("17,5;560", "27,5;560", r"line 3, column value, QP034002: 27.5; 100 count / denominator is 17.5"),
        ("17,5;560", "17,5;563", r"line 3, .*: 17.5; 100 count / denominator is 17.5938"),
    ],
)
def test_value_count_and_denominator_agree(old: str, new: str, message: str, bring: Import, data: Path) -> None:
    with pytest.raises(SchemaError, match=message):
        bring(QPV.replace(old, new))
    assert nothing_stored(data)
    bring(QPV.replace("17,5;560", "17,5;561"))  # 17.53
    own = {"indicator": {"ors_deaths": COUNT}, "edition": "d", "name": "d.csv"}
    with pytest.raises(SchemaError, match=r"line 2, .*: 30; the column count says another number"):
        bring("geo_code;value;count\nQP034001;30;31", **own)


def test_complement_under_the_threshold_is_withheld(bring: Import, data: Path) -> None:
    text = "geo_code;value;count;denominator\nQP034001;99,8;2995;3000\nQP034002;99,6;2989;3000\nQP034003;100;50;50"
    assert bring(text).withheld == 2
    assert values("ors_ald_share") == {"QP034002": 99.6}
    assert bring(text, secrecy={"threshold": 11, "zero_is_secret": False}).withheld == 1


@pytest.mark.parametrize("edition", ["a/b", "..", "a b", "a@b", "a,b", "é", "nul", "COM1", "con.2024", "2024.", ""])
def test_bad_edition_is_refused(edition: str, bring: Import, data: Path) -> None:
    with pytest.raises(CatalogueError, match=r"edition = .*expected letters, digits, dots, dashes"):
        bring(QPV, edition=edition)
    assert nothing_stored(data)


def test_reserved_source_name_is_refused(bring: Import) -> None:
    with pytest.raises(UnknownNameError, match="source='con' is a name that Windows reserves"):
        bring(QPV, source="con")


def test_notice_outlives_the_import(bring: Import, tmp_path: Path) -> None:
    bring(QPV)
    frame = qs.load_observations("ors_ald_share")
    assert frame.attrs["restrictions"] == [NOTICE]
    qs.remove_import("ors")
    for number, table in enumerate((frame, frame[["geo_code", "value"]], frame[["value"]].reset_index(drop=True))):
        path = export.write_table(table, tmp_path / f"{number}.csv")
        assert set(pd.read_csv(path, sep=";", encoding="utf-8-sig")["restriction"]) == {NOTICE}
    opened = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019, territory="Béziers")
    assert "restrictions" not in opened.attrs


def test_formulas_are_neutral_in_csv_and_numbers_untouched(tmp_path: Path) -> None:
    texts = ["=1+1", "+33", "-cmd", "@x", "a=b"]
    frame = pd.DataFrame({"text": texts, "kind": pd.Categorical(texts), "mixed": ["=x", -1, None, 2, "b"]})
    frame = frame.assign(number=[-1.5, 2.0, float("nan"), -3.0, 0.0])
    path = export.write_table(frame, tmp_path / "t.csv")
    lines = path.read_text(encoding="utf-8-sig").splitlines()[1:]
    assert lines[:3] == ["'=1+1;'=1+1;'=x;-1,5", "+33;+33;-1;2,0", "'-cmd;'-cmd;;"]
    assert lines[4].startswith("a=b;a=b;b;0,0")
    assert frame["text"].tolist() == texts
    assert pd.read_parquet(export.write_table(frame[["text"]], tmp_path / "t.parquet"))["text"].tolist() == texts


# --- use, as any source ------------------------------------------------------------------------------------------


def test_round_trip_import_compare_map_export_remove(bring: Import, tmp_path: Path, data: Path) -> None:
    known = set(catalogue().indicators)
    bring(QPV)
    commune = "geo_code;value;denominator\n34032;11,5;78000\n59350;9,9;230000"
    bring(
        commune.replace("value", "indicator;value")
        .replace("32;11", "32;ors_ald_share;11")
        .replace("50;9", "50;ors_ald_share;9"),
        name="communes.csv",
        edition="2023-communes",
        geo_level="commune",
        geo_vintage=2024,
        indicator=None,
    )
    gap = qs.compare("ors_ald_share", geo_vintage=2015, year=2023, by="commune", territory="Béziers")
    row = gap.iloc[0]
    assert row["qpv_value"] == pytest.approx((14.2 * 8000 + 17.5 * 3200) / 11200)
    assert (row["reference_value"], row["n_used"], row["n_total"]) == (11.5, 2, 3)
    assert row["licence"] == f"Diffusion restreinte : {NOTICE}"
    assert "ors_ald_share" in set(qs.list_indicators(theme="imported")["id"])
    listed = qs.list_sources().set_index("id").loc["ors"]
    assert (listed["vintages"], listed["status"][:9]) == ("2023, 2023-communes", "processed")

    axes = maps.plot_map("ors_ald_share", geo_vintage=2015, year=2023, territory="Béziers")
    written = " ".join(text.get_text() for text in axes.figure.findobj(plt.Text))
    assert "usage interne" in re.sub(r"\s+", " ", written)
    plt.close(axes.figure)

    assert qs.remove_import("ors") == ["ors@2023", "ors@2023-communes"]
    assert set(catalogue().indicators) == known
    with pytest.raises(UnknownNameError, match="Unknown indicator 'ors_ald_share'"):
        qs.load_observations("ors_ald_share")
    assert not list(data.rglob("*ors*"))
    for manifest in data.rglob("manifest.json"):
        assert "ors" not in json.loads(manifest.read_text(encoding="utf-8"))["sources"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".json"])
def test_notice_follows_every_export(suffix: str, bring: Import, tmp_path: Path) -> None:
    bring(QPV)
    read = {
        ".csv": lambda path: pd.read_csv(path, sep=";", encoding="utf-8-sig"),
        ".parquet": pd.read_parquet,
        ".json": pd.read_json,
    }[suffix]
    frame = qs.load_observations("ors_ald_share")
    gap = qs.compare("ors_ald_share", geo_vintage=2015, year=2023, reference=None, by="commune", territory="Béziers")
    summary = pd.DataFrame({"indicator": ["ors_ald_share"], "mean": [15.1]})
    for number, table in enumerate((frame, gap, summary, frame[["geo_code", "value"]])):
        path = export.write_table(table, tmp_path / f"{number}{suffix}")
        assert set(read(path)["restriction"]) == {NOTICE}
    opened = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019, territory="Béziers")
    assert "restriction" not in read(export.write_table(opened, tmp_path / f"open{suffix}"))


def test_notice_is_in_the_citation(bring: Import) -> None:
    bring(QPV)
    expected = f"ORS Occitanie, « Affections de longue durée par QPV », édition 2023, Diffusion restreinte : {NOTICE}"
    for of in ("ors", "ors@2023", "ors_ald_share", qs.load_observations("ors_ald_share")):
        assert qs.cite(of).startswith(expected)
        assert ", ," not in qs.cite(of)


def test_later_builds_keep_imports(producers: Producers, bring: Import) -> None:
    bring(QPV)
    before = qs.load_observations("ors_ald_share")
    with builds.new_build() as build:
        build.put("observations/other", before)
    assert qs.build(["insee_legal_populations"]).failures == {}
    pd.testing.assert_frame_equal(before, qs.load_observations("ors_ald_share"))
    assert qs.list_sources().set_index("id").loc["ors", "status"].startswith("processed")
    with pytest.raises(UnknownNameError, match="Unknown source 'ors'"):
        qs.build(["ors"])


def test_import_is_never_in_the_snapshot(
    bring: Import, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The whole store of the package, with an import beside it, gives the package's own sources only."""
    whole = data / "processed" / "builds" / "whole"
    shutil.copytree(store.snapshot_dir(), whole)
    told = manifests.read(whole)  # as a build has it: each source with its tables, each table with its source
    for name, record in told["sources"].items():
        tables = record.get("tables") or [f"observations/{name}"]
        record["tables"] = [table for table in tables if f"{table}.parquet" in told["files"]]
    listed = {f"{table}.parquet" for record in told["sources"].values() for table in record["tables"]}
    rest = [name.removesuffix(".parquet") for name in told["files"] if name not in listed]
    told["sources"]["territories"] = {"editions": {}, "tables": rest}
    manifests.write(whole, told)
    (whole.parents[1] / "CURRENT").write_text("whole\n", encoding="utf-8")
    bring(QPV)
    assert store.current_store().has("observations/ors")  # type: ignore[union-attr]
    monkeypatch.setattr(snapshot, "simplify", lambda zones: zones)
    target = snapshot.write_snapshot(tmp_path / "snapshot")
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    assert "ors" not in manifest["sources"]
    assert "insee_filosofi_qpv" in manifest["sources"]
    assert not list(target.rglob("*ors*"))
    assert NOTICE not in "".join(path.read_text(encoding="utf-8") for path in target.rglob("*.[jt]*"))


# --- editions, replacement, removal ------------------------------------------------------------------------------


def test_same_file_replaces_itself_and_another_does_not(bring: Import, data: Path) -> None:
    bring(QPV)
    report = bring(QPV.replace("14,2", "15,0").replace("1136", "1200"))
    assert report.replaced
    assert values("ors_ald_share")["QP034001"] == 15.0
    # the first figures are in no earlier build
    kept = [pd.read_parquet(path) for path in data.rglob("ors.parquet")]
    assert len(kept) == 1
    with pytest.raises(StoreError, match=r"ors@2023 was imported from figures.csv; other.csv would replace it"):
        bring(QPV, name="other.csv")
    with pytest.raises(ComparabilityError, match="ors_ald_share of 2023 by qpv is published already by ors@2023"):
        bring(QPV, name="other.csv", edition="bis")
    with pytest.raises(ComparabilityError, match="published already by insee_filosofi_qpv@2021"):
        text = "geo_code;indicator;value;denominator\nQP034001;poverty_rate;50;8000"
        bring(text, name="poverty.csv", source="mine", year=2021)


def test_editions_of_a_source_share_terms_and_definitions(bring: Import) -> None:
    bring(QPV)
    later = {"name": "later.csv", "edition": "2024", "year": 2024}
    with pytest.raises(CatalogueError, match="ors holds editions under other terms"):
        bring(QPV, **later, restriction="autre convention")
    other = {"ors_ald_share": {**RESTRICTED["indicator"]["ors_ald_share"], "unit": "‰"}}
    with pytest.raises(CatalogueError, match="ors_ald_share has another definition in the other editions"):
        bring(QPV, **later, indicator=other)
    with pytest.raises(CatalogueError, match="defines ors_ald_share as a rate in ‰; it exists as a rate in %"):
        bring(QPV, **later, indicator=other, source="ors2")
    bring(QPV, **later)
    assert set(qs.load_observations("ors_ald_share")["year"]) == {2023, 2024}
    assert qs.remove_import("ors@2023") == ["ors@2023"]
    assert set(qs.load_observations("ors_ald_share")["year"]) == {2024}
    with pytest.raises(UnavailableLevelError, match="not read for year=2023"):
        qs.load_observations("ors_ald_share", year=2023)


def test_indicator_of_two_imports_outlives_one(bring: Import) -> None:
    bring(QPV)
    text = "geo_code;indicator;value;denominator\n34032;ors_ald_share;11,5;78000"
    bring(text, name="c.csv", source="ors2", geo_level="commune", geo_vintage=2024, indicator=None)
    qs.remove_import("ors")
    assert values("ors_ald_share") == {"34032": 11.5}
    assert catalogue().indicator("ors_ald_share").label["fr"] == "Part en ALD (ORS)"


def test_removal_refuses_what_is_not_an_import(bring: Import) -> None:
    bring(QPV)
    with pytest.raises(
        UnknownNameError, match=r"'insee_filosofi_qpv' is downloaded and built, not imported. Valid: ors"
    ):
        qs.remove_import("insee_filosofi_qpv")
    with pytest.raises(UnknownNameError, match=r"'orse' is not an import. Did you mean 'ors'\?"):
        qs.remove_import("orse")
    with pytest.raises(UnknownNameError, match=r"'../ors' is not an import"):
        qs.remove_import("../ors")
    with pytest.raises(UnknownNameError, match=r"'ors' has no edition '2022'.*Valid: 2023"):
        qs.remove_import("ors@2022")


def change_record(change: Callable[[dict[str, Any]], object]) -> None:
    """Have the manifest in use say something else of the import, sealed as if it had been written so."""
    build = store.current_store()
    assert build is not None
    manifest = manifests.read(build.path)
    change(manifest["sources"])
    manifests.write(build.path, manifest)


@pytest.mark.parametrize(
    "change",
    [
        lambda sources: sources["ors"].pop("record"),
        lambda sources: sources["ors"]["record"]["source"].update(id=3),
        lambda sources: sources["ors"]["record"]["source"].update(id="other"),
        lambda sources: sources["ors"]["record"].update(unknown=1),
        lambda sources: sources["ors"]["record"]["source"].update(vintage=[]),
        lambda sources: sources["ors"]["editions"]["2023"].update(secrecy=None),
    ],
    ids=["absent", "type", "of another", "unknown key", "editions", "no rule"],
)
def test_damaged_record_is_told_and_can_be_removed(
    change: Callable[[dict[str, Any]], object], bring: Import, caplog: pytest.LogCaptureFixture
) -> None:
    bring(QPV)
    assert qs.verify().sound
    change_record(change)
    with caplog.at_level(logging.WARNING):
        assert "ors" not in catalogue().sources
    assert "record of the import 'ors' is damaged" in caplog.text
    assert "qpv-sante import --remove ors" in caplog.text
    told = qs.verify(lang="en").problems()
    assert told["name"].str.endswith("manifest.json: ors").tolist() == [True]
    assert "figures.csv" in told["advice"].iloc[0]
    assert qs.remove_import("ors") == ["ors@2023"]
    assert qs.verify().sound


def test_import_that_no_longer_agrees_with_the_package_is_left_out(
    bring: Import, caplog: pytest.LogCaptureFixture
) -> None:
    """A later release may take a name that an import has."""
    bring(QPV)

    def rename(sources: dict[str, Any]) -> None:
        taken = json.loads(json.dumps(sources["ors"]).replace('"ors"', '"insee_filosofi_qpv"'))
        sources["insee_filosofi_qpv"] = taken

    change_record(rename)
    with caplog.at_level(logging.WARNING):
        assert not catalogue().sources["insee_filosofi_qpv"].imported
    assert "bears the name of a source that exists" in caplog.text
    assert "ors" in catalogue().sources
    assert not qs.verify().sound


def test_core_catalogue_stays_strict(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    text = (Path(qs.__file__).parent / "catalogue.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("[source.insee_filosofi_qpv]", "[source.insee_filosofi_qpv]\nimported = true"))
    with pytest.raises(CatalogueError, match=r"source.insee_filosofi_qpv: `imported` is not declared here"):
        load_catalogue(path)


# --- command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*arguments: object) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["qpv-sante", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        told = capsys.readouterr()
        return code, told.out + told.err

    return call


def test_command_writes_the_template_imports_and_removes(run: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    code, told = run("import", "--template", tmp_path / "m.csv")
    assert code == 0
    assert "m.csv" in told
    assert "m.toml" in told
    code, told = run("import", tmp_path / "m.csv", "--source", "ors", "--metadata", tmp_path / "m.toml")
    assert code == 0
    assert "ors@2023 importé : 4 lignes, qpv 2015" in told
    assert run("import", "--remove", "ors") == (0, "Effacé : ors@2023\n")
    code, told = run("import", "--remove", "ors")
    assert code == 2
    assert "Erreur : nom, code ou valeur inconnus.\n'ors' is not an import" in told
    assert run("import")[0] == 2
    assert "--source NAME" in run("import", tmp_path / "m.csv")[1]
    assert "one of PATH, --template FILE or --remove NAME" in run("import", "--remove", "a", "--template", "b.csv")[1]


def test_metadata_file_and_mapping_give_the_same(bring: Import, tmp_path: Path) -> None:
    bring(QPV)
    (tmp_path / "m.toml").write_text(tomli_w.dumps(RESTRICTED), encoding="utf-8")
    before = qs.load_observations("ors_ald_share")
    qs.remove_import("ors")
    qs.import_observations(tmp_path / "figures.csv", source="ors", metadata=tmp_path / "m.toml")
    pd.testing.assert_frame_equal(before, qs.load_observations("ors_ald_share"))


# --- the real exports --------------------------------------------------------------------------------------------

REAL = {
    # file: portal, level, rows, columns, secret cells, unavailable cells
    "apl_medecins_generalistes_2023": ("CartoSanté", "canton_town", 2931, 1, 0, 3),
    "taux_pauvrete_2021": ("Insee - Statistiques locales", "living_area", 1707, 1, 1, 12),
    "social_determinants": ("Insee - Statistiques locales", "living_area", 1707, 16, 1, 50),
    "health": ("CartoSanté", "living_area", 1709, 8, 157, 4),
    "health_anova_regression": ("Insee - Statistiques locales", "department", 101, 22, 0, 14),
}


@pytest.mark.mirror
@pytest.mark.parametrize("name", REAL)
def test_real_export_is_imported_whole(name: str) -> None:
    path = EXPORTS / f"{name}.csv"
    if not path.is_file():
        pytest.skip("the real exports are not beside the repository")
    producer, level, rows, columns, secret, absent = REAL[name]
    read = geoclip.read_export(path.read_bytes(), where=path.name)
    assert (read.producer, read.geo_level, len(read.cells), len(read.columns)) == (producer, level, rows, columns)
    report = qs.import_observations(path, source="portal")
    assert report.rows == rows * columns
    assert (report.flags.get("suppressed", 0), report.flags.get("unavailable", 0)) == (secret, absent)
    assert report.left_out == []


@pytest.mark.mirror
def test_real_values_and_known_disagreement_between_exports() -> None:
    if not EXPORTS.is_dir():
        pytest.skip("the real exports are not beside the repository")
    qs.import_observations(EXPORTS / "health.csv", source="cartosante")
    qs.import_observations(EXPORTS / "apl_medecins_generalistes_2023.csv", source="cartosante")
    ald = qs.load_observations("ald_share", geo_level="living_area")
    assert int((ald["flag"] == "suppressed").sum()) == 157
    towns = values("gp_access", geo_level="canton_town", year=2023)
    assert (towns["3199"], towns["5997"]) == (4.6, 6.1)
    qs.import_observations(EXPORTS / "taux_pauvrete_2021.csv", source="insee_local")
    with pytest.raises(
        ComparabilityError, match="poverty_rate of 2021 by living_area is published already by insee_local"
    ):
        qs.import_observations(EXPORTS / "social_determinants.csv", source="insee_more")
    report = qs.import_observations(
        EXPORTS / "social_determinants.csv", source="insee_more", mapping={"Taux de pauvreté": None}
    )
    assert report.indicators["single_parent_family_share"] == 1707


# --- files as analysts have them ---------------------------------------------------------------------------------

OPEN: dict[str, Any] = {
    "title": "Essai",
    "producer": "Essai",
    "licence": "Licence Ouverte 2.0",
    "restriction": None,
    "secrecy": None,
    "edition": None,
}
ONE = {"essai": {"label": "essai", "unit": "%", "kind": "rate", "definition": "essai", "higher_is": "worse"}}
NUMBER = {"essai": {**ONE["essai"], "unit": "personnes", "kind": "count"}}
SCORE = {"essai": {**ONE["essai"], "unit": "pour 10 000", "kind": "score"}}
TWO_OF_BEZIERS = "geo_code;name;value\nQP034001;Centre Ville;12,5\nQP034003;Devèze;17,5\n"


@pytest.fixture
def open_file(bring: Import) -> Import:
    """Import an open file of one indicator, `essai`, by QPV of 2015 unless changed."""

    def write(content: str | bytes, **changes: Any) -> Any:
        return bring(content, source="essai", **{**OPEN, "indicator": ONE, **changes})

    return write


def imported(**asked: Any) -> dict[str, float]:
    return values("essai", **asked)


def test_an_open_quotation_mark_in_ones_own_file_is_refused(open_file: Import, data: Path) -> None:
    """QP034002 would bear the 22.5 of QP034005, and three QPV would be gone."""
    text = """geo_code;name;value
QP034001;Centre Ville;12,5
QP034002;"Iranget Grangette;14,0
QP034003;Devèze;17,5
QP034005;Les "Cévennes;22,5
"""
    with pytest.raises(SchemaError, match=r"figures\.csv: line 3, cell 2: .*opens a quotation mark"):
        open_file(text)
    assert nothing_stored(data)
    open_file(text.replace('"Iranget Grangette', '"Iranget ""Grangette"""'))
    assert imported() == {"QP034001": 12.5, "QP034002": 14.0, "QP034003": 17.5, "QP034005": 22.5}


@pytest.mark.parametrize("cell", ["12 15", "3 5", "1 4,0", "1 7"])
def test_two_numbers_in_a_cell_are_not_one(cell: str, open_file: Import, data: Path) -> None:
    with pytest.raises(SchemaError, match=f"column value, line 3: '{cell}'.*A space stands only before three digits"):
        open_file(TWO_OF_BEZIERS.replace("17,5", cell), indicator=SCORE)
    assert nothing_stored(data)


@pytest.mark.parametrize("space", [" ", "\u00a0", "\u202f", "\u2009"])
def test_thousands_are_read_with_any_space(space: str, open_file: Import) -> None:
    open_file(TWO_OF_BEZIERS.replace("17,5", f"1{space}234").replace("12,5", "12"), indicator=NUMBER)
    assert imported() == {"QP034001": 12, "QP034003": 1234}


def test_postal_codes_are_told_from_codes_of_communes(open_file: Import, data: Path) -> None:
    text = "geo_code;name;value\n59100;Roubaix;34,1\n59200;Tourcoing;31,0\n59300;Valenciennes;29,5\n59500;Douai;33,2\n"
    communes = {"geo_level": "commune", "geo_vintage": 2024}
    with pytest.raises(
        SchemaError, match=r"4 of 4 names .*line 2: 59100 is Bousignies, Roubaix is 59512.*postal codes"
    ):
        open_file(text, **communes)
    unnamed = "\n".join(line.split(";")[0] + ";" + line.split(";")[2] for line in text.splitlines())
    report = open_file(unnamed, **communes)
    assert "most codes end in 0, as postal codes do: 59100, 59200" in report.warnings[0]
    # a code of no commune at all: the reason is said
    with pytest.raises(SchemaError, match=r"'59800' is that of no commune .*look like postal codes"):
        open_file(unnamed.replace("59100", "59800"), **communes)
    assert not nothing_stored(data)


def test_names_shifted_by_a_row_are_refused(bring: Import, data: Path) -> None:
    rows = ("30;Haute-Garonne;13.0", "31;Gers;14.3", "32;Gironde;12.9", "33;Hérault;18.9", "34;Gard;20.1")
    text = geoclip_text(
        *rows, headings="Taux de pauvreté 2021", level="département", producer="Insee - Statistiques locales"
    )
    with pytest.raises(SchemaError, match=r"5 of 5 names.*line 4: 30 is Gard, Haute-Garonne is 31.*shifted"):
        bring(text, source="essai")
    assert nothing_stored(data)
    right = ("30;Gard;20.1", "31;Haute-Garonne;13.0", "32;Gers;14.3", "33;Gironde;12.9", "34;Hérault;18.9")
    report = bring(text.replace("\n".join(rows), "\n".join(right)), source="essai")
    assert report.warnings == []
    assert values("poverty_rate", geo_level="department", year=2021)["34"] == 18.9


def test_names_exchanged_are_refused_or_told(open_file: Import, caplog: pytest.LogCaptureFixture) -> None:
    exchanged = TWO_OF_BEZIERS.replace("Devèze", "x").replace("Centre Ville", "Devèze").replace("x", "Centre Ville")
    with pytest.raises(
        SchemaError, match=r"QP034001 is Centre Ville, Devèze is QP034003; .*, Centre Ville is QP034001"
    ):
        open_file(exchanged)
    others = "".join(f"QP0340{number:02d};;10,0\n" for number in range(4, 8))
    assert open_file(exchanged + others.replace(";;", ";Quartier;")).warnings[0].startswith("figures.csv: 2 of 6 names")
    assert "2 of 6 names are those of other codes" in caplog.text


@pytest.mark.parametrize("style", [1, 2])
def test_cells_in_percent_are_read_as_the_sheet_shows_them(style: int, open_file: Import) -> None:
    """12.5 % is held as 0.125: whole columns of them, or one cell among plain numbers."""
    percent = miniature.Percent
    rows: list[list[object]] = [["geo_code", "value"], ["QP034001", percent(0.125)], ["QP034002", percent(0.14)]]
    for last in (percent(0.175), 17.5):
        report = open_file(miniature.xlsx({"S": [*rows, ["QP034003", last]]}, style=style), name="f.xlsx")
        assert imported() == {"QP034001": 12.5, "QP034002": 14.0, "QP034003": 17.5}
        assert report.warnings == []
    with pytest.raises(SchemaError, match=r"f\.xlsx: line 2, column value, QP034001: 12\.5; the cell is in percent"):
        open_file(miniature.xlsx({"S": rows}, style=style), name="f.xlsx", indicator=SCORE)


def test_percent_cells_of_counts_and_of_old_workbooks_are_refused(open_file: Import, data: Path) -> None:
    percent = miniature.Percent
    counts = [["geo_code", "value", "denominator"], ["QP034001", 12.5, percent(80)]]
    with pytest.raises(SchemaError, match="column denominator: numbers of persons expected, got cells in percent"):
        open_file(miniature.xlsx({"S": counts}), name="f.xlsx")
    old = miniature.xls({"S": [["geo_code", "value"], ["QP034001", 12.5], ["QP034002", 0.14]]})
    with pytest.raises(SchemaError, match=r"line 3, column value, QP034002: 0\.14; an xls does not say.*\.xlsx"):
        open_file(old, name="f.xls")
    assert nothing_stored(data)


def test_rates_that_are_all_under_one_are_told_unless_their_counts_confirm_them(open_file: Import) -> None:
    fractions = TWO_OF_BEZIERS.replace("12,5", "0,125").replace("17,5", "0,175")
    assert "every value of essai, in %, is under 1 (the largest is 0.175)" in open_file(fractions).warnings[0]
    small = "geo_code;value;count;denominator\nQP034001;0,079;4;5048\nQP034020;0,176;3;1706\n"
    assert open_file(small).warnings == []


def test_digits_are_those_of_the_file(open_file: Import) -> None:
    """0.012 shown as 0.0 would be no figure at all."""
    open_file(TWO_OF_BEZIERS.replace("12,5", "0,012").replace("17,5", "0,176"), year=2022)
    known = catalogue().indicator("essai")
    assert known.decimals == 3
    assert style.format_number(0.012, known.decimals) == "0,012"
    ax = maps.plot_map("essai", year=2022, geo_vintage=2015, territory="Béziers")
    texts = [text.get_text() for text in ax.figure.findobj(Text)]
    plt.close(ax.figure)
    assert any("0,012" in text for text in texts)
    # another edition may have more or fewer: one indicator shows the finest
    for year, value, digits in ((2023, "1,5", 3), (2024, "1,2345", 4)):
        open_file(TWO_OF_BEZIERS.replace("12,5", value), year=year)
        assert catalogue().indicator("essai").decimals == digits
    # unless it is declared
    shutil.rmtree(store.data_dir())
    open_file(TWO_OF_BEZIERS.replace("12,5", "0,012"), indicator={"essai": {**ONE["essai"], "decimals": 1}})
    assert catalogue().indicator("essai").decimals == 1


DEPARTMENTS = ("34;Hérault;18.9;21030", "59;Nord;18.6;20730")
TITLES = "Taux de pauvreté 2021;Médiane du niveau de vie 2021"
RESAVED = geoclip_text(*DEPARTMENTS, headings=TITLES, level="département")
COMMA = RESAVED.replace("18.", "18,").replace("21030", "21 030").replace("20730", "20\u00a0730")


def quoted_everywhere(text: str) -> str:
    return "\n".join(";".join(f'"{cell.strip()}"' for cell in line.split(";")) for line in text.split("\n"))


@pytest.mark.parametrize(
    ("content", "declared"),
    [
        (quoted_everywhere(RESAVED).encode("utf-8-sig"), {}),
        (RESAVED.replace(";", "\t").encode("utf-16"), {}),
        (RESAVED.replace(";", ",").encode("utf-8-sig"), {}),
        (RESAVED.replace("\n", "\r\n").encode("cp1252"), {"encoding": "cp1252"}),
        (COMMA.encode("cp1252"), {"encoding": "cp1252", "decimal": ","}),
        (COMMA.encode("utf-8-sig"), {"decimal": ","}),
        (RESAVED.replace(";", "|").encode(), {"separator": "|"}),
        (RESAVED.replace("Code;Libellé", "; ;\n\nCode;Libellé").encode(), {}),
    ],
    ids=["quoted", "utf-16 tabs", "commas", "cp1252", "cp1252 comma", "comma", "bars", "lower header"],
)
def test_export_that_a_spreadsheet_saved_again(content: bytes, declared: dict[str, Any], bring: Import) -> None:
    path = store.data_dir().parent / "export.csv"
    path.write_bytes(content)
    qs.import_observations(path, source="essai", metadata=declared or None)
    assert values("poverty_rate", geo_level="department", year=2021) == {"34": 18.9, "59": 18.6}
    assert values("median_standard_of_living", geo_level="department", year=2021) == {"34": 21030, "59": 20730}
    # the record says how the file is written: a figure can be found in it again
    source = catalogue().source("essai")
    [form] = source.tables_of(source.vintage[0])
    again = geoclip.read_export(content, where="again", form=form, separator=form.separator, sheet=form.sheet)
    found = geoclip.long_table(again, {"Taux de pauvreté 2021": 2021}, where="again")
    assert found["value"].tolist() == [18.9, 18.6]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (RESAVED.encode("cp1252"), r'line 1.*reads \'CartoSanté;.*declare encoding = "cp1252" in the metadata'),
        (
            COMMA.encode("utf-8-sig"),
            r"'18,9' is neither .*If its decimal mark is ',', declare decimal = \",\" in the meta",
        ),
    ],
)
def test_export_saved_again_that_is_not_read_says_how(content: bytes, message: str, data: Path) -> None:
    path = data.parent / "export.csv"
    path.write_bytes(content)
    with pytest.raises(SchemaError, match=message):
        qs.import_observations(path, source="essai")
    assert nothing_stored(data)


@pytest.mark.parametrize("blank_rows", [0, 1, 3])
def test_export_in_a_workbook(blank_rows: int, data: Path) -> None:
    titles = [["Insee - Statistiques locales", "", ""], ["Référentiel géographique : France par département", "", ""]]
    headings = ["Code", "Libellé", "Taux de pauvreté 2021"]
    rows = [*titles, *[["", "", ""]] * blank_rows, headings, ["34", "Hérault", 18.9], ["59", "Nord", SECRET]]
    path = data.parent / "export.xlsx"
    path.write_bytes(miniature.xlsx({"Lisez-moi": [["Export"]], "Données": rows}))
    report = qs.import_observations(path, source="essai")
    assert report.flags == {"observed": 1, "suppressed": 1}
    assert values("poverty_rate", geo_level="department", year=2021) == {"34": 18.9}


def test_division_by_zero_is_not_applicable(bring: Import) -> None:
    rows = ("34032;Béziers;57.1", "34333;Villespassans;N/A - division par 0")
    heading = "Part des locataires dans les rés. principales 2022"
    report = bring(geoclip_text(*rows, headings=heading, level="commune"), source="essai", geo_vintage=2024)
    assert report.flags == {"not_applicable": 1, "observed": 1}


@pytest.mark.parametrize(
    "heading",
    ["Évol. annuelle moy. de la population 2017 - 2023 (en %)", "Taux de chômage trimestriel 2025-T4", "Sans année"],
)
def test_a_column_left_out_does_not_stop_the_others(heading: str, bring: Import) -> None:
    rows = ("34;Hérault;18.9;1.1", "59;Nord;18.6;0.0")
    text = geoclip_text(*rows, headings=f"Taux de pauvreté 2021;{heading}", level="département")
    for way in ({"mapping": {heading: None}}, {"columns": {heading: ""}}):
        report = bring(text, source="essai", **way)
        assert (report.rows, report.left_out) == (2, [heading])
    own = {"columns": {heading: "other", "Taux de pauvreté 2021": ""}, "indicator": {"other": ONE["essai"]}}
    with pytest.raises(SchemaError, match=r"no year at the end.*\[years\].*= 2021"):
        bring(text, source="essai", **own)
    bring(text, source="essai", **own, years={heading: 2025})
    assert values("other", year=2025) == {"34": 1.1, "59": 0.0}
    assert f"{heading} (2025)" in catalogue().source("essai").get_vintage("2025").caveat["fr"]


def test_a_year_in_parentheses_is_a_year(bring: Import) -> None:
    text = geoclip_text("34;Hérault;18.9", headings="Taux de pauvreté (2021)", level="département")
    bring(text, source="essai")
    assert values("poverty_rate", geo_level="department", year=2021) == {"34": 18.9}


PERIODS = "codgeo;libgeo;an;tx\n01;Ain;1968-1975;11,20\n01;Ain;1975-1982;9,70\n"
OF_PERIODS = {
    "geo_level": "department",
    "geo_vintage": 2018,
    "year": None,
    "indicator": SCORE,
    "columns": {"codgeo": "geo_code", "libgeo": "name", "an": "year", "tx": "value"},
}


def test_a_period_stands_under_the_year_that_is_declared(open_file: Import, data: Path) -> None:
    with pytest.raises(SchemaError, match=r"column year, line 2: '1968-1975'.*\[years\], \"2018-2022\" = 2020"):
        open_file(PERIODS, **OF_PERIODS)
    assert nothing_stored(data)
    open_file(PERIODS, **OF_PERIODS, years={"1968-1975": 1975, "1975-1982": 1982})
    assert (imported(year=1975), imported(year=1982)) == ({"01": 11.2}, {"01": 9.7})
    assert "1968-1975 (1975), 1975-1982 (1982)" in catalogue().source("essai").vintage[0].caveat["fr"]


TITLED = f"Part des bénéficiaires en ALD par QPV, 2023;;\nSource : Assurance maladie;;\n;;\n{TWO_OF_BEZIERS}"


def test_titles_above_the_headings(open_file: Import) -> None:
    open_file(TITLED)
    assert imported() == {"QP034001": 12.5, "QP034003": 17.5}
    rows: list[list[object]] = [["Titre", "", ""], ["", "", ""], ["geo_code", "name", "value"]]
    rows += [["QP034001", "Centre Ville", 12.5]]
    open_file(miniature.xlsx({"S": rows}), name="figures.xlsx", year=2022)
    # headings of one's own, whose place must be said
    named = {"Code": "geo_code", "Nom": "name", "Part": "value"}
    own = TITLED.replace("geo_code;name;value", "Code;Nom;Part")
    open_file(own, name="other.csv", columns=named, year=2021)
    with pytest.raises(SchemaError, match="header_line"):
        open_file(TITLED.replace("geo_code;name;value", "Code;Nom;Part"), name="other.csv", year=2021)
    with pytest.raises(SchemaError, match=r"the header is expected at line 9; the file has 6"):
        open_file(own, name="other.csv", columns=named, year=2021, header_line=9)
    open_file(own, name="other.csv", columns=named, year=2021, header_line=4)
    assert imported(year=2021) == {"QP034001": 12.5, "QP034003": 17.5}


def test_the_sheet_that_has_the_table_is_read(open_file: Import) -> None:
    table: list[list[object]] = [["geo_code", "name", "value"], ["QP034001", "Centre Ville", 12.5]]
    sheets: dict[str, list[list[object]]] = {"Lisez-moi": [["Ce classeur contient..."]], "Données": table}
    open_file(miniature.xlsx(sheets), name="f.xlsx")
    assert imported() == {"QP034001": 12.5}
    with pytest.raises(SchemaError, match=r"several sheets have the columns.*'Lisez-moi', 'Données', 'Bis'.*`sheet`"):
        open_file(miniature.xlsx({**sheets, "Bis": table}), name="f.xlsx")
    open_file(miniature.xlsx({**sheets, "Bis": table}), name="f.xlsx", sheet="Bis")
    with pytest.raises(SchemaError, match="no sheet has the columns geo_code and value"):
        open_file(miniature.xlsx({"A": [["x"], [1]], "B": [["y"], [2]]}), name="f.xlsx")


def test_hidden_rows_are_not_read_in_silence(open_file: Import, data: Path) -> None:
    rows: list[list[object]] = [["geo_code", "value"], ["QP034001", 12.5], ["QP034002", 99.0]]
    with pytest.raises(SchemaError, match=r"1 rows of the table are hidden, the first is row 3\. Show them, or delete"):
        open_file(miniature.xlsx({"S": rows}, hidden=[3]), name="f.xlsx")
    assert nothing_stored(data)


def test_a_wide_table(open_file: Import, data: Path) -> None:
    wide = "Code QPV;Nom du quartier;Population;ALD 2022 (%);ALD 2023 (%)\n"
    wide += "QP034001;Centre Ville;9000;12,1;12,5\nQP034002;Iranget;3000;13,9;s\n"
    with pytest.raises(SchemaError, match=r"unknown column 'Code QPV'.*one \[figures\.\"HEADING\"\] a column"):
        open_file(wide)
    named = {"Code QPV": "geo_code", "Nom du quartier": "name"}
    figures = {"ALD 2022 (%)": {"year": 2022, "denominator": "Population"}, "ALD 2023 (%)": {"year": 2023}}
    report = open_file(wide, columns=named, figures=figures, year=None)
    assert imported(year=2022) == {"QP034001": 12.1, "QP034002": 13.9}
    assert imported(year=2023) == {"QP034001": 12.5}
    assert report.left_out == []
    frame = qs.load_observations("essai", year=2022)
    assert frame["denominator"].tolist() == [9000, 3000]
    with pytest.raises(SchemaError, match=r"\[figures\]: no column 'ALD 2024'.*Did you mean"):
        open_file(wide, columns=named, figures={"ALD 2024": {"year": 2024}})
    with pytest.raises(SchemaError, match=r"column ALD 2023 \(%\), line 3: '13,9x'"):
        open_file(wide.replace(";s", ";13,9x"), columns=named, figures=figures)


def test_file_of_the_french_excel_says_what_to_declare(open_file: Import, data: Path) -> None:
    content = TWO_OF_BEZIERS.replace("\n", "\r\n").encode("cp1252")
    with pytest.raises(SchemaError) as told:
        open_file(content)
    said = str(told.value)
    assert "line 3" in said
    assert "reads 'QP034003;Devèze;17,5'" in said
    assert 'encoding = "cp1252" in the metadata' in said
    assert "catalogue" not in said
    assert "producer" not in said
    assert nothing_stored(data)
    open_file(content, encoding="cp1252")
    assert imported() == {"QP034001": 12.5, "QP034003": 17.5}


def test_metadata_and_territories_that_notepad_saved(tmp_path: Path, data: Path) -> None:
    table, declared = write_template(tmp_path / "figures.csv")
    declared.write_text(declared.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert qs.import_observations(table, source="ors", metadata=declared).rows == 4
    territory = 'id = "est-lyonnais"\nlabel = "Est lyonnais"\ncommunes = ["69029", "Vaulx-en-Velin"]\n'
    folder = data / "territories"
    folder.mkdir(parents=True)
    (folder / "est.toml").write_text(f"[[territory]]\n{territory}", encoding="utf-8-sig")
    assert "est-lyonnais" in qs.list_territories()["id"].tolist()
    declared.write_text(declared.read_text(encoding="utf-8-sig"), encoding="cp1252")
    with pytest.raises(CatalogueError, match=r"figures\.toml cannot be read: .*Save it as UTF-8"):
        qs.import_observations(table, source="ors", metadata=declared)


def test_codes_of_another_year_are_not_said_to_be_wrong(open_file: Import) -> None:
    text = "geo_code;value\n200000164;23888\n"
    with pytest.raises(SchemaError, match=r"'200000164' is that of no epci that the package knows \(those of 2022\)"):
        open_file(text, geo_level="epci", geo_vintage=2014, indicator=SCORE)


ARRONDISSEMENTS = "geo_code;value\n69123;{}\n" + "".join(f"6938{n};{{}}\n" for n in range(1, 10))


@pytest.mark.parametrize(
    ("numbers", "kind", "message"),
    [
        (("90", *["11"] * 9), NUMBER, "line 2, column value, 69123: 90; its 9 arrondissements add up to 99"),
        (("110", *["11"] * 9), NUMBER, "69123: 110; its 9 arrondissements add up to 99"),
        (("20,0", *["11,0"] * 9), ONE, "69123: 20; it is outside the values of its 9 arrondissements"),
        (("99", *["11"] * 9), NUMBER, ""),
        (("99", "nd", *["11"] * 8), NUMBER, ""),
        (("11,0", *["11,0"] * 9), ONE, ""),
    ],
)
def test_a_commune_is_held_against_its_arrondissements(
    numbers: tuple[str, ...], kind: Any, message: str, open_file: Import
) -> None:
    text, asked = ARRONDISSEMENTS.format(*numbers), {"indicator": kind, "geo_level": "commune", "geo_vintage": 2024}
    if not message:
        assert open_file(text, **asked).warnings == []
        return
    with pytest.raises(SchemaError, match=message):
        open_file(text, **asked)


def test_an_error_of_the_spreadsheet_is_not_a_blank(open_file: Import, data: Path) -> None:
    rows: list[list[object]] = [["geo_code", "value", "denominator"], ["QP034001", 12.5, miniature.Error("#DIV/0!")]]
    with pytest.raises(SchemaError, match=r"column denominator, line 2: '#DIV/0!' is neither a number"):
        open_file(miniature.xlsx({"S": rows}), name="f.xlsx")
    assert nothing_stored(data)
    open_file(miniature.xlsx({"S": rows}), name="f.xlsx", missing={"#DIV/0!": "not_applicable"})
    assert qs.load_observations("essai")["denominator"].isna().all()


SEXES = "geo_code;sex;value\nQP034001;;{}\nQP034001;F;{}\nQP034001;M;{}\n"
AGES = "geo_code;age;value\nQP034001;;{}\nQP034001;Y_LT18;{}\nQP034001;Y18T64;{}\nQP034001;Y_GE65;{}\n"
WITH_TOTAL = "geo_code;value\ncommune:34032;{}\nQP034001;{}\nQP034002;{}\n"


@pytest.mark.parametrize(
    ("text", "numbers", "kind", "message"),
    [
        (SEXES, ("90", "50", "41"), NUMBER, "line 2, column value, QP034001: 90; its parts by sex add up to another"),
        (SEXES, ("92", "50", "41"), NUMBER, "line 2, column value, QP034001: 92; its parts by sex add up to another"),
        (AGES, ("90", "50", "30", "20"), NUMBER, "QP034001: 90; its parts by age add up to another"),
        (SEXES, ("20,0", "12,0", "14,0"), ONE, "QP034001: 20; it is outside the values of its parts by sex"),
        (AGES, ("20,0", "12,0", "14,0", "15,0"), ONE, "QP034001: 20; it is outside the values of its parts by age"),
        (
            WITH_TOTAL,
            ("90", "50", "41"),
            NUMBER,
            "line 2, column value, commune:34032: 90; its 2 parts by qpv add up to 91",
        ),
    ],
)
def test_a_total_is_held_against_its_parts(
    text: str, numbers: tuple[str, ...], kind: Any, message: str, open_file: Import, data: Path
) -> None:
    with pytest.raises(SchemaError, match=message):
        open_file(text.format(*numbers), indicator=kind)
    assert nothing_stored(data)


@pytest.mark.parametrize(
    ("text", "numbers", "kind", "warning"),
    [
        (SEXES, ("91", "50", "41"), NUMBER, ""),
        (SEXES, ("91", "50", "nd"), NUMBER, ""),
        (SEXES, ("13,0", "12,0", "14,0"), ONE, ""),
        (SEXES, ("12,1", "12,0", "12,0"), ONE, ""),  # each is rounded
        (AGES.replace("Y_LT18", "Y10T17"), ("20,0", "12,0", "14,0", "15,0"), ONE, ""),  # children are not there
        (AGES, ("100", "50", "30", "19"), NUMBER, "essai is 100, and its 3 classes of age add up to 99"),
        (WITH_TOTAL, ("91", "50", "41"), NUMBER, ""),
        (WITH_TOTAL, ("92", "50", "41"), NUMBER, "commune:34032: 92, and its 2 parts by qpv add up to 91"),
    ],
)
def test_a_total_that_may_be_right_is_stored(
    text: str, numbers: tuple[str, ...], kind: Any, warning: str, open_file: Import
) -> None:
    report = open_file(text.format(*numbers), indicator=kind)
    assert [warning in said for said in report.warnings] == ([True] if warning else [])


def test_every_refusal_is_an_error_of_the_package() -> None:
    assert issubclass(DisclosureError, QpvSanteError)
