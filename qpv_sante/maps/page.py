"""The page of an interactive map: shapes in one plane, Bokeh's own script, and a policy that forbids any request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from qpv_sante import style
from qpv_sante.geography import METROPOLITAN_CRS, department_of_qpv, is_overseas, projected_crs
from qpv_sante.maps import layers

_EDGE = "#333333"
_MARKERS = {"suppressed": "square", "unavailable": "diamond", "not_applicable": "diamond"}
_MISSING_EXTRA = (
    "explore_map needs Bokeh, an optional dependency. Install it with: pip install 'qpv-sante[interactive]'"
)


@dataclass(frozen=True)
class Plane:
    """Everything in metres of one plane.

    Attributes
    ----------
    quarters : GeoDataFrame
        QPV with an outline, with `layer, flag, geo_code`.
    outlines : dict of str to list of shapely geometry
        Outlines in view, by level.
    texts : list of (float, float, str)
        Names of overseas insets.
    departments : list of (float, float, str)
        Names of the departments that are mapped.
    communes : list of (float, float, str)
        Names of the communes, at the middle of their QPV.
    frames : list of (float, float, float, float)
        Boxes of overseas insets.
    bounds : tuple of float
        What is seen first.
    """

    quarters: gpd.GeoDataFrame
    outlines: dict[str, list[Any]]
    texts: list[tuple[float, float, str]]
    departments: list[tuple[float, float, str]]
    communes: list[tuple[float, float, str]]
    frames: list[tuple[float, float, float, float]]
    bounds: tuple[float, float, float, float]


def place_quarters(
    drawn: gpd.GeoDataFrame,
    background: dict[str, gpd.GeoDataFrame],
    focus: gpd.GeoDataFrame | None,
    *,
    national: bool,
) -> Plane:
    """Bring QPV and outlines to one plane, overseas territories of a national map into boxes under it.

    Parameters
    ----------
    drawn : GeoDataFrame
        QPV with an outline.
    background, focus
        As in `draw_map`.
    national : bool

    Returns
    -------
    Plane
    """
    departments: pd.Series = department_of_qpv(drawn["geo_code"])
    crs = METROPOLITAN_CRS if national else projected_crs(departments.iloc[0])
    behind = {level: frame.to_crs(crs) for level, frame in background.items()}
    away = is_overseas(departments) & national
    frames: list[tuple[float, float, float, float]] = []
    texts: list[tuple[float, float, str]] = []
    here = drawn[~away].to_crs(crs)
    scene = layers.Scene(here, behind, (), False, focus.to_crs(crs) if focus is not None else None)
    if national and "department" in behind:
        west, south, east, north = behind["department"].total_bounds
    elif len(here):
        west, south, east, north = layers.extent(scene)
    else:
        west, south, east, north = 0.0, 0.0, 1e6, 1e6
    parts = [here]
    codes = sorted(departments[away].unique())
    if codes:
        step = (east - west) / max(len(codes), 6)
        top = south - 0.35 * step
        for position, code in enumerate(codes):
            box = (west + position * step, top - 0.92 * step, west + (position + 0.92) * step, top)
            own = drawn[departments == code].to_crs(projected_crs(code))
            own = own.set_geometry(_into_box(own.geometry, box).to_numpy()).set_crs(crs, allow_override=True)
            parts.append(own)
            frames.append(box)
            texts.append((box[0], top + 0.04 * step, layers.overseas_name(code)))
        south = top - 1.0 * step
    quarters = pd.concat(parts).loc[drawn.index]
    seen = (west - (east - west), south - (north - south), east + (east - west), north + (north - south))
    grain = max(east - west, north - south) / 2500
    outlines = {}
    inner: list[tuple[float, float, str]] = []
    if scene.focus is not None:
        outlines["focus"] = list(scene.focus.geometry.simplify(grain))
        if "department" in behind and "name" in behind["department"]:
            points = behind["department"].representative_point()
            mine = points.within(scene.focus.union_all())
            found = zip(points[mine], behind["department"].loc[mine, "name"], strict=True)
            inner = [(point.x, point.y, str(name)) for point, name in found]
    for level, frame in behind.items():
        near = frame.cx[seen[0] : seen[2], seen[1] : seen[3]].geometry.simplify(grain)
        near = near if national else near.clip_by_rect(*seen)
        if shapes := [shape for shape in near if not shape.is_empty]:
            outlines[level] = shapes
    room = 0.02 * (east - west)
    return Plane(
        gpd.GeoDataFrame(quarters, geometry="geometry", crs=crs),
        outlines,
        texts,
        inner,
        _commune_names(quarters),
        frames,
        (west - room, south - room, east + room, north + room),
    )


def _into_box(shapes: gpd.GeoSeries, box: tuple[float, float, float, float]) -> gpd.GeoSeries:
    """Shapes moved and scaled, alike in both directions, into the middle of a box."""
    west, south, east, north = shapes.total_bounds
    size = max(east - west, north - south, 2_000.0) * 1.15
    scale = (box[2] - box[0]) / size
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    matrix = [scale, 0, 0, scale, x - scale * (west + east) / 2, y - scale * (south + north) / 2]
    return shapes.affine_transform(matrix)


def _commune_names(quarters: gpd.GeoDataFrame) -> list[tuple[float, float, str]]:
    if "commune_names" not in quarters:
        return []
    first = quarters["commune_names"].astype("str").str.split(";").str[0]
    points = quarters.geometry.centroid
    middle = (
        pd.DataFrame({"x": points.x, "y": quarters.geometry.bounds["maxy"]})
        .groupby(first)
        .agg({"x": "mean", "y": "max"})
    )
    return [(row.x, row.y, str(name)) for name, row in middle.iterrows()]


def render(
    plane: Plane,
    *,
    legend: Sequence[dict[str, Any]],
    quarters: Sequence[dict[str, Any]],
    title: str,
    subtitle: str,
    unit: str,
    notes: Sequence[str],
    words: dict[str, str],
    national: bool,
    lang: style.Lang,
) -> str:
    """The whole page as text.

    Parameters
    ----------
    plane : Plane
    legend : sequence of dict
        `layer, label, count, fill, hatch`.
    quarters : sequence of dict
        What is said of each QPV, in the order of the list; `code` names it.
    title, subtitle, unit : str
    notes : sequence of str
        Under the map; the last is the source line.
    words : dict of str to str
    national : bool
        Smaller symbols: they are many.
    lang : {"fr", "en"}

    Raises
    ------
    ImportError
        Bokeh is not installed.
    """
    try:
        from bokeh.core.types import ID
        from bokeh.embed import json_item
        from bokeh.resources import Resources
    except ImportError as error:
        raise ImportError(_MISSING_EXTRA) from error
    import jinja2

    symbol = 7 if national else 9  # pixels
    plot = _plot(plane, legend, symbol=symbol, bar="top_right" if national else "bottom_right")
    shapes = plane.quarters.geometry
    boxes = dict(zip(plane.quarters["geo_code"], shapes.bounds.round(1).to_numpy().tolist(), strict=True))
    data = {
        "item": json_item(plot, ID("qpv-map")),
        "home": [round(end, 1) for end in plane.bounds],
        "symbol": symbol,
        "quarters": [
            {name: quarter[name] for name in ("code", "name", "layer", "lines")} | {"box": boxes.get(quarter["code"])}
            for quarter in quarters
        ],
        "words": {name: words[name] for name in ("count", "none")},
    }
    scripts = ["\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw), _file("explore.js")]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_file), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters["number"] = lambda count: style.format_number(count, 0, lang=lang)
    return environment.get_template("explore.html").render(
        # the two scripts and nothing else may run; nothing at all may be fetched
        policy=f"default-src 'none'; script-src {' '.join(map(_fingerprint, scripts))}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'",
        style=_file("explore.css"),
        scripts=scripts,
        data=_for_script(data),
        legend=legend,
        quarters=quarters,
        title=title,
        subtitle=subtitle,
        unit=unit,
        notes=notes,
        words=words,
        lang=lang,
        levels=bool(plane.outlines),
        named=bool(plane.communes),
    )


def _file(name: str) -> str:
    return (resources.files("qpv_sante.maps") / "templates" / name).read_text("utf-8")


def _fingerprint(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _for_script(data: Any) -> str:
    """JSON that no browser can read as the end of a script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _paths(shapes: Sequence[Any]) -> dict[str, list[Any]]:
    """Rings of polygons in the nested form that Bokeh reads, to the metre."""
    xs: list[Any] = []
    ys: list[Any] = []
    for shape in shapes:
        polygons = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
        rings = [[np.rint(shapely.get_coordinates(ring)).astype(int) for ring in (part.exterior, *part.interiors)]
                 for part in polygons]  # fmt: skip
        xs.append([[ring[:, 0].tolist() for ring in part] for part in rings])
        ys.append([[ring[:, 1].tolist() for ring in part] for part in rings])
    return {"xs": xs, "ys": ys}


