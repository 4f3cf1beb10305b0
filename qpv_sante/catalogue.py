"""The catalogue: what is published, by whom, where, and how each file spells it.

People write `catalogue.toml`; everything else (listing, loading, labels, units, tests, citation)
derives from it. Records are frozen; an unknown key, an unknown reference or a contradiction is an
error when the catalogue is loaded, never later.
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from qpv_sante.errors import CatalogueError, UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.forms import LongForm, SheetForm, Text, long_form_problems
from qpv_sante.texts import unsafe_texts

if TYPE_CHECKING:
    from qpv_sante.store import Store

Kind = Literal["count", "rate", "median", "standardised_rate", "score"]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the catalogue's records: frozen, and strict about keys."""


class Note(_Record, frozen=True):
    """A producer's column that qualifies other columns (`NOTE_CNAF`, `DISP_NOTE_A19`)."""

    column: list[str]
    codes: dict[str, str]
    optional: bool = False


class Table(_Record, frozen=True):
    """How one table of a source's file is written.

    `{year}` and `{yy}` in names stand for the vintage's year in four and two digits.
    """

    member: str | None = None
    sheet: str | None = None
    geo_level: str | None = None
    geo_vintage: int | None = None
    code: str = "CODGEO"
    # the name beside the code, where the file has one: it is held against the code
    label: str = "LIBGEO"
    code_format: str | None = None
    encoding: str = "utf-8-sig"
    separator: str = ";"
    decimal: Literal[",", "."] = ","
    header_row: int = 0
    skip_after_header: int = 0
    totals: list[str] = []
    recode: dict[str, str] = {}
    missing: dict[str, str] = {}
    blank_overseas: str | None = None  # flag of a blank overseas, where the producer leaves blank what it does not make
    notes: dict[str, Note] = {}
    columns: dict[str, str] = {}
    output: str | None = None
    crs: int | None = None


class Vintage(_Record, frozen=True):
    """One edition of a source: its address and what differs from the source's common form."""

    id: str
    year: int
    url: str | None = None
    landing_page: str | None = None
    link_pattern: str | None = None
    published: str | None = None
    table: dict[str, Any] = {}
    caveat: Text = {}


class Tolerance(_Record, frozen=True):
    """How far a source may move from one refresh to the next, as shares, before a person must look at it.

    `lost` and `gained` count areas of one indicator, level and year; `hidden`, published values that become secret or
    missing; `moved`, values that change by more than `factor`; `area`, the total area of a layer of outlines.

    What may mean something else is judged whatever its size: `revised` is the share of the values or labels of an
    edition in use that may change; `ranks`, the least rank correlation of the areas with the edition before; `jump`,
    how many times the middle value of the edition before a new one may have; `displaced`, outlines with less than half
    of their area in common; `distance`, metres by which a layer may move as a whole.
    """

    lost: float = 0.05
    gained: float = 0.25
    hidden: float = 0.1
    moved: float = 0.1
    factor: float = 1.5
    area: float = 0.05
    revised: float = 0.5
    ranks: float = 0.7
    jump: float = 1.25
    displaced: float = 0.05
    distance: float = 20.0


class Withheld(_Record, frozen=True):
    """What a source withholds: what is known of a value that it does not give.

    Counts under `fewer_than`, and rates of which the numerator or what is left of the denominator is, are withheld;
    `zero_too`: so is none at all. With `others_too`, other values are withheld as well (to protect these, or for
    their quality): one that is withheld need not be small.
    """

    fewer_than: int
    zero_too: bool = True
    others_too: bool = False


