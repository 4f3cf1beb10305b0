"""Builds one after the other: which there are, which comes from which, which is in use and since what rollback."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpv_sante import manifests
from qpv_sante.content import sha256_of
from qpv_sante.durable import write_whole
from qpv_sante.errors import StoreError
from qpv_sante.lockfile import LOCK_FILE, Lock
from qpv_sante.manifests import imports_of, tables_of
from qpv_sante.store import Pointer, Store, build_in_use

if TYPE_CHECKING:
    from qpv_sante.builds import Build

log = logging.getLogger(__name__)
PENDING = ".pending"  # in a build until it is in use: one that has it and is not was cut before


@dataclasses.dataclass(frozen=True)
class RolledBack:
    """A rollback that holds: what it left, and the producers' files that it put aside.

    Attributes
    ----------
    day : str
        Of the rollback.
    left : str
        Build that was in use before it.
    sources : mapping of str to mapping
        Of each source whose figures it changed, the SHA-256 of the files that were left, by edition.
    """

    day: str
    left: str
    sources: Mapping[str, Mapping[str, str]]

    def without(self, source: str) -> RolledBack | None:
        """The rollback as it still holds once a source was built again; None if that was the last one."""
        rest = {name: editions for name, editions in self.sources.items() if name != source}
        return dataclasses.replace(self, sources=rest) if rest else None

    def holds(self, key: str, sha256: str | None) -> bool:
        """Whether a file of an edition (`source@edition`) is the one that was put aside."""
        source, _, edition = key.partition("@")
        return sha256 is not None and self.sources.get(source, {}).get(edition) == sha256


def rolled_back(folder: Path) -> RolledBack | None:
    """The rollback by which the build in use is in use: the second line of `CURRENT`, written with the first."""
    with suppress(OSError):  # lost with its pointer: nothing is held
        return _held(Pointer.read(folder).held)
    return None


def _held(line: str) -> RolledBack | None:
    with suppress(ValueError, TypeError, AttributeError, RecursionError):
        found = RolledBack(**json.loads(line))
        return found if all(found.sources.values()) else None
    return None


def unread_rollback(folder: Path) -> str:
    """The second line of `CURRENT` if it says nothing that can be understood; blank if all is well."""
    with suppress(OSError):
        line = Pointer.read(folder).held
        return line if line and _held(line) is None else ""
    return ""


def point_to(folder: Path, name: str, held: RolledBack | None = None, imports: Mapping[str, str] | None = None) -> None:
    """Put a build in use, in one step; with the rollback that holds, and the imports that must not be lost."""
    second = json.dumps(dataclasses.asdict(held), ensure_ascii=False) if held else ""
    write_whole(folder / "CURRENT", Pointer(name, second, imports or {}).text())


def put_aside(left: Store, now: Store, day: date, before: RolledBack | None) -> RolledBack | None:
    """What a rollback from one build to another puts aside; what an earlier one did stays put aside."""
    sources: dict[str, Mapping[str, str]] = {}
    with suppress(StoreError):  # left because it is damaged: the same files may be read again
        old, new = left.declared(), now.declared()
        for source, record in old["sources"].items():
            files = _files(old, source)
            tables = [f"{table}.parquet" for table in tables_of(source, record)]
            same = all(_hash(old, name) == _hash(new, name) for name in tables)
            if files and not record.get("imported") and not (same and files == _files(new, source)):
                sources[source] = files
    if before:
        return dataclasses.replace(before, sources={**sources, **before.sources})
    return RolledBack(day.isoformat(), left.path.name, sources) if sources else None


def _hash(manifest: Mapping[str, Any], name: str) -> object:
    return manifest["files"].get(name, {}).get("sha256")


def _files(manifest: Mapping[str, Any], source: str) -> dict[str, str]:
    editions = manifest["sources"].get(source, {}).get("editions", {})
    return {name: one["sha256"] for name, one in editions.items()}


def folders(folder: Path) -> list[Path]:
    """The builds, the oldest first, those being written left out."""
    builds = folder / "builds"
    return sorted(path for path in builds.iterdir() if path.suffix != ".partial") if builds.is_dir() else []


def is_readable(path: Path) -> bool:
    """Whether a folder is a build of which the manifest, or its copy, can be read."""
    try:
        manifests.read(path)
    except StoreError:
        return False
    return True


def chain(folder: Path, name: str) -> list[str]:
    """The builds that a build was made from, the nearest first; by name where a manifest does not say."""
    names = [path.name for path in folders(folder)]
    found: list[str] = []
    while True:
        try:
            before = manifests.read(folder / "builds" / name)["previous"]
        except (StoreError, KeyError):
            before = max((one for one in names if one < name), default=None)
        if before not in names or before in found:
            return found
        found.append(before)
        name = before


def last_readable(folder: Path) -> tuple[Store | None, list[tuple[str, str]]]:
    """The build to go on from, and what was wrong with the one in use, kind and text.

    It is the one in use, or the last that can be read if that one or the pointer to it is lost.
    """
    repairs: list[tuple[str, str]] = []
    try:
        current = build_in_use(folder)
        if current:
            current.declared()
            return current, [("manifest", problem) for problem in manifests.faults(current.path).values()]
    except StoreError as error:
        log.warning("The previous build is not whole and is not reused: %s", error)
        repairs.append(("manifest_lost", str(error).removesuffix(manifests.READ_HINT).strip()))
    for path in reversed(folders(folder)):
        if is_readable(path):
            log.warning("No build is in use: going on from %s", path.name)
            return Store(path, "processed"), [*repairs, ("going_on", path.name)]
    return None, repairs


@dataclasses.dataclass(frozen=True)
class Promise:
    """The imports that a folder should have, each in the one form that may be read.

    An import belongs to the folder, not to one build: no build that is kept may have it under an older rule or licence
    than the build in use, nor have what was removed.

    Attributes
    ----------
    imports : mapping of str to str
        Fingerprint of each (see `manifests.imports_of`).
    base : Path or None
        The build in use, or the one to go on from.
    sure : bool
        Whether the pointer could be read: where it is lost, an import that only an unreadable build has is not known.
    """

    imports: Mapping[str, str]
    base: Path | None
    sure: bool


def promise(folder: Path, base: Store | None) -> Promise:
    """What the build in use has, and what its pointer says besides; the pointer alone where that build is lost."""
    said: Mapping[str, str] | None = None
    name, known = None, {}
    with suppress(OSError):
        pointer = Pointer.read(folder)
        said, name = pointer.imports, pointer.name
    with suppress(StoreError):
        known = imports_of(base.declared()) if base else {}
    path = base.path if base else None
    if said is None:
        return Promise(known, path, sure=False)
    in_use = base is not None and base.path.name == name
    return Promise({**said, **known} if in_use else said, path, sure=True)


def find_import(folder: Path, source: str, fingerprint: str) -> tuple[Path, dict[str, Any]] | None:
    """A kept build that has an import in the form asked for, whole, and its manifest; the newest first."""
    name = f"observations/{source}.parquet"
    for build in reversed(folders(folder)):
        with suppress(StoreError):
            manifest = manifests.read(build)
            whole = (build / name).is_file() and sha256_of(build / name) == _hash(manifest, name)
            if whole and imports_of(manifest).get(source) == fingerprint:
                return build, manifest
    return None


def stale_imports(build: Path, promised: Promise) -> tuple[set[str], set[str]]:
    """What an earlier build has of imports and must not have: sources of its manifest, and tables.

    Figures from before a rule was tightened, a licence changed or an import removed; and tables that a cut removal
    left. What may be the only copy of an import that should be there stays.
    """
    from qpv_sante.catalogue import core_catalogue

    if build == promised.base:
        return set(), set()
    tables = {path.stem for path in (build / "observations").glob("*.parquet")}
    absent: set[str] = set(promised.imports)
    with suppress(StoreError):
        absent -= imports_of(manifests.read(promised.base)).keys() if promised.base else set()
    try:
        manifest = manifests.read(build)
    except StoreError:  # nothing vouches for its tables; those of producers are no secret
        if not promised.sure:
            return set(), set()
        return set(), tables - core_catalogue().sources.keys() - absent
    stale = {one for one, found in imports_of(manifest).items() if promised.imports.get(one) != found}
    listed = {Path(name).stem for name in manifest["files"] if name.startswith("observations/")}
    return stale, (tables & stale) | (tables - listed - absent)


def leftovers(folder: Path) -> list[Path]:
    """What runs that were cut have left in a data folder, and that the next run takes away.

    Parameters
    ----------
    folder : Path
        Of the builds.

    Returns
    -------
    list of Path
        Builds half written or half removed, builds that were never put in use, files written aside, downloads that
        did not end, and producers' files that others have replaced.
    """
    builds, root = folder / "builds", folder.parent
    found = list(builds.glob("*.partial"))
    for build in folders(folder):
        found += [*build.glob("*.new"), *build.glob("*/*.new")]
    found += [path for path in (folder / "CURRENT.new", root / f"{LOCK_FILE}.new") if path.is_file()]
    found += [*(root / "raw").glob(".staging"), *(root / "raw").glob("*/*/.download-*")]
    return [*found, *_pending(folder), *_superseded(root, folder)]


def _pending(folder: Path) -> list[Path]:
    """Builds that are complete, to which the pointer was not moved; or the mark alone, if it was."""
    try:
        name = Pointer.read(folder).name
    except FileNotFoundError:
        name = None
    except StoreError:  # it may point to any of them
        return []
    marked = [build for build in folders(folder) if (build / PENDING).is_file()]
    return [build / PENDING if build.name == name else build for build in marked]


def _superseded(root: Path, folder: Path) -> list[Path]:
    """Raw files that an edition had under another name: beside the new one, of a hash that a build records."""
    hashes: dict[str, set[str]] = {}
    for build in folders(folder):
        with suppress(StoreError):
            for source, record in manifests.read(build)["sources"].items():
                for edition, said in record["editions"].items():
                    hashes.setdefault(f"{source}@{edition}", set()).add(said["sha256"])
    found = []
    with suppress(OSError):  # a lock file that cannot be read says nothing
        lock = Lock.load(root / LOCK_FILE)
        entries = {key: entry for key in lock.keys() if (entry := lock.get(key))}  # noqa: SIM118 - a method of Lock
        known = {entry.file for entry in entries.values()}
        for key, entry in entries.items():
            for path in (root / "raw" / entry.file).parent.glob("[!.]*"):
                unknown = path.is_file() and path.relative_to(root / "raw").as_posix() not in known
                if unknown and sha256_of(path) in hashes.get(key, ()):
                    found.append(path)
    return found


def take_imports(build: Build, folder: Path, promised: Promise) -> None:
    """Give a build the imports that it lacks, from whichever kept build has them in the right form.

    A producer's file can be read again; an imported table is the only one. A build that is kept, whatever became of
    the one in use, may have it.
    """
    for source, fingerprint in promised.imports.items():
        name = f"observations/{source}.parquet"
        if source in build.sources:
            continue
        if found := find_import(folder, source, fingerprint):
            other, manifest = found
            build.link(name, other, manifest["files"][name])
            build.record(source, manifest["sources"][source])
            build.repairs.append(("import", f"{source} ({other.name})"))
            continue
        kept = [other / name for other in reversed(folders(folder)) if (other / name).is_file()]
        build.missing_imports[source] = kept
        log.warning("The imported figures of %s cannot be used; what is left of them: %s", source, kept or "nothing")


def told_missing(build: Build, root: Path) -> Iterator[tuple[str, str, str, str]]:
    """Imported sources that no build can give any more: name, title, producer, and what to do about it."""
    for source, kept in build.missing_imports.items():
        title, producer = source, ""
        there = "; ".join(f"{path}, without a record that vouches for it" for path in kept)
        yield (
            source,
            title,
            producer,
            "the imported figures cannot be used.\n"
            f"  expected: observations/{source} in a build, with its record in the manifest\n"
            f"  got: {'a table whose hash nothing records' if kept else 'no table in any build'}\n"
            f"  kept: {there or 'nothing here; the file that was imported is yours and was not touched'}\n"
            f"  try: qpv-sante import FILE --source {source}; if they are not wanted any more: "
            f"qpv-sante import --remove {source}",
        )
