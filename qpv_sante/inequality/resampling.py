"""Standard errors of groups of QPV: of a chance process, or of QPV drawn again."""

from __future__ import annotations

import numpy as np
import pandas as pd


def process_errors(rate: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Standard errors of rates whose cases are read as one outcome of a random process.

    Parameters
    ----------
    rate : ndarray
        In percent.
    people : ndarray
        People (or units of the denominator) behind each rate.

    Returns
    -------
    ndarray
        In points. Standard deviation of the posterior of the rate with Jeffreys' prior, Beta(k + 1/2, n - k + 1/2):
        that of the binomial law for many cases, and not zero where no one has the event, or everyone.

    Examples
    --------
    >>> process_errors(np.array([0.0, 30.0]), np.array([30, 1000])).round(2).tolist()
    [2.23, 1.45]
    """
    cases = rate / 100 * people + 0.5
    share = cases / (people + 1)
    errors: np.ndarray = 100 * np.sqrt(share * (1 - share) / (people + 2))
    return errors


def cluster_errors(members: pd.DataFrame, *, draws: int = 1000, seed: int = 0) -> pd.Series:
    """Standard errors of the pooled rates of groups, their QPV being drawn again with replacement.

    Parameters
    ----------
    members : DataFrame
        One row a group and QPV: `group`, `value` (percent) and `weight`, none missing.
    draws, seed : int
        Draws, and seed of the generator.

    Returns
    -------
    Series
        Index: the groups, in points; missing for a group of one QPV, of which the spread cannot be told.

    Notes
    -----
    A bootstrap by cluster: whole QPV are drawn, with their people. In a group of n, n - 1 are drawn each time, so that
    the variance is that of n independent QPV and not (n - 1) / n of it (McCarthy and Snowden 1985; Rao and Wu 1988).
    The rate of a draw is Σ w v / Σ w over what was drawn.

    References
    ----------
    Rao and Wu (1988), J Am Stat Assoc 83:231-241. McCarthy and Snowden (1985), Vital and Health Statistics 2:95.

    Examples
    --------
    >>> members = pd.DataFrame({"group": ["A", "A", "A", "B"], "value": [10, 20, 30, 15], "weight": [1, 1, 1, 1]})
    >>> cluster_errors(members, draws=4000).round().tolist()  # 10 / √3, then one QPV alone
    [6.0, nan]
    """
    random = np.random.default_rng(seed)
    found = {}
    # in an order that depends on the QPV alone: the same call gives the same errors, whatever the order of the rows
    ordered = members.sort_values(["group", "value", "weight"], kind="stable")
    for group, part in ordered.groupby("group", sort=True):
        number = len(part)
        if number < 2:
            found[group] = np.nan
            continue
        weight = part["weight"].to_numpy(float)
        cases = weight * part["value"].to_numpy(float)
        drawn = random.integers(0, number, size=(draws, number - 1))
        found[group] = float((cases[drawn].sum(axis=1) / weight[drawn].sum(axis=1)).std(ddof=1))
    return pd.Series(found, dtype=float).rename_axis("group")
