"""What is on the disk against what was recorded, workbooks that would harm, and calls that the package never makes."""

from __future__ import annotations

import ast
import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import producers as miniature
import pytest
import python_calamine

import qpv_sante
from qpv_sante import content, manifests, store
from qpv_sante.catalogue import Table
from qpv_sante.errors import DownloadError, SchemaError, StoreError
from qpv_sante.imports import import_observations
from qpv_sante.integrity import COLUMNS, STATUSES, Verification, verify
from qpv_sante.readers.cells import read_text_sheet
from qpv_sante.readers.perimeters import _open

PACKAGE = Path(qpv_sante.__file__).parent


@pytest.fixture
def data(built_data: Path, tmp_path: Path) -> Path:
    """The miniature, built, in a folder that the test may damage."""
    return Path(shutil.copytree(built_data, tmp_path / "data"))


def row(done: Verification, place: str, name: str) -> dict[str, str]:
    frame = done.frame()
    found = frame[(frame["place"] == place) & frame["name"].str.endswith(name)]
    assert len(found) == 1, frame[["place", "name"]]
    return found.iloc[0].to_dict()


def faults(done: Verification) -> list[tuple[str, ...]]:
    return [tuple(one) for one in done.problems()[["place", "name", "status"]].to_numpy()]


def in_use(data: Path) -> Path:
    current = store.build_in_use(data / "processed")
    assert current is not None
    return current.path


def flip(path: Path, at: int = -20) -> None:
    """Change one bit: neither the size nor the date of the file tells."""
    state, raw = path.stat(), bytearray(path.read_bytes())
    raw[at] ^= 1
    path.unlink()  # builds share files by hard links
    path.write_bytes(raw)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def edit_manifest(folder: Path, change: object) -> None:
    """Have a manifest say something else, as if it had been written so."""
    manifest = manifests.read(folder)
    change(manifest)  # type: ignore[operator]
    manifests.write(folder, manifest)


def forget(manifest: dict[str, dict[str, object]]) -> None:
    """Take a source out of a manifest, with its table."""
    manifest["sources"].pop("cnaf_iris")
    manifest["files"].pop("observations/cnaf_iris.parquet")


# --- verify -------------------------------------------------------------------------------------------------------


def test_fresh_build_is_sound_and_hashes_are_those_of_the_bytes(data):
    done = verify(data)
    assert done.sound, done
    frame = done.frame()
    assert tuple(frame.columns) == COLUMNS
    assert set(frame["place"]) == {"raw", "processed", "snapshot"}
    assert set(frame["status"]) == {"sound"}
    assert (frame["advice"] == "").all()
    name = "insee_filosofi_qpv/2019/data_filo19_qp_revdis_csv.zip"
    by_hand = hashlib.sha256((data / "raw" / name).read_bytes()).hexdigest()
    assert row(done, "raw", name)["expected"] == row(done, "raw", name)["got"] == by_hand
    on_disk = sum(1 for _ in (data / "processed").rglob("*.parquet"))
    assert (frame["place"] == "processed").sum() == on_disk
    assert done.problems().empty


def test_nothing_but_the_snapshot_is_verified_in_an_empty_folder(tmp_path):
    done = verify(tmp_path / "none")
    assert done.sound
    assert set(done.frame()["place"]) == {"snapshot"}
    assert not (tmp_path / "none").exists()


def test_one_bit_is_found_in_each_place_by_reading_the_bytes(data, tmp_path, monkeypatch):
    snapshot = Path(shutil.copytree(store.snapshot_dir(), tmp_path / "snapshot"))
    monkeypatch.setattr(store, "snapshot_dir", lambda: snapshot)
    assert store.current_store(data) is not None  # the manifest is in the cache, and believes the sizes
    raw = data / "raw" / "insee_demo_qpv" / "2020" / "data_DEMO_2020_V1_QP_csv.zip"
    table = in_use(data) / "observations" / "cnaf_iris.parquet"
    embedded = snapshot / "codes" / "territories.parquet"
    for path in (raw, table, embedded):
        flip(path)
    store.current_store(data)  # nothing is seen from sizes and dates
    done = verify(data, lang="en")
    assert not done.sound
    assert sorted((place, status) for place, _, status in faults(done)) == [
        ("processed", "damaged"),
        ("raw", "damaged"),
        ("snapshot", "damaged"),
    ]
    assert "qpv-sante build --source insee_demo_qpv" in row(done, "raw", raw.name)["advice"]
    assert "qpv-sante refresh" in row(done, "processed", "cnaf_iris.parquet")["advice"]
    assert "reinstall" in row(done, "snapshot", "territories.parquet")["advice"]
    found = row(done, "processed", "cnaf_iris.parquet")
    assert found["expected"] != found["got"] == hashlib.sha256(table.read_bytes()).hexdigest()


