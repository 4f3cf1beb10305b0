"""Shares of the quarters of `territories.toml`, computed again from IRIS outlines.

    python -m qpv_sante.quarters iris_outlines.geojson

The outlines are too heavy to be embedded: the shares are kept as data, and this is how they were made.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from qpv_sante.errors import SchemaError
from qpv_sante.geography import QPV_ZONINGS

if TYPE_CHECKING:
    import geopandas as gpd


def quarter_shares(
    quarters: dict[str, list[str]], iris: gpd.GeoDataFrame, qpv: gpd.GeoDataFrame, *, iris_id: str = "CODE_IRIS"
) -> pd.DataFrame:
    """Overlap of quarters, made of IRIS, with QPV.

    Parameters
    ----------
    quarters : dict of str to list of str
        IRIS codes of each quarter.
    iris, qpv : GeoDataFrame
        Outlines with a CRS; `qpv` has `geo_code`.
    iris_id : str
        Column of the IRIS codes.

    Returns
    -------
    DataFrame
        `quarter, geo_code, share_of_quarter, share_of_qpv` (of areas, 0 to 1), one row a pair that overlaps.

    Raises
    ------
    SchemaError
        An IRIS without outline: the quarter would be too small and its shares wrong.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely import box
    >>> shapes = [box(700000, 6600000, 700100, 6600100), box(700100, 6600000, 700200, 6600100)]
    >>> iris = gpd.GeoDataFrame({"CODE_IRIS": ["593500101", "593500102"]}, geometry=shapes, crs=2154)
    >>> half = box(700050, 6600000, 700150, 6600100)
    >>> qpv = gpd.GeoDataFrame({"geo_code": ["QP059001"]}, geometry=[half], crs=2154)
    >>> quarter_shares({"Centre": ["593500101", "593500102"]}, iris, qpv).values.tolist()
    [['Centre', 'QP059001', 0.5, 1.0]]
    """
    import geopandas as gpd

    from qpv_sante.areal import areal_weights

    outlines = iris.set_index(iris_id).geometry
    absent = [code for codes in quarters.values() for code in codes if code not in outlines.index]
    if absent:
        raise SchemaError(f"No outline of IRIS {', '.join(absent[:5])}; {len(absent)} are missing from {iris_id}.")
    shapes = [outlines.loc[codes].make_valid().union_all() for codes in quarters.values()]
    sources = gpd.GeoDataFrame({"geo_code": list(quarters)}, geometry=shapes, crs=iris.crs)
    weights = areal_weights(sources, qpv)
    found = weights[weights["source_code"].notna()]
    names = {"source_code": "quarter", "target_code": "geo_code", "share_of_source": "share_of_quarter"}
    found = found.rename(columns={**names, "share_of_target": "share_of_qpv"})
    columns = ["quarter", "geo_code", "share_of_quarter", "share_of_qpv"]
    return found[columns].sort_values(["quarter", "geo_code"], ignore_index=True)


def recomputed(territory: str, iris: gpd.GeoDataFrame, *, iris_id: str = "CODE_IRIS") -> pd.DataFrame:
    """Shares of a territory's quarters in both zonings, from the outlines of the store in use.

    Parameters
    ----------
    territory : str
        An id of `list_territories`.
    iris : GeoDataFrame
    iris_id : str

    Returns
    -------
    DataFrame
        As `quarter_shares`, with `geo_vintage`.
    """
    from qpv_sante.loading import gazetteer, load_zones

    record = gazetteer().composites[territory].record
    quarters = {quarter.name: quarter.iris for quarter in record.quarter}
    parts = [
        quarter_shares(quarters, iris, load_zones("qpv", vintage=zoning), iris_id=iris_id).assign(geo_vintage=zoning)
        for zoning in QPV_ZONINGS
    ]
    return pd.concat(parts, ignore_index=True)


def main(arguments: list[str]) -> int:
    """Print the shares of every territory that has quarters."""
    import geopandas as gpd

    from qpv_sante.loading import gazetteer

    if len(arguments) != 1 or not Path(arguments[0]).is_file():
        print(__doc__, file=sys.stderr)
        return 2
    iris = gpd.read_file(arguments[0])
    for name, declared in gazetteer().composites.items():
        if declared.record.quarter:
            print(f"{name}\n{recomputed(name, iris).round(3).to_string(index=False)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
