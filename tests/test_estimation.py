"""Synthetic estimates: computed by hand on a tiny case, then their promises on the embedded figures."""

import re
import warnings

import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante import observations
from qpv_sante.errors import InvalidInputError, UnavailableLevelError, UnknownNameError
from qpv_sante.estimation import MIN_POPULATION, UnvalidatedEstimateError, composition, synthetic, validate
from qpv_sante.estimation.rates import load_survey, regional_finances
from qpv_sante.estimation.validation import error_growth
from qpv_sante.loading import gazetteer

DEPRESSION = "depression_prevalence"
HEALTH = "self_perceived_health_good"


@pytest.fixture(autouse=True, scope="module")
def _snapshot(tmp_path_factory):
    """The embedded figures, whatever was built on this machine."""
    patch = pytest.MonkeyPatch()
    patch.setenv("QPV_SANTE_DATA", str(tmp_path_factory.mktemp("none")))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def finances():
    return qs.estimate(DEPRESSION, predictors=["finances"])


@pytest.fixture(scope="module")
def every_set():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return qs.estimate(DEPRESSION, allow_unvalidated=True, draws=500)


@pytest.fixture(scope="module")
def depression():
    return load_survey(DEPRESSION)


# ---- two categories, two areas, by hand


CELLS = pd.DataFrame(
    {"area": ["A", "A", "B", "B"], "category": ["x", "y"] * 2, "value": [10.0, 30.0, 20.0, 40.0], "n": [30, 70, 50, 50]}
)
RATES = pd.Series({"x": 15.0, "y": 34.0})


def test_a_synthetic_rate_is_the_mean_of_the_rates_by_composition():
    predicted = synthetic.predict(CELLS, RATES, pd.Index(["A", "B"]))
    assert predicted.tolist() == pytest.approx([0.3 * 15 + 0.7 * 34, 0.5 * 15 + 0.5 * 34])


def test_each_area_is_predicted_without_itself():
    areas = pd.DataFrame({"value": [24.0, 30.0], "n": [100, 100]}, index=["A", "B"])
    out = synthetic.leave_one_out(CELLS, areas)
    assert out["predicted"].tolist() == pytest.approx([0.3 * 20 + 0.7 * 40, 0.5 * 10 + 0.5 * 30])
    assert out["constant"].tolist() == [30.0, 24.0]


def test_the_order_of_cells_and_areas_changes_nothing():
    areas = pd.DataFrame({"value": [24.0, 30.0], "n": [100, 100]}, index=["A", "B"])
    straight = synthetic.leave_one_out(CELLS, areas)
    shuffled = synthetic.leave_one_out(CELLS.iloc[[3, 0, 2, 1]], areas.iloc[::-1])
    pd.testing.assert_frame_equal(shuffled.sort_index(), straight)


def test_independence_adds_effects_on_the_logit_scale():
    a, b, whole = 0.2, 0.3, 0.15
    odds = [p / (1 - p) for p in (a, b, whole)]
    product = odds[0] * odds[1] / odds[2]
    both = synthetic.combine([np.array([a]), np.array([b])], np.array([whole]))
    assert both[0] == pytest.approx(product / (1 + product))
    assert synthetic.combine([np.array([a])], np.array([whole]))[0] == a


def test_draws_return_the_published_limits():
    rates = pd.DataFrame({"value": [20.8, 15.6], "lower": [19.2, 15.1], "upper": [22.4, 16.0]})
    drawn = synthetic.draw_rates(rates, 40_000, [0])
    limits = 100 * np.quantile(drawn, [0.025, 0.975], axis=1)
    np.testing.assert_allclose(limits, rates[["lower", "upper"]].T, atol=0.1)


def test_a_rate_without_limits_does_not_vary():
    rates = pd.DataFrame({"value": [80.0], "lower": [np.nan], "upper": [np.nan]})
    assert np.ptp(synthetic.draw_rates(rates, 10, [0])) == 0


def test_limits_are_those_of_numpy():
    values = np.random.default_rng(1).random((5, 101))
    lower, upper = synthetic.percentile_limits(values.copy(), 0.9)
    np.testing.assert_allclose([lower, upper], np.quantile(values, [0.05, 0.95], axis=1))


# ---- compositions


