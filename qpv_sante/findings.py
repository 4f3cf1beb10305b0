"""Findings of a diagnosis, written from its numbers by rules: they compare, and never explain.

The rules
---------
1. A finding needs a direction: the bounds of the gap lie on one side of zero. Of medians over several QPV, every
   quarter lies on the same side of the reference.
2. A gap that may be less than `LEAST_POINTS` (shares in percent) or `LEAST_RATIO` (others) is none.
3. One finding an indicator: its first reference, in the team's order, that allows a direction.
4. The largest gaps first: by the ratio that the bounds leave at least, so that units do not matter.
5. What is doubtful is marked: `unreliable` figures, less than `LEAST_COVERED` of the QPV with a value, a reference
   that secrecy leaves between two bounds. Fewer QPV than all are always counted.
6. Indicators without any direction are named, and nothing more is said of them. A value that is withheld is never
   replaced.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante import style
from qpv_sante.catalogue import catalogue

LEAST_POINTS, LEAST_RATIO = 1.0, 1.02
LEAST_COVERED = 0.9
MOST = 9

WORDS: dict[str, dict[str, str]] = {
    "both": {
        "fr": "{label} : {value} {inside}{used}, contre {reference} ({against}), soit {difference}{span}{times}.",
        "en": "{label}: {value} {inside}{used}, against {reference} ({against}), that is {difference}{span}{times}.",
    },
    "bounds": {
        "fr": "{label} : {value} {inside}{used}, au moins {least} {side} de la référence ({against}), "
        "connue seulement entre {low} et {high}.",
        "en": "{label}: {value} {inside}{used}, at least {least} {side} the reference ({against}), only known "
        "between {low} and {high}.",
    },
    "all_below": {
        "fr": "{label} : {range} ; {count} au-dessous de {reference} ({against}).",
        "en": "{label}: {range}; {count} below {reference} ({against}).",
    },
    "all_above": {
        "fr": "{label} : {range} ; {count} au-dessus de {reference} ({against}).",
        "en": "{label}: {range}; {count} above {reference} ({against}).",
    },
    "range": {"fr": "de {least} à {most} selon le quartier", "en": "from {least} to {most} depending on the quarter"},
    "count": {"fr": "les {n} quartiers sont", "en": "all {n} quarters are"},
    "count_published": {
        "fr": "les {n} quartiers dont la valeur est publiée sont",
        "en": "all {n} quarters with a published value are",
    },
    "each": {"fr": "la valeur de leur propre référence", "en": "the value of their own reference"},
    "span": {"fr": " (de {low} à {high})", "en": " ({low} to {high})"},
    "times": {"fr": ", {ratio} fois la référence", "en": ", {ratio} times the reference"},
    "inside": {"fr": "dans les QPV", "en": "in QPV"},
    "inside_one": {"fr": "dans le QPV", "en": "in the QPV"},
    "over": {"fr": "au-dessus", "en": "above"},
    "under": {"fr": "au-dessous", "en": "below"},
    "used": {"fr": " ({used} sur {total})", "en": " ({used} of {total})"},
    "doubt": {"fr": " À interpréter avec prudence : {reasons}.", "en": " To be read with caution: {reasons}."},
    "unreliable": {
        "fr": "chiffre signalé comme fragile par son producteur",
        "en": "flagged as fragile by its producer",
    },
    "fragile": {"fr": "{n} QPV au chiffre fragile", "en": "{n} QPV with a fragile figure"},
    "partial": {"fr": "{missing} QPV sans valeur", "en": "{missing} QPV without a value"},
    "secrecy": {"fr": "les bornes viennent du secret statistique", "en": "the bounds come from statistical secrecy"},
    "undecided": {
        "fr": "Aucune direction n'est établie pour : {names}.",
        "en": "No direction is established for: {names}.",
    },
    "none": {
        "fr": "Aucun écart n'a de direction établie avec les chiffres lus.",
        "en": "No gap has an established direction with the published figures.",
    },
    "more": {
        "fr": "{number} autres écarts établis sont dans les tableaux.",
        "en": "{number} other established gaps are in the tables.",
    },
    "one_more": {
        "fr": "Un autre écart établi est dans les tableaux.",
        "en": "One other established gap is in the tables.",
    },
}


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes
    ----------
    indicator, reference : str
    direction : int
        1: higher in QPV than the reference; -1: lower.
    size : float
        Ratio to equality that the bounds leave at least, 1 or more.
    reliable : bool
    text : str
    """

    indicator: str
    reference: str
    direction: int
    size: float
    reliable: bool
    text: str


