"""The webinar's slide on QPV residents, rebuilt: each of its statements beside the nearest figure of open data."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pandas as pd

from qpv_sante import care, comparison, health, loading, style
from qpv_sante.catalogue import catalogue
from qpv_sante.contrasts import load_survey_contrasts
from qpv_sante.errors import CatalogueError, UnavailableLevelError
from qpv_sante.forms import Text
from qpv_sante.initiative_records import decimals_of
from qpv_sante.listing import level_label

Verdict = Literal["agrees", "differs", "undecided", "no_published_figure", "not_in_open_data"]
SLIDE_COLUMNS = (
    *("id", "statement", "published", "comparison", "statement_unit", "document"),
    *("measure", "indicator", "definition", "level", "territory", "year", "geo_vintage"),
    *("value", "lower", "upper", "interval", "least", "most", "unit"),
    *("reference_label", "reference_value", "reference_lower", "reference_upper"),
    *("difference", "difference_lower", "difference_upper", "n_used", "n_total", "flag", "source"),
    *("verdict", "verdict_label", "because"),
)
_NUMBERS = (
    *("published", "value", "lower", "upper", "least", "most", "reference_value", "reference_lower", "reference_upper"),
    *("difference", "difference_lower", "difference_upper", "n_used", "n_total"),
)
_VERDICTS: dict[str, dict[str, str]] = {
    "agrees": {"fr": "concorde", "en": "agrees"},
    "differs": {"fr": "diffère", "en": "differs"},
    "undecided": {"fr": "ne permet pas de trancher", "en": "does not allow to decide"},
    "no_published_figure": {"fr": "sans chiffre à vérifier", "en": "no figure to check"},
    "not_in_open_data": {"fr": "absent des données ouvertes lues", "en": "not in the open data read"},
}
_OUTSIDE = {"fr": "France entière, QPV compris", "en": "all of France, QPV included"}
_SURVEY = {"fr": "dans les {perimeter}, enquêtes nationales", "en": "in {perimeter}, national surveys"}


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The figure of open data that stands nearest to a statement, as declared."""

    measure: Literal["qpv", "gap", "health", "contrast", "care", "none"]
    definition: Text
    because: Text
    indicator: str = ""
    year: int | None = None
    reference: str = ""
    level: Literal["", "region", "department"] = ""
    age: str = "_T"
    perimeter: Literal["", "ZUS", "QPV"] = ""
    care: str = ""
    same: bool = False


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One statement of the slide."""

    id: str
    text: Text
    figure: list[Figure]
    published: float | None = None
    unit: Literal["", "%", "rapport", "structures"] = ""
    comparison: Literal["equal", "below"] = "equal"


class Slide(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The statements, who made them, and the QPV that they are about."""

    document: Text
    territory: str
    geo_vintage: int
    statement: list[Statement]


# what each measure needs beside the texts
_NEEDS = {
    "qpv": ("indicator", "year"),
    "gap": ("indicator", "year", "reference"),
    "health": ("indicator", "year", "level"),
    "contrast": ("indicator", "perimeter"),
    "care": ("care",),
    "none": (),
}


def read_slide(path: Path) -> Slide:
    """The records of a file of statements, checked.

    Raises
    ------
    CatalogueError
        Unknown or missing key, id given twice, a text that lacks a language, a published figure without unit, or a
        measure without what it needs; every problem is listed.
    """
    try:
        slide = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8-sig")), Slide)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"{path.name}: {error}") from error
    ids = [one.id for one in slide.statement]
    problems = [f"{name}: declared twice" for name in dict.fromkeys(ids) if ids.count(name) > 1]
    for one in slide.statement:
        texts = [one.text, *(text for figure in one.figure for text in (figure.definition, figure.because))]
        problems += [f"{one.id}: every text needs fr and en" for text in texts if set(text) != {"fr", "en"}]
        if (one.published is None) != (one.unit == ""):
            problems.append(f"{one.id}: published and unit go together")
        if not one.figure:
            problems.append(f"{one.id}: no figure; give one with measure = 'none' where open data have nothing")
        for figure in one.figure:
            lacking = [name for name in _NEEDS[figure.measure] if not getattr(figure, name)]
            problems += [f"{one.id}: {figure.measure} needs {name}" for name in lacking]
    if problems:
        raise CatalogueError(f"{path.name}: " + "; ".join(problems))
    return slide


@lru_cache(maxsize=1)
def _slide() -> Slide:
    return read_slide(Path(str(files("qpv_sante") / "slide.toml")))


