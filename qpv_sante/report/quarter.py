"""The neighbourhood sheet: one QPV, what surrounds it, the QPV like it, what is withheld, and its sources."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from qpv_sante import absences, listing, loading, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.health import published_by_qpv
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.profiles.nearest import SOCIAL, similar_in
from qpv_sante.profiles.places import Quarter, chosen_years, find_quarter, tables
from qpv_sante.profiles.values import REFERENCES, positions_in
from qpv_sante.quarter_values import other_years
from qpv_sante.report import sections as parts
from qpv_sante.report.page import RESOLUTION, Report, Section, Table, figure_of
from qpv_sante.report.quarter_map import MAP_SHARE, MAPPED, map_section
from qpv_sante.report.sheet_words import HEADER_MISSING, HEADER_PLACE, HEADER_SIMILAR, HEADER_VALUES, WORDS
from qpv_sante.report.supply import care_section

_PAGES = 2
_SIMILAR = 4
# What paper keeps of the tables that grow with communes or with what is withheld, where two pages are too few: the
# quarter and its communes, two quarters like it, as many missing figures as most quarters have
_LEAST_CARE, _LEAST_SIMILAR, _LEAST_MISSING = 7, 2, 6
# On paper the summary and the profile stand beside the map
_BESIDE = 1 - MAP_SHARE
_PROFILE_INCHES, _ROW_INCHES = 1.8, 0.25


@checked
@store.one_build()
def profile(
    quarter: str, *, geo_vintage: int | None = None, years: dict[str, int] | None = None, lang: str = "fr"
) -> Report:
    """The sheet of one QPV: a page to show, or to save as `.html` or `.pdf` (two A4 pages).

    Parameters
    ----------
    quarter : str
        A code of either zoning (`"QP031004"`, `"QN03112M"`), or a name with its commune (`"Devèze, Béziers"`).
    geo_vintage : int, optional
        2015 or 2024: deduced from a code; needed for a name that both zonings bear.
    years : dict of str to int, optional
        Year of some indicators; by default the newest of the best covered for QPV of that zoning. Each figure says its
        own.
    lang : {"fr", "en"}

    Returns
    -------
    Report
        Map of the quarter among the QPV of its commune; its figures against commune, urban unit, region and
        metropolitan France, with bounds and flags; its quartile among the QPV of its region and of France; the QPV most
        like it; health figures of its department and region, which are not its own; what is missing, and why; sources
        and licences. The numbers are those of `qpv_sante.profiles.positions` and of `similar`.

    Raises
    ------
    UnknownNameError
        No QPV of that code or name; the message proposes the nearest.
    AmbiguousTerritoryError
        Several QPV; the message lists their codes.
    ComparabilityError
        A code of one zoning with `geo_vintage` of the other.

    Examples
    --------
    >>> sheet = profile("QP034003")
    >>> sheet.title
    'Devèze (Béziers)'
    """
    language = style.check_lang(lang)
    found = find_quarter(quarter, geo_vintage)
    chosen = chosen_years(found.geo_vintage, years)
    frames = tables(found.geo_vintage, chosen)
    frame = positions_in(found, chosen, frames, 0.9, language)
    made: list[parts.Made | None] = [
        (map_section(found, chosen[MAPPED], language), []),
        (_summary_section(found, frame, language), []),
        (_figure_section(frame, language), []),
        _values_section(found, frame, language),
        (_missing_section(frame, language), []),
        (_place_section(frame, language), []),
        parts.health_section(found.place, language),
        _shortenable(care_section(found.place, found.geo_vintage, language), _LEAST_CARE),
        (_similar_section(found, chosen, frames, language), []),
    ]
    sections = [one[0] for one in made if one is not None and one[0] is not None]
    sources = [line for one in made if one is not None for line in one[1]]
    return Report(
        title=style.typography(f"{found.name} ({frame['commune_name'].iloc[0]})", language),
        lead=_lead(found, frame, language),
        sections=sections,
        sources=[style.typography(line, language) for line in dict.fromkeys(sources)],
        lang=language,
        pages=_PAGES,
    )


def _shortenable(made: parts.Made | None, least_rows: int) -> parts.Made | None:
    """A section that paper may cut to some rows."""
    return made and (replace(made[0], least_rows=least_rows), made[1])


def _lead(quarter: Quarter, frame: pd.DataFrame, lang: style.Lang) -> str:
    places = loading.gazetteer().territories
    above = places[places["level"].isin(("department", "region"))].set_index(["level", "code"])["name"]
    department = above.get(("department", quarter.department), quarter.department)
    held = [f"{department} ({quarter.department})", above.get(("region", quarter.region), "")]
    text = WORDS["lead"][lang].format(
        code=quarter.code,
        vintage=quarter.geo_vintage,
        where=", ".join(dict.fromkeys(filter(None, held))),
        known=int(frame["value"].notna().sum()),
        total=len(frame),
    )
    return style.typography(text, lang)


def _summary_section(quarter: Quarter, frame: pd.DataFrame, lang: style.Lang) -> Section:
    """Sentences made of the numbers by rules: they compare, and never explain."""
    words = WORDS
    said = []
    rates = frame[frame["kind"] != "count"]
    people = frame[(frame["indicator"] == "population") & frame["value"].notna()]
    # the title and the tables name them
    communes = len(quarter.communes)
    where = words["communes" if communes > 1 else "commune"][lang].format(number=communes)
    for row in people.to_dict("records"):
        number = _number(row, row["value"], lang)
        said.append(words["people"][lang].format(number=number, year=row["year_label"]))
    for row in rates[rates["value"].notna() & rates["commune_value"].notna()].to_dict("records"):
        text = words["against"][lang].format(
            label=row["short_label"],
            year=row["year_label"],
            value=_number(row, row["value"], lang),
            reference=_number(row, row["commune_value"], lang),
            where=where,
        )
        doubt = (
            f", {FLAG_LABELS[row['flag']][lang]}" if row["flag"] in ("unreliable", "provisional", "estimated") else ""
        )
        said.append(text + doubt + ".")
    for side, wanted in (("worst", {"worse": 4, "better": 1}), ("best", {"worse": 1, "better": 4})):
        quartile = rates["higher_is"].map(wanted)
        inside = rates[rates["qpv_country_quartile"].eq(quartile).fillna(False)]
        if len(inside):
            said.append(words[side][lang].format(listed=", ".join(map(_inside, inside["short_label"]))))
    older = _last_values(rates, lang)
    if older:
        said.append(words["last"][lang].format(listed=(" ; " if lang == "fr" else "; ").join(older)))
    if rates["value"].isna().all():
        said.append(words["nothing"][lang])
    findings = [style.typography(text, lang) for text in said]
    return Section(words["summary"][lang], findings=findings, share=_BESIDE)


def _last_values(rates: pd.DataFrame, lang: style.Lang) -> list[str]:
    """The last value of what has none for its newest year, each with its year."""
    told = []
    for row in rates[rates["value"].isna()].to_dict("records"):
        others = other_years(str(row["indicator"]), str(row["geo_code"]), int(row["geo_vintage"]), int(row["year"]))
        if len(others):
            value = _number(row, others["value"].iloc[-1], lang)
            when = WORDS["older"][lang].format(value=value, year=others["year"].iloc[-1])
            told.append(f"{_inside(str(row['short_label']))}, {when}")
    return told


def _inside(label: str) -> str:
    """A label inside a sentence: without its capital, but for acronyms."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def _number(row: dict[Any, Any], value: float, lang: style.Lang) -> str:
    known = catalogue().indicator(str(row["indicator"]))
    return style.format_number(value, known.decimals, lang=lang, symbol=style.unit_symbol(known.unit[lang]))


