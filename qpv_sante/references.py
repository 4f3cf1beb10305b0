"""References: what QPV are compared with, always named.

Sources use "outside QPV" for at least four different things. Each reference here is a territory that
can be listed: the communes that host the QPV, their rest once QPV are taken out, the intercommunality,
the urban unit, the department, the region, the country, or any territory given by code.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from qpv_sante import aggregation, loading, store
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import ComparabilityError, UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.reference_units import Figures
from qpv_sante.territories import COMPOSITE, METROPOLITAN_FRANCE, Gazetteer, Territory
from qpv_sante.unpublished import value_ranges

REFERENCES: dict[str, dict[str, str]] = {
    "commune": {"fr": "communes qui accueillent les QPV", "en": "communes that host the QPV"},
    "rest_of_commune": {"fr": "hors QPV, mêmes communes", "en": "outside QPV, same communes"},
    "epci": {"fr": "intercommunalités des QPV", "en": "intercommunalities of the QPV"},
    "urban_unit": {"fr": "unités urbaines des QPV", "en": "urban units of the QPV"},
    "rest_of_urban_unit": {"fr": "hors QPV, mêmes unités urbaines", "en": "outside QPV, same urban units"},
    "department": {"fr": "départements des QPV", "en": "departments of the QPV"},
    "region": {"fr": "régions des QPV", "en": "regions of the QPV"},
    "country": {"fr": "France métropolitaine", "en": "metropolitan France"},
}
NOTES: dict[str, dict[str, str]] = {
    "pooled": {
        "fr": "référence calculée à partir de ses {level}",
        "en": "reference pooled from its {level} figures",
    },
    "subtracted": {"fr": "QPV retirés par soustraction", "en": "QPV taken out by subtraction"},
    "bases": {
        "fr": "bases différentes (personnes des ménages fiscaux, population municipale) : poids des QPV ramenés à la "
        "première ; les bornes couvrent les deux, et l'évolution de la population entre les deux années",
        "en": "bases differ (fiscal persons, municipal population): QPV weights rescaled; bounds cover both, and "
        "the change of the population between the two years",
    },
    "neighbours": {
        "fr": "avec {number} autres territoires que des QPV à cheval relient : {names}",
        "en": "with {number} other territories that straddling QPV link: {names}",
    },
    "neighbour": {
        "fr": "avec un autre territoire que des QPV à cheval relient : {names}",
        "en": "with one other territory that straddling QPV link: {names}",
    },
    "withheld": {"fr": "{number} QPV sous secret", "en": "{number} QPV withheld"},
    "out_of_range": {
        "fr": "reste hors de [{low:g}, {high:g}] : non fiable",
        "en": "remainder outside [{low:g}, {high:g}]: unreliable",
    },
    "coverage": {
        "fr": "la référence publiée couvre {share} % de ses habitants, il en faut {least} %",
        "en": "the published reference covers {share} % of its people, {least} % are needed",
    },
    "several": {
        "fr": "plusieurs territoires : ni médiane, ni rapport, ni score ne s'agrègent",
        "en": "several territories: medians, ratios and scores are not pooled",
    },
    "unit_suppressed": {"fr": "référence sous secret statistique", "en": "reference withheld"},
    "unit_unavailable": {
        "fr": "la source ne donne pas ce territoire de référence (codes de {year})",
        "en": "the source does not give this reference territory (codes of {year})",
    },
    "unit_not_applicable": {
        "fr": "sans objet pour ce territoire de référence",
        "en": "not applicable to the reference",
    },
    "no_unit": {
        "fr": "ces QPV ne sont dans aucun territoire de ce niveau",
        "en": "these QPV lie in no territory of that level",
    },
    "incomplete": {
        "fr": "{number} des {total} territoires de la référence sans chiffre : un total ne se donne que complet",
        "en": "{number} of the {total} territories of the reference without a figure: a total is given whole or not",
    },
    "metropolitan": {
        "fr": "{number} QPV d'outre-mer laissés de côté : la référence est la France métropolitaine",
        "en": "{number} overseas QPV left aside: the reference is metropolitan France",
    },
    "limits": {"fr": "{level} dans leurs limites de {year}", "en": "{level} within their limits of {year}"},
    "field": {
        "fr": "{number} QPV hors du champ de la source",
        "en": "{number} QPV outside the field of the source",
    },
}
_PLURAL = {"commune": {"fr": "communes", "en": "commune"}, "iris": {"fr": "IRIS", "en": "IRIS"}}
# Levels whose composition changes each year, under codes that stay
_CHANGING = {
    "epci": {"fr": "intercommunalités", "en": "intercommunalities"},
    "urban_unit": {"fr": "unités urbaines", "en": "urban units"},
}
_REST = {"rest_of_commune": "commune", "rest_of_urban_unit": "urban_unit"}


@dataclass(frozen=True)
class Reference:
    """A parsed `reference` argument: a named kind, or one territory for all groups."""

    name: str
    level: str
    place: Territory | None = None

    @property
    def is_rest(self) -> bool:
        """Whether QPV are taken out of it."""
        return self.name in _REST

    @property
    def is_metropolitan_france(self) -> bool:
        """Whether it leaves overseas out."""
        return self.level == "country" and (self.place is None or self.place.code == METROPOLITAN_FRANCE.code)

    def label(self, lang: str = "fr") -> str:
        """Words for tables and figures."""
        return self.place.name if self.place else REFERENCES[self.name][lang]


def parse_reference(reference: str, places: Gazetteer) -> Reference:
    """A named reference, or a territory by name or typed code.

    Raises
    ------
    UnknownNameError
        Neither; the message lists the named references.
    ComparabilityError
        A composite territory that is not made of whole communes.
    """
    if reference in REFERENCES:
        return Reference(reference, _REST.get(reference, reference))
    try:
        place = places.resolve(reference)
    except UnknownNameError as error:
        raise UnknownNameError(
            f"Unknown reference {reference!r}. {did_you_mean(reference, REFERENCES)} "
            f"Or a territory by name or typed code; as a territory: {error}"
        ) from error
    assert place is not None  # noqa: S101 - resolve gives none for None only
    if place.level != COMPOSITE:
        return Reference(place.key, place.level, place)
    if place.quarters or place.iris:
        hosts = places.communes.loc[places.communes_in(place), "code"]
        raise ComparabilityError(
            f"{place.name} ({place.key}) is made of parts of communes: no figures read add up to it, so it is not "
            f"a reference. Pass what surrounds it: {', '.join('commune:' + hosts)}, or a named reference "
            f"({', '.join(REFERENCES)})."
        )
    return Reference(place.key, "commune", place)


def reference_values(
    reference: Reference,
    indicator: Indicator,
    members: pd.DataFrame,
    parts: pd.DataFrame,
    *,
    year: int,
    lang: str = "fr",
    figures: Figures | None = None,
    withheld: str = "secrecy",
    **classes: str,
) -> pd.DataFrame:
    """Value of the reference of each group of QPV.

    Parameters
    ----------
    reference : Reference
    indicator : Indicator
    members : DataFrame
        One row a group and QPV: `group` and the QPV's row of the gazetteer.
    parts : DataFrame
        All QPV of the zoning as `quarter_values.quarters_with_values` gives them, to be taken out of a rest.
    year : int
    lang : {"fr", "en"}
        Language of `note`.
    figures : Figures, optional
        Figures of this indicator and year that another reference may have read already.
    withheld : {"secrecy", "extremes"}
        What bounds say of figures that are withheld: between what the others tell of them, or the widest.
    **classes
        `sex` and `age`.

    Returns
    -------
    DataFrame
        Index: the groups. Columns of `aggregation.pool`, with `source` and `note`.

    Raises
    ------
    UnavailableLevelError
        The indicator is published neither for this reference nor for what composes it.
    ComparabilityError
        A rest of a median, a decile ratio or a score.
    """
    if reference.is_rest and indicator.kind not in aggregation.POOLED_KINDS:
        raise ComparabilityError(
            f"{reference.name} subtracts QPV from their surroundings, which a {indicator.kind} does not allow "
            f"({indicator.id}): medians, deciles and scores are neither summed nor subtracted. "
            f"References that are possible: {_listed(indicator, year)}."
        )
    places = loading.gazetteer()
    if reference.is_rest:
        host, inside = _closure(members, parts, reference.level)
    else:
        host = _containers(members, reference)
    figures = figures or Figures(indicator, year, sex=classes["sex"], age=classes["age"])
    level = _level_of_figures(reference, figures)
    units = figures.units(host, reference.level, level, places)
    units = _with_ranges(units, figures, level, widest=withheld == "extremes")
    pooled = aggregation.pool(units, "group", kind=indicator.kind, withheld=withheld)
    pooled["source"] = units.groupby("group")["source"].agg(lambda keys: ", ".join(sorted(set(keys.dropna()))))
    pooled["note"] = "" if level == reference.level else NOTES["pooled"][lang].format(level=_PLURAL[level][lang])
    if level == reference.level and level in _CHANGING:
        pooled["note"] = NOTES["limits"][lang].format(level=_CHANGING[level][lang], year=figures.vintage(level))
    if reference.is_rest:
        weight = units.groupby("group")["weight"].sum(min_count=1)
        inhabitants = _inhabitants(host, reference.level, places.communes)
        pooled = _rest(pooled, weight, inside, parts, inhabitants, indicator, lang, withheld)
        pooled["note"] = _with_neighbours(pooled["note"], host, members, reference.level, places, lang)
    else:
        pooled["note"] = _with_reasons(pooled, units, indicator.kind, figures.vintage(level), lang)
    return pooled.reindex(members["group"].unique())


def _with_reasons(pooled: pd.DataFrame, units: pd.DataFrame, kind: str, vintage: int, lang: str) -> pd.Series:
    """Notes that say why a reference has no value: withheld, not given, or not to be pooled."""
    missing = pooled["value"].isna()
    several = pooled["n_used"] > 1 if kind not in aggregation.POOLED_KINDS else pooled["n_used"] < 0
    part = (pooled["n_used"] > 0) & ~several & missing
    flags = units.groupby("group")["flag"].agg(lambda found: found.value_counts().index[0]).reindex(pooled.index)
    reason = ("unit_" + flags).map(lambda name: NOTES[name][lang].format(year=vintage) if name in NOTES else "")
    reason = reason.mask(several, NOTES["several"][lang])
    lacking = pd.Series(
        [
            NOTES["incomplete"][lang].format(number=total - used, total=total)
            for used, total in zip(pooled["n_used"], pooled["n_total"], strict=True)
        ],
        index=pooled.index,
        dtype="str",
    )
    reason = reason.mask(part, lacking)
    return pooled["note"].mask(missing, (pooled["note"] + " ; ").where(pooled["note"] != "", "") + reason)


def _with_ranges(units: pd.DataFrame, figures: Figures, level: str, *, widest: bool) -> pd.DataFrame:
    """Units with `least` and `most`, told by the whole level: the same whatever the groups.

    `widest`: those without a value at the extremes of the published ones.
    """
    missing = units["value"].isna()
    if not missing.any():
        return units
    figure = (figures.indicator.id, figures.year, figures.sex, figures.age)
    ranges = _ranges(store.stamps(), level, *figure)
    codes = units.loc[missing, "geo_code"]
    found = {"least": units["lower"].copy(), "most": units["upper"].copy()}
    for name, ends in found.items():
        # units that the source does not list are told by the distribution alone
        ends[missing] = codes.map(ranges[name]).astype(float).fillna(ranges[name].iloc[-1])
    if widest:
        lowest, highest = figures.extremes(level)
        found["least"] = found["least"].mask(missing, found["least"].clip(upper=lowest))
        found["most"] = found["most"].mask(missing, found["most"].clip(lower=highest))
    return units.assign(**found)


@lru_cache(maxsize=16)
def _ranges(stamps: tuple[object, ...], level: str, indicator_id: str, year: int, sex: str, age: str) -> pd.DataFrame:
    """Between which values each withheld unit of a level lies; index: the codes, then one for units not listed.

    Read once, and again when a build or an import changes.
    """
    known, figures = catalogue().indicator(indicator_id), Figures(catalogue().indicator(indicator_id), year, sex, age)
    columns = ["geo_code", "value", "lower", "upper", "weight"]
    frame = figures.at(level)[columns].drop_duplicates("geo_code").reset_index(drop=True)
    frame.loc[len(frame)] = ["", *[float("nan")] * 4]
    others = []
    for other in _nearest_years(figures, level):
        rows = loading.load_observations(indicator_id, geo_level=level, year=other, sex=sex, age=age)
        others.append(
            frame["geo_code"].map(rows.drop_duplicates("geo_code").set_index("geo_code")["value"]).astype(float)
        )
    rule = catalogue().source(str(figures.at(level)["source"].iloc[0])).withheld
    # sizes are those of denominators: counts of communes and IRIS come without inhabitants
    limits = known.range or ([0.0, float("inf")] if known.kind == "count" else None)
    ranges = value_ranges(frame, others, limits=limits, rule=rule)
    return ranges.set_axis(frame["geo_code"])[frame["value"].isna().to_numpy()]


def _nearest_years(figures: Figures, level: str) -> list[int]:
    """Other years of a level, nearest first; one is enough for the many communes and IRIS."""
    wanted = (level, figures.sex, figures.age)
    records = catalogue().published(figures.indicator.id)
    years = {int(str(r["year"])) for r in records if (r["geo_level"], r["sex"], r["age"]) == wanted} - {figures.year}
    return sorted(years, key=lambda one: (abs(one - figures.year), one))[:1]


def _level_of_figures(reference: Reference, figures: Figures) -> str:
    """Level of the published figures that make up a reference: its own, or the coarsest that it can be pooled from."""
    level = figures.level_for(reference.level)
    possible = possible_references(figures.indicator, figures.year)
    pooled = level != reference.level
    if level is None or (pooled and reference.place is None and reference.name not in possible):
        listed = _listed(figures.indicator, figures.year)
        raise UnavailableLevelError(
            f"{figures.indicator.id} of {figures.year} is not read for the reference {reference.name!r}. "
            f"Possible: {listed}."
        )
    return level


def _listed(indicator: Indicator, year: int) -> str:
    return ", ".join(possible_references(indicator, year)) or "none: it is read by QPV only for that year"


def possible_references(indicator: Indicator, year: int) -> list[str]:
    """Named references for which the indicator's figures of a year can be had.

    Examples
    --------
    >>> possible_references(catalogue().indicator("median_standard_of_living"), 2019)
    ['commune', 'epci', 'department', 'region', 'country']
    """
    levels = {str(record["geo_level"]) for record in catalogue().published(indicator.id) if record["year"] == year}
    pooled = indicator.kind in aggregation.POOLED_KINDS
    small = bool(levels & {"commune", "iris"})
    possible = {
        name: level in levels or (small and (pooled or level == "commune"))
        for name, level in ((name, _REST.get(name, name)) for name in REFERENCES)
    }
    return [name for name, yes in possible.items() if yes and not (name in _REST and not pooled)]


def _containers(members: pd.DataFrame, reference: Reference) -> pd.DataFrame:
    """The territories that make up each group's reference: `group, code`."""
    if reference.place is not None:
        groups = pd.DataFrame({"group": members["group"].unique()})
        return groups.merge(pd.DataFrame({"code": reference.place.communes or [reference.place.code]}), how="cross")
    if reference.level == "country":
        return pd.DataFrame({"group": members["group"].unique(), "code": METROPOLITAN_FRANCE.code})
    if (members["territory_code"].str.partition(":")[0] == reference.level).all():
        # the row is itself such a territory: not the neighbours that share a QPV with it
        own = members[["group", "territory_code"]].drop_duplicates()
        return pd.DataFrame({"group": own["group"], "code": own["territory_code"].str.partition(":")[2]})
    column = "communes" if reference.level == "commune" else reference.level
    codes = members.set_index("group")[column].str.split(";").explode()
    codes = codes[codes.fillna("") != ""]
    return codes.rename("code").reset_index().drop_duplicates(ignore_index=True)


