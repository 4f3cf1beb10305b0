"""The import door: files that are downloaded by hand, and the analyst's own.

A Géoclip export, or a table in the documented template, becomes rows of the long table under a source of
its own, and behaves as the open ones do in `load_observations`, `compare`, maps, lists and citations. It
stays in the data folder: it is never embedded in the package, and a restriction notice follows its figures.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pandas as pd

from qpv_sante import builds, manifests, observations, store
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Catalogue, Indicator, Series, Source, Vintage, core_catalogue
from qpv_sante.content import read_regular
from qpv_sante.errors import CatalogueError, StoreError, UnknownNameError, did_you_mean
from qpv_sante.imports import records
from qpv_sante.imports.metadata import NAME_FORM, is_reserved, load_metadata

if TYPE_CHECKING:
    from qpv_sante.imports.drafts import Draft

log = logging.getLogger(__name__)
_RESERVED = ("territories", "outlines")
_MAX_BYTES = 1 << 30


@dataclass(frozen=True)
class ImportReport:
    """What an import stored.

    Attributes
    ----------
    source : str
        The edition's name in the table: `cartosante@2024`.
    geo_level, geo_vintage : str, int
        Level, and zoning or year of the codes.
    indicators : dict of str to int
        Rows by indicator.
    flags : dict of str to int
        Rows by flag.
    withheld : int
        Figures that the declared threshold withheld; those that the producer had withheld are not counted.
    secondary : int
        Figures withheld besides, so that none of these can be found by subtraction (`secondary = true`).
    left_out : list of str
        Headings of the file that were not read.
    replaced : bool
        Whether an earlier import of the same file was replaced.
    restriction : str
        The notice that follows the figures.
    warnings : list of str
        What was not refused and must be looked at: names that contradict some codes, rates all under 1 %. The log
        says it too.
    """

    source: str
    geo_level: str
    geo_vintage: int
    indicators: dict[str, int]
    flags: dict[str, int]
    withheld: int = 0
    secondary: int = 0
    left_out: list[str] = field(default_factory=list)
    replaced: bool = False
    restriction: str = ""
    warnings: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows stored."""
        return sum(self.indicators.values())

    def __str__(self) -> str:
        """The report as text, in French as the command line is."""
        flags = ", ".join(f"{flag} {number}" for flag, number in self.flags.items())
        done = "remplacé" if self.replaced else "importé"
        lines = [f"{self.source} {done} : {self.rows} lignes, {self.geo_level} {self.geo_vintage} ({flags})"]
        lines += [f"- {name} : {number} lignes" for name, number in self.indicators.items()]
        if self.withheld:
            told = "Un chiffre retiré" if self.withheld == 1 else f"{self.withheld} chiffres retirés"
            lines.append(f"{told} par la règle de secret")
        if self.secondary:
            many = self.secondary > 1
            told = f"{self.secondary} autres chiffres retirés" if many else "Un autre chiffre retiré"
            lines.append(
                f"{told} pour que nul chiffre secret ne se retrouve par soustraction (les plus petits d’abord)"
            )
        if self.left_out:
            lines.append(f"Colonnes laissées de côté : {', '.join(self.left_out)}")
        if self.restriction:
            lines.append(f"Diffusion restreinte : {self.restriction}")
        return "\n".join(lines)


