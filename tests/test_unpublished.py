"""What is withheld, and weights that are not the base: ranges and errors, on frames of which the truth is known."""

import numpy as np
import pandas as pd
import pytest

from qpv_sante import aggregation, quarter_values, unpublished
from qpv_sante.catalogue import Withheld


def quarters(seed=1, size=400, groups=40):
    """QPV made so that one-person households are more numerous by inhabitant where they are a larger share."""
    rng = np.random.default_rng(seed)
    share = rng.normal(38, 11, size).clip(5, 80)
    people = np.exp(rng.normal(7.8, 0.7, size)).round()
    households = (people * 0.42 * np.exp(0.014 * (share - 38) + rng.normal(0, 0.05, size))).round()
    frame = pd.DataFrame({"value": share.round(1), "denominator": households, "people": people})
    frame["group"] = rng.integers(0, groups, size).astype(str)
    return frame.assign(
        lower=frame["value"] - 0.05, upper=frame["value"] + 0.05, interval="rounding", flag="observed", in_field=True
    )


def pooled_with(frame, weights, **ranges):
    ranges = ranges or {"least": frame["lower"], "most": frame["upper"]}
    made = frame.assign(weight=weights.weight, weight_sd=weights.sd, **ranges)
    return aggregation.pool(made.assign(**weights.tilts(made)), "group", kind="rate")


def by_households(frame):
    """The truth, in plain arithmetic."""
    sums = (
        frame.assign(product=frame["value"] * frame["denominator"]).groupby("group")[["product", "denominator"]].sum()
    )
    return sums["product"] / sums["denominator"]


def held(pooled, truth):
    return ((pooled["lower"] <= truth + 1e-9) & (truth <= pooled["upper"] + 1e-9)).mean()


def test_a_missing_base_is_estimated_for_that_unit_alone():
    frame = pd.DataFrame(
        {"value": [30.0, 50.0, 40.0], "denominator": [300.0, 700.0, np.nan], "people": [1000, 1000, 800]}
    )
    found = quarter_values.completed_base(frame["denominator"], frame["value"], frame["people"], "population 2020")
    assert found.weight.tolist() == [300, 700, 400]  # half of its inhabitants, as in the two others together
    assert found.base.tolist() == ["denominator", "denominator", "population 2020"]
    assert found.sd.tolist()[:2] == [0, 0]
    assert found.label == "denominator, 1 estimated from population 2020"


def test_a_group_whose_bases_are_all_published_gains_no_bounds():
    frame = quarters()
    hidden = frame["group"] == "3"
    found = quarter_values.completed_base(frame["denominator"].mask(hidden), frame["value"], frame["people"], "")
    pooled = pooled_with(frame, found)
    own = pooled["upper"] - pooled["lower"]
    assert own.drop("3").max() == pytest.approx(0.1)
    assert own["3"] > 0.3
    assert pooled["interval"].eq("weight").tolist() == [group == "3" for group in pooled.index]


@pytest.mark.parametrize("hide", ["at random", "smallest", "highest"])
def test_bounds_hold_the_rate_by_households_where_some_households_are_hidden(hide):
    found = []
    for seed in range(8):
        frame = quarters(seed)
        rng = np.random.default_rng(seed)
        rank = frame["people" if hide == "smallest" else "value"].rank(pct=True)
        chosen = {"at random": rng.random(len(frame)) < 0.2, "smallest": rank < 0.2, "highest": rank > 0.8}[hide]
        weights = quarter_values.completed_base(
            frame["denominator"].mask(chosen), frame["value"], frame["people"], "population"
        )
        concerned = pd.Series(chosen, index=frame.index).groupby(frame["group"]).any()
        found.append(held(pooled_with(frame, weights)[concerned], by_households(frame)[concerned]))
    assert np.mean(found) >= 0.95


def test_bounds_hold_the_rate_by_households_where_inhabitants_are_the_weight():
    frame, elsewhere = quarters(2), quarters(3)
    error = unpublished.base_error(elsewhere["denominator"] / elsewhere["people"], elsewhere["value"])
    every = pd.Series(True, index=frame.index)
    centre = np.average(frame["value"], weights=frame["people"])
    weights = quarter_values.Weights(
        frame["people"], "", "", estimated=every, error=unpublished.widest([error]), centre=centre
    )
    pooled, truth = pooled_with(frame, weights), by_households(frame)
    assert held(pooled, truth) >= 0.95
    # bounds of rounding alone hold hardly any
    assert held(pooled.assign(lower=pooled["value"] - 0.05, upper=pooled["value"] + 0.05), truth) < 0.2


