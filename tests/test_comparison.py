"""`compare` on the embedded figures: against an independent computation and the published totals."""

import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante.comparison import COMPARISON_COLUMNS
from qpv_sante.errors import ComparabilityError, InvalidInputError, UnavailableLevelError, UnknownNameError

pytestmark = pytest.mark.usefixtures("one_build")

ASKED = {"geo_vintage": 2015, "year": 2019}


def by_hand(territory, year=2019):
    """Population-weighted rate, computed without the package's aggregation."""
    rates = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=year, territory=territory)
    people = qs.load_observations("population", geo_level="qpv", geo_vintage=2015, year=2018)
    joined = rates.merge(people, on="geo_code", suffixes=("", "_people")).dropna(subset=["value"])
    return np.average(joined["value"], weights=joined["value_people"])


def test_columns_and_one_row_a_region():
    gap = qs.compare("poverty_rate", **ASKED)
    assert list(gap.columns) == list(COMPARISON_COLUMNS)
    assert gap["territory_code"].is_unique
    assert gap["territory_code"].str.match(r"region:\d\d").all()


@pytest.mark.parametrize("region", ["Occitanie", "Hauts-de-France", "Corse"])
def test_the_aggregate_is_weighted_by_population(region):
    gap = qs.compare("poverty_rate", by=None, territory=region, **ASKED).iloc[0]
    assert gap["qpv_value"] == pytest.approx(by_hand(region))
    assert gap["weight"] == "population 2018"


@pytest.mark.parametrize(("year", "published"), [(2016, 44.3), (2017, 43.5), (2018, 44.7), (2019, 43.6)])
def test_national_rate_is_the_one_that_insee_prints_in_the_row_ensemble(year, published):
    """The producer weights by fiscal persons, the package by inhabitants of 2018: the bounds hold what that changes."""
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=year, reference=None, by=None).iloc[0]
    assert gap["qpv_value"] == pytest.approx(published, abs=0.15)
    assert gap["qpv_lower"] < published - 0.05 and published + 0.05 < gap["qpv_upper"]  # it is printed with one decimal
    assert gap["qpv_upper"] - gap["qpv_lower"] < 0.6


def test_national_rate_of_2021_by_the_zoning_of_2024():
    gap = qs.compare("poverty_rate", geo_vintage=2024, year=2021, by=None, territory="France métropolitaine").iloc[0]
    assert gap["qpv_value"] == pytest.approx(44.3, abs=0.5)
    assert (gap["n_used"], gap["n_total"]) == (1299, 1362)
    assert gap["qpv_lower"] < 44.3 < gap["qpv_upper"]


PUBLISHED_2010 = {  # Insee, census 2010, sheet "Regions" of the workbook: all QPV of regions unchanged since
    "Île-de-France": 15.7,
    "Centre-Val de Loire": 15.9,
    "Pays de la Loire": 16.5,
    "Bretagne": 15.9,
    "Provence-Alpes-Côte d'Azur": 16.1,
    "Corse": 19.0,
}


def test_regional_single_parents_of_2010_are_those_that_insee_prints():
    """Weighted by inhabitants in place of households, with small QPV withheld: within 0.7 point."""
    asked = {"geo_vintage": 2015, "year": 2010, "reference": None}
    regions = qs.compare("single_parent_household_share", by="region", **asked).set_index("territory")
    for region, published in PUBLISHED_2010.items():
        assert regions.loc[region, "qpv_value"] == pytest.approx(published, abs=0.7), region
    whole = qs.compare("single_parent_household_share", by=None, territory="country:FM", **asked).iloc[0]
    assert whole["qpv_value"] == pytest.approx(15.3, abs=0.3)


HOUSEHOLDS_2020 = {"Marseille": 40.1, "Toulon": 50.9}


