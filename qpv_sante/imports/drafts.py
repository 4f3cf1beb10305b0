"""From a file and its metadata to rows of the long table, checked, with what the catalogue must know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from qpv_sante import loading, observations, store
from qpv_sante.catalogue import Catalogue, Indicator, Series, Source, Table, Withheld, core_catalogue
from qpv_sante.errors import CatalogueError, SchemaError, did_you_mean
from qpv_sante.geography import check_level
from qpv_sante.imports import records
from qpv_sante.imports.checks import (
    check_formats,
    check_parts,
    check_places,
    check_totals,
    check_values,
    decimals_of,
    half_digit,
    suspect_shares,
    zoning_of,
)
from qpv_sante.imports.metadata import (
    Measure,
    Metadata,
    Secrecy,
    choose_columns,
    indicator_of,
    known_headings,
    missing_markers,
    themes_of,
    years_of,
)
from qpv_sante.imports.secrecy import apply_rule, without_base
from qpv_sante.imports.stored import inhabitants, refuse_painted, stored_rows
from qpv_sante.imports.template import read_template
from qpv_sante.readers import geoclip

# Levels whose codes do not change with the official code year: a Géoclip export need not say it
_STABLE = ("department", "region", "country")


@dataclass(frozen=True)
class Draft:
    """An import that is right in itself, not stored yet.

    Attributes
    ----------
    frame : DataFrame
        Rows of the long table.
    source : Source
        Without its editions.
    edition : str
    year : int
        Latest year of the figures.
    geo_level, geo_vintage : str, int
    defined : dict of str to Indicator
        Indicators that the core catalogue lacks.
    themes : dict of str to (dict of str to str)
        Themes that they may bring along.
    series : dict of str to list of Series
    withheld : int
        Figures that the declared threshold withheld.
    secondary : int
        Figures withheld so that these cannot be found by subtraction.
    left_out : list of str
        Headings that were not read.
    counts : dict of str to int
        For the manifest.
    form : dict of str to object
        How the file is written (`qpv_sante.catalogue.Table`): its figures can be found in it again.
    caveat : dict of str to str
        What the edition must say of itself: periods that stand under one year.
    warnings : list of str
        What is not refused and must be looked at.
    """

    frame: pd.DataFrame
    source: Source
    edition: str
    year: int
    geo_level: str
    geo_vintage: int
    defined: dict[str, Indicator]
    themes: dict[str, dict[str, str]]
    series: dict[str, list[Series]]
    withheld: int
    secondary: int
    left_out: list[str]
    counts: dict[str, int]
    form: dict[str, Any]
    caveat: dict[str, str]
    warnings: list[str]


@dataclass(frozen=True)
class _Content:
    """A file as it was read: figures with their lines, and what it says of itself."""

    frame: pd.DataFrame
    declared: Metadata
    geo_level: str
    geo_vintage: int | None
    reader: str
    left_out: list[str]
    form: Table


def make_draft(
    path: Path,
    content: bytes,
    source: str,
    mapping: Mapping[str, str | None] | None,
    declared: Metadata,
    root: Path,
) -> Draft:
    """Read a file, check it, withhold what secrecy asks for.

    Parameters
    ----------
    path, content : Path, bytes
        The file.
    source : str
        Its name in the catalogue.
    mapping : mapping of str to str or None
    declared : Metadata
    root : Path
        Data root: its store says which territories exist.

    Returns
    -------
    Draft

    Raises
    ------
    QpvSanteError
        See `qpv_sante.imports.import_observations`.
    """
    where = path.name
    if geoclip.is_export(content):
        found = _from_export(content, mapping, declared, where)
    else:
        found = _from_template(path, content, mapping, declared, where)
    declared, frame = found.declared, found.frame
    known = records.catalogue_of(store.serving_build(root))
    indicators, defined = _indicators(frame, declared, known, where)
    places = loading.gazetteer(root)
    typed = frame["geo_code"].str.contains(":", regex=False)
    check_formats(frame, indicators, content, where=where)
    frame, totals = frame[~typed].reset_index(drop=True), frame[typed].reset_index(drop=True)
    if frame.empty:
        raise SchemaError(f"{where}: every row is a total of others; nothing to import.")
    vintage = _vintage(found, frame, where)
    frame = frame.assign(geo_level=found.geo_level, geo_vintage=vintage)
    warnings = check_places(frame, found.geo_level, vintage, places, where=where)
    check_values(pd.concat([frame, totals]), indicators, declared, where=where)
    warnings += check_parts(frame, indicators, declared, where=where)
    warnings += check_totals(frame, totals, indicators, found.geo_level, places, where=where)
    warnings += suspect_shares(frame, indicators, where=where)
    marked = bool((frame["flag"] == "suppressed").any())
    edition = str(declared.edition if declared.edition is not None else frame["year"].max())
    described = _source(source, path, declared, found.reader, where, marked=marked)
    key = described.key(edition)
    stored = stored_rows(indicators, known, root, without=key)
    steps = _steps(pd.concat([frame, totals]), declared, indicators)
    applied = apply_rule(
        frame.assign(source=key, geo_level=found.geo_level, rounding=frame["indicator"].map(steps)),
        totals.assign(source=key, geo_level="", geo_vintage=vintage, rounding=totals["indicator"].map(steps)),
        stored,
        declared.secrecy,
        {**known.indicators, **indicators},
        level=found.geo_level,
        places=places,
        where=where,
        people=inhabitants(frame, found.geo_level, vintage, places, root) if without_base(frame, indicators) else None,
    )
    long = frame = applied.frame.drop(columns="rounding")
    if found.geo_level == "qpv":
        refuse_painted(frame, stored, places, vintage, where=where)
    has_bounds = long[["lower", "upper"]].notna().any(axis=1)
    if has_bounds.any() and declared.interval == "none":
        raise CatalogueError(
            f'{where}: the file has intervals; say which in the metadata: interval = "sampling", for example.'
        )
    long["interval"] = has_bounds.map({True: declared.interval, False: "none"})
    counts = {
        "rows read": len(found.frame),
        "totals checked, not stored": len(totals),
        "withheld (threshold)": applied.withheld,
        "withheld (so that others are not found)": applied.secondary,
    }
    return Draft(
        frame=observations.tidy(long.drop(columns=["line", "column", "count", "name", "percent"])),
        source=described,
        edition=edition,
        year=int(frame["year"].max()),
        geo_level=found.geo_level,
        geo_vintage=vintage,
        defined=defined,
        themes=themes_of(defined),
        series=_series(frame, source, edition, declared, indicators),
        withheld=applied.withheld,
        secondary=applied.secondary,
        left_out=found.left_out,
        counts=counts,
        form=_form(found.form),
        caveat=_caveat(declared),
        warnings=warnings,
    )


def _from_export(content: bytes, mapping: Mapping[str, str | None] | None, declared: Metadata, where: str) -> _Content:
    form = msgspec.structs.replace(
        geoclip.FORM,
        encoding=declared.encoding or geoclip.FORM.encoding,
        decimal=declared.decimal or geoclip.FORM.decimal,
        missing=missing_markers(declared, geoclip.MISSING),
    )
    export = geoclip.read_export(content, where=where, form=form, separator=declared.separator, sheet=declared.sheet)
    if declared.geo_level and declared.geo_level != export.geo_level:
        raise SchemaError(
            f"{where}: line 2 says {export.referential!r} ({export.geo_level}); the metadata says {declared.geo_level}."
        )
    header = f"{where}, line {export.form.header_row + 1}"
    chosen = choose_columns(export.columns, declared, mapping, where=header)
    frame = geoclip.long_table(export, years_of(export.columns, chosen, declared, where=header), where=where)
    frame["indicator"] = frame["column"].map(chosen)
    frame = frame.assign(sex=observations.TOTAL, age=observations.TOTAL, lower=float("nan"), upper=float("nan"))
    frame = frame.assign(count=float("nan"), denominator=float("nan"))
    portal = known_headings().portal.get(export.producer)
    told = {name: getattr(declared, name) for name in ("title", "producer", "licence", "landing_page")}
    usual = {name: getattr(portal, name, "") for name in told}
    usual["producer"] = usual["producer"] or export.producer
    declared = _with(declared, {name: text or usual[name] for name, text in told.items()})
    left_out = [heading for heading in export.columns if heading not in chosen]
    return _Content(frame, declared, export.geo_level, export.geo_vintage, "geoclip", left_out, export.form)


def _from_template(
    path: Path, content: bytes, mapping: Mapping[str, str | None] | None, declared: Metadata, where: str
) -> _Content:
    if declared.geo_level is None:
        raise CatalogueError(
            f"{where}: the metadata must give geo_level (qpv, commune, iris...) and geo_vintage. They are in the .toml "
            "file that goes with the table: pass it as metadata (--metadata FILE)."
        )
    check_level(declared.geo_level)
    frame, form = read_template(path, content, declared, mapping, where=where)
    return _Content(frame, declared, declared.geo_level, None, "import_template", frame.attrs.pop("left out"), form)


def _form(form: Table) -> dict[str, Any]:
    """What differs from the usual form of a table: what the record of the edition must hold."""
    usual = Table()
    return {name: value for name in form.__struct_fields__ if (value := getattr(form, name)) != getattr(usual, name)}


def _caveat(declared: Metadata) -> dict[str, str]:
    """Periods, and other texts, that the metadata puts under a year."""
    listed = ", ".join(f"{text} ({year})" for text, year in declared.years.items())
    if not listed:
        return {}
    return {
        "fr": f"Périodes et en-têtes rangés sous une année choisie à l'import : {listed}.",
        "en": f"Periods and headings stored under a year chosen on import: {listed}.",
    }


def _with(declared: Metadata, changes: Mapping[str, str]) -> Metadata:
    return msgspec.structs.replace(declared, **changes)


def _vintage(found: _Content, frame: pd.DataFrame, where: str) -> int:
    """Zoning of the QPV, or year of the official codes."""
    declared = found.declared.geo_vintage
    if declared is not None and found.geo_vintage not in (None, declared):
        raise SchemaError(
            f"{where}: {found.geo_level} of {found.geo_vintage} according to the file, of {declared} according to the "
            "metadata."
        )
    vintage = declared or found.geo_vintage
    if vintage is not None:
        return vintage
    if found.geo_level == "qpv":
        return zoning_of(frame["geo_code"], frame["line"], where=where)
    if found.geo_level in _STABLE:
        return int(frame["year"].max())
    raise CatalogueError(
        f"{where}: the file does not say the year of its {found.geo_level} codes: give geo_vintage in the metadata, "
        "the year of the official geographic code."
    )


def _indicators(
    frame: pd.DataFrame, declared: Metadata, known: Catalogue, where: str
) -> tuple[dict[str, Indicator], dict[str, Indicator]]:
    """The indicators that the file carries, and those of them that the core catalogue lacks."""
    blank = frame["indicator"] == ""
    if blank.any():
        if len(declared.indicator) != 1:
            line = frame.loc[blank, "line"].iloc[0]
            raise SchemaError(
                f"{where}: line {line} does not say its indicator. Fill the column `indicator`, or define exactly one "
                f"[indicator.NAME] in the metadata (it has {len(declared.indicator)})."
            )
        frame["indicator"] = frame["indicator"].mask(blank, next(iter(declared.indicator)))
    core = core_catalogue().indicators
    taken = [name for name in declared.indicator if name in core]
    if taken:
        raise CatalogueError(
            f"{where}: [indicator.{taken[0]}] exists in the catalogue with its own definition. Leave the block out to "
            "add to that indicator, or give yours another name."
        )
    usual: dict[str, Measure] = known_headings().indicator
    measures = {**usual, **declared.indicator}
    used, defined = {}, {}
    for name in frame["indicator"].unique():
        if name in core:
            used[name] = core[name]
        elif name in declared.indicator or (name in usual and name not in known.indicators):
            decimals = decimals_of(frame.loc[frame["indicator"] == name, "value"])
            used[name] = defined[name] = indicator_of(name, measures[name], decimals)
        elif name in known.indicators:  # of another import: defined here too, so that it may be removed
            used[name] = defined[name] = msgspec.structs.replace(known.indicators[name], series=[])
        else:
            valid = [*declared.indicator, *usual, *known.indicators]
            line = frame.loc[frame["indicator"] == name, "line"].iloc[0]
            raise SchemaError(
                f"{where}: line {line}, unknown indicator {name!r}. {did_you_mean(name, valid, limit=0)} "
                f"Define it in the metadata as [indicator.{name}]."
            )
    return used, defined


def _steps(frame: pd.DataFrame, declared: Metadata, indicators: Mapping[str, Indicator]) -> dict[str, float]:
    """Half of the last digit that each indicator is given with; counts are exact."""
    steps = {}
    for name, rows in frame.groupby("indicator"):
        measure = declared.indicator.get(str(name))
        usual = 0.0 if indicators[str(name)].kind == "count" else half_digit(rows["value"])
        steps[str(name)] = (measure.rounding if measure else None) or usual
    return steps


def _source(source: str, path: Path, declared: Metadata, reader: str, where: str, *, marked: bool) -> Source:
    absent = [name for name in ("title", "producer", "licence") if not getattr(declared, name)]
    if absent:
        raise CatalogueError(
            f"{where}: the metadata must give {', '.join(absent)}. `qpv-sante import --template FILE` writes an "
            "example."
        )
    return Source(
        id=source,
        title=declared.title,
        producer=declared.producer,
        licence=declared.licence_text,
        licence_url="",
        landing_page=declared.landing_page,
        reader=reader,
        file="xlsx" if path.suffix.lower() in (".xlsx", ".xls") else "csv",
        # each edition declares its own level and zoning
        tables=[Table()],
        vintage=[],
        imported=True,
        restriction=declared.restriction,
        withheld=_withheld(declared.secrecy, marked=marked),
    )


def _withheld(rule: Secrecy | None, *, marked: bool) -> Withheld | None:
    """The rule of secrecy in the catalogue's terms.

    A producer who withheld figures himself also withholds those that would reveal a small count by subtraction.
    """
    if rule is None:
        return None
    others = marked or rule.applied_by_producer or rule.secondary
    return Withheld(fewer_than=rule.threshold, zero_too=rule.zero_is_secret, others_too=others)


def _series(
    frame: pd.DataFrame, source: str, edition: str, declared: Metadata, indicators: Mapping[str, Indicator]
) -> dict[str, list[Series]]:
    """Where each indicator is found: one series a year."""
    series: dict[str, list[Series]] = {}
    for (name, year), rows in frame.groupby(["indicator", "year"]):
        measure = declared.indicator.get(str(name))
        series.setdefault(str(name), []).append(
            Series(
                source=source,
                column=[str(rows["column"].iloc[0])],
                vintages=[edition],
                years={edition: int(year)},
                rounding=measure.rounding if measure and measure.rounding else _rounding(rows, indicators[str(name)]),
            )
        )
    return series


def _rounding(rows: pd.DataFrame, indicator: Indicator) -> float | None:
    """Half of the last digit that the file gives: counts are exact, and medians are not aggregated."""
    if indicator.kind in ("count", "median") or rows["value"].notna().sum() == 0:
        return None
    half = half_digit(rows["value"])
    return half if half < 0.5 else None
