"""Ranked QPV with what chance alone would do: funnel, and ordered values with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qpv_sante import layout, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.charts import common
from qpv_sante.charts.ranking_rows import funnel_curve, ordered_intervals, ranking_rows
from qpv_sante.errors import UnknownNameError, did_you_mean
from qpv_sante.geography import zoning_of_qpv_code
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS
from qpv_sante.ranking import LIMITS_LABELS, WARNINGS, cautions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("funnel", "caterpillar")
# Face, marker and size by place in the funnel: farther is darker and another shape
_LOOKS = {
    "within": ("#b9b9b9", "o", 16),
    "95": (style.QPV_COLOUR, "^", 26),
    "99_8": (style.REFERENCE_COLOUR, "D", 22),
}
_TEXTS: dict[str, dict[str, str]] = {
    "fr": {
        "scope": "QPV (zonage {vintage}), {place}",
        "size": "Effectif derrière le taux (dénominateur)",
        "within": "dans les limites à 95 % : {n}",
        "95": "au-delà de 95 % : {n}",
        "99_8": "au-delà de 99,8 % : {n}",
        "limit_95": "Limites à 95 %",
        "limit_99_8": "Limites à 99,8 %",
        "interval_95": "Intervalle à 95 % (fluctuation aléatoire)",
        "interval_99_8": "Intervalle à 99,8 %",
        "target": "Ensemble des QPV classés : {value}",
        "marked": "Quartiers marqués",
        "order": "QPV, du plus défavorable au plus favorable",
        "order_neither": "QPV, par valeur décroissante",
        "unnamed": "{n} quartiers : au-delà de {most}, les noms ne sont pas écrits.",
        "funnel": "Entonnoir : là où tomberaient, par le seul hasard, des quartiers dont le taux serait celui de "
        "l'ensemble.",
        "funnel_widened": "Entonnoir : là où tomberaient des quartiers dont le taux serait celui de l'ensemble, s'ils "
        "variaient comme la plupart des QPV.",
        "said": "Hors des limites à 99,8 % : {n}.",
        "neighbours": "Deux QPV voisins dans un classement ne diffèrent pas pour autant.",
    },
    "en": {
        "scope": "QPV ({vintage} zoning), {place}",
        "size": "Number behind the rate (denominator)",
        "within": "within the 95% limits: {n}",
        "95": "beyond 95%: {n}",
        "99_8": "beyond 99.8%: {n}",
        "limit_95": "95% limits",
        "limit_99_8": "99.8% limits",
        "interval_95": "95% interval (random fluctuation)",
        "interval_99_8": "99.8% interval",
        "target": "All ranked QPV: {value}",
        "marked": "Marked neighbourhoods",
        "order": "QPV, from the least to the most favourable",
        "order_neither": "QPV, by decreasing value",
        "unnamed": "{n} neighbourhoods: beyond {most}, names are not written.",
        "funnel": "Funnel: where neighbourhoods whose rate is that of the whole would fall by chance alone.",
        "funnel_widened": "Funnel: where neighbourhoods whose rate is that of the whole would fall if they varied as "
        "most QPV do.",
        "said": "Beyond the 99.8% limits: {n}.",
        "neighbours": "Neighbours in a ranking are not thereby different.",
    },
}


@checked
def plot_rank(
    ranking: pd.DataFrame,
    *,
    kind: str = "funnel",
    highlight: Sequence[str] = (),
    ax: Axes | None = None,
    lang: str = "fr",
) -> Axes:
    """Ranked QPV against what chance alone would do.

    Parameters
    ----------
    ranking : DataFrame
        As `rank` gives it, its `attrs` kept (they name the indicator, the year and the territory); values in percent.
    kind : {"funnel", "caterpillar"}
        Values against the number behind them with the 95 % and 99.8 % limits; or values in order with their
        95 % and 99.8 % Wilson intervals, named up to 40 rows: `rank` of a smaller territory, or `.head(40)`, names
        them.
    highlight : sequence of str
        Codes of QPV to mark and name.
    ax : Axes, optional
        A new figure by default.
    lang : {"fr", "en"}

    Returns
    -------
    Axes
        Artists bear a `gid`: `within`, `beyond_95`, `beyond_99_8`, `limit_95`, `limit_99_8`, `interval_95`,
        `interval_99_8`, `target`, `marked`, `marked_name`, `reason`. QPV without a value are counted under the
        figure, by reason.

    Raises
    ------
    SchemaError
        A column is missing, or the frame has lost the name of its indicator.
    UnknownNameError
        Unknown kind, language or code to mark.
    ComparabilityError
        Several sources.

    Examples
    --------
    >>> from qpv_sante import rank
    >>> worst = rank("c2s_share", geo_vintage=2015, year=2022, territory="Béziers")
    >>> [label.get_text() for label in plot_rank(worst, kind="caterpillar").get_yticklabels()]
    ['Iranget Grangette', 'Devèze', 'Centre Ville']
    """
    language = style.check_lang(lang)
    if kind not in KINDS:
        raise UnknownNameError(f"Unknown kind {kind!r}. {did_you_mean(kind, KINDS)}")
    rows = ranking_rows(ranking, highlight)
    indicator = catalogue().indicator(str(ranking.attrs["indicator"]))
    known = ordered_intervals(rows)
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        named = len(rows) <= common.MAX_ROWS
        if own and kind == "caterpillar" and named:
            style.size_axes(axes, 4.6, 0.24 * (len(rows) + 1.2))
        elif own:
            style.size_axes(axes, 5.6, 3.6)
        if known.empty:
            common.say_nothing(axes, language)
        elif kind == "funnel":
            _draw_funnel(axes, known, rows.attrs, indicator, highlight, language)
        else:
            _draw_caterpillar(axes, known, rows, indicator, highlight, language, named=named)
        _write(axes, rows, known, indicator, kind, highlight, language, own=own)
        layout.settle(axes, own=own, least=(1.6, 0.14 * (len(rows) + 1.2) if kind == "caterpillar" and named else 1.2))
    style.describe(axes, _description(rows, known, indicator, kind))
    return axes


def _draw_funnel(
    ax: Axes, known: pd.DataFrame, attrs: dict[Any, Any], indicator: Indicator, highlight: Sequence[str],
    lang: style.Lang,
) -> None:  # fmt: skip
    target = float(known["target"].iloc[0])
    least, most = float(known["n"].min()), float(known["n"].max())
    asked = {"kind": attrs.get("limits", "plain"), "factor": attrs.get("factor", 1.0)}
    curve = funnel_curve(target, max(1.0, 0.85 * least), 1.08 * most, between=attrs.get("between", 0.0), **asked)
    for name, dash in (("95", (0, (4, 2))), ("99_8", "-")):
        for side in ("lower", "upper"):
            ax.plot(
                curve["n"], curve[f"{side}_{name}"], color=style.INK, lw=0.9, ls=dash, zorder=2, gid=f"limit_{name}"
            )
    ax.axhline(target, color=style.INK, lw=0.9, ls=(0, (1, 1.5)), zorder=2, gid="target")
    place = known["funnel_position"].str.replace("above_", "").str.replace("below_", "")
    for name, (face, marker, size) in _LOOKS.items():
        part = known[place == name]
        gid = name if name == "within" else f"beyond_{name}"
        ax.scatter(part["n"], part["value"], s=size, marker=marker, color=face, edgecolors="white", linewidths=0.3,
                   zorder=3, gid=gid)  # fmt: skip
    low, high = common.limits(pd.concat([known["value"], pd.Series([target])]))
    ax.set_ylim(max(low, 0), min(high, 100) if high > 100 else high)
    if most > 8 * least:
        ax.set_xscale("log")
    ax.set_xlim(max(1.0, 0.85 * least), 1.08 * most)
    _size_axis(ax, lang)
    common.tidy_axes(ax, sides=("top", "right"))
    common.value_axis(ax, "y", indicator, lang)
    marked = known[known["geo_code"].isin(list(highlight))].sort_values("value")
    if len(marked):
        _name_points(ax, marked)


def _size_axis(ax: Axes, lang: style.Lang) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    logarithmic = ax.get_xscale() == "log"
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if logarithmic else MaxNLocator(nbins=5, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.format_number(value, 0, lang=lang)))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel(_TEXTS[lang]["size"], fontsize=style.SMALL_SIZE, color=style.MUTED)


def _name_points(ax: Axes, marked: pd.DataFrame) -> None:
    """A ring around marked quarters, and their names moved apart."""
    from matplotlib.patheffects import withStroke

    ax.scatter(marked["n"], marked["value"], s=80, facecolors="none", edgecolors=style.INK, linewidths=1.4, zorder=4,
               gid="marked")  # fmt: skip
    height = style.width_points(ax) * ax.get_window_extent().height / max(ax.get_window_extent().width, 1)
    low, high = ax.get_ylim()
    places = common.spread(list(marked["value"]), 1.4 * style.SMALL_SIZE * (high - low) / max(height, 1))
    width = ax.get_window_extent().width
    for (_, one), place in zip(marked.iterrows(), places, strict=True):
        at = ax.transData.transform((one["n"], one["value"]))[0] - ax.get_window_extent().x0
        left = at > 0.6 * width
        ax.annotate(
            style.wrap(str(one["name"]), 34, max_lines=1), (one["n"], one["value"]), xytext=(-16 if left else 16,
            (place - one["value"]) * height / (high - low)), textcoords="offset points", va="center",
            ha="right" if left else "left", fontsize=style.SMALL_SIZE, zorder=6, gid="marked_name",
            arrowprops={"arrowstyle": "-", "color": style.INK, "lw": 0.6, "shrinkB": 5},
            path_effects=[withStroke(linewidth=2.2, foreground="white")],
        )  # fmt: skip


def _draw_caterpillar(
    ax: Axes, known: pd.DataFrame, rows: pd.DataFrame, indicator: Indicator, highlight: Sequence[str],
    lang: style.Lang, *, named: bool,
) -> None:  # fmt: skip
    """In rows with names where they can be read, else upright and without."""
    words = _TEXTS[lang]
    position = np.arange(len(known), dtype=float)
    lines = ax.hlines if named else ax.vlines
    thin = 0.9 if named or len(known) < 200 else 0.35
    target = float(known["target"].iloc[0])
    lines(position, known["lower_99_8"], known["upper_99_8"], color="#9d9d9d", lw=thin, zorder=2, gid="interval_99_8")
    lines(
        position,
        known["lower_95"],
        known["upper_95"],
        color=style.QPV_COLOUR,
        lw=2.4 * thin,
        zorder=2.5,
        gid="interval_95",
    )
    x, y = (known["value"], position) if named else (position, known["value"])
    ax.scatter(x, y, s=22 if named else 5, color=style.INK, edgecolors="none", zorder=3, gid="value")
    (ax.axvline if named else ax.axhline)(target, color=style.INK, lw=0.9, ls=(0, (1, 1.5)), zorder=1.5, gid="target")
    ends = pd.concat([known["lower_99_8"], known["upper_99_8"], pd.Series([target])])
    chosen = known["geo_code"].isin(list(highlight)).to_numpy()
    if not named:
        ax.set_xlim(-0.01 * len(known) - 0.5, 1.01 * len(known) - 0.5)
        ax.set_ylim(common.limits(ends))
        ax.set_xticks([])
        label = words["order_neither" if indicator.higher_is == "neither" else "order"]
        ax.set_xlabel(label, fontsize=style.SMALL_SIZE, color=style.MUTED)
        common.tidy_axes(ax, sides=("top", "right"))
        common.value_axis(ax, "y", indicator, lang)
        if chosen.any():
            _name_points(ax, known[chosen].assign(n=position[chosen]).sort_values("value"))
        return
    ax.set_xlim(common.limits(ends))
    rest = rows[rows["value"].isna()]
    names = [*known["name"], *rest["name"]]
    places = [*position, *(len(known) + 0.4 + np.arange(len(rest)))]
    ax.set_ylim(max(places) + 0.7, -0.7)
    ax.set_yticks(places, [style.wrap(str(name), 40, max_lines=2) for name in names])
    common.tidy_axes(ax)
    for tick, marked in zip(ax.get_yticklabels(), [*chosen, *([False] * len(rest))], strict=True):
        tick.set_fontsize(style.SMALL_SIZE)
        tick.set_fontweight("bold" if marked else "normal")
    for (_, one), place in zip(rest.iterrows(), places[len(known) :], strict=True):
        flag = one["flag"] if one["flag"] in MISSING_FLAGS else "unavailable"
        ax.text(0.01, place, FLAG_LABELS[flag][lang], transform=ax.get_yaxis_transform(), va="center", style="italic",
                color=style.MUTED, fontsize=style.SMALL_SIZE, gid="reason")  # fmt: skip
    common.value_axis(ax, "x", indicator, lang)


def _beyond(known: pd.DataFrame) -> dict[str, int]:
    place = known["funnel_position"].str.replace("above_", "").str.replace("below_", "")
    return {name: int((place == name).sum()) for name in _LOOKS}


def _scope(rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> list[str]:
    """Zoning, place and year: those that the ranking keeps, else what its rows imply."""
    vintage = zoning_of_qpv_code(str(rows["geo_code"].iloc[0]))
    keys = style.source_keys(rows["source"])
    place = rows.attrs.get("territory_name") or common.common_place(rows["geo_code"], vintage)
    if (asked := rows.attrs.get("year")) is not None:
        years = {int(asked)}
    else:
        # read back from a file, a ranking does not carry its year: the edition and the zoning may tell it
        years = {
            int(str(record["year"]))
            for record in catalogue().published(indicator.id)
            if record["source"] in keys and record["geo_level"] == "qpv" and record["geo_vintage"] == vintage
        }
    when = style.year_label(indicator, keys, years.pop(), lang) if len(years) == 1 else ""
    return [_TEXTS[lang]["scope"].format(vintage=vintage, place=place), *filter(None, [when])]


def _of_limits(rows: pd.DataFrame, lang: style.Lang) -> list[str]:
    """What the limits of the funnel are worth, without the names of arguments."""
    told = rows.attrs
    spread = float(told.get("dispersion", 1.0)), float(told.get("share_outside", 0.0))
    return cautions(str(told.get("limits", "plain")), *spread, lang, hint=False)


def _cautions(rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> list[str]:
    """What `rank` warns of, in the language of the figure and without the names of its columns."""
    notes = [_TEXTS[lang]["neighbours"]]
    notes += _of_limits(rows, lang)
    if indicator.selects_qpv:
        label = indicator.short[lang][:1].lower() + indicator.short[lang][1:]
        notes.append(WARNINGS["circular"][lang].format(label=label))
    return notes


def _write(
    ax: Axes, rows: pd.DataFrame, known: pd.DataFrame, indicator: Indicator, kind: str,
    highlight: Sequence[str], lang: style.Lang, *, own: bool,
) -> None:  # fmt: skip
    words = _TEXTS[lang]
    handles: list[Any] = []
    notes: list[str] = []
    if len(known):
        numbers = {name: style.format_number(n, 0, lang=lang) for name, n in _beyond(known).items()}
        value = style.format_number(float(known["target"].iloc[0]), indicator.decimals, lang=lang, symbol="%")
        if kind == "funnel":
            for name, (face, marker, _) in _LOOKS.items():
                label = style.typography("QPV " + words[name].format(n=numbers[name]), lang)
                handles.append(common.point(marker, face, label))
            dash = (0, (4, 2))
            limits = str(rows.attrs.get("limits", "plain"))
            more = f" ({LIMITS_LABELS[limits][lang]})" if limits != "plain" else ""
            for name, line in (("95", dash), ("99_8", "-")):
                label = style.typography(words[f"limit_{name}"] + more, lang)
                handles.append(common.bar(label, colour=style.INK, style_=line, marker=""))
            notes.append(words["funnel_widened" if more else "funnel"])
        else:
            label = style.typography(words["interval_95"], lang)
            handles.append(common.bar(label, colour=style.QPV_COLOUR, width=2.6, marker=""))
            handles.append(common.bar(style.typography(words["interval_99_8"], lang), colour="#9d9d9d", marker=""))
        label = style.typography(words["target"].format(value=value), lang)
        handles.append(common.bar(label, colour=style.INK, style_=(0, (1, 1.5)), width=0.9, marker=""))
        if len(highlight) and (kind == "funnel" or len(rows) > common.MAX_ROWS):
            handles.append(common.point("o", "white", words["marked"], edge=style.INK))
        if kind == "caterpillar" and len(rows) > common.MAX_ROWS:
            notes.append(words["unnamed"].format(n=style.format_number(len(rows), 0, lang=lang), most=common.MAX_ROWS))
    missing = common.missing_counts(rows["flag"], rows["value"])
    notes += [common.used_note(len(known), len(rows), missing, lang), *_cautions(rows, indicator, lang)]
    notes.append(style.source_line(style.source_keys(rows["source"]), lang))
    common.write_around(ax, indicator.label[lang], _scope(rows, indicator, lang), handles, notes, lang, own=own)


def _description(rows: pd.DataFrame, known: pd.DataFrame, indicator: Indicator, kind: str) -> style.Description:
    languages: tuple[style.Lang, ...] = ("fr", "en")
    beyond = _beyond(known)["99_8"] if len(known) else 0
    return style.Description(
        kind=kind,
        indicator=indicator.id,
        scope={lang: " · ".join(_scope(rows, indicator, lang)) for lang in languages},
        rows=len(known),
        n_used=float(len(known)),
        n_total=float(len(rows)),
        values=dict(zip(known["name"], known["value"].astype(float), strict=True)),
        missing=common.missing_counts(rows["flag"], rows["value"]),
        said={
            lang: [
                _TEXTS[lang]["said"].format(n=style.format_number(beyond, 0, lang=lang)),
                # the alternative text is read without the notes of the figure: it says what the limits are worth
                *_of_limits(rows, lang),
            ]
            for lang in languages
        },
    )
