"""The report of a refresh in words: what a person looks at first, then the rest. Markdown, HTML, JSON."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from qpv_sante import style, templating
from qpv_sante._version import __version__
from qpv_sante.errors import Fault
from qpv_sante.export import check_suffix, written_whole
from qpv_sante.refresh import markdown
from qpv_sante.refresh.failures import advised, failures, serving
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.probing import Probe, State
from qpv_sante.refresh.rows import Names, counted, example_tables, largest_moves, listed
from qpv_sante.refresh.words import HEADERS, KINDS, REASONS, STATES, WORDS

SUFFIXES = (".md", ".html", ".json")
_QUIET = {State.UNCHANGED, State.NEW}  # told by their number: the JSON report has them one by one


def write(report: RefreshReport, path: Path, lang: str) -> Path:
    """Write the report in the form of the file's suffix."""
    check_suffix(path, SUFFIXES)
    content = {".md": _markdown, ".html": _page, ".json": _json}[path.suffix.lower()](report, style.check_lang(lang))
    with written_whole(path) as aside:
        aside.write_text(content, encoding="utf-8", errors="backslashreplace")
    return path


def summary(report: RefreshReport, lang: str = "fr") -> list[str]:
    """The first lines of the report, for a terminal."""
    content = _content(report, style.check_lang(lang))
    lines = [content["title"], *content["lead"], *(f"- {line}" for line in content["first"]["lines"])]
    lines += [f"- {', '.join(row[:3])} : {row[3]} → {row[4]}" for row in content["tables"]["moves"]["rows"]]
    for one in content["failures"]["items"]:
        lines += ["", one["title"], f"  {', '.join(source['id'] for source in one['sources'])}"]
        lines += [f"  {line}" for line in (*one["told"], *one["evidence"], content["failures"]["detail"])]
        lines += [f"    {line}" for line in one["detail"].splitlines()]
    told = content["warnings"]
    return lines + (["", told["title"], *(f"- {line}" for line in told["lines"])] if told["lines"] else [])


def body(report: RefreshReport, lang: str = "fr") -> str:
    """The report as a fragment of HTML, for notebooks."""
    return _render("refresh_body.html", report, style.check_lang(lang))


def _page(report: RefreshReport, lang: style.Lang) -> str:
    return _render("refresh.html", report, lang)


def _markdown(report: RefreshReport, lang: style.Lang) -> str:
    return _render("refresh.md", report, lang)


def _json(report: RefreshReport, lang: style.Lang) -> str:
    document = {
        "started": report.started.isoformat(timespec="seconds"),
        "finished": report.finished.isoformat(timespec="seconds"),
        "package": __version__,
        "dry_run": report.dry_run,
        "exit_code": report.exit_code(),
        "problem": report.problem,
        "fault": report.fault,
        "store": report.store,
        "warnings": [{"kind": kind, "text": text} for kind, text in report.warnings],
        "unknown_editions": report.survey.unknown_editions,
        "sources": [_record(outcome) for outcome in report.outcomes],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, default=str) + "\n"


def _record(outcome: Outcome) -> dict[str, Any]:
    examples = {
        kind: json.loads(rows.to_json(orient="records", force_ascii=False))
        for kind, rows in outcome.changes.examples.items()
    }
    return {
        "source": outcome.source,
        "title": outcome.title,
        "producer": outcome.producer,
        "status": outcome.status,
        "reasons": outcome.reasons,
        "changes": outcome.changes.counts(),
        "examples": examples,
        "drift": [str(drift) for drift in outcome.drift],
        "undecided": [vars(one) for one in outcome.undecided],
        "problem": outcome.problem,
        "faults": outcome.faults,
        "kept": outcome.kept,
        "serves": serving(outcome),
        "rows": outcome.rows,
        "probes": [vars(probe) for probe in outcome.probes],
    }


def _render(template: str, report: RefreshReport, lang: style.Lang) -> str:
    environment = templating.environment(
        autoescape=lambda name: name is not None and name.endswith(".html"),  # every HTML label is
        finalize=lambda value: markdown.plain(value) if type(value) is str else value,
    )
    environment.filters.update(inline=markdown.inline, block=markdown.block)
    return environment.get_template(template).render(**_content(report, lang))