def direction(fact: pd.Series) -> int:
    """1 where the QPV are above the reference whatever the bounds, -1 where below, 0 where nothing is established.

    Parameters
    ----------
    fact : Series
        A row of `qpv_sante.report.facts.facts_of`.

    Examples
    --------
    >>> fact = pd.Series({"unit": "%", "below": np.nan, "difference_lower": 2.0, "difference_upper": 6.0,
    ...                   "ratio_lower": 1.1, "ratio_upper": 1.4})
    >>> direction(fact), direction(fact.replace({2.0: -2.0})), direction(fact.replace({2.0: 0.4}))
    (1, 0, 0)
    """
    if pd.notna(fact["below"]):
        nearest = fact["nearest_ratio"]
        if pd.isna(nearest) or fact["n_used"] == 0:
            return 0
        return 1 if nearest >= LEAST_RATIO else -1 if nearest <= 1 / LEAST_RATIO else 0
    low, high = fact["difference_lower"], fact["difference_upper"]
    if pd.isna(low) or pd.isna(high):
        return 0
    least = low if low > 0 else -high if high < 0 else 0.0
    share = style.unit_symbol(str(fact["unit"])) == "%"
    enough = least >= LEAST_POINTS if share else _guaranteed(fact) >= LEAST_RATIO
    return 0 if least <= 0 or not enough else 1 if low > 0 else -1


def _guaranteed(fact: pd.Series) -> float:
    """The ratio to equality that the bounds leave at least."""
    if pd.notna(fact["below"]):
        nearest = float(fact["nearest_ratio"])
        return max(nearest, 1 / nearest) if nearest > 0 else np.nan
    low, high = fact["ratio_lower"], fact["ratio_upper"]
    if pd.notna(low) and low > 1:
        return float(low)
    return float(1 / high) if pd.notna(high) and 0 < high < 1 else 1.0


def findings_of(facts: pd.DataFrame, lang: style.Lang = "fr") -> tuple[list[Finding], list[str]]:
    """The findings of a territory, largest gaps first, and the indicators that allow none.

    Parameters
    ----------
    facts : DataFrame
        As `qpv_sante.report.facts.facts_of` gives them; references of an indicator in the team's order.
    lang : {"fr", "en"}

    Returns
    -------
    findings : list of Finding
    undecided : list of str
        Labels of indicators that are compared and have no direction.
    """
    found, undecided = [], []
    for _, rows in facts[facts["reference"] != ""].groupby("indicator", sort=False):
        told = next((row for _, row in rows.iterrows() if direction(row)), None)
        if told is None:
            undecided.append(str(rows["label"].iloc[0]))
            continue
        reasons = _doubts(told, lang)
        text = _sentence(told, lang) + (WORDS["doubt"][lang].format(reasons=" ; ".join(reasons)) if reasons else "")
        found.append(
            Finding(
                str(told["indicator"]),
                str(told["reference"]),
                direction(told),
                _guaranteed(told),
                not reasons,
                style.typography(text, lang),
            )
        )
    return sorted(found, key=lambda one: (-one.size, one.indicator)), undecided


def half_page(facts: pd.DataFrame, lang: style.Lang = "fr") -> list[str]:
    """The sentences of a diagnosis: at most `MOST` findings, what was left out, and what has no direction."""
    found, undecided = findings_of(facts, lang)
    said = [one.text for one in found[:MOST]]
    if not found:
        said.append(WORDS["none"][lang])
    if len(found) > MOST:
        left = len(found) - MOST
        said.append(WORDS["more" if left > 1 else "one_more"][lang].format(number=left))
    if undecided:
        names = (" ; " if lang == "fr" else "; ").join(uncapitalised(name) for name in undecided)
        said.append(WORDS["undecided"][lang].format(names=names))
    return [style.typography(text, lang) for text in said]


