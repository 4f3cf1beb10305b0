"""For the tests and for the examples of the docstrings: nobody's own data is read or written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from hypothesis import settings

# no test depends on the speed of the machine: an example may take as long as it needs
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")

_NETWORK = r"(?i)(https?|all|no)_proxy|(requests|curl)_ca_bundle|QPV_SANTE_MIRROR"


@pytest.fixture(autouse=True)
def own_data(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Point the data folder to one that does not exist: the embedded snapshot is read. No mirror, no proxy."""
    folder = tmp_path_factory.getbasetemp() / "no-data"
    monkeypatch.setenv("QPV_SANTE_DATA", str(folder))
    for name in [name for name in os.environ if re.fullmatch(_NETWORK, name)]:
        monkeypatch.delenv(name)
    yield
    if folder.exists():
        pytest.fail("this test wrote into the default data folder: it must name its own")
