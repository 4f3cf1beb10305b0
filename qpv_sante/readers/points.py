"""Located establishments: one row or more an establishment, with its category and coordinates (FINESS)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from qpv_sante.catalogue import Source, Table, Vintage
from qpv_sante.download import RawFile, open_member
from qpv_sante.errors import SchemaError
from qpv_sante.geography import check_codes, department_of_commune, projected_crs
from qpv_sante.readers import Tables
from qpv_sante.readers.cells import find_column, format_names, parse_numbers, read_text_csv

# Words for how an address was located; an edition that has its own words declares them in `recode`
PRECISIONS = ("address", "street", "locality", "commune", "unknown")
_NEEDED = ("establishment", "legal_entity", "name", "category", "commune", "longitude", "latitude")
COLUMNS = (
    *("structure", "establishment", "legal_entity", "name", "kind", "commune", "department"),
    *("longitude", "latitude", "location", "precision", "source", "year"),
)


def read(source: Source, vintage: Vintage, raw: RawFile) -> Tables:
    """The establishments of the declared categories, each once, and the departments that the file covers.

    Parameters
    ----------
    source, vintage : Source, Vintage
        Each table's `columns` maps the producer's names to `establishment, legal_entity, name, category, commune,
        longitude, latitude` and, where the edition has them, `long_name` (preferred) and `precision`; `recode` gives
        our name of each category to keep (and our word for each precision); `crs` is the system of the coordinates;
        `output` names the code table.
    raw : RawFile
        The verified file.

    Returns
    -------
    Tables
        `codes`: the establishments (columns of `COLUMNS`; longitude and latitude in EPSG:4326, missing where
        `location` is `absent` or `implausible`), and `<output>_coverage`: `department, establishments` of the whole
        file; `counts` of rows read, other categories, repeated rows, and establishments without a usable location.

    Raises
    ------
    SchemaError
        Missing column, no row of a category, an establishment whose rows contradict each other, an unreadable
        coordinate, or coordinates most of which lie outside their department's territory (axes swapped, other system).
    """
    codes: dict[str, pd.DataFrame] = {}
    counts: dict[str, int] = {}
    for table in source.tables_of(vintage):
        member = table.member and format_names([table.member], vintage.year)[0]
        where = f"{source.key(vintage)}, {member or raw.path.name}"
        with open_member(raw, member) as stream:
            frame = read_text_csv(stream.read(), table, where=where)
        name = table.output or source.id
        points, coverage, found = read_points(frame, table, where=where)
        codes[name] = points.assign(source=source.key(vintage), year=vintage.year)[list(COLUMNS)]
        codes[f"{name}_coverage"] = coverage.assign(source=source.key(vintage), year=vintage.year)
        counts |= {f"{name}: {what}": number for what, number in found.items()}
    return Tables(codes=codes, counts=counts)


def read_points(frame: pd.DataFrame, table: Table, *, where: str) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]:
    """Establishments, coverage and counts of one table of text; see `read`.

    An establishment that has several rows (one an authorised activity) is kept once. Establishments of one kind, one
    legal entity and one place are one `structure`, named by the first of their numbers: a dental and a nursing
    centre of the same body behind the same door. Two bodies at one address stay two structures.
    """
    absent = sorted(set(_NEEDED) - set(table.columns.values()))
    if absent:
        raise SchemaError(f"{where}: the catalogue's `columns` lack {', '.join(absent)}.")
    found = {find_column(frame, [theirs], where=where): ours for theirs, ours in table.columns.items()}
    rows = frame[list(found)].rename(columns=found).apply(lambda cells: cells.str.strip())
    check_codes(rows["commune"], "commune", table.geo_vintage or 0, where=where)
    rows["department"] = department_of_commune(rows["commune"])
    coverage = rows.groupby("department", as_index=False)["establishment"].nunique()
    coverage = coverage.rename(columns={"establishment": "establishments"})
    kept = rows[rows["category"].isin(table.recode)].copy()
    missing = sorted(set(table.recode) - set(kept["category"]) - set(_precision_words(table)))
    if missing:
        raise SchemaError(f"{where}: no row of the category {', '.join(missing)}. Has the producer renumbered it?")
    kept["kind"] = kept.pop("category").map(table.recode)
    blank = kept.index[kept["establishment"] == ""]
    if len(blank):
        raise SchemaError(f"{where}: line {blank[0]}: no number of establishment.")
    kept["precision"] = _precision(kept, table, where=where)
    if "long_name" in kept:
        long_name = kept.pop("long_name")
        kept["name"] = long_name.where(long_name != "", kept["name"])
    points = kept.drop_duplicates()
    twice = points[points["establishment"].duplicated(keep=False)]
    if len(twice):
        first = twice[twice["establishment"] == twice["establishment"].iloc[0]]
        differ = [column for column in first if first[column].nunique() > 1]
        raise SchemaError(
            f"{where}: establishment {first['establishment'].iloc[0]} has rows that contradict each other (lines "
            f"{', '.join(map(str, first.index))}): {', '.join(differ)}. Nothing of this source was stored."
        )
    points = locate(points, table, where=where).sort_values("establishment", ignore_index=True)
    # without a location, nothing says that two are behind one door
    place = [points[name].fillna(np.inf).astype("str") for name in ("longitude", "latitude")]
    door = points["kind"] + points["legal_entity"] + place[0] + place[1]
    door = door.where(points["longitude"].notna(), points["establishment"])
    points["structure"] = points["establishment"].groupby(door).transform("first")
    counts = {
        "rows read": len(frame) + frame.attrs.get("blank rows", 0),
        "rows dropped (other categories)": len(rows) - len(kept),
        "rows dropped (establishment given again)": len(kept) - len(points),
        "establishments at the door of another of the same body": len(points) - points["structure"].nunique(),
        "establishments without coordinates": int((points["location"] == "absent").sum()),
        "establishments with implausible coordinates": int((points["location"] == "implausible").sum()),
    }
    return points, coverage, counts


def _precision_words(table: Table) -> list[str]:
    return [word for word, meaning in table.recode.items() if meaning in PRECISIONS]


def _precision(points: pd.DataFrame, table: Table, *, where: str) -> pd.Series:
    """How each address was located; `unknown` where the edition does not say."""
    if "precision" not in points:
        return pd.Series("unknown", index=points.index)
    words = points["precision"].replace(table.recode).replace("", "unknown")
    unknown = words[~words.isin(PRECISIONS)]
    if len(unknown):
        raise SchemaError(
            f"{where}: line {unknown.index[0]}: unknown precision {unknown.iloc[0]!r}; expected "
            f"{', '.join(PRECISIONS)}. Declare the producer's words in `recode`."
        )
    return words


def locate(points: pd.DataFrame, table: Table, *, where: str) -> pd.DataFrame:
    """Longitude and latitude as numbers, those that cannot be set apart in `location`.

    Parameters
    ----------
    points : DataFrame
        `longitude` and `latitude` as text (x and y in a projected system), `department`.
    table : Table
        Its `crs`.
    where : str
        For messages.

    Returns
    -------
    DataFrame
        The same rows; `location` is `published`, `absent`, or `implausible` (outside the area in which the projected
        system of its department holds).

    Raises
    ------
    SchemaError
        An unreadable coordinate, or half of them implausible or more.
    """
    import pyproj

    numbers = {}
    for axis in ("longitude", "latitude"):
        text = points[axis].str.replace(",", ".", regex=False)
        numbers[axis], _ = parse_numbers(text, Table(decimal=".", missing={"": "unavailable"}), where=where)
    given = numbers["longitude"].notna() & numbers["latitude"].notna()
    # 0, 0 is how geocoding services write that they found nothing
    given &= (numbers["longitude"] != 0) | (numbers["latitude"] != 0)
    east, north = numbers["longitude"].where(given), numbers["latitude"].where(given)
    system = table.crs or 4326
    if system != 4326:
        transform = pyproj.Transformer.from_crs(system, 4326, always_xy=True).transform
        moved = transform(east.to_numpy(), north.to_numpy())
        east, north = (pd.Series(axis, index=points.index).replace([np.inf, -np.inf], np.nan) for axis in moved)
    inside = pd.Series(False, index=points.index)
    for department in points["department"].unique():
        area = pyproj.CRS.from_epsg(projected_crs(str(department))).area_of_use
        mine = points["department"] == department
        if area is not None:
            inside |= mine & east.between(area.west, area.east) & north.between(area.south, area.north)
    wrong = given & ~inside
    if given.any() and wrong.sum() >= given.sum() / 2:
        line = points.index[wrong][0]
        first = f"{points.loc[line, 'longitude']}, {points.loc[line, 'latitude']}"
        raise SchemaError(
            f"{where}: {int(wrong.sum())} of {int(given.sum())} coordinates lie outside the territory of their "
            f"department, the first at line {line}: longitude (or x), latitude (or y) = {first}. Are the axes swapped, "
            f"or is the system not EPSG:{system}? Nothing of this source was stored."
        )
    location = pd.Series("published", index=points.index).mask(~given, "absent").mask(wrong, "implausible")
    usable = location == "published"
    return points.assign(longitude=east.where(usable), latitude=north.where(usable), location=location)
