"""Printed pages, as pictures for a person to look at."""

import shutil
import subprocess
from pathlib import Path

import pytest


def rendered(path: Path) -> int:
    """Number of pages of a PDF; each is written beside it as a picture."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is not installed: sudo apt-get install poppler-utils")
    for old in path.parent.glob(f"{path.stem}-page-*.png"):
        old.unlink()
    subprocess.run(["pdftoppm", "-r", "80", "-png", str(path), str(path.with_name(f"{path.stem}-page"))], check=True)
    return len(list(path.parent.glob(f"{path.stem}-page-*.png")))
