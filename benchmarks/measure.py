"""Time and peak memory of pieces of code, each run in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIRROR = Path(__file__).resolve().parents[2] / "shared" / "mirror" / "serve.py"

_WRAPPER = """
import json, resource, time
{setup}
start = time.perf_counter()
{code}
elapsed = time.perf_counter() - start
print(json.dumps({{"seconds": elapsed, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""

# the sources that the mirror of the producers' files has a route for, as code for a process of its own
ROUTED = """
from qpv_sante.catalogue import core_catalogue
ROUTED = [name for name in core_catalogue().sources if name != "ign_communes"]
"""


def run(
    *codes: str, setup: str | list[str] = "", repeat: int = 3, env: dict[str, str] | None = None
) -> list[dict[str, float]]:
    """Best time and its peak memory of each piece of code, taken in turns so that a busy moment hits all of them.

    Returns
    -------
    list of dict
        `seconds` (set-up left out) and `megabytes` (of the whole process), in the order of `codes`.
    """
    setups = [setup] * len(codes) if isinstance(setup, str) else setup
    programs = [
        _WRAPPER.format(setup=textwrap.dedent(before), code=textwrap.dedent(code))
        for before, code in zip(setups, codes, strict=True)
    ]
    results: list[list[dict[str, float]]] = [[] for _ in codes]
    # bytecode is kept between the runs, as it is for whoever uses the package twice
    with tempfile.TemporaryDirectory() as bytecode:
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        for turn in range(repeat + 1):
            for program, kept in zip(programs, results, strict=True):
                done = subprocess.run(
                    [sys.executable, "-c", program],
                    capture_output=True,
                    text=True,
                    env={**inherited, "PYTHONPYCACHEPREFIX": bytecode, **(env or {})},
                )
                if done.returncode:
                    raise RuntimeError(f"benchmark failed:\n{program}\n{done.stderr}")
                if turn:  # the first turn writes the bytecode
                    kept.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return [min(kept, key=lambda result: result["seconds"]) for kept in results]


@contextmanager
def mirror() -> Iterator[str | None]:
    """Address of a mirror of the producers' files, where there is one beside the checkout."""
    if not MIRROR.is_file():
        yield None
        return
    server = subprocess.Popen([sys.executable, str(MIRROR)], stdout=subprocess.PIPE, text=True)
    try:
        yield server.stdout.readline().strip() if server.stdout else ""
    finally:
        server.terminate()


def row(
    name: str, ours: dict[str, float], reference: dict[str, float] | None = None, against: str = "", aim: str = ""
) -> dict[str, object]:
    """A line of the table of results, with ratios of time and memory to a reference of the same run."""
    line: dict[str, object] = {
        "measure": name,
        "seconds": round(ours["seconds"], 3),
        "MB": round(ours["megabytes"]),
        "aim": aim,
    }
    if reference:
        line |= {
            "against": against,
            "reference s": round(reference["seconds"], 3),
            "time ratio": round(ours["seconds"] / reference["seconds"], 2),
            "memory ratio": round(ours["megabytes"] / reference["megabytes"], 2),
        }
    return line
