"""Random calls of every public function: each must answer, or refuse with the package's own error, within ten seconds.

`python benchmarks/arguments.py [CALLS] [SEED]` prints the outcomes by function and the first call of each fault.
"""

from __future__ import annotations

import inspect
import random
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import qpv_sante as qs

# what writes, reads the network or changes the data is tried by the tests of the store, with files of their own
LEFT_OUT = {"build", "refresh", "import_observations", "remove_import", "verify", "add_territories", "QpvSanteError"}
# one that answers, so that the random ones reach the others' checks
SENSIBLE: dict[str, list[Any]] = {
    "indicator": ["poverty_rate", "c2s_share", "self_perceived_health_good", "depression_prevalence", "population"],
    "indicator_x": ["poverty_rate"],
    "indicator_y": ["foreigner_share"],
    "geo_vintage": [2015, 2024],
    "from_vintage": [2015, 2024],
    "to_vintage": [2024, 2015],
    "vintage": [2015, 2018, 2024],
    "year": [2021, 2019, 2022],
    "territory": ["Béziers", "department:59", None, "region:93", "QP973024", "Lozère"],
    "place": ["Béziers", "QP034003", "department:59"],
    "geo_level": ["qpv", "commune", "department", None],
    "code": ["QP034003", "QN05971M"],
    "qpv": ["QP034003", "QP973024"],
    "geo_code": ["QP034003"],
    "of": ["poverty_rate"],
    "lon": [3.2150],
    "lat": [43.3415],
    "reference": ["commune", "rest_of_commune", None, "region:76"],
    "by": ["region", None, "qpv"],
    "lang": ["fr", "en"],
    "draws": [100],
}
TOGETHER = [
    {"indicator": "poverty_rate", "geo_vintage": 2015, "year": 2019},
    {"indicator": "poverty_rate", "geo_vintage": 2024, "year": 2021},
    {"indicator": "c2s_share", "geo_vintage": 2015, "year": 2022},
    {"indicator": "self_perceived_health_good", "geo_vintage": 2015, "year": 2021},
    {},
]
NONSENSE: list[Any] = [
    *(None, True, False, 0, -1, 10**9, 10**400, 2.5, float("nan"), float("inf"), -float("inf"), 1j, np.int64(2019)),
    *("", " ", "poverty", "x" * 100_000, "\x1b[31m", "=1+1", "'; DROP", "QP034003", "\ud800", "2019", b"bytes"),
    *([], [None], ["poverty_rate"], [1, "a"], (2015, 2024), {}, {"a": None}, {1, 2}, range(10**9), object, object()),
    *(np.arange(3), np.array([[1.0, np.nan]]), pd.NA, pd.NaT, pd.Timestamp("2021-01-01"), pd.Series(["a", None])),
    *(pd.DataFrame(), pd.DataFrame({"a": [1]}), pd.DataFrame([[1, 2]], columns=["a", "a"])),
]


def frames() -> dict[str, list[pd.DataFrame]]:
    """What each function of a frame is made for, whole and spoilt, by function; those of all under `""`."""
    rates = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019, territory="Béziers")
    years = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, territory="Béziers")
    zones = qs.load_zones("qpv", vintage=2015, territory="Béziers")
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=2019, territory="Occitanie", by="department")
    sound = {
        "plot_distribution": rates,
        "attach_zones": rates,
        "plot_levels": qs.load_observations("depression_prevalence", year=2024, territory="Occitanie"),
        "plot_trend": years,
        "plot_gap": gap,
        "cite": gap,
        "format_table": gap,
        "plot_rank": qs.rank("c2s_share", geo_vintage=2015, year=2022, territory="Hérault", draws=100),
        "plot_profile": qs.positions("QP034003"),
        "plot_inequality": qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022),
        "attach_initiatives": zones,
    }
    spoilt = {name: [frame, *(spoil(frame) for spoil in SPOILERS)] for name, frame in sound.items()}
    return {**spoilt, "": [frame for every in spoilt.values() for frame in every]}


def _cells(frame: pd.DataFrame, value: object) -> pd.DataFrame:
    """The frame with one value in all its columns of numbers."""
    names = frame.select_dtypes("number").columns
    return frame.astype(dict.fromkeys(names, "object")).assign(**dict.fromkeys(names, value))


