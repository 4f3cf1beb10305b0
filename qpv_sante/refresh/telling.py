"""The report of a refresh in words: what a person looks at first, then the rest. Markdown, HTML, JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import loading, pipeline, store, style
from qpv_sante._version import __version__
from qpv_sante.catalogue import core_catalogue
from qpv_sante.errors import Fault, QpvSanteError, StoreError
from qpv_sante.export import check_suffix, written_whole
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.refresh import faults, markdown
from qpv_sante.refresh.outcome import Outcome, RefreshReport
from qpv_sante.refresh.words import HEADERS, KINDS, REASONS, STATES, WORDS

SUFFIXES = (".md", ".html", ".json")
FIRST = 10  # moves shown at the top


def write(report: RefreshReport, path: Path, lang: str) -> Path:
    """Write the report in the form of the file's suffix."""
    check_suffix(path, SUFFIXES)
    content = {".md": _markdown, ".html": _page, ".json": _json}[path.suffix.lower()](report, style.check_lang(lang))
    with written_whole(path) as aside:
        aside.write_text(content, encoding="utf-8")
    return path


def summary(report: RefreshReport, lang: str = "fr") -> list[str]:
    """The first lines of the report, for a terminal."""
    content = _content(report, style.check_lang(lang))
    lines = [content["title"], *content["lead"], *(f"- {line}" for line in content["first"]["lines"])]
    lines += [f"- {', '.join(row[:3])} : {row[3]} → {row[4]}" for row in content["tables"]["moves"]["rows"]]
    for one in content["failures"]["items"]:
        detail = f"{content['failures']['detail']}: " if lang == "en" else f"{content['failures']['detail']} : "
        lines += ["", one["source"], *one["told"], detail + "\n  ".join(one["problem"].splitlines())]
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
        "drift": outcome.drift,
        "problem": outcome.problem,
        "faults": outcome.faults,
        "kept": outcome.kept,
        "serves": _serving(outcome),
        "rows": outcome.rows,
        "probes": [vars(probe) for probe in outcome.probes],
    }


def _render(template: str, report: RefreshReport, lang: style.Lang) -> str:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("qpv_sante"),
        autoescape=lambda name: name is not None and name.endswith(".html"),  # noqa: S701 - every HTML label is
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: markdown.plain(value) if type(value) is str else value,
    )
    environment.filters.update(inline=markdown.inline, block=markdown.block)
    return environment.get_template(template).render(**_content(report, lang))


def _content(report: RefreshReport, lang: style.Lang) -> dict[str, Any]:
    """What the templates print."""

    def say(name: str, **values: object) -> str:
        return style.typography(WORDS[name][lang].format(**values), lang)

    changed, failed = report.of("changed"), report.of("failed")
    verdict = say("verdict", changed=len(changed), failed=len(failed), unchanged=len(report.of("unchanged")))
    lead = [say("dry")] if report.dry_run else []
    if report.problem:
        lead += [say("stopped"), *_advice([report.fault or Fault.UNEXPECTED], "", lang), report.problem]
    else:
        lead.append(verdict)
    probes = [probe for outcome in report.outcomes for probe in outcome.probes]
    if probes and all(probe.state == "unreachable" for probe in probes):
        lead.append(say("silent"))
    names = _Names(lang)
    moves = _moves(report, names, lang)
    totals = {kind: sum(getattr(outcome.changes, kind) for outcome in report.outcomes) for kind in KINDS}
    counts = _listed(totals, lang)
    new = [o.source for o in changed if not o.changes and o.reasons[:1] == ["not built yet"]]
    quiet = [say("same")] if len(changed) > len(new) else [] if new else [say("no_figure" if failed else "nothing")]
    quiet += [say("first_build", sources=", ".join(new))] if new else []
    tables = {
        "moves": {"title": say("moves"), "header": HEADERS["moves"][lang], "rows": moves},
        "changed": {
            "title": say("changed"),
            "header": HEADERS["changed"][lang],
            "rows": [
                (
                    o.source,
                    _counted(o, lang),
                    "; ".join(_reason(reason, lang) for reason in o.reasons),
                    style.format_number(o.rows, 0, lang=lang),
                )
                for o in report.outcomes
                if o.changes or (o.status == "changed" and o.source not in new)
            ],
        },
        "all": {
            "title": say("all"),
            "header": HEADERS["all"][lang],
            "rows": [
                (
                    probe.key,
                    STATES[probe.state][lang],
                    probe.detail,
                    probe.published or "–",
                    style.format_number(probe.seconds, 2, lang=lang),
                )
                for probe in probes
            ],
        },
    }
    seconds = style.format_number((report.finished - report.started).total_seconds(), 1, lang=lang)
    return {
        "lang": lang,
        "title": say("title", date=report.started.strftime(WORDS["date"][lang])),
        "lead": lead,
        "first": {"title": say("first"), "lines": counts + (quiet if new or not counts else [])},
        "failures": {
            "title": say("failures"),
            "detail": say("detail"),
            "page": say("page"),
            "items": [_failure(problem, outcomes, lang) for problem, outcomes in _grouped(failed)],
        },
        "warnings": {"title": say("warnings"), "lines": [say(kind, text=text) for kind, text in report.warnings]},
        "tables": tables,
        "examples": [table for outcome in report.outcomes for table in _examples(outcome, names, lang)],
        "footer": [say("back")] * bool(changed and not report.dry_run)
        + [say("made", version=__version__, seconds=seconds)],
    }


