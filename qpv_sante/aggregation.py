"""Pooling figures of several territories, with what secrecy and rounding leave unknown.

Counts are summed; rates go through numerator and denominator; medians, deciles and scores are never
pooled: their distribution is described. A suppressed value is neither zero nor filled: it widens bounds; so does a
weight that is not the base of the rate.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

POOLED_KINDS = ("count", "rate")
Z = 1.959963984540054
# Intervals that express chance, and so can be combined as independent errors
CHANCE = ("sampling", "process")
_QUANTILES = {"min": 0.0, "q1": 0.25, "median": 0.5, "q3": 0.75, "max": 1.0}
POOLED_COLUMNS = ("value", "lower", "upper", "interval", "n_used", "n_total", "coverage", "weight_used", "unreliable")


def with_bounds(frame: pd.DataFrame, rounding: float | None, limits: list[float] | None) -> pd.DataFrame:
    """The frame with `lower` and `upper` on every value, from the published interval or the rounding.

    Parameters
    ----------
    frame : DataFrame
        Rows of the long table.
    rounding : float or None
        Half of the last published digit, in the indicator's unit.
    limits : list of two floats or None
        Range of the indicator, at which bounds stop.

    Returns
    -------
    DataFrame
        `interval` is `rounding` where bounds were added.

    Examples
    --------
    >>> frame = pd.DataFrame({"value": [40.0], "lower": [np.nan], "upper": [np.nan], "interval": ["none"]})
    >>> with_bounds(frame, 0.5, [0, 100])[["lower", "upper", "interval"]]
       lower  upper  interval
    0   39.5   40.5  rounding
    """
    half = 0.0 if rounding is None else rounding
    low, high = limits or [-np.inf, np.inf]
    lower = frame["lower"].fillna((frame["value"] - half).clip(lower=low))
    upper = frame["upper"].fillna((frame["value"] + half).clip(upper=high))
    added = frame["lower"].isna() & frame["value"].notna() & (half > 0)
    interval = frame["interval"].astype("str").mask(added, "rounding")
    return frame.assign(lower=lower, upper=upper, interval=interval)


def pool(
    frame: pd.DataFrame,
    by: str,
    *,
    kind: str,
    extremes: tuple[float, float] | None = None,
    withheld: str = "secrecy",
) -> pd.DataFrame:
    """Pooled value of each group, its bounds, and what it rests on.

    Parameters
    ----------
    frame : DataFrame
        One row a unit: the column `by`, `value` (missing if not published), `lower`, `upper`,
        `interval`, `flag` and, for rates, `weight` (persons, households; the denominator or what stands for it). A unit
        of unknown weight counts in `n_total` and not in `coverage`.
        `least`, `most`, if they are there: between which values each unit lies, published or not.
        `weight_sd`, `tilt_low`, `tilt_high`, if they are there: how far the logarithm of a weight that is not the base
        may be from that of the base, from one unit to another (one standard deviation), and for all together, at either
        end of how it goes with the value.
    by : str
        Column of the groups.
    kind : str
        `count` or `rate` are pooled (a count only if every unit has a value); for other kinds the value of a
        group of one unit is kept, and that of a larger group is missing.
    extremes : tuple of float, optional
        Between which values units without a value lie, without the columns `least` and `most`; the lowest (none, for
        counts) and highest bounds of the frame by default.
    withheld : str
        Name of the interval of a group of which a unit has no value.

    Returns
    -------
    DataFrame
        Index: the groups. `value`; `lower` and `upper`: the pooled value if every unit were at its own lowest, then at
        its highest, less and more what the weights may err by; missing for a group without any value; `interval`:
        `withheld` where a unit has no value, `weight` where a weight is not the base, else that of the units
        (`rounding`); `n_used`, `n_total` units; `coverage`: share of the weight (of units, for counts) that has a
        value; `weight_used`; `unreliable`: units so flagged.

    Notes
    -----
    For rates, value = sum(w v) / sum(w) over the units with a value. What withheld units may be is added up, as if all
    erred in the same direction: values are not withheld at random. Errors of weights are taken independent from one
    unit to another once what goes with the value is put aside: sd = sqrt(sum(w s (v - value))^2) / sum(w), and
    1.96 times as much on each side. Bounds are stretched to the value, if withheld units must lie on one side of it.

    Examples
    --------
    >>> units = pd.DataFrame({
    ...     "region": ["A", "A", "B"], "value": [40.0, 60.0, np.nan], "weight": [3000, 1000, 500],
    ...     "lower": [40.0, 60.0, np.nan], "upper": [40.0, 60.0, np.nan],
    ...     "interval": "none", "flag": ["observed", "observed", "suppressed"]})
    >>> pool(units, "region", kind="rate")[["value", "lower", "upper", "n_used", "n_total"]]
            value  lower  upper  n_used  n_total
    region
    A        45.0   45.0   45.0       2        2
    B         NaN    NaN    NaN       0        1
    """
    known = frame["value"].notna()
    weight = frame["weight"] if kind == "rate" else pd.Series(1.0, index=frame.index)
    low, high = _ends(frame, extremes, kind)
    used = known & weight.notna()
    sums = {"weight": weight.where(used)}
    if kind == "rate":
        sums |= {"all": weight, "value": (weight * frame["value"]).where(used), "low": weight * low}
        sums["high"] = weight * high
    elif kind == "count":
        sums |= {"value": frame["value"], "low": low, "high": high}
    counts = {"known": known, "used": used, "unweighted": weight.isna()}
    counts["unreliable"] = (frame["flag"] == "unreliable") & used
    interval = frame["interval"].astype("str").where(used & (frame["interval"] != "none"))
    # codes are sorted into groups once for all columns: with one sorting a column, it is most of the time
    columns = {f"sum_{name}": values for name, values in sums.items()}
    columns |= {"low": low, "high": high}
    grouped = pd.DataFrame({**columns, **counts, "interval": interval}).groupby(frame[by])
    size = grouped.size()
    # column by column: pandas adds up several at a time in another order, and the last digit moves
    total = {name: grouped[f"sum_{name}"].sum(min_count=1) for name in sums}
    number = {name: grouped[name].sum() for name in counts}
    result = pd.DataFrame(index=size.index)
    inexact = pd.Series(False, index=size.index)
    if kind == "rate":
        result["value"] = total["value"] / total["weight"]
        # a unit of unknown weight cannot be bounded: nor can its group
        bounded = number["unweighted"] == 0
        result["lower"] = (total["low"] / total["all"]).where(bounded)
        result["upper"] = (total["high"] / total["all"]).where(bounded)
        result["coverage"] = (total["weight"] / total["all"]).fillna(0.0)
        if "weight_sd" in frame:
            down, up = _weight_errors(frame.assign(middle=(low + high) / 2), by)
            inexact = (down + up > 1e-9).reindex(size.index)  # a unit alone has no error but that of sums
            # no pooled rate lies beyond its parts, whatever their weights
            result["lower"] = (result["lower"] - down).clip(lower=grouped["low"].min())
            result["upper"] = (result["upper"] + up).clip(upper=grouped["high"].max())
        result["lower"] = result["lower"].where(~(result["lower"] > result["value"]), result["value"])
        result["upper"] = result["upper"].where(~(result["upper"] < result["value"]), result["value"])
    elif kind == "count":
        # a sum that lacks a part is not a total: it is the lower bound of one
        result["value"] = total["value"].where(number["known"] == size)
        result["lower"], result["upper"] = total["low"], total["high"]
        result["coverage"] = number["known"] / size
    else:
        alone = frame[by].map(size) == 1
        for name, values in (("value", frame["value"]), ("lower", low), ("upper", high)):
            result[name] = values.where(alone & known).groupby(frame[by]).max()
        result["coverage"] = number["known"] / size
    result["n_used"] = number["used"]
    result["n_total"] = size
    result["weight_used"] = total["weight"]
    result["unreliable"] = number["unreliable"]
    all_known = result["n_used"] == result["n_total"]
    result["interval"] = grouped["interval"].first().fillna("none").mask(inexact, "weight").where(all_known, withheld)
    # bounds say how far a figure could be off: where there is no figure they would say nothing
    result.loc[result["n_used"] == 0, ["lower", "upper"]] = np.nan
    result.loc[result["lower"].isna(), "interval"] = "none"
    return result[list(POOLED_COLUMNS)]


def _ends(frame: pd.DataFrame, extremes: tuple[float, float] | None, kind: str) -> tuple[pd.Series, pd.Series]:
    """Between which values each unit lies."""
    if "least" in frame:
        return frame["least"], frame["most"]
    known = frame["value"].notna()
    lowest, highest = extremes or (0.0 if kind == "count" else frame["lower"].min(), frame["upper"].max())
    return frame["lower"].where(known, lowest), frame["upper"].where(known, highest)


def _weight_errors(frame: pd.DataFrame, by: str) -> tuple[pd.Series, pd.Series]:
    """By how much weights that are not the base may move each group's rate, down and up: both positive.

    Needs `middle`: the value of each unit, or the middle of what it may be.
    """
    # in numpy: groups are many sums of the same units, and texts are slow to group
    place, groups = pd.factorize(frame[by], sort=True)
    inside = (place >= 0) & frame["weight"].notna().to_numpy()
    place = place[inside]
    names = ["weight", "middle", "weight_sd", "tilt_low", "tilt_high"]
    weight, middle, sd, *tilts = frame.loc[inside, names].astype(float).to_numpy().T

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(place, values, minlength=len(groups))

    with np.errstate(invalid="ignore", divide="ignore"):
        usual = total(weight * middle) / total(weight)
        shifts = [total(weight * np.exp(tilt) * middle) / total(weight * np.exp(tilt)) - usual for tilt in tilts]
        chance = Z * np.sqrt(total((weight * sd * (middle - usual[place])) ** 2)) / total(weight)
    down = chance - np.minimum(np.minimum(*shifts), 0.0)
    return pd.Series(down, index=groups), pd.Series(chance + np.maximum(np.maximum(*shifts), 0.0), index=groups)


def distribution(frame: pd.DataFrame, by: str) -> pd.DataFrame:
    """Minimum, quartiles and maximum of the values of each group's units.

    Parameters
    ----------
    frame : DataFrame
        The columns `by` and `value`; missing values are left out, and counted by `pool`.
    by : str
        Column of the groups.

    Returns
    -------
    DataFrame
        Index: the groups; `min, q1, median, q3, max` (unweighted, linear interpolation).
    """
    grouped = frame.groupby(by)["value"]
    quantiles = grouped.quantile(list(_QUANTILES.values())).unstack()
    return quantiles.reindex(columns=list(_QUANTILES.values())).set_axis(list(_QUANTILES), axis=1)


def difference_bounds(a: pd.DataFrame, b: pd.DataFrame, *, disjoint: bool = True) -> pd.DataFrame:
    """Difference and ratio of two pooled figures, with the bounds that theirs imply.

    Parameters
    ----------
    a, b : DataFrame
        Same index; `value, lower, upper, interval`.
    disjoint : bool
        Whether the two figures count different people. When one contains the other they are not
        independent, and their intervals are added like bounds, which is too wide but never too narrow.

    Returns
    -------
    DataFrame
        `difference` (a - b), `ratio` (a / b) and their `_lower` and `_upper`: interval arithmetic,
        the widest that the two bounds allow. Where `disjoint` and both intervals express chance (`sampling`,
        `process`), those of the difference are combined by MOVER (squares of the distances to the
        limits; Zou and Donner 2008) and those of the ratio in the same way on the log scale. A ratio to zero or
        to bounds that hold zero is missing.

    Examples
    --------
    >>> a = pd.DataFrame({"value": [40.0], "lower": [39.0], "upper": [41.0], "interval": "rounding"})
    >>> b = pd.DataFrame({"value": [20.0], "lower": [19.0], "upper": [21.0], "interval": "rounding"})
    >>> difference_bounds(a, b).loc[0, ["difference", "difference_lower", "difference_upper", "ratio"]].tolist()
    [20.0, 18.0, 22.0, 2.0]
    """
    low, high = b["lower"].where(b["lower"] > 0), b["upper"].where(b["lower"] > 0)
    result = pd.DataFrame(
        {
            "difference": a["value"] - b["value"],
            "difference_lower": a["lower"] - b["upper"],
            "difference_upper": a["upper"] - b["lower"],
            "ratio": a["value"] / b["value"].where(b["value"] > 0),
            "ratio_lower": a["lower"] / high,
            "ratio_upper": a["upper"] / low,
        }
    )
    chance = a["interval"].isin(CHANCE) & b["interval"].isin(CHANCE) & disjoint
    if chance.any():
        down = np.hypot(a["value"] - a["lower"], b["upper"] - b["value"])
        up = np.hypot(a["upper"] - a["value"], b["value"] - b["lower"])
        result["difference_lower"] = result["difference_lower"].mask(chance, result["difference"] - down)
        result["difference_upper"] = result["difference_upper"].mask(chance, result["difference"] + up)
        positive = chance & (a["lower"] > 0) & (b["lower"] > 0)
        log_a, log_b = (np.log(side[["value", "lower", "upper"]].where(positive, np.nan)) for side in (a, b))
        down = np.hypot(log_a["value"] - log_a["lower"], log_b["upper"] - log_b["value"])
        up = np.hypot(log_a["upper"] - log_a["value"], log_b["value"] - log_b["lower"])
        result["ratio_lower"] = result["ratio_lower"].mask(chance, result["ratio"] * np.exp(-down))
        result["ratio_upper"] = result["ratio_upper"].mask(chance, result["ratio"] * np.exp(up))
    return result


def remainder(
    whole: pd.DataFrame,
    parts: pd.DataFrame,
    by: str,
    *,
    base_ratio: pd.Series | None = None,
    extremes: tuple[float, float] | None = None,
) -> pd.DataFrame:
    """Rate outside the parts: numerators and denominators of the whole less those of its parts.

    Parameters
    ----------
    whole : DataFrame
        Index: the groups; `value, lower, upper` (rate in percent) and `weight` (its denominator).
    parts : DataFrame
        One row a part: `by`, `value, lower, upper, weight`, and the columns `least, most, weight_sd, tilt_low,
        tilt_high` of `pool` if they are there. The value may be missing.
    by : str
        Column of the groups.
    base_ratio : Series, optional
        Index: the groups. Denominator of the whole over the same territory's count in the base of
        the parts' weights (fiscal persons over inhabitants). The central value rescales the parts'
        weights by it; the bounds let the true ratio lie anywhere between it and 1.
    extremes : tuple of float, optional
        Between which values parts without a value lie, as in `pool`.

    Returns
    -------
    DataFrame
        Index: the groups; `value`, missing where a part is missing (the remainder could then not be
        told from it); `lower`, `upper`: missing parts at their highest, then at their lowest, and what the weights of
        the parts may err by; `weight` left; `parts_missing`.

    Notes
    -----
    r_out = (r W - sum r_q w_q) / (W - sum w_q). It is increasing in r, decreasing in each r_q. An error s in the
    logarithm of w_q moves it by s w_q (r_out - r_q) / (W - sum w_q).
    """
    known = parts["value"].notna()
    low, high = _ends(parts, extremes, "rate")
    scale = pd.Series(1.0, index=whole.index) if base_ratio is None else base_ratio

    def outside(rate: pd.Series, part_rate: pd.Series, factor: pd.Series, tilt: pd.Series | float = 1.0) -> pd.Series:
        weight = parts["weight"] * parts[by].map(factor) * tilt
        inner = (weight * part_rate).groupby(parts[by]).sum(min_count=1).reindex(whole.index)
        left = whole["weight"] - weight.groupby(parts[by]).sum(min_count=1).reindex(whole.index)
        return (rate * whole["weight"] - inner) / left.where(left > 0)

    missing = (~known).groupby(parts[by]).sum().reindex(whole.index).fillna(0).astype(int)
    unweighted = parts["weight"].isna().groupby(parts[by]).any().reindex(whole.index, fill_value=False)
    result = pd.DataFrame({"value": outside(whole["value"], parts["value"], scale)})
    result.loc[(missing > 0) | unweighted, "value"] = np.nan
    factors = [scale, pd.Series(1.0, index=whole.index)]
    tilts = [np.exp(parts[name]) for name in ("tilt_low", "tilt_high") if name in parts] or [1.0]
    lows = pd.concat([outside(whole["lower"], high, factor, tilt) for factor in factors for tilt in tilts], axis=1)
    highs = pd.concat([outside(whole["upper"], low, factor, tilt) for factor in factors for tilt in tilts], axis=1)
    chance: pd.Series | float = 0.0
    if "weight_sd" in parts:
        weight, middle = parts["weight"] * parts[by].map(scale), (low + high) / 2
        left = whole["weight"] - weight.groupby(parts[by]).sum().reindex(whole.index)
        usual = parts[by].map(outside(whole["value"], middle, scale)).astype(float)
        squares = ((parts["weight_sd"] * weight * (usual - middle)) ** 2).groupby(parts[by]).sum().reindex(whole.index)
        chance = Z * np.sqrt(squares) / left.where(left > 0)
    result["lower"] = (lows.min(axis=1) - chance).mask(unweighted)
    result["upper"] = (highs.max(axis=1) + chance).mask(unweighted)
    inner_weight = (parts["weight"] * parts[by].map(scale)).groupby(parts[by]).sum().reindex(whole.index)
    result["weight"] = whole["weight"] - inner_weight
    result["parts_missing"] = missing
    return result
