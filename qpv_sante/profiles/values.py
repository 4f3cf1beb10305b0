"""Where one QPV stands on every indicator: its value, those around it, and those of other QPV."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qpv_sante import aggregation, comparison, loading, style
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import InvalidInputError
from qpv_sante.profiles.places import Quarter, chosen_years, find_quarter, tables
from qpv_sante.reference_units import Figures
from qpv_sante.references import parse_reference, possible_references, reference_values
from qpv_sante.territories import METROPOLITAN_FRANCE, Gazetteer

REFERENCES = ("commune", "urban_unit", "region", "country")
AREAS = ("region", "country")
_REFERENCE_PARTS = ("name", "value", "lower", "upper", "interval", "n_used", "n_total", "coverage", "n_unreliable",
                    "note", "source")  # fmt: skip
_AREA_PARTS = ("min", "q1", "median", "q3", "max", "n_used", "n_total", "quartile")
POSITION_COLUMNS = (
    *("geo_code", "name", "commune_names", "geo_vintage", "indicator", "label", "short_label", "theme", "kind", "unit"),
    *("higher_is", "year", "year_label", "value", "lower", "upper", "interval", "flag"),
    *(f"{reference}_{part}" for reference in REFERENCES for part in _REFERENCE_PARTS),
    *(f"qpv_{area}_{part}" for area in AREAS for part in _AREA_PARTS),
    *("source", "licence"),
)
# below, a quarter of the neighbourhoods is less than one of them
LEAST_FOR_QUARTILES = 4
_NOTES = {
    "not_published": {
        "fr": "aucun fichier ouvert ne donne cet indicateur, de même source et de même année, à ce niveau",
        "en": "no open file gives this indicator, of the same source and year, at this level",
    },
    "count": {
        "fr": "effectif : celui d'un territoire plus grand n'est pas un terme de comparaison",
        "en": "count: that of a larger territory is no term of comparison",
    },
    "none": {
        "fr": "le quartier n'est dans aucun territoire de ce niveau",
        "en": "the quarter lies in no such territory",
    },
}


def positions(
    qpv: str,
    geo_vintage: int | None = None,
    *,
    years: dict[str, int] | None = None,
    min_coverage: float = 0.9,
    lang: str = "fr",
) -> pd.DataFrame:
    """One QPV on every indicator: its value, its surroundings, and its place among other QPV.

    Parameters
    ----------
    qpv : str
        A code, or a name with its commune (see `find_quarter`).
    geo_vintage : int, optional
        Zoning, 2015 or 2024: deduced from a code; needed for a name that both zonings bear.
    years : dict of str to int, optional
        Year of some indicators; by default the latest that is published for QPV of that zoning, in the column `year`.
    min_coverage : float
        As in `compare`: share of a reference's people that must have a published figure.
    lang : {"fr", "en"}
        Language of labels, units and notes.

    Returns
    -------
    DataFrame
        Columns of `POSITION_COLUMNS`, one row an indicator published by QPV of that zoning, in the catalogue's order;
        values are in `unit`. `value, lower, upper, interval, flag` are the quarter's: without a value, the flag says
        why. For each of `commune, urban_unit, region, country`: `_name` of the territory (the host communes
        together; the country is metropolitan France), `_value`, its bounds, `_n_used` of `_n_total` territories that
        make it up, `_coverage`, and `_note`, which says why there is no value; these territories contain the quarter.
        Counts have none. For the QPV of the `region` and of the `country` (overseas included): `qpv_region_min`,
        `_q1`, `_median`, `_q3`, `_max` (unweighted), the `_n_used` of `_n_total` QPV with a value, and `_quartile`,
        1 for the quarter of the QPV with the lowest values, 4 for the highest; missing where the quarter has no
        value or fewer than four QPV do.

    Raises
    ------
    UnknownNameError, AmbiguousTerritoryError, ComparabilityError
        As `find_quarter`; or an indicator in `years` that is not published by QPV.
    UnavailableLevelError
        A year in `years` that is not published.
    InvalidInputError
        `min_coverage` out of [0, 1].

    Notes
    -----
    References are those of `compare`, row by row: same pooling, same bounds.

    Examples
    --------
    >>> frame = positions("QP034003").set_index("indicator")
    >>> row = frame.loc["c2s_share"]
    >>> [float(x) for x in row[["year", "value", "qpv_region_median", "qpv_region_quartile"]].astype(float).round(1)]
    [2022.0, 44.9, 38.7, 3.0]
    """
    language = style.check_lang(lang)
    if not 0 <= min_coverage <= 1:
        raise InvalidInputError(f"min_coverage is a share between 0 and 1; got {min_coverage}.")
    quarter = find_quarter(qpv, geo_vintage)
    chosen = chosen_years(quarter.geo_vintage, years)
    return positions_in(quarter, chosen, tables(quarter.geo_vintage, chosen), min_coverage, language)


def positions_in(
    quarter: Quarter, years: dict[str, int], frames: dict[str, pd.DataFrame], min_coverage: float, lang: style.Lang
) -> pd.DataFrame:
    """Positions from frames that are already read: `frames` as `places.tables` gives them for these years."""
    places = loading.gazetteer()
    names = _names(quarter, places)
    spreads = _spreads(quarter, frames)
    rows = []
    for indicator, year in years.items():
        known, quarters = catalogue().indicator(indicator), frames[indicator]
        own = quarters[quarters["geo_code"] == quarter.code].iloc[0]
        source = str(quarters["source"].dropna().iloc[0])
        row: dict[str, Any] = {
            "geo_code": quarter.code,
            "name": quarter.name,
            "commune_names": names["commune"],
            "geo_vintage": quarter.geo_vintage,
            "indicator": indicator,
            "label": known.label[lang],
            "short_label": known.short[lang],
            "theme": known.theme,
            "kind": known.kind,
            "unit": known.unit[lang],
            "higher_is": known.higher_is,
            "year": year,
            "year_label": style.year_label(known, [source], year, lang),
            **{part: own[part] for part in ("value", "lower", "upper", "interval", "flag")},
            "source": source,
            "licence": catalogue().source(source).licence,
        }
        figures = Figures(known, year)
        for reference in REFERENCES:
            found = _reference(reference, figures, quarters, quarter, min_coverage, lang)
            row |= {f"{reference}_{part}": found.get(part) for part in _REFERENCE_PARTS}
            row[f"{reference}_name"] = names[reference]
        rows.append(row | _among(indicator, own["value"], spreads))
    frame = pd.DataFrame(rows, columns=list(POSITION_COLUMNS))
    numbers = [f"{reference}_{part}" for reference in REFERENCES for part in ("value", "lower", "upper", "coverage")]
    counts = [f"{reference}_{part}" for reference in REFERENCES for part in ("n_used", "n_total", "n_unreliable")]
    quartiles = [f"qpv_{area}_{part}" for area in AREAS for part in ("n_used", "n_total", "quartile")]
    frame = frame.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys([*counts, *quartiles], "Int64"))
    texts = [f"{reference}_{part}" for reference in REFERENCES for part in ("interval", "note", "source")]
    frame[texts] = frame[texts].fillna("")
    frame.attrs = {"geo_code": quarter.code, "geo_vintage": quarter.geo_vintage}
    return frame


def _names(quarter: Quarter, places: Gazetteer) -> dict[str, str]:
    """Names of the territories that hold the quarter."""
    unit = quarter.urban_unit.split(";")[0]
    return {
        "commune": ", ".join(official_communes(quarter, places)),
        "urban_unit": places.name_of("urban_unit", unit) if unit else "",
        "region": places.name_of("region", quarter.region) if quarter.region else "",
        "country": METROPOLITAN_FRANCE.name,
    }


def official_communes(quarter: Quarter, places: Gazetteer) -> list[str]:
    """Official names of the host communes; as the QPV's list writes them where the code has none (Polynesia)."""
    known = places.territories[places.territories["level"] == "commune"].set_index("code")["name"]
    official = known.reindex(list(quarter.communes))
    return official.tolist() if len(official) and official.notna().all() else list(quarter.commune_names)


