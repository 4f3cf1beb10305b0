"""The territory report: what is measured in QPV, against their surroundings, ranked, summed up, with its sources."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qpv_sante import comparison, listing, loading, style
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.export import restrictions
from qpv_sante.report import sections as parts
from qpv_sante.report.page import Report, Section, Table, figure_of
from qpv_sante.report.supply import care_section
from qpv_sante.report.words import HEADER, HEADER_ALONE, HEADER_IMPORTED, WORDS
from qpv_sante.territories import Territory

# What a report shows: indicator, year and reference, for each zoning
COMPARED: dict[int, tuple[tuple[str, int, str], ...]] = {
    2015: (
        ("poverty_rate", 2019, "commune"),
        ("single_parent_recipient_share", 2020, "commune"),
        ("rsa_recipient_share", 2020, "commune"),
    ),
    2024: (("poverty_rate", 2021, "commune"),),
}
QPV_ONLY: dict[int, tuple[tuple[str, int], ...]] = {
    2015: (
        ("population", 2018),
        ("c2s_share", 2022),
        ("foreigner_share", 2022),
        ("one_person_household_share", 2022),
        ("under_25_share", 2022),
        ("over_60_share", 2022),
        ("employment_rate", 2022),
        ("limited_duration_job_share", 2022),
    ),
    2024: (
        ("population", 2020),
        ("foreigner_share", 2020),
        ("one_person_household_share", 2020),
        ("employment_rate", 2020),
    ),
}
# Rates of which the number of persons is published: they can be ranked, and summed up by groups
RANKED: dict[int, tuple[str, int]] = {2015: ("c2s_share", 2022), 2024: ("poverty_rate", 2021)}
SUMMED: dict[int, tuple[str, int]] = {2015: ("c2s_share", 2022), 2024: ("employment_rate", 2020)}
_GROUPING = {"country": "region", "region": "department", "department": "commune", "epci": "commune"}
_MAX_ROWS = 25

_MAX_IMPORTED = 300


def report(
    territory: str | Territory | None = None, *, geo_vintage: int = 2015, by: str | None = None, lang: str = "fr"
) -> Report:
    """What is measured in the QPV of a territory, against their surroundings.

    Parameters
    ----------
    territory : str, optional
        A name or typed code; all of France by default.
    geo_vintage : int
        Zoning of the QPV, 2015 or 2024.
    by : str, optional
        Territories of the rows; by default the level below (regions of France, departments of a region,
        communes of a department or EPCI, QPV of a commune).
    lang : {"fr", "en"}

    Returns
    -------
    Report
        Comparisons, a map, the QPV ranked with the doubt on each rank, a summary of their inequality, what is published
        by QPV only, health at the level where it is known. With a section of imported figures where an import has rows
        for these QPV (see `import_observations`); the restriction notice of a restricted source is printed there and
        in the sources.

    Raises
    ------
    UnknownNameError
        Unknown territory, zoning, grouping or language.
    UnavailableLevelError
        No QPV of that zoning in the territory.
    """
    from qpv_sante import maps

    lang = style.check_lang(lang)
    places = loading.gazetteer()
    place = places.resolve(territory) or comparison.ALL_FRANCE
    scope = None if place == comparison.ALL_FRANCE else place
    if geo_vintage not in COMPARED:
        raise UnavailableLevelError(f"No QPV zoning of {geo_vintage}. Zonings: {', '.join(map(str, COMPARED))}.")
    number = len(places.qpv_in(scope, geo_vintage))
    grouping = by or _GROUPING.get(place.level, "qpv")
    sections, sources = [], []
    for indicator, year, reference in COMPARED[geo_vintage]:
        section, used = comparison_section(indicator, year, reference, geo_vintage, scope, grouping, lang)
        sections.append(section)
        sources += used
    first, first_year, _ = COMPARED[geo_vintage][0]
    title = style.typography(f"{WORDS['map'][lang]} : {listing.label_of(first, lang, short=True)}", lang)
    try:
        axes = maps.plot_map(first, geo_vintage=geo_vintage, year=first_year, territory=scope, lang=lang)
    except UnavailableLevelError:
        # overseas QPV of 2015 have no published outline: the rest of the report stands
        sections.append(Section(title, notes=[style.typography(WORDS["no_map"][lang], lang)]))
    else:
        sections.append(Section(title, figures=[figure_of(axes, title)]))
    for made in (
        parts.rank_section(*RANKED[geo_vintage], geo_vintage, scope, lang),
        parts.inequality_section(*SUMMED[geo_vintage], geo_vintage, scope, lang),
        qpv_only_section(geo_vintage, scope, lang),
        parts.health_section(place, lang),
        parts.surveys_section(lang),
        care_section(scope, geo_vintage, lang),
    ):
        if made is not None:
            sections.append(made[0])
            sources += made[1]
    if brought := imported_section(geo_vintage, scope, lang):
        sections.append(brought[0])
        sources += brought[1]
    return Report(
        title=style.typography(WORDS["title"][lang].format(place=place.name), lang),
        lead=style.typography(WORDS["lead"][lang].format(number=number, vintage=geo_vintage), lang),
        sections=sections,
        sources=[style.typography(line, lang) for line in dict.fromkeys(sources)],
        lang=lang,
    )


def comparison_section(
    indicator: str, year: int, reference: str, geo_vintage: int, scope: Territory | None, by: str, lang: str
) -> tuple[Section, list[str]]:
    """Findings, figure and table of one comparison, and its citations."""
    from qpv_sante import charts

    lang = style.check_lang(lang)
    asked: dict[str, Any] = {"geo_vintage": geo_vintage, "year": year, "reference": reference, "lang": lang}
    gaps = comparison.compare(indicator, by=by, territory=scope, **asked)
    whole = comparison.compare(indicator, by=None, territory=scope, **asked)
    drawn = gaps.nlargest(_MAX_ROWS, "difference") if len(gaps) > charts.MAX_ROWS else gaps
    axes = charts.plot_gap(drawn, lang=lang)
    label = listing.label_of(indicator, lang)
    section = Section(
        title=f"{label}, {year}",
        findings=findings(gaps, whole, lang),
        figures=[figure_of(axes, " ".join(findings(gaps, whole, lang)))],
        table=gap_table(gaps, lang),
        notes=[style.typography(text, lang) for text in caveats(indicator, lang)],
    )
    return section, listing.cite(gaps).split("\n")


def caveats(indicator: str, lang: str) -> list[str]:
    """The catalogue's caveats on an indicator."""
    return list(catalogue().indicator(indicator).caveats.get("en" if lang == "en" else "fr", []))


