"""Producers that answer from this machine, and stores built from them."""

from __future__ import annotations

import hashlib
import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import producers as miniature
import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from qpv_sante import pipeline, store, transfer
from qpv_sante.catalogue import catalogue
from qpv_sante.refresh import before

MIRROR = Path(__file__).resolve().parents[2] / "shared" / "mirror"

Answer = bytes | int | Callable[[], Response]


def bodies_in_a_hurry(monkeypatch: pytest.MonkeyPatch, of: str = "", *, silence: float = 0.05) -> None:
    """Give up soon on a body that goes silent, at the addresses that hold `of`; heads take the time that they need."""
    genuine = transfer.Transfer.chunks

    def chunks(self: transfer.Transfer, response: Any, limit: int) -> Iterator[bytes]:
        if of in response.url:
            response.raw._fp.fp.raw._sock.settimeout(silence)
        yield from genuine(self, response, limit)

    monkeypatch.setattr(transfer.Transfer, "chunks", chunks)


def place_of(url: str) -> str:
    """HOST/PATH of an address: how a mirror names it."""
    parts = urlsplit(url)
    return parts.netloc + parts.path


class Producers:
    """Answers to every address of the catalogue, in the way of a mirror: `MIRROR/HOST/PATH`.

    A file is named by its edition (`insee_cog@2024`); what a test changes lasts for that test. Where `tagged`, files
    come with an `ETag` that follows from their content; `headers` adds what a test wants an address to say.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.asked: list[tuple[str, str]] = []  # method and place
        self.answers: dict[str, Answer] = {}
        self.headers: dict[str, dict[str, str]] = {}
        self.tagged = False
        self._good: dict[str, Answer] = {}
        self.request: Request | None = None  # the one being answered, for answers that are functions
        self.reset()

    def reset(self) -> None:
        """Every address gives its good file again."""
        self.calls.clear()
        self.asked.clear()
        self.headers.clear()
        self.tagged = False
        if not self._good:
            self._good = {self.address(key): content for key, content in miniature.contents().items()}
            for page in {self.page(key) for key in miniature.EDITIONS}:
                self._good[page] = _landing_page(self._links(page))
        self.answers = dict(self._good)

    def _links(self, page: str) -> list[str]:
        """Files that a landing page links to."""
        return [
            self.address(key) for key in miniature.EDITIONS if self.page(key) == page and _edition(key)[1].link_pattern
        ]

    def downloads(self) -> list[str]:
        """Places of the files that were asked for whole, in order; landing pages and headers do not count."""
        pages = {self.page(key) for key in miniature.EDITIONS}
        return [place for method, place in self.asked if method == "GET" and place not in pages]

    def page_says(
        self, key: str, *, title: str = "Données", published: str | None = None, links: Mapping[str, str] | None = None
    ) -> None:
        """Give the landing page of an edition a title, a date, and links (address to words) besides its files."""
        page = self.page(key)
        self.answers[page] = _landing_page(self._links(page), title=title, published=published, links=links or {})

    def metadata(self, url: str, **default: object) -> None:
        """Answer for a dataset of an Opendatasoft platform what its interface says of it."""
        self.answers[place_of(url)] = json.dumps({"metas": {"default": default}}).encode()

    def address(self, key: str) -> str:
        """HOST/PATH of an edition's file."""
        source, vintage = _edition(key)
        if vintage.url:
            return place_of(vintage.url)
        page = vintage.landing_page or source.landing_page
        return f"{urlsplit(page).netloc}/fr/statistiques/fichier/{page.rpartition('/')[2]}/{miniature.EDITIONS[key][0]}"

    def page(self, key: str) -> str:
        """HOST/PATH of an edition's landing page."""
        source, vintage = _edition(key)
        return place_of(vintage.landing_page or source.landing_page).strip("/")

    def replace(self, key: str, answer: Answer) -> None:
        """Answer something else: bytes, a status, or a function that makes a response."""
        self.answers[self.address(key)] = answer

    def drop(self, key: str) -> None:
        """Answer 404 for the file; its landing page still links to it."""
        self.replace(key, 404)

    def edit(self, key: str, *changes: tuple[str, str], member: str | None = None) -> None:
        """Replace pieces of text in an edition's CSV or GeoJSON, or in that of its zip; each must be there."""
        content = miniature.contents()[key]
        if not content.startswith(b"PK"):
            self.replace(key, _edited(content, changes))
            return
        members = miniature.members_of(content)
        name = member or next(iter(members))
        self.replace(key, miniature.archive({**members, name: _edited(members[name], changes)}))

    def truncate(self, key: str) -> None:
        """Announce the whole file and send half of it."""
        content = miniature.contents()[key]

        def cut() -> Response:
            response = Response(content[: len(content) // 2], content_type="application/zip")
            response.automatically_set_content_length = False
            response.headers["Content-Length"] = str(len(content))
            return response

        self.replace(key, cut)

    def __call__(self, request: Request) -> Response:
        """Answer a request, and remember it."""
        place, self.request = request.path.strip("/"), request
        self.calls.append(place)
        self.asked.append((request.method, place))
        answer = self.answers.get(place, 404)
        if isinstance(answer, int):
            response = Response("no such page", status=answer, content_type="text/plain")
        elif isinstance(answer, bytes):
            kind = "text/html; charset=utf-8" if answer.startswith(b"<!DOCTYPE") else "application/octet-stream"
            response = Response(answer, content_type=kind)
            if self.tagged and not answer.startswith(b"<!DOCTYPE"):
                response.headers["ETag"] = f'"{hashlib.sha256(answer).hexdigest()[:16]}"'
        else:
            response = answer()
        for name, text in self.headers.get(place, {}).items():
            response.headers[name] = text
        return response


def _edition(key: str):  # type: ignore[no-untyped-def]
    name, _, edition = key.partition("@")
    source = catalogue().source(name)
    return source, source.get_vintage(edition)


def _landing_page(
    files: list[str], *, title: str = "Données", published: str | None = None, links: Mapping[str, str] | None = None
) -> bytes:
    words = {"/" + file.partition("/")[2]: "csv" for file in files} | dict(links or {})
    listed = "".join(f'<li><a href="{html.escape(url)}">{html.escape(word)}</a></li>' for url, word in words.items())
    notice = '<a href="/fr/statistiques/fichier/1/a-lire.pdf">Notice</a><a href="/fr/accueil">Accueil</a>'
    date = f"<p>Paru le : {published}</p>" if published else ""
    return (
        f"<!DOCTYPE html><html><head><title>{html.escape(title)}</title></head>"
        f"<body>{date}{notice}<ul>{listed}</ul></body></html>"
    ).encode()


def _edited(content: bytes, changes: tuple[tuple[str, str], ...]) -> bytes:
    text = content.decode("utf-8")
    for old, new in changes:
        assert old in text, f"{old!r} is not in the file"
        text = text.replace(old, new)
    return text.encode("utf-8")


@pytest.fixture(scope="session", autouse=True)
def _nothing_embedded() -> Iterator[None]:
    """The miniature is not what the embedded snapshot was made of: a first build of it is not held against that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(before, "embedded", lambda: None)
        yield


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[str, Producers]]:
    answers = Producers()
    with HTTPServer() as server:
        server.expect_request(re.compile(".*")).respond_with_handler(answers)
        yield server.url_for("").rstrip("/"), answers


@pytest.fixture(scope="session")
def built_data(_server: tuple[str, Producers], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder with every source of the miniature built, for reading only."""
    folder = tmp_path_factory.mktemp("built")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QPV_SANTE_MIRROR", _server[0])
        report = pipeline.build(miniature.SOURCES, root=folder)
    assert report.failures == {}
    return folder


@pytest.fixture
def built(built_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The miniature, built, as the data folder."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(built_data))
    return built_data


@pytest.fixture
def producers(_server: tuple[str, Producers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Producers]:
    """Producers that a test may break, and an empty data folder of its own."""
    url, answers = _server
    answers.reset()
    monkeypatch.setenv("QPV_SANTE_MIRROR", url)
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    yield answers
    answers.reset()


@pytest.fixture
def workspace(built_data: Path, producers: Producers, tmp_path: Path) -> Path:
    """The miniature, built, in a data folder that the test may change, with producers to break."""
    folder = tmp_path / "data"
    shutil.copytree(built_data, folder)
    return folder


@pytest.fixture(scope="session")
def mirror() -> Iterator[str]:
    """Address of the mirror of the producers' real files."""
    if not (MIRROR / "serve.py").is_file():
        pytest.skip(f"the mirror of the producers' files is not beside the repository ({MIRROR.parent.name}/mirror)")
    process = subprocess.Popen([sys.executable, str(MIRROR / "serve.py")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def one_build() -> Iterator[None]:
    """Read each table once for all the tests of a module: for those that write no data."""
    with store.one_build():
        yield
