"""Territories: what contains what, and from a name to a code."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

import geopandas as gpd
import pandas as pd

from qpv_sante.errors import AmbiguousTerritoryError, SchemaError, UnknownNameError, did_you_mean
from qpv_sante.geography import (
    LEVELS,
    department_of_commune,
    department_of_qpv,
    fold,
    zoning_of_qpv_code,
)

log = logging.getLogger(__name__)

# Levels that contain QPV, smallest first; urban units are asked for by code: their names are those of communes
CONTAINERS = ("qpv", "commune", "epci", "urban_unit", "department", "region", "country")
_NAMED = ("commune", "epci", "department", "region")


@dataclass(frozen=True)
class Territory:
    """A place: level, official code and name.

    Examples
    --------
    >>> Territory("region", "76", "Occitanie").key
    'region:76'
    """

    level: str
    code: str
    name: str

    @property
    def key(self) -> str:
        """The typed code, accepted wherever a territory is."""
        return f"{self.level}:{self.code}"


METROPOLITAN_FRANCE = Territory("country", "FM", "France métropolitaine")
FRANCE = Territory("country", "F", "France")


def assemble(
    codes: dict[str, pd.DataFrame], zones: dict[str, gpd.GeoDataFrame]
) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """The code tables that the rest of the package reads, from the producers' own.

    Parameters
    ----------
    codes : dict of str to DataFrame
        `communes`, `commune_events`, `commune_epci`, `iris`, `commune_regions`, `qpv_2015_names`.
    zones : dict of str to GeoDataFrame
        Layers `department_2018`, `qpv_2015`, `qpv_2024` with their attributes.

    Returns
    -------
    tables : dict of str to DataFrame
        `communes`: code, name, department, region, epci, urban_unit, population, one row a commune of
        the current code; `former_communes`: old_code, old_name, new_code; `qpv`: geo_vintage, geo_code,
        name, communes, commune_names, epci, urban_unit, department, region, has_outline, several values
        separated by `;`; `territories`: level, code, name.
    counts : dict of str to int
        QPV without a matched commune, for the manifest.
    """
    former = _former_communes(codes["commune_events"], codes["communes"])
    communes = _communes(codes, former)
    qpv, counts = _qpv(codes, zones, communes, former)
    territories = _territories(codes, zones, communes, qpv)
    return {"communes": communes, "former_communes": former, "qpv": qpv, "territories": territories}, counts


def _former_communes(events: pd.DataFrame, communes: pd.DataFrame) -> pd.DataFrame:
    """Codes and names that communes no longer bear, and the commune that has them now."""
    current = set(communes.loc[communes["kind"] == "COM", "code"])
    moves = events[(events["old_kind"] == "COM") & (events["new_kind"] == "COM")].sort_values("date", kind="stable")
    changed = moves[moves["old_code"] != moves["new_code"]].drop_duplicates("old_code", keep="last")
    successor = changed.set_index("old_code")["new_code"]
    renamed = moves.loc[moves["old_name"] != "", ["old_code", "old_name"]].drop_duplicates()
    next_code = successor.to_dict()

    def today(code: str) -> str | None:
        # a commune can merge into one that merged later; a code given back to a new commune would turn in circles
        seen = set()
        while code not in current and code in next_code and code not in seen:
            seen.add(code)
            code = next_code[code]
        return code if code in current else None

    codes = {code: today(code) for code in renamed["old_code"].unique()}
    former = renamed.assign(new_code=renamed["old_code"].map(codes))
    return former.dropna(subset=["new_code"]).drop_duplicates(ignore_index=True)


def current_commune(codes: pd.Series, former: pd.DataFrame) -> pd.Series:
    """Commune codes brought to the current official code; those that are current are unchanged.

    Parameters
    ----------
    codes : Series of str
    former : DataFrame
        Code table `former_communes`.

    Returns
    -------
    Series of str

    Examples
    --------
    >>> former = pd.DataFrame({"old_code": ["50602"], "old_name": ["Tourlaville"], "new_code": ["50129"]})
    >>> current_commune(pd.Series(["50602", "31555"]), former).tolist()
    ['50129', '31555']
    """
    moved = former.loc[former["old_code"] != former["new_code"]].drop_duplicates("old_code")
    return codes.map(moved.set_index("old_code")["new_code"]).fillna(codes)


def _communes(codes: dict[str, pd.DataFrame], former: pd.DataFrame) -> pd.DataFrame:
    cog = codes["communes"]
    parents = cog[cog["kind"] == "ARM"].set_index("code")["parent"]
    communes = cog[cog["kind"] == "COM"].drop(columns=["kind", "parent"]).set_index("code")

    def per_commune(table: pd.DataFrame, key: str, column: str) -> pd.Series:
        code = current_commune(table[key], former)
        return table[column].groupby(code.map(parents).fillna(code)).first()

    communes["epci"] = per_commune(codes["commune_epci"], "code", "epci")
    communes["urban_unit"] = per_commune(codes["iris"], "commune", "urban_unit")
    # Paris, Lyon and Marseille are counted by arrondissement
    people = codes["commune_regions"]
    number = people["population"].astype(float)
    communes["population"] = number.groupby(people["code"].map(parents).fillna(people["code"])).sum()
    # ZZZZZZZZZ: commune outside any intercommunality; codes ending in 000: outside any urban unit
    communes["epci"] = communes["epci"].replace("ZZZZZZZZZ", "").fillna("")
    communes["urban_unit"] = communes["urban_unit"].fillna("")
    communes.loc[communes["urban_unit"].str.endswith("000"), "urban_unit"] = ""
    return communes.reset_index().sort_values("code", ignore_index=True)


def _qpv(
    codes: dict[str, pd.DataFrame], zones: dict[str, gpd.GeoDataFrame], communes: pd.DataFrame, former: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, int]]:
    """QPV of both zonings and the territories that contain them."""
    names = codes["qpv_2015_names"].rename(columns={"code": "geo_code"})
    outlined = zones["qpv_2015"].drop(columns="geometry")
    rest = outlined[~outlined["geo_code"].isin(names["geo_code"])]
    old = pd.concat([names, rest], ignore_index=True)
    old["communes"] = match_communes(old, codes["communes"], former)
    new = pd.DataFrame(zones["qpv_2024"].drop(columns="geometry")).assign(
        communes=lambda frame: frame["communes"].str.replace(" ", "").str.replace(",", ";")
    )
    tables = []
    for vintage, frame in ((2015, old), (2024, new)):
        layer = zones[f"qpv_{vintage}"]
        with_outline = layer.loc[layer.geometry.notna(), "geo_code"]
        department = department_of_qpv(frame["geo_code"])
        tables.append(
            pd.DataFrame(
                {
                    "geo_vintage": vintage,
                    "geo_code": frame["geo_code"],
                    "name": frame["name"],
                    "communes": frame["communes"],
                    "commune_names": frame["commune_names"].str.replace(r"\s*,\s*", ";", regex=True).str.strip(";"),
                    "department": department,
                    "has_outline": frame["geo_code"].isin(with_outline),
                }
            )
        )
    qpv = pd.concat(tables, ignore_index=True)
    listed = qpv["communes"].str.split(";").explode()
    by_code = communes.set_index("code")
    for column in ("epci", "urban_unit"):
        values = listed.map(by_code[column]).fillna("")
        qpv[column] = values[values != ""].groupby(level=0).agg(lambda group: ";".join(dict.fromkeys(group)))
        qpv[column] = qpv[column].fillna("")
    regions = communes.groupby("department")["region"].first()
    qpv["region"] = qpv["department"].map(regions).fillna("")
    unmatched = {
        f"qpv {vintage}: without a matched commune": int((group["communes"] == "").sum())
        for vintage, group in qpv.groupby("geo_vintage")
    }
    return qpv.sort_values(["geo_vintage", "geo_code"], ignore_index=True), unmatched


def match_communes(qpv: pd.DataFrame, cog: pd.DataFrame, former: pd.DataFrame) -> pd.Series:
    """Commune codes of QPV that are published with commune names only.

    Names are looked up in the department of the QPV's code, among current communes, then
    associated, delegated and former ones (which give the commune of today), then arrondissements
    (which give Paris, Lyon or Marseille).

    Parameters
    ----------
    qpv : DataFrame
        `geo_code` and `commune_names` (separated by commas).
    cog : DataFrame
        Code table of the official geographic code: code, name, kind, parent, department.
    former : DataFrame
        Code table `former_communes`.

    Returns
    -------
    Series of str
        Codes separated by `;`; empty where no name was found.

    Examples
    --------
    >>> cog = pd.DataFrame({"code": ["34032"], "name": ["Béziers"], "kind": ["COM"], "parent": [""]})
    >>> former = pd.DataFrame({"old_code": [], "old_name": [], "new_code": []}, dtype="str")
    >>> match_communes(pd.DataFrame({"geo_code": ["QP034001"], "commune_names": ["BEZIERS"]}), cog, former).tolist()
    ['34032']
    """
    parent = cog["parent"].where(cog["parent"] != "", cog["code"])
    known = pd.concat(
        [
            pd.DataFrame({"own": cog["code"], "code": parent, "name": cog["name"], "rank": (cog["kind"] != "COM") * 1}),
            former.rename(columns={"old_code": "own", "new_code": "code", "old_name": "name"}).assign(rank=2),
        ],
        ignore_index=True,
    )
    known["place"] = department_of_commune(known["own"]) + "/" + known["name"].map(fold)
    lookup = known.sort_values("rank", kind="stable").drop_duplicates("place").set_index("place")["code"]
    names = qpv["commune_names"].map(_spell_out_arrondissements).str.split(",").explode()
    place = department_of_qpv(qpv["geo_code"]).reindex(names.index) + "/" + names.map(fold)
    found = place.map(lookup)
    joined = found.dropna().groupby(level=0).agg(lambda codes: ";".join(dict.fromkeys(codes)))
    return joined.reindex(qpv.index).fillna("")


def _spell_out_arrondissements(names: str) -> str:
    """`Marseille 11ème, La Penne` is in Marseille and La Penne: arrondissements are not communes."""
    city = re.search(r"\b(Paris|Lyon|Marseille)\b(?=\s+\d)", names)
    if not city:
        return names
    others = [part for part in names.split(",") if not re.search(r"\d+\s*(er|e|ème)\b", part)]
    return ",".join([city[1], *others])


def _territories(
    codes: dict[str, pd.DataFrame], zones: dict[str, gpd.GeoDataFrame], communes: pd.DataFrame, qpv: pd.DataFrame
) -> pd.DataFrame:
    """One row a territory that can be asked for, with its official name."""
    departments = pd.concat(
        [
            zones["department_2018"][["geo_code", "name"]].set_axis(["code", "name"], axis=1),
            zones["qpv_2024"][["department", "department_name"]].set_axis(["code", "name"], axis=1),
        ]
    ).drop_duplicates("code")
    regions = pd.concat(
        [
            codes["commune_regions"][["region", "region_name"]].set_axis(["code", "name"], axis=1),
            zones["qpv_2024"][["region", "region_name"]].set_axis(["code", "name"], axis=1),
        ]
    ).drop_duplicates("code")
    epci = codes["commune_epci"][["epci", "epci_name"]].set_axis(["code", "name"], axis=1).drop_duplicates("code")
    # The largest commune names its urban unit, as Insee's own names do; the official names are in another file
    largest = (
        communes[communes["urban_unit"] != ""].sort_values("population").drop_duplicates("urban_unit", keep="last")
    )
    units = pd.DataFrame({"code": largest["urban_unit"], "name": "Unité urbaine de " + largest["name"]})
    both = [FRANCE, METROPOLITAN_FRANCE]
    country = pd.DataFrame({"code": [place.code for place in both], "name": [place.name for place in both]})
    quarters = qpv[["geo_code", "name"]].set_axis(["code", "name"], axis=1)
    tables = {
        "commune": communes[["code", "name"]],
        "epci": epci[epci["code"] != "ZZZZZZZZZ"],
        "urban_unit": units,
        "department": departments,
        "region": regions[regions["code"] != ""],
        "country": country,
        "qpv": quarters,
    }
    joined = pd.concat([table.assign(level=level) for level, table in tables.items()], ignore_index=True)
    return joined[["level", "code", "name"]].sort_values(["level", "code"], ignore_index=True)


@dataclass(frozen=True)
class Gazetteer:
    """The code tables, and the answers they give.

    Attributes
    ----------
    territories, communes, former_communes, qpv : DataFrame
        As `assemble` makes them.
    """

    territories: pd.DataFrame
    communes: pd.DataFrame
    former_communes: pd.DataFrame
    qpv: pd.DataFrame

    def resolve(self, territory: str | Territory | None) -> Territory | None:
        """The territory that a name or a typed code designates; none for all of France.

        Parameters
        ----------
        territory : str, Territory or None
            `"Occitanie"`, `"Lille"`, `"region:76"`, `"department:59"`, `"epci:200093201"`,
            `"urban_unit:59702"`, `"commune:59350"`, `"qpv:QP059001"` or a bare QPV code.

        Raises
        ------
        AmbiguousTerritoryError
            Several territories bear that name or code; the message lists their typed codes.
        UnknownNameError
            None does; the message proposes the nearest names.
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
        known = self.territories[self.territories["level"] != "qpv"]
        if re.fullmatch(r"\d[\dAB]\d*", text):
            found = known[known["code"] == text]
        else:
            named = known[known["level"].isin((*_NAMED, "country"))]
            found = named[named["name"].map(fold) == fold(text)]
        if found.empty:
            former = self.former_communes[self.former_communes["old_name"].map(fold) == fold(text)]
            if len(former):
                keys = ", ".join(f"commune:{code}" for code in former["new_code"].unique())
                raise UnknownNameError(f"{text!r} is a former commune; today it is {keys}. Pass that code.")
            raise UnknownNameError(
                f"No territory called {text!r}. {did_you_mean(text, known['name'].unique(), limit=0)} "
                "Give a name (Occitanie, Lille) or a typed code (region:76, department:59, commune:59350)."
            )
        places = [Territory(row.level, row.code, row.name) for row in found.itertuples(index=False)]
        if len(places) > 1 and len({self._extent(place) for place in places}) > 1:
            listed = ", ".join(f"{place.key} ({place.name}{self._where(place)})" for place in places)
            raise AmbiguousTerritoryError(
                f"{text!r} designates {len(places)} territories: {listed}. Pass one of these."
            )
        elsewhere = self.former_communes[self.former_communes["old_name"].map(fold) == fold(text)]["new_code"]
        others = [code for code in elsewhere.unique() if code != places[0].code]
        if places[0].level == "commune" and others:
            listed = ", ".join(f"commune:{code}" for code in others)
            log.warning("%s is read as %s; former communes of that name are now in %s.", text, places[0].key, listed)
        return places[0]

    def _typed(self, level: str, code: str, text: str) -> Territory:
        if level not in CONTAINERS:
            raise UnknownNameError(f"{text!r}: unknown level {level!r}. {did_you_mean(level, CONTAINERS)}")
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

    def _where(self, place: Territory) -> str:
        if place.level != "commune":
            return f", {LEVELS[place.level]['en']}"
        return f", department {department_of_commune(pd.Series([place.code])).iloc[0]}"

    def _extent(self, place: Territory) -> frozenset[str]:
        return frozenset(self.communes.loc[self.communes_in(place), "code"])

    def communes_in(self, place: Territory) -> pd.Series:
        """Which rows of `communes` lie in a territory (a QPV: its host communes)."""
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
