"""The matrix: public functions asked about every kind of territory, zoning, indicator and year that is declared.

Whatever is asked, what comes back is one of two things: a result, of which each missing value has a flag and a reason,
or an error of the package. `python tests/matrix.py` asks everything and prints what came back, by function and kind;
`sample` is what the tests ask each time.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

import pandas as pd

import qpv_sante as qs
from qpv_sante import loading, store
from qpv_sante.catalogue import catalogue
from qpv_sante.comparison import GROUPINGS
from qpv_sante.errors import QpvSanteError
from qpv_sante.observations import MISSING_FLAGS
from qpv_sante.references import REFERENCES, possible_references
from qpv_sante.territory_records import declared_territories

SEED = 20261130
BLOCK = 100
"""Questions that share the tables read and what is made of them; then it is forgotten, as it grows by megabytes."""
ZONINGS = (2015, 2024)
DEPARTMENTS = ("2A", "13", "31", "48", "59", "62", "69", "75", "93", "971", "972", "973", "974", "976")
# one that straddles departments, one of overseas, Lyon, Grand Paris, one without QPV
EPCI = ("200093201", "200046977", "200054781", "249740119", "200066793")
COMMUNES = ("13055", "34032", "59350", "69123", "69149", "75056", "91228", "93066", "97411", "97302", "01001")
# wholly withheld, overseas, straddling two departments, and the same city in both zonings
QPV = ("QP973024", "QP974001", "QP062040", "QP034003", "QN03403M", "QN97101M", "QN93099Z")
GROUPS = ("poverty_quintile", "region")


def territories() -> list[str | None]:
    """What is asked for: France, the 18 regions, and samples of what they contain."""
    regions = [f"region:{code}" for code in _codes("region")]
    listed = [f"department:{code}" for code in DEPARTMENTS]
    listed += [f"epci:{code}" for code in EPCI] + [f"commune:{code}" for code in COMMUNES]
    return [None, "country:FM", *regions, *listed, "qpv:QP973024", "qpv:QP062040", "lille-sud"]


def _codes(level: str) -> list[str]:
    table = loading.gazetteer().territories
    return table.loc[table["level"] == level, "code"].tolist()


@dataclass(frozen=True)
class Call:
    """One question: what is called, with what, and how its answer is judged."""

    function: str
    ask: Callable[[], object]
    words: str
    judge: Callable[[object], str]


@dataclass
class Outcome:
    """Answers and refusals by function and kind, and what was neither."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Counts to print: one row a function."""
        rows = pd.Series(self.counts).unstack(fill_value=0) if self.counts else pd.DataFrame()
        return str(rows.to_string())


def put(calls: list[Call], *, each: Callable[[int], None] = lambda _: None) -> Outcome:
    """Ask every question and sort what comes back."""
    outcome = Outcome()
    for number, call in enumerate(calls):
        each(number)
        try:
            problem = call.judge(call.ask())
            kind = "answer"
        except QpvSanteError as error:
            kind, problem = type(error).__name__, "" if str(error).strip() else "a refusal without a word"
        except Exception as error:
            kind, problem = "other exception", f"{type(error).__name__}: {error}"
        outcome.counts[call.function, kind] += 1
        if problem:
            outcome.faults.append(f"{call.function}({call.words}): {problem}")
    return outcome


def rows(frame: object) -> str:
    """What is wrong with rows of the long table: none at all, or a value and a flag that contradict each other."""
    assert isinstance(frame, pd.DataFrame)
    if frame.empty:
        return "an empty answer"
    wrong = frame["value"].isna() != frame["flag"].astype("str").isin(MISSING_FLAGS)
    return f"{wrong.sum()} values contradict their flag" if wrong.any() else ""


def comparison(frame: object) -> str:
    """What is wrong with a comparison: no row, a missing value without a flag, a missing reference without a note."""
    assert isinstance(frame, pd.DataFrame)
    if frame.empty:
        return "an empty answer"
    flag = frame["flag"].astype("str")
    bare = frame["value"].isna() & ~flag.isin(MISSING_FLAGS)
    if bare.any():
        return f"{bare.sum()} missing values without a flag: {sorted(flag[bare].unique())}"
    asked = frame["reference"] != ""
    said = frame["note"].fillna("") + frame["reference_note"].fillna("")
    mute = asked & frame["reference_value"].isna() & (said == "")
    return f"{mute.sum()} missing references without a note" if mute.any() else ""


