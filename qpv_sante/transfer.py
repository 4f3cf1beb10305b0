"""How bytes come: the request, its exchange with the producer's server or a mirror, within limits.

``QPV_SANTE_MIRROR`` names a mirror that answers ``MIRROR/HOST/PATH`` in place of ``https://HOST/PATH``; proxies and
certificates are those of the ``requests`` environment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import logging
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, cast
from urllib.parse import unquote, urljoin, urlsplit

from qpv_sante import addresses
from qpv_sante.content import KINDS
from qpv_sante.errors import CatalogueError, DownloadError, Fault
from qpv_sante.pages import parse_page
from qpv_sante.sessions import Late, PrivatePlace, Watch, new_session, patience_of, retry_after, status

if TYPE_CHECKING:
    import requests

log = logging.getLogger(__name__)

TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds of silence
ANSWER_SECONDS = 90.0  # until the headers of an answer are there, new attempts included
MIN_SPEED, SPEED_WINDOW = 1000.0, 30.0  # bytes a second, measured over so many seconds
CHUNK = 1 << 16  # small: what a server sends packed in spite of being asked not to may unpack to a thousand times more
MAX_REDIRECTS = 5
_NO_HEAD = {400, 403, 405, 501}  # answers of servers that refuse to be asked for the headers alone
MAX_PAGE = 5_000_000  # bytes of a landing page
# of pages: others are read as UTF-8, some of them in a time that grows with the square of the text
_ENCODINGS = {"utf-8", "utf8", "iso-8859-1", "iso-8859-15", "latin-1", "latin1", "windows-1252", "cp1252", "us-ascii"}
_GENERIC = {"exports", "export", "records", "attachments", "download", "file", *KINDS}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    r"""Where a vintage's file is, and what it must look like.

    Attributes
    ----------
    kind : {"zip", "xlsx", "xls", "csv", "json", "geojson"}
        Form of the file, checked against its content.
    url : str, optional
        Official address of the file.
    landing_page, link_pattern : str, optional
        Page that links to the file, and regular expression searched in the path of its links: the way to the file
        when `url` is not known, the fallback when `url` answers 404 or 410.
    members : tuple of str
        Names or ``fnmatch`` patterns that a zip must contain (case and folder do not count).
    max_bytes : int
        Largest file accepted.
    allowed_hosts : tuple of str
        Hosts accepted besides those of `url` and `landing_page` (``static.data.gouv.fr`` is not ``www.data.gouv.fr``).

    Raises
    ------
    CatalogueError
        If there is no way to the file, or `kind` or `link_pattern` is not valid.

    Examples
    --------
    >>> sorted(Request(url="https://www.insee.fr/a.zip", kind="zip", allowed_hosts=("static.insee.fr",)).hosts)
    ['static.insee.fr', 'www.insee.fr']
    """

    kind: str
    url: str | None = None
    landing_page: str | None = None
    link_pattern: str | None = None
    members: tuple[str, ...] = ()
    max_bytes: int = 200_000_000
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a record that leads nowhere."""
        if self.kind not in KINDS:
            raise CatalogueError(f"Unknown kind of file {self.kind!r}. Valid: {', '.join(KINDS)}.")
        if bool(self.landing_page) != bool(self.link_pattern) or not (self.url or self.landing_page):
            raise CatalogueError(f"Give 'url', or 'landing_page' with 'link_pattern', or all three: {self}.")
        for url in filter(None, (self.url, self.landing_page)):
            try:
                addresses.parse(url)
            except addresses.UnsafeAddress as error:
                raise CatalogueError(f"Not a web address: {url!r} ({error}).") from error
        try:
            re.compile(self.link_pattern or "")
        except re.error as error:
            raise CatalogueError(f"Link pattern {self.link_pattern!r} is not a regular expression: {error}.") from error

    @property
    def places(self) -> frozenset[str]:
        """Hosts that may be asked, each with its port where it is not the usual one."""
        own = (addresses.parse(url).place for url in (self.url, self.landing_page) if url)
        return frozenset((*own, *(host.lower() for host in self.allowed_hosts)))

    @property
    def named(self) -> frozenset[str]:
        """Places of this machine or of a private network that may be asked: the record's own, and those with a port."""
        own = (addresses.parse(url).place for url in (self.url, self.landing_page) if url)
        return frozenset((*own, *(host.lower() for host in self.allowed_hosts if ":" in host)))

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts that may be asked."""
        own = (urlsplit(url).hostname for url in (self.url, self.landing_page) if url)
        return frozenset(host.lower() for host in (*own, *self.allowed_hosts) if host)

    def leads_to(self, url: str) -> bool:
        """Whether `url` is the official address, or a link that the landing page may give."""
        return url == self.url or bool(self.link_pattern and re.search(self.link_pattern, _path(url)))


class Gone(DownloadError):
    """The address answers 404 or 410: the landing page may know better."""

    fault = Fault.GONE


class Busy(DownloadError):
    """The host asks to come back later than it is waited for: none of its files is to be asked for."""

    fault = Fault.REFUSED


class Spent(Busy):
    """The host has taken all the time that a run has for it: none of its files is to be asked for."""

    fault = Fault.SLOW


class Transfer:
    """One exchange with a producer; also the downloader that pooch calls, `transfer(url, file, pooch)`."""

    def __init__(self, key: str, request: Request, session: requests.Session | None, progress: bool) -> None:
        self.key, self.request, self.session, self.progress = key, request, session, progress
        self.kept = ""
        self.address = request.url or request.landing_page or ""
        self.sha256, self.size = "", 0
        self.headers: Any = {}
        self.watch: Watch | None = None

    def fail(
        self,
        problem: str,
        *,
        expected: str = "",
        got: str = "",
        hint: str = "",
        kind: type[DownloadError] = DownloadError,
        fault: Fault | None = None,
        cause: BaseException | None = None,
    ) -> NoReturn:
        """Raise the error, with what was expected, got and kept, and what to try."""
        hint = (
            hint or f"look at {self.request.landing_page or self.address}; earlier data stay usable with offline=True"
        )
        parts = {"address": self.address, "expected": expected, "got": got, "kept": self.kept, "try": hint}
        if mirror := _mirror():
            parts["address"] += f" (asked of the mirror {urlsplit(mirror).hostname}, QPV_SANTE_MIRROR)"
        error = kind("\n  ".join([f"{self.key}: {problem}.", *(f"{k}: {v}" for k, v in parts.items() if v)]))
        error.fault = fault or error.fault
        raise error from cause

    def obtain(self, staging: Path) -> Path:
        """Download to the staging folder, from the official address or else from the landing page's link."""
        with new_session() if self.session is None else contextlib.nullcontext(self.session) as self.session:
            if not self.request.url:
                self.address = self.link()
                return self.retrieve(staging)
            try:
                return self.retrieve(staging)
            except Gone as gone:
                if not self.request.landing_page:
                    raise
                try:
                    self.address = self.link()
                except DownloadError as error:
                    raise error from gone
                log.warning("%s: %s is gone, using %s instead", self.key, self.request.url, self.address)
                return self.retrieve(staging)

    def retrieve(self, staging: Path) -> Path:
        """Download the current address to the staging folder, through pooch."""
        import pooch

        name = local_name(self.address, self.request.kind)
        # No hash for pooch: a changed file would be downloaded twice, and the error could not say what was got.
        # It retries a body that was cut; statuses and refused connections are retried by the session.
        known: dict[str, Any] = {"registry": {name: None}, "urls": {name: self.address}, "retry_if_failed": 1}
        logger = pooch.get_logger()
        level = logger.level
        logger.setLevel(max(level, logging.WARNING))  # our own messages name the source
        try:
            return Path(pooch.create(path=staging, base_url="", **known).fetch(name, downloader=self))
        finally:
            logger.setLevel(level)

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Write the body of an address to a file, hashed and measured on the way."""
        digest, size = hashlib.sha256(), 0
        response, _ = self.open(url)
        with response, Path(output_file).open("wb") as stream, self.bar(response) as bar:
            for chunk in self.chunks(response, self.request.max_bytes):
                stream.write(chunk)
                digest.update(chunk)
                size += len(chunk)
                if bar is not None:
                    bar.update(len(chunk))
        self.sha256, self.size, self.headers = digest.hexdigest(), size, response.headers

    def bar(self, response: requests.Response) -> contextlib.AbstractContextManager[Any]:
        """Make the progress bar, or None in its place."""
        if not self.progress:
            return contextlib.nullcontext()
        from tqdm.auto import tqdm

        total = content_length(response.headers)
        return tqdm(total=total, unit="B", unit_scale=True, desc=self.key, leave=False)

    def open(self, url: str, method: str = "GET") -> tuple[requests.Response, str]:
        """Ask for an address: the answer, and the address it came from.

        Redirections are followed by hand, so that every host on the way is checked. A server that does not know HEAD
        is asked with GET, the body left unread.
        """
        import requests

        # identity: the bytes are kept as served, and their number is the announced one
        headers = {"Accept-Encoding": "identity", "User-Agent": f"qpv_sante {requests.utils.default_user_agent()}"}
        url = self.judged(url, "asked for", url).url
        for _ in range(MAX_REDIRECTS + 1):
            response = self.ask(url, method, headers)
            if method == "HEAD" and response.status_code in _NO_HEAD:
                response.close()
                method = "GET"
                continue
            if not response.is_redirect:
                break
            response.close()
            url = self.judged(self.joined(url, response.headers["Location"]), f"{url} redirects to", url).url
        else:
            self.fail(f"more than {MAX_REDIRECTS} redirections", got=url, fault=Fault.HOST)
        if response.status_code != 200:
            response.close()
            got = status(response)
            if response.status_code in {404, 410}:
                self.fail("the address no longer answers", expected="status 200", got=got, kind=Gone)
            self.fail("the producer's server refused", expected="status 200", got=got, fault=Fault.REFUSED)
        if response.headers.get("Content-Length") and content_length(response.headers) is None:
            response.close()
            self.fail(
                "the server gives a length that is none",
                expected="a number of bytes in Content-Length",
                got=repr(response.headers["Content-Length"][:40]),
                fault=Fault.SILENT,
            )
        return response, url

    def joined(self, url: str, given: str) -> str:
        """What a redirection or a link leads to, as the producer's address."""
        given = given.strip(" \t")
        if addresses.UNREADABLE.search(given):  # joining would leave some of these out, and judge another address
            self.fail("an address that is not asked", got=f"{url} leads to {given[:200]!r}", fault=Fault.HOST)
        try:
            return _producers(given) if _mirror() and given.startswith(_mirror() + "/") else urljoin(url, given)
        except ValueError as error:
            self.fail("the address leads to none", got=f"{given[:200]!r}: {error}", fault=Fault.HOST, cause=error)

    def judged(self, url: str, how: str, origin: str) -> addresses.Address:
        """The address as it will be asked, once its host is one that the request names.

        Parameters
        ----------
        url : str
            Of the producer, or as someone gave it.
        how : str
            Who gave it, for the message.
        origin : str
            The address that led to it: one that is protected does not lead to one that is not.
        """
        try:
            address = addresses.parse(url)
        except addresses.UnsafeAddress as error:
            self.fail(
                "an address that is not asked",
                expected="a plain address",
                got=f"{how} {url!r}: {error}",
                fault=Fault.HOST,
            )
        if address.place not in self.request.places or (
            addresses.is_local(address.host) and address.place not in self.request.named
        ):
            self.fail(
                "another host, which the catalogue does not name",
                expected=", ".join(sorted(self.request.places)),
                got=f"{how} {url}",
                hint="if that host is the producer's, add it to allowed_hosts",
                fault=Fault.HOST,
            )
        if origin.lower().startswith("https:") and address.scheme != "https":
            self.fail("the address leads to an unprotected one", expected="https", got=f"{how} {url}", fault=Fault.HOST)
        return address

    def ask(self, url: str, method: str, headers: Any) -> requests.Response:
        """Ask for an address once the host may be asked, and as long as the run has time for it."""
        session = cast("requests.Session", self.session)
        asked, patience, host = _asked(url), patience_of(session), addresses.parse(url).place
        local = addresses.is_local(addresses.parse(asked).host)
        proxies: Any = {"http": None, "https": None, "all": None} if local else None
        attempt = 0
        while not patience.busy(host):
            self.watch = watch = Watch()
            try:
                with patience.counted(host), watch.for_seconds(min(ANSWER_SECONDS, patience.left(host))):
                    response = session.request(
                        method,
                        asked,
                        stream=True,
                        allow_redirects=False,
                        timeout=TIMEOUT,
                        headers=headers,
                        proxies=proxies,
                    )
                if watch.ended:  # headers that were cut by us look like whole ones
                    response.close()
                    raise Late
            except Exception as error:  # here, not through pooch: the session has already tried again
                if watch.ended:
                    late = f"no answer after {ANSWER_SECONDS:g} s"
                    patience.give_up(host, late if patience.left(host) > 0 else patience.spent(host))
                    break
                if isinstance(error, PrivatePlace):
                    self.fail("the host is one of a private network", got=str(error), fault=Fault.HOST, cause=error)
                if not isinstance(error, OSError):
                    raise
                got = f"{type(error).__name__}: {error}"
                self.fail("could not be downloaded", got=got, hint=advice(error), cause=error)
            seconds = retry_after(response)
            if seconds is None:
                return response
            response.close()
            patience.wait(host, seconds, attempt, status(response))
            attempt += 1
        self.left_alone(host)

    def left_alone(self, host: str) -> NoReturn:
        """Say why a host is not asked any more."""
        patience = patience_of(cast("requests.Session", self.session))
        slow = patience.is_slow(host)
        self.fail(
            f"{host} is too slow" if slow else f"{host} asks to come back later",
            expected="an answer in time" if slow else "status 200",
            got=f"{patience.busy(host)}; none of its files is asked for any more",
            hint="run it again later",
            kind=Spent if slow else Busy,
        )

    def chunks(self, response: requests.Response, limit: int) -> Iterator[bytes]:
        """Read a body, not too large, not too slow, and whole."""
        patience, host = patience_of(cast("requests.Session", self.session)), self.asked_host
        watch = self.watch or Watch()
        with patience.counted(host), watch.for_seconds(patience.left(host)):
            yield from self._chunks(response, limit, watch)
        if watch.ended:  # the end of a body whose length nobody said may be ours
            patience.give_up(host, patience.spent(host))
            self.left_alone(host)

    def _chunks(self, response: requests.Response, limit: int, watch: Watch) -> Iterator[bytes]:
        import requests
        import urllib3

        announced = content_length(response.headers) or 0
        size, since, before = 0, monotonic(), 0
        while True:
            if max(size, announced) > limit:
                self.fail(
                    "the file is too large",
                    expected=f"at most {limit} bytes",
                    got=f"{max(size, announced)} bytes",
                    fault=Fault.SIZE,
                )
            try:
                # read1 gives what has arrived; read would wait for the whole chunk, hours at a few bytes a second
                chunk = response.raw.read1(CHUNK, decode_content=True)
            except urllib3.exceptions.HTTPError as error:  # cut or silent: an error that pooch retries
                if watch.ended:
                    return
                raise requests.exceptions.ChunkedEncodingError(
                    f"the body was cut after {size} bytes: {error}"
                ) from error
            if not chunk:
                return
            yield chunk
            size += len(chunk)
            elapsed = monotonic() - since
            if elapsed >= SPEED_WINDOW:
                if (size - before) / elapsed < MIN_SPEED:
                    got = f"{(size - before) / elapsed:.0f} bytes a second for {elapsed:.0f} seconds"
                    wanted = f"at least {MIN_SPEED:.0f} bytes a second"
                    self.fail("the server is too slow", expected=wanted, got=got, fault=Fault.SLOW)
                since, before = monotonic(), size

    @property
    def asked_host(self) -> str:
        """Host of the address that is asked for."""
        return addresses.parse(self.address).place

    def link(self) -> str:
        """Find the one link of the landing page that matches."""
        page, pattern = cast(str, self.request.landing_page), cast(str, self.request.link_pattern)
        self.address = page
        return self.choose(parse_page(*self.text(page)).links, pattern)

    def text(self, url: str) -> tuple[str, str]:
        """Text of a page, and the address it came from."""
        response, landed = self.open(url)
        with response:
            body = b"".join(self.chunks(response, MAX_PAGE))
        said = (response.encoding or "").lower()
        return body.decode(said if said in _ENCODINGS else "utf-8", errors="replace"), landed

    def choose(self, links: Collection[str], pattern: str) -> str:
        """Give the one link whose path matches."""
        found = [link for link in links if re.search(pattern, _path(link))]
        if len(found) != 1:
            files = [link for link in links if Path(_path(link)).suffix.lower().lstrip(".") in KINDS]
            listed = ", ".join((found or files)[:12]) or "no link to a file"
            self.fail(
                f"the landing page has {'several links' if found else 'no link'} to the file",
                expected=f"one link whose path matches {pattern!r}",
                got=f"{len(found)} of {len(links)} links match; {'they are' if found else 'its files are'}: {listed}",
                hint="if the page was reorganised, correct link_pattern or landing_page in the catalogue",
                fault=Fault.LINK,
            )
        self.judged(found[0], "the page links to", self.address)
        return found[0]


