"""Where a QPV or a territory stands on every indicator: its value, those around it, and those of other QPV."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qpv_sante import absences, aggregation, comparison, loading, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import InvalidInputError
from qpv_sante.profiles.places import Quarter, chosen_years, tables
from qpv_sante.profiles.subjects import Subject, find_subject, of_quarter
from qpv_sante.reference_units import Figures
from qpv_sante.references import parse_reference, possible_references, reference_values
from qpv_sante.territories import Territory

REFERENCES = ("commune", "urban_unit", "region", "country")
AREAS = ("region", "country")
_REFERENCE_PARTS = ("name", "n_places", "value", "lower", "upper", "interval", "n_used", "n_total", "coverage",
                    "n_unreliable", "note", "source")  # fmt: skip
_REFERENCE_COUNTS = ("n_places", "n_used", "n_total", "n_unreliable")
_AREA_PARTS = ("min", "q1", "median", "q3", "max", "n_used", "n_total", "quartile")
POSITION_COLUMNS = (
    *("geo_level", "geo_code", "name", "commune_names", "geo_vintage"),
    *("indicator", "label", "short_label", "theme", "kind", "unit", "higher_is", "year", "year_label"),
    *("value", "lower", "upper", "interval", "n_used", "n_total", "coverage", "flag", "note"),
    *(f"{reference}_{part}" for reference in REFERENCES for part in _REFERENCE_PARTS),
    *(f"qpv_{area}_{part}" for area in AREAS for part in _AREA_PARTS),
    *("source", "licence"),
)
# below, a quarter of the neighbourhoods is less than one of them
LEAST_FOR_QUARTILES = 4
NOTES = {
    "absent": {
        "fr": "{word} à ce niveau, de même source et de même année",
        "en": "{word} at this level, of the same source and year",
    },
    "count": {
        "fr": "effectif : celui d'un territoire plus grand n'est pas un terme de comparaison",
        "en": "count: that of a larger territory is no term of comparison",
    },
    "none": {
        "fr": "le quartier n'est dans aucun territoire de ce niveau",
        "en": "the quarter lies in no such territory",
    },
    "none_of_them": {
        "fr": "aucun QPV du territoire n'est dans un territoire de ce niveau",
        "en": "no QPV of the territory lies in such a territory",
    },
    "regions": {
        "fr": "les QPV du territoire sont dans {number} régions",
        "en": "the QPV of the territory lie in {number} regions",
    },
    "not_pooled": {
        "fr": "médianes, rapports et scores de plusieurs QPV ne s'additionnent ni ne se moyennent",
        "en": "medians, ratios and scores of several QPV are neither summed nor averaged",
    },
    "not_pooled_around": {
        "fr": "médianes, rapports et scores de plusieurs territoires ne s'additionnent ni ne se moyennent",
        "en": "medians, ratios and scores of several territories are neither summed nor averaged",
    },
    "part_of_a_sum": {
        "fr": "un total n'est donné que si chaque QPV a une valeur",
        "en": "a total is given only if every QPV has a value",
    },
}


@checked
@store.one_build()
def positions(
    place: str | Territory,
    geo_vintage: int | None = None,
    *,
    years: dict[str, int] | None = None,
    min_coverage: float = 0.9,
    lang: str = "fr",
) -> pd.DataFrame:
    """One QPV, or a territory's QPV together, on every indicator: value, surroundings, and place among the QPV.

    Parameters
    ----------
    place : str
        A QPV: its code, or its name with its commune (`"QP034003"`, `"Devèze, Béziers"`). Or a territory, which
        stands for its QPV: a name, a typed code or an id of `list_territories` (`"Occitanie"`, `"commune:34032"`,
        `"lille-poles-ressources"`).
    geo_vintage : int, optional
        Zoning, 2015 or 2024: deduced from a QPV code; needed for a territory, and for a QPV name that both zonings
        bear.
    years : dict of str to int, optional
        Year of some indicators; by default the newest of the best covered for QPV of that zoning, in the column `year`.
    min_coverage : float
        As in `compare`: share of a reference's people that must have a published figure.
    lang : {"fr", "en"}
        Language of labels, units and notes.

    Returns
    -------
    DataFrame
        One row an indicator published by QPV of that zoning, in the catalogue's order, for `plot_profile`; values
        are in `unit`. `geo_level` is `qpv`, or the territory's, whose `geo_code` is then its typed code.
        `value, lower, upper, interval, flag` are the quarter's, or those of the territory's QPV together, `n_used` of
        `n_total` with a value; without a value, the flag and the `note` say why. For each of
        `commune, urban_unit, region, country`: `_name` of the `_n_places` territories (the host communes together; the
        country is metropolitan France), `_value`, its bounds, `_n_used` of `_n_total` published figures that make it
        up, `_coverage`, and `_note`, which says why there is no value; these territories contain the QPV. Counts have
        none. For the QPV of the `region` and of the `country` (overseas included): `qpv_region_min`, `_q1`, `_median`,
        `_q3`, `_max` (unweighted), the `_n_used` of `_n_total` QPV with a value, and `_quartile`, 1 where the value is
        among those of the lowest quarter of the QPV, 4 for the highest; missing where there is no value, where fewer
        than four QPV have one, and for the total of several QPV. A territory over several regions is in none.

    Raises
    ------
    UnknownNameError
        Neither a QPV nor a territory, with the nearest names of both; or an indicator in `years` that is not published
        by QPV.
    AmbiguousTerritoryError
        Several QPV or territories; the message lists their codes.
    InvalidInputError
        A territory without `geo_vintage`; `min_coverage` out of [0, 1].
    UnavailableLevelError
        A territory without QPV of that zoning; a year in `years` that is not published.
    ComparabilityError
        A QPV code of one zoning with `geo_vintage` of the other.

    Notes
    -----
    Values of a territory and references are those of `compare`, row by row: same pooling through numerators and
    denominators, same bounds. Medians, decile ratios and scores of several QPV have no value together
    (`not_applicable`). The distribution is always that of single QPV.

    Examples
    --------
    >>> frame = positions("QP034003").set_index("indicator")
    >>> row = frame.loc["c2s_share"]
    >>> [float(x) for x in row[["year", "value", "qpv_region_median", "qpv_region_quartile"]].astype(float).round(1)]
    [2022.0, 44.9, 38.7, 3.0]
    >>> row = positions("Béziers", 2015, years={"poverty_rate": 2019}).set_index("indicator").loc["poverty_rate"]
    >>> [float(x) for x in row[["value", "commune_value", "n_used", "n_total"]].astype(float).round(1)]
    [56.6, 34.0, 3.0, 3.0]
    """
    language = style.check_lang(lang)
    if not 0 <= min_coverage <= 1:
        raise InvalidInputError(f"min_coverage is a share between 0 and 1; got {min_coverage}.")
    subject = find_subject(place, geo_vintage, language)
    chosen = chosen_years(subject.geo_vintage, years)
    return _positions(subject, chosen, tables(subject.geo_vintage, chosen), min_coverage, language)


def positions_in(
    quarter: Quarter, years: dict[str, int], frames: dict[str, pd.DataFrame], min_coverage: float, lang: style.Lang
) -> pd.DataFrame:
    """Positions of a QPV from frames that are already read: `frames` as `places.tables` gives them for these years."""
    return _positions(of_quarter(quarter), years, frames, min_coverage, lang)


def _positions(
    subject: Subject, years: dict[str, int], frames: dict[str, pd.DataFrame], min_coverage: float, lang: style.Lang
) -> pd.DataFrame:
    spreads = _spreads(subject.region, frames)
    rows = []
    for indicator, year in years.items():
        known, quarters = catalogue().indicator(indicator), frames[indicator]
        members = subject.members(quarters)
        own = _own(subject, known, members, lang)
        source = str(quarters["source"].dropna().iloc[0])
        row: dict[str, Any] = {
            "geo_level": subject.place.level,
            "geo_code": subject.geo_code,
            "name": subject.place.name,
            "commune_names": subject.commune_names,
            "geo_vintage": subject.geo_vintage,
            "indicator": indicator,
            "label": known.label[lang],
            "short_label": known.short[lang],
            "theme": known.theme,
            "kind": known.kind,
            "unit": known.unit[lang],
            "higher_is": known.higher_is,
            "year": year,
            "year_label": style.year_label(known, [source], year, lang),
            **own,
            "source": source,
            "licence": catalogue().source(source).licence,
        }
        figures = Figures(known, year)
        for reference in REFERENCES:
            found = _reference(reference, figures, subject, quarters, members, min_coverage, lang)
            row |= {f"{reference}_{part}": found.get(part) for part in _REFERENCE_PARTS}
            row[f"{reference}_name"] = subject.names[reference]
            row[f"{reference}_n_places"] = subject.n_places[reference]
        # a total has no place among the parts that make it up
        placed = own["value"] if known.kind != "count" or len(members) == 1 else float("nan")
        rows.append(row | _among(indicator, placed, spreads))
    frame = pd.DataFrame(rows, columns=list(POSITION_COLUMNS))
    numbers = [f"{reference}_{part}" for reference in REFERENCES for part in ("value", "lower", "upper", "coverage")]
    counts = [f"{reference}_{part}" for reference in REFERENCES for part in _REFERENCE_COUNTS]
    quartiles = [f"qpv_{area}_{part}" for area in AREAS for part in ("n_used", "n_total", "quartile")]
    frame = frame.astype(dict.fromkeys(numbers, "float64") | dict.fromkeys([*counts, *quartiles], "Int64"))
    texts = [f"{reference}_{part}" for reference in REFERENCES for part in ("interval", "note", "source")]
    frame[texts] = frame[texts].astype("object").fillna("")
    frame.attrs = {"geo_code": subject.geo_code, "geo_vintage": subject.geo_vintage}
    return frame


def _own(subject: Subject, known: Indicator, members: pd.DataFrame, lang: style.Lang) -> dict[str, Any]:
    """The value of the subject, what it rests on, and why there is none."""
    if subject.is_quarter:
        row = members.iloc[0]
        published = int(pd.notna(row["value"]))
        own = {part: row[part] for part in ("value", "lower", "upper", "interval", "flag")}
        return own | {"n_used": published, "n_total": 1, "coverage": float(published), "note": ""}
    together = comparison.quarters_together(members, known.kind, lang).iloc[0]
    own = {part: together[part] for part in ("value", "lower", "upper", "interval", "flag", "n_used", "n_total")}
    own["coverage"] = together["coverage"]
    reason = ""
    if together["flag"] == "not_applicable":
        reason = NOTES["not_pooled"][lang]
    elif pd.isna(together["value"]) and known.kind == "count" and together["n_used"] > 0:
        reason = NOTES["part_of_a_sum"][lang]
    return own | {"note": _joined(reason, str(together["note"]), lang=lang)}


def _joined(*notes: str, lang: style.Lang) -> str:
    return (" ; " if lang == "fr" else "; ").join(filter(None, notes))


def _reference(
    reference: str,
    figures: Figures,
    subject: Subject,
    quarters: pd.DataFrame,
    members: pd.DataFrame,
    min_coverage: float,
    lang: style.Lang,
) -> dict[str, Any]:
    """Value of one reference of the subject, or the reason why there is none."""
    known, year = figures.indicator, figures.year
    if known.kind == "count":
        return {"note": NOTES["count"][lang]}
    if reference == "region" and subject.n_places["region"] > 1:
        return {"note": NOTES["regions"][lang].format(number=subject.n_places["region"])}
    if not subject.names[reference]:
        return {"note": NOTES["none" if subject.is_quarter else "none_of_them"][lang]}
    if reference not in possible_references(known, year):
        return {"note": NOTES["absent"][lang].format(word=absences.word_of_level(known.id, reference, lang))}
    parsed = parse_reference(reference, loading.gazetteer())
    # as in compare: what surrounds the QPV of a territory that are in the field of the source
    field = members[members["in_field"]]
    hosted = members if field.empty else field
    found = reference_values(parsed, known, hosted, quarters, year=year, lang=lang, figures=figures, sex="_T", age="_T")
    found = comparison.with_enough_coverage(found, min_coverage, lang)
    row: dict[str, Any] = found.rename(columns={"unreliable": "n_unreliable"}).iloc[0].to_dict()
    if known.kind not in aggregation.POOLED_KINDS and row["n_total"] > 1:
        row["note"] = _joined(NOTES["not_pooled_around"][lang], row["note"], lang=lang)
    return row


def _spreads(region: str, frames: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Distribution of the QPV of the region and of the country: one row an indicator, all in one pass."""
    columns = ["region", "value"]
    every = pd.concat([frame[columns].assign(indicator=name) for name, frame in frames.items()], ignore_index=True)
    inside = {"country": every}
    if region:
        inside["region"] = every[every["region"] == region]
    found = {}
    for area, members in inside.items():
        grouped = members.groupby("indicator")["value"]
        found[area] = aggregation.distribution(members, "indicator").assign(
            n_used=grouped.count(), n_total=grouped.size()
        )
    return found


def _among(indicator: str, value: float, spreads: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Place of a value in the distribution of an indicator in the region and in the country."""
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
