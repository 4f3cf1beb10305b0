"""Sources that failed, in words: what happened, what to do, what serves meanwhile; those that failed alike together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from qpv_sante import pipeline, store, style
from qpv_sante.catalogue import core_catalogue
from qpv_sante.errors import Fault, StoreError
from qpv_sante.refresh import faults
from qpv_sante.refresh.outcome import Outcome
from qpv_sante.refresh.words import WORDS

MOST_TOLD = 12  # findings of one source in sentences; the detail has all


def failures(failed: Sequence[Outcome], lang: style.Lang) -> list[dict[str, Any]]:
    """One record for each way to fail.

    Returns
    -------
    list of dict
        `title` (what happened), `told` (what to do, what serves), `evidence` (what moved too far, one sentence each),
        `sources` (`id, title, page`), and `detail`, the errors in full, each once.
    """
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for outcome in failed:
        groups.setdefault((serving(outcome), *outcome.faults), []).append(outcome)
    return [_group(outcomes, lang) for outcomes in groups.values()]


def _group(outcomes: list[Outcome], lang: style.Lang) -> dict[str, Any]:
    known = core_catalogue().sources
    happened, advice = advised(outcomes[0].faults, [outcome.source for outcome in outcomes], lang)
    return {
        "title": happened,
        "told": [advice, _meanwhile(outcomes[0], lang)],
        "evidence": [line for outcome in outcomes for line in _evidence(outcome, lang)],
        "sources": [
            {"id": o.source, "title": o.title, "page": known[o.source].landing_page if o.source in known else ""}
            for o in outcomes
        ],
        "detail": "\n".join(dict.fromkeys(_detail(outcome) for outcome in outcomes)),
    }


def _evidence(outcome: Outcome, lang: style.Lang) -> list[str]:
    """What moved too far in a source, in sentences; how many more there are in the detail."""
    known = core_catalogue().indicators

    def label(name: str) -> str:
        return known[name].short[lang] if name in known else name

    told = [drift.told(lang, label) for drift in outcome.drift[:MOST_TOLD]]
    rest = len(outcome.drift) - len(told)
    return told + [style.typography(WORDS["more"][lang].format(number=rest), lang)] * bool(rest)


def advised(kinds: Sequence[Fault], sources: Sequence[str], lang: style.Lang) -> tuple[str, str]:
    """What happened and what to do, for the kinds of a failure."""
    told = [faults.WORDS[kind][lang] for kind in kinds or [Fault.UNEXPECTED]]
    name = sources[0] if len(sources) == 1 else "SOURCE"
    happened, advice = (" ".join(dict.fromkeys(parts)).format(source=name) for parts in zip(*told, strict=True))
    return style.typography(happened, lang), style.typography(advice, lang)


def _detail(outcome: Outcome) -> str:
    """What went wrong in full; without the edition where every edition of the source says the same of its producer."""
    details = {probe.detail for probe in outcome.probes if probe.state == "unreachable"}
    alone = len(details) == 1 and all(line.partition(": ")[2] in details for line in outcome.problem.splitlines())
    return details.pop() if alone else outcome.problem


def _meanwhile(outcome: Outcome, lang: style.Lang) -> str:
    """Which figures serve."""
    where = serving(outcome)
    word = {"processed": "kept", "snapshot": "snapshot", None: "lost"}[where]
    day = ""
    if where == "snapshot":
        day = date.fromisoformat(_snapshot().manifest["created"][:10]).strftime(WORDS["day"][lang])
    return style.typography(WORDS[word][lang].format(date=day), lang)


def serving(outcome: Outcome) -> str | None:
    """Where the figures of a source are read now: from the build in use, the embedded snapshot, or nowhere."""
    if outcome.status != "failed" or outcome.kept:
        return "processed"
    with suppress(StoreError):
        manifest = _snapshot().manifest
        if outcome.source in manifest["sources"] or outcome.source == pipeline.GEOGRAPHY:
            return "snapshot"
    return None


def _snapshot() -> store.Store:
    return store.Store(store.snapshot_dir(), "snapshot")