@checked
def import_observations(
    path: Path | str,
    *,
    source: str,
    mapping: Mapping[str, str | None] | None = None,
    metadata: Path | str | Mapping[str, Any] | None = None,
    root: Path | None = None,
) -> ImportReport:
    """Bring in a file that was downloaded by hand, or the analyst's own.

    Parameters
    ----------
    path : Path or str
        A Géoclip export (CartoSanté, INSEE's Statistiques locales, portals of regional health
        observatories), or a CSV or XLSX in the form that `qpv-sante import --template FILE` writes.
    source : str
        Name of the source, in lower case: `cartosante`. Several files may be imported under one name, as
        editions (`cartosante@2024`).
    mapping : mapping of str to str or None, optional
        Of a Géoclip export: heading (with or without its year) to indicator; the usual headings are known.
        Of another table: heading to column of the template. None leaves a column out.
    metadata : Path, str or mapping, optional
        A TOML file or its content: title, producer, licence (or `restricted`, with the notice
        `restriction`), edition, year, geo_level, geo_vintage, `[secrecy]` with its threshold, and one
        `[indicator.NAME]` for each indicator that does not exist. A known Géoclip portal needs none.
    root : Path, optional
        Data root; see `qpv_sante.store.data_dir`. The catalogue sees the imports of the root in use.

    Returns
    -------
    ImportReport
        What was stored: rows by indicator and flag, figures that secrecy withheld, columns left out.

    Raises
    ------
    SchemaError
        The file has not the declared form: unknown code, wrong zoning, unknown missing marker, value out
        of range, duplicate, unknown heading. The message names file, line, column and value.
    CatalogueError
        The metadata is incomplete or contradicts the catalogue.
    ComparabilityError
        Another source publishes the same indicator for the same level and year.
    DisclosureError
        A withheld figure can be found by subtraction, within the file or with what is stored already.
    UnknownNameError
        A name that is taken or ill-formed, an unknown level or suffix.
    StoreError
        The file cannot be read or is not a regular one, another run is writing, the data folder cannot be written,
        or the edition is another file's.

    Notes
    -----
    Nothing is stored unless everything is right; figures, record, restriction and secrecy rule are put in use in one
    step, and the earlier figures of the edition are erased from the builds that are kept. The store keeps the table,
    not the file: what secrecy withheld is nowhere in the data folder. Restricted figures are readable by their owner
    only. Later builds keep imports as they are.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from qpv_sante.imports.template import write_template
    >>> with TemporaryDirectory() as folder:
    ...     table, declared = write_template(Path(folder) / "figures.csv")
    ...     print(import_observations(table, source="ors", metadata=declared, root=Path(folder)))
    ors@2023 importé : 4 lignes, qpv 2015 (observed 2, suppressed 1, unavailable 1)
    - example_ald_share : 4 lignes
    Diffusion restreinte : exemple, usage interne, ne pas diffuser
    """
    from qpv_sante.imports.drafts import make_draft

    path, root = Path(path), root or store.data_dir()
    declared = load_metadata(metadata)
    _check_name(source)
    try:
        content = read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}. Nothing was stored.") from error
    # a file that is refused is refused before anything is written, and without waiting for anybody
    with store.afresh():
        seen = _state(root)
        draft = make_draft(path, content, source, mapping, declared, root)
    key = f"{source}@{draft.edition}"
    with builds.new_build(root) as target, store.afresh():
        if _state(root) != seen:  # what it was held against is not what is in use any more
            draft = make_draft(path, content, source, mapping, declared, root)
        record, replaced = _record(source, draft, path.name, target)
        _check_against_catalogue(draft.frame, record, key, target, where=path.name)
        kept = _kept_editions(target, f"observations/{source}", record, key)
        editions = target.sources.get(source, {}).get("editions", {})
        editions = {one.id: editions[one.id] for one in record.source.vintage if one.id in editions}
        editions[draft.edition] = {
            "url": path.name,
            **_mark_of(content, draft),
            "retrieved": datetime.now(UTC).isoformat(timespec="seconds"),
            "counts": draft.counts,
            "secrecy": msgspec.to_builtins(declared.secrecy),
        }
        told = {
            "title": record.source.title,
            "producer": record.source.producer,
            "licence": record.source.licence,
            "editions": editions,
            "record": records.plain(record),
        }
        target.bring(source, observations.concat([*kept, draft.frame]), told)
    log.info("%s imported from %s", key, path.name)
    rows = draft.frame.groupby("indicator", observed=True).size()
    flags = draft.frame["flag"].astype("str").value_counts()
    return ImportReport(
        source=key,
        geo_level=draft.geo_level,
        geo_vintage=draft.geo_vintage,
        indicators={str(one): int(number) for one, number in rows.items()},
        flags={str(one): int(number) for one, number in flags.items()},
        withheld=draft.withheld,
        secondary=draft.secondary,
        left_out=draft.left_out,
        replaced=replaced,
        restriction=declared.restriction,
        warnings=draft.warnings,
    )


