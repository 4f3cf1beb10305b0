"""Widths of the columns of a printed table: numbers on one line, and the rest of the room to words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qpv_sante.report.page import Table

# Ems at most of a column of numbers, and lines of the longest cell of words: what makes the fewest lines is taken
_NUMBER = (20.0, 17.0, 14.0, 12.0, 10.0, 8.0)
_LINES = (1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 4.0, 6.0, 10.0)
_PADDING = 1.0  # ems of a cell around its text, a little more than the template leaves there
_RAGGED = 1.1  # lines of words are not full
_STEPS = (6.0, 3.0, 1.5)  # ems moved from a column to another
_TIE = 0.001
_NAME = 2  # lines of a row's name that cost nothing more than their height


def fonts() -> Path:
    """The fonts that matplotlib carries: those of the figures, with every French character."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def column_widths(table: Table, room: float) -> list[float]:
    """Widths of the columns of a table, in ems of its text.

    No column is narrower than its longest word. Columns of words share what numbers leave.

    Parameters
    ----------
    table : Table
    room : float
        Ems of a line.

    Returns
    -------
    list of float
        Their sum is that of `room`, or less where the table needs less; more where its longest words need more.

    Examples
    --------
    >>> from qpv_sante.report.page import Table
    >>> [round(width, 1) for width in column_widths(Table("", ["Nom", "Valeur"], [["Un nom de quartier", "12,5"]]), 60)]
    [10.8, 4.6]
    """
    texts = {0, *table.text_columns}
    words, cells = [], []
    for position, name in enumerate(table.header):
        column = [row[position] for row in table.rows]
        heading = max(_length(part, bold=True) for part in name.replace("-", "- ").split(" "))
        words.append(max([heading, *(_length(part) for cell in column for part in cell.split(" "))]) + _PADDING)
        cells.append([_length(name, bold=True) + _PADDING, *(_length(cell) + _PADDING for cell in column)])
    # headings go on two lines rather than take the room of words
    wished = [max([word, _RAGGED * column[0] / 2, *column[1:]]) for word, column in zip(words, cells, strict=True)]
    tried = [_widths(words, wished, texts, most, lines, room) for most in _NUMBER for lines in _LINES]
    fitting = [widths for widths in tried if sum(widths) <= room] or [min(tried, key=sum)]
    best = min(fitting, key=lambda widths: _lines(cells, widths))
    return _balanced(best, words, cells, sorted(texts))


def _widths(
    words: Sequence[float], wished: Sequence[float], texts: set[int], most: float, lines: float, room: float
) -> list[float]:
    """Widths with columns of numbers of `most` ems, and words on so many lines in what is left."""
    widths = [max(word, min(wish, most)) for word, wish in zip(words, wished, strict=True)]
    for i in texts:
        widths[i] = min(wished[i], max(words[i], (_RAGGED if lines > 1 else 1.0) * wished[i] / lines))
    left = room - sum(widths)
    for i in sorted(texts, key=lambda i: wished[i] - widths[i]):
        more = max(min(left, wished[i] - widths[i]), 0.0)
        widths[i] += more
        left -= more
    return widths


def _balanced(
    widths: list[float], words: Sequence[float], cells: Sequence[Sequence[float]], texts: Sequence[int]
) -> list[float]:
    """Room given by one column of words to another as long as it makes fewer lines: one long cell takes less of it."""
    least = _lines(cells, widths)
    for step in _STEPS:
        moved = True
        while moved:
            moved = False
            for giver, taker in permutations(texts, 2):
                if widths[giver] - step < words[giver]:
                    continue
                other = list(widths)
                other[giver] -= step
                other[taker] += step
                if (lines := _lines(cells, other)) < least:
                    widths, least, moved = other, lines, True
    return widths


def _lines(cells: Sequence[Sequence[float]], widths: Sequence[float]) -> float:
    """Lines that a table takes, about; a name cut into many lines costs more, and all cells tell two layouts apart."""
    total = 0.0
    for row in zip(*cells, strict=True):
        lines = [
            1 if cell <= width else math.ceil(_RAGGED * cell / width) for cell, width in zip(row, widths, strict=True)
        ]
        total += max(lines) + _TIE * sum(lines) + max(lines[0] - _NAME, 0)
    return total


@lru_cache(maxsize=4096)
def _length(text: str, *, bold: bool = False) -> float:
    """Ems of a text on one line."""
    font = _font("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
    return float(font.getlength(text) / font.size)


@lru_cache(maxsize=2)
def _font(name: str) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(str(fonts() / name), 100)
