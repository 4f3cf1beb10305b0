"""The files that schedule a refresh, as far as they can be checked without running them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from refreshing import EDITION, ONE, OTHER, change_both, refresh

from conftest import Producers
from qpv_sante.cli import app

ROOT = Path(__file__).resolve().parents[1]
SERVICE, TIMER, USERS = (
    ROOT / "docs" / "systemd" / name
    for name in ("qpv-sante-refresh.service", "qpv-sante-refresh.timer", "qpv-sante.sysusers")
)
PROGRAM = "/opt/qpv-sante/bin/qpv-sante"
DOCUMENT = (ROOT / "docs" / "actualisation.md").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "refresh.yml").read_text(encoding="utf-8")


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(name), reason=f"this machine has no {name}")


def commands(text: str) -> list[list[str]]:
    """Every call of the command line, up to the end of its line or of what follows it."""
    joined = text.replace("\\\n", " ")
    return [
        found.split()
        for found in re.findall(r"qpv-sante ((?:refresh|rollback|verify|snapshot|provenance)\b[^\n#;`|&]*)", joined)
    ]


def block(word: str) -> str:
    """The block of commands of the document that holds a word."""
    (found,) = [text for text in re.findall(r"```\n(.*?)```", DOCUMENT, flags=re.DOTALL) if word in text]
    return found


def stub(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


# --- systemd -----------------------------------------------------------------------------------------------------


@pytest.fixture
def units(tmp_path: Path) -> list[str]:
    """The units, with a command that is there."""
    for unit in (SERVICE, TIMER):
        text = unit.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    return [str(tmp_path / unit.name) for unit in (SERVICE, TIMER)]


@needs("systemd-analyze")
def test_units_are_valid(units: list[str]) -> None:
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "qpv-sante" in line]
    assert (done.returncode, told) == (0, [])


@needs("systemd-analyze")
def test_service_is_confined(units: list[str]) -> None:
    """systemd's own measure, of 10; 2 and less are "OK"."""
    asked = ["systemd-analyze", "security", "--offline=true", "--no-pager", units[0]]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if "--offline" in done.stderr:
        pytest.skip("this systemd-analyze cannot look at a unit that is not installed")
    level = re.search(r"Overall exposure level.*: ([\d.]+)", done.stdout)
    assert level, done.stdout + done.stderr
    assert float(level[1]) <= 2


