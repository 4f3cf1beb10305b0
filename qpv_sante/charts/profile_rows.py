"""Rows of the profile chart: checks of the frame, and every mark on the scale of its row."""

from __future__ import annotations

import pandas as pd

from qpv_sante.catalogue import catalogue
from qpv_sante.charts import common
from qpv_sante.errors import ComparabilityError

MAX_ROWS = 40
_SAID = ("indicator", "year_label", "flag", "interval", "source", "n_used", "n_total")
_REQUIRED = ("geo_level", "geo_code", "name", "geo_vintage", "unit", "value", *_SAID)
_PARTS = ("min", "q1", "median", "q3", "max", "n_used", "n_total")


def scaled(frame: pd.DataFrame, *, reference: str = "commune", among: str = "country") -> pd.DataFrame:
    """Rows with their marks between 0 and 1: what `plot_profile` draws.

    Parameters
    ----------
    frame : DataFrame
        As `positions` gives it.
    reference, among : str

    Returns
    -------
    DataFrame
        `indicator, year_label, flag, interval, source, n_used, n_total`, the values `value, lower, upper, reference,
        min, q1, median, q3, max`, their scaled positions under the same names preceded by `x_`, `y`, from 0 on top,
        and `total`. A row whose values are all one has its marks in the middle; a row without any value has none. A
        `total`, the count of several QPV together, has no mark: it has no place on a scale of single QPV.
    """
    needed = [*_REQUIRED, f"{reference}_value", f"{reference}_n_places", *(f"qpv_{among}_{part}" for part in _PARTS)]
    filled = ("indicator", "geo_level", "geo_code", "geo_vintage", "n_total")
    common.check_columns(frame, needed, "plot_profile", "positions()", filled=filled)
    if frame["geo_code"].nunique() > 1:
        listed = ", ".join(frame["geo_code"].unique()[:6])
        raise ComparabilityError(
            f"plot_profile draws one QPV or territory at a time; got {listed}. Filter on geo_code first."
        )
    if frame["indicator"].duplicated().any():
        twice = frame.loc[frame["indicator"].duplicated(), "indicator"].iloc[0]
        raise ComparabilityError(f"plot_profile draws an indicator once; {twice} has several rows. Keep one year.")
    if among == "region" and "region_name" in frame and (frame["region_name"] == "").all():
        raise ComparabilityError(
            f"plot_profile: {frame['name'].iloc[0]} does not lie in one region; draw it among='country'."
        )
    if len(frame) > MAX_ROWS:
        raise ComparabilityError(f"plot_profile draws at most {MAX_ROWS} rows, got {len(frame)}: keep some indicators.")
    marks = {
        "value": frame["value"],
        "lower": frame["lower"] if "lower" in frame else frame["value"],
        "upper": frame["upper"] if "upper" in frame else frame["value"],
        "reference": frame[f"{reference}_value"],
        **{part: frame[f"qpv_{among}_{part}"] for part in ("min", "q1", "median", "q3", "max")},
    }
    values = pd.DataFrame({name: pd.to_numeric(column) for name, column in marks.items()}).reset_index(drop=True)
    kinds = frame["indicator"].map(lambda name: catalogue().indicator(str(name)).kind).reset_index(drop=True)
    total = (kinds == "count") & (frame["n_total"].reset_index(drop=True) > 1)
    low, high = values.min(axis=1), values.max(axis=1)
    span = (high - low).where(high > low)
    positions = values.sub(low, axis=0).div(span, axis=0)
    positions = positions.mask(values.notna() & span.isna(), 0.5, axis=0).add_prefix("x_")
    positions = positions.mask(total, axis=0)
    said = frame[[*_SAID]].reset_index(drop=True)
    return pd.concat([said, values, positions], axis=1).assign(y=range(len(frame)), total=total)
