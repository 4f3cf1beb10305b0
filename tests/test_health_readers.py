"""Depression, perceived health and care: each trap of the producers' files, and the published anchors."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import msgspec
import pandas as pd
import producers as miniature
import pytest

from qpv_sante import observations
from qpv_sante.catalogue import catalogue, load_catalogue
from qpv_sante.contrasts import load_classification, load_survey_contrasts, read_contrasts
from qpv_sante.download import RawFile
from qpv_sante.errors import CatalogueError, SchemaError, UnavailableLevelError, UnknownNameError
from qpv_sante.forms import Place
from qpv_sante.loading import load_observations
from qpv_sante.pipeline import build
from qpv_sante.readers import Tables, get_reader
from qpv_sante.readers.denominators import check_ceilings, check_whole_and_parts
from qpv_sante.readers.long import correct

HEALTH = ["spf_barometer_2024", "spf_barometer_2024_region", "spf_depression_history"]
HEALTH += ["drees_vqs_department", "cnam_pathologies"]
SUFFIX = {"csv": ".csv", "json": ".json", "xlsx": ".xlsx"}


@pytest.fixture(autouse=True)
def _no_processed_data(tmp_path, monkeypatch):
    """Legal populations come from the embedded snapshot, whatever was built on this machine."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))


@pytest.fixture
def read(tmp_path):
    """Read a file's content as the source's own reader does, and validate what it gives."""

    def _read(source_id: str, content: bytes | str, *, edition: str | None = None, **changes: object) -> Tables:
        source = catalogue().source(source_id)
        if changes:
            source = msgspec.structs.replace(source, long=msgspec.structs.replace(source.long, **changes))
        vintage = source.get_vintage(edition) if edition else source.vintage[0]
        path = tmp_path / f"{source_id}{SUFFIX[source.file]}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        raw = RawFile(source.key(vintage), path, "", "", 0, None, None, "")
        tables = get_reader(source.reader)(source, vintage, raw)
        observations.validate(tables.observations, where=source.key(vintage))
        return tables

    return _read


def one(tables: Tables, **cell: object) -> pd.Series:
    """The row that the given columns name."""
    frame = tables.observations
    for name, value in cell.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1, frame
    return frame.iloc[0]


# --- Odissé: country by margins -----------------------------------------------------------------------------------

NATIONAL = (
    "\ufeffindicateur;sexe;classe_d_age;nouvelles_regions;pcs;diplome;type_de_menage;situation_professionnelle;"
    "situation_financiere_percue;estimation;ic;effectif_brut;classification;annee;ic_inf;ic_sup;chapitre\r\n"
    "{0};Tous;Tous;Tous;Tous;Tous;Tous;Tous;Tous;15.6;[ 15,1 - 16,0 ];34795.0;;2024;15.1;16.0;{1}\r\n"
    "{0};Hommes;Tous;Tous;Tous;Tous;Tous;Tous;Tous;12.8;[ 12,2 - 13,4 ];15977.0;;2024;12.2;13.4;{1}\r\n"
    "{0};Femmes;Tous;Tous;Tous;Tous;Tous;Tous;Tous;18.2;[ 17,5 - 18,9 ];18818.0;;2024;17.5;18.9;{1}\r\n"
    "{0};Tous;40-49 ans;Tous;Tous;Tous;Tous;Tous;Tous;17.3;[ 16,1 - 18,4 ];6213.0;;2024;16.1;18.4;{1}\r\n"
    "{0};Tous;Tous;Tous;Tous;Tous;Ménage d'une seule personne;Tous;Tous;18.9;[ 17,8 - 20,0 ];7657.0;;"
    "2024;17.8;20.0;{1}\r\n"
    "{0};Femmes;Tous;Tous;Tous;Tous;Famille monoparentale;Tous;Tous;23.8;[ 21,7 - 26,0 ];2700.0;;2024;21.7;26.0;{1}\r\n"
    "{0};Tous;Tous;Tous;Tous;Tous;Tous;Tous;Vous êtes à l’aise;9.0;[ 8,1 - 10,0 ];4849.0;;2024;8.1;10.0;{1}\r\n"
    "{0};Tous;Tous;Provence-Alpes-Côte d'Azur;Tous;Tous;Tous;Tous;Tous;15.8;[ 14,2 - 17,5 ];2145.0;"
    "Pas de différence significative;2024;14.2;17.5;{1}\r\n"
    "{0};Tous;Tous;Réunion;Tous;Tous;Tous;Tous;Tous;18.3;[ 15,8 - 21,0 ];1559.0;Supérieure;2024;15.8;21.0;{1}\r\n"
).format("Episode dépressif caractérisé", "Épisodes dépressifs")


def test_margins_become_categories_with_interval_and_sample_size(read):
    tables = read("spf_barometer_2024", NATIONAL)
    whole = one(tables, sex="_T", age="_T", category="_T")
    assert whole[["value", "lower", "upper", "n", "interval", "flag"]].tolist() == [
        15.6, 15.1, 16.0, 34795.0, "sampling", "observed",
    ]  # fmt: skip
    assert one(tables, age="Y40T49")["value"] == 17.3
    assert one(tables, sex="F", category="household:single_parent")["value"] == 23.8
    # the regions repeat the other export: here they only carry the producer's verdict
    assert set(tables.observations["geo_level"]) == {"country"}


