"""The manifest of a build: sealed with its own hash and written twice, so that damage is found and costs nothing.

manifest.json        what was read, counted and written, with hashes
manifest.copy.json   the same, read where the first one is damaged
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from qpv_sante.content import read_regular
from qpv_sante.durable import write_whole
from qpv_sante.errors import StoreError

log = logging.getLogger(__name__)
FORMAT = 1
NAME, COPY = "manifest.json", "manifest.copy.json"
MAX_BYTES = 64 << 20  # of a manifest, and of the pointer beside the builds
READ_HINT = "Run `qpv-sante refresh`, which repairs it, or use the embedded snapshot by removing this folder."
_KEYS = ("format", "created", "sources", "files")


def write(folder: Path, content: Mapping[str, Any], *, copied: bool = True) -> None:
    """Seal a manifest and write it, last in its folder.

    Parameters
    ----------
    folder : Path
        Of the build.
    content : mapping
        The manifest; a seal that it bears is replaced.
    copied : bool
        Write the copy as well; the package's snapshot has none, as the package can be installed again.

    Raises
    ------
    OSError
        The previous manifest is then untouched.
    """
    text = json.dumps({**content, "seal": _seal(content)}, ensure_ascii=False, indent=1) + "\n"
    for name in (COPY, NAME) if copied else (NAME,):
        write_whole(folder / name, text)


def read(folder: Path) -> dict[str, Any]:
    """The manifest of a build as it was written: from its copy if the first one is damaged.

    Raises
    ------
    StoreError
        Neither can be used; the message is about the first.
    """
    try:
        return load(folder / NAME)
    except StoreError as error:
        try:
            manifest = load(folder / COPY)
        except StoreError:
            raise error from None
        log.warning("%s The copy beside it is used.", error)
        return manifest


def load(path: Path) -> dict[str, Any]:
    """One of the two files, checked: its form, and the seal if it bears one.

    Raises
    ------
    StoreError
        Absent, damaged, altered, or of another format.
    """
    try:
        manifest: Any = json.loads(read_regular(path, MAX_BYTES).decode("utf-8"))
    except FileNotFoundError as error:
        raise StoreError(f"No manifest in {path.parent}. {READ_HINT}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: {error}. {READ_HINT}") from error
    if absent := [key for key in _KEYS if not isinstance(manifest, dict) or key not in manifest]:
        raise StoreError(f"{path} is damaged: it lacks {', '.join(absent)}. {READ_HINT}")
    if manifest["format"] != FORMAT:
        raise StoreError(f"{path}: format {manifest['format']}, expected {FORMAT}. {READ_HINT}")
    try:
        _check_form(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path} is damaged: {type(error).__name__}: {error}. {READ_HINT}") from error
    if "seal" in manifest and manifest["seal"] != _seal(manifest):
        raise StoreError(f"{path} is damaged: it was altered after it was written. {READ_HINT}")
    return dict(manifest)


def faults(folder: Path) -> dict[str, str]:
    """What is wrong with the two files of a build, by name; a build of before the copies needs none."""
    found = {}
    for name in (NAME, COPY):
        try:
            load(folder / name)
        except StoreError as error:
            found[name] = str(error).removesuffix(READ_HINT).strip()
    if COPY in found and NAME not in found and "seal" not in load(folder / NAME):
        del found[COPY]
    return found


def stamp(folder: Path) -> tuple[int | None, ...]:
    """When the two files were written: a manifest that was read holds as long as this stays."""
    paths = (folder / NAME, folder / COPY)
    return tuple(path.stat().st_mtime_ns if path.is_file() else None for path in paths)


def tables_of(source: str, record: Mapping[str, Any]) -> list[str]:
    """Tables that a source has in the store: imports and the first builds did not list them."""
    return list(record.get("tables", [f"observations/{source}"]))


def imports_of(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Imported sources of a build, each with the fingerprint of its figures, its record and its secrecy rules."""
    found = {}
    for source, record in manifest["sources"].items():
        if record.get("imported"):
            tables = [f"{table}.parquet" for table in tables_of(source, record)]
            hashes = [manifest["files"].get(name, {}).get("sha256") for name in tables]
            said = {"record": record.get("record"), "editions": record["editions"], "tables": hashes}
            found[source] = digest(said)
    return found


def restriction_of(record: Mapping[str, Any]) -> str:
    """Restriction notice of a source, as its build records it; blank for what anybody may read."""
    described = record.get("record") or {}
    return str(described.get("source", {}).get("restriction", ""))


def facts(path: Path) -> dict[str, int]:
    """Size and number of rows of a table, from the file itself."""
    import pyarrow.parquet as pq

    return {"bytes": path.stat().st_size, "rows": pq.read_metadata(path).num_rows}


def contradictions(
    manifest: Mapping[str, Any], folder: Path, sound: Collection[str], *, whole: bool = True
) -> Iterator[tuple[str, str, str]]:
    """What a manifest says, and its own files or its other records do not.

    Parameters
    ----------
    manifest : mapping
        As `read` gives it.
    folder : Path
        Of its files.
    sound : collection of str
        Names of the files of which the hash is the recorded one: the others are told as damaged, and not looked at.
    whole : bool
        Every source must have its tables, and every table its source; the snapshot leaves out what it does not need.

    Yields
    ------
    tuple of str
        File or source, what the manifest says, what is found.
    """
    files = manifest["files"]
    for name in (name for name in files if name in sound):
        for what, number in facts(folder / name).items():
            if files[name].get(what) != number:
                yield name, f"{files[name].get(what)} {what}", f"{number} {what}"
    listed = set()
    for source, record in manifest["sources"].items():
        tables = [f"{table}.parquet" for table in tables_of(source, record)]
        listed.update(tables)
        absent = [name for name in tables if name not in files]
        if absent and whole:
            yield source, ", ".join(absent), "not among the files"
        if not absent and all(name in sound for name in tables) and "rows" in record:
            rows = sum(facts(folder / name)["rows"] for name in tables)
            if record["rows"] != rows:
                yield source, f"{record['rows']} rows", f"{rows} rows"
    for name in files if whole else ():
        if name not in listed:
            yield name, "a source that lists it", "none"


def _seal(manifest: Mapping[str, Any]) -> str:
    return digest({name: value for name, value in manifest.items() if name != "seal"})


def digest(content: object) -> str:
    """SHA-256 of what can be written as JSON, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _check_form(manifest: Mapping[str, Any]) -> None:
    for record in manifest["files"].values():
        if not isinstance(record["sha256"], str):
            raise TypeError("a hash that is not text")
        if not isinstance(record["bytes"], int) or not isinstance(record["rows"], int):
            raise TypeError("a size or a number of rows that is not a whole number")
    for record in manifest["sources"].values():
        if not isinstance(record.get("tables", []), list):
            raise TypeError("tables that are not a list")
        if not isinstance(record.get("record", {}).get("source", {}), dict):
            raise TypeError("a record of an import that is not a table")
        for edition in record["editions"].values():
            if not isinstance(edition["sha256"], str):
                raise TypeError("a hash that is not text")
