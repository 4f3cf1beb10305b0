"""Intervals of the measures of spread, which error alone keeps above zero.

A measure of spread is never negative and grows with the error of the estimates: where all groups are equal it is still
above zero, and an interval around it, corrected for its mean excess or not, leaves zero out about half of the time.
Two methods that hold at equality and far from it are here.

*Inverted test* (`invert`). Which true inequalities would give, with these errors, a value as small as the one observed,
or as large, in (1 - level) / 2 of cases? True values are taken on a path that starts at equality (``c = 0``) and goes
through the shape of the estimates, each brought back towards the mean by what its own error makes doubtful:

    μ(c) = mean + c B (y - mean),   B = τ² / (τ² + se²)

with τ² the variance between groups by the method of moments (DerSimonian and Laird 1986). At each c the measure is
drawn many times around μ(c); the limits are the measure of the two μ(c) at which the observed value is the upper, then
the lower, quantile of the draws. Where the observed value is no larger than equality would give, the lower limit is
that of equality. Where errors differ, the path through the estimates as they are is followed as well, and the wider
limits are kept. Measures made of absolute values have a kink wherever two groups meet: their limits also hold those of
the draws around the estimates, corrected for their mean excess, and, above, those of the path on which the measure
grows fastest for its errors.

*Simultaneous contrasts* (`largest_contrast`). A measure that chooses a group from the data is the largest of many
differences, one for each group that could have been chosen: its limits are the largest of the lower limits and of the
upper limits of all of them, held together by Šidák's inequality (1967, J Am Stat Assoc 62:626-633). They hold at least
as often as they say, and are wide where there are many groups.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qpv_sante.inequality.measures import Design, evaluate
from qpv_sante.intervals.limits import quantile

_NUMBERS = 400_000  # drawn at each point of the path: more groups are drawn less often, their measures vary less
_LEAST_DRAWS = 300
_UNDEFINED = 0.01  # share of draws in which a measure may be infinite (a rate drawn at zero)
KINKED = ("mdmu", "mdmw", "mdru", "mdrw", "idisu", "idisw")
"""Measures made of absolute values."""

CHOOSING = ("d", "r", "par", "paf", "mdbu", "mdbw")
"""Measures that choose a group from the data where neither rank nor reference does."""


def between_variance(y: np.ndarray, se: np.ndarray) -> float:
    """Variance between groups beyond that of their errors, by the method of moments; 0 if there is none.

    Parameters
    ----------
    y, se : ndarray, shape (n_groups,)
        Estimates and their standard errors, above zero.

    Returns
    -------
    float

    References
    ----------
    DerSimonian and Laird (1986), Controlled Clinical Trials 7:177-188.

    Examples
    --------
    >>> round(between_variance(np.array([10.0, 20.0, 30.0]), np.ones(3)), 6)
    99.0
    """
    weight = se**-2.0
    mean = np.average(y, weights=weight)
    excess = np.sum(weight * (y - mean) ** 2) - (len(y) - 1)
    return float(max(excess / (weight.sum() - np.sum(weight**2) / weight.sum()), 0.0))


def shapes(y: np.ndarray, w: np.ndarray, se: np.ndarray) -> list[np.ndarray]:
    """Deviations from the mean that the paths go through: with doubtful groups brought back, then as estimated."""
    share = w / w.sum()
    floor = np.maximum(se, max(1e-3 * float(se.max()), 1e-9))
    variance = between_variance(y, floor)
    # without any variance beyond errors the shape is that of the most reliable groups
    trust = variance / (variance + floor**2) if variance > 0 else floor.min() ** 2 / floor**2
    deviation = y - share @ y
    if not np.any(np.abs(deviation) > 1e-9 * (1 + np.abs(y))):
        # estimates that are all equal have no shape: that of errors alone, in the order of the groups
        return [floor * np.linspace(-1, 1, len(y))]
    found = [trust / trust.max() * deviation]
    if trust.min() < 0.9 * trust.max():
        found.append(deviation)
    return [one - share @ one for one in found]


def invert(
    values: dict[str, float],
    y: np.ndarray,
    w: np.ndarray,
    se: np.ndarray,
    design: Design,
    *,
    level: float,
    draws: int,
    seed: int,
    binomial: bool = False,
) -> dict[str, tuple[float, float, float, float] | None]:
    """Limits of measures of spread, with their mean excess and their standard deviation.

    Parameters
    ----------
    values : dict of str to float
        Observed measures.
    y, w, se : ndarray, shape (n_groups,)
        Estimates, populations and standard errors, in the order of the design.
    design : Design
        Ranks, direction, reference and bounds.
    level : float
        Confidence level.
    draws, seed : int
        Draws at each point of the path (fewer for many groups), and seed.
    binomial : bool
        Whether errors are those of proportions: they then change along the path as p (1 - p) does.

    Returns
    -------
    dict of str to (lower, upper, excess, sd), or None
        Excess: mean of the draws around the estimates less their own value; sd: their standard deviation. None where
        a measure is not defined in more than a hundredth of the draws.
    """
    codes = list(values)
    n_groups = len(y)
    number = max(min(draws, _NUMBERS // n_groups), min(draws, _LEAST_DRAWS))
    noise = np.random.default_rng(seed).standard_normal((number, n_groups))
    low, high = design.bounds if np.all((y >= design.bounds[0]) & (y <= design.bounds[1])) else (-np.inf, np.inf)
    mean = (w / w.sum()) @ y
    tails = (1 - level) / 2, (1 + level) / 2

    def drawn(centre: np.ndarray, codes: Sequence[str] = tuple(values)) -> dict[str, np.ndarray]:
        error = se * (np.sqrt(_binomial(centre, design) / _binomial(y, design)) if binomial else 1.0)
        return evaluate(np.clip(centre + noise * error, low, high), w[None], None, design, codes)

    around = drawn(y)
    defined = [code for code in codes if np.isnan(around[code]).mean() <= _UNDEFINED]
    found: dict[str, tuple[float, float, float, float] | None] = dict.fromkeys(codes)
    ends: dict[str, list[float]] = {code: [] for code in defined}
    for deviation in shapes(y, w, se):
        path = _path(deviation, se, n_groups)
        centres = np.clip(mean + path[:, None] * deviation, low, high)
        samples = [drawn(centre) for centre in centres]
        for code in defined:
            every = np.array([sample[code] for sample in samples])
            every = np.where(np.isnan(every), np.inf, every)
            quantiles = np.quantile(every, tails, axis=1, method="nearest")
            lowest, highest = np.maximum.accumulate(quantiles, axis=1)
            # The c of which the observed value is the upper quantile gives the lower limit, and the other way round. A
            # value below what equality usually gives would leave nothing possible: there, the upper limit is that of
            # the median under equality.
            at_least = max(values[code], float(np.median(every[0])))
            for seen, side in ((values[code], highest), (at_least, lowest)):
                c = float(np.interp(seen, side, path))
                there = np.clip(mean + c * deviation, low, high)
                ends[code].append(float(evaluate(there[None], w[None], None, design, [code])[code][0]))
    z = quantile(level)
    for code in defined:
        here = around[code][np.isfinite(around[code])]
        excess, spread = float(here.mean() - values[code]), float(here.std(ddof=1))
        if code in KINKED and spread > 0:
            ends[code] += [max(values[code] - excess + side * z * spread, 0.0) for side in (-1, 1)]
            direction = se**2 * _slope(code, y, w, design)
            steps = np.linspace(0, 2.5 * z, 9 if n_groups <= 100 else 5) / max(
                np.sqrt(_slope(code, y, w, design) @ direction), 1e-12
            )
            centres = np.clip(y + steps[:, None] * direction, low, high)
            lowest = np.array(
                [np.quantile(drawn(centre, [code])[code], tails[0], method="nearest") for centre in centres]
            )
            t = float(np.interp(values[code], np.maximum.accumulate(lowest), steps))
            there = np.clip(y + t * direction, low, high)
            ends[code].append(float(evaluate(there[None], w[None], None, design, [code])[code][0]))
        found[code] = min(ends[code]), max(ends[code]), excess, spread
    return found


def _slope(code: str, y: np.ndarray, w: np.ndarray, design: Design) -> np.ndarray:
    """Derivatives of a measure made of absolute values, away from its kinks."""
    p = w / w.sum()
    u = p if code.endswith("w") else np.full(len(y), 1 / len(y))
    mean = p @ y
    if code in ("mdru", "mdrw"):
        side = u * np.sign(y - y[design.reference])
        side[design.reference] = -side.sum()
        return side
    side = u * np.sign(y - mean)
    absolute = side - side.sum() * p
    if code in ("mdmu", "mdmw"):
        return absolute
    return 100 * (absolute / mean - (u @ np.abs(y - mean)) * p / mean**2)


def largest_contrast(
    code: str, y: np.ndarray, w: np.ndarray, se: np.ndarray, design: Design, *, level: float, binomial: bool = False
) -> tuple[float, float]:
    """Limits of a measure that chooses a group from the data, from simultaneous limits of all the differences.

    Parameters
    ----------
    code : str
        One of `CHOOSING`.
    y, w, se : ndarray, shape (n_groups,)
        Estimates, populations and standard errors.
    design : Design
        Direction and, for ``d`` and ``r``, reference.
    level : float
        Confidence level.
    binomial : bool
        Whether errors are those of proportions: an estimate that is low by chance then has too small an error, and
        that of the mean is taken where it is larger.

    Returns
    -------
    lower, upper : float
        On the scale of the measure; those of ``par`` and ``paf`` have its sign.

    Examples
    --------
    >>> design = Design(None, False, None, (0.0, 100.0))
    >>> low, high = largest_contrast("d", np.array([20.0, 30.0]), np.ones(2), np.ones(2), design, level=0.95)
    >>> round(low, 2), round(high, 2)  # one difference: 10 ± 1.96 √2
    (7.23, 12.77)
    """
    share = w / w.sum()
    mean = float(share @ y)
    if binomial:
        se = np.maximum(se, se * np.sqrt(_binomial(np.full(len(y), mean), design) / _binomial(y, design)))
    if code in ("d", "r"):
        scale = (y, se) if code == "d" else (np.log(y), se / y)
        first, second = np.triu_indices(len(y), 1)
        if design.reference is not None:
            keep = (first == design.reference) | (second == design.reference)
            first, second = first[keep], second[keep]
        centre, error = scale[0][first] - scale[0][second], np.hypot(scale[1][first], scale[1][second])
        if design.reference is None:
            centre, n_differences = np.abs(centre), len(first)
        else:
            side = np.where((first == design.reference) == design.favourable, 1.0, -1.0)
            centre, n_differences = side * centre, len(first)
    else:
        weight = np.full(len(y), 1 / len(y)) if code == "mdbu" else share
        sign = 1.0 if design.favourable else -1.0
        # the best group against the mean, in turn for each group that could be the best
        centre, slope = sign * (y - weight @ y), sign * (np.eye(len(y)) - weight)
        if code == "paf":
            slope = 100 * sign * (np.eye(len(y)) / mean - np.outer(y, share) / mean**2)
            centre = 100 * centre / mean
        error, n_differences = np.sqrt(slope**2 @ se**2), len(y)
    q = quantile(level ** (1 / n_differences))
    low, high = float((centre - q * error).max()), float((centre + q * error).max())
    low, high = max(low, 0.0), max(high, 0.0)  # a group differs from itself by nothing
    if code == "r":
        return float(np.exp(low)), float(np.exp(high))
    return (-high, -low) if code in ("par", "paf") and not design.favourable else (low, high)


def _binomial(rate: np.ndarray, design: Design) -> np.ndarray:
    """What the variance of a proportion is proportional to, never zero."""
    low, high = design.bounds
    share = np.clip((rate - low) / (high - low), 0.005, 0.995)
    return share * (1 - share)


def _path(deviation: np.ndarray, se: np.ndarray, n_groups: int) -> np.ndarray:
    """Points of the path: from equality to beyond what these errors leave possible, closer where limits will fall."""
    known = np.maximum(se, 1e-3 * max(float(se.max()), 1e-12))
    length = float(np.sqrt(np.sum((deviation / known) ** 2)))  # in errors, at c = 1
    reach = 6.0 + 2.5 * n_groups**0.25
    least, most = max(0.0, (length - reach) / length), (length + reach) / length
    if n_groups > 100:
        return np.unique(np.concatenate([[0.0], np.linspace(least, most, 7)]))
    return np.unique(np.concatenate([np.linspace(0, most, 17), np.linspace(least, most, 17)]))
