"""From what people write to one QPV of one zoning, and the figures of every QPV of that zoning."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

import pandas as pd

from qpv_sante import loading, quarter_values, store
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import (
    AmbiguousTerritoryError,
    ComparabilityError,
    UnavailableLevelError,
    UnknownNameError,
    did_you_mean,
)
from qpv_sante.geography import QPV_ZONINGS, fold, zoning_of_qpv_code
from qpv_sante.health import published_records
from qpv_sante.territories import Territory
from qpv_sante.years import best_covered_year

_SHOWN = 12


@dataclass(frozen=True)
class Quarter:
    """One QPV of one zoning.

    Attributes
    ----------
    code, name : str
    geo_vintage : int
    communes, commune_names : tuple of str
        Host communes, codes and names; several where the QPV straddles them.
    urban_unit, department, region : str
        Codes; empty where there is none.
    has_outline : bool
    """

    code: str
    name: str
    geo_vintage: int
    communes: tuple[str, ...]
    commune_names: tuple[str, ...]
    urban_unit: str
    department: str
    region: str
    has_outline: bool

    @property
    def place(self) -> Territory:
        """The quarter as a territory."""
        return Territory("qpv", self.code, self.name)


def find_quarter(quarter: str, geo_vintage: int | None = None) -> Quarter:
    """The QPV that a code, or a name with its commune, designates.

    Parameters
    ----------
    quarter : str
        A code of either zoning (`"QP031004"`, `"QN03112M"`), a name, or a name and its commune
        (`"Devèze, Béziers"`). Case, accents and hyphens do not matter. Words that one name alone contains are enough.
    geo_vintage : int, optional
        2015 or 2024: needed for a name that both zonings bear.

    Returns
    -------
    Quarter

    Raises
    ------
    UnknownNameError
        No QPV of that code or name; the message proposes the nearest.
    AmbiguousTerritoryError
        Several QPV, or both zonings; the message lists the codes.
    ComparabilityError
        A code of one zoning with `geo_vintage` of the other.

    Examples
    --------
    >>> found = find_quarter("deveze, beziers", 2015)
    >>> found.code, found.name, found.commune_names
    ('QP034003', 'Devèze', ('Béziers',))
    """
    if not isinstance(quarter, str):
        raise UnknownNameError(f"A QPV is text: a code (QP031004) or 'name, commune'; got {quarter!r}.")
    if geo_vintage is not None and geo_vintage not in QPV_ZONINGS:
        raise UnavailableLevelError(f"No QPV zoning of {geo_vintage!r}. Zonings: {', '.join(map(str, QPV_ZONINGS))}.")
    text = quarter.strip().removeprefix("qpv:").strip()
    every = loading.gazetteer().qpv
    if designates_code(text):
        try:
            zoning = zoning_of_qpv_code(text.upper())
        except UnknownNameError as error:
            begun = every["geo_code"][every["geo_code"].str.startswith(text.upper())].head(_SHOWN)
            hint = did_you_mean(text.upper(), every["geo_code"], limit=0)
            hint = f"Codes that begin so: {', '.join(begun)}." if len(begun) else hint
            raise UnknownNameError(f"{error} {hint}".rstrip()) from None
        found = every[every["geo_code"] == text.upper()]
        if found.empty:
            raise UnknownNameError(_unknown_code(every[every["geo_vintage"] == zoning], text.upper()))
        if geo_vintage not in (None, zoning):
            raise ComparabilityError(
                f"{text.upper()} is a code of the {zoning} zoning, and geo_vintage={geo_vintage} was asked. Codes "
                "of one zoning say nothing of the other: qs.crosswalk(2015, 2024) gives the QPV that correspond."
            )
        return _quarter(found)
    wanted = every if geo_vintage is None else every[every["geo_vintage"] == geo_vintage]
    found = _named(wanted, text)
    if len(found) == 1:
        return _quarter(found)
    if found.empty:
        raise UnknownNameError(_unknown(wanted, text))
    listed = [_said(row) for row in found.head(_SHOWN).itertuples()]
    more = f", ... ({len(found)} in all)" if len(found) > _SHOWN else ""
    pass_zoning = " or geo_vintage=2015 or 2024" if found["geo_vintage"].nunique() > 1 else ""
    raise AmbiguousTerritoryError(
        f"{quarter!r} designates {len(found)} QPV: {', '.join(listed)}{more}. Pass one of these codes{pass_zoning}."
    )


def designates_code(text: str) -> bool:
    """Whether a text is written as a QPV code, right or wrong, or as a typed one.

    Examples
    --------
    >>> designates_code("qp034003"), designates_code("qpv:QN03403M"), designates_code("Béziers")
    (True, True, False)
    """
    return re.match(r"(?i)\s*(qpv:|Q[PN]\d)", text) is not None


def exactly_named(name: str, geo_vintage: int | None) -> pd.DataFrame:
    """QPV of that very name, but for case, accents and hyphens: rows of the gazetteer's `qpv`."""
    every = loading.gazetteer().qpv
    wanted = every if geo_vintage is None else every[every["geo_vintage"] == geo_vintage]
    return wanted[wanted["name"].map(fold) == fold(name)]


