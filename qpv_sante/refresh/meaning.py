"""Figures and labels that may mean something else than those in use: rewritten, exchanged, shifted, of another column.

The size of a change says little: a first quartile in place of a median is close to it. What tells is how many figures
of an edition that was already published changed, whether they are those that another area, column or edition had, and
whether the areas still stand in the same order. Pure functions of frames.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Tolerance
from qpv_sante.refresh.evidence import Drift, Example, Where

FEW = 3  # under it, "most of them" says nothing
MIN_RANKED = 20  # areas that can be ranked
COPIED = 0.9  # share of the figures of an edition that are those of another one
ROUNDED, SHARE_LENIENT = 0.5, 0.01  # of the last digit; of the value: what a snapshot may differ by
GROUP = ["indicator", "source", "geo_level", "geo_vintage", "year"]
AREA = ["geo_code", "perimeter", "sex", "age", "category"]
_QUALITY = ("lower", "upper", "n", "denominator")
_EXAMPLES = 3


def changed(both: pd.DataFrame, *, lenient: bool = False) -> pd.Series:
    """Which values differ, of rows with `value_before` and `value_after`.

    Lenient, what the rounding of the coarser side or one hundredth explains does not count.
    """
    before, after = both["value_before"], both["value_after"]
    compared = before.notna() & after.notna()
    if not lenient:
        return compared & (before != after)
    steps = [both.groupby(GROUP, dropna=False)[name].transform(_step) for name in ("value_before", "value_after")]
    allowed = np.maximum(ROUNDED * np.maximum(*steps), SHARE_LENIENT * before.abs()) + 1e-9
    return compared & ((after - before).abs() > allowed)


def _step(values: pd.Series) -> float:
    """The last digit that values are given with, at most four after the point."""
    known = values.dropna()
    for digits in range(4):
        if np.allclose(known, known.round(digits), rtol=0, atol=1e-9):
            return float(10.0**-digits)
    return 1e-4


def rewritten(both: pd.DataFrame, tolerance: Tolerance, *, lenient: bool = False) -> Iterator[Drift]:
    """Editions in use of which most figures, or most of what qualifies them, are other ones.

    Parameters
    ----------
    both : DataFrame
        Rows that are in both states: the keys, and each column with `_before` and `_after`.
    tolerance : Tolerance
        Its `revised`.
    lenient : bool
        See `changed`.
    """
    differs = changed(both, lenient=lenient)
    qualified = pd.Series(False, index=both.index)
    for name in _QUALITY:
        one, other = both[f"{name}_before"], both[f"{name}_after"]
        qualified |= (one != other) & one.notna() & other.notna()
    marked = both.assign(
        differs=differs,
        compared=both["value_before"].notna() & both["value_after"].notna(),
        qualified=qualified & ~lenient,
    )
    groups = marked.groupby(GROUP, dropna=False)
    counts = groups[["differs", "compared", "qualified"]].sum()
    for group, row in counts[_most(counts["differs"], counts["compared"], tolerance.revised)].iterrows():
        rows = groups.get_group(group)
        values = {"some": int(row["differs"]), "all": int(row["compared"]), "most": tolerance.revised}
        yield Drift("rewritten", Where.of(group), values, examples(rows[rows["differs"]]))
        if other := nearest_column(rows, both):
            yield Drift("column", Where.of(group), {"other": other})
    only = counts["qualified"].where(~_most(counts["differs"], counts["compared"], tolerance.revised), 0)
    for group, row in counts[_most(only, groups.size(), tolerance.revised)].iterrows():
        yield Drift(
            "qualified",
            Where.of(group),
            {"some": int(row["qualified"]), "all": len(groups.get_group(group)), "most": tolerance.revised},
        )


def _most(some: pd.Series, whole: pd.Series, share: float) -> pd.Series:
    return (some >= FEW) & (some > share * whole)


def nearest_column(rows: pd.DataFrame, both: pd.DataFrame) -> str:
    """Indicator whose former values the new ones are nearer to than to their own: equal, or nearer and in its order.

    Parameters
    ----------
    rows : DataFrame
        Of one indicator and year.
    both : DataFrame
        All rows of the source.
    """
    first = rows.iloc[0]
    same = both["geo_level"].eq(first["geo_level"]) & both["year"].eq(first["year"]) & both["value_before"].notna()
    others = both[same & both["indicator"].ne(first["indicator"])]
    own = rows.dropna(subset=["value_before", "value_after"])
    for name, other in others.groupby("indicator", observed=True):
        pairs = own.merge(other[[*AREA, "value_before"]], on=AREA, suffixes=("", "_other"))
        if len(pairs) < FEW:
            continue
        after, mine, theirs = pairs["value_after"], pairs["value_before"], pairs["value_before_other"]
        equal = (after == theirs).mean()
        nearer = (after - theirs).abs().median() < 0.5 * (after - mine).abs().median()
        if equal > 0.5 and equal > (after == mine).mean():
            return str(name)
        if nearer and len(pairs) >= MIN_RANKED and ranks(after, theirs) >= ranks(after, mine):
            return str(name)
    return ""


def ranks(one: pd.Series, other: pd.Series) -> float:
    """Rank correlation; 1 where one of the two does not vary: it says nothing."""
    if one.nunique() < FEW or other.nunique() < FEW:
        return 1.0
    return float(one.rank().corr(other.rank()))


def exchanged(both: pd.DataFrame) -> Iterator[Drift]:
    """Areas that have the figures that other ones had: rows exchanged, or shifted.

    One figure may be another area's by chance: all those of an area are compared at once, and where it has one or two,
    most of what changed must be so.
    """
    for block, rows in both.groupby(["source", "geo_level", "geo_vintage", "year"], dropna=False):
        if not (rows["value_before"] != rows["value_after"]).any():
            continue
        keys = ["indicator", *AREA[1:]]
        sides = {}
        for side in ("before", "after"):
            value = rows[f"value_{side}"]
            known = rows.loc[value.notna(), keys].assign(value=value.dropna())
            hashed = pd.util.hash_pandas_object(known.astype(dict.fromkeys(keys, "string")), index=False)
            sides[side] = hashed.groupby(rows.loc[known.index, "geo_code"]).sum()
        areas = pd.DataFrame(sides).dropna()
        areas = areas[areas["before"] != areas["after"]]
        former = pd.Series(areas.index, index=areas["before"].to_numpy())
        former = former[~former.index.duplicated()]
        found = areas["after"].map(former).dropna()
        figures = (
            rows[rows["value_after"].notna()]
            .groupby("geo_code")
            .agg(number=("value_after", "size"), distinct=("value_after", "nunique"))
        )
        told = figures.reindex(found.index)
        sure = told["distinct"] >= FEW
        several = int(sure.sum()) >= 2
        few = len(found) >= 2 and len(found) >= 0.5 * len(areas) and _few_can_tell(told, rows, areas)
        if several or few:
            shown = tuple(Example(str(code), other=str(other)) for code, other in list(found.items())[:_EXAMPLES])
            where = Where("", str(block[0]), str(block[1]), str(block[2]), str(block[3]))
            yield Drift("exchanged", where, {"some": len(found)}, shown)


def _few_can_tell(told: pd.DataFrame, rows: pd.DataFrame, areas: pd.DataFrame) -> bool:
    """Whether areas of one or two figures can be told to be others: two alone that are exchanged, or rows shifted."""
    if (told["distinct"] >= 2).all() or len(areas) == 2:
        return True
    one = rows.sort_values("geo_code").drop_duplicates("geo_code").set_index("geo_code")
    moved = one.index.isin(areas.index)
    shifts = [(one["value_after"] == one["value_before"].shift(step))[moved].sum() for step in (-1, 1)]
    return bool(max(shifts) >= 5 and max(shifts) >= 0.8 * len(areas))


def out_of_order(both: pd.DataFrame, tolerance: Tolerance) -> Iterator[Drift]:
    """Figures of an edition in use that changed, and whose areas no longer stand in the same order."""
    rows = both[changed(both)]
    sizes = both.groupby(GROUP, dropna=False).size()
    for group, some in rows.groupby(GROUP, dropna=False):
        if len(some) >= MIN_RANKED and len(some) > 0.1 * sizes[group]:
            found = ranks(some["value_before"], some["value_after"])
            if found < tolerance.ranks:
                values = {"found": round(found, 2), "least": tolerance.ranks, "year": str(group[-1])}
                yield Drift("ranks", Where.of(group), values, examples(some))


def unlike_former(old: pd.DataFrame, new: pd.DataFrame, tolerance: Tolerance) -> Iterator[Drift]:
    """New editions that are not like the nearest one in use: another order, another middle, or the very same figures.

    Parameters
    ----------
    old, new : DataFrame
        Of the long table, texts as such.
    tolerance : Tolerance
        Its `ranks` and `jump`.
    """
    kind = ["indicator", "geo_level", "geo_vintage"]
    past = old[old["value"].notna()]
    come = new[new["value"].notna()].merge(old[GROUP].drop_duplicates(), on=GROUP, how="left", indicator="where")
    come = come[come["where"] == "left_only"]
    editions = dict(tuple(past.groupby(kind, dropna=False)))
    for group, rows in come.groupby(GROUP, dropna=False):
        indicator, _, level, vintage, year = group
        known = editions.get((indicator, level, vintage))
        if known is None:
            continue
        years = known["year"].astype(int)
        nearest = known[(years - int(year)).abs() == (years - int(year)).abs().min()]
        pairs = nearest.drop_duplicates(AREA).merge(rows, on=AREA, suffixes=("_before", "_after"))
        if len(pairs) < MIN_RANKED or pairs["value_after"].nunique() < FEW:
            continue
        before, after, where = pairs["value_before"], pairs["value_after"], Where.of(group)
        former = str(nearest["year"].iloc[0])
        if former != str(year) and (before == after).mean() > COPIED:
            yield Drift("copied", where, {"some": int((before == after).sum()), "all": len(pairs), "year": former})
            continue
        found = ranks(before, after)
        if found < tolerance.ranks:
            yield Drift(
                "ranks", where, {"found": round(found, 2), "least": tolerance.ranks, "year": former}, examples(pairs)
            )
        middle = after.median() / before.median() if before.median() else 1.0
        if not 1 / tolerance.jump <= middle <= tolerance.jump:
            values = {"ratio": round(float(middle), 2), "most": tolerance.jump, "year": former}
            yield Drift("jump", where, values, examples(pairs))


def examples(rows: pd.DataFrame) -> tuple[Example, ...]:
    """The rows that moved furthest, as code, before and after."""
    size = (rows["value_after"] - rows["value_before"]).abs().sort_values(ascending=False).index[:_EXAMPLES]
    return tuple(
        Example(str(row["geo_code"]), f"{row['value_before']:g}", f"{row['value_after']:g}")
        for row in rows.loc[size].to_dict("records")
    )


# --- labels ------------------------------------------------------------------------------------------------------

_KEYS = (
    *(["geo_code"], ["code"], ["level", "code"], ["kind", "code"], ["geo_vintage", "geo_code"], ["establishment"]),
    *(["department"], ["date", "old_kind", "old_code", "new_kind", "new_code"], ["old_code", "new_code"], ["old_code"]),
)
MEASURES = {"population", "establishments"}  # they follow the year; the others are labels
PLACES = ("longitude", "latitude")
_STAMPS = {"source", "year", "date"}


def key_of(old: pd.DataFrame, new: pd.DataFrame) -> list[str]:
    """Columns that name a row of a code table once; none where no such columns do."""
    for names in _KEYS:
        there = set(names) <= set(old.columns) & set(new.columns)
        if there and not old.duplicated(names).any() and not new.duplicated(names).any():
            return names
    return []


def relabelled(name: str, old: pd.DataFrame, new: pd.DataFrame, tolerance: Tolerance) -> Iterator[Drift]:
    """Columns of a code table, or of the names of a layer, that say something else of the same codes.

    Parameters
    ----------
    name : str
        In the store, for the sentences.
    old, new : DataFrame
        The attributes alone.
    tolerance : Tolerance
        Its `revised`.
    """
    names = key_of(old, new)
    if not names:
        return
    both = old.merge(new, on=names, suffixes=("_before", "_after"))
    for column in (
        one for one in old.columns if one in new.columns and one not in {*names, *_STAMPS, *MEASURES, *PLACES}
    ):
        before, after = (both[f"{column}_{side}"].astype("string").fillna("") for side in ("before", "after"))
        differs = before != after
        if not differs.any():
            continue
        where = Where.of_table(name, column)
        first = differs.index[differs][:_EXAMPLES]
        shown = tuple(Example(_code(both, names, i), before[i], after[i]) for i in first)
        some, whole = int(differs.sum()), len(both)
        if some >= FEW and some > tolerance.revised * whole:
            yield Drift("relabelled", where, {"some": some, "all": whole, "most": tolerance.revised}, shown)
        if before.nunique() >= 0.8 * whole:
            taken = differs & after.isin(set(before[differs])) & (after != "")
            if taken.sum() >= 2 and taken.sum() >= 0.5 * some:
                yield Drift("label_taken", where, {"some": int(taken.sum()), "all": some}, shown)
        elif circle := _circle(before, after, differs):
            yield Drift("parents", where, {"list": ", ".join(circle), "some": some}, shown)
    yield from _points(name, both, names)


def _code(both: pd.DataFrame, names: list[str], row: object) -> str:
    return " ".join(str(both.loc[row, name]) for name in names)


def _circle(before: pd.Series, after: pd.Series, differs: pd.Series) -> list[str]:
    """Parents that took each other's place: where most rows of each went leads back to where it began."""
    number = before.value_counts()
    moves = pd.DataFrame({"from": before[differs], "to": after[differs]}).value_counts()
    went = {one: two for (one, two), count in moves.items() if count > 0.5 * number[one]}
    for start in went:
        seen, here = [start], went[start]
        while here in went and here not in seen:
            seen.append(here)
            here = went[here]
        if here == start and start:
            return sorted(seen)
    return []


def _points(name: str, both: pd.DataFrame, names: list[str]) -> Iterator[Drift]:
    """Located points most of which are elsewhere, or all of which went the same way."""
    columns = [f"{axis}_{side}" for axis in PLACES for side in ("before", "after")]
    if not set(columns) <= set(both.columns):
        return
    known = both[columns].astype(float).dropna()
    north = (known["latitude_after"] - known["latitude_before"]) * 111_320
    east = (
        (known["longitude_after"] - known["longitude_before"]) * 111_320 * np.cos(np.radians(known["latitude_before"]))
    )
    far = np.hypot(east, north)
    moved = far > 50
    if moved.sum() >= FEW and moved.sum() > 0.5 * len(known):
        first = far.sort_values(ascending=False).index[:_EXAMPLES]
        shown = tuple(Example(_code(both, names, i), after=f"{far[i]:.0f} m") for i in first)
        yield Drift("points", Where.of_table(name), {"some": int(moved.sum()), "all": len(known)}, shown)
