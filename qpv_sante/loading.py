"""From the store to tidy frames: observations, outlines, and the two joined."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import observations, store
from qpv_sante.arguments import checked
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import ComparabilityError, SchemaError, UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.geography import QPV_ZONINGS, check_level, department_of_commune, whole_commune
from qpv_sante.territories import Gazetteer, Territory, current_commune
from qpv_sante.territory_records import Stamps, declared_territories, territory_stamps

if TYPE_CHECKING:
    import geopandas as gpd

log = logging.getLogger(__name__)

# Layers of the store that `load_zones` gives, by level and zoning
_LAYERS = {("qpv", 2015): "qpv_2015", ("qpv", 2024): "qpv_2024", ("department", 2018): "department_2018"}
_LAYERS |= {("region", 2018): "region_2018", ("commune", 2018): "commune_2018"}


def gazetteer(root: Path | None = None) -> Gazetteer:
    """The code tables of the store in use (of another data root, if given), and the territories that were declared.

    Read once, and again when a file of territories changes.
    """
    origin = store.find_store("codes/territories", root)
    return _gazetteer(str(origin.path), origin, territory_stamps(root))


@lru_cache(maxsize=4)
def _gazetteer(path: str, origin: store.Store, stamps: Stamps) -> Gazetteer:
    tables = {name: origin.codes(name) for name in ("territories", "former_communes", "qpv")}
    return Gazetteer(communes=origin.codes("current_communes"), composites=declared_territories(stamps), **tables)


@checked
@store.one_build()
def load_observations(
    indicator: str,
    *,
    geo_level: str | None = None,
    geo_vintage: int | None = None,
    year: int | None = None,
    territory: str | Territory | None = None,
    sex: str | None = observations.AUTO,
    age: str | None = observations.AUTO,
    category: str | None = observations.AUTO,
    source: str | None = None,
) -> pd.DataFrame:
    """Figures of one indicator, as rows of the long table.

    Parameters
    ----------
    indicator : str
        An id of `list_indicators`.
    geo_level : str, optional
        `qpv`, `iris`, `commune`, `epci`, `department`, `region`, `country`, and those of imports (`living_area`,
        `canton_town`); all by default.
    geo_vintage : int, optional
        Zoning of QPV (2015 or 2024), year of the official codes for other levels.
    year : int, optional
        Year of reference; all by default. There is no "latest": a result must not change meaning.
    territory : str, optional
        A name (`"Occitanie"`) or a typed code (`"department:59"`); all of France by default. Of smaller levels,
        the places inside it; of larger ones, those that contain it (`geo_level` says which a row is).
    sex, age : str or None
        `auto`: the total, or every class where a source publishes no total at that level and year (perceived health
        by department); `attrs["classes"]` then lists them. `_T` for the total alone, a class (`Y25T59`), None for
        every class.
    category : str or None
        Another breakdown, where the producer publishes one: `household:single_parent`,
        `activity:unemployed`, `finances:difficult`; `_T` for everyone, None for all of them, `auto` as for `sex`.
        Breakdowns are margins of the same population: never to be added across kinds.
    source : str, optional
        A source (`insee_filosofi_qpv`) or one edition (`insee_filosofi_qpv@2021`).

    Returns
    -------
    DataFrame
        Columns of `qpv_sante.observations.COLUMNS`: the key (indicator, source, geo_level, geo_code,
        geo_vintage, perimeter, sex, age, category, year), then value (in the indicator's unit), lower,
        upper, interval, n, denominator and flag. The value is missing if and only if the flag is
        `suppressed`, `unavailable` or `not_applicable`. `attrs["origin"]` says which store was read;
        `attrs["classes"]`, for lack of a total, the classes that are given in its place (`{"age": ["Y25T59", ...]}`);
        `attrs["restrictions"]`, where a source is restricted, holds the notices that must follow the figures.

    Raises
    ------
    UnknownNameError
        Unknown indicator, level, territory or source; the message lists valid ones.
    UnavailableLevelError
        Not published at that level, zoning or year, or no row there; the message says where it exists.

    Examples
    --------
    >>> rates = load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019, territory="Béziers")
    >>> rates[["geo_code", "value", "flag"]].to_string(index=False, header=False).split()
    ['QP034001', '54.9', 'observed', 'QP034002', '62.9', 'observed', 'QP034003', '59.7', 'observed']
    >>> health = load_observations("self_perceived_health_good", geo_level="department", territory="Hérault")
    >>> health.attrs["classes"]
    {'age': ['Y5T24', 'Y25T59', 'Y_GE60']}
    """
    known = catalogue()
    known.indicator(indicator)
    if geo_level is not None:
        check_level(geo_level)
    places = gazetteer()
    place = (places.arrondissement(territory) if geo_level in ("commune", "iris") else None) or places.resolve(
        territory
    )
    known.check_published(indicator, geo_level=geo_level, geo_vintage=geo_vintage, year=year)
    asked: dict[str, Any] = {"geo_level": geo_level, "geo_vintage": geo_vintage, "year": year}
    asked |= {"sex": sex, "age": age, "category": category}
    equal = {name: wanted for name, wanted in asked.items() if wanted not in (None, observations.AUTO)}
    if source and "@" in source:
        equal["source"] = source
    frames, origin = [], {}
    for source_id in _sources_of(indicator, source, geo_level, geo_vintage, year):
        found = store.find_store(f"observations/{source_id}")
        frames.append(found.observations(source_id, indicator=indicator, **equal))
        origin[source_id] = found.label
    frame = observations.concat(frames)
    automatic = [name for name in observations.CLASSES if asked[name] == observations.AUTO]
    frame, classes = _totals_or_classes(frame, automatic)
    if place is not None:
        frame = frame[rows_in(frame, place)].reset_index(drop=True)
    if frame.empty:
        asked |= dict.fromkeys(automatic, None)
        raise UnavailableLevelError(_why_empty(indicator, asked, place, list(origin)))
    frame.attrs = {"indicator": indicator, "origin": origin}
    if classes:
        frame.attrs["classes"] = classes
    used = {str(key).partition("@")[0] for key in frame["source"].unique()}
    # with the figures, not only in the catalogue: an import may be removed while they are in use
    notices = [known.sources[name].restriction for name in sorted(used) if name in known.sources]
    if any(notices):
        frame.attrs["restrictions"] = list(dict.fromkeys(notice for notice in notices if notice))
    log.info("%s: read from the %s", indicator, ", ".join(sorted(set(origin.values()))))
    return frame


def _totals_or_classes(frame: pd.DataFrame, names: list[str]) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """The totals of each source, level and year, every class of those that have none; and which classes these are."""
    classes: dict[str, list[str]] = {}
    for name in names:
        total = frame[name] == observations.TOTAL
        if total.all():
            continue
        whole = total.groupby([frame[key] for key in ("source", "geo_level", "year")], observed=True).transform("any")
        kept = total | ~whole
        if not whole.all():
            classes[name] = sorted_classes(frame.loc[~whole, name].astype("str").unique())
        frame = frame[kept].reset_index(drop=True)
    return frame, classes


def sorted_classes(classes: Iterable[str]) -> list[str]:
    """Classes in the order of people: by first year of age, "under 25" before "25 to 49".

    Examples
    --------
    >>> sorted_classes(["Y_GE60", "Y25T59", "Y5T24", "_T"])
    ['_T', 'Y5T24', 'Y25T59', 'Y_GE60']
    """

    def first(one: str) -> tuple[float, str]:
        year = re.search(r"\d+", one)
        return (float(year[0]) - one.startswith("Y_LT") if year else -1.0, one)

    return sorted(classes, key=first)


def _sources_of(
    indicator: str, source: str | None, geo_level: str | None, geo_vintage: int | None, year: int | None
) -> list[str]:
    records = catalogue().published(indicator)
    available = list(dict.fromkeys(str(record["source"]) for record in records))
    if source is not None:
        valid = [key for key in available if key == source or key.partition("@")[0] == source]
        if not valid:
            names = [*dict.fromkeys(key.partition("@")[0] for key in available), *available]
            raise UnknownNameError(f"{source!r} is not a source of {indicator}. {did_you_mean(source, names)}")
    matching = [
        str(record["source"]).partition("@")[0]
        for record in records
        if (geo_level is None or record["geo_level"] == geo_level)
        and (geo_vintage is None or record["geo_vintage"] == geo_vintage)
        and (year is None or record["year"] == year)
        and (source is None or str(record["source"]).startswith(source.partition("@")[0] + "@"))
    ]
    return list(dict.fromkeys(matching))


def _why_empty(indicator: str, asked: dict[str, Any], place: Territory | None, sources: list[str]) -> str:
    criteria = ", ".join(f"{name}={value!r}" for name, value in asked.items() if value is not None)
    message = f"No row of {indicator} for {criteria}"
    where = {name: asked[name] for name in ("geo_level", "geo_vintage", "year") if asked[name] is not None}
    stored = [store.find_store(f"observations/{name}").observations(name, indicator=indicator) for name in sources]
    read = pd.concat([frame.loc[(frame[list(where)] == pd.Series(where)).all(axis=1)] for frame in stored])
    breakdowns = {name: sorted_classes(read[name].astype("str").unique()) for name in ("sex", "age", "category")}
    absent = any(asked[name] is not None and asked[name] not in classes for name, classes in breakdowns.items())
    if place is None or absent:
        listed = "; ".join(f"{name}: {', '.join(classes)}" for name, classes in breakdowns.items())
        return f"{message}. Published classes: {listed}. None asks for all of them."
    message += f" in {place.name} ({place.key})."
    if asked["geo_level"] == "qpv":
        counts = {vintage: len(gazetteer().qpv_in(place, vintage)) for vintage in QPV_ZONINGS}
        listed = ", ".join(f"{number} QPV of {vintage}" for vintage, number in counts.items())
        message += f" This territory has {listed}."
    return message


def rows_in(frame: pd.DataFrame, place: Territory) -> pd.Series:
    """Which rows of the long table describe places that lie in a territory.

    Parameters
    ----------
    frame : DataFrame
        The long table.
    place : Territory

    Returns
    -------
    Series of bool
        A QPV or an EPCI that straddles the border counts as inside. Of a composite territory made of quarters, the
        IRIS are those of the quarters. A living area counts where its central commune lies; a town canton, of which
        the communes are not known, where its department lies.

    Raises
    ------
    UnavailableLevelError
        Town cantons asked for in a territory smaller than a department.
    """
    places = gazetteer()
    inside = pd.Series(False, index=frame.index)
    if place.level == "arrondissement":
        return frame["geo_code"].str[:5] == place.code
    communes = places.communes[places.communes_in(place)]
    for (level, vintage), group in frame.groupby(["geo_level", "geo_vintage"], observed=True):
        if level == "qpv":
            codes = places.qpv_in(place, int(vintage))["geo_code"]
            inside[group.index] = group["geo_code"].isin(codes)
        elif level == "canton_town":
            if place.level not in ("department", "region", "country"):
                raise UnavailableLevelError(
                    f"Town cantons are known by department only: ask for a department, a region or the country, not "
                    f"{place.key}."
                )
            inside[group.index] = department_of_commune(group["geo_code"]).isin(communes["department"])
        elif level in ("commune", "iris", "living_area"):
            codes = group["geo_code"].str[:5]
            whole = whole_commune(codes)
            # arrondissements are counted in their commune: they stand for it where its own figure is not given
            counted = (whole == codes) | ~whole.isin(codes) | (level == "iris")
            current = current_commune(whole.where(counted, ""), places.former_communes)
            if level == "iris" and place.iris:
                listed = group["geo_code"].isin(place.iris)
                inside[group.index] = listed | current.isin(place.communes)
            else:
                inside[group.index] = current.isin(communes["code"])
        elif level == "country":
            inside[group.index] = group["geo_code"] == place.code
        else:
            inside[group.index] = group["geo_code"].isin(communes[str(level)])
    return inside


@checked
@store.one_build()
def load_zones(geo_level: str = "qpv", *, vintage: int, territory: str | Territory | None = None) -> gpd.GeoDataFrame:
    """Outlines of a level, with the territories that contain them.

    Parameters
    ----------
    geo_level : str
        `qpv`, `commune` (of Occitanie and Hauts-de-France), `department` or `region`.
    vintage : int
        2015 or 2024 for QPV, 2018 for the others.
    territory : str, optional
        A name or typed code; all of France by default.

    Returns
    -------
    GeoDataFrame
        EPSG:4326. `geo_code, name, geometry`; for QPV also `communes, commune_names, epci, urban_unit`
        (several separated by `;`), `department, region`. An outline that the producer's file lacks is
        missing. `attrs["origin"]` says which store was read: those of the snapshot are simplified, and its communes
        are those that hold a QPV, and their neighbours.

    Raises
    ------
    UnavailableLevelError
        No outlines of that level or vintage, or none in that territory.

    Examples
    --------
    >>> load_zones("qpv", vintage=2015, territory="Béziers")["name"].tolist()
    ['Centre Ville', 'Iranget Grangette', 'Devèze']
    """
    check_level(geo_level)
    layer = _LAYERS.get((geo_level, vintage))
    if layer is None:
        valid = ", ".join(f"{level} {year}" for level, year in _LAYERS)
        raise UnavailableLevelError(f"No outlines of {geo_level} {vintage!r}. Available: {valid}.")
    origin = store.find_store(f"zones/{layer}")
    zones = origin.zones(layer)
    places = gazetteer()
    place = places.resolve(territory)
    if geo_level == "qpv":
        members = places.qpv_in(place, vintage).drop(columns=["geo_vintage", "has_outline"])
        zones = zones[["geo_code", "geometry"]].merge(members, on="geo_code", validate="1:1")
        order = ["geo_code", "name", "communes", "commune_names", "epci", "urban_unit", "department", "region"]
        zones = zones[[*order, "geometry"]]
    elif geo_level == "commune":
        # the file's names lack their article (Madeleine for La Madeleine)
        names = places.communes.set_index("code")["name"]
        zones = zones.assign(name=zones["geo_code"].map(names).fillna(zones["name"]))
    if geo_level != "qpv" and place is not None:
        column = "code" if geo_level == "commune" else geo_level
        inside = places.communes.loc[places.communes_in(place), column]
        # a commune that has merged since is where its successor is
        codes = zones["geo_code"]
        today = current_commune(codes, places.former_communes) if geo_level == "commune" else codes
        zones = zones[today.isin(inside)]
    zones = zones.reset_index(drop=True)
    if zones.empty:
        where = f" in {place.name} ({place.key})" if place else ""
        raise UnavailableLevelError(f"No outline of {geo_level} {vintage}{where}.")
    zones.attrs = {"origin": {layer: origin.label}, "geo_level": geo_level, "geo_vintage": vintage}
    return zones


@checked
def attach_zones(frame: pd.DataFrame) -> gpd.GeoDataFrame:
    """Observations joined to the outlines of their own level and zoning.

    Parameters
    ----------
    frame : DataFrame
        Rows of the long table, of one level and one zoning.

    Returns
    -------
    GeoDataFrame
        Every row of the frame, with `name` and `geometry`; the geometry is missing where no outline
        is read (overseas QPV of 2015). `attrs["without_outline"]` counts them.

    Raises
    ------
    ComparabilityError
        Several levels or zonings: their outlines overlap, and values would be painted on the wrong places.
    UnavailableLevelError
        No outlines of that level.

    Examples
    --------
    >>> rates = load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024, year=2021, territory="Lille")
    >>> attach_zones(rates)[["geo_code", "name", "value"]].head(2)
       geo_code           name  value
    0  QN05971M  Secteur Ouest   49.0
    1  QN05972M    Secteur Sud   46.3
    """
    import geopandas as gpd

    needed = {"geo_level", "geo_vintage", "geo_code"}
    if not needed <= set(frame.columns):
        absent = sorted(needed - set(frame.columns))
        raise SchemaError(f"attach_zones needs the columns {sorted(needed)}; missing: {absent}.")
    kinds = frame[["geo_level", "geo_vintage"]].drop_duplicates()
    if kinds.isna().any(axis=None):
        raise SchemaError("attach_zones: a row without geo_level or geo_vintage has no outline. Drop it, or say which.")
    if len(kinds) != 1:
        listed = ", ".join(f"{row.geo_level} {row.geo_vintage}" for row in kinds.itertuples())
        raise ComparabilityError(
            f"attach_zones takes one level and one zoning at a time; got {listed}. Filter the frame, for example with "
            "load_observations(..., geo_level='qpv', geo_vintage=2024)."
        )
    level, vintage = str(kinds.iloc[0, 0]), int(kinds.iloc[0, 1])
    if level == "commune":
        raise UnavailableLevelError(
            "No outlines of communes to join to figures: those of load_zones('commune', vintage=2018) cover two "
            "regions, and communes that merged since have others. Join figures of QPV, departments or regions."
        )
    # departments and regions keep their codes and outlines between official code years
    zones = load_zones(level, vintage=vintage if level == "qpv" else 2018)
    joined = frame.merge(zones[["geo_code", "name", "geometry"]], on="geo_code", how="left", validate="m:1")
    result = gpd.GeoDataFrame(joined, geometry="geometry", crs=zones.crs)
    result.attrs = {**frame.attrs, "without_outline": int(result.geometry.isna().sum())}
    return result