def test_absent_raw_file_is_no_fault_where_the_figures_are_held(data):
    name = "cnaf_iris/2020/data_CAF_2020_IRIS_csv.zip"
    (data / "raw" / name).unlink()
    done = verify(data)
    assert row(done, "raw", name)["status"] == "absent"
    assert done.sound
    edit_manifest(in_use(data), forget)
    # the snapshot holds that edition too
    assert verify(data).sound


def test_absent_raw_file_of_figures_that_nobody_holds_is_a_fault(data, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "snapshot_dir", lambda: tmp_path / "nothing")
    (data / "raw" / "cnaf_iris/2020/data_CAF_2020_IRIS_csv.zip").unlink()
    edit_manifest(in_use(data), forget)
    done = verify(data)
    assert ("raw", "cnaf_iris/2020/data_CAF_2020_IRIS_csv.zip", "absent") in faults(done)


def test_absent_snapshot_is_told(data, tmp_path, monkeypatch):
    monkeypatch.setattr(store, "snapshot_dir", lambda: tmp_path / "nothing")
    assert faults(verify(data)) == [("snapshot", "manifest.json", "absent")]


def test_files_that_nothing_records_are_told_and_are_no_fault(data):
    (data / "raw" / "README.md").write_text("what goes here")
    (data / "raw" / "cnaf_iris" / ".download-x").mkdir()
    (data / "raw" / "cnaf_iris" / ".download-x" / "part").write_bytes(b"half")
    (data / "raw" / "mine.csv").write_text("a;b")
    (in_use(data) / "observations" / "stray.parquet").write_bytes(b"PAR1")
    done = verify(data)
    unrecorded = done.frame()[done.frame()["status"] == "unrecorded"]
    assert [name.rpartition("/")[2] for name in unrecorded["name"]] == ["stray.parquet", "mine.csv"]
    assert done.sound


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"files": {}}', '{"files": {"a": {}}, "sources": {}}', '{"files": [], "sources": {}}', "\x00"]
)
def test_unreadable_manifest_is_reported_not_raised(data, text):
    (in_use(data) / "manifest.json").write_text(text)
    done = verify(data)
    assert [(place, status) for place, _, status in faults(done)] == [("processed", "damaged")]
    assert "refresh" in done.problems()["advice"].iloc[0]


def test_copy_of_a_manifest_is_verified_too(data):
    """In the build in use the next refresh writes it again; an earlier build is served by the one that is left."""
    (in_use(data) / "manifest.copy.json").write_text("{")
    done = verify(data, lang="en")
    assert [(place, status) for place, _, status in faults(done)] == [("processed", "damaged")]
    assert "qpv-sante refresh" in row(done, "processed", "manifest.copy.json")["advice"]
    later = in_use(data).with_name("29991231T000000000000Z")
    shutil.copytree(in_use(data), later)
    manifests.write(later, manifests.read(later))
    (data / "processed" / "CURRENT").write_text(later.name)
    done = verify(data)
    assert done.sound, done
    assert row(done, "processed", "manifest.copy.json")["status"] == "damaged"


def test_manifest_and_its_copy_lost(data):
    for path in in_use(data).glob("manifest*.json"):
        path.write_text("{")
    done = verify(data, lang="en")
    assert [status for _, _, status in faults(done)] == ["damaged", "damaged"]
    assert all("qpv-sante refresh" in advice for advice in done.problems()["advice"])


