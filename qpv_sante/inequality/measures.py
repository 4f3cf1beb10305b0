"""Formulas of the summary measures of inequality, for one set of groups or many replicates of it at once.

Arrays have one row per replicate and one column per group. Groups are in the order of their rank when there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

UNITS = {
    "d": "indicator",
    "r": "ratio",
    "aci": "indicator",
    "rci": "index",
    "rci_erreygers": "index",
    "rci_wagstaff": "index",
    "sii": "indicator",
    "rii": "ratio",
    "sii_logit": "indicator",
    "rii_logit": "ratio",
    "bgv": "indicator squared",
    "bgsd": "indicator",
    "cov": "percent",
    "mdmu": "indicator",
    "mdmw": "indicator",
    "mdbu": "indicator",
    "mdbw": "indicator",
    "mdru": "indicator",
    "mdrw": "indicator",
    "idisu": "percent",
    "idisw": "percent",
    "ti": "thousandths",
    "mld": "thousandths",
    "par": "indicator",
    "paf": "percent",
}
"""Measure codes, in the order of results, with the unit of each."""

ORDERED = ("aci", "rci", "rci_erreygers", "rci_wagstaff", "sii", "rii", "sii_logit", "rii_logit")
"""Measures that need ranked groups."""

BOUNDED = ("rci_erreygers", "rci_wagstaff", "sii_logit", "rii_logit")
"""Measures that need the bounds of the indicator."""

RELATIVE = ("r", "rci", "rii", "cov", "idisu", "idisw", "ti", "mld", "paf")
"""Measures that need a ratio scale: no negative value, a positive mean."""

_CHUNK = 100_000  # numbers per block of replicates: stays in the processor's cache
_NEWTON_STEPS = 40


@dataclass(frozen=True)
class Design:
    """What stays the same over replicates.

    Attributes
    ----------
    starts : ndarray of int or None
        First column of each class of equal rank, most disadvantaged first; None without rank.
    favourable : bool
        Whether more is better.
    reference : int or None
        Column of the group of reference.
    bounds : tuple of float
        Least and greatest possible values of the indicator.
    """

    starts: np.ndarray | None
    favourable: bool
    reference: int | None
    bounds: tuple[float, float]


def ridit(share: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Share of the population below the middle of each class of equal rank.

    Parameters
    ----------
    share : ndarray, shape (n_replicates, n_groups)
        Population shares, in the order of the rank.
    starts : ndarray of int
        First column of each class of equal rank.

    Returns
    -------
    ndarray, shape (n_replicates, n_groups)

    Examples
    --------
    >>> ridit(np.array([[0.2, 0.3, 0.1, 0.4]]), np.array([0, 1, 3])).round(2).tolist()
    [[0.1, 0.4, 0.4, 0.8]]
    """
    classes = np.add.reduceat(share, starts, axis=1)
    middle = np.cumsum(classes, axis=1) - classes / 2
    return np.repeat(middle, np.diff(np.append(starts, share.shape[1])), axis=1)


