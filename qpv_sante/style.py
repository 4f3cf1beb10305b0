"""One look for every figure: fonts, colours, numbers in French, and the words around a figure.

Matplotlib is imported inside the functions: importing the package stays as fast as importing geopandas.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import UnknownNameError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

Lang = Literal["fr", "en"]

FONT = "DejaVu Sans"
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE, NOTE_SIZE = 12.0, 9.0, 8.0, 7.5
INK, MUTED, RULE, BACKGROUND = "#222222", "#555555", "#d9d9d9", "#f3f2ee"
# Orange is light and blue is dark: the pair stays apart in grey and for colour-blind readers, and shapes differ too.
QPV_COLOUR, QPV_MARKER = "#e08214", "o"
REFERENCE_COLOUR, REFERENCE_MARKER = "#08519c", "D"
# Even lightness, for every kind of colour vision; cividis would too, but its middle is the grey of missing values
SEQUENTIAL = "viridis"
UNAVAILABLE_COLOUR = "#b5b5b5"
# A territory that is not a neighbourhood never bears the colour of QPV
TERRITORY_COLOUR, TERRITORY_MARKER = "#4d9221", "s"
# Okabe and Ito's palette in an order whose neighbours also differ in grey; line styles and labels double it
CATEGORICAL = ("#0072B2", "#D55E00", "#000000", "#56B4E9", "#CC79A7", "#009E73")
SUPPRESSED_HATCH = "//////"
LINE_HEIGHT = 1.3

_THIN_SPACE, _NO_BREAK_SPACE, _MINUS = "\u202f", "\u00a0", "\u2212"
_RC: dict[Any, Any] = {
    "font.family": [FONT],
    "font.size": TEXT_SIZE,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "text.usetex": False,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Description:
    """What a figure shows, in numbers: what its alternative text is made of.

    Attributes
    ----------
    kind : str
        `gap`, `distribution`, `trend`, `funnel`...
    indicator : str
        An id of the catalogue; its label and unit follow the language of the text. Empty where a figure shows
        several: `scope` then says what it shows.
    scope : dict of str to str
        Population, territory, zoning, reference and year in words, by language.
    rows : int
        Number of rows, points or lines drawn.
    n_used, n_total : float or None
        QPV with a value, and all of them, where the figure counts QPV.
    values : dict of str to float
        Named values, from which the largest and the smallest are told.
    missing : dict of str to int
        Number without a value, by flag.
    said : dict of str to list of str
        Sentences of the figure's own, by language.
    """

    kind: str
    indicator: str
    scope: dict[str, str]
    rows: int
    n_used: float | None = None
    n_total: float | None = None
    values: dict[str, float] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    said: dict[str, list[str]] = field(default_factory=dict)


_DESCRIPTION = "_qpv_sante_description"


def describe(ax: Axes, description: Description) -> None:
    """Attach to axes what they show, for `figure_alt_text`."""
    setattr(ax, _DESCRIPTION, description)


def description_of(ax: Axes) -> Description | None:
    """What `describe` attached to these axes, if anything."""
    found: Description | None = getattr(ax, _DESCRIPTION, None)
    return found


@contextmanager
def figure_style() -> Iterator[None]:
    """Apply the style of the package, and leave the reader's settings as they were.

    Examples
    --------
    >>> import matplotlib
    >>> before = matplotlib.rcParams["axes.edgecolor"]
    >>> with figure_style():
    ...     matplotlib.rcParams["axes.edgecolor"]
    '#555555'
    >>> matplotlib.rcParams["axes.edgecolor"] == before
    True
    """
    import matplotlib as mpl

    try:
        with mpl.rc_context(_RC):
            try:
                yield
            finally:
                interactive = mpl.rcParams["interactive"]
    finally:
        # the first figure of a notebook makes the session interactive; undone, no later figure would be shown
        mpl.interactive(interactive)


def check_lang(lang: str) -> Lang:
    """The language itself, or an error.

    Raises
    ------
    UnknownNameError
        Neither `fr` nor `en`.
    """
    if lang == "fr":
        return "fr"
    if lang == "en":
        return "en"
    raise UnknownNameError(f"Unknown lang {lang!r}. {did_you_mean(lang, ('fr', 'en'))}")


def format_number(
    value: float | None, decimals: int = 1, *, lang: Lang = "fr", symbol: str = "", sign: bool = False
) -> str:
    """A number as it is printed, without recourse to the machine's locale.

    Parameters
    ----------
    value : float or None
        A missing value gives an en dash.
    decimals : int
    lang : {"fr", "en"}
        Decimal comma and narrow no-break space for thousands, or point and comma.
    symbol : str
        `%`, `€` or other unit after the number.
    sign : bool
        Write the plus sign.

    Returns
    -------
    str
        The minus sign is U+2212.

    Examples
    --------
    >>> format_number(-1234.56).replace("\\u202f", "_")
    '−1_234,6'
    >>> format_number(0.04, sign=True), format_number(1234.5, lang="en", symbol="%")
    ('0,0', '1,234.5%')
    """
    if value is None or pd.isna(value):
        return "–"
    rounded = round(float(value), decimals)
    text = f"{abs(rounded):,.{decimals}f}"
    if lang == "fr":
        text = text.replace(",", _THIN_SPACE).replace(".", ",")
    head = _MINUS if rounded < 0 else "+" if sign and rounded > 0 else ""
    tail = "" if not symbol else symbol if lang == "en" and symbol == "%" else f"{_THIN_SPACE}{symbol}"
    return f"{head}{text}{tail}"


def unit_symbol(unit: str) -> str:
    """What follows a number of this unit: `%`, `€` or nothing.

    Examples
    --------
    >>> [unit_symbol(unit) for unit in ("% des foyers", "€ par an et unité de consommation", "foyers")]
    ['%', '€', '']
    """
    return "%" if unit.startswith("%") else "€" if unit.startswith(("€", "EUR")) else ""


def axis_formatter(symbol: str = "", *, lang: Lang = "fr") -> FuncFormatter:
    """Formatter of a value axis: as many decimals as a tick needs, and the unit's symbol."""
    from matplotlib.ticker import FuncFormatter

    def label(value: float, _position: int | None) -> str:
        decimals = next((d for d in range(4) if abs(round(value, d) - value) < 1e-9), 4)
        return format_number(value, decimals, lang=lang, symbol=symbol)

    return FuncFormatter(label)


