"""What public functions refuse at the door."""

from __future__ import annotations

import inspect
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from benchmarks import arguments as random_calls
from qpv_sante.arguments import RANGES, checked
from qpv_sante.errors import ArgumentTypeError, InvalidInputError, SchemaError


@checked
def asked(year: int, names: list[str] | None = None, level: float = 0.95, frame: pd.DataFrame | None = None) -> object:
    return year, names, level, frame


def test_numbers_of_numpy_are_pythons():
    year, _, level, _ = asked(np.int64(2019), level=np.float32(0.5))
    assert type(year) is int
    assert type(level) is float


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: asked(), "missing a required argument: 'year'"),
        (lambda: asked(2019, yaer=1), "It takes year, names, level, frame"),
        (lambda: asked(True), "takes int; got True, a bool"),
        (lambda: asked([2019, 2021]), "Give one at a time"),
        (lambda: asked(2019, names=["a", 1]), r"takes list\[str\] or None"),
        (lambda: asked(2019, frame={"a": 1}), "takes DataFrame or None; got a dict"),
        (lambda: asked("20\x1b19"), r"got '20\\x1b19', a str"),
    ],
)
def test_another_type_is_an_error_of_the_package_and_a_type_error(call, message):
    with pytest.raises(ArgumentTypeError, match=message) as caught:
        call()
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, qs.QpvSanteError)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: asked(10**400), "year is between 1,900 and 2,200"),
        (lambda: asked(2019, level=1), "level is between 0 and 1, neither included; got 1"),
        (lambda: asked(2019, level=float("nan")), "got nan"),
        (lambda: asked(2019, names=["x"] * 20_000), "at most 10,000 items; got 20,000"),
        (lambda: asked(2019, names=["x" * 2_000]), "at most 1,000 characters"),
        (lambda: asked(2019, names=["\ud800"]), "without control characters"),
        (lambda: asked(2019, frame=pd.DataFrame([[1, 2]], columns=["a", "a"])), "two columns 'a'"),
        (lambda: asked(2019, frame=pd.DataFrame({"value": [1.0, np.inf]})), r"'value' are infinite \(first at row 1\)"),
        (lambda: asked(2019, frame=pd.DataFrame({"qpv_value": ["12,5"]})), "takes numbers; got '12,5'.*pd.to_numeric"),
        (lambda: asked(2019, frame=pd.DataFrame({"geo_vintage": ["2015"]})), "takes numbers; got '2015'"),
        (lambda: qs.care_supply("Lille", geo_vintage=2015, distances=range(10**9)), "at most 20 items"),
    ],
)
def test_what_is_out_of_range_or_too_large_is_refused_at_once(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


def test_every_range_names_a_parameter_of_a_public_function():
    public = [getattr(qs, name) for name in qs.__all__ if inspect.isfunction(getattr(qs, name))]
    names = {name for function in public for name in inspect.signature(function).parameters}
    assert set(RANGES) <= names


def test_every_public_function_checks_its_arguments():
    for function in (getattr(qs, name) for name in qs.__all__ if inspect.isfunction(getattr(qs, name))):
        with pytest.raises(ArgumentTypeError):
            function(no_parameter_has_this_name=1)


def test_random_calls_answer_or_are_refused(one_build):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outcomes, faults = random_calls.run(calls=111, seed=7)
    assert faults == []
    assert outcomes["answered"].sum() > 10
    assert outcomes["refused"].sum() > 10


DRAWN = ("plot_distribution", "plot_gap", "plot_inequality", "plot_levels", "plot_profile", "plot_rank", "plot_trend")


@pytest.fixture(scope="module")
def spoilt() -> list[pd.DataFrame]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return random_calls.frames()[""]


@pytest.mark.parametrize("name", DRAWN)
def test_every_spoilt_frame_is_drawn_or_refused(name, spoilt, one_build):
    """Those of its own and those of the others: whole, cut, doubled, turned, without values, years or territories."""
    drawn = refused = 0
    for frame in spoilt:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                getattr(qs, name)(frame)
                drawn += 1
            except qs.QpvSanteError:
                refused += 1
        plt.close("all")
    assert drawn > 0
    assert refused > 50


@pytest.mark.parametrize(
    ("name", "call", "column"),
    [
        ("plot_gap", lambda: qs.compare("poverty_rate", geo_vintage=2015, year=2019, territory="Béziers"), "territory"),
        ("plot_gap", lambda: qs.compare("poverty_rate", geo_vintage=2015, year=2019, territory="Béziers"), "year"),
        ("plot_trend", lambda: qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015), "geo_code"),
        ("plot_levels", lambda: qs.load_observations("depression_prevalence", year=2024), "year"),
        ("plot_profile", lambda: qs.positions("QP034003"), "n_total"),
    ],
)
def test_a_row_that_does_not_say_of_what_it_is_is_refused_by_its_number(name, call, column):
    frame = call()
    row = len(frame) - 1
    frame[column] = frame[column].where(frame.reset_index().index != row)
    with pytest.raises(SchemaError, match=f"{name} .*1 of {len(frame)} rows have no '{column}', first the row {row}"):
        getattr(qs, name)(frame)
