"""What is not published, bounded by what is: withheld values, and weights that stand for a base.

Pure functions of frames. `value_ranges` says between which values a withheld one lies; `base_error` how far the base of
a rate (households, fiscal persons) departs from a constant share of the population.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Withheld

# share of the withheld values that their ranges are made to hold
CONFIDENCE = 0.95
# the same of the errors from one year to another: half of the misses are left to values that are withheld for being
# extreme, which the published ones predict less well
PREDICTED = 1 - (1 - CONFIDENCE) / 2
Z = 1.959963984540054
# whatever the form of a distribution with one mode, at most 5 % of it lies farther from its mean than this many
# standard deviations (Vysochanskij and Petunin 1980): withheld values need not be like the published ones
UNIMODAL = math.sqrt(4 / (9 * (1 - CONFIDENCE)))
# fewer units than these tell neither a relation between two years nor one between a base and a value
LEAST_PAIRS = 30
# fewer published units than these tell nothing of the others: two that are equal would leave no doubt at all
LEAST_SPREAD = 5


class BaseError(NamedTuple):
    """How the logarithm of base over population departs from a constant.

    `slope_low` and `slope_high`: by one unit of the rate (households are more numerous where more persons live alone);
    `sd`: what is left from one unit to another.
    """

    slope_low: float
    slope_high: float
    sd: float


NO_ERROR = BaseError(0.0, 0.0, 0.0)


def widest(errors: Sequence[BaseError]) -> BaseError:
    """What holds several errors, and no relation at all: for a base that is seen in its likes only.

    Examples
    --------
    >>> widest([BaseError(-0.002, -0.001, 0.12), BaseError(0.001, 0.003, 0.1)])
    BaseError(slope_low=-0.002, slope_high=0.003, sd=0.12)
    """
    lows, highs, sds = zip(*errors, NO_ERROR, strict=True)
    return BaseError(min(lows), max(highs), max(sds))


def value_ranges(
    frame: pd.DataFrame,
    other_years: Iterable[pd.Series] = (),
    *,
    limits: Sequence[float] | None = None,
    rule: Withheld | None = None,
    counts: bool = False,
) -> pd.DataFrame:
    """Between which values each unit lies: its own bounds, or what the published ones tell of a withheld one.

    Parameters
    ----------
    frame : DataFrame
        `value, lower, upper` and `weight` (the size of a unit: the denominator of its rate, or the inhabitants of a
        count). A unit without `value` is withheld.
    other_years : iterable of Series
        The same figure in other years, nearest first, on the index of `frame`; read no further than is needed.
    limits : sequence of two floats, optional
        Range of the indicator.
    rule : Withheld, optional
        What the source withholds.
    counts : bool
        Values are counts: they are compared by inhabitant.

    Returns
    -------
    DataFrame
        `least, most`, on the index of `frame`; missing where no unit has a value.

    Notes
    -----
    A withheld unit lies:

    - where another year of the same unit is published, within the errors of the straight line from that year to this
      one, over the units that have both: the distance that 97.5 % of them do not exceed (split conformal prediction),
      which grows for small units as theirs do. It holds 97 % of what is withheld at random, 93 % or more of extremes;
    - else within 2.98 standard deviations of the mean of the published units, which holds 95 % of any distribution
      with one mode; of fewer than 30 units, whose mean and deviation are themselves in doubt, within as many more as
      Student's law asks of one more unit; of fewer than 5, anywhere in the range of the indicator, if it has one;
    - but under the threshold of `rule`, whatever these say, where the source withholds small counts and nothing else;
      where it withholds others too, a range that no other year tells goes down to no one if it reaches the threshold.

    Examples
    --------
    >>> value = pd.Series([40.0, 44.0, 41.0, 43.0, 42.0, np.nan])
    >>> frame = pd.DataFrame({"value": value, "lower": value - 0.5, "upper": value + 0.5, "weight": 200.0})
    >>> value_ranges(frame, limits=[0, 100]).round(1).loc[[0, 5]].values.tolist()
    [[39.5, 40.5], [34.7, 49.3]]
    >>> value_ranges(frame.loc[2:], limits=[0, 100]).loc[5].tolist()
    [0.0, 100.0]
    >>> value_ranges(frame, limits=[0, 100], rule=Withheld(fewer_than=11)).round(1).loc[5].tolist()
    [0.0, 5.0]
    """
    size = frame["weight"].astype(float)
    scale = size if counts else pd.Series(1.0, index=frame.index)
    value = frame["value"] / scale
    known = value.notna()
    least, most = frame["lower"].copy(), frame["upper"].copy()
    if known.all() or not known.any():
        return pd.DataFrame({"least": least, "most": most})
    low, high = limits or ((0.0, math.inf) if counts else (-math.inf, math.inf))
    centre = pd.Series(value[known].mean(), index=frame.index)
    half = pd.Series(_from_the_others(value[known], limited=math.isfinite(low) and math.isfinite(high)), frame.index)
    pending = ~known
    for other in other_years:
        earlier = other / scale
        both = known & earlier.notna()
        asked = pending & earlier.notna()
        if both.sum() < LEAST_PAIRS or not asked.any():
            continue
        centre[asked], half[asked] = _from_another_year(earlier, value, size, both, asked)
        pending &= ~asked
        if not pending.any():
            break
    lowest, highest = (centre - half).clip(low, high) * scale, (centre + half).clip(low, high) * scale
    if counts:
        # without inhabitants a count has no scale but that of the others
        lowest, highest = lowest.fillna(low), highest.fillna(frame["upper"].max())
    if rule is not None:
        lowest, highest = _under_the_rule(lowest, highest, centre, size, rule, pending, counts=counts)
    return pd.DataFrame({"least": least.where(known, lowest), "most": most.where(known, highest)})


def _from_the_others(values: pd.Series, *, limited: bool) -> float:
    """How far from the mean of the published units another one may be; `limited`: its range has two ends."""
    count = len(values)
    if count < LEAST_SPREAD and limited:
        return math.inf
    if count >= LEAST_PAIRS or count < LEAST_SPREAD:
        return UNIMODAL * float(values.std() if count > 1 else 0.0)
    from scipy.stats import t  # slow to import

    doubt = t.ppf((1 + CONFIDENCE) / 2, count - 1) / Z * math.sqrt(1 + 1 / count)
    return float(UNIMODAL * doubt * values.std())


def _from_another_year(
    earlier: pd.Series, value: pd.Series, size: pd.Series, both: pd.Series, asked: pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted value of the units asked for, and the distance that the known errors seldom exceed."""
    x, y = earlier[both].to_numpy(), value[both].to_numpy()
    slope = np.cov(x, y)[0, 1] / x.var(ddof=1) if x.std() > 0 else 0.0
    error = np.abs(y - y.mean() - slope * (x - x.mean()))
    usual = float(size[both].median())
    measure = np.log((size.fillna(size.min()).clip(lower=1.0) / max(usual, 1.0)).fillna(1.0).to_numpy())
    # errors shrink with size: as its square root at most, which is what chance alone would do
    visible = error > 0
    at = measure[both.to_numpy()]
    power = np.polyfit(at[visible], np.log(error[visible]), 1)[0] if visible.sum() > 2 and at.std() > 0 else 0.0
    width = np.exp(np.clip(power, -0.5, 0.0) * measure)
    relative = np.sort(error / width[both.to_numpy()])
    rank = min(len(relative), math.ceil(PREDICTED * (len(relative) + 1)))
    predicted = y.mean() + slope * (earlier[asked].to_numpy() - x.mean())
    return predicted, relative[rank - 1] * width[asked.to_numpy()]


