"""Code tables of territories, assembled from the producers' own: what contains what."""

from __future__ import annotations

import re

import geopandas as gpd
import numpy as np
import pandas as pd

from qpv_sante.errors import SchemaError
from qpv_sante.geography import department_of_commune, department_of_qpv, fold

# What `Territory` calls them: code and name
COUNTRIES = (("F", "France"), ("FM", "France métropolitaine"))


def assemble(
    codes: dict[str, pd.DataFrame], zones: dict[str, gpd.GeoDataFrame]
) -> tuple[dict[str, pd.DataFrame], dict[str, int]]:
    """The code tables that the rest of the package reads, from the producers' own.

    Parameters
    ----------
    codes : dict of str to DataFrame
        `communes`, `commune_events`, `commune_epci`, `iris`, `commune_regions`, `qpv_2015_names`; and
        `qpv_2024_communes`, a newer list of the QPV of 2024 than their outlines, if there is one.
    zones : dict of str to GeoDataFrame
        Layers `department_2018`, `qpv_2015`, `qpv_2024` with their attributes.

    Returns
    -------
    tables : dict of str to DataFrame
        `communes`: code, name, department, region, epci, urban_unit, population, one row a commune of
        the current code; `former_communes`: old_code, old_name, new_code, until (date of the change) and people
        (inhabitants of the part, if counted apart); `qpv`: geo_vintage, geo_code,
        name, communes, commune_names, epci, urban_unit, department, region, has_outline, several values
        separated by `;`; `territories`: level, code, name.
    counts : dict of str to int
        QPV without a matched commune, for the manifest.
    """
    codes = _with_later_merges(codes)
    former = _former_communes(codes["commune_events"], codes["communes"])
    former["people"] = _people_of_parts(former, codes["commune_regions"])
    communes = _communes(codes, former)
    qpv, counts = _qpv(codes, zones, communes, former)
    territories = _territories(codes, zones, communes, qpv)
    return {"communes": communes, "former_communes": former, "qpv": qpv, "territories": territories}, counts


# Merged after the edition of the official code that is read: QPV lie in them, and are published by their new code
_LATER_MERGES = pd.DataFrame(
    {
        "date": ["2025-01-01", "2025-01-01"],
        "event": "32",
        "old_code": ["93059", "93066"],
        "old_kind": "COM",
        "old_name": ["Pierrefitte-sur-Seine", "Saint-Denis"],
        "new_code": "93066",
        "new_kind": "COM",
    }
)


