"""The catalogue: every record is read on a small file, and a mistake in it is told with its place."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import producers as miniature
import pytest

import qpv_sante as qs
from qpv_sante import catalogue as module
from qpv_sante import observations, pipeline
from qpv_sante.catalogue import Table, catalogue, load_catalogue
from qpv_sante.content import content_problem
from qpv_sante.download import RawFile
from qpv_sante.errors import CatalogueError, InvalidInputError, UnavailableLevelError, UnknownNameError
from qpv_sante.geography import LEVELS
from qpv_sante.readers import get_reader

ROOT = Path(__file__).resolve().parents[1]
CATALOGUE = ROOT / "qpv_sante" / "catalogue.toml"
# the themes of the miniature: surveys and care have their own tests
THEMES = {"income", "families", "population", "health_cover", "benefits", "employment"}


# --- every record ------------------------------------------------------------------------------------------------


def editions_to_cover() -> set[str]:
    """Editions that carry an indicator of these themes, and those that carry none (outlines and codes)."""
    known = catalogue()
    carried = {source: set() for source in known.sources}
    for indicator in known.indicators.values():
        for series in indicator.series:
            carried[series.source].add(indicator.theme)
    return {
        source.key(vintage)
        for source in known.sources.values()
        if not carried[source.id] or carried[source.id] & THEMES
        for vintage in source.vintage
    }


def test_every_edition_has_its_small_file() -> None:
    """An edition added to the catalogue without a small file would be an edition that nothing tests."""
    assert editions_to_cover() == set(miniature.EDITIONS)


@pytest.mark.parametrize("key", miniature.EDITIONS)
def test_edition_is_read_and_valid(key: str, tmp_path: Path) -> None:
    name, _, edition = key.partition("@")
    source = catalogue().source(name)
    vintage = source.get_vintage(edition)
    path = tmp_path / miniature.EDITIONS[key][0]
    path.write_bytes(miniature.contents()[key])
    request = pipeline.request_for(source, vintage)
    assert content_problem(path, request.kind, request.members) is None
    assert request.url or request.leads_to(f"https://www.insee.fr/fichier/{path.name}")
    raw = RawFile(key, path, "https://example.fr", "0" * 64, path.stat().st_size, None, None, "2026-01-01")
    tables = get_reader(source.reader)(source, vintage, raw)
    made = [
        frame for frame in (tables.observations, *tables.zones.values(), *tables.codes.values()) if frame is not None
    ]
    assert made
    assert all(len(frame) for frame in made)
    assert tables.counts
    if tables.observations is not None:
        frame = observations.validate(tables.observations, where=key)
        assert set(frame["source"]) == {key}
        expected = {indicator.id for indicator, _ in catalogue().series_in(name, edition)}
        assert set(frame["indicator"]) == expected
        # each indicator has at least one value here: a column that is always blank would prove nothing
        assert set(frame.dropna(subset=["value"])["indicator"]) == expected


@pytest.mark.parametrize("indicator", sorted(catalogue().indicators))
def test_indicator_is_described(indicator: str) -> None:
    """What listing, sheets and citations derive from the record is there in both languages."""
    known = catalogue().indicator(indicator)
    for text in (known.label, known.short, known.unit, known.definition, known.population):
        assert set(text) == {"fr", "en"}
        assert all(text.values())
    for lang in ("fr", "en"):
        sheet = str(qs.describe(indicator, lang=lang))
        assert known.definition[lang] in sheet
    assert known.range is None or known.range[0] < known.range[1]
    published = catalogue().published(indicator)
    assert published
    assert {record["geo_level"] for record in published} <= set(LEVELS)
    for source in {str(record["source"]) for record in published}:
        assert source in qs.cite(indicator) or catalogue().source(source).title in qs.cite(indicator)


def test_the_files_of_one_edition_are_cited_once():
    source = catalogue().source("ign_communes")
    lines = qs.cite("ign_communes").split("\n")
    assert len(lines) == len({vintage.year for vintage in source.vintage}) < len(source.vintage)
    assert f"édition 2018 ({len(source.vintage)} fichiers)" in lines[0]
    assert source.landing_page in lines[0]
    assert "édition 2018-dep09" in qs.cite("ign_communes@2018-dep09")
    assert len(qs.cite("insee_filosofi_qpv").split("\n")) == len(catalogue().source("insee_filosofi_qpv").vintage)


def test_lists_hold_every_record() -> None:
    assert set(qs.list_indicators()["id"]) == set(catalogue().indicators)
    assert set(qs.list_sources()["id"]) == set(catalogue().sources)


# --- what is asked of it -----------------------------------------------------------------------------------------


def test_unknown_names_propose_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'poverty_rate'"):
        catalogue().indicator("poverty_rates")
    with pytest.raises(UnknownNameError, match="Did you mean 'cnaf_iris'"):
        catalogue().source("caf_iris@2020")
    with pytest.raises(UnknownNameError, match=r"no edition '2020'.*2019, 2021"):
        catalogue().source("insee_filosofi_qpv").get_vintage("2020")


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: qs.list_indicators(lang="de"), "Unknown lang 'de'"),
        (lambda: qs.describe("poverty_rate", lang="FR"), "Unknown lang 'FR'"),
        (lambda: qs.load_observations(["poverty_rate"]), "Give one at a time"),  # type: ignore[arg-type]
        (lambda: qs.cite(None), "takes str or DataFrame; got None"),  # type: ignore[arg-type]
        (lambda: qs.load_zones("qpv", vintage="2015"), "Write 2015 without quotes"),  # type: ignore[arg-type]
        (lambda: qs.load_observations("poverty_rate", territory=""), r"called ''\. Give a name"),
        (
            lambda: qs.estimate("depression_prevalence", territory="Occitanie", predictors=("wealth",)),
            r"household\. Pass predictors",
        ),
    ],
)
def test_mistakes_from_python_are_told_too(ask: Callable[[], object], message: str) -> None:
    with pytest.raises((InvalidInputError, UnknownNameError, UnavailableLevelError), match=message):
        ask()


@pytest.mark.parametrize(
    ("asked", "exists"),
    [
        ({"year": 2020, "geo_level": None, "geo_vintage": None}, r"qpv 2015 \(2016, 2017, 2018, 2019, 2021\)"),
        ({"year": 2019, "geo_level": "qpv", "geo_vintage": 2024}, r"qpv 2024 \(2021\)"),
        ({"year": None, "geo_level": "department", "geo_vintage": None}, "commune 2024"),
    ],
)
def test_unpublished_says_what_exists(asked: dict[str, object], exists: str) -> None:
    with pytest.raises(UnavailableLevelError, match=exists):
        catalogue().check_published("poverty_rate", **asked)  # type: ignore[arg-type]


def test_edition_says_only_what_differs() -> None:
    """Base comparateur 2019: another decimal mark and marker; what it does not name stays that of the source."""
    source = catalogue().source("insee_filosofi_commune")
    (common,) = source.tables
    (table,) = source.tables_of(source.get_vintage("2019"))
    assert (table.decimal, table.missing, table.geo_vintage) == (".", {"": "suppressed"}, 2021)
    assert (table.member, table.geo_level, table.separator) == (common.member, common.geo_level, common.separator)
    (other,) = source.tables_of(source.get_vintage("2021"))
    assert other == common


# --- mistakes ----------------------------------------------------------------------------------------------------

SMALL = """
[theme.income]
fr = "Revenus"
en = "Income"

