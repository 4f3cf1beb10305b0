"""Charts: a frame of numbers in, Axes out. Every number is computed before anything is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import style
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import ComparabilityError, SchemaError
from qpv_sante.geography import fold
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_ROWS = 40
_REQUIRED = (
    *("territory", "territory_code", "indicator", "year", "geo_vintage", "reference", "qpv_value"),
    *("reference_value", "difference", "n_used", "n_total", "source"),
)
_OPTIONAL = (
    *("qpv_lower", "qpv_upper", "reference_lower", "reference_upper", "qpv_q1", "qpv_median", "qpv_q3"),
    *("interval", "flag", "sex", "age", "reference_label", "unit", "reference_source"),
)
_ROW_HEIGHT = 0.31  # inches
_AXES_WIDTH = 4.6
_GAP_COLUMN, _REASON_COLUMN = 66.0, 92.0  # points, from the right edge of the axes
_CAP_POINTS = 6.0  # half-width from which the ends of an interval show beside the marker
_TEXTS: dict[str, dict[str, Any]] = {
    "fr": {
        "qpv": "QPV (ensemble du territoire)",
        "one_qpv": "QPV",
        "spread": "QPV : du premier au troisième quartile, trait à la médiane des quartiers",
        "unreliable": "QPV, valeur à interpréter avec prudence",
        "zoning": "Quartiers prioritaires (QPV, zonage {vintage}) et {reference}",
        "gap": "écart",
        "points": "écart (points)",
        "missing": "Sans valeur pour les QPV",
        "no_reference": "réf. non disponible",
        "no_references": "La référence n'a de valeur pour aucune ligne : les écarts ne sont pas calculés.",
        "nothing": "Aucune valeur à représenter",
        "intervals": {
            "rounding": "Bornes d'arrondi (souvent plus étroites que le symbole)",
            "rounding, secrecy": "Bornes d'arrondi ou, là où des QPV manquent, de secret statistique",
            "secrecy": "Bornes tenant compte du secret statistique",
            "sampling": "Intervalle de confiance (échantillonnage)",
            "process": "Intervalle de confiance (fluctuation aléatoire)",
            "model": "Intervalle du modèle",
        },
        "bounds": "Bornes",
        "counts": "À droite de chaque ligne : écart entre les QPV et la référence, puis QPV ayant une valeur sur "
        "l'ensemble des QPV.",
        "circular": "Les QPV sont délimités par le revenu : un écart de revenu avec leur environnement est attendu.",
    },
    "en": {
        "qpv": "QPV (whole territory)",
        "one_qpv": "QPV",
        "spread": "QPV: first to third quartile, line at the median of neighbourhoods",
        "unreliable": "QPV, value to be read with caution",
        "zoning": "Priority neighbourhoods (QPV, {vintage} zoning) and {reference}",
        "gap": "gap",
        "points": "gap (points)",
        "missing": "No value for QPV",
        "no_reference": "no reference value",
        "no_references": "The reference has no value in any row: gaps are not computed.",
        "nothing": "No value to show",
        "intervals": {
            "rounding": "Rounding bounds (often narrower than the marker)",
            "rounding, secrecy": "Rounding bounds or, where some QPV are missing, secrecy bounds",
            "secrecy": "Bounds that allow for statistical secrecy",
            "sampling": "Confidence interval (sampling)",
            "process": "Confidence interval (random fluctuation)",
            "model": "Model interval",
        },
        "bounds": "Bounds",
        "counts": "Right of each row: gap between QPV and reference, then QPV with a value out of all QPV.",
        "circular": "QPV are delimited by income: an income gap with their surroundings is expected.",
    },
}


def plot_gap(comparison: pd.DataFrame, *, ax: Axes | None = None, lang: str = "fr") -> Axes:
    """QPV against their reference, one row a territory, the widest gap on top.

    Parameters
    ----------
    comparison : DataFrame
        As `compare` gives it, of one indicator, year, zoning and reference; at most 40 rows. Needs
        `territory, territory_code, indicator, year, geo_vintage, reference, qpv_value, reference_value,
        difference, n_used, n_total, source`. Where present, `qpv_lower, qpv_upper, reference_lower,
        reference_upper` are drawn as thin bars, and `qpv_q1, qpv_median, qpv_q3` as a distribution in
        rows without `qpv_value` (medians are not aggregated). Values are in the indicator's unit.
    ax : Axes, optional
        A new figure by default, sized to its rows and texts.
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    Axes
        Rows without a value for the QPV come last, with the reason. Artists bear a `gid`: `qpv`,
        `qpv_unreliable`, `reference`, `qpv_interval`, `reference_interval`, `qpv_quartiles`, `qpv_median`.

    Raises
    ------
    SchemaError
        A column is missing, or there is no row.
    ComparabilityError
        Several indicators, years, zonings, classes or references, or more than 40 rows; the message
        says how to split.
    UnknownNameError
        Unknown language or indicator.
    """
    language = style.check_lang(lang)
    rows = _prepare(comparison)
    indicator = catalogue().indicator(str(rows["indicator"].iloc[0]))
    rows = _order(rows, indicator)
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        if own:
            style.size_axes(axes, _AXES_WIDTH, _ROW_HEIGHT * (rows["y"].max() + 1.4))
        _scales(axes, rows, indicator, language)
        _draw_rows(axes, rows)
        _write_columns(axes, rows, indicator, language)
        # a layout engine may yet narrow axes that were given
        _write_around(axes, rows, indicator, language, share=1.0 if own else 0.85)
        if own:
            style.fit_figure(axes)
    return axes


def _prepare(comparison: pd.DataFrame) -> pd.DataFrame:
    absent = [name for name in _REQUIRED if name not in comparison.columns]
    if absent:
        raise SchemaError(f"plot_gap needs a frame as compare() gives it; missing columns: {', '.join(absent)}.")
    if comparison.empty:
        raise SchemaError("plot_gap: the comparison has no row, there is nothing to draw.")
    rows = comparison.reset_index(drop=True)
    rows = rows.assign(**{name: None for name in _OPTIONAL if name not in rows})
    for name in ("indicator", "year", "geo_vintage", "sex", "age", "reference"):
        values = rows[name].dropna().unique()
        if len(values) > 1:
            listed = ", ".join(map(str, values[:6]))
            raise ComparabilityError(
                f"plot_gap draws one {name} at a time; got {len(values)}: {listed}. "
                f"Filter first, for example comparison[comparison['{name}'] == {values[0]!r}]."
            )
    if len(rows) > MAX_ROWS:
        raise ComparabilityError(
            f"plot_gap draws at most {MAX_ROWS} rows, got {len(rows)}: more cannot be read on a page. Split with "
            "compare(..., territory='Occitanie') for one territory, or group with compare(..., by='region')."
        )
    names = [str(name) for name in rows]
    numbers = [name for name in names if name.startswith(("qpv_", "reference_", "n_")) or name == "difference"]
    for name in numbers:
        if name not in ("reference_label", "reference_source"):
            rows[name] = pd.to_numeric(rows[name])
    for name in ("flag", "interval", "sex", "age", "reference_label", "reference_source", "unit"):
        rows[name] = rows[name].astype("object").where(rows[name].notna(), "")
    twins = rows["territory"].duplicated(keep=False)
    code = rows["territory_code"].astype(str).str.partition(":")[2]
    rows["label"] = rows["territory"].astype(str) + (" (" + code + ")").where(twins, "")
    return rows


def _order(rows: pd.DataFrame, indicator: Indicator) -> pd.DataFrame:
    """Rows from top to bottom, with their height `y`, their `gap` and what is drawn of the QPV."""
    rows = rows.assign(drawn="missing")
    rows.loc[rows["qpv_median"].notna(), "drawn"] = "distribution"
    rows.loc[rows["qpv_value"].notna(), "drawn"] = "value"
    point = rows["qpv_value"].fillna(rows["qpv_median"])
    rows["gap"] = rows["difference"].fillna(point - rows["reference_value"])
    # the widest gap is the most unfavourable one, where the indicator has a direction
    keys = {"worse": -rows["gap"], "better": rows["gap"], "neither": -rows["gap"].abs()}
    rows = rows.assign(last=rows["drawn"] == "missing", key=keys[indicator.higher_is])
    rows = rows.assign(folded=rows["label"].map(fold)).sort_values(
        ["last", "key", "folded"], kind="stable", na_position="last", ignore_index=True
    )
    shift = 0.9 if rows["last"].any() and not rows["last"].all() else 0.0
    rows["y"] = rows.index + shift * rows["last"]
    return rows.drop(columns=["key", "folded"])


def _scales(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_ylim(rows["y"].max() + 0.7, -0.7)
    short = [style.wrap(name, 34) for name in rows["label"]]
    names = [text if text.count("\n") < 2 else style.wrap(text, 44, max_lines=3) for text in short]
    ax.set_yticks(rows["y"].to_list(), names)
    ax.tick_params("both", length=0, labelsize=style.TEXT_SIZE, labelfontfamily=style.FONT)
    for tick, last, text in zip(ax.get_yticklabels(), rows["last"], short, strict=True):
        tick.set_color(style.MUTED if last else style.INK)
        tick.set_linespacing(0.95)
        if text.count("\n") > 1:
            tick.set_fontsize(7)
    for side in ("left", "top", "right"):
        ax.spines[side].set_visible(False)
    values = pd.concat([rows[name] for name in rows if name in _drawn_columns()]).dropna()
    if values.empty:
        ax.set_xlim(0, 1)
        ax.set_xticks([])
        ax.spines["bottom"].set_visible(False)
        middle = float(rows["y"].mean())
        ax.text(0.5, middle, _TEXTS[lang]["nothing"], ha="center", va="center", color=style.MUTED, gid="nothing")
        return
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.05 * abs(high) or 1.0
    if indicator.range and indicator.range[0] == 0 and low <= 0.55 * high:
        low = 0.0
    ax.set_xlim(low if low == 0 else low - margin, high + margin)
    symbol = style.unit_symbol(indicator.unit[lang])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(style.axis_formatter(symbol, lang=lang))
    ax.grid(axis="x", color=style.RULE, lw=0.6)
    unit = style.typography(indicator.unit[lang], lang)
    ax.set_xlabel(f"{indicator.short[lang]} ({unit})", fontsize=style.SMALL_SIZE, color=style.MUTED, labelpad=4)


def _drawn_columns() -> tuple[str, ...]:
    sides = [f"{side}_{end}" for side in ("qpv", "reference") for end in ("value", "lower", "upper")]
    return (*sides, "qpv_q1", "qpv_median", "qpv_q3")


def _draw_rows(ax: Axes, rows: pd.DataFrame) -> None:
    both = rows[(rows["drawn"] == "value") & rows["reference_value"].notna()]
    ax.hlines(both["y"], both["qpv_value"], both["reference_value"], color="#c4c4c4", lw=2.6, zorder=1, gid="gap")
    spread = rows[rows["drawn"] == "distribution"]
    box = spread.dropna(subset=["qpv_q1", "qpv_q3"])
    colour = style.QPV_COLOUR
    span = ax.get_xlim()
    points = style.width_points(ax) / (span[1] - span[0])
    ax.hlines(box["y"], box["qpv_q1"], box["qpv_q3"], color=colour, alpha=0.55, lw=8, zorder=2, gid="qpv_quartiles")
    ax.vlines(
        spread["qpv_median"], spread["y"] - 0.32, spread["y"] + 0.32, color="#8c4a00", lw=2, zorder=3, gid="qpv_median"
    )
    for side, tint in (("qpv", colour), ("reference", style.REFERENCE_COLOUR)):
        ends = rows.dropna(subset=[f"{side}_lower", f"{side}_upper"])
        ends = ends[ends["drawn"] != "distribution"] if side == "qpv" else ends
        lower, upper, gid = ends[f"{side}_lower"], ends[f"{side}_upper"], f"{side}_interval"
        ax.hlines(ends["y"], lower, upper, color=tint, lw=1.4, zorder=2.5, gid=gid)
        wide = (upper - lower) / 2 * points > _CAP_POINTS
        for edge in (lower[wide], upper[wide]):
            ax.vlines(edge, ends.loc[wide, "y"] - 0.13, ends.loc[wide, "y"] + 0.13, color=tint, lw=1.2, zorder=2.5)
    known = rows[rows["reference_value"].notna()]
    ax.scatter(
        known["reference_value"], known["y"], s=34, marker=style.REFERENCE_MARKER, color=style.REFERENCE_COLOUR,
        edgecolors="white", linewidths=0.6, zorder=4, gid="reference",
    )  # fmt: skip
    values = rows[rows["drawn"] == "value"]
    doubtful = values["flag"] == "unreliable"
    for part, face, rim, gid in (
        (values[~doubtful], colour, "white", "qpv"),
        (values[doubtful], "white", colour, "qpv_unreliable"),
    ):
        ax.scatter(
            part["qpv_value"], part["y"], s=58, marker=style.QPV_MARKER, facecolors=face, edgecolors=rim,
            linewidths=0.6 if gid == "qpv" else 1.8, zorder=5, gid=gid,
        )  # fmt: skip


def _write_columns(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> None:
    """Gap, or reason of its absence, and number of QPV, right of each row."""
    words = _TEXTS[lang]
    symbol = style.unit_symbol(indicator.unit[lang])
    edge: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
    small: dict[str, Any] = {"fontsize": style.SMALL_SIZE, "annotation_clip": False}
    shown = bool(rows["gap"].notna().any())
    row: Any
    for row in rows.itertuples():
        missing = row.drawn == "missing"
        if missing:
            text = FLAG_LABELS[row.flag if row.flag in MISSING_FLAGS else "unavailable"][lang]
        elif pd.isna(row.gap):
            text = words["no_reference"] if shown else ""
        else:
            mark = "" if symbol == "%" else symbol
            text = style.format_number(row.gap, indicator.decimals, lang=lang, sign=True, symbol=mark)
        tint = style.MUTED if missing or pd.isna(row.gap) else style.INK
        slope = "italic" if missing or pd.isna(row.gap) else "normal"
        # reasons are longer than numbers: they start at the edge of the axes
        x, side = (6.0, "left") if slope == "italic" else (_GAP_COLUMN, "right")
        ax.annotate(text, (1, row.y), (x, 0), ha=side, color=tint, style=slope, gid="gap_text", **edge, **small)
        count = _count(row.n_used, row.n_total, lang)
        place = (_count_edge(rows), 0)
        ax.annotate(count, (1, row.y), place, ha="right", color=style.MUTED, gid="count", **edge, **small)
    if shown:
        head = words["points"] if symbol == "%" else words["gap"]
        ax.annotate(head, (1, -0.62), (_GAP_COLUMN, 2), ha="right", color=style.MUTED, gid="head",
                    **{**edge, "va": "bottom"}, **small)  # fmt: skip
    if rows["last"].any() and not rows["last"].all():
        line = rows.loc[rows["last"], "y"].min() - 0.62
        ax.plot([0, 1], [line, line], transform=ax.get_yaxis_transform(), color=style.RULE, lw=0.8)
        ax.annotate(words["missing"], (0, line), (4, -2), xycoords=("axes fraction", "data"), va="top",
                    textcoords="offset points", color=style.MUTED, fontsize=style.NOTE_SIZE, gid="missing")  # fmt: skip


def _count_edge(rows: pd.DataFrame) -> float:
    """Right edge of the column of counts, in points from the axes: reasons take more room than gaps."""
    told = rows["last"].any() or (rows["gap"].notna().any() and rows["gap"].isna().any())
    edge = _REASON_COLUMN if told else _GAP_COLUMN if rows["gap"].notna().any() else 0.0
    counts = [_count(used, total, "fr") for used, total in zip(rows["n_used"], rows["n_total"], strict=True)]
    return edge + 18 + 0.6 * style.SMALL_SIZE * max(map(len, counts))


def _count(used: float, total: float, lang: style.Lang) -> str:
    return f"{style.format_number(used, 0, lang=lang)}/{style.format_number(total, 0, lang=lang)} QPV"


def _reference_label(rows: pd.DataFrame, lang: style.Lang) -> str:
    """Words of the package for its named references, else those of the frame (a territory's name)."""
    from qpv_sante.references import REFERENCES

    reference = str(rows["reference"].iloc[0])
    named = REFERENCES.get(reference, {}).get(lang, "")
    return named or str(rows["reference_label"].iloc[0]) or reference


def _legend(ax: Axes, rows: pd.DataFrame, reference: str, lang: style.Lang) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    words = _TEXTS[lang]

    def point(marker: str, face: str, edge: str, label: str, size: float = 7) -> Line2D:
        return Line2D(
            [], [], ls="", marker=marker, markerfacecolor=face, markeredgecolor=edge, markersize=size, label=label,
            markeredgewidth=1.6 if face == "white" else 0.5,
        )  # fmt: skip

    values = rows[rows["drawn"] == "value"]
    doubtful = (values["flag"] == "unreliable").sum()
    handles: list[Any] = []
    if len(values) > doubtful:
        alone = bool((values["n_total"] <= 1).all())
        handles.append(point(style.QPV_MARKER, style.QPV_COLOUR, "white", words["one_qpv" if alone else "qpv"]))
    if doubtful:
        handles.append(point(style.QPV_MARKER, "white", style.QPV_COLOUR, words["unreliable"]))
    if (rows["drawn"] == "distribution").any():
        label = style.typography(words["spread"], lang)
        handles.append(Patch(facecolor=style.QPV_COLOUR, alpha=0.55, edgecolor="#8c4a00", label=label))
    if rows["reference_value"].notna().any():
        label = style.capitalise(reference)
        handles.append(point(style.REFERENCE_MARKER, style.REFERENCE_COLOUR, "white", label, 6))
    drawn = rows[rows[["qpv_lower", "reference_lower"]].notna().any(axis=1)]
    if len(drawn):
        kinds = ", ".join(sorted(set(drawn["interval"])))
        label = words["intervals"].get(kinds, words["bounds"])
        handles.append(Line2D([], [], color=style.MUTED, lw=1.3, marker="|", markersize=6, label=label))
    return handles


def _write_around(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang, *, share: float) -> None:
    """Title, subtitle, legend, notes and sources, on a share of the width in view."""
    from matplotlib.transforms import ScaledTranslation

    words = _TEXTS[lang]
    first = rows.iloc[0]
    figure = style.root_figure(ax)
    names = ax.yaxis.get_tightbbox(None)
    inner = ax.get_window_extent()
    left = (inner.x0 - names.x0) / figure.dpi * 72 if names is not None else 0.0
    width = share * (left + style.width_points(ax) + _count_edge(rows))
    reference = _reference_label(rows, lang)
    keys = style.source_keys(rows["source"])
    parts = [
        style.capitalise(words["zoning"].format(vintage=first["geo_vintage"], reference=reference)),
        style.classes_label(first["sex"] or "_T", first["age"] or "_T", lang),
        style.year_label(indicator, keys, int(first["year"]), lang),
    ]
    title = style.typography(indicator.label[lang], lang)
    style.add_headings(ax, title, " · ".join(filter(None, parts)), left=left, above=20, width=width)
    handles = _legend(ax, rows, reference, lang)
    below = 34.0 if ax.get_xlabel() else 8.0
    if handles:
        offset = ScaledTranslation(-left / 72, -below / 72, figure.dpi_scale_trans)
        longest = max(len(handle.get_label()) for handle in handles)
        columns = 2 if 2 * (longest + 6) <= style.characters(width, style.SMALL_SIZE) and len(handles) > 1 else 1
        legend = ax.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=ax.transAxes + offset,
            ncols=columns, fontsize=style.SMALL_SIZE, borderaxespad=0, borderpad=0.2, handletextpad=0.6,
        )  # fmt: skip
        below += legend.get_window_extent().height / figure.dpi * 72 + 8
    outside = style.source_keys(rows["reference_source"])
    no_reference = not rows["last"].all() and rows["gap"].isna().all()
    first_note = words["no_references"] if no_reference else words["counts"]
    notes = [first_note, words["circular"] if indicator.selects_qpv else ""]
    sources = style.source_line(sorted({*keys, *outside}), lang)
    style.add_notes(ax, [*(style.typography(n, lang) for n in notes), sources], left=left, below=below, width=width)
