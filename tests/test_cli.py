"""The command line as an analyst uses it: a process, its output, its messages and its exit code."""

from __future__ import annotations

import errno
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pandas as pd
import pytest
from PIL import Image
from refreshing import AFTER, BEFORE, CHANGE, EDITION, ONE, OTHER, Folder, change_both

import qpv_sante as qs
from conftest import Producers
from qpv_sante import cli
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import StoreError
from qpv_sante.refresh import RefreshReport

COMMAND = Path(sys.executable).with_name("qpv-sante")
ASKED = ("poverty_rate", "--geo-vintage", "2015", "--year", "2019")
COMMANDS = (
    *("list", "describe", "build", "refresh", "rollback", "verify", "provenance", "compare", "map", "report"),
    *("snapshot", "demo"),
)


@dataclass(frozen=True)
class Result:
    """What a command gave."""

    returncode: int
    stdout: str
    stderr: str


def in_process(*arguments: object) -> Result:
    """The installed command, in a process of its own."""
    command = [str(COMMAND), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800)
    return Result(done.returncode, done.stdout, done.stderr)


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """The command's entry point, in this process: the imports of geography take a second each time."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the server's own lines, in the same process

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["qpv-sante", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return Result(code, *capsys.readouterr())

    yield call
    root.handlers[:], root.level = handlers, level


def done(result: Result) -> str:
    """Output of a command that succeeds, and says nothing of errors."""
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refused(result: Result) -> str:
    """Message of a command that refuses: one message, no traceback, exit code 2."""
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stdout == ""
    assert result.stderr.startswith("Erreur : ")
    assert "Traceback" not in result.stderr
    return result.stderr


# --- help --------------------------------------------------------------------------------------------------------


def test_help_lists_every_command_with_a_sentence(run: Run) -> None:
    shown = done(run("--help"))
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b +\w+", shown), command


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_is_readable(run: Run, command: str) -> None:
    shown = done(run(command, "--help"))
    assert re.search(rf"Usage: qpv-sante {command}", shown)
    lines = [line.strip() for line in shown.splitlines()]
    usage = next(i for i, line in enumerate(lines) if line.startswith("Usage"))
    assert re.match(r"[A-ZÉ]\w+.{25,}", next(line for line in lines[usage + 1 :] if line))
    # each option of ours has words beside it
    for option in re.findall(r"--[a-z][a-z-]+", shown):
        line = next(line for line in shown.splitlines() if option in line and "Usage" not in line)
        assert re.search(rf"{option}.*[a-zéèà]{{3,}}", line), line


def test_without_command_the_help_is_shown(run: Run) -> None:
    result = run()
    assert "Usage" in result.stdout + result.stderr


def test_command_is_installed() -> None:
    """The rest runs in this process; here, the command itself: exit code, streams, no traceback."""
    result = in_process("describe", "c2s_share")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Complementary" in result.stdout or "complémentaire santé solidaire" in result.stdout
    assert "Did you mean 'c2s_share'" in refused(in_process("describe", "c2s_shar"))


# --- what is there -----------------------------------------------------------------------------------------------


def test_list(run: Run) -> None:
    shown = done(run("list"))
    for indicator in ("poverty_rate", "c2s_share", "single_parent_household_share"):
        assert indicator in shown
    assert "2015, 2024" in shown


def test_list_of_a_theme_and_of_a_level(run: Run) -> None:
    shown = done(run("list", "--theme", "health_cover"))
    assert "c2s_share" in shown
    assert "poverty_rate" not in shown
    shown = done(run("list", "--geo-level", "epci", "--lang", "en"))
    assert "Median standard of living" in shown
    assert "c2s_share" not in shown


def test_list_of_sources(run: Run) -> None:
    shown = done(run("list", "--sources"))
    for source in catalogue().sources:
        assert source in shown
    assert re.search(r"snapshot of \d{4}", shown)


def test_describe(run: Run) -> None:
    shown = done(run("describe", "single_parent_recipient_share"))
    assert "Foyers allocataires monoparentaux (AM)" in shown
    assert "C'est une part d'allocataires, pas de familles" in shown
    assert "Licence Ouverte 2.0" in shown
    assert "benefit recipients" in done(run("describe", "single_parent_recipient_share", "--lang", "en"))


# --- the main jobs -----------------------------------------------------------------------------------------------


def test_compare_prints_a_table_and_its_sources(run: Run) -> None:
    shown = done(run("compare", *ASKED, "--by", "commune", "--territory", "Béziers"))
    assert "Béziers" in shown
    assert "3" in shown
    assert "Insee, DGFiP" in shown
    assert "Licence Ouverte 2.0" in shown


def test_compare_to_files(run: Run, tmp_path: Path) -> None:
    """CSV for French spreadsheets and Parquet hold the same figures, with source and licence beside each."""
    arguments = ("compare", *ASKED, "--by", "department", "--territory", "Occitanie", "--output")
    done(run(*arguments, tmp_path / "new" / "gaps.csv"))
    done(run(*arguments, tmp_path / "gaps.parquet"))
    assert (tmp_path / "new" / "gaps.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    text = pd.read_csv(tmp_path / "new" / "gaps.csv", sep=";", decimal=",", encoding="utf-8-sig")
    table = pd.read_parquet(tmp_path / "gaps.parquet")
    assert list(text.columns) == list(table.columns)
    assert len(text) == len(table) > 10
    assert table["source"].eq("insee_filosofi_qpv@2019").all()
    assert table["licence"].eq("Licence Ouverte 2.0").all()
    assert (table["n_used"] <= table["n_total"]).all()
    assert text["qpv_value"].tolist() == pytest.approx(table["qpv_value"].tolist())
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["gaps.csv", "gaps.parquet"]


def test_compare_to_json_and_one_row(run: Run, tmp_path: Path) -> None:
    done(run("compare", *ASKED, "--by", "none", "--output", tmp_path / "whole.json"))
    (row,) = pd.read_json(tmp_path / "whole.json").to_dict("records")
    assert 42 < row["qpv_value"] < 45


def test_map(run: Run, tmp_path: Path) -> None:
    shown = done(run("map", *ASKED, "--territory", "Béziers", "--output", tmp_path / "map.png"))
    assert "map.png" in shown
    with Image.open(tmp_path / "map.png") as image:
        assert min(image.size) > 300
        assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 5  # not a blank sheet


def test_report(run: Run, tmp_path: Path) -> None:
    done(run("report", "--territory", "Béziers", "--output", tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "Béziers" in page
    assert "data:image/png;base64," in page
    assert "Licence Ouverte 2.0" in page
    assert not re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css)', page)  # opens offline


def test_demo_writes_what_it_says(run: Run, tmp_path: Path) -> None:
    """The main job, offline: a line for each file, with what it shows."""
    shown = done(run("demo", "--output", tmp_path / "out"))
    lines = [line for line in shown.splitlines() if line.startswith(str(tmp_path))]
    said = {Path(line.partition(" : ")[0]).name: line.partition(" : ")[2] for line in lines}
    written = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert set(said) == set(written)
    assert all(len(words) > 15 for words in said.values())
    suffixes = sorted(path.suffix for path in written.values())
    assert suffixes == [".csv", ".html", ".parquet", ".png", ".png", ".png", ".svg"]
    assert all(path.stat().st_size > 1000 for path in written.values())


def test_verbose_says_where_the_data_come_from(run: Run) -> None:
    result = run("--verbose", "compare", *ASKED, "--by", "none")
    assert result.returncode == 0
    assert "poverty_rate: read from the snapshot of" in result.stderr


def test_built_data_are_read(run: Run, built: Path) -> None:
    shown = done(run("compare", *ASKED, "--by", "commune", "--territory", "Béziers"))
    assert "59.5" in shown  # (60.8 x 19,472 + 56.4 x 3,124 + 55.7 x 3,947) / 26,543
    assert "processed of" in done(run("list", "--sources"))


# --- errors ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("describe", "poverty_rates"), "Did you mean 'poverty_rate'"),
        (("compare", "povertyrate", *ASKED[1:]), "Did you mean 'poverty_rate'"),
        (("compare", *ASKED[:3], "--year", "2020"), r"qpv 2015 \(2016, 2017, 2018, 2019, 2021\)"),
        (("compare", *ASKED[:2], "2020", *ASKED[3:]), r"Zonings: 2015, 2024"),
        (("compare", *ASKED, "--territory", "Beziere"), "Did you mean .*'Béziers'"),
        (("compare", *ASKED, "--territory", "Saint-Denis"), "commune:11339 .*, commune:30247 "),
        (("compare", *ASKED, "--reference", "comune"), "Did you mean 'commune'"),
        (("compare", *ASKED, "--by", "regions"), "Did you mean 'region'"),
        (("list", "--theme", "incomes"), "Did you mean 'income'"),
        (("list", "--geo-level", "communes"), "Did you mean 'commune'"),
        (("build", "--source", "insee_demo_qvp"), "Did you mean 'insee_demo_qpv'"),
        (("list", "--sources", "--theme", "income"), "--theme et --geo-level"),
    ],
)
def test_mistake_is_told_in_one_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    assert re.search(message, refused(run(*arguments)), flags=re.DOTALL)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("compare", *ASKED, "--output", "gaps.xlsx"), r"unknown suffix '\.xlsx'.*\.csv, \.parquet, \.json"),
        (
            ("map", *ASKED, "--output", "map.jpg"),
            r"unknown suffix '\.jpg'.*\.png, \.svg, \.pdf",
        ),
        (("report", "--territory", "Béziers", "--output", "report.docx"), r"\.docx"),
    ],
)
def test_wrong_suffix_writes_nothing(run: Run, arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    *others, name = arguments
    assert re.search(message, refused(run(*others, tmp_path / name)), flags=re.DOTALL)
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file where a folder should be: even the administrator cannot write under it."""
    (tmp_path / "file").write_text("here")
    assert "cannot be written" in refused(run("compare", *ASKED, "--output", tmp_path / "file" / "gaps.csv"))
    assert (tmp_path / "file").read_text() == "here"

    def deny(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "replace", deny)
    said = refused(run("compare", *ASKED, "--output", tmp_path / "gaps.csv"))
    assert said.startswith("Erreur : le fichier demandé ne peut pas être écrit.")  # not the data folder
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert "cannot be written" in refused(run("demo", "--output", tmp_path / "file"))


