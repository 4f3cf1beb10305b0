"""Tables to files, by suffix, with what must travel with every value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from qpv_sante.errors import StoreError, UnknownNameError, did_you_mean


def _to_csv(frame: pd.DataFrame, path: Path) -> None:
    # what French spreadsheets open without questions: semicolon, decimal comma, byte-order mark
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")


def _to_json(frame: pd.DataFrame, path: Path) -> None:
    frame.to_json(path, orient="records", force_ascii=False, indent=1)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _to_csv,
    ".parquet": lambda frame, path: frame.to_parquet(path, index=False),
    ".json": _to_json,
}
TABLE_SUFFIXES = tuple(_WRITERS)


def write_table(frame: pd.DataFrame, path: Path | str) -> Path:
    """Write a table in the format that the file's suffix names.

    Parameters
    ----------
    frame : DataFrame
        Observations or a comparison: sources, licence and flags are columns, and go with the values.
    path : Path or str
        `.csv` (semicolon, decimal comma, UTF-8 with BOM: what French spreadsheets open), `.parquet` or `.json`.

    Returns
    -------
    Path

    Raises
    ------
    UnknownNameError
        Another suffix; the message lists those that exist.
    StoreError
        The file cannot be written.
    """
    path = Path(path)
    check_suffix(path, TABLE_SUFFIXES)
    plain = frame.reset_index(drop=True)
    plain.attrs = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.partial{path.suffix}")
        try:
            _WRITERS[path.suffix.lower()](plain, aside)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
    return path


def check_suffix(path: Path, valid: tuple[str, ...]) -> None:
    """Refuse a file whose suffix names no known format.

    Raises
    ------
    UnknownNameError
    """
    if path.suffix.lower() not in valid:
        raise UnknownNameError(
            f"Cannot write {path.name}: unknown suffix {path.suffix!r}. {did_you_mean(path.suffix, valid)}"
        )
