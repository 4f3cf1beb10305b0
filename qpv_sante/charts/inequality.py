"""Inequality between groups of QPV: their gradient, and the concentration curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qpv_sante import layout, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.charts import common
from qpv_sante.errors import ComparabilityError, SchemaError, UnknownNameError, did_you_mean
from qpv_sante.inequality.curves import concentration_points, group_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("gradient", "concentration")
_TEXTS: dict[str, dict[str, str]] = {
    "fr": {
        "scope": "Groupes de QPV (zonage {vintage})",
        "group": "valeur du groupe (largeur : part de la population)",
        "group_alone": "valeur du groupe",
        "equal": "Groupes, du plus défavorisé au plus favorisé",
        "equal_unranked": "Groupes, par valeur décroissante (sans ordre entre eux)",
        "mean": "ensemble des groupes : {value}",
        "population": "Population des groupes, du plus défavorisé au plus favorisé",
        "unranked": "Population des groupes, par valeur décroissante (groupes sans ordre)",
        "cases": "Part cumulée des cas",
        "people": "Part cumulée de la population, du plus défavorisé au plus favorisé",
        "curve": "courbe de concentration",
        "equality": "égalité",
        "above": "Au-dessus de la diagonale : les cas se concentrent dans les groupes défavorisés.",
        "process": "Intervalle à {level} (fluctuation aléatoire)",
        "between_qpv": "Intervalle à {level} (variation entre QPV)",
        "none": "Source exhaustive : la part du hasard n'est pas dessinée.",
        "measure_d": "Différence des extrêmes : {value} points.",
        "measure_rci": "Indice de concentration relatif : {value}.",
        "units": "QPV avec une valeur : {used}/{total} dans les groupes.",
    },
    "en": {
        "scope": "Groups of QPV ({vintage} zoning)",
        "group": "value of the group (width: share of the population)",
        "group_alone": "value of the group",
        "equal": "Groups, from most disadvantaged to most advantaged",
        "equal_unranked": "Groups, by decreasing value (no order among them)",
        "mean": "all groups: {value}",
        "population": "Population of the groups, from most disadvantaged to most advantaged",
        "unranked": "Population of the groups, by decreasing value (groups without order)",
        "cases": "Cumulative share of cases",
        "people": "Cumulative share of the population, from most disadvantaged to most advantaged",
        "curve": "concentration curve",
        "equality": "equality",
        "above": "Above the diagonal: cases are concentrated in disadvantaged groups.",
        "process": "{level} interval (random fluctuation)",
        "between_qpv": "{level} interval (variation between QPV)",
        "none": "Exhaustive source: the part of chance is not drawn.",
        "measure_d": "Difference of the ends: {value} points.",
        "measure_rci": "Relative concentration index: {value}.",
        "units": "QPV with a value: {used}/{total} in the groups.",
    },
}


@checked
def plot_inequality(
    summary: pd.DataFrame,
    *,
    kind: str = "gradient",
    geo_vintage: int | None = None,
    year: int | None = None,
    level: float = 0.95,
    ax: Axes | None = None,
    lang: str = "fr",
) -> Axes:
    """Values of groups along the ranked population, or the concentration curve.

    Parameters
    ----------
    summary : DataFrame
        As `summarize_inequality` gives it, its `attrs` kept: they hold the groups. Made with `interval="process"`
        or `"between_qpv"`, the groups have intervals. Values in percent.
    kind : {"gradient", "concentration"}
        `gradient`: one bar a group, as wide as its share of the population; `concentration`: cumulative share of
        the cases against that of the population, with the line of equality.
    geo_vintage, year : int, optional
        Zoning and year that the summary was asked for, written under the figure with the source; those that
        `summarize_inequality` wrote in `attrs` by default.
    level : float
        Confidence level of the intervals of the groups.
    ax : Axes, optional
        A new figure by default.
    lang : {"fr", "en"}

    Returns
    -------
    Axes
        Artists bear a `gid`: `group`, `interval`, `mean`, `group_name`, `curve`, `equality`.

    Raises
    ------
    SchemaError
        The frame has lost its groups, or its zoning and year are not said.
    ComparabilityError
        A year or zoning that contradicts the summary, or more than 40 groups.
    InvalidInputError
        A concentration curve of groups without rank.
    UnknownNameError
        Unknown kind or language.
    UnavailableLevelError
        The indicator is not published by QPV of that zoning and year.

    Examples
    --------
    >>> from qpv_sante import summarize_inequality
    >>> summary = summarize_inequality("c2s_share", geo_vintage=2015, year=2022, measures=["d", "rci"])
    >>> axes = plot_inequality(summary)
    >>> [text.get_text() for text in axes.texts if text.get_gid() == "group_name"]
    ['Q1', 'Q2', 'Q3', 'Q4', 'Q5']
    """
    language = style.check_lang(lang)
    if kind not in KINDS:
        raise UnknownNameError(f"Unknown kind {kind!r}. {did_you_mean(kind, KINDS)}")
    groups, indicator, source, asked = _checked(summary, geo_vintage, year)
    told = set(summary.get("interval", pd.Series(dtype="str")).dropna()) & {"process", "between_qpv"}
    drawn_interval = told.pop() if told else "none"
    values = group_values(groups, interval=drawn_interval, level=level)
    points = concentration_points(groups) if kind == "concentration" else None
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        if own:
            style.size_axes(axes, 4.0 if kind == "concentration" else 5.4, 4.0 if kind == "concentration" else 3.1)
        if points is None:
            _draw_gradient(axes, values, indicator, language)
        else:
            _draw_concentration(axes, points, language)
        _write(axes, summary, values, indicator, source, asked, kind, level, language, own=own)
        layout.settle(axes, own=own, least=(2.4, 1.8))
    style.describe(axes, _description(summary, values, indicator, source, asked, kind))
    return axes


def _checked(
    summary: pd.DataFrame, geo_vintage: int | None, year: int | None
) -> tuple[pd.DataFrame, Indicator, str, dict[str, int]]:
    """Groups, indicator, source and what was asked, from the summary and what is said of it."""
    attrs = summary.attrs
    if "groups" not in attrs or "indicator" not in attrs:
        raise SchemaError(
            "plot_inequality needs the frame that summarize_inequality() returned, with its attrs: they hold the "
            "groups, and files and pd.concat lose them."
        )
    common.check_columns(summary, ("value",), "plot_inequality", "summarize_inequality()")
    asked: dict[str, int] = {}
    for name, given in (("geo_vintage", geo_vintage), ("year", year)):
        kept = attrs.get(name)
        if given is not None and kept is not None and given != kept:
            raise ComparabilityError(f"plot_inequality: the summary is of {name} {kept}, not {given}.")
        if given is None and kept is None:
            raise SchemaError(
                "plot_inequality: say geo_vintage and year, those that summarize_inequality was asked for: they are "
                "written under the figure."
            )
        asked[name] = int(kept if given is None else given)
    groups = pd.DataFrame(attrs["groups"])
    if len(groups) > common.MAX_ROWS:
        raise ComparabilityError(
            f"plot_inequality draws at most {common.MAX_ROWS} groups, got {len(groups)}: more cannot be read. Use "
            "groups='poverty_quintile' or 'region', or pass territory=."
        )
    known = catalogue()
    known.check_published(attrs["indicator"], geo_level="qpv", **asked)
    records = known.published(attrs["indicator"])
    sources = [
        str(record["source"])
        for record in records
        if record["geo_level"] == "qpv"
        and record["geo_vintage"] == asked["geo_vintage"]
        and record["year"] == asked["year"]
    ]
    return groups, known.indicator(attrs["indicator"]), ", ".join(dict.fromkeys(sources)), asked


def _draw_gradient(ax: Axes, values: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> None:
    """Bars from zero (their length is read), intervals over them, names under or above."""
    upright = len(values) > 8
    if upright:
        # too many for names under bars of unequal widths: each takes the same room
        edges = np.linspace(0, 1, len(values) + 1)
        values = values.assign(start=edges[:-1], end=edges[1:], middle=(edges[:-1] + edges[1:]) / 2)
    width = values["end"] - values["start"]
    ax.bar(values["start"], values["estimate"], width, align="edge", color=style.QPV_COLOUR, alpha=0.75,
           edgecolor="white", lw=1.5, gid="group")  # fmt: skip
    ends = values.dropna(subset=["lower", "upper"])
    ax.vlines(ends["middle"], ends["lower"], ends["upper"], color=style.INK, lw=1.6, zorder=3, gid="interval")
    share = values["population"] / values["population"].sum()
    ax.axhline(float((share * values["estimate"]).sum()), color=style.REFERENCE_COLOUR, lw=1.3, ls=(0, (5, 2)),
               zorder=2, gid="mean")  # fmt: skip
    top = 1.12 * float(values[["estimate", "upper"]].max().max()) or 1.0
    ax.set_ylim(0, top)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    common.tidy_axes(ax)
    common.value_axis(ax, "y", indicator, lang)
    symbol = style.unit_symbol(indicator.unit[lang])
    for _, one in values.iterrows():
        number = style.format_number(one["estimate"], indicator.decimals, lang=lang, symbol=symbol)
        height = max(filter(pd.notna, (one["estimate"], one["upper"])))
        ax.annotate(number, (one["middle"], height), (0, 3), textcoords="offset points", ha="center", va="bottom",
                    fontsize=style.SMALL_SIZE if not upright else 6.5, rotation=90 if upright else 0,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.9}, zorder=4,
                    gid="group_value")  # fmt: skip
        name = style.typography(
            style.wrap(str(one["group"]), 40 if upright else max(8, int(70 / len(values))), max_lines=3), lang
        )
        ax.annotate(name, (one["middle"], 0), (0, -4), textcoords="offset points", ha="right" if upright else "center",
                    va="top", rotation=50 if upright else 0, rotation_mode="anchor" if upright else "default",
                    annotation_clip=False, fontsize=style.SMALL_SIZE, gid="group_name")  # fmt: skip
    words = _TEXTS[lang]
    unranked = bool(values["rank"].isna().any())
    kind = ("equal_unranked" if unranked else "equal") if upright else "unranked" if unranked else "population"
    label = words[kind]
    # the names stand where ticks would: the label goes under them
    lines = 1 + max(text.get_text().count("\n") for text in ax.texts if text.get_gid() == "group_name")
    longest = max(len(str(name)) for name in values["group"])
    room = 0.62 * style.SMALL_SIZE * min(longest, 40) * 0.78 if upright else 11.0 * lines
    ax.set_xlabel(label, fontsize=style.SMALL_SIZE, color=style.MUTED, labelpad=room + 4)


def _draw_concentration(ax: Axes, points: pd.DataFrame, lang: style.Lang) -> None:
    ax.plot([0, 1], [0, 1], color=style.INK, lw=1.0, ls=(0, (4, 2)), zorder=2, gid="equality")
    x, y = points["population_share"], points["case_share"]
    ax.fill_between(x, x, y, color=style.QPV_COLOUR, alpha=0.22, lw=0, zorder=1)
    ax.plot(
        x, y, color=style.QPV_COLOUR, lw=2.0, marker="o", markersize=5, markeredgecolor="white", zorder=3, gid="curve"
    )
    above = bool((y - x).mean() >= 0)
    for _, one in points.iloc[1:-1].iterrows() if len(points) <= 12 else ():
        aside = (-5, 4) if above else (5, -4)
        ax.annotate(str(one["group"]), (one["population_share"], one["case_share"]), aside,
                    textcoords="offset points", ha="right" if above else "left", va="bottom" if above else "top",
                    fontsize=style.SMALL_SIZE, gid="group_name")  # fmt: skip
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    names = [style.format_number(100 * tick, 0, lang=lang, symbol="%") for tick in ticks]
    ax.set_xticks(ticks, names)
    ax.set_yticks(ticks, names)
    ax.grid(color=style.RULE, lw=0.6)
    common.tidy_axes(ax, sides=("top", "right"))
    words = _TEXTS[lang]
    ax.set_xlabel(style.wrap(words["people"], 56), fontsize=style.SMALL_SIZE, color=style.MUTED)
    ax.set_ylabel(words["cases"], fontsize=style.SMALL_SIZE, color=style.MUTED)


def _scope(
    summary: pd.DataFrame, indicator: Indicator, source: str, asked: dict[str, int], lang: style.Lang
) -> list[str]:
    when = style.year_label(indicator, style.source_keys([source]), asked["year"], lang)
    of = _TEXTS[lang]["scope"].format(vintage=asked["geo_vintage"])
    place = summary.attrs.get("territory_name")
    return [f"{of}, {place}" if place else of, when]


def _measures(summary: pd.DataFrame, kind: str, lang: style.Lang) -> str:
    """The measure that goes with the figure, where the summary has it."""
    name, decimals = ("d", 1) if kind == "gradient" else ("rci", 3)
    if name not in summary.index or pd.isna(summary.loc[name, "value"]):
        return ""
    value = style.format_number(float(summary.loc[name, "value"]), decimals, lang=lang)
    return _TEXTS[lang][f"measure_{name}"].format(value=value)


def _units(values: pd.DataFrame, lang: style.Lang) -> str:
    """QPV with a value out of those in the groups, where the groups count them."""
    if not {"n_used", "n_total"} <= set(values):
        return ""
    used, total = (style.format_number(values[name].sum(), 0, lang=lang) for name in ("n_used", "n_total"))
    return _TEXTS[lang]["units"].format(used=used, total=total)


def _write(
    ax: Axes, summary: pd.DataFrame, values: pd.DataFrame, indicator: Indicator, source: str, asked: dict[str, int],
    kind: str, level: float, lang: style.Lang, *, own: bool,
) -> None:  # fmt: skip
    from matplotlib.patches import Patch

    words = _TEXTS[lang]
    handles: list[Any] = []
    if kind == "gradient":
        group = words["group" if len(values) <= 8 else "group_alone"]
        handles.append(
            Patch(facecolor=style.QPV_COLOUR, alpha=0.75, label=style.typography(style.capitalise(group), lang))
        )
        mean = float((values["population"] * values["estimate"]).sum() / values["population"].sum())
        value = style.format_number(mean, indicator.decimals, lang=lang, symbol=style.unit_symbol(indicator.unit[lang]))
        label = style.typography(style.capitalise(words["mean"].format(value=value)), lang)
        handles.append(common.bar(label, colour=style.REFERENCE_COLOUR, style_=(0, (5, 2)), marker=""))
        if values["lower"].notna().any():
            percent = style.format_number(100 * level, 0 if (100 * level).is_integer() else 1, lang=lang, symbol="%")
            handles.append(
                common.bar(
                    words[values["interval"].iloc[0]].format(level=percent), colour=style.INK, width=1.6, marker=""
                )
            )
    else:
        handles.append(common.bar(style.capitalise(words["curve"]), colour=style.QPV_COLOUR, width=2, marker="o"))
        handles.append(common.bar(style.capitalise(words["equality"]), colour=style.INK, style_=(0, (4, 2)), marker=""))
    notes = [_measures(summary, kind, lang)]
    if kind == "concentration":
        notes.append(words["above"])
    elif values["lower"].isna().all():
        notes.append(words["none"])
    notes.append(_units(values, lang))
    notes += [style.capitalise(str(note)) + "." for note in summary.attrs.get("notes", [])]
    notes.append(style.source_line(style.source_keys([source]), lang))
    scope = _scope(summary, indicator, source, asked, lang)
    common.write_around(ax, indicator.label[lang], scope, handles, notes, lang, own=own, above=10)


def _description(
    summary: pd.DataFrame, values: pd.DataFrame, indicator: Indicator, source: str, asked: dict[str, int], kind: str
) -> style.Description:
    languages: tuple[style.Lang, ...] = ("fr", "en")
    said: dict[str, list[str]] = {}
    for lang in languages:
        # QPV outside the groups are in the notes: "all of those in the groups" alone would hide them
        said[lang] = [text for text in (_measures(summary, kind, lang), _units(values, lang)) if text]
        said[lang] += [style.capitalise(str(note)) + "." for note in summary.attrs.get("notes", [])]
    return style.Description(
        kind=kind,
        indicator=indicator.id,
        scope={lang: " · ".join(_scope(summary, indicator, source, asked, lang)) for lang in languages},
        rows=len(values),
        values=dict(zip(values["group"].astype("str"), values["estimate"], strict=True)),
        said=said,
    )