@pytest.fixture
def full_disk() -> Iterator[TextIO]:
    """An output that takes nothing."""
    with suppress(OSError), Path("/dev/full").open("w", encoding="utf-8") as stream:
        yield stream


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", ["list", "describe poverty_rate"])
def test_output_on_a_full_disk_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, full_disk: TextIO, command: str
) -> None:
    monkeypatch.setattr(sys, "stdout", full_disk)
    assert "No space left" in refused(run(*command.split()))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_summary_that_cannot_be_told_leaves_the_report_and_gives_exit_code_1(
    run: Run,
    workspace: Path,
    producers: Producers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full_disk: TextIO,
) -> None:
    producers.edit(EDITION, CHANGE)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full_disk)
        result = run(*BOTH, "--report", tmp_path / "r.json")
    assert result.returncode == 1
    assert result.stderr.startswith("Erreur : lecture ou écriture impossible.")
    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["exit_code"] == 10
    assert Folder(workspace).pair() == (AFTER[0], BEFORE[1])


def test_wrong_type_is_told_by_the_parser(run: Run) -> None:
    result = run("compare", "poverty_rate", "--geo-vintage", "QPV", "--year", "2019")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "--geo-vintage" in result.stderr


# --- build -------------------------------------------------------------------------------------------------------


def test_build_then_read(run: Run, producers: Producers, tmp_path: Path) -> None:
    result = run("build", "--source", "insee_filosofi_qpv2024", "--source", "insee_demo_qpv2024")
    assert result.returncode == 0
    assert re.search(r"insee_filosofi_qpv2024\W+built\W+4\b", result.stdout)
    assert str(tmp_path / "data" / "processed") in result.stdout.replace("\n", "")
    assert (tmp_path / "data" / "sources.lock.toml").is_file()
    # a second time without network, the producers being gone
    producers.answers.clear()
    assert run("build", "--source", "insee_filosofi_qpv2024", "--offline").returncode == 0