@pytest.mark.parametrize(
    ("served", "other"), [("à l’aise", "à l'aise"), ("d'une seule", "d’une seule"), ("d'Azur", "d’Azur")]
)
def test_apostrophes_of_either_kind_are_the_same_label(read, served, other):
    assert served in NATIONAL
    categories = set(read("spf_barometer_2024", NATIONAL.replace(served, other)).observations["category"])
    assert categories == {"_T", "household:one_person", "household:single_parent", "finances:comfortable"}


def test_an_open_quotation_mark_stops_the_long_files(read):
    for source, text in (("spf_barometer_2024", NATIONAL), ("cnam_pathologies", cnam())):
        lines = text.splitlines(keepends=True)
        with pytest.raises(SchemaError, match=r"line 2, cell 1: .* opens a quotation mark"):
            read(source, "".join([lines[0], '"' + lines[1], *lines[2:]]))


def test_names_of_the_departments_are_held_against_their_codes(read):
    exchanged = {"01- Ain": "01- Corse-du-Sud", "2A- Corse-du-Sud": "2A- Ain"}
    sheets = {name: [[exchanged.get(str(c), c) for c in row] for row in rows] for name, rows in workbook().items()}
    with pytest.raises(
        SchemaError, match=r"2 of 3 names are those of other codes: line 4: 01 is Ain, Corse-du-Sud is 2A"
    ):
        read("drees_vqs_department", miniature.xlsx(sheets))


def test_producers_classification_is_kept_in_its_words(read):
    table = read("spf_barometer_2024", NATIONAL).codes["spf_barometer_2024_classification"]
    assert table[["geo_level", "geo_code", "classification"]].values.tolist() == [
        ["region", "04", "Supérieure"],
        ["region", "93", "Pas de différence significative"],
    ]
    assert set(table["source"]) == {"spf_barometer_2024@2024"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (";17.3;", ";ND;", r"spf_barometer_2024\.csv: column estimation, line 5: 'ND' is neither a number"),
        (";17.3;", ";;", r"column estimation, line 5: '' is neither a number"),
        (
            "Tous;40-49 ans;Tous",
            "Tous;40-49 ans;Réunion",
            r"line 5 crosses classe_d_age = '40-49 ans' and nouvelles_regions",
        ),
        ("Tous;40-49 ans;Tous;Tous;Tous;Tous;Tous;", "Tous;40-49 ans;Tous;Tous;Tous;Autres;Tous;", "declares margins"),
        (
            "Famille monoparentale",
            "Famille recomposée",
            r"type_de_menage, line 7: 'Famille recomposée' is not a declared",
        ),
        ("40-49 ans", "avr-49", r"classe_d_age, line 5: 'avr-49' .* looks like a date"),
        ("Réunion", "La Réunion", r"nouvelles_regions, line 10: 'La Réunion' is not a declared region"),
        ("[ 16,1 - 18,4 ]", "[ 16,1 - 18,9 ]", r"line 5: ic = '\[ 16,1 - 18,9 \]' but the bounds are 16.1 and 18.4"),
        (";16.1;18.4;", ";;;", r"line 5: value 17.3 beside ic_inf = '': one is missing without the other"),
        (";15977.0;", ";31954.0;", r"n by sex adds up to 50772 \(2 parts\), but the whole, at line 2, is 34795"),
        (";7657.0;", ";37657.0;", r"n by category adds up to 37657"),
        ("Tous;40-49 ans", "Tous;Tous", r"line 5 repeats a cell: country, F, _T, _T, _T"),
        (";2024;", ";2023;", r"no row of 2024; years of the file: \['2023'\]"),
        ("Episode dépressif caractérisé", "Tristesse", "no row of country where"),
        (";annee;", ";année;", "no column annee"),
    ],
)
def test_faults_of_the_margins_file_stop_it(read, old, new, message):
    assert old in NATIONAL
    with pytest.raises(SchemaError, match=message):
        read("spf_barometer_2024", NATIONAL.replace(old, new))


# --- Odissé: regions by sex and age -------------------------------------------------------------------------------

REGIONAL = (
    "Annee,Nouvelles régions,Indicateur,Sexe,Classe d'âge,Estimation,IC 95%,Effectif Brut,ic_inf,ic_sup\n"
    '2024,03,Episode dépressif caractérisé,Tous,Tous,14.0,"[ 11,4 - 17,1 ]",1291.0,11.4,17.1\n'
    '2024,03,Episode dépressif caractérisé,Une femme,Tous,15.9,"[ 12,3 - 20,2 ]",735.0,12.3,20.2\n'
    '2024,03,Episode dépressif caractérisé,Un homme,Tous,11.9,"[ 8,4 - 16,5 ]",556.0,8.4,16.5\n'
    '2024,03,Episode dépressif caractérisé,Une femme,70-79 ans,-30.0,"[ SD,0 - SD,0 ]",21.0,,\n'
    '2024,76,Episode dépressif caractérisé,Tous,Tous,17.7,"[ 16,1 - 19,4 ]",2565.0,16.1,19.4\n'
)


