"""Sections that the territory report and the neighbourhood sheet share: rank, inequality, health, care supply."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd

from qpv_sante import health, listing, ranking, style
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import ComparabilityError, InvalidInputError, UnavailableLevelError
from qpv_sante.findings import points, uncapitalised
from qpv_sante.inequality.groups import summarize_inequality
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.ranking import FUNNEL_LABELS
from qpv_sante.report.diagnosis_words import WORDS as SAID
from qpv_sante.report.page import Section, Table
from qpv_sante.report.words import (
    HEADER_HEALTH,
    HEADER_INEQUALITY,
    HEADER_RANK,
    HEADER_SURVEYS,
    MEASURES,
    WORDS,
)
from qpv_sante.territories import Territory

log = logging.getLogger(__name__)

# What is published of health, none of it by QPV: indicator, year and finest level
HEALTH: tuple[tuple[str, int, str], ...] = (
    ("depression_prevalence", 2024, "region"),
    ("self_perceived_health_good", 2021, "department"),
    ("psychological_difficulties", 2021, "department"),
    ("antidepressant_share", 2020, "department"),
)
_MAX_RANKED = 30
_LEVEL = 0.95

Made = tuple[Section, list[str]]


def span(low: float, high: float, decimals: int, lang: style.Lang) -> str:
    """Bounds as printed; one number where both print alike, a dash where one is unknown."""
    if pd.isna(low) or pd.isna(high):
        return "–"
    ends = [style.format_number(end, decimals, lang=lang) for end in (low, high)]
    return ends[0] if ends[0] == ends[1] else ("\u00a0à\u00a0" if lang == "fr" else "\u00a0to\u00a0").join(ends)


def with_span(value: str, bounds: str) -> str:
    """A printed value followed by its printed bounds, where they say more."""
    return value if bounds in ("–", value) or bounds == value.split("\u202f%")[0] else f"{value} ({bounds})"


def rank_section(indicator: str, year: int, geo_vintage: int, scope: Territory | None, lang: style.Lang) -> Made | None:
    """QPV in order of value, with the doubt on each rank; none where no QPV has a value."""
    known = catalogue().indicator(indicator)
    title = style.typography(
        WORDS["rank"][lang].format(label=known.short[lang], year=_year(indicator, year, lang)), lang
    )
    try:
        ranked = ranking.rank(indicator, geo_vintage=geo_vintage, year=year, territory=scope, level=_LEVEL, lang=lang)
    except UnavailableLevelError:
        return None
    symbol = style.unit_symbol(known.unit[lang])
    with_rank = ranked[ranked["rank"].notna()]
    rows = [
        [
            style.format_number(row.rank, 0, lang=lang),
            f"{row.name} ({row.geo_code})",
            str(row.commune_names).replace(";", ", "),
            style.format_number(row.value, known.decimals, lang=lang, symbol=symbol),
            span(row.lower, row.upper, known.decimals, lang),
            span(row.rank_lower, row.rank_upper, 0, lang),
            style.format_number(row.n, 0, lang=lang),
            style.typography(FUNNEL_LABELS[str(row.funnel_position)][lang], lang),
        ]
        for row in with_rank.head(_MAX_RANKED).itertuples(index=False)
    ]
    level = style.format_number(100 * _LEVEL, 0, lang=lang)
    whole = style.format_number(with_rank["target"].iloc[0], known.decimals, lang=lang, symbol=symbol)
    findings = [WORDS["rank_whole"][lang].format(value=whole, used=len(with_rank), total=len(ranked))]
    notes = [WORDS["rank_bounds"][lang].format(level=level), *ranked.attrs["warnings"]]
    notes = [note.replace("rank_lower et rank_upper", "les rangs possibles") for note in notes]
    notes = [note.replace("rank_lower and rank_upper", "the possible ranks") for note in notes]
    if len(with_rank) > _MAX_RANKED:
        notes.append(WORDS["cut"][lang].format(shown=_MAX_RANKED, total=len(with_rank)))
    caption = WORDS["table"][lang].format(
        label=f"{known.label[lang]} ({known.unit[lang]})", year=_year(indicator, year, lang), vintage=geo_vintage
    )
    table = Table(style.typography(caption, lang), HEADER_RANK[lang], rows, text_columns=(0, 1, 2, 7))
    said = Section(title, findings=_typed(findings, lang), table=table, notes=_typed(notes, lang))
    return said, listing.cite(ranked).split("\n")


def inequality_section(
    indicator: str, year: int, geo_vintage: int, scope: Territory | None, lang: style.Lang
) -> Made | None:
    """Five groups of QPV by poverty and what sums up their inequality; none where too few QPV have a value."""
    known = catalogue().indicator(indicator)
    try:
        summary = summarize_inequality(
            indicator, geo_vintage=geo_vintage, year=year, territory=scope, measures=list(MEASURES), lang=lang
        )
    except (UnavailableLevelError, ComparabilityError, InvalidInputError) as error:
        log.info("no inequality table: %s", error)
        return None
    symbol = style.unit_symbol(known.unit[lang])
    rows = []
    for measure, words in MEASURES.items():
        if measure not in summary.index or pd.isna(summary.loc[measure, "value"]):
            continue
        label, reading = words[lang]
        decimals = known.decimals if measure in ("d", "sii") else 2
        value = style.format_number(summary.loc[measure, "value"], decimals, lang=lang)
        rows.append([label, value, style.typography(reading, lang)])
    groups = [
        style.typography(
            f"{one['group']} : {style.format_number(one['estimate'], known.decimals, lang=lang, symbol=symbol)}"
            f" ({one['n_used']}/{one['n_total']} QPV)"
            if lang == "fr"
            else f"{one['group']}: {style.format_number(one['estimate'], known.decimals, lang=lang, symbol=symbol)}"
            f" ({one['n_used']}/{one['n_total']} QPV)",
            lang,
        )
        for one in summary.attrs["groups"]
    ]
    title = WORDS["inequality"][lang].format(label=known.short[lang], year=_year(indicator, year, lang))
    table = Table(style.typography(WORDS["groups"][lang], lang), HEADER_INEQUALITY[lang], rows, text_columns=(0, 2))
    notes = [style.capitalise(note) + "." for note in summary.attrs["notes"]]
    section = Section(style.typography(title, lang), findings=groups, table=table, notes=_typed(notes, lang))
    return section, listing.cite(indicator_source(indicator, year, geo_vintage)).split("\n")


def indicator_source(indicator: str, year: int, geo_vintage: int) -> str:
    """The edition that publishes an indicator by QPV for a year."""
    return next(
        str(record["source"])
        for record in health.published_records(indicator)
        if (record["geo_level"], record["geo_vintage"], record["year"]) == ("qpv", geo_vintage, year)
    )


def health_section(place: Territory, lang: style.Lang, *, said: bool = False) -> Made | None:
    """Health of the department and of the region that hold a territory, against the country.

    With `said`, sentences on the gaps whose published interval leaves zero on one side.
    """
    told: list[str] = []
    rows: list[list[str]] = []
    cited: list[str] = []
    numbered: dict[str, int] = {}
    asked: list[str] = []
    for indicator, year, finest in HEALTH:
        if place.level == "country" and finest != "region":
            continue
        by = "region" if place.level in ("region", "country") else finest
        known = catalogue().indicator(indicator)
        asked.append(indicator)
        try:
            table = health.compare_health(indicator, year=year, territory=place, by=by, lang=lang)
        except UnavailableLevelError:
            absent = FLAG_LABELS["unavailable"][lang]
            dashes = ["–"] * 5
            rows.append([known.short[lang], str(year), _named_around(place, by, lang), *dashes, absent, ""])
            continue
        published = table[table["kind"] == "published"]
        rows += [_health_row(row, numbered, lang) for row in published.to_dict("records")]
        told += health_findings(published, lang)
        cited += listing.cite(published).split("\n")
    title = WORDS["around"][lang]
    findings = (told or [style.typography(SAID["health_none"][lang], lang)]) if said else []
    caption = style.typography(WORDS["around_caption"][lang], lang)
    table_of = Table(caption, HEADER_HEALTH[lang], rows, text_columns=(0, 2, 8, 9))
    measured = [catalogue().indicator(one).label[lang] for one in asked]
    notes = [
        WORDS["around_note"][lang],
        WORDS["around_measured"][lang].format(
            labels=(" ; " if lang == "fr" else "; ").join(map(uncapitalised, measured))
        ),
        *(f"({number}) {style.capitalise(text)}." for text, number in numbered.items()),
    ]
    return Section(title, findings=findings, table=table_of, notes=_typed(notes, lang)), cited


def _named_around(place: Territory, by: str, lang: style.Lang) -> str:
    """The departments or regions that a territory lies in, as the rows that have a value name them."""
    names, level = ", ".join(health.names_around(place, by)), listing.level_label(by, lang)
    return f"{names} ({level})" if names else level


def health_findings(published: pd.DataFrame, lang: style.Lang = "fr") -> list[str]:
    """Sentences on rows of `compare_health` whose interval gives the gap with the country a direction.

    They name the level, and say that it is not that of the QPV.
    """
    texts = []
    for row in published.to_dict("records"):
        low, high = row["difference_lower"], row["difference_upper"]
        if not (low > 0 or high < 0):
            continue
        known = catalogue().indicator(str(row["indicator"]))
        symbol = style.unit_symbol(known.unit[lang])
        classes = style.classes_label(str(row["sex"]), str(row["age"]), lang)
        text = SAID["health_finding"][lang].format(
            level=style.capitalise(listing.level_label(str(row["territory_level"]), lang)),
            place=row["territory"],
            label=", ".join(filter(None, [known.label[lang], classes])),
            year=row["year"],
            value=style.format_number(row["value"], known.decimals, lang=lang, symbol=symbol),
            reference=style.format_number(row["reference_value"], known.decimals, lang=lang, symbol=symbol),
            difference=points(row["difference"], known.decimals, lang),
            low=style.format_number(low, known.decimals, lang=lang, sign=True),
            high=style.format_number(high, known.decimals, lang=lang, sign=True),
        )
        texts.append(style.typography(text, lang))
    return texts


def _health_row(row: dict[Any, Any], numbered: dict[str, int], lang: style.Lang) -> list[str]:
    """A row of the table; its notes are added to those already numbered."""
    known = catalogue().indicator(str(row["indicator"]))
    symbol = style.unit_symbol(known.unit[lang])
    classes = style.classes_label(str(row["sex"]), str(row["age"]), lang)

    def number(value: float) -> str:
        return style.format_number(value, known.decimals, lang=lang, symbol=symbol)

    said = [str(row[name]) for name in ("note", "reference_note") if pd.notna(row[name])]
    pieces = [piece.strip() for note in said for piece in note.replace("\u202f;", ";").split(";") if piece.strip()]
    numbers = sorted({numbered.setdefault(piece, len(numbered) + 1) for piece in pieces})
    return [
        ", ".join(filter(None, [known.short[lang], classes])),
        str(row["year_label"]),
        f"{row['territory']} ({listing.level_label(str(row['territory_level']), lang)})",
        number(row["value"]),
        span(row["lower"], row["upper"], known.decimals, lang),
        number(row["reference_value"]),
        span(row["reference_lower"], row["reference_upper"], known.decimals, lang),
        style.format_number(row["difference"], known.decimals, lang=lang, sign=True),
        FLAG_LABELS[str(row["flag"])][lang],
        ", ".join(f"({number})" for number in numbers),
    ]


def surveys_section(lang: style.Lang) -> Made | None:
    """What national surveys found inside and outside neighbourhoods, each with its publication."""
    found = health.contrast_rows("depression_prevalence", lang)
    if found.empty:
        return None
    rows = []
    for row in found.to_dict("records"):
        symbol = style.unit_symbol(str(row["unit"]))
        rows.append(
            [
                f"{row['label']} ({row['territory']})",
                str(row["year_label"]),
                style.format_number(row["value"], 0, lang=lang, symbol=symbol),
                style.format_number(row["reference_value"], 0, lang=lang, symbol=symbol),
                style.format_number(row["difference"], 0, lang=lang, sign=True),
                str(row["reference_label"]),
                str(row["publication"]),
            ]
        )
    title = WORDS["surveys"][lang]
    caption = style.typography(WORDS["surveys_caption"][lang], lang)
    table = Table(caption, HEADER_SURVEYS[lang], rows, text_columns=(0, 5, 6))
    return Section(title, table=table, notes=_typed([WORDS["surveys_note"][lang]], lang)), []


def _year(indicator: str, year: int, lang: style.Lang) -> str:
    known = catalogue().indicator(indicator)
    sources = [
        str(record["source"])
        for record in health.published_records(indicator)
        if record["geo_level"] == "qpv" and record["year"] == year
    ]
    return style.year_label(known, sources, year, lang)


def _typed(texts: list[str], lang: style.Lang) -> list[str]:
    return [style.typography(text, lang) for text in texts]
