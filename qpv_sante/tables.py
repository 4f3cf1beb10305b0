"""A frame as a table that people read: French numbers, words on the left, dashes where there is no value."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante import style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnknownNameError, did_you_mean
from qpv_sante.export import restrictions
from qpv_sante.observations import FLAG_LABELS, INTERVAL_LABELS
from qpv_sante.ranking import FUNNEL_LABELS, LIMITS_LABELS

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

# numbers that name and do not count: no thousands separator
_NAMES = frozenset({"year", "geo_vintage", "rank_year", "since"})
# shares between 0 and 1, of which one decimal would say nothing
_SHARES = frozenset({"coverage", "reference_coverage"})
# columns in the unit of the indicator of their row
_IN_UNIT = re.compile(
    r"((qpv|reference|commune|epci|urban_unit|department|region|country)_)?(value|lower|upper)"
    r"|qpv_((region|country)_)?(min|q1|median|q3|max)|difference(_lower|_upper)?|target|funnel_(lower|upper)_\w+"
)
# columns of codes that have words
_WORDS = {"flag": FLAG_LABELS, "interval": INTERVAL_LABELS, "funnel_position": FUNNEL_LABELS, "limits": LIMITS_LABELS}
_TRUTH = {True: {"fr": "oui", "en": "yes"}, False: {"fr": "non", "en": "no"}}


@checked
def format_table(
    frame: pd.DataFrame,
    columns: Mapping[str, str] | None = None,
    *,
    decimals: int | Mapping[str, int] | None = None,
    lang: str = "fr",
) -> Styler:
    """A frame as a table to read in a notebook, or to paste: `.to_html()`.

    Parameters
    ----------
    frame : DataFrame
        Any result of the package. An index that has a name, or names, becomes the first columns; another is left out.
    columns : mapping of str to str, optional
        Columns to show, in this order, and what to call them; all of them under their own names by default.
    decimals : int or mapping of str to int, optional
        Of numbers that are not whole, for all columns or by column of the frame. Otherwise a figure has those of its
        indicator, if the frame has the column `indicator` (of an import, those of its file), and other numbers have 1.
    lang : {"fr", "en"}
        Of the numbers, of yes and no, and of the words for the codes of `flag`, `interval`, `funnel_position`
        and `limits`.

    Returns
    -------
    Styler
        Of pandas: shown by notebooks, `.to_html()` for pages, `print` for terminals. Words stand on the left and
        numbers on the right; a missing value is an en dash; years keep their four digits; coverages are in percent. The
        notice of a restricted source is the caption.

    Raises
    ------
    UnknownNameError
        A column that the frame does not have, or an unknown language.

    Examples
    --------
    >>> frame = pd.DataFrame({"year": [2019], "flag": ["suppressed"], "value": [None], "n": [12345]})
    >>> html = format_table(frame, {"flag": "statut", "value": "taux", "n": "foyers"}).to_html()
    >>> "secret statistique" in html, "–" in html, "12\\u202f345" in html, "2019" in html
    (True, True, True, False)
    """
    language = style.check_lang(lang)
    named = [name for name in frame.index.names if name is not None]
    shown = frame.reset_index() if named else frame.reset_index(drop=True)
    chosen = dict(columns) if columns is not None else {str(name): str(name) for name in shown.columns}
    for name in chosen:
        if name not in shown.columns:
            raise UnknownNameError(f"No column {name!r} in this frame. {did_you_mean(name, list(shown.columns))}")
    own = _of_indicators(shown)
    shown = shown[list(chosen)]
    numeric = [name for name in shown.columns if _is_number(shown[name])]
    places = {name: _decimals(shown[name], name, decimals, own) for name in shown}
    texts = {name: _texts(shown[name], name in numeric, places[name], language) for name in shown}
    table = pd.DataFrame(texts).rename(columns=chosen)
    # the same table has the same bytes; two tables of a page do not share their style sheet
    mark = hashlib.sha256(repr((table.columns.tolist(), table.to_numpy().tolist())).encode()).hexdigest()[:8]
    sides = ["right" if name in numeric else "left" for name in chosen]
    rules = [
        {"selector": f"{cell}.col{rank}", "props": f"text-align: {side}; vertical-align: top"}
        for rank, side in enumerate(sides)
        for cell in ("th", "td")
    ]
    escaped = _styler()(table).format(escape="html").format_index(escape="html", axis="columns")
    # with the table, wherever it is pasted
    if notices := restrictions(frame):
        escaped = escaped.set_caption(html.escape(style.typography(" ; ".join(notices), language)))
    return escaped.set_uuid(mark).hide(axis="index").set_table_styles(rules)


@lru_cache(maxsize=1)
def _styler() -> type[Styler]:
    """Pandas' styler, which says in a terminal what it shows on a page; imported late, as it is slow."""
    from pandas.io.formats.style import Styler

    class Table(Styler):
        def __repr__(self) -> str:
            notice = f"\n{html.unescape(str(self.caption))}" if self.caption else ""
            return f"{self.data.to_string(index=False)}{notice}"

    return Table


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _of_indicators(frame: pd.DataFrame) -> pd.Series:
    """Decimals of the figures of each row: those of its indicator, 1 where it is not one of the catalogue."""
    if "indicator" not in frame:
        return pd.Series(1, index=frame.index)
    known = {name: one.decimals for name, one in catalogue().indicators.items()}
    return frame["indicator"].map(lambda name: known.get(name, 1)).astype(int)


def _decimals(column: pd.Series, name: str, decimals: int | Mapping[str, int] | None, own: pd.Series) -> list[int]:
    """Decimals of each row of a column: those asked for, else those of its indicator; none of whole numbers."""
    if pd.api.types.is_integer_dtype(column) and not (isinstance(decimals, Mapping) and name in decimals):
        return [0] * len(column)
    if isinstance(decimals, int):
        return [decimals] * len(column)
    if decimals is not None and name in decimals:
        return [decimals[name]] * len(column)
    return own.tolist() if _IN_UNIT.fullmatch(name) else [1] * len(column)


def _texts(column: pd.Series, number: bool, decimals: list[int], lang: style.Lang) -> list[str]:
    if number and column.name in _NAMES:
        return ["–" if pd.isna(value) else f"{value:.0f}" for value in column]
    if number:
        share = column.name in _SHARES
        return [
            style.format_number(100 * value, places, lang=lang, symbol="%")
            if share
            else style.format_number(value, places, lang=lang)
            for value, places in zip(column, decimals, strict=True)
        ]
    if pd.api.types.is_bool_dtype(column):
        return ["–" if pd.isna(value) else _TRUTH[bool(value)][lang] for value in column]
    if column.name in _WORDS:
        words = {code: label[lang] for code, label in _WORDS[str(column.name)].items()}
        return ["–" if pd.isna(value) else words.get(str(value), str(value)) for value in column]
    return ["–" if pd.isna(value) or value == "" else style.typography(str(value), lang) for value in column]
