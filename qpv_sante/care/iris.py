"""Facilities of a QPV, bounded by those of the IRIS that it holds and of those that it meets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qpv_sante.areal import areal_weights
from qpv_sante.care.communes import FACILITIES, GEO_VINTAGE, SOURCE, YEAR
from qpv_sante.care.structures import find
from qpv_sante.errors import InvalidInputError, SchemaError, UnknownNameError, did_you_mean

if TYPE_CHECKING:
    import geopandas as gpd

# Two drawings of one border differ by some per cent of the area of a small zone
TOLERANCE = 0.05
COMPLETE = 0.99


def iris_bounds(
    zones: gpd.GeoDataFrame,
    iris: gpd.GeoDataFrame,
    *,
    indicator: str = "general_practitioners",
    iris_id: str = "CODE_IRIS",
    tolerance: float = TOLERANCE,
    counts: pd.Series | None = None,
) -> pd.DataFrame:
    """How many facilities a QPV has at least and at most, from the counts of IRIS.

    An IRIS that lies in the QPV gives its facilities to both bounds; one that the QPV meets in part gives them to the
    upper bound only. Nothing is shared out: facilities follow shopping streets, not areas.

    Parameters
    ----------
    zones : GeoDataFrame
        QPV (`geo_code`), such as `load_zones("qpv", vintage=2015)`.
    iris : GeoDataFrame
        Outlines of IRIS, which the package does not download (Contours... IRIS of IGN and Insee), with their
        codes in `iris_id`. Codes of 2020, or nearly so: an IRIS that the base does not list has none.
    indicator : str
        A kind of facility: `health_houses`, `health_centres`, `general_practitioners`, `specialists`, `dentists`,
        `nurses` or `pharmacies`.
    iris_id : str
        Column of IRIS codes (9 characters).
    tolerance : float
        An IRIS of which a smaller share lies outside the QPV is inside; of which a smaller share lies inside (and
        covers a smaller share of the QPV) is outside. The two sets of outlines are not drawn alike.
    counts : Series, optional
        Facilities by IRIS code; those of the store by default.

    Returns
    -------
    DataFrame
        One row a QPV: `geo_code, indicator, year, lower, upper, iris_inside, iris_met, covered, flag, source`.
        `covered` is the share of the QPV that the outlines of IRIS cover; below 0.99 the upper bound is unknown, and
        at 0 the flag is `unavailable`.

    Raises
    ------
    UnknownNameError
        Not an indicator of care supply.
    InvalidInputError
        A tolerance that is not between 0 and one half.
    SchemaError
        Outlines without CRS, codes repeated or that are not those of IRIS.
    StoreError
        The base was never built.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely import box
    >>> def squares(**boxes):
    ...     return gpd.GeoDataFrame({"geo_code": list(boxes)}, geometry=list(boxes.values()), crs=2154)
    >>> qpv = squares(QP034001=box(720000, 6249000, 720500, 6249500))
    >>> iris = squares(
    ...     **{"340320101": box(720000, 6249000, 720400, 6249500), "340320102": box(720400, 6249000, 720900, 6249500)})
    >>> doctors = pd.Series({"340320101": 2, "340320102": 5})
    >>> iris_bounds(qpv, iris, iris_id="geo_code", counts=doctors)[["lower", "upper", "iris_met"]].values.tolist()
    [[2.0, 7.0, 2.0]]
    """
    if indicator not in FACILITIES:
        raise UnknownNameError(
            f"{indicator!r} is not an indicator of care supply. {did_you_mean(indicator, FACILITIES)}"
        )
    if not 0 <= tolerance < 0.5:
        raise InvalidInputError(f"`tolerance` is a share between 0 and 0.5; found {tolerance!r}.")
    weights = areal_weights(iris, zones, source_id=iris_id)
    codes = weights["source_code"].dropna()
    bad = codes[~codes.str.fullmatch(r"(?:\d{2}|2[AB])\d{7}")]
    if len(bad):
        raise SchemaError(
            f"iris: {bad.iloc[0]!r} in {iris_id!r} is not an IRIS code (9 characters, such as 340320101)."
        )
    known = iris_counts(indicator) if counts is None else counts
    weights["facilities"] = weights["source_code"].map(known).fillna(0.0).astype(float)
    weights["inside"] = weights["share_of_source"] >= 1 - tolerance
    met = weights["source_code"].notna() & (weights[["share_of_source", "share_of_target"]].max(axis=1) > tolerance)
    met |= weights["inside"]
    parts = weights[met]
    grouped = {
        "lower": parts["facilities"].where(parts["inside"], 0.0).groupby(parts["target_code"]).sum(),
        "upper": parts.groupby("target_code")["facilities"].sum(),
        "iris_inside": parts.groupby("target_code")["inside"].sum(),
        "iris_met": parts.groupby("target_code").size(),
        "covered": weights.groupby("target_code")["share_of_target"].sum(min_count=1).clip(upper=1),
    }
    bounds = pd.DataFrame({"geo_code": zones["geo_code"].astype(str).to_numpy()})
    for name, column in grouped.items():
        bounds[name] = bounds["geo_code"].map(column).astype(float)
    bounds["covered"] = bounds["covered"].fillna(0.0)
    nothing = bounds["covered"] == 0
    bounds.loc[nothing, ["lower", "upper"]] = np.nan
    bounds.loc[bounds["covered"] < COMPLETE, "upper"] = np.nan
    bounds["flag"] = np.where(nothing, "unavailable", "observed")
    bounds = bounds.assign(indicator=indicator, year=YEAR, source=f"{SOURCE}@{YEAR}")
    order = ["geo_code", "indicator", "year", "lower", "upper", "iris_inside", "iris_met", "covered", "flag", "source"]
    return bounds[order]


def iris_counts(indicator: str) -> pd.Series:
    """Facilities by IRIS code, those of communes that are not cut under the code of their one IRIS.

    Raises
    ------
    StoreError
        The base was never built.
    """
    origin = find(f"observations/{SOURCE}")
    rows = origin.observations(SOURCE, indicator=indicator, geo_vintage=GEO_VINTAGE)
    by_level = {level: rows[rows["geo_level"] == level].set_index("geo_code")["value"] for level in ("iris", "commune")}
    cut = by_level["iris"].index.str[:5].unique()
    whole = by_level["commune"][~by_level["commune"].index.isin(cut)]
    return pd.concat([by_level["iris"], whole.set_axis(whole.index + "0000")])