def _reason(reason: str, lang: style.Lang) -> str:
    if lang == "fr":
        for english, french in REASONS.items():
            if reason.startswith(english):
                return style.typography(french + reason.removeprefix(english).replace(": ", " : "))
    return reason


def _failure(problem: str, outcomes: list[Outcome], lang: style.Lang) -> dict[str, Any]:
    """What happened, what to do and what serves meanwhile, for sources that failed alike."""
    first, known = outcomes[0], core_catalogue().sources
    serving = _serving(first)
    word = {"processed": "kept", "snapshot": "snapshot", None: "lost"}[serving]
    day = _snapshot_date().strftime(WORDS["day"][lang]) if serving == "snapshot" else ""
    return {
        "source": ", ".join(outcome.source for outcome in outcomes),
        "titles": [outcome.title for outcome in outcomes],
        "told": [
            *_advice(first.faults or [Fault.UNEXPECTED], first.source, lang),
            style.typography(WORDS[word][lang].format(date=day), lang),
        ],
        "pages": list(dict.fromkeys(known[o.source].landing_page for o in outcomes if o.source in known)),
        "problem": problem,
    }


def _advice(kinds: list[Fault], source: str, lang: style.Lang) -> list[str]:
    """A sentence for each kind of fault: what happened, and what to do."""
    told = (" ".join(faults.WORDS[kind][lang]).format(source=source) for kind in kinds)
    return [style.typography(one, lang) for one in told]


def _serving(outcome: Outcome) -> str | None:
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


def _snapshot_date() -> date:
    return date.fromisoformat(_snapshot().manifest["created"][:10])


