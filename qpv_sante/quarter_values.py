"""Every QPV of a zoning with its value, and the weight that stands for its people where its own is not known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from qpv_sante import aggregation, loading, store, unpublished
from qpv_sante.catalogue import Indicator, catalogue
from qpv_sante.errors import ComparabilityError, UnavailableLevelError
from qpv_sante.observations import AUTO, CLASSES
from qpv_sante.unpublished import BaseError
from qpv_sante.years import best_covered_year


def quarters_with_values(
    indicator: Indicator,
    *,
    geo_vintage: int,
    year: int,
    sex: str = AUTO,
    age: str = AUTO,
) -> pd.DataFrame:
    """Every QPV of a zoning, with its value, bounds and weight where they are published.

    Parameters
    ----------
    indicator : Indicator
    geo_vintage, year : int
    sex, age : str
        As in `load_observations`; one class at a time.

    Returns
    -------
    DataFrame
        Rows of the gazetteer's `qpv`, with `value, lower, upper, interval, flag, source, denominator, weight`,
        `weight_base` (`denominator`, or what the weight was made of) and `in_field` (whether the source lists the
        QPV; one that it does not is flagged `unavailable`). `least, most`: between which values it lies, published or
        not (`unpublished.value_ranges`). `weight_sd, tilt_low, tilt_high`: how far the logarithm of its weight may be
        from that of its base (`aggregation.pool`). `people`: the weight that coverage is counted in, known for every
        QPV. `attrs["weight"]` names the weight, `attrs["coverage_base"]` that of coverage.

    Raises
    ------
    ComparabilityError
        Several classes and no total; the message lists them.

    Notes
    -----
    The weight of a rate is its published denominator. Where some QPV have none, theirs is their population times the
    share of the population that the base is in the QPV that have one. Where none has any in this zoning, the base is
    estimated from the relation between it and the rate in the other zoning, if the indicator has denominators there,
    else it is the count that the catalogue names. What these weights may err by is measured where both are published:
    the same base elsewhere, or the bases that the catalogue says are like it (`weight_like`), and the change of the
    population between two years for those that separate the weight from the figure.
    """
    # a class is one whether it is named or stands for what is asked: so are its weights and bounds
    sex, age = one_class(indicator, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    asked = ("quarters", indicator.id, geo_vintage, year, sex, age)
    return store.remembered(
        asked,
        lambda: _quarters_with_values(indicator, geo_vintage=geo_vintage, year=year, sex=sex, age=age),
    )


def _quarters_with_values(indicator: Indicator, *, geo_vintage: int, year: int, sex: str, age: str) -> pd.DataFrame:
    frame = loading.load_observations(
        indicator.id, geo_level="qpv", geo_vintage=geo_vintage, year=year, sex=sex, age=age
    )
    check_one_class(frame, f"{indicator.id} of {year} by QPV")
    sources = frame["source"].astype("str").unique()
    if len(sources) > 1:
        raise UnavailableLevelError(
            f"{indicator.id} of {year} has several sources by QPV: {', '.join(sources)}. Pass one to load_observations."
        )
    rounding = catalogue().rounding(indicator.id, sources[0])
    frame = aggregation.with_bounds(frame, rounding, indicator.range)
    columns = ["geo_code", "source", "value", "lower", "upper", "interval", "flag", "denominator"]
    frame[["flag", "source"]] = frame[["flag", "source"]].astype("str")
    quarters = loading.gazetteer().qpv_in(None, geo_vintage).merge(frame[columns], on="geo_code", how="left")
    quarters["in_field"] = quarters["source"].notna()
    quarters["flag"] = quarters["flag"].fillna("unavailable")
    quarters["interval"] = quarters["interval"].fillna("none")
    people, people_label = nearest_counts("population", quarters["geo_code"], geo_vintage, year)
    if indicator.kind == "rate":
        weights = _weights(indicator, quarters, people, people_label, geo_vintage, year, (sex, age))
    else:
        weights = Weights(people, people_label, "sum" if indicator.kind == "count" else "none")
    quarters = quarters.assign(weight=weights.weight, weight_base=weights.base, weight_sd=weights.sd)
    rule = catalogue().source(sources[0]).withheld
    other_years = _other_years(indicator, quarters["geo_code"], geo_vintage, year, sex, age)
    ranges = unpublished.value_ranges(
        quarters, other_years, limits=indicator.range, rule=rule, counts=indicator.kind == "count"
    )
    quarters = quarters.assign(least=ranges["least"].where(quarters["in_field"]), most=ranges["most"])
    quarters["most"] = quarters["most"].where(quarters["in_field"])
    quarters = quarters.assign(**weights.tilts(quarters))
    if indicator.kind not in aggregation.POOLED_KINDS:
        quarters["weight"] = quarters["denominator"]
    # one base, whatever the territory asked for: a QPV whose inhabitants are not known counts for a usual one
    quarters["people"] = weights.weight.fillna(weights.weight.median()).fillna(1.0)
    coverage_base = weights.base_label if weights.weight.notna().any() else "qpv"
    quarters.attrs = {**frame.attrs, "weight": weights.label, "coverage_base": coverage_base}
    return quarters


def check_one_class(frame: pd.DataFrame, what: str) -> None:
    """Refuse rows of several classes where one value a place is needed.

    Parameters
    ----------
    frame : DataFrame
        Rows of the long table.
    what : str
        What they are, for the message.

    Raises
    ------
    ComparabilityError
        The message lists the classes, and names those that can be asked for.
    """
    several = {name: found for name in CLASSES if len(found := _classes(frame, name)) > 1}
    if several:
        listed = "; ".join(f"{name}: {', '.join(found)}" for name, found in several.items())
        name, found = next(reversed(several.items()))
        raise ComparabilityError(
            f"{what}: one class at a time, and no total is given to stand for them. Classes: {listed}. Pass one, for "
            f"example {name}={found[0]!r}; load_observations(..., {name}=None) gives them all."
        )


def _classes(frame: pd.DataFrame, name: str) -> list[str]:
    return loading.sorted_classes(frame[name].astype("str").unique())


def classes_by_qpv(indicator: Indicator, *, geo_vintage: int, year: int, sex: str, age: str) -> list[tuple[str, str]]:
    """Sex and age of each class that stands for what is asked: one, or every class where there is no total."""
    if AUTO not in (sex, age):
        return [(sex, age)]
    frame = loading.load_observations(
        indicator.id, geo_level="qpv", geo_vintage=geo_vintage, year=year, sex=sex, age=age
    )
    pairs = frame[["sex", "age"]].astype("str").drop_duplicates()
    order = {age: rank for rank, age in enumerate(_classes(frame, "age"))}
    return sorted(pairs.itertuples(index=False, name=None), key=lambda pair: (order[pair[1]], pair[0]))


def one_class(indicator: Indicator, *, geo_vintage: int, year: int, sex: str, age: str) -> tuple[str, str]:
    """Sex and age that stand for what is asked, where one value a QPV is needed.

    Raises
    ------
    ComparabilityError
        Several classes and no total; the message lists them.
    """
    pairs = classes_by_qpv(indicator, geo_vintage=geo_vintage, year=year, sex=sex, age=age)
    check_one_class(pd.DataFrame(pairs, columns=["sex", "age"]).assign(category="_T"), f"{indicator.id} of {year}")
    return pairs[0]


def other_years(indicator: str, geo_code: str, geo_vintage: int, but: int) -> pd.DataFrame:
    """Values of a QPV for other years, oldest first: what is missing in one year may be known in another.

    Examples
    --------
    >>> other_years("poverty_rate", "QP974001", 2015, 2021)["year"].tolist()
    [2016, 2017, 2018, 2019]
    """
    rows = loading.load_observations(indicator, geo_level="qpv", geo_vintage=geo_vintage)
    own = rows[(rows["geo_code"] == geo_code) & rows["value"].notna() & (rows["year"] != but)]
    return own.sort_values("year", ignore_index=True)


def with_extremes(quarters: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The same QPV, those that are withheld between the lowest and the highest values published: the widest bounds.

    Parameters
    ----------
    quarters : DataFrame
        As `quarters_with_values` gives it: all QPV, so that bounds do not depend on the territory asked for.
    kind : str
        Kind of the indicator.

    Returns
    -------
    DataFrame
        `least` and `most` at the extremes where there is no value; never inside the usual range.
    """
    withheld = quarters["value"].isna() & quarters["in_field"]
    lowest, highest = float(quarters["lower"].min()), pd.Series(quarters["upper"].max(), index=quarters.index)
    if kind == "count":
        lowest = 0.0
        highest = (quarters["weight"] * (quarters["value"] / quarters["weight"]).max()).fillna(highest)
    least, most = quarters["least"], quarters["most"]
    return quarters.assign(
        least=least.mask(withheld, least.clip(upper=lowest)),
        most=most.mask(withheld, most.where(most > highest, highest)),
    )


