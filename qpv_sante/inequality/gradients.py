"""How the smooth measures of inequality move with each group's estimate: what analytic intervals are made of."""

from __future__ import annotations

import numpy as np

from qpv_sante.inequality.measures import Design, end_weights, logit_ends, ridit


def gradient(code: str, y: np.ndarray, w: np.ndarray, design: Design) -> np.ndarray | None:
    """Derivatives of a measure with respect to the estimates of the groups.

    Parameters
    ----------
    code : str
        Measure.
    y, w : ndarray, shape (n_groups,)
        Estimates and populations, in the order of the rank.
    design : Design
        Ranks, direction, reference and bounds.

    Returns
    -------
    ndarray, shape (n_groups,), or None
        Of the logarithm of the measure for ``r``, ``rii`` and ``rii_logit``; None for the measures of spread and those
        that choose a group from the data, which have no useful derivative.

    Examples
    --------
    >>> design = Design(np.array([0, 1]), False, None, (0.0, 100.0))
    >>> gradient("d", np.array([40.0, 20.0]), np.array([1.0, 1.0]), design).tolist()
    [1.0, -1.0]
    """
    p = w / w.sum()
    mean = p @ y
    if code in ("par", "paf"):
        return _gain(code, y, w, p, mean, design)
    if design.starts is None:
        return None
    disadvantaged, advantaged = (end[0] for end in end_weights(w[None], design.starts))
    top, bottom = (advantaged, disadvantaged) if design.favourable else (disadvantaged, advantaged)
    low, high = design.bounds
    x = ridit(p[None], design.starts)[0]
    concentration = p * (2 * x - 1)
    aci = concentration @ y
    slope = concentration / (2 * p @ (x - 0.5) ** 2)
    sii = slope @ y
    room, room_change = (high - mean) * (mean - low), high + low - 2 * mean
    with np.errstate(divide="ignore", invalid="ignore"):
        smooth = {
            "d": top - bottom,
            "r": top / (top @ y) - bottom / (bottom @ y),
            "aci": concentration,
            "rci": concentration / mean - aci * p / mean**2,
            "rci_erreygers": 4 * concentration / (high - low),
            "rci_wagstaff": (high - low) * (concentration / room - aci * room_change * p / room**2),
            "sii": slope,
            "rii": (p + slope / 2) / (mean + sii / 2) - (p - slope / 2) / (mean - sii / 2),
        }
    if code in smooth:
        return smooth[code]
    return _logit(code, y, p, x, design) if code in ("sii_logit", "rii_logit") else None


def _gain(code: str, y: np.ndarray, w: np.ndarray, p: np.ndarray, mean: float, design: Design) -> np.ndarray | None:
    if design.reference is not None:
        best = np.zeros_like(p)
        best[design.reference] = 1
    elif design.starts is not None:
        best = end_weights(w[None], design.starts)[1][0]
    else:
        return None
    return best - p if code == "par" else 100 * (best / mean - (best @ y) * p / mean**2)


def _logit(code: str, y: np.ndarray, p: np.ndarray, x: np.ndarray, design: Design) -> np.ndarray:
    low, high = design.bounds
    intercept, slope = (float(part[0]) for part in logit_ends(y[None], p[None], x[None], design.bounds))
    fitted = 1 / (1 + np.exp(-intercept - slope * x))
    basis = np.stack([np.ones_like(x), x])
    # Implicit derivative of the score equations Σ p (q - fitted) (1, X) = 0.
    coefficients = np.linalg.solve((basis * (p * fitted * (1 - fitted))) @ basis.T, basis * p) / (high - low)
    ends = {}
    for name, place in (("top", np.array([1.0, 1.0])), ("bottom", np.array([1.0, 0.0]))):
        share = 1 / (1 + np.exp(-place @ np.array([intercept, slope])))
        ends[name] = (low + (high - low) * share, (high - low) * share * (1 - share) * (place @ coefficients))
    (top, top_change), (bottom, bottom_change) = ends["top"], ends["bottom"]
    return top_change - bottom_change if code == "sii_logit" else top_change / top - bottom_change / bottom
