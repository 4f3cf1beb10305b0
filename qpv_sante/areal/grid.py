"""Exact intersection of a regular grid with zones: the grid stays a table, memory is bounded by chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from qpv_sante.areal.overlap import (
    COLUMNS,
    OVERSEAS_BOXES,
    PAIRS_AT_ONCE,
    SLIVER,
    add_people,
    check_zones,
    local_crs,
    valid,
    with_lonely_targets,
)
from qpv_sante.errors import SchemaError
from qpv_sante.geography import projected_crs

if TYPE_CHECKING:
    import geopandas as gpd

GRID_CRS = 3035
_KEYS_AT_ONCE = 4_000_000
_ROW = 1 << 24  # columns of a grid row in an integer key: no grid is 16 million cells wide
# EPSG code, rows of the chunk (None for all), column and row number of the cells
_Corners: TypeAlias = tuple[int, np.ndarray | None, np.ndarray, np.ndarray]
_CELL_ID = re.compile(r"CRS(\d+)RES(\d+)mN(\d+)E(\d+)")


def grid_weights(
    cells: pd.DataFrame,
    targets: gpd.GeoDataFrame,
    *,
    size: int = 200,
    cell_id: str = "idcar_200m",
    target_id: str = "geo_code",
    xy: tuple[str, str] | None = None,
    crs: int = GRID_CRS,
    people: str | None = None,
    chunk_rows: int = 250_000,
    sliver: float = SLIVER,
) -> pd.DataFrame:
    """Exact intersection of the cells of a regular grid with target zones, without building the grid.

    Cells stay a table. The targets move to the grid's system; the integer keys of the cells that
    their outlines may touch are listed, and boxes are built for these cells only. The table is read
    by chunks, so memory depends on the targets and not on the number of cells.

    Parameters
    ----------
    cells : DataFrame
        One row per cell: an INSPIRE id such as `CRS3035RES200mN2029800E4252400` (lower-left corner), or
        the coordinates of that corner.
    targets : GeoDataFrame
        Polygons with a declared coordinate reference system.
    size : int
        Side of the cells, in metres.
    cell_id, target_id : str
        Columns of ids. With `xy`, `cell_id` may be absent: ids are then written from the corners.
    xy : (str, str), optional
        Columns of the easting and northing of the lower-left corner, in metres; read instead of the id.
    crs : int
        EPSG code of `xy`. Ids carry their own: 3035 in metropolitan France (equal-area, so shares are
        right), 5490 or 2975 overseas, matched to the targets of that territory.
    people : str, optional
        Column of `cells` with the number of people.
    chunk_rows : int
        Rows of `cells` read at a time.
    sliver : float
        As in `areal_weights`.

    Returns
    -------
    DataFrame
        The columns of `areal_weights`; the area is measured in the grid's system. A producer's grid
        leaves out empty cells: say `absent="empty"` to `carry`.

    Raises
    ------
    SchemaError
        No CRS, unreadable ids, another resolution than `size`, corners that are not multiples of `size`
        (centres instead of corners), or repeated cells.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from shapely import box
    >>> cells = pd.DataFrame({"idcar_200m": ["CRS3035RES200mN2890000E3760000", "CRS3035RES200mN2890000E3760200"]})
    >>> qpv = gpd.GeoDataFrame({"geo_code": ["Q"]}, geometry=[box(3760100, 2890000, 3760300, 2890100)], crs=3035)
    >>> grid_weights(cells, qpv)[["area", "share_of_source", "share_of_target"]].values.tolist()
    [[10000.0, 0.25, 0.5], [10000.0, 0.25, 0.5]]
    """
    check_zones(targets, target_id, "targets")
    if xy is None and cell_id not in cells:
        raise SchemaError(
            f"cells have no column {cell_id!r}; they have {list(cells.columns)[:12]}. Pass cell_id or xy."
        )
    plans = _Plans(targets, size, named=cell_id not in cells)
    found: list[pd.DataFrame] = []
    for start in range(0, len(cells), chunk_rows):
        chunk = cells.iloc[start : start + chunk_rows]
        for epsg, rows, east, north in _corners(chunk, size, cell_id, xy, crs):
            for piece in plans.cut(epsg, east, north):
                local = piece["cell"].to_numpy() if rows is None else rows[piece["cell"].to_numpy()]
                piece["cell"] = start + local
                # taken here, from the chunk: pandas would copy the whole column of a long table
                if not plans.named:
                    piece["id"] = chunk[cell_id].iloc[local].to_numpy()
                if people is not None:
                    piece["people"] = chunk[people].iloc[local].to_numpy(dtype=float)
                found.append(piece)
    pairs = pd.concat(found, ignore_index=True) if found else plans.nothing()
    pairs = pairs[(pairs["share_of_source"] > sliver) | (pairs["share_of_target"] > sliver)]
    pairs = pairs.sort_values(["target", "cell"], ignore_index=True)
    codes = targets[target_id].astype(str).to_numpy()
    weights = pd.DataFrame({"source_code": pairs["id"], "target_code": codes[pairs["target"]]}).astype("str")
    weights = weights.assign(**{name: pairs[name].to_numpy() for name in COLUMNS[2:]})
    repeated = weights.duplicated(["source_code", "target_code"])
    if repeated.any():
        raise SchemaError(
            f"cells: {weights.loc[repeated, 'source_code'].iloc[0]} is repeated; one row per cell is needed."
        )
    if people is not None:
        add_people(weights, pairs["people"])
    return with_lonely_targets(weights, targets, target_id)


def resolution(cells: pd.DataFrame, cell_id: str) -> int:
    """Side of the cells, in metres, as the ids say it."""
    if cell_id not in cells:
        raise SchemaError(f"population has no column {cell_id!r} of cell ids, nor a geometry. Pass cell_id=.")
    found = _CELL_ID.fullmatch(str(cells[cell_id].iloc[0])) if len(cells) else None
    return int(found[2]) if found else 200


def _corners(chunk: pd.DataFrame, size: int, cell_id: str, xy: tuple[str, str] | None, crs: int) -> Iterator[_Corners]:
    """EPSG code, rows (None for all), column and row number of the cells of a chunk."""
    groups: list[_Corners]
    if xy is not None:
        groups = [(crs, None, chunk[xy[0]].to_numpy(), chunk[xy[1]].to_numpy())]
    else:
        groups = _parse_ids(chunk[cell_id], size)
    for epsg, rows, x, y in groups:
        east, north = np.floor_divide(x, size).astype(np.int64), np.floor_divide(y, size).astype(np.int64)
        if ((east * size != x) | (north * size != y)).any():
            raise SchemaError(
                f"cells: corners are not multiples of {size} m. Lower-left corners are expected: take half a side off "
                "centres, and check `size`."
            )
        yield epsg, rows, east, north


def _parse_ids(ids: pd.Series, size: int) -> list[_Corners]:
    regular = _parse_regular(ids, size)
    if regular is not None:
        return [regular]
    parts = ids.astype("str").str.extract(f"^{_CELL_ID.pattern}$")
    bad = parts[0].isna() | (parts[1] != str(size))
    if bad.any():
        raise SchemaError(
            f"cells: {int(bad.sum())} ids cannot be read as cells of {size} m, the first {ids[bad].iloc[0]!r}. "
            f"Expected: CRS3035RES{size}mN2029800E4252400 (lower-left corner). Pass size=, or xy= for coordinates."
        )
    numbers = parts.astype("int64").to_numpy()
    groups: list[_Corners] = []
    for epsg in np.unique(numbers[:, 0]):
        rows = np.flatnonzero(numbers[:, 0] == epsg)
        groups.append((int(epsg), rows, numbers[rows, 3], numbers[rows, 2]))
    return groups


def _parse_regular(ids: pd.Series, size: int) -> _Corners | None:
    """Ids of one system and one width, the usual case, read from their bytes: thirty times a pattern's speed."""
    import pyarrow as pa

    text = pa.array(ids, type=pa.large_string(), from_pandas=True)
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    first = _CELL_ID.fullmatch(text[0].as_py() or "") if len(text) else None
    if first is None or text.null_count or int(first[2]) != size:
        return None
    ends = np.frombuffer(text.buffers()[1], dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    if (np.diff(ends) != len(first[0])).any():
        return None
    content = np.frombuffer(text.buffers()[2], dtype=np.uint8)[ends[0] : ends[-1]].reshape(len(text), -1)
    pattern = np.frombuffer(first[0].encode(), dtype=np.uint8)
    fixed = [*range(first.start(3)), first.end(3)]
    if any((content[:, place] != pattern[place]).any() for place in fixed):
        return None
    numbers = []
    for group in (4, 3):
        number = np.zeros(len(text), dtype=np.int64)
        for place in range(first.start(group), first.end(group)):
            digit = content[:, place] - ord("0")
            if (digit > 9).any():
                return None
            number = 10 * number + digit
        numbers.append(number)
    return int(first[1]), None, numbers[0], numbers[1]


class _Plans:
    """The cells that targets may touch, by grid system, made when a chunk first needs that system."""

    def __init__(self, targets: gpd.GeoDataFrame, size: int, *, named: bool) -> None:
        self.targets, self.size, self.named = targets, size, named
        self.local = local_crs(targets)
        self.made: dict[int, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}
        self.shapes: dict[int, np.ndarray] = {}

    def nothing(self) -> pd.DataFrame:
        """No intersection at all."""
        return pd.DataFrame({name: np.empty(0, dtype=int) for name in ("cell", "target", "id", "people", *COLUMNS[2:])})

    def cut(self, epsg: int, east: np.ndarray, north: np.ndarray) -> Iterator[pd.DataFrame]:
        """Intersections of some cells, given by column and row, with the targets."""
        if epsg not in self.made:
            self.made[epsg] = list(self._plan(epsg))
        keys = north * _ROW + east
        for wanted, first, owner in self.made[epsg]:
            slot = np.searchsorted(wanted, keys)
            slot[slot == len(wanted)] = 0
            rows = np.flatnonzero(wanted[slot] == keys)
            slot = slot[rows]
            repeats = first[slot + 1] - first[slot]
            cell = np.repeat(rows, repeats)
            within = np.arange(len(cell)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
            target = owner[np.repeat(first[slot], repeats) + within]
            for start in range(0, len(cell), PAIRS_AT_ONCE):
                some = slice(start, start + PAIRS_AT_ONCE)
                yield self._intersect(epsg, cell[some], target[some], east, north)

    def _plan(self, epsg: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Batches of sorted keys, with where each key's targets start in the list of targets."""
        import shapely

        overseas = [projected_crs(department) for department in OVERSEAS_BOXES]
        chosen = np.flatnonzero(self.local == epsg if epsg in overseas else ~np.isin(self.local, overseas))
        shapes = np.full(len(self.targets), None, dtype=object)
        shapes[chosen] = valid(self.targets.geometry.iloc[chosen].to_crs(epsg).to_numpy())
        shapely.prepare(shapes)
        self.shapes[epsg] = shapes
        parts, part_of = shapely.get_parts(shapes, return_index=True)
        bounds = shapely.bounds(parts)
        solid = ~np.isnan(bounds[:, 0])
        low = np.floor(bounds[solid, :2] / self.size).astype(np.int64)
        high = np.floor(bounds[solid, 2:] / self.size).astype(np.int64)
        number = np.prod(high - low + 1, axis=1)
        batches = np.split(np.arange(len(number)), np.flatnonzero(np.diff(np.cumsum(number) // _KEYS_AT_ONCE)) + 1)
        for batch in batches:
            keys, owner = [], []
            for index in batch:
                columns = np.arange(low[index, 0], high[index, 0] + 1)
                rows = np.arange(low[index, 1], high[index, 1] + 1)
                keys.append((rows[:, None] * _ROW + columns).ravel())
                owner.append(np.full(number[index], part_of[solid][index], dtype=np.int32))
            if not keys:
                continue
            pairs = pd.DataFrame({"key": np.concatenate(keys), "owner": np.concatenate(owner)})
            # two parts of one target may share a cell: the pair is cut once, with the whole target
            pairs = pairs.drop_duplicates().sort_values("key", kind="stable")
            wanted, first = np.unique(pairs["key"].to_numpy(), return_index=True)
            yield wanted, np.append(first, len(pairs)), pairs["owner"].to_numpy()

    def _intersect(
        self, epsg: int, cell: np.ndarray, target: np.ndarray, east: np.ndarray, north: np.ndarray
    ) -> pd.DataFrame:
        import shapely

        west, south = east[cell] * self.size, north[cell] * self.size
        boxes = shapely.box(west, south, west + self.size, south + self.size)
        zones = self.shapes[epsg][target]
        area = np.full(len(cell), float(self.size) ** 2)
        partial = ~shapely.contains_properly(zones, boxes)
        area[partial] = 0
        edge = np.flatnonzero(partial)
        edge = edge[shapely.intersects(zones[edge], boxes[edge])]
        area[edge] = shapely.area(shapely.intersection(zones[edge], boxes[edge]))
        whole = shapely.area(self.shapes[epsg])
        frame = pd.DataFrame(
            {
                "cell": cell,
                "target": target,
                "area": area,
                "share_of_source": np.minimum(area / self.size**2, 1),
                "share_of_target": np.minimum(area / whole[target], 1),
            }
        )
        met = area > 0
        frame = frame[met]
        if self.named:
            names = [f"CRS{epsg}RES{self.size}mN{y}E{x}" for x, y in zip(west[met], south[met], strict=True)]
            frame["id"] = np.array(names, dtype=object)
        return frame
