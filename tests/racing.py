"""Two processes that change one data folder at once, and what is there afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from killing import environment

HERE = Path(__file__).parent

# each process waits until the other one is ready, does its part, and says how it ended
_CODE = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
import racing
racing.take_part({part!r}, Path({root!r}), Path({mine!r}), Path({theirs!r}))
"""


def _import(root: Path, edition: str) -> None:
    from qpv_sante import imports

    path = root.parent / f"{edition}.csv"
    path.write_text(f"geo_code;value;denominator\nQP034001;{edition[-1]},5;8000\n", encoding="utf-8")
    measure = {"label": "Part", "unit": "%", "kind": "rate", "definition": "Part.", "higher_is": "worse"}
    imports.import_observations(
        path,
        source="ors",
        root=root,
        metadata={
            "title": "Figures",
            "producer": "ORS",
            "edition": edition,
            "year": int(edition),
            "geo_level": "qpv",
            "geo_vintage": 2015,
            "licence": "restricted",
            "restriction": "usage interne",
            "secrecy": {"threshold": 11},
            "indicator": {"ors_share": measure},
        },
    )


def do(part: str, root: Path) -> None:
    """One part of a race: `import 2023`, `remove`, `build` (a run that holds the folder), `rollback`."""
    from qpv_sante import builds, imports

    what, _, edition = part.partition(" ")
    if what == "import":
        _import(root, edition)
    elif what == "remove":
        imports.remove_import("ors", root=root)
    elif what == "rollback":
        builds.rollback(root)
    else:
        with builds.new_build(root):
            pass


def take_part(part: str, root: Path, mine: Path, theirs: Path) -> None:
    """In a process: wait for the other one, go, say how it ended."""
    import time

    from qpv_sante.catalogue import core_catalogue
    from qpv_sante.errors import QpvSanteError

    core_catalogue()
    mine.touch()
    while not theirs.exists():
        time.sleep(0.001)
    try:
        do(part, root)
        said = "done"
    except QpvSanteError as error:
        said = f"refused: {error}"
    except BaseException as error:
        said = f"raised: {type(error).__name__}: {error}"
    print(json.dumps(said))


@dataclass(frozen=True)
class Race:
    """How two processes ended, the editions that are there, and what is wrong."""

    parts: tuple[str, str]
    said: tuple[str, str]
    editions: tuple[str, ...]
    problem: str

    @property
    def outcome(self) -> str:
        """Both done (held), one refused and nothing of it done (told), or anything else (lost)."""
        return "lost" if self.problem else "held" if self.said == ("done", "done") else "told"


def editions_of(root: Path) -> tuple[str, ...]:
    """The editions of the import in the build in use; figures, record and manifest must agree."""
    from qpv_sante import store
    from qpv_sante.imports import records

    current = store.current_store(root)
    entry = current.manifest["sources"].get("ors") if current else None
    if entry is None:
        return ()
    described = {one.id for one in records.read_record("ors", entry).source.vintage}
    held = {str(one).partition("@")[2] for one in current.observations("ors")["source"].unique()}  # type: ignore[union-attr]
    assert described == held == set(entry["editions"]), (described, held, set(entry["editions"]))
    return tuple(sorted(held))


def race(root: Path, first: str, second: str) -> Race:
    """Run two parts at once, and compare what is there with what they said."""
    from qpv_sante import verify

    before, processes = set(editions_of(root)), []
    marks = [root.parent / "ready-0", root.parent / "ready-1"]
    for mark in marks:
        mark.unlink(missing_ok=True)
    for number, part in enumerate((first, second)):
        mine, theirs = str(marks[number]), str(marks[1 - number])
        code = _CODE.format(here=str(HERE), part=part, root=str(root), mine=mine, theirs=theirs)
        processes.append(
            subprocess.Popen([sys.executable, "-c", code], env=environment(root), stdout=subprocess.PIPE, text=True)
        )
    said = tuple(json.loads(process.communicate(timeout=120)[0] or '"raised: it died"') for process in processes)
    try:
        editions, problem = editions_of(root), ""
    except Exception as error:
        editions, problem = (), f"{type(error).__name__}: {error}"
    done = [part for part, one in zip((first, second), said, strict=True) if one == "done"]
    added = {part.partition(" ")[2] for part in done if part.startswith("import")}
    possible = [before | added, added - before if "remove" in done else before | added]
    if "remove" in done:  # before, between or after the imports
        possible += [set(), *({one} for one in added)]
    if not problem and set(editions) not in possible:
        problem = f"{editions} after {dict(zip((first, second), said, strict=True))}, from {sorted(before)}"
    if not problem and any(one.startswith("raised") for one in said):
        problem = "; ".join(said)
    if not problem and not (checked := verify(root)).sound:
        problem = repr(checked)
    return Race((first, second), (said[0], said[1]), editions, problem)
