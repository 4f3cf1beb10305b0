"""From the producers to the store, on the miniature: values, counts, and every way in which a build can fail."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import filelock
import geopandas as gpd
import pandas as pd
import producers as miniature
import pytest
import shapely

import qpv_sante as qs
from conftest import Producers
from qpv_sante import pipeline, store
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import SchemaError, StoreError, UnavailableLevelError, UnknownNameError
from qpv_sante.lockfile import Lock
from qpv_sante.snapshot import COMMUNES
from qpv_sante.territories import Territory

# one small source that has an address of its own and a landing page, to be broken in every way
ONE, EDITION = "insee_filosofi_qpv2024", "insee_filosofi_qpv2024@2021"
OTHER = "insee_demo_qpv2024"


def build(*sources: str, **options: object) -> pipeline.BuildReport:
    return pipeline.build(list(sources or miniature.SOURCES), **options)  # type: ignore[arg-type]


def value(indicator: str, code: str, *, column: str = "value", **asked: object) -> object:
    frame = qs.load_observations(indicator, **asked)  # type: ignore[arg-type]
    rows = frame[frame["geo_code"] == code]
    assert len(rows) == 1, rows
    return rows[column].iloc[0]


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leftovers(folder: Path) -> list[str]:
    names = [path.name for path in folder.rglob("*")]
    return [name for name in names if name.endswith((".partial", ".new", ".tmp")) or name.startswith(".download-")]


def forget_raw(workspace: Path, key: str) -> None:
    """Lose the local file of an edition, so that it is asked for again."""
    for path in workspace.joinpath("raw", *key.split("@")).iterdir():
        path.unlink()


# --- end to end --------------------------------------------------------------------------------------------------


VALUES = [
    # indicator, asked, code, value, flag: read by hand in producers.py
    ("poverty_rate", {"geo_vintage": 2015, "year": 2016}, "QP034001", 61.0, "observed"),
    ("poverty_rate", {"geo_vintage": 2015, "year": 2019}, "QP034001", 60.8, "observed"),
    ("poverty_rate", {"geo_vintage": 2015, "year": 2019}, "QP034002", 56.4, "unreliable"),
    ("poverty_rate", {"geo_vintage": 2015, "year": 2019}, "QP059002", None, "suppressed"),
    ("poverty_rate", {"geo_vintage": 2015, "year": 2021}, "QP050001", 40.0, "unreliable"),
    ("poverty_rate", {"geo_vintage": 2015, "year": 2021}, "QP034002", None, "suppressed"),
    ("poverty_rate", {"geo_vintage": 2024, "year": 2021}, "QN05901I", 46.0, "observed"),
    ("poverty_rate", {"geo_level": "commune", "year": 2019}, "59410", 24.0, "observed"),
    ("poverty_rate", {"geo_level": "commune", "year": 2019}, "22016", None, "suppressed"),
    ("poverty_rate", {"geo_level": "commune", "year": 2021}, "22016", None, "suppressed"),
    ("poverty_rate", {"geo_level": "commune", "year": 2021}, "50129", None, "unavailable"),
    ("poverty_rate", {"geo_level": "iris"}, "340320101", 54.1, "observed"),
    ("poverty_rate", {"geo_level": "iris"}, "340320102", 49.9, "unreliable"),
    ("poverty_rate", {"geo_level": "iris"}, "593500101", None, "suppressed"),
    ("poverty_rate", {"geo_level": "iris"}, "594100101", None, "unavailable"),
    ("poverty_rate", {"geo_level": "iris"}, "751134901", None, "not_applicable"),
    ("median_standard_of_living", {"geo_level": "qpv", "year": 2019}, "QP974001", 13450.0, "observed"),
    ("median_standard_of_living", {"geo_level": "epci"}, "243400769", 18890.0, "observed"),
    ("decile_ratio", {"geo_level": "country"}, "FM", 3.4, "observed"),
    ("social_benefit_income_share", {"geo_level": "region"}, "76", 6.0, "observed"),
    ("social_benefit_income_share", {"geo_level": "commune", "year": 2019}, "34032", 12.9, "observed"),
    ("single_parent_recipient_share", {"geo_level": "qpv", "year": 2020}, "QP050001", 25.0, "observed"),
    ("single_parent_recipient_share", {"geo_level": "qpv", "year": 2018}, "QP974001", None, "unavailable"),
    ("single_parent_recipient_share", {"geo_level": "qpv", "year": 2018}, "QP059002", None, "suppressed"),
    ("single_parent_recipient_share", {"geo_level": "iris"}, "340320102", 15.0, "observed"),
    ("single_parent_recipient_share", {"geo_level": "iris"}, "501290102", None, "not_applicable"),
    ("single_parent_household_share", {}, "QP059001", 17.2, "observed"),
    ("one_person_household_share", {"geo_vintage": 2015, "year": 2021}, "QP974001", None, "unavailable"),
    ("one_person_household_share", {"geo_vintage": 2024}, "QN03401M", 53.1, "observed"),
    ("population", {"geo_level": "qpv", "year": 2013}, "QP034001", 19054.0, "observed"),
    ("population", {"geo_level": "qpv", "year": 2018}, "QP034001", 19472.0, "observed"),
    ("population", {"geo_level": "commune"}, "34032", 79041.0, "observed"),
    ("foreigner_share", {"geo_vintage": 2015, "year": 2022}, "QP034002", 33.4, "observed"),
    ("under_25_share", {"year": 2022}, "QP059001", 39.5, "observed"),
    ("over_60_share", {"year": 2020}, "QP034003", 24.0, "observed"),
    ("c2s_free_share", {"year": 2021}, "QP034001", 40.0, "observed"),
    ("c2s_share", {"year": 2022}, "QP034001", 35.0, "observed"),
    ("c2s_free_share", {"year": 2021}, "QP059002", None, "suppressed"),
    ("c2s_free_share", {"year": 2021}, "QP974001", None, "unavailable"),
    ("benefit_recipients", {"geo_level": "qpv", "year": 2020}, "QP034001", 9103.0, "observed"),
    ("rsa_recipients", {"geo_level": "qpv", "year": 2020}, "QP034001", 3600.0, "observed"),
    ("rsa_recipient_share", {"geo_level": "qpv", "year": 2020}, "QP059001", 30.0, "observed"),
    ("disability_allowance_recipients", {"geo_level": "iris"}, "501290101", 20.0, "observed"),
    ("employment_rate", {"geo_vintage": 2015, "year": 2022}, "QP034001", 33.0, "observed"),
    ("employment_rate", {"geo_vintage": 2015, "year": 2022, "sex": "F"}, "QP034001", 28.5, "observed"),
    ("employment_rate", {"geo_vintage": 2024}, "QN97401M", None, "unavailable"),  # overseas: not withheld
    ("limited_duration_job_share", {"year": 2021}, "QP034001", 33.0, "observed"),
    ("job_seekers", {"year": 2021}, "QP034001", 3100.0, "observed"),
    ("job_seekers", {"year": 2021, "sex": "M"}, "QP034001", 1600.0, "observed"),
    ("job_seekers", {"year": 2021, "age": "Y_LT25"}, "QP034001", 430.0, "observed"),
]


@pytest.mark.parametrize(("indicator", "asked", "code", "expected", "flag"), VALUES)
def test_value_and_flag(
    built: Path, indicator: str, asked: dict[str, object], code: str, expected: float | None, flag: str
) -> None:
    got = value(indicator, code, **asked)
    assert value(indicator, code, column="flag", **asked) == flag
    assert pd.isna(got) if expected is None else got == pytest.approx(expected)


def test_every_indicator_of_the_miniature_is_proven() -> None:
    carried = {i.id for key in miniature.EDITIONS for i, _ in catalogue().series_in(*key.split("@"))}
    assert carried == {name for name, *_ in VALUES}


def test_values_say_which_store_they_come_from(built: Path) -> None:
    frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024, year=2021)
    assert re.fullmatch(r"processed of \d{4}-\d\d-\d\d", frame.attrs["origin"]["insee_filosofi_qpv2024"])


def test_totals_of_the_producer_are_not_places(built: Path) -> None:
    for source in store.current_store().names("observations"):  # type: ignore[union-attr]
        codes = store.current_store().observations(source)["geo_code"]  # type: ignore[union-attr]
        assert not set(codes) & {"Ensemble", "00", "", "1"}


def test_comparison_by_hand(built: Path) -> None:
    """Béziers 2019: three QPV weighted by their inhabitants of 2018, against the commune's published rate."""
    row = qs.compare("poverty_rate", geo_vintage=2015, year=2019, by="commune", territory="Béziers").iloc[0]
    assert row["qpv_value"] == pytest.approx((60.8 * 19472 + 56.4 * 3124 + 55.7 * 3947) / (19472 + 3124 + 3947))
    assert (row["reference_value"], row["n_used"], row["n_total"]) == (35.0, 3, 3)
    assert row["difference"] == pytest.approx(row["qpv_value"] - 35)


