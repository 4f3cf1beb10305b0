"""A headless Chromium of the system, and the pages that it opens."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from watching import Watch

OUTPUT = Path(__file__).resolve().parents[2] / "output" / "browser"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# nothing is resolved but this machine, whatever the environment's proxy
ARGUMENTS = ["--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def _cannot(why: str) -> None:
    """Without a browser nothing is verified: a failure where all must be, a skip elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.exit(f"The browser tests cannot run: {why}", returncode=1)
    pytest.skip(why)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the system's Chromium or Chrome."""
    for library in ("playwright", "axe_playwright_python"):
        if importlib.util.find_spec(library) is None:
            _cannot(f"{library} is not installed: pip install -e '.[browser]', or make test-browser")
    given = os.environ.get("QPV_SANTE_CHROMIUM")
    path = given if given else next(filter(None, map(shutil.which, NAMES)), None)
    if path is None or not Path(path).is_file():
        _cannot(
            f"no Chromium at {given} (QPV_SANTE_CHROMIUM)"
            if given
            else f"none of {', '.join(NAMES)} is installed: sudo apt-get install chromium, or set QPV_SANTE_CHROMIUM"
        )
    return str(path)


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=chromium, headless=True, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def watch() -> Watch:
    from watching import Watch

    return Watch()


@pytest.fixture
def open_page(browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """Opens an address in a window of its own; no request leaves the machine and nothing complains."""
    contexts = []

    def opened(address: str, *, width: int = 1280, height: int = 900) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale="fr-FR",
            service_workers="block",
            reduced_motion="reduce",
        )
        contexts.append(context)
        watch.over(context)
        page = context.new_page()
        page.set_default_timeout(300_000)
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def quiet(watch: Watch) -> Iterator[None]:
    """After the test: it asked nothing of the network, and no script failed."""
    yield
    assert watch.outside == []
    assert watch.complaints == []


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Folder of the screenshots, for a person to look at."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    return OUTPUT


@pytest.fixture(scope="session", autouse=True)
def embedded_data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The embedded snapshot, whatever was built on this machine."""
    folder = tmp_path_factory.mktemp("no-data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QPV_SANTE_DATA", str(folder))
        yield folder