def test_compositions_add_up_to_one(depression):
    quarters = composition.load_quarters(2015)
    for name in ("household", "activity", "finances", "age"):
        share = composition.shares(name, depression, quarters.frame)
        assert list(share.columns) == list(depression.cells[name].national.index)
        known = share.dropna()
        assert len(known) > 1000
        np.testing.assert_allclose(known.sum(axis=1), 1)
        assert (known >= -1e-12).all(axis=None)
        assert share.isna().any(axis=1).equals(share.isna().all(axis=1))


def test_household_shares_by_hand(depression):
    one = pd.DataFrame({"one_person_household_share": [40.0], "single_parent_recipient_share": [20.0]})
    share = composition.shares("household", depression, one).iloc[0]
    # 40 adults alone, 20 single parents, 2 x 40 others
    assert share["household:one_person"] == pytest.approx(40 / 140)
    assert share["household:single_parent"] == pytest.approx(20 / 140)
    assert share.drop(["household:one_person", "household:single_parent"]).sum() == pytest.approx(80 / 140)


def test_single_parents_are_among_the_households_of_several_persons(depression):
    one = pd.DataFrame({"one_person_household_share": [80.0], "single_parent_recipient_share": [60.0]})
    share = composition.shares("household", depression, one).iloc[0]
    assert share["household:single_parent"] == pytest.approx(0.2)
    assert share["household:couple_with_children"] == pytest.approx(0)


def test_activity_shares_by_hand(depression):
    size = depression.cells["activity"].national["n"]
    retired = size["activity:retired"] / size.sum()
    share = composition.shares("activity", depression, pd.DataFrame({"employment_rate": [50.0]})).iloc[0]
    assert share["activity:retired"] == pytest.approx(retired)
    assert share["activity:employed"] == pytest.approx(0.5 * (1 - retired))


def test_ages_of_perceived_health_by_hand():
    survey = load_survey(HEALTH)
    ages = pd.DataFrame({"under_25_share": [40.0], "over_60_share": [15.0]})
    share = composition.shares("age", survey, ages).iloc[0]
    assert share.tolist() == pytest.approx([0.32 / 0.92, 0.45 / 0.92, 0.15 / 0.92])


# ---- the check, recomputed


def test_the_check_lands_on_the_measured_numbers():
    """Predicted from national rates, 13 metropolitan regions: the numbers of the method note."""
    check = validate(DEPRESSION, ["finances", "age"])
    national = check[check["rates"] == "national"].set_index("predictors")
    assert national["n_areas"].unique().tolist() == [13]
    assert national.loc["finances", ["correlation", "mae"]].tolist() == pytest.approx([0.48, 0.86], abs=0.005)
    assert national.loc["age", ["correlation", "mae"]].tolist() == pytest.approx([-0.05, 1.04], abs=0.005)
    assert national["mae_constant"].tolist() == pytest.approx([1.0] * 3, abs=0.005)


def test_left_out_regions_decide():
    check = validate(DEPRESSION, ["finances", "age", "household"])
    out = check[check["rates"] == "leave_one_out"].set_index("predictors")
    assert out.loc["finances", "mae"] < out.loc["finances", "mae_constant"]
    assert out.loc["age", "mae"] > out.loc["age", "mae_constant"]
    assert out["validated"].to_dict() == {
        "household": False,
        "finances": True,
        "age": False,
        "household+finances+age": False,
    }
    assert "aucune source" in out.loc["household", "note"]


def test_age_predicts_departments_and_still_contradicts_what_is_known_of_quarters():
    check = validate(HEALTH, ["age"], lang="en").iloc[0]
    assert check["correlation"] > 0.7
    assert check["mae"] < check["mae_constant"]
    assert check["direction"] == "contradicts"
    assert not check["validated"]
    assert "59.4%" in check["note"]


def test_samples_by_finances_add_up_to_the_regions_sample(depression):
    total = regional_finances().groupby("region")["n"].sum()
    assert total.sort_index().tolist() == depression.areas["n"].sort_index().tolist()


# ---- estimates


