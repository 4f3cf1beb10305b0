"""Runs the `run:` blocks of a GitHub Actions workflow on this machine, in clones of a repository.

What GitHub does is imitated as far as our workflow needs it: jobs in order, fresh checkouts, outputs of steps and jobs,
conditions, artifacts, `$GITHUB_OUTPUT`. Actions other than checkout and artifacts do nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass
class Run:
    """A run of a workflow.

    Attributes
    ----------
    jobs : dict of str to str
        `success`, `failure` or `skipped`.
    log : str
        All that the steps printed.
    """

    folder: Path
    origin: Path
    commands: Path
    inputs: Mapping[str, str]
    variables: Mapping[str, str]
    jobs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""

    def job(self, name: str, job: dict[str, Any]) -> None:
        """One job, in a clone of its own; skipped where its condition or its needs say so."""
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        condition = str(job.get("if", "")).removeprefix("${{").removesuffix("}}").strip()
        failed = any(self.jobs[one] != "success" for one in needs)
        values = {f"needs.{one}.outputs.{key}": value for one in needs for key, value in self.outputs[one].items()}
        if (failed and "cancelled()" not in condition) or not holds(condition, values, failed=False):
            self.jobs[name], self.outputs[name] = "skipped", {}
            return
        place, status, steps = self.folder / name, "success", {}
        for step in job["steps"]:
            known = {
                f"steps.{one}.outputs.{key}": value for one, found in steps.items() for key, value in found.items()
            }
            if not holds(str(step.get("if", "")), known, failed=status == "failure"):
                continue
            if "uses" in step:
                self._action(step, place)
                continue
            environment = {**job.get("env", {}), **step.get("env", {})}
            code, found = self._shell(step["run"], place, environment)
            steps[step.get("id", "")] = found
            if code:
                status = "failure"
        self.jobs[name] = status
        declared = {key: re.sub(r"[${}\s]", "", text) for key, text in job.get("outputs", {}).items()}
        known = {f"steps.{one}.outputs.{key}": value for one, found in steps.items() for key, value in found.items()}
        self.outputs[name] = {key: known.get(path, "") for key, path in declared.items()}

    def _action(self, step: dict[str, Any], place: Path) -> None:
        action, options = step["uses"].partition("@")[0], step.get("with", {})
        stored = self.folder / "artifacts" / options.get("name", "")
        if action == "actions/checkout":
            branch = options["ref"]
            subprocess.run(["git", "clone", "-q", "-b", branch, str(self.origin), str(place)], check=True)
        elif action == "actions/upload-artifact" and (place / options["path"]).is_dir():
            shutil.copytree(place / options["path"], stored)
        elif action == "actions/download-artifact":
            shutil.copytree(stored, place / options["path"], dirs_exist_ok=True)

    def _shell(self, script: str, place: Path, environment: Mapping[str, str]) -> tuple[int, dict[str, str]]:
        place.mkdir(exist_ok=True)
        output = self.folder / "output.txt"
        output.write_text("")
        values = {"inputs.source": "", "github.workspace": str(place), "github.token": "token"}
        values |= {f"inputs.{name}": value for name, value in self.inputs.items()}
        filled = {
            name: re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda found: values[found[1]], str(text))
            for name, text in environment.items()
        }
        github = {
            **{"GITHUB_OUTPUT": str(output), "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md")},
            **{"GITHUB_RUN_ID": "7", "RUNNER_TEMP": str(self.folder), "GITHUB_WORKSPACE": str(place)},
        }
        path = f"{self.commands}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=place,
            env={**os.environ, **self.variables, **filled, **github, "PATH": path, "WORKSPACE": str(place)},
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        self.log += done.stdout + done.stderr
        lines = output.read_text().splitlines()
        return done.returncode, dict(line.partition("=")[::2] for line in lines)


def run_workflow(
    path: Path,
    *,
    folder: Path,
    origin: Path,
    commands: Path,
    inputs: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
) -> Run:
    """Run every job of a workflow.

    Parameters
    ----------
    path : Path
        The workflow.
    folder : Path
        For the clones and the artifacts.
    origin : Path
        The repository that is checked out and pushed to.
    commands : Path
        Folder of the commands that stand for the runner's.
    inputs, variables : mapping
        Inputs of a dispatch, and variables of the environment.
    """
    folder.mkdir()
    run = Run(folder, origin, commands, inputs or {}, variables or {})
    for name, job in yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"].items():
        run.job(name, job)
    return run


def holds(condition: str, values: Mapping[str, str], *, failed: bool) -> bool:
    """Whether a condition of a step or of a job holds; without one, nothing before it may have failed."""
    if "always()" not in condition and "cancelled()" not in condition and failed:
        return False
    for term in filter(None, (part.strip() for part in condition.split("&&"))):
        if term in {"always()", "!cancelled()"}:
            continue
        left, how, right = term.split()
        if (values.get(left, "") == right.strip("'")) is not (how == "=="):
            return False
    return True
