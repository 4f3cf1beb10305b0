"""What surveys and reports say of priority neighbourhoods against the rest, and what producers say of regions.

These are the health contrasts that were found between QPV (or the ZUS before them) and what surrounds
them. They are national, come without interval, and some are known only through the press.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import msgspec
import pandas as pd

from qpv_sante import store
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import CatalogueError, UnknownNameError, did_you_mean
from qpv_sante.forms import Text

# References that hold the neighbourhoods themselves: their value is a whole, never an outside
_WHOLES = ("country",)
_UNITS = {"%": "%", "ans": "years", "rapport": "ratio"}


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of the records of this module: frozen, and strict about keys."""


class Reference(_Record, frozen=True):
    """What the neighbourhoods are held against, in words."""

    level: Literal["survey_outside", "urban_surroundings", "urban_unit", "rest_of_urban_unit", "country", "none"]
    fr: str
    en: str


class Contrast(_Record, frozen=True):
    """One published contrast; `ratio` is outside over inside."""

    indicator: str
    label: Text
    perimeter: Literal["ZUS", "QPV"]
    unit: Literal["%", "ans", "rapport"]
    year: str
    year_meaning: Literal["survey", "report"]
    survey: str
    reference: Reference
    population: Text
    source: str
    reliability: Literal["published", "secondary"]
    zoning: Literal[2015, 2024] | None = None
    inside: float | None = None
    outside: float | None = None
    whole: float | None = None
    ratio: float | None = None
    approximate: bool = False
    as_published: Text = {}
    via: Text = {}
    caveat: Text = {}


class _File(_Record, frozen=True):
    contrast: list[Contrast]


def read_contrasts(path: Path) -> list[Contrast]:
    """The records of a file of contrasts, checked.

    Parameters
    ----------
    path : Path
        A TOML file with tables `contrast`.

    Returns
    -------
    list of Contrast

    Raises
    ------
    CatalogueError
        Unknown or missing key, wrong type, duplicate, or a record that contradicts itself: a value
        called outside where the reference holds the neighbourhoods, a value heard of through
        someone else and called published, no value at all.
    """
    try:
        records = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8-sig")), _File).contrast
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    problems = []
    keys = [(one.indicator, one.perimeter, one.year) for one in records]
    problems += [f"{' '.join(key)}: declared twice" for key in dict.fromkeys(keys) if keys.count(key) > 1]
    for one in records:
        where = f"{one.indicator}, {one.perimeter}, {one.year}"
        if one.zoning and one.perimeter != "QPV":
            problems.append(f"{where}: only QPV have a zoning")
        if one.inside is None and one.ratio is None:
            problems.append(f"{where}: neither inside nor ratio")
        if one.outside is not None and one.reference.level in (*_WHOLES, "none"):
            problems.append(f"{where}: a value outside, but the reference is {one.reference.level}")
        if one.whole is not None and one.reference.level not in _WHOLES:
            problems.append(f"{where}: a value of the whole, but the reference is {one.reference.level}")
        if bool(one.via) != (one.reliability == "secondary"):
            problems.append(f"{where}: via and reliability = 'secondary' go together")
        numbers = [("inside", one.inside), ("outside", one.outside), ("whole", one.whole)]
        problems += [
            f"{where}: {name} = {number} is not a percentage"
            for name, number in numbers
            if one.unit == "%" and number is not None and not 0 <= number <= 100
        ]
        texts = {"label": one.label, "population": one.population, "via": one.via, "caveat": one.caveat}
        texts["as_published"] = one.as_published
        problems += [
            f"{where}: {name} needs fr and en" for name, text in texts.items() if text and set(text) != {"fr", "en"}
        ]
    if problems:
        raise CatalogueError(f"{path.name}: " + "; ".join(problems))
    return records


@lru_cache(maxsize=1)
def _contrasts() -> tuple[Contrast, ...]:
    return tuple(read_contrasts(Path(str(files("qpv_sante") / "survey_contrasts.toml"))))


