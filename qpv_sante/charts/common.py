"""What the charts share: checks of their frames, words around the axes, and how the missing are told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qpv_sante import style
from qpv_sante.errors import ComparabilityError, SchemaError
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS, TOTAL

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 40
MAX_ROWS_OF_BLOCKS = 60  # classes of age or sex, one under the other
ROW_HEIGHT = 0.31  # inches
INTERVALS: dict[str, dict[str, str]] = {
    "fr": {
        "rounding": "Bornes d'arrondi (souvent plus étroites que le symbole)",
        "rounding, secrecy": "Bornes d'arrondi ou, là où des QPV manquent, de secret statistique",
        "rounding, secrecy, weight": "Bornes d'arrondi, de pondération ou, là où des QPV manquent, de secret",
        "secrecy": "Bornes tenant compte du secret statistique",
        "weight": "Bornes d'arrondi et de pondération",
        "extremes": "Bornes extrêmes : QPV sous secret aux valeurs extrêmes",
        "sampling": "Intervalle de confiance (échantillonnage)",
        "process": "Intervalle de confiance (fluctuation aléatoire)",
        "model": "Intervalle du modèle",
        "": "Bornes",
    },
    "en": {
        "rounding": "Rounding bounds (often narrower than the marker)",
        "rounding, secrecy": "Rounding bounds or, where some QPV are missing, secrecy bounds",
        "rounding, secrecy, weight": "Bounds of rounding, of weights and, where some QPV are missing, of secrecy",
        "secrecy": "Bounds that allow for statistical secrecy",
        "weight": "Bounds of rounding and of weights",
        "extremes": "Extreme bounds: withheld QPV at the extreme values",
        "sampling": "Confidence interval (sampling)",
        "process": "Confidence interval (random fluctuation)",
        "model": "Model interval",
        "": "Bounds",
    },
}
NOTHING = {"fr": "Aucune valeur à représenter", "en": "No value to show"}
CIRCULAR = {
    "fr": "Les QPV sont délimités par le revenu : un écart de revenu avec leur environnement est attendu.",
    "en": "QPV are delimited by income: an income gap with their surroundings is expected.",
}
_USED = {
    "fr": ("QPV avec une valeur : {used}/{total}.", "Sans valeur : {listed}."),
    "en": ("QPV with a value: {used}/{total}.", "Without a value: {listed}."),
}
# Marker and face of a missing value, by reason: shapes differ, so that they are told apart in grey
MISSING_MARKERS = {"suppressed": ("s", "white"), "unavailable": ("X", style.UNAVAILABLE_COLOUR),
                   "not_applicable": ("X", "white")}  # fmt: skip


# what says of which figure a row is: it is in every row of any frame of the package
_KEYS = ("indicator", "year", "geo_vintage", "geo_level", "geo_code", "territory", "territory_code", "territory_level")


def check_columns(
    frame: pd.DataFrame, needed: Iterable[str], who: str, maker: str, *, filled: Iterable[str] = _KEYS
) -> None:
    """Refuse a frame that lacks columns, has no row, or does not say in each row of which figure it is.

    Parameters
    ----------
    frame : DataFrame
    needed : iterable of str
        Columns.
    who, maker : str
        The function that draws and the one that makes such frames, for messages.
    filled : iterable of str
        Those of the columns needed that have something in every row.

    Raises
    ------
    SchemaError
        The message names the columns and the function that makes such a frame.
    """
    needed = list(needed)
    absent = [name for name in needed if name not in frame.columns]
    if absent:
        raise SchemaError(f"{who} needs a frame as {maker} gives it; missing columns: {', '.join(absent)}.")
    if frame.empty:
        raise SchemaError(f"{who}: the frame has no row, there is nothing to draw.")
    for name in (name for name in filled if name in needed):
        blank = frame[name].isna().to_numpy()
        if blank.any():
            raise SchemaError(
                f"{who} needs a frame as {maker} gives it; {int(blank.sum())} of {len(frame)} rows have no {name!r}, "
                f"first the row {int(blank.argmax())}."
            )


def check_single(frame: pd.DataFrame, names: Iterable[str], who: str, variable: str) -> None:
    """Refuse a frame where a column holds several values.

    Raises
    ------
    ComparabilityError
        The message names the column, its values and a filter.
    """
    for name in names:
        if name not in frame:
            continue
        values = [value for value in frame[name].dropna().unique() if value != ""]
        if len(values) > 1:
            listed = ", ".join(map(str, values[:6]))
            first = repr(values[0]) if isinstance(values[0], str) else str(values[0])
            raise ComparabilityError(
                f"{who} draws one {name} at a time; got {len(values)}: {listed}. "
                f"Filter first, for example {variable}[{variable}['{name}'] == {first}]."
            )


def check_rows(rows: pd.DataFrame, block: str, who: str, variable: str | None) -> None:
    """Refuse more rows than can be read, with what the caller has not done yet to have fewer.

    Parameters
    ----------
    rows : DataFrame
        What would be drawn, with `age`, `sex` and `level` or `territory_level` where it has them.
    block : str
        Column of the blocks that rows are drawn in, if it has one.
    who : str
        The function, for the message.
    variable : str or None
        Name of the frame that the caller filters; None where it passed an indicator.

    Raises
    ------
    ComparabilityError
        More than 40 rows in a block, or 60 in all.
    """
    most = int(rows[block].value_counts().max()) if block in rows and len(rows) else len(rows)
    if most <= MAX_ROWS and len(rows) <= MAX_ROWS_OF_BLOCKS:
        return
    limit = f"{MAX_ROWS} rows" if most > MAX_ROWS else f"{MAX_ROWS_OF_BLOCKS} rows in blocks"
    got = most if most > MAX_ROWS else len(rows)
    raise ComparabilityError(
        f"{who} draws at most {limit}, got {got}: more cannot be read. {_how_to_split(rows, most, variable)}"
    )


def _how_to_split(rows: pd.DataFrame, most: int, variable: str | None) -> str:
    """One class where classes are too many, else one level, else a smaller territory or a larger grouping."""

    def kept(name: str, value: object) -> str:
        return f"{name}={value!r}" if variable is None else f"{variable}[{variable}[{name!r}] == {value!r}]"

    for name in ("age", "sex") if most <= MAX_ROWS else ():
        found = [str(one) for one in rows[name].dropna().unique()] if name in rows else []
        if len(found) > 1:
            return f"Keep one class: {kept(name, next(one for one in found if one != TOTAL))}."
    for name in ("level", "territory_level", "geo_level"):
        found = [str(one) for one in rows[name].dropna().unique() if one != "country"] if name in rows else []
        if len(found) > 1 and variable is not None:
            return f"Keep one level: {kept(name, found[0])}."
    head = "" if variable is None else f", or keep {variable}.head({MAX_ROWS})"
    return f"Take a smaller territory (territory=) or larger groups (by=){head}."


def missing_counts(flags: pd.Series, values: pd.Series) -> dict[str, int]:
    """Number of rows without a value, by reason; a reason that is not written is `unavailable`.

    Examples
    --------
    >>> missing_counts(pd.Series(["suppressed", "observed", ""]), pd.Series([None, 1.0, None]))
    {'suppressed': 1, 'unavailable': 1}
    """
    without = flags[values.isna().to_numpy()].astype("str")
    reasons = without.where(without.isin(MISSING_FLAGS), "unavailable").value_counts()
    return {flag: int(reasons[flag]) for flag in MISSING_FLAGS if flag in reasons}


def missing_words(missing: Mapping[str, int], lang: style.Lang) -> str:
    """Reasons and numbers: `60 (secret statistique), 3 (non disponible)`."""
    return ", ".join(
        f"{style.format_number(number, 0, lang=lang)} ({FLAG_LABELS[flag][lang]})" for flag, number in missing.items()
    )


def used_note(used: float, total: float, missing: Mapping[str, int], lang: style.Lang) -> str:
    """QPV with a value out of all, then those without one, by reason."""
    numbers = {"used": style.format_number(used, 0, lang=lang), "total": style.format_number(total, 0, lang=lang)}
    first, second = _USED[lang]
    note = first.format(**numbers)
    return f"{note} {second.format(listed=missing_words(missing, lang))}" if missing else note


def interval_label(kinds: Iterable[Any], lang: style.Lang) -> str:
    """Words for what intervals express."""
    named = {str(kind) for kind in kinds if isinstance(kind, str) and kind not in ("", "none")}
    if named <= {"rounding", "weight", "secrecy", "extremes"}:
        # each of these holds what the one before it does
        if "extremes" in named:
            named = {"extremes"}
        elif "weight" in named:
            named = {"rounding", "weight", "secrecy"} if "secrecy" in named else {"weight"}
    return INTERVALS[lang].get(", ".join(sorted(named)), INTERVALS[lang][""])


def spread(positions: Sequence[float], gap: float) -> list[float]:
    """Positions moved apart so that neighbours are at least `gap` from each other, as little as possible.

    Parameters
    ----------
    positions : sequence of float
        Where labels would stand.
    gap : float
        Least distance.

    Returns
    -------
    list of float
        In the order given; groups that collide are centred on their mean.

    Examples
    --------
    >>> spread([10.0, 10.0, 30.0], 4.0)
    [8.0, 12.0, 30.0]
    """
    order = np.argsort(positions, kind="stable")
    # blocks of labels that touch: sum of what their first label would be, and their number (isotonic regression)
    blocks: list[list[float]] = []
    for place, position in enumerate(np.asarray(positions, dtype=float)[order]):
        blocks.append([position - place * gap, 1.0])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
            total, number = blocks.pop()
            blocks[-1][0] += total
            blocks[-1][1] += number
    starts = np.repeat([total / number for total, number in blocks], [int(number) for _, number in blocks])
    moved = np.empty(len(positions))
    moved[order] = starts + gap * np.arange(len(positions))
    return [float(place) for place in moved]


def common_place(codes: Iterable[str], geo_vintage: int) -> str:
    """Name of the smallest territory that holds all these QPV, or France.

    Examples
    --------
    >>> common_place(["QP034001", "QP034003"], 2015), common_place(["QP034001", "QP059001"], 2015)
    ('Béziers', 'France')
    """
    from qpv_sante import loading

    places = loading.gazetteer()
    wanted = set(codes)
    rows = places.qpv[(places.qpv["geo_vintage"] == geo_vintage) & places.qpv["geo_code"].isin(wanted)]
    for column in ("communes", "epci", "department", "region"):
        parts = [set(filter(None, cell.split(";"))) for cell in rows[column]]
        shared = set.intersection(*parts) if parts else set()
        if len(shared) == 1:
            level = "commune" if column == "communes" else column
            return places.name_of(level, shared.pop())
    return "France"


def qpv_labels(codes: Sequence[str], geo_vintage: int) -> list[str]:
    """Names of QPV, told apart by their commune, then by their code, where several bear one name.

    Examples
    --------
    >>> qpv_labels(["QP034001", "QP034003"], 2015)
    ['Centre Ville', 'Devèze']
    """
    from qpv_sante import loading

    qpv = loading.gazetteer().qpv
    known = qpv[qpv["geo_vintage"] == geo_vintage].set_index("geo_code")[["name", "commune_names"]]
    rows = known.reindex(list(codes))
    code = pd.Series(rows.index, index=rows.index, dtype="str")
    names = rows["name"].fillna(code)
    commune = rows["commune_names"].fillna("").str.replace(";", ", ")
    names = names.mask(names.duplicated(keep=False) & (commune != ""), names + " (" + commune + ")")
    return names.mask(names.duplicated(keep=False), names + " [" + code + "]").tolist()


def limits(values: pd.Series, *, floor: float | None = None) -> tuple[float, float]:
    """Ends of a value axis: a margin around the values, from zero where zero is near."""
    known = values.dropna()
    low, high = float(known.min()), float(known.max())
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    if floor == 0 and low <= 0.55 * high:
        return 0.0, high + margin
    return low - margin, high + margin


def value_axis(ax: Axes, name: str, indicator: Any, lang: style.Lang, *, label: bool = True) -> None:
    """Ticks, grid and title of the axis (`x` or `y`) that carries the indicator's values."""
    from matplotlib.ticker import MaxNLocator

    axis = ax.xaxis if name == "x" else ax.yaxis
    axis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(style.axis_formatter(style.unit_symbol(indicator.unit[lang]), lang=lang))
    ax.grid(axis="x" if name == "x" else "y", color=style.RULE, lw=0.6)
    if label:
        unit = style.typography(indicator.unit[lang], lang)
        text = f"{indicator.short[lang]} ({unit})"
        if name == "y":
            # a long unit must not climb over the title
            points = style.width_points(ax) * ax.get_window_extent().height / max(ax.get_window_extent().width, 1)
            text = style.wrap(text, style.characters(points, style.SMALL_SIZE))
        axis.set_label_text(text, fontsize=style.SMALL_SIZE, color=style.MUTED)


