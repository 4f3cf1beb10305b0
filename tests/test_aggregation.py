"""Pooling: hand-computed cases, and what must hold whatever the numbers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qpv_sante import aggregation


def units(values, weights, groups=None, *, half=0.0, flags=None):
    values = pd.Series(values, dtype=float)
    return pd.DataFrame(
        {
            "group": groups or ["A"] * len(values),
            "value": values,
            "lower": values - half,
            "upper": values + half,
            "interval": "rounding" if half else "none",
            "flag": flags or ["observed" if pd.notna(v) else "suppressed" for v in values],
            "weight": pd.Series(weights, dtype=float),
        }
    )


def test_a_rate_is_pooled_through_numerators_and_denominators():
    # 300 of 1,000 and 60 of 100: 360 of 1,100, not the mean of 30 and 60
    pooled = aggregation.pool(units([30, 60], [1000, 100]), "group", kind="rate")
    assert pooled.loc["A", "value"] == pytest.approx(100 * 360 / 1100)
    assert pooled.loc["A", "value"] != pytest.approx(45)


def test_secrecy_bounds_put_the_withheld_at_the_ends_of_the_observed_distribution():
    pooled = aggregation.pool(units([20, 40, np.nan], [100, 100, 200]), "group", kind="rate")
    row = pooled.loc["A"]
    assert row["value"] == pytest.approx(30)
    assert row["lower"] == pytest.approx((2000 + 4000 + 200 * 20) / 400)
    assert row["upper"] == pytest.approx((2000 + 4000 + 200 * 40) / 400)
    assert (row["n_used"], row["n_total"], row["interval"]) == (2, 3, "secrecy")
    assert row["coverage"] == pytest.approx(0.5)


def test_extremes_of_a_wider_distribution_widen_the_bounds():
    frame = units([20, np.nan], [100, 100])
    own = aggregation.pool(frame, "group", kind="rate").loc["A"]
    wide = aggregation.pool(frame, "group", kind="rate", extremes=(5.0, 80.0)).loc["A"]
    assert (own["lower"], own["upper"]) == (20, 20)
    assert (wide["lower"], wide["upper"]) == pytest.approx((12.5, 50))


def test_rounding_alone_is_called_rounding():
    row = aggregation.pool(units([30, 60], [1, 1], half=0.5), "group", kind="rate").loc["A"]
    assert (row["lower"], row["upper"], row["interval"]) == (44.5, 45.5, "rounding")


def test_a_group_without_any_value_has_no_bounds():
    row = aggregation.pool(units([np.nan, np.nan], [1, 1]), "group", kind="rate", extremes=(0, 100)).loc["A"]
    assert row[["value", "lower", "upper"]].isna().all()
    assert (row["n_used"], row["n_total"], row["interval"]) == (0, 2, "none")


def test_a_unit_of_unknown_weight_is_counted_and_unbounds_its_group():
    row = aggregation.pool(units([10, 20], [100, np.nan]), "group", kind="rate").loc["A"]
    assert row["value"] == 10
    assert (row["n_used"], row["n_total"]) == (1, 2)
    assert np.isnan(row["lower"])
    assert np.isnan(row["upper"])


def test_counts_are_summed_only_if_none_is_withheld():
    whole = aggregation.pool(units([10, 30], [100, 100]), "group", kind="count").loc["A"]
    assert (whole["value"], whole["lower"], whole["upper"]) == (40, 40, 40)
    row = aggregation.pool(units([10, 30, np.nan], [100, 100, 50]), "group", kind="count").loc["A"]
    assert np.isnan(row["value"])
    assert (row["lower"], row["n_used"], row["interval"]) == (40, 2, "secrecy")
    # at most as many as the largest; what its inhabitants tell is in `least` and `most`
    assert row["upper"] == pytest.approx(40 + 30)
    told = units([10, 30, np.nan], [100, 100, 50]).assign(least=[10, 30, 5], most=[10, 30, 15])
    row = aggregation.pool(told, "group", kind="count").loc["A"]
    assert (row["lower"], row["upper"]) == (45, 55)


@pytest.mark.parametrize("kind", ["median", "score", "standardised_rate"])
def test_medians_and_scores_are_never_pooled(kind):
    pooled = aggregation.pool(units([10, 20, 15], [1, 1, 1], ["A", "A", "B"]), "group", kind=kind)
    assert np.isnan(pooled.loc["A", "value"])
    assert pooled.loc["B", "value"] == 15


def test_unreliable_units_are_counted():
    row = aggregation.pool(units([1, 2], [1, 1], flags=["unreliable", "observed"]), "group", kind="rate").loc["A"]
    assert row["unreliable"] == 1


rates = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 10_000)), min_size=1, max_size=30)


@given(rates)
def test_a_pooled_rate_lies_between_its_parts_and_does_not_depend_on_their_order(pairs):
    frame = units([v for v, _ in pairs], [w for _, w in pairs])
    row = aggregation.pool(frame, "group", kind="rate").loc["A"]
    assert frame["value"].min() - 1e-9 <= row["value"] <= frame["value"].max() + 1e-9
    turned = aggregation.pool(frame.iloc[::-1], "group", kind="rate").loc["A"]
    assert turned["value"] == pytest.approx(row["value"])


@given(rates, st.data())
def test_bounds_hold_whatever_the_withheld_values_are(pairs, data):
    """No output reveals a withheld input: only the ends of the observed distribution are used."""
    hidden = data.draw(st.integers(0, len(pairs) - 1))
    true = units([v for v, _ in pairs], [w for _, w in pairs])
    shown = true.copy()
    shown.loc[hidden, ["value", "lower", "upper"]] = np.nan
    shown.loc[hidden, "flag"] = "suppressed"
    if len(pairs) == 1:
        return
    row = aggregation.pool(shown, "group", kind="rate").loc["A"]
    observed = shown["value"].dropna()
    other = true.copy()
    other.loc[hidden, "value"] = data.draw(st.floats(observed.min(), observed.max()))
    whole = (other["value"] * other["weight"]).sum() / other["weight"].sum()
    assert row["lower"] - 1e-9 <= whole <= row["upper"] + 1e-9


def test_remainder_is_the_inverse_of_pooling():
    # commune: 1,000 people, 25 %; its QPV: 200 people, 45 % -> outside: (250 - 90) / 800 = 20 %
    whole = pd.DataFrame({"value": [25.0], "lower": [25.0], "upper": [25.0], "weight": [1000.0]}, index=["c"])
    parts = pd.DataFrame({"group": ["c"], "value": [45.0], "lower": [45.0], "upper": [45.0], "weight": [200.0]})
    rest = aggregation.remainder(whole, parts, "group").loc["c"]
    assert rest["value"] == pytest.approx(20)
    assert (rest["lower"], rest["upper"], rest["weight"]) == pytest.approx((20, 20, 800))
    again = aggregation.pool(units([rest["value"], 45], [rest["weight"], 200]), "group", kind="rate")
    assert again.loc["A", "value"] == pytest.approx(25)


def test_remainder_with_different_bases_is_bounded_by_both():
    # fiscal persons are 90 % of the inhabitants: the QPV counts for 180 in the first base, 200 in the second
    whole = pd.DataFrame({"value": [25.0], "lower": [25.0], "upper": [25.0], "weight": [900.0]}, index=["c"])
    parts = pd.DataFrame({"group": ["c"], "value": [45.0], "lower": [45.0], "upper": [45.0], "weight": [200.0]})
    rest = aggregation.remainder(whole, parts, "group", base_ratio=pd.Series({"c": 0.9})).loc["c"]
    scaled = (25 * 900 - 45 * 180) / 720
    unscaled = (25 * 900 - 45 * 200) / 700
    assert rest["value"] == pytest.approx(scaled)
    assert (rest["lower"], rest["upper"]) == pytest.approx(sorted([scaled, unscaled]))


def test_remainder_has_no_value_but_bounds_when_a_part_is_withheld():
    whole = pd.DataFrame({"value": [25.0], "lower": [24.5], "upper": [25.5], "weight": [1000.0]}, index=["c"])
    parts = pd.DataFrame(
        {
            "group": ["c", "c"],
            "value": [45.0, np.nan],
            "lower": [45.0, np.nan],
            "upper": [45.0, np.nan],
            "weight": [200.0, 100.0],
        }
    )
    rest = aggregation.remainder(whole, parts, "group", extremes=(30.0, 60.0)).loc["c"]
    assert np.isnan(rest["value"])
    assert rest["parts_missing"] == 1
    assert rest["lower"] == pytest.approx((24.5 * 1000 - 45 * 200 - 60 * 100) / 700)
    assert rest["upper"] == pytest.approx((25.5 * 1000 - 45 * 200 - 30 * 100) / 700)


sides = st.tuples(st.floats(1, 99), st.floats(0, 1), st.floats(0, 1))


@given(sides, sides, st.sampled_from(["rounding", "sampling"]))
def test_difference_is_antisymmetric_and_ratios_are_inverse(a, b, kind):
    def frame(side):
        value, down, up = side
        return pd.DataFrame({"value": [value], "lower": [value - down], "upper": [value + up], "interval": [kind]})

    one, other = frame(a), frame(b)
    ab = aggregation.difference_bounds(one, other).iloc[0]
    ba = aggregation.difference_bounds(other, one).iloc[0]
    assert ab["difference"] == pytest.approx(-ba["difference"])
    assert ab["difference_lower"] == pytest.approx(-ba["difference_upper"])
    if min(one["lower"][0], other["lower"][0]) > 0:
        assert ab["ratio"] * ba["ratio"] == pytest.approx(1)
        assert ab["ratio_lower"] * ba["ratio_upper"] == pytest.approx(1)
    assert ab["difference_lower"] <= ab["difference"] + 1e-9
    assert ab["difference"] <= ab["difference_upper"] + 1e-9


def test_chance_is_combined_by_squares_and_bounds_are_added():
    a = pd.DataFrame({"value": [40.0], "lower": [37.0], "upper": [43.0], "interval": ["sampling"]})
    b = pd.DataFrame({"value": [20.0], "lower": [16.0], "upper": [24.0], "interval": ["sampling"]})
    chance = aggregation.difference_bounds(a, b).iloc[0]
    assert (chance["difference_lower"], chance["difference_upper"]) == pytest.approx((15, 25))  # 3-4-5
    # when one contains the other they are not independent: the limits are added
    nested = aggregation.difference_bounds(a, b, disjoint=False).iloc[0]
    assert (nested["difference_lower"], nested["difference_upper"]) == (13, 27)
    sure = aggregation.difference_bounds(a.assign(interval="rounding"), b).iloc[0]
    assert (sure["difference_lower"], sure["difference_upper"]) == (13, 27)