def _canvas_text(text: str) -> str:
    """A text that Bokeh draws as it is: two dollar signs would be read as mathematics."""
    return text.replace("$$", "$\u200b$")


def _plot(
    plane: Plane, legend: Sequence[dict[str, Any]], *, symbol: int, bar: Literal["top_right", "bottom_right"]
) -> Any:
    from bokeh.models import ColumnDataSource, HoverTool, PanTool, Range1d, TapTool, WheelZoomTool
    from bokeh.models.annotations.legends import ScaleBar
    from bokeh.plotting import figure

    west, south, east, north = plane.bounds
    plot = figure(
        x_range=Range1d(start=west, end=east), y_range=Range1d(start=south, end=north), x_axis_type=None,
        y_axis_type=None, tools="", toolbar_location=None, sizing_mode="stretch_both", min_border=0,
        outline_line_color=None, background_fill_color="white", output_backend="canvas", name="plot",
    )  # fmt: skip
    plot.xgrid.visible = plot.ygrid.visible = False
    # a territory stands out from its neighbours; without one, everything does
    ground = None if "focus" in plane.outlines else style.BACKGROUND
    looks = {"focus": (None, 0.0, style.BACKGROUND), "department": ("#c9c6bd", 0.6, ground)}
    for level, shapes in plane.outlines.items():
        edge, thick, fill = looks.get(level, ("#8f8b80", 1.2, None))
        plot.multi_polygons("xs", "ys", source=ColumnDataSource(_paths(shapes)), line_color=edge, line_width=thick,
                            fill_color=fill, name=f"outlines-{level}")  # fmt: skip
    if plane.frames:
        frames = [shapely.box(*frame) for frame in plane.frames]
        plot.multi_polygons("xs", "ys", source=ColumnDataSource(_paths(frames)), fill_color=style.BACKGROUND,
                            line_color="#8f8b80", name="frames")  # fmt: skip
    _write(plot, plane.departments, "departments", "12px", colour="#6f6a5e")
    shown = _draw_quarters(plot, plane.quarters, legend, symbol)
    _doubtful(plot, plane.quarters)
    empty = ColumnDataSource({"xs": [], "ys": []}, name="highlight")
    spot = ColumnDataSource({"x": [], "y": []}, name="highlight-point")
    for edge, thick in (("white", 6), ("#d7191c", 3)):
        plot.multi_polygons("xs", "ys", source=empty, fill_color=None, line_color=edge, line_width=thick)
        plot.scatter("x", "y", source=spot, size=22, fill_color=None, line_color=edge, line_width=thick)
    _write(plot, plane.texts, "insets", "10px")
    _write(plot, plane.communes, "communes", "12px", visible=False)
    wheel = WheelZoomTool()
    plot.add_tools(PanTool(), wheel, TapTool(renderers=shown), HoverTool(renderers=shown, tooltips=None))
    plot.toolbar.active_scroll = wheel
    plot.add_layout(
        ScaleBar(range=plot.x_range, unit="m", location=bar, bar_length=0.18, border_line_color=None,
                 background_fill_color="white", background_fill_alpha=0.8, label_text_font=style.FONT)
    )  # fmt: skip
    return plot