def tidy_axes(ax: Axes, *, sides: Sequence[str] = ("left", "top", "right")) -> None:
    """Ticks without marks, in the style's font, and no frame on these sides."""
    ax.tick_params("both", length=0, labelsize=style.TEXT_SIZE, labelfontfamily=style.FONT)
    for side in sides:
        ax.spines[side].set_visible(False)


def say_nothing(ax: Axes, lang: style.Lang) -> None:
    """A word in the middle of axes that have no value to show."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.text(
        0.5, 0.5, NOTHING[lang], transform=ax.transAxes, ha="center", va="center", color=style.MUTED, gid="nothing"
    )  # fmt: skip


def point(marker: str, face: str, label: str, *, edge: str = "white", size: float = 7) -> Any:
    """Entry of a legend for a marker."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], ls="", marker=marker, markerfacecolor=face, markeredgecolor=edge, markersize=size, label=label,
        markeredgewidth=1.6 if face == "white" else 0.5,
    )  # fmt: skip


def bar(label: str, *, colour: str = style.MUTED, style_: Any = "-", width: float = 1.3, marker: str = "|") -> Any:
    """Entry of a legend for an interval or a line."""
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, lw=width, ls=style_, marker=marker, markersize=6, label=label)


def write_around(
    ax: Axes,
    title: str,
    subtitle: Sequence[str],
    handles: Sequence[Any],
    notes: Sequence[str],
    lang: style.Lang,
    *,
    own: bool,
    right: float = 0.0,
    above: float = 6.0,
) -> None:
    """Title, subtitle, legend, notes and sources around axes whose ticks are set.

    Parameters
    ----------
    ax : Axes
    title : str
    subtitle : sequence of str
        Parts, of which the empty ones are left out.
    handles : sequence
        Entries of the legend.
    notes : sequence of str
        Under the legend, the source last.
    lang : {"fr", "en"}
    own : bool
        Whether the figure is ours; a layout engine may yet narrow axes that were given.
    right, above : float
        What is already written right of the axes and above them, in points.
    """
    from matplotlib.transforms import ScaledTranslation

    figure = style.root_figure(ax)
    names = ax.yaxis.get_tightbbox(None)
    inner = ax.get_window_extent()
    left = max(0.0, (inner.x0 - names.x0) / figure.dpi * 72) if names is not None else 0.0
    width = (1.0 if own else 0.85) * (left + style.width_points(ax) + right)
    whole = " · ".join(style.capitalise(part) if i == 0 else part for i, part in enumerate(filter(None, subtitle)))
    style.add_headings(
        ax, style.typography(title, lang), style.typography(whole, lang), left=left, above=above, width=width
    )
    under = ax.xaxis.get_tightbbox(None)
    below = max(8.0, (inner.y0 - under.y0) / figure.dpi * 72 + 8) if under is not None else 8.0
    if handles:
        offset = ScaledTranslation(-left / 72, -below / 72, figure.dpi_scale_trans)
        longest = max(len(str(handle.get_label())) for handle in handles)
        columns = 2 if 2 * (longest + 6) <= style.characters(width, style.SMALL_SIZE) and len(handles) > 1 else 1
        limit = style.characters(width, style.SMALL_SIZE) - 6
        for handle in handles:
            handle.set_label(style.wrap(str(handle.get_label()), limit))
        legend = ax.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=ax.transAxes + offset,
            ncols=columns, fontsize=style.SMALL_SIZE, borderaxespad=0, borderpad=0.2, handletextpad=0.6,
        )  # fmt: skip
        below += legend.get_window_extent().height / figure.dpi * 72 + 8
    written = [style.typography(note, lang) for note in notes]
    style.add_notes(ax, written, left=left, below=below, width=width)
