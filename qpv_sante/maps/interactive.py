"""A map to explore in a browser: one page that asks the network for nothing."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import geopandas as gpd

from qpv_sante import store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import ComparabilityError, InvalidInputError, SchemaError
from qpv_sante.export import check_suffix, written_whole
from qpv_sante.geography import fold
from qpv_sante.maps import gather, labels, layers
from qpv_sante.maps.classes import class_breaks, classify
from qpv_sante.maps.page_lines import WORDS, legend_of, notes_of, practice_lines, quarter_lines
from qpv_sante.observations import AUTO, MISSING_FLAGS

if TYPE_CHECKING:
    from qpv_sante.territories import Territory

_HEIGHT = 760  # pixels, of the frame in a notebook


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


class Layer(NamedTuple):
    """One indicator of a page.

    Attributes
    ----------
    zones : GeoDataFrame
        The same QPV in every layer.
    indicator : Indicator
    year : int
    sources : sequence of str
    breaks : sequence of float, optional
    """

    zones: gpd.GeoDataFrame
    indicator: Indicator
    year: int
    sources: Sequence[str] = ()
    breaks: Sequence[float] | None = None


@checked
@store.one_build()
def explore_map(
    indicator: str | Sequence[str],
    *,
    geo_vintage: int,
    year: int | Mapping[str, int],
    territory: str | Territory | None = None,
    sex: str = AUTO,
    age: str = AUTO,
    source: str | None = None,
    breaks: Sequence[float] | Mapping[str, Sequence[float]] | None = None,
    practices: bool = False,
    lang: str = "fr",
) -> InteractiveMap:
    """Interactive map of the QPV of a territory, in one page that works without internet.

    Needs the extra `interactive` (`pip install "qpv-sante[interactive]"`).

    Parameters
    ----------
    indicator : str or sequence of str
        One or several ids of `list_indicators`, published by QPV: the page lets one choose among them.
    geo_vintage : int
        Zoning of the QPV, 2015 or 2024.
    year : int or mapping
        Of all indicators, or of each: `{"poverty_rate": 2019, "c2s_share": 2022}`.
    territory : str, optional
        A name or typed code; all of France by default.
    sex, age : str
        `_T` for the total.
    source : str, optional
        Where several sources publish the indicator.
    breaks : sequence of float or mapping, optional
        Class limits in the indicator's unit, as `class_breaks` gives them; five quantiles by default. Of several
        indicators, a mapping.
    practices : bool
        Add a layer of the practices of `load_initiatives` whose place is known below the commune.
    lang : {"fr", "en"}

    Returns
    -------
    InteractiveMap
        `.save("map.html")` writes the page; a notebook shows it. A list of the QPV, with search by name of quarter or
        commune, gives by keyboard what the map gives by mouse: value and unit, status in words, published interval,
        number, source. Quarters, classes, suppressed (hatched) and unavailable (grey) QPV, outlines of departments and
        communes, names and practices are layers to switch. Of a missing value the page holds no number, only the
        reason.

    Raises
    ------
    InvalidInputError
        An indicator twice or without its year, or one list of breaks for several indicators.
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
    names = [indicator] if isinstance(indicator, str) else list(indicator)
    years, limits = _per_indicator(names, year, breaks)
    place = gather.resolve(territory)
    layers_, shown = [], set()
    under: dict[str, Any] = {}
    for name in names:
        frame = gather.figures(name, geo_vintage=geo_vintage, year=years[name], sex=sex, age=age, source=source)
        shown.add(gather.class_of(frame))
        mapped = gather.mapped(frame, place, geo_vintage)
        under = {key: mapped[key] for key in ("background", "place", "focus")}
        known = catalogue().indicator(name)
        layers_.append(Layer(mapped["zones"], known, years[name], mapped["sources"], limits.get(name)))
    # at the scale of France they would be dust
    communes = None if place is None or place.level == "country" else gather.communes_around(layers_[0].zones)
    if communes is not None:
        under["background"] = {**under["background"], "commune": communes}
    if len(shown) > 1:
        listed = "; ".join(f"sex={sex!r}, age={age!r}" for sex, age in sorted(shown))
        raise ComparabilityError(f"The indicators of one map are of one class; got {listed}. Pass sex= and age=.")
    first, *others = layers_
    return explore_zones(
        first.zones,
        first.indicator,
        year=first.year,
        sources=first.sources,
        breaks=first.breaks,
        others=others,
        practices=gather.practices(layers_[0].zones, geo_vintage, language) if practices else None,
        geo_vintage=geo_vintage,
        classes=style.classes_label(*shown.pop(), language),
        lang=language,
        **under,
    )


