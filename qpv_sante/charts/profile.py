"""One neighbourhood or territory on every indicator: each row on its own scale, among the QPV of the zoning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import layout, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import catalogue
from qpv_sante.charts import common
from qpv_sante.charts.profile_rows import scaled
from qpv_sante.charts.profile_words import TERRITORY_TEXTS, TEXTS
from qpv_sante.errors import UnknownNameError, did_you_mean
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS
from qpv_sante.profiles.values import NOTES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AMONG = ("country", "region")
REFERENCES = ("commune", "urban_unit", "region", "country")
_ROW_HEIGHT, _AXES_WIDTH = 0.36, 3.9  # inches
_OWN_COLUMN, _REFERENCE_COLUMN = 58.0, 122.0  # points, from the right edge of the axes
_BOX_COLOUR, _LINE_COLOUR, _MEDIAN_COLOUR = "#c9d8ea", "#8a8a8a", "#3b3b3b"
# keeps a text readable on a hatched row
_PATCH: dict[str, Any] = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
# bounds narrower than this share of a row are under the marker
_VISIBLE = 0.04


@checked
def plot_profile(
    frame: pd.DataFrame,
    *,
    ax: Axes | None = None,
    reference: str = "commune",
    among: str = "country",
    lang: str = "fr",
) -> Axes:
    """One QPV or territory across indicators, each on its own scale, with its reference and the spread of the QPV.

    Parameters
    ----------
    frame : DataFrame
        As `positions` gives it, of one QPV or one territory; at most 40 rows. Keep the rows and the order to draw.
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
        `reference`, and `missing` for the hatched rows, whose reason is written beside them. For a territory, `count`
        gives its QPV with a value out of all; a count has no mark: the total of several QPV has no place among them.

    Raises
    ------
    SchemaError
        A column is missing, or there is no row.
    ComparabilityError
        Several QPV or territories, an indicator twice, more than 40 rows, or the distribution of the region of a
        territory that lies in none or in several.
    UnknownNameError
        Unknown reference, distribution or language.

    Examples
    --------
    >>> from qpv_sante import positions
    >>> ax = plot_profile(positions("Béziers", 2024))
    >>> [text.get_text() for text in ax.texts if text.get_gid() == "count"]
    ['3/3', '3/3', '3/3', '3/3', '3/3']
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
        _write(axes, rows, _words(frame, language), reference, language)
        _write_around(axes, rows, frame, among, reference, language, share=1.0 if own else 0.85)
        layout.settle(axes, own=own, least=(1.6, 0.24 * len(rows)))
    style.describe(axes, _description(rows, frame, among))
    return axes


def _of_territory(frame: pd.DataFrame) -> bool:
    return str(frame["geo_level"].iloc[0]) != "qpv"


def _words(frame: pd.DataFrame, lang: style.Lang) -> dict[str, Any]:
    """Texts of the figure of a QPV, or of a territory."""
    words = TEXTS[lang]
    if not _of_territory(frame):
        return words
    territory = words | TERRITORY_TEXTS[lang]
    single = {
        reference: word
        for reference, word in words["reference"].items()
        if f"{reference}_n_places" in frame and frame[f"{reference}_n_places"].iloc[0] == 1
    }
    return territory | {"reference": territory["reference"] | single}


def _filled(words: dict[str, Any], name: str, frame: pd.DataFrame, among: str, lang: style.Lang) -> str:
    """A text with the name, the zoning and the number of QPV of what is drawn."""
    first = frame.iloc[0]
    number = int(first["n_total"])
    text = words[f"{name}_one" if number == 1 and _of_territory(frame) else name]
    said = text.format(
        title=_title(frame),
        code=first["geo_code"],
        vintage=first["geo_vintage"],
        among=words["among"][among],
        number=style.format_number(number, 0, lang=lang),
    )
    return str(said)


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


def _write(ax: Axes, rows: pd.DataFrame, words: dict[str, Any], reference: str, lang: style.Lang) -> None:
    """Names on the left, the ends of each range under it, values on the right."""
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

        if pd.notna(row.x_min):
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
            total = row.total and row.n_used > 0
            bounded = total and pd.isna(row.value) and pd.notna(row.upper)
            said = words["total_bounds" if bounded else "total" if total else "nothing"]
            said = said.format(lower=number(float(row.lower)), upper=number(float(row.upper)))
            ax.text(0.5, row.y, style.typography(said, lang), ha="center", va="center", fontsize=7, color=style.MUTED,
                    style="italic", gid="nothing", bbox=_PATCH)  # fmt: skip
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
        if "used" in words:
            counted = [style.format_number(number, 0, lang=lang) for number in (row.n_used, row.n_total)]
            ax.annotate("/".join(counted), (1, row.y), (_count_column(rows), 0), ha="right", color=style.MUTED,
                        gid="count", **edge)  # fmt: skip
    ax.set_yticks(rows["y"].to_list(), names)
    ax.tick_params("both", length=0, labelsize=style.SMALL_SIZE, labelfontfamily=style.FONT)
    for tick in ax.get_yticklabels():
        tick.set_linespacing(0.95)
    heads = [(words["own"], _OWN_COLUMN), (words["reference"][reference], _REFERENCE_COLUMN)]
    heads += [(words["used"], _count_column(rows))] if "used" in words else []
    for text, place in heads:
        ax.annotate(text, (1, 1), (place, -2), xycoords="axes fraction", textcoords="offset points", ha="right",
                    va="bottom", fontsize=style.SMALL_SIZE, color=style.MUTED, linespacing=1.0, gid="head",
                    annotation_clip=False)  # fmt: skip