@pytest.mark.parametrize("city", HOUSEHOLDS_2020)
def test_a_share_of_households_is_weighted_by_households(city):
    """Every QPV of these cities has its households: that others elsewhere have none changes nothing here."""
    asked = {"geo_vintage": 2024, "year": 2020, "reference": None, "by": None}
    gap = qs.compare("one_person_household_share", territory=city, **asked).iloc[0]
    assert gap["qpv_value"] == pytest.approx(HOUSEHOLDS_2020[city], abs=0.05)
    assert (gap["qpv_upper"] - gap["qpv_lower"]) == pytest.approx(0.1)
    rows = qs.load_observations("one_person_household_share", geo_level="qpv", geo_vintage=2024, territory=city)
    assert gap["qpv_value"] == pytest.approx(np.average(rows["value"], weights=rows["denominator"]))


def test_households_that_are_not_published_are_estimated_for_their_quarters_alone():
    asked = {"geo_vintage": 2024, "year": 2020, "reference": None, "by": None}
    gap = qs.compare("one_person_household_share", **asked).iloc[0]
    assert gap["weight"] == "denominator, 86 estimated from population 2020"
    rows = qs.load_observations("one_person_household_share", geo_level="qpv", geo_vintage=2024).set_index("geo_code")
    people = qs.load_observations("population", geo_level="qpv", geo_vintage=2024).set_index("geo_code")["value"]
    known = rows["denominator"].notna()
    share = rows["denominator"].sum() / people.reindex(rows.index)[known].sum()
    weight = rows["denominator"].fillna(people.reindex(rows.index) * share)
    shown = rows["value"].notna()
    assert gap["qpv_value"] == pytest.approx(np.average(rows["value"][shown], weights=weight[shown]))
    assert gap["qpv_lower"] < 40.3 < gap["qpv_upper"]  # by persons it would be 38.8


def test_jobs_are_weighted_by_persons_in_employment():
    asked = {"geo_vintage": 2015, "year": 2022}
    gap = qs.compare("limited_duration_job_share", reference=None, by=None, territory="Lille", **asked).iloc[0]
    rows, rate = (
        qs.load_observations(name, geo_level="qpv", territory="Lille", **asked).set_index("geo_code")["value"]
        for name in ("limited_duration_job_share", "employment_rate")
    )
    people = qs.load_observations("population", geo_level="qpv", geo_vintage=2015, year=2018).set_index("geo_code")
    jobs = (people["value"] * rate).reindex(rows.index)
    assert jobs[rows.notna()].notna().all()
    assert gap["qpv_value"] == pytest.approx(np.average(rows.dropna(), weights=jobs[rows.notna()]))
    assert gap["weight"] == "population 2018 x employment_rate 2022"


@pytest.mark.parametrize("indicator", ["poverty_rate", "employment_rate", "one_person_household_share"])
def test_coverage_has_one_base_whatever_the_territory_asked_for(indicator):
    year = 2021 if indicator == "poverty_rate" else 2020
    asked = {"geo_vintage": 2024, "year": year, "reference": None, "by": "department"}
    every = qs.compare(indicator, **asked)
    for name in ("Bouches-du-Rhône", "La Réunion", "Nord"):
        alone = qs.compare(indicator, territory=every.set_index("territory").loc[name, "territory_code"], **asked)
        assert alone.attrs["coverage_base"] == every.attrs["coverage_base"] != ""
        both = [one.set_index("territory").loc[name, ["coverage", "qpv_lower", "qpv_upper"]] for one in (every, alone)]
        pd.testing.assert_series_equal(*both)


def test_coverage_of_bouches_du_rhone_is_counted_in_inhabitants():
    gap = qs.compare("poverty_rate", geo_vintage=2024, year=2021, reference=None, by="department")
    assert gap.set_index("territory").loc["Bouches-du-Rhône", "coverage"] == pytest.approx(0.917, abs=0.0005)
    assert gap.attrs["coverage_base"] == "population 2020"


