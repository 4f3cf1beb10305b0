"""Values of source zones carried to target zones by weights, with what is unknown said and bounded."""

from __future__ import annotations

import logging
from typing import Literal

import numpy as np
import pandas as pd

from qpv_sante.areal.overlap import check_cover
from qpv_sante.errors import ComparabilityError, SchemaError, UnknownNameError, did_you_mean
from qpv_sante.observations import MISSING_FLAGS

log = logging.getLogger(__name__)

# Shares below this are the numerical noise of shared borders
TOLERANCE = 1e-6
_WHY_NOT = {
    "median": "Medians and deciles of zones do not add up to the median of their union",
    "standardised_rate": "A standardised rate needs the rates by age of the target, not those of the whole",
    "score": "A score has no numerator and denominator to carry",
}


def check_carried(kind: str) -> None:
    """Refuse the kinds of indicator that weights cannot carry.

    Raises
    ------
    ComparabilityError
        A median, a standardised rate or a score.
    UnknownNameError
        Not a kind.
    """
    if kind in _WHY_NOT:
        raise ComparabilityError(
            f"A {kind.replace('_', ' ')} cannot be carried from zones to other zones. {_WHY_NOT[kind]}. "
            "Carry the counts behind it (kind='count', or kind='rate' with a denominator), or use the level that is "
            "published."
        )
    if kind not in ("count", "rate"):
        raise UnknownNameError(f"Unknown kind {kind!r}. {did_you_mean(kind, ['count', 'rate', *_WHY_NOT])}")


def carry(
    values: pd.DataFrame,
    weights: pd.DataFrame,
    *,
    kind: str,
    value: str = "value",
    denominator: str = "denominator",
    flag: str = "flag",
    source_id: str = "geo_code",
    by: Literal["area", "people"] = "area",
    absent: Literal["unknown", "empty"] = "unknown",
    min_coverage: float = 0.95,
) -> pd.DataFrame:
    r"""Values of source zones carried to target zones, missing ones staying missing.

    With the share :math:`w_{st}` of source *s* that lies in target *t*:

    - count: :math:`\sum_s w_{st} x_s` over the sources with a value. Nothing is rescaled: totals hold;
    - rate: :math:`\sum_s w_{st} d_s r_s / \sum_s w_{st} d_s`, the ratio of the carried numerator to the
      carried denominator, in the unit of the rate.

    Both suppose that a source is homogeneous. What is unknown (sources without a value, parts of the
    target outside every source) is bounded, not filled:

    - count: between 0 and the highest density observed, per person where the weights have people, else
      per m2;
    - rate: between the lowest and the highest rate observed in `values`; an unknown denominator is
      between 0 and the highest density observed.

    Parameters
    ----------
    values : DataFrame
        One row per source. A value may be missing; so may it be by its flag.
    weights : DataFrame
        From `areal_weights` or `grid_weights`.
    kind : {"count", "rate"}
        Others are refused.
    value, denominator, flag, source_id : str
        Columns of `values`. The denominator is needed for rates; the flag is optional.
    by : {"area", "people"}
        Share of each source: of its area, or of its people (sources without people: of their area).
    absent : {"unknown", "empty"}
        What lies outside every source: unknown (IRIS cover all of France), or empty of people (a grid
        that lists inhabited cells only).
    min_coverage : float
        Below this coverage the value is withheld; the bounds stay.

    Returns
    -------
    DataFrame
        One row per target: `geo_code, value, lower, upper, interval, denominator, coverage,
        coverage_people, n_sources, n_missing, flag`.

        `coverage` is the share of the target's area in sources with a value, `coverage_people` that of
        its people, where known (for a rate, of its denominator); the latter decides where it is known.
        Bounds are missing, with interval `none`, where nothing is unknown; else interval `secrecy`. The
        flag is `estimated`, or `unreliable` if a source is; a withheld value is `suppressed` if a
        missing source is, else `unavailable`; a rate on nobody is `not_applicable`.

        `attrs["totals"]` accounts for the counts (for a rate, for its denominator): `source` over the
        known sources, `targets` in values given, `withheld` in targets without a value, `outside` of
        every target: `source = targets + withheld + outside`.

    Raises
    ------
    ComparabilityError
        A median, a standardised rate, a score, or a rate without denominators.
    SchemaError
        Repeated sources, a missing column, infinite values, negative counts, or sources that cover a target twice.

    Examples
    --------
    >>> weights = pd.DataFrame(
    ...     {"source_code": ["A", "B"], "target_code": ["Q", "Q"], "area": [50.0, 100.0],
    ...      "share_of_source": [0.5, 1.0], "share_of_target": [1 / 3, 2 / 3]})
    >>> values = pd.DataFrame({"geo_code": ["A", "B"], "value": [40.0, 10.0], "denominator": [200.0, 300.0]})
    >>> carry(values, weights, kind="rate")[["geo_code", "value", "denominator", "flag"]].values.tolist()
    [['Q', 17.5, 400.0, 'estimated']]
    >>> values.loc[0, "value"] = None
    >>> carry(values, weights, kind="count")[["value", "lower", "upper", "flag"]].values.tolist()
    [[nan, 10.0, 15.0, 'unavailable']]
    """
    check_carried(kind)
    shares = _shares(weights, by)
    sources = _sources(values, kind, value, denominator, flag, source_id)
    rows = shares.join(sources, on="source_code")
    rows["known"] = rows["known"].fillna(False).astype(bool)
    met = rows["source_code"].notna()
    rows["unknown"] = met & ~rows["known"]
    result = _coverage(rows, kind, absent)
    covered, area = result.pop("covered"), result.pop("target_area")
    # part of each target that lies outside every source, in m2; missing where the target's area is
    gap = 0 * covered if absent == "empty" else ((1 - covered) * area).mask(covered > 1 - TOLERANCE, 0)
    numbers = (_count if kind == "count" else _rate)(rows, sources, gap)
    result = pd.concat([result, numbers], axis=1)
    _decide(result, rows, kind, min_coverage)
    carried = result.pop("carried")
    given = result["value"].notna()
    total = float(sources.loc[sources["known"], "value" if kind == "count" else "denominator"].sum())
    inside, withheld = float(carried[given].sum()), float(carried[~given].sum())
    order = ["value", "lower", "upper", "interval", "denominator", "coverage", "coverage_people"]
    result = result[[*order, "n_sources", "n_missing", "flag"]].rename_axis("geo_code").reset_index()
    outside = total - inside - withheld
    result.attrs["totals"] = {"source": total, "targets": inside, "withheld": withheld, "outside": outside}
    log.info("carried %s: %.6g of %.6g in targets, %.6g outside", kind, inside + withheld, total, outside)
    return result


