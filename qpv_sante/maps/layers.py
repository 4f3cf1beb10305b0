"""What a map is made of: background, polygons, symbols, insets, scale bar. Counts and words are in `maps`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd

from qpv_sante import style
from qpv_sante.geography import department_of_qpv, projected_crs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bounds = tuple[float, float, float, float]

# Fill, hatch and marker of QPV without a value; shapes differ so that they are told apart in grey
MISSING_LOOKS: dict[str, tuple[str, str | None, str]] = {
    "suppressed": ("white", style.SUPPRESSED_HATCH, "s"),
    "unavailable": (style.UNAVAILABLE_COLOUR, None, "X"),
    "not_applicable": ("white", None, "X"),
}
_PARIS_AREA = ("75", "92", "93", "94")
_OVERSEAS_NAMES = {
    "971": "Guadeloupe",
    "972": "Martinique",
    "973": "Guyane",
    "974": "La Réunion",
    "976": "Mayotte",
    "978": "Saint-Martin",
    "987": "Polynésie fr.",
}
_SYMBOL_BELOW = 7.0  # points: a polygon smaller than this is doubled with a symbol
_EDGE = "#444444"
_NEIGHBOUR = "#faf9f6"  # between the territory and the white of the sea
_SLIVER = 700.0  # metres
_FARTHEST = 25  # a commune so many times as large as its QPV does not frame them
_LARGEST = (6.2, 5.6)  # inches, width and height of the axes of a new figure


def is_estimated(zones: pd.DataFrame) -> pd.Series:
    """Which QPV have a value that is estimated, not measured."""
    return (zones["flag"].astype("str") == "estimated") & zones["value"].notna()


@dataclass(frozen=True)
class Scene:
    """What is drawn in one projection.

    Attributes
    ----------
    zones : GeoDataFrame
        QPV with an outline: `name, kind, number` (of the class), `flag`.
    background : dict of str to GeoDataFrame
        `commune`, `department` and `region` outlines.
    colours : sequence of str
        One a class.
    national : bool
        Symbols only: polygons are half a pixel wide at that scale.
    focus : GeoDataFrame, optional
        Outline of the territory that is mapped.
    """

    zones: gpd.GeoDataFrame
    background: dict[str, gpd.GeoDataFrame]
    colours: Sequence[str]
    national: bool
    focus: gpd.GeoDataFrame | None = None


def class_colours(k: int, *, dark_is_low: bool = False) -> list[str]:
    """Colours of `k` classes, dark where the situation is worst."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex

    steps = [0.02] if k == 1 else np.linspace(0.97, 0.02, k)
    colours = [to_hex(mpl.colormaps[style.SEQUENTIAL](step)) for step in steps]
    return colours[::-1] if dark_is_low else colours


def overseas_name(code: str) -> str:
    """Short name of an overseas department or collectivity."""
    return _OVERSEAS_NAMES.get(code, code)


def extent(scene: Scene) -> Bounds:
    """Limits of the map: the territory's outline, else the QPV with some room around."""
    if scene.national and "department" in scene.background:
        west, south, east, north = scene.background["department"].total_bounds
        # room in the Bay of Biscay for the inset of Paris
        return west - 0.15 * (east - west), south - 10_000, east + 10_000, north + 10_000
    focus = scene.focus
    if focus is not None and "commune" in scene.background:
        sizes = [max(box[2] - box[0], box[3] - box[1]) for box in (focus.total_bounds, scene.zones.total_bounds)]
        focus = focus if sizes[0] <= _FARTHEST * sizes[1] else None
    shape = focus if focus is not None else scene.zones
    west, south, east, north = shape.total_bounds
    if focus is not None:
        # QPV that straddle the border
        around = scene.zones.total_bounds
        west, south = min(west, around[0]), min(south, around[1])
        east, north = max(east, around[2]), max(north, around[3])
    share, least = (0.02, 0.0) if focus is not None else (0.12, 500.0)
    room = max(share * max(east - west, north - south), least)
    width, height = east - west + 2 * room, north - south + 2 * room
    # neither a ribbon nor a tower
    width, height = max(width, 0.75 * height), max(height, 0.6 * width)
    x, y = (west + east) / 2, (south + north) / 2
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def set_frame(ax: Axes, bounds: Bounds, *, own: bool) -> None:
    """Limits, equal scales, no axis; new axes get the proportions of the map."""
    west, south, east, north = bounds
    if own:
        scale = min(_LARGEST[0] / (east - west), _LARGEST[1] / (north - south))
        style.size_axes(ax, (east - west) * scale, (north - south) * scale)
    ax.set_xlim(west, east)
    ax.set_ylim(south, north)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.apply_aspect()