def test_extreme_bounds_are_the_widest_and_have_their_name():
    asked = {"geo_vintage": 2015, "year": 2021, "by": "region", "reference": "rest_of_commune"}
    usual, widest = (qs.compare("poverty_rate", interval=name, **asked) for name in ("bounds", "extremes"))
    hidden = (usual["n_used"] < usual["n_total"]) & usual["qpv_lower"].notna()
    assert hidden.sum() > 5
    for side in ("qpv", "reference", "difference", "ratio"):
        low, high = (f"{side}_{end}" for end in ("lower", "upper"))
        assert (widest[low] <= usual[low] + 1e-9)[hidden & usual[low].notna()].all(), side
        assert (widest[high] >= usual[high] - 1e-9)[hidden & usual[high].notna()].all(), side
    assert set(usual.loc[hidden, "interval"]) == {"secrecy"}
    assert set(widest.loc[hidden, "interval"]) == {"extremes"}
    narrower = (usual["qpv_upper"] - usual["qpv_lower"]) / (widest["qpv_upper"] - widest["qpv_lower"])
    assert narrower[hidden].median() < 0.6


def test_positions_have_the_bounds_of_compare():
    row = qs.positions("Nord", 2015, years={"poverty_rate": 2021}).set_index("indicator").loc["poverty_rate"]
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=2021, territory="Nord", by=None).iloc[0]
    assert (row["lower"], row["upper"], row["interval"]) == (gap["qpv_lower"], gap["qpv_upper"], "secrecy")
    assert (row["commune_lower"], row["commune_upper"]) == (gap["reference_lower"], gap["reference_upper"])


def test_five_million_inhabitants_in_the_zoning_of_2024():
    gap = qs.compare("population", geo_vintage=2024, year=2020, reference=None, by=None, territory="country:FM")
    assert gap["qpv_value"].iloc[0] == pytest.approx(5.3e6, rel=0.005)


def test_single_parent_recipients_are_weighted_by_their_own_denominator():
    gap = qs.compare("single_parent_recipient_share", geo_vintage=2015, year=2020, by=None, territory="Hérault").iloc[0]
    rows = qs.load_observations(
        "single_parent_recipient_share", geo_level="qpv", geo_vintage=2015, year=2020, territory="Hérault"
    )
    assert gap["weight"] == "denominator"
    assert gap["qpv_value"] == pytest.approx(np.average(rows["value"], weights=rows["denominator"]))


def test_reference_commune_is_the_published_rate_of_the_commune():
    gap = qs.compare("poverty_rate", by="commune", territory="Béziers", **ASKED).iloc[0]
    commune = qs.load_observations("poverty_rate", geo_level="commune", year=2019, territory="Béziers").iloc[0]
    assert gap["reference_value"] == commune["value"]
    assert (gap["reference_lower"], gap["reference_upper"]) == (commune["value"] - 0.5, commune["value"] + 0.5)
    assert gap["difference"] == pytest.approx(gap["qpv_value"] - commune["value"])
    assert gap["ratio"] == pytest.approx(gap["qpv_value"] / commune["value"])


def test_a_commune_is_compared_with_itself_not_with_the_neighbours_of_a_straddling_quarter():
    gap = qs.compare("poverty_rate", by="commune", territory="commune:59367", **ASKED).iloc[0]
    own = qs.load_observations("poverty_rate", geo_level="commune", year=2019, territory="commune:59367").iloc[0]
    assert gap["reference_value"] == own["value"]
    assert gap["reference_n_total"] == 1
    alone = qs.compare("poverty_rate", by=None, territory="commune:59367", **ASKED).iloc[0]
    assert alone["reference_value"] == own["value"]


def test_communes_that_straddling_quarters_link_are_named():
    gap = qs.compare("poverty_rate", by=None, territory="commune:93006", reference="rest_of_commune", **ASKED).iloc[0]
    assert "à cheval" in gap["note"]
    assert "Aubervilliers" in gap["note"]


