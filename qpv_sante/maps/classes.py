"""Class limits of maps, and the class of each value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qpv_sante.errors import ComparabilityError, UnknownNameError, did_you_mean

SCHEMES = ("quantiles", "natural_breaks")


def class_breaks(
    values: Sequence[float] | pd.Series, k: int = 5, *, scheme: str = "quantiles", decimals: int = 1
) -> list[float]:
    """Class limits, to be shared by maps that are compared.

    Parameters
    ----------
    values : sequence of float
        Values of every map that is to share the classes; missing ones are left out.
    k : int
        Number of classes, at most.
    scheme : {"quantiles", "natural_breaks"}
        Quantiles as `mapclassify.Quantiles` gives them, or `mapclassify.NaturalBreaks`.
    decimals : int
        Values are classed as they are printed, so that a legend and a table never disagree.

    Returns
    -------
    list of float
        The lowest value, then the upper limit of each class, included in it. With `k` distinct values or
        fewer, each has its class. Empty without a value.

    Raises
    ------
    UnknownNameError
        Unknown scheme.

    Examples
    --------
    >>> class_breaks([10, 20, 30, 40, 50, 60, 70, 80, 90, 100], k=4)
    [10.0, 32.5, 55.0, 77.5, 100.0]
    >>> class_breaks([12.0, 12.0, 15.0])
    [12.0, 12.0, 15.0]
    """
    if scheme not in SCHEMES:
        raise UnknownNameError(f"Unknown scheme {scheme!r}. {did_you_mean(scheme, SCHEMES)}")
    known = np.round(pd.Series(values, dtype="float64").dropna().to_numpy(), decimals)
    if not len(known):
        return []
    distinct = np.unique(known)
    if len(distinct) <= k:
        uppers = distinct
    elif scheme == "quantiles":
        # the same numbers as mapclassify's, whose import alone takes longer than drawing a national map
        uppers = np.quantile(known, np.linspace(0, 1, k + 1)[1:])
    else:
        import mapclassify

        uppers = mapclassify.NaturalBreaks(known, k=k).bins
    uppers = np.unique(np.round(uppers, decimals))
    return [float(distinct[0]), *(float(upper) for upper in uppers)]


def classify(values: pd.Series, breaks: Sequence[float], *, decimals: int = 1) -> pd.Series:
    """Number of the class of each value, from 0; -1 where the value is missing.

    Parameters
    ----------
    values : Series of float
    breaks : sequence of float
        As `class_breaks` gives them.
    decimals : int

    Raises
    ------
    ComparabilityError
        Values outside the classes, or limits that do not increase.

    Examples
    --------
    >>> classify(pd.Series([10.0, 32.5, 33.0, None]), [10.0, 32.5, 100.0]).tolist()
    [0, 0, 1, -1]
    """
    known = values.round(decimals)
    if known.isna().all():
        return pd.Series(-1, index=values.index)
    limits = np.round(np.asarray(breaks, dtype="float64"), decimals)
    if len(limits) < 2 or (np.diff(limits)[1:] <= 0).any() or limits[1] < limits[0]:
        raise ComparabilityError(
            f"breaks are the lowest value then increasing upper limits, at least two numbers; got {list(breaks)}."
        )
    low, high = known.min(), known.max()
    if low < limits[0] or high > limits[-1]:
        raise ComparabilityError(
            f"Values go from {low:g} to {high:g}, outside the breaks ({limits[0]:g} to {limits[-1]:g}). "
            "Maps that share classes need class_breaks() of all their values together."
        )
    number = np.searchsorted(limits[1:], known.to_numpy(), side="left")
    return pd.Series(number, index=values.index).where(known.notna(), -1)
