"""Refresh: nothing new, and everything anew, against a build on the same server."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROUTED, mirror, row
from measure import run as measure

_FORGET = """
from pathlib import Path
from qpv_sante.lockfile import LOCK_FILE, Lock
import dataclasses
lock = Lock.load(Path(ROOT) / LOCK_FILE)
for key in lock.keys():
    lock.record(key, dataclasses.replace(lock.get(key), etag=None, last_modified=None, sha256="0" * 64))
lock.save()
"""


def run() -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory() as folder, mirror() as address:
        if address is None:
            return [{"measure": "refresh", "against": "skipped: no mirror beside the checkout"}]
        root = str(Path(folder) / "data")
        env = {"QPV_SANTE_DATA": root, "QPV_SANTE_MIRROR": address}
        code = f"{ROUTED}\nfrom qpv_sante.pipeline import build\nassert not build(ROUTED).failures"
        subprocess.run([sys.executable, "-c", code], env={**os.environ, **env}, check=True)
        setup = f"{ROUTED}\nfrom qpv_sante import refresh"
        [quiet] = measure("assert refresh(ROUTED).exit_code() == 0", setup=setup, env=env)
        rows = [row("refresh, nothing new, all sources", quiet, aim="under 3 s")]
        full, built = measure(
            "assert refresh(ROUTED).exit_code() == 10",
            "assert not build(ROUTED).failures",
            setup=[
                f"ROOT = {root!r}\n{_FORGET}\n{setup}",
                f"import shutil, os\n{ROUTED}\nfrom qpv_sante import build\n"
                "shutil.rmtree(os.environ['QPV_SANTE_DATA'] + '/raw', ignore_errors=True)\n"
                "os.remove(os.environ['QPV_SANTE_DATA'] + '/sources.lock.toml')",
            ],
            env=env,
        )
        rows.append(row("refresh, every file downloaded and compared", full, built, "build from nothing", "time < 1.3"))
    return rows
