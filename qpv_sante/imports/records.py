"""What the catalogue must know of imports: one small file an imported source, merged when the catalogue is read.

    <data root>/imports/<source>.toml     written by `import_observations`, never by people

The core catalogue stays as it is declared: an import adds sources, adds indicators of its own, and adds
its levels and years to indicators that exist. It never changes a definition.
"""

from __future__ import annotations

import logging
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qpv_sante import store
from qpv_sante.catalogue import Catalogue, Indicator, Series, Source, catalogue_problems
from qpv_sante.durable import write_whole
from qpv_sante.errors import CatalogueError, StoreError

log = logging.getLogger(__name__)
_HEADER = "# Written by `qpv-sante import`, removed by `qpv-sante import --remove`. Not to be edited.\n"


class ImportRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One imported source, in the catalogue's own terms.

    `indicators` are defined here, without series; `series` says where each indicator, of here or of the
    core catalogue, is found.
    """

    source: Source
    themes: dict[str, dict[str, str]] = {}
    indicators: dict[str, Indicator] = {}
    series: dict[str, list[Series]] = {}


def records_dir(root: Path | None = None) -> Path:
    """Folder of the records of imports."""
    return (root or store.data_dir()) / "imports"


def record_path(source_id: str, root: Path | None = None) -> Path:
    """File of an imported source's record."""
    return records_dir(root) / f"{source_id}.toml"


def record_stamps(root: Path | None = None) -> tuple[tuple[Path, int, int], ...]:
    """Path, date and size of each record: what the merged catalogue depends on."""
    try:
        with os.scandir(records_dir(root)) as entries:
            found = [(entry.path, entry.stat()) for entry in entries if entry.name.endswith(".toml")]
    except OSError:
        return ()
    return tuple(sorted((Path(path), state.st_mtime_ns, state.st_size) for path, state in found))


def load_record(path: Path) -> ImportRecord:
    """Read a record.

    Raises
    ------
    CatalogueError
        Damaged; the message says how to be rid of it.
    """
    try:
        record = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), ImportRecord)
        for vintage in record.source.vintage:
            record.source.tables_of(vintage)
        return record
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(
            f"The record of the import {path.stem!r} is damaged: {error}. Import the file again, or remove it: "
            f"`qpv-sante import --remove {path.stem}`."
        ) from error


def save_record(record: ImportRecord, root: Path | None = None) -> Path:
    """Write a record, in one step.

    Raises
    ------
    StoreError
        The data folder cannot be written.
    """
    import tomli_w

    path = record_path(record.source.id, root)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, _HEADER + tomli_w.dumps(_plain(msgspec.to_builtins(record))))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error}") from error
    return path


def _plain(value: Any) -> Any:
    """The value without what is not set: TOML has no null."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    return [_plain(one) for one in value] if isinstance(value, list) else value


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


def with_records(known: Catalogue, paths: Iterable[Path]) -> Catalogue:
    """A catalogue with the imports that agree with it; the others are told in the log and left out."""
    for path in paths:
        try:
            known = merge(known, load_record(path))
        except (CatalogueError, OSError) as error:
            log.warning("An import is left out of the catalogue. %s", error)
    return known
