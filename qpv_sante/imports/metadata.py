"""What an analyst declares of a file (a small TOML), and the headings that the package knows already."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec

from qpv_sante.catalogue import Indicator, Kind
from qpv_sante.content import MAX_DECLARED, read_regular
from qpv_sante.errors import CatalogueError, SchemaError, did_you_mean
from qpv_sante.observations import FLAGS, MISSING_FLAGS

# Words for missing values in the documented template; a file may declare others in `[missing]`
MISSING = {"s": "suppressed", "nd": "unavailable", "so": "not_applicable"}
NAME_FORM = r"[a-z][a-z0-9_]*"
EDITION_FORM = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?"
_THEMES = {"imported": {"fr": "Données importées", "en": "Imported data"}}
Words = str | dict[str, str]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the declared records: frozen, and strict about keys."""


class Secrecy(_Record, frozen=True):
    """The rule of statistical secrecy that the figures are held under.

    Figures that rest on fewer than `threshold` persons are withheld: counts, numerators of rates,
    denominators, and complements (2995 of 3000 leaves 5, which is as secret as 5).
    `zero_is_secret = false` lets a count of none, and one of the whole denominator, be published.
    `applied_by_producer` says that the file was made so, for figures that come without their counts.
    A file in which a withheld figure can be found by subtraction is refused; with `secondary = true` other figures of
    the file are withheld too, the smallest first, until none can be found.
    """

    threshold: int
    zero_is_secret: bool = True
    applied_by_producer: bool = False
    secondary: bool = False


class Measure(_Record, frozen=True):
    """An indicator that the file brings; texts in French and English, or one text for both."""

    label: Words
    unit: Words
    kind: Kind
    definition: Words
    short: Words | None = None
    population: Words | None = None
    theme: str = "imported"
    higher_is: Literal["worse", "better", "neither"] = "neither"
    range: list[float] | None = None
    weight: str | None = None
    # by default, those of the file
    decimals: int | None = None
    rounding: float | None = None
    headings: list[str] = []
    producer: str = ""


class Figure(_Record, frozen=True):
    """A column of figures of a wide table: what it gives, and of which year.

    `count`, `denominator`, `lower` and `upper` name the columns that go with it.
    """

    indicator: str = ""
    year: int | None = None
    sex: str = ""
    age: str = ""
    count: str = ""
    denominator: str = ""
    lower: str = ""
    upper: str = ""


class Metadata(_Record, frozen=True):
    """What a file does not say of itself. Keys are those of the template's TOML.

    `separator`, `decimal` and `encoding` are `;`, `,` and UTF-8 unless declared, and those of the portals for a
    Géoclip export. `header_line` is the line of the headings, from 1. `years` gives the year of what is not one: a
    period (`"2018-2022" = 2020`), or a heading without a plain year.
    """

    title: str = ""
    producer: str = ""
    licence: str = ""
    restriction: str = ""
    landing_page: str = ""
    edition: str | int | None = None
    year: int | None = None
    geo_level: str | None = None
    geo_vintage: int | None = None
    sheet: str | None = None
    separator: str | None = None
    decimal: Literal[",", "."] | None = None
    encoding: str | None = None
    header_line: int | None = None
    years: dict[str, int] = {}
    interval: Literal["none", "sampling", "rounding", "model", "process"] = "none"
    missing: dict[str, str] = {}
    secrecy: Secrecy | None = None
    columns: dict[str, str] = {}
    figures: dict[str, Figure] = {}
    indicator: dict[str, Measure] = {}

    @property
    def licence_text(self) -> str:
        """Licence and restriction notice together, as printed wherever a licence is."""
        if not self.restriction:
            return self.licence
        words = "Diffusion restreinte" if self.licence == "restricted" else self.licence
        return f"{words} : {self.restriction.rstrip('. ')}"


