"""From a figure back to the producer's file: which line, which column, and what is written there."""

from __future__ import annotations

import math
from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from qpv_sante import observations, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Source, catalogue
from qpv_sante.content import sha256_of
from qpv_sante.errors import QpvSanteError, StoreError, UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.geography import check_level
from qpv_sante.listing import Sheet, label_of
from qpv_sante.lockfile import Lock, LockEntry
from qpv_sante.observations import FLAG_LABELS, TOTAL

if TYPE_CHECKING:
    from qpv_sante.readers.origin import Cell

Row = dict[Hashable, Any]
COLUMNS = (
    *("indicator", "geo_level", "geo_code", "geo_vintage", "perimeter", "sex", "age", "category", "year"),
    *("value", "flag", "source", "producer", "title", "licence", "url", "file", "member", "sheet"),
    *("column", "row", "cell", "agrees", "sha256", "bytes", "retrieved", "published", "store", "note"),
)
CELL_COLUMNS = ("source", "geo_level", "sex", "age", "category", "role", "column", "row", "cell")
_NOTES = {
    "absent": {
        # no path: the note goes into notebooks and reports
        "fr": "le fichier du producteur n'est pas parmi les fichiers bruts : `qpv-sante build --source {source}` le "
        "télécharge",
        "en": "the producer's file is not among the raw files: `qpv-sante build --source {source}` downloads it",
    },
    "other": {
        "fr": "{file} n'est plus le fichier dont le chiffre est tiré (sha256 {got}) : voir `verify`",
        "en": "{file} is not the file that the figure comes from (sha256 {got}): see `verify`",
    },
    "unrecorded": {
        "fr": "aucun fichier n'est enregistré pour cette édition",
        "en": "no file is recorded for this edition",
    },
    "imported": {
        "fr": "fichier importé, qui n'est pas gardé dans le dossier de données : donner file=, le chemin de {file}",
        "en": "imported file, which is not kept in the data folder: give file=, the path of {file}",
    },
    "template": {
        "fr": "table importée : la ligne se cherche par son code dans {file}, dont la forme n'est pas enregistrée",
        "en": "imported table: look for the code in {file}, of which the form is not recorded",
    },
    "withheld": {
        "fr": "chiffre retiré par la règle de secret de l'import : la cellule n'est pas montrée",
        "en": "figure withheld by the secrecy rule of the import: the cell is not shown",
    },
    "nowhere": {
        "fr": "la ligne n'a pas été retrouvée dans le fichier",
        "en": "the line was not found again in the file",
    },
    "reader": {
        "fr": "les fichiers lus par « {reader} » n'ont pas une cellule par chiffre",
        "en": "files read by {reader!r} have no cell for each figure",
    },
    "disagrees": {
        "fr": "la cellule ne donne pas la valeur enregistrée : voir `verify`",
        "en": "the cell does not give the stored value: see `verify`",
    },
    "none": {
        "fr": "le fichier n'a pas de ligne de ce type pour ce lieu : zéro, car la base est exhaustive",
        "en": "the file has no line of that kind for that place: zero, as the base is exhaustive",
    },
    "record": {"fr": "la ligne est le rang de l'enregistrement", "en": "the row is the number of the record"},
}
_STORES = {"snapshot": "instantané du paquet", "processed": "données construites"}
_HEADINGS = {
    "fr": ("Source", "Licence", "Adresse", "Fichier", "Empreinte", "Emplacement", "Cellule", "Lu dans", "Note"),
    "en": ("Source", "Licence", "Address", "File", "Checksum", "Place", "Cell", "Read from", "Note"),
}


