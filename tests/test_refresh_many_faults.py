"""A few of the faults of `benchmarks/faults.py`, the same each time: none is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not beside the tests")
def test_no_fault_of_servers_or_files_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import faults

    monkeypatch.delitem(sys.modules, "faults", raising=False)
    found = faults.run(18, seed=3)
    assert len(found) == 18
    assert len({source for source, _, _ in found}) == 3
    assert [one for one in found if one[2] != "held"] == []
