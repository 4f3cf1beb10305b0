"""The package as a whole: import cost, notebooks, what it leaves behind."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import qpv_sante as qs

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_import_is_light_and_writes_nothing(tmp_path):
    heavy = [
        "matplotlib",
        "seaborn",
        "mapclassify",
        "statsmodels",
        "pandera",
        "jinja2",
        "typer",
        "scipy.stats",
        "pooch",
    ]
    code = f"import sys, qpv_sante; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_public_names_exist_and_are_documented():
    for name in qs.__all__:
        thing = getattr(qs, name)
        assert name == "__version__" or thing.__doc__


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_from_a_clean_kernel(path, monkeypatch):
    # the kernel's own transport; nothing to do with what is tested
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    notebook = nbformat.read(path, as_version=4)
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "outputs do not come from one clean run: `make notebooks`"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
