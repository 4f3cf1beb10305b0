"""Practices that the project's documents name: where they are, as precisely as it is known, and what they count."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import style
from qpv_sante.errors import CatalogueError, ComparabilityError, InvalidInputError, SchemaError
from qpv_sante.geography import QPV_ZONINGS, department_of_commune, department_of_qpv, projected_crs, zoning_of_qpv_code
from qpv_sante.initiative_records import Figure, Site, count_behind, decimals_of, read_initiatives

if TYPE_CHECKING:
    import geopandas as gpd

log = logging.getLogger(__name__)

# From the strongest statement to the weakest
RELATIONS = ("inside", "nearby", "same_commune")
_WORDS = {
    "no_count": {
        "fr": "aucun effectif entier sur {n} ne donne {percent} % : la part publiée et n sont repris tels quels",
        "en": "no whole number out of {n} gives {percent} %: the published share and n are taken as they are",
    },
    "no_n": {"fr": "effectif non publié : pas d'intervalle", "en": "sample size not published: no interval"},
    "about": {"fr": "environ ", "en": "about "},
    "outline": {"fr": "point dans le contour de {code}", "en": "point in the outline of {code}"},
    "address": {"fr": "coordonnées données", "en": "coordinates given"},
    "no_outline": {"fr": "pas de contour de {code}", "en": "no outline of {code}"},
    "commune": {"fr": "commune seule connue : pas de point", "en": "commune only: no point"},
    "department": {"fr": "département seul connu : pas de point", "en": "department only: no point"},
}


def load_initiatives(path: Path | str | None = None, *, lang: str = "fr") -> gpd.GeoDataFrame:
    """Practices of community health, mediation and coordinated care that the project's documents name.

    Parameters
    ----------
    path : Path or str, optional
        A file of one's own, in the form of the package's `initiatives.toml`.
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    GeoDataFrame
        EPSG:4326, one row a practice and place (a practice in three communes has three rows): `id, name` (empty where
        the document does not name it), `kind, kind_label, place, precision` (`address`, `quarter`, `commune` or
        `department`: what the document allows), `commune_code, commune_name, department, qpv_2015, qpv_2024` (codes
        separated by `;`, only where the document itself gives the quarter as the place), `since, themes, publics`,
        `figures` (what the document counts, in words; numbers and intervals: `initiative_figures`), `source, note,
        geometry` and `geometry_note`. The geometry is a point inside the outline of the quarter, not the address; it
        is missing where nothing finer than a commune is known, and `geometry_note` says why.

    Raises
    ------
    CatalogueError
        A file of practices that contradicts itself.
    UnknownNameError
        A commune or QPV that does not exist.

    See Also
    --------
    attach_initiatives : join them to QPV.

    Examples
    --------
    >>> practices = load_initiatives()
    >>> practices["id"].nunique(), int(practices.geometry.notna().sum())
    (14, 2)
    >>> practices.loc[practices["id"] == "quartier-sante", ["precision", "qpv_2015", "qpv_2024"]].values.tolist()
    [['quarter', 'QP034011', 'QN03410M']]
    """
    import geopandas as gpd

    from qpv_sante.loading import gazetteer

    language = style.check_lang(lang)
    content = read_initiatives(path)
    places = gazetteer()
    figures = {one.id: [_in_words(figure, language) for figure in one.figure] for one in content.initiative}
    rows = []
    for one in content.initiative:
        for site in one.site:
            commune = places.resolve(f"commune:{site.commune}") if site.commune else None
            for zoning in QPV_ZONINGS:
                for code in getattr(site, f"qpv_{zoning}"):
                    _check_host(code, site, places, one.id)
            point, said = _point(site, language)
            rows.append(
                {
                    "id": one.id,
                    "name": one.name,
                    "kind": one.kind,
                    "kind_label": content.kind[one.kind][language],
                    "place": site.place,
                    "precision": site.precision,
                    "commune_code": site.commune,
                    "commune_name": commune.name if commune else "",
                    "department": site.department or department_of_commune(pd.Series([site.commune])).iloc[0],
                    "qpv_2015": ";".join(site.qpv_2015),
                    "qpv_2024": ";".join(site.qpv_2024),
                    "since": one.since.get(language, ""),
                    "themes": ", ".join(content.theme[theme][language] for theme in one.themes),
                    "publics": one.publics.get(language, ""),
                    "figures": style.typography(" ; ".join(figures[one.id]), language),
                    "source": content.document[one.document],
                    "note": style.typography(one.note.get(language, ""), language),
                    "geometry": point,
                    "geometry_note": said,
                }
            )
    return gpd.GeoDataFrame(pd.DataFrame(rows), geometry="geometry", crs=4326)


def _check_host(code: str, site: Site, places: Any, name: str) -> None:
    place = places.resolve(code)
    hosts = places.qpv.loc[places.qpv["geo_code"] == place.code, "communes"].iloc[0]
    if site.commune not in hosts.split(";"):
        raise CatalogueError(f"{name}, {site.place}: {code} ({place.name}) lies in {hosts}, not in {site.commune}.")


def _point(site: Site, lang: style.Lang) -> tuple[Any, str]:
    """A point of a place, and where it comes from or why there is none."""
    from shapely import Point

    if site.precision == "address":
        return Point(float(site.lon or 0), float(site.lat or 0)), _WORDS["address"][lang]
    if site.precision != "quarter":
        return None, _WORDS[site.precision][lang]
    codes = site.qpv_2024 or site.qpv_2015
    drawn = _outlines(zoning_of_qpv_code(codes[0]))
    shapes = [drawn[code] for code in codes if code in drawn.index and drawn[code] is not None]
    if not shapes:
        return None, _WORDS["no_outline"][lang].format(code=", ".join(codes))
    return shapes[0].representative_point(), _WORDS["outline"][lang].format(code=codes[0])


def _outlines(zoning: int) -> gpd.GeoSeries:
    from qpv_sante.loading import load_zones

    return load_zones("qpv", vintage=zoning).set_index("geo_code").geometry


def _in_words(figure: Figure, lang: style.Lang) -> str:
    about = _WORDS["about"][lang] if figure.approximate else ""
    if figure.percent is not None:
        number = style.format_number(figure.percent, decimals=decimals_of(figure.percent), lang=lang, symbol="%")
        return f"{about}{number} {figure.label[lang]}" + (f" (n = {figure.n})" if figure.n else "")
    number = style.format_number(float(figure.count or 0), decimals=0, lang=lang)
    unit = f" {figure.unit[lang]}" if figure.unit else ""
    return f"{figure.label[lang]}{' : ' if lang == 'fr' else ': '}{about}{number}{unit}"


def initiative_figures(path: Path | str | None = None, *, lang: str = "fr", level: float = 0.95) -> pd.DataFrame:
    """What the documents count, with the interval that small samples deserve.

    Parameters
    ----------
    path : Path or str, optional
        A file of one's own; the package's by default.
    lang : {"fr", "en"}
        Language of the texts.
    level : float
        Confidence level.

    Returns
    -------
    DataFrame
        One row a figure: `id, name, label, value, unit, lower, upper, interval, n, approximate, source, note`. Shares
        with their n have Wilson's interval (`interval` is `sampling`); without n they have none, and the note says so.
        Where no whole number of people gives the published share, the note says that too.

    Notes
    -----
    Wilson's interval takes the published share itself, times n: rounding, or people who did not answer, may stand
    between it and a whole number, and choosing one would be a guess.

    Examples
    --------
    >>> shares = initiative_figures(lang="en").query("n == 47")
    >>> shares[["value", "lower", "upper"]].round(1).values.tolist()
    [[52.0, 38.1, 65.6]]
    """
    from qpv_sante import intervals

    language = style.check_lang(lang)
    content = read_initiatives(path)
    rows = []
    for one in content.initiative:
        for figure in one.figure:
            row: dict[str, Any] = {"id": one.id, "name": one.name, "label": figure.label[language], "note": ""}
            row |= {"approximate": figure.approximate, "source": content.document[one.document], "n": figure.n}
            if figure.percent is None:
                row |= {"value": figure.count, "unit": figure.unit.get(language, ""), "interval": "none"}
            else:
                row |= {"value": figure.percent, "unit": "%", "interval": "none"}
                if figure.n is None:
                    row["note"] = _WORDS["no_n"][language]
                else:
                    found = intervals.proportion(figure.percent / 100 * figure.n, figure.n, level=level).iloc[0]
                    row |= {"lower": 100 * found["lower"], "upper": 100 * found["upper"], "interval": "sampling"}
                    if count_behind(figure.percent, figure.n) is None:
                        shown = style.format_number(figure.percent, decimals=decimals_of(figure.percent), lang=language)
                        row["note"] = _WORDS["no_count"][language].format(n=figure.n, percent=shown)
            rows.append({**row, "note": style.typography(row["note"], language)})
    columns = [
        "id",
        "name",
        "label",
        "value",
        "unit",
        "lower",
        "upper",
        "interval",
        "n",
        "approximate",
        "source",
        "note",
    ]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "lower": float, "upper": float, "n": "Int64"})


def attach_initiatives(
    zones: gpd.GeoDataFrame,
    *,
    within_m: float = 1000.0,
    initiatives: gpd.GeoDataFrame | None = None,
    lang: str = "fr",
) -> pd.DataFrame:
    """Practices joined to QPV, no more precisely than their place is known.

    Parameters
    ----------
    zones : GeoDataFrame
        QPV of one zoning with `geo_code` and outlines, from `load_zones` or `attach_zones`.
    within_m : float
        Distance in metres below which a practice is `nearby`.
    initiatives : GeoDataFrame, optional
        From `load_initiatives`; the package's own by default.
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    DataFrame
        One row a QPV and practice that are related: `geo_code, geo_vintage`, `qpv_name`, `id, name, kind, kind_label,
        place, precision`, `relation`, `distance_m`, `figures, source, note`. The relation is the strongest that its
        places allow:

        - `inside`: the document gives this QPV as the place, or the address lies in it;
        - `nearby`: at most `within_m` away; of a practice known by its quarter, `distance_m` is that between the
          outlines, the least it may be;
        - `same_commune`: the commune is all that is known, or the QPV is farther; `distance_m` is missing where it
          cannot be measured.

        A practice known by its department only is joined to nothing: `attrs["not_placed"]` lists them.

    Raises
    ------
    SchemaError
        No `geo_code`, or no QPV.
    ComparabilityError
        QPV of both zonings.
    InvalidInputError
        A negative distance.

    Examples
    --------
    >>> from qpv_sante.loading import load_zones
    >>> montpellier = load_zones("qpv", vintage=2024, territory="Montpellier")
    >>> found = attach_initiatives(montpellier, within_m=500)
    >>> found.loc[found["geo_code"] == "QN03410M", ["id", "relation"]].values.tolist()
    [['quartier-sante', 'inside'], ['msp-montpellier-cevennes', 'same_commune']]
    """
    from qpv_sante.loading import gazetteer

    if not within_m >= 0:
        raise InvalidInputError(f"within_m is a distance in metres, not negative; got {within_m!r}.")
    zoning = _zoning(zones)
    practices = load_initiatives(lang=lang) if initiatives is None else initiatives
    outlines = zones.drop_duplicates("geo_code").set_index("geo_code").geometry
    table = gazetteer().qpv_in(None, zoning).set_index("geo_code")
    hosts = table["communes"].str.split(";").to_dict()
    rows, placed = [], set()
    for site in practices.itertuples(index=False):
        if site.precision == "department":
            continue
        placed.add(site.id)
        own = set(filter(None, getattr(site, f"qpv_{zoning}").split(";")))
        metres = _distances(site, own, outlines, zoning)
        for code in outlines.index:
            distance = metres.get(code, float("nan"))
            if code in own or (site.precision == "address" and distance == 0):
                relation, distance = "inside", 0.0
            elif distance <= within_m:
                relation = "nearby"
            elif site.commune_code in hosts.get(code, []):
                relation = "same_commune"
            else:
                continue
            kept = {name: getattr(site, name) for name in _KEPT}
            rows.append({"geo_code": code, **kept, "relation": relation, "distance_m": distance})
    frame = pd.DataFrame(rows, columns=["geo_code", *_KEPT, "relation", "distance_m"]).astype({"distance_m": float})
    strength = frame["relation"].map({name: rank for rank, name in enumerate(RELATIONS)}).astype(float)
    frame = frame.assign(strength=strength, order=frame["id"].map({one: at for at, one in enumerate(practices["id"])}))
    frame = frame.sort_values(["geo_code", "strength", "distance_m", "order"], kind="stable")
    frame = frame.drop_duplicates(["geo_code", "id"]).reset_index(drop=True)
    frame.insert(1, "geo_vintage", zoning)
    frame.insert(2, "qpv_name", frame["geo_code"].map(table["name"]))
    not_placed = practices.loc[~practices["id"].isin(placed), ["id", "place", "geometry_note"]].to_dict("records")
    if not_placed:
        log.info("not joined, for want of a commune: %s", ", ".join(one["id"] for one in not_placed))
    result = frame[["geo_code", "geo_vintage", "qpv_name", *_KEPT[:6], "relation", "distance_m", *_KEPT[6:]]]
    result.attrs = {"geo_vintage": zoning, "within_m": within_m, "not_placed": not_placed}
    return result


_KEPT = ("id", "name", "kind", "kind_label", "place", "precision", "figures", "source", "note")


def _zoning(zones: gpd.GeoDataFrame) -> int:
    import geopandas as gpd

    if not isinstance(zones, gpd.GeoDataFrame) or "geo_code" not in zones or zones.empty:
        raise SchemaError("attach_initiatives needs QPV with geo_code and outlines: load_zones('qpv', vintage=2024).")
    if zones.crs is None:
        raise SchemaError("The outlines have no reference system. Declare it: set_crs(4326), for example.")
    found = sorted({zoning_of_qpv_code(str(code)) for code in zones["geo_code"].unique()})
    if len(found) > 1:
        raise ComparabilityError("attach_initiatives takes QPV of one zoning at a time; got those of 2015 and of 2024.")
    return found[0]


def _distances(site: Any, own: set[str], outlines: gpd.GeoSeries, zoning: int) -> dict[str, float]:
    """Metres from an address, or from the outline of a quarter, to each QPV of its department."""
    import geopandas as gpd

    if site.precision not in ("address", "quarter"):
        return {}
    if site.precision == "address":
        if site.geometry is None:
            return {}
        origin = gpd.GeoSeries([site.geometry], crs=4326)
    else:
        drawn = _outlines(zoning)
        origin = gpd.GeoSeries([drawn[code] for code in own if code in drawn.index], crs=drawn.crs).dropna()
        if origin.empty:
            return {}
    crs = projected_crs(str(site.department))
    # overseas, each department has its own projection; on the mainland, any QPV may be near
    codes = pd.Series(outlines.index, index=outlines.index)
    here = outlines[department_of_qpv(codes).map(projected_crs) == crs].dropna()
    shape = origin.to_crs(crs).make_valid().union_all()
    metres = here.to_crs(crs).make_valid().distance(shape)
    return {str(code): float(one) for code, one in metres.items()}
