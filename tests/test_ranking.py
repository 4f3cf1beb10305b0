"""Ranking and inequality between groups of QPV, on the embedded figures."""

import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante import funnel
from qpv_sante.errors import ComparabilityError, InvalidInputError, UnavailableLevelError, UnknownNameError
from qpv_sante.ranking import FUNNEL_POSITIONS, _simulated_ranks


@pytest.fixture(scope="module")
def ranking():
    return qs.rank("c2s_share", geo_vintage=2015, year=2022, draws=400)


def test_all_quarters_are_there_and_those_without_value_have_no_rank(ranking):
    known = ranking["value"].notna()
    assert len(ranking) == 1400
    assert ranking.loc[~known, "rank"].isna().all()
    assert ranking.loc[known, "rank"].is_monotonic_increasing
    assert ranking.loc[known, "value"].is_monotonic_decreasing
    assert set(ranking.loc[known, "funnel_position"]) <= set(FUNNEL_POSITIONS)


def test_the_funnel_is_centred_on_the_pooled_rate(ranking):
    known = ranking.dropna(subset=["value"])
    pooled = np.average(known["value"], weights=known["n"])
    assert known["target"].iloc[0] == pytest.approx(pooled)
    assert (known["funnel_lower_99_8"] <= known["funnel_lower_95"]).all()
    assert (known["funnel_upper_95"] <= known["funnel_upper_99_8"]).all()
    outside = known[known["value"] > known["funnel_upper_99_8"]]
    assert (outside["funnel_position"] == "above_99_8").all()


def test_shares_of_rankings_add_up_to_the_worst_tenth(ranking):
    known = ranking.dropna(subset=["value"])
    assert known["share_worst_tenth"].sum() == pytest.approx(round(len(known) / 10))
    assert (known["rank_lower"] <= known["rank_upper"]).all()
    assert known["share_worst_tenth"].iloc[0] > 0.9
    assert known["share_worst_tenth"].iloc[-1] == 0


def test_the_same_call_gives_the_same_ranking(ranking):
    pd.testing.assert_frame_equal(ranking, qs.rank("c2s_share", geo_vintage=2015, year=2022, draws=400))


def test_warnings_travel_with_the_ranking(ranking):
    assert any("voisins" in text for text in ranking.attrs["warnings"])
    assert ranking.attrs["dispersion"] > 2
    poverty = qs.rank("poverty_rate", geo_vintage=2024, year=2021, territory="Occitanie", lang="en", draws=100)
    assert any("circular" in text for text in poverty.attrs["warnings"])


def test_what_was_asked_travels_with_the_numbers(ranking):
    asked = {"indicator": "c2s_share", "geo_vintage": 2015, "year": 2022}
    assert ranking.attrs.items() >= {**asked, "territory": "country:F", "territory_name": "France"}.items()
    some = qs.rank("c2s_share", geo_vintage=2015, year=2022, territory="Occitanie", draws=100)
    assert some.attrs.items() >= {**asked, "territory": "region:76", "territory_name": "Occitanie"}.items()
    whole = qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022, measures=["d"])
    assert whole.attrs.items() >= {**asked, "territory": "country:F", "territory_name": "France"}.items()
    part = qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022, measures=["d"], territory="Occitanie")
    assert part.attrs.items() >= {**asked, "territory": "region:76", "territory_name": "Occitanie"}.items()


def test_every_row_says_where_its_numbers_come_from(ranking, capfd):
    some = qs.rank("c2s_share", geo_vintage=2015, year=2022, territory="Occitanie", draws=100)
    assert capfd.readouterr().err == "", "warnings come with the result, and with it alone"
    row = some.iloc[0]
    asked = {"indicator": "c2s_share", "year": 2022, "geo_level": "qpv", "geo_vintage": 2015, "sex": "_T", "age": "_T"}
    asked |= {"territory": "Occitanie", "territory_code": "region:76", "licence": "Licence Ouverte 2.0"}
    assert {name: row[name] for name in asked} == asked
    assert (row["n_used"], row["n_total"]) == (some["rank"].notna().sum(), len(some)) == (100, 105)
    assert some["source"].nunique() == 1, "QPV without a value have a source too"
    summary = qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022, territory="Occitanie", rank_year=2019)
    assert {name: summary.loc["d", name] for name in asked} == asked
    assert summary.loc["d", "source"] == row["source"]
    groups = pd.DataFrame(summary.attrs["groups"])
    assert summary.loc["d", "n_total"] == 105
    assert groups["n_total"].sum() <= summary.loc["d", "n_used"] <= 105
    assert summary.loc[["d", "r", "paf"], "unit"].tolist() == ["% des bénéficiaires du régime général", "rapport", "%"]
    assert summary.loc["d", "note"].startswith("le plus défavorisé moins le plus favorisé\u202f; pas d'erreur type")
    english = qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022, measures=["r"], lang="en").loc["r"]
    assert english["note"].startswith("most disadvantaged over most advantaged")