def test_crossing_of_regions_keeps_codes_and_withheld_cells(read):
    tables = read("spf_barometer_2024_region", REGIONAL)
    withheld = one(tables, sex="F", age="Y70T79")
    assert (withheld["geo_code"], withheld["flag"], withheld["n"], withheld["interval"]) == (
        "03",
        "suppressed",
        21,
        "none",
    )
    assert withheld[["value", "lower", "upper"]].isna().all()
    assert one(tables, sex="M")["value"] == 11.9
    assert tables.counts["values missing"] == 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2024,03,Episode dépressif caractérisé,Tous", "2024,3,Episode dépressif caractérisé,Tous",
         r"Nouvelles régions, line 2: '3' is not a region code"),
        ("-30.0", "-99.0", r"line 5: value -99.0 beside ic_inf = ''"),
        ("-30.0", "SD", r"column Estimation, line 5: 'SD' is neither a number"),
        ("Un homme", "Hommes", r"column Sexe, line 4: 'Hommes' is not a declared class of sex"),
        ("21.0,,", "21.0,1.0,9.0", r"line 5: value nan beside ic_inf = '1.0'"),
        (",735.0,", ",1470.0,", "n by sex adds up to 2026"),
    ],
)  # fmt: skip
def test_faults_of_the_crossing_stop_it(read, old, new, message):
    assert old in REGIONAL
    with pytest.raises(SchemaError, match=message):
        read("spf_barometer_2024_region", REGIONAL.replace(old, new))


# --- Odissé: records ----------------------------------------------------------------------------------------------

_BOUND = "de_lintervalle_de_confiance_du_taux_depisodes_depressifs_au_cours_des_12_derniers_m"
_WAVES = [("2005", "Hommes et Femmes", 7.861700000000001, 7.3551, 8.4001), ("2005", "Hommes", 5.2046, 4.579, 5.9105)]
_WAVES += [("2021", "Femmes", 16.57, 15.7223, 17.4539), ("2010", "Femmes", 10.2619, 9.2662, 11.3513)]
_WAVES += [("2017", "Femmes", 12.9978, 12.291, 13.739)]
_FIELDS = ["annee", "sexe", "taux_depisodes_depressifs_12_derniers_mois", f"borne_inferieure_{_BOUND}"]
_FIELDS += [f"borne_superieure_{_BOUND}"]
RECORDS = [dict(zip(_FIELDS, wave, strict=True)) for wave in _WAVES]


def test_each_edition_takes_its_own_wave(read):
    content = json.dumps({"total_count": 5, "results": RECORDS})
    waves = [read("spf_depression_history", content, edition=year) for year in ("2005", "2010", "2017", "2021")]
    assert [len(tables.observations) for tables in waves] == [2, 1, 1, 1]
    women = one(waves[3], sex="F")
    assert (women["year"], women["value"], women["lower"]) == (2021, 16.57, 15.7223)
    assert women["indicator"] == "depression_prevalence_2005_2021"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (json.dumps({"total_count": 12, "results": RECORDS}), "5 records of 12"),
        (json.dumps({"total_count": 0, "results": []}), "0 records of 0"),
        ("<html>", "not an answer with total_count and results"),
        (json.dumps({"error_code": "ODSQLError"}), "not an answer"),
        (json.dumps({"total_count": 1, "results": [{**RECORDS[0], "sexe": "Tous"}]}), "column sexe, line 1: 'Tous'"),
        (
            json.dumps({"total_count": 1, "results": [{**RECORDS[0], _FIELDS[2]: None}]}),
            "line 1: '' is neither a number",
        ),
    ],
)
def test_faulty_records_stop_the_source(read, content, message):
    with pytest.raises(SchemaError, match=message):
        read("spf_depression_history", content)


# --- DREES: a workbook of counts ----------------------------------------------------------------------------------

_AGES = ["5-24 ans", "25-59 ans", "60 ans et plus"]
_ANSWERS = {
    "ETAT_SANT": {
        "1 - Très bon": [0.76, 0.46, 0.15],
        "2 - Bon": [0.2, 0.36, 0.42],
        "3 - Assez bon": [0.03, 0.13, 0.3],
        "4 - Mauvais ou très mauvais": [0.01, 0.05, 0.13],
    },
    "MAL_CHRO": {"Non": [0.9, 0.78, 0.48], "Oui": [0.1, 0.22, 0.52]},
    "LIMITAT": {
        "1 - Oui, fortement limité": [0.01, 0.05, 0.11],
        "2 - Oui, limité mais pas fortement": [0.04, 0.09, 0.24],
        "3 - Non, pas limité du tout": [0.95, 0.86, 0.65],
    },
    "PSY": {
        "1 - Oui, beaucoup": [0.02, 0.02, 0.03],
        "2 - Oui, un peu": [0.06, 0.06, 0.08],
        "3 - Non, aucune": [0.92, 0.92, 0.89],
    },
}
_PEOPLE = {
    "01- Ain": [172600, 293700, 154000],
    "2A- Corse-du-Sud": [30400, 69100, 46100],
    "974- La Réunion": [246500, 389800, 162600],
}
_NOTE = "Lecture > Dans l'Ain, 136 800 personnes.\nChamp > Personnes de 5 ans ou plus.\nSources > VQS 2021, DREES."


def workbook() -> dict[str, list[list[object]]]:
    """The DREES workbook with three departments and the sheets that are read."""
    sheets: dict[str, list[list[object]]] = {"Présentation et méthode": [["Résultats par départements"]]}
    for name, answers in _ANSWERS.items():
        rows: list[list[object]] = [
            [""] * 6,
            ["", f"Tableau - {name}", "", "", "", ""],
            ["", "Département", "", *_AGES],
        ]
        for place, people in _PEOPLE.items():
            left = list(people)
            for answer, parts in answers.items():
                counts = [100 * round(part * n / 100) for part, n in zip(parts, people, strict=True)]
                if answer == list(answers)[-1]:
                    counts = left
                left = [rest - count for rest, count in zip(left, counts, strict=True)]
                rows.append(["", place, answer, *map(float, counts)])
            rows.append(["", place, "Ensemble", *map(float, people)])
        sheets[name] = [*rows, [""] * 6, ["", _NOTE, "", "", "", ""]]
    return sheets


