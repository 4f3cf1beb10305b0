"""The page of an interactive map: what it says, what it hides, what it never asks the network for."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

import qpv_sante as qs
from qpv_sante import style
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import (
    ComparabilityError,
    InvalidInputError,
    SchemaError,
    StoreError,
    UnavailableLevelError,
    UnknownNameError,
)
from qpv_sante.maps import interactive, page, plane
from qpv_sante.territories import Territory

bokeh = pytest.importorskip("bokeh", reason="the extra `interactive` is not installed")
BEZIERS = Territory("commune", "34032", "Béziers")
RATE = catalogue().indicator("poverty_rate")
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}"


def quarters(values, flags=None, *, department="34", **columns):
    count = len(values)
    return gpd.GeoDataFrame(
        {
            "geo_code": [f"QP{department:0>3}{i:03}" for i in range(count)],
            "name": [f"Cité de l'Épine n° {i}" for i in range(count)],
            "commune_names": "Béziers",
            "value": pd.Series(values, dtype="float64"),
            "flag": flags or ["observed" if pd.notna(value) else "suppressed" for value in values],
            "source": "insee_filosofi_qpv@2019",
            **columns,
        },
        geometry=[box(3.2 + 0.01 * i, 43.34, 3.204 + 0.01 * i, 43.344) for i in range(count)],
        crs=4326,
    )


def explore(zones, **options):
    options = {"geo_vintage": 2015, "year": 2019, "place": BEZIERS, "sources": ["insee_filosofi_qpv@2019"], **options}
    return interactive.explore_zones(zones, RATE, **options)


class Page(HTMLParser):
    """Elements with their attributes and text, as a browser reads them."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in ("meta", "input", "img", "link"):
            self.open.append(element)

    def handle_endtag(self, tag):
        while self.open and self.open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, **wanted):
        wanted = {name.rstrip("_"): value for name, value in wanted.items()}
        return [e for e in self.elements if all(e.get(name) == value for name, value in wanted.items())]

    def one(self, **wanted):
        (found,) = self.all(**wanted)
        return found


def plain(text):
    return " ".join(text.replace("\u202f", " ").replace("\u00a0", " ").split())


def data_of(made):
    return json.loads(Page(made.html).one(id="qpv-data")["text"])


def legend_of(made):
    labels = [e for e in Page(made.html).all(tag="label") if " QPV" in e["text"]]
    return [plain(label["text"]) for label in labels]


