"""Checks on the populations that rates refer to: equal where they must be, never above their whole."""

from __future__ import annotations

import logging

import pandas as pd

from qpv_sante.errors import SchemaError, StoreError
from qpv_sante.geography import department_of_commune
from qpv_sante.observations import TOTAL

log = logging.getLogger(__name__)

_STOPPED = "Nothing of this source was stored."
_PLACE = ["geo_level", "geo_code"]
_CLASSES = ["sex", "age", "category"]


def check_same(rows: pd.DataFrame, *, where: str) -> None:
    """The same people must have the same denominator under every indicator of a file.

    Parameters
    ----------
    rows : DataFrame
        `indicator, geo_level, geo_code, sex, age, category, denominator, line`.
    where : str
        For messages.

    Raises
    ------
    SchemaError
        Two indicators give one cell two populations.
    """
    known = rows[rows["denominator"].notna()]
    cells = known.groupby([*_PLACE, *_CLASSES], sort=False)["denominator"]
    first = cells.transform("first")
    bad = known[known["denominator"] != first]
    if len(bad):
        one = bad.iloc[0]
        raise SchemaError(
            f"{where}: {one['indicator']}, line {one['line']}: denominator {one['denominator']:g} for "
            f"{_named(one)}, but another indicator of the file has {first[bad.index[0]]:g}; {len(bad)} such rows. "
            f"{_STOPPED}"
        )


def check_whole_and_parts(rows: pd.DataFrame, measure: str, rounded_to: float, *, where: str) -> None:
    """Parts must not add up to more than their whole; the two sexes must add up to it exactly.

    Parts are sexes, ages, one kind of category, or the territories of the level below. A file may
    leave parts out, so fewer is not a fault.

    Parameters
    ----------
    rows : DataFrame
        `indicator, geo_level, geo_code, parent, sex, age, category, line` and the measure.
    measure : str
        `denominator` or `n`.
    rounded_to : float
        To what the counts are rounded; 0 for exact ones.
    where : str
        For messages.

    Raises
    ------
    SchemaError
        The message names the whole, its line, and both numbers.

    Examples
    --------
    >>> cell = {"indicator": "x", "geo_level": "region", "geo_code": "11", "parent": "F", "age": "_T", "category": "_T"}
    >>> rows = pd.DataFrame([{**cell, "sex": s, "n": n, "line": i} for i, (s, n) in enumerate([("_T", 9), ("F", 8)])])
    >>> check_whole_and_parts(rows, "n", 0, where="example")
    """
    known = rows[rows[measure].notna()]
    kind = known["category"].str.partition(":")[0]
    for part in _CLASSES:
        same = [name for name in ["indicator", *_PLACE, *_CLASSES] if name != part]
        whole = known[known[part] == TOTAL].set_index(same)
        split = known.assign(kind=kind if part == "category" else "")[known[part] != TOTAL]
        parts = split.groupby([*same, "kind"], sort=False)[measure].agg(["sum", "size"]).reset_index("kind", drop=True)
        if part == "sex":
            both = parts[parts["size"] == 2].join(whole[[measure, "line"]], how="inner")
            _refuse(both, measure, (both["sum"] - both[measure]).abs(), rounded_to, "sex", where)
        joined = parts.join(whole[[measure, "line"]], how="inner")
        _refuse(joined, measure, joined["sum"] - joined[measure], rounded_to, part, where)
    same = ["indicator", "geo_code", *_CLASSES]
    whole = known.set_index(same)
    parts = known.rename(columns={"geo_level": "part_level", "geo_code": "part", "parent": "geo_code"})
    parts = parts.groupby(["part_level", *same], sort=False)[measure].agg(["sum", "size"]).reset_index("part_level")
    joined = parts.join(whole[[measure, "line", "geo_level"]], how="inner")
    # region 11 and department 11 are not the same place, and a place is not a part of itself
    joined = joined[joined["geo_level"] != joined["part_level"]]
    _refuse(joined, measure, joined["sum"] - joined[measure], rounded_to, "territory", where)


