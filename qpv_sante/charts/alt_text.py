"""A plain sentence for those who do not see a figure, from what is drawn in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpv_sante import style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.charts.common import missing_words
from qpv_sante.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KINDS: dict[str, dict[str, str]] = {
    "fr": {
        "gap": "Graphique d'écarts",
        "distribution": "Histogramme",
        "trend": "Courbes par année",
        "funnel": "Graphique en entonnoir",
        "caterpillar": "Valeurs ordonnées avec leurs intervalles",
        "gradient": "Gradient entre groupes",
        "concentration": "Courbe de concentration",
        "levels": "Valeurs par niveau géographique",
        "profile": "Profil d'un quartier, un indicateur par ligne",
        "profile_territory": "Profil des QPV d'un territoire, un indicateur par ligne",
        "map": "Carte",
        "bivariate": "Carte de deux indicateurs",
        "": "Figure",
    },
    "en": {
        "gap": "Gap chart",
        "distribution": "Histogram",
        "trend": "Lines by year",
        "funnel": "Funnel plot",
        "caterpillar": "Ordered values with their intervals",
        "gradient": "Gradient between groups",
        "concentration": "Concentration curve",
        "levels": "Values by geographical level",
        "profile": "Profile of a neighbourhood, one indicator a row",
        "profile_territory": "Profile of the QPV of a territory, one indicator a row",
        "map": "Map",
        "bivariate": "Map of two indicators",
        "": "Figure",
    },
}
_WORDS: dict[str, dict[str, str]] = {
    "fr": {
        "head": "{kind} : {label}, en {unit}.",
        "rows": "{n} éléments dessinés.",
        "row": "1 élément dessiné.",
        "range": "De {low}{of_low} à {high}{of_high}.",
        "one": "Une seule valeur : {low}{of_low}.",
        "none": "Aucune valeur.",
        "used": "QPV avec une valeur : {used} sur {total}.",
        "missing": "Sans valeur : {listed}.",
    },
    "en": {
        "head": "{kind}: {label}, in {unit}.",
        "rows": "{n} items drawn.",
        "row": "1 item drawn.",
        "range": "From {low}{of_low} to {high}{of_high}.",
        "one": "A single value: {low}{of_low}.",
        "none": "No value.",
        "used": "QPV with a value: {used} out of {total}.",
        "missing": "Without a value: {listed}.",
    },
}


@checked
def figure_alt_text(figure: Axes | Figure, lang: str = "fr") -> str:
    """Alternative text of a figure of the package: what it shows, its extremes and what is missing.

    Parameters
    ----------
    figure : Axes or Figure
        As the functions `plot_...` give it; of a figure, every axes that shows something, in turn.
    lang : {"fr", "en"}
        Language of the text.

    Returns
    -------
    str
        Sentences on one line, for the `alt` attribute of an image: kind of figure, indicator and unit, territory,
        zoning and year, number of rows, smallest and largest value, QPV with a value out of all, and reasons of the
        missing ones.

    Raises
    ------
    InvalidInputError
        Neither axes nor figure, or axes on which the package drew nothing.

    Examples
    --------
    >>> from qpv_sante import compare, plot_gap
    >>> gap = compare("poverty_rate", geo_vintage=2015, year=2019, by="commune", territory="Béziers")
    >>> figure_alt_text(plot_gap(gap, lang="en"), lang="en").split(". ")[0]
    'Gap chart: Poverty rate (threshold at 60% of the median standard of living), in %'
    """
    from matplotlib.figure import FigureBase

    language = style.check_lang(lang)
    every = list(figure.axes) if isinstance(figure, FigureBase) else [figure]
    found = [described for axes in every if (described := style.description_of(axes)) is not None]
    texts = [_from_description(one, language) for one in found]
    if not texts:
        raise InvalidInputError(
            "figure_alt_text: nothing of the package is drawn there. Give it what plot_gap, plot_map or another "
            "plot_ function returned."
        )
    return " ".join(texts)


def _from_description(found: style.Description, lang: style.Lang) -> str:
    words = _WORDS[lang]
    kind = _KINDS[lang].get(found.kind, _KINDS[lang][""])
    if found.indicator:
        indicator = catalogue().indicator(found.indicator)
        parts = [words["head"].format(kind=kind, label=indicator.label[lang], unit=indicator.unit[lang])]
    else:
        parts = [f"{kind}."]
    parts.append(style.capitalise(found.scope[lang]) + ".")
    count = style.format_number(found.rows, 0, lang=lang)
    parts.append(words["row" if found.rows == 1 else "rows"].format(n=count))
    if found.indicator:
        parts.append(_extremes(found.values, indicator, lang))
    if found.n_used is not None and found.n_total is not None:
        used, total = (style.format_number(number, 0, lang=lang) for number in (found.n_used, found.n_total))
        parts.append(words["used"].format(used=used, total=total))
    if found.missing:
        parts.append(words["missing"].format(listed=missing_words(found.missing, lang)))
    parts += found.said.get(lang, [])
    return style.typography(" ".join(parts), lang)


def _extremes(values: dict[str, float], indicator: Indicator, lang: style.Lang) -> str:
    words = _WORDS[lang]
    if not values:
        return words["none"]
    symbol = style.unit_symbol(indicator.unit[lang])
    low, high = min(values, key=values.__getitem__), max(values, key=values.__getitem__)
    numbers = {
        "low": style.format_number(values[low], indicator.decimals, lang=lang, symbol=symbol),
        "high": style.format_number(values[high], indicator.decimals, lang=lang, symbol=symbol),
    }
    named = {"of_low": f" ({low})", "of_high": f" ({high})"}
    return words["one" if len(values) == 1 else "range"].format(**numbers, **named)
