"""Territories: from a name to a code, and what lies in them."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

import pandas as pd

from qpv_sante.errors import AmbiguousTerritoryError, SchemaError, UnknownNameError, did_you_mean
from qpv_sante.geography import (
    LEVELS,
    arrondissement_code,
    department_of_commune,
    fold,
    whole_commune,
    zoning_of_qpv_code,
)
from qpv_sante.territory_records import Declared, aliases, members_of
from qpv_sante.territory_tables import COUNTRIES
from qpv_sante.territory_tables import assemble as assemble
from qpv_sante.territory_tables import current_commune as current_commune
from qpv_sante.territory_tables import match_communes as match_communes

log = logging.getLogger(__name__)

# Levels that contain QPV, smallest first; urban units are asked for by code: their names are those of communes
CONTAINERS = ("qpv", "commune", "epci", "urban_unit", "department", "region", "country")
# Level of a territory that no official code designates (see `territory_records`)
COMPOSITE = "composite"
_NAMED = ("commune", "epci", "department", "region")
# Of several territories that bear a name, the larger; of those that bear a code, the one that people mean by it
_BY_NAME = ("country", "region", "department", "epci", "urban_unit", "commune")
_BY_CODE = ("department", "commune", "epci", "region", "urban_unit", "country")


@lru_cache(maxsize=1000)
def _say_once(message: str) -> None:
    """Tell how a name was read, once: a script asks for the same territory many times."""
    log.warning("%s", message)


@dataclass(frozen=True)
class Territory:
    """A place: level, official code and name.

    A composite one (level `composite`) bears the id of its record, and what it is made of: `communes`, `quarters`
    (QPV codes of both zonings) and `iris`; of the others these are empty.

    Examples
    --------
    >>> Territory("region", "76", "Occitanie").key
    'region:76'
    """

    level: str
    code: str
    name: str
    communes: tuple[str, ...] = ()
    quarters: tuple[str, ...] = ()
    iris: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The typed code, accepted wherever a territory is."""
        return f"{self.level}:{self.code}"


FRANCE, METROPOLITAN_FRANCE = (Territory("country", code, name) for code, name in COUNTRIES)


