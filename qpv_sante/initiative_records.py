"""Practices as declared: a data file of what documents say, checked when it is read."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec

from qpv_sante.content import MAX_DECLARED, read_regular
from qpv_sante.errors import CatalogueError, did_you_mean
from qpv_sante.forms import Text
from qpv_sante.geography import QPV_ZONINGS, zoning_of_qpv_code


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the records of this module: frozen, and strict about keys."""


class Site(_Record, frozen=True):
    """A place of a practice, and how finely it is known.

    `finess` is the number of an establishment, whose published coordinates are the place; `territory` and `quarter`
    name a quarter of a city that is not a QPV (see `list_quarters`).
    """

    place: str
    precision: Literal["address", "structure", "quarter", "city_quarter", "commune", "department"]
    commune: str = ""
    department: str = ""
    qpv_2015: list[str] = []
    qpv_2024: list[str] = []
    lon: float | None = None
    lat: float | None = None
    finess: str = ""
    territory: str = ""
    quarter: str = ""


class Figure(_Record, frozen=True):
    """What a document counts: `count`, or `percent` of `n` people."""

    label: Text
    count: float | None = None
    percent: float | None = None
    n: int | None = None
    unit: Text = {}
    approximate: bool = False


class Initiative(_Record, frozen=True):
    """A practice. A document may describe one without naming it: `name` is then empty."""

    id: str
    name: str
    kind: str
    document: str
    site: list[Site]
    since: Text = {}
    themes: list[str] = []
    publics: Text = {}
    note: Text = {}
    figure: list[Figure] = []


class InitiativeFile(_Record, frozen=True):
    """A file of practices, with its vocabularies."""

    document: dict[str, str]
    kind: dict[str, Text]
    theme: dict[str, Text]
    initiative: list[Initiative]


def read_initiatives(path: Path | str | None = None) -> InitiativeFile:
    """The records of a file of practices, checked by themselves.

    Parameters
    ----------
    path : Path or str, optional
        A TOML file in the form of the package's `initiatives.toml`; that one by default.

    Returns
    -------
    InitiativeFile

    Raises
    ------
    CatalogueError
        An unknown or missing key, kind, theme or document; an id given twice; a place that does not have what its
        precision needs; a share outside 0 to 100. Every problem of the file is listed.
    """
    given = Path(path) if path is not None else Path(str(files("qpv_sante") / "initiatives.toml"))
    try:
        content = msgspec.convert(tomllib.loads(read_regular(given, MAX_DECLARED).decode("utf-8-sig")), InitiativeFile)
    except (OSError, ValueError, RecursionError) as error:  # those of TOML, of its text and of its form are ValueErrors
        raise CatalogueError(f"The practices of {given} cannot be read: {error}") from error
    ids = [one.id for one in content.initiative]
    problems = [f"{name}: given twice" for name in dict.fromkeys(ids) if ids.count(name) > 1]
    for one in content.initiative:
        problems += [f"{one.id}: {problem}" for problem in _problems(one, content)]
    if problems:
        raise CatalogueError(f"{given}: " + "; ".join(problems))
    return content


def _problems(one: Initiative, content: InitiativeFile) -> list[str]:
    found = []
    checked: list[tuple[str, str, list[str]]] = [
        ("kind", one.kind, list(content.kind)),
        ("document", one.document, list(content.document)),
        *(("theme", theme, list(content.theme)) for theme in one.themes),
    ]
    for name, value, valid in checked:
        if value not in valid:
            found.append(f"unknown {name} {value!r}. {did_you_mean(value, valid, limit=20)}")
    if not one.site:
        found.append("no place: give at least a [[initiative.site]]")
    for name, text in [("since", one.since), ("publics", one.publics), ("note", one.note)]:
        if text and set(text) != {"fr", "en"}:
            found.append(f"{name} needs fr and en")
    for site in one.site:
        found += [f"{site.place}: {problem}" for problem in _site_problems(site)]
    for figure in one.figure:
        label = figure.label.get("en", "")
        if (figure.count is None) == (figure.percent is None):
            found.append(f"{label}: a count, or a percentage")
        if figure.percent is not None and not 0 <= figure.percent <= 100:
            found.append(f"{label}: {figure.percent} is not a percentage")
        if figure.n is not None and (figure.n < 1 or figure.percent is None):
            found.append(f"{label}: n is the number of people behind a percentage")
    return found


# What each precision needs, and alone may have, beside the commune
_NEEDS = {
    "quarter": ("qpv_2015", "qpv_2024"),
    "address": ("lon", "lat"),
    "structure": ("finess",),
    "city_quarter": ("territory", "quarter"),
}


def _site_problems(site: Site) -> list[str]:
    found = []
    has = {name for names in _NEEDS.values() for name in names if getattr(site, name) not in ("", [], None)}
    if site.precision in _NEEDS:
        names = _NEEDS[site.precision]
        enough = any if site.precision == "quarter" else all
        if not enough(name in has for name in names):
            word = " or " if site.precision == "quarter" else " and "
            found.append(f"precision {site.precision!r} needs {word.join(names)}")
        if not site.commune:
            found.append(f"precision {site.precision!r} needs the commune as well")
    elif not getattr(site, site.precision):
        found.append(f"precision {site.precision!r} needs {site.precision}")
    for precision, names in _NEEDS.items():
        given = [name for name in names if name in has]
        if given and site.precision != precision:
            found.append(f"{' and '.join(given)}: given with precision {precision!r} only")
    for zoning in QPV_ZONINGS:
        for code in getattr(site, f"qpv_{zoning}"):
            try:
                if zoning_of_qpv_code(code) != zoning:
                    found.append(f"qpv_{zoning}: {code} is a QPV of {zoning_of_qpv_code(code)}")
            except ValueError as error:
                found.append(str(error))
    return found


def decimals_of(percent: float) -> int:
    """Decimals with which a share was published.

    Examples
    --------
    >>> decimals_of(52.0), decimals_of(33.2)
    (0, 1)
    """
    return len(str(percent).rstrip("0").partition(".")[2])


def count_behind(percent: float, n: int) -> int | None:
    """The whole number out of n whose percentage rounds to the published one; none if there is none.

    Examples
    --------
    >>> count_behind(30.8, 263), count_behind(52.0, 47)
    (81, None)
    """
    decimals = decimals_of(percent)
    step = 0.5 * 10.0**-decimals + 1e-9
    nearest = round(percent * n / 100)
    possible = [count for count in (nearest - 1, nearest, nearest + 1) if abs(100 * count / n - percent) <= step]
    return min(possible, key=lambda count: abs(100 * count / n - percent)) if possible else None