@checked
def remove_import(source: str, *, root: Path | None = None) -> list[str]:
    """Erase an imported source, or one of its editions, from the data folder.

    Parameters
    ----------
    source : str
        `ors`, or one edition: `ors@2023`.
    root : Path, optional
        Data root; see `qpv_sante.store.data_dir`.

    Returns
    -------
    list of str
        The editions that were removed. Their figures are erased from the earlier builds too. The file
        that was imported is the analyst's: it is not touched.

    Raises
    ------
    UnknownNameError
        No such import; the message lists those that exist.
    StoreError
        The data folder cannot be written.

    Examples
    --------
    >>> remove_import("ors_of_nowhere", root=Path("nowhere"))
    Traceback (most recent call last):
        ...
    qpv_sante.errors.UnknownNameError: 'ors_of_nowhere' is not an import. Valid: none.
    """
    root = root or store.data_dir()
    name, _, edition = source.partition("@")
    if not store.processed_dir(root).is_dir():
        raise _no_import(name, [])
    with builds.new_build(root) as target:
        stored = records.imported(target.sources)
        if name not in {*stored, *target.missing_imports}:
            raise _no_import(name, [*stored, *target.missing_imports])
        entry = stored.get(name, {"editions": {}})
        removed = list(entry["editions"])
        if edition and edition not in removed:
            raise UnknownNameError(f"{name!r} has no edition {edition!r}. {did_you_mean(edition, removed)}")
        if not edition or removed == [edition]:
            target.forget(name)
            return [f"{name}@{one}" for one in removed]
        record = _without(records.read_record(name, entry), edition)
        frame = pd.read_parquet(target.path / f"observations/{name}.parquet")
        kept = frame[frame["source"].astype("str") != f"{name}@{edition}"].reset_index(drop=True)
        editions = {one: entry["editions"][one] for one in removed if one != edition}
        target.bring(name, kept, {**entry, "editions": editions, "record": records.plain(record)})
        return [f"{name}@{edition}"]


def _no_import(name: str, valid: list[str]) -> UnknownNameError:
    kind = "is downloaded and built, not imported" if name in core_catalogue().sources else "is not an import"
    return UnknownNameError(f"{name!r} {kind}. {did_you_mean(name, valid)}")


def _state(root: Path) -> tuple[object, ...]:
    """Which build an import is held against; none where it is lost, and then another one is gone on from."""
    try:
        current = store.current_store(root)
    except StoreError:
        return (None, "lost")
    return (current.path, manifests.stamp(current.path)) if current else ()


def _mark_of(content: bytes, draft: Draft) -> dict[str, Any]:
    """What tells a file from another: its hash and size, unless figures of it were withheld.

    Whoever knows the rest of such a file would find them by trying: a count under 11 is one of eleven hashes. The hash
    is then that of what is published.
    """
    if draft.withheld or draft.secondary:
        table = draft.frame.drop(columns="interval").astype("str").to_csv(index=False)
        return {"sha256": hashlib.sha256(table.encode()).hexdigest()}
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def _check_name(source: str) -> None:
    if not re.fullmatch(NAME_FORM, source):
        raise UnknownNameError(f"source={source!r}: expected lower-case letters, digits and _, such as 'cartosante'.")
    if is_reserved(source):
        raise UnknownNameError(f"source={source!r} is a name that Windows reserves: no file can bear it.")
    if source in core_catalogue().sources or source in _RESERVED:
        raise UnknownNameError(
            f"source={source!r} is a source of the package. Choose another name, such as 'my_{source}'."
        )


