"""Time and peak memory of a piece of code, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

_WRAPPER = """
import json, resource, time
{setup}
start = time.perf_counter()
{code}
elapsed = time.perf_counter() - start
print(json.dumps({{"seconds": elapsed, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""


def run(code: str, *, setup: str = "", repeat: int = 3, env: dict[str, str] | None = None) -> dict[str, float]:
    """Best time and its peak memory over `repeat` processes; the set-up is not timed.

    Returns
    -------
    dict
        `seconds` and `megabytes` (of the whole process, set-up included).
    """
    program = _WRAPPER.format(setup=textwrap.dedent(setup), code=textwrap.dedent(code))
    results = []
    for _ in range(repeat):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, **(env or {})}
        )
        if done.returncode:
            raise RuntimeError(f"benchmark failed:\n{program}\n{done.stderr}")
        results.append(json.loads(done.stdout.strip().splitlines()[-1]))
    return min(results, key=lambda result: result["seconds"])


def row(name: str, ours: dict[str, float], reference: dict[str, float], against: str, aim: str) -> dict[str, object]:
    """A line of the table of results: ratios of time and memory to the reference of the same run."""
    return {
        "measure": name,
        "against": against,
        "seconds": round(ours["seconds"], 3),
        "reference s": round(reference["seconds"], 3),
        "time ratio": round(ours["seconds"] / reference["seconds"], 2),
        "MB": round(ours["megabytes"]),
        "memory ratio": round(ours["megabytes"] / reference["megabytes"], 2),
        "aim": aim,
    }