def _refuse(joined: pd.DataFrame, measure: str, excess: pd.Series, rounded_to: float, part: str, where: str) -> None:
    """Stop where the excess is more than the rounding of the parts and of the whole explains."""
    bad = joined[excess > rounded_to / 2 * (joined["size"] + 1) + 1e-9]
    if len(bad):
        one = bad.iloc[0]
        place = ", ".join(str(level) for level in bad.index[0] if level != TOTAL)
        raise SchemaError(
            f"{where}: {place}: {measure} by {part} adds up to {one['sum']:g} ({one['size']:g} parts), but the whole, "
            f"at line {one['line']:g}, is {one[measure]:g}; {len(bad)} such wholes. A total may have been summed with "
            f"its parts. {_STOPPED}"
        )


def check_ceilings(rows: pd.DataFrame, tolerance: float, *, where: str, ceilings: pd.Series | None = None) -> int:
    """No denominator may be above the population of its territory.

    Where a file gives ages and no total, the ages are added up.

    Parameters
    ----------
    rows : DataFrame
        `indicator, geo_level, geo_code, sex, age, category, denominator, line`.
    tolerance : float
        Ratio to the legal population that is still accepted: years and coverage differ.
    where : str
        For messages.
    ceilings : Series, optional
        Population by level and code; `legal_populations()` by default.

    Returns
    -------
    int
        Territories that could be checked.

    Raises
    ------
    SchemaError
    """
    ceilings = legal_populations() if ceilings is None else ceilings
    if ceilings.empty:
        log.warning("%s: no legal populations in the store yet; denominators were not held against them.", where)
        return 0
    known = rows[rows["denominator"].notna()]
    by_class = known.groupby(["indicator", *_PLACE, "sex", "category"], sort=False, observed=True)
    ages = known[known["age"] != TOTAL].groupby(["indicator", *_PLACE, "sex", "category"], sort=False, observed=True)
    largest = pd.concat([by_class["denominator"].max(), ages["denominator"].sum()]).groupby(level=_PLACE).max()
    limits = ceilings.reindex(largest.index)
    ratio = (largest / limits).dropna()
    if (ratio > tolerance).any():
        level, code = ratio.idxmax()
        inside = known[(known["geo_level"] == level) & (known["geo_code"] == code)]
        line = inside.loc[inside["denominator"].idxmax(), "line"]
        raise SchemaError(
            f"{where}: {level} {code}: denominator {largest[level, code]:g} (largest at line {line}) is above its "
            f"population of {limits[level, code]:g} by more than the declared tolerance ({tolerance:g} times); "
            f"{int((ratio > tolerance).sum())} such territories. Populations may have been counted twice. {_STOPPED}"
        )
    return len(ratio)


def legal_populations() -> pd.Series:
    """Legal population of departments, regions and the country, from the store.

    Returns
    -------
    Series of float
        By `geo_level` and `geo_code`; empty if no store has them yet. Mayotte is not in the file, and
        the country is the sum of the others.
    """
    from qpv_sante import store

    try:
        origin = store.find_store("observations/insee_legal_populations")
        communes = origin.observations("insee_legal_populations", indicator="population")
        regions = store.find_store("codes/current_communes").codes("current_communes")
    except StoreError:
        return pd.Series(dtype="float64")
    communes = communes[communes["year"] == communes["year"].max()]
    of_department = communes.groupby(department_of_commune(communes["geo_code"]))["value"].sum()
    region = regions.drop_duplicates("department").set_index("department")["region"]
    levels = {
        "department": of_department,
        "region": of_department.groupby(of_department.index.map(region)).sum(),
        "country": pd.Series({"F": of_department.sum()}),
    }
    return pd.concat(levels, names=_PLACE)


def _named(row: pd.Series) -> str:
    classes = [str(row[name]) for name in _CLASSES if row[name] != TOTAL]
    return ", ".join([f"{row['geo_level']} {row['geo_code']}", *classes])
