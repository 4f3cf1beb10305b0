"""Texts of the profile chart, of a QPV and of a territory."""

from __future__ import annotations

from typing import Any

TEXTS: dict[str, dict[str, Any]] = {
    "fr": {
        "subtitle": "QPV {code}, zonage {vintage}, parmi les QPV {among}. Chaque ligne a sa propre échelle, de gauche "
        "à droite par valeurs croissantes.",
        "among": {"country": "de France", "region": "de la région"},
        "own": "Quartier",
        "reference": {
            "commune": "Commune",
            "urban_unit": "Unité urbaine",
            "region": "Région",
            "country": "France métr.",
        },
        "line": "Du minimum au maximum des QPV",
        "box": "Moitié centrale des QPV (quartiles)",
        "median": "Médiane des QPV",
        "doubtful": "Quartier, valeur à interpréter avec prudence",
        "suppressed": "Sans valeur pour le quartier",
        "quarter": "Quartier",
        "nothing": "Aucun QPV n'a de valeur",
        "scope": "{title}, QPV {code} (zonage {vintage}), parmi les QPV {among}",
        "high": "Dans le quart des QPV aux valeurs les plus hautes : {listed}.",
        "low": "Dans le quart des QPV aux valeurs les plus basses : {listed}.",
    },
    "en": {
        "subtitle": "QPV {code}, {vintage} zoning, among the QPV {among}. Each row has its own scale, values growing "
        "from left to right.",
        "among": {"country": "of France", "region": "of the region"},
        "own": "Quarter",
        "reference": {"commune": "Commune", "urban_unit": "Urban unit", "region": "Region", "country": "Metr. France"},
        "line": "From the lowest to the highest QPV",
        "box": "Middle half of the QPV (quartiles)",
        "median": "Median of the QPV",
        "doubtful": "Quarter, value to be read with caution",
        "suppressed": "No value for the quarter",
        "quarter": "Quarter",
        "nothing": "No QPV has a value",
        "scope": "{title}, QPV {code} ({vintage} zoning), among the QPV {among}",
        "high": "In the quarter of QPV with the highest values: {listed}.",
        "low": "In the quarter of QPV with the lowest values: {listed}.",
    },
}
# What a territory says otherwise: its value is that of several QPV together
TERRITORY_TEXTS: dict[str, dict[str, Any]] = {
    "fr": {
        "subtitle": "Ensemble de ses {number} QPV, zonage {vintage}, parmi les QPV {among} pris un à un. Chaque ligne "
        "a sa propre échelle, de gauche à droite par valeurs croissantes.",
        "subtitle_one": "Son seul QPV, zonage {vintage}, parmi les QPV {among}. Chaque ligne a sa propre échelle, de "
        "gauche à droite par valeurs croissantes.",
        "own": "QPV\nensemble",
        "reference": {
            "commune": "Communes\nd'accueil",
            "urban_unit": "Unités\nurbaines",
            "region": "Région",
            "country": "France métr.",
        },
        "used": "QPV avec\nvaleur",
        "quarter": "QPV du territoire, ensemble",
        "doubtful": "QPV du territoire, valeur à interpréter avec prudence",
        "suppressed": "Sans valeur pour l'ensemble des QPV",
        "total": "total des QPV",
        "total_bounds": "total des QPV : entre {lower} et {upper}",
        "total_note": "Total : celui de plusieurs QPV n'a pas de place parmi des QPV pris un à un.",
        "scope": "{title}, ensemble de ses {number} QPV (zonage {vintage}), parmi les QPV {among} pris un à un",
        "scope_one": "{title}, son seul QPV (zonage {vintage}), parmi les QPV {among}",
        "high": "L'ensemble est au niveau du quart des QPV aux valeurs les plus hautes : {listed}.",
        "low": "L'ensemble est au niveau du quart des QPV aux valeurs les plus basses : {listed}.",
        "counted": "QPV du territoire avec une valeur, selon l'indicateur : {least} sur {number}.",
        "counted_from": "QPV du territoire avec une valeur, selon l'indicateur : de {least} à {most} sur {number}.",
    },
    "en": {
        "subtitle": "Its {number} QPV together, {vintage} zoning, among the single QPV {among}. Each row has its own "
        "scale, values growing from left to right.",
        "subtitle_one": "Its only QPV, {vintage} zoning, among the QPV {among}. Each row has its own scale, values "
        "growing from left to right.",
        "own": "QPV\ntogether",
        "reference": {
            "commune": "Host\ncommunes",
            "urban_unit": "Urban\nunits",
            "region": "Region",
            "country": "Metr. France",
        },
        "used": "QPV with\na value",
        "quarter": "QPV of the territory, together",
        "doubtful": "QPV of the territory, value to be read with caution",
        "suppressed": "No value for the QPV together",
        "total": "total of the QPV",
        "total_bounds": "total of the QPV: between {lower} and {upper}",
        "total_note": "Total: that of several QPV has no place among single QPV.",
        "scope": "{title}, its {number} QPV together ({vintage} zoning), among the single QPV {among}",
        "scope_one": "{title}, its only QPV ({vintage} zoning), among the QPV {among}",
        "high": "Together at the level of the quarter of QPV with the highest values: {listed}.",
        "low": "Together at the level of the quarter of QPV with the lowest values: {listed}.",
        "counted": "QPV of the territory with a value, by indicator: {least} out of {number}.",
        "counted_from": "QPV of the territory with a value, by indicator: {least} to {most} out of {number}.",
    },
}
