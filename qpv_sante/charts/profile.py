"""One neighbourhood on every indicator: each row on its own scale, among the others of its zoning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import layout, style
from qpv_sante.catalogue import catalogue
from qpv_sante.charts import common
from qpv_sante.errors import ComparabilityError, SchemaError, UnknownNameError, did_you_mean
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 40
AMONG = ("country", "region")
REFERENCES = ("commune", "urban_unit", "region", "country")
_REQUIRED = ("geo_code", "name", "geo_vintage", "indicator", "unit", "year_label", "value", "flag", "source")
_PARTS = ("min", "q1", "median", "q3", "max", "n_used", "n_total")
_ROW_HEIGHT, _AXES_WIDTH = 0.36, 3.9  # inches
_OWN_COLUMN, _REFERENCE_COLUMN = 58.0, 122.0  # points, from the right edge of the axes
_BOX_COLOUR, _LINE_COLOUR, _MEDIAN_COLOUR = "#c9d8ea", "#8a8a8a", "#3b3b3b"
_TEXTS: dict[str, dict[str, Any]] = {
    "fr": {
        "subtitle": "QPV {code}, zonage {vintage}, parmi les QPV {among}. Chaque ligne a sa propre échelle, de gauche "
        "à droite par valeurs croissantes.",
        "among": {"country": "de France", "region": "de la région"},
        "own": "Quartier",
        "reference": {
            "commune": "Commune",
            "urban_unit": "Unité urbaine",
            "region": "Région",
            "country": "France métr.",
        },
        "line": "Du minimum au maximum des QPV",
        "box": "Moitié centrale des QPV (quartiles)",
        "median": "Médiane des QPV",
        "doubtful": "Quartier, valeur à interpréter avec prudence",
        "suppressed": "Sans valeur pour le quartier",
        "quarter": "Quartier",
        "nothing": "Aucun QPV n'a de valeur",
        "scope": "{title}, QPV {code} (zonage {vintage}), parmi les QPV {among}",
        "high": "Dans le quart des QPV aux valeurs les plus hautes : {listed}.",
        "low": "Dans le quart des QPV aux valeurs les plus basses : {listed}.",
    },
    "en": {
        "subtitle": "QPV {code}, {vintage} zoning, among the QPV {among}. Each row has its own scale, values growing "
        "from left to right.",
        "among": {"country": "of France", "region": "of the region"},
        "own": "Quarter",
        "reference": {"commune": "Commune", "urban_unit": "Urban unit", "region": "Region", "country": "Metr. France"},
        "line": "From the lowest to the highest QPV",
        "box": "Middle half of the QPV (quartiles)",
        "median": "Median of the QPV",
        "doubtful": "Quarter, value to be read with caution",
        "suppressed": "No value for the quarter",
        "quarter": "Quarter",
        "nothing": "No QPV has a value",
        "scope": "{title}, QPV {code} ({vintage} zoning), among the QPV {among}",
        "high": "In the quarter of QPV with the highest values: {listed}.",
        "low": "In the quarter of QPV with the lowest values: {listed}.",
    },
}


def plot_profile(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    reference: str = "commune",
    among: str = "country",
    lang: str = "fr",
) -> Axes:
    """One QPV across indicators, each on its own scale, with its reference and the distribution of the QPV.

    Parameters
    ----------
    frame : DataFrame
        As `qpv_sante.profiles.positions` gives it, of one QPV; at most 40 rows. Keep the rows and the order to draw.
    ax : Axes, optional
        A new figure by default, sized to its rows and texts.
    reference : {"commune", "urban_unit", "region", "country"}
        Territory of the second marker and of the right column, in the frame's columns.
    among : {"country", "region"}
        QPV of the distribution: all of the zoning, or those of the region.
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    Axes
        The horizontal coordinate of a row is (x - low) / (high - low), with the lowest and highest of all that the row
        shows. Artists bear a `gid`: `range`, `quartiles`, `median`, `value`, `value_unreliable`, `value_interval`,
        `reference`, and `missing` for the hatched rows, whose reason is written beside them.

    Raises
    ------
    SchemaError
        A column is missing, or there is no row.
    ComparabilityError
        Several QPV, an indicator twice, or more than 40 rows.
    UnknownNameError
        Unknown reference, distribution or language.
    """
    language = style.check_lang(lang)
    for given, valid, what in ((reference, REFERENCES, "reference"), (among, AMONG, "among")):
        if given not in valid:
            raise UnknownNameError(f"Unknown {what} {given!r}. {did_you_mean(given, valid)}")
    rows = scaled(frame, reference=reference, among=among)
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        if own:
            style.size_axes(axes, _AXES_WIDTH, _ROW_HEIGHT * (len(rows) + 0.4))
        _frame(axes, rows)
        _draw(axes, rows)
        _write(axes, rows, reference, language)
        _write_around(axes, rows, frame, among, reference, language, share=1.0 if own else 0.85)
        layout.settle(axes, own=own, least=(1.6, 0.24 * len(rows)))
    style.describe(axes, _description(rows, frame, among))
    return axes


def scaled(frame: pd.DataFrame, *, reference: str = "commune", among: str = "country") -> pd.DataFrame:
    """Rows with their marks between 0 and 1: what `plot_profile` draws.

    Parameters
    ----------
    frame : DataFrame
        As `positions` gives it.
    reference, among : str

    Returns
    -------
    DataFrame
        `indicator, flag, source`, the values `value, lower, upper, reference, min, q1, median, q3, max`, their
        scaled positions under the same names preceded by `x_`, and `y`, from 0 on top. A row whose values are all one
        has its marks in the middle; a row without any value has none.
    """
    needed = [*_REQUIRED, f"{reference}_value", *(f"qpv_{among}_{part}" for part in _PARTS)]
    absent = [name for name in needed if name not in frame.columns]
    if absent:
        raise SchemaError(f"plot_profile needs a frame as positions() gives it; missing columns: {', '.join(absent)}.")
    if frame.empty:
        raise SchemaError("plot_profile: the frame has no row, there is nothing to draw.")
    if frame["geo_code"].nunique() > 1:
        listed = ", ".join(frame["geo_code"].unique()[:6])
        raise ComparabilityError(f"plot_profile draws one QPV at a time; got {listed}. Filter on geo_code first.")
    if frame["indicator"].duplicated().any():
        twice = frame.loc[frame["indicator"].duplicated(), "indicator"].iloc[0]
        raise ComparabilityError(f"plot_profile draws an indicator once; {twice} has several rows. Keep one year.")
    if len(frame) > MAX_ROWS:
        raise ComparabilityError(f"plot_profile draws at most {MAX_ROWS} rows, got {len(frame)}: keep some indicators.")
    marks = {
        "value": frame["value"],
        "lower": frame["lower"] if "lower" in frame else frame["value"],
        "upper": frame["upper"] if "upper" in frame else frame["value"],
        "reference": frame[f"{reference}_value"],
        **{part: frame[f"qpv_{among}_{part}"] for part in ("min", "q1", "median", "q3", "max")},
    }
    values = pd.DataFrame({name: pd.to_numeric(column) for name, column in marks.items()}).reset_index(drop=True)
    low, high = values.min(axis=1), values.max(axis=1)
    span = (high - low).where(high > low)
    positions = values.sub(low, axis=0).div(span, axis=0)
    positions = positions.mask(values.notna() & span.isna(), 0.5, axis=0).add_prefix("x_")
    said = frame[["indicator", "flag", "source", "unit", "year_label"]].reset_index(drop=True)
    return pd.concat([said, values, positions], axis=1).assign(y=range(len(frame)))


def _frame(ax: Axes, rows: pd.DataFrame) -> None:
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(len(rows) - 0.45, -0.75)
    ax.set_xticks([])
    for side in ("left", "top", "right", "bottom"):
        ax.spines[side].set_visible(False)


def _draw(ax: Axes, rows: pd.DataFrame) -> None:
    from matplotlib.patches import Rectangle

    y = rows["y"]
    known = rows[rows["x_min"].notna()]
    ax.hlines(known["y"], known["x_min"], known["x_max"], color=_LINE_COLOUR, lw=1.1, zorder=2, gid="range")
    ax.barh(
        known["y"], known["x_q3"] - known["x_q1"], left=known["x_q1"], height=0.4, color=_BOX_COLOUR, zorder=2.5,
        gid="quartiles",
    )  # fmt: skip
    ax.vlines(known["x_median"], known["y"] - 0.24, known["y"] + 0.24, color=_MEDIAN_COLOUR, lw=1.6, zorder=3,
              gid="median")  # fmt: skip
    for one in y[rows["value"].isna()]:
        ax.add_patch(
            Rectangle((0, one - 0.3), 1, 0.5, facecolor="none", edgecolor="#b9b9b9", hatch="//////", linewidth=0,
                      zorder=1, gid="missing")
        )  # fmt: skip
    ax.hlines(y, rows["x_lower"], rows["x_upper"], color=style.QPV_COLOUR, lw=1.6, zorder=3.5, gid="value_interval")
    ax.scatter(
        rows["x_reference"], y, s=34, marker=style.REFERENCE_MARKER, color=style.REFERENCE_COLOUR, edgecolors="white",
        linewidths=0.6, zorder=4, gid="reference",
    )  # fmt: skip
    doubtful = rows["flag"] == "unreliable"
    for part, face, rim, gid in (
        (rows[~doubtful], style.QPV_COLOUR, "white", "value"),
        (rows[doubtful], "white", style.QPV_COLOUR, "value_unreliable"),
    ):
        ax.scatter(
            part["x_value"], part["y"], s=58, marker=style.QPV_MARKER, facecolors=face, edgecolors=rim,
            linewidths=0.6 if gid == "value" else 1.8, zorder=5, gid=gid,
        )  # fmt: skip


def _write(ax: Axes, rows: pd.DataFrame, reference: str, lang: style.Lang) -> None:
    """Names on the left, the ends of each range under it, values on the right."""
    words = _TEXTS[lang]
    names = []
    row: Any
    for row in rows.itertuples():
        known = catalogue().indicator(str(row.indicator))
        unit = known.unit[lang]
        said = f"{known.short[lang]}, {row.year_label}"
        names.append(style.wrap(style.typography(said, lang), 40, max_lines=2))
        symbol = style.unit_symbol(unit)

        def number(value: float, decimals: int = known.decimals, symbol: str = symbol) -> str:
            return style.format_number(value, decimals, lang=lang, symbol=symbol)

        if pd.notna(row.min):
            ends: dict[str, Any] = {"fontsize": 6.5, "color": style.MUTED, "va": "top", "gid": "end"}
            low, high = number(float(row.min)), number(float(row.max))
            # two ends that are near each other would be written over one another
            apart = float(row.x_max) - float(row.x_min) > 0.3
            if apart:
                ax.text(float(row.x_min), row.y + 0.26, low, ha="left", **ends)
                ax.text(float(row.x_max), row.y + 0.26, high, ha="right", **ends)
            else:
                both = low if low == high else f"{low} – {high}"
                middle = (float(row.x_min) + float(row.x_max)) / 2
                ax.text(middle, row.y + 0.26, both, ha="center", **ends)
        else:
            ax.text(
                0.5, row.y, words["nothing"], ha="center", va="center", fontsize=7, color=style.MUTED, style="italic"
            )
        edge: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
        edge |= {"fontsize": style.SMALL_SIZE, "annotation_clip": False}
        if pd.isna(row.value):
            reason = FLAG_LABELS[str(row.flag) if row.flag in MISSING_FLAGS else "unavailable"][lang]
            ax.annotate(style.wrap(reason, 14), (1, row.y), (_OWN_COLUMN, 0), ha="right", color=style.MUTED,
                        style="italic", gid="reason", **{**edge, "fontsize": 7})  # fmt: skip
        else:
            ax.annotate(number(float(row.value)), (1, row.y), (_OWN_COLUMN, 0), ha="right", fontweight="bold",
                        gid="value_text", **edge)  # fmt: skip
        tint = style.REFERENCE_COLOUR if pd.notna(row.reference) else style.MUTED
        ax.annotate(number(row.reference), (1, row.y), (_REFERENCE_COLUMN, 0), ha="right", color=tint,
                    gid="reference_text", **edge)  # fmt: skip
    ax.set_yticks(rows["y"].to_list(), names)
    ax.tick_params("both", length=0, labelsize=style.SMALL_SIZE, labelfontfamily=style.FONT)
    for tick in ax.get_yticklabels():
        tick.set_linespacing(0.95)
    for text, place in ((words["own"], _OWN_COLUMN), (words["reference"][reference], _REFERENCE_COLUMN)):
        ax.annotate(text, (1, 1), (place, -2), xycoords="axes fraction", textcoords="offset points", ha="right",
                    va="bottom", fontsize=style.SMALL_SIZE, color=style.MUTED, annotation_clip=False)  # fmt: skip


def _title(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    communes = first["commune_names"] if "commune_names" in frame else ""
    return f"{first['name']} ({communes})" if communes else str(first["name"])


def _description(rows: pd.DataFrame, frame: pd.DataFrame, among: str) -> style.Description:
    """Where the quarter stands at an end of the distribution, rather than twenty numbers."""
    first = frame.iloc[0]
    languages: tuple[style.Lang, ...] = ("fr", "en")
    scope: dict[str, str] = {}
    said: dict[str, list[str]] = {}
    for lang in languages:
        words = _TEXTS[lang]
        scope[lang] = words["scope"].format(
            title=_title(frame), code=first["geo_code"], vintage=first["geo_vintage"], among=words["among"][among]
        )
        ends = {"high": rows["value"] >= rows["q3"], "low": rows["value"] <= rows["q1"]}
        named = {
            end: ", ".join(catalogue().indicator(str(name)).short[lang] for name in rows.loc[inside, "indicator"])
            for end, inside in ends.items()
        }
        said[lang] = [words[end].format(listed=listed) for end, listed in named.items() if listed]
    return style.Description(
        kind="profile",
        indicator="",
        scope=scope,
        rows=len(rows),
        missing=common.missing_counts(rows["flag"], rows["value"]),
        said=said,
    )


def _write_around(
    ax: Axes, rows: pd.DataFrame, frame: pd.DataFrame, among: str, reference: str, lang: style.Lang, *, share: float
) -> None:
    """Title, legend, notes and sources."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    words = _TEXTS[lang]
    first = frame.iloc[0]
    dot: dict[str, Any] = {"ls": "", "marker": style.QPV_MARKER, "markersize": 7}
    handles: list[Any] = []
    doubtful = rows["flag"] == "unreliable"
    if (rows["value"].notna() & ~doubtful).any():
        handles.append(Line2D([], [], color=style.QPV_COLOUR, label=words["quarter"], **dot))
    if doubtful.any():
        handles.append(
            Line2D([], [], markerfacecolor="white", markeredgecolor=style.QPV_COLOUR, markeredgewidth=1.8,
                   label=words["doubtful"], **dot)
        )  # fmt: skip
    if rows["reference"].notna().any():
        column = f"{reference}_name"
        where = str(first[column]) if column in frame and first[column] else ""
        label = words["reference"][reference] + (f" ({where})" if where and reference != "country" else "")
        handles.append(
            Line2D([], [], ls="", marker=style.REFERENCE_MARKER, markersize=6, color=style.REFERENCE_COLOUR,
                   label=style.wrap(label, 50, max_lines=1))
        )  # fmt: skip
    handles += [
        Line2D([], [], color=_LINE_COLOUR, lw=1.1, label=words["line"]),
        Patch(facecolor=_BOX_COLOUR, label=words["box"]),
        Line2D([], [], ls="", marker="|", markersize=9, markeredgewidth=1.6, color=_MEDIAN_COLOUR,
               label=words["median"]),
    ]  # fmt: skip
    if rows["value"].isna().any():
        handles.append(Patch(facecolor="white", edgecolor="#b9b9b9", hatch="//////", label=words["suppressed"]))
    renderer_left = min(tick.get_window_extent().x0 for tick in ax.get_yticklabels())
    left = (ax.get_window_extent().x0 - renderer_left) / style.root_figure(ax).dpi * 72
    width = (style.width_points(ax) + left + _REFERENCE_COLUMN) * share
    legend = ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(-left / style.width_points(ax), 0), ncols=2,
        fontsize=style.SMALL_SIZE, borderaxespad=0.4, handlelength=1.6, columnspacing=1.4, labelspacing=0.4,
    )  # fmt: skip
    below = legend.get_window_extent().height / style.root_figure(ax).dpi * 72 + 10
    subtitle = words["subtitle"].format(
        code=first["geo_code"], vintage=first["geo_vintage"], among=words["among"][among]
    )
    title = _title(frame)
    style.add_headings(
        ax, style.typography(title, lang), style.typography(subtitle, lang), left=left, above=16, width=width
    )
    sources = [style.source_line(style.source_keys(rows["source"]), lang)]
    style.add_notes(ax, sources, left=left, below=below, width=width)
