"""From points to QPV: what is inside, what is outside, and what cannot be told."""

import logging

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely import Point, Polygon, box

import qpv_sante as qs
from qpv_sante import location, location_outlines
from qpv_sante.errors import InvalidInputError, SchemaError, UnavailableLevelError
from qpv_sante.location_outlines import Layer

EAST, NORTH = 700_000.0, 6_600_000.0


def layer_of(**outlines):
    """Outlines given in Lambert-93 metres from a point near Bourges, as `read_layer` makes them."""
    moved = [shapely.transform(one, lambda xy: np.add(xy, [EAST, NORTH])) for one in outlines.values()]
    shapes = np.array(moved, dtype=object)
    edges = shapely.boundary(shapes)
    degrees = gpd.GeoSeries(moved, crs=2154).to_crs(4326)
    return Layer(
        codes=np.array(list(outlines), dtype=object),
        shapes=shapes,
        edges=edges,
        crs=np.full(len(shapes), 2154),
        bounds=shapely.bounds(degrees.to_numpy()),
        tolerance_m=0.0,
        drawn=frozenset({"18"}),
        undrawn=(),
        origin="test",
    )


def points(*places):
    """Points in metres from the same place, as a GeoDataFrame in Lambert-93."""
    shapes = [None if place is None else Point(EAST + place[0], NORTH + place[1]) for place in places]
    return gpd.GeoDataFrame(geometry=shapes, crs=2154)


@pytest.fixture
def squares(monkeypatch):
    """Two squares of 1 km side by side, and one with a hole of 400 m, 5 km away."""
    hole = box(5_300, 300, 5_700, 700)
    layer = layer_of(
        A=box(0, 0, 1_000, 1_000),
        B=box(1_000, 0, 2_000, 1_000),
        C=Polygon(box(5_000, 0, 6_000, 1_000).exterior, [hole.exterior]),
    )
    monkeypatch.setattr(location, "read_layer", lambda vintage: layer)


@pytest.mark.parametrize(
    ("place", "tolerance", "status", "code", "candidates", "metres"),
    [
        ((500, 500), 50, "inside", "A", None, 500),
        ((60, 500), 50, "inside", "A", None, 60),
        ((40, 500), 50, "uncertain", None, "A", 40),
        ((-40, 500), 50, "uncertain", None, "A", 40),
        ((-60, 500), 50, "outside", None, None, None),
        ((990, 500), 50, "uncertain", None, "A;B", 10),
        ((1_010, 500), 50, "uncertain", None, "B;A", 10),
        ((990, 500), 5, "inside", "A", None, 10),
        ((-30, -40), 51, "uncertain", None, "A", 50),  # a corner: 3-4-5
        ((-30, -40), 49, "outside", None, None, None),
        ((5_500, 500), 50, "outside", None, None, None),  # in the hole
        ((5_320, 500), 50, "uncertain", None, "C", 20),
        ((20_000, 500), 50, "outside", None, None, None),
        ((40, 500), 0, "inside", "A", None, 40),
    ],
)
def test_by_hand(squares, place, tolerance, status, code, candidates, metres):
    found = qs.locate(points(place), tolerance_m=tolerance).iloc[0]
    assert found["status"] == status
    for name, expected in (("geo_code", code), ("candidates", candidates)):
        assert found[name] == expected if expected else pd.isna(found[name])
    # degrees and back cost a micrometre or so
    assert found["distance_m"] == pytest.approx(metres, abs=0.01) if metres else pd.isna(found["distance_m"])


def test_what_is_drawn_is_kept_beside_the_doubt(squares):
    found = qs.locate(points((990, 500), (-40, 500)))
    assert found["drawn_in"].iloc[0] == "A"
    assert pd.isna(found["drawn_in"].iloc[1])
    assert found["geo_code"].isna().all()


def test_each_point_has_its_own_tolerance(squares):
    found = qs.locate(points((40, 500), (40, 500)), tolerance_m=[30, 50])
    assert found["status"].tolist() == ["inside", "uncertain"]


def geocoded(*rows: tuple[tuple[int, int] | None, str, float | None]) -> pd.DataFrame:
    """What a geocoder adds to a table of addresses, of points in metres from the same place."""
    shapes = points(*(place for place, _, _ in rows)).to_crs(4326).geometry
    return pd.DataFrame(
        {
            "latitude": shapes.y.to_numpy(),
            "longitude": shapes.x.to_numpy(),
            "result_score": [score for _, _, score in rows],
            "result_type": [kind for _, kind, _ in rows],
        }
    )


