"""What the catalogue must know of imports: a record in the manifest of the build that has the figures of each.

    manifest.json   sources.<source>.record     written by `import_observations`, with the figures

A record and its figures are put in use together: no reader sees the one without the other. The core catalogue stays as
it is declared: an import adds sources, adds indicators of its own, and adds its levels and years to indicators that
exist. It never changes a definition.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from qpv_sante import store
from qpv_sante.catalogue import Catalogue, Indicator, Series, Source, catalogue_problems, core_catalogue
from qpv_sante.errors import CatalogueError

log = logging.getLogger(__name__)


class ImportRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One imported source, in the catalogue's own terms.

    `indicators` are defined here, without series; `series` says where each indicator, of here or of the
    core catalogue, is found.
    """

    source: Source
    themes: dict[str, dict[str, str]] = {}
    indicators: dict[str, Indicator] = {}
    series: dict[str, list[Series]] = {}


def imported(sources: Mapping[str, Any]) -> dict[str, Any]:
    """The imports among the sources of a manifest."""
    return {name: entry for name, entry in sources.items() if entry.get("imported")}


def read_record(name: str, entry: Mapping[str, Any]) -> ImportRecord:
    """The record of an import, from what the manifest of its build says of it.

    Raises
    ------
    CatalogueError
        Damaged, absent, or of another import; the message says how to be rid of it.
    """
    try:
        record = msgspec.convert(entry["record"], ImportRecord)
        for vintage in record.source.vintage:
            record.source.tables_of(vintage)
        if record.source.id != name:
            raise CatalogueError(f"it is that of {record.source.id!r}")
        editions = {vintage.id for vintage in record.source.vintage}
        if editions != set(entry["editions"]):
            raise CatalogueError(f"it describes the editions {sorted(editions)}, not {sorted(entry['editions'])}")
        if record.source.restriction and not all(one.get("secrecy") for one in entry["editions"].values()):
            raise CatalogueError("an edition that is restricted has no secrecy rule")
    except (KeyError, CatalogueError, msgspec.ValidationError) as error:
        told = "it is not there" if isinstance(error, KeyError) else error
        raise CatalogueError(
            f"The record of the import {name!r} is damaged: {told}. Import the file again, or remove it: "
            f"`qpv-sante import --remove {name}`."
        ) from error
    return record


def plain(record: ImportRecord) -> dict[str, Any]:
    """A record as the manifest holds it."""
    content: dict[str, Any] = msgspec.to_builtins(record)
    return content


def merge(known: Catalogue, record: ImportRecord) -> Catalogue:
    """A catalogue with one import more.

    Parameters
    ----------
    known : Catalogue
    record : ImportRecord

    Returns
    -------
    Catalogue

    Raises
    ------
    CatalogueError
        The import bears the name of another source, gives an indicator another definition, or
        contradicts itself.
    """
    name = record.source.id
    if name in known.sources:
        raise CatalogueError(
            f"The import {name!r} bears the name of a source that exists. Import it under another name."
        )
    indicators = dict(known.indicators)
    for indicator_id, defined in record.indicators.items():
        there = indicators.setdefault(indicator_id, defined)
        if there is not defined and not same_definition(there, defined):
            raise CatalogueError(
                f"The import {name!r} defines {indicator_id} as a {defined.kind} in {defined.unit['en']}; it exists as "
                f"a {there.kind} in {there.unit['en']}, defined: {there.definition['en']} Give it another id, or leave "
                "its definition out to add to the one that exists."
            )
    indicators |= finest(record.indicators, {name: indicators[name] for name in record.indicators})
    for indicator_id, series in record.series.items():
        if indicator_id not in indicators:
            raise CatalogueError(f"The import {name!r} carries {indicator_id}, which nothing defines.")
        there = indicators[indicator_id]
        indicators[indicator_id] = msgspec.structs.replace(there, series=[*there.series, *series])
    merged = msgspec.structs.replace(
        known,
        sources={**known.sources, name: record.source},
        indicators=indicators,
        themes={**record.themes, **known.themes},
    )
    problems = catalogue_problems(merged)
    if problems:
        raise CatalogueError(f"The import {name!r}: " + "; ".join(problems))
    return merged


def same_definition(a: Indicator, b: Indicator) -> bool:
    """Whether two indicators say the same, wherever they are found and however many digits each file gives."""
    return msgspec.structs.replace(a, series=[], decimals=0) == msgspec.structs.replace(b, series=[], decimals=0)


def finest(others: Mapping[str, Indicator], kept: Mapping[str, Indicator]) -> dict[str, Indicator]:
    """The definitions that are kept, each with as many digits as the finest of its files gives."""
    return {
        name: msgspec.structs.replace(one, decimals=max(one.decimals, others.get(name, one).decimals))
        for name, one in kept.items()
    }


def with_imports(known: Catalogue, sources: Mapping[str, Any]) -> tuple[Catalogue, dict[str, str]]:
    """A catalogue with the imports of a manifest that agree with it, and what is wrong with the others.

    Parameters
    ----------
    known : Catalogue
    sources : mapping
        Of the manifest.

    Returns
    -------
    tuple of Catalogue and dict of str to str
    """
    problems = {}
    for name, entry in imported(sources).items():
        try:
            known = merge(known, read_record(name, entry))
        except CatalogueError as error:
            problems[name] = str(error)
    return known, problems


def catalogue_of(build: store.Store | None) -> Catalogue:
    """The core catalogue with the imports of a build; those that cannot be used are told in the log and left out."""
    if build is None:
        return core_catalogue()
    known, problems = with_imports(core_catalogue(), build.manifest["sources"])
    for problem in problems.values():
        log.warning("An import is left out of the catalogue. %s", problem)
    return known
