"""Builds one after the other: what they come from, what is kept of them, and the way back."""

from __future__ import annotations

import json
import logging
import os
import shutil
import stat
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from qpv_sante import builds, durable, history, manifests, store
from qpv_sante.errors import DownloadError, StoreError, UnknownNameError


def make(root: Path, **tables: int) -> str:
    """Put a build in use, with code tables of one number each; its name."""
    with builds.new_build(root) as target:
        for name, number in tables.items():
            target.put(f"codes/{name}", pd.DataFrame({"code": [str(number)]}))
            target.sources[name] = {"tables": [f"codes/{name}"], "editions": {}}
    current = store.current_store(root)
    assert current is not None
    return current.path.name


def number(root: Path, name: str = "a") -> int:
    current = store.current_store(root)
    assert current is not None
    return int(current.codes(name)["code"].iloc[0])


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "processed" / "builds").iterdir())


def break_table(root: Path, build: str, name: str = "a") -> None:
    """Damage a table of one build only: others may share its bytes."""
    path = root / "processed" / "builds" / build / "codes" / f"{name}.parquet"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(bytes(len(content)))


def break_manifests(build: Path) -> None:
    """Cut the manifest and its copy."""
    for path in build.glob("manifest*.json"):
        os.truncate(path, 50)


# --- chain, pruning ----------------------------------------------------------------------------------------------


def test_each_build_says_what_it_comes_from(tmp_path: Path) -> None:
    first = make(tmp_path, a=1, b=1)
    second = make(tmp_path, a=2)
    folder = tmp_path / "processed" / "builds"
    said = [json.loads((folder / name / "manifest.json").read_text())["previous"] for name in (first, second)]
    assert said == [None, first]
    assert number(tmp_path, "b") == 1  # taken over
    assert (folder / first / "codes" / "b.parquet").samefile(folder / second / "codes" / "b.parquet")
    assert not (folder / first / "codes" / "a.parquet").samefile(folder / second / "codes" / "a.parquet")


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_earlier_builds_kept(tmp_path: Path, keep: int) -> None:
    made = [make(tmp_path, a=index) for index in range(3)]
    with builds.new_build(tmp_path, keep=keep) as target:
        target.put("codes/a", pd.DataFrame({"code": ["9"]}))
    assert names(tmp_path)[:-1] == made[-keep:]
    assert number(tmp_path) == 9


def test_build_that_cannot_be_read_is_never_pruned(tmp_path: Path) -> None:
    """It may hold what nothing else has; one whose copy can be read is pruned as the others are."""
    made = [make(tmp_path, a=index) for index in (1, 2)]
    break_manifests(tmp_path / "processed" / "builds" / made[0])
    (tmp_path / "processed" / "builds" / made[1] / "manifest.json").unlink()
    later = [make(tmp_path, a=index) for index in (3, 4, 5, 6)]
    assert names(tmp_path) == [made[0], *later[1:]]
    assert (tmp_path / "processed" / "builds" / made[0] / "codes" / "a.parquet").is_file()


def test_at_least_one_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="keep is 0: at least 1"), builds.new_build(tmp_path, keep=0):
        pass
    assert not (tmp_path / "processed").exists()


def test_abandoned_build_leaves_nothing(tmp_path: Path) -> None:
    first = make(tmp_path, a=1)
    with builds.new_build(tmp_path) as target:
        target.put("codes/a", pd.DataFrame({"code": ["2"]}))
        target.abandon()
        assert target.abandoned
    assert names(tmp_path) == [first]
    assert number(tmp_path) == 1


def test_error_leaves_the_previous_build(tmp_path: Path) -> None:
    first = make(tmp_path, a=1)
    with pytest.raises(ZeroDivisionError), builds.new_build(tmp_path) as target:
        target.put("codes/a", pd.DataFrame({"code": ["2"]}))
        raise ZeroDivisionError
    assert names(tmp_path) == [first]
    assert number(tmp_path) == 1


def test_error_that_says_more_is_not_covered(tmp_path: Path) -> None:
    make(tmp_path, a=1)
    with pytest.raises(DownloadError, match=r"^the lock is damaged$"), builds.new_build(tmp_path):
        raise DownloadError("the lock is damaged")
    told = r"abandoned; the previous one is kept: boom\. Free some space"
    with pytest.raises(StoreError, match=told), builds.new_build(tmp_path):
        raise OSError("boom")
    assert number(tmp_path) == 1


