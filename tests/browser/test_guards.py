"""The guards of the other tests, on pages that are wrong on purpose."""

from watching import faults, stays_here, sticks_out, until

PAGE = """<!DOCTYPE html><html lang="fr"><head><title>Page</title></head>
<body><main><h1>Page</h1>{}</main></body></html>"""


def _written(folder, body):
    path = folder / "page.html"
    path.write_text(PAGE.format(body), encoding="utf-8")
    return path.as_uri()


def test_a_right_page_passes(open_page, watch, tmp_path):
    page = open_page(_written(tmp_path, "<p>Rien.</p>"))
    assert faults(page) == []
    assert sticks_out(page) == []
    assert len(watch.asked) == 1
    assert watch.outside == watch.complaints == []


def test_a_request_that_leaves_the_machine_is_seen(open_page, watch, tmp_path):
    body = """<img alt="" src="http://192.0.2.1/a.png"><script>
      fetch("https://example.org/b").catch(() => {}); try { new WebSocket("ws://example.org/c"); } catch {} </script>"""
    page = open_page(_written(tmp_path, body))
    until(page, lambda: len(watch.outside) >= 3)
    assert sorted(watch.outside) == ["http://192.0.2.1/a.png", "https://example.org/b", "ws://example.org/c"]


def test_errors_of_scripts_are_seen(open_page, watch, tmp_path):
    page = open_page(_written(tmp_path, """<script>console.error("un"); throw new Error("deux");</script>"""))
    until(page, lambda: len(watch.complaints) >= 2)
    assert any("un" in line for line in watch.complaints if line.startswith("console"))
    assert any("deux" in line for line in watch.complaints if line.startswith("page"))


def test_faults_of_accessibility_are_seen(open_page, tmp_path):
    body = '<img src="data:,"><input><p style="color: #bbb; background: #fff">pâle</p>'
    found = {line.split()[0] for line in faults(open_page(_written(tmp_path, body)))}
    assert {"image-alt", "label", "color-contrast"} <= found


def test_a_page_too_wide_is_seen(open_page, tmp_path):
    page = open_page(_written(tmp_path, '<div id="box" style="width: 900px">large</div>'), width=320)
    assert "DIV#box" in sticks_out(page)
    page = open_page(_written(tmp_path, f'<p id="word">{"long" * 60}</p>'), width=320)
    assert "P#word" in sticks_out(page)


def test_only_this_machine_is_here():
    here = ["file:///a.html", "data:text/plain,a", "blob:null/1", "about:blank", "http://127.0.0.1:8888/lab"]
    assert all(map(stays_here, here))
    away = [
        "https://127.0.0.1.example.org/",
        "http://localhost.example.org",
        "file://host/a",
        "http://10.0.0.1/",
        "ws://a/",
    ]
    assert not any(map(stays_here, away))
