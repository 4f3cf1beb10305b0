"""What an attacker can know of withheld counts: the interval that published sums leave each of them.

A count that is withheld is an unknown; each published sum that it enters is an equation; published figures are known to
within their rounding. The least and the greatest value that an unknown can take together with everything published are
two linear programs (Fischetti and Salazar-González 2001, *Management Science* 47; Hundepool et al. 2012,
*Statistical Disclosure Control*). Unknowns that no equation links are solved apart; where the equations of
unknowns have no loop, passing intervals along them is exact and no program is solved at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

_EPSILON = 1e-6
# of unknowns that may move by one in a system without values, the least that counts as moving
_STILL = 1e-4
# passes of intervals along the equations, after which a linear program decides
_PASSES = 60
# unknowns of one linear program, which bounds its memory
_BLOCK = 50_000
# integer programs that take longer leave a figure unproven, which counts as unprotected
_SECONDS = 20.0

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class System:
    """Counts and what is published of them: `matrix @ counts == 0`, each count between its bounds.

    Attributes
    ----------
    matrix : csr_array
        One row an equation, one column a count; entries are 1 and -1.
    lower, upper : array of float
        What is known of each count by itself: equal where it is published exactly.
    links : array of bool
        The counts through which knowledge of one withheld figure bears on another: those that are not published. A
        count that is published rounded is known well enough not to link those on either side of it.
    """

    matrix: sparse.csr_array
    lower: Floats
    upper: Floats
    links: Bools


@dataclass(frozen=True)
class Bounds:
    """Interval of each target.

    Attributes
    ----------
    lower, upper : array of float
        The least and greatest value, or values between them that are proven possible where these lie as far apart as
        was asked.
    contradictory : array of bool
        What is published around the target contradicts itself (two producers, two definitions): it was then only
        asked whether subtraction gives the target, whatever the values; the interval is a point or has no end.
    """

    lower: Floats
    upper: Floats
    contradictory: Bools


def feasible_intervals(system: System, targets: Ints, width: Floats | float) -> Bounds:
    """The interval that each target can take with everything that is published.

    Parameters
    ----------
    system : System
    targets : array of int
        Columns.
    width : float or array of float
        Search stops for a target as soon as two possible values lie so far apart.

    Returns
    -------
    Bounds

    Examples
    --------
    Ten and ten: the sum of two counts is published, and both are known to be under 11.

    >>> matrix = sparse.csr_array(np.array([[1.0, -1.0, -1.0]]))
    >>> both = System(matrix, np.array([20.0, 0, 0]), np.array([20.0, 10, 10]), np.array([False, True, True]))
    >>> found = feasible_intervals(both, np.array([1, 2]), 9.0)
    >>> found.lower.tolist(), found.upper.tolist()
    ([10.0, 10.0], [10.0, 10.0])
    """
    width = np.broadcast_to(np.asarray(width, dtype=float), targets.shape)
    low, high, broken = _intervals(system, targets, width)
    rows = _rows_of(system.matrix)
    linked = system.links & (system.upper - system.lower > _EPSILON)
    row_part, part = _components(rows, system.matrix.indices, linked, system.matrix.shape)
    contradictory = (part[targets] >= 0) & np.isin(part[targets], row_part[broken])
    wrong = np.flatnonzero(contradictory)
    if len(wrong):
        # of what contradicts itself the algebra is left: can the target move when everything published stands still?
        free = np.where(linked, 1.0, 0.0)
        still = System(system.matrix, -free, free, linked)
        least, most, _ = _intervals(still, targets[wrong], np.full(len(wrong), 2 * _STILL), whole=False)
        given = wrong[most - least < _STILL]
        high[given] = low[given]
    return Bounds(low, high, contradictory)


def _intervals(system: System, targets: Ints, width: Floats, *, whole: bool = True) -> tuple[Floats, Floats, Bools]:
    """Interval of each target, and the equations left out because no counts satisfy them beside the others."""
    matrix = system.matrix
    broken = np.zeros(matrix.shape[0], dtype=bool)
    while True:
        kept = np.flatnonzero(~broken)
        part = System(matrix[kept], system.lower, system.upper, system.links)
        lower, upper, wrong, settled = _propagated(part)
        low, high = lower[targets], upper[targets]
        if not wrong.any():
            try:
                _search(part, targets, width, lower, upper, settled, low, high, whole)
                return low, high, broken
            except _ContradictionError as error:
                wrong[error.rows] = True
        broken[kept[wrong]] = True


class _ContradictionError(Exception):
    """Equations that no counts satisfy together."""

    def __init__(self, rows: Ints) -> None:
        super().__init__("equations that contradict each other")
        self.rows = rows


def _rows_of(matrix: sparse.csr_array) -> Ints:
    """Equation of each entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _search(
    system: System,
    targets: Ints,
    width: Floats,
    lower: Floats,
    upper: Floats,
    settled: Bools,
    low: Floats,
    high: Floats,
    whole: bool,
) -> None:
    """Narrow `low` and `high` of the targets that passing intervals does not settle."""
    rows, columns = _rows_of(system.matrix), system.matrix.indices
    loose = system.links & (upper - lower > _EPSILON)
    row_part, part = _components(rows, columns, loose, system.matrix.shape)
    looped = _looped(rows, columns, lower, upper, row_part, settled)
    hard = np.isin(part[targets], looped) & (part[targets] >= 0) & (high - low >= width - _EPSILON)
    for block in _blocks(part[targets][hard], row_part, rows):
        chosen = np.flatnonzero(hard & np.isin(part[targets], block))
        program = _program(system, rows, row_part, block, lower, upper)
        low[chosen], high[chosen] = _solved(program, targets[chosen], width[chosen], whole)


