"""Areal weights against geopandas.overlay and tobler: time, peak memory, equality, growth.

Each measure is a process of its own, so that memory is that of one method. Inputs are read from files before
the clock starts. The references take polygons, so for the grid their time is given with and without the
building of the boxes: the input of all is a table of cells.

    python benchmarks/areal.py
"""

from __future__ import annotations

import gc
import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUARTERS = 1300
CELLS = 2_300_000
GROWTH = (100_000, 1_000_000, 10_000_000)
TOLERANCE = 1e-6
SHARED = Path(__file__).resolve().parents[2] / "shared" / "mirror" / "context" / "derived"
REGIONS = [SHARED / f"iris2020_{region}.geojson" for region in ("hauts_de_france", "occitanie")]
METHODS = ("qpv_sante", "overlay", "tobler")
# Extent of metropolitan France in EPSG:3035, in cells of 200 m
WEST, SOUTH, COLUMNS, ROWS = 3_200_000, 2_000_000, 5_500, 5_500


def run(*, growth: bool = True) -> list[dict[str, Any]]:
    """Measure everything; one row per case and method, with ratios to the better of the references."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        worker("prepare", folder, str(CELLS))
        cases = ["grid"]
        if all(path.exists() for path in REGIONS):
            worker("prepare-iris", folder, *map(str, REGIONS))
            cases.insert(0, "iris")
        else:
            print(f"IRIS skipped: {REGIONS[0].name} and {REGIONS[1].name} are not in {SHARED}.", file=sys.stderr)
        for case in cases:
            measured = [worker("measure", folder, case, method) for method in METHODS]
            rows += compared(case, measured)
        for number in GROWTH if growth else ():
            worker("prepare", folder, str(number))
            rows.append({"case": f"growth {number:.0e}", **worker("measure", folder, "grid", "qpv_sante")})
    for row in rows:
        row.pop("totals", None)
    return rows


def compared(case: str, measured: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ratios of the best reference to the package, and the largest difference of the targets' totals."""
    ours, *others = measured
    faster = min(other["seconds"] for other in others)
    bare = min(other["seconds"] - other["building"] for other in others)
    for row in measured:
        shared = [(value, row["totals"].get(code, 0.0)) for code, value in ours["totals"].items()]
        row["difference"] = max(abs(a - b) / max(abs(a), 1e-9) for a, b in shared if max(a, b) > 1e-6)
        row["case"] = case
    ours["times_faster"] = faster / ours["seconds"]
    ours["times_faster_boxes_given"] = bare / ours["seconds"]
    ours["memory_ratio"] = ours["peak_mb"] / min(other["peak_mb"] for other in others)
    ours["added_ratio"] = ours["added_mb"] / min(other["added_mb"] for other in others)
    return measured


def worker(*arguments: str) -> dict[str, Any]:
    """Run a step in a process of its own and read what it prints."""
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout.strip() else {}


def quarters() -> Any:
    """1,300 QPV outlines of the store; generated ones where there is no store."""
    import geopandas as gpd
    import numpy as np
    from shapely import Polygon

    from qpv_sante.errors import QpvSanteError
    from qpv_sante.loading import load_zones

    try:
        zones = load_zones("qpv", vintage=2024)
    except (QpvSanteError, OSError):
        random = np.random.default_rng(1)
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        shapes = []
        for x, y in zip(random.uniform(3.3e6, 4.1e6, QUARTERS), random.uniform(2.2e6, 3.0e6, QUARTERS), strict=True):
            radius = random.uniform(150, 500) * random.uniform(0.6, 1.4, len(turn))
            shapes.append(Polygon(np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)])))
        codes = [f"QN{index:05d}" for index in range(QUARTERS)]
        return gpd.GeoDataFrame({"geo_code": codes}, geometry=shapes, crs=3035).to_crs(4326)
    metropolitan = zones[zones["department"].str.len() < 3].dropna(subset="geometry")
    # regions of the IRIS first: they must be among the 1,300
    order = metropolitan["region"].isin(["32", "76"]).sort_values(ascending=False, kind="stable").index
    kept = metropolitan.loc[order, ["geo_code", "geometry"]].head(QUARTERS)
    return kept.assign(geometry=kept.make_valid())