def test_a_reference_has_the_same_bounds_in_every_call():
    rows = [
        qs.compare("poverty_rate", reference="region:76", territory=territory, by=by, **ASKED).iloc[0]
        for territory, by in (("Lille", None), (None, "region"), ("Toulouse", "qpv"))
    ]
    # to the last digits: sums are not made in the same order, and ends of withheld communes are no round numbers
    bounds = {(round(row["reference_lower"], 9), round(row["reference_upper"], 9)) for row in rows}
    assert len(bounds) == 1


def test_a_count_that_lacks_a_quarter_is_not_a_total():
    gap = qs.compare("benefit_recipients", geo_vintage=2015, year=2020, by="department", territory="Occitanie")
    partial = gap[gap["n_used"] < gap["n_total"]]
    assert len(partial)
    assert partial["qpv_value"].isna().all()
    assert (partial["flag"] == "suppressed").all()
    assert (partial["qpv_lower"] < partial["qpv_upper"]).all()
    assert (gap["reference_lower"].dropna() >= 0).all()


def test_impossible_bounds_stop_at_the_limits_of_the_indicator():
    for indicator, year in (("disability_allowance_recipients", 2020), ("poverty_rate", 2019)):
        gap = qs.compare(indicator, geo_vintage=2015, year=year, by="commune", reference="rest_of_commune")
        known = gap[gap["flag"] != "unreliable"]
        assert (known["reference_lower"].dropna() >= 0).all()


def test_a_territory_outside_the_field_is_empty_not_an_accident():
    gap = qs.compare("poverty_rate", geo_vintage=2024, year=2021, territory="Mayotte", reference=None, by=None).iloc[0]
    assert (gap["n_used"], gap["n_total"], gap["flag"]) == (0, 17, "unavailable")


def test_bounds_of_secrecy_do_not_depend_on_the_territory_asked_for():
    bounds = ["qpv_lower", "qpv_upper", "reference_lower", "reference_upper"]
    asked = {"geo_vintage": 2015, "by": "commune", "reference": "rest_of_commune"}
    for indicator, year in (("rsa_recipients", 2020), ("poverty_rate", 2019)):
        every = qs.compare(indicator, year=year, **asked).set_index("territory_code")
        hidden = every[every["note"].str.contains("sous secret") & every["reference_lower"].notna()]
        for code in hidden.index[:3]:
            alone = qs.compare(indicator, year=year, territory=code, **asked).set_index("territory_code")
            pd.testing.assert_series_equal(alone.loc[code, bounds], hidden.loc[code, bounds])


def test_what_is_left_of_a_count_where_every_quarter_is_withheld_lies_between_nothing_and_the_whole():
    asked = {"geo_vintage": 2015, "year": 2020, "territory": "commune:78124", "by": "commune"}  # its one QPV is secret
    whole = qs.compare("rsa_recipients", reference="commune", **asked).iloc[0]
    rest = qs.compare("rsa_recipients", reference="rest_of_commune", **asked).iloc[0]
    assert rest["n_used"] == 0 and pd.isna(rest["reference_value"])
    assert 0 <= rest["reference_lower"] < rest["reference_upper"] == whole["reference_upper"]


def test_coverage_counts_the_quarters_outside_the_field():
    gap = qs.compare("poverty_rate", by=None, reference=None, **ASKED).iloc[0]
    people = qs.load_observations("population", geo_level="qpv", geo_vintage=2015, year=2018).set_index("geo_code")
    rates = qs.load_observations("poverty_rate", geo_level="qpv", **ASKED).dropna(subset=["value"])
    expected = people["value"].reindex(rates["geo_code"]).sum() / people["value"].sum()
    assert gap["coverage"] == pytest.approx(expected)


