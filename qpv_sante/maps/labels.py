"""What is written on and beside a map: names of places, legend. Nothing is counted twice: see `maps`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from qpv_sante import style
from qpv_sante.catalogue import Indicator
from qpv_sante.maps.layers import MISSING_LOOKS, Scene, is_estimated
from qpv_sante.observations import FLAG_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_NAMES = 12  # beyond, names of QPV would hide the map
_TO = {"fr": "à", "en": "to"}
DOUBTFUL = {"fr": "valeur à interpréter avec prudence", "en": "value to be read with caution"}


_TITLES = {
    "fr": ("{label} : estimation, non mesurée", "{label} (en partie estimation, non mesurée)"),
    "en": ("{label}: estimate, not measured", "{label} (in part estimate, not measured)"),
}


def title_of(zones: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> str:
    """The indicator's label, which says when the values drawn are estimates."""
    estimated = is_estimated(zones)
    if not estimated.any():
        return indicator.label[lang]
    every = bool(estimated[zones["value"].notna()].all())
    return _TITLES[lang][0 if every else 1].format(label=indicator.label[lang])


def class_labels(drawn: gpd.GeoDataFrame, limits: Sequence[float], indicator: Indicator, lang: style.Lang) -> list[str]:
    """Ranges of the classes as printed: they do not touch, since values are classed as printed."""
    symbol, decimals = style.unit_symbol(indicator.unit[lang]), indicator.decimals
    step = 10.0**-decimals
    lows = [limits[0], *(limit + step for limit in limits[1:-1])]
    labels = []
    # few distinct values have each their class: no range then
    each = set(drawn["value"].dropna().round(decimals)) == set(np.round(limits[1:], decimals))
    for low, high in zip(lows, limits[1:], strict=True):
        top = style.format_number(high, decimals, lang=lang, symbol=symbol)
        single = each or round(low, decimals) >= round(high, decimals)
        bottom = style.format_number(low, decimals, lang=lang)
        labels.append(top if single else f"{bottom} {_TO[lang]} {top}")
    return labels


def _entry(text: str, count: int, lang: style.Lang) -> str:
    number = style.format_number(count, 0, lang=lang)
    return style.typography(f"{text} : " if lang == "fr" else f"{text}: ", lang) + f"{number} QPV"


def _handle(face: str, label: str, *, symbols: bool, hatch: str | None = None, marker: str = "o") -> Any:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if symbols and not hatch:
        return Line2D([], [], ls="", marker=marker, markerfacecolor=face, markeredgecolor="#444444",
                      markeredgewidth=0.5, markersize=7, label=label)  # fmt: skip
    return Patch(facecolor=face, edgecolor="#444444", linewidth=0.5, hatch=hatch, label=label)


def missing_handles(drawn: gpd.GeoDataFrame, *, symbols: bool, lang: style.Lang, suffix: str = "") -> list[Any]:
    """Legend entries of QPV without a value, by reason, and of those to be read with caution.

    Parameters
    ----------
    drawn : GeoDataFrame
        QPV with an outline: `kind, flag`.
    symbols : bool
        Whether QPV are drawn as symbols.
    suffix : str
        After the words of a reason.
    """
    from matplotlib.lines import Line2D

    handles = []
    for kind, (face, hatch, marker) in MISSING_LOOKS.items():
        if count := int((drawn["kind"] == kind).sum()):
            text = _entry(FLAG_LABELS[kind][lang] + suffix, count, lang)
            handles.append(_handle(face, text, symbols=symbols, hatch=hatch, marker=marker))
    if doubtful := int(((drawn["flag"] == "unreliable") & (drawn["kind"] == "values")).sum()):
        text = DOUBTFUL[lang]
        handles.append(Line2D([], [], ls="", marker="o", markerfacecolor="none", markeredgecolor="black",
                              markeredgewidth=1.3, markersize=8, label=_entry(text, doubtful, lang)))  # fmt: skip
    return handles


def write_legend(
    ax: Axes,
    drawn: gpd.GeoDataFrame,
    limits: Sequence[float],
    indicator: Indicator,
    colours: Sequence[str],
    *,
    symbols: bool,
    lang: style.Lang,
) -> None:
    """Classes and reasons of missing values with the number of QPV drawn, right of the map."""
    from matplotlib.lines import Line2D

    labels = class_labels(drawn, limits, indicator, lang) if len(limits) > 1 else []
    handles = [
        _handle(colours[position], _entry(label, int((drawn["number"] == position).sum()), lang), symbols=symbols)
        for position, label in enumerate(labels)
    ]
    handles += missing_handles(drawn, symbols=symbols, lang=lang)
    title = f"{indicator.short[lang]} ({indicator.unit[lang]})"
    estimated = is_estimated(drawn)
    if count := int(estimated.sum()):
        said = FLAG_LABELS["estimated"][lang]
        if count == int(drawn["value"].notna().sum()):
            title += f" - {said}"
        else:
            text = {"fr": "dont ", "en": "of which "}[lang] + said
            handles.append(Line2D([], [], ls="", label=_entry(text, count, lang)))
    unit = style.typography(title, lang)
    legend = ax.legend(
        handles=handles, title=style.wrap(unit, 32), loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0,
        fontsize=style.SMALL_SIZE, title_fontsize=style.SMALL_SIZE, alignment="left", labelspacing=0.55,
    )  # fmt: skip
    legend.get_title().set_fontweight("bold")


