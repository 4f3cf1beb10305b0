"""What a profile is of: one QPV, or the QPV of a territory together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from qpv_sante import comparison, loading
from qpv_sante.errors import AmbiguousTerritoryError, InvalidInputError, UnavailableLevelError, UnknownNameError
from qpv_sante.geography import QPV_ZONINGS, fold
from qpv_sante.profiles.places import Quarter, designates_code, exactly_named, find_quarter
from qpv_sante.territories import COMPOSITE, CONTAINERS, METROPOLITAN_FRANCE, Gazetteer, Territory

_LISTED = 3
_MANY = {
    "commune": {"fr": "{number} communes", "en": "{number} communes"},
    "urban_unit": {"fr": "{number} unités urbaines", "en": "{number} urban units"},
}


@dataclass(frozen=True)
class Subject:
    """One QPV, or a territory that stands for its QPV.

    Attributes
    ----------
    place : Territory
        The QPV itself (level `qpv`), or the territory.
    geo_vintage : int
    commune_names : str
        Host communes of a QPV, to tell it from others of its name; empty for a territory.
    names : dict of str to str
        Name of each reference; empty where the subject lies in none.
    n_places : dict of str to int
        Number of territories that make up each reference.
    region : str
        Code of the region that holds every QPV of it; empty where there is none, or several.
    """

    place: Territory
    geo_vintage: int
    commune_names: str
    names: dict[str, str]
    n_places: dict[str, int]
    region: str

    @property
    def is_quarter(self) -> bool:
        """Whether it is one QPV."""
        return self.place.level == "qpv"

    @property
    def geo_code(self) -> str:
        """QPV code, or typed code of the territory."""
        return self.place.code if self.is_quarter else self.place.key

    def members(self, quarters: pd.DataFrame) -> pd.DataFrame:
        """Its QPV among those of the zoning, as one group."""
        return comparison.group_members(quarters, loading.gazetteer(), None, self.place, self.geo_vintage)


def find_subject(place: str | Territory, geo_vintage: int | None, lang: str) -> Subject:
    """The QPV or the territory that a text designates.

    Parameters
    ----------
    place : str or Territory
        What `find_quarter` or `Gazetteer.resolve` takes. A name is that of a territory if one bears it; that of a
        territory without QPV may be the exact name of a QPV, which is then meant.
    geo_vintage : int or None
        2015 or 2024; needed for a territory.
    lang : {"fr", "en"}

    Returns
    -------
    Subject

    Raises
    ------
    UnknownNameError
        Neither; the message proposes the nearest of both.
    AmbiguousTerritoryError
        Several territories or QPV, or one of each.
    InvalidInputError
        A territory without `geo_vintage`.
    UnavailableLevelError
        No such zoning, or a territory without QPV of it; the message says where there are some.
    ComparabilityError
        A QPV code of one zoning with `geo_vintage` of the other.

    Examples
    --------
    >>> find_subject("Béziers", 2024, "fr").geo_code, find_subject("Devèze, Béziers", 2024, "fr").geo_code
    ('commune:34032', 'QN03403M')
    """
    found = _find(place, geo_vintage)
    return of_quarter(found) if isinstance(found, Quarter) else _of_territory(found, geo_vintage, lang)


def _find(place: str | Territory, geo_vintage: int | None) -> Quarter | Territory:
    places = loading.gazetteer()
    if isinstance(place, Territory):
        return find_quarter(place.code, geo_vintage) if place.level == "qpv" else place
    if designates_code(place):
        return find_quarter(place, geo_vintage)
    typed = place.partition(":")[0].strip() in (*CONTAINERS, COMPOSITE) and ":" in place
    same = exactly_named(place, geo_vintage)
    try:
        found = places.resolve(place)
    except AmbiguousTerritoryError as error:
        if same.empty:
            raise
        if _hosts(place, geo_vintage):
            raise AmbiguousTerritoryError(f"{error} It is also the name of {_codes(same)}.") from None
        return find_quarter(place, geo_vintage)
    except UnknownNameError as error:
        if typed:
            raise
        return _quarter_or_neither(place, geo_vintage, error)
    assert found is not None  # noqa: S101 - resolve gives none for None only
    if same.empty:
        return found
    if all(places.qpv_in(found, zoning).empty for zoning in _zonings(geo_vintage)):
        return find_quarter(place, geo_vintage)
    raise AmbiguousTerritoryError(
        f"{place!r} designates both {found.key} ({found.name}) and {_codes(same)}. Pass one of these."
    )


def _quarter_or_neither(place: str, geo_vintage: int | None, no_territory: UnknownNameError) -> Quarter:
    try:
        return find_quarter(place, geo_vintage)
    except AmbiguousTerritoryError:
        raise
    except UnknownNameError as no_quarter:
        raise UnknownNameError(
            f"{place!r} is neither a territory nor a QPV. As a territory: {no_territory} As a QPV: {no_quarter}"
        ) from None


def _zonings(geo_vintage: int | None) -> Sequence[int]:
    return QPV_ZONINGS if geo_vintage is None else (geo_vintage,)


def _hosts(name: str, geo_vintage: int | None) -> bool:
    """Whether a commune of that name hosts a QPV."""
    qpv = loading.gazetteer().qpv
    inside = qpv[qpv["geo_vintage"].isin(_zonings(geo_vintage))]
    return bool((inside["commune_names"].str.split(";").explode().map(fold) == fold(name)).any())


def _codes(quarters: pd.DataFrame) -> str:
    kept = quarters.head(_LISTED)
    listed = ", ".join(f"{code} ({year})" for code, year in zip(kept["geo_code"], kept["geo_vintage"], strict=True))
    return f"the QPV {listed}" + (", ..." if len(quarters) > _LISTED else "")


def of_quarter(quarter: Quarter) -> Subject:
    """One QPV, and the names of the territories that hold it."""
    places = loading.gazetteer()
    unit = quarter.urban_unit.split(";")[0]
    communes = ", ".join(official_communes(quarter, places))
    return Subject(
        place=quarter.place,
        geo_vintage=quarter.geo_vintage,
        commune_names=communes,
        names={
            "commune": communes,
            "urban_unit": places.name_of("urban_unit", unit) if unit else "",
            "region": places.name_of("region", quarter.region) if quarter.region else "",
            "country": METROPOLITAN_FRANCE.name,
        },
        n_places={
            "commune": len(quarter.communes),
            "urban_unit": int(bool(unit)),
            "region": int(bool(quarter.region)),
            "country": 1,
        },
        region=quarter.region,
    )


def official_communes(quarter: Quarter, places: Gazetteer) -> list[str]:
    """Official names of the host communes; as the QPV's list writes them where the code has none (Polynesia)."""
    known = places.territories[places.territories["level"] == "commune"].set_index("code")["name"]
    official = known.reindex(list(quarter.communes))
    return official.tolist() if len(official) and official.notna().all() else list(quarter.commune_names)