def _other_years(
    indicator: Indicator, codes: pd.Series, geo_vintage: int, year: int, sex: str, age: str
) -> Iterator[pd.Series]:
    """The same figure of the same QPV in other years, nearest first, the earlier of two at the same distance."""
    every = loading.load_observations(indicator.id, geo_level="qpv", geo_vintage=geo_vintage, sex=sex, age=age)
    every = every[(every["year"] != year) & every["value"].notna()]
    years = sorted(every["year"].unique(), key=lambda one: (abs(int(one) - year), one))
    for one in years:
        rows = every[every["year"] == one].drop_duplicates("geo_code")
        yield codes.map(rows.set_index("geo_code")["value"]).astype(float)


@dataclass
class Weights:
    """Weights of QPV, their names, and how far their logarithm may be from that of the base."""

    weight: pd.Series
    base_label: str
    label: str
    base: pd.Series | str = "none"
    estimated: pd.Series | None = None
    error: BaseError = unpublished.NO_ERROR
    centre: float = 0.0

    @property
    def sd(self) -> pd.Series:
        """Spread of each weight, none where it is the base."""
        if self.estimated is None:
            return pd.Series(0.0, index=self.weight.index)
        return pd.Series(self.error.sd, index=self.weight.index).where(self.estimated, 0.0)

    def tilts(self, quarters: pd.DataFrame) -> dict[str, pd.Series]:
        """Error of each weight that goes with the rate itself, at either end of what is known of the relation."""
        if self.estimated is None:
            return dict.fromkeys(("tilt_low", "tilt_high"), pd.Series(0.0, index=self.weight.index))
        middle = quarters["value"].fillna((quarters["least"] + quarters["most"]) / 2)
        away = (middle - self.centre).where(self.estimated, 0.0).fillna(0.0)
        return {"tilt_low": self.error.slope_low * away, "tilt_high": self.error.slope_high * away}


