"""Which year stands for an indicator where none is asked for: the best covered, then the nearest."""

from __future__ import annotations

import pandas as pd

EVEN = 0.01
"""Share of the territories: years whose coverage differs by less are covered alike."""


def best_covered_year(rows: pd.DataFrame, codes: pd.Series | pd.Index | None = None, *, near: int | None = None) -> int:
    """The year with values for the most territories; among those that are covered alike, the nearest.

    Parameters
    ----------
    rows : DataFrame
        `geo_code, year, value`, several years of one indicator.
    codes : Series or Index of str, optional
        Territories that the year must cover; all those of the rows by default.
    near : int, optional
        Year to be near to, the later of two at the same distance; the newest by default.

    Returns
    -------
    int

    Notes
    -----
    Years are covered alike when the shares of the territories that have a value differ by less than a hundredth: one
    more QPV is no reason to go back three years, three hundred withheld ones are.

    Examples
    --------
    >>> rows = pd.DataFrame({"geo_code": ["A", "B"] * 3, "year": [2018, 2018, 2019, 2019, 2021, 2021],
    ...                      "value": [40.0, 30.0, 41.0, 31.0, 42.0, None]})
    >>> best_covered_year(rows, near=2022), best_covered_year(rows), best_covered_year(rows, near=2018)
    (2019, 2019, 2018)
    """
    wanted = pd.Index(pd.unique(pd.Series(rows["geo_code"] if codes is None else codes)))
    valued = rows["value"].notna() & rows["geo_code"].isin(wanted)
    counts = valued.groupby(rows["year"].astype(int)).sum()
    alike = counts.index[counts > counts.max() - EVEN * max(len(wanted), 1)]
    return int(alike.max() if near is None else max(alike, key=lambda year: (-abs(year - near), year)))
