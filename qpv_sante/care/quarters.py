"""Structures in and around the QPV of a territory, per inhabitant, those that the source does not cover included."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qpv_sante import loading, style
from qpv_sante.care.communes import add_density
from qpv_sante.care.nearby import KINDS, beyond_coverage, count_nearby
from qpv_sante.care.structures import load_structures
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import ComparabilityError, UnavailableLevelError
from qpv_sante.geography import QPV_ZONINGS, zoning_of_qpv_code
from qpv_sante.territories import Territory

SOURCE = "finess_occitanie"
# The population of the QPV of each zoning that is nearest to the structures
POPULATION_YEAR = {2015: 2018, 2024: 2020}
_NOTES: dict[str, dict[str, str]] = {
    "uncovered": {
        "fr": "la source ne couvre que l'Occitanie : rien n'est dit de ce quartier",
        "en": "the source covers Occitanie only: nothing is said of this quarter",
    },
    "undrawn": {"fr": "contour non lu", "en": "outline not read"},
    "beyond": {
        "fr": "les alentours débordent sur un département que la source ne couvre pas : compte minimal",
        "en": "the surroundings reach a department that the source does not cover: a minimum",
    },
    "uncertain": {
        "fr": "{n} structures de position incertaine à cette distance",
        "en": "{n} structures whose location is uncertain at this distance",
    },
    "one_uncertain": {
        "fr": "une structure de position incertaine à cette distance",
        "en": "one structure whose location is uncertain at this distance",
    },
    "people": {
        "fr": "population du quartier sans valeur : pas de densité",
        "en": "no value for the population of the quarter: no density",
    },
}


def check_place(territory: str | Territory | None, geo_vintage: int) -> Territory | None:
    """The territory asked for, in a zoning that exists.

    Raises
    ------
    UnknownNameError, UnavailableLevelError, ComparabilityError
        Unknown territory; unknown zoning; a QPV of the other zoning.
    """
    if geo_vintage not in QPV_ZONINGS:
        raise UnavailableLevelError(
            f"No QPV zoning of {geo_vintage!r}. geo_vintage is one of {', '.join(map(str, QPV_ZONINGS))}."
        )
    place = loading.gazetteer().resolve(territory)
    if place is not None and place.level == "qpv" and zoning_of_qpv_code(place.code) != geo_vintage:
        raise ComparabilityError(
            f"{place.code} is a QPV of {zoning_of_qpv_code(place.code)}, not of {geo_vintage}. Pass "
            f"geo_vintage={zoning_of_qpv_code(place.code)}, or find its counterpart with qs.crosswalk."
        )
    return place


def qpv_supply(
    place: Territory | None, geo_vintage: int, reach: list[float], unknown_precision: float, lang: style.Lang
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Counts and densities of every QPV of a territory, without labels; and the store they come from.

    Raises
    ------
    StoreError
        The structures were never built.
    """
    structures, covered, origin = load_structures()
    listed = loading.gazetteer().qpv_in(place, geo_vintage)
    if listed.empty:
        return pd.DataFrame(), {SOURCE: origin}
    outlines = loading.load_zones("qpv", vintage=geo_vintage)[["geo_code", "geometry"]]
    zones = outlines.merge(listed, on="geo_code", how="right")
    counts = _counted(zones[zones["department"].isin(covered)], structures, covered, reach, unknown_precision)
    keys = pd.MultiIndex.from_product([zones["geo_code"], KINDS, reach], names=["geo_code", "indicator", "distance_m"])
    supply = counts.set_index(list(keys.names)).reindex(keys).reset_index()
    supply = supply.merge(zones[["geo_code", "name", "department"]], on="geo_code", validate="m:1")
    people = qpv_population(geo_vintage).reindex(supply["geo_code"])
    source, edition = catalogue().source(SOURCE), structures["source"].iloc[0]
    supply = supply.assign(
        geo_level="qpv",
        geo_vintage=geo_vintage,
        population=people["value"].to_numpy(),
        population_year=POPULATION_YEAR[geo_vintage],
        year=int(structures["year"].iloc[0]),
        source=edition,
        licence=source.licence,
    )
    beyond = supply["beyond"].eq(True)
    unknown = supply["value"].isna()
    supply["flag"] = np.select([unknown, beyond], ["unavailable", "unreliable"], "observed")
    supply.loc[beyond, "upper"] = np.nan
    supply = add_density(supply, supply["lower"], supply["upper"])
    no_people = supply["population"].isna() & ~unknown
    why = people["flag"].fillna("unavailable").to_numpy()
    supply["density_flag"] = supply["density_flag"].mask(no_people, pd.Series(why, index=supply.index))
    supply["note"] = _notes(supply, covered, no_people, lang)
    return supply, {SOURCE: origin}


def _counted(
    zones: Any, structures: pd.DataFrame, covered: list[str], reach: list[float], unknown_precision: float
) -> pd.DataFrame:
    counts = count_nearby(zones, structures, distances=reach, unknown_precision=unknown_precision)
    departments = loading.load_zones("department", vintage=2018)
    beyond = {
        distance: pd.Series(beyond_coverage(zones, departments, covered, distance), index=zones["geo_code"])
        for distance in reach
    }
    pairs = zip(counts["distance_m"], counts["geo_code"], strict=True)
    counts["beyond"] = [bool(beyond[distance][code]) for distance, code in pairs]
    return counts


def qpv_population(geo_vintage: int) -> pd.DataFrame:
    """Inhabitants of the QPV of a zoning, and why they are missing; by code."""
    rows = loading.load_observations(
        "population", geo_level="qpv", geo_vintage=geo_vintage, year=POPULATION_YEAR[geo_vintage]
    )
    return rows.drop_duplicates("geo_code").set_index("geo_code")[["value", "flag"]].astype({"flag": "str"})


def _notes(supply: pd.DataFrame, covered: list[str], no_people: pd.Series, lang: style.Lang) -> pd.Series:
    notes: list[list[str]] = [[] for _ in range(len(supply))]

    def add(rows: pd.Series, text: pd.Series | str) -> None:
        for at in np.flatnonzero(rows):
            notes[at].append(text if isinstance(text, str) else str(text.iloc[at]))

    unknown = supply["value"].isna()
    outside = ~supply["department"].isin(covered)
    add(unknown & outside, _NOTES["uncovered"][lang])
    add(unknown & ~outside, _NOTES["undrawn"][lang])
    add(supply["beyond"].eq(True), _NOTES["beyond"][lang])
    doubt = (supply["upper"].fillna(supply["value"]) - supply["lower"]).fillna(0).astype(int)
    add(doubt > 0, doubt.map(lambda n: _NOTES["uncertain" if n > 1 else "one_uncertain"][lang].format(n=n)))
    add(no_people, _NOTES["people"][lang])
    return pd.Series([(" ; " if lang == "fr" else "; ").join(texts) for texts in notes], index=supply.index)
