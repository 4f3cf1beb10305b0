"""A refresh against everything that producers, networks, disks and clocks do: nothing is lost, the rest goes on."""

from __future__ import annotations

import errno
import io
import os
import re
import select
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import killing
import pandas as pd
import producers as miniature
import pytest
from refreshing import (
    AFTER,
    BEFORE,
    CHANGE,
    EDITION,
    ONE,
    OTHER,
    OTHER_CHANGE,
    OTHER_EDITION,
    Folder,
    change_both,
    outcome,
    refresh,
)
from werkzeug import Response

import qpv_sante as qs
from conftest import Producers, bodies_in_a_hurry
from qpv_sante import builds, manifests, pipeline, sessions, store, territories, transfer
from qpv_sante.errors import DownloadError, StoreError
from qpv_sante.errors import Fault as Kind
from qpv_sante.lockfile import LOCK_FILE
from qpv_sante.refresh import STAGING, probing
from qpv_sante.refresh.outcome import CHANGED, FAILED, NOTHING
from qpv_sante.refresh.probing import State

MEMBER = "data_indic-revenu-disponible-qp24-2021_v2_QP24.csv"
TABLE = miniature.filosofi_qp24()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch.core

    monkeypatch.setattr(sessions, "BACKOFF", 0.005)
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def folder(workspace: Path) -> Folder:
    return Folder(workspace)


@pytest.fixture
def tagged(folder: Folder, producers: Producers) -> Folder:
    """A folder that knows the tags of its files."""
    producers.tagged = True
    assert refresh().exit_code() == NOTHING
    producers.asked.clear()
    return folder


# --- producers ---------------------------------------------------------------------------------------------------


def zipped(table: bytes | str, member: str = MEMBER, **others: bytes) -> bytes:
    return miniature.archive({member: table.encode() if isinstance(table, str) else table, **others})


def edited(*changes: tuple[str, str]) -> bytes:
    text = TABLE.decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return zipped(text)


def always(status: int, **headers: str) -> Callable[[Producers], Callable[[], Response]]:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return lambda producers: lambda: Response("", status=status, headers=named)


def body_only(answer: Callable[[Producers], Response]) -> Callable[[Producers], Callable[[], Response]]:
    """What goes wrong only once the file itself is asked for."""

    def make(producers: Producers) -> Callable[[], Response]:
        def respond() -> Response:
            assert producers.request is not None
            return Response(edited(CHANGE)) if producers.request.method == "HEAD" else answer(producers)

        return respond

    return make


def reset(producers: Producers) -> Response:
    """Close the connection without a word."""
    assert producers.request is not None
    connection: socket.socket = producers.request.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionResetError  # the server drops the connection, which lingers no more


