"""From names to codes, on the embedded code tables."""

import pandas as pd
import pytest

from qpv_sante.errors import AmbiguousTerritoryError, UnknownNameError
from qpv_sante.loading import gazetteer
from qpv_sante.territories import match_communes


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
        ("76", ["region:76 (Occitanie", "department:76 (Seine-Maritime"]),
        ("Saint-Denis", ["commune:93066", "commune:97411"]),
        ("La Réunion", ["region:04", "department:974", "commune:47222"]),
    ],
)
def test_ambiguous_names_list_their_candidates(given, candidates):
    with pytest.raises(AmbiguousTerritoryError) as error:
        gazetteer().resolve(given)
    for candidate in candidates:
        assert candidate in str(error.value)


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