def typography(text: str, lang: Lang = "fr") -> str:
    """Spaces that must not break, and dashes, as printed text has them.

    Examples
    --------
    >>> typography("seuil à 60 % : Revenus - QPV").replace("\\u202f", "_").replace("\\u00a0", "~")
    'seuil à 60_%~: Revenus – QPV'
    """
    text = re.sub(r" - ", " – ", text)
    if lang == "en":
        return re.sub(r"(?<=\d) %", "%", text)
    text = re.sub(r"(?<=\d) (?=[%€])", _THIN_SPACE, text)
    text = re.sub(r" (?=[;!?])", _THIN_SPACE, text)
    return re.sub(r"(?<=«) | (?=[:»])", _NO_BREAK_SPACE, text)


def capitalise(text: str) -> str:
    """The text with a capital first letter, the rest unchanged."""
    return text[:1].upper() + text[1:]


def wrap(text: str, width: int, *, max_lines: int | None = None) -> str:
    """Long text on several lines; no-break spaces hold, words are cut only if longer than a line."""
    return textwrap.fill(text, width, break_on_hyphens=False, max_lines=max_lines, placeholder=" …")


def characters(points: float, size: float) -> int:
    """Number of characters of a size that fit on a width in points (mean width of DejaVu Sans)."""
    return max(12, int(points / (0.56 * size)))