def load_survey_contrasts(
    indicator: str | None = None, *, perimeter: str | None = None, lang: Literal["fr", "en"] = "fr"
) -> pd.DataFrame:
    """Published contrasts between priority neighbourhoods and what surrounds them.

    Parameters
    ----------
    indicator : str, optional
        `self_perceived_health_good`, `care_forgone_for_money`, `poverty_rate`; all by default. Most are
        not indicators of the catalogue: no file read carries them.
    perimeter : {"ZUS", "QPV"}, optional
        All by default. ZUS (until 2014) are not QPV.
    lang : {"fr", "en"}
        Language of the texts.

    Returns
    -------
    DataFrame
        One row a contrast: `indicator, label, perimeter, zoning, inside, outside, whole, ratio, unit,
        approximate, as_published, year, year_meaning, survey, reference, reference_label, population, source, via,
        reliability, caveat`. Values are in `unit`; `whole` is the value of a territory that holds the
        neighbourhoods, never an outside; `ratio` is outside over inside, given only where the publication
        says no more. `via` says who reported a value that was not read in its publication
        (`reliability` is then `secondary`). None has an interval or a sample size.

    Raises
    ------
    UnknownNameError
        No contrast of that name or perimeter; the message lists those that exist.
    CatalogueError
        The data file is damaged.

    Examples
    --------
    >>> poor = load_survey_contrasts("poverty_rate", lang="en").iloc[0]
    >>> float(poor["inside"]), float(poor["outside"]), float(poor["whole"]), poor["via"]
    (44.3, nan, 14.5, 'press')
    """
    records = _contrasts()
    for name, asked in {"indicator": indicator, "perimeter": perimeter}.items():
        valid = list(dict.fromkeys(getattr(one, name) for one in records))
        if asked is not None and asked not in valid:
            raise UnknownNameError(f"No survey contrast with {name} {asked!r}. {did_you_mean(asked, valid, limit=40)}")
    rows = [
        {
            "indicator": one.indicator,
            "label": one.label[lang],
            "perimeter": one.perimeter,
            "zoning": one.zoning,
            "inside": one.inside,
            "outside": one.outside,
            "whole": one.whole,
            "ratio": one.ratio,
            "unit": _UNITS[one.unit] if lang == "en" else one.unit,
            "approximate": one.approximate,
            "as_published": one.as_published.get(lang, ""),
            "year": one.year,
            "year_meaning": one.year_meaning,
            "survey": one.survey,
            "reference": one.reference.level,
            "reference_label": getattr(one.reference, lang),
            "population": one.population[lang],
            "source": one.source,
            "via": one.via.get(lang, ""),
            "reliability": one.reliability,
            "caveat": one.caveat.get(lang, ""),
        }
        for one in records
        if (indicator is None or one.indicator == indicator) and (perimeter is None or one.perimeter == perimeter)
    ]
    numbers = dict.fromkeys(("inside", "outside", "whole", "ratio"), "float64")
    return pd.DataFrame(rows).astype({**numbers, "zoning": "Int16"})


def load_classification(source: str) -> pd.DataFrame:
    """A producer's own verdict on each territory, in its own words.

    Santé publique France says of each region whether its prevalence is higher, lower or not
    significantly different. The verdict is kept beside the figures, not among them: it is not a value.

    Parameters
    ----------
    source : str
        A source that classifies territories (`spf_barometer_2024`).

    Returns
    -------
    DataFrame
        `geo_level, geo_code, sex, age, category, source, year, classification`, all text.

    Raises
    ------
    UnknownNameError
        The source classifies nothing; the message lists those that do.
    StoreError
        The source was never built.
    """
    valid = [one.id for one in catalogue().sources.values() if one.long and one.long.classification]
    if source not in valid:
        raise UnknownNameError(f"{source!r} classifies no territory. {did_you_mean(source, valid)}")
    name = f"{source}_classification"
    return store.find_store(f"codes/{name}").codes(name)
