"""QPV against what surrounds them: `compare`."""

from __future__ import annotations

import logging

import pandas as pd

from qpv_sante import aggregation, loading, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import (
    ComparabilityError,
    UnavailableLevelError,
    UnknownNameError,
    did_you_mean,
)
from qpv_sante.geography import QPV_ZONINGS, fold
from qpv_sante.health import published_by_qpv
from qpv_sante.observations import AUTO
from qpv_sante.quarter_values import classes_by_qpv, quarters_with_values, with_extremes
from qpv_sante.references import NOTES, parse_reference, possible_references, reference_values
from qpv_sante.territories import FRANCE, METROPOLITAN_FRANCE, Gazetteer, Territory

log = logging.getLogger(__name__)

INTERVALS = ("bounds", "extremes", "process")
GROUPINGS = ("region", "department", "epci", "urban_unit", "commune", "qpv")
COMPARISON_COLUMNS = (
    *("territory", "territory_code", "territory_level", "indicator", "year", "geo_vintage", "sex", "age"),
    *("reference", "reference_label", "qpv_value", "qpv_lower", "qpv_upper"),
    *("reference_value", "reference_lower", "reference_upper"),
    *("difference", "difference_lower", "difference_upper", "ratio", "ratio_lower", "ratio_upper", "interval"),
    *("n_used", "n_total", "coverage", "n_unreliable"),
    *("reference_n_used", "reference_n_total", "reference_coverage"),
    *("qpv_min", "qpv_q1", "qpv_median", "qpv_q3", "qpv_max"),
    *("weight", "unit", "flag", "note", "source", "reference_source", "licence"),
    # of whom and of when, for every row: QPV, a larger territory, or a survey
    *("kind", "perimeter", "label", "year_label", "value", "lower", "upper", "n", "reference_n", "reference_note"),
    "publication",
)