def age_label(age: str, lang: Lang = "fr") -> str:
    """Words for an age class; empty for the total.

    Examples
    --------
    >>> age_label("Y_LT25"), age_label("Y25T49"), age_label("Y_GE50", "en"), age_label("_T")
    ('moins de 25 ans', '25 à 49 ans', '50 and over', '')
    """
    if age == "_T":
        return ""
    if found := re.fullmatch(r"Y_(LT|GE)(\d+)", age):
        under = {"fr": f"moins de {found[2]} ans", "en": f"under {found[2]}"}
        over = {"fr": f"{found[2]} ans ou plus", "en": f"{found[2]} and over"}
        return (under if found[1] == "LT" else over)[lang]
    if found := re.fullmatch(r"Y(\d+)T(\d+)", age):
        return f"{found[1]} à {found[2]} ans" if lang == "fr" else f"aged {found[1]}–{found[2]}"
    return age


def classes_label(sex: str, age: str, lang: Lang = "fr") -> str:
    """Words for the sex and age classes of a figure; empty for the total of both."""
    sexes = {"F": {"fr": "femmes", "en": "women"}, "M": {"fr": "hommes", "en": "men"}}
    parts = [sexes[sex][lang] if sex in sexes else "", age_label(age, lang)]
    return ", ".join(part for part in parts if part)


def year_label(indicator: Indicator, sources: Iterable[str], year: int, lang: Lang = "fr") -> str:
    """The year, or the edition where the producer's file does not write the year of reference."""
    names = {key.partition("@")[0] for key in sources}
    edition = any(s.year_meaning == "edition" for s in indicator.series if s.source in names)
    return f"{'édition' if lang == 'fr' else 'edition'} {year}" if edition else str(year)


def source_keys(*columns: Iterable[Any]) -> list[str]:
    """Distinct keys of editions in columns that may hold several, separated by commas."""
    cells = [str(cell) for column in columns for cell in column if cell is not None and not pd.isna(cell)]
    return sorted({key.strip() for cell in cells for key in re.split("[,;]", cell) if key.strip()})


def source_line(keys: Sequence[str], lang: Lang = "fr", *, outlines: Sequence[str] = ()) -> str:
    """Producers, titles, editions and licence, as printed under a figure.

    Parameters
    ----------
    keys : sequence of str
        Editions (`insee_filosofi_qpv@2019`); a key that the catalogue lacks is printed as it is.
    lang : {"fr", "en"}
        Titles stay in the producer's language.
    outlines : sequence of str
        Sources of the outlines of a map.

    Returns
    -------
    str

    Examples
    --------
    >>> source_line(["survey@2019"])
    'Source\\xa0: survey@2019.'
    """
    known = catalogue()
    titles: dict[tuple[str, str], list[str]] = {}
    licences: list[str] = []
    quotes = {"fr": "« {} »", "en": "“{}”"}[lang]
    for key in keys:
        name, _, edition = key.partition("@")
        if name in known.sources:
            source = known.source(name)
            titles.setdefault((source.producer, quotes.format(source.title)), []).append(edition)
            licences.append(source.licence)
        else:
            titles.setdefault((key, ""), [])
    word = {"fr": ("édition", "éditions"), "en": ("edition", "editions")}[lang]
    entries: dict[str, list[str]] = {}
    for (producer, title), editions in titles.items():
        listed = sorted(filter(None, editions))
        suffix = f", {word[len(listed) > 1]} {', '.join(listed)}" if listed else ""
        entries.setdefault(producer, []).append(title + suffix)
    parts = [f"{producer}, {' et '.join(found) if lang == 'fr' else ' and '.join(found)}".rstrip(", ")
             for producer, found in entries.items()]  # fmt: skip
    head = ("Source" if len(keys) == 1 else "Sources") + (" : " if lang == "fr" else ": ")
    line = head + " ; ".join(parts) + "." if lang == "fr" else head + "; ".join(parts) + "."
    if outlines:
        makers = list(dict.fromkeys(known.source(name).producer for name in outlines))
        licences += [known.source(name).licence for name in outlines]
        line += (" Contours : " if lang == "fr" else " Outlines: ") + ", ".join(makers) + "."
    if licences:
        # the name of a licence stays on one line; the notice of a restricted source is a sentence, and wraps
        kept = [name.replace(" ", _NO_BREAK_SPACE) if len(name) <= 30 else name for name in dict.fromkeys(licences)]
        named = ", ".join(kept).replace(", ", f",{_NO_BREAK_SPACE}") if max(map(len, kept)) <= 30 else ", ".join(kept)
        line += f" {named}."
    return typography(line, lang)


