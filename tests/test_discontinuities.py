"""Breaks between editions: those that ask for a decision, and those that must not."""

import json
import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
import producers as miniature
import pytest
from test_readers import read

import qpv_sante as qs
from qpv_sante import pipeline
from qpv_sante.catalogue import Catalogue, Examined, core_catalogue, load_catalogue
from qpv_sante.discontinuities import Discontinuity, level_jumps, renamed, undecided
from qpv_sante.errors import CatalogueError
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.telling import summary

SHARE = "c2s_free_share"


def editions(move: float, spread: float, indicator: str = SHARE, years: tuple[int, int] = (2021, 2022), **columns):
    """Two years of 200 QPV: all move by `move`, each by its own `spread` besides."""
    rng = np.random.default_rng(1)
    level = rng.uniform(15, 45, 200)
    values = [level, level + move + rng.normal(0, spread, 200)]
    parts = [
        pd.DataFrame(
            {
                "indicator": indicator,
                "geo_level": "qpv",
                "geo_code": [f"QP001{i:03d}" for i in range(200)],
                "geo_vintage": 2015,
                "sex": "_T",
                "age": "_T",
                "category": "_T",
                "year": year,
                "value": value,
                "denominator": rng.integers(500, 6000, 200).astype(float),
            }
        )
        for year, value in zip(years, values, strict=True)
    ]
    return pd.concat(parts, ignore_index=True).assign(**columns)


@pytest.mark.parametrize(
    ("move", "spread", "fires"),
    [(5.6, 2.8, True), (-5.6, 2.8, True), (0.6, 1.3, False), (1.8, 2.2, False), (0.0, 0.0, False)],
)
def test_a_level_that_moves_by_more_than_the_quarters_among_themselves(move, spread, fires):
    found = level_jumps(editions(move, spread), core_catalogue())
    assert bool(found) is fires
    if fires:
        [one] = found
        assert (one.indicator, one.before, one.after) == (SHARE, 2021, 2022)
        assert f"moves by {move:+.1f}"[:12] in one.what
        assert "incomparable_years" in str(one) and "[[indicator.c2s_free_share.examined]]" in str(one)


def test_the_level_is_pooled_and_the_spread_is_that_of_most_quarters():
    rows = editions(1.0, 1.5)
    # one tenth of the quarters, the smallest, fall apart: neither the level nor the spread of most of them moves
    few = (rows["year"] == 2022) & rows["geo_code"].isin(rows["geo_code"].unique()[:20])
    rows.loc[few, "value"] += 60
    rows.loc[rows["geo_code"].isin(rows.loc[few, "geo_code"]), "denominator"] = 1.0
    assert level_jumps(rows, core_catalogue()) == []
    unweighted = rows.assign(denominator=np.nan)
    assert level_jumps(unweighted, core_catalogue()) == []


def test_counts_and_medians_are_followed_in_logarithms():
    count = editions(0.0, 0.0, "rsa_recipients", (2019, 2020))
    count.loc[count["year"] == 2020, "value"] *= 1.3
    rng = np.random.default_rng(2)
    count["value"] *= np.exp(rng.normal(0, 0.02, len(count)))
    [one] = level_jumps(count, core_catalogue())
    assert "+26 %" in one.what  # 100 log 1.3
    median = count.assign(indicator="median_standard_of_living", year=count["year"] - 2, value=count["value"] * 500)
    [one] = level_jumps(median, core_catalogue())
    assert "+26 %" in one.what
    # a move that the last published digit hides is none
    tiny = editions(0.08, 0.0, "over_60_share", (2021, 2022), denominator=np.nan)
    assert level_jumps(tiny, core_catalogue()) == []


def test_too_few_territories_tell_nothing_and_zonings_do_not_meet():
    assert level_jumps(editions(9.0, 1.0).groupby("year").head(10), core_catalogue()) == []
    rows = editions(9.0, 1.0)
    rows.loc[rows["year"] == 2022, "geo_vintage"] = 2024
    assert level_jumps(rows, core_catalogue()) == []
    # the codes of communes have a year of their own: they are followed all the same
    communes = rows.assign(geo_level="commune")
    assert len(level_jumps(communes, core_catalogue())) == 1


def decided(**changes: object) -> Catalogue:
    """The catalogue with another decision on the share."""
    import msgspec

    known = core_catalogue()
    one = msgspec.structs.replace(known.indicator(SHARE), **changes)
    return msgspec.structs.replace(known, indicators={**known.indicators, SHARE: one})