@checked
@store.one_build()
def compare(
    indicator: str,
    *,
    geo_vintage: int,
    year: int,
    reference: str | None = AUTO,
    by: str | None = "region",
    territory: str | Territory | None = None,
    sex: str = AUTO,
    age: str = AUTO,
    min_coverage: float | None = None,
    interval: str = AUTO,
    level: float = 0.95,
    lang: str = "fr",
) -> pd.DataFrame:
    """Figures of QPV against a named reference, territory by territory.

    Parameters
    ----------
    indicator : str
        An id of `list_indicators`.
    geo_vintage : int
        Zoning of the QPV, 2015 or 2024.
    year : int
        Year of reference, the same for QPV and reference.
    reference : str or None
        `commune`, `rest_of_commune`, `epci`, `urban_unit`, `rest_of_urban_unit`, `department`,
        `region`, `country`, or a territory by name or typed code (`"region:76"`). All but the `rest_of_`
        contain the QPV themselves. None gives the QPV side alone. `auto`: `commune`, and `country` for an indicator
        that no source gives by QPV. `country` is metropolitan France, which sources publish: the QPV of the whole
        country are then those of metropolitan France, and the row says so.
    by : str or None
        Territories to group QPV by: `region`, `department`, `epci`, `urban_unit`, `commune`, `qpv`;
        None for one row.
    territory : str, optional
        Keep the QPV of this territory only.
    sex, age : str
        `auto`: the total, or a row for every class where no total is published; `_T` for the total alone.
    min_coverage : float, optional
        Least share of a reference's people that must have a published figure, 0.9 by default; below, its value is
        missing and the note says why.
    interval : {"auto", "bounds", "extremes", "process"}
        `auto`: `bounds`, or the published intervals of an indicator that no source gives by QPV.
        `bounds`: what rounding, secrecy and weights that are not the base leave unknown, made so that 95 % of such
        bounds hold the true figure (`qpv_sante.unpublished`); exhaustive sources have no sampling error.
        `extremes`: the same, with every QPV that is withheld at the lowest, then at the highest, of the values
        published: the widest bounds, which suppose nothing of it.
        `process`: Wilson interval of each rate, as if its count were one outcome of a random process; where a
        QPV is withheld the bounds of secrecy stay. Limits of difference and ratio combine them by MOVER for a
        `rest_of_` reference, and add them, wider, for a reference that contains the QPV.
    level : float
        Confidence level of `process`.
    lang : {"fr", "en"}
        Language of `reference_label` and `unit`.

    Returns
    -------
    DataFrame
        One row a territory, columns of `COMPARISON_COLUMNS`. Values are in the indicator's `unit`;
        `difference` is QPV less reference, `ratio` QPV over reference. Rates over several QPV are
        weighted by their denominator, estimated for the QPV that have none, else by what `weight` names: never a mean
        of means.
        Medians, decile ratios and scores are not aggregated: over several QPV `qpv_value` is missing and
        the columns `qpv_min` to `qpv_max` describe their distribution (unweighted). `n_used` of `n_total`
        QPV have a value; `coverage` is their share of the weight, of the inhabitants where there is none;
        `attrs["coverage_base"]` names it. It is the same in every call: a QPV whose weight is not known counts for a
        usual one. A count is given only if every QPV has one; bounds stay. `interval` names what the bounds express,
        the last of these that holds: `rounding`; `weight` (and weights that are not the base of the rate); `secrecy`
        (and QPV withheld, between what their other years or the published QPV tell), or `extremes`; `process` if asked
        for.

        `kind` and `perimeter` say whose figure `value, lower, upper, n` is: `qpv` (`in_qpv`: the same as `qpv_value`),
        `published` (`all`: a region or department, for an indicator that no source gives by QPV; `qpv_value` is then
        missing, and so are the counts of QPV) or `survey_contrast` (`in_qpv`: a national survey inside QPV or ZUS).
        See `qpv_sante.health.compare_health`.

    Raises
    ------
    UnknownNameError
        Unknown indicator, reference, grouping or territory.
    UnavailableLevelError
        No figure by QPV of that zoning and year, or none for that reference; the message lists
        those that exist.
    ComparabilityError
        A rest of a median or of a score. Or `reference`, `interval`, `min_coverage` or `level` given for an indicator
        that no source gives by QPV, where they would change nothing.

    Examples
    --------
    >>> gap = compare("poverty_rate", geo_vintage=2015, year=2019, by="commune", territory="Béziers")
    >>> gap[["territory", "qpv_value", "reference_value", "n_used", "n_total", "weight"]].round(1)
      territory  qpv_value  reference_value  n_used  n_total           weight
    0   Béziers       56.6             34.0       3        3  population 2018
    """
    catalogue().indicator(indicator)  # an unknown one is told first
    lang = style.check_lang(lang)
    _check_arguments(by, interval, geo_vintage)
    if not published_by_qpv(indicator):
        from qpv_sante.health import compare_health

        _refuse_ignored(indicator, reference, interval, min_coverage, level)
        # not published by QPV: the territory's own published value, and what surveys found inside and outside
        return compare_health(indicator, year=year, territory=territory, by=by, sex=sex, age=age, lang=lang)
    reference = "commune" if reference == AUTO else reference
    interval = "bounds" if interval == AUTO else interval
    min_coverage = 0.9 if min_coverage is None else min_coverage
    place = loading.gazetteer().resolve(territory)
    known = catalogue().indicator(indicator)
    tables = []
    for one_sex, one_age in classes_by_qpv(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age):
        asked = (
            indicator,
            geo_vintage,
            year,
            reference,
            by,
            place,
            one_sex,
            one_age,
            min_coverage,
            interval,
            level,
            lang,
        )
        tables.append(store.remembered(("compare", *asked), lambda asked=asked: _compared(*asked)))  # type: ignore[misc]
    table = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
    table.attrs = tables[0].attrs
    return table


def _refuse_ignored(
    indicator: str, reference: str | None, interval: str, min_coverage: float | None, level: float
) -> None:
    """Refuse what would change nothing for an indicator that no source gives by QPV."""
    given = {
        "reference": (reference, reference in (AUTO, "country")),
        "interval": (interval, interval == AUTO),
        "min_coverage": (min_coverage, min_coverage is None),
        "level": (level, level == 0.95),
    }
    ignored = [f"{name}={value!r}" for name, (value, idle) in given.items() if not idle]
    if ignored:
        raise ComparabilityError(
            f"{', '.join(ignored)}: it would change nothing for {indicator}, which no source read gives by QPV. "
            "compare gives it for regions or departments, against the country, with the producer's intervals. "
            "Leave it out (reference='country' is accepted)."
        )


