"""What the surveys publish, arranged for estimation: rates by category, and the same categories by area.

The only numbers here that no file read carries are the sample sizes and rates by perceived finances
in each region. They come from the tables of the producer's 17 regional reports, as a third party transcribed
them (public repository m4nR3is/odisse-sante-mentale); `finances_by_region.csv` names document and page. What was
checked here is that they add up to the regional samples of the open file, not each cell against its page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import pandas as pd

from qpv_sante import loading
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError, UnknownNameError, did_you_mean

# Predictors in their fixed order: draws and combinations do not depend on the order they are asked in
PREDICTORS: dict[str, tuple[str, ...]] = {
    "depression_prevalence": ("household", "activity", "finances", "age"),
    "self_perceived_health_good": ("age",),
}
BENCHMARKS = {"depression_prevalence": "region", "self_perceived_health_good": "department"}
_HEALTH_AGES = ("Y5T24", "Y25T59", "Y_GE60")


@dataclass(frozen=True)
class Cells:
    """Rates of one predictor's categories.

    Attributes
    ----------
    national : DataFrame
        Index: the categories. `value, lower, upper` in percent, `n` (persons asked, or counted).
    areas : DataFrame or None
        `area, category, value, n` for each area; None where no source gives the areas' composition.
    """

    national: pd.DataFrame
    areas: pd.DataFrame | None


@dataclass(frozen=True)
class Survey:
    """One survey's figures of an indicator.

    Attributes
    ----------
    indicator, level : str
        `level` is the finest published one, at which estimates can be benchmarked.
    year : int
    country : DataFrame
        One row: `value, lower, upper`.
    areas : DataFrame
        Index: codes. `value, lower, upper, n`; the value is missing where a cell is withheld.
    cells : dict of str to Cells
        By predictor.
    sources : tuple of str
        Editions.
    """

    indicator: str
    level: str
    year: int
    country: pd.DataFrame
    areas: pd.DataFrame
    cells: dict[str, Cells]
    sources: tuple[str, ...]

    @property
    def metropolitan(self) -> pd.Index:
        """Codes of the areas with a value in metropolitan France, where the check is made."""
        known = self.areas.index[self.areas["value"].notna()]
        overseas = known.str.startswith("0") if self.level == "region" else known.str.len() > 2
        return known[~overseas]


def check_estimable(indicator: str) -> str:
    """The indicator itself, or an error that lists those that can be estimated.

    Raises
    ------
    UnknownNameError
        Not in the catalogue.
    UnavailableLevelError
        In the catalogue, without an estimation method.
    """
    catalogue().indicator(indicator)
    if indicator not in PREDICTORS:
        raise UnavailableLevelError(
            f"No estimation method for {indicator}. Estimable: {', '.join(PREDICTORS)}. "
            f"Others are read with qs.load_observations({indicator!r}) at the levels where they are published."
        )
    return indicator


def check_predictors(indicator: str, predictors: Sequence[str]) -> tuple[str, ...]:
    """The predictors in their fixed order, each once.

    Raises
    ------
    UnknownNameError
        None given, or one without published rates for this indicator; the message lists those that have.

    Examples
    --------
    >>> check_predictors("depression_prevalence", ["finances", "household"])
    ('household', 'finances')
    """
    valid = PREDICTORS[check_estimable(indicator)]
    asked = (predictors,) if isinstance(predictors, str) else tuple(predictors)
    unknown = [name for name in asked if name not in valid]
    if unknown or not asked:
        every = sorted({name for names in PREDICTORS.values() for name in names})
        why = (
            f"no source read gives {indicator} by {', '.join(unknown)}"
            if set(unknown) <= set(every) and unknown
            else f"unknown predictors {unknown}. {did_you_mean(unknown[0], every).removesuffix('.')}"
            if unknown
            else "no predictor given"
        )
        raise UnknownNameError(f"{indicator}: {why}. Pass predictors among {valid!r}.")
    return tuple(name for name in valid if name in asked)


def load_survey(indicator: str) -> Survey:
    """The survey figures that an indicator's estimates rest on.

    Parameters
    ----------
    indicator : str
        An estimable indicator.

    Returns
    -------
    Survey
    """
    return _depression() if check_estimable(indicator) == "depression_prevalence" else _perceived_health()


def regional_finances() -> pd.DataFrame:
    """Declared depression by perceived finances and region, as printed in the regional reports of 2024.

    Returns
    -------
    DataFrame
        `region, category, n` (persons asked), `value, lower, upper` (percent), `document, page`.

    Examples
    --------
    >>> table = regional_finances()
    >>> len(table), int(table.loc[table["region"] == "76", "n"].sum())
    (68, 2565)
    """
    path = files("qpv_sante") / "estimation" / "finances_by_region.csv"
    with path.open("r", encoding="utf-8") as stream:
        return pd.read_csv(stream, dtype={"region": "str"})


def _depression() -> Survey:
    name, year = "depression_prevalence", 2024
    columns = ["value", "lower", "upper", "n"]
    country = loading.load_observations(name, geo_level="country", year=year, sex=None, age=None, category=None)
    regions = loading.load_observations(name, geo_level="region", year=year, sex=None, age=None)
    sources = tuple(dict.fromkeys([*country["source"].astype("str"), *regions["source"].astype("str")]))
    parts = [country, regions]
    country, regions = (frame.astype({"sex": "str", "age": "str", "category": "str"}) for frame in parts)
    everyone = country[(country["sex"] == "_T") & (country["age"] == "_T")]
    cells = {}
    for predictor in ("household", "activity", "finances"):
        of = everyone[everyone["category"].str.startswith(predictor + ":")]
        cells[predictor] = Cells(of.set_index("category")[columns], None)
    reports = regional_finances().rename(columns={"region": "area"})
    cells["finances"] = Cells(cells["finances"].national, reports[["area", "category", "value", "n"]])
    crossed = []
    for frame in (country[country["category"] == "_T"], regions):
        by_sex = frame[(frame["sex"] != "_T") & (frame["age"] != "_T")]
        crossed.append(by_sex.assign(category=by_sex["sex"] + ":" + by_sex["age"], area=by_sex["geo_code"]))
    cells["age"] = Cells(crossed[0].set_index("category")[columns], crossed[1][["area", "category", "value", "n"]])
    total = regions[(regions["sex"] == "_T") & (regions["age"] == "_T")]
    return Survey(
        indicator=name,
        level="region",
        year=year,
        country=everyone.loc[everyone["category"] == "_T", columns],
        areas=total.set_index("geo_code")[columns],
        cells=cells,
        sources=sources,
    )


def _perceived_health() -> Survey:
    name, year = "self_perceived_health_good", 2021
    frame = loading.load_observations(name, geo_level="department", year=year, age=None)
    frame = frame.astype({"age": "str", "source": "str"})[["geo_code", "age", "value", "denominator", "source"]]
    frame = frame.set_axis(["area", "category", "value", "people", "source"], axis=1)
    known = frame.dropna(subset=["value"])

    def pooled(by: str) -> pd.DataFrame:
        parts = known.assign(good=known["value"] * known["people"]).groupby(by)[["good", "people"]].sum()
        return pd.DataFrame({"value": parts["good"] / parts["people"], "n": parts["people"]})

    empty = {"lower": float("nan"), "upper": float("nan")}
    national = pooled("category").reindex(list(_HEALTH_AGES)).assign(**empty)
    areas = pooled("area").reindex(sorted(frame["area"].unique())).assign(**empty)
    # a total without one of its ages would be that of another population
    complete = known.groupby("area")["category"].nunique().reindex(areas.index) == len(_HEALTH_AGES)
    areas.loc[~complete.fillna(False), ["value", "n"]] = float("nan")
    by_age = known.rename(columns={"people": "n"})[["area", "category", "value", "n"]]
    by_age = by_age[by_age["area"].isin(areas.index[areas["value"].notna()])]
    whole = (national["value"] * national["n"]).sum() / national["n"].sum()
    return Survey(
        indicator=name,
        level="department",
        year=year,
        country=pd.DataFrame({"value": [whole], **{key: [value] for key, value in empty.items()}}),
        areas=areas,
        cells={"age": Cells(national, by_age)},
        sources=tuple(frame["source"].unique()),
    )