def _content(report: RefreshReport, lang: style.Lang) -> dict[str, Any]:
    """What the templates print."""

    def say(name: str, **values: object) -> str:
        return style.typography(WORDS[name][lang].format(**values), lang)

    changed, failed = report.of("changed"), report.of("failed")
    lead = [say("dry")] if report.dry_run else []
    if report.problem:
        lead += [say("stopped"), *advised([report.fault or Fault.UNEXPECTED], [], lang), report.problem]
    else:
        lead.append(say("verdict", changed=len(changed), failed=len(failed), unchanged=len(report.of("unchanged"))))
    probes = [probe for outcome in report.outcomes for probe in outcome.probes]
    if probes and all(probe.state == "unreachable" for probe in probes):
        lead.append(say("silent"))
    names = Names(lang)
    totals = {kind: sum(getattr(outcome.changes, kind) for outcome in report.outcomes) for kind in KINDS}
    counts = listed(totals, lang)
    new = [o.source for o in changed if not o.changes and o.reasons[:1] == ["not built yet"]]
    mended = [o.source for o in changed if not o.changes and o.reasons[:1] == ["damaged in the store"]]
    quiet = [say("same")] if len(changed) > len(new) + len(mended) else []
    quiet += [say("mended_dry" if report.dry_run else "mended", number=len(mended))] if mended else []
    quiet = quiet or ([] if new else [say("no_figure" if failed else "nothing")])
    first = counts or quiet
    tables = {
        "moves": {
            "title": say("moves"),
            "header": HEADERS["moves"][lang],
            "rows": largest_moves(report, names, lang),
        },
        "changed": {
            "title": say("changed"),
            "header": HEADERS["changed"][lang],
            "rows": [
                (
                    f"{o.title} ({o.source})",
                    counted(o, lang),
                    "; ".join(_reason(reason, lang) for reason in o.reasons),
                    style.format_number(o.rows or None, 0, lang=lang),
                )
                for o in report.outcomes
                if o.changes or (o.status == "changed" and o.source not in new)
            ],
        },
        "all": {
            "title": say("all"),
            "header": HEADERS["all"][lang],
            "rows": [_probed(probe, lang) for probe in probes if probe.state not in _QUIET],
        },
    }
    states = Counter(probe.state for probe in probes if probe.state in _QUIET)
    seconds = style.format_number((report.finished - report.started).total_seconds(), 1, lang=lang)
    return {
        "lang": lang,
        "title": say("title", date=report.started.strftime(WORDS["date"][lang])),
        "lead": lead,
        "first": {
            "title": say("first"),
            "lines": first + [say("first_build", number=len(new))] * bool(new),
        },
        "failures": {
            "title": say("failures"),
            "detail": say("detail"),
            "items": failures(failed, lang),
        },
        "warnings": _warnings(report, names, lang),
        "tables": tables,
        "quiet": [say(f"quiet_{state}", number=number) for state, number in sorted(states.items())],
        "examples": [table for outcome in report.outcomes for table in example_tables(outcome, names, lang)],
        "footer": [say("back")] * bool(changed and not report.dry_run)
        + [say("made", version=__version__, seconds=seconds)],
    }


def _probed(probe: Probe, lang: style.Lang) -> tuple[str, ...]:
    """What a producer says of one edition."""
    seconds = style.format_number(probe.seconds, 2, lang=lang)
    return probe.key, STATES[probe.state][lang], probe.detail, probe.published or "–", seconds


def _warnings(report: RefreshReport, names: Names, lang: style.Lang) -> dict[str, Any]:
    """What to look at although nothing failed; what is said in the language of the code goes to the detail."""
    pages = Counter(urlsplit(url).netloc for url in report.survey.silent_pages)
    drifts = {outcome.source: len(outcome.drift) for outcome in report.of("changed") if outcome.drift}
    broken = [one for outcome in report.outcomes for one in outcome.undecided]
    pairs = Counter((one.indicator, one.before, one.after) for one in broken)
    by_number = {"silent_page", "accepted_drift", "break"}
    told: list[tuple[str, dict[str, object]]]
    told = [(kind, {"text": text}) for kind, text in report.warnings if kind not in by_number]
    told += [("accepted_drift", {"source": source, "number": number}) for source, number in drifts.items()]
    told += [
        ("break", {"label": names.indicator(name), "id": name, "before": before, "after": after, "number": number})
        for (name, before, after), number in pairs.items()
    ]
    told += [("silent_page", {"host": host, "number": number}) for host, number in pages.items()]
    detail = [f"{outcome.source}: {line}" for outcome in report.of("changed") for line in outcome.drift]
    detail += [str(one) for one in broken]
    detail += [f"{url}: {why}" for url, why in report.survey.silent_pages.items()]
    return {
        "title": WORDS["warnings"][lang],
        "lines": [style.typography(WORDS[kind][lang].format(**values), lang) for kind, values in told],
        "detail": "\n".join(detail),
    }


def _reason(reason: str, lang: style.Lang) -> str:
    if lang == "fr":
        for english, french in REASONS.items():
            if reason.startswith(english):
                return style.typography(french + reason.removeprefix(english).replace(": ", " : "))
    return reason
