"""Composite territories as the user sees them: the list, the quarters behind it, and how to add one's own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from qpv_sante import style
from qpv_sante.arguments import checked
from qpv_sante.content import MAX_DECLARED, read_regular
from qpv_sante.errors import AmbiguousTerritoryError, CatalogueError, StoreError, UnknownNameError, did_you_mean
from qpv_sante.geography import QPV_ZONINGS, zoning_of_qpv_code
from qpv_sante.loading import gazetteer
from qpv_sante.territories import COMPOSITE, Gazetteer
from qpv_sante.territory_records import (
    Declared,
    TerritoryRecord,
    members_of,
    merged,
    own_path,
    territory_stamps,
    users_dir,
)

COLUMNS = ("id", "label", "kind", "communes", "qpv_2015", "qpv_2024", "note", "source", "file")
_UNUSABLE = {"fr": "Inutilisable : {problem}", "en": "Not usable: {problem}"}
_MOVED = {"fr": "Communes fusionnées : {said}.", "en": "Communes that merged: {said}."}


@checked
def list_territories(*, lang: str = "fr") -> pd.DataFrame:
    """Territories that can be asked for by an id: those of the project's documents, and the user's own.

    Every official territory (commune, EPCI, urban unit, department, region, QPV) can be asked for as well, by its name
    or typed code, and is not listed.

    Parameters
    ----------
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    DataFrame
        One row a territory: `id` (what `territory=` takes), `label`, `kind` (`communes` or `quarters` for a composite
        one, else the level of the official territory that it is), `communes` (codes separated by `;`, or the typed
        code of what contains them), `qpv_2015, qpv_2024` (codes of the QPV that lie in it, in whole or in part), `note`
        (what its figures do not cover), `source` (the document that names it) and `file` (empty for the package's
        own). A record that the code tables contradict is listed without codes, and its note says why.

    Raises
    ------
    CatalogueError
        A file of territories that cannot be read.

    See Also
    --------
    add_territories : add one's own.

    Examples
    --------
    >>> known = list_territories().set_index("id")
    >>> known.loc["corridor-minier-valenciennois", ["kind", "communes"]].tolist()
    ['communes', '59153;59616;59484;59207']
    >>> known.loc["lille-poles-ressources", ["kind", "qpv_2015", "qpv_2024"]].tolist()
    ['quarters', 'QP059074;QP059075', 'QN05972M;QN05973M']
    """
    language = style.check_lang(lang)
    places = gazetteer()
    rows = [_row(declared, places, language) for declared in places.composites.values()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(declared: Declared, places: Gazetteer, lang: style.Lang) -> dict[str, str]:
    record = declared.record
    row = {"id": record.id, "kind": _kind(record), "file": "" if declared.path == own_path() else str(declared.path)}
    row |= {name: style.typography(record.text(name, lang), lang) for name in ("label", "note", "source")}
    try:
        place = places.resolve(f"{COMPOSITE}:{record.id}")
        assert place is not None  # noqa: S101 - resolve gives none for None only
        inside = ";".join(places.communes.loc[places.communes_in(place), "code"])
        row["communes"] = record.same_as or (";".join(place.communes) or inside)
        row |= {f"qpv_{zoning}": ";".join(places.qpv_in(place, zoning)["geo_code"]) for zoning in QPV_ZONINGS}
        if not record.same_as:
            said = members_of(record, places.communes, places.former_communes, places.qpv).said
            row["note"] += f" {_MOVED[lang].format(said='; '.join(said))}" if said else ""
    except UnknownNameError as error:
        row["note"] = _UNUSABLE[lang].format(problem=error)
    return {**dict.fromkeys(COLUMNS, ""), **row, "note": row["note"].strip()}


def _kind(record: TerritoryRecord) -> str:
    if record.same_as:
        return record.same_as.partition(":")[0]
    return "communes" if record.communes else "quarters"


def list_quarters(territory: str) -> pd.DataFrame:
    """Quarters of a composite territory that are not QPV, and the QPV that overlap them.

    Parameters
    ----------
    territory : str
        An id of `list_territories`.

    Returns
    -------
    DataFrame
        One row a quarter and QPV: `quarter, iris` (codes separated by `;`), `geo_vintage, geo_code`,
        `share_of_quarter` (part of the quarter's area that lies in the QPV, 0 to 1), `share_of_qpv` (part of the QPV's
        area that lies in the quarter). `attrs` say how, from what and when they were computed. Empty for a territory
        without such quarters.

    Raises
    ------
    UnknownNameError
        No such id.

    Examples
    --------
    >>> shares = list_quarters("lille-sud")
    >>> shares[["geo_code", "share_of_quarter", "share_of_qpv"]].values.tolist()
    [['QP059074', 0.358, 0.304], ['QN05972M', 0.38, 0.283]]
    """
    known = gazetteer().composites
    if territory not in known:
        raise UnknownNameError(f"No territory {territory!r} in list_territories(). {did_you_mean(territory, known)}")
    record = known[territory].record
    rows = [
        {
            "quarter": quarter.name,
            "iris": ";".join(quarter.iris),
            "geo_vintage": zoning_of_qpv_code(link.qpv),
            "geo_code": link.qpv,
            "share_of_quarter": link.share_of_quarter,
            "share_of_qpv": link.share_of_qpv,
        }
        for quarter in record.quarter
        for link in quarter.overlaps
    ]
    columns = ["quarter", "iris", "geo_vintage", "geo_code", "share_of_quarter", "share_of_qpv"]
    frame = pd.DataFrame(rows, columns=columns)
    if record.match:
        match = record.match
        frame.attrs = {"iris_outlines": match.iris_outlines, "iris_table": match.iris_table, "computed": match.computed}
        frame.attrs |= {"method": match.method, "precision": match.precision}
    return frame


@checked
def add_territories(path: Path | str, *, root: Path | None = None) -> pd.DataFrame:
    """Add composite territories of one's own, from a TOML file in the form of the package's `territories.toml`.

    The file is checked, then copied into `territories/` of the data folder, where it is read from then on. Adding a
    file of the same name replaces it; deleting the copy removes its territories.

    Parameters
    ----------
    path : Path or str
        For example::

            [[territory]]
            id = "est-lyonnais"
            label = "Est lyonnais"
            communes = ["69029", "Vaulx-en-Velin"]
            qpv_2015 = ["QP069020"]
            note = "Périmètre du contrat local de santé."

    root : Path, optional
        Data root; that of `QPV_SANTE_DATA` by default.

    Returns
    -------
    DataFrame
        The rows of `list_territories` that the file adds. The note of a territory whose communes merged says so.

    Raises
    ------
    CatalogueError
        An unknown key, an id given twice or that another file declares, a name that an official territory already
        bears, a QPV of the other zoning (`QN...` in `qpv_2015`).
    AmbiguousTerritoryError
        A name that several communes or QPV bear; the message lists their codes.
    UnknownNameError
        A commune or QPV that does not exist.
    StoreError
        The data folder cannot be written.
    """
    given = Path(path)
    target = users_dir(root) / f"{given.stem}.toml"
    others = [own_path(), *(one for one, _, _ in territory_stamps(root) if one != target)]
    known = merged([*others, given])
    own = [one for one in known.values() if one.path == given]
    tables = gazetteer(root)
    places = Gazetteer(tables.territories, tables.communes, tables.former_communes, tables.qpv, known)
    for declared in own:
        places.resolve(f"{COMPOSITE}:{declared.record.id}")
        _check_names(declared.record, places, given)
    aside = target.with_suffix(".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(read_regular(given, MAX_DECLARED))
        aside.replace(target)
    except OSError as error:
        raise StoreError(f"{target} cannot be written: {error}") from error
    finally:
        aside.unlink(missing_ok=True)
    rows = [_row(Declared(one.record, target), places, "fr") for one in own]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _check_names(record: TerritoryRecord, places: Gazetteer, path: Path) -> None:
    """Refuse an id or a label that an official or another declared territory bears."""
    for name in {record.id, record.text("label", "fr"), record.text("label", "en")}:
        try:
            found = places.resolve(name)
        except AmbiguousTerritoryError as error:
            raise CatalogueError(f"{path}: the territory {record.id!r} cannot be called {name!r}. {error}") from error
        wanted = record.same_as or f"{COMPOSITE}:{record.id}"
        if found is not None and found.key != wanted:
            raise CatalogueError(
                f"{path}: {name!r} already designates {found.key} ({found.name}). Choose another name."
            )
