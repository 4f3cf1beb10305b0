"""Values over the years, with breaks in series drawn as breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import layout, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.charts import common
from qpv_sante.charts.breaks import breaks, segments, territories_of, trend_rows
from qpv_sante.errors import ComparabilityError
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_SERIES = 6
_WIDTH, _HEIGHT = 5.2, 3.1  # inches
_STYLES = ("-", (0, (5, 1.5)), (0, (1.5, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (3, 1)), (0, (8, 2)))
_TEXTS: dict[str, dict[str, Any]] = {
    "fr": {
        "qpv": "QPV, zonage {vintage}",
        "reference": "{reference}, zonage {vintage}",
        "observed": "QPV, zonage {vintage}",
        "unreliable": "valeur à interpréter avec prudence",
        "described": "médiane des quartiers (une médiane ne s'agrège pas)",
        "qpv_side": "QPV",
        "break": "Rupture de série : de part et d'autre, les valeurs ne se comparent pas",
        "band": "rupture : {reasons}",
        "zoning": "zonage",
        "source": "source",
        "definition": "définition ou méthode",
        "gap": "Un trait ne relie que deux années qui se suivent, d'une même série : rien n'est interpolé.",
        "missing": "Sans valeur ({reason})",
        "years": "{first} à {last}",
        "breaks": "Ruptures de série : {listed}.",
        "no_break": "Pas de rupture de série connue.",
        "edition": "L'année est celle de l'édition.",
        "counts": "QPV avec une valeur, par année : {listed}.",
    },
    "en": {
        "qpv": "QPV, {vintage} zoning",
        "reference": "{reference}, {vintage} zoning",
        "observed": "QPV, {vintage} zoning",
        "unreliable": "value to be read with caution",
        "described": "median of neighbourhoods (medians are not aggregated)",
        "qpv_side": "QPV",
        "break": "Break in series: values on either side do not compare",
        "band": "break: {reasons}",
        "zoning": "zoning",
        "source": "source",
        "definition": "definition or method",
        "gap": "A line only joins two consecutive years of one series: nothing is interpolated.",
        "missing": "No value ({reason})",
        "years": "{first} to {last}",
        "breaks": "Breaks in series: {listed}.",
        "no_break": "No known break in series.",
        "edition": "The year is that of the edition.",
        "counts": "QPV with a value, by year: {listed}.",
    },
}


@checked
def plot_trend(frame: pd.DataFrame, *, ax: Axes | None = None, lang: str = "fr") -> Axes:
    """Values over the years; a break in series interrupts the lines and is written in the figure.

    Parameters
    ----------
    frame : DataFrame
        Frames of `compare` of several years and zonings one under the other (`pd.concat`), of one indicator and
        reference: QPV and reference of at most 6 territories. Or rows of `load_observations` of several years, of at
        most 6 places. Values are in the indicator's unit.
    ax : Axes, optional
        A new figure by default.
    lang : {"fr", "en"}

    Returns
    -------
    Axes
        Artists bear a `gid`: `line`, `qpv`, `reference`, `observed` (and `..._unreliable`), `interval`, `break`,
        `break_text`, `series_name`, and `missing-` with the reason: years without a value stand under the lines.

    Raises
    ------
    SchemaError
        Neither kind of frame, or no row.
    ComparabilityError
        Several indicators, references or classes, two values for one year and zoning, or more than 6 territories;
        the message says how to split.

    Notes
    -----
    A line joins two values only if their years follow each other and nothing changed between them: zoning, source,
    and definition or method (`incomparable_years` of the catalogue). See `breaks` and `segments`.

    Examples
    --------
    >>> from qpv_sante import load_observations
    >>> rates = load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, territory="qpv:QP034003")
    >>> axes = plot_trend(rates)
    >>> len([line for line in axes.lines if line.get_gid() == "line"])  # 2016 to 2018: the rest are points
    1
    """
    language = style.check_lang(lang)
    frame = territories_of(frame)
    rows = trend_rows(frame)
    names = list(dict.fromkeys(rows["series"]))
    if len(names) > MAX_SERIES:
        raise ComparabilityError(
            f"plot_trend draws at most {MAX_SERIES} territories, got {len(names)}: lines could not be told apart. Keep "
            "some, for example frame[frame['territory'].isin(['Occitanie', 'Bretagne'])], or draw several figures."
        )
    indicator = catalogue().indicator(str(frame["indicator"].iloc[0]))
    cuts = breaks(rows)
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        if own:
            style.size_axes(axes, _WIDTH, _HEIGHT)
        right = 0.0
        if rows["value"].notna().any():
            right = _draw(axes, rows, cuts, indicator, language)
        else:
            common.say_nothing(axes, language)
        _write(axes, frame, rows, cuts, indicator, language, own=own, right=right)
        layout.settle(axes, own=own, least=(1.8, 1.0))
    style.describe(axes, _description(frame, rows, cuts, indicator))
    return axes


def _draw(ax: Axes, rows: pd.DataFrame, cuts: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> float:
    """Lines, points, intervals, breaks and missing years; returns the room taken on the right, in points."""
    known = pd.concat([rows["value"], rows["lower"], rows["upper"]])
    low, high = common.limits(known)
    missing = rows[rows["value"].isna()]
    strip = 0.07 * (high - low) if len(missing) else 0.0
    ax.set_ylim(low - strip, high)
    ax.set_xlim(rows["x"].min() - 0.5, rows["x"].max() + 0.5)
    looks = series_looks(rows)
    for run in segments(rows):
        look = looks[(run["series"].iloc[0], run["side"].iloc[0])]
        if len(run) > 1:
            ax.plot(run["x"], run["value"], color=look["colour"], ls=look["line"], lw=1.7, zorder=3, gid="line")
    zonings = sorted(rows["geo_vintage"].unique())
    for (series, side, zoning, flag), group in rows.dropna(subset="value").assign(
        doubtful=lambda table: table["flag"] == "unreliable"
    ).groupby(["series", "side", "geo_vintage", "doubtful"], sort=False):  # fmt: skip
        look = looks[(series, side)]
        ends = group.dropna(subset=["lower", "upper"])
        ax.vlines(ends["x"], ends["lower"], ends["upper"], color=look["colour"], lw=1.3, zorder=2.5, gid="interval")
        ax.scatter(
            group["x"], group["value"], marker=marker_of(side, zonings.index(zoning)), s=40, zorder=5,
            facecolors="white" if flag else look["colour"], edgecolors=look["colour"] if flag else "white",
            linewidths=1.5 if flag else 0.6, gid=f"{side}_unreliable" if flag else side,
        )  # fmt: skip
    for flag in MISSING_FLAGS:
        of_flag = missing["flag"].where(missing["flag"].isin(MISSING_FLAGS), "unavailable") == flag
        if of_flag.any():
            marker, face = common.MISSING_MARKERS[flag]
            ax.scatter(missing.loc[of_flag, "x"], [low - strip / 2] * int(of_flag.sum()), marker=marker, s=34,
                       facecolors=face, edgecolors=style.MUTED, linewidths=0.9, gid=f"missing-{flag}")  # fmt: skip
    if strip:
        ax.axhline(low, color=style.RULE, lw=0.8)
    _draw_breaks(ax, cuts, lang)
    years = sorted(rows["year"].unique())
    ax.set_xticks(range(years[0], years[-1] + 1) if years[-1] - years[0] < 12 else years)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:.0f}")
    common.tidy_axes(ax)
    common.value_axis(ax, "y", indicator, lang)
    return _name_series(ax, rows, looks)


def series_looks(rows: pd.DataFrame) -> dict[tuple[str, str], dict[str, Any]]:
    """Colour and line of each series and side: the usual pair for one territory, else one colour a territory."""
    names = list(dict.fromkeys(rows["series"]))
    looks: dict[tuple[str, str], dict[str, Any]] = {}
    for number, name in enumerate(names):
        alone = len(names) == 1
        # observations of a larger territory never bear the colour of QPV; comparisons are about the QPV of one
        of_qpv = name.startswith("qpv:") or ((rows["series"] == name) & (rows["side"] == "qpv")).any()
        tint = style.CATEGORICAL[number] if not alone else style.QPV_COLOUR if of_qpv else style.TERRITORY_COLOUR
        of_reference = style.REFERENCE_COLOUR if alone else style.CATEGORICAL[number]
        looks |= {(name, side): {"colour": tint, "line": _STYLES[number]} for side in ("qpv", "observed")}
        looks[(name, "reference")] = {"colour": of_reference, "line": _STYLES[0] if alone else (0, (1, 1.5))}
    return looks


def marker_of(side: str, zoning: int) -> str:
    """Marker of a side, by order of its zoning: a change of zoning changes the shape."""
    return {"reference": ("D", "d", "v")}.get(side, ("o", "s", "^"))[min(zoning, 2)]


def _draw_breaks(ax: Axes, cuts: pd.DataFrame, lang: style.Lang) -> None:
    """A hatched band where series break, and why above the axes, where no point can be hidden."""
    words = _TEXTS[lang]
    span = ax.get_xlim()
    points = style.width_points(ax) / (span[1] - span[0])
    texts = []
    for _, cut in cuts.iterrows():
        width = 3.0 / points
        ax.axvspan(
            cut["x"] - width, cut["x"] + width, facecolor=style.BACKGROUND, edgecolor="#a9a498", hatch="//////", lw=0,
            zorder=0.8, gid="break",
        )  # fmt: skip
        reasons = ", ".join(words[name] for name in cut["reasons"].split(", "))
        texts.append(style.wrap(style.typography(words["band"].format(reasons=reasons), lang), 14))
    longest = max((len(line) for text in texts for line in text.split("\n")), default=0)
    for text, x, place in zip(
        texts, cuts["x"], common.spread(list(cuts["x"]), (4.2 * longest + 4) / points), strict=True
    ):
        ax.annotate(
            text, (x, 1), ((place - x) * points, 4), xycoords=ax.get_xaxis_transform(), textcoords="offset points",
            ha="center", va="bottom", fontsize=7, color=style.MUTED, linespacing=1.0, gid="break_text",
        )  # fmt: skip


def _name_series(ax: Axes, rows: pd.DataFrame, looks: dict[tuple[str, str], dict[str, Any]]) -> float:
    """Names of several territories at the right end of their lines, moved apart; returns their room in points."""
    names = list(dict.fromkeys(rows["series"]))
    if len(names) == 1:
        return 0.0
    main = rows[(rows["side"] != "reference") & rows["value"].notna()].sort_values("x").groupby("series").last()
    low, high = ax.get_ylim()
    points = ax.get_window_extent().height / style.root_figure(ax).dpi * 72
    places = common.spread(list(main["value"]), 2.3 * style.SMALL_SIZE * (high - low) / max(points, 1))
    edge = ax.get_xlim()[1]
    longest = 0
    for (series, one), place in zip(main.iterrows(), places, strict=True):
        text = style.wrap(str(one["label"]), 26, max_lines=2)
        longest = max(longest, *map(len, text.split("\n")))
        ax.plot([one["x"], edge], [one["value"], place], color=looks[(series, "observed")]["colour"], lw=0.5, alpha=0.7,
                zorder=1, gid="leader")  # fmt: skip
        ax.annotate(text, (edge, place), (4, 0), textcoords="offset points", va="center", annotation_clip=False,
                    fontsize=style.SMALL_SIZE, color=looks[(series, "observed")]["colour"], linespacing=1.0,
                    gid="series_name")  # fmt: skip
    return 4 + 0.58 * style.SMALL_SIZE * longest


def _reference(frame: pd.DataFrame, lang: style.Lang) -> str:
    from qpv_sante.references import REFERENCES

    named = [one for one in frame["reference"].dropna().unique() if one] if "reference" in frame else []
    if not named:
        return ""
    labels = [one for one in frame.get("reference_label", pd.Series(dtype="str")).dropna().unique() if one]
    return REFERENCES.get(str(named[0]), {}).get(lang, "") or (labels[0] if labels else str(named[0]))


def _scope(frame: pd.DataFrame, rows: pd.DataFrame, lang: style.Lang) -> list[str]:
    names = list(dict.fromkeys(rows["label"]))
    first, last = int(rows["year"].min()), int(rows["year"].max())
    years = str(first) if first == last else _TEXTS[lang]["years"].format(first=first, last=last)
    first_row = frame.iloc[0]
    classes = style.classes_label(str(first_row.get("sex", "_T")), str(first_row.get("age", "_T")), lang)
    reference = _reference(frame, lang) if (rows["side"] == "reference").any() else ""
    against = {"fr": "QPV et {r}", "en": "QPV and {r}"}[lang].format(r=reference) if reference else ""
    place = _place(frame) if (rows["side"] == "observed").any() else ""
    return [part for part in (", ".join(names), place, against, classes, years) if part]


def _place(frame: pd.DataFrame) -> str:
    """Where observed QPV are: many cities have a « Centre ville »."""
    first = frame.iloc[0]
    if str(first.get("geo_level")) != "qpv":
        return ""
    place = common.common_place(frame["geo_code"], int(first["geo_vintage"]))
    return "" if place == "France" else place


def _legend(frame: pd.DataFrame, rows: pd.DataFrame, lang: style.Lang) -> list[Any]:
    words = _TEXTS[lang]
    looks = series_looks(rows)
    alone = rows["series"].nunique() == 1
    zonings = sorted(rows["geo_vintage"].unique())
    handles: list[Any] = []
    valued = rows.dropna(subset="value")
    for side in ("qpv", "observed", "reference"):
        for zoning in sorted(valued.loc[valued["side"] == side, "geo_vintage"].unique()):
            tint = looks[(rows["series"].iloc[0], side)]["colour"] if alone else style.MUTED
            label = words[side].format(vintage=zoning, reference=style.capitalise(_reference(frame, lang)))
            if not zoning:
                # a larger territory: no zoning, and its name says what it is
                continue
            if valued.loc[valued["side"] == side, "described"].any():
                label += ", " + words["described"]
            handles.append(common.point(marker_of(side, zonings.index(zoning)), tint, label))
    if (valued["flag"] == "unreliable").any():
        handles.append(common.point("o", "white", style.capitalise(words["unreliable"]), edge=style.MUTED))
    if valued["lower"].notna().any():
        kinds = valued.loc[valued["lower"].notna(), "interval"]
        handles.append(common.bar(common.interval_label(kinds, lang)))
    for flag in common.missing_counts(rows["flag"], rows["value"]):
        marker, face = common.MISSING_MARKERS[flag]
        label = words["missing"].format(reason=FLAG_LABELS[flag][lang])
        handles.append(common.point(marker, face, label, edge=style.MUTED))
    return handles


def _write(
    ax: Axes, frame: pd.DataFrame, rows: pd.DataFrame, cuts: pd.DataFrame, indicator: Indicator, lang: style.Lang,
    *, own: bool, right: float,
) -> None:  # fmt: skip
    from matplotlib.patches import Patch

    words = _TEXTS[lang]
    handles = _legend(frame, rows, lang)
    if len(cuts) and rows["value"].notna().any():
        label = style.typography(words["break"], lang)
        handles.append(Patch(facecolor=style.BACKGROUND, edgecolor="#a9a498", hatch="//////", lw=0, label=label))
    keys = style.source_keys(rows["source"])
    notes = [words["gap"], _counts(frame, lang)]
    if "edition" in style.year_label(indicator, keys, 0, "en"):
        notes.append(words["edition"])
    notes.append(common.CIRCULAR[lang] if indicator.selects_qpv and (rows["side"] == "reference").any() else "")
    notes.append(style.source_line(keys, lang))
    common.write_around(
        ax, indicator.label[lang], _scope(frame, rows, lang), handles, notes, lang,
        own=own, right=right, above=_above(ax),
    )  # fmt: skip


def _above(ax: Axes) -> float:
    """Room that the words of the breaks take above the axes, in points."""
    lines = [text.get_text().count("\n") + 1 for text in ax.texts if text.get_gid() == "break_text"]
    return 10.0 + 8.5 * max(lines, default=0)


def _counts(frame: pd.DataFrame, lang: style.Lang) -> str:
    """QPV with a value out of all, for each year and zoning; empty for observations, one a place."""
    if not {"n_used", "n_total"} <= set(frame.columns):
        return ""
    sums = frame.groupby(["year", "geo_vintage"])[["n_used", "n_total"]].sum()
    several = sums.index.get_level_values("year").duplicated(keep=False).any()
    listed = []
    for (year, zoning), row in sums.iterrows():
        used, total = (style.format_number(row[name], 0, lang=lang) for name in ("n_used", "n_total"))
        listed.append(f"{year}{f' ({zoning})' if several else ''} {used}/{total}")
    return _TEXTS[lang]["counts"].format(listed=", ".join(listed))


def _description(
    frame: pd.DataFrame, rows: pd.DataFrame, cuts: pd.DataFrame, indicator: Indicator
) -> style.Description:
    languages: tuple[style.Lang, ...] = ("fr", "en")
    said: dict[str, list[str]] = {}
    for lang in languages:
        words = _TEXTS[lang]
        listed = [
            f"{cut['before']}–{cut['after']} ({', '.join(words[name] for name in cut['reasons'].split(', '))})"
            for _, cut in cuts.iterrows()
        ]
        said[lang] = [words["breaks"].format(listed=", ".join(listed)) if listed else words["no_break"]]
        # a sum over years would count each QPV several times
        said[lang] += [text for text in [_counts(frame, lang)] if text]
    main = rows[(rows["side"] != "reference") & rows["value"].notna()]
    several = rows["series"].nunique() > 1 or main["geo_vintage"].nunique() > 1
    names = [
        f"{one.label} {one.year}" + (f", {one.geo_vintage}" if several and one.geo_vintage else "")
        for one in main.itertuples()
    ]
    return style.Description(
        kind="trend",
        indicator=indicator.id,
        scope={lang: " · ".join(_scope(frame, rows, lang)) for lang in languages},
        rows=len(rows),
        values=dict(zip(names, main["value"].astype(float), strict=True)),
        missing=common.missing_counts(rows["flag"], rows["value"]),
        said=said,
    )
