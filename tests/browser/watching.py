"""What the browser tests need of a page: who it asks, what it complains of, what it hides from a screen reader."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, Route, WebError, WebSocket

SERIOUS = {"serious", "critical"}


def until(page: Page, holds: Callable[[], object]) -> None:
    """Let the page go on until something holds, for as long as a slow machine needs; the caller then asserts it."""
    for _ in range(1200):
        if holds():
            return
        page.wait_for_timeout(50)


def drawn_twice(page: Page) -> None:
    """Let the page draw what is due: two of its own frames, however long they take."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def stays_here(url: str) -> bool:
    """Whether an address leads nowhere but to this machine."""
    parts = urlsplit(url)
    if parts.scheme in {"data", "blob", "about"}:
        return True
    if parts.scheme == "file":
        return parts.netloc == ""
    return parts.hostname == "127.0.0.1"


@dataclass
class Watch:
    """Everything that the pages of a context asked for, and complained of."""

    asked: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def over(self, context: BrowserContext) -> None:
        """Watch a context; what would leave the machine is stopped, and remembered."""
        context.route("**/*", self._route)
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", self._error)
        context.on("page", lambda page: page.on("websocket", self._socket))

    def _note(self, url: str) -> None:
        self.asked.append(url)
        if not stays_here(url):
            self.outside.append(url)

    def _route(self, route: Route) -> None:
        if stays_here(route.request.url):
            route.continue_()
        else:
            route.abort()

    def _request(self, request: Request) -> None:
        self._note(request.url)

    def _socket(self, socket: WebSocket) -> None:
        self._note(socket.url)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text} ({message.location.get('url', '')[:200]})")

    def _error(self, error: WebError) -> None:
        self.complaints.append(f"page: {error.error}")


def faults(page: Page) -> list[str]:
    """Serious and critical faults that axe finds in a page, one line for each element."""
    from axe_playwright_python.base import AXE_SCRIPT

    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert found["passes"], "axe looked at nothing"
    return [
        f"{one['id']} ({one['impact']}): {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for one in found["violations"]
        if one["impact"] in SERIOUS
        for node in one["nodes"]
    ]


def sticks_out(page: Page) -> list[str]:
    """Elements whose box or text leaves the window, where the page has to be moved sideways to be read."""
    return page.evaluate(
        """() => {
          const root = document.documentElement;
          if (root.scrollWidth <= root.clientWidth) return [];
          const wide = [...document.body.querySelectorAll("*")].filter((one) => {
            const text = document.createRange();
            text.selectNodeContents(one);
            const rights = [one, text].map((part) => part.getBoundingClientRect().right);
            return Math.max(...rights) > root.clientWidth + 1;
          });
          return [`${root.scrollWidth} px`, ...wide.slice(0, 10).map((one) => `${one.tagName}#${one.id}`)];
        }"""
    )