def findings(gaps: pd.DataFrame, whole: pd.DataFrame, lang: str = "fr") -> list[str]:
    """Sentences written from the numbers by rules; they compare, and never explain.

    Parameters
    ----------
    gaps, whole : DataFrame
        Results of `compare`, by territory and in one row.
    lang : {"fr", "en"}

    Returns
    -------
    list of str
    """
    lang = style.check_lang(lang)
    known = catalogue().indicator(str(whole["indicator"].iloc[0]))
    symbol = style.unit_symbol(known.unit[lang])
    one = whole.iloc[0]
    said = []
    if pd.notna(one["difference"]):
        said.append(
            WORDS["whole"][lang].format(
                place=one["territory"],
                value=style.format_number(one["qpv_value"], known.decimals, lang=lang, symbol=symbol),
                reference=style.format_number(one["reference_value"], known.decimals, lang=lang, symbol=symbol),
                label=one["reference_label"],
                difference=_points(one["difference"], known.decimals, lang),
                used=f"{one['n_used']}/{one['n_total']}",
            )
        )
    ranked = gaps[gaps["difference"].notna() & (gaps["flag"] == "observed")].sort_values("difference")
    if len(ranked) > 1:
        low, high = ranked.iloc[0], ranked.iloc[-1]
        said.append(
            WORDS["largest"][lang].format(
                low=_points(low["difference"], known.decimals, lang),
                low_place=low["territory"],
                high=_points(high["difference"], known.decimals, lang),
                high_place=high["territory"],
            )
        )
    missing = gaps.loc[gaps["difference"].isna(), "territory"]
    if len(missing) and len(missing) <= 12:
        said.append(WORDS["missing"][lang].format(places=", ".join(missing)))
    return [style.typography(text, lang) for text in said]