def draw_background(ax: Axes, scene: Scene) -> list[str]:
    """Outlines under the QPV; the levels that are drawn.

    Where communes are known, their borders alone are drawn: those of departments are coarser and do not follow them.
    """
    (west, east), (south, north) = ax.get_xlim(), ax.get_ylim()
    in_view = {name: frame.cx[west:east, south:north] for name, frame in scene.background.items()}
    departments, communes = in_view.get("department"), in_view.get("commune")
    fill = {"facecolor": style.BACKGROUND, "edgecolor": "#c9c6bd", "linewidth": 0.5, "aspect": None}
    drawn: list[str] = []
    if scene.focus is not None and (departments is not None and len(departments)):
        # the territory stands out from its neighbours
        scene.focus.plot(ax=ax, zorder=1.2, facecolor=style.BACKGROUND, edgecolor="none", aspect=None, gid="focus")
        fill["facecolor"] = "none"
    if communes is not None and len(communes):
        fill["facecolor"] = style.BACKGROUND if scene.focus is None else _NEIGHBOUR
        if departments is not None and len(departments):
            beyond = _beyond(scene.background["department"], scene.background["commune"], (west, south, east, north))
            if not beyond.is_empty.all():
                beyond.plot(ax=ax, zorder=1, gid="beyond", aspect=None, facecolor=fill["facecolor"], edgecolor="none")
        communes.plot(ax=ax, zorder=1.1, gid="communes", **fill)
        if scene.focus is not None:
            scene.focus.boundary.plot(ax=ax, color="#8f8b80", linewidth=1.1, zorder=2, aspect=None, gid="focus-border")
        drawn = ["commune"]
    elif departments is not None and len(departments):
        departments.plot(ax=ax, zorder=1.5, gid="departments", **fill)
        drawn = ["department"]
        if "region" in in_view:
            in_view["region"].boundary.plot(ax=ax, color="#8f8b80", linewidth=0.9, zorder=2, aspect=None, gid="regions")
            drawn.append("region")
    else:
        from matplotlib.patches import Rectangle

        # nothing else tells where the map ends
        edge = Rectangle(
            (west, south), east - west, north - south, fill=False, edgecolor="#c9c6bd", lw=0.8, gid="frame"
        )
        ax.add_patch(edge)
    _without_axis_names(ax)
    return drawn


def _beyond(departments: gpd.GeoDataFrame, communes: gpd.GeoDataFrame, frame: Bounds) -> gpd.GeoSeries:
    """Land in the frame whose communes are not known: it must not look like the sea."""
    import shapely

    west, south, east, north = frame
    wider = (west - 3 * _SLIVER, south - 3 * _SLIVER, east + 3 * _SLIVER, north + 3 * _SLIVER)
    land = departments.clip_by_rect(*wider).union_all()
    known = communes.clip_by_rect(*wider).union_all()
    # coarse borders of departments leave slivers along the coast
    narrowed = shapely.buffer(shapely.difference(land, known), -_SLIVER, join_style="mitre")
    left = shapely.difference(shapely.buffer(narrowed, _SLIVER, join_style="mitre"), known)
    return gpd.GeoSeries([left], crs=departments.crs)


def _without_axis_names(ax: Axes) -> None:
    """Take away the names that geopandas gives to axes in metres."""
    ax.set_xlabel("")
    ax.set_ylabel("")


