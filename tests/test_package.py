"""The package as a whole: import cost, public names, what it leaves behind."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import qpv_sante as qs


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
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=1800
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_public_names_exist_and_are_documented():
    for name in qs.__all__:
        thing = getattr(qs, name)
        assert name == "__version__" or thing.__doc__


def test_french_words_agree_in_number():
    found = []
    for path in Path(qs.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                said = [value for key, value in zip(node.keys, node.values, strict=True) if _is_french(key)]
                texts = [one.value for value in said for one in ast.walk(value) if isinstance(one, ast.Constant)]
                found += [
                    (path.name, text) for text in map(str, texts) if re.search(r"[a-zé]\((s|es|x|nt|ont)\)", text)
                ]
    assert found == []


def _is_french(key):
    return isinstance(key, ast.Constant) and key.value == "fr"
