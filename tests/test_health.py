"""Health figures at the level where they are published, and what is around a quarter."""

import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante.comparison import COMPARISON_COLUMNS
from qpv_sante.errors import ComparabilityError, UnavailableLevelError, UnknownNameError
from qpv_sante.health import compare_health

DEPRESSION = "depression_prevalence"
HEALTH = "self_perceived_health_good"


@pytest.fixture(autouse=True)
def _snapshot(tmp_path, monkeypatch):
    """The embedded figures, whatever was built on this machine."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "none"))


def published(table):
    return table[table["kind"] == "published"].reset_index(drop=True)


def test_a_first_call_gives_every_class_where_there_is_no_total():
    frame = qs.load_observations(HEALTH, geo_level="department")
    assert frame["age"].unique().tolist() == ["Y5T24", "Y25T59", "Y_GE60"]
    assert frame.attrs["classes"] == {"age": ["Y5T24", "Y25T59", "Y_GE60"]}
    # a total that exists stands for its classes, level by level
    assert set(qs.load_observations(DEPRESSION)["age"]) == {"_T"}
    assert "classes" not in qs.load_observations(DEPRESSION).attrs


@pytest.mark.parametrize(
    ("classes", "listed"),
    [({"age": "_T"}, "age: Y5T24, Y25T59, Y_GE60"), ({"age": "Y0T4"}, "age: Y5T24"), ({"sex": "F"}, "sex: _T")],
)
def test_a_class_that_is_asked_for_and_is_not_there_is_an_error(classes, listed):
    with pytest.raises(UnavailableLevelError, match=listed):
        qs.load_observations(HEALTH, geo_level="department", **classes)
    with pytest.raises(UnavailableLevelError, match=listed):
        qs.compare(HEALTH, geo_vintage=2015, year=2021, by="department", **classes)


def test_one_set_of_columns_whatever_the_indicator():
    health = qs.compare(DEPRESSION, geo_vintage=2015, year=2024)
    poverty = qs.compare("poverty_rate", geo_vintage=2015, year=2019, territory="Béziers", by="commune")
    assert list(health.columns) == list(poverty.columns) == list(COMPARISON_COLUMNS)
    for table in (health, poverty, qs.compare(HEALTH, geo_vintage=2015, year=2021, territory="Hérault")):
        assert pd.api.types.is_integer_dtype(table["year"])
    assert set(poverty["kind"]) == {"qpv"} and set(poverty["perimeter"]) == {"in_qpv"}
    assert poverty["value"].equals(poverty["qpv_value"].rename("value"))
    rows = published(health)
    assert set(rows["perimeter"]) == {"all"}
    assert rows["ratio"].iloc[0] == pytest.approx(rows["value"].iloc[0] / rows["reference_value"].iloc[0])
    surveys = health[health["kind"] == "survey_contrast"].set_index("year_label")
    assert surveys.loc["2002-2003", "year"] == 2003
    assert "17,7" in qs.format_table(published(qs.compare(DEPRESSION, geo_vintage=2015, year=2024))).to_html()


@pytest.mark.parametrize(
    "given", [{"reference": "commune"}, {"reference": None}, {"interval": "process"}, {"interval": "bounds"},
              {"min_coverage": 0.5}, {"level": 0.9}],
)  # fmt: skip
def test_what_would_be_ignored_is_refused(given):
    name = next(iter(given))
    with pytest.raises(ComparabilityError, match=rf"{name}=.*would change nothing for {DEPRESSION}"):
        qs.compare(DEPRESSION, geo_vintage=2015, year=2024, **given)


def test_a_comparison_with_the_country_may_be_named():
    table = qs.compare(DEPRESSION, geo_vintage=2015, year=2024, reference="country")
    pd.testing.assert_frame_equal(table, qs.compare(DEPRESSION, geo_vintage=2015, year=2024))


def test_the_figures_of_a_comparison_by_class_are_drawn():
    table = qs.compare(HEALTH, geo_vintage=2015, year=2021, by="department", territory="Occitanie")
    ax = qs.plot_gap(table)
    assert len([text for text in ax.texts if text.get_gid() == "facet"]) == 3
    assert len(ax.get_yticklabels()) == 39
    assert len(qs.plot_levels(HEALTH, year=2021).get_yticklabels()) > 40
    assert len(qs.plot_levels(HEALTH, year=2021, territory="Occitanie").get_yticklabels()) > 40


def test_a_comparison_of_regions_is_a_trend_too():
    ax = qs.plot_trend(qs.compare(DEPRESSION, geo_vintage=2015, year=2024, territory="Occitanie"))
    points = [dots for dots in ax.collections if dots.get_gid() == "observed"]
    assert [dots.get_offsets()[:, 1].tolist() for dots in points] == [[17.7]]


def test_too_many_rows_are_told_with_what_was_not_done():
    every = qs.compare(HEALTH, geo_vintage=2015, year=2021, by="department")
    with pytest.raises(ComparabilityError, match=r"got \d+.*territory="):
        qs.plot_gap(every[every["age"] == "Y5T24"])
    regions = [qs.compare(HEALTH, geo_vintage=2015, year=2021, by="region").assign(sex=sex) for sex in ("F", "M")]
    with pytest.raises(ComparabilityError, match=r"Keep one class: comparison\[comparison\['age'\] == "):
        qs.plot_gap(pd.concat(regions))


def test_regions_against_the_country():
    table = compare_health(DEPRESSION, year=2024)
    assert list(table.columns) == list(COMPARISON_COLUMNS)
    rows = published(table)
    assert len(rows) == 17
    assert set(rows["territory_level"]) == {"region"}
    one = rows.set_index("territory").loc["Occitanie"]
    assert one[["value", "lower", "upper", "n"]].tolist() == [17.7, 16.1, 19.4, 2565]
    assert one[["reference_value", "reference_lower", "reference_upper"]].tolist() == [15.6, 15.1, 16.0]


def test_the_difference_is_never_narrower_than_that_of_independent_samples():
    rows = published(compare_health(DEPRESSION, year=2024))
    half = np.hypot(rows["value"] - rows["lower"], rows["reference_upper"] - rows["reference_value"])
    assert (rows["difference"] - rows["difference_lower"] >= half).all()
    assert rows["difference_lower"].tolist() == pytest.approx((rows["lower"] - rows["reference_upper"]).tolist())
    assert rows["difference_upper"].tolist() == pytest.approx((rows["upper"] - rows["reference_lower"]).tolist())


def test_the_region_of_a_town_with_sex_and_age():
    row = published(compare_health(DEPRESSION, year=2024, territory="Béziers", sex="F", age="Y18T29")).iloc[0]
    assert row[["territory", "value", "n", "reference_value"]].tolist() == ["Occitanie", 32.8, 207, 26.7]


def test_contrasts_are_rows_of_the_country_and_say_what_they_are():
    table = compare_health(DEPRESSION, year=2024)
    rows = table[table["kind"] == "survey_contrast"]
    assert set(rows["territory_level"]) == {"country"}
    assert rows["note"].str.contains("aucun contraste lu pour cet indicateur").all()
    assert rows["lower"].isna().all()
    assert DEPRESSION not in set(rows["indicator"])
    own = compare_health(HEALTH, year=2021, territory="Nord", lang="en")
    contrast = own[own["kind"] == "survey_contrast"].iloc[0]
    assert contrast[["value", "reference_value"]].tolist() == [59.4, 65.6]
    assert contrast["difference"] == pytest.approx(-6.2)
    assert contrast["note"].startswith("known through")


def test_perceived_health_gives_one_row_an_age_and_no_invented_interval():
    rows = published(compare_health(HEALTH, year=2021, territory="Pas-de-Calais"))
    assert rows["age"].tolist() == ["Y5T24", "Y25T59", "Y_GE60"]
    assert rows["value"].iloc[1] == pytest.approx(79.6, abs=0.05)
    assert rows["reference_value"].iloc[1] == pytest.approx(81.6, abs=0.06)
    assert rows[["lower", "upper", "difference_lower"]].isna().all(axis=None)
    assert rows["note"].str.contains("aucun intervalle dans le fichier").all()


def test_a_region_of_perceived_health_is_its_departments_weighted():
    row = published(compare_health(HEALTH, year=2021, by="region", territory="Occitanie", age="Y25T59")).iloc[0]
    parts = qs.load_observations(HEALTH, territory="Occitanie", age="Y25T59")
    assert row["value"] == pytest.approx(np.average(parts["value"], weights=parts["denominator"]))
    assert "départements" in row["note"]


def test_withheld_departments_are_counted():
    row = published(compare_health(HEALTH, year=2021, by="region", territory="Occitanie", age="Y5T24")).iloc[0]
    assert "un département sous secret sur 13" in row["note"]
    alone = published(compare_health(HEALTH, year=2021, territory="Gers", age="Y5T24")).iloc[0]
    assert np.isnan(alone["value"])
    assert alone["flag"] == "suppressed"


def test_compare_answers_with_the_level_that_exists():
    table = qs.compare(DEPRESSION, geo_vintage=2015, year=2024, territory="Lille")
    pd.testing.assert_frame_equal(table, compare_health(DEPRESSION, year=2024, territory="Lille", by="region"))
    assert "qpv" not in set(table["territory_level"])
    assert table["qpv_value"].isna().all()  # a region's value is never that of QPV


def test_the_sources_of_a_comparison_are_cited():
    cited = qs.cite(compare_health(DEPRESSION, year=2024)).split("\n")
    assert len(cited) == 2
    assert all(line.startswith("Santé publique France") for line in cited)


def test_a_regions_value_is_not_painted_on_quarters():
    region = qs.load_observations(DEPRESSION, geo_level="region", territory="Occitanie")
    quarters = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019, territory="Béziers")
    with pytest.raises(ComparabilityError, match="one level and one zoning"):
        qs.attach_zones(pd.concat([region, quarters]))
    # alone, it lies on the outline of the region, and there is only one
    assert len(qs.attach_zones(region)) == 1
    with pytest.raises(UnavailableLevelError, match=r"not published per QPV.*qs\.estimate"):
        qs.load_observations(DEPRESSION, geo_level="qpv")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"by": "department"}, UnavailableLevelError, "by='region'"),
        ({"by": "commune"}, UnavailableLevelError, "not read by commune"),
        ({"by": "regions"}, UnknownNameError, "Did you mean 'region'"),
        ({"year": 2021}, UnavailableLevelError, "country 2024"),
        ({"age": "Y25T59"}, UnavailableLevelError, "Y18T29"),
        ({"indicator": "poverty_rate"}, UnavailableLevelError, "published by QPV"),
        ({"territory": "Occitani"}, UnknownNameError, "Did you mean 'Occitanie'"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        compare_health(**{"indicator": DEPRESSION, "year": 2024, **arguments})


def test_context_of_a_quarter():
    sheet = qs.context("QP034001")
    poverty = sheet.measured.set_index("indicator").loc["poverty_rate"]
    assert poverty[["value", "year", "flag", "source"]].tolist() == [
        54.9,
        "2019",
        "observed",
        "insee_filosofi_qpv@2019",
    ]
    assert set(sheet.measured["level"]) == {"qpv"}
    assert set(sheet.around["level"]) == {"region", "department", "country"}
    assert set(sheet.around["indicator"]) >= {DEPRESSION, HEALTH}
    country = sheet.around[(sheet.around["indicator"] == DEPRESSION) & (sheet.around["level"] == "country")].iloc[0]
    assert country[["value", "n", "source"]].tolist() == [15.6, 34795, "spf_barometer_2024@2024"]
    assert "Hérault" in repr(sheet)


def test_context_keeps_a_missing_value_missing():
    sheet = qs.context("QP973001").measured.set_index("indicator")
    assert np.isnan(sheet.loc["poverty_rate", "value"])
    assert sheet.loc["poverty_rate", "flag"] == "unavailable"
    assert sheet.loc["under_25_share", "flag"] == "suppressed"


def test_context_of_the_other_zoning_in_english():
    sheet = qs.context("qpv:QN05971M", lang="en")
    assert sheet.measured.set_index("indicator").loc["poverty_rate", "value"] == 49.0
    assert "not the quarter's" in repr(sheet)


def test_context_shows_as_escaped_html():
    from qpv_sante.context import Context

    sheet = qs.context("QP034001")
    page = sheet._repr_html_()
    assert page.count("<table>") == 2
    assert "QP034001" in page
    trap = Context(sheet.code, "<script>alert(1)</script>", sheet.frame.assign(territory="<b>"), sheet.lang)
    assert "<script>" not in trap._repr_html_()
    assert "<b>" not in trap._repr_html_()


@pytest.mark.parametrize("given", ["Occitanie", "QP999999", "commune:34032"])
def test_context_takes_a_quarter(given):
    with pytest.raises(UnknownNameError):
        qs.context(given)


# ---- an analyst's own figures by QPV


@pytest.fixture
def by_age(tmp_path):
    """A rate in two QPV by age class, without a total."""
    path = tmp_path / "ages.csv"
    lines = [
        f"QP03400{n};own_rate;{age};{20 + n + k},0;500" for n in (1, 2) for k, age in enumerate(("Y5T24", "Y_GE60"))
    ]
    path.write_text("geo_code;indicator;age;value;denominator\n" + "\n".join(lines) + "\n", encoding="utf-8")
    text = {name: {"fr": "Taux", "en": "Rate"} for name in ("label", "short", "definition", "population")}
    declared = {
        **{"title": "Fichier", "producer": "ORS", "licence": "Licence Ouverte 2.0", "edition": "2024", "year": 2024},
        **{"geo_level": "qpv", "geo_vintage": 2015, "secrecy": {"threshold": 11, "applied_by_producer": True}},
        "indicator": {
            "own_rate": {
                **text,
                "unit": {"fr": "%", "en": "%"},
                "kind": "rate",
                "theme": "population",
                "range": [0, 100],
            }
        },
    }
    qs.import_observations(path, source="ages", metadata=declared)
    return {"geo_vintage": 2015, "year": 2024}


def test_classes_without_a_total_by_qpv(by_age):
    """Rows for every class where a table can hold them, else one class at a time, told with the classes."""
    table = qs.compare("own_rate", reference=None, by="qpv", territory="Béziers", **by_age)
    known = table[table["qpv_value"].notna()]
    assert known[["age", "qpv_value"]].values.tolist() == [
        ["Y5T24", 21.0], ["Y5T24", 22.0], ["Y_GE60", 22.0], ["Y_GE60", 23.0]
    ]  # fmt: skip
    one = qs.compare("own_rate", reference=None, by="qpv", territory="Béziers", age="Y_GE60", **by_age)
    assert set(one["age"]) == {"Y_GE60"}
    for draw in (
        lambda **k: qs.rank("own_rate", draws=100, **by_age, **k),
        lambda **k: qs.plot_map("own_rate", territory="Béziers", **by_age, **k),
        lambda **k: qs.explore_map("own_rate", territory="Béziers", **by_age, **k),
        lambda **k: qs.summarize_inequality("own_rate", "commune" if k is None else "department", **by_age, **k),
    ):
        with pytest.raises(ComparabilityError, match=r"one class at a time.*Y5T24, Y_GE60.*age='Y5T24'"):
            draw()
    assert set(qs.rank("own_rate", draws=100, age="Y5T24", **by_age)["age"]) == {"Y5T24"}
    with pytest.raises(UnavailableLevelError, match="age: Y5T24, Y_GE60"):
        qs.rank("own_rate", draws=100, age="_T", **by_age)


@pytest.fixture
def own_file(tmp_path):
    """Depression in two QPV of 2015, as a restricted local survey would give it."""
    path = tmp_path / "own.csv"
    path.write_text(
        f"geo_code;indicator;value\nQP034001;{DEPRESSION};31,4\nQP034002;{DEPRESSION};29,0\n", encoding="utf-8-sig"
    )
    declared = {
        **{"title": "Enquête locale", "producer": "ORS Occitanie", "licence": "restricted", "edition": "2024"},
        **{"restriction": "convention interne", "year": 2024, "geo_level": "qpv", "geo_vintage": 2015},
    }
    declared |= {"secrecy": {"threshold": 11, "applied_by_producer": True}}
    qs.import_observations(path, source="enquete", metadata=declared)


def test_imported_quarters_do_not_hide_the_regions_of_all_france(own_file):
    assert DEPRESSION in set(qs.load_observations(DEPRESSION, geo_level="qpv")["indicator"])
    rows = published(qs.compare(DEPRESSION, geo_vintage=2015, year=2024))
    assert len(rows) == 17
    assert "enquete" not in " ".join(rows["source"])


def test_context_shows_imported_rows_beside_the_regional_ones(own_file):
    sheet = qs.context("QP034001")
    own = sheet.measured.set_index("indicator").loc[DEPRESSION]
    assert own[["value", "source"]].tolist() == [31.4, "enquete@2024"]
    assert "convention interne" in own["note"]
    assert {"region", "country"} <= set(sheet.around.loc[sheet.around["indicator"] == DEPRESSION, "level"])
    assert "Enquête locale" in repr(sheet)


def test_context_says_what_a_survey_leaves_out():
    sheet = qs.context("QN97651C")
    rows = sheet.around[sheet.around["indicator"] == DEPRESSION].set_index("level")
    assert rows.loc["region", ["territory", "flag", "note"]].tolist() == [
        "Mayotte",
        "unavailable",
        "le fichier n'a pas ce territoire",
    ]
    assert rows.loc["country", "value"] == 15.6


def test_context_says_what_is_not_published_for_the_zoning():
    rows = qs.context("QN05971M").measured.set_index("indicator")
    assert rows.loc["c2s_share", ["flag", "note"]].tolist() == ["unavailable", "non lu pour le zonage 2024"]
    assert rows.loc["single_parent_recipient_share", "note"] == "non lu pour le zonage 2024"
    assert "non lu pour le zonage 2024" in repr(qs.context("QN05971M"))
    assert not qs.context("QP034001").measured["note"].str.contains("zonage").any()


def test_an_incomplete_file_says_what_it_lacks():
    # the extract of 2020 has the total of Hérault, that of neither Haute-Garonne nor France
    row = published(compare_health("antidepressant_share", year=2020, territory="department:34")).iloc[0]
    assert row["value"] == 4.829 and pd.isna(row["reference_value"]) and pd.isna(row["difference"])
    assert row["reference_note"] == "aucune valeur de la France pour ce sexe et cet âge dans le fichier lu"
    assert row["reference_source"] == ""
    with pytest.raises(UnavailableLevelError, match=r"sex='_T', age='_T'\. Published there: sex='F' \(Y15T19, "):
        compare_health("antidepressant_share", year=2020, territory="department:31")
    women = published(
        compare_health("antidepressant_share", year=2020, sex="F", age="Y45T49", territory="Haute-Garonne")
    )
    assert women[["value", "reference_value", "reference_note"]].values.tolist() == [[6.921, 7.436, ""]]


def test_a_pooled_france_says_so_everywhere():
    sheet = qs.context("QP034001")
    rows = sheet.around[(sheet.around["indicator"] == HEALTH) & (sheet.around["level"] == "country")]
    assert rows["note"].str.contains("addition des départements").all()
    assert set(rows["flag"]) == {"observed"}
    assert "addition des départements" in repr(sheet)
    assert "addition des départements" in sheet._repr_html_()
    for name in (HEALTH, "psychological_difficulties", "chronic_illness", "activity_limitation"):
        caveats = str(qs.describe(name))
        assert "aucun total" not in caveats
        assert "arrondis à la centaine" in caveats
