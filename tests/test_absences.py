"""Three kinds of absence, three words, and no claim about the world without a source."""

import json
import re
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

import qpv_sante as qs
from qpv_sante import absences
from qpv_sante.absences import Absence
from qpv_sante.catalogue import Unpublished, catalogue, catalogue_problems, core_catalogue
from qpv_sante.observations import MISSING_FLAGS

ROOT = Path(__file__).resolve().parents[1]
# sentences that speak of all that exists, and not of the files read
CLAIMS = re.compile(
    r"aucun(e)? (fichier|source|donnée)s? ouvert|no open (file|source)|aucun [\w ]+ n['’]est publié|"
    r"rien n['’]est publié|"
    r"n['’]est publiée que pour|publiées? pour aucun|published for no|nothing is published|is published for a part|"
    r"no (figure|outline|rate|value|crossing|contrast)[\w ]* is published|rien ne permet de le vérifier|"
    r"nothing can verify|données ouvertes ne disent|open data do not|personne, hors de",
    re.IGNORECASE,
)


def test_each_kind_has_its_own_word_in_each_language():
    for lang in ("fr", "en"):
        assert len({absences.WORDS[kind][lang] for kind in Absence}) == 3
    assert {absences.of_flag(flag) for flag in MISSING_FLAGS} == {Absence.WITHHELD, Absence.NOT_PUBLISHED}


def test_not_published_needs_a_source():
    """Whatever no record speaks of is only not read."""
    for indicator in catalogue().indicators.values():
        for level in ("qpv", "commune", "region", "country"):
            said = absences.claim(indicator.id, level)
            assert (absences.of_level(indicator.id, level) is Absence.NOT_PUBLISHED) == (said is not None)
            assert said is None or all(said.source.values())
    assert absences.of_level("c2s_share", "region") is Absence.NOT_READ


def test_nothing_is_said_unpublished_where_a_source_gives_it():
    known = core_catalogue()
    for indicator in known.indicators.values():
        levels = {str(record["geo_level"]) for record in known.published(indicator.id)}
        assert not levels & {level for one in indicator.unpublished for level in one.geo_levels}, indicator.id


def test_a_claim_without_its_source_in_both_languages_is_refused():
    known = catalogue()
    one = known.indicator("c2s_share")
    record = Unpublished(geo_levels=["quarter"], source={"fr": "on le dit"})
    wrong = msgspec.structs.replace(one, unpublished=[record])
    said = " ".join(catalogue_problems(msgspec.structs.replace(known, indicators={**known.indicators, one.id: wrong})))
    assert "unknown geo_level 'quarter'" in said
    assert "who says so" in said


@pytest.mark.parametrize("name", ["py", "toml", "html", "typ", "js"])
def test_no_text_of_the_package_claims_what_nobody_said(name):
    for path in sorted(Path(str(files("qpv_sante"))).rglob(f"*.{name}")):
        # strings that go on over several lines are one sentence
        text = re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))
        assert CLAIMS.findall(text) == [], path.name


def test_no_text_for_people_beside_the_package_does():
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")):
        assert CLAIMS.search(path.read_text(encoding="utf-8")) is None, path.name
    for path in ROOT.glob("notebooks/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = " ".join(" ".join("".join(cell["source"]).split()) for cell in cells)
        assert CLAIMS.search(text) is None, path.name


def test_a_quarter_that_the_file_does_not_list_is_outside_its_field():
    rows = qs.context("QN97651C", lang="en").measured.set_index("indicator")
    assert rows.loc["poverty_rate", "note"] == "outside the field of the source (metropolitan France)"
    absent = qs.context("QN97651C").measured.set_index("indicator").loc["employment_rate", "note"]
    assert absent == "le fichier du producteur ne le donne pas pour ce quartier"


def test_the_last_value_of_another_year_is_said():
    note = qs.context("QP974001").measured.set_index("indicator").loc["employment_rate", "note"]
    assert "dernière valeur lue : 40,7\u202f% en 2021" in note.replace("\u00a0", " ")
