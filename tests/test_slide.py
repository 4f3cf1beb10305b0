"""The webinar's slide: figures come from the package, and verdicts from rules."""

import math
import tomllib
from pathlib import Path

import pytest

import qpv_sante as qs
from qpv_sante import care, slide
from qpv_sante.contrasts import load_survey_contrasts
from qpv_sante.errors import CatalogueError, UnknownNameError

pytestmark = pytest.mark.usefixtures("one_build")

TEXT = {"fr": "texte", "en": "text"}
ASKED = (
    *("perceived_health", "depressive_episodes", "single_parent_families", "foreign_nationality", "unemployment"),
    *("unskilled_jobs", "fixed_term_jobs", "poverty", "overcrowded_housing", "pleasant_quarter"),
    *("participatory_practices", "secpa"),
)


@pytest.fixture(scope="module")
def rebuilt():
    return slide.webinar_slide()


def _row(frame, name, measure, **also):
    found = frame[(frame["id"] == name) & (frame["measure"] == measure)]
    for column, value in also.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return found.iloc[0]


def test_every_statement_has_its_row_and_a_verdict_in_words(rebuilt):
    assert list(dict.fromkeys(rebuilt["id"])) == list(ASKED)
    assert list(rebuilt.columns) == list(slide.SLIDE_COLUMNS)
    assert (rebuilt[["verdict_label", "because", "definition", "statement"]] != "").all(axis=None)
    measured = rebuilt["value"].notna()
    assert (rebuilt.loc[measured, ["level", "year", "unit", "source"]] != "").all(axis=None)
    assert not measured[rebuilt["measure"] == "none"].any()


def test_figures_are_those_of_compare(rebuilt):
    asked = {"geo_vintage": 2015, "territory": "Occitanie", "by": None}
    gap = qs.compare("poverty_rate", year=2019, reference="rest_of_commune", **asked).iloc[0]
    row = _row(rebuilt, "poverty", "gap", reference_label=gap["reference_label"])
    for name in ("value", "lower", "upper"):
        assert row[name] == gap[f"qpv_{name}"]
        assert row[f"reference_{name}"] == gap[f"reference_{name}"]
    assert row["difference"] == gap["difference"]
    single = qs.compare("single_parent_household_share", year=2010, reference=None, **asked).iloc[0]
    row = _row(rebuilt, "single_parent_families", "qpv")
    assert (row["value"], row["n_used"], row["n_total"]) == (single["qpv_value"], 98, 105)


def test_figures_of_surveys_and_of_care_are_theirs(rebuilt):
    jobs = load_survey_contrasts("limited_duration_job_share").iloc[0]
    row = _row(rebuilt, "fixed_term_jobs", "contrast")
    assert (row["value"], row["reference_value"]) == (jobs["inside"], jobs["outside"])
    assert math.isnan(row["lower"]), "surveys are quoted without interval"
    # 2.8 times fewer foreigners outside: 0.357 x 23 %
    foreign = _row(rebuilt, "foreign_nationality", "contrast")
    assert foreign["reference_value"] == pytest.approx(0.357 * 23)
    counted = care.statements(ids=["participatory_inside"]).iloc[0]
    row = _row(rebuilt, "participatory_practices", "care")
    assert (row["value"], row["lower"], row["upper"]) == (counted["value"], counted["lower"], counted["upper"])
    assert row["value"] == pytest.approx(100 * 28 / 105)


def test_depression_is_never_a_figure_of_qpv(rebuilt):
    row = _row(rebuilt, "depressive_episodes", "health")
    assert row["level"] == "région"
    assert (row["value"], row["reference_value"]) == (17.7, 15.6)
    assert rebuilt.loc[rebuilt["id"] == "depressive_episodes", "level"].tolist() == ["région"]


def test_verdicts_of_the_published_figures(rebuilt):
    assert rebuilt.loc[rebuilt["id"] == "single_parent_families", "verdict"].tolist() == ["differs", "differs"]
    assert rebuilt.loc[rebuilt["id"] == "unemployment", "verdict"].eq("not_in_open_data").all()
    # Wilson's interval lies above 15 %, but the count itself depends on where the structures are
    (practices,) = rebuilt[rebuilt["id"] == "participatory_practices"].to_dict("records")
    assert practices["lower"] > practices["published"] > practices["least"]
    assert practices["verdict"] == "undecided"
    assert rebuilt.loc[rebuilt["id"] == "poverty", "verdict"].eq("no_published_figure").all()
    assert rebuilt.loc[rebuilt["published"].isna(), "verdict"].isin({"no_published_figure", "not_in_open_data"}).all()


