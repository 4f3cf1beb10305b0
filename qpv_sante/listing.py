"""What there is, described: indicators, sources, one sheet an indicator, citations."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

import pandas as pd

from qpv_sante import absences, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, Source, catalogue, describe_coverage
from qpv_sante.errors import SchemaError, UnknownNameError, did_you_mean
from qpv_sante.geography import LEVELS, check_level

LAYOUT = " Mise en forme : qpv_sante."  # ends every citation
_PART = re.compile(r"-(?:dep|reg)\w+$")  # of an edition's id: the territory of one of its files


@checked
def list_indicators(theme: str | None = None, geo_level: str | None = None, *, lang: str = "fr") -> pd.DataFrame:
    """Indicators of the catalogue.

    Parameters
    ----------
    theme : str, optional
        `income`, `families`, `population`, `health_cover`, `benefits`, `employment`.
    geo_level : str, optional
        Keep those published at this level.
    lang : {"fr", "en"}
        Language of labels and units.

    Returns
    -------
    DataFrame
        One row an indicator: `id, label, theme, unit, kind, levels, zonings, years, sources`.

    Raises
    ------
    UnknownNameError
        Unknown theme, level or language.

    Examples
    --------
    >>> list_indicators(theme="health_cover")[["id", "levels", "zonings"]].values.tolist()
    [['c2s_share', 'qpv', '2015'], ['c2s_free_share', 'qpv', '2015']]
    """
    known, language = catalogue(), style.check_lang(lang)
    if theme is not None and theme not in known.themes:
        raise UnknownNameError(f"Unknown theme {theme!r}. {did_you_mean(theme, known.themes)}")
    if geo_level is not None:
        check_level(geo_level)
    rows = []
    for indicator in known.indicators.values():
        records = known.published(indicator.id)
        levels = list(dict.fromkeys(str(record["geo_level"]) for record in records))
        if (theme and indicator.theme != theme) or (geo_level and geo_level not in levels):
            continue
        zonings = sorted({str(r["geo_vintage"]) for r in records if r["geo_level"] == "qpv"})
        rows.append(
            {
                "id": indicator.id,
                "label": _text(indicator.label, language),
                "theme": indicator.theme,
                "unit": _text(indicator.unit, language),
                "kind": indicator.kind,
                "levels": ", ".join(levels),
                "zonings": ", ".join(zonings),
                "years": ", ".join(sorted({str(record["year"]) for record in records})),
                "sources": ", ".join(dict.fromkeys(series.source for series in indicator.series)),
            }
        )
    columns = ["id", "label", "theme", "unit", "kind", "levels", "zonings", "years", "sources"]
    return pd.DataFrame(rows, columns=columns)


@checked
def list_sources() -> pd.DataFrame:
    """Sources of the catalogue and what the store in use holds of them.

    Returns
    -------
    DataFrame
        One row a source: `id, title, producer, licence, vintages, landing_page, status`; the status
        names the store that holds it (`snapshot of 2026-11-22`), or says `not built`.

    Examples
    --------
    >>> list_sources().set_index("id").loc["insee_filosofi_qpv", "vintages"]
    '2016, 2017, 2018, 2019, 2021'
    """
    stores = store.open_stores()
    rows = []
    for source in catalogue().sources.values():
        holder = next((one for one in stores if one.serves(source.id)), None)
        rows.append(
            {
                "id": source.id,
                "title": source.title,
                "producer": source.producer,
                "licence": source.licence,
                "vintages": ", ".join(vintage.id for vintage in source.vintage),
                "landing_page": source.landing_page,
                "status": holder.label if holder else "not built",
            }
        )
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Sheet:
    """An indicator's sheet: prints as text, shows as a table in notebooks.

    Attributes
    ----------
    title : str
    rows : tuple of (str, str)
        Heading and text.
    """

    title: str
    rows: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """The sheet as text."""
        width = max(len(heading) for heading, _ in self.rows)
        return "\n".join([self.title, *(f"  {heading:<{width}}  {text}" for heading, text in self.rows)])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        cells = "".join(
            f"<tr><th style='text-align:left;vertical-align:top'>{html.escape(heading)}</th>"
            f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
            for heading, text in self.rows
        )
        return f"<h4>{html.escape(self.title)}</h4><table>{cells}</table>"


_KINDS = {
    "count": {"fr": "effectif : s'additionne", "en": "count: can be summed"},
    "rate": {"fr": "taux : s'agrège par numérateur et dénominateur", "en": "rate: pooled by numerator and denominator"},
    "median": {"fr": "médiane ou quantile : ne s'agrège pas", "en": "median or quantile: is not pooled"},
    "standardised_rate": {"fr": "taux standardisé : ne s'agrège pas", "en": "standardised rate: is not pooled"},
    "score": {"fr": "score ou part sans base publiée : ne s'agrège pas", "en": "score: is not pooled"},
}
_ESTIMATED = (
    "Estimation, non mesurée (estimate, not measured) : valeurs modélisées par qpv_sante à partir de ces sources, "
    "qui ne les publient pas."
)
# used by the estimates of depression, and in no file read: see estimation/finances_by_region.csv
_REGIONAL_REPORTS = (
    "Santé publique France, 17 rapports régionaux du Baromètre 2024 : dépression selon la situation financière "
    "perçue ; chiffres relevés dans les tableaux par un tiers (dépôt public m4nR3is/odisse-sante-mentale), effectifs "
    "recoupés avec le fichier régional."
)
_HEADINGS = {
    "fr": ("Identifiant", "Définition", "Population", "Unité", "Nature", "Niveaux et années", "Précautions", "Source"),
    "en": ("Identifier", "Definition", "Population", "Unit", "Kind", "Levels and years", "Caveats", "Source"),
}


@checked
def describe(indicator: str, *, lang: str = "fr") -> Sheet:
    """The sheet of an indicator: definition, population, unit, levels, caveats and sources.

    Parameters
    ----------
    indicator : str
    lang : {"fr", "en"}

    Returns
    -------
    Sheet

    Raises
    ------
    UnknownNameError
        Unknown indicator or language.

    Examples
    --------
    >>> print(describe("c2s_share", lang="en"))  # doctest: +ELLIPSIS
    Insured persons covered by the C2S complementary health cover
      Identifier        c2s_share
      Definition        C2S beneficiaries ...
    """
    known = catalogue().indicator(indicator)
    language = style.check_lang(lang)
    names = _HEADINGS[language]
    sources = [catalogue().sources[name] for name in dict.fromkeys(series.source for series in known.series)]
    caveats = list(known.caveats.get(language, []))
    caveats += [_text(source.caveat, language) for source in sources if source.caveat]
    rows = [
        (names[0], known.id),
        (names[1], _text(known.definition, language)),
        (names[2], _text(known.population, language)),
        (names[3], _text(known.unit, language)),
        (names[4], _KINDS[known.kind][language]),
        (names[5], _coverage(known, language)),
        *((names[6], caveat) for caveat in caveats),
        *((names[7], f"{source.producer}, {source.title} ({source.licence})") for source in sources),
    ]
    return Sheet(_text(known.label, language), tuple(rows))


def _coverage(known: Indicator, lang: style.Lang) -> str:
    """Levels and years that are read, and why there is none by QPV where there is none."""
    records = catalogue().published(known.id)
    said = describe_coverage(records)
    if any(record["geo_level"] == "qpv" for record in records):
        return said
    word = absences.word_of_level(known.id, "qpv", lang)
    return f"{said} ; par QPV : {word}" if lang == "fr" else f"{said}; by QPV: {word}"


@checked
def cite(of: str | pd.DataFrame) -> str:
    """Text ready to paste: producer, title, edition, licence and date of retrieval.

    Parameters
    ----------
    of : str or DataFrame
        An indicator, a source or edition (`insee_filosofi_qpv@2021`), or a frame with a `source`
        column (observations or a comparison).

    Returns
    -------
    str
        One line an edition, however many files it is published in, and a last one that says so where values are
        estimated, not measured.

    Raises
    ------
    UnknownNameError
        Neither an indicator nor a source.
    SchemaError
        A frame without `source`.

    Examples
    --------
    >>> cite("insee_filosofi_qpv@2021")  # doctest: +ELLIPSIS
    'Insee, DGFiP, Cnaf, Cnav, CCMSA (Filosofi), « Revenus, pauvreté ... 2015 », édition 2021, Licence Ouverte 2.0...'
    """
    lines = _citations(_editions(of))
    if isinstance(of, pd.DataFrame) and "flag" in of and (of["flag"] == "estimated").any():
        if "predictors" in of and of["predictors"].astype("str").str.contains("finances").any():
            lines.append(_REGIONAL_REPORTS)
        lines.append(_ESTIMATED)
    return "\n".join(lines)


def _editions(of: str | pd.DataFrame) -> list[str]:
    known = catalogue()
    if isinstance(of, pd.DataFrame):
        columns = [name for name in ("source", "reference_source") if name in of.columns]
        if not columns:
            raise SchemaError(f"cite needs a frame with a `source` column; it has {list(of.columns)}.")
        keys = [key for name in columns for key in of[name].dropna().astype("str").unique()]
        return list(dict.fromkeys(part for key in keys for part in key.split(", ") if part))
    if of in known.indicators:
        return list(dict.fromkeys(str(record["source"]) for record in known.published(of)))
    if of.partition("@")[0] in known.sources:
        source = known.source(of)
        return [of] if "@" in of else [source.key(vintage) for vintage in source.vintage]
    names = [*known.indicators, *known.sources]
    raise UnknownNameError(f"Nothing to cite called {of!r}. {did_you_mean(of, names)}")


def _citations(keys: list[str]) -> list[str]:
    """One line an edition; the files that make up one, territory by territory, are told as one."""
    files: dict[tuple[str, str, str], list[str]] = {}
    for key in keys:
        source = catalogue().source(key)
        vintage = source.get_vintage(key.partition("@")[2])
        # an imported file may have no address
        address = vintage.landing_page or source.landing_page or ""
        files.setdefault((source.id, _PART.sub("", vintage.id), address), []).append(vintage.id)
    return [
        _citation(catalogue().source(name), edition, address, found)
        for (name, edition, address), found in files.items()
    ]


def _citation(source: Source, edition: str, address: str, files: list[str]) -> str:
    days = sorted({day for one in files if (day := _retrieved(source, one))})
    several = len(files) > 1
    named = f"{edition} ({len(files)} fichiers)" if several else files[0]
    when = f" (fichier{'s' if several else ''} du {' au '.join(dict.fromkeys((days[0], days[-1])))})" if days else ""
    said = [source.producer, f"« {source.title} »", f"édition {named}", source.licence, address]
    return ", ".join(part for part in said if part) + f"{when}.{LAYOUT}"


def _retrieved(source: Source, vintage_id: str) -> str | None:
    for one in store.open_stores():
        edition = one.manifest["sources"].get(source.id, {}).get("editions", {}).get(vintage_id)
        if edition and one.serves(source.id):
            return str(edition["retrieved"])[:10]
    return None


def _text(text: dict[str, str], lang: str) -> str:  # type: ignore[type-arg,unused-ignore]
    return text.get(lang) or text.get("fr", "")


def level_label(level: str, lang: str = "fr") -> str:
    """A level's name for people.

    Examples
    --------
    >>> level_label("epci")
    'intercommunalité (EPCI)'
    """
    return LEVELS[check_level(level)][lang]


def label_of(indicator: Indicator | str, lang: str = "fr", *, short: bool = False) -> str:
    """An indicator's label for people."""
    known = catalogue().indicator(indicator) if isinstance(indicator, str) else indicator
    return _text(known.short if short else known.label, lang)
