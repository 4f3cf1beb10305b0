"""Texts of the reports, in French and in English: sentences, headings of tables."""

from __future__ import annotations

from typing import Any

WORDS: dict[str, dict[str, Any]] = {
    "contents": {
        "fr": {"name": "Sommaire", "skip": "Aller au contenu"},
        "en": {"name": "Contents", "skip": "Go to content"},
    },
    "absent_section": {
        "fr": "Le rapport de ce territoire n'a pas de partie « {title} » : rien à montrer dans les sources lues.",
        "en": "The report of this territory has no part {title!r}: nothing to show in the sources read.",
    },
    "text": {
        "fr": {
            "figures": "figure",
            "row": "tableau d'une ligne",
            "rows": "tableau de {number} lignes",
            "source": "{number} source.",
            "sources": "{number} sources.",
            "whole": '.save("nom.html") ou .save("nom.pdf") pour la page entière.',
        },
        "en": {
            "figures": "figure",
            "row": "table of one row",
            "rows": "table of {number} rows",
            "source": "{number} source.",
            "sources": "{number} sources.",
            "whole": '.save("name.html") or .save("name.pdf") for the whole page.',
        },
    },
    "title": {"fr": "Quartiers prioritaires : {place}", "en": "Priority neighbourhoods: {place}"},
    "lead": {
        "fr": "{number} quartiers prioritaires de la politique de la ville (zonage {vintage}). Chaque chiffre est "
        "donné avec son année, sa référence, le nombre de quartiers qui le portent et ce que le secret laisse inconnu.",
        "en": "{number} priority neighbourhoods (zoning {vintage}). Each figure comes with its year, its reference, "
        "the number of neighbourhoods that carry it and what secrecy leaves unknown.",
    },
    "lead_one": {
        "fr": "Un quartier prioritaire de la politique de la ville (zonage {vintage}). Chaque chiffre est donné avec "
        "son "
        "année, sa référence et ce que le secret laisse inconnu.",
        "en": "One priority neighbourhood (zoning {vintage}). Each figure comes with its year, its reference and what "
        "secrecy leaves unknown.",
    },
    "whole": {
        "fr": "{place} : {value} {inside}, contre {reference} ({label}), soit {difference} ({used} QPV).",
        "en": "{place}: {value} {inside}, against {reference} ({label}), that is {difference} ({used} QPV).",
    },
    "largest": {
        "fr": "L'écart va de {low} ({low_place}) à {high} ({high_place}).",
        "en": "The gap goes from {low} ({low_place}) to {high} ({high_place}).",
    },
    "missing": {
        "fr": "Sans valeur ou sans référence : {places}.",
        "en": "Without a value or a reference: {places}.",
    },
    "imported": {"fr": "Chiffres importés", "en": "Imported figures"},
    "imported_note": {
        "fr": "Ces chiffres ne viennent pas des sources du paquet : l'utilisateur les a importés.",
        "en": "These figures do not come from the package's sources: the user imported them.",
    },
    "restricted": {"fr": "Diffusion restreinte : {notice}", "en": "Restricted: {notice}"},
    "cut": {
        "fr": "Les {shown} premières lignes sur {total}.",
        "en": "The first {shown} rows of {total}.",
    },
    "cut_on_paper": {
        "fr": "Faute de place, {shown} lignes sur {total} : la page HTML de cette fiche les a toutes.",
        "en": "For want of room, {shown} rows of {total}: the HTML page of this sheet has them all.",
    },
    "table": {"fr": "{label}, {year}, QPV {vintage}", "en": "{label}, {year}, QPV {vintage}"},
    "map": {"fr": "Carte", "en": "Map"},
    "no_map": {
        "fr": "Contours non lus pour les QPV de ce territoire : pas de carte.",
        "en": "Outlines not read for the QPV of this territory: no map.",
    },
    "sources": {"fr": "Sources et licences", "en": "Sources and licences"},
    "rank": {"fr": "QPV par ordre de valeur : {label}, {year}", "en": "QPV in order of value: {label}, {year}"},
    "rank_whole": {
        "fr": "Ensemble des QPV classés : {value} ; {used} QPV classés sur {total}.",
        "en": "All ranked QPV together: {value}; {used} QPV ranked out of {total}.",
    },
    "rank_bounds": {
        "fr": "Bornes à {level} % : ce que le hasard donnerait à un quartier de cette taille. Rangs possibles : "
        "ceux de "
        "{level} % des classements simulés.",
        "en": "{level}% bounds: what chance would give to a neighbourhood of that size. Possible ranks: those of "
        "{level}% of simulated rankings.",
    },
    "inequality": {
        "fr": "Inégalités entre QPV : {label}, {year}",
        "en": "Inequality between QPV: {label}, {year}",
    },
    "groups": {
        "fr": "QPV en cinq groupes de même population, du plus pauvre au moins pauvre",
        "en": "QPV in five groups of equal population, from the poorest to the least poor",
    },
    "not_done": {"fr": "Non calculé : {why}", "en": "Not computed: {why}"},
    "too_few": {
        "fr": "trop peu de QPV ont une valeur dans ce territoire",
        "en": "too few QPV have a value in this territory",
    },
    "around": {"fr": "Santé : ce qui est publié autour", "en": "Health: what is published around"},
    "around_note": {
        "fr": "Ces chiffres décrivent des départements ou des régions entiers, jamais un quartier : aucune valeur "
        "régionale n'est reportée ici sur un quartier. L'écart entre le territoire et la France n'est pas celui "
        "des QPV.",
        "en": "These figures describe whole departments or regions, never a quarter: no regional value is painted on a "
        "quarter here. The gap between the territory and France is not that of QPV.",
    },
    "around_caption": {
        "fr": "Départements et régions, face à la France",
        "en": "Departments and regions, against France",
    },
    "around_measured": {"fr": "Ce qui est mesuré : {labels}.", "en": "What is measured: {labels}."},
    "surveys_caption": {
        "fr": "Parts publiées, dans les quartiers prioritaires et hors d'eux",
        "en": "Published shares, inside priority neighbourhoods and outside them",
    },
    "surveys": {
        "fr": "Santé : dans et hors des quartiers, enquêtes nationales",
        "en": "Health: inside and outside neighbourhoods, national surveys",
    },
    "surveys_note": {
        "fr": "Résultats nationaux de publications, sans intervalle : ils disent ce qui a été trouvé dans "
        "l'ensemble des "
        "quartiers, non dans celui-ci.",
        "en": "National results of publications, without intervals: they say what was found in neighbourhoods as a "
        "whole, not in this one.",
    },
    "care": {"fr": "Offre de soins", "en": "Care supply"},
    "care_note": {
        "fr": "Structures situées dans le quartier ou à moins de cette distance de son contour, et équipements de la "
        "commune : ce qui est là n'est pas ce à quoi les habitants ont accès (capacité, horaires, tarifs et "
        "patientèle ne "
        "sont pas connus). Bornes du nombre : doute sur la localisation.",
        "en": "Structures in the quarter or within that distance of its outline, and facilities of the commune: "
        "what is "
        "there is not what residents can use (capacity, hours, fees and patients are not known). Bounds of the number: "
        "doubt on locations.",
    },
    "care_caption": {
        "fr": "Le quartier et ses alentours, puis {names}",
        "en": "The quarter and its surroundings, then {names}",
    },
    "care_commune": {"fr": "Commune", "en": "Commune"},
    "care_communes": {"fr": "Ses {number} communes réunies", "en": "Its {number} communes together"},
    "care_inside": {"fr": "dans le quartier", "en": "inside"},
    "care_within": {"fr": "à moins de {metres}\u202fm", "en": "within {metres}\u202fm"},
}
HEADER = {
    "fr": ("Territoire", "QPV", "Bornes", "Référence", "Bornes", "Écart", "Rapport", "QPV utilisés", "Statut"),
    "en": ("Territory", "QPV", "Bounds", "Reference", "Bounds", "Gap", "Ratio", "QPV used", "Status"),
}
HEADER_IMPORTED = {
    "fr": ("Indicateur", "QPV", "Valeur", "Bornes", "Statut", "Année", "Source"),
    "en": ("Indicator", "QPV", "Value", "Bounds", "Status", "Year", "Source"),
}
HEADER_RANK = {
    "fr": ("Rang", "QPV", "Commune", "Valeur", "Bornes", "Rangs possibles", "Effectif", "Entonnoir"),
    "en": ("Rank", "QPV", "Commune", "Value", "Bounds", "Possible ranks", "Persons", "Funnel"),
}
HEADER_INEQUALITY = {"fr": ("Mesure", "Valeur", "Lecture"), "en": ("Measure", "Value", "Reading")}
MEASURES = {
    "d": {
        "fr": ("Écart entre groupes extrêmes", "points entre les groupes le plus et le moins pauvres"),
        "en": ("Gap between extreme groups", "points between the poorest and the least poor groups"),
    },
    "r": {
        "fr": ("Rapport entre groupes extrêmes", "1 : égalité"),
        "en": ("Ratio between extreme groups", "1: equality"),
    },
    "sii": {
        "fr": ("Indice de pente (SII)", "points, du plus pauvre au moins pauvre ; 0 : égalité"),
        "en": ("Slope index (SII)", "points, from the poorest to the least poor; 0: equality"),
    },
    "rii": {"fr": ("Indice relatif (RII)", "1 : égalité"), "en": ("Relative index (RII)", "1: equality")},
    "rci": {
        "fr": ("Indice de concentration relatif", "0 : égalité ; négatif : concentré chez les plus pauvres"),
        "en": ("Relative concentration index", "0: equality; negative: concentrated among the poorest"),
    },
}
HEADER_HEALTH = {
    "fr": (
        "Indicateur",
        "Année",
        "Territoire",
        "Valeur",
        "Intervalle",
        "France",
        "Intervalle",
        "Écart",
        "Statut",
        "Note",
    ),
    "en": ("Indicator", "Year", "Territory", "Value", "Interval", "France", "Interval", "Gap", "Status", "Note"),
}
HEADER_SURVEYS = {
    "fr": (
        "Question",
        "Année",
        "Dans les quartiers",
        "Hors quartiers",
        "Écart",
        "Hors quartiers : définition",
        "Publication",
    ),
    "en": ("Question", "Year", "Inside", "Outside", "Gap", "Outside: definition", "Publication"),
}
HEADER_CARE_ONE = {  # of one quarter: what is counted, year, one column a distance, then these
    "fr": ("Ce qui est compté", "Année", "{communes}", "Pour 10\u202f000 habitants", "Statut", "Note"),
    "en": ("What is counted", "Year", "{communes}", "Per 10,000 inhabitants", "Status", "Note"),
}
