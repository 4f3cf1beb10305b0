"""The build from the producers' real files, against the totals that they publish.

The mirror of these files is not part of the repository: without it, these tests are skipped.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import filelock
import numpy as np
import pandas as pd
import producers as miniature
import pyogrio
import pytest
import shapely

import qpv_sante as qs
from conftest import MIRROR
from qpv_sante import observations, pipeline, store
from qpv_sante.catalogue import catalogue
from qpv_sante.snapshot import CODE_TABLES, COMMUNES

pytestmark = pytest.mark.mirror
# The mirror has the files of the communes' outlines but no address for them: this source cannot be built from it,
# and says so. The snapshot's was built from the same files at their public addresses.


@pytest.fixture(scope="session")
def real_data(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data folder built from the mirror once, whatever the number of workers."""
    shared = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        shared = shared.parent
    folder = shared / "from-mirror"
    with filelock.FileLock(shared / "from-mirror.lock"):
        if store.current_store(folder) is None:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("QPV_SANTE_MIRROR", request.getfixturevalue("mirror"))
                pipeline.build(root=folder)
    return folder


@pytest.fixture
def real(real_data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[store.Store]:
    """The build in use, as the data that the package loads."""
    monkeypatch.setenv("QPV_SANTE_DATA", str(real_data))
    current = store.current_store()
    assert current is not None
    yield current


def qpv_values(indicator: str, vintage: int, year: int) -> pd.Series:
    """Values by QPV of metropolitan France; missing where they are."""
    frame = qs.load_observations(indicator, geo_level="qpv", geo_vintage=vintage, year=year).set_index("geo_code")
    return frame.loc[~frame.index.str.match("Q[PN]9[78]"), "value"]


def with_outline(vintage: int) -> pd.Index:
    zones = qs.load_zones("qpv", vintage=vintage, territory="country:FM")
    return pd.Index(zones.loc[zones.geometry.notna(), "geo_code"])


# --- completeness ------------------------------------------------------------------------------------------------


def test_no_source_fails(real: store.Store) -> None:
    assert {name: why for name, why in real.manifest["failures"].items() if name in miniature.SOURCES} == {}
    assert "territories" not in real.manifest["failures"]
    assert set(miniature.SOURCES) <= set(real.manifest["sources"])


def test_qpv_2015_with_outline_poverty_and_single_parents(real: store.Store) -> None:
    outlined = with_outline(2015)
    poverty = qpv_values("poverty_rate", 2015, 2019).dropna().index
    parents = qpv_values("single_parent_recipient_share", 2015, 2020).dropna().index
    assert len(outlined) == 1296
    assert len(outlined.intersection(poverty).intersection(parents)) >= 1269


def test_qpv_2024_with_outline_and_poverty(real: store.Store) -> None:
    poverty = qpv_values("poverty_rate", 2024, 2021).dropna().index
    # three outlines of this simplified edition have no area; these QPV stay in the list
    zones = qs.load_zones("qpv", vintage=2024, territory="country:FM")
    assert len(zones) == 1362
    assert int(zones.geometry.isna().sum()) <= 3
    assert len(pd.Index(zones["geo_code"]).intersection(poverty)) == 1299
    assert len(with_outline(2024).intersection(poverty)) >= 1299 - 3


def test_outlines_are_repaired_and_counted(real: store.Store) -> None:
    raw = {
        "anct_qpv2015": (1296, MIRROR / "prepared/qp-politiquedelaville-shp/QP_METROPOLE_LB93.shp"),
        "anct_qpv2024": (1609, MIRROR / "qpv/geometrie_qpv2024/qpv2024_simplified.geojson"),
    }
    for source, (rows, path) in raw.items():
        outlines = pyogrio.read_dataframe(path, columns=[]).geometry.to_numpy()
        invalid, flat = int((~shapely.is_valid(outlines)).sum()), int((shapely.area(outlines) == 0).sum())
        assert len(outlines) == rows
        assert invalid > 20
        (edition,) = real.manifest["sources"][source]["editions"].values()
        counts = {name.partition(": ")[2]: number for name, number in edition["counts"].items()}
        assert counts == {"rows read": rows, "outlines repaired": invalid, "outlines without area": flat}
    for layer in real.names("zones"):
        outlines = real.zones(layer).geometry.dropna()
        assert outlines.is_valid.all()
        assert set(outlines.geom_type) == {"MultiPolygon"}


def test_each_qpv_lies_in_a_commune(real: store.Store) -> None:
    qpv = real.codes("qpv")
    metropolitan = qpv[qpv["department"].str.len() == 2]
    assert metropolitan.groupby("geo_vintage").size().to_dict() == {2015: 1296, 2024: 1362}
    assert (metropolitan["communes"] != "").mean() > 0.99
    assert (metropolitan["region"] != "").all()
    known = set(real.codes("current_communes")["code"])
    # the official code has no communes of the overseas collectivities (978 and 987)
    listed = qpv.loc[~qpv["department"].isin(["978", "987"]), "communes"].str.split(";").explode()
    assert set(listed[listed != ""]) <= known


# --- totals that are published -----------------------------------------------------------------------------------


def test_inhabitants_and_poverty_of_the_qpv_of_2024(real: store.Store) -> None:
    """Insee Première 2008: 5.3 million inhabitants; 44 % of them poor in 2021."""
    people = qpv_values("population", 2024, 2020)
    assert len(people) == 1362
    assert people.sum() == pytest.approx(5.3e6, rel=0.01)
    poor = qpv_values("poverty_rate", 2024, 2021).dropna()
    assert np.average(poor, weights=people[poor.index]) == pytest.approx(44.3, abs=0.5)


def test_secrecy_of_2021(real: store.Store) -> None:
    frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2021)
    frame = frame[~frame["geo_code"].str.match("QP9[78]")]
    assert len(frame) == 1296
    assert (frame["flag"] == "suppressed").sum() == 288
    assert frame.loc[frame["flag"] == "suppressed", "value"].isna().all()
    assert frame["value"].notna().sum() == 1008
    # on three grids: the odd numbers, the whole ones, and tenths for the eleven largest
    published = frame.dropna(subset=["value"])
    half = (published["upper"] - published["value"]).round(6)
    assert half.value_counts().to_dict() == {1.0: 505, 0.5: 492, 0.05: 11}
    assert (published.loc[half == 1, "value"] % 2 == 1).all()
    assert published.loc[half == 0.5, "value"].mod(2).eq(0).any()
    assert set(published["interval"]) == {"rounding"}


