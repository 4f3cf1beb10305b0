"""Composite territories as declared: several communes or QPV under one name, in files that people write.

    qpv_sante/territories.toml        the package's own
    qpv_sante/aliases.toml            usual names of official territories (PACA, MEL)
    <data root>/territories/*.toml    the user's, put there by `add_territories`

A record names official territories and QPV; it never holds figures or outlines. What it designates is looked up in
the code tables when it is asked for, so that a rebuild of the tables never stops the rest of the package.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec
import pandas as pd

from qpv_sante import store
from qpv_sante.content import MAX_DECLARED, read_regular
from qpv_sante.errors import AmbiguousTerritoryError, CatalogueError, UnknownNameError, did_you_mean
from qpv_sante.forms import Text
from qpv_sante.geography import QPV_ZONINGS, fold, zoning_of_qpv_code

ID_FORM = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
Stamps = tuple[tuple[Path, int, int], ...]
_MEMBERS = ("communes", "qpv_2015", "qpv_2024")


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the records of this module: frozen, and strict about keys."""


class Overlap(_Record, frozen=True):
    """A QPV that lies in part in a quarter: shares of the area of each, between 0 and 1."""

    qpv: str
    share_of_quarter: float
    share_of_qpv: float


class Quarter(_Record, frozen=True):
    """A quarter of a city that is not a QPV, as a list of IRIS, and the QPV that overlap it."""

    name: str
    iris: list[str]
    overlaps: list[Overlap]


class Match(_Record, frozen=True):
    """How the overlaps were computed."""

    method: Text
    iris_outlines: str
    iris_table: str
    computed: str
    precision: Text


class TerritoryRecord(_Record, frozen=True):
    """One declared territory: an official one (`same_as`), or communes and QPV.

    `communes` are codes or names, and bring the QPV that lie in them; `qpv_2015` and `qpv_2024` are codes, or names
    that only one QPV of that zoning bears.
    """

    id: str
    label: str | Text
    source: str | Text = ""
    note: str | Text = ""
    same_as: str = ""
    communes: list[str] = []
    qpv_2015: list[str] = []
    qpv_2024: list[str] = []
    quarter: list[Quarter] = []
    match: Match | None = None

    @property
    def iris(self) -> tuple[str, ...]:
        """IRIS of its quarters."""
        return tuple(code for quarter in self.quarter for code in quarter.iris)

    def text(self, name: str, lang: str) -> str:
        """One of its texts (`label`, `note`, `source`) in a language."""
        given: str | Text = getattr(self, name)
        return given if isinstance(given, str) else given[lang]


class _File(_Record, frozen=True):
    territory: list[TerritoryRecord]


@dataclass(frozen=True)
class Declared:
    """A record and the file that declares it."""

    record: TerritoryRecord
    path: Path


@dataclass(frozen=True)
class Members:
    """What a record designates in the code tables, and what had to be said about it."""

    communes: tuple[str, ...]
    quarters: tuple[str, ...]
    said: tuple[str, ...]


def own_path() -> Path:
    """File of the package's own composite territories."""
    return Path(str(files("qpv_sante") / "territories.toml"))


def users_dir(root: Path | None = None) -> Path:
    """Folder of the user's composite territories."""
    return (root or store.data_dir()) / "territories"


@cache
def aliases() -> dict[str, str]:
    """Typed code of each usual name of an official territory, the name folded.

    Examples
    --------
    >>> aliases()["paca"]
    'region:93'
    """
    listed = tomllib.loads((files("qpv_sante") / "aliases.toml").read_text(encoding="utf-8"))["aliases"]
    return {fold(name): str(key) for name, key in listed.items()}


def read_territories(path: Path) -> list[TerritoryRecord]:
    """The records of a file of composite territories, checked by themselves.

    Parameters
    ----------
    path : Path
        A TOML file with tables `territory`.

    Returns
    -------
    list of TerritoryRecord

    Raises
    ------
    CatalogueError
        Not TOML, an unknown or missing key, an id declared twice, a QPV of the other zoning, nothing inside, shares
        that are not between 0 and 1; every problem of the file is listed.
    """
    try:
        records = msgspec.convert(tomllib.loads(read_regular(path, MAX_DECLARED).decode("utf-8-sig")), _File).territory
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise CatalogueError(f"The territories of {path} cannot be read: {error}") from error
    except msgspec.ValidationError as error:
        raise CatalogueError(
            f"{path}: {error}. Keys of a [[territory]]: {', '.join(TerritoryRecord.__struct_fields__)}."
        ) from error
    ids = [one.id for one in records]
    problems = [f"{name}: declared twice" for name in dict.fromkeys(ids) if ids.count(name) > 1]
    for one in records:
        problems += [f"{one.id}: {problem}" for problem in _problems(one)]
    if problems:
        raise CatalogueError(f"{path}: " + "; ".join(problems) + ".")
    return records