def test_snapshot_whose_manifest_lies_is_found(tmp_path, monkeypatch):
    snapshot = Path(shutil.copytree(store.snapshot_dir(), tmp_path / "snapshot"))
    monkeypatch.setattr(store, "snapshot_dir", lambda: snapshot)
    said = manifests.read(snapshot)
    said["files"]["codes/territories.parquet"]["rows"] += 1
    said["sources"]["insee_filosofi_qpv"]["rows"] += 1
    manifests.write(snapshot, said, copied=False)
    done = verify(tmp_path / "none")
    assert sorted(name for _, name, _ in faults(done)) == [
        "manifest.json: codes/territories.parquet",
        "manifest.json: insee_filosofi_qpv",
    ]


@pytest.mark.parametrize(("text", "status"), [("20000101T000000Z\n", "damaged"), ("", "damaged"), (None, "absent")])
def test_current_that_points_to_nothing_is_reported(data, text, status):
    path = data / "processed" / "CURRENT"
    path.unlink()
    if text is not None:
        path.write_text(text)
    done = verify(data, lang="en")
    found = row(done, "processed", "CURRENT")
    assert found["status"] == status
    assert found["expected"] and "qpv-sante build" in found["advice"]
    assert not done.sound


def test_folder_in_place_of_current_is_reported(data):
    path = data / "processed" / "CURRENT"
    path.unlink()
    path.mkdir()
    assert row(verify(data), "processed", "CURRENT")["got"] == "a folder"


def test_current_may_not_leave_the_folder_of_builds(data, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (data / "processed" / "CURRENT").write_text("../../../elsewhere")
    assert "'../../../elsewhere' is not the name of a build" in row(verify(data), "processed", "CURRENT")["got"]
    with pytest.raises(StoreError, match="is not the name of a build"):
        store.current_store(data)


def test_store_behind_the_raw_files_is_reported(data):
    def other(manifest):
        manifest["sources"]["insee_demo_qpv"]["editions"]["2020"]["sha256"] = "0" * 64

    edit_manifest(in_use(data), other)
    done = verify(data, lang="en")
    found = row(done, "processed", "insee_demo_qpv@2020")
    lock = (data / "sources.lock.toml").read_text()
    assert found["got"] == "0" * 64
    assert found["expected"] in lock
    assert found["advice"].endswith("run `qpv-sante build --source insee_demo_qpv`")
    assert not done.sound


def test_earlier_builds_are_verified_too_and_say_what_is_lost(data):
    earlier = in_use(data)
    later = earlier.with_name("29991231T000000000000Z")
    shutil.copytree(earlier, later)
    (data / "processed" / "CURRENT").write_text(later.name)
    assert verify(data).sound
    flip(earlier / "codes" / "territories.parquet")
    done = verify(data)
    assert faults(done) == [("processed", f"{earlier.name}/codes/territories.parquet", "damaged")]
    assert str(earlier) in done.problems()["advice"].iloc[0]


@pytest.mark.parametrize("text", ["[", '["a@1"]\nfile = "../out"\nurl = ""\nsha256 = ""\nbytes = 1\nretrieved = ""\n'])
def test_damaged_lock_is_reported(data, text):
    (data / "sources.lock.toml").write_text(text)
    done = verify(data)
    assert faults(done) == [("raw", "sources.lock.toml", "damaged")]


def test_damaged_import_asks_for_the_file(data, tmp_path, monkeypatch):
    from qpv_sante.imports.template import write_template

    monkeypatch.setenv("QPV_SANTE_DATA", str(data))
    table, declared = write_template(tmp_path / "figures.csv")
    import_observations(table, source="ors", metadata=declared)
    assert verify(data).sound
    flip(in_use(data) / "observations" / "ors.parquet")
    assert "figures.csv" in row(verify(data), "processed", f"{in_use(data).name}/observations/ors.parquet")["advice"]


def test_verification_is_shown_in_both_languages_and_escaped(data):
    good = verify(data)
    assert "tous conformes" in repr(good)
    assert "<table>" not in good._repr_html_()
    bad = Verification((("raw", "<b>x", "damaged", "a", "b", "do & see"),), "en")
    assert "&lt;b&gt;x" in bad._repr_html_() and "do &amp; see" in bad._repr_html_()
    assert "raw/<b>x: damaged; do & see" in repr(bad)
    assert set(good.frame()["status"]) <= set(STATUSES)
    back = Verification((), "en", "Rolled back on <day>")
    assert back.sound
    assert "Rolled back on <day>" in repr(back)
    assert "Rolled back on &lt;day&gt;" in back._repr_html_()


# --- workbooks ----------------------------------------------------------------------------------------------------

SHEET = "xl/worksheets/sheet1.xml"
ROWS = [["geo_code", "value"], ["QP034001", 14.5]]


def parts() -> dict[str, bytes]:
    return miniature.members_of(miniature.xlsx({"A": ROWS}))


def read(workbook: bytes) -> list[list[str]]:
    return read_text_sheet(workbook, Table(sheet="A"), where="book.xlsx").to_numpy().tolist()


def with_sheet(old: str, new: str) -> bytes:
    members = parts()
    text = members[SHEET].decode()
    assert old in text
    return miniature.archive({**members, SHEET: text.replace(old, new).encode()})


def test_good_workbook_is_read_as_calamine_reads_it():
    workbook = miniature.xlsx({"A": ROWS})
    direct = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(workbook)).get_sheet_by_name("A").to_python()
    assert direct == ROWS
    assert read(workbook) == [["QP034001", "14.5"]]
    assert content.open_workbook(workbook, where="x").get_sheet_by_name("A").to_python() == ROWS