def set_cells(sheets: dict[str, list[list[object]]], sheet: str, row: int, *cells: object) -> None:
    """Replace the last cells of a row, as numbered in the workbook."""
    sheets[sheet][row - 1][-len(cells) :] = cells


def test_shares_of_answers_with_their_denominator_and_no_interval(read):
    tables = read("drees_vqs_department", miniature.xlsx(workbook()))
    good = one(tables, indicator="self_perceived_health_good", geo_code="01", age="Y25T59")
    assert good["value"] == pytest.approx(100 * (135100 + 105700) / 293700)
    assert (good["denominator"], good["interval"], good["sex"], good["geo_level"]) == (
        293700,
        "none",
        "_T",
        "department",
    )
    assert good[["lower", "upper", "n"]].isna().all()
    frame = tables.observations
    assert len(frame) == 6 * 3 * 3
    assert set(frame["geo_code"]) == {"01", "2A", "974"}
    assert set(frame["age"]) == {"Y5T24", "Y25T59", "Y_GE60"}
    wide = frame.pivot_table(index=["geo_code", "age"], columns="indicator", values="value", observed=True)
    assert (wide["severe_activity_limitation"] < wide["activity_limitation"]).all()
    assert (wide["severe_psychological_difficulties"] < wide["psychological_difficulties"]).all()


def test_withheld_counts_are_flagged_never_zero(read):
    sheets = workbook()
    for row in (4, 5, 6, 7):  # as published: the whole class is withheld, its total too
        set_cells(sheets, "PSY", row, "n.s.", *sheets["PSY"][row - 1][-2:])
    tables = read("drees_vqs_department", miniature.xlsx(sheets))
    withheld = one(tables, indicator="psychological_difficulties", geo_code="01", age="Y5T24")
    assert (withheld["flag"], withheld["value"] != withheld["value"]) == ("suppressed", True)
    assert tables.counts["PSY: cells missing"] == 4
    # one answer alone: the sum of two answers is missing, not smaller
    sheets = workbook()
    set_cells(sheets, "PSY", 5, "n.s.", *sheets["PSY"][4][-2:])
    tables = read("drees_vqs_department", miniature.xlsx(sheets))
    assert one(tables, indicator="psychological_difficulties", geo_code="01", age="Y5T24")["flag"] == "suppressed"
    assert one(tables, indicator="severe_psychological_difficulties", geo_code="01", age="Y5T24")["flag"] == "observed"


def _renamed(sheets):
    sheets["Etat santé"] = sheets.pop("ETAT_SANT")


def _unknown_marker(sheets):
    set_cells(sheets, "PSY", 4, "nc", 6500.0, 4200.0)


def _age_is_a_date(sheets):
    set_cells(sheets, "LIMITAT", 3, "mai-24", *_AGES[1:])


def _other_people(sheets):
    # sheet APPRENT announces 5-24 years and counts children of 5-9: its total is that of other people
    for row in sheets["MAL_CHRO"]:
        if isinstance(row[3], float):
            row[3] = row[3] // 400 * 100


def _answer_missing(sheets):
    del sheets["ETAT_SANT"][5]


def _answer_twice(sheets):
    sheets["ETAT_SANT"].insert(5, sheets["ETAT_SANT"][4])


def _doubled(sheets):
    for rows in sheets.values():
        for row in rows:
            row[3:] = [2 * cell if isinstance(cell, float) else cell for cell in row[3:]]


def _lost_zero(sheets):
    for row in sheets["PSY"]:
        row[1] = str(row[1]).replace("01- Ain", "1- Ain")


def _moved_header(sheets):
    sheets["PSY"].insert(0, [""] * 6)


def _renamed_answer(sheets):
    for row in sheets["MAL_CHRO"]:
        row[2:3] = ["Oui, au moins une"] if row[2:3] == ["Oui"] else row[2:3]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_renamed, r"drees_vqs_department\.xlsx: no sheet 'ETAT_SANT'; the workbook has \['Présentation"),
        (_unknown_marker, r"sheet PSY: column 5-24 ans, line 4: 'nc' is neither a number"),
        (_age_is_a_date, r"sheet LIMITAT, row 3: age classes \['mai-24', .* turned into a date"),
        (_other_people, r"denominator .* for department 01, Y5T24, but another indicator of the file has 172600"),
        (_answer_missing, r"sheet ETAT_SANT, row 7: 01, Y25T59: answers add up to 255500 but 'Ensemble' is 293700"),
        (_answer_twice, r"sheet ETAT_SANT, row 6: 01- Ain and '2 - Bon' appear twice"),
        (_doubled, r"department 01: denominator 1\.2406e\+06 .* counted twice"),
        (_lost_zero, r"sheet PSY, row 4: \['1- Ain'"),
        (_moved_header, r"sheet PSY, row 3: expected the header 'Département'"),
        (
            _renamed_answer,
            r"sheet MAL_CHRO: chronic_illness: no answer \['Oui'\]; the sheet has \['Ensemble', 'Non', 'Oui, au",
        ),
    ],
)
def test_faults_of_the_workbook_stop_it(read, damage, message):
    sheets = workbook()
    damage(sheets)
    with pytest.raises(SchemaError, match=message):
        read("drees_vqs_department", miniature.xlsx(sheets))


