"""The notebooks: outputs of one clean run, light, without a trace of a machine, that show what they say."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
MOST_BYTES = 3_000_000
PLACE = re.compile(
    r"(?<![\w:/.~])/(?:home|root|tmp|work|usr|opt|mnt|var|Users)/|[A-Z]:\\\\|\.venv|127\.0\.0\.1|localhost"
)
# words that would make a cause of an association
CAUSAL = re.compile(r"\b(à cause d|en raison d|provoque|entraîne|engendre|explique par|grâce à)", re.IGNORECASE)


def _read(path):
    return nbformat.read(path, as_version=4)


def _shown(notebook):
    """The text of every output, with ordinary spaces, pictures and embedded pages left out."""
    parts = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            parts.append(output.get("text", ""))
            data = output.get("data", {})
            page = data.get("text/html", "")
            parts.append(page if "<iframe" not in page else "")
            parts.append(data.get("text/plain", "") if "<iframe" not in page else "")
    return _plain("\n".join(parts))


def _plain(text):
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def _pictures(notebook):
    return [
        output["data"]["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]


def test_there_are_notebooks():
    assert [path.stem[:2] for path in NOTEBOOKS[:5]] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_saved_outputs_come_from_one_clean_run_and_are_light(path):
    notebook = _read(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), "run `make notebooks`"
    kinds = [(output.output_type, output.get("name")) for cell in code for output in cell.outputs]
    assert not [kind for kind in kinds if kind[0] == "error" or kind[1] == "stderr"]
    assert path.stat().st_size <= MOST_BYTES
    # the hours of execution change at every run and say nothing
    assert not [cell.id for cell in notebook.cells if cell.metadata.get("execution")]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_of_a_machine_is_left_in_them(path):
    notebook = _read(path)
    found = PLACE.findall(_shown(notebook)) + [PLACE.search(cell.source) for cell in notebook.cells]
    assert not [one for one in found if one]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_call_to_a_figure_shows_it(path):
    # a figure that is drawn and not shown leaves no error behind
    for cell in _read(path).cells:
        drawn = re.search(r"\bqs\.plot_\w+\(|\bplt\.show\(", cell.source) if cell.cell_type == "code" else None
        if drawn and "except" not in cell.source:
            assert any("image/png" in output.get("data", {}) for output in cell.outputs), cell.source


@pytest.mark.parametrize("path", NOTEBOOKS[:5], ids=lambda path: path.stem)
def test_words_are_french_and_make_no_cause(path):
    words = "\n".join(cell.source for cell in _read(path).cells if cell.cell_type == "markdown")
    prose = re.sub(r"`[^`]*`", "", words)
    assert "**Question.**" in prose
    assert not re.search(r" [;?!%»]|« ", prose), "a no-break space goes before these signs"
    quoted = re.sub(r"«[^»]*»", "", prose)  # what must not be said is quoted
    assert not CAUSAL.findall(quoted)


# what the texts comment: values that the producers print, or that the tests of the functions pin
EXPECTED = {
    "01": ["54,9", "62,9", "59,7", "uncertain", "DISP_TP60_A19"],
    "02": ["59,4", "65,6", "17,7", "1,66"],
    "03": ["43,7", "21,4", "1 348", "1 400", "33,2"],
    "04": ["105", "EPSG:4326", "anct_qpv2024"],
    "05": ["46,76", "20,71", "26,05", "2,26"],
}
AT_LEAST_PICTURES = {"01": 2, "02": 7, "03": 8, "04": 5, "05": 4}


@pytest.mark.parametrize("start", sorted(EXPECTED))
def test_they_show_the_figures_that_they_comment(start):
    path = next(one for one in NOTEBOOKS if one.name.startswith(start))
    notebook = _read(path)
    shown = _shown(notebook)
    assert [text for text in EXPECTED[start] if text not in shown] == []
    assert len(_pictures(notebook)) >= AT_LEAST_PICTURES[start]


# 06 runs for two territories in test_diagnosis.py
@pytest.mark.parametrize("path", [one for one in NOTEBOOKS if one.name[:2] != "06"], ids=lambda path: path.stem)
def test_it_runs_from_a_clean_kernel_and_shows_what_it_comments(path, tmp_path, monkeypatch):
    # the kernel's own transport; nothing to do with what is tested
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    saved, notebook = _read(path), _read(path)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # a copy of the folder: what a notebook writes beside itself stays out of the checkout
    (tmp_path / "notebooks").mkdir()
    NotebookClient(notebook, timeout=None, resources={"metadata": {"path": str(tmp_path / "notebooks")}}).execute()
    assert len(_pictures(notebook)) == len(_pictures(saved))
    streams = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in streams if output.get("name") == "stderr"]
    start = path.name[:2]
    shown = _shown(notebook)
    assert [text for text in EXPECTED.get(start, []) if text not in shown] == []
    assert not PLACE.findall(shown)
