"""Maps, a neighbourhood sheet and a report, against a bare geopandas plot of the same layers in the same run.

The reference reads the outlines and the values, joins them, draws and saves a picture: what any figure of these layers
costs. Ours adds background, labels, legends, notes, bounds, references, tables and pages.
"""

from __future__ import annotations

from measure import row
from measure import run as measure

_OURS = """
import io, logging
logging.disable()
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot, geopandas
import qpv_sante as qs
from qpv_sante import store
"""
_BARE = (
    _OURS
    + """
import geopandas as gpd, pandas as pd
from qpv_sante import loading
tables = {{name: store.find_store(name).path / f"{{name}}.parquet" for name in {names}}}
wanted = [("indicator", "==", "poverty_rate"), ("geo_level", "==", "qpv"), ("geo_vintage", "==", {vintage})]
inside = loading.gazetteer().qpv_in(loading.gazetteer().resolve({territory!r}), {vintage})["geo_code"]

def bare():
    values = pd.read_parquet(tables["observations/{source}"], filters=wanted)
    values = values[values["year"] == {year}]
    assert len(values)
    zones = gpd.read_parquet(tables["zones/qpv_{vintage}"]).to_crs(2154)
    under = gpd.read_parquet(tables["zones/department_2018"]).to_crs(2154)
    zones = zones[zones["geo_code"].isin(inside)].merge(values[["geo_code", "value"]], on="geo_code", how="left")
    axes = under.boundary.plot(linewidth=0.3)
    zones.plot("value", ax=axes, legend=True, missing_kwds={{"color": "lightgrey"}})
    axes.figure.savefig(io.BytesIO(), dpi=150)
"""
)
_MAP = 'qs.plot_map("poverty_rate", geo_vintage=2024, year=2021).figure.savefig(io.BytesIO(), dpi=150)'
_CITY = (
    'qs.plot_map("poverty_rate", geo_vintage=2024, year=2021, territory="Lille").figure.savefig(io.BytesIO(), dpi=150)'
)
_EXPLORE = 'qs.explore_map("poverty_rate", geo_vintage=2024, year=2021, territory="Occitanie")'


_SOURCES = {2015: "insee_filosofi_qpv", 2024: "insee_filosofi_qpv2024"}


def _bare(vintage: int, year: int, territory: str | None) -> str:
    source = _SOURCES[vintage]
    names = (f"observations/{source}", f"zones/qpv_{vintage}", "zones/department_2018")
    return _BARE.format(vintage=vintage, year=year, territory=territory, source=source, names=names)


def run() -> list[dict[str, object]]:
    cases = (
        ("national map, QPV of 2024", _MAP, _bare(2024, 2021, None), "under 3 s"),
        ("map of Lille on its communes", _CITY, _bare(2024, 2021, "Lille"), "under 3 s"),
        ("sheet of a QPV of 2015", 'qs.profile("QP031004")', _bare(2015, 2019, "Toulouse"), "under 4 s"),
        ("sheet of a QPV of 2024", 'qs.profile("QN03112M")', _bare(2024, 2021, "Toulouse"), "under 4 s"),
        ("report of Occitanie", 'qs.report("Occitanie")', _bare(2015, 2019, "Occitanie"), "under 20 s"),
        ("interactive map of Occitanie", _EXPLORE, _bare(2024, 2021, "Occitanie"), "under 5 s"),
    )
    rows = []
    for name, code, setup, aim in cases:
        ours, bare = measure(code, "bare()", setup=[_OURS, setup])
        rows.append(row(name, ours, bare, "bare geopandas plot", aim))
    return rows
