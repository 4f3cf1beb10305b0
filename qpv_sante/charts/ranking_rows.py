"""Rows of a ranking as they are drawn: checked, with limits and intervals. Nothing is drawn here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qpv_sante import funnel, intervals
from qpv_sante.charts import common
from qpv_sante.errors import ComparabilityError, SchemaError, UnknownNameError
from qpv_sante.geography import zoning_of_qpv_code

LEVELS = (0.95, 0.998)
_NEEDED = ("rank", "geo_code", "name", "value", "n", "target", "funnel_position", "flag", "source")


def ranking_rows(ranking: pd.DataFrame, highlight: Sequence[str]) -> pd.DataFrame:
    """The rows of one ranking, names told apart.

    Raises
    ------
    SchemaError, ComparabilityError, InvalidInputError, UnknownNameError
        As `plot_rank`.
    """
    common.check_columns(ranking, _NEEDED, "plot_rank", "rank()")
    if "indicator" not in ranking.attrs:
        raise SchemaError(
            "plot_rank: the frame no longer says its indicator. Draw the frame that rank() returned, or write "
            "frame.attrs['indicator'] = 'c2s_share' (files and pd.concat lose attrs)."
        )
    if unknown := [code for code in highlight if code not in set(ranking["geo_code"])]:
        raise UnknownNameError(f"highlight: {unknown[0]!r} is not in the ranking of {len(ranking)} QPV.")
    zonings = {zoning_of_qpv_code(code) for code in ranking["geo_code"]}
    if len(zonings) > 1 or ranking["source"].dropna().nunique() > 1 or ranking["target"].dropna().nunique() > 1:
        raise ComparabilityError("plot_rank draws one ranking at a time: one call of rank(), one zoning, one source.")
    rows = ranking.reset_index(drop=True)
    rows = rows.assign(name=common.qpv_labels(rows["geo_code"], zonings.pop()))
    rows.attrs = ranking.attrs
    return rows


def funnel_curve(
    target: float,
    least: float,
    most: float,
    *,
    points: int = 120,
    kind: str = "plain",
    factor: float = 1.0,
    between: float = 0.0,
) -> pd.DataFrame:
    """Funnel limits over a range of sizes, to be drawn as curves.

    Parameters
    ----------
    target : float
        Rate of the whole, in percent.
    least, most : float
        Smallest and largest size.
    points : int
        At most; sizes are whole.
    kind, factor, between
        As `qpv_sante.funnel.limits`.

    Returns
    -------
    DataFrame
        `n, lower_95, upper_95, lower_99_8, upper_99_8`, in percent, as `qpv_sante.funnel.limits` gives them.

    Examples
    --------
    >>> funnel_curve(20, 50, 1000, points=2).round(1).values.tolist()
    [[50.0, 8.4, 32.7, 3.5, 39.9], [1000.0, 17.5, 22.6, 16.1, 24.0]]
    """
    least, most = max(1.0, round(least)), max(1.0, round(most))
    sizes = np.unique(np.geomspace(least, most, points).round())
    curve = funnel.limits(target, sizes, kind=kind, factor=factor, between=between, levels=LEVELS)
    return pd.concat([pd.Series(sizes, name="n"), curve], axis=1)


def ordered_intervals(ranking: pd.DataFrame) -> pd.DataFrame:
    """Ranked QPV in their order, each with its Wilson intervals at 95 % and 99.8 %.

    Parameters
    ----------
    ranking : DataFrame
        As `rank` gives it; rows without a value are left out.

    Returns
    -------
    DataFrame
        The rows by rank, with `lower_95, upper_95, lower_99_8, upper_99_8` in percent.
    """
    known = ranking[ranking["value"].notna() & ranking["n"].notna()]
    known = known.sort_values(["rank", "geo_code"], kind="stable", ignore_index=True)
    cases = (known["value"] / 100 * known["n"]).round()
    for level, name in zip(LEVELS, ("95", "99_8"), strict=True):
        wilson = intervals.proportion(cases, known["n"], level=level, interval="process")
        known[f"lower_{name}"], known[f"upper_{name}"] = 100 * wilson["lower"], 100 * wilson["upper"]
    return known
