"""Breaks between two editions of an indicator that no one has decided on yet: a level that jumps, a column renamed.

A producer may change what it counts without changing what it says. Two traces are looked for at each build: the
national level moves between two years by more than the QPV moved among themselves, which is what a change of
definition does and a change in the world seldom; or the column that is read has another name from one edition to the
next. Each asks for a decision in the catalogue: the years do not compare (`incomparable_years`), they are two
indicators, or they were `examined` and do compare, with the reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Catalogue, Indicator

LEAST = 20
"""Territories with a value in both years: with fewer, their own moves are not known."""

_NORMAL_MAD = 1.4826
_SERIES = ["indicator", "geo_level", "zoning", "sex", "age", "category"]


@dataclass(frozen=True)
class Discontinuity:
    """A break between two years of an indicator.

    Attributes
    ----------
    indicator : str
    before, after : int
        Years.
    what : str
        In words: what was seen.
    """

    indicator: str
    before: int
    after: int
    what: str

    def __str__(self) -> str:
        """The break, and what to write in the catalogue."""
        return (
            f"{self.indicator}, {self.before} to {self.after}: {self.what}. Decide in catalogue.toml: "
            "`incomparable_years`, another indicator for one of the two, or [[indicator."
            f"{self.indicator}.examined]] with `years` and `why`, if they compare."
        )


def level_jumps(rows: pd.DataFrame, known: Catalogue) -> list[Discontinuity]:
    """National levels that move between two years by more than the territories moved among themselves.

    Parameters
    ----------
    rows : DataFrame
        Rows of the long table, of any indicators and sources.
    known : Catalogue

    Returns
    -------
    list of Discontinuity
        Whether decided or not.

    Notes
    -----
    Over the territories that have a value in both years, at least `LEAST`. The move of the national level is that of
    the rate pooled by its denominators (the mean of both years), of the sum of counts, of the median territory for the
    other kinds and for rates without denominator. It is held against 1.4826 times the median absolute deviation of the
    territories' own moves around their median: a standard deviation that a few territories do not make. Moves are in
    points for rates and scores, in logarithms (percent) for counts and medians. QPV of two zonings are never put
    together; other levels are followed through the years of their codes.

    Examples
    --------
    >>> from qpv_sante import load_observations
    >>> from qpv_sante.catalogue import catalogue
    >>> rows = load_observations("foreigner_share", geo_level="qpv", geo_vintage=2015)
    >>> level_jumps(rows, catalogue())
    []
    """
    text = {name: rows[name].astype("str") for name in ("indicator", "geo_level", "sex", "age", "category", "geo_code")}
    every = rows.assign(**text, zoning=rows["geo_vintage"].where(text["geo_level"] == "qpv", 0).astype(int))
    every = every[every["value"].notna() & every["indicator"].isin(list(known.indicators))]
    several = every.groupby(_SERIES)["year"].transform("nunique") > 1
    found = []
    for (name, level, *_), series in every[several].groupby(_SERIES):
        indicator = known.indicator(str(name))
        years = sorted(int(year) for year in series["year"].unique())
        by_year = {
            year: series[series["year"] == year].drop_duplicates("geo_code").set_index("geo_code") for year in years
        }
        for before, after in itertools.pairwise(years):
            moved = _moves(indicator, by_year[before], by_year[after])
            if moved is not None and abs(moved[0]) > moved[1]:
                unit = "%" if indicator.kind in ("count", "median") else "points"
                classes = ", ".join(part for part in series[["sex", "age", "category"]].iloc[0] if part != "_T")
                what = (
                    f"the national level of {level}{f' ({classes})' if classes else ''} moves by {moved[0]:+.2g} "
                    f"{unit}, its territories among themselves by {moved[1]:.2g}"
                )
                found.append(Discontinuity(indicator.id, before, after, what))
    return found


def _moves(indicator: Indicator, old: pd.DataFrame, new: pd.DataFrame) -> tuple[float, float] | None:
    """Move of the national level, and spread of the territories' own moves around theirs."""
    both = old.index.intersection(new.index)
    first, second = old.loc[both, "value"].astype(float), new.loc[both, "value"].astype(float)
    if indicator.kind in ("count", "median"):
        positive = (first > 0) & (second > 0)
        first, second = first[positive], second[positive]
        each = 100 * np.log(second / first)
    else:
        each = second - first
    if len(each) < LEAST:
        return None
    middle = float(each.median())
    spread = _NORMAL_MAD * float((each - middle).abs().median())
    weight = (old["denominator"].reindex(each.index) + new["denominator"].reindex(each.index)) / 2
    if indicator.kind == "count":
        middle = 100 * float(np.log(second.sum() / first.sum()))
    elif indicator.kind == "rate" and weight.gt(0).all():
        middle = float(np.average(each, weights=weight))
    # whole numbers hide moves of less than half of one: the last digit is the least spread that can be seen
    digit = 2 * max((series.rounding or 0.0 for series in indicator.series), default=0.0)
    if indicator.kind == "median":
        digit = 100 * digit / float(first.median())
    return middle, max(spread, digit if indicator.kind != "count" else 0.0)


def renamed(names: Mapping[str, Mapping[str, list[str]]], known: Catalogue) -> list[Discontinuity]:
    """Columns that change names from one edition of a source to the next.

    Parameters
    ----------
    names : mapping of str to mapping
        By edition (`insee_filosofi_qpv@2019`): the names under which each series was found, as the catalogue writes
        them (`TP60_A{yy}`), by indicator, sex and age (`poverty_rate _T _T`).
    known : Catalogue

    Returns
    -------
    list of Discontinuity
        Whether decided or not.
    """
    by_series: dict[tuple[str, str], list[tuple[int, list[str]]]] = {}
    for key, found in names.items():
        source = known.source(key)
        vintage = source.get_vintage(key.partition("@")[2])
        for series, columns in found.items():
            name, sex, age = series.split(" ")
            year = next(
                one.years.get(vintage.id, vintage.year)
                for indicator, one in known.series_in(source.id, vintage.id)
                if (indicator.id, one.sex, one.age) == (name, sex, age)
            )
            by_series.setdefault((source.id, series), []).append((year, columns))
    changes = []
    for (_, series), editions in by_series.items():
        for (before, old), (after, new) in itertools.pairwise(sorted(editions)):
            if old != new:
                what = f"the column {' / '.join(old)} is called {' / '.join(new)}"
                changes.append(Discontinuity(series.split(" ")[0], before, after, what))
    return changes


def undecided(found: Iterable[Discontinuity], known: Catalogue) -> list[Discontinuity]:
    """Those that the catalogue says nothing of; one a pair of years and sentence.

    Examples
    --------
    >>> from qpv_sante.catalogue import catalogue
    >>> seen = [Discontinuity("poverty_rate", 2019, 2021, "moves"), Discontinuity("c2s_share", 2021, 2022, "moves")]
    >>> [one.indicator for one in undecided(seen, catalogue())]
    ['c2s_share']
    """
    return [one for one in dict.fromkeys(found) if not _decided(known.indicator(one.indicator), one.before, one.after)]


def _decided(indicator: Indicator, before: int, after: int) -> bool:
    apart = indicator.family(before) != indicator.family(after)
    return apart or any({before, after} <= set(one.years) for one in indicator.examined)