def filled(frame: object) -> str:
    """Whether a frame has rows."""
    return "" if isinstance(frame, pd.DataFrame) and len(frame) else "an empty answer"


def drawn(axes: object) -> str:
    """Whether something was drawn; the figure is closed."""
    import matplotlib.pyplot as plt

    figure = axes.figure  # type: ignore[attr-defined]
    empty = not any(one.has_data() for one in figure.axes)
    plt.close(figure)
    return "an empty drawing" if empty else ""


def written(report: object) -> str:
    """Whether a report has a page."""
    return "" if len(report.html) > 1000 else "an empty report"  # type: ignore[attr-defined]


def published() -> list[tuple[str, str, int, int]]:
    """Every indicator, level, vintage and year of the catalogue."""
    found = {
        (name, str(record["geo_level"]), int(str(record["geo_vintage"])), int(str(record["year"])))
        for name in catalogue().indicators
        for record in catalogue().published(name)
    }
    return sorted(found)


def by_qpv() -> list[tuple[str, int, int]]:
    """Indicators by QPV, with zoning and year; those that are not, once a year; and a year that nobody published."""
    every = published()
    found = [(name, vintage, year) for name, level, vintage, year in every if level == "qpv"]
    apart = {name for name, *_ in every} - {name for name, *_ in found}
    found += [(name, 2024, year) for name, level, _, year in every if name in apart and level != "iris"]
    return [*dict.fromkeys(found), ("poverty_rate", 2015, 1999)]


def comparisons() -> Iterator[Call]:
    """`compare`: each reference with a grouping, each grouping with a reference, in turn."""
    references, groupings = (None, *REFERENCES, "region:76"), (None, *GROUPINGS)
    turn = itertools.count()
    for (name, vintage, year), place in itertools.product(by_qpv(), territories()):
        start = next(turn)
        pairs = [(one, groupings[(start + at) % len(groupings)]) for at, one in enumerate(references)]
        pairs += [(references[(start + at) % len(references)], one) for at, one in enumerate(groupings)]
        for reference, by in dict.fromkeys(pairs):
            words = (
                f"{name!r}, geo_vintage={vintage}, year={year}, reference={reference!r}, by={by!r}, territory={place!r}"
            )
            asked = {"geo_vintage": vintage, "year": year, "reference": reference, "by": by, "territory": place}
            yield Call("compare", lambda name=name, asked=asked: qs.compare(name, **asked), words, comparison)


def observations() -> Iterator[Call]:
    """`load_observations` of each level, vintage and year."""
    for (name, level, vintage, year), place in itertools.product(published(), territories()):
        asked = {"geo_level": level, "geo_vintage": vintage, "year": year, "territory": place}
        words = f"{name!r}, {level!r}, {vintage}, {year}, territory={place!r}"
        yield Call("load_observations", lambda name=name, asked=asked: qs.load_observations(name, **asked), words, rows)


def rankings() -> Iterator[Call]:
    """`rank`, and `plot_map` and `summarize_inequality` of the same."""
    for (name, vintage, year), place in itertools.product(by_qpv(), territories()):
        words = f"{name!r}, geo_vintage={vintage}, year={year}, territory={place!r}"
        asked = {"geo_vintage": vintage, "year": year, "territory": place}
        yield Call("rank", lambda name=name, asked=asked: qs.rank(name, draws=100, **asked), words, filled)
        yield Call("plot_map", lambda name=name, asked=asked: qs.plot_map(name, **asked), words, drawn)
        for groups in GROUPS:
            yield Call(
                "summarize_inequality",
                lambda name=name, asked=asked, groups=groups: qs.summarize_inequality(name, groups, **asked),
                f"{name!r}, {groups!r}, " + words.partition(", ")[2],
                filled,
            )


