"""The territory report: its findings, who lives there, precarity, health, care and practices, with the sources."""

from __future__ import annotations

import re

from qpv_sante import comparison, listing, loading, store, style
from qpv_sante.arguments import checked
from qpv_sante.errors import AmbiguousTerritoryError, ComparabilityError, UnavailableLevelError, UnknownNameError
from qpv_sante.geography import zoning_of_qpv_code
from qpv_sante.report import diagnosis, practices
from qpv_sante.report import sections as parts
from qpv_sante.report.comparisons import comparison_section
from qpv_sante.report.facts import facts_of, remembering, rows_of
from qpv_sante.report.imported import imported_section
from qpv_sante.report.page import Report, Section, figure_of
from qpv_sante.report.supply import care_section, commune_section
from qpv_sante.report.words import WORDS
from qpv_sante.territories import FRANCE, Territory

# What is detailed territory by territory against the city, with its figure: indicator and year, for each zoning
DETAILED: dict[int, tuple[tuple[str, int], ...]] = {
    2015: (("poverty_rate", 2019), ("single_parent_recipient_share", 2020), ("rsa_recipient_share", 2020)),
    2024: (("poverty_rate", 2021),),
}
# Rates of which the number of persons is published: they can be ranked, and summed up by groups
RANKED: dict[int, tuple[str, int]] = {2015: ("c2s_share", 2022), 2024: ("poverty_rate", 2021)}
SUMMED: dict[int, tuple[str, int]] = {2015: ("c2s_share", 2022), 2024: ("employment_rate", 2020)}
# Below, ranks and groups of quarters say nothing
_RANKABLE, _GROUPABLE = 2, 10
# The territory that the webinar's slide is about
_SLIDE = "region:76"


@checked
@store.one_build()
def report(
    territory: str | Territory | None = None,
    *,
    geo_vintage: int | None = None,
    by: str | None = None,
    lang: str = "fr",
) -> Report:
    """The diagnosis of a territory: what is measured in its QPV, against what its team would hold them against.

    Parameters
    ----------
    territory : str, optional
        A name, a typed code, an id of `list_territories` or a QPV (its code, or its name with its commune); all of
        France by default.
    geo_vintage : int, optional
        Zoning of the QPV, 2015 or 2024; by default that of the code of a QPV, and 2015 for other territories.
    by : str, optional
        Territories of the detailed rows; by default the level below (regions of France, departments of a region,
        communes of a department, EPCI or group of communes, QPV of a commune or of a group of QPV).
    lang : {"fr", "en"}

    Returns
    -------
    Report
        Of a composite territory, what it covers; findings, half a page written by rules (see `qpv_sante.findings`); who
        lives there; precarity against the references of `report.facts.references_of`; detailed comparisons, a map, the
        QPV ranked with the doubt on each rank, a summary of their inequality; then, each at the level where it is
        known and apart from the QPV, health, care supply and the practices of the project's documents; for Occitanie
        the webinar's slide (see `qpv_sante.slide`); what the sources read do not say at that
        level. With a section of imported
        figures where an import has rows for these QPV (see `import_observations`); the restriction notice of a
        restricted source is printed there and in the sources.

    Raises
    ------
    UnknownNameError
        Unknown territory, zoning, grouping or language.
    AmbiguousTerritoryError
        A name that several territories or QPV bear; the message lists their codes.
    ComparabilityError
        A QPV of the other zoning.
    UnavailableLevelError
        No QPV of that zoning in the territory.
    """
    lang = style.check_lang(lang)
    places = loading.gazetteer()
    if geo_vintage is None:
        geo_vintage = _own_zoning(territory)
    if geo_vintage not in DETAILED:
        raise UnavailableLevelError(f"No QPV zoning of {geo_vintage}. Zonings: {', '.join(map(str, DETAILED))}.")
    place = _place(territory, geo_vintage)
    scope = None if place == FRANCE else place
    number = len(places.qpv_in(scope, geo_vintage))
    if not number:
        raise UnavailableLevelError(comparison.without_quarters(place, places, geo_vintage))
    compare = remembering(comparison.compare)
    facts = facts_of(scope, geo_vintage, compare, lang)
    sections: list[Section] = []
    sources: list[str] = []

    def add(made: parts.Made | None) -> None:
        if made is not None:
            sections.append(made[0])
            sources.extend(made[1])

    add(diagnosis.place_section(place, geo_vintage, lang))
    sections.append(diagnosis.essentials_section(facts, lang))
    sections.append(diagnosis.peers_section(facts, "people", geo_vintage, lang))
    sections.append(diagnosis.around_section(facts, geo_vintage, lang))
    sections.append(diagnosis.peers_section(facts, "precarity", geo_vintage, lang))
    for key in dict.fromkeys(key for keys in facts["source"] for key in str(keys).split(", ")):
        sources += listing.cite(key).split("\n")
    grouping = by or rows_of(scope)
    for indicator, year in DETAILED[geo_vintage]:
        add(comparison_section(indicator, year, geo_vintage, scope, grouping, lang, compare))
    sections.append(_map_section(scope, geo_vintage, lang))
    if number >= _RANKABLE:
        add(parts.rank_section(*RANKED[geo_vintage], geo_vintage, scope, lang))
    if number >= _GROUPABLE:
        add(parts.inequality_section(*SUMMED[geo_vintage], geo_vintage, scope, lang))
    add(parts.health_section(place, lang, said=True))
    add(parts.surveys_section(lang))
    add(commune_section(scope, geo_vintage, lang))
    add(care_section(scope, geo_vintage, lang))
    add(practices.practices_section(scope, geo_vintage, lang))
    if place.key == _SLIDE and geo_vintage == 2015:
        add(practices.slide_section(compare, lang))
    sections.append(diagnosis.limits_section(lang))
    add(imported_section(geo_vintage, scope, lang))
    lead = WORDS["lead" if number > 1 else "lead_one"][lang].format(number=number, vintage=geo_vintage)
    return Report(
        title=style.typography(WORDS["title"][lang].format(place=diagnosis.place_name(place, lang)), lang),
        lead=style.typography(lead, lang),
        sections=sections,
        sources=[style.typography(line, lang) for line in dict.fromkeys(sources)],
        lang=lang,
    )


