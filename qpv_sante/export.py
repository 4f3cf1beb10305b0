"""Tables to files, by suffix, with what must travel with every value."""

from __future__ import annotations

import errno
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante.catalogue import catalogue
from qpv_sante.errors import OutputError, SchemaError, StoreError, UnknownNameError, did_you_mean
from qpv_sante.observations import MISSING_FLAGS

if TYPE_CHECKING:
    import geopandas as gpd

# After any blank: spreadsheets skip those. Full-width signs too, which some read as the plain ones
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n|%＝＋－＠]")
_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)?\s*")


def _neutral(cell: object) -> object:
    """A text that a spreadsheet would run as a formula, made text by an apostrophe; numbers as they are."""
    runs = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if runs else cell


def _to_csv(frame: pd.DataFrame, path: Path) -> None:
    for name in [name for name, dtype in frame.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)]:
        if pd.api.types.is_datetime64_any_dtype(frame[name]):
            continue
        cells = frame[name].astype("object")
        changed = cells.map(_neutral)
        if not changed.equals(cells):
            frame = frame.assign(**{str(name): changed})
    frame = frame.rename(columns=_neutral)
    # what French spreadsheets open without questions: semicolon, decimal comma, byte-order mark
    frame.to_csv(path, index=False, sep=";", decimal=",", encoding="utf-8-sig")


def _to_parquet(frame: pd.DataFrame, path: Path) -> None:
    # a GeoDataFrame writes GeoParquet by the same method
    frame.to_parquet(path, index=False)


def _to_gpkg(frame: gpd.GeoDataFrame, path: Path) -> None:
    # one layer, named as its kind and not as the temporary file
    frame.to_file(path, driver="GPKG", layer="qpv_sante", engine="pyogrio")


def _to_geojson(frame: gpd.GeoDataFrame, path: Path) -> None:
    # the format knows one system of coordinates, longitudes and latitudes; RFC 7946 orders rings for every reader
    frame.to_crs(4326).to_file(path, driver="GeoJSON", engine="pyogrio", RFC7946="YES", WRITE_NAME="NO")


def _to_json(frame: pd.DataFrame, path: Path) -> None:
    frame.to_json(path, orient="records", force_ascii=False, indent=1)


_WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    ".csv": _to_csv,
    ".parquet": _to_parquet,
    ".json": _to_json,
}
TABLE_SUFFIXES = tuple(_WRITERS)
_GEO_WRITERS: dict[str, Callable[[gpd.GeoDataFrame, Path], None]] = {
    ".gpkg": _to_gpkg,
    ".parquet": _to_parquet,
    ".geojson": _to_geojson,
}
GEO_SUFFIXES = tuple(_GEO_WRITERS)
# The outlines' own source, by level and zoning
_OUTLINES = {("qpv", 2015): "anct_qpv2015", ("qpv", 2024): "anct_qpv2024"}
_OUTLINES_OF_LEVEL = {"commune": "ign_communes", "department": "ign_departments", "region": "ign_regions"}


