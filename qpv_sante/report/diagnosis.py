"""Parts of a territory's diagnosis that come from its facts: who lives there, precarity, what cannot be said."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

import msgspec
import pandas as pd

from qpv_sante import findings, listing, loading, style
from qpv_sante.catalogue import catalogue
from qpv_sante.contrasts import load_survey_contrasts
from qpv_sante.errors import CatalogueError
from qpv_sante.forms import Text
from qpv_sante.geography import LEVELS
from qpv_sante.health import published_records
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.report.diagnosis_words import HEADER_AROUND, HEADER_LIMITS, HEADER_PEERS, HEADER_PLACE, WORDS
from qpv_sante.report.facts import COMPARED, LEAST_COVERAGE, PEOPLE, PRECARITY, only_in_other_zoning
from qpv_sante.report.page import Section, Table
from qpv_sante.report.sections import Made, span, with_span
from qpv_sante.territories import COMPOSITE, Territory


class _Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    question: Text
    remark: Text
    indicators: list[str] = []
    contrast: str = ""


class _Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    limit: list[_Limit]


@lru_cache(maxsize=1)
def _limits() -> list[_Limit]:
    path = files("qpv_sante.report") / "limits.toml"
    try:
        read = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8-sig")), _Limits).limit
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"limits.toml: {error}") from error
    return read


def place_name(place: Territory, lang: style.Lang) -> str:
    """A territory's name in a language: that of its record for a composite one."""
    if place.level != COMPOSITE:
        return place.name
    return loading.gazetteer().composites[place.code].record.text("label", lang)


def place_section(place: Territory, geo_vintage: int, lang: style.Lang) -> Made | None:
    """What a composite territory covers and leaves out; none for an official one."""
    if place.level != COMPOSITE:
        return None
    record = loading.gazetteer().composites[place.code].record
    names = loading.gazetteer().qpv_in(place, geo_vintage).set_index("geo_code")["name"]
    rows = [
        [
            quarter.name,
            f"{names[link.qpv]} ({link.qpv})",
            style.format_number(100 * link.share_of_quarter, 0, lang=lang, symbol="%"),
            style.format_number(100 * link.share_of_qpv, 0, lang=lang, symbol="%"),
        ]
        for quarter in record.quarter
        for link in quarter.overlaps
        if link.qpv in names.index
    ]
    note = record.text("note", lang)
    if not note and not rows:
        return None
    notes = []
    if record.match:
        told = {"method": record.match.method[lang], "precision": record.match.precision[lang]}
        notes.append(WORDS["place_method"][lang].format(**told, computed=_day(record.match.computed, lang)))
    table = Table(WORDS["place_table"][lang], HEADER_PLACE[lang], rows, text_columns=(0, 1)) if rows else None
    return (
        Section(
            WORDS["place"][lang],
            findings=[style.typography(note, lang)] if note else [],
            table=table,
            notes=[style.typography(text, lang) for text in notes],
        ),
        [],
    )


def _day(text: str, lang: style.Lang) -> str:
    """A date as written in a language."""
    day = date.fromisoformat(text)
    number = "1er" if day.day == 1 else str(day.day)
    return f"{number} {_MONTHS[day.month - 1]} {day.year}" if lang == "fr" else text


_MONTHS = (
    *("janvier", "février", "mars", "avril", "mai", "juin"),
    *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
)


def essentials_section(facts: pd.DataFrame, lang: style.Lang) -> Section:
    """The half-page of findings."""
    notes = [style.typography(WORDS["essentials_note"][lang], lang)]
    return Section(WORDS["essentials"][lang], findings=findings.half_page(facts, lang), notes=notes)


def _other_zoning(listed: dict[int, tuple[tuple[str, int], ...]], geo_vintage: int, lang: style.Lang) -> list[str]:
    """What the report of the other zoning tells and that this one cannot."""
    names = only_in_other_zoning(listed, geo_vintage)
    if not names:
        return []
    shorts = [findings.uncapitalised(catalogue().indicator(name).short[lang]) for name in names]
    joined = (" ; " if lang == "fr" else "; ").join(shorts)
    other = next(zoning for zoning in listed if zoning != geo_vintage)
    return [WORDS["other_zoning"][lang].format(vintage=geo_vintage, other=other, names=joined)]