def truncated(producers: Producers) -> Response:
    content = edited(CHANGE)
    response = Response(content[: len(content) // 2])
    response.automatically_set_content_length = False
    response.headers["Content-Length"] = str(len(content))
    return response


def silent(producers: Producers) -> Response:
    assert producers.request is not None
    connection: socket.socket = producers.request.environ["werkzeug.socket"]

    def drip() -> Iterator[bytes]:
        yield b"PK\x03\x04"
        select.select([connection], [], [])  # until the client leaves
        yield b"too late"

    return Response(drip())


def trickle(producers: Producers) -> Response:
    """Some bytes now and then, forever: never silent for long."""

    def drip() -> Iterator[bytes]:
        while True:
            yield b"x"
            time.sleep(0.05)

    return Response(drip())


def content(make: Callable[[], bytes]) -> Callable[[Producers], bytes]:
    return lambda producers: make()


@dataclass(frozen=True)
class Fault:
    """What a producer does, and what must be said of it."""

    answer: Callable[[Producers], Any]
    told: tuple[str, ...]
    page: int | None = None  # what the landing page answers, where it matters


RETRY = "Try again later|try: "
READ_AGAIN = "try: look at https://www.insee.fr/fr/statistiques/8243167; if the producer changed the form"
FAULTS = {
    "404": Fault(always(404), ("status 404", "If https://www.insee.fr/fr/statistiques/8243167 has it, correct")),
    "410": Fault(always(410), ("status 410", "correct its address in the catalogue")),
    "404, and the page too": Fault(always(404), ("landing page", "status 404", RETRY), page=404),
    "429": Fault(always(429), ("status 429", RETRY)),
    "500": Fault(always(500), ("status 500", RETRY)),
    "503": Fault(always(503), ("status 503", RETRY)),
    "403": Fault(always(403), ("status 403", RETRY)),
    "503 for the file alone": Fault(body_only(lambda producers: Response("", 503)), ("status 503", "try: ")),
    "404 for the file alone": Fault(body_only(lambda producers: Response("", 404)), ("status 404", "try: ")),
    "reset": Fault(lambda producers: lambda: reset(producers), ("Connection", RETRY)),
    "reset of the file alone": Fault(body_only(reset), ("Connection", "try: ")),
    "cut body": Fault(body_only(truncated), (r"cut after \d+ bytes", "try: ")),
    "body that stops": Fault(body_only(silent), (r"cut after 4 bytes", "try: ")),
    "slow body": Fault(body_only(trickle), ("too slow", r"at least \d+ bytes a second", "try: ")),
    "random bytes": Fault(content(lambda: bytes(range(256)) * 40), ("not what was expected", "unrecognised", "try: ")),
    "notice": Fault(
        content(lambda: b"<!DOCTYPE html><html><head><title>Maintenance</title></head></html>"),
        ("HTML page in place of the file: 'Maintenance'", "try: "),
    ),
    "empty file": Fault(content(lambda: b""), ("empty file", "try: ")),
    "damaged zip": Fault(content(lambda: edited(CHANGE)[:-30]), ("an intact zip archive", "try: ")),
    "zip bomb": Fault(content(lambda: zipped(bytes(20_000_000))), ("zip bomb", "try: ")),
    "member outside": Fault(
        content(lambda: zipped(TABLE, **{"../../evil.csv": b"x"})), ("own folder", "evil", "try: ")
    ),
    "missing member": Fault(content(lambda: zipped(TABLE, "autre.csv")), (re.escape(MEMBER), "autre.csv", "try: ")),
    "two members": Fault(
        content(lambda: zipped(TABLE, "a/" + MEMBER, **{"b/" + MEMBER: TABLE})), ("2; members:", "try: ")
    ),
    "empty table": Fault(content(lambda: zipped("")), ("empty", READ_AGAIN)),
    "header alone": Fault(content(lambda: zipped(TABLE.splitlines()[0] + b"\r\n")), ("no row", READ_AGAIN)),
    "renamed column": Fault(content(lambda: edited(("DISP_TP60_A21", "TAUX_PAUV"))), ("TAUX_PAUV", READ_AGAIN)),
    "renamed code": Fault(content(lambda: edited(("CODGEO", "CODE_QP"))), ("CODE_QP", READ_AGAIN)),
    "other separator": Fault(content(lambda: edited((";", ","))), ("CODGEO,DISP_TP60_A21", READ_AGAIN)),
    # without a byte-order mark: with one, the file says its encoding itself, and is read
    "other encoding": Fault(content(lambda: zipped(TABLE.decode().encode("utf-16-le"))), (EDITION, READ_AGAIN)),
    "row twice": Fault(
        content(lambda: zipped(TABLE + TABLE.splitlines()[1] + b"\r\n")), ("twice, first QN03401M", READ_AGAIN)
    ),
    "new marker": Fault(content(lambda: edited(("QN03401M;62", "QN03401M;n.c."))), ("n.c.", READ_AGAIN)),
    "unknown code": Fault(content(lambda: edited(("QN03401M", "ZZ03401M"))), ("ZZ03401M", READ_AGAIN)),
    "impossible rate": Fault(content(lambda: edited(("QN03401M;62", "QN03401M;162"))), ("162", READ_AGAIN)),
    "other host": Fault(
        lambda producers: lambda: Response("", 302, headers={"Location": "https://evil.example/a.zip"}),
        ("another host", "evil.example"),
    ),
    "unprotected": Fault(
        lambda producers: lambda: Response("", 302, headers={"Location": "http://www.insee.fr/a.zip"}),
        ("unprotected", "http://www.insee.fr/a.zip"),
    ),
    "loop of redirections": Fault(
        lambda producers: lambda: Response("", 302, headers={"Location": "https://" + producers.address(EDITION)}),
        ("redirections",),
    ),
}


# what a person is told to do
KINDS = {
    **dict.fromkeys(("404", "410", "404 for the file alone"), Kind.GONE),
    "404, and the page too": Kind.SILENT,
    **dict.fromkeys(("429", "500", "503", "403", "503 for the file alone"), Kind.REFUSED),
    **dict.fromkeys(("reset", "reset of the file alone"), Kind.CONNECTION),
    **dict.fromkeys(("cut body", "body that stops"), Kind.CUT),
    **dict.fromkeys(("empty table", "header alone", "renamed column", "renamed code", "other separator"), Kind.FORM),
    **dict.fromkeys(("other encoding", "row twice", "unknown code", "impossible rate"), Kind.FORM),
    "new marker": Kind.MARKER,
    "slow body": Kind.SLOW,
    **dict.fromkeys(("other host", "unprotected", "loop of redirections"), Kind.HOST),
}  # otherwise, content that is refused
# one of each stage: asked for, downloaded, recognised, unpacked, read
WITH_OTHERS = {"404", "503", "reset of the file alone", "random bytes", "zip bomb", "renamed column"}


@pytest.mark.parametrize("name", FAULTS)
def test_producer_fails_and_the_others_go_on(
    folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fault = FAULTS[name]
    if name == "body that stops":
        bodies_in_a_hurry(monkeypatch, producers.address(EDITION))
    if name == "slow body":
        # it trickles at 20 bytes a second at most: the other files pass, whatever the machine
        monkeypatch.setattr(transfer, "SPEED_WINDOW", 0.3)
        monkeypatch.setattr(transfer, "MIN_SPEED", 60.0)
    before, figures, together = folder.of(ONE, EDITION), folder.figures(), name in WITH_OTHERS
    if together:
        change_both(producers)
    producers.replace(EDITION, fault.answer(producers))
    if fault.page:
        producers.answers[producers.page(EDITION)] = fault.page
    report = refresh()
    assert report.exit_code() == FAILED
    assert outcome(report).status == "failed"
    assert outcome(report).kept
    problem, kind = outcome(report).problem, KINDS.get(name, Kind.CONTENT)
    assert outcome(report).faults == [kind]
    for pattern in fault.told:
        assert re.search(pattern, problem), problem
    assert folder.of(ONE, EDITION) == before
    pd.testing.assert_frame_equal(folder.figures(), figures)
    assert outcome(report, OTHER).status == ("changed" if together else "unchanged")
    assert folder.pair() == (BEFORE[0], AFTER[1] if together else BEFORE[1])
    assert not list(folder.root.parent.rglob("evil*"))
    folder.check()
    if not together:
        return
    producers.reset()
    change_both(producers)
    again = refresh()
    assert again.exit_code() == CHANGED, again.frame()
    assert folder.pair() == AFTER
    folder.check()


@pytest.mark.parametrize(
    "answers",
    [[429], [500, 503], [503] * sessions.RETRIES],
    ids=str,
)
def test_busy_for_a_while(folder: Folder, producers: Producers, answers: list[int]) -> None:
    left, good = list(answers), edited(CHANGE)

    def busy() -> Response:
        headers = {"Retry-After": "1"} if left[:1] == [429] else {}
        return Response("", left.pop(0), headers=headers) if left else Response(good)

    producers.replace(EDITION, busy)
    assert refresh(ONE).exit_code() == CHANGED
    assert folder.pair()[0] == AFTER[0]
    assert left == []
    folder.check()


def test_retry_after_is_obeyed(folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch) -> None:
    left, waits = [17, 5], []
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=waits.append))

    def busy() -> Response:
        return Response("", 429, headers={"Retry-After": str(left.pop(0))}) if left else Response(edited(CHANGE))

    producers.replace(EDITION, busy)
    assert refresh(ONE).exit_code() == CHANGED
    assert waits == [17, 5]


@pytest.mark.parametrize("status", [429, 503])
def test_host_that_asks_for_an_hour_is_asked_once(
    folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """The other editions of that host are told so at once, in one message; other hosts go on."""
    waits: list[float] = []
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=waits.append))
    monkeypatch.setattr(probing, "THREADS", 1)  # the order of the questions is that of the sources
    before = folder.of(ONE, EDITION)
    for place in [place for place in producers.answers if place.startswith("www.insee.fr")]:
        producers.answers[place] = lambda: Response("", status, headers={"Retry-After": "3600"})
    report = qs.refresh()
    of_insee = [p for one in report.outcomes for p in one.probes if "www.insee.fr" in p.url]
    assert len(of_insee) > 20
    assert {p.state for p in of_insee} == {State.UNREACHABLE}
    (told,) = {p.detail for p in of_insee}
    assert told.startswith("www.insee.fr asks to come back later")
    assert f"status {status}" in told
    assert "Retry-After: 3600" in told
    assert len([place for place in producers.calls if place.startswith("www.insee.fr")]) == 1
    assert waits == []
    assert outcome(report, "anct_qpv2024").status == "unchanged"
    assert folder.of(ONE, EDITION) == before
    folder.check()