class Source(_Record, frozen=True):
    """A producer's publication, in one or several editions of the same form."""

    id: str
    title: str
    producer: str
    licence: str
    landing_page: str
    reader: str
    file: Literal["zip", "csv", "json", "geojson", "xls", "xlsx"]
    tables: list[Table]
    vintage: list[Vintage]
    licence_url: str = "https://www.etalab.gouv.fr/licence-ouverte-open-licence"
    allowed_hosts: list[str] = []
    max_bytes: int = 200_000_000
    caveat: Text = {}
    # territories that the producer says it covers: outside, it publishes nothing
    field: Text = {}
    # an analyst's own file (`import_observations`), never downloaded; and the notice that must follow its figures
    imported: bool = False
    restriction: str = ""
    tolerance: Tolerance = Tolerance()
    withheld: Withheld | None = None
    long: LongForm | None = None
    sheets: SheetForm | None = None

    def key(self, vintage: Vintage | str) -> str:
        """Name of one edition in the table: `insee_filosofi_qpv@2021`."""
        return f"{self.id}@{vintage if isinstance(vintage, str) else vintage.id}"

    def get_vintage(self, vintage_id: str) -> Vintage:
        """The edition called `vintage_id`.

        Raises
        ------
        UnknownNameError
            The source has no such edition; the message lists those it has.
        """
        for vintage in self.vintage:
            if vintage.id == vintage_id:
                return vintage
        valid = [vintage.id for vintage in self.vintage]
        raise UnknownNameError(f"{self.id} has no edition {vintage_id!r}. {did_you_mean(vintage_id, valid)}")

    def tables_of(self, vintage: Vintage) -> list[Table]:
        """The tables of an edition, with what it declares in place of the common form."""
        if not vintage.table:
            return self.tables
        return [msgspec.convert({**msgspec.to_builtins(table), **vintage.table}, Table) for table in self.tables]


class Grid(_Record, frozen=True):
    """Values that a producer publishes on: `first`, `first + step`, `first + 2 step`...

    A published value stands for those within half a step of it: 35 on the grid of the odd numbers, for 34 to 36.
    """

    step: float
    first: float = 0.0


class Series(_Record, frozen=True):
    """Where an indicator is found: one source, one column, or the ratio of two.

    In a file with one row a cell, `rows` selects the rows by their cells (`{ top = "TPS_ADR_EXC" }`); several cells
    of one column (`{ TYPEQU = ["D202", "D203"] }`) are kinds of facilities that add up.
    In a workbook of answers, `sheet` names the question, and numerator and denominator are answers.
    `rounding` is half of the last published digit. A producer that publishes small territories on coarser `grids` says
    which in the column `step`; without it, a value is given the coarsest of the grids that it lies on.
    """

    source: str
    rows: dict[str, str | list[str]] = {}
    sheet: str | None = None
    column: list[str] = []
    numerator: list[str] = []
    denominator: list[str] = []
    note: str | None = None
    step: list[str] = []
    grids: list[Grid] = []
    rounding: float | None = None
    sex: str = "_T"
    age: str = "_T"
    vintages: list[str] = []
    years: dict[str, int] = {}
    geo_levels: list[str] = []
    year_meaning: Literal["reference", "edition"] = "reference"

    @property
    def cells(self) -> dict[str, list[str]]:
        """`rows`, each column with the list of its cells."""
        return {column: [given] if isinstance(given, str) else given for column, given in self.rows.items()}


class Unpublished(_Record, frozen=True):
    """Levels at which an indicator is not published, and who says so: else it is only not read here."""

    geo_levels: list[str]
    source: Text


class Examined(_Record, frozen=True):
    """Years between which a break was suspected, and that do compare: see `qpv_sante.discontinuities`."""

    years: list[int]
    why: str


class Indicator(_Record, frozen=True):
    """What is measured: definition, population, unit and the series that carry it.

    `weight` is the count that stands for the base of a rate where no denominator is published; `weight_share`, the rate
    that tells which part of it is the base. `weight_like` names indicators whose published denominators vary, beside
    that count, as the base is thought to; by default, all those that have some, unless the count is the base
    (`weight_is_base`).
    """

    id: str
    label: Text
    short: Text
    theme: str
    kind: Kind
    unit: Text
    definition: Text
    population: Text
    series: list[Series]
    higher_is: Literal["worse", "better", "neither"] = "neither"
    range: list[float] | None = None
    weight: str | None = None
    weight_share: str | None = None
    weight_like: list[str] = []
    weight_is_base: bool = False
    decimals: int = 1
    caveats: dict[str, list[str]] = {}
    selects_qpv: bool = False
    estimable: bool = False
    incomparable_years: list[list[int]] = []
    unpublished: list[Unpublished] = []
    examined: list[Examined] = []

    def family(self, year: int) -> int:
        """Number of the group of years that compare with this one; one group for all by default."""
        return next((number for number, years in enumerate(self.incomparable_years) if year in years), -1)