def sources_of(made):
    """The column data sources of the plot, by name."""
    found = {}

    def walk(node):
        if isinstance(node, dict):
            if node.get("name") == "ColumnDataSource":
                attributes = node["attributes"]
                found[attributes.get("name", node["id"])] = dict(attributes["data"]["entries"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(data_of(made)["item"])
    return found


MIXED = [30.0, 35.0, 40.0, 45.0, 50.0, 55.0, np.nan, np.nan]
MIXED_FLAGS = [*["observed"] * 5, "unreliable", "suppressed", "unavailable"]


def test_legend_counts_what_the_page_draws():
    made = explore(quarters(MIXED, MIXED_FLAGS))
    assert legend_of(made) == [
        "30,0 à 35,0 % : 2 QPV",
        "35,1 à 40,0 % : 1 QPV",
        "40,1 à 45,0 % : 1 QPV",
        "45,1 à 50,0 % : 1 QPV",
        "50,1 à 55,0 % : 1 QPV",
        "secret statistique : 1 QPV",
        "non disponible : 1 QPV",
        "valeur à interpréter avec prudence : 1 QPV",
    ]
    drawn = sources_of(made)["quarters"]
    assert len(drawn["xs"]) == len(drawn["code"]) == 8
    look = dict(zip(drawn["code"], zip(drawn["fill"], drawn["hatch"], strict=True), strict=True))
    assert look["QP034006"] == ("white", "right_diagonal_line")
    assert look["QP034007"] == ("#b5b5b5", " ")
    switches = [e["data-layer"] for e in Page(made.html).all(tag="input", type="checkbox")]
    assert set(drawn["layer"]) | {"unreliable", "communes", "quarters"} == set(switches)
    hatched = [e for e in Page(made.html).all(tag="svg") if "hatched" in e["class"]]
    assert len(hatched) == 1


def test_a_missing_value_is_words_only():
    zones = quarters([30.0, np.nan], lower=[28.0, np.nan], upper=[33.0, np.nan], interval=["rounding", "none"])
    zones["n"], zones["denominator"] = [12.0, 777.0], [2068.0, 888.0]
    made = explore(zones)
    lines = {q["code"]: {label: plain(text) for label, text in q["lines"]} for q in data_of(made)["quarters"]}
    assert lines["QP034000"] == {
        "Commune": "Béziers",
        "Valeur (2019)": "30,0 %",
        "Statut": "observé",
        "Intervalle": "28,0 – 33,0 % (bornes de l'arrondi)",
        "Effectif": "12 sur 2 068",
        "Source": "Insee, DGFiP, Cnaf, Cnav, CCMSA (Filosofi), 2019",
    }
    assert set(lines["QP034001"]) == {"Commune", "Statut", "Source"}
    assert lines["QP034001"]["Statut"] == "secret statistique"
    own = made.html.replace(page._file("explore.css"), "")
    assert "777" not in json.dumps(data_of(made)["quarters"]) and ">888<" not in own
    assert not {"value", "lower", "upper", "n", "denominator"} & set(sources_of(made)["quarters"])


def test_a_value_without_bounds_says_that_none_is_published():
    (quarter,) = data_of(explore(quarters([30.0])))["quarters"]
    said = {label: plain(text) for label, text in quarter["lines"]}
    assert said["Intervalle"] == said["Effectif"] == "absent du fichier"


def test_hostile_names_are_text_everywhere():
    zones = quarters([30.0, 40.0], name=[HOSTILE, "L'Épine \u2028 & <i>Cœur</i> $$x$$"], commune_names=HOSTILE)
    place = Territory("commune", "34032", HOSTILE)
    made = explore(zones, place=place)
    read = Page(made.html)
    assert len(read.all(tag="script")) == 3 and not read.all(tag="img") and not read.all(tag="i")
    names = [e["text"] for e in read.all(tag="span", class_="name")]
    assert HOSTILE in names
    assert {q["name"] for q in data_of(made)["quarters"]} >= {HOSTILE}
    inner = Page(Page(made._repr_html_()).one(tag="iframe")["srcdoc"])
    assert len(inner.all(tag="script")) == 3 and not inner.all(tag="img")
    assert not re.search(r'"\$\$', read.one(id="qpv-data")["text"].split('"quarters"')[0])


def test_the_page_may_fetch_nothing_and_runs_two_scripts_only():
    made = explore(quarters([30.0]))
    read = Page(made.html)
    policy = next(e for e in read.all(tag="meta") if e.get("http-equiv"))["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and "connect-src" not in rules and "unsafe-eval" not in policy
    assert rules["img-src"] == "data: blob:" and rules["font-src"] == "data:"
    assert "unsafe-inline" not in rules["script-src"]
    assert not [e for e in read.elements if {"src", "href", "srcset", "action", "onload", "onclick"} & set(e)]
    assert not re.search(r"url\(|@import", page._file("explore.css"))
    # the fingerprints in the policy are those of the scripts as they stand in the page
    bodies = re.findall(r"<script>(.*?)</script>", made.html, flags=re.S)
    assert [page._fingerprint(body) for body in bodies] == rules["script-src"].split()
    assert "Bokeh" in bodies[0][:2000] or "bokeh" in bodies[0][:2000]


def test_the_list_is_reachable_and_searchable():
    zones = quarters(
        [30.0, 40.0, 50.0], name=["Île Saint-Étienne", "Cœur", "Zup"], commune_names=["Sète", "Agde", "Agde"]
    )
    read = Page(explore(zones).html)
    items = read.all(tag="button", class_="qpv-item")
    assert [item["tabindex"] for item in items] == ["0", "-1", "-1"]
    assert [plain(item["text"]).split()[0] for item in items] == ["Cœur", "Zup", "Île"]
    assert items[2]["data-key"] == "ile saint etienne sete qp034000"
    assert read.one(id="qpv-search")["type"] == "search"
    assert [e for e in read.all(tag="label") if e.get("for") == "qpv-search"]
    assert read.one(id="qpv-list")["tag"] == "ul" and read.one(tag="html")["lang"] == "fr"


def test_notes_and_sources_are_in_the_page():
    zones = quarters([30.0, 40.0, np.nan])
    zones.loc[[1], "geometry"] = None
    made = explore(zones, lang="en")
    read = Page(made.html)
    footer = plain(read.one(tag="footer")["text"])
    assert "QPV with a value: 2/3." in footer and "in the list only: 1." in footer
    assert "Source: Insee" in footer and "Licence Ouverte 2.0" in footer and "Outlines: ANCT" in footer
    lines = {q["code"]: q for q in data_of(made)["quarters"]}
    assert lines["QP034001"]["box"] is None and lines["QP034001"]["layer"] == ""
    assert ["", "Outline not read: not on the map."] in lines["QP034001"]["lines"]
    assert (
        plain(read.one(tag="h1")["text"]) == RATE.label["en"].replace(" %", "%") == plain(read.one(tag="title")["text"])
    )


def test_estimates_are_named_in_the_title():
    made = explore(quarters([30.0, 40.0], ["estimated"] * 2))
    assert "estimation, non mesurée" in made.title
    assert "estimé, non mesuré" in [
        t for q in data_of(made)["quarters"] for label, t in q["lines"] if label == "Statut"
    ]


def test_all_suppressed_single_and_very_long_names():
    made = explore(quarters([np.nan] * 3))
    assert legend_of(made) == ["secret statistique : 3 QPV"]
    long = "Cité " * 200
    made = explore(quarters([42.0], name=[long]), place=Territory("qpv", "QP034000", long))
    assert legend_of(made) == ["42,0 % : 1 QPV"]


def test_breaks_are_shared_and_checked():
    first, second = quarters([30.0, 40.0]), quarters([35.0, 50.0])
    shared = [30.0, 40.0, 50.0]
    texts = [[t.split(" : ")[0] for t in legend_of(explore(zones, breaks=shared))] for zones in (first, second)]
    assert texts[0] == texts[1] == ["30,0 à 40,0 %", "40,1 à 50,0 %"]
    with pytest.raises(ComparabilityError, match="outside the breaks"):
        explore(second, breaks=[30.0, 40.0])


def test_overseas_quarters_of_a_national_map_lie_in_their_own_box():
    departments = gpd.GeoDataFrame({"geo_code": ["34"], "name": ["Hérault"]}, geometry=[box(-1, 43, 6, 48)], crs=4326)
    island = quarters([50.0, np.nan], department="974").set_geometry(
        [box(55.40, -21.27, 55.41, -21.26), box(55.50, -21.0, 55.51, -20.99)], crs=4326
    )
    zones = pd.concat([quarters([30.0, 40.0]), island], ignore_index=True)
    placed = plane.place_quarters(zones, {"department": departments}, None, national=True)
    (frame,) = placed.frames
    inside = placed.quarters[placed.quarters["geo_code"].str.startswith("QP974")]
    assert inside.within(box(*frame)).all()
    assert not placed.quarters.drop(inside.index).intersects(box(*frame)).any()
    # same scale in both directions: 0.1° of longitude and 0.27° of latitude apart, at 21° south
    apart = inside.geometry.centroid.iloc[1], inside.geometry.centroid.iloc[0]
    ratio = (apart[0].y - apart[1].y) / (apart[0].x - apart[1].x)
    assert ratio == pytest.approx(0.27 * 110.7 / (0.1 * 103.9), rel=0.05)
    made = interactive.explore_zones(
        zones, RATE, geo_vintage=2015, year=2019, background={"department": departments}, sources=["x@1"]
    )
    assert "la barre d'échelle vaut pour la métropole" in made.html.replace("&#39;", "'")


def test_saved_page_is_the_page(tmp_path):
    made = explore(quarters([30.0]))
    path = made.save(tmp_path / "a" / "carte.html")
    assert path.read_text("utf-8") == made.html
    assert [file.name for file in path.parent.iterdir()] == ["carte.html"]
    with pytest.raises(UnknownNameError, match=r"\.html"):
        made.save(tmp_path / "carte.png")
    with pytest.raises(StoreError, match="cannot be written"):
        made.save(path / "under" / "carte.html")
    frame = Page(made._repr_html_()).one(tag="iframe")
    assert frame["srcdoc"] == made.html and frame["sandbox"] == "allow-scripts"
    assert html.unescape(frame["title"]) == made.title
    assert len(repr(made)) < 300


def test_frames_that_cannot_be_drawn_are_told():
    with pytest.raises(SchemaError, match="missing: commune_names"):
        explore(quarters([30.0]).drop(columns="commune_names"))
    with pytest.raises(SchemaError, match="one row a QPV"):
        explore(pd.concat([quarters([30.0])] * 2, ignore_index=True))


def test_without_the_extra_the_message_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "bokeh.embed", None)
    with pytest.raises(ImportError, match=r"pip install 'qpv-sante\[interactive\]'"):
        explore(quarters([30.0]))


def test_the_reader_chooses_among_indicators_of_their_own_years():
    asked = {"poverty_rate": 2019, "c2s_share": 2022}
    made = qs.explore_map(list(asked), geo_vintage=2015, year=asked, territory="Béziers")
    read, data = Page(made.html), data_of(made)
    options = [plain(option["text"]) for option in read.all(tag="option")]
    assert options == [plain(style.typography(catalogue().indicator(name).label["fr"])) for name in asked]
    (other,) = data["others"]
    assert "2019" in plain(read.one(id="qpv-subtitle")["text"]) and "2022" in other["subtitle"]
    rates = qs.load_observations("c2s_share", geo_level="qpv", geo_vintage=2015, year=2022, territory="Béziers")
    rates = rates.set_index("geo_code")["value"]
    for quarter, said in zip(data["quarters"], other["quarters"], strict=True):
        value = style.format_number(rates[quarter["code"]], 1, symbol="%")
        assert said["value"] == value and ["Valeur (édition 2022)", value] in said["lines"]
        assert said["layer"] in data["looks"][1] and quarter["layer"] in data["looks"][0]
    shown = [("hidden" in e) for e in read.all(tag="div", class_="qpv-legend")]
    assert shown == [False, True]


def test_one_quarter_is_said_in_the_singular():
    assert data_of(explore(quarters([42.0])))["words"]["count_one"] == "1 quartier sur {total}"
    assert data_of(explore(quarters([42.0]), lang="en"))["words"]["count_one"] == "1 quarter of {total}"


def test_indicators_years_and_breaks_that_do_not_go_together():
    asked = {"geo_vintage": 2015, "territory": "Béziers"}
    two = ["poverty_rate", "c2s_share"]
    with pytest.raises(InvalidInputError, match=r"no year for c2s_share"):
        qs.explore_map(two, year={"poverty_rate": 2019}, **asked)
    with pytest.raises(InvalidInputError, match="each once"):
        qs.explore_map(["poverty_rate"] * 2, year=2019, **asked)
    with pytest.raises(InvalidInputError, match="are a mapping"):
        qs.explore_map(two, year={"poverty_rate": 2019, "c2s_share": 2022}, breaks=[0.0, 50.0, 100.0], **asked)
    with pytest.raises(SchemaError, match="the same QPV in every layer"):
        explore(quarters([30.0]), others=[interactive.Layer(quarters([30.0, 40.0]), RATE, 2018)])


def test_outlines_of_communes_and_practices_are_layers():
    made = qs.explore_map("poverty_rate", geo_vintage=2015, year=2019, territory="Montpellier", practices=True)
    read, data = Page(made.html), data_of(made)
    switches = {e["data-layer"] for e in read.all(tag="input", type="checkbox")}
    assert {"quarters", "outlines", "commune-outlines", "communes", "practices"} <= switches
    names = [practice["name"].partition(" (")[0] for practice in data["practices"]]
    assert sorted(names) == ["MSP Montpellier-Cévennes", "Quartier Santé"]
    west, south, east, north = data["home"]
    for practice in data["practices"]:
        assert west < practice["at"][0] < east and south < practice["at"][1] < north
        assert practice["name"] in plain(read.one(tag="footer")["text"])
    without = qs.explore_map("poverty_rate", geo_vintage=2024, year=2021, territory="Marseille", practices=True)
    assert "Aucune pratique citée" in plain(Page(without.html).one(tag="footer")["text"])
    assert "commune-outlines" not in {e["data-layer"] for e in Page(without.html).all(tag="input", type="checkbox")}


def test_a_region_of_the_store():
    made = qs.explore_map("poverty_rate", geo_vintage=2024, year=2021, territory="Occitanie")
    assert len(made.html.encode()) < 5_000_000
    counts = [int(text.split(" : ")[1].split()[0]) for text in legend_of(made) if "prudence" not in text]
    assert sum(counts) == len(data_of(made)["quarters"]) == 108
    hidden = [q for q in data_of(made)["quarters"] if q["layer"] == "suppressed"]
    assert len(hidden) == 3 and all("Valeur (2021)" not in dict(q["lines"]) for q in hidden)


def test_france_of_the_store_stays_under_five_megabytes():
    made = qs.explore_map("poverty_rate", geo_vintage=2024, year=2021)
    assert len(made.html.encode()) < 5_000_000
    assert len(data_of(made)["quarters"]) == 1584


def test_territories_without_quarters_or_values():
    with pytest.raises(UnavailableLevelError, match=r"Lozère.*no QPV of the 2015 zoning"):
        qs.explore_map("poverty_rate", geo_vintage=2015, year=2019, territory="Lozère")
    made = qs.explore_map("poverty_rate", geo_vintage=2024, year=2021, territory="region:04")
    assert legend_of(made) == ["non disponible : 57 QPV"]
    with pytest.raises(UnknownNameError, match="lang"):
        qs.explore_map("poverty_rate", geo_vintage=2024, year=2021, territory="Lille", lang="es")
