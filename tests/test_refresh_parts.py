"""The pure parts of the refresh: what differs, what drifts, what pages and headers say, words and exit codes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from shapely import box

from qpv_sante.catalogue import Tolerance
from qpv_sante.errors import StoreError, UnknownNameError
from qpv_sante.lockfile import LockEntry
from qpv_sante.observations import COLUMNS, MISSING_FLAGS
from qpv_sante.pages import Page, parse_page, unknown_editions
from qpv_sante.refresh.changes import LISTED, Changes, compare_tables
from qpv_sante.refresh.drift import find_drift
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.probing import Probe, State, Survey, compare_headers
from qpv_sante.refresh.telling import body, summary

NAME = "observations/s"
TOLERANCE = Tolerance()  # lost 5 %, gained 25 %, hidden 10 %, moved 10 % by more than 1.5 times, area 5 %


def long(rows: dict[str, object], **same: object) -> pd.DataFrame:
    """The long table: a value (or a flag that says why there is none) by code."""
    columns = {
        "indicator": "poverty_rate",
        "source": "s@2021",
        "geo_level": "qpv",
        "geo_vintage": 2015,
        "perimeter": "all",
        "sex": "_T",
        "age": "_T",
        "category": "_T",
        "year": 2021,
        "lower": float("nan"),
        "upper": float("nan"),
        "interval": "none",
        "n": float("nan"),
        "denominator": float("nan"),
    } | same
    values = [None if value in MISSING_FLAGS else value for value in rows.values()]
    flags = [value if value in MISSING_FLAGS else "observed" for value in rows.values()]
    frame = pd.DataFrame({"geo_code": list(rows), "value": pd.Series(values, dtype="float64"), "flag": flags})
    return frame.assign(**columns)[list(COLUMNS)]


def qpv(number: int, department: str = "59", first: int = 1) -> list[str]:
    return [f"QP{int(department):03d}{index:03d}" for index in range(first, first + number)]


def rates(number: int = 100, **same: object) -> pd.DataFrame:
    """A hundred rates: 20.0, 20.1, ... over four departments, so that each has 25."""
    codes = [code for department in ("34", "59", "69", "75") for code in qpv(number // 4, department)]
    return long({code: 20 + index / 10 for index, code in enumerate(codes)}, **same)


# --- what differs ------------------------------------------------------------------------------------------------


def differences(old: pd.DataFrame, new: pd.DataFrame, name: str = NAME) -> Changes:
    return compare_tables({name: old}, {name: new})


def test_changes_by_hand() -> None:
    old = long({"A": 10.0, "B": 20.0, "C": 30.0, "D": 40.0, "E": "suppressed", "F": "suppressed", "G": 5.0})
    new = long({"A": 10.0, "B": 21.0, "C": 37.0, "D": "suppressed", "E": 50.0, "F": "unavailable", "H": 6.0})
    found = differences(old, new)
    assert found.counts() == {"added": 1, "removed": 1, "moved": 2, "suppressed": 1, "visible": 1, "flagged": 1}
    assert bool(found)
    examples = {
        kind: rows[["geo_code", "before", "after"]].fillna(-1).to_numpy().tolist()
        for kind, rows in found.examples.items()
    }
    assert examples == {
        "added": [["H", -1, 6]],
        "removed": [["G", 5, -1]],
        "moved": [["C", 30, 37], ["B", 20, 21]],  # the largest first
        "suppressed": [["D", 40, -1]],
        "visible": [["E", -1, 50]],
        "flagged": [["F", -1, -1]],
    }
    assert found.examples["flagged"][["flag_before", "flag_after"]].to_numpy().tolist() == [
        ["suppressed", "unavailable"]
    ]


def test_same_tables_in_another_order_and_storage_do_not_differ() -> None:
    old = rates()
    new = old.sample(frac=1, random_state=1).astype({"indicator": "category", "flag": "category", "year": "int16"})
    assert not differences(old, new)
    assert differences(old, new).counts() == {}


def test_flags_of_different_categories_can_be_compared() -> None:
    """A category column knows the values of its own file only."""
    old = long({"A": 1.0, "B": 2.0}).astype({"flag": "category"})
    new = long({"A": 1.5, "B": "suppressed"}).astype({"flag": "category"})
    assert differences(old, new).counts() == {"moved": 1, "suppressed": 1}


def test_observed_becomes_unreliable_and_bounds_move() -> None:
    old = long({"A": 1.0, "B": 2.0})
    new = old.assign(flag=["unreliable", "observed"], lower=[None, 1.5])
    assert differences(old, new).counts() == {"flagged": 1, "qualified": 1}


def test_moves_of_several_indicators_are_ranked_by_their_own_scale() -> None:
    people = {"A": 1000.0, "B": 2000.0, "C": 3000.0}
    old = pd.concat([long({"A": 10.0, "B": 20.0, "C": 30.0}), long(people, indicator="population")])
    new = pd.concat([long({"A": 18.0, "B": 20.0, "C": 30.0}), long({**people, "B": 2100.0}, indicator="population")])
    moved = differences(old, new).examples["moved"]
    # 8 points beside a rate of 10, 100 persons beside a population of 2 000
    assert moved["indicator"].tolist() == ["poverty_rate", "population"]


def test_examples_are_few_and_the_number_is_whole() -> None:
    old = rates()
    found = differences(old, old.assign(value=old["value"] + 1))
    assert found.moved == 100
    assert len(found.examples["moved"]) == LISTED


def test_table_that_is_gone_or_new() -> None:
    old = rates()
    assert compare_tables({NAME: old}, {}).counts() == {"removed": 100}
    assert compare_tables({}, {NAME: old}).counts() == {}


def test_code_tables() -> None:
    old = pd.DataFrame({"code": ["1", "2", "3"], "name": ["Lille", "Lomme", "Mons"], "parent": ["59", None, "59"]})
    new = pd.DataFrame({"code": ["1", "2", "4"], "name": ["Lille", "LOMME", "Hem"], "parent": ["59", None, "59"]})
    found = differences(old, new, "codes/places")
    assert found.counts() == {"labels": 3}
    rows = found.examples["labels"].set_index("geo_code")
    assert rows.loc["2", ["before", "after"]].tolist() == ["Lomme | ", "LOMME | "]
    assert pd.isna(rows.loc["4", "before"])
    assert pd.isna(rows.loc["3", "after"])


def zones(sides: dict[str, float], names: dict[str, str] | None = None) -> gpd.GeoDataFrame:
    """Squares in Lambert-93 around Lille, by code and side in metres, as the store has them."""
    shapes = [box(700_000, 7_050_000, 700_000 + side, 7_050_000 + side) for side in sides.values()]
    labels = [(names or {}).get(code, code) for code in sides]
    frame = gpd.GeoDataFrame({"geo_code": list(sides), "name": labels}, geometry=shapes, crs=2154)
    return frame.to_crs(4326)


def test_outlines() -> None:
    old = zones({"QP059001": 1000, "QP059002": 1000, "QP059003": 1000, "QP059004": 1000})
    new = zones({"QP059001": 1000, "QP059002": 1100, "QP059003": 1000.3, "QP059005": 1000}, {"QP059001": "Concorde"})
    found = differences(old, new, "zones/qpv_2015")
    assert found.outlines == 3  # one larger, one gone, one new; 0.06 % is a vertex that was rounded
    assert found.labels == 3  # one renamed, one gone, one new
    rows = found.examples["outlines"].set_index("geo_code")
    assert rows.loc["QP059002", "before"] == pytest.approx(1e6, rel=1e-3)
    assert rows.loc["QP059002", "after"] == pytest.approx(1.21e6, rel=1e-3)
    assert set(rows.index[:2]) == {"QP059004", "QP059005"}


# --- what drifts -------------------------------------------------------------------------------------------------


def drift(old: pd.DataFrame, new: pd.DataFrame, name: str = NAME, tolerance: Tolerance = TOLERANCE) -> list[str]:
    return [str(one) for one in find_drift({name: old}, {name: new}, tolerance)]


WHAT = r"poverty_rate, qpv 2015, 2021 \(s@2021\): "


def test_ordinary_revision_is_no_drift() -> None:
    old = rates()
    new = old.copy()
    new.loc[:9, "value"] += 1.5  # ten rates revised a little
    new = new.iloc[:-4]  # four areas less: within 5 %
    new = pd.concat([new, long({f"QP0130{i:02d}": 30.0 for i in range(10, 30)})])  # twenty more: within 25 %
    assert drift(old, new) == []
    assert drift(old, old) == []


def test_region_that_is_missing() -> None:
    old = pd.concat([rates(), long(dict.fromkeys(qpv(3, "30"), 30.0))])  # three areas: under 5 % of all
    new = old[~old["geo_code"].str.startswith("QP030")]
    (told,) = drift(old, new)
    assert re.fullmatch(WHAT + r"nothing left in these departments: 30", told)


def test_ten_per_cent_fewer_areas() -> None:
    old = rates()
    (told,) = drift(old, old.drop(index=range(0, 100, 10)))
    assert re.fullmatch(WHAT + r"10 of 100 rows are gone \(at most 5%\)", told)


def test_many_new_areas() -> None:
    old = rates()
    new = pd.concat([old, long({f"QP0130{i:02d}": 30.0 for i in range(10, 40)})])
    (told,) = drift(old, new)
    assert re.fullmatch(WHAT + r"30 new rows beside 100 \(at most 25%\)", told)


@pytest.mark.parametrize("factor", [10, 0.1, -1])
def test_rates_in_another_unit(factor: float) -> None:
    old = rates()
    (told,) = drift(old, old.assign(value=old["value"] * factor))
    assert re.fullmatch(WHAT + r"100 of 100 values changed by more than 1\.5 times \(at most 10% of them\)", told)


def test_indicator_that_is_gone() -> None:
    """A column that the file no longer has, where the reader lets it pass."""
    old = pd.concat([rates(), rates(indicator="decile_ratio")])
    (told,) = drift(old, rates())
    assert re.fullmatch(r"decile_ratio, qpv 2015, 2021 \(s@2021\): gone \(100 rows before\)", told)


def test_more_secrecy() -> None:
    old = rates()
    new = old.copy()
    new.loc[:9, ["value", "flag"]] = [None, "suppressed"]
    assert drift(old, new) == []  # ten of a hundred: as many as allowed
    new.loc[10, ["value", "flag"]] = [None, "suppressed"]
    (told,) = drift(old, new)
    assert re.fullmatch(WHAT + r"11 of 100 values are no longer published \(at most 10%\)", told)


def test_few_areas_are_all_told() -> None:
    """Of five areas, one that is gone is 20 %: it says nothing, so a person looks at it."""
    old = long(dict.fromkeys(qpv(5), 20.0))
    assert drift(old, old.iloc[1:]) == ["poverty_rate, qpv 2015, 2021 (s@2021): 1 of 5 rows are gone (at most 5%)"]
    one, two = old.copy(), old.copy()
    one.loc[0, "value"] = two.loc[:1, "value"] = 200.0
    assert drift(old, one) == []  # one value is corrected
    assert len(drift(old, two)) == 1


def test_new_indicator_year_or_source_has_no_past() -> None:
    old = rates()
    later = rates(year=2022)  # other figures than those of 2021, of which they would be a copy
    later = later.assign(value=later["value"] * 1.02)
    new = pd.concat([old, rates(indicator="decile_ratio"), later, rates(source="s@2022")])
    assert drift(old, new) == []
    assert find_drift({}, {NAME: old}, TOLERANCE) == []


def test_zero_stays_zero() -> None:
    old = rates().assign(value=0.0)
    assert drift(old, old.copy()) == []
    (told,) = drift(old, old.assign(value=5.0))
    assert "100 of 100 values changed" in told


def test_table_that_is_gone() -> None:
    (told,) = find_drift({NAME: rates()}, {}, TOLERANCE)
    assert str(told) == "observations/s: the table is gone (100 rows before)"


def test_code_table_that_shrinks_or_grows() -> None:
    old = pd.DataFrame({"code": [str(i) for i in range(100)]})
    assert drift(old, old.iloc[:95], "codes/x") == []
    assert drift(old, old.iloc[:94], "codes/x") == ["codes/x: 100 rows before, 94 now (allowed: 95 to 125)"]
    more = pd.concat([old] * 2)
    assert drift(old, more, "codes/x") == ["codes/x: 100 rows before, 200 now (allowed: 95 to 125)"]


def test_area_of_a_layer() -> None:
    old = zones({"QP059001": 1000, "QP059002": 1000})
    assert drift(old, zones({"QP059001": 1000, "QP059002": 1040}), "zones/x") == []  # 4 % of the whole
    (told,) = drift(old, zones({"QP059001": 1000, "QP059002": 1200}), "zones/x")  # 22 %
    assert re.fullmatch(r"zones/x: total area 2\.0 km2 before, 2\.4 now \(22%, at most 5%\)", told)


def test_tolerance_of_the_source() -> None:
    old = rates()
    wide = Tolerance(lost=0.2, factor=20, revised=1)  # ten times as much is a value that changed, too
    assert drift(old, old.assign(value=old["value"] * 10).drop(index=range(0, 100, 10)), tolerance=wide) == []


# --- headers -----------------------------------------------------------------------------------------------------

ENTRY = LockEntry("a/1/a.csv", "https://a.fr/a.csv", "00", 10, '"x"', "Mon, 01 Jan 2024", "2026-01-01", "28/08/2024")
BARE = LockEntry("a/1/a.csv", "https://a.fr/a.csv", "00", 10, None, None, "2026-01-01")


@pytest.mark.parametrize(
    ("headers", "entry", "published", "state", "detail"),
    [
        ({"ETag": '"x"', "Content-Length": "10"}, ENTRY, None, State.UNCHANGED, ""),
        ({"ETag": 'W/"x"'}, ENTRY, None, State.UNCHANGED, ""),
        ({"ETag": '"y"'}, ENTRY, None, State.CHANGED, 'tag "x" -> "y"'),
        # the tag is surer than the dates
        ({"ETag": '"x"', "Last-Modified": "Tue, 02 Jan 2024"}, ENTRY, "29/08/2024", State.UNCHANGED, ""),
        (
            {"Last-Modified": "Tue, 02 Jan 2024"},
            ENTRY,
            None,
            State.CHANGED,
            "date Mon, 01 Jan 2024 -> Tue, 02 Jan 2024",
        ),
        ({"Last-Modified": "Mon, 01 Jan 2024"}, ENTRY, "29/08/2024", State.UNCHANGED, ""),
        ({"ETag": '"x"', "Content-Length": "11"}, ENTRY, None, State.CHANGED, "length 10 -> 11 bytes"),
        ({}, ENTRY, "29/08/2024", State.CHANGED, "publication 28/08/2024 -> 29/08/2024"),
        ({}, ENTRY, "28/08/2024", State.UNCHANGED, ""),
        ({}, ENTRY, None, State.UNKNOWN, ""),
        ({"Content-Length": "10"}, BARE, None, State.UNKNOWN, ""),
        ({"ETag": '"x"'}, BARE, "28/08/2024", State.UNKNOWN, ""),  # nothing was recorded to compare with
        ({"Content-Length": "chunked"}, BARE, None, State.UNKNOWN, ""),
        ({"Content-Length": "\u00b2"}, BARE, None, State.UNKNOWN, ""),
        ({"Content-Length": "9" * 5000}, BARE, None, State.UNKNOWN, ""),
    ],
)
def test_headers(headers: dict[str, str], entry: LockEntry, published: str | None, state: State, detail: str) -> None:
    assert compare_headers(headers, entry, published) == (state, detail)


# --- pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("Paru le : 28/08/2024", "28/08/2024"),
        ("<span>Paru&nbsp;le&nbsp;:</span> <b>28/08/2024</b>", "28/08/2024"),
        ("Publié le 1/2/2025", "1/2/2025"),
        ("Mis à jour le 03/04/2025", "03/04/2025"),
        ("Mise en ligne le 18/03/2022", "18/03/2022"),
        ("Données au 01/01/2022", None),
        ("", None),
    ],
)
def test_date_of_a_page(text: str, date: str | None) -> None:
    assert parse_page(f"<p>{text}</p>", "https://www.insee.fr/fr/1").published == date


def test_links_of_a_page() -> None:
    html = (
        "<title>Revenus\n en 2021</title><a href='a.csv#haut'>Un <b>fichier</b></a><a href='mailto:a@b.fr'>x</a>"
        "<a>nu</a><a href='http://['>cassé</a><a href='//autre.fr/b.zip'>b</a><a href='a.csv'>encore</a>"
    )
    page = parse_page(html, "https://www.insee.fr/fr/1")
    assert page.title == "Revenus en 2021"
    assert page.links == {"https://www.insee.fr/fr/a.csv": "Un fichier encore", "https://autre.fr/b.zip": "b"}


def test_unclosed_markup_is_read() -> None:
    page = parse_page("<title>T</title><a href='/a.csv'>a<a href='/b.csv'>b<p <<", "https://i.fr/")
    assert list(page.links) == ["https://i.fr/a.csv", "https://i.fr/b.csv"]


HAVE = "https://i.fr/fichier/1/data_QP_2021_csv.zip"


@pytest.mark.parametrize(
    ("url", "words", "new"),
    [
        ("https://i.fr/fichier/2/data_QP_2022_csv.zip", "csv", True),
        ("https://i.fr/fichier/2/DATA_QP_2022_CSV.zip", "csv", True),
        ("https://i.fr/fichier/2/data_QP_2022_v2_csv.zip", "csv", True),
        ("https://i.fr/fichier/9/data_QP_2021_csv.zip", "csv", False),  # the same file elsewhere
        ("https://i.fr/fichier/1/data_QP_2021_xlsx.zip", "xlsx", False),
        ("https://i.fr/fichier/1/notice_2022.pdf", "Notice", False),
        ("https://i.fr/fr/statistiques/9", "Revenus en 2022", True),
        ("https://i.fr/fr/statistiques/9", "REVENUS en 2022", True),
        ("https://i.fr/fr/statistiques/9", "Revenus en 2021", False),
        ("https://i.fr/fr/statistiques/9", "Emploi en 2022", False),
        ("https://i.fr/fr/statistiques/9", "Revenus", False),
    ],
)
def test_other_edition_on_a_page(url: str, words: str, new: bool) -> None:
    page = Page("https://i.fr/fr/statistiques/1", "Revenus en 2021", None, {HAVE: "csv", url: words})
    assert bool(unknown_editions(page, [HAVE])) is new


# --- outcomes, exit codes ----------------------------------------------------------------------------------------

START = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)


def report(*outcomes: Outcome, **more: object) -> RefreshReport:
    return RefreshReport(START, outcomes=list(outcomes), finished=START, **more)  # type: ignore[arg-type]


def one(status: str = "unchanged", source: str = "s", **more: object) -> Outcome:
    return Outcome(source, "Titre", "Producteur", status, **more)  # type: ignore[arg-type]


NEW_PAGE = Survey({}, {"https://i.fr/2": "Insee, Revenus: Revenus en 2022"})


@pytest.mark.parametrize(
    ("made", "codes"),
    [
        # failure, warning, never
        (report(), (0, 0, 0)),
        (report(one(), one()), (0, 0, 0)),
        (report(one(), one("changed")), (10, 10, 10)),
        (report(one("changed"), one("failed", problem="x")), (1, 1, 10)),
        (report(one("failed", problem="x")), (1, 1, 0)),
        (report(one("changed"), survey=NEW_PAGE), (10, 1, 10)),
        (report(one(), survey=NEW_PAGE), (0, 1, 0)),
        (report(one(), problem="the disk is full"), (1, 1, 0)),
        (report(one("changed", drift=["d"])), (10, 1, 10)),
        (report(one(probes=[Probe("s@1", State.MOVED, "https://n", "https://o")])), (0, 1, 0)),
        (report(one(), survey=Survey({}, {}, {"https://i.fr/1": "status 404"})), (0, 1, 0)),
    ],
)
def test_exit_code(made: RefreshReport, codes: tuple[int, int, int]) -> None:
    assert (made.exit_code(), made.exit_code("warning"), made.exit_code("never")) == codes


def test_unknown_severity() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'warning'"):
        report().exit_code("warnings")


def test_warnings_are_told_by_kind() -> None:
    probes = [Probe("s@1", State.MOVED, "https://n.fr/a.csv", "https://o.fr/a.csv"), Probe("s@2", State.UNCHANGED, "u")]
    silent = {"https://i.fr/1": "status 404", "https://i.fr/2": "status 404", "https://a.fr/1": "status 503"}
    survey = Survey({}, {"https://i.fr/9": "Insee: Revenus en 2022"}, silent)
    made = report(one("changed", probes=probes, drift=["far"]), one("failed", drift=["refused"]), survey=survey)
    assert made.warnings == [
        ("unknown_edition", "Insee: Revenus en 2022, https://i.fr/9"),
        ("moved", "s@1: https://o.fr/a.csv -> https://n.fr/a.csv"),
        ("accepted_drift", "s: far"),
        ("silent_page", "i.fr: /1, /2 (status 404)"),
        ("silent_page", "a.fr: /1 (status 503)"),
    ]


def test_withdrawn_outcomes() -> None:
    changed, same, failed = one("changed"), one(), one("failed", problem="first")
    for outcome in (changed, same, failed):
        outcome.withdraw()
    assert [changed.status, same.status, failed.status] == ["failed", "unchanged", "failed"]
    failed.fail("second")
    assert failed.problem == "first\nsecond"


def test_frame_of_a_report() -> None:
    changes = compare_tables({NAME: rates()}, {NAME: rates().iloc[1:]})
    frame = report(one("changed", changes=changes, rows=99), one("failed", "t", problem="x")).frame()
    assert frame["source"].tolist() == ["s", "t"]
    assert frame["removed"].tolist() == [1, 0]
    assert frame["rows"].tolist() == [99, 0]
    assert frame["problem"].tolist() == ["", "x"]
    assert list(report().frame().columns) == list(frame.columns)


# --- words -------------------------------------------------------------------------------------------------------

HOSTILE = "<script>alert(1)</script> | [a](javascript:x) `b` *c*"


@pytest.fixture
def hostile() -> RefreshReport:
    """A producer whose labels, codes, addresses and messages are markup."""
    moved = compare_tables({NAME: long({HOSTILE: 10.0, "B": 20.0})}, {NAME: long({HOSTILE: 30.5, "B": 20.0})})
    moved.note(
        "labels", 1, pd.DataFrame({"geo_code": ["1"], "source": [HOSTILE], "before": [HOSTILE], "after": ["Mons"]})
    )
    probes = [Probe("s@1", State.MOVED, "https://i.fr/" + HOSTILE, HOSTILE, HOSTILE)]
    survey = Survey({}, {"https://i.fr/9": HOSTILE})
    return report(
        one("changed", changes=moved, probes=probes, rows=12345, reasons=["file s@1", HOSTILE]),
        one("failed", "t", problem=f"{HOSTILE}\n</pre>second line", kept=True),
        survey=survey,
    )


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        assert not [name for name, _ in attrs if name.startswith("on")]


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_html_escapes_everything(hostile: RefreshReport, tmp_path: Path, lang: str) -> None:
    html = hostile.save(tmp_path / "r.html", lang=lang).read_text(encoding="utf-8")
    reader = _Tags()
    reader.feed(html)
    assert "script" not in reader.tags
    assert {"table", "h1", "caption", "pre"} <= reader.tags
    assert html.count("&lt;script&gt;") >= 6
    assert f'<html lang="{lang}">' in html
    for text in (html, body(hostile)):
        assert "<script" not in text


@pytest.mark.parametrize("lang", ["fr", "en"])
def test_markdown_stays_in_its_cells(hostile: RefreshReport, tmp_path: Path, lang: str) -> None:
    text = hostile.save(tmp_path / "r.md", lang=lang).read_text(encoding="utf-8")
    outside = [line for line in text.splitlines() if not line.startswith("    ")]  # a code block is read as it is
    assert not re.search(r"(?<!\\)<script", "\n".join(outside))
    assert "[a](" not in "\n".join(outside).replace("\\[a\\](", "")
    tables = [line for line in outside if line.startswith("|")]
    widths = {len(re.findall(r"(?<!\\)\|", line)) for line in tables}
    assert widths == {5, 6, 7}  # 4 columns of sources, 5 of examples and of probes, 6 of moves
    in_block = [line for line in text.splitlines() if line.startswith("    ")]
    assert "    </pre>second line" in in_block


def test_french_and_english(hostile: RefreshReport, tmp_path: Path) -> None:
    french = hostile.save(tmp_path / "fr.md").read_text(encoding="utf-8")
    english = hostile.save(tmp_path / "en.md", lang="en").read_text(encoding="utf-8")
    assert "# Actualisation des données du 24/11/2026 à 05:30 UTC" in french
    assert "Sources mises à jour : 1 ; en échec : 1 ; inchangées : 0." in french.replace("\u202f", " ").replace(
        "\u00a0", " "
    )
    assert "Les derniers chiffres valides restent en usage." in french
    assert "30,5" in french
    assert "12\u202f345" in french
    assert "# Data refresh of 2026-11-24 05:30 UTC" in english
    assert "30.5" in english
    assert "The last good figures stay in use." in english
    assert "fichier s@1" in french
    assert "file s@1" in english


def test_json_is_whole(hostile: RefreshReport, tmp_path: Path) -> None:
    said = json.loads(hostile.save(tmp_path / "r.json").read_text(encoding="utf-8"))
    assert (said["exit_code"], said["dry_run"], said["problem"]) == (1, False, "")
    assert [source["status"] for source in said["sources"]] == ["changed", "failed"]
    assert said["sources"][0]["changes"] == {"moved": 1, "labels": 1}
    (moved,) = said["sources"][0]["examples"]["moved"]
    assert (moved["geo_code"], moved["before"], moved["after"]) == (HOSTILE, 10.0, 30.5)
    assert said["sources"][0]["probes"][0]["state"] == "moved"
    assert said["unknown_editions"] == {"https://i.fr/9": HOSTILE}
    assert {warning["kind"] for warning in said["warnings"]} == {"unknown_edition", "moved"}


def test_withheld_value_is_a_word_and_never_a_number(tmp_path: Path) -> None:
    changes = compare_tables({NAME: long({"A": 43.21, "B": "suppressed"})}, {NAME: long({"A": "suppressed", "B": 7.0})})
    text = report(one("changed", changes=changes)).save(tmp_path / "r.md").read_text(encoding="utf-8")
    (hidden,) = [line for line in text.splitlines() if line.startswith("| A ")]
    assert "secret" in hidden.lower()
    assert "nan" not in text.lower()


@pytest.mark.parametrize("kind", ["manifest", "manifest_lost", "going_on", "record", "import", "rolled_back"])
def test_repairs_are_told_in_both_languages(tmp_path: Path, kind: str) -> None:
    made = report(one(), repairs=[(kind, "builds/2026")])
    assert made.warnings == [(kind, "builds/2026")]
    assert (made.exit_code(), made.exit_code("warning")) == (0, 1)
    lines = []
    for lang in ("fr", "en"):
        text = made.save(tmp_path / "r.md", lang=lang).read_text(encoding="utf-8")
        lines += [line for line in text.splitlines() if "builds/2026" in line]
    assert len(lines) == len(set(lines)) == 2


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (report(one()), "Aucun fichier n'a changé."),
        (report(one("changed")), "Des fichiers ont changé, mais aucun chiffre."),
        (report(one(), dry_run=True), "Essai"),
        (report(one("failed", problem="disque"), problem="disque plein"), "Rien n'a pu être mis en service"),
        (report(one("failed", problem="x")), "Aucun chiffre de cette source n'est disponible."),
        (
            report(one("failed", problem="s@1: no", probes=[Probe("s@1", State.UNREACHABLE, "u", "no")])),
            "HTTPS_PROXY",
        ),
    ],
)
def test_summary(made: RefreshReport, words: str) -> None:
    told = " ".join("\n".join(summary(made)).replace("\u202f", " ").replace("\u00a0", " ").replace("’", "'").split())
    assert words in told


def test_one_silent_producer_is_told_once() -> None:
    silent = [Probe(f"{name}@1", State.UNREACHABLE, "u", "no connection to i.fr: refused.") for name in "ab"]
    made = report(*(one("failed", p.key[0], problem=f"{p.key}: {p.detail}", probes=[p], kept=True) for p in silent))
    told = "\n".join(summary(made, "en"))
    assert told.count("no connection to i.fr") == 1
    assert "a, b" in told


def test_report_of_another_form_or_place(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"\.md"):
        report().save(tmp_path / "r.pdf")
    with pytest.raises(UnknownNameError, match="fr"):
        report().save(tmp_path / "r.md", lang="de")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"cannot be written.*another folder"):
        report().save(tmp_path / "file" / "r.md")
