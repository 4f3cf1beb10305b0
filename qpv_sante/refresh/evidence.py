"""What speaks against putting new figures in use: one record a finding, told in either language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from qpv_sante import style
from qpv_sante.geography import LEVELS
from qpv_sante.refresh.words import DRIFTS


@dataclass(frozen=True)
class Example:
    """A row that shows it: its code, what it had and what it has; or the code that had what it has now."""

    code: str
    before: str = ""
    after: str = ""
    other: str = ""

    def told(self, lang: style.Lang) -> str:
        """`QP034001 : 62 → 63`, `QP034001 : comme QP034002`."""
        as_other = f"comme {self.other}" if lang == "fr" else f"as {self.other}"
        what = as_other if self.other else " → ".join(filter(None, [self.before, self.after]))
        return f"{self.code} : {what}" if lang == "fr" else f"{self.code}: {what}"


@dataclass(frozen=True)
class Where:
    """Which figures: an indicator at a level and in a year, or a table of the store and a column of it."""

    indicator: str
    source: str = ""
    level: str = ""
    vintage: str = ""
    year: str = ""
    table: str = ""
    column: str = ""

    @classmethod
    def of(cls, group: object) -> Where:
        """From the keys of a group of the long table: indicator, source, level, vintage, year."""
        assert isinstance(group, tuple)  # noqa: S101 - typing only
        return cls(*(str(part) for part in group))

    @classmethod
    def of_table(cls, name: str, column: str = "") -> Where:
        """From the name of a table in the store."""
        return cls("", table=name, column=column)

    def told(self, lang: style.Lang | None = None, label: Callable[[str], str] = str) -> str:
        """The place in words; without a language, with the names of the code."""
        if self.table:
            return f"{self.table}, {self.column}" if self.column else self.table
        zoning = f" {self.vintage}" if self.level == "qpv" and self.vintage not in {"<NA>", "nan"} else ""
        known = LEVELS.get(self.level)
        level = known[lang] if known and lang else self.level if known else "?"
        return f"{', '.join(filter(None, [label(self.indicator), level + zoning, self.year]))} ({self.source})"


@dataclass(frozen=True)
class Drift:
    """Something that moved too far to be put in use unseen.

    Attributes
    ----------
    kind : str
        Of `words.DRIFTS`.
    where : Where
    values : mapping of str to object
        Numbers and names that the sentence gives; shares are floats, numbers of rows whole.
    examples : tuple of Example
    """

    kind: str
    where: Where
    values: Mapping[str, object] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()

    def __str__(self) -> str:
        """In English, with the names of the code: for the technical detail, the log and JSON."""
        shown = {name: _plain(name, value) for name, value in self.values.items()}
        shows = f"; for instance {'; '.join(one.told('en') for one in self.examples)}" if self.examples else ""
        return f"{self.where.told()}: {DRIFTS[self.kind]['en'].format(**shown)}{shows}"

    def told(self, lang: style.Lang, label: Callable[[str], str] = str) -> str:
        """As a report says it."""
        shown = {name: _printed(name, value, lang, label) for name, value in self.values.items()}
        colon, also = (" : ", " ; par exemple ") if lang == "fr" else (": ", "; for instance ")
        words = f"{self.where.told(lang, label)}{colon}{DRIFTS[self.kind][lang].format(**shown)}"
        shows = (" ; " if lang == "fr" else "; ").join(one.told(lang) for one in self.examples)
        return style.typography(words + (also + shows if shows else ""), lang)


_SHARES = {"most", "share"}


def _plain(name: str, value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0%}" if name in _SHARES and value <= 1 else f"{value:g}"
    return str(value)


def _printed(name: str, value: object, lang: style.Lang, label: Callable[[str], str]) -> str:
    if name == "other":
        return label(str(value))
    if isinstance(value, float):
        if name in _SHARES and value <= 1:
            return style.format_number(100 * value, 0, lang=lang, symbol="%")
        return style.format_number(value, 2 if value % 1 else 0, lang=lang)
    return style.format_number(value, 0, lang=lang) if isinstance(value, int) else str(value)