def _propagated(system: System) -> tuple[Floats, Floats, Bools, Bools]:
    """Bounds passed along the equations until none moves; equations that nothing satisfies; those that came to rest."""
    matrix = system.matrix
    count = matrix.shape[0]
    lower, upper = system.lower.astype(float), system.upper.astype(float)
    broken = np.zeros(count, dtype=bool)
    rows = _rows_of(matrix)
    columns, signs = matrix.indices, matrix.data
    free = upper - lower > 0
    # equations of which everything is published teach nothing, and two producers may differ
    active = np.zeros(count, dtype=bool)
    active[rows[free[columns]]] = True
    for _ in range(_PASSES):
        here = np.flatnonzero(active[rows])
        if not len(here):
            break
        r, c, s = rows[here], columns[here], signs[here]
        low = np.where(s > 0, lower[c], -upper[c])
        high = np.where(s > 0, upper[c], -lower[c])
        rest_low, rest_high = _others(r, low, count), _others(r, high, count)
        new_low, new_high = np.maximum(low, -rest_high), np.minimum(high, -rest_low)
        # zero between the two ends of each equation, or no counts satisfy it
        wrong = new_low > new_high + _EPSILON
        broken[r[wrong]] = True
        usable = ~broken[r] & free[c]
        new_low, new_high = np.minimum(new_low, new_high), np.maximum(new_low, new_high)
        below, above = np.where(s > 0, new_low, -new_high), np.where(s > 0, new_high, -new_low)
        next_lower, next_upper = lower.copy(), upper.copy()
        np.maximum.at(next_lower, c[usable], below[usable])
        np.minimum.at(next_upper, c[usable], above[usable])
        crossed = next_lower > next_upper + _EPSILON
        if crossed.any():
            broken[r[crossed[c]]] = True
            next_lower[crossed], next_upper[crossed] = lower[crossed], upper[crossed]
        next_lower, next_upper = np.minimum(next_lower, next_upper), np.maximum(next_lower, next_upper)
        moved = (next_lower > lower + _EPSILON) | (next_upper < upper - _EPSILON)
        lower, upper = next_lower, next_upper
        active = np.zeros(count, dtype=bool)
        active[rows[moved[columns]]] = True
        active &= ~broken
    return lower, upper, broken, ~active


def _others(rows: Ints, ends: Floats, count: int) -> Floats:
    """Sum of the other terms' ends in each equation, with infinite ends."""
    finite = np.isfinite(ends)
    values = np.where(finite, ends, 0.0)
    total = np.bincount(rows, values, minlength=count)[rows] - values
    endless = np.bincount(rows, ~finite, minlength=count)[rows] - ~finite
    side = np.where(finite, 0.0, ends)
    sign = np.bincount(rows, np.sign(side), minlength=count)[rows] - np.sign(side)
    return np.where(endless > 0, np.where(sign < 0, -np.inf, np.inf), total)


