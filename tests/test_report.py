"""The territory report: what it says is what was computed, and the page needs nothing else."""

import html
import re
from dataclasses import replace
from html.parser import HTMLParser

import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante.errors import ComparabilityError, UnavailableLevelError, UnknownNameError
from qpv_sante.loading import gazetteer
from qpv_sante.report import findings, gap_table
from qpv_sante.report.imported import imported_section


@pytest.fixture(scope="module")
def herault():
    return qs.report("Hérault")


class _Outline(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.alts, self.remote = [], [], []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        if tag == "img":
            self.alts.append(given.get("alt", ""))
        self.remote += [v for n, v in attrs if n in ("src", "href") and v and not v.startswith(("data:", "#"))]


def test_the_page_is_self_contained_and_structured(herault):
    page = _Outline()
    page.feed(herault.html)
    assert page.remote == []
    assert page.tags.count("h1") == 1
    assert page.tags.count("h2") == len(herault.sections) + 1, "one a section, and the sources"
    assert page.tags.count("caption") == sum(section.table is not None for section in herault.sections)
    assert page.alts
    assert all(page.alts)


def test_it_names_its_territory_zoning_sources_and_licence(herault):
    assert "Hérault" in herault.title
    assert herault.lead.startswith("22 quartiers prioritaires")
    assert any("Filosofi" in line and "Licence Ouverte 2.0" in line for line in herault.sources)
    assert "aucune valeur régionale n'est reportée" in herault.html.replace("&#39;", "'")


def test_findings_are_the_numbers(herault):
    asked = {"geo_vintage": 2015, "year": 2019, "territory": "Hérault"}
    whole = qs.compare("poverty_rate", by=None, **asked)
    gaps = qs.compare("poverty_rate", by="commune", **asked)
    said = findings(gaps, whole)
    value = format(whole["qpv_value"].iloc[0], ".1f").replace(".", ",")
    assert f"{value}\u202f%" in said[0]
    assert "22/22 QPV" in said[0]
    highest = gaps.loc[gaps["difference"].idxmax(), "territory"]
    assert said[1].endswith(f"({highest}).")
    assert not re.search(r"\b(car|parce|cause|grâce|dû)\b", " ".join(said)), "a finding compares, it does not explain"


def test_missing_values_are_dashes_with_their_status():
    gaps = qs.compare("poverty_rate", geo_vintage=2015, year=2019)
    table = gap_table(gaps)
    row = next(row for row in table.rows if row[0] == "Guyane")
    assert row[1] == "–"
    assert row[-1] == "non disponible"
    assert row[-2] == "0/32"


def test_english(tmp_path):
    made = qs.report("Béziers", geo_vintage=2024, lang="en")
    assert made.title == "Priority neighbourhoods: Béziers"
    path = made.save(tmp_path / "deep" / "report.html")
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_labels_are_escaped(herault):
    gaps = qs.compare("poverty_rate", geo_vintage=2015, year=2019, by="qpv", territory="Béziers")
    table = gap_table(gaps.assign(territory="<script>x</script>"))
    made = replace(herault, sections=[replace(herault.sections[0], table=table)])
    assert "<script>" not in made.html
    assert "&lt;script&gt;x" in made.html


def test_errors(tmp_path, herault):
    with pytest.raises(UnknownNameError, match="unknown suffix"):
        herault.save(tmp_path / "report.docx")
    with pytest.raises(UnavailableLevelError, match="No QPV zoning of 2020"):
        qs.report("Hérault", geo_vintage=2020)
    with pytest.raises(UnavailableLevelError, match=r"Lozère.*nothing to compare.*pass geo_vintage=2024"):
        qs.report("Lozère", geo_vintage=2015)
    with pytest.raises(UnavailableLevelError, match=r"Florac.*nothing to compare.*larger territory"):
        qs.report("commune:48061", geo_vintage=2015)


def test_the_code_of_a_quarter_says_its_zoning():
    page = qs.report("QN03403M")
    assert "2024" in page.lead
    with pytest.raises(ComparabilityError, match="QN03403M is a QPV of 2024, not of 2015"):
        qs.report("QN03403M", geo_vintage=2015)


def test_rich_display_is_framed(herault):
    assert herault._repr_html_().startswith("<iframe")
    assert isinstance(qs.describe("poverty_rate")._repr_html_(), str)
    assert isinstance(qs.list_indicators(), pd.DataFrame)


def test_imported_figures_have_their_section_with_the_notice(tmp_path, monkeypatch, herault):
    assert "Chiffres importés" not in [section.title for section in herault.sections]
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    notice = "convention ORS 2024, usage interne"
    path = tmp_path / "figures.csv"
    path.write_text("geo_code;value;denominator\nQP034001;14,2;8000\nQP034002;s;\n", encoding="utf-8")
    measure = {"label": "Part en ALD (ORS)", "unit": "%", "kind": "rate", "definition": "ALD."}
    declared = {"title": "ALD", "producer": "ORS", "licence": "restricted", "restriction": notice, "year": 2023}
    declared |= {"geo_level": "qpv", "geo_vintage": 2015, "secrecy": {"threshold": 11}}
    qs.import_observations(path, source="ors", metadata={**declared, "indicator": {"ors_ald_share": measure}})
    made = qs.report("Béziers")
    section = made.sections[-1]
    assert section.title == "Chiffres importés"
    value, secret = section.table.rows
    assert value[:2] == ["Part en ALD (ORS)", "Centre Ville (QP034001)"]
    assert value[2].startswith("14,2")
    assert value[4:] == ["observé", "2023", "ors@2023"]
    assert secret[2:5] == ["–", "–", "secret statistique"]
    assert any(notice in note for note in section.notes)
    assert any(notice in line for line in made.sources)
    for zoning, place in ((2015, "Lille"), (2024, "Béziers")):
        assert imported_section(zoning, gazetteer().resolve(place), "fr") is None


def test_ranking_and_inequality_are_the_numbers(herault):
    titles = [section.title for section in herault.sections]
    ranked = next(section for section in herault.sections if section.title.startswith("QPV par ordre"))
    expected = qs.rank("c2s_share", geo_vintage=2015, year=2022, territory="Hérault", level=0.95)
    known = expected.dropna(subset=["rank"])
    assert len(ranked.table.rows) == min(30, len(known))
    assert ranked.table.rows[0][1] == f"{known['name'].iloc[0]} ({known['geo_code'].iloc[0]})"
    doubtful = int((known["rank_lower"] < known["rank_upper"]).to_numpy().argmax())
    low, high = (f"{known[name].iloc[doubtful]:.0f}" for name in ("rank_lower", "rank_upper"))
    assert ranked.table.rows[doubtful][5] == f"{low}\u00a0à\u00a0{high}"
    assert any("rangs possibles" in note for note in ranked.notes)
    unequal = next(section for section in herault.sections if section.title.startswith("Inégalités"))
    summary = qs.summarize_inequality("c2s_share", geo_vintage=2015, year=2022, territory="Hérault", measures=["d"])
    assert unequal.table.rows[0][1] == format(summary.loc["d", "value"], ".1f").replace(".", ",")
    assert titles.index(ranked.title) < titles.index(unequal.title)


def test_health_is_at_its_own_level(herault):
    section = next(one for one in herault.sections if one.title == "Santé : ce qui est publié autour")
    depression = section.table.rows[0]
    assert depression[2] == "Occitanie (région)"
    assert depression[3] == "17,7\u202f%"
    assert {row[2] for row in section.table.rows[1:]} == {"Hérault (département)"}
    assert "jamais un quartier" in section.notes[0]


def test_a_territory_without_outlines_has_its_report():
    made = qs.report("region:04")
    section = next(one for one in made.sections if one.title.startswith("Carte"))
    assert section.figures == []
    assert "Contours non lus" in section.notes[0]


def test_a_report_saves_as_pdf_the_same_each_time(tmp_path, herault):
    pytest.importorskip("typst")
    first = herault.save(tmp_path / "a.pdf").read_bytes()
    assert first.startswith(b"%PDF-")
    assert first == herault.save(tmp_path / "b.pdf").read_bytes()


def test_a_part_is_found_by_the_beginning_of_its_title_and_shows_in_a_notebook(herault):
    part = herault.section("précarité")
    assert part.title.startswith("Précarité")
    shown = html.unescape(part._repr_html_())
    assert shown.count("<caption>") == 1
    assert [cell for row in part.table.rows for cell in row if cell not in shown] == []
    assert [note for note in part.notes if note not in shown] == []
    assert "<h2" not in shown, "the notebook has its own titles"


def test_a_part_that_is_not_there_is_an_error_or_says_so(herault):
    with pytest.raises(UnknownNameError, match=r"Its parts: .*\| Précarité"):
        herault.section("Precarité")
    with pytest.raises(UnknownNameError, match="parts begin with"):
        herault.section("Santé")
    absent = herault.section("La diapositive de demain", required=False)
    assert absent.table is None
    assert "n'a pas de partie" in absent.notes[0]