def test_host_that_becomes_busy_between_probe_and_download(folder: Folder, producers: Producers) -> None:
    """What a host said of its load for one file holds for the others of that refresh; the next one takes them."""
    for key, change in ((EDITION, CHANGE), (OTHER_EDITION, OTHER_CHANGE)):
        producers.edit(key, change)
        good = producers.answers[producers.address(key)]

        def answer(good: Any = good) -> Response:
            assert producers.request is not None
            head = producers.request.method == "HEAD"
            return Response(good) if head else Response("", 429, headers={"Retry-After": "600"})

        producers.replace(key, answer)
    report = refresh()
    assert [one.status for one in report.outcomes] == ["failed", "failed"]
    assert all("www.insee.fr asks to come back later" in one.problem for one in report.outcomes)
    assert len(producers.downloads()) == 1
    assert folder.pair() == BEFORE
    folder.check()
    change_both(producers)
    assert refresh().exit_code() == CHANGED
    assert folder.pair() == AFTER


def test_file_that_changes_between_the_question_and_the_download(folder: Folder, producers: Producers) -> None:
    """The tag that was probed is not the tag of what came: what came is recorded, with its own tag."""
    producers.tagged = True
    producers.edit(EDITION, CHANGE)
    first, second = edited(CHANGE), edited(("QN03401M;62", "QN03401M;64"))

    def answer() -> Response:
        assert producers.request is not None
        head = producers.request.method == "HEAD"
        return Response(first if head else second, headers={"ETag": '"one"' if head else '"two"'})

    producers.replace(EDITION, answer)
    assert refresh(ONE).exit_code() == CHANGED
    assert folder.pair()[0] == 64.0
    assert folder.lock.get(EDITION).etag == '"two"'  # type: ignore[union-attr]
    folder.check()
    assert refresh(ONE).exit_code() == NOTHING  # the producer still says one thing and gives another


def test_a_source_of_several_editions_with_one_gone(folder: Folder, producers: Producers) -> None:
    """The edition that is gone is read from its good file, the one that changed is put in use."""
    gone, changed = "insee_demo_qpv@2020", "insee_demo_qpv@2022"
    producers.drop(gone)
    good = producers.answers[producers.address(changed)]
    assert isinstance(good, bytes)
    ((name, table),) = miniature.members_of(good).items()
    assert b"33,4" in table
    producers.replace(changed, miniature.archive({name: table.replace(b"33,4", b"33,5")}))
    before = folder.lock.get(gone)
    report = refresh("insee_demo_qpv", accept=["insee_demo_qpv"])
    one = outcome(report, "insee_demo_qpv")
    assert (one.status, one.changes.moved) == ("failed", 1)
    assert re.match(f"{gone}: .*status 404", one.problem)
    assert report.exit_code() == FAILED
    frame = qs.load_observations("foreigner_share", geo_vintage=2015, year=2022).set_index("geo_code")
    assert frame.loc["QP034002", "value"] == 33.5
    assert folder.lock.get(gone) == before
    folder.check()


def test_first_build_without_the_file(producers: Producers, tmp_path: Path) -> None:
    """Nothing to keep: said as such."""
    producers.drop(EDITION)
    report = refresh(accept=[OTHER])  # five QPV where the snapshot has thousands
    assert (outcome(report).status, outcome(report).kept) == ("failed", False)
    assert outcome(report, OTHER).status == "changed"
    assert Folder(tmp_path / "data").strays() == []


# --- networks ----------------------------------------------------------------------------------------------------


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def all_failed_and_nothing_moved(folder: Folder, before: dict[str, str], *patterns: str) -> None:
    report = refresh()
    assert report.exit_code() == FAILED
    assert [one.status for one in report.outcomes] == ["failed", "failed"]
    for pattern in patterns:
        assert re.search(pattern, outcome(report).problem), outcome(report).problem
    assert folder.tree() == before
    assert folder.pair() == BEFORE
    folder.check()


