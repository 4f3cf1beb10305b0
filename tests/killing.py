"""Refreshes that are killed, and what is found afterwards.

A process that has everything imported waits for orders and forks: a child refreshes a folder and is killed at its
n-th write, or after a delay; another one then opens the store, refreshes again and says what it found.
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
    return subprocess.run(asked, env=environment(root), capture_output=True, text=True, check=False, timeout=60)


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

        for name in ("replace", "rename", "link", "fsync", "unlink", "mkdir", "rmdir"):
            setattr(os, name, wrapped(getattr(os, name)))
        io.open = opening  # type: ignore[assignment]
        pd.DataFrame.to_parquet = to_parquet  # type: ignore[assignment]


def _build(root: Path, order: dict[str, Any]) -> dict[str, Any]:
    from refreshing import EDITION, ONE, OTHER, Folder, refresh

    from qpv_sante import builds, pipeline

    # the miniature is not what the embedded snapshot was made of
    failures = pipeline.build([ONE, OTHER], root=root, accept_changes=True).failures
    for _ in range(2):  # as many as are kept: the next one prunes
        with builds.new_build(root):
            pass
    # a refresh on a copy, for the modules that it needs
    shutil.copytree(root, copy := root.with_name("warm"))
    os.environ["QPV_SANTE_DATA"] = str(copy)
    Folder(copy).raw(EDITION).unlink()
    (copy / "processed" / "CURRENT").unlink()
    refresh(root=copy)
    Folder(copy).pair()
    return {"failures": failures, "modules": list(sys.modules)}


def _refresh(root: Path, order: dict[str, Any]) -> dict[str, Any]:
    from refreshing import refresh

    hooks = Hooks(order.get("point"))
    hooks.install()
    began = time.perf_counter()
    code = refresh(root=root).exit_code()
    return {"code": code, "points": hooks.points, "seconds": time.perf_counter() - began}


def _check(root: Path, order: dict[str, Any]) -> dict[str, Any]:
    """What a killed refresh left: the state of the store, and every way in which it is not right."""
    from refreshing import AFTER, BEFORE, EDITION, OTHER_EDITION, Folder, refresh

    from qpv_sante.refresh.outcome import CHANGED, FAILED, NOTHING

    os.environ["QPV_SANTE_DATA"] = str(root)
    folder, states, wrong = Folder(root), {BEFORE: "old", AFTER: "new"}, []
    state = states.get(folder.pair(), f"a mixture: {folder.pair()}")
    if problems := folder.current.problems():
        wrong.append(f"damaged: {problems}")
    for key in (EDITION, OTHER_EDITION):  # a file of either state, whatever the record says
        if not folder.raw(key).is_file():
            wrong.append(f"{key}: no raw file")
    report = refresh(root=root)
    if report.exit_code() == FAILED:
        wrong.append(f"next refresh: {report.problem} {report.frame().to_dict('records')}")
    if state == "old" and report.exit_code() != CHANGED:
        wrong.append(f"next refresh: exit code {report.exit_code()}, new figures not taken")
    if folder.pair() != AFTER:
        wrong.append(f"after the next refresh: {folder.pair()}")
    folder.check()
    if (code := refresh(root=root).exit_code()) != NOTHING:
        wrong.append(f"the refresh after that: exit code {code}")
    return {"state": state, "wrong": wrong if state in states.values() else [state, *wrong]}


ORDERS = {"build": _build, "refresh": _refresh, "check": _check}


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
    """What a kill left."""

    where: str
    killed: bool
    state: str
    problem: str


class Killer:
    """A server of producers, a folder built before they changed, and refreshes of its copies that are killed."""

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
        self.base, self.number, self.seconds = self.work / "base", 0, 0.0
        said = self.order("build", self.base)
        assert said.get("failures") == {}, said
        change_both(self.producers)
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

    def _copy(self) -> Path:
        self.number += 1
        root = self.work / str(self.number)
        shutil.copytree(self.base, root)
        return root

    def points(self) -> list[str]:
        """Places where a refresh may be killed, by stage, in order; its duration is measured on the way."""
        root = self._copy()
        self.order("refresh", root)  # the first one reads from a cold disk
        shutil.rmtree(root)
        root = self._copy()
        done = self.order("refresh", root)
        shutil.rmtree(root)
        self.seconds = done["seconds"]
        return list(done["points"])

    def kill(self, *, point: int | None = None, delay: float | None = None) -> Killed:
        """Refresh a copy, killed at its n-th write or after a delay, and look at what is left."""
        root = self._copy()
        done = self.order("refresh", root, point=point, delay=delay)
        found = self.order("check", root)
        shutil.rmtree(root)
        where = f"point {point}" if point else f"after {delay:.3f} s"
        problems = [f"{where}: {one}" for one in [*done.get("wrong", []), *found.get("wrong", [])]]
        if found["killed"]:
            problems.append(f"{where}: the check did not end")
        return Killed(where, done["killed"], found.get("state", "?"), "\n".join(problems))


if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    _serve()
