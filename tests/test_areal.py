"""Areal weights, carried values and the crosswalk, on cases that can be computed by hand."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from qpv_sante.areal import areal_weights, carry, carry_crosswalk, crosswalk, grid_weights, match_outlines
from qpv_sante.errors import ComparabilityError, SchemaError, UnknownNameError
from qpv_sante.loading import load_observations
from qpv_sante.observations import COLUMNS, tidy, validate

MIRROR = Path(__file__).resolve().parents[2] / "shared" / "mirror" / "context"
X, Y = 700_000, 6_600_000  # a place in France, in Lambert-93
EAST, NORTH = 3_760_000, 2_890_000  # in EPSG:3035


def zones(crs: int = 2154, **shapes: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame({"geo_code": list(shapes)}, geometry=list(shapes.values()), crs=crs)


def square(x: float, y: float, width: float, height: float | None = None) -> Polygon:
    return box(X + x, Y + y, X + x + width, Y + y + (height or width))


# Two IRIS side by side, 100 m x 100 m, and a QPV over both
IRIS = zones(A=square(0, 0, 100), B=square(100, 0, 100))
QPV = zones(Q=square(50, 0, 100, 50))


def by(frame: pd.DataFrame, column: str) -> Any:
    """The frame indexed by a column, its cells free of static types."""
    return frame.set_index(column)


def values(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"geo_code": ["A", "B"], **columns})


# areal_weights


def test_shares_of_a_zone_that_straddles_two_sources() -> None:
    weights = areal_weights(IRIS, QPV)
    assert weights["source_code"].tolist() == ["A", "B"]
    np.testing.assert_allclose(weights["area"], [2500, 2500])
    np.testing.assert_allclose(weights["share_of_source"], [0.25, 0.25])
    np.testing.assert_allclose(weights["share_of_target"], [0.5, 0.5])


def test_shared_borders_are_no_overlap() -> None:
    weights = areal_weights(IRIS, zones(Q=square(0, 100, 100)))
    assert weights["source_code"].isna().all()
    assert weights[["area", "share_of_target"]].iloc[0].tolist() == [0, 0]


def test_targets_without_source_or_outline_are_kept_and_told_apart() -> None:
    weights = areal_weights(IRIS, zones(Far=square(5000, 0, 10), Undrawn=None, Q=square(0, 0, 10)))
    by_code = by(weights, "target_code")
    assert by_code.loc["Far", "area"] == 0
    assert np.isnan(by_code.loc["Undrawn", "area"])
    assert by_code.loc["Q", "source_code"] == "A"


def test_input_systems_may_differ_and_area_is_local() -> None:
    expected = areal_weights(IRIS, QPV)
    for source_crs, target_crs in ((4326, 2154), (2154, 4326), (3857, 3035)):
        found = areal_weights(IRIS.to_crs(source_crs), QPV.to_crs(target_crs))
        np.testing.assert_allclose(found["area"], expected["area"], rtol=1e-5)


@pytest.mark.parametrize(
    ("epsg", "x", "y"), [(2975, 340_000, 7_690_000), (5490, 710_000, 1_610_000), (4471, 520_000, 8_590_000)]
)
def test_overseas_zones_are_measured_in_their_own_system(epsg: int, x: float, y: float) -> None:
    sources = zones(epsg, A=box(x, y, x + 100, y + 100), B=box(x + 100, y, x + 200, y + 100))
    targets = zones(epsg, Q=box(x + 50, y, x + 150, y + 50))
    mixed = pd.concat([targets.to_crs(4326), QPV.assign(geo_code="M").to_crs(4326)], ignore_index=True)
    weights = areal_weights(sources.to_crs(4326), mixed).dropna()
    np.testing.assert_allclose(weights["area"], [2500, 2500], rtol=1e-6)


def test_invalid_outlines_are_repaired() -> None:
    bow_tie = Polygon([(X, Y), (X + 100, Y + 100), (X + 100, Y), (X, Y + 100)])
    weights = areal_weights(IRIS, zones(Q=bow_tie))
    assert weights["area"].tolist() == pytest.approx([5000])
    assert weights["share_of_target"].tolist() == pytest.approx([1])
    assert areal_weights(zones(S=bow_tie), zones(Q=square(0, 0, 50, 100)))["area"].tolist() == pytest.approx([2500])


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(SchemaError, match="no coordinate reference system"):
        areal_weights(IRIS.set_crs(None, allow_override=True), QPV)
    with pytest.raises(SchemaError, match="repeated"):
        areal_weights(pd.concat([IRIS, IRIS]), QPV)
    with pytest.raises(SchemaError, match="'code'"):
        areal_weights(IRIS, QPV, target_id="code")
    with pytest.raises(SchemaError, match="axes swapped"):
        areal_weights(IRIS, zones(4326, Q=box(46, 3, 46.1, 3.1)))


def test_a_whole_and_its_parts_in_one_layer_are_refused() -> None:
    """A commune of 500 with its arrondissements of 300 and 200 would give 1,000."""
    parts = {"69381": square(0, 0, 60, 100), "69382": square(60, 0, 40, 100)}
    people = {"69381": 300.0, "69382": 200.0}
    layer = zones(**{"69123": square(0, 0, 100)}, **parts)
    city = zones(Q=square(0, 0, 100))
    with pytest.raises(SchemaError, match=r"sources overlap: 69381 in 69123, 69382 in 69123\. .*count twice"):
        areal_weights(layer, city)
    weights = areal_weights(zones(**parts), city)
    counts = pd.DataFrame({"geo_code": list(people), "value": list(people.values())})
    assert carry(counts, weights, kind="count")["value"].tolist() == [500]
    # weights that come from elsewhere are held to the same rule
    whole = areal_weights(layer.iloc[:1], city)
    both = pd.concat([weights, whole], ignore_index=True)
    more = pd.concat([counts, pd.DataFrame({"geo_code": ["69123"], "value": [500.0]})], ignore_index=True)
    with pytest.raises(SchemaError, match=r"target Q is covered 2\.00 times, by 69381, 69382, 69123; 1 such"):
        carry(more, both, kind="count")


def test_sources_that_overlap_in_part_are_refused_beyond_the_noise_of_outlines() -> None:
    city = zones(Q=square(0, 0, 100))
    with pytest.raises(SchemaError, match=r"target Q is covered 1\.20 times, by A, B"):
        areal_weights(zones(A=square(0, 0, 60, 100), B=square(40, 0, 60, 100)), city)
    weights = areal_weights(zones(A=square(0, 0, 51, 100), B=square(50, 0, 50, 100)), city)
    np.testing.assert_allclose(weights["share_of_target"], [0.51, 0.5])


def test_people_from_the_sources_or_from_finer_zones() -> None:
    even = areal_weights(IRIS, QPV, source_population=pd.Series({"A": 400, "B": 100}))
    assert even["people"].tolist() == pytest.approx([100, 25])
    assert even["people_share_of_target"].tolist() == pytest.approx([0.8, 0.2])
    # all the people of A live in its eastern half, half of which is in the QPV
    finer = zones(west=square(0, 0, 50, 100), east=square(50, 0, 50, 100), b=square(100, 0, 100))
    uneven = areal_weights(IRIS, QPV, population=finer.assign(population=[0, 400, 100]))
    assert uneven["people"].tolist() == pytest.approx([200, 25])
    assert uneven["people_share_of_source"].tolist() == pytest.approx([0.5, 0.25])
    unknown = areal_weights(IRIS, QPV, population=finer.assign(population=[0, np.nan, 100]))
    assert unknown["people"].isna().tolist() == [True, False]
    assert unknown["people_share_of_target"].isna().all()


# grid_weights


def grid(columns: int, rows: int, size: int = 200) -> pd.DataFrame:
    corners = [(EAST + size * i, NORTH + size * j) for j in range(rows) for i in range(columns)]
    ids = [f"CRS3035RES{size}mN{y}E{x}" for x, y in corners]
    return pd.DataFrame({"idcar_200m": ids, "x": [c[0] for c in corners], "y": [c[1] for c in corners]})


def grid_zones(**boxes: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
    shapes = {name: box(EAST + w, NORTH + s, EAST + e, NORTH + n) for name, (w, s, e, n) in boxes.items()}
    return zones(3035, **shapes)


def test_grid_gives_what_polygons_give() -> None:
    cells = grid(6, 5)
    outline = shapely.affinity.rotate(box(EAST + 130, NORTH + 90, EAST + 1010, NORTH + 770), 17)
    targets = zones(3035, Q=outline, R=outline.buffer(-250), Far=shapely.affinity.translate(outline, 1e5, 0))
    polygons = [box(x, y, x + 200, y + 200) for x, y in zip(cells["x"], cells["y"], strict=True)]
    shapes = gpd.GeoDataFrame({"geo_code": cells["idcar_200m"]}, geometry=polygons, crs=3035)
    exact = gpd.overlay(shapes, targets.rename(columns={"geo_code": "target"}), how="intersection")
    exact = exact.assign(area=exact.area).set_index(["geo_code", "target"])["area"].sort_index()
    for options in ({}, {"xy": ("x", "y")}, {"chunk_rows": 7}):
        found = grid_weights(cells, targets, **options)
        assert found.loc[found["source_code"].isna(), "target_code"].tolist() == ["Far"]
        areas = found.dropna().set_index(["source_code", "target_code"])["area"].sort_index()
        assert areas.index.tolist() == exact.index.tolist()
        np.testing.assert_allclose(areas, exact, rtol=1e-9)


def test_a_target_in_two_parts_shares_a_cell_once() -> None:
    parts = shapely.union_all(
        [box(EAST, NORTH, EAST + 50, NORTH + 200), box(EAST + 100, NORTH, EAST + 150, NORTH + 200)]
    )
    weights = grid_weights(grid(1, 1), zones(3035, Q=parts))
    assert weights["share_of_source"].tolist() == pytest.approx([0.5])


def test_ids_are_written_from_corners_when_absent() -> None:
    weights = grid_weights(grid(2, 1)[["x", "y"]], grid_zones(Q=(0, 0, 10, 10)), xy=("x", "y"))
    assert weights["source_code"].tolist() == [f"CRS3035RES200mN{NORTH}E{EAST}"]


def test_cells_overseas_meet_targets_overseas_only() -> None:
    x, y = 340_000, 7_690_000
    cells = pd.concat([grid(1, 1), pd.DataFrame({"idcar_200m": [f"CRS2975RES200mN{y}E{x}"]})], ignore_index=True)
    reunion = zones(2975, R=box(x, y, x + 100, y + 200)).to_crs(4326)
    targets = pd.concat([reunion, grid_zones(Q=(0, 0, 50, 200)).to_crs(4326)], ignore_index=True)
    weights = by(grid_weights(cells.assign(n=[8, 6]), targets, people="n"), "target_code")
    assert weights.loc["R", "source_code"].startswith("CRS2975")
    np.testing.assert_allclose(weights.loc[["R", "Q"], "people"], [3, 2], rtol=1e-4)


@pytest.mark.parametrize(
    ("cells", "options", "message"),
    [
        (pd.DataFrame({"idcar_200m": ["N28900E37600"]}), {}, "cannot be read"),
        (grid(1, 1).assign(idcar_200m=["CRS3035RES200mN28x0000E3760000"]), {}, "N28x0000"),
        (grid(1, 1), {"size": 1000}, "cells of 1000 m"),
        (pd.concat([grid(1, 1), grid(1, 1)]), {}, "repeated"),
        (grid(1, 1).assign(x=EAST + 100), {"xy": ("x", "y")}, "centres"),
        (grid(1, 1), {"cell_id": "id"}, "'id'"),
    ],
)
def test_cells_that_cannot_be_placed_are_refused(cells: pd.DataFrame, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        grid_weights(cells, grid_zones(Q=(0, 0, 100, 100)), **options)


# carry


def test_counts_are_shared_by_area_and_accounted_for() -> None:
    carried = carry(values(value=[400.0, 100.0]), areal_weights(IRIS, QPV), kind="count")
    row = carried.iloc[0]
    assert (row["value"], row["coverage"], row["flag"], row["interval"]) == (125, 1, "estimated", "none")
    assert np.isnan(row["lower"])
    assert carried.attrs["totals"] == {"source": 500, "targets": 125, "withheld": 0, "outside": 375}


def test_counts_are_shared_by_people() -> None:
    finer = zones(east=square(50, 0, 50, 100), b=square(100, 0, 100)).assign(population=[400, 100])
    weights = areal_weights(IRIS, QPV, population=finer)
    carried = carry(values(value=[40.0, 20.0]), weights, kind="count", by="people")
    assert carried["value"].tolist() == pytest.approx([0.5 * 40 + 0.25 * 20])


def test_rates_go_through_numerator_and_denominator() -> None:
    known = values(value=[50.0, 10.0], denominator=[100.0, 300.0])
    row = carry(known, areal_weights(IRIS, QPV), kind="rate").iloc[0]
    # (25 x 50 % + 75 x 10 %) / (25 + 75), and not the mean of the rates, 30 %
    assert (row["value"], row["denominator"]) == pytest.approx((20, 100))


def test_a_missing_count_is_neither_zero_nor_rescaled() -> None:
    weights = areal_weights(IRIS, QPV)
    row = carry(values(value=[400.0, np.nan], flag=["observed", "suppressed"]), weights, kind="count").iloc[0]
    assert np.isnan(row["value"])
    assert (row["flag"], row["interval"], row["coverage"]) == ("suppressed", "secrecy", pytest.approx(0.5))
    # 100 known; the other 2,500 m2 hold between none and as many as the densest source, 400 per 10,000 m2
    assert (row["lower"], row["upper"]) == pytest.approx((100, 200))
    relaxed = carry(values(value=[400.0, np.nan]), weights, kind="count", min_coverage=0.5).iloc[0]
    assert (relaxed["value"], relaxed["flag"]) == (100, "estimated")


def test_a_missing_rate_lies_between_the_lowest_and_the_highest() -> None:
    iris = pd.concat([IRIS, zones(C=square(0, 100, 100), D=square(0, 200, 100))], ignore_index=True)
    weights = areal_weights(iris, QPV)
    known = pd.DataFrame(
        {"geo_code": list("ABCD"), "value": [50, np.nan, 10, 90], "denominator": [100.0, 300, 100, 100]}
    )
    row = carry(known, weights, kind="rate").iloc[0]
    assert (row["flag"], row["n_missing"]) == ("unavailable", 1)
    # 25 people known at 50 %, 75 between 10 % and 90 %; coverage of people is 25 / 100
    assert row["coverage_people"] == pytest.approx(0.25)
    assert (row["lower"], row["upper"]) == pytest.approx((20, 80))
    unknown = known.assign(denominator=[100.0, np.nan, 100, 100])
    row = carry(unknown, weights, kind="rate").iloc[0]
    # as dense as A at most: 25 people
    assert (row["lower"], row["upper"]) == pytest.approx((30, 70))


def test_coverage_counts_people_where_they_are_known() -> None:
    # B is missing, and nobody lives there: the value is complete for people
    weights = areal_weights(IRIS, QPV, source_population=pd.Series({"A": 400, "B": 0}))
    row = carry(values(value=[40.0, np.nan]), weights, kind="count").iloc[0]
    assert (row["coverage"], row["coverage_people"]) == pytest.approx((0.5, 1))
    assert (row["value"], row["lower"], row["upper"]) == pytest.approx((10, 10, 10))


def test_outside_every_source_is_unknown_or_empty() -> None:
    weights = areal_weights(IRIS, zones(Q=square(150, 0, 100)))
    known = values(value=[100.0, 100.0])
    row = carry(known, weights, kind="count").iloc[0]
    assert (row["flag"], row["coverage"], row["lower"], row["upper"]) == ("unavailable", 0.5, 50, 100)
    row = carry(known, weights, kind="count", absent="empty").iloc[0]
    assert (row["value"], row["coverage"], row["flag"]) == (50, 1, "estimated")


def test_a_target_that_no_source_meets() -> None:
    weights = areal_weights(IRIS, zones(Far=square(5000, 0, 10), Undrawn=None))
    for kind in ("count", "rate"):
        carried = carry(values(value=[1.0, 2.0], denominator=[10.0, 10.0]), weights, kind=kind)
        assert carried["flag"].tolist() == ["unavailable"] * 2
        assert carried["value"].isna().all()
    empty = by(carry(values(value=[1.0, 2.0]), weights, kind="count", absent="empty"), "geo_code")
    assert empty.loc["Far", "value"] == 0
    assert np.isnan(empty.loc["Undrawn", "value"])


def test_a_rate_on_nobody_does_not_exist() -> None:
    known = values(value=[np.nan, np.nan], denominator=[0.0, 0.0])
    assert carry(known, areal_weights(IRIS, QPV), kind="rate")["flag"].tolist() == ["not_applicable"]
    known = values(value=[50.0, np.nan], denominator=[10.0, 0.0])
    assert carry(known, areal_weights(IRIS, QPV), kind="rate")["value"].tolist() == [50]


@pytest.mark.parametrize("kind", ["median", "standardised_rate", "score"])
def test_what_does_not_add_up_is_refused(kind: str) -> None:
    with pytest.raises(ComparabilityError, match="cannot be carried"):
        carry(values(value=[1.0, 2.0]), areal_weights(IRIS, QPV), kind=kind)


def test_carry_says_what_it_needs() -> None:
    weights = areal_weights(IRIS, QPV)
    with pytest.raises(ComparabilityError, match="denominator"):
        carry(values(value=[1.0, 2.0]), weights, kind="rate")
    with pytest.raises(UnknownNameError, match="count"):
        carry(values(value=[1.0, 2.0]), weights, kind="counts")
    with pytest.raises(SchemaError, match="population"):
        carry(values(value=[1.0, 2.0]), weights, kind="count", by="people")
    with pytest.raises(SchemaError, match="negative"):
        carry(values(value=[-1.0, 2.0]), weights, kind="count")
    with pytest.raises(SchemaError, match="repeated"):
        carry(pd.concat([values(value=[1.0, 2.0])] * 2), weights, kind="count")


# properties: a row of sources, targets cut anywhere in it and beside it

cuts = st.lists(st.floats(-100, 700), min_size=2, max_size=6, unique=True)
amounts = st.lists(st.one_of(st.floats(0, 1e6), st.none()), min_size=6, max_size=6)


def strips(edges: list[float]) -> gpd.GeoDataFrame:
    edges = sorted(edges)
    shapes = {
        f"T{i}": square(low, 20, high - low, 60)
        for i, (low, high) in enumerate(itertools.pairwise(edges))
        if high - low > 1e-3
    }
    return zones(**shapes)


ROW = zones(**{f"S{i}": square(100 * i, 0, 100) for i in range(6)})


@settings(max_examples=40)
@given(cuts, amounts, st.permutations(range(6)))
def test_properties_of_weights_and_counts(
    edges: list[float], given_values: list[float | None], order: list[int]
) -> None:
    targets = strips(edges)
    if targets.empty:
        return
    weights = areal_weights(ROW, targets)
    for share in ("share_of_source", "share_of_target"):
        assert weights[share].dropna().between(0, 1).all()
    assert (weights.groupby("source_code")["share_of_source"].sum() <= 1 + 1e-9).all()
    assert (weights.groupby("target_code")["share_of_target"].sum() <= 1 + 1e-9).all()
    known = pd.DataFrame({"geo_code": ROW["geo_code"], "value": np.array(given_values, dtype=float)})
    carried = carry(known, weights, kind="count")
    totals = carried.attrs["totals"]
    scale = 1e-6 * max(1.0, totals["source"])
    assert totals["source"] == pytest.approx(known["value"].sum())
    assert carried["value"].sum() == pytest.approx(totals["targets"], abs=scale)
    assert totals["targets"] + totals["withheld"] + totals["outside"] == pytest.approx(totals["source"], abs=scale)
    assert totals["outside"] >= -scale
    assert not (carried["lower"] > carried["upper"]).any()
    assert not ((carried["value"] < carried["lower"]) | (carried["value"] > carried["upper"])).any()
    assert (carried["value"].isna() == carried["flag"].isin(["suppressed", "unavailable", "not_applicable"])).all()
    shuffled = areal_weights(ROW.iloc[order], targets.iloc[::-1])
    again = carry(known.iloc[order], shuffled, kind="count").set_index("geo_code").loc[carried["geo_code"]]
    np.testing.assert_allclose(again["value"], carried["value"], atol=scale)


@settings(max_examples=40)
@given(cuts, st.lists(st.floats(0, 100), min_size=6, max_size=6), st.lists(st.floats(0.5, 1e4), min_size=6, max_size=6))
def test_the_truth_is_within_the_bounds(edges: list[float], rates: list[float], people: list[float]) -> None:
    """Hide one source whose rate is within the range of the others: the bounds hold the full result."""
    targets = strips(edges)
    if targets.empty:
        return
    rates[2] = float(np.clip(rates[2], min(rates[:2] + rates[3:]), max(rates[:2] + rates[3:])))
    full = pd.DataFrame({"geo_code": ROW["geo_code"], "value": rates, "denominator": people})
    hidden = full.assign(value=[*rates[:2], np.nan, *rates[3:]])
    weights = areal_weights(ROW, targets)
    truth = carry(full, weights, kind="rate", min_coverage=0, absent="empty")
    bounds = carry(hidden, weights, kind="rate", absent="empty")
    told = (bounds["interval"] == "secrecy") & truth["value"].notna()
    assert (bounds["lower"][told] <= truth["value"][told] + 1e-6).all()
    assert (bounds["upper"][told] >= truth["value"][told] - 1e-6).all()


# crosswalk

OLD = zones(
    QP031001=square(0, 0, 100),  # unchanged
    QP031002=square(1000, 0, 100),  # loses its eastern half
    QP031003=square(2000, 0, 100),  # disappears
    QP971001=None,  # no outline published
)
NEW = zones(
    QN03101I=square(1, 0, 100),
    QN03102M=square(1000, 0, 50, 100),
    QN03103N=square(3000, 0, 100),
    QN97101I=Polygon([(-5_000_000, 0), (-5_000_100, 0), (-5_000_100, 100)]),
)


def overseas(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The last outline moved to Guadeloupe, the whole in degrees."""
    degrees = frame.to_crs(4326)
    degrees.loc[degrees["geo_code"] == "QN97101I", "geometry"] = box(-61.5, 16.2, -61.49, 16.21)
    return degrees