def add_headings(ax: Axes, title: str, subtitle: str, *, left: float = 0, above: float = 6, width: float = 480) -> None:
    """Title and subtitle above the axes, aligned on the left of what the axes carry.

    Parameters
    ----------
    ax : Axes
    title, subtitle : str
    left : float
        Distance to the left of the axes, in points.
    above : float
        Distance above the axes, in points.
    width : float
        Width for the text, in points.
    """
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "left", "va": "bottom"}
    small = wrap(subtitle, characters(width, TEXT_SIZE))
    ax.annotate(small, (0, 1), (-left, above), color=MUTED, fontsize=TEXT_SIZE, gid="subtitle", **place)
    height = (small.count("\n") + 1) * TEXT_SIZE * LINE_HEIGHT + 3
    large = wrap(title, characters(width, TITLE_SIZE * 1.1))
    title_place = {**place, "fontsize": TITLE_SIZE, "fontweight": "bold", "gid": "title"}
    ax.annotate(large, (0, 1), (-left, above + height), **title_place)


def add_notes(ax: Axes, lines: Sequence[str], *, left: float = 0, below: float = 6, width: float = 480) -> None:
    """Notes and source under the axes, in small type; distances in points, as in `add_headings`."""
    text = "\n".join(wrap(line, characters(width, NOTE_SIZE)) for line in lines if line)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "left", "va": "top"}
    ax.annotate(text, (0, 0), (-left, -below), color=MUTED, fontsize=NOTE_SIZE, linespacing=1.3, gid="notes", **place)


def new_axes() -> Axes:
    """Axes of a new figure, to be sized by `fit_figure`."""
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(8, 6))[1]


def size_axes(ax: Axes, width: float, height: float) -> None:
    """Give the axes of a new figure an exact size in inches."""
    figure = root_figure(ax)
    figure.set_size_inches(max(width, 1) * 2, max(height, 1) * 2)
    total = figure.get_size_inches()
    ax.set_position((0.25, 0.25, width / total[0], height / total[1]))


def fit_figure(ax: Axes, *, margin: float = 0.15, resolutions: Sequence[float] = (72, 110, 150, 200)) -> None:
    """Resize a new figure to what its axes carry, outside legends and notes included.

    Texts have a size in points, so nothing moves against the axes: no label is cut or covered, whatever
    its length.

    Parameters
    ----------
    ax : Axes
    margin : float
        Inches around.
    resolutions : sequence of float
        Those at which the figure may be saved, in dots an inch.
    """
    figure = root_figure(ax)
    own_dpi = figure.dpi
    sides, size = [], (1.0, 1.0)
    # the width of a text changes by several per cent with the resolution it is drawn at: room for the widest;
    # its own resolution last, which texts remember
    for dpi in (*resolutions, own_dpi):
        figure.set_dpi(dpi)
        inner, outer = ax.get_window_extent(), ax.get_tightbbox()
        if outer is not None:
            ends = (inner.x0 - outer.x0, inner.y0 - outer.y0, outer.x1 - inner.x1, outer.y1 - inner.y1)
            sides.append([end / dpi + margin for end in ends])
            size = (inner.width / dpi, inner.height / dpi)
    left, bottom, right, top = (max(column) for column in zip(*sides, strict=True))
    width, height = left + size[0] + right, bottom + size[1] + top
    figure.set_size_inches(width, height)
    ax.set_position((left / width, bottom / height, size[0] / width, size[1] / height))


def root_figure(ax: Axes) -> Figure:
    """The figure that holds the axes, above any subfigure."""
    figure = ax.get_figure(root=True)
    assert figure is not None  # noqa: S101 - axes that are drawn belong to a figure
    return figure


def width_points(ax: Axes) -> float:
    """Width of the axes in points."""
    return float(ax.get_window_extent().width / root_figure(ax).dpi * 72)