def local_name(url: str, kind: str) -> str:
    """Name of the local file of an address.

    Parameters
    ----------
    url : str
        Address of the file.
    kind : str
        Form of the file, the extension where the address has none.

    Returns
    -------
    str

    Examples
    --------
    >>> local_name("https://www.insee.fr/fr/statistiques/fichier/8243026/revenus_csv.zip?v=2", "zip")
    'revenus_csv.zip'
    >>> local_name("https://odisse.fr/api/explore/v2.1/catalog/datasets/depression-2024/exports/csv", "csv")
    'depression-2024.csv'
    """
    segments = [unquote(part) for part in urlsplit(url).path.split("/") if part]
    while len(segments) > 1 and segments[-1].lower() in _GENERIC:
        segments.pop()
    name = re.sub(r"[^\w.\-]+", "_", segments[-1] if segments else "file", flags=re.ASCII).lstrip(".")[-120:] or "file"
    return name if Path(name).suffix.lower() == f".{kind}" else f"{name}.{kind}"


def advice(error: BaseException) -> str:
    """What to try after an error of the network or of the disk."""
    import requests

    if isinstance(error, requests.exceptions.SSLError) or "CA certificate" in str(error):
        return "certificates are always checked: name your institution's in REQUESTS_CA_BUNDLE (a file that exists)"
    if isinstance(error, requests.exceptions.RequestException):
        if _mirror():
            return "check that the mirror of QPV_SANTE_MIRROR is running, or unset it"
        return "check the network; behind a proxy set HTTPS_PROXY (and REQUESTS_CA_BUNDLE); else work with offline=True"
    code = getattr(error, "errno", None)
    if code in {errno.ENOSPC, errno.EDQUOT}:
        return "the disk is full: free some space, or choose another data folder with QPV_SANTE_DATA"
    if code in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "the folder is read-only: choose a writable data folder with QPV_SANTE_DATA"
    return "try again; earlier data stay usable with offline=True"


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)


def _mirror() -> str:
    return os.environ.get("QPV_SANTE_MIRROR", "").rstrip("/")


def _asked(url: str) -> str:
    """Address to ask for a producer's address: itself, or the mirror's."""
    address = addresses.parse(url)
    return f"{_mirror()}/{address.place}{address.path}" if _mirror() else address.url


def content_length(headers: Any) -> int | None:
    """Bytes that a server announces; none if it announces nothing, or nothing that is a number of bytes.

    Examples
    --------
    >>> [content_length({"Content-Length": said}) for said in ("12", "\u00b2", "-1", "9" * 5000, "")]
    [12, None, None, None, None]
    """
    said = str(headers.get("Content-Length") or "").strip()
    return int(said) if re.fullmatch(r"[0-9]{1,18}", said) else None


def _producers(asked: str) -> str:
    """Producer's address behind an address of the mirror."""
    prefix = f"{_mirror()}/"
    return f"https://{asked.removeprefix(prefix)}" if _mirror() and asked.startswith(prefix) else asked
