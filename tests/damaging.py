"""Bits that flip in a data folder, one at a time, and what a reader is then given.

Held: the figures of the build, as they were. Told: those of the snapshot or an error of the package, and `verify` names
what is damaged. Lost: another figure, an error of Python, or a damage that `verify` calls sound.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from qpv_sante import lockfile, store
from qpv_sante.catalogue import catalogue
from qpv_sante.errors import QpvSanteError
from qpv_sante.integrity import verify

KINDS: dict[str, Callable[[Path], list[Path]]] = {
    "table": lambda root: sorted(_in_use(root).glob("*/*.parquet")),
    "manifest": lambda root: sorted(_in_use(root).glob("manifest*.json")),
    "pointer": lambda root: [root / "processed" / "CURRENT"],
    "lock": lambda root: [root / lockfile.LOCK_FILE],
}


def _in_use(root: Path) -> Path:
    current = store.build_in_use(root / "processed")
    assert current is not None
    return current.path


@dataclass(frozen=True)
class Flip:
    """One bit that flipped."""

    kind: str
    where: str
    outcome: str
    problem: str


def flip(path: Path, at: int, bit: int) -> None:
    """Change one bit: neither the size nor the date of the file tells, and other builds keep their own."""
    state, raw = path.stat(), bytearray(path.read_bytes())
    raw[at] ^= 1 << bit
    path.unlink()
    path.write_bytes(raw)
    path.chmod(state.st_mode & 0o777)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def forget() -> None:
    """What a process remembers of the files that it has read: the next reading is that of another process."""
    for cached in (store._manifest, store._hashes, store._damage, store._tell_once):
        cached.cache_clear()
    catalogue.cache_clear()  # type: ignore[attr-defined]


def reading(root: Path, names: list[str]) -> dict[str, tuple[str, Any]]:
    """Every table that a user may ask for, and the store that it came from; an error of the package in its place."""
    forget()
    found: dict[str, tuple[str, Any]] = {}
    for name in names:
        try:
            origin = store.find_store(name, root)
            found[name] = (origin.kind, origin.table(name))
        except QpvSanteError as error:
            found[name] = ("error", str(error))
    records = {name: source for name, source in catalogue().sources.items() if source.imported}
    found["catalogue"] = ("processed", records) if records else ("none", None)
    return found


def _same(one: Any, other: Any) -> bool:
    return bool(one.equals(other)) if isinstance(one, pd.DataFrame) else one == other


def flips(source: Path, work: Path, draw: random.Random, number: int) -> Iterator[Flip]:
    """Flip bits drawn at random in each kind of file of copies of a data folder, and read.

    Parameters
    ----------
    source : Path
        A data folder with a build in use; it is not changed. `QPV_SANTE_DATA` must name `work / "data"`.
    work : Path
        Where the copy goes.
    draw : Random
    number : int
        Of flips, as many of each kind of file.

    Yields
    ------
    Flip
    """
    root = work / "data"
    shutil.copytree(source, root)
    manifest = store.Store(_in_use(root), "processed").manifest
    names = [name.removesuffix(".parquet") for name in manifest["files"]]
    assert verify(root).sound, "what is told of a flip must be of the flip"
    truth = reading(root, names)
    small = [name for name in names if name.startswith(("observations/", "codes/"))]
    embedded = store.Store(store.snapshot_dir(), "snapshot")
    shown = {name: embedded.table(name) for name in names if embedded.has(name)}
    for turn in range(number):
        kind = list(KINDS)[turn % len(KINDS)]
        path = draw.choice(KINDS[kind](root))
        at, bit, good = draw.randrange(path.stat().st_size), draw.randrange(8), path.read_bytes()
        where = f"{path.relative_to(root)} byte {at} bit {bit}"
        flip(path, at, bit)
        try:
            # the table itself if it is one, and a few others: what is wrong elsewhere shows in these
            own = [path.relative_to(_in_use(root)).with_suffix("").as_posix()] if kind == "table" else []
            some = sorted({*own, *draw.sample(small, 3)})
            yield Flip(kind, where, *_judged(root, some, truth, shown))
        finally:
            path.write_bytes(good)


def _judged(root: Path, names: list[str], truth: dict[str, Any], shown: dict[str, Any]) -> tuple[str, str]:
    try:
        found, checked = reading(root, names), verify(root)
    except Exception as error:  # what must not come out of the package
        return "lost", f"{type(error).__name__}: {error}"
    changed = []
    for name, (kind, content) in found.items():
        if kind == truth[name][0] and _same(content, truth[name][1]):
            continue
        changed.append(name)
        if kind == "processed" or (kind == "snapshot" and not _same(content, shown[name])):
            return "lost", f"{name}: another figure, from the {kind}"
    if changed and checked.sound:
        return "lost", f"{', '.join(changed)} not served, and verify calls all sound"
    return ("told", "") if changed or not checked.sound else ("held", "")