def _grouped(failed: list[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """Sources by what went wrong: one producer that does not answer is told once."""
    groups: dict[tuple[object, ...], list[Outcome]] = {}
    for outcome in failed:
        details = {probe.detail for probe in outcome.probes if probe.state == "unreachable"}
        alone = len(details) == 1 and all(line.partition(": ")[2] in details for line in outcome.problem.splitlines())
        problem = details.pop() if alone else outcome.problem
        groups.setdefault((problem, *outcome.faults, _serving(outcome)), []).append(outcome)
    return [(str(key[0]), outcomes) for key, outcomes in groups.items()]


class _Names:
    """Labels of indicators and names of territories; the code itself where there is none."""

    def __init__(self, lang: style.Lang) -> None:
        self.lang = lang
        self.indicators = core_catalogue().indicators
        try:
            table = loading.gazetteer().territories
            self.places = table.set_index(["level", "code"])["name"].to_dict()
        except QpvSanteError:  # the report of a damaged store must still be written
            self.places = {}

    def indicator(self, name: str) -> str:
        known = self.indicators.get(name)
        return known.short[self.lang] if known else name

    def place(self, level: str, code: str) -> str:
        name = self.places.get((level, code)) or self.places.get(("qpv", code))
        return f"{name} ({code})" if name else code

    def value(self, indicator: str, value: object, flag: object = None) -> str:
        """A value with the indicator's digits, or its flag in words."""
        if value is None or pd.isna(value):
            return FLAG_LABELS[str(flag)][self.lang] if flag in FLAG_LABELS else "–"
        if isinstance(value, str):
            return value
        return self.number(indicator, float(str(value)))

    def number(self, indicator: str, value: float) -> str:
        """A number with the indicator's digits and unit."""
        symbol, decimals = self._unit(indicator)
        return style.format_number(value, decimals, lang=self.lang, symbol=symbol)

    def difference(self, indicator: str, value: float) -> str:
        """A difference between two values: in points for percentages."""
        symbol, decimals = self._unit(indicator)
        if symbol != "%":
            return style.format_number(value, decimals, lang=self.lang, symbol=symbol, sign=True)
        # French counts in the singular up to two, English only one itself
        size = abs(round(value, decimals))
        single = size < 2 if self.lang == "fr" else size == 1
        number = style.format_number(value, decimals, lang=self.lang, sign=True)
        return f"{number}\u00a0{'point' if single else 'points'}"

    def _unit(self, indicator: str) -> tuple[str, int]:
        known = self.indicators.get(indicator)
        return (style.unit_symbol(known.unit[self.lang]), known.decimals) if known else ("", 1)


def _counted(outcome: Outcome, lang: style.Lang) -> str:
    return ", ".join(_listed(outcome.changes.counts(), lang)) or WORDS["same"][lang]


def _listed(counts: dict[str, int], lang: style.Lang) -> list[str]:
    told = {KINDS[kind][lang]: style.format_number(number, 0, lang=lang) for kind, number in counts.items() if number}
    return [
        style.typography(f"{words} : {number}" if lang == "fr" else f"{words}: {number}")
        for words, number in told.items()
    ]


def _moves(report: RefreshReport, names: _Names, lang: style.Lang) -> list[tuple[str, ...]]:
    """The largest moves of all sources, relative to the value before."""
    frames = [o.changes.examples["moved"] for o in report.outcomes if "moved" in o.changes.examples]
    if not frames:
        return []
    rows = pd.concat(frames, ignore_index=True)
    size = (rows["after"] - rows["before"]).abs() / rows["before"].abs().clip(lower=1)
    shown = rows.loc[size.sort_values(ascending=False).index].head(FIRST)
    return [
        (
            names.indicator(row.indicator),
            names.place(row.geo_level, row.geo_code),
            str(row.year),
            names.value(row.indicator, row.before),
            names.value(row.indicator, row.after),
            names.difference(row.indicator, row.after - row.before),
        )
        for row in shown.itertuples()
    ]


def _examples(outcome: Outcome, names: _Names, lang: style.Lang) -> list[dict[str, Any]]:
    """One table for each kind of difference of a source."""
    tables = []
    for kind, rows in outcome.changes.examples.items():
        number = style.format_number(getattr(outcome.changes, kind), 0, lang=lang)
        title = WORDS["examples"][lang].format(
            source=outcome.source, kind=KINDS[kind][lang], shown=len(rows), number=number
        )
        cells = []
        for row in rows.to_dict("records"):
            indicator, level = str(row.get("indicator", "")), str(row.get("geo_level", ""))
            flags = (row.get("flag_before"), row.get("flag_after"))
            what = names.indicator(indicator) if indicator else str(row["source"])
            values = (
                names.value(indicator, row[side], flag) for side, flag in zip(("before", "after"), flags, strict=True)
            )
            cells.append((names.place(level, str(row["geo_code"])), what, str(row.get("year", "–")), *values))
        tables.append({"title": style.typography(title, lang), "header": HEADERS["examples"][lang], "rows": cells})
    return tables