@dataclass(frozen=True, repr=False)
class Provenance:
    """Where figures come from; shows as one table a figure.

    Attributes
    ----------
    figures : DataFrame
        One row a figure, columns of `COLUMNS`.
    cells : DataFrame
        One row a cell of the producer's files, columns of `CELL_COLUMNS`; `role` is `value`, `numerator`,
        `denominator`, `note`, `step`, `lower`, `upper`, `n` or `count`.
    lang : {"fr", "en"}
    """

    figures: pd.DataFrame
    cells: pd.DataFrame
    lang: style.Lang = "fr"

    def frame(self) -> pd.DataFrame:
        """One row a figure."""
        return self.figures

    def sheets(self) -> list[Sheet]:
        """One sheet a figure, for reading."""
        return [self._sheet(row) for row in self.figures.to_dict("records")]

    def _sheet(self, row: Row) -> Sheet:
        known, lang, fr = catalogue().indicator(str(row["indicator"])), self.lang, self.lang == "fr"
        symbol = style.unit_symbol(known.unit[lang])
        value = style.format_number(row["value"], known.decimals, lang=lang, symbol=symbol)
        classes = [str(row[name]) for name in ("sex", "age", "category") if row[name] != TOTAL]
        about = ", ".join(
            [label_of(known, lang), f"{row['geo_code']} ({row['geo_level']} {row['geo_vintage']})", *classes]
        )
        place = " / ".join(part for part in (row["member"], row["sheet"]) if part)
        if pd.notna(row["row"]):
            key = list(CELL_COLUMNS[:5])
            same = (self.cells[key] == pd.Series({name: row[name] for name in key})).all(axis=1)
            used = self.cells.loc[same & self.cells["role"].isin(["value", "numerator", "denominator"]), "row"].unique()
            numbers = ", ".join(map(str, used)) or str(row["row"])
            word = ("ligne" if fr else "row") + ("s" if len(used) > 1 else "")
            place += f"{', ' if place else ''}{word} {numbers}"
        size = style.format_number(row["bytes"], 0, lang=lang)
        told = (f"{row['source']}, {row['producer']}, « {row['title']} »", row["licence"], row["url"])
        file = f"{row['file']} ({size} {'octets' if fr else 'bytes'}, {str(row['retrieved'])[:10]})"
        cell = f"{row['column']} = « {row['cell']} »" if row["column"] and pd.notna(row["cell"]) else row["column"]
        kind, _, day = str(row["store"]).partition(" of ")
        read = f"{_STORES.get(kind, kind)} du {day}" if fr else row["store"]
        texts = (*told, file, f"sha256 {row['sha256']}", place, cell, read, row["note"])
        title = f"{about}, {row['year']} : {value} ({FLAG_LABELS[str(row['flag'])][lang]})"
        rows = [(name, str(text)) for name, text in zip(_HEADINGS[lang], texts, strict=True) if text]
        return Sheet(style.typography(title if fr else title.replace(" : ", ": "), lang), tuple(rows))

    def __repr__(self) -> str:
        """The figures and their sources as text."""
        return "\n\n".join(str(sheet) for sheet in self.sheets())

    def _repr_html_(self) -> str:
        return "".join(sheet._repr_html_() for sheet in self.sheets())


@checked
def provenance(
    indicator: str,
    geo_code: str,
    year: int,
    *,
    geo_vintage: int | None = None,
    geo_level: str | None = None,
    sex: str | None = observations.AUTO,
    age: str | None = observations.AUTO,
    category: str | None = observations.AUTO,
    perimeter: str | None = "all",
    file: Path | str | None = None,
    root: Path | None = None,
    lang: str = "fr",
) -> Provenance:
    """Where a figure comes from, down to the cell of the producer's file.

    The file is read again with the catalogue's description and the readers' own functions, so that a person can
    open it at that line and compare.

    Parameters
    ----------
    indicator : str
        An id of `list_indicators`.
    geo_code : str
        Code of the territory, as in the table: `QP034001`, `34032`, `76`; in either case.
    year : int
        Year of reference.
    geo_vintage, geo_level : int, str, optional
        Zoning and level, where a code has several; all of them by default.
    sex, age, category : str or None
        As in `load_observations`: the total, or every class where there is none (`auto`); `_T` for everyone; None for
        every class.
    perimeter : str or None
        `all`, `in_qpv` or `outside_qpv`; None for all of them.
    file : Path or str, optional
        Of an import: the file that was imported, which is not kept in the data folder.
    root : Path, optional
        Data root; see `qpv_sante.store.data_dir`.
    lang : {"fr", "en"}
        Of the notes and of what is printed.

    Returns
    -------
    Provenance
        `frame()` has one row a figure, by source: the key, `value` (in the indicator's unit) and `flag`; `producer,
        title, licence, url` of the edition; `file` (in `raw/`), `member` of a zip, `sheet` of a workbook; `column`
        (numerator / denominator for a ratio), `row` (line of the file from 1, header included; row of the sheet; rank
        of a record in a JSON answer) and `cell`, the text as published; `agrees`, whether that text gives the stored
        value; `sha256`, `bytes`, `retrieved` and `published` (the producer's date, if it gives one); `store`; and
        `note`, the reason where the cell could not be read. `cells` lists the cells one by one.

    Raises
    ------
    UnknownNameError
        Unknown indicator, level, code or language; the message proposes valid ones. Or `file` for a figure that is not
        of an import.
    UnavailableLevelError
        Not published at that level, zoning, year or for that class; the message says what is.
    StoreError
        The data cannot be read.

    Examples
    --------
    >>> found = provenance("poverty_rate", "QP034001", 2019).frame().iloc[0]
    >>> float(found["value"]), found["source"], found["column"]
    (54.9, 'insee_filosofi_qpv@2019', 'DISP_TP60_A19')
    >>> found["file"]
    'insee_filosofi_qpv/2019/data_filo19_qp_revdis_csv.zip'
    """
    language = style.check_lang(lang)
    root = root or store.data_dir()
    wanted = {"geo_level": geo_level, "geo_vintage": geo_vintage, "sex": sex, "age": age}
    wanted |= {"category": category, "perimeter": perimeter}
    figures = [
        _describe(row, origin, root, Path(file) if file is not None else None, language)
        for row, origin in _figures(indicator, str(geo_code).strip().upper(), year, wanted, root)
    ]
    sources = {str(row["source"]).partition("@")[0] for row, _ in figures}
    if file is not None and not any(catalogue().source(one).imported for one in sources):
        raise UnknownNameError(
            f"file= is the file of an import; {indicator} of {geo_code} comes from {', '.join(sorted(sources))}, "
            "of which the files are in the data folder. Leave it out."
        )
    cells = [
        {**{name: row[name] for name in CELL_COLUMNS[:5]}, **vars(cell), "cell": cell.text}
        for row, found in figures
        for cell in found
    ]
    frame = pd.DataFrame([row for row, _ in figures], columns=list(COLUMNS))
    frame = frame.astype({"row": "Int64", "bytes": "Int64", "agrees": "boolean", "cell": "str"})
    return Provenance(frame, pd.DataFrame(cells, columns=list(CELL_COLUMNS)), language)


