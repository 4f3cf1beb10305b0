"""Synthetic estimates by QPV of what is not published by QPV, with their check: `estimate`.

Depression and perceived health are known for regions and departments at the finest. What open data allow
is to weight the rates of social categories by the composition of each quarter. The result is a model's
answer under stated assumptions, never a measure.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante import loading, observations, store, style
from qpv_sante.arguments import checked
from qpv_sante.errors import UnavailableLevelError, UnknownNameError, did_you_mean
from qpv_sante.estimation import composition, synthetic, words
from qpv_sante.estimation.composition import Quarters
from qpv_sante.estimation.rates import BENCHMARKS, Survey, check_estimable, check_predictors, load_survey
from qpv_sante.estimation.validation import (
    UnvalidatedEstimateError,
    constant_error,
    error_growth,
    predictor_sets,
    set_name,
    validate,
    validation_frame,
)
from qpv_sante.territories import Territory

__all__ = ["MIN_POPULATION", "UnvalidatedEstimateError", "estimate", "validate"]

log = logging.getLogger(__name__)

# A QPV has 1,000 inhabitants at least when it is drawn; below, census shares rest on too few people
MIN_POPULATION = 1000
ESTIMATE_COLUMNS = (
    *observations.COLUMNS,
    *("label", "predictors", "n_predictors", "spread", "benchmark", "validated"),
    *("population", "assumption", "reason"),
)
# Beyond, an area's published value is not what its composition makes expect; metropolitan ones are from 0.90 to 1.14
FACTOR_BOUNDS = (0.8, 1.25)
_FINEST = "finest"


@dataclass(frozen=True)
class _Area:
    """The published values estimates are benchmarked to: one row an area, one column a draw."""

    published: pd.DataFrame
    draws: np.ndarray


@dataclass(frozen=True)
class _Single:
    """Synthetic rates under one predictor: of every QPV and, where it is known, of every area."""

    value: np.ndarray
    draws: np.ndarray
    area_value: np.ndarray | None
    area_draws: np.ndarray | None


@checked
@store.one_build()
def estimate(
    indicator: str,
    *,
    geo_vintage: int = 2015,
    territory: str | Territory | None = None,
    predictors: Sequence[str] = ("household", "activity", "finances"),
    benchmark: str | None = _FINEST,
    draws: int = 2000,
    seed: int = 0,
    allow_unvalidated: bool = False,
    level: float = 0.95,
    lang: str = "fr",
) -> pd.DataFrame:
    r"""Synthetic estimate, by QPV, of a health indicator that is not published by QPV.

    Parameters
    ----------
    indicator : {"depression_prevalence", "self_perceived_health_good"}
    geo_vintage : int
        Zoning of the QPV, 2015 or 2024 (which lacks single parents and ages).
    territory : str, optional
        A name or typed code; all of France by default.
    predictors : sequence of str
        What residents are known by: `household`, `activity`, `finances` (through poverty), `age`. Each gives
        an estimate, and several together one more. Perceived health is published by `age` only.
    benchmark : {"finest", "region", "department"} or None
        Area whose published value must be returned: `finest` is the region for depression, the department
        for perceived health. None leaves the national rates as they are. A level asked for by name that
        cannot be applied is an error, or beside other sets a warning and a `reason`; `finest` leaves it out.
    draws : int
        Monte Carlo draws behind the interval.
    seed : int
        The same seed gives the same interval, whatever the territory and the order of the predictors.
    allow_unvalidated : bool
        Also return estimates whose check does not beat the constant, and those of QPV outside the check (it
        covers metropolitan France only), with a warning. Without it they are flagged `unavailable`, and
        asking for no validated predictor set is an error.
    level : float
        Confidence level of the interval.
    lang : {"fr", "en"}
        Language of `assumption` and `reason`.

    Returns
    -------
    DataFrame
        One row a QPV and predictor set: columns of the long table (value in percent, `flag` "estimated",
        `interval` "model"; an estimate that cannot be made is missing, flagged `unavailable`), then `label` ("estimate,
        not measured", on every row so that exports keep it), `predictors`,
        `n_predictors`, `spread` (largest less smallest value of the QPV over single predictors, before
        benchmark, in points; missing with fewer than two), `benchmark` (area, empty if none), `validated`
        (false overseas, whatever the predictors), `population`, `assumption`, `reason` (why an estimate is missing or
        must be doubted; else empty).
        `attrs`: `label`; `validation`, the records of `validate`'s frame (`pd.DataFrame(attrs["validation"])`);
        `assumptions`, in `fr` and `en`; `benchmark`, one record an area and set, with the factor and what it
        implies for the rest of the area; `error_growth`, what the check's error is multiplied by; `min_population`.

    Raises
    ------
    UnavailableLevelError
        No estimation method, zoning or published value at that level, no QPV in the territory, or a benchmark
        asked for by name that no predictor set can have.
    UnknownNameError
        Unknown indicator, predictor, benchmark or territory.
    UnvalidatedEstimateError
        No predictor set passes its check; the message gives the errors.
    InvalidInputError
        `draws`, `seed` or `level` out of range.

    Notes
    -----
    With :math:`w_{qk}` the share of category k among the people of QPV q and :math:`r_k` its national rate,
    :math:`s_q = \sum_k w_{qk} r_k`. With several predictors, effects are added on the logit scale, as if
    the predictors were independent (`synthetic.combine` says why).

    Benchmark: the published value :math:`P_a` is that of the whole area, not of its QPV. The synthetic rate
    of the whole area, :math:`s_a`, is computed from the area's own composition, and

    .. math:: \hat p_q = s_q \, P_a / s_a .

    The ratio is linear: for any division of the area whose synthetic rates add up to :math:`s_a` (the QPV
    and the rest), the estimates weighted by population add up to :math:`P_a` exactly. This is an identity: the
    value of the rest, in `attrs["benchmark"]`, follows from the published one, so that the sum checks nothing. The
    weights are the populations of all ages, whereas the rates are those of the survey's ages (18-79 for
    depression). A factor outside 0.8 to 1.25 (metropolitan regions: 0.90 to 1.14) is told by a warning. The composition
    of regions is known by sex and age (file), and by perceived finances (printed reports); by household and activity
    it is not, and these estimates are left without benchmark.

    Interval: quantiles of draws in which the published rates vary by their published limits (normal on the
    logit scale) and the QPV's value by the root mean square error e of the leave-one-out check (that of the
    constant where there is nothing to check), which is that of whole regions or departments, times the factor f of
    `validation.error_growth`: e shared by the QPV, and an error of standard deviation
    :math:`e \sqrt{f^2 - 1}` of each QPV's own. Departmental figures of perceived health have no published
    interval: only the second part remains. Intervals that overlap do not prove that quarters are alike.

    References
    ----------
    Ardilly P., Economie et Statistique 483-485, 2016, on communal estimates. Chauvin et al. 2019,
    doi:10.1016/j.respe.2018.12.021, on ecological bias for these outcomes. Zhang X. et al. 2014,
    doi:10.1093/aje/kwu018, on the better method that individual answers allow.

    Examples
    --------
    >>> figures = estimate("depression_prevalence", predictors=["finances"], territory="Béziers", lang="en")
    >>> figures[["geo_code", "value", "flag", "benchmark"]].round(1)
       geo_code  value       flag  benchmark
    0  QP034001   24.4  estimated  region:76
    1  QP034002   25.8  estimated  region:76
    2  QP034003   25.2  estimated  region:76
    """
    lang = style.check_lang(lang)
    names = check_predictors(indicator, predictors)
    target = _check_benchmark(indicator, benchmark)
    _check_numbers(level)
    places = loading.gazetteer()
    place = places.resolve(territory)
    quarters = composition.load_quarters(geo_vintage)
    wanted = places.qpv_in(place, geo_vintage)["geo_code"]
    if wanted.empty:
        where = f"{place.name} ({place.key})" if place else "France"
        raise UnavailableLevelError(
            f"{where}: no QPV of the {geo_vintage} zoning in the files read, nothing to estimate."
        )
    kept = quarters.frame.index.isin(wanted)
    # drawn for the whole zoning, so that a QPV has the same interval whatever the territory
    own_noise = synthetic.standard_noise(len(kept), draws, [seed, 103])[kept]
    quarters = Quarters(quarters.frame[kept], quarters.flags[kept], quarters.sources)
    survey = load_survey(indicator)
    checks = validation_frame(survey, names, lang)
    deciding = checks[checks["rates"] == "leave_one_out"].set_index("predictors")
    _check_validated(indicator, deciding, allow_unvalidated)
    _check_applicable(names, survey, None if benchmark == _FINEST else target)
    outside = ~quarters.frame[survey.level].isin(survey.metropolitan)
    growth = error_growth(survey.level)
    areas = _Area(survey.areas, synthetic.draw_rates(survey.areas, draws, [seed, 100]))
    country = synthetic.draw_rates(survey.country, draws, [seed, 101])
    noise = np.random.default_rng([seed, 102]).standard_normal(draws)
    single = {
        name: _single(name, survey, quarters, draws, [seed, number])
        for number, name in enumerate(composition.NEEDS)
        if name in names
    }
    frames, factors = [], []
    for combined in predictor_sets(names):
        check = deciding.loc[set_name(combined)]
        about = {"predictors": set_name(combined), "n_predictors": len(combined), "validated": bool(check["validated"])}
        about |= {"source": _sources(combined, survey, quarters), "label": words.LABEL[lang]}
        if not (about["validated"] or allow_unvalidated):
            reason = words.REASONS["unvalidated"][lang].format(note=check["note"])
            assumed = words.assumption_of(combined, survey.level, False, False, "", lang)
            empty = pd.DataFrame({"value": np.nan, "bare": np.nan}, index=quarters.frame.index)
            frames.append(empty.assign(reason=style.typography(reason, lang), assumption=assumed, **about))
            continue
        error = check["error_logit"] if np.isfinite(check["error_logit"]) else constant_error(survey)
        bare, value, drawn, factor = _combined(
            [single[name] for name in combined], survey, areas, country, quarters, target, combined
        )
        off = error * (noise + np.sqrt(growth.factor**2 - 1) * own_noise)
        lower, upper = synthetic.percentile_limits(synthetic.expit(synthetic.logit(drawn) + off), level)
        reason = _reasons(combined, quarters, value, lang)
        doubt = _doubts(combined, survey, quarters, outside, factor, target, benchmark, allow_unvalidated, lang)
        if not allow_unvalidated:
            reason = reason.mask((reason == "") & outside, doubt)
        about["validated"] = about["validated"] & ~outside
        frame = pd.DataFrame({"value": 100 * value, "lower": 100 * lower, "upper": 100 * upper}, index=reason.index)
        frame["lower"], frame["upper"] = frame.min(axis=1), frame.max(axis=1)
        frame["bare"] = 100 * bare
        frame[reason != ""] = np.nan
        if factor is not None:
            frame["benchmark"] = f"{target}:" + quarters.frame[str(target)]
            factors += _benchmark_records(combined, factor, survey, frame, quarters)
        reason = reason.mask(reason == "", doubt)
        said = str(check["note"]) if check["validated"] else ""
        assumed = words.assumption_of(combined, survey.level, factor is not None, target is not None, said, lang)
        frames.append(frame.assign(reason=reason, assumption=assumed, **about))
    result = _assemble(frames, survey, quarters, geo_vintage)
    _warn_of_values(indicator, result, outside, factors)
    codes: tuple[style.Lang, style.Lang] = ("fr", "en")
    result.attrs = {
        "indicator": indicator,
        "label": words.LABEL[lang],
        "validation": checks.to_dict("records"),
        "assumptions": {
            code: words.common_assumptions(indicator, survey.level, code, ratio=growth.ratio, factor=growth.factor)
            for code in codes
        },
        "error_growth": {
            **{"region": growth.region, "department": growth.department},
            **{"ratio": growth.ratio, "steps": growth.steps, "factor": growth.factor},
        },
        "benchmark": factors,
        "min_population": MIN_POPULATION,
        "level": level,
    }
    return result


def _check_benchmark(indicator: str, benchmark: str | None) -> str | None:
    finest = BENCHMARKS[check_estimable(indicator)]
    if benchmark is None or benchmark in (_FINEST, finest):
        return None if benchmark is None else finest
    valid = (_FINEST, "region", "department")
    if benchmark not in valid:
        raise UnknownNameError(f"Unknown benchmark {benchmark!r}. {did_you_mean(benchmark, valid)} Or None.")
    raise UnavailableLevelError(
        f"no total of {indicator} by {benchmark} is read; pass benchmark={finest!r}, or None for none."
    )


def _check_applicable(names: tuple[str, ...], survey: Survey, asked: str | None) -> None:
    """Refuse a benchmark asked for by name that no set can have; warn where only some can."""
    sets = predictor_sets(names)
    without = [combined for combined in sets if any(survey.cells[name].areas is None for name in combined)]
    if asked is None or not without:
        return
    listed = ", ".join(set_name(combined) for combined in without)
    said = f"{survey.indicator}: benchmark={asked!r} cannot be applied to {listed}: no source read gives the areas' "
    if len(without) == len(sets):
        raise UnavailableLevelError(said + "composition by these predictors. Pass benchmark=None.")
    warnings.warn(said + "composition; these estimates are not benchmarked.", UserWarning, stacklevel=5)


def _warn_of_values(indicator: str, result: pd.DataFrame, outside: pd.Series, factors: list[dict[str, object]]) -> None:
    """Warn of values outside the check, and of areas whose factor lies far from 1."""
    known = result["value"].notna() & result["geo_code"].isin(outside.index[outside])
    if known.any():
        n = result.loc[known, "geo_code"].nunique()
        text = f"{indicator}: {n} QPV lie outside the check, which covers metropolitan France only."
        warnings.warn(f"{text} Their estimates are not validated.", UserWarning, stacklevel=5)
    low, high = FACTOR_BOUNDS
    far = [f"{one['area']} ({one['predictors']}: {one['factor']:.2f})" for one in factors if one["far"]]
    if far:
        text = (
            f"{indicator}: benchmark factor outside {low} to {high}, the assumptions do not hold in: {', '.join(far)}."
        )
        warnings.warn(text, UserWarning, stacklevel=5)


def _doubts(
    names: tuple[str, ...],
    survey: Survey,
    quarters: Quarters,
    outside: pd.Series,
    factor: pd.DataFrame | None,
    target: str | None,
    asked: str | None,
    allowed: bool,
    lang: style.Lang,
) -> pd.Series:
    """What makes an estimate doubtful though it can be made: outside the check, benchmark far or not applied."""
    areas = words.AREAS[survey.level][lang]
    parts = pd.DataFrame(index=quarters.frame.index)
    said = words.REASONS["outside"][lang].format(n=len(survey.metropolitan), areas=areas)
    parts["outside"] = outside.map({True: said + ("" if allowed else words.REASONS["on_demand"][lang]), False: ""})
    if factor is not None:
        of_area = quarters.frame[survey.level].map(factor["factor"])
        texts = of_area.map(
            lambda one: words.REASONS["far_factor"][lang].format(factor=style.format_number(one, 2, lang=lang))
        )
        parts["far"] = texts.where(_far(of_area), "")
    elif target is not None and asked != _FINEST:
        unknown = ", ".join(words.NAMES[name][lang] for name in names if survey.cells[name].areas is None)
        parts["bare"] = words.REASONS["not_benchmarked"][lang].format(areas=areas, names=unknown)
    joined = parts.apply(
        lambda row: "; ".join(filter(None, row)) if lang == "en" else " ; ".join(filter(None, row)), axis=1
    )
    return joined.map(lambda text: style.typography(text, lang))


def _far(factor: pd.Series) -> pd.Series:
    return factor.notna() & ~factor.between(*FACTOR_BOUNDS)


def _check_numbers(level: float) -> None:
    from qpv_sante.intervals.columns import check_level

    check_level(level)


def _check_validated(indicator: str, checks: pd.DataFrame, allowed: bool) -> None:
    """Refuse when no set passes its check; warn when some are asked for all the same."""
    failing = checks[~checks["validated"]]
    said = "; ".join(
        f"{name}: {row.note}" + (f" (MAE {row.mae:.2f} against {row.mae_constant:.2f})" if row.n_areas else "")
        for name, row in zip(failing.index, failing.itertuples(), strict=True)
    )
    if allowed and len(failing):
        warnings.warn(f"{indicator}: estimates without a passed check. {said}", UserWarning, stacklevel=5)
    elif len(failing) == len(checks):
        raise UnvalidatedEstimateError(
            f"{indicator}: no predictor set passes its check. {said}. allow_unvalidated=True gives the estimates, "
            "which must then not be presented as better than the area's published value."
        )
    elif len(failing):
        log.info("%s: withheld, the check is not passed: %s", indicator, said)


def _single(name: str, survey: Survey, quarters: Quarters, draws: int, seed: list[int]) -> _Single:
    """Synthetic rates of the QPV and of the areas under one predictor."""
    cells = survey.cells[name]
    rates = cells.national["value"].to_numpy() / 100
    drawn = synthetic.draw_rates(cells.national, draws, seed)
    if any(need not in quarters.frame for need in composition.NEEDS[name]):
        size = len(quarters.frame)
        value, varied = np.full(size, np.nan), np.full((size, draws), np.nan)
    else:
        share = composition.shares(name, survey, quarters.frame).to_numpy()
        value, varied = share @ rates, share @ drawn
    if cells.areas is None:
        return _Single(value, varied, None, None)
    whole = synthetic.composition_of(cells.areas, survey.areas.index, cells.national.index).to_numpy()
    return _Single(value, varied, whole @ rates, whole @ drawn)


def _combined(
    parts: list[_Single],
    survey: Survey,
    areas: _Area,
    country: np.ndarray,
    quarters: Quarters,
    target: str | None,
    names: tuple[str, ...],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.DataFrame | None]:
    """Value before and after benchmark and draws of each QPV under a predictor set, and the areas' factors if any."""
    base = survey.country["value"].to_numpy() / 100
    value = synthetic.combine([part.value for part in parts], base)
    drawn = synthetic.combine([part.draws for part in parts], country)
    of_areas = [(part.area_value, part.area_draws) for part in parts]
    if target is None or any(one is None for one, _ in of_areas):
        return value, value, drawn, None
    whole = synthetic.combine([one for one, _ in of_areas if one is not None], base)
    whole_drawn = synthetic.combine([one for _, one in of_areas if one is not None], country)
    published = areas.published["value"].to_numpy() / 100
    factor = pd.DataFrame({"synthetic": whole, "factor": published / whole}, index=areas.published.index)
    # an area without a published value (Mayotte, a department under secrecy) has no factor, nor its QPV an estimate
    place = factor.index.get_indexer(quarters.frame[target])
    found = (place >= 0)[:, None]
    drawn = drawn * np.where(found, (areas.draws / whole_drawn)[place], np.nan)
    return value, value * np.where(found[:, 0], factor["factor"].to_numpy()[place], np.nan), drawn, factor


