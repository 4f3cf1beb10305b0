"""From names to codes, on the embedded code tables."""

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import Point

from qpv_sante.errors import AmbiguousTerritoryError, UnknownNameError
from qpv_sante.geography import fold
from qpv_sante.loading import gazetteer, load_observations
from qpv_sante.territories import _say_once, assemble, match_communes
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
        ("93059", r"Pierrefitte-sur-Seine \(93059\) is no longer a commune; its territory is in commune:93066"),
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


def test_a_quarter_that_straddles_departments_keeps_the_commune_of_the_other():
    cog = pd.DataFrame(
        {
            "code": ["62321", "59452", "93066", "97411"],
            "name": ["Évin-Malmaison", "Ostricourt", "Saint-Denis", "Saint-Denis"],
            "kind": "COM",
            "parent": "",
        }
    )
    former = pd.DataFrame({"old_code": [], "old_name": [], "new_code": []}, dtype="str")
    qpv = pd.DataFrame(
        {
            "geo_code": ["QP062040", "QP062041", "QP062042"],
            # beside one of the department; a name that two communes bear; alone, it may be a slip
            "commune_names": ["Ostricourt, Évin-Malmaison", "Évin-Malmaison, Saint-Denis", "Ostricourt"],
        }
    )
    assert match_communes(qpv, cog, former).tolist() == ["59452;62321", "62321", ""]


@pytest.fixture
def tables():
    """Code tables of a few communes of Seine-Saint-Denis, Rhône and Mayotte, in the producers' form."""
    communes = [
        ("93066", "Saint-Denis", "93", "11"),
        ("93059", "Pierrefitte-sur-Seine", "93", "11"),
        ("93072", "Stains", "93", "11"),
        ("69149", "Oullins-Pierre-Bénite", "69", "84"),
        ("97601", "Acoua", "976", "06"),
    ]
    cog = pd.DataFrame(communes, columns=["code", "name", "department", "region"]).assign(kind="COM", parent="")
    cog.loc[len(cog)] = ["75101", "Paris 1er Arrondissement", "75", "11", "ARM", "75056"]
    event = {"event": "32", "old_kind": "COM", "new_kind": "COM", "date": "2024-01-01", "new_code": "69149"}
    events = pd.DataFrame([{**event, "old_code": "69149", "old_name": "Oullins"},
                           {**event, "old_code": "69152", "old_name": "Pierre-Bénite"}])  # fmt: skip
    people = {"93066": "113942", "93059": "32379", "93072": "39000", "69149": "27113", "69152": "10515"}
    regions = pd.DataFrame({"code": list(people), "population": list(people.values())})
    nothing = pd.DataFrame({"geo_code": [], "name": [], "commune_names": []}, dtype="str")
    codes = {
        "communes": cog,
        "commune_events": events,
        "commune_epci": pd.DataFrame({"code": cog["code"], "epci": "200000000", "epci_name": "CA"}),
        "iris": pd.DataFrame({"commune": cog["code"], "urban_unit": "00851"}),
        "commune_regions": regions.assign(region="11", region_name="Île-de-France"),
        "qpv_2015_names": nothing.rename(columns={"geo_code": "code"}),
        "qpv_2024_communes": pd.DataFrame(
            {
                "commune": ["93066", "93072", "97601"],
                "commune_name": ["Saint-Denis; Stains", "Saint-Denis; Stains", "Acoua"],
                "geo_codes": ["QN09335M, QN09337M", "QN09335M", "QN97651C"],
                "names": ["Centre Ville, Franc-Moisin", "Centre Ville", "Acoua"],
            }
        ),
    }
    outlines = gpd.GeoDataFrame(
        {
            "geo_code": ["QN09335M", "QN09337M", "QN97601M", "QN98701M"],
            "name": ["Centre Ville", "Franc-Moisin", "Acoua village", "Faa'a"],
            "communes": ["93059, 93072", "93066", "97601", "98712"],
            "commune_names": ["Pierrefitte-sur-Seine, Stains", "Saint-Denis", "Acoua", "Arue"],
            "department": ["93", "93", "976", "987"],
            "department_name": "",
            "region": ["11", "11", "06", ""],
            "region_name": "",
            "epci": "",
        },
        geometry=[Point(0, 0).buffer(1)] * 4,
    )
    zones = {"qpv_2024": outlines, "qpv_2015": gpd.GeoDataFrame(nothing, geometry=[])}
    zones["department_2018"] = gpd.GeoDataFrame({"geo_code": ["93"], "name": ["Seine-Saint-Denis"]}, geometry=[None])
    return assemble(codes, zones)[0]


def test_the_newest_list_of_quarters_is_followed_where_it_covers(tables):
    qpv = tables["qpv"].set_index("geo_code")
    # of Mayotte, the communes in place of the former QPV; Polynesia is not in that list
    assert qpv.index.tolist() == ["QN09335M", "QN09337M", "QN97651C", "QN98701M"]
    assert qpv.loc["QN97651C", ["name", "communes", "has_outline"]].tolist() == ["Acoua", "97601", False]
    assert qpv.loc["QN09335M", ["communes", "commune_names"]].tolist() == ["93066;93072", "Saint-Denis;Stains"]


def test_communes_that_merged_have_the_people_of_all_their_parts(tables):
    people = tables["communes"].set_index("code")["population"]
    assert people["69149"] == 27113 + 10515
    assert people["93066"] == 113942 + 32379  # since 2025, after the edition of the official code
    assert "93059" not in people.index
    former = tables["former_communes"].set_index("old_code")
    assert former.loc["69152", ["new_code", "until", "people"]].tolist() == ["69149", "2024-01-01", 10515]
    assert former.loc["93059", ["new_code", "until", "people"]].tolist() == ["93066", "2025-01-01", 32379]
