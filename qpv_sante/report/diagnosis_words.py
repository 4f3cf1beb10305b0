"""Texts of the parts of a territory's diagnosis, in French and in English."""

from __future__ import annotations

from typing import Any

WORDS: dict[str, dict[str, Any]] = {
    "place": {"fr": "Ce que recouvre ce territoire", "en": "What this territory covers"},
    "place_table": {
        "fr": "Quartiers nommés et QPV, parts de surface",
        "en": "Quarters named and QPV, shares of area",
    },
    "place_method": {
        "fr": "{method} {precision} Calculé le {computed}.",
        "en": "{method} {precision} Computed on {computed}.",
    },
    "essentials": {"fr": "L'essentiel", "en": "Main findings"},
    "essentials_note": {
        "fr": "Phrases écrites par règles à partir des tableaux : les plus grands écarts d'abord (rapport que les "
        "bornes "
        "garantissent) ; rien où les bornes laissent le sens de l'écart inconnu, ni sous un point. Elles comparent "
        "et n'expliquent rien. La santé et l'offre de soins, connues à un autre niveau que le QPV, ont leurs "
        "propres parties.",
        "en": "Sentences written by rules from the tables: the largest gaps first (by the ratio that bounds "
        "guarantee); "
        "none where bounds leave the sense of the gap unknown, or below one point. They compare and explain "
        "nothing. Health and care supply, known at another level than the QPV, have parts of their own.",
    },
    "people": {"fr": "Qui y habite", "en": "Who lives there"},
    "precarity": {
        "fr": "Couverture maladie et emploi, lus par QPV seulement",
        "en": "Health cover and employment, read by QPV only",
    },
    "peers_caption": {
        "fr": "QPV du territoire, et autres QPV ; zonage {vintage}",
        "en": "QPV of the territory, and other QPV; zoning {vintage}",
    },
    "peers_note": {
        "fr": "Autour des QPV, ces indicateurs sont non lus de même source et de même année : ils sont "
        "mis en regard d'autres QPV. Bornes : ce que l'arrondi et le secret laissent inconnu ; l'erreur "
        "d'échantillonnage du recensement n'est pas dans le fichier lu.",
        "en": "Around QPV, these indicators are not read of the same source and year: they stand beside other QPV. "
        "Bounds: what rounding and secrecy leave unknown; the sampling error of the census is not in the file read.",
    },
    "edition": {
        "fr": "« Édition » : année du fichier de l'Insee ; celle de la mesure n'y est pas écrite.",
        "en": "“Edition”: year of Insee's file; that of the measure is not written in it.",
    },
    "other_zoning": {
        "fr": "Aucun fichier lu ne les donne pour les QPV de {vintage} : {names}. Ils sont dans le rapport en zonage "
        "{other}.",
        "en": "No file read gives them for the QPV of {vintage}: {names}. They are in the report of the zoning of "
        "{other}.",
    },
    "around": {
        "fr": "Précarité : les QPV et ce qui les entoure",
        "en": "Precarity: QPV and what surrounds them",
    },
    "around_caption": {
        "fr": "Une ligne par indicateur et référence ; zonage {vintage}",
        "en": "One row an indicator and reference; zoning {vintage}",
    },
    "around_note": {
        "fr": "Références, dans l'ordre : la ville puis son reste pour un quartier ou une ville ; le dehors des QPV "
        "puis "
        "leurs communes pour un territoire plus large ; la région et le pays où assez de communes sont publiées. "
        "Une médiane ou une part de masse ne s'additionne pas : on donne le quartier le plus bas et le plus haut.",
        "en": "References, in order: the city then its rest for a quarter or a city; the outside of QPV then their "
        "communes "
        "for a wider territory; the region and the country where enough communes are published. Medians and shares of "
        "a mass are not added up: the lowest and the highest quarter are given.",
    },
    "range": {"fr": "de {least} à {most}", "en": "{least} to {most}"},
    "health_finding": {
        "fr": "{level} {place}, et non ses QPV : {label}, {year} : {value} contre {reference} en France, soit "
        "{difference} (de {low} à {high}).",
        "en": "{level} {place}, and not its QPV: {label}, {year}: {value} against {reference} in France, that is "
        "{difference} ({low} to {high}).",
    },
    "health_none": {
        "fr": "Aucun écart avec la France n'a de direction établie : l'intervalle contient zéro, ou n'est pas dans "
        "le fichier lu.",
        "en": "No gap with France has an established direction: the interval holds zero, or is not in the file read.",
    },
    "supply": {"fr": "Offre de soins des communes", "en": "Care supply of the communes"},
    "supply_caption": {
        "fr": "Pour 10 000 habitants, communes du territoire et leurs alentours",
        "en": "Per 10,000 inhabitants, communes of the territory and their surroundings",
    },
    "supply_finding": {
        "fr": "{place} : {density} {label} pour 10 000 habitants en {year}, contre {reference} dans {against}, soit "
        "{ratio} fois cette densité (de {low} à {high}).",
        "en": "{place}: {density} {label} per 10,000 inhabitants in {year}, against {reference} in {against}, that is "
        "{ratio} times that density ({low} to {high}).",
    },
    "supply_nothing": {
        "fr": "{place}, {label} : 0 en {year}, contre {reference} pour 10 000 habitants dans {against} (rapport d'au "
        "plus {high}).",
        "en": "{place}, {label}: 0 in {year}, against {reference} per 10,000 inhabitants in {against} (a ratio of at "
        "most {high}).",
    },
    "supply_doubt": {"fr": " À interpréter avec prudence.", "en": " To be read with caution."},
    "supply_more": {
        "fr": "Les autres écarts établis sont dans le tableau.",
        "en": "The other established gaps are in the table.",
    },
    "supply_undecided": {
        "fr": "Sans direction établie : {names}.",
        "en": "Without an established direction: {names}.",
    },
    "supply_note": {
        "fr": "Niveau : la commune, et non le quartier. Reste : les autres communes. Base permanente des équipements "
        "de {year}, population de {people} ; lieu d'exercice, et non patientèle. La base est exhaustive : l'intervalle "
        "(rapport de deux taux de Poisson, à 95 %) dit ce que le même processus aurait pu donner par hasard.",
        "en": "Level: the commune, not the quarter. Rest: the other communes. Base of facilities of {year}, population "
        "of {people}; place of practice, not patients. The base is exhaustive: the interval (ratio of two Poisson "
        "rates, 95%) says what the same process could have given by chance.",
    },
    "hosts": {"fr": "Communes qui accueillent les QPV", "en": "Communes that host the QPV"},
    "together": {"fr": "Ces {number} communes réunies", "en": "These {number} communes together"},
    "beside": {
        "department": {"fr": "Reste du département", "en": "Rest of the department"},
        "departments": {"fr": "Reste des départements", "en": "Rest of the departments"},
        "region": {"fr": "Reste de la région", "en": "Rest of the region"},
        "country": {"fr": "Reste de la France", "en": "Rest of France"},
    },
    "rest_department": {"fr": "les autres communes du département", "en": "the other communes of the department"},
    "rest_departments": {"fr": "les autres communes des départements", "en": "the other communes of the departments"},
    "rest_region": {"fr": "les autres communes de la région", "en": "the other communes of the region"},
    "rest_country": {"fr": "les autres communes de France", "en": "the other communes of France"},
    "near": {
        "fr": "Maisons et centres de santé dans les QPV et autour",
        "en": "Health houses and centres in and around QPV",
    },
    "near_summary": {
        "fr": "QPV qui ont une maison ou un centre de santé dans leur contour : {inside} ; à 500 m au plus : {near}.",
        "en": "QPV with a health house or centre inside their outline: {inside}; at most 500 m away: {near}.",
    },
    "near_count": {"fr": "{number} sur {total}", "en": "{number} of {total}"},
    "near_doubt": {
        "fr": " (de {low} à {high} selon la position des structures)",
        "en": " ({low} to {high} depending on where the structures are)",
    },
    "near_caption": {
        "fr": "Maisons ou centres de santé, {year}, pour 10 000 habitants du quartier en {people}",
        "en": "Health houses or centres, {year}, per 10,000 inhabitants of the quarter in {people}",
    },
    "near_note": {
        "fr": "Structures de FINESS situées dans le quartier, ou à cette distance au plus de son contour. Ce qui est "
        "là n'est pas ce à quoi les habitants ont accès : capacité, horaires, tarifs et patientèle ne sont pas connus. "
        "Bornes du nombre : position à 100 m près, par convention, l'édition lue ne donnant pas sa précision.",
        "en": "Structures of FINESS in the quarter, or at most at that distance from its outline. What is there is not "
        "what residents can use: capacity, hours, fees and patients are not known. Bounds of the number: locations "
        "within 100 m, by convention, as the edition read does not give their precision.",
    },
    "near_absent": {
        "fr": "La source des structures ne couvre que l'Occitanie : rien n'est dit des quartiers d'ici. Ce n'est pas "
        "une absence de structures.",
        "en": "The source of structures covers Occitanie only: nothing is said of the quarters here. This is not an "
        "absence "
        "of structures.",
    },
    "practices": {"fr": "Pratiques de santé communautaire nommées", "en": "Community health practices named"},
    "practices_caption": {
        "fr": "Pratiques des documents du projet, dans les QPV du territoire ou près d'eux",
        "en": "Practices of the project's documents, in the QPV of the territory or near them",
    },
    "practices_note": {
        "fr": "Relation la plus forte que le lieu connu permette ; « même commune » : rien de plus fin n'est connu, "
        "ou le QPV est plus loin ; « même quartier de la ville » : ce quartier recoupe le QPV en partie. Entre "
        "parenthèses, la précision du lieu ; l'édition lue de FINESS ne la donnant pas, 100 m de doute sont admis par "
        "convention. Une liste tirée de documents, et non un recensement des pratiques.",
        "en": "The strongest relation that the known place allows; “same commune”: nothing finer is known, or the QPV "
        "is farther; “same quarter of the city”: that quarter overlaps the QPV in part. In brackets, the precision of "
        "the place; as FINESS, as read, does not give its own, 100 m of doubt are allowed by convention. A list from "
        "documents, not a census of practices.",
    },
    "practices_none": {
        "fr": "Les documents du projet ne nomment aucune pratique dans ces communes.",
        "en": "The project's documents name no practice in these communes.",
    },
    "wilson": {"fr": "de {low} à {high}, intervalle de Wilson", "en": "{low} to {high}, Wilson's interval"},
    "no_interval": {
        "fr": "effectif absent du document : sans intervalle",
        "en": "no sample size in the document, so no interval",
    },
    "relation": {
        "inside": {"fr": "dans le QPV", "en": "inside the QPV"},
        "nearby": {"fr": "à proximité", "en": "nearby"},
        "same_quarter": {"fr": "même quartier de la ville", "en": "same quarter of the city"},
        "same_commune": {"fr": "même commune", "en": "same commune"},
    },
    "precision": {
        "address": {"fr": "adresse", "en": "address"},
        "structure": {"fr": "position FINESS", "en": "FINESS location"},
        "quarter": {"fr": "QPV", "en": "QPV"},
        "city_quarter": {"fr": "quartier de la ville", "en": "quarter of the city"},
        "commune": {"fr": "commune", "en": "commune"},
        "department": {"fr": "département", "en": "department"},
    },
    "about": {"fr": "environ ", "en": "about "},
    "number": {"fr": "{n} QPV", "en": "{n} QPV"},
    "slide": {
        "fr": "La diapositive du webinaire, refaite en données ouvertes",
        "en": "The webinar's slide, rebuilt from open data",
    },
    "slide_note": {
        "fr": "Énoncés tels que repris du document ; chiffres calculés par le paquet. « Sans chiffre à vérifier » : ce "
        "que nous avons du document n'en donne pas. « Concorde » : même définition, et le chiffre publié est dans "
        "les bornes.",
        "en": "Statements as taken from the document; figures computed by the package. “No figure to check”: what we "
        "have of the document gives none. “Agrees”: the same definition, and the published figure lies within the "
        "bounds.",
    },
    "slide_because": {"fr": "{verdict}. {because}", "en": "{verdict}. {because}"},
    "slide_placed": {
        "fr": " ; de {between} selon la position des structures",
        "en": "; {between} depending on where the structures are",
    },
    "between": {"fr": "entre {low} et {high}", "en": "between {low} and {high}"},
    "limits": {
        "fr": "Ce que les sources lues ne disent pas à ce niveau",
        "en": "What the sources read do not say at this level",
    },
    "limits_caption": {
        "fr": "Questions des équipes, et niveau le plus fin où elles ont une réponse",
        "en": "Questions of teams, and the finest level at which they are answered",
    },
    "limits_national": {
        "fr": "enquêtes nationales, dans et hors quartiers",
        "en": "national surveys, inside and outside neighbourhoods",
    },
    "limits_none": {"fr": "aucun, dans les sources lues", "en": "none, in the sources read"},
    "limits_reference": {
        "fr": "{label} : la référence « {reference} » n'est lue que pour une part des habitants, il en faut {least} %.",
        "en": "{label}: the reference “{reference}” is read for a part of the people only, {least}% are needed.",
    },
}
HEADER_PLACE = {
    "fr": ("Quartier", "QPV", "Part du quartier dans le QPV", "Part du QPV dans le quartier"),
    "en": ("Quarter", "QPV", "Share of the quarter in the QPV", "Share of the QPV in the quarter"),
}
HEADER_PEERS = {
    "fr": ("Indicateur", "QPV du territoire (bornes)", "QPV utilisés", "En regard", "Valeur (bornes)", "Écart", "Année",
           "Statut"),
    "en": ("Indicator", "QPV of the territory (bounds)", "QPV used", "Beside", "Value (bounds)", "Gap", "Year",
           "Status"),
}  # fmt: skip
HEADER_AROUND = {
    "fr": ("Indicateur, année", "QPV (bornes)", "QPV utilisés", "Référence", "Valeur (bornes)", "Écart (bornes)",
           "Statut"),
    "en": ("Indicator, year", "QPV (bounds)", "QPV used", "Reference", "Value (bounds)", "Gap (bounds)", "Status"),
}  # fmt: skip
# then, for each reference, its density and the ratio; last the status
HEADER_SUPPLY = {
    "fr": ("Territoire", "Ce qui est compté", "Nombre", "Pour 10\u202f000 habitants (bornes)"),
    "en": ("Territory", "What is counted", "Number", "Per 10,000 inhabitants (bounds)"),
}
HEADER_RATIO = {"fr": ("Rapport (bornes)", "Statut"), "en": ("Ratio (bounds)", "Status")}
HEADER_NEAR = {
    "fr": ("Quartier", "Distance", "Nombre (bornes)", "Pour 10\u202f000 habitants (bornes)", "Statut", "Note"),
    "en": ("Quarter", "Distance", "Number (bounds)", "Per 10,000 inhabitants (bounds)", "Status", "Note"),
}
HEADER_PRACTICES = {
    "fr": ("Pratique", "Type", "Lieu", "Relation aux QPV", "Distance", "QPV", "Ce que le document compte", "Document"),
    "en": ("Practice", "Kind", "Place", "Relation to QPV", "Distance", "QPV", "What the document counts", "Document"),
}
HEADER_SLIDE = {
    "fr": ("Énoncé", "Chiffre le plus proche", "Niveau, année", "Valeur (bornes)", "Référence", "Verdict"),
    "en": ("Statement", "Nearest figure", "Level, year", "Value (bounds)", "Reference", "Verdict"),
}
HEADER_LIMITS = {
    "fr": ("Question", "Niveau le plus fin", "Années", "Précision"),
    "en": ("Question", "Finest level", "Years", "Remark"),
}