def _quarter(rows: pd.DataFrame) -> Quarter:
    row = rows.iloc[0]
    return Quarter(
        code=str(row["geo_code"]),
        name=str(row["name"]),
        geo_vintage=int(row["geo_vintage"]),
        communes=tuple(filter(None, str(row["communes"]).split(";"))),
        commune_names=tuple(filter(None, str(row["commune_names"]).split(";"))),
        urban_unit=str(row["urban_unit"]),
        department=str(row["department"]),
        region=str(row["region"]),
        has_outline=bool(row["has_outline"]),
    )


def _said(row: object) -> str:
    return f"{row.geo_code} ({row.name}, {row.commune_names.replace(';', ', ')}, {row.geo_vintage})"  # type: ignore[attr-defined]


def _in_commune(qpv: pd.DataFrame, commune: str) -> pd.Series:
    """QPV of a commune by name; `Marseille` holds `Marseille 13e Arrondissement`."""
    asked = fold(commune)
    names = qpv["commune_names"].str.split(";").explode().map(fold)
    hit = (names == asked) | names.str.startswith(f"{asked} ")
    return hit.groupby(level=0).any().reindex(qpv.index, fill_value=False)


def _split(text: str) -> tuple[str, str]:
    """Name and commune of `Name, Commune` or `Name (Commune)`."""
    if bracketed := re.fullmatch(r"(.+?)\s*\((.+)\)", text):
        return bracketed[1], bracketed[2]
    name, _, commune = text.rpartition(",")
    return name.strip(), commune.strip()


def _named(qpv: pd.DataFrame, text: str) -> pd.DataFrame:
    """QPV of that name: the whole text, then its name and commune, then the words of a name."""
    folded = qpv["name"].map(fold)
    name, commune = _split(text)
    scopes = [(text, qpv)]
    if name and commune:
        scopes.append((name, qpv[_in_commune(qpv, commune)]))
    for wanted, rows in scopes:
        exact = rows[folded[rows.index] == fold(wanted)]
        if len(exact):
            return exact
    for wanted, rows in reversed(scopes):
        words = [word for word in fold(wanted).split() if word]
        near = rows[[bool(words) and set(words) <= set(one.split()) for one in folded[rows.index]]]
        if len(near):
            return near
    return qpv.iloc[:0]


def _unknown_code(qpv: pd.DataFrame, code: str) -> str:
    """The codes of the same department: a mistyped department is rarer than a mistyped number."""
    same = qpv[qpv["geo_code"].str[:5] == code[:5]]
    zoning = int(qpv["geo_vintage"].iloc[0])
    if same.empty:
        return f"No QPV has the code {code}, and that department has none in the {zoning} zoning."
    return f"No QPV has the code {code}. In that department, {zoning}: {did_you_mean(code, same['geo_code'])}"