def _under_the_rule(
    lowest: pd.Series,
    highest: pd.Series,
    centre: pd.Series,
    size: pd.Series,
    rule: Withheld,
    unseen: pd.Series,
    *,
    counts: bool,
) -> tuple[pd.Series, pd.Series]:
    """Ranges that the threshold of the source cuts, or that it stretches down to no one.

    A share is withheld for its numerator or for its complement: for the one that the published units say is the
    smaller. A unit smaller than the threshold may have any value.
    """
    unit = pd.Series(1.0, index=size.index) if counts else 100 / size
    few = ((rule.fewer_than - 1) * unit).fillna(np.inf)
    none = (0.0 if rule.zero_too else 1.0) * unit.fillna(0.0)
    whole = math.inf if counts else 100.0
    if rule.others_too:
        # only units that no other year tells of: the others are known not to be small
        down = unseen & (lowest < few)
        up = unseen & (not counts) & (whole - highest < few)
        return lowest.mask(down, none), highest.mask(up, whole)
    small = pd.Series(True, index=size.index) if counts else centre <= 50
    possible = few < (whole if counts else 50.0)
    lowest = lowest.mask(small & possible, none).mask(~small & possible, whole - few)
    highest = highest.mask(small & possible, few).mask(~small & possible, whole - none)
    return (lowest, highest) if counts else (lowest.mask(~possible, 0.0), highest.mask(~possible, whole))


def base_error(ratio: pd.Series, value: pd.Series | None) -> BaseError:
    """How base over population varies from one unit to another, and with the rate itself.

    Parameters
    ----------
    ratio : Series
        Base over population, of the units of which both are published.
    value : Series or None
        The rate, of the same units or of others where it is not published for these.

    Returns
    -------
    BaseError
        The regression of log(ratio) on the rate, with two standard errors of its slope on each side. Where the two are
        never published together, the steepest slopes that their spreads allow: those of a perfect relation.

    Examples
    --------
    >>> value = pd.Series(np.linspace(20, 60, 41))
    >>> error = base_error(0.4 * np.exp(0.01 * (value - 40)), value)
    >>> round(error.slope_low, 4), round(error.slope_high, 4), round(error.sd, 4)
    (0.01, 0.01, 0.0)
    """
    logs = np.log(ratio.where(ratio > 0)).dropna()
    if len(logs) < 2:
        return NO_ERROR
    paired = None if value is None else value.reindex(logs.index).dropna()
    if paired is None or len(paired) < LEAST_PAIRS or paired.std() == 0:
        spread = float(logs.std())
        deviation = float(value.std()) if value is not None and value.notna().sum() > 1 else float("nan")
        steepest = spread / deviation if deviation > 0 else 0.0
        return BaseError(-steepest, steepest, spread)
    x, y = paired.to_numpy(), logs[paired.index].to_numpy()
    slope = np.cov(x, y)[0, 1] / x.var(ddof=1)
    left = y - y.mean() - slope * (x - x.mean())
    sd = float(np.sqrt((left**2).sum() / (len(x) - 2)))
    error = Z * sd / (x.std(ddof=1) * math.sqrt(len(x) - 1))
    return BaseError(float(slope - error), float(slope + error), sd)
