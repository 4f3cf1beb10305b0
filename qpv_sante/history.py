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
from qpv_sante.errors import CatalogueError, StoreError
from qpv_sante.manifests import tables_of
from qpv_sante.store import Store, build_in_use

if TYPE_CHECKING:
    from qpv_sante.builds import Build

log = logging.getLogger(__name__)


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
    with suppress(OSError, ValueError, TypeError, AttributeError):  # lost with its pointer: nothing is held
        lines = (folder / "CURRENT").read_text(encoding="utf-8").splitlines()
        if len(lines) > 1:
            found = RolledBack(**json.loads(lines[1]))
            return found if all(found.sources.values()) else None
    return None


def point_to(folder: Path, name: str, held: RolledBack | None = None) -> None:
    """Put a build in use, in one step; with the rollback that holds, which must not be lost on the way."""
    second = json.dumps(dataclasses.asdict(held), ensure_ascii=False) + "\n" if held else ""
    write_whole(folder / "CURRENT", f"{name}\n{second}")


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


def take_imports(build: Build, folder: Path) -> None:
    """Give a build the imported tables that it lacks, from whichever kept build records them with the right hash.

    A producer's file can be read again; an imported table is the only one. A build that is kept, whatever became of
    the one in use, may have it: `purge` took out of the earlier builds what must not come back.
    """
    from qpv_sante.imports import records  # which imports this module, through `builds`

    for path, _, _ in records.record_stamps(folder.parent):
        source, name = path.stem, f"observations/{path.stem}.parquet"
        if source in build.sources:
            continue
        kept = []
        for other in reversed(folders(folder)):
            if not (other / name).is_file():
                continue
            with suppress(StoreError):
                manifest = manifests.read(other)
                record = manifest["sources"].get(source)
                if record and sha256_of(other / name) == _hash(manifest, name):
                    build.link(name, other, manifest["files"][name])
                    build.record(source, record)
                    build.repairs.append(("import", f"{source} ({other.name})"))
                    break
            kept.append(other / name)
        else:
            build.missing_imports[source] = kept
            log.warning(
                "The imported figures of %s cannot be used; what is left of them: %s", source, kept or "nothing"
            )


def told_missing(build: Build, root: Path) -> Iterator[tuple[str, str, str, str]]:
    """Imported sources that no build can give any more: name, title, producer, and what to do about it."""
    from qpv_sante.imports import records

    for source, kept in build.missing_imports.items():
        title, producer = source, ""
        with suppress(CatalogueError, OSError):
            described = records.load_record(records.record_path(source, root)).source
            title, producer = described.title, described.producer
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
