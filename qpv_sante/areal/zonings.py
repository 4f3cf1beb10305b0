"""Observations of the QPV of one zoning carried to those of the other, with what that leaves unknown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qpv_sante.areal.crosswalks import ALONE, OVERLAP, UNDRAWN
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import ComparabilityError, SchemaError
from qpv_sante.observations import COLUMNS, KEY, MISSING_FLAGS, tidy

_NEEDED = {"from_vintage", "from_code", "to_vintage", "to_code", "status", "area_m2", "share_of_from", "share_of_to"}
_NEEDED |= {"iou", "same_outline", "letter_agrees"}
_GROUP = [name for name in KEY if name not in ("geo_code", "geo_level", "geo_vintage")]


def carry_crosswalk(
    observations: pd.DataFrame,
    crosswalk: pd.DataFrame,
    *,
    kind: str | None = None,
    min_coverage: float = 0.9,
    published: pd.DataFrame | None = None,
) -> pd.DataFrame:
    r"""Observations of QPV of one zoning carried to the QPV of the other, as estimates with bounds.

    Where the outline is the same and the 2024 code says so, the value passes unchanged, as an estimate: outlines
    are compared in simplified form. Elsewhere,
    with the shares :math:`s_i` of the former QPV and :math:`t_i` of the new one (of people where the
    crosswalk has them, else of area):

    - count: :math:`\sum_i s_i x_i`;
    - rate: :math:`\sum_i W_i r_i / \sum_i W_i`, with :math:`W_i = s_i d_i` where the denominators are known
      and :math:`t_i` otherwise;
    - others (medians, scores, standardised rates): only where the outline is the same.

    The bounds are what the crosswalk leaves possible, whatever the truth; they are not a confidence interval.
    With `lo` and `hi` the lowest and highest rates observed in `observations` (pass all of France):

    - the part of the new QPV that was in no QPV, or in one without a value, is between `lo` and `hi`;
    - of a former QPV split in two, the part that remains can differ from the whole: its rate is between
      :math:`(r - (1 - s) hi) / s` and :math:`(r - (1 - s) lo) / s`, within `[lo, hi]`;
    - bounds published with the observations enter in place of `r`;
    - for counts, densities (per person, else per m2) are between 0 and the highest observed.

    Parameters
    ----------
    observations : DataFrame
        Rows of the long table, of QPV of the crosswalk's first zoning.
    crosswalk : DataFrame
        From `crosswalk`.
    kind : str, optional
        Kind of the indicators; that of the catalogue by default.
    min_coverage : float
        Share of the new QPV that QPV with a value must cover; below, the value is withheld and the
        bounds stay. Unchanged outlines are covered for 0.97 to 0.99: 0.9 leaves room for drawing.
    published : DataFrame, optional
        What the producer publishes, or withholds, for the second zoning; read from the store by default. A
        value that is withheld there is not given here: carrying it would undo the secrecy.

    Returns
    -------
    DataFrame
        The columns of the long table in the second zoning, then `coverage` and `note`. Flag: `estimated`
        (`unreliable` if a component is); `suppressed` or `unavailable` where withheld. Interval `model` for the
        bounds above.

    Raises
    ------
    ComparabilityError
        Observations of another level, zoning or perimeter than the crosswalk starts from.
    SchemaError
        Missing columns, or several rows for one QPV, indicator, source, year, sex and age.

    Examples
    --------
    >>> links = pd.DataFrame(
    ...     {"from_vintage": 2015, "from_code": ["QP031001"], "to_vintage": 2024, "to_code": ["QN03101M"],
    ...      "status": "overlap", "area_m2": [18000.0], "share_of_from": [1.0], "share_of_to": [0.9], "iou": [0.9],
    ...      "same_outline": [False], "letter_agrees": [True]})
    >>> rates = tidy(pd.DataFrame(
    ...     {"indicator": "poverty_rate", "source": "insee_filosofi_qpv@2019", "geo_level": "qpv", "year": 2019,
    ...      "geo_code": ["QP031001", "QP031002"], "geo_vintage": 2015, "value": [40.0, 70.0], "flag": "observed"}))
    >>> carry_crosswalk(rates, links)[["geo_code", "value", "lower", "upper", "flag"]].values.tolist()
    [['QN03101M', 40.0, 40.0, 43.0, 'estimated']]
    """
    from_vintage, to_vintage = _check(observations, crosswalk)
    parts = []
    for key, group in observations.groupby(_GROUP, observed=True):
        identity: dict[str, Any] = dict(zip(_GROUP, key, strict=True))
        if group["geo_code"].duplicated().any():
            raise SchemaError(f"observations: {group['geo_code'].iloc[0]} and others have several rows for {identity}.")
        how = kind or catalogue().indicator(str(identity["indicator"])).kind
        part = _carry_one(group.set_index("geo_code"), crosswalk, str(how), min_coverage)
        _keep_secrets(part, identity, to_vintage, published)
        parts.append(part.assign(**identity))
    if not parts:
        raise SchemaError("observations: no row to carry.")
    carried = pd.concat(parts, ignore_index=True).assign(geo_level="qpv", geo_vintage=to_vintage)
    carried = carried.sort_values(["indicator", "year", "geo_level", "geo_code"], kind="stable", ignore_index=True)
    result = tidy(carried[list(COLUMNS)])
    result["coverage"], result["note"] = carried["coverage"], carried["note"]
    result.attrs = {**observations.attrs, "carried": f"qpv {from_vintage} -> {to_vintage}"}
    return result


def _keep_secrets(
    part: pd.DataFrame, identity: dict[str, Any], to_vintage: int, published: pd.DataFrame | None
) -> None:
    """Withhold what the producer withholds for the second zoning, value and bounds alike."""
    target = _published(identity, to_vintage) if published is None else published
    if target is None:
        return
    same = (target["indicator"] == identity["indicator"]) & (target["year"] == identity["year"])
    same &= (target["sex"] == identity["sex"]) & (target["age"] == identity["age"])
    secret = target.loc[same & (target["flag"] == "suppressed"), "geo_code"]
    hidden = part["geo_code"].isin(secret)
    part.loc[hidden, ["value", "lower", "upper", "n", "denominator"]] = np.nan
    part.loc[hidden, "interval"] = "none"
    part.loc[hidden, "flag"] = "suppressed"
    part.loc[hidden, "note"] = f"withheld by the producer in the {to_vintage} zoning"


def _published(identity: dict[str, Any], to_vintage: int) -> pd.DataFrame | None:
    """The store's rows of the same figure in the second zoning, if it is published there."""
    from qpv_sante.loading import load_observations

    indicator, year = str(identity["indicator"]), int(identity["year"])
    known = catalogue()
    if indicator not in known.indicators:
        return None
    places = [(r["geo_level"], r["geo_vintage"], r["year"]) for r in known.published(indicator)]
    if ("qpv", to_vintage, year) not in places:
        return None
    return load_observations(
        indicator, geo_level="qpv", geo_vintage=to_vintage, year=year, sex=identity["sex"], age=identity["age"]
    )