def _problems(one: TerritoryRecord) -> list[str]:
    """Contradictions of a record by itself, one sentence each."""
    found = []
    if not re.fullmatch(ID_FORM, one.id):
        found.append("an id is made of small letters, digits and hyphens, such as 'lille-sud'")
    for name in ("label", "note", "source"):
        given = getattr(one, name)
        if isinstance(given, dict) and set(given) != {"fr", "en"}:
            found.append(f"{name} is one text, or one in fr and one in en; got {', '.join(given) or 'none'}")
    given_members = [name for name in _MEMBERS if getattr(one, name)]
    if one.same_as and (given_members or one.quarter):
        found.append(
            f"same_as goes alone; also given: {', '.join([*given_members, *(['quarter'] * bool(one.quarter))])}"
        )
    if one.same_as and not re.fullmatch(r"[a-z_]+:\w+", one.same_as):
        found.append(f"same_as is the typed code of an official territory, such as 'region:76'; got {one.same_as!r}")
    if not one.same_as and not given_members:
        found.append(f"nothing inside: give same_as, or some of {', '.join(_MEMBERS)}")
    for name in given_members:
        entries = getattr(one, name)
        twice = sorted({entry for entry in entries if entries.count(entry) > 1})
        found += [f"{name}: {entry!r} is given twice" for entry in twice]
    for zoning in QPV_ZONINGS:
        for entry in getattr(one, f"qpv_{zoning}"):
            found += _wrong_zoning(entry, zoning)
    return found + _quarter_problems(one)


def _wrong_zoning(entry: str, zoning: int) -> list[str]:
    if not _looks_like_code(entry):
        return []
    try:
        belongs = zoning_of_qpv_code(entry)
    except UnknownNameError as error:
        return [f"qpv_{zoning}: {str(error).rstrip('.')}"]
    return [] if belongs == zoning else [f"qpv_{zoning}: {entry} is a QPV of {belongs}; give it in qpv_{belongs}"]


def _looks_like_code(entry: str) -> bool:
    return bool(re.match(r"(?i)Q[PN]\d", entry))


def _quarter_problems(one: TerritoryRecord) -> list[str]:
    found = []
    if bool(one.quarter) != bool(one.match):
        found.append("quarters and [territory.match], which says how they were matched, go together")
    if one.match and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", one.match.computed):
        found.append(f"computed is a date such as '2026-11-23'; got {one.match.computed!r}")
    listed = {*one.qpv_2015, *one.qpv_2024}
    matched = set()
    for quarter in one.quarter:
        bad = [code for code in quarter.iris if not re.fullmatch(r"(?:\d{2}|2[AB])\d{7}", code)]
        if bad or not quarter.iris:
            found.append(f"{quarter.name}: IRIS are codes of 9 characters; got {', '.join(map(repr, bad)) or 'none'}")
        for link in quarter.overlaps:
            matched.add(link.qpv)
            if not (0 < link.share_of_quarter <= 1 and 0 < link.share_of_qpv <= 1):
                found.append(f"{quarter.name}: shares with {link.qpv} must lie between 0 and 1")
    if one.quarter and matched != listed:
        apart = ", ".join(sorted(matched ^ listed))
        found.append(f"qpv_2015 and qpv_2024 must be the QPV that the quarters overlap; they differ by {apart}")
    return found


def territory_stamps(root: Path | None = None) -> Stamps:
    """Path, date and size of each of the user's files: what the declared territories depend on."""
    try:
        with os.scandir(users_dir(root)) as entries:
            found = [(Path(entry.path), entry.stat()) for entry in entries if entry.name.endswith(".toml")]
    except OSError:
        return ()
    return tuple(sorted((path, state.st_mtime_ns, state.st_size) for path, state in found))


def declared_territories(stamps: Stamps) -> dict[str, Declared]:
    """Every declared territory by id: the package's own, then those of the user's files.

    Raises
    ------
    CatalogueError
        A file that `read_territories` refuses, or an id that two files declare.
    """
    return merged([own_path(), *(path for path, _, _ in stamps)])


def merged(paths: Iterable[Path]) -> dict[str, Declared]:
    """Records of several files by id.

    Raises
    ------
    CatalogueError
        An id that two files declare.
    """
    found: dict[str, Declared] = {}
    for path in paths:
        for record in read_territories(path):
            if record.id in found:
                raise CatalogueError(
                    f"{path}: the territory {record.id!r} is already declared in {found[record.id].path}. "
                    "Give it another id, or delete one of the files."
                )
            found[record.id] = Declared(record, path)
    return found


