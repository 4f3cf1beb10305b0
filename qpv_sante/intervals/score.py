"""Score intervals of two independent proportions, inverted for whole columns at once.

statsmodels inverts the same score test one pair at a time; here all rows are bisected together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_STEPS = 90  # halvings: past double precision from any bracket used here


def _bisect(
    statistic: Callable[[np.ndarray], np.ndarray], target: float, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Root of a decreasing `statistic` = `target`, row by row, between `low` and `high`."""
    low, high = low.copy(), high.copy()
    for _ in range(_STEPS):
        middle = (low + high) / 2
        above = statistic(middle) > target
        low = np.where(above, middle, low)
        high = np.where(above, high, middle)
    return (low + high) / 2


def _correction(n_a: np.ndarray, n_b: np.ndarray, bias_corrected: bool) -> np.ndarray:
    # Miettinen and Nurminen multiply the variance by N / (N - 1); Koopman and Mee do not.
    total = n_a + n_b
    return total / (total - 1) if bias_corrected else np.ones_like(total)


def ratio_limits(
    a: np.ndarray, n_a: np.ndarray, b: np.ndarray, n_b: np.ndarray, z: float, *, bias_corrected: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Score limits of a ratio of proportions.

    Parameters
    ----------
    a, n_a, b, n_b : ndarray, shape (n_rows,)
        Counts and sizes, sizes positive, no missing value.
    z : float
        Normal quantile of the level.
    bias_corrected : bool
        True for Miettinen and Nurminen (1985), False for Koopman (1984).

    Returns
    -------
    lower, upper : ndarray, shape (n_rows,)
        0 and infinity where the data set no bound.

    Examples
    --------
    >>> one = [np.array([x], dtype=float) for x in (7, 34, 1, 34)]
    >>> [round(float(x[0]), 4) for x in ratio_limits(*one, 1.959964, bias_corrected=False)]
    [1.2209, 42.5757]
    """
    factor = _correction(n_a, n_b, bias_corrected)
    p_a, p_b = a / n_a, b / n_b

    def statistic(log_ratio: np.ndarray) -> np.ndarray:
        ratio = np.exp(log_ratio)
        # Proportions of highest likelihood under the ratio: smaller root of a quadratic, in its stable form.
        half = (n_a * ratio + a + n_b + b * ratio) / 2
        gap = np.sqrt(np.maximum(half**2 - (n_a + n_b) * ratio * (a + b), 0))
        null_b = np.minimum((a + b) / (half + gap), np.minimum(1, 1 / ratio))
        null_a = null_b * ratio
        variance = factor * (null_a * (1 - null_a) / n_a + ratio**2 * null_b * (1 - null_b) / n_b)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = (p_a - ratio * p_b) / np.sqrt(variance)
        return np.where(np.isnan(score), 0, score)

    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.log(p_a) - np.log(p_b)
    far = 60.0
    start = np.where(np.isfinite(centre), centre, np.where(b > 0, -far, far))
    lower = np.exp(_bisect(statistic, z, np.minimum(start, 0) - far, start))
    upper = np.exp(_bisect(statistic, -z, start, np.maximum(start, 0) + far))
    return np.where(a == 0, 0, lower), np.where(b == 0, np.inf, upper)


def difference_limits(
    a: np.ndarray, n_a: np.ndarray, b: np.ndarray, n_b: np.ndarray, z: float, *, bias_corrected: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Score limits of a difference of proportions.

    Parameters
    ----------
    a, n_a, b, n_b : ndarray, shape (n_rows,)
        Counts and sizes, sizes positive, no missing value.
    z : float
        Normal quantile of the level.
    bias_corrected : bool
        True for Miettinen and Nurminen (1985), False for Mee (1984).

    Returns
    -------
    lower, upper : ndarray, shape (n_rows,)

    Examples
    --------
    >>> one = [np.array([x], dtype=float) for x in (7, 34, 1, 34)]
    >>> [round(float(x[0]), 4) for x in difference_limits(*one, 1.959964, bias_corrected=False)]
    [0.0284, 0.3439]
    """
    factor = _correction(n_a, n_b, bias_corrected)
    total, events = n_a + n_b, a + b
    observed = a / n_a - b / n_b

    def statistic(gap: np.ndarray) -> np.ndarray:
        # Proportions of highest likelihood under the difference: root of a cubic (Farrington and Manning, 1990).
        linear = (n_b * gap - total - 2 * b) * gap + events
        square = (n_a + 2 * n_b) * gap - total - events
        shift = square / (3 * total)
        q = shift**3 - linear * square / (6 * total**2) + b * gap * (1 - gap) / (2 * total)
        p = np.where(q < 0, -1.0, 1.0) * np.sqrt(np.maximum(shift**2 - linear / (3 * total), 0))
        with np.errstate(invalid="ignore", divide="ignore"):
            cosine = np.clip(np.nan_to_num(q / p**3, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)
        null_b = 2 * p * np.cos((np.pi + np.arccos(cosine)) / 3) - shift
        null_b = np.clip(null_b, np.maximum(0, -gap), np.minimum(1, 1 - gap))
        null_a = null_b + gap
        variance = factor * (null_a * (1 - null_a) / n_a + null_b * (1 - null_b) / n_b)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = (observed - gap) / np.sqrt(np.maximum(variance, 0))
        return np.where(np.isnan(score), 0, score)

    lower = _bisect(statistic, z, np.full_like(observed, -1.0), observed)
    upper = _bisect(statistic, -z, observed, np.full_like(observed, 1.0))
    return lower, upper
