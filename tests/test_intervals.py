"""Intervals against published examples, independent computation, their own symmetries and their coverage."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from counting import calls_of
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from qpv_sante import intervals
from qpv_sante.errors import QpvSanteError, UnknownNameError

Z = stats.norm.ppf(0.975)


def limits(frame, row=0):
    return tuple(frame.iloc[row][["value", "lower", "upper"]].astype(float))


# --- published examples ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "n", "method", "lower", "upper"),
    [
        # Newcombe (1998), Statistics in Medicine 17:857-872, table I: score without correction (method 3),
        # Clopper-Pearson (method 5).
        (81, 263, "wilson", 0.2553, 0.3662),
        (15, 148, "wilson", 0.0624, 0.1605),
        (0, 20, "wilson", 0.0000, 0.1611),
        (1, 29, "wilson", 0.0061, 0.1718),
        (81, 263, "clopper_pearson", 0.2527, 0.3676),
        (0, 20, "clopper_pearson", 0.0000, 0.1684),
    ],
)
def test_one_proportion_as_published(count, n, method, lower, upper):
    assert limits(intervals.proportion(count, n, method=method)) == pytest.approx((count / n, lower, upper), abs=6e-5)


@pytest.mark.parametrize(
    ("a", "m", "b", "n", "method", "expected"),
    [
        # Newcombe (1998), Statistics in Medicine 17:873-890, table II, method 10.
        (56, 70, 48, 80, "newcombe", (0.2, 0.0524, 0.3339)),
        (9, 10, 3, 10, "newcombe", (0.6, 0.1705, 0.8090)),
        (10, 10, 0, 10, "newcombe", (1.0, 0.6075, 1.0)),
        # Perondi et al. (2004), 7/34 against 1/34, and Ritland et al. (2007), 0/16 against 15/72, as computed by the
        # R package contingencytables, companion of Fagerland, Lydersen and Laake (2017).
        (7, 34, 1, 34, "newcombe", (0.1765, 0.0189, 0.3404)),
        (7, 34, 1, 34, "mee", (0.1765, 0.0284, 0.3439)),
        (0, 16, 15, 72, "miettinen_nurminen", (-0.2083, -0.3164, -0.0056)),
    ],
)
def test_difference_of_proportions_as_published(a, m, b, n, method, expected):
    frame = intervals.difference_of_proportions(a, m, b, n, method=method)
    assert limits(frame) == pytest.approx(expected, abs=6e-5)
    assert frame["method"].tolist() == [method]


@pytest.mark.parametrize(
    ("method", "lower", "upper"), [("koopman", 1.2209, 42.5757), ("miettinen_nurminen", 1.2086, 43.0330)]
)
def test_ratio_of_proportions_as_published(method, lower, upper):
    # Perondi et al. (2004), same companion package.
    frame = intervals.ratio_of_proportions(7, 34, 1, 34, method=method)
    assert limits(frame) == pytest.approx((7.0, lower, upper), abs=6e-5)


def test_standardised_rate_of_down_syndrome():
    # Fleiss (1981, table 14.4), standardised as in Fay and Feuer (1997): 92.3 per 100,000 for first births and 75.5
    # for fifth ones are theirs; the limits follow from Dobson's formula, written out here with whole numbers.
    standard = [63986.6, 186263.6, 157302.2, 97647.0, 47572.6, 12262.6]
    births = np.array([230061, 329449, 114920, 39487, 14208, 3052])
    cases = np.array([107, 141, 60, 40, 39, 25])
    value, lower, upper = limits(intervals.standardised_rate(cases, births, standard))
    assert value == pytest.approx(92.305, abs=1e-3)
    weight = np.array(standard) / sum(standard)
    variance = sum(weight**2 * cases / births**2)
    assert variance * 1e6 == pytest.approx(0.003919, abs=1e-6)
    byar_low = 412 * (1 - 1 / (9 * 412) - Z / (3 * 412**0.5)) ** 3
    byar_high = 413 * (1 - 1 / (9 * 413) + Z / (3 * 413**0.5)) ** 3
    assert lower == pytest.approx(value + 1e5 * (variance / 412) ** 0.5 * (byar_low - 412))
    assert upper == pytest.approx(value + 1e5 * (variance / 412) ** 0.5 * (byar_high - 412))
    fifth = intervals.standardised_rate(
        [0, 8, 63, 112, 262, 295], [327, 30666, 123419, 149919, 104088, 34392], standard
    )
    assert fifth["value"].item() == pytest.approx(75.52901, abs=1e-5)


def test_one_stratum_is_a_crude_rate():
    crude = intervals.rate([37], [52_000], multiplier=100_000)
    assert limits(intervals.standardised_rate([37], [52_000], [1])) == pytest.approx(limits(crude))


def test_standardised_rate_below_ten_events_is_exact_and_without_event_has_an_upper_limit():
    few = intervals.standardised_rate([2, 3], [1000, 2000], [1, 1])
    assert few["method"].item() == "dobson_exact"
    none = intervals.standardised_rate([0, 0], [1000, 2000], [1, 1], multiplier=1000)
    # Largest weight per exposure: (1/2) / 1000 per head; 3.6889 is the exact upper limit of no event.
    assert limits(none) == pytest.approx((0, 0, 0.5 * 3.688879), rel=1e-6)
    assert none["method"].item() == "fay_feuer"


def test_byar_and_exact_against_poisson_tails():
    frame = intervals.count([0, 3, 9, 10, 65, 1045])
    assert frame["method"].tolist() == ["exact"] * 3 + ["byar"] * 3
    for row in (1, 2):  # exact: each tail holds 2.5 % by definition
        value, lower, upper = limits(frame, row)
        assert stats.poisson.sf(value - 1, lower) == pytest.approx(0.025)
        assert stats.poisson.cdf(value, upper) == pytest.approx(0.025)
    assert limits(frame, 0) == pytest.approx((0, 0, -np.log(0.025)))
    # Byar is within 0.2 % of exact limits from 10 events (English public health technical guide, 2018).
    exact = np.array([[stats.gamma.ppf(0.025, x), stats.gamma.ppf(0.975, x + 1)] for x in (10, 65, 1045)])
    assert frame[["lower", "upper"]].to_numpy()[3:] == pytest.approx(exact, rel=2e-3)
    assert limits(frame, 3)[1] != pytest.approx(exact[0, 0], rel=1e-7)
    # First formula (x below, x + 1 above), by hand for 65 events.
    assert limits(frame, 4)[1] == pytest.approx(65 * (1 - 1 / 585 - Z / (3 * 65**0.5)) ** 3)
    assert limits(frame, 4)[2] == pytest.approx(66 * (1 - 1 / 594 + Z / (3 * 66**0.5)) ** 3)


# --- independent computation -------------------------------------------------------------------------------------


def brute_difference_limits(a, m, b, n, factor):
    """Invert the score test by maximising the restricted likelihood numerically."""

    def score(gap):
        def loss(p):
            return -(
                stats.binom.logpmf(a, m, np.clip(p + gap, 1e-12, 1 - 1e-12))
                + stats.binom.logpmf(b, n, np.clip(p, 1e-12, 1 - 1e-12))
            )

        bounds = (max(0, -gap), min(1, 1 - gap))
        p = optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x
        return (a / m - b / n - gap) / np.sqrt(factor * ((p + gap) * (1 - p - gap) / m + p * (1 - p) / n))

    seen = a / m - b / n
    return (
        optimize.brentq(lambda gap: score(gap) - Z, -0.999, seen - 1e-4),
        optimize.brentq(lambda gap: score(gap) + Z, seen + 1e-4, 0.999),
    )


@pytest.mark.parametrize("data", [(56, 70, 48, 80), (3, 40, 9, 25), (30, 200, 1, 50)])
def test_score_difference_against_brute_force(data):
    # statsmodels is no reference here: its score interval of a difference has a wrong coefficient (issue 10269).
    total = data[1] + data[3]
    for method, factor in [("mee", 1), ("miettinen_nurminen", total / (total - 1))]:
        frame = intervals.difference_of_proportions(*data, method=method)
        assert limits(frame)[1:] == pytest.approx(brute_difference_limits(*data, factor), abs=1e-5)


def test_score_ratio_against_statsmodels_cubic():
    from statsmodels.stats.proportion import confint_proportions_2indep

    rng = np.random.default_rng(3)
    m, n = rng.integers(20, 400, (2, 30))
    a, b = rng.integers(1, m), rng.integers(1, n)
    for method, corrected in [("koopman", False), ("miettinen_nurminen", True)]:
        frame = intervals.ratio_of_proportions(a, m, b, n, method=method)
        expected = [
            confint_proportions_2indep(*row, compare="ratio", method="score", correction=corrected)
            for row in zip(*(x.astype(float) for x in (a, m, b, n)), strict=True)
        ]
        assert frame[["lower", "upper"]].to_numpy() == pytest.approx(np.array(expected), rel=1e-6)


def test_ratio_of_rates_against_binomial_tails_and_score():
    a, s, b, t = 41, 28_010, 15, 19_017
    value, lower, upper = limits(intervals.ratio_of_rates(a, s, b, t))
    assert value == pytest.approx((41 / 28_010) / (15 / 19_017))
    # Given 56 events, `a` is binomial with share ratio * s / (ratio * s + t).
    assert stats.binom.sf(a - 1, a + b, lower * s / (lower * s + t)) == pytest.approx(0.025)
    assert stats.binom.cdf(a, a + b, upper * s / (upper * s + t)) == pytest.approx(0.025)
    from statsmodels.stats.rates import confint_poisson_2indep

    score = intervals.ratio_of_rates(a, s, b, t, method="score")
    assert limits(score)[1:] == pytest.approx(confint_poisson_2indep(a, s, b, t, method="score"), rel=1e-6)


def test_difference_of_rates_combines_the_limits_of_each_rate():
    frame = intervals.difference_of_rates([41, 41, 4], 28_010, [15, 3, 3], 19_017, multiplier=1000)
    assert frame["method"].tolist() == ["mover_byar", "mover_byar_exact", "mover_exact"]
    for row, (a, b) in enumerate([(41, 15), (41, 3), (4, 3)]):
        ra, la, ua = limits(intervals.rate(a, 28_010, multiplier=1000))
        rb, lb, ub = limits(intervals.rate(b, 19_017, multiplier=1000))
        gap = ra - rb
        expected = gap, gap - ((ra - la) ** 2 + (ub - rb) ** 2) ** 0.5, gap + ((ua - ra) ** 2 + (rb - lb) ** 2) ** 0.5
        assert limits(frame, row) == pytest.approx(expected)


# --- funnels -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "target", "n"), [("proportion", 0.23, 217), ("rate", 2.5, 17), ("rate", 1, 400)])
def test_funnel_never_flags_more_than_its_nominal_share(kind, target, n):
    frame = intervals.funnel_limits(target, n, kind=kind)
    counts = np.arange(0, n + 1 if kind == "proportion" else 2000)
    law = stats.binom(n, target) if kind == "proportion" else stats.poisson(target * n)
    for level, name in [(0.95, "95"), (0.998, "99_8")]:
        tail = (1 - level) / 2
        below = law.pmf(counts)[counts / n < frame[f"lower_{name}"].item()].sum()
        above = law.pmf(counts)[counts / n > frame[f"upper_{name}"].item()].sum()
        for side in (below, above):
            assert side <= tail + 1e-12
            assert side > tail / 3  # not needlessly wide either
    assert frame["lower_99_8"].item() < frame["lower_95"].item() < target < frame["upper_95"].item()


def test_funnel_by_hand():
    # Binomial(4, 1/2): P(0) = 1/16. At level 0.8 each tail is 0.1: the smallest count with cumulated probability 0.1
    # is 1 (5/16), interpolation (5/16 - 0.1) / (4/16) = 0.85, limit (1 - 0.85) / 4; the upper one mirrors it.
    frame = intervals.funnel_limits(0.5, 4, levels=[0.8])
    assert frame[["lower_80", "upper_80"]].to_numpy()[0] == pytest.approx([0.0375, 0.9625])


@given(st.floats(0.001, 0.999), st.integers(1, 5000))
@settings(max_examples=60)
def test_funnel_mirrors(target, n):
    one, other = (intervals.funnel_limits(x, n) for x in (target, 1 - target))
    assert one["lower_99_8"].item() == pytest.approx(1 - other["upper_99_8"].item(), abs=1e-6)
    assert one["upper_95"].item() == pytest.approx(1 - other["lower_95"].item(), abs=1e-6)


def test_funnel_of_ten_thousand_units_is_made_at_once():
    n = np.random.default_rng(0).integers(20, 30_000, 10_000)
    intervals.funnel_limits(0.4, n[:2])  # imports
    for options in ({"target": 0.4}, {"target": 40, "kind": "rate", "multiplier": 1000}):
        frame = intervals.funnel_limits(n=n, **options)
        few, many = (
            calls_of(lambda k=k, options=options: intervals.funnel_limits(n=n[:k], **options)) for k in (50, 10_000)
        )
        assert many < 3 * few, "a loop over the units"
        assert frame.notna().all(axis=None)


def test_funnel_rate_unit_and_kind():
    per_head = intervals.funnel_limits(0.004, 25_000, kind="rate")
    per_thousand = intervals.funnel_limits(4, 25_000, kind="rate", multiplier=1000)
    names = ["lower_95", "upper_99_8"]
    assert per_thousand[names].to_numpy() == pytest.approx(1000 * per_head[names].to_numpy())
    assert per_head["interval"].item() == "process"


# --- properties --------------------------------------------------------------------------------------------------

PAIR = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
LEVEL = st.sampled_from([0.8, 0.9, 0.95, 0.99, 0.998])
COMPARISONS = [
    (intervals.difference_of_proportions, "newcombe"),
    (intervals.difference_of_proportions, "miettinen_nurminen"),
    (intervals.difference_of_proportions, "mee"),
    (intervals.ratio_of_proportions, "koopman"),
    (intervals.ratio_of_proportions, "miettinen_nurminen"),
    (intervals.ratio_of_rates, "exact_conditional"),
    (intervals.ratio_of_rates, "score"),
    (intervals.difference_of_rates, None),
]


@pytest.mark.parametrize(("function", "method"), COMPARISONS)
@given(first=PAIR, second=PAIR, level=LEVEL)
@settings(max_examples=40)
def test_swapping_the_sides_negates_or_inverts(function, method, first, second, level):
    options = {"level": level} | ({"method": method} if method else {})
    one = limits(function(*first, *second, **options))
    other = limits(function(*second, *first, **options))
    if "difference" in function.__name__:
        assert other == pytest.approx((-one[0], -one[2], -one[1]), abs=1e-7)
        assert one[1] <= one[0] <= one[2]
        return
    with np.errstate(divide="ignore"):
        assert other == pytest.approx(tuple(1 / np.array([one[0], one[2], one[1]])), rel=1e-6, nan_ok=True)
    assert np.isnan(one[0]) or one[1] <= one[0] <= one[2]


@pytest.mark.parametrize("method", ["wilson", "clopper_pearson", "jeffreys", "agresti_coull"])
@given(pair=PAIR, level=LEVEL)
@settings(max_examples=40)
def test_proportion_mirrors_contains_its_value_and_stays_in_range(method, pair, level):
    count, n = pair
    value, lower, upper = limits(intervals.proportion(count, n, method=method, level=level))
    mirror = limits(intervals.proportion(n - count, n, method=method, level=level))
    assert (1 - value, 1 - upper, 1 - lower) == pytest.approx(mirror, abs=1e-9)
    assert 0 <= lower <= value <= upper <= 1


@given(pair=PAIR, other=PAIR)
@settings(max_examples=40)
def test_a_higher_level_gives_a_wider_interval(pair, other):
    calls = [
        lambda level: intervals.proportion(*pair, level=level),
        lambda level: intervals.count(pair[0], level=level),
        lambda level: intervals.rate(*pair, level=level),
        lambda level: intervals.standardised_rate([pair[0], other[0]], [pair[1], other[1]], [2, 3], level=level),
        lambda level: intervals.difference_of_proportions(*pair, *other, level=level),
        lambda level: intervals.difference_of_rates(*pair, *other, level=level),
        lambda level: intervals.ratio_of_proportions(*pair, *other, level=level),
        lambda level: intervals.ratio_of_rates(*pair, *other, level=level),
    ]
    for call in calls:
        _, low, high = limits(call(0.95))
        _, lower, higher = limits(call(0.998))
        assert lower <= low
        assert high <= higher
        assert lower < low or higher > high or (low == 0 and high == np.inf)


@pytest.mark.parametrize("n", [15, 60])
def test_wilson_coverage_is_close_to_nominal(n):
    counts = np.arange(n + 1)
    frame = intervals.proportion(counts, n)
    shares = np.linspace(0.05, 0.95, 181)
    inside = (frame["lower"].to_numpy()[:, None] <= shares) & (shares <= frame["upper"].to_numpy()[:, None])
    covered = (stats.binom.pmf(counts[:, None], n, shares) * inside).sum(axis=0)
    assert covered.mean() == pytest.approx(0.95, abs=0.01)
    assert covered.min() > 0.85


def test_coverage_of_comparisons():
    rng = np.random.default_rng(11)
    a, b = rng.binomial(120, 0.35, 4000), rng.binomial(90, 0.2, 4000)
    x, y = rng.poisson(30, 4000), rng.poisson(14, 4000)
    for frame, truth in [
        (intervals.difference_of_proportions(a, 120, b, 90), 0.15),
        (intervals.difference_of_proportions(a, 120, b, 90, method="miettinen_nurminen"), 0.15),
        (intervals.ratio_of_proportions(a, 120, b, 90), 1.75),
        (intervals.ratio_of_rates(x, 10, y, 7, method="score"), 1.5),
        (intervals.difference_of_rates(x, 10, y, 7), 1.0),
    ]:
        covered = frame["lower"].le(truth) & frame["upper"].ge(truth)
        assert 0.935 < covered.mean() < 0.975
    exact = intervals.ratio_of_rates(x, 10, y, 7)
    assert (exact["lower"].le(1.5) & exact["upper"].ge(1.5)).mean() > 0.945


# --- columns, missing values, errors -----------------------------------------------------------------------------


def test_series_keep_their_index_and_rows_do_not_depend_on_each_other():
    index = pd.Index(["QN09301M", "QN07501A", "QN01301B"], name="geo_code")
    count, n = pd.Series([12, 3, 40], index=index), pd.Series([50, 30, 45], index=index)
    frame = intervals.proportion(count, n)
    pd.testing.assert_index_equal(frame.index, index)
    assert frame.columns.tolist() == ["value", "lower", "upper", "method", "interval"]
    again = intervals.proportion(count[::-1], n[::-1])[::-1]
    pd.testing.assert_frame_equal(frame, again)
    assert limits(frame, 1) == limits(intervals.proportion(3, 30))


def test_missing_stays_missing_in_every_function():
    gap = pd.Series([5, None, 7], dtype="Int64", index=list("xyz"))
    frames = [
        intervals.proportion(gap, 10),
        intervals.count(gap),
        intervals.rate(gap, 10),
        intervals.difference_of_proportions(gap, 10, 3, 10),
        intervals.difference_of_proportions(gap, 10, 3, 10, method="mee"),
        intervals.ratio_of_proportions(3, 10, gap, 10),
        intervals.ratio_of_rates(gap, 10, 3, 10),
        intervals.difference_of_rates(3, 10, gap, 10),
        intervals.funnel_limits(0.3, gap),
    ]
    for frame in frames:
        row = frame.loc["y"].drop(["value", "n"], errors="ignore")
        assert row.isna().all()
        assert frame.drop(index="y").notna().all(axis=None)
    assert intervals.standardised_rate(gap, 10, 1).isna().all(axis=None)


def test_nobody_observed_gives_missing_values():
    assert intervals.proportion([0, 5], [0, 10]).isna().all(axis=1).tolist() == [True, False]
    assert intervals.rate(0, 0).isna().all(axis=None)
    assert intervals.difference_of_proportions(0, 0, 3, 10).isna().all(axis=None)
    assert intervals.ratio_of_rates(0, 0, 3, 10).isna().all(axis=None)
    assert intervals.standardised_rate([1, 0], [10, 0], [1, 1]).isna().all(axis=None)
    # A stratum that the standard leaves out needs no exposure.
    assert intervals.standardised_rate([1, 0], [10, 0], [1, 0])["value"].item() == pytest.approx(10_000)


def test_no_event_leaves_a_ratio_open():
    for function in (intervals.ratio_of_proportions, intervals.ratio_of_rates):
        frame = function([0, 4, 0], 20, [4, 0, 0], 20)
        assert frame["value"].tolist()[:2] == [0, np.inf]
        assert np.isnan(frame["value"].iloc[2])
        assert frame["lower"].tolist()[::2] == [0, 0]
        assert frame["upper"].tolist()[1:] == [np.inf, np.inf]
        assert 0 < frame["upper"].iloc[0] < np.inf
        assert 0 < frame["lower"].iloc[1] < np.inf


def test_kind_of_uncertainty_is_written_and_checked():
    assert intervals.proportion(3, 10)["interval"].item() == "sampling"
    assert intervals.proportion(3, 10, interval="process")["interval"].item() == "process"
    with pytest.raises(UnknownNameError, match="Did you mean 'sampling'"):
        intervals.proportion(3, 10, interval="samplng")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: intervals.proportion(pd.Series([1, 12], index=["a", "b"]), 10),
            r"1 of 2 rows: 'b' \(count=12, n=10\)",
        ),
        (lambda: intervals.proportion(-1, 10), "must not be negative"),
        (lambda: intervals.proportion(1.5, 10, method="clopper_pearson"), "must be whole"),
        (lambda: intervals.proportion(1, 10, method="wald"), "Valid: wilson"),
        (lambda: intervals.proportion(1, 10, level=95), "strictly between 0 and 1"),
        (lambda: intervals.proportion([1, 2], [3, 4, 5]), "one length"),
        (lambda: intervals.proportion(["1", "2"], 5), "found text"),
        (lambda: intervals.proportion(1, np.inf), "must be finite"),
        (lambda: intervals.proportion(np.ones((2, 2)), 5), "2 dimensions"),
        (lambda: intervals.proportion(pd.Series([1], index=["a"]), pd.Series([2], index=["b"])), "different indexes"),
        (lambda: intervals.count(3.2), "whole below 10"),
        (lambda: intervals.count(-3), "must not be negative"),
        (lambda: intervals.rate(3, 0), "needs exposure"),
        (lambda: intervals.standardised_rate([1, 2], [10, 10], [0, 0]), "`standard` must hold people"),
        (lambda: intervals.standardised_rate([1, 2], [10, 10], [1, -1]), "`standard` must not be negative"),
        (lambda: intervals.difference_of_proportions(1, 10, 11, 10), "`b` must not exceed `n_b`"),
        (lambda: intervals.ratio_of_rates(1.5, 10, 3, 10), "must be whole"),
        (lambda: intervals.funnel_limits(1.2, 10), "must be a proportion"),
        (lambda: intervals.funnel_limits(0.2, 10.5), "`n` must be whole"),
        (lambda: intervals.funnel_limits(0.2, 10, levels=0.95), "must be a sequence"),
        (lambda: intervals.funnel_limits(0.2, 10, kind="median"), "Valid: proportion, rate"),
    ],
)
def test_bad_input_is_explained(call, message):
    with pytest.raises(QpvSanteError, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)


def test_wilson_takes_weighted_counts_and_byar_estimated_ones():
    assert limits(intervals.proportion(30.5, 100.2))[0] == pytest.approx(30.5 / 100.2)
    assert intervals.count(12.5)["method"].item() == "byar"


def test_importing_does_not_load_statsmodels():
    code = "import sys, qpv_sante.intervals, qpv_sante.inequality; print('statsmodels' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