LINKS = match_outlines(OLD.to_crs(4326), overseas(NEW))


def test_crosswalk_pairs_and_lonely_quarters() -> None:
    by_code = by(LINKS, "to_code")
    same, half = by_code.loc["QN03101I"], by_code.loc["QN03102M"]
    assert (same["from_code"], bool(same["same_outline"]), bool(same["letter_agrees"])) == ("QP031001", True, True)
    assert same["iou"] == pytest.approx(99 / 101, rel=1e-4)
    assert half[["share_of_from", "share_of_to", "iou"]].tolist() == pytest.approx([0.5, 1, 0.5], rel=1e-4)
    assert not half["same_outline"]
    assert by_code.loc["QN03103N", "status"] == "no_counterpart"
    # no outline of 2015 overseas: nobody can say that this quarter is new
    assert by_code.loc["QN97101I", "status"] == "outline_missing"
    assert pd.isna(by_code.loc["QN97101I", "letter_agrees"])
    lonely = LINKS[LINKS["to_code"].isna()].set_index("from_code")["status"]
    assert lonely.to_dict() == {"QP031003": "no_counterpart", "QP971001": "outline_missing"}


def test_the_letter_is_checked_against_the_outline() -> None:
    wrong = NEW.assign(geo_code=["QN03101M", "QN03102I", "QN03103M", "QN97101I"])
    links = match_outlines(OLD.to_crs(4326), overseas(wrong)).dropna(subset="to_code").set_index("to_code")
    assert links["letter_agrees"].dropna().astype(bool).to_dict() == dict.fromkeys(wrong["geo_code"][:3], False)