def _reasons(names: tuple[str, ...], quarters: Quarters, value: np.ndarray, lang: style.Lang) -> pd.Series:
    """Why a QPV has no estimate; empty where it has one."""
    people = quarters.frame["population"]
    reason = pd.Series("", index=people.index)
    reason[np.isnan(value)] = words.REASONS["benchmark"][lang]
    for name in reversed(names):
        missing = composition.missing_because(name, quarters, lang)
        reason = missing.where(missing != "", reason)
    floor = style.format_number(MIN_POPULATION, 0, lang=lang)
    reason[people < MIN_POPULATION] = words.REASONS["floor"][lang].format(floor=floor)
    reason[people.isna()] = words.REASONS["population"][lang]
    return reason.map(lambda text: style.typography(text, lang))


def _benchmark_records(
    names: tuple[str, ...], factor: pd.DataFrame, survey: Survey, frame: pd.DataFrame, quarters: Quarters
) -> list[dict[str, object]]:
    """What the benchmark implies for each area: its QPV, its rest, and their sum, equal by construction."""
    communes = loading.gazetteer().communes
    people = communes.groupby(survey.level)["population"].sum()
    known = frame["value"].notna()
    weight = quarters.frame["population"].where(known)
    code = quarters.frame[survey.level]
    inside = weight.groupby(code).sum()
    mean = (weight * frame["value"]).groupby(code).sum() / inside
    records: list[dict[str, object]] = []
    for area in mean.dropna().index:
        share = float(inside[area] / people[area])
        published, ratio = float(survey.areas["value"][area]), float(factor["factor"][area])
        whole = 100 * float(factor["synthetic"][area])
        rest = (whole - share * mean[area] / ratio) / (1 - share) * ratio
        records.append(
            {
                "predictors": set_name(names),
                "area": f"{survey.level}:{area}",
                "published": published,
                "synthetic": whole,
                "factor": ratio,
                "far": not FACTOR_BOUNDS[0] <= ratio <= FACTOR_BOUNDS[1],
                "qpv_share": share,
                "qpv_value": float(mean[area]),
                "rest_value": float(rest),
                "aggregate": float(share * mean[area] + (1 - share) * rest),
            }
        )
    return records