def test_without_their_steps_the_odd_rates_of_2024_keep_the_coarser_bounds(real: store.Store) -> None:
    """About 735 of 1,299 are of the odd grid; the bounds of the others that are odd are wider than need be."""
    frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024, year=2021).dropna(subset=["value"])
    half = (frame["upper"] - frame["value"]).round(6)
    assert half.value_counts().to_dict() == {1.0: 1006, 0.5: 282, 0.05: 11}
    # where the outline is that of 2015, whose file says the step: never a finer one here
    links = qs.crosswalk(2015, 2024).query("same_outline")
    told = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2021).set_index("geo_code")
    both = links.assign(
        old=links["from_code"].map(told["value"]), new=links["to_code"].map(frame.set_index("geo_code")["value"])
    )
    both["old_half"] = links["from_code"].map(told["upper"] - told["value"])
    both["new_half"] = links["to_code"].map(half.set_axis(frame["geo_code"]))
    both = both[both["old"] == both["new"]]
    assert len(both) > 150
    assert (both["new_half"] >= both["old_half"] - 1e-9).all()


@pytest.mark.parametrize(
    ("indicator", "year", "low", "high"),
    [
        ("single_parent_recipient_share", 2018, 20, 21.5),  # Insee: about 21 % of recipients in QPV
        ("single_parent_recipient_share", 2020, 20, 21.5),
        ("single_parent_household_share", 2010, 14.5, 16),  # the workbook's own total is 15.3
        ("c2s_share", 2022, 25, 40),
        ("poverty_rate", 2019, 42.5, 44.5),  # the file's own row `Ensemble` is 43.6
        ("poverty_rate", 2018, 43.5, 45.5),  # 44.7
        ("poverty_rate", 2017, 42.5, 44.5),  # 43.5
        ("poverty_rate", 2016, 43, 45.5),  # 44.3
        ("foreigner_share", 2022, 18, 24),
        ("employment_rate", 2022, 42, 50),
    ],
)
def test_national_level(real: store.Store, indicator: str, year: int, low: float, high: float) -> None:
    frame = qs.load_observations(indicator, geo_level="qpv", geo_vintage=2015, year=year).set_index("geo_code")
    people = qpv_values("population", 2015, 2018)
    weight = frame["denominator"].where(frame["denominator"].notna(), people.reindex(frame.index))
    used = frame["value"].notna() & weight.notna()
    assert used.sum() > 1000
    assert low < np.average(frame.loc[used, "value"], weights=weight[used]) < high


# --- one edition against another ---------------------------------------------------------------------------------


def test_editions_of_poverty_agree(real: store.Store) -> None:
    """From one year to the next the ranking of QPV hardly moves; a shifted column would."""
    years = [2016, 2017, 2018, 2019, 2021]
    values = {year: qpv_values("poverty_rate", 2015, year) for year in years}
    for before, after in itertools.pairwise(years):
        both = pd.concat([values[before], values[after]], axis=1).dropna()
        assert len(both) > 950
        # 2019 changes the way households are located, and 2021 is published in whole per cent
        assert both.corr(method="spearman").iloc[0, 1] > (0.9 if after < 2019 else 0.75)
        assert abs(both.iloc[:, 0].median() - both.iloc[:, 1].median()) < 4


