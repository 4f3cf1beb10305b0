"""Columns of numbers as the statistical functions receive them: checked once, with messages that name the rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import pandas as pd

from qpv_sante.errors import InvalidInputError, UnknownNameError, did_you_mean

Column: TypeAlias = float | Sequence[float] | np.ndarray | pd.Series
"""One number, or one number per row; the index of a Series is kept."""

UNCERTAINTIES = ("sampling", "rounding", "secrecy", "model", "process", "between_qpv")
"""What an interval can express; an exhaustive source has no sampling error."""


def check_level(level: float) -> float:
    """Return `level` as a float, or refuse what is not a confidence level.

    Parameters
    ----------
    level : float
        Confidence level, strictly between 0 and 1.

    Returns
    -------
    float

    Raises
    ------
    InvalidInputError
        If `level` is not strictly between 0 and 1 (95 in place of 0.95, for instance).

    Examples
    --------
    >>> check_level(0.95)
    0.95
    """
    number = pd.to_numeric(level, errors="coerce") if np.ndim(level) == 0 else np.nan
    if not 0 < number < 1:
        raise InvalidInputError(f"`level` must lie strictly between 0 and 1, such as 0.95 or 0.998; found {level!r}.")
    return float(number)


def check_choice(name: str, given: str, valid: Sequence[str]) -> str:
    """Return `given` if it is one of `valid`, or say which names are.

    Parameters
    ----------
    name : str
        Name of the argument, for the message.
    given : str
        What the caller wrote.
    valid : sequence of str
        Accepted names.

    Returns
    -------
    str

    Raises
    ------
    UnknownNameError
        If `given` is not in `valid`.

    Examples
    --------
    >>> check_choice("method", "wilson", ["wilson", "jeffreys"])
    'wilson'
    """
    if given not in valid:
        raise UnknownNameError(f"`{name}` is {given!r}. {did_you_mean(given, valid)}")
    return given


def _numbers(name: str, column: Column) -> np.ndarray:
    values = pd.Series(column) if not isinstance(column, pd.Series) else column
    if values.dtype == object or pd.api.types.is_string_dtype(values.dtype):
        # A text "12" would convert in silence; a code such as "093001" read as a count must not.
        texts = [value for value in values if isinstance(value, str)]
        if texts:
            raise InvalidInputError(f"`{name}` must hold numbers; found text, such as {texts[0]!r}.")
    try:
        return values.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"`{name}` must hold numbers; found {values.dtype} values.") from error


def read_columns(**named: Column) -> tuple[pd.Index, dict[str, np.ndarray]]:
    """Turn numbers, lists, arrays and Series into float arrays of one length with one index.

    Parameters
    ----------
    **named : float, sequence, array or Series
        The columns, by argument name. A single number is repeated. Missing values (``None``, ``NaN``, ``pd.NA``)
        become ``NaN``.

    Returns
    -------
    index : pandas.Index
        That of the Series given, else 0, 1, 2...
    columns : dict of str to ndarray, shape (n_rows,)

    Raises
    ------
    InvalidInputError
        If lengths differ, if two Series have different indexes (matching by position would pair wrong rows), if a
        column has two dimensions, holds text or an infinite number.

    Examples
    --------
    >>> index, columns = read_columns(count=pd.Series([1, 2], index=["a", "b"]), n=10)
    >>> list(index), columns["n"].tolist()
    (['a', 'b'], [10.0, 10.0])
    """
    index: pd.Index | None = None
    owner = ""
    for name, column in named.items():
        if np.ndim(column) > 1:
            raise InvalidInputError(f"`{name}` must be one column; found {np.ndim(column)} dimensions.")
        if isinstance(column, pd.Series):
            if index is None:
                index, owner = column.index, name
            elif not index.equals(column.index):
                raise InvalidInputError(
                    f"`{owner}` and `{name}` are Series with different indexes; align them first, "
                    "so that each row holds one unit."
                )
    arrays = {name: _numbers(name, column) for name, column in named.items()}
    lengths = {name: len(array) for name, array in arrays.items() if np.ndim(named[name]) == 1}
    if len(set(lengths.values())) > 1:
        raise InvalidInputError(f"columns must have one length; found {lengths}.")
    size = next(iter(lengths.values()), 1)
    index = pd.RangeIndex(size) if index is None else index
    columns = {name: np.broadcast_to(array, (size,)) for name, array in arrays.items()}
    for name, array in columns.items():
        require(~np.isinf(array), index, f"`{name}` must be finite", **{name: array})
    return index, columns


def require(holds: np.ndarray, index: pd.Index, expected: str, **found: np.ndarray) -> None:
    """Raise an error that names the first rows where a condition does not hold.

    Parameters
    ----------
    holds : ndarray of bool, shape (n_rows,)
        The condition; comparisons with missing values must already count as true.
    index : pandas.Index
        Labels of the rows.
    expected : str
        The condition in words.
    **found : ndarray
        Columns to quote for the faulty rows.

    Raises
    ------
    InvalidInputError
        If the condition fails for one row or more.

    Examples
    --------
    >>> require(np.array([True, False]), pd.Index(["a", "b"]), "`n` must be positive", n=np.array([1.0, -2.0]))
    Traceback (most recent call last):
    ...
    qpv_sante.errors.InvalidInputError: `n` must be positive; 1 of 2 rows: 'b' (n=-2).
    """
    bad = np.flatnonzero(~holds)
    if not len(bad):
        return
    quoted = "; ".join(
        f"{index[row]!r} ({', '.join(f'{name}={array[row]:.10g}' for name, array in found.items())})"
        for row in bad[:5].tolist()
    )
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    raise InvalidInputError(f"{expected}; {len(bad)} of {len(holds)} rows: {quoted}{more}.")


def is_whole(array: np.ndarray) -> np.ndarray:
    """Tell which values are whole numbers (missing values count as whole).

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    ndarray of bool

    Examples
    --------
    >>> is_whole(np.array([3.0, 3.5, np.nan])).tolist()
    [True, False, True]
    """
    return np.isnan(array) | (np.abs(array - np.rint(array)) <= 1e-9 * np.maximum(1, np.abs(array)))