def _own_zoning(territory: str | Territory | None) -> int:
    """The zoning that the code of a QPV says, 2015 where none is given."""
    code = territory.code if isinstance(territory, Territory) else str(territory or "").strip()
    code = code.removeprefix("qpv:").strip().upper()
    return zoning_of_qpv_code(code) if re.match(r"Q[PN]\d", code) else 2015


def _place(territory: str | Territory | None, geo_vintage: int) -> Territory:
    """The territory asked for, or the QPV of that name."""
    places = loading.gazetteer()
    try:
        place = places.resolve(territory) or FRANCE
    except AmbiguousTerritoryError:
        raise
    except UnknownNameError as error:
        from qpv_sante.profiles.places import find_quarter

        if not isinstance(territory, str) or ":" in territory:
            raise
        try:
            found = find_quarter(territory, geo_vintage)
        except AmbiguousTerritoryError:
            raise
        except UnknownNameError:
            raise error from None
        return found.place
    if place.level == "qpv" and zoning_of_qpv_code(place.code) != geo_vintage:
        other = zoning_of_qpv_code(place.code)
        raise ComparabilityError(
            f"{place.code} is a QPV of {other}, not of {geo_vintage}. Pass geo_vintage={other}, or find its "
            "counterpart with qs.crosswalk."
        )
    return place


def _map_section(scope: Territory | None, geo_vintage: int, lang: style.Lang) -> Section:
    from qpv_sante import charts, maps

    indicator, year = DETAILED[geo_vintage][0]
    title = style.typography(f"{WORDS['map'][lang]} : {listing.label_of(indicator, lang, short=True)}", lang)
    try:
        axes = maps.plot_map(indicator, geo_vintage=geo_vintage, year=year, territory=scope, lang=lang)
    except UnavailableLevelError:
        # the outlines of overseas QPV of 2015 are not read: the rest of the report stands
        return Section(title, notes=[style.typography(WORDS["no_map"][lang], lang)])
    return Section(title, figures=[figure_of(axes, charts.figure_alt_text(axes, lang))])
