"""Import, load, build and the main job, against the bare libraries on the same files."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import ROUTED, mirror, row
from measure import run as measure

_BARE_READ = """
import io, zipfile
from pathlib import Path
import pandas as pd, pyogrio, python_calamine
for path in sorted(Path(RAW).rglob("*")):
    if not path.is_file():
        continue
    if path.suffix == ".zip":
        names = zipfile.ZipFile(path).namelist()
    else:
        names = [None]
    for name in names:
        suffix = Path(name or path.name).suffix.lower()
        source = zipfile.ZipFile(path).open(name) if name else path.open("rb")
        if suffix == ".csv":
            data = source.read()
            first = data[:2000].split(b"\\n")[0]
            pd.read_csv(io.BytesIO(data), sep=";" if first.count(b";") > first.count(b",") else ",", dtype=str)
        elif suffix in (".xls", ".xlsx"):
            book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(source.read()))
            for sheet in book.sheet_names:
                pd.DataFrame(book.get_sheet_by_name(sheet).to_python())
        elif suffix in (".shp", ".geojson"):
            pyogrio.read_dataframe(f"/vsizip/{path}/{name}" if name else path)
"""


def run() -> list[dict[str, object]]:
    ours, bare = measure("import qpv_sante", "import geopandas", repeat=9)
    rows = [row("import qpv_sante", ours, bare, "import geopandas", "time < 1.2")]
    setup = """
        import pandas as pd, qpv_sante as qs
        from qpv_sante import store
        path = store.snapshot_dir() / "observations" / "insee_filosofi_qpv.parquet"
        asked = dict(geo_level="qpv", geo_vintage=2015, year=2019)
        columns = list(qs.load_observations("poverty_rate", **asked).columns)
        pd.read_parquet(path, columns=columns)
    """
    ours, bare = measure(
        'for _ in range(50): qs.load_observations("poverty_rate", **asked)',
        "for _ in range(50): pd.read_parquet(path, columns=columns)",
        setup=setup,
    )
    rows.append(row("load_observations, 50 times", ours, bare, "pandas.read_parquet, same columns", "time < 1.5"))
    with tempfile.TemporaryDirectory() as folder:
        rows += _build(Path(folder))
        [job] = measure(
            f"list(run(Path({folder!r}) / 'output'))", setup="from pathlib import Path; from qpv_sante.demo import run"
        )
    rows.append(row("main job (demo)", job, aim="under 10 s"))
    return rows


def _build(folder: Path) -> list[dict[str, object]]:
    with mirror() as address:
        if address is None:
            return [{"measure": "build", "against": "skipped: no mirror beside the checkout"}]
        env = {"QPV_SANTE_DATA": str(folder / "data"), "QPV_SANTE_MIRROR": address}
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"{ROUTED}\nfrom qpv_sante.pipeline import build\nassert not build(ROUTED).failures",
            ],
            check=True,
            env={**os.environ, **env},
        )
    raw = f"RAW = {str(folder / 'data' / 'raw')!r}"
    ours, bare = measure(
        "build(ROUTED, offline=True)",
        _BARE_READ,
        setup=[f"{ROUTED}\nfrom qpv_sante.pipeline import build", raw],
        env=env,
    )
    return [row("build from a warm data/raw", ours, bare, "bare pandas and pyogrio", "time < 2, MB < 1000")]
