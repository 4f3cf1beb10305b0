"""Readers whose libraries are not Python, in a process of their own: what stops it stops one source.

A damaged workbook can make its reader abort, a damaged layer of outlines can end in a segmentation fault, and either
can ask for more memory than there is: no `except` holds that. The reader runs in a child, within limits of both.
One child serves a whole run; it ends with its parent, or when nothing is asked of it for a while. Tables come back as
Parquet and JSON: nothing that the child sends is run.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from qpv_sante import errors
from qpv_sante.errors import QpvSanteError, RefusedContentError

if TYPE_CHECKING:
    from qpv_sante.catalogue import Source, Vintage
    from qpv_sante.download import RawFile
    from qpv_sante.readers import Tables

log = logging.getLogger(__name__)

NATIVE = frozenset({"wide_workbook", "code_workbook", "answer_sheets", "perimeters", "code_geojson"})
READ_SECONDS = 300.0  # for one file; the largest takes less than ten
READ_BYTES = 4 << 30  # memory of the child
IDLE_SECONDS = 60.0
_SERVE = "from qpv_sante.readers.apart import serve; serve()"
_guard = threading.Lock()
_child: _Child | None = None


def read(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """Read a file in the child.

    Parameters
    ----------
    source, vintage, raw : Source, Vintage, RawFile
        As readers take them.

    Returns
    -------
    Tables

    Raises
    ------
    QpvSanteError
        What the reader raised there; the child stopped, or did not end in time.
    """
    global _child
    with _guard:
        if _child is None or not _child.alive:
            _child = _Child()
        try:
            return _child.read(source, vintage, raw)
        except BaseException as error:  # what is left of an exchange would be taken for the answer to the next
            if not isinstance(error, QpvSanteError) or isinstance(error, RefusedContentError):
                _child.end()
            raise


def start() -> None:
    """Have the child ready by the time a file is there: it imports its libraries meanwhile."""
    global _child
    with _guard:
        if _child is None or not _child.alive:
            _child = _Child()


class _Child:
    """The process that reads, as seen from here."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process that writes in it
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(  # noqa: S603 - the command is ours, whole
            [sys.executable, "-P", "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            env={**os.environ, "PYTHONPATH": paths},
        )
        atexit.register(self.end)

    @property
    def alive(self) -> bool:
        """Whether it can be asked: a process that was forked off has no child of its own."""
        return self.owner == os.getpid() and self.process.poll() is None

    def end(self) -> None:
        """Stop it at once."""
        if self.owner == os.getpid():
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                with contextlib.suppress(OSError):
                    stream.close()  # type: ignore[union-attr]
            self.said.close()
        atexit.unregister(self.end)

    def read(self, source: Source, vintage: Vintage, raw: RawFile) -> Tables:
        """Ask for a file, and wait for its tables."""
        import msgspec

        where = source.key(vintage)
        with tempfile.TemporaryDirectory(prefix="qpv-sante-") as folder:
            asked = {
                "source": msgspec.to_builtins(source),
                "vintage": vintage.id,
                "raw": {**asdict(raw), "path": str(raw.path)},
                "folder": folder,
                "environment": {name: text for name, text in os.environ.items() if name.startswith("QPV_SANTE_")},
            }
            late = threading.Event()

            def stop() -> None:
                late.set()
                self.process.kill()

            timer = threading.Timer(READ_SECONDS, stop)
            timer.daemon = True
            timer.start()
            try:
                line = self._exchange(json.dumps(asked))
            finally:
                timer.cancel()
            if not line:
                raise RefusedContentError(
                    f"{where}: the file could not be read.\n"
                    f"  expected: tables, within {READ_SECONDS:.0f} s and {READ_BYTES >> 20} MB of memory\n"
                    f"  got: {'no end in that time' if late.is_set() else self._death()}\n"
                    "  try: look at the file; it is damaged, or made to stop whoever opens it"
                )
            answer = json.loads(line)
            if "error" in answer:
                raise _raised(answer)
            return _taken(Path(folder), answer)

    def _exchange(self, asked: str) -> bytes:
        try:
            assert self.process.stdin is not None and self.process.stdout is not None  # noqa: S101 - typing
            self.process.stdin.write(asked.encode() + b"\n")
            self.process.stdin.flush()
            return self.process.stdout.readline()
        except (OSError, ValueError):  # it is gone
            return b""

    def _death(self) -> str:
        """How the process ended, with the last of what it said."""
        code = self.process.wait()
        self.said.seek(0)
        last = self.said.read().decode("utf-8", errors="replace").strip().splitlines()[-1:]
        how = f"signal {-code}" if code < 0 else f"code {code}"
        return f"the library that reads such files stopped its process ({how}){': ' + last[0][:200] if last else ''}"


def _raised(answer: dict[str, Any]) -> QpvSanteError:
    """The error of the child, of its own class where that is ours."""
    kind = getattr(errors, answer["error"], None)
    if isinstance(kind, type) and issubclass(kind, QpvSanteError):
        return kind(answer["told"])
    return QpvSanteError(f"{answer['error']}: {answer['told']}")


def _taken(folder: Path, answer: dict[str, Any]) -> Tables:
    """The tables that the child wrote."""
    import geopandas as gpd
    import pandas as pd

    from qpv_sante.readers import Tables

    return Tables(
        observations=pd.read_parquet(folder / "observations.parquet") if answer["observations"] else None,
        zones={name: gpd.read_parquet(folder / file) for name, file in answer["zones"].items()},
        codes={name: pd.read_parquet(folder / file) for name, file in answer["codes"].items()},
        counts=answer["counts"],
        names=answer["names"],
    )


# --- in the child ------------------------------------------------------------------------------------------------


def serve() -> None:
    """Read the files that are asked for, one a line, until there is no parent or nothing is asked for a while."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # libraries print: not into the answers
    _limit()
    import geopandas
    import pyogrio
    import python_calamine  # noqa: F401 - all of them before the first file is there

    _ = (geopandas, pyogrio)
    while line := _asked(sys.stdin.buffer):
        answers.write(json.dumps(_answer(json.loads(line))).encode() + b"\n")
        answers.flush()
    os._exit(0)


def _asked(stream: IO[bytes]) -> bytes:
    """The next line; nothing when the time is over."""
    timer = threading.Timer(IDLE_SECONDS, os._exit, (0,))
    timer.daemon = True
    timer.start()
    try:
        return stream.readline()
    finally:
        timer.cancel()


def _limit() -> None:
    """Bound the memory of this process, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (READ_BYTES, READ_BYTES))