[source.one]
title = "Une source"
producer = "Insee"
licence = "Licence Ouverte 2.0"
landing_page = "https://www.insee.fr/1"
reader = "wide_csv"
file = "csv"
[[source.one.tables]]
geo_level = "commune"
geo_vintage = 2024
missing = { "s" = "suppressed" }
[source.one.tables.notes.quality]
column = ["NOTE"]
codes = { "0" = "observed" }
[[source.one.vintage]]
id = "2021"
year = 2021
url = "https://www.insee.fr/1.csv"

[indicator.rate]
theme = "income"
kind = "rate"
range = [0, 100]
label = { fr = "Taux", en = "Rate" }
short = { fr = "Taux", en = "Rate" }
unit = { fr = "%", en = "%" }
definition = { fr = "Taux.", en = "Rate." }
population = { fr = "Tous", en = "All" }
[[indicator.rate.series]]
source = "one"
column = ["TX"]
note = "quality"
"""


def load_changed(tmp_path: Path, old: str, new: str) -> module.Catalogue:
    assert SMALL.count(old) == 1
    path = tmp_path / "catalogue.toml"
    path.write_text(SMALL.replace(old, new), encoding="utf-8")
    return load_catalogue(path)


def test_small_catalogue_is_correct(tmp_path: Path) -> None:
    """So that each of the mistakes below is the only one."""
    assert set(load_changed(tmp_path, "year = 2021", "year = 2021").indicators) == {"rate"}


MISTAKES = {
    "unknown table": ("[theme.income]", "[extra.one]\na = 1\n[theme.income]", "unknown tables.*extra"),
    "unknown key": ('reader = "wide_csv"', 'reader = "wide_csv"\nreaders = 1', r"unknown field `readers`.*\$\.sources"),
    "unknown key of a series": ('column = ["TX"]', 'column = ["TX"]\ncolumns = 1', r"`columns`.*indicators.*series"),
    "missing key": ('producer = "Insee"', "", r"missing required field `producer`.*sources"),
    "wrong type": ("range = [0, 100]", 'range = "0-100"', r"Expected `array.*indicators.*range"),
    "unknown kind": ('kind = "rate"', 'kind = "ratio"', r"Invalid enum value 'ratio'.*kind"),
    "not TOML": ("[theme.income]", "[theme.income", "not valid TOML"),
    "unknown flag": ('{ "s" = "suppressed" }', '{ "s" = "secret" }', r"source\.one: marker 's': unknown flag 'secret'"),
    "flag of a value": (
        '{ "s" = "suppressed" }',
        '{ "s" = "observed" }',
        r"source\.one: marker 's' stands for a missing value, not 'observed'",
    ),
    "unknown flag of a note": (
        '{ "0" = "observed" }',
        '{ "0" = "fine" }',
        r"source\.one: marker '0': unknown flag 'fine'",
    ),
    "unknown level": ('geo_level = "commune"', 'geo_level = "town"', r"source\.one@2021: unknown geo_level 'town'"),
    "no address": ('url = "https://www.insee.fr/1.csv"', "", r"source\.one@2021: give url, or landing_page"),
    "bad pattern": (
        'url = "https://www.insee.fr/1.csv"',
        'landing_page = "https://www.insee.fr/1"\nlink_pattern = "("',
        r"source\.one@2021: link_pattern",
    ),
    "duplicate edition": (
        'url = "https://www.insee.fr/1.csv"',
        'url = "https://www.insee.fr/1.csv"\n[[source.one.vintage]]\nid = "2021"\nyear = 2021\nurl = "https://www.insee.fr/2.csv"',
        r"source\.one: edition '2021' declared twice",
    ),
    "unknown source": ('source = "one"', 'source = "two"', r"indicator\.rate: unknown source 'two'"),
    "unknown theme": ('theme = "income"', 'theme = "incomes"', r"indicator\.rate: unknown theme 'incomes'"),
    "unknown note": ('note = "quality"', 'note = "qualities"', r"indicator\.rate, one: unknown note 'qualities'"),
    "unknown weight": (
        'kind = "rate"',
        'kind = "rate"\nweight = "people"',
        r"indicator\.rate: unknown weight 'people'",
    ),
    "rate without range": ("range = [0, 100]", "", r"indicator\.rate: a rate needs its range"),
    "column and ratio": (
        'column = ["TX"]',
        'column = ["TX"]\nnumerator = ["A"]\ndenominator = ["B"]',
        r"indicator\.rate, one: give column, or numerator and denominator",
    ),
    "no column": ('column = ["TX"]', "", r"indicator\.rate, one: give column, or numerator and denominator"),
    "unknown edition of a series": (
        'column = ["TX"]',
        'column = ["TX"]\nvintages = ["2020"]',
        r"indicator\.rate, one: no edition '2020'",
    ),
    "unknown edition of years": (
        'column = ["TX"]',
        'column = ["TX"]\nyears = { "2019" = 2018 }',
        r"indicator\.rate, one: no edition '2019'",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_told_with_its_record(mistake: str, tmp_path: Path) -> None:
    old, new, message = MISTAKES[mistake]
    with pytest.raises(CatalogueError, match=message):
        load_changed(tmp_path, old, new)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(SMALL.replace('"income"\nkind', '"x"\nkind').replace('note = "quality"', 'note = "y"'))
    with pytest.raises(CatalogueError, match=r"unknown theme 'x'.*unknown note 'y'"):
        load_catalogue(path)


def test_unknown_reader_lists_those_that_exist() -> None:
    with pytest.raises(CatalogueError, match="wide_csv, wide_workbook, perimeters"):
        get_reader("wide")


def test_defaults_are_those_of_insee_files() -> None:
    assert (Table().encoding, Table().separator, Table().decimal, Table().code) == ("utf-8-sig", ";", ",", "CODGEO")


# --- the block that CONTRIBUTING.md shows ------------------------------------------------------------------------


@pytest.fixture
def use_catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Make the package read another catalogue for the time of a test."""

    def use(folder: Path) -> None:
        monkeypatch.setattr(module, "files", lambda package: folder)
        module.catalogue.cache_clear()

    yield use
    monkeypatch.undo()
    module.catalogue.cache_clear()