def test_where_more_is_better_the_worst_is_the_lowest():
    frame = pd.DataFrame({"lower": [50.0] * 3, "upper": [50.0] * 3})
    cases, size = pd.Series([900.0, 500.0, 100.0]), pd.Series([1000.0] * 3)
    lowest_first = _simulated_ranks(frame, cases, size, ascending=True, rounding=None, draws=200, seed=1)
    assert (lowest_first == [3, 2, 1]).all()
    highest_first = _simulated_ranks(frame, cases, size, ascending=False, rounding=None, draws=200, seed=1)
    assert (highest_first == [1, 2, 3]).all()


@pytest.mark.parametrize("indicator", ["median_standard_of_living", "population", "employment_rate"])
def test_only_rates_with_their_denominator_are_ranked(indicator):
    with pytest.raises(ComparabilityError):
        qs.rank(indicator, geo_vintage=2015, year=2022 if indicator == "employment_rate" else 2019)


def test_too_few_draws_are_refused():
    with pytest.raises(InvalidInputError, match="draws is between 100 and"):
        qs.rank("c2s_share", geo_vintage=2015, year=2022, draws=10)


def test_a_territory_without_value_is_told():
    with pytest.raises(UnavailableLevelError, match="No QPV has a value"):
        qs.rank("poverty_rate", geo_vintage=2024, year=2021, territory="region:04")


def test_quintiles_hold_about_a_fifth_of_the_people_each_and_follow_poverty():
    summary = qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022, rank_year=2019)
    groups = pd.DataFrame(summary.attrs["groups"])
    assert groups["group"].tolist() == ["Q1", "Q2", "Q3", "Q4", "Q5"]
    share = groups["population"] / groups["population"].sum()
    assert share.between(0.17, 0.23).all()
    assert groups["estimate"].is_monotonic_decreasing
    d = summary.loc["d", "value"]
    assert d == pytest.approx(groups["estimate"].iloc[0] - groups["estimate"].iloc[-1])
    assert summary["lower"].isna().all()  # exhaustive source: no interval unless asked for
    assert "2019" in summary.attrs["notes"][0]


def test_status_compares_quarters_with_their_outside():
    asked = {"geo_vintage": 2015, "year": 2020, "territory": "Hérault"}
    summary = qs.summarize_inequality("single_parent_recipient_share", "qpv_status", interval="process", **asked)
    gap = qs.compare("single_parent_recipient_share", reference="rest_of_commune", by=None, **asked).iloc[0]
    assert summary.loc["d", "value"] == pytest.approx(gap["difference"])
    assert summary.loc["r", "value"] == pytest.approx(gap["ratio"])
    assert summary.loc["d", "lower"] < summary.loc["d", "value"] < summary.loc["d", "upper"]
    assert set(summary["interval"].dropna()) == {"process"}
    assert summary[["groups", "reference"]].drop_duplicates().values.tolist() == [["qpv_status", "rest_of_commune"]]
    assert (summary["n_used"] == gap["n_used"]).all()


def test_poverty_by_poverty_says_that_it_is_circular():
    summary = qs.summarize_inequality("poverty_rate", geo_vintage=2015, year=2019, measures=["d"])
    assert any("circulaire" in note for note in summary.attrs["notes"])


def test_regions_have_no_rank_so_ranked_measures_are_refused_with_a_reason():
    summary = qs.summarize_inequality("c2s_share", "region", geo_vintage=2015, year=2022)
    assert np.isnan(summary.loc["sii", "value"])
    assert "rank" in summary.loc["sii", "note"]
    assert summary.loc["bgv", "value"] > 0


def test_a_withheld_outside_is_an_error_that_says_why():
    with pytest.raises(UnavailableLevelError, match="sous secret"):
        qs.summarize_inequality("poverty_rate", "qpv_status", geo_vintage=2015, year=2021)


def test_status_refuses_an_outside_that_contains_the_quarters():
    with pytest.raises(ComparabilityError, match="contains the QPV"):
        qs.summarize_inequality("poverty_rate", "qpv_status", geo_vintage=2015, year=2019, reference="commune")