def test_a_workbook_that_is_none_is_refused(read):
    with pytest.raises(SchemaError, match="not a readable workbook"):
        read("drees_vqs_department", b"PK not a workbook")


# --- Cnam: nested levels in one column ----------------------------------------------------------------------------

_CNAM = (
    "\ufeffannee;patho_niv1;patho_niv2;patho_niv3;top;cla_age_5;sexe;region;dept;ntop;npop;prev;niveau_prioritaire;"
    "libelle_classe_age;libelle_sexe;tri"
)
_CLASSES = {"05-sept": "de 5 à 9 ans", "oct-14": "de 10 à 14 ans", "80-84": "de 80 à 84 ans", "tsage": "tous âges"}
_SEXES = {"1": "hommes", "2": "femmes", "9": "tous sexes"}
_SHARE = {"05-sept": 0.0002, "oct-14": 0.004, "80-84": 0.12, "tsage": 0.05}
_INSURED = {"05-sept": 40000, "oct-14": 41000, "80-84": 15000, "tsage": 640000}
_PLACES = {("84", "1"): 1, ("84", "999"): 12, ("11", "75"): 3, ("11", "999"): 18, ("99", "999"): 100}
_TOPS = ["TPS_ADR_EXC", "TPS_ANX_EXC", "TPS_CAT_EXC", "PSY_PSC_IND", "TFC_LIP_EXC"]


def cnam() -> str:
    """Five pathologies by age, sex and place, in the form of the extract, spreadsheet damage included."""
    lines = [_CNAM]
    for top in _TOPS:
        for age, words in _CLASSES.items():
            for sex, name in _SEXES.items():
                for (region, department), size in _PLACES.items():
                    people = _INSURED[age] * size // (1 if sex == "9" else 2)
                    treated = round(people * _SHARE[age], -1)
                    cells = (f"{treated:.0f}", people, f"{100 * treated / people:.3f}")
                    if treated < 10:
                        cells = ("", people, "")
                    lines.append(
                        f"2020;Traitements psychotropes (hors pathologies);;;{top};{age};{sex};{region};{department};"
                        f"{cells[0]};{cells[1]};{cells[2]};2,3;{words};{name};52.0"
                    )
    return "\r\n".join(lines) + "\r\n"


def test_levels_sexes_and_ages_are_separated_and_never_added_up(read):
    tables = read("cnam_pathologies", cnam())
    frame = tables.observations
    assert len(frame) == 4 * 4 * 3 * 5  # one row a cell of the four pathologies that are indicators
    assert tables.counts["rows of other subjects or levels"] == 60
    whole = one(tables, indicator="antidepressant_share", geo_level="country", sex="_T", age="_T")
    assert (whole["geo_code"], whole["denominator"], whole["value"]) == ("F", 64_000_000, 5.0)
    region = one(tables, indicator="antidepressant_share", geo_code="84", geo_level="region", sex="_T", age="_T")
    assert region["denominator"] == 12 * 640000
    # the spreadsheet took the leading zero of department 01
    assert set(frame[frame["geo_level"] == "department"]["geo_code"]) == {"01", "75"}


def test_ages_made_dates_are_repaired_as_declared_and_counted(read):
    tables = read("cnam_pathologies", cnam())
    assert {"Y5T9", "Y10T14", "Y80T84", "_T"} == set(tables.observations["age"])
    assert tables.counts["cla_age_5: 05-sept repaired as 05-09"] == 75
    assert tables.counts["cla_age_5: oct-14 repaired as 10-14"] == 75


def test_blank_counts_are_secrecy(read):
    tables = read("cnam_pathologies", cnam())
    withheld = one(tables, indicator="anxiolytic_share", geo_code="01", sex="M", age="Y5T9")
    assert (withheld["flag"], withheld["denominator"]) == ("suppressed", 20000)


def test_header_case_of_another_export_is_accepted(read):
    other = cnam().replace(";ntop;npop;", ";Ntop;Npop;").replace("niveau_prioritaire", "Niveau prioritaire")
    same = read("cnam_pathologies", cnam()).observations
    pd.testing.assert_frame_equal(read("cnam_pathologies", other).observations, same)


def test_a_sound_file_needs_no_correction_and_says_so(read, caplog):
    sound = cnam().replace("05-sept", "05-09").replace("oct-14", "10-14")
    with caplog.at_level(logging.WARNING):
        tables = read("cnam_pathologies", sound)
    pd.testing.assert_frame_equal(tables.observations, read("cnam_pathologies", cnam()).observations)
    assert "'05-sept' finds nothing and may be removed" in caplog.text


def _row(text: str, start: str) -> str:
    return next(line for line in text.split("\r\n") if f";{start};" in line)


@pytest.mark.parametrize(
    ("start", "old", "new", "message"),
    [
        ("TPS_ADR_EXC;80-84;9;84;1", ";80-84;", ";sept-84;", r"cla_age_5, line \d+: 'sept-84' .* declare a correction"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";80-84;", ";2020-09-05;", r"'2020-09-05' .* looks like a date"),
        ("TPS_ADR_EXC;05-sept;9;84;1", "de 5 à 9 ans", "de 10 à 14 ans",
         r"line \d+: '05-sept' would become '05-09', but libelle_classe_age says 'de 10 à 14 ans'"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";1800;15000;12.000;", ";nc;15000;12.000;", r"ntop, line \d+: 'nc' is neither"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";1800;15000;12.000;", ";;15000;12.000;", r"value 12.0 beside ntop = ''"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";12.000;", ";0.120;", r"antidepressant_share = 0.12 is not 1800 over 15000"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";1800;15000;", ";1800;15010;", "denominator 15000 .* another .* has 15010"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";84;1;", ";84;0;", r"column dept, line \d+: '0' is not a department code"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";9;84;1;", ";3;84;1;", "'3' is not a declared class of sex"),
        ("TPS_ADR_EXC;80-84;9;84;1", ";84;1;", ";84;999;", "repeats a cell: region, 84"),
    ],
)  # fmt: skip
def test_faults_of_the_extract_stop_it(read, start, old, new, message):
    text = cnam()
    row = _row(text, start)
    assert old in row
    with pytest.raises(SchemaError, match=message):
        read("cnam_pathologies", text.replace(row, row.replace(old, new)))