def _answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Read one file; the answer says what was written, or what was raised."""
    import msgspec

    from qpv_sante.catalogue import Source
    from qpv_sante.download import RawFile
    from qpv_sante.readers import get_reader

    for name in [name for name in os.environ if name.startswith("QPV_SANTE_")]:
        del os.environ[name]
    os.environ.update(asked["environment"])
    try:
        source = msgspec.convert(asked["source"], Source)
        raw = RawFile(**{**asked["raw"], "path": Path(asked["raw"]["path"])})
        found = get_reader(source.reader)(source, source.get_vintage(asked["vintage"]), raw)
        return _written(found, Path(asked["folder"]))
    except Exception as error:  # broad on purpose: it is told and raised again where it was asked
        return {"error": type(error).__name__, "told": str(error)}


def _written(found: Tables, folder: Path) -> dict[str, Any]:
    if found.observations is not None:
        found.observations.to_parquet(folder / "observations.parquet", index=False, compression=None)
    files: dict[str, dict[str, str]] = {"zones": {}, "codes": {}}
    for kind, tables in (("zones", found.zones), ("codes", found.codes)):
        for number, (name, table) in enumerate(tables.items()):
            files[kind][name] = f"{kind}-{number}.parquet"
            table.to_parquet(folder / files[kind][name], index=False, compression=None)
    return {"observations": found.observations is not None, **files, "counts": found.counts, "names": found.names}
