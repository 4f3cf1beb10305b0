"""Whether what is on the disk is what was recorded: raw files, builds and the embedded snapshot, byte by byte."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import history, manifests, store, style
from qpv_sante.arguments import checked
from qpv_sante.catalogue import core_catalogue
from qpv_sante.content import sha256_of
from qpv_sante.durable import former
from qpv_sante.errors import DownloadError, StoreError
from qpv_sante.imports import records
from qpv_sante.integrity_words import ADVICE, HEADINGS
from qpv_sante.lockfile import Lock

COLUMNS = ("place", "name", "status", "expected", "got", "advice")
PLACES = ("raw", "processed", "snapshot")
STATUSES = ("sound", "damaged", "absent", "unrecorded", "rolled_back", "leftover")

# Staged downloads, builds being written, and the notes that say what goes into the folders
_NOT_DATA = (".", "README")


@dataclass(frozen=True, repr=False)
class Verification:
    """What was verified; shows as the list of what is to be done.

    Attributes
    ----------
    rows : tuple of tuple
        See `frame`.
    lang : {"fr", "en"}
    state : str
        A rollback that holds, in words: figures come from earlier files than the producers', on purpose. No fault.
    """

    rows: tuple[tuple[str, str, str, str, str, str], ...]
    lang: style.Lang = "fr"
    state: str = ""

    @property
    def sound(self) -> bool:
        """Whether nothing is to be done: no row has an advice."""
        return not any(row[-1] for row in self.rows)

    def frame(self) -> pd.DataFrame:
        """One row a file, or a contradiction between two records.

        Returns
        -------
        DataFrame
            `place` (raw, processed, snapshot), `name` (path of the file in that place, or edition), `status` (sound,
            damaged, absent, unrecorded, rolled_back: from an earlier file, on purpose, or leftover: of a run that was
            cut, taken away or taken up by the next one), `expected` and `got` (SHA-256 in hexadecimal, or words),
            `advice` (what to run; blank where nothing is to be done).
        """
        return pd.DataFrame(list(self.rows), columns=list(COLUMNS), dtype="str")

    def problems(self) -> pd.DataFrame:
        """The rows of `frame` that need something to be done."""
        frame = self.frame()
        return frame[frame["advice"] != ""].reset_index(drop=True)

    def _summary(self) -> str:
        words, faults = HEADINGS[self.lang], len(self.problems())
        read = sum(row[2] in ("sound", "damaged") and len(row[4]) == 64 for row in self.rows)
        text = words["sound" if not faults else "unsound"].format(number=read, faults=faults)
        return style.typography(text, self.lang)

    def __repr__(self) -> str:
        """The summary, then what is to be done."""
        lines = [
            f"  {row['place']}/{row['name']}: {row['status']}; {row['advice']}"
            for row in self.problems().to_dict("records")
        ]
        return "\n".join([self._summary(), *filter(None, [self.state]), *lines])

    def _repr_html_(self) -> str:
        words = HEADINGS[self.lang]
        head = "".join(f"<th>{html.escape(words[name])}</th>" for name in COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in COLUMNS) + "</tr>"
            for row in self.problems().to_dict("records")
        )
        told = "".join(f"<p>{html.escape(text)}</p>" for text in (self._summary(), self.state) if text)
        return told + (f"<table><tr>{head}</tr>{body}</table>" if body else "")


@checked
def verify(root: Path | str | None = None, *, lang: str = "fr", progress: bool = False) -> Verification:
    """Read every file again and compare it with what was recorded.

    Raw files are held against `sources.lock.toml`, the tables of the build in use and of the earlier ones that are
    kept against their manifests, the embedded snapshot against its own; the manifests against their seal, against the
    size and rows of their files and against each other's records; the records of imports against the catalogue, their
    editions and their secrecy rules; and the builds against the raw files that they say they come from. What a cut run
    left is told as such. Nothing is written, nothing is asked of the network, and no value is trusted that was
    computed before.

    Parameters
    ----------
    root : Path or str, optional
        Data root; see `qpv_sante.store.data_dir`.
    lang : {"fr", "en"}
        Of the advice.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Verification
        `.sound`, `.frame()` and `.problems()`. A raw file that is not there is no fault when the build in use or the
        snapshot holds its figures: they do not need it any more. A file that nothing records is told, and is no
        fault. Nor is a rollback: see `.state`.

    Raises
    ------
    OSError
        A file that is there cannot be read, for want of rights or because the disk fails.

    Notes
    -----
    SHA-256 finds accidents, and changes by someone who did not also change the record beside the file. It does not
    say who published a file: the addresses and the hashes of the lock file do, compared with a copy kept elsewhere.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     checked = verify(folder)
    >>> checked.sound, checked.frame()["place"].unique().tolist()
    (True, ['snapshot'])
    """
    from tqdm.auto import tqdm

    folder = Path(root) if root is not None else store.data_dir()
    check = _Check(folder, style.check_lang(lang))
    rows = list(tqdm(check.rows(), desc="verify", unit="file", disable=not progress))
    return Verification(tuple(rows), check.lang, check.state())


Line = tuple[str, str, str, str, str, str]


class _Check:
    """One verification; the manifests that could be read are kept for the checks between records."""

    def __init__(self, root: Path, lang: style.Lang) -> None:
        self.root, self.lang = root, lang
        self.held: history.RolledBack | None = None
        self.orphans: list[str] = []
        self.promised = history.Promise({}, None, sure=False)
        self.left: set[Path] = set()

    def rows(self) -> Iterator[Line]:
        processed = store.processed_dir(self.root)
        current, found = self._current(processed)
        yield from found
        self.held = history.rolled_back(processed)
        if line := history.unread_rollback(processed):
            yield self._line("processed", "CURRENT", "the rollback that holds", line, "rollback")
        self._look_around(processed, current)
        yield from self._leftovers(processed)
        for name in self.orphans:
            yield self._line("processed", f"observations/{name}", "imported figures", None, "orphan", source=name)
        manifest = None
        for build in (build for build in history.folders(processed) if build not in self.left):
            declared, rows = self._build(build, in_use=build.name == current)
            manifest = declared if build.name == current else manifest
            yield from rows
        snapshot, of_snapshot = self._snapshot()
        lock, found = self._lock(self.root / "sources.lock.toml", "raw", "lock")
        yield from found
        held = {**_editions(snapshot), **_editions(manifest)}
        yield from self._raw(lock, held)
        yield from self._behind(manifest, lock, "processed", "behind")
        yield from of_snapshot

    def state(self) -> str:
        """The rollback that holds, in words."""
        if not self.held:
            return ""
        words = HEADINGS[self.lang]["rolled_back"]
        told = words.format(day=self.held.day, left=self.held.left, sources=", ".join(self.held.sources))
        return style.typography(told, self.lang)

    def _line(self, place: str, name: str, expected: object, got: object, advice: str = "", **words: object) -> Line:
        """A row, of which the status follows from what was expected and found."""
        status = "unrecorded" if expected is None else "absent" if got is None else "damaged"
        status = "sound" if expected == got else status
        told = self._told(advice, **words) if advice and status != "sound" else ""
        return (place, name, status, str(expected or ""), str(got or ""), told)

    def _told(self, advice: str, **words: object) -> str:
        return style.typography(ADVICE[advice][self.lang].format(**words), self.lang)

    def _current(self, processed: Path) -> tuple[str | None, list[Line]]:
        """The build in use, and what is wrong with the file that names it."""
        builds, path = [one.name for one in history.folders(processed)], processed / "CURRENT"
        expected = ", ".join(builds) or None
        try:
            name = store.Pointer.read(processed).name
        except FileNotFoundError:
            return None, [self._line("processed", "CURRENT", expected, None, "build")] if builds else []
        except StoreError as error:
            problem = str(error).removesuffix(manifests.READ_HINT).strip()
            got = "a folder" if path.is_dir() else problem
            return None, [self._line("processed", "CURRENT", expected or "a build", got, "build")]
        if name not in builds:
            return None, [self._line("processed", "CURRENT", expected or "a build", name or "nothing", "build")]
        return name, []

    def _look_around(self, processed: Path, current: str | None) -> None:
        """Which imports there should be, those that the build in use lacks, and what cut runs have left."""
        build = store.Store(processed / "builds" / current, "processed") if current else None
        sources: Mapping[str, Any] = {}
        with suppress(StoreError):
            sources = build.declared()["sources"] if build else {}
        self.promised = history.promise(processed, build if sources else None)
        self.orphans = sorted(self.promised.imports.keys() - sources.keys())
        self.left = set(history.leftovers(processed))

    def _leftovers(self, processed: Path) -> Iterator[Line]:
        """What the next run takes away; figures that must not come back are told with what to do at once."""
        home = store.snapshot_home()
        beside = [home.with_name(f"{home.name}.partial"), former(home)]
        for path in sorted(self.left | {one for one in beside if one.is_dir() and one != store.snapshot_dir()}):
            for place, folder in (("raw", self.root / "raw"), ("processed", processed / "builds"), ("", self.root)):
                if path.is_relative_to(folder):
                    yield (place or "processed", path.relative_to(folder).as_posix(), "leftover", "", "", "")
                    break
            else:
                yield ("snapshot", path.name, "leftover", "", "", "")
        for build in (build for build in history.folders(processed) if build not in self.left):
            sources, tables = history.stale_imports(build, self.promised)
            for source in sorted(sources | tables):
                name = f"{build.name}/observations/{source}.parquet"
                told = self._told("stale", source=source) if source in sources else ""
                yield ("processed", name, "leftover", "", "", told)

    def _build(self, build: Path, *, in_use: bool) -> tuple[dict[str, Any] | None, Iterator[Line]]:
        try:
            manifest = manifests.read(build)
        except StoreError:
            manifest = None  # nothing of the build can be told from what a fault left

        def advice(name: str) -> dict[str, Any]:
            if not in_use:
                return {"advice": "earlier", "folder": build}
            for source, record in (manifest or {}).get("sources", {}).items():
                tables = manifests.tables_of(source, record)
                if record.get("imported") and name.removesuffix(".parquet") in tables:
                    files = sorted(str(edition.get("url")) for edition in record["editions"].values())
                    return {"advice": "import", "file": ", ".join(files)}
            return {"advice": "refresh"}

        def rows() -> Iterator[Line]:
            for name, problem in manifests.faults(build).items():
                got = problem if (build / name).is_file() else None
                # the copy of a build that is left as it is will serve: nothing to do about it
                served = not in_use and manifest is not None
                yield self._line(
                    "processed",
                    f"{build.name}/{name}",
                    "a manifest",
                    got,
                    **({} if served else self._unread(build, advice)),
                )
            if manifest is not None:
                yield from self._tables("processed", build, manifest, f"{build.name}/", advice)
                if in_use:
                    yield from self._imports(build, manifest)

        return manifest, rows()

    def _imports(self, build: Path, manifest: Mapping[str, Any]) -> Iterator[Line]:
        """Imports that the catalogue leaves out, and restricted figures that others than their owner may read."""
        _, problems = records.with_imports(core_catalogue(), manifest["sources"])
        for source, problem in problems.items():
            files = sorted(str(one.get("url")) for one in manifest["sources"][source]["editions"].values())
            name = f"{build.name}/{manifests.NAME}: {source}"
            yield self._line("processed", name, "a record", problem, "import", file=", ".join(files))
        for source, record in records.imported(manifest["sources"]).items():
            path = build / "observations" / f"{source}.parquet"
            if os.name == "posix" and manifests.restriction_of(record) and path.is_file():
                rights = path.stat().st_mode & 0o077
                name = f"{build.name}/observations/{source}.parquet: rights"
                yield self._line("processed", name, "owner only", "others too" if rights else "owner only", "rights")

    def _unread(self, build: Path, advice: Any) -> dict[str, Any]:
        """What to do about a manifest; a build that alone holds imported figures is not to be deleted unread."""
        told: dict[str, Any] = advice(manifests.NAME)
        held = sorted(path.stem for path in (build / "observations").glob("*.parquet") if path.stem in self.orphans)
        return {"advice": "held", "names": ", ".join(held), "folder": build} if held else told

    def _snapshot(self) -> tuple[dict[str, Any] | None, Iterator[Line]]:
        folder = store.snapshot_dir()
        try:
            manifest = manifests.load(folder / manifests.NAME)
        except StoreError as error:
            problem = str(error).removesuffix(manifests.READ_HINT).strip()
            got = problem if (folder / manifests.NAME).is_file() else None
            return None, iter([self._line("snapshot", manifests.NAME, "a manifest", got, "package")])

        def rows() -> Iterator[Line]:
            yield from self._tables("snapshot", folder, manifest, "", lambda name: {"advice": "package"}, whole=False)
            lock, found = self._lock(folder / "sources.lock.toml", "snapshot", "package")
            yield from found
            yield from self._behind(manifest, lock, "snapshot", "package")

        return manifest, rows()

    def _tables(
        self, place: str, folder: Path, manifest: Mapping[str, Any], prefix: str, advice: Any, *, whole: bool = True
    ) -> Iterator[Line]:
        """Each table of a build, what its manifest says against them, then the tables that it does not know."""
        sound = set()
        for name, record in manifest["files"].items():
            path = folder / name
            got = sha256_of(path) if path.is_file() else None
            if got == record["sha256"]:
                sound.add(name)
            yield self._line(place, prefix + name, record["sha256"], got, **advice(name))
        for name, said, found in manifests.contradictions(manifest, folder, sound, whole=whole):
            yield self._line(place, f"{prefix}{manifests.NAME}: {name}", said, found, **advice(""))
        _, stale = history.stale_imports(folder, self.promised)
        for path in sorted(folder.glob("*/*.parquet")):
            name = path.relative_to(folder).as_posix()
            if name not in manifest["files"] and not (path.parent.name == "observations" and path.stem in stale):
                yield self._line(place, prefix + name, None, sha256_of(path))

    def _lock(self, path: Path, place: str, advice: str) -> tuple[Lock, list[Line]]:
        try:
            lock = Lock.load(path)
            again = "raw" if place == "raw" else advice  # what is downloaded again is recorded again
            return lock, [
                self._line(place, f"{path.name}: {key}", "an entry", "altered", again, source=key.partition("@")[0])
                for key in lock.damaged
            ]
        except DownloadError as error:
            reason = next((line for line in str(error).splitlines() if line.strip().startswith("got:")), "got: damaged")
            got = reason.partition("got:")[2].strip()
            return Lock(None), [self._line(place, path.name, "a lock file", got, advice)]

    def _raw(self, lock: Lock, held: Mapping[str, tuple[str, int | None]]) -> Iterator[Line]:
        folder, known, keys = self.root / "raw", set(), lock.keys()
        for key, entry in ((key, lock.get(key)) for key in keys):
            if entry is None:
                continue
            known.add(entry.file)
            path = folder / entry.file
            got = sha256_of(path) if path.is_file() else None
            if got is not None and got != entry.sha256 and held.get(key, ("", 0))[0] == got:
                # the record of the new file was written, and the run was cut before its file took the place of this one
                yield ("raw", entry.file, "leftover", entry.sha256, got, self._told("refresh"))
                continue
            # figures that are held do not need their file any more
            needed = got is not None or key not in held
            source = key.partition("@")[0]
            yield self._line("raw", entry.file, entry.sha256, got, "raw" if needed else "", source=source)
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            name = path.relative_to(folder).as_posix()
            if (
                path.is_file()
                and name not in known
                and path not in self.left
                and not any(part.startswith(_NOT_DATA) for part in Path(name).parts)
            ):
                yield self._line("raw", name, None, sha256_of(path))

    def _behind(self, manifest: Mapping[str, Any] | None, lock: Lock, place: str, advice: str) -> Iterator[Line]:
        """The editions of which the figures come from another file than the recorded one."""
        for key, (sha256, size) in _editions(manifest).items():
            entry = lock.get(key)
            if entry is None or (entry.sha256, entry.bytes) == (sha256, size or entry.bytes):
                continue
            if place == "processed" and self.held and self.held.holds(key, entry.sha256):
                yield (place, key, "rolled_back", entry.sha256, sha256, "")
                continue
            same = entry.sha256 == sha256
            said = (f"{entry.bytes} bytes", f"{size} bytes") if same else (entry.sha256, sha256)
            # a file that was taken, and a run that was cut before its figures were in use
            status = "leftover" if place == "processed" and not same else "unrecorded"
            yield (place, key, status, *said, self._told(advice, source=key.partition("@")[0]))


def _editions(manifest: Mapping[str, Any] | None) -> dict[str, tuple[str, int | None]]:
    """SHA-256 and size of the raw file of each downloaded edition, by key."""
    return {
        f"{source}@{name}": (edition["sha256"], edition.get("bytes"))
        for source, record in (manifest["sources"] if manifest else {}).items()
        if not record.get("imported")
        for name, edition in record["editions"].items()
    }
