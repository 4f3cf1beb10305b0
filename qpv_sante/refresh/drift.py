"""What moved too far to be put in use without a person looking at it. Pure functions of frames."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Tolerance
from qpv_sante.geography import department_of_commune, department_of_qpv
from qpv_sante.observations import MISSING_FLAGS
from qpv_sante.refresh import meaning
from qpv_sante.refresh.displacement import common_move, compare_outlines, of_another
from qpv_sante.refresh.evidence import Drift, Example, Where
from qpv_sante.refresh.meaning import AREA, GROUP

MIN_AREAS = 20  # under it, a share says nothing: every lost area is told
MIN_IN_DEPARTMENT = 3  # areas whose common loss cannot be a coincidence
# against outlines that were simplified for display: metres of the layer as a whole, and outlines that lie elsewhere
SIMPLIFIED_DISTANCE, SIMPLIFIED_DISPLACED = 50.0, 0.2
_FIGURES = ("value", "lower", "upper", "n", "denominator")


def find_drift(
    before: Mapping[str, pd.DataFrame],
    after: Mapping[str, pd.DataFrame],
    tolerance: Tolerance,
    *,
    snapshot: Collection[str] = (),
) -> list[Drift]:
    """Say what moved beyond the tolerance between two states of a source's tables, and what may mean something else.

    Parameters
    ----------
    before, after : mapping of str to DataFrame
        By name in the store: `observations/x`, `zones/x`, `codes/x`.
    tolerance : Tolerance
        Of the source, in the catalogue.
    snapshot : collection of str
        Tables of `before` that are those of the embedded snapshot: outlines that were simplified, layers of which a
        part was kept, figures that may have been rounded. What that explains is no drift.

    Returns
    -------
    list of Drift
        With the evidence; empty if all is well. Tables that were not there before have no drift.
    """
    found: list[Drift] = []
    for name, old in before.items():
        new, lenient = after.get(name), name in snapshot
        if new is None:
            found.append(Drift("table_gone", Where.of_table(name), {"all": len(old)}))
        elif name.startswith("observations/"):
            found += _observations(old, new, tolerance, lenient=lenient)
        else:
            found += _counted(name, len(old), len(new), tolerance, lenient=lenient)
            one, other = (pd.DataFrame(frame.drop(columns="geometry", errors="ignore")) for frame in (old, new))
            found += _lost_departments(name, one, other)
            found += meaning.relabelled(name, one, other, tolerance)
            if name.startswith("zones/") and len(old) and len(new):
                found += _outlines(name, old, new, tolerance, lenient=lenient)
    return found


def _counted(name: str, before: int, after: int, tolerance: Tolerance, *, lenient: bool) -> Iterator[Drift]:
    least, largest = before * (1 - tolerance.lost), before * (1 + tolerance.gained)
    if after < least or (after > largest and not (lenient and name.startswith("zones/"))):
        values = {"before": before, "after": after, "least": f"{least:.0f}", "largest": f"{largest:.0f}"}
        yield Drift("rows", Where.of_table(name), values)


def _outlines(
    name: str, old: pd.DataFrame, new: pd.DataFrame, tolerance: Tolerance, *, lenient: bool
) -> Iterator[Drift]:
    """The layer's area as a whole, and each outline: where it is, and whether it is another code's."""
    outlines = compare_outlines(old, new)
    where, both = Where.of_table(name), outlines[outlines["before"].notna() & outlines["after"].notna()]
    before, after = outlines["before"].sum(), outlines["after"].sum()
    if lenient:  # a part of the layer may have been kept
        before, after = both["before"].sum(), both["after"].sum()
    share = abs(after - before) / before if before else 0.0
    if share > tolerance.area:
        values = {
            "before": f"{before / 1e6:.1f}",
            "after": f"{after / 1e6:.1f}",
            "share": share,
            "most": tolerance.area,
        }
        yield Drift("area", where, values)
    metres = common_move(both)
    allowed = max(tolerance.distance, SIMPLIFIED_DISTANCE * lenient)
    farthest = both.assign(metres=np.hypot(both["east"], both["north"])).sort_values("metres", ascending=False)
    shown = tuple(Example(str(code), after=f"{far:.0f} m") for code, far in farthest["metres"].head(3).items())
    if metres > allowed:
        moved = int((both["elsewhere"] > 0.001).sum())
        values = {"metres": round(metres), "least": round(allowed), "some": moved, "all": len(both)}
        yield Drift("shifted", where, values, shown)
    elsewhere = int((both["elsewhere"] > 0.5).sum())
    most = max(tolerance.displaced, SIMPLIFIED_DISPLACED * lenient)
    if elsewhere > max(most * len(both), 2):
        yield Drift("displaced", where, {"some": elsewhere, "all": len(both), "most": most}, shown)
    if taken := of_another(outlines):
        pairs = tuple(Example(code, other=other) for code, other in list(taken.items())[:3])
        yield Drift("outline_taken", where, {"some": len(taken)}, pairs)


def _lost_departments(name: str, old: pd.DataFrame, new: pd.DataFrame) -> Iterator[Drift]:
    """Departments of which a table of codes has nothing any more."""
    departments = _departments_of(old)
    if departments is None or (now := _departments_of(new)) is None:
        return
    number = departments.value_counts()
    gone = sorted(set(number[number >= MIN_IN_DEPARTMENT].index) - set(now))
    if gone and len(gone) < len(number):
        yield Drift("departments", Where.of_table(name), {"list": ", ".join(gone)})


def _departments_of(table: pd.DataFrame) -> pd.Series | None:
    """Department of each row of a code table; none if its codes do not tell."""
    column = next((one for one in ("department", "geo_code", "code", "old_code", "commune") if one in table), None)
    if column is None or table.empty:
        return None
    codes = table[column].astype("string").dropna()
    if column == "department":
        return codes
    if codes.str.fullmatch(r"Q[PN]\w{6}").all():
        return department_of_qpv(codes)
    codes = codes[codes.str.fullmatch(r"(?:\d\d|2[AB])\d{3}(?:\d{4})?")]  # communes and IRIS; other levels have none
    return department_of_commune(codes) if len(codes) else None


def _observations(old: pd.DataFrame, new: pd.DataFrame, tolerance: Tolerance, *, lenient: bool) -> list[Drift]:
    columns = [*GROUP, *AREA, *_FIGURES, "flag"]
    old, new = (
        frame[columns].assign(**{name: frame[name].astype("string") for name in (*GROUP, *AREA)})
        for frame in (old, new)
    )
    known = old[GROUP].drop_duplicates()
    # an indicator, level or year that is new has no past of its own to drift from
    both = old.merge(
        new.merge(known, on=GROUP), on=GROUP + AREA, how="outer", suffixes=("_before", "_after"), indicator="where"
    )
    missing = list(MISSING_FLAGS)
    both = both.assign(
        was=both["where"] != "right_only",
        lost=both["where"] == "left_only",
        gained=both["where"] == "right_only",
        visible=~both["flag_before"].isin(missing) & both["flag_before"].notna() & both["flag_after"].notna(),
        hidden=~both["flag_before"].isin(missing) & both["flag_before"].notna() & both["flag_after"].isin(missing),
        far=_far(both["value_before"], both["value_after"], tolerance.factor),
        compared=both["value_before"].notna() & both["value_after"].notna(),
    )
    counted = ["was", "lost", "gained", "visible", "hidden", "far", "compared"]
    groups = both.groupby(GROUP, observed=True, dropna=False)[counted].sum()
    found: list[Drift] = []
    for group, row in groups.iterrows():
        found += _group_drift(Where.of(group), row.astype(int).to_dict(), tolerance)
    far = {drift.where for drift in found if drift.kind == "far"}
    rows = both[both["where"] == "both"]
    # the same evidence is not given twice: what changed by far has changed
    found += [
        drift
        for drift in meaning.rewritten(rows, tolerance, lenient=lenient)
        if not (drift.kind == "rewritten" and drift.where in far)
    ]
    found += meaning.exchanged(rows)
    found += [drift for drift in meaning.out_of_order(rows, tolerance) if drift.where not in far]
    found += meaning.unlike_former(old, new, tolerance)
    return found + _departments(both)


def _group_drift(where: Where, row: dict[str, int], tolerance: Tolerance) -> Iterator[Drift]:
    few = row["was"] < MIN_AREAS
    if row["lost"] == row["was"]:
        yield Drift("gone", where, {"all": row["was"]})
        return
    if row["lost"] and (few or row["lost"] > tolerance.lost * row["was"]):
        yield Drift("lost", where, {"some": row["lost"], "all": row["was"], "most": tolerance.lost})
    if row["gained"] > max(tolerance.gained * row["was"], 2):
        yield Drift("gained", where, {"some": row["gained"], "all": row["was"], "most": tolerance.gained})
    if row["hidden"] > max(tolerance.hidden * row["visible"], 2):
        yield Drift("hidden", where, {"some": row["hidden"], "all": row["visible"], "most": tolerance.hidden})
    if row["far"] > max(tolerance.moved * row["compared"], 1 if few else 2):
        values = {"some": row["far"], "all": row["compared"], "factor": tolerance.factor, "most": tolerance.moved}
        yield Drift("far", where, values)


def _far(before: pd.Series, after: pd.Series, factor: float) -> pd.Series:
    """Whether values changed by more than a factor, or changed sign."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = after / before
    changed = before.notna() & after.notna() & (before != after)
    return changed & ~ratio.between(1 / factor, factor)


def _departments(both: pd.DataFrame) -> list[Drift]:
    """Departments of which every area is gone: a region that a file lacks."""
    small = both[both["geo_level"].isin(["qpv", "iris", "commune"]) & both["was"]]
    if small.empty or not small["lost"].any():
        return []
    codes = small["geo_code"]
    department = department_of_commune(codes).where(small["geo_level"] != "qpv", department_of_qpv(codes))
    areas = small.assign(department=department).groupby([*GROUP, "department"])[["was", "lost"]].sum()
    gone = areas[(areas["lost"] == areas["was"]) & (areas["was"] >= MIN_IN_DEPARTMENT)].reset_index("department")
    return [
        Drift("departments", Where.of(group), {"list": ", ".join(sorted(rows["department"]))})
        for group, rows in gone.groupby(GROUP)
        if len(rows) < areas.loc[group].shape[0]  # all of them: told as gone already
    ]
