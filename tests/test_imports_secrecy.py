"""What an attacker can find of imported figures that are withheld: nothing closer than the threshold allows."""

from __future__ import annotations

import io
import itertools
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import producers as miniature
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

import qpv_sante as qs
from qpv_sante import builds, export, loading, store
from qpv_sante.areal import carry_crosswalk
from qpv_sante.catalogue import Indicator, core_catalogue
from qpv_sante.errors import DisclosureError, QpvSanteError, SchemaError
from qpv_sante.imports.feasible import System, feasible_intervals
from qpv_sante.imports.metadata import Secrecy
from qpv_sante.imports.secrecy import apply_rule, audit, scale
from qpv_sante.imports.stored import stored_rows

COUNT: dict[str, Any] = {"label": "Décès", "unit": "décès", "kind": "count", "definition": "Décès domiciliés."}
RATE: dict[str, Any] = {"label": "Part", "unit": "%", "kind": "rate", "definition": "Part des habitants."}
DECLARED: dict[str, Any] = {
    "title": "Essai",
    "producer": "ORS",
    "licence": "restricted",
    "restriction": "usage interne",
    "edition": "essai",
    "year": 2023,
    "geo_level": "qpv",
    "geo_vintage": 2015,
    "secrecy": {"threshold": 11},
    "indicator": {"deaths": COUNT},
}
SECONDARY = {"secrecy": {"threshold": 11, "secondary": True}}
COMMUNES = {"geo_level": "commune", "geo_vintage": 2024}
THRESHOLD = 11


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def bring(tmp_path: Path) -> Callable[..., Any]:
    def write(rows: str, *, source: str = "ors", **changes: Any) -> Any:
        name = f"{changes.get('edition', 'essai')}.csv"
        (tmp_path / name).write_text(rows.replace(" ", "\n"), encoding="utf-8")
        return qs.import_observations(tmp_path / name, source=source, metadata={**DECLARED, **changes})

    return write


def stored(indicator: str = "deaths") -> pd.DataFrame:
    return qs.load_observations(indicator, sex=None, age=None).set_index(["geo_code", "sex", "age"])


# --- the count behind a figure -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("unit", "per"),
    [
        ("%", 100),
        ("% des 15-64 ans", 100),
        ("‰", 1000),
        ("décès pour 1 000 habitants", 1000),
        ("pour 100 000", 100_000),
        ("pour 10 000 habitants", 10_000),
        ("per 100,000", 100_000),
        ("euros", None),
    ],
)
def test_unit_tells_how_many_persons_it_counts(unit: str, per: float | None) -> None:
    one = Indicator(
        id="x", label={}, short={}, theme="x", kind="rate", unit={"fr": unit}, definition={}, population={}, series=[]
    )
    assert scale(one) == per


@pytest.mark.parametrize(
    ("changes", "value", "denominator"),
    [
        ({"unit": "‰", "range": [0, 1000]}, "0,3", 10_000),
        ({"unit": "pour 100 000", "range": [0, 100_000]}, "3", 100_000),
        ({"unit": "pour 100 000", "kind": "standardised_rate", "range": [0, 100_000]}, "3", 100_000),
        ({"range": [0, 20]}, "0,1", 3000),
        ({"unit": "part", "range": [0, 1]}, "0,003", 1000),
    ],
)
def test_three_persons_behind_any_rate_are_withheld(
    changes: dict[str, Any], value: str, denominator: int, bring: Callable[..., Any]
) -> None:
    rows = f"geo_code;value;denominator QP034001;{value};{denominator}"
    report = bring(rows, indicator={"deaths": {**RATE, **changes}})
    assert (report.withheld, report.flags) == (1, {"suppressed": 1})


def test_rate_of_which_the_unit_says_nothing_cannot_be_checked(bring: Callable[..., Any]) -> None:
    odd = {"deaths": {**RATE, "unit": "indice", "range": [0, 500]}}
    with pytest.raises(SchemaError, match="cannot be checked"):
        bring("geo_code;value;denominator QP034001;120;3000", indicator=odd)
    assert bring("geo_code;value;count;denominator QP034001;120;8;3000", indicator=odd).withheld == 1


