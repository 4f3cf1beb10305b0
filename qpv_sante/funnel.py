"""Funnel limits where units differ by more than chance: over-dispersed, or with random effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante import intervals
from qpv_sante.intervals.columns import check_choice
from qpv_sante.intervals.limits import quantile

LIMITS = ("plain", "overdispersed", "random_effects")
"""`plain`: exact binomial limits, chance alone. The two others let units differ by more than chance."""

WINSORISED = 0.1
"""Share of the z-scores that is brought back, at each end, before their spread is estimated."""


@dataclass(frozen=True)
class Dispersion:
    """How much more than chance units depart from a target.

    Attributes
    ----------
    raw : float
        Mean of the squared z-scores, 1 if chance alone were at work.
    winsorised : float
        The same, the most extreme tenths brought back to the others: what most units do.
    factor : float
        What variances are multiplied by in over-dispersed limits; 1 where there is no excess.
    between : float
        Standard deviation between units of the random effects, in points; 0 where there is no excess.
    """

    raw: float
    winsorised: float
    factor: float
    between: float


def dispersion(value: pd.Series, size: pd.Series, target: float) -> Dispersion:
    """Over-dispersion of percentages around a target.

    Parameters
    ----------
    value : Series
        Observed percentages.
    size : Series
        The number behind each.
    target : float
        In percent.

    Returns
    -------
    Dispersion

    Notes
    -----
    ``z = (value - target) / s``, ``s² = target (100 - target) / size``. The tenth of lowest z is set to the 10th
    centile, the tenth of highest z to the 90th; φ is the mean of the squares that result. Variances are multiplied by φ
    where ``I φ`` is beyond ``I + 2 sqrt(2 I)``, two standard deviations above what chance gives to I units. The
    variance of the random effects is that of the method of moments with the same φ: ``τ² = (I φ - (I - 1)) / (Σ w - Σ
    w² / Σ w)``, ``w = 1 / s²``.

    Winsorising keeps a few units that are truly apart from widening the limits of all. It also leaves only 0.68 of the
    variance of departures that are normal: the limits are then a fifth narrower than those of all the units.

    References
    ----------
    Spiegelhalter (2005), Statistics in Medicine 24:1185-1202, section 5.1; Spiegelhalter (2005), Quality and Safety in
    Health Care 14:347-351 (random effects).

    Examples
    --------
    >>> found = dispersion(pd.Series([10.0, 20.0, 30.0, 20.0]), pd.Series([400] * 4), 20.0)
    >>> round(found.raw, 2), round(found.winsorised, 2), round(found.between, 2)
    (12.5, 6.13, 5.35)
    """
    if not 0 < target < 100:
        return Dispersion(raw=1.0, winsorised=1.0, factor=1.0, between=0.0)  # every unit is on target
    variance = target * (100 - target) / size
    score = (value - target) / np.sqrt(variance)
    held = score.clip(*score.quantile([WINSORISED, 1 - WINSORISED]))
    number, phi = len(score), float((held**2).mean())
    weight = 1 / variance
    between = (number * phi - (number - 1)) / (weight.sum() - (weight**2).sum() / weight.sum()) if number > 1 else 0.0
    excess = number * phi > number + 2 * np.sqrt(2 * number)
    return Dispersion(
        raw=float((score**2).mean()),
        winsorised=phi,
        factor=max(phi, 1.0) if excess else 1.0,
        between=float(np.sqrt(max(between, 0.0))) if excess else 0.0,
    )


def limits(
    target: float,
    size: pd.Series | np.ndarray,
    *,
    kind: str = "plain",
    factor: float = 1.0,
    between: float = 0.0,
    levels: Sequence[float] = (0.95, 0.998),
) -> pd.DataFrame:
    """Funnel limits in percent, for the number behind each percentage.

    Parameters
    ----------
    target : float
        In percent.
    size : Series or ndarray
        Whole numbers.
    kind : {"plain", "overdispersed", "random_effects"}
        `plain`: those of `qpv_sante.intervals.funnel_limits`. `overdispersed`: ``target ± z sqrt(factor) s``.
        `random_effects`: ``target ± z sqrt(s² + between²)``.
    factor, between : float
        As `dispersion` gives them.
    levels : sequence of float

    Returns
    -------
    DataFrame
        `lower_95, upper_95, lower_99_8, upper_99_8` (of `levels`), cut at 0 and 100.

    Raises
    ------
    UnknownNameError
        Unknown kind.

    Examples
    --------
    >>> limits(20.0, np.array([400]), kind="overdispersed", factor=4, levels=[0.95]).round(2).values.tolist()
    [[12.16, 27.84]]
    """
    check_choice("limits", kind, LIMITS)
    if kind == "plain":
        return intervals.funnel_limits(target / 100, size, levels=levels).filter(regex="^(lower|upper)_") * 100
    variance = target * (100 - target) / pd.Series(size, dtype=float)
    error = np.sqrt(factor * variance if kind == "overdispersed" else variance + between**2)
    columns = {}
    for level in levels:
        name = f"{100 * level:.10g}".replace(".", "_")
        columns[f"lower_{name}"] = (target - quantile(level) * error).clip(lower=0)
        columns[f"upper_{name}"] = (target + quantile(level) * error).clip(upper=100)
    return pd.DataFrame(columns)