def _components(rows: Ints, columns: Ints, linked: Bools, shape: tuple[int, int]) -> tuple[Ints, Ints]:
    """Part of the system in which each equation and each linking count lies; -1 for the others."""
    here = linked[columns]
    r, c = rows[here], columns[here]
    size = sum(shape)
    graph = sparse.coo_array((np.ones(len(r)), (r, shape[0] + c)), shape=(size, size))
    part = connected_components(graph, directed=False)[1].astype(np.int64)
    with_link = np.zeros(shape[0], dtype=bool)
    with_link[r] = True
    return np.where(with_link, part[: shape[0]], -1), np.where(linked, part[shape[0] :], -1)


def _looped(rows: Ints, columns: Ints, lower: Floats, upper: Floats, row_part: Ints, settled: Bools) -> Ints:
    """Parts in which an equation can be reached from itself: passing intervals is not exact there."""
    here = (row_part[rows] >= 0) & (upper[columns] - lower[columns] > _EPSILON)
    r, c = rows[here], columns[here]
    part = row_part[r]
    size = int(row_part.max(initial=-1)) + 1
    if not size:
        return np.empty(0, dtype=np.int64)
    edges = np.bincount(part, minlength=size)
    # a count that is published rounded is a knot of its own in each part that it touches
    knots = np.unique(np.stack([part, c]), axis=1)[0]
    equations = np.unique(np.stack([part, r]), axis=1)[0]
    vertices = np.bincount(knots, minlength=size) + np.bincount(equations, minlength=size)
    restless = np.unique(row_part[~settled & (row_part >= 0)])
    return np.union1d(np.flatnonzero(edges > vertices - 1), restless)


def _blocks(parts: Ints, row_part: Ints, rows: Ints) -> list[Ints]:
    """Parts gathered into programs of bounded size."""
    wanted = np.unique(parts)
    if not len(wanted):
        return []
    of_entry = row_part[rows]
    sizes = np.bincount(of_entry[of_entry >= 0], minlength=int(wanted.max()) + 1)[wanted]
    number = np.cumsum(sizes) // _BLOCK
    return [wanted[number == one] for one in np.unique(number)]


@dataclass
class _Program:
    """A linear program of several parts: a part's optimum does not depend on the others."""

    matrix: sparse.csr_array
    right: Floats
    lower: Floats
    upper: Floats
    part: Ints
    place: dict[int, int]
    equations: Ints


def _program(system: System, rows: Ints, row_part: Ints, block: Ints, lower: Floats, upper: Floats) -> _Program:
    here = np.isin(row_part[rows], block) & (row_part[rows] >= 0)
    r, c, s = rows[here], system.matrix.indices[here], system.matrix.data[here]
    known = upper[c] - lower[c] <= _EPSILON
    equations, r = np.unique(r, return_inverse=True)
    given = np.asarray(s[known] * (lower[c[known]] + upper[c[known]]) / 2, dtype=np.float64)
    right = (-np.bincount(r[known], given, minlength=len(equations))).astype(np.float64)
    r, c, s = r[~known], c[~known], s[~known]
    pairs, number = np.unique(np.stack([row_part[equations][r], c]), axis=1, return_inverse=True)
    number = number.reshape(-1)
    matrix = sparse.csr_array((s, (r, number)), shape=(len(equations), pairs.shape[1]))
    place = {int(column): at for at, column in enumerate(pairs[1]) if system.links[column]}
    return _Program(matrix, right, lower[pairs[1]], upper[pairs[1]], pairs[0], place, equations)


