"""Does a predictor say more than "the same everywhere"? Measured, each time, on the published figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante import loading, style
from qpv_sante.errors import QpvSanteError, UnavailableLevelError, UnknownNameError
from qpv_sante.estimation import composition, synthetic, words
from qpv_sante.estimation.rates import Survey, check_predictors, load_survey

VALIDATION_COLUMNS = (
    *("indicator", "predictors", "level", "rates", "n_areas", "correlation", "mae", "mae_constant"),
    *("n_better", "gain", "gain_lower", "gain_upper", "gain_probability"),
    *("error_logit", "direction", "validated", "note"),
)
BOOTSTRAP, BOOTSTRAP_SEED, BOOTSTRAP_LEVEL = 10_000, 0, 0.95
NOTES: dict[str, dict[str, str]] = {
    "unknown": {
        "fr": "aucune source lue ne donne la composition des territoires selon {names} : rien à vérifier",
        "en": "no source read gives the areas' composition by {names}: nothing to check",
    },
    "weak": {
        "fr": "ne fait pas mieux que la constante",
        "en": "no better than the constant",
    },
    "uncertain": {
        "fr": "gain faible et incertain sur la constante : {gain} point [{lower} ; {upper}], mieux dans {better} "
        "territoires sur {areas}, gain positif dans {probability} des tirages de territoires",
        "en": "small and uncertain gain over the constant: {gain} point [{lower}; {upper}], better in {better} areas "
        "of {areas}, positive gain in {probability} of the draws of areas",
    },
    "contradicts": {
        "fr": "place les QPV du côté opposé au contraste publié ({inside} contre {outside}, {survey})",
        "en": "puts QPV on the other side of the published contrast ({inside} against {outside}, {survey})",
    },
    "proxy": {
        "fr": "vérifié sur la situation financière déclarée ; la remplacer par la pauvreté dans les QPV ne l'est pas",
        "en": "checked on declared finances; their replacement by poverty in QPV is not",
    },
}


class UnvalidatedEstimateError(QpvSanteError, ValueError):
    """An estimate whose check does not beat the constant, asked for without saying so."""


def set_name(predictors: Sequence[str]) -> str:
    """Name of a predictor set: `household+finances`."""
    return "+".join(predictors)


def predictor_sets(predictors: Sequence[str]) -> list[tuple[str, ...]]:
    """Each predictor alone, then all of them together.

    Examples
    --------
    >>> predictor_sets(("household", "finances"))
    [('household',), ('finances',), ('household', 'finances')]
    """
    alone: list[tuple[str, ...]] = [(name,) for name in predictors]
    return alone if len(alone) == 1 else [*alone, tuple(predictors)]


def validate(indicator: str, predictors: Sequence[str] = ("finances",), *, lang: str = "fr") -> pd.DataFrame:
    r"""Errors of synthetic estimates where the truth is published, against a constant.

    Parameters
    ----------
    indicator : {"depression_prevalence", "self_perceived_health_good"}
    predictors : sequence of str
        `household`, `activity`, `finances`, `age` for depression; `age` for perceived health.
    lang : {"fr", "en"}
        Language of `note`.

    Returns
    -------
    DataFrame
        Two rows a predictor set (each predictor, then all together), by `rates`: `leave_one_out` predicts
        each region (perceived health: department) of metropolitan France from the others alone, and decides;
        `national` uses the national rates, which hold the area itself. `correlation` of predicted with
        published values, `mae` their mean absolute error and `mae_constant` that of the same value everywhere,
        in points. `n_better` counts the areas where the predictor is nearer than the constant; `gain` is
        `mae_constant` less `mae`, `gain_lower` and `gain_upper` its 95 % interval and `gain_probability` the
        share of positive gains when areas are drawn again with replacement (10,000 draws, fixed seed).
        `error_logit` is the root mean square error on the logit scale, which intervals use.
        `direction` says on which side QPV fall against a published contrast of the indicator (`agrees`,
        `contradicts`, `unknown` where none was published). `validated`: a smaller error than the constant, a
        positive correlation, and no contradiction. It is a rule, not a proof: `note` says when the interval of
        the gain contains 0, and otherwise why a set is not validated.

    Raises
    ------
    UnknownNameError
        A predictor without published rates.
    UnavailableLevelError
        An indicator without an estimation method.

    Notes
    -----
    The errors hold the sampling error of the published value itself, so they are larger than those of the
    estimate. They are errors for whole regions or departments: those for a quarter cannot be measured, and are
    larger (`error_growth`). The bootstrap takes each area's error as it is and draws areas alone.

    Examples
    --------
    >>> check = validate("depression_prevalence", ["finances", "age"])
    >>> national = check[check["rates"] == "national"].set_index("predictors")
    >>> national.loc[["finances", "age"], ["correlation", "mae", "mae_constant"]].round(2)
                correlation   mae  mae_constant
    predictors
    finances           0.48  0.86           1.0
    age               -0.05  1.04           1.0
    """
    names = check_predictors(indicator, predictors)
    return validation_frame(load_survey(indicator), names, lang)


def validation_frame(survey: Survey, predictors: Sequence[str], lang: str) -> pd.DataFrame:
    """`validate` on figures already loaded."""
    language = style.check_lang(lang)
    separator = " ; " if language == "fr" else "; "
    rows = []
    for names in predictor_sets(predictors):
        direction, said = _direction(survey, names, lang)
        for rates in ("leave_one_out", "national"):
            errors = _errors(survey, names, rates)
            better = errors["mae"] < errors["mae_constant"] and errors["correlation"] > 0
            notes = [] if better else [NOTES["weak"][lang]]
            if not errors["n_areas"]:
                unknown = [name for name in names if survey.cells[name].areas is None]
                notes = [NOTES["unknown"][lang].format(names=", ".join(words.NAMES[one][lang] for one in unknown))]
            elif better and errors["gain_lower"] <= 0:
                notes.append(_uncertain(errors, language))
            if errors["n_areas"] and "finances" in names:
                notes.append(NOTES["proxy"][lang])
            row = {"predictors": set_name(names), "rates": rates, "direction": direction, **errors}
            row["validated"] = bool(better and direction != "contradicts")
            row["note"] = style.typography(separator.join(filter(None, [*notes, said])), language)
            rows.append(row)
    frame = pd.DataFrame(rows).assign(indicator=survey.indicator, level=survey.level)
    return frame[list(VALIDATION_COLUMNS)]


def _errors(survey: Survey, names: Sequence[str], rates: str) -> dict[str, float]:
    """Correlation and errors over the areas of metropolitan France."""
    areas = survey.areas.loc[survey.metropolitan]
    country = float(survey.country["value"].iloc[0])
    predicted, base = [], pd.Series(country, index=areas.index)
    for name in names:
        cells = survey.cells[name].areas
        if cells is None:
            unknown = ("correlation", "mae", "mae_constant", *_GAIN, "error_logit")
            return {"n_areas": 0, "n_better": 0, **dict.fromkeys(unknown, float("nan"))}
        if rates == "leave_one_out":
            left_out = synthetic.leave_one_out(cells, areas)
            predicted.append(left_out["predicted"])
            base = left_out["constant"]
        else:
            predicted.append(synthetic.predict(cells, survey.cells[name].national["value"], areas.index))
    both = synthetic.combine([one.to_numpy() / 100 for one in predicted], base.to_numpy() / 100)
    published = areas["value"].to_numpy()
    error = 100 * both - published
    logit_error = synthetic.logit(both) - synthetic.logit(published / 100)
    return {
        "n_areas": len(areas),
        "correlation": float(np.corrcoef(both, published)[0, 1]),
        "mae": float(np.abs(error).mean()),
        "mae_constant": float((base - areas["value"]).abs().mean()),
        **_gain((base - areas["value"]).abs().to_numpy() - np.abs(error)),
        "error_logit": float(np.sqrt((logit_error**2).mean())),
    }


_GAIN = ("gain", "gain_lower", "gain_upper", "gain_probability")


def _gain(by_area: np.ndarray) -> dict[str, float]:
    """What a predictor gains on the constant, with a percentile interval over the areas drawn again."""
    drawn = np.random.default_rng(BOOTSTRAP_SEED).integers(0, len(by_area), (BOOTSTRAP, len(by_area)))
    gains = by_area[drawn].mean(axis=1)
    tail = (1 - BOOTSTRAP_LEVEL) / 2
    lower, upper = np.quantile(gains, [tail, 1 - tail])
    found = (by_area.mean(), lower, upper, (gains > 0).mean())
    return {"n_better": int((by_area > 0).sum()), **dict(zip(_GAIN, map(float, found), strict=True))}


def _uncertain(errors: dict[str, float], lang: style.Lang) -> str:
    ends = {name: errors[f"gain_{name}"] for name in ("lower", "upper")}
    said = {name: style.format_number(value, 2, lang=lang) for name, value in {"gain": errors["gain"], **ends}.items()}
    said["probability"] = style.format_number(100 * errors["gain_probability"], 0, lang=lang, symbol="%")
    return NOTES["uncertain"][lang].format(better=errors["n_better"], areas=errors["n_areas"], **said)


@dataclass(frozen=True)
class Growth:
    """How errors grow from regions to departments, where both are published (perceived health by age).

    Attributes
    ----------
    region, department : float
        Root mean square error of the leave-one-out check on the logit scale.
    steps : int
        Steps from the level of an indicator's check down to the quarter: two from the region, one from the department.
    """

    region: float
    department: float
    steps: int

    @property
    def ratio(self) -> float:
        """Growth over the one step where it is known; never below 1."""
        return max(1.0, self.department / self.region)

    @property
    def factor(self) -> float:
        """What multiplies the error of the check for a quarter."""
        return float(self.ratio**self.steps)


def error_growth(level: str) -> Growth:
    r"""Growth of the error of a synthetic estimate as areas shrink, from the check at `level` to a quarter.

    Parameters
    ----------
    level : {"region", "department"}
        Level of the check.

    Returns
    -------
    Growth

    Notes
    -----
    Perceived health by age is the only case published at two levels. Its departments are added up to the 13
    metropolitan regions, the leave-one-out check is made at both levels, and the ratio r of their errors is
    taken for **each** step down: :math:`r^2` for a check made on regions, r for one made on departments. That
    the step from department to quarter, and depression, behave alike is an assumption that nothing verifies.

    Examples
    --------
    >>> growth = error_growth("region")
    >>> round(growth.region, 3), round(growth.department, 3), round(growth.factor, 2)
    (0.086, 0.11, 1.66)
    """
    survey = load_survey("self_perceived_health_good")
    fine = survey.areas.loc[survey.metropolitan]
    cells = survey.cells["age"].areas
    if cells is None:
        raise UnavailableLevelError("No composition by age of the departments: the growth of errors is unknown.")
    communes = loading.gazetteer().communes
    region = communes.drop_duplicates("department").set_index("department")["region"]
    cells = cells[cells["area"].isin(fine.index)]
    coarse_cells = _add_up(cells.assign(area=cells["area"].map(region)), ["area", "category"])
    coarse = _add_up(cells.assign(area=cells["area"].map(region)), ["area"]).set_index("area")
    errors = []
    for parts, areas in ((coarse_cells, coarse), (cells, fine)):
        found = synthetic.leave_one_out(parts, areas)
        off = synthetic.logit(found["predicted"].to_numpy() / 100) - synthetic.logit(
            found["published"].to_numpy() / 100
        )
        errors.append(float(np.sqrt((off**2).mean())))
    return Growth(errors[0], errors[1], {"region": 2, "department": 1}[level])


def _add_up(cells: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Cells added up, with their rate weighted by persons."""
    sums = cells.assign(cases=cells["n"] * cells["value"]).groupby(by, as_index=False)[["cases", "n"]].sum()
    return sums.assign(value=sums["cases"] / sums["n"])