def uncapitalised(text: str) -> str:
    """The name of a thing as it stands inside a sentence: its first letter small, but for an acronym.

    Examples
    --------
    >>> uncapitalised("Part des moins de 25 ans"), uncapitalised("RSA socle"), uncapitalised("C2S")
    ('part des moins de 25 ans', 'RSA socle', 'C2S')
    """
    acronym = any(one.isupper() or one.isdigit() for one in text.partition(" ")[0][1:])
    return text if acronym else text[:1].lower() + text[1:]


def points(value: float, decimals: int, lang: style.Lang, *, sign: bool = True) -> str:
    """A gap in points; in French the plural starts at two."""
    rounded = abs(round(value, decimals))
    plural = rounded >= 2 if lang == "fr" else rounded != 1
    return f"{style.format_number(value, decimals, lang=lang, sign=sign)} {'points' if plural else 'point'}"


def _sentence(fact: pd.Series, lang: style.Lang) -> str:
    known = catalogue().indicator(str(fact["indicator"]))
    symbol = style.unit_symbol(str(fact["unit"]))

    def number(value: float) -> str:
        return style.format_number(value, known.decimals, lang=lang, symbol=symbol)

    def gap(value: float, *, sign: bool = True) -> str:
        if symbol == "%":
            return points(value, known.decimals, lang, sign=sign)
        return style.format_number(value, known.decimals, lang=lang, symbol=symbol, sign=sign)

    label, year = str(fact["label"]), str(fact["year_label"])
    # a label may say its year
    base = {"label": label if year in label else f"{label}, {year}", "against": fact["reference_label"]}
    if pd.notna(fact["below"]):
        side = "all_above" if direction(fact) > 0 else "all_below"
        reference = fact["reference_value"]
        return WORDS[side][lang].format(
            **base,
            range=WORDS["range"][lang].format(least=number(fact["least"]), most=number(fact["most"])),
            count=WORDS["count" if fact["n_used"] == fact["n_total"] else "count_published"][lang].format(
                n=fact["n_used"]
            ),
            reference=number(reference) if pd.notna(reference) else WORDS["each"][lang],
        )
    base["value"] = number(fact["value"])
    base["inside"] = WORDS["inside_one" if fact["n_total"] == 1 else "inside"][lang]
    partial = fact["n_used"] < fact["n_total"]
    base["used"] = WORDS["used"][lang].format(used=fact["n_used"], total=fact["n_total"]) if partial else ""
    if pd.isna(fact["difference"]):
        low, high = fact["difference_lower"], fact["difference_upper"]
        return WORDS["bounds"][lang].format(
            **base,
            low=number(fact["reference_lower"]),
            high=number(fact["reference_upper"]),
            least=gap(low if low > 0 else -high, sign=False),
            side=WORDS["over" if low > 0 else "under"][lang],
        )
    shown = [gap(fact[f"difference_{side}"]) for side in ("lower", "upper")]
    low, high = (one.removesuffix(" points").removesuffix(" point") for one in shown)
    span = WORDS["span"][lang].format(low=low, high=high) if low != high else ""
    ratio = style.format_number(fact["ratio"], 1, lang=lang)
    times = WORDS["times"][lang].format(ratio=ratio) if fact["ratio"] >= 1.2 or fact["ratio"] <= 0.8 else ""
    return WORDS["both"][lang].format(
        **base, reference=number(fact["reference_value"]), difference=gap(fact["difference"]), span=span, times=times
    )


def _doubts(fact: pd.Series, lang: style.Lang) -> list[str]:
    """Why a finding is to be read with caution."""
    reasons = []
    if fact["flag"] == "unreliable":
        reasons.append(WORDS["unreliable"][lang])
    elif fact["n_unreliable"] > 0:
        reasons.append(WORDS["fragile"][lang].format(n=fact["n_unreliable"]))
    if fact["n_used"] < LEAST_COVERED * fact["n_total"]:
        reasons.append(WORDS["partial"][lang].format(missing=fact["n_total"] - fact["n_used"]))
    if fact["interval"] == "secrecy" and pd.isna(fact["difference"]):
        reasons.append(WORDS["secrecy"][lang])
    return reasons