def test_own_groups_are_pooled_by_their_denominators():
    asked = {"geo_vintage": 2015, "year": 2022}
    rows = qs.load_observations("c2s_share", geo_level="qpv", territory="Béziers", **asked).set_index("geo_code")
    own = pd.Series(["north", "south", "south"], index=rows.index)
    summary = qs.summarize_inequality("c2s_share", own, measures=["d"], **asked)
    groups = pd.DataFrame(summary.attrs["groups"]).set_index("group")
    south = rows.iloc[1:]
    assert groups.loc["south", "estimate"] == pytest.approx(np.average(south["value"], weights=south["denominator"]))
    assert groups.loc["north", "estimate"] == rows["value"].iloc[0]
    assert groups["n_total"].sum() == 3 == summary.loc["d", "n_total"]
    with pytest.raises(UnknownNameError, match="not QPV of 2015, first 'QN03401M'"):
        qs.summarize_inequality("c2s_share", pd.Series(["a"], index=["QN03401M"]), **asked)


def test_wrong_groups_are_answered():
    with pytest.raises(UnknownNameError, match="Did you mean 'poverty_quintile'"):
        qs.summarize_inequality("c2s_share", "poverty_quintiles", geo_vintage=2015, year=2022)


@pytest.mark.parametrize(
    ("indicator", "d", "sii", "entered"),
    [("rsa_recipient_share", 12.96, -15.65, 1319), ("single_parent_recipient_share", 2.15, -2.09, 1321)],
)
def test_quintiles_are_ranked_by_the_year_that_covers_the_quarters_best(indicator, d, sii, entered):
    """Poverty of 2021 is as near to 2020 as that of 2019, and withheld for 288 metropolitan QPV."""
    summary = qs.summarize_inequality(indicator, geo_vintage=2015, year=2020, measures=["d", "sii"])
    assert summary["value"].tolist() == pytest.approx([d, sii], abs=0.01)
    assert set(summary["rank_year"]) == {2019} == {summary.attrs["rank_year"]}
    assert "2019" in summary.attrs["notes"][0]
    groups = pd.DataFrame(summary.attrs["groups"])
    assert summary.loc["d", "n_used"] == entered == groups["n_used"].sum()
    asked = qs.summarize_inequality(indicator, geo_vintage=2015, year=2020, measures=["d"], rank_year=2021)
    assert asked.loc["d", "n_used"] == pd.DataFrame(asked.attrs["groups"])["n_used"].sum() < 1000
    assert asked.loc["d", "rank_year"] == 2021


def test_by_territory_what_entered_is_counted_once():
    summary = qs.summarize_inequality("c2s_share", "region", geo_vintage=2015, year=2022, measures=["bgv"])
    rows = qs.load_observations("c2s_share", geo_level="qpv", geo_vintage=2015, year=2022)
    assert summary.loc["bgv", "n_used"] == rows["value"].notna().sum()
    assert summary["rank_year"].isna().all()


def test_qpv_drawn_again_give_wider_intervals_than_chance_among_persons():
    asked = {"geo_vintage": 2015, "year": 2022, "measures": ["d", "sii", "bgsd"]}
    between = qs.summarize_inequality("c2s_share", interval="between_qpv", draws=300, **asked)
    process = qs.summarize_inequality("c2s_share", interval="process", draws=300, **asked)
    pd.testing.assert_series_equal(between["value"], process["value"])
    width, narrow = (frame["upper"] - frame["lower"] for frame in (between, process))
    assert (width > 4 * narrow).all()
    assert set(between["interval"]) == {"between_qpv"}
    # the linearised error of each group's ratio
    errors = pd.DataFrame(between.attrs["groups"])["se"]
    assert between.loc["d", "se"] == pytest.approx((errors.iloc[0] ** 2 + errors.iloc[-1] ** 2) ** 0.5)
    pd.testing.assert_frame_equal(
        between, qs.summarize_inequality("c2s_share", interval="between_qpv", draws=300, **asked)
    )


def test_where_qpv_drawn_again_say_nothing_there_is_no_interval_and_a_reason():
    asked = {"geo_vintage": 2015, "year": 2020, "territory": "Hérault", "interval": "between_qpv", "lang": "en"}
    status = qs.summarize_inequality("single_parent_recipient_share", "qpv_status", measures=["d"], **asked)
    assert status["lower"].isna().all()
    assert any("outside is not made of QPV" in note for note in status.attrs["notes"])
    own = pd.Series(["north", "south", "south"], index=["QP034001", "QP034002", "QP034003"])
    alone = qs.summarize_inequality("c2s_share", own, measures=["d"], **asked | {"year": 2022, "territory": "Béziers"})
    assert alone["lower"].isna().all()
    assert any("single QPV (north)" in note for note in alone.attrs["notes"])
    with pytest.raises(UnknownNameError, match="between_qpv"):
        qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022, interval="between_quarters")


# --- over-dispersed funnels --------------------------------------------------------------------------------------


