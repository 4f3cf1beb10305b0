"""Tables to files, by suffix, with what must travel with every value."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from qpv_sante.catalogue import catalogue
from qpv_sante.errors import StoreError, UnknownNameError, did_you_mean

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def _neutral(cell: object) -> object:
    """A text that a spreadsheet would run as a formula, made text by an apostrophe; numbers as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def _to_csv(frame: pd.DataFrame, path: Path) -> None:
    for name in [name for name, dtype in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)]:
        if pd.api.types.is_datetime64_any_dtype(frame[name]):
            continue
        cells = frame[name].astype("object")
        changed = cells.map(_neutral)
        if not changed.equals(cells):
            frame = frame.assign(**{str(name): changed})
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
        Observations or a comparison: sources, licence and flags are columns, and go with the values. Where a
        source is restricted (see `import_observations`), the column `restriction` repeats its notice on every row.
    path : Path or str
        `.csv` (semicolon, decimal comma, UTF-8 with BOM: what French spreadsheets open), `.parquet` or `.json`.
        In a `.csv`, a text that begins with `=`, `+`, `-` or `@` is preceded by an apostrophe: a spreadsheet would
        run it as a formula. Numbers, negative ones too, are untouched.

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
    if notices := restrictions(frame):
        plain["restriction"] = " ; ".join(notices)
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


def restrictions(frame: pd.DataFrame) -> list[str]:
    """Notices of the restricted sources that a table may rest on.

    Parameters
    ----------
    frame : DataFrame
        With `source` (and `reference_source`), or at least `attrs["origin"]` or `indicator`: where the
        table no longer says its sources, those of its indicators are meant, since a notice too many
        harms nobody. `attrs["restrictions"]` (see `load_observations`) counts whatever the columns and the
        catalogue say: the notice outlives the import.

    Returns
    -------
    list of str

    Examples
    --------
    >>> restrictions(pd.DataFrame({"source": ["insee_filosofi_qpv@2021"], "value": [42.0]}))
    []
    """
    known = catalogue()
    limited = {name: source.restriction for name, source in known.sources.items() if source.restriction}
    columns = [name for name in frame.columns if str(name) == "source" or str(name).endswith("_source")]
    if columns:
        cells = [str(cell) for name in columns for cell in frame[name].dropna().unique()]
        used = {key.strip().partition("@")[0] for cell in cells for key in re.split("[,;]", cell)}
    elif "origin" in frame.attrs:
        used = {str(key).partition("@")[0] for key in frame.attrs["origin"]}
    else:
        names = frame["indicator"].dropna().astype("str").unique() if "indicator" in frame else []
        measured = [known.indicators[name] for name in names if name in known.indicators]
        used = {series.source for indicator in measured for series in indicator.series}
    carried = [str(notice) for notice in frame.attrs.get("restrictions", [])]
    return list(dict.fromkeys([*carried, *(notice for name, notice in limited.items() if name in used)]))


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
