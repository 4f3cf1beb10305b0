"""The notebooks in JupyterLab, cell by cell, as an analyst runs them."""

import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest
from pytest_httpserver import HTTPServer
from watching import drawn_twice

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = ("01_prise_en_main", "06_diagnostic_territoire")
pytestmark = pytest.mark.usefixtures("quiet")
MINUTE = 60_000  # of the clock, in milliseconds: two busy cores
# an analyst's first look at the two pages that hold scripts or a frame of their own
FRAMES = """import qpv_sante as qs
qs.explore_map("poverty_rate", geo_vintage=2024, year=2021, territory="Béziers")
---
qs.profile("QP031004")"""


@pytest.fixture(scope="module")
def outside():
    """A proxy that leads nowhere, and remembers what the server and its kernels wanted of the internet."""
    with HTTPServer(host="127.0.0.1") as server:
        yield server


@pytest.fixture(scope="module")
def lab(tmp_path_factory, embedded_data, outside):
    """JupyterLab on loopback, on a copy of the notebooks without their results; the address of each."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "notebooks").mkdir()
    for name in NOTEBOOKS:
        if (FOLDER / f"{name}.ipynb").exists():
            content = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
            for cell in content.cells:
                if cell.cell_type == "code":
                    cell.outputs, cell.execution_count = [], None
            nbformat.write(content, folder / "notebooks" / f"{name}.ipynb")
    cells = [nbformat.v4.new_code_cell(source) for source in FRAMES.split("\n---\n")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "notebooks" / "frames.ipynb")
    settings = folder / "settings" / "@jupyterlab"
    for path, content in {
        # every cell in the page, also those that are not in the window
        "notebook-extension/tracker": '{"windowingMode": "none"}',
        "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    }.items():
        (settings / path).parent.mkdir(parents=True)
        (settings / f"{path}.jupyterlab-settings").write_text(content, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    command += ["--ServerApp.terminals_enabled=False", "--LabApp.news_url=", "--LabApp.extension_manager=readonly"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command += [f"--LabApp.user_settings_dir={folder / 'settings'}", f"--LabApp.workspaces_dir={folder / 'workspaces'}"]
    places = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), outside.url_for(""))
    environment = {
        **os.environ,
        **{name: str(folder / name.lower()) for name in places},
        **proxies,
        **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
        "JUPYTER_TOKEN": token,
        "QPV_SANTE_DATA": str(embedded_data),
    }
    log = folder / "lab.log"
    with log.open("w") as told:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=told, stderr=subprocess.STDOUT)
        try:
            _wait_for(f"http://127.0.0.1:{port}/api/status?token={token}", server, log)
            # `reset`: without what an earlier test had open
            yield lambda name: f"http://127.0.0.1:{port}/lab/tree/{name}.ipynb?reset&token={token}"
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(address, server, log):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(2400):
        assert server.poll() is None, log.read_text()
        try:
            opener.open(address, timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.25)
    pytest.fail(f"JupyterLab did not answer in 10 minutes:\n{log.read_text()}")


def _run_all(page, cells):
    """Run every cell from the menu, to the last one or the first error."""
    page.locator("#jp-main-statusbar", has_text="| Idle").wait_for(timeout=2 * MINUTE)
    page.wait_for_function(f"document.querySelectorAll('.jp-CodeCell').length === {cells}")
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Run All Cells$")).click()
    page.wait_for_function(
        """() => document.querySelector('[data-mime-type="application/vnd.jupyter.error"]') ||
          [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].every(
            (one) => /^\\[\\d+\\]:/.test(one.textContent))""",
        timeout=4 * MINUTE,
    )
    page.wait_for_function(
        """() => [...document.querySelectorAll(".jp-RenderedImage img")].every((one) => one.complete)""",
        timeout=4 * MINUTE,
    )
    drawn_twice(page)


def _results(page):
    """What each code cell shows."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".jp-CodeCell")].map((cell) => ({
          error: cell.querySelector('[data-mime-type="application/vnd.jupyter.error"]')?.textContent ?? "",
          warned: cell.querySelector('[data-mime-type="application/vnd.jupyter.stderr"]')?.textContent ?? "",
          rows: [...cell.querySelectorAll("table tbody tr")].filter((row) => row.getClientRects().length).length,
          pictures: [...cell.querySelectorAll(".jp-RenderedImage img")].map((one) => one.complete && one.naturalWidth),
          text: cell.querySelector(".jp-OutputArea")?.textContent ?? "",
        }))"""
    )


def _pictured(page, path):
    """The whole notebook in one picture."""
    tall = page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollHeight")
    page.set_viewport_size({"width": 1280, "height": min(tall + 150, 15_000)})
    page.evaluate("document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0")
    drawn_twice(page)
    page.screenshot(path=path)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                not (FOLDER / f"{name}.ipynb").exists(), reason=f"notebooks/{name}.ipynb is absent"
            ),
        )
        for name in NOTEBOOKS
    ],
)
def test_the_notebook_runs_and_shows_its_frames_and_figures(name, lab, open_page, outside, pictures):
    page = open_page(lab(name))
    cells = [cell for cell in nbformat.read(FOLDER / f"{name}.ipynb", as_version=4).cells if cell.cell_type == "code"]
    _run_all(page, len(cells))
    shown = _results(page)
    _pictured(page, pictures / f"notebook_{name}.png")
    assert [one["error"] for one in shown if one["error"]] == []
    assert [one["warned"] for one in shown if one["warned"]] == []
    assert len(shown) == len(cells)
    for number, (one, cell) in enumerate(zip(shown, cells, strict=True), 1):
        saved = [kind for output in cell.outputs for kind in output.get("data", {})]
        where = f"code cell {number}: {cell.source[:80]}"
        if any("<table" in "".join(output.get("data", {}).get("text/html", "")) for output in cell.outputs):
            assert one["rows"] > 0, where
        if "image/png" in saved or re.search(r"\bqs\.plot_\w+\(", cell.source):
            assert one["pictures"], f"no figure in {where}"
        assert all(width > 200 for width in one["pictures"]), where
    assert sum(one["rows"] > 0 for one in shown) >= 2
    assert sum(bool(one["pictures"]) for one in shown) >= 1
    assert outside.log == []


def test_the_map_and_the_sheet_live_inside_a_notebook(lab, open_page, outside, pictures):
    page = open_page(lab("frames"))
    _run_all(page, 2)
    assert [one["error"] for one in _results(page) if one["error"]] == []
    inside = page.locator(".jp-CodeCell iframe").nth(0).content_frame
    inside.locator("body[data-ready=true]").wait_for()
    inside.locator("#qpv-search").fill("deveze")
    shown = inside.locator("#qpv-list li:not([hidden]) button.qpv-item")
    assert shown.count() >= 1
    shown.first.click()
    inside.locator("#qpv-tooltip").wait_for(state="visible")
    assert shown.first.get_attribute("data-code") == inside.locator("#qpv-tooltip").get_attribute("data-code")
    sheet = page.locator(".jp-CodeCell iframe").nth(1).content_frame
    assert sheet.locator("figure img").count() >= 2
    _pictured(page, pictures / "notebook_frames.png")
    assert outside.log == []
