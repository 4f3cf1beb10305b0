"""Groups as curves: values along the ranked population, and the concentration curve."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qpv_sante import intervals
from qpv_sante.errors import InvalidInputError, SchemaError
from qpv_sante.intervals.columns import check_level
from qpv_sante.intervals.limits import quantile

_NEEDED = ("group", "rank", "estimate", "population")


def group_values(groups: pd.DataFrame, *, interval: str = "none", level: float = 0.95) -> pd.DataFrame:
    """Value of each group with its limits and the part of the population that it takes.

    Parameters
    ----------
    groups : DataFrame
        `group, rank, estimate` (percent), `population`, one row a group, as `attrs["groups"]` of
        `summarize_inequality` lists them.
    interval : {"none", "process", "between_qpv"}
        `process`: Wilson interval of each group's rate, its count read as one outcome of a random process;
        `between_qpv`: normal interval of the standard error `se` (points) that the groups then carry.
    level : float
        Confidence level, between 0 and 1.

    Returns
    -------
    DataFrame
        The groups from the most disadvantaged (by decreasing value where there is no rank), with `lower, upper`
        (percent), `interval`, and `start, middle, end`: share of the population below, in the middle and at the end
        of the group.

    Raises
    ------
    SchemaError
        A column is missing.
    InvalidInputError
        Fewer than two groups, a value that is missing or not a percentage, a population that is not positive, or an
        unknown interval.

    Examples
    --------
    >>> groups = pd.DataFrame({"group": ["Q1", "Q2"], "rank": [1, 2], "estimate": [40, 20], "population": [100, 300]})
    >>> group_values(groups, interval="process")[["group", "lower", "upper", "middle"]].round(2).values.tolist()
    [['Q1', 30.94, 49.8, 0.12], ['Q2', 15.87, 24.89, 0.62]]
    """
    if interval not in ("none", "process", "between_qpv"):
        raise InvalidInputError(f"interval is 'none', 'process' or 'between_qpv'; got {interval!r}.")
    check_level(level)
    if interval == "between_qpv" and "se" not in groups:
        raise SchemaError("Groups need the column se for intervals of the variation between QPV.")
    rows = _checked(groups)
    if interval == "process":
        size = rows["population"].round()
        wilson = intervals.proportion((rows["estimate"] / 100 * size).round(), size, level=level, interval="process")
        rows["lower"], rows["upper"] = 100 * wilson["lower"], 100 * wilson["upper"]
    elif interval == "between_qpv":
        half = quantile(level) * rows["se"]
        rows["lower"], rows["upper"] = (
            (rows["estimate"] - half).clip(lower=0),
            (rows["estimate"] + half).clip(upper=100),
        )
    else:
        rows["lower"] = rows["upper"] = np.nan
    rows["interval"] = interval
    share = rows["population"] / rows["population"].sum()
    rows["end"] = share.cumsum()
    rows["start"] = rows["end"] - share
    rows["middle"] = (rows["start"] + rows["end"]) / 2
    return rows


def concentration_points(groups: pd.DataFrame) -> pd.DataFrame:
    r"""Points of the concentration curve: cumulative share of the cases against that of the population.

    Parameters
    ----------
    groups : DataFrame
        As in `group_values`, with a rank for each group (1 = most disadvantaged).

    Returns
    -------
    DataFrame
        `group, population_share, case_share`, from (0, 0) to (1, 1); groups of equal rank are one point. The line of
        equality is the diagonal; a curve above it says that cases are concentrated among the disadvantaged.

    Raises
    ------
    SchemaError
        A column is missing.
    InvalidInputError
        No rank, no case at all, or as in `group_values`.

    Notes
    -----
    The relative concentration index of `summarize` is one minus twice the area under this curve, by trapezoids:

    .. math:: C = 1 - \sum_k (L_k + L_{k-1}) p_k

    Examples
    --------
    >>> groups = pd.DataFrame({"group": ["Q1", "Q2"], "rank": [1, 2], "estimate": [40, 20], "population": [100, 300]})
    >>> concentration_points(groups)[["population_share", "case_share"]].values.tolist()
    [[0.0, 0.0], [0.25, 0.4], [1.0, 1.0]]
    """
    rows = _checked(groups)
    if rows["rank"].isna().any():
        raise InvalidInputError(
            "A concentration curve needs ranked groups (rank, 1 = most disadvantaged): poverty quintiles or QPV "
            "against their outside, not territories."
        )
    rows["cases"] = rows["estimate"] * rows["population"]
    if not rows["cases"].sum() > 0:
        raise InvalidInputError("A concentration curve needs cases: the rate is zero in every group.")
    pooled = rows.groupby("rank", sort=True).agg(
        group=("group", lambda names: ", ".join(map(str, names))),
        population=("population", "sum"),
        cases=("cases", "sum"),
    )
    points = pd.DataFrame(
        {
            "group": pooled["group"],
            "population_share": pooled["population"].cumsum() / pooled["population"].sum(),
            "case_share": pooled["cases"].cumsum() / pooled["cases"].sum(),
        }
    )
    origin = pd.DataFrame({"group": [""], "population_share": [0.0], "case_share": [0.0]})
    return pd.concat([origin, points], ignore_index=True)


def _checked(groups: pd.DataFrame) -> pd.DataFrame:
    absent = [name for name in _NEEDED if name not in groups]
    if absent:
        raise SchemaError(f"Groups need the columns {', '.join(_NEEDED)}; missing: {', '.join(absent)}.")
    if len(groups) < 2:
        raise InvalidInputError(f"inequality needs two groups or more; found {len(groups)}.")
    rows = groups.astype({"rank": float, "estimate": float, "population": float}).reset_index(drop=True)
    bad = rows[~rows["estimate"].between(0, 100) | ~(rows["population"] > 0)]
    if len(bad):
        one = bad.iloc[0]
        raise InvalidInputError(
            f"Group {one['group']!r}: expected percent and people; found {one['estimate']} and {one['population']}."
        )
    by_rank = rows["rank"].notna().all()
    order = ["rank", "group"] if by_rank else ["estimate", "group"]
    return rows.sort_values(order, ascending=[by_rank, True], kind="stable", ignore_index=True)
