"""The page of an interactive map: Bokeh's own script, ours, and a policy that forbids any request."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any, Literal

import geopandas as gpd
import numpy as np
import shapely

from qpv_sante import style, templating
from qpv_sante.maps.plane import Plane

_EDGE = "#333333"
_MARKERS = {"suppressed": "square", "unavailable": "diamond", "not_applicable": "diamond"}
_HATCHES = {True: "right_diagonal_line", False: " "}
_MISSING_EXTRA = (
    "explore_map needs Bokeh, an optional dependency. Install it with: pip install 'qpv-sante[interactive]'"
)


def render(
    plane: Plane,
    *,
    views: Sequence[dict[str, Any]],
    words: dict[str, str],
    national: bool,
    lang: style.Lang,
    practices: gpd.GeoDataFrame | None = None,
    practice_lines: Sequence[tuple[str, list[tuple[str, str]]]] = (),
) -> str:
    """The whole page as text.

    Parameters
    ----------
    plane : Plane
        Its QPV bear the layers of the first view.
    views : sequence of dict
        One an indicator: `indicator, title, subtitle, unit, legend, notes, quarters`. Entries of a legend are
        `layer, label, count, fill, hatch`; `quarters` says what is said of each QPV, in the order of the list; the
        last note is the source line.
    words : dict of str to str
    national : bool
        Smaller symbols: they are many.
    lang : {"fr", "en"}
    practices : GeoDataFrame, optional
        Points.
    practice_lines : sequence
        Name and lines of each.

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
    first = views[0]
    points = (
        [] if practices is None else [(point.x, point.y) for point in practices.geometry.to_crs(plane.quarters.crs)]
    )
    plot = _plot(
        plane, first["legend"], symbol=symbol, bar="top_right" if national else "bottom_right", practices=points
    )
    shapes = plane.quarters.geometry
    boxes = dict(zip(plane.quarters["geo_code"], shapes.bounds.round(1).to_numpy().tolist(), strict=True))
    said = ("layer", "lines", "doubtful")
    data = {
        "item": json_item(plot, ID("qpv-map")),
        "home": [round(end, 1) for end in plane.bounds],
        "symbol": symbol,
        "quarters": [
            {name: quarter[name] for name in ("code", "name", *said)} | {"box": boxes.get(quarter["code"])}
            for quarter in first["quarters"]
        ],
        # of the other indicators, in the same order: the page writes these over those of the first
        "others": [
            {
                "title": view["title"],
                "subtitle": view["subtitle"],
                "quarters": [
                    {name: quarter[name] for name in (*said, "value", "missing")} for quarter in view["quarters"]
                ],
            }
            for view in views[1:]
        ],
        "looks": [
            {
                entry["layer"]: [entry["fill"], _HATCHES[entry["hatch"]], _MARKERS.get(entry["layer"], "circle")]
                for entry in view["legend"]
            }
            for view in views
        ],
        "practices": [
            {"name": name, "lines": lines, "at": at} for (name, lines), at in zip(practice_lines, points, strict=True)
        ],
        "words": {name: words[name] for name in ("count", "count_one", "none")},
    }
    scripts = ["\n".join(Resources(mode="inline", components=["bokeh"], log_level="error").js_raw), _file("explore.js")]
    environment = templating.environment(loader=jinja2.FunctionLoader(_file), lstrip_blocks=False)
    environment.filters["number"] = lambda count: style.format_number(count, 0, lang=lang)
    return environment.get_template("explore.html").render(
        # the two scripts and nothing else may run; nothing at all may be fetched
        policy=f"default-src 'none'; script-src {' '.join(map(_fingerprint, scripts))}; style-src 'unsafe-inline'; "
        "img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'",
        style=_file("explore.css"),
        scripts=scripts,
        data=_for_script(data),
        views=views,
        words=words,
        lang=lang,
        levels=bool(plane.outlines.keys() - {"focus", "commune"}),
        communes="commune" in plane.outlines,
        named=bool(plane.communes),
        practices=bool(points),
        no_practice=practices is not None and not points,
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
    plane: Plane,
    legend: Sequence[dict[str, Any]],
    *,
    symbol: int,
    bar: Literal["top_right", "bottom_right"],
    practices: Sequence[tuple[float, float]],
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
    looks = {
        "focus": (None, 0.0, style.BACKGROUND),
        "department": ("#c9c6bd", 0.6, ground),
        "commune": ("#c3bfb3", 0.7, None),
    }
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
    stars = _practices(plot, practices)
    empty = ColumnDataSource({"xs": [], "ys": []}, name="highlight")
    spot = ColumnDataSource({"x": [], "y": []}, name="highlight-point")
    for edge, thick in (("white", 6), ("#d7191c", 3)):
        plot.multi_polygons("xs", "ys", source=empty, fill_color=None, line_color=edge, line_width=thick)
        plot.scatter("x", "y", source=spot, size=22, fill_color=None, line_color=edge, line_width=thick)
    _write(plot, plane.texts, "insets", "10px")
    _write(plot, plane.communes, "communes", "12px", visible=False)
    wheel = WheelZoomTool()
    plot.add_tools(PanTool(), wheel, TapTool(renderers=shown), HoverTool(renderers=[*shown, *stars], tooltips=None))
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
            "hatch": [_HATCHES[entry["hatch"]] for entry in own],
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
    """Rings around the values that their producer says are to be read with caution; empty, another view may fill it."""
    from bokeh.models import ColumnDataSource

    group = quarters[(quarters["flag"] == "unreliable") & quarters["layer"].str.startswith("class-")]
    points = group.representative_point()
    source = ColumnDataSource({"x": points.x.round(1).tolist(), "y": points.y.round(1).tolist()})
    plot.scatter("x", "y", source=source, size=16, fill_color=None, line_color="black", line_width=1.6,
                 name="unreliable")  # fmt: skip


def _practices(plot: Any, points: Sequence[tuple[float, float]]) -> list[Any]:
    """A star a practice, above the quarters."""
    from bokeh.models import ColumnDataSource

    if not points:
        return []
    source = ColumnDataSource({"x": [x for x, _ in points], "y": [y for _, y in points]}, name="practices")
    return [
        plot.scatter("x", "y", source=source, size=18, marker="star", fill_color="white", line_color="black",
                     line_width=1.6, name="practices")
    ]  # fmt: skip


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
