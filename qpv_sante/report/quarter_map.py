"""The map of a neighbourhood sheet: the QPV of its communes, the quarter ringed in black."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpv_sante import listing, loading, style
from qpv_sante.errors import SchemaError, UnavailableLevelError
from qpv_sante.geography import projected_crs
from qpv_sante.profiles.places import Quarter
from qpv_sante.profiles.subjects import official_communes
from qpv_sante.report.page import RESOLUTION, Section, figure_of
from qpv_sante.report.sheet_words import WORDS
from qpv_sante.territories import COMPOSITE, Territory

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAPPED = "poverty_rate"
MAP_SHARE = 0.36  # of the width of a printed page
_INCHES = 2.2
# Beyond, names would hide a map of this size: that of the quarter alone stays
_MOST_NAMES = 3


def map_section(quarter: Quarter, year: int, lang: style.Lang) -> Section:
    """The map, with its caption and sources; a sentence where no outline is read."""
    from qpv_sante import maps

    number = len(quarter.communes)
    title = WORDS["map" if number < 2 else "map_communes"][lang]
    absent = Section(title, notes=[style.typography(WORDS["no_outline"][lang], lang)], share=MAP_SHARE)
    if not quarter.has_outline:
        return absent
    names = official_communes(quarter, loading.gazetteer())
    place = Territory(COMPOSITE, quarter.code, ", ".join(names), communes=quarter.communes) if number else quarter.place
    with style.figure_style():
        axes = style.new_axes()
        style.size_axes(axes, _INCHES, _INCHES)
        try:
            maps.plot_map(MAPPED, geo_vintage=quarter.geo_vintage, year=year, territory=place, ax=axes, lang=lang)
        except (SchemaError, UnavailableLevelError):
            _close(axes)
            return absent
        notes = " ".join(str(text.get_text()).replace("\n", " ") for text in axes.texts if text.get_gid() == "notes")
        for text in [text for text in axes.texts if text.get_gid() in ("title", "subtitle", "notes")]:
            text.remove()  # the page says them, in a text that can be searched and enlarged
        _keep_names(axes, quarter.name)
        if legend := axes.get_legend():
            # in a narrow column, under the map rather than beside it
            legend.set_loc("upper left")
            legend.set_bbox_to_anchor((0, -0.03), axes.transAxes)
        _ring(axes, quarter)
        style.fit_figure(axes, margin=0.05, resolutions=(RESOLUTION,))
    said = WORDS["map_caption"][lang].format(
        label=listing.label_of(MAPPED, lang), year=year, name=quarter.name, communes=place.name
    )
    alt = style.typography(said, lang)
    return Section(title, figures=[figure_of(axes, alt, caption=f"{alt} {notes}")], share=MAP_SHARE)


def _keep_names(axes: Axes, name: str) -> None:
    """Remove names of the neighbours where there are many of them."""
    names = [text for text in axes.texts if text.get_gid() == "name"]
    if len(names) > _MOST_NAMES:
        own = style.typography(name).split()
        for text in names:
            if text.get_text().split() != own:
                text.remove()


def _ring(axes: Axes, quarter: Quarter) -> None:
    """A black line on white around the quarter, and a ring where it is too small to be seen."""
    from matplotlib.patheffects import withStroke

    zone = loading.load_zones("qpv", vintage=quarter.geo_vintage, territory=quarter.place)
    shape = zone.to_crs(projected_crs(quarter.department))
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    halo = [withStroke(linewidth=3.2, foreground="white")]
    point = shape.geometry.iloc[0].representative_point()
    side = float(shape.area.iloc[0]) ** 0.5
    if side * style.width_points(axes) / (east - west) < 12:
        axes.scatter(
            [point.x], [point.y], s=160, facecolors="none", edgecolors="black", linewidths=1.6, zorder=7,
            path_effects=halo, gid="quarter_ring",
        )  # fmt: skip
    else:
        shape.boundary.plot(
            ax=axes, color="black", linewidth=1.4, zorder=7, aspect=None, path_effects=halo, gid="quarter"
        )
    axes.set_xlim(west, east)
    axes.set_ylim(south, north)
    axes.set_xlabel("")
    axes.set_ylabel("")


def _close(axes: Axes) -> None:
    import matplotlib.pyplot as plt

    plt.close(style.root_figure(axes))
