"""How hosts are asked: sessions that try again, and hosts that ask to be left alone, which are waited for once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    import requests

RETRIES, BACKOFF, MAX_BACKOFF = 4, 0.5, 30.0  # attempts after the first, seconds doubled each time, longest of them
MAX_WAIT = 120.0  # seconds that one host is waited for in all, when it says how long (Retry-After)
PER_HOST = 2  # requests at once to one host
RETRIED_STATUS = (429, 500, 502, 503, 504)


class Patience:
    """How long hosts were waited for, and those that asked for more; shared by the threads of a session.

    A host that says when to come back is obeyed, up to `MAX_WAIT` seconds in all. One that wants more, or that is
    still busy after as many attempts as are made, is asked nothing any more: it would only be bothered for each of
    its files, and whoever waits for the others would wait for it.
    """

    def __init__(self) -> None:
        self._waited: dict[str, float] = {}
        self._busy: dict[str, str] = {}
        self._guard = threading.Lock()

    def busy(self, host: str) -> str:
        """What a host answered when it was asked for the last time; empty if it may be asked."""
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
    except InvalidHeader:
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
    session = requests.Session()
    for scheme in ("https://", "http://"):
        # threads share the session: no producer is asked more than twice at once
        session.mount(scheme, HTTPAdapter(max_retries=policy, pool_maxsize=PER_HOST, pool_block=True))
    return session