def test_department_999_must_be_declared_as_a_total(read):
    places = [
        Place(level="department", column=["dept"], pad=2),
        Place(level="region", column=["region"], total="99", pad=2),
    ]
    places.append(Place(level="country", code="F"))
    with pytest.raises(
        SchemaError, match=r"column dept, line 3: '999' is not a department code \(2020\). If it stands for"
    ):
        read("cnam_pathologies", cnam(), places=places)


def _scaled(text: str, place: str, factor: int) -> str:
    """Everybody of one place counted several times, in every row."""
    lines = []
    for line in text.split("\r\n"):
        cells = line.split(";")
        if ";".join(cells[7:9]) == place and cells[10].isdigit():
            cells[9] = str(int(cells[9]) * factor) if cells[9] else ""
            cells[10] = str(int(cells[10]) * factor)
        lines.append(";".join(cells))
    return "\r\n".join(lines)


def test_populations_counted_twice_are_found(read):
    with pytest.raises(
        SchemaError,
        match=r"84, M, Y5T9: denominator by territory adds up to 480000 \(1 parts\), but the whole, .* is 240000",
    ):
        read("cnam_pathologies", _scaled(cnam(), "84;1", 24))
    # consistent everywhere and still too many: only the legal population tells
    with pytest.raises(SchemaError, match=r"department 01: denominator 1.28e\+06 .* above its population of \d+"):
        read("cnam_pathologies", _scaled(cnam(), "84;1", 2))


def test_both_sexes_must_add_up(read):
    text = cnam()
    for top in _TOPS:
        row = _row(text, f"{top};80-84;1;84;1")
        text = text.replace(row, row.replace(";900;7500;12.000;", ";890;7400;12.027;"))
    with pytest.raises(
        SchemaError, match=r"denominator by sex adds up to 14900 \(2 parts\), but the whole, .* is 15000"
    ):
        read("cnam_pathologies", text)


# --- the checks by themselves -------------------------------------------------------------------------------------


def _cells(**columns: list[object]) -> pd.DataFrame:
    size = len(next(iter(columns.values())))
    base = {"indicator": "x", "geo_level": "region", "geo_code": "11", "parent": "F", "sex": "_T", "age": "_T"}
    return pd.DataFrame({**{k: [v] * size for k, v in base.items()}, "category": "_T", "line": range(size), **columns})


def test_region_and_department_of_one_code_are_not_confused():
    # department 11 lies in region 76: it is not a part of region 11
    rows = _cells(
        geo_level=["region", "department"], geo_code=["11", "11"], parent=["F", "76"], denominator=[10.0, 99.0]
    )
    check_whole_and_parts(rows, "denominator", 0, where="example")


def test_ages_without_a_total_are_added_up_before_the_population_is_asked():
    rows = _cells(age=["Y5T24", "Y25T59"], denominator=[60.0, 60.0])
    ceilings = pd.Series({("region", "11"): 100.0})
    ceilings.index.names = ["geo_level", "geo_code"]
    with pytest.raises(SchemaError, match="region 11: denominator 120"):
        check_ceilings(rows, 1.0, where="example", ceilings=ceilings)
    assert check_ceilings(rows, 1.2, where="example", ceilings=ceilings) == 1


def test_no_population_in_the_store_is_told_not_hidden(caplog):
    with caplog.at_level(logging.WARNING):
        checked = check_ceilings(_cells(denominator=[1e9]), 1.0, where="example", ceilings=pd.Series(dtype="float64"))
    assert checked == 0
    assert "were not held against them" in caplog.text


def test_corrections_leave_sound_cells_alone():
    frame = pd.DataFrame({"cla_age_5": ["05-sept", "10-14"], "libelle_classe_age": ["de 5 à 9 ans", "de 10 à 14 ans"]})
    corrections = catalogue().source("cnam_pathologies").long.corrections
    repaired, counts = correct(frame, corrections, where="example")
    assert repaired["cla_age_5"].tolist() == ["05-09", "10-14"]
    assert list(counts.values()) == [1, 0]
    assert all(set(correction.reason) == {"fr", "en"} for correction in corrections)


# --- the catalogue ------------------------------------------------------------------------------------------------

INDICATORS = [i for i in catalogue().indicators.values() if {s.source for s in i.series} & set(HEALTH)]


@pytest.mark.parametrize("indicator", INDICATORS, ids=lambda indicator: indicator.id)
def test_health_indicators_are_described_in_both_languages(indicator):
    for text in (indicator.label, indicator.short, indicator.unit, indicator.definition, indicator.population):
        assert set(text) == {"fr", "en"}
    assert len(indicator.caveats["fr"]) == len(indicator.caveats["en"]) > 0
    words = " ".join(indicator.caveats["fr"])
    if indicator.theme == "care":
        assert "et non prévalence" in words
    if indicator.series[0].source == "drees_vqs_department":
        assert "ni intervalle de confiance" in words