def history(seed):
    """Rates of two years that follow each other, as those of poverty do."""
    rng = np.random.default_rng(seed)
    frame = quarters(seed).drop(columns="denominator")
    earlier = pd.Series(rng.normal(43, 8, len(frame)).clip(15, 80), index=frame.index)
    value = (0.98 * earlier + 1 + rng.normal(0, 2.4, len(frame))).round(1)
    return frame.assign(value=value, lower=value - 0.05, upper=value + 0.05, weight=frame["people"]), earlier


@pytest.mark.parametrize("hide", ["at random", "lowest", "highest", "both ends"])
@pytest.mark.parametrize("seen_before", [True, False])
def test_ranges_hold_what_is_hidden_and_are_narrower_than_the_extremes(hide, seen_before):
    inside, narrow, one_by_one = [], [], []
    for seed in range(8):
        frame, earlier = history(seed)
        rank = frame["value"].rank(pct=True)
        chance = np.random.default_rng(seed).random(len(frame))
        chosen = {
            "at random": chance < 0.2,
            "lowest": (rank < 0.2) & (chance < 0.5),
            "highest": (rank > 0.8) & (chance < 0.5),
            "both ends": ((rank < 0.1) | (rank > 0.9)) & (chance < 0.5),
        }[hide]
        shown = frame.copy()
        shown.loc[chosen, ["value", "lower", "upper"]] = np.nan
        ranges = unpublished.value_ranges(shown, [earlier] if seen_before else [], limits=[0, 100])
        shown = shown.assign(**ranges)
        pooled = aggregation.pool(shown, "group", kind="rate")
        wide = aggregation.pool(quarter_values.with_extremes(shown, "rate"), "group", kind="rate", withheld="extremes")
        truth = aggregation.pool(frame, "group", kind="rate")["value"]
        concerned = (pooled["interval"] == "secrecy").to_numpy()
        inside.append(held(pooled[concerned], truth[concerned]))
        narrow.append(((pooled["upper"] - pooled["lower"]) / (wide["upper"] - wide["lower"]))[concerned].median())
        one_by_one.append(frame["value"].between(ranges["least"], ranges["most"])[chosen].mean())
        assert (wide["lower"] <= pooled["lower"] + 1e-9).all() and (pooled["upper"] <= wide["upper"] + 1e-9).all()
        assert set(wide["interval"]) <= {"rounding", "extremes"}
    assert np.mean(inside) >= 0.95
    # one extreme QPV is what its neighbours in the file tell least of
    assert np.mean(one_by_one) >= (0.95 if hide == "at random" else 0.9)
    assert np.mean(narrow) < (0.5 if seen_before else 1.0)


def test_small_units_have_wider_ranges_as_their_errors_are_larger():
    rng = np.random.default_rng(4)
    size = pd.Series(np.exp(rng.uniform(6, 10, 600)))
    earlier = pd.Series(rng.normal(40, 8, 600))
    value = earlier + rng.normal(0, 100, 600) / np.sqrt(size)
    frame = pd.DataFrame({"value": value, "lower": value, "upper": value, "weight": size})
    frame.loc[[0, 1], ["value", "lower", "upper"]] = np.nan
    frame.loc[[0, 1], "weight"] = [500.0, 20_000.0]
    ranges = unpublished.value_ranges(frame, [earlier])
    small, large = (ranges["most"] - ranges["least"]).loc[[0, 1]]
    assert small == pytest.approx(large * np.sqrt(40), rel=0.15)


def test_a_count_withheld_for_being_small_lies_under_the_threshold():
    """Below all that is published, by construction: the rule says it, the distribution cannot."""
    rng = np.random.default_rng(0)
    people = pd.Series(rng.integers(800, 6000, 300), dtype=float)
    value = (people * rng.normal(0.006, 0.002, 300).clip(0.001)).round()
    frame = pd.DataFrame({"value": value, "lower": value, "upper": value, "weight": people})
    hidden = value < 11
    assert 0.1 < hidden.mean() < 0.5
    shown = frame.mask(pd.concat([hidden] * 3 + [hidden & False], axis=1).to_numpy())
    told = unpublished.value_ranges(shown, rule=Withheld(fewer_than=11), counts=True)[hidden]
    assert ((told["least"] <= value[hidden]) & (value[hidden] <= told["most"])).all()
    assert told["most"].max() == 10
    assert told["least"].max() == 0
    assert (
        unpublished.value_ranges(shown, rule=Withheld(fewer_than=11, zero_too=False), counts=True)[hidden]["least"]
        .eq(1)
        .all()
    )
    # what the lowest published value would bound is nowhere near
    assert value[~hidden].min() >= 11


