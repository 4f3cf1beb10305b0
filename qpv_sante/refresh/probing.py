"""What each producer says now of its files: headers, dataset metadata, landing pages. Nothing is downloaded."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import BoundedSemaphore
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from qpv_sante.catalogue import Source, Vintage
from qpv_sante.errors import DownloadError, Fault
from qpv_sante.lockfile import Lock, LockEntry
from qpv_sante.pages import Page, parse_page, unknown_editions
from qpv_sante.pipeline import request_for
from qpv_sante.refresh.faults import fault_of
from qpv_sante.sessions import PER_HOST
from qpv_sante.style import capitalise
from qpv_sante.transfer import Busy, Gone, Request, Transfer, content_length

if TYPE_CHECKING:
    import requests

LONGEST = 300  # characters of a reason
THREADS = 16  # in all; the session holds back to two per host
_DATASET = re.compile(r"^(/api/(?:explore/v2\.\d|datasets/1\.0)(?:/catalog/datasets)?/)([\w@-]+)(?=/)")

A = TypeVar("A")
B = TypeVar("B")


class State(enum.StrEnum):
    """What became of a file since it was recorded."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"  # same address, other date, tag or length
    MOVED = "moved"  # another address, that the landing page gives
    NEW = "new"  # never downloaded here
    UNKNOWN = "unknown"  # the producer says nothing that can be compared: only the content tells
    MISSING = "missing"  # the address is gone, and the landing page does not lead to another
    UNREACHABLE = "unreachable"  # no answer, or a refusal


@dataclass(frozen=True)
class Probe:
    """What a producer says of one edition.

    Attributes
    ----------
    key : str
        Edition: `source@edition`.
    state : State
    url : str
        Address that was asked.
    detail : str
        What differs, what went wrong, or the former address of a file that moved.
    published : str or None
        Date that the landing page or the dataset's metadata give, as written there.
    seconds : float
        Time that it took.
    fault : Fault or None
        Kind of what went wrong, where something did.
    """

    key: str
    state: State
    url: str
    detail: str = ""
    published: str | None = None
    seconds: float = 0.0
    fault: Fault | None = None


@dataclass(frozen=True)
class Survey:
    """What all producers say.

    Attributes
    ----------
    probes : dict of str to Probe
        By edition.
    unknown_editions : dict of str to str
        Address and description of what landing pages offer and the catalogue does not have.
    silent_pages : dict of str to str
        Landing pages that did not answer, and why: new editions were not looked for there.
    """

    probes: dict[str, Probe]
    unknown_editions: dict[str, str] = field(default_factory=dict)
    silent_pages: dict[str, str] = field(default_factory=dict)


def survey(sources: Sequence[Source], lock: Lock, session: requests.Session) -> Survey:
    """Ask every producer what its files are now, at most two requests at once to one host.

    Parameters
    ----------
    sources : sequence of Source
        Of the catalogue.
    lock : Lock
        What was downloaded before.
    session : requests.Session
        As `new_session` makes them.

    Returns
    -------
    Survey
        A producer that does not answer is a state, not an error.
    """
    editions = [(source, vintage) for source in sources for vintage in source.vintage]
    asking = _Asking(session, lock)
    addresses = dict.fromkeys(_page_of(source, vintage) for source, vintage in editions)
    asking.pages = dict(zip(addresses, _in_parallel(asking.page, addresses), strict=True))
    probes = _in_parallel(lambda edition: asking.probe(*edition), editions)
    found = {probe.key: probe for probe in probes}
    # a page is worth a word only where its producer answers at all
    answered = {urlsplit(p.url).hostname for p in probes if p.state is not State.UNREACHABLE}
    silent = {url: page for url, page in asking.pages.items() if isinstance(page, str)}
    return Survey(
        found,
        _unknown(editions, asking.pages, found),
        {url: why for url, why in silent.items() if urlsplit(url).hostname in answered},
    )


def _in_parallel(function: Callable[[A], B], items: Iterable[A]) -> list[B]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def _page_of(source: Source, vintage: Vintage) -> str:
    """Page that speaks of an edition: its dataset's metadata where the producer's platform has an interface for it."""
    if vintage.url and (dataset := _dataset(vintage.url)):
        return dataset
    return vintage.landing_page or source.landing_page


