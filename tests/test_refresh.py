"""A refresh on the miniature: what is asked, what is downloaded, what is put in use, and what is told."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import killing
import pandas as pd
import producers as miniature
import pytest
from refreshing import (
    AFTER,
    BEFORE,
    CHANGE,
    EDITION,
    ONE,
    OTHER,
    OTHER_EDITION,
    Folder,
    change_both,
    outcome,
    refresh,
)
from typer.testing import CliRunner
from werkzeug import Response

import qpv_sante as qs
from conftest import Producers
from qpv_sante import builds, history, sessions, transfer
from qpv_sante import refresh as public_refresh
from qpv_sante.catalogue import Source, core_catalogue
from qpv_sante.cli import app
from qpv_sante.errors import QpvSanteError
from qpv_sante.lockfile import Lock, LockEntry
from qpv_sante.refresh.outcome import CHANGED, FAILED, NOTHING
from qpv_sante.refresh.probing import Probe, State, Survey, survey

# Odissé, whose platform tells the date of a dataset
DATASET = "spf_barometer_2024"
METADATA = (
    "https://odisse.santepubliquefrance.fr/api/explore/v2.1/catalog/datasets/"
    "episodes-depressif-indicateurs-du-barometre-2024"
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BACKOFF", 0.005)
    monkeypatch.setattr(sessions, "time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def folder(workspace: Path) -> Folder:
    return Folder(workspace)


@pytest.fixture
def tagged(folder: Folder, producers: Producers) -> Folder:
    """A folder that knows the tags of its files."""
    producers.tagged = True
    assert refresh().exit_code() == NOTHING
    producers.asked.clear()
    return folder


def probe(key: str, lock: Lock) -> Probe:
    source = core_catalogue().source(key.partition("@")[0])
    return asked([source], lock).probes[key]


def asked(sources: list[Source], lock: Lock) -> Survey:
    with sessions.new_session() as session:
        return survey(sources, lock, session)


# --- what the producers say --------------------------------------------------------------------------------------


def test_states(tagged: Folder, producers: Producers) -> None:
    place, lock = producers.address(EDITION), tagged.lock
    assert probe(EDITION, lock).state is State.UNCHANGED
    producers.edit(EDITION, CHANGE)
    changed = probe(EDITION, lock)
    assert changed.state is State.CHANGED
    assert re.match(r'tag "\w+" -> "\w+"|length \d+ -> \d+ bytes', changed.detail)
    assert changed.url == f"https://{place}"
    producers.drop(EDITION)
    assert probe(EDITION, lock).state is State.MISSING
    producers.replace(EDITION, 503)
    assert probe(EDITION, lock).state is State.UNREACHABLE
    producers.reset()  # no tags any more: only the content tells
    assert probe(EDITION, lock).state is State.UNKNOWN
    assert probe(EDITION, Lock(None)).state is State.NEW
    assert producers.downloads() == []


def test_moved_link_is_found_downloaded_and_told(tagged: Folder, producers: Producers) -> None:
    producers.edit(EDITION, CHANGE)
    moved = "www.insee.fr/fr/statistiques/fichier/8243167/revenus_pauvrete_2021_qp24_v3_csv.zip"
    producers.answers[moved] = producers.answers[producers.address(EDITION)]
    producers.drop(EDITION)
    page = f'<!DOCTYPE html><html><title>Revenus</title><a href="https://{moved}">csv</a></html>'
    producers.answers[producers.page(EDITION)] = page.encode()
    old = tagged.raw()
    report = refresh()
    (told,) = outcome(report).probes
    assert (told.state, told.url) == (State.MOVED, f"https://{moved}")
    assert report.exit_code() == CHANGED
    assert report.exit_code("warning") == FAILED
    assert ("moved", f"{EDITION}: https://{producers.address(EDITION)} -> https://{moved}") in report.warnings
    assert tagged.pair() == (AFTER[0], BEFORE[1])
    assert tagged.lock.get(EDITION).url == f"https://{moved}"  # type: ignore[union-attr]
    assert tagged.raw().name == "revenus_pauvrete_2021_qp24_v3_csv.zip"
    assert not old.exists()
    tagged.check()
    assert refresh().exit_code() == NOTHING  # the catalogue's address is still gone, the file is known


def test_server_that_refuses_to_give_headers_alone(tagged: Folder, producers: Producers) -> None:
    content = producers.answers[producers.address(EDITION)]

    def answer() -> Response:
        assert producers.request is not None
        return Response("", 405) if producers.request.method == "HEAD" else Response(content, headers={"ETag": '"t"'})  # type: ignore[arg-type]

    producers.replace(EDITION, answer)
    assert refresh(ONE).exit_code() == NOTHING
    assert outcome(refresh(ONE)).probes[0].state is State.UNCHANGED


def test_date_of_the_landing_page(folder: Folder, producers: Producers) -> None:
    """Where the headers say nothing, the date of publication decides."""
    producers.page_says(EDITION, published="28/08/2024")
    assert outcome(refresh(ONE)).probes[0].state is State.UNKNOWN  # a date, and nothing to compare it with
    assert folder.lock.get(EDITION).published == "28/08/2024"  # type: ignore[union-attr]
    producers.asked.clear()
    assert outcome(refresh(ONE)).probes[0].state is State.UNCHANGED
    assert producers.downloads() == []
    producers.page_says(EDITION, published="30/09/2024")
    producers.edit(EDITION, ("QN03401M;62", "QN03401M;61"))
    report = refresh(ONE)
    assert report.exit_code() == CHANGED
    assert outcome(report).probes[0].state is State.CHANGED
    assert outcome(report).probes[0].published == "30/09/2024"
    assert folder.lock.get(EDITION).published == "30/09/2024"  # type: ignore[union-attr]


def dataset_lock(published: str | None) -> Lock:
    vintage = core_catalogue().source(DATASET).vintage[0]
    entry = LockEntry("a/1/a.csv", str(vintage.url), "00", 10, None, None, "2026-01-01", published)
    return Lock(None, {core_catalogue().source(DATASET).key(vintage): entry})


def test_date_of_a_dataset(producers: Producers) -> None:
    source = core_catalogue().source(DATASET)
    key = source.key(source.vintage[0])
    file = str(source.vintage[0].url).partition("?")[0].removeprefix("https://")
    producers.answers[file] = lambda: Response(iter([b"a;b\n"]))  # no length, no tag, no date
    producers.metadata(METADATA, title="Baromètre", data_processed="2025-11-04", modified="2025-01-01")
    assert probe(key, dataset_lock("2025-11-04")).state is State.UNCHANGED
    changed = probe(key, dataset_lock("2025-10-01"))
    assert (changed.state, changed.published) == (State.CHANGED, "2025-11-04")
    producers.metadata(METADATA, title="Baromètre", modified="2025-01-01")
    assert probe(key, dataset_lock("2025-01-01")).state is State.UNCHANGED
    producers.answers[METADATA.removeprefix("https://")] = b"[1, 2"
    found = asked([source], dataset_lock("2025-01-01"))
    assert found.probes[key].state is State.UNKNOWN
    assert "nor the metadata of a dataset" in found.silent_pages[METADATA]
    assert ("GET", file) not in producers.asked


def test_new_editions_are_told_and_not_taken(tagged: Folder, producers: Producers) -> None:
    sibling = "/fr/statistiques/fichier/8243167/revenus_pauvrete_2023_qp24_csv.zip"
    producers.page_says(
        EDITION,
        title="Revenus et pauvreté en 2021",
        links={
            sibling: "csv",
            "/fr/statistiques/9999999": "Revenus et pauvreté en 2022",
            "/fr/statistiques/1": "Emploi en 2022",
        },
    )
    report = refresh()
    assert report.survey.unknown_editions.keys() == {
        f"https://www.insee.fr{sibling}",
        "https://www.insee.fr/fr/statistiques/9999999",
    }
    assert (report.exit_code(), report.exit_code("warning")) == (NOTHING, FAILED)
    told = [text for kind, text in report.warnings if kind == "unknown_edition"]
    assert any("Revenus et pauvreté en 2022, https://www.insee.fr/fr/statistiques/9999999" in text for text in told)
    assert producers.downloads() == []


def test_pages_without_answer_are_told(tagged: Folder, producers: Producers) -> None:
    producers.answers[producers.page(EDITION)] = 404
    report = refresh()
    assert report.exit_code() == NOTHING
    assert [text for kind, text in report.warnings if kind == "silent_page"] == [
        "www.insee.fr: /fr/statistiques/8243167 (the address no longer answers (status 404 NOT FOUND))"
    ]


def test_one_host_is_asked_at_most_twice_at_once(monkeypatch: pytest.MonkeyPatch, producers: Producers) -> None:
    import threading

    now, most, guard, together = [0], [0], threading.Lock(), threading.Event()
    genuine = transfer.Transfer.open

    def counted(self: transfer.Transfer, url: str, method: str = "GET") -> object:
        with guard:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if most[0] >= sessions.PER_HOST:
                together.set()
        together.wait(60)  # nobody goes before as many as may be are there
        try:
            return genuine(self, url, method)
        finally:
            with guard:
                now[0] -= 1

    monkeypatch.setattr(transfer.Transfer, "open", counted)
    sources = [source for name, source in core_catalogue().sources.items() if name.startswith("insee_filo")]
    asked(sources, Lock(None))
    assert most[0] == sessions.PER_HOST


# --- what is downloaded, built and kept --------------------------------------------------------------------------


def test_nothing_new(tagged: Folder, producers: Producers) -> None:
    before, names = tagged.tree(), tagged.builds()
    report = refresh()
    assert (report.exit_code(), report.problem) == (NOTHING, "")
    assert {one.status for one in report.outcomes} == {"unchanged"}
    assert {p.state for one in report.outcomes for p in one.probes} == {State.UNCHANGED}
    assert producers.downloads() == []
    assert tagged.tree() == before
    assert tagged.builds() == names


def test_same_content_under_another_tag_is_recorded_and_builds_nothing(tagged: Folder, producers: Producers) -> None:
    names = tagged.builds()
    producers.headers[producers.address(EDITION)] = {"ETag": '"other"'}
    assert refresh().exit_code() == NOTHING
    assert producers.downloads() == [producers.address(EDITION)]
    assert tagged.builds() == names
    assert tagged.lock.get(EDITION).etag == '"other"'  # type: ignore[union-attr]
    producers.asked.clear()
    assert refresh().exit_code() == NOTHING
    assert producers.downloads() == []


def test_only_what_changed_is_downloaded(folder: Folder, producers: Producers) -> None:
    """All sources, one new file: one download, one source built, one table replaced."""
    producers.tagged = True
    assert public_refresh(miniature.SOURCES).exit_code() == NOTHING
    producers.asked.clear()
    before = folder.current
    tables = before.manifest["files"]
    producers.edit(EDITION, CHANGE)
    report = public_refresh(miniature.SOURCES)
    assert report.exit_code() == CHANGED
    assert producers.downloads() == [producers.address(EDITION)]
    assert [one.source for one in report.of("changed")] == [ONE]
    after = folder.current
    assert after.path != before.path
    assert {name for name, record in after.manifest["files"].items() if record != tables[name]} == {
        f"observations/{ONE}.parquet"
    }
    assert folder.pair() == (AFTER[0], BEFORE[1])
    assert before.observations(ONE).set_index("geo_code")["value"]["QN03401M"] == BEFORE[0]  # never written through
    folder.check()


def test_changes_end_to_end(folder: Folder, producers: Producers) -> None:
    """62 -> 63 and a new row, read by hand."""
    producers.edit(EDITION, CHANGE, ("QN05001M;", "QN05001M;44"))
    report = refresh()
    one = outcome(report)
    assert (one.status, one.rows, one.reasons) == ("changed", 4, [f"file {EDITION}"])
    assert one.changes.counts() == {"moved": 1, "visible": 1}
    moved = one.changes.examples["moved"].iloc[0]
    assert (moved["geo_code"], moved["before"], moved["after"]) == ("QN03401M", 62.0, 63.0)
    shown = one.changes.examples["visible"].iloc[0]
    assert (shown["geo_code"], shown["flag_before"], shown["after"]) == ("QN05001M", "suppressed", 44.0)
    frame = report.frame().set_index("source")
    assert frame.loc[ONE, ["status", "moved", "visible", "rows"]].tolist() == ["changed", 1, 1, 4]
    assert frame.loc[OTHER, "status"] == "unchanged"


def test_reformatted_file_changes_no_figure(folder: Folder, producers: Producers) -> None:
    producers.edit(EDITION, ("QN03401M;62", "QN03401M;62,0"))
    report = refresh()
    assert report.exit_code() == CHANGED
    assert outcome(report).changes.counts() == {}
    assert "Des fichiers ont changé, mais aucun chiffre" in report._repr_html_().replace("&#39;", "'")
    assert folder.pair() == BEFORE
    folder.check()


def test_geography_is_assembled_again(folder: Folder, producers: Producers) -> None:
    """A commune is renamed: the tables made of it follow."""
    producers.edit("insee_cog@2024", ("BEZIERS,Béziers,Béziers", "BEZIERS,Béziers,Béziers-sur-Orb"))
    report = refresh("insee_cog")
    assert report.exit_code() == CHANGED
    assert outcome(report, "insee_cog").changes.labels == 1
    assert outcome(report, "territories").status == "changed"
    assert outcome(report, "territories").changes.labels >= 1
    places = folder.current.codes("territories").set_index(["level", "code"])["name"]
    assert places["commune", "34032"] == "Béziers-sur-Orb"
    folder.check()


def test_lock_newer_than_the_store(tagged: Folder, producers: Producers) -> None:
    """What a run that was killed between the two leaves."""
    before = tagged.current.path.name
    change_both(producers)
    assert refresh().exit_code() == CHANGED
    tagged.pointer.write_text(f"{before}\n")
    assert tagged.pair() == BEFORE
    assert not qs.verify(tagged.root).sound
    producers.asked.clear()
    report = public_refresh()
    assert outcome(report).reasons == ["files newer than the store: 2021"]
    assert not {producers.address(EDITION), producers.address(OTHER_EDITION)} & set(producers.downloads())
    assert tagged.pair() == AFTER
    tagged.check()


def test_refresh_does_not_undo_a_rollback(tagged: Folder, producers: Producers) -> None:
    """A rollback is upheld and told, by every refresh and by `verify`, until it is undone or the producer moves."""
    change_both(producers)
    assert refresh().exit_code() == CHANGED
    left = tagged.current.path.name
    builds.rollback(tagged.root)
    day = history.rolled_back(tagged.root / "processed").day  # type: ignore[union-attr]
    checked = qs.verify(tagged.root, lang="en")
    assert checked.sound, checked
    assert f"Rolled back on {day} (from {left}): the figures of {OTHER}, {ONE} come from the earlier" in checked.state
    rows = checked.frame().set_index("name")
    for key in (EDITION, OTHER_EDITION):
        assert rows.loc[key, ["status", "advice"]].tolist() == ["rolled_back", ""]
        assert rows.loc[key, "expected"] == tagged.lock.get(key).sha256  # type: ignore[union-attr]

    producers.asked.clear()
    report = public_refresh()
    assert {one.status for one in report.outcomes if one.source in (ONE, OTHER)} == {"unchanged"}
    assert report.repairs == [("rolled_back", f"{day}, {left}: {OTHER}, {ONE}")]
    assert report.repairs[0] in report.warnings
    assert tagged.pair() == BEFORE
    assert not {producers.address(EDITION), producers.address(OTHER_EDITION)} & set(producers.downloads())

    # one of the producers publishes a third file: that source goes on, the other one stays
    producers.edit(EDITION, ("QN03401M;62", "QN03401M;64"))
    report = public_refresh()
    assert outcome(report).status == "changed"
    assert outcome(report).changes.examples["moved"][["before", "after"]].to_numpy().tolist() == [[BEFORE[0], 64.0]]
    assert report.repairs == [("rolled_back", f"{day}, {left}: {OTHER}")]
    assert tagged.pair() == (64.0, BEFORE[1])
    checked = qs.verify(tagged.root)
    assert checked.sound, checked
    assert OTHER in checked.state
    assert ONE + " " not in checked.state

    # asked for by name, the other one is taken again: nothing is rolled back any more
    report = refresh(OTHER)
    assert outcome(report, OTHER).reasons == ["files newer than the store: 2020"]
    assert report.repairs == []
    assert tagged.pair() == (64.0, AFTER[1])
    assert qs.verify(tagged.root).state == ""
    tagged.check()
    assert refresh().exit_code() == NOTHING


def test_rollback_undone(tagged: Folder, producers: Producers) -> None:
    change_both(producers)
    assert refresh().exit_code() == CHANGED
    builds.rollback(tagged.root)
    assert tagged.pair() == BEFORE
    builds.rollback(tagged.root, undo=True)
    assert tagged.pair() == AFTER
    assert qs.verify(tagged.root).state == ""
    tagged.check()
    assert public_refresh([ONE, OTHER]).exit_code() == NOTHING


def test_table_that_is_damaged_after_a_rollback_is_built_again(tagged: Folder, producers: Producers) -> None:
    """From the file that there is: figures that cannot be read are worth less than those that were put aside."""
    producers.edit(EDITION, CHANGE)
    assert refresh().exit_code() == CHANGED
    builds.rollback(tagged.root)
    path = tagged.current.path / "observations" / f"{ONE}.parquet"
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(bytes(size))
    report = public_refresh()
    assert "damaged in the store" in outcome(report).reasons
    assert tagged.pair()[0] == AFTER[0]
    assert report.repairs == []


def test_another_version_of_the_package_builds_again_without_a_download(
    tagged: Folder, producers: Producers, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `qpv_sante.refresh` is the function
    monkeypatch.setattr(sys.modules["qpv_sante.refresh"], "__version__", "99.0")
    monkeypatch.setattr("qpv_sante._version.__version__", "99.0")
    report = refresh()
    assert report.exit_code() == CHANGED
    assert all(re.match("built by version", one.reasons[0]) for one in report.outcomes)
    assert outcome(report).changes.counts() == {}
    assert producers.downloads() == []
    assert tagged.current.manifest["package"] == "99.0"
    assert tagged.pair() == BEFORE
    assert refresh().exit_code() == NOTHING


@pytest.mark.parametrize("keep", [1, 3])
def test_keep(folder: Folder, producers: Producers, keep: int) -> None:
    for value in (63, 64, 65, 66):
        producers.edit(EDITION, ("QN03401M;62", f"QN03401M;{value}"))
        assert refresh(ONE, keep=keep).exit_code() == CHANGED
    assert len(folder.builds()) == keep + 1
    assert folder.pair()[0] == 66


def test_dry_run_changes_nothing_on_disk(folder: Folder, producers: Producers) -> None:
    before = folder.tree()
    change_both(producers)
    report = refresh(dry_run=True)
    assert report.exit_code() == CHANGED
    assert outcome(report).changes.moved == 1
    assert folder.tree() == before
    assert folder.strays() == []
    assert folder.pair() == BEFORE
    assert refresh().exit_code() == CHANGED
    assert folder.pair() == AFTER


def test_first_refresh_builds_everything(producers: Producers, tmp_path: Path) -> None:
    """From an empty folder; the embedded snapshot is what the figures are compared with."""
    report = refresh(accept=[ONE, OTHER])
    assert report.exit_code() == CHANGED
    assert {one.reasons[0] for one in report.outcomes} == {"not built yet"}
    assert {p.state for one in report.outcomes for p in one.probes} == {State.NEW}
    folder = Folder(tmp_path / "data")
    folder.check()
    assert folder.pair() == BEFORE


# --- drift -------------------------------------------------------------------------------------------------------


def test_drift_is_put_aside_then_accepted(folder: Folder, producers: Producers) -> None:
    """Rates in another unit: the file is sound, its figures are not like those in use."""
    before = folder.of(ONE, EDITION)
    producers.edit(
        EDITION, ("QN03401M;62", "QN03401M;6,2"), ("QN05901I;46", "QN05901I;4,6"), ("QN07501M;39", "QN07501M;3,9")
    )
    producers.edit(OTHER_EDITION, ("QN03401M;20100", "QN03401M;20200"))
    report = refresh()
    assert report.exit_code() == FAILED
    one = outcome(report)
    assert [str(drift) for drift in one.drift] == [
        f"poverty_rate, qpv 2024, 2021 ({EDITION}): 3 of 3 values changed by more than 1.5 times (at most 10% of them)"
    ]
    assert str(one.drift[0]) in one.problem
    assert f"qpv-sante refresh --source {ONE} --accept {ONE}" in one.problem
    assert one.kept
    assert folder.of(ONE, EDITION) == before
    assert folder.pair() == (BEFORE[0], AFTER[1])  # the other source is in use
    folder.check()
    assert refresh().exit_code() == FAILED  # until a person says so
    report = refresh(accept=[ONE])
    assert report.exit_code() == CHANGED
    assert report.warnings[0] == ("accepted_drift", f"{ONE}: {one.drift[0]}")
    assert folder.pair()[0] == 6.2
    folder.check()


def test_accepting_a_source_accepts_no_other(folder: Folder, producers: Producers) -> None:
    producers.edit(EDITION, ("QN03401M;62\r\n", ""))  # one row of four is gone
    report = refresh(accept=[OTHER])
    assert report.exit_code() == FAILED
    assert re.search(r"1 of \d rows are gone", outcome(report).problem)
    assert folder.pair() == BEFORE


# --- wrong use, command line -------------------------------------------------------------------------------------


def test_wrong_use(folder: Folder, producers: Producers) -> None:
    before = folder.tree()
    for asked, message in (
        ({"sources": ["insee_filosofi_qvp"]}, "Did you mean 'insee_filosofi_qpv'"),
        ({"accept": ["insee_demo_qvp2024"]}, "Unknown source 'insee_demo_qvp2024' in accept.*Did you mean"),
        ({"sources": [ONE], "keep": 0}, "keep is between 1 and"),
    ):
        with pytest.raises(QpvSanteError, match=message):
            public_refresh(**asked)  # type: ignore[arg-type]
    assert producers.asked == []
    assert folder.tree() == before


ASKED = ["refresh", "--source", ONE, "--source", OTHER]


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_command_line(folder: Folder, producers: Producers, tmp_path: Path) -> None:
    code, said = run(*ASKED)
    assert code == NOTHING
    assert "Aucun fichier n" in said
    change_both(producers)
    code, said = run(*ASKED, "--dry-run")
    assert code == CHANGED
    assert "Essai" in said
    assert folder.pair() == BEFORE
    paths = [tmp_path / f"r{suffix}" for suffix in (".md", ".json", ".html")]
    code, said = run(*ASKED, *(word for path in paths for word in ("--report", str(path))), "--lang", "en")
    assert code == CHANGED
    assert "Sources updated: 2;" in said
    assert folder.pair() == AFTER
    markdown, document = paths[0].read_text(encoding="utf-8"), json.loads(paths[1].read_text(encoding="utf-8"))
    assert "| Centre Ville (QN03401M) |" in markdown
    assert "qpv-sante rollback" in markdown
    assert document["exit_code"] == CHANGED
    assert [one["changes"] for one in document["sources"]] == [{"moved": 1}, {"moved": 1}]
    assert "<h1>" in paths[2].read_text(encoding="utf-8")


def test_command_line_after_a_failure(folder: Folder, producers: Producers) -> None:
    change_both(producers)
    producers.drop(EDITION)
    code, said = run(*ASKED)
    assert code == FAILED
    assert ONE in said
    assert "status 404" in said
    assert "Les derniers chiffres valides restent en usage" in said
    assert folder.pair() == (BEFORE[0], AFTER[1])
    assert run(*ASKED, "--fail-on", "never")[0] == NOTHING


def test_severity_on_the_command_line(folder: Folder, producers: Producers) -> None:
    producers.answers[producers.page(EDITION)] = 404
    assert run(*ASKED)[0] == NOTHING
    assert run(*ASKED, "--fail-on", "warning")[0] == FAILED


def test_rollback_on_the_command_line(folder: Folder, producers: Producers) -> None:
    for value in (63, 64):
        producers.edit(EDITION, ("QN03401M;62", f"QN03401M;{value}"))
        refresh(ONE)
    assert folder.pair()[0] == 64
    code, said = run("rollback")
    assert code == 0
    assert folder.current.path.name in said
    assert folder.pair()[0] == 63
    assert "rollback --undo" in said
    assert run("rollback")[0] == 0
    assert folder.pair()[0] == BEFORE[0]
    code, said = run("verify", "--lang", "en")
    assert code == 0
    assert "Rolled back on" in said
    code, said = run("refresh")
    assert "Retour en arrière maintenu" in said
    assert folder.pair()[0] == BEFORE[0]
    assert run("rollback", "--undo")[0] == 0
    assert folder.pair()[0] == 64
    assert run("rollback", "--undo")[0] != 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["refresh", "--nothing"], "nothing"),
        (["rollback"], "Nothing was built"),
    ],
)
def test_wrong_use_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    producers: Producers,
    arguments: list[str],
    message: str,
) -> None:
    from qpv_sante import cli

    monkeypatch.setattr("sys.argv", ["qpv-sante", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert message in capsys.readouterr().err
    assert producers.asked == []


def test_command_in_a_process_of_its_own(folder: Folder, producers: Producers) -> None:
    change_both(producers)
    done = killing.command(folder.root, *ASKED)
    assert done.returncode == CHANGED, done.stderr
    assert "Traceback" not in done.stderr
    assert folder.pair() == AFTER


def test_loading_after_a_refresh_says_so(folder: Folder, producers: Producers) -> None:
    """A session that goes on after a refresh reads the new figures, with their origin."""
    assert folder.pair() == BEFORE
    change_both(producers)
    refresh()
    frame = folder.figures()
    pd.testing.assert_frame_equal(frame, qs.load_observations("poverty_rate", geo_level="qpv", geo_vintage=2024))
    assert frame.set_index("geo_code")["value"]["QN03401M"] == AFTER[0]