def test_the_three_decisions():
    seen = [Discontinuity(SHARE, 2021, 2022, "moves")] * 2
    assert undecided(seen, decided(examined=[])) == seen[:1], "said once"
    assert undecided(seen, decided(examined=[], incomparable_years=[[2021], [2022]])) == []
    assert undecided(seen, decided(examined=[], incomparable_years=[[2021, 2022]])) == seen[:1]
    assert undecided(seen, decided(examined=[Examined(years=[2021, 2022], why="seen")])) == []
    assert undecided(seen, decided(examined=[Examined(years=[2020, 2021], why="seen")])) == seen[:1]


def test_years_that_are_not_published_cannot_be_examined(tmp_path: Path):
    from importlib.resources import files

    text = (files("qpv_sante") / "catalogue.toml").read_text(encoding="utf-8")
    path = tmp_path / "catalogue.toml"
    path.write_text(text.replace("years = [2021, 2022] # CC2S", "years = [2021, 2023] # CC2S"), encoding="utf-8")
    with pytest.raises(CatalogueError, match="c2s_free_share: `examined` names two or more published years"):
        load_catalogue(path)


def test_a_column_of_another_name_is_seen_in_the_files(tmp_path: Path):
    keys = ["insee_income_benefits_qpv@2021", "insee_income_benefits_qpv@2022"]
    names = {key: read(key, tmp_path).names for key in keys}
    assert names[keys[0]]["c2s_free_share _T _T"] == ["CC2S", "C"]
    assert names[keys[1]]["c2s_share _T _T"] == ["C_C2SNP", "C_C2SP", "C"]
    [one] = renamed(names, core_catalogue())
    assert (one.indicator, one.before, one.after) == (SHARE, 2021, 2022)
    assert one.what == "the column CC2S / C is called C_C2SNP / C"
    assert undecided([one], core_catalogue()) == []
    assert undecided([one], decided(examined=[])) == [one]
    # the year in a name is no other name
    income = {key: read(key, tmp_path).names for key in miniature.EDITIONS if key.startswith("insee_filosofi_qpv@")}
    changed = {(change.indicator, change.before, change.after) for change in renamed(income, core_catalogue())}
    assert changed == {(name, 2017, 2018) for name in ("poverty_rate", "median_standard_of_living", "decile_ratio")}
    assert undecided(renamed(income, core_catalogue()), core_catalogue()) == []


def test_the_build_warns_and_says_what_to_decide(producers, monkeypatch, caplog):
    known = decided(examined=[])
    monkeypatch.setattr(pipeline, "core_catalogue", lambda: known)
    report = pipeline.build(["insee_income_benefits_qpv"])
    assert [one.indicator for one in report.undecided] == [SHARE]
    assert "c2s_free_share, 2021 to 2022: the column CC2S / C is called C_C2SNP / C. Decide" in caplog.text
    monkeypatch.setattr(pipeline, "core_catalogue", core_catalogue)
    assert pipeline.build(["insee_income_benefits_qpv"]).undecided == []


BENEFITS, BENEFITS_2022 = "insee_income_benefits_qpv", "insee_income_benefits_qpv@2022"
NEW_FIGURE = (";3\u202f600;720;0", ";3\u202f610;720;0")  # recipients of the RSA in Centre Ville, Béziers


@pytest.fixture
def undecided_cover(monkeypatch) -> None:
    known = decided(examined=[])
    monkeypatch.setattr(pipeline, "core_catalogue", lambda: known)


