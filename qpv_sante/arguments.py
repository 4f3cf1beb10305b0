"""What public functions take, checked at the door.

Types come from a function's own annotations, ranges and sizes from the names of its parameters: one name means one
thing in the whole package. What passes is what the function was written for; what does not is refused by an error of
the package before any work, never by an exception from inside a library.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import sys
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from qpv_sante.errors import ArgumentTypeError, InvalidInputError
from qpv_sante.texts import is_unsafe

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_TEXT = 1_000
MOST_ITEMS = 10_000
# Columns that hold numbers wherever a frame of the package is taken, alone or behind a prefix (`qpv_value`)
_NUMBERS = (
    "value",
    "lower",
    "upper",
    "difference",
    "ratio",
    "denominator",
    "coverage",
    "n_used",
    "n_total",
    "geo_vintage",
)
# Names that modules import for type checkers only, because the libraries are slow to import
_LATE = {
    "Axes": ("matplotlib.axes", "Axes"),
    "Figure": ("matplotlib.figure", "Figure"),
    "Styler": ("pandas.io.formats.style", "Styler"),
    "gpd": ("geopandas", None),
    "Territory": ("qpv_sante.territories", "Territory"),
}


@dataclass(frozen=True)
class Range:
    """The numbers that a parameter takes; `open` leaves out both ends. `most` limits how many there are."""

    low: float
    high: float
    open: bool = False
    most: int = MOST_ITEMS

    def __contains__(self, number: Any) -> bool:
        """Whether the number is in the range; a missing one is not."""
        return self.low < number < self.high if self.open else self.low <= number <= self.high

    def __str__(self) -> str:
        """The range in words, for messages."""
        if math.isinf(self.high):
            return f"{self.low:,g} or more"
        return f"between {self.low:,g} and {self.high:,g}" + (", neither included" if self.open else "")


RANGES = {
    "level": Range(0, 1, open=True),
    "min_coverage": Range(0, 1),
    "draws": Range(100, 100_000),
    "seed": Range(0, 2**32 - 1),
    "n": Range(1, 10_000),
    "min_common": Range(1, 1_000),
    "keep": Range(1, 1_000),
    "decimals": Range(0, 12),
    "year": Range(1900, 2200),
    "years": Range(1900, 2200),
    "rank_year": Range(1900, 2200),
    "year_x": Range(1900, 2200),
    "year_y": Range(1900, 2200),
    "distances": Range(0, 100_000, most=20),
    "within_m": Range(0, 1_000_000),
    "unknown_precision": Range(0, 1_000_000),
    "same_outline_iou": Range(0, 1),
    "breaks": Range(-math.inf, math.inf, open=True, most=20),
}


class _Late(dict[str, Any]):
    """Names of annotations that are imported when a call first needs them."""

    def __missing__(self, name: str) -> Any:
        module, attribute = _LATE[name]
        return getattr(import_module(module), attribute) if attribute else import_module(module)


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """Refuse arguments of another type, size or range than the function's annotations and names say.

    Numbers and texts of numpy become Python's; a lone text given for a list of texts is a list of one.

    Raises
    ------
    ArgumentTypeError
        An argument of another type, missing or unknown; also a `TypeError`.
    InvalidInputError
        A number out of range, infinite or missing, a text or list that is too long, a frame with two columns of one
        name, infinite numbers or texts for numbers; also a `ValueError`.

    Examples
    --------
    >>> @checked
    ... def double(year: int) -> int:
    ...     return 2 * year
    >>> double(2021)
    4042
    >>> double("2021")
    Traceback (most recent call last):
        ...
    qpv_sante.errors.ArgumentTypeError: double: year takes int; got '2021', a str. Write 2021 without quotes.
    """
    signature = inspect.signature(function)
    hints = functools.cache(lambda: typing.get_type_hints(function, localns=_Late()))

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            given = signature.bind(*args, **kwargs)
        except TypeError as error:
            takes = ", ".join(signature.parameters)
            raise ArgumentTypeError(f"{function.__name__}: {error}. It takes {takes}.") from None
        for name, value in given.arguments.items():
            where = f"{function.__name__}: {name}"
            given.arguments[name] = _checked_value(where, name, value, hints().get(name, Any))
        return function(*given.args, **given.kwargs)

    return called


def _checked_value(where: str, name: str, value: Any, hint: Any) -> Any:
    """The value as the function takes it."""
    value = _plain(value, hint)
    limits = RANGES.get(name, Range(-math.inf, math.inf))
    if isinstance(value, Sequence | Mapping) and not isinstance(value, str) and len(value) > limits.most:
        raise InvalidInputError(f"{where} takes at most {limits.most:,} items; got {len(value):,}.")
    if not _is_of_type(value, hint):
        got = f"got {_shown(value)}, a {type(value).__name__}"
        raise ArgumentTypeError(f"{where} takes {_words(hint)}; {got}.{_advice(value, hint)}")
    if isinstance(value, pd.DataFrame):
        check_frame(where, value)
    for item in _items(value):
        if isinstance(item, str) and len(item) > LONGEST_TEXT:
            raise InvalidInputError(f"{where} takes texts of at most {LONGEST_TEXT:,} characters; got {len(item):,}.")
        if isinstance(item, str) and is_unsafe(item):
            raise InvalidInputError(f"{where} takes texts without control characters; got {item[:40]!a}.")
        if isinstance(item, numbers.Real) and name in RANGES and item not in limits:
            raise InvalidInputError(f"{where} is {limits}; got {_shown(item)}.")
        if isinstance(item, int) and abs(item) > sys.float_info.max:
            raise InvalidInputError(
                f"{where} takes numbers that a computer can hold; got one of {item.bit_length()} bits."
            )
    return value


def _plain(value: Any, hint: Any) -> Any:
    """Numbers and texts of numpy as Python's, columns as lists, a lone text as the list that is asked for."""
    if isinstance(value, np.generic):
        value = value.item()
    kinds = _kinds(hint)
    if isinstance(value, pd.Series | pd.Index | np.ndarray) and Sequence in kinds and type(value) not in kinds:
        return value.tolist()
    lone = isinstance(value, str) and str not in kinds and "str" in str(hint)
    return [value] if lone and any(kind in kinds for kind in (Sequence, Iterable, typing.Collection)) else value


