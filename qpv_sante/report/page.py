"""A page made of sections: shown in notebooks, saved as one HTML file or as a PDF that need nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qpv_sante import style, templating
from qpv_sante.errors import UnknownNameError
from qpv_sante.export import check_suffix, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE_SUFFIXES = (".html", ".pdf")
RESOLUTION = 150  # dots an inch of figures
_TEXT_WIDTH = 100  # characters of a line in a terminal


@dataclass(frozen=True)
class Table:
    """A table as printed.

    Attributes
    ----------
    caption : str
    header : sequence of str
    rows : sequence of sequence of str
        Cells; the first of each row names it.
    text_columns : sequence of int
        Columns that hold words, aligned on the left and given room in the PDF; the first always is one.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    text_columns: Sequence[int] = (0,)


@dataclass
class Section:
    """A part of a report.

    Attributes
    ----------
    title : str
    findings : list of str
    figures : list of dict
        `png` (base64), `alt` and `caption`, as `figure_of` gives them.
    table : Table, optional
    notes : list of str
    share : float
        Part of the width that it takes on a printed page: sections that follow one another stand side by side where
        they fit.
    stacked : bool
        Whether it is printed under the section before it, in the same column.
    least_rows : int, optional
        Rows of the table that a PDF of a set number of pages keeps where nothing else makes it hold; it says how many
        are left out, and the HTML page has them all. None: the table is never cut.
    """

    title: str
    findings: list[str] = field(default_factory=list)
    figures: list[dict[str, str]] = field(default_factory=list)
    table: Table | None = None
    notes: list[str] = field(default_factory=list)
    share: float = 1.0
    stacked: bool = False
    least_rows: int | None = None

    def _repr_html_(self) -> str:
        return templating.render("section_alone.html", section=self)


@dataclass(repr=False)
class Report:
    """A report: shows in notebooks and in a terminal, saves as one HTML file or one PDF that need nothing else.

    Attributes
    ----------
    title, lead : str
    sections : list of Section
    sources : list of str
        Citations.
    lang : str
    pages : int, optional
        Number of A4 pages that the PDF must hold in: its text is made smaller until it does, down to a legible size;
        then tables lose the rows that `Section.least_rows` allows, and say so.

    Examples
    --------
    >>> print(Report("Quartier", "Zonage 2015.", [Section("En bref", ["Un constat."])], ["Insee"]))
    Quartier
    Zonage 2015.
    <BLANKLINE>
    1. En bref
       - Un constat.
    <BLANKLINE>
    1 source. .save("nom.html") ou .save("nom.pdf") pour la page entière.
    """

    title: str
    lead: str
    sections: list[Section]
    sources: list[str]
    lang: str = "fr"
    pages: int | None = None

    @property
    def html(self) -> str:
        """The page, every label escaped."""
        from qpv_sante.report.words import WORDS

        return templating.render(
            "report.html",
            title=self.title,
            lead=self.lead,
            sections=self.sections,
            sources=self.sources,
            sources_title=WORDS["sources"]["en" if self.lang == "en" else "fr"],
            contents_title=WORDS["contents"]["en" if self.lang == "en" else "fr"],
            lang=self.lang,
        )

    def section(self, title: str, *, required: bool = True) -> Section:
        """One part of the report: shows in notebooks.

        Parameters
        ----------
        title : str
            How its title begins, with any spaces.
        required : bool
            Whether a part that this report does not have is an error, or a part that says so: not every territory
            has every part.

        Returns
        -------
        Section

        Raises
        ------
        UnknownNameError
            No part, or several, with that title; the message lists the titles.
        """
        titles = [" ".join(one.title.split()) for one in self.sections]
        found = [
            rank for rank, one in enumerate(titles) if one.casefold().startswith(" ".join(title.split()).casefold())
        ]
        if len(found) == 1:
            return self.sections[found[0]]
        if not found and not required:
            from qpv_sante.report.words import WORDS

            absent = WORDS["absent_section"]["en" if self.lang == "en" else "fr"].format(title=title)
            return Section(title, notes=[style.typography(absent, "en" if self.lang == "en" else "fr")])
        wrong = f"{len(found)} parts begin with" if found else "No part begins with"
        raise UnknownNameError(f"{wrong} {title!r} in « {self.title} ». Its parts: {' | '.join(titles)}.")

    def __str__(self) -> str:
        """Title, lead and, of each section, its sentences and what else it holds: for a terminal."""
        import textwrap

        from qpv_sante.report.words import WORDS

        words = WORDS["text"]["en" if self.lang == "en" else "fr"]
        plain = textwrap.TextWrapper(_TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
        lines = [self.title, *plain.wrap(self.lead), ""]
        plain.initial_indent, plain.subsequent_indent = "   - ", "     "
        for number, section in enumerate(self.sections, 1):
            rows = 0 if section.table is None else len(section.table.rows)
            held = [words["figures"]] if section.figures else []
            held += [words["rows" if rows > 1 else "row"].format(number=rows)] if rows else []
            lines.append(f"{number}. {section.title}" + (f" ({', '.join(held)})" if held else ""))
            for text in section.findings or (section.notes if not held else []):
                lines += plain.wrap(text)
        cited = words["sources" if len(self.sources) > 1 else "source"].format(number=len(self.sources))
        return "\n".join([*lines, "", f"{cited} {words['whole']}"])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        import html

        # in a frame of its own: its style stays out of the notebook's
        look = "width:100%;height:40em;border:1px solid #d9d9d9"
        return f'<iframe title="{html.escape(self.title)}" style="{look}" srcdoc="{html.escape(self.html)}"></iframe>'

    def save(self, path: Path | str) -> Path:
        """Write the page.

        Parameters
        ----------
        path : Path or str
            `.html`: one file, images included. `.pdf`: A4, tagged for screen readers, the same bytes for the same
            figures; needs the extra `pdf`.

        Returns
        -------
        Path

        Raises
        ------
        UnknownNameError
            Another suffix.
        StoreError
            The file cannot be written, or a PDF without the extra `pdf`.
        """
        path = Path(path)
        check_page(path)
        if path.suffix.lower() == ".pdf":
            from qpv_sante.report.pdf import render

            content = render(self)
        else:
            content = self.html.encode("utf-8")
        with written_whole(path) as aside:
            aside.write_bytes(content)
        return path


def check_page(path: Path) -> None:
    """Refuse a file that no page can be saved as: told before the work, not after.

    Raises
    ------
    UnknownNameError
        Another suffix than those of `PAGE_SUFFIXES`.
    StoreError
        A PDF without the extra `pdf`.
    """
    check_suffix(path, PAGE_SUFFIXES)
    if path.suffix.lower() == ".pdf":
        from qpv_sante.report.pdf import typesetter

        typesetter()


def figure_of(axes: Axes, alt: str, *, caption: str = "") -> dict[str, str]:
    """A figure that `style.fit_figure` sized as an inline image with its alternative text; the figure is closed."""
    import matplotlib.pyplot as plt

    figure = style.root_figure(axes)
    stream = io.BytesIO()
    # without the version of matplotlib in the file: the same figures give the same bytes
    figure.savefig(stream, format="png", dpi=RESOLUTION, metadata={"Software": None})
    plt.close(figure)
    return {"png": base64.b64encode(stream.getvalue()).decode("ascii"), "alt": alt, "caption": caption}
