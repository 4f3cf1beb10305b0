"""Practices named in the documents: none is placed more finely than the documents do."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely import Point, box

import qpv_sante as qs
from qpv_sante.errors import CatalogueError, ComparabilityError, InvalidInputError, SchemaError, UnknownNameError
from qpv_sante.initiative_records import count_behind, read_initiatives
from qpv_sante.store import find_store

HEAD = """
document = { d = "Un document" }
kind = { k = { fr = "Centre", en = "Centre" } }
theme = { t = { fr = "soins", en = "care" } }
[[initiative]]
id = "a"
name = "A"
kind = "k"
document = "d"
"""
COMMUNE = '[[initiative.site]]\nplace = "Béziers"\nprecision = "commune"\ncommune = "34032"\n'


def written(folder, *blocks, head=HEAD):
    path = folder / "practices.toml"
    path.write_text(head + "".join(blocks), encoding="utf-8")
    return path


def test_every_practice_of_the_documents_is_there():
    practices = qs.load_initiatives()
    assert practices["id"].nunique() == 14
    by_commune = practices[practices["precision"] == "commune"].groupby("id")["commune_code"].agg(list)
    assert by_commune["habitants-relais-sante"] == ["59616", "59484", "59207"]
    assert by_commune["capsules-sante"] == ["59271"]
    assert by_commune["impact"] == ["73065"]
    assert len(practices[practices["id"] == "poles-ressources-sante"]) == 5
    assert practices.crs.to_epsg() == 4326


def test_a_point_is_given_only_for_a_quarter_that_is_the_place_or_a_structure_of_finess():
    practices = qs.load_initiatives()
    drawn = practices[practices.geometry.notna()].set_index("id")
    assert drawn["precision"].to_dict() == {
        "quartier-sante": "structure",
        "msp-montpellier-cevennes": "structure",
        "case-de-sante": "quarter",
    }
    assert (practices.loc[practices.geometry.isna(), "geometry_note"] != "").all()
    # the point of a quarter is in it, and `locate` finds it back
    quarter = drawn.loc[["case-de-sante"]]
    assert qs.locate(quarter, tolerance_m=0)["drawn_in"].tolist() == quarter["qpv_2024"].tolist()
    # that of a structure is the one of the table of structures, which bears the practice's name
    listed = find_store("codes/care_structures").codes("care_structures").set_index("establishment")
    for practice, words in {"quartier-sante": "QUARTIER SANTE", "msp-montpellier-cevennes": "MONTPELLIER CEV"}.items():
        number = drawn.loc[practice, "geometry_note"].split("établissement ")[1].split()[0]
        assert words in listed.loc[number, "name"]
        assert drawn.loc[practice].geometry.equals(Point(listed.loc[number, ["longitude", "latitude"]]))


def test_a_structure_near_an_edge_is_uncertain():
    for vintage, code in ((2015, "QP034008"), (2024, "QN03408I")):
        zones = qs.load_zones("qpv", vintage=vintage, territory="Montpellier")
        found = qs.attach_initiatives(zones).query("id == 'msp-montpellier-cevennes'").set_index("geo_code")
        assert found.loc[code, "relation"] == "nearby"
        assert 0 < found.loc[code, "distance_m"] < 100
        assert found["uncertain"].tolist() == [name == code for name in found.index]
        # well inside, nothing is uncertain
        wide = zones[zones["geo_code"] == code].to_crs(2154).buffer(500)
        wider = zones[zones["geo_code"] == code].set_geometry(wide.to_crs(zones.crs))
        inside = qs.attach_initiatives(wider).query("id == 'msp-montpellier-cevennes'").iloc[0]
        assert inside[["relation", "distance_m", "uncertain"]].tolist() == ["inside", 0.0, False]


def test_a_structure_that_finess_no_longer_has_gets_no_point(tmp_path):
    site = '[[initiative.site]]\nplace = "P"\nprecision = "structure"\ncommune = "34172"\nfiness = "000000000"\n'
    own = qs.load_initiatives(written(tmp_path, site))
    assert own.geometry.isna().all()
    assert "000000000 absent du fichier FINESS" in own["geometry_note"].iloc[0]
    found = qs.attach_initiatives(qs.load_zones("qpv", vintage=2015, territory="Montpellier"), initiatives=own)
    assert set(found["relation"]) == {"same_commune"}


def test_a_quarter_of_the_city_is_joined_to_the_qpv_that_overlap_it():
    found = qs.attach_initiatives(qs.load_zones("qpv", vintage=2015, territory="Lille"))
    relation = found[found["id"] == "poles-ressources-sante"].set_index("geo_code")["relation"]
    assert relation[relation == "same_quarter"].index.tolist() == ["QP059074", "QP059075"]
    assert set(relation[relation != "same_quarter"]) == {"same_commune"}
    capsules = found[(found["id"] == "capsules-sante") & (found["relation"] == "same_quarter")]
    assert capsules["geo_code"].tolist() == ["QP059074"]


def test_a_quarter_of_the_city_that_no_territory_names(tmp_path):
    site = (
        '[[initiative.site]]\nplace = "P"\nprecision = "city_quarter"\ncommune = "59350"\n'
        'territory = "lille-sud"\nquarter = "Five"\n'
    )
    with pytest.raises(CatalogueError, match=r"no quarter 'Five' in the territory 'lille-sud'"):
        qs.load_initiatives(written(tmp_path, site))


def test_a_quarter_is_not_deduced_from_a_name():
    practices = qs.load_initiatives().set_index("id")
    assert practices.loc["le-blosne", "precision"] == "commune"
    assert practices.loc[["le-blosne", "msp-montpellier-cevennes"], "qpv_2015"].tolist() == ["", ""]


def test_both_languages():
    french, english = qs.load_initiatives(), qs.load_initiatives(lang="en")
    assert french["id"].tolist() == english["id"].tolist()
    assert "environ 10" in french.set_index("id").loc["habitants-relais-sante", "figures"].iloc[0]
    assert "52% feel less alone after it (n = 47)" in english.set_index("id").loc["impact", "figures"]
    with pytest.raises(UnknownNameError):
        qs.load_initiatives(lang="es")


@pytest.mark.parametrize(
    ("percent", "n", "count"),
    [
        (52.0, 47, None),  # 24 of 47 is 51.06 %, 25 is 53.19 %
        (51.0, 47, 24),
        (53.0, 47, 25),
        (53.2, 47, 25),
        (30.8, 263, 81),
        (0.0, 12, 0),
        (100.0, 12, 12),
        (50.0, 1, None),
    ],
)
def test_whole_number_behind_a_share(percent, n, count):
    assert count_behind(percent, n) == count


def test_small_samples_have_their_interval_and_what_it_rests_on():
    figures = qs.initiative_figures(lang="en")
    impact = figures[figures["id"] == "impact"].set_index("value")
    # Wilson by hand: p = .52, n = 47, z = 1.959964
    z, p, n = 1.959963985, 0.52, 47
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert impact.loc[52, ["lower", "upper"]].tolist() == pytest.approx([100 * (middle - half), 100 * (middle + half)])
    assert "no whole number out of 47 gives 52" in impact.loc[52, "note"]
    assert impact.loc[52, "interval"] == "sampling"
    # the other share comes without its n: none is borrowed
    assert pd.isna(impact.loc[82, "n"])
    assert pd.isna(impact.loc[82, "lower"])
    assert "sample size not published" in impact.loc[82, "note"]
    counts = figures[figures["unit"] != "%"]
    assert counts[["lower", "upper"]].isna().all(axis=None)
    assert set(counts["interval"]) == {"none"}


def test_a_practice_known_by_its_commune_is_never_nearer():
    found = qs.attach_initiatives(qs.load_zones("qpv", vintage=2015), within_m=50_000)
    coarse = found[found["precision"] == "commune"]
    assert set(coarse["relation"]) == {"same_commune"}
    assert coarse["distance_m"].isna().all()
    assert set(found.loc[found["relation"] == "inside", "geo_code"]) == {"QP031011"}
    assert not found.duplicated(["geo_code", "id"]).any()
    # every QPV of Béziers, and no other, has the workshop
    workshop = found[found["id"] == "atelier-biterrois"]
    assert set(workshop["geo_code"]) == {"QP034001", "QP034002", "QP034003"}


def test_departments_alone_are_joined_to_nothing_and_said():
    found = qs.attach_initiatives(qs.load_zones("qpv", vintage=2024))
    assert {one["id"] for one in found.attrs["not_placed"]} == {"place-sante", "stethoscop"}
    assert not found["id"].isin(["place-sante", "stethoscop"]).any()


def test_the_strongest_relation_is_kept():
    zones = qs.load_zones("qpv", vintage=2024, territory="Toulouse")
    found = qs.attach_initiatives(zones, within_m=700).query("id == 'case-de-sante'").set_index("geo_code")
    assert len(found) == len(zones)
    assert found.loc["QN03110M", ["relation", "distance_m"]].tolist() == ["inside", 0.0]
    near = found[found["relation"] == "nearby"]
    assert (near["distance_m"] <= 700).all()
    # the centre's own place, a commune, gives the same relation to the QPV that are farther than 700 m
    assert set(found["relation"]) == {"inside", "nearby", "same_commune"}
    alone = qs.attach_initiatives(zones, within_m=0).query("id == 'case-de-sante'")
    assert set(alone["relation"]) == {"inside", "same_commune"}


def test_addresses_of_ones_own_file(tmp_path):
    quarter = qs.load_zones("qpv", vintage=2024, territory="QN03403M").geometry.iloc[0]
    point = quarter.representative_point()
    site = '[[initiative.site]]\nplace = "Béziers"\nprecision = "address"\ncommune = "34032"\n'
    path = written(tmp_path, site, f"lon = {point.x}\nlat = {point.y}\n")
    own = qs.load_initiatives(path)
    assert own["geometry_note"].tolist() == ["coordonnées données"]
    found = qs.attach_initiatives(qs.load_zones("qpv", vintage=2024, territory="Béziers"), initiatives=own)
    relation = found.set_index("geo_code")
    assert relation.loc["QN03403M", "relation"] == "inside"
    metres = relation.loc["QN03401M", "distance_m"]
    expected = gpd.GeoSeries([point], crs=4326).to_crs(2154)
    outline = qs.load_zones("qpv", vintage=2024, territory="QN03401M").to_crs(2154).geometry.iloc[0]
    assert relation.loc["QN03401M", "relation"] == (
        "nearby" if outline.distance(expected[0]) <= 1000 else "same_commune"
    )
    assert metres == pytest.approx(outline.distance(expected[0]), abs=0.01)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ([], "missing required field `site`"),
        (['themes = ["x"]\n', COMMUNE], "unknown theme 'x'"),
        (['[[initiative.site]]\nplace = "P"\nprecision = "commune"\n'], "precision 'commune' needs commune"),
        (
            ['[[initiative.site]]\nplace = "P"\nprecision = "quarter"\ncommune = "34032"\n'],
            "needs qpv_2015 or qpv_2024",
        ),
        (['[[initiative.site]]\nplace = "P"\nprecision = "address"\nlon = 3.0\n'], "needs lon and lat"),
        ([COMMUNE, "lon = 3.2\nlat = 43.3\n"], "given with precision 'address' only"),
        ([COMMUNE, 'finess = "340029693"\n'], "finess: given with precision 'structure' only"),
        (
            ['[[initiative.site]]\nplace = "P"\nprecision = "structure"\ncommune = "34172"\n'],
            "precision 'structure' needs finess",
        ),
        (
            ['[[initiative.site]]\nplace = "P"\nprecision = "city_quarter"\ncommune = "59350"\nquarter = "Fives"\n'],
            "needs territory and quarter",
        ),
        ([COMMUNE, 'qpv_2015 = ["QP034001"]\n'], "given with precision 'quarter' only"),
        (['[[initiative.site]]\nplace = "P"\nprecision = "exact"\n'], "Invalid enum value 'exact'"),
        ([COMMUNE, '[[initiative.figure]]\nlabel = { en = "x" }\npercent = 120\n'], "120.* is not a percentage"),
        ([COMMUNE, '[[initiative.figure]]\nlabel = { en = "x" }\n'], "a count, or a percentage"),
        ([COMMUNE, '[[initiative.figure]]\nlabel = { en = "x" }\ncount = 3\nn = 9\n'], "people behind a percentage"),
        ([COMMUNE, 'colour = "red"\n'], "unknown field `colour`"),
        ([COMMUNE, HEAD.partition("[[")[1] + HEAD.partition("[[")[2], COMMUNE], "a: given twice"),
    ],
)
def test_bad_files_are_refused(tmp_path, blocks, said):
    with pytest.raises(CatalogueError, match=said):
        read_initiatives(written(tmp_path, *blocks))


def test_a_quarter_lies_in_its_commune(tmp_path):
    site = '[[initiative.site]]\nplace = "P"\nprecision = "quarter"\ncommune = "34172"\nqpv_2015 = ["QP034001"]\n'
    with pytest.raises(CatalogueError, match=r"QP034001 \(Centre Ville\) lies in 34032, not in 34172"):
        qs.load_initiatives(written(tmp_path, site))
    with pytest.raises(UnknownNameError, match="no longer a commune"):
        qs.load_initiatives(written(tmp_path, COMMUNE.replace("34032", "50602")))


def test_zones_that_cannot_be_joined():
    old, new = qs.load_zones("qpv", vintage=2015), qs.load_zones("qpv", vintage=2024)
    with pytest.raises(ComparabilityError, match="one zoning at a time"):
        qs.attach_initiatives(pd.concat([old, new]))
    with pytest.raises(InvalidInputError, match="load_zones"):
        qs.attach_initiatives(pd.DataFrame(new.drop(columns="geometry")))
    with pytest.raises(SchemaError, match="load_zones"):
        qs.attach_initiatives(new.iloc[:0])
    with pytest.raises(SchemaError, match="reference system"):
        qs.attach_initiatives(gpd.GeoDataFrame({"geo_code": ["QN03401M"]}, geometry=[box(0, 0, 1, 1)]))
    for bad in (-1, float("nan")):
        with pytest.raises(InvalidInputError, match="within_m"):
            qs.attach_initiatives(new, within_m=bad)


def test_a_missing_outline_and_a_missing_point_are_not_guessed():
    zones = qs.load_zones("qpv", vintage=2024, territory="Béziers")
    undrawn = zones.assign(geometry=[None] * len(zones))
    own = qs.load_initiatives()
    own.loc[own["id"] == "quartier-sante", "geometry"] = None
    found = qs.attach_initiatives(undrawn.set_crs(4326), initiatives=own)
    assert set(found["relation"]) == {"same_commune"}
    assert found["distance_m"].isna().all()
    lost = own[own["id"] == "atelier-biterrois"].assign(precision="address", geometry=[None])
    assert set(qs.attach_initiatives(zones, initiatives=lost)["relation"]) == {"same_commune"}
    assert isinstance(own.geometry.dropna().iloc[0], Point)
