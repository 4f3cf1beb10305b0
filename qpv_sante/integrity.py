"""Whether what is on the disk is what was recorded: raw files, builds and the embedded snapshot, byte by byte."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import store, style
from qpv_sante.content import sha256_of
from qpv_sante.errors import DownloadError
from qpv_sante.lockfile import Lock

COLUMNS = ("place", "name", "status", "expected", "got", "advice")
PLACES = ("raw", "processed", "snapshot")
STATUSES = ("sound", "damaged", "absent", "unrecorded")

# Staged downloads, builds being written, and the notes that say what goes into the folders
_NOT_DATA = (".", "README")
_ADVICE = {
    "raw": {
        "fr": "lancer `qpv-sante build --source {source}`, qui télécharge de nouveau ce fichier",
        "en": "run `qpv-sante build --source {source}`, which downloads this file again",
    },
    "lock": {
        "fr": "le reprendre d'une copie ; sans copie, le supprimer et lancer `qpv-sante build`",
        "en": "restore it from a copy; without any, delete it and run `qpv-sante build`",
    },
    "refresh": {
        "fr": "lancer `qpv-sante refresh`, qui refait ce qui manque",
        "en": "run `qpv-sante refresh`, which makes again what is missing",
    },
    "build": {
        "fr": "lancer `qpv-sante build`, qui refait les données",
        "en": "run `qpv-sante build`, which makes the data again",
    },
    "import": {
        "fr": "importer de nouveau {file} : `qpv-sante import`",
        "en": "import {file} again: `qpv-sante import`",
    },
    "earlier": {
        "fr": "on ne peut plus revenir à cet état antérieur : supprimer le dossier {folder}",
        "en": "this earlier build can no longer be returned to: delete the folder {folder}",
    },
    "behind": {
        "fr": "les chiffres viennent d'un autre fichier que celui qui est enregistré : lancer "
        "`qpv-sante build --source {source}`",
        "en": "the figures come from another file than the recorded one: run `qpv-sante build --source {source}`",
    },
    "package": {
        "fr": "réinstaller le paquet : `pip install --force-reinstall qpv-sante`",
        "en": "reinstall the package: `pip install --force-reinstall qpv-sante`",
    },
}
_HEADINGS = {
    "fr": {
        "place": "Emplacement",
        "name": "Nom",
        "status": "État",
        "expected": "Attendu",
        "got": "Trouvé",
        "advice": "Que faire",
        "sound": "{number} fichiers lus en entier, tous conformes à ce qui a été enregistré.",
        "unsound": "{number} fichiers lus en entier ; à traiter : {faults}.",
    },
    "en": {
        "place": "Place",
        "name": "Name",
        "status": "Status",
        "expected": "Expected",
        "got": "Found",
        "advice": "What to do",
        "sound": "{number} files read whole, all of them as recorded.",
        "unsound": "{number} files read whole; to be dealt with: {faults}.",
    },
}


@dataclass(frozen=True, repr=False)
class Verification:
    """What was verified; shows as the list of what is to be done.

    Attributes
    ----------
    rows : tuple of tuple
        See `frame`.
    lang : {"fr", "en"}
    """

    rows: tuple[tuple[str, str, str, str, str, str], ...]
    lang: style.Lang = "fr"

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
            damaged, absent, unrecorded), `expected` and `got` (SHA-256 in hexadecimal, or words), `advice` (what to
            run; blank where nothing is to be done).
        """
        return pd.DataFrame(list(self.rows), columns=list(COLUMNS), dtype="str")

    def problems(self) -> pd.DataFrame:
        """The rows of `frame` that need something to be done."""
        frame = self.frame()
        return frame[frame["advice"] != ""].reset_index(drop=True)

    def _summary(self) -> str:
        words, faults = _HEADINGS[self.lang], len(self.problems())
        read = sum(row[2] in ("sound", "damaged") and len(row[4]) == 64 for row in self.rows)
        text = words["sound" if not faults else "unsound"].format(number=read, faults=faults)
        return style.typography(text, self.lang)

    def __repr__(self) -> str:
        """The summary, then what is to be done."""
        lines = [
            f"  {row['place']}/{row['name']}: {row['status']}; {row['advice']}"
            for row in self.problems().to_dict("records")
        ]
        return "\n".join([self._summary(), *lines])

    def _repr_html_(self) -> str:
        words = _HEADINGS[self.lang]
        head = "".join(f"<th>{html.escape(words[name])}</th>" for name in COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in COLUMNS) + "</tr>"
            for row in self.problems().to_dict("records")
        )
        return f"<p>{html.escape(self._summary())}</p>" + (f"<table><tr>{head}</tr>{body}</table>" if body else "")


