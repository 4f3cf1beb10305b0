"""Tables and layers to files: what is written is read back, with what must travel with it."""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import box

import qpv_sante as qs
from qpv_sante import export, observations
from qpv_sante.errors import SchemaError, StoreError, UnknownNameError
from qpv_sante.figures import save_figure

READ = {".gpkg": gpd.read_file, ".parquet": gpd.read_parquet, ".geojson": gpd.read_file}
SUFFIXES = list(READ)


def layer(*, crs=4326):
    """Three QPV: one observed, one suppressed, one without an outline."""
    table = observations.tidy(
        pd.DataFrame(
            {
                "indicator": "poverty_rate",
                "source": "insee_filosofi_qpv2024@2021",
                "geo_level": "qpv",
                "geo_code": ["QN03401M", "QN03402M", "QN03403M"],
                "geo_vintage": 2024,
                "year": 2021,
                "value": [57.25, np.nan, 61.0],
                "flag": ["observed", "suppressed", "unreliable"],
            }
        )
    )
    table["name"] = ["Cité de l'Épine", "Cœur de Ville", "=Formule & <b>Été</b>"]
    shapes = gpd.GeoSeries([box(3, 43, 3.01, 43.01), box(3.1, 43, 3.11, 43.01), None], crs=4326)
    return gpd.GeoDataFrame(table, geometry=shapes.to_crs(crs))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_layer_comes_back_with_flags_sources_and_licences(suffix, tmp_path):
    zones = layer()
    before = zones.copy()
    back = READ[suffix](export.write_table(zones, tmp_path / f"qpv{suffix}"))
    assert isinstance(back, gpd.GeoDataFrame) and back.crs.to_epsg() == 4326
    assert back["geo_code"].tolist() == zones["geo_code"].tolist()
    assert back["name"].tolist() == zones["name"].tolist()
    assert back["flag"].tolist() == ["observed", "suppressed", "unreliable"]
    np.testing.assert_array_equal(back["value"], [57.25, np.nan, 61.0])
    assert set(back["source"]) == {"insee_filosofi_qpv2024@2021"}
    assert set(back["licence"]) == set(back["outline_licence"]) == {"Licence Ouverte 2.0"}
    assert set(back["outline_source"]) == {"anct_qpv2024"}
    assert "restriction" not in back
    assert back.geometry.isna().tolist() == [False, False, True]
    assert back.geometry.iloc[0].symmetric_difference(zones.geometry.iloc[0]).area < 1e-9
    pd.testing.assert_frame_equal(pd.DataFrame(zones), pd.DataFrame(before))
    assert [path.name for path in tmp_path.iterdir()] == [f"qpv{suffix}"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_projected_layer_keeps_its_system_where_the_format_can(suffix, tmp_path):
    back = READ[suffix](export.write_table(layer(crs=2154), tmp_path / f"qpv{suffix}"))
    assert back.crs.to_epsg() == (4326 if suffix == ".geojson" else 2154)
    there = layer(crs=back.crs.to_epsg()).geometry.iloc[0]
    assert back.geometry.iloc[0].centroid.distance(there.centroid) < 1


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".csv", ".json"])
def test_a_value_under_a_flag_that_denies_it_is_never_written(suffix, tmp_path):
    zones = layer()
    zones["value"] = [57.25, 41.0, 61.0]
    path = tmp_path / f"qpv{suffix}"
    with pytest.raises(SchemaError, match=r"1 rows have a value although flag .*QN03402M, suppressed"):
        export.write_table(zones, path)
    assert not list(tmp_path.iterdir())


def test_a_comparison_is_checked_on_each_side(tmp_path):
    gap = pd.DataFrame({"qpv_value": [40.0], "qpv_flag": ["observed"], "reference_value": [12.0]})
    export.write_table(gap, tmp_path / "gap.csv")
    with pytest.raises(SchemaError, match="reference_value although reference_flag"):
        export.write_table(gap.assign(reference_flag="suppressed"), tmp_path / "no.csv")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_notice_of_a_restricted_source_is_on_every_row(suffix, tmp_path):
    zones = layer()
    zones.attrs["restrictions"] = ["Usage interne : ne pas diffuser"]
    back = READ[suffix](export.write_table(zones, tmp_path / f"qpv{suffix}"))
    assert back["restriction"].tolist() == ["Usage interne : ne pas diffuser"] * 3


