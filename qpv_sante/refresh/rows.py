"""Figures that moved, as rows of words."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qpv_sante import loading, style
from qpv_sante.catalogue import core_catalogue
from qpv_sante.errors import QpvSanteError
from qpv_sante.observations import FLAG_LABELS, TOTAL
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.words import HEADERS, KINDS, WORDS

FIRST = 10  # moves shown at the top


class Names:
    """Labels of indicators and names of territories; the code itself where there is none."""

    def __init__(self, lang: style.Lang) -> None:
        self.lang = lang
        self.indicators = core_catalogue().indicators
        try:
            table = loading.gazetteer().territories
            self.places = table.set_index(["level", "code"])["name"].to_dict()
        except QpvSanteError:  # the report of a damaged store must still be written
            self.places = {}

    def indicator(self, name: str, sex: object = TOTAL, age: object = TOTAL) -> str:
        """Name of an indicator, with the class of its figure if it is not of everyone."""
        known = self.indicators.get(name)
        classes = style.classes_label(str(sex), str(age), self.lang)
        return ", ".join(part for part in (known.short[self.lang] if known else name, classes) if part)

    def place(self, level: str, code: str) -> str:
        """Name and code of a territory."""
        name = self.places.get((level, code)) or self.places.get(("qpv", code))
        return f"{name} ({code})" if name else code

    def value(self, indicator: str, value: object, flag: object = None) -> str:
        """A value with the indicator's digits, or its flag in words."""
        if value is None or pd.isna(value):
            return FLAG_LABELS[str(flag)][self.lang] if flag in FLAG_LABELS else "–"
        if isinstance(value, str):
            return value
        return self.number(indicator, float(str(value)))

    def number(self, indicator: str, value: float) -> str:
        """A number with the indicator's digits and unit."""
        symbol, decimals = self._unit(indicator)
        return style.format_number(value, decimals, lang=self.lang, symbol=symbol)

    def difference(self, indicator: str, value: float) -> str:
        """A difference between two values: in points for percentages."""
        symbol, decimals = self._unit(indicator)
        if symbol != "%":
            return style.format_number(value, decimals, lang=self.lang, symbol=symbol, sign=True)
        # French counts in the singular up to two, English only one itself
        size = abs(round(value, decimals))
        single = size < 2 if self.lang == "fr" else size == 1
        number = style.format_number(value, decimals, lang=self.lang, sign=True)
        return f"{number}\u00a0{'point' if single else 'points'}"

    def area(self, square_metres: float) -> str | None:
        """An area in square kilometres."""
        if pd.isna(square_metres):
            return None
        return style.format_number(square_metres / 1e6, 3, lang=self.lang, symbol="km²")

    def metres(self, distance: float) -> str:
        """A distance in metres."""
        return style.format_number(distance, 0, lang=self.lang, symbol="m")

    def _unit(self, indicator: str) -> tuple[str, int]:
        known = self.indicators.get(indicator)
        return (style.unit_symbol(known.unit[self.lang]), known.decimals) if known else ("", 1)


def counted(outcome: Outcome, lang: style.Lang) -> str:
    """What changed in a source, by kind."""
    return ", ".join(listed(outcome.changes.counts(), lang)) or WORDS["no_change"][lang]


def listed(counts: dict[str, int], lang: style.Lang) -> list[str]:
    """Numbers of differences, those that there are."""
    told = {KINDS[kind][lang]: style.format_number(number, 0, lang=lang) for kind, number in counts.items() if number}
    return [
        style.typography(f"{words} : {number}" if lang == "fr" else f"{words}: {number}")
        for words, number in told.items()
    ]


def largest_moves(report: RefreshReport, names: Names, lang: style.Lang) -> list[tuple[str, ...]]:
    """The largest moves of all sources, relative to the value before."""
    frames = [o.changes.examples["moved"] for o in report.outcomes if "moved" in o.changes.examples]
    if not frames:
        return []
    rows = pd.concat(frames, ignore_index=True)
    size = (rows["after"] - rows["before"]).abs() / rows["before"].abs().clip(lower=1)
    shown = rows.loc[size.sort_values(ascending=False).index].head(FIRST)
    return [
        (
            names.indicator(row.indicator, row.sex, row.age),
            names.place(row.geo_level, row.geo_code),
            str(row.year),
            names.value(row.indicator, row.before),
            names.value(row.indicator, row.after),
            names.difference(row.indicator, row.after - row.before),
        )
        for row in shown.itertuples()
    ]


def example_tables(outcome: Outcome, names: Names, lang: style.Lang) -> list[dict[str, Any]]:
    """One table for each kind of difference of a source."""
    tables = []
    for kind, rows in outcome.changes.examples.items():
        number = style.format_number(getattr(outcome.changes, kind), 0, lang=lang)
        title = WORDS["examples"][lang].format(
            source=outcome.source, kind=KINDS[kind][lang], shown=len(rows), number=number
        )
        cells = []
        for row in rows.to_dict("records"):
            indicator, level = str(row.get("indicator", "")), str(row.get("geo_level", ""))
            flags = (row.get("flag_before"), row.get("flag_after"))
            classes = (row.get("sex", TOTAL), row.get("age", TOTAL))
            what = names.indicator(indicator, *classes) if indicator else str(row["source"])
            if row.get("unit") == "m2":
                metres = row.get("metres")
                row |= {side: names.area(row[side]) for side in ("before", "after")}
                if metres and metres >= 1 and row["after"]:
                    row["after"] = WORDS["displaced"][lang].format(area=row["after"], metres=names.metres(metres))
            values = (
                names.value(indicator, row[side], flag) for side, flag in zip(("before", "after"), flags, strict=True)
            )
            cells.append((names.place(level, str(row["geo_code"])), what, str(row.get("year", "–")), *values))
        tables.append({"title": style.typography(title, lang), "header": HEADERS["examples"][lang], "rows": cells})
    return tables