def test_connection_refused(folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder.tree()
    with monkeypatch.context() as patch:
        patch.setenv("QPV_SANTE_MIRROR", f"http://127.0.0.1:{closed_port()}")
        all_failed_and_nothing_moved(folder, before, "no connection to www.insee.fr", "refused", "mirror .* is running")
    change_both(producers)
    assert refresh().exit_code() == CHANGED
    assert folder.pair() == AFTER


def test_no_network_at_all(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """No name resolves; every source is told, in one message."""

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    before = folder.tree()
    monkeypatch.delenv("QPV_SANTE_MIRROR")
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    all_failed_and_nothing_moved(folder, before, "no connection to www.insee.fr", "check the network|Check the network")
    report = qs.refresh()
    assert {one.status for one in report.outcomes} == {"failed"}
    from qpv_sante.refresh.telling import summary

    told = "\n".join(summary(report, "en"))
    assert "No producer answered" in told
    assert told.count("no connection to www.insee.fr") == 2  # once for figures in use, once for sources never built


@pytest.fixture
def self_signed(tmp_path: Path) -> Path:
    """A certificate that nobody vouches for, for localhost."""
    if not shutil.which("openssl"):
        pytest.skip("this machine has no openssl command")
    path = tmp_path / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(tmp_path / "ca.pem")]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "ca.pem").read_text())
    return path


def test_certificate_error_is_never_ignored(
    folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch, self_signed: Path
) -> None:
    from werkzeug import Request
    from werkzeug.serving import make_server

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed)
    change_both(producers)
    server = make_server("localhost", 0, Request.application(producers), ssl_context=context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    before = folder.tree()
    try:
        monkeypatch.setenv("QPV_SANTE_MIRROR", f"https://localhost:{server.server_port}")
        all_failed_and_nothing_moved(folder, before, "(?i)certificate verify failed", "REQUESTS_CA_BUNDLE")
        assert producers.asked == []  # nothing was said to a server that is not known
        # the institution's certificate, named as the message says
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(self_signed.with_name("ca.pem")))
        assert refresh().exit_code() == CHANGED
        assert folder.pair() == AFTER
    finally:
        server.shutdown()
        server.server_close()


# --- disks -------------------------------------------------------------------------------------------------------


