"""Limits of binomial and Poisson counts, the checks they need, and the frame they come back in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qpv_sante.intervals.columns import UNCERTAINTIES, check_choice, is_whole, require

PROPORTION_METHODS = {
    "wilson": "wilson",
    "clopper_pearson": "beta",
    "jeffreys": "jeffreys",
    "agresti_coull": "agresti_coull",
}
"""Our names of the methods for one proportion, and those of statsmodels."""

EXACT_BELOW = 10
"""Events: Byar's approximation is good from here on, even at 99.8 %."""


def check_binomial(
    index: pd.Index, events: np.ndarray, size: np.ndarray, name: str, name_size: str, *, whole: bool = False
) -> None:
    """Refuse counts that are negative, above their size or, for an exact method, not whole."""
    found = {name: events, name_size: size}
    require(~(events < 0) & ~(size < 0), index, f"`{name}` and `{name_size}` must not be negative", **found)
    require(~(events > size), index, f"`{name}` must not exceed `{name_size}`", **found)
    if whole:
        text = f"`{name}` and `{name_size}` must be whole: an exact method counts cases (a score method takes weights)"
        require(is_whole(events) & is_whole(size), index, text, **found)


def check_poisson(
    index: pd.Index, events: np.ndarray, time: np.ndarray, name: str, name_time: str, *, whole: bool = True
) -> np.ndarray:
    """Check counts and exposures; return which rows have both."""
    found = {name: events, name_time: time}
    require(~(events < 0) & ~(time < 0), index, f"`{name}` and `{name_time}` must not be negative", **found)
    require(~((events > 0) & (time == 0)), index, f"`{name}` needs exposure: `{name_time}` must be positive", **found)
    if whole:
        check_whole_below(index, events, name)
    return ~np.isnan(events) & (time > 0)


def check_whole_below(index: pd.Index, events: np.ndarray, name: str) -> None:
    """Refuse parts of events where the exact Poisson method is used."""
    text = f"`{name}` must be whole below {EXACT_BELOW}, where the exact Poisson method is used"
    require(is_whole(events) | (events >= EXACT_BELOW), index, text, **{name: events})


def binomial_limits(events: np.ndarray, size: np.ndarray, level: float, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Limits of a proportion, from statsmodels; no missing value."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(events, size, alpha=1 - level, method=PROPORTION_METHODS[method])
    # The bounds of the scale are limits without rounding error where all or none have the event.
    return np.where(events == 0, 0, low), np.where(events == size, 1, high)


def poisson_limits(index: pd.Index, events: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Limits of a Poisson mean and the method used in each row: Byar, exact below 10 events."""
    from scipy.special import gammainccinv, gammaincinv  # scipy.stats has the same, ten times slower to import

    check_whole_below(index, events, "count")
    z, tail = quantile(level), (1 - level) / 2
    few = events < EXACT_BELOW
    x = np.where(few, EXACT_BELOW, events)  # keeps the formula finite where it is not used
    byar_low = x * np.maximum(1 - 1 / (9 * x) - z / (3 * np.sqrt(x)), 0) ** 3
    byar_high = (x + 1) * (1 - 1 / (9 * (x + 1)) + z / (3 * np.sqrt(x + 1))) ** 3
    whole = np.rint(np.where(few, events, 0))
    low = np.where(few, np.where(whole > 0, gammaincinv(np.maximum(whole, 1), tail), 0), byar_low)
    high = np.where(few, gammainccinv(whole + 1, tail), byar_high)
    return low, high, np.where(few, "exact", "byar")


def quantile(level: float) -> float:
    """Normal quantile of a two-sided level: 1.96 for 0.95."""
    from scipy.special import ndtri

    return -float(ndtri((1 - level) / 2))


def divide(top: np.ndarray, bottom: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Quotient where `known`, missing elsewhere."""
    return np.divide(top, bottom, out=np.full(len(known), np.nan), where=known)


def result(
    index: pd.Index, value: np.ndarray, lower: np.ndarray, upper: np.ndarray, method: str | np.ndarray, interval: str
) -> pd.DataFrame:
    """Frame of a result; a row without upper limit has neither method nor kind of uncertainty."""
    frame = pd.DataFrame({"value": value, "lower": lower, "upper": upper}, index=index)
    return label(frame, ~np.isnan(upper), method, interval)


def label(frame: pd.DataFrame, known: np.ndarray, method: str | np.ndarray, interval: str) -> pd.DataFrame:
    """Add the method and the kind of uncertainty to the rows that have limits."""
    check_choice("interval", interval, UNCERTAINTIES)
    frame["method"] = pd.Series(method, index=frame.index, dtype="str").where(known)
    frame["interval"] = pd.Series(interval, index=frame.index, dtype="str").where(known)
    return frame
