"""Kills, races, flipped bits, full disks: figures go with their licence and their rule, and nothing is lost unseen."""

from __future__ import annotations

import logging
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import damaging
import killing
import pandas as pd
import pytest
import racing
from killing import NOTICE, OPEN, TIGHT, bring, form_in_use, forms_on_disk

import qpv_sante as qs
from qpv_sante import builds, content, durable, history, imports, manifests, store
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import CatalogueError, StoreError, UnknownNameError
from qpv_sante.imports.stored import stored_rows
from qpv_sante.initiative_records import read_initiatives
from qpv_sante.lockfile import LOCK_FILE, Lock, LockEntry

POSIX = pytest.mark.skipif(os.name != "posix", reason="rights, pipes and devices of POSIX systems")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of its own, with an import under an open licence."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    bring(tmp_path / "data", OPEN)
    return tmp_path / "data"


def in_use(root: Path) -> Path:
    current = store.build_in_use(root / "processed")
    assert current is not None
    return current.path


def tree(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def statuses(root: Path) -> set[str]:
    frame = qs.verify(root).frame()
    return set(frame.loc[frame["place"] != "snapshot", "status"])


def another_build(root: Path) -> Path:
    with builds.new_build(root):
        pass
    return in_use(root)


# --- figures, licence and rule in one step -------------------------------------------------------------------------


def test_licence_and_rule_are_in_the_build_with_the_figures(root: Path) -> None:
    bring(root, TIGHT)
    said = manifests.read(in_use(root))["sources"]["ors"]
    assert said["record"]["source"]["restriction"] == NOTICE
    assert said["editions"]["2023"]["secrecy"]["threshold"] == 11
    assert not (root / "imports").exists()
    assert form_in_use() == TIGHT
    assert forms_on_disk(root) == {TIGHT}
    assert statuses(root) == {"sound"}


@pytest.mark.parametrize("name", ["CURRENT", "manifest.json", "ors"])
def test_full_disk_leaves_the_open_figures_under_the_open_licence(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    genuine = os.replace

    def replace(source: Any, target: Any) -> None:
        if Path(target).stem == Path(name).stem:
            raise OSError(28, "No space left on device")
        genuine(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(StoreError, match="No space left"):
            bring(root, TIGHT)
    assert form_in_use() == OPEN
    assert statuses(root) == {"sound"}
    bring(root, TIGHT)
    assert form_in_use() == TIGHT


def test_disk_that_fails_once_the_pointer_has_moved_keeps_the_build(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The build that the pointer names is never removed."""
    genuine = durable.sync

    def sync(path: Path) -> None:
        if path == root / "processed":
            raise OSError(5, "Input/output error")
        genuine(path)

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(durable, "sync", sync)
        bring(root, TIGHT)
    assert "a power cut now could undo it" in caplog.text
    assert form_in_use() == TIGHT


def test_reader_of_a_block_never_sees_a_mixture(root: Path) -> None:
    """What was replaced is erased for readers of an earlier build too: no figure, never one under another licence."""
    with store.one_build():
        assert form_in_use() == OPEN
        another_build(root)
        assert form_in_use() == OPEN
        bring(root, TIGHT)
        assert form_in_use() == "none"
    assert form_in_use() == TIGHT


# --- nothing older than a rule comes back --------------------------------------------------------------------------


def cut_before_erasing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something as a run would that is killed right after its build is in use."""

    def cut(*_: object) -> None:
        raise OSError("cut")

    with monkeypatch.context() as patch:
        patch.setattr(builds, "_erase_stale", cut)
        patch.setattr(builds, "_discard", cut)
        # the cleaning at the beginning would be cut too
        patch.setattr(builds, "_clean", lambda *_: None)
        act()


def test_rollback_does_not_bring_back_figures_from_before_the_rule(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_before_erasing(monkeypatch, lambda: bring(root, TIGHT))
    assert forms_on_disk(root) == {OPEN, TIGHT}
    frame = qs.verify(root, lang="en").frame()
    told = frame[frame["status"] == "leftover"]
    assert told["name"].str.endswith("observations/ors.parquet").tolist() == [True]
    assert "before the rule" in told["advice"].iloc[0]
    left = in_use(root)
    builds.rollback(root)
    assert in_use(root) != left
    assert form_in_use() == TIGHT
    assert forms_on_disk(root) == {TIGHT}
    assert statuses(root) == {"sound"}


def test_rollback_is_refused_where_the_earlier_figures_cannot_be_erased(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_before_erasing(monkeypatch, lambda: bring(root, TIGHT))
    before, genuine = in_use(root), os.unlink

    def unlink(path: Any, **options: Any) -> None:
        if Path(path).name == "ors.parquet":
            raise PermissionError(13, "Permission denied")
        genuine(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        with pytest.raises(StoreError, match=r"is still in use: .*Permission denied"):
            builds.rollback(root)
    assert in_use(root) == before
    assert form_in_use() == TIGHT


def test_next_run_erases_what_a_cut_run_left(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_before_erasing(monkeypatch, lambda: bring(root, TIGHT))
    with builds.new_build(root) as target:  # even one that changes nothing
        target.abandon()
    assert forms_on_disk(root) == {TIGHT}
    assert statuses(root) == {"sound"}


def test_build_that_is_lost_is_not_replaced_by_figures_from_before_the_rule(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the earlier figures were erased, then both manifests lost: the pointer says which may be read."""
    cut_before_erasing(monkeypatch, lambda: bring(root, TIGHT))
    for path in in_use(root).glob("manifest*.json"):
        path.write_text("{")
    with builds.new_build(root) as target:
        assert list(target.missing_imports) == ["ors"]
    assert form_in_use() == "none"
    assert OPEN not in forms_on_disk(root)
    bring(root, TIGHT)
    assert form_in_use() == TIGHT


def test_rollback_carries_imports_and_their_removal(root: Path) -> None:
    another_build(root)
    imports.remove_import("ors", root=root)
    builds.rollback(root)
    assert form_in_use() == "none"
    bring(root, TIGHT)
    builds.rollback(root)
    assert form_in_use() == TIGHT
    assert manifests.read(in_use(root))["sources"].keys() == {"ors"}
    assert store.Pointer.read(root / "processed").imports == manifests.imports_of(manifests.read(in_use(root)))


def test_rollback_takes_an_import_from_where_it_is_whole(root: Path) -> None:
    another_build(root)
    other = another_build(root)
    earlier = sorted(other.parent.iterdir())[-2]
    damaging.flip(earlier / "observations" / "ors.parquet", 50, 3)
    builds.rollback(root)
    assert in_use(root) == earlier
    assert form_in_use() == OPEN
    assert statuses(root) == {"sound"}


@pytest.mark.parametrize("line", [0, 2])
def test_pointer_that_was_altered_is_not_believed(root: Path, line: int) -> None:
    another_build(root)
    path = root / "processed" / "CURRENT"
    lines = path.read_text().splitlines()
    lines[line] = lines[line].replace("0", "1", 1)
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(StoreError, match="altered after it was written"):
        store.current_store(root)
    assert "damaged" in statuses(root)
    another_build(root)
    assert form_in_use() == OPEN
    assert statuses(root) == {"sound"}


# --- one lock -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "act",
    [
        lambda root: imports.remove_import("ors", root=root),
        lambda root: bring(root, TIGHT),
        lambda root: builds.rollback(root),
        lambda root: qs.build(["insee_demo_qpv"], root=root),
    ],
    ids=["remove", "import", "rollback", "build"],
)
def test_what_is_refused_changes_nothing(root: Path, act: Callable[[Path], object]) -> None:
    another_build(root)
    with builds.exclusive(root):
        before = tree(root)
        with pytest.raises(StoreError, match="Another build or refresh is running"):
            act(root)
        assert tree(root) == before
    assert form_in_use() == OPEN


def test_refused_removal_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="is not an import"):
        imports.remove_import("ors", root=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_import_is_held_against_what_came_in_meanwhile(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The other import ends between the reading of this file and the lock: checked again, under the lock."""
    from qpv_sante.imports import drafts

    measure = {"label": "Cas", "unit": "cas", "kind": "count", "definition": "Cas."}
    declared = {
        "title": "t", "producer": "p", "licence": "l", "edition": "2023", "year": 2023, "geo_vintage": 2024,
        "secrecy": {"threshold": 11}, "indicator": {"cases": measure},
    }  # fmt: skip
    parts, total = tmp_path / "parts.csv", tmp_path / "total.csv"
    parts.write_text("geo_code;value\n38001;5\n" + "".join(f"38{n:03d};40\n" for n in (2, 3, 4)), encoding="utf-8")
    total.write_text("geo_code;value\n38001;60\n", encoding="utf-8")
    genuine, made = drafts.make_draft, []

    def make_draft(path: Path, *args: Any) -> Any:
        draft = genuine(path, *args)
        made.append(path.name)
        if made == ["total.csv"]:
            imports.import_observations(
                parts, source="one", root=root, metadata={**declared, "geo_level": "commune", "geo_vintage": 2024}
            )
        return draft

    monkeypatch.setattr(drafts, "make_draft", make_draft)
    imports.import_observations(total, source="two", root=root, metadata={**declared, "geo_level": "commune",
        "edition": "2022", "year": 2022})  # fmt: skip
    assert made == ["total.csv", "parts.csv", "total.csv"]
    assert {"one", "two", "ors"} == set(manifests.imports_of(manifests.read(in_use(root))))


def bring_other(root: Path, tmp_path: Path) -> None:
    """Import a figure of the same indicator, of another source."""
    path = tmp_path / "other.csv"
    path.write_text("geo_code;indicator;value;denominator\n34032;ors_share;11,5;78000\n", encoding="utf-8")
    measure = {"label": "Part", "unit": "%", "kind": "rate", "definition": "Part.", "higher_is": "worse"}
    declared = {
        "title": "t", "producer": "p", "licence": "l", "year": 2023, "geo_level": "commune", "geo_vintage": 2024,
        "indicator": {"ors_share": measure},
    }  # fmt: skip
    imports.import_observations(path, source="other", root=root, metadata=declared)


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("at", [60, 300, None])
def test_import_stops_where_a_stored_table_of_the_indicator_is_damaged(
    root: Path, tmp_path: Path, at: int | None, earlier: bool
) -> None:
    """What that table withholds could not be protected, whether the damaged bytes are still read as a table or not."""
    build = in_use(root)
    if earlier:  # the build in use has lost its own
        shutil.rmtree(another_build(root) / "observations")
    table = build / "observations" / "ors.parquet"
    table.unlink() if at is None else damaging.flip(table, at, 1)
    before = tree(root)
    with pytest.raises(StoreError, match=r"ors.*cannot be used.*--remove ors`"):
        bring_other(root, tmp_path)
    assert tree(root) == before
    # the two ways out that the message gives
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    bring(root, OPEN)
    bring_other(root, tmp_path)
    imports.remove_import("ors", root=copy)
    bring_other(copy, tmp_path)


def test_import_reads_a_table_where_it_is_whole(root: Path, tmp_path: Path) -> None:
    earlier = in_use(root)
    another_build(root)
    damaging.flip(earlier / "observations" / "ors.parquet", 300, 1)
    rows = stored_rows(["ors_share"], catalogue(), root, without="")
    assert (rows["source"] == "ors@2023").sum() == len(qs.load_observations("ors_share")) > 0
    bring_other(root, tmp_path)


# --- what cut runs leave --------------------------------------------------------------------------------------------


def test_leftovers_are_named_and_taken_away(root: Path) -> None:
    earlier, build = in_use(root), another_build(root)
    pending = Path(shutil.copytree(build, build.with_name("29991231T000000000000Z")))
    (pending / history.PENDING).touch()
    (build.with_name("20000101T000000000000Z.partial") / "observations").mkdir(parents=True)
    for path in (build / "manifest.json.new", root / "processed" / "CURRENT.new", root / f"{LOCK_FILE}.new"):
        path.write_text("half")
    for folder in (root / "raw" / ".staging", root / "raw" / "a" / "2021" / ".download-x"):
        folder.mkdir(parents=True)
        (folder / "part").write_text("half")
    shutil.copy(build / "observations" / "ors.parquet", earlier / "observations" / "stray.parquet")
    frame = qs.verify(root).frame()
    assert (frame["status"] == "leftover").sum() == 8
    assert set(frame["status"]) == {"sound", "leftover"}
    assert qs.verify(root).sound
    with builds.new_build(root) as target:
        target.abandon()
    assert statuses(root) == {"sound"}
    assert not pending.exists()
    assert build.exists()


def test_raw_file_of_a_refresh_that_was_cut_is_a_leftover(root: Path) -> None:
    """The record of the new file is written, its file is not there yet; or there, beside the former one."""
    key, new, old = "a@2021", b"new", b"old"
    raw = root / "raw" / "a" / "2021"
    raw.mkdir(parents=True)
    hashes = {}
    for name, text in (("new", new), ("old", old)):
        (raw / name).write_bytes(text)
        hashes[name] = content.sha256_of(raw / name)
    with builds.new_build(root) as target:
        target.put("codes/a", pd.DataFrame({"code": ["1"]}))
        target.record("a", {"tables": ["codes/a"], "editions": {"2021": {"sha256": hashes["old"], "bytes": 3}}})
    lock = Lock(root / LOCK_FILE)
    lock.record(key, LockEntry("a/2021/new", "https://a.fr", hashes["new"], 3, None, None, "2026-01-01"))
    lock.save()

    def found() -> dict[str, str]:
        frame = qs.verify(root).frame()
        frame = frame[(frame["place"] != "snapshot") & (frame["status"] != "sound")]
        return dict(zip(frame["name"], frame["status"], strict=True))

    assert found() == {"a/2021/old": "leftover", key: "leftover"}
    (raw / "old").replace(raw / "new")
    assert found() == {"a/2021/new": "leftover", key: "leftover"}
    (raw / "new").write_bytes(b"odd")
    assert found() == {"a/2021/new": "damaged", key: "leftover"}


def test_snapshot_that_was_cut_is_put_back(tmp_path: Path) -> None:
    home = tmp_path / "snapshot"
    for path in (home, durable.former(home)):
        path.mkdir()
        (path / "a").write_text(path.name)
    durable.settle_folder(home)
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]
    home.rename(durable.former(home))
    durable.settle_folder(home)
    assert (home / "a").read_text() == "snapshot"
    durable.settle_folder(home)
    assert [path.name for path in tmp_path.iterdir()] == ["snapshot"]


def test_altered_entry_of_the_lock_is_told_and_costs_that_entry_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock = Lock(tmp_path / LOCK_FILE)
    for name in "ab":
        lock.record(f"{name}@2021", LockEntry(f"{name}/1", "https://a.fr", name * 64, 3, None, None, "2026-01-01"))
    lock.save()
    assert Lock.load(tmp_path / LOCK_FILE).keys() == ["a@2021", "b@2021"]
    text = lock.path.read_text()  # type: ignore[union-attr]
    (tmp_path / LOCK_FILE).write_text(text.replace("2026-01-01", "2026-01-09", 1))
    with caplog.at_level(logging.WARNING):
        found = Lock.load(tmp_path / LOCK_FILE)
    assert (found.keys(), found.damaged) == (["b@2021"], ("a@2021",))
    assert "the entry of a@2021 was altered" in caplog.text
    told = qs.verify(tmp_path).problems()
    assert f"{LOCK_FILE}: a@2021" in set(told["name"])
    deep = "a = " + "[" * 100_000
    (tmp_path / LOCK_FILE).write_text(deep)
    with pytest.raises(OSError, match="lock file of the sources cannot be read"):
        Lock.load(tmp_path / LOCK_FILE)


# --- rights, places, devices ----------------------------------------------------------------------------------------


@POSIX
def test_restricted_tables_are_their_owners_alone(root: Path) -> None:
    """From the first byte on, through builds and rollbacks; open ones are as the user wants them."""
    before = in_use(root)
    assert before.stat().st_mode & 0o777 == before.parent.stat().st_mode & 0o777
    bring(root, TIGHT)
    for build in (in_use(root), another_build(root)):
        assert build.stat().st_mode & 0o777 == 0o700
        assert (build / "observations" / "ors.parquet").stat().st_mode & 0o777 == 0o600
    builds.rollback(root)
    builds.rollback(root)
    assert in_use(root) == before
    assert in_use(root).stat().st_mode & 0o777 == 0o700
    (in_use(root) / "observations" / "ors.parquet").chmod(0o644)
    assert "chmod 600" in qs.verify(root).problems()["advice"].iloc[0]
    imports.remove_import("ors", root=root)
    assert in_use(root).stat().st_mode & 0o777 == before.parent.stat().st_mode & 0o777


@pytest.mark.parametrize("given", ["", " ", "\t\n", " /data", "data "])
def test_data_folder_that_is_set_to_nothing_is_refused(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPV_SANTE_DATA", given)
    for ask in (store.data_dir, catalogue, qs.verify, lambda: qs.load_observations("poverty_rate")):
        with pytest.raises(StoreError, match=r"QPV_SANTE_DATA is .*expected the path of a folder"):
            ask()  # type: ignore[operator]


def test_home_in_the_data_folder_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.setenv("QPV_SANTE_DATA", "~/figures")
    assert store.data_dir() == tmp_path / "figures"


@POSIX
def test_device_pipe_and_giant_are_refused(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As metadata and as the file itself: nothing waits, nothing fills the memory."""
    os.mkfifo(pipe := tmp_path / "pipe")
    (giant := tmp_path / "giant.toml").write_bytes(b"#" * ((1 << 20) + 1))
    table = tmp_path / OPEN / "figures.csv"
    for given in (Path("/dev/zero"), pipe, tmp_path):
        with pytest.raises(CatalogueError, match="cannot be read"):
            imports.import_observations(table, source="x", metadata=given, root=root)
        with pytest.raises(StoreError, match="cannot be read"):
            imports.import_observations(given, source="x", root=root)
    for given in (Path("/dev/zero"), pipe, giant):  # what else a person names
        with pytest.raises(CatalogueError, match="cannot be read"):
            qs.add_territories(given, root=root)
        with pytest.raises(CatalogueError, match="cannot be read"):
            read_initiatives(given)
    with pytest.raises(CatalogueError, match="more than 1048576 bytes"):
        imports.import_observations(table, source="x", metadata=giant, root=root)
    monkeypatch.setattr(imports, "_MAX_BYTES", 10)
    with pytest.raises(StoreError, match="more than 10 bytes"):
        imports.import_observations(table, source="x", root=root)
    (root / "processed" / "CURRENT").unlink()
    os.mkfifo(root / "processed" / "CURRENT")
    with pytest.raises(StoreError, match="not a regular file"):
        store.current_store(root)


# --- flips, races, kills: drawn at random; the benchmarks have them all --------------------------------------------


def test_no_flipped_bit_serves_another_figure(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In tables, manifests, the pointer and the lock file; the tables of two sources of the snapshot, and an import."""
    embedded = store.Store(store.snapshot_dir(), "snapshot")
    with builds.new_build(root) as target:
        for source in ("insee_filosofi_qpv2024", "insee_demo_qpv2024"):
            target.take(f"observations/{source}", embedded)
            target.record(source, {**embedded.manifest["sources"][source], "tables": [f"observations/{source}"]})
    lock, known = Lock(root / LOCK_FILE), Lock.load(embedded.path / LOCK_FILE)
    for key in known.keys()[:5]:
        lock.record(key, known.get(key))
    lock.save()
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "work" / "data"))
    found = list(damaging.flips(root, tmp_path / "work", random.Random(12), 32))  # noqa: S311 - no secret
    assert [one for one in found if one.outcome == "lost"] == []
    assert {one.kind for one in found if one.outcome == "told"} == set(damaging.KINDS)


@pytest.mark.parametrize(("first", "second"), [("import 2023", "import 2024"), ("import 2024", "remove")])
def test_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> None:
    """Both are done, one after the other, or one is refused and has changed nothing."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    racing.do("import 2022", tmp_path / "data")
    found = racing.race(tmp_path / "data", first, second)
    assert found.problem == ""
    assert all(one == "done" or "Another build or refresh is running" in one for one in found.said)


@pytest.fixture(scope="module")
def killer() -> Iterator[killing.Killer]:
    with killing.Killer() as one:
        yield one


# of each operation, what leaves something else on the disk
STAGES = {
    "import": (
        "to_parquet",
        "replace manifest.json in builds",
        "rename folder in builds",
        "replace CURRENT",
        "unlink .p",
    ),
    "remove": ("unlink .parquet in builds", "rename folder in builds", "replace CURRENT in processed", "rmdir"),
    "rollback": ("replace CURRENT in processed", "fsync .new in processed"),
    "snapshot": ("rename folder", "replace manifest.json"),
    "build": ("replace CURRENT in processed", "replace .zip in raw"),
}


@pytest.mark.parametrize("operation", STAGES)
def test_killed_as_before_or_as_after(killer: killing.Killer, operation: str) -> None:
    """Whatever was cut: one state or the other, no way back to what is gone, nothing left after the next run."""
    points = killer.points(operation)
    draw = random.Random(operation)  # noqa: S311 - no secret
    drawn = []
    for stage in STAGES[operation]:
        there = [number for number, name in enumerate(points, 1) if name.startswith(stage)]
        assert there, (stage, points)
        drawn.append(draw.choice(there))
    found = [killer.kill(operation, point=point) for point in drawn]
    assert [one.problem for one in found if one.problem] == []
    assert all(one.killed for one in found)