@pytest.mark.parametrize("name", ["depression_prevalence", "self_perceived_health_good"])
def test_asking_for_a_quarter_says_where_the_figure_is_and_what_to_do(name):
    levels = {"depression_prevalence": "country 2024.*region 2024", "self_perceived_health_good": "department"}[name]
    said = rf"{name} is not published per QPV \(says CREAI-ORS Occitanie.*\)\. Read: {levels}"
    expected = rf"{said}.* qs.estimate\('{name}', ...\) gives"
    with pytest.raises(UnavailableLevelError, match=expected):
        load_observations(name, geo_level="qpv")
    with pytest.raises(UnavailableLevelError, match="not read for geo_level='commune'"):
        load_observations(name, geo_level="commune")


def test_care_is_not_something_to_estimate():
    with pytest.raises(UnavailableLevelError) as caught:
        load_observations("antidepressant_share", geo_level="qpv")
    assert "estimate" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"Famille monoparentale" = "single_parent"',
            '"Famille monoparentale" = "lone"',
            "unknown category household:lone",
        ),
        ('"Un homme" = "M"', '"Un homme" = "H"', "'H' is not F or M"),
        ('"40-49 ans" = "Y40T49"', '"40-49 ans" = "40-49"', "'40-49' is not an age class"),
        ('crossed = ["sex", "age", "geography"]', 'crossed = ["sexe"]', "crossed: unknown dimension 'sexe'"),
        ('sheet = "ETAT_SANT"\nnumerator', 'sheet = "SANTE"\nnumerator', "no table for the sheet 'SANTE'"),
        ("confirmed_by = {", "confirmed = {", "unknown field `confirmed`"),
        (
            '{ level = "country", code = "F" },\n]\n[[source.spf',
            '{ level = "country" },\n]\n[[source.spf',
            "place country: give",
        ),
    ],
)
def test_contradictions_of_the_catalogue_are_refused(tmp_path, old, new, message):
    text = (Path(observations.__file__).parent / "catalogue.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "catalogue.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        load_catalogue(path)


def test_the_table_fills_the_category_and_refuses_other_forms():
    row = {"indicator": "depression_prevalence", "source": "a@1", "geo_level": "country", "geo_code": "F"}
    frame = pd.DataFrame([{**row, "geo_vintage": 2024, "year": 2024, "value": 15.6, "flag": "observed"}])
    assert observations.tidy(frame)["category"].tolist() == ["_T"]
    with pytest.raises(SchemaError, match="single parents"):
        observations.validate(observations.tidy(frame.assign(category="single parents")), where="example")


# --- survey contrasts ---------------------------------------------------------------------------------------------


def test_contrasts_name_their_reference_and_who_reported_them():
    frame = load_survey_contrasts()
    assert not frame.duplicated(["indicator", "perimeter", "year"]).any()
    assert ((frame["via"] != "") == (frame["reliability"] == "secondary")).all()
    assert (
        frame.loc[frame["outside"].notna(), "reference"]
        .isin(["survey_outside", "urban_surroundings", "urban_unit"])
        .all()
    )
    zus = frame[frame["perimeter"] == "ZUS"]
    assert zus["zoning"].isna().all()
    assert len(zus) == 4


def test_the_poverty_of_all_of_france_is_not_that_of_outside():
    poor = load_survey_contrasts("poverty_rate").iloc[0]
    assert (poor["inside"], poor["whole"], poor["reference"]) == (44.3, 14.5, "country")
    assert pd.isna(poor["outside"])


def test_unknown_contrasts_are_refused():
    with pytest.raises(UnknownNameError, match="Valid: self_perceived_health_good"):
        load_survey_contrasts("depression_prevalence")
    with pytest.raises(UnknownNameError, match="ZUS"):
        load_survey_contrasts(perimeter="QPV 2024")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("whole = 14.5", "outside = 14.5", "a value outside, but the reference is country"),
        ("outside = 65.6", "whole = 65.6", "a value of the whole, but the reference is survey_outside"),
        ('via = { fr = "presse", en = "press" }\n', "", "via and reliability = 'secondary' go together"),
        ("inside = 32\n", "inside = 320\n", "inside = 320.0 is not a percentage"),
        ("inside = 78\n", "", "neither inside nor ratio"),
        ('perimeter = "ZUS"\n', 'perimeter = "ZUS"\nzoning = 2015\n', "only QPV have a zoning"),
        ('perimeter = "ZUS"', 'perimeter = "ZRR"', "Invalid enum value 'ZRR'"),
        ("approximate = true", "rough = true", "unknown field `rough`"),
        ('indicator = "incapacity"', 'indicator = "self_perceived_health_bad"', "declared twice"),
        (', en = "Incapacity" }', " }", "needs fr and en"),
    ],
)
def test_contradictory_contrasts_are_refused(tmp_path, old, new, message):
    text = (Path(observations.__file__).parent / "survey_contrasts.toml").read_text(encoding="utf-8")
    text = text.replace('en = "At least one incapacity"', 'en = "Incapacity"')
    assert old in text
    path = tmp_path / "survey_contrasts.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        read_contrasts(path)


# --- the producers' real files ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(mirror, tmp_path_factory):
    """A data folder with the health sources built from the mirror."""
    folder = tmp_path_factory.mktemp("health")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QPV_SANTE_MIRROR", mirror)
        patch.setenv("QPV_SANTE_DATA", str(folder))
        report = build(HEALTH, root=folder)
    assert {name: report.failures.get(name) for name in HEALTH} == dict.fromkeys(HEALTH)
    return folder