def test_build_with_a_failing_source_gives_exit_code_1(run: Run, producers: Producers) -> None:
    producers.drop("insee_filosofi_qpv2024@2021")
    result = run("build", "--source", "insee_filosofi_qpv2024", "--source", "insee_demo_qpv2024")
    assert result.returncode == 1
    assert re.search(r"insee_demo_qpv2024\W+built\W+20\b", result.stdout)
    assert re.search(r"insee_filosofi_qpv2024\W+failed", result.stdout)
    assert "Une source en échec :" in result.stderr
    assert "- insee_filosofi_qpv2024 : insee_filosofi_qpv2024@2021" in result.stderr
    assert "try:" in result.stderr
    assert "Traceback" not in result.stderr
    # and when nothing could be built, nothing is changed
    result = run("build", "--source", "insee_filosofi_qpv2024")
    assert result.returncode == 2
    assert "No source could be built" in result.stderr


def test_build_keeps_the_last_good_figures(run: Run, workspace: Path, producers: Producers) -> None:
    for path in (workspace / "raw" / "insee_filosofi_qpv2024" / "2021").iterdir():
        path.unlink()
    producers.edit("insee_filosofi_qpv2024@2021", ("QN03401M;62", "QN03401M;63"))
    arguments = ("build", "--source", "insee_filosofi_qpv2024", "--source", "insee_demo_qpv2024")
    result = run(*arguments)
    assert result.returncode == 1
    assert "les derniers chiffres valides sont conservés" in result.stderr
    assert "--accept-changes" in result.stderr
    assert run(*arguments, "--accept-changes").returncode == 0