def _draw_quarters(plot: Any, quarters: gpd.GeoDataFrame, legend: Sequence[dict[str, Any]], symbol: int) -> list[Any]:
    """Polygons and symbols of all QPV from one source, a filter of which hides the layers switched off."""
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource

    points = quarters.representative_point()
    # north to south: within a city no class is always on top
    order = np.argsort(-points.y.to_numpy(), kind="stable")
    quarters, points = quarters.iloc[order], points.iloc[order]
    looks = {entry["layer"]: entry for entry in legend}
    own = [looks[layer] for layer in quarters["layer"]]
    source = ColumnDataSource(
        {
            **_paths(list(quarters.geometry)),
            "x": points.x.round(1).tolist(),
            "y": points.y.round(1).tolist(),
            "side": np.sqrt(quarters.area).round(1).tolist(),
            "size": [symbol] * len(quarters),
            "code": quarters["geo_code"].tolist(),
            "layer": quarters["layer"].tolist(),
            "fill": [entry["fill"] for entry in own],
            "hatch": ["right_diagonal_line" if entry["hatch"] else " " for entry in own],
            "marker": [_MARKERS.get(layer, "circle") for layer in quarters["layer"]],
        },
        name="quarters",
    )
    look: dict[str, Any] = {
        "source": source, "view": CDSView(filter=BooleanFilter(booleans=[True] * len(quarters))),
        "fill_color": "fill", "line_color": _EDGE, "line_width": 0.8,
        "hatch_pattern": "hatch", "hatch_color": _EDGE, "hatch_scale": 6,
    }  # fmt: skip
    look |= {f"nonselection_{part}_alpha": 1.0 for part in ("fill", "line", "hatch")}
    return [
        plot.multi_polygons("xs", "ys", name="polygons", **look),
        plot.scatter("x", "y", size="size", marker="marker", name="symbols", **look),
    ]