def test_small_share_of_published_inhabitants_is_withheld(bring: Callable[..., Any]) -> None:
    """0.1 % of some 700 inhabitants is one person, whatever the denominator that the file does not give."""
    declared = {"threshold": 11, "applied_by_producer": True}
    rows = "geo_code;value 34001;0,1 34032;5 34003;99,99"
    people = loading.gazetteer().communes.set_index("code")["population"]
    assert people["34001"] * 0.001 < THRESHOLD < people["34032"] * 0.05
    assert people["34003"] * 0.0001 < THRESHOLD
    assert bring(rows, indicator={"deaths": RATE}, secrecy=declared, **COMMUNES).withheld == 2
    assert stored().dropna(subset=["value"]).index.get_level_values(0).tolist() == ["34032"]


# --- what sums give away -----------------------------------------------------------------------------------------

WORK = dict.fromkeys(("employed", "unemployed", "inactive", "total"), COUNT)
GIVEN_AWAY: dict[str, tuple[str, dict[str, Any], str]] = {
    "a total less the others of the file": (
        "geo_code;indicator;value 34032;employed;40000 34032;unemployed;8 34032;inactive;20000 34032;total;60008",
        {"indicator": WORK, **COMMUNES},
        r"unemployed of 34032 \(line 3\) is total \(line 5\) less employed \(line 2\) less inactive \(line 4\)",
    ),
    "shares that add up to the whole": (
        "geo_code;indicator;value;denominator 34032;a;59,98;20000 34032;b;39,99;20000 34032;c;0,03;20000 "
        "34172;a;50,01;90000 34172;b;30,02;90000 34172;c;19,97;90000",
        {"indicator": dict.fromkeys("abc", RATE), **COMMUNES},
        r"c of 34032 \(line 4\)",
    ),
    "two differences": (
        "geo_code;sex;age;value QP034001;;;100 QP034001;M;;50 QP034001;F;Y_LT60;45 QP034001;F;Y_GE60;5",
        {},
        r"sex F, age Y_GE60 \(line 5\) is the total \(line 2\) less sex M \(line 3\) less sex F, age Y_LT60 \(line 4\)",
    ),
    "two at their greatest": (
        "geo_code;sex;value QP034001;;20 QP034001;F;10 QP034001;M;10",
        {},
        r"2 withheld figures .*sex F \(line 3\) .* beside sex M \(line 4\), withheld too",
    ),
    "two near their greatest": ("geo_code;sex;value QP034001;;18 QP034001;F;10 QP034001;M;8", {}, "2 withheld figures"),
    "a total that is the sum of its sexes": (
        "geo_code;sex;value QP034001;;s QP034001;F;30 QP034001;M;15",
        {},
        r"deaths of QP034001 \(line 2\) is the sum of its parts: sex F \(line 3\), sex M \(line 4\)",
    ),
    "men whom no line lists": (
        "geo_code;sex;value QP034001;;40 QP034001;F;35",
        {},
        r"deaths of qpv:QP034001, sex M in 2023 \(in no file\) is",
    ),
    "ages whom no line lists": (
        "geo_code;age;value QP034001;;40 QP034001;Y_LT60;35 QP034002;;50 QP034002;Y_LT60;30",
        {},
        "age 60 and over in 2023",
    ),
    "overlapping ages": (
        "geo_code;age;value QP034001;Y_LT60;50 QP034001;Y18T59;45 QP034001;Y_LT18;5",
        {},
        r"age Y_LT18 \(line 4\) is age Y_LT60 \(line 2\) less the other classes: age Y18T59 \(line 3\)",
    ),
    "rates, to within their rounding": (
        "geo_code;sex;value;denominator QP034001;;12,50;400 QP034001;F;21,00;200 QP034001;M;4,00;200",
        {"indicator": {"deaths": RATE}},
        r"sex M \(line 4\) is the total",
    ),
    "a denominator": (
        "geo_code;sex;value;denominator QP034001;;50;100 QP034001;F;50;94 QP034001;M;50;6",
        {"indicator": {"deaths": RATE}},
        r"deaths \(denominator\) of QP034001, sex M \(line 4\)",
    ),
}


