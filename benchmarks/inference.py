"""Intervals, bootstrap and ranking on national sizes."""

from __future__ import annotations

from measure import row
from measure import run as measure

_SETUP = """
import numpy as np, pandas as pd
from qpv_sante import intervals
from qpv_sante.inequality import bootstrap
import statsmodels.stats.proportion
random = np.random.default_rng(0)
n = random.integers(500, 20_000, 10_000)
estimate, people = random.uniform(20, 70, 1_362), random.integers(500, 20_000, 1_362)
rank = pd.Series(estimate).rank(ascending=False)
"""
_CASES = {
    "10,000 funnel limits (95 % and 99.8 %)": ("intervals.funnel_limits(0.4, n)", "under 1 s"),
    "1,000 bootstrap summaries of 1,362 QPV": ("bootstrap(estimate, people, rank=rank, draws=1000)", "under 1 s"),
    "10,000 Wilson intervals": ("intervals.proportion(n // 3, n)", ""),
    "10,000 Newcombe differences": ("intervals.difference_of_proportions(n // 3, n, n // 4, n)", ""),
}


def run() -> list[dict[str, object]]:
    results = measure(*(code for code, _ in _CASES.values()), setup=_SETUP)
    rows = [row(name, result, aim=aim) for (name, (_, aim)), result in zip(_CASES.items(), results, strict=True)]
    [ranked] = measure(
        'qs.rank("poverty_rate", geo_vintage=2024, year=2021)',
        setup="""
            import logging; logging.disable()
            import qpv_sante as qs
            qs.rank("c2s_share", geo_vintage=2015, year=2022)
        """,
    )
    rows.append(row("rank, 1,362 QPV, 1,000 draws", ranked, aim="under 1 s"))
    return rows
