"""A data folder under refresh: what it holds, what it gives, and whether anything was left behind."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

import qpv_sante as qs
from conftest import Producers
from qpv_sante import store
from qpv_sante.content import sha256_of
from qpv_sante.lockfile import LOCK_FILE, Lock
from qpv_sante.refresh import RefreshReport
from qpv_sante.refresh.outcome import Outcome

# the source that is broken, and the one that must go on meanwhile
ONE, EDITION = "insee_filosofi_qpv2024", "insee_filosofi_qpv2024@2021"
OTHER, OTHER_EDITION = "insee_demo_qpv2024", "insee_demo_qpv2024@2020"
CHANGE = ("QN03401M;62", "QN03401M;63")  # poverty rate of Centre Ville, Béziers
OTHER_CHANGE = ("QN03401M;20100", "QN03401M;20200")  # its population
BEFORE, AFTER = (62.0, 20100.0), (63.0, 20200.0)


def refresh(*sources: str, **options: object) -> RefreshReport:
    """Refresh the two sources, or those named."""
    return qs.refresh(list(sources or (ONE, OTHER)), **options)  # type: ignore[arg-type]


def outcome(report: RefreshReport, source: str = ONE) -> Outcome:
    """What happened to a source."""
    return next(one for one in report.outcomes if one.source == source)


def change_both(producers: Producers) -> None:
    """Both producers publish a new figure."""
    producers.edit(EDITION, CHANGE)
    producers.edit(OTHER_EDITION, OTHER_CHANGE)


class Folder:
    """A data folder, as a user and as the disk see it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.pointer = root / "processed" / "CURRENT"

    def tree(self) -> dict[str, str]:
        """Hash of every file, but for those that tell processes apart."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name != ".lock"
        }

    def strays(self) -> list[str]:
        """Files and folders of work that should be over."""
        ends, begins = (".partial", ".new", ".tmp"), (".download-", ".staging")
        return [p.name for p in self.root.rglob("*") if p.name.endswith(ends) or p.name.startswith(begins)]

    @property
    def lock(self) -> Lock:
        return Lock.load(self.root / LOCK_FILE)

    def raw(self, key: str = EDITION) -> Path:
        entry = self.lock.get(key)
        assert entry is not None
        return self.root / "raw" / entry.file

    @property
    def current(self) -> store.Store:
        found = store.current_store(self.root)
        assert found is not None
        return found

    def builds(self) -> list[str]:
        return sorted(path.name for path in (self.root / "processed" / "builds").iterdir())

    def figures(self, source: str = ONE) -> pd.DataFrame:
        """Figures of a source, as a user loads them."""
        indicator = {ONE: "poverty_rate", OTHER: "population"}[source]
        frame = qs.load_observations(indicator, geo_level="qpv", geo_vintage=2024)
        assert source in frame.attrs["origin"]
        assert frame.attrs["origin"][source].startswith("processed"), "read from the snapshot"
        return frame

    def pair(self) -> tuple[float, float]:
        """The two figures that tests change, read from one build."""
        with store.one_build():
            values = [self.figures(name).set_index("geo_code")["value"]["QN03401M"] for name in (ONE, OTHER)]
        return float(values[0]), float(values[1])

    def of(self, source: str, key: str) -> tuple[object, ...]:
        """All that there is of a source: its table, its record, its raw file."""
        store_, raw = self.current, self.raw(key)
        table = store_.manifest["files"][f"observations/{source}.parquet"]["sha256"]
        return table, store_.manifest["sources"][source], self.lock.get(key), raw, sha256_of(raw)

    def check(self) -> None:
        """Every table is the one that the manifest says, every raw file the one that the lock says; nothing strays."""
        assert self.current.problems() == {}
        lock = self.lock
        for key in lock.keys():  # noqa: SIM118 - a method of the lock file
            entry = lock.get(key)
            assert entry is not None
            assert sha256_of(self.root / "raw" / entry.file) == entry.sha256, key
        for name, record in self.current.manifest["sources"].items():
            for edition, said in record["editions"].items():
                entry = lock.get(f"{name}@{edition}")
                assert entry is not None
                assert entry.sha256 == said["sha256"], f"{name}@{edition}"
        assert self.strays() == []
