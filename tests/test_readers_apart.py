"""Readers of native formats, in a process of their own: whatever stops them stops one source."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from refreshing import AFTER, BEFORE, CHANGE, EDITION, ONE, Folder, outcome, refresh

import qpv_sante as qs
from conftest import Producers
from qpv_sante.catalogue import core_catalogue
from qpv_sante.download import RawFile
from qpv_sante.errors import Fault, QpvSanteError, RefusedContentError, SchemaError
from qpv_sante.readers import apart, get_reader, read_file
from qpv_sante.refresh.outcome import CHANGED, FAILED

OUTLINES, LAYER = "anct_qpv2024", "anct_qpv2024@2026-01"
# what a library does to the process that reads, in place of the reader
ENDS = {
    "abort": ("os.abort()", "signal 6"),
    "segmentation fault": ("os.kill(os.getpid(), 11)", "signal 11"),
    "exit": ("os._exit(3)", "code 3"),
    "kill, as the system does when the memory is short": ("os.kill(os.getpid(), 9)", "signal 9"),
    "a panic that is told": ("(sys.stderr.write('thread panicked at cfb.rs\\n'), os._exit(101))", "panicked at cfb.rs"),
}


@pytest.fixture(autouse=True)
def own_child() -> Iterator[None]:
    """No test leaves its child to another."""
    if apart._child:
        apart._child.end()
    yield
    if apart._child:
        apart._child.end()


def serving(monkeypatch: pytest.MonkeyPatch, statement: str) -> None:
    """The next child does this in place of reading."""
    begin = "import os, sys, time, qpv_sante.readers as readers; readers.get_reader = lambda name: lambda *_:"
    monkeypatch.setattr(apart, "_SERVE", f"{begin} {statement}; {apart._SERVE}")


def file_of(folder: Folder, key: str = LAYER) -> RawFile:
    entry = folder.lock.get(key)
    assert entry is not None
    return RawFile(key, folder.raw(key), entry.url, entry.sha256, entry.bytes, None, None, entry.retrieved)


@pytest.fixture
def folder(workspace: Path) -> Folder:
    return Folder(workspace)


def read(folder: Folder, key: str = LAYER) -> object:
    source = core_catalogue().source(key.partition("@")[0])
    return read_file(source, source.get_vintage(key.partition("@")[2]), file_of(folder, key))


def test_tables_are_those_of_the_reader(folder: Folder) -> None:
    """Values, types, counts, names of the columns: what goes through the child is what it read."""
    native = [s for s in core_catalogue().sources.values() if s.reader in apart.NATIVE]
    assert {s.file for s in native} >= {"xls", "xlsx", "zip", "geojson"} or len(native) > 3
    compared = named = 0
    for source in native:
        for vintage in source.vintage:
            if folder.lock.get(source.key(vintage)) is None:
                continue
            raw = file_of(folder, source.key(vintage))
            there, here = read_file(source, vintage, raw), get_reader(source.reader)(source, vintage, raw)
            assert there.counts == here.counts
            assert there.names == here.names
            for mine, theirs in ((there.codes, here.codes), (there.zones, here.zones)):
                assert mine.keys() == theirs.keys()
                for name in mine:
                    assert mine[name].equals(theirs[name])
                    assert mine[name].dtypes.equals(theirs[name].dtypes)
            if here.observations is not None:
                assert there.observations is not None
                assert there.observations.equals(here.observations)
                assert there.observations.dtypes.equals(here.observations.dtypes)
            named += bool(here.names)
            compared += 1
    assert compared > 3
    assert named, "no file that names its columns was compared"


def test_one_child_reads_all(folder: Folder) -> None:
    read(folder)
    first = apart._child.process.pid  # type: ignore[union-attr]
    read(folder)
    assert apart._child.process.pid == first  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ENDS)
def test_what_stops_the_process_fails_one_source(
    folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path
) -> None:
    statement, said = ENDS[name]
    serving(monkeypatch, statement)
    before = folder.lock.get(LAYER), folder.current.manifest["files"]["zones/qpv_2024.parquet"]
    producers.edit(EDITION, CHANGE)
    producers.edit(LAYER, ("Centre Ville", "Centre-Ville"))
    report = refresh(OUTLINES, ONE)
    assert report.exit_code() == FAILED
    assert outcome(report, OUTLINES).faults == [Fault.CONTENT]
    assert said in outcome(report, OUTLINES).problem
    assert (folder.lock.get(LAYER), folder.current.manifest["files"]["zones/qpv_2024.parquet"]) == before
    assert folder.pair() == (AFTER[0], BEFORE[1])
    assert OUTLINES in report.save(tmp_path / "r.md").read_text(encoding="utf-8")
    folder.check()


def test_the_next_file_is_read_after_a_crash(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        serving(patch, "os.abort()")
        with pytest.raises(RefusedContentError, match="could not be read"):
            read(folder)
    assert read(folder).zones  # type: ignore[attr-defined]


def test_a_reader_without_end_is_stopped(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, "time.sleep(1000)")
    monkeypatch.setattr(apart, "READ_SECONDS", 0.5)
    with pytest.raises(RefusedContentError, match="no end in that time"):
        read(folder)


def test_memory_is_bounded(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the child may have: an error of one source, where the machine would have run out."""
    serving(monkeypatch, f"bytearray({apart.READ_BYTES * 2})")
    with pytest.raises(QpvSanteError, match="MemoryError"):
        read(folder)


def test_error_of_a_library_is_told_with_its_name(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    serving(monkeypatch, "__import__('shapely').from_wkt('POLYGON ((0 0')")
    with pytest.raises(QpvSanteError, match="GEOSException") as caught:
        read(folder)
    assert type(caught.value) is QpvSanteError


def test_error_of_a_reader_keeps_its_class(folder: Folder) -> None:
    raw = folder.raw(LAYER)
    raw.write_bytes(raw.read_bytes()[:-40])
    with pytest.raises((SchemaError, QpvSanteError)) as caught:
        read(folder)
    assert isinstance(caught.value, QpvSanteError)


def test_what_libraries_print_is_not_taken_for_an_answer(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    read_it = "__import__('importlib').import_module('qpv_sante.readers.perimeters').read(*_)"
    serving(monkeypatch, f"(print('{{}}'), os.write(1, b'{{}}\\n'), {read_it})[2]")
    assert read(folder).zones  # type: ignore[attr-defined]


def test_a_forked_process_has_its_own_child(folder: Folder) -> None:
    """Two processes on one pipe would read each other's answers."""
    read(folder)
    child = apart._child
    assert child is not None
    assert child.alive
    child.owner = os.getpid() + 1
    assert not child.alive
    child.owner = os.getpid()


def test_geographic_code_tables_go_on_after_a_first_build(folder: Folder, producers: Producers) -> None:
    producers.edit("insee_cog@2024", ("BEZIERS,Béziers,Béziers", "BEZIERS,Béziers,Béziers-sur-Orb"))
    assert qs.refresh(["insee_cog", OUTLINES]).exit_code() == CHANGED
    folder.check()