def _reference(
    reference: str,
    figures: Figures,
    quarters: pd.DataFrame,
    quarter: Quarter,
    min_coverage: float,
    lang: style.Lang,
) -> dict[str, Any]:
    """Value of one reference of the quarter, or the reason why there is none."""
    known, year = figures.indicator, figures.year
    held = {"commune": quarter.communes, "urban_unit": quarter.urban_unit, "region": quarter.region, "country": "FM"}
    if known.kind == "count":
        return {"note": _NOTES["count"][lang]}
    if not held[reference]:
        return {"note": _NOTES["none"][lang]}
    if reference not in possible_references(known, year):
        return {"note": _NOTES["not_published"][lang]}
    places = loading.gazetteer()
    own = quarters[quarters["geo_code"] == quarter.code]
    members = own.assign(group=quarter.code, territory=quarter.name, territory_code=quarter.place.key)
    parsed = parse_reference(reference, places)
    found = reference_values(
        parsed, known, members, quarters, year=year, lang=lang, figures=figures, sex="_T", age="_T"
    )
    found = comparison.with_enough_coverage(found, min_coverage, lang)
    return {str(key): value for key, value in found.rename(columns={"unreliable": "n_unreliable"}).iloc[0].items()}


def _spreads(quarter: Quarter, frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Distribution of the QPV of the region and of the country: one row an indicator, all in one pass."""
    columns = ["region", "value"]
    every = pd.concat([frame[columns].assign(indicator=name) for name, frame in frames.items()], ignore_index=True)
    inside = {"country": every}
    if quarter.region:
        inside["region"] = every[every["region"] == quarter.region]
    found = {}
    for area, members in inside.items():
        grouped = members.groupby("indicator")["value"]
        found[area] = aggregation.distribution(members, "indicator").assign(
            n_used=grouped.count(), n_total=grouped.size()
        )
    return found


def _among(indicator: str, value: float, spreads: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Place of the quarter in the distribution of an indicator in the region and in the country."""
    row: dict[str, Any] = {}
    for area in AREAS:
        if area not in spreads:
            row |= dict.fromkeys((f"qpv_{area}_{part}" for part in _AREA_PARTS[:5]), float("nan"))
            row |= dict.fromkeys((f"qpv_{area}_{part}" for part in _AREA_PARTS[5:]), pd.NA)
            continue
        spread = spreads[area].loc[indicator]
        row |= {f"qpv_{area}_{part}": spread[part] for part in ("min", "q1", "median", "q3", "max")}
        row |= {f"qpv_{area}_{part}": int(spread[part]) for part in ("n_used", "n_total")}
        known = pd.notna(value) and spread["n_used"] >= LEAST_FOR_QUARTILES
        row[f"qpv_{area}_quartile"] = 1 + int((spread[["q1", "median", "q3"]] < value).sum()) if known else pd.NA
    return row
