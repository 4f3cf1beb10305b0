"""Notes of the summary measures: what a measure compares, what it lacks, why it has no interval."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qpv_sante.inequality.measures import Design
from qpv_sante.style import Lang, typography

TEXTS: dict[str, dict[str, str]] = {
    "unknown": {
        "fr": "{unknown} groupes sur {total} n'ont pas d'estimation ou pas de population",
        "en": "{unknown} of {total} groups have no estimate or no population",
    },
    "needs_rank": {
        "fr": "demande `rank` (1 = le plus défavorisé)",
        "en": "needs `rank` (1 = most disadvantaged)",
    },
    "one_rank": {"fr": "tous les groupes ont le même rang", "en": "all groups share one rank"},
    "needs_reference": {"fr": "demande `reference`", "en": "needs `reference`"},
    "outside": {
        "fr": "estimations hors de `bounds` ({low} à {high})",
        "en": "estimates outside `bounds` ({low} to {high})",
    },
    "negative": {
        "fr": "non défini avec une estimation négative",
        "en": "not defined with a negative estimate",
    },
    "zero_mean": {"fr": "non défini : la moyenne est nulle", "en": "not defined: the mean is zero"},
    "zero": {
        "fr": "non défini avec un zéro : le logarithme de zéro est infini",
        "en": "not defined with a zero: the logarithm of zero is infinite",
    },
    "undefined_r": {"fr": "non défini : le dénominateur est nul", "en": "not defined: the denominator is zero"},
    "undefined_rii": {
        "fr": "non défini : la droite prédit zéro ou moins à un bout du classement",
        "en": "not defined: the line predicts zero or less at an end of the ranking",
    },
    "undefined_rci_wagstaff": {
        "fr": "non défini : la moyenne est à une borne",
        "en": "not defined: the mean is at a bound",
    },
    "undefined": {
        "fr": "non défini : la régression logistique n'a pas de solution finie",
        "en": "not defined: the logistic regression has no finite solution",
    },
    "minus": {"fr": "{first} moins {second}", "en": "{first} minus {second}"},
    "over": {"fr": "{first} sur {second}", "en": "{first} over {second}"},
    "advantaged": {"fr": "le plus favorisé", "en": "most advantaged"},
    "disadvantaged": {"fr": "le plus défavorisé", "en": "most disadvantaged"},
    "reference": {"fr": "référence : {group}", "en": "reference: {group}"},
    "best": {"fr": "meilleur : {group}", "en": "best: {group}"},
    "no_errors": {
        "fr": "pas d'erreur type donnée : pas d'intervalle (une source qui compte tout le monde n'a pas d'erreur de "
        "sondage)",
        "en": "no standard errors given: no interval (a source that counts everyone has no sampling error)",
    },
    "some_errors": {
        "fr": "{unknown} groupes sur {total} n'ont pas d'erreur type : pas d'intervalle",
        "en": "{unknown} of {total} groups have no standard error: no interval",
    },
    "zero_ratio": {
        "fr": "un rapport nul n'a pas d'intervalle sur l'échelle logarithmique",
        "en": "a ratio of zero has no interval on the log scale",
    },
    "not_simulated": {
        "fr": "non défini pour certaines estimations simulées : pas d'intervalle",
        "en": "not defined for some simulated estimates: no interval",
    },
    "bias_adds": {
        "fr": "l'erreur des estimations ajoute environ {amount} ; l'intervalle en tient compte",
        "en": "error of the estimates adds about {amount}; the interval allows for it",
    },
    "zero_errors": {
        "fr": "toutes les erreurs types sont nulles\u00a0: pas d'intervalle",
        "en": "all standard errors are zero: no interval",
    },
}


def say(name: str, lang: Lang, **parts: object) -> str:
    """A note in words; numbers are given with three significant digits.

    Examples
    --------
    >>> say("bias_adds", "en", amount=1.2345), say("minus", "fr", first="Q1", second="Q5")
    ('error of the estimates adds about 1.23; the interval allows for it', 'Q1 moins Q5')
    """
    said = {key: _number(part, lang) if isinstance(part, float) else part for key, part in parts.items()}
    return typography(TEXTS[name][lang].format(**said), lang)


def join(first: str, second: str, lang: Lang) -> str:
    """Two notes in one; either may be empty.

    Examples
    --------
    >>> join("one", "two", "en"), join("", "two", "fr")
    ('one; two', 'two')
    """
    return typography(" ; " if lang == "fr" else "; ", lang).join(part for part in (first, second) if part)


def undefined(code: str, lang: Lang) -> str:
    """Why a measure has no value."""
    return say(f"undefined_{code}" if code in ("r", "rii", "rci_wagstaff") else "undefined", lang)


def pair_note(code: str, y: np.ndarray, labels: pd.Index, design: Design, lang: Lang) -> str:
    """Which groups a measure compares."""
    sign = "over" if code == "r" else "minus"
    best = int(y.argmax() if design.favourable else y.argmin())
    if code in ("d", "r") and design.starts is not None:
        ends = [say("advantaged", lang), say("disadvantaged", lang)]
        first, second = ends if design.favourable else ends[::-1]
        return say(sign, lang, first=first, second=second)
    if code in ("d", "r"):
        sides = [int(y.argmax()), int(y.argmin())]
        if design.reference is not None:
            sides[0 if design.favourable else 1] = design.reference
        return say(sign, lang, first=str(labels[sides[0]]), second=str(labels[sides[1]]))
    if code in ("par", "paf"):
        if design.reference is None and design.starts is not None:
            return say("reference", lang, group=say("advantaged", lang))
        return say("reference", lang, group=str(labels[best if design.reference is None else design.reference]))
    return say("best", lang, group=str(labels[best])) if code in ("mdbu", "mdbw") else ""


def bias_note(excess: float, lang: Lang) -> str:
    """What the error of the estimates adds to a measure of spread."""
    return say("bias_adds", lang, amount=excess)


def _number(number: float, lang: Lang) -> str:
    text = format(number, ".3g")
    return text.replace(".", ",").replace("-", "\u2212") if lang == "fr" else text