def _figure_section(frame: pd.DataFrame, lang: style.Lang) -> Section:
    from qpv_sante.charts.profile import plot_profile

    rates = frame[frame["kind"] != "count"]
    with style.figure_style():
        axes = style.new_axes()
        style.size_axes(axes, _PROFILE_INCHES, _ROW_INCHES * (len(rates) + 0.4))
        plot_profile(rates, ax=axes, lang=lang)
        for text in [text for text in axes.texts if text.get_gid() in ("title", "subtitle", "notes")]:
            text.remove()
        style.fit_figure(axes, margin=0.05, resolutions=(RESOLUTION,))
    alt = style.typography(WORDS["figure_alt"][lang].format(name=frame["name"].iloc[0], number=len(rates)), lang)
    caption = style.typography(WORDS["figure_caption"][lang], lang)
    figure = figure_of(axes, alt, caption=caption)
    return Section(WORDS["figure"][lang], figures=[figure], share=_BESIDE, stacked=True)


def _values_section(quarter: Quarter, frame: pd.DataFrame, lang: style.Lang) -> parts.Made:
    """The quarter against what holds it, with bounds, parts used and flags."""
    rows = []
    for row in frame.to_dict("records"):
        known = catalogue().indicator(str(row["indicator"]))
        bounds = parts.span(row["lower"], row["upper"], known.decimals, lang)
        own = style.typography(parts.with_span(_number(row, row["value"], lang), bounds), lang)
        around = [_around(row, reference, known.decimals, lang) for reference in REFERENCES]
        flag = absences.status(str(row["flag"]), lang)
        label = style.typography(f"{row['short_label']} ({row['unit']})", lang)
        rows.append([label, str(row["year_label"]), own, *around, flag])
    first = frame.iloc[0]
    held = {reference: _held(str(first[f"{reference}_name"]), reference, quarter, lang) for reference in REFERENCES}
    header = [cell.format(**held) for cell in HEADER_VALUES[lang]]
    caption = WORDS["values_caption"][lang].format(name=first["name"], vintage=first["geo_vintage"])
    table = Table(style.typography(caption, lang), [style.typography(cell, lang) for cell in header], rows,
                  text_columns=(0, 7))  # fmt: skip
    references = frame[[f"{reference}_source" for reference in REFERENCES]].to_numpy().ravel()
    cited = pd.DataFrame({"source": [*frame["source"], *filter(None, references)]})
    notes = [style.typography(text, lang) for text in WORDS["values_notes"][lang]]
    return Section(WORDS["values"][lang], table=table, notes=notes), listing.cite(cited).split("\n")