def load_metadata(given: Path | str | Mapping[str, Any] | None) -> Metadata:
    """Read and check what was declared of a file.

    Parameters
    ----------
    given : Path, str or mapping, optional
        A TOML file (see `qpv-sante import --template`), or its content.

    Returns
    -------
    Metadata

    Raises
    ------
    CatalogueError
        Not TOML, an unknown key, a wrong type, or a contradiction; the message lists the valid keys.

    Examples
    --------
    >>> given = {"licence": "restricted", "restriction": "ORS, usage interne.", "secrecy": {"threshold": 11}}
    >>> load_metadata(given).licence_text
    'Diffusion restreinte : ORS, usage interne'
    >>> load_metadata({"licence": "restricted"})
    Traceback (most recent call last):
        ...
    qpv_sante.errors.CatalogueError: metadata: licence = "restricted" needs `restriction`, ...
    """
    where = "metadata"
    if given is None:
        return Metadata()
    if isinstance(given, Mapping):
        document: Mapping[str, Any] = given
    else:
        path = Path(given)
        where = path.name
        try:
            # Notepad writes a byte-order mark
            document = tomllib.loads(read_regular(path, MAX_DECLARED).decode("utf-8-sig"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
            hint = " Save it as UTF-8." if isinstance(error, UnicodeDecodeError) else ""
            raise CatalogueError(f"The metadata {where} cannot be read: {error}.{hint}") from error
    try:
        declared = msgspec.convert(document, Metadata)
    except msgspec.ValidationError as error:
        keys = ", ".join(Metadata.__struct_fields__)
        raise CatalogueError(
            f"{where}: {error}. Keys: {keys}; of an [indicator.NAME]: {', '.join(Measure.__struct_fields__)}; "
            f"of [secrecy]: {', '.join(Secrecy.__struct_fields__)}; of [figures.HEADING]: "
            f"{', '.join(Figure.__struct_fields__)}."
        ) from error
    problems = _problems(declared)
    if problems:
        raise CatalogueError(f"{where}: " + "; ".join(problems))
    return declared


def _problems(declared: Metadata) -> list[str]:
    """Contradictions, one sentence each."""
    found = []
    if declared.licence == "restricted" and not declared.restriction:
        found.append(
            'licence = "restricted" needs `restriction`, the notice that follows the figures in every table, figure '
            "and citation (who may see them, until when, under which agreement)"
        )
    if declared.restriction and declared.secrecy is None:
        found.append(
            "restricted figures need [secrecy] with its threshold, and applied_by_producer = true where the producer "
            "applied it"
        )
    if declared.edition is not None:
        edition = str(declared.edition)
        if not re.fullmatch(EDITION_FORM, edition) or is_reserved(edition):
            found.append(
                f"edition = {edition!r}: expected letters, digits, dots, dashes and underscores (2024, 2024-bis), and "
                "no name that Windows reserves (con, nul...)"
            )
    for marker, flag in declared.missing.items():
        if flag not in MISSING_FLAGS:
            found.append(f"missing marker {marker!r}: {flag!r} is not one of {', '.join(MISSING_FLAGS)}")
    if declared.separator is not None and len(declared.separator) != 1:
        found.append(f"separator = {declared.separator!r}: expected one character (; or , or a tab)")
    if declared.header_line is not None and declared.header_line < 1:
        found.append(f"header_line = {declared.header_line}: lines are counted from 1")
    for text, year in declared.years.items():
        if not 1900 <= year < 2100:
            found.append(f"years: {text!r} = {year}; expected a year in four digits")
    if declared.secrecy is not None and declared.secrecy.threshold < 1:
        found.append(f"secrecy.threshold = {declared.secrecy.threshold}; expected 1 or more (11 in care data)")
    for name, measure in declared.indicator.items():
        if not re.fullmatch(NAME_FORM, name):
            found.append(f"indicator {name!r}: expected lower-case letters, digits and _ (ald_share)")
        for key in ("label", "short", "unit", "definition", "population"):
            text = getattr(measure, key)
            if isinstance(text, dict) and not {"fr", "en"} >= set(text) >= {"fr"}:
                found.append(f"indicator {name}: {key} is given in fr, and in en if it can be; found {sorted(text)}")
    return found


def is_reserved(name: str) -> bool:
    """Whether Windows keeps a name for a device, with or without a suffix: no file can bear it.

    Examples
    --------
    >>> is_reserved("con"), is_reserved("NUL.2024"), is_reserved("console")
    (True, True, False)
    """
    return re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", name.partition(".")[0], re.IGNORECASE) is not None


def indicator_of(name: str, measure: Measure, decimals: int = 1) -> Indicator:
    """A declared measure as an indicator of the catalogue, without series.

    A rate lies between 0 and 100 and is weighted by the population unless it says otherwise; `decimals` are shown
    unless it says how many.

    Examples
    --------
    >>> measure = Measure(label="Part en ALD", unit="%", kind="rate", definition="Bénéficiaires en ALD.")
    >>> made = indicator_of("ald", measure)
    >>> made.label, made.range, made.weight
    ({'fr': 'Part en ALD', 'en': 'Part en ALD'}, [0.0, 100.0], 'population')
    """
    rate = measure.kind == "rate"
    return Indicator(
        id=name,
        label=both(measure.label),
        short=both(measure.short or measure.label),
        theme=measure.theme,
        kind=measure.kind,
        unit=both(measure.unit),
        definition=both(measure.definition),
        population=both(measure.population or {"fr": "Non précisée", "en": "Not stated"}),
        series=[],
        higher_is=measure.higher_is,
        range=measure.range or ([0.0, 100.0] if rate else None),
        weight=measure.weight or ("population" if rate else None),
        decimals=decimals if measure.decimals is None else measure.decimals,
    )


def both(text: Words) -> dict[str, str]:
    """A text in both languages; the French stands where there is no English."""
    words = {"fr": text} if isinstance(text, str) else text
    return {"fr": words["fr"], "en": words.get("en", words["fr"])}


class Portal(_Record, frozen=True):
    """A Géoclip portal: who answers for its figures."""

    title: str
    producer: str
    licence: str
    landing_page: str


class Known(_Record, frozen=True):
    """`geoclip.toml`: portals, themes, indicators and the headings that carry them."""

    portal: dict[str, Portal]
    theme: dict[str, dict[str, str]]
    existing: dict[str, list[str]]
    indicator: dict[str, Measure]

    @property
    def headings(self) -> dict[str, str]:
        """Indicator of each heading, without its year."""
        found = {heading: name for name, titles in self.existing.items() for heading in titles}
        return found | {heading: name for name, measure in self.indicator.items() for heading in measure.headings}


@lru_cache(maxsize=1)
def known_headings() -> Known:
    """The headings of Géoclip exports that the package recognises, read once."""
    text = (files("qpv_sante") / "geoclip.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Known)


def themes_of(indicators: Mapping[str, Indicator]) -> dict[str, dict[str, str]]:
    """The themes that indicators use and that an import may have to bring along."""
    brought = _THEMES | known_headings().theme
    return {one.theme: brought[one.theme] for one in indicators.values() if one.theme in brought}


def choose_columns(
    columns: Mapping[str, tuple[str, int | None]],
    declared: Metadata,
    mapping: Mapping[str, str | None] | None,
    *,
    where: str,
) -> dict[str, str]:
    """Indicator of each heading of a Géoclip export; those to leave out are absent.

    Parameters
    ----------
    columns : mapping of str to (str, int or None)
        Title and year, by heading.
    declared : Metadata
        Its `columns`, and the `headings` of its indicators.
    mapping : mapping of str to str or None
        Heading, with or without year, to indicator; None or "" leaves the column out. Before `declared`,
        which comes before the known headings.
    where : str
        File, for messages.

    Returns
    -------
    dict of str to str

    Raises
    ------
    SchemaError
        A heading that nothing recognises, or a mapping of a heading that is not in the file.

    Examples
    --------
    >>> columns = {"Part ALD 2024": ("Part ALD", 2024), "Taux de pauvreté 2021": ("Taux de pauvreté", 2021)}
    >>> choose_columns(columns, Metadata(), {"Part ALD": "ald_share"}, where="example")
    {'Part ALD 2024': 'ald_share', 'Taux de pauvreté 2021': 'poverty_rate'}
    """
    asked: dict[str, str | None] = {**declared.columns, **(mapping or {})}
    own = {heading: name for name, measure in declared.indicator.items() for heading in measure.headings}
    every = known_headings().headings | own | asked
    titles = {title for title, _ in columns.values()}
    strangers = [heading for heading in asked if heading not in columns and heading not in titles]
    if strangers:
        raise SchemaError(
            f"{where}: no column {strangers[0]!r} to map. {did_you_mean(strangers[0], columns, limit=30)}"
        )
    chosen = {}
    for heading, (title, year) in columns.items():
        if heading not in every and title not in every:
            dated = (
                "" if year else f"It has no year at the end: [years], {heading!r} = 2021 in the metadata gives one. "
            )
            raise SchemaError(
                f"{where}: unknown heading {heading!r}. "
                f"{did_you_mean(title, known_headings().headings, limit=0)} {dated}Give "
                f"mapping={{{title!r}: 'an_indicator'}}, defined in the metadata as [indicator.an_indicator], or "
                f'mapping={{{title!r}: None}} to leave the column out (in the metadata: [columns], {title!r} = "").'
            )
        name = every[heading] if heading in every else every[title]
        if name:
            chosen[heading] = name
    if not chosen:
        raise SchemaError(f"{where}: every column is left out; nothing to import.")
    return chosen


def years_of(
    columns: Mapping[str, tuple[str, int | None]], chosen: Mapping[str, str], declared: Metadata, *, where: str
) -> dict[str, int]:
    """Year of each chosen heading of a Géoclip export, which the metadata may give.

    Raises
    ------
    SchemaError
        A heading that ends in no year, and that the metadata does not date.

    Examples
    --------
    >>> quarter = {"Chômage 2025-T4": ("Chômage 2025-T4", None)}
    >>> years_of(quarter, {"Chômage 2025-T4": "x"}, Metadata(years={"Chômage 2025-T4": 2025}), where="example")
    {'Chômage 2025-T4': 2025}
    """
    found = {}
    for heading in chosen:
        year = declared.years.get(heading, columns[heading][1])
        if year is None:
            raise SchemaError(
                f"{where}: column {heading!r}: no year at the end of the heading. Expected 'TITLE YEAR', such as 'Taux "
                "de pauvreté 2021'; figures of a period or a quarter are not one year's. Say under which year they are "
                f"stored (in the metadata: [years], {heading!r} = 2021), or leave the column out: "
                f"mapping={{{heading!r}: None}}."
            )
        found[heading] = year
    return found


def missing_markers(declared: Metadata, default: Mapping[str, str]) -> dict[str, str]:
    """Missing markers of a file and their flags: the usual ones, and those declared."""
    assert set(default.values()) <= set(FLAGS)  # noqa: S101 - a constant of ours
    return {**default, **declared.missing}
