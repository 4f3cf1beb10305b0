"""From names to codes, on the embedded code tables."""

import pandas as pd
import pytest

from qpv_sante.errors import AmbiguousTerritoryError, UnknownNameError
from qpv_sante.geography import fold
from qpv_sante.loading import gazetteer, load_observations
from qpv_sante.territories import _say_once, match_communes
from qpv_sante.territory_records import aliases


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("Occitanie", "region:76"),
        ("occitanie", "region:76"),
        ("Lille", "commune:59350"),
        ("ILE DE FRANCE", "region:11"),
        ("Saint Etienne", "commune:42218"),
        ("Métropole Européenne de Lille", "epci:200093201"),
        ("Paris", "commune:75056"),  # commune and department are the same place
        ("department:59", "department:59"),
        ("urban_unit:59702", "urban_unit:59702"),
        ("qpv:QP059001", "qpv:QP059001"),
        ("QP031004", "qpv:QP031004"),
        ("QN05971M", "qpv:QN05971M"),
        ("31555", "commune:31555"),
    ],
)
def test_names_and_typed_codes(given, key):
    assert gazetteer().resolve(given).key == key


@pytest.mark.parametrize(
    ("given", "candidates"),
    [
        ("Saint-Denis", ["commune:93066", "commune:97411"]),
        ("Sainte-Colombe", ["commune:05135", "commune:33390"]),
    ],
)
def test_ambiguous_names_list_their_candidates(given, candidates):
    with pytest.raises(AmbiguousTerritoryError) as error:
        gazetteer().resolve(given)
    for candidate in candidates:
        assert candidate in str(error.value)


@pytest.mark.parametrize(
    ("given", "key", "other"),
    [
        # a name is that of the larger territory, a code that of the department
        ("Bretagne", "region:53", "commune:36024"),
        ("Doubs", "department:25", "commune:25204"),
        ("La Réunion", "department:974", "commune:47222"),  # the region is the same place
        ("93", "department:93", "region:93"),
        ("76", "department:76", "region:76"),
    ],
)
def test_of_several_readings_the_first_is_taken_and_the_others_are_told(given, key, other, caplog):
    _say_once.cache_clear()
    places = gazetteer()
    assert places.resolve(given).key == places.resolve(given).key == key
    assert [other in record.message for record in caplog.records] == [True]  # once for a whole script


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ("PACA", "region:93"),
        ("idf", "region:11"),
        ("Grand Lyon", "epci:200046977"),
        ("MEL", "epci:200093201"),
        ("Réunion", "department:974"),
        ("Plaine Commune", "composite:plaine-commune"),
    ],
)
def test_usual_names_are_known(given, key):
    assert gazetteer().resolve(given).key == key


def test_aliases_designate_territories_and_hide_no_official_name():
    table = gazetteer().territories
    official = table[table["level"] != "qpv"]
    assert set(aliases().values()) <= set(official["level"] + ":" + official["code"])
    assert not set(aliases()) & set(official["name"].map(fold))


@pytest.mark.parametrize("given", ["L’Haÿ‑les‑Roses", "L'Haÿ les Roses", "l`hay–les—roses"])
def test_signs_that_part_words_are_one(given):
    assert gazetteer().resolve(given).key == "commune:94038"


@pytest.mark.parametrize("given", ["Paris 18e Arrondissement", "75118", "commune:75118", "paris 18ème"])
def test_an_arrondissement_is_counted_with_its_commune_and_the_message_says_it(given):
    with pytest.raises(UnknownNameError, match=r"(?s)counted with its commune.*commune:75056 \(Paris\)"):
        gazetteer().resolve(given)


@pytest.mark.parametrize(
    ("level", "territory", "codes"),
    [
        ("commune", "Paris 18e", {"75118"}),
        ("commune", "Paris", {"75056"}),  # the file has the whole: its arrondissements would count it twice
        ("iris", "75118", {"75118"}),
        ("iris", "Paris", {f"751{number:02}" for number in range(1, 21)}),
    ],
)
def test_figures_by_arrondissement_are_found(level, territory, codes):
    rows = load_observations("poverty_rate", geo_level=level, year=2019, territory=territory)
    assert set(rows["geo_code"].str[:5]) == codes


def test_public_establishments_of_grand_paris_share_its_communes_out():
    places = gazetteer()
    whole = places.communes.loc[places.communes_in(places.resolve("MGP")), "code"]
    parts = [one for one in places.composites.values() if "Métropole du Grand Paris" in one.record.text("source", "fr")]
    inside = [code for one in parts for code in places.resolve(f"composite:{one.record.id}").communes]
    assert len(parts) == 11
    assert sorted([*inside, "75056"]) == sorted(whole)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Monpellier", "Did you mean 'Montpellier'"),
        ("region:99", "no region has this code"),
        ("canton:01", "unknown level 'canton'"),
        ("Tourlaville", "former commune; today it is commune:50129"),
        ("commune:50602", "is no longer a commune; its territory is in commune:50129"),
        ("QP31004", "is not a QPV code"),
        ("QN031004", "is not a QPV code"),
    ],
)
def test_unknown_names_say_what_to_do(given, said):
    with pytest.raises(UnknownNameError, match=said):
        gazetteer().resolve(given)


@pytest.mark.parametrize(("vintage", "number"), [(2015, 105), (2024, 108)])
def test_quarters_of_occitanie(vintage, number):
    places = gazetteer()
    assert len(places.qpv_in(places.resolve("Occitanie"), vintage)) == number


def test_every_quarter_has_its_communes_and_its_region():
    qpv = gazetteer().qpv
    assert (qpv["communes"] != "").all()
    without_region = qpv[qpv["region"] == ""]
    assert set(without_region["department"]) <= {"978", "987"}  # collectivities have none


def test_a_quarter_in_several_communes_is_in_each():
    places = gazetteer()
    straddling = places.qpv[places.qpv["communes"].str.contains(";")].iloc[0]
    for code in straddling["communes"].split(";"):
        inside = places.qpv_in(places.resolve(f"commune:{code}"), int(straddling["geo_vintage"]))
        assert straddling["geo_code"] in set(inside["geo_code"])


def test_commune_names_are_matched_in_the_department_of_the_code_only():
    cog = pd.DataFrame(
        {
            "code": ["93066", "97411", "13055", "13203", "50129"],
            "name": ["Saint-Denis", "Saint-Denis", "Marseille", "Marseille 3e Arrondissement", "Cherbourg-en-Cotentin"],
            "kind": ["COM", "COM", "COM", "ARM", "COM"],
            "parent": ["", "", "", "13055", ""],
        }
    )
    former = pd.DataFrame({"old_code": ["50602"], "old_name": ["Tourlaville"], "new_code": ["50129"]})
    qpv = pd.DataFrame(
        {
            "geo_code": ["QP093001", "QP974001", "QP013001", "QP013002", "QP050001", "QP001001"],
            "commune_names": [
                "St-Denis",
                "Saint-Denis",
                "Marseille 3e Arrondissement",
                "Marseille 3ème, 1er",
                "Tourlaville",
                "X",
            ],
        }
    )
    assert match_communes(qpv, cog, former).tolist() == ["93066", "97411", "13055", "13055", "50129", ""]
