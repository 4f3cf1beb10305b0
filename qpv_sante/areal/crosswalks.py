"""Which QPV of one zoning overlap which of the other, by area and by people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qpv_sante.areal.overlap import areal_weights
from qpv_sante.arguments import checked
from qpv_sante.errors import ComparabilityError
from qpv_sante.geography import department_of_qpv, is_overseas

if TYPE_CHECKING:
    import geopandas as gpd

    from qpv_sante.territories import Territory

# Overlap of two drawings of one outline, over their union. Among the 1,249 metropolitan QPV of 2024 that
# meet one of 2015, the best IoU of the 291 with letter I (identical) has median 0.968 and 5th percentile
# 0.926; that of the 955 with letter M (modified) has median 0.731 and exceeds 0.92 for 12 %. At 0.92, 95 %
# of the I and 88 % of the M are told apart, close to the best that any threshold does (0.92 to 0.93);
# some M move their border by less than simplification does (Hausdorff distance below 10 m).
SAME_OUTLINE_IOU = 0.92
# Below this share of both, an overlap is a shared border drawn twice: the two simplified drawings of one
# unchanged outline already differ by some 2 % of its area on each side.
BORDER_SHARE = 0.01
OVERLAP, ALONE, UNDRAWN = "overlap", "no_counterpart", "outline_missing"

_FROM_TO = ["from_vintage", "from_code", "to_vintage", "to_code", "status"]
_MEASURES = ["area_m2", "share_of_from", "share_of_to", "iou"]
_PEOPLE = ["people", "people_share_of_from", "people_share_of_to"]


@checked
def crosswalk(
    from_vintage: int = 2015,
    to_vintage: int = 2024,
    *,
    territory: str | Territory | None = None,
    population: pd.DataFrame | None = None,
    people: str = "population",
    cell_id: str = "idcar_200m",
    same_outline_iou: float = SAME_OUTLINE_IOU,
) -> pd.DataFrame:
    """Which QPV of one zoning correspond to which of the other, by area and by people.

    Parameters
    ----------
    from_vintage, to_vintage : int
        Zonings of QPV, 2015 and 2024 in either order.
    territory : str, optional
        A name (`"Lille"`) or a typed code; QPV that straddle its border are kept with all their
        counterparts. All of France by default.
    population : DataFrame or GeoDataFrame, optional
        Where people live: cells of a grid (see `grid_weights`), or zones such as IRIS with a geometry.
    people, cell_id : str
        Columns of `population`.
    same_outline_iou : float
        Overlap over union above which two outlines are one.

    Returns
    -------
    DataFrame
        One row per pair of overlapping QPV, and one for each QPV without counterpart:

        - `from_vintage, from_code, to_vintage, to_code`;
        - `status`: `overlap`, `no_counterpart`, or `outline_missing` where it cannot be known because
          outlines of that department are not read (overseas in 2015);
        - `area_m2` of the overlap, `share_of_from`, `share_of_to`, `iou` (overlap over union);
        - `people, people_share_of_from, people_share_of_to`, with a population;
        - `same_outline`: `iou` above the threshold;
        - `code_letter` of the 2024 code: N new, M modified, I identical;
        - `letter_agrees`: whether outlines say the same as the letter, for the 2024 QPV as a whole (I: one
          pair has the same outline; M: overlaps, none the same; N: less than half of it was a QPV);
          missing where it cannot be known.

        `attrs["origin"]` says which store was read. Outlines are simplified: shares of one unchanged
        outline are 0.97 to 0.99.

    Raises
    ------
    ComparabilityError
        The two zonings are the same.
    UnavailableLevelError
        No outlines of that zoning, or no QPV in that territory.

    See Also
    --------
    carry_crosswalk : carry observations along.
    match_outlines : the same on your own outlines.

    Examples
    --------
    >>> crosswalk(2015, 2024, territory="Béziers")[["from_code", "to_code", "same_outline", "code_letter"]]
      from_code   to_code  same_outline code_letter
    0  QP034001  QN03401M          True           M
    1  QP034002  QN03402M         False           M
    2  QP034003  QN03403M         False           M
    """
    from qpv_sante.loading import gazetteer, load_zones

    if from_vintage == to_vintage:
        raise ComparabilityError(f"A crosswalk joins two zonings; both are {from_vintage}. QPV zonings: 2015, 2024.")
    zones = {vintage: load_zones("qpv", vintage=vintage) for vintage in (from_vintage, to_vintage)}
    places = gazetteer()
    full = {}
    for vintage, drawn in zones.items():
        # codes of which no outline is read: absent from the layer, present in the code tables
        codes = places.qpv_in(None, vintage)[["geo_code"]]
        full[vintage] = drawn[["geo_code", "geometry"]].merge(codes, on="geo_code", how="outer")
    links = match_outlines(
        full[from_vintage],
        full[to_vintage],
        from_vintage=from_vintage,
        to_vintage=to_vintage,
        population=population,
        people=people,
        cell_id=cell_id,
        same_outline_iou=same_outline_iou,
    )
    if territory is not None:
        place = places.resolve(territory)
        start = links["from_code"].isin(places.qpv_in(place, from_vintage)["geo_code"])
        end = links["to_code"].isin(places.qpv_in(place, to_vintage)["geo_code"])
        # every row of a QPV that is kept, or its shares would seem not to add up
        reached = links["to_code"].isin(links.loc[(start | end) & links["to_code"].notna(), "to_code"])
        links = links[start | reached].reset_index(drop=True)
    links.attrs["origin"] = {key: label for drawn in zones.values() for key, label in drawn.attrs["origin"].items()}
    return links


def match_outlines(
    from_zones: gpd.GeoDataFrame,
    to_zones: gpd.GeoDataFrame,
    *,
    from_vintage: int = 2015,
    to_vintage: int = 2024,
    population: pd.DataFrame | None = None,
    people: str = "population",
    cell_id: str = "idcar_200m",
    same_outline_iou: float = SAME_OUTLINE_IOU,
    border_share: float = BORDER_SHARE,
) -> pd.DataFrame:
    """The crosswalk of two frames of outlines (`geo_code, geometry`); see `crosswalk`.

    Parameters
    ----------
    from_zones, to_zones : GeoDataFrame
        QPV of the two zonings, in any declared CRS; an outline may be missing.
    from_vintage, to_vintage : int
        Their zonings.
    population, people, cell_id, same_outline_iou
        As in `crosswalk`.
    border_share : float
        Overlaps below this share of both QPV are a border drawn twice, and are left out.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely import box
    >>> old = gpd.GeoDataFrame({"geo_code": ["QP031001"]}, geometry=[box(570000, 6270000, 570400, 6270100)], crs=2154)
    >>> new = gpd.GeoDataFrame({"geo_code": ["QN03101M"]}, geometry=[box(570000, 6270000, 570200, 6270100)], crs=2154)
    >>> links = match_outlines(old, new)
    >>> links[["from_code", "to_code", "share_of_from", "share_of_to", "iou", "letter_agrees"]].values.tolist()
    [['QP031001', 'QN03101M', 0.5, 1.0, 0.5, True]]
    """
    weights = areal_weights(from_zones, to_zones, population=population, people=people, cell_id=cell_id)
    names = {"source_code": "from_code", "target_code": "to_code", "area": "area_m2"}
    for side, end in (("source", "from"), ("target", "to")):
        names |= {f"share_of_{side}": f"share_of_{end}", f"people_share_of_{side}": f"people_share_of_{end}"}
    links = weights.rename(columns=names)
    real = links["from_code"].notna() & (links[["share_of_from", "share_of_to"]].max(axis=1) >= border_share)
    links = links[real].reset_index(drop=True)
    overlap = 1 / links["share_of_from"] + 1 / links["share_of_to"] - 1
    links["iou"] = (1 / overlap).clip(upper=1)
    links["status"] = OVERLAP
    links["same_outline"] = links["iou"] >= same_outline_iou
    alone = [
        _alone(from_zones, to_zones, links["from_code"]).rename(columns={"geo_code": "from_code"}),
        _alone(to_zones, from_zones, links["to_code"]).rename(columns={"geo_code": "to_code"}),
    ]
    links = pd.concat([links, *alone], ignore_index=True)
    links["same_outline"] = links["same_outline"].eq(True)
    links["from_vintage"], links["to_vintage"] = from_vintage, to_vintage
    recent = "to_code" if to_vintage > from_vintage else "from_code"
    links["code_letter"] = links[recent].str.extract(r"^QN.*([NMIC])$")[0]
    links["letter_agrees"] = _letter_agrees(links, recent)
    links = links.sort_values(["from_code", "to_code"], na_position="last", ignore_index=True)
    measures = _MEASURES + (_PEOPLE if population is not None else [])
    return links[[*_FROM_TO, *measures, "same_outline", "code_letter", "letter_agrees"]]


def _alone(zones: gpd.GeoDataFrame, there: gpd.GeoDataFrame, met: pd.Series) -> pd.DataFrame:
    """Rows of the QPV that meet none of the other zoning, with whether that can be known."""
    import shapely

    drawn, drawn_there = (shapely.area(frame.geometry.to_numpy()) > 0 for frame in (zones, there))
    department = department_of_qpv(zones["geo_code"])
    there_all = department_of_qpv(there["geo_code"])
    # a counterpart may hide among the outlines that the other zoning lacks in the department; every
    # overseas department with QPV had some in both zonings: none drawn means none published
    hidden = department.isin(there_all[~drawn_there])
    hidden |= is_overseas(department) & ~department.isin(there_all[drawn_there])
    rows = pd.DataFrame({"geo_code": zones["geo_code"], "status": np.where(~drawn | hidden, UNDRAWN, ALONE)})
    return rows[~rows["geo_code"].isin(met)]


def _letter_agrees(links: pd.DataFrame, recent: str) -> pd.Series:
    other = "share_of_to" if recent == "to_code" else "share_of_from"
    whole = links.groupby(recent)
    same = whole["same_outline"].transform("any").astype(bool)
    covered = whole[other].transform("sum").fillna(0)
    agrees = pd.Series(pd.NA, index=links.index, dtype="boolean")
    letter = links["code_letter"]
    agrees[letter == "I"] = same
    agrees[letter == "M"] = ~same & (covered > 0)
    agrees[letter == "N"] = ~same & (covered < 0.5)
    return agrees.mask((links["status"] == UNDRAWN) | links[recent].isna())
