"""Refreshes killed at random moments: how many stores open, whole, and are brought up to date by the next refresh.

    python benchmarks/kills.py [NUMBER]

Half of the kills come at a write drawn at random, half after a delay drawn at random.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def run(number: int = 200, seed: int = 1) -> list[dict[str, object]]:
    """Kill, look, count."""
    import killing

    draw = random.Random(seed)  # noqa: S311 - no secret
    with killing.Killer() as killer:
        points = len(killer.points())
        found: list[killing.Killed] = []
        while len(found) < number:
            if len(found) % 2:
                one = killer.kill(point=draw.randint(1, points))
            else:
                one = killer.kill(delay=draw.uniform(0, 1.1 * killer.seconds))
            if one.killed or one.problem:  # one that ended before its kill proves nothing
                found.append(one)
    for one in found:
        if one.problem:
            print(one.problem, file=sys.stderr)
    states = Counter(one.state for one in found)
    return [
        {
            "measure": "stores that open, whole, after a killed refresh",
            "result": f"{sum(not one.problem for one in found)}/{number}",
            "note": ", ".join(f"{count} in the {state} state" for state, count in sorted(states.items())),
        }
    ]


def main() -> None:
    (row,) = run(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
    print(f"{row['measure']}: {row['result']} ({row['note']})")
    given, wanted = str(row["result"]).split("/")
    sys.exit(given != wanted)


if __name__ == "__main__":
    main()