@pytest.mark.parametrize(
    ("published", "comparison", "same", "bounds", "expected"),
    [
        (33.2, "equal", True, (33.0, 33.4), "agrees"),
        # published to a tenth: 33.2 stands for 33.15 to 33.25
        (33.2, "equal", True, (33.24, 33.9), "agrees"),
        (33.2, "equal", True, (33.26, 33.9), "differs"),
        (33.2, "equal", False, (33.0, 33.4), "undecided"),
        (33.2, "equal", False, (14.0, 15.0), "differs"),
        (15.0, "below", True, (10.0, 14.0), "agrees"),
        (15.0, "below", True, (10.0, 16.0), "undecided"),
        (15.0, "below", True, (19.1, 35.8), "differs"),
        (None, "equal", True, (1.0, 2.0), "no_published_figure"),
        (33.2, "equal", True, (float("nan"), float("nan")), "not_in_open_data"),
    ],
)
def test_a_verdict_is_a_rule(published, comparison, same, bounds, expected):
    said = slide.Statement(
        id="a", text=TEXT, figure=[], published=published, unit="%" if published else "", comparison=comparison
    )
    figure = slide.Figure(measure="qpv", definition=TEXT, because=TEXT, same=same)
    found = {"value": sum(bounds) / 2, "lower": bounds[0], "upper": bounds[1], "unit": "% des ménages"}
    assert slide.verdict(said, figure, found) == expected


def test_another_notion_is_not_a_contradiction():
    said = slide.Statement(id="a", text=TEXT, figure=[], published=2.0, unit="rapport")
    figure = slide.Figure(measure="qpv", definition=TEXT, because=TEXT)
    found = {"value": 38.5, "lower": 38.4, "upper": 38.7, "unit": "% des 15-64 ans"}
    assert slide.verdict(said, figure, found) == "not_in_open_data"


def test_english_says_the_same():
    english = slide.webinar_slide(lang="en")
    french = slide.webinar_slide()
    assert english["value"].equals(french["value"])
    assert english["verdict"].equals(french["verdict"])
    assert "Poverty" in set(english["statement"])
    with pytest.raises(UnknownNameError):
        slide.webinar_slide(lang="de")


def test_nothing_is_computed_twice():
    calls = []

    def counted(indicator, **asked):
        calls.append((indicator, asked["year"], asked["reference"]))
        return qs.compare(indicator, **asked)

    slide.webinar_slide(compare=counted)
    assert len(calls) == len(set(calls))


def test_the_data_file_holds_no_figure_of_ours():
    path = Path(slide.__file__).with_name("slide.toml")
    records = tomllib.loads(path.read_text(encoding="utf-8"))["statement"]
    numbers = [value for one in records for value in one.values() if isinstance(value, float | int)]
    assert sorted(numbers) == [2.0, 15, 26, 33.2], "only what the document says"
    kept = {key for one in records for figure in one["figure"] for key, value in figure.items() if key != "year"}
    assert kept.isdisjoint({"value", "lower", "upper"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("published = 33.2\n", ""), "published and unit go together"),
        (('measure = "care"', 'measure = "guess"'), "Invalid enum value"),
        (('care = "participatory_inside"\n', ""), "care needs care"),
        (('id = "secpa"', 'id = "poverty"'), "poverty: declared twice"),
        (('perimeter = "ZUS"\n', ""), "contrast needs perimeter"),
        (('en = "Poverty"', 'de = "Armut"'), "every text needs fr and en"),
        (("same = true", "sure = true"), "unknown field"),
    ],
)
def test_a_damaged_file_says_where(tmp_path, change, said):
    text = Path(slide.__file__).with_name("slide.toml").read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "slide.toml"
    path.write_text(text.replace(*change, 1), encoding="utf-8")
    with pytest.raises(CatalogueError, match=said):
        slide.read_slide(path)


def test_an_unknown_care_statement_is_an_error():
    with pytest.raises(UnknownNameError, match="participatory_inside"):
        care.statements(ids=["participatory_insid"])
