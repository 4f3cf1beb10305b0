"""The report of a refresh as a person reads it: what failed and what to do, points, and texts that stay texts."""

from __future__ import annotations

import errno
import json
import re
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mistune
import pandas as pd
import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from urllib3 import exceptions

from qpv_sante import loading, store
from qpv_sante.errors import DownloadError, Fault, SchemaError, StoreError, UnknownMarkerError
from qpv_sante.refresh import markdown
from qpv_sante.refresh.changes import Changes
from qpv_sante.refresh.faults import WORDS, fault_of
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.probing import Probe, State, Survey
from qpv_sante.refresh.telling import summary
from qpv_sante.transfer import Gone

START = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)
KNOWN = "insee_filosofi_qpv2024"  # of the catalogue, and of the snapshot
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


@pytest.fixture
def nameless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without the names of territories, which take longer to read than the rest."""

    def absent() -> None:
        raise StoreError("no gazetteer")

    monkeypatch.setattr(loading, "gazetteer", absent)


def report(*outcomes: Outcome, **more: Any) -> RefreshReport:
    return RefreshReport(START, outcomes=list(outcomes), finished=START, **more)


def failed(*faults: Fault, problem: str = "status 404", source: str = KNOWN, **more: Any) -> Outcome:
    return Outcome(source, "Titre", "Producteur", "failed", problem=problem, faults=list(faults), **more)


def moves(*rows: tuple[str, float, float]) -> Changes:
    """Values of QPV that moved, by indicator."""
    changes = Changes()
    same = {"source": f"{KNOWN}@2021", "geo_level": "qpv", "geo_code": "QN03401M", "geo_vintage": "2024"}
    frame = pd.DataFrame(rows, columns=["indicator", "before", "after"]).assign(
        **same, sex="_T", age="_T", category="_T", year="2021", flag_before="observed", flag_after="observed"
    )
    changes.note("moved", len(frame), frame)
    return changes


def text_of(made: RefreshReport, tmp_path: Path, lang: str = "fr") -> str:
    """The Markdown report with plain spaces."""
    said = made.save(tmp_path / "r.md", lang=lang).read_text(encoding="utf-8")
    return said.replace("\u202f", " ").replace("\u00a0", " ").replace("’", "'")


# --- kinds of faults ---------------------------------------------------------------------------------------------


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


def tried(reason: BaseException) -> requests.ConnectionError:
    """What the session raises after its last try."""
    return requests.ConnectionError(exceptions.MaxRetryError(None, "/", reason))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (Gone("x"), Fault.GONE),
        (SchemaError("x"), Fault.FORM),
        (UnknownMarkerError("x"), Fault.MARKER),
        (caused(DownloadError("x"), requests.exceptions.SSLError(ssl.SSLError("x"))), Fault.CERTIFICATE),
        (caused(DownloadError("x"), tried(ssl.SSLError("x"))), Fault.CONNECTION),
        (caused(DownloadError("x"), tried(exceptions.ReadTimeoutError(None, "/", "x"))), Fault.SLOW),  # type: ignore[arg-type]
        (caused(DownloadError("x"), requests.ReadTimeout("x")), Fault.SLOW),
        (caused(DownloadError("x"), requests.exceptions.ChunkedEncodingError("x")), Fault.CUT),
        (caused(StoreError("x"), OSError(errno.ENOSPC, "x")), Fault.DISK),
        (caused(StoreError("x"), OSError(errno.EROFS, "x")), Fault.RIGHTS),
        (StoreError("x"), Fault.STORE),
        (DownloadError("x"), Fault.OBTAIN),
        (ZeroDivisionError("x"), Fault.UNEXPECTED),
        # what the message says decides of nothing
        (ValueError("status 404: No space left on device"), Fault.UNEXPECTED),
    ],
)
def test_kind_of_an_error(error: BaseException, fault: Fault) -> None:
    assert fault_of(error) is fault


def test_every_kind_has_words_in_both_languages() -> None:
    assert set(WORDS) == set(Fault)
    for fault, told in WORDS.items():
        assert set(told) == {"fr", "en"}
        for happened, advice in told.values():
            assert happened.endswith("."), fault
            assert advice.endswith("."), fault
    french = " ".join(" ".join(told["fr"]) for told in WORDS.values())
    assert not re.search(r"\b(the|file|try|again)\b", french)


@pytest.mark.usefixtures("nameless")
@pytest.mark.parametrize("fault", list(Fault))
def test_a_failure_is_told_in_french_and_its_detail_stays(fault: Fault, tmp_path: Path) -> None:
    made = report(failed(fault, problem="the detail\n  got: x", kept=True))
    said = text_of(made, tmp_path)
    happened, advice = (markdown.inline(words.format(source=KNOWN)) for words in WORDS[fault]["fr"])
    assert said.index(f"### {happened}") < said.index(advice) < said.index("Détail technique")
    assert said.index("Détail technique") < said.index("    the detail\n      got: x")
    assert "Les derniers chiffres valides restent en usage." in said
    assert f"- Titre ({KNOWN}), <https://www.insee.fr/" in said
    html = made.save(tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<summary>Détail technique</summary>" in html
    shown = " ".join(summary(made)).replace("\u00a0", " ").replace("’", "'")
    assert WORDS[fault]["fr"][0] in shown


def test_a_failure_without_a_known_kind_is_told_too(tmp_path: Path) -> None:
    outcome = Outcome(KNOWN, "Titre", "Producteur")
    outcome.fail("x")
    assert outcome.faults == [Fault.UNEXPECTED]
    outcome.fail("y", Fault.DRIFT)
    assert outcome.faults == [Fault.UNEXPECTED, Fault.DRIFT]
    assert "Une erreur imprévue" in text_of(report(outcome), tmp_path)


def test_the_whole_that_was_given_up_is_told_in_french(tmp_path: Path) -> None:
    said = text_of(report(failed(Fault.WITHDRAWN), problem="No space left", fault=Fault.DISK), tmp_path)
    assert said.index("Rien n'a pu être mis en service") < said.index("Le disque est plein.") < said.index("No space")


# --- what serves meanwhile ---------------------------------------------------------------------------------------


def test_the_snapshot_serves_where_nothing_was_built(tmp_path: Path) -> None:
    day = store.Store(store.snapshot_dir(), "snapshot").manifest["created"][:10]
    french = "/".join(reversed(day.split("-")))
    made = report(failed(Fault.GONE))
    assert f"Les chiffres de l'instantané du {french}, livré avec le paquet, servent" in text_of(made, tmp_path)
    assert f"The figures of the snapshot of {day}" in text_of(made, tmp_path, "en")
    (source,) = json.loads(made.save(tmp_path / "r.json").read_text(encoding="utf-8"))["sources"]
    assert (source["serves"], source["faults"], source["producer"]) == ("snapshot", ["gone"], "Producteur")


def test_nothing_serves_where_the_snapshot_has_not_the_source(tmp_path: Path) -> None:
    made = report(failed(Fault.GONE, source="other"))
    assert "Aucun chiffre de cette source n'est disponible." in text_of(made, tmp_path)
    (source,) = json.loads(made.save(tmp_path / "r.json").read_text(encoding="utf-8"))["sources"]
    assert source["serves"] is None


def test_a_first_build_like_the_snapshot_is_one_line(tmp_path: Path) -> None:
    first = [Outcome(name, "T", "P", "changed", reasons=["not built yet", f"file {name}@1"]) for name in "abc"]
    said = text_of(report(*first), tmp_path)
    assert "- Sources lues ici pour la première fois, sans écart avec l'instantané du paquet : 3." in said
    assert "## Sources mises à jour" not in said
    assert "Des fichiers ont changé" not in said
    first[1].changes = moves(("poverty_rate", 62.0, 63.0))
    said = text_of(report(*first), tmp_path)
    assert "instantané du paquet : 2." in said
    assert "## Sources mises à jour" in said


def test_probes_without_news_are_a_number(tmp_path: Path) -> None:
    states = [State.UNCHANGED, State.UNCHANGED, State.NEW, State.CHANGED]
    probes = [Probe(f"{KNOWN}@{year}", state, "u", "length 1 -> 2") for year, state in enumerate(states, 2000)]
    said = text_of(report(Outcome(KNOWN, "T", "P", probes=probes)), tmp_path)
    assert "Fichiers jamais téléchargés ici : 1. Fichiers inchangés : 2." in said
    assert [line for line in said.splitlines() if f"{KNOWN}@" in line] == [
        f"| {KNOWN}@2003 | modifié | length 1 -\\> 2 | – | 0,00 |"
    ]


def test_warnings_in_french_keep_the_rest_for_the_detail(tmp_path: Path) -> None:
    pages = {"https://i.fr/1": "status 404", "https://i.fr/2": "status 404", "https://a.fr/1": "status 503"}
    outcome = Outcome(KNOWN, "T", "P", "changed", drift=["12 of 20 rows are gone"])
    said = text_of(report(outcome, survey=Survey({}, {}, pages)), tmp_path)
    warned = said.partition("## À vérifier\n")[2].partition("\n## ")[0]
    lines, _, detail = warned.partition("Détail technique")
    assert f"- Dérive acceptée de {KNOWN}, écarts au-delà des tolérances : 1." in lines
    assert "- Pages de i.fr illisibles, où de nouvelles éditions n'ont pas pu être cherchées : 2." in lines
    assert "- Pages de a.fr illisibles" in lines
    assert not re.search("status|rows", lines)
    assert "    https://i.fr/2: status 404" in detail
    assert f"    {KNOWN}: 12 of 20 rows are gone" in detail


def test_sources_that_failed_alike_are_told_together(tmp_path: Path) -> None:
    made = report(
        failed(Fault.REFUSED, problem="status 503"),
        failed(Fault.REFUSED, problem="status 403", source="insee_demo_qpv2024"),
        failed(Fault.GONE, source="insee_filosofi_qpv"),
        failed(Fault.REFUSED, problem="status 403", source="insee_demo_qpv", kept=True),
    )
    failures = text_of(made, tmp_path).partition("## Échecs\n")[2]
    parts = re.split(r"^### ", failures, flags=re.MULTILINE)[1:]
    assert [part.splitlines()[0] for part in parts] == [
        "Le serveur du producteur a refusé de donner le fichier.",
        "L'adresse du fichier n'existe plus.",
        "Le serveur du producteur a refusé de donner le fichier.",  # whose former figures serve
    ]
    assert f"({KNOWN})" in parts[0]
    assert "(insee_demo_qpv2024)" in parts[0]
    assert "    status 503\n    status 403\n" in parts[0]


# --- gaps --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "lang", "told"),
    [
        (63.2, "fr", "+1,2 point |"),
        (60.0, "fr", "−2,0 points |"),
        (63.0, "en", "+1.0 point |"),
        (63.2, "en", "+1.2 points |"),
    ],
)
def test_gap_of_rates_is_in_points(after: float, lang: str, told: str, tmp_path: Path) -> None:
    said = text_of(
        report(Outcome(KNOWN, "T", "P", "changed", changes=moves(("poverty_rate", 62.0, after)))), tmp_path, lang
    )
    assert told in said


def test_gap_of_other_units_keeps_its_unit(tmp_path: Path) -> None:
    changes = moves(("median_standard_of_living", 13000.0, 13500.0), ("population", 900.0, 950.0))
    said = text_of(report(Outcome(KNOWN, "T", "P", "changed", changes=changes)), tmp_path)
    assert "+500 € |" in said
    assert "+50 |" in said
    assert "point" not in said


def test_classes_of_a_figure_are_named(tmp_path: Path) -> None:
    changes = moves(("poverty_rate", 62.0, 63.0))
    changes.examples["moved"]["sex"] = "F"
    said = text_of(report(Outcome(KNOWN, "T", "P", "changed", changes=changes)), tmp_path)
    assert len([line for line in said.splitlines() if line.startswith("| Taux de pauvreté, femmes |")]) == 1
    assert "| Taux de pauvreté, femmes | 2021 | 62,0 % | 63,0 % |" in said


def test_areas_are_in_square_kilometres(tmp_path: Path) -> None:
    changes = Changes()
    rows = {"geo_code": ["A", "B"], "before": [250_000.0, None], "after": [300_000.0, 1e6]}
    changes.note("outlines", 2, pd.DataFrame(rows).assign(source="qpv_2024", unit="m2"))
    said = text_of(report(Outcome(KNOWN, "T", "P", "changed", changes=changes)), tmp_path)
    assert "| A | qpv_2024 | – | 0,250 km² | 0,300 km² |" in said
    assert "| B | qpv_2024 | – | – | 1,000 km² |" in said


# --- texts that stay texts ---------------------------------------------------------------------------------------

CONTEXTS = {"paragraph": "{}\n", "item": "- {}\n", "title": "# {}\n", "cell": "| a | b |\n|---|---|\n| {} | x |\n"}
SIGNS = st.text(st.sampled_from("\\`*_{}[]<>()#+-.!|~@:&;=$^/ \n\t\r\u2028\u00a0aGH1w\u202e\x00"), max_size=25)


def shown(context: str, text: str) -> tuple[str, set[str]]:
    """What a reader sees of a text in its place, and the kinds of markup found there."""
    tokens = READER.parse("avant\n\n" + CONTEXTS[context].format(markdown.inline(text)) + "\naprès\n")
    inner = [token for token in tokens if token.type == "inline"]
    assert [inner[0].content, inner[-1].content] == ["avant", "après"]
    place = inner[1 if context != "cell" else 3]
    assert len(inner) == (3 if context != "cell" else 6)
    kinds = {child.type for token in inner for child in token.children or []}
    kinds |= {
        token.type for token in tokens if token.type in {"html_block", "fence", "code_block", "hr", "blockquote_open"}
    }
    return "".join(child.content for child in place.children or []), kinds


@pytest.mark.parametrize("context", CONTEXTS)
@given(text=st.one_of(SIGNS, st.text(max_size=25)))
@example(text="a\\|b")
@example(text="1) x")
@example(text="\u202e\u2028-")
@example(text="--- | ---")
@example(text="<b>x</b> &lt; &#64;maire")
@example(text="![x](javascript:y) <https://a.fr> `c` ~~d~~ __e__ #12 @insee GH-3 owner/x#4")
def test_any_text_is_shown_as_it_is(context: str, text: str) -> None:
    seen = re.sub(r"[^\S\u00a0\u202f]+", " ", text).strip()
    expected = " ".join(markdown.plain(seen).split())
    if not expected:
        return  # nothing to show: no place to look at
    got, kinds = shown(context, text)
    assert kinds <= {"text", "text_special"}
    assert " ".join(got.replace("\u200b", "").split()) == expected.replace("\u200b", "")
    # what GitHub reads from the text shown
    assert not re.search(r"(?<!\w)@\w|\w@[\w-]+\.\w|#\d|\bGH-\d|:[\w+-]+:", got, flags=re.IGNORECASE)


@pytest.mark.parametrize("text", ["see https://evil.example/x", "www.evil.example", "http://a.fr"])
def test_addresses_are_no_links(text: str) -> None:
    read = mistune.create_markdown(plugins=["url", "strikethrough", "table", "task_lists"])
    assert ("<a" in str(read(text))) is ("//" in text)
    assert "<a" not in str(read(markdown.inline(text)))
    assert "www." not in markdown.inline(text)


@given(text=SIGNS)
def test_detail_stays_a_block(text: str) -> None:
    tokens = READER.parse(f"avant\n\n{markdown.block('x' + text)}\n\naprès\n")
    assert [token.type for token in tokens].count("code_block") == 1
    assert tokens[3].type == "code_block"
    assert not re.search(r"(?<!\w)@\w", tokens[3].content)


def test_hostile_labels_mention_nobody_in_the_whole_report(tmp_path: Path) -> None:
    hostile = "@insee <img src=x onerror=y> #12 [a](https://evil.example) \u202egnp\n# Titre\n\n- x"
    changes = moves(("poverty_rate", 62.0, 63.0))
    changes.examples["moved"]["geo_code"] = hostile
    probe = Probe("s@1", State.MOVED, hostile, hostile, hostile)
    made = report(
        Outcome("s", "T", "P", "changed", changes=changes, probes=[probe], reasons=[hostile], drift=[hostile]),
        failed(Fault.FORM, problem=hostile),
        problem=hostile,
        fault=Fault.STORE,
    )
    tokens = READER.parse(made.save(tmp_path / "r.md").read_text(encoding="utf-8"))
    children = [child for token in tokens for child in token.children or []]
    links = [child.attrs["href"] for child in children if child.type == "link_open"]
    assert links == ["https://www.insee.fr/fr/statistiques/8243167"]  # the catalogue's own
    assert not {token.type for token in (*tokens, *children)} & {"html_block", "html_inline", "image", "em_open"}
    said = " ".join(token.content for token in (*children, *tokens) if token.type in {"text", "code_block"})
    assert "@insee" not in said
    assert said.count("@\u200binsee") >= 6
    titles = [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]
    assert not [title for title in titles if title.startswith("Titre")]
    assert "\u202e" not in made.save(tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("dry_run", "said"), [(False, "refaites à partir"), (True, "qu'une actualisation referait")])
def test_what_was_damaged_here_is_not_told_as_a_producers_change(dry_run: bool, said: str, nameless: None) -> None:
    mended = Outcome(KNOWN, "Titre", "Producteur", "changed", reasons=["damaged in the store"])
    text = "\n".join(summary(report(mended, dry_run=dry_run)))
    assert said in text
    assert "fichiers ont changé" not in text
