"""What a territory's diagnosis rests on: its QPV against what its team would hold them against, computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from qpv_sante import loading, style
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.health import published_records
from qpv_sante.references import REFERENCES
from qpv_sante.territories import COMPOSITE, Territory

Compare = Callable[..., pd.DataFrame]


def remembering(compare: Compare) -> Compare:
    """`compare`, each question computed once; an error is raised again without asking."""
    known: dict[tuple[Any, ...], pd.DataFrame | UnavailableLevelError] = {}

    def asked(indicator: str, **arguments: Any) -> pd.DataFrame:
        key = (indicator, *sorted(arguments.items(), key=lambda one: one[0]))
        if key not in known:
            try:
                known[key] = compare(indicator, **arguments)
            except UnavailableLevelError as error:
                known[key] = error
        found = known[key]
        if isinstance(found, UnavailableLevelError):
            raise found
        return found

    return asked


# Against what surrounds the QPV: indicator and year, for each zoning
COMPARED: dict[int, tuple[tuple[str, int], ...]] = {
    2015: (
        ("poverty_rate", 2019),
        ("median_standard_of_living", 2019),
        ("social_benefit_income_share", 2019),
        ("rsa_recipient_share", 2020),
        ("single_parent_recipient_share", 2020),
    ),
    2024: (("poverty_rate", 2021),),
}
# Published by QPV only: who lives there, then cover and employment
PEOPLE: dict[int, tuple[tuple[str, int], ...]] = {
    2015: (
        ("population", 2018),
        ("under_25_share", 2022),
        ("over_60_share", 2022),
        ("one_person_household_share", 2022),
        ("single_parent_household_share", 2010),
        ("foreigner_share", 2022),
    ),
    2024: (("population", 2020), ("one_person_household_share", 2020), ("foreigner_share", 2020)),
}
PRECARITY: dict[int, tuple[tuple[str, int], ...]] = {
    2015: (("c2s_share", 2022), ("employment_rate", 2022), ("limited_duration_job_share", 2022)),
    2024: (("employment_rate", 2020),),
}
WIDE = ("country", "region", "department", "epci", "urban_unit")
# IRIS of Caf are withheld too often for a region or the country to be added up
_FAR = ("poverty_rate", "median_standard_of_living", "social_benefit_income_share")
_SIDES = ("value", "lower", "upper")
_FEW = 4  # communes that a label names
LEAST_COVERAGE = 90  # percent of the people of a reference, as `compare` takes it by default
FACT_COLUMNS = (
    *("part", "indicator", "label", "kind", "unit", "year", "year_label", "reference", "reference_label"),
    *_SIDES,
    *(f"reference_{side}" for side in _SIDES),
    *("difference", "difference_lower", "difference_upper", "ratio", "ratio_lower", "ratio_upper"),
    *("least", "most", "below", "above", "nearest_ratio"),
    *("interval", "n_used", "n_total", "n_unreliable", "flag", "reference_flag", "note", "source", "reference_source"),
)
_HOLDS = {"fr": "{name}, QPV compris", "en": "{name}, QPV included"}
_TOO_FEW = {
    "fr": "référence lue pour trop peu d'habitants",
    "en": "reference read for too few people",
}
_PEERS = {
    "country": {"fr": "ensemble des QPV de France", "en": "all QPV of France"},
    "region": {"fr": "QPV de la région {name}", "en": "QPV of the region {name}"},
}


def only_in_other_zoning(listed: dict[int, tuple[tuple[str, int], ...]], geo_vintage: int) -> list[str]:
    """Indicators of the other zoning's diagnosis that no file read gives by QPV of this one.

    Examples
    --------
    >>> only_in_other_zoning(PRECARITY, 2024)
    ['c2s_share', 'limited_duration_job_share']
    >>> only_in_other_zoning(PRECARITY, 2015)
    []
    """
    here = {name for name, _ in listed[geo_vintage]}
    names = dict.fromkeys(name for zoning in listed for name, _ in listed[zoning] if name not in here)
    level = ("qpv", geo_vintage)
    return [
        name
        for name in names
        if all((one["geo_level"], one["geo_vintage"]) != level for one in published_records(name))
    ]


def references_of(indicator: str, place: Territory | None) -> tuple[str, ...]:
    """What a team would hold its QPV against, in order.

    The rule: a quarter, a city or a named group of them is held against its city first (the communes that host the QPV
    where it has several), then what the QPV leave of the communes that host them, the region and the country; a region
    or another wide territory against the outside of QPV first, then the communes that host them, the region and the
    country. A city is itself, even where its QPV reach into other communes. Medians and scores cannot be subtracted:
    they have no outside. Caf shares have neither region nor country, whose IRIS are withheld too often.

    Parameters
    ----------
    indicator : str
    place : Territory or None
        None for all of France.

    Returns
    -------
    tuple of str
        Named references of `compare`.

    Examples
    --------
    >>> references_of("poverty_rate", Territory("region", "76", "Occitanie"))
    ('rest_of_commune', 'commune', 'region', 'country')
    >>> references_of("rsa_recipient_share", Territory("commune", "31555", "Toulouse"))
    ('commune:31555', 'rest_of_commune')
    """
    wide = place is None or place.level in WIDE
    pooled = catalogue().indicator(indicator).kind == "rate"
    far = ["region", "country"] if indicator in _FAR else []
    if place is None or place.level == "country":
        far = [name for name in far if name != "region"]
    city = city_reference(place)
    near = ["rest_of_commune", city] if wide else [city, "rest_of_commune"]
    if not pooled:
        near = [] if wide else [city]
    return (*near, *far)


def city_reference(place: Territory | None) -> str:
    """The city that a territory's QPV are held against: the one commune that holds it, else those that host its QPV.

    Examples
    --------
    >>> city_reference(Territory("commune", "31555", "Toulouse")), city_reference(None)
    ('commune:31555', 'commune')
    """
    if place is None or place.level in WIDE:
        return "commune"
    places = loading.gazetteer()
    codes = places.communes.loc[places.communes_in(place), "code"].tolist()
    return f"commune:{codes[0]}" if len(codes) == 1 else "commune"


def rows_of(place: Territory | None) -> str:
    """Level of the rows of detailed tables: that below the territory.

    Regions of France, departments of a region, communes of a department, of an EPCI or of a group of communes, QPV of
    a city or of a group of QPV.
    """
    if place is None:
        return "region"
    named = {"country": "region", "region": "department", "department": "commune", "epci": "commune"}
    if place.level == COMPOSITE and len(place.communes) > 1:
        return "commune"
    return named.get(place.level, "qpv")


def facts_of(place: Territory | None, geo_vintage: int, compare: Compare, lang: style.Lang) -> pd.DataFrame:
    """Every figure that the findings and the tables of a diagnosis are made of.

    Parameters
    ----------
    place : Territory or None
    geo_vintage : int
    compare : callable
        `qpv_sante.compare`, or what remembers its results.
    lang : {"fr", "en"}

    Returns
    -------
    DataFrame
        One row an indicator and reference, columns of `FACT_COLUMNS`. `part` is `surroundings` (what surrounds the
        QPV), `people` or `precarity` (published by QPV only: held against the QPV of the region and of France). Of a
        median or score over several QPV, `least` and `most` give the lowest and highest quarter, `below` and `above`
        the number of quarters that bounds place under or over the reference, `nearest_ratio` the ratio of the one
        that is nearest to it.
    """
    rows: list[dict[str, Any]] = []
    for indicator, year in COMPARED[geo_vintage]:
        known = catalogue().indicator(indicator)
        for reference in references_of(indicator, place):
            label = reference_label(reference, place, geo_vintage, lang)
            asked = {"geo_vintage": geo_vintage, "year": year, "reference": reference, "territory": place, "lang": lang}
            try:
                frame = compare(indicator, by=None if known.kind == "rate" else "qpv", **asked)
            except UnavailableLevelError:
                # raised again where no figure of the QPV themselves is read
                frame = compare(indicator, by=None if known.kind == "rate" else "qpv", **asked | {"reference": None})
                own = _row(frame, known, "surroundings", lang, reference)
                rows.append(_without_reference(own, reference, label, lang))
                continue
            row = _row(frame, known, "surroundings", lang, reference)
            row["reference_label"] = label
            rows.append(row)
    for part, listed in (("people", PEOPLE), ("precarity", PRECARITY)):
        for indicator, year in listed[geo_vintage]:
            rows += _among_peers(indicator, year, place, geo_vintage, compare, part, lang)
    return pd.DataFrame(rows, columns=list(FACT_COLUMNS)).astype({"year": int})


def reference_label(reference: str, place: Territory | None, geo_vintage: int, lang: style.Lang) -> str:
    """Words for a reference: its name where it is one commune or one region, which hold the QPV.

    Of a city or a group of quarters whose QPV lie in a few communes, these are named.

    Examples
    --------
    >>> lille = loading.gazetteer().resolve("lille-sud")
    >>> reference_label("commune:59350", lille, 2015, "fr")
    'Lille, QPV compris'
    >>> reference_label("rest_of_commune", lille, 2015, "en")
    'outside QPV, same communes (Faches-Thumesnil, Lezennes, Lille, Loos)'
    """
    places = loading.gazetteer()
    if reference.startswith("commune:"):
        return _HOLDS[lang].format(name=places.name_of("commune", reference.partition(":")[2]))
    if reference == "region" and place is not None:
        codes = places.communes.loc[places.communes_in(place), "region"].dropna().unique()
        if len(codes) == 1:
            return _HOLDS[lang].format(name=places.name_of("region", str(codes[0])))
    label = REFERENCES[reference][lang]
    if reference in ("commune", "rest_of_commune") and place is not None and place.level not in WIDE:
        hosts = places.qpv_in(place, geo_vintage)["communes"].str.split(";").explode().unique()
        names = places.communes.loc[places.communes["code"].isin(hosts), "name"].sort_values()
        if 1 < len(names) <= _FEW:
            return f"{label} ({', '.join(names)})"
    return label


def _without_reference(row: dict[str, Any], reference: str, label: str, lang: style.Lang) -> dict[str, Any]:
    """The QPV side of a fact, where a reference is published for too few people: the row stays, and says so."""
    gap = ("difference", "difference_lower", "difference_upper", "ratio", "ratio_lower", "ratio_upper")
    counts = ("below", "above", "nearest_ratio")
    blank = dict.fromkeys((*(f"reference_{side}" for side in _SIDES), *gap, *counts), np.nan)
    told = {"reference": reference, "reference_label": label}
    return row | blank | told | {"reference_flag": "unavailable", "note": _TOO_FEW[lang], "reference_source": ""}


def _row(frame: pd.DataFrame, known: Indicator, part: str, lang: style.Lang, reference: str) -> dict[str, Any]:
    """One fact from a comparison in one row, or from that of each QPV."""
    first = frame.iloc[0]
    row: dict[str, Any] = {
        "part": part,
        "indicator": known.id,
        "label": known.label[lang],
        "kind": known.kind,
        "unit": known.unit[lang],
        "year": int(first["year"]),
        "year_label": style.year_label(known, [str(first["source"])], int(first["year"]), lang),
        "reference": reference,
        "reference_label": "",
        "interval": first["interval"],
        "n_used": int(first["n_used"]),
        "n_total": int(first["n_total"]),
        "n_unreliable": int(frame["n_unreliable"].fillna(0).sum()),
        "flag": first["flag"],
        "reference_flag": "observed",
        "note": first["note"] if isinstance(first["note"], str) else "",
        "source": first["source"],
        "reference_source": first["reference_source"],
    }
    gap = ("difference", "difference_lower", "difference_upper", "ratio", "ratio_lower", "ratio_upper")
    sides = [f"reference_{side}" for side in _SIDES]
    if known.kind == "rate" or len(frame) == 1:
        return row | {side: first[f"qpv_{side}"] for side in _SIDES} | {name: first[name] for name in (*sides, *gap)}
    return row | _of_each(frame, sides)


def _of_each(frame: pd.DataFrame, sides: list[str]) -> dict[str, Any]:
    """A median or score over several QPV: how many of them stand under and over the reference."""
    with_value = frame[frame["qpv_value"].notna()]
    same = frame[sides].drop_duplicates().dropna(how="all")
    below, above = with_value["difference_upper"] < 0, with_value["difference_lower"] > 0
    # how far from equality at least: the quarter that is nearest to the reference, by its bound
    if len(with_value) and below.all():
        nearest = with_value["ratio_upper"].max()
    elif len(with_value) and above.all():
        nearest = with_value["ratio_lower"].min()
    else:
        nearest = np.nan
    return {
        **({name: same[name].iloc[0] for name in sides} if len(same) == 1 else dict.fromkeys(sides, np.nan)),
        "least": with_value["qpv_value"].min(),
        "most": with_value["qpv_value"].max(),
        "below": int(below.sum()),
        "above": int(above.sum()),
        "nearest_ratio": nearest,
        "n_used": len(with_value),
        "n_total": len(frame),
        "flag": "unreliable" if (frame["flag"] == "unreliable").any() else "observed",
    }


def _among_peers(
    indicator: str,
    year: int,
    place: Territory | None,
    geo_vintage: int,
    compare: Compare,
    part: str,
    lang: style.Lang,
) -> list[dict[str, Any]]:
    """An indicator that is published by QPV only, against the QPV of the region and of France."""
    known = catalogue().indicator(indicator)
    asked = {"geo_vintage": geo_vintage, "year": year, "reference": None, "by": None, "lang": lang}
    own = compare(indicator, territory=place, **asked)
    base = _row(own, known, part, lang, "")
    if known.kind == "count" or place is None or place.level == "country":
        return [base]
    rows = []
    for scope, area in (("country", None), *_region_of(place)):
        other = compare(indicator, territory=area, **asked).iloc[0]
        sides = {f"reference_{side}": other[f"qpv_{side}"] for side in _SIDES}
        label = _PEERS[scope][lang].format(name=area.name if area else "")
        told = {"reference": f"qpv_{scope}", "reference_label": label, "reference_source": other["source"]}
        rows.append(base | told | sides | _gap(base, sides))
    return rows


def _gap(own: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """Difference and ratio with the bounds that those of both sides leave."""
    value, lower, upper = (other[f"reference_{side}"] for side in _SIDES)
    return {
        "difference": own["value"] - value,
        "difference_lower": own["lower"] - upper,
        "difference_upper": own["upper"] - lower,
        "ratio": own["value"] / value if value else np.nan,
        "ratio_lower": own["lower"] / upper if upper else np.nan,
        "ratio_upper": own["upper"] / lower if lower else np.nan,
    }


def _region_of(place: Territory) -> list[tuple[str, Territory]]:
    """The region that holds a smaller territory, if it lies in one."""
    if place.level == "region":
        return []
    places = loading.gazetteer()
    codes = places.communes.loc[places.communes_in(place), "region"].dropna().unique()
    if len(codes) != 1:
        return []
    return [("region", Territory("region", str(codes[0]), places.name_of("region", str(codes[0]))))]