class Catalogue(_Record, frozen=True):
    """All sources and indicators, cross-checked."""

    sources: dict[str, Source]
    indicators: dict[str, Indicator]
    themes: dict[str, Text]
    categories: dict[str, Text] = {}

    def source(self, source_id: str) -> Source:
        """The source called `source_id`, or that of an edition's key.

        Raises
        ------
        UnknownNameError
            No such source; the message proposes the nearest names.
        """
        name = source_id.partition("@")[0]
        if name not in self.sources:
            raise UnknownNameError(f"Unknown source {source_id!r}. {did_you_mean(name, self.sources)}")
        return self.sources[name]

    def indicator(self, indicator_id: str) -> Indicator:
        """The indicator called `indicator_id`.

        Raises
        ------
        UnknownNameError
            No such indicator; the message proposes the nearest names.
        """
        if not isinstance(indicator_id, str) or indicator_id not in self.indicators:
            hint = did_you_mean(indicator_id, self.indicators, limit=40)
            raise UnknownNameError(f"Unknown indicator {indicator_id!r}. {hint}")
        return self.indicators[indicator_id]

    def published(self, indicator_id: str) -> list[dict[str, object]]:
        """Where an indicator exists: one record per level, zoning, year and edition."""
        return [
            {
                "geo_level": table.geo_level,
                "geo_vintage": table.geo_vintage,
                "year": series.years.get(vintage.id, vintage.year),
                "sex": series.sex,
                "age": series.age,
                "source": source.key(vintage),
            }
            for series, source, vintage, table in self.series_of(indicator_id)
        ]

    def series_of(self, indicator_id: str) -> list[tuple[Series, Source, Vintage, Table]]:
        """Each table of each edition in which an indicator is found."""
        return [
            (series, source, vintage, table)
            for series in self.indicator(indicator_id).series
            for source in [self.sources[series.source]]
            for vintage in source.vintage
            if not series.vintages or vintage.id in series.vintages
            for table in source.tables_of(vintage)
            if not series.geo_levels or table.geo_level in series.geo_levels
            if series.sheet is None or table.sheet == series.sheet
        ]

    def series_in(self, source_id: str, vintage_id: str) -> list[tuple[Indicator, Series]]:
        """The indicators that an edition of a source carries."""
        return [
            (indicator, series)
            for indicator in self.indicators.values()
            for series in indicator.series
            if series.source == source_id and (not series.vintages or vintage_id in series.vintages)
        ]

    def rounding(self, indicator_id: str, source_key: str) -> float | None:
        """Half of the last published digit, in the indicator's unit, if declared."""
        source_id, _, vintage = source_key.partition("@")
        for series in self.indicator(indicator_id).series:
            if series.source == source_id and (not vintage or not series.vintages or vintage in series.vintages):
                return series.rounding
        return None

    def check_published(
        self, indicator_id: str, *, geo_level: str | None, geo_vintage: int | None, year: int | None
    ) -> None:
        """Refuse a level, zoning or year at which no file of the catalogue gives the indicator.

        Raises
        ------
        UnavailableLevelError
            The message says which level, zoning and years exist.
        """
        records = self.published(indicator_id)
        asked = {"geo_level": geo_level, "geo_vintage": geo_vintage, "year": year}
        wanted = {name: value for name, value in asked.items() if value is not None}
        if not any(all(record[name] == value for name, value in wanted.items()) for record in records):
            known = self.indicator(indicator_id)
            claims = [one.source["en"] for one in known.unpublished if geo_level in one.geo_levels]
            where = "per QPV" if geo_level == "qpv" else f"for geo_level={geo_level!r}"
            if claims:
                absent = f"{indicator_id} is not published {where} ({'; '.join(claims)})."
            elif geo_level == "qpv" and known.estimable:
                absent = f"{indicator_id} is not read per QPV."
            else:
                given = ", ".join(f"{name}={value!r}" for name, value in wanted.items())
                absent = f"{indicator_id} is not read for {given}: no file of the catalogue gives it."
            estimated = (
                f" qs.estimate({indicator_id!r}, ...) gives a model-based value, which is not a measure."
                if geo_level == "qpv" and known.estimable
                else ""
            )
            raise UnavailableLevelError(f"{absent} Read: {describe_coverage(records)}.{estimated}")


