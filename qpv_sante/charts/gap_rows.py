"""Rows of the gap chart, from either kind of comparison, and its words."""

from __future__ import annotations

import pandas as pd

from qpv_sante.catalogue import Indicator
from qpv_sante.charts import common
from qpv_sante.errors import SchemaError
from qpv_sante.geography import fold
from qpv_sante.loading import sorted_classes

REQUIRED = (
    *("territory", "territory_code", "indicator", "year", "geo_vintage", "reference", "qpv_value"),
    *("reference_value", "difference", "n_used", "n_total", "source"),
)
_OPTIONAL = (
    *("qpv_lower", "qpv_upper", "reference_lower", "reference_upper", "qpv_q1", "qpv_median", "qpv_q3"),
    *("interval", "flag", "sex", "age", "reference_label", "unit", "reference_source"),
    *("reference_note", "surveys"),
)
TEXTS: dict[str, dict[str, str]] = {
    "fr": {
        "qpv": "QPV (ensemble du territoire)",
        "one_qpv": "QPV",
        "spread": "QPV : du premier au troisième quartile, trait à la médiane des quartiers",
        "unreliable": "QPV, valeur à interpréter avec prudence",
        "territory": "{level}",
        "territory_unreliable": "{level}, valeur à interpréter avec prudence",
        "zoning": "Quartiers prioritaires (QPV, zonage {vintage}) et {reference}",
        "composite": "territoire",
        "country": "France (comprend le territoire)",
        "levels": "{level} et {reference}",
        "territory_missing": "Sans valeur",
        "sample": "À droite de chaque ligne : écart entre le territoire et la référence, puis n, nombre de personnes "
        "interrogées, s'il est publié. Ces valeurs ne sont pas celles de QPV.",
        "surveys": "Non dessinés ici, les résultats d'enquêtes nationales dans et hors quartiers (voir plot_levels) : "
        "{number}.",
        "gap": "écart",
        "points": "écart (points)",
        "missing": "Sans valeur pour les QPV",
        "no_reference": "réf. non disponible",
        "no_references": "La référence n'a de valeur pour aucune ligne : les écarts ne sont pas calculés.",
        "counts": "À droite de chaque ligne : écart entre les QPV et la référence, puis QPV ayant une valeur sur "
        "l'ensemble des QPV.",
    },
    "en": {
        "qpv": "QPV (whole territory)",
        "one_qpv": "QPV",
        "spread": "QPV: first to third quartile, line at the median of neighbourhoods",
        "unreliable": "QPV, value to be read with caution",
        "territory": "{level}",
        "territory_unreliable": "{level}, value to be read with caution",
        "zoning": "Priority neighbourhoods (QPV, {vintage} zoning) and {reference}",
        "composite": "territory",
        "country": "France (holds the territory)",
        "levels": "{level} and {reference}",
        "territory_missing": "No value",
        "sample": "Right of each row: gap between territory and reference, then n, number of people asked, where "
        "published. These values are not those of QPV.",
        "surveys": "Not drawn here, the results of national surveys inside and outside neighbourhoods (see "
        "plot_levels): {number}.",
        "gap": "gap",
        "points": "gap (points)",
        "missing": "No value for QPV",
        "no_reference": "no reference value",
        "no_references": "The reference has no value in any row: gaps are not computed.",
        "counts": "Right of each row: gap between QPV and reference, then QPV with a value out of all QPV.",
    },
}


