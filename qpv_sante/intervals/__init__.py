"""Intervals of proportions, rates, counts, their differences and ratios, and funnel limits, on whole columns.

Every function takes numbers, lists, arrays or Series (one row per unit; the index of a Series is kept) and returns a
frame with the columns

``value``, ``lower``, ``upper``
    The estimate and its limits. A missing input gives three missing values, never zero.
``method``
    The method that gave the limits of this row (methods change with the number of events).
``interval``
    What the interval expresses: ``sampling``, ``rounding``, ``secrecy``, ``model`` or ``process``. A tax register that
    counts everyone has no sampling error: pass ``interval="process"`` to say that its Wilson interval reads the count
    as one outcome of an underlying process, not as a sample.

``method`` and ``interval`` are missing where there is no interval.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qpv_sante.errors import InvalidInputError
from qpv_sante.intervals.columns import Column, check_choice, check_level, is_whole, read_columns, require
from qpv_sante.intervals.limits import (
    PROPORTION_METHODS,
    binomial_limits,
    check_binomial,
    check_poisson,
    divide,
    label,
    poisson_limits,
    result,
)
from qpv_sante.intervals.two_samples import (
    difference_of_proportions,
    difference_of_rates,
    ratio_of_proportions,
    ratio_of_rates,
)

__all__ = [
    "count",
    "difference_of_proportions",
    "difference_of_rates",
    "funnel_limits",
    "proportion",
    "rate",
    "ratio_of_proportions",
    "ratio_of_rates",
    "standardised_rate",
]


def proportion(
    count: Column, n: Column, *, level: float = 0.95, method: str = "wilson", interval: str = "sampling"
) -> pd.DataFrame:
    """Proportion ``count / n`` with its interval.

    Parameters
    ----------
    count, n : float or array-like, shape (n_rows,)
        Events and people, ``0 <= count <= n``. Wilson takes non-whole numbers (weighted or estimated counts);
        Clopper-Pearson does not.
    level : float
        Confidence level, between 0 and 1.
    method : {"wilson", "clopper_pearson", "jeffreys", "agresti_coull"}
        Wilson's score interval by default: ``(p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)``. Clopper-Pearson is
        exact and wide. Jeffreys keeps 0 as lower limit at ``count = 0`` and 1 as upper limit at ``count = n``.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (n_rows, 5)
        ``value``, ``lower``, ``upper`` between 0 and 1, ``method``, ``interval``. A row with ``n = 0`` is missing:
        nobody was observed.

    Raises
    ------
    InvalidInputError
        For negative counts, ``count > n``, non-whole numbers with Clopper-Pearson; the rows are named.
    UnknownNameError
        For an unknown method or kind of uncertainty.

    References
    ----------
    Wilson (1927), JASA 22:209-212. Brown, Cai and DasGupta (2001), Statistical Science 16:101-133.

    Examples
    --------
    >>> proportion(81, 263).round(4)
        value   lower  upper  method  interval
    0   0.308   0.2553  0.3662  wilson  sampling
    """
    check_choice("method", method, list(PROPORTION_METHODS))
    index, columns = read_columns(count=count, n=n)
    events, size = columns["count"], columns["n"]
    check_binomial(index, events, size, "count", "n", whole=method == "clopper_pearson")
    known = ~np.isnan(events) & (size > 0)
    lower, upper = np.full((2, len(index)), np.nan)
    lower[known], upper[known] = binomial_limits(events[known], size[known], check_level(level), method)
    return result(index, divide(events, size, known), lower, upper, method, interval)


def count(count: Column, *, level: float = 0.95, interval: str = "sampling") -> pd.DataFrame:
    """Count of events with the interval of its Poisson mean: Byar, exact below 10 events.

    Parameters
    ----------
    count : float or array-like, shape (n_rows,)
        Events, not negative, whole below 10.
    level : float
        Confidence level, between 0 and 1.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (n_rows, 5)
        ``value``, ``lower``, ``upper`` in events, ``method`` (``byar`` or ``exact``), ``interval``.

    Raises
    ------
    InvalidInputError
        For a negative count, or one below 10 that is not whole (an apportioned or modelled count is not Poisson: its
        interval comes from the model).

    Notes
    -----
    Byar, in the first form given by Breslow and Day (1987, equation 2.13), uses x below and x + 1 above:
    ``x (1 - 1/(9x) - z/(3√x))³`` and ``(x+1) (1 - 1/(9(x+1)) + z/(3√(x+1)))³``. Exact limits are
    ``χ²(α/2; 2x) / 2`` and ``χ²(1-α/2; 2x+2) / 2``.

    References
    ----------
    Breslow and Day (1987), Statistical Methods in Cancer Research II, IARC. Garwood (1936), Biometrika 28:437-442.

    Examples
    --------
    >>> count([0, 65]).round(2)
       value  lower  upper method  interval
    0    0.0   0.00   3.69  exact  sampling
    1   65.0  50.16  82.85   byar  sampling
    """
    return rate(count, 1, level=level, interval=interval)


def rate(
    count: Column, exposure: Column, *, multiplier: float = 1, level: float = 0.95, interval: str = "sampling"
) -> pd.DataFrame:
    """Rate ``multiplier * count / exposure`` with its interval: Byar, exact below 10 events.

    Parameters
    ----------
    count : float or array-like, shape (n_rows,)
        Events, not negative, whole below 10.
    exposure : float or array-like, shape (n_rows,)
        Person-years, or the expected number of events (the result is then a standardised ratio).
    multiplier : float
        100,000 for a rate per 100,000.
    level : float
        Confidence level, between 0 and 1.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (n_rows, 5)
        ``value``, ``lower``, ``upper`` per `multiplier`, ``method`` (``byar`` or ``exact``), ``interval``. A row with
        neither event nor exposure is missing.

    Raises
    ------
    InvalidInputError
        For negative numbers, events without exposure, or a count below 10 that is not whole.

    See Also
    --------
    count : the formulas.

    Examples
    --------
    >>> rate([4, 120], [2_000, 50_000], multiplier=1_000).round(2)
       value  lower  upper method  interval
    0    2.0   0.54   5.12  exact  sampling
    1    2.4   1.99   2.87   byar  sampling
    """
    index, columns = read_columns(count=count, exposure=exposure)
    events, time = columns["count"], columns["exposure"]
    known = check_poisson(index, events, time, "count", "exposure")
    lower, upper, method = poisson_limits(index, events, check_level(level))
    scale = multiplier * divide(np.ones_like(time), time, known)
    return result(index, events * scale, lower * scale, upper * scale, method, interval)


def standardised_rate(
    count: Column,
    exposure: Column,
    standard: Column,
    *,
    multiplier: float = 100_000,
    level: float = 0.95,
    interval: str = "sampling",
) -> pd.DataFrame:
    """Directly standardised rate of one area with Dobson's interval; rows are the strata (ages) of the area.

    Parameters
    ----------
    count, exposure, standard : float or array-like, shape (n_strata,)
        Events, person-years and standard population of each stratum.
    multiplier : float
        100,000 for a rate per 100,000.
    level : float
        Confidence level, between 0 and 1.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (1, 5)
        ``value``, ``lower``, ``upper`` per `multiplier`, ``method``, ``interval``. Missing if a stratum of the
        standard has a missing count or no exposure: its rate is unknown, not zero.

    Raises
    ------
    InvalidInputError
        For negative numbers, events without exposure, an empty standard, or a total below 10 that is not whole.

    Notes
    -----
    With weights w, events O (total T, limits T_L and T_U) and exposures n, the rate is ``Σ w O/n / Σ w``, its
    variance ``V = Σ w² O/n² / (Σ w)²`` and the limits are ``rate + √(V/T) (T_L - T)`` and ``rate + √(V/T) (T_U - T)``.
    T has Byar's limits (``dobson_byar``), exact below 10 events (``dobson_exact``; such rates are unstable and several
    agencies do not publish them). Without any event V is 0 and Dobson says nothing: the upper limit is then the exact
    limit of the total in the stratum of largest weight ``w / n`` (``fay_feuer``).

    References
    ----------
    Dobson, Kuulasmaa, Eberle and Scherer (1991), Statistics in Medicine 10:457-462. Fay and Feuer (1997), Statistics
    in Medicine 16:791-801. Morris, Tan, Fryers and Bestwick (2018), Population Health Metrics 16:19.

    Examples
    --------
    Down syndrome per 100,000 first births in Michigan, by mother's age (Fleiss 1981), standard of Fay and Feuer.

    >>> cases, births = [107, 141, 60, 40, 39, 25], [230061, 329449, 114920, 39487, 14208, 3052]
    >>> standard = [63986.6, 186263.6, 157302.2, 97647.0, 47572.6, 12262.6]
    >>> standardised_rate(cases, births, standard).round(1)
       value  lower  upper       method  interval
    0   92.3   80.3  105.2  dobson_byar  sampling
    """
    level = check_level(level)
    index, columns = read_columns(count=count, exposure=exposure, standard=standard)
    events, time, weight = columns["count"], columns["exposure"], columns["standard"]
    check_poisson(index, events, time, "count", "exposure", whole=False)
    require(~(weight < 0), index, "`standard` must not be negative", standard=weight)
    if np.nansum(weight) <= 0 and not np.isnan(weight).any():
        raise InvalidInputError(f"`standard` must hold people; found a total of {np.nansum(weight):g}.")
    used = weight != 0
    events, time, weight = events[used], time[used], weight[used] / weight.sum()
    one = pd.RangeIndex(1)
    if np.isnan(events + time + weight).any() or (time == 0).any():
        missing = np.full(1, np.nan)
        return result(one, missing, missing, missing, "dobson_byar", interval)
    total = np.array([events.sum()])
    value = multiplier * np.array([(weight * events / time).sum()])
    low, high, method = poisson_limits(one, total, level)
    if total[0] == 0:
        return result(one, value, value, multiplier * (weight / time).max() * high, "fay_feuer", interval)
    spread = multiplier * np.sqrt((weight**2 * events / time**2).sum() / total)
    names = np.array([f"dobson_{name}" for name in method], dtype=object)
    return result(one, value, value + spread * (low - total), value + spread * (high - total), names, interval)


def funnel_limits(
    target: Column,
    n: Column,
    *,
    levels: Sequence[float] = (0.95, 0.998),
    kind: str = "proportion",
    multiplier: float = 1,
    interval: str = "process",
) -> pd.DataFrame:
    """Limits within which units of size `n` are expected to fall if their true value is the target.

    Parameters
    ----------
    target : float or array-like, shape (n_rows,)
        Value of reference: a proportion (0 to 1), a rate per `multiplier`, or 1 for standardised ratios.
    n : float or array-like, shape (n_rows,)
        People (whole) for a proportion; exposure, or expected number of events, for a rate.
    levels : sequence of float
        Levels, both at once by default: 95 % and 99.8 %.
    kind : {"proportion", "rate"}
        Binomial or Poisson.
    multiplier : float
        Unit of a rate, such as 100,000; 1 for a proportion.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        Kind of uncertainty; here the chance variation of a process that stays on target.

    Returns
    -------
    DataFrame, shape (n_rows, 4 + 2 * n_levels)
        ``value`` (the target), ``n``, then ``lower_95``, ``upper_95``, ``lower_99_8``, ``upper_99_8``..., ``method``,
        ``interval``. A unit is outside when its observed value is strictly beyond a limit. ``n = 0`` and missing
        input give missing limits.

    Raises
    ------
    InvalidInputError
        For a proportion outside 0 to 1, a negative rate or size, a non-whole `n` with proportions, faulty levels.

    Notes
    -----
    Limits come from the exact binomial or Poisson distribution under the target, not from an interval around an
    observed proportion: a funnel asks what a unit on target would show. The count at probability q is interpolated
    between whole counts as in Spiegelhalter (2005, appendix A.1), which removes saw-teeth. The upper limit is read from
    the upper tail in the same way, so that limits of p and 1 - p mirror each other and a unit on target falls strictly
    beyond either side with probability (1 - level) / 2 at most (Manktelow and Seaton 2012).

    References
    ----------
    Spiegelhalter (2005), Statistics in Medicine 24:1185-1202. Manktelow and Seaton (2012), PLoS ONE 7:e45723.

    Examples
    --------
    >>> funnel_limits(0.2, [50, 1000]).filter(regex="^n|_9").round(3)
            n  lower_95  upper_95  lower_99_8  upper_99_8
    0    50.0     0.084     0.327       0.035       0.399
    1  1000.0     0.175     0.226       0.161       0.240
    """
    from scipy import stats  # half a second, once

    check_choice("kind", kind, ["proportion", "rate"])
    if np.ndim(levels) != 1 or not len(levels):
        raise InvalidInputError(f"`levels` must be a sequence of levels such as (0.95, 0.998); found {levels!r}.")
    index, columns = read_columns(target=target, n=n)
    aim, size = columns["target"], columns["n"]
    require(~(size < 0), index, "`n` must not be negative", n=size)
    known = ~np.isnan(aim) & (size > 0)
    if kind == "proportion":
        require(~((aim < 0) | (aim > 1)), index, "`target` must be a proportion, 0 to 1", target=aim)
        require(
            is_whole(size), index, "`n` must be whole: the limits come from the exact binomial distribution", n=size
        )
        law = stats.binom(np.rint(size[known]), aim[known])
    else:
        require(~(aim < 0), index, "`target` must not be negative", target=aim)
        law = stats.poisson(aim[known] * size[known] / multiplier)
    frame = pd.DataFrame({"value": aim, "n": size}, index=index)
    for level in levels:
        tail = (1 - check_level(level)) / 2
        name = f"{100 * level:.10g}".replace(".", "_")
        low, high = law.ppf(tail), law.isf(tail)
        limits = {
            "lower": np.maximum(low - (law.cdf(low) - tail) / law.pmf(low), 0),
            "upper": high + (law.sf(high - 1) - tail) / law.pmf(high),
        }
        for side, events in limits.items():
            column = np.full(len(index), np.nan)
            column[known] = events * multiplier / size[known]
            frame[f"{side}_{name}"] = np.minimum(column, 1) if kind == "proportion" else column
    method = "exact_binomial_interpolated" if kind == "proportion" else "exact_poisson_interpolated"
    return label(frame, known, method, interval)