@pytest.mark.parametrize("case", GIVEN_AWAY)
def test_figure_that_sums_give_away_is_refused_with_the_equation(
    case: str, bring: Callable[..., Any], data: Path
) -> None:
    rows, changes, message = GIVEN_AWAY[case]
    with pytest.raises(DisclosureError, match=message) as told:
        bring(rows, **changes)
    assert "secondary = true" in str(told.value)
    assert not list(data.glob("processed/builds/*"))


@pytest.mark.parametrize("case", GIVEN_AWAY)
def test_other_figures_are_withheld_where_the_metadata_lets_them_be(case: str, bring: Callable[..., Any]) -> None:
    rows, changes, _ = GIVEN_AWAY[case]
    report = bring(rows, **{**changes, **SECONDARY})
    lines = str(report).splitlines()
    assert report.secondary >= 1
    assert any("pour que nul chiffre secret ne se retrouve par soustraction" in line for line in lines)
    told = [qs.load_observations(name, sex=None, age=None) for name in report.indicators]
    frame = pd.concat(told)
    assert (frame["flag"] == "suppressed").sum() == report.flags["suppressed"] >= report.withheld + report.secondary
    assert (frame["value"].isna() == (frame["flag"] == "suppressed")).all()


def test_smallest_of_the_sum_is_withheld(bring: Callable[..., Any]) -> None:
    rows, changes, _ = GIVEN_AWAY["a total less the others of the file"]
    report = bring(rows, **{**changes, **SECONDARY})
    assert (report.withheld, report.secondary) == (1, 1)
    assert stored("inactive")["flag"].tolist() == ["suppressed"]
    assert stored("employed")["value"].tolist() == [40000.0]


def test_sums_that_hold_by_chance_are_no_relation(bring: Callable[..., Any]) -> None:
    rows = "geo_code;indicator;value QP034001;a;25 QP034001;b;20 QP034001;c;5"
    assert bring(rows, indicator=dict.fromkeys("abc", COUNT)).withheld == 1


def test_sexes_of_one_only_are_not_nobody(bring: Callable[..., Any]) -> None:
    """All are women, as for births: that there are no men is no secret."""
    assert bring("geo_code;sex;value QP034001;;40 QP034001;F;40").withheld == 0


def test_ages_that_leave_persons_out_protect_the_class_that_is_withheld(bring: Callable[..., Any]) -> None:
    ages = "QP034002;;90 QP034002;Y18T59;30 QP034002;Y_GE60;20"
    rows = f"geo_code;age;value QP034001;;80 QP034001;Y18T59;40 QP034001;Y_GE60;5 {ages}"
    assert bring(rows).withheld == 1


IRIS = "geo_code;value 340320101;40 340320102;5 340320103;60"


@pytest.mark.parametrize("iris_first", [True, False])
def test_commune_beside_its_iris(iris_first: bool, bring: Callable[..., Any]) -> None:
    steps: list[tuple[str, dict[str, Any]]] = [
        (IRIS, {"edition": "iris", "geo_level": "iris", "geo_vintage": 2024}),
        ("geo_code;value 34032;105", {"edition": "commune", **COMMUNES}),
    ]
    first, second = steps if iris_first else steps[::-1]
    bring(first[0], **first[1])
    with pytest.raises(DisclosureError, match=r"deaths of iris:340320102 in 2023 \(withheld, .*\) is given by commune"):
        bring(second[0], **second[1])