def webinar_slide(*, lang: str = "fr", compare: Callable[..., pd.DataFrame] | None = None) -> pd.DataFrame:
    """Statements of the webinar of Villes et Territoires Occitanie, each beside the nearest figure of open data.

    Parameters
    ----------
    lang : {"fr", "en"}
        Language of the texts.
    compare : callable, optional
        `qpv_sante.compare`, or what remembers its results, so that nothing is computed twice.

    Returns
    -------
    DataFrame
        One row a statement and figure: `id, statement, published` (in `statement_unit`; missing where what we have of
        the document gives no figure), `comparison` (`equal`, `below`), `document`; then ours: `measure, indicator,
        definition, level` (at which the figure is known), `territory, year, geo_vintage, value, lower, upper,
        interval`, `least, most` (of structures: the value if those that are there for certain, or all that may be,
        are counted), `unit`, what it is held against (`reference_label`, `reference_value` with its bounds,
        `difference` with its own), `n_used, n_total, flag, source`. Then

        - `verdict`: `agrees` (the same definition, and the published figure lies within the bounds), `differs` (it
          lies outside), `undecided` (bounds too wide, or another definition that happens to agree),
          `no_published_figure`, `not_in_open_data` (nothing in the sources that the package reads, or only another
          notion);
        - `verdict_label`: in words; `because`: why the figure is not that of the statement, or what is missing.

        Figures are computed by `compare`, `load_survey_contrasts` and `qpv_sante.care.statements`; none is typed in.

    Raises
    ------
    CatalogueError
        The file of statements is damaged.
    StoreError
        Sources that were never built.

    Examples
    --------
    >>> slide = webinar_slide(lang="en")
    >>> single = slide[(slide["id"] == "single_parent_families") & (slide["measure"] == "gap")]
    >>> single[["published", "value", "verdict"]].round(1).values.tolist()
    [[33.2, 17.3, 'differs']]
    >>> slide.loc[slide["id"] == "unskilled_jobs", "verdict_label"].tolist()
    ['not in the open data read']
    """
    code = style.check_lang(lang)
    slide = _slide()
    asked = compare or comparison.compare
    rows = []
    for one in slide.statement:
        for figure in one.figure:
            found = _measured(figure, slide, asked, code)
            said = verdict(one, figure, found)
            rows.append(
                {
                    "id": one.id,
                    "statement": style.typography(one.text[code], code),
                    "published": one.published,
                    "comparison": one.comparison,
                    "statement_unit": _unit(one.unit, code),
                    "document": slide.document[code],
                    "measure": figure.measure,
                    "indicator": figure.indicator,
                    "definition": style.typography(figure.definition[code], code),
                    "geo_vintage": slide.geo_vintage if figure.measure in ("qpv", "gap", "care") else pd.NA,
                    **found,
                    "verdict": said,
                    "verdict_label": _VERDICTS[said][code],
                    "because": style.typography(figure.because[code], code),
                }
            )
    frame = pd.DataFrame(rows, columns=list(SLIDE_COLUMNS))
    return frame.astype({**dict.fromkeys(_NUMBERS, "float64"), "geo_vintage": "Int64"})


def verdict(one: Statement, figure: Figure, found: dict[str, Any]) -> Verdict:
    """Whether a figure of open data agrees with a statement, by rule.

    Parameters
    ----------
    one : Statement
    figure : Figure
    found : dict
        Its `value, lower, upper` and `unit`; a value without bounds is its own bounds. `least` and `most` widen them:
        a doubt on the count itself is no less a doubt.

    Returns
    -------
    str

    Examples
    --------
    >>> text = {"fr": "", "en": ""}
    >>> said = Statement(id="a", text=text, figure=[], published=33.2, unit="%")
    >>> same = Figure(measure="qpv", definition=text, because=text, same=True)
    >>> verdict(said, same, {"value": 33.0, "lower": 32.8, "upper": 33.3, "unit": "%"})
    'agrees'
    >>> verdict(said, same, {"value": 30.0, "lower": 29.8, "upper": 30.3, "unit": "%"})
    'differs'
    """
    low, high = (
        found["value"] if pd.isna(found[side]) and pd.notna(found["value"]) else found[side]
        for side in ("lower", "upper")
    )
    if pd.isna(low) or pd.isna(high):
        return "not_in_open_data"
    low = np.fmin(low, found.get("least", np.nan))
    high = np.fmax(high, found.get("most", np.nan))
    if one.published is None:
        return "no_published_figure"
    # the unit of a share says of what ("% of households"): what counts is that both are shares
    ours, theirs = (style.unit_symbol(unit) or unit for unit in (str(found["unit"]), one.unit))
    if ours != theirs:
        return "not_in_open_data"
    half = 0.5 * 10 ** -decimals_of(one.published)
    if one.comparison == "below":
        inside, outside = high < one.published, low >= one.published
    else:
        inside = low <= one.published + half and one.published - half <= high
        outside = not inside
    if outside:
        return "differs"
    return "agrees" if inside and figure.same else "undecided"