def test_same_outline_same_poverty(real: store.Store) -> None:
    """A QPV of 2024 marked I is the QPV of 2015 under another code: names and communes join them."""
    new = qs.load_zones("qpv", vintage=2024).drop(columns="geometry")
    old = qs.load_zones("qpv", vintage=2015).drop(columns="geometry")
    joined = new[new["geo_code"].str.endswith("I")].merge(old, on=["name", "communes"], suffixes=("_new", "_old"))
    joined = joined[~joined.duplicated(["name", "communes"], keep=False)]
    a = joined["geo_code_new"].map(qpv_values("poverty_rate", 2024, 2021))
    b = joined["geo_code_old"].map(qpv_values("poverty_rate", 2015, 2021))
    both = pd.concat([a, b], axis=1).dropna()
    assert len(both) > 100
    assert both.corr().iloc[0, 1] > 0.99


def test_population_of_2018_is_the_same_in_the_next_edition(real: store.Store) -> None:
    """Edition 2021 carries the same census: the catalogue takes 2022 only, and nothing is lost."""
    edition = pd.read_csv(MIRROR / "qpv/insee_demo/data_DEMO_2021_V1_QP.csv", sep=";", index_col="CODGEO")
    ours = qs.load_observations("population", geo_level="qpv", geo_vintage=2015, year=2018).set_index("geo_code")[
        "value"
    ]
    both = pd.concat([edition["POP_MUN"], ours], axis=1).dropna()
    assert len(both) > 1300
    assert (both["POP_MUN"] == both["value"]).all()


def test_shares_are_between_their_bounds(real: store.Store) -> None:
    for source in real.names("observations"):
        frame = real.observations(source)
        for indicator, group in frame.groupby("indicator", observed=True):
            limits = catalogue().indicator(str(indicator)).range
            if limits:
                assert group["value"].dropna().between(*limits).all()
        assert (frame["value"].isna() == frame["flag"].isin(observations.MISSING_FLAGS)).all()


@pytest.mark.parametrize("name", ["data_DEMO_2020_V1_QP.csv", "data_DEMO_2021_V1_QP.csv", "DEMO_2022.csv"])
def test_family_types_partition_the_recipients(name: str, mirror: str) -> None:
    """In the producer's file: single parents, lone persons, couples without and with children make all recipients."""
    text = pd.read_csv(MIRROR / "qpv" / "insee_demo" / name, sep=";", dtype="str", encoding="utf-8-sig")
    columns = ["AM", "AI", "ACSSENF", "ACAVENF", "A"]
    counts = text[columns].apply(lambda column: pd.to_numeric(column.str.replace("\u202f", ""))).dropna()
    assert len(counts) > 1300
    assert (counts[columns[:4]].sum(axis=1) == counts["A"]).all()


# --- the snapshot ------------------------------------------------------------------------------------------------

SNAPSHOT = store.Store(store.snapshot_dir(), "snapshot")


@pytest.mark.parametrize("source", [name for name in SNAPSHOT.names("observations") if name in miniature.SOURCES])
def test_snapshot_holds_the_observations_of_the_build(real: store.Store, source: str) -> None:
    ours, theirs = SNAPSHOT.observations(source), real.observations(source)
    if not ours.equals(theirs):  # a hundred times faster than the comparison that tells where they differ
        pd.testing.assert_frame_equal(ours, theirs)
        pytest.fail("the tables differ")


def test_snapshot_holds_every_source_of_the_build(real: store.Store) -> None:
    ours = set(miniature.SOURCES)
    assert ours & set(SNAPSHOT.names("observations")) == ours & set(real.names("observations"))
    assert set(SNAPSHOT.names("zones")) == {*real.names("zones"), COMMUNES}


@pytest.mark.parametrize("table", CODE_TABLES)
def test_snapshot_holds_the_code_tables_of_the_build(real: store.Store, table: str) -> None:
    pd.testing.assert_frame_equal(SNAPSHOT.codes(table), real.codes(table))


@pytest.mark.parametrize("layer", [name for name in SNAPSHOT.names("zones") if name != COMMUNES])
def test_snapshot_outlines_are_those_of_the_build_simplified(real: store.Store, layer: str) -> None:
    simple, full = SNAPSHOT.zones(layer), real.zones(layer)
    assert simple["geo_code"].tolist() == full["geo_code"].tolist()
    assert (simple.geometry.isna() == full.geometry.isna()).all()
    assert simple.geometry.dropna().is_valid.all()
    metropolitan = full.geometry.notna() & ~full["geo_code"].str.match("Q[PN]9[78]|9[78]|0[1-6]$")
    if layer.startswith("department"):
        metropolitan = full.geometry.notna() & ~full["geo_code"].str.match("9[78]")
    before, after = (zones[metropolitan].to_crs(2154).area for zones in (full, simple))
    assert after.sum() == pytest.approx(before.sum(), rel=0.005)


def test_snapshot_hashes(real: store.Store) -> None:
    for name, record in SNAPSHOT.manifest["files"].items():
        assert store.sha256_of(SNAPSHOT.path / name) == record["sha256"]
    for source in miniature.SOURCES:
        for edition, ours in SNAPSHOT.manifest["sources"][source]["editions"].items():
            theirs = real.manifest["sources"][source]["editions"][edition]
            assert (ours["sha256"], ours["url"]) == (theirs["sha256"], theirs["url"])
