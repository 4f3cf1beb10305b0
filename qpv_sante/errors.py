"""Errors of the package: each says what was asked, what was expected, what was found and what to try."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QpvSanteError(Exception):
    """Base class of every error raised on purpose by the package."""


class UnknownNameError(QpvSanteError, ValueError):
    """A name, code, year or level that does not exist; the message lists those that do."""


class AmbiguousTerritoryError(UnknownNameError):
    """A territory name that designates several territories; the message lists the typed codes."""


class ComparabilityError(QpvSanteError, ValueError):
    """Two vintages, zonings, definitions or references that must not meet in one result."""


class UnavailableLevelError(ComparabilityError):
    """An indicator that is not published at the level, zoning or year asked for."""


class DisclosureError(QpvSanteError, ValueError):
    """A result that would reveal a value withheld for statistical secrecy."""


class CatalogueError(QpvSanteError, ValueError):
    """A catalogue record that is incomplete, contradictory or refers to nothing."""


class SchemaError(QpvSanteError, ValueError):
    """A producer's file that does not have the declared form."""


class InvalidInputError(QpvSanteError, ValueError):
    """Numbers that a formula cannot take: negative counts, events above their total, empty columns."""


class DownloadError(QpvSanteError, OSError):
    """A producer's file that could not be obtained or is not what was expected."""


class StoreError(QpvSanteError, OSError):
    """A data store that is absent, incomplete or cannot be written."""


def did_you_mean(given: object, valid: Iterable[object], *, limit: int = 12) -> str:
    """Sentence that proposes the nearest valid names, then lists them.

    Parameters
    ----------
    given : object
        What the caller wrote.
    valid : iterable
        The accepted values.
    limit : int
        Number of accepted values listed when there are many; 0 lists none.

    Returns
    -------
    str

    Examples
    --------
    >>> did_you_mean("poverty", ["poverty_rate", "population"])
    "Did you mean 'poverty_rate'? Valid: poverty_rate, population."
    """
    names = [str(name) for name in valid]
    folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(str(given).casefold(), folded, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(repr(folded[name]) for name in close)}? " if close else ""
    if not limit:
        return hint.strip()
    listed = ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")
    return f"{hint}Valid: {listed or 'none'}."