@needs("systemd-sysusers")
def test_user_of_the_service_is_the_declared_one(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", str(USERS)], check=True, capture_output=True)
    name, _, _, _, _, home, shell = (tmp_path / "etc" / "passwd").read_text().strip().split(":")
    service = SERVICE.read_text(encoding="utf-8")
    assert f"\nUser={name}\n" in service
    assert f"\nStateDirectory={Path(home).name}\n" in service
    assert shell.endswith("nologin")


def test_data_of_the_service_are_open_to_readers() -> None:
    """A dynamic user would keep them in a folder that only root enters."""
    service = SERVICE.read_text(encoding="utf-8")
    assert "DynamicUser" not in service
    assert "\nStateDirectoryMode=0755\n" in service
    assert "\nUMask=0022\n" in service


def test_refreshed_data_can_be_read_by_everyone(workspace: Path, producers: Producers) -> None:
    """Under that mask: temporary files are private, and take the place of the good ones."""
    before = os.umask(0o022)
    try:
        change_both(producers)
        report = refresh()
        report.save(workspace / "rapport.html")
    finally:
        os.umask(before)
    assert report.exit_code() == 10
    closed = [
        path.relative_to(workspace).as_posix()
        for path in workspace.rglob("*")
        if path.stat().st_mode & (0o055 if path.is_dir() else 0o044) != (0o055 if path.is_dir() else 0o044)
    ]
    assert closed == []


def test_units_take_a_change_for_a_success() -> None:
    assert "\nSuccessExitStatus=10\n" in SERVICE.read_text(encoding="utf-8")


def test_two_commands_install_the_units(tmp_path: Path) -> None:
    """As they are in the document, but for the root of the machine and the commands that need systemd itself."""
    text = block("systemctl enable").replace("/etc/", f"{tmp_path}/etc/")
    assert len(text.strip().splitlines()) == 2
    stub(tmp_path / "bin", "sudo", 'exec "$@"')
    for name in ("systemctl", "systemd-sysusers"):
        stub(tmp_path / "bin", name, f'echo "{name} $*" >> {tmp_path}/log')
    environment = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    subprocess.run(["bash", "-e", "-c", text], cwd=ROOT, env=environment, check=True)
    installed = {
        path.relative_to(tmp_path / "etc").as_posix(): path
        for path in (tmp_path / "etc").rglob("*.*")
        if path.is_file()
    }
    expected = {
        "systemd/system/qpv-sante-refresh.service": SERVICE,
        "systemd/system/qpv-sante-refresh.timer": TIMER,
        "sysusers.d/qpv-sante.conf": USERS,
    }
    assert installed.keys() == expected.keys()
    for name, source in expected.items():
        assert installed[name].read_bytes() == source.read_bytes()
        assert installed[name].stat().st_mode & 0o777 == 0o644
    said = (tmp_path / "log").read_text().splitlines()
    assert said == ["systemd-sysusers ", "systemctl daemon-reload", "systemctl enable --now qpv-sante-refresh.timer"]


def test_program_is_where_the_document_installs_it() -> None:
    assert f"\nExecStart={PROGRAM} refresh " in SERVICE.read_text(encoding="utf-8")
    assert f"python3 -m venv {Path(PROGRAM).parents[1]}" in block("python3 -m venv")
    assert (ROOT / "constraints.txt").is_file()


# --- cron --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changed", "fails"), [(True, False), (False, False), (True, True)])
def test_line_of_cron(workspace: Path, producers: Producers, tmp_path: Path, changed: bool, fails: bool) -> None:
    """As cron runs it: sh, no terminal, almost no variables; what it prints goes into a mail."""
    line = block("17 4 3 * *").strip()
    assert re.fullmatch(r"17 4 3 \* \* [^%\n]+", line)  # cron reads % as the end of the line
    home = tmp_path / "home"
    shutil.copytree(workspace, home / "qpv-sante")
    mirror, code = os.environ["QPV_SANTE_MIRROR"], "from qpv_sante.cli import main; main()"
    stub(
        tmp_path / "bin",
        "qpv-sante",
        f"export QPV_SANTE_MIRROR={mirror} PYTHONPATH={ROOT}\n"
        f'exec {sys.executable} -c "{code}" "$@" --source {ONE} --source {OTHER}',
    )
    if changed:
        change_both(producers)
    if fails:
        producers.drop(EDITION)
        producers.answers[producers.page(EDITION)] = 404
    done = subprocess.run(
        ["/bin/sh", "-c", line.removeprefix("17 4 3 * * ").replace(PROGRAM, str(tmp_path / "bin" / "qpv-sante"))],
        env={"HOME": str(home), "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin", "LOGNAME": "someone"},
        cwd=home,
        capture_output=True,
        check=False,
        timeout=1800,
    )
    said = done.stdout.decode("utf-8")
    assert done.returncode == (1 if fails else 0), done.stderr.decode()
    plain = said.replace("\u202f", " ").replace("\u00a0", " ")
    assert f"Sources mises à jour : {(1 if fails else 2) * changed} ; en échec : {int(fails)}" in plain
    assert "%|" not in said + done.stderr.decode("utf-8")  # a progress bar
    assert fails or done.stderr == b""
    assert (home / "qpv-sante" / "rapport.html").is_file()


# --- what the documents say --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [DOCUMENT, WORKFLOW, SERVICE.read_text(encoding="utf-8")])
def test_options_exist(text: str) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, *words in commands(text):
        options = {option for parameter in known[name].params for option in parameter.opts}
        used = {re.match(r"--[a-z-]+", word)[0] for word in words if word.startswith("--")}  # type: ignore[index]
        assert used <= options, (name, used - options)


def test_workflow_never_pushes_to_main() -> None:
    pushes = re.findall(r"git push .*", WORKFLOW)
    assert pushes == ['git push origin "$branch"']
    assert re.findall(r"git add .*", WORKFLOW) == ["git add --all qpv_sante/snapshot"]
    assert "schedule:" in WORKFLOW
    assert "workflow_dispatch:" in WORKFLOW
    assert "gh pr create --base main" in WORKFLOW
