"""An import beside what is stored already: no secret found across files, no region's value painted on QPV."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from qpv_sante import observations, store
from qpv_sante.catalogue import Catalogue, Indicator
from qpv_sante.errors import DisclosureError, SchemaError
from qpv_sante.geography import whole_commune
from qpv_sante.imports.secrecy import persons
from qpv_sante.observations import TOTAL
from qpv_sante.territories import Gazetteer, current_commune

log = logging.getLogger(__name__)
_CLASS = ["indicator", "sex", "age", "category", "year"]
_ABOVE = ("epci", "urban_unit", "department", "region", "country")
_ARRONDISSEMENTS = {"75056": 20, "69123": 9, "13055": 16}
_SMALLEST = 1e-6


def stored_rows(names: Iterable[str], known: Catalogue, root: Path, *, without: str) -> pd.DataFrame:
    """Rows of some indicators in the store in use, of every source.

    Parameters
    ----------
    names : iterable of str
        Indicators.
    known : Catalogue
        Says which sources carry them; imports that the catalogue left out are read all the same.
    root : Path
        Data root.
    without : str
        The edition that is being imported: its earlier figures are going to be replaced.

    Returns
    -------
    DataFrame
        Rows of the long table, text columns as text.

    Raises
    ------
    StoreError
        A table that may carry them is damaged.
    """
    current = store.serving_build(root)
    manifest = current.manifest["sources"] if current else {}
    stores = store.open_stores(root)
    imported = [source for source, entry in manifest.items() if entry.get("imported")]
    texts = ["indicator", "source", "geo_level", "perimeter", "sex", "age", "category", "flag"]
    frames = [observations.tidy(pd.DataFrame(columns=observations.COLUMNS)).astype(dict.fromkeys(texts, "str"))]
    for name in names:
        series = known.indicators[name].series if name in known.indicators else []
        for source in dict.fromkeys([*(one.source for one in series), *imported]):
            table = f"observations/{source}"
            if not any(one.has(table) for one in stores):  # in the catalogue, not built
                continue
            # one that is damaged stops the import: what it withholds could not be looked after
            found = store.find_store(table, root).observations(source, indicator=name)
            if len(found):
                frames.append(found.astype(dict.fromkeys(texts, "str")))
    frame = pd.concat(frames[1:], ignore_index=True) if len(frames) > 1 else frames[0]
    return frame[(frame["source"] != without) & (frame["perimeter"] == "all")].reset_index(drop=True)


def refuse_revealed(
    frame: pd.DataFrame, stored: pd.DataFrame, indicators: Mapping[str, Indicator], places: Gazetteer, *, where: str
) -> None:
    """Refuse a file that, with the figures stored already, lets a withheld figure be found.

    Parameters
    ----------
    frame : DataFrame
        The file after `withhold`: `line, source, geo_level, geo_code, geo_vintage, indicator, sex, age, year, value,
        count, denominator, flag`.
    stored : DataFrame
        See `stored_rows`.
    indicators : mapping of str to Indicator
        Those of the file.
    places : Gazetteer
    where : str
        File, for messages.

    Raises
    ------
    DisclosureError
        The message names the figure that would be revealed and the totals that reveal it, never its value.

    Notes
    -----
    The territories of IRIS, communes, EPCI, urban units, departments, regions and country are sums of communes
    (IRIS: those of the file are taken for all of their commune's). A withheld figure is revealed if it is a
    combination of figures that are known, whichever levels they come from. QPV are no partition of anything,
    and the communes of living areas and town cantons are not known: these levels are not subtracted.
    """
    new = frame.assign(category=TOTAL, new=True)
    old = stored.assign(count=float("nan"), line=-1, new=False)
    columns = [*_CLASS, "source", "geo_level", "geo_code", "geo_vintage", "value", "count", "denominator", "flag"]
    both = pd.concat([new[[*columns, "line", "new"]], old[[*columns, "line", "new"]]], ignore_index=True)
    both = both[both["geo_level"].isin(["iris", "commune", *_ABOVE])]
    both["hidden"] = both["flag"] == "suppressed"
    both["known"] = persons(both, indicators).notna()
    both = both[both["hidden"] | both["known"]]
    found: list[str] = []
    for _, cells in both.groupby(_CLASS):
        if not cells["new"].any() or cells["new"].all() or not cells["hidden"].any() or not cells["known"].any():
            continue
        revealed = _revealed(cells, places)
        if revealed:
            before = _revealed(cells[~cells["new"]], places)
            found += [_told(cells.loc[row], by) for row, by in revealed.items() if row not in before]
    if found:
        listed = "; ".join(found[:5]) + (f"; and {len(found) - 5} more" if len(found) > 5 else "")
        raise DisclosureError(
            f"{where}: with the figures that are stored already, {len(found)} withheld figures could be found by "
            f"subtraction: {listed}. Nothing was stored. Withhold a second part of the same total, leave these totals "
            "out of the file, or remove the other import (`qpv-sante import --remove SOURCE@EDITION`)."
        )


def _told(cell: pd.Series, by: list[str]) -> str:
    place = f"{cell['geo_level']}:{cell['geo_code']}"
    at = f"line {cell['line']}" if cell["new"] else str(cell["source"])
    from_what = f"by {', '.join(by[:3])}" if by else "by the sum of its parts (or a territory of the same communes)"
    kind = "".join(f", {cell[name]}" for name in ("sex", "age", "category") if cell[name] != TOTAL)
    return f"{cell['indicator']} of {place}{kind} in {cell['year']} (withheld, {at}) is given {from_what}"


@dataclass
class _Atoms:
    """What territories are sums of: current communes, and the parts of communes that a file has."""

    number: dict[str, int]
    above: dict[tuple[str, str], frozenset[int]]

    def of(self, name: str) -> int:
        return self.number.setdefault(name, len(self.number))


def _atoms(cells: pd.DataFrame, places: Gazetteer) -> _Atoms:
    communes = places.communes
    number = {str(code): row for row, code in enumerate(communes["code"])}
    above: dict[tuple[str, str], frozenset[int]] = {}
    for level in cells.loc[cells["geo_level"].isin(_ABOVE), "geo_level"].unique():
        wanted = set(cells.loc[cells["geo_level"] == level, "geo_code"])
        if level == "country":
            for code in wanted:
                place = places.resolve(f"country:{code}")
                inside = communes["code"] if place is None else communes.loc[places.communes_in(place), "code"]
                above[level, code] = frozenset(number[one] for one in inside)
            continue
        inside = communes[communes[level].isin(wanted)]
        for code, rows in inside.groupby(level)["code"]:
            above[level, str(code)] = frozenset(number[one] for one in rows)
    return _Atoms(number, above)


def _revealed(cells: pd.DataFrame, places: Gazetteer) -> dict[int, list[str]]:
    """Rows that are withheld and that the known ones determine, with the totals that do it."""
    if not cells["hidden"].any():
        return {}
    atoms = _atoms(cells, places)
    vectors, equations = _vectors(cells, places, atoms)
    rows: list[tuple[dict[int, int], str]] = [(one, "") for one in equations]
    given: set[int] = set()
    for cell in cells[cells["known"]].itertuples():
        vector = vectors.get(cell.Index, {})
        if len(vector) == 1:
            given.update(vector)
        elif vector:
            rows.append((vector, f"{cell.geo_level}:{cell.geo_code} ({_origin(cell)})"))
    rest = [({atom: sign for atom, sign in row.items() if atom not in given}, name) for row, name in rows]
    kept = [(row, name) for row, name in rest if row]
    hidden = {row: frozenset(vectors[row]) - given for row in cells.index[cells["hidden"]] if vectors.get(row)}
    found: dict[int, list[str]] = {row: [] for row, inside in hidden.items() if not inside}
    # atoms that every equation treats alike cannot be told apart: one column stands for them
    columns: dict[int, list[tuple[int, int]]] = {}
    for number, (row, _) in enumerate(kept):
        for atom, sign in row.items():
            columns.setdefault(atom, []).append((number, sign))
    alike: dict[tuple[tuple[int, int], ...], list[int]] = {}
    for atom, where in columns.items():
        alike.setdefault(tuple(where), []).append(atom)
    groups = list(alike.values())
    group_of = {atom: place for place, group in enumerate(groups) for atom in group}
    targets: dict[int, list[int]] = {}
    for row, inside in hidden.items():
        if inside and inside <= group_of.keys():
            used = sorted({group_of[atom] for atom in inside})
            if sum(len(groups[place]) for place in used) == len(inside):
                targets[row] = used
    if not targets:
        return found
    matrix = np.zeros((len(kept), len(groups)))
    for place, signs in enumerate(alike):
        for number, sign in signs:
            matrix[number, place] = sign
    wanted = np.zeros((len(groups), len(targets)))
    for number, used in enumerate(targets.values()):
        wanted[used, number] = 1
    # least squares through the Gram matrix: eight times faster than a decomposition of the matrix itself
    lengths, axes = np.linalg.eigh(matrix @ matrix.T)
    sure = lengths > _SMALLEST
    weights = axes[:, sure] @ ((axes[:, sure].T @ (matrix @ wanted)) / lengths[sure, None])
    missed = np.abs(matrix.T @ weights - wanted).max(axis=0)
    for number, target in enumerate(targets):
        if missed[number] < _SMALLEST:
            by = [name for weight, (_, name) in zip(weights[:, number], kept, strict=True) if abs(weight) > _SMALLEST]
            found[target] = [name for name in by if name]
    return found


def _origin(cell: object) -> str:
    return f"line {cell.line}" if cell.new else str(cell.source)  # type: ignore[attr-defined]


def _vectors(
    cells: pd.DataFrame, places: Gazetteer, atoms: _Atoms
) -> tuple[dict[int, dict[int, int]], list[dict[int, int]]]:
    """What each row is the sum of, and which sums of atoms are nought (a commune less its parts)."""
    vectors: dict[int, dict[int, int]] = {}
    parts: dict[tuple[str, str], set[int]] = {}
    small = cells[cells["geo_level"].isin(["iris", "commune"])]
    current = current_commune(small["geo_code"].str[:5], places.former_communes)
    current = whole_commune(current)
    several = (
        small.assign(current=current).groupby(["source", "geo_vintage", "current"])["geo_code"].transform("nunique")
    )
    for row, level, code, vintage, commune, many in zip(
        small.index, small["geo_level"], small["geo_code"], small["geo_vintage"], current, several, strict=True
    ):
        if level == "commune" and many == 1 and code == commune:
            vectors[row] = {atoms.of(commune): 1}
        else:  # IRIS, arrondissements, communes before their merger
            part = atoms.of(f"{level} {code} {vintage}")
            vectors[row] = {part: 1}
            parts.setdefault((f"{level} {vintage}", commune), set()).add(part)
    equations = [
        {atoms.of(commune): 1, **dict.fromkeys(inside, -1)}
        for (kind, commune), inside in parts.items()
        # one code of a merged commune is not the whole of it
        if kind.startswith("iris") or len(inside) >= _ARRONDISSEMENTS.get(commune, 2)
    ]
    for row, level, code in cells.loc[cells["geo_level"].isin(_ABOVE), ["geo_level", "geo_code"]].itertuples():
        vectors[row] = dict.fromkeys(atoms.above.get((level, code), ()), 1)
    return vectors, equations


def refuse_painted(frame: pd.DataFrame, stored: pd.DataFrame, places: Gazetteer, vintage: int, *, where: str) -> None:
    """Refuse QPV that all bear the value published for their department, region or country.

    Parameters
    ----------
    frame : DataFrame
        The file: `line, geo_code, indicator, sex, age, year, value`.
    stored : DataFrame
        See `stored_rows`; every year is looked at, as a painted value may bear another.
    places : Gazetteer
    vintage : int
        Zoning of the QPV.
    where : str
        File, for messages.

    Raises
    ------
    SchemaError
        Two QPV or more. A single one may be a coincidence: the log warns.
    """
    quarters = places.qpv[places.qpv["geo_vintage"] == vintage].set_index("geo_code")
    published = stored[(stored["category"] == TOTAL) & stored["value"].notna()]
    for (name, sex, age, year), rows in frame[frame["value"].notna()].groupby(["indicator", "sex", "age", "year"]):
        same = published[(published["indicator"] == name) & (published["sex"] == sex) & (published["age"] == age)]
        digits = next((n for n in range(5) if (rows["value"].round(n) - rows["value"]).abs().max() < 1e-9), 5)
        for (level, other), above in same.groupby(["geo_level", "year"]):
            if level not in ("department", "region", "country"):
                continue
            if level == "country":
                painted = any(_same(rows["value"], value, digits).all() for value in above["value"])
            else:
                values: Mapping[str, float] = above.drop_duplicates("geo_code").set_index("geo_code")["value"].to_dict()
                own = rows["geo_code"].map(quarters[str(level)]).map(values)
                painted = bool(_same(rows["value"], own, digits).all())
            if not painted:
                continue
            first = rows.iloc[0]
            said = (
                f"{where}: line {first['line']}: the {len(rows)} QPV of {name} ({year}) all bear the value that is "
                f"published for their {level} ({other}). A value of a larger territory is not one of its QPV: it is "
                "read beside them (`qpv_sante.context`, `compare`), and never painted on them."
            )
            if len(rows) > 1:
                raise SchemaError(f"{said} Nothing was stored.")
            log.warning("%s A single figure may be a coincidence: it is stored; check it.", said)
            break


def _same(values: pd.Series, published: pd.Series | float, digits: int) -> pd.Series:
    gap = (values - (published.round(digits) if isinstance(published, pd.Series) else round(published, digits))).abs()
    return gap < 1e-9