def test_rest_of_commune_is_the_commune_less_its_quarters():
    gap = qs.compare("poverty_rate", by="commune", territory="Béziers", reference="rest_of_commune", **ASKED).iloc[0]
    commune = qs.load_observations("poverty_rate", geo_level="commune", year=2019, territory="Béziers").iloc[0]
    rates = qs.load_observations("poverty_rate", geo_level="qpv", territory="Béziers", **ASKED).set_index("geo_code")
    people = qs.load_observations("population", geo_level="qpv", geo_vintage=2015, year=2018).set_index("geo_code")
    inhabitants = qs.load_observations("population", geo_level="commune", year=2021, territory="Béziers")["value"].iloc[
        0
    ]
    weight = people["value"].reindex(rates.index) * commune["denominator"] / inhabitants
    poor = commune["value"] * commune["denominator"] - (weight * rates["value"]).sum()
    assert gap["reference_value"] == pytest.approx(poor / (commune["denominator"] - weight.sum()))
    assert gap["reference_lower"] <= gap["reference_value"] <= gap["reference_upper"]
    assert gap["reference_value"] < commune["value"]
    assert "soustraction" in gap["note"]


def test_weights_in_the_base_of_the_whole_are_not_brought_to_it_again():
    """One QPV without recipients published does not turn the weights of all others into inhabitants."""
    asked = {"geo_vintage": 2015, "year": 2020, "by": "department", "reference": "rest_of_commune"}
    gap = qs.compare("rsa_recipient_share", **asked)
    assert gap["note"].str.contains("sous secret").any()
    assert not gap["note"].str.contains("bases différentes").any()


def test_a_straddling_quarter_brings_both_communes_whole():
    """Nouveau Mons lies in Lille, Mons-en-Barœul and others: the rest is that of all its communes."""
    gap = qs.compare("poverty_rate", by="qpv", territory="Lille", reference="rest_of_commune", **ASKED)
    assert gap["reference_value"].nunique() == 1
    assert gap["reference_n_total"].iloc[0] > 1


def test_a_withheld_quarter_hides_the_rest_but_not_its_bounds():
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=2021, by="department", reference="rest_of_commune")
    hidden = gap[gap["note"].str.contains("sous secret") & (gap["n_used"] > 0)]
    assert len(hidden) > 10
    assert hidden["reference_value"].isna().all()
    assert hidden["difference"].isna().all()
    known = hidden.dropna(subset=["reference_lower"])
    assert (known["reference_lower"] <= known["reference_upper"]).all()
    assert (known["interval"] == "secrecy").all()


def test_bounds_contain_values_and_counts_are_consistent():
    for reference in ("commune", "rest_of_commune", "urban_unit"):
        gap = qs.compare("poverty_rate", by="department", reference=reference, **ASKED)
        for side in ("qpv", "reference"):
            known = gap.dropna(subset=[f"{side}_value", f"{side}_lower"])
            assert (known[f"{side}_lower"] <= known[f"{side}_value"] + 1e-9).all()
            assert (known[f"{side}_value"] <= known[f"{side}_upper"] + 1e-9).all()
        assert (gap["n_used"] <= gap["n_total"]).all()
        assert gap["coverage"].between(0, 1).all()


def test_medians_are_described_not_averaged():
    gap = qs.compare("median_standard_of_living", reference="region", **ASKED)
    several = gap[gap["n_used"] > 1]
    assert several["qpv_value"].isna().all()
    assert several["difference"].isna().all()
    assert (several["flag"] == "not_applicable").all()
    assert (several["qpv_q1"] <= several["qpv_median"]).all()
    values = qs.load_observations("median_standard_of_living", geo_level="qpv", territory="Occitanie", **ASKED)["value"]
    occitanie = gap.set_index("territory").loc["Occitanie"]
    assert occitanie["qpv_median"] == values.median()
    assert occitanie["reference_value"] == 20980  # printed by Insee for the region


def test_the_median_of_one_quarter_is_compared():
    gap = qs.compare("median_standard_of_living", by="qpv", territory="Béziers", **ASKED)
    assert (gap["difference"] < 0).all()