def _shares(weights: pd.DataFrame, by: str) -> pd.DataFrame:
    needed = {"source_code", "target_code", "area", "share_of_source", "share_of_target"}
    needed |= {"people", "people_share_of_source"} if by == "people" else set()
    absent = sorted(needed - set(weights.columns))
    if absent:
        hint = " Give areal_weights a population." if "people" in absent else ""
        raise SchemaError(f"weights have no columns {absent}.{hint}")
    if by not in ("area", "people"):
        raise UnknownNameError(f"Unknown by={by!r}. {did_you_mean(by, ['area', 'people'])}")
    check_cover(weights)
    shares = weights.reset_index(drop=True)
    shares["w"] = shares["share_of_source"]
    if by == "people":
        shares["w"] = shares["people_share_of_source"].fillna(shares["share_of_source"])
    if "people" not in shares:
        shares["people"] = np.nan
    return shares


def _sources(values: pd.DataFrame, kind: str, value: str, denominator: str, flag: str, source_id: str) -> pd.DataFrame:
    if kind == "rate" and denominator not in values:
        raise ComparabilityError(
            f"A rate is carried through its numerator and denominator, and values have no column {denominator!r}. "
            "Averaging rates over zones of different sizes is not offered: pass denominator=."
        )
    absent = sorted({source_id, value} - set(values.columns))
    if absent:
        raise SchemaError(f"values have no columns {absent}; they have {list(values.columns)[:12]}.")
    if values[source_id].duplicated().any():
        first = values.loc[values[source_id].duplicated(), source_id].iloc[0]
        raise SchemaError(f"values: source {first!r} is repeated; keep one indicator, year, sex and age at a time.")
    sources = pd.DataFrame({"value": values[value].to_numpy(dtype=float)}, index=values[source_id].astype("str"))
    sources["denominator"] = values[denominator].to_numpy(dtype=float) if kind == "rate" else np.nan
    sources["flag"] = values[flag].astype("str").to_numpy() if flag in values else "observed"
    if np.isinf(sources[["value", "denominator"]]).any(axis=None):
        raise SchemaError("values: infinite values or denominators.")
    counts = sources["value" if kind == "count" else "denominator"]
    if (counts < 0).any():
        raise SchemaError(
            f"values: {int((counts < 0).sum())} negative counts, the first at {counts.index[counts < 0][0]!r}."
        )
    sources["known"] = sources["value"].notna() & ~sources["flag"].isin(MISSING_FLAGS)
    if kind == "rate":
        # nobody there: the rate does not exist, and nothing is unknown
        nobody = sources["denominator"] == 0
        sources["known"] = (sources["known"] & sources["denominator"].notna()) | nobody
        sources.loc[nobody, "value"] = 0.0
    return sources


def _total(amounts: pd.Series, target: pd.Series) -> pd.Series:
    """Sum by target, missing if one amount is."""
    groups = amounts.groupby(target)
    return groups.sum().where(groups.count() == groups.size())