# --- refresh -----------------------------------------------------------------------------------------------------

BOTH = ("refresh", "--source", ONE, "--source", OTHER)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--lang", "de"), "--lang de : la langue est fr ou en"),
        (("--fail-on", "warnings"), "--fail-on warnings : la gravité est warning, failure ou never"),
        (("--keep", "0"), "--keep 0 : un état précédent au moins est gardé"),
        (("--source", "insee_demo_qvp"), "source inconnue. Vouliez-vous dire insee_demo_qpv"),
        (("--accept", "zzz"), "--accept zzz : source inconnue. `qpv-sante list --sources` les donne"),
        (("--report", "{folder}/r.md", "--report", "{folder}/r.pdf"), "le suffixe du rapport est .md, .html ou .json"),
        (("--report", "{folder}/r.md", "--report", "{folder}/file/r.md"), "ce fichier ne pourrait pas être écrit"),
        (("--report", "{folder}/taken.md"), "ce fichier ne pourrait pas être écrit"),
        (("--report", "/proc/none/r.md"), "ce fichier ne pourrait pas être écrit"),
    ],
)
def test_wrong_options_of_refresh_do_nothing(
    run: Run, workspace: Path, producers: Producers, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "file").write_text("here")
    (tmp_path / "taken.md").mkdir()
    folder = Folder(workspace)
    before, around = folder.tree(), sorted(tmp_path.iterdir())
    change_both(producers)
    said = refused(run(*BOTH, *(option.format(folder=tmp_path) for option in options)))
    assert message in said
    assert producers.asked == []
    assert (folder.tree(), sorted(tmp_path.iterdir())) == (before, around)


