"""Territories that people name: from a record to communes and QPV, wherever a territory is asked for."""

import logging
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest

import qpv_sante as qs
from qpv_sante.composites import list_quarters
from qpv_sante.errors import (
    AmbiguousTerritoryError,
    CatalogueError,
    ComparabilityError,
    UnavailableLevelError,
    UnknownNameError,
)
from qpv_sante.geography import zoning_of_qpv_code
from qpv_sante.loading import gazetteer, load_zones
from qpv_sante.quarters import quarter_shares, recomputed
from qpv_sante.territory_records import own_path, read_territories

IRIS = Path(__file__).resolve().parents[2] / "shared/mirror/context/derived/iris2020_hauts_de_france.geojson"
IRIS_TABLE = IRIS.parents[1] / "cog" / "iris_2021.csv"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder of its own, empty: figures come from the snapshot."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path / "data"))
    return tmp_path


def written(folder, text, name="mine.toml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def record(**values):
    keys = {"id": "essai", "label": "Essai", **values}
    return "[[territory]]\n" + "\n".join(f"{key} = {value!r}" for key, value in keys.items()) + "\n"


CORRIDOR_2015 = {"QP059022", "QP059023", "QP059024", "QP059028", "QP059032", "QP059033", "QP059056"}
CORRIDOR_2024 = {"QN05922M", "QN05923M", "QN05924M", "QN05928M", "QN05932M", "QN05933M"}


@pytest.mark.parametrize(
    ("name", "key", "old", "new"),
    [
        ("occitanie", "region:76", 105, 108),
        ("montpellier", "commune:34172", 12, 10),
        ("toulouse", "commune:31555", 12, 12),
        ("bron", "commune:69029", {"QP069010", "QP069011"}, {"QN06908M", "QN06909M"}),
        ("grande-synthe", "commune:59271", {"QP059064"}, {"QN05963M"}),
        (
            "biterrois",
            "composite:biterrois",
            {"QP034001", "QP034002", "QP034003"},
            {"QN03401M", "QN03402M", "QN03403M"},
        ),
        ("corridor-minier-valenciennois", "composite:corridor-minier-valenciennois", CORRIDOR_2015, CORRIDOR_2024),
        ("lille-sud", "composite:lille-sud", {"QP059074"}, {"QN05972M"}),
        (
            "lille-poles-ressources",
            "composite:lille-poles-ressources",
            {"QP059074", "QP059075"},
            {"QN05972M", "QN05973M"},
        ),
    ],
)
def test_the_projects_territories_in_both_zonings(name, key, old, new):
    places = gazetteer()
    place = places.resolve(name)
    assert place.key == key
    assert places.resolve(place.key) == place
    for zoning, expected in ((2015, old), (2024, new)):
        found = set(places.qpv_in(place, zoning)["geo_code"])
        assert (len(found) if isinstance(expected, int) else found) == expected
        assert {zoning_of_qpv_code(code) for code in found} == {zoning}
        # the list and the map agree with it
        row = qs.list_territories().set_index("id").loc[name]
        assert set(row[f"qpv_{zoning}"].split(";")) == found
        assert set(load_zones("qpv", vintage=zoning, territory=name)["geo_code"]) == found


def test_a_label_and_a_typed_id_designate_it_too():
    places = gazetteer()
    assert places.resolve("Lille-Sud").key == places.resolve("composite:lille-sud").key == "composite:lille-sud"
    with pytest.raises(UnknownNameError, match="Did you mean 'lille-sud'"):
        places.resolve("composite:lille-sude")
    with pytest.raises(UnknownNameError, match="Did you mean 'biterrois'"):
        places.resolve("biterois")


def test_a_composite_is_compared_as_the_sum_of_its_parts():
    asked = {"geo_vintage": 2015, "year": 2019, "reference": "commune"}
    whole = qs.compare("poverty_rate", territory="biterrois", by=None, **asked).iloc[0]
    town = qs.compare("poverty_rate", territory="Béziers", by=None, **asked).iloc[0]
    assert whole["territory"] == "Biterrois (Béziers)"
    assert whole["territory_level"] == "composite"
    shared = ["qpv_value", "qpv_lower", "qpv_upper", "reference_value", "n_used", "n_total"]
    assert whole[shared].tolist() == town[shared].tolist()


def test_observations_of_a_quarter_are_those_of_its_iris_and_its_city():
    iris = qs.load_observations("poverty_rate", geo_level="iris", territory="lille-sud")
    assert set(iris["geo_code"].str[:7]) == {"5935007"}
    assert len(iris) < len(qs.load_observations("poverty_rate", geo_level="iris", territory="Lille"))
    communes = qs.load_observations("poverty_rate", geo_level="commune", territory="lille-sud")
    # its QPV reaches into three other communes, the quarter does not
    assert set(communes["geo_code"]) == {"59350"}
    health = qs.load_observations("depression_prevalence", geo_level="region", year=2024, territory="lille-sud")
    assert set(health["geo_code"]) == {"32"}


@pytest.mark.parametrize(
    ("name", "vintage", "expected"),
    [
        ("lille-poles-ressources", 2015, {"QP059074", "QP059075"}),
        ("corridor-minier-valenciennois", 2024, CORRIDOR_2024),
    ],
)
def test_a_composite_is_a_territory_wherever_one_is_asked_for(name, vintage, expected):
    year = {2015: 2019, 2024: 2021}[vintage]
    ranked, ranked_year = {2015: ("c2s_share", 2022), 2024: ("poverty_rate", 2021)}[vintage]
    asked = {"geo_vintage": vintage, "territory": name}
    assert set(qs.rank(ranked, year=ranked_year, **asked)["geo_code"]) == expected
    summed, summed_year = {2015: ("c2s_share", 2022), 2024: ("employment_rate", 2020)}[vintage]
    summary = qs.summarize_inequality(summed, year=summed_year, **asked)
    assert sum(group["n_total"] for group in summary.attrs["groups"]) == len(expected)
    estimates = qs.estimate("depression_prevalence", draws=100, **asked)
    assert expected <= set(estimates["geo_code"])
    supply = qs.care_supply(name, geo_vintage=vintage)
    assert set(supply.loc[supply["geo_level"] == "qpv", "geo_code"]) == expected
    assert expected <= set(qs.load_observations("poverty_rate", geo_level="qpv", year=year, **asked)["geo_code"])
    drawn = qs.plot_map("poverty_rate", year=year, **asked)
    assert gazetteer().composites[name].record.text("label", "fr") in qs.figure_alt_text(drawn)
    assert len(qs.explore_map("poverty_rate", year=year, **asked).html) > 1000
    plt.close("all")


def test_crosswalks_take_a_composite():
    assert set(qs.crosswalk(2015, 2024, territory="lille-sud")["from_code"].dropna()) >= {"QP059074"}


def test_a_composite_of_communes_is_a_reference():
    asked = {"geo_vintage": 2015, "year": 2019, "by": None, "territory": "biterrois"}
    ours = qs.compare("poverty_rate", **asked, reference="biterrois")
    city = qs.compare("poverty_rate", **asked, reference="commune:34032")
    assert ours["reference_value"].tolist() == city["reference_value"].tolist()
    corridor = qs.compare(
        "poverty_rate",
        geo_vintage=2015,
        year=2019,
        by=None,
        territory="corridor-minier-valenciennois",
        reference="corridor-minier-valenciennois",
    )
    communes = qs.load_observations("poverty_rate", geo_level="commune", year=2019).set_index("geo_code")["value"]
    named = communes[["59153", "59616", "59484", "59207"]]
    assert named.min() <= corridor["reference_value"].iloc[0] <= named.max()


def test_a_composite_of_parts_of_communes_is_not_a_reference():
    with pytest.raises(ComparabilityError, match=r"made of parts of communes.*commune:59350"):
        qs.compare("poverty_rate", geo_vintage=2015, year=2019, by=None, territory="Lille", reference="lille-sud")


def test_notes_say_what_the_sources_do_not():
    notes = qs.list_territories(lang="en").set_index("id")["note"]
    assert "not named, and not guessed" in notes["corridor-minier-valenciennois"]
    assert "is not a QPV" in notes["lille-sud"]
    assert "None of the five quarters" in notes["lille-poles-ressources"]
    with pytest.raises(UnknownNameError):
        qs.list_territories(lang="de")


def test_every_share_is_a_share_and_a_qpv_is_not_shared_out_twice():
    shares = list_quarters("lille-poles-ressources")
    assert shares["quarter"].nunique() == 5
    assert not shares.duplicated(["quarter", "geo_code"]).any()
    # quarters do not overlap: their parts of a QPV add up to no more than the whole
    assert (shares.groupby("geo_code")["share_of_qpv"].sum() <= 1).all()
    assert shares.attrs["computed"] == "2026-11-23"
    assert list_quarters("biterrois").empty
    with pytest.raises(UnknownNameError, match="No territory 'lille'"):
        list_quarters("lille")


def test_notes_and_shares_of_lille_sud_agree():
    note = qs.list_territories(lang="en").set_index("id").loc["lille-sud", "note"]
    for share in list_quarters("lille-sud")[["share_of_quarter", "share_of_qpv"]].to_numpy().ravel():
        assert f"{100 * share:.0f}%" in note


@pytest.mark.skipif(not IRIS.is_file(), reason=f"the IRIS outlines ({IRIS.name}) are not in the mirror")
@pytest.mark.parametrize("name", ["lille-sud", "lille-poles-ressources"])
def test_shares_are_computed_again_from_the_outlines(name):
    import geopandas as gpd

    iris = gpd.read_file(IRIS)
    found = recomputed(name, iris).set_index(["quarter", "geo_code"]).sort_index()
    stored = list_quarters(name).set_index(["quarter", "geo_code"]).sort_index()
    assert list(found.index) == list(stored.index)
    for column in ("share_of_quarter", "share_of_qpv"):
        assert (found[column] - stored[column]).abs().max() < 0.001


@pytest.mark.skipif(not IRIS_TABLE.is_file(), reason=f"the reference table of IRIS ({IRIS_TABLE.name}) is not mirrored")
def test_the_quarters_hold_every_iris_of_their_grand_quartier():
    table = pd.read_csv(IRIS_TABLE, sep=";", dtype="str", encoding="utf-8-sig")
    grand = table[table["DEPCOM"] == "59350"].groupby("GRD_QUART")["CODE_IRIS"].agg(set)
    quarters = list_quarters("lille-poles-ressources").drop_duplicates("quarter").set_index("quarter")["iris"]
    expected = {
        "Wazemmes": "5935004",
        "Moulins": "5935005",
        "Faubourg de Béthune": "5935006",
        "Lille-Sud": "5935007",
        "Fives": "5935010",
    }
    for quarter, code in expected.items():
        assert set(quarters[quarter].split(";")) == grand[code]


def test_a_missing_iris_is_refused():
    import geopandas as gpd
    from shapely import box

    from qpv_sante.errors import SchemaError

    square = gpd.GeoDataFrame({"CODE_IRIS": ["593500101"]}, geometry=[box(0, 0, 1, 1)], crs=2154)
    with pytest.raises(SchemaError, match="593500102"):
        quarter_shares({"Centre": ["593500101", "593500102"]}, square, square.rename(columns={"CODE_IRIS": "geo_code"}))


# --- territories of one's own


def test_own_territories_are_added_replaced_and_removed(folder):
    source = written(folder, record(communes=["69029", "Vaulx-en-Velin"], note="Contrat local."))
    added = qs.add_territories(source)
    assert added[["id", "kind", "communes"]].values.tolist() == [["essai", "communes", "69029;69256"]]
    listed = qs.list_territories().set_index("id")
    assert listed.loc["essai", "file"].endswith("mine.toml")
    assert listed.loc["biterrois", "file"] == ""
    table = qs.compare("poverty_rate", geo_vintage=2015, year=2019, reference="commune", territory="essai", by=None)
    both = {"QP069010", "QP069011"}
    quarters = set(load_zones("qpv", vintage=2015, territory="essai")["geo_code"])
    assert both < quarters
    assert table["n_total"].iloc[0] == len(quarters)
    # a file of the same name replaces it
    qs.add_territories(written(folder, record(communes=["69029"])))
    assert set(load_zones("qpv", vintage=2015, territory="essai")["geo_code"]) == both
    # and one of another name must not declare it again
    with pytest.raises(CatalogueError, match=r"'essai' is already declared in .*mine\.toml"):
        qs.add_territories(written(folder, record(communes=["69029"]), "other.toml"))
    (folder / "data" / "territories" / "mine.toml").unlink()
    with pytest.raises(UnknownNameError, match="No territory called 'essai'"):
        qs.compare("poverty_rate", geo_vintage=2015, year=2019, territory="essai")


def test_a_merged_commune_is_brought_to_that_of_today_and_said(folder, caplog):
    with caplog.at_level(logging.WARNING):
        added = qs.add_territories(written(folder, record(communes=["50602"])))
    assert added["communes"].tolist() == ["50129"]
    assert "50602 (Tourlaville) is now 50129 (Cherbourg-en-Cotentin)" in added["note"].iloc[0]
    assert "is now 50129" in caplog.text


def test_qpv_can_be_named_when_one_only_bears_the_name(folder):
    added = qs.add_territories(written(folder, record(qpv_2015=["Iranget Grangette"], qpv_2024=["QN03402M"])))
    assert added[["kind", "qpv_2015", "qpv_2024"]].values.tolist() == [["quarters", "QP034002", "QN03402M"]]
    assert added["communes"].tolist() == ["34032"]


def test_a_name_that_several_qpv_bear_lists_their_codes(folder):
    with pytest.raises(AmbiguousTerritoryError, match=r"QPV are called 'Centre Ville': QP\d+.* Give the code"):
        qs.add_territories(written(folder, record(qpv_2015=["Centre Ville"])))
    with pytest.raises(AmbiguousTerritoryError, match=r"communes are called 'Saint-Denis'.*93066.*97411"):
        qs.add_territories(written(folder, record(communes=["Saint-Denis"])))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (record(qpv_2015=["QN03402M"]), r"qpv_2015: QN03402M is a QPV of 2024; give it in qpv_2024"),
        (record(qpv_2024=["QP034002"]), r"qpv_2024: QP034002 is a QPV of 2015; give it in qpv_2015"),
        (record(qpv_2015=["QP34002"]), "is not a QPV code"),
        (record(communes=["34032"], population="12"), "unknown field `population`.*Keys of a"),
        (record(communes=["34032"]) * 2, "essai: declared twice"),
        (record(id="biterrois", communes=["34032"]), "'biterrois' is already declared in"),
        (record(id="lille", communes=["34032"]), "'lille' cannot|'lille' already|name of the territory 'lille'"),
        (record(label="Occitanie", communes=["34032"]), "Occitanie"),
        (record(id="Lille Est", communes=["34032"]), "small letters, digits and hyphens"),
        (record(), "nothing inside: give same_as"),
        (record(same_as="region:76", communes=["34032"]), "same_as goes alone"),
        (record(same_as="lille-sud"), "typed code of an official territory"),
        (record(communes=["34032", "34032"]), "'34032' is given twice"),
        (record(communes="34032"), "Expected `array`"),
        ("[[territory]", "cannot be read"),
        ("", "missing required field `territory`"),
    ],
)
def test_bad_files_are_refused_and_leave_nothing(folder, text, said):
    with pytest.raises(CatalogueError, match=said):
        qs.add_territories(written(folder, text))
    assert not (folder / "data" / "territories").exists()
    assert len(qs.list_territories()) == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (record(communes=["34999"]), "no commune '34999'"),
        (record(communes=["Beziers-les-Bains"]), "no commune 'Beziers-les-Bains'"),
        (record(qpv_2015=["QP034999"]), "no QPV 'QP034999' in this zoning. Did you mean"),
        (record(same_as="region:99"), "no region has this code"),
    ],
)
def test_unknown_codes_are_refused(folder, text, said):
    with pytest.raises(UnknownNameError, match=said):
        qs.add_territories(written(folder, text))


