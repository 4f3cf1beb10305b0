"""The report of a refresh in words: what a person looks at first, then the rest. Markdown, HTML, JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import loading, style
from qpv_sante._version import __version__
from qpv_sante.catalogue import core_catalogue
from qpv_sante.errors import QpvSanteError
from qpv_sante.export import check_suffix, written_whole
from qpv_sante.observations import FLAG_LABELS
from qpv_sante.refresh.outcome import Outcome, RefreshReport

SUFFIXES = (".md", ".html", ".json")
FIRST = 10  # moves shown at the top
_NO_BREAK = "\u00a0"

WORDS: dict[str, dict[str, str]] = {
    "title": {"fr": "Actualisation des données du {date}", "en": "Data refresh of {date}"},
    "dry": {
        "fr": "Essai : rien n'a été mis en service.",
        "en": "Dry run: nothing was put in use.",
    },
    "verdict": {
        "fr": "{changed} source(s) mise(s) à jour, {failed} en échec, {unchanged} inchangée(s).",
        "en": "{changed} source(s) updated, {failed} failed, {unchanged} unchanged.",
    },
    "stopped": {
        "fr": "Rien n'a pu être mis en service ; les données précédentes restent en usage.",
        "en": "Nothing could be put in use; the previous data stay.",
    },
    "silent": {
        "fr": "Aucun producteur n'a répondu : vérifiez le réseau, le mandataire (HTTPS_PROXY) et le certificat de "
        "votre institution (REQUESTS_CA_BUNDLE). Les données en place restent utilisables.",
        "en": "No producer answered: check the network, the proxy (HTTPS_PROXY) and your institution's certificate "
        "(REQUESTS_CA_BUNDLE). The data in place stay usable.",
    },
    "first": {"fr": "À regarder d'abord", "en": "To look at first"},
    "same": {
        "fr": "Des fichiers ont changé, mais aucun chiffre.",
        "en": "Files changed, but no figure did.",
    },
    "nothing": {"fr": "Aucun fichier n'a changé.", "en": "No file changed."},
    "failures": {"fr": "Échecs", "en": "Failures"},
    "kept": {
        "fr": "Les derniers chiffres valides restent en usage.",
        "en": "The last good figures stay in use.",
    },
    "lost": {"fr": "Aucun chiffre en usage.", "en": "No figures in use."},
    "warnings": {"fr": "À vérifier", "en": "To check"},
    "unknown_edition": {
        "fr": "Publié, mais absent du catalogue : {text}",
        "en": "Published, but not in the catalogue: {text}",
    },
    "moved": {"fr": "Fichier déplacé par le producteur : {text}", "en": "File moved by its producer: {text}"},
    "accepted_drift": {"fr": "Dérive acceptée : {text}", "en": "Drift accepted: {text}"},
    "silent_page": {
        "fr": "Pages sans réponse, où de nouvelles éditions n'ont pas pu être cherchées : {text}",
        "en": "Pages without answer, where new editions could not be looked for: {text}",
    },
    "manifest": {
        "fr": "Manifeste endommagé, récrit d'après son double, rien n'est perdu : {text}",
        "en": "Damaged manifest, written again from its copy, nothing is lost: {text}",
    },
    "manifest_lost": {
        "fr": "État en service illisible, gardé sur le disque ; ce qu'aucun autre état ne donne est refait à partir "
        "des fichiers bruts : {text}",
        "en": "Unreadable build in use, kept on disk; what no other build gives is made again from the raw files: "
        "{text}",
    },
    "going_on": {"fr": "Repris d'un état antérieur : {text}", "en": "Taken up from an earlier build: {text}"},
    "record": {
        "fr": "Inscription du manifeste démentie par le fichier, corrigée : {text}",
        "en": "Record of the manifest that the file denies, corrected: {text}",
    },
    "import": {
        "fr": "Tableau importé retrouvé dans un autre état : {text}",
        "en": "Imported table found in another build: {text}",
    },
    "rolled_back": {
        "fr": "Retour en arrière maintenu ; les fichiers actuels des producteurs restent de côté. Pour les reprendre : "
        "qpv-sante rollback --undo, ou qpv-sante refresh --source NOM ({text})",
        "en": "Rollback upheld; the producers' current files stay aside. To take them again: qpv-sante rollback "
        "--undo, or qpv-sante refresh --source NAME ({text})",
    },
    "changed": {"fr": "Sources mises à jour", "en": "Updated sources"},
    "examples": {
        "fr": "{source} : {kind} ({shown} sur {number})",
        "en": "{source}: {kind} ({shown} of {number})",
    },
    "all": {"fr": "Ce que disent les producteurs", "en": "What the producers say"},
    "moves": {"fr": "Plus grands changements de valeur", "en": "Largest moves of values"},
    "back": {
        "fr": "Pour revenir aux données précédentes : qpv-sante rollback",
        "en": "To return to the previous data: qpv-sante rollback",
    },
    "made": {"fr": "qpv_sante {version}, en {seconds} s", "en": "qpv_sante {version}, in {seconds} s"},
}
KINDS: dict[str, dict[str, str]] = {
    "added": {"fr": "lignes ajoutées", "en": "rows added"},
    "removed": {"fr": "lignes retirées", "en": "rows removed"},
    "moved": {"fr": "valeurs modifiées", "en": "values moved"},
    "suppressed": {"fr": "valeurs qui ne sont plus publiées", "en": "values no longer published"},
    "visible": {"fr": "valeurs désormais publiées", "en": "values newly published"},
    "flagged": {"fr": "statuts modifiés", "en": "flags changed"},
    "qualified": {"fr": "bornes ou effectifs modifiés", "en": "bounds or sizes changed"},
    "labels": {"fr": "libellés ou codes modifiés", "en": "labels or codes changed"},
    "outlines": {"fr": "contours modifiés", "en": "outlines changed"},
}
STATES = {
    "unchanged": {"fr": "inchangé", "en": "unchanged"},
    "changed": {"fr": "modifié", "en": "changed"},
    "moved": {"fr": "déplacé", "en": "moved"},
    "new": {"fr": "jamais téléchargé", "en": "never downloaded"},
    "unknown": {"fr": "à comparer", "en": "to compare"},
    "missing": {"fr": "introuvable", "en": "missing"},
    "unreachable": {"fr": "sans réponse", "en": "no answer"},
}
REASONS = {  # as they begin in `Outcome.reasons`
    "file ": "fichier ",
    "not built yet": "jamais construite",
    "damaged in the store": "endommagée dans la base",
    "not assembled yet": "pas encore assemblée",
    "editions of the catalogue": "éditions du catalogue",
    "built by version": "construite par la version",
    "files newer than the store": "fichiers plus récents que la base",
}
HEADERS: dict[str, dict[str, tuple[str, ...]]] = {
    "moves": {
        "fr": ("Indicateur", "Territoire", "Année", "Avant", "Après", "Écart"),
        "en": ("Indicator", "Territory", "Year", "Before", "After", "Difference"),
    },
    "examples": {
        "fr": ("Territoire", "Indicateur ou table", "Année", "Avant", "Après"),
        "en": ("Territory", "Indicator or table", "Year", "Before", "After"),
    },
    "changed": {
        "fr": ("Source", "Ce qui a changé", "Pourquoi", "Lignes"),
        "en": ("Source", "What changed", "Why", "Rows"),
    },
    "all": {
        "fr": ("Édition", "État", "Détail", "Date annoncée", "Durée (s)"),
        "en": ("Edition", "State", "Detail", "Stated date", "Time (s)"),
    },
}


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
        lines += ["", f"{one['source']} : {one['problem']}", one["kept"]]
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
        "status": outcome.status,
        "reasons": outcome.reasons,
        "changes": outcome.changes.counts(),
        "examples": examples,
        "drift": outcome.drift,
        "problem": outcome.problem,
        "kept": outcome.kept,
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
    )
    environment.filters["cell"] = _markdown_cell
    return environment.get_template(template).render(**_content(report, lang))


def _markdown_cell(text: object) -> str:
    """A text that stays in its cell, and is not read as markup."""
    # no-break spaces are typography, and stay
    plain = re.sub(r"[^\S\u00a0\u202f]+", " ", str(text)).strip().replace("<", "&lt;").replace(">", "&gt;")
    return plain.translate({ord(sign): f"\\{sign}" for sign in "|[]*`"})


def _content(report: RefreshReport, lang: style.Lang) -> dict[str, Any]:
    """What the templates print."""

    def say(name: str, **values: object) -> str:
        return style.typography(WORDS[name][lang].format(**values), lang)

    changed, failed = report.of("changed"), report.of("failed")
    verdict = say("verdict", changed=len(changed), failed=len(failed), unchanged=len(report.of("unchanged")))
    lead = [say("dry")] if report.dry_run else []
    lead += [say("stopped"), report.problem] if report.problem else [verdict]
    probes = [probe for outcome in report.outcomes for probe in outcome.probes]
    if probes and all(probe.state == "unreachable" for probe in probes):
        lead.append(say("silent"))
    names = _Names(lang)
    moves = _moves(report, names, lang)
    totals = {kind: sum(getattr(outcome.changes, kind) for outcome in report.outcomes) for kind in KINDS}
    counts = _listed(totals, lang)
    quiet = say("same") if changed else say("nothing")
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
                if o.changes or o.status == "changed"
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
        "title": say("title", date=report.started.strftime("%Y-%m-%d %H:%M UTC")),
        "lead": lead,
        "first": {"title": say("first"), "lines": counts or [quiet]},
        "failures": {
            "title": say("failures"),
            "items": [
                {"source": ", ".join(sources), "problem": problem, "kept": say("kept" if kept else "lost")}
                for (problem, kept), sources in _grouped(failed).items()
            ],
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


def _grouped(failed: list[Outcome]) -> dict[tuple[str, bool], list[str]]:
    """Sources by what went wrong: one producer that does not answer is told once."""
    groups: dict[tuple[str, bool], list[str]] = {}
    for outcome in failed:
        details = {probe.detail for probe in outcome.probes if probe.state == "unreachable"}
        alone = len(details) == 1 and all(line.partition(": ")[2] in details for line in outcome.problem.splitlines())
        problem = details.pop() if alone else outcome.problem
        groups.setdefault((problem, outcome.kept), []).append(outcome.source)
    return groups


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

    def number(self, indicator: str, value: float, *, sign: bool = False) -> str:
        """A number with the indicator's digits and unit."""
        known = self.indicators.get(indicator)
        symbol = style.unit_symbol(known.unit[self.lang]) if known else ""
        decimals = known.decimals if known else 1
        return style.format_number(value, decimals, lang=self.lang, symbol=symbol, sign=sign)


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
            names.number(row.indicator, row.after - row.before, sign=True),
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