def _per_indicator(
    names: Sequence[str],
    year: int | Mapping[str, int],
    breaks: Sequence[float] | Mapping[str, Sequence[float]] | None,
) -> tuple[dict[str, int], dict[str, Sequence[float]]]:
    """Year and class limits of each indicator."""
    if not names or len(set(names)) < len(names):
        raise InvalidInputError(f"explore_map takes indicators, each once; got {', '.join(names) or 'none'}.")
    years = {name: int(year[name]) for name in names if name in year} if isinstance(year, Mapping) else (
        dict.fromkeys(names, year))  # fmt: skip
    if absent := [name for name in names if name not in years]:
        raise InvalidInputError(
            f"explore_map: no year for {', '.join(absent)}. Give one for all, or year={{{absent[0]!r}: 2021, ...}}."
        )
    if breaks is None:
        return years, {}
    if isinstance(breaks, Mapping):
        return years, dict(breaks)
    if len(names) > 1:
        raise InvalidInputError(
            f"explore_map: breaks of {len(names)} indicators are a mapping, breaks={{{names[0]!r}: [...], ...}}."
        )
    return years, {names[0]: breaks}


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
    others: Sequence[Layer] = (),
    practices: gpd.GeoDataFrame | None = None,
    lang: style.Lang = "fr",
) -> InteractiveMap:
    """The page of a map from frames.

    Parameters
    ----------
    zones : GeoDataFrame
        One row a QPV: `geo_code, name, commune_names, value, flag, geometry` (missing where no outline is read),
        and where known `lower, upper, interval, n, denominator`.
    indicator, geo_vintage, year, background, place, focus, sources, classes, breaks, lang
        As in `draw_map`.
    others : sequence of Layer
        Other indicators to choose, of the same QPV.
    practices : GeoDataFrame, optional
        Points, as `load_initiatives` gives them.

    Returns
    -------
    InteractiveMap

    Raises
    ------
    SchemaError
        A column is missing, no outline, several rows for one QPV, or other QPV in another layer.
    """
    from qpv_sante.maps import page, plane

    words = WORDS[lang]
    ordered = [_classed(layer, lang) for layer in (Layer(zones, indicator, year, sources, breaks), *others)]
    codes = ordered[0].layer.zones["geo_code"]
    if any(not one.layer.zones["geo_code"].equals(codes) for one in ordered):
        raise SchemaError("explore_zones needs the same QPV in every layer.")
    national = place is None or place.level == "country"
    zones = ordered[0].layer.zones
    drawn = zones[zones.geometry.notna()]
    scene = plane.place_quarters(drawn, background or {}, focus, national=national)
    outlines = [f"anct_qpv{geo_vintage}", *(["ign_departments"] if scene.outlines else [])]
    outlines += ["ign_communes"] if "commune" in scene.outlines else []
    where = place.name if place is not None else words["france"]
    head = [words["zoning"].format(vintage=geo_vintage), where, classes]
    said = [] if practices is None else practice_lines(practices, lang)
    views = [_view(one, head, outlines, said, national=national, under=bool(scene.outlines), lang=lang)
             for one in ordered]  # fmt: skip
    return InteractiveMap(
        title=views[0]["title"],
        html=page.render(
            scene, views=views, national=national, words=words, practices=practices, practice_lines=said, lang=lang
        ),
    )


class _Classed(NamedTuple):
    layer: Layer
    limits: list[float]


def _classed(layer: Layer, lang: style.Lang) -> _Classed:
    """A layer whose QPV are in the order of the list, with their class, kind and layer on the page."""
    zones, indicator = layer.zones, layer.indicator
    needed = ("geo_code", "name", "commune_names", "value", "flag", "geometry")
    if absent := [name for name in needed if name not in zones]:
        raise SchemaError(f"explore_zones needs the columns {', '.join(needed)}; missing: {', '.join(absent)}.")
    if zones.geometry.isna().all() or zones["geo_code"].duplicated().any():
        raise SchemaError("explore_zones needs one row a QPV and at least one outline.")
    given = layer.breaks
    limits = list(given) if given is not None else class_breaks(zones["value"], decimals=indicator.decimals)
    zones = zones.assign(number=classify(zones["value"], limits, decimals=indicator.decimals))
    flags = zones["flag"].astype("str")
    zones["kind"] = flags.where(flags.isin(MISSING_FLAGS), "unavailable").where(zones["value"].isna(), "values")
    zones["flag"] = flags
    zones["layer"] = zones["kind"].where(zones["kind"] != "values", "class-" + zones["number"].astype("str"))
    order = zones["commune_names"].map(fold) + " " + zones["name"].map(fold) + " " + zones["geo_code"]
    zones = zones.loc[order.sort_values(kind="stable").index].reset_index(drop=True)
    return _Classed(layer._replace(zones=zones), limits)


def _view(
    one: _Classed,
    head: Sequence[str],
    outlines: Sequence[str],
    practices: Sequence[tuple[str, list[tuple[str, str]]]],
    *,
    national: bool,
    under: bool,
    lang: style.Lang,
) -> dict[str, Any]:
    """What the page says of one indicator: `title, subtitle, unit, legend, notes, quarters`."""
    (zones, indicator, year, sources, _), limits = one
    drawn = zones[zones.geometry.notna()]
    colours = layers.class_colours(max(len(limits) - 1, 0), dark_is_low=indicator.higher_is == "better")
    names = labels.class_labels(drawn, limits, indicator, lang) if len(limits) > 1 else []
    when = style.year_label(indicator, sources, year, lang)
    notes = notes_of(zones, national=national, background=under, lang=lang)
    if practices:
        listed = " ; ".join(name for name, _ in practices)
        notes.append(style.typography(WORDS[lang]["practice_list"].format(listed=listed), lang))
    notes.append(style.source_line(style.source_keys(sources), lang, outlines=outlines))
    return {
        "indicator": indicator.id,
        "title": style.typography(labels.title_of(zones, indicator, lang), lang),
        "subtitle": " · ".join(filter(None, [*head, when])),
        "unit": style.typography(f"{indicator.short[lang]} ({indicator.unit[lang]})", lang),
        "legend": legend_of(drawn, names, colours, lang),
        "notes": notes,
        "quarters": [quarter_lines(row, indicator, when, sources, lang) for row in zones.to_dict("records")],
    }
