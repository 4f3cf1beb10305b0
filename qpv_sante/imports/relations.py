"""What published counts are sums of: sexes, ages, territories, indicators; the equations of `feasible`.

Every figure is a count of persons in a cell: a quantity (an indicator, or its denominator), a year, a sex, an age class
and a territory. Cells that no file lists but that others add up to (the men, where all and the women are given; the
rest of a commune outside its QPV) are cells too: an attacker finds them by subtraction.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from qpv_sante.geography import whole_commune
from qpv_sante.imports.feasible import Bools, Floats, Ints, System
from qpv_sante.observations import TOTAL
from qpv_sante.territories import Gazetteer, current_commune

_ARRONDISSEMENTS = {"75056": 20, "69123": 9, "13055": 16}
_SEXES = (TOTAL, "F", "M")
_ABOVE_COMMUNE = ("epci", "urban_unit", "department")
_LEVELS = ("qpv", "iris", "commune", *_ABOVE_COMMUNE, "region", "country")
# sums of more indicators than these are not looked for among all subsets
_MOST_INDICATORS = 14
# how often sums that mean nothing may be taken for relations
_CHANCE = 0.01
_END = 999


@dataclass(frozen=True)
class Relations:
    """Cells, and the equations between them.

    Attributes
    ----------
    matrix : csr_array
        One row an equation, one column a cell: the whole with 1, its parts with -1.
    kinds : array of str
        Of each equation: `sex`, `age`, `territory`, `qpv`, `rest` or `indicator`.
    cell_of : array of int
        Cell of each figure, -1 where figures of its kind add up to nothing.
    count : int
        Cells, those that no figure lists after those that figures list.
    """

    matrix: sparse.csr_array
    kinds: np.ndarray
    cell_of: Ints
    count: int
    names: Names

    def equations(self, figures: pd.DataFrame) -> System:
        """The equations with what figures say: `low, high, hidden`; a cell that none lists is not negative."""
        lower, upper = np.zeros(self.count), np.full(self.count, np.inf)
        known = np.zeros(self.count, dtype=bool)
        here = self.cell_of >= 0
        cells = self.cell_of[here]
        low, high = figures["low"].to_numpy(float)[here], figures["high"].to_numpy(float)[here]
        shown = ~figures["hidden"].to_numpy(bool)[here]
        np.maximum.at(lower, cells, low)
        np.minimum.at(upper, cells, high)
        known[cells[shown]] = True
        # two producers who differ: the first one is believed
        crossed = np.flatnonzero(lower > upper)
        if len(crossed):
            first_shown = np.flatnonzero(shown & np.isin(cells, crossed))[::-1]
            lower[cells[first_shown]], upper[cells[first_shown]] = low[first_shown], high[first_shown]
            still = lower > upper
            lower[still], upper[still] = 0.0, np.inf
        return System(self.matrix, lower, upper, ~known)


@dataclass(frozen=True)
class Names:
    """Words for cells that no figure lists."""

    keys: Ints
    quantities: list[str]
    years: list[int]
    spans: list[tuple[int, int]]
    units: list[str]

    def of(self, cell: int) -> str:
        """Words for a cell; blank for what is left of a whole."""
        if cell >= len(self.keys):
            return ""
        classes, unit = divmod(int(self.keys[cell]), _UNITS)
        classes, age = divmod(classes, _AGES)
        group, sex = divmod(classes, len(_SEXES))
        low, high = self.spans[age]
        told = f", sex {_SEXES[sex]}" if sex else ""
        told += (
            "" if (low, high) == (0, _END) else f", age {low} and over" if high == _END else f", age {low}-{high - 1}"
        )
        level, code = self.units[unit].removeprefix("qpv of ").split(" ")[:2]
        place = f"{level}:{code}"
        return f"{self.quantities[group]} of {place}{told} in {self.years[group]}"


class _Equations:
    """Equations as they are found: entries of a sparse matrix."""

    def __init__(self) -> None:
        self.entries: list[tuple[Ints, Ints, Floats]] = []
        self.kinds: list[str] = []
        self.rows = 0
        self.fresh = 0

    def add(self, kind: str, count: int, *terms: tuple[Ints, Ints, float]) -> Ints:
        """Take equations, numbered from nought here, with their terms: equations, cells, sign."""
        for rows, cells, sign in terms:
            self.entries.append((rows + self.rows, cells, np.full(len(rows), sign)))
        self.kinds += [kind] * count
        self.rows += count
        return np.arange(self.rows - count, self.rows)

    def slack(self, rows: Ints) -> None:
        """A part of each of these equations that no figure lists; numbered from -1 down until cells are counted."""
        cells = -1 - np.arange(self.fresh, self.fresh + len(rows))
        self.entries.append((rows, cells, np.full(len(rows), -1.0)))
        self.fresh += len(rows)


def find_relations(figures: pd.DataFrame, places: Gazetteer) -> Relations:
    """The equations between figures.

    Parameters
    ----------
    figures : DataFrame
        `quantity, year, category, sex, age, geo_level, geo_code, geo_vintage, source, total_of` (the level of the parts
        that a total of a file is the sum of, blank for other figures), `number` (the count, where it is known),
        `slack` (half of what rounding leaves unknown of it).
    places : Gazetteer

    Returns
    -------
    Relations

    Notes
    -----
    IRIS: those that figures list are taken for all of their commune's. QPV are no partition: what is left of a commune,
    EPCI, urban unit or department is a cell of its own. Living areas and town cantons add up to nothing that is known.
    """
    usable = figures["geo_level"].isin(_LEVELS).to_numpy()
    rows = figures[usable]
    units = _Units(rows, places)
    group = rows.groupby(["quantity", "year", "category"], sort=False, observed=True).ngroup().to_numpy(np.int64)
    ages, age_names = pd.factorize(rows["age"])
    spans = [_span(str(name)) for name in age_names]
    sex = rows["sex"].map({name: number for number, name in enumerate(_SEXES)}).fillna(0).to_numpy(np.int64)
    table = _Cells(units, spans)
    listed = table.key(group, sex, ages.astype(np.int64), units.of_row)
    number = rows["number"].to_numpy(float)
    equations = _Equations()
    table.add(listed)
    grids = list(_class_grids(table, group, sex, ages, units.of_row, number, rows["slack"].to_numpy(float)))
    table.add(*(cells for grid in grids for cells in grid.cells()))
    table.add(*units.implied(table))
    for grid in grids:
        grid.relate(table, equations)
    units.relate(table, equations)
    _relate_indicators(rows, group, listed, number, table, equations)

    count = len(table.keys) + equations.fresh
    if equations.entries:
        r, c, v = (np.concatenate(parts) for parts in zip(*equations.entries, strict=True))
    else:
        r, c, v = np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    c = np.where(c < 0, len(table.keys) - 1 - c, c)
    matrix = sparse.csr_array((v, (r, c)), shape=(equations.rows, count))
    cell_of = np.full(len(figures), -1, dtype=np.int64)
    cell_of[usable] = table.find(listed)
    groups = rows.assign(group=group).drop_duplicates("group").sort_values("group")
    names = Names(table.keys, groups["quantity"].tolist(), groups["year"].tolist(), table.spans, list(units.number))
    return Relations(matrix, np.array(equations.kinds, dtype=object), cell_of, count, names)


class _Cells:
    """The cells by number: class (quantity, year, category, sex, age) and territory."""

    def __init__(self, units: _Units, spans: list[tuple[int, int]]) -> None:
        self.units, self.spans = units, spans
        self.keys = np.empty(0, dtype=np.int64)

    def key(self, group: Ints, sex: Ints | int, age: Ints | int, unit: Ints) -> Ints:
        return ((group * len(_SEXES) + sex) * _AGES + age) * _UNITS + unit

    def add(self, *keys: Ints) -> None:
        self.keys = np.unique(np.concatenate([self.keys, *keys]))

    def find(self, keys: Ints) -> Ints:
        """Number of each cell, -1 where there is none."""
        if not len(self.keys):
            return np.full(len(keys), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1).astype(np.int64)

    def age(self, span: tuple[int, int]) -> int:
        """Number of an age class, which may be new."""
        if span not in self.spans:
            self.spans.append(span)
        return self.spans.index(span)


# room in the number of a cell: more age classes or territories than any file has
_AGES, _UNITS = 1 << 10, 1 << 24


def _span(age: str) -> tuple[int, int]:
    """Ages of a class, the upper one left out.

    Examples
    --------
    >>> _span("Y18T29"), _span("Y_GE60"), _span("Y_LT18")
    ((18, 30), (60, 999), (0, 18))
    """
    if age == TOTAL:
        return 0, _END
    if age.startswith("Y_LT"):
        return 0, int(age[4:])
    if age.startswith("Y_GE"):
        return int(age[4:]), _END
    low, _, high = age[1:].partition("T")
    return int(low), int(high or low) + 1


@dataclass
class _Grid:
    """Sexes by ages of one quantity and year, in the territories that have several classes."""

    group: int
    units: Ints
    sexes: list[int]
    ages: list[int]
    sums: list[tuple[int, list[int]]]

    def cells(self) -> Iterator[Ints]:
        for sex in self.sexes:
            for age in self.ages:
                yield self.key(sex, age)

    def key(self, sex: int, age: int) -> Ints:
        return ((self.group * len(_SEXES) + sex) * _AGES + age) * _UNITS + self.units

    def relate(self, table: _Cells, equations: _Equations) -> None:
        rows = np.arange(len(self.units))
        if len(self.sexes) == len(_SEXES):
            for age in self.ages:
                cells = [table.find(self.key(sex, age)) for sex in self.sexes]
                equations.add("sex", len(rows), (rows, cells[0], 1.0), (rows, cells[1], -1.0), (rows, cells[2], -1.0))
        for whole, parts in self.sums:
            for sex in self.sexes:
                terms = [(rows, table.find(self.key(sex, part)), -1.0) for part in parts]
                equations.add("age", len(rows), (rows, table.find(self.key(sex, whole)), 1.0), *terms)


def _class_grids(
    table: _Cells, group: Ints, sex: Ints, age: Ints, unit: Ints, number: Floats, slack: Floats
) -> Iterator[_Grid]:
    everyone = table.age((0, _END))
    for one in np.unique(group[(sex > 0) | (age != everyone)]):
        here = np.flatnonzero(group == one)
        held, classes = np.unique(unit[here], return_counts=True)
        held = held[classes > 1]
        if not len(held):
            continue
        sexes = [0, 1, 2] if (sex[here] > 0).any() else [0]
        spans = sorted({table.spans[a] for a in np.unique(age[here])})
        cuts = sorted({end for span in spans for end in span})
        atoms = list(itertools.pairwise(cuts))
        if len(atoms) == 1:
            yield _Grid(int(one), held, sexes, [everyone], [])
            continue
        narrow = [span for span in spans if span != (0, _END)]
        covered = [a for a in atoms if any(low <= a[0] and a[1] <= high for low, high in narrow)]
        if len(covered) < len(atoms) and not _leaves_people(table, here, covered, sex, age, unit, number, slack):
            # ages that no class covers hold nobody: the field of the indicator is that of its classes
            atoms = covered
        sums = []
        for span in {*spans, (0, _END)}:
            parts = [table.age(a) for a in atoms if span[0] <= a[0] and a[1] <= span[1]]
            if parts != [table.age(span)] and ((0, _END) in spans or span != (0, _END) or len(sexes) > 1):
                sums.append((table.age(span), parts))
        ages = sorted({table.age(span) for span in [*spans, *atoms]} | {whole for whole, _ in sums})
        yield _Grid(int(one), held, sexes, ages, sums)


def _leaves_people(
    table: _Cells,
    here: Ints,
    covered: list[tuple[int, int]],
    sex: Ints,
    age: Ints,
    unit: Ints,
    number: Floats,
    slack: Floats,
) -> bool:
    """Whether somewhere the total is above the sum of all classes: there are persons outside these ages."""
    parts = [table.age(a) for a in covered]
    rows = pd.DataFrame({"sex": sex[here], "age": age[here], "unit": unit[here], "n": number[here], "s": slack[here]})
    rows = rows.drop_duplicates(["unit", "sex", "age"])
    inside = rows[rows["age"].isin(parts)].groupby(["unit", "sex"])
    inside = inside.agg(n=("n", "sum"), s=("s", "sum"), k=("n", "count"))
    whole = rows[rows["age"] == table.age((0, _END))].set_index(["unit", "sex"])[["n", "s"]]
    both = inside[inside["k"] == len(parts)].join(whole.add_suffix("_whole"), how="inner").dropna()
    return bool((both["n_whole"] - both["n"] > both["s"] + both["s_whole"] + 0.5).any())


class _Units:
    """Territories by number, and which are made of which."""

    def __init__(self, rows: pd.DataFrame, places: Gazetteer) -> None:
        self.places = places
        level, code = rows["geo_level"].astype("str"), rows["geo_code"].astype("str")
        vintage = rows["geo_vintage"].astype("str")
        small = level.isin(["iris", "commune"])
        # codes are brought to their commune once each, not once a row
        distinct = code[small].drop_duplicates()
        current = whole_commune(current_commune(distinct.str[:5], places.former_communes))
        commune = code.map(dict(zip(distinct, current, strict=True))).where(small)
        listed = pd.DataFrame({"level": level, "code": code, "vintage": vintage, "commune": commune})
        listed["source"] = rows["source"].astype("str")
        several = listed[small].drop_duplicates(["source", "vintage", "level", "code"])
        several = several.groupby(["source", "vintage", "commune", "level"]).size().rename("many").reset_index()
        many = listed.merge(several, how="left", on=["source", "vintage", "commune", "level"])["many"].to_numpy()
        itself = (level == "commune").to_numpy() & (many == 1) & (code == commune).to_numpy()
        part = small.to_numpy() & ~itself
        name = level + " " + code
        name = name.mask(part | (level == "qpv").to_numpy(), name + " " + vintage)
        quarters_sum = (rows["total_of"] == "qpv").to_numpy()
        name = name.mask(quarters_sum, "qpv of " + name)
        numbers, names = pd.factorize(name)
        self.of_row = numbers.astype(np.int64)
        self.number = {str(one): at for at, one in enumerate(names)}
        first = listed.assign(name=name, part=part, total=quarters_sum).drop_duplicates("name")
        self.parts = first[first["part"]]
        self.quarters = first[(first["level"] == "qpv") & ~first["total"]]
        self.totals = first[first["total"]]
        self.links: list[tuple[str, str, list[str], bool]] | None = None

    def of(self, name: str) -> int:
        return self.number.setdefault(name, len(self.number))

    def implied(self, table: _Cells) -> Iterator[Ints]:
        """Cells between those that are listed: communes between IRIS and EPCI, departments below regions."""
        cells, units = table.keys // _UNITS, table.keys % _UNITS
        names = list(self.number)
        level = np.array([name.partition(" ")[0] for name in names], dtype=object)[units]
        above = np.unique(cells[np.isin(level, [*_ABOVE_COMMUNE, "region", "country"])])
        far = np.unique(cells[np.isin(level, ["region", "country"])])
        commune = {self.number[row.name]: self.of(f"commune {row.commune}") for row in _named(self.parts)}
        if len(above) and commune:
            here = np.isin(units, list(commune)) & np.isin(cells, above)
            made = cells[here] * _UNITS + np.array([commune[unit] for unit in units[here]], dtype=np.int64)
            yield made
            cells, units = np.concatenate([cells, made // _UNITS]), np.concatenate([units, made % _UNITS])
        if len(far):
            communes = self.places.communes
            department = {
                self.number[f"commune {code}"]: self.of(f"department {of}")
                for code, of in zip(communes["code"], communes["department"], strict=True)
                if f"commune {code}" in self.number
            }
            here = np.isin(units, list(department)) & np.isin(cells, far)
            yield cells[here] * _UNITS + np.array([department[unit] for unit in units[here]], dtype=np.int64)

    def relate(self, table: _Cells, equations: _Equations) -> None:
        """Wholes and their parts, of every class that both have."""
        wholes, parts, relation, kinds, sizes = [], [], [], [], []
        for at, (kind, whole, members, more) in enumerate(self._sums()):
            # parts that nothing lists are one unknown together
            listed = [self.number[one] for one in members if one in self.number]
            wholes.append([self.number[one] for one in whole.split("|") if one in self.number])
            parts += listed
            relation += [at] * len(listed)
            kinds.append(kind)
            sizes.append(len(members) + (1 << 30 if more else 0))
        if not parts:
            return
        links = pd.DataFrame({"unit": parts, "relation": relation}).astype(np.int64)
        cells = pd.DataFrame({"class": table.keys // _UNITS, "unit": table.keys % _UNITS})
        cells["cell"] = np.arange(len(cells))
        members = cells.merge(links, on="unit")
        heads = pd.DataFrame(
            [(unit, at) for at, units in enumerate(wholes) for unit in units], columns=["unit", "relation"]
        ).astype(np.int64)
        heads = cells.merge(heads, on="unit")
        # of several wholes together, all must be there
        need = heads["relation"].map({at: len(units) for at, units in enumerate(wholes)})
        heads = heads[heads.groupby(["class", "relation"])["cell"].transform("size") == need]
        pairs = heads[["class", "relation"]].drop_duplicates()
        pairs = pairs.merge(members[["class", "relation"]].drop_duplicates(), on=["class", "relation"])
        pairs = pairs.sort_values("relation", kind="stable", ignore_index=True)
        if pairs.empty:
            return
        pairs["row"] = np.arange(len(pairs))
        members = members.merge(pairs, on=["class", "relation"])
        heads = heads.merge(pairs, on=["class", "relation"])
        first = equations.rows
        equations.add(
            "",
            len(pairs),
            (heads["row"].to_numpy(np.int64), heads["cell"].to_numpy(np.int64), 1.0),
            (members["row"].to_numpy(np.int64), members["cell"].to_numpy(np.int64), -1.0),
        )
        equations.kinds[first:] = [kinds[at] for at in pairs["relation"]]
        found = np.bincount(members["row"], minlength=len(pairs))
        equations.slack(first + np.flatnonzero(found < np.array(sizes)[pairs["relation"]]))

    def _sums(self) -> Iterator[tuple[str, str, list[str], bool]]:
        """Kind, whole (several joined by a bar), parts, and whether there is more in the whole."""
        for (level, _, commune), rows in self.parts.groupby(["level", "vintage", "commune"]):
            if f"commune {commune}" not in self.number:
                continue
            # one code of a merged commune is not the whole of it
            if level == "iris" or len(rows) >= _ARRONDISSEMENTS.get(str(commune), 2):
                yield "territory", f"commune {commune}", list(rows["name"]), False
        communes = self.places.communes
        for level in _ABOVE_COMMUNE:
            wanted = communes[(level + " " + communes[level].fillna("")).isin(self.number.keys())]
            for code, inside in wanted.groupby(level)["code"]:
                if code:
                    yield "territory", f"{level} {code}", ("commune " + inside).tolist(), False
        department = communes.drop_duplicates("department")
        for code, inside in department.groupby("region")["department"]:
            if f"region {code}" in self.number:
                yield "territory", f"region {code}", ("department " + inside).tolist(), False
        for name in [one for one in self.number if one.startswith("country ")]:
            mainland = department[(department["department"].str.len() < 3) | (name == "country F")]
            yield "territory", name, ("department " + mainland["department"]).tolist(), False
            regions = "region " + mainland["region"].drop_duplicates()
            if regions.isin(self.number.keys()).any():
                yield "territory", name, regions.tolist(), False
        yield from self._quarters_in()

    def _quarters_in(self) -> Iterator[tuple[str, str, list[str], bool]]:
        """Totals of QPV, and what surrounds QPV with a rest that is left."""
        if self.quarters.empty:
            return
        for vintage in self.quarters["vintage"].unique():
            zoning = self.places.qpv[self.places.qpv["geo_vintage"].astype("str") == vintage]
            for row in _named(self.totals[self.totals["vintage"] == vintage]):
                place = self.places.resolve(f"{row.level}:{row.code}")
                assert place is not None  # noqa: S101 - a code always designates a territory
                members = self.places.qpv_in(place, int(vintage))
                column = "communes" if row.level == "commune" else row.level
                # a QPV that straddles the border: the total is not the sum of whole QPV
                if row.level == "country" or column not in members or (members[column] == row.code).all():
                    yield "qpv", row.name, ("qpv " + members["geo_code"] + " " + vintage).tolist(), False
            for level in ("commune", *_ABOVE_COMMUNE):
                column = "communes" if level == "commune" else level
                links = zoning.set_index("geo_code")[column].fillna("").str.split(";").explode()
                links = links[(links != "")]
                for codes, quarters in _linked(links):
                    wholes = [f"{level} {code}" for code in codes]
                    if all(one in self.number for one in wholes):
                        yield "rest", "|".join(wholes), [f"qpv {code} {vintage}" for code in quarters], True


def _named(frame: pd.DataFrame) -> Iterator[_Row]:
    for name, level, code, commune in frame[["name", "level", "code", "commune"]].itertuples(index=False, name=None):
        yield _Row(name, level, code, commune)


@dataclass(frozen=True)
class _Row:
    name: str
    level: str
    code: str
    commune: str


def _linked(links: pd.Series) -> Iterator[tuple[list[str], list[str]]]:
    """Territories that straddling QPV link, with all their QPV."""
    quarters, q = np.unique(links.index.to_numpy(dtype=str), return_inverse=True)
    codes, c = np.unique(links.to_numpy(dtype=str), return_inverse=True)
    size = len(quarters) + len(codes)
    graph = sparse.coo_array((np.ones(len(q)), (q, len(quarters) + c)), shape=(size, size))
    part = connected_components(graph, directed=False)[1]
    of_code = pd.Series(codes).groupby(part[len(quarters) :]).agg(list)
    of_quarter = pd.Series(quarters).groupby(part[: len(quarters)]).agg(list)
    for one, listed in of_code.items():
        yield listed, of_quarter[one]


def _relate_indicators(
    rows: pd.DataFrame, group: Ints, keys: Ints, number: Floats, table: _Cells, equations: _Equations
) -> None:
    """Indicators of which one is the sum of others wherever all are known: total, employed, unemployed, inactive."""
    first = pd.DataFrame({"group": group, "quantity": rows["quantity"].to_numpy()})
    first = first.assign(year=rows["year"].to_numpy(), category=rows["category"].to_numpy())
    names = first.drop_duplicates("group")
    for _, groups in names.groupby(["year", "category"]):
        if len(groups) < 3 or len(groups) > 400:
            continue
        listed = groups["group"].to_numpy()
        here = np.isin(group, listed)
        place = keys[here] % (_AGES * _UNITS * len(_SEXES))
        values = pd.DataFrame({"group": group[here], "place": place, "number": number[here]})
        values["slack"] = rows["slack"].to_numpy(float)[here]
        values = values.drop_duplicates(["group", "place"])
        wide = values.pivot(index="place", columns="group", values="number")
        slack = values.pivot(index="place", columns="group", values="slack").fillna(0.0)
        for whole, parts in _sums_of_columns(wide.to_numpy(float), slack.to_numpy(float)):
            width = _AGES * _UNITS * len(_SEXES)
            at = wide.index.to_numpy(np.int64)
            cells = [table.find(int(wide.columns[one]) * width + at) for one in (whole, *parts)]
            there = np.all([one >= 0 for one in cells], axis=0)
            count = np.arange(int(there.sum()))
            terms = [(count, one[there], -1.0) for one in cells[1:]]
            equations.add("indicator", len(count), (count, cells[0][there], 1.0), *terms)


def _sums_of_columns(values: Floats, slack: Floats) -> Iterator[tuple[int, list[int]]]:
    """Columns that are the sum of others in every row where all are known, too often for chance."""
    count = values.shape[1]
    if not len(values):
        return
    # a column without any value is the sum of none and a part of none
    empty = np.isnan(values).all(axis=0)
    filled = np.full(count, np.nan)
    filled[~empty] = np.nanmedian(values[:, ~empty], axis=0)
    for whole in range(count):
        smaller = [one for one in range(count) if one != whole and filled[one] <= filled[whole] + 0.5]
        if len(smaller) < 2:
            continue
        if len(smaller) > _MOST_INDICATORS:
            # the columns that come before and after it, as tables are written
            smaller = sorted(smaller, key=lambda one: abs(one - whole))[:_MOST_INDICATORS]
        yield from ((whole, parts) for parts in _subsets(values, slack, whole, smaller))


def _subsets(values: Floats, slack: Floats, whole: int, smaller: list[int]) -> Iterator[list[int]]:
    total = values[:, whole]
    choices = 2.0 ** len(smaller)
    # every subset as bits; the rows known for all of the candidates are enough to reject most
    bits = (np.arange(1, int(choices))[:, None] >> np.arange(len(smaller))) & 1
    bits = bits[bits.sum(axis=1) >= 2]
    full = np.flatnonzero(~np.isnan(values[:, [whole, *smaller]]).any(axis=1))
    tried = full[np.argsort(-total[full])][:3]
    for row in tried:
        apart = np.abs(bits @ values[row, smaller] - total[row])
        bits = bits[apart <= bits @ slack[row, smaller] + slack[row, whole] + 0.5 * (slack[row, whole] > 0) + 1e-6]
    for chosen in bits[:2000]:
        parts = [one for one, taken in zip(smaller, chosen, strict=True) if taken]
        known = ~np.isnan(values[:, [whole, *parts]]).any(axis=1)
        if not known.any():
            continue
        room = slack[known][:, [whole, *parts]].sum(axis=1)
        if (np.abs(values[known][:, parts].sum(axis=1) - total[known]) > room + 1e-6 + 0.5 * (room > 0)).any():
            continue
        # how likely the sums fit by chance: the room that they have, over what the total could be
        odds = np.log(choices) + np.log((2 * room + 1) / np.maximum(total[known], 1.0)).clip(max=0.0).sum()
        if odds < np.log(_CHANCE):
            yield parts


def touched(system: System, rows: Bools) -> Ints:
    """Equations that unknowns link, through any number of others, with some of these."""
    matrix = system.matrix
    number = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    open_ = system.links[matrix.indices]
    size = sum(matrix.shape)
    graph = sparse.coo_array(
        (np.ones(int(open_.sum())), (number[open_], matrix.shape[0] + matrix.indices[open_])), shape=(size, size)
    )
    part = connected_components(graph, directed=False)[1][: matrix.shape[0]]
    return np.flatnonzero(np.isin(part, part[rows]))
