"""Summary measures against hand computation, independent libraries, their properties and their coverage."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpv_sante import inequality
from qpv_sante.errors import QpvSanteError, UnknownNameError
from qpv_sante.inequality import bootstrap
from qpv_sante.inequality.groups import _left_out
from qpv_sante.inequality.resampling import cluster_errors, process_errors
from qpv_sante.inequality.words import TEXTS

summarize = partial(inequality.summarize, lang="en")

CODES = ["d", "r", "aci", "rci", "rci_erreygers", "rci_wagstaff", "sii", "rii", "sii_logit", "rii_logit"]
CODES += ["bgv", "bgsd", "cov", "mdmu", "mdmw", "mdbu", "mdbw", "mdru", "mdrw", "idisu", "idisw", "ti", "mld"]
CODES += ["par", "paf"]

# Three groups, by hand. Shares 1/4, 1/4, 1/2; mean 40/4 + 30/4 + 20/2 = 27.5; mid-ranks 1/8, 3/8, 3/4.
Y, N, RANK = [40, 30, 20], [100, 100, 200], [1, 2, 3]
ACI = 0.25 * (2 / 8 - 1) * 40 + 0.25 * (6 / 8 - 1) * 30 + 0.5 * (6 / 4 - 1) * 20  # -4.375
SPREAD = 0.25 * (1 / 8 - 1 / 2) ** 2 + 0.25 * (3 / 8 - 1 / 2) ** 2 + 0.5 * (3 / 4 - 1 / 2) ** 2  # variance of X
SII = ACI / 2 / SPREAD  # -31.11
BY_HAND = {
    "d": 20,
    "r": 2,
    "aci": -4.375,
    "rci": -4.375 / 27.5,
    "rci_erreygers": 4 * -4.375 / 100,
    "rci_wagstaff": -4.375 * 100 / (72.5 * 27.5),
    "sii": SII,
    "rii": (27.5 + SII / 2) / (27.5 - SII / 2),
    "bgv": 0.25 * 12.5**2 + 0.25 * 2.5**2 + 0.5 * 7.5**2,  # 68.75
    "bgsd": 68.75**0.5,
    "cov": 100 * 68.75**0.5 / 27.5,
    "mdmu": (12.5 + 2.5 + 7.5) / 3,
    "mdmw": 0.25 * 12.5 + 0.25 * 2.5 + 0.5 * 7.5,
    "mdbu": (20 + 10 + 0) / 3,
    "mdbw": 0.25 * 20 + 0.25 * 10,
    "mdru": (10 + 0 + 10) / 3,
    "mdrw": 0.25 * 10 + 0.5 * 10,
    "idisu": 100 * 7.5 / 27.5,
    "idisw": 100 * 7.5 / 27.5,
    "ti": 1000 * (10 / 27.5 * np.log(40 / 27.5) + 7.5 / 27.5 * np.log(30 / 27.5) + 10 / 27.5 * np.log(20 / 27.5)),
    "mld": -1000 * (0.25 * np.log(40 / 27.5) + 0.25 * np.log(30 / 27.5) + 0.5 * np.log(20 / 27.5)),
}


@pytest.fixture(scope="module")
def groups():
    rng = np.random.default_rng(8)
    index = [f"QN{i:06d}" for i in range(12)]
    return {
        "estimate": pd.Series(rng.uniform(10, 60, 12), index=index),
        "population": pd.Series(rng.integers(500, 9000, 12), index=index),
        "se": pd.Series(rng.uniform(0.5, 2, 12), index=index),
        "rank": pd.Series(rng.permutation(12) + 1, index=index),
    }


# --- values ------------------------------------------------------------------------------------------------------


def test_values_by_hand():
    index = ["poor", "middle", "rich"]
    frame = summarize(pd.Series(Y, index=index), pd.Series(N, index=index), rank=RANK, reference="middle")
    assert frame.index.tolist() == CODES
    assert frame.columns.tolist() == ["value", "se", "lower", "upper", "unit", "interval", "method", "note"]
    assert frame["value"][list(BY_HAND)].to_dict() == pytest.approx(BY_HAND)
    assert frame["value"][["par", "paf"]].tolist() == [0, 0]  # the reference is above the mean: no gain possible
    assert summarize(Y, N, rank=RANK, measures=["par", "paf"])["value"].tolist() == pytest.approx(
        [20 - 27.5, -750 / 27.5]
    )


def test_logistic_slope_against_statsmodels():
    import statsmodels.api as sm

    rng = np.random.default_rng(4)
    y, n = rng.uniform(5, 80, 9), rng.integers(100, 5000, 9)
    share = n / n.sum()
    x = np.cumsum(share) - share / 2
    model = sm.GLM(y / 100, sm.add_constant(x), family=sm.families.Binomial(), freq_weights=share)
    top, bottom = 100 * model.fit(tol=1e-12).predict(np.array([[1, 1], [1, 0]]))
    value = summarize(y, n, rank=range(1, 10), measures=["sii_logit", "rii_logit"])["value"]
    assert value.tolist() == pytest.approx([top - bottom, top / bottom], rel=1e-8)


def test_linear_slope_against_statsmodels_and_expanded_people():
    import statsmodels.api as sm

    y, n = np.array([35.0, 42, 18, 25]), np.array([30, 10, 40, 20])
    share = n / n.sum()
    x = np.cumsum(share) - share / 2
    fit = sm.WLS(y, sm.add_constant(x), weights=share).fit()
    value = summarize(y, n, rank=[1, 2, 3, 4])["value"]
    assert value["sii"] == pytest.approx(fit.params[1])
    # One person at a time, ties within a group: twice the covariance of value and mid-rank.
    people, ranks = np.repeat(y, n), np.repeat(x, n)
    assert value["aci"] == pytest.approx(2 * np.cov(people, ranks, bias=True)[0, 1])
    assert value["bgv"] == pytest.approx(people.var())
    assert value["mdmw"] == pytest.approx(np.abs(people - people.mean()).mean())


def test_groups_of_equal_rank_share_their_mid_rank_and_make_one_end():
    # Ranks 1, 1, 2: the first two groups are one class of mid-rank 1/4 and of mean (40 + 30) / 2.
    tied = summarize([40, 30, 20], [100, 100, 200], rank=[1, 1, 2])["value"]
    pooled = summarize([35, 20], [200, 200], rank=[1, 2])["value"]
    same = ["d", "r", "aci", "rci", "rci_erreygers", "rci_wagstaff", "sii", "rii", "par"]
    assert tied[same].tolist() == pytest.approx(pooled[same].tolist())
    # The logistic fit only sees the mean of tied groups as well.
    assert tied["sii_logit"] == pytest.approx(pooled["sii_logit"])
    assert tied["bgv"] > pooled["bgv"]


@pytest.mark.parametrize(
    ("options", "d", "r", "par"),
    [
        ({"rank": RANK}, 20, 2, -7.5),
        ({"rank": RANK, "favourable": True}, -20, 0.5, 0),
        ({"rank": RANK[::-1], "favourable": True}, 20, 2, 12.5),
        ({}, 20, 2, -7.5),
        ({"favourable": True}, 20, 2, 12.5),
        ({"reference": 1}, 10, 40 / 30, 0),
        ({"reference": 1, "favourable": True}, 10, 1.5, 2.5),
    ],
)
def test_pairs_and_references(options, d, r, par):
    value = summarize(Y, N, **options)["value"]
    assert value[["d", "r", "par"]].tolist() == pytest.approx([d, r, par])
    assert value["paf"] == pytest.approx(100 * par / 27.5)


def test_the_best_group_depends_on_the_direction():
    assert summarize(Y, N, measures=["mdbu"])["value"].item() == pytest.approx(10)
    assert summarize(Y, N, measures=["mdbu"], favourable=True)["value"].item() == pytest.approx((0 + 10 + 20) / 3)


def test_sign_of_the_concentration_does_not_depend_on_the_direction():
    for favourable in (False, True):
        value = summarize(Y, N, rank=RANK, favourable=favourable)["value"]
        assert (value[["aci", "rci", "sii", "sii_logit"]] < 0).all()
        assert (value[["rii", "rii_logit"]] < 1).all()


def test_bounds_rescale_the_bounded_measures():
    codes = ["rci_erreygers", "rci_wagstaff", "rii_logit"]
    percent = summarize(Y, N, rank=RANK, measures=codes)["value"]
    share = summarize(np.array(Y) / 100, N, rank=RANK, measures=codes, bounds=(0, 1))["value"]
    assert share.tolist() == pytest.approx(percent.tolist())
    shifted = summarize(np.array(Y) + 50, N, rank=RANK, measures=codes[:2], bounds=(50, 150))["value"]
    assert shifted.tolist() == pytest.approx(percent[:2].tolist())


# --- properties --------------------------------------------------------------------------------------------------

GROUPS = st.integers(2, 12).flatmap(
    lambda size: st.tuples(
        st.lists(st.floats(0.5, 95), min_size=size, max_size=size),
        st.lists(st.integers(1, 10_000), min_size=size, max_size=size),
        st.lists(st.integers(1, 5), min_size=size, max_size=size),
    )
)
ABSOLUTE = ["d", "aci", "sii", "bgv", "bgsd", "mdmu", "mdmw", "mdbu", "mdbw", "mdru", "mdrw", "par"]
RELATIVE = ["r", "rci", "rii", "cov", "idisu", "idisw", "ti", "mld", "paf"]


def close(one, other, scale=1.0):
    assert one.tolist() == pytest.approx(other.tolist(), rel=1e-6, abs=1e-7 * scale, nan_ok=True)


@given(data=GROUPS, favourable=st.booleans())
@settings(max_examples=60)
def test_properties_of_values(data, favourable):
    y, n, rank = (np.array(column, dtype=float) for column in data)
    options = {"rank": rank, "reference": 0, "favourable": favourable}
    value = summarize(y, n, **options)["value"]
    for code in ("rci", "rci_erreygers", "rci_wagstaff"):
        assert np.isnan(value[code]) or -1 - 1e-9 <= value[code] <= 1 + 1e-9
    never_negative = ["bgv", "bgsd", "cov", "mdmu", "mdmw", "mdbu", "mdbw", "mdru", "mdrw", "idisu", "idisw"]
    assert (value[never_negative] >= 0).all()
    assert (value[["ti", "mld"]] >= -1e-9).all()
    # Adding a constant leaves absolute measures; multiplying leaves relative ones and scales absolute ones.
    close(summarize(y + 4, n, **options)["value"][ABSOLUTE], value[ABSOLUTE], 100)
    double = summarize(2 * y, n, **options, bounds=(0, 200))["value"]
    close(double[RELATIVE], value[RELATIVE], 100)
    linear = [code for code in ABSOLUTE if code != "bgv"]
    close(double[linear], 2 * value[linear], 100)
    assert double["bgv"] == pytest.approx(4 * value["bgv"], abs=1e-6)
    # The size of the population does not matter, only its shares.
    close(summarize(y, 7 * n, **options)["value"], value, 100)
    # Reversing the ranks changes the sign of the gradient.
    back = summarize(y, n, **options | {"rank": -rank})["value"]
    signed = ["aci", "rci", "sii", "sii_logit"]
    close(back[signed], -value[signed], 100)


@given(data=GROUPS)
@settings(max_examples=30)
def test_splitting_a_group_leaves_the_measures_over_people(data):
    y, n, rank = (np.array(column, dtype=float) for column in data)
    n = n + 1
    twice = [np.append(column, column[0]) for column in (y, n, rank)]
    twice[1][[0, -1]] = n[0] / 2
    codes = ["aci", "rci", "sii", "rii", "sii_logit", "bgv", "cov", "mdmw", "mdbw", "idisw", "ti", "mld", "par", "d"]
    whole = summarize(y, n, rank=rank, measures=codes)["value"]
    close(summarize(twice[0], twice[1], rank=twice[2], measures=codes)["value"], whole, 100)


def test_order_of_the_rows_does_not_matter(groups):
    order = np.random.default_rng(1).permutation(12)
    for options in ({"rank": groups["rank"]}, {}):
        given_order = {name: groups[name] for name in ("estimate", "population", "se")} | options
        shuffled = {name: column.iloc[order] for name, column in given_order.items()}
        one = summarize(**given_order, reference="QN000003")
        pd.testing.assert_frame_equal(one, summarize(**shuffled, reference="QN000003"), rtol=1e-9)


def test_equal_groups_have_no_inequality():
    value = summarize([25] * 4, [10, 20, 30, 40], rank=[1, 2, 3, 4], reference=0)["value"]
    ratios = ["r", "rii", "rii_logit"]
    assert value[ratios].tolist() == pytest.approx([1, 1, 1])
    assert value.drop(ratios).tolist() == pytest.approx([0] * 22, abs=1e-9)


# --- intervals ---------------------------------------------------------------------------------------------------


def test_linear_intervals_by_hand():
    frame = summarize(Y, N, se=[2, 3, 1], rank=RANK, measures=["d", "aci", "sii", "par"])
    aci_se = ((0.25 * 0.75 * 2) ** 2 + (0.25 * 0.25 * 3) ** 2 + (0.5 * 0.5 * 1) ** 2) ** 0.5
    par_se = ((0.25 * 2) ** 2 + (0.25 * 3) ** 2 + (0.5 * 1) ** 2) ** 0.5
    assert frame["se"].tolist() == pytest.approx([5**0.5, aci_se, aci_se / 2 / SPREAD, par_se])
    assert frame.loc["d", ["lower", "upper"]].tolist() == pytest.approx(
        [20 - 1.959964 * 5**0.5, 20 + 1.959964 * 5**0.5]
    )
    assert set(frame["method"]) == {"normal"}
    assert set(frame["interval"]) == {"sampling"}


def test_ratio_interval_is_on_the_log_scale():
    row = summarize(Y, N, se=[2, 3, 1], rank=RANK, measures=["r"]).loc["r"]
    log_se = ((2 / 40) ** 2 + (1 / 20) ** 2) ** 0.5
    assert [row["lower"], row["upper"]] == pytest.approx([2 * np.exp(sign * 1.959964 * log_se) for sign in (-1, 1)])
    assert row["method"] == "delta_log"


def test_analytic_standard_errors_match_difference_quotients():
    y, n, se = np.array([62.0, 45, 50, 30, 21]), [100, 250, 80, 300, 150], np.array([2, 1, 3, 1.5, 2])
    for options in (
        {"rank": [1, 2, 2, 3, 4]},
        {"rank": [1, 2, 2, 3, 4], "reference": 0, "favourable": True},
        {"rank": [4, 2, 2, 3, 1], "reference": 4},
    ):
        frame = summarize(y, n, se=se, **options)
        codes = frame.index[frame["method"].isin(["normal", "delta", "delta_log"])].tolist()
        assert set(codes) == {*CODES[:10], "par", "paf"}
        assert (frame.loc[["par", "paf"], "value"] != 0).all()
        slopes = []
        for step in 1e-4 * np.eye(5):
            up, down = (summarize(y + sign * step, n, **options)["value"][codes] for sign in (1, -1))
            slopes.append((up - down) / 2e-4)
        expected = np.sqrt(((np.array(slopes) * se[:, None]) ** 2).sum(axis=0))
        assert frame.loc[codes, "se"].tolist() == pytest.approx(expected.tolist(), rel=1e-5)


def test_values_lie_inside_their_limits_and_levels_widen(groups):
    for options in ({"rank": groups["rank"], "reference": "QN000001"}, {"rank": None, "reference": None}):
        call = {name: groups[name] for name in ("estimate", "population", "se")} | options
        narrow, wide = summarize(**call, level=0.8), summarize(**call, level=0.998)
        known = narrow["lower"].notna()
        assert known.sum() >= 15
        for frame in (narrow[known], wide[known]):
            assert (frame["lower"] <= frame["value"]).all()
            assert (frame["value"] <= frame["upper"]).all()
        assert (wide["lower"] <= narrow["lower"])[known].all()
        assert (wide["upper"] >= narrow["upper"])[known].all()


def test_spread_interval_corrects_for_the_error_of_the_estimates():
    # 300 groups of true variance about 36 with errors of variance 16: the plain value is near 52, the truth near 36.
    rng = np.random.default_rng(5)
    truth = rng.normal(40, 6, 300)
    people = np.full(300, 1000)
    true_value = summarize(truth, people, measures=["bgv"])["value"].item()
    row = summarize(truth + rng.normal(0, 4, 300), people, se=np.full(300, 4.0), measures=["bgv"]).loc["bgv"]
    assert row["value"] > true_value + 8
    assert row["lower"] < true_value < row["value"] <= row["upper"]
    assert "adds about 1" in row["note"]  # Σ p (1 - p) se² = 15.9
    assert row["method"] == "inverted_test"


def share_held(rate, people, measures, repeats, **options):
    """Share of the 95 % intervals of binomial groups that hold the true measure."""
    truth = summarize(rate, people, measures=measures, **options)["value"]
    rng, held = np.random.default_rng(2), pd.Series(0.0, index=truth.index)
    for seed in range(repeats):
        drawn = 100 * rng.binomial(people, rate / 100) / people
        errors = {"se": process_errors(drawn, people), "interval": "process"}
        frame = summarize(drawn, people, measures=measures, draws=200, seed=seed, **errors, **options)
        held += (frame["lower"] <= truth + 1e-9) & (truth <= frame["upper"] + 1e-9)
    return held / repeats


@pytest.mark.parametrize(("rate", "number", "size"), [(30.0, 12, 100), (30.0, 5, 30)])
def test_intervals_of_spread_hold_equality(rate, number, size):
    """Where all groups are equal, error alone makes a spread: the intervals must still hold none (0.45 to 0.72 before).

    benchmarks/coverage_inequality.py measures them all, on more scenes; 0.95 less four standard errors of 120 samples
    is 0.87.
    """
    measures = ["bgv", "bgsd", "mdmw", "idisw", "ti", "mdbu", "d", "par", "paf"]
    held = share_held(np.full(number, rate), np.full(number, size), measures, 120)
    assert (held >= 0.88).all(), held.to_dict()
    away = share_held(np.linspace(10, 60, number), np.full(number, size), ["bgsd", "idisw", "ti", "d"], 60)
    assert (away >= 0.85).all(), away.to_dict()


def test_the_interval_of_a_variance_is_that_of_a_noncentral_chi_square():
    """With equal errors, K bgv / se² is a noncentral chi-square of K - 1 degrees, and so can be inverted exactly."""
    from scipy.optimize import brentq
    from scipy.stats import ncx2

    y, size = np.array([20.0, 26, 31, 24, 36, 29, 40, 22]), np.full(8, 100)
    row = summarize(y, size, se=np.full(8, 4.0), measures=["bgv"], draws=20_000).loc["bgv"]
    seen = 8 * y.var() / 16
    limits = [brentq(lambda shift, tail=tail: ncx2.cdf(seen, 7, shift) - tail, 1e-6, 200) for tail in (0.975, 0.025)]
    assert row["value"] == pytest.approx(y.var())
    assert row[["lower", "upper"]].tolist() == pytest.approx([16 * limit / 8 for limit in limits], rel=0.03, abs=0.6)
    # fewer differences than error makes: equality cannot be ruled out
    flat = summarize(30 + (y - y.mean()) / 8, size, se=np.full(8, 4.0), measures=["bgv", "bgsd", "mdmw", "ti"])
    assert flat["lower"].tolist() == pytest.approx([0] * 4, abs=1e-9)
    assert (flat["upper"] > flat["value"]).all()


def test_the_interval_of_a_chosen_difference_is_that_of_all_of_them():
    """Šidák: with three differences each is held at the cube root of the level."""
    from scipy.stats import norm

    row = summarize([40, 30, 20], [1, 1, 1], se=[2, 2, 2], measures=["d", "par"]).loc["d"]
    half = norm.ppf((1 + 0.95 ** (1 / 3)) / 2) * 2 * 2**0.5
    assert row[["lower", "upper"]].tolist() == pytest.approx([20 - half, 20 + half])
    assert row["method"] == "simultaneous"
    assert np.isnan(row["se"])
    two = summarize([40, 20], [1, 1], se=[2, 2], measures=["d"]).loc["d"]
    known = summarize([40, 20], [1, 1], se=[2, 2], rank=[1, 2], measures=["d"]).loc["d"]
    assert two[["lower", "upper"]].tolist() == pytest.approx(known[["lower", "upper"]].tolist())


def test_estimates_that_are_all_equal_or_without_error():
    measures = ["bgv", "mdmw", "idisw", "d"]
    equal = summarize([30, 30, 30], N, se=[2, 2, 2], measures=measures)
    assert (equal["value"] == 0).all()
    assert (equal["lower"] == 0).all()
    assert (equal["upper"] > 0).all()
    sure = summarize(Y, N, se=[0, 0, 0], measures=measures)
    assert sure["lower"].isna().all()
    assert sure["note"].str.contains("all standard errors are zero").all()
    assert summarize(Y, N, se=[0, 2, 2], measures=measures)["lower"].notna().all()


def test_errors_of_qpv_drawn_again_are_those_of_the_linearised_ratio():
    rng = np.random.default_rng(3)
    members = pd.DataFrame({"group": np.repeat(["a", "b", "c"], [40, 12, 1]), "value": rng.uniform(10, 60, 53)})
    members["weight"] = rng.integers(500, 9000, 53)
    found = cluster_errors(members, draws=20_000)
    for group, part in members[members["group"] != "c"].groupby("group"):
        n, w, v = len(part), part["weight"], part["value"]
        residual = w * (v - np.average(v, weights=w))
        assert found[group] == pytest.approx(np.sqrt(n / (n - 1) * (residual**2).sum()) / w.sum(), rel=0.08)
    assert np.isnan(found["c"])
    shuffled = cluster_errors(members.sample(frac=1, random_state=1), draws=20_000)
    pd.testing.assert_series_equal(found, shuffled)


def test_coverage():
    rng = np.random.default_rng(9)
    truth, people, rank = rng.normal(40, 7, 15), rng.integers(500, 5000, 15), np.arange(1, 16)
    codes = ["aci", "sii", "rii", "sii_logit", "rci_wagstaff", "bgv", "mdmw", "idisw", "ti", "mld"]
    expected = summarize(truth, people, rank=rank, measures=codes)["value"]
    held = pd.Series(0.0, index=codes)
    for seed in range(80):
        drawn = truth + rng.normal(0, 2, 15)
        frame = summarize(drawn, people, se=np.full(15, 2.0), rank=rank, measures=codes, draws=200, seed=seed)
        held += (frame["lower"] <= expected) & (expected <= frame["upper"])
    assert held.div(80).between(0.85, 1).all()


def test_no_standard_error_no_interval(groups):
    exhaustive = summarize(groups["estimate"], groups["population"], rank=groups["rank"])
    assert exhaustive[["se", "lower", "upper", "interval", "method"]].isna().all(axis=None)
    assert exhaustive.loc["sii", "note"].startswith("no standard errors given: no interval")
    some = groups["se"].copy()
    some.iloc[3] = np.nan
    frame = summarize(**groups | {"se": some})
    assert frame["lower"].isna().all()
    assert "1 of 12 groups have no standard error" in frame.loc["aci", "note"]


def test_kind_of_uncertainty_is_copied(groups):
    frame = summarize(**groups, interval="model", measures=["aci", "ti"])
    assert frame["interval"].tolist() == ["model", "model"]


# --- what the input does not allow -------------------------------------------------------------------------------


def test_measures_without_rank_or_reference_are_listed_with_the_reason():
    frame = summarize(Y, N)
    assert frame.index.tolist() == CODES
    ordered = ["aci", "rci", "rci_erreygers", "rci_wagstaff", "sii", "rii", "sii_logit", "rii_logit"]
    assert frame.loc[ordered, "value"].isna().all()
    assert set(frame.loc[ordered, "note"]) == {"needs `rank` (1 = most disadvantaged)"}
    assert set(frame.loc[["mdru", "mdrw"], "note"]) == {"needs `reference`"}
    assert frame["value"].notna().sum() == 25 - 10


def test_notes_are_french_by_default():
    asked = {"estimate": [40, 30, 15], "population": [1, 1, 2], "se": [5, 5, 5]}
    frame, english = inequality.summarize(**asked), summarize(**asked)
    assert frame.loc["sii", "note"] == "demande `rank` (1 = le plus défavorisé)"
    said, _, amount = frame.loc["bgv", "note"].partition(" environ ")
    assert said == "l'erreur des estimations ajoute"
    assert "," in amount.partition("\u202f;")[0], "a decimal comma"
    pd.testing.assert_frame_equal(frame.drop(columns="note"), english.drop(columns="note"))
    assert (frame["note"] != english["note"])[frame["note"] != ""].all()
    assert all({"fr", "en"} == set(words) for words in TEXTS.values())
    with pytest.raises(UnknownNameError, match="lang"):
        inequality.summarize(Y, N, lang="de")


def test_zeros_are_not_replaced():
    frame = summarize([40, 30, 0], [1, 1, 2])
    # Shares 1/4, 1/4, 1/2, mean 17.5: the zero adds nothing to Theil and has no logarithm.
    theil = 1000 * (10 / 17.5 * np.log(40 / 17.5) + 7.5 / 17.5 * np.log(30 / 17.5))
    assert frame.loc["ti", "value"] == pytest.approx(theil)
    assert np.isnan(frame.loc["mld", "value"])
    assert "logarithm of zero" in frame.loc["mld", "note"]
    assert np.isnan(frame.loc["r", "value"])
    assert "denominator is zero" in frame.loc["r", "note"]
    nothing = summarize([0, 0, 0], [1, 1, 2], rank=RANK)["value"]
    assert nothing[["d", "bgv", "aci", "sii"]].tolist() == [0, 0, 0, 0]
    assert nothing[["rci", "cov", "idisw", "ti", "paf", "rci_wagstaff", "sii_logit"]].isna().all()


def test_negative_values_only_leave_absolute_measures():
    frame = summarize([-5, 10, 20], N, rank=RANK, reference=1)
    assert frame.loc[RELATIVE, "value"].isna().all()
    assert frame.loc[RELATIVE, "note"].str.contains("negative").all()
    assert frame.loc[ABSOLUTE, "value"].notna().all()
    assert frame.loc["rci_erreygers", "note"] == "estimates outside `bounds` (0 to 100)"


def test_a_missing_estimate_is_not_skipped():
    frame = summarize([40, None, 20], N, rank=RANK)
    assert frame["value"].isna().all()
    assert set(frame["note"]) == {"1 of 3 groups have no estimate or no population"}
    with pytest.raises(QpvSanteError, match="1 of 3 groups"):
        bootstrap([40, None, 20], N)


def test_undefined_fits_say_why():
    frame = summarize([0, 0, 50], [1, 1, 2], rank=RANK, se=[1, 1, 1])
    assert "zero or less at an end" in frame.loc["rii", "note"]
    assert "no finite solution" in summarize([100, 0], [1, 1], rank=[1, 2]).loc["sii_logit", "note"]
    near = summarize([1, 1, 50], [1, 1, 2], se=[1, 1, 1], measures=["ti", "mld"])
    assert near.loc["mld", "note"].endswith("no interval")  # a draw at zero has no logarithm
    assert near.loc["ti", "note"] == ""
    assert frame.loc["r", ["value", "note"]].tolist()[0] == 0
    assert np.isnan(frame.loc["r", "upper"])
    same = summarize(Y, N, rank=[2, 2, 2])
    assert set(same.loc[["d", "r", "aci", "sii"], "note"]) == {"all groups share one rank"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: summarize([120, 30], [1, 1], rank=[1, 2], measures=["rci_wagstaff"]), r"0 \(estimate=120\)"),
        (lambda: summarize([40], [1]), "two groups or more; found 1"),
        (lambda: summarize(Y, [1, 0, 3]), r"1 \(population=0\)"),
        (lambda: summarize(Y, N, se=[1, -1, 1]), "`se` must not be negative"),
        (lambda: summarize(Y, N, rank=[1, None, 2]), "`rank` must be known"),
        (lambda: summarize(Y, N, bounds=(100, 0)), "least, greatest"),
        (lambda: summarize(Y, N, reference="QN09301M"), "is not a group"),
        (lambda: summarize(Y, N, measures=["theil"]), "Valid: d, r, aci"),
        (lambda: summarize(Y, N, measures="ti"), "sequence of codes"),
        (lambda: summarize(Y, N, level=95), "strictly between 0 and 1"),
        (lambda: summarize(Y, N, interval="chance"), "Valid: sampling"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(QpvSanteError, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)


def test_a_label_twice_cannot_be_a_reference():
    with pytest.raises(UnknownNameError, match="several groups"):
        summarize(pd.Series(Y, index=["a", "a", "b"]), N, reference="a")


# --- resampling and time -----------------------------------------------------------------------------------------


def test_bootstrap_equals_summaries_of_the_drawn_groups():
    y, n, rank = np.array([40.0, 30, 20, 33, 8]), np.array([100, 100, 200, 50, 10]), np.array([1, 2, 2, 3, 4])
    frame = bootstrap(y, n, rank=rank, draws=25, seed=3)
    # `summarize` orders by rank, then value, then population; the draws follow that order.
    order = np.lexsort((n, y, rank))
    times = np.random.default_rng(3).multinomial(5, np.full(5, 1 / 5), size=25)
    for draw, counts in enumerate(times):
        chosen = np.repeat(order, counts)
        again = summarize(y[chosen], n[chosen], rank=rank[chosen])["value"]
        several = len(set(rank[chosen])) > 1
        codes = [code for code in CODES if several or code in ("bgv", "mdmu", "mdbw", "idisu", "ti", "mld", "paf")]
        close(frame.loc[draw, codes], again[codes], 100)
    # Without rank the best and the extreme groups are those drawn. The order is then that of the values.
    frame = bootstrap(y, n, draws=25, seed=3)
    for draw, counts in enumerate(times):
        chosen = np.repeat(np.argsort(y), counts)
        codes = ["d", "r", "par", "paf", "mdbu", "mdbw"]
        close(frame.loc[draw, codes], summarize(y[chosen], n[chosen], measures=codes)["value"], 100)


def test_all_measures_are_there_for_all_neighbourhoods():
    """The time is measured in benchmarks/inference.py."""
    rng = np.random.default_rng(0)
    y, n, rank = rng.uniform(20, 60, 1362), rng.integers(1000, 9000, 1362), rng.permutation(1362)
    frame = bootstrap(y, n, rank=rank, reference=5, draws=20)
    assert frame.shape == (20, 25)
    assert frame.notna().all(axis=None)
    for options in ({"rank": rank}, {}):
        found = summarize(y, n, se=np.full(1362, 2.0), reference=5, draws=20, **options)
        assert found.loc[found["value"].notna(), "lower"].notna().all()


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, []), (1, ["un QPV non compté, faute de valeur"]), (12, ["12 QPV non comptés, faute de valeur"])],
)
def test_quarters_that_are_not_counted_are_told(number, said):
    assert _left_out(number, "value", "fr") == said
