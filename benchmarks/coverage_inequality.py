"""How often intervals of inequality measures hold the truth, by simulation: `python benchmarks/coverage_inequality.py`.

Seeded, and slow: minutes, not seconds. The tables of docs/methode.md are printed by this file.
"""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd

from qpv_sante.inequality import summarize

SPREAD = ("bgv", "bgsd", "cov", "mdmu", "mdmw", "mdru", "mdrw", "idisu", "idisw", "ti", "mld")
CHOOSING = ("mdbu", "mdbw", "d", "r", "par", "paf")
# True rates in percent and people of each group
SCENES: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "12 × 100, égaux": (np.full(12, 30.0), np.full(12, 100)),
    "5 × 30, égaux": (np.full(5, 30.0), np.full(5, 30)),
    "5 × 30, égaux, taux de 10 %": (np.full(5, 10.0), np.full(5, 30)),
    "60 × 200, égaux": (np.full(60, 30.0), np.full(60, 200)),
    "8 de 20 à 5 000, égaux": (np.full(8, 30.0), np.array([20, 30, 50, 100, 200, 500, 2000, 5000])),
    "12 × 100, de 26 à 34 %": (np.linspace(26, 34, 12), np.full(12, 100)),
    "12 × 100, de 10 à 60 %": (np.linspace(10, 60, 12), np.full(12, 100)),
    "5 × 30, de 25 à 35 %": (np.linspace(25, 35, 5), np.full(5, 30)),
    "5 × 30, de 15 à 55 %": (np.linspace(15, 55, 5), np.full(5, 30)),
    "5 × 2 000, de 20 à 35 %": (np.array([20, 22, 25, 26, 35.0]), np.full(5, 2000)),
    "8 de 20 à 5 000, de 22 à 40 %": (
        np.array([40, 22, 35, 28, 33, 26, 30, 34.0]),
        np.array([20, 30, 50, 100, 200, 500, 2000, 5000]),
    ),
}


def inequality_intervals(repeats: int = 200, *, draws: int = 300, seed: int = 0) -> pd.DataFrame:
    """Share of 95 % intervals (`process`) that hold the true measure, groups without rank.

    Parameters
    ----------
    repeats : int
        Samples of each scene: 200 give shares within 0.03 or so.
    draws, seed : int
        Draws of each interval, and seed of the samples.

    Returns
    -------
    DataFrame
        One row a scene, one column a measure; `withheld`: share of the intervals that were not given, over all
        measures. ``mdru`` and ``mdrw`` have the first group as their reference.
    """
    random = np.random.default_rng(seed)
    rows = {}
    for scene, (rate, people) in SCENES.items():
        truth = pd.concat(
            [
                summarize(rate, people, measures=[*SPREAD, *CHOOSING])["value"].drop(["mdru", "mdrw"]),
                summarize(rate, people, reference=0, measures=["mdru", "mdrw"])["value"],
            ]
        )
        held, given = pd.Series(0.0, index=truth.index), pd.Series(0.0, index=truth.index)
        for repeat in range(repeats):
            cases = random.binomial(people, rate / 100)
            found = intervals_of(cases, people, draws=draws, seed=repeat).reindex(truth.index)
            given += found["lower"].notna()
            held += (found["lower"] <= truth + 1e-9) & (truth <= found["upper"] + 1e-9)
        rows[scene] = (held / given.where(given > 0)).round(3).to_dict()
        rows[scene]["withheld"] = round(1 - float(given.sum()) / (repeats * len(truth)), 3)
        print(".", end="", file=sys.stderr, flush=True)
    return pd.DataFrame(rows).T.reindex(columns=[*SPREAD, *CHOOSING, "withheld"])


def intervals_of(cases: np.ndarray, people: np.ndarray, *, draws: int, seed: int) -> pd.DataFrame:
    """Intervals of one sample, with the standard errors that `summarize_inequality` gives to proportions."""
    from qpv_sante.inequality.resampling import process_errors

    rate = 100 * cases / people
    common = {"se": process_errors(rate, people), "interval": "process", "draws": draws, "seed": seed}
    apart = [name for name in (*SPREAD, *CHOOSING) if name not in ("mdru", "mdrw")]
    free = summarize(rate, people, measures=apart, **common)
    referred = summarize(rate, people, reference=0, measures=["mdru", "mdrw"], **common)
    return pd.concat([free, referred])


def cluster_intervals(repeats: int = 100, *, seed: int = 0) -> pd.DataFrame:
    """Share of 95 % intervals (`between_qpv`) that hold the measure of the process that made the QPV.

    QPV of 500 to 8,000 people are drawn in five groups; their own rates vary around that of their group with a standard
    deviation of 6 points, far beyond what their size would make by chance.
    """
    from qpv_sante.inequality.resampling import cluster_errors, process_errors

    random = np.random.default_rng(seed)
    centre = np.array([45.0, 40, 36, 33, 28])
    measures = ["d", "r", "sii", "rci", "bgsd", "idisw"]
    truth = summarize(centre, np.ones(5), rank=range(1, 6), measures=measures)["value"]
    rows = {}
    for number in (5, 10, 30, 250):
        held = {name: pd.Series(0.0, index=truth.index) for name in ("between_qpv", "process")}
        for _ in range(repeats):
            weight = random.integers(500, 8000, 5 * number)
            group = np.repeat(np.arange(5), number)
            value = np.clip(random.normal(centre[group], 6), 1, 99)
            members = pd.DataFrame({"group": group, "value": value, "weight": weight})
            total = members.groupby("group")["weight"].sum()
            estimate = (members["value"] * members["weight"]).groupby(members["group"]).sum() / total
            errors = {
                "between_qpv": cluster_errors(members, draws=400, seed=1).to_numpy(),
                "process": process_errors(estimate.to_numpy(), total.to_numpy()),
            }
            for name, se in errors.items():
                found = summarize(estimate, total, se=se, rank=range(1, 6), measures=measures, interval=name, draws=300)
                held[name] += (found["lower"] <= truth) & (truth <= found["upper"])
        rows |= {(number, name): (share / repeats).round(3).to_dict() for name, share in held.items()}
    return pd.DataFrame(rows).T


STUDIES = {"inequality_intervals": inequality_intervals, "cluster_intervals": cluster_intervals}


def main() -> None:
    for name in sys.argv[1:] or STUDIES:
        print(f"\n{name}\n{STUDIES[name]().to_string()}", flush=True)


if __name__ == "__main__":
    main()