def _check(observations: pd.DataFrame, crosswalk: pd.DataFrame) -> tuple[int, int]:
    for frame, names, what in ((crosswalk, _NEEDED, "crosswalk"), (observations, set(COLUMNS), "observations")):
        absent = sorted(names - set(frame.columns))
        if absent:
            raise SchemaError(f"{what}: missing columns {absent}.")
    ends = crosswalk[["from_vintage", "to_vintage"]].drop_duplicates()
    if len(ends) != 1:
        raise SchemaError(f"crosswalk: one pair of zonings at a time, not {ends.to_numpy().tolist()}.")
    start, end = (int(vintage) for vintage in ends.iloc[0])
    found = observations[["geo_level", "geo_vintage", "perimeter"]].drop_duplicates()
    expected = (found["geo_level"] == "qpv") & (found["geo_vintage"] == start) & (found["perimeter"] == "all")
    if not expected.all():
        row = found[~expected].iloc[0]
        raise ComparabilityError(
            f"This crosswalk starts from QPV of {start}; the observations have {row['geo_level']} "
            f"{row['geo_vintage']}, perimeter {row['perimeter']}. Load them with geo_level='qpv', geo_vintage={start}."
        )
    return start, end


def _carry_one(values: pd.DataFrame, crosswalk: pd.DataFrame, kind: str, min_coverage: float) -> pd.DataFrame:
    """One indicator, source, year, sex and age carried to every QPV of the other zoning."""
    to_codes = crosswalk["to_code"].dropna().unique()
    pairs = crosswalk[crosswalk["status"] == OVERLAP].copy()
    for name in ("value", "lower", "upper", "denominator", "flag"):
        pairs[name] = pairs["from_code"].map(values[name].astype("str" if name == "flag" else "float64"))
    pairs["known"] = pairs["value"].notna() & ~pairs["flag"].isin(MISSING_FLAGS)
    if kind in ("count", "rate"):
        result = _estimate(pairs, values, kind, min_coverage).reindex(to_codes)
    else:
        result = pd.DataFrame(index=to_codes)
        result["note"] = f"{kind.replace('_', ' ')}: not carried to an outline that changed"
    blank: dict[str, Any] = {"value": np.nan, "lower": np.nan, "upper": np.nan, "n": np.nan, "denominator": np.nan}
    blank |= {"coverage": np.nan, "interval": "none", "flag": "unavailable", "note": ""}
    result = result.assign(**{name: fill for name, fill in blank.items() if name not in result})
    result = result.fillna({"interval": "none", "flag": "unavailable"})
    status = crosswalk.drop_duplicates("to_code").set_index("to_code")["status"].reindex(to_codes)
    start = int(crosswalk["from_vintage"].iloc[0])
    result.loc[status == ALONE, "note"] = f"no QPV of {start} there"
    result.loc[status == UNDRAWN, "note"] = "outlines needed to compare are not read"
    result["coverage"] = result["coverage"].mask(status == ALONE, 0.0)
    _pass_unchanged(result, pairs[pairs["same_outline"].astype(bool)], values, kind)
    return result.rename_axis("geo_code").reset_index()


