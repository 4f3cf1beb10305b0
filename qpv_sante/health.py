"""Health figures where they are published: a region or department against the country, with the survey contrasts.

Nothing here is a figure of a QPV. The rows say at which level each value stands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from qpv_sante import aggregation, listing, loading, style
from qpv_sante.catalogue import Indicator, catalogue, core_catalogue, describe_coverage
from qpv_sante.errors import UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.observations import AUTO
from qpv_sante.territories import FRANCE, Territory

HEALTH_LEVELS = ("region", "department")
# Contrasts of general health: the nearest that exist where an indicator has none of its own
RELATED = ("self_perceived_health_good", "self_perceived_health_bad", "health_problem", "care_forgone_for_money")
NOTES: dict[str, dict[str, str]] = {
    "pooled": {
        "fr": "calculé par addition des départements (effectifs publiés, arrondis à la centaine)",
        "en": "computed by adding up departments (published counts, rounded to the hundred)",
    },
    "withheld": {
        "fr": "{missing} départements sous secret sur {total}",
        "en": "{missing} departments withheld out of {total}",
    },
    "one_withheld": {
        "fr": "un département sous secret sur {total}",
        "en": "one department withheld out of {total}",
    },
    "related": {
        "fr": "aucun contraste lu pour cet indicateur : contraste d'une autre question de santé",
        "en": "no contrast read for this indicator: contrast of another health question",
    },
    "no_interval": {"fr": "aucun intervalle dans le fichier", "en": "no interval in the file"},
    "no_country": {
        "fr": "aucune valeur de la France pour ce sexe et cet âge dans le fichier lu",
        "en": "no value of France for this sex and age in the file read",
    },
}


def published_records(indicator: str) -> list[dict[str, object]]:
    """Where an indicator is published, imports left aside: a file of some QPV must not hide the regions of all.

    An indicator that only imports carry is where they put it.
    """
    core = core_catalogue()
    return (core if indicator in core.indicators else catalogue()).published(indicator)


def published_by_qpv(indicator: str) -> bool:
    """Whether the package's own sources give an indicator by QPV, so that QPV can be compared with it."""
    return any(record["geo_level"] == "qpv" for record in published_records(indicator))


