"""Texts of the neighbourhood sheet, in French and in English."""

from __future__ import annotations

from typing import Any

WORDS: dict[str, dict[str, Any]] = {
    "lead": {
        "fr": "Quartier prioritaire de la politique de la ville {code}, zonage {vintage}, {where}. Indicateurs "
        "qui y ont une valeur : {known} sur {total}. Chaque chiffre porte son année et son statut ; un chiffre sous "
        "secret reste inconnu, il n'est ni estimé ni remplacé.",
        "en": "Priority neighbourhood {code}, {vintage} zoning, {where}. Indicators with a value: "
        "{known} of {total}. Each figure carries its year and its status; a withheld figure stays unknown, "
        "neither estimated nor replaced.",
    },
    "map": {"fr": "Dans sa commune", "en": "In its commune"},
    "map_communes": {"fr": "Dans ses communes", "en": "In its communes"},
    "map_caption": {
        "fr": "{label}, {year}. {communes} : tous les QPV ; {name} est cerné de noir.",
        "en": "{label}, {year}. {communes}: every QPV; {name} is outlined in black.",
    },
    "no_outline": {
        "fr": "Contour non lu pour ce quartier : il n'est pas dessiné.",
        "en": "Outline not read for this quarter: it is not drawn.",
    },
    "summary": {"fr": "En bref", "en": "In short"},
    "people": {"fr": "{number} habitants ({year}).", "en": "{number} inhabitants ({year})."},
    "against": {
        "fr": "{label} ({year}) : {value}, contre {reference} {where}",
        "en": "{label} ({year}): {value}, against {reference} {where}",
    },
    "commune": {"fr": "dans la commune", "en": "in the commune"},
    "communes": {"fr": "dans ses {number} communes réunies", "en": "in its {number} communes together"},
    "held": {
        "commune": {"fr": "Commune : {name}", "en": "Commune: {name}"},
        "communes": {"fr": "Ses {number} communes", "en": "Its {number} communes"},
        "urban_unit": {"fr": "{name}", "en": "{name}"},
        "region": {"fr": "Région", "en": "Region"},
        "country": {"fr": "{name}", "en": "{name}"},
    },
    "worst": {
        "fr": "Dans le quart le plus défavorable des QPV de France : {listed}.",
        "en": "In the worst quarter of the QPV of France: {listed}.",
    },
    "best": {
        "fr": "Dans le quart le plus favorable des QPV de France : {listed}.",
        "en": "In the best quarter of the QPV of France: {listed}.",
    },
    "last": {
        "fr": "Sans valeur pour l'année la plus récente ; dernière valeur lue : {listed}.",
        "en": "Without a value for the newest year; last value read: {listed}.",
    },
    "nothing": {
        "fr": "Aucun taux ni revenu lu n'a de valeur pour ce quartier : la raison de chacun est dans « Ce qui manque, "
        "et pourquoi ».",
        "en": "No rate and no income that was read has a value for this quarter: the reason of each is in “What is "
        "missing, and why”.",
    },
    "figure": {"fr": "Profil", "en": "Profile"},
    "figure_alt": {
        "fr": "{name} sur {number} indicateurs, face à sa commune et parmi les QPV de France ; les valeurs sont "
        "dans les "
        "tableaux qui suivent.",
        "en": "{name} on {number} indicators, against its commune and among the QPV of France; the values are in the "
        "tables below.",
    },
    "figure_caption": {
        "fr": "Chaque ligne a sa propre échelle, par valeurs croissantes de gauche à droite ; aux deux bouts, "
        "le minimum "
        "et le maximum des QPV de France.",
        "en": "Each row has its own scale, values growing from left to right; at both ends, the lowest and the highest "
        "of the QPV of France.",
    },
    "values": {"fr": "Le quartier et ce qui l'entoure", "en": "The quarter and what surrounds it"},
    "values_caption": {
        "fr": "{name} (zonage {vintage}), sa commune, son unité urbaine, sa région et la France métropolitaine",
        "en": "{name} ({vintage} zoning), its commune, its urban unit, its region and metropolitan France",
    },
    "values_notes": {
        "fr": (
            "Les territoires de comparaison contiennent le quartier. Entre parenthèses : bornes (ce que "
            "l'arrondi et le "
            "secret laissent inconnu), puis communes ou IRIS qui ont une valeur, sur l'ensemble. Bornes sans valeur : "
            "les chiffres lus couvrent moins de 90 % des habitants, dont la part est dite. Non lu : les fichiers lus "
            "ne le donnent pas à ce niveau, de même source et de même année. Tiret : un effectif n'est pas comparé à "
            "celui d'un territoire plus grand, une médiane de plusieurs communes n'est pas calculée.",
        ),
        "en": (
            "The territories of comparison contain the quarter. In brackets: bounds (what rounding and secrecy leave "
            "unknown), then communes or IRIS with a value out of all. Bounds without a value: the figures read cover "
            "less than 90% of the people, whose share is given. Not read: the files read do not give it at this level, "
            "of the same source and year. Dash: a count is not compared with that of a larger territory, a median of "
            "several communes is not computed.",
        ),
    },
    "place": {"fr": "Sa place parmi les QPV", "en": "Its place among QPV"},
    "place_caption": {
        "fr": "Quartile du quartier, puis minimum [1er quartile | médiane | 3e quartile] maximum, et QPV ayant "
        "une valeur",
        "en": "Quartile of the quarter, then minimum [1st quartile | median | 3rd quartile] maximum, and QPV "
        "with a value",
    },
    "place_note": {
        "fr": "Premier quartile : le quart des QPV qui ont les valeurs les plus basses, quel que soit le sens de "
        "l'indicateur. Deux QPV du même quartile ne sont pas pour autant égaux. Il n'est pas donné au-dessous "
        "de quatre "
        "QPV.",
        "en": "First quartile: the quarter of the QPV with the lowest values, whatever the direction of the indicator. "
        "Two QPV of one quartile are not thereby equal. It is not given below four QPV.",
    },
    "quartile": {"fr": ("1er", "2e", "3e", "4e"), "en": ("1st", "2nd", "3rd", "4th")},
    "similar": {"fr": "Les quartiers qui lui ressemblent le plus", "en": "The quarters most like it"},
    "similar_caption": {
        "fr": "QPV du même zonage les plus proches par leurs indicateurs sociaux",
        "en": "QPV of the same zoning that are nearest by their social indicators",
    },
    "similar_note": {
        "fr": "Distance : écart quadratique moyen des valeurs centrées sur la médiane et réduites par l'écart absolu "
        "médian, sur les indicateurs que les deux quartiers ont : {labels}. {candidates} QPV comparés, {left} "
        "laissés de "
        "côté faute d'indicateurs communs. La ressemblance est sociale et ne dit rien de la santé.",
        "en": "Distance: root mean square of differences, standardised by median and median absolute deviation, on the "
        "indicators that both have: {labels}. {candidates} QPV compared, {left} left out for want of common "
        "indicators. "
        "Resemblance is social and says nothing of health.",
    },
    "not_similar": {
        "fr": "Non cherchés : indicateurs lus pour ce quartier, {known} sur les {total} qui servent à comparer ; "
        "il en faut trois.",
        "en": "Not searched: indicators read for this quarter, {known} of the {total} that serve to compare; "
        "three are needed.",
    },
    "missing": {"fr": "Ce qui manque, et pourquoi", "en": "What is missing, and why"},
    "missing_caption": {"fr": "Indicateurs sans valeur pour ce quartier", "en": "Indicators without a value here"},
    "missing_note": {
        "fr": "Par QPV, {absent}.",
        "en": "By QPV, {absent}.",
    },
    "none_missing": {
        "fr": "Tous les indicateurs lus par QPV ont une valeur pour ce quartier. {absent}",
        "en": "Every indicator read by QPV has a value here. {absent}",
    },
    "bounds_only": {"fr": "{bounds} ({share} % des habitants)", "en": "{bounds} ({share}% of the people)"},
    "part_only": {"fr": "lu pour {share} % des habitants", "en": "read for {share}% of the people"},
    "older": {"fr": "{value} en {year}", "en": "{value} in {year}"},
}
HEADER_VALUES = {
    "fr": ("Indicateur", "Année", "Quartier", "{commune}", "{urban_unit}", "{region}",
           "France métropolitaine", "Statut"),
    "en": ("Indicator", "Year", "Quarter", "{commune}", "{urban_unit}", "{region}",
           "Metropolitan France", "Status"),
}  # fmt: skip
HEADER_PLACE = {
    "fr": ("Indicateur", "Quartier", "Quartile, région", "QPV de la région", "QPV", "Quartile, France",
           "QPV de France", "QPV"),
    "en": ("Indicator", "Quarter", "Quartile, region", "QPV of the region", "QPV", "Quartile, France",
           "QPV of France", "QPV"),
}  # fmt: skip
HEADER_SIMILAR = {
    "fr": ("Quartier", "Commune", "Distance", "Indicateurs", "Se ressemblent par", "Diffèrent par"),
    "en": ("Quarter", "Commune", "Distance", "Indicators", "Alike in", "Different in"),
}
HEADER_MISSING = {
    "fr": ("Indicateur", "Année", "Raison", "Dernière valeur lue", "Autres années lues"),
    "en": ("Indicator", "Year", "Reason", "Last value read", "Other years read"),
}
