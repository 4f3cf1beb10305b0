"""Positions and similar quarters: numbers recomputed from the long table, bad input, the figure that draws them."""

import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante.charts.profile_rows import scaled
from qpv_sante.errors import (
    AmbiguousTerritoryError,
    ComparabilityError,
    InvalidInputError,
    SchemaError,
    UnavailableLevelError,
    UnknownNameError,
)
from qpv_sante.profiles import find_quarter, positions
from qpv_sante.profiles.nearest import SOCIAL, similar_in, standardised
from qpv_sante.profiles.places import latest_years

pytestmark = pytest.mark.usefixtures("one_build")


@pytest.fixture(scope="module")
def deveze():
    return positions("QP034003").set_index("indicator")


@pytest.fixture(scope="module")
def withheld():
    return positions("QN03101M").set_index("indicator")


def test_every_indicator_of_the_zoning_is_there_with_its_latest_year(deveze, withheld):
    assert deveze["year"].to_dict() == latest_years(2015)
    assert withheld["year"].to_dict() == latest_years(2024)
    # 288 metropolitan QPV and all overseas ones are withheld in 2021: the newest of the best covered years is 2019
    assert deveze.loc["poverty_rate", "year"] == 2019
    assert deveze.loc["single_parent_household_share", "year"] == 2010


def test_values_flags_and_sources_are_those_of_the_long_table(deveze):
    for indicator, row in deveze.iterrows():
        own = qs.load_observations(indicator, geo_level="qpv", geo_vintage=2015, year=row["year"])
        own = own[own["geo_code"] == "QP034003"].iloc[0]
        assert (row["value"] == own["value"]) or (pd.isna(row["value"]) and pd.isna(own["value"]))
        assert row["flag"] == own["flag"]
        assert row["source"] == own["source"]


@pytest.fixture(scope="module")
def in_2019():
    return positions("QP034003", years={"poverty_rate": 2019}).set_index("indicator")


@pytest.mark.parametrize("reference", ["commune", "urban_unit", "region"])
def test_references_are_those_of_compare(in_2019, reference):
    frame = in_2019
    asked = {"geo_vintage": 2015, "year": 2019, "by": "qpv", "territory": "qpv:QP034003"}
    compared = qs.compare("poverty_rate", reference=reference, **asked).iloc[0]
    row = frame.loc["poverty_rate"]
    np.testing.assert_equal(row[f"{reference}_value"], compared["reference_value"])
    np.testing.assert_equal(row[f"{reference}_lower"], compared["reference_lower"])
    assert row[f"{reference}_n_used"] == compared["reference_n_used"]
    assert row[f"{reference}_n_total"] == compared["reference_n_total"]
    assert row["value"] == compared["qpv_value"]


def test_distributions_and_quartiles_by_hand(deveze):
    own = qs.load_observations("c2s_share", geo_level="qpv", geo_vintage=2015, year=2022)
    known = own["value"].dropna().to_numpy()
    row = deveze.loc["c2s_share"]
    assert row["qpv_country_min"] == known.min()
    assert row["qpv_country_max"] == known.max()
    assert row["qpv_country_median"] == pytest.approx(np.median(known))
    assert (row["qpv_country_n_used"], row["qpv_country_n_total"]) == (len(known), 1400)
    share_below = (known < row["value"]).mean()
    assert row["qpv_country_quartile"] == 1 + int(share_below * 4)
    region = qs.load_observations("c2s_share", geo_level="qpv", geo_vintage=2015, year=2022, territory="Occitanie")
    assert row["qpv_region_q1"] == pytest.approx(region["value"].quantile(0.25))


def test_a_suppressed_value_stays_so_and_has_no_quartile(withheld):
    row = withheld.loc["poverty_rate"]
    assert row["flag"] == "suppressed"
    assert np.isnan(row["value"])
    assert np.isnan(row["lower"])
    assert pd.isna(row["qpv_country_quartile"])
    assert row["commune_value"] > 0


def test_where_there_is_no_reference_the_note_says_why(deveze):
    assert deveze.loc["population", "commune_note"].startswith("effectif")
    assert "non lu" in deveze.loc["c2s_share", "region_note"]
    assert "couvre" in deveze.loc["poverty_rate", "country_note"]
    assert deveze["commune_value"].notna().any()
    missing = deveze["region_value"].isna()
    assert (deveze.loc[missing, "region_note"] != "").all()


def test_few_quarters_give_no_quartile():
    frame = positions("QP971006").set_index("indicator")
    row = frame.loc["foreigner_share"]
    assert row["qpv_region_n_used"] < 4
    assert pd.isna(row["qpv_region_quartile"])
    assert row["qpv_country_quartile"] == 1


def test_a_collectivity_without_region_nor_figures():
    frame = positions("QN98712M", lang="en")
    assert frame["value"].isna().all()
    assert frame["commune_name"].unique().tolist() == ["Faaa"]
    assert frame["qpv_region_n_total"].isna().all()
    assert (frame["flag"] == "unavailable").all()