def test_a_geocoder_says_how_far_from_the_truth_it_may_be(squares):
    middle, inner = (500, 500), (150, 500)
    frame = geocoded(
        (middle, "housenumber", 0.98),
        (middle, "municipality", 0.9),  # the town hall
        (middle, "housenumber", 0.41),  # perhaps another address
        (inner, "street", 0.61),
        (middle, "street", 0.61),
        (middle, "locality", 0.7),
        (None, "", None),
    )
    found = qs.locate(frame)
    expected = ["inside", "unknown", "unknown", "uncertain", "inside", "uncertain", "unknown"]
    assert found["status"].tolist() == expected
    assert found["geo_code"].notna().tolist() == [status == "inside" for status in expected]
    assert found.attrs["imprecise"] == 2
    # what is asked for stays the least
    assert qs.locate(frame, tolerance_m=600)["status"].tolist()[:5:4] == ["uncertain", "uncertain"]
    # a frame of points has the same columns
    same = gpd.GeoDataFrame(frame, geometry=gpd.points_from_xy(frame["longitude"], frame["latitude"]), crs=4326)
    assert qs.locate(same)["status"].tolist() == expected


def test_the_town_hall_of_a_real_town_is_not_a_neighbourhood():
    hall = {"latitude": [43.3476], "longitude": [3.2190], "result_type": ["municipality"], "result_score": [0.41]}
    assert qs.locate(pd.DataFrame(hall), geo_vintage=2024)["status"].tolist() == ["unknown"]


def test_the_precision_of_the_outlines_is_added(squares, monkeypatch):
    import dataclasses

    exact = location.read_layer(2024)
    monkeypatch.setattr(location, "read_layer", lambda vintage: dataclasses.replace(exact, tolerance_m=5.0))
    found = qs.locate(points((4, 500), (6, 500)), tolerance_m=0)
    assert found["status"].tolist() == ["uncertain", "inside"]
    assert found.attrs["outline_tolerance_m"] == 5.0


def test_nearest(squares):
    found = qs.locate(points((-3_000, 500), (5_500, 500), (500, 500)), nearest=True)
    assert found["nearest"].tolist() == ["A", "C", "A"]
    assert found["distance_m"].tolist() == pytest.approx([3_000, 200, 500], abs=0.01)


def test_every_form_of_input_gives_the_same_answer(squares):
    frame = points((500, 500), (40, 500), (1_500, 500), None)
    frame.index = pd.Index(["a", "b", "c", "d"], name="address")
    degrees = frame.to_crs(4326)
    lon, lat = degrees.geometry.x, degrees.geometry.y
    expected = qs.locate(frame)
    assert expected["status"].tolist() == ["inside", "uncertain", "inside", "unknown"]
    for given in (
        (degrees,),
        (degrees.geometry,),
        (pd.DataFrame({"lon": lon, "lat": lat}),),
        (lon, lat),
        (pd.DataFrame({"lon": lon, "lat": lat}, dtype="Float64"),),
    ):
        pd.testing.assert_frame_equal(qs.locate(*given), expected, check_exact=False, atol=1e-3)
    listed = qs.locate(lon.tolist(), lat.tolist())
    assert listed["status"].tolist() == expected["status"].tolist()
    assert listed.index.tolist() == [0, 1, 2, 3]
    one = qs.locate(float(lon.iloc[0]), float(lat.iloc[0]))
    assert len(one) == 1
    assert one["geo_code"].iloc[0] == "A"


def test_nothing_to_locate(squares):
    for given in (([], []), (points(),)):
        found = qs.locate(*given)
        assert found.empty
        assert list(found.columns) == list(location.COLUMNS)


@pytest.mark.parametrize("value", [float("nan"), None, float("inf"), pd.NA])
def test_missing_coordinates_are_unknown(squares, value):
    found = qs.locate([2.35, value], [48.85, 48.85])
    assert found["status"].tolist()[1] == "unknown"
    assert found.iloc[1][["geo_code", "distance_m", "candidates", "drawn_in"]].isna().all()


def test_latitude_first_is_refused():
    with pytest.raises(InvalidInputError, match=r"row 0\) at longitude 48\.8566, latitude 2\.3522.*longitude first"):
        qs.locate([48.8566, 43.6], [2.3522, 1.44])
    with pytest.raises(InvalidInputError, match="longitude first"):
        qs.locate(-20.88, 55.45)  # Saint-Denis, La Réunion


