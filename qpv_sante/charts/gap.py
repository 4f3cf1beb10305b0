"""QPV, or a larger territory, against their reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import layout, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.charts import common
from qpv_sante.charts.gap_rows import TEXTS, order, prepare
from qpv_sante.geography import LEVELS
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_AXES_WIDTH = 4.6
_GAP_COLUMN, _REASON_COLUMN = 66.0, 92.0  # points, from the right edge of the axes
_CAP_POINTS = 6.0  # half-width from which the ends of an interval show beside the marker


@checked
def plot_gap(comparison: pd.DataFrame, *, ax: Axes | None = None, lang: str = "fr") -> Axes:
    """QPV against their reference, one row a territory, the widest gap on top.

    Parameters
    ----------
    comparison : DataFrame
        As `compare` gives it, of one indicator, year, zoning and reference; at most 40 rows. Several classes of age or
        sex are so many blocks, each under its name. Needs
        `territory, territory_code, indicator, year, geo_vintage, reference, qpv_value, reference_value,
        difference, n_used, n_total, source`. Where present, `qpv_lower, qpv_upper, reference_lower,
        reference_upper` are drawn as thin bars, and `qpv_q1, qpv_median, qpv_q3` as a distribution in
        rows without `qpv_value` (medians are not aggregated). Values are in the indicator's unit.
        For an indicator that is not published by QPV (depression), the frame compares regions or departments
        with the country: they are drawn in another colour and shape, with `n`, and their survey contrasts are left
        to `plot_levels`.
    ax : Axes, optional
        A new figure by default, sized to its rows and texts.
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    Axes
        Rows without a value for the QPV come last, with the reason. Artists bear a `gid`: `qpv`,
        `qpv_unreliable`, `reference`, `qpv_interval`, `reference_interval`, `qpv_quartiles`, `qpv_median`;
        `territory` in place of `qpv` for the values of larger territories; `facet`, the name of a block.

    Raises
    ------
    SchemaError
        A column is missing, or there is no row.
    ComparabilityError
        Several indicators, years, zonings or references, or more than 40 rows; the message
        says how to split.
    UnknownNameError
        Unknown language or indicator.

    Examples
    --------
    >>> from qpv_sante import compare
    >>> gap = compare("poverty_rate", geo_vintage=2015, year=2019, by="commune", territory="Béziers")
    >>> [label.get_text() for label in plot_gap(gap).get_yticklabels()]
    ['Béziers']
    """
    language = style.check_lang(lang)
    rows = prepare(comparison)
    indicator = catalogue().indicator(str(rows["indicator"].iloc[0]))
    rows = order(rows, indicator)
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        if own:
            style.size_axes(axes, _AXES_WIDTH, common.ROW_HEIGHT * (rows["y"].max() + 1.4))
        _scales(axes, rows, indicator, language)
        _draw_rows(axes, rows)
        _write_columns(axes, rows, indicator, language)
        _write_around(axes, rows, indicator, language, own=own)
        layout.settle(axes, own=own, least=(1.2, 0.16 * (rows["y"].max() + 1.4)))
    style.describe(axes, _description(rows, indicator))
    return axes


def _scales(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> None:
    several = rows["facet"].nunique() > 1
    ax.set_ylim(rows["y"].max() + 0.7, -1.3 if several else -0.7)
    for block in rows.drop_duplicates("facet").itertuples() if several else ():
        ax.annotate(style.capitalise(style.classes_label(block.sex or "_T", block.age or "_T", lang)),
                    (0, block.y - 0.75), (2, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                    va="center", fontweight="bold", fontsize=style.NOTE_SIZE, color=style.MUTED, gid="facet",
                    zorder=6, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
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
        ax.text(0.5, middle, common.NOTHING[lang], ha="center", va="center", color=style.MUTED, gid="nothing")
        return
    ax.set_xlim(common.limits(values, floor=indicator.range[0] if indicator.range else None))
    common.value_axis(ax, "x", indicator, lang)


def _drawn_columns() -> tuple[str, ...]:
    sides = [f"{side}_{end}" for side in ("qpv", "reference") for end in ("value", "lower", "upper")]
    return (*sides, "qpv_q1", "qpv_median", "qpv_q3")


def _draw_rows(ax: Axes, rows: pd.DataFrame) -> None:
    both = rows[(rows["drawn"] == "value") & rows["reference_value"].notna()]
    ax.hlines(both["y"], both["qpv_value"], both["reference_value"], color="#c4c4c4", lw=2.6, zorder=1, gid="gap")
    spread = rows[rows["drawn"] == "distribution"]
    box = spread.dropna(subset=["qpv_q1", "qpv_q3"])
    subject = str(rows["subject"].iloc[0])
    colour, marker = _look(subject)
    span = ax.get_xlim()
    points = style.width_points(ax) / (span[1] - span[0])
    ax.hlines(box["y"], box["qpv_q1"], box["qpv_q3"], color=colour, alpha=0.55, lw=8, zorder=2, gid="qpv_quartiles")
    ax.vlines(
        spread["qpv_median"], spread["y"] - 0.32, spread["y"] + 0.32, color="#8c4a00", lw=2, zorder=3, gid="qpv_median"
    )
    for side, tint in (("qpv", colour), ("reference", style.REFERENCE_COLOUR)):
        ends = rows.dropna(subset=[f"{side}_lower", f"{side}_upper"])
        ends = ends[ends["drawn"] != "distribution"] if side == "qpv" else ends
        lower, upper, gid = (
            ends[f"{side}_lower"],
            ends[f"{side}_upper"],
            f"{subject if side == 'qpv' else side}_interval",
        )
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
        (values[~doubtful], colour, "white", subject),
        (values[doubtful], "white", colour, f"{subject}_unreliable"),
    ):
        ax.scatter(
            part["qpv_value"], part["y"], s=58, marker=marker, facecolors=face, edgecolors=rim,
            linewidths=0.6 if gid == subject else 1.8, zorder=5, gid=gid,
        )  # fmt: skip


def _look(subject: str) -> tuple[str, str]:
    """Colour and marker of QPV, or of a larger territory, which must not be taken for one."""
    return (
        (style.QPV_COLOUR, style.QPV_MARKER) if subject == "qpv" else (style.TERRITORY_COLOUR, style.TERRITORY_MARKER)
    )


def _write_columns(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> None:
    """Gap, or reason of its absence, and number of QPV, right of each row."""
    words = TEXTS[lang]
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
        count = _count(row.n_used, row.n_total, row.subject, lang)
        place = (_count_edge(rows), 0)
        ax.annotate(count, (1, row.y), place, ha="right", color=style.MUTED, gid="count", **edge, **small)
    if shown:
        head = words["points"] if symbol == "%" else words["gap"]
        ax.annotate(head, (1, rows["y"].min() - 0.62), (_GAP_COLUMN, 2), ha="right", color=style.MUTED, gid="head",
                    **{**edge, "va": "bottom"}, **small)  # fmt: skip
    if rows["last"].any() and not rows["last"].all() and rows["facet"].nunique() == 1:
        line = rows.loc[rows["last"], "y"].min() - 0.62
        said = "missing" if rows["subject"].iloc[0] == "qpv" else "territory_missing"
        ax.plot([0, 1], [line, line], transform=ax.get_yaxis_transform(), color=style.RULE, lw=0.8)
        ax.annotate(words[said], (0, line), (4, -2), xycoords=("axes fraction", "data"), va="top",
                    textcoords="offset points", color=style.MUTED, fontsize=style.NOTE_SIZE, gid="missing")  # fmt: skip


def _count_edge(rows: pd.DataFrame) -> float:
    """Right edge of the column of counts, in points from the axes: reasons take more room than gaps."""
    told = rows["last"].any() or (rows["gap"].notna().any() and rows["gap"].isna().any())
    edge = _REASON_COLUMN if told else _GAP_COLUMN if rows["gap"].notna().any() else 0.0
    told_counts = zip(rows["n_used"], rows["n_total"], rows["subject"], strict=True)
    return edge + 18 + 0.6 * style.SMALL_SIZE * max(len(_count(*one, "fr")) for one in told_counts)


def _count(used: float, total: float, subject: str, lang: style.Lang) -> str:
    """QPV with a value out of all; of a survey, the number of people asked."""
    if subject == "territory":
        return "" if pd.isna(used) else f"n = {style.format_number(used, 0, lang=lang)}"
    return f"{style.format_number(used, 0, lang=lang)}/{style.format_number(total, 0, lang=lang)} QPV"


def _reference_label(rows: pd.DataFrame, lang: style.Lang) -> str:
    """Words of the package for its named references, else those of the frame (a territory's name)."""
    from qpv_sante.references import REFERENCES

    reference = str(rows["reference"].iloc[0])
    own = str(rows["reference_label"].iloc[0])
    if rows["subject"].iloc[0] == "territory":
        return TEXTS[lang]["country"] if reference == "country" else own or reference
    return REFERENCES.get(reference, {}).get(lang, "") or own or reference


def _legend(rows: pd.DataFrame, reference: str, lang: style.Lang) -> list[Any]:
    from matplotlib.patches import Patch

    words = TEXTS[lang]
    subject = str(rows["subject"].iloc[0])
    colour, marker = _look(subject)
    values = rows[rows["drawn"] == "value"]
    doubtful = (values["flag"] == "unreliable").sum()
    level = _level(rows, lang)
    alone = subject == "qpv" and bool((values["n_total"] <= 1).all())
    plain = words["one_qpv" if alone else subject].format(level=level)
    handles: list[Any] = []
    if len(values) > doubtful:
        handles.append(common.point(marker, colour, plain))
    if doubtful:
        said = words["unreliable" if subject == "qpv" else "territory_unreliable"].format(level=level)
        handles.append(common.point(marker, "white", said, edge=colour))
    if (rows["drawn"] == "distribution").any():
        label = style.typography(words["spread"], lang)
        handles.append(Patch(facecolor=colour, alpha=0.55, edgecolor="#8c4a00", label=label))
    if rows["reference_value"].notna().any():
        label = style.capitalise(reference)
        handles.append(common.point(style.REFERENCE_MARKER, style.REFERENCE_COLOUR, label, size=6))
    drawn = rows[rows[["qpv_lower", "reference_lower"]].notna().any(axis=1)]
    if len(drawn):
        handles.append(common.bar(common.interval_label(drawn["interval"], lang)))
    return handles


def _level(rows: pd.DataFrame, lang: style.Lang) -> str:
    """Word for the level of the territories, in the language of the figure and not of the frame."""
    from qpv_sante.listing import level_label

    words = TEXTS[lang]
    level = str(rows["territory_code"].iloc[0]).partition(":")[0]
    # a composite territory is of no official level: the place itself is named beside it
    return style.capitalise(level_label(level, lang) if level in LEVELS else words["composite"])


def _scope(rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> list[str]:
    """What is compared with what, classes and year, in words."""
    words, first = TEXTS[lang], rows.iloc[0]
    reference = _reference_label(rows, lang)
    what = words["zoning"].format(vintage=first["geo_vintage"], reference=reference)
    if first["subject"] == "territory":
        what = words["levels"].format(level=_level(rows, lang), reference=reference)
    alone = rows["facet"].nunique() == 1
    classes = style.classes_label(first["sex"] or "_T", first["age"] or "_T", lang) if alone else ""
    when = style.year_label(indicator, style.source_keys(rows["source"]), int(first["year"]), lang)
    # of one row, the name beside it says the place
    place = str(rows.attrs.get("territory_name", "")) if len(rows) > 1 else ""
    return [part for part in (what, place, classes, when) if part]


def _write_around(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang, *, own: bool) -> None:
    """Title, subtitle, legend, notes and sources."""
    words = TEXTS[lang]
    outside = style.source_keys(rows["reference_source"])
    no_reference = not rows["last"].all() and rows["gap"].isna().all()
    of_territories = rows["subject"].iloc[0] == "territory"
    notes = [words["no_references" if no_reference else "sample" if of_territories else "counts"]]
    if of_territories:
        notes += [style.capitalise(note) + "." for note in rows["reference_note"].unique() if note]
        if surveys := int(rows["surveys"].iloc[0]):
            notes.append(words["surveys"].format(number=surveys))
    notes.append(common.CIRCULAR[lang] if indicator.selects_qpv else "")
    notes.append(style.source_line(sorted({*style.source_keys(rows["source"]), *outside}), lang))
    handles = _legend(rows, _reference_label(rows, lang), lang)
    common.write_around(
        ax, indicator.label[lang], _scope(rows, indicator, lang), handles, notes, lang,
        own=own, right=_count_edge(rows), above=20,
    )  # fmt: skip


def _named(rows: pd.DataFrame) -> list[str]:
    """Names of rows, with their class where there are several."""
    if rows["facet"].nunique() < 2:
        return rows["label"].tolist()
    return [
        ", ".join(filter(None, (name, style.classes_label(sex or "_T", age or "_T", "fr"))))
        for name, sex, age in zip(rows["label"], rows["sex"], rows["age"], strict=True)
    ]


def _description(rows: pd.DataFrame, indicator: Indicator) -> style.Description:
    """Values of the QPV side, or medians of the neighbourhoods, and the widest gap."""
    point = rows["qpv_value"].fillna(rows["qpv_median"])
    known = rows.assign(point=point)[point.notna()]
    languages: tuple[style.Lang, ...] = ("fr", "en")
    said: dict[str, list[str]] = {lang: [] for lang in languages}
    gaps = rows[rows["gap"].notna()]
    symbol = style.unit_symbol(indicator.unit["fr"])
    for lang in languages:
        if len(gaps):
            widest = gaps.iloc[0]
            gap = style.format_number(
                widest["gap"], indicator.decimals, lang=lang, sign=True, symbol="" if symbol == "%" else symbol
            )
            unit = " points" if symbol == "%" else ""
            text = {"fr": "Écart en tête : {name}, {gap}{unit}.", "en": "First gap: {name}, {gap}{unit}."}[lang]
            said[lang].append(text.format(name=widest["label"], gap=gap, unit=unit))
    of_qpv = rows["subject"].iloc[0] == "qpv"
    return style.Description(
        kind="gap",
        indicator=indicator.id,
        scope={lang: " · ".join(_scope(rows, indicator, lang)) for lang in languages},
        rows=len(rows),
        n_used=float(rows["n_used"].sum()) if of_qpv else None,
        n_total=float(rows["n_total"].sum()) if of_qpv else None,
        values=dict(zip(_named(known), known["point"].astype(float), strict=True)),
        missing=common.missing_counts(rows["flag"], point),
        said=said,
    )