def prepare(comparison: pd.DataFrame) -> pd.DataFrame:
    """Rows to draw, checked: of `compare` by QPV, or of the health figures of larger territories.

    Parameters
    ----------
    comparison : DataFrame
        As `compare` gives it, for an indicator that is published by QPV or not.

    Returns
    -------
    DataFrame
        With `subject`, `qpv` or `territory`: whose value stands in `qpv_value`.

    Raises
    ------
    SchemaError
        A column is missing, or there is no row.
    ComparabilityError
        Several indicators, years, zonings or references, or too many rows.
    """
    needed: tuple[str, ...] = REQUIRED
    if "kind" in comparison and (comparison["kind"] != "qpv").any():
        comparison = _of_territories(comparison)
        needed = tuple(name for name in REQUIRED if name != "geo_vintage")  # larger territories have no zoning
    common.check_columns(comparison, needed, "plot_gap", "compare()")
    rows = comparison.reset_index(drop=True)
    rows = rows.assign(**{name: None for name in _OPTIONAL if name not in rows})
    if "subject" not in rows:
        rows["subject"] = "qpv"
    names = ("indicator", "year", "geo_vintage", "reference")
    common.check_single(rows, names, "plot_gap", "comparison")
    blocks = [f"{age} {sex}" for age, sex in zip(rows["age"], rows["sex"], strict=True)]
    common.check_rows(rows.assign(block=blocks), "block", "plot_gap", "comparison")
    columns = [str(name) for name in rows]
    numbers = [name for name in columns if name.startswith(("qpv_", "reference_", "n_")) or name == "difference"]
    for name in numbers:
        if name not in ("reference_label", "reference_source", "reference_note"):
            rows[name] = pd.to_numeric(rows[name])
    texts = ("flag", "interval", "sex", "age", "reference_label", "reference_source", "unit")
    for name in (*texts, "reference_note"):
        rows[name] = rows[name].astype("object").where(rows[name].notna(), "")
    twins = rows.duplicated(["territory", "sex", "age"], keep=False)
    code = rows["territory_code"].astype(str).str.partition(":")[2]
    rows["label"] = rows["territory"].astype(str) + (" (" + code + ")").where(twins, "")
    return rows


def _of_territories(comparison: pd.DataFrame) -> pd.DataFrame:
    """Published rows of a health comparison under the names that the chart reads; survey rows are counted."""
    published = comparison[comparison["kind"] == "published"]
    if published.empty:
        raise SchemaError(
            "plot_gap: the frame has survey contrasts only, each of another question: plot_levels draws them."
        )
    common.check_columns(published, ("territory", "territory_code", "n", "source"), "plot_gap", "compare()")
    others = ("reference_n", "reference_n_used", "reference_n_total")
    rows = published.drop(columns=[name for name in others if name in published])
    surveys = int((comparison["kind"] == "survey_contrast").sum())
    return rows.assign(
        subject="territory", geo_vintage=None, n_used=rows["n"], n_total=None, surveys=surveys,
        **{f"qpv_{name}": rows.get(name) for name in ("value", "lower", "upper")},
    )  # fmt: skip


def _facets(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with `facet`, the place of their class among those of the frame: none is above the others for its values."""
    ages = {age: rank for rank, age in enumerate(sorted_classes(rows["age"].unique()))}
    return rows.assign(facet=list(zip(rows["age"].map(ages), rows["sex"], strict=True)))


def order(rows: pd.DataFrame, indicator: Indicator) -> pd.DataFrame:
    """Rows from top to bottom, with their height `y`, their `gap` and what is drawn of the QPV.

    Several classes of sex or age are so many blocks, one under the other on the same axis.
    """
    rows = rows.assign(drawn="missing")
    rows.loc[rows["qpv_median"].notna(), "drawn"] = "distribution"
    rows.loc[rows["qpv_value"].notna(), "drawn"] = "value"
    point = rows["qpv_value"].fillna(rows["qpv_median"])
    rows["gap"] = rows["difference"].fillna(point - rows["reference_value"])
    # the widest gap is the most unfavourable one, where the indicator has a direction
    keys = {"worse": -rows["gap"], "better": rows["gap"], "neither": -rows["gap"].abs()}
    rows = rows.assign(last=rows["drawn"] == "missing", key=keys[indicator.higher_is])
    rows = _facets(rows.assign(folded=rows["label"].map(fold))).sort_values(
        ["facet", "last", "key", "folded"], kind="stable", na_position="last", ignore_index=True
    )
    if rows["facet"].nunique() > 1:
        # a line is left above each block for its head
        rows["y"] = rows.index + 0.9 * pd.factorize(rows["facet"])[0]
    else:
        shift = 0.9 if rows["last"].any() and not rows["last"].all() else 0.0
        rows["y"] = rows.index + shift * rows["last"]
    return rows.drop(columns=["key", "folded"])
