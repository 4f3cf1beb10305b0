"""A refresh against the mirror of the producers' real files, with its faults."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from refreshing import Folder, outcome

import qpv_sante as qs
from qpv_sante import sessions, transfer

SHARED = Path(__file__).resolve().parents[2] / "shared" / "mirror" / "serve.py"
SOURCE = "insee_filosofi_qpv2024"
FAULTS = {
    "404": "status 404",
    "410": "status 410",
    "429": "status 429",
    "503": "status 503",
    "drop": "Connection",
    "html": "HTML page in place of the file",
    "garbage": "unrecognised bytes",
    "truncate": "cut after",
    "slow": "too slow",
}
pytestmark = [
    pytest.mark.mirror,
    pytest.mark.skipif(not SHARED.is_file(), reason="the mirror of the producers' files is not beside the repository"),
]


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, *faults: str) -> Iterator[None]:
    command = [sys.executable, str(SHARED), *(word for fault in faults for word in ("--fault", fault))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            monkeypatch.setenv("QPV_SANTE_MIRROR", process.stdout.readline().strip())
            yield
        finally:
            process.terminate()


def rates() -> pd.DataFrame:
    return qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024, year=2021)


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The source, refreshed from the real file."""
    folder = tmp_path_factory.mktemp("real") / "data"
    with pytest.MonkeyPatch.context() as patch, serving(patch):
        report = qs.refresh([SOURCE], root=folder)
        assert report.exit_code() == 10, outcome(report, SOURCE).problem
    yield folder


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_keeps_the_real_figures(once: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPEED_WINDOW", 0.3)
    monkeypatch.setattr(transfer, "MIN_SPEED", 100.0)  # the mirror is slow at 64 bytes a second
    monkeypatch.setattr(sessions, "BACKOFF", 0.0)
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setenv("QPV_SANTE_DATA", str(once))
    folder = Folder(once)
    entry = folder.lock.get(f"{SOURCE}@2021")
    assert entry is not None
    before, figures = folder.tree(), rates()
    lock = folder.lock
    lock.record(entry_key := f"{SOURCE}@2021", None)  # as if it were another file: it has to be asked for
    lock.save()
    with serving(monkeypatch, f"8243167/.*zip={fault}"):
        report = qs.refresh([SOURCE], root=once)
    assert report.exit_code() == 1
    assert FAULTS[fault] in outcome(report, SOURCE).problem
    lock.record(entry_key, entry)
    lock.save()
    assert folder.tree() == before
    assert folder.strays() == []
    pd.testing.assert_frame_equal(rates(), figures)


def test_a_changed_figure_is_told_then_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "insee_demo_qpv2024"
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path))
    with serving(monkeypatch):
        assert qs.refresh([source]).exit_code() == 10
        figures = qs.load_observations("population", geo_level="qpv", geo_vintage=2024, year=2020)
        assert qs.refresh([source]).exit_code() == 0
    with serving(monkeypatch, "DEMO_QP24.*=changed"):
        report = qs.refresh([source])
    changes = outcome(report, source).changes
    assert (report.exit_code(), changes.counts()) == (10, {"moved": 1})
    assert changes.examples["moved"]["geo_code"].tolist() == ["QN00203M"]  # the tenth line of the real file
    with serving(monkeypatch):
        assert qs.refresh([source]).exit_code() == 10
    pd.testing.assert_frame_equal(
        qs.load_observations("population", geo_level="qpv", geo_vintage=2024, year=2020), figures
    )