def gaps() -> Iterator[Call]:
    """`plot_gap` of comparisons, those of composite territories among them."""
    places = ["lille-sud", *sorted(declared_territories(())), "region:76", "region:01", "commune:34032"]
    for (name, vintage, year), place in itertools.product(by_qpv(), dict.fromkeys(places)):
        possible = possible_references(catalogue().indicator(name), year)
        asked = {"geo_vintage": vintage, "year": year, "territory": place, "by": None}
        asked["reference"] = possible[0] if possible else None
        words = f"compare({name!r}, geo_vintage={vintage}, year={year}, by=None, territory={place!r})"
        yield Call("plot_gap", lambda name=name, asked=asked: qs.plot_gap(qs.compare(name, **asked)), words, drawn)


def places() -> Iterator[Call]:
    """`positions`, `context`, `profile` and `report`: about a place, not about an indicator."""
    for place, zoning in itertools.product(territories(), ZONINGS):
        words = f"{place!r}, geo_vintage={zoning}"
        if place is not None:
            yield Call("positions", lambda p=place, z=zoning: qs.positions(p, z), words, filled)
        yield Call("report", lambda p=place, z=zoning: qs.report(p, geo_vintage=z), words, written)
    for code in QPV:
        yield Call("positions", lambda code=code: qs.positions(code), repr(code), filled)
        yield Call("similar", lambda code=code: qs.similar(code), repr(code), filled)
        yield Call("context", lambda code=code: qs.context(code), repr(code), lambda found: "" if found else "nothing")
        yield Call("profile", lambda code=code: qs.profile(code), repr(code), written)


FAMILIES = (comparisons, observations, rankings, gaps, places)
# how many of each function the tests ask: the dearest the fewest
SAMPLES = {
    "compare": 240,
    "load_observations": 150,
    "summarize_inequality": 30,
    "plot_map": 16,
    "rank": 16,
    "plot_gap": 8,
    "positions": 4,
    "report": 3,
    "context": 3,
    "profile": 2,
    "similar": 2,
}
# asked each time: a QPV of which nearly everything is withheld or unpublished, and a region outside the field of most
ALWAYS = (
    ("report", "'qpv:QP973024', geo_vintage=2015"),
    ("report", "'region:06', geo_vintage=2024"),
    ("profile", "'QP973024'"),
    ("context", "'QP973024'"),
)


def every(functions: Collection[str] = tuple(SAMPLES)) -> list[Call]:
    """All questions to these functions."""
    return [call for family in FAMILIES for call in family() if call.function in functions]


def sample(seed: int = SEED) -> list[Call]:
    """Questions drawn by a fixed seed, as many to each function as `SAMPLES` says, and those of `ALWAYS`."""
    draw, asked = random.Random(seed), []  # noqa: S311 - a sample of tests, no secret
    calls = every()
    for function, number in SAMPLES.items():
        asked += draw.sample([call for call in calls if call.function == function], number)
    return asked + [call for call in calls if (call.function, call.words) in ALWAYS and call not in asked]


def main() -> int:
    """Ask everything, or the functions named, and print counts and faults; 1 if there is any fault."""
    import matplotlib as mpl

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="*", default=[], help="functions to ask")
    parser.add_argument("--part", type=float, default=1.0, help="share of the questions, drawn by the fixed seed")
    parser.add_argument("--shown", type=int, default=200, help="faults printed")
    given = parser.parse_args()
    mpl.use("Agg")
    logging.disable(logging.WARNING)
    calls = every(given.only or tuple(SAMPLES))
    if given.part < 1:
        calls = random.Random(SEED).sample(calls, round(given.part * len(calls)))  # noqa: S311
    total, begun = Outcome(), time.monotonic()
    for start in range(0, len(calls), BLOCK):
        with store.one_build():
            done = put(calls[start : start + BLOCK])
        total.counts += done.counts
        total.faults += done.faults
        said = f"{min(start + BLOCK, len(calls)):,} of {len(calls):,} asked, {len(total.faults)} faults"
        print(f"{said}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
    print(total.table())
    print(f"\n{len(calls):,} questions, {len(total.faults)} faults")
    print("\n".join(total.faults[: given.shown]))
    return 1 if total.faults else 0


if __name__ == "__main__":
    sys.exit(main())