def _sources(names: tuple[str, ...], survey: Survey, quarters: Quarters) -> str:
    """Editions behind an estimate, in the form that `cite` reads."""
    measured = [
        quarters.sources[need] for name in names for need in composition.NEEDS[name] if need in quarters.sources
    ]
    return ", ".join(dict.fromkeys([*survey.sources, *measured]))


def _assemble(frames: list[pd.DataFrame], survey: Survey, quarters: Quarters, geo_vintage: int) -> pd.DataFrame:
    """The sets one under the other, QPV by QPV, in the form of the long table."""
    # before benchmark: only some predictors have one, and it would pass for a difference between them
    alone = pd.concat([f["bare"] for f in frames if f["n_predictors"].iloc[0] == 1], axis=1)
    spread = (alone.max(axis=1) - alone.min(axis=1)).where(alone.notna().sum(axis=1) > 1)
    stacked = pd.concat([frame.assign(order=number) for number, frame in enumerate(frames)])
    stacked = stacked.rename_axis("geo_code").reset_index().sort_values(["geo_code", "order"], ignore_index=True)
    known = stacked["value"].notna()
    stacked = stacked.assign(
        indicator=survey.indicator,
        geo_level="qpv",
        geo_vintage=geo_vintage,
        year=survey.year,
        flag=np.where(known, "estimated", "unavailable"),
        interval=np.where(known, "model", "none"),
        spread=stacked["geo_code"].map(spread),
        population=stacked["geo_code"].map(quarters.frame["population"]),
    )
    if "benchmark" not in stacked:
        stacked["benchmark"] = ""
    stacked["benchmark"] = stacked["benchmark"].fillna("")
    result = observations.tidy(stacked)
    extras = [name for name in ESTIMATE_COLUMNS if name not in observations.COLUMNS]
    return result.assign(**{name: stacked[name] for name in extras})[list(ESTIMATE_COLUMNS)]