@dataclass(frozen=True)
class Gazetteer:
    """The code tables, and the answers they give.

    Attributes
    ----------
    territories, communes, former_communes, qpv : DataFrame
        As `assemble` makes them.
    composites : mapping of str to Declared
        Declared territories by id.
    """

    territories: pd.DataFrame
    communes: pd.DataFrame
    former_communes: pd.DataFrame
    qpv: pd.DataFrame
    composites: Mapping[str, Declared] = field(default_factory=dict)

    def resolve(self, territory: str | Territory | None) -> Territory | None:
        """The territory that a name or a typed code designates; none for all of France.

        Parameters
        ----------
        territory : str, Territory or None
            `"Occitanie"`, `"Lille"`, `"region:76"`, `"department:59"`, `"epci:200093201"`,
            `"urban_unit:59702"`, `"commune:59350"`, `"qpv:QP059001"` or a bare QPV code; or the id or label of a
            composite territory: `"lille-sud"`, `"composite:lille-sud"` (see `list_territories`). Usual names are
            known: `"PACA"`, `"MEL"`. Of territories of several levels, a name is that of the larger (Bretagne is the
            region) and a code that of the department (93 is Seine-Saint-Denis): a warning names the other readings.

        Raises
        ------
        AmbiguousTerritoryError
            Several territories of one level bear that name or code; the message lists their typed codes.
        UnknownNameError
            None does, and the message proposes the nearest names; or it is a municipal arrondissement.
        """
        if territory is None or isinstance(territory, Territory):
            return territory
        if not isinstance(territory, str):
            raise UnknownNameError(
                f"A territory is text: a name or a typed code such as 'region:{territory}'; got {territory!r}."
            )
        text = territory.strip()
        level, typed, code = text.partition(":")
        if typed:
            return self._typed(level.strip(), code.strip(), text)
        if re.match(r"(?i)Q[PN]\d", text):
            zoning_of_qpv_code(text.upper())
            return self._typed("qpv", text.upper(), text)
        if whole := arrondissement_code(text):
            raise UnknownNameError(self._of_arrondissement(text, whole))
        known = self.territories[self.territories["level"] != "qpv"]
        is_code = re.fullmatch(r"\d[\dABab]\d*", text) is not None
        if is_code:
            found = known[known["code"] == text.upper()]
        else:
            named = known[known["level"].isin((*_NAMED, "country"))]
            found = named[named["name"].map(fold) == fold(text)]
        if (declared := self._declared(text)) is not None:
            return self._composite(declared, [f"{row.level}:{row.code}" for row in found.itertuples(index=False)])
        if found.empty and (key := aliases().get(fold(text))):
            return self.resolve(key)
        if found.empty:
            if is_code and (self.former_communes["old_code"] == text.upper()).any():
                return self._typed("commune", text.upper(), text)  # which says where it is now
            former = self.former_communes[self.former_communes["old_name"].map(fold) == fold(text)]
            if len(former):
                keys = ", ".join(f"commune:{code}" for code in former["new_code"].unique())
                raise UnknownNameError(f"{text!r} is a former commune; today it is {keys}. Pass that code.")
            raise UnknownNameError(
                f"No territory called {text!r}. "
                + f"{did_you_mean(text, [*self.composites, *known['name'].unique()], limit=0)} ".lstrip()
                + "Give a name (Occitanie, Lille), a typed code (region:76, department:59, commune:59350) or an id of "
                "list_territories()."
            )
        places = [Territory(row.level, row.code, row.name) for row in found.itertuples(index=False)]
        if len(places) > 1 and len({self._extent(place) for place in places}) > 1:
            places = self._first_reading(text, places, _BY_CODE if is_code else _BY_NAME)
        elsewhere = self.former_communes[self.former_communes["old_name"].map(fold) == fold(text)]["new_code"]
        others = [code for code in elsewhere.unique() if code != places[0].code]
        if places[0].level == "commune" and others:
            listed = ", ".join(f"commune:{code}" for code in others)
            _say_once(f"{text} is read as {places[0].key}; former communes of that name are now in {listed}.")
        return places[0]

    def _first_reading(self, text: str, places: list[Territory], order: tuple[str, ...]) -> list[Territory]:
        """The territories of the level that comes first, if they are one place; the other readings are told.

        Raises
        ------
        AmbiguousTerritoryError
            Several places of that level.
        """
        places = sorted(places, key=lambda place: order.index(place.level))
        # a region of one department and that department are one place, under either level
        same = [place for place in places if self._extent(place) == self._extent(places[0])]
        others = [place for place in places if place not in same]
        if any(place.level == places[0].level for place in others):
            listed = ", ".join(f"{place.key} ({place.name}{self._where(place)})" for place in places)
            raise AmbiguousTerritoryError(
                f"{text!r} designates {len(places)} territories: {listed}. Pass one of these."
            )
        listed = ", ".join(f"{place.key} ({place.name}{self._where(place)})" for place in others)
        first = next((place for place in same if place.level == "department"), same[0])
        _say_once(f"{text!r} is read as {first.key} ({first.name}); pass {listed} for another reading.")
        return [first]

    def _declared(self, text: str) -> Declared | None:
        """The declared territory that bears this id or label."""
        if text in self.composites:
            return self.composites[text]
        folded = fold(text)
        for declared in self.composites.values():
            record = declared.record
            if folded in (fold(record.id), fold(record.text("label", "fr")), fold(record.text("label", "en"))):
                return declared
        return None

    def _composite(self, declared: Declared, official: list[str]) -> Territory:
        """What a record designates; `official` are the territories that bear the same name."""
        record = declared.record
        if official and record.same_as not in official:
            raise AmbiguousTerritoryError(
                f"The name of the territory {record.id!r} of {declared.path} is also that of {', '.join(official)}. "
                f"Pass composite:{record.id} or one of these, and give the record another id and label."
            )
        if record.same_as:
            place = self.resolve(record.same_as)
            assert place is not None  # noqa: S101 - resolve gives none for None only
            return place
        members = members_of(record, self.communes, self.former_communes, self.qpv, where=declared.path.name)
        if members.said:
            _say_once(f"{record.id}: {'; '.join(members.said)}.")
        name = record.text("label", "fr")
        return Territory(COMPOSITE, record.id, name, members.communes, members.quarters, record.iris)

    def _typed(self, level: str, code: str, text: str) -> Territory:
        if level == COMPOSITE:
            if code not in self.composites:
                raise UnknownNameError(f"{text!r}: no such territory. {did_you_mean(code, self.composites)}")
            return self._composite(self.composites[code], [])
        if level not in CONTAINERS:
            raise UnknownNameError(
                f"{text!r}: unknown level {level!r}. {did_you_mean(level, (*CONTAINERS, COMPOSITE))}"
            )
        if level == "commune" and arrondissement_code(code):
            raise UnknownNameError(self._of_arrondissement(text, arrondissement_code(code)))
        of_level = self.territories[self.territories["level"] == level]
        found = of_level[of_level["code"] == code]
        if found.empty:
            moved = self.former_communes[self.former_communes["old_code"] == code] if level == "commune" else found
            if len(moved):
                raise UnknownNameError(
                    f"{text}: {moved['old_name'].iloc[0]} ({code}) is no longer a commune; "
                    f"its territory is in commune:{moved['new_code'].iloc[0]}. Pass that code."
                )
            raise UnknownNameError(f"{text}: no {level} has this code. {did_you_mean(code, of_level['code'], limit=5)}")
        return Territory(level, code, found["name"].iloc[0])

    def arrondissement(self, text: object) -> Territory | None:
        """The municipal arrondissement that a code or a name designates, as a commune of the city; or none.

        Only figures that a source gives by arrondissement are about it: QPV are told by commune.
        """
        given = text.removeprefix("commune:").strip() if isinstance(text, str) else ""
        if not (code := arrondissement_code(given)):
            return None
        number, city = int(code[-2:]) - (80 if code.startswith("69") else 0), whole_commune(pd.Series([code])).iloc[0]
        rank = f"{number}{'er' if number == 1 else 'e'} Arrondissement"
        return Territory("arrondissement", code, f"{self.name_of('commune', city)} {rank}")

    def _of_arrondissement(self, text: str, code: str) -> str:
        """What to say of an arrondissement, which no QPV and no reference is told by."""
        place = self.arrondissement(code)
        assert place is not None  # noqa: S101 - the code is that of one
        city = whole_commune(pd.Series([code])).iloc[0]
        named = "" if text == place.name else f" ({place.name})"
        return (
            f"{text!r}{named} is a municipal arrondissement: QPV and references are counted with its commune. Pass "
            f"commune:{city} ({self.name_of('commune', city)}). Figures that a source gives by arrondissement are in "
            f"load_observations(..., geo_level='commune', territory={code!r})."
        )

    def _where(self, place: Territory) -> str:
        if place.level != "commune":
            return f", {LEVELS[place.level]['en']}"
        return f", department {department_of_commune(pd.Series([place.code])).iloc[0]}"

    def _extent(self, place: Territory) -> frozenset[str]:
        return frozenset(self.communes.loc[self.communes_in(place), "code"])

    def communes_in(self, place: Territory) -> pd.Series:
        """Which rows of `communes` lie in a territory (a QPV: its host communes).

        Of a composite one: its communes, then those of its IRIS or, without IRIS, the hosts of its QPV.
        """
        if place.level == COMPOSITE:
            inside = {code[:5] for code in place.iris}
            if not inside:
                listed = self.qpv["geo_code"].isin(place.quarters)
                inside = set(self.qpv.loc[listed, "communes"].str.split(";").explode())
            return self.communes["code"].isin(inside | set(place.communes))
        if place.level == "country":
            return (self.communes["department"].str.len() < 3) | (place.code == "F")
        if place.level == "qpv":
            hosts = self.qpv.loc[self.qpv["geo_code"] == place.code, "communes"].str.split(";").explode()
            return self.communes["code"].isin(hosts)
        column = "code" if place.level == "commune" else place.level
        return self.communes[column] == place.code

    def qpv_in(self, place: Territory | None, geo_vintage: int) -> pd.DataFrame:
        """QPV of a zoning that lie, at least in part, in a territory.

        Returns
        -------
        DataFrame
            Rows of `qpv`.
        """
        qpv = self.qpv[self.qpv["geo_vintage"] == geo_vintage]
        if place is None or place.code == "F":
            return qpv
        if place.level == "country":
            return qpv[qpv["department"].str.len() < 3]
        if place.level == "qpv":
            return qpv[qpv["geo_code"] == place.code]
        if place.level == COMPOSITE:
            hosted = qpv["communes"].str.split(";").explode().isin(place.communes).groupby(level=0).any()
            return qpv[hosted | qpv["geo_code"].isin(place.quarters)]
        column = "communes" if place.level == "commune" else place.level
        return qpv[(";" + qpv[column] + ";").str.contains(f";{place.code};", regex=False)]

    def name_of(self, level: str, code: str) -> str:
        """Official name of a territory.

        Raises
        ------
        SchemaError
            The code is in no code table.
        """
        found = self.territories[(self.territories["level"] == level) & (self.territories["code"] == code)]
        if found.empty:
            raise SchemaError(f"No name for {level}:{code} in the code tables.")
        return str(found["name"].iloc[0])
