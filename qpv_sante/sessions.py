"""How hosts are asked: sessions that try again, and hosts that ask to be left alone, which are waited for once."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from time import monotonic
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from qpv_sante.addresses import is_local

if TYPE_CHECKING:
    import requests

RETRIES, BACKOFF, MAX_BACKOFF = 4, 0.5, 30.0  # attempts after the first, seconds doubled each time, longest of them
MAX_WAIT = 120.0  # seconds that one host is waited for in all, when it says how long (Retry-After)
# seconds that a run has for one host, and for all of them; a schedule stops a run after two hours
HOST_SECONDS, RUN_SECONDS = 1800.0, 5400.0
PER_HOST = 2  # requests at once to one host
RETRIED_STATUS = (429, 500, 502, 503, 504)


class Patience:
    """How long hosts were waited for, and those that asked for more; shared by the threads of a session.

    A host that says when to come back is obeyed, up to `MAX_WAIT` seconds in all. One that wants more, or that is
    still busy after as many attempts as are made, is asked nothing any more: it would only be bothered for each of
    its files, and whoever waits for the others would wait for it. So is one that has taken all the time that a run has
    for it, however it does it: no answer, headers letter by letter, a body that never ends.

    Parameters
    ----------
    clock : callable
        Seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._waited: dict[str, float] = {}
        self._busy: dict[str, str] = {}
        self._slow: set[str] = set()
        self._taken: dict[str, float] = {}
        self._guard = threading.Lock()
        self._clock = clock
        self._began = clock()

    @contextlib.contextmanager
    def counted(self, host: str) -> Iterator[None]:
        """Count the time of a block as the host's."""
        began = self._clock()
        try:
            yield
        finally:
            with self._guard:
                self._taken[host] = self._taken.get(host, 0.0) + self._clock() - began

    def left(self, host: str) -> float:
        """Seconds that the run still has for a host; none if it has been given up."""
        own = HOST_SECONDS - self._taken.get(host, 0.0)
        return max(0.0, min(own, RUN_SECONDS - (self._clock() - self._began)))

    def spent(self, host: str) -> str:
        """In words, that no time is left for a host."""
        if self._clock() - self._began >= RUN_SECONDS:
            return f"this run has lasted {RUN_SECONDS:g} s, which is all that it has for the producers"
        return f"{HOST_SECONDS:g} s of this run were spent on it, which is all that a run has for one host"

    def give_up(self, host: str, told: str) -> None:
        """Ask a slow host nothing any more."""
        with self._guard:
            self._busy.setdefault(host, told)
            self._slow.add(host)

    def is_slow(self, host: str) -> bool:
        """Whether a host was given up because it is slow, not because it asked for it."""
        return host in self._slow

    def busy(self, host: str) -> str:
        """What a host answered when it was asked for the last time; empty if it may be asked."""
        if host not in self._busy and self.left(host) <= 0:
            self.give_up(host, self.spent(host))
        return self._busy.get(host, "")

    def wait(self, host: str, seconds: float, attempt: int, answered: str) -> None:
        """Wait as a host asks, or note that it asks for too much.

        Parameters
        ----------
        host : str
            The producer's.
        seconds : float
            What it asks for.
        attempt : int
            How many times it was asked again already, for the same file.
        answered : str
            Its answer, in words.
        """
        with self._guard:
            waited = self._waited.get(host, 0.0)
            if host in self._busy or attempt >= RETRIES or waited + seconds > MAX_WAIT:
                self._busy.setdefault(host, f"{answered}, after {waited:.0f} s of waiting")
                return
            self._waited[host] = waited + seconds
        time.sleep(seconds)


class Late(Exception):
    """The time for an exchange is over."""


class PrivatePlace(Exception):
    """The name of a public host that leads to this machine or to a private network."""