def test_crosswalk_shares_of_people() -> None:
    people = zones(w=square(1000, 0, 50, 100), e=square(1050, 0, 50, 100)).assign(population=[30, 10])
    links = by(match_outlines(OLD.to_crs(4326), overseas(NEW), population=people), "to_code")
    half = links.loc["QN03102M", ["people", "people_share_of_from", "people_share_of_to"]].tolist()
    assert half == pytest.approx([30, 0.75, 1], rel=1e-3)


def observations(values: list[float | None], **columns: Any) -> pd.DataFrame:
    codes = ["QP031001", "QP031002", "QP031003"][: len(values)]
    frame = pd.DataFrame({"geo_code": codes, "value": values, "geo_vintage": 2015, "geo_level": "qpv", "year": 2019})
    frame = frame.assign(indicator="poverty_rate", source="insee_filosofi_qpv@2019")
    frame["flag"] = np.where(frame["value"].isna(), "suppressed", "observed")
    return tidy(frame.assign(**columns))


def test_rates_carried_to_the_other_zoning() -> None:
    carried = carry_crosswalk(observations([40.0, 50.0, 60.0]), LINKS)
    validate(carried[list(COLUMNS)], where="carried")
    by_code = by(carried, "geo_code")
    same, half = by_code.loc["QN03101I"], by_code.loc["QN03102M"]
    assert (same["value"], same["flag"], same["interval"]) == (40, "estimated", "none")
    assert "same outline as QP031001" in same["note"]
    # half of a quarter at 50 %: the half that left may be at 60 % at most, so the one that stays at 40 %
    assert (half["value"], half["flag"], half["interval"]) == (pytest.approx(50), "estimated", "model")
    assert (half["lower"], half["upper"]) == pytest.approx((40, 60), rel=1e-3)
    assert by_code.loc["QN03103N", "flag"] == "unavailable"
    assert "2015" in by_code.loc["QN03103N", "note"]
    assert set(by_code["geo_vintage"]) == {2024}


