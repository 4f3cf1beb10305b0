"""The files that schedule a refresh, as far as they can be checked without running them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer.main

from qpv_sante.cli import app

ROOT = Path(__file__).resolve().parents[1]
UNITS = sorted((ROOT / "docs" / "systemd").iterdir())
DOCUMENT = (ROOT / "docs" / "actualisation.md").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github" / "workflows" / "refresh.yml").read_text(encoding="utf-8")


def commands(text: str) -> list[list[str]]:
    """Every call of the command line, up to the end of its line or of what follows it."""
    joined = text.replace("\\\n", " ")
    return [
        found.split() for found in re.findall(r"qpv-sante ((?:refresh|rollback|verify|snapshot)\b[^\n#;`|&]*)", joined)
    ]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="this machine has no systemd-analyze")
def test_units_are_valid(tmp_path: Path) -> None:
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8").replace("/usr/local/bin/qpv-sante", "/bin/true")
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    paths = [str(tmp_path / unit.name) for unit in UNITS]
    done = subprocess.run(["systemd-analyze", "verify", *paths], capture_output=True, text=True, check=False)
    told = [line for line in done.stderr.splitlines() if "qpv-sante" in line]
    assert (done.returncode, told) == (0, [])


def test_units_take_a_change_for_a_success() -> None:
    service = next(unit for unit in UNITS if unit.suffix == ".service").read_text(encoding="utf-8")
    assert "SuccessExitStatus=10" in service
    assert "|| [ $? -eq 10 ]" in DOCUMENT


@pytest.mark.parametrize("text", [DOCUMENT, WORKFLOW, *(unit.read_text(encoding="utf-8") for unit in UNITS)])
def test_options_exist(text: str) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, *words in commands(text):
        options = {option for parameter in known[name].params for option in parameter.opts}
        used = {re.match(r"--[a-z-]+", word)[0] for word in words if word.startswith("--")}  # type: ignore[index]
        assert used <= options, (name, used - options)


def test_workflow_never_pushes_to_main() -> None:
    pushes = re.findall(r"git push .*", WORKFLOW)
    assert pushes == ['git push origin "$branch"']
    assert re.findall(r"git add .*", WORKFLOW) == ["git add qpv_sante/snapshot"]
    assert "schedule:" in WORKFLOW
    assert "workflow_dispatch:" in WORKFLOW
    assert "gh pr create --base main" in WORKFLOW


def test_workflow_is_valid_yaml_with_the_steps_in_order() -> None:
    yaml = pytest.importorskip("yaml")
    steps = yaml.safe_load(WORKFLOW)["jobs"]["refresh"]["steps"]
    names = [step.get("id") or step.get("uses", step.get("run", "")).split("@")[0] for step in steps]
    assert names.index("refresh") < names.index("snapshot")
    assert all(len(step.keys() & {"run", "uses"}) == 1 for step in steps)
    scripts = [step["run"] for step in steps if "run" in step]
    for script in scripts:
        subprocess.run(["bash", "-n", "-c", re.sub(r"\$\{\{.*?\}\}", "x", script)], check=True)
