"""The section on care supply, where these sources were built."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd

from qpv_sante import listing, style
from qpv_sante.errors import ComparabilityError, StoreError, UnknownNameError
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.report.page import Section, Table
from qpv_sante.report.sections import Made, span
from qpv_sante.report.words import HEADER_CARE, WORDS
from qpv_sante.territories import Territory

# of a territory with many QPV: one count a quarter
_ONE_COUNT, _ONE_DISTANCE = "health_structures", 500.0
_MAX_ROWS = 30


def care_section(scope: Territory | None, geo_vintage: int, lang: style.Lang) -> Made | None:
    """Care supply in and around QPV; none where its sources were never built or say nothing of the territory."""
    try:
        supply = importlib.import_module("qpv_sante.care").care_supply(scope, geo_vintage=geo_vintage, lang=lang)
    except (ImportError, StoreError, ComparabilityError, UnknownNameError):
        return None
    kept = supply
    if scope is None or scope.level != "qpv":
        kept = supply[(supply["indicator"] == _ONE_COUNT) & (supply["distance_m"] == _ONE_DISTANCE)]
    if kept.empty or (kept["flag"] == "unavailable").all():
        return None
    numbered: dict[str, int] = {}
    rows = [_row(row, numbered, lang) for row in kept.head(_MAX_ROWS).to_dict("records")]
    notes = [WORDS["care_note"][lang]]
    notes += [f"({number}) {style.capitalise(text)}." for text, number in numbered.items()]
    if len(kept) > _MAX_ROWS:
        notes.append(WORDS["cut"][lang].format(shown=_MAX_ROWS, total=len(kept)))
    title = WORDS["care"][lang]
    table = Table(title, HEADER_CARE[lang], rows, text_columns=(0, 1, 8))
    cited = listing.cite(kept.assign(source=kept["source"].replace("", pd.NA))).split("\n")
    return Section(title, table=table, notes=[style.typography(note, lang) for note in notes]), cited


def _row(row: dict[Any, Any], numbered: dict[str, int], lang: style.Lang) -> list[str]:
    """One count as printed; its note is added to those already numbered."""
    metres = row["distance_m"]
    inside = WORDS["care_inside"][lang]
    far = "–" if pd.isna(metres) else inside if metres == 0 else style.format_number(metres, 0, lang=lang, symbol="m")
    note = row["note"] if isinstance(row["note"], str) else ""
    return [
        f"{row['name']} ({listing.level_label(str(row['geo_level']), lang)})",
        str(row["label"]),
        "–" if pd.isna(row["year"]) else f"{row['year']:.0f}",
        far,
        style.format_number(row["value"], 0, lang=lang),
        span(row["lower"], row["upper"], 0, lang),
        style.format_number(row["density"], 1, lang=lang),
        span(row["density_lower"], row["density_upper"], 1, lang),
        FLAG_LABELS[str(row["flag"])][lang],
        f"({numbered.setdefault(note, len(numbered) + 1)})" if note else "",
    ]