SPOILERS: list[Callable[[pd.DataFrame], pd.DataFrame]] = [
    lambda frame: frame.iloc[:0],
    lambda frame: frame.drop(columns=frame.columns[0]),
    lambda frame: frame.iloc[:, :2],
    lambda frame: pd.concat([frame, frame], ignore_index=True),
    lambda frame: _cells(frame, "text"),
    lambda frame: frame.assign(**dict.fromkeys(frame.select_dtypes("number").columns, np.inf)),
    lambda frame: frame.assign(**dict.fromkeys(frame.select_dtypes("number").columns, np.nan)),
    lambda frame: frame.assign(**dict.fromkeys([n for n in frame.columns if "territory" in n or "code" in n], None)),
    lambda frame: pd.DataFrame(frame).T,
]


def run(calls: int = 10_000, seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Outcomes of that many random calls.

    Returns
    -------
    DataFrame
        Index: functions; `answered`, `refused` (by the package's own error), `fault` (another exception), `slow`.
    list of str
        The first call of each kind of fault, with the line it came from.
    """
    draw = random.Random(seed)  # noqa: S311 - not for secrets
    known = frames()
    functions = {name: getattr(qs, name) for name in qs.__all__ if callable(getattr(qs, name)) and name not in LEFT_OUT}
    outcomes: dict[str, Counter[str]] = {name: Counter() for name in functions}
    faults: dict[tuple[str, str, str], str] = {}
    names = sorted(functions)
    for number in range(calls):
        name = names[number % len(names)]
        arguments = _arguments(functions[name], draw, known[""], known.get(name) or known[""])
        start = time.process_time()
        try:
            functions[name](**arguments)
        except qs.QpvSanteError:
            outcome = "refused"
        except Exception as error:  # what is looked for
            outcome = "fault"
            last = traceback.extract_tb(error.__traceback__)
            inside = [frame for frame in last if "qpv_sante" in frame.filename and "benchmarks" not in frame.filename]
            line = f"{inside[-1].filename.rpartition('qpv_sante/')[2]}:{inside[-1].lineno}" if inside else "?"
            key = (name, type(error).__name__, line)
            shown = {key: _short(value) for key, value in arguments.items()}
            faults.setdefault(key, f"{name}({shown}): {type(error).__name__}: {error!s:.150} [{line}]")
        else:
            outcome = "answered"
        plt.close("all")
        outcomes[name][outcome] += 1
        outcomes[name]["slow"] += time.process_time() - start > 10
    columns = ["answered", "refused", "fault", "slow"]
    return pd.DataFrame(outcomes).T.reindex(columns=columns).fillna(0).astype(int), list(faults.values())


def _arguments(
    function: Callable[..., Any], draw: random.Random, known: list[pd.DataFrame], own: list[pd.DataFrame]
) -> dict[str, Any]:
    """Arguments of which one or two are anything, and the others sensible."""
    parameters = inspect.signature(function).parameters.values()
    chosen: dict[str, Any] = {}
    together = draw.choice(TOGETHER)
    wild = set(draw.sample([one.name for one in parameters], k=min(len(list(parameters)), draw.choice([0, 1, 1, 2]))))
    for parameter in parameters:
        if parameter.name in wild:
            chosen[parameter.name] = draw.choice([*NONSENSE, draw.choice(known)])
        elif "DataFrame" in str(parameter.annotation):
            chosen[parameter.name] = draw.choice([*own, *own[:1] * 3, draw.choice(known)])
        elif parameter.default is inspect.Parameter.empty or draw.random() < 0.3:
            if parameter.name in together:
                chosen[parameter.name] = together[parameter.name]
            elif parameter.name in SENSIBLE:
                chosen[parameter.name] = draw.choice(SENSIBLE[parameter.name])
            elif parameter.default is inspect.Parameter.empty:
                chosen[parameter.name] = draw.choice(NONSENSE)
    return chosen


def _short(value: object) -> str:
    return f"frame {value.shape}" if isinstance(value, pd.DataFrame) else repr(value)[:40]


if __name__ == "__main__":
    mpl.use("Agg")
    warnings.simplefilter("ignore")
    table, listed = run(*(int(given) for given in sys.argv[1:3]))
    print(table.to_string())
    print(table.sum().to_string())
    print(*listed, sep="\n")