def test_one_swapped_row_among_many_is_flagged_and_told(caplog):
    with caplog.at_level(logging.WARNING):
        found = qs.locate([2.35, 1.44, 3.06, 43.6], [48.85, 43.6, 50.63, 1.44])
    assert found["status"].tolist()[3] == "not_in_france"
    assert "1 points may have their latitude first" in caplog.text


@pytest.mark.parametrize(
    ("lon", "lat", "status"),
    [
        (4.35, 50.85, "not_in_france"),  # Brussels
        (-0.12, 51.5, "not_in_france"),  # London
        (-4.0, 46.0, "not_in_france"),  # off the Atlantic coast
        (0.0, 0.0, "not_in_france"),  # what geocoders give for nothing
        (-73.6, 45.5, "not_in_france"),
        (-5.09, 48.46, "outside"),  # Ouessant
        (-4.85, 48.04, "outside"),  # Sein, which the departments' outlines lack
        (9.45, 42.2, "outside"),  # Corsica
        (55.45, -21.13, "outside"),  # the middle of La Réunion
        (-61.55, 16.15, "outside"),  # Guadeloupe
        (-56.18, 46.78, "no_outlines"),  # Saint-Pierre
        (166.45, -22.27, "no_outlines"),  # Nouméa
    ],
)
def test_places_without_a_qpv(lon, lat, status):
    assert qs.locate(lon, lat, geo_vintage=2024)["status"].tolist() == [status]


def test_overseas_territories_of_which_no_outline_is_published():
    # QPV of 2015 are drawn in metropolitan France only: outside of them all is not what a point there is
    found = qs.locate([55.45, -61.55, 45.2], [-20.9, 16.2, -12.8], geo_vintage=2015)
    assert found["status"].tolist() == ["no_outlines"] * 3


@pytest.mark.parametrize("vintage", [2015, 2024])
def test_every_quarter_holds_its_own_point(vintage):
    zones = qs.load_zones("qpv", vintage=vintage).dropna(subset="geometry")
    shapes = zones.assign(geometry=zones.geometry.make_valid().representative_point())
    found = qs.locate(shapes, geo_vintage=vintage, tolerance_m=0)
    own = found["drawn_in"] == zones["geo_code"]
    # outlines that overlap: the point of one may lie deeper in another
    assert own.mean() > 0.999
    assert not found["status"].isin(["not_in_france", "no_outlines", "unknown"]).any()
    assert found.attrs["outline_tolerance_m"] == 5.0


def test_distances_overseas_are_metres():
    zones = qs.load_zones("qpv", vintage=2024)
    quarter = zones[zones["department"] == "974"].dropna(subset="geometry").iloc[[0]]
    local = quarter.to_crs(2975).geometry.iloc[0]
    centre = local.representative_point()
    point = gpd.GeoSeries([centre], crs=2975).to_crs(4326)
    found = qs.locate(point.x.iloc[0], point.y.iloc[0], geo_vintage=2024, nearest=True).iloc[0]
    assert found["drawn_in"] == quarter["geo_code"].iloc[0]
    assert found["distance_m"] == pytest.approx(local.boundary.distance(centre), abs=0.01)


def test_the_same_answer_as_a_spatial_join():
    zones = qs.load_zones("qpv", vintage=2024).dropna(subset="geometry")
    paris = zones[zones["department"].isin(["75", "92", "93", "94"])]
    west, south, east, north = paris.total_bounds
    random = np.random.default_rng(3)
    frame = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy(random.uniform(west, east, 20_000), random.uniform(south, north, 20_000)), crs=4326
    )
    joined = gpd.sjoin(frame, zones[["geo_code", "geometry"]], predicate="within", how="left")
    joined = joined[~joined.index.duplicated()]
    found = qs.locate(frame, tolerance_m=30)
    assert found["drawn_in"].notna().sum() > 500
    pd.testing.assert_series_equal(found["drawn_in"], joined["geo_code"], check_names=False)
    # a doubt is never a change of mind: what is decided is what is drawn
    decided = found[found["status"] == "inside"]
    assert (decided["geo_code"] == decided["drawn_in"]).all()
    assert (decided["distance_m"] > 35).all()
    doubt = found[found["status"] == "uncertain"]
    assert (doubt["distance_m"] <= 35).all()
    assert doubt["candidates"].notna().all()
    assert found.loc[found["status"] == "outside", ["geo_code", "distance_m", "drawn_in"]].isna().all(axis=None)