def compare_health(
    indicator: str,
    *,
    year: int,
    territory: str | Territory | None = None,
    by: str | None = None,
    sex: str = AUTO,
    age: str = AUTO,
    lang: str = "fr",
) -> pd.DataFrame:
    r"""Regional or departmental values of an indicator against the country, then the survey contrasts.

    Parameters
    ----------
    indicator : str
        An indicator that is published by region or department and not by QPV.
    year : int
    territory : str, optional
        A name or typed code; the regions or departments that it lies in, or that lie in it.
    by : {"region", "department"}, optional
        The finest published by default.
    sex, age : str
        `auto`: the total, or one row a class for an indicator published by age classes alone (perceived health).
        `_T` for the total alone.
    lang : {"fr", "en"}
        Language of the labels.

    Returns
    -------
    DataFrame
        Columns of `comparison.COMPARISON_COLUMNS`, in the indicator's unit. Rows of `kind` "published" compare a
        territory (`value`, `perimeter` "all") with the country, which holds it; rows of `kind` "survey_contrast" give
        what a national survey found inside and outside priority neighbourhoods (`territory_level` "country", `value`
        inside, reference outside), without interval or sample size; their `indicator` and `label` say what was asked,
        their `year` is the last of those of `year_label`. `interval` is `sampling` where published, else `none`.
        `note` is about the territory's value, `reference_note` about the country's. Columns of QPV (`qpv_value`,
        `n_used`, `geo_vintage`...) are missing: none of these values is that of a QPV.
        Sources are the package's own: imported figures by QPV do not take the place of these.

    Raises
    ------
    UnavailableLevelError
        Published by QPV (use `compare`), or not at that level or year; the message says where it is.
    UnknownNameError
        Unknown indicator, territory or level.

    Notes
    -----
    The country holds the region, so the two are not independent samples. With standard deviations
    :math:`\sigma_r` and :math:`\sigma_c` of the two estimates, whatever their correlation

    .. math:: \operatorname{sd}(r - c) \le \sigma_r + \sigma_c ,

    so the interval of the difference runs from lower(r) - upper(c) to upper(r) - lower(c). It is never too
    narrow; the overlap only makes it wider than needed. Without published intervals it is missing.

    Examples
    --------
    >>> table = compare_health("depression_prevalence", year=2024, territory="Béziers", by="region")
    >>> shown = ["territory", "value", "reference_value", "difference_lower", "difference_upper"]
    >>> print(table.loc[table["kind"] == "published", shown].round(1).to_string(index=False))
    territory  value  reference_value  difference_lower  difference_upper
    Occitanie   17.7             15.6               0.1               4.3
    """
    lang = style.check_lang(lang)
    known = catalogue().indicator(indicator)
    by = _level(known, by, year)
    places = loading.gazetteer()
    place = places.resolve(territory)
    codes = _codes_around(place, by)
    rows, level = _published_rows(known, by, year, sex, age)
    areas = _values(rows, level, by, known, lang)
    country = _country(known, rows, level, year, lang)
    areas = areas[areas["geo_code"].isin(codes)]
    if areas.empty:
        where = f"{place.name} ({place.key})" if place else "France"
        others = _other_classes(known, level, by, codes, year)
        given = ", ".join(f"{part}={'/'.join(rows[part].astype('str').unique())!r}" for part in ("sex", "age"))
        raise UnavailableLevelError(
            f"{indicator} of {year}: the file read gives no {by} in {where} for {given}.{others}"
        )
    joined = areas.merge(country, on=["sex", "age"], how="left", suffixes=("", "_country"))
    result = pd.DataFrame(
        {
            "kind": "published",
            "territory": [places.name_of(by, code) for code in joined["geo_code"]],
            "territory_code": by + ":" + joined["geo_code"],
            "territory_level": by,
            "perimeter": "all",
            "indicator": indicator,
            "label": listing.label_of(known, lang),
            "year": year,
            "year_label": style.year_label(known, joined["source"].unique(), year, lang),
            **joined[["sex", "age", "value", "lower", "upper", "interval", "n", "flag", "source"]],
            "reference": "country",
            "reference_label": {"fr": "France (comprend le territoire)", "en": "France (holds the territory)"}[lang],
            **{f"reference_{name}": joined[f"{name}_country"] for name in ("value", "lower", "upper", "n", "source")},
            "publication": "",
            "unit": known.unit[lang],
            "licence": catalogue().source(str(joined["source"].iloc[0])).licence,
        }
    )
    bare = NOTES["no_interval"][lang]
    result["note"] = [
        _joined(own, "" if pd.notna(lower) else bare, lang=lang)
        for own, lower in zip(joined["note"], joined["lower"], strict=True)
    ]
    # an incomplete file may give the total of a department and not that of the country: nothing is made up
    result["reference_note"] = joined["note_country"].fillna(NOTES["no_country"][lang])
    result["reference_source"] = result["reference_source"].fillna("")
    result["difference"] = result["value"] - result["reference_value"]
    result["difference_lower"] = result["lower"] - result["reference_upper"]
    result["difference_upper"] = result["upper"] - result["reference_lower"]
    result["ratio"] = result["value"] / result["reference_value"].where(result["reference_value"] != 0)
    order = {age: rank for rank, age in enumerate(loading.sorted_classes(result["age"].unique()))}
    result = result.assign(order=result["age"].map(order))
    result = result.sort_values(["order", "sex", "territory"], ignore_index=True)
    table = pd.concat([_as_comparison(result), contrast_rows(indicator, lang)], ignore_index=True)
    whole = place or FRANCE
    table.attrs = {"indicator": indicator, "level": by, "year": year, "origin": rows.attrs.get("origin", {})}
    table.attrs |= {"territory": whole.key, "territory_name": whole.name}
    if len(order) > 1:
        table.attrs["classes"] = {"age": list(order)}
    return table