def _figures(indicator: str, code: str, year: int, wanted: dict[str, Any], root: Path) -> list[tuple[Row, store.Store]]:
    """The rows of the long table that match, each with its store."""
    known, level, vintage = catalogue(), wanted["geo_level"], wanted["geo_vintage"]
    known.indicator(indicator)
    if level is not None:
        check_level(level)
    known.check_published(indicator, geo_level=level, geo_vintage=vintage, year=year)
    records = [
        one
        for one in known.published(indicator)
        if one["year"] == year and level in (None, one["geo_level"]) and vintage in (None, one["geo_vintage"])
    ]
    read = []
    for source_id in dict.fromkeys(str(one["source"]).partition("@")[0] for one in records):
        origin = store.find_store(f"observations/{source_id}", root)
        rows = origin.observations(source_id, indicator=indicator, year=year)
        read.append((rows, origin))
    every = observations.concat([rows for rows, _ in read])
    for name in ("geo_level", "geo_vintage"):
        every = every[every[name] == wanted[name]] if wanted[name] is not None else every
    here = every[every["geo_code"] == code]
    if here.empty:
        levels = ", ".join(f"{one['geo_level']} {one['geo_vintage']}" for one in records)
        codes = sorted(every["geo_code"].unique())
        # a code of the other zoning is no misspelling
        hint = _elsewhere(indicator, code, root) or did_you_mean(code, codes, limit=0 if len(codes) > 40 else 40)
        raise UnknownNameError(f"No figure of {indicator} in {year} for {code!r} ({levels}). {hint}".rstrip())
    for name in observations.CLASSES:
        if wanted[name] == observations.AUTO:
            wanted[name] = observations.TOTAL if (here[name] == observations.TOTAL).any() else None
    found = []
    for rows, origin in read:
        chosen = rows[rows["geo_code"] == code]
        for name, value in wanted.items():
            chosen = chosen[chosen[name] == value] if value is not None else chosen
        found += [(row, origin) for row in chosen.to_dict("records")]
    if not found:
        names = ("sex", "age", "category", "perimeter")
        listed = "; ".join(f"{name}: {', '.join(sorted(here[name].astype('str').unique()))}" for name in names)
        given = ", ".join(f"{name}={wanted[name]!r}" for name in names if wanted[name] is not None)
        raise UnavailableLevelError(
            f"{indicator} of {code} in {year}: the file has nothing for {given}. Published classes: {listed}. "
            "None asks for all of them."
        )
    return found


