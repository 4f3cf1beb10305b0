"""What an estimate assumes, in words, and why one is missing."""

from __future__ import annotations

from qpv_sante import absences
from qpv_sante.style import Lang, format_number, typography

COMMON: list[dict[str, str]] = [
    {
        "fr": "Estimation, non mesurée : par QPV, ce chiffre est {absent}.",
        "en": "Estimate, not measured: by QPV, this figure is {absent}.",
    },
    {
        "fr": "Dans une même catégorie, les habitants répondraient de même où qu'ils vivent : ce que le quartier "
        "ajoute ou retire n'est pas vu.",
        "en": "Within a category, residents would answer alike wherever they live: what the quarter adds or removes is "
        "not seen.",
    },
    {
        "fr": "L'intervalle ajoute l'erreur d'échantillonnage publiée et l'erreur constatée en prédisant des {areas}, "
        "multipliée par {factor} : l'erreur grandit quand le territoire rétrécit (fois {ratio} des régions aux "
        "départements pour la santé perçue, seul cas connu), et l'on suppose qu'elle grandit d'autant à chaque échelon "
        "jusqu'au quartier, le surcroît étant propre à chaque quartier. Le paquet ne le vérifie pas, et "
        "l'intervalle ne comprend pas l'erreur des hypothèses de composition.",
        "en": "The interval adds the published sampling error and the error found when predicting {areas}, times "
        "{factor}: errors grow as areas shrink (times {ratio} from regions to departments for perceived health, the "
        "only known case), and are assumed to grow as much at each step down to the quarter, what is added being each "
        "quarter's own. The package does not check it, and the interval leaves out the error of the assumptions on "
        "composition.",
    },
    {
        "fr": "Le calage est une contrainte, non un contrôle : la valeur du reste du territoire se déduit de la valeur "
        "publiée. Les estimations, dont l'âge est celui de l'enquête ({ages}), y sont pondérées par la population de "
        "tous âges.",
        "en": "The benchmark is a constraint, not a check: the value of the rest of the area follows from the "
        "published one. Estimates, of the survey's ages ({ages}), are weighted there by the population of all ages.",
    },
    {
        "fr": "Le contrôle ne porte que sur la France métropolitaine : ailleurs, aucune estimation n'est validée.",
        "en": "The check covers metropolitan France only: elsewhere no estimate is validated.",
    },
]
LABEL = {"fr": "estimation, non mesurée", "en": "estimate, not measured"}
AGES = {
    "depression_prevalence": {"fr": "18-79 ans", "en": "18-79"},
    "self_perceived_health_good": {"fr": "5 ans ou plus", "en": "5 or over"},
}
AREAS = {
    "region": {"fr": "régions", "en": "regions"},
    "department": {"fr": "départements", "en": "departments"},
}
NAMES: dict[str, dict[str, str]] = {
    "household": {"fr": "le type de ménage", "en": "household type"},
    "activity": {"fr": "l'activité", "en": "activity"},
    "finances": {"fr": "la situation financière perçue", "en": "perceived finances"},
    "age": {"fr": "l'âge", "en": "age"},
}
PREDICTOR: dict[str, dict[str, str]] = {
    "household": {
        "fr": "Type de ménage : part des ménages d'une personne du recensement ; familles monoparentales aussi "
        "fréquentes parmi les ménages que parmi les foyers allocataires de la Caf (elles le sont moins) ; un adulte "
        "par ménage d'une personne ou monoparental, deux par autre ménage",
        "en": "Household type: census share of one-person households; single parents as frequent among households as "
        "among Caf recipients (they are less so); one adult in a one-person or single-parent household, two in others",
    },
    "activity": {
        "fr": "Activité : part de retraités du pays ; parmi les autres adultes, en emploi dans la proportion des "
        "15-64 ans du quartier, le reste réparti comme dans le pays",
        "en": "Activity: the country's share of retired people; the other adults are employed as the quarter's 15-64 "
        "are, the rest split as in the country",
    },
    "finances": {
        "fr": "Situation financière perçue : les personnes sous le seuil de pauvreté sont tenues pour celles qui « y "
        "arrivent difficilement ou pas sans dette », les autres réparties comme dans le pays (ce ne sont pas tout à "
        "fait les mêmes personnes : l'écart est exagéré plutôt que réduit)",
        "en": "Perceived finances: people under the poverty threshold are taken for those who hardly get by or not "
        "without debt, the others split as in the country (they are not quite the same people: the gap is "
        "exaggerated rather than reduced)",
    },
    "age": {
        "fr": "Âge : moins de 25 ans, 25-59 ans et 60 ans ou plus du quartier, répartis également dans chaque groupe",
        "en": "Age: the quarter's under 25, 25-59 and 60 or over, spread evenly within each group",
    },
}
INDEPENDENCE = {
    "fr": "Prédicteurs supposés indépendants, effets ajoutés sur l'échelle logit : les fichiers lus ne donnent "
    "pas de croisement. Les mêmes personnes cumulent ces situations, l'écart est donc exagéré",
    "en": "Predictors taken as independent, effects added on the logit scale: the files read give no crossing. The "
    "same people combine these situations, so the gap is exaggerated",
}
NO_BENCHMARK = {
    "fr": "Non calé : aucune source lue ne donne la composition des {areas} selon ce prédicteur",
    "en": "Not benchmarked: no source read gives the {areas}' composition by this predictor",
}
REASONS: dict[str, dict[str, str]] = {
    "floor": {"fr": "moins de {floor} habitants", "en": "fewer than {floor} inhabitants"},
    "population": {"fr": "population inconnue", "en": "population unknown"},
    "benchmark": {
        "fr": "valeur absente des fichiers lus pour son territoire de calage",
        "en": "no value read for the area it is benchmarked to",
    },
    "not_benchmarked": {
        "fr": "non calé malgré la demande : composition des {areas} inconnue selon {names}",
        "en": "not benchmarked although asked: the {areas}' composition by {names} is unknown",
    },
    "outside": {
        "fr": "non validé : territoire hors du contrôle, qui ne porte que sur {n} {areas} de France métropolitaine",
        "en": "not validated: outside the check, which covers {n} {areas} of metropolitan France only",
    },
    "on_demand": {"fr": " (allow_unvalidated=True pour l'obtenir)", "en": " (allow_unvalidated=True gives it)"},
    "far_factor": {
        "fr": "calage éloigné de 1 ({factor}) : les hypothèses n'y tiennent pas",
        "en": "benchmark factor far from 1 ({factor}): the assumptions do not hold there",
    },
    "unvalidated": {
        "fr": "non validé : {note} (allow_unvalidated=True pour l'obtenir)",
        "en": "not validated: {note} (allow_unvalidated=True gives it)",
    },
}


def assumption_of(
    predictors: tuple[str, ...], level: str, benchmarked: bool, wanted: bool, check: str, lang: Lang
) -> str:
    """The assumptions of a predictor set, and the words of its check if any, in one text."""
    parts = [PREDICTOR[name][lang] for name in predictors]
    if len(predictors) > 1:
        parts.append(INDEPENDENCE[lang])
    if wanted and not benchmarked:
        parts.append(NO_BENCHMARK[lang].format(areas=AREAS[level][lang]))
    if check:
        parts.append({"fr": "Contrôle : ", "en": "Check: "}[lang] + check)
    return typography(". ".join(parts) + ".", lang)


def common_assumptions(indicator: str, level: str, lang: Lang, *, ratio: float, factor: float) -> list[str]:
    """What every estimate of an indicator assumes; `ratio` and `factor` are those of `error_growth`."""
    said = {
        "absent": absences.word_of_level(indicator, "qpv", lang),
        "areas": AREAS[level][lang],
        "ages": AGES[indicator][lang],
        "ratio": format_number(ratio, 2, lang=lang),
        "factor": format_number(factor, 2, lang=lang),
    }
    return [typography(text[lang].format(**said), lang) for text in COMMON]