def test_the_result_is_rows_of_the_long_table_flagged_as_estimates(finances):
    observations.validate(finances[list(observations.COLUMNS)], where="estimate")
    known = finances.dropna(subset=["value"])
    assert len(finances) == 1400
    assert len(known) > 1200
    assert set(known["flag"]) == {"estimated"}
    assert set(known["interval"]) == {"model"}
    assert (finances.loc[finances["value"].isna(), "reason"] != "").all()
    assert (known["reason"] == "").all()
    assert finances["assumption"].str.contains("pauvreté").all()


def test_an_estimate_by_hand(finances, depression):
    poverty = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    poor = poverty.set_index("geo_code")["value"]["QP034001"] / 100
    rates = depression.cells["finances"].national
    others = rates.drop("finances:difficult")
    alone = np.average(others["value"], weights=others["n"])
    synthetic_rate = poor * rates.loc["finances:difficult", "value"] + (1 - poor) * alone
    of_region = regional_finances().query("region == '76'").set_index("category")["n"]
    region = np.average(rates["value"], weights=of_region[rates.index])
    expected = synthetic_rate * 17.7 / region
    assert finances.set_index("geo_code")["value"]["QP034001"] == pytest.approx(expected)


def test_quarters_and_the_rest_add_up_to_the_published_value(finances, depression):
    known = finances.dropna(subset=["value"]).merge(gazetteer().qpv[["geo_code", "region"]], on="geo_code")
    people = gazetteer().communes.groupby("region")["population"].sum()
    share = composition.shares("finances", depression, composition.load_quarters(2015).frame)
    rates = depression.cells["finances"].national["value"]
    records = {record["area"]: record for record in finances.attrs["benchmark"]}
    for code, group in known.groupby("region"):
        record = records[f"region:{code}"]
        weight = group["population"]
        inside = np.average(group["value"], weights=weight)
        # the rest of the region: what its synthetic rate must be, then the same factor
        part = weight.sum() / people[code]
        of_quarters = np.average(share.loc[group["geo_code"]].to_numpy() @ rates.to_numpy(), weights=weight)
        rest = (record["synthetic"] - part * of_quarters) / (1 - part) * record["factor"]
        published = depression.areas.loc[code, "value"]
        assert part * inside + (1 - part) * rest == pytest.approx(published, rel=1e-12)
        assert record["aggregate"] == pytest.approx(published, rel=1e-12)
        assert record["rest_value"] == pytest.approx(rest)
        assert rates.min() < rest / record["factor"] < rates.max()


def test_more_poverty_more_depression(finances):
    poverty = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    joined = finances.merge(poverty[["geo_code", "value"]], on="geo_code", suffixes=("", "_poverty"))
    joined = joined.dropna(subset=["value", "value_poverty"])
    for _, group in joined.groupby("benchmark"):
        ordered = group.sort_values("value_poverty")
        assert (ordered["value"].diff().dropna() >= -1e-9).all()


def test_the_interval_contains_the_value_and_widens_with_the_level(finances):
    narrow = qs.estimate(DEPRESSION, predictors=["finances"], level=0.8)
    known = finances["value"].notna()
    assert (finances["lower"] <= finances["value"])[known].all()
    assert (finances["value"] <= finances["upper"])[known].all()
    widths = [(frame["upper"] - frame["lower"])[known] for frame in (narrow, finances)]
    assert (widths[0] < widths[1]).all()


def test_the_interval_holds_the_errors_of_the_check_and_of_the_benchmark(finances, depression):
    check = pd.DataFrame(finances.attrs["validation"]).set_index("rates")
    ends = synthetic.logit(finances[["lower", "upper"]].dropna().to_numpy() / 100)
    deviation = (ends[:, 1] - ends[:, 0]) / (2 * 1.96)
    assert (deviation > check.loc["leave_one_out", "error_logit"]).all()
    limits = synthetic.logit(depression.areas.loc["76", ["lower", "upper"]].to_numpy() / 100)
    grown = check.loc["leave_one_out", "error_logit"] * finances.attrs["error_growth"]["factor"]
    both = np.hypot((limits[1] - limits[0]) / (2 * 1.96), grown)
    occitanie = (finances["benchmark"] == "region:76")[finances["value"].notna()].to_numpy()
    assert deviation[occitanie].mean() == pytest.approx(both, rel=0.1)