def test_an_alias_of_an_official_territory_may_bear_its_name(folder):
    qs.add_territories(written(folder, record(id="nimes", label="Nîmes", same_as="commune:30189")))
    assert gazetteer().resolve("Nîmes").key == "commune:30189"


def test_a_zoning_without_quarters_says_where_there_are_some(folder):
    qs.add_territories(written(folder, record(qpv_2015=["QP034002"])))
    with pytest.raises(UnavailableLevelError, match="It has 1 of the 2015 zoning"):
        qs.compare("poverty_rate", geo_vintage=2024, year=2021, territory="essai")


def test_a_record_that_the_tables_contradict_is_listed_and_stops_nothing_else(folder):
    target = folder / "data" / "territories"
    target.mkdir(parents=True)
    written(target, record(communes=["34999"]))
    row = qs.list_territories(lang="en").set_index("id").loc["essai"]
    assert row["note"].startswith("Not usable: mine.toml: territory 'essai': no commune '34999'")
    assert row["communes"] == ""
    assert gazetteer().resolve("Béziers").key == "commune:34032"


def test_own_records_are_written_in_both_languages():
    for one in read_territories(own_path()):
        assert one.source
        for name in ("label", "note"):
            given = getattr(one, name)
            assert not given or set(given) == {"fr", "en"}, one.id
