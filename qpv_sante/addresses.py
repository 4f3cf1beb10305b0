"""Web addresses that others wrote: judged as they will be asked, by one parser, and refused where two could differ.

What a producer's server or page gives is parsed once, by the parser of the library that connects (urllib3), and asked
as that parser wrote it: the host that was judged is the one that is asked.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

PORTS = {"https": 443, "http": 80}
UNREADABLE = re.compile(r"[\x00-\x20\x7f\\]")
_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "lan", "home.arpa")


class UnsafeAddress(ValueError):
    """Why an address is not asked."""


@dataclass(frozen=True)
class Address:
    """An address in its parts, as it is asked.

    Attributes
    ----------
    url : str
        The whole, in the form that the library that connects gives it.
    scheme, host : str
        In small letters.
    port : int
        The scheme's own where the address gives none.
    path : str
        With the query.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str

    @property
    def place(self) -> str:
        """Host, with the port if it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"


def is_local(host: str) -> bool:
    """Whether a host is this machine, or one of a private network, by its name or its number.

    Examples
    --------
    >>> [is_local(host) for host in ("localhost", "10.1.2.3", "::1", "127.1", "169.254.169.254", "intranet")]
    [True, True, True, True, True, True]
    >>> is_local("www.insee.fr")
    False
    """
    host = host.strip("[]").rstrip(".").lower()
    labels = host.split(".")
    if any(host == name or host.endswith(f".{name}") for name in _LOCAL_NAMES):
        return True
    try:
        number = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # numbers in the forms that some resolvers take for addresses: 127.1, 0x7f000001, 2130706433
        return len(labels) == 1 or all(re.fullmatch(r"0x[0-9a-f]*|\d+", label) for label in labels)
    return not number.is_global or number.is_multicast


def parse(url: str) -> Address:
    r"""Take an address apart.

    Parameters
    ----------
    url : str
        Whole, with its scheme.

    Returns
    -------
    Address

    Raises
    ------
    UnsafeAddress
        Not a web address, or one that parsers read in different ways: a backslash, a space or a control character, a
        name and password, a host that is not plain ASCII.

    Examples
    --------
    >>> address = parse("HTTPS://WWW.insee.fr/fr/../a b.zip".replace(" ", "%20"))
    >>> address.url, address.place
    ('https://www.insee.fr/a%20b.zip', 'www.insee.fr')
    >>> parse("http://127.0.0.1:8934\\@localhost/x")
    Traceback (most recent call last):
        ...
    qpv_sante.addresses.UnsafeAddress: a backslash, a space or a control character
    """
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url

    if UNREADABLE.search(url):
        raise UnsafeAddress("a backslash, a space or a control character")
    try:
        parts = parse_url(url)
    except (LocationParseError, ValueError) as error:
        raise UnsafeAddress(f"not an address ({error})") from error
    scheme, host = (parts.scheme or "").lower(), (parts.host or "").strip("[]").lower()
    if scheme not in PORTS or not host:
        raise UnsafeAddress("not an address of the web")
    if parts.auth is not None or "@" in url.split("/")[2]:
        raise UnsafeAddress("a name or a password before the host")
    if not re.fullmatch(r"[a-z0-9.:_-]+", host) or any(label.startswith("xn--") for label in host.split(".")):
        raise UnsafeAddress("a host that is not written in plain ASCII letters")
    if parts.port == 0:
        raise UnsafeAddress("port 0")
    port = parts.port or PORTS[scheme]
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query is not None else "")
    bare = Address("", scheme, host, port, path)
    return Address(f"{scheme}://{bare.place}{path}", scheme, host, port, path)
