"""Whatever is asked, a result that accounts for what it lacks, or the package's own error (see `matrix`)."""

import matplotlib as mpl
import matrix
import pandas as pd
import pytest

from qpv_sante import store


@pytest.fixture(scope="module")
def outcome():
    """A sample of the matrix by a fixed seed; `make test-matrix` asks the whole."""
    mpl.use("Agg")
    with store.one_build():
        return matrix.put(matrix.sample())


def test_every_answer_accounts_for_what_it_lacks_and_every_refusal_is_the_packages(outcome):
    assert outcome.faults == []


def test_every_function_of_the_matrix_answers_somewhere(outcome):
    answered = {function for function, kind in outcome.counts if kind == "answer"}
    assert answered == {call.function for call in matrix.sample()}


def test_what_is_neither_is_seen():
    """The judges themselves: an empty frame, a value without flag, another exception."""
    bare = pd.DataFrame({"value": [float("nan")], "flag": ["observed"]})
    calls = [
        matrix.Call("f", lambda: bare.iloc[:0], "", matrix.rows),
        matrix.Call("f", lambda: bare, "", matrix.rows),
        matrix.Call("f", lambda: {}["x"], "", matrix.rows),
        matrix.Call("f", lambda: bare.assign(flag="suppressed"), "", matrix.rows),
    ]
    outcome = matrix.put(calls)
    assert len(outcome.faults) == 3
    assert outcome.counts["f", "other exception"] == 1
