"""What differs between two states of a source's tables, by key. Pure functions of frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from qpv_sante.observations import KEY, MISSING_FLAGS
from qpv_sante.refresh.displacement import compare_outlines

if TYPE_CHECKING:
    import geopandas as gpd

LISTED = 20  # examples kept of each kind
ELSEWHERE_NOTICED = 0.001  # share of an outline that is elsewhere: under it, rounding of vertices
_CODES = ("geo_code", "code", "old_code")
_NUMBERS = ("value", "lower", "upper", "n", "denominator")


@dataclass
class Changes:
    """What moved in a source.

    Attributes
    ----------
    added, removed : int
        Rows of the long table whose key is new, or gone.
    moved : int
        Rows whose value differs.
    suppressed, visible : int
        Rows whose value became missing (secret, not available), or is no longer missing.
    flagged : int
        Rows whose flag differs otherwise.
    qualified : int
        Rows of which only bounds, size or denominator differ.
    labels : int
        Rows of code tables, and names of zones, that were added, removed or rewritten.
    outlines : int
        Zones added, removed or of which more than 0.1 % of the area is elsewhere.
    examples : dict of str to DataFrame
        Up to 20 rows of each kind, the largest first: key columns, `before`, `after`.
    """

    added: int = 0
    removed: int = 0
    moved: int = 0
    suppressed: int = 0
    visible: int = 0
    flagged: int = 0
    qualified: int = 0
    labels: int = 0
    outlines: int = 0
    examples: dict[str, pd.DataFrame] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Number of differences of each kind, those that there are."""
        found = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "examples"}
        return {name: number for name, number in found.items() if number}

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.counts())

    def note(self, kind: str, number: int, examples: pd.DataFrame) -> None:
        """Add differences of a kind."""
        setattr(self, kind, getattr(self, kind) + number)
        if len(examples):
            known = [self.examples[kind]] if kind in self.examples else []
            self.examples[kind] = pd.concat([*known, examples.head(LISTED)], ignore_index=True).head(LISTED)


def compare_tables(before: Mapping[str, pd.DataFrame], after: Mapping[str, pd.DataFrame]) -> Changes:
    """Compare the tables of a source.

    Parameters
    ----------
    before, after : mapping of str to DataFrame
        By name in the store (`observations/x`, `zones/x`, `codes/x`). A table that was not there before has nothing
        to be compared with; one that is gone counts as removed rows.

    Returns
    -------
    Changes
    """
    changes = Changes()
    for name, old in sorted(before.items()):
        kind, _, table = name.partition("/")
        new = after.get(name, old.iloc[:0])
        if kind == "observations":
            _compare_observations(old, new, changes)
        elif kind == "zones":
            _compare_zones(old, new, table, changes)
        else:
            _compare_codes(old, new, table, changes)
    return changes


def _row_hashes(frame: pd.DataFrame) -> pd.Series:
    """One number a row; equal rows have equal numbers, whatever the storage of their texts."""
    plain = frame.copy(deep=False)
    for name in plain.columns:
        # one storage for numbers; each text is hashed once
        numeric = pd.api.types.is_numeric_dtype(plain[name])
        plain[name] = plain[name].astype("float64") if numeric else plain[name].astype("string").astype("category")
    return pd.util.hash_pandas_object(plain, index=False)


