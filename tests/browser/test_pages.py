"""The pages that the package writes, as a browser shows them."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from paper import rendered
from watching import faults, sticks_out

import qpv_sante as qs
from qpv_sante.refresh.changes import Changes
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.probing import Probe, State, Survey

PAGES = ("map", "map_france", "sheet", "territory", "refresh")
# as long as what a producer's server may answer
LONG = "connection refused by the server of the producer after three attempts, " * 4 + "certificate/" * 12
pytestmark = pytest.mark.usefixtures("quiet")


def refresh_report() -> RefreshReport:
    """A refresh where each thing that can be told has happened once."""
    began = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
    keys = {"indicator": "poverty_rate", "source": "insee_filosofi_qpv@2021", "geo_level": "qpv", "geo_vintage": "2024"}
    moved = pd.DataFrame(
        [
            {**keys, "geo_code": "QN03406M", "year": "2021", "before": 45.0, "after": 51.5},
            {**keys, "geo_code": "QN03110M", "year": "2021", "before": 38.2, "after": 37.9},
        ]
    ).assign(sex="_T", age="_T", category="_T", flag_before="observed", flag_after="observed")
    hidden = moved.head(1).assign(geo_code="QN03112M", after=float("nan"), flag_after="suppressed")
    changes = Changes(moved=1_284, suppressed=1)
    changes.examples = {"moved": moved, "suppressed": hidden}
    address = "https://www.insee.fr/fr/statistiques/fichier/0000001/data_QP2024_un_nom_de_fichier_tres_long_2021.zip"
    probes = {
        one.key: one
        for one in (
            Probe("insee_filosofi_qpv@2021", State.CHANGED, address, "length 1204 -> 1310", "02/03/2026", 0.41),
            Probe("insee_cog@2024", State.MOVED, address, "https://www.insee.fr/ancienne-adresse.zip", None, 1.2),
            Probe("anct_qpv2024@2024", State.UNREACHABLE, address, LONG, None, 10.0),
            Probe("insee_demo_qpv@2022", State.UNCHANGED, address, "", "12/01/2026", 0.2),
        )
    }
    titles = {"insee_filosofi_qpv": "Revenus", "insee_cog": "Code officiel", "anct_qpv2024": "Contours"}
    outcomes = [
        Outcome(name, titles.get(name, "Démographie"), "Insee", probes=[probe])
        for name, probe in ((key.partition("@")[0], probe) for key, probe in probes.items())
    ]
    outcomes[0].status, outcomes[0].changes, outcomes[0].rows = "changed", changes, 48_310
    outcomes[0].reasons, outcomes[0].drift = ["file insee_filosofi_qpv@2021"], ["rows: 48 310 against 51 200 (-5.6 %)"]
    outcomes[2].kept = True
    outcomes[2].fail(f"anct_qpv2024@2024: {LONG}")
    return RefreshReport(
        started=began,
        outcomes=outcomes,
        survey=Survey(probes, {address: "Revenus des QPV en 2022"}, {"https://www.data.gouv.fr/jeu": "HTTP 503"}),
        finished=began + timedelta(seconds=74.2),
    )


def _made(name):
    asked = {"geo_vintage": 2024, "year": 2021}
    if name == "map":
        return qs.explore_map("poverty_rate", territory="Occitanie", **asked)
    if name == "map_france":
        return qs.explore_map("poverty_rate", **asked)
    if name == "sheet":
        return qs.profile("QP031004")
    if name == "territory":
        return qs.report("Occitanie")
    return refresh_report()


@pytest.fixture(scope="module")
def written(pictures):
    """Path of each page, written once."""
    done = {}

    def write(name):
        if name not in done:
            done[name] = _made(name).save(pictures / f"{name}.html")
        return done[name]

    return write


def _ready(page, name):
    if name.startswith("map"):
        page.wait_for_selector("body[data-ready=true]")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_opens_without_network_nor_error_and_is_accessible(name, written, open_page, watch, pictures):
    page = open_page(written(name).as_uri())
    _ready(page, name)
    page.screenshot(path=pictures / f"{name}.png", full_page=True)
    assert page.title().strip()
    assert page.locator("h1").count() == 1
    assert len(watch.asked) == 1  # the page itself, and nothing after it
    broken = page.evaluate(
        "[...document.images].filter((one) => !one.complete || !one.naturalWidth).map((one) => one.alt)"
    )
    assert broken == []
    assert faults(page) == []


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_read_on_a_telephone(name, written, open_page, pictures):
    page = open_page(written(name).as_uri(), width=320, height=640)
    _ready(page, name)
    page.screenshot(path=pictures / f"{name}_narrow.png", full_page=True)
    assert sticks_out(page) == []
    assert faults(page) == []


@pytest.mark.parametrize(("name", "least"), [("sheet", 2), ("territory", 3)])
def test_figures_and_tables_are_there(name, least, written, open_page):
    page = open_page(written(name).as_uri())
    assert page.locator("figure img").count() >= least
    for index in range(page.locator("figure img").count()):
        picture = page.locator("figure img").nth(index)
        assert picture.evaluate("(one) => one.naturalWidth") > 200
        assert len(picture.get_attribute("alt")) > 20
    assert page.locator("table tbody tr").count() > 10
    assert page.locator("footer p").count() >= 3  # the sources


def test_the_contents_lead_to_their_part(written, open_page):
    page = open_page(written("territory").as_uri())
    link = page.locator("nav a").last
    part = page.locator(link.get_attribute("href"))
    assert link.inner_text() == part.inner_text()
    link.click()
    assert part.evaluate("(one) => Math.abs(one.getBoundingClientRect().top) < innerHeight")


def test_the_refresh_report_tells_what_happened(written, open_page):
    page = open_page(written("refresh").as_uri())
    text = page.locator("main").inner_text()
    assert LONG in text
    assert "data_QP2024_un_nom_de_fichier_tres_long_2021.zip" in text
    row = page.locator("tr", has_text="QN03406M").first
    assert "+6,5" in row.inner_text()
    assert "51,5" in row.inner_text()


@pytest.mark.parametrize("name", ["sheet", "territory"])
def test_the_page_prints_on_paper(name, written, open_page, pictures):
    page = open_page(written(name).as_uri())
    page.pdf(path=pictures / f"{name}_printed.pdf", prefer_css_page_size=True)
    assert rendered(pictures / f"{name}_printed.pdf") >= 1