def completed_base(base: pd.Series, value: pd.Series, people: pd.Series, people_label: str) -> Weights:
    """Denominators, and their estimate for the QPV that have none.

    Parameters
    ----------
    base, value : Series
        Denominator and rate of each QPV, missing where they are not published.
    people : Series
        Inhabitants.
    people_label : str
        Their name.

    Returns
    -------
    Weights
        The denominator, else the inhabitants times the share of them that the base is in the QPV that have both.

    Examples
    --------
    >>> households = pd.Series([400.0, 500.0, np.nan])
    >>> found = completed_base(households, pd.Series([40.0, 45.0, 42.0]), pd.Series([1000, 1000, 2000]), "population")
    >>> found.weight.tolist(), found.label
    ([400.0, 500.0, 900.0], 'denominator, 1 estimated from population')
    """
    both, estimated = (base > 0) & (people > 0), base.isna()
    share = base[both].sum() / people[both].sum() if both.any() else float("nan")
    number = int((estimated & value.notna()).sum())
    label = f"denominator, {number} estimated from {people_label}" if number else "denominator"
    error = unpublished.widest([unpublished.base_error((base / people)[both], value[both])])
    named = pd.Series("denominator", index=base.index).mask(estimated, people_label)
    return Weights(base.fillna(people * share), label, label, named, estimated, error, _mean(value, base))