def draw_zones(ax: Axes, scene: Scene, *, size: float | None = None) -> int:
    """Polygons, and a symbol where a polygon would not be seen.

    Returns
    -------
    int
        Number of QPV drawn as symbols.
    """
    from matplotlib.patheffects import withStroke

    zones = scene.zones
    if zones.empty:
        return 0
    zones = zones.assign(point=zones.representative_point(), side=np.sqrt(zones.area))
    # north to south: within a city no class is always on top
    zones = zones.iloc[np.argsort(-zones["point"].y.to_numpy(), kind="stable")]
    metres = ax.get_xlim()[1] - ax.get_xlim()[0]
    small = zones["side"] * style.width_points(ax) / metres < _SYMBOL_BELOW
    if scene.national:
        small[:] = True
    area = size or (13.0 if scene.national else 30.0 if len(zones) <= 150 else 20.0)
    for kind, group in zones.groupby("kind", sort=False):
        valued = kind == "values"
        face, hatch, marker = ("", None, "o") if valued else MISSING_LOOKS[str(kind)]
        colours = [scene.colours[number] for number in group["number"]] if valued else face
        look: dict[str, Any] = {"edgecolor": _EDGE, "hatch": hatch, "zorder": 4}
        if not scene.national:
            # an edge would hide a tiny polygon under its own ink
            edges = np.where(small[group.index], 0.1, 0.5)
            group.geometry.plot(ax=ax, color=colours, linewidth=edges, aspect=None, gid=f"polygons-{kind}", **look)
        points = group[small[group.index]]
        if len(points):
            tints = [scene.colours[number] for number in points["number"]] if valued else face
            ax.scatter(
                points["point"].x, points["point"].y, s=area if valued else area * 1.5, c=tints, marker=marker,
                edgecolors=_EDGE, linewidths=0.4, hatch=hatch, zorder=5 if valued else 4.5, gid=f"symbols-{kind}",
            )  # fmt: skip
    doubtful = zones[(zones["flag"] == "unreliable") & (zones["kind"] == "values")]
    if len(doubtful):
        ax.scatter(
            doubtful["point"].x, doubtful["point"].y, s=area * 2.8, facecolors="none", edgecolors="black",
            linewidths=1.0, zorder=6, gid="unreliable", path_effects=[withStroke(linewidth=1.7, foreground="white")],
        )  # fmt: skip
    _without_axis_names(ax)
    return int(small.sum())


def draw_paris(ax: Axes, scene: Scene, title: str) -> None:
    """Inset of Paris and its inner suburbs, in the empty corner of the national map."""
    departments = scene.background.get("department")
    if departments is None:
        return
    core = departments[departments["geo_code"].isin(_PARIS_AREA)]
    if core.empty:
        return
    inset = ax.inset_axes((0.0, 0.03, 0.29, 0.28), zorder=7)
    west, south, east, north = core.buffer(1_500).total_bounds
    _square(inset, (west, south, east, north))
    inset.set_facecolor("white")
    zones = scene.zones.cx[west:east, south:north]
    inner = Scene(zones, scene.background, scene.colours, national=False)
    draw_background(inset, inner)
    draw_zones(inset, inner, size=13.0)
    inset.set_title(title, fontsize=style.NOTE_SIZE, pad=3)
    inset.set_gid("inset-paris")
    from matplotlib.patches import Rectangle

    here = Rectangle((west, south), east - west, north - south, fill=False, edgecolor=style.INK, lw=0.8, zorder=6)
    ax.add_patch(here)


def draw_overseas(ax: Axes, zones: gpd.GeoDataFrame, colours: Sequence[str]) -> float:
    """One inset under the map for each overseas territory that has outlines, in its own projection.

    Returns
    -------
    float
        Height taken under the axes, in points.
    """
    departments: pd.Series = department_of_qpv(zones["geo_code"])
    codes = sorted(departments.unique())
    if not codes:
        return 0.0
    step = 1 / max(len(codes), 6)
    box = ax.get_window_extent()
    height = (step - 0.02) * box.width / box.height
    title = 16 / (box.height / style.root_figure(ax).dpi * 72)
    for position, code in enumerate(codes):
        inset = ax.inset_axes((position * step, -height - title, step - 0.02, height))
        own = zones[departments == code].to_crs(projected_crs(code))
        west, south, east, north = own.total_bounds
        room = max(0.12 * max(east - west, north - south), 1_000)
        _square(inset, (west - room, south - room, east + room, north + room))
        inset.set_facecolor(style.BACKGROUND)
        draw_zones(inset, Scene(own, {}, colours, national=True), size=11.0)
        inset.set_title(overseas_name(code), fontsize=7, pad=2.5)
        inset.set_gid(f"inset-{code}")
    return float((height + title) * box.height / style.root_figure(ax).dpi * 72)