def _held(name: str, reference: str, quarter: Quarter, lang: style.Lang) -> str:
    """A territory that holds the quarter, as a heading; several communes are counted, the title names them."""
    number = len(quarter.communes)
    said = WORDS["held"]["communes" if reference == "commune" and number > 1 else reference][lang]
    return (
        str(said.format(name=name, number=number)) if name else style.capitalise(listing.level_label(reference, lang))
    )


def _around(row: dict[Any, Any], reference: str, decimals: int, lang: style.Lang) -> str:
    """Value of a reference, its bounds, and the parts that it is made of where there are several."""
    value = row[f"{reference}_value"]
    if pd.isna(value):
        return _without_value(row, reference, decimals, lang)
    bounds = parts.span(row[f"{reference}_lower"], row[f"{reference}_upper"], decimals, lang)
    total = row[f"{reference}_n_total"]
    made_of = [f"{row[f'{reference}_n_used']}/{total}"] if pd.notna(total) and total > 1 else []
    inside = (" ; " if lang == "fr" else "; ").join([*([bounds] if bounds != "–" else []), *made_of])
    text = _number(row, value, lang)
    return style.typography(f"{text} ({inside})" if inside else text, lang)


def _without_value(row: dict[Any, Any], reference: str, decimals: int, lang: style.Lang) -> str:
    """What can be said of a reference without a value: its bounds and the share of its people, or why it is absent."""
    if row["kind"] == "count" or not row[f"{reference}_name"]:
        return "–"
    share = row[f"{reference}_coverage"]
    if pd.isna(share):
        # of several regions, none is his own; of a median, several communes have none together
        if row["kind"] != "rate" and pd.notna(row[f"{reference}_n_total"]):
            return "–"
        return absences.WORDS[absences.of_level(str(row["indicator"]), reference)][lang]
    covered = style.format_number(100 * share, 0, lang=lang)
    bounds = parts.span(row[f"{reference}_lower"], row[f"{reference}_upper"], decimals, lang)
    if bounds != "–":
        return style.typography(WORDS["bounds_only"][lang].format(bounds=bounds, share=covered), lang)
    if share > 0:
        return style.typography(WORDS["part_only"][lang].format(share=covered), lang)
    return absences.WORDS[absences.Absence.NOT_READ][lang]


def _place_section(frame: pd.DataFrame, lang: style.Lang) -> Section:
    """Quartile among the QPV of the region and of the country, with what the distribution is."""
    rows = []
    kept = frame[(frame["kind"] != "count") | (frame["indicator"] == "population")]
    for row in kept.to_dict("records"):
        cells = [f"{row['short_label']}, {row['year_label']}", _number(row, row["value"], lang)]
        for area in ("region", "country"):
            quartile = row[f"qpv_{area}_quartile"]
            cells.append("–" if pd.isna(quartile) else WORDS["quartile"][lang][int(quartile) - 1])
            ends = [row[f"qpv_{area}_{part}"] for part in ("min", "q1", "median", "q3", "max")]
            known = catalogue().indicator(str(row["indicator"]))
            numbers = [style.format_number(end, known.decimals, lang=lang) for end in ends]
            low, first, middle, third, high = numbers
            cells.append("–" if pd.isna(ends[0]) else f"{low} [{first} | {middle} | {third}] {high}")
            used, total = row[f"qpv_{area}_n_used"], row[f"qpv_{area}_n_total"]
            cells.append("–" if pd.isna(total) else f"{used}/{total}")
        rows.append([style.typography(cell, lang) for cell in cells])
    table = Table(style.typography(WORDS["place_caption"][lang], lang), HEADER_PLACE[lang], rows)
    return Section(WORDS["place"][lang], table=table, notes=[style.typography(WORDS["place_note"][lang], lang)])