def _elsewhere(indicator: str, code: str, root: Path) -> str:
    """In which other years, levels and zonings the code has a figure of the indicator."""
    found = set()
    for source_id in dict.fromkeys(str(one["source"]).partition("@")[0] for one in catalogue().published(indicator)):
        with suppress(StoreError):  # a table that is not there has nothing to propose
            rows = store.find_store(f"observations/{source_id}", root).observations(source_id, indicator=indicator)
            found |= set(
                rows.loc[rows["geo_code"] == code, ["year", "geo_level", "geo_vintage"]].itertuples(index=False)
            )
    listed = ", ".join(f"{year} ({level} {vintage})" for year, level, vintage in sorted(found))
    return f"It has one in {listed}." if listed else ""


def _describe(
    figure: Row, origin: store.Store, root: Path, file: Path | None, lang: style.Lang
) -> tuple[Row, list[Cell]]:
    """A figure with its edition, its file and its cells."""
    from qpv_sante.readers.origin import Wanted, declared_column, locate

    source_id, _, vintage_id = str(figure["source"]).partition("@")
    record = origin.manifest["sources"].get(source_id, {})
    edition = record.get("editions", {}).get(vintage_id, {})
    entry = _entry(str(figure["source"]), edition.get("sha256"), origin, root)
    row: Row = {**dict.fromkeys(COLUMNS, ""), **{name: figure[name] for name in COLUMNS if name in figure}}
    row.update({name: record.get(name, "") for name in ("producer", "title", "licence")})
    row.update({name: edition.get(name) for name in ("url", "sha256", "bytes", "retrieved")})
    row.update(file=entry.file if entry else "", published=getattr(entry, "published", None) or "")
    row.update(store=origin.label, row=None, cell=None, agrees=None)
    try:
        source = catalogue().source(source_id)
        path, row["note"] = _path(row, source, entry, root, file, lang)
        wanted = Wanted(source, source.get_vintage(vintage_id), figure, path or Path(str(row["file"])))
        row["column"] = declared_column(wanted)
        if path is None:
            return row, []
        found = locate(wanted)
        hint = _NOTES[found.hint or "nowhere"][lang].format(file=path.name, reader=source.reader)
        if not found.cells:
            return {**row, "member": found.member, "note": hint}, []
        row.update(member=found.member, sheet=found.sheet, column=found.column, row=found.parts()[0][0].row)
        row["note"] = hint if found.hint else ""
        if source.imported and figure["flag"] == "suppressed":
            return {**row, "note": _NOTES["withheld"][lang]}, []
        row.update(cell=found.text, agrees=_same(found.value(), float(figure["value"])))
        if not row["agrees"]:
            row["note"] = _NOTES["disagrees"][lang]
        return row, found.cells
    except StoreError:
        raise
    except (QpvSanteError, OSError, ValueError, KeyError) as error:
        # the file is the recorded one, and the catalogue does not describe it any more
        return {**row, "note": str(error)}, []


def _same(got: float, stored: float) -> bool:
    return math.isclose(got, stored, rel_tol=1e-9) or (math.isnan(got) and math.isnan(stored))


def _entry(key: str, sha256: str | None, origin: store.Store, root: Path) -> LockEntry | None:
    """What the lock files say of the file with that hash: its place in `raw/`."""
    entries = []
    for folder in (root, origin.path, store.snapshot_dir()):
        try:
            entries.append(Lock.load(folder / "sources.lock.toml").get(key))
        except QpvSanteError:  # `verify` says so
            continue
    same = [entry for entry in entries if entry and entry.sha256 == sha256]
    return same[0] if same else None


def _path(
    row: Row, source: Source, entry: LockEntry | None, root: Path, file: Path | None, lang: style.Lang
) -> tuple[Path | None, str]:
    """The file that gave the figure, or why there is none."""
    if source.imported:
        row["file"] = str(row["url"])
        path, missing = file, _NOTES["imported"][lang].format(file=row["url"])
    elif entry is None:
        return None, _NOTES["unrecorded"][lang]
    else:
        path = root / "raw" / entry.file
        missing = _NOTES["absent"][lang].format(source=source.id)
    if path is None or not path.is_file():
        if source.imported and file is not None:
            raise StoreError(f"{file} does not exist: give file= the path of {row['url']}.")
        return None, missing
    got = sha256_of(path)
    if got != row["sha256"]:
        return None, _NOTES["other"][lang].format(file=file if source.imported else row["file"], got=got)
    return path, ""
