"""Diagnoses of the documents' territories: findings by rules, references of the teams, levels kept apart."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante import findings as rules
from qpv_sante.errors import AmbiguousTerritoryError, ComparabilityError, UnavailableLevelError, UnknownNameError
from qpv_sante.loading import gazetteer
from qpv_sante.report import sections, supply
from qpv_sante.report.facts import FACT_COLUMNS, facts_of, references_of, remembering, rows_of
from qpv_sante.report.practices import practices_of

pytestmark = pytest.mark.usefixtures("one_build")

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "06_diagnostic_territoire.ipynb"
OTHERS = ("biterrois", "grande-synthe", "lille-sud", "montpellier", "toulouse", "bron")
# words that would make a cause of a gap, in both languages
CAUSAL = re.compile(
    r"\b(car|parce|causes?|causée?s?|dues?|dû|grâce|expliqu\w+|provoqu\w+|entraîn\w+|conséquences?|en raison|donc|"
    r"effets?|impact\w*|because|caused?|causes|due to|leads? to|results? in|effects?|explains?|explained|therefore)\b",
    re.IGNORECASE,
)


def _fact(**changes):
    """One comparison in one row: 40 % in QPV, 20 % around, bounds of 1 point each."""
    base = dict.fromkeys(FACT_COLUMNS, np.nan)
    base |= {"part": "surroundings", "indicator": "poverty_rate", "label": "Pauvreté", "kind": "rate", "unit": "%"}
    base |= {"year": 2019, "year_label": "2019", "reference": "commune", "reference_label": "communes"}
    base |= {"value": 40.0, "lower": 39.0, "upper": 41.0}
    base |= {"reference_value": 20.0, "reference_lower": 19.0, "reference_upper": 21.0}
    base |= {"difference": 20.0, "difference_lower": 18.0, "difference_upper": 22.0}
    base |= {"ratio": 2.0, "ratio_lower": 39 / 21, "ratio_upper": 41 / 19}
    base |= {"interval": "rounding", "n_used": 3, "n_total": 3, "n_unreliable": 0}
    return base | {"flag": "observed", "reference_flag": "observed", "note": ""} | changes


def _said(*facts):
    found, undecided = rules.findings_of(pd.DataFrame(list(facts), columns=list(FACT_COLUMNS)))
    return found, undecided


def _plain(text):
    return text.replace("\u202f", " ").replace("\u00a0", " ")


def test_a_finding_is_the_numbers():
    (one,), undecided = _said(_fact())
    assert _plain(one.text) == (
        "Pauvreté, 2019 : 40,0 % dans les QPV, contre 20,0 % (communes), soit +20,0 points (de +18,0 à +22,0), "
        "2,0 fois la référence."
    )
    assert (one.direction, one.reliable, undecided) == (1, True, [])
    assert one.size == pytest.approx(39 / 21)


def test_no_finding_where_the_bounds_allow_no_direction():
    crossing = _fact(difference_lower=-0.5, ratio_lower=0.98)
    assert _said(crossing) == ([], ["Pauvreté"])
    unknown = _fact(difference=np.nan, difference_lower=np.nan, difference_upper=np.nan)
    assert _said(unknown) == ([], ["Pauvreté"])
    # a direction, but perhaps less than a point
    slight = _fact(difference=1.5, difference_lower=0.9, difference_upper=2.0, ratio_lower=1.03)
    assert _said(slight) == ([], ["Pauvreté"])


def test_bounds_alone_give_a_direction_and_no_value():
    (one,), _ = _said(_fact(reference_value=np.nan, difference=np.nan, ratio=np.nan, interval="secrecy"))
    text = _plain(one.text)
    assert "au moins 18,0 points au-dessus de la référence (communes), connue seulement entre 19,0 % et 21,0 %" in text
    assert not one.reliable
    assert "À interpréter avec prudence" in text


def test_the_other_reference_speaks_where_the_first_cannot():
    first = _fact(difference_lower=-1.0)
    (one,), undecided = _said(first, _fact(reference="region", reference_label="région"))
    assert (one.reference, undecided) == ("region", [])


def test_the_largest_gaps_come_first_whatever_their_unit():
    small = _fact(indicator="rsa_recipient_share", label="RSA", ratio_lower=1.2)
    euros = _fact(
        indicator="median_standard_of_living",
        label="Niveau de vie",
        kind="median",
        unit="€ par an",
        difference=-8000.0,
        difference_lower=-8010.0,
        difference_upper=-7990.0,
        ratio=0.4,
        ratio_lower=0.39,
        ratio_upper=0.4,
    )
    found, _ = _said(small, euros, _fact())
    assert [one.indicator for one in found] == [
        "median_standard_of_living",  # 1 / 0.4 = 2.5 times
        "poverty_rate",  # 39 / 21 = 1.86 times
        "rsa_recipient_share",
    ]
    assert found[0].direction == -1


def test_several_medians_need_one_side():
    several = {"kind": "median", "unit": "€ par an", "indicator": "median_standard_of_living", "label": "Médiane"}
    several |= {"least": 9000.0, "most": 16000.0, "below": 3, "above": 0, "nearest_ratio": 0.8}
    several |= {"difference": np.nan, "difference_lower": np.nan, "difference_upper": np.nan}
    (one,), _ = _said(_fact(**several, reference_value=20000.0))
    assert "les 3 quartiers sont au-dessous de 20 000 €" in _plain(one.text)
    mixed = _fact(**{**several, "below": 2, "above": 1, "nearest_ratio": np.nan})
    assert _said(mixed) == ([], ["Médiane"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"flag": "unreliable"}, "fragile"),
        ({"n_unreliable": 2}, "2 QPV au chiffre fragile"),
        ({"n_used": 2, "n_total": 3}, "1 QPV sans valeur"),
    ],
)
def test_what_is_doubtful_is_marked(changes, said):
    (one,), _ = _said(_fact(**changes))
    assert not one.reliable
    assert said in _plain(one.text)


def test_half_a_page():
    many = [_fact(indicator=f"poverty_rate{i}", label=f"I{i}") for i in range(12)]
    frame = pd.DataFrame(many, columns=list(FACT_COLUMNS)).assign(indicator="poverty_rate")
    frame["indicator"] = list(qs.list_indicators()["id"][:12])
    said = rules.half_page(frame)
    assert len(said) == rules.MOST + 1
    assert said[-1].startswith("3 autres")
    nothing = rules.half_page(pd.DataFrame([_fact(difference_lower=-1.0)], columns=list(FACT_COLUMNS)))
    assert nothing[0].startswith("Aucun écart")


def test_references_of_teams():
    places = gazetteer()
    assert references_of("poverty_rate", places.resolve("occitanie")) == (
        *("rest_of_commune", "commune", "region"),
        "country",
    )
    lille = places.resolve("lille-poles-ressources")
    assert references_of("poverty_rate", lille)[:2] == ("commune:59350", "rest_of_commune")
    corridor = places.resolve("corridor-minier-valenciennois")
    assert references_of("poverty_rate", corridor)[:2] == ("commune", "rest_of_commune")
    assert references_of("median_standard_of_living", places.resolve("occitanie")) == ("region", "country")
    assert references_of("poverty_rate", None) == ("rest_of_commune", "commune", "country")
    assert rows_of(places.resolve("corridor-minier-valenciennois")) == "commune"
    assert rows_of(places.resolve("biterrois")) == "qpv"
    assert rows_of(places.resolve("lille-poles-ressources")) == "qpv"
    assert rows_of(None) == "region"


def test_facts_are_comparisons_and_each_is_asked_once():
    calls = []

    def counted(indicator, **asked):
        calls.append((indicator, *sorted((name, str(value)) for name, value in asked.items())))
        return qs.compare(indicator, **asked)

    facts = facts_of(gazetteer().resolve("biterrois"), 2015, remembering(counted), "fr")
    assert len(calls) == len(set(calls))
    poverty = facts[(facts["indicator"] == "poverty_rate") & (facts["reference"] == "commune:34032")].iloc[0]
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=2019, by=None, territory="Béziers").iloc[0]
    assert (poverty["value"], poverty["reference_value"]) == (gap["qpv_value"], gap["reference_value"])
    assert poverty["reference_label"] == "Béziers, QPV compris"
    # the country is published for too few people: the row stays without a number
    far = facts[(facts["indicator"] == "poverty_rate") & (facts["reference"] == "country")].iloc[0]
    assert (far["reference_flag"], far["value"]) == ("unavailable", gap["qpv_value"])
    assert far[["reference_value", "reference_lower", "difference"]].isna().all()
    cover = facts[(facts["indicator"] == "c2s_share") & (facts["reference"] == "qpv_country")].iloc[0]
    asked = {"geo_vintage": 2015, "year": 2022, "reference": None, "by": None}
    own = qs.compare("c2s_share", territory="Béziers", **asked).iloc[0]
    others = qs.compare("c2s_share", **asked).iloc[0]
    assert cover["difference"] == pytest.approx(own["qpv_value"] - others["qpv_value"])
    assert cover["difference_lower"] == pytest.approx(own["qpv_lower"] - others["qpv_upper"])


@pytest.mark.parametrize(("vintage", "year"), [(2015, 2019), (2024, 2021)])
def test_a_city_is_itself_even_where_its_quarters_reach_into_others(vintage, year):
    # Secteur Sud lies in Lille and in three communes around it
    facts = facts_of(gazetteer().resolve("lille-sud"), vintage, qs.compare, "fr").set_index(["indicator", "reference"])
    row = facts.loc[("poverty_rate", "commune:59350")]
    published = qs.load_observations("poverty_rate", geo_level="commune", year=year, territory="Lille")
    assert row["reference_label"] == "Lille, QPV compris"
    assert row["reference_value"] == published.set_index("geo_code").loc["59350", "value"]
    rest = facts.loc[("poverty_rate", "rest_of_commune"), "reference_label"]
    assert rest == "hors QPV, mêmes communes (Faches-Thumesnil, Lezennes, Lille, Loos)"


def test_what_the_other_zoning_alone_tells_is_said():
    report = qs.report("grande-synthe", geo_vintage=2024)
    notes = " ".join(_section(report, "Qui y habite").notes)
    assert "Aucun fichier lu ne les donne pour les QPV de 2024" in _plain(notes)
    assert "moins de 25 ans" in notes
    assert "couverture C2S" in " ".join(_section(report, "Couverture").notes)
    assert "niveau de vie médian" in " ".join(_section(report, "Précarité").notes)
    assert "Édition" not in notes, "no figure of this table has the year of an edition"


def test_an_error_is_raised_again_without_asking():
    calls = []

    def refused(indicator, **asked):
        calls.append(indicator)
        raise UnavailableLevelError("no")

    compare = remembering(refused)
    for _ in range(2):
        with pytest.raises(UnavailableLevelError):
            compare("poverty_rate", year=2019)
    assert calls == ["poverty_rate"]


@pytest.fixture(scope="module")
def made():
    return {name: qs.report(name) for name in ("occitanie", "lille-poles-ressources", "corridor-minier-valenciennois")}


def _section(report, start):
    return next(one for one in report.sections if one.title.startswith(start))


# a unit, then what the sentence is held against, and a year or edition
NUMBERS = re.compile(r"(édition )?(19|20)\d\d|recensement 2010")


def _half_page(said):
    """Rules of writing: no cause, and no number without its unit, its year and its reference."""
    assert not [text for text in said if CAUSAL.search(text)]
    told = [text for text in said if not re.match("Aucun|Un autre|\\d+ autres", text)]
    assert told
    for text in told:
        plain = _plain(text)
        assert NUMBERS.search(plain.split(" : ")[0]), text
        assert re.search(r"\d (%|€)", plain), text
        assert re.search(
            r"contre [\d –-]+(,\d)? (%|€) \(.+\)|de la référence \(.+\)|au-dess(us|ous) de .+ \(.+\)", plain
        ), text
    # agreements and elisions that rules get wrong
    assert not [
        text for text in said if re.search(r"\b(de|le|que|se|ne) [AEIOUÉÈÊaeiouéèê]|\bde le\b|\bde les\b|\(s\)", text)
    ]


@pytest.mark.parametrize("name", ["occitanie", "lille-poles-ressources", "corridor-minier-valenciennois", *OTHERS])
def test_half_pages_of_the_zoning_of_2024(name):
    facts = facts_of(gazetteer().resolve(name), 2024, remembering(qs.compare), "fr")
    _half_page(rules.half_page(facts))


def _shape(report, name):
    """What every diagnosis holds."""
    titles = [section.title for section in report.sections]
    order = [
        "L'essentiel",
        "Qui y habite",
        "Précarité",
        "Couverture",
        "Santé",
        "Offre de soins",
        "Pratiques",
        "Ce que les",
    ]
    places = [next(i for i, title in enumerate(titles) if title.startswith(start)) for start in order]
    assert places == sorted(places), name
    said = [text for section in report.sections for text in section.findings]
    assert not [text for text in said if CAUSAL.search(text)], name
    essential = _section(report, "L'essentiel").findings
    assert 2 <= len(essential) <= rules.MOST + 2
    _half_page(essential)
    # health and care are apart: nothing of them among the findings on QPV
    assert not [text for text in essential if re.search("dépressi|santé perçue|généralistes|infirmiers", text)]
    assert all(
        row[2].endswith(("(région)", "(département)")) for row in _section(report, "Santé").table.rows if row[3] != "–"
    )


@pytest.mark.parametrize("name", ["occitanie", "lille-poles-ressources", "corridor-minier-valenciennois"])
def test_every_part_is_there(made, name):
    _shape(made[name], name)


@pytest.mark.parametrize("name", OTHERS)
def test_the_other_territories(name):
    report = qs.report(name)
    _shape(report, name)
    assert report.html.startswith("<!DOCTYPE html>")


def test_the_same_report_twice(made):
    again = qs.report("lille-poles-ressources")
    assert again.html == made["lille-poles-ressources"].html


def test_a_composite_territory_says_first_what_it_covers(made):
    first = made["lille-poles-ressources"].sections[0]
    assert first.title == "Ce que recouvre ce territoire"
    assert "Aucun des cinq quartiers" in first.findings[0]
    rows = {(row[0], row[1]): row[2:] for row in first.table.rows}
    assert [_plain(cell) for cell in rows["Fives", "Secteur Nord Est (QP059075)"]] == ["32 %", "97 %"]
    assert not [row for row in first.table.rows if "QN" in row[1]], "the other zoning"
    assert made["occitanie"].sections[0].title == "L'essentiel"
    corridor = made["corridor-minier-valenciennois"].sections[0]
    assert "Quatre communes sur les douze" in corridor.findings[0]


def test_the_corridor_is_shown_commune_by_commune(made):
    named = ["Condé-sur-l'Escaut", "Escautpont", "Quiévrechain", "Vieux-Condé"]
    report = made["corridor-minier-valenciennois"]
    assert [row[0] for row in _section(report, "Taux de pauvreté").table.rows] == named
    offered = {row[0] for row in _section(report, "Offre de soins").table.rows}
    assert offered == {*named, "Ces 4 communes réunies"}


def test_the_detail_holds_a_city_against_itself_as_the_summary_does(made):
    report = made["lille-poles-ressources"]
    detail = _section(report, "Taux de pauvreté")
    row = next(
        row
        for row in _section(report, "Précarité").table.rows
        if row[:1] + row[3:4] == ["Taux de pauvreté, 2019", "Lille, QPV compris"]
    )
    value = _plain(row[4]).partition(" %")[0]
    assert f"contre {value} % (Lille, QPV compris)" in _plain(detail.findings[0])
    assert {cells[3] for cells in detail.table.rows} == {value}
    assert detail.table.caption.endswith("référence\u00a0: Lille, QPV compris")


def test_a_city_whose_reference_is_withheld_has_its_report():
    report = qs.report("commune:59153")
    detail = _section(report, "Part des allocataires du RSA")
    assert {tuple(row[3:7]) for row in detail.table.rows} == {("–",) * 4}
    assert all(row[1] != "–" for row in detail.table.rows)
    assert "n'est lue que pour une part des habitants" in detail.notes[-1]
    row = next(row for row in _section(report, "Précarité").table.rows if row[0].startswith("RSA"))
    assert row[1] != "–"
    assert row[4] == "–"


def test_what_no_file_gives_for_a_department_names_it(made):
    rows = _section(made["lille-poles-ressources"], "Santé : ce qui").table.rows
    assert rows[-1][0] == "Traitements antidépresseurs"
    assert rows[-1][2:4] == ["Nord (département)", "–"]


def test_captions_do_not_repeat_the_title_of_their_part(made):
    for report in made.values():
        assert not [one.title for one in report.sections if one.table and one.table.caption == one.title]


def test_only_occitanie_has_the_slide(made):
    slide = _section(made["occitanie"], "La diapositive")
    assert any("33,2" in row[0] for row in slide.table.rows)
    assert not [one for one in made["lille-poles-ressources"].sections if one.title.startswith("La diapositive")]


def test_health_findings_name_their_level_and_need_an_interval(made):
    (said,) = _section(made["occitanie"], "Santé").findings
    assert _plain(said).startswith("Région Occitanie, et non ses QPV : Épisode dépressif")
    assert "(de +0,1 à +4,3)" in _plain(said)
    assert _section(made["lille-poles-ressources"], "Santé").findings[0].startswith("Aucun écart")
    frame = pd.DataFrame({"difference_lower": [np.nan], "difference_upper": [np.nan]})
    assert sections.health_findings(frame) == []


def test_supply_compares_disjoint_communes():
    gaps = supply.commune_gaps(gazetteer().resolve("lille-sud"), 2015)
    row = gaps[(gaps["indicator"] == "general_practitioners") & (gaps["reference"] == "department")].iloc[0]
    communes = gazetteer().communes.set_index("code")
    from qpv_sante.care.communes import load_commune_counts

    counts = load_commune_counts("general_practitioners").set_index("geo_code")["value"]
    around = communes[(communes["department"] == "59") & (communes.index != "59350")]
    known = counts.reindex(around.index).notna()
    rest = counts.reindex(around.index)[known].sum() / around.loc[known, "population"].sum()
    own = counts["59350"] / communes.loc["59350", "population"]
    assert row["ratio"] == pytest.approx(own / rest)
    assert row["density"] == pytest.approx(1e4 * own)
    assert row["ratio_lower"] < row["ratio"] < row["ratio_upper"]


def test_supply_findings_need_an_interval_on_one_side():
    base = {"place": "A", "indicator": "nurses", "label": "Infirmiers", "density": 10.0, "reference_density": 5.0}
    base |= {"reference_label": "les autres", "ratio": 2.0, "value": 12.0, "flag": "observed"}
    clear = pd.DataFrame([base | {"ratio_lower": 1.5, "ratio_upper": 2.5}])
    assert "soit 2,00 fois cette densité (de 1,50 à 2,50)" in supply.supply_findings(clear)[0]
    (doubtful,) = supply.supply_findings(clear.assign(flag="unreliable"))
    assert doubtful.endswith("À interpréter avec prudence.")
    open_ = pd.DataFrame([base | {"ratio_lower": 0.9, "ratio_upper": 2.5}])
    assert supply.supply_findings(open_) == ["Sans direction établie\u00a0: A (infirmiers)."]
    none = pd.DataFrame([base | {"value": 0.0, "density": 0.0, "ratio": 0.0, "ratio_lower": 0.0, "ratio_upper": 0.8}])
    (said,) = supply.supply_findings(none)
    assert "A, infirmiers : 0 en 2019, contre 5,0 pour 10 000 habitants dans les autres" in _plain(said)
    # what the base counts badly is in the table, and makes no sentence
    assert supply.supply_findings(clear.assign(indicator="pharmacies")) == []
    many = pd.concat([clear.assign(place=f"P{i}") for i in range(9)])
    assert len(supply.supply_findings(many)) == 7


def test_every_facility_of_a_commune_is_beside_its_references(made):
    table = _section(made["corridor-minier-valenciennois"], "Offre de soins").table
    assert len(table.rows) == 5 * len(supply.COMPARED_FACILITIES)
    assert table.header[4:8:2] == ("Reste du département", "Reste de la France")
    rows = {(row[0], row[1]): row for row in table.rows}
    assert rows["Escautpont", "Médecins généralistes"][2] == "0"
    assert rows["Condé-sur-l'Escaut", "Centres de santé"][2] == "3"
    assert {row[-1] for row in table.rows if row[1] == "Pharmacies"} == {"à interpréter avec prudence"}
    # one place for all rows is in the caption
    alone = _section(made["lille-poles-ressources"], "Offre de soins").table
    assert alone.caption.startswith("Lille\u00a0: pour")
    assert [row[0] for row in alone.rows][:2] == ["Médecins généralistes", "Médecins spécialistes (onze spécialités)"]


def test_quarters_that_the_source_does_not_cover_are_not_without_structures(made):
    absent = _section(made["lille-poles-ressources"], "Maisons et centres")
    assert absent.table is None
    assert "ne couvre que l'Occitanie" in absent.findings[0]
    covered = _section(made["occitanie"], "Maisons et centres")
    assert _plain(covered.findings[0]).startswith(
        "QPV qui ont une maison ou un centre de santé dans leur contour : 28 sur 105 (de 9 à 46 selon la position"
    )
    # many QPV are called Centre Ville
    assert len({row[0] for row in covered.table.rows}) == len(covered.table.rows)


def test_practices_keep_the_strongest_relation_and_their_intervals():
    toulouse = practices_of(gazetteer().resolve("toulouse"), 2015).set_index("id")
    assert toulouse.loc["case-de-sante", ["relation", "distance_m"]].tolist() == ["inside", 0.0]
    bron = practices_of(gazetteer().resolve("bron"), 2015).set_index("id")
    assert bron["relation"].tolist() == ["same_commune"]
    # about half of the patients, of an unknown number
    assert bron["counted"].iloc[0].startswith("environ 50")
    assert "sans intervalle" in bron["counted"].iloc[0]
    valenciennois = practices_of(gazetteer().resolve("corridor-minier-valenciennois"), 2015).set_index("id")
    assert _plain(valenciennois.loc["habitants-relais-sante", "counted"]) == "habitants-relais : environ 10"
    assert "Vieux-Condé (commune) ; Quiévrechain (commune)" in _plain(valenciennois["place"].iloc[0])
    lille = practices_of(gazetteer().resolve("lille-sud"), 2015).set_index("id")
    assert set(lille["relation"]) == {"same_quarter"}
    assert "Lille, Fives (quartier de la ville)" in lille.loc["poles-ressources-sante", "place"]
    montpellier = practices_of(gazetteer().resolve("montpellier"), 2015).set_index("id")
    assert montpellier.loc[["quartier-sante", "msp-montpellier-cevennes"], "uncertain"].all()
    nearest, second = map(_plain, montpellier.loc["msp-montpellier-cevennes", "quarters"])
    assert (nearest, second.split(" (")[0]) == ("Cévennes (4 m)", "Petit Bard Pergola")
    chambery = practices_of(gazetteer().resolve("Chambéry"), 2015).set_index("id")
    assert "(n = 47, de 38 % à 66 %, intervalle de Wilson)" in _plain(chambery.loc["impact", "counted"])
    assert practices_of(gazetteer().resolve("Nancy"), 2015).empty


def test_limits_give_the_level_from_the_catalogue(made):
    rows = {row[0]: row[1:] for row in _section(made["occitanie"], "Ce que les sources").table.rows}
    assert rows["Épisodes dépressifs"][:2] == ["région", "2024"]
    assert rows["Santé perçue, maladies chroniques, limitations"][0] == "département"
    assert rows["Isolement"][0].startswith("aucun")
    assert rows["Renoncement aux soins"][0].startswith("enquêtes nationales")


def test_suppressed_values_stay_dashes(made):
    section = _section(made["corridor-minier-valenciennois"], "Part des allocataires du RSA")
    row = next(one for one in section.table.rows if one[0] == "Escautpont")
    assert row[3:7] == ["–", "–", "–", "–"]
    assert any("Escautpont" in text and "Sans valeur" in text for text in section.findings)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"territory": "department:48", "geo_vintage": 2015}, UnavailableLevelError, r"Lozère.*pass geo_vintage=2024"),
        ({"territory": "commune:50602"}, UnknownNameError, "no longer a commune.*commune:50129"),
        ({"territory": "Centre Ville"}, AmbiguousTerritoryError, "QP034001"),
        ({"territory": "QN03401M", "geo_vintage": 2015}, ComparabilityError, "geo_vintage=2024"),
        ({"territory": "lille-sudd"}, UnknownNameError, "lille-sud"),
        ({"territory": "occitanie", "geo_vintage": 2020}, UnavailableLevelError, "2015, 2024"),
    ],
)
def test_bad_input_says_what_to_try(asked, error, said):
    with pytest.raises(error, match=said):
        qs.report(**asked)


def test_a_file_of_territories_of_the_wrong_zoning(tmp_path, monkeypatch):
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    path = tmp_path / "equipe.toml"
    path.write_text('[[territory]]\nid = "mon-equipe"\nlabel = "Équipe"\nqpv_2015 = ["QN03401M"]\n', encoding="utf-8")
    with pytest.raises(qs.QpvSanteError, match="QN03401M is a QPV of 2024; give it in qpv_2024"):
        qs.add_territories(path)


def test_a_quarter_by_its_name_and_a_territory_of_2024():
    one = qs.report("Devèze, Béziers")
    assert one.title.endswith("Devèze")
    assert one.lead.startswith("Un quartier prioritaire")
    lozere = qs.report("department:48", geo_vintage=2024, lang="en")
    assert lozere.sections[0].title == "Main findings"
    assert lozere.html.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("name", ["occitanie", "lille-poles-ressources"])
def test_the_notebook_runs_for_a_territory(tmp_path, monkeypatch, name):
    papermill = pytest.importorskip("papermill")
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")  # the kernel's own transport
    asked = {"territory": name, "output": str(tmp_path / "output")}
    run = tmp_path / "run.ipynb"
    done = papermill.execute_notebook(str(NOTEBOOK), str(run), asked, cwd=str(tmp_path), progress_bar=False)
    streams = [output for cell in done.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"]
    assert streams == []
    written = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert written == [f"diagnostic-{name}-2015.html", f"diagnostic-{name}-2015.pdf"]
    shown = [o.get("data", {}) for cell in done.cells for o in cell.get("outputs", [])]
    assert sum("image/png" in data or "<img " in data.get("text/html", "") for data in shown) >= 5
    tables = [data["text/html"] for data in shown if "<caption" in data.get("text/html", "")]
    assert len(tables) >= 8


def test_the_notebook_has_one_cell_of_parameters():
    import nbformat

    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert 'territory = "occitanie"' in tagged[0]
    assert "geo_vintage = 2015" in tagged[0]
