"""What every map draws before its legend: frame, outlines around, QPV, insets, names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import geopandas as gpd

from qpv_sante import style
from qpv_sante.geography import METROPOLITAN_CRS, department_of_qpv, is_overseas, projected_crs
from qpv_sante.maps import gather, labels, layers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qpv_sante.territories import Territory

_PARIS = {"fr": "Île-de-France : Paris et petite couronne", "en": "Île-de-France: Paris and inner suburbs"}
_UNDER = {
    "fr": {
        "commune": "Fond : communes de 2018, contours simplifiés.",
        "department": "Fond : départements et régions, contours simplifiés.",
        "none": "Contours de département non lus pour ce territoire : seuls les QPV sont situés.",
    },
    "en": {
        "commune": "Background: communes of 2018, simplified outlines.",
        "department": "Background: departments and regions, simplified outlines.",
        "none": "Department outlines are not read for this territory: only QPV are placed.",
    },
}


class Drawn(NamedTuple):
    """What was drawn, for legends and notes.

    Attributes
    ----------
    zones : GeoDataFrame
        QPV with an outline.
    symbols : bool
        Whether most QPV are symbols.
    doubled : bool
        Whether some are.
    background : list of str
        Levels of the outlines that are drawn around.
    below : float
        Points that the insets take under the axes.
    """

    zones: gpd.GeoDataFrame
    symbols: bool
    doubled: bool
    background: list[str]
    below: float


def is_national(place: Territory | None) -> bool:
    """Whether a map is that of France, with its insets."""
    return place is None or place.level == "country"


def least_width(place: Territory | None) -> float:
    """Inches under which a map cannot be read; names of departments and insets take room."""
    if is_national(place):
        return 3.4
    return 2.6 if place is not None and place.level in gather.FRAMED else 1.6


def draw_scene(
    axes: Axes,
    zones: gpd.GeoDataFrame,
    colours: Sequence[str],
    *,
    place: Territory | None,
    background: Mapping[str, gpd.GeoDataFrame] | None,
    focus: gpd.GeoDataFrame | None,
    own: bool,
    lang: style.Lang,
) -> Drawn:
    """Draw QPV in their projection.

    Parameters
    ----------
    axes : Axes
    zones : GeoDataFrame
        `geo_code, name, kind, number, flag, geometry` (missing where no outline is read).
    colours : sequence of str
        One a class.
    place, background, focus
        As in `draw_map`.
    own : bool
        Whether the axes may be sized to what they show.
    lang : {"fr", "en"}

    Returns
    -------
    Drawn
    """
    national = is_national(place)
    departments = department_of_qpv(zones["geo_code"])
    crs = METROPOLITAN_CRS if national else projected_crs(departments.iloc[0])
    drawn = zones[zones.geometry.notna()]
    away = is_overseas(departments[drawn.index])
    scene = layers.Scene(
        (drawn[~away] if national else drawn).to_crs(crs),
        {level: outlines.to_crs(crs) for level, outlines in (background or {}).items()},
        colours,
        national,
        focus.to_crs(crs) if focus is not None else None,
    )
    layers.set_frame(axes, layers.extent(scene), own=own)
    levels = layers.draw_background(axes, scene)
    symbols = layers.draw_zones(axes, scene)
    layers.add_scale_bar(axes, lang)
    city = place is not None and place.level not in (*gather.FRAMED, "country")
    if city and len(drawn) <= labels.MAX_NAMES and (focus is None or "commune" in levels):
        labels.write_names(axes, scene)
    labels.write_outline_names(axes, scene, "commune" if "commune" in levels else "department")
    below = 6.0
    if national:
        layers.draw_paris(axes, scene, _PARIS[lang])
        below += layers.draw_overseas(axes, drawn[away], colours)
    elif focus is None and "commune" not in levels:
        # no known outline tells where north is
        layers.add_north(axes, crs, lang)
    return Drawn(drawn, symbols > len(drawn) / 2, symbols > 0, levels, below)


def outline_sources(geo_vintage: int, drawn: Drawn) -> list[str]:
    """Sources of the outlines that a map shows."""
    under = "ign_communes" if "commune" in drawn.background else "ign_departments" if drawn.background else None
    return [f"anct_qpv{geo_vintage}", *filter(None, [under])]


def background_note(levels: Sequence[str], lang: style.Lang) -> str:
    """Which outlines are drawn under the QPV, in words."""
    key = "commune" if "commune" in levels else "department" if levels else "none"
    return style.typography(_UNDER[lang][key], lang)