def end_weights(weight: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the groups that make up the most disadvantaged and the most advantaged class with people in it.

    Parameters
    ----------
    weight : ndarray, shape (n_replicates, n_groups)
        Population, in the order of the rank.
    starts : ndarray of int
        First column of each class of equal rank.

    Returns
    -------
    disadvantaged, advantaged : ndarray, shape (n_replicates, n_groups)
        Each row sums to 1.

    Examples
    --------
    >>> [end.tolist() for end in end_weights(np.array([[1.0, 3.0, 2.0]]), np.array([0, 2]))]
    [[[0.25, 0.75, 0.0]], [[0.0, 0.0, 1.0]]]
    """
    peopled = np.add.reduceat(weight, starts, axis=1) > 0
    first = np.argmax(peopled, axis=1)
    last = peopled.shape[1] - 1 - np.argmax(peopled[:, ::-1], axis=1)
    group_class = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, weight.shape[1])))
    ends = []
    for chosen in (first, last):
        end = np.where(group_class == chosen[:, None], weight, 0)
        ends.append(end / end.sum(axis=1, keepdims=True))
    return ends[0], ends[1]


def logit_ends(
    estimate: np.ndarray, share: np.ndarray, x: np.ndarray, bounds: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the population-weighted logistic regression of the indicator on the mid-rank.

    The population enters once, as the weight of each group's value on the 0 to 1 scale of its bounds.

    Parameters
    ----------
    estimate, share, x : ndarray, shape (n_replicates, n_groups)
        Values, population shares and mid-ranks.
    bounds : tuple of float
        Least and greatest possible values.

    Returns
    -------
    intercept, slope : ndarray, shape (n_replicates,)
        Missing where the fit has no finite solution (all groups at a bound, or separated by their rank).

    Examples
    --------
    >>> fit = logit_ends(np.array([[20.0, 50.0, 80.0]]), np.full((1, 3), 1 / 3), np.array([[1, 3, 5]]) / 6, (0, 100))
    >>> [round(float(coefficient[0]), 3) for coefficient in fit]
    [-2.079, 4.159]
    """
    low, high = bounds
    q = (estimate - low) / (high - low)
    mean = np.sum(share * q, axis=1)
    with np.errstate(all="ignore"):
        # The linear fit, carried to the logit at the mean, is close enough for Newton's method to converge.
        middle = np.sum(share * x, axis=1)
        spread = np.sum(share * x * x, axis=1) - middle**2
        slope = (np.sum(share * q * x, axis=1) - mean * middle) / spread / (mean * (1 - mean))
        slope = np.clip(slope, -8, 8)
        intercept = np.log(mean / (1 - mean)) - slope * middle
        step = np.full_like(mean, np.inf)
        for _ in range(_NEWTON_STEPS):
            fitted = 1 / (1 + np.exp(-(intercept[:, None] + slope[:, None] * x)))
            residual = share * (q - fitted)
            curve = share * fitted * (1 - fitted)
            curve_x = curve * x
            g0, g1 = residual.sum(axis=1), np.einsum("ij,ij->i", residual, x)
            h00, h01, h11 = curve.sum(axis=1), curve_x.sum(axis=1), np.einsum("ij,ij->i", curve_x, x)
            determinant = h00 * h11 - h01**2
            move = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
            intercept, slope = intercept + move[0], slope + move[1]
            step = np.abs(move[0]) + np.abs(move[1])
            if not np.any(step > 1e-10):  # rows that diverge end as missing, which compares as false
                break
        solved = (step < 1e-6) & (np.abs(slope) < 500)
    return np.where(solved, intercept, np.nan), np.where(solved, slope, np.nan)


def evaluate(
    estimate: np.ndarray, population: np.ndarray, multiplicity: np.ndarray | None, design: Design, codes: Sequence[str]
) -> dict[str, np.ndarray]:
    """Compute measures for every replicate.

    Parameters
    ----------
    estimate : ndarray, shape (n_replicates, n_groups) or (1, n_groups)
        Values of the groups.
    population : ndarray, shape (n_replicates, n_groups) or (1, n_groups)
        People; 0 for a group that a resample leaves out.
    multiplicity : ndarray, shape (n_replicates, n_groups), or None
        Times each group was drawn, for the measures that give every group the same weight; None for once.
    design : Design
        Ranks, direction, reference and bounds.
    codes : sequence of str
        Measures.

    Returns
    -------
    dict of str to ndarray, shape (n_replicates,)
        Missing where a measure is not defined.
    """
    n_rows = max(len(estimate), len(population))
    size = max(1, _CHUNK // estimate.shape[1])
    blocks = []
    for start in range(0, n_rows, size):
        part = slice(start, start + size)
        y, w = (array if len(array) == 1 else array[part] for array in (estimate, population))
        times = None if multiplicity is None else multiplicity[part]
        with np.errstate(divide="ignore", invalid="ignore"):
            blocks.append(_evaluate_block(y, w, times, design, set(codes), len(range(n_rows)[part])))
    return {code: np.concatenate([block[code] for block in blocks]) for code in codes}


def _evaluate_block(
    y: np.ndarray, w: np.ndarray, m: np.ndarray | None, design: Design, wanted: set[str], n_rows: int
) -> dict[str, np.ndarray]:
    p = w / w.sum(axis=1, keepdims=True)
    # Weight of each group in the measures that count groups, not people.
    u = np.full((1, y.shape[1]), 1 / y.shape[1]) if m is None else m / m.sum(axis=1, keepdims=True)
    mean = _sum(p, y)
    out: dict[str, np.ndarray] = {}

    if design.starts is not None:
        x = ridit(p, design.starts)
        disadvantaged, advantaged = (_sum(end, y) for end in end_weights(w, design.starts))
        out |= _ordered(y, p, x, mean, design, wanted)
        top, bottom = (advantaged, disadvantaged) if design.favourable else (disadvantaged, advantaged)
        best = advantaged
    else:
        present = w > 0
        highest = np.where(present, y, -np.inf).max(axis=1)
        lowest = np.where(present, y, np.inf).min(axis=1)
        top, bottom = highest, lowest
        best = highest if design.favourable else lowest
    if design.reference is not None:
        # A named reference replaces the best group, and, without rank, one side of the pair.
        best = y[:, design.reference]
        if design.starts is None:
            top, bottom = (best, bottom) if design.favourable else (top, best)
    out["d"] = top - bottom
    out["r"] = np.where((bottom > 0) & (top >= 0), top / bottom, np.nan)

    gain = best - mean
    out["par"] = np.maximum(gain, 0) if design.favourable else np.minimum(gain, 0)
    out["paf"] = 100 * out["par"] / mean

    deviation = y - mean[:, None]
    out["bgv"] = _sum(p, deviation**2)
    out["bgsd"] = np.sqrt(out["bgv"])
    out["cov"] = 100 * out["bgsd"] / mean
    distance = np.abs(deviation)
    out["mdmu"], out["mdmw"] = _sum(u, distance), _sum(p, distance)
    out["idisu"], out["idisw"] = 100 * out["mdmu"] / mean, 100 * out["mdmw"] / mean
    if wanted & {"mdbu", "mdbw"}:
        present = w > 0
        extreme = (
            np.where(present, y, -np.inf).max(axis=1) if design.favourable else np.where(present, y, np.inf).min(axis=1)
        )
        distance = np.abs(y - extreme[:, None])
        out["mdbu"], out["mdbw"] = _sum(u, distance), _sum(p, distance)
    if design.reference is not None and wanted & {"mdru", "mdrw"}:
        distance = np.abs(y - y[:, [design.reference]])
        out["mdru"], out["mdrw"] = _sum(u, distance), _sum(p, distance)
    if wanted & {"ti", "mld"}:
        logarithm = np.log(y / mean[:, None])
        # y ln y tends to 0 with y; the logarithm alone has no limit.
        out["ti"] = 1000 * _sum(p, np.where(y == 0, 0, y * logarithm)) / mean
        out["mld"] = -1000 * _sum(p, np.where(p > 0, logarithm, 0))
    rows = {code: np.broadcast_to(out.get(code, np.nan), (n_rows,)) for code in wanted}
    return {code: np.where(np.isfinite(values), values, np.nan) for code, values in rows.items()}


def _ordered(
    y: np.ndarray, p: np.ndarray, x: np.ndarray, mean: np.ndarray, design: Design, wanted: set[str]
) -> dict[str, np.ndarray]:
    low, high = design.bounds
    centred = x - 0.5  # the mean mid-rank is one half whatever the groups
    aci = 2 * _sum(p * centred, y)
    spread = _sum(p, centred**2)
    sii = np.where(spread > 0, aci / (2 * spread), np.nan)
    ends = mean + sii / 2, mean - sii / 2
    out = {
        "aci": aci,
        "rci": aci / mean,
        "rci_erreygers": 4 * aci / (high - low),
        "rci_wagstaff": aci * (high - low) / ((high - mean) * (mean - low)),
        "sii": sii,
        "rii": np.where((ends[0] > 0) & (ends[1] > 0), ends[0] / ends[1], np.nan),
    }
    if wanted & {"sii_logit", "rii_logit"}:
        y, p, x = np.broadcast_arrays(y, p, x)
        intercept, slope = logit_ends(y, p, x, design.bounds)
        top = low + (high - low) / (1 + np.exp(-intercept - slope))
        bottom = low + (high - low) / (1 + np.exp(-intercept))
        out["sii_logit"] = top - bottom
        out["rii_logit"] = np.where((top > 0) & (bottom > 0), top / bottom, np.nan)
    return out


def _sum(weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    if len(weight) == 1:
        return values @ weight[0]
    return np.einsum("ij,ij->i", *np.broadcast_arrays(weight, values))