def _differing(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of two tables of the same columns that are not in the other."""
    columns = list(new.columns)
    hashed_old, hashed_new = _row_hashes(old.reindex(columns=columns)), _row_hashes(new)
    return old[~hashed_old.isin(set(hashed_new)).to_numpy()], new[~hashed_new.isin(set(hashed_old)).to_numpy()]


def _compare_observations(old: pd.DataFrame, new: pd.DataFrame, changes: Changes) -> None:
    old, new = _differing(old, new)
    if old.empty and new.empty:
        return
    columns = [*KEY, *_NUMBERS, "flag"]
    old, new = (frame.astype(dict.fromkeys((*KEY, "flag"), "string")) for frame in (old, new))
    both = old[columns].merge(new[columns], on=list(KEY), how="outer", suffixes=("_before", "_after"), indicator=True)
    added, removed = both[both["_merge"] == "right_only"], both[both["_merge"] == "left_only"]
    changes.note("added", len(added), _examples(added))
    changes.note("removed", len(removed), _examples(removed))
    common = both[both["_merge"] == "both"]
    was_missing = common["flag_before"].isin(MISSING_FLAGS)
    is_missing = common["flag_after"].isin(MISSING_FLAGS)
    values = ~was_missing & ~is_missing & (common["value_before"] != common["value_after"])
    moved = common[values]
    size = (moved["value_after"] - moved["value_before"]).abs()
    # against the middle of the indicator: a move of 3 points of a rate comes before one of 30 inhabitants
    scale = moved.groupby("indicator")["value_before"].transform(lambda value: value.abs().median()).replace(0, 1.0)
    changes.note("moved", len(moved), _examples(moved.loc[(size / scale).sort_values(ascending=False).index]))
    hidden, shown = common[~was_missing & is_missing], common[was_missing & ~is_missing]
    changes.note("suppressed", len(hidden), _examples(hidden))
    changes.note("visible", len(shown), _examples(shown))
    same_side = was_missing == is_missing
    flagged = common[same_side & (common["flag_before"] != common["flag_after"])]
    changes.note("flagged", len(flagged), _examples(flagged))
    rest = common[same_side & ~values & (common["flag_before"] == common["flag_after"])]
    changes.note("qualified", len(rest), rest.iloc[:0])


def _examples(rows: pd.DataFrame) -> pd.DataFrame:
    if rows.empty:
        return rows
    shown = rows.head(LISTED)
    keys = ["indicator", "source", "geo_level", "geo_code", "geo_vintage", "sex", "age", "category", "year"]
    return pd.DataFrame(
        {
            **{name: shown[name].astype("string") for name in keys},
            "before": shown["value_before"],
            "after": shown["value_after"],
            "flag_before": shown["flag_before"].astype("string"),
            "flag_after": shown["flag_after"].astype("string"),
        }
    )


def _compare_codes(old: pd.DataFrame, new: pd.DataFrame, table: str, changes: Changes) -> None:
    old, new = _differing(old.reset_index(drop=True), new.reset_index(drop=True))
    if old.empty and new.empty:
        return
    key = next(name for name in (*_CODES, new.columns[0]) if name in new.columns)
    old_text, new_text = (_as_text(frame, key) for frame in (old, new))
    both = pd.concat({"before": old_text, "after": new_text}, axis=1)
    shown = both.reset_index(names="geo_code").assign(source=table)
    changes.note("labels", len(both), shown)


def _as_text(frame: pd.DataFrame, key: str) -> pd.Series:
    """Rows of a code table as one text each, by code; the rows of one code together."""
    if frame.empty:
        return pd.Series(dtype="string")
    texts = frame.drop(columns=key).astype("string").fillna("").agg(" | ".join, axis=1)
    return texts.groupby(frame[key].astype("string").to_numpy()).agg(" ; ".join)


def _compare_zones(old: gpd.GeoDataFrame, new: gpd.GeoDataFrame, layer: str, changes: Changes) -> None:
    # by code; a code that comes twice in a layer is compared as one
    outlines = compare_outlines(old, new)
    moved = outlines[outlines["elsewhere"] > ELSEWHERE_NOTICED].sort_values("elsewhere", ascending=False)
    shown = moved[["before", "after"]].assign(metres=np.hypot(moved["east"], moved["north"]), source=layer, unit="m2")
    changes.note("outlines", len(moved), shown.reset_index(names="geo_code"))
    names = [column for column in new.columns if column in old.columns and column not in {"geometry"}]
    _compare_codes(
        pd.DataFrame(old[names]).sort_values("geo_code"),
        pd.DataFrame(new[names]).sort_values("geo_code"),
        layer,
        changes,
    )