def verify(root: Path | str | None = None, *, lang: str = "fr", progress: bool = False) -> Verification:
    """Read every file again and compare it with what was recorded.

    Raw files are held against `sources.lock.toml`, the tables of the build in use and of the earlier ones that are
    kept against their manifests, the embedded snapshot against its own; and the builds against the raw files that
    they say they come from. Nothing is written, nothing is asked of the network, and no value is trusted that was
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
        snapshot holds its figures: they do not need it any more. A file that nothing records is told, and is no fault.

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
    check = _Check(folder, "en" if lang == "en" else "fr")
    rows = list(tqdm(check.rows(), desc="verify", unit="file", disable=not progress))
    return Verification(tuple(rows), check.lang)


Line = tuple[str, str, str, str, str, str]


class _Check:
    """One verification; the manifests that could be read are kept for the checks between records."""

    def __init__(self, root: Path, lang: style.Lang) -> None:
        self.root, self.lang = root, lang

    def rows(self) -> Iterator[Line]:
        processed = store.processed_dir(self.root)
        current, found = self._current(processed)
        yield from found
        manifest = None
        for build in _folders(processed / "builds"):
            declared, rows = self._build(build, in_use=build.name == current)
            manifest = declared if build.name == current else manifest
            yield from rows
        snapshot, of_snapshot = self._snapshot()
        lock, found = self._lock(self.root / "sources.lock.toml", "raw", "lock")
        yield from found
        held = {**_editions(snapshot), **_editions(manifest)}
        yield from self._raw(lock, set(held))
        yield from self._behind(manifest, lock, "processed", "behind")
        yield from of_snapshot

    def _line(self, place: str, name: str, expected: object, got: object, advice: str = "", **words: object) -> Line:
        """A row, of which the status follows from what was expected and found."""
        status = "unrecorded" if expected is None else "absent" if got is None else "damaged"
        status = "sound" if expected == got else status
        told = _ADVICE[advice][self.lang].format(**words) if advice and status != "sound" else ""
        return (place, name, status, str(expected or ""), str(got or ""), told)

    def _current(self, processed: Path) -> tuple[str | None, list[Line]]:
        """The build in use, and what is wrong with the file that names it."""
        builds, path = [one.name for one in _folders(processed / "builds")], processed / "CURRENT"
        expected = ", ".join(builds) or None
        try:
            name = path.read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return None, [self._line("processed", "CURRENT", expected, None, "build")] if builds else []
        except ValueError:
            return None, [self._line("processed", "CURRENT", expected or "a build", "unreadable bytes", "build")]
        if name not in builds:
            return None, [self._line("processed", "CURRENT", expected or "a build", name or "nothing", "build")]
        return name, []

    def _build(self, build: Path, *, in_use: bool) -> tuple[dict[str, Any] | None, Iterator[Line]]:
        def advice(name: str) -> dict[str, Any]:
            if not in_use:
                return {"advice": "earlier", "folder": build}
            for source, record in (manifest or {}).get("sources", {}).items():
                tables = record.get("tables") or [f"observations/{source}"]
                if record.get("imported") and name.removesuffix(".parquet") in tables:
                    files = sorted(str(edition.get("url")) for edition in record["editions"].values())
                    return {"advice": "import", "file": ", ".join(files)}
            return {"advice": "refresh"}

        manifest, problem = _manifest(build)
        if manifest is None:
            name = f"{build.name}/manifest.json"
            got = None if problem == "absent" else problem
            # without the manifest in use, nothing of the build can be told from what a fault left
            return None, iter([self._line("processed", name, "a manifest", got, **advice(name))])
        return manifest, self._tables("processed", build, manifest, f"{build.name}/", advice)

    def _snapshot(self) -> tuple[dict[str, Any] | None, Iterator[Line]]:
        folder = store.snapshot_dir()
        manifest, problem = _manifest(folder)
        if manifest is None:
            got = None if problem == "absent" else problem
            return None, iter([self._line("snapshot", "manifest.json", "a manifest", got, "package")])

        def rows() -> Iterator[Line]:
            yield from self._tables("snapshot", folder, manifest, "", lambda name: {"advice": "package"})
            lock, found = self._lock(folder / "sources.lock.toml", "snapshot", "package")
            yield from found
            yield from self._behind(manifest, lock, "snapshot", "package")

        return manifest, rows()

    def _tables(
        self, place: str, folder: Path, manifest: Mapping[str, Any], prefix: str, advice: Any
    ) -> Iterator[Line]:
        """Each table of a build, then the tables that its manifest does not know."""
        for name, record in manifest["files"].items():
            path = folder / name
            got = sha256_of(path) if path.is_file() else None
            yield self._line(place, prefix + name, record["sha256"], got, **advice(name))
        for path in sorted(folder.glob("*/*.parquet")):
            name = path.relative_to(folder).as_posix()
            if name not in manifest["files"]:
                yield self._line(place, prefix + name, None, sha256_of(path))

    def _lock(self, path: Path, place: str, advice: str) -> tuple[Lock, list[Line]]:
        try:
            return Lock.load(path), []
        except DownloadError as error:
            reason = next((line for line in str(error).splitlines() if line.strip().startswith("got:")), "got: damaged")
            got = reason.partition("got:")[2].strip()
            return Lock(None), [self._line(place, path.name, "a lock file", got, advice)]

    def _raw(self, lock: Lock, held: set[str]) -> Iterator[Line]:
        folder, known, keys = self.root / "raw", set(), lock.keys()
        for key, entry in ((key, lock.get(key)) for key in keys):
            if entry is None:
                continue
            known.add(entry.file)
            path = folder / entry.file
            got = sha256_of(path) if path.is_file() else None
            # figures that are held do not need their file any more
            needed = got is not None or key not in held
            source = key.partition("@")[0]
            yield self._line("raw", entry.file, entry.sha256, got, "raw" if needed else "", source=source)
        for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
            name = path.relative_to(folder).as_posix()
            if (
                path.is_file()
                and name not in known
                and not any(part.startswith(_NOT_DATA) for part in Path(name).parts)
            ):
                yield self._line("raw", name, None, sha256_of(path))

    def _behind(self, manifest: Mapping[str, Any] | None, lock: Lock, place: str, advice: str) -> Iterator[Line]:
        """The editions of which the figures come from another file than the recorded one."""
        for key, sha256 in _editions(manifest).items():
            entry = lock.get(key)
            if entry is not None and entry.sha256 != sha256:
                status = (place, key, "unrecorded", entry.sha256, sha256)
                yield (*status, _ADVICE[advice][self.lang].format(source=key.partition("@")[0]))


def _folders(path: Path) -> list[Path]:
    """The builds, those being written left out."""
    if not path.is_dir():
        return []
    return sorted(one for one in path.iterdir() if one.is_dir() and one.suffix != ".partial")


def _manifest(folder: Path) -> tuple[dict[str, Any] | None, str]:
    """A manifest as it is written now, or why it cannot be used."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for record in manifest["files"].values():
            if not isinstance(record["sha256"], str):
                raise TypeError("a hash that is not text")
        for record in manifest["sources"].values():
            for edition in record["editions"].values():
                _ = edition["sha256"]
    except FileNotFoundError:
        return None, "absent"
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return None, f"unreadable: {type(error).__name__}: {error}"
    return manifest, ""


def _editions(manifest: Mapping[str, Any] | None) -> dict[str, str]:
    """SHA-256 of the raw file of each downloaded edition, by key."""
    return {
        f"{source}@{name}": edition["sha256"]
        for source, record in (manifest["sources"] if manifest else {}).items()
        if not record.get("imported")
        for name, edition in record["editions"].items()
    }