def test_files_of_a_suppressed_value_hold_no_number_of_it(tmp_path):
    text = export.write_table(layer(), tmp_path / "qpv.geojson").read_text("utf-8")
    features = json.loads(text)["features"]
    hidden = next(f["properties"] for f in features if f["properties"]["flag"] == "suppressed")
    assert [hidden[name] for name in ("value", "lower", "upper", "n", "denominator")] == [None] * 5


def test_layers_need_outlines_and_tables_leave_them(tmp_path):
    table = pd.DataFrame(layer().drop(columns="geometry"))
    for suffix in (".gpkg", ".geojson"):
        with pytest.raises(SchemaError, match=r"needs outlines.*attach_zones"):
            export.write_table(table, tmp_path / f"t{suffix}")
    for suffix, read in ((".csv", lambda path: pd.read_csv(path, sep=";")), (".json", pd.read_json)):
        back = read(export.write_table(layer(), tmp_path / f"t{suffix}"))
        assert "geometry" not in back and len(back) == 3
    with pytest.raises(UnknownNameError, match=r"\.gpkg"):
        export.write_table(layer(), tmp_path / "t.shp")


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be written"):
        export.write_table(layer(), tmp_path / "file" / "t.gpkg")


def test_an_existing_layer_is_replaced(tmp_path):
    path = export.write_table(layer(), tmp_path / "t.gpkg")
    export.write_table(layer().head(1), path)
    assert len(gpd.read_file(path)) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_outlines_of_the_store_say_where_they_come_from(suffix, tmp_path):
    zones = qs.load_zones("qpv", vintage=2015, territory="Béziers")
    back = READ[suffix](export.write_table(zones, tmp_path / f"z{suffix}"))
    assert back["name"].tolist() == ["Centre Ville", "Iranget Grangette", "Devèze"]
    assert set(back["outline_source"]) == {"anct_qpv2015"}
    regions = export.write_table(qs.load_zones("region", vintage=2018), tmp_path / f"r{suffix}")
    assert set(READ[suffix](regions)["outline_source"]) == {"ign_regions"}


def test_observations_of_the_store_with_their_outlines(tmp_path):
    rates = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024, year=2021, territory="Occitanie")
    back = gpd.read_file(export.write_table(qs.attach_zones(rates), tmp_path / "t.gpkg"))
    assert len(back) == len(rates) == 108
    hidden = back["flag"] == "suppressed"
    assert hidden.sum() == 3 and back.loc[hidden, ["value", "lower", "upper"]].isna().all(axis=None)
    assert back["value"].sum() == pytest.approx(rates["value"].sum())


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_figure_gives_the_same_file_twice(suffix, tmp_path):
    import matplotlib as mpl

    mpl.use("Agg")
    gap = qs.compare("poverty_rate", geo_vintage=2015, year=2019, by="commune", territory="Béziers")
    paths = [save_figure(qs.plot_gap(gap), tmp_path / f"{turn}{suffix}") for turn in range(2)]
    first, second = (path.read_bytes() for path in paths)
    assert first == second
    if suffix == ".svg":
        assert "Béziers" in first.decode() and "<text" in first.decode()
    if suffix == ".pdf":
        assert b"/Type3" not in first  # text that can be edited


@pytest.mark.parametrize("text", ["=1+1", "  =1+1", "\t@SUM(A1)", "＝1+1", "-cmd|' /C calc'!A0", "\n+1+1"])
def test_no_cell_and_no_heading_of_a_csv_runs_as_a_formula(text, tmp_path):
    path = export.write_table(pd.DataFrame({text: [text]}), tmp_path / "t.csv")
    back = pd.read_csv(path, sep=";", encoding="utf-8-sig", keep_default_na=False)
    assert back.columns.tolist() == ["'" + text]
    assert back.iloc[0, 0] == "'" + text


def test_numbers_written_as_text_stay_numbers(tmp_path):
    path = export.write_table(pd.DataFrame({"difference": ["-5,2", "+3"]}), tmp_path / "t.csv")
    assert path.read_text(encoding="utf-8-sig").splitlines() == ["difference", "-5,2", "+3"]