@dataclass
class Disk:
    """A disk that refuses to write some files."""

    refused: Callable[[str, Path], bool]
    code: int = errno.ENOSPC
    hits: list[str] = field(default_factory=list)

    def check(self, how: str, path: object) -> None:
        if self.refused(how, Path(str(path))):
            self.hits.append(str(path))
            raise OSError(self.code, os.strerror(self.code), str(path))

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Stand between the package and the system: opening for writing, renaming, linking, making folders."""

        def opening(genuine: Callable[..., Any]) -> Callable[..., Any]:
            def replaced(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
                if set(mode) & set("wax+") and isinstance(file, str | os.PathLike):
                    self.check("write", file)
                return genuine(file, mode, *args, **options)

            return replaced

        def moving(genuine: Callable[..., Any]) -> Callable[..., Any]:
            def replaced(source: Any, target: Any, *args: Any, **options: Any) -> Any:
                self.check("place", target)
                return genuine(source, target, *args, **options)

            return replaced

        patch.setattr(io, "open", opening(io.open))
        for name in ("replace", "rename"):
            patch.setattr(os, name, moving(getattr(os, name)))
        genuine = pd.DataFrame.to_parquet

        def to_parquet(frame: pd.DataFrame, path: Path, **options: Any) -> Any:
            done = genuine(frame, path, **options)
            try:
                self.check("write", path)
            except OSError:
                os.truncate(path, 10)  # as a disk that fills up does
                raise
            return done

        patch.setattr(pd.DataFrame, "to_parquet", to_parquet)


WRITES: dict[str, Callable[[str, Path], bool]] = {
    "raw file": lambda how, path: how == "write" and STAGING in str(path),
    "raw file in place": lambda how, path: how == "place" and path.parts[-4:-2] == ("raw", ONE),
    "second raw file in place": lambda how, path: how == "place" and path.parts[-4:-2] == ("raw", OTHER),
    "table": lambda how, path: how == "write" and "/observations/" in str(path),
    "table in place": lambda how, path: how == "place" and "/observations/" in str(path),
    "manifest": lambda how, path: how == "write" and path.name.startswith("manifest.json"),
    "manifest in place": lambda how, path: how == "place" and path.name == "manifest.json",
    "lock": lambda how, path: how == "write" and LOCK_FILE in path.name,
    "lock in place": lambda how, path: how == "place" and path.name == LOCK_FILE,
    "build in place": lambda how, path: how == "place" and path.parent.name == "builds",
    "pointer": lambda how, path: how == "write" and path.name == "CURRENT.new",
    "pointer in place": lambda how, path: how == "place" and path.name == "CURRENT",
}


REFUSALS = [(step, errno.ENOSPC) for step in WRITES] + [("raw file", errno.EROFS)]


@pytest.mark.parametrize(("step", "code"), REFUSALS, ids=lambda one: errno.errorcode.get(one, one))
def test_disk_refuses(
    folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch, step: str, code: int
) -> None:
    """The store stays whole; raw files and their record go together, and the next refresh takes up the rest."""
    sources = (ONE, OTHER) if step.startswith("second") else (ONE,)
    change_both(producers)
    table = folder.current.manifest["files"]
    name, figures, disk = folder.current.path.name, folder.figures(), Disk(WRITES[step], code)
    with monkeypatch.context() as patch:
        disk.install(patch)
        report = refresh(*sources)
    assert disk.hits, "the disk was never asked"
    assert report.exit_code() == FAILED
    said = report.problem or outcome(report).problem
    assert os.strerror(code) in said
    assert "QPV_SANTE_DATA" in said
    assert folder.current.path.name == name
    assert folder.current.manifest["files"] == table
    assert folder.builds() == [name]
    pd.testing.assert_frame_equal(folder.figures(), figures)
    assert folder.pair() == BEFORE
    assert folder.current.problems() == {}
    assert folder.strays() == []
    for key in (EDITION, OTHER_EDITION):  # recorded as it is on disk: no file is taken for another
        from qpv_sante.content import sha256_of

        assert sha256_of(folder.raw(key)) == folder.lock.get(key).sha256  # type: ignore[union-attr]
    assert not [one for one in report.outcomes if one.status == "changed"]

    again = refresh(*sources)
    assert again.exit_code() == CHANGED, again.frame()
    assert folder.pair() == (AFTER if OTHER in sources else (AFTER[0], BEFORE[1]))
    folder.check()


def test_full_disk_for_true(folder: Folder, producers: Producers, tmp_path: Path) -> None:
    """A small file system of its own, filled up; the refresh ends well once space is made."""
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "none", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount a file system")
    try:
        root = small / "data"
        shutil.copytree(folder.root, root)
        held = Folder(root)
        change_both(producers)
        ballast = small / "ballast"
        for spare in (0, 3000, 9000, 30_000):  # nothing at all, then room for some of the writes
            with ballast.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
                while True:
                    stream.write(bytes(4096))
            os.truncate(ballast, max(0, ballast.stat().st_size - spare))
            try:
                report = qs.refresh([ONE, OTHER], root=root)
                code, said = report.exit_code(), report.problem + "".join(one.problem for one in report.outcomes)
            except StoreError as error:
                code, said = FAILED, str(error)
            if code == FAILED:
                assert "No space left" in said
                assert held.current.manifest["sources"].keys() == folder.current.manifest["sources"].keys()
            assert held.current.problems() == {}
            assert held.strays() == []
            ballast.unlink()
        assert qs.refresh([ONE, OTHER], root=root).exit_code() in {CHANGED, NOTHING}
        held.check()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_read_only_folder(folder: Folder, producers: Producers) -> None:
    """Told at once, before anybody is asked."""
    before = folder.tree()
    shown = folder.root / "processed"
    bound = subprocess.run(["mount", "--bind", str(shown), str(shown)], capture_output=True, check=False)
    if bound.returncode:
        pytest.skip("this user may not mount a file system; simulated by test_disk_refuses")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(shown)], check=True, capture_output=True)
        (shown / ".lock").exists()
        with pytest.raises(StoreError, match=r"cannot be written: .*Read-only.*QPV_SANTE_DATA"):
            refresh()
        assert producers.asked == []
        assert folder.pair() == BEFORE  # reading needs no right to write
    finally:
        subprocess.run(["umount", str(shown)], check=True)
    assert folder.tree() == before
    change_both(producers)
    assert refresh().exit_code() == CHANGED


# --- damages -----------------------------------------------------------------------------------------------------


def damage_table(folder: Folder) -> None:
    path = folder.current.path / "observations" / f"{ONE}.parquet"
    content = path.read_bytes()
    path.unlink()  # a hard link: the same damage must not reach other builds
    path.write_bytes(content[:50] + bytes(len(content) - 100) + content[-50:])


def test_corrupted_table_is_repaired_without_a_download(folder: Folder, producers: Producers) -> None:
    producers.tagged = True
    assert refresh().exit_code() == NOTHING  # the tags are known from now on
    producers.asked.clear()
    damage_table(folder)
    frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024)
    assert frame.attrs["origin"][ONE].startswith("snapshot")  # a damaged table gives no figure
    report = refresh()
    assert report.exit_code() == CHANGED
    assert outcome(report).reasons == ["damaged in the store"]
    assert outcome(report, OTHER).status == "unchanged"
    assert producers.downloads() == []
    assert folder.pair() == BEFORE
    folder.check()


@pytest.mark.parametrize("name", ["territories", "qpv"])
def test_damaged_assembled_table_is_made_again(folder: Folder, producers: Producers, name: str) -> None:
    path = folder.current.path / "codes" / f"{name}.parquet"
    good = path.read_bytes()
    path.write_bytes(bytes(len(good)))
    report = refresh()
    assert report.exit_code() == CHANGED
    assert outcome(report, "territories").status == "changed"
    assert (folder.current.path / "codes" / f"{name}.parquet").read_bytes() == good
    folder.check()


def test_unreadable_manifest(folder: Folder, producers: Producers) -> None:
    """With its copy too: everything is built again from the raw files, and the figures are those of before."""
    frames = {name: folder.figures(name) for name in (ONE, OTHER)}
    tables, damaged = folder.current.manifest["files"], folder.current.path
    cut_both(damaged)
    report = refresh()
    assert report.exit_code() == CHANGED
    assert {tuple(one.reasons) for one in report.outcomes} == {("not built yet",)}
    ((kind, text),) = report.warnings
    assert kind == "manifest_lost"
    assert str(damaged) in text
    assert damaged.is_dir()  # it is kept
    assert folder.current.manifest["files"].items() <= tables.items()
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(folder.figures(name), frame)
    folder.check()


def cut(path: Path) -> None:
    os.truncate(path, 200)


def alter(path: Path) -> None:
    """One digit of a size: the manifest is still a manifest."""
    text = path.read_text(encoding="utf-8")
    (wrong, count) = re.subn(r'"bytes": (\d)', lambda found: f'"bytes": {9 - int(found[1])}', text, count=1)
    assert count == 1
    path.write_text(wrong, encoding="utf-8")


@pytest.mark.parametrize("name", ["manifest.json", "manifest.copy.json"])
@pytest.mark.parametrize("damage", [cut, alter, Path.unlink], ids=["cut", "altered", "gone"])
def test_one_of_the_two_manifests_is_damaged(
    folder: Folder, producers: Producers, damage: Callable[[Path], None], name: str
) -> None:
    """Nothing is lost, nothing is read again; the report says it, and the next build has both."""
    before, manifest = folder.current.path, folder.current.manifest
    damage(before / name)
    assert folder.pair() == BEFORE
    report = refresh(dry_run=True)
    assert folder.current.path == before
    report = refresh()
    assert (report.exit_code(), report.exit_code("warning")) == (NOTHING, FAILED)
    assert [kind for kind, _ in report.warnings] == ["manifest"]
    assert str(before) in report.warnings[0][1]
    assert folder.current.path != before
    assert folder.current.manifest["sources"] == manifest["sources"]
    assert folder.current.manifest["files"] == manifest["files"]
    assert manifests.faults(folder.current.path) == {}
    folder.check()
    assert refresh().warnings == []


def faults_in_use(folder: Folder) -> list[str]:
    """What `verify` finds, but for the earlier builds, which stay as they are."""
    earlier = [name for name in folder.builds() if name != folder.current.path.name]
    return [name for name in qs.verify(folder.root).problems()["name"] if not name.startswith(tuple(earlier))]


def bring_in(folder: Folder) -> Path:
    """The user's own figures, imported; the table."""
    from qpv_sante.imports import import_observations
    from qpv_sante.imports.template import write_template

    table = folder.root.parent / "figures.csv"
    declared = table.with_suffix(".toml") if table.exists() else write_template(table)[1]
    import_observations(table, source="ors", metadata=declared)
    return folder.current.path / "observations" / "ors.parquet"