def peers_section(facts: pd.DataFrame, part: str, geo_vintage: int, lang: style.Lang) -> Section:
    """Indicators that are published by QPV only, beside those of other QPV."""
    rows = []
    before = ""
    for fact in facts[facts["part"] == part].to_dict("records"):
        number, gap = _numbers(fact, lang)
        first = fact["indicator"] != before
        before = str(fact["indicator"])
        short = catalogue().indicator(str(fact["indicator"])).short[lang]
        own = [with_span(number(fact["value"]), _span(fact, "", lang)), f"{fact['n_used']}/{fact['n_total']}"]
        rows.append(
            [
                short,
                # the territory's own side is written once: the rows below it are other references of the same figure
                *(own if first else ["", ""]),
                str(fact["reference_label"]) or "–",
                with_span(number(fact["reference_value"]), _span(fact, "reference_", lang)),
                gap(fact["difference"]),
                str(fact["year_label"]),
                FLAG_LABELS[str(fact["flag"])][lang],
            ]
        )
    caption = WORDS["peers_caption"][lang].format(vintage=geo_vintage)
    table = Table(style.typography(caption, lang), HEADER_PEERS[lang], rows, text_columns=(0, 3, 6, 7))
    listed = facts[facts["part"] == part]
    notes = [WORDS["peers_note"][lang]]
    if listed["year_label"].ne(listed["year"].astype(str)).any():
        notes.append(WORDS["edition"][lang])
    notes += _other_zoning({"people": PEOPLE, "precarity": PRECARITY}[part], geo_vintage, lang)
    return Section(WORDS[part][lang], table=table, notes=[style.typography(text, lang) for text in notes])


def around_section(facts: pd.DataFrame, geo_vintage: int, lang: style.Lang) -> Section:
    """Precarity of the QPV against each reference of the team."""
    rows = []
    for fact in facts[facts["part"] == "surroundings"].to_dict("records"):
        number, gap = _numbers(fact, lang)
        ranged = pd.notna(fact["least"])
        value = WORDS["range"][lang].format(least=number(fact["least"]), most=number(fact["most"]))
        short = catalogue().indicator(str(fact["indicator"])).short[lang]
        reference = with_span(number(fact["reference_value"]), _span(fact, "reference_", lang))
        rows.append(
            [
                f"{short}, {fact['year_label']}",
                value if ranged else with_span(number(fact["value"]), _span(fact, "", lang)),
                f"{fact['n_used']}/{fact['n_total']}",
                str(fact["reference_label"]),
                reference,
                with_span(gap(fact["difference"]), _span(fact, "difference_", lang)),
                FLAG_LABELS[str(fact["flag" if fact["reference_flag"] == "observed" else "reference_flag"])][lang],
            ]
        )
    caption = style.typography(WORDS["around_caption"][lang].format(vintage=geo_vintage), lang)
    table = Table(caption, HEADER_AROUND[lang], rows, text_columns=(0, 3, 6))
    said = [fact for fact in facts.to_dict("records") if fact["reference_flag"] == "unavailable"]
    notes = [WORDS["around_note"][lang]]
    notes += [
        WORDS["limits_reference"][lang].format(
            label=fact["label"], reference=fact["reference_label"], least=LEAST_COVERAGE
        )
        for fact in said
    ]
    notes += _other_zoning(COMPARED, geo_vintage, lang)
    title = WORDS["around"][lang]
    return Section(title, table=table, notes=[style.typography(text, lang) for text in dict.fromkeys(notes)])


def _numbers(fact: dict[Any, Any], lang: style.Lang) -> tuple[Any, Any]:
    """Printers of a value and of a gap of one fact."""
    known = catalogue().indicator(str(fact["indicator"]))
    symbol = style.unit_symbol(str(fact["unit"]))

    def number(value: float) -> str:
        return style.format_number(value, known.decimals, lang=lang, symbol=symbol)

    def gap(value: float) -> str:
        return style.format_number(value, known.decimals, lang=lang, sign=True)

    return number, gap


def _span(fact: dict[Any, Any], prefix: str, lang: style.Lang) -> str:
    decimals = catalogue().indicator(str(fact["indicator"])).decimals
    return span(fact[f"{prefix}lower"], fact[f"{prefix}upper"], decimals, lang)


def limits_section(lang: style.Lang) -> Section:
    """What the sources read do not say by QPV, with the finest level at which it is known."""
    rows = []
    for one in _limits():
        level, years = WORDS["limits_none"][lang], "–"
        if one.indicators:
            level, years = _finest(one.indicators, lang)
        elif one.contrast:
            found = load_survey_contrasts(one.contrast, lang=lang)
            level, years = WORDS["limits_national"][lang], ", ".join(found["year"])
        rows.append([style.typography(text, lang) for text in (one.question[lang], level, years, one.remark[lang])])
    caption = WORDS["limits_caption"][lang]
    table = Table(caption, HEADER_LIMITS[lang], rows, text_columns=(0, 1, 2, 3))
    return Section(WORDS["limits"][lang], table=table)


def _finest(indicators: list[str], lang: style.Lang) -> tuple[str, str]:
    """The smallest level of territory at which all of these are published, and its years."""
    known = [published_records(name) for name in indicators]
    order = list(LEVELS)
    shared = set.intersection(*({str(record["geo_level"]) for record in records} for records in known))
    level = min(shared, key=order.index)
    years = {str(record["year"]) for records in known for record in records if record["geo_level"] == level}
    return listing.level_label(level, lang), ", ".join(sorted(years))
