"""Practices that the project's documents name: where they are, as precisely as it is known, and what they count."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import style
from qpv_sante.arguments import checked
from qpv_sante.care.structures import STRUCTURES, find
from qpv_sante.errors import CatalogueError, did_you_mean
from qpv_sante.geography import QPV_ZONINGS, department_of_commune, zoning_of_qpv_code
from qpv_sante.initiative_records import Figure, Site, count_behind, decimals_of, read_initiatives

if TYPE_CHECKING:
    import geopandas as gpd

_WORDS = {
    "no_count": {
        "fr": "aucun effectif entier sur {n} ne donne {percent} % : la part publiée et n sont repris tels quels",
        "en": "no whole number out of {n} gives {percent} %: the published share and n are taken as they are",
    },
    "no_n": {"fr": "effectif non publié : pas d'intervalle", "en": "sample size not published: no interval"},
    "about": {"fr": "environ ", "en": "about "},
    "outline": {"fr": "point dans le contour de {code}", "en": "point in the outline of {code}"},
    "address": {"fr": "coordonnées données", "en": "coordinates given"},
    "structure": {
        "fr": "coordonnées de l'établissement {number} dans FINESS ({year}), de précision non publiée",
        "en": "coordinates of the establishment {number} in FINESS ({year}), of unpublished precision",
    },
    "no_structure": {
        "fr": "établissement {number} absent du fichier FINESS lu : pas de point",
        "en": "establishment {number} is not in the FINESS file that was read: no point",
    },
    "city_quarter": {
        "fr": "quartier de la ville, qui n'est pas un QPV : pas de point",
        "en": "quarter of the city, which is not a QPV: no point",
    },
    "no_outline": {"fr": "pas de contour de {code}", "en": "no outline of {code}"},
    "commune": {"fr": "commune seule connue : pas de point", "en": "commune only: no point"},
    "department": {"fr": "département seul connu : pas de point", "en": "department only: no point"},
}


@checked
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
        the document does not name it), `kind, kind_label, place, precision, commune_code, commune_name, department,
        qpv_2015, qpv_2024` (codes separated by `;`), `since, themes, publics`, `figures` (what the document counts, in
        words; numbers and intervals: `initiative_figures`), `source, note, geometry` and `geometry_note` (where the
        point comes from, or why there is none). The precision says what is known of the place, and nothing finer is
        guessed:

        - `address`: coordinates given in a file of one's own;
        - `structure`: the establishment of that name in FINESS, at its published coordinates, whose own precision is
          not published;
        - `quarter`: the document gives the QPV; the geometry is a point inside its outline, not the address;
        - `city_quarter`: the document gives a quarter of the city that is not a QPV; `qpv_2015, qpv_2024` are those
          that overlap it (shares of area: `qpv_sante.composites.list_quarters`), and there is no point;
        - `commune`, `department`: nothing finer, and no point.

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
    (14, 3)
    >>> practices.loc[practices["id"] == "case-de-sante", ["precision", "qpv_2015", "qpv_2024"]].values.tolist()
    [['commune', '', ''], ['quarter', 'QP031011', 'QN03110M']]
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
            met = _met(site, places, one.id)
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
                    **{f"qpv_{zoning}": ";".join(met[zoning]) for zoning in QPV_ZONINGS},
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


def _met(site: Site, places: Any, name: str) -> dict[int, list[str]]:
    """QPV of each zoning: those given as the place, or those that overlap the quarter of the city."""
    if site.precision != "city_quarter":
        return {zoning: getattr(site, f"qpv_{zoning}") for zoning in QPV_ZONINGS}
    known = places.composites.get(site.territory)
    quarters = {one.name: one for one in known.record.quarter} if known else {}
    if site.quarter not in quarters:
        raise CatalogueError(
            f"{name}, {site.place}: no quarter {site.quarter!r} in the territory {site.territory!r} of "
            f"list_territories(). {did_you_mean(site.quarter, quarters, limit=10)}".rstrip()
        )
    codes = [link.qpv for link in quarters[site.quarter].overlaps]
    return {zoning: [code for code in codes if zoning_of_qpv_code(code) == zoning] for zoning in QPV_ZONINGS}


def _point(site: Site, lang: style.Lang) -> tuple[Any, str]:
    """A point of a place, and where it comes from or why there is none."""
    from shapely import Point

    if site.precision == "address":
        return Point(float(site.lon or 0), float(site.lat or 0)), _WORDS["address"][lang]
    if site.precision == "structure":
        listed = find(f"codes/{STRUCTURES}").codes(STRUCTURES)
        found = listed[(listed["establishment"] == site.finess) & (listed["location"] == "published")]
        if found.empty:
            return None, _WORDS["no_structure"][lang].format(number=site.finess)
        one = found.iloc[0]
        said = _WORDS["structure"][lang].format(number=site.finess, year=one["year"])
        return Point(one["longitude"], one["latitude"]), said
    if site.precision != "quarter":
        return None, _WORDS[site.precision][lang]
    codes = site.qpv_2024 or site.qpv_2015
    drawn = outlines_of(zoning_of_qpv_code(codes[0]))
    shapes = [drawn[code] for code in codes if code in drawn.index and drawn[code] is not None]
    if not shapes:
        return None, _WORDS["no_outline"][lang].format(code=", ".join(codes))
    return shapes[0].representative_point(), _WORDS["outline"][lang].format(code=codes[0])


def outlines_of(zoning: int) -> gpd.GeoSeries:
    """Outlines of a zoning by QPV code."""
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


@checked
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