def test_what_the_producer_withholds_in_the_other_zoning_stays_withheld() -> None:
    published = observations([None, 50.0], geo_code=["QN03101I", "QN03102M"], geo_vintage=2024)
    by_code = by(carry_crosswalk(observations([40.0, 50.0, 60.0]), LINKS, published=published), "geo_code")
    hidden = by_code.loc["QN03101I"]
    assert hidden["flag"] == "suppressed"
    assert hidden[["value", "lower", "upper"]].isna().all()
    assert by_code.loc["QN03102M", "flag"] == "estimated"


@pytest.mark.parametrize("zonings", [(2015, 2024), (2024, 2015)])
def test_no_secret_of_2021_is_undone_by_the_crosswalk(zonings: tuple[int, int]) -> None:
    start, end = zonings
    known = load_observations("poverty_rate", geo_level="qpv", geo_vintage=start, year=2021)
    secret = load_observations("poverty_rate", geo_level="qpv", geo_vintage=end, year=2021)
    secret = set(secret.loc[secret["flag"] == "suppressed", "geo_code"])
    carried = carry_crosswalk(known, crosswalk(start, end)).set_index("geo_code")
    there = carried[carried.index.isin(secret)]
    assert len(there) > 30
    assert there[["value", "lower", "upper"]].isna().all(axis=None)
    assert "observed" not in set(carried["flag"])


