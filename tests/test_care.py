"""Care supply: the readers, what lies in and around a QPV, facilities per inhabitant, and the published statements."""

from __future__ import annotations

import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import producers as miniature
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, chi2
from shapely import box

from conftest import Producers
from qpv_sante import care, manifests, pipeline, store
from qpv_sante.care import SUPPLY_COLUMNS, care_supply, iris_bounds, statements
from qpv_sante.care.communes import RESTORED, commune_counts
from qpv_sante.care.nearby import KINDS, beyond_coverage, count_nearby
from qpv_sante.care.statements import COLUMNS, read_statements, rest_over_host
from qpv_sante.care.structures import activity_from_name
from qpv_sante.catalogue import Table, catalogue
from qpv_sante.errors import (
    CatalogueError,
    ComparabilityError,
    InvalidInputError,
    SchemaError,
    StoreError,
    UnavailableLevelError,
    UnknownNameError,
)
from qpv_sante.readers.cells import read_text_csv
from qpv_sante.readers.facilities import count_facilities
from qpv_sante.readers.points import read_points

FINESS, BPE = "finess_occitanie", "insee_bpe"


@pytest.fixture(scope="session")
def care_folder(_server: tuple[str, Producers], built_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The miniature with the facilities built on top, for reading only."""
    url, answers = _server
    folder = tmp_path_factory.mktemp("care") / "data"
    shutil.copytree(built_data, folder)
    for key, (_, make) in miniature.CARE_EDITIONS.items():
        answers.answers[answers.address(key)] = make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QPV_SANTE_MIRROR", url)
        report = pipeline.build([BPE, FINESS], root=folder)
    assert report.failures == {}
    return folder


@pytest.fixture
def built_care(care_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QPV_SANTE_DATA", str(care_folder))
    return care_folder


def finess_table(**changes: object) -> Table:
    source = catalogue().source(FINESS)
    table = source.tables[0]
    values = {name: getattr(table, name) for name in table.__struct_fields__} | changes
    return Table(**values)


def finess(text: str | None = None, **changes: object) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    table = finess_table(**changes)
    content = (text or miniature.structures().decode()).encode()
    return read_points(read_text_csv(content, table, where="finess"), table, where="finess")


def bpe(text: str | None = None, level: int = 0) -> tuple[pd.DataFrame, int]:
    source = catalogue().source(BPE)
    vintage, table = source.vintage[0], source.tables[level]
    frame = read_text_csv((text or miniature.facilities().decode()).encode(), table, where="bpe")
    series = catalogue().series_in(BPE, vintage.id)
    return count_facilities(frame, source.key(vintage), vintage, table, series, where="bpe")


# --- facilities, read --------------------------------------------------------------------------------------------


def test_facilities_by_commune_and_iris() -> None:
    communes, unplaced = bpe()
    doctors = communes[communes["indicator"] == "general_practitioners"].set_index("geo_code")["value"]
    assert unplaced == 0
    assert doctors["34032"] == 12  # 5 + 7, in two IRIS
    assert doctors["22016"] == 0  # listed for a nurse: it has no practitioner
    # eleven kinds of the file are one indicator
    specialists = communes[communes["indicator"] == "specialists"].set_index("geo_code")["value"]
    assert specialists[["34032", "59350", "22016"]].tolist() == [6, 12, 0]
    assert set(communes["flag"]) == {"observed"}
    assert set(communes["geo_vintage"]) == {2020}
    iris, without = bpe(level=1)
    doctors = iris[iris["indicator"] == "general_practitioners"].set_index("geo_code")["value"]
    assert doctors[["340320101", "340320102"]].tolist() == [5, 7]
    assert without == 3  # a nurse in Bréhat, two practitioners in Tourlaville: communes that are not cut
    assert not {"22016", "50602"} & set(iris["geo_code"])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("34032;34032_0101;D201;5", "34032;34032_0101;D201;-5", "-5 facilities"),
        ("34032;34032_0101;D201;5", "34032;34032_0101;D201;1,5", "1.5 facilities"),
        ("34032;34032_0101;D201;5", "34032;34032_0101;D201;beaucoup", "neither a number"),
        ("34032;34032_0102;D201;7", "34032;34032_0101;D201;7", "has two rows"),
        ("34032;34032_0102;D201;7", "34032;59350_0102;D201;7", "is not in the commune 34032"),
        ("34032;34032_0102;D201;7", "4032;4032_0102;D201;7", "commune code"),
        (";D113;", ";D114;", "no row of the kind D113"),
        ("NB_EQUIP", "NOMBRE", "no column NB_EQUIP"),
    ],
)
def test_facilities_that_cannot_be_read(old: str, new: str, message: str) -> None:
    text = miniature.facilities().decode()
    assert old in text
    with pytest.raises(SchemaError, match=message):
        bpe(text.replace(old, new), level=1 if "two rows" in message or "not in" in message else 0)


# --- structures, read --------------------------------------------------------------------------------------------


def test_structures_once_each_and_located() -> None:
    points, coverage, counts = finess()
    by_number = points.set_index("establishment")
    assert len(points) == 6  # the pharmacy is of another category, the second row of 340000011 another activity
    assert by_number["structure"].to_dict() == {
        "340000011": "340000011",
        "340000022": "340000022",
        "340000033": "340000022",  # same body, same kind, same door
        "340000044": "340000044",
        "340000055": "340000055",
        "340000066": "340000066",
    }
    assert by_number["location"].to_dict() == {
        **dict.fromkeys(("340000011", "340000022", "340000033", "340000044"), "published"),
        "340000055": "absent",
        "340000066": "implausible",
    }
    assert by_number.loc[["340000055", "340000066"], ["longitude", "latitude"]].isna().all(axis=None)
    assert by_number["name"]["340000011"] == "MAISON DE SANTE DU CENTRE"  # the long name, where there is one
    assert by_number["name"]["340000033"] == "CSI DES ALLEES"
    assert set(points["precision"]) == {"unknown"}
    assert coverage.to_numpy().tolist() == [["34", 7]]
    assert counts["rows read"] == 8
    assert counts["rows dropped (other categories)"] == 1
    assert counts["rows dropped (establishment given again)"] == 1
    assert counts["establishments at the door of another of the same body"] == 1
    assert counts["establishments without coordinates"] == 1
    assert counts["establishments with implausible coordinates"] == 1


def test_two_bodies_at_one_address_are_two_structures() -> None:
    text = miniature.structures().decode().replace("340000002,CSI", "340000009,CSI")
    points, _, _ = finess(text)
    assert points["structure"].nunique() == 6


def test_structures_in_lambert_93() -> None:
    text = miniature.structures().decode()
    points, _, _ = finess()
    kept = points.dropna(subset=["longitude"])
    metres = gpd.GeoSeries(gpd.points_from_xy(kept["longitude"], kept["latitude"]), crs=4326).to_crs(2154)
    right = swapped = text
    for row, place in zip(kept.itertuples(), metres, strict=True):
        degrees = f"{row.latitude},{row.longitude}"
        assert degrees in text
        right = right.replace(degrees, f"{place.y},{place.x}")
        swapped = swapped.replace(degrees, f"{place.x},{place.y}")
    again, _, _ = finess(right, crs=2154)
    there = again.dropna(subset=["longitude"])
    assert np.allclose(there[["longitude", "latitude"]], kept[["longitude", "latitude"]], atol=1e-6)
    with pytest.raises(SchemaError, match="axes swapped"):
        finess(swapped, crs=2154)
    with pytest.raises(SchemaError, match="not EPSG:4326"):  # metres where degrees are declared
        finess(right)


def test_longitude_and_latitude_swapped() -> None:
    text = miniature.structures().decode().replace(",latitude,longitude,", ",longitude,latitude,")
    with pytest.raises(SchemaError, match=r"4 of 5 coordinates .* axes swapped"):
        finess(text)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",603,", ",604,", "no row of the category 603"),
        (",3.21,43.34,", ",au nord,43.34,", "column latitude, line .*'au nord' is neither a number"),
        (",,34032", ",,4032", "commune code"),
        ("nofinessej_1", "entite", "no column nofinessej_1"),
        (",340000055,", ",,", "no number of establishment"),
    ],
)
def test_structures_that_cannot_be_read(old: str, new: str, message: str) -> None:
    text = miniature.structures().decode()
    assert old in text
    with pytest.raises(SchemaError, match=message):
        finess(text.replace(old, new))


def test_rows_of_one_establishment_that_contradict_each_other() -> None:
    text = miniature.structures().decode()
    assert "16,,,,340000001" in text
    with pytest.raises(
        SchemaError, match=r"340000011 has rows that contradict each other \(lines 2, 3\): legal_entity"
    ):
        finess(text.replace("16,,,,340000001", "16,,,,340000008"))


def test_precision_in_the_words_of_the_producer() -> None:
    columns = {**finess_table().columns, "type d etablissements": "precision"}
    words = {**finess_table().recode, "numero": "address", "commune": "commune"}
    text = miniature.structures().decode()
    points, _, _ = finess(text.replace(",,34032", ",numero,34032", 3), columns=columns, recode=words)
    assert points.set_index("establishment")["precision"].to_dict() == {
        "340000011": "address",
        "340000022": "address",
        **dict.fromkeys(("340000033", "340000044", "340000055", "340000066"), "unknown"),
    }
    with pytest.raises(SchemaError, match="unknown precision 'rue'"):
        finess(text.replace(",,34032", ",rue,34032"), columns=columns, recode=words)


def test_activity_from_name() -> None:
    names = ["CABINET DENT MUTUALISTE", "CSI ALTRIANE", "CENTRE OPHTALMOLOGIQUE", "CENTRE DENTAIRE ET INFIRMIER", "MSP"]
    assert activity_from_name(names).tolist() == ["dental", "nursing", "eye", "several", "several"]
    # words that only look alike
    assert set(activity_from_name(["RESIDENCE SANTE", "CENTRE DE SANTE ACCIDENTS", "CDS INDEPENDANT"])) == {"several"}


# --- around a quarter --------------------------------------------------------------------------------------------


def quarter(outline: object, department: str = "31") -> gpd.GeoDataFrame:
    data = {"geo_code": [f"QP0{department}001"], "communes": ["31555"], "department": [department]}
    return gpd.GeoDataFrame(data, geometry=[outline], crs=2154)


def at(*places: tuple[float, float], **columns: object) -> pd.DataFrame:
    degrees = gpd.points_from_xy([p[0] for p in places], [p[1] for p in places], crs=2154).to_crs(4326)
    frame = pd.DataFrame({"structure": [str(n) for n in range(len(places))], "longitude": degrees.x})
    base = {"kind": "health_houses", "commune": "31555", "department": "31", "location": "published"}
    return frame.assign(latitude=degrees.y, precision="unknown", **base).assign(**columns)


SQUARE = box(570_000, 6_270_000, 571_000, 6_271_000)


@pytest.mark.parametrize(
    ("x", "precision", "expected"),
    [
        # distance to the border -> (value, lower, upper) inside, then within 500 m
        (570_500, "unknown", [(1, 1, 1), (1, 1, 1)]),  # 500 m deep
        (570_950, "unknown", [(1, 0, 1), (1, 1, 1)]),  # inside by 50 m, known to 100 m
        (571_050, "unknown", [(0, 0, 1), (1, 1, 1)]),  # outside by 50 m
        (571_050, "address", [(0, 0, 0), (1, 1, 1)]),  # the same, known to 30 m
        (571_450, "street", [(0, 0, 0), (1, 0, 1)]),  # within 500 m by 50 m, known to 200 m
        (571_600, "unknown", [(0, 0, 0), (0, 0, 1)]),
        (570_500, "commune", [(1, 0, 1), (1, 0, 1)]),  # located by its commune: never certain
        (575_000, "commune", [(0, 0, 1), (0, 0, 1)]),
        (580_000, "commune", [(0, 0, 0), (0, 0, 0)]),
    ],
)
def test_count_and_its_doubt(x: float, precision: str, expected: list[tuple[int, int, int]]) -> None:
    found = count_nearby(quarter(SQUARE), at((x, 6_270_500), precision=precision), distances=(0, 500))
    rows = found[found["indicator"] == "health_houses"]
    assert [tuple(row) for row in rows[["value", "lower", "upper"]].to_numpy()] == expected


def test_structures_without_location_are_possible_and_counted() -> None:
    placed = at((570_500, 6_270_500), (570_600, 6_270_500))
    lost = at((0, 0), (0, 0), (0, 0), location="absent").assign(longitude=np.nan, latitude=np.nan)
    lost["structure"] = ["lost here", "lost in the department", "lost elsewhere"]
    lost["commune"], lost["department"] = ["31555", "31001", "34032"], ["31", "31", "34"]
    found = count_nearby(quarter(SQUARE), pd.concat([placed, lost]), distances=(0, 500)).set_index("indicator")
    rows = found.loc["health_houses"]
    assert rows[["value", "lower", "upper"]].to_numpy().tolist() == [[2, 2, 3], [2, 2, 4]]
    assert rows[["n_used", "n_total"]].to_numpy().tolist() == [[2, 4], [2, 4]]


def test_an_establishment_listed_twice_counts_once() -> None:
    once = at((570_500, 6_270_500))
    found = count_nearby(quarter(SQUARE), pd.concat([once, once]), distances=(0,))
    assert found.set_index("indicator")["value"].to_dict() == {
        "health_houses": 1,
        "health_centres": 0,
        "health_structures": 1,
    }


def test_no_outline_is_not_zero() -> None:
    for structures in (at((570_500, 6_270_500)), at((570_500, 6_270_500)).iloc[:0]):
        found = count_nearby(quarter(None), structures, distances=(0,))
        assert found[["value", "lower", "upper"]].isna().all(axis=None)


@pytest.mark.parametrize("distances", [[], [-1], [0, 0], [np.nan], [np.inf], ["far"], None, 500])
def test_distances_that_are_not_metres(distances: object) -> None:
    with pytest.raises(InvalidInputError, match="distances"):
        count_nearby(quarter(SQUARE), at((570_500, 6_270_500)), distances=distances)  # type: ignore[arg-type]


def test_precision_that_has_no_radius() -> None:
    with pytest.raises(SchemaError, match="no radius for the precision rooftop"):
        count_nearby(quarter(SQUARE), at((570_500, 6_270_500), precision="rooftop"))
    with pytest.raises(InvalidInputError, match="unknown_precision"):
        count_nearby(quarter(SQUARE), at((570_500, 6_270_500)), unknown_precision=-1)


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.floats(569_000, 573_000), st.floats(6_269_000, 6_273_000)), min_size=1, max_size=8),
    st.floats(0, 600),
)
def test_bounds_hold_and_grow_with_distance(places: list[tuple[float, float]], doubt: float) -> None:
    found = count_nearby(quarter(SQUARE), at(*places), distances=(0, 250, 1000), unknown_precision=doubt)
    assert (found["lower"] <= found["value"]).all()
    assert (found["value"] <= found["upper"]).all()
    for indicator in KINDS:
        rows = found[found["indicator"] == indicator].sort_values("distance_m")
        assert (rows[["value", "lower", "upper"]].diff().dropna() >= 0).all(axis=None)


def test_surroundings_beyond_the_source() -> None:
    departments = gpd.GeoDataFrame(
        {"geo_code": ["31", "33"]},
        geometry=[box(560_000, 6_260_000, 571_300, 6_280_000), box(571_300, 6_260_000, 590_000, 6_280_000)],
        crs=2154,
    )
    reached = [beyond_coverage(quarter(SQUARE), departments, ["31"], d).tolist() for d in (0, 250, 350)]
    assert reached == [[False], [False], [True]]
    assert beyond_coverage(quarter(SQUARE), departments, ["31", "33"], 350).tolist() == [False]
    assert beyond_coverage(quarter(None), departments, ["31"], 350).tolist() == [False]


# --- care_supply -------------------------------------------------------------------------------------------------


def test_quarters_of_the_miniature(built_care: Path) -> None:
    supply = care_supply("Béziers", geo_vintage=2015)
    assert list(supply.columns) == list(SUPPLY_COLUMNS)
    quarters = supply[supply["geo_level"] == "qpv"].set_index(["geo_code", "indicator", "distance_m"])
    measures = quarters[["value", "lower", "upper"]]

    def bounds(*key: object) -> list[float]:
        return measures.loc[key].tolist()

    # 340000011 is 250 m inside QP034001 and 250 m from QP034002; the two centres that have no usable location are in
    # Béziers: possible everywhere
    assert bounds("QP034001", "health_houses", 0.0) == [1, 1, 1]
    assert bounds("QP034001", "health_houses", 500.0) == [1, 1, 1]  # 340000044 is 750 m away
    assert bounds("QP034001", "health_houses", 1000.0) == [2, 2, 2]
    assert bounds("QP034001", "health_centres", 0.0) == [1, 0, 3]  # 50 m inside, one door for two establishments
    assert bounds("QP034002", "health_centres", 0.0) == [0, 0, 3]  # 50 m outside
    assert bounds("QP034002", "health_structures", 500.0) == [3, 3, 5]
    one = quarters.loc[("QP034001", "health_centres", 0.0)]
    assert one[["n_used", "n_total"]].tolist() == [1, 3]
    assert one[["year", "population_year", "population"]].tolist() == [2025, 2018, 19472]
    assert one["density"] == pytest.approx(10_000 / 19_472)
    # the lower limit is that of the certain count (0), the upper limit that of the possible one (3)
    assert one["density_lower"] == 0
    assert one["density_upper"] == pytest.approx(10_000 * chi2.isf(0.025, 8) / 2 / 19_472)
    assert one[["interval", "source", "flag"]].tolist() == ["process", "finess_occitanie@2025", "observed"]
    assert "3 structures de position incertaine" in one["note"]


def test_communes_of_the_miniature(built_care: Path) -> None:
    supply = care_supply(geo_vintage=2015, lang="en")
    communes = supply[supply["geo_level"] == "commune"].set_index(["indicator", "geo_code"])
    doctors = communes.loc["general_practitioners"]
    assert doctors.loc["34032", ["value", "population", "population_year", "year"]].tolist() == [12, 79041, 2021, 2019]
    assert doctors.loc["34032", "density"] == pytest.approx(10_000 * 12 / 79_041)
    assert doctors["value"]["50129"] == 10  # 8, and 2 of Tourlaville, merged
    assert "50602" not in doctors.index
    assert doctors["value"]["75056"] == 40  # by arrondissement in the file
    # Bréhat is listed for a nurse only: no practitioner, and an exact upper limit all the same
    island = doctors.loc["22016"]
    assert island[["value", "density", "density_lower", "flag"]].tolist() == [0, 0, 0, "observed"]
    assert island["density_upper"] == pytest.approx(10_000 * chi2.isf(0.025, 2) / 2 / 377)
    pharmacies = communes.loc["pharmacies"]
    assert set(pharmacies["flag"]) == {"unreliable"}
    assert pharmacies["note"].str.contains("more pharmacies").all()
    assert communes[["lower", "upper", "distance_m"]].isna().all(axis=None)


def test_quarters_that_the_source_does_not_cover(built_care: Path) -> None:
    supply = care_supply(geo_vintage=2015)
    quarters = supply[supply["geo_level"] == "qpv"]
    elsewhere = quarters[quarters["department"] != "34"]
    assert set(elsewhere["geo_code"]) == {"QP050001", "QP059001", "QP059002", "QP075001", "QP974001"}
    assert set(elsewhere["flag"]) == set(elsewhere["density_flag"]) == {"unavailable"}
    assert elsewhere[["value", "lower", "upper", "density", "density_lower", "density_upper"]].isna().all(axis=None)
    assert elsewhere["note"].str.contains("Occitanie").all()
    assert set(quarters.loc[quarters["department"] == "34", "flag"]) == {"observed"}
    assert len(quarters) == 8 * len(KINDS) * 3


def test_population_that_is_not_published(built_care: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qpv_sante.care import quarters

    people = pd.DataFrame({"value": [np.nan], "flag": ["suppressed"]}, index=pd.Index(["QP034001"], name="geo_code"))
    monkeypatch.setattr(quarters, "qpv_population", lambda geo_vintage: people)
    supply = care_supply("Béziers", geo_vintage=2015, distances=(0,))
    houses = supply[(supply["geo_level"] == "qpv") & (supply["indicator"] == "health_houses")].set_index("geo_code")
    assert houses["value"].tolist() == [1, 0, 0]  # the count is known all the same
    assert houses[["density", "density_lower", "density_upper"]].isna().all(axis=None)
    assert houses["density_flag"].tolist() == ["suppressed", "unavailable", "unavailable"]
    assert set(houses["flag"]) == {"observed"}
    assert houses["note"].str.contains("population du quartier sans valeur").all()


def test_a_quarter_and_a_commune_without_any(built_care: Path) -> None:
    one = care_supply("QP059001", geo_vintage=2015, distances=(0,))
    assert set(one.loc[one["geo_level"] == "commune", "geo_code"]) == {"59350", "59410"}
    island = care_supply("commune:22016", geo_vintage=2024)
    assert set(island["geo_level"]) == {"commune"}  # no QPV there
    zoning = care_supply("Béziers", geo_vintage=2024)
    assert set(zoning.loc[zoning["geo_level"] == "qpv", "geo_code"]) == {"QN03401M"}
    assert set(zoning.loc[zoning["geo_level"] == "qpv", "population_year"]) == {2020}


def test_what_cannot_be_asked(built_care: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'Béziers'"):
        care_supply("Bézier", geo_vintage=2015)
    with pytest.raises(UnavailableLevelError, match="2015, 2024"):
        care_supply("Béziers", geo_vintage=2020)
    with pytest.raises(ComparabilityError, match="geo_vintage=2015"):
        care_supply("QP034001", geo_vintage=2024)
    with pytest.raises(UnknownNameError, match="is no longer a commune"):
        care_supply("commune:50602", geo_vintage=2015)
    with pytest.raises(InvalidInputError, match="distances"):
        care_supply("Béziers", geo_vintage=2015, distances=(-500,))
    with pytest.raises(UnknownNameError, match="lang"):
        care_supply("Béziers", geo_vintage=2015, lang="de")


def test_never_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = store.snapshot_dir()
    without = tmp_path / "snapshot"
    shutil.copytree(kept, without, ignore=shutil.ignore_patterns("care_structures*", "insee_bpe*"))
    told = manifests.read(without)
    told["files"] = {
        name: record for name, record in told["files"].items() if "care_structures" not in name and BPE not in name
    }
    manifests.write(without, told, copied=False)
    monkeypatch.setattr(store, "snapshot_dir", lambda: without)
    for ask in (lambda: care_supply("Béziers", geo_vintage=2015), statements):
        with pytest.raises(StoreError, match=r"qpv-sante build --source insee_bpe --source finess_occitanie"):
            ask()


def test_citation_names_both_sources(built_care: Path) -> None:
    import qpv_sante as qs

    text = qs.cite(care_supply("Béziers", geo_vintage=2015))
    assert "FINESS" in text
    assert "Base permanente des équipements 2019" in text


# --- communes ----------------------------------------------------------------------------------------------------


def test_restored_communes_are_not_zero() -> None:
    restored, left = next(iter(RESTORED.items()))
    given = pd.DataFrame({"geo_code": [left, left[:2] + "001"], "value": [4.0, 1.0], "flag": "observed"})
    codes = [left, restored, left[:2] + "001", "97601"]
    communes = pd.DataFrame({"code": codes, "department": [left[:2]] * 3 + ["976"]})
    former = pd.DataFrame({"old_code": ["50602"], "old_name": ["Tourlaville"], "new_code": ["50129"]})
    counts = commune_counts(given, communes, former).set_index("geo_code")
    assert counts["flag"].tolist() == ["unreliable", "unavailable", "observed", "unavailable"]
    assert counts["value"].isna().tolist() == [False, True, False, True]


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    given = pd.DataFrame({"geo_code": ["50602", "50129"], "value": [np.nan, 3.0], "flag": ["suppressed", "observed"]})
    communes = pd.DataFrame({"code": ["50129"], "department": ["50"]})
    former = pd.DataFrame({"old_code": ["50602"], "old_name": ["Tourlaville"], "new_code": ["50129"]})
    assert commune_counts(given, communes, former)["flag"].tolist() == ["suppressed"]
    assert commune_counts(given, communes, former)["value"].isna().all()


# --- IRIS --------------------------------------------------------------------------------------------------------


def iris_outlines(*boxes: tuple[str, float, float]) -> gpd.GeoDataFrame:
    shapes = [box(left, 6_249_000, right, 6_249_500) for _, left, right in boxes]
    return gpd.GeoDataFrame({"CODE_IRIS": [code for code, *_ in boxes]}, geometry=shapes, crs=2154)


def test_bounds_from_iris(built_care: Path) -> None:
    zones = gpd.GeoDataFrame(
        {"geo_code": ["QP034001", "QP034002", "QP034003"]},
        geometry=[box(x, 6_249_000, x + 500, 6_249_500) for x in (721_000, 721_500, 722_500)],
        crs=2154,
    )
    # the first IRIS is in QP034001, the second straddles the first two; nothing is drawn around the third
    iris = iris_outlines(("340320101", 721_000, 721_300), ("340320102", 721_300, 722_000))
    bounds = iris_bounds(zones, iris).set_index("geo_code")
    assert bounds.loc["QP034001", ["lower", "upper", "iris_inside", "iris_met"]].tolist() == [5, 12, 1, 2]
    assert bounds.loc["QP034002", ["lower", "upper", "iris_inside", "iris_met"]].tolist() == [0, 7, 0, 1]
    assert bounds.loc["QP034003", "flag"] == "unavailable"
    assert bounds.loc["QP034003", ["lower", "upper"]].isna().all()
    # a border drawn 10 m away does not make a neighbour
    near = iris_outlines(("340320101", 721_000, 721_510), ("340320102", 721_510, 722_000))
    assert iris_bounds(zones, near).set_index("geo_code").loc["QP034001", ["lower", "upper"]].tolist() == [5, 5]


def test_iris_that_do_not_cover_the_quarter_leave_no_upper_bound(built_care: Path) -> None:
    zones = quarter(box(721_000, 6_249_000, 721_500, 6_249_500), "34")
    bounds = iris_bounds(zones, iris_outlines(("340320101", 721_000, 721_300)))
    assert bounds[["lower", "covered"]].iloc[0].tolist() == [5, pytest.approx(0.6)]
    assert bounds["upper"].isna().all()


def test_iris_of_a_commune_that_is_not_cut(built_care: Path) -> None:
    zones = quarter(box(721_000, 6_249_000, 721_500, 6_249_500), "34")
    whole = iris_outlines(("220160000", 721_000, 721_500))
    assert iris_bounds(zones, whole, indicator="nurses")[["lower", "upper"]].iloc[0].tolist() == [1, 1]


def test_iris_that_cannot_be_used(built_care: Path) -> None:
    zones = quarter(box(721_000, 6_249_000, 721_500, 6_249_500), "34")
    iris = iris_outlines(("340320101", 721_000, 721_300))
    with pytest.raises(UnknownNameError, match="nurses"):
        iris_bounds(zones, iris, indicator="nurse")
    with pytest.raises(InvalidInputError, match="tolerance"):
        iris_bounds(zones, iris, tolerance=5)
    with pytest.raises(SchemaError, match="not an IRIS code"):
        iris_bounds(zones, iris_outlines(("0101", 721_000, 721_300)))
    with pytest.raises(SchemaError, match="coordinate reference system"):
        iris_bounds(zones, iris.set_crs(None, allow_override=True))


# --- statements --------------------------------------------------------------------------------------------------


def test_statements_beside_ours(built_care: Path) -> None:
    table = statements(lang="en").set_index("id")
    assert list(statements().columns) == list(COLUMNS)
    inside = table.loc["participatory_inside"]
    assert inside[["published", "comparison", "unit"]].tolist() == [15, "below", "%"]
    # one of the three QPV of the miniature's Hérault; the doubt on two centres leaves none out
    assert inside["value"] == pytest.approx(100 / 3)
    assert [inside["least"], inside["most"]] == pytest.approx([100 / 3, 100])
    z2 = 1.959963984540054**2  # Wilson by hand, 1 of 3
    centre, half = (1 / 3 + z2 / 6) / (1 + z2 / 3), np.sqrt(z2 * (2 / 27 + z2 / 36)) / (1 + z2 / 3)
    assert [inside["lower"], inside["upper"]] == pytest.approx([100 * (centre - half), 100 * (centre + half)])
    assert inside[["n_used", "n_total", "interval"]].tolist() == [3, 3, "process"]
    assert "no sample" in inside["meaning"]
    # without the dental and nursing centres
    assert table.loc["participatory_inside_several", "n_used"] == 3
    near = table.loc["gp_within_500m"]
    assert near["published"] == 20
    assert near["value"] == pytest.approx(100)
    assert near["interval"] == "none"


def test_ratio_of_densities_by_hand() -> None:
    communes = pd.DataFrame(
        {
            "urban_unit": ["U", "U", "U", "V", "", "U"],
            "value": [20.0, 6.0, 3.0, 99.0, 99.0, np.nan],
            "population": [10_000.0, 4_000.0, 2_000.0, 1_000.0, 1_000.0, 500.0],
        }
    )
    hosts = pd.Series([True, False, False, False, True, False])  # the fifth is outside any urban unit
    ratio = rest_over_host(communes, hosts)
    assert ratio["value"] == pytest.approx((9 / 6_000) / (20 / 10_000))
    assert (ratio["n_used"], ratio["n_total"]) == (3, 4)
    share = [beta.ppf(0.025, 9, 21), beta.isf(0.025, 10, 20)]  # Clopper-Pearson of 9 in 29
    assert [ratio["lower"], ratio["upper"]] == pytest.approx([p / (1 - p) * 10_000 / 6_000 for p in share])


def test_no_ratio_without_two_sides(built_care: Path) -> None:
    # every commune of these urban units hosts a QPV: there is no rest to compare with
    ratio = statements().set_index("id").loc["gp_density"]
    assert ratio["published"] == 1.5
    assert ratio[["n_used", "n_total"]].tolist() == [5, 5]
    assert pd.isna(ratio["value"])
    assert ratio["flag"] == "unavailable"


def test_what_only_has_bounds_has_no_value(built_care: Path) -> None:
    table = statements().set_index("id")
    bounded = table.loc["gp_in_quarter"]
    assert pd.isna(bounded["value"])
    assert bounded[["lower", "upper", "flag", "interval"]].tolist() == [0, 100, "unavailable", "model"]
    assert bounded["published"] == 78
    by_iris = table.loc["gp_in_quarter_iris"]
    assert by_iris[["value", "lower", "upper"]].isna().all()  # no outlines of IRIS were given
    iris = iris_outlines(("340320101", 721_000, 721_300), ("340320102", 721_300, 722_000))
    given = statements(iris=iris).set_index("id").loc["gp_in_quarter_iris"]
    # QP034001 holds an IRIS with a practitioner, QP034002 meets one; QP034003 is not drawn
    assert given["lower"] == pytest.approx(100 * 19_472 / (19_472 + 3_124))
    assert given["upper"] == pytest.approx(100)
    assert given["n_used"] == 2


def test_statements_say_why_they_differ_in_both_languages(built_care: Path) -> None:
    for lang in ("fr", "en"):
        table = statements(lang=lang)
        assert (table["difference"].str.len() > 40).all()
        assert table["statement"].str.len().gt(0).all()
        assert table["value"].isna().equals(table["flag"].isin(["unavailable"]))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "nurse_density"', 'id = "gp_density"', "gp_density: declared twice"),
        ('contrast = "nurse_density"', 'contrast = "nurses"', "unknown contrast 'nurses'"),
        ('measure = "rest_over_host_ratio"', 'measure = "guess"', "guess"),
        ("distance = 500", "far = 500", "unknown field"),
        ("distance = 500", "", "needs a distance"),
        ('indicator = "nurses"', 'indicator = "nurse"', "needs an indicator"),
    ],
)
def test_damaged_statements(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (Path(care.__file__).parent / "statements.toml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "statements.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(CatalogueError, match=message):
        read_statements(path)


# --- the producers' real files -----------------------------------------------------------------------------------


@pytest.mark.mirror
def test_real_totals(mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QPV_SANTE_MIRROR", mirror)
    monkeypatch.setenv("QPV_SANTE_DATA", str(tmp_path))
    report = pipeline.build([BPE, FINESS, "insee_cog_events"])
    assert report.failures == {}
    supply = care_supply(geo_vintage=2015, distances=(0, 500))
    communes = supply[supply["geo_level"] == "commune"]
    # every facility of the file is in a commune of today
    assert communes.groupby("indicator")["value"].sum().to_dict() == {
        "health_houses": 1129,
        "health_centres": 1975,
        "general_practitioners": 61429,
        "specialists": 45270,
        "dentists": 38487,
        "nurses": 100816,
        "pharmacies": 24474,
    }
    structures = store.find_store("codes/care_structures").codes("care_structures")
    assert structures["kind"].value_counts().to_dict() == {"health_houses": 372, "health_centres": 280}
    assert structures["structure"].nunique() == 646
    assert set(structures["location"]) == {"published"}
    quarters = supply[(supply["geo_level"] == "qpv") & supply["value"].notna()]
    assert quarters["geo_code"].nunique() == 105
    # communes restored since the codes of the base, as Insee's events tell them
    events = store.find_store("codes/commune_events").codes("commune_events")
    restored = events[(events["event"] == "21") & (events["date"] > "2020-01-01")]
    moved = restored[restored["old_code"] != restored["new_code"]]
    assert dict(zip(moved["new_code"], moved["old_code"], strict=True)) == RESTORED