def _unknown(qpv: pd.DataFrame, text: str) -> str:
    name, commune = _split(text)
    how = "Give a code (QP031004, QN03112M) or a name with its commune ('Devèze, Béziers')."
    if name and commune:
        scope = qpv[_in_commune(qpv, commune)]
        if len(scope):
            listed = ", ".join(_said(row) for row in scope.head(_SHOWN).itertuples())
            return f"No QPV called {name!r} in {commune}. Its QPV: {listed}."
        hosts = qpv["commune_names"].str.split(";").explode().unique()
        hint = did_you_mean(commune, hosts, limit=0)
        return " ".join(filter(None, [f"No QPV called {text!r}: no QPV lies in {commune!r}.", hint, how]))
    near = _near(qpv, text)
    listed = ", ".join(_said(row) for row in near.head(_SHOWN).itertuples())
    hint = f"Nearest: {listed}." if listed else did_you_mean(text, qpv["name"].unique(), limit=0)
    return " ".join(filter(None, [f"No QPV called {text!r}.", hint, how]))


def _near(qpv: pd.DataFrame, text: str) -> pd.DataFrame:
    """QPV whose name has, for each word of the text, one that is spelt nearly alike."""
    words = [set(name.split()) for name in qpv["name"].map(fold)]
    spelt = sorted(set().union(*words))
    alike = [set(get_close_matches(word, spelt, n=5, cutoff=0.8)) for word in fold(text).split()]
    return qpv[[bool(alike) and all(one & own for one in alike) for own in words]]


def latest_years(geo_vintage: int) -> dict[str, int]:
    """The newest of the best covered years of each indicator, by QPV of a zoning; imports left aside.

    A newer year in which many more QPV are withheld would hide the values of the year before.

    Examples
    --------
    >>> latest_years(2024)["poverty_rate"]
    2021
    """
    found = store.remembered(("latest years", geo_vintage), lambda: _latest_years(geo_vintage))
    return {str(one["indicator"]): int(one["year"]) for one in found.to_dict("records")}


def _latest_years(geo_vintage: int) -> pd.DataFrame:
    years: dict[str, int] = {}
    for indicator in catalogue().indicators:
        published = {
            int(str(record["year"]))
            for record in published_records(indicator)
            if (record["geo_level"], record["geo_vintage"]) == ("qpv", geo_vintage)
            and (record["sex"], record["age"]) == ("_T", "_T")
        }
        if len(published) > 1:
            rows = loading.load_observations(indicator, geo_level="qpv", geo_vintage=geo_vintage, sex="_T", age="_T")
            years[indicator] = best_covered_year(rows[rows["year"].isin(published)])
        elif published:
            years[indicator] = published.pop()
    return pd.DataFrame({"indicator": list(years), "year": list(years.values())})


def chosen_years(geo_vintage: int, years: dict[str, int] | None) -> dict[str, int]:
    """The years of `latest_years`, and in their place those that are asked for.

    Raises
    ------
    UnknownNameError
        A year for an indicator that is not published by QPV of that zoning.
    """
    chosen = latest_years(geo_vintage)
    for indicator, year in (years or {}).items():
        catalogue().indicator(indicator)
        if indicator not in chosen:
            raise UnknownNameError(
                f"{indicator} is not read by QPV of {geo_vintage}. {did_you_mean(indicator, chosen)}"
            )
        chosen[indicator] = year
    return chosen


def tables(geo_vintage: int, years: dict[str, int]) -> dict[str, pd.DataFrame]:
    """Every QPV of a zoning, indicator by indicator, as `quarter_values.quarters_with_values` gives them."""
    return {
        indicator: quarter_values.quarters_with_values(
            catalogue().indicator(indicator), geo_vintage=geo_vintage, year=year
        )
        for indicator, year in years.items()
    }