def members_of(
    record: TerritoryRecord, communes: pd.DataFrame, former: pd.DataFrame, qpv: pd.DataFrame, *, where: str = ""
) -> Members:
    """Current codes of what a record lists.

    Parameters
    ----------
    record : TerritoryRecord
    communes, former, qpv : DataFrame
        Code tables `communes`, `former_communes` and `qpv`.
    where : str
        The file, for messages.

    Returns
    -------
    Members
        A commune that merged is brought to that of today, and `said` tells it.

    Raises
    ------
    AmbiguousTerritoryError
        A name that several communes or QPV bear; the message lists their codes.
    UnknownNameError
        A code or name that the tables do not have.

    Examples
    --------
    >>> communes = pd.DataFrame({"code": ["50129"], "name": ["Cherbourg-en-Cotentin"]})
    >>> former = pd.DataFrame({"old_code": ["50602"], "old_name": ["Tourlaville"], "new_code": ["50129"]})
    >>> qpv = pd.DataFrame({"geo_vintage": [2015], "geo_code": ["QP050001"], "name": ["Les Provinces"]})
    >>> record = TerritoryRecord(id="rade", label="Rade", communes=["50602"], qpv_2015=["Les Provinces"])
    >>> members_of(record, communes, former, qpv)
    Members(communes=('50129',), quarters=('QP050001',), said=('50602 (Tourlaville) is now 50129 (Cherbourg-en-Cotentin)',))
    """  # noqa: E501 - a line of the example
    prefix = f"{where + ': ' if where else ''}territory {record.id!r}"
    said: list[str] = []
    codes = [_commune(entry, communes, former, said, prefix) for entry in record.communes]
    # what it merged into is in the list as well: nothing has moved
    said = [one for one in said if one.partition(" is now ")[2].partition(" ")[0] not in record.communes]
    quarters = [
        _qpv(entry, qpv[qpv["geo_vintage"] == zoning], f"{prefix}, qpv_{zoning}")
        for zoning in QPV_ZONINGS
        for entry in getattr(record, f"qpv_{zoning}")
    ]
    return Members(tuple(dict.fromkeys(codes)), tuple(dict.fromkeys(quarters)), tuple(said))


def _commune(entry: str, communes: pd.DataFrame, former: pd.DataFrame, said: list[str], prefix: str) -> str:
    is_code = bool(re.match(r"\d", entry))
    current, old = ("code", "old_code") if is_code else ("name", "old_name")
    found = communes[_same(communes[current], entry, is_code)]
    if found.empty:
        moved = former[_same(former[old], entry, is_code)].drop_duplicates("new_code")
        if len(moved) == 1:
            row = moved.iloc[0]
            names = communes.set_index("code")["name"]
            today = f"{row['new_code']} ({names.get(row['new_code'], '')})"
            said.append(f"{row['old_code']} ({row['old_name']}) is now {today}")
            return str(row["new_code"])
        found = moved.set_axis(["old_code", "name", "code"], axis=1)[["code", "name"]] if len(moved) else found
    if len(found) == 1:
        return str(found["code"].iloc[0])
    if found.empty:
        hint = did_you_mean(entry, communes[current], limit=0)
        raise UnknownNameError(f"{prefix}: no commune {entry!r} in the official code. {hint}".rstrip())
    raise AmbiguousTerritoryError(_several(prefix, entry, found["code"].tolist(), "communes"))


def _qpv(entry: str, qpv: pd.DataFrame, prefix: str) -> str:
    is_code = _looks_like_code(entry)
    found = qpv[_same(qpv["geo_code" if is_code else "name"], entry, is_code)]
    if len(found) == 1:
        return str(found["geo_code"].iloc[0])
    if found.empty:
        hint = did_you_mean(entry, qpv["geo_code" if is_code else "name"].unique(), limit=0)
        raise UnknownNameError(f"{prefix}: no QPV {entry!r} in this zoning. {hint}".rstrip())
    raise AmbiguousTerritoryError(_several(prefix, entry, found["geo_code"].tolist(), "QPV"))


def _same(values: pd.Series, entry: str, is_code: bool) -> pd.Series:
    return values == entry if is_code else values.map(fold) == fold(entry)


def _several(prefix: str, entry: str, codes: Sequence[str], kind: str) -> str:
    listed = ", ".join(codes[:12]) + (f", ... ({len(codes)} in all)" if len(codes) > 12 else "")
    return f"{prefix}: {len(codes)} {kind} are called {entry!r}: {listed}. Give the code."