def test_import_in_a_build_with_a_damaged_manifest_is_taken_over(folder: Folder, producers: Producers) -> None:
    """By `import` itself and by a refresh, the record as it was."""
    table = bring_in(folder)
    content, record = table.read_bytes(), folder.current.manifest["sources"]["ors"]
    cut(table.parents[1] / "manifest.json")
    producers.edit(EDITION, CHANGE)
    assert refresh(ONE).exit_code() == CHANGED
    assert (folder.current.path / "observations" / "ors.parquet").read_bytes() == content
    assert folder.current.manifest["sources"]["ors"] == record
    assert len(qs.load_observations("example_ald_share")) == 4
    assert faults_in_use(folder) == []


def test_import_in_a_build_that_is_lost_comes_from_the_one_before(folder: Folder, producers: Producers) -> None:
    table = bring_in(folder)
    content = table.read_bytes()
    producers.edit(EDITION, CHANGE)
    assert refresh(ONE).exit_code() == CHANGED
    cut_both(folder.current.path)
    report = refresh()
    assert [kind for kind, _ in report.warnings] == ["manifest_lost", "going_on"]
    assert report.exit_code() == CHANGED  # the file that is newer than the earlier build is read again
    assert (folder.current.path / "observations" / "ors.parquet").read_bytes() == content
    assert folder.pair() == (AFTER[0], BEFORE[1])


def test_damaged_imported_table_is_found_in_another_build(folder: Folder, producers: Producers) -> None:
    content = bring_in(folder).read_bytes()
    producers.edit(EDITION, CHANGE)
    refresh(ONE)
    path = folder.current.path / "observations" / "ors.parquet"
    path.unlink()
    path.write_bytes(bytes(len(content)))
    assert not qs.verify(folder.root).sound
    report = refresh(ONE)
    assert report.exit_code() == NOTHING
    assert [kind for kind, _ in report.warnings] == ["import"]
    assert (folder.current.path / "observations" / "ors.parquet").read_bytes() == content
    assert faults_in_use(folder) == []


def forget_import(build: Path) -> None:
    """A manifest that is whole and sealed, and does not know the import."""
    manifest = manifests.read(build)
    del manifest["sources"]["ors"], manifest["files"]["observations/ors.parquet"]
    manifests.write(build, manifest)


def cut_both(build: Path) -> None:
    for path in build.glob("manifest*.json"):
        cut(path)


@pytest.mark.parametrize("lose", [cut_both, forget_import])
def test_import_that_no_build_vouches_for_is_told_where_it_is(
    folder: Folder, producers: Producers, lose: Callable[[Path], None]
) -> None:
    """Its only record is lost: a failure until a person imports it again, and never a deletion."""
    table = bring_in(folder)
    content = table.read_bytes()
    lose(table.parents[1])
    for value in (63, 64, 65, 66):  # more builds than are kept
        producers.edit(EDITION, ("QN03401M;62", f"QN03401M;{value}"))
        report = refresh(ONE)
        assert report.exit_code() == FAILED
        lost = outcome(report, "ors")
        assert (lost.status, lost.kept) == ("failed", False)
        assert f"kept: {table}, " in lost.problem
        assert "try: qpv-sante import FILE --source ors; " in lost.problem
        assert outcome(report).status == "changed"  # the rest goes on
    assert table.read_bytes() == content
    checked = qs.verify(folder.root, lang="en")
    assert "qpv-sante import FILE --source ors" in checked.problems().set_index("name")["advice"]["observations/ors"]
    if lose is cut_both:
        assert any("keep this folder" in one and str(table.parents[1]) in one for one in checked.problems()["advice"])
    bring_in(folder)
    assert refresh(ONE).exit_code() == NOTHING
    assert len(qs.load_observations("example_ald_share")) == 4


def change_record(folder: Folder, change: Callable[[dict[str, Any]], object]) -> None:
    """Have the manifest in use say something else, sealed as if it had been written so."""
    manifest = manifests.read(folder.current.path)
    change(manifest)
    manifests.write(folder.current.path, manifest)


