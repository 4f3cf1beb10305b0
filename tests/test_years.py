"""The year that stands for an indicator where none is asked for."""

import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante.profiles.places import latest_years
from qpv_sante.years import best_covered_year


def rows(**years: int) -> pd.DataFrame:
    """Years with so many of 200 territories known."""
    parts = [
        pd.DataFrame({"geo_code": [f"Q{i}" for i in range(200)], "year": int(year[1:]),
                      "value": [1.0] * known + [None] * (200 - known)})
        for year, known in years.items()
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize(
    ("near", "chosen"), [(2015, 2016), (2018, 2019), (2020, 2019), (2021, 2019), (2030, 2019), (None, 2019)]
)
def test_the_best_covered_then_the_nearest(near, chosen):
    # 199 and 200 of 200 are covered alike; 150 are not, however near
    assert best_covered_year(rows(y2016=200, y2019=199, y2021=150), near=near) == chosen


def test_of_two_as_near_the_later():
    assert best_covered_year(rows(y2018=200, y2020=200), near=2019) == 2020


def test_coverage_is_that_of_the_territories_asked_for():
    every = rows(y2019=200, y2021=150)
    assert best_covered_year(every, pd.Index(["Q1", "Q2"]), near=2021) == 2021
    assert best_covered_year(every, pd.Index(["Q1", "Q180"]), near=2021) == 2019


def test_a_newer_year_does_not_hide_the_values_of_an_older_one():
    """Overseas poverty is not published for 2021: the sheet of such a QPV gives that of 2019."""
    assert latest_years(2015)["poverty_rate"] == 2019
    assert latest_years(2024)["poverty_rate"] == 2021
    row = qs.positions("QP974001").set_index("indicator").loc["poverty_rate"]
    assert (row["year"], row["flag"]) == (2019, "observed")