def _as_comparison(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the columns of `compare`; those that are about QPV stay missing."""
    from qpv_sante.comparison import COMPARISON_COLUMNS

    full = rows.reindex(columns=list(COMPARISON_COLUMNS))
    return full.astype({"geo_vintage": "Int64", "weight": "object", "ratio": "float64"}).fillna({"weight": ""})


def contrast_rows(indicator: str, lang: str = "fr") -> pd.DataFrame:
    """The survey contrasts of an indicator, or the nearest ones, as rows of `compare_health`.

    Parameters
    ----------
    indicator : str
    lang : {"fr", "en"}

    Returns
    -------
    DataFrame
        Columns of `compare`; `note` says when the contrast is that of another question, and through
        whom a value is known.
    """
    from qpv_sante.contrasts import load_survey_contrasts

    code = style.check_lang(lang)
    every = load_survey_contrasts(lang=code)
    own = every[every["indicator"] == indicator]
    found = own if len(own) else every[every["indicator"].isin(RELATED)]
    found = found.reset_index(drop=True)
    related = "" if len(own) else NOTES["related"][code]
    by_way = {"fr": "connu par", "en": "known through"}[code]
    via = [f"{by_way} {name}" if name else "" for name in found["via"]]
    columns: dict[str, Any] = {
        "kind": "survey_contrast",
        "territory": found["perimeter"].map({"QPV": "QPV, France", "ZUS": "ZUS, France"}),
        "territory_code": "country:F",
        "territory_level": "country",
        "perimeter": "in_qpv",
        "indicator": found["indicator"],
        "label": found["label"],
        "year": found["year"].str.extract(r"(\d{4})\D*$")[0].astype("int64"),
        "year_label": found["year"],
        "sex": "_T",
        "age": "_T",
        "value": found["inside"],
        "interval": "none",
        "reference": found["reference"],
        "reference_label": found["reference_label"],
        "reference_value": found["outside"],
        "difference": found["inside"] - found["outside"],
        "ratio": found["inside"] / found["outside"],
        "unit": found["unit"],
        "flag": "observed",
        "note": [_joined(related, one, caveat, lang=code) for one, caveat in zip(via, found["caveat"], strict=True)],
        "source": "",
        "reference_note": "",
        "reference_source": "",
        "publication": found["source"],
        "licence": "",
    }
    return _as_comparison(pd.DataFrame(columns, index=found.index))


def _level(known: Indicator, by: str | None, year: int) -> str:
    """The level to compare, published or made of published departments."""
    records = published_records(known.id)
    levels = {str(record["geo_level"]) for record in records if record["year"] == year}
    if any(record["geo_level"] == "qpv" for record in records):
        raise UnavailableLevelError(f"{known.id} is published by QPV: use qs.compare.")
    possible = [level for level in ("department", "region") if level in levels]
    if "department" in levels and "region" not in levels and known.kind == "rate":
        possible.append("region")
    if by is not None and by not in possible:
        if by not in (*HEALTH_LEVELS, "epci", "urban_unit", "commune", "qpv"):
            raise UnknownNameError(f"Unknown grouping by={by!r}. {did_you_mean(by, HEALTH_LEVELS)}")
        listed = " or ".join(f"by={level!r}" for level in possible) or "none"
        raise UnavailableLevelError(
            f"{known.id} of {year} is not read by {by}. Read: {describe_coverage(records)}. Possible: {listed}."
        )
    if not possible:
        raise UnavailableLevelError(
            f"{known.id} of {year} is read neither by region nor by department. Read: {describe_coverage(records)}."
        )
    return by or possible[0]


def _codes_around(place: Territory | None, by: str) -> set[str]:
    """Codes of the regions or departments that hold a territory, or lie in it."""
    places = loading.gazetteer()
    if place is None:
        return set(places.communes[by])
    if place.level == "qpv":
        return set(places.qpv.loc[places.qpv["geo_code"] == place.code, by])
    return set(places.communes.loc[places.communes_in(place), by])


def names_around(place: Territory, by: str) -> list[str]:
    """Names of the regions or departments that hold a territory, or lie in it; a collectivity has no region.

    Examples
    --------
    >>> names_around(Territory("commune", "34032", "Béziers"), "department")
    ['Hérault']
    """
    return [loading.gazetteer().name_of(by, code) for code in sorted(_codes_around(place, by)) if code]


def _published_rows(known: Indicator, by: str, year: int, sex: str, age: str) -> tuple[pd.DataFrame, str]:
    """Published rows of the level, or of the departments that compose it; one age class or all of them."""
    levels = {str(record["geo_level"]) for record in published_records(known.id) if record["year"] == year}
    level = by if by in levels else "department"
    every = loading.load_observations(known.id, geo_level=level, year=year, sex=sex, age=age)
    every["age"] = every["age"].astype("str")
    return every, level


def _other_classes(known: Indicator, level: str, by: str, codes: set[str], year: int) -> str:
    """A sentence on the classes that are published there when the one asked is not; empty without any."""
    every = loading.load_observations(known.id, geo_level=level, year=year, sex=None, age=None)
    inside = every[every["geo_code"].isin(codes)] if level == by else every.iloc[:0]
    pairs = inside[["sex", "age"]].astype("str").drop_duplicates().sort_values(["sex", "age"])
    listed = [f"sex={sex!r} ({', '.join(rows['age'])})" for sex, rows in pairs.groupby("sex")]
    return f" Published there: {'; '.join(listed)}." if listed else ""


def _values(rows: pd.DataFrame, level: str, by: str, known: Indicator, lang: str) -> pd.DataFrame:
    """One row an area and class, with `note`; regions made of their departments where need be."""
    plain = rows.astype({"sex": "str", "flag": "str", "source": "str", "interval": "str"})
    if level == by:
        return plain.assign(note="")
    communes = loading.gazetteer().communes
    region = communes.drop_duplicates("department").set_index("department")["region"]
    return _pool(plain.assign(geo_code=plain["geo_code"].map(region)), known, lang)


def _pool(parts: pd.DataFrame, known: Indicator, lang: str) -> pd.DataFrame:
    """Departments pooled by `geo_code`, sex and age; the note counts those that are withheld.

    The population of a withheld department is withheld too, so what it could change has no bounds.
    """
    pieces = []
    for (sex, age), group in parts.groupby(["sex", "age"]):
        pooled = aggregation.pool(group.assign(weight=group["denominator"]), "geo_code", kind=known.kind)
        missing = pooled["n_total"] - pooled["n_used"]
        withheld = [
            NOTES["withheld" if out > 1 else "one_withheld"][lang].format(missing=out, total=total) if out else ""
            for out, total in zip(missing, pooled["n_total"], strict=True)
        ]
        pieces.append(
            pd.DataFrame(
                {
                    "geo_code": pooled.index,
                    "sex": sex,
                    "age": age,
                    "value": pooled["value"].to_numpy(),
                    "lower": np.nan,
                    "upper": np.nan,
                    "interval": "none",
                    "n": np.nan,
                    "flag": np.where(pooled["value"].notna(), "observed", "suppressed"),
                    "source": group["source"].iloc[0],
                    "note": [_joined(NOTES["pooled"][lang], text, lang=style.check_lang(lang)) for text in withheld],
                }
            )
        )
    return pd.concat(pieces, ignore_index=True)


def _country(known: Indicator, rows: pd.DataFrame, level: str, year: int, lang: str) -> pd.DataFrame:
    """The country's value by sex and age: published, else made of its departments, else missing."""
    columns = ["sex", "age", "value", "lower", "upper", "n", "source", "note"]
    levels = {str(record["geo_level"]) for record in published_records(known.id) if record["year"] == year}
    if "country" in levels:
        every = loading.load_observations(known.id, geo_level="country", year=year, sex=None, age=None)
        every = every.astype({"sex": "str", "age": "str", "source": "str"})
        return every.assign(note="")[columns]
    if level == "department" and known.kind == "rate":
        plain = rows.astype({"sex": "str", "flag": "str", "source": "str", "interval": "str"})
        pooled = _pool(plain.assign(geo_code=FRANCE.code), known, lang)
        return pooled[columns]
    empty = dict.fromkeys(("value", "lower", "upper", "n"), float("nan"))
    return rows[["sex", "age"]].drop_duplicates().assign(**empty, source="", note="")[columns]


def _joined(*texts: str, lang: style.Lang) -> str:
    """Texts that are not empty, one after the other."""
    separator = " ; " if lang == "fr" else "; "
    return style.typography(separator.join(text for text in texts if isinstance(text, str) and text), lang)