class Watch:
    """Ends an exchange when its time is over, wherever it waits.

    The time-outs of sockets start again with each byte: a server that sends one now and then is never silent. The
    socket is shut under whoever reads it, and no other is opened for the same exchange.
    """

    current = threading.local()

    def __init__(self) -> None:
        self.ended = False
        self._sockets: list[Any] = []

    @contextlib.contextmanager
    def for_seconds(self, seconds: float) -> Iterator[None]:
        """End the exchange of the block after so many seconds."""
        timer = threading.Timer(seconds, self.end)
        timer.daemon = True
        timer.start()
        before, self.current.watch = getattr(self.current, "watch", None), self
        try:
            yield
        finally:
            timer.cancel()
            self.current.watch = before

    def end(self) -> None:
        """Shut what the exchange reads from."""
        self.ended = True
        for one in self._sockets:
            with contextlib.suppress(OSError, ValueError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # of a protected one too: what it reads just ends

    def note(self, connection: Any) -> None:
        """Know a connection that the exchange goes through."""
        if self.ended:
            raise Late
        if isinstance(connection.sock, socket.socket) and connection.sock not in self._sockets:
            self._sockets.append(connection.sock)


def _noted(connection: Any) -> None:
    watch = getattr(Watch.current, "watch", None)
    if watch is not None:
        watch.note(connection)


def _watched(kind: type[Any]) -> type[Any]:
    """A kind of connection that a `Watch` knows of from its first byte."""

    class Watched(kind):
        def _new_conn(self) -> Any:
            _noted(self)
            made = super()._new_conn()
            if self.proxy is None and not os.environ.get("QPV_SANTE_MIRROR") and not is_local(self.host):
                number = made.getpeername()[0]
                if is_local(number):
                    made.close()
                    raise PrivatePlace(f"{self.host} is {number} here")
            self.sock = made  # before it is protected: a handshake may be as slow as an answer
            _noted(self)
            return made

        def getresponse(self) -> Any:
            _noted(self)
            return super().getresponse()

    return Watched


_patience: WeakKeyDictionary[requests.Session, Patience] = WeakKeyDictionary()


def patience_of(session: requests.Session) -> Patience:
    """The patience that goes with a session."""
    return _patience.setdefault(session, Patience())


def status(response: requests.Response) -> str:
    """What a server answered, in words: `status 503 Service Unavailable, Retry-After: 60`."""
    told = f"status {response.status_code} {response.reason or ''}".rstrip()
    wait = response.headers.get("Retry-After")
    return f"{told}, Retry-After: {wait}" if wait else told


def retry_after(response: requests.Response) -> float | None:
    """Seconds that a busy server asks for; none if it does not say, or not in a way that can be read."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    said = response.headers.get("Retry-After")
    if not said or response.status_code not in RETRIED_STATUS:
        return None
    try:
        return Retry().parse_retry_after(said)
    except (InvalidHeader, ValueError, OverflowError, TypeError, IndexError):  # thousands of digits, a day that is none
        return BACKOFF


def new_session() -> requests.Session:
    """Make a session that tries busy servers and broken connections again, within limits.

    Returns
    -------
    requests.Session
        Up to ``RETRIES`` attempts more with growing waits. An answer with ``Retry-After`` comes back at once: see
        `Patience`.
    """
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    class WithoutRetryAfter(Retry):
        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
            return not has_retry_after and super().is_retry(method, status_code, has_retry_after)

    policy: Any = WithoutRetryAfter(
        total=RETRIES,
        connect=2,  # without any network, give up in seconds
        backoff_factor=BACKOFF,
        backoff_max=MAX_BACKOFF,
        status_forcelist=RETRIED_STATUS,
        raise_on_status=False,  # the last answer says more than "too many retries"
    )

    class Watching(HTTPAdapter):
        def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
            pool: Any = super().get_connection_with_tls_context(*args, **options)
            if "Watched" not in pool.ConnectionCls.__name__:
                pool.ConnectionCls = _watched(pool.ConnectionCls)
            return pool

    session = requests.Session()
    for scheme in ("https://", "http://"):
        # threads share the session: no producer is asked more than twice at once
        session.mount(scheme, Watching(max_retries=policy, pool_maxsize=PER_HOST, pool_block=True))
    return session