def test_two_iris_at_their_greatest_beside_their_commune(bring: Callable[..., Any]) -> None:
    """20 is 10 and 10, in another file too; of 70, a known 60 leaves 10, which may be any two counts."""
    iris = {"geo_level": "iris", "geo_vintage": 2024}
    bring("geo_code;value 340320101;10 340320102;10 341720101;9 341720102;60 341720103;1", edition="iris", **iris)
    with pytest.raises(DisclosureError, match=r"2 withheld figures .*iris:340320101"):
        bring("geo_code;value 34032;20", edition="commune", **COMMUNES)
    assert bring("geo_code;value 34172;70", edition="commune", **COMMUNES).withheld == 0


def test_an_import_is_known_after_a_rollback_too(bring: Callable[..., Any]) -> None:
    iris = {"geo_level": "iris", "geo_vintage": 2024}
    bring("geo_code;value 340320101;40", edition="other", year=2020, **iris)
    bring(IRIS, source="iris", edition="iris", **iris)
    builds.rollback()  # imports are those of today whatever the build: what is withheld stays known
    with pytest.raises(DisclosureError, match=r"deaths of iris:340320102 in 2023 \(withheld, iris@iris\)"):
        bring("geo_code;value 34032;105", source="communes", edition="commune", **COMMUNES)


def test_rest_of_the_commune_outside_its_qpv_is_a_figure(bring: Callable[..., Any]) -> None:
    """`compare` gives what is left of a commune: 4 persons outside its QPV are as secret as 4 inside."""
    quarters = "geo_code;value QP034001;40 QP034002;30 QP034003;20"
    bring(quarters, edition="qpv")
    with pytest.raises(DisclosureError, match=r"what is left of deaths of .*34032"):
        bring("geo_code;value 34032;94", edition="commune", **COMMUNES)
    bring("geo_code;value 34032;194", edition="commune", **COMMUNES)
    gap = qs.compare(
        "deaths", geo_vintage=2015, year=2023, reference="rest_of_commune", by="commune", territory="Béziers"
    )
    assert gap["reference_value"].tolist() == [104.0]


# --- nothing but what is published is kept -----------------------------------------------------------------------


def answers(folder: Path) -> dict[str, str]:
    """What public functions give of an import, as text."""
    asked = {"geo_vintage": 2015, "year": 2023}
    frames = {"load": qs.load_observations("deaths", sex=None, age=None)}
    for by, reference in itertools.product(
        ("qpv", "commune", "department", None), (None, "commune", "rest_of_commune")
    ):
        frames[f"{by} {reference}"] = qs.compare("deaths", by=by, reference=reference, territory="Béziers", **asked)
    texts = {name: frame.to_csv(index=False) for name, frame in frames.items()}
    texts["table"] = str(qs.format_table(frames["commune commune"]))
    path = export.write_table(frames["load"], folder / "out.csv")
    quarters = qs.load_observations("deaths", geo_level="qpv", year=2023)
    with pytest.raises(QpvSanteError) as refused:
        qs.rank("deaths", **asked)
    layer = qs.attach_zones(quarters)
    carried = carry_crosswalk(quarters, qs.crosswalk(2015, 2024, territory="Béziers"))
    return {
        **texts,
        "rank": str(refused.value),
        "similar": qs.similar("QP034003").to_csv(index=False),
        "page": qs.explore_map("deaths", territory="Béziers", **asked).html,
        "drawing": qs.figure_alt_text(qs.plot_map("deaths", territory="Béziers", **asked)),
        "layer": layer.drop(columns="geometry").to_csv(index=False),
        "crosswalk": carried.to_csv(index=False),
        "file": path.read_text(encoding="utf-8-sig"),
        "cited": qs.cite("ors"),
        "origin": str(qs.provenance("deaths", "QP034003", 2023)),
    }


