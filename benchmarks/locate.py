"""A million points to their QPV, with the answer near edges, against a bare `geopandas.sjoin`.

Four fifths of the points lie within 5 km of a QPV, the others anywhere in France. The reference says "inside" or not;
`locate` adds the distance to the edge, the doubt, the candidates and what is not in France.
"""

from __future__ import annotations

from measure import row
from measure import run as measure

_POINTS = """
import geopandas as gpd, numpy as np, qpv_sante as qs
zones = qs.load_zones("qpv", vintage=2024).dropna(subset="geometry")
near = zones[zones["department"].str.len() < 3].representative_point()
random = np.random.default_rng(0)
number, close = 1_000_000, 800_000
chosen = random.integers(0, len(near), close)
turn, radius = random.uniform(0, 2 * np.pi, close), 5_000 * np.sqrt(random.uniform(0, 1, close))
middle = near.y.to_numpy()[chosen]
lat = np.r_[middle + radius * np.sin(turn) / 111_320, random.uniform(42.5, 51, number - close)]
lon = near.x.to_numpy()[chosen] + radius * np.cos(turn) / (111_320 * np.cos(np.radians(middle)))
lon = np.r_[lon, random.uniform(-4.5, 8, number - close)]
zones = zones[["geo_code", "geometry"]]
"""
_FRAME = _POINTS + "points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs=4326)\n"
# the reference holds its outlines and builds its tree in the clock; ours reads its own, once
_WARM = "qs.locate(2.35, 48.85, geo_vintage=2024)\n"
_JOIN = 'gpd.sjoin(points, zones, predicate="within", how="left")'


def run() -> list[dict[str, object]]:
    ours, theirs, cold = measure(
        "qs.locate(points, geo_vintage=2024)",
        _JOIN,
        "qs.locate(points, geo_vintage=2024)",
        setup=[_FRAME + _WARM, _FRAME, _FRAME],
    )
    columns, built = measure(
        "qs.locate(lon, lat, geo_vintage=2024)",
        "points = gpd.GeoDataFrame(geometry=gpd.points_from_xy(lon, lat), crs=4326)\n" + _JOIN,
        setup=[_POINTS + _WARM, _POINTS],
    )
    aim = "not slower"
    return [
        row("locate, 1,000,000 points in a GeoDataFrame", ours, theirs, "sjoin", aim),
        row("the same, first call (reads the outlines)", cold, theirs, "sjoin"),
        row("locate, 1,000,000 longitudes and latitudes", columns, built, "points_from_xy and sjoin", aim),
    ]
