"""Texts from outside: what no name, label or note may hold, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

# Control characters, which move a terminal's cursor and which XML cannot hold; marks that turn the direction of
# reading, which show one name for another. Line breaks and tabulations are left alone.
_UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair: no file can hold one, columns of text neither


def is_unsafe(text: str) -> bool:
    """Whether a text holds what no name may hold."""
    return bool(_UNSAFE.search(text) or _HALF.search(text))


def unsafe_texts(record: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Each unsafe text in a nest of mappings and lists, with the path to it.

    Examples
    --------
    >>> list(unsafe_texts({"label": {"fr": "Taux", "en": "Ra\\x1bte"}}))
    [('label.en', 'Ra\\x1bte')]
    """
    if isinstance(record, str):
        if is_unsafe(record):
            yield where, record
    elif isinstance(record, dict):
        for key, value in record.items():
            yield from unsafe_texts(key, where)
            yield from unsafe_texts(value, f"{where}.{key}".lstrip("."))
    elif isinstance(record, list | tuple):
        for value in record:
            yield from unsafe_texts(value, where)


def first_unsafe_cell(frame: pd.DataFrame) -> tuple[int, str, str] | None:
    """Row, column and content of the first unsafe text of a frame, and none where all are plain.

    Examples
    --------
    >>> first_unsafe_cell(pd.DataFrame({"name": ["Moulins", "Fi\\x1bves"]}))
    (1, 'name', 'Fi\\x1bves')
    """
    for name, dtype in frame.dtypes.items():
        if isinstance(dtype, pd.StringDtype) or pd.api.types.is_object_dtype(dtype):
            found = frame[name].astype("str").str.contains(_UNSAFE, na=False).to_numpy()
            if found.any():
                row = int(found.argmax())
                return row, str(name), str(frame[name].iloc[row])
    return None