def prepare(folder: Path, number: int) -> None:
    """A table of cells over France: every cell near a QPV, then others at random."""
    import numpy as np
    import pandas as pd
    import shapely

    zones = quarters()
    zones.to_parquet(folder / "targets.parquet")
    bounds = shapely.bounds(zones.to_crs(3035).geometry.to_numpy())
    near: set[int] = set()
    for low_x, low_y, high_x, high_y in (bounds - np.tile([WEST, SOUTH], 2)) // 200:
        columns, rows = np.arange(low_x, high_x + 1), np.arange(low_y, high_y + 1)
        near.update((rows[:, None] * COLUMNS + columns).astype(int).ravel().tolist())
    random = np.random.default_rng(0)
    keys = np.fromiter(near, dtype=np.int64)
    others = np.setdiff1d(np.arange(COLUMNS * ROWS, dtype=np.int32), keys.astype(np.int32))
    keys = np.concatenate([keys, random.choice(others, max(number - len(keys), 0), replace=False)])[:number]
    random.shuffle(keys)
    north = pd.Series(SOUTH + 200 * (keys // COLUMNS)).astype(str)
    east = pd.Series(WEST + 200 * (keys % COLUMNS)).astype(str)
    people = random.poisson(25, len(keys)).astype(float)
    cells = pd.DataFrame({"idcar_200m": "CRS3035RES200mN" + north + "E" + east, "people": people})
    cells.to_parquet(folder / "cells.parquet")


def prepare_iris(folder: Path, paths: list[str]) -> None:
    """The IRIS of two regions with a number of people."""
    import geopandas as gpd
    import numpy as np
    import pandas as pd

    iris = pd.concat([gpd.read_file(path) for path in paths], ignore_index=True)
    iris["people"] = np.random.default_rng(2).poisson(2_000, len(iris)).astype(float)
    iris[["CODE_IRIS", "people", "geometry"]].to_parquet(folder / "iris.parquet")


def measure(folder: Path, case: str, method: str) -> dict[str, Any]:
    """Seconds, peak memory and totals per target of one method."""
    import geopandas as gpd
    import pandas as pd
    import pyarrow as pa

    targets = gpd.read_parquet(folder / "targets.parquet")
    table = pd.read_parquet(folder / "cells.parquet") if case == "grid" else gpd.read_parquet(folder / "iris.parquet")
    methods: dict[str, Callable[..., tuple[pd.Series, float]]] = {
        "qpv_sante": ours,
        "overlay": by_overlay,
        "tobler": by_tobler,
    }
    if method == "tobler":
        importlib.import_module("tobler.area_weighted")  # not what is measured
    if method == "qpv_sante":
        importlib.import_module("qpv_sante.areal")
    gc.collect()
    pa.default_memory_pool().release_unused()  # what reading the files left behind
    before = memory("VmRSS")
    reset_peak()
    start = time.perf_counter()
    totals, building = methods[method](case, table, targets)
    seconds = time.perf_counter() - start
    peak = memory("VmHWM")
    return {
        "method": method,
        "seconds": seconds,
        "building": building,
        "peak_mb": peak,
        "added_mb": peak - before,
        "totals": totals[totals > 0].to_dict(),
    }


def ours(case: str, table: Any, targets: Any) -> tuple[Any, float]:
    from qpv_sante.areal import areal_weights, grid_weights

    if case == "grid":
        weights = grid_weights(table, targets, people="people")
    else:
        weights = areal_weights(table, targets, source_id="CODE_IRIS", source_population="people")
    return weights.groupby("target_code")["people"].sum(), 0.0


def polygons(case: str, table: Any, targets: Any) -> tuple[Any, Any, float]:
    """What the references need: polygons, in one projected system."""
    import geopandas as gpd
    import shapely

    if case != "grid":
        zones = targets.to_crs(2154)
        return table.to_crs(2154), zones.assign(geometry=zones.make_valid()), 0.0
    start = time.perf_counter()
    parts = table["idcar_200m"].str.extract(r"N(\d+)E(\d+)$").astype("int64").to_numpy()
    boxes = shapely.box(parts[:, 1], parts[:, 0], parts[:, 1] + 200, parts[:, 0] + 200)
    cells = gpd.GeoDataFrame(table, geometry=boxes, crs=3035)
    building = time.perf_counter() - start
    zones = targets.to_crs(3035)
    return cells, zones.assign(geometry=zones.make_valid()), building


def by_overlay(case: str, table: Any, targets: Any) -> tuple[Any, float]:
    import geopandas as gpd

    sources, zones, building = polygons(case, table, targets)
    sources["whole"] = sources.area
    cut = gpd.overlay(sources, zones, how="intersection", keep_geom_type=True)
    return (cut["people"] * cut.area / cut["whole"]).groupby(cut["geo_code"]).sum(), building


def by_tobler(case: str, table: Any, targets: Any) -> tuple[Any, float]:
    area_interpolate = importlib.import_module("tobler.area_weighted").area_interpolate
    sources, zones, building = polygons(case, table, targets)
    # its default gives all of a source to the targets that it meets: far too many people
    found = area_interpolate(sources, zones, extensive_variables=["people"], allocate_total=False)
    return found["people"].set_axis(zones["geo_code"].to_numpy()), building


def memory(field: str) -> float:
    """Memory of this process in MB: VmRSS now, VmHWM at its peak.

    The kernel's VmHWM is preferred to `getrusage`, which counts that of the parent before the program starts.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def reset_peak() -> None:
    """Forget the peak of what was read before, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table of results and the ratios."""
    print(f"{'case':<14}{'method':<12}{'seconds':>9}{'of boxes':>10}{'peak MB':>9}{'added MB':>10}{'difference':>12}")
    for row in rows:
        difference = f"{row['difference']:.1e}" if "difference" in row else ""
        print(
            f"{row['case']:<14}{row['method']:<12}{row['seconds']:>9.2f}{row['building']:>10.2f}"
            f"{row['peak_mb']:>9.0f}{row['added_mb']:>10.0f}{difference:>12}"
        )
    for row in rows:
        if "times_faster" in row:
            print(
                f"{row['case']}: {row['times_faster']:.1f} times faster than the better reference "
                f"({row['times_faster_boxes_given']:.1f} were the boxes given), {row['memory_ratio']:.2f} of its peak "
                f"memory, {row['added_ratio']:.2f} of what it adds to the inputs; "
                f"equal to {TOLERANCE:g}: {all(r.get('difference', 0) < TOLERANCE for r in rows)}"
            )


def main(arguments: list[str]) -> None:
    if not arguments:
        show(run())
    elif arguments[0] == "prepare":
        prepare(Path(arguments[1]), int(arguments[2]))
    elif arguments[0] == "prepare-iris":
        prepare_iris(Path(arguments[1]), arguments[2:])
    elif arguments[0] == "measure":
        print(json.dumps(measure(Path(arguments[1]), arguments[2], arguments[3])))


if __name__ == "__main__":
    main(sys.argv[1:])