def test_tables_that_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of two cannot be written: the first keeps its bytes too."""
    make(tmp_path, a=1, b=1)
    genuine, frame = pd.DataFrame.to_parquet, pd.DataFrame({"code": ["2"]})

    def to_parquet(self: pd.DataFrame, path: Path, **options: Any) -> None:
        genuine(self, path, **options)
        if path.name == "b.new":
            raise OSError(28, "No space left on device")

    with builds.new_build(tmp_path) as target:
        with monkeypatch.context() as patch:
            patch.setattr(pd.DataFrame, "to_parquet", to_parquet)
            with pytest.raises(StoreError, match=r"codes/a, codes/b could not be written.*QPV_SANTE_DATA"):
                target.put_all({"codes/a": frame, "codes/b": frame})
        target.put("codes/c", frame)
    assert (number(tmp_path, "a"), number(tmp_path, "b"), number(tmp_path, "c")) == (1, 1, 2)
    assert not list(tmp_path.rglob("*.new"))


def test_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    make(tmp_path, a=1, b=1)
    monkeypatch.setattr(os, "link", refuse)
    make(tmp_path, a=2)
    assert (number(tmp_path, "a"), number(tmp_path, "b")) == (2, 1)


def test_links_that_fail_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(tmp_path, a=1)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(builds, "_link", refuse)
        with pytest.raises(StoreError, match="No space left"), builds.new_build(tmp_path):
            pass
    assert names(tmp_path) == [first]


# --- clock -------------------------------------------------------------------------------------------------------


def test_clock_that_went_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(tmp_path, a=1)

    class Past(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(1999, 12, 31, tzinfo=UTC)

    monkeypatch.setattr(builds, "datetime", Past)
    later = [make(tmp_path, a=index) for index in (2, 3, 4)]
    assert [first, *later] == sorted({first, *later})
    assert number(tmp_path) == 4
    assert names(tmp_path) == later  # the oldest is the one that went
    assert builds.rollback(tmp_path)[1].path.name == later[1]


def test_clock_that_stands_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(2026, 11, 24, tzinfo=UTC)

    monkeypatch.setattr(builds, "datetime", Still)
    made = [make(tmp_path, a=index) for index in (1, 2, 3)]
    assert made == ["20261124T000000000000Z", "20261124T000000000001Z", "20261124T000000000002Z"]
    assert number(tmp_path) == 3


# --- the way back ------------------------------------------------------------------------------------------------


def test_rollback_once_and_twice(tmp_path: Path) -> None:
    made = [make(tmp_path, a=index) for index in (1, 2, 3)]
    left, now = builds.rollback(tmp_path)
    assert (left.path.name, now.path.name) == (made[2], made[1])
    assert number(tmp_path) == 2
    builds.rollback(tmp_path)
    assert number(tmp_path) == 1
    with pytest.raises(StoreError, match=f"no sound build before {made[0]}.*Run `qpv-sante refresh`"):
        builds.rollback(tmp_path)
    assert number(tmp_path) == 1
    assert names(tmp_path) == made


def test_build_after_a_rollback_comes_from_the_build_in_use(tmp_path: Path) -> None:
    """And the way back leads past the build that was left."""
    made = [make(tmp_path, a=1, b=1), make(tmp_path, b=2), make(tmp_path, b=3)]
    builds.rollback(tmp_path)
    new = make(tmp_path, a=4)
    assert (number(tmp_path, "a"), number(tmp_path, "b")) == (4, 2)
    assert names(tmp_path) == [made[0], made[1], new]  # the one that was left is on no way back
    builds.rollback(tmp_path)
    assert (number(tmp_path, "a"), number(tmp_path, "b")) == (1, 2)


def test_rollback_passes_over_a_damaged_build(tmp_path: Path) -> None:
    made = [make(tmp_path, a=index) for index in (1, 2, 3)]
    break_table(tmp_path, made[1])
    _, now = builds.rollback(tmp_path)
    assert now.path.name == made[0]
    assert number(tmp_path) == 1


@pytest.mark.parametrize("damage", ["manifest", "folder"])
def test_rollback_passes_over_a_build_without_manifest(tmp_path: Path, damage: str) -> None:
    """Its manifest does not say what it comes from: the order of the names does."""
    made = [make(tmp_path, a=index) for index in (1, 2, 3)]
    folder = tmp_path / "processed" / "builds" / made[1]
    break_manifests(folder) if damage == "manifest" else shutil.rmtree(folder)
    if damage == "folder":
        with pytest.raises(StoreError, match="no sound build before"):
            builds.rollback(tmp_path)
        assert number(tmp_path) == 3
        return
    assert builds.rollback(tmp_path)[1].path.name == made[0]


def test_rollback_to_damaged_builds_only(tmp_path: Path) -> None:
    made = [make(tmp_path, a=index) for index in (1, 2, 3)]
    for name in made[:2]:
        break_table(tmp_path, name)
    with pytest.raises(StoreError) as caught:
        builds.rollback(tmp_path)
    assert f"Damaged: {made[1]} (codes/a); {made[0]} (codes/a)." in str(caught.value)
    assert number(tmp_path) == 3


def test_rollback_from_a_damaged_build(tmp_path: Path) -> None:
    """What one goes back for."""
    make(tmp_path, a=1)
    second = make(tmp_path, a=2)
    break_manifests(tmp_path / "processed" / "builds" / second)
    builds.rollback(tmp_path)
    assert number(tmp_path) == 1


def test_rollback_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Nothing was built"):
        builds.rollback(tmp_path)


def test_rollback_while_a_build_runs(tmp_path: Path) -> None:
    make(tmp_path, a=1)
    make(tmp_path, a=2)
    with builds.new_build(tmp_path) as target:
        target.abandon()
        with pytest.raises(StoreError, match="Another build or refresh is running"):
            builds.rollback(tmp_path)
    assert number(tmp_path) == 2


def test_rollback_is_written_with_the_pointer_and_follows_the_next_builds(tmp_path: Path) -> None:
    first, second = make(tmp_path, a=1, b=1), ""
    with builds.new_build(tmp_path) as target:
        for name in ("a", "b"):
            target.put(f"codes/{name}", pd.DataFrame({"code": ["2"]}))
            target.sources[name] = {"tables": [f"codes/{name}"], "editions": {"2021": {"sha256": "f" * 64}}}
        second = target.path.stem
    builds.rollback(tmp_path)
    folder = tmp_path / "processed"
    held = history.rolled_back(folder)
    assert held is not None
    assert (held.left, held.day) == (second, datetime.now(UTC).date().isoformat())
    assert held.sources == {"a": {"2021": "f" * 64}, "b": {"2021": "f" * 64}}
    assert held.holds("a@2021", "f" * 64)
    assert not held.holds("a@2021", "e" * 64)
    assert not held.holds("a@2021", None)
    assert (folder / "CURRENT").read_text().splitlines()[0] == first
    make(tmp_path, c=1)  # another source: the rollback holds
    assert history.rolled_back(folder) == held
    with builds.new_build(tmp_path) as target:
        target.record("a", {"tables": ["codes/a"], "editions": {}})
    assert history.rolled_back(folder).sources.keys() == {"b"}  # type: ignore[union-attr]
    with builds.new_build(tmp_path) as target:
        target.record("b", {"tables": ["codes/b"], "editions": {}})
    assert history.rolled_back(folder) is None
    assert len((folder / "CURRENT").read_text().splitlines()) == 1


def test_second_rollback_keeps_what_the_first_put_aside(tmp_path: Path) -> None:
    for number_, content in ((1, "1"), (2, "2"), (3, "3")):
        with builds.new_build(tmp_path) as target:
            target.put("codes/a", pd.DataFrame({"code": [str(number_)]}))
            target.record("a", {"tables": ["codes/a"], "editions": {"2021": {"sha256": content * 64}}})
    last = names(tmp_path)[-1]
    builds.rollback(tmp_path)
    builds.rollback(tmp_path)
    held = history.rolled_back(tmp_path / "processed")
    assert held is not None
    assert (held.left, held.sources) == (last, {"a": {"2021": "3" * 64}})  # the file that the producer gives
    builds.rollback(tmp_path, undo=True)
    assert number(tmp_path) == 3
    assert history.rolled_back(tmp_path / "processed") is None


def test_undoing_a_rollback_that_cannot_be(tmp_path: Path) -> None:
    for number_ in (1, 2):
        with builds.new_build(tmp_path) as target:
            target.put("codes/a", pd.DataFrame({"code": [str(number_)]}))
            target.record("a", {"tables": ["codes/a"], "editions": {"2021": {"sha256": str(number_) * 64}}})
    with pytest.raises(StoreError, match="nothing to undo"):
        builds.rollback(tmp_path, undo=True)
    left = builds.rollback(tmp_path)[0].path.name
    make(tmp_path, c=1)  # the build that was left is on no way back any more
    with pytest.raises(StoreError, match=f"{left}, which the rollback left, is no longer .*refresh --source a` takes"):
        builds.rollback(tmp_path, undo=True)
    assert number(tmp_path) == 1


@pytest.mark.parametrize("second", ["{", "[]", '{"day": "x"}', '{"day": "x", "left": "y", "sources": 3}'])
def test_damaged_second_line_holds_nothing(tmp_path: Path, second: str) -> None:
    name = make(tmp_path, a=1)
    (tmp_path / "processed" / "CURRENT").write_text(f"{name}\n{second}\n")
    assert history.rolled_back(tmp_path / "processed") is None
    assert number(tmp_path) == 1


# --- manifests ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_damaged_manifest_is_read_from_its_copy(tmp_path: Path, damage: str) -> None:
    """By readers, by the next build and by a rollback: nothing is lost."""
    first, second = make(tmp_path, a=1, b=1), make(tmp_path, a=2)
    for build in (first, second):
        path = tmp_path / "processed" / "builds" / build / "manifest.json"
        text = path.read_text()
        path.unlink()
        if damage != "gone":
            path.write_text(text[:50] if damage == "cut" else text.replace('"rows": 1', '"rows": 2'))
    assert (number(tmp_path, "a"), number(tmp_path, "b")) == (2, 1)
    with builds.new_build(tmp_path) as target:
        assert set(target.sources) == {"a", "b"}
        assert [kind for kind, _ in target.repairs] == ["manifest"]
    assert (number(tmp_path, "a"), number(tmp_path, "b")) == (2, 1)
    builds.rollback(tmp_path)
    builds.rollback(tmp_path)
    assert number(tmp_path) == 1


def test_manifest_of_before_the_copies_is_no_fault(tmp_path: Path) -> None:
    build = tmp_path / "processed" / "builds" / make(tmp_path, a=1)
    content = json.loads((build / "manifest.json").read_text())
    del content["seal"]
    (build / "manifest.json").write_text(json.dumps(content))
    (build / "manifest.copy.json").unlink()
    assert manifests.faults(build) == {}
    with builds.new_build(tmp_path) as target:
        assert target.repairs == []
        target.abandon()


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said["files"]["codes/a.parquet"].pop("sha256"),
        lambda said: said["files"]["codes/a.parquet"].update(bytes="many"),
        lambda said: said["files"]["codes/a.parquet"].update(rows=None),
        lambda said: said["sources"]["a"].pop("editions"),
        lambda said: said["sources"]["a"].update(editions={"2021": {}}),
        lambda said: said["sources"]["a"].update(editions={"2021": {"sha256": 3}}),
        lambda said: said["sources"]["a"].update(tables="codes/a"),
        lambda said: said["sources"]["a"].update(record=3),
        lambda said: said["sources"]["a"].update(record={"source": 3}),
        lambda said: said.update(files=[]),
        lambda said: said.update(sources=None),
    ],
)
def test_manifest_of_another_form_is_damaged(tmp_path: Path, change: Any) -> None:
    """Never an error of Python in a reader or in the next build."""
    build = tmp_path / "processed" / "builds" / make(tmp_path, a=1)
    said = manifests.read(build)
    change(said)
    manifests.write(build, said)
    with pytest.raises(StoreError, match=r"manifest\.json is damaged.*qpv-sante refresh"):
        manifests.read(build)
    with builds.new_build(tmp_path) as target:
        assert [kind for kind, _ in target.repairs] == ["manifest_lost"]
        target.abandon()


def mine(root: Path, value: int | None, *, restriction: str = "", build: bool = False) -> None:
    """Bring in an import of one figure, or remove it."""
    with builds.new_build(root) as target:
        if value is None:
            target.forget("mine")
        else:
            said = {"editions": {}, "record": {"source": {"restriction": restriction}}}
            target.bring("mine", pd.DataFrame({"code": [str(value)]}), said)


def figures(root: Path) -> list[str]:
    """The figure of the import in each build that is kept, whatever its manifest says."""
    paths = sorted((root / "processed").rglob("mine.parquet"))
    return [pd.read_parquet(path)["code"].iloc[0] for path in paths]


def test_removal_leaves_no_figure_in_a_build_that_cannot_be_read(tmp_path: Path) -> None:
    mine(tmp_path, 1)
    lost = tmp_path / "processed" / "builds" / make(tmp_path, a=1)
    make(tmp_path, a=2)
    break_manifests(lost)
    assert figures(tmp_path) == ["1", "1", "1"]
    mine(tmp_path, None)
    assert figures(tmp_path) == []
    for folder in (path for path in (tmp_path / "processed" / "builds").iterdir() if path != lost):
        assert "mine" not in manifests.load(folder / "manifest.copy.json")["sources"]
        assert manifests.faults(folder) == {}


# --- power cuts --------------------------------------------------------------------------------------------------


def test_everything_is_on_the_disk_before_it_is_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the pointer moves, every file of the build and every folder that names one has been synchronised."""
    make(tmp_path, a=1, b=1)
    synced: set[tuple[int, int]] = set()
    waiting: list[str] = []
    genuine_sync, genuine_replace = os.fsync, os.replace

    def identity(path: Path) -> tuple[int, int]:
        state = path.stat()
        return state.st_dev, state.st_ino

    def fsync(handle: int) -> None:
        genuine_sync(handle)
        state = os.fstat(handle)
        synced.add((state.st_dev, state.st_ino))

    def replace(source: Path, target: Path) -> None:
        if Path(target).name == "CURRENT":
            build = tmp_path / "processed" / "builds" / Path(source).read_text().strip()
            old = {identity(path) for one in build.parent.iterdir() if one != build for path in one.rglob("*.parquet")}
            # the mark that goes right after has no content
            inside = [path for path in build.rglob("*") if path.name != history.PENDING]
            paths = [build.parent, build, *inside, Path(source)]
            waiting.extend(str(path) for path in paths if identity(path) not in synced | old)
            waiting.append("pointer")
        genuine_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    make(tmp_path, a=2, c=3)
    assert waiting == ["pointer"]
    assert identity(tmp_path / "processed") in synced  # and the pointer itself