def write_table(frame: pd.DataFrame, path: Path | str) -> Path:
    """Write a table in the format that the file's suffix names.

    Parameters
    ----------
    frame : DataFrame or GeoDataFrame
        Observations, a comparison, or what `attach_zones` and `load_zones` give: sources, licence and flags are
        columns, and go with the values. Where a source is restricted (see `import_observations`), the column
        `restriction` repeats its notice on every row. With outlines, the columns `licence`, `outline_source` and
        `outline_licence` are added: layers are copied from one map to another without their notes.
    path : Path or str
        `.csv` (semicolon, decimal comma, UTF-8 with BOM: what French spreadsheets open), `.parquet` or `.json`;
        with outlines also `.gpkg` and `.geojson` (EPSG:4326), and `.parquet` is then GeoParquet; `.csv` and `.json`
        hold the table without the outlines.
        In a `.csv`, a text or a heading that begins with `=`, `+`, `-` or `@`, after blanks or not, is preceded by an
        apostrophe: a spreadsheet would run it as a formula. Numbers, negative ones too, are untouched.

    Returns
    -------
    Path

    Raises
    ------
    UnknownNameError
        Another suffix; the message lists those that exist.
    SchemaError
        `.gpkg` or `.geojson` for a table without outlines, or a value where the flag says that there is none:
        nothing is written.
    StoreError
        The file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    check_suffix(path, tuple(dict.fromkeys((*TABLE_SUFFIXES, *GEO_SUFFIXES))))
    _check_secrecy(frame)
    plain = frame.reset_index(drop=True)
    geometry = _geometry_of(frame)
    outlined = geometry is not None
    if suffix in GEO_SUFFIXES and suffix not in TABLE_SUFFIXES and not outlined:
        raise SchemaError(
            f"{path.name} needs outlines, and this table has none. Join them with attach_zones(frame), or write one of "
            f"{', '.join(TABLE_SUFFIXES)}."
        )
    if notices := restrictions(frame):
        plain["restriction"] = " ; ".join(notices)
    write: Callable[[gpd.GeoDataFrame, Path], None]
    if outlined and suffix in GEO_SUFFIXES:
        plain, write = _for_layers(plain), _GEO_WRITERS[suffix]
    else:
        plain = pd.DataFrame(plain.drop(columns=geometry)) if outlined else plain
        write = _WRITERS[suffix]
    plain.attrs = {}
    with written_whole(path) as aside:
        write(plain, aside)
    return path


def _geometry_of(frame: pd.DataFrame) -> str | None:
    """Name of the column of outlines; none in a plain table."""
    import geopandas as gpd

    name = frame.active_geometry_name if isinstance(frame, gpd.GeoDataFrame) else None
    return str(name) if name is not None else None


def _check_secrecy(frame: pd.DataFrame) -> None:
    """Refuse a table in which a value stands where its flag says that there is none."""
    for name in (column for column in frame.columns if str(column) == "flag" or str(column).endswith("_flag")):
        value = str(name).removesuffix("flag") + "value"
        if value not in frame or frame.columns.duplicated().any():
            continue
        shown = frame[name].astype("str").isin(MISSING_FLAGS) & frame[value].notna()
        if shown.any():
            first = frame.loc[shown].iloc[0]
            code = f"{first['geo_code']}, " if "geo_code" in frame else ""
            raise SchemaError(
                f"{int(shown.sum())} rows have a {value} although {name} says that there is none (first: {code}"
                f"{first[name]}). Nothing was written. Set {value} to missing where {name} is one of "
                f"{', '.join(MISSING_FLAGS)}."
            )


def _for_layers(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The frame with licences and sources of outlines as columns, and types that every format stores."""
    known = catalogue().sources

    def licences(cell: object) -> str:
        names = [key.strip().partition("@")[0] for key in re.split("[,;]", str(cell))]
        return " ; ".join(dict.fromkeys(known[name].licence for name in names if name in known))

    texts = [name for name, dtype in frame.dtypes.items() if isinstance(dtype, pd.CategoricalDtype)]
    frame = frame.astype(dict.fromkeys(texts, "str"))
    if "source" in frame and "licence" not in frame:
        frame["licence"] = frame["source"].map({cell: licences(cell) for cell in frame["source"].dropna().unique()})
    outlines = _outline_sources(frame)
    if outlines is not None:
        frame["outline_source"] = outlines
        frame["outline_licence"] = outlines.map(licences)
    return frame.set_geometry(frame.geometry.name)


def _outline_sources(frame: pd.DataFrame) -> pd.Series | None:
    """Source of each row's outline: by its level and zoning, or by those that `load_zones` wrote beside the table."""
    level, vintage = (frame.attrs.get(name) for name in ("geo_level", "geo_vintage"))
    levels = frame["geo_level"] if "geo_level" in frame else pd.Series([level] * len(frame), index=frame.index)
    vintages = frame["geo_vintage"] if "geo_vintage" in frame else pd.Series([vintage] * len(frame), index=frame.index)
    found = [
        _OUTLINES.get((str(one), int(when)))
        if str(one) == "qpv" and pd.notna(when)
        else _OUTLINES_OF_LEVEL.get(str(one))
        for one, when in zip(levels, vintages, strict=True)
    ]
    return pd.Series(found, index=frame.index) if any(found) else None


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


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a file to write aside, with the same suffix: it takes the place of `path` at the end, or nothing does.

    Raises
    ------
    StoreError
        The file cannot be written.
    """
    aside = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.unlink(missing_ok=True)
            yield aside
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise OutputError(f"{path} cannot be written: {error}. Free some space, or choose another folder.") from error


def check_place(path: Path) -> None:
    """Refuse a file that could not be written, before the work that it takes; nothing is left behind.

    Rights do not tell it all (a read-only disk, a quota, an administrator): its folder is made, and written in.

    Raises
    ------
    StoreError
    """
    made: list[Path] = []
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder, and not a file")
        for folder in reversed(path.absolute().parents):
            if not folder.exists():
                folder.mkdir()
                made.append(folder)
        with tempfile.TemporaryFile(dir=path.absolute().parent) as probe:
            probe.write(b"?")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error}. Choose another folder.") from error
    finally:
        for folder in reversed(made):
            folder.rmdir()


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
