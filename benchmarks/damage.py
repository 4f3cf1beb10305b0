"""Bits that flip, two processes at once, and what the hash of each table costs at its first reading.

python benchmarks/damage.py [FLIPS [RACES]]
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

RACES = (
    ("import 2023", "import 2024"),
    ("import 2023", "import 2023"),
    ("import 2024", "remove"),
    ("remove", "build"),
    ("remove", "rollback"),
    ("import 2023", "build"),
    ("import 2024", "rollback"),
    ("remove", "remove"),
)


def _base(root: Path) -> Path:
    """The snapshot as a build in use, with an earlier one and a restricted import."""
    import killing

    from qpv_sante import builds, manifests, store

    embedded = store.Store(store.snapshot_dir(), "snapshot")
    with builds.new_build(root) as target:
        for source, record in embedded.manifest["sources"].items():
            tables = [name for name in manifests.tables_of(source, record) if embedded.has(name)]
            for name in tables:
                target.take(name, embedded)
            # the snapshot leaves out tables: the rows are those of the ones that it has
            target.record(source, {**record, "tables": tables, "rows": sum(target.rows(name) for name in tables)})
    shutil.copy(embedded.path / "sources.lock.toml", root)
    os.environ["QPV_SANTE_DATA"] = str(root)
    from qpv_sante.lockfile import LOCK_FILE, Lock

    Lock.load(root / LOCK_FILE).save()
    killing.bring(root, killing.TIGHT)
    return root


def _told(what: str, found: Iterable[Any]) -> dict[str, object]:
    listed = list(found)
    for one in listed:
        if one.outcome == "lost":
            print(what, one, file=sys.stderr, flush=True)
    outcomes = Counter(one.outcome for one in listed)
    return {"what": what, "number": len(listed)} | {name: outcomes[name] for name in ("held", "told", "lost")}


def run(flips: int = 500, races: int = 60, seed: int = 1) -> list[dict[str, object]]:
    """Flip, race, measure."""
    import damaging
    import racing

    draw = random.Random(seed)  # noqa: S311 - no secret
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        base = _base(work / "base")
        os.environ["QPV_SANTE_DATA"] = str(work / "data")
        found = list(damaging.flips(base, work, draw, flips))
        rows += [_told(f"flips in a {kind}", (one for one in found if one.kind == kind)) for kind in damaging.KINDS]
        shutil.rmtree(work / "data")
        raced = []
        for turn in range(races):
            root = Path(shutil.copytree(base, work / "race" / "data"))
            os.environ["QPV_SANTE_DATA"] = str(root)
            first, second = RACES[turn % len(RACES)]
            if (first, second) == ("import 2023", "import 2023") or "remove" in (first, second):
                racing.do("import 2022", _without(root))
            else:
                _without(root)
            raced.append(racing.race(root, first, second))
            shutil.rmtree(root.parent)
        rows.append(_told("races", raced))
        os.environ["QPV_SANTE_DATA"] = str(base)
        rows.append(_cost(base))
    return rows


def _without(root: Path) -> Path:
    """The folder without the import of the flips, which has another form."""
    from qpv_sante import imports

    imports.remove_import("ors", root=root)
    return root


def _cost(root: Path) -> dict[str, object]:
    """Milliseconds that the hashes of a whole build take, and those of one table that is read once."""
    from qpv_sante import store

    current = store.current_store(root)
    assert current is not None
    names = [name.removesuffix(".parquet") for name in current.manifest["files"]]
    size = sum(record["bytes"] for record in current.manifest["files"].values())
    took = []
    for _ in range(7):
        store._damage.cache_clear()
        began = time.perf_counter()
        assert not any(current.damage(name) for name in names)
        took.append(1000 * (time.perf_counter() - began))
    again = time.perf_counter()
    assert not any(current.damage(name) for name in names)
    again = 1000 * (time.perf_counter() - again)
    told = f"{sorted(took)[3]:.1f} ms for {len(names)} tables, {size / 1e6:.1f} MB; {again:.2f} ms once they are known"
    return {"what": "hash at first reading", "number": told}


if __name__ == "__main__":
    given = [int(one) for one in sys.argv[1:3]]
    done = run(*given)
    for row in done:
        print(row)
    sys.exit(any(row.get("lost") for row in done))