def _weights(
    indicator: Indicator,
    quarters: pd.DataFrame,
    people: pd.Series,
    people_label: str,
    geo_vintage: int,
    year: int,
    classes: tuple[str, str],
) -> Weights:
    """The base of a rate where it is published, else what stands for it."""
    base, value = quarters["denominator"], quarters["value"]
    if base.notna().any():
        return completed_base(base, value, people, people_label)
    slope, error = _errors_seen(indicator, geo_vintage, year, int(people_label.rpartition(" ")[2]), classes)
    if slope is not None:
        weight = people * np.exp(slope * (value.fillna(value.mean()) - value.mean()))
        label = f"denominator estimated from {people_label}"
    else:
        weight, label = _fallback_weight(indicator, quarters["geo_code"], geo_vintage, year, classes)
    estimated = pd.Series(True, index=base.index)
    return Weights(weight, label, label, pd.Series(label, index=base.index), estimated, error, _mean(value, weight))


def _errors_seen(
    indicator: Indicator, geo_vintage: int, year: int, people_year: int, classes: tuple[str, str]
) -> tuple[float | None, BaseError]:
    """How the base of a rate without denominators goes with the rate, where that is known, and what is left unknown.

    Read once, and again when a build or an import changes.
    """
    return _read_errors(store.stamps(), indicator.id, geo_vintage, year, people_year, classes)


@lru_cache(maxsize=128)
def _read_errors(
    stamps: tuple[object, ...],
    indicator_id: str,
    geo_vintage: int,
    year: int,
    people_year: int,
    classes: tuple[str, str],
) -> tuple[float | None, BaseError]:
    indicator = catalogue().indicator(indicator_id)
    slope = None
    own = like_base(indicator, indicator, geo_vintage, year, classes)
    error = unpublished.NO_ERROR if own is None else unpublished.base_error(*own)
    if error.slope_low * error.slope_high > 0:
        # denominators of the other zoning tell how the base goes with the rate: here too, but for a constant
        slope = (error.slope_low + error.slope_high) / 2
        error = BaseError(error.slope_low - slope, error.slope_high - slope, error.sd)
    else:
        likes = [catalogue().indicator(name) for name in indicator.weight_like or _bases_published(indicator)]
        seen = [like_base(like, indicator, geo_vintage, year, classes) for like in likes]
        error = unpublished.widest([unpublished.base_error(*pair) for pair in seen if pair is not None])
    drift = _population_change(indicator, geo_vintage, abs(people_year - year), classes)
    lows, highs = error.slope_low + min(drift.slope_low, 0.0), error.slope_high + max(drift.slope_high, 0.0)
    return slope, BaseError(lows, highs, float(np.hypot(error.sd, drift.sd)))


def _mean(value: pd.Series, weight: pd.Series) -> float:
    used = value.notna() & weight.notna()
    total = weight[used].sum()
    return float((value[used] * weight[used]).sum() / total) if total > 0 else 0.0


def _fallback_weight(
    indicator: Indicator, codes: pd.Series, geo_vintage: int, year: int, classes: tuple[str, str]
) -> tuple[pd.Series, str]:
    """The count that the catalogue names as weight, of the nearest year in the same zoning, or a share of it."""
    if indicator.weight is None:
        raise UnavailableLevelError(
            f"{indicator.id} is published without its denominator, and the catalogue names no fallback weight."
        )
    weight, label = nearest_counts(indicator.weight, codes, geo_vintage, year)
    if indicator.weight_share is None:
        return weight, label
    share, named = nearest_counts(indicator.weight_share, codes, geo_vintage, year, *classes)
    return weight * share.fillna(_mean(share, weight)) / 100, f"{label} x {named}"


def nearest_counts(
    indicator: str, codes: pd.Series, geo_vintage: int, year: int, sex: str = "_T", age: str = "_T"
) -> tuple[pd.Series, str]:
    """A figure by QPV, of the best covered and nearest year in the same zoning, and its name with that year."""
    every = loading.load_observations(indicator, geo_level="qpv", geo_vintage=geo_vintage, sex=sex, age=age)
    nearest = best_covered_year(every, codes, near=year)
    values = every[every["year"] == nearest].drop_duplicates("geo_code").set_index("geo_code")["value"]
    return codes.map(values).astype(float), f"{indicator} {nearest}"