def _of_territory(place: Territory, geo_vintage: int | None, lang: str) -> Subject:
    places = loading.gazetteer()
    if geo_vintage is None:
        numbers = ", ".join(f"{len(places.qpv_in(place, zoning))} of {zoning}" for zoning in QPV_ZONINGS)
        raise InvalidInputError(
            f"{place.name} ({place.key}) is a territory: geo_vintage is needed, 2015 or 2024 (it has {numbers})."
        )
    if geo_vintage not in QPV_ZONINGS:
        raise UnavailableLevelError(f"No QPV zoning of {geo_vintage!r}. Zonings: {', '.join(map(str, QPV_ZONINGS))}.")
    quarters = places.qpv_in(place, geo_vintage)
    if quarters.empty:
        raise UnavailableLevelError(comparison.without_quarters(place, places, geo_vintage))
    held = {
        level: sorted(set(filter(None, quarters[column].str.split(";").explode().fillna(""))))
        for level, column in (("commune", "communes"), ("urban_unit", "urban_unit"), ("region", "region"))
    }
    if place.level in held:
        # as in compare: the territory itself, not the neighbours that share a QPV with it
        held[place.level] = [place.code]
    regions = held["region"]
    return Subject(
        place=place,
        geo_vintage=geo_vintage,
        commune_names="",
        names={
            "commune": _listed("commune", held["commune"], places, lang),
            "urban_unit": _listed("urban_unit", held["urban_unit"], places, lang),
            "region": places.name_of("region", regions[0]) if len(regions) == 1 else "",
            "country": METROPOLITAN_FRANCE.name,
        },
        n_places={level: len(codes) for level, codes in held.items()} | {"country": 1},
        region=regions[0] if len(regions) == 1 else "",
    )


def _listed(level: str, codes: list[str], places: Gazetteer, lang: str) -> str:
    """Names of a few territories, or their number."""
    if len(codes) > _LISTED:
        return _MANY[level][lang].format(number=len(codes))
    known = places.territories[places.territories["level"] == level].set_index("code")["name"]
    return ", ".join(known.get(code, code) for code in codes)