def _points(value: float, decimals: int, lang: style.Lang) -> str:
    """A gap in points; in French the plural starts at two."""
    plural = abs(round(value, decimals)) >= 2 if lang == "fr" else abs(round(value, decimals)) != 1
    return f"{style.format_number(value, decimals, lang=lang, sign=True)} {'points' if plural else 'point'}"


def gap_table(gaps: pd.DataFrame, lang: str = "fr") -> Table:
    """A comparison as printed: values, bounds, gap, number of QPV and status."""
    from qpv_sante.observations import FLAG_LABELS

    lang = style.check_lang(lang)
    known = catalogue().indicator(str(gaps["indicator"].iloc[0]))

    def number(value: float, *, sign: bool = False, decimals: int = known.decimals) -> str:
        return style.format_number(value, decimals, lang=lang, sign=sign)

    rows = [
        [
            str(row.territory),
            number(row.qpv_value),
            parts.span(row.qpv_lower, row.qpv_upper, known.decimals, lang),
            number(row.reference_value),
            parts.span(row.reference_lower, row.reference_upper, known.decimals, lang),
            number(row.difference, sign=True),
            number(row.ratio, decimals=2),
            f"{row.n_used}/{row.n_total}",
            FLAG_LABELS[str(row.flag)][lang],
        ]
        for row in gaps.itertuples()
    ]
    first = gaps.iloc[0]
    caption = WORDS["table"][lang].format(
        label=f"{known.label[lang]} ({known.unit[lang]})", year=first["year"], vintage=first["geo_vintage"]
    )
    if first["reference_label"]:
        caption += (" ; référence : " if lang == "fr" else "; reference: ") + str(first["reference_label"])
    return Table(style.typography(caption, lang), HEADER[lang], rows)


def qpv_only_section(geo_vintage: int, scope: Territory | None, lang: str) -> tuple[Section, list[str]]:
    """Indicators that have no reference of the same source and year, QPV side alone."""
    lang = style.check_lang(lang)
    rows, cited = [], []
    for indicator, year in QPV_ONLY[geo_vintage]:
        known = catalogue().indicator(indicator)
        one = comparison.compare(
            indicator, geo_vintage=geo_vintage, year=year, reference=None, by=None, territory=scope, lang=lang
        )
        row = one.iloc[0]
        symbol = style.unit_symbol(known.unit[lang])

        def number(value: float, decimals: int = known.decimals, symbol: str = symbol) -> str:
            return style.format_number(value, decimals, lang=lang, symbol=symbol)

        rows.append(
            [
                known.label[lang],
                number(row["qpv_value"]),
                parts.span(row["qpv_lower"], row["qpv_upper"], known.decimals, lang),
                number(row["qpv_median"]),
                parts.span(row["qpv_q1"], row["qpv_q3"], known.decimals, lang),
                f"{row['n_used']}/{row['n_total']}",
                style.year_label(known, [str(row["source"])], year, lang),
            ]
        )
        cited += listing.cite(one).split("\n")
    title = WORDS["alone"][lang]
    notes = [style.typography(WORDS[name][lang], lang) for name in ("alone_note", "health")]
    return Section(title, table=Table(title, HEADER_ALONE[lang], rows), notes=notes), cited


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