def test_two_truths_with_the_same_published_figures_give_the_same_answers(
    bring: Callable[..., Any], tmp_path: Path, data: Path
) -> None:
    """5 and 14, or 7 and 12, of the same total: no public function, file, size or hash tells which."""
    seen = []
    for hidden, other in ((5, 14), (7, 12)):
        rows = f"geo_code;sex;value QP034001;;40 QP034002;;{other} QP034003;;{hidden} QP034001;F;22 QP034001;M;18"
        report = bring(f"{rows} commune:34032;;59", **SECONDARY)
        assert (report.withheld, report.secondary) == (1, 1)
        bring("geo_code;value 34032;90", source="communes", edition="communes", **COMMUNES)
        texts = answers(tmp_path)
        current = store.current_store()
        assert current is not None
        told = json.loads((current.path / "manifest.json").read_text(encoding="utf-8"))
        texts["manifest"] = json.dumps([told["sources"], told["files"]], sort_keys=True)
        seen.append(texts)
        qs.remove_import("ors")
        qs.remove_import("communes")
    moment = r"\d{4}-\d\d-\d\d[T ][\d:+]+|\bp\d+\b"  # and the numbers that Bokeh gives to what it draws
    for name, text in seen[0].items():
        assert re.sub(moment, "", text) == re.sub(moment, "", seen[1][name]), name


def intervals_of(table: pd.DataFrame, sums: list[tuple[list[str], float]]) -> dict[str, tuple[float, float]]:
    """The attacker: what published sums leave of the values that a table lacks, without the package's own code."""
    from scipy.optimize import linprog

    values = table["value"]
    unknown = values.index[values.isna()].tolist()
    matrix = np.array([[float(one in members) for one in unknown] for members, _ in sums])
    right = np.array([total - values.reindex(members).sum() for members, total in sums])
    ends = {}
    for at, one in enumerate(unknown):
        gain = np.eye(len(unknown))[at]
        found = [linprog(sign * gain, A_eq=matrix, b_eq=right, bounds=(0, None)) for sign in (1, -1)]
        ends[one] = (found[0].fun, -found[1].fun)
    return ends


def test_attacker_recovers_nothing_within_less_than_the_threshold_allows(bring: Callable[..., Any]) -> None:
    quarters = {"QP034001": 40, "QP034002": 14, "QP034003": 5}
    rows = " ".join(f"{code};{value}" for code, value in quarters.items())
    bring(f"geo_code;value {rows} commune:34032;{sum(quarters.values())}", **SECONDARY)
    bring("geo_code;value 34032;90", source="communes", edition="communes", **COMMUNES)
    table = qs.load_observations("deaths", geo_level="qpv").set_index("geo_code")
    gap = qs.compare(
        "deaths", geo_vintage=2015, year=2023, reference="rest_of_commune", by="commune", territory="Béziers"
    )
    # of what is withheld, sum and rest are not given either: one would be the other's difference
    assert gap[["qpv_value", "reference_value", "difference"]].isna().all(axis=None)
    found = intervals_of(table, [(list(quarters), sum(quarters.values()))])
    assert set(found) == {"QP034002", "QP034003"}
    for low, high in found.values():
        assert high - low >= THRESHOLD - 2


# --- against a brute-force attacker ------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_intervals_are_those_of_trying_every_whole_number(drawn: st.DataObject) -> None:
    count, rows = drawn.draw(st.integers(3, 7)), drawn.draw(st.integers(1, 4))
    sign = st.sampled_from([-1.0, 0.0, 1.0])
    matrix = np.array(
        drawn.draw(st.lists(st.lists(sign, min_size=count, max_size=count), min_size=rows, max_size=rows))
    )
    truth = np.array(drawn.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)), dtype=float)
    # a last cell closes each equation, as a published total does
    matrix = np.hstack([matrix, -np.eye(rows)])
    truth = np.concatenate([truth, matrix[:, :count] @ truth])
    hidden = np.zeros(count + rows, dtype=bool)
    hidden[: drawn.draw(st.integers(1, min(count, 4)))] = True
    room = drawn.draw(st.integers(0, 1))
    lower = np.where(hidden, 0.0, truth)
    upper = np.where(hidden, 5.0, truth)
    # one published figure is rounded
    lower[count - 1] = max(lower[count - 1] - room, 0.0)
    upper[count - 1] += room
    grids = np.array(list(itertools.product(*[np.arange(lo, hi + 1) for lo, hi in zip(lower, upper, strict=True)])))
    possible = grids[(np.abs(grids @ matrix.T) < 1e-9).all(axis=1)]
    targets = np.flatnonzero(hidden)
    width = float(drawn.draw(st.integers(1, 5)))
    links = hidden.copy()
    found = feasible_intervals(System(sparse.csr_array(matrix), lower, upper, links), targets, width)
    assert not found.contradictory.any()
    spread = possible[:, targets].max(axis=0) - possible[:, targets].min(axis=0)
    narrow = found.upper - found.lower < width - 1e-6
    assert (narrow == (spread < width)).all()