@pytest.mark.parametrize("command", ["verify", "list", "describe poverty_rate"])
def test_language_is_checked_by_every_command(run: Run, command: str) -> None:
    assert "--lang de" in refused(run(*command.split(), "--lang", "de"))


def test_refresh_writes_several_reports_in_new_folders(
    run: Run, workspace: Path, producers: Producers, tmp_path: Path
) -> None:
    producers.edit(EDITION, CHANGE)
    paths = [tmp_path / "new" / name for name in ("r.md", "r.html", "r.json")]
    result = run(*BOTH, *(word for path in paths for word in ("--report", path)), "--lang", "en")
    assert result.returncode == 10
    assert result.stderr == ""
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["r.html", "r.json", "r.md"]
    assert "Sources updated: 1;" in paths[0].read_text(encoding="utf-8")
    assert json.loads(paths[2].read_text(encoding="utf-8"))["exit_code"] == 10


def test_report_that_cannot_be_written_in_the_end_does_not_stop_the_others(
    run: Run, workspace: Path, producers: Producers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producers.edit(EDITION, CHANGE)
    save = RefreshReport.save

    def full(self: RefreshReport, path: Path, *, lang: str = "fr") -> Path:
        if path.suffix == ".md":
            raise StoreError("no space") from OSError(errno.ENOSPC, "no space")
        return save(self, path, lang=lang)

    monkeypatch.setattr(RefreshReport, "save", full)
    result = run(*BOTH, "--report", tmp_path / "r.md", "--report", tmp_path / "r.json")
    assert result.returncode == 1
    assert result.stderr.startswith("Erreur : Le disque est plein.")
    assert (tmp_path / "r.json").is_file()
    assert Folder(workspace).pair() == (AFTER[0], BEFORE[1])


def test_progress_bars_only_on_a_terminal(
    run: Run, workspace: Path, producers: Producers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cron sends by mail has none."""
    for command in (BOTH, ("build", "--source", ONE, "--offline"), ("verify",)):
        assert run(*command).stderr == ""
    capture = type(sys.stderr)
    monkeypatch.setattr(capture, "isatty", lambda self: True)
    for command in (BOTH, ("build", "--source", ONE, "--offline"), ("verify",)):
        assert f"\r{command[0]}: " in run(*command).stderr


# --- where a figure comes from -----------------------------------------------------------------------------------


def test_provenance_says_file_line_and_column(run: Run, built: Path) -> None:
    shown = done(run("provenance", "poverty_rate", "QP034003", "2019")).replace("\u202f", " ")
    found = qs.provenance("poverty_rate", "QP034003", 2019).frame().iloc[0]
    assert found["agrees"]
    assert f"ligne {found['row']}" in shown
    assert f"{found['column']} = « {found['cell']} »" in shown
    assert found["sha256"] in shown
    assert found["file"] in shown
    assert "Licence Ouverte 2.0" in shown
    assert f"row {found['row']}" in done(run("provenance", "poverty_rate", "QP034003", "2019", "--lang", "en"))


def test_provenance_of_nothing(run: Run) -> None:
    assert "nom, code ou valeur inconnus" in refused(run("provenance", "poverty_rate", "QP99", "2019"))


def test_errors_begin_in_french(run: Run, workspace: Path) -> None:
    said = refused(run("describe", "poverty_rates"))
    assert said.startswith("Erreur : nom, code ou valeur inconnus.\nUnknown indicator")
    assert refused(run("rollback")).startswith("Erreur : impossible avec ce dossier ou les données qui y sont.\n")


def test_snapshot_without_build_is_refused(run: Run) -> None:
    assert "Run `qpv-sante build` first" in refused(run("snapshot"))
