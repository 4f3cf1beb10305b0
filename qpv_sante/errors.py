"""Errors of the package: each says what was asked, what was expected, what was found and what to try."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable


class Fault(enum.StrEnum):
    """What went wrong with a source, by what there is to do about it; `refresh.faults` has the words."""

    GONE = "gone"  # the address answers 404 or 410
    LINK = "link"  # the landing page does not lead to the file
    REFUSED = "refused"  # another status
    SILENT = "silent"  # no answer that can be used, for no better known reason
    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    SLOW = "slow"
    CUT = "cut"  # the body is not whole
    HOST = "host"  # another host, or an unprotected one
    SIZE = "size"
    CONTENT = "content"  # not a file of its kind, or one that is not safe to open
    FORM = "form"  # columns, sheets, rows or codes that the catalogue does not describe
    MARKER = "marker"  # a cell that is neither a number nor a declared marker
    CHANGED = "changed"  # not the recorded content, where that was wanted
    DRIFT = "drift"  # figures too far from those in use
    OBTAIN = "obtain"  # no file, for another reason
    DISK = "disk"
    RIGHTS = "rights"
    STORE = "store"  # the local data cannot be read or written
    WITHDRAWN = "withdrawn"  # sound, but the whole was given up
    ASSEMBLY = "assembly"  # tables made of several sources
    UNEXPECTED = "unexpected"


class QpvSanteError(Exception):
    """Base class of every error raised on purpose by the package.

    Attributes
    ----------
    fault : Fault or None
        What there is to do about it, for those who tell it in another language than the message.
    """

    fault: Fault | None = None


class UnknownNameError(QpvSanteError, ValueError):
    """A name, code, year or level that does not exist; the message lists those that do."""


class AmbiguousTerritoryError(UnknownNameError):
    """A territory name that designates several territories; the message lists the typed codes."""


class ComparabilityError(QpvSanteError, ValueError):
    """Two vintages, zonings, definitions or references that must not meet in one result."""


class UnavailableLevelError(ComparabilityError):
    """An indicator that no source read gives at the level, zoning or year asked for."""


class DisclosureError(QpvSanteError, ValueError):
    """A result that would reveal a value withheld for statistical secrecy."""


class CatalogueError(QpvSanteError, ValueError):
    """A catalogue record that is incomplete, contradictory or refers to nothing."""


class SchemaError(QpvSanteError, ValueError):
    """A producer's file that does not have the declared form."""

    fault: Fault | None = Fault.FORM


class UnknownMarkerError(SchemaError):
    """A cell that is neither a number nor a marker of missing value that the catalogue declares."""

    fault = Fault.MARKER


class DriftError(QpvSanteError, ValueError):
    """Sound files whose figures are too far from those in use to replace them unseen.

    Attributes
    ----------
    drift : tuple
        What moved, one record a finding.
    """

    fault: Fault | None = Fault.DRIFT

    def __init__(self, message: str, drift: Iterable[object] = ()) -> None:
        super().__init__(message)
        self.drift = tuple(drift)


class InvalidInputError(QpvSanteError, ValueError):
    """Numbers that a formula cannot take: negative counts, events above their total, empty columns."""


class ArgumentTypeError(InvalidInputError, TypeError):
    """An argument of another type than the function takes, missing, or unknown to it."""


class DownloadError(QpvSanteError, OSError):
    """A producer's file that could not be obtained or is not what was expected."""


class RefusedContentError(DownloadError):
    """A file that cannot be opened, or must not be."""

    fault: Fault | None = Fault.CONTENT


class StoreError(QpvSanteError, OSError):
    """A data store that is absent, incomplete or cannot be written."""


class OutputError(StoreError):
    """A file that was asked for, outside the data store, and cannot be written."""


def nearest(given: object, valid: Iterable[object]) -> list[str]:
    """Up to three valid names that look like what was given, the most alike first.

    Examples
    --------
    >>> nearest("Povery_rate", ["poverty_rate", "population"])
    ['poverty_rate']
    """
    folded = {str(name).casefold(): str(name) for name in valid}
    return [folded[name] for name in difflib.get_close_matches(str(given).casefold(), folded, n=3, cutoff=0.5)]


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
    close = nearest(given, names)
    hint = f"Did you mean {' or '.join(map(repr, close))}? " if close else ""
    if not limit:
        return hint.strip()
    listed = ", ".join(names[:limit]) + (f", ... ({len(names)} in all)" if len(names) > limit else "")
    return f"{hint}Valid: {listed or 'none'}."