def _count_column(rows: pd.DataFrame) -> float:
    """Right edge of the QPV with a value out of all: thousands of them need room."""
    digits = len(str(rows["n_used"].max())) + len(str(rows["n_total"].max()))
    return _REFERENCE_COLUMN + max(52.0, 7.0 * digits + 18)


def _title(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    communes = first["commune_names"] if "commune_names" in frame else ""
    return f"{first['name']} ({communes})" if communes else str(first["name"])


def _description(rows: pd.DataFrame, frame: pd.DataFrame, among: str) -> style.Description:
    """Where the subject stands at an end of the distribution, rather than twenty numbers."""
    languages: tuple[style.Lang, ...] = ("fr", "en")
    scope: dict[str, str] = {}
    said: dict[str, list[str]] = {}
    for lang in languages:
        words = _words(frame, lang)
        scope[lang] = _filled(words, "scope", frame, among, lang)
        placed = ~rows["total"]
        ends = {"high": placed & (rows["value"] >= rows["q3"]), "low": placed & (rows["value"] <= rows["q1"])}
        named = {
            end: ", ".join(catalogue().indicator(str(name)).short[lang] for name in rows.loc[inside, "indicator"])
            for end, inside in ends.items()
        }
        said[lang] = [words[end].format(listed=listed) for end, listed in named.items() if listed]
        if _of_territory(frame):
            said[lang].insert(0, _counted(words, rows, lang))
    return style.Description(
        kind="profile_territory" if _of_territory(frame) else "profile",
        indicator="",
        scope=scope,
        rows=len(rows),
        missing=common.missing_counts(rows["flag"], rows["value"]),
        said=said,
    )


def _counted(words: dict[str, Any], rows: pd.DataFrame, lang: style.Lang) -> str:
    """QPV of the territory with a value: least and most over the indicators."""
    ends = {"least": rows["n_used"].min(), "most": rows["n_used"].max(), "number": rows["n_total"].max()}
    text = words["counted" if ends["least"] == ends["most"] else "counted_from"]
    return str(text.format(**{name: style.format_number(end, 0, lang=lang) for name, end in ends.items()}))


def _write_around(
    ax: Axes, rows: pd.DataFrame, frame: pd.DataFrame, among: str, reference: str, lang: style.Lang, *, share: float
) -> None:
    """Title, legend, notes and sources."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    words = _words(frame, lang)
    first = frame.iloc[0]
    last_column = _count_column(rows) if "used" in words else _REFERENCE_COLUMN
    marked = rows[~rows["total"]]
    dot: dict[str, Any] = {"ls": "", "marker": style.QPV_MARKER, "markersize": 7}
    handles: list[Any] = []
    doubtful = marked["flag"] == "unreliable"
    if (marked["value"].notna() & ~doubtful).any():
        handles.append(Line2D([], [], color=style.QPV_COLOUR, label=words["quarter"], **dot))
    if doubtful.any():
        handles.append(
            Line2D([], [], markerfacecolor="white", markeredgecolor=style.QPV_COLOUR, markeredgewidth=1.8,
                   label=words["doubtful"], **dot)
        )  # fmt: skip
    if rows["reference"].notna().any():
        column = f"{reference}_name"
        where = str(first[column]) if column in frame and first[column] else ""
        label = words["reference"][reference].replace("\n", " ") + (
            f" ({where})" if where and reference != "country" else ""
        )
        handles.append(
            Line2D([], [], ls="", marker=style.REFERENCE_MARKER, markersize=6, color=style.REFERENCE_COLOUR,
                   label=style.wrap(label, 50, max_lines=1))
        )  # fmt: skip
    wide = marked[marked["x_upper"] - marked["x_lower"] > _VISIBLE]
    if len(wide):
        handles.append(
            Line2D([], [], color=style.QPV_COLOUR, lw=1.6, label=common.interval_label(wide["interval"], lang))
        )
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
    width = (style.width_points(ax) + left + last_column) * share
    legend = ax.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(-left / style.width_points(ax), 0), ncols=2,
        fontsize=style.SMALL_SIZE, borderaxespad=0.4, handlelength=1.6, columnspacing=1.4, labelspacing=0.4,
    )  # fmt: skip
    below = legend.get_window_extent().height / style.root_figure(ax).dpi * 72 + 10
    title, subtitle = _title(frame), _filled(words, "subtitle", frame, among, lang)
    # headings stand above those of the columns, on two lines for a territory
    above = 16 if "used" not in words else 26
    style.add_headings(
        ax, style.typography(title, lang), style.typography(subtitle, lang), left=left, above=above, width=width
    )
    total = words["total_note"] if rows["total"].any() else ""
    notes = [
        _not_pooled(rows, lang),
        style.typography(total, lang),
        style.source_line(style.source_keys(rows["source"]), lang),
    ]
    style.add_notes(ax, notes, left=left, below=below, width=width)


def _not_pooled(rows: pd.DataFrame, lang: style.Lang) -> str:
    """Why some indicators of several QPV have no value together."""
    if not (rows["flag"] == "not_applicable").any():
        return ""
    said = f"{FLAG_LABELS['not_applicable'][lang]}{' : ' if lang == 'fr' else ': '}{NOTES['not_pooled'][lang]}."
    return style.typography(style.capitalise(said), lang)
