"""Operations on a data folder, killed at each of their changes of the disk: what is read afterwards, and what is left.

    python benchmarks/kills.py [OPERATION ...]

Held: as before or as after, nothing left. Told: the same, with leftovers that `verify` names and the next run takes
away. Lost: anything else. `verify` changes nothing: it is killed after delays drawn at random.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def run(operations: Sequence[str] = (), delays: int = 12, seed: int = 1) -> list[dict[str, object]]:
    """Kill, look, count: one row an operation."""
    import killing

    draw = random.Random(seed)  # noqa: S311 - no secret
    rows: list[dict[str, object]] = []
    with killing.Killer() as killer:
        for operation in operations or killing.OPERATIONS:
            points = len(killer.points(operation))
            seconds = killer.seconds[operation]
            found = [killer.kill(operation, point=point) for point in range(1, points + 1)]
            found += [killer.kill(operation, delay=draw.uniform(0, 1.1 * seconds)) for _ in range(delays)]
            found = [one for one in found if one.killed or one.problem]  # one that ended before proves nothing
            for one in found:
                if one.problem:
                    print(one.problem, file=sys.stderr, flush=True)
            outcomes, states = (Counter(getattr(one, name) for one in found) for name in ("outcome", "state"))
            row: dict[str, object] = {"operation": operation, "kills": len(found)}
            row |= {name: outcomes[name] for name in ("held", "told", "lost")}
            row["states"] = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
            print(row, flush=True)
            rows.append(row)
    return rows


if __name__ == "__main__":
    sys.exit(any(row["lost"] for row in run(sys.argv[1:])))
