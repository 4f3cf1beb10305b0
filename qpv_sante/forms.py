"""Records that describe files which are not wide tables: one row a cell, or one sheet a question.

They are part of the catalogue: a reader takes what it needs to know of a file from here, never from
its own code. Records are frozen, and an unknown key is an error.
"""

from __future__ import annotations

import re

import msgspec

Text = dict[str, str]


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Base of the records of forms: frozen, and strict about keys."""


class Correction(_Record, frozen=True):
    """A damaged cell, put right by declaration.

    `confirmed_by` gives, for other columns of the same row, what they must say for the repair to be
    safe; a damaged cell that they do not confirm stops the build.
    """

    column: str
    found: str
    becomes: str
    reason: Text
    confirmed_by: dict[str, str] = {}


class Dimension(_Record, frozen=True):
    """A column that says whom a row describes: `sex`, `age`, or a breakdown such as `household`.

    `total` is the producer's word for everyone; `values` maps its other words to our codes.
    """

    name: str
    column: list[str]
    total: str | None = None
    values: dict[str, str] = {}


class Place(_Record, frozen=True):
    """Where a row tells the code of one geographic level.

    Levels are declared from the finest to the coarsest: a row belongs to the first whose cell is
    not `total`. A level without column has one territory, `code`.
    """

    level: str
    column: list[str] = []
    total: str | None = None
    code: str | None = None
    values: dict[str, str] = {}
    pad: int = 0


class LongForm(_Record, frozen=True):
    """A file with one row a cell: dimensions, then figures.

    `crossed` names the dimensions (`geography` is one) that the file crosses with all others; of the
    rest, at most one differs from its total in a row, or the file has changed its meaning.
    """

    year: list[str]
    dimensions: list[Dimension]
    places: list[Place]
    crossed: list[str] = []
    lower: list[str] = []
    upper: list[str] = []
    interval_text: list[str] = []
    sample_size: list[str] = []
    count: list[str] = []
    rounded_to: float | None = None
    classification: list[str] = []
    corrections: list[Correction] = []
    population_tolerance: float | None = None


class SheetForm(_Record, frozen=True):
    """A workbook of counts: rows of territory and answer, one column an age class.

    `answer_total` is the row that holds everyone; counts are rounded to `rounded_to`.
    """

    territory: str
    code: str
    ages: dict[str, str]
    answer_total: str
    rounded_to: float
    population_tolerance: float | None = None


_SDMX_AGE = r"Y\d+T\d+|Y_(?:LT|GE)\d+"


def long_form_problems(form: LongForm, categories: dict[str, Text], levels: list[str]) -> list[str]:
    """Contradictions of a declared long form, one sentence each.

    Parameters
    ----------
    form : LongForm
    categories : dict of str to Text
        The catalogue's categories (`household:single_parent`).
    levels : list of str
        The levels of the source's tables.

    Returns
    -------
    list of str

    Examples
    --------
    >>> sex = Dimension(name="sex", column=["sexe"], total="Tous", values={"Hommes": "H"})
    >>> form = LongForm(year=["annee"], dimensions=[sex], places=[Place(level="country", code="F")])
    >>> long_form_problems(form, {}, ["country"])
    ["dimension sex: 'H' is not F or M"]
    """
    found = []
    for dimension in form.dimensions:
        for code in dimension.values.values():
            if dimension.name == "sex" and code not in ("F", "M"):
                found.append(f"dimension sex: {code!r} is not F or M")
            elif dimension.name == "age" and not re.fullmatch(_SDMX_AGE, code):
                found.append(f"dimension age: {code!r} is not an age class (Y18T29, Y_GE60)")
            elif dimension.name not in ("sex", "age") and f"{dimension.name}:{code}" not in categories:
                found.append(f"dimension {dimension.name}: unknown category {dimension.name}:{code}")
    names = {"geography", *(dimension.name for dimension in form.dimensions)}
    found += [
        f"correction of {one.found!r}: the reason is given in fr and en"
        for one in form.corrections
        if set(one.reason) != {"fr", "en"}
    ]
    found += [f"crossed: unknown dimension {name!r}" for name in form.crossed if name not in names]
    declared = [place.level for place in form.places]
    if sorted(declared) != sorted(levels):
        found.append(f"places {declared} and tables {levels} must name the same levels")
    found += [
        f"place {place.level}: give column, or code" for place in form.places if bool(place.column) == bool(place.code)
    ]
    return found
