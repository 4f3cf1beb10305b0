"""Care supply: which structures lie in and around a QPV, and facilities per inhabitant of communes.

What is there is not what residents can use: no file read has capacity, hours, fees or patients.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from qpv_sante import store, style
from qpv_sante.arguments import checked
from qpv_sante.care.communes import SOURCE, commune_supply
from qpv_sante.care.iris import iris_bounds
from qpv_sante.care.nearby import UNKNOWN_PRECISION_M, check_distances
from qpv_sante.care.quarters import check_place, qpv_supply
from qpv_sante.care.statements import statements
from qpv_sante.care.structures import find
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.territories import Territory

__all__ = ["care_supply", "iris_bounds", "statements"]

SUPPLY_COLUMNS = (
    *("geo_level", "geo_code", "geo_vintage", "name", "department", "indicator", "label", "distance_m"),
    *("value", "lower", "upper", "density", "density_lower", "density_upper", "interval"),
    *("population", "population_year", "year", "n_used", "n_total", "flag", "density_flag", "source", "licence"),
    "note",
)
_LABELS = {
    "health_structures": {"fr": "Maisons ou centres de santé", "en": "Health houses or centres"},
}
_NOTES: dict[str, dict[str, str]] = {
    "commune": {
        "fr": "base non disponible pour cette commune",
        "en": "the base is not available for this commune",
    },
    "left": {
        "fr": "compte d'avant le départ d'une commune rétablie depuis",
        "en": "counted before a commune since restored left it",
    },
    "pharmacies": {
        "fr": "la base compte plus de pharmacies que les sources spécialisées",
        "en": "the base counts more pharmacies than specialised sources",
    },
}


@checked
@store.one_build()
def care_supply(
    territory: str | Territory | None = None,
    *,
    geo_vintage: int,
    distances: Sequence[float] = (0, 500, 1000),
    unknown_precision: float = UNKNOWN_PRECISION_M,
    lang: str = "fr",
) -> pd.DataFrame:
    """Health houses and centres in and around each QPV, and facilities per inhabitant of the communes.

    Parameters
    ----------
    territory : str, optional
        A name (`"Occitanie"`, `"Béziers"`) or a typed code (`"department:59"`, `"qpv:QP034001"`): its QPV and its
        communes (those that host it, for a QPV); all of France by default.
    geo_vintage : int
        Zoning of the QPV: 2015 or 2024.
    distances : sequence of float
        Metres from the outline of the QPV; 0 is inside.
    unknown_precision : float
        Metres of doubt on the location of structures whose precision is not published: all those of the current
        edition. 100 by default, a convention.
    lang : {"fr", "en"}
        Language of labels and notes.

    Returns
    -------
    DataFrame
        QPV first, then communes; columns:

        - `geo_level` (`qpv`, `commune`), `geo_code`, `geo_vintage` (communes: official codes of 2024), `name`,
          `department`;
        - `indicator`, `label`, `distance_m` (metres; missing for communes). QPV: `health_houses`, `health_centres`
          and `health_structures` (either), from FINESS. Communes: these two, `general_practitioners`, `specialists`
          (eleven specialties), `dentists`, `nurses` and `pharmacies`, from the base of facilities (BPE);
        - `value`: number of structures; `lower`, `upper`: those that are there for certain, and those that may be,
          given the precision of their location (missing for communes, whose counts need none). The upper bound is
          unknown where the surroundings reach a department that the source does not cover;
        - `density`: per 10,000 inhabitants of the QPV or commune, whoever the patients are; `density_lower`,
          `density_upper`: exact Poisson limits at 95 %, those of `lower` and `upper` for QPV; `interval` is `process`:
          counts are exhaustive, and the limits say what the same supply process could have given by chance;
        - `population`, `population_year` (the years differ from `year`, that of the structures);
        - `n_used`, `n_total`: structures with a usable location and all of them, in the department of the QPV; for
          communes, facilities counted;
        - `flag` of the count: `unavailable` where the source says nothing (QPV outside Occitanie, without outline),
          never zero; `unreliable` where it is a minimum or doubtful. `density_flag`: that of the population too;
        - `source`, `licence`, `note`.

        `attrs["origin"]` says which stores were read.

    Raises
    ------
    UnknownNameError
        Unknown territory or language.
    UnavailableLevelError
        No such zoning, or nothing in that territory.
    ComparabilityError
        A QPV of the other zoning.
    InvalidInputError
        Distances or precision that are not metres.
    StoreError
        These sources were never built; the message gives the command.

    See Also
    --------
    qpv_sante.care.iris_bounds : facilities of a QPV from those of IRIS, with outlines of your own.
    qpv_sante.care.statements : these figures beside what reports have published.

    Examples
    --------
    >>> supply = care_supply("Béziers", geo_vintage=2015)  # doctest: +SKIP
    >>> inside = supply.query("indicator == 'health_structures' and distance_m == 500")  # doctest: +SKIP
    >>> inside[["name", "value", "lower", "upper"]]  # doctest: +SKIP
    """
    code = style.check_lang(lang)
    reach = check_distances(distances)
    place = check_place(territory, geo_vintage)
    communes = commune_supply(place)
    quarters, origin = qpv_supply(place, geo_vintage, reach, unknown_precision, code)
    if quarters.empty and communes.empty:
        raise UnavailableLevelError(f"No QPV of {geo_vintage} and no commune in {place.name if place else 'France'}.")
    communes = communes.assign(note=_commune_notes(communes, code))
    parts = [frame for frame in (quarters, communes) if len(frame)]
    supply = pd.concat([part.assign(label=_labels(part["indicator"], code)) for part in parts], ignore_index=True)
    result = supply[list(SUPPLY_COLUMNS)]
    result.attrs = {"origin": {**origin, SOURCE: find(f"observations/{SOURCE}").label}, "geo_vintage": geo_vintage}
    return result


def _labels(indicators: pd.Series, lang: style.Lang) -> pd.Series:
    known = catalogue().indicators
    names = {name: (_LABELS[name] if name in _LABELS else known[name].label)[lang] for name in indicators.unique()}
    return indicators.map(names)


def _commune_notes(communes: pd.DataFrame, lang: style.Lang) -> pd.Series:
    doubtful = communes["flag"] == "unreliable"
    notes = pd.Series("", index=communes.index)
    notes = notes.mask(doubtful, _NOTES["left"][lang])
    notes = notes.mask(doubtful & (communes["indicator"] == "pharmacies"), _NOTES["pharmacies"][lang])
    return notes.mask(communes["flag"] == "unavailable", _NOTES["commune"][lang])
