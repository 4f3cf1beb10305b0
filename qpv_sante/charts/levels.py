"""What is known at which level, for health indicators that no source read gives by QPV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import absences, layout, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.charts import common
from qpv_sante.charts.levels_rows import TEXTS, health_frame, level_rows
from qpv_sante.errors import InvalidInputError
from qpv_sante.observations import AUTO, FLAG_LABELS, MISSING_FLAGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from qpv_sante.territories import Territory

_WIDTH = 4.6  # inches


@checked
def plot_levels(
    data: pd.DataFrame | str,
    *,
    year: int | None = None,
    territory: str | Territory | None = None,
    sex: str = AUTO,
    age: str = AUTO,
    ax: Axes | None = None,
    lang: str = "fr",
) -> Axes:
    """A health indicator at every level where it is read, and in words why no QPV has it.

    Parameters
    ----------
    data : DataFrame or str
        As `compare` gives it for an indicator that is not published by QPV, or rows of `load_observations` of larger
        levels; frames of several levels may be one under the other. Or the indicator itself, with `year`: every
        level of `compare` is then asked for. At most 40 rows a class of age and 60 in all, in the indicator's unit.
    year : int, optional
        With an indicator.
    territory : str, optional
        With an indicator: a name or typed code; the regions and departments around or in it.
    sex, age : str
        With an indicator, as in `compare`: the total, or every class where there is none.
    ax : Axes, optional
        A new figure by default.
    lang : {"fr", "en"}

    Returns
    -------
    Axes
        From top to bottom and by age class: country, regions, departments; national surveys inside and outside
        neighbourhoods; the row of the QPV, in words. Artists bear a `gid`: `country`, `territory`, `inside`,
        `outside`, `interval`, `head`, `size`, `reason`, `unpublished`.

    Raises
    ------
    SchemaError
        Another frame, or no row.
    ComparabilityError
        Several indicators, years or sexes, or too many rows; the message says how to split.
    UnavailableLevelError
        An indicator that is published by QPV (use `plot_gap`, `plot_distribution`), or not that year.
    InvalidInputError
        An indicator without its year.

    Examples
    --------
    >>> axes = plot_levels("depression_prevalence", year=2024, territory="Béziers")
    >>> [label.get_text() for label in axes.get_yticklabels()][:2]
    ['France (pays)', 'Occitanie (région)']
    """
    language = style.check_lang(lang)
    of_frame = not isinstance(data, str)
    if isinstance(data, str):
        if year is None:
            raise InvalidInputError(f"plot_levels({data!r}) needs its year, for example year=2024.")
        data = health_frame(data, year=year, territory=territory, lang=language, sex=sex, age=age)
    elif year is not None or territory is not None or (sex, age) != (AUTO, AUTO):
        raise InvalidInputError(
            "plot_levels: year, territory, sex and age go with an indicator; filter the frame instead."
        )
    rows = level_rows(data, lang=language)
    asked = str(rows.attrs["indicator"])
    indicator = catalogue().indicator(asked)
    common.check_rows(rows, "head", "plot_levels", "frame" if of_frame else None)
    with style.figure_style():
        own = ax is None
        axes = style.new_axes() if ax is None else ax
        if own:
            style.size_axes(axes, _WIDTH, 0.29 * (rows["y"].max() + 2.6))
        _scales(axes, rows, indicator, language)
        _draw(axes, rows, indicator, language)
        _write(axes, rows, indicator, language, own=own)
        layout.settle(axes, own=own, least=(1.8, 0.16 * (rows["y"].max() + 2.6)))
    style.describe(axes, _description(rows, indicator))
    return axes


def _scales(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> None:
    ends = pd.concat([rows[name] for name in ("value", "lower", "upper", "outside")]).dropna()
    bottom = float(rows["y"].max()) + 1.3
    ax.set_ylim(bottom + 0.7, -1.0)
    names = [style.wrap(style.typography(str(name), lang), 42, max_lines=2) for name in rows["name"]]
    ax.set_yticks([*rows["y"], bottom], [*names, TEXTS[lang]["qpv"]])
    common.tidy_axes(ax)
    for tick in ax.get_yticklabels():
        tick.set_linespacing(0.95)
        tick.set_fontsize(style.SMALL_SIZE)
    ax.get_yticklabels()[-1].set_fontweight("bold")
    if ends.empty:
        ax.set_xlim(0, 1)
        ax.set_xticks([])
        ax.text(0.5, float(rows["y"].mean()), common.NOTHING[lang], ha="center", va="center", color=style.MUTED,
                gid="nothing")  # fmt: skip
    else:
        ax.set_xlim(common.limits(ends, floor=indicator.range[0] if indicator.range else None))
        common.value_axis(ax, "x", indicator, lang)
        if (rows["section"] == "survey").any():
            # surveys ask other questions: the axis carries a percentage, of what each row says
            ax.set_xlabel(TEXTS[lang]["axis"], fontsize=style.SMALL_SIZE, color=style.MUTED)
    heads = rows.drop_duplicates("head")
    for _, one in heads[heads["head"] != ""].iterrows():
        ax.annotate(style.typography(str(one["head"]), lang), (0, one["y"] - 0.72), (2, 0),
                    va="center", fontweight="bold", xycoords=("axes fraction", "data"), textcoords="offset points",
                    fontsize=style.NOTE_SIZE, color=style.MUTED, gid="head", zorder=6,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    ax.axhline(float(rows["y"].max()) + 0.62, color=style.RULE, lw=0.8)
    said = _absent(rows, indicator, lang)
    ax.annotate(style.typography(said, lang), (0, bottom), (4, 0), xycoords=("axes fraction", "data"), va="center",
                textcoords="offset points", style="italic", fontsize=style.SMALL_SIZE, color=style.INK, zorder=6,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8}, gid="unpublished")  # fmt: skip


_LOOKS = {
    "country": (style.REFERENCE_COLOUR, style.REFERENCE_MARKER, 40),
    "territory": (style.TERRITORY_COLOUR, style.TERRITORY_MARKER, 42),
    "inside": (style.QPV_COLOUR, style.QPV_MARKER, 52),
    "outside": ("white", style.REFERENCE_MARKER, 40),
}


def _draw(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> None:
    surveys = rows[rows["section"] == "survey"]
    both = surveys.dropna(subset=["value", "outside"])
    ax.hlines(both["y"], both["value"], both["outside"], color="#c4c4c4", lw=2.2, zorder=1, gid="gap")
    parts = [(kind, rows[rows["section"] == kind], "value") for kind in ("country", "territory")]
    parts += [("inside", surveys, "value"), ("outside", surveys, "outside")]
    for kind, part, column in parts:
        face, marker, size = _LOOKS[kind]
        ends = part.dropna(subset=["lower", "upper"]) if column == "value" else part.iloc[:0]
        colour = style.REFERENCE_COLOUR if kind == "outside" else face
        ax.hlines(ends["y"], ends["lower"], ends["upper"], color=colour, lw=1.5, zorder=2, gid="interval")
        known = part.dropna(subset=column)
        doubtful = (known["flag"] == "unreliable").to_numpy()
        for number, (drawn, hollow) in enumerate(((known[~doubtful], kind == "outside"), (known[doubtful], True))):
            ax.scatter(
                drawn[column], drawn["y"], s=size, marker=marker, facecolors="white" if hollow else face,
                edgecolors=colour if hollow else "white", linewidths=1.3 if hollow else 0.6, zorder=4,
                gid=kind if number == 0 else f"{kind}_unreliable",
            )  # fmt: skip
    for _, one in rows.iterrows():
        missing = pd.isna(one["value"])
        if missing:
            flag = one["flag"] if one["flag"] in MISSING_FLAGS else "unavailable"
            ax.annotate(FLAG_LABELS[flag][lang], (0, one["y"]), (4, 0), xycoords=("axes fraction", "data"), va="center",
                        textcoords="offset points", style="italic", color=style.MUTED, fontsize=style.SMALL_SIZE,
                        gid="reason")  # fmt: skip
            continue
        symbol = style.unit_symbol(indicator.unit[lang])
        # surveys are published to one decimal at most, whatever the indicator above them
        decimals = min(indicator.decimals, 1) if one["section"] == "survey" else indicator.decimals
        text = style.format_number(one["value"], decimals, lang=lang, symbol=symbol)
        if pd.notna(one["outside"]):
            text += " / " + style.format_number(one["outside"], decimals, lang=lang, symbol=symbol)
        if pd.notna(one["n"]):
            text += f"  (n = {style.format_number(one['n'], 0, lang=lang)})"
        ax.annotate(text, (1, one["y"]), (8, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                    va="center", fontsize=style.SMALL_SIZE, color=style.MUTED, annotation_clip=False,
                    gid="size")  # fmt: skip


def _scope(rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> list[str]:
    keys = style.source_keys(rows["source"])
    classes = style.classes_label(str(rows.attrs["sex"]), "_T", lang)
    when = style.year_label(indicator, keys, int(rows.attrs["year"]), lang) if rows.attrs["year"] else ""
    return [part for part in (TEXTS[lang]["scope"], classes, when) if part]


def _absent(rows: pd.DataFrame, indicator: Indicator, lang: style.Lang) -> str:
    """What the row of QPV says: whether it is not published or not read, and what is read."""
    word = absences.WORDS[absences.of_level(indicator.id, "qpv")][lang]
    return TEXTS[lang]["unpublished"].format(absent=word, levels=rows.attrs["finest"][lang])


def _write(ax: Axes, rows: pd.DataFrame, indicator: Indicator, lang: style.Lang, *, own: bool) -> None:
    words = TEXTS[lang]
    handles: list[Any] = []
    for kind in ("country", "territory", "inside", "outside"):
        part = rows[rows["section"] == {"inside": "survey", "outside": "survey"}.get(kind, kind)]
        if part["outside" if kind == "outside" else "value"].notna().any():
            face, marker, _ = _LOOKS[kind]
            edge = style.REFERENCE_COLOUR if kind == "outside" else "white"
            handles.append(common.point(marker, face, words[kind], edge=edge))
    if rows["lower"].notna().any():
        handles.append(common.bar(common.interval_label(rows.loc[rows["lower"].notna(), "interval"], lang)))
    notes = [words["unit"].format(unit=indicator.unit[lang]), *dict.fromkeys(rows.attrs["notes"])]
    if said := absences.claim(indicator.id, "qpv"):
        notes.append(words["claim"].format(source=said.source[lang]))
    if indicator.estimable:
        notes.append(words["estimate"])
    keys = style.source_keys(rows["source"])
    if keys:
        notes.append(style.source_line(keys, lang))
    publications = [text for text in dict.fromkeys(rows["publication"]) if text]
    if publications:
        notes.append(words["publications"].format(listed=" ; ".join(publications)))
    widest = max((len(text.get_text()) for text in ax.texts if text.get_gid() == "size"), default=0)
    common.write_around(
        ax, indicator.label[lang], _scope(rows, indicator, lang), handles, notes, lang,
        own=own, right=8 + 0.56 * style.SMALL_SIZE * widest,
    )  # fmt: skip


def _description(rows: pd.DataFrame, indicator: Indicator) -> style.Description:
    languages: tuple[style.Lang, ...] = ("fr", "en")
    published = rows[rows["section"] != "survey"]
    known = published.dropna(subset="value")
    surveys = len(rows) - len(published)
    said: dict[str, list[str]] = {lang: [_absent(rows, indicator, lang)] for lang in languages}
    if surveys:
        for lang in languages:
            said[lang].append(TEXTS[lang]["surveys"].format(n=surveys))
    named = [f"{name}, {head}" if head else name for name, head in zip(known["name"], known["head"], strict=True)]
    return style.Description(
        kind="levels",
        indicator=indicator.id,
        scope={lang: " · ".join(_scope(rows, indicator, lang)) for lang in languages},
        rows=len(rows),
        values=dict(zip(named, known["value"].astype(float), strict=True)),
        missing=common.missing_counts(published["flag"], published["value"]),
        said=said,
    )