def _pass_unchanged(result: pd.DataFrame, same: pd.DataFrame, values: pd.DataFrame, kind: str) -> None:
    """Copy the observations of unchanged outlines; estimates where the 2024 letter says otherwise."""
    same = same.sort_values("iou").drop_duplicates("to_code", keep="last").set_index("to_code")
    same = same[same["from_code"].isin(values.index)]
    agrees = same["letter_agrees"].eq(True).fillna(False).astype(bool)
    # counts and rates have an estimate with bounds; for the others the value passes, marked as an estimate
    passed = same if kind not in ("count", "rate") else same[agrees]
    names = ["value", "lower", "upper", "n", "denominator", "interval", "flag"]
    copied = values.loc[passed["from_code"], names].astype({"interval": "str", "flag": "str"}).set_axis(passed.index)
    doubtful = ~agrees.reindex(passed.index) & copied["value"].notna()
    copied.loc[copied["value"].notna() & (copied["flag"] != "unreliable"), "flag"] = "estimated"
    result.loc[passed.index, names] = copied
    result.loc[passed.index, "note"] = [
        f"same outline as {code} (IoU {iou:.2f})" + (", but the code does not say identical" if doubt else "")
        for code, iou, doubt in zip(passed["from_code"], passed["iou"], doubtful, strict=True)
    ]
    result.loc[passed.index, "coverage"] = passed["share_of_to"].where(passed["value"].notna(), 0.0)