@pytest.fixture
def health(real, monkeypatch):
    """The built health sources as the data folder."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(real))


def figure(indicator: str, **asked: object) -> pd.Series:
    frame = load_observations(indicator, **asked)
    assert len(frame) == 1, frame
    return frame.iloc[0]


@pytest.mark.mirror
@pytest.mark.parametrize(
    ("asked", "value", "lower", "upper", "n"),
    [
        ({}, 15.6, 15.1, 16.0, 34795),
        ({"sex": "M"}, 12.8, 12.2, 13.4, 15977),
        ({"sex": "F"}, 18.2, 17.5, 18.9, 18818),
        ({"category": "household:single_parent"}, 20.8, 19.2, 22.4, 4199),
        ({"category": "household:one_person"}, 18.9, 17.8, 20.0, 7657),
        ({"category": "household:couple_with_children"}, 14.0, 13.2, 14.9, 9255),
        ({"category": "household:couple_without_child"}, 11.5, 10.8, 12.3, 9992),
        ({"category": "activity:unemployed"}, 25.0, 22.9, 27.2, 2730),
        ({"category": "finances:comfortable"}, 9.0, 8.1, 10.0, 4849),
        ({"category": "finances:fine"}, 11.5, 10.8, 12.1, 12445),
        ({"category": "finances:tight"}, 16.4, 15.6, 17.2, 11951),
        ({"category": "finances:difficult"}, 28.3, 26.7, 29.9, 5550),
        ({"category": "diploma:below_bac"}, 13.4, 12.7, 14.2, 11819),
        ({"category": "occupation:worker"}, 12.9, 11.9, 14.0, 5323),
    ],
    ids=str,
)
def test_depression_of_the_country_is_as_published(health, asked, value, lower, upper, n):
    row = figure("depression_prevalence", geo_level="country", **asked)
    assert row[["value", "lower", "upper", "n", "interval"]].tolist() == [value, lower, upper, n, "sampling"]


@pytest.mark.mirror
def test_depression_of_regions_is_as_published(health):
    occitanie = figure("depression_prevalence", geo_level="region", territory="region:76")
    assert occitanie[["value", "lower", "upper", "n"]].tolist() == [17.7, 16.1, 19.4, 2565]
    cells = load_observations("depression_prevalence", geo_level="region", sex=None, age=None)
    assert len(cells) == 357
    withheld = cells[cells["flag"] != "observed"]
    assert withheld[["geo_code", "sex", "age", "flag", "n"]].values.tolist() == [
        ["03", "F", "Y70T79", "suppressed", 21]
    ]
    # both exports give the same totals
    total = cells[(cells["sex"] == "_T") & (cells["age"] == "_T")]
    assert total["n"].sum() == 34795
    verdicts = load_classification("spf_barometer_2024").set_index("geo_code")["classification"]
    assert verdicts[["76", "04", "11"]].tolist() == ["Supérieure", "Supérieure", "Inférieure"]
    assert len(verdicts) == 17


@pytest.mark.mirror
def test_country_has_87_margins_and_earlier_waves_are_apart(health):
    cells = load_observations("depression_prevalence", geo_level="country", sex=None, age=None, category=None)
    assert len(cells) == 87
    waves = load_observations("depression_prevalence_2005_2021", sex=None)
    assert sorted(waves["year"].unique()) == [2005, 2010, 2017, 2021]
    assert len(waves) == 12


@pytest.mark.mirror
def test_good_perceived_health_is_as_published(health):
    adults = load_observations("self_perceived_health_good", geo_level="department", age="Y25T59").set_index("geo_code")
    rates = {"93": 81.2, "59": 80.4, "62": 79.6, "34": 82.4, "66": 78.5, "92": 86.7}
    assert adults.loc[list(rates), "value"].round(1).to_dict() == rates
    assert len(adults) == 101
    known = adults[adults["flag"] == "observed"]
    france = (known["value"] * known["denominator"]).sum() / known["denominator"].sum()
    assert france == pytest.approx(81.65, abs=0.005)
    everyone = load_observations("self_perceived_health_good", age=None)
    assert len(everyone) == 303
    assert (everyone["flag"] == "suppressed").sum() == 3
    assert set(everyone["interval"]) == {"none"}


@pytest.mark.mirror
def test_a_class_that_is_not_published_is_answered_with_those_that_are(health):
    asked = {"geo_level": "department"}
    with pytest.raises(UnavailableLevelError, match=r"age: Y5T24, Y25T59, Y_GE60"):
        load_observations("self_perceived_health_good", age="_T", **asked)
    assert set(load_observations("self_perceived_health_good", **asked)["age"]) == {"Y5T24", "Y25T59", "Y_GE60"}


@pytest.mark.mirror
def test_care_comes_with_its_nested_levels_apart(health):
    everyone = load_observations("antidepressant_share", sex=None, age=None)
    assert everyone.groupby("geo_level", observed=True).size().to_dict() == {
        "country": 15,
        "department": 2176,
        "region": 367,
    }
    assert (everyone["flag"] == "suppressed").sum() == 310
    assert set(everyone["age"]) >= {"Y5T9", "Y10T14", "Y_GE95", "_T"}
    departments = load_observations("antidepressant_share", geo_level="department")
    assert departments["geo_code"].str.len().ge(2).all()
    assert departments["value"].between(1, 10).all()
