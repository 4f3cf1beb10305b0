"""What an analyst's own file may say, wherever it is written: it stays text, and runs nowhere."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader
from typer.testing import CliRunner

import qpv_sante as qs
from qpv_sante import export
from qpv_sante.cli import app
from qpv_sante.errors import QpvSanteError
from qpv_sante.figures import save_figure

MARK = "Zq"  # found again in what was written
HOSTILE = (
    f"{MARK}</script><script>alert(1)</script><img src=x onerror=alert(2)>"
    '{{7*7}} #read("/etc/passwd") #eval("1+1") ](javascript:x) $=`id`'
)
FIGURES = "geo_code;value;denominator\nQP034001;14,2;8000\nQP034002;17,5;3200\nQP034003;18,0;1100\n"


class Elements(HTMLParser):
    """Names of the elements and of the attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses |= {str(value) for name, value in attrs if name in ("src", "href")}


@pytest.fixture
def brought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An import of which every text is hostile; the indicator's id."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    path = tmp_path / "figures.csv"
    path.write_text(FIGURES, encoding="utf-8")
    measure = {"label": HOSTILE, "unit": f"% {HOSTILE}", "kind": "rate", "definition": HOSTILE, "higher_is": "worse"}
    declared = {"title": HOSTILE, "producer": HOSTILE, "licence": "restricted", "restriction": HOSTILE, "year": 2023}
    declared |= {"geo_level": "qpv", "geo_vintage": 2015, "secrecy": {"threshold": 11}}
    qs.import_observations(path, source="ors", metadata={**declared, "indicator": {"ors_share": measure}})
    territory = tmp_path / "own.toml"
    label = HOSTILE.replace('"', '\\"').replace(":", "")  # before a colon stands a level
    territory.write_text(
        f'[[territory]]\nid = "hostile"\nlabel = "{label}"\nnote = "{label}"\n'
        'qpv_2015 = ["QP034001", "QP034002", "QP034003"]\n',
        encoding="utf-8",
    )
    qs.add_territories(territory)
    return "ors_share"


def harmless(page: str) -> None:
    assert MARK in page
    found = Elements(page)
    assert "img" not in found.names or not any("onerror" in name for name in found.attributes)
    assert not any(name.startswith("on") for name in found.attributes)
    assert not any(address.startswith("javascript:") or address == "x" for address in found.addresses)
    assert "<script>alert(1)" not in page
    assert "49" not in page.partition(MARK)[2][:120]  # {{7*7}} is not computed


def test_pages_hold_text_only(brought: str) -> None:
    frame = qs.load_observations(brought, geo_level="qpv", year=2023)
    harmless(qs.describe(brought)._repr_html_())
    harmless(qs.format_table(frame).to_html())
    harmless(qs.explore_map(brought, geo_vintage=2015, year=2023, territory="Béziers").html)
    harmless(qs.report("hostile", geo_vintage=2015).html)


def test_a_pdf_reads_no_file_and_runs_nothing(brought: str, tmp_path: Path) -> None:
    pytest.importorskip("typst")
    path = qs.report("hostile", geo_vintage=2015).save(tmp_path / "report.pdf")
    text = "".join(page.extract_text() for page in PdfReader(path).pages)
    assert "#read(" in text
    assert "root:" not in text


def test_a_figure_is_valid_xml_and_a_table_no_formula(brought: str, tmp_path: Path) -> None:
    from xml.etree import ElementTree

    frame = qs.load_observations(brought, geo_level="qpv", year=2023)
    written = save_figure(qs.plot_distribution(frame), tmp_path / "figure.svg")
    tree = ElementTree.parse(written)  # noqa: S314 - our own file
    assert not [one for one in tree.iter() if one.tag.endswith(("script", "image", "foreignObject"))]
    back = pd.read_csv(export.write_table(frame, tmp_path / "t.csv"), sep=";", encoding="utf-8-sig")
    assert back["restriction"].unique().tolist() == [HOSTILE]


def test_a_terminal_gets_no_escape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    path = tmp_path / "figures.csv"
    path.write_text(FIGURES, encoding="utf-8")
    measure = {"label": "Part \x1b[2J", "unit": "%", "kind": "rate", "definition": "ALD."}
    declared = {"title": "ALD", "producer": "ORS", "licence": "open", "year": 2023, "geo_level": "qpv"}
    with pytest.raises(QpvSanteError, match="control character"):
        qs.import_observations(
            path, source="ors", metadata={**declared, "geo_vintage": 2015, "indicator": {"ors_share": measure}}
        )
    shown = CliRunner().invoke(app, ["list"])
    assert shown.exit_code == 0
    assert "\x1b" not in shown.output
