"""The monthly workflow, its own steps run here: what it proposes, what it leaves alone, and what it tells.

The package and its snapshot are committed in a repository of the test's own; the producers are the miniature's, and
what the miniature does not have keeps the figures of the real snapshot, as a source that fails does.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from refreshing import CHANGE, EDITION, ONE, OTHER, OTHER_CHANGE, OTHER_EDITION
from workflow import Run, run_workflow

from conftest import Producers
from qpv_sante import snapshot, store
from qpv_sante.lockfile import LOCK_FILE, Lock

ROOT = Path(__file__).resolve().parents[1]
WORKFLOW = ROOT / ".github" / "workflows" / "refresh.yml"
TESTS = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))
TABLE = f"qpv_sante/snapshot/observations/{ONE}.parquet"
RECORDS = ["qpv_sante/snapshot/manifest.json", "qpv_sante/snapshot/sources.lock.toml"]


def git(*words: str, where: Path) -> str:
    done = subprocess.run(["git", *words], cwd=where, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def command(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def committed(built_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A bare repository of the package, its snapshot that of the miniature where it has the source."""
    work = tmp_path_factory.mktemp("repository") / "work"
    shutil.copytree(ROOT / "qpv_sante", work / "qpv_sante", ignore=shutil.ignore_patterns("__pycache__"))
    snapshot.write_snapshot(work / "qpv_sante" / "snapshot", root=built_data)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{name}_NAME", "test")
            patch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        git("init", "-q", "-b", "main", where=work)
        git("add", ".", where=work)
        git("commit", "-q", "-m", "all", where=work)
        git("clone", "-q", "--bare", ".", "../origin.git", where=work)
        yield work.parent / "origin.git"


class Scene:
    """One run of the workflow, and what it left."""

    def __init__(self, committed: Path, folder: Path) -> None:
        self.folder, self.origin = folder, folder / "origin.git"
        shutil.copytree(committed, self.origin)
        self.main = git("rev-parse", "main", where=self.origin)
        commands = folder / "bin"
        commands.mkdir()
        command(commands / "python", "exit 0")  # pip
        command(commands / "gh", f'echo "$@" >> {folder}/gh.log')
        code = "from qpv_sante.cli import main; main()"
        command(commands / "qpv-sante", f'PYTHONPATH="$WORKSPACE" exec {sys.executable} -c "{code}" "$@"')

    def run(self, source: str = "") -> Run:
        inputs = {"source": source} if source else {}
        place = self.folder / "run"
        return run_workflow(WORKFLOW, folder=place, origin=self.origin, commands=self.folder / "bin", inputs=inputs)

    def branches(self) -> list[str]:
        return git("branch", "--format", "%(refname:short)", where=self.origin).split()

    def changed(self, branch: str) -> list[str]:
        return git("diff", "--name-only", "main", branch, where=self.origin).split()

    def gh(self) -> list[str]:
        log = self.folder / "gh.log"
        return log.read_text(encoding="utf-8").splitlines() if log.is_file() else []

    def snapshot_of(self, branch: str) -> store.Store:
        """The snapshot as committed on a branch."""
        place = self.folder / f"seen-{branch}"
        git("clone", "-q", "-b", branch, str(self.origin), str(place), where=self.folder)
        return store.Store(place / "qpv_sante" / "snapshot", "snapshot")


@pytest.fixture
def scene(committed: Path, producers: Producers, tmp_path: Path) -> Scene:
    return Scene(committed, tmp_path)


def rate(of: store.Store) -> float:
    frame = of.observations(ONE, indicator="poverty_rate")
    return float(frame.set_index("geo_code")["value"]["QN03401M"])


def test_nothing_changed_proposes_nothing(scene: Scene) -> None:
    """Files downloaded anew, for want of a cache, that are the same: no difference at all, not even of dates."""
    run = scene.run(ONE)
    assert run.jobs == {"refresh": "success", "propose": "skipped", "tell": "skipped"}, run.log
    assert run.outputs["refresh"]["moved"] == ""
    assert scene.branches() == ["main"]
    assert scene.gh() == []


def test_one_source_on_demand_is_proposed(scene: Scene, producers: Producers) -> None:
    producers.edit(EDITION, CHANGE)
    producers.edit(OTHER_EDITION, OTHER_CHANGE)  # not asked for
    run = scene.run(ONE)
    assert run.jobs == {"refresh": "success", "propose": "success", "tell": "skipped"}, run.log
    assert run.outputs["refresh"]["code"] == "10"
    (branch,) = [name for name in scene.branches() if name != "main"]
    assert re.fullmatch(r"refresh-\d{4}-\d\d-\d\d-7", branch)
    assert sorted(scene.changed(branch)) == [RECORDS[0], TABLE, RECORDS[1]]
    assert git("rev-parse", "main", where=scene.origin) == scene.main
    credentials, create, tests = scene.gh()
    assert credentials == "auth setup-git"  # the checkout keeps none
    assert create.startswith(f"pr create --base main --head {branch} --title Data refresh")
    assert tests == f"workflow run tests.yml --ref {branch}"
    assert "workflow_dispatch" in TESTS[True]  # yaml reads `on` so
    before, after = scene.snapshot_of("main"), scene.snapshot_of(branch)
    assert (rate(before), rate(after)) == (62.0, 63.0)
    same = [name for name in before.manifest["sources"] if name != ONE]
    assert [before.manifest["sources"][name] for name in same] == [after.manifest["sources"][name] for name in same]
    assert after.problems() == {}
    body = (scene.folder / "run" / "body.md").read_text(encoding="utf-8")
    assert re.search(r"Sources mises à jour\W+1\W+en échec\W+0", body)
    assert "+1,0" in body