def test_block_of_contributing_is_enough(
    workspace: Path, tmp_path: Path, use_catalogue: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example is added as it is printed, built on the small file, and loads with the values of that file."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```toml\n(\[indicator\..*?)```", text, flags=re.DOTALL)
    name = re.search(r"\[indicator\.(\w+)\]", block)[1]  # type: ignore[index]
    (tmp_path / "package").mkdir()
    shutil.copy(CATALOGUE, tmp_path / "package" / "catalogue.toml")
    with (tmp_path / "package" / "catalogue.toml").open("a", encoding="utf-8") as stream:
        stream.write("\n" + block)
    use_catalogue(tmp_path / "package")
    monkeypatch.setenv("QPV_SANTE_DATA", str(workspace))
    report = pipeline.build(["insee_demo_qpv"])
    assert report.failures == {}

    frame = qs.load_observations(name, geo_level="qpv", geo_vintage=2015, year=2022).set_index("geo_code")
    values = {"QP034001": 18.1, "QP034003": 24.5, "QP050001": 4.3, "QP059001": 17.5, "QP059002": 18.7, "QP075001": 16.0}
    assert frame["value"].dropna().to_dict() == values
    assert frame.loc[["QP034002", "QP974001"], "flag"].tolist() == ["suppressed", "suppressed"]
    # the census says 6 for La Réunion in the edition of 2021: not secret, not published
    earlier = qs.load_observations(name, year=2021).set_index("geo_code")
    assert earlier.loc["QP974001", "flag"] == "unavailable"
    assert earlier.loc["QP034002", "value"] == 25.8
    # listing, sheet and citation derive from the block
    assert name in set(qs.list_indicators("population")["id"])
    assert "Femmes de nationalité étrangère" in str(qs.describe(name))
    assert "Démographie" in qs.cite(name)
