"""Intervals of differences and ratios of two independent proportions or rates; public through `intervals`."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qpv_sante.intervals import score as _score
from qpv_sante.intervals.columns import Column, check_choice, check_level, read_columns
from qpv_sante.intervals.limits import (
    binomial_limits,
    check_binomial,
    check_poisson,
    divide,
    poisson_limits,
    quantile,
    result,
)


def difference_of_proportions(
    a: Column,
    n_a: Column,
    b: Column,
    n_b: Column,
    *,
    level: float = 0.95,
    method: str = "newcombe",
    interval: str = "sampling",
) -> pd.DataFrame:
    """Difference ``a / n_a - b / n_b`` of two independent proportions with its interval.

    Parameters
    ----------
    a, n_a, b, n_b : float or array-like, shape (n_rows,)
        Events and people on each side.
    level : float
        Confidence level, between 0 and 1.
    method : {"newcombe", "miettinen_nurminen", "mee"}
        Newcombe's hybrid of two Wilson intervals (his method 10), or a score interval, with (Miettinen and Nurminen)
        or without (Mee) the factor N / (N - 1) on the variance.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (n_rows, 5)
        ``value``, ``lower``, ``upper`` between -1 and 1, ``method``, ``interval``. Missing where a side is empty.

    Raises
    ------
    InvalidInputError
        For negative counts or counts above the size; the rows are named.

    References
    ----------
    Newcombe (1998), Statistics in Medicine 17:873-890. Miettinen and Nurminen (1985), Statistics in Medicine
    4:213-226. Mee (1984), Biometrics 40:1175-1176.

    Examples
    --------
    >>> difference_of_proportions(56, 70, 48, 80).round(4)
       value   lower   upper    method  interval
    0    0.2  0.0524  0.3339  newcombe  sampling
    """
    check_choice("method", method, ["newcombe", "miettinen_nurminen", "mee"])
    index, (x, m, y, n), known, level = _two_samples(a, n_a, b, n_b, level)
    value = divide(x, m, known) - divide(y, n, known)
    lower, upper = np.full((2, len(index)), np.nan)
    x, m, y, n = x[known], m[known], y[known], n[known]
    if method == "newcombe":
        from statsmodels.stats.proportion import confint_proportions_2indep

        # The value itself bounds the limits: rounding could otherwise leave it outside at 0 or 1.
        low, high = confint_proportions_2indep(x, m, y, n, method="newcomb", compare="diff", alpha=1 - level)
        lower[known], upper[known] = np.minimum(low, value[known]), np.maximum(high, value[known])
    else:
        # Not statsmodels' score method here: its constrained estimate for a difference has a wrong coefficient
        # (statsmodels issue 10269, present in 0.14.6 and 0.15.0).
        corrected = method == "miettinen_nurminen"
        lower[known], upper[known] = _score.difference_limits(x, m, y, n, quantile(level), bias_corrected=corrected)
    return result(index, value, lower, upper, method, interval)


def ratio_of_proportions(
    a: Column,
    n_a: Column,
    b: Column,
    n_b: Column,
    *,
    level: float = 0.95,
    method: str = "koopman",
    interval: str = "sampling",
) -> pd.DataFrame:
    """Ratio ``(a / n_a) / (b / n_b)`` of two independent proportions with its score interval.

    Parameters
    ----------
    a, n_a, b, n_b : float or array-like, shape (n_rows,)
        Events and people on each side.
    level : float
        Confidence level, between 0 and 1.
    method : {"koopman", "miettinen_nurminen"}
        Score interval without or with the factor N / (N - 1) on the variance.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (n_rows, 5)
        ``value``, ``lower``, ``upper``, ``method``, ``interval``. With ``b = 0`` the value and the upper limit are
        infinite; with no event on either side the value is missing and the limits are 0 and infinity.

    Raises
    ------
    InvalidInputError
        For negative counts or counts above the size; the rows are named.

    References
    ----------
    Koopman (1984), Biometrics 40:513-517. Miettinen and Nurminen (1985), Statistics in Medicine 4:213-226.

    Examples
    --------
    >>> ratio_of_proportions(7, 34, 1, 34).round(2)
       value  lower  upper   method  interval
    0    7.0   1.22  42.58  koopman  sampling
    """
    check_choice("method", method, ["koopman", "miettinen_nurminen"])
    index, (x, m, y, n), known, level = _two_samples(a, n_a, b, n_b, level)
    lower, upper = np.full((2, len(index)), np.nan)
    value = _ratio(divide(x, m, known), divide(y, n, known))
    x, m, y, n = x[known], m[known], y[known], n[known]
    corrected = method == "miettinen_nurminen"
    lower[known], upper[known] = _score.ratio_limits(x, m, y, n, quantile(level), bias_corrected=corrected)
    return result(index, value, lower, upper, method, interval)


def ratio_of_rates(
    a: Column,
    exposure_a: Column,
    b: Column,
    exposure_b: Column,
    *,
    level: float = 0.95,
    method: str = "exact_conditional",
    interval: str = "sampling",
) -> pd.DataFrame:
    """Ratio ``(a / exposure_a) / (b / exposure_b)`` of two independent Poisson rates with its interval.

    Parameters
    ----------
    a, exposure_a, b, exposure_b : float or array-like, shape (n_rows,)
        Events and exposure on each side.
    level : float
        Confidence level, between 0 and 1.
    method : {"exact_conditional", "score"}
        Given the total, `a` is binomial: its share has Clopper-Pearson limits (exact, whole counts) or Wilson limits
        (the score interval of the ratio); ``share / (1 - share) * exposure_b / exposure_a`` is the ratio.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (n_rows, 5)
        ``value``, ``lower``, ``upper``, ``method``, ``interval``. With ``b = 0`` the value and the upper limit are
        infinite; with no event on either side the value is missing and the limits are 0 and infinity.

    Raises
    ------
    InvalidInputError
        For negative numbers, events without exposure, or non-whole counts with the exact method.

    References
    ----------
    Przyborowski and Wilenski (1940), Biometrika 31:313-323. Breslow and Day (1987), section 3.4.

    Examples
    --------
    >>> ratio_of_rates(41, 28_010, 15, 19_017).round(2)
       value  lower  upper             method  interval
    0   1.86   1.01   3.61  exact_conditional  sampling
    """
    check_choice("method", method, ["exact_conditional", "score"])
    index, columns = read_columns(a=a, exposure_a=exposure_a, b=b, exposure_b=exposure_b)
    x, s, y, t = columns.values()
    level = check_level(level)
    known = check_poisson(index, x, s, "a", "exposure_a", whole=False)
    known = known & check_poisson(index, y, t, "b", "exposure_b", whole=False)
    exact = method == "exact_conditional"
    total = x + y
    check_binomial(index, x, np.where(np.isnan(total), np.nan, total), "a", "a + b", whole=exact)
    share = np.stack([np.zeros_like(total), np.ones_like(total)])  # without any event nothing is excluded
    some = known & (total > 0)
    share[:, some] = binomial_limits(x[some], total[some], level, "clopper_pearson" if exact else "wilson")
    scale = divide(t, s, known)
    with np.errstate(divide="ignore"):
        lower, upper = share / (1 - share) * scale
    value = _ratio(divide(x, s, known), divide(y, t, known))
    return result(index, value, lower, upper, method, interval)


def difference_of_rates(
    a: Column,
    exposure_a: Column,
    b: Column,
    exposure_b: Column,
    *,
    multiplier: float = 1,
    level: float = 0.95,
    interval: str = "sampling",
) -> pd.DataFrame:
    """Difference ``a / exposure_a - b / exposure_b`` of two independent Poisson rates, MOVER interval.

    Parameters
    ----------
    a, exposure_a, b, exposure_b : float or array-like, shape (n_rows,)
        Events (whole below 10) and exposure on each side.
    multiplier : float
        100,000 for a difference per 100,000.
    level : float
        Confidence level, between 0 and 1.
    interval : {"sampling", "rounding", "secrecy", "model", "process"}
        What the interval expresses, copied to the result.

    Returns
    -------
    DataFrame, shape (n_rows, 5)
        ``value``, ``lower``, ``upper`` per `multiplier`, ``method``, ``interval``. ``method`` tells the limits of the
        two rates that were combined: ``mover_byar``, ``mover_exact`` or ``mover_byar_exact``.

    Raises
    ------
    InvalidInputError
        For negative numbers, events without exposure, or a count below 10 that is not whole.

    Notes
    -----
    With rates r and their own limits l and u (Byar, exact below 10 events), the limits are
    ``d - √((r_a - l_a)² + (u_b - r_b)²)`` and ``d + √((u_a - r_a)² + (r_b - l_b)²)``.

    References
    ----------
    Zou and Donner (2008), Statistics in Medicine 27:1693-1702.

    Examples
    --------
    >>> difference_of_rates(41, 28_010, 15, 19_017, multiplier=10_000).round(2)
       value  lower  upper      method  interval
    0   6.75   0.17  13.02  mover_byar  sampling
    """
    index, columns = read_columns(a=a, exposure_a=exposure_a, b=b, exposure_b=exposure_b)
    x, s, y, t = columns.values()
    level = check_level(level)
    known_a = check_poisson(index, x, s, "a", "exposure_a")
    known_b = check_poisson(index, y, t, "b", "exposure_b")
    (low_a, high_a, method_a), (low_b, high_b, method_b) = (poisson_limits(index, z, level) for z in (x, y))
    scale_a = multiplier * divide(np.ones_like(s), s, known_a)
    scale_b = multiplier * divide(np.ones_like(t), t, known_b)
    value = x * scale_a - y * scale_b
    lower = value - np.hypot((x - low_a) * scale_a, (high_b - y) * scale_b)
    upper = value + np.hypot((high_a - x) * scale_a, (y - low_b) * scale_b)
    method = np.where(method_a == method_b, "mover_" + method_a.astype(object), "mover_byar_exact")
    return result(index, value, lower, upper, method, interval)


def _two_samples(
    a: Column, n_a: Column, b: Column, n_b: Column, level: float
) -> tuple[pd.Index, list[np.ndarray], np.ndarray, float]:
    index, columns = read_columns(a=a, n_a=n_a, b=b, n_b=n_b)
    x, m, y, n = columns.values()
    check_binomial(index, x, m, "a", "n_a")
    check_binomial(index, y, n, "b", "n_b")
    known = ~np.isnan(x + y) & (m > 0) & (n > 0)
    return index, [x, m, y, n], known, check_level(level)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return top / bottom  # 0 / 0 stays missing
