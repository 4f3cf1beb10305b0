"""How often bounds and intervals hold the true figure, by simulation on published figures.

    python -m benchmarks.coverage

What is published is hidden, bounds are made of the rest by the functions that `compare` uses, and they are held against
what was hidden, territory by territory. Prints the Markdown table of `docs/methode.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante import aggregation, loading, quarter_values, store, unpublished
from qpv_sante.catalogue import Withheld, catalogue

SEED = 20261130
DRAWS = 20
Hide = Callable[[pd.DataFrame, np.random.Generator], pd.Series]


@dataclass(frozen=True)
class Result:
    """Coverage of one study: in how many territories, over all draws, the bounds hold the truth."""

    study: str
    hidden: str
    held: int
    territories: int
    width: float
    widest: float = float("nan")

    @property
    def coverage(self) -> float:
        """Share of the territories whose bounds hold the truth."""
        return self.held / self.territories


def at_random(share: float) -> Hide:
    """Hide that share of the QPV, any of them."""
    return lambda frame, rng: pd.Series(rng.random(len(frame)) < share, index=frame.index)


def extreme(share: float, by: str, end: str) -> Hide:
    """Hide the QPV with the `lowest`, the `highest`, or both ends (`ends`) of a column, half of them at random."""

    def hide(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
        rank = frame[by].rank(pct=True)
        low, high = rank <= 2 * share, rank > 1 - 2 * share
        if end == "ends":
            low, high = rank <= share, rank > 1 - share
        chosen = {"lowest": low, "highest": high, "ends": low | high}[end]
        return chosen & (rng.random(len(frame)) < 0.5)

    return hide


def every(frame: pd.DataFrame, rng: np.random.Generator) -> pd.Series:
    """Hide all of them."""
    return pd.Series(True, index=frame.index)


def hidden_bases(quarters: pd.DataFrame, people: pd.Series, hide: Hide, rng: np.random.Generator) -> pd.DataFrame:
    """Truth and bounds by department of a rate of which some denominators are hidden.

    Parameters
    ----------
    quarters : DataFrame
        QPV with `department, value, lower, upper, denominator`, all of them known.
    people : Series
        Inhabitants.
    hide : callable
        Which denominators to hide.
    rng : Generator

    Returns
    -------
    DataFrame
        Index: departments where one was hidden. `truth, lower, upper`.
    """
    hidden = hide(quarters.assign(people=people), rng)
    weights = quarter_values.completed_base(quarters["denominator"].mask(hidden), quarters["value"], people, "")
    frame = quarters.assign(
        weight=weights.weight, weight_sd=weights.sd, least=quarters["lower"], most=quarters["upper"]
    )
    pooled = aggregation.pool(frame.assign(**weights.tilts(frame)), "department", kind="rate")
    truth = aggregation.pool(quarters.assign(weight=quarters["denominator"]), "department", kind="rate")["value"]
    concerned = hidden.groupby(quarters["department"]).any()
    return pooled.assign(truth=truth)[concerned]


def replaced_base(quarters: pd.DataFrame, people: pd.Series, error: unpublished.BaseError) -> pd.DataFrame:
    """Truth and bounds by department of a rate weighted by inhabitants, with an error measured on another base."""
    centre = float(np.average(quarters["value"], weights=people))
    known = pd.Series(True, index=quarters.index)
    weights = quarter_values.Weights(people, "", "", estimated=known, error=error, centre=centre)
    frame = quarters.assign(weight=people, weight_sd=weights.sd, least=quarters["lower"], most=quarters["upper"])
    pooled = aggregation.pool(frame.assign(**weights.tilts(frame)), "department", kind="rate")
    truth = aggregation.pool(quarters.assign(weight=quarters["denominator"]), "department", kind="rate")["value"]
    return pooled.assign(truth=truth)


def hidden_values(
    quarters: pd.DataFrame,
    other_years: list[pd.Series],
    hide: Hide,
    rng: np.random.Generator,
    *,
    kind: str = "rate",
    rule: Withheld | None = None,
) -> pd.DataFrame:
    """Truth and bounds by department of a figure of which some values are hidden.

    Parameters
    ----------
    quarters : DataFrame
        QPV with `department, value, lower, upper, weight`, all of them known.
    other_years : list of Series
        The same figure in other years; none to hide these too.
    hide : callable
        Which values to hide.
    rng : Generator
    kind : {"rate", "count"}
    rule : Withheld, optional

    Returns
    -------
    DataFrame
        Index: departments where one was hidden and not all. `truth, lower, upper`, and `widest`: the width of the
        bounds with what is hidden at the lowest, then at the highest, of what is shown.
    """
    hidden = hide(quarters.assign(people=quarters["weight"]), rng)
    shown = quarters.copy()
    shown.loc[hidden, ["value", "lower", "upper"]] = np.nan
    shown.loc[hidden, "flag"] = "suppressed"
    limits = [0.0, 100.0] if kind == "rate" else None
    ranges = unpublished.value_ranges(shown, other_years, limits=limits, rule=rule, counts=kind == "count")
    shown = shown.assign(**ranges, in_field=True)
    pooled = aggregation.pool(shown, "department", kind=kind)
    wide = aggregation.pool(quarter_values.with_extremes(shown, kind), "department", kind=kind)
    truth = aggregation.pool(quarters, "department", kind=kind)["value"]
    concerned = hidden.groupby(quarters["department"]).any() & pooled["lower"].notna()
    return pooled.assign(truth=truth, widest=wide["upper"] - wide["lower"])[concerned]


def one_by_one(
    quarters: pd.DataFrame, other_years: list[pd.Series], hide: Hide, rng: np.random.Generator
) -> pd.DataFrame:
    """Truth and range of each QPV that is hidden: `truth, lower, upper`."""
    hidden = hide(quarters.assign(people=quarters["weight"]), rng)
    shown = quarters.copy()
    shown.loc[hidden, ["value", "lower", "upper"]] = np.nan
    ranges = unpublished.value_ranges(shown, other_years, limits=[0.0, 100.0])
    ranges = ranges.rename(columns={"least": "lower", "most": "upper"})
    return ranges.assign(truth=quarters["value"])[hidden]


def counted(study: str, hidden: str, draws: Iterator[pd.DataFrame]) -> Result:
    """In how many territories the bounds hold the truth, over all draws."""
    found = pd.concat(list(draws))
    held = (found["lower"] <= found["truth"] + 1e-9) & (found["truth"] <= found["upper"] + 1e-9)
    widest = float(found["widest"].median()) if "widest" in found else float("nan")
    return Result(study, hidden, int(held.sum()), len(found), float((found["upper"] - found["lower"]).median()), widest)


def published(indicator: str, geo_vintage: int, year: int) -> pd.DataFrame:
    """QPV that have a value, a weight and a department."""
    known = catalogue().indicator(indicator)
    quarters = quarter_values.quarters_with_values(known, geo_vintage=geo_vintage, year=year, sex="_T", age="_T")
    quarters = quarters[quarters["value"].notna() & quarters["weight"].notna() & (quarters["department"] != "")]
    made = ["least", "most", "weight_sd", "tilt_low", "tilt_high"]
    return quarters.drop(columns=made).reset_index(drop=True)


def inhabitants(quarters: pd.DataFrame, geo_vintage: int, year: int) -> pd.Series:
    """Inhabitants of QPV, of the nearest year."""
    return quarter_values.nearest_counts("population", quarters["geo_code"], geo_vintage, year)[0]


def bases(draws: int = DRAWS) -> list[Result]:
    """Households of QPV 2024: hidden at random, in the smallest QPV, where persons live alone, everywhere."""
    quarters = published("one_person_household_share", 2024, 2020)
    quarters = quarters[quarters["denominator"].notna()].reset_index(drop=True)
    people = inhabitants(quarters, 2024, 2020)
    ways: dict[str, Hide] = {
        "15 % au hasard": at_random(0.15),
        "15 %, parmi les plus petits": extreme(0.15, "people", "lowest"),
        "15 %, parmi les plus hautes parts": extreme(0.15, "value", "highest"),
    }
    rng = np.random.default_rng(SEED)
    return [
        counted("ménages", name, (hidden_bases(quarters, people, way, rng) for _ in range(draws)))
        for name, way in ways.items()
    ]


# a rate with denominators, its zoning and year, and the rate whose denominators are taken for its likes
LIKES = (
    ("c2s_share", 2015, 2022, "one_person_household_share"),
    ("rsa_recipient_share", 2015, 2020, "one_person_household_share"),
    ("one_person_household_share", 2024, 2020, "rsa_recipient_share"),
)


def weights() -> list[Result]:
    """Rates with denominators, weighted by inhabitants all the same, with errors measured on another base."""
    found = []
    for indicator, geo_vintage, year, like in LIKES:
        quarters = published(indicator, geo_vintage, year)
        people = inhabitants(quarters, geo_vintage, year)
        both = quarters["denominator"].notna() & people.notna()
        asked = catalogue().indicator(like), catalogue().indicator(indicator), geo_vintage, year, ("_T", "_T")
        seen = quarter_values.like_base(*asked)
        assert seen is not None
        error = unpublished.widest([unpublished.base_error(*seen)])
        drawn = replaced_base(quarters[both].reset_index(drop=True), people[both].reset_index(drop=True), error)
        found.append(
            counted("base remplacée par les habitants", catalogue().indicator(indicator).short["fr"], iter([drawn]))
        )
    return found


def values(draws: int = DRAWS) -> list[Result]:
    """Poverty of 2021, with and without the other years of what is hidden."""
    quarters = published("poverty_rate", 2015, 2021)
    history = loading.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015)
    years = [
        quarters["geo_code"].map(history[history["year"] == year].set_index("geo_code")["value"])
        for year in (2019, 2018)
    ]
    ways: dict[str, Hide] = {
        "20 % au hasard": at_random(0.2),
        "20 %, parmi les plus petits": extreme(0.2, "people", "lowest"),
        "10 %, parmi les plus bas et les plus hauts": extreme(0.1, "value", "ends"),
        "10 %, parmi les plus bas": extreme(0.1, "value", "lowest"),
        "10 %, parmi les plus hauts": extreme(0.1, "value", "highest"),
    }
    rng = np.random.default_rng(SEED)
    known = {"autre année connue": years, "sans autre année": []}
    found = [
        counted(f"pauvreté 2021, {name}", way, (hidden_values(quarters, others, hide, rng) for _ in range(draws)))
        for name, others in known.items()
        for way, hide in ways.items()
    ]
    return found + [
        counted(f"un quartier, {name}", way, (one_by_one(quarters, others, hide, rng) for _ in range(draws)))
        for name, others in known.items()
        for way, hide in ways.items()
    ]


def counts(draws: int = DRAWS) -> list[Result]:
    """Counts of recipients: hidden at random, and all those under a threshold, which the rule of the source tells."""
    quarters = published("disability_allowance_recipients", 2015, 2020)
    threshold = int(quarters["value"].quantile(0.1))
    small: Hide = lambda frame, rng: frame["value"] < threshold  # noqa: E731
    rng = np.random.default_rng(SEED)
    study, rule = "effectif AAH 2020, sans autre année", Withheld(fewer_than=threshold)
    by_chance = (hidden_values(quarters, [], at_random(0.2), rng, kind="count") for _ in range(draws))
    told = iter([hidden_values(quarters, [], small, rng, kind="count", rule=rule)])
    untold = iter([hidden_values(quarters, [], small, rng, kind="count")])
    return [
        counted(study, "20 % au hasard", by_chance),
        counted(study, f"moins de {threshold}, règle déclarée", told),
        counted(study, f"moins de {threshold}, règle inconnue", untold),
    ]


STUDIES = (bases, weights, values, counts)


def table(results: list[Result]) -> str:
    """Markdown, for the method page."""
    lines = [
        "| ce qui est caché | lequel | territoires | bornes qui tiennent | largeur médiane | bornes extrêmes |",
        "|---|---|---|---|---|---|",
    ]
    for one in results:
        widest = "" if np.isnan(one.widest) else f"{one.widest:.1f}"
        figures = (f"{100 * one.coverage:.1f} %", f"{one.width:.1f}", widest)
        shown = " | ".join(text.replace(".", ",") for text in figures)
        lines.append(f"| {one.study} | {one.hidden} | {one.territories} | {shown} |")
    return "\n".join(lines)


def main() -> None:
    """Every study, as one table."""
    with store.one_build():
        print(table([result for study in STUDIES for result in study()]))


if __name__ == "__main__":
    main()