def _similar_section(
    quarter: Quarter, years: dict[str, int], frames: dict[str, pd.DataFrame], lang: style.Lang
) -> Section:
    """The QPV most like it, or why it has none."""
    used = {name: years[name] for name in SOCIAL[quarter.geo_vintage] if name in years}
    title = WORDS["similar"][lang]
    try:
        near = similar_in(quarter, used, frames, _SIMILAR, None, lang)
    except UnavailableLevelError:
        own = [frames[name].set_index("geo_code").loc[quarter.code, "value"] for name in used]
        known = sum(pd.notna(value) for value in own)
        text = WORDS["not_similar"][lang].format(known=known, total=len(used))
        return Section(title, notes=[style.typography(text, lang)])
    rows = [
        [
            f"{row.rank}. {row.name} ({row.geo_code})",
            row.commune_names,
            style.format_number(row.distance, 2, lang=lang),
            f"{row.n_used}/{row.n_total}",
            row.shared,
            row.differs,
        ]
        for row in near.itertuples(index=False)
    ]
    labels = ", ".join(f"{listing.label_of(name, lang, short=True)} ({year})" for name, year in used.items())
    note = WORDS["similar_note"][lang].format(labels=labels, candidates=near.attrs["n_candidates"],
                                              left=near.attrs["n_left_out"])  # fmt: skip
    table = Table(style.typography(WORDS["similar_caption"][lang], lang), HEADER_SIMILAR[lang], rows, (0, 1, 4, 5))
    return Section(title, table=table, notes=[style.typography(note, lang)], least_rows=_LEAST_SIMILAR)


def _missing_section(frame: pd.DataFrame, lang: style.Lang) -> Section:
    """What has no value for the quarter, the reason, its last value of another year and the years of the others."""
    missing = frame[frame["value"].isna()]
    title, absent = WORDS["missing"][lang], _absent_by_qpv(lang)
    if missing.empty:
        return Section(title, notes=[style.typography(WORDS["none_missing"][lang].format(absent=absent), lang)])
    rows = []
    for row in missing.to_dict("records"):
        others = other_years(str(row["indicator"]), str(row["geo_code"]), int(row["geo_vintage"]), row["year"])
        colon = " : " if lang == "fr" else ": "
        why = absences.reason(str(row["flag"]), lang, source=str(row["source"]), listed=_is_listed(row))
        reason = absences.status(str(row["flag"]), lang) + colon + why
        last, rest = "–", others.iloc[:0]
        if len(others):
            newest, rest = others.iloc[-1], others.iloc[:-1]
            last = WORDS["older"][lang].format(value=_number(row, newest["value"], lang), year=newest["year"])
        cells = [row["label"], str(row["year_label"]), reason, last, ", ".join(map(str, rest["year"])) or "–"]
        rows.append([style.typography(str(cell), lang) for cell in cells])
    table = Table(style.typography(WORDS["missing_caption"][lang], lang), HEADER_MISSING[lang], rows, (0, 2, 3))
    return Section(title, table=table, notes=[style.typography(absent, lang)], least_rows=_LEAST_MISSING)


def _absent_by_qpv(lang: style.Lang) -> str:
    """A sentence on the indicators of which someone says that no QPV has them, and on who says so."""
    said: dict[str, list[str]] = {}
    for indicator in catalogue().indicators.values():
        if absences.claim(indicator.id, "qpv") and not published_by_qpv(indicator.id):
            word = absences.word_of_level(indicator.id, "qpv", lang)
            said.setdefault(word, []).append(_inside(indicator.short[lang]))
    colon = " : " if lang == "fr" else ": "
    listed = (" ; " if lang == "fr" else "; ").join(f"{', '.join(names)}{colon}{word}" for word, names in said.items())
    return WORDS["missing_note"][lang].format(absent=listed) if listed else ""


def _is_listed(row: dict[Any, Any]) -> bool:
    """Whether the file has a row for the quarter."""
    year, code = int(row["year"]), str(row["geo_code"])
    rows = loading.load_observations(
        str(row["indicator"]), geo_level="qpv", geo_vintage=int(row["geo_vintage"]), year=year
    )
    return bool((rows["geo_code"] == code).any())
