"""Tables to files, by suffix, with what must travel with every value."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from qpv_sante.catalogue import catalogue
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
        Observations or a comparison: sources, licence and flags are columns, and go with the values. Where a
        source is restricted (see `import_observations`), the column `restriction` repeats its notice on every row.
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
        harms nobody.

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
    if not limited:
        return []
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
    return list(dict.fromkeys(notice for name, notice in limited.items() if name in used))


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