def test_suppressed_observations_stay_suppressed() -> None:
    by_code = by(carry_crosswalk(observations([None, None, 60.0]), LINKS), "geo_code")
    assert by_code.loc[["QN03101I", "QN03102M"], "flag"].tolist() == ["suppressed"] * 2
    assert by_code["value"].isna().all()


def test_counts_carried_to_the_other_zoning() -> None:
    carried = by(carry_crosswalk(observations([100.0, 60.0, 10.0]), LINKS, kind="count"), "geo_code")
    half = carried.loc["QN03102M"]
    # at most 100 per hectare: 50 in the half that stays; at least 10, were the half that left so dense
    assert half[["value", "lower", "upper"]].tolist() == pytest.approx([30, 10, 50], rel=1e-3)


def test_medians_are_carried_on_the_same_outline_only() -> None:
    medians = observations([14_000.0, 15_000.0, 16_000.0], indicator="median_standard_of_living")
    by_code = by(carry_crosswalk(medians, LINKS), "geo_code")
    assert by_code.loc["QN03101I", ["value", "flag"]].tolist() == [14_000, "estimated"]
    assert by_code.loc["QN03102M", "flag"] == "unavailable"
    assert "not carried" in by_code.loc["QN03102M", "note"]


def test_an_unchanged_outline_that_the_code_calls_modified_gives_an_estimate() -> None:
    links = match_outlines(OLD.to_crs(4326), zones(QN03101M=square(1, 0, 100)))
    medians = carry_crosswalk(observations([14_000.0], indicator="median_standard_of_living"), links)
    assert medians[["value", "flag"]].iloc[0].tolist() == [14_000, "estimated"]
    rate = carry_crosswalk(observations([40.0, 50.0, 60.0]), links).iloc[0]
    assert (rate["value"], rate["flag"]) == (pytest.approx(40), "estimated")
    assert rate["lower"] <= 40 <= rate["upper"] < 41


