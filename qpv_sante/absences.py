"""Why a figure is absent, in three words that are never taken for one another.

*Withheld*: the producer has it and keeps it for secrecy. *Not published*: the producer says that it does not publish
it, or its field leaves the place out. *Not read*: it may exist, and no file that the catalogue describes holds it. The
second is a claim about the world: only a producer's marker, the field of a source or a record of the catalogue that
names who says so can make it.
"""

from __future__ import annotations

from enum import StrEnum

from qpv_sante.catalogue import Unpublished, catalogue
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS, Flag
from qpv_sante.style import Lang


class Absence(StrEnum):
    """The three kinds of absence."""

    WITHHELD = "withheld"
    NOT_PUBLISHED = "not_published"
    NOT_READ = "not_read"


WORDS: dict[Absence, dict[Lang, str]] = {
    Absence.WITHHELD: {"fr": FLAG_LABELS["suppressed"]["fr"], "en": FLAG_LABELS["suppressed"]["en"]},
    Absence.NOT_PUBLISHED: {"fr": "non publié", "en": "not published"},
    Absence.NOT_READ: {"fr": "non lu", "en": "not read"},
}
_OF_FLAG = {
    Flag.SUPPRESSED: Absence.WITHHELD,
    Flag.UNAVAILABLE: Absence.NOT_PUBLISHED,
    Flag.NOT_APPLICABLE: Absence.NOT_PUBLISHED,
}
_REASONS: dict[str, dict[Lang, str]] = {
    "suppressed": {
        "fr": "retiré par le producteur, trop peu de personnes",
        "en": "withheld by the producer, too few persons",
    },
    "unavailable": {
        "fr": "le fichier du producteur ne le donne pas pour ce quartier",
        "en": "the producer's file does not give it for this quarter",
    },
    "not_applicable": {
        "fr": "sans objet pour ce quartier, dit le fichier",
        "en": "does not apply to this quarter, says the file",
    },
    "field": {"fr": "hors du champ de la source ({field})", "en": "outside the field of the source ({field})"},
}


def of_flag(flag: str) -> Absence:
    """What the flag of a missing figure of a file that was read says.

    Examples
    --------
    >>> of_flag("suppressed").value, of_flag("unavailable").value
    ('withheld', 'not_published')
    """
    return _OF_FLAG[Flag(flag)]


def status(flag: str, lang: Lang) -> str:
    """Words for a flag: one of the three absences where there is no value.

    Examples
    --------
    >>> status("unavailable", "fr"), status("observed", "fr")
    ('non publié', 'observé')
    """
    return WORDS[of_flag(flag)][lang] if flag in MISSING_FLAGS else FLAG_LABELS[flag][lang]


def reason(flag: str, lang: Lang, *, source: str = "", listed: bool = True) -> str:
    """Why a figure of a file that was read is missing, in words.

    Parameters
    ----------
    flag : str
        Of a missing value.
    lang : {"fr", "en"}
    source : str
        Its source or edition.
    listed : bool
        Whether the file has a row for the place: where it has none, the place lies outside the field that the
        catalogue gives to the source, if it gives one.

    Examples
    --------
    >>> reason("unavailable", "en", source="insee_filosofi_qpv2024@2021", listed=False)
    'outside the field of the source (metropolitan France)'
    """
    field = catalogue().source(source).field if source and not listed else {}
    return _REASONS["field" if field else flag][lang].format(field=field.get(lang, ""))


def claim(indicator: str, geo_level: str) -> Unpublished | None:
    """The record of the catalogue that says who says that an indicator is not published at a level, if there is one."""
    records = catalogue().indicator(indicator).unpublished
    return next((one for one in records if geo_level in one.geo_levels), None)


def of_level(indicator: str, geo_level: str) -> Absence:
    """What the absence of an indicator at a level is: not published if a record says so, else not read.

    Examples
    --------
    >>> of_level("depression_prevalence", "qpv").value, of_level("c2s_share", "commune").value
    ('not_published', 'not_read')
    """
    return Absence.NOT_PUBLISHED if claim(indicator, geo_level) else Absence.NOT_READ


def word_of_level(indicator: str, geo_level: str, lang: Lang) -> str:
    """The word for the absence of an indicator at a level, with who says so where it is a claim.

    Examples
    --------
    >>> word_of_level("c2s_share", "commune", "fr")
    'non lu'
    >>> word_of_level("depression_prevalence", "qpv", "en")
    'not published (says CREAI-ORS Occitanie of its profiles of QPV)'
    """
    said = claim(indicator, geo_level)
    word = WORDS[of_level(indicator, geo_level)][lang]
    return f"{word} ({said.source[lang]})" if said else word