def test_a_share_is_withheld_for_its_numerator_or_for_its_complement():
    def ends(published, size):
        frame = pd.DataFrame({"value": [*published, np.nan], "weight": [500.0] * len(published) + [size]})
        frame = frame.assign(lower=frame["value"], upper=frame["value"])
        return unpublished.value_ranges(frame, limits=[0, 100], rule=Withheld(fewer_than=11)).iloc[-1].tolist()

    assert ends([10, 20, 30], 200.0) == [0, 5]
    assert ends([90, 80, 85], 200.0) == [95, 100]
    # smaller than twice the threshold: either, so any value
    assert ends([10, 20, 30], 12.0) == [0, 100]


def test_a_source_that_withholds_for_other_reasons_too_stretches_ranges_that_reach_the_threshold():
    frame = pd.DataFrame({"value": [10.0, 30.0, 20.0, np.nan, np.nan], "weight": [100.0, 100, 100, 100, 3000]})
    frame = frame.assign(lower=frame["value"], upper=frame["value"])
    rule = Withheld(fewer_than=5, others_too=True)
    ranges = unpublished.value_ranges(frame, rule=rule, counts=True)
    without = unpublished.value_ranges(frame, counts=True)
    assert ranges.loc[3, "least"] == 0
    assert ranges["most"].tolist() == without["most"].tolist()
    far = frame.assign(value=[100.0, 110.0, 105.0, np.nan, np.nan])
    far = far.assign(lower=far["value"], upper=far["value"])
    # some ninety of them are expected in the smaller one: it is not withheld for being small
    assert unpublished.value_ranges(far, rule=rule, counts=True).loc[3, "least"] > 50


def test_bounds_reveal_nothing_of_what_is_hidden():
    frame, earlier = history(5)
    shown = frame.copy()
    shown.loc[:40, ["value", "lower", "upper"]] = np.nan
    one = unpublished.value_ranges(shown, [earlier], limits=[0, 100])
    other = unpublished.value_ranges(shown.iloc[::-1], [earlier.iloc[::-1]], limits=[0, 100])
    pd.testing.assert_frame_equal(one, other.sort_index())
    assert one.loc[:40].notna().all(axis=None)


def test_the_rest_holds_what_the_weights_of_its_parts_leave_unknown():
    whole = pd.DataFrame({"value": [25.0], "lower": [25.0], "upper": [25.0], "weight": [1000.0]}, index=["c"])
    parts = pd.DataFrame({"group": "c", "value": [45.0], "lower": [45.0], "upper": [45.0], "weight": [200.0]})
    exact = aggregation.remainder(whole, parts, "group").loc["c"]
    doubt = parts.assign(least=45.0, most=45.0, weight_sd=0.1, tilt_low=-0.05, tilt_high=0.05)
    rest = aggregation.remainder(whole, doubt, "group").loc["c"]
    assert rest["value"] == exact["value"] == 20

    def outside(weight):
        return (25_000 - 45 * weight) / (1000 - weight)

    # five per cent more for all, then 1.96 standard deviations of a tenth: 200 x 0.1 x (20 - 45) / 800 each
    chance = 1.959964 * 0.1 * 200 * 25 / 800
    assert rest["lower"] == pytest.approx(outside(200 * np.exp(0.05)) - chance)
    assert rest["upper"] == pytest.approx(outside(200 * np.exp(-0.05)) + chance)


def test_a_unit_alone_has_no_error_of_weight():
    frame = quarters(6, size=5, groups=1).assign(group=["a", "b", "c", "d", "e"])
    every = pd.Series(True, index=frame.index)
    weights = quarter_values.Weights(
        frame["people"], "", "", estimated=every, error=unpublished.BaseError(-0.02, 0.02, 0.3), centre=40.0
    )
    pooled = pooled_with(frame, weights)
    assert set(pooled["interval"]) == {"rounding"}
    assert (pooled["upper"] - pooled["lower"]).to_numpy() == pytest.approx(0.1)


def test_two_units_that_are_equal_do_not_tell_the_others():
    """A few published values have a spread that is itself in doubt: of two that agree it would be none."""
    value = pd.Series([30.0, 30.0, np.nan])
    frame = pd.DataFrame({"value": value, "lower": value, "upper": value, "weight": 1000.0})
    assert unpublished.value_ranges(frame, limits=[0, 100]).loc[2].tolist() == [0, 100]


@pytest.mark.parametrize("count", [5, 8, 15, 29])
def test_few_published_units_hold_one_more_as_often_as_many_do(count):
    rng = np.random.default_rng(count)
    inside = []
    for _ in range(400):
        value = pd.Series(rng.gamma(9, 4, count + 1))
        frame = pd.DataFrame({"value": value, "lower": value, "upper": value, "weight": 1000.0})
        frame.loc[count, ["value", "lower", "upper"]] = np.nan
        least, most = unpublished.value_ranges(frame, limits=[0, 1000]).loc[count]
        inside.append(least <= value[count] <= most)
    assert np.mean(inside) >= 0.97  # more than a normal law would ask: any distribution with one mode is held to 95 %
