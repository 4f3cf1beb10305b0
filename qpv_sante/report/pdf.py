"""A page as PDF, set by Typst: one wheel without any system library, tagged output, the same bytes each time."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from qpv_sante import style
from qpv_sante.errors import StoreError
from qpv_sante.listing import LAYOUT
from qpv_sante.report.columns import column_widths, fonts
from qpv_sante.report.page import RESOLUTION
from qpv_sante.report.words import WORDS

if TYPE_CHECKING:
    from qpv_sante.report.page import Report, Section

# Points of an A4 page between its margins, and the text of tables in that of the page, as the template has them
_WIDTH = {"full": 510.0, "compact": 527.0}
_TABLE = 0.9


class Fit(NamedTuple):
    """A way to set a page.

    Attributes
    ----------
    size : float
        Points of the text; tables and notes are a little smaller.
    whole : bool
        Whether a table that does not fit on what is left of a page goes whole to the next one.
    cut : float
        Part left out of the rows that tables may lose.
    """

    size: float
    whole: bool = True
    cut: float = 0.0


# Below the last one a printed page is not read any more
SIZES = (8.6, 8.2, 7.8, 7.4, 7.0, 6.7)
# A table that goes on overleaf, under its headings again, comes before one that loses rows
FITS = (
    *(Fit(size) for size in SIZES),
    *(Fit(size, whole=False) for size in SIZES[-2:]),
    *(Fit(SIZES[-1], whole, cut) for cut in (0.5, 1.0) for whole in (True, False)),
)


def render(report: Report) -> bytes:
    """The PDF of a report: A4, with as large a text as its number of pages allows.

    Raises
    ------
    StoreError
        The extra `pdf` is not installed, or the page cannot be set.
    """
    typst = typesetter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with resources.as_file(resources.files("qpv_sante") / "templates" / "report.typ") as template:
            shutil.copyfile(template, folder / "report.typ")
        figures = [_figures(section, number, folder) for number, section in enumerate(report.sections)]
        try:
            for fit in FITS:
                data = _data(report, figures, fit)
                (folder / "data.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
                compiler = typst.Compiler(
                    folder / "report.typ", root=folder, font_paths=[fonts()], ignore_system_fonts=True
                )
                if report.pages is None or int(compiler.query("<pages>", field="value", one=True)) <= report.pages:
                    break
            content = compiler.compile(format="pdf", pdf_standards=["ua-1"])
        except typst.TypstError as error:
            raise StoreError(f"The PDF of {report.title!r} cannot be set: {error}") from error
    return bytes(content)


def _shortened(sources: list[str], lang: style.Lang) -> list[str]:
    """Citations on paper: who laid out the figures is said once."""
    layout = style.typography(LAYOUT, lang)
    short = [line.removesuffix(layout) for line in sources]
    return [*short, layout.strip()] if short != list(sources) else short


def typesetter() -> Any:
    """The module of Typst.

    Raises
    ------
    StoreError
        The extra `pdf` is not installed.
    """
    try:
        import typst
    except ImportError as error:
        raise StoreError(
            "A PDF needs the extra `pdf`: pip install 'qpv-sante[pdf]' (one wheel, no system library). "
            "Without it, save the page as .html and print it from a browser: its style sheet is made for A4."
        ) from error
    return typst


def _inches(image: Path) -> float:
    """Width at which the texts of a figure have the size that they were drawn with."""
    from PIL import Image

    with Image.open(image) as opened:
        return float(opened.width / opened.info.get("dpi", (RESOLUTION, RESOLUTION))[0])


def _figures(section: Section, number: int, folder: Path) -> list[dict[str, Any]]:
    """The images of a section, written as files beside the page."""
    figures = []
    for place, figure in enumerate(section.figures):
        image = folder / f"figure-{number}-{place}.png"
        image.write_bytes(base64.b64decode(figure["png"]))
        shown = {"path": image.name, "alt": figure["alt"], "caption": figure.get("caption", "")}
        figures.append(shown | {"inches": _inches(image)})
    return figures


def _data(report: Report, figures: list[list[dict[str, Any]]], fit: Fit) -> dict[str, Any]:
    """What the template reads: texts as they are, images as files beside it."""
    lang = style.check_lang(report.lang)
    sections = []
    for section, images in zip(report.sections, figures, strict=True):
        table, notes = _table(section, fit, compact=report.pages is not None), list(section.notes)
        if table is not None and section.table is not None and len(table["rows"]) < len(section.table.rows):
            said = WORDS["cut_on_paper"][lang].format(shown=len(table["rows"]), total=len(section.table.rows))
            notes.insert(0, style.typography(said, lang))
        sections.append(
            {
                "title": section.title,
                "findings": section.findings,
                "figures": images,
                "table": table,
                "notes": notes,
                "share": section.share,
                "stacked": section.stacked,
            }
        )
    return {
        "title": report.title,
        "lead": report.lead,
        "lang": lang,
        "sections": sections,
        "sources": _shortened(report.sources, lang),
        "sources_title": WORDS["sources"][lang],
        "compact": report.pages is not None,
        "size": fit.size,
        "whole": fit.whole,
    }


def _table(section: Section, fit: Fit, *, compact: bool) -> dict[str, Any] | None:
    """The table of a section with its widths, and without the rows that are cut."""
    if section.table is None:
        return None
    shown = section.table
    rows = list(shown.rows)
    if section.least_rows is not None:
        rows = _first_of_each(rows, len(rows) - round(fit.cut * max(len(rows) - section.least_rows, 0)))
    room = _WIDTH["compact" if compact else "full"] / (_TABLE * fit.size)
    widths = column_widths(shown, room)
    return {
        # a caption that says what the heading says is not printed twice
        "caption": "" if shown.caption == section.title else shown.caption,
        "header": list(shown.header),
        "rows": [list(row) for row in rows],
        "text_columns": sorted({0, *shown.text_columns}),
        "widths": widths,
        # what is too wide even with a word a line is set smaller rather than over its neighbours
        "scale": min(1.0, room / sum(widths)),
    }


def _first_of_each(rows: list[Sequence[str]], number: int) -> list[Sequence[str]]:
    """Some rows of a table, in its order: rows whose name stands higher up already are left out first.

    Examples
    --------
    >>> _first_of_each([("Médecins", "Lens"), ("Médecins", "Liévin"), ("Pharmacies", "Lens")], 2)
    [('Médecins', 'Lens'), ('Pharmacies', 'Lens')]
    """
    first = {row[0]: place for place, row in reversed(list(enumerate(rows)))}
    kept = sorted(range(len(rows)), key=lambda place: (first[rows[place][0]] != place, place))[:number]
    return [rows[place] for place in sorted(kept)]
