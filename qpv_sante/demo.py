"""The main job on the embedded data: one comparison, its figure, two maps and a report, in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

INDICATOR, ZONING, YEAR, TERRITORY = "poverty_rate", 2015, 2019, "Occitanie"


def run(folder: Path) -> Iterator[tuple[Path, str]]:
    """Write the demonstration's files, and say of each what it shows.

    Parameters
    ----------
    folder : Path
        Created if needed; files of the same name are replaced.

    Yields
    ------
    path : Path
    says : str
        What the file says, in one line.

    Raises
    ------
    StoreError
        The folder cannot be written, or there are no data.
    """
    from qpv_sante import charts, comparison, maps
    from qpv_sante.export import write_table
    from qpv_sante.figures import save_figure
    from qpv_sante.report import findings, report

    asked: dict[str, Any] = {"geo_vintage": ZONING, "year": YEAR}
    gaps = comparison.compare(INDICATOR, by="region", **asked)
    whole = comparison.compare(INDICATOR, by=None, **asked)
    said = findings(gaps, whole)
    name = f"pauvrete_{YEAR}_qpv{ZONING}_regions"
    for suffix in (".csv", ".parquet"):
        yield write_table(gaps, folder / f"{name}{suffix}"), f"tableau de comparaison, {len(gaps)} régions. {said[0]}"
    for suffix in (".png", ".svg"):
        yield save_figure(charts.plot_gap(gaps), folder / f"ecart_{name}{suffix}"), f"écarts par région. {said[1]}"
    axes = maps.plot_map(INDICATOR, **asked)
    used, total = int(gaps["n_used"].sum()), int(gaps["n_total"].sum())
    yield (
        save_figure(axes, folder / f"carte_france_{YEAR}.png"),
        f"carte nationale : {used} QPV avec une valeur sur {total}.",
    )
    axes = maps.plot_map(INDICATOR, territory=TERRITORY, **asked)
    region = gaps[gaps["territory"] == TERRITORY].iloc[0]
    yield (
        save_figure(axes, folder / f"carte_occitanie_{YEAR}.png"),
        f"carte régionale : {region['n_used']} QPV sur {region['n_total']} en {TERRITORY}.",
    )
    made = report(TERRITORY, geo_vintage=ZONING)
    yield (
        made.save(folder / "rapport_occitanie.html"),
        f"rapport : {made.title}, {len(made.sections)} parties, sources comprises.",
    )