def constant_error(survey: Survey) -> float:
    """Root mean square error of the constant on the logit scale: what ignorance costs."""
    areas = survey.areas.loc[survey.metropolitan]
    weighted = areas["n"] * areas["value"]
    others = (weighted.sum() - weighted) / (areas["n"].sum() - areas["n"])
    error = synthetic.logit(others.to_numpy() / 100) - synthetic.logit(areas["value"].to_numpy() / 100)
    return float(np.sqrt((error**2).mean()))


def _direction(survey: Survey, names: Sequence[str], lang: str) -> tuple[str, str]:
    """On which side of the country QPV fall, against what a survey published of the same indicator."""
    from qpv_sante.contrasts import load_survey_contrasts

    try:
        found = load_survey_contrasts(survey.indicator, lang=style.check_lang(lang))
    except UnknownNameError:
        return "unknown", ""
    found = found.dropna(subset=["inside", "outside"])
    if found.empty:
        return "unknown", ""
    contrast = found.iloc[0]
    quarters = composition.load_quarters(2015)
    country = survey.country["value"].to_numpy() / 100
    single = []
    for name in names:
        part = composition.shares(name, survey, quarters.frame)
        single.append(part.to_numpy() @ (survey.cells[name].national["value"].to_numpy() / 100))
    estimate = synthetic.combine(single, country)
    known = ~np.isnan(estimate)
    inside = np.average(estimate[known], weights=quarters.frame["population"].to_numpy()[known])
    if np.sign(inside - country[0]) == np.sign(contrast["inside"] - contrast["outside"]):
        return "agrees", ""
    code = style.check_lang(lang)
    ends = {side: style.format_number(contrast[side], 1, lang=code, symbol="%") for side in ("inside", "outside")}
    survey_name = f"{contrast['perimeter']}, {contrast['source']}, {contrast['year']}"
    return "contradicts", NOTES["contradicts"][lang].format(**ends, survey=survey_name)
