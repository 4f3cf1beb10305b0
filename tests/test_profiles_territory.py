"""Positions of a territory: its QPV together, as compare gives them; what designates it; the figure that draws it."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

import qpv_sante as qs
from qpv_sante import loading, style
from qpv_sante.catalogue import catalogue
from qpv_sante.charts.profile_rows import scaled
from qpv_sante.errors import (
    AmbiguousTerritoryError,
    ComparabilityError,
    InvalidInputError,
    UnavailableLevelError,
    UnknownNameError,
)
from qpv_sante.profiles.subjects import find_subject

pytestmark = pytest.mark.usefixtures("one_build")


def plain(text):
    return text.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.fixture(scope="module")
def beziers():
    return qs.positions("Béziers", 2024)


@pytest.fixture(scope="module")
def occitanie():
    return qs.positions("Occitanie", 2015)


@pytest.fixture(scope="module")
def lille():
    return qs.positions("lille-poles-ressources", 2015, lang="en")


@pytest.fixture(scope="module")
def foix():
    """A commune of one QPV."""
    return qs.positions("Foix", 2015)


def test_a_value_by_hand_through_denominators(beziers):
    """Three QPV: sum of rates by people over people, the number of persons being the fallback that compare names."""
    codes = loading.gazetteer().qpv_in(loading.gazetteer().resolve("Béziers"), 2024)["geo_code"]
    rates = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024, year=2021).set_index("geo_code")
    people = qs.load_observations("population", geo_level="qpv", geo_vintage=2024, year=2020).set_index("geo_code")
    rate, weight = rates.loc[codes, "value"], people.loc[codes, "value"]
    row = beziers.set_index("indicator").loc["poverty_rate"]
    assert len(codes) == 3
    assert row["value"] == pytest.approx((rate * weight).sum() / weight.sum())
    assert rate.min() < row["value"] < rate.max()
    assert (row["n_used"], row["n_total"], row["coverage"]) == (3, 3, 1)
    total = beziers.set_index("indicator").loc["population"]
    assert total["value"] == weight.sum()
    assert pd.isna(total["qpv_country_quartile"]), "a total has no place among its parts"
    assert total["qpv_country_max"] > 0


def _as_compare(frame, place, vintage):
    for row in frame.to_dict("records"):
        asked = {"geo_vintage": vintage, "year": row["year"], "by": None, "territory": place}
        alone = qs.compare(row["indicator"], reference=None, **asked).iloc[0]
        for own, theirs in (("value", "qpv_value"), ("lower", "qpv_lower"), ("upper", "qpv_upper")):
            np.testing.assert_equal(row[own], alone[theirs])
        for same in ("n_used", "n_total", "coverage", "interval", "flag"):
            assert row[same] == alone[same], (row["indicator"], same)
        for reference in ("commune", "urban_unit", "region"):
            if pd.isna(row[f"{reference}_value"]):
                assert row[f"{reference}_note"]
                continue
            compared = qs.compare(row["indicator"], reference=reference, **asked).iloc[0]
            assert row[f"{reference}_value"] == compared["reference_value"]
            assert row[f"{reference}_lower"] == compared["reference_lower"]
            assert row[f"{reference}_n_used"] == compared["reference_n_used"]


def test_a_commune_is_what_compare_gives(beziers):
    _as_compare(beziers, "Béziers", 2024)
    assert set(beziers["geo_code"]) == {"commune:34032"}
    assert set(beziers["commune_name"]) == {"Béziers"}


def test_a_region_is_what_compare_gives(occitanie):
    chosen = ["poverty_rate", "median_standard_of_living", "foreigner_share", "job_seekers"]
    _as_compare(occitanie[occitanie["indicator"].isin(chosen)], "Occitanie", 2015)


def test_a_composite_territory_is_what_compare_gives(lille):
    chosen = ["poverty_rate", "decile_ratio", "rsa_recipient_share", "population"]
    _as_compare(lille[lille["indicator"].isin(chosen)], "lille-poles-ressources", 2015)
    assert set(lille["geo_level"]) == {"composite"}
    assert set(lille["commune_n_places"]) == {4}
    assert set(lille["urban_unit_n_places"]) == {1}


def test_what_is_not_aggregated_has_no_value_and_says_why(occitanie, lille):
    for frame, said in ((occitanie, "ne s'additionnent ni ne se moyennent"), (lille, "neither summed nor averaged")):
        kept = frame[~frame["kind"].isin(["rate", "count"])]
        assert len(kept) == 3
        assert kept["value"].isna().all()
        assert (kept["flag"] == "not_applicable").all()
        assert kept["note"].str.contains(said).all()
        assert kept["qpv_country_quartile"].isna().all()
        assert kept["qpv_country_median"].notna().all()


def test_a_total_that_lacks_a_part_keeps_its_bounds_and_says_why(occitanie):
    row = occitanie.set_index("indicator").loc["rsa_recipients"]
    assert row["n_used"] < row["n_total"]
    assert np.isnan(row["value"])
    assert 0 < row["lower"] < row["upper"]
    assert row["note"].startswith("un total n'est donné que si")


def test_a_territory_of_one_quarter_has_its_values(foix):
    own = qs.positions("QP009002")
    assert set(foix["n_total"]) == {1}
    numbers = ["value", "lower", "upper"]
    numbers += [f"{name}_value" for name in ("commune", "urban_unit", "region", "country")]
    np.testing.assert_allclose(foix[numbers].astype(float), own[numbers].astype(float), rtol=1e-12)
    quartiles = ["qpv_region_quartile", "qpv_country_quartile"]
    pd.testing.assert_frame_equal(foix[quartiles], own[quartiles])
    assert own["value"].notna().sum() > 10


def test_the_country_lies_in_no_region():
    frame = qs.positions("France", 2024)
    assert (frame.loc[frame["kind"] != "count", "region_note"].str.contains(r"dans \d+ régions")).all()
    assert frame["qpv_region_n_total"].isna().all()
    assert frame["qpv_region_quartile"].isna().all()
    assert set(frame["n_total"]) == set(frame["qpv_country_n_total"])
    with pytest.raises(ComparabilityError, match="France does not lie in one region"):
        qs.plot_profile(frame, among="region")


@pytest.mark.parametrize(
    ("asked", "zoning", "code"),
    [
        ("Béziers", 2024, "commune:34032"),
        ("Devèze", 2015, "QP034003"),  # also a commune, without QPV
        ("devèze, béziers", 2024, "QN03403M"),
        ("epci:200093201", 2015, "epci:200093201"),
        ("Denain", 2015, "commune:59172"),
    ],
)
def test_names_are_those_of_territories_then_of_quarters(asked, zoning, code):
    assert find_subject(asked, zoning, "fr").geo_code == code


@pytest.mark.parametrize(
    ("asked", "zoning", "error", "says"),
    [
        ("Béziers", None, InvalidInputError, r"geo_vintage is needed.*3 of 2015, 3 of 2024"),
        ("Lozère", 2015, UnavailableLevelError, "no QPV of the 2015 zoning.*1 of the 2024 zoning"),
        ("Béziers", 2019, UnavailableLevelError, "Zonings: 2015, 2024"),
        ("Occitani", 2015, UnknownNameError, "neither a territory nor a QPV.*Did you mean 'Occitanie'"),
        ("Les Izard", 2015, UnknownNameError, "Nearest: QP031011"),
        ("Fourmies", 2015, AmbiguousTerritoryError, "commune:59249.*QP059044"),
        ("Montreuil", 2015, AmbiguousTerritoryError, "commune:93048.*QP002010"),
        ("region:zz", 2015, UnknownNameError, "no region has this code"),
        ("QP034003", 2024, ComparabilityError, "crosswalk"),
        (None, 2015, InvalidInputError, "place takes str or Territory; got None"),
    ],
)
def test_wrong_places_are_answered(asked, zoning, error, says):
    with pytest.raises(error, match=says):
        qs.positions(asked, zoning)


@pytest.fixture(scope="module")
def drawn_occitanie(occitanie):
    return qs.plot_profile(occitanie)


def _texts(axes, gid):
    return [plain(text.get_text()) for text in axes.texts if text.get_gid() == gid]


def test_the_figure_of_a_territory_says_what_its_value_is(occitanie, drawn_occitanie):
    axes = drawn_occitanie
    assert _texts(axes, "title") == ["Occitanie"]
    subtitle = _texts(axes, "subtitle")[0].replace("\n", " ")
    assert subtitle.startswith("Ensemble de ses 105 QPV, zonage 2015, parmi les QPV de France pris un à un.")
    legend = [plain(text.get_text()) for text in axes.get_legend().get_texts()]
    assert "QPV du territoire, ensemble" in legend
    assert "Quartier" not in legend
    assert "Bornes tenant compte du secret statistique" in legend
    counted = [f"{used}/{total}" for used, total in zip(occitanie["n_used"], occitanie["n_total"], strict=True)]
    assert _texts(axes, "count") == counted
    assert "Sans objet : médianes, rapports et scores" in _texts(axes, "notes")[0]


def test_the_figure_of_a_territory_draws_values_bounds_and_what_is_missing(occitanie, drawn_occitanie):
    axes = drawn_occitanie
    rows = scaled(occitanie)
    total = occitanie["kind"] == "count"
    drawn = {artist.get_gid(): artist for artist in axes.collections}
    dots = np.ma.asarray(drawn["value"].get_offsets()).filled(np.nan)
    shown = occitanie["value"].notna() & ~total
    assert (~np.isnan(dots[:, 0])).sum() == shown.sum()
    ends = {int(line[0][1]): line[:, 0] for line in drawn["value_interval"].get_segments() if len(line)}
    poverty = rows.iloc[0]
    np.testing.assert_allclose(ends[0], [poverty["x_lower"], poverty["x_upper"]])
    assert poverty["x_upper"] - poverty["x_lower"] > 0.01
    assert to_hex(drawn["value_interval"].get_color()[0]) == style.QPV_COLOUR
    hatched = [patch for patch in axes.patches if patch.get_gid() == "missing"]
    assert len(hatched) == occitanie["value"].isna().sum()
    reasons = [text.replace("\n", " ") for text in _texts(axes, "reason")]
    assert sorted(set(reasons)) == ["sans objet", "secret statistique"]
    said = _texts(axes, "nothing")
    assert len(said) == total.sum()
    assert said[0] == "total des QPV"
    # what is published, and what the withheld ones cannot be less than
    shown = qs.load_observations("disability_allowance_recipients", geo_level="qpv", year=2020, territory="Occitanie")
    withheld = occitanie[total].set_index("indicator").loc["disability_allowance_recipients"]
    assert shown["value"].sum() < withheld["lower"] < withheld["upper"]
    ends = [plain(style.format_number(withheld[end], 0)) for end in ("lower", "upper")]
    assert any(f"total des QPV : entre {ends[0]} et {ends[1]}" in text for text in said)
    assert not rows.loc[total, [name for name in rows if name.startswith("x_")]].notna().any(axis=None)


def test_the_alternative_text_of_a_territory(beziers):
    said = plain(qs.figure_alt_text(qs.plot_profile(beziers)))
    assert said.startswith(
        "Profil des QPV d'un territoire, un indicateur par ligne. Béziers, ensemble de ses 3 QPV (zonage 2024), parmi "
        "les QPV de France pris un à un. 5 éléments dessinés. QPV du territoire avec une valeur, selon l'indicateur : "
        "3 sur 3. "
    )
    above = beziers[(beziers["value"] >= beziers["qpv_country_q3"]) & (beziers["kind"] != "count")]["indicator"]
    listed = ", ".join(catalogue().indicator(name).short["fr"] for name in above)
    assert f"aux valeurs les plus hautes : {listed}." in said


def test_the_figure_in_english_and_in_given_axes(lille):
    import matplotlib.pyplot as plt

    ax = plt.figure(figsize=(13, 13)).add_subplot()
    axes = qs.plot_profile(lille, ax=ax, reference="urban_unit", among="region", lang="en")
    assert axes is ax
    assert "Its 2 QPV together, 2015 zoning, among the single QPV of the region" in _texts(axes, "subtitle")[0].replace(
        "\n", " "
    )
    assert {"QPV\ntogether", "Urban unit", "QPV with\na value"} == set(_texts(axes, "head"))
    said = plain(qs.figure_alt_text(axes, "en"))
    assert "its 2 QPV together (2015 zoning)" in said
    assert "by indicator: 2 out of 2." in said
    plt.close(ax.figure)


def test_a_commune_is_its_own_reference_and_one_quarter_is_alone(beziers, foix):
    assert "Commune" in _texts(qs.plot_profile(beziers), "head")
    axes = qs.plot_profile(foix)
    assert _texts(axes, "subtitle")[0].startswith("Son seul QPV, zonage 2015")
    assert _texts(axes, "nothing") == [], "its counts are those of a QPV, and have their place"
