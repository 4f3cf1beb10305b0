"""The downloader against everything that a producer's server, a disk or a killed run can do."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shutil
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from conftest import bodies_in_a_hurry
from qpv_sante import content, download, sessions, transfer
from qpv_sante.download import Action, RawFile, Request, decide, fetch, open_member
from qpv_sante.errors import CatalogueError, DownloadError
from qpv_sante.lockfile import Lock, LockEntry
from qpv_sante.pages import parse_page
from qpv_sante.transfer import local_name

KEY = "insee_filosofi_qpv@2021"
CSV = b"CODGEO;LIBGEO;DISP_TP6021\n" + b"".join(b"QP0590%02d;Lille %d;43,%d\n" % (i, i, i) for i in range(10, 60))


def make_zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


GOOD = make_zip({"dossier/data_QP.csv": CSV, "meta_QP.csv": b"COD_VAR;LIB_VAR\nA;B\n"})


class Place:
    """A data folder, its lock and a request; tells whether anything moved."""

    def __init__(self, root: Path, request: Request) -> None:
        self.raw_dir, self.lock_path, self.request = root / "raw", root / "sources.lock.toml", request
        self.target = self.raw_dir / "insee_filosofi_qpv" / "2021" / "data_QP_csv.zip"

    @property
    def lock(self) -> Lock:
        return Lock.load(self.lock_path)

    def fetch(self, request: Request | None = None, **options: Any) -> RawFile:
        options.setdefault("lock", self.lock)
        return fetch(KEY, request or self.request, raw_dir=self.raw_dir, **options)

    def state(self) -> dict[str, bytes | None]:
        paths = [*self.raw_dir.rglob("*"), self.lock_path]
        return {str(p): p.read_bytes() if p.is_file() else None for p in paths if p.exists()}

    def refused(self, *patterns: str, request: Request | None = None, **options: Any) -> str:
        """The download fails, says why and what stays, and leaves folder and lock as they were."""
        before, lock = self.state(), options.setdefault("lock", self.lock)
        entry = lock.get(KEY)
        options = {"force": True, "accept_changes": True, **options}
        with pytest.raises(DownloadError) as caught:
            self.fetch(request, **options)
        assert self.state() == before
        assert lock.get(KEY) == entry
        message = str(caught.value)
        for pattern in (KEY, "kept: ", "try: ", *patterns):
            assert re.search(pattern, message), message
        return message


@pytest.fixture(autouse=True)
def quiet_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy, mirror or certificate of the machine, and no waiting."""
    import pooch.core

    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "QPV_SANTE_MIRROR"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setattr(sessions, "BACKOFF", 0.005)
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def place(tmp_path: Path, httpserver: HTTPServer) -> Place:
    """A folder with nothing in it yet."""
    url = httpserver.url_for("/fichier/1/data_QP_csv.zip")
    return Place(tmp_path, Request(url=url, kind="zip", members=("data_*.csv",)))


@pytest.fixture
def good(place: Place, httpserver: HTTPServer) -> Place:
    """A folder with the good file, downloaded and recorded."""
    answer = httpserver.expect_oneshot_request("/fichier/1/data_QP_csv.zip")
    answer.respond_with_data(GOOD, headers={"ETag": '"v1"', "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"})
    place.fetch()
    return place


def serve(httpserver: HTTPServer, body: bytes = GOOD, path: str = "/fichier/1/data_QP_csv.zip", **options: Any) -> None:
    httpserver.expect_request(path).respond_with_data(body, **options)


Script = Callable[[socket.socket], None]


@pytest.fixture
def raw_server() -> Iterator[Callable[[Script], str]]:
    """Servers that speak below HTTP; each gives its address and counts its calls in `server.calls`."""
    servers: list[socketserver.ThreadingTCPServer] = []

    def start(script: Script) -> str:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                self.request.recv(65536)
                server.calls += 1  # type: ignore[attr-defined]
                with contextlib.suppress(OSError):  # the client left, as it should
                    script(self.request)

        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.block_on_close = True, False
        server.calls = 0  # type: ignore[attr-defined]
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/fichier/1/data_QP_csv.zip"

    start.servers = servers  # type: ignore[attr-defined]
    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def until_closed(connection: socket.socket) -> None:
    """Say nothing until the client leaves."""
    while connection.recv(4096):
        pass