def test_doubt_grows_with_the_tolerance():
    zones = qs.load_zones("qpv", vintage=2024, territory="Lille").to_crs(2154)
    random = np.random.default_rng(4)
    west, south, east, north = zones.total_bounds
    frame = gpd.GeoDataFrame(
        geometry=gpd.points_from_xy(random.uniform(west, east, 3_000), random.uniform(south, north, 3_000)), crs=2154
    )
    doubts = [
        set(np.flatnonzero(qs.locate(frame, tolerance_m=metres)["status"] == "uncertain")) for metres in (0, 20, 200)
    ]
    assert doubts[0] < doubts[1] < doubts[2]


def test_undrawn_quarters_are_named():
    found = qs.locate(2.35, 48.85, geo_vintage=2024)
    undrawn = found.attrs["without_outline"]
    assert [code for code in undrawn if code.startswith("QN09")] == ["QN09105I", "QN09113I", "QN09503I"]
    assert len([code for code in undrawn if code.startswith("QN976") and code.endswith("C")]) == 17 == len(undrawn) - 3


COORDINATES = ("lon", "lat", "longitude", "latitude")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (lambda: qs.locate(2.35), InvalidInputError, "longitudes alone"),
        (lambda: qs.locate([2.35, 2.36], [48.85]), InvalidInputError, "got 2 and 1"),
        (lambda: qs.locate("2,35", "48,85"), InvalidInputError, "decimal point"),
        (lambda: qs.locate(652_000, 6_862_000), InvalidInputError, "not in degrees.*crs=2154"),
        (lambda: qs.locate(pd.DataFrame({"x": [2.35], "lat": [48.85]})), SchemaError, "missing: lon"),
        (lambda: qs.locate(pd.DataFrame({"lon": [2.35], "lat": [48.85]}), 3), InvalidInputError, "not both"),
        (lambda: qs.locate(pd.DataFrame({n: [2.0] for n in COORDINATES})), SchemaError, "it has both pairs"),
        (lambda: qs.locate(geocoded(((0, 0), "town", 0.9))), SchemaError, "'town' at row 0 is not a geocoder's"),
        (lambda: qs.locate(geocoded(((0, 0), "street", 90))), SchemaError, "90 at row 0; 0 to 1"),
        (lambda: qs.locate(geocoded(((0, 0), "street", "0,9"))), SchemaError, "decimal point"),
        (lambda: qs.locate(gpd.GeoDataFrame(geometry=[Point(2.35, 48.85)])), SchemaError, "reference system"),
        (lambda: qs.locate(gpd.GeoDataFrame(geometry=[box(2, 48, 3, 49)], crs=4326)), SchemaError, "is a Polygon"),
        (lambda: qs.locate(gpd.GeoDataFrame({"a": [1]})), SchemaError, "no geometry"),
        (lambda: qs.locate(2.35, 48.85, geo_vintage=2018), UnavailableLevelError, "one of 2015, 2024"),
        (lambda: qs.locate(2.35, 48.85, tolerance_m=-1), InvalidInputError, "not negative"),
        (lambda: qs.locate(2.35, 48.85, tolerance_m=float("nan")), InvalidInputError, "not missing"),
        (lambda: qs.locate(2.35, 48.85, tolerance_m=[1, 2]), InvalidInputError, "got 2"),
        (
            lambda: qs.locate(pd.Series([2.35], index=[1]), pd.Series([48.85], index=[2])),
            InvalidInputError,
            "different indexes",
        ),
    ],
)
def test_bad_input(given, error, said):
    with pytest.raises(error, match=said):
        given()


def test_boxes_hold_every_quarter():
    zones = qs.load_zones("qpv", vintage=2024).dropna(subset="geometry")
    bounds = zones.bounds
    inside = location_outlines.territory_of(bounds["minx"].to_numpy(), bounds["miny"].to_numpy())
    other = location_outlines.territory_of(bounds["maxx"].to_numpy(), bounds["maxy"].to_numpy())
    assert (inside >= 0).all()
    assert (inside == other).all()
    # and a point of each department falls in the box that names it
    names = list(location_outlines.TERRITORIES.values())
    for department, number in zip(zones["department"], inside, strict=True):
        assert (department in names[number][1]) == (len(department) == 3)