def test_sources_that_fail_do_not_stop_the_others(scene: Scene, producers: Producers) -> None:
    """All sources, several of them without an answer: the rest is proposed, theirs stay, and the run says so."""
    producers.edit(EDITION, CHANGE)
    producers.drop(OTHER_EDITION)
    producers.answers[producers.page(OTHER_EDITION)] = 404
    run = scene.run()
    assert run.jobs == {"refresh": "success", "propose": "success", "tell": "failure"}, run.log
    assert run.outputs["refresh"]["code"] == "1"
    assert "::error::" in run.log
    (branch,) = [name for name in scene.branches() if name != "main"]
    assert sorted(scene.changed(branch)) == [RECORDS[0], TABLE, RECORDS[1]]
    before, after = scene.snapshot_of("main"), scene.snapshot_of(branch)
    pd.testing.assert_frame_equal(after.observations(OTHER), before.observations(OTHER))
    locks = [Lock.load(one.path / LOCK_FILE) for one in (before, after)]
    assert locks[0].keys() == locks[1].keys()
    assert [key for key in locks[0].keys() if locks[0].get(key) != locks[1].get(key)] == [EDITION]  # noqa: SIM118
    body = (scene.folder / "run" / "body.md").read_text(encoding="utf-8")
    assert "n'existe plus" in body.replace("’", "'") or "réponse utilisable" in body


def test_nothing_could_be_built(scene: Scene, producers: Producers) -> None:
    producers.answers.clear()
    run = scene.run(ONE)
    assert run.jobs == {"refresh": "success", "propose": "skipped", "tell": "failure"}, run.log
    assert (scene.branches(), scene.gh()) == (["main"], [])


def test_wrong_use_stops_the_run(scene: Scene) -> None:
    run = scene.run("insee_demo_qvp")
    assert run.jobs["refresh"] == "failure"
    assert "Vouliez-vous dire insee_demo_qpv" in run.log
    assert (scene.branches(), scene.gh()) == (["main"], [])


def test_long_report_is_cut_for_the_pull_request(scene: Scene, producers: Producers) -> None:
    line = "- une ligne du rapport, avec des accents : é è à\n"
    command(
        scene.folder / "bin" / "qpv-sante",
        f"""\
case $1 in
refresh) mkdir -p report "$QPV_SANTE_DATA/processed"; touch "$QPV_SANTE_DATA/processed/CURRENT"
    yes -- "{line.strip()}" | head -n 4000 > report/refresh.md; exit 10;;
snapshot) rm qpv_sante/snapshot/codes/qpv.parquet; echo "{{}}" > qpv_sante/snapshot/manifest.json;;
esac""",
    )
    run = scene.run()
    assert run.jobs["propose"] == "success", run.log
    body = (scene.folder / "run" / "body.md").read_text(encoding="utf-8")
    assert len(body) < 65_536
    assert set(body.splitlines(keepends=True)[:-2]) == {line}
    assert body.splitlines()[-1].startswith("La suite est dans le rapport")
    (branch,) = [name for name in scene.branches() if name != "main"]
    # what is no longer in the snapshot is taken out of it
    assert scene.changed(branch) == ["qpv_sante/snapshot/codes/qpv.parquet", RECORDS[0]]


def test_rights_are_the_least(scene: Scene) -> None:
    said = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert said["permissions"] == {}
    jobs = said["jobs"]
    assert jobs["refresh"]["permissions"] == {"contents": "read"}
    assert jobs["propose"]["permissions"] == {"contents": "write", "pull-requests": "write", "actions": "write"}
    assert "permissions" not in jobs["tell"]
    # the job that may write runs nothing of the package nor of the producers
    scripts = "\n".join(step.get("run", "") for step in jobs["propose"]["steps"])
    assert not re.search(r"qpv-sante|python|pip", scripts.replace("refresh-report", ""))
    checkout = jobs["refresh"]["steps"][0]
    assert checkout["with"] == {"ref": "main", "persist-credentials": False}
    # an input is never pasted into a script
    assert not re.search(r"\$\{\{", "\n".join(step.get("run", "") for job in jobs.values() for step in job["steps"]))