@pytest.mark.parametrize("indicator", ["median_standard_of_living", "decile_ratio", "social_benefit_income_share"])
def test_nothing_is_subtracted_from_a_median_or_a_score(indicator):
    with pytest.raises(ComparabilityError, match="neither summed nor subtracted"):
        qs.compare(indicator, reference="rest_of_commune", **ASKED)


def test_a_reference_that_is_not_published_lists_those_that_are():
    with pytest.raises(UnavailableLevelError, match="read by QPV only"):
        qs.compare("foreigner_share", geo_vintage=2015, year=2022)
    with pytest.raises(UnavailableLevelError, match="communes need most of these"):
        qs.compare("single_parent_recipient_share", geo_vintage=2015, year=2020, territory="Guadeloupe")


def test_a_reference_of_too_few_people_has_no_value_and_says_so():
    gap = qs.compare("poverty_rate", reference="department", by="region", **ASKED).set_index("territory")
    row = gap.loc["Normandie"]
    assert np.isnan(row["reference_value"])
    assert row["reference_coverage"] < 0.9
    assert "il en faut 90 %" in row["note"]


def test_a_territory_by_code_as_reference():
    gap = qs.compare("median_standard_of_living", by="qpv", territory="Béziers", reference="region:76", **ASKED)
    assert set(gap["reference_label"]) == {"Occitanie"}
    assert (gap["reference_value"] == 20980).all()


def test_process_interval_is_wilson_around_the_pooled_rate():
    gap = qs.compare("c2s_share", geo_vintage=2015, year=2022, reference=None, by="commune", territory="Béziers",
                     interval="process").iloc[0]  # fmt: skip
    rows = qs.load_observations("c2s_share", geo_level="qpv", geo_vintage=2015, year=2022, territory="Béziers")
    n = rows["denominator"].sum()
    k = round((rows["value"] * rows["denominator"] / 100).sum())
    z = 1.959963984540054
    centre, half = (k + z * z / 2) / (n + z * z), z / (n + z * z) * np.sqrt(k * (n - k) / n + z * z / 4)
    assert gap["interval"] == "process"
    assert (gap["qpv_lower"], gap["qpv_upper"]) == pytest.approx((100 * (centre - half), 100 * (centre + half)))


def test_process_keeps_the_bounds_of_secrecy_where_a_quarter_is_withheld():
    asked = {"geo_vintage": 2015, "year": 2021, "reference": None, "by": "region"}
    chance = qs.compare("poverty_rate", interval="process", **asked).set_index("territory")
    bounds = qs.compare("poverty_rate", **asked).set_index("territory")
    partial = chance["n_used"] < chance["n_total"]
    assert partial.any()
    assert (chance.loc[partial & (chance["n_used"] > 0), "interval"] == "secrecy").all()
    assert chance.loc["Occitanie", "qpv_lower"] == bounds.loc["Occitanie", "qpv_lower"]
    assert chance.loc["Guyane", "interval"] == "none"


@pytest.mark.parametrize("indicator", ["one_person_household_share", "employment_rate", "median_standard_of_living"])
def test_chance_needs_the_number_behind_a_rate(indicator):
    year = 2019 if indicator.startswith("median") else 2022
    with pytest.raises(ComparabilityError):
        qs.compare(indicator, geo_vintage=2015, year=year, reference=None, interval="process")


