"""The audit of the pinned dependencies in `make check`: what it lets pass, what it does not, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOUND = {"name": "pandas", "version": "3.0.0", "vulns": []}
FAULTY = {"name": "jinja2", "version": "3.0.0", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.5"]}]}
UNCHECKED = {"name": "pooch", "skip_reason": "Dependency not found"}


def audit(folder: Path, answer: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """The audit, with a pip-audit that answers what the test wants."""
    (folder / "pip_audit").mkdir()
    text = answer if isinstance(answer, str) else json.dumps({"dependencies": answer, "fixes": []})
    script = f"import sys\nprint({text!r})\nprint('its own words', file=sys.stderr)\nsys.exit({code})\n"
    (folder / "pip_audit" / "__main__.py").write_text(script)
    (folder / "pip_audit" / "__init__.py").write_text("")
    command = [sys.executable, str(ROOT / ".ci" / "audit")]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_nothing_known_passes(tmp_path: Path) -> None:
    done = audit(tmp_path, [SOUND])
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "audit: 1 packages, 0 known vulnerabilities, 0 without an answer\n"


def test_registry_without_advisories_passes_and_says_that_nothing_was_checked(tmp_path: Path) -> None:
    done = audit(tmp_path, [UNCHECKED, {**UNCHECKED, "name": "tqdm"}])
    assert done.returncode == 0
    assert "2 without an answer" in done.stdout
    assert "nothing was checked" in done.stdout


def test_partial_answer_names_what_was_not_checked(tmp_path: Path) -> None:
    done = audit(tmp_path, [SOUND, UNCHECKED])
    assert done.returncode == 0
    assert "audit: not checked: pooch\n" in done.stdout
    assert "nothing was checked" not in done.stdout


def test_known_vulnerability_fails_beside_unchecked_packages(tmp_path: Path) -> None:
    done = audit(tmp_path, [UNCHECKED, FAULTY, SOUND], code=1)
    assert done.returncode == 1
    assert "jinja2 3.0.0: PYSEC-1, corrected in 3.1.5" in done.stderr


@pytest.mark.parametrize(("answer", "code"), [("", 1), ("<html>", 0), ([], 0), ([SOUND], 1), ("[]", 0)])
def test_no_answer_is_not_taken_for_a_good_one(tmp_path: Path, answer: object, code: int) -> None:
    done = audit(tmp_path, answer, code)
    assert done.returncode == 1
    assert "audit: no answer" in done.stderr
    assert "its own words" in done.stderr


def test_make_check_runs_it_and_the_rules_of_security() -> None:
    assert ".ci/audit" in (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    assert '"S"' in (ROOT / "pyproject.toml").read_text()