def test_quarters_are_found_by_code_name_and_commune():
    assert find_quarter("qp031004").code == "QP031004"
    assert find_quarter("qpv:QN03110M").geo_vintage == 2024
    assert find_quarter("LES IZARDS, toulouse", 2015).code == "QP031011"
    assert find_quarter("Devèze (Béziers)", 2024).code == "QN03403M"
    assert find_quarter("Quartier D'Orléans - Gloire - Griselle").code == "QN97801M"
    assert find_quarter("Bastide, Tricot et Lapeyrade").code == "QN01202M", "a comma inside a name"
    assert find_quarter("Air Bel, Marseille", 2015).code == "QP013038"


@pytest.mark.parametrize(
    ("asked", "zoning", "error", "says"),
    [
        ("Devèze, Béziers", None, AmbiguousTerritoryError, "QP034003.*QN03403M.*geo_vintage=2015"),
        ("Vaitupa", None, AmbiguousTerritoryError, r"QN98714M \(Vaitupa, Faaa, 2024\), QN98778M"),
        ("QP031999", None, UnknownNameError, "QP0310"),
        ("QP31004", None, UnknownNameError, "not a QPV code.*Did you mean 'QP031004'"),
        ("QP03400", None, UnknownNameError, "not a QPV code.*Codes that begin so: QP034001, QP034002"),
        ("Les Izard", 2015, UnknownNameError, r"Nearest: QP031011 \(Les Izards - La Vache, Toulouse, 2015\)"),
        ("Devèze, Bézier", 2015, UnknownNameError, "no QPV lies in 'Bézier'. Did you mean 'Béziers'"),
        ("QP034003", 2024, ComparabilityError, "crosswalk"),
        ("Nulle part, Toulouse", None, UnknownNameError, "Its QPV: QP0310"),
        ("Nullepartville", None, UnknownNameError, "Give a code"),
        ("Devèze", 2019, UnavailableLevelError, "2015, 2024"),
        ("", None, UnknownNameError, "No QPV called"),
        (31004, None, UnknownNameError, "is text"),
    ],
)
def test_wrong_quarters_are_answered(asked, zoning, error, says):
    with pytest.raises(error, match=says):
        find_quarter(asked, zoning)


def test_wrong_years_are_answered():
    with pytest.raises(UnknownNameError, match="not read by QPV of 2024"):
        positions("QN03110M", years={"c2s_share": 2022})
    with pytest.raises(UnavailableLevelError):
        positions("QN03110M", years={"poverty_rate": 2001})
    with pytest.raises(InvalidInputError, match="min_coverage"):
        positions("QN03110M", min_coverage=2)


def _frames(values):
    """Three indicators of invented quarters, in the form that similar_in reads."""
    shared = {"name": list("abcde"), "commune_names": ["X;Y"] * 5, "department": ["34"] * 5}
    codes = [f"QP03400{number}" for number in range(1, 6)]
    source = "insee_filosofi_qpv@2021"
    return {
        name: pd.DataFrame({"geo_code": codes, "value": column, "source": source, **shared})
        for name, column in values.items()
    }


def test_similar_by_hand():
    # medians 30, 30, 30; absolute deviations 20, 10, 0, 10, 20: median 10, scale 14.826
    column = [10.0, 20.0, 30.0, 40.0, 50.0]
    names = ("poverty_rate", "c2s_share", "employment_rate")
    frames = _frames(dict.fromkeys(names, column))
    frames["c2s_share"].loc[1, "value"] = np.nan
    quarter = find_quarter("QP034003")
    near = similar_in(quarter, dict.fromkeys(names, 2021), frames, 4, 2, "fr")
    # c2s without 20: median 35, absolute deviations 25, 5, 5, 15: median 10
    scale = 14.82602218505602
    assert near["geo_code"].tolist() == ["QP034002", "QP034004", "QP034001", "QP034005"]
    assert near["distance"].tolist() == pytest.approx([10 / scale, 10 / scale, 20 / scale, 20 / scale])
    assert near["n_used"].tolist() == [2, 3, 3, 3]
    assert near["n_total"].unique().tolist() == [3]
    assert np.isnan(near["c2s_share"][0])
    assert near.attrs["values"] == dict.fromkeys(names, 30.0)
    alone = similar_in(quarter, dict.fromkeys(names, 2021), frames, 4, 3, "fr")
    assert "QP034002" not in alone["geo_code"].tolist(), "a missing value is not made up"
    assert alone.attrs["n_left_out"] == 1


def test_standardised_ignores_a_column_without_scale():
    scores, _, scale = standardised(pd.DataFrame({"a": [1.0, 1.0, 1.0, 9.0], "b": [1.0, 2.0, 3.0, 4.0]}))
    assert scale["a"] == 0
    assert scores["a"].isna().all()
    assert scores["b"].median() == pytest.approx(0)


@pytest.fixture(scope="module")
def near():
    return qs.similar("QP034003", n=1500)