def _dataset(url: str) -> str | None:
    """Address of the metadata of an Opendatasoft dataset.

    Examples
    --------
    >>> _dataset("https://data.fr/api/explore/v2.1/catalog/datasets/effectifs/exports/csv")
    'https://data.fr/api/explore/v2.1/catalog/datasets/effectifs'
    >>> _dataset("https://data.fr/api/datasets/1.0/enquete-2021/attachments/a_xlsx")
    'https://data.fr/api/explore/v2.1/catalog/datasets/enquete-2021'
    """
    parts = urlsplit(url)
    found = _DATASET.match(parts.path)
    return f"https://{parts.netloc}/api/explore/v2.1/catalog/datasets/{found[2]}" if found else None


class _Asking:
    """The questions to all producers; a host that cannot be connected to, or asks for a long pause, is asked once."""

    def __init__(self, session: requests.Session, lock: Lock) -> None:
        self.session, self.lock = session, lock
        self.pages: dict[str, Page | str] = {}
        self.closed: dict[str, str] = {}  # hosts, and why
        self.faults: dict[str, Fault] = {}  # the same by kind
        self.turns: dict[str, BoundedSemaphore] = {}

    def page(self, url: str) -> Page | str:
        """Read a landing page, or say why it could not be; a dataset's metadata count as a page without links."""
        request = Request(kind="json", landing_page=url, link_pattern=".")
        transfer = Transfer("landing page", request, self.session, progress=False)
        try:
            with self._turn(transfer):
                text, landed = transfer.text(url)
        except Exception as error:  # broad on purpose: a page only helps, its files are asked for all the same
            return _brief(error)
        try:
            if "/api/explore/" not in url:
                return parse_page(text, landed)
            metadata: Any = json.loads(text)["metas"]["default"]
            dates = [_line(metadata[name]) for name in ("data_processed", "modified") if metadata.get(name)]
            return Page(url, _line(metadata.get("title", "")), dates[0] if dates else None, {})
        # Broad on purpose: html.parser has errors of its own on what is malformed (an AssertionError among them), any
        # shape of JSON may come, and a page only helps: its files are asked for all the same.
        except Exception as error:
            return f"not a readable page, nor the metadata of a dataset ({type(error).__name__}: {error})"

    def probe(self, source: Source, vintage: Vintage) -> Probe:
        """Ask about one edition."""
        began = perf_counter()
        key, request = source.key(vintage), request_for(source, vintage)
        page, entry = self.pages[_page_of(source, vintage)], self.lock.get(key)
        published = page.published if isinstance(page, Page) else None
        transfer = Transfer(key, request, self.session, progress=False)

        def told(state: State, detail: str = "", fault: Fault | None = None) -> Probe:
            return Probe(key, state, transfer.address, detail, published, perf_counter() - began, fault)

        try:
            headers = self._headers(transfer, page)
        except Gone as error:
            page_url = vintage.landing_page or source.landing_page
            advice = f"If {page_url} has it, correct its address in the catalogue."
            return told(State.MISSING, f"{_brief(error)}. {advice}", fault_of(error.__cause__ or error))
        # Broad on purpose: a producer that does not answer, however it does it, is a state and not an error
        except Exception as error:
            said = _brief(error)
            fault = self.faults.get(_host_of(transfer), fault_of(error))
            said = said if said in self.closed.values() else f"{said}. Try again later."
            return told(State.UNREACHABLE, said, Fault.SILENT if fault is Fault.OBTAIN else fault)
        if entry is None:
            return told(State.NEW)
        if transfer.address != entry.url:
            return told(State.MOVED, entry.url)
        return told(*compare_headers(headers, entry, published))

    def _headers(self, transfer: Transfer, page: Page | str) -> Any:
        """Headers of a file, at its address or at that of the landing page's link."""
        request = transfer.request
        if request.url:
            try:
                return self._ask(transfer)
            except Gone:
                if not request.link_pattern:
                    raise
        transfer.address = request.landing_page or ""
        if isinstance(page, str):
            raise DownloadError(page if page in self.closed.values() else f"the landing page: {page}")
        try:
            transfer.address = transfer.choose(page.links, request.link_pattern or "")
        except DownloadError as error:  # the link is not there: not a refusal of the server
            raise Gone(str(error)) from error
        return self._ask(transfer)

    def _ask(self, transfer: Transfer) -> Any:
        with self._turn(transfer):
            response, _ = transfer.open(transfer.address, "HEAD")
            with response:
                return response.headers

    @contextmanager
    def _turn(self, transfer: Transfer) -> Iterator[None]:
        """Wait for the host's turn, and leave if others found it closed meanwhile."""
        host = _host_of(transfer)
        with self.turns.setdefault(host, BoundedSemaphore(PER_HOST)):
            if why := self.closed.get(host):
                raise DownloadError(why)
            try:
                yield
            except Busy as error:
                self.closed[host] = f"{_brief(error)}. {_tried(error)}"
                self.faults[host] = fault_of(error)
                raise DownloadError(self.closed[host]) from error
            except OSError as error:
                if said := _no_connection(error):
                    self.closed[host] = f"no connection to {host}: {said}. {_tried(error)}"
                    self.faults[host] = fault_of(error)
                    raise DownloadError(self.closed[host]) from error
                raise


