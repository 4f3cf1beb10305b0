"""The embedded snapshot: what a new one takes from the build, what it keeps of the one before."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from refreshing import CHANGE, EDITION, ONE, OTHER

from conftest import Producers
from qpv_sante import manifests, pipeline, store
from qpv_sante.catalogue import core_catalogue
from qpv_sante.content import sha256_of
from qpv_sante.errors import StoreError
from qpv_sante.lockfile import LOCK_FILE, Lock
from qpv_sante.snapshot import write_snapshot


@pytest.fixture(scope="module")
def first(built_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snapshot of the miniature, over the real one for what the miniature lacks."""
    target = tmp_path_factory.mktemp("first") / "snapshot"
    shutil.copytree(store.snapshot_dir(), target)
    return write_snapshot(target, root=built_data)


@pytest.fixture
def target(first: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first, tmp_path / "snapshot"))


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def of(folder: Path) -> store.Store:
    return store.Store(folder, "snapshot")


def test_what_the_build_lacks_is_kept(first: Path, built_data: Path) -> None:
    real, made = of(store.snapshot_dir()), of(first)
    built = store.current_store(built_data)
    assert built is not None
    lacking = sorted(set(core_catalogue().sources) - set(built.manifest["sources"]))
    assert "spf_barometer_2024" in lacking
    locks = [Lock.load(one.path / LOCK_FILE) for one in (real, made)]
    for source in lacking:
        assert made.manifest["sources"][source] == real.manifest["sources"][source]
        for table in (name for name in real.manifest["sources"][source]["tables"] if real.has(name)):
            assert made.manifest["files"][f"{table}.parquet"] == real.manifest["files"][f"{table}.parquet"]
        for key in (key for key in locks[0].keys() if key.startswith(f"{source}@")):  # noqa: SIM118
            assert locks[1].get(key) == locks[0].get(key)
    pd.testing.assert_frame_equal(made.observations(ONE), built.observations(ONE))
    assert made.problems() == {}


def test_the_same_figures_leave_it_as_it_is(target: Path, built_data: Path, tmp_path: Path) -> None:
    """Downloaded another day, written by another version of the library: the same figures, the same bytes."""
    root = Path(shutil.copytree(built_data, tmp_path / "data"))
    lock = Lock.load(root / LOCK_FILE)
    for key in lock.keys():  # noqa: SIM118 - not a mapping
        entry = lock.get(key)
        assert entry is not None
        lock.record(key, replace(entry, retrieved=f"3{entry.retrieved[1:]}"))
    lock.save()
    current = store.current_store(root)
    assert current is not None
    name = f"observations/{ONE}"
    current.table(name).to_parquet(current.path / f"{name}.parquet", compression="gzip", index=False)
    table = current.path / f"{name}.parquet"
    manifest = manifests.read(current.path)
    manifest["files"][f"{name}.parquet"] |= {"bytes": table.stat().st_size, "sha256": sha256_of(table)}
    for record in manifest["sources"].values():
        for edition in record["editions"].values():
            edition["retrieved"] = "3026-01-01T00:00:00+00:00"
    manifests.write(current.path, manifest)
    before = bytes_of(target)
    assert write_snapshot(target, root=root) == target
    assert bytes_of(target) == before
    assert [path.name for path in target.parent.iterdir() if "snapshot" in path.name] == ["snapshot"]


def test_a_build_of_one_source_changes_that_source_only(target: Path, producers: Producers, tmp_path: Path) -> None:
    producers.edit(EDITION, CHANGE)
    assert pipeline.build([ONE], root=tmp_path / "data").failures == {}
    before = bytes_of(target)
    write_snapshot(target, root=tmp_path / "data")
    after = bytes_of(target)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert changed == ["manifest.json", f"observations/{ONE}.parquet", LOCK_FILE]
    value = of(target).observations(ONE, indicator="poverty_rate").set_index("geo_code")["value"]["QN03401M"]
    assert value == 63.0


def test_outlines_without_their_tables_are_kept(target: Path, producers: Producers, tmp_path: Path) -> None:
    """A new outline beside former tables of territories would be a quarter that no table knows."""
    producers.edit("anct_qpv2024@2026-01", ("Les Provinces", "Les Provinces Nord"))
    assert pipeline.build(["anct_qpv2024", OTHER], root=tmp_path / "data").failures == {}
    before = bytes_of(target)
    write_snapshot(target, root=tmp_path / "data")
    assert bytes_of(target) == before


def test_without_a_whole_snapshot_every_source_is_needed(producers: Producers, tmp_path: Path, first: Path) -> None:
    pipeline.build([ONE], root=tmp_path / "data")
    with pytest.raises(StoreError, match=r"The build lacks .*insee_demo_qpv2024.*Run `qpv-sante build`"):
        write_snapshot(tmp_path / "new", root=tmp_path / "data")
    damaged = Path(shutil.copytree(first, tmp_path / "damaged"))
    (damaged / "observations" / f"{OTHER}.parquet").write_bytes(b"x")
    with pytest.raises(StoreError, match="no whole snapshot there has it"):
        write_snapshot(damaged, root=tmp_path / "data")
    assert not (tmp_path / "new").exists()