def test_the_refresh_warns_and_says_what_to_decide(workspace, producers, undecided_cover, caplog, tmp_path):
    producers.edit(BENEFITS_2022, NEW_FIGURE)
    report = qs.refresh([BENEFITS])
    [one] = report.outcomes[0].undecided
    assert (one.indicator, one.before, one.after) == (SHARE, 2021, 2022)
    said = "c2s_free_share, 2021 to 2022: the column CC2S / C is called C_C2SNP / C. Decide in catalogue.toml"
    assert said in caplog.text
    [(kind, text)] = report.warnings
    assert kind == "break"
    assert text.startswith(said)
    # a warning: the figures are in use, and the code is that of a failure only for who asks for it
    assert (report.exit_code(), report.exit_code("warning"), report.exit_code("never")) == (10, 1, 10)

    written = json.loads(report.save(tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [warning["kind"] for warning in written["warnings"]] == ["break"]
    assert written["sources"][0]["undecided"] == [
        {"indicator": SHARE, "before": 2021, "after": 2022, "what": "the column CC2S / C is called C_C2SNP / C"}
    ]
    name = core_catalogue().indicator(SHARE).short
    for lang, begins in (
        ("fr", f"Rupture de série à trancher dans le catalogue, de 2021 à 2022\u00a0: {name['fr']} ({SHARE})"),
        ("en", f"Break in a series to be decided in the catalogue, 2021 to 2022: {name['en']} ({SHARE})"),
    ):
        page = report.save(tmp_path / f"{lang}.html", lang=lang).read_text(encoding="utf-8")
        assert f"<li>{escape(begins)}" in page
        assert escape(said, quote=False) in page
        lines, _, detail = report.save(tmp_path / f"{lang}.md", lang=lang).read_text(encoding="utf-8").partition(said)
        assert f"- {begins}" in lines
        assert detail
        assert any(begins in line for line in summary(report, lang))


def test_the_refresh_does_not_warn_of_what_is_decided_nor_of_what_was_not_read(workspace, producers, monkeypatch):
    producers.edit(BENEFITS_2022, NEW_FIGURE)
    report = qs.refresh([BENEFITS])
    assert (report.exit_code("warning"), report.warnings, report.outcomes[0].undecided) == (10, [], [])
    # undecided, but the files are those in use: they were told when they came
    known = decided(examined=[])
    monkeypatch.setattr(pipeline, "core_catalogue", lambda: known)
    report = qs.refresh([BENEFITS])
    assert (report.exit_code("warning"), report.warnings, report.outcomes[0].undecided) == (0, [], [])


def test_files_that_are_put_aside_ask_for_no_decision(workspace, producers, undecided_cover):
    more = [(f";;{old};", f";;{new};") for old, new in ((340, 640), (420, 820), (160, 360), (600, 990), (135, 235))]
    producers.edit(BENEFITS_2022, *more)
    report = qs.refresh([BENEFITS])
    assert report.outcomes[0].drift
    assert (report.outcomes[0].undecided, report.warnings) == ([], [])


def test_one_line_a_pair_of_years_and_all_that_was_seen_in_the_detail(tmp_path):
    seen = [Discontinuity(SHARE, 2021, 2022, what) for what in ("moves", "is called otherwise")]
    outcome = Outcome(BENEFITS, "Revenus", "Insee", "changed", undecided=[*seen, Discontinuity(SHARE, 2022, 2023, "x")])
    report = RefreshReport(datetime(2026, 1, 1, tzinfo=UTC), outcomes=[outcome])
    said = report.save(tmp_path / "r.md").read_text(encoding="utf-8")
    warned = [line for line in said.splitlines() if line.startswith("- Rupture de série")]
    assert [re.search(r"de (\d+) à (\d+).*au détail\s: (\d)", line).groups() for line in warned] == [
        ("2021", "2022", "2"),
        ("2022", "2023", "1"),
    ]
    assert all(f"    {one}" in said for one in seen)


def test_every_break_of_the_embedded_figures_is_decided():
    for name in ("poverty_rate", "median_standard_of_living", "c2s_free_share", "job_seekers", "rsa_recipients"):
        rows = qs.load_observations(name, geo_level="qpv", geo_vintage=2015, sex=None, age=None)
        assert undecided(level_jumps(rows, core_catalogue()), core_catalogue()) == []
    median = qs.load_observations("median_standard_of_living", geo_level="qpv", geo_vintage=2015)
    assert {(one.before, one.after) for one in level_jumps(median, core_catalogue())} >= {(2019, 2021)}


def test_the_two_shares_of_the_cover_under_one_name_would_be_seen():
    """27.9 % without contribution in 2021, 33.5 % with and without in 2022."""
    free = qs.load_observations("c2s_free_share", geo_level="qpv", geo_vintage=2015, year=2021)
    whole = qs.load_observations("c2s_share", geo_level="qpv", geo_vintage=2015, year=2022)
    levels = [
        np.average(rows["value"].dropna(), weights=rows.loc[rows["value"].notna(), "denominator"])
        for rows in (free, whole)
    ]
    assert levels == pytest.approx([27.9, 33.5], abs=0.05)
    [one] = level_jumps(pd.concat([free.assign(indicator="c2s_share"), whole]), core_catalogue())
    assert one.indicator == "c2s_share"
    assert undecided([one], core_catalogue()) == [one]
