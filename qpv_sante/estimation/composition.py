"""What is known of each QPV's people, turned into shares of the surveys' categories.

Each rule is a stated assumption: no file read gives the categories of the surveys by QPV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from qpv_sante import loading
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import UnavailableLevelError
from qpv_sante.estimation.rates import Survey
from qpv_sante.observations import FLAG_LABELS, MISSING_FLAGS

# The year of each measure, by zoning: the last one with few withheld QPV (poverty of 2021 is withheld in one of five)
INPUTS: dict[int, dict[str, int]] = {
    2015: {
        "poverty_rate": 2019,
        "single_parent_recipient_share": 2020,
        "one_person_household_share": 2022,
        "employment_rate": 2022,
        "under_25_share": 2022,
        "over_60_share": 2022,
        "population": 2018,
    },
    2024: {"poverty_rate": 2021, "one_person_household_share": 2020, "employment_rate": 2020, "population": 2020},
}
NEEDS: dict[str, tuple[str, ...]] = {
    "household": ("one_person_household_share", "single_parent_recipient_share"),
    "activity": ("employment_rate",),
    "finances": ("poverty_rate",),
    "age": ("under_25_share", "over_60_share"),
}
# Adults of a household, by type: one adult alone or with children, two in any other
ADULTS = {"household:one_person": 1.0, "household:single_parent": 1.0, "other": 2.0}


@dataclass(frozen=True)
class Quarters:
    """The QPV of a zoning and what is measured in them.

    Attributes
    ----------
    frame : DataFrame
        Index: codes. The gazetteer's columns, and one column a measure, in its unit.
    flags : DataFrame
        Index: codes. The flag of each measure.
    sources : dict of str to str
        The edition of each measure.
    """

    frame: pd.DataFrame
    flags: pd.DataFrame
    sources: dict[str, str]


def load_quarters(geo_vintage: int) -> Quarters:
    """Every QPV of a zoning, with the measures that compositions are made of.

    Parameters
    ----------
    geo_vintage : int
        2015 or 2024.

    Returns
    -------
    Quarters

    Raises
    ------
    UnavailableLevelError
        No such zoning.
    """
    if geo_vintage not in INPUTS:
        raise UnavailableLevelError(f"No QPV zoning of {geo_vintage}. Zonings: {', '.join(map(str, INPUTS))}.")
    frame = loading.gazetteer().qpv_in(None, geo_vintage).set_index("geo_code").sort_index()
    flags, sources = pd.DataFrame(index=frame.index), {}
    for indicator, year in INPUTS[geo_vintage].items():
        rows = loading.load_observations(indicator, geo_level="qpv", geo_vintage=geo_vintage, year=year)
        rows = rows.set_index("geo_code")
        frame[indicator] = rows["value"].reindex(frame.index)
        flags[indicator] = rows["flag"].astype("str").reindex(frame.index).fillna("unavailable")
        sources[indicator] = str(rows["source"].iloc[0])
    return Quarters(frame, flags, sources)


def shares(predictor: str, survey: Survey, measures: pd.DataFrame) -> pd.DataFrame:
    r"""Shares of a predictor's categories among the people of each QPV.

    Parameters
    ----------
    predictor : str
        `household`, `activity`, `finances` or `age`.
    survey : Survey
        Gives the categories, and the country's split where the QPV's own is unknown.
    measures : DataFrame
        One row a QPV, columns of `NEEDS[predictor]`, in percent.

    Returns
    -------
    DataFrame
        One row a QPV, one column a category, of sum 1; missing where a measure is.

    Notes
    -----
    With :math:`n_k` the persons asked in category k in the country, and measures as proportions:

    - finances: "difficult" = poverty p; the others (1 - p), in proportion to :math:`n_k`;
    - activity: retired = :math:`\rho`, the country's share; employed = :math:`(1 - \rho) e`, with e the
      employment rate at 15-64; the others :math:`(1 - \rho)(1 - e)`, in proportion to :math:`n_k`;
    - household: households in proportion to one-person w, single parents min(s, 1 - w), others the rest,
      turned into adults (1, 1 and 2 a household), the others in proportion to :math:`n_k`;
    - age: people spread evenly within 0-24 and 25-59, those of 60 and over as the country's; the sexes as the
      country's at each age.

    Examples
    --------
    >>> from qpv_sante.estimation.rates import load_survey
    >>> poor = pd.DataFrame({"poverty_rate": [40.0]}, index=["QP034001"])
    >>> shares("finances", load_survey("depression_prevalence"), poor).round(2).to_dict("list")
    {'finances:comfortable': [0.1], 'finances:difficult': [0.4], 'finances:fine': [0.26], 'finances:tight': [0.25]}
    """
    size = survey.cells[predictor].national["n"]
    measured = measures[list(NEEDS[predictor])] / 100
    if predictor == "finances":
        result = _with_rest({"finances:difficult": measured["poverty_rate"]}, size)
    elif predictor == "activity":
        retired = size["activity:retired"] / size.sum()
        working = (1 - retired) * measured["employment_rate"]
        result = _with_rest({"activity:employed": working, "activity:retired": 0 * working + retired}, size)
    elif predictor == "household":
        alone = measured["one_person_household_share"]
        # single parents are among the households of several persons
        parents = np.minimum(measured["single_parent_recipient_share"], 1 - alone)
        adults = {"household:one_person": alone, "household:single_parent": parents}
        adults = {name: ADULTS[name] * share for name, share in adults.items()}
        others = ADULTS["other"] * (1 - alone - parents)
        total = sum(adults.values()) + others
        result = _with_rest({name: share / total for name, share in adults.items()}, size)
    elif survey.indicator == "self_perceived_health_good":
        result = _ages_of_health(measured)
    else:
        result = _ages_of_depression(measured, size)
    return result[list(size.index)].where(measured.notna().all(axis=1), axis=0)


def _with_rest(known: dict[str, pd.Series], size: pd.Series) -> pd.DataFrame:
    """The known shares, and what they leave, split as in the country."""
    left = 1 - sum(known.values())
    others = size.drop(list(known))
    rest = {name: left * number / others.sum() for name, number in others.items()}
    return pd.DataFrame({**known, **rest})


def _ages_of_health(measured: pd.DataFrame) -> pd.DataFrame:
    """Shares of 5-24, 25-59 and 60 or over among those of 5 or over: 20 of the 25 years under 25."""
    parts = pd.DataFrame(
        {
            "Y5T24": measured["under_25_share"] * 20 / 25,
            "Y25T59": 1 - measured["under_25_share"] - measured["over_60_share"],
            "Y_GE60": measured["over_60_share"],
        }
    )
    return parts.div(parts.sum(axis=1, skipna=False), axis=0)


def _ages_of_depression(measured: pd.DataFrame, size: pd.Series) -> pd.DataFrame:
    """Shares of sex and age among those of 18-79: 7 of the 25 years under 25, and 25-59 evenly spread."""
    middle = 1 - measured["under_25_share"] - measured["over_60_share"]
    old = size[size.index.str.contains("Y60|Y70")].groupby(lambda key: key.partition(":")[2]).sum()
    parts = {
        "Y18T29": measured["under_25_share"] * 7 / 25 + middle * 5 / 35,
        **dict.fromkeys(("Y30T39", "Y40T49", "Y50T59"), middle * 10 / 35),
        **{str(age): measured["over_60_share"] * number / old.sum() for age, number in old.items()},
    }
    total = sum(parts.values())
    of_age = size.groupby(size.index.str.partition(":").get_level_values(2)).transform("sum")
    columns = {key: parts[str(key).partition(":")[2]] / total * size[key] / of_age[key] for key in size.index}
    return pd.DataFrame(columns)


def missing_because(predictor: str, quarters: Quarters, lang: str) -> pd.Series:
    """Why a QPV's composition is unknown, in words; empty where it is known."""
    word = {"fr": "composition inconnue", "en": "composition unknown"}[lang]
    reason = pd.Series("", index=quarters.frame.index)
    for indicator in reversed(NEEDS[predictor]):
        label = catalogue().indicator(indicator).short[lang]
        if indicator not in quarters.flags:
            absent = {"fr": "non lu pour ce zonage", "en": "not read for this zoning"}[lang]
            reason[:] = f"{word} ({label} : {absent})" if lang == "fr" else f"{word} ({label}: {absent})"
            continue
        flags = quarters.flags[indicator]
        colon = " : " if lang == "fr" else ": "
        said = flags.map({flag: f"{word} ({label}{colon}{FLAG_LABELS[flag][lang]})" for flag in MISSING_FLAGS})
        reason = reason.mask(flags.isin(MISSING_FLAGS), said)
    return reason