def _host_of(transfer: Transfer) -> str:
    """Host of the address that is asked; the request's own where it is none."""
    try:
        return transfer.asked_host
    except ValueError:
        return urlsplit(transfer.address).netloc


def _no_connection(error: BaseException) -> str:
    """What the network said of a host that cannot be connected to at all; empty for another kind of error."""
    from urllib3 import exceptions

    closed = (exceptions.NewConnectionError, exceptions.ConnectTimeoutError, exceptions.ProxyError, exceptions.SSLError)
    cause = error.__cause__
    reason = getattr(cause.args[0], "reason", None) if cause and cause.args else None
    return " ".join(str(reason).rpartition("): ")[2].split()) if isinstance(reason, closed) else ""


def compare_headers(headers: Any, entry: LockEntry, published: str | None = None) -> tuple[State, str]:
    """Decide from what a server says of a file whether it is the recorded one.

    Parameters
    ----------
    headers : mapping
        Of the answer.
    entry : LockEntry
        What was recorded.
    published : str, optional
        Date that the producer's page gives; decides where the headers say nothing.

    Returns
    -------
    tuple of State and str
        The state, and what differs.

    Examples
    --------
    >>> entry = LockEntry("a/1/a.csv", "https://a.fr/a.csv", "00", 10, '"x"', None, "2026-01-01", "01/01/2026")
    >>> compare_headers({"ETag": '"x"'}, entry)
    (<State.UNCHANGED: 'unchanged'>, '')
    >>> compare_headers({"Content-Length": "12"}, entry)
    (<State.CHANGED: 'changed'>, 'length 10 -> 12 bytes')
    >>> compare_headers({"Content-Length": "10"}, entry)
    (<State.UNKNOWN: 'unknown'>, '')
    >>> compare_headers({}, entry, published="01/01/2026")
    (<State.UNCHANGED: 'unchanged'>, '')
    """
    length = content_length(headers)
    said = [
        ("tag", entry.etag, headers.get("ETag")),
        ("date", entry.last_modified, headers.get("Last-Modified")),
        ("publication", entry.published, published),
    ]
    if length is not None and length != entry.bytes:
        return State.CHANGED, f"length {entry.bytes} -> {length} bytes"
    for what, before, now in said:  # the surest first; what one of the two does not say is not compared
        if before and now:
            same = before.removeprefix("W/") == now.removeprefix("W/")
            return (State.UNCHANGED, "") if same else (State.CHANGED, f"{what} {before} -> {now}")
    return State.UNKNOWN, ""


def _unknown(
    editions: Sequence[tuple[Source, Vintage]], pages: dict[str, Page | str], probes: dict[str, Probe]
) -> dict[str, str]:
    """What landing pages offer and the catalogue does not have, in words."""
    found: dict[str, str] = {}
    known = {probe.url for probe in probes.values()}
    for source, vintage in editions:
        page = pages[_page_of(source, vintage)]
        if isinstance(page, Page):
            for url, name in unknown_editions(page, known | {page.url}).items():
                found.setdefault(_line(url), f"{source.producer}, {source.title}: {_line(name)}")
    pages_known = set(pages)
    return {url: words for url, words in found.items() if url not in pages_known}


def _line(given: object) -> str:
    """What others say, as a line that can be written."""
    return " ".join(str(given).encode("utf-8", "replace").decode("utf-8").split())[:LONGEST]


def _brief(error: BaseException) -> str:
    """What was wrong and what was got, in a line."""
    lines = [line.strip() for line in str(error).splitlines()] or [type(error).__name__]
    problem = re.sub(r"^[\w.@-]+@[\w.-]+: |^landing page: ", "", lines[0])
    got = [line.removeprefix("got: ") for line in lines[1:] if line.startswith("got: ")]
    told = " ".join([problem.rstrip(".") if got else problem, *(f"({one})" for one in got)])
    told = told.encode("utf-8", "backslashreplace").decode("utf-8")
    return told if len(told) <= LONGEST else told[:LONGEST] + "…"


def _tried(error: BaseException) -> str:
    found = [line.strip() for line in str(error).splitlines() if line.strip().startswith("try: ")]
    return f"{capitalise(found[0].removeprefix('try: '))}." if found else ""