def test_the_factor_is_that_of_winsorised_scores():
    """Against scipy's winsorisation by order, on a number of units where the two quantile rules agree."""
    from scipy.stats.mstats import winsorize

    rng = np.random.default_rng(4)
    size = pd.Series(rng.integers(200, 6000, 101))
    value = pd.Series(30 + rng.normal(0, 5, 101))
    found = funnel.dispersion(value, size, 30.0)
    score = (value - 30) / np.sqrt(30 * 70 / size)
    held = np.asarray(winsorize(score.to_numpy(), limits=0.1))
    assert found.raw == pytest.approx((score**2).mean())
    assert found.winsorised == pytest.approx((held**2).mean()) == pytest.approx(found.factor)
    assert found.winsorised < found.raw
    weight = size / (30 * 70)
    moments = (101 * found.winsorised - 100) / (weight.sum() - (weight**2).sum() / weight.sum())
    assert found.between == pytest.approx(moments**0.5)
    # winsorising a tenth at each end leaves 0.68 of the variance of normal departures
    assert found.between == pytest.approx(5 * 0.68**0.5, abs=0.6)


def test_chance_alone_is_not_widened():
    rng = np.random.default_rng(7)
    size = pd.Series(rng.integers(500, 6000, 400))
    value = pd.Series(100 * rng.binomial(size, 0.3) / size)
    found = funnel.dispersion(value, size, 30.0)
    assert (found.factor, found.between) == (1.0, 0.0)
    assert funnel.dispersion(pd.Series([0.0, 0.0]), pd.Series([10, 20]), 0.0).factor == 1.0


@pytest.mark.parametrize("limits", ["overdispersed", "random_effects"])
def test_widened_limits_single_out_few(limits, ranking):
    wide = qs.rank("c2s_share", geo_vintage=2015, year=2022, draws=100, limits=limits)
    known = wide.dropna(subset=["value"])
    plain = ranking.dropna(subset=["value"])
    assert set(known["limits"]) == {limits}
    assert set(plain["limits"]) == {"plain"}
    chance = np.sqrt(known["target"] * (100 - known["target"]) / known["n"])
    if limits == "overdispersed":
        error = chance * wide.attrs["factor"] ** 0.5
    else:
        error = np.hypot(chance, wide.attrs["between"])
    assert known["funnel_upper_95"].tolist() == pytest.approx(
        (known["target"] + 1.959964 * error).clip(upper=100).tolist(), rel=1e-4
    )
    assert known["funnel_lower_99_8"].tolist() == pytest.approx(
        (known["target"] - 3.090232 * error).clip(lower=0).tolist(), rel=1e-4
    )
    outside = [frame["funnel_position"].isin(["above_99_8", "below_99_8"]).mean() for frame in (plain, known)]
    assert outside[0] == pytest.approx(ranking.attrs["share_outside"]) and outside[0] > 0.5
    assert outside[1] < 0.05
    assert wide.attrs["share_outside"] == pytest.approx(outside[0]), "that of the plain limits, whatever is drawn"
    assert any("Limites élargies" in text for text in wide.attrs["warnings"])
    assert known["rank"].tolist() == plain["rank"].tolist()


def test_plain_limits_say_that_they_are_no_guide(ranking):
    [said] = [text for text in ranking.attrs["warnings"] if "hors des limites simples" in text]
    share = round(100 * ranking.attrs["share_outside"])
    assert f"{share}\u202f%" in said or f"{share}\u00a0%" in said
    assert 'limits="overdispersed"' in said
    axes = qs.plot_rank(ranking, lang="en")
    for lang, words in (("fr", "hors des limites simples"), ("en", "beyond the plain 99.8% limits")):
        assert words in qs.figure_alt_text(axes, lang=lang)
        assert "limits=" not in qs.figure_alt_text(axes, lang=lang)


def test_the_figure_draws_the_limits_that_were_asked_for():
    wide = qs.rank("c2s_share", geo_vintage=2015, year=2022, draws=100, limits="overdispersed")
    axes = qs.plot_rank(wide, lang="en")
    [low, _] = [line for line in axes.lines if line.get_gid() == "limit_95"]
    n, value = low.get_data()
    target = wide["target"].iloc[0]
    error = np.sqrt(wide.attrs["factor"] * target * (100 - target) / n)
    assert value.tolist() == pytest.approx((target - 1.959964 * error).clip(0).tolist())
    legends = [legend for legend in (*axes.figure.legends, axes.get_legend()) if legend]
    labels = [text.get_text() for legend in legends for text in legend.texts]
    assert any("95% limits" in text and "multiplicative factor" in text for text in labels)
    assert "Widened limits" in qs.figure_alt_text(axes, lang="en")


def test_unknown_limits_are_refused():
    with pytest.raises(UnknownNameError, match="overdispersed"):
        qs.rank("c2s_share", geo_vintage=2015, year=2022, limits="over_dispersed")
