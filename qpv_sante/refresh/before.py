"""What new files are held against: the tables in use, or those of the embedded snapshot where nothing was built yet.

The snapshot says of each producer's file which one it was made of. A file of the same hash is known; another one is
told, and its figures are held against those of the snapshot as a refresh holds them against those in use.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante import store
from qpv_sante.catalogue import Source, Tolerance, core_catalogue
from qpv_sante.errors import DownloadError, DriftError, StoreError
from qpv_sante.lockfile import LOCK_FILE, Lock
from qpv_sante.refresh.drift import find_drift

if TYPE_CHECKING:
    from qpv_sante.builds import Build
    from qpv_sante.refresh.evidence import Drift


def embedded() -> store.Store | None:
    """The embedded snapshot, if it is there and whole."""
    found = store.Store(store.snapshot_dir(), "snapshot")
    try:
        return found if found.manifest else None
    except StoreError:
        return None


def unfamiliar(hashes: Mapping[str, str]) -> list[str]:
    """Editions that the snapshot knows, with another file than the one that it was made of.

    Parameters
    ----------
    hashes : mapping of str to str
        SHA-256 of the files, by edition (`source@edition`).
    """
    snapshot = embedded()
    if snapshot is None:
        return []
    try:
        known = Lock.load(snapshot.path / LOCK_FILE)
    except DownloadError:  # without it, no file is known, and the figures are compared
        return list(hashes)
    return [key for key, sha256 in hashes.items() if (entry := known.get(key)) and entry.sha256 != sha256]


def tables_before(target: Build, names: Iterable[str], *, snapshot: bool) -> tuple[dict[str, pd.DataFrame], set[str]]:
    """Tables that a build has by now, and those of the snapshot in place of what it has not.

    Parameters
    ----------
    target : Build
    names : iterable of str
        In the store: `observations/x`, `zones/x`, `codes/x`.
    snapshot : bool
        Whether the snapshot stands in.

    Returns
    -------
    tables : dict of str to DataFrame
    embedded : set of str
        The names of those that are the snapshot's.
    """
    names = list(names)
    own = store.Store(target.path, "processed")
    tables = {name: own.table(name) for name in names if target.holds(name)}
    other = embedded() if snapshot else None
    found = {name: other.table(name) for name in names if name not in tables and other.has(name)} if other else {}
    return {**tables, **found}, set(found)


def declared(source: Source, tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """What the catalogue still declares of a source: what the package no longer reads is not a producer's doing."""
    figures, kept = f"observations/{source.id}", dict(tables)
    if figures in kept:
        frame = kept[figures]
        editions = [source.key(vintage) for vintage in source.vintage]
        still = frame["source"].isin(editions) & frame["indicator"].isin(list(core_catalogue().indicators))
        kept[figures] = frame[still]
    return kept


def check_source(
    target: Build, source: Source, tables: Mapping[str, pd.DataFrame], hashes: Mapping[str, str]
) -> list[str]:
    """Refuse files whose figures are too far from those in use, or from the snapshot's where nothing is in use.

    Parameters
    ----------
    target : Build
        That goes on from what is in use.
    source : Source
    tables : mapping of str to DataFrame
        As they were read.
    hashes : mapping of str to str
        SHA-256 of the files, by edition (`source@edition`).

    Returns
    -------
    list of str
        Editions of which the file is not the one that the snapshot was made of, where nothing is in use.

    Raises
    ------
    DriftError
    """
    record = target.sources.get(source.id)
    if record:
        used = {source.key(name): edition["sha256"] for name, edition in record["editions"].items()}
        others = [key for key, sha256 in hashes.items() if used.get(key) != sha256]
    else:
        others = unfamiliar(hashes)
    if others:
        before, embedded_names = tables_before(target, tables, snapshot=record is None)
        before = declared(source, before)
        refuse(find_drift(before, tables, source.tolerance, snapshot=embedded_names), source.id)
    return [] if record else others


def check_territories(target: Build, tables: Mapping[str, pd.DataFrame], made_before: bool) -> None:
    """Refuse tables of territories that are too far from those in use, or from the snapshot's.

    Parameters
    ----------
    target : Build
    tables : mapping of str to DataFrame
        By name in the store.
    made_before : bool
        Whether the build has such tables already.

    Raises
    ------
    DriftError
    """
    hashes = {
        f"{source}@{name}": edition["sha256"]
        for source, record in target.sources.items()
        for name, edition in record["editions"].items()
        if "sha256" in edition
    }
    if made_before or unfamiliar(hashes):
        before, embedded_names = tables_before(target, tables, snapshot=not made_before)
        refuse(find_drift(before, tables, Tolerance(), snapshot=embedded_names), "territories")


def refuse(drift: Collection[Drift], name: str) -> None:
    """Raise what speaks against the new figures, if anything does."""
    if drift:
        alone = "" if name == "territories" else f"--source {name} "
        raise DriftError(
            "the new files are not like those in use or those of the package's snapshot, and were put aside\n- "
            + "\n- ".join(map(str, drift))
            + f"\nIf the producer meant it: qpv-sante refresh {alone}--accept {name}, or qpv-sante build "
            "--accept-changes",
            drift,
        )