def _estimate(pairs: pd.DataFrame, values: pd.DataFrame, kind: str, min_coverage: float) -> pd.DataFrame:
    by_people = "people_share_of_to" in pairs
    part, cover = pairs["share_of_from"], pairs["share_of_to"]
    size, size_from, size_to = pairs["area_m2"], pairs["area_m2"] / part, pairs["area_m2"] / cover
    if by_people:
        # one measure for all the parts of a new QPV: shares of people and of area do not add up
        people_part, people_cover = pairs["people_share_of_from"], pairs["people_share_of_to"]
        counted = (people_part.notna() & people_cover.notna()).groupby(pairs["to_code"]).transform("all")
        part, cover = part.where(~counted, people_part), cover.where(~counted, people_cover)
        if counted.all() and (part > 0).all() and (cover > 0).all():
            size, size_from, size_to = pairs["people"], pairs["people"] / part, pairs["people"] / cover
    pairs = pairs.assign(part=part.clip(0, 1), cover=cover.clip(0, 1), size=size, size_from=size_from, size_to=size_to)
    known = pairs[pairs["known"]]
    target = known["to_code"]
    coverage = known["cover"].groupby(target).sum().clip(upper=1)
    codes = pairs["to_code"].unique()
    result = pd.DataFrame({"coverage": coverage}).reindex(codes, fill_value=0.0)
    bounds = _count_bounds if kind == "count" else _rate_bounds
    result = result.join(bounds(pairs, known, values, result["coverage"]))
    weak = (known["flag"] == "unreliable").groupby(target).any().reindex(codes, fill_value=False)
    secret = (pairs["flag"] == "suppressed").groupby(pairs["to_code"]).any().reindex(codes)
    short = result["coverage"].lt(min_coverage) | result["value"].isna()
    result["flag"] = np.where(weak, "unreliable", "estimated")
    result.loc[short, "flag"] = np.where(secret[short], "suppressed", "unavailable")
    number = known["from_code"].groupby(target).size().reindex(codes, fill_value=0)
    measure = "people" if by_people else "area"
    result["note"] = [
        f"from {count} former QPV with a value, {100 * share:.0f} % of the {measure}{by}"
        for count, share, by in zip(number, result["coverage"], result.pop("weight"), strict=True)
    ]
    result.loc[short, "value"] = np.nan
    result["interval"] = np.where(result["upper"].notna() | result["lower"].notna(), "model", "none")
    return result


def _rate_bounds(pairs: pd.DataFrame, known: pd.DataFrame, values: pd.DataFrame, coverage: pd.Series) -> pd.DataFrame:
    target = known["to_code"]
    shown = values[values["value"].notna() & ~values["flag"].isin(MISSING_FLAGS)]
    low, high = shown[["value", "lower"]].min(axis=1).min(), shown[["value", "upper"]].max(axis=1).max()
    counted = known["denominator"].notna().groupby(target).transform("all")
    base = (known["part"] * known["denominator"]).where(counted, known["cover"])
    weight = base / base.groupby(target).transform("sum")
    rest = 1 - known["part"]
    first, last = known["lower"].fillna(known["value"]), known["upper"].fillna(known["value"])
    with np.errstate(divide="ignore", invalid="ignore"):
        least = ((first - rest * high) / known["part"]).clip(lower=low)
        most = ((last - rest * low) / known["part"]).clip(upper=high)
    value = (weight * known["value"]).groupby(target).sum()
    gap = 1 - coverage
    found = pd.DataFrame({"value": value, "denominator": base.where(counted).groupby(target).sum(min_count=1)})
    found = found.reindex(coverage.index)
    for name, bound, extreme in (("lower", least, low), ("upper", most, high)):
        inside = (weight * bound).groupby(target).sum().reindex(coverage.index, fill_value=0.0)
        found[name] = inside * coverage + gap * extreme
    by_count = counted.groupby(target).all().reindex(coverage.index).eq(True)
    found["weight"] = np.where(by_count, ", weighted by the denominators", ", weighted by that share")
    return found


def _count_bounds(pairs: pd.DataFrame, known: pd.DataFrame, values: pd.DataFrame, coverage: pd.Series) -> pd.DataFrame:
    target = known["to_code"]
    whole = known["size_from"]
    density = float((known["value"] / whole.where(whole > 0)).max())
    first, last = known["lower"].fillna(known["value"]), known["upper"].fillna(known["value"])
    least = (first - density * (whole - known["size"])).clip(lower=0).fillna(0)
    most = last.clip(upper=density * known["size"])
    value = known["part"] * known["value"]
    # a published bound may lie above the highest density: the estimate stays inside its own bounds
    least, most = least.clip(upper=value), most.clip(lower=value)
    found = pd.DataFrame({"value": value, "lower": least, "upper": most}).groupby(target).sum().reindex(coverage.index)
    found[["lower", "upper"]] = found[["lower", "upper"]].fillna(0.0)  # no former quarter there: it brings nothing
    extent = pairs.groupby("to_code")["size_to"].median()
    # a part of unknown size has no upper bound: it stays missing
    found["upper"] += (1 - coverage) * extent.reindex(coverage.index) * density
    found["denominator"], found["weight"] = np.nan, ", by share of each"
    return found