def test_whole_numbers_are_looked_for_where_fractions_would_say_more() -> None:
    """x + y, y + z and x + z are published: halves would fit, and whole numbers do not move."""
    matrix = np.array([[1.0, 1, 0, -1, 0, 0], [0, 1, 1, 0, -1, 0], [1, 0, 1, 0, 0, -1]])
    truth = np.array([2.0, 3, 4, 5, 7, 6])
    lower, upper = truth.copy(), truth.copy()
    lower[:3], upper[:3] = 0, 9
    lower[5], upper[5] = 6, 7
    hidden = np.array([True, True, True, False, False, False])
    found = feasible_intervals(System(sparse.csr_array(matrix), lower, upper, hidden), np.arange(3), 0.25)
    assert (found.upper - found.lower < 0.25).all()


def test_contradiction_leaves_the_algebra() -> None:
    """Two producers disagree: a figure that is a difference is given away all the same, another is not."""
    matrix = np.array([[1.0, -1, -1, 0], [0, 0, -1, 1], [0, 1, -1, 0]])
    lower, upper = np.array([20.0, 0, 0, 30]), np.array([20.0, 10, 10, 30])
    hidden = np.array([False, True, True, False])
    found = feasible_intervals(System(sparse.csr_array(matrix), lower, upper, hidden), np.array([1, 2]), 9.0)
    assert found.contradictory.all()
    assert (found.upper - found.lower == 0).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 14), min_size=4, max_size=4), st.integers(3, 6), st.booleans())
def test_no_table_of_sexes_and_ages_gives_a_figure_away(cells: list[int], threshold: int, zero: bool) -> None:
    """Whoever tries every table that agrees with what is published finds no withheld figure within less."""
    table = np.array(cells).reshape(2, 2)
    figures = {("_T", "_T"): table.sum(), **{(sex, "_T"): row.sum() for sex, row in zip("FM", table, strict=True)}}
    ages = ("Y_LT60", "Y_GE60")
    figures |= {("_T", age): column.sum() for age, column in zip(ages, table.T, strict=True)}
    figures |= {(s, a): table[i, j] for i, s in enumerate("FM") for j, a in enumerate(ages)}
    frame = pd.DataFrame([(*key, float(value)) for key, value in figures.items()], columns=["sex", "age", "value"])
    nothing = float("nan")
    frame = frame.assign(
        line=range(2, 11), indicator="deaths", geo_code="QP034001", geo_level="qpv", geo_vintage=2015, source="a@b"
    ).assign(year=2023, lower=nothing, upper=nothing, count=nothing, denominator=nothing, flag="observed", rounding=0.0)
    indicator = Indicator(
        id="d",
        label={},
        short={},
        theme="x",
        kind="count",
        unit={"fr": "décès"},
        definition={},
        population={},
        series=[],
    )
    rule = Secrecy(threshold=threshold, zero_is_secret=zero, secondary=True)
    empty = frame.iloc[:0]
    try:
        applied = apply_rule(
            frame,
            empty,
            empty.assign(category="_T", imported=False, threshold=nothing, most=nothing),
            rule,
            {"deaths": indicator},
            level="qpv",
            places=loading.gazetteer(),
            where="test",
        )
    except DisclosureError:
        assume(False)
    shown = applied.frame.set_index(["sex", "age"])["value"]
    least = 0 if zero else 1
    a, b, c, d = np.meshgrid(*[np.arange(60 if shown.isna()["_T", "_T"] else 57)] * 4, indexing="ij", sparse=True)
    every = {("F", "Y_LT60"): a, ("F", "Y_GE60"): b, ("M", "Y_LT60"): c, ("M", "Y_GE60"): d}
    every |= {("F", "_T"): a + b, ("M", "_T"): c + d, ("_T", "Y_LT60"): a + c, ("_T", "Y_GE60"): b + d}
    every[("_T", "_T")] = a + b + c + d
    possible = np.ones((a.size,) * 4, dtype=bool)
    for key, values in every.items():
        if not np.isnan(shown[key]):
            possible &= values == shown[key]
        elif least <= figures[key] < threshold:  # which ones are under the threshold is known too
            possible &= (values >= least) & (values < threshold)
    for key, values in every.items():
        if np.isnan(shown[key]):
            kept = np.broadcast_to(values, possible.shape)[possible]
            assert kept.max() - kept.min() >= threshold - 2, (key, figures[key])


