"""Detailed comparisons of a report: findings, figure and table of one indicator, territory by territory."""

from __future__ import annotations

from typing import Any

import pandas as pd

from qpv_sante import listing, style
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.findings import WORDS as SAID
from qpv_sante.findings import points
from qpv_sante.references import REFERENCES
from qpv_sante.report import sections as parts
from qpv_sante.report.diagnosis_words import WORDS as LIMITS
from qpv_sante.report.facts import LEAST_COVERAGE, Compare, city_reference, reference_label
from qpv_sante.report.page import Section, Table, figure_of
from qpv_sante.report.words import HEADER, WORDS
from qpv_sante.territories import COMPOSITE, Territory

_MAX_ROWS = 25


def comparison_section(
    indicator: str,
    year: int,
    geo_vintage: int,
    scope: Territory | None,
    by: str,
    lang: str,
    compare: Compare,
) -> tuple[Section, list[str]]:
    """Findings, figure and table of one comparison with the city, and its citations."""
    from qpv_sante import charts

    lang = style.check_lang(lang)
    reference = city_reference(scope)
    asked: dict[str, Any] = {"geo_vintage": geo_vintage, "year": year, "reference": reference, "lang": lang}
    try:
        whole, gaps = (compare(indicator, by=rows, territory=scope, **asked) for rows in (None, by))
    except UnavailableLevelError:
        # published for too few people there: the QPV stand alone
        asked["reference"] = None
        whole, gaps = (compare(indicator, by=rows, territory=scope, **asked) for rows in (None, by))
    if scope is not None and scope.level == COMPOSITE and by == "commune" and scope.communes:
        # QPV that straddle reach into communes that the territory does not name
        gaps = gaps[gaps["territory_code"].isin([f"commune:{code}" for code in scope.communes])].reset_index(drop=True)
    label = reference_label(reference, scope, geo_vintage, lang)
    notes = caveats(indicator, lang)
    if asked["reference"] is None:
        said = {"label": listing.label_of(indicator, lang), "reference": label, "least": LEAST_COVERAGE}
        notes.append(LIMITS["limits_reference"][lang].format(**said))
        gaps = gaps.assign(reference=reference, reference_label=REFERENCES["commune"][lang])
    whole = whole.assign(reference_label=label)
    if reference != "commune":
        # one city for every row; else each row has its own communes
        gaps = gaps.assign(reference_label=label)
    drawn = gaps.nlargest(_MAX_ROWS, "difference") if len(gaps) > charts.MAX_ROWS else gaps
    axes = charts.plot_gap(drawn, lang=lang)
    section = Section(
        title=f"{listing.label_of(indicator, lang)}, {year}",
        findings=findings(gaps, whole, lang),
        figures=[figure_of(axes, charts.figure_alt_text(axes, lang))],
        table=gap_table(gaps, lang),
        notes=[style.typography(text, lang) for text in notes],
    )
    return section, listing.cite(gaps).split("\n")


def caveats(indicator: str, lang: str) -> list[str]:
    """The catalogue's caveats on an indicator."""
    return list(catalogue().indicator(indicator).caveats.get("en" if lang == "en" else "fr", []))


def findings(gaps: pd.DataFrame, whole: pd.DataFrame, lang: str = "fr") -> list[str]:
    """Sentences written from the numbers by rules; they compare, and never explain.

    Parameters
    ----------
    gaps, whole : DataFrame
        Results of `compare`, by territory and in one row.
    lang : {"fr", "en"}

    Returns
    -------
    list of str
    """
    lang = style.check_lang(lang)
    known = catalogue().indicator(str(whole["indicator"].iloc[0]))
    symbol = style.unit_symbol(known.unit[lang])
    one = whole.iloc[0]
    said = []
    if pd.notna(one["difference"]):
        said.append(
            WORDS["whole"][lang].format(
                place=one["territory"],
                value=style.format_number(one["qpv_value"], known.decimals, lang=lang, symbol=symbol),
                reference=style.format_number(one["reference_value"], known.decimals, lang=lang, symbol=symbol),
                label=one["reference_label"],
                difference=points(one["difference"], known.decimals, lang),
                used=f"{one['n_used']}/{one['n_total']}",
                inside=SAID["inside" if one["n_total"] > 1 else "inside_one"][lang],
            )
        )
    ranked = gaps[gaps["difference"].notna() & (gaps["flag"] == "observed")].sort_values("difference")
    if len(ranked) > 1:
        low, high = ranked.iloc[0], ranked.iloc[-1]
        said.append(
            WORDS["largest"][lang].format(
                low=points(low["difference"], known.decimals, lang),
                low_place=low["territory"],
                high=points(high["difference"], known.decimals, lang),
                high_place=high["territory"],
            )
        )
    missing = gaps.loc[gaps["difference"].isna(), "territory"]
    if len(missing) and len(missing) <= 12:
        said.append(WORDS["missing"][lang].format(places=", ".join(missing)))
    return [style.typography(text, lang) for text in said]


def gap_table(gaps: pd.DataFrame, lang: str = "fr") -> Table:
    """A comparison as printed: values, bounds, gap, number of QPV and status."""
    from qpv_sante.observations import FLAG_LABELS

    lang = style.check_lang(lang)
    known = catalogue().indicator(str(gaps["indicator"].iloc[0]))

    def number(value: float, *, sign: bool = False, decimals: int = known.decimals) -> str:
        return style.format_number(value, decimals, lang=lang, sign=sign)

    rows = [
        [
            str(row.territory),
            number(row.qpv_value),
            parts.span(row.qpv_lower, row.qpv_upper, known.decimals, lang),
            number(row.reference_value),
            parts.span(row.reference_lower, row.reference_upper, known.decimals, lang),
            number(row.difference, sign=True),
            number(row.ratio, decimals=2),
            f"{row.n_used}/{row.n_total}",
            FLAG_LABELS[str(row.flag)][lang],
        ]
        for row in gaps.itertuples()
    ]
    first = gaps.iloc[0]
    caption = WORDS["table"][lang].format(
        label=f"{known.label[lang]} ({known.unit[lang]})", year=first["year"], vintage=first["geo_vintage"]
    )
    if first["reference_label"]:
        caption += (" ; référence : " if lang == "fr" else "; reference: ") + str(first["reference_label"])
    return Table(style.typography(caption, lang), HEADER[lang], rows, text_columns=(0, len(HEADER[lang]) - 1))
