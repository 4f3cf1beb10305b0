"""Facilities of communes per inhabitant, in the communes of today."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from qpv_sante import intervals
from qpv_sante.care.structures import find
from qpv_sante.catalogue import catalogue
from qpv_sante.geography import department_of_commune, whole_commune
from qpv_sante.loading import gazetteer
from qpv_sante.store import Store, find_store
from qpv_sante.style import Lang
from qpv_sante.territories import Territory, current_commune

FACILITIES = (
    *("health_houses", "health_centres"),
    *("general_practitioners", "specialists", "dentists", "nurses", "pharmacies"),
)
SOURCE, YEAR, GEO_VINTAGE = "insee_bpe", 2019, 2020
# Year of the legal populations of the code tables, and the codes of their communes
POPULATION_YEAR, CURRENT = 2021, 2024
PER = 10_000
# The base counts more pharmacies than there are (see the caveats of the catalogue)
DOUBTFUL = ("pharmacies",)
# Communes that left another between the codes of the base and those of today (events of kind 21 in Insee's file of
# changes, 1 January 2024): the base counts their facilities in the commune that they left
RESTORED = {"60694": "60054", "85165": "85084", "85212": "85084"}


def commune_counts(observations: pd.DataFrame, communes: pd.DataFrame, former: pd.DataFrame) -> pd.DataFrame:
    """One indicator's counts brought to the communes of today.

    Communes that merged are added up, arrondissements to their city. A commune that the base does not list has
    none, where the base covers its department. What a commune restored since shares with the one that it left is
    not known.

    Parameters
    ----------
    observations : DataFrame
        Rows of the long table: one indicator, level `commune`.
    communes, former : DataFrame
        Code tables `current_communes` and `former_communes`.

    Returns
    -------
    DataFrame
        `geo_code, value, flag`, one row a commune of today.

    Examples
    --------
    >>> given = pd.DataFrame({"geo_code": ["50602", "50129"], "value": [2.0, 3.0], "flag": "observed"})
    >>> communes = pd.DataFrame({"code": ["50129", "50003", "97502"], "department": ["50", "50", "975"]})
    >>> former = pd.DataFrame({"old_code": ["50602"], "old_name": ["Tourlaville"], "new_code": ["50129"]})
    >>> commune_counts(given, communes, former).values.tolist()
    [['50129', 5.0, 'observed'], ['50003', 0.0, 'observed'], ['97502', nan, 'unavailable']]
    """
    codes = whole_commune(observations["geo_code"])
    today = current_commune(codes, former)
    value = observations["value"].groupby(today).sum()
    unknown = observations.loc[observations["value"].isna()].set_axis(today[observations["value"].isna()])["flag"]
    unknown = unknown.astype("str").groupby(level=0).first()
    covered = communes["department"].isin(department_of_commune(observations["geo_code"]).unique()).to_numpy()
    counts = pd.DataFrame({"geo_code": communes["code"].to_numpy()})
    counts["value"] = counts["geo_code"].map(value).fillna(0.0)
    counts["flag"] = counts["geo_code"].map(unknown).astype("object").fillna("observed").astype("str")
    restored = counts["geo_code"].isin(RESTORED).to_numpy()
    counts.loc[~covered | restored, "flag"] = "unavailable"
    counts.loc[counts["flag"] != "observed", "value"] = np.nan
    left = counts["geo_code"].isin(RESTORED.values()) & counts["value"].notna()
    counts.loc[left, "flag"] = "unreliable"
    return counts


def load_commune_counts(indicator: str) -> pd.DataFrame:
    """Counts of one kind of facility in every commune of today; see `commune_counts`.

    The base is read once: what follows, and the other kinds, come from memory.

    Raises
    ------
    StoreError
        The base was never built.
    """
    return _every_count(find(f"observations/{SOURCE}"), find_store("codes/territories"))[indicator].copy()


@lru_cache(maxsize=2)
def _every_count(origin: Store, _codes: Store) -> dict[str, pd.DataFrame]:
    """Counts of each kind; once for a build and its code tables, which do not change."""
    places = gazetteer()
    equal = {"geo_level": "commune", "geo_vintage": GEO_VINTAGE, "year": YEAR, "sex": "_T", "age": "_T"}
    rows = origin.observations(SOURCE, **equal)
    return {
        indicator: commune_counts(rows[rows["indicator"] == indicator], places.communes, places.former_communes)
        for indicator in FACILITIES
    }


def commune_supply(place: Territory | None) -> pd.DataFrame:
    """Facilities per 10,000 inhabitants of the communes of a territory.

    Parameters
    ----------
    place : Territory or None
        Its communes (of a QPV: those that host it); all of France for none.

    Returns
    -------
    DataFrame
        One row a commune and kind of facility, without labels and notes (see `care_supply`).

    Raises
    ------
    StoreError
        The base was never built.
    """
    places = gazetteer()
    communes = places.communes if place is None else places.communes[places.communes_in(place)]
    people = communes["population"].astype("float64").to_numpy()
    frames = []
    for indicator in FACILITIES:
        counts = load_commune_counts(indicator).set_index("geo_code").reindex(communes["code"]).reset_index()
        if indicator in DOUBTFUL:
            counts["flag"] = counts["flag"].replace("observed", "unreliable")
        frames.append(
            counts.rename(columns={"code": "geo_code"}).assign(
                indicator=indicator,
                name=communes["name"].to_numpy(),
                department=communes["department"].to_numpy(),
                population=people,
                n_used=counts["value"].to_numpy(),
                n_total=counts["value"].to_numpy(),
            )
        )
    supply = pd.concat(frames, ignore_index=True)
    source = catalogue().source(SOURCE)
    supply = supply.assign(
        geo_level="commune",
        geo_vintage=CURRENT,
        distance_m=np.nan,
        lower=np.nan,
        upper=np.nan,
        population_year=POPULATION_YEAR,
        year=YEAR,
        source=source.key(str(YEAR)),
        licence=source.licence,
    )
    return add_density(supply, supply["value"], supply["value"])


def together(supply: pd.DataFrame, name: str, lang: Lang = "fr") -> pd.DataFrame:
    """Facilities of several communes, added up by kind.

    Parameters
    ----------
    supply : DataFrame
        Rows of communes of `care_supply`.
    name : str
        Name of the sum.
    lang : {"fr", "en"}
        That of the notes.

    Returns
    -------
    DataFrame
        One row a kind, with the columns given. A commune of which the base says nothing is left out, with its people,
        and `flag` is then `unreliable`; notes of the communes are joined.
    """
    rows = []
    for _, found in supply.groupby("indicator", sort=False):
        known = found[found["value"].notna()]
        doubtful = 0 < len(known) < len(found) or (known["flag"] == "unreliable").any()
        flag = "unavailable" if known.empty else "unreliable" if doubtful else "observed"
        numbers = {column: known[column].sum(min_count=1) for column in ("value", "population", "n_used")}
        notes = (" ; " if lang == "fr" else "; ").join(dict.fromkeys(note for note in found["note"] if note))
        told = {"geo_code": "", "name": name, "flag": flag, "n_total": found["n_total"].sum(min_count=1), "note": notes}
        rows.append(found.iloc[0].to_dict() | numbers | told)
    summed = pd.DataFrame(rows, columns=supply.columns)
    return add_density(summed, summed["value"], summed["value"])


def add_density(supply: pd.DataFrame, least: pd.Series, most: pd.Series) -> pd.DataFrame:
    """Structures per 10,000 inhabitants: the interval goes from the lower limit of `least` to the upper of `most`.

    The count is exhaustive: the exact Poisson interval reads it as one outcome of a process, not as a sample.
    """
    people = supply["population"].where(supply["population"] > 0)
    density = intervals.rate(supply["value"], people, multiplier=PER, interval="process")
    low = intervals.rate(least, people, multiplier=PER)["lower"]
    high = intervals.rate(most, people, multiplier=PER)["upper"]
    known = density["value"].notna()
    flag = supply["flag"].astype("str").where(supply["value"].isna() | known, "unavailable")
    return supply.assign(
        density=density["value"],
        density_lower=low.where(known),
        density_upper=high.where(known),
        interval=pd.Series("process", index=supply.index).where(known, "none"),
        density_flag=flag.mask((supply["population"] == 0) & supply["value"].notna(), "not_applicable"),
    )
