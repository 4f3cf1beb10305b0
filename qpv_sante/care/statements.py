"""What reports say of care supply in QPV, each beside the nearest figure that open data give, and why they differ."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import pandas as pd

from qpv_sante import intervals, style
from qpv_sante.care.communes import FACILITIES, POPULATION_YEAR, load_commune_counts
from qpv_sante.care.iris import iris_bounds
from qpv_sante.care.nearby import beyond_coverage, count_nearby
from qpv_sante.care.quarters import POPULATION_YEAR as QPV_POPULATION_YEAR
from qpv_sante.care.quarters import check_place, qpv_population
from qpv_sante.care.structures import load_structures
from qpv_sante.catalogue import catalogue
from qpv_sante.contrasts import load_survey_contrasts
from qpv_sante.errors import CatalogueError, UnknownNameError, did_you_mean
from qpv_sante.forms import Text
from qpv_sante.loading import gazetteer, load_zones

if TYPE_CHECKING:
    import geopandas as gpd

Measure = Literal[
    "rest_over_host_ratio",
    "residents_with_practitioner",
    "residents_with_practitioner_iris",
    "residents_near_structure",
    "qpv_with_structure",
]
COLUMNS = (
    *("id", "statement", "comparison", "published", "unit", "published_year", "published_source", "reliability"),
    *("ours", "value", "lower", "upper", "interval", "meaning", "least", "most", "level", "year", "geo_vintage"),
    *("n_used", "n_total", "flag", "source", "difference"),
)


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One published statement and the computation that stands nearest."""

    id: str
    measure: Measure
    level: Literal["commune", "iris", "qpv"]
    ours: Text
    difference: Text
    contrast: str = ""
    published: float | None = None
    comparison: Literal["equal", "below", "above"] = "equal"
    unit: Literal["", "%", "rapport"] = ""
    year: str = ""
    source: str = ""
    text: Text = {}
    indicator: str = ""
    distance: float | None = None
    several: bool = False


