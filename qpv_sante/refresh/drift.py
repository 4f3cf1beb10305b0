"""What moved too far to be put in use without a person looking at it. Pure functions of frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Tolerance
from qpv_sante.geography import LEVELS, department_of_qpv
from qpv_sante.observations import MISSING_FLAGS
from qpv_sante.refresh.changes import zone_areas

MIN_AREAS = 20  # under it, a share says nothing: every lost area is told
MIN_IN_DEPARTMENT = 3  # areas whose common loss cannot be a coincidence
_GROUP = ["indicator", "source", "geo_level", "geo_vintage", "year"]
_AREA = ["geo_code", "perimeter", "sex", "age", "category"]


def find_drift(
    before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame], tolerance: Tolerance
) -> list[str]:
    """Say what moved beyond the tolerance between two states of a source's tables.

    Parameters
    ----------
    before, after : mapping of str to DataFrame
        By name in the store: `observations/x`, `zones/x`, `codes/x`.
    tolerance : Tolerance
        Of the source, in the catalogue.

    Returns
    -------
    list of str
        One sentence each, with the evidence; empty if all is well. Tables that were not there before have no drift.
    """
    found = []
    for name, old in before.items():
        new = after.get(name)
        if new is None:
            found.append(f"{name}: the table is gone ({len(old)} rows before)")
        elif name.startswith("observations/"):
            found += _observations(old, new, tolerance)
        else:
            found += _counted(name, len(old), len(new), tolerance)
            if name.startswith("zones/") and len(old) and len(new):
                found += _areas(name, old, new, tolerance)
    return found


def _counted(name: str, before: int, after: int, tolerance: Tolerance) -> list[str]:
    if after < before * (1 - tolerance.lost) or after > before * (1 + tolerance.gained):
        allowed = f"allowed: {before * (1 - tolerance.lost):.0f} to {before * (1 + tolerance.gained):.0f}"
        return [f"{name}: {before} rows before, {after} now ({allowed})"]
    return []


def _areas(name: str, old: pd.DataFrame, new: pd.DataFrame, tolerance: Tolerance) -> list[str]:
    before, after = zone_areas(old).sum(), zone_areas(new).sum()
    share = abs(after - before) / before if before else 0.0
    if share <= tolerance.area:
        return []
    return [
        f"{name}: total area {before / 1e6:.1f} km2 before, {after / 1e6:.1f} now ({share:.0%}, at most "
        f"{tolerance.area:.0%})"
    ]


def _observations(old: pd.DataFrame, new: pd.DataFrame, tolerance: Tolerance) -> list[str]:
    columns = [*_GROUP, *_AREA, "value", "flag"]
    old, new = (
        frame[columns].assign(**{name: frame[name].astype("string") for name in (*_GROUP, *_AREA)})
        for frame in (old, new)
    )
    known = old[_GROUP].drop_duplicates()
    # an indicator, level or year that is new has no past to drift from
    both = old.merge(
        new.merge(known, on=_GROUP), on=_GROUP + _AREA, how="outer", suffixes=("_before", "_after"), indicator="where"
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
    groups = both.groupby(_GROUP, observed=True, dropna=False)[counted].sum()
    found = []
    for group, row in groups.iterrows():
        assert isinstance(group, tuple)  # noqa: S101 - typing only
        found += _group_drift(_named(group), row.astype(int).to_dict(), tolerance)
    return found + _departments(both)


def _group_drift(name: str, row: dict[str, int], tolerance: Tolerance) -> list[str]:
    found = []
    few = row["was"] < MIN_AREAS
    if row["lost"] == row["was"]:
        return [f"{name}: gone ({row['was']} rows before)"]
    if row["lost"] and (few or row["lost"] > tolerance.lost * row["was"]):
        found.append(f"{name}: {row['lost']} of {row['was']} rows are gone (at most {tolerance.lost:.0%})")
    if row["gained"] > max(tolerance.gained * row["was"], 2):
        found.append(f"{name}: {row['gained']} new rows beside {row['was']} (at most {tolerance.gained:.0%})")
    if row["hidden"] > max(tolerance.hidden * row["visible"], 2):
        found.append(
            f"{name}: {row['hidden']} of {row['visible']} values are no longer published (at most "
            f"{tolerance.hidden:.0%})"
        )
    if row["far"] > max(tolerance.moved * row["compared"], 1 if few else 2):
        found.append(
            f"{name}: {row['far']} of {row['compared']} values changed by more than {tolerance.factor:g} times (at "
            f"most {tolerance.moved:.0%} of them)"
        )
    return found


def _far(before: pd.Series, after: pd.Series, factor: float) -> pd.Series:
    """Whether values changed by more than a factor, or changed sign."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = after / before
    changed = before.notna() & after.notna() & (before != after)
    return changed & ~ratio.between(1 / factor, factor)


def _departments(both: pd.DataFrame) -> list[str]:
    """Departments of which every area is gone: a region that a file lacks."""
    small = both[both["geo_level"].isin(["qpv", "iris", "commune"]) & both["was"]]
    if small.empty:
        return []
    codes = small["geo_code"]
    overseas = codes.str.startswith("97")
    department = codes.str[:2].where(~overseas, codes.str[:3])
    is_qpv = small["geo_level"] == "qpv"
    department = department.where(~is_qpv, department_of_qpv(codes))
    areas = small.assign(department=department).groupby([*_GROUP, "department"])[["was", "lost"]].sum()
    gone = areas[(areas["lost"] == areas["was"]) & (areas["was"] >= MIN_IN_DEPARTMENT)].reset_index("department")
    return [
        f"{_named(group)}: nothing left in these departments: {', '.join(sorted(rows['department']))}"
        for group, rows in gone.groupby(_GROUP)
        if len(rows) < areas.loc[group].shape[0]  # all of them: told as gone already
    ]


def _named(group: tuple[object, ...]) -> str:
    indicator, source, level, vintage, year = (str(part) for part in group)
    zoning = f" {vintage}" if level == "qpv" and vintage not in {"<NA>", "nan"} else ""
    return f"{indicator}, {level if level in LEVELS else '?'}{zoning}, {year} ({source})"