TABLE_FILE = f"observations/{ONE}.parquet"
LIES: dict[str, tuple[Callable[[dict[str, Any]], object], list[str], list[str]]] = {
    # what is changed, kinds of warnings of the refresh, its reasons to read the source again
    "size": (lambda said: said["files"][TABLE_FILE].update(bytes=1), ["record"], []),
    "rows": (lambda said: said["files"][TABLE_FILE].update(rows=999), ["record"], []),
    "rows of the source": (lambda said: said["sources"][ONE].update(rows=999), ["record"], []),
    "hash": (lambda said: said["files"][TABLE_FILE].update(sha256="0" * 64), [], ["damaged in the store"]),
    "table that is not there": (
        lambda said: said["sources"][ONE]["tables"].append("codes/none"),
        [],
        ["damaged in the store"],
    ),
    "source that is not there": (lambda said: said["sources"].pop(ONE), ["record"], ["not built yet"]),
    "file that is not there": (lambda said: said["files"].pop(TABLE_FILE), [], ["damaged in the store"]),
    "hash of the raw file": (
        lambda said: said["sources"][ONE]["editions"]["2021"].update(sha256="0" * 64),
        [],
        ["files newer than the store: 2021"],
    ),
    "size of the raw file": (
        lambda said: said["sources"][ONE]["editions"]["2021"].update(bytes=1),
        [],
        ["files newer than the store: 2021"],
    ),
    "edition that is not there": (
        lambda said: said["sources"][ONE]["editions"].pop("2021"),
        [],
        ["editions of the catalogue"],
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_manifest_that_lies_is_found_and_repaired(tagged: Folder, producers: Producers, lie: str) -> None:
    """Without a download: the files and their records are there to tell the truth."""
    change, kinds, reasons = LIES[lie]
    truth = tagged.current.manifest
    assert qs.verify(tagged.root).sound
    change_record(tagged, change)
    found = qs.verify(tagged.root)
    if lie == "edition that is not there":  # the catalogue may have one more than the build: no fault of the store
        assert found.sound
    else:
        assert not found.sound
        assert found.problems()["name"].str.contains(ONE).any(), found.problems()
    report = refresh()
    assert [kind for kind, _ in report.warnings] == kinds
    assert outcome(report).reasons == reasons
    assert producers.downloads() == []
    repaired = tagged.current.manifest
    assert repaired["files"] == truth["files"]
    for manifest in (repaired, truth):  # the date of the record in the lock file, where the source was read again
        manifest["sources"][ONE]["editions"]["2021"].pop("retrieved")
    assert repaired["sources"] == truth["sources"]
    assert faults_in_use(tagged) == []
    assert tagged.pair() == BEFORE
    tagged.check()
    assert (again := refresh()).exit_code() == NOTHING
    assert again.warnings == []


def test_failed_assembly_is_tried_again(folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the next refresh, of whatever source, although no file has changed since."""
    producers.edit("insee_cog@2024", ("BEZIERS,Béziers,Béziers", "BEZIERS,Béziers,Béziers-sur-Orb"))

    def name() -> str:
        return str(folder.current.codes("territories").set_index(["level", "code"])["name"]["commune", "34032"])

    def fail(*_: object) -> None:
        raise ValueError("a commune without department")

    with monkeypatch.context() as patch:
        patch.setattr(territories, "assemble", fail)
        for asked in ("insee_cog", ONE):
            report = refresh(asked)
            assert report.exit_code() == FAILED
            problem = outcome(report, "territories").problem
            assert "a commune without department" in problem
            assert "kept: the tables of territories in use" in problem
            assert outcome(report, "territories").kept
    assert name() == "Béziers"
    report = refresh(ONE)
    assert report.exit_code() == CHANGED
    assert outcome(report, "territories").reasons == ["not assembled yet"]
    assert outcome(report, "territories").changes.labels >= 1
    assert name() == "Béziers-sur-Orb"
    folder.check()
    assert refresh(ONE).exit_code() == NOTHING


def test_reader_that_fails_in_its_own_way_stops_its_source_only(
    folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An exception that no list names: of a library, of a bug."""

    class Odd(Exception):
        pass

    genuine = pipeline.read_file

    def read(source: Any, vintage: Any, raw: Any) -> Any:
        if source.id == ONE:
            raise Odd("page 7 of the record")
        return genuine(source, vintage, raw)

    monkeypatch.setattr(pipeline, "read_file", read)
    change_both(producers)
    before = folder.of(ONE, EDITION)
    report = refresh()
    assert report.exit_code() == FAILED
    assert outcome(report).problem.startswith("Odd: page 7 of the record")
    assert "try: look at" in outcome(report).problem
    assert folder.of(ONE, EDITION) == before
    assert folder.pair() == (BEFORE[0], AFTER[1])
    folder.check()


def test_page_that_a_parser_chokes_on_stops_nothing(
    folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Odd(Exception):
        pass

    def parse(*_: object) -> None:
        raise Odd("a comment that never ends")

    monkeypatch.setattr(probing, "parse_page", parse)
    change_both(producers)
    report = refresh(ONE)  # its address is in the catalogue; that of the other one is on a page
    assert report.exit_code() == CHANGED
    assert folder.pair() == (AFTER[0], BEFORE[1])
    (told,) = {text for kind, text in report.warnings if kind == "silent_page" and "8243167" in text}
    assert "Odd: a comment that never ends" in told


def test_page_in_an_encoding_that_nobody_knows(folder: Folder, producers: Producers) -> None:
    producers.headers[producers.page(EDITION)] = {"Content-Type": "text/html; charset=klingon"}
    producers.edit(EDITION, CHANGE)
    report = refresh(ONE)
    assert report.exit_code() == CHANGED
    assert report.warnings == []  # a name that is unknown, or of an encoding that takes for ever, is not followed
    assert outcome(report).probes[0].published is None


@pytest.mark.parametrize("damage", ["gone", "empty", "elsewhere"])
def test_pointer_is_lost(folder: Folder, producers: Producers, damage: str) -> None:
    """A refresh of one source finds the others where they were."""
    tables = folder.current.manifest["files"]
    if damage == "gone":
        folder.pointer.unlink()
    else:
        folder.pointer.write_text({"empty": "", "elsewhere": "20200101T000000000000Z\n"}[damage])
    with pytest.raises(AssertionError, match="read from the snapshot"):
        folder.figures()
    report = refresh(ONE)
    assert report.exit_code() == NOTHING  # nothing new at the producers, and the figures are back
    assert folder.pair() == BEFORE
    assert folder.current.manifest["files"] == tables
    producers.edit(EDITION, CHANGE)
    assert refresh(ONE).exit_code() == CHANGED
    assert folder.pair() == (AFTER[0], BEFORE[1])
    folder.check()


def test_lost_raw_file_is_got_again(folder: Folder, producers: Producers) -> None:
    producers.tagged = True
    refresh()
    folder.raw().unlink()
    folder.raw(OTHER_EDITION).write_bytes(b"damaged")
    producers.asked.clear()
    assert refresh().exit_code() == NOTHING
    assert sorted(producers.downloads()) == sorted([producers.address(EDITION), producers.address(OTHER_EDITION)])
    folder.check()


def test_unreadable_lock_file(folder: Folder, producers: Producers) -> None:
    path = folder.root / LOCK_FILE
    path.write_text("half a li")
    before = folder.tree()
    with pytest.raises(DownloadError, match=r"(?s)cannot be read.*try: restore it"):
        refresh()
    assert folder.tree() == before
    assert producers.asked == []
    path.unlink()
    change_both(producers)
    assert refresh().exit_code() == CHANGED
    assert folder.pair() == AFTER


def test_clock_that_went_back(folder: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new build is still the one in use and the last by name, whatever the clock says."""
    from datetime import datetime

    class Past(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime(2001, 1, 1, tzinfo=tz)

    monkeypatch.setattr(builds, "datetime", Past)
    first = folder.current.path.name
    for number, change in enumerate((CHANGE, ("QN03401M;62", "QN03401M;64"), ("QN03401M;62", "QN03401M;65"))):
        producers.edit(EDITION, change)
        assert refresh(ONE).exit_code() == CHANGED
        assert folder.pair()[0] == 63.0 + number
        assert folder.current.path.name == folder.builds()[-1] > first
    builds.rollback(folder.root)
    assert folder.pair()[0] == 64.0


# --- several at once ---------------------------------------------------------------------------------------------


def test_two_refreshes_at_once(folder: Folder, producers: Producers) -> None:
    asked, answer = threading.Event(), threading.Event()
    good = edited(CHANGE)

    def slow() -> Response:
        asked.set()
        answer.wait(10)
        return Response(good)

    producers.replace(EDITION, slow)
    reports: list[Any] = []
    first = threading.Thread(target=lambda: reports.append(refresh(ONE)))
    first.start()
    assert asked.wait(10)
    try:
        with pytest.raises(StoreError, match=r"Another build or refresh is running .*Wait for it to end"):
            refresh(ONE)
        done = killing.command(folder.root, "refresh", "--source", ONE)
        assert done.returncode == FAILED
        assert "Another build or refresh is running" in done.stderr
    finally:
        answer.set()
        first.join(20)
    assert reports[0].exit_code() == CHANGED
    assert folder.pair()[0] == AFTER[0]
    folder.check()


def test_lock_of_a_killed_process_does_not_block(folder: Folder, producers: Producers) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from qpv_sante import builds\n"
        "with builds.new_build(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, str(folder.root)]
    killed = subprocess.run(command, env=killing.environment(folder.root), check=False)
    assert killed.returncode == -9
    assert folder.strays() != []
    assert folder.pair() == BEFORE
    producers.edit(EDITION, CHANGE)
    assert refresh(ONE).exit_code() == CHANGED
    folder.check()


def test_readers_see_one_build_or_the_other(folder: Folder, producers: Producers) -> None:
    """Threads read and compare while refreshes go back and forth: never a mixture, never an error."""
    old_frames = {name: folder.figures(name)["value"].tolist() for name in (ONE, OTHER)}
    old_rows = qs.compare("poverty_rate", territory="Béziers", geo_vintage=2024, year=2021)["qpv_value"].tolist()
    change_both(producers)
    assert refresh().exit_code() == CHANGED
    new_frames = {name: folder.figures(name)["value"].tolist() for name in (ONE, OTHER)}
    new_rows = qs.compare("poverty_rate", territory="Béziers", geo_vintage=2024, year=2021)["qpv_value"].tolist()
    assert old_rows != new_rows
    stop, seen, wrong, read_more = threading.Event(), [], [], threading.Condition()

    def read() -> None:
        while not stop.is_set():
            try:
                with store.one_build():
                    frames = {}
                    for name in (ONE, OTHER):
                        frames[name] = folder.figures(name)["value"].fillna(-1).tolist()
                        time.sleep(0.1)  # long enough for a swap
                    rows = qs.compare("poverty_rate", territory="Béziers", geo_vintage=2024, year=2021)
                with read_more:
                    seen.append((frames, rows["qpv_value"].tolist()))
                    read_more.notify_all()
            except Exception as error:
                wrong.append(error)
                with read_more:
                    read_more.notify_all()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(2):
        producers.reset()
        if turn % 2:
            change_both(producers)
        assert refresh().exit_code() == CHANGED
        with read_more:  # of these blocks, one at least began after the swap
            wanted = len(seen) + len(readers) + 1
            read_more.wait_for(lambda wanted=wanted: len(seen) >= wanted or wrong)
    stop.set()
    for reader in readers:
        reader.join()

    def plain(frames: dict[str, list[float]]) -> dict[str, list[float]]:
        return {name: pd.Series(values).fillna(-1).tolist() for name, values in frames.items()}

    assert wrong == []
    states = [(plain(old_frames), old_rows), (plain(new_frames), new_rows)]
    found = [states.index(one) for one in seen]  # fails if it is neither
    assert set(found) == {0, 1}


# --- kills -------------------------------------------------------------------------------------------------------

# what leaves something else on the disk; `benchmarks/kills.py` kills at every point
TELLING = ("to_parquet", "replace", "rename", "unlink .parquet")


@pytest.fixture(scope="module")
def killer() -> Iterator[killing.Killer]:
    with killing.Killer() as one:
        yield one


def test_kill_at_every_stage(killer: killing.Killer) -> None:
    """Killed at each write, rename, link or table: the store opens, is of one state, and the next refresh ends it."""
    points = killer.points()
    telling = ((n, stage) for n, stage in enumerate(points, 1) if stage.startswith(TELLING) and "staging" not in stage)
    stages = {stage: number for number, stage in telling}
    assert {"replace CURRENT in processed", "rename folder in builds", "replace .zip in raw"} <= stages.keys()
    results = [killer.kill(point=point) for point in (1, *stages.values(), len(points))]
    assert [one.problem for one in results if one.problem] == []
    assert all(one.killed for one in results)
    assert {one.state for one in results} == {"old", "new"}


def test_kill_at_any_moment(killer: killing.Killer) -> None:
    results = [killer.kill(delay=killer.seconds["refresh"] * share) for share in (0.5, 0.8)]
    assert [one.problem for one in results if one.problem] == []