def head(length: int, extra: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{extra}\r\n".encode()


# ---------------------------------------------------------------- what works


def test_first_download_is_verified_recorded_and_readable(good: Place) -> None:
    raw = good.fetch(offline=True)
    assert raw.path == good.target
    assert raw.path.read_bytes() == GOOD
    assert (raw.key, raw.url, raw.bytes) == (KEY, good.request.url, len(GOOD))
    assert (raw.etag, raw.last_modified) == ('"v1"', "Thu, 01 Jan 2026 00:00:00 GMT")
    assert raw.sha256 == content.sha256_of(raw.path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", raw.retrieved)
    assert stat.S_IMODE(raw.path.stat().st_mode) == 0o644
    assert [p.name for p in raw.path.parent.iterdir()] == ["data_QP_csv.zip"]
    with open_member(raw, "data_*.csv") as stream:
        assert stream.read() == CSV


def test_recorded_file_is_used_without_network(good: Place, httpserver: HTTPServer) -> None:
    calls = len(httpserver.log)
    good.fetch()
    good.fetch(accept_changes=True)
    assert len(httpserver.log) == calls


def test_force_asks_again(good: Place, httpserver: HTTPServer) -> None:
    serve(httpserver, headers={"ETag": '"v2"'})
    assert good.fetch(force=True).etag == '"v2"'
    assert good.lock.get(KEY).etag == '"v2"'  # type: ignore[union-attr]


def test_several_chunks_progress_and_given_session(
    tmp_path: Path, httpserver: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    body = b"code;nom\n" + b"01;Lille\n" * 300_000
    serve(httpserver, body, "/big.csv")
    request = Request(url=httpserver.url_for("/big.csv"), kind="csv")
    with transfer.new_session() as session:
        raw = Place(tmp_path, request).fetch(progress=True, session=session)
    assert raw.path.read_bytes() == body
    assert KEY in capsys.readouterr().err


def test_chunked_answer_without_length(tmp_path: Path, httpserver: HTTPServer) -> None:
    httpserver.expect_request(
        "/api/datasets/depression/exports/csv", query_string="delimiter=%3B"
    ).respond_with_handler(
        lambda request: Response((CSV[i : i + 99] for i in range(0, len(CSV), 99)), content_type="text/csv")
    )
    url = httpserver.url_for("/api/datasets/depression/exports/csv?delimiter=%3B")
    raw = Place(tmp_path, Request(url=url, kind="csv")).fetch()
    assert (raw.path.name, raw.path.read_bytes(), raw.url) == ("depression.csv", CSV, url)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("csv", b"\xef\xbb\xbfcode;valeur\n01;2,5\n"),
        ("csv", "code;libellé\n01;Évry\n".encode("cp1252")),
        ("json", b'[{"a": 1}]\n'),
        ("geojson", b'{"type": "FeatureCollection", "features": []}'),
        ("xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)),
        ("xlsx", make_zip({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<workbook/>"})),
    ],
)
def test_kinds_recognised(tmp_path: Path, httpserver: HTTPServer, kind: str, body: bytes) -> None:
    serve(httpserver, body, "/f")
    raw = Place(tmp_path, Request(url=httpserver.url_for("/f"), kind=kind)).fetch()
    assert raw.path.name == f"f.{kind}"
    with open_member(raw) as stream:
        assert stream.read() == body


# ---------------------------------------------------------------- decisions


def test_decisions() -> None:
    assert decide("a", "a") is Action.USE
    assert decide("a", "a", offline=True, force=True) is Action.USE
    assert decide("a", "a", force=True) is Action.DOWNLOAD_SAME
    assert decide("a", "a", force=True, accept_changes=True) is Action.DOWNLOAD
    assert decide("b", "a") is Action.DOWNLOAD_SAME
    assert decide(None, None) is Action.DOWNLOAD
    for local, locked in (("b", "a"), (None, "a"), ("b", None), (None, None)):
        assert decide(local, locked, offline=True, accept_changes=True, force=True) is Action.UNAVAILABLE


def test_changed_file_is_refused_then_accepted(good: Place, httpserver: HTTPServer) -> None:
    new = make_zip({"data_QP.csv": CSV.replace(b"43,", b"93,")})
    serve(httpserver, new)
    old = good.lock.get(KEY)
    assert old is not None
    good.refused(
        f"changed since {re.escape(old.retrieved)}",
        f"expected: sha256 {old.sha256}",
        "--accept-changes",
        accept_changes=False,
    )
    good.target.unlink()  # absent, but recorded
    message = good.refused("accept_changes=True", accept_changes=False, force=False)
    assert "kept: nothing" in message
    raw = good.fetch(accept_changes=True)
    assert good.target.read_bytes() == new
    assert good.lock.get(KEY).sha256 == raw.sha256 != old.sha256  # type: ignore[union-attr]


@pytest.mark.parametrize("damage", [b"", GOOD[:-7], b"x" * len(GOOD), None])
def test_damaged_or_lost_file_is_downloaded_again(good: Place, httpserver: HTTPServer, damage: bytes | None) -> None:
    serve(httpserver)
    good.target.unlink() if damage is None else good.target.write_bytes(damage)
    good.refused("offline", "sha256", "nothing" if damage is None else "damaged as it was found", offline=True)
    assert good.fetch().path.read_bytes() == GOOD


def test_offline_without_file_or_record(place: Place, good: Place) -> None:
    good.refused("offline", "recorded in the lock file", lock=Lock(None), offline=True)
    shutil.rmtree(good.raw_dir)
    assert "no local file" in good.refused("offline", offline=True)
    assert not good.raw_dir.exists()


def test_address_changed_in_the_catalogue(
    good: Place, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    serve(httpserver, path="/fichier/2/data_v2.zip")
    moved = Request(url=httpserver.url_for("/fichier/2/data_v2.zip"), kind="zip")
    assert good.fetch(moved, offline=True).path == good.target
    assert "address changed" in caplog.text
    raw = good.fetch(moved)  # the content is the recorded one: a move, not a change
    assert (raw.url, raw.path.name) == (moved.url, "data_v2.zip")
    assert not good.target.exists()
    assert good.fetch(moved, offline=True) == raw


# ---------------------------------------------------------------- statuses and connections


@pytest.mark.parametrize("status", [404, 410])
def test_gone_without_landing_page(good: Place, httpserver: HTTPServer, status: int) -> None:
    serve(httpserver, b"gone", status=status)
    good.refused(f"got: status {status}", "no longer answers")


@pytest.mark.parametrize("status", [404, 410])
def test_gone_with_landing_page(
    place: Place, httpserver: HTTPServer, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    serve(httpserver, b"gone", status=status)
    serve(httpserver, b'<a href="/fichier/9/data_QP_v2.zip">', "/statistiques/1", content_type="text/html")
    serve(httpserver, path="/fichier/9/data_QP_v2.zip")
    page = httpserver.url_for("/statistiques/1")
    request = Request(url=place.request.url, landing_page=page, link_pattern=r"data_QP.*\.zip$", kind="zip")
    raw = place.fetch(request)
    assert (raw.url, raw.path.name) == (httpserver.url_for("/fichier/9/data_QP_v2.zip"), "data_QP_v2.zip")
    assert "is gone, using" in caplog.text
    calls = len(httpserver.log)
    assert place.fetch(request) == raw
    assert len(httpserver.log) == calls


def test_gone_and_landing_page_gone_too(good: Place, httpserver: HTTPServer) -> None:
    serve(httpserver, b"", status=404)
    page = httpserver.url_for("/statistiques/1")
    serve(httpserver, b"", "/statistiques/1", status=410)
    request = Request(url=good.request.url, landing_page=page, link_pattern="zip", kind="zip")
    good.refused("status 410", "/statistiques/1", request=request)


def test_busy_then_well(place: Place, httpserver: HTTPServer) -> None:
    path = "/fichier/1/data_QP_csv.zip"
    httpserver.expect_ordered_request(path).respond_with_data(b"", status=429, headers={"Retry-After": "0"})
    for status in (503, 500):
        httpserver.expect_ordered_request(path).respond_with_data(b"", status=status)
    httpserver.expect_ordered_request(path).respond_with_data(GOOD)
    assert place.fetch().path.read_bytes() == GOOD


def test_retry_after_is_obeyed(place: Place, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path, waits = "/fichier/1/data_QP_csv.zip", []
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=waits.append))
    httpserver.expect_ordered_request(path).respond_with_data(b"", status=429, headers={"Retry-After": "17"})
    httpserver.expect_ordered_request(path).respond_with_data(GOOD)
    place.fetch()
    assert waits == [17]


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"Retry-After": "soon"}], ids=str)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_busy_for_ever(good: Place, httpserver: HTTPServer, status: int, headers: dict[str, str]) -> None:
    calls = len(httpserver.log)
    serve(httpserver, b"", status=status, headers=headers)
    good.refused(f"got: status {status}", *headers.values())
    assert len(httpserver.log) - calls == 1 + sessions.RETRIES


@pytest.mark.parametrize("status", [429, 503])
def test_host_that_asks_for_an_hour_is_asked_once(good: Place, httpserver: HTTPServer, status: int) -> None:
    """Neither an hour nor half a minute is waited in vain; its other files are not asked for either."""
    calls = len(httpserver.log)
    serve(httpserver, b"", status=status, headers={"Retry-After": "3600"})
    with sessions.new_session() as session:
        for _ in range(3):
            with pytest.raises(DownloadError, match=r"asks to come back later(?s:.)*Retry-After: 3600, after 0 s"):
                good.fetch(force=True, session=session)
    assert len(httpserver.log) - calls == 1
    assert good.target.read_bytes() == GOOD


def test_waiting_for_one_host_is_bounded_in_all(good: Place, httpserver: HTTPServer, monkeypatch: Any) -> None:
    """Ten seconds each time, for each of its files: what was waited for one counts for the next ones."""
    waits: list[float] = []
    monkeypatch.setattr(sessions, "MAX_WAIT", 75.0)
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=waits.append))
    answers = [("429", "10"), ("200", ""), ("429", "30"), ("200", ""), ("503", "30"), ("503", "30")]

    def answer(request: Any) -> Response:
        status, wait = answers.pop(0)
        return Response(GOOD, int(status), headers={"Retry-After": wait} if wait else {})

    httpserver.clear()
    httpserver.expect_request(re.compile(".*")).respond_with_handler(answer)
    with sessions.new_session() as session:
        good.fetch(force=True, session=session)
        good.fetch(force=True, session=session)
        assert waits == [10, 30]
        with pytest.raises(DownloadError, match=r"status 503 .*Retry-After: 30, after 70 s of waiting"):
            good.fetch(force=True, session=session)
        with pytest.raises(DownloadError, match="none of its files is asked for any more"):
            good.fetch(force=True, session=session)
    assert waits == [10, 30, 30]
    assert answers == []
    assert good.target.read_bytes() == GOOD


@pytest.mark.parametrize("status", [204, 401, 403])
def test_other_statuses_are_not_retried(good: Place, httpserver: HTTPServer, status: int) -> None:
    calls = len(httpserver.log)
    serve(httpserver, b"", status=status)
    good.refused(f"got: status {status}")
    assert len(httpserver.log) - calls == 1


def test_connection_refused(good: Place) -> None:
    with transfer.new_session() as session:  # few: without a network, thirty sources must not take minutes
        assert session.get_adapter("https://a.fr").max_retries.connect == 2  # type: ignore[attr-defined]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/data.zip"
    good.refused("Connection", "HTTPS_PROXY", "offline=True", request=Request(url=url, kind="zip"))


def test_connection_reset(good: Place, raw_server: Any) -> None:
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    good.refused("Connection", "HTTPS_PROXY", request=Request(url=raw_server(reset), kind="zip"))


def test_silent_server(good: Place, raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT", (60.0, 0.05))
    good.refused("[Tt]ime", request=Request(url=raw_server(until_closed), kind="zip"))


def test_certificate_error_is_never_ignored(good: Place, httpserver: HTTPServer) -> None:
    url = httpserver.url_for("/data.zip").replace("http://", "https://")
    good.refused("SSLError", "REQUESTS_CA_BUNDLE", request=Request(url=url, kind="zip"))


def test_wrong_certificate_bundle(good: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    good.refused(
        "/nowhere/bundle.pem", "a file that exists", request=Request(url="https://localhost:9/a.zip", kind="zip")
    )


def test_proxy_of_the_environment_is_used(good: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free.getsockname()[1]}")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    good.refused("ProxyError", "HTTPS_PROXY", request=Request(url="https://producer.invalid/a.zip", kind="zip"))


def test_proxy_is_not_asked_for_a_local_server(place: Place, httpserver: HTTPServer, monkeypatch: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    serve(httpserver)
    assert place.fetch().bytes == len(GOOD)


# ---------------------------------------------------------------- bodies


def test_truncated_body_is_asked_once_more(good: Place, raw_server: Any) -> None:
    url = raw_server(lambda connection: connection.sendall(head(len(GOOD)) + GOOD[: len(GOOD) // 2]))
    good.refused(f"cut after {len(GOOD) // 2} bytes", request=Request(url=url, kind="zip"))
    assert raw_server.servers[0].calls == 2


def test_truncated_then_whole(place: Place, raw_server: Any) -> None:
    bodies = [GOOD[:50], GOOD]
    url = raw_server(lambda connection: connection.sendall(head(len(GOOD)) + bodies.pop(0)))
    assert place.fetch(Request(url=url, kind="zip")).path.read_bytes() == GOOD


def test_truncated_chunked_body(good: Place, raw_server: Any) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(GOOD) + GOOD + b"\r\n"
    url = raw_server(lambda connection: connection.sendall(answer))
    good.refused("the body was cut", request=Request(url=url, kind="zip"))


def test_slow_body(good: Place, raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPEED_WINDOW", 0.3)

    def drip(connection: socket.socket) -> None:
        connection.sendall(head(1_000_000))
        while True:
            connection.sendall(b"PK\x03\x04")
            time.sleep(0.05)

    good.refused("too slow", "at least 1000 bytes a second", request=Request(url=raw_server(drip), kind="zip"))
    assert raw_server.servers[0].calls == 1


def test_body_that_stops(good: Place, raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bodies_in_a_hurry(monkeypatch)

    def stop(connection: socket.socket) -> None:
        connection.sendall(head(1_000_000) + b"PK\x03\x04")
        until_closed(connection)

    good.refused("the body was cut after 4 bytes", request=Request(url=raw_server(stop), kind="zip"))


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large(good: Place, httpserver: HTTPServer, chunked: bool) -> None:
    def answer(request: object) -> Response:
        return Response((bytes(1000) for _ in range(100)) if chunked else bytes(100_000))

    httpserver.expect_request("/large.zip").respond_with_handler(answer)
    request = Request(url=httpserver.url_for("/large.zip"), kind="zip", max_bytes=50_000)
    good.refused("too large", "at most 50000 bytes", request=request)


NOTICE = b"\n<!DOCTYPE html><html><head><title>Maintenance\n en cours</title></head><body></body></html>"


@pytest.mark.parametrize(
    ("kind", "body", "got"),
    [
        ("zip", b"", "empty file"),
        ("csv", b" \r\n", "empty file"),
        ("zip", NOTICE, "HTML page in place of the file: 'Maintenance en cours'"),
        ("csv", NOTICE, "HTML page in place of the file: 'Maintenance en cours'"),
        ("csv", b"<html><body>Maintenance en cours</body></html>", "HTML page.*'Maintenance en cours'"),
        ("json", NOTICE, "HTML page"),
        ("xls", NOTICE, "HTML page"),
        ("csv", b'<?xml version="1.0"?><Error/>', "XML document"),
        ("csv", b'{"error_code": "ODSQLError"}', "JSON document"),
        ("csv", GOOD, "zip archive"),
        ("xls", GOOD, "zip archive"),
        ("zip", CSV, "got: text"),
        ("zip", b"\x1f\x8b\x08" + bytes(50), "gzip"),
        ("zip", b"%PDF-1.7 ", "PDF"),
        *[(kind, bytes(range(256)) * 20, "unrecognised bytes") for kind in content.KINDS],
        ("json", b'{"a": [1, 2', "one that ends in"),
        ("geojson", b'{"total_count": 0}', "without any type"),
        ("geojson", b"a;b\n", "got: text"),
        ("xlsx", GOOD, "members: dossier/data_QP.csv"),
    ],
)
def test_content_of_another_kind(good: Place, httpserver: HTTPServer, kind: str, body: bytes, got: str) -> None:
    serve(httpserver, body)
    good.refused(
        "not what was expected",
        f"expected: .*{kind}|expected: a ",
        got,
        request=Request(url=good.request.url, kind=kind),
    )


def flagged_as_encrypted() -> bytes:
    data = bytearray(make_zip({"data.csv": CSV}))
    data[6] |= 1  # local header
    data[data.index(b"PK\x01\x02") + 8] |= 1  # central directory
    return bytes(data)


def symbolic_link() -> bytes:
    buffer, info = io.BytesIO(), zipfile.ZipInfo("data.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "/etc/passwd")
    return buffer.getvalue()


def duplicate() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("data.csv", CSV)
        archive.writestr("data.csv", b"other")
    return buffer.getvalue()


STORED = make_zip({"data.csv": CSV}, zipfile.ZIP_STORED)
ZIPS = {
    "unexpected member": (lambda: make_zip({"autre.csv": CSV}), "a member 'data\\*.csv'.*\n.*autre.csv"),
    "no member": (lambda: make_zip({}), "a member"),
    "cut": (lambda: GOOD[:-30], "damaged"),
    "wrong checksum": (lambda: STORED.replace(b"Lille 15", b"Lille 16"), "'data.csv' fails its checksum"),
    "broken stream": (lambda: GOOD[:60] + b"\xff" * 40 + GOOD[100:], "damaged|checksum"),
    "bomb": (lambda: make_zip({"data.csv": bytes(20_000_000)}), "zip bomb"),
    "parent folder": (lambda: make_zip({"data.csv": CSV, "../evil.csv": b"x"}), "own folder.*\n.*evil"),
    "absolute": (lambda: make_zip({"data.csv": CSV, "/etc/evil": b"x"}), "own folder.*\n.*evil"),
    "windows": (lambda: make_zip({"data.csv": CSV, "a\\..\\..\\evil": b"x"}), "own folder.*\n.*evil"),
    "drive": (lambda: make_zip({"data.csv": CSV, "C:/evil": b"x"}), "own folder.*\n.*evil"),
    "encrypted": (flagged_as_encrypted, "encrypted member 'data.csv'"),
    "link": (symbolic_link, "symbolic link 'data.csv'"),
    "duplicate": (duplicate, "2 members, 1 names"),
}


@pytest.mark.parametrize("name", ZIPS)
def test_bad_zip(good: Place, httpserver: HTTPServer, name: str, tmp_path: Path) -> None:
    build, got = ZIPS[name]
    request = Request(url=good.request.url, kind="zip", members=("data*.csv",))
    serve(httpserver, build())
    good.refused("not what was expected", got, request=request)


def test_many_members_and_large_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(GOOD)
    for name in ("MAX_MEMBERS", "MAX_UNPACKED"):
        with monkeypatch.context() as patch:
            patch.setattr(content, name, 1)
            with pytest.raises(DownloadError, match="at most 1 "):
                open_member(path, "meta*")


# ---------------------------------------------------------------- hosts, redirections, mirror


def test_redirection_to_the_same_host(place: Place, httpserver: HTTPServer) -> None:
    serve(httpserver, path="/new/place.zip")
    serve(httpserver, b"", status=302, headers={"Location": "/new/place.zip"})
    raw = place.fetch()
    assert (raw.url, raw.path) == (place.request.url, place.target)  # the official address is the one recorded


def test_redirection_to_another_host(good: Place, httpserver: HTTPServer) -> None:
    other = httpserver.url_for("/new.zip").replace("localhost", "127.0.0.1")
    serve(httpserver, b"", status=301, headers={"Location": other})
    serve(httpserver, path="/new.zip")
    good.refused("another host", "expected: localhost", "allowed_hosts")
    # this machine is named with its port, or not at all
    by_name = Request(url=good.request.url, kind="zip", allowed_hosts=("127.0.0.1",))
    good.refused("another host", request=by_name)
    allowed = Request(url=good.request.url, kind="zip", allowed_hosts=(f"127.0.0.1:{httpserver.port}",))
    assert good.fetch(allowed, force=True).bytes == len(GOOD)


UNSAFE = {
    "backslash": "http://127.0.0.1:{port}\\@localhost/x",
    "backslash before the path": "http://localhost:{port}\\.evil.example/x",
    "user": "http://localhost:{port}@127.0.0.1:{port}/x",
    "password": "http://a:b@localhost:{port}/x",
    "empty user": "http://@localhost:{port}/x",
    "another port": "http://localhost:1/x",
    "port of letters": "http://localhost:9x/x",
    "port zero": "http://localhost:0/x",
    "this machine": "http://127.0.0.1:{port}/x",
    "this machine, short": "http://127.1:{port}/x",
    "this machine, one number": "http://2130706433:{port}/x",
    "this machine, by six": "http://[::1]:{port}/x",
    "this machine, mapped": "http://[::ffff:127.0.0.1]:{port}/x",
    "cloud metadata": "http://169.254.169.254/latest",
    "private": "http://10.0.0.1/x",
    "Cyrillic": "http://loc\u0430lhost:{port}/x",
    "full width": "http://\uff4cocalhost:{port}/x",
    "punycode": "http://xn--loclhost-2fg.fr/x",
    "dot of another script": "http://localhost\u3002evil.example/x",
    "space": "http://localhost:{port} .evil.example/x",
    "tab": "http://local\thost:{port}/x",
    "zone": "http://[fe80::1%25eth0]/x",
    "suffix": "http://localhost.evil.example/x",
    "file": "file:///etc/passwd",
    "ftp": "ftp://localhost:{port}/x",
    "no scheme": "//evil.example/x",
    "half an address": "http://[",
}


@pytest.mark.parametrize("name", UNSAFE)
@pytest.mark.parametrize("way", ["redirection", "link"])
def test_address_that_could_be_read_in_two_ways(
    good: Place, httpserver: HTTPServer, raw_server: Any, name: str, way: str
) -> None:
    """What was judged is what is asked: neither a redirection nor a link leads to a place that the record lacks."""
    if way == "redirection":
        given: list[str] = []
        answer = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {}\r\n\r\n"
        url = raw_server(lambda connection: connection.sendall(answer.format(given[0]).encode()))
        url = url.replace("127.0.0.1", "localhost")
        given.append(UNSAFE[name].format(port=url.split(":")[2].split("/")[0]))
        good.refused(request=Request(url=url, kind="zip"))
        # the library itself stumbles over half an address, which is then asked once more; none asks the other place
        assert raw_server.servers[-1].calls == (2 if name == "half an address" else 1)
    else:
        link = UNSAFE[name].format(port=httpserver.port).removesuffix("/x") + "/data_csv.zip"
        page = f'<html><a href="{link}">x</a></html>'
        serve(httpserver, page.encode(), "/page", content_type="text/html; charset=utf-8")
        before = len(httpserver.log)
        good.refused(request=Request(landing_page=httpserver.url_for("/page"), link_pattern="data_csv", kind="zip"))
        assert {call[0].path for call in httpserver.log[before:]} == {"/page"}


def test_public_name_that_leads_to_a_private_network(good: Place, httpserver: HTTPServer, monkeypatch: Any) -> None:
    from urllib3.util import connection

    genuine = connection.create_connection
    monkeypatch.setattr(
        connection,
        "create_connection",
        lambda address, *rest, **more: genuine(("127.0.0.1", address[1]), *rest, **more),
    )
    request = Request(url=f"http://donnees.example.fr:{httpserver.port}/x.zip", kind="zip")
    calls = len(httpserver.log)
    good.refused("private network", "donnees.example.fr is 127.0.0.1 here", request=request)
    assert len(httpserver.log) == calls


@pytest.mark.parametrize("said", ["\u00b2", "9" * 5000, "-1", "1e3", "0x10", "12, 13"])
def test_length_that_is_no_number(good: Place, raw_server: Any, said: str) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: " + said.encode("latin-1") + b"\r\n\r\n" + GOOD
    url = raw_server(lambda connection: connection.sendall(answer))
    good.refused("a length that is none|could not be", request=Request(url=url, kind="zip"))


@pytest.mark.parametrize("said", ["9" * 5000, "\u00b2", "Mon, 99 Foo 2026 99:99:99 GMT", "-5"])
def test_busy_server_that_says_no_time(place: Place, httpserver: HTTPServer, said: str) -> None:
    answers = [Response("", 503, headers={"Retry-After": said}), Response(GOOD)]
    httpserver.expect_request("/fichier/1/data_QP_csv.zip").respond_with_handler(lambda request: answers.pop(0))
    assert place.fetch().bytes == len(GOOD)


# ---------------------------------------------------------------- the time of a host


def drip(*pieces: bytes) -> Script:
    """Send pieces, then one byte now and then until the other side leaves."""

    def send(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
        while True:
            connection.sendall(b"x")
            time.sleep(0.01)

    return send


SLOW = {
    "no answer": lambda connection: connection.recv(1),
    "headers letter by letter": drip(b"HTTP/1.1 200 OK\r\nX-Header: "),
    "status letter by letter": drip(b"HTTP/1.1 200 "),
    "redirection letter by letter": drip(b"HTTP/1.1 302 Found\r\nLocation: http://"),
    "body without end": drip(b"HTTP/1.1 200 OK\r\n\r\nPK\x03\x04"),
    "body of a length": drip(head(10_000_000), b"PK\x03\x04"),
    "size of a chunk letter by letter": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"),
}


@pytest.mark.parametrize("name", SLOW)
def test_host_that_takes_all_the_time_of_a_run(
    good: Place, raw_server: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """However it does it, it is given up for the whole run, and told."""
    monkeypatch.setattr(transfer, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(sessions, "HOST_SECONDS", 0.5)
    url = raw_server(SLOW[name])
    server = raw_server.servers[-1]
    with transfer.new_session() as session:
        good.refused(
            "too slow", "none of its files is asked for any more", request=Request(url=url, kind="zip"), session=session
        )
        calls = server.calls
        message = good.refused("too slow", request=Request(url=url + "?other", kind="zip"), session=session)
        assert server.calls == calls
        assert "no answer after" in message or "all that a run has for one host" in message


def test_time_of_a_host_and_of_a_run() -> None:
    now = [0.0]
    patience = sessions.Patience(clock=lambda: now[0])
    with patience.counted("a.fr"):
        now[0] += 1000
    assert patience.left("a.fr") == sessions.HOST_SECONDS - 1000
    assert patience.left("b.fr") == sessions.HOST_SECONDS
    with patience.counted("a.fr"):
        now[0] += 800
    assert "which is all that a run has for one host" in patience.busy("a.fr")
    assert patience.is_slow("a.fr")
    assert patience.busy("b.fr") == ""
    now[0] = sessions.RUN_SECONDS - 10
    assert patience.left("b.fr") == 10
    now[0] += 10
    assert "all that it has for the producers" in patience.busy("b.fr")
    assert sessions.RUN_SECONDS < 2 * 3600  # a schedule stops a run after two hours: the report is written before


def test_packed_body_is_unpacked_a_little_at_a_time(good: Place, raw_server: Any) -> None:
    """A server that packs what it was asked not to pack does not fill the memory."""
    import gzip
    import tracemalloc

    body = gzip.compress(bytes(400_000_000), 9)
    answer = head(len(body), "Content-Encoding: gzip\r\n") + body
    url = raw_server(lambda connection: connection.sendall(answer))
    tracemalloc.start()
    try:
        good.refused("too large", request=Request(url=url, kind="zip", max_bytes=1_000_000))
        assert tracemalloc.get_traced_memory()[1] < 150_000_000
    finally:
        tracemalloc.stop()


def test_text_of_a_page_is_read_in_a_time_that_grows_with_it() -> None:
    """Five megabytes of each of these took hours; the numbers of steps are those of the text."""
    many = 5_000_000
    one_link = "<a href='/a.zip'>" + "<b>x</b>" * (many // 8)
    page = parse_page(one_link, "https://a.fr/")
    assert page.links["https://a.fr/a.zip"].count("x") == many // 8
    assert parse_page("publi-" * (many // 6), "https://a.fr/").published is None
    assert parse_page("mis-" * (many // 4), "https://a.fr/").published is None


def test_redirection_loop(good: Place, httpserver: HTTPServer) -> None:
    serve(httpserver, b"", status=302, headers={"Location": "/fichier/1/data_QP_csv.zip"})
    good.refused("redirections")


def test_redirection_to_an_unprotected_address(good: Place) -> None:
    class Session:
        def request(self, method: str, url: str, **options: Any) -> Any:
            assert "verify" not in options
            location = {"Location": "http://www.insee.fr/a.zip"}
            return SimpleNamespace(is_redirect=True, headers=location, close=lambda: None)

    request = Request(url="https://www.insee.fr/a.zip", kind="zip")
    good.refused("unprotected", request=request, session=Session())


PAGE = """<html><body><a href="/fichier/5/data_QP_csv.zip#haut">CSV</a> <a href='/fichier/5/data_QP_xlsx.zip'>Excel</a>
<a href="/fichier/5/data_QP_csv.zip">encore</a>
<a href="mailto:a@b.fr">x</a> <a href="http://[">y</a> <a>z</a></body></html>"""


def landing(httpserver: HTTPServer, pattern: str) -> Request:
    serve(httpserver, PAGE.encode(), "/statistiques/5", content_type="text/html")
    return Request(landing_page=httpserver.url_for("/statistiques/5"), link_pattern=pattern, kind="zip")


def test_landing_page_with_one_link(place: Place, httpserver: HTTPServer) -> None:
    serve(httpserver, path="/fichier/5/data_QP_csv.zip")
    raw = place.fetch(landing(httpserver, r"_csv\.zip$"))
    assert raw.url == httpserver.url_for("/fichier/5/data_QP_csv.zip")
    assert place.fetch(landing(httpserver, r"_csv\.zip$"), offline=True) == raw


@pytest.mark.parametrize(("pattern", "count"), [("filo22", "0 of 2"), ("QP", "2 of 2")])
def test_landing_page_with_no_or_several_links(good: Place, httpserver: HTTPServer, pattern: str, count: str) -> None:
    good.refused(count, "data_QP_csv.zip, .*data_QP_xlsx.zip", "link_pattern", request=landing(httpserver, pattern))


def test_landing_page_that_links_to_another_host(good: Place, httpserver: HTTPServer) -> None:
    serve(httpserver, b'<a href="https://static.example.org/a.zip">', "/page")
    request = Request(landing_page=httpserver.url_for("/page"), link_pattern="a.zip", kind="zip")
    good.refused("another host", "the page links to https://static.example.org", request=request)


def test_large_landing_page(good: Place, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_PAGE", 50)
    good.refused("too large", request=landing(httpserver, "csv"))


def test_mirror(place: Place, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPV_SANTE_MIRROR", httpserver.url_for("/pub/"))
    httpserver.expect_request("/pub/www.insee.fr/f.zip", query_string="v=1&w=%20").respond_with_data(GOOD)
    raw = place.fetch(Request(url="https://www.insee.fr/f.zip?v=1&w=%20", kind="zip"))
    assert raw.url == "https://www.insee.fr/f.zip?v=1&w=%20"
    serve(httpserver, PAGE.encode(), "/pub/www.insee.fr/statistiques/5")
    serve(httpserver, path="/pub/www.insee.fr/fichier/5/data_QP_csv.zip", status=302, headers={"Location": "/x/z.zip"})
    moved = {"Location": httpserver.url_for("/pub/www.insee.fr/final.zip")}
    serve(httpserver, path="/pub/www.insee.fr/x/z.zip", status=302, headers=moved)
    serve(httpserver, path="/pub/www.insee.fr/final.zip")
    page = Request(landing_page="https://www.insee.fr/statistiques/5", link_pattern=r"_csv\.zip$", kind="zip")
    assert place.fetch(page, lock=Lock(None)).url == "https://www.insee.fr/fichier/5/data_QP_csv.zip"
    serve(httpserver, b"", "/pub/www.insee.fr/none.zip", status=404)
    place.refused(
        "status 404", "www.insee.fr/none.zip .*mirror", request=Request(url="https://www.insee.fr/none.zip", kind="zip")
    )
    monkeypatch.setenv("QPV_SANTE_MIRROR", "http://127.0.0.1:9")
    place.refused("check that the mirror", request=Request(url="https://www.insee.fr/f.zip", kind="zip"))


# ---------------------------------------------------------------- disks and kills


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "writable data folder")],
)
@pytest.mark.parametrize("step", ["lock", "file", "staging", "folder"])
def test_disk_refuses(
    good: Place, httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch, code: int, advice: str, step: str
) -> None:
    """Root ignores permissions, so the refusal is simulated where the system would give it."""
    serve(httpserver, make_zip({"data_new.csv": CSV}))
    real = os.replace

    def refuse(*args: Any, **options: Any) -> None:
        raise OSError(code, os.strerror(code))

    def replace(source: Any, target: Any, **options: Any) -> None:
        if (Path(target).name == "sources.lock.toml") == (step == "lock"):
            refuse()
        real(source, target, **options)

    if step in {"lock", "file"}:
        monkeypatch.setattr(os, "replace", replace)
    elif step == "staging":
        monkeypatch.setattr(download.tempfile, "TemporaryDirectory", refuse)
    else:
        monkeypatch.setattr(os, "mkdir", refuse)
    good.refused(advice, "QPV_SANTE_DATA", request=Request(url=good.request.url, kind="zip"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root ignores permissions; simulated by test_disk_refuses")
def test_read_only_folder(good: Place) -> None:
    good.target.parent.chmod(0o555)
    try:
        good.refused("read-only")
    finally:
        good.target.parent.chmod(0o755)


def test_full_disk_while_writing(good: Place, raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.FileIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    real = Path.open

    def open_(self: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        return Full(self, "w") if mode == "wb" else real(self, mode, *args, **options)

    url = raw_server(lambda connection: connection.sendall(head(len(GOOD)) + GOOD))
    monkeypatch.setattr(Path, "open", open_)
    good.refused("disk is full", request=Request(url=url, kind="zip"))


def test_interruption_leaves_nothing(good: Place, raw_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    before = good.state()
    url = raw_server(lambda connection: connection.sendall(head(len(GOOD)) + GOOD))

    def interrupt(*args: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "content_problem", interrupt)
    with pytest.raises(KeyboardInterrupt):
        good.fetch(Request(url=url, kind="zip"), force=True)
    assert good.state() == before


def test_kill_leaves_a_stray_folder_that_is_cleaned_later(good: Place, raw_server: Any, httpserver: HTTPServer) -> None:
    def hang(connection: socket.socket) -> None:
        connection.sendall(head(1_000_000) + b"PK\x03\x04")
        until_closed(connection)

    before = good.state()
    code = (
        "import sys; from qpv_sante.download import *; from qpv_sante.lockfile import Lock\n"
        "key, url, raw, lock = sys.argv[1:]\n"
        "fetch(key, Request(url=url, kind='zip'), raw_dir=raw, lock=Lock.load(lock), force=True)"
    )
    command = [sys.executable, "-c", code, KEY, raw_server(hang), str(good.raw_dir), str(good.lock_path)]
    process = subprocess.Popen(command)
    while not (strays := list(good.target.parent.glob(".download-*/*"))) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert strays
    stray = strays[0].parent
    assert {path: data for path, data in good.state().items() if str(stray) not in path} == before

    serve(httpserver)
    good.fetch(force=True)
    assert stray.exists()  # it might be another run at work
    old = time.time() - 2 * download.STALE_AFTER
    for path in (*stray.iterdir(), stray):
        os.utime(path, (old, old))
    good.fetch(force=True)
    assert [path.name for path in good.target.parent.iterdir()] == [good.target.name]


def test_kill_between_lock_and_file(good: Place, httpserver: HTTPServer) -> None:
    """The lock is written first: the next run takes the recorded file again, and needs no one's consent."""
    new = make_zip({"data_new.csv": CSV})
    serve(httpserver, new)
    good.fetch(force=True, accept_changes=True)
    good.target.write_bytes(GOOD)  # as if killed before the swap
    assert good.fetch(Request(url=good.request.url, kind="zip")).path.read_bytes() == new


# ---------------------------------------------------------------- members, names, records


def test_members(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(make_zip({"D/data_QP.csv": CSV, "D/META_qp.csv": b"m", "__MACOSX/D/._data_QP.csv": b"junk"}))
    for name in ("D/data_QP.csv", "data_qp.CSV", "data_*.csv", "*/data_*"):
        with open_member(path, name) as stream:
            assert stream.read() == CSV
    with pytest.raises(
        DownloadError, match=r"one member matching '\*\.csv'\s+got: 2; members: D/data_QP.csv, D/META_qp.csv"
    ):
        open_member(path, "*.csv")
    with pytest.raises(DownloadError, match=r"got: 0; members: D/data_QP\.csv"):
        open_member(path, "autre.csv")
    with pytest.raises(DownloadError, match="a single member"):
        open_member(path)
    path.write_bytes(make_zip({"data.csv": CSV}))
    with open_member(path) as stream:
        assert stream.read() == CSV
    path.write_bytes(CSV)
    with open_member(path) as stream:
        assert stream.read() == CSV
    for bad in (path, tmp_path / "absent.zip"):
        with pytest.raises(DownloadError, match="cannot be opened"):
            open_member(bad, "data.csv")
    for name, (build, _) in ZIPS.items():
        path.write_bytes(build())
        if name in {"bomb", "parent folder", "absolute", "windows", "drive", "encrypted", "link", "duplicate", "cut"}:
            with pytest.raises(DownloadError):
                open_member(path, "data.csv")


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("https://a.fr/x/FILE.ZIP", "zip", "FILE.ZIP"),
        ("https://a.fr/x/..%2f..%2fetc%2fpasswd", "csv", "_.._etc_passwd.csv"),
        ("https://a.fr/datasets/vqs/attachments/er1243_xlsx", "xlsx", "er1243_xlsx.xlsx"),
        ("https://a.fr/datasets/effectifs/records", "json", "effectifs.json"),
        ("https://a.fr/", "json", "file.json"),
    ],
)
def test_local_name(url: str, kind: str, name: str) -> None:
    assert local_name(url, kind) == name


def test_links_ignore_what_is_not_a_web_link() -> None:
    assert list(parse_page(PAGE, "https://www.insee.fr/fr/1").links) == [
        "https://www.insee.fr/fichier/5/data_QP_csv.zip",
        "https://www.insee.fr/fichier/5/data_QP_xlsx.zip",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "https://a.fr/a.zip", "kind": "rar"},
        {"kind": "zip"},
        {"kind": "zip", "landing_page": "https://a.fr/1"},
        {"kind": "zip", "url": "https://a.fr/a.zip", "link_pattern": "a"},
        {"kind": "zip", "landing_page": "https://a.fr/1", "link_pattern": "("},
        {"kind": "zip", "url": "file:///etc/passwd"},
    ],
)
def test_request_that_leads_nowhere(fields: dict[str, str]) -> None:
    with pytest.raises(CatalogueError):
        Request(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["insee", "../x@2021", "a@../b", "a@b/c", "a@b@c", "@2021"])
def test_bad_key(place: Place, key: str) -> None:
    with pytest.raises(CatalogueError, match="vintage key"):
        fetch(key, place.request, raw_dir=place.raw_dir, lock=Lock(None))


ENTRY = LockEntry("a/2021/é.csv", "https://a.fr/é.csv", "0" * 64, 12, None, '"x"', "2026-01-01T00:00:00+00:00")


def test_lock_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "sources.lock.toml"
    lock = Lock.load(path)
    for key in ("b@2", "a@10", "a@2"):
        lock.record(key, ENTRY)
    assert not path.exists()
    lock.save()
    text = path.read_text(encoding="utf-8")
    assert lock.keys() == Lock.load(path).keys() == ["a@10", "a@2", "b@2"]
    assert Lock.load(path).get("b@2") == ENTRY
    assert re.findall(r"^\[.*\]$", text, re.M) == ['["a@10"]', '["a@2"]', '["b@2"]']
    Lock.load(path).save()
    assert path.read_text(encoding="utf-8") == text
    copy = lock.copy()
    copy.record("a@2", None)
    copy.save()
    assert lock.get("a@2") == ENTRY
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "a = 1",
        "\udcff",
        '["a@1"]\nfile = "x"\n',
        '["a@1"]\nfile="../../x"\nurl="u"\nsha256="s"\nbytes=1\nretrieved="r"\n',
        '["a@1"]\nfile="x"\nurl="u"\nsha256="s"\nbytes="1"\nretrieved="r"\n',
        '["a@1"]\nfile="x"\nurl="u"\nsha256="s"\nbytes=1\nretrieved="r"\nsurprise=1\n',
    ],
)
def test_damaged_lock(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.lock.toml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(DownloadError, match="lock file of the sources cannot be read"):
        Lock.load(path)


def test_module_is_light() -> None:
    heavy = "('requests', 'pooch', 'tqdm')"
    code = f"import sys, qpv_sante.download; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# ---------------------------------------------------------------- the mirror of the producers' files

SHARED = Path(__file__).parents[2] / "shared" / "mirror" / "serve.py"
needs_mirror = pytest.mark.skipif(not SHARED.exists(), reason="the mirror ../shared/mirror is absent")
FILO = Request(
    url="https://www.insee.fr/fr/statistiques/fichier/8243026/revenus_pauvrete_2021_qp15_csv.zip",
    landing_page="https://www.insee.fr/fr/statistiques/8243026",
    link_pattern=r"qp15_csv\.zip$",
    kind="zip",
    members=("data_*_QP.csv", "meta_*_QP.csv"),
)


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    processes: list[subprocess.Popen[str]] = []

    def start(*faults: str) -> None:
        command = [sys.executable, str(SHARED), *(word for fault in faults for word in ("--fault", fault))]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stdout = processes[-1].stdout
        assert stdout is not None
        monkeypatch.setenv("QPV_SANTE_MIRROR", stdout.readline().strip())

    yield start
    for process in processes:
        process.terminate()
        process.communicate()


@pytest.mark.mirror
@needs_mirror
def test_mirror_real_addresses(tmp_path: Path, mirror: Any, caplog: pytest.LogCaptureFixture) -> None:
    mirror(r"insee\.fr/.*/fichier/.*=503:2")
    place = Place(tmp_path, FILO)
    raw = place.fetch()
    assert (raw.url, raw.path.name) == (FILO.url, "revenus_pauvrete_2021_qp15_csv.zip")
    assert raw.etag and raw.last_modified
    with open_member(raw, "data_*_QP.csv") as stream:
        assert b"DISP_TP60" in stream.readline()

    page = Request(
        landing_page="https://www.insee.fr/fr/statistiques/5019568", link_pattern=r"filo18_qp.*\.zip$", kind="zip"
    )
    options: dict[str, Any] = {"raw_dir": place.raw_dir, "lock": place.lock}
    assert fetch("insee_filosofi_qpv@2018", page, **options).url.endswith("/data_filo18_qp_revdis_csv.zip")

    moved = Request(
        url="https://www.insee.fr/fr/statistiques/fichier/1/moved.zip",
        landing_page=FILO.landing_page,
        link_pattern=FILO.link_pattern,
        kind="zip",
    )
    assert fetch("insee_moved@2021", moved, **options).sha256 == raw.sha256
    assert "is gone, using" in caplog.text

    export = "https://odisse.santepubliquefrance.fr/api/explore/v2.1/catalog/datasets/"
    export += "episodes-depressif-indicateurs-du-barometre-2024/exports/csv?delimiter=%3B"
    csv = fetch("spf_depression@2024", Request(url=export, kind="csv"), **options)
    assert csv.path.name == "episodes-depressif-indicateurs-du-barometre-2024.csv"
    assert csv.path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert len(Lock.load(place.lock_path).keys()) == 4 == len(options["lock"].keys())


@pytest.mark.mirror
@needs_mirror
def test_mirror_faults_keep_the_good_file(tmp_path: Path, mirror: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "SPEED_WINDOW", 0.5)
    monkeypatch.setattr(transfer, "MIN_SPEED", 100.0)  # the mirror is slow at 64 bytes a second
    place = Place(tmp_path, FILO)
    mirror()
    place.fetch()
    for fault, got in {
        "404": "status 404",
        "410": "status 410",
        "429": "status 429",
        "503": "status 503",
        "truncate": "cut after",
        "drop": "Connection",
        "html": "HTML page in place of the file: 'Maintenance en cours'",
        "garbage": "unrecognised bytes",
        "slow": "too slow",
    }.items():
        mirror(f"8243026/.*={fault}")
        place.refused(got, "mirror")
    mirror("8243026/.*=changed")
    place.refused("changed since", accept_changes=False)
    place.fetch(force=True, accept_changes=True)