def test_quarters_outside_the_field_are_counted_not_bounded():
    gap = qs.compare("poverty_rate", **ASKED).set_index("territory").loc["Guyane"]
    assert (gap["n_used"], gap["n_total"], gap["flag"]) == (0, 32, "unavailable")
    assert gap[["qpv_value", "qpv_lower", "qpv_upper"]].isna().all()
    assert "hors du champ" in gap["note"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"indicator": "poverty_rat"}, "Did you mean 'poverty_rate'"),
        ({"reference": "comune"}, "Did you mean 'commune'"),
        ({"by": "regions"}, "Did you mean 'region'"),
        ({"interval": "boundz"}, "Did you mean 'bounds'"),
        ({"interval": "extreme"}, "Did you mean 'extremes'"),
        ({"territory": "Occitani"}, "Did you mean 'Occitanie'"),
        ({"lang": "de"}, "Unknown lang 'de'"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_name(arguments, message):
    with pytest.raises(UnknownNameError, match=message):
        qs.compare(**{"indicator": "poverty_rate", **ASKED, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"year": "2019"}, "Write 2019 without quotes"),
        ({"territory": 76}, "region:76"),
        ({"min_coverage": 2}, "between 0 and 1"),
    ],
)
def test_another_type_or_range_is_refused_with_what_to_write(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        qs.compare(**{"indicator": "poverty_rate", **ASKED, **arguments})


def test_a_territory_without_quarters_says_so():
    with pytest.raises(
        UnavailableLevelError, match=r"Lozère .* no QPV of the 2015 zoning in the files read.*pass geo_vintage=2024"
    ):
        qs.compare("poverty_rate", territory="Lozère", **ASKED)


def test_a_wrong_zoning_or_year_lists_those_that_exist():
    with pytest.raises(UnavailableLevelError, match=r"qpv 2015 \(2016, 2017, 2018, 2019, 2021\)"):
        qs.compare("poverty_rate", geo_vintage=2024, year=2019)


def test_english_labels():
    gap = qs.compare("poverty_rate", lang="en", by=None, **ASKED).iloc[0]
    assert gap["reference_label"] == "communes that host the QPV"
    assert "outside the field" in gap["note"]


def test_every_published_figure_of_the_quarters_can_be_summarised():
    """Whatever the catalogue publishes by QPV goes through `compare`, without reference."""
    listed = qs.list_indicators(geo_level="qpv")
    from qpv_sante.catalogue import catalogue

    for indicator in listed["id"]:
        places = {(r["geo_vintage"], r["year"]) for r in catalogue().published(indicator) if r["geo_level"] == "qpv"}
        for vintage, year in places:
            gap = qs.compare(indicator, geo_vintage=vintage, year=year, reference=None, by=None)
            assert gap["n_used"].iloc[0] > 900, (indicator, vintage, year)
            assert pd.notna(gap["qpv_median"].iloc[0])


def test_iris_of_arrondissements_count_for_their_city() -> None:
    """Paris, Lyon and Marseille are published by arrondissement: without them, a third of Île-de-France is missing."""
    asked = {"geo_vintage": 2015, "year": 2020, "reference": "commune", "by": "commune"}
    cities = qs.compare("single_parent_recipient_share", **asked, territory="commune:75056")
    assert cities["reference_coverage"].iloc[0] > 0.9
    iris = qs.load_observations("single_parent_recipient_share", geo_level="iris", year=2020)
    paris = iris[iris["geo_code"].str.startswith("751") & iris["value"].notna()]
    expected = (paris["value"] * paris["denominator"]).sum() / paris["denominator"].sum()
    assert cities["reference_value"].iloc[0] == pytest.approx(expected)


def test_a_commune_without_iris_counts_for_its_inhabitants() -> None:
    """Foix and Saint-Girons have no IRIS: what is known of Pamiers alone is not the rest of the three."""
    row = qs.compare(
        "single_parent_recipient_share", geo_vintage=2015, year=2020, reference="rest_of_commune", by="department",
        territory="Ariège",
    ).iloc[0]  # fmt: skip
    assert row["reference_coverage"] < 0.6
    assert pd.isna(row["reference_value"])
    assert row["reference_lower"] < row["reference_upper"]


@pytest.mark.parametrize("territory", ["Guadeloupe", "Guyane", "Martinique", "La Réunion"])
def test_a_territory_outside_the_field_of_the_source_has_a_row_that_says_it(territory):
    row = qs.compare("poverty_rate", geo_vintage=2015, year=2021, territory=territory).iloc[0]
    assert row["flag"] == "unavailable"
    assert "hors du champ de la source" in row["note"]
    assert (row["n_used"], row["reference_n_total"]) == (0, 0)


@pytest.mark.parametrize("reference", [None, "commune", "rest_of_commune", "region", "country"])
@pytest.mark.parametrize("by", [None, "region", "qpv"])
def test_overseas_quarters_of_2024_have_a_row_against_every_reference(reference, by):
    gap = qs.compare("poverty_rate", geo_vintage=2024, year=2021, reference=reference, by=by, territory="Mayotte")
    assert (gap["flag"] == "unavailable").all()
    assert (gap["note"] != "").all()


def test_overseas_quarters_are_not_set_against_metropolitan_france():
    asked = {"reference": "country", "min_coverage": 0.5, **ASKED}
    whole = qs.compare("poverty_rate", by=None, **asked).iloc[0]
    assert whole["territory_code"] == "country:FM"
    assert whole["qpv_value"] == pytest.approx(by_hand("France métropolitaine"))
    assert whole["qpv_value"] == pytest.approx(43.44, abs=0.005)
    assert "104 QPV d'outre-mer" in whole["note"]
    # against the communes that host them, all are in
    hosts = qs.compare("poverty_rate", by=None, reference="commune", **ASKED).iloc[0]
    assert hosts["territory_code"] == "country:F"
    assert hosts["qpv_value"] == pytest.approx(43.75, abs=0.005)


def test_a_reference_without_a_value_says_why():
    asked = {"geo_vintage": 2015, "year": 2019, "by": None, "territory": "Hérault"}
    several = qs.compare("median_standard_of_living", reference="commune", **asked).iloc[0]
    assert pd.isna(several["reference_value"])
    assert "ne s'agrègent" in several["note"]


def test_an_intercommunality_is_told_in_the_limits_of_its_figures():
    asked = {"geo_vintage": 2015, "year": 2019, "by": None, "reference": "epci"}
    known = qs.compare("median_standard_of_living", territory="Hérault", **asked)
    assert "dans leurs limites de 2021" in known["note"].iloc[0]
    # under another code in that year: its figure is not that of the two it is made of
    lille = qs.compare("median_standard_of_living", territory="Lille", **asked).iloc[0]
    assert pd.isna(lille["reference_value"])
    assert "ne donne pas ce territoire de référence (codes de 2021)" in lille["note"]


def test_every_weight_that_is_not_a_base_has_an_error():
    from qpv_sante.catalogue import catalogue
    from qpv_sante.quarter_values import quarters_with_values

    seen = 0
    for indicator in catalogue().indicators.values():
        places = {(r["geo_vintage"], r["year"]) for r in catalogue().published(indicator.id) if r["geo_level"] == "qpv"}
        for vintage, year in places if indicator.kind == "rate" else ():
            quarters = quarters_with_values(indicator, geo_vintage=vintage, year=year, sex="_T", age="_T")
            estimated = (quarters["weight_base"] != "denominator") & quarters["weight"].notna()
            assert (quarters.loc[quarters["weight_base"] == "denominator", "weight_sd"] == 0).all()
            if not indicator.weight_is_base:
                assert (quarters.loc[estimated, "weight_sd"] > 0.01).all(), (indicator.id, vintage, year)
                seen += int(estimated.any())
            used = quarters[quarters["in_field"] & quarters["value"].notna()]
            assert ((used["least"] <= used["value"]) & (used["value"] <= used["most"])).all()
            hidden = quarters[quarters["in_field"] & quarters["value"].isna()]
            assert (hidden["least"] < hidden["most"]).all()
            assert hidden[["least", "most"]].clip(0, 100).equals(hidden[["least", "most"]])
    assert seen > 8
