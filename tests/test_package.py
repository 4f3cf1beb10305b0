"""The package as a whole: import cost, public names, what it leaves behind."""

import subprocess
import sys

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
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []


def test_public_names_exist_and_are_documented():
    for name in qs.__all__:
        thing = getattr(qs, name)
        assert name == "__version__" or thing.__doc__