def test_old_workbook_is_read_up_to_its_limit(monkeypatch):
    workbook = miniature.xls({"A": [["geo_code", "value"], ["QP034001", 14.5]]})
    assert read(workbook) == [["QP034001", "14.5"]]
    monkeypatch.setattr(content, "MAX_XLS", len(workbook) - 1)
    with pytest.raises(SchemaError, match=f"at most {len(workbook) - 1} bytes expected in an xls, got {len(workbook)}"):
        read(workbook)


def test_zip_bomb_small_on_disk_is_refused_before_it_is_unpacked():
    bomb = miniature.archive({**parts(), SHEET: b" " * (300 << 20)})
    assert len(bomb) < 400_000
    with pytest.raises(SchemaError, match=r"book\.xlsx: not a readable workbook.*a zip bomb"):
        read(bomb)


def test_bomb_that_lies_about_its_size_is_refused():
    bomb = bytearray(miniature.archive({**parts(), "xl/media.xml": b"<a>" + b" " * (64 << 20) + b"</a>"}))
    honest = (7 + (64 << 20)).to_bytes(4, "little")
    assert bomb.count(honest) == 2  # before the member, and in the directory
    lying = bytes(bomb).replace(honest, (100).to_bytes(4, "little"))
    with pytest.raises(SchemaError, match="not a readable workbook"):
        read(lying)


@pytest.mark.parametrize(
    "far",
    [
        '<c r="XFD1048576"><v>1</v></c>',
        # no address: the sixteen thousandth of its row, in the last row
        "</row><row r='1048576'>" + "<c><v>1</v></c>" * 16_384,
        '<x:c xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main" r="XFD1048576"><x:v>1</x:v></x:c>',
    ],
    ids=["address", "no address", "prefix"],
)
def test_two_cells_far_apart_are_refused_and_would_have_filled_the_memory(far):
    workbook = with_sheet("</row></sheetData>", f"{far}</row></sheetData>")
    assert len(workbook) < 10_000
    with pytest.raises(SchemaError, match="1048576 rows of 16384 columns"):
        read(workbook)