def test_disk_that_refuses_to_synchronise_keeps_the_previous_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails says so at that moment only."""
    first = make(tmp_path, a=1)

    def fail(handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="Input/output error"):
            make(tmp_path, a=2)
    assert names(tmp_path) == [first]
    assert number(tmp_path) == 1


def test_folder_of_a_network_that_knows_no_synchronisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        genuine(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    make(tmp_path, a=1)
    assert number(tmp_path) == 1


def folder_of(path: Path, text: str) -> Path:
    (path / "codes").mkdir(parents=True)
    (path / "codes" / "a").write_text(text)
    (path / "manifest.json").write_text(text)
    return path


def text_of(path: Path) -> str:
    (text,) = {one.read_text() for one in durable.whole_folder(path).rglob("*") if one.is_file()}
    return text


@pytest.mark.parametrize("call", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True])
def test_folder_replaced_whatever_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int, after: bool
) -> None:
    """Cut before or after each rename, or before the removal: the old folder or the new one, whole; then again."""
    home = folder_of(tmp_path / "snapshot", "old")
    count = [0]

    def counted(genuine: Any) -> Any:
        def replaced(*args: Any, **options: Any) -> Any:
            count[0] += 1
            if count[0] == call and not after:
                raise KeyboardInterrupt
            done = genuine(*args, **options)
            if count[0] == call:
                raise KeyboardInterrupt
            return done

        return replaced

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", counted(os.rename))
        patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
        with pytest.raises(KeyboardInterrupt):
            durable.replace_folder(folder_of(tmp_path / "snapshot.partial", "new"), home)
    # calls: 1 removal of an earlier former one, 2 rename of the old one, 3 rename of the new one
    assert text_of(home) == ("new" if call == 3 and after else "old")
    aside = tmp_path / "snapshot.partial"
    durable.replace_folder(aside if aside.exists() else folder_of(aside, "new"), home)
    assert text_of(home) == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["snapshot"]


def test_snapshot_is_read_where_a_cut_replacement_left_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "snapshot"
    shutil.copytree(store.snapshot_dir(), durable.former(home))
    monkeypatch.setattr(store, "snapshot_home", lambda: home)
    assert store.snapshot_dir() == durable.former(home)
    assert len(store.find_store("codes/territories", tmp_path / "data").codes("territories")) > 1000
    durable.former(home).rename(home)
    assert store.snapshot_dir() == home


# --- what a lost pointer leaves ----------------------------------------------------------------------------------


def test_pointer_lost_before_a_build(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = make(tmp_path, a=1, b=1)
    (tmp_path / "processed" / "CURRENT").unlink()
    with caplog.at_level(logging.WARNING):
        second = make(tmp_path, a=2)
    assert f"No build is in use: going on from {first}" in caplog.text
    assert (number(tmp_path, "a"), number(tmp_path, "b")) == (2, 1)
    assert names(tmp_path) == [first, second]


def test_build_in_use_unreadable_before_a_build(tmp_path: Path) -> None:
    make(tmp_path, a=1, b=1)
    second = make(tmp_path, a=2)
    break_manifests(tmp_path / "processed" / "builds" / second)
    with builds.new_build(tmp_path) as target:
        assert [kind for kind, _ in target.repairs] == ["manifest_lost", "going_on"]
        assert set(target.sources) == {"a", "b"}
    assert (number(tmp_path, "a"), number(tmp_path, "b")) == (1, 1)


def test_damaged_table_is_lost_with_its_source(tmp_path: Path) -> None:
    first = make(tmp_path, a=1, b=1)
    break_table(tmp_path, first)
    with builds.new_build(tmp_path) as target:
        assert target.repairs == []
        assert target.lost == {"a"}
        assert set(target.sources) == {"b"}
        assert not target.holds("codes/a")
        assert target.rows("codes/b") == 1


# --- one build for a whole reading -------------------------------------------------------------------------------


def read(root: Path, name: str) -> int:
    return int(store.find_store(f"codes/{name}", root).codes(name)["code"].iloc[0])


def test_one_build_for_a_block(tmp_path: Path) -> None:
    make(tmp_path, a=1, b=1)
    with store.one_build():
        before = read(tmp_path, "a")
        make(tmp_path, a=2, b=2)
        with store.one_build():  # a function that calls another one
            inside = read(tmp_path, "b")
        after = read(tmp_path, "b")
    assert (before, inside, after) == (1, 1, 1)
    assert (read(tmp_path, "a"), read(tmp_path, "b")) == (2, 2)


def test_block_that_fails_forgets_its_build(tmp_path: Path) -> None:
    make(tmp_path, a=1)
    with pytest.raises(ZeroDivisionError), store.one_build():
        read(tmp_path, "a")
        raise ZeroDivisionError
    make(tmp_path, a=2)
    assert read(tmp_path, "a") == 2


def test_each_thread_has_its_own_block(tmp_path: Path) -> None:
    make(tmp_path, a=1)
    found: list[int] = []
    with store.one_build():
        assert read(tmp_path, "a") == 1
        make(tmp_path, a=2)
        reader = threading.Thread(target=lambda: found.append(read(tmp_path, "a")))
        reader.start()
        reader.join()
        assert read(tmp_path, "a") == 1
    assert found == [2]


def test_each_data_folder_has_its_own_build(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    make(one, a=1)
    make(two, a=2)
    with store.one_build():
        assert (read(one, "a"), read(two, "a"), read(one, "a")) == (1, 2, 1)


# --- verification ------------------------------------------------------------------------------------------------


def test_problems_are_found_by_hash(tmp_path: Path) -> None:
    first = make(tmp_path, a=1, b=1, c=1)
    current = store.current_store(tmp_path)
    assert current is not None
    assert current.problems() == {}
    break_table(tmp_path, first, "a")  # the size is right
    (current.path / "codes" / "b.parquet").unlink()
    assert current.problems().keys() == {"codes/a", "codes/b"}
    assert current.problems()["codes/b"] == "absent"
    assert current.problems()["codes/a"].startswith("sha256 ")
    with pytest.raises(StoreError, match=r"cannot be read.*qpv-sante refresh"):
        store.Store(current.path, "processed").codes("a")


def test_what_is_made_of_a_build_is_made_once_in_a_block() -> None:
    made: list[int] = []

    def make() -> pd.DataFrame:
        made.append(1)
        return pd.DataFrame({"value": [1.0, 2.0]})

    for _ in range(2):
        store.remembered(("a",), make)
    assert len(made) == 2, "outside a block, each time"
    with store.one_build():
        first = store.remembered(("a",), make)
        first.loc[0, "value"] = 9.0
        with store.one_build():
            assert store.remembered(("a",), make)["value"].tolist() == [1.0, 2.0], "a caller changes his own"
        assert store.remembered(("b",), make)["value"].tolist() == [1.0, 2.0]
    assert len(made) == 4
    with store.one_build():
        store.remembered(("a",), make)
    assert len(made) == 5, "nothing outlives its block"