def _solved(program: _Program, targets: Ints, width: Floats, whole_numbers: bool) -> tuple[Floats, Floats]:
    """Interval of each target: proven values as far apart as asked, else the optimum."""
    at = np.array([program.place[int(one)] for one in targets])
    least, most = np.full(len(at), np.inf), np.full(len(at), -np.inf)
    parts = program.part[at]
    whole = _whole_parts(program) if whole_numbers else np.empty(0, dtype=np.int64)

    def witness(solution: Floats) -> Bools:
        """Record what a solution proves possible; parts of whole numbers need a solution in whole numbers."""
        if np.isnan(solution).any():
            return np.zeros(len(at), dtype=bool)
        apart = np.abs(solution - np.round(solution)) > 1e-5
        fractional = np.isin(parts, np.intersect1d(np.unique(program.part[apart]), whole))
        seen = ~fractional
        least[seen], most[seen] = np.minimum(least, solution[at])[seen], np.maximum(most, solution[at])[seen]
        return seen

    random = np.random.default_rng(0)
    spread = np.zeros(len(program.lower))
    for weights in [np.ones(len(at)), *random.choice([-1.0, 1.0], size=(3, len(at)))]:
        for sign in (1.0, -1.0):
            spread[:] = 0.0
            spread[at] = sign * weights
            witness(_optimum(program, spread))
    finished = np.zeros(len(at), dtype=bool)
    while True:
        todo = np.flatnonzero(~finished & (most - least < width - _EPSILON))
        if not len(todo):
            return least, most
        # one target of each part at a time: the parts are independent, so one program serves them all
        todo = todo[np.unique(parts[todo], return_index=True)[1]]
        for sign in (1.0, -1.0):
            spread[:] = 0.0
            spread[at[todo]] = sign
            seen = witness(_optimum(program, spread))
            if not seen[todo].all():
                again = np.isin(program.part, parts[todo[~seen[todo]]])
                solution = _optimum(program, np.where(again, spread, 0.0), whole=again)
                witness(solution)
        finished[todo] = True
        # the optimum itself may have no proof in whole numbers: the narrower interval is kept, on the safe side
        lost = todo[most[todo] < least[todo]]
        least[lost] = most[lost] = program.lower[at[lost]]


def _whole_parts(program: _Program) -> Ints:
    """Parts of which all that is published is in whole numbers."""
    ends = np.stack([program.lower, program.upper])
    ends = np.where(np.isfinite(ends), ends, 0.0)
    odd = (np.abs(ends - np.round(ends)) > _EPSILON).any(axis=0)
    odd |= program.matrix.T @ (np.abs(program.right - np.round(program.right)) > _EPSILON).astype(float) != 0
    return np.setdiff1d(np.unique(program.part), np.unique(program.part[odd]))


def _optimum(program: _Program, gain: Floats, whole: Bools | None = None) -> Floats:
    """The counts at which the gain is least."""
    from scipy.optimize import Bounds as Box
    from scipy.optimize import LinearConstraint, linprog, milp

    # an unknown without an end could make the program unbounded; no count is so large
    top = 1e9
    lower, upper = np.maximum(program.lower, -top), np.minimum(program.upper, top)
    if whole is None:
        found: Any = linprog(
            gain, A_eq=program.matrix, b_eq=program.right, bounds=np.stack([lower, upper], axis=1), method="highs"
        )
    else:
        found = milp(
            gain,
            integrality=whole.astype(int),
            bounds=Box(lower, upper),
            constraints=LinearConstraint(program.matrix, program.right, program.right),
            options={"time_limit": _SECONDS},
        )
    if found.x is not None:
        return np.asarray(found.x, dtype=float)
    if whole is None and found.status == 2:
        raise _ContradictionError(_conflict(program, lower, upper))
    return np.full(len(gain), np.nan)  # out of time: nothing is proven


def _conflict(program: _Program, lower: Floats, upper: Floats) -> Ints:
    """The equations that must give way for the others to hold: those that the least sum of corrections corrects."""
    from scipy.optimize import linprog

    count = program.matrix.shape[0]
    elastic = sparse.hstack([program.matrix, sparse.eye_array(count), -sparse.eye_array(count)], format="csr")
    ends = np.concatenate([np.stack([lower, upper], axis=1), np.tile([0.0, np.inf], (2 * count, 1))])
    gain = np.concatenate([np.zeros(len(lower)), np.ones(2 * count)])
    found = linprog(gain, A_eq=elastic, b_eq=program.right, bounds=ends, method="highs")
    if found.x is None:
        return program.equations
    given = found.x[len(lower) : len(lower) + count] + found.x[len(lower) + count :]
    corrected = program.equations[given > _EPSILON]
    return corrected if len(corrected) else program.equations