def _coverage(rows: pd.DataFrame, kind: str, absent: str) -> pd.DataFrame:
    size = rows["people"]
    if kind == "rate" and size.isna().all():
        size = rows["w"] * rows["denominator"]
    target = rows["target_code"]
    met = rows["source_code"].notna()
    share = rows["share_of_target"]
    result = pd.DataFrame(index=pd.Index(target.unique(), name="geo_code"))
    result["covered"] = _total(share, target).clip(upper=1)
    in_known = _total(share.mask(~rows["known"] & share.notna(), 0), target).clip(upper=1)
    result["coverage"] = in_known + ((1 - result["covered"]) if absent == "empty" else 0)
    size = size.where(met)
    people, people_known = _total(size, target), _total(size.mask(~rows["known"] & size.notna(), 0), target)
    result["coverage_people"] = people_known / people.where(people > 0)
    if absent == "unknown":
        result["coverage_people"] *= result["covered"]
    # area of the target, from any row: all agree
    result["target_area"] = (rows["area"] / share.where(share > 0)).groupby(target).median()
    result["n_sources"] = met.groupby(target).sum()
    result["n_missing"] = rows["unknown"].groupby(target).sum()
    return result


def _highest(amount: pd.Series, size: pd.Series) -> float:
    """Highest density observed; missing if there is none."""
    density = (amount / size.where(size > 0)).dropna()
    return float(density.max()) if len(density) else np.nan


def _most(rows: pd.DataFrame, amount: pd.Series, gap: pd.Series, hidden: pd.Series) -> pd.Series:
    """The most that some rows and the gaps of the targets can hold, given the amounts of known rows."""
    target = rows["target_code"]
    per_area = _highest(amount[rows["known"]], rows.loc[rows["known"], "area"])
    per_person = _highest(amount[rows["known"]], rows.loc[rows["known"], "people"])
    most = (rows["people"] * per_person).fillna(rows["area"] * per_area)
    unknown = most.where(hidden).groupby(target).sum()
    # without any density, what is hidden has no upper bound
    unbounded = (most.isna() & hidden).groupby(target).any()
    return unknown.mask(unbounded) + (gap * per_area).mask(gap == 0, 0)


def _count(rows: pd.DataFrame, sources: pd.DataFrame, gap: pd.Series) -> pd.DataFrame:
    target = rows["target_code"]
    amount = (rows["w"] * rows["value"]).where(rows["known"])
    total = amount.groupby(target).sum()
    upper = total + _most(rows, amount, gap, rows["unknown"])
    # no outline: nothing can be said, not even zero
    total = total.mask(rows["area"].isna().groupby(target).any())
    return pd.DataFrame({"value": total, "lower": total, "upper": upper, "carried": total, "denominator": np.nan})


def _rate(rows: pd.DataFrame, sources: pd.DataFrame, gap: pd.Series) -> pd.DataFrame:
    target = rows["target_code"]
    base = rows["w"] * rows["denominator"]
    amount = base.where(rows["known"])
    top = (amount * rows["value"]).groupby(target).sum()
    bottom = amount.groupby(target).sum()
    observed = sources.loc[sources["known"] & (sources["denominator"] > 0), "value"]
    counted = rows["unknown"] & base.notna()
    hidden = base.where(counted).groupby(target).sum()
    hidden = hidden + _most(rows, amount, gap, rows["unknown"] & base.isna())
    whole = (bottom + hidden).where(bottom + hidden > 0)
    lower, upper = (top + hidden * observed.min()) / whole, (top + hidden * observed.max()) / whole
    value = top / bottom.where(bottom > 0)
    # nothing is known but the range: it still holds
    lower, upper = lower.fillna(observed.min()), upper.fillna(observed.max())
    return pd.DataFrame({"value": value, "lower": lower, "upper": upper, "carried": bottom, "denominator": bottom})


def _decide(result: pd.DataFrame, rows: pd.DataFrame, kind: str, min_coverage: float) -> None:
    """Set the flags, withhold what is not covered, and drop the bounds of what is complete."""
    target = rows["target_code"]
    reached = result["coverage_people"].fillna(result["coverage"]).fillna(0)
    complete = (result["n_missing"] == 0) & (result["coverage"] > 1 - TOLERANCE)
    short = reached < min_coverage - TOLERANCE
    secret = (rows["unknown"] & (rows["flag"] == "suppressed")).groupby(target).any()
    weak = (rows["known"] & (rows["flag"] == "unreliable")).groupby(target).any()
    result["flag"] = np.where(weak, "unreliable", "estimated")
    nobody = complete & result["value"].isna() & (kind == "rate")
    result.loc[nobody, "flag"] = "not_applicable"
    short |= result["value"].isna() & ~nobody
    result.loc[short, "flag"] = np.where(secret[short], "suppressed", "unavailable")
    result.loc[short, "value"] = np.nan
    result["interval"] = np.where(complete, "none", "secrecy")
    result.loc[complete, ["lower", "upper"]] = np.nan
    # rounding must not put a value outside its own bounds
    result["lower"] = result["lower"].where(~(result["lower"] > result["value"]), result["value"])
    result["upper"] = result["upper"].where(~(result["upper"] < result["value"]), result["value"])