def _doubtful(plot: Any, quarters: gpd.GeoDataFrame) -> None:
    """Rings around the values that their producer says are to be read with caution."""
    from bokeh.models import ColumnDataSource

    group = quarters[(quarters["flag"] == "unreliable") & quarters["layer"].str.startswith("class-")]
    if len(group):
        points = group.representative_point()
        source = ColumnDataSource({"x": points.x.round(1).tolist(), "y": points.y.round(1).tolist()})
        plot.scatter("x", "y", source=source, size=16, fill_color=None, line_color="black", line_width=1.6,
                     name="unreliable")  # fmt: skip


def _write(
    plot: Any,
    texts: Sequence[tuple[float, float, str]],
    name: str,
    size: str,
    *,
    visible: bool = True,
    colour: str = style.INK,
) -> None:
    from bokeh.core.properties import value
    from bokeh.models import ColumnDataSource

    if not texts:
        return
    x, y, words = zip(*texts, strict=True)
    source = ColumnDataSource({"x": list(x), "y": list(y), "text": [_canvas_text(word) for word in words]})
    plot.text(
        "x", "y", "text", source=source, text_font_size=size, text_color=colour, text_font=value(style.FONT), name=name,
        text_align="left" if name == "insets" else "center", text_baseline="bottom", visible=visible,
        background_fill_color="white" if name == "communes" else None, background_fill_alpha=0.75,
    )  # fmt: skip