def _compared(
    indicator: str,
    geo_vintage: int,
    year: int,
    reference: str | None,
    by: str | None,
    place: Territory | None,
    sex: str,
    age: str,
    min_coverage: float,
    interval: str,
    level: float,
    lang: style.Lang,
) -> pd.DataFrame:
    """What `compare` gives, for arguments that are checked."""
    known, places = catalogue().indicator(indicator), loading.gazetteer()
    parsed = parse_reference(reference, places) if reference is not None else None
    apart = 0
    if by is None and _is_all_france(place) and parsed is not None and parsed.is_metropolitan_france:
        # overseas QPV are no part of what they would be set against
        apart = len(places.qpv_in(place, geo_vintage))
        place = METROPOLITAN_FRANCE
        apart -= len(places.qpv_in(place, geo_vintage))
    quarters = quarters_with_values(known, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    if interval == "extremes":
        quarters = with_extremes(quarters, known.kind)
    members = group_members(quarters, places, by, place, geo_vintage)
    field, pooled, spread = _pooled(members, known.kind, "extremes" if interval == "extremes" else "secrecy")
    if parsed is None or field.empty:  # a reference is set against QPV of which something is published
        other = pooled.iloc[:0].assign(source="", note="")
    else:
        other = reference_values(
            parsed,
            known,
            field,
            quarters[quarters["in_field"]],
            year=year,
            lang=lang,
            withheld="extremes" if interval == "extremes" else "secrecy",
            sex=sex,
            age=age,
        )
        other = with_enough_coverage(other, min_coverage, lang)
        if other[["value", "lower"]].isna().all(axis=None) and known.kind in aggregation.POOLED_KINDS:
            raise UnavailableLevelError(
                f"No reference {parsed.name!r} for {indicator} of {year}: {other['note'].iloc[0]}. Named references: "
                f"{', '.join(possible_references(known, year))}; those made of communes need most of these "
                "to publish it."
            )
    pooled, other = _with_every_group(pooled, other, members, lang)
    if interval == "process":
        check_process(known, quarters)
        pooled = _process(pooled, level)
        other = _process(other, level) if parsed else other
    gaps = aggregation.difference_bounds(pooled, other, disjoint=parsed is not None and parsed.is_rest)
    result = pd.concat([pooled.add_prefix("qpv_"), other.add_prefix("reference_"), spread, gaps], axis=1)
    result = result.reindex(pooled.index).rename(
        columns={"qpv_n_used": "n_used", "qpv_n_total": "n_total", "qpv_coverage": "coverage"}
    )
    result["n_unreliable"] = pooled["unreliable"]
    result["interval"] = _joint_interval(pooled["interval"], other["interval"])
    result["flag"] = _flag(pooled, other, spread, members.groupby("group")["in_field"].any(), known.kind)
    result["note"] = other["note"]
    if apart:
        said = pd.Series(NOTES["metropolitan"][lang].format(number=apart), index=result.index)
        result["note"] = _joined(result["note"], said)
    result["reference_source"] = other["source"]
    result["source"] = ", ".join(sorted(quarters["source"].dropna().astype("str").unique()))
    result["weight"] = quarters.attrs["weight"]
    labels = members.drop_duplicates("group").set_index("group")
    result["territory"], result["territory_code"] = labels["territory"], labels["territory_code"]
    result = result.assign(
        territory_level=by or (place.level if place else "country"),
        indicator=indicator,
        year=year,
        geo_vintage=geo_vintage,
        sex=sex,
        age=age,
        reference=parsed.name if parsed else "",
        reference_label=parsed.label(lang) if parsed else "",
        unit=known.unit["en" if lang == "en" else "fr"],
        licence=catalogue().source(str(quarters["source"].dropna().iloc[0])).licence,
        kind="qpv",
        perimeter="in_qpv",
        label=known.label["en" if lang == "en" else "fr"],
        year_label=style.year_label(known, quarters["source"].dropna().astype("str").unique(), year, lang),
        n=float("nan"),
        reference_n=float("nan"),
        reference_note="",
        publication="",
    )
    result = result.assign(**{name: result[f"qpv_{name}"] for name in ("value", "lower", "upper")})
    result = result[list(COMPARISON_COLUMNS)].sort_values(
        "territory", key=lambda names: names.map(fold), ignore_index=True
    )
    # the origin of the figures and, for an imported source, its restriction notice
    whole = place or FRANCE
    result.attrs = {name: value for name, value in quarters.attrs.items() if name != "weight"}
    result.attrs |= {"territory": whole.key, "territory_name": whole.name}
    return result


def _is_all_france(place: Territory | None) -> bool:
    return place is None or place.key == FRANCE.key


def _pooled(
    members: pd.DataFrame, kind: str, withheld: str = "secrecy"
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Members in the field of the source, their pooled value by group, and their distribution."""
    # QPV that the source does not list are counted, and say nothing of those that it withholds
    field = members[members["in_field"]]
    pooled = aggregation.pool(field, "group", kind=kind, withheld=withheld)
    return field, pooled, aggregation.distribution(field, "group").add_prefix("qpv_")


def quarters_together(members: pd.DataFrame, kind: str, lang: str) -> pd.DataFrame:
    """The QPV side of `compare` alone, with a status that no reference weighs on.

    Parameters
    ----------
    members : DataFrame
        As `group_members` gives it, of QPV as `quarters_with_values` gives them.
    kind : str
        Kind of the indicator.
    lang : {"fr", "en"}
        Language of `note`.

    Returns
    -------
    DataFrame
        Index: the groups. `value, lower, upper, interval, n_used, n_total, coverage, unreliable, flag`, and `note`: how
        many QPV are outside the field of the source.
    """
    _, pooled, spread = _pooled(members, kind)
    pooled, nothing = _with_every_group(pooled, pooled.iloc[:0].assign(source="", note=""), members, lang)
    flag = _flag(pooled, nothing, spread, members.groupby("group")["in_field"].any(), kind)
    return pooled.assign(flag=flag, note=nothing["note"])


def _check_arguments(by: str | None, interval: str, geo_vintage: int) -> None:
    if by is not None and by not in GROUPINGS:
        raise UnknownNameError(f"Unknown grouping by={by!r}. {did_you_mean(by, GROUPINGS)} None gives one row.")
    intervals = (AUTO, *INTERVALS)
    if interval not in intervals:
        raise UnknownNameError(f"Unknown interval {interval!r}. {did_you_mean(interval, intervals)}")
    if geo_vintage not in QPV_ZONINGS:
        raise UnavailableLevelError(f"No QPV zoning of {geo_vintage!r}. Zonings: {', '.join(map(str, QPV_ZONINGS))}.")


def group_members(
    quarters: pd.DataFrame, places: Gazetteer, by: str | None, place: Territory | None, geo_vintage: int
) -> pd.DataFrame:
    """The QPV of each territory: one row a territory and QPV.

    A QPV in two communes counts in both; `group` is the territory's code, `territory` its name.

    Raises
    ------
    UnavailableLevelError
        The territory has no QPV of that zoning.
    """
    inside = quarters[quarters["geo_code"].isin(places.qpv_in(place, geo_vintage)["geo_code"])]
    if inside.empty:
        assert place is not None  # noqa: S101 - a zoning is never empty
        raise UnavailableLevelError(without_quarters(place, places, geo_vintage))
    if by is None:
        whole = place or FRANCE
        return inside.assign(group=whole.code, territory=whole.name, territory_code=whole.key)
    if by == "qpv":
        return inside.assign(
            group=inside["geo_code"], territory=inside["name"], territory_code="qpv:" + inside["geo_code"]
        )
    column = "communes" if by == "commune" else by
    members = inside.assign(group=inside[column].str.split(";")).explode("group", ignore_index=True)
    members = members[members["group"].fillna("") != ""]
    if place is not None and place.level == by:
        members = members[members["group"] == place.code]
    if members.empty:
        raise UnavailableLevelError(f"None of the {len(inside)} QPV lies in a {by}; group by another level.")
    names = places.territories[places.territories["level"] == by].set_index("code")["name"]
    return members.assign(
        territory=members["group"].map(names).fillna(members["group"]), territory_code=by + ":" + members["group"]
    )


def without_quarters(place: Territory, places: Gazetteer, geo_vintage: int) -> str:
    """What to say, and what to try, of a territory without QPV.

    Examples
    --------
    >>> without_quarters(Territory("department", "48", "Lozère"), loading.gazetteer(), 2015).partition(". ")[2]
    'It has 1 of the 2024 zoning: pass geo_vintage=2024.'
    """
    other = 2015 if geo_vintage == 2024 else 2024
    number = len(places.qpv_in(place, other))
    try_ = (
        f"It has {number} of the {other} zoning: pass geo_vintage={other}."
        if number
        else "Nor any of the other zoning: take a larger territory, such as its department or region; figures "
        "of the territory itself are in qs.load_observations(..., territory=...)."
    )
    return (
        f"{place.name} ({place.key}): no QPV of the {geo_vintage} zoning in the files read, nothing to compare. {try_}"
    )


def with_enough_coverage(other: pd.DataFrame, least: float, lang: str) -> pd.DataFrame:
    """References of which too few people have a published figure lose their value, and say why."""
    share = (100 * other["coverage"].fillna(0)).round().astype(int)
    short = other["coverage"].fillna(0) < least
    said = share.map(lambda number: NOTES["coverage"][lang].format(share=number, least=round(100 * least)))
    return other.assign(
        value=other["value"].mask(short), note=other["note"].fillna("").mask(short, _joined(other["note"], said))
    )


def _with_every_group(
    pooled: pd.DataFrame, other: pd.DataFrame, members: pd.DataFrame, lang: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Groups outside the field of the source, and QPV outside it, counted and told."""
    groups = members.groupby("group")["in_field"].agg(["size", "sum"])
    people = members["people"]
    covered = people.where(members["value"].notna(), 0.0).groupby(members["group"]).sum()
    left_out = groups["size"] - groups["sum"]
    pooled, other = pooled.reindex(groups.index), other.reindex(groups.index)
    pooled["n_total"] = groups["size"]
    pooled["coverage"] = covered / people.groupby(members["group"]).sum()
    counted = ["n_used", "coverage", "unreliable"]
    pooled[counted] = pooled[counted].fillna(0)
    other[[*counted, "n_total"]] = other[[*counted, "n_total"]].fillna(0)
    pooled = pooled.astype({"n_used": int, "unreliable": int})
    pooled["interval"], other["interval"] = pooled["interval"].fillna("none"), other["interval"].fillna("none")
    said = left_out.map(lambda number: NOTES["field"][lang].format(number=number))
    other["note"] = other["note"].fillna("").mask(left_out > 0, _joined(other["note"], said))
    return pooled, other.astype({"n_used": int, "n_total": int, "unreliable": int})


def _joined(notes: pd.Series, more: pd.Series) -> pd.Series:
    notes = notes.fillna("")
    return (notes + " ; ").where(notes != "", "") + more


def check_process(indicator: Indicator, quarters: pd.DataFrame | None = None) -> None:
    """Refuse to speak of chance where the number of persons or households behind a rate is not known.

    Raises
    ------
    ComparabilityError
        Not a rate in percent, or a rate whose weight counts something else than its own base for one of `quarters`.
    """
    if indicator.kind != "rate" or indicator.range != [0, 100]:
        raise ComparabilityError(
            f"What chance would do needs a rate in percent and the number behind it; {indicator.id} is a "
            f"{indicator.kind}. A count ranks sizes, and a median has no number behind it here."
        )
    if quarters is None or indicator.weight_is_base:
        return
    bases = quarters.loc[quarters["value"].notna(), "weight_base"]
    if (bases != "denominator").any():
        weight_base = bases[bases != "denominator"].iloc[0]
        raise ComparabilityError(
            f"{indicator.id} is published without its denominator ({indicator.population['en'].lower()}): its weight, "
            f"{weight_base}, counts something else, and intervals made of it would be too narrow. "
            "Use compare(..., interval='bounds')."
        )


def _process(pooled: pd.DataFrame, level: float) -> pd.DataFrame:
    """Wilson limits in place of the bounds, where every unit has a value.

    Where some are withheld, secrecy is the larger doubt, and its bounds stay.
    """
    from qpv_sante import intervals

    whole = pooled["value"].notna() & (pooled["n_used"] == pooled["n_total"])
    n = pooled["weight_used"].where(whole).round()
    limits = intervals.proportion((pooled["value"] / 100 * n).round(), n, level=level)
    return pooled.assign(
        lower=pooled["lower"].mask(whole, 100 * limits["lower"]),
        upper=pooled["upper"].mask(whole, 100 * limits["upper"]),
        interval=pooled["interval"].mask(whole, "process"),
    )


def _joint_interval(a: pd.Series, b: pd.Series) -> pd.Series:
    """What the bounds of a gap express: the least certain of the two sides."""
    order = ["none", "rounding", "weight", "process", "sampling", "model", "secrecy", "extremes"]
    rank = pd.concat([a.map(order.index), b.map(order.index)], axis=1).max(axis=1)
    return rank.map(dict(enumerate(order)))


def _flag(pooled: pd.DataFrame, other: pd.DataFrame, spread: pd.DataFrame, in_field: pd.Series, kind: str) -> pd.Series:
    """One status a row: of the QPV side first, then of the reference."""
    flag = pd.Series("observed", index=pooled.index)
    all_doubtful = (pooled["unreliable"] > 0) & (pooled["unreliable"] == pooled["n_used"])
    doubtful_reference = (other["unreliable"] > 0) & (other["unreliable"] >= other["n_used"])
    flag[all_doubtful | doubtful_reference.reindex(flag.index, fill_value=False)] = "unreliable"
    flag[pooled["value"].isna()] = "suppressed"
    # a median of several quarters is not withheld: there is none
    described = spread["qpv_median"].reindex(flag.index).notna() & (kind not in aggregation.POOLED_KINDS)
    flag[pooled["value"].isna() & described] = "not_applicable"
    flag[~in_field.reindex(flag.index)] = "unavailable"
    return flag