def test_calamine_alone_stops_the_process_on_cells_far_apart(tmp_path):
    path = tmp_path / "far.xlsx"
    path.write_bytes(with_sheet("</row></sheetData>", '<c r="XFD1048576"><v>1</v></c></row></sheetData>'))
    code = (
        "import resource, sys, python_calamine as p; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30));"
        "p.CalamineWorkbook.from_path(sys.argv[1]).get_sheet_by_name('A')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, timeout=1800)
    assert done.returncode < 0 or b"memory" in done.stderr.lower()


def test_styled_blanks_far_away_are_not_cells():
    rows = '<c r="C2" s="1"/></row><row r="1048576" s="1"><c r="XFD1048576" s="1"/></row></sheetData>'
    assert read(with_sheet("</row></sheetData>", rows)) == [["QP034001", "14.5"]]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DOCTYPE = f'<!DOCTYPE sst [<!ENTITY l0 "ha">{LAUGHS}]>'


def shared(text: str) -> bytes:
    """A workbook of which the first cell is the first shared string."""
    members = parts()
    page = (
        members[SHEET]
        .decode()
        .replace('<c r="A1" t="inlineStr"><is><t>geo_code</t></is></c>', '<c r="A1" t="s"><v>0</v></c>')
    )
    types = (
        members["[Content_Types].xml"]
        .decode()
        .replace(
            "</Types>",
            '<Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument'
            '.spreadsheetml.sharedStrings+xml"/></Types>',
        )
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return miniature.archive(
        {
            **members,
            SHEET: page.encode(),
            "[Content_Types].xml": types.encode(),
            "xl/sharedStrings.xml": f'<?xml version="1.0"?>{text.replace("<sst", f"<sst xmlns={main!r}")}'.encode(),
        }
    )


def test_entities_are_not_expanded_by_calamine_and_are_refused_before():
    good = "<sst><si><t>geo_code</t></si></sst>"
    assert read(shared(good)) == [["QP034001", "14.5"]]
    laughs = shared(DOCTYPE + good.replace("geo_code", "&l9;"))
    # the library itself knows no entity that a document declares
    in_line = with_sheet("<worksheet", f"{DOCTYPE}<worksheet")
    members = miniature.members_of(in_line)
    members[SHEET] = members[SHEET].replace(b"<t>geo_code<", b"<t>&l9;<")
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(miniature.archive(members)))
    with pytest.raises(python_calamine.CalamineError, match=r"unrecognized entity `&?l9;?`"):
        book.get_sheet_by_name("A")
    with pytest.raises(python_calamine.CalamineError):
        python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(laughs))
    with pytest.raises(SchemaError, match="no document type expected"):
        read(laughs)
    with pytest.raises(SchemaError, match="no document type expected"):
        read(shared('<!DOCTYPE sst SYSTEM "file:///etc/passwd">' + good))


def test_text_hidden_in_utf16_is_refused():
    page = parts()[SHEET].decode().replace("UTF-8", "UTF-16").encode("utf-16")
    with pytest.raises(SchemaError, match="UTF-8 expected"):
        read(miniature.archive({**parts(), SHEET: page}))


@pytest.mark.parametrize("name", ["../../evil.xml", "/etc/evil.xml", "C:\\evil.xml", "xl/../../evil.xml"])
def test_member_outside_the_workbook_is_refused(name):
    with pytest.raises(SchemaError, match="members inside the archive's own folder"):
        read(miniature.archive({**parts(), name: b"<a/>"}))


def test_too_many_members_are_refused():
    many = {f"xl/x{n}.xml": b"" for n in range(content.MAX_MEMBERS + 1)}
    with pytest.raises(SchemaError, match="at most 10000 members"):
        read(miniature.archive({**parts(), **many}))


def test_macros_and_what_else_is_no_xml_never_reach_the_reader():
    workbook = miniature.archive(
        {**parts(), "xl/vbaProject.bin": content._OLE + b"macro", "xl/inner.zip": b"PK\x03\x04"}
    )
    assert read(workbook) == [["QP034001", "14.5"]]
    with zipfile.ZipFile(io.BytesIO(content._plain_workbook(workbook))) as archive:
        assert sorted(archive.namelist()) == sorted(parts())


@pytest.mark.parametrize(
    "other",
    [
        {"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<a/>"},
        {"[Content_Types].xml": b"<a/>", "xl/workbook.bin": b"x"},
        {},
    ],
    ids=["ods", "xlsb", "empty"],
)
def test_other_formats_that_calamine_would_open_are_refused(other):
    with pytest.raises(SchemaError, match="the parts of an xlsx expected"):
        read(miniature.archive(other))


@pytest.mark.parametrize("damaged", [b"", b"PK\x03\x04", b"text", miniature.xlsx({"A": ROWS})[:-60]])
def test_damaged_workbook_is_refused(damaged):
    with pytest.raises(SchemaError, match="not a readable workbook"):
        read(damaged)


def _import(tmp_path: Path, name: str, workbook: bytes, **more: object) -> None:
    path = tmp_path / name
    path.write_bytes(workbook)
    declared = {
        "title": "t", "producer": "p", "licence": "l", "year": 2023, "geo_level": "qpv", "geo_vintage": 2015, **more,
        "indicator": {"own": {"label": "Own", "unit": "%", "kind": "rate", "definition": "d", "higher_is": "worse"}},
    }  # fmt: skip
    import_observations(path, source="ors", metadata=declared, root=tmp_path / "data")


