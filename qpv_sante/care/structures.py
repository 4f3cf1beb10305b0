"""The located structures of the store, and what their names say of their activity."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from qpv_sante import store
from qpv_sante.errors import StoreError

STRUCTURES = "care_structures"
SOURCES = ("insee_bpe", "finess_occitanie")
# A centre of one activity only, as far as its name says; the file has no other sign of it
SINGLE_ACTIVITIES = {
    "dental": r"\bDENT(?:AIRE|AL|ISTE|I|O)?|DENT\b|DENTISOIN|ORTHODON",
    "nursing": r"INFIRM|\bCSI\b",
    "eye": r"OPHTA|OPTI|VISION|OPHTALMO",
}


def find(name: str) -> store.Store:
    """The store that holds a table of care supply.

    Raises
    ------
    StoreError
        None does: neither the data folder nor the embedded snapshot; the message gives the command to run.
    """
    try:
        return store.find_store(name)
    except StoreError as error:
        sources = " ".join(f"--source {source}" for source in SOURCES)
        raise StoreError(
            f"Care supply was never built here: {error} For these sources alone: qpv-sante build {sources}."
        ) from error


def load_structures() -> tuple[pd.DataFrame, list[str], str]:
    """Structures, departments that their source covers, and the store they come from.

    Returns
    -------
    structures : DataFrame
        Columns of `qpv_sante.readers.points.COLUMNS` and `activity` (see `activity_from_name`).
    departments : list of str
    origin : str

    Raises
    ------
    StoreError
        Never built.
    """
    origin = find(f"codes/{STRUCTURES}")
    structures = origin.codes(STRUCTURES)
    covered = origin.codes(f"{STRUCTURES}_coverage")["department"]
    structures["activity"] = activity_from_name(structures["name"]).where(
        structures["kind"] == "health_centres", "several"
    )
    return structures, sorted(covered.unique()), origin.label


def activity_from_name(names: Iterable[str]) -> pd.Series:
    """The single activity that a centre's name announces: `dental`, `nursing`, `eye`, else `several`.

    A name proves nothing: a centre called after its town may have dentists only. The reading is a lower bound of
    the number of centres with one activity.

    Examples
    --------
    >>> activity_from_name(["CENTRE DENTAIRE MUTUALISTE RODEZ", "CDS INFIRMIER", "LA CASE DE SANTE"]).tolist()
    ['dental', 'nursing', 'several']
    """
    given = pd.Series(list(names), dtype="str").str.upper()
    found = pd.Series("several", index=given.index)
    for activity, pattern in SINGLE_ACTIVITIES.items():
        found = found.mask(given.str.contains(pattern, regex=True), activity)
    # a name that announces two activities is a centre of several
    told = sum(given.str.contains(pattern, regex=True).astype(int) for pattern in SINGLE_ACTIVITIES.values())
    return found.mask(pd.Series(told, index=given.index) > 1, "several")