def like_base(
    like: Indicator, indicator: Indicator, geo_vintage: int, year: int, classes: tuple[str, str]
) -> tuple[pd.Series, pd.Series] | None:
    """Base over population of the QPV where `like` has denominators, and the rate of the same QPV.

    In this zoning if it can be, then in the other; of the nearest year. The rate is of this zoning where the other has
    none.

    Parameters
    ----------
    like : Indicator
        Whose denominators are looked at.
    indicator : Indicator
        The rate whose base is not published.
    geo_vintage, year : int
    classes : tuple of str
        Its sex and age.

    Returns
    -------
    tuple of Series, or None
        For `unpublished.base_error`; none where `like` has no denominators by QPV.
    """
    found = [r for r in catalogue().published(like.id) if r["geo_level"] == "qpv"]
    places = {(int(str(r["geo_vintage"])), int(str(r["year"]))) for r in found}
    for zoning, when in sorted(places, key=lambda place: (place[0] != geo_vintage, abs(place[1] - year), place[1])):
        rows = loading.load_observations(like.id, geo_level="qpv", geo_vintage=zoning, year=when)
        rows = rows[rows["denominator"] > 0].drop_duplicates("geo_code")
        if len(rows) < unpublished.LEAST_PAIRS:
            continue
        people, _ = nearest_counts("population", rows["geo_code"], zoning, when)
        ratio = pd.Series((rows["denominator"] / people).to_numpy(), index=rows["geo_code"].to_numpy())
        return ratio, _rate(indicator, zoning if _published(indicator, zoning, classes) else geo_vintage, year, classes)
    return None


def _bases_published(indicator: Indicator) -> list[str]:
    """Where the catalogue does not say what an unknown base is like: every base that is published by QPV."""
    if indicator.weight_is_base:
        return []
    sources = catalogue().sources
    return [
        one.id
        for one in catalogue().indicators.values()
        for series in one.series
        if one.kind == "rate" and series.denominator
        if any(table.geo_level == "qpv" for table in sources[series.source].tables)
    ]


def _population_change(indicator: Indicator, geo_vintage: int, years: int, classes: tuple[str, str]) -> BaseError:
    """How far the population of another year is from that of the figure: the change seen between two that are known.

    The spread grows with the square root of the years, what goes with the rate in proportion to them.
    """
    if not years:
        return unpublished.NO_ERROR
    for zoning in sorted({2015, 2024}, key=lambda one: one != geo_vintage):
        if not _published(catalogue().indicator("population"), zoning, ("_T", "_T")):
            continue
        every = loading.load_observations("population", geo_level="qpv", geo_vintage=zoning)
        table = every.drop_duplicates(["geo_code", "year"]).pivot(index="geo_code", columns="year", values="value")
        first, last = table.columns.min(), table.columns.max()
        if first == last:
            continue
        rate = _rate(indicator, zoning if _published(indicator, zoning, classes) else geo_vintage, int(last), classes)
        change = unpublished.base_error((table[last] / table[first]).dropna(), rate)
        part = years / float(last - first)
        return BaseError(change.slope_low * part, change.slope_high * part, change.sd * part**0.5)
    return unpublished.NO_ERROR


def _published(indicator: Indicator, zoning: int, classes: tuple[str, str]) -> bool:
    """Whether that class of the rate is published by QPV of that zoning."""
    place = ("qpv", zoning, *classes)
    records = catalogue().published(indicator.id)
    return any((r["geo_level"], r["geo_vintage"], r["sex"], r["age"]) == place for r in records)


def _rate(indicator: Indicator, zoning: int, year: int, classes: tuple[str, str]) -> pd.Series:
    """The rate by QPV code, of the nearest year of that zoning."""
    sex, age = classes
    every = loading.load_observations(indicator.id, geo_level="qpv", geo_vintage=zoning, sex=sex, age=age)
    nearest = min(sorted(every["year"].unique()), key=lambda one: abs(int(one) - year))
    rows = every[every["year"] == nearest].drop_duplicates("geo_code")
    return rows.set_index("geo_code")["value"]