def _square(inset: Axes, bounds: Bounds) -> None:
    """Limits that fill the inset's box at equal scales, and a thin frame."""
    west, south, east, north = bounds
    box = inset.get_window_extent()
    ratio = box.width / box.height
    width, height = max(east - west, (north - south) * ratio), max(north - south, (east - west) / ratio)
    x, y = (west + east) / 2, (south + north) / 2
    inset.set_xlim(x - width / 2, x + width / 2)
    inset.set_ylim(y - height / 2, y + height / 2)
    inset.set_aspect("equal", adjustable="datalim")
    inset.set_xticks([])
    inset.set_yticks([])
    for spine in inset.spines.values():
        spine.set(visible=True, color="#8f8b80", linewidth=0.7)


def add_scale_bar(ax: Axes, lang: style.Lang) -> None:
    """Scale bar right of the map, where it covers nothing."""
    from matplotlib_scalebar.scalebar import ScaleBar

    bar = ScaleBar(
        1, "m", location="lower left", bbox_to_anchor=(1.02, 0.0), bbox_transform=ax.transAxes, length_fraction=0.22,
        width_fraction=0.006, box_alpha=0, color=style.MUTED, border_pad=0, pad=0.1, sep=3,
        font_properties={"size": style.SMALL_SIZE, "family": style.FONT},
        scale_formatter=lambda value, unit: f"{style.format_number(value, 0, lang=lang)}\u202f{unit}",
    )  # fmt: skip
    ax.add_artist(bar)


def north_angle(x: float, y: float, crs: int) -> float:
    """Direction of true north at a point of a projected map, in degrees clockwise from the top.

    Examples
    --------
    >>> round(north_angle(700_000, 6_600_000, 2154), 6), round(north_angle(1_200_000, 6_100_000, 2154), 1)
    (0.0, -4.4)
    """
    from pyproj import Transformer

    there = Transformer.from_crs(crs, 4326, always_xy=True)
    longitude, latitude = there.transform(x, y)
    east, north = there.transform(longitude, latitude + 0.01, direction="INVERSE")
    return float(np.degrees(np.arctan2(east - x, north - y)))


def add_north(ax: Axes, crs: int, lang: style.Lang) -> None:
    """Arrow to true north, above the scale bar: for maps without known outlines."""
    (west, east), (south, top) = ax.get_xlim(), ax.get_ylim()
    angle = np.radians(north_angle((west + east) / 2, (south + top) / 2, crs))
    place: dict[str, Any] = {"xycoords": ("axes fraction", "axes fraction"), "textcoords": "offset points"}
    foot, length = np.array([22.0, 34.0]), 22.0
    head = foot + length * np.array([np.sin(angle), np.cos(angle)])
    # two annotations: a text at the head, and a line whose ends are both in points from the corner of the axes
    ax.annotate("N", (1, 0), tuple(head), ha="center", va="bottom", fontsize=style.SMALL_SIZE, color=style.MUTED,
                gid="north", **place)  # fmt: skip
    from matplotlib.text import OffsetFrom

    corner = ax.annotate("", (1, 0), (0, 0), **place)
    arrow = {"arrowstyle": "-|>", "color": style.MUTED, "lw": 1, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=tuple(head), xycoords=OffsetFrom(corner, (0, 0), "points"), xytext=tuple(foot),
                textcoords=OffsetFrom(corner, (0, 0), "points"), gid="north-arrow",
                arrowprops=arrow)  # fmt: skip