def test_recipients_are_weighted_by_their_own_number(built: Path) -> None:
    """Shares go through their published denominator: 1,639 + 200 + 210 over 9,103 + 1,000 + 1,400."""
    row = qs.compare(
        "single_parent_recipient_share", geo_vintage=2015, year=2020, by=None, reference=None, territory="Béziers"
    ).iloc[0]
    assert row["qpv_value"] == pytest.approx(100 * 2049 / 11503)
    assert row["weight"] == "denominator"


def test_territories_of_the_miniature(built: Path) -> None:
    qpv = store.current_store().codes("qpv").set_index("geo_code")  # type: ignore[union-attr]
    assert qpv.loc["QP059001", "communes"] == "59350;59410"  # lies in both
    assert qpv.loc["QP050001", "communes"] == "50129"  # Octeville was merged long ago, and has no delegate
    assert qpv.loc["QP075001", "communes"] == "75056"  # an arrondissement is not a commune
    assert qpv.loc["QP974001", ["communes", "region", "has_outline"]].tolist() == ["97411", "04", False]
    assert qpv.loc["QN05901I", "communes"] == "59350;59410"
    assert qpv.loc["QP034001", ["epci", "urban_unit", "department", "region"]].tolist() == [
        "243400769",
        "34502",
        "34",
        "76",
    ]
    mons = qs.load_observations("poverty_rate", geo_level="qpv", year=2019, territory="Mons-en-Barœul")
    assert mons["geo_code"].tolist() == ["QP059001"]
    communes = store.current_store().codes("current_communes").set_index("code")  # type: ignore[union-attr]
    assert communes.loc["22016", ["epci", "urban_unit"]].tolist() == ["", ""]
    assert communes.loc["75056", "population"] == 178350  # by arrondissement