def _unit(unit: str, lang: style.Lang) -> str:
    return "ratio" if unit == "rapport" and lang == "en" else unit


def _measured(figure: Figure, slide: Slide, compare: Callable[..., pd.DataFrame], lang: style.Lang) -> dict[str, Any]:
    """What open data give: the figure, its reference and where both come from."""
    blank: dict[str, Any] = {name: np.nan for name in _NUMBERS if name != "published"}
    blank |= dict.fromkeys(("level", "territory", "year", "unit", "reference_label", "source"), "")
    blank |= {"interval": "none", "flag": "unavailable"}
    if figure.measure in ("qpv", "gap"):
        return blank | _compared(figure, slide, compare, lang)
    if figure.measure == "health":
        return blank | _health(figure, slide, lang)
    if figure.measure == "contrast":
        return blank | _contrast(figure, lang)
    return blank | _care(figure, slide, lang) if figure.measure == "care" else blank


def _compared(figure: Figure, slide: Slide, compare: Callable[..., pd.DataFrame], lang: style.Lang) -> dict[str, Any]:
    place = loading.gazetteer().resolve(slide.territory)
    row = compare(
        figure.indicator,
        geo_vintage=slide.geo_vintage,
        year=figure.year,
        reference=figure.reference or None,
        by=None,
        territory=place,
        lang=lang,
    ).iloc[0]
    known = catalogue().indicator(figure.indicator)
    bounds = ("reference_value", "reference_lower", "reference_upper")
    gap = ("difference", "difference_lower", "difference_upper")
    return {
        **{name: row[f"qpv_{name}"] for name in ("value", "lower", "upper")},
        **{name: row[name] for name in (*bounds, *gap, "interval", "n_used", "n_total", "flag", "unit", "source")},
        "reference_label": row["reference_label"],
        "level": level_label("qpv", lang),
        "territory": row["territory"],
        "year": style.year_label(known, [str(row["source"])], int(row["year"]), lang),
    }


def _health(figure: Figure, slide: Slide, lang: style.Lang) -> dict[str, Any]:
    try:
        table = health.compare_health(
            figure.indicator, year=int(figure.year or 0), territory=slide.territory, by=figure.level, lang=lang
        )
    except UnavailableLevelError:
        return {}
    row = table[(table["kind"] == "published") & (table["age"] == figure.age)].iloc[0]
    names = ("value", "lower", "upper", "interval", "reference_value", "reference_lower", "reference_upper")
    gap = ("difference", "difference_lower", "difference_upper")
    return {
        **{name: row[name] for name in (*names, *gap, "flag", "unit", "source", "territory")},
        "year": row["year_label"],
        "reference_label": _OUTSIDE[lang],
        "level": level_label(str(row["territory_level"]), lang),
    }


def _contrast(figure: Figure, lang: style.Lang) -> dict[str, Any]:
    row = load_survey_contrasts(figure.indicator, perimeter=figure.perimeter, lang=lang).iloc[0]
    outside = row["outside"]
    if pd.isna(outside) and pd.notna(row["ratio"]):
        outside = row["ratio"] * row["inside"]  # the publication gives the ratio outside over inside
    return {
        "value": row["inside"],
        "reference_value": outside,
        "reference_label": row["reference_label"],
        "difference": row["inside"] - outside,
        "unit": row["unit"],
        "year": row["year"],
        "flag": "observed",
        "source": row["source"],
        "level": level_label("country", lang),
        "territory": style.typography(_SURVEY[lang].format(perimeter=row["perimeter"]), lang),
    }


def _care(figure: Figure, slide: Slide, lang: style.Lang) -> dict[str, Any]:
    row = care.statements(geo_vintage=slide.geo_vintage, ids=[figure.care], lang=lang).iloc[0]
    names = ("value", "lower", "upper", "least", "most", "interval", "n_used", "n_total", "flag", "unit", "source")
    place = loading.gazetteer().resolve(slide.territory)
    return {
        **{name: row[name] for name in (*names, "year")},
        "level": level_label("qpv", lang),
        "territory": place.name if place else "France",
    }
