"""The neighbourhood sheet: what it prints is what was computed, whatever the quarter."""

import builtins
import html
import re
import types
from html.parser import HTMLParser

import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante.care import communes
from qpv_sante.care.communes import FACILITIES, together
from qpv_sante.errors import AmbiguousTerritoryError, StoreError, UnknownNameError
from qpv_sante.profiles import positions
from qpv_sante.report import pdf, supply
from qpv_sante.report.columns import _length, column_widths
from qpv_sante.report.page import Section, Table
from qpv_sante.territories import Territory

pytestmark = pytest.mark.usefixtures("one_build")


@pytest.fixture(scope="module")
def sheet():
    return qs.profile("QN03110M")


class _Page(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.headings, self.images, self.remote, self.scopes = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "img":
            self.images.append(given.get("alt"))
        if tag == "th":
            self.scopes.append(given.get("scope"))
        links = [value for name, value in attrs if name in ("src", "href") and value]
        self.remote += [value for value in links if not value.startswith(("data:", "#"))]


def _page(made):
    page = _Page()
    page.feed(made.html)
    return page


def _section(made, start):
    return next(one for one in made.sections if one.title.startswith(start))


def test_the_page_is_accessible_and_self_contained(sheet):
    page = _page(sheet)
    assert sheet.html.startswith('<!DOCTYPE html>\n<html lang="fr">')
    assert page.remote == []
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert max(page.headings) == 2
    assert len(page.images) == 2
    assert all(page.images)
    assert set(page.scopes) == {"row", "col"}
    assert page.tags.count("caption") == page.tags.count("table")
    assert {"header", "nav", "main", "footer"} <= set(page.tags)
    assert "@page" in sheet.html


def _contrast(one, other):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_texts_are_legible(sheet):
    style = sheet.html.partition("</style>")[0]
    colours = re.findall(r"[ ;{]color:\s*(#[0-9a-f]{3,6})", style)
    full = [colour if len(colour) == 7 else "#" + "".join(2 * one for one in colour[1:]) for colour in colours]
    assert len(full) >= 3
    assert min(_contrast(colour, "#ffffff") for colour in full) >= 4.5


def test_it_prints_the_numbers(sheet):
    frame = positions("QN03110M").set_index("indicator")
    rows = {row[0]: row for row in _section(sheet, "Le quartier et ce").table.rows}
    assert len(rows) == len(frame)
    poverty = frame.loc["poverty_rate"]
    printed = rows["Taux de pauvreté (%)"]
    assert printed[1] == "2021"
    assert printed[2].startswith(format(poverty["value"], ".1f").replace(".", ",") + "\u202f% (")
    assert printed[3].startswith(format(poverty["commune_value"], ".1f").replace(".", ",") + "\u202f% (")
    place = {row[0].partition(",")[0]: row for row in _section(sheet, "Sa place").table.rows}
    assert place["Taux de pauvreté"][5] == ("1er", "2e", "3e", "4e")[poverty["qpv_country_quartile"] - 1]
    printed = [row[0] for row in _section(sheet, "Les quartiers").table.rows]
    assert len(printed) >= 3
    near = qs.similar("QN03110M", len(printed))
    assert printed == [f"{row.rank}. {row.name} ({row.geo_code})" for row in near.itertuples(index=False)]


def test_health_is_kept_apart_and_sources_are_named(sheet):
    health = _section(sheet, "Santé")
    assert not any("Izards" in cell for row in health.table.rows for cell in row)
    assert "jamais un quartier" in health.notes[0]
    assert any("Filosofi" in line and "Licence Ouverte 2.0" in line for line in sheet.sources)
    # not published by QPV, and who says so
    assert "non publié (CREAI-ORS Occitanie le dit de ses profils de QPV)" in sheet.html


def test_what_is_suppressed_is_said_and_never_a_number():
    made = qs.profile("QN03101M", lang="en")
    missing = _section(made, "What is missing").table.rows
    assert len(missing) == 1
    assert missing[0][1] == "2021"
    assert missing[0][2].startswith("suppressed (secrecy): withheld")
    row = next(row for row in _section(made, "The quarter and").table.rows if row[0].startswith("Poverty"))
    assert row[2] == "–"
    assert not any("Poverty" in text for text in _section(made, "In short").findings)


def test_a_quarter_without_any_figure_has_a_page():
    made = qs.profile("QN98712M")
    assert made.title == "Hiupape (Faaa)"
    assert _section(made, "Les quartiers").table is None
    assert "indicateurs lus pour ce quartier, 0 sur les" in _section(made, "Les quartiers").notes[0]
    assert len(_section(made, "Ce qui manque").table.rows) == 5
    assert any("Aucun taux" in text for text in _section(made, "En bref").findings)


def test_an_older_value_is_shown_with_its_year_where_the_newest_is_missing():
    made = qs.profile("QP974001")
    missing = {row[0].partition(" (")[0]: row for row in _section(made, "Ce qui manque").table.rows}
    employment = missing["Taux d'emploi des 15-64 ans"]
    assert employment[2].startswith("secret statistique")
    assert employment[3:] == ["40,7\u202f% en 2021", "–"]
    brief = _section(made, "En bref").findings
    assert any("dernière valeur lue" in text and "40,7\u202f% en 2021" in text for text in brief)
    # of poverty the best covered year is taken, and 2019 has a value where 2021 has none
    assert any(
        text.startswith("Taux de pauvreté (2019) : 57,1") for text in (one.replace("\u00a0", " ") for one in brief)
    )


def test_surroundings_without_a_value_say_what_is_read():
    """Bounds with the share of the people, else whether it is not published or not read: no bare dash for a rate."""
    rows = {row[0].partition(" (")[0]: row for row in _section(qs.profile("QP034003"), "Le quartier et ce").table.rows}
    assert rows["Taux de pauvreté"][5].endswith("(70\u202f% des habitants)")
    assert rows["Taux de pauvreté"][6] == "lu pour 72\u202f% des habitants"
    assert rows["Couverture C2S"][3:7] == ["non lu"] * 4
    assert rows["Population"][3:7] == ["–"] * 4
    assert not any("–" in cell for name, row in rows.items() for cell in row[3:7] if "%" in row[0])


def test_a_quarter_without_outline_has_a_page():
    made = qs.profile("QP971006")
    assert _section(made, "Dans sa commune").figures == []
    assert "Contour non lu" in _section(made, "Dans sa commune").notes[0]


# What asks for most room: five communes and long names; nine figures withheld and four communes; many QPV on the map
WORST = ("QP059021", "QP093014", "QP013045")


@pytest.fixture(scope="module")
def worst():
    return {code: qs.profile(code) for code in WORST}


def _pages(path):
    return len(re.findall(rb"/Type\s*/Page\b", path.read_bytes()))


@pytest.mark.parametrize("code", WORST)
def test_the_pdf_holds_on_two_pages(code, worst, tmp_path):
    pytest.importorskip("typst")
    made = worst[code]
    assert made.pages == 2
    assert _pages(made.save(tmp_path / "sheet.pdf")) == 2


def test_what_paper_leaves_out_is_said_and_is_on_the_page(worst):
    made = worst["QP059021"]
    care = _section(made, "Offre de soins")
    figures = [[] for _ in made.sections]
    whole, cut = (pdf._data(made, figures, pdf.Fit(6.7, True, part)) for part in (0.0, 1.0))
    rows = len(care.table.rows)
    assert rows == 2 + len(FACILITIES), "the quarter's, then each kind in its five communes together"
    place = made.sections.index(care)
    assert len(whole["sections"][place]["table"]["rows"]) == rows
    kept = cut["sections"][place]["table"]["rows"]
    assert len(kept) == care.least_rows
    assert {row[0] for row in kept} == {row[0] for row in care.table.rows}, "one row of each kind at least"
    assert cut["sections"][place]["notes"][0].startswith(f"Faute de place, {len(kept)} lignes sur {rows}")
    assert whole["sections"][place]["notes"] == care.notes
    values = made.sections.index(_section(made, "Le quartier et ce"))
    assert cut["sections"][values] == whole["sections"][values], "figures of the quarter are never cut"
    page = html.unescape(made.html)
    assert all(cell in page for row in care.table.rows for cell in row)


def test_a_table_that_is_too_wide_is_set_smaller():
    wide = Table("", ["x" * 60, "y" * 60], [["a", "b"]])
    held = pdf._table(Section("", table=wide), pdf.Fit(8.6), compact=False)
    room = 510 / (0.9 * 8.6)
    assert held["scale"] == pytest.approx(room / sum(held["widths"]))
    assert held["scale"] < 1
    assert pdf._table(Section("", table=Table("", ["x"], [["a"]])), pdf.Fit(8.6), compact=False)["scale"] == 1


@pytest.mark.parametrize("code", WORST)
def test_columns_have_room_for_their_words(code, worst):
    for section in worst[code].sections:
        if section.table is None:
            continue
        widths = column_widths(section.table, 527 / (0.9 * 6.7))
        assert sum(widths) <= 527 / (0.9 * 6.7) + 1e-6
        for position, width in enumerate(widths):
            words = [word for row in section.table.rows for word in row[position].split(" ")]
            assert max(map(_length, words)) <= width


def test_texts_are_never_markup(sheet, tmp_path):
    pytest.importorskip("typst")
    from dataclasses import replace

    wild = replace(sheet, title='L\'îlot <b>#panic("x")</b> $a$ *é* & œ', sections=sheet.sections[-1:])
    assert "<b>" not in wild.html
    assert html.escape(wild.title, quote=False).replace('"', "&#34;").replace("'", "&#39;") in wild.html
    assert wild.save(tmp_path / "wild.pdf").stat().st_size > 1000


def test_without_the_extra_the_error_says_what_to_install(sheet, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "typst":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StoreError, match=r"qpv-sante\[pdf\].*save the page as \.html"):
        sheet.save(tmp_path / "sheet.pdf")
    assert not (tmp_path / "sheet.pdf").exists()
    assert sheet.save(tmp_path / "sheet.html").stat().st_size > 10_000


def test_errors(sheet, tmp_path):
    with pytest.raises(UnknownNameError, match="unknown suffix"):
        sheet.save(tmp_path / "sheet.docx")
    with pytest.raises(AmbiguousTerritoryError, match="QP034003"):
        qs.profile("Devèze, Béziers")
    with pytest.raises(UnknownNameError, match="QP0340"):
        qs.profile("QP034999")
    with pytest.raises(StoreError, match="cannot be written"):
        (tmp_path / "file").write_text("x")
        sheet.save(tmp_path / "file" / "sheet.html")


def test_it_shows_in_notebooks_and_in_a_terminal(sheet):
    assert sheet._repr_html_().startswith("<iframe title=")
    lines = str(sheet).split("\n")
    assert repr(sheet) == str(sheet)
    assert lines[0] == "Izards – 3 Cocus – La Vache (Toulouse)"
    assert len(lines) < 40
    assert max(map(len, lines)) <= 100
    titles = [re.sub(r"^\d+\. | \(.*\)$", "", line) for line in lines if re.match(r"\d+\. ", line)]
    assert titles == [section.title for section in sheet.sections]
    assert f"   - {_section(sheet, 'En bref').findings[0]}" in lines
    assert lines[-1].startswith(f"{len(sheet.sources)} sources")


def _supply(**changed):
    row = {"geo_level": "qpv", "geo_code": "QP034003", "name": "Devèze", "indicator": "health_houses",
           "label": "Maisons ou centres",
           "distance_m": 500.0, "value": 2.0, "lower": 1.0, "upper": 3.0, "density": 5.1, "density_lower": 0.1,
           "density_upper": 22.0, "year": 2024, "flag": "observed", "source": "insee_filosofi_qpv@2021",
           "note": "une note"}  # fmt: skip
    return pd.DataFrame([row | changed])


def test_communes_are_taken_together_by_kind(worst):
    care = _section(worst["QP059021"], "Offre de soins")
    assert care.table.caption.endswith("Anzin, Beuvrages, Bruay-sur-l'Escaut, Raismes et Valenciennes")
    assert care.table.header[5] == "Ses 5 communes réunies"
    counts = qs.care.care_supply("qpv:QP059021", geo_vintage=2015)
    nurses = counts[(counts["geo_level"] == "commune") & (counts["indicator"] == "nurses")]
    row = next(row for row in care.table.rows if row[0] == "Infirmiers")
    assert row[5] == f"{nurses['value'].sum():.0f}"
    density = 1e4 * nurses["value"].sum() / nurses["population"].sum()
    assert row[6].startswith(f"{density:.1f} (".replace(".", ","))


def test_a_commune_that_the_base_does_not_know_is_left_out_with_its_people():
    supply_of = qs.care.care_supply("qpv:QP059021", geo_vintage=2015)
    rows = supply_of[(supply_of["geo_level"] == "commune") & (supply_of["indicator"] == "nurses")].copy()
    rows.iloc[0, rows.columns.get_indexer(["value", "flag", "note"])] = [float("nan"), "unavailable", "absente"]
    (one,) = together(rows, "Ensemble").to_dict("records")
    assert one["flag"] == "unreliable"
    assert (one["value"], one["population"]) == tuple(rows.iloc[1:][["value", "population"]].sum())
    assert one["note"] == "absente"
    (none,) = together(rows.iloc[:1], "Ensemble").to_dict("records")
    assert none["flag"] == "unavailable"
    assert pd.isna(none["value"])


def test_counts_are_made_once_in_a_block_and_are_the_callers_own(monkeypatch):
    made, counted = [], communes.commune_counts
    monkeypatch.setattr(communes, "commune_counts", lambda *tables: made.append(1) or counted(*tables))
    for kind in (*FACILITIES, *FACILITIES):
        communes.load_commune_counts(kind)
    assert len(made) <= len(FACILITIES), "other tests of this block may have asked before"
    given = communes.load_commune_counts("nurses")
    given["value"] = 0.0
    assert communes.load_commune_counts("nurses")["value"].sum() > 0, "what is given may be changed"


def test_care_supply_has_its_section_when_there_is_some(monkeypatch):
    place = Territory("qpv", "QP034003", "Devèze")
    answers = {"frame": _supply()}
    fake = types.SimpleNamespace(care_supply=lambda scope, geo_vintage, lang: answers["frame"])
    monkeypatch.setattr(supply, "care", fake)
    section, cited = supply.care_section(place, 2015, "fr")
    assert section.table.header[2] == "À moins de 500\u202fm"
    assert section.table.rows[0][:3] == ["Maisons ou centres", "2024", "2 (1\u00a0à\u00a03)"]
    assert section.table.rows[0][-1] == "(1)"
    assert section.notes[1] == "(1) Une note."
    assert "Filosofi" in cited[0]
    answers["frame"] = _supply(value=float("nan"), flag="unavailable")
    assert supply.care_section(place, 2015, "fr") is None

    def never_built(scope, geo_vintage, lang):
        raise StoreError("never built")

    fake.care_supply = never_built
    assert supply.care_section(place, 2015, "fr") is None
