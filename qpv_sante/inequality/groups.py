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
from qpv_sante.observations import AUTO
from qpv_sante.territories import Territory

COLUMNS = ("region", "department", "epci", "urban_unit")
GROUPS = ("poverty_quintile", "qpv_status", *COLUMNS)
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
        Year of the poverty rate that forms the quintiles; the nearest published by default.
    interval : {"none", "process"}
        Exhaustive sources have no sampling error: no interval by default. `process` treats each group's
        number of cases as one outcome of a random process.
    measures : sequence of str, optional
        Codes of `qpv_sante.inequality.summarize`; all by default.
    level : float
    sex, age : str
        The total where it is published; one class, where there are several and no total.
    lang : {"fr", "en"}
        Language of the group names and notes.

    Returns
    -------
    DataFrame
        As `qpv_sante.inequality.summarize`, indexed by measure, with `unit` in words, then `indicator, year,
        geo_level, geo_vintage, sex, age, territory, territory_code, groups, reference` (of `qpv_status`), `n_used` QPV
        with a value of the `n_total` asked for, `source` and `licence`. `attrs["groups"]`: one record a group
        (`group, rank, estimate, population, n_used, n_total`); `attrs["notes"]`: how groups were formed, what was
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
    {'d': 26.06, 'r': 2.28, 'aci': -5.05}
    """
    known = catalogue().indicator(indicator)
    if isinstance(groups, str) and groups not in GROUPS:
        raise UnknownNameError(f"Unknown groups {groups!r}. {did_you_mean(groups, GROUPS)}")
    lang = style.check_lang(lang)
    if interval not in ("none", "process"):
        raise UnknownNameError(f"Unknown interval {interval!r}. {did_you_mean(interval, ('none', 'process'))}")
    if known.kind != "rate" or known.range != [0, 100]:
        raise ComparabilityError(f"Summary measures need a rate in percent; {indicator} is a {known.kind}.")
    places = loading.gazetteer()
    place = places.resolve(territory)
    sex, age = quarter_values.one_class(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    quarters = quarter_values.quarters_with_values(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    notes: list[str] = []
    by_status = isinstance(groups, str) and groups == "qpv_status"
    if by_status:
        table = _by_status(known, quarters, geo_vintage, year, place, reference, lang, sex, age)
    else:
        table, notes = _by_group(known, quarters, groups, geo_vintage, year, place, rank_year, lang)
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
    share = table["estimate"] / 100
    se = 100 * np.sqrt(share * (1 - share) / table["population"]) if interval == "process" else None
    indexed = table.set_index("group")
    result = summarize(
        indexed["estimate"],
        indexed["population"],
        se=None if se is None else se.to_numpy(),
        rank=None if table["rank"].isna().any() else indexed["rank"],
        favourable=known.higher_is == "better",
        measures=measures,
        level=level,
        interval="process",
        lang=lang,
    )
    whole = place or comparison.ALL_FRANCE
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
        n_used=int((asked.isin(quarters.loc[quarters["value"].notna(), "geo_code"])).sum()),
        n_total=len(asked),
        source=source,
        licence=catalogue().source(source).licence,
    )
    result.attrs = {"groups": table.to_dict("records"), "notes": notes, "indicator": indicator}
    result.attrs |= {"geo_vintage": geo_vintage, "year": year, "territory": whole.key, "territory_name": whole.name}
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
) -> pd.DataFrame:
    """QPV and their outside, as two groups."""
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
    return pd.DataFrame(
        {
            "group": ["QPV", parsed.label(lang)],
            "rank": [1, 2],
            "estimate": [inside["value"], outside["value"]],
            "population": [inside["weight_used"], outside["weight_used"]],
            "n_used": [inside["n_used"], outside["n_used"]],
            "n_total": [inside["n_total"], outside["n_total"]],
        }
    )


def _by_group(
    known: Indicator,
    quarters: pd.DataFrame,
    groups: str | pd.Series,
    geo_vintage: int,
    year: int,
    place: Territory | None,
    rank_year: int | None,
    lang: style.Lang,
) -> tuple[pd.DataFrame, list[str]]:
    """QPV pooled by quintile of poverty, or by the territory that contains them."""
    places = loading.gazetteer()
    own = None if isinstance(groups, str) else _checked_column(groups, quarters["geo_code"], geo_vintage)
    by = groups if isinstance(groups, str) and groups != "poverty_quintile" else None
    members = comparison.group_members(quarters, places, by, place, geo_vintage)
    notes = []
    if own is not None:
        label = members["geo_code"].map(own)
        members = members.assign(group=label, territory=label)
        left = label.isna() | members["value"].isna()
        notes += _left_out(int(left.sum()), "value_or_group", lang)
        members = members[label.notna()]
    elif by is None:
        poverty, used_year = _poverty(members["geo_code"], geo_vintage, year, rank_year)
        notes.append(NOTES["ranked_by"][lang].format(year=used_year))
        members = members.assign(poverty=poverty.to_numpy())
        whole = len(members)
        members = members[members[["value", "weight", "poverty"]].notna().all(axis=1)]
        notes += _left_out(whole - len(members), "value_or_poverty", lang)
        members = members.assign(group=_quintile(members))
        members["territory"] = "Q" + members["group"].astype(str)
    else:
        notes += _left_out(int(members["value"].isna().sum()), "value", lang)
    pooled = aggregation.pool(members, "group", kind=known.kind)
    names = members.drop_duplicates("group").set_index("group")["territory"]
    return (
        pd.DataFrame(
            {
                "group": names.reindex(pooled.index).to_numpy(),
                "rank": pooled.index.astype(float) if by is None and own is None else np.nan,
                "estimate": pooled["value"].to_numpy(),
                "population": pooled["weight_used"].to_numpy(),
                "n_used": pooled["n_used"].to_numpy(),
                "n_total": pooled["n_total"].to_numpy(),
            }
        ),
        notes,
    )


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
    """Poverty rate of QPV, of the asked year or of the nearest one published in their zoning."""
    rates = loading.load_observations("poverty_rate", geo_level="qpv", geo_vintage=geo_vintage, year=rank_year)
    nearest = rank_year or min(sorted(rates["year"].unique(), reverse=True), key=lambda one: abs(int(one) - year))
    return codes.map(rates[rates["year"] == nearest].set_index("geo_code")["value"]), int(nearest)


def _quintile(members: pd.DataFrame) -> pd.Series:
    """Fifth of the people that each QPV belongs to, 1 the poorest; equal rates stay together."""
    ordered = members.sort_values("poverty", ascending=False, kind="stable")
    people = ordered["weight"].groupby(ordered["poverty"], sort=False).sum()
    middle = (people.cumsum() - people / 2) / people.sum()
    fifth = np.minimum((middle * 5).astype(int) + 1, 5)
    return members["poverty"].map(fifth)
