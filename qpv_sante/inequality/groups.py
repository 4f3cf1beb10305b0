"""Groups of QPV, from the store, for the summary measures of inequality."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from qpv_sante import aggregation, comparison, loading, quarter_values, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import ComparabilityError, UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.inequality import summarize
from qpv_sante.inequality.resampling import cluster_errors, process_errors
from qpv_sante.observations import AUTO
from qpv_sante.territories import FRANCE, Territory
from qpv_sante.years import best_covered_year

COLUMNS = ("region", "department", "epci", "urban_unit")
GROUPS = ("poverty_quintile", "qpv_status", *COLUMNS)
INTERVALS = ("none", "process", "between_qpv")
ENOUGH_QPV = 30  # in a group: with 5 or 10, 95 % intervals hold the truth in 86 to 92 % of simulations
NOTES = {
    "circular": {
        "fr": "circulaire : les groupes sont formés par la pauvreté, et les QPV choisis par le revenu",
        "en": "circular: groups are formed by poverty, and QPV are chosen by income",
    },
    "chosen": {
        "fr": "les QPV sont choisis par le revenu, que cet indicateur mesure",
        "en": "QPV are chosen by income, which this indicator measures",
    },
    "ranked_by": {
        "fr": "QPV classés par le taux de pauvreté de {year}",
        "en": "QPV ranked by the poverty rate of {year}",
    },
    "left_out": {
        "fr": "{number} QPV non comptés, faute de {lack}",
        "en": "{number} QPV not counted, for want of {lack}",
    },
    "left_out_one": {"fr": "un QPV non compté, faute de {lack}", "en": "one QPV not counted, for want of {lack}"},
    "outside_not_qpv": {
        "fr": "l'extérieur n'est pas fait de QPV : leur variation n'en dit rien, et il n'y a pas d'intervalle",
        "en": "the outside is not made of QPV: their variation says nothing of it, and there is no interval",
    },
    "few_qpv": {
        "fr": "groupes de moins de {enough} QPV : {number} ; l'intervalle de la variation entre QPV y est trop étroit",
        "en": "groups of fewer than {enough} QPV: {number}; there the interval of variation between QPV is too narrow",
    },
    "one_qpv": {
        "fr": "un groupe n'a qu'un QPV ({names}), dont la variation n'est pas connue : pas d'intervalle",
        "en": "one group has a single QPV ({names}), of which the variation is not known: no interval",
    },
    "ones_qpv": {
        "fr": "{number} groupes n'ont qu'un QPV ({names}), dont la variation n'est pas connue : pas d'intervalle",
        "en": "{number} groups have a single QPV ({names}), of which the variation is not known: no interval",
    },
    "value": {"fr": "valeur", "en": "a value"},
    "value_or_group": {"fr": "valeur ou de groupe", "en": "a value or of a group"},
    "value_or_poverty": {"fr": "valeur ou de taux de pauvreté", "en": "a value or of a poverty rate"},
}
# Of a result: what `qpv_sante.inequality.measures.UNITS` names, in words
_UNITS = {
    "indicator": {"fr": "{unit}", "en": "{unit}"},
    "indicator squared": {"fr": "({unit})²", "en": "({unit})²"},
    "ratio": {"fr": "rapport", "en": "ratio"},
    "index": {"fr": "indice", "en": "index"},
    "percent": {"fr": "%", "en": "%"},
    "thousandths": {"fr": "millièmes", "en": "thousandths"},
}


@checked
@store.one_build()
def summarize_inequality(
    indicator: str,
    groups: str | pd.Series = "poverty_quintile",
    *,
    geo_vintage: int,
    year: int,
    territory: str | Territory | None = None,
    reference: str = "rest_of_commune",
    rank_year: int | None = None,
    interval: str = "none",
    measures: Sequence[str] | None = None,
    level: float = 0.95,
    sex: str = AUTO,
    age: str = AUTO,
    draws: int = 1000,
    seed: int = 0,
    lang: str = "fr",
) -> pd.DataFrame:
    """Summary measures of the inequality between groups of QPV, or between QPV and their outside.

    Parameters
    ----------
    indicator : str
        A rate in percent.
    groups : str or Series
        `poverty_quintile`: QPV in five groups of about the same population, group 1 the poorest;
        `qpv_status`: QPV (1) against a `rest_of_` reference (2); or a territory of the QPV: `region`, `department`,
        `epci`, `urban_unit` (no rank); or your own column: labels of the groups, indexed by QPV code (no rank; QPV
        that it does not name are left out and counted).
    geo_vintage, year : int
        Zoning of the QPV and year of reference.
    territory : str, optional
        Keep the QPV of this territory.
    reference : str
        Outside, for `qpv_status`: `rest_of_commune` or `rest_of_urban_unit`; the others contain the QPV.
    rank_year : int, optional
        Year of the poverty rate that forms the quintiles; by default, of those that cover the QPV best, the nearest
        to `year` (`qpv_sante.years`). The column `rank_year` says which.
    interval : {"none", "process", "between_qpv"}
        Exhaustive sources have no sampling error: no interval by default. `process` treats each group's
        number of cases as one outcome of a random process, person by person. `between_qpv` draws whole QPV again with
        replacement within their group: QPV differ far more than chance among persons makes them, and this is what a
        source that counts everyone has. A group of one QPV, or an outside that is not made of QPV, has none.
    measures : sequence of str, optional
        Codes of `qpv_sante.inequality.summarize`; all by default.
    level : float
    sex, age : str
        The total where it is published; one class, where there are several and no total.
    draws, seed : int
        Simulated sets of estimates, and QPV drawn again, behind the intervals.
    lang : {"fr", "en"}
        Language of the group names and notes.

    Returns
    -------
    DataFrame
        As `qpv_sante.inequality.summarize`, indexed by measure, with `unit` in words, then `indicator, year,
        geo_level, geo_vintage, sex, age, territory, territory_code, groups, reference` (of `qpv_status`), `rank_year`
        (of `poverty_quintile`), the `n_used` QPV that entered the measures of the `n_total` asked for, `source` and
        `licence`. `attrs["groups"]`: one record a group (`group, rank, estimate, population, n_used, n_total`, and
        `se`, in points, where there is an interval); `attrs["notes"]`: how groups were formed, what was
        left out, and whether the ranking is circular; `indicator`, `geo_vintage`, `year`, `territory` (typed code)
        and `territory_name`: what was asked.

    Raises
    ------
    UnknownNameError
        Unknown indicator, grouping, reference or territory.
    ComparabilityError
        Not a rate in percent.
    UnavailableLevelError
        Not published by QPV for that zoning and year, or fewer than two groups have a value.

    Examples
    --------
    >>> gap = summarize_inequality("c2s_share", geo_vintage=2015, year=2022, measures=["d", "r", "aci"])
    >>> gap["value"].round(2).to_dict()
    {'d': 26.05, 'r': 2.26, 'aci': -5.19}
    """
    known = catalogue().indicator(indicator)
    if isinstance(groups, str) and groups not in GROUPS:
        raise UnknownNameError(f"Unknown groups {groups!r}. {did_you_mean(groups, GROUPS)}")
    lang = style.check_lang(lang)
    if interval not in INTERVALS:
        raise UnknownNameError(f"Unknown interval {interval!r}. {did_you_mean(interval, INTERVALS)}")
    if known.kind != "rate" or known.range != [0, 100]:
        raise ComparabilityError(f"Summary measures need a rate in percent; {indicator} is a {known.kind}.")
    places = loading.gazetteer()
    place = places.resolve(territory)
    sex, age = quarter_values.one_class(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    quarters = quarter_values.quarters_with_values(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    by_status = isinstance(groups, str) and groups == "qpv_status"
    ranked_by: int | None = None
    if by_status:
        table, entered, notes = _by_status(known, quarters, geo_vintage, year, place, reference, lang, sex, age)
    else:
        table, entered, notes, ranked_by = _by_group(known, quarters, groups, geo_vintage, year, place, rank_year, lang)
    if known.selects_qpv:
        by_poverty = isinstance(groups, str) and groups == "poverty_quintile"
        notes.append(NOTES["circular" if by_poverty else "chosen"][lang])
    table = table.dropna(subset=["estimate", "population"])
    if len(table) < 2:
        raise UnavailableLevelError(
            f"{indicator} ({geo_vintage} zoning, {year}): {len(table)} group with a value; an inequality needs two."
        )
    if interval == "process":
        comparison.check_process(known, quarters)
    entered = entered[entered["label"].isin(table["group"])]
    if interval == "process":
        table["se"] = process_errors(table["estimate"].to_numpy(), table["population"].to_numpy())
    elif interval == "between_qpv":
        clusters = entered.assign(group=entered["label"])
        table["se"] = table["group"].map(cluster_errors(clusters, draws=draws, seed=seed))
        notes += _without_spread(table, by_status, lang)
    indexed = table.set_index("group")
    result = summarize(
        indexed["estimate"],
        indexed["population"],
        se=indexed.get("se"),
        rank=None if table["rank"].isna().any() else indexed["rank"],
        favourable=known.higher_is == "better",
        measures=measures,
        level=level,
        interval="process" if interval == "none" else interval,
        draws=draws,
        seed=seed,
        lang=lang,
    )
    whole = place or FRANCE
    asked = places.qpv_in(place, geo_vintage)["geo_code"]
    if isinstance(groups, pd.Series):
        asked = asked[asked.isin(groups.dropna().index)]
    source = str(quarters["source"].dropna().iloc[0])
    result = result.assign(
        unit=result["unit"].map({code: words[lang].format(unit=known.unit[lang]) for code, words in _UNITS.items()}),
        indicator=indicator,
        year=year,
        geo_level="qpv",
        geo_vintage=geo_vintage,
        sex=sex,
        age=age,
        territory=whole.name,
        territory_code=whole.key,
        groups=groups if isinstance(groups, str) else "own",
        reference=reference if by_status else "",
        rank_year=pd.Series(ranked_by, index=result.index, dtype="Int64"),
        n_used=entered["geo_code"].nunique(),
        n_total=len(asked),
        source=source,
        licence=catalogue().source(source).licence,
    )
    result.attrs = {"groups": table.to_dict("records"), "notes": notes, "indicator": indicator}
    result.attrs |= {"geo_vintage": geo_vintage, "year": year, "territory": whole.key, "territory_name": whole.name}
    result.attrs |= {"interval": interval, "level": level, "rank_year": ranked_by}
    return result


def _by_status(
    known: Indicator,
    quarters: pd.DataFrame,
    geo_vintage: int,
    year: int,
    place: Territory | None,
    reference: str,
    lang: style.Lang,
    sex: str,
    age: str,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """QPV and their outside, as two groups; the QPV that entered; what was left out."""
    from qpv_sante.references import parse_reference, reference_values

    places = loading.gazetteer()
    parsed = parse_reference(reference, places)
    if not parsed.is_rest:
        raise ComparabilityError(
            f"qpv_status needs two groups without people in common; {reference!r} contains the QPV. "
            "Use reference='rest_of_commune' or 'rest_of_urban_unit'."
        )
    quarters = quarters[quarters["in_field"]]
    members = comparison.group_members(quarters, places, None, place, geo_vintage)
    inside = aggregation.pool(members, "group", kind=known.kind).iloc[0]
    found = reference_values(parsed, known, members, quarters, year=year, lang=lang, sex=sex, age=age)
    outside = comparison.with_enough_coverage(found, 0.9, lang).iloc[0]
    if pd.isna(outside["value"]):
        raise UnavailableLevelError(
            f"{known.id} of {year}: no value of {reference!r} for these QPV ({outside['note'] or 'not read'}). "
            "Choose a territory where every QPV has a value, or another reference."
        )
    table = pd.DataFrame(
        {
            "group": ["QPV", parsed.label(lang)],
            "rank": [1, 2],
            "estimate": [inside["value"], outside["value"]],
            "population": [inside["weight_used"], outside["weight_used"]],
            "n_used": [inside["n_used"], outside["n_used"]],
            "n_total": [inside["n_total"], outside["n_total"]],
        }
    )
    entered = _entered(members)
    return table, entered.assign(label="QPV"), _left_out(len(members) - len(entered), "value", lang)


def _by_group(
    known: Indicator,
    quarters: pd.DataFrame,
    groups: str | pd.Series,
    geo_vintage: int,
    year: int,
    place: Territory | None,
    rank_year: int | None,
    lang: style.Lang,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str], int | None]:
    """QPV pooled by quintile of poverty, or by the territory that contains them.

    With the QPV that entered (`label` is their group), what was left out, and the year of the poverty rate.
    """
    places = loading.gazetteer()
    own = None if isinstance(groups, str) else _checked_column(groups, quarters["geo_code"], geo_vintage)
    by = groups if isinstance(groups, str) and groups != "poverty_quintile" else None
    members = comparison.group_members(quarters, places, by, place, geo_vintage)
    notes: list[str] = []
    ranked_by = None
    if own is not None:
        label = members["geo_code"].map(own)
        members = members.assign(group=label, territory=label)
        notes += _left_out(len(members) - len(_entered(members[label.notna()])), "value_or_group", lang)
        members = members[label.notna()]
    elif by is None:
        whole = len(members)
        members = _entered(members)
        poverty, ranked_by = _poverty(members["geo_code"], geo_vintage, year, rank_year)
        notes.append(NOTES["ranked_by"][lang].format(year=ranked_by))
        members = members.assign(poverty=members["geo_code"].map(poverty))
        members = members[members["poverty"].notna()]
        notes += _left_out(whole - len(members), "value_or_poverty", lang)
        members = members.assign(group=_quintile(members))
        members["territory"] = "Q" + members["group"].astype(str)
    else:
        notes += _left_out(members["geo_code"].nunique() - _entered(members)["geo_code"].nunique(), "value", lang)
    pooled = aggregation.pool(members, "group", kind=known.kind)
    names = members.drop_duplicates("group").set_index("group")["territory"]
    table = pd.DataFrame(
        {
            "group": names.reindex(pooled.index).to_numpy(),
            "rank": pooled.index.astype(float) if by is None and own is None else np.nan,
            "estimate": pooled["value"].to_numpy(),
            "population": pooled["weight_used"].to_numpy(),
            "n_used": pooled["n_used"].to_numpy(),
            "n_total": pooled["n_total"].to_numpy(),
        }
    )
    return table, _entered(members).assign(label=lambda rows: rows["territory"]), notes, ranked_by


def _entered(members: pd.DataFrame) -> pd.DataFrame:
    """The QPV that a pooled rate is made of: those with a value and a weight."""
    return members[members[["value", "weight"]].notna().all(axis=1)]


def _without_spread(table: pd.DataFrame, by_status: bool, lang: style.Lang) -> list[str]:
    """Groups that QPV drawn again say nothing of."""
    if by_status:
        return [NOTES["outside_not_qpv"][lang]]
    alone = table.loc[table["se"].isna(), "group"].astype("str")
    if alone.empty:
        few = int((table["n_used"] < ENOUGH_QPV).sum())
        said = NOTES["few_qpv"][lang].format(number=style.format_number(few, 0, lang=lang), enough=ENOUGH_QPV)
        return [style.typography(said, lang)] if few else []
    said = NOTES["one_qpv" if len(alone) == 1 else "ones_qpv"][lang]
    more = ", …" if len(alone) > 5 else ""
    return [said.format(number=style.format_number(len(alone), 0, lang=lang), names=", ".join(alone[:5]) + more)]


def _left_out(number: int, lack: str, lang: style.Lang) -> list[str]:
    """How many QPV are not counted; nothing to say of none."""
    if not number:
        return []
    said = NOTES["left_out" if number > 1 else "left_out_one"][lang]
    return [said.format(number=style.format_number(number, 0, lang=lang), lack=NOTES[lack][lang])]


def _checked_column(groups: pd.Series, codes: pd.Series, geo_vintage: int) -> pd.Series:
    """The user's groups as text, each QPV once and of the right zoning."""
    unknown = groups.index.difference(codes)
    if len(unknown):
        raise UnknownNameError(f"groups: {len(unknown)} codes are not QPV of {geo_vintage}, first {unknown[0]!r}.")
    if groups.index.has_duplicates:
        raise UnknownNameError(f"groups: {groups.index[groups.index.duplicated()][0]} is in two groups.")
    return groups.dropna().astype("str")


def _poverty(codes: pd.Series, geo_vintage: int, year: int, rank_year: int | None) -> tuple[pd.Series, int]:
    """Poverty rate of QPV: of the asked year, else of the nearest of those that cover them best."""
    rates = loading.load_observations("poverty_rate", geo_level="qpv", geo_vintage=geo_vintage, year=rank_year)
    chosen = rank_year or best_covered_year(rates, codes, near=year)
    return rates[rates["year"] == chosen].set_index("geo_code")["value"], chosen


def _quintile(members: pd.DataFrame) -> pd.Series:
    """Fifth of the people that each QPV belongs to, 1 the poorest; equal rates stay together."""
    ordered = members.sort_values("poverty", ascending=False, kind="stable")
    people = ordered["weight"].groupby(ordered["poverty"], sort=False).sum()
    middle = (people.cumsum() - people / 2) / people.sum()
    fifth = np.minimum((middle * 5).astype(int) + 1, 5)
    return members["poverty"].map(fifth)