class Statements(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The statements, and what the intervals of our figures express."""

    statement: list[Statement]
    meaning: dict[str, Text]


def read_statements(path: Path) -> Statements:
    """The records of a file of statements, checked.

    Raises
    ------
    CatalogueError
        Unknown or missing key, id given twice, unknown contrast or indicator, a text that lacks a language, or a
        measure without what it needs; the message says in which record.
    """
    try:
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8-sig")), Statements)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    records = file.statement
    contrasts = set(load_survey_contrasts()["indicator"])
    ids = [one.id for one in records]
    problems = [f"{name}: declared twice" for name in dict.fromkeys(ids) if ids.count(name) > 1]
    problems += [f"meaning.{name}: needs fr and en" for name, text in file.meaning.items() if set(text) != {"fr", "en"}]
    for one in records:
        texts = {"ours": one.ours, "difference": one.difference, **({} if one.contrast else {"text": one.text})}
        problems += [f"{one.id}: {name} needs fr and en" for name, text in texts.items() if set(text) != {"fr", "en"}]
        if bool(one.contrast) == (one.published is not None):
            problems.append(f"{one.id}: give contrast, or published")
        if one.contrast and one.contrast not in contrasts:
            problems.append(f"{one.id}: unknown contrast {one.contrast!r}")
        if one.published is not None and not (one.unit and one.source):
            problems.append(f"{one.id}: a published value needs its unit and source")
        if one.measure.startswith(("rest", "residents_with")) and one.indicator not in FACILITIES:
            problems.append(f"{one.id}: {one.measure} needs an indicator of {', '.join(FACILITIES)}")
        if one.measure in ("residents_near_structure", "qpv_with_structure") and one.distance is None:
            problems.append(f"{one.id}: {one.measure} needs a distance")
    if problems:
        raise CatalogueError(f"{path.name}: " + "; ".join(problems))
    return file


@lru_cache(maxsize=1)
def _file() -> Statements:
    return read_statements(Path(str(files("qpv_sante.care") / "statements.toml")))


def statements(
    *,
    geo_vintage: int = 2015,
    iris: gpd.GeoDataFrame | None = None,
    iris_id: str = "CODE_IRIS",
    unknown_precision: float | None = None,
    ids: Sequence[str] | None = None,
    lang: str = "fr",
) -> pd.DataFrame:
    """Published statements on care supply in QPV, each beside our nearest figure and what separates the two.

    Parameters
    ----------
    geo_vintage : int
        Zoning of the QPV of our figures, 2015 or 2024; ONPV's of 2015 are of the zoning of 2015.
    iris : GeoDataFrame, optional
        Outlines of IRIS of your own (see `iris_bounds`), which give bounds by quarter; without them that row is
        `unavailable`.
    iris_id : str
        Their column of codes.
    unknown_precision : float, optional
        As in `care_supply`.
    ids : sequence of str, optional
        These statements only; all by default.
    lang : {"fr", "en"}

    Returns
    -------
    DataFrame
        One row a statement and figure: `id, statement, comparison` (`equal`, `below`, `above`), `published` (in
        `unit`: %, or a ratio outside over inside), `published_year, published_source, reliability`; then ours: `ours`
        (what is measured), `value, lower, upper, interval, meaning` (what the interval expresses), `least, most`
        (the value if only structures that are there for certain, or all those that may be, are counted), `level,
        year, geo_vintage, n_used, n_total, flag, source`, and `difference`: why the two are not one figure.
        A value is missing where only bounds are known (`interval` is `model`) or nothing is.

    Raises
    ------
    UnavailableLevelError
        No such zoning.
    UnknownNameError
        No statement of that id.
    StoreError
        The sources were never built.
    CatalogueError
        The file of statements is damaged.

    Examples
    --------
    >>> beside = statements(lang="en")  # doctest: +SKIP
    >>> beside[["statement", "published", "value", "lower", "upper"]]  # doctest: +SKIP
    """
    code = style.check_lang(lang)
    options = {} if unknown_precision is None else {"unknown_precision": unknown_precision}
    counted = _Counted(geo_vintage, iris, iris_id, options)
    rows = []
    records = {one.id: one for one in _file().statement}
    for name in records if ids is None else ids:
        if name not in records:
            raise UnknownNameError(f"No statement {name!r}. {did_you_mean(name, records)}")
        one = records[name]
        rows.append({**_published(one, code), **_ours(one, counted, code)})
    return pd.DataFrame(rows)[list(COLUMNS)].astype(
        dict.fromkeys(("published", "value", "lower", "upper", "least", "most", "n_used", "n_total"), "float64")
    )


def _published(one: Statement, lang: style.Lang) -> dict[str, Any]:
    unit = {"%": "%", "rapport": "rapport" if lang == "fr" else "ratio"}
    said: dict[str, Any] = {"id": one.id, "comparison": one.comparison}
    if not one.contrast:
        return said | {
            "statement": style.typography(one.text[lang], lang),
            "published": one.published,
            "unit": unit[one.unit],
            "published_year": one.year,
            "published_source": one.source,
            "reliability": "secondary",
        }
    found = load_survey_contrasts(one.contrast, lang=lang).iloc[0]
    # a ratio is given where the report says no more than that
    value = found["inside"] if pd.notna(found["inside"]) else found["ratio"]
    return said | {
        "statement": found["label"],
        "published": value,
        "unit": found["unit"],
        "published_year": found["year"],
        "published_source": found["source"],
        "reliability": found["reliability"],
    }


class _Counted:
    """What several statements are made of, computed once."""

    def __init__(
        self, geo_vintage: int, iris: gpd.GeoDataFrame | None, iris_id: str, options: dict[str, float]
    ) -> None:
        check_place(None, geo_vintage)
        self.geo_vintage, self.iris, self.iris_id, self.options = geo_vintage, iris, iris_id, options
        self.qpv = gazetteer().qpv_in(gazetteer().resolve("country:FM"), geo_vintage)
        self.people = qpv_population(geo_vintage)["value"]

    def near(self, one: Statement) -> pd.DataFrame:
        """Structures at the statement's distance from each QPV that the source covers."""
        structures, covered, _ = load_structures()
        if one.several:
            structures = structures[structures["activity"] == "several"]
        zones = load_zones("qpv", vintage=self.geo_vintage)[["geo_code", "geometry"]]
        zones = zones.merge(self.qpv[self.qpv["department"].isin(covered)], on="geo_code")
        distance = float(one.distance or 0)
        counts = count_nearby(zones, structures, distances=[distance], **self.options)
        counts = counts[counts["indicator"] == "health_structures"].reset_index(drop=True)
        # in the rows of the zones: what lies beyond the source's departments may hold structures
        beyond = beyond_coverage(zones, load_zones("department", vintage=2018), covered, distance)
        counts["upper"] = counts["upper"].mask(pd.Series(beyond) & counts["value"].notna(), np.inf)
        return counts.assign(
            listed=int(self.qpv["department"].isin(covered).sum()),
            source=structures["source"].iloc[0],
            year=int(structures["year"].iloc[0]),
        )


def _ours(one: Statement, counted: _Counted, lang: style.Lang) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(("value", "lower", "upper", "least", "most", "n_used", "n_total"), np.nan)
    blank |= {"interval": "none", "meaning": "", "flag": "unavailable", "year": "", "source": ""}
    known = {
        "rest_over_host_ratio": lambda: _rest_over_host(one, counted),
        "residents_with_practitioner": lambda: _residents_in_served_communes(one, counted),
        "residents_with_practitioner_iris": lambda: _residents_by_iris(one, counted),
        "residents_near_structure": lambda: _residents_near(one, counted),
        "qpv_with_structure": lambda: _qpv_with(one, counted),
    }[one.measure]()
    return {
        **blank,
        **known,
        "meaning": style.typography(_file().meaning[known["meaning"]][lang], lang) if known.get("meaning") else "",
        "ours": style.typography(one.ours[lang], lang),
        "difference": style.typography(one.difference[lang], lang),
        "level": one.level,
        "geo_vintage": counted.geo_vintage,
    }


def _bpe() -> dict[str, Any]:
    source = catalogue().source("insee_bpe")
    return {"year": f"2019 (population {POPULATION_YEAR})", "source": source.key("2019")}


def _rest_over_host(one: Statement, counted: _Counted) -> dict[str, Any]:
    communes = gazetteer().communes.merge(load_commune_counts(one.indicator), left_on="code", right_on="geo_code")
    hosts = communes["code"].isin(counted.qpv["communes"].str.split(";").explode())
    return {**rest_over_host(communes, hosts), **_bpe()}


def rest_over_host(communes: pd.DataFrame, hosts: pd.Series) -> dict[str, Any]:
    """Density of the other communes of the urban units of hosts, over that of the hosts in these units.

    Parameters
    ----------
    communes : DataFrame
        `urban_unit` (empty outside any), `value` (facilities), `population`.
    hosts : Series of bool
        Communes that host a QPV.

    Returns
    -------
    dict
        `value, lower, upper, interval, meaning, flag, n_used, n_total` (communes); no value where one side has nobody
        or no facility.
    """
    units = communes.loc[hosts & (communes["urban_unit"] != ""), "urban_unit"]
    inside = communes["urban_unit"].isin(units)
    usable = inside & communes["value"].notna() & communes["population"].notna()
    numbers = {"n_used": usable.sum(), "n_total": inside.sum()}
    sides = [communes[usable & side] for side in (~hosts, hosts)]
    (rest, rest_people), (there, people) = ((side["value"].sum(), side["population"].sum()) for side in sides)
    if not (people and rest_people and there):
        return numbers
    ratio = intervals.ratio_of_rates(rest, rest_people, there, people, interval="process").iloc[0]
    measured = {name: ratio[name] for name in ("value", "lower", "upper", "interval")}
    return {**measured, **numbers, "meaning": "poisson", "flag": "observed"}


def _share(people: pd.Series, chosen: pd.Series) -> float:
    total = people.sum()
    return float(100 * people[chosen].sum() / total) if total else np.nan


def _residents_in_served_communes(one: Statement, counted: _Counted) -> dict[str, Any]:
    counts = load_commune_counts(one.indicator).set_index("geo_code")["value"]
    hosts = counted.qpv.set_index("geo_code")["communes"].str.split(";")
    served = hosts.map(lambda codes: counts.reindex(codes).max())
    people = counted.people.reindex(served.index)
    usable = served.notna() & people.notna()
    most = _share(people[usable], served[usable] > 0)
    numbers = {"n_used": usable.sum(), "n_total": len(served)}
    bounds = {"lower": 0.0, "upper": most, "interval": "model", "meaning": "bounds"}
    return {**bounds, **numbers, **_bpe()}


def _residents_by_iris(one: Statement, counted: _Counted) -> dict[str, Any]:
    if counted.iris is None:
        return {}
    zones = load_zones("qpv", vintage=counted.geo_vintage, territory="country:FM")
    zones = zones[zones.geometry.notna()]
    bounds = iris_bounds(zones, counted.iris, indicator=one.indicator, iris_id=counted.iris_id)
    bounds = bounds.set_index("geo_code")
    people = counted.people.reindex(bounds.index)
    usable = bounds["upper"].notna() & people.notna()
    if not usable.any():
        return {}
    shares = {side: _share(people[usable], bounds.loc[usable, side] > 0) for side in ("lower", "upper")}
    numbers = {"n_used": usable.sum(), "n_total": len(counted.qpv)}
    return {**shares, **numbers, **_bpe(), "interval": "model", "meaning": "bounds"}


def _residents_near(one: Statement, counted: _Counted) -> dict[str, Any]:
    counts = counted.near(one).set_index("geo_code")
    people = counted.people.reindex(counts.index)
    usable = counts["value"].notna() & people.notna()
    if not usable.any():
        return {}
    shares = {
        name: _share(people[usable], counts.loc[usable, column] > 0)
        for name, column in {"value": "value", "least": "lower", "most": "upper"}.items()
    }
    numbers = {"n_used": usable.sum(), "n_total": int(counts["listed"].iloc[0])}
    when = f"{counts['year'].iloc[0]} (population {QPV_POPULATION_YEAR[counted.geo_vintage]})"
    told = {"meaning": "census", "flag": "observed", "year": when, "source": counts["source"].iloc[0]}
    return {**shares, **numbers, **told}


def _qpv_with(one: Statement, counted: _Counted) -> dict[str, Any]:
    counts = counted.near(one)
    drawn = counts[counts["value"].notna()]
    if drawn.empty:
        return {}
    number = {name: int((drawn[name] > 0).sum()) for name in ("value", "lower", "upper")}
    wilson = 100 * intervals.proportion(number["value"], len(drawn), interval="process")[["value", "lower", "upper"]]
    share = wilson.iloc[0].to_dict()
    doubt = {"least": 100 * number["lower"] / len(drawn), "most": 100 * number["upper"] / len(drawn)}
    numbers = {"n_used": len(drawn), "n_total": int(counts["listed"].iloc[0])}
    told = {"interval": "process", "meaning": "wilson", "flag": "observed"}
    edition = {"year": str(counts["year"].iloc[0]), "source": counts["source"].iloc[0]}
    return {**share, **doubt, **numbers, **told, **edition}
