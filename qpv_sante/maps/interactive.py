"""A map to explore in a browser: one page that asks the network for nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import pandas as pd

from qpv_sante import store, style
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import SchemaError
from qpv_sante.export import check_suffix, written_whole
from qpv_sante.geography import department_of_qpv, fold, is_overseas
from qpv_sante.maps import gather, labels, layers
from qpv_sante.maps.classes import class_breaks, classify
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS

if TYPE_CHECKING:
    from qpv_sante.territories import Territory

_HEIGHT = 760  # pixels, of the frame in a notebook
_INTERVALS = {
    "sampling": {"fr": "intervalle de confiance", "en": "confidence interval"},
    "process": {"fr": "fluctuation aléatoire", "en": "random fluctuation"},
    "rounding": {"fr": "bornes de l'arrondi", "en": "bounds of rounding"},
    "secrecy": {"fr": "bornes du secret", "en": "bounds of secrecy"},
    "model": {"fr": "intervalle du modèle", "en": "model interval"},
}
WORDS: dict[str, dict[str, str]] = {
    "fr": {
        "zoning": "Quartiers prioritaires (QPV, zonage {vintage})",
        "france": "France",
        "value": "Valeur",
        "status": "Statut",
        "interval": "Intervalle",
        "n": "Effectif",
        "source": "Source",
        "commune": "Commune",
        "unpublished": "non publié",
        "of": "{n} sur {denominator}",
        "base": "rapporté à {denominator}",
        "search": "Chercher un quartier ou une commune",
        "quarters": "Quartiers",
        "count": "{shown} quartiers sur {total}",
        "none": "Aucun quartier de ce nom",
        "hint": "Flèches haut et bas : d'un quartier à l'autre. Entrée : s'en approcher. Échap : revenir.",
        "layers": "Légende et couches",
        "map": "Carte des quartiers",
        "zoom_in": "Agrandir",
        "zoom_out": "Réduire",
        "home": "Toute la carte",
        "departments": "Contours des départements et régions",
        "names": "Noms des communes, de près",
        "used": "QPV avec une valeur : {used}/{total}.",
        "estimated": "Dont estimation, non mesurée : {n}.",
        "undrawn": "QPV sans contour publié, dans la liste seulement : {n}.",
        "no_outline": "Sans contour publié : absent de la carte.",
        "no_background": "Pas de contour de département publié pour ce territoire : seuls les QPV sont situés.",
        "overseas": "Outre-mer : QPV situés sans trait de côte, chaque cartouche à son échelle ; la barre d'échelle "
        "vaut pour la métropole.",
        "noscript": "La carte demande JavaScript ; la liste des quartiers donne les mêmes chiffres.",
    },
    "en": {
        "zoning": "Priority neighbourhoods (QPV, {vintage} zoning)",
        "france": "France",
        "value": "Value",
        "status": "Status",
        "interval": "Interval",
        "n": "Number",
        "source": "Source",
        "commune": "Commune",
        "unpublished": "not published",
        "of": "{n} out of {denominator}",
        "base": "over {denominator}",
        "search": "Search a quarter or a commune",
        "quarters": "Quarters",
        "count": "{shown} quarters of {total}",
        "none": "No quarter of that name",
        "hint": "Up and down arrows: from one quarter to the next. Enter: zoom to it. Esc: back.",
        "layers": "Legend and layers",
        "map": "Map of the quarters",
        "zoom_in": "Zoom in",
        "zoom_out": "Zoom out",
        "home": "Whole map",
        "departments": "Outlines of departments and regions",
        "names": "Names of communes, from near",
        "used": "QPV with a value: {used}/{total}.",
        "estimated": "Of which estimate, not measured: {n}.",
        "undrawn": "QPV without a published outline, in the list only: {n}.",
        "no_outline": "No published outline: not on the map.",
        "no_background": "No department outline is published for this territory: only QPV are placed.",
        "overseas": "Overseas: QPV are placed without coastline, each inset at its own scale; the scale bar holds for "
        "the mainland.",
        "noscript": "The map needs JavaScript; the list of quarters gives the same figures.",
    },
}


@dataclass(frozen=True)
class InteractiveMap:
    """A page with an interactive map, complete in itself.

    Attributes
    ----------
    title : str
    html : str
        The whole page: data, outlines and script. Its content security policy forbids any request.
    """

    title: str
    html: str = field(repr=False)

    def save(self, path: Path | str) -> Path:
        """Write the page to one `.html` file, to be opened without internet or sent by mail.

        Raises
        ------
        UnknownNameError
            Another suffix.
        StoreError
            The file cannot be written.
        """
        path = Path(path)
        check_suffix(path, (".html", ".htm"))
        with written_whole(path) as aside:
            aside.write_text(self.html, encoding="utf-8")
        return path

    def _repr_html_(self) -> str:
        # alone in a frame without an origin: the page's style and script do not meet the notebook's
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(self.title)}" sandbox="allow-scripts" '
            f'style="width:100%;height:{_HEIGHT}px;border:0"></iframe>'
        )


@store.one_build()
def explore_map(
    indicator: str,
    *,
    geo_vintage: int,
    year: int,
    territory: str | Territory | None = None,
    sex: str = "_T",
    age: str = "_T",
    source: str | None = None,
    breaks: Sequence[float] | None = None,
    lang: str = "fr",
) -> InteractiveMap:
    """Interactive map of the QPV of a territory, in one page that works without internet.

    Needs the extra `interactive` (`pip install "qpv-sante[interactive]"`).

    Parameters
    ----------
    indicator : str
        An id of `list_indicators`, published by QPV.
    geo_vintage : int
        Zoning of the QPV, 2015 or 2024.
    year : int
    territory : str, optional
        A name or typed code; all of France by default.
    sex, age : str
        `_T` for the total.
    source : str, optional
        Where several sources publish the indicator.
    breaks : sequence of float, optional
        Class limits in the indicator's unit, as `class_breaks` gives them; five quantiles by default.
    lang : {"fr", "en"}

    Returns
    -------
    InteractiveMap
        `.save("map.html")` writes the page; a notebook shows it. A list of the QPV, with search by name of quarter or
        commune, gives by keyboard what the map gives by mouse: value and unit, status in words, published interval,
        number, source. Classes, suppressed (hatched) and unavailable (grey) QPV and outlines are layers to switch. Of a
        missing value the page holds no number, only the reason.

    Raises
    ------
    UnknownNameError
        Unknown indicator, territory or language.
    UnavailableLevelError
        Not published by QPV of that zoning and year, or a territory without QPV or without outlines.
    ComparabilityError
        Several sources, or values outside `breaks`.
    ImportError
        The extra is not installed.
    """
    language = style.check_lang(lang)
    place = gather.resolve(territory)
    frame = gather.figures(indicator, geo_vintage=geo_vintage, year=year, sex=sex, age=age, source=source)
    classes = style.classes_label(sex, age, language)
    mapped = gather.mapped(frame, place, geo_vintage)
    known = catalogue().indicator(indicator)
    return explore_zones(
        **mapped, indicator=known, year=year, geo_vintage=geo_vintage, classes=classes, breaks=breaks, lang=language
    )


def explore_zones(
    zones: gpd.GeoDataFrame,
    indicator: Indicator,
    *,
    geo_vintage: int,
    year: int,
    background: dict[str, gpd.GeoDataFrame] | None = None,
    place: Territory | None = None,
    focus: gpd.GeoDataFrame | None = None,
    sources: Sequence[str] = (),
    classes: str = "",
    breaks: Sequence[float] | None = None,
    lang: style.Lang = "fr",
) -> InteractiveMap:
    """The page of a map from frames.

    Parameters
    ----------
    zones : GeoDataFrame
        One row a QPV: `geo_code, name, commune_names, value, flag, geometry` (missing where no outline is published),
        and where known `lower, upper, interval, n, denominator`.
    indicator, geo_vintage, year, background, place, focus, sources, classes, breaks, lang
        As in `draw_map`.

    Returns
    -------
    InteractiveMap

    Raises
    ------
    SchemaError
        A column is missing, no outline, or several rows for one QPV.
    """
    from qpv_sante.maps import page

    needed = ("geo_code", "name", "commune_names", "value", "flag", "geometry")
    if absent := [name for name in needed if name not in zones]:
        raise SchemaError(f"explore_zones needs the columns {', '.join(needed)}; missing: {', '.join(absent)}.")
    if zones.geometry.isna().all() or zones["geo_code"].duplicated().any():
        raise SchemaError("explore_zones needs one row a QPV and at least one outline.")
    words = WORDS[lang]
    limits = list(breaks) if breaks is not None else class_breaks(zones["value"], decimals=indicator.decimals)
    zones = zones.assign(number=classify(zones["value"], limits, decimals=indicator.decimals))
    flags = zones["flag"].astype("str")
    zones["kind"] = flags.where(flags.isin(MISSING_FLAGS), "unavailable").where(zones["value"].isna(), "values")
    zones["flag"] = flags
    zones["layer"] = zones["kind"].where(zones["kind"] != "values", "class-" + zones["number"].astype("str"))
    order = zones["commune_names"].map(fold) + " " + zones["name"].map(fold)
    zones = zones.loc[order.sort_values(kind="stable").index].reset_index(drop=True)
    national = place is None or place.level == "country"
    drawn = zones[zones.geometry.notna()]
    scene = page.place_quarters(drawn, background or {}, focus, national=national)
    colours = layers.class_colours(max(len(limits) - 1, 0), dark_is_low=indicator.higher_is == "better")
    names = labels.class_labels(drawn, limits, indicator, lang) if len(limits) > 1 else []
    legend = legend_of(drawn, names, colours, lang)
    zoning = words["zoning"].format(vintage=geo_vintage)
    where = place.name if place is not None else words["france"]
    when = style.year_label(indicator, sources, year, lang)
    outlines = [f"anct_qpv{geo_vintage}", *(["ign_departments"] if scene.outlines else [])]
    notes = _notes(zones, national=national, background=bool(scene.outlines), lang=lang)
    notes.append(style.source_line(style.source_keys(sources), lang, outlines=outlines))
    title = style.typography(labels.title_of(zones, indicator, lang), lang)
    return InteractiveMap(
        title=title,
        html=page.render(
            scene,
            legend=legend,
            national=national,
            quarters=[_quarter(row, indicator, when, sources, lang) for row in zones.to_dict("records")],
            title=title,
            subtitle=" · ".join(filter(None, [zoning, where, classes, when])),
            unit=style.typography(f"{indicator.short[lang]} ({indicator.unit[lang]})", lang),
            notes=notes,
            words=words,
            lang=lang,
        ),
    )


def legend_of(
    drawn: pd.DataFrame, names: Sequence[str], colours: Sequence[str], lang: style.Lang
) -> list[dict[str, Any]]:
    """Entries of the legend, which are also the layers: `layer, label, count, fill, hatch`."""
    entries = [
        {"layer": f"class-{number}", "label": name, "fill": colour, "hatch": False}
        for number, (name, colour) in enumerate(zip(names, colours, strict=True))
    ]
    entries += [
        {"layer": kind, "label": FLAG_LABELS[kind][lang], "fill": fill, "hatch": hatch is not None}
        for kind, (fill, hatch, _) in layers.MISSING_LOOKS.items()
        if (drawn["kind"] == kind).any()
    ]
    for entry in entries:
        entry["count"] = int((drawn["layer"] == entry["layer"]).sum())
    if count := int(((drawn["flag"] == "unreliable") & (drawn["kind"] == "values")).sum()):
        text = {"fr": "dont ", "en": "of which "}[lang] + FLAG_LABELS["unreliable"][lang]
        entries.append({"layer": "unreliable", "label": text, "fill": "none", "hatch": False, "count": count})
    return entries


def _quarter(
    row: dict[str, Any], indicator: Indicator, when: str, sources: Sequence[str], lang: style.Lang
) -> dict[str, Any]:
    """What the page says of one QPV: words only, and of a missing value no number."""
    words, symbol = WORDS[lang], style.unit_symbol(indicator.unit[lang])
    known = row["kind"] == "values"

    def number(value: float | None, decimals: int) -> str:
        return style.format_number(value, decimals, lang=lang)

    communes = ", ".join(str(row["commune_names"]).split(";"))
    # a value whose flag is missing is never to be read as observed
    status = FLAG_LABELS.get(row["flag"] if known else row["kind"], {}).get(lang, str(row["flag"]))
    value = style.format_number(row["value"], indicator.decimals, lang=lang, symbol=symbol) if known else status
    lines = [(words["commune"], communes)]
    if known:
        lines.append((f"{words['value']} ({when})", value if symbol else f"{value} {indicator.unit[lang]}"))
    lines.append((words["status"], status))
    if known:
        lower, upper = row.get("lower"), row.get("upper")
        span = words["unpublished"]
        if pd.notna(lower) and pd.notna(upper):
            ends = [number(end, indicator.decimals) for end in (lower, upper)]
            kind = _INTERVALS.get(str(row.get("interval")), {}).get(lang)
            span = f"{ends[0]} – {ends[1]}" + (f"\u202f{symbol}" if symbol else "") + (f" ({kind})" if kind else "")
        lines.append((words["interval"], span))
        n, base = row.get("n"), row.get("denominator")
        sizes = {"n": number(n, 0), "denominator": number(base, 0)} if pd.notna(n) or pd.notna(base) else {}
        form = "{n}" if pd.isna(base) else words["base"] if pd.isna(n) else words["of"]
        lines.append((words["n"], form.format(**sizes) if sizes else words["unpublished"]))
    own = row.get("source")
    keys = style.source_keys([own]) if isinstance(own, str) else list(sources)
    lines.append((words["source"], _producers(keys)))
    outline = row["geometry"] is not None and not pd.isna(row["geometry"])
    if not outline:
        lines.append(("", words["no_outline"]))
    return {
        "code": str(row["geo_code"]),
        "name": style.typography(str(row["name"]), lang),
        "communes": communes,
        "value": value,
        "missing": not known,
        "key": fold(f"{row['name']} {communes} {row['geo_code']}"),
        "layer": row["layer"] if outline else "",
        "lines": [(label, style.typography(text, lang)) for label, text in lines],
    }


def _producers(keys: Sequence[str]) -> str:
    """Producer and edition of each source, in short."""
    known = catalogue().sources
    parts = []
    for key in keys:
        name, _, edition = key.partition("@")
        parts.append(f"{known[name].producer}, {edition}" if name in known else key)
    return " ; ".join(parts) or "–"


def _notes(zones: gpd.GeoDataFrame, *, national: bool, background: bool, lang: style.Lang) -> list[str]:
    words = WORDS[lang]

    def number(count: int) -> str:
        return style.format_number(count, 0, lang=lang)

    absent = zones.geometry.isna()
    notes = [words["used"].format(used=number(zones["value"].notna().sum()), total=number(len(zones)))]
    if count := int(layers.is_estimated(zones).sum()):
        notes.append(words["estimated"].format(n=number(count)))
    if absent.any():
        notes.append(words["undrawn"].format(n=number(absent.sum())))
    if national and is_overseas(department_of_qpv(zones.loc[~absent, "geo_code"])).any():
        notes.append(words["overseas"])
    if not background:
        notes.append(words["no_background"])
    return [style.typography(note, lang) for note in notes]