def _with_later_merges(codes: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables of communes with the merges that their edition does not have yet."""
    cog = codes["communes"]
    current = set(cog.loc[cog["kind"] == "COM", "code"])
    merges = _LATER_MERGES[_LATER_MERGES["new_code"].isin(current)]
    gone = set(merges["old_code"]) - set(merges["new_code"])
    gone &= current
    if not gone:  # an edition that has them
        return codes
    moved = cog["code"].isin(gone) & (cog["kind"] == "COM")
    target = cog["code"].map(merges.drop_duplicates("old_code").set_index("old_code")["new_code"])
    communes = cog.assign(kind=cog["kind"].mask(moved, "COMD"), parent=cog["parent"].mask(moved, target))
    events = pd.concat([codes["commune_events"], merges], ignore_index=True)
    return {**codes, "communes": communes, "commune_events": events}


def _people_of_parts(former: pd.DataFrame, counted: pd.DataFrame) -> pd.Series:
    """Inhabitants of communes that merged after they were last counted apart."""
    people = counted.drop_duplicates("code").set_index("code")["population"].astype(float)
    found = former["old_code"].map(people)
    # without a count of what it took in, that of the commune that keeps the code is of the whole
    apart = found.notna() & (former["old_code"] != former["new_code"])
    return found.where(former["new_code"].isin(former.loc[apart, "new_code"]))


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
    last = moves.assign(kept=moves["old_code"] == moves["new_code"]).groupby(["old_code", "kept"])["date"].max()
    gone = renamed["old_code"].isin(changed["old_code"])
    until = pd.Series(
        [last.get((code, not moved), "") for code, moved in zip(renamed["old_code"], gone, strict=True)],
        index=renamed.index,
        dtype="str",
    )
    former = renamed.assign(new_code=renamed["old_code"].map(codes), until=until)
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
    counted = current_commune(people["code"].map(parents).fillna(people["code"]), former)
    communes["population"] = number.groupby(counted).sum()
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
    if "qpv_2024_communes" in codes:
        names = communes.set_index("code")["name"]
        listed = codes["qpv_2024_communes"]
        # its rows name the other communes of a QPV that straddles them as well
        official = listed["commune"].map(names).fillna(listed["commune_name"])
        new = _with_newer_list(new, listed.assign(commune_name=official))
    new["communes"] = _joined(current_commune(new["communes"].str.split(";").explode(), former))
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


def _joined(codes: pd.Series) -> pd.Series:
    """Values of each QPV, once each, separated by `;`."""
    return codes.groupby(level=0).agg(lambda group: ";".join(dict.fromkeys(group)))


def _with_newer_list(qpv: pd.DataFrame, by_commune: pd.DataFrame) -> pd.DataFrame:
    """QPV as a newer list by commune gives them, in the departments that it covers.

    QPV that it no longer has are left out (the 42 of Mayotte, which its 17 communes replaced), those that the outlines
    do not have yet come in without any.
    """
    names = by_commune.set_index(["commune", "commune_name"])[["geo_codes", "names"]]
    split = names.apply(lambda column: column.str.split(r"\s*,\s+", regex=True))
    alike = split["geo_codes"].str.len() == split["names"].str.len()
    if not alike.all():
        raise SchemaError(
            f"qpv_2024_communes: {(~alike).sum()} communes have not as many names of QPV as codes, first "
            f"{alike.index[~alike][0][0]}."
        )
    pairs = split.explode(["geo_codes", "names"]).reset_index().rename(columns={"geo_codes": "geo_code"})
    pairs = pairs.sort_values(["geo_code", "commune"])
    together = lambda column: pairs.groupby("geo_code")[column].agg(lambda group: ";".join(dict.fromkeys(group)))  # noqa: E731
    newer = pd.DataFrame({"communes": together("commune"), "commune_names": together("commune_name")})
    newer["name"] = pairs.groupby("geo_code")["names"].first()
    covered = department_of_qpv(qpv["geo_code"]).isin(department_of_qpv(pairs["geo_code"]).unique())
    kept = qpv[~covered | qpv["geo_code"].isin(newer.index)]
    at = kept["geo_code"]
    # where both lists have the same communes, the order of the first is kept: the largest part comes first
    sets = [set(codes.split(";")) for codes in kept["communes"]]
    same = [own == set(given.split(";")) for own, given in zip(sets, at.map(newer["communes"]).fillna(""), strict=True)]
    changed = at.isin(newer.index) & ~np.array(same, dtype=bool)
    kept = kept.assign(
        **{name: kept[name].mask(changed, at.map(newer[name])) for name in ("communes", "commune_names")}
    )
    missing = newer[~newer.index.isin(at)].rename_axis("geo_code").reset_index()
    return pd.concat([kept, missing], ignore_index=True)


def match_communes(qpv: pd.DataFrame, cog: pd.DataFrame, former: pd.DataFrame) -> pd.Series:
    """Commune codes of QPV that are published with commune names only.

    Names are looked up in the department of the QPV's code, among current communes, then
    associated, delegated and former ones (which give the commune of today), then arrondissements
    (which give Paris, Lyon or Marseille). The QPV that straddle two departments bear the code of one: beside a name
    that is found there, another is looked up in the whole country, where one commune alone must bear it.

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
    beside = found.isna() & found.notna().groupby(level=0).transform("any")
    if beside.any():
        current = known[known["rank"] == 0]
        folded = current["name"].map(fold)
        alone = current.assign(name=folded)[~folded.duplicated(keep=False)].set_index("name")["code"]
        found = found.mask(beside, names.map(fold).map(alone))
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
    country = pd.DataFrame(COUNTRIES, columns=["code", "name"])
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
