"""What a refresh did: one outcome a source, findings by severity, and the exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pandas as pd

from qpv_sante.discontinuities import Discontinuity
from qpv_sante.errors import Fault, UnknownNameError, did_you_mean
from qpv_sante.refresh.changes import Changes
from qpv_sante.refresh.evidence import Drift
from qpv_sante.refresh.probing import Probe, State, Survey

Status = Literal["unchanged", "changed", "failed"]
NOTHING, FAILED, CHANGED = 0, 1, 10
# from what severity on the exit code says that something failed
FAIL_ON = ("warning", "failure", "never")


@dataclass
class Outcome:
    """What happened to one source.

    Attributes
    ----------
    source, title, producer : str
        Of the catalogue.
    status : {"unchanged", "changed", "failed"}
        `changed`: built again from new or repaired files, whether or not a figure moved.
    probes : list of Probe
        What the producer says, by edition.
    reasons : list of str
        Why it was built again.
    changes : Changes
        What differs from the figures in use before.
    drift : list of Drift
        What moved beyond the tolerance, or may mean something else.
    others : list of str
        Editions read here for the first time from another file than the one that the embedded snapshot was made of.
    undecided : list of Discontinuity
        Breaks between two editions of the files read that ask for a decision in the catalogue.
    problem : str
        What went wrong.
    faults : list of Fault
        The same by kind, which says what there is to do.
    kept : bool
        The figures in use before stay in use.
    rows : int
        Rows stored.
    """

    source: str
    title: str
    producer: str
    status: Status = "unchanged"
    probes: list[Probe] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    changes: Changes = field(default_factory=Changes)
    drift: list[Drift] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    undecided: list[Discontinuity] = field(default_factory=list)
    problem: str = ""
    faults: list[Fault] = field(default_factory=list)
    kept: bool = False
    rows: int = 0

    def fail(self, problem: str, *faults: Fault) -> None:
        """Mark the source as failed; a second problem is added to the first."""
        self.status = "failed"
        self.problem = "\n".join(filter(None, [self.problem, writable(problem)]))
        self.faults = list(dict.fromkeys([*self.faults, *(faults or [Fault.UNEXPECTED])]))

    def withdraw(self) -> None:
        """What was compared was not put in use in the end."""
        if self.status == "changed":
            self.fail("compared, but not put in use", Fault.WITHDRAWN)

    @property
    def seconds(self) -> float:
        """Time that the probes took."""
        return sum(probe.seconds for probe in self.probes)


@dataclass
class RefreshReport:
    """What a refresh did.

    Attributes
    ----------
    outcomes : list of Outcome
        By source, in the order of the catalogue.
    survey : Survey
        What the producers said; `unknown_editions` are new publications that the catalogue does not have.
    problem : str
        Why nothing could be put in use in the end; empty if all went well.
    fault : Fault or None
        The same by kind.
    dry_run : bool
        Nothing was to be put in use.
    repairs : list of tuple of str
        What was wrong in the store and was put right, and the rollback that holds: kind and text, as in `warnings`.
    """

    started: datetime
    dry_run: bool = False
    store: Path | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    survey: Survey = field(default_factory=lambda: Survey({}))
    problem: str = ""
    fault: Fault | None = None
    repairs: list[tuple[str, str]] = field(default_factory=list)
    finished: datetime = field(default_factory=lambda: datetime.now(UTC))

    def of(self, status: Status) -> list[Outcome]:
        """Outcomes with a status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """What a person should look at although nothing failed: kind and text.

        Kinds are `unknown_edition`, `moved`, `accepted_drift`, `other_file` (read for the first time, and not the file
        that the snapshot was made of), `break` (between two editions: the catalogue has to decide) and `silent_page`
        for the producers; for the store
        `manifest` (damaged, written again from its copy), `manifest_lost` (and its copy too), `going_on` (from an
        earlier build), `record` (a record of the manifest that the file denies), `import` (an imported table found in
        another build) and `rolled_back` (sources that a rollback holds).
        """
        new = [("unknown_edition", f"{words}, {url}") for url, words in self.survey.unknown_editions.items()]
        moved = [
            ("moved", f"{probe.key}: {probe.detail} -> {probe.url}")
            for outcome in self.outcomes
            for probe in outcome.probes
            if probe.state is State.MOVED
        ]
        accepted = [("accepted_drift", f"{o.source}: {line}") for o in self.of("changed") for line in o.drift]
        others = [("other_file", ", ".join(o.others)) for o in self.of("changed") if o.others]
        # whatever became of them: what the files say asks for a decision all the same
        breaks = [("break", str(one)) for outcome in self.outcomes for one in outcome.undecided]
        hosts: dict[tuple[str, str], list[str]] = {}
        for url, why in self.survey.silent_pages.items():
            hosts.setdefault((urlsplit(url).netloc, why), []).append(urlsplit(url).path)
        silent = [("silent_page", f"{host}: {', '.join(paths)} ({why})") for (host, why), paths in hosts.items()]
        return new + moved + accepted + others + breaks + silent + self.repairs

    def exit_code(self, fail_on: str = "failure") -> int:
        """Code for a schedule: 0 nothing new, 10 changed, 1 something failed (the rest is in use).

        Parameters
        ----------
        fail_on : {"warning", "failure", "never"}
            From what severity on the code is 1. Warnings are those of `warnings`. With `never` the code is 10 or 0,
            whatever failed: a schedule that reads the report itself. Without a report there is no code to give:
            `refresh` raises when nothing could be begun (the folder is closed, another refresh is running, the lock
            file of the sources is damaged), and so it does for a wrong use (code 2 of the command line).

        Raises
        ------
        UnknownNameError
            Another level.
        """
        check_fail_on(fail_on)
        failed = bool(self.problem or self.of("failed"))
        if fail_on != "never" and (failed or (fail_on == "warning" and self.warnings)):
            return FAILED
        return CHANGED if self.of("changed") else NOTHING

    def frame(self) -> pd.DataFrame:
        """One row a source.

        Returns
        -------
        DataFrame
            `source, status, added, removed, moved, suppressed, visible, flagged, qualified, labels, outlines` (numbers
            of rows), `rows` stored, `seconds` of probing, `problem`.
        """
        kinds = [name for name in vars(Changes()) if name != "examples"]
        rows = [
            {
                "source": outcome.source,
                "status": outcome.status,
                **{name: getattr(outcome.changes, name) for name in kinds},
                "rows": outcome.rows,
                "seconds": outcome.seconds,
                "problem": outcome.problem,
            }
            for outcome in self.outcomes
        ]
        return pd.DataFrame(rows, columns=["source", "status", *kinds, "rows", "seconds", "problem"])

    def save(self, path: Path | str, *, lang: str = "fr") -> Path:
        """Write the report as `.md`, `.html` or `.json`.

        Parameters
        ----------
        path : Path or str
            The file; its suffix decides of the form.
        lang : {"fr", "en"}
            Language.

        Returns
        -------
        Path

        Raises
        ------
        UnknownNameError
            Another suffix or language.
        StoreError
            The file cannot be written.
        """
        from qpv_sante.refresh.telling import write

        return write(self, Path(path), lang)

    def _repr_html_(self) -> str:
        from qpv_sante.refresh.telling import body

        return body(self)


def writable(text: str) -> str:
    """A text that can be written whatever others put in it: halves of characters, which JSON can name, as their number.

    Examples
    --------
    >>> writable("Paru le " + chr(0xD800)) == "Paru le " + chr(92) + "ud800"
    True
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def check_fail_on(level: str) -> str:
    """The level itself, or an error that lists the levels.

    Raises
    ------
    UnknownNameError
    """
    if level not in FAIL_ON:
        raise UnknownNameError(f"Unknown level {level!r} for fail_on. {did_you_mean(level, FAIL_ON)}")
    return level
