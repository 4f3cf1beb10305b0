"""The part of a report on figures that the user imported."""

from __future__ import annotations

from qpv_sante import listing, loading, style
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.export import restrictions
from qpv_sante.report import sections as parts
from qpv_sante.report.page import Section, Table
from qpv_sante.report.words import HEADER_IMPORTED, WORDS
from qpv_sante.territories import Territory

_MAX_IMPORTED = 300


def imported_section(geo_vintage: int, scope: Territory | None, lang: str) -> tuple[Section, list[str]] | None:
    """Figures that the user imported for these QPV, row by row, with citations; None where there are none."""
    from qpv_sante.observations import FLAG_LABELS, TOTAL

    lang = style.check_lang(lang)
    known = catalogue()
    frames = []
    for indicator in known.indicators.values():
        for name in dict.fromkeys(series.source for series in indicator.series):
            if not known.sources[name].imported:
                continue
            try:
                frames.append(
                    loading.load_observations(
                        indicator.id,
                        geo_level="qpv",
                        geo_vintage=geo_vintage,
                        territory=scope,
                        sex=None,
                        age=None,
                        category=None,
                        source=name,
                    )
                )
            except UnavailableLevelError:
                continue
    if not frames:
        return None
    places = loading.gazetteer().qpv
    names = places[places["geo_vintage"] == geo_vintage].set_index("geo_code")["name"].to_dict()
    rows, cited, notices = [], [], []
    for frame in frames:
        measured = known.indicator(str(frame["indicator"].iloc[0]))
        symbol = style.unit_symbol(measured.unit[lang])
        for row in frame.itertuples():
            classes = [str(one) for one in (row.sex, row.age, row.category) if one != TOTAL]
            rows.append(
                [
                    ", ".join([measured.label[lang], *classes]),
                    f"{names.get(row.geo_code, '')} ({row.geo_code})",
                    style.format_number(row.value, measured.decimals, lang=lang, symbol=symbol),
                    parts.span(row.lower, row.upper, measured.decimals, lang),
                    FLAG_LABELS[str(row.flag)][lang],
                    str(row.year),
                    str(row.source),
                ]
            )
        cited += listing.cite(frame).split("\n")
        notices += restrictions(frame)
    title = WORDS["imported"][lang]
    notes = [WORDS["restricted"][lang].format(notice=notice) for notice in dict.fromkeys(notices)]
    notes.append(WORDS["imported_note"][lang])
    if len(rows) > _MAX_IMPORTED:
        notes.append(WORDS["cut"][lang].format(shown=_MAX_IMPORTED, total=len(rows)))
    table = Table(title, HEADER_IMPORTED[lang], rows[:_MAX_IMPORTED])
    return Section(title, table=table, notes=[style.typography(text, lang) for text in notes]), cited
