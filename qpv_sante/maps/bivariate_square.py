"""The square legend of a map of two indicators: nine colours, and the number of QPV drawn in each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np

from qpv_sante import style
from qpv_sante.catalogue import Indicator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Rows: second indicator, low to high (to blue); columns: first indicator, low to high (to orange). Chosen so that any
# two, and the grey of missing values, stay at least 15 apart in CIELAB for every kind of colour vision.
PALETTE = (
    ("#e4e4ee", "#f8d2ae", "#fba700"),
    ("#a7d3ff", "#af816f", "#c76305"),
    ("#5895d8", "#376387", "#281e28"),
)
CLASSES = len(PALETTE)
_SQUARE = 118.0  # points
_TEXTS: dict[str, dict[str, str]] = {
    "fr": {"axis": "{label} ({unit}), {year}", "heading": "Nombre de QPV dessinés"},
    "en": {"axis": "{label} ({unit}), {year}", "heading": "Number of QPV drawn"},
}


def step(position: int, size: int) -> int:
    """Row or column of the palette: few distinct values give fewer classes, spread over its ends."""
    return position * (CLASSES - 1) // max(size - 1, 1)


def draw_square(
    ax: Axes,
    drawn: gpd.GeoDataFrame,
    square: Sequence[Sequence[str]],
    indicators: tuple[Indicator, Indicator],
    limits: Sequence[Sequence[float]],
    years: tuple[int, int],
    sources: Sequence[Sequence[str]],
    lang: style.Lang,
) -> float:
    """Square legend right of the map, the number of QPV drawn in each cell.

    Returns
    -------
    float
        Height of what may come under it, as a fraction of the axes.
    """
    from matplotlib.colors import to_rgb

    words = _TEXTS[lang]
    width = style.width_points(ax)
    box = ax.get_window_extent()
    height = width * box.height / box.width
    side = min(_SQUARE, 0.55 * height)
    room = 62.0  # labels of the vertical axis
    top = 1 - 16 / height
    inset = ax.inset_axes((1.02 + room / width, top - side / height, side / width, side / height), zorder=9)
    inset.set_gid("legend-square")
    rows, columns = len(square), len(square[0])
    valued = drawn[drawn["kind"] == "values"]
    counts = valued.groupby(["class_y", "class_x"]).size()
    for row, cells in enumerate(square):
        for column, colour in enumerate(cells):
            inset.fill([column, column + 1, column + 1, column], [row, row, row + 1, row + 1], colour, ec="#444444",
                       lw=0.5, gid=f"cell-{row}-{column}")  # fmt: skip
            dark = np.dot(to_rgb(colour), (0.3, 0.59, 0.11)) < 0.5
            number = style.format_number(int(counts.get((row, column), 0)), 0, lang=lang)
            inset.text(column + 0.5, row + 0.5, number, ha="center", va="center", fontsize=style.SMALL_SIZE,
                       color="white" if dark else style.INK, gid=f"count-{row}-{column}")  # fmt: skip
    inset.set_xlim(0, columns)
    inset.set_ylim(0, rows)
    for spine in inset.spines.values():
        spine.set_visible(False)
    for axis, indicator, breaks, year, keys in zip("xy", indicators, limits, years, sources, strict=True):
        ticks: Any = getattr(inset, f"{axis}axis")
        # few distinct values have each their class: the value itself names it
        shown = breaks if len(breaks) > 1 else [0.0, 0.0]
        texts = [style.format_number(limit, indicator.decimals, lang=lang) for limit in shown]
        ticks.set_ticks(range(len(shown)), texts if len(breaks) > 1 else ["", ""])
        ticks.set_tick_params(labelsize=6.5, length=2, pad=2)
        label = words["axis"].format(
            label=indicator.short[lang], unit=indicator.unit[lang], year=style.year_label(indicator, keys, year, lang)
        )
        text = style.wrap(style.typography(label, lang), max(style.characters(side + 34, style.NOTE_SIZE), 24))
        arrow = f"{text} →"
        getattr(inset, f"set_{axis}label")(arrow, fontsize=style.NOTE_SIZE, labelpad=2)
    inset.set_title(words["heading"], fontsize=style.SMALL_SIZE, fontweight="bold", loc="left", pad=4)
    lines = inset.get_xlabel().count("\n") + 1
    return float(top - (side + 26 + lines * style.NOTE_SIZE * style.LINE_HEIGHT) / height)