def test_the_same_seed_gives_the_same_interval_whatever_is_asked_beside():
    asked = {"territory": "Béziers", "draws": 300}
    first = qs.estimate(DEPRESSION, predictors=["finances"], **asked)
    again = qs.estimate(DEPRESSION, predictors=["finances"], **asked)
    other = qs.estimate(DEPRESSION, predictors=["finances"], seed=1, **asked)
    wider = qs.estimate(DEPRESSION, predictors=["finances"], territory="Occitanie", draws=300)
    pd.testing.assert_frame_equal(first, again)
    assert first["value"].equals(other["value"])
    assert not first["lower"].equals(other["lower"])
    inside = wider[wider["geo_code"].isin(first["geo_code"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(inside, first, check_categorical=False)


def test_the_order_of_predictors_changes_nothing():
    asked = {"territory": "Lille", "draws": 300, "allow_unvalidated": True}
    with pytest.warns(UserWarning, match="without a passed check"):
        one = qs.estimate(DEPRESSION, predictors=["household", "finances"], **asked)
    with pytest.warns(UserWarning):
        other = qs.estimate(DEPRESSION, predictors=["finances", "household"], **asked)
    pd.testing.assert_frame_equal(one, other)


def test_sets_stand_side_by_side_with_their_spread(every_set):
    first = every_set[every_set["geo_code"] == "QP034001"].set_index("predictors")
    assert list(first.index) == ["household", "activity", "finances", "household+activity+finances"]
    factor = next(r["factor"] for r in every_set.attrs["benchmark"] if r["area"] == "region:76")
    alone = first["value"].iloc[:3] / [1, 1, factor]
    assert first["spread"].tolist() == pytest.approx([alone.max() - alone.min()] * 4)
    assert first["n_predictors"].tolist() == [1, 1, 1, 3]
    assert first["validated"].tolist() == [False, False, True, False]
    assert first["benchmark"].tolist() == ["", "", "region:76", ""]
    assert "Non calé" in first["assumption"]["household"]


def test_unvalidated_sets_are_withheld_and_say_why():
    frame = qs.estimate(DEPRESSION, territory="Béziers")
    withheld = frame[~frame["validated"]]
    assert withheld["value"].isna().all()
    assert set(withheld["flag"]) == {"unavailable"}
    assert withheld["reason"].str.contains("allow_unvalidated=True").all()
    assert frame.loc[frame["validated"], "value"].notna().all()


def test_nothing_but_unvalidated_sets_is_refused():
    with pytest.raises(UnvalidatedEstimateError, match=r"age: .*MAE 1\.13 against 1\.08"):
        qs.estimate(DEPRESSION, predictors=["age"])
    with pytest.raises(UnvalidatedEstimateError, match="opposé"):
        qs.estimate(HEALTH, predictors=["age"])


def test_perceived_health_on_demand_with_a_warning():
    with pytest.warns(UserWarning, match="contrast"):
        frame = qs.estimate(HEALTH, predictors=["age"], allow_unvalidated=True, territory="Hérault", lang="en")
    known = frame.dropna(subset=["value"])
    assert set(known["benchmark"]) == {"department:34"}
    assert known["value"].between(70, 90).all()
    assert not frame["validated"].any()
    record = frame.attrs["benchmark"][0]
    assert record["aggregate"] == pytest.approx(record["published"])


def test_a_department_with_a_withheld_age_has_no_estimate():
    with pytest.warns(UserWarning):
        frame = qs.estimate(HEALTH, predictors=["age"], allow_unvalidated=True, territory="department:53", lang="en")
    assert frame["value"].isna().all()
    assert frame["reason"].str.contains("no value read").any()


def test_small_quarters_have_no_estimate(finances):
    small = finances["population"] < MIN_POPULATION
    assert small.sum() > 50
    assert finances.loc[small, "value"].isna().all()
    assert finances.loc[small, "reason"].str.contains("moins de 1.000 habitants").all()


def test_a_withheld_composition_gives_no_estimate(finances):
    poverty = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    hidden = poverty.loc[poverty["flag"] == "suppressed", "geo_code"]
    rows = finances[finances["geo_code"].isin(hidden)]
    assert len(rows) == len(hidden) > 0
    assert rows["value"].isna().all()
    large = rows["population"] >= MIN_POPULATION
    assert rows.loc[large, "reason"].str.contains("secret statistique").all()


def test_the_zoning_of_2024_lacks_single_parents():
    with pytest.warns(UserWarning):
        frame = qs.estimate(
            DEPRESSION,
            predictors=["household", "finances"],
            geo_vintage=2024,
            territory="Lille",
            allow_unvalidated=True,
            lang="en",
        )
    by_set = frame.groupby("predictors")["value"].count()
    assert by_set["household"] == 0
    assert by_set["finances"] > 3
    household = frame[(frame["predictors"] == "household") & (frame["population"] >= MIN_POPULATION)]
    assert household["reason"].str.contains("not read for this zoning").all()


def test_without_benchmark_the_national_rates_stand(finances):
    bare = qs.estimate(DEPRESSION, predictors=["finances"], benchmark=None)
    factors = {record["area"]: record["factor"] for record in finances.attrs["benchmark"]}
    known = finances["value"].notna()
    ratio = (finances["value"] / bare["value"])[known]
    assert ratio.to_numpy() == pytest.approx(finances["benchmark"][known].map(factors).to_numpy())
    assert (bare["benchmark"] == "").all()


def test_the_result_carries_its_check_and_its_assumptions(finances):
    check = pd.DataFrame(finances.attrs["validation"])
    assert {"correlation", "mae", "mae_constant"} <= set(check.columns)
    assert set(finances.attrs["assumptions"]) == {"fr", "en"}
    assert any("pas vu" in text for text in finances.attrs["assumptions"]["fr"])
    assert finances.attrs["label"] == "estimation, non mesurée"
    # frames in attrs would make this raise
    assert len(pd.concat([finances, finances])) == 2800
    assert "Filosofi" in qs.cite(finances)


def test_overseas_is_outside_the_check_and_withheld(finances):
    region = finances["geo_code"].map(gazetteer().qpv.set_index("geo_code")["region"])
    overseas = region.str.startswith("0")
    assert overseas.sum() > 50
    assert not finances.loc[overseas, "validated"].any()
    assert finances.loc[~overseas, "validated"].all()
    assert finances.loc[overseas, "value"].isna().all()
    martinique = finances.loc[region == "02", "reason"]
    assert martinique.str.contains("hors du contrôle, qui ne porte que sur 13 régions").any()


def test_overseas_on_demand_warns_of_the_check_and_of_a_factor_far_from_one():
    with pytest.warns(UserWarning) as seen:
        frame = qs.estimate(
            DEPRESSION, predictors=["finances"], territory="Martinique", allow_unvalidated=True, lang="en"
        )
    said = " ".join(str(one.message) for one in seen)
    assert "outside the check" in said
    assert re.search(r"outside 0\.8 to 1\.25.*region:02 \(finances: 0\.66\)", said)
    known = frame.dropna(subset=["value"])
    assert len(known) == 7
    assert not known["validated"].any()
    assert known["reason"].str.contains("metropolitan France only; benchmark factor far from 1").all()
    assert frame.attrs["benchmark"][0]["far"]


def test_the_check_of_perceived_health_covers_93_departments():
    with pytest.warns(UserWarning):
        frame = qs.estimate(HEALTH, predictors=["age"], allow_unvalidated=True, territory="department:971", lang="en")
    assert frame["value"].notna().any()
    assert frame.loc[frame["value"].notna(), "reason"].str.contains("93 departments of metropolitan").all()


def test_exports_and_citations_say_estimate(finances, tmp_path):
    from qpv_sante.export import write_table

    assert set(finances["label"]) == {"estimation, non mesurée"}
    written = write_table(finances.head(3), tmp_path / "e.csv").read_text("utf-8-sig")
    assert written.count("estimation, non mesurée") == 3
    english = qs.estimate(DEPRESSION, predictors=["finances"], territory="Béziers", lang="en")
    assert set(english["label"]) == {"estimate, not measured"}
    assert "Estimation, non mesurée" in qs.cite(finances)
    assert "17 rapports régionaux" in qs.cite(finances)
    assert "Estimation, non mesurée" not in qs.cite(finances.assign(flag="observed"))


def test_the_gain_on_the_constant_carries_its_uncertainty(finances, depression):
    row = validate(DEPRESSION, ["finances"]).set_index("rates").loc["leave_one_out"]
    out = synthetic.leave_one_out(depression.cells["finances"].areas, depression.areas.loc[depression.metropolitan])
    off = (out[["predicted", "constant"]].sub(out["published"], axis=0)).abs()
    by_area = off["constant"] - off["predicted"]
    assert row["n_better"] == (by_area > 0).sum() == 8
    assert row["gain"] == pytest.approx(by_area.mean()) == pytest.approx(row["mae_constant"] - row["mae"])
    assert row[["gain_lower", "gain_upper"]].tolist() == pytest.approx([-0.15, 0.46], abs=0.02)
    assert 0.75 < row["gain_probability"] < 0.9
    assert row["validated"]
    assert "gain faible et incertain sur la constante" in row["note"]
    assert finances["assumption"].str.contains("gain faible et incertain").all()
    english = validate(DEPRESSION, ["finances"], lang="en").iloc[0]
    assert english["note"].startswith("small and uncertain gain over the constant: 0.15 point")
    sure = validate(HEALTH, ["age"]).iloc[0]
    assert sure["gain_lower"] > 0
    assert "incertain" not in sure["note"]


def test_the_benchmark_is_said_to_be_a_constraint(finances):
    for code, words in (("fr", "contrainte, non un contrôle"), ("en", "constraint, not a check")):
        said = " ".join(finances.attrs["assumptions"][code])
        assert words in said
        assert "18-79" in said


def test_a_benchmark_asked_for_that_cannot_be_applied_is_refused_or_told():
    asked = {"territory": "Béziers", "benchmark": "region", "allow_unvalidated": True}
    with pytest.raises(UnavailableLevelError, match="to household"), pytest.warns(UserWarning, match="passed check"):
        qs.estimate(DEPRESSION, predictors=["household"], **asked)
    with pytest.warns(UserWarning, match="cannot be applied to household"):
        frame = qs.estimate(DEPRESSION, predictors=["household", "finances"], **asked)
    told = frame["reason"].str.contains("non calé malgré la demande")
    assert told.groupby(frame["predictors"]).all().to_dict() == {
        "finances": False,
        "household": True,
        "household+finances": True,
    }


def test_errors_grow_as_areas_shrink(finances):
    growth = error_growth("department")
    check = validate(HEALTH, ["age"]).iloc[0]
    assert growth.department == pytest.approx(check["error_logit"])
    assert growth.region < growth.department
    assert growth.factor == growth.ratio == pytest.approx(growth.department / growth.region)
    assert error_growth("region").factor == pytest.approx(growth.ratio**2)
    assert "multipliée par 1,66" in " ".join(finances.attrs["assumptions"]["fr"])
    noise = synthetic.standard_noise(2, 5000, [0])
    assert abs(np.corrcoef(noise)[0, 1]) < 0.05


def test_estimates_are_drawn_on_outlines_of_their_own_zoning():
    frame = qs.estimate(DEPRESSION, predictors=["finances"], territory="Béziers")
    assert qs.attach_zones(frame)["geometry"].notna().all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"indicator": "depresion"}, UnknownNameError, "depression_prevalence"),
        ({"indicator": "poverty_rate"}, UnavailableLevelError, "Estimable: depression_prevalence"),
        ({"predictors": ["finance"]}, UnknownNameError, "Did you mean 'finances'"),
        ({"predictors": []}, UnknownNameError, "no predictor"),
        ({"indicator": HEALTH}, UnknownNameError, "no source read gives"),
        ({"benchmark": "department"}, UnavailableLevelError, "benchmark='region'"),
        ({"benchmark": "regions"}, UnknownNameError, "Did you mean 'region'"),
        ({"geo_vintage": 2020}, UnavailableLevelError, "2015, 2024"),
        ({"territory": "Lozère"}, UnavailableLevelError, "no QPV of the 2015 zoning"),
        ({"draws": 10}, InvalidInputError, "draws is between 100 and"),
        ({"seed": -1}, InvalidInputError, "seed is between 0 and"),
        ({"level": 95}, InvalidInputError, "level"),
        ({"lang": "de"}, UnknownNameError, "lang"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        qs.estimate(**{"indicator": DEPRESSION, **arguments})