def _closure(members: pd.DataFrame, qpv: pd.DataFrame, level: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The host territories of each group and those that share a QPV with them, and all QPV therein.

    A QPV that straddles two communes cannot be split between them without knowing where its people
    live; taken together, the two communes contain it whole.

    Returns
    -------
    host : DataFrame
        `group, code`.
    inside : DataFrame
        `group, geo_code`.
    """
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = qpv.set_index("geo_code")["communes" if level == "commune" else level].str.split(";").explode()
    links = links[links.fillna("") != ""]
    quarters, q = np.unique(links.index.to_numpy(dtype=str), return_inverse=True)
    codes, c = np.unique(links.to_numpy(dtype=str), return_inverse=True)
    size = len(quarters) + len(codes)
    graph = coo_array((np.ones(len(links)), (q, len(quarters) + c)), shape=(size, size))
    component = connected_components(graph, directed=False)[1]
    of_quarter = pd.DataFrame({"geo_code": quarters, "component": component[: len(quarters)]})
    of_code = pd.DataFrame({"code": codes, "component": component[len(quarters) :]})
    wanted = members[["group", "geo_code"]].merge(of_quarter, on="geo_code")[["group", "component"]].drop_duplicates()
    host = wanted.merge(of_code, on="component")[["group", "code"]]
    return host, wanted.merge(of_quarter, on="component")[["group", "geo_code"]]


def _inhabitants(host: pd.DataFrame, level: str, communes: pd.DataFrame) -> pd.Series:
    """Municipal population of each group's host territories."""
    population = communes.groupby("code" if level == "commune" else level)["population"].sum()
    return host["code"].map(population).groupby(host["group"]).sum()


def _with_neighbours(
    notes: pd.Series, host: pd.DataFrame, members: pd.DataFrame, level: str, places: Gazetteer, lang: str
) -> pd.Series:
    """Notes that name the territories taken together because QPV straddle them."""
    own = _containers(members, Reference(level, level))
    added = host.merge(own, on=["group", "code"], how="left", indicator="found")
    added = added[added["found"] == "left_only"]
    names = places.territories[places.territories["level"] == level].set_index("code")["name"]
    said = {}
    for group, codes in added.groupby("group")["code"]:
        listed = [str(name) for name in names.reindex(codes).fillna("").head(5)]
        more = "" if len(codes) <= len(listed) else ", …"
        said[group] = NOTES["neighbours" if len(codes) > 1 else "neighbour"][lang].format(
            number=len(codes), names=", ".join(listed) + more
        )
    extra = pd.Series(said, dtype="str").reindex(notes.index)
    return notes.where(extra.isna(), notes + " ; " + extra)


def _rest(
    whole: pd.DataFrame,
    weight: pd.Series,
    inside: pd.DataFrame,
    quarters: pd.DataFrame,
    inhabitants: pd.Series,
    indicator: Indicator,
    lang: str,
    withheld: str,
) -> pd.DataFrame:
    """The reference, of that weight, less every QPV that lies in it.

    What a withheld one may be is told by all the QPV, so that the bounds are the same whatever the territory asked for.
    """
    parts = inside.merge(quarters, on="geo_code")
    complete = whole.assign(weight=weight)
    note, ratio = NOTES["subtracted"][lang], None
    if indicator.kind == "count":
        taken = parts.groupby("group")["value"].sum()
        rest = complete.assign(value=complete["value"] - taken, parts_missing=0)
        missing = parts["value"].isna().groupby(parts["group"]).sum()
        rest["parts_missing"] = missing.reindex(rest.index).fillna(0).astype(int)
        inner = parts.groupby("group")[["least", "most"]].sum().reindex(rest.index)
        rest["lower"], rest["upper"] = complete["lower"] - inner["most"], complete["upper"] - inner["least"]
        rest.loc[rest["parts_missing"] > 0, "value"] = float("nan")
    else:
        # weights that are denominators, or estimates of them, are in the base of the whole already
        if quarters["denominator"].isna().all():
            ratio = complete["weight"] / inhabitants.reindex(complete.index)
            note += " ; " + NOTES["bases"][lang]
        rest = aggregation.remainder(complete, parts, "group", base_ratio=ratio)
    low, high = indicator.range or [float("-inf"), float("inf")]
    outside = (rest["value"] < low) | (rest["value"] > high) | (rest["upper"] < low) | (rest["lower"] > high)
    missing = rest["parts_missing"] > 0
    weighed = (parts["weight_sd"] > 0).groupby(parts["group"]).any().reindex(rest.index, fill_value=False)
    interval = whole["interval"].mask(weighed & ~whole["interval"].isin(["secrecy", "extremes"]), "weight")
    # what is left cannot be less than nothing: impossible bounds stop at the indicator's own
    floor = 0.0 if indicator.kind == "count" else low
    result = whole.assign(
        value=rest["value"].mask(whole["value"].isna()),
        lower=rest["lower"].where(outside, rest["lower"].clip(lower=floor)),
        upper=rest["upper"].where(outside, rest["upper"].clip(upper=high)),
        weight_used=rest["weight"],
        interval=interval.mask(missing, withheld),
        note=note,
        unreliable=whole["unreliable"].mask(outside, whole["n_used"].clip(lower=1)),
    )
    said = rest["parts_missing"].map(lambda number: " ; " + NOTES["withheld"][lang].format(number=number))
    result.loc[missing, "note"] += said
    result.loc[outside, "note"] += " ; " + NOTES["out_of_range"][lang].format(low=low, high=high)
    return result