def test_similar_is_sorted_complete_and_repeats_itself(near):
    assert near["distance"].is_monotonic_increasing
    assert near["rank"].tolist() == list(range(1, len(near) + 1))
    assert "QP034003" not in near["geo_code"].tolist()
    assert near["geo_code"].str.startswith("QP").all()
    assert len(near) == near.attrs["n_candidates"]
    assert near.attrs["n_candidates"] + near.attrs["n_left_out"] == 1399
    assert (near["n_used"] >= near.attrs["min_common"]).all()
    pd.testing.assert_frame_equal(near.head(5), qs.similar("Devèze, Béziers", 5, geo_vintage=2015))


def test_distance_is_symmetric(near):
    other = near.iloc[0]["geo_code"]
    back = qs.similar(other, n=1500).set_index("geo_code")
    assert back.loc["QP034003", "distance"] == pytest.approx(near.iloc[0]["distance"])


def test_words_carry_the_two_values(near):
    row = near.iloc[0]
    assert row["shared"].count("ici") == 3
    assert not set(row["shared"].split("\u202f; ")) & set(row["differs"].split("\u202f; "))
    poverty = format(near.attrs["values"]["poverty_rate"], ".1f").replace(".", ",")
    said = [text for text in [*near["shared"], *near["differs"]] if "Taux de pauvreté" in text]
    assert said
    assert all(f"ici {poverty}\u202f%" in text for text in said)


def test_similar_refuses_what_it_cannot_do():
    with pytest.raises(UnavailableLevelError, match=r"0 published value.*not made up"):
        qs.similar("QN98712M")
    with pytest.raises(InvalidInputError, match="n is between 1 and"):
        qs.similar("QP034003", n=0)
    with pytest.raises(InvalidInputError, match="between 1 and the 10"):
        qs.similar("QP034003", min_common=11)
    with pytest.raises(UnknownNameError, match="QP0340"):
        qs.similar("QP034999")


def test_every_listed_indicator_is_a_rate_of_its_zoning():
    from qpv_sante.catalogue import catalogue

    for zoning, names in SOCIAL.items():
        assert set(names) <= set(latest_years(zoning))
        assert {catalogue().indicator(name).kind for name in names} == {"rate"}


def test_scaled_positions(deveze):
    frame = deveze.reset_index()
    rows = scaled(frame).set_index("indicator")
    row = rows.loc["c2s_share"]
    span = row["max"] - row["min"]
    assert row["x_value"] == pytest.approx((row["value"] - row["min"]) / span)
    assert (row["x_min"], row["x_max"]) == (0, 1)
    marks = rows.filter(regex="^x_").to_numpy(dtype=float)
    known = marks[~np.isnan(marks)]
    assert len(known) > 100
    assert known.min() == 0
    assert known.max() == 1


def test_plot_profile_draws_the_numbers(deveze):
    frame = deveze.reset_index()
    frame = frame[frame["kind"] != "count"]
    axes = qs.plot_profile(frame)
    rows = scaled(frame)
    drawn = {artist.get_gid(): artist for artist in axes.collections}
    dots = np.concatenate([drawn[name].get_offsets() for name in ("value", "value_unreliable") if name in drawn])
    known = rows[rows["value"].notna()]
    dots = dots[np.argsort(dots[:, 1])]
    np.testing.assert_allclose(np.asarray(dots, dtype=float), known[["x_value", "y"]].to_numpy(dtype=float))
    marks = np.ma.asarray(drawn["reference"].get_offsets()).filled(np.nan)
    assert (~np.isnan(marks[:, 0])).sum() == frame["commune_value"].notna().sum()
    assert "Devèze (Béziers)" in [text.get_text() for text in axes.texts]


def test_plot_profile_hatches_and_says_what_is_withheld(withheld):
    axes = qs.plot_profile(withheld.reset_index())
    hatched = [patch for patch in axes.patches if patch.get_gid() == "missing"]
    assert len(hatched) == withheld["value"].isna().sum() == 1
    reasons = [text.get_text().replace("\n", " ") for text in axes.texts if text.get_gid() == "reason"]
    assert reasons == ["secret statistique"]


def test_plot_profile_refuses_what_it_cannot_draw(deveze, withheld):
    frame = deveze.reset_index()
    with pytest.raises(SchemaError, match="missing columns: unit"):
        qs.plot_profile(frame.drop(columns="unit"))
    with pytest.raises(SchemaError, match="no row"):
        qs.plot_profile(frame.iloc[:0])
    with pytest.raises(ComparabilityError, match="one QPV or territory at a time"):
        qs.plot_profile(pd.concat([frame, withheld.reset_index()]))
    with pytest.raises(ComparabilityError, match="poverty_rate has several rows"):
        qs.plot_profile(pd.concat([frame, frame.iloc[:1]]))
    with pytest.raises(UnknownNameError, match="Did you mean 'region'"):
        qs.plot_profile(frame, among="regions")
    with pytest.raises(UnknownNameError, match="lang"):
        qs.plot_profile(frame, lang="de")
