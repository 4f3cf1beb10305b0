"""All QPV of one indicator as a distribution, with some of them marked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from qpv_sante import layout, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.charts import common
from qpv_sante.errors import ComparabilityError, InvalidInputError, UnavailableLevelError, UnknownNameError
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qpv_sante.territories import Territory

QUANTILES = {"q10": 0.10, "q25": 0.25, "median": 0.50, "q75": 0.75, "q90": 0.90}
MAX_NAMED = 15
_NEEDED = ("indicator", "source", "geo_level", "geo_code", "geo_vintage", "year", "value", "flag")
_SINGLE = ("indicator", "source", "geo_level", "geo_vintage", "sex", "age", "category", "year")
_FEWEST = 10  # values below which five quantiles say less than the points
_HEIGHT, _WIDTH, _ROW = 2.5, 5.4, 0.22  # inches
_BAR = "#cfcac0"
_MARK = style.QPV_COLOUR
_TEXTS: dict[str, dict[str, str]] = {
    "fr": {
        "zoning": "Distribution des QPV (zonage {vintage}), {place}",
        "count": "Nombre de QPV",
        "bars": "QPV : nombre par classe, un trait par quartier dessous",
        "marked": "Quartiers marqués : {what}",
        "chosen": "{n} QPV choisis",
        "every": "tous",
        "quantiles": "Quantiles des quartiers, chacun comptant pour un (déciles D1 et D9, quartiles Q1 et Q3).",
        "few": "Moins de {fewest} valeurs : les quantiles ne sont pas donnés.",
        "unnamed": "Plus de {most} quartiers marqués : leurs noms ne sont pas écrits.",
        **{"q10": "D1", "q25": "Q1", "median": "médiane", "q75": "Q3", "q90": "D9"},
        "said_marked": "{what} : de {low} à {high}.",
        "said": "Médiane des quartiers : {median} ; la moitié centrale va de {q25} à {q75}.",
    },
    "en": {
        "zoning": "Distribution of QPV ({vintage} zoning), {place}",
        "count": "Number of QPV",
        "bars": "QPV: number by class, one tick a neighbourhood below",
        "marked": "Marked neighbourhoods: {what}",
        "chosen": "{n} chosen QPV",
        "every": "all",
        "quantiles": "Quantiles of neighbourhoods, each counting for one (deciles D1 and D9, quartiles Q1 and Q3).",
        "few": "Fewer than {fewest} values: quantiles are not given.",
        "unnamed": "More than {most} marked neighbourhoods: their names are not written.",
        **{"q10": "D1", "q25": "Q1", "median": "median", "q75": "Q3", "q90": "D9"},
        "said_marked": "{what}: from {low} to {high}.",
        "said": "Median of neighbourhoods: {median}; the middle half runs from {q25} to {q75}.",
    },
}


def quantiles(values: Sequence[float] | pd.Series) -> pd.Series:
    """Tenth, quarter, median, three quarters and nine tenths of the neighbourhoods, each counting for one.

    Parameters
    ----------
    values : sequence of float
        Missing ones are left out.

    Returns
    -------
    Series of float
        Indexed by `q10, q25, median, q75, q90`, linear between neighbours (Hyndman and Fan's type 7); missing
        without a value.

    Examples
    --------
    >>> quantiles([10, 20, 30, 40, 50]).to_dict()
    {'q10': 14.0, 'q25': 20.0, 'median': 30.0, 'q75': 40.0, 'q90': 46.0}
    """
    known = pd.Series(values, dtype="float64").dropna()
    return pd.Series({name: float(known.quantile(share)) for name, share in QUANTILES.items()})


@checked
def plot_distribution(
    observations: pd.DataFrame,
    *,
    territory: str | Territory | None = None,
    highlight: Sequence[str] | None = None,
    ax: Axes | None = None,
    lang: str = "fr",
) -> Axes:
    """Distribution of an indicator over QPV, and where the quarters of a territory stand in it.

    Parameters
    ----------
    observations : DataFrame
        As `load_observations(..., geo_level="qpv")` gives it: one indicator, source, year, zoning and class, one
        row a QPV, values in the indicator's unit. Any number of rows.
    territory : str, optional
        A name or typed code: its QPV are marked, and named up to 15 of them.
    highlight : sequence of str, optional
        Codes of QPV to mark, in place of `territory`.
    ax : Axes, optional
        A new figure by default.
    lang : {"fr", "en"}

    Returns
    -------
    Axes
        Artists bear a `gid`: `bars`, `rug`, `quantile`, `quantile_text`, `marked`, `marked_interval`,
        `marked_name`, `marked_missing`. Under the axes: QPV with a value out of all rows, and the others by reason.

    Raises
    ------
    SchemaError
        A column is missing, or there is no row.
    ComparabilityError
        Another level than QPV, several indicators, sources, years, zonings or classes, or two rows for one QPV.
    InvalidInputError
        Both `territory` and `highlight`.
    UnknownNameError
        Unknown territory, or a code that the frame lacks.
    UnavailableLevelError
        No QPV of the territory in the frame.

    Examples
    --------
    >>> from qpv_sante import load_observations
    >>> rates = load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    >>> axes = plot_distribution(rates, territory="Béziers")
    >>> [text.get_text() for text in axes.texts if text.get_gid() == "marked_name"]
    ['Iranget Grangette', 'Devèze', 'Centre Ville']
    """
    language = style.check_lang(lang)
    frame = _checked(observations)
    marked, what = _marked(frame, territory, highlight, language)
    indicator = catalogue().indicator(str(frame["indicator"].iloc[0]))
    cuts = quantiles(frame["value"])
    enough = frame["value"].notna().sum() >= _FEWEST
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        named = marked if len(marked) <= MAX_NAMED else marked.iloc[:0]
        if own:
            style.size_axes(axes, _WIDTH, _HEIGHT + 0.25 + _ROW * len(named))
        if frame["value"].notna().any():
            _draw(axes, frame, marked, named, indicator, language)
            if enough:
                _draw_quantiles(axes, cuts, indicator, language)
        else:
            common.say_nothing(axes, language)
        _write(axes, frame, marked, what, indicator, language, own=own, enough=bool(enough))
        layout.settle(axes, own=own, least=(2.0, 1.0 + 0.16 * len(named)))
    style.describe(axes, _description(frame, marked, what, cuts, indicator, enough=bool(enough)))
    return axes


def _checked(observations: pd.DataFrame) -> pd.DataFrame:
    who, variable = "plot_distribution", "observations"
    common.check_columns(observations, _NEEDED, who, "load_observations(geo_level='qpv')")
    levels = observations["geo_level"].astype("str").unique()
    if list(levels) != ["qpv"]:
        raise ComparabilityError(
            f"plot_distribution draws QPV; the frame has the level {', '.join(levels)}. Load it with geo_level='qpv'; "
            "plot_levels draws what is known at larger levels."
        )
    texts = [
        name for name in ("indicator", "source", "sex", "age", "category", "flag", "interval") if name in observations
    ]
    frame = observations.astype(dict.fromkeys(texts, "str")).reset_index(drop=True)
    common.check_single(frame, _SINGLE, who, variable)
    if frame["geo_code"].duplicated().any():
        twice = frame.loc[frame["geo_code"].duplicated(), "geo_code"].iloc[0]
        raise ComparabilityError(f"plot_distribution draws one row a QPV; {twice} has several.")
    return frame.assign(name=common.qpv_labels(frame["geo_code"], int(frame["geo_vintage"].iloc[0])))


def _marked(
    frame: pd.DataFrame, territory: str | Territory | None, highlight: Sequence[str] | None, lang: style.Lang
) -> tuple[pd.DataFrame, str]:
    """Rows to mark with their name, highest first and missing last, and what they are in words."""
    from qpv_sante import loading

    if territory is not None and highlight is not None:
        raise InvalidInputError("plot_distribution marks a territory or a list of codes (highlight), not both.")
    places = loading.gazetteer()
    vintage = int(frame["geo_vintage"].iloc[0])
    codes, what = list(highlight or ()), _TEXTS[lang]["chosen"].format(n=len(highlight or ()))
    if unknown := [code for code in codes if code not in set(frame["geo_code"])]:
        first = frame["geo_code"].iloc[0]
        raise UnknownNameError(f"highlight: {unknown[0]!r} is not in the frame; its codes look like {first!r}.")
    if territory is not None:
        place = places.resolve(territory)
        codes = list(places.qpv_in(place, vintage)["geo_code"])
        what = place.name if place is not None else "France"
        if not frame["geo_code"].isin(codes).any():
            raise UnavailableLevelError(
                f"No QPV of {what} in the frame ({vintage} zoning, {len(frame)} rows): nothing to mark."
            )
    if territory is None and highlight is None and len(frame) < _FEWEST:
        # too few for a distribution: each is told
        codes, what = list(frame["geo_code"]), _TEXTS[lang]["every"]
    rows = frame[frame["geo_code"].isin(codes)]
    # among the marked ones, fewer names need their commune
    rows = rows.assign(name=common.qpv_labels(rows["geo_code"], vintage))
    return rows.sort_values("value", ascending=False, kind="stable", na_position="last"), what


def _draw(
    ax: Axes, frame: pd.DataFrame, marked: pd.DataFrame, named: pd.DataFrame, indicator: Indicator, lang: style.Lang
) -> None:
    """Bars above zero, a tick for each QPV just below, then a row for each marked quarter."""
    from matplotlib.patheffects import withStroke

    values = frame["value"].dropna().to_numpy()
    counts, edges = np.histogram(values, bins=_bins(values))
    top = float(counts.max())
    # what lies under zero is sized against the bars: 1 inch of bars is `unit` QPV
    unit = 1.25 * top / _HEIGHT
    rug, row = 0.16 * unit, _ROW * unit
    ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=_BAR, edgecolor="white", lw=0.6, gid="bars")
    ax.vlines(
        values, -rug, -0.03 * unit, color=style.MUTED, lw=0.5, alpha=0.35 if len(values) > 300 else 0.7, gid="rug"
    )
    for _, one in marked.dropna(subset="value").iterrows():
        if not len(named):
            ax.vlines(one["value"], -rug, -0.03 * unit, color=_MARK, lw=1.6, gid="marked", zorder=3)
    ends = [frame["value"], *(named[name] for name in ("lower", "upper") if name in named)]
    # the eye compares places and heights, not lengths from zero: no need to show it
    ax.set_xlim(common.limits(pd.concat(ends)))
    middle = sum(ax.get_xlim()) / 2
    for place, (_, one) in enumerate(named.iterrows()):
        y = -rug - (place + 0.7) * row
        text = style.typography(style.wrap(str(one["name"]), 60, max_lines=1), lang)
        if pd.isna(one["value"]):
            flag = one["flag"] if one["flag"] in MISSING_FLAGS else "unavailable"
            colon = " : " if lang == "fr" else ": "
            said = style.typography(" " + text + colon + FLAG_LABELS[flag][lang], lang)
            ax.text(ax.get_xlim()[0], y, said, va="center", style="italic", color=style.MUTED,
                    fontsize=style.SMALL_SIZE, gid="marked_missing")  # fmt: skip
            continue
        ax.vlines(one["value"], -rug, y, color=_MARK, lw=0.7, alpha=0.6, zorder=2)
        if {"lower", "upper"} <= set(named) and pd.notna(one["lower"]) and pd.notna(one["upper"]):
            ax.hlines(y, one["lower"], one["upper"], color=_MARK, lw=1.4, zorder=2.5, gid="marked_interval")
        doubtful = one["flag"] == "unreliable"
        ax.scatter(
            one["value"], y, s=34, marker=style.QPV_MARKER, facecolors="white" if doubtful else _MARK,
            edgecolors=_MARK if doubtful else "white", linewidths=1.4 if doubtful else 0.5, zorder=4, gid="marked",
        )  # fmt: skip
        right = one["value"] <= middle
        number = style.format_number(
            one["value"], indicator.decimals, lang=lang, symbol=style.unit_symbol(indicator.unit[lang])
        )
        for words, offset, gid, tint in (
            (text, 7, "marked_name", style.INK),
            (number, -7, "marked_value", style.MUTED),
        ):
            side = offset if right else -offset
            ax.annotate(words, (one["value"], y), (side, 0), textcoords="offset points", va="center",
                        ha="left" if side > 0 else "right", fontsize=style.SMALL_SIZE, color=tint, gid=gid,
                        path_effects=[withStroke(linewidth=2.2, foreground="white")])  # fmt: skip
    ax.set_ylim(-rug - row * (len(named) + 0.35 * bool(len(named))), 1.25 * top)
    _count_axis(ax, lang)
    common.value_axis(ax, "x", indicator, lang)


def _bins(values: np.ndarray) -> np.ndarray:
    """Edges of classes of a round width (1, 2, 2.5 or 5 times a power of ten), about Freedman and Diaconis's."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        half = 0.02 * abs(low) or 0.5
        return np.array([low - half, low + half])
    q1, q3 = np.quantile(values, [0.25, 0.75])
    wanted = max(2 * (q3 - q1) / len(values) ** (1 / 3), (high - low) / 60)
    power = 10.0 ** np.floor(np.log10(wanted))
    width = power * min((1, 2, 2.5, 5, 10), key=lambda step: abs(np.log(step * power / wanted)))
    first = np.floor(low / width)
    return np.arange(first, np.floor(high / width) + 2) * width


def _count_axis(ax: Axes, lang: style.Lang) -> None:
    from matplotlib.ticker import MaxNLocator

    common.tidy_axes(ax)
    top = ax.get_ylim()[1]
    ticks = [tick for tick in MaxNLocator(nbins=4, integer=True).tick_values(0, top / 1.25) if 0 <= tick <= top / 1.25]
    ax.set_yticks(ticks, [style.format_number(tick, 0, lang=lang) for tick in ticks])
    ax.axhline(0, color=style.MUTED, lw=0.8, zorder=1.5)
    # beside the bars, not beside the names under them
    low = ax.get_ylim()[0]
    ax.set_ylabel(
        _TEXTS[lang]["count"], fontsize=style.SMALL_SIZE, color=style.MUTED, y=(top / 2.5 - low) / (top - low)
    )


def _draw_quantiles(ax: Axes, cuts: pd.Series, indicator: Indicator, lang: style.Lang) -> None:
    """A line at each quantile, its name and value above, moved apart where they would touch."""
    top = ax.get_ylim()[1] / 1.25
    low, high = ax.get_xlim()
    symbol = style.unit_symbol(indicator.unit[lang])
    texts = {
        name: f"{_TEXTS[lang][name]}\n{style.format_number(value, indicator.decimals, lang=lang, symbol=symbol)}"
        for name, value in cuts.items()
    }
    longest = max(len(line) for text in texts.values() for line in text.split("\n"))
    gap = (0.62 * style.SMALL_SIZE * longest + 3) * (high - low) / max(style.width_points(ax), 1)
    places = common.spread(list(cuts), gap)
    for (name, value), place in zip(cuts.items(), places, strict=True):
        strong = name == "median"
        line = {"color": style.INK, "lw": 1.4 if strong else 0.9, "ls": "-" if strong else (0, (4, 2)), "zorder": 2.2}
        ax.plot([value, value, place], [0, 1.04 * top, 1.1 * top], gid="quantile", **line)  # type: ignore[arg-type]
        ax.text(place, 1.11 * top, texts[str(name)], ha="center", va="bottom", linespacing=1.1,
                fontsize=style.SMALL_SIZE, fontweight="bold" if strong else "normal", gid="quantile_text")  # fmt: skip


def _scope(frame: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> list[str]:
    first = frame.iloc[0]
    vintage = int(first["geo_vintage"])
    place = common.common_place(frame["geo_code"], vintage)
    classes = style.classes_label(first.get("sex", "_T"), first.get("age", "_T"), lang)
    when = style.year_label(indicator, [str(first["source"])], int(first["year"]), lang)
    return [_TEXTS[lang]["zoning"].format(vintage=vintage, place=place), *filter(None, [classes, when])]


def _write(
    ax: Axes, frame: pd.DataFrame, marked: pd.DataFrame, what: str, indicator: Indicator, lang: style.Lang,
    *, own: bool, enough: bool,
) -> None:  # fmt: skip
    from matplotlib.patches import Patch

    words = _TEXTS[lang]
    missing = common.missing_counts(frame["flag"], frame["value"])
    known = int(frame["value"].notna().sum())
    handles: list[Any] = [Patch(facecolor=_BAR, label=style.typography(words["bars"], lang))] if known else []
    notes = [common.used_note(known, len(frame), missing, lang)]
    if known:
        notes.append(words["quantiles"] if enough else words["few"].format(fewest=_FEWEST))
    if len(marked) and known:
        handles.append(common.point(style.QPV_MARKER, _MARK, style.typography(words["marked"].format(what=what), lang)))
        if (marked["flag"] == "unreliable").any():
            handles.append(common.point(style.QPV_MARKER, "white", FLAG_LABELS["unreliable"][lang], edge=_MARK))
        if len(marked) <= MAX_NAMED and {"lower", "upper", "interval"} <= set(marked) and marked["lower"].notna().any():
            handles.append(common.bar(common.interval_label(marked["interval"], lang)))
    if len(marked) > MAX_NAMED:
        notes.append(words["unnamed"].format(most=MAX_NAMED))
    notes.append(style.source_line(style.source_keys(frame["source"]), lang))
    scope = _scope(frame, indicator, lang)
    common.write_around(ax, indicator.label[lang], scope, handles, notes, lang, own=own)


def _description(
    frame: pd.DataFrame, marked: pd.DataFrame, what: str, cuts: pd.Series, indicator: Indicator, *, enough: bool
) -> style.Description:
    languages: tuple[style.Lang, ...] = ("fr", "en")
    said: dict[str, list[str]] = {lang: [] for lang in languages}
    for lang in languages:
        symbol = style.unit_symbol(indicator.unit[lang])
        numbers = {
            str(name): style.format_number(value, indicator.decimals, lang=lang, symbol=symbol)
            for name, value in cuts.items()
        }
        if enough:
            said[lang].append(_TEXTS[lang]["said"].format(**numbers))
        known = marked["value"].dropna()
        if len(known) and len(marked) < len(frame):
            low, high = (
                style.format_number(value, indicator.decimals, lang=lang, symbol=symbol)
                for value in (known.min(), known.max())
            )
            text = style.capitalise(_TEXTS[lang]["marked"].format(what=what))
            said[lang].append(_TEXTS[lang]["said_marked"].format(what=text, low=low, high=high))
    valued = frame.dropna(subset="value")
    return style.Description(
        kind="distribution",
        indicator=indicator.id,
        scope={lang: " · ".join(_scope(frame, indicator, lang)) for lang in languages},
        rows=len(frame),
        n_used=float(frame["value"].notna().sum()),
        n_total=float(len(frame)),
        values=dict(zip(valued["name"], valued["value"].astype(float), strict=True)),
        missing=common.missing_counts(frame["flag"], frame["value"]),
        said=said,
    )