def test_files_that_are_parts_of_one_layer_are_put_together(built: Path) -> None:
    communes = qs.load_zones("commune", vintage=2018)
    assert communes["geo_code"].tolist() == sorted(code for part in miniature._COMMUNES.values() for code in part)
    assert qs.load_zones("commune", vintage=2018, territory="Lille")["geo_code"].tolist() == ["59350"]
    current = store.current_store()
    assert current is not None and current.manifest["sources"]["ign_communes"]["rows"] == len(communes)


def test_an_outline_that_two_files_give_is_refused() -> None:
    source = catalogue().source("ign_communes")
    part = gpd.GeoDataFrame({"geo_code": ["34032"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=4326)
    with pytest.raises(SchemaError, match=r"ign_communes@2018-dep11: 1 outlines that another file.*first 34032"):
        pipeline._with_outlines(part, part, where=source.key(source.get_vintage("2018-dep11")))


def test_figures_of_communes_are_not_painted_on_outlines_of_2018() -> None:
    rates = qs.load_observations("poverty_rate", geo_level="commune", year=2021, territory="Béziers")
    with pytest.raises(UnavailableLevelError, match="cover two regions"):
        qs.attach_zones(rates)


def test_outlines_of_the_snapshot_hold_every_quarter_of_their_regions_and_are_light() -> None:
    snapshot = store.Store(store.snapshot_dir(), "snapshot")
    communes = snapshot.zones(COMMUNES)
    assert communes.geometry.is_valid.all() and communes["geo_code"].is_unique
    for zoning in (2015, 2024):
        members = qs.load_zones("qpv", vintage=zoning)
        inside = members[members["region"].isin(["76", "32"]) & members.geometry.notna()]
        points = inside.representative_point()
        placed = set(communes.sindex.query(points.to_numpy(), predicate="within")[0].tolist())
        assert len(placed) == len(points) > 100
    assert snapshot.manifest["files"][f"zones/{COMMUNES}.parquet"]["bytes"] < 400_000


def test_outlines_of_the_miniature(built: Path) -> None:
    zones = qs.load_zones("qpv", vintage=2015)
    assert len(zones) == 7
    assert zones.geometry.is_valid.all()
    # in Lambert-93: a square, and the bow tie with its whole area
    areas = zones.to_crs(2154).set_index("geo_code").area
    assert areas["QP034001"] == pytest.approx(250_000, rel=1e-4)
    assert areas["QP059001"] == pytest.approx(125_000, rel=1e-4)
    recent = qs.load_zones("qpv", vintage=2024)
    assert recent.loc[recent.geometry.isna(), "geo_code"].tolist() == ["QN05001M"]
    painted = qs.attach_zones(qs.load_observations("poverty_rate", geo_vintage=2015, geo_level="qpv", year=2019))
    assert isinstance(painted, gpd.GeoDataFrame)
    assert painted.loc[painted.geometry.isna(), "geo_code"].tolist() == ["QP974001"]
    assert painted.attrs["without_outline"] == 1


def test_manifest_counts_and_names_its_files(built: Path) -> None:
    current = store.current_store()
    assert current is not None
    manifest = json.loads((current.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["failures"] == {}
    assert set(manifest["sources"]) == {*miniature.SOURCES, "territories"}
    for name, record in manifest["files"].items():
        path = current.path / name
        assert (record["bytes"], record["sha256"]) == (path.stat().st_size, store.sha256_of(path))
        assert record["rows"] == len(pd.read_parquet(path))
    assert set(manifest["files"]) == {name for name in files_of(current.path) if name.endswith(".parquet")}
    filosofi = manifest["sources"]["insee_filosofi_qpv"]
    assert filosofi["rows"] == 4 * (8 * 4 + 7)
    assert filosofi["editions"]["2019"]["counts"] == {
        "data_filo19_qp_revdis.csv: rows read": 9,
        "data_filo19_qp_revdis.csv: rows dropped (blank)": 0,
        "data_filo19_qp_revdis.csv: rows dropped (totals)": 1,
    }
    outlines = manifest["sources"]["anct_qpv2015"]["editions"]["2018-01"]["counts"]
    assert outlines == {
        "qpv_2015: rows read": 7,
        "qpv_2015: outlines repaired": 1,
        "qpv_2015: outlines without area": 0,
    }
    outlines = manifest["sources"]["anct_qpv2024"]["editions"]["2026-01"]["counts"]
    assert outlines["qpv_2024: outlines without area"] == 1
    assert manifest["sources"]["territories"]["counts"] == {
        "qpv 2015: without a matched commune": 0,
        "qpv 2024: without a matched commune": 0,
    }


def test_lock_file_records_every_edition(built: Path) -> None:
    lock = Lock.load(built / "sources.lock.toml")
    assert set(lock.keys()) == set(miniature.EDITIONS)
    entry = lock.get(EDITION)
    assert entry is not None
    assert entry.url == "https://www.insee.fr/fr/statistiques/fichier/8243167/revenus_pauvrete_2021_qp24_v2_csv.zip"
    assert (built / "raw" / entry.file).read_bytes() == miniature.contents()[EDITION]


# --- one source fails, the others are built ----------------------------------------------------------------------


def html_page(answers: Producers) -> None:
    answers.replace(EDITION, b"<html><body>Maintenance en cours</body></html>")


def other_member(answers: Producers) -> None:
    answers.replace(EDITION, miniature.archive({"lisez-moi.csv": b"a;b\r\n1;2\r\n"}))


def other_hash(answers: Producers) -> None:
    answers.edit(EDITION, ("QN03401M;62", "QN03401M;63"))


def renamed_column(answers: Producers) -> None:
    answers.edit(EDITION, ("DISP_TP60_A21", "DISP_TXPAUV_A21"))


def unknown_marker(answers: Producers) -> None:
    answers.edit(EDITION, ("QN03401M;62", "QN03401M;c"))


def duplicate_code(answers: Producers) -> None:
    answers.edit(EDITION, ("QN07501M", "QN03401M"))


def unknown_code(answers: Producers) -> None:
    answers.edit(EDITION, ("QN07501M", "QP075001"))


def out_of_range(answers: Producers) -> None:
    answers.edit(EDITION, ("QN03401M;62", "QN03401M;620"))


def empty_file(answers: Producers) -> None:
    answers.replace(EDITION, b"")


FAULTS: dict[str, tuple[Callable[[Producers], None], bool, str]] = {
    # how, whether changed content is accepted, what the message says
    "404": (lambda answers: answers.drop(EDITION), False, "no longer answers|404"),
    "no link on the page": (
        lambda answers: (
            answers.answers.update({answers.page(EDITION): b"<!DOCTYPE html><p>rien"}) or answers.drop(EDITION)
        ),
        False,
        "the landing page has no link to the file",
    ),
    "truncated": (lambda answers: answers.truncate(EDITION), False, "cut after"),
    "empty": (empty_file, False, "empty file"),
    "HTML page": (html_page, False, "HTML page in place of the file: 'Maintenance en cours'"),
    "other zip member": (other_member, False, r"a member 'data_indic.*lisez-moi\.csv"),
    "changed": (other_hash, False, "the producer's file changed since .*--accept-changes"),
    "renamed column": (renamed_column, True, "no column DISP_TP60_A21.*DISP_TXPAUV_A21.*renamed"),
    "unknown marker": (unknown_marker, True, "column DISP_TP60_A21, line 2: 'c'.*`missing`"),
    "duplicate code": (duplicate_code, True, "1 codes appear twice, first QN03401M"),
    "unknown code": (unknown_code, True, "1 code is not a qpv code .2024.: 'QP075001'"),
    "out of range": (out_of_range, True, "poverty_rate must lie in .*QN03401M = 620"),
}


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries are as many, without their pauses."""
    from types import SimpleNamespace

    import pooch.core

    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("fault", FAULTS)
def test_failing_source_keeps_its_figures_and_spares_the_others(
    workspace: Path, producers: Producers, fault: str
) -> None:
    spoil, accept, message = FAULTS[fault]
    before = store.current_store()
    assert before is not None
    figures = before.observations(ONE)
    forget_raw(workspace, EDITION)
    # the other source moves at the same time, so that one can see that it was built
    forget_raw(workspace, "insee_demo_qpv2024@2020")
    if accept:
        producers.edit("insee_demo_qpv2024@2020", ("QN03401M;20100", "QN03401M;20200"))
    spoil(producers)
    report = build(ONE, OTHER, accept_changes=accept)

    assert set(report.failures) == {ONE}
    assert re.search(message, report.failures[ONE], flags=re.DOTALL), report.failures[ONE]
    assert report.kept == [ONE]
    assert set(report.built) == {OTHER}
    table = report.frame().set_index("source")
    assert table["status"].to_dict() == {OTHER: "built", ONE: "failed, previous kept"}
    after = store.current_store()
    assert after is not None
    assert after.path != before.path
    assert after.manifest["failures"] == report.failures
    pd.testing.assert_frame_equal(after.observations(ONE), figures)
    assert after.manifest["sources"][ONE] == before.manifest["sources"][ONE]
    assert value("population", "QN03401M", geo_vintage=2024) == (20200 if accept else 20100)
    assert value("poverty_rate", "QN03401M", geo_vintage=2024, geo_level="qpv") == 62
    assert leftovers(workspace) == []
    if not accept:  # a download that was refused left neither file nor record
        assert Lock.load(workspace / "sources.lock.toml").get(EDITION) is not None
        assert list(workspace.joinpath("raw", *EDITION.split("@")).iterdir()) == []


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("fault", ["404", "truncated", "HTML page", "changed"])
def test_refused_download_leaves_the_good_file(workspace: Path, producers: Producers, fault: str) -> None:
    """The local file is damaged, the producer answers something else: the record of the good one stays."""
    FAULTS[fault][0](producers)
    lock = (workspace / "sources.lock.toml").read_bytes()
    path = workspace / "raw" / Lock.load(workspace / "sources.lock.toml").get(EDITION).file  # type: ignore[union-attr]
    path.write_bytes(b"damaged")
    report = build(ONE, OTHER)
    assert set(report.failures) == {ONE}
    assert "try:" in report.failures[ONE]
    assert path.read_bytes() == b"damaged"
    assert (workspace / "sources.lock.toml").read_bytes() == lock


def test_moved_file_is_found_by_its_landing_page(workspace: Path, producers: Producers) -> None:
    """The official address is gone; the page links to a new version of the name."""
    good = producers.answers[producers.address(EDITION)]
    producers.drop(EDITION)
    moved = "www.insee.fr/fr/statistiques/fichier/8243167/revenus_pauvrete_2021_qp24_v3_csv.zip"
    page = f'<!DOCTYPE html><a href="https://{moved}">csv</a><a href="/autre.zip">autre</a>'.encode()
    producers.answers |= {producers.page(EDITION): page, moved: good}
    forget_raw(workspace, EDITION)
    assert build(ONE).failures == {}
    assert Lock.load(workspace / "sources.lock.toml").get(EDITION).url == f"https://{moved}"  # type: ignore[union-attr]


def test_full_disk_in_the_middle_of_a_table(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that could not be written whole stays as it was, and the build that holds it is valid."""
    figures = store.current_store().observations(ONE)  # type: ignore[union-attr]
    genuine = pd.DataFrame.to_parquet

    def to_parquet(self: pd.DataFrame, path: Path, **options: object) -> None:
        genuine(self, path, **options)  # type: ignore[call-overload]
        if ONE in str(path):
            os.truncate(path, 100)
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", to_parquet)
    report = build(ONE, OTHER)
    assert "No space left" in report.failures[ONE]
    assert report.kept == [ONE]
    after = store.current_store()  # checks the size of every file
    assert after is not None
    pd.testing.assert_frame_equal(after.observations(ONE), figures)
    assert leftovers(workspace) == []


def test_first_build_with_a_failing_source(producers: Producers, tmp_path: Path) -> None:
    producers.drop(EDITION)
    report = build(ONE, OTHER)
    assert set(report.failures) == {ONE}
    assert report.kept == []
    assert report.frame().set_index("source").loc[ONE, "status"] == "failed"
    assert report.frame().set_index("source").loc[ONE, "problem"] == report.failures[ONE]
    current = store.current_store()
    assert current is not None
    assert current.names("observations") == [OTHER]
    assert ONE not in current.manifest["sources"]
    # what it lacks is read from the snapshot, which says so
    frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024, year=2021)
    assert frame.attrs["origin"][ONE].startswith("snapshot")
    assert len(frame) > 1000
    assert leftovers(tmp_path / "data") == []


def test_building_one_source_on_a_fresh_machine_is_not_a_failure(producers: Producers) -> None:
    """The territories of the snapshot serve until every code table is built."""
    report = build(OTHER)
    assert report.failures == {}
    frame = qs.load_observations("population", geo_level="qpv", geo_vintage=2024, territory="Béziers")
    assert frame["value"].tolist() == [20100.0]


def test_when_all_fail_the_store_is_unchanged(workspace: Path, producers: Producers) -> None:
    before = files_of(workspace / "processed")
    for key in (EDITION, "insee_demo_qpv2024@2020"):
        forget_raw(workspace, key)
        producers.drop(key)
    with pytest.raises(StoreError) as caught:
        build(ONE, OTHER)
    said = str(caught.value)
    assert "No source could be built; nothing was changed" in said
    assert f"- {ONE}: {EDITION}" in said
    assert f"- {OTHER}: " in said
    assert files_of(workspace / "processed") == before


def test_when_all_fail_the_first_time_nothing_is_left(producers: Producers, tmp_path: Path) -> None:
    producers.drop(EDITION)
    with pytest.raises(StoreError, match="No source could be built"):
        build(ONE)
    assert store.current_store() is None
    assert [name for name in files_of(tmp_path / "data") if not name.endswith(".lock")] == []


def test_unexpected_interruption_leaves_the_store(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user stops the build: the previous one stays in use, nothing half written."""
    before = files_of(workspace / "processed")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "assemble", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build(ONE)
    assert files_of(workspace / "processed") == before
    assert leftovers(workspace) == []


def test_stray_of_a_killed_build_is_swept(workspace: Path) -> None:
    stray = workspace / "processed" / "builds" / "20200101T000000000000Z.partial"
    (stray / "observations").mkdir(parents=True)
    (stray / "observations" / "x.parquet").write_bytes(b"half")
    assert build(ONE).failures == {}
    assert leftovers(workspace) == []


def test_unknown_source_is_told_before_anything(producers: Producers, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'insee_demo_qpv'"):
        build("insee_demo_qvp")
    assert not (tmp_path / "data").exists()


# --- builds one after the other ----------------------------------------------------------------------------------


def test_one_source_is_built_and_the_rest_kept(workspace: Path, producers: Producers) -> None:
    before = store.current_store()
    assert before is not None
    forget_raw(workspace, EDITION)
    producers.edit(EDITION, ("QN03401M;62", "QN03401M;63"))
    report = build(ONE, accept_changes=True)
    assert report.built == {ONE: 4}
    assert producers.calls == [producers.address(EDITION)]
    after = store.current_store()
    assert after is not None
    assert value("poverty_rate", "QN03401M", geo_vintage=2024, geo_level="qpv") == 63
    assert before.observations(ONE).set_index("geo_code")["value"]["QN03401M"] == 62  # never written through
    changed = {name for name, record in after.manifest["files"].items() if record != before.manifest["files"][name]}
    assert changed == {f"observations/{ONE}.parquet"}
    assert set(after.manifest["sources"]) == set(before.manifest["sources"])


def test_second_build_asks_nobody(workspace: Path, producers: Producers) -> None:
    before = store.current_store()
    report = build()
    assert report.failures == {}
    assert producers.calls == []
    after = store.current_store()
    assert before is not None
    assert after is not None
    assert after.path != before.path
    rows = {name: record["rows"] for name, record in after.manifest["files"].items()}
    assert rows == {name: record["rows"] for name, record in before.manifest["files"].items()}


def test_same_files_give_the_same_tables(workspace: Path) -> None:
    """Rebuilt from the same raw files, every table is the same to the byte."""
    before = store.current_store()
    build(offline=True)
    after = store.current_store()
    assert before is not None
    assert after is not None
    assert after.manifest["files"] == before.manifest["files"]


def test_offline(workspace: Path, producers: Producers) -> None:
    forget_raw(workspace, EDITION)
    report = build(ONE, OTHER, offline=True)
    assert producers.calls == []
    assert set(report.built) == {OTHER}
    assert "offline, and no verified local file" in report.failures[ONE]
    assert "run once with a network" in report.failures[ONE]


def test_damaged_raw_file_is_downloaded_again(workspace: Path, producers: Producers) -> None:
    path = workspace / "raw" / Lock.load(workspace / "sources.lock.toml").get(EDITION).file  # type: ignore[union-attr]
    path.write_bytes(path.read_bytes()[:-10])
    assert build(ONE).failures == {}
    assert producers.calls == [producers.address(EDITION)]
    assert path.read_bytes() == miniature.contents()[EDITION]


def test_reader_of_the_old_store_is_not_disturbed(workspace: Path, producers: Producers) -> None:
    held = store.current_store()
    assert held is not None
    forget_raw(workspace, EDITION)
    producers.edit(EDITION, ("QN03401M;62", "QN03401M;63"))
    build(ONE, accept_changes=True)
    assert held.observations(ONE).set_index("geo_code")["value"]["QN03401M"] == 62
    assert len(held.zones("qpv_2015")) == 7
    assert held.manifest["files"].keys() == files_of(held.path).keys() - {"manifest.json", "manifest.copy.json"}


def test_two_builds_at_once(workspace: Path) -> None:
    with filelock.FileLock(workspace / "processed" / ".lock"):
        with pytest.raises(StoreError, match=r"Another build or refresh is running in .*Wait for it to end"):
            build(ONE)
        # reading goes on meanwhile
        assert value("poverty_rate", "QN03401M", geo_vintage=2024, geo_level="qpv") == 62
    assert build(ONE).failures == {}


def test_earlier_builds_are_kept_then_pruned(workspace: Path) -> None:
    builds = workspace / "processed" / "builds"
    (first,) = [path.name for path in builds.iterdir()]
    for _ in range(2):
        build(ONE)
    assert first in {path.name for path in builds.iterdir()}
    assert len(list(builds.iterdir())) == 3
    build(ONE)
    names = sorted(path.name for path in builds.iterdir())
    assert len(names) == 3
    assert first not in names
    assert (workspace / "processed" / "CURRENT").read_text(encoding="utf-8").strip() == names[-1]


def test_folder_that_cannot_be_written(producers: Producers, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot be written.*QPV_SANTE_DATA"):
        build(ONE)


# --- a store that is not whole -----------------------------------------------------------------------------------


def break_manifest(build_folder: Path, text: str | None) -> None:
    """Write something else, or cut it, in both files."""
    for name in ("manifest.json", "manifest.copy.json"):
        content = (build_folder / name).read_text(encoding="utf-8")[:200] if text is None else text
        (build_folder / name).write_text(content, encoding="utf-8")


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut manifest": (lambda path: break_manifest(path, None), "manifest.json is damaged"),
    "empty manifest": (lambda path: break_manifest(path, "{}"), "it lacks format, created, sources, files"),
    "manifest of something else": (lambda path: break_manifest(path, '["a"]'), "is damaged"),
    "other format": (
        lambda path: break_manifest(path, '{"format": 99, "created": "", "sources": {}, "files": {}}'),
        "format 99, expected 1",
    ),
    "no manifest": (lambda path: [one.unlink() for one in path.glob("manifest*")], "No manifest"),
    "no build": (lambda path: path.rename(path.with_name("elsewhere")), "No manifest"),
    "empty pointer": (lambda path: (path.parents[1] / "CURRENT").write_text(""), "No manifest"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_store_falls_back_on_the_snapshot(
    workspace: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    processed = workspace / "processed"
    how, message = DAMAGES[damage]
    how(processed / "builds" / (processed / "CURRENT").read_text(encoding="utf-8").strip())
    with caplog.at_level(logging.WARNING):
        frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    assert frame.attrs["origin"]["insee_filosofi_qpv"].startswith("snapshot of")
    assert len(frame) > 1000
    assert "Falling back on the embedded snapshot" in caplog.text
    assert re.search(message, caplog.text)
    with pytest.raises(StoreError, match="qpv-sante refresh"):
        store.current_store()


def _flip(path: Path) -> None:
    """Change one bit; neither the size nor the date tells."""
    state, raw = path.stat(), bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 4
    path.unlink()  # builds share files by hard links
    path.write_bytes(raw)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


TABLE_DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "cut": lambda path: os.truncate(path, 10),
    "one bit": _flip,
}


@pytest.mark.parametrize("damage", TABLE_DAMAGES)
def test_damaged_table_is_refused_and_the_snapshot_serves_for_its_source(
    workspace: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Told once, and nothing else of the build is given up."""
    current = store.current_store()
    assert current is not None
    TABLE_DAMAGES[damage](current.path / "observations" / f"{ONE}.parquet")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024)
            other = qs.load_observations("population", geo_level="qpv", source=OTHER)
    assert frame.attrs["origin"][ONE].startswith("snapshot of")
    assert len(frame) > 1000
    assert other.attrs["origin"][OTHER].startswith("processed of")
    told = [record.getMessage() for record in caplog.records if ONE in record.getMessage()]
    assert len(told) == 1
    assert re.search(f"{ONE}.parquet is not as it was written.*read from the snapshot.*qpv-sante refresh", told[0])
    with pytest.raises(StoreError, match=r"cannot be read.*qpv-sante refresh"):
        current.observations(ONE)
    assert qs.list_sources().set_index("id").loc[ONE, "status"].startswith("snapshot of")
    names = qs.verify().problems()["name"]
    assert names.tolist() == [f"{current.path.name}/observations/{ONE}.parquet"]


def test_tables_of_one_source_are_given_up_together(workspace: Path) -> None:
    """Outlines of one edition beside the names of another would contradict each other."""
    current = store.current_store()
    assert current is not None
    tables = current.manifest["sources"]["territories"]["tables"]
    assert len(tables) > 1
    assert {store.find_store(table).kind for table in tables} == {"processed"}
    _flip(current.path / f"{tables[0]}.parquet")
    assert {store.find_store(table).kind for table in tables} == {"snapshot"}
    assert store.find_store(f"observations/{ONE}").kind == "processed"


def test_build_after_a_damaged_one_takes_over_what_is_sound(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    processed = workspace / "processed"
    damaged = processed / "builds" / (processed / "CURRENT").read_text(encoding="utf-8").strip()
    lost = damaged / "zones" / "qpv_2015.parquet"
    lost.write_bytes(lost.read_bytes().replace(b"PAR1", b"XXXX"))  # the size is right, the content is not
    assert build(ONE, OTHER).failures == {}
    assert "zones/qpv_2015 of the build in use is damaged (sha256" in caplog.text
    current = store.current_store()
    assert current is not None
    assert "qpv_2015" not in current.names("zones")
    assert "qpv_2024" in current.names("zones")
    assert "anct_qpv2015" not in current.manifest["sources"]
    assert {OTHER, ONE, "insee_demo_qpv"} <= set(current.names("observations"))


def test_build_after_an_unreadable_manifest_starts_afresh(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    processed = workspace / "processed"
    damaged = processed / "builds" / (processed / "CURRENT").read_text(encoding="utf-8").strip()
    break_manifest(damaged, None)
    assert build(ONE, OTHER).failures == {}
    assert "The previous build is not whole and is not reused" in caplog.text
    current = store.current_store()
    assert current is not None
    assert current.names("zones") == []
    assert current.names("observations") == [OTHER, ONE]


def test_without_store_the_snapshot_is_read_and_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        frame = qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    assert frame.attrs["origin"]["insee_filosofi_qpv"].startswith("snapshot of")
    assert "read from the snapshot" in caplog.text


def test_what_a_partial_build_lacks_is_told_once(producers: Producers, caplog: pytest.LogCaptureFixture) -> None:
    """A short script reads hundreds of times: the same warning each time would hide the others."""
    qs.build(["insee_filosofi_qpv"])
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            qs.load_observations("poverty_rate", geo_level="commune", year=2019, territory="Béziers")
            qs.load_observations("population", geo_level="qpv", geo_vintage=2015, year=2018)
            qs.compare("poverty_rate", geo_vintage=2015, year=2019, by="commune", territory="Béziers")
    (said,) = [one.getMessage() for one in caplog.records if one.name == "qpv_sante.store"]
    assert "holds insee_filosofi_qpv" in said
    assert re.search(r"what it lacks is read from the snapshot of \d{4}", said)


def test_a_damaged_build_is_told_once(workspace: Path, caplog: pytest.LogCaptureFixture) -> None:
    (store.build_in_use(store.processed_dir()).path / "manifest.json").write_text("{", encoding="utf-8")
    (store.build_in_use(store.processed_dir()).path / "manifest.copy.json").write_text("{", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2015, year=2019)
    told = [one for one in caplog.records if "Falling back on the embedded snapshot" in one.getMessage()]
    assert len(told) == 1


def test_without_store_nor_snapshot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(store, "snapshot_dir", lambda: tmp_path / "none")
    with pytest.raises(StoreError, match=r"No data in .* Run `qpv-sante build`"):
        qs.load_observations("poverty_rate")


# --- asked for what is not there ---------------------------------------------------------------------------------


def test_empty_result_says_why(built: Path) -> None:
    with pytest.raises(
        UnavailableLevelError, match=r"No row of poverty_rate .* in Île-de-Bréhat .* 0 QPV of 2015, 0 QPV of 2024"
    ):
        qs.load_observations("poverty_rate", geo_level="qpv", territory="Île-de-Bréhat")
    with pytest.raises(UnavailableLevelError, match=r"No row of poverty_rate .* Published classes"):
        qs.load_observations("poverty_rate", sex="F")


def test_former_commune_says_the_present_one(built: Path) -> None:
    with pytest.raises(UnknownNameError, match="commune:50129"):
        qs.load_observations("poverty_rate", territory="Octeville")


def test_territory_object_is_accepted(built: Path) -> None:
    frame = qs.load_observations(
        "poverty_rate", geo_level="qpv", year=2019, territory=Territory("department", "59", "Nord")
    )
    assert frame["geo_code"].tolist() == ["QP059001", "QP059002"]