def _record(source: str, draft: Draft, file: str, target: builds.Build) -> tuple[records.ImportRecord, bool]:
    """The source's record with this edition, and whether it replaces one."""
    entry = target.sources.get(source, {})
    before = None
    if entry:
        try:
            before = records.read_record(source, entry)
        except CatalogueError as error:
            log.warning("%s Its other editions are left out.", error)
    editions = entry.get("editions", {})
    there = editions.get(draft.edition)
    if there and there["url"] != file:
        raise StoreError(
            f"{source}@{draft.edition} was imported from {there['url']}; {file} would replace it. Give another "
            f"`edition` in the metadata, or remove the first: `qpv-sante import --remove {source}@{draft.edition}`."
        )
    table = {**draft.form, "geo_level": draft.geo_level, "geo_vintage": draft.geo_vintage}
    vintage = Vintage(id=draft.edition, year=draft.year, table=table, caveat=draft.caveat)
    described: Source = msgspec.structs.replace(draft.source, vintage=[vintage])
    record = records.ImportRecord(source=described, themes=draft.themes, indicators=draft.defined, series=draft.series)
    if before is not None:
        kept = _without(before, draft.edition)
        if kept.source.vintage and _terms(kept.source) != _terms(described):
            raise CatalogueError(
                f"{source} holds editions under other terms ({kept.source.licence}). One source has one producer and "
                "one licence: import this file under another name."
            )
        other = [name for name, one in draft.defined.items() if not _agrees(kept.indicators.get(name), one)]
        if other:
            raise CatalogueError(
                f"{file}: {other[0]} has another definition in the other editions of {source}. Give it another id, or "
                f"leave [indicator.{other[0]}] out to keep the one that exists."
            )
        series = {
            name: [*kept.series.get(name, []), *record.series.get(name, [])]
            for name in {**kept.series, **record.series}
        }
        record = records.ImportRecord(
            source=msgspec.structs.replace(
                described, vintage=sorted([*kept.source.vintage, vintage], key=lambda one: one.id)
            ),
            themes={**kept.themes, **record.themes},
            indicators={**kept.indicators, **records.finest(kept.indicators, record.indicators)},
            series=series,
        )
    return record, there is not None


def _agrees(there: Indicator | None, defined: Indicator) -> bool:
    return there is None or records.same_definition(there, defined)


def _terms(source: Source) -> tuple[str, str, str]:
    return source.producer, source.licence, source.restriction


def _without(record: records.ImportRecord, edition: str) -> records.ImportRecord:
    """A record without one edition, and without the indicators that it alone carried."""
    vintages = [one for one in record.source.vintage if one.id != edition]
    series: dict[str, list[Series]] = {}
    for name, carried in record.series.items():
        if rest := [one for one in carried if edition not in one.vintages]:
            series[name] = rest
    return records.ImportRecord(
        source=msgspec.structs.replace(record.source, vintage=vintages),
        themes=record.themes,
        indicators={name: one for name, one in record.indicators.items() if name in series},
        series=series,
    )


def _check_against_catalogue(
    frame: pd.DataFrame, record: records.ImportRecord, key: str, target: builds.Build, *, where: str
) -> None:
    """Refuse what contradicts the catalogue with the other imports; check the table's rules."""
    from qpv_sante.imports.checks import check_new

    others = {name: entry for name, entry in target.sources.items() if name != record.source.id}
    known: Catalogue = records.merge(records.with_imports(core_catalogue(), others)[0], record)
    check_new(frame, known, key, where=where)
    observations.validate(frame, where=f"{key}, {where}", known=known)


def _kept_editions(target: builds.Build, name: str, record: records.ImportRecord, key: str) -> list[pd.DataFrame]:
    """Figures of the source's other editions."""
    if not target.holds(name):
        return []
    frame = pd.read_parquet(target.path / f"{name}.parquet")
    wanted = {record.source.key(vintage) for vintage in record.source.vintage} - {key}
    kept = frame[frame["source"].astype("str").isin(wanted)]
    return [observations.tidy(kept.astype({"source": "str"}))] if len(kept) else []
