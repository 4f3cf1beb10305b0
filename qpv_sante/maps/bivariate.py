"""Two indicators on one map: thirds of each, nine colours, and a square legend that counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from qpv_sante import layout, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import InvalidInputError, UnknownNameError, did_you_mean
from qpv_sante.maps import gather, labels, scene
from qpv_sante.maps.bivariate_square import CLASSES, PALETTE, draw_square, step
from qpv_sante.maps.classes import class_breaks, classify

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qpv_sante.territories import Territory

UNIVERSES = ("country", "territory")
_LEGEND_POINTS = 215.0  # points
# what doubts a pair: the first of these that one of its two values bears
_DOUBTS = ("unreliable", "estimated", "provisional")
_TEXTS: dict[str, dict[str, str]] = {
    "fr": {
        "title": "{x} et {y}",
        "zoning": "Quartiers prioritaires (QPV, zonage {vintage})",
        "france": "France",
        "either": ", au moins un des deux",
        "universe_country": "Classes : tiers des {n} QPV de France (zonage {vintage}) où les deux valeurs sont connues "
        "; la limite est dans la classe du dessous.",
        "universe_territory": "Classes : tiers des {n} QPV de ce territoire où les deux valeurs sont connues ; elles "
        "ne se comparent pas à celles d'une autre carte ; la limite est dans la classe du dessous.",
        "used": "QPV avec les deux valeurs : {used}/{total}.",
        "estimated": "Dont estimation, non mesurée : {n}.",
        "symbol": "Un symbole par QPV.",
        "small_symbol": "Un symbole pour chaque QPV trop petit pour être vu.",
        "undrawn": "QPV sans contour lu, non dessinés : {n}, dont {valued} avec les deux valeurs.",
        "corner_high_high": "Classe la plus haute des deux : {n} QPV.",
        "corner_low_low": "Classe la plus basse des deux : {n} QPV.",
        "corner_high_low": "La plus haute de « {x} » et la plus basse de « {y} » : {n} QPV.",
        "corner_low_high": "La plus basse de « {x} » et la plus haute de « {y} » : {n} QPV.",
        "years": "Les deux années diffèrent.",
        "meaning": "Deux valeurs élevées au même endroit ne disent pas que l'une cause l'autre.",
    },
    "en": {
        "title": "{x} and {y}",
        "zoning": "Priority neighbourhoods (QPV, {vintage} zoning)",
        "france": "France",
        "either": ", at least one of the two",
        "universe_country": "Classes: thirds of the {n} QPV of France ({vintage} zoning) where both values are known; "
        "a limit belongs to the class below.",
        "universe_territory": "Classes: thirds of the {n} QPV of this territory where both values are known, not "
        "comparable with those of another map; a limit belongs to the class below.",
        "used": "QPV with both values: {used}/{total}.",
        "estimated": "Of which estimate, not measured: {n}.",
        "symbol": "One symbol a QPV.",
        "small_symbol": "One symbol for each QPV too small to be seen.",
        "undrawn": "QPV whose outline is not read, not drawn: {n}, of which {valued} with both values.",
        "corner_high_high": "Highest class of both: {n} QPV.",
        "corner_low_low": "Lowest class of both: {n} QPV.",
        "corner_high_low": "Highest of “{x}” and lowest of “{y}”: {n} QPV.",
        "corner_low_high": "Lowest of “{x}” and highest of “{y}”: {n} QPV.",
        "years": "The two years differ.",
        "meaning": "Two high values in one place do not say that one causes the other.",
    },
}


@checked
@store.one_build()
def plot_bivariate_map(
    indicator_x: str,
    indicator_y: str,
    *,
    geo_vintage: int,
    year: int | None = None,
    year_x: int | None = None,
    year_y: int | None = None,
    territory: str | Territory | None = None,
    universe: str = "country",
    ax: Axes | None = None,
    lang: str = "fr",
) -> Axes:
    """Map of two indicators at once: where both are high, both low, or one without the other.

    Parameters
    ----------
    indicator_x, indicator_y : str
        Two ids of `list_indicators`, published by QPV.
    geo_vintage : int
        Zoning of the QPV, 2015 or 2024.
    year : int, optional
        Of both indicators; else give `year_x` and `year_y`.
    year_x, year_y : int, optional
        Of each indicator. Years that differ are told on the figure.
    territory : str, optional
        A name or typed code; all of France by default.
    universe : {"country", "territory"}
        Whose thirds make the classes: every QPV of France with both values, so that maps of several territories
        compare, or those of the territory alone. The figure says which, and how many QPV.
    ax : Axes, optional
        A new figure by default.
    lang : {"fr", "en"}

    Returns
    -------
    Axes
        In metres, in the territory's own projection. The square legend is the child axes of `gid` `legend-square`; each
        of its cells counts the QPV drawn. QPV of which one value at least is suppressed are hatched, unavailable ones
        grey, apart in the legend.

    Raises
    ------
    InvalidInputError
        One indicator twice, or no year for one of the two.
    UnknownNameError
        Unknown indicator, territory, universe or language.
    UnavailableLevelError
        Not published by QPV of that zoning and year, or a territory without QPV or without outlines.
    ComparabilityError
        Several sources for one of the two.

    Examples
    --------
    >>> ax = plot_bivariate_map("poverty_rate", "single_parent_recipient_share", geo_vintage=2015, year_x=2019,
    ...                         year_y=2020, territory="Béziers")
    >>> sorted({child.get_gid() for child in ax.child_axes})
    ['legend-square']
    """
    language = style.check_lang(lang)
    if universe not in UNIVERSES:
        raise UnknownNameError(f"Unknown universe {universe!r}. {did_you_mean(universe, UNIVERSES)}")
    if indicator_x == indicator_y:
        raise InvalidInputError(f"A bivariate map takes two indicators; got {indicator_x} twice. See plot_map for one.")
    years = {"year_x": year_x or year, "year_y": year_y or year}
    if absent := [name for name, given in years.items() if given is None]:
        raise InvalidInputError(
            f"No year for {' and '.join(absent)}: pass year= for both indicators, or year_x= and year_y=."
        )
    place = gather.resolve(territory)
    frames = [
        gather.figures(name, geo_vintage=geo_vintage, year=int(when or 0))
        for name, when in zip((indicator_x, indicator_y), years.values(), strict=True)
    ]
    zones = gather.quarters(place, geo_vintage)
    for frame, suffix in zip(frames, ("_x", "_y"), strict=True):
        zones = gather.with_figures(zones, frame, suffix=suffix)
    both = frames[0].merge(frames[1], on="geo_code", suffixes=("_x", "_y"), validate="1:1")
    return draw_bivariate_map(
        zones,
        catalogue().indicator(indicator_x),
        catalogue().indicator(indicator_y),
        geo_vintage=geo_vintage,
        years=(int(years["year_x"] or 0), int(years["year_y"] or 0)),
        universe=both if universe == "country" else None,
        background=gather.background(place, zones),
        place=place,
        focus=gather.focus(place),
        sources=[style.source_keys(frame["source"].unique()) for frame in frames],
        ax=ax,
        lang=language,
    )


def cross_classes(
    zones: pd.DataFrame, limits: tuple[Sequence[float], Sequence[float]], decimals: tuple[int, int]
) -> pd.DataFrame:
    """Class of each pair of values, and why a pair is missing.

    Parameters
    ----------
    zones : DataFrame
        `value_x, flag_x, value_y, flag_y`.
    limits : tuple
        Class limits of each, as `class_breaks` gives them.
    decimals : tuple of int
        Of each, as printed.

    Returns
    -------
    DataFrame
        `class_x, class_y` from 0 (-1 where the pair is incomplete), `kind` (`values`, or the reason of the missing
        value; where the two reasons differ, `suppressed` before `not_applicable` before `unavailable`) and `flag`.

    Examples
    --------
    >>> pair = pd.DataFrame({"value_x": [1.0, None], "value_y": [9.0, 5.0]})
    >>> pair = pair.assign(flag_x=["observed", "suppressed"], flag_y=["unreliable", "observed"])
    >>> cross_classes(pair, ([1.0, 2.0, 3.0], [4.0, 6.0, 9.0]), (1, 1)).iloc[:, :4].values.tolist()
    [[0, 1, 'values', 'unreliable'], [-1, -1, 'suppressed', 'suppressed']]
    """
    known = zones["value_x"].notna() & zones["value_y"].notna()
    flags = zones[["flag_x", "flag_y"]].astype("str")
    table = pd.DataFrame(index=zones.index)
    for axis, breaks, precision in zip("xy", limits, decimals, strict=True):
        table[f"class_{axis}"] = classify(zones[f"value_{axis}"].where(known), breaks, decimals=precision)
    table["kind"] = "unavailable"
    for reason in ("not_applicable", "suppressed"):
        table.loc[(flags == reason).any(axis=1), "kind"] = reason
    table.loc[known, "kind"] = "values"
    table["flag"] = table["kind"].where(~known, "observed")
    for doubt in reversed(_DOUBTS):
        table.loc[known & (flags == doubt).any(axis=1), "flag"] = doubt
    table["estimated"] = known & (flags == "estimated").any(axis=1)
    return table


def draw_bivariate_map(
    zones: gpd.GeoDataFrame,
    x: Indicator,
    y: Indicator,
    *,
    geo_vintage: int,
    years: tuple[int, int],
    universe: pd.DataFrame | None = None,
    background: dict[str, gpd.GeoDataFrame] | None = None,
    place: Territory | None = None,
    focus: gpd.GeoDataFrame | None = None,
    sources: Sequence[Sequence[str]] = ((), ()),
    ax: Axes | None = None,
    lang: style.Lang = "fr",
) -> Axes:
    """Draw a bivariate map from frames.

    Parameters
    ----------
    zones : GeoDataFrame
        One row a QPV: `geo_code, name, value_x, flag_x, value_y, flag_y, geometry`.
    x, y : Indicator
    geo_vintage : int
    years : tuple of int
    universe : DataFrame, optional
        `value_x, value_y` of the QPV whose thirds make the classes; those of `zones` by default.
    background, place, focus, ax, lang
        As in `draw_map`.
    sources : sequence of sequence of str
        Editions of each indicator.

    Returns
    -------
    Axes
    """
    words = _TEXTS[lang]
    whose = (zones if universe is None else universe)[["value_x", "value_y"]].dropna()
    decimals = (x.decimals, y.decimals)
    limits = [class_breaks(whose[f"value_{axis}"], CLASSES, decimals=d) for axis, d in zip("xy", decimals, strict=True)]
    zones = zones.join(cross_classes(zones, (limits[0], limits[1]), decimals))
    sizes = [max(len(breaks) - 1, 1) for breaks in limits]
    square = [[PALETTE[step(row, sizes[1])][step(column, sizes[0])] for column in range(sizes[0])]
              for row in range(sizes[1])]  # fmt: skip
    zones["number"] = np.where(zones["kind"] == "values", zones["class_y"] * sizes[0] + zones["class_x"], -1)
    colours = [colour for row in square for colour in row]
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        drawn = scene.draw_scene(
            axes, zones, colours, place=place, background=background, focus=focus, own=own, lang=lang
        )
        under = draw_square(axes, drawn.zones, square, (x, y), limits, years, sources, lang)
        handles = labels.missing_handles(drawn.zones, symbols=drawn.symbols, lang=lang, suffix=words["either"])
        for handle in handles:
            handle.set_label(style.wrap(handle.get_label(), 34))
        if handles:
            axes.legend(
                handles=handles, loc="upper left", bbox_to_anchor=(1.02, under), borderaxespad=0,
                fontsize=style.SMALL_SIZE, alignment="left", labelspacing=0.55,
            )  # fmt: skip
        width = style.width_points(axes) + _LEGEND_POINTS if own else 0.85 * style.width_points(axes)
        languages: tuple[style.Lang, ...] = ("fr", "en")
        heads = {said: _heads((x, y), sources, geo_vintage, years, place, said) for said in languages}
        style.add_headings(axes, *heads[lang], above=10, width=width)
        national = scene.is_national(place)
        notes = _notes(zones, len(whose), words, universe is not None, geo_vintage, years, national, drawn, lang)
        outlines = scene.outline_sources(geo_vintage, drawn)
        keys = [key for of_one in sources for key in of_one]
        notes.append(style.source_line(style.source_keys(keys), lang, outlines=outlines))
        style.add_notes(axes, notes, below=drawn.below, width=width)
        layout.settle(axes, own=own, least=(scene.least_width(place), None))
    style.describe(axes, _description(zones, drawn.zones, (x, y), (sizes[0], sizes[1]), heads))
    return axes


def _heads(
    indicators: tuple[Indicator, Indicator],
    sources: Sequence[Sequence[str]],
    geo_vintage: int,
    years: tuple[int, int],
    place: Territory | None,
    lang: style.Lang,
) -> tuple[str, str]:
    """Title and subtitle."""
    words = _TEXTS[lang]
    when = [style.year_label(i, keys, year, lang) for i, keys, year in zip(indicators, sources, years, strict=True)]
    where = place.name if place is not None else words["france"]
    subtitle = " · ".join([words["zoning"].format(vintage=geo_vintage), where, " / ".join(dict.fromkeys(when))])
    x, y = (indicator.short[lang] for indicator in indicators)
    return style.typography(words["title"].format(x=x, y=y[:1].lower() + y[1:]), lang), subtitle


def _description(
    zones: gpd.GeoDataFrame,
    drawn: gpd.GeoDataFrame,
    indicators: tuple[Indicator, Indicator],
    sizes: tuple[int, int],
    heads: Mapping[style.Lang, tuple[str, str]],
) -> style.Description:
    """The four corners of the square legend, in words."""
    known = zones["kind"] == "values"
    ends = [{"low": drawn[f"class_{axis}"] == 0, "high": drawn[f"class_{axis}"] == size - 1}
            for axis, size in zip("xy", sizes, strict=True)]  # fmt: skip
    said: dict[str, list[str]] = {}
    for lang in heads:
        x, y = (indicator.short[lang] for indicator in indicators)
        corners = [
            _TEXTS[lang][f"corner_{first}_{second}"].format(
                x=x, y=y, n=style.format_number(int((ends[0][first] & ends[1][second]).sum()), 0, lang=lang)
            )
            for first, second in (("high", "high"), ("low", "low"), ("high", "low"), ("low", "high"))
        ]
        said[lang] = corners if known.any() and min(sizes) > 1 else []
    missing = zones.loc[~known, "kind"].value_counts()
    return style.Description(
        kind="bivariate",
        indicator="",
        scope={str(lang): " · ".join(head) for lang, head in heads.items()},
        rows=len(drawn),
        n_used=float(known.sum()),
        n_total=float(len(zones)),
        missing={str(kind): int(count) for kind, count in missing.items()},
        said=said,
    )


def _notes(
    zones: gpd.GeoDataFrame,
    universe: int,
    words: dict[str, str],
    of_france: bool,
    geo_vintage: int,
    years: tuple[int, int],
    national: bool,
    drawn: scene.Drawn,
    lang: style.Lang,
) -> list[str]:
    def number(count: int) -> str:
        return style.format_number(count, 0, lang=lang)

    first = [words["used"].format(used=number((zones["kind"] == "values").sum()), total=number(len(zones)))]
    if count := int(zones["estimated"].sum()):
        first.append(words["estimated"].format(n=number(count)))
    if drawn.doubled:
        first.append(words["symbol" if national else "small_symbol"])
    absent = zones.geometry.isna()
    if absent.any():
        valued = number((absent & (zones["kind"] == "values")).sum())
        first.append(words["undrawn"].format(n=number(absent.sum()), valued=valued))
    key = "universe_country" if of_france else "universe_territory"
    notes = [" ".join(first), words[key].format(n=number(universe), vintage=geo_vintage)]
    notes.append(" ".join([*([words["years"]] if years[0] != years[1] else []), words["meaning"]]))
    notes.append(scene.background_note(drawn.background, lang))
    return [style.typography(note, lang) for note in notes]
