"""Pooled figures against the producers' own files, read here with nothing but `csv` and numpy."""

import csv

import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from conftest import MIRROR
from qpv_sante import aggregation, unpublished

pytestmark = [
    pytest.mark.usefixtures("one_build"),
    pytest.mark.skipif(not MIRROR.is_dir(), reason=f"the producers' files are not beside the repository ({MIRROR})"),
]


def number(text):
    for blank in ("\u202f", "\xa0", " "):
        text = text.replace(blank, "")
    return float(text.replace(",", ".")) if text else np.nan


def columns(path, code, *names):
    """Code and numbers of a file of the producer, whatever the case of its headings."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [{key.upper(): cell for key, cell in row.items() if key} for row in csv.DictReader(file, delimiter=";")]
    return [row[code] for row in rows], *(np.array([number(row[name]) for row in rows]) for name in names)


@pytest.fixture(scope="module")
def households():
    codes, people, homes, share = columns(
        MIRROR / "prepared" / "qpv2024" / "data_DEMO_QP24_2020.csv", "CODGEO", "POP_MUN", "MEN", "TX_TOT_MEN1"
    )
    known = ~np.isnan(homes)
    weight = np.where(known, homes, people * homes[known].sum() / people[known].sum())
    return np.array(codes), weight, share


@pytest.mark.parametrize("place", [None, "Marseille", "Toulon", "Nord"])
def test_one_person_households_by_households(households, place):
    codes, weight, share = households
    gap = qs.compare(
        "one_person_household_share", geo_vintage=2024, year=2020, territory=place, by=None, reference=None
    ).iloc[0]
    if place is None:
        inside = np.ones(len(codes), dtype=bool)
    else:
        rows = qs.load_observations("one_person_household_share", geo_level="qpv", geo_vintage=2024, territory=place)
        inside = np.isin(codes, rows["geo_code"])
    used = inside & ~np.isnan(share)
    assert gap["qpv_value"] == pytest.approx((weight * share)[used].sum() / weight[used].sum())
    assert gap["n_used"] == used.sum()


@pytest.mark.parametrize("year", [2016, 2017, 2018, 2019])
def test_the_national_rate_that_is_printed_is_in_the_bounds(year):
    column = "TP60_A16" if year == 2016 else "TP60_A17" if year == 2017 else f"DISP_TP60_A{year - 2000}"
    path = MIRROR / "qpv" / "insee_filosofi" / f"data_filo{year - 2000}_qp_revdis.csv"
    codes, rate = columns(path, "CODGEO", column)
    printed = rate[codes.index("Ensemble")]
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=year, by=None, reference=None).iloc[0]
    assert gap["qpv_lower"] <= printed - 0.05 and printed + 0.05 <= gap["qpv_upper"]


def test_households_of_2015_quarters_follow_from_those_of_2024(households):
    """Insee prints 37.9 for all QPV of 2015 in 2019; weighted by inhabitants it would be 36.3."""
    path = MIRROR / "qpv" / "insee_demo" / "data_DEMO_2019_V1_QP.csv"
    codes, people, share = columns(path, "CODGEO", "POP_MUN", "TX_TOT_MEN1")
    printed, quarters = share[codes.index("Ensemble")], np.array([code.startswith("QP") for code in codes])
    used = quarters & ~np.isnan(share)
    _, people24, homes = columns(
        MIRROR / "prepared" / "qpv2024" / "data_DEMO_QP24_2020.csv", "CODGEO", "POP_MUN", "MEN"
    )
    share24, known = households[2], ~np.isnan(homes)
    slope = np.polyfit(share24[known], np.log(homes / people24)[known], 1)[0]
    weight = people * np.exp(slope * share)
    assert (weight * share)[used].sum() / weight[used].sum() == pytest.approx(printed, abs=0.1)
    assert (people * share)[used].sum() / people[used].sum() < printed - 1.5
    # what the package does for the years that it has
    gap = qs.compare("one_person_household_share", geo_vintage=2015, year=2020, by=None, reference=None).iloc[0]
    rows = qs.load_observations("one_person_household_share", geo_level="qpv", geo_vintage=2015, year=2020)
    own = qs.load_observations("population", geo_level="qpv", geo_vintage=2015, year=2018).set_index("geo_code")[
        "value"
    ]
    rows = rows.dropna(subset=["value"])
    weight = own.reindex(rows["geo_code"]).to_numpy() * np.exp(slope * rows["value"].to_numpy())
    assert gap["qpv_value"] == pytest.approx(np.average(rows["value"], weights=weight), abs=0.01)
    assert gap["weight"] == "denominator estimated from population 2018"


@pytest.mark.parametrize("column", ["TX_TOT_0A24", "TX_TOT_60ETPLUS", "TX_TOT_ET"])
@pytest.mark.parametrize("seen_before", [True, False])
def test_the_total_that_is_printed_with_what_is_withheld_is_in_the_bounds(column, seen_before):
    """Insee's row of all QPV counts those that it withholds, up to a fifth of them: a truth that no simulation made."""
    folder = MIRROR / "qpv" / "insee_demo"
    codes, people, value = columns(folder / "data_DEMO_2019_V1_QP.csv", "CODGEO", "POP_MUN", column)
    frame = pd.DataFrame({"weight": people, "value": value}, index=codes)
    printed = frame.loc["Ensemble", "value"]
    frame = frame[frame.index.str.startswith("QP")]
    others = []
    if seen_before:
        before, earlier = columns(folder / "data_DEMO_2018_V1_QP.csv", "CODGEO", column)
        others = [pd.Series(earlier, index=before).reindex(frame.index)]
    frame = frame.assign(lower=frame["value"] - 0.05, upper=frame["value"] + 0.05, interval="rounding", flag="observed")
    frame = frame.assign(group="all", **unpublished.value_ranges(frame, others, limits=[0, 100]))
    row = aggregation.pool(frame, "group", kind="rate").loc["all"]
    assert row["n_used"] < 0.97 * row["n_total"]
    assert row["lower"] <= printed - 0.05 and printed + 0.05 <= row["upper"]
    assert row["upper"] - row["lower"] < 11