def test_the_public_crosswalk_reads_the_store_and_keeps_a_territory(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = {2015: OLD.to_crs(4326), 2024: overseas(NEW)}

    class Places:
        def resolve(self, territory: str) -> str:
            return territory

        def qpv_in(self, place: str | None, vintage: int) -> pd.DataFrame:
            codes = layers[vintage]["geo_code"]
            return pd.DataFrame({"geo_code": codes if place is None else codes[codes.str.contains("31.*2")]})

    def load(level: str, *, vintage: int) -> gpd.GeoDataFrame:
        frame = layers[vintage].dropna(subset="geometry")
        frame.attrs["origin"] = {f"qpv_{vintage}": "test"}
        return frame

    monkeypatch.setattr("qpv_sante.loading.load_zones", load)
    monkeypatch.setattr("qpv_sante.loading.gazetteer", Places)
    everything = crosswalk()
    pd.testing.assert_frame_equal(everything, LINKS)
    assert everything.attrs["origin"] == {"qpv_2015": "test", "qpv_2024": "test"}
    assert crosswalk(territory="somewhere")["to_code"].tolist() == ["QN03102M"]
    back = by(crosswalk(2024, 2015), "from_code").loc["QN03102M"]
    assert (back["to_code"], back["share_of_to"]) == ("QP031002", pytest.approx(0.5, rel=1e-4))
    assert (back["code_letter"], bool(back["letter_agrees"])) == ("M", True)


def test_the_crosswalk_is_refused_to_the_wrong_zoning() -> None:
    with pytest.raises(ComparabilityError, match="starts from QPV of 2015"):
        carry_crosswalk(observations([1.0]).assign(geo_vintage=2024), LINKS)
    with pytest.raises(ComparabilityError, match="both are 2024"):
        crosswalk(2024, 2024)


# mirror of the producers' files


@pytest.mark.mirror
def test_people_of_lille_on_the_grid() -> None:
    path = MIRROR / "grid" / "lille.gpkg"
    if not path.exists():
        pytest.skip("the mirror of the producers' files is not beside the repository")
    cells = gpd.read_file(path, layer="enriched_grid")
    targets = gpd.read_file(path, layer="qpvs").rename(columns={"CODE_QP": "geo_code"})
    table = pd.DataFrame(cells.drop(columns="geometry"))
    found = grid_weights(table, targets, cell_id="id", people="num_people").dropna()
    exact = gpd.overlay(cells.to_crs(3035), targets.to_crs(3035), how="intersection")
    # the file's own cells have corners rounded through another system
    expected = (exact["num_people"] * exact.area / 40_000).groupby(exact["geo_code"]).sum()
    np.testing.assert_allclose(found.groupby("target_code")["people"].sum(), expected, rtol=1e-3)


@pytest.mark.mirror
def test_iris_of_a_region_against_overlay() -> None:
    path = MIRROR / "derived" / "iris2020_hauts_de_france.geojson"
    if not path.exists():
        pytest.skip("the mirror of the producers' files is not beside the repository")
    iris = gpd.read_file(path).rename(columns={"CODE_IRIS": "geo_code"})
    iris = iris[iris["INSEE_COM"].isin(["59350", "59512", "59599"])]
    targets = gpd.read_file(MIRROR / "grid" / "lille.gpkg", layer="qpvs").rename(columns={"CODE_QP": "target"})
    found = areal_weights(iris, targets, target_id="target").dropna()
    exact = gpd.overlay(iris.to_crs(2154), targets.to_crs(2154), how="intersection")
    exact = exact.assign(area=exact.area).set_index(["geo_code", "target"])["area"]
    areas = found.set_index(["source_code", "target_code"])["area"]
    np.testing.assert_allclose(areas, exact.reindex(areas.index), rtol=1e-6, atol=1e-3)
    assert areas.sum() == pytest.approx(exact.sum(), rel=1e-6)
