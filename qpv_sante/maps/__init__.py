"""Maps of QPV: polygons in a city, visible symbols in a region or in France. Counted first, drawn after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import geopandas as gpd
import pandas as pd

from qpv_sante import layout, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import SchemaError
from qpv_sante.geography import department_of_qpv, is_overseas
from qpv_sante.maps import gather, labels, layers, scene
from qpv_sante.maps.bivariate import plot_bivariate_map
from qpv_sante.maps.classes import class_breaks, classify
from qpv_sante.maps.interactive import InteractiveMap, explore_map
from qpv_sante.observations import AUTO, MISSING_FLAGS

__all__ = [
    "InteractiveMap",
    "class_breaks",
    "classify",
    "draw_map",
    "explore_map",
    "plot_bivariate_map",
    "plot_map",
]

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qpv_sante.territories import Territory

_LEGEND_POINTS = 190.0
_TEXTS: dict[str, dict[str, str]] = {
    "fr": {
        "zoning": "Quartiers prioritaires (QPV, zonage {vintage})",
        "france": "France",
        "symbol": "Un symbole par QPV.",
        "small_symbol": "Un symbole pour chaque QPV trop petit pour être vu.",
        "classes": "Classes : {listed}.",
        "used": "QPV avec une valeur : {used}/{total}.",
        "estimated": "QPV estimés : {used}/{total}. Estimation, non mesurée.",
        "partly": "QPV avec une valeur : {used}/{total}, dont estimés, non mesurés : {estimated}.",
        "undrawn": "QPV sans contour lu, non dessinés : {n}.",
        "undrawn_valued": "QPV sans contour lu, non dessinés : {n}, dont {valued} avec une valeur.",
        "no_coast": "Outre-mer : QPV situés sans trait de côte, chaque cartouche à son échelle.",
    },
    "en": {
        "zoning": "Priority neighbourhoods (QPV, {vintage} zoning)",
        "france": "France",
        "symbol": "One symbol a QPV.",
        "small_symbol": "One symbol for each QPV too small to be seen.",
        "classes": "Classes: {listed}.",
        "used": "QPV with a value: {used}/{total}.",
        "estimated": "QPV estimated: {used}/{total}. Estimate, not measured.",
        "partly": "QPV with a value: {used}/{total}, of which estimated, not measured: {estimated}.",
        "undrawn": "QPV whose outline is not read, not drawn: {n}.",
        "undrawn_valued": "QPV whose outline is not read, not drawn: {n}, of which {valued} with a value.",
        "no_coast": "Overseas: QPV are placed without coastline, each inset at its own scale.",
    },
}


@checked
@store.one_build()
def plot_map(
    indicator: str,
    *,
    geo_vintage: int,
    year: int,
    territory: str | Territory | None = None,
    sex: str = AUTO,
    age: str = AUTO,
    source: str | None = None,
    breaks: Sequence[float] | None = None,
    ax: Axes | None = None,
    lang: str = "fr",
) -> Axes:
    """Map of the QPV of a territory, or of France with insets.

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
        Class limits in the indicator's unit, as `class_breaks` gives them; five quantiles of the mapped
        values by default. Give the same ones to maps that are compared.
    ax : Axes, optional
        A new figure by default.
    lang : {"fr", "en"}

    Returns
    -------
    Axes
        In metres, in the territory's own projection. Suppressed QPV are hatched, unavailable ones grey,
        both counted in the legend. A QPV too small to be seen is doubled with a symbol. Under the QPV of a city are
        outlines of communes, where the store has them (Occitanie and Hauts-de-France), else of departments; the note
        says which.

    Raises
    ------
    UnknownNameError
        Unknown indicator, territory or language.
    UnavailableLevelError
        Not published by QPV of that zoning and year, or a territory without QPV or without outlines.
    ComparabilityError
        Several sources, or values outside `breaks`.
    """
    language = style.check_lang(lang)
    place = gather.resolve(territory)
    frame = gather.figures(indicator, geo_vintage=geo_vintage, year=year, sex=sex, age=age, source=source)
    classes = style.classes_label(*gather.class_of(frame), language)
    mapped = gather.mapped(frame, place, geo_vintage)
    known = catalogue().indicator(indicator)
    return draw_map(
        **mapped,
        indicator=known,
        year=year,
        geo_vintage=geo_vintage,
        classes=classes,
        breaks=breaks,
        ax=ax,
        lang=language,
    )


def draw_map(
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
    ax: Axes | None = None,
    lang: style.Lang = "fr",
) -> Axes:
    """Draw a map from frames.

    Parameters
    ----------
    zones : GeoDataFrame
        One row a QPV: `geo_code, name, value, flag, geometry` (missing where no outline is read). Where `flag`
        is `estimated`, title, legend and notes say "estimate, not measured".
    indicator : Indicator
    geo_vintage, year : int
    background : dict of str to GeoDataFrame, optional
        Outlines under the QPV: `commune` (for a city map), `department` (both with `name`) and `region`.
    place : Territory, optional
        What is mapped; a country or nothing gives the national map.
    focus : GeoDataFrame, optional
        Outline of the territory, to which the map is framed; the QPV themselves by default.
    sources : sequence of str
        Editions, for the source line; each may hold several, separated by commas, as in estimates.
    classes : str
        Words for the sex and age.
    breaks, ax, lang
        As in `plot_map`.

    Returns
    -------
    Axes
        Polygons bear the `gid` `polygons-values`, symbols `symbols-values`; `suppressed`, `unavailable` or
        `not_applicable` in place of `values` where there is none, `unreliable` for the rings.

    Raises
    ------
    SchemaError
        A column is missing, no row, no outline, or several rows for one QPV (keep one predictor set).
    ComparabilityError
        Values outside `breaks`.
    """
    absent = [name for name in ("geo_code", "name", "value", "flag", "geometry") if name not in zones]
    if absent or zones.empty or zones.geometry.isna().all():
        what = f"missing columns: {', '.join(absent)}" if absent else "no QPV with an outline"
        raise SchemaError(f"draw_map needs QPV with geo_code, name, value, flag, geometry; {what}.")
    if zones["geo_code"].duplicated().any():
        twice = zones.loc[zones["geo_code"].duplicated(), "geo_code"].iloc[0]
        raise SchemaError(f"draw_map needs one row a QPV; {twice} has several. Of estimates, keep one predictor set.")
    sources = style.source_keys(sources)
    limits = list(breaks) if breaks is not None else class_breaks(zones["value"], decimals=indicator.decimals)
    zones = zones.assign(number=classify(zones["value"], limits, decimals=indicator.decimals))
    zones["kind"] = zones["flag"].astype("str").where(zones["flag"].isin(MISSING_FLAGS), "unavailable")
    zones["kind"] = zones["kind"].where(zones["value"].isna(), "values")
    colours = layers.class_colours(max(len(limits) - 1, 0), dark_is_low=indicator.higher_is == "better")
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        drawn = scene.draw_scene(
            axes, zones, colours, place=place, background=background, focus=focus, own=own, lang=lang
        )
        labels.write_legend(axes, drawn.zones, limits, indicator, colours, symbols=drawn.symbols, lang=lang)
        languages: tuple[style.Lang, ...] = ("fr", "en")
        scopes = {said: _scope(indicator, sources, geo_vintage, year, place, classes, said) for said in languages}
        # a layout engine may yet narrow axes that were given
        width = style.width_points(axes) + _LEGEND_POINTS if own else 0.85 * style.width_points(axes)
        style.add_headings(
            axes, style.typography(labels.title_of(zones, indicator, lang), lang), scopes[lang], above=10, width=width
        )
        notes = _notes(zones, lang, drawn, national=scene.is_national(place))
        outlines = scene.outline_sources(geo_vintage, drawn)
        notes.append(style.source_line(style.source_keys(sources), lang, outlines=outlines))
        style.add_notes(axes, notes, below=drawn.below, width=width)
        layout.settle(axes, own=own, least=(scene.least_width(place), None))
    style.describe(axes, _description(zones, drawn.zones, limits, indicator, scopes))
    return axes


def _scope(
    indicator: Indicator,
    sources: Sequence[str],
    geo_vintage: int,
    year: int,
    place: Territory | None,
    classes: str,
    lang: style.Lang,
) -> str:
    """Zoning, territory, sex and age, year: what stands under the title."""
    zoning = _TEXTS[lang]["zoning"].format(vintage=geo_vintage)
    when = style.year_label(indicator, sources, year, lang)
    where = place.name if place is not None else _TEXTS[lang]["france"]
    return " · ".join(filter(None, [zoning, where, classes, when]))


def _description(
    zones: gpd.GeoDataFrame,
    drawn: gpd.GeoDataFrame,
    limits: Sequence[float],
    indicator: Indicator,
    scopes: Mapping[style.Lang, str],
) -> style.Description:
    """Extremes by name, classes with their number of QPV, and the missing ones by reason."""
    communes = zones["commune_names"].fillna("") if "commune_names" in zones else pd.Series("", index=zones.index)
    names = zones["name"].astype("str") + (" (" + communes.str.replace(";", ", ") + ")").where(communes != "", "")
    names = names.mask(names.duplicated(keep=False), names + " [" + zones["geo_code"] + "]")
    values = zones["value"].astype("float64")
    known = values.notna()
    said: dict[str, list[str]] = {}
    for lang in scopes:
        colon = " : " if lang == "fr" else ": "
        texts = labels.class_labels(drawn, limits, indicator, lang) if len(limits) > 1 else []
        counts = [int((drawn["number"] == place).sum()) for place in range(len(texts))]
        listed = (" ; " if lang == "fr" else "; ").join(
            f"{text}{colon}{style.format_number(count, 0, lang=lang)} QPV"
            for text, count in zip(texts, counts, strict=True)
        )
        said[lang] = [_TEXTS[lang]["classes"].format(listed=listed)] if listed else []
        if layers.is_estimated(zones).any():
            said[lang].append(f"{labels.title_of(zones, indicator, lang)}.")
    missing = zones.loc[~known, "kind"].value_counts()
    return style.Description(
        kind="map",
        indicator=indicator.id,
        scope={str(lang): scope for lang, scope in scopes.items()},
        rows=len(drawn),
        n_used=float(known.sum()),
        n_total=float(len(zones)),
        values=dict(zip(names[known], values[known], strict=True)),
        missing={str(kind): int(count) for kind, count in missing.items()},
        said=said,
    )


def _notes(zones: gpd.GeoDataFrame, lang: style.Lang, drawn: scene.Drawn, *, national: bool) -> list[str]:
    """What the reader must know of what is drawn and what is not."""
    words = _TEXTS[lang]
    valued = zones["value"].notna()
    absent = zones.geometry.isna()

    def number(count: int) -> str:
        return style.format_number(count, 0, lang=lang)

    estimated = int(layers.is_estimated(zones).sum())
    key = "used" if not estimated else "estimated" if estimated == valued.sum() else "partly"
    first = words[key].format(used=number(valued.sum()), total=number(len(zones)), estimated=number(estimated))
    every = words["symbol" if national else "small_symbol"]
    notes = [f"{first} {every}" if drawn.doubled else first]
    if absent.any():
        with_value = int((valued & absent).sum())
        key = "undrawn_valued" if with_value else "undrawn"
        notes.append(words[key].format(n=number(absent.sum()), valued=number(with_value)))
    if national and is_overseas(department_of_qpv(zones.loc[~absent, "geo_code"])).any():
        notes.append(words["no_coast"])
    notes.append(scene.background_note(drawn.background, lang))
    return [style.typography(note, lang) for note in notes]