def describe_coverage(records: list[dict[str, object]]) -> str:
    """Levels, zonings and years of `Catalogue.published`, in one line.

    Examples
    --------
    >>> describe_coverage([{"geo_level": "qpv", "geo_vintage": 2015, "year": 2019}])
    'qpv 2015 (2019)'
    """
    coverage: dict[str, set[int]] = {}
    for record in records:
        place = f"{record['geo_level']} {record['geo_vintage'] or ''}".strip()
        coverage.setdefault(place, set()).add(int(str(record["year"])))
    return "; ".join(f"{place} ({', '.join(map(str, sorted(years)))})" for place, years in coverage.items())


def load_catalogue(path: Path) -> Catalogue:
    """Read and check a catalogue file.

    Parameters
    ----------
    path : Path
        A TOML file with tables `theme`, `category`, `source` and `indicator`.

    Returns
    -------
    Catalogue

    Raises
    ------
    CatalogueError
        Unknown or missing key, wrong type, reference to nothing, or contradiction; the message
        says in which record.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{path.name} is not valid TOML: {error}") from error
    unknown = set(document) - {"theme", "category", "source", "indicator"}
    if unknown:
        expected = "theme, category, source, indicator"
        raise CatalogueError(f"{path.name}: unknown tables {sorted(unknown)}; expected {expected}.")
    named = {
        "themes": document.get("theme", {}),
        "categories": document.get("category", {}),
        "sources": {name: {"id": name, **record} for name, record in document.get("source", {}).items()},
        "indicators": {name: {"id": name, **record} for name, record in document.get("indicator", {}).items()},
    }
    try:
        catalogue = msgspec.convert(named, Catalogue)
        for source in catalogue.sources.values():
            for vintage in source.vintage:
                source.tables_of(vintage)  # what an edition overrides is checked as strictly
    except msgspec.ValidationError as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    problems = catalogue_problems(catalogue)
    imported = [name for name, source in catalogue.sources.items() if source.imported]
    problems += [f"source.{name}: `imported` is not declared here" for name in imported]
    if problems:
        raise CatalogueError(f"{path.name}: " + "; ".join(problems))
    return catalogue


def catalogue_problems(catalogue: Catalogue) -> list[str]:
    """References to nothing and contradictions, one sentence each."""
    from qpv_sante.geography import LEVELS
    from qpv_sante.observations import FLAGS, MISSING_FLAGS

    found = [
        f"{where}: {text!a} holds a control character" for where, text in unsafe_texts(msgspec.to_builtins(catalogue))
    ]
    for source in catalogue.sources.values():
        where = f"source.{source.id}"
        ids = [vintage.id for vintage in source.vintage]
        found += [f"{where}: edition {name!r} declared twice" for name in {i for i in ids if ids.count(i) > 1}]
        if source.long:
            levels = [str(table.geo_level) for table in source.tables]
            found += [f"{where}: {p}" for p in long_form_problems(source.long, catalogue.categories, levels)]
        for vintage in source.vintage:
            if not source.imported and not vintage.url and not (vintage.landing_page and vintage.link_pattern):
                found.append(f"{where}@{vintage.id}: give url, or landing_page with link_pattern")
            if vintage.link_pattern:
                try:
                    re.compile(vintage.link_pattern)
                except re.error as error:
                    found.append(f"{where}@{vintage.id}: link_pattern: {error}")
            for table in source.tables_of(vintage):
                if table.geo_level is not None and table.geo_level not in LEVELS:
                    found.append(f"{where}@{vintage.id}: unknown geo_level {table.geo_level!r}")
                if table.blank_overseas not in (None, *MISSING_FLAGS):
                    found.append(f"{where}: blank_overseas is a flag of missing values, not {table.blank_overseas!r}")
                flags = {**table.missing, **{c: f for note in table.notes.values() for c, f in note.codes.items()}}
                found += [f"{where}: marker {m!r}: unknown flag {f!r}" for m, f in flags.items() if f not in FLAGS]
                found += [
                    f"{where}: marker {m!r} stands for a missing value, not {f!r}"
                    for m, f in table.missing.items()
                    if f in FLAGS and f not in MISSING_FLAGS
                ]
    for indicator in catalogue.indicators.values():
        where = f"indicator.{indicator.id}"
        if indicator.theme not in catalogue.themes:
            found.append(f"{where}: unknown theme {indicator.theme!r}")
        texts = (indicator.label, indicator.short, indicator.unit, indicator.definition, indicator.population)
        if any(set(text) != {"fr", "en"} for text in texts) or set(indicator.caveats) - {"fr", "en"}:
            found.append(f"{where}: texts are given in fr and en, no other language and none missing")
        for gap in indicator.unpublished:
            found += [f"{where}: unpublished: unknown geo_level {n!r}" for n in gap.geo_levels if n not in LEVELS]
            if set(gap.source) != {"fr", "en"}:
                found.append(f"{where}: unpublished needs its source in fr and en: who says so")
        for name in filter(None, [indicator.weight, indicator.weight_share, *indicator.weight_like]):
            if name not in catalogue.indicators:
                found.append(f"{where}: unknown weight {name!r}")
            elif name != indicator.weight and catalogue.indicators[name].kind != "rate":
                found.append(f"{where}: {name!r} is not a rate: it tells no share of a weight")
        published = {int(str(record["year"])) for record in _published_years(catalogue, indicator)}
        for one in indicator.examined:
            if len(one.years) < 2 or not set(one.years) <= published:
                found.append(f"{where}: `examined` names two or more published years, not {one.years}")
        if indicator.kind == "rate" and not indicator.range:
            found.append(f"{where}: a rate needs its range")
        for series in indicator.series:
            if series.source not in catalogue.sources:
                found.append(f"{where}: unknown source {series.source!r}")
                continue
            source = catalogue.sources[series.source]
            if bool(series.column) == bool(series.numerator and series.denominator):
                found.append(f"{where}, {series.source}: give column, or numerator and denominator")
            if series.step and not series.grids:
                found.append(f"{where}, {series.source}: `step` names one of the `grids`, and none is declared")
            if any(grid.step <= 0 for grid in series.grids):
                found.append(f"{where}, {series.source}: the step of a grid is above zero")
            ids = [vintage.id for vintage in source.vintage]
            found += [
                f"{where}, {series.source}: no edition {name!r}"
                for name in [*series.vintages, *series.years]
                if name not in ids
            ]
            if series.sheet and series.sheet not in [table.sheet for table in source.tables]:
                found.append(f"{where}, {series.source}: no table for the sheet {series.sheet!r}")
            if series.note and any(series.note not in table.notes for table in source.tables):
                found.append(f"{where}, {series.source}: unknown note {series.note!r}")
    return found


def _published_years(catalogue: Catalogue, indicator: Indicator) -> list[dict[str, object]]:
    """As `Catalogue.published`, and nothing for an indicator that names a source that is not there."""
    known = all(series.source in catalogue.sources for series in indicator.series)
    return catalogue.published(indicator.id) if known else []


@lru_cache(maxsize=1)
def core_catalogue() -> Catalogue:
    """The package's own catalogue, read once: what is downloaded, built and embedded in the snapshot."""
    return load_catalogue(Path(str(files("qpv_sante") / "catalogue.toml")))


def catalogue() -> Catalogue:
    """The package's catalogue and what was imported into the data folder in use.

    Imports are those of the build that is read: their restriction is that of the figures. What downloads or publishes
    iterates over `core_catalogue`: imported sources have no address, and may be restricted.
    """
    from qpv_sante import manifests, store

    build = store.serving_build()
    return _with_imports(build, manifests.stamp(build.path)) if build else core_catalogue()


@lru_cache(maxsize=4)
def _with_imports(build: Store, stamp: tuple[int | None, ...]) -> Catalogue:
    from qpv_sante.imports.records import catalogue_of

    return catalogue_of(build)


def _forget() -> None:
    core_catalogue.cache_clear()
    _with_imports.cache_clear()


catalogue.cache_clear = _forget  # type: ignore[attr-defined]