FAR = '<c r="XFD1048576"><v>1</v></c></row></sheetData>'


def test_workbook_of_the_analyst_goes_through_the_same_limits(tmp_path):
    with pytest.raises(SchemaError, match="1048576 rows of 16384 columns"):
        _import(tmp_path, "far.xlsx", with_sheet("</row></sheetData>", FAR), sheet="A")
    assert not (tmp_path / "data" / "processed").exists()


def test_entities_of_the_analyst_are_refused_where_the_sheet_is_not_named(tmp_path):
    with pytest.raises(SchemaError, match="no document type expected"):
        _import(tmp_path, "laughs.xlsx", shared(DOCTYPE + "<sst><si><t>geo_code</t></si></sst>"))


def test_bomb_of_the_analyst_is_refused_where_the_sheet_is_not_named(tmp_path):
    bomb = miniature.archive({**parts(), "xl/sharedStrings.xml": b" " * (300 << 20)})
    with pytest.raises(SchemaError, match="a zip bomb"):
        _import(tmp_path, "bomb.xlsx", bomb)


def test_zip_is_no_import(tmp_path):
    with pytest.raises(SchemaError, match="a zip bomb"):
        _import(tmp_path, "bomb.zip", miniature.archive({"a.csv": b" " * (300 << 20)}))


def test_unsafe_zip_of_outlines_is_refused_before_gdal_opens_it(tmp_path):
    path = tmp_path / "outlines.zip"
    path.write_bytes(miniature.archive({"../a.geojson": b"{}"}))
    raw = type("Raw", (), {"path": path})()
    with pytest.raises(DownloadError, match="members inside the archive's own folder"):
        _open(raw, Table(member="a.geojson"), where="x")


# --- calls that the package never makes ---------------------------------------------------------------------------

_MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "subprocess", "pty", "ctypes", "yaml"}
_NAMES = {"eval", "exec", "compile", "__import__"}
_METHODS = {
    "read_pickle",
    "to_pickle",
    "system",
    "popen",
    "spawnl",
    "spawnv",
    "execv",
    "execl",
    "extractall",
    "unpack_archive",
}
_KEYWORDS = {"allow_pickle", "shell"}


def dangerous(tree: ast.AST) -> list[str]:
    """Calls and imports that run what data says, one sentence each."""
    found = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            found += [f"{line}: import {one.name}" for one in node.names if one.name.partition(".")[0] in _MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in _MODULES:
            found.append(f"{line}: from {node.module}")
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in _NAMES:
                found.append(f"{line}: {node.func.id}()")
            if isinstance(node.func, ast.Attribute) and node.func.attr in _METHODS:
                found.append(f"{line}: .{node.func.attr}()")
            # pandas evaluates text in these; that of a spatial index (a tree) takes geometries
            constant = bool(node.args) and isinstance(node.args[0], ast.Constant)
            spatial = "tree" in ast.unparse(node.func).casefold()
            evaluates = isinstance(node.func, ast.Attribute) and node.func.attr in ("eval", "query")
            if evaluates and not constant and not spatial:
                found.append(f"{line}: .{ast.unparse(node.func)}() of text that is not written here")
            found += [
                f"{line}: {one.arg}="
                for one in node.keywords
                if one.arg in _KEYWORDS and not (isinstance(one.value, ast.Constant) and one.value.value is False)
            ]
    return found


def test_package_never_runs_what_data_says():
    modules = sorted(PACKAGE.rglob("*.py"))
    assert len(modules) > 40
    found = {
        path.relative_to(PACKAGE).as_posix(): calls
        for path in modules
        if (calls := dangerous(ast.parse(path.read_text(encoding="utf-8"))))
    }
    # one process is started: ours, to read the files that a library could abort on; its command is constant
    assert found.pop("readers/apart.py")[0].endswith("import subprocess")
    assert found == {}


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from subprocess import run", "import os; os.system('x')", "eval(x)", "pd.read_pickle(x)",
        "np.load(x, allow_pickle=True)", "run(x, shell=True)", "import yaml", "zip.extractall()", "frame.query(x)",
    ],
)  # fmt: skip
def test_the_walk_finds_them(code):
    assert dangerous(ast.parse(code))
