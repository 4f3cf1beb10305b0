"""QPV ranked, with everything that keeps a ranking from being read as a league table."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qpv_sante import comparison, funnel, intervals, loading, quarter_values, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.intervals.columns import check_choice
from qpv_sante.observations import AUTO
from qpv_sante.territories import FRANCE, Territory

RANK_COLUMNS = (
    *("rank", "geo_code", "name", "commune_names", "value", "lower", "upper", "interval", "n"),
    *(
        "target",
        "funnel_lower_95",
        "funnel_upper_95",
        "funnel_lower_99_8",
        "funnel_upper_99_8",
        "funnel_position",
        "limits",
    ),
    *("rank_lower", "rank_upper", "share_worst_tenth", "flag", "unit"),
    *("indicator", "year", "geo_level", "geo_vintage", "sex", "age", "territory", "territory_code"),
    *("n_used", "n_total", "source", "licence"),
)
FUNNEL_LABELS = {
    "below_99_8": {"fr": "en dessous (99,8 %)", "en": "below (99.8%)"},
    "below_95": {"fr": "en dessous (95 %)", "en": "below (95%)"},
    "within": {"fr": "dans l'entonnoir", "en": "within"},
    "above_95": {"fr": "au-dessus (95 %)", "en": "above (95%)"},
    "above_99_8": {"fr": "au-dessus (99,8 %)", "en": "above (99.8%)"},
}
FUNNEL_POSITIONS = tuple(FUNNEL_LABELS)
LIMITS_LABELS = {
    "plain": {"fr": "hasard seul", "en": "chance alone"},
    "overdispersed": {"fr": "surdispersion, facteur multiplicatif", "en": "over-dispersion, multiplicative factor"},
    "random_effects": {"fr": "surdispersion, effets aléatoires", "en": "over-dispersion, random effects"},
}
DISPERSED = 2.0  # mean of squared z-scores beyond which plain limits are said to be no guide
WARNINGS = {
    "neighbours": {
        "fr": "Deux QPV voisins dans un classement ne diffèrent pas pour autant : lisez rank_lower et rank_upper.",
        "en": "Neighbours in a ranking are not thereby different: read rank_lower and rank_upper.",
    },
    "dispersion": {
        "fr": "Les QPV s'écartent de l'ensemble {factor} fois plus que ne le ferait le hasard seul, et {share} % sont "
        "hors des limites simples à 99,8 % : en sortir est ici la règle, et ne désigne pas à lui seul un quartier hors "
        "du commun.",
        "en": "QPV depart from the whole {factor} times more than chance alone would make them, and {share}% are "
        "beyond the plain 99.8% limits: being outside is the rule here, and does not by itself single out a "
        "neighbourhood.",
    },
    "widened": {
        "fr": "Limites élargies ({kind}) : les QPV s'écartent de l'ensemble {factor} fois plus que ne le ferait le "
        "hasard seul ; en sortir, c'est s'écarter plus que la plupart d'entre eux.",
        "en": "Widened limits ({kind}): QPV depart from the whole {factor} times more than chance alone would make "
        "them; to be outside is to depart more than most of them do.",
    },
    "try": {
        "fr": ' limits="overdispersed" tient compte de cet écart.',
        "en": ' limits="overdispersed" allows for it.',
    },
    "circular": {
        "fr": "Les QPV sont délimités par le revenu : les classer par {label} est circulaire.",
        "en": "QPV are delimited by income: ranking them by {label} is circular.",
    },
}


@checked
@store.one_build()
def rank(
    indicator: str,
    *,
    geo_vintage: int,
    year: int,
    territory: str | Territory | None = None,
    level: float = 0.998,
    limits: str = "plain",
    draws: int = 1000,
    seed: int = 0,
    sex: str = AUTO,
    age: str = AUTO,
    lang: str = "fr",
) -> pd.DataFrame:
    """QPV by value, worst first, with their interval, their place in the funnel and the doubt on their rank.

    Parameters
    ----------
    indicator : str
        A rate in percent. The worst is the highest value, or the lowest where the catalogue says that
        higher is better.
    geo_vintage, year : int
        Zoning of the QPV and year of reference.
    territory : str, optional
        Rank the QPV of this territory among themselves; all by default.
    level : float
        Level of `lower` and `upper`, and of the interval of the rank.
    limits : {"plain", "overdispersed", "random_effects"}
        Limits of the funnel: those of chance alone; or, where QPV differ by more, those of Spiegelhalter's
        multiplicative factor or of additive random effects (`qpv_sante.funnel`), the extreme tenths winsorised.
    draws : int
        Simulated rankings.
    seed : int
        Seed of the simulation: the same call gives the same result.
    sex, age : str
        The total where it is published; one class, where there are several and no total.
    lang : {"fr", "en"}
        Language of the unit and of the warnings.

    Returns
    -------
    DataFrame
        Columns of `RANK_COLUMNS`, one row a QPV of the territory; those without a value come last, without rank.
        `n` is the number of persons (or of units of the denominator) behind a rate; `lower`, `upper`:
        Wilson interval (`process`: what chance would give to a neighbourhood of that size). `target` is the pooled
        rate of the ranked QPV; the funnel's 95 % and 99.8 % limits hold the QPV of that size that differ from it
        by chance alone, or as `limits` says. `share_worst_tenth`: share of the simulated rankings in which the QPV is
        among the worst tenth. `territory` is what was asked, with its typed code; `n_used` of its `n_total` QPV are
        ranked, and make up the target. `attrs`: `indicator`, `geo_vintage`, `year`, `territory` (typed code) and
        `territory_name` again, for figures; `warnings`: what the reader must know, in sentences; `dispersion`: mean
        squared distance to the target, in units of chance (1 if nothing but chance were at work);
        `dispersion_winsorised`; `limits`, with the `factor` and the `between` (points) that they are made with;
        `share_outside`: share of the ranked QPV beyond the plain 99.8 % limits.

    Raises
    ------
    ComparabilityError
        Not a rate in percent, or one whose denominator is not published: a count ranks sizes, and without the number
        behind a rate nothing can be said of chance.
    UnavailableLevelError
        No figure by QPV of that zoning and year, or no QPV in the territory.

    Notes
    -----
    Each simulated ranking draws the number of cases of every QPV from the beta posterior of its rate with
    Jeffreys' prior, Beta(k + 1/2, n - k + 1/2), then adds the published rounding.

    Examples
    --------
    >>> worst = rank("c2s_share", geo_vintage=2015, year=2022, territory="Béziers")
    >>> worst[["rank", "name", "funnel_position"]].values.tolist()  # doctest: +NORMALIZE_WHITESPACE
    [[1.0, 'Iranget Grangette', 'above_99_8'], [2.0, 'Devèze', 'within'], [3.0, 'Centre Ville', 'below_99_8']]
    """
    known = catalogue().indicator(indicator)
    check_choice("limits", limits, funnel.LIMITS)
    lang = style.check_lang(lang)
    if known.kind != "rate":
        comparison.check_process(known)
    sex, age = quarter_values.one_class(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    quarters = quarter_values.quarters_with_values(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    comparison.check_process(known, quarters)
    places = loading.gazetteer()
    place = places.resolve(territory)
    inside = quarters[quarters["geo_code"].isin(places.qpv_in(place, geo_vintage)["geo_code"])]
    ranked = inside[inside["value"].notna() & inside["weight"].notna()].reset_index(drop=True)
    if ranked.empty:
        where = f" in {place.name}" if place else ""
        raise UnavailableLevelError(f"No QPV has a value of {indicator} ({geo_vintage} zoning, {year}){where}.")
    size = ranked["weight"].round()
    cases = (ranked["value"] / 100 * size).round()
    target = float((ranked["value"] * size).sum() / size.sum())
    wilson = intervals.proportion(cases, size, level=level, interval="process")
    spread = funnel.dispersion(ranked["value"], size, target)
    plain = funnel.limits(target, size)
    drawn_limits = plain
    if limits != "plain":
        drawn_limits = funnel.limits(target, size, kind=limits, factor=spread.factor, between=spread.between)
    drawn_limits = drawn_limits.add_prefix("funnel_")
    outside = (ranked["value"] < plain["lower_99_8"]) | (ranked["value"] > plain["upper_99_8"])
    worst_first = known.higher_is == "better"
    simulated = _simulated_ranks(
        ranked, cases, size, worst_first, catalogue().rounding(indicator, ranked["source"][0]), draws, seed
    )
    tail = (1 - level) / 2
    ranked = ranked.assign(
        rank=ranked["value"].rank(method="min", ascending=worst_first),
        lower=100 * wilson["lower"],
        upper=100 * wilson["upper"],
        interval="process",
        n=size,
        target=target,
        limits=limits,
        **{name: drawn_limits[name] for name in drawn_limits},
        rank_lower=np.quantile(simulated, tail, axis=0, method="lower"),
        rank_upper=np.quantile(simulated, 1 - tail, axis=0, method="higher"),
        share_worst_tenth=(simulated <= max(1, round(len(ranked) / 10))).mean(axis=0),
    )
    ranked["funnel_position"] = _position(ranked)
    rest = inside[~inside["geo_code"].isin(ranked["geo_code"])].assign(value=np.nan, lower=np.nan, upper=np.nan)
    result = pd.concat([ranked.sort_values("rank", kind="stable"), rest], ignore_index=True)
    whole, source = place or FRANCE, str(ranked["source"].iloc[0])
    result = result.assign(
        unit=known.unit[lang],
        indicator=indicator,
        year=year,
        geo_level="qpv",
        geo_vintage=geo_vintage,
        sex=sex,
        age=age,
        territory=whole.name,
        territory_code=whole.key,
        n_used=len(ranked),
        n_total=len(inside),
        source=source,
        licence=catalogue().source(source).licence,
    ).reindex(columns=list(RANK_COLUMNS))
    warnings = [WARNINGS["neighbours"][lang]]
    warnings += cautions(limits, spread.raw, float(outside.mean()), lang)
    if known.selects_qpv:
        warnings.append(WARNINGS["circular"][lang].format(label=known.short[lang].lower()))
    result.attrs = {**quarters.attrs, "geo_vintage": geo_vintage, "year": year, "territory": whole.key}
    result.attrs |= {"territory_name": whole.name, "warnings": warnings, "level": level, "dispersion": spread.raw}
    result.attrs |= {"dispersion_winsorised": spread.winsorised, "limits": limits, "factor": spread.factor}
    result.attrs |= {"between": spread.between, "share_outside": float(outside.mean())}
    return result


def cautions(limits: str, dispersion: float, share_outside: float, lang: style.Lang, *, hint: bool = True) -> list[str]:
    """What must be said of the limits of a funnel: that plain ones are no guide, or that they were widened.

    Parameters
    ----------
    limits : str
        One of `qpv_sante.funnel.LIMITS`.
    dispersion : float
        Mean of the squared z-scores.
    share_outside : float
        Share of the QPV beyond the plain 99.8 % limits.
    lang : {"fr", "en"}
    hint : bool
        Whether to name the argument that widens them.

    Returns
    -------
    list of str
        Nothing where chance could do it.

    Examples
    --------
    >>> cautions("plain", 1.2, 0.0, "en")
    []
    """
    if dispersion <= DISPERSED and limits == "plain":
        return []
    factor = style.format_number(dispersion**0.5, 1, lang=lang)
    if limits != "plain":
        said = WARNINGS["widened"][lang].format(kind=LIMITS_LABELS[limits][lang], factor=factor)
        return [style.typography(said, lang)]
    said = WARNINGS["dispersion"][lang].format(
        factor=factor, share=style.format_number(100 * share_outside, 0, lang=lang)
    )
    return [style.typography(said + (WARNINGS["try"][lang] if hint else ""), lang)]


def _simulated_ranks(
    ranked: pd.DataFrame,
    cases: pd.Series,
    size: pd.Series,
    ascending: bool,
    rounding: float | None,
    draws: int,
    seed: int,
) -> np.ndarray:
    """Ranks (1 is the worst) in each simulated set of rates; shape (draws, QPV)."""
    random = np.random.default_rng(seed)
    shape = (draws, len(ranked))
    rates = 100 * random.beta(cases.to_numpy() + 0.5, (size - cases).to_numpy() + 0.5, size=shape)
    half = (ranked["upper"] - ranked["lower"]).to_numpy() / 2
    half = np.where(np.isfinite(half), half, rounding or 0.0)
    rates += random.uniform(-1, 1, size=shape) * half
    order = np.argsort(rates if ascending else -rates, axis=1)
    ranks = np.empty(shape, dtype=np.int32)
    np.put_along_axis(ranks, order, np.arange(1, len(ranked) + 1, dtype=np.int32)[None, :], axis=1)
    return ranks


def _position(ranked: pd.DataFrame) -> pd.Series:
    """Place in the funnel: within its limits, or beyond those of 95 % or of 99.8 %."""
    value = ranked["value"]
    position = pd.Series("within", index=ranked.index)
    position[value > ranked["funnel_upper_95"]] = "above_95"
    position[value > ranked["funnel_upper_99_8"]] = "above_99_8"
    position[value < ranked["funnel_lower_95"]] = "below_95"
    position[value < ranked["funnel_lower_99_8"]] = "below_99_8"
    return position