def write_outline_names(ax: Axes, scene: Scene, level: str) -> None:
    """Name each department of a framed map, or each commune of a city map, where it hides no QPV and no other name.

    Those of the territory wherever there is room, their neighbours only inside their own outlines.
    """
    import shapely

    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    outlines = scene.background.get(level)
    if outlines is None or "name" not in outlines or (scene.focus is None and level != "commune"):
        return
    outlines = outlines.cx[west:east, south:north]
    metres = (east - west) / style.width_points(ax)
    quarters = scene.zones.geometry if level == "commune" else scene.zones.representative_point()
    if scene.focus is not None:
        inside = outlines.representative_point().within(scene.focus.union_all()).to_numpy()
    else:
        inside = np.isin(
            np.arange(len(outlines)), outlines.sindex.query(quarters.to_numpy(), predicate="intersects")[1]
        )
    # to a point of the page: whether a name covers a quarter does not hang on its corners
    covered = shapely.union_all([*quarters.simplify(metres), *_written_boxes(ax)])
    shown = shapely.box(west, south, east, north)
    for name, shape, mine in zip(outlines["name"], outlines.geometry, inside, strict=True):
        half = np.array([0.29 * 7 * len(name), 5.0]) * metres
        seen = shapely.intersection(shape, shown)
        if seen.is_empty or (not mine and seen.area < 4 * half[0] * half[1]):
            continue
        grid = np.meshgrid(*(np.linspace(a, b, 25) for a, b in zip(seen.bounds[:2], seen.bounds[2:], strict=True)))
        x, y = grid[0].ravel(), grid[1].ravel()
        fits = (x - half[0] > west) & (x + half[0] < east) & (y - half[1] > south) & (y + half[1] < north)
        boxes = shapely.box(x - half[0], y - half[1], x + half[0], y + half[1])
        held = shapely.area(shapely.intersection(boxes, shape)) / shapely.area(boxes)
        clear = np.minimum(shapely.distance(boxes, covered) / metres, 6.0)
        middle = seen.centroid
        off = np.hypot(x - middle.x, y - middle.y) / (np.ptp(x) + np.ptp(y))
        score = np.where(fits, 8 * held + clear - 4 * off, -np.inf)
        best = int(score.argmax())
        least = 0.97 if not mine else 0.6 if level == "commune" else 0.0
        if np.isfinite(score[best]) and clear[best] > 3 and held[best] >= least:
            ax.text(
                x[best], y[best], name, ha="center", va="center", fontsize=7, style="italic", zorder=3,
                color="#6f6a5e" if mine else "#8d887c", gid=f"{level}_name",
            )  # fmt: skip
            covered = shapely.union(covered, boxes[best])


def _written_boxes(ax: Axes) -> list[Any]:
    """What the names of QPV cover, in the map's own metres."""
    import shapely

    back = ax.transData.inverted()
    written = [text.get_window_extent() for text in ax.texts if text.get_gid() == "name"]
    return [shapely.box(*back.transform((box.x0, box.y0)), *back.transform((box.x1, box.y1))) for box in written]


def write_names(ax: Axes, scene: Scene) -> None:
    """Names of the QPV, inside a polygon that can hold its name, else beside it without overlap, else none."""
    from matplotlib.patheffects import withStroke

    dpi = style.root_figure(ax).dpi
    frame = ax.get_window_extent()
    halo = [withStroke(linewidth=2.2, foreground="white")]
    shapes = scene.zones.geometry
    corners = [ax.transData.transform(np.array(shape.bounds).reshape(2, 2)).ravel() for shape in shapes]
    taken: list[Any] = list(corners)
    written: list[Any] = []
    for name, shape, around in zip(scene.zones["name"], shapes, corners, strict=True):
        point = shape.representative_point()
        label = ax.annotate(
            style.typography(style.wrap(name, 22, max_lines=3)), (point.x, point.y), (0, 0), textcoords="offset points",
            ha="center", va="center", fontsize=style.NOTE_SIZE, zorder=8, path_effects=halo, gid="name",
        )  # fmt: skip
        size = label.get_window_extent()
        centre = ax.transData.transform((point.x, point.y))
        half = (size.width / 2, size.height / 2)
        if around[2] - around[0] > 1.1 * size.width and around[3] - around[1] > 3 * size.height:
            taken.append(_box(centre, half))
            written.append(taken[-1])
            continue
        place = _free_place(around, half, frame.extents, taken)
        box = _box(place, half)
        if any(_overlap(box, other) for other in written):
            # two names over one another say less than one; the list of the QPV is in the tables
            label.remove()
            continue
        taken.append(box)
        written.append(box)
        label.set_position(tuple((np.array(place) - centre) * 72 / dpi))


def _free_place(
    around: Any, half: tuple[float, float], frame: Sequence[float], taken: Sequence[Any]
) -> tuple[float, float]:
    """Centre of a label next to a box, where it covers least; all in pixels."""
    middle = ((around[0] + around[2]) / 2, (around[1] + around[3]) / 2)
    reach = ((around[2] - around[0]) / 2 + half[0], (around[3] - around[1]) / 2 + half[1])
    best, least = middle, float("inf")
    for gap in (4, 14, 26, 40):
        for dx, dy in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
            place = (middle[0] + dx * (reach[0] + gap), middle[1] + dy * (reach[1] + gap))
            box = _box(place, half)
            outside = box[0] < frame[0] or box[1] < frame[1] or box[2] > frame[2] or box[3] > frame[3]
            cost = sum(_overlap(box, other) for other in taken) + 1e6 * outside + gap
            if cost < least:
                best, least = place, cost
    return best


def _box(centre: Any, half: tuple[float, float]) -> tuple[float, float, float, float]:
    return (centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1])


def _overlap(a: Any, b: Any) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
