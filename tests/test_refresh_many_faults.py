"""A few of the faults of `benchmarks/faults.py`, the same each time: none is lost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from refreshing import ONE, OTHER

from conftest import Producers
from qpv_sante import pipeline

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


def test_halves_of_characters_do_not_stop_the_report(tmp_path: Path) -> None:
    """JSON can name what no file can hold: the date of a dataset, an error that quotes it."""
    from datetime import UTC, datetime

    from qpv_sante.refresh.outcome import Outcome, RefreshReport
    from qpv_sante.refresh.probing import Probe, State

    probe = Probe("insee_cog@2024", State.CHANGED, "https://a.fr", "\ud800")
    one = Outcome("insee_cog", "Codes", "Insee", probes=[probe])
    one.fail("a cell that is \ud800")
    report = RefreshReport(started=datetime.now(UTC), outcomes=[one])
    for suffix in (".md", ".html", ".json"):
        assert report.save(tmp_path / f"r{suffix}").read_text(encoding="utf-8")
    assert one.problem.encode()


def test_any_exception_of_one_file_fails_it_alone_in_a_build(
    producers: Producers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of GEOS, of the reader of workbooks, of memory: `build` holds them as `refresh` does."""
    genuine = pipeline.read_file

    class Odd(Exception):
        pass

    for error in (
        Odd("a ring that is open"),
        MemoryError("no room"),
        RecursionError("too deep"),
        AssertionError("odd"),
    ):

        def read(source: Any, vintage: Any, raw: Any, error: BaseException = error) -> Any:
            if source.id == ONE:
                raise error
            return genuine(source, vintage, raw)

        monkeypatch.setattr(pipeline, "read_file", read)
        report = pipeline.build([ONE, OTHER], root=tmp_path / "data")
        assert report.failures == {ONE: f"{type(error).__name__}: {error}"}
        assert OTHER in report.built
