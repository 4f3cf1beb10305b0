"""Operations on a data folder that are killed, and what is found afterwards.

A process that has everything imported waits for orders and forks: a child works on a folder and is killed at its
n-th change of the disk, or after a delay; another one then reads the store, goes back, does the same again and says
what it found.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def command(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line on a data folder, in a process of its own."""
    asked = [sys.executable, "-c", "from qpv_sante.cli import main; main()", *arguments]
    return subprocess.run(asked, env=environment(root), capture_output=True, text=True, check=False, timeout=1800)


def environment(root: Path) -> dict[str, str]:
    """For a process that uses the package under test, on a data folder."""
    import qpv_sante

    here = str(Path(qpv_sante.__file__).parents[1])
    return os.environ | {"QPV_SANTE_DATA": str(root), "PYTHONPATH": here}


FOLDERS = {"raw", ".staging", "builds", "processed"}
NAMES = {"CURRENT", "manifest.json", "manifest.copy.json"}


# --- in the children ---------------------------------------------------------------------------------------------


class Hooks:
    """List what changes the disk, and die at one of these points: before it, or with a table half written."""

    def __init__(self, point: int | None) -> None:
        self.point = point
        self.points: list[str] = []

    def reached(self, what: str, path: object) -> bool:
        """Count a point, named by what is done to what kind of file: points of one name are one stage."""
        place = Path(f"/proc/self/fd/{path}").readlink() if isinstance(path, int) else Path(str(path))
        folder = next((part for part in reversed(place.parts) if part in FOLDERS), "data")
        kind = place.name if place.name in NAMES else place.suffix or "folder"
        self.points.append(f"{what} {kind} in {folder}")
        return len(self.points) == self.point

    def before(self, what: str, path: object) -> None:
        if self.reached(what, path):
            os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        import pandas as pd

        def wrapped(genuine: Callable[..., Any]) -> Callable[..., Any]:
            def replaced(*args: Any, **options: Any) -> Any:
                place = args[1] if genuine.__name__ in ("replace", "rename", "link") else args[0]
                self.before(genuine.__name__, place)
                return genuine(*args, **options)

            return replaced

        opened, written = io.open, pd.DataFrame.to_parquet

        def opening(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
            if set(mode) & set("wax+"):
                self.before("open", file)
            return opened(file, mode, *args, **options)

        def to_parquet(frame: pd.DataFrame, path: Path, **options: Any) -> Any:
            done = written(frame, path, **options)
            if self.reached("to_parquet", path):
                os.truncate(path, 100)
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        made = os.open

        def making(path: Any, flags: int, *args: Any, **options: Any) -> int:
            if flags & os.O_CREAT:
                self.before("create", path)
            return made(path, flags, *args, **options)

        os.open = making
        for name in ("replace", "rename", "link", "fsync", "unlink", "mkdir", "rmdir", "chmod"):
            setattr(os, name, wrapped(getattr(os, name)))
        io.open = opening  # type: ignore[assignment]
        pd.DataFrame.to_parquet = to_parquet  # type: ignore[assignment]


OPEN, TIGHT = "open", "tight"  # the import before and after: licence, rule and figures differ
TABLE = {
    OPEN: "geo_code;value;count;denominator\nQP034001;14,2;1136;8000\nQP034003;0,1;8;8000\nQP059001;20;600;3000\n",
    TIGHT: "geo_code;value;count;denominator\nQP034001;15,0;1200;8000\nQP034003;0,1;8;8000\nQP059001;25;750;3000\n",
}
SHOWN = {OPEN: [14.2, 0.1, 20.0], TIGHT: [15.0, None, 25.0]}
NOTICE = "usage interne"


def bring(root: Path, form: str) -> None:
    """Import the figures, under an open licence or under a restriction with a rule that withholds one of them."""
    from qpv_sante import imports

    path = root.parent / form / "figures.csv"
    path.parent.mkdir(exist_ok=True)
    path.write_text(TABLE[form], encoding="utf-8")
    measure = {"label": "Part", "unit": "%", "kind": "rate", "definition": "Part.", "higher_is": "worse"}
    declared: dict[str, Any] = {
        "title": "Figures", "producer": "ORS", "edition": "2023", "year": 2023, "geo_level": "qpv", "geo_vintage": 2015,
        "licence": "Licence Ouverte 2.0", "indicator": {"ors_share": measure},
    }  # fmt: skip
    if form == TIGHT:
        declared |= {"licence": "restricted", "restriction": NOTICE, "secrecy": {"threshold": 11}}
    imports.import_observations(path, source="ors", metadata=declared, root=root)


def form_in_use() -> str:
    """The import as a user reads it: figures and notice of one form, nothing, or a mixture, in words."""
    import qpv_sante as qs
    from qpv_sante.errors import UnknownNameError

    try:
        frame = qs.load_observations("ors_share")
    except UnknownNameError:
        return "none"
    values = [None if value != value else round(float(value), 6) for value in frame["value"]]
    notices = frame.attrs.get("restrictions", [])
    for form, notice in ((OPEN, []), (TIGHT, [NOTICE])):
        if (values, notices) == (SHOWN[form], notice):
            return form
    return f"a mixture: {values} under {notices}"


def forms_on_disk(root: Path) -> set[str]:
    """The forms of the import that any build has, whatever its manifest says."""
    import pandas as pd

    found = set()
    for path in (root / "processed").rglob("ors.parquet"):
        values = [None if value != value else round(float(value), 6) for value in pd.read_parquet(path)["value"]]
        found.add(next((form for form, shown in SHOWN.items() if shown == values), f"other: {values}"))
    return found


def _pair(root: Path) -> str:
    from refreshing import AFTER, BEFORE, Folder

    pair = Folder(root).pair()
    return {BEFORE: "old", AFTER: "new"}.get(pair, f"a mixture: {pair}")


def _snapshot_of(root: Path) -> str:
    from refreshing import CHANGE, ONE

    from qpv_sante import durable, store

    found = store.Store(durable.whole_folder(root.parent / f"{root.name}-snapshot"), "snapshot")
    if problems := found.problems():
        return f"damaged: {problems}"
    rates = found.observations(ONE, indicator="poverty_rate").set_index("geo_code")["value"]
    return "new" if rates.get("QN03401M") == float(CHANGE[1][-2:]) else "old"


@dataclass(frozen=True)
class Operation:
    """What is killed: where it starts, what it does, and what is read before and after it."""

    base: str
    run: Callable[[Path], object]
    read: Callable[[Path], str]
    states: tuple[str, str]


def _run_refresh(root: Path) -> object:
    from refreshing import refresh

    from qpv_sante.refresh.outcome import FAILED

    report = refresh(root=root)
    if report.exit_code() == FAILED:
        raise AssertionError(f"refresh: {report.problem} {report.frame().to_dict('records')}")
    return report


def _run_build(root: Path) -> object:
    from refreshing import EDITION, ONE, OTHER, OTHER_EDITION, Folder

    from qpv_sante import pipeline

    for key in (EDITION, OTHER_EDITION):  # a build takes a new file only where there is none
        Folder(root).raw(key).unlink(missing_ok=True)
    report = pipeline.build([ONE, OTHER], root=root, accept_changes=True)
    if report.failures:
        raise AssertionError(f"build: {report.failures}")
    return report


def _run_remove(root: Path) -> object:
    from qpv_sante import imports
    from qpv_sante.errors import UnknownNameError

    with contextlib.suppress(UnknownNameError):  # gone already
        return imports.remove_import("ors", root=root)
    return None


def _run_rollback(root: Path) -> object:
    from qpv_sante import builds

    return builds.rollback(root) if _pair(root) == "new" else None


def _run_snapshot(root: Path) -> object:
    from qpv_sante.snapshot import write_snapshot

    return write_snapshot(root.parent / f"{root.name}-snapshot", root=root)


def _run_verify(root: Path) -> object:
    from qpv_sante.integrity import verify

    return verify(root)


OPERATIONS = {
    "refresh": Operation("before", _run_refresh, _pair, ("old", "new")),
    "build": Operation("before", _run_build, _pair, ("old", "new")),
    "import": Operation("before", lambda root: bring(root, TIGHT), lambda root: form_in_use(), (OPEN, TIGHT)),
    "remove": Operation("tight", _run_remove, lambda root: form_in_use(), (TIGHT, "none")),
    "rollback": Operation("after", _run_rollback, _pair, ("new", "old")),
    "snapshot": Operation("after", _run_snapshot, _snapshot_of, ("old", "new")),
    "verify": Operation("after", _run_verify, _pair, ("new", "new")),
}


def _base(root: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Two sources, more builds than are kept, and an import under an open licence."""
    from refreshing import ONE, OTHER

    from qpv_sante import builds, pipeline

    # the miniature is not what the embedded snapshot was made of
    failures = pipeline.build([ONE, OTHER], root=root, accept_changes=True).failures
    bring(root, OPEN)
    for _ in range(2):  # as many as are kept: the next one prunes
        with builds.new_build(root):
            pass
    return {"failures": failures}


def _further(root: Path, order: dict[str, Any]) -> dict[str, Any]:
    """The folders that the other operations start from, once the producers have changed; and what children import."""
    base = root.parent / "before"
    for name, step in (("tight", lambda: bring(root.parent / "tight", TIGHT)), ("after", None)):
        copy = Path(shutil.copytree(base, root.parent / name))
        os.environ["QPV_SANTE_DATA"] = str(copy)
        (step or (lambda to=copy: _run_refresh(to)))()
    warm = Path(shutil.copytree(base, root.parent / "warm"))
    os.environ["QPV_SANTE_DATA"] = str(warm)
    (warm / "processed" / "CURRENT").unlink()
    _run_refresh(warm)
    _check(warm, {"of": "rollback"})
    return {"modules": list(sys.modules)}


def _operate(root: Path, order: dict[str, Any]) -> dict[str, Any]:
    os.environ["QPV_SANTE_DATA"] = str(root)
    operation = OPERATIONS[order["of"]]
    hooks = Hooks(order.get("point"))
    hooks.install()
    began = time.perf_counter()
    operation.run(root)
    return {"points": hooks.points, "seconds": time.perf_counter() - began}


def _told_wrong(root: Path) -> list[str]:
    from qpv_sante.integrity import verify

    frame = verify(root, lang="en").frame()
    bad = frame[frame["status"].isin(["damaged", "absent", "unrecorded"]) & (frame["place"] != "snapshot")]
    return [f"verify tells {one['name']} as {one['status']}" for one in bad.to_dict("records")]


def _check(root: Path, order: dict[str, Any]) -> dict[str, Any]:
    """What a killed run left: the state that is read, and every way in which it is not right."""
    from refreshing import Folder

    from qpv_sante import builds
    from qpv_sante.errors import StoreError
    from qpv_sante.integrity import verify

    os.environ["QPV_SANTE_DATA"] = str(root)
    folder, what = Folder(root), order["of"]
    operation = OPERATIONS[what]
    state, wrong = operation.read(root), []
    if state not in operation.states:
        wrong.append(state)
    wrong += [f"{table}: {problem}" for table, problem in folder.current.problems().items()]
    # a build begins by taking the raw files away here: those are absent, as they would be for any reader
    wrong += [] if what == "build" else _told_wrong(root)
    left = int((verify(root).frame()["status"] == "leftover").sum())
    if what in ("import", "remove") and state == operation.states[1]:
        with contextlib.suppress(StoreError):  # no earlier build is a way back too
            builds.rollback(root)
        if (back := operation.read(root)) != state:
            wrong.append(f"a rollback brings back: {back}")
    operation.run(root)
    if (then := operation.read(root)) != operation.states[1]:
        wrong.append(f"after the next run: {then}")
    if what in ("import", "remove") and (forms := forms_on_disk(root)) - {operation.states[1]}:
        wrong.append(f"after the next run, on the disk: {forms}")
    if what not in ("verify", "snapshot"):
        wrong += [f"left after the next run: {one}" for one in folder.strays()]
        frame = verify(root, lang="en").frame()
        rest = frame[(frame["status"] != "sound") & (frame["status"] != "rolled_back")]
        wrong += [f"verify after the next run: {one['name']} {one['status']}" for one in rest.to_dict("records")]
    return {"state": state, "left": left, "wrong": wrong}


ORDERS = {"base": _base, "further": _further, "operate": _operate, "check": _check}


def _serve() -> None:
    """Fork a child for each order of the standard input; answer how it ended and what it said."""
    import refreshing  # noqa: F401 - imported once, here

    from qpv_sante.catalogue import core_catalogue

    core_catalogue()
    for line in sys.stdin:
        order = json.loads(line)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                said = ORDERS[order["do"]](Path(order["root"]), order)
            except BaseException as error:
                said = {"wrong": [f"{type(error).__name__}: {error}"]}
            with os.fdopen(writing, "w") as stream:
                json.dump(said, stream)
            os._exit(0)
        os.close(writing)
        if order.get("delay") is not None:
            time.sleep(order["delay"])
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        with os.fdopen(reading) as stream:
            said_text = stream.read()
        _, status = os.waitpid(child, 0)
        answer = {"killed": os.WIFSIGNALED(status), **json.loads(said_text or "{}")}
        for name in answer.pop("modules", []):  # what a child had to import, the next ones find
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        print(json.dumps(answer), flush=True)


# --- in the parent -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Killed:
    """What a kill left: the state that is read, files for the next run to take away, and what is wrong."""

    operation: str
    where: str
    killed: bool
    state: str
    left: int
    problem: str

    @property
    def outcome(self) -> str:
        """As before or as after and nothing left (held), with leftovers that `verify` tells (told), or neither."""
        return "lost" if self.problem else "told" if self.left else "held"


class Killer:
    """A server of producers, folders built before and after they changed, and operations on copies that are killed."""

    def __enter__(self) -> Killer:
        from pytest_httpserver import HTTPServer

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        from refreshing import change_both

        from conftest import Producers

        self.work = Path(tempfile.mkdtemp(prefix="kills-"))
        self.server, self.producers = HTTPServer(), Producers()
        self.server.start()
        self.server.expect_request(re.compile(".*")).respond_with_handler(self.producers)
        self.producers.tagged = True
        mirror = {"QPV_SANTE_MIRROR": self.server.url_for("").rstrip("/")}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__))],
            env=environment(self.work / "none") | mirror,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.number, self.seconds = 0, {}  # type: int, dict[str, float]
        said = self.order("base", self.work / "before")
        assert said.get("failures") == {}, said
        change_both(self.producers)
        said = self.order("further", self.work / "none")
        assert "wrong" not in said, said
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.server.stop()
        shutil.rmtree(self.work, ignore_errors=True)

    def order(self, what: str, root: Path, **more: object) -> dict[str, Any]:
        """Have a child do something, and give what it said."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": what, "root": str(root), **more}) + "\n")
        self.process.stdin.flush()
        said: dict[str, Any] = json.loads(self.process.stdout.readline())
        return said

    def _copy(self, operation: str) -> Path:
        from qpv_sante import store

        self.number += 1
        root = self.work / str(self.number)
        shutil.copytree(self.work / OPERATIONS[operation].base, root)
        if operation == "snapshot":
            shutil.copytree(store.snapshot_dir(), self.work / f"{root.name}-snapshot")
        return root

    def _remove(self, root: Path) -> None:
        for path in self.work.glob(f"{root.name}-snapshot*"):
            shutil.rmtree(path)
        shutil.rmtree(root)

    def points(self, operation: str = "refresh") -> list[str]:
        """Places where an operation may be killed, by stage, in order; its duration is measured on the way."""
        for _ in range(2):  # the first one reads from a cold disk
            root = self._copy(operation)
            done = self.order("operate", root, of=operation)
            self._remove(root)
            assert "wrong" not in done, done
        self.seconds[operation] = done["seconds"]
        return list(done["points"])

    def kill(self, operation: str = "refresh", *, point: int | None = None, delay: float | None = None) -> Killed:
        """Run an operation on a copy, killed at its n-th change of the disk or after a delay; look at what is left."""
        root = self._copy(operation)
        done = self.order("operate", root, of=operation, point=point, delay=delay)
        found = self.order("check", root, of=operation)
        self._remove(root)
        where = f"{operation}, point {point}" if point else f"{operation}, after {delay} s"
        problems = [f"{where}: {one}" for one in [*done.get("wrong", []), *found.get("wrong", [])]]
        if found["killed"]:
            problems.append(f"{where}: the check did not end")
        state, left = found.get("state", "?"), found.get("left", 0)
        return Killed(operation, where, done["killed"], state, left, "\n".join(problems))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    _serve()