# --- what producers withhold in the snapshot, and what is made of it ---------------------------------------------


@pytest.mark.parametrize("name", ["poverty_rate", "single_parent_household_share", "rsa_recipients"])
def test_figures_that_producers_withhold_are_not_given_by_others_of_the_store(name: str, tmp_path: Path) -> None:
    known = core_catalogue()
    rows = stored_rows([name], known, tmp_path, without="")
    rows = rows[rows["year"] == rows["year"].max()] if name == "poverty_rate" else rows
    found = audit(rows, {name: known.indicator(name)}, loading.gazetteer())
    assert len(found) == (rows["flag"] == "suppressed").sum() > 0
    assert not found["exposed"].any()


def test_audit_finds_what_a_store_gives_away(tmp_path: Path) -> None:
    """One IRIS of a commune withheld beside the commune: known exactly; two: not."""
    known = core_catalogue()
    rows = stored_rows(["rsa_recipients"], known, tmp_path, without="").head(6)
    rows = rows.assign(year=2023, sex="_T", age="_T", category="_T", geo_vintage=2024, denominator=float("nan"))
    rows["geo_level"] = ["iris", "iris", "commune", "iris", "iris", "commune"]
    rows["geo_code"] = ["340320101", "340320102", "34032", "341720101", "341720102", "34172"]
    rows["value"] = [40.0, float("nan"), 60.0, float("nan"), float("nan"), 60.0]
    rows["flag"] = rows["value"].isna().map({True: "suppressed", False: "observed"})
    found = audit(rows, {"rsa_recipients": known.indicator("rsa_recipients")}, loading.gazetteer())
    assert found.set_index("geo_code")["exposed"].to_dict() == {
        "340320102": True,
        "341720101": False,
        "341720102": False,
    }


def test_rest_with_a_withheld_qpv_has_no_value() -> None:
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=2019, reference="rest_of_commune", by="department")
    secret = gap["note"].fillna("").str.contains("sous secret")
    assert secret.any()
    assert gap.loc[secret, ["reference_value", "difference"]].isna().all(axis=None)


def test_sheet_too_large_for_the_memory_is_refused(bring: Callable[..., Any], tmp_path: Path) -> None:
    """A sheet that says it reaches row 5,000 and column 1,000 holds five million cells: 1.5 GB once read."""
    book = miniature.xlsx({"A": [["geo_code", "value"], ["QP034001", 20]]})
    far = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as old, zipfile.ZipFile(far, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(
                name, part.replace(b"</sheetData>", b'<row r="5000"><c r="ALL5000"><v>1</v></c></row></sheetData>')
            )
    (tmp_path / "far.xlsx").write_bytes(far.getvalue())
    with pytest.raises(SchemaError, match=r"at most 4000000 cells .* saved as .csv"):
        qs.import_observations(tmp_path / "far.xlsx", source="ors", metadata=DECLARED)