def _kinds(hint: Any) -> set[Any]:
    """The alternatives of an annotation, without what their items are."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, type(int | str)) else (hint,)
    return {typing.get_origin(part) or part for part in parts}


def _is_of_type(value: Any, hint: Any) -> bool:
    from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

    kinds = _kinds(hint)
    if isinstance(value, bool) and bool not in kinds and Any not in kinds:
        return False  # Python's truth values are numbers, an analyst's are not
    if isinstance(value, Sequence | Mapping) and any(isinstance(item, bool) for item in _items(value)):
        return False
    try:
        check_type(value, hint, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError:
        return False
    return True


def _items(value: Any) -> Iterable[Any]:
    """The value itself, or what a list or the values of a mapping hold, one level down."""
    if isinstance(value, str) or not isinstance(value, Sequence | Mapping):
        return (value,)
    return value.values() if isinstance(value, Mapping) else value


def _words(hint: Any) -> str:
    """An annotation as a reader writes it: `str, Territory or None`."""
    parts = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, type(int | str)) else (hint,)
    names = [
        "None" if part is type(None) else part.__name__ if isinstance(part, type) and not typing.get_args(part)
        else str(part).replace("collections.abc.", "").replace("typing.", "").replace("pandas.", "pd.")
        for part in parts
    ]  # fmt: skip
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def _advice(value: Any, hint: Any) -> str:
    """What to write instead, for the mistakes that are often made."""
    kinds = _kinds(hint)
    if "Territory" in str(hint):
        return " Write a name ('Occitanie', 'Devèze, Béziers') or a typed code ('region:76', 'commune:34032')."
    if isinstance(value, pd.DataFrame) and "GeoDataFrame" in str(hint):
        return " load_zones and attach_zones give outlines."
    if isinstance(value, str) and kinds & {int, float} and value.strip().lstrip("-").replace(".", "", 1).isdigit():
        return f" Write {value.strip()} without quotes."
    if isinstance(value, Sequence | pd.Series | pd.Index | np.ndarray) and not isinstance(value, str):
        return "" if Sequence in kinds else " Give one at a time."
    return ""


def _shown(value: Any) -> str:
    """The value in a message: short, and without the characters that would move a terminal's cursor."""
    if isinstance(value, pd.DataFrame | pd.Series | np.ndarray):
        return f"shape {value.shape}"
    text = repr(value) if isinstance(value, str | numbers.Number | type(None)) else f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def check_frame(where: str, frame: pd.DataFrame) -> None:
    """Refuse a frame that no result of the package looks like, before a library stumbles on it.

    Parameters
    ----------
    where : str
        Function and parameter, as the message begins.
    frame : DataFrame
        Any of the package's tables, or one of the same columns.

    Raises
    ------
    InvalidInputError
        Two columns of one name, infinite numbers, or texts in a column of numbers.
    """
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise InvalidInputError(f"{where} has two columns {twice[0]!r}. Rename or drop one.")
    for name in frame.columns:
        column = frame[name]
        if isinstance(column.dtype, np.dtype) and column.dtype.kind == "f":
            infinite = np.isinf(column.to_numpy())
            if infinite.any():
                raise InvalidInputError(
                    f"{where}: {int(infinite.sum())} values of {name!r} are infinite (first at row "
                    f"{int(infinite.argmax())}). Make them missing, with a flag that says why."
                )
        texts = not pd.api.types.is_numeric_dtype(column) and column.notna().any()
        if texts and str(name).endswith(_NUMBERS):
            first = column.dropna().iloc[0]
            raise InvalidInputError(
                f"{where}: column {name!r} takes numbers; got {_shown(first)}. Convert it with pd.to_numeric."
            )
