"""A page as PDF, set by Typst: one wheel without any system library, tagged output, the same bytes each time."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpv_sante.errors import StoreError
from qpv_sante.listing import LAYOUT
from qpv_sante.report.words import WORDS

if TYPE_CHECKING:
    from qpv_sante.report.page import Report, Table

# points; below the last one a printed page is not read any more
SIZES = (8.6, 8.0, 7.4, 6.9, 6.4, 6.0)

# characters of a line of a table
# then smaller figures, where the smallest text does not do
_FITS = (*((size, 72) for size in SIZES), (SIZES[-1], 62), (SIZES[-1], 52))
_ROOM = {"full": 106.0, "compact": 140.0}
# and of a column of numbers, the first that leaves room to words: longer cells go on two lines
_NUMBER = (32.0, 24.0, 18.0)


def render(report: Report) -> bytes:
    """The PDF of a report: A4, with as large a text as its number of pages allows.

    Raises
    ------
    StoreError
        The extra `pdf` is not installed, or the page cannot be set.
    """
    typst = _typst()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = _data(report, folder)
        (folder / "data.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        with resources.as_file(resources.files("qpv_sante") / "templates" / "report.typ") as template:
            shutil.copyfile(template, folder / "report.typ")
        try:
            for size, figure in _FITS:
                compiler = typst.Compiler(
                    folder / "report.typ",
                    root=folder,
                    font_paths=[_fonts()],
                    ignore_system_fonts=True,
                    sys_inputs={"size": str(size), "figure": str(figure)},
                )
                if report.pages is None or int(compiler.query("<pages>", field="value", one=True)) <= report.pages:
                    break
            content = compiler.compile(format="pdf", pdf_standards=["ua-1"])
        except typst.TypstError as error:
            raise StoreError(f"The PDF of {report.title!r} cannot be set: {error}") from error
    return bytes(content)


def _shortened(sources: list[str]) -> list[str]:
    """Citations on paper: who laid out the figures is said once."""
    short = [line.removesuffix(LAYOUT) for line in sources]
    return [*short, LAYOUT.strip()] if short != list(sources) else short


def _typst() -> Any:
    try:
        import typst
    except ImportError as error:
        raise StoreError(
            "A PDF needs the extra `pdf`: pip install 'qpv-sante[pdf]' (one wheel, no system library). "
            "Without it, save the page as .html and print it from a browser: its style sheet is made for A4."
        ) from error
    return typst


def _fonts() -> Path:
    """The fonts that matplotlib carries: those of the figures, with every French character."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def _inches(image: Path) -> float:
    """Width at which the texts of a figure have the size that they were drawn with."""
    from PIL import Image

    with Image.open(image) as opened:
        return float(opened.width / opened.info.get("dpi", (130, 130))[0])


def _widths(table: Table, room: float) -> list[float]:
    """Relative widths of the columns: numbers on one line, and the rest of the room to words.

    `room` is the number of characters of a line.
    """
    words, wished = [], []
    longest = 48 if room > _ROOM["full"] else 80  # of a sentence in a cell
    for position, name in enumerate(table.header):
        cells = [row[position] for row in table.rows]
        # a column is as wide as its longest word, heading (in bold) included: nothing is cut in the middle
        word = max(
            [
                1.15 * max(map(len, name.replace("-", "- ").split(" "))),
                *(len(part) for cell in cells for part in cell.split(" ")),
            ]
        )
        words.append(word + 2.0)
        wished.append(max(words[-1], min(max(map(len, cells), default=0), longest) + 2.0))
    texts = {0, *table.text_columns}
    plain = [wish for position, wish in enumerate(wished) if position not in texts]
    most = next((one for one in _NUMBER if sum(min(wish, one) for wish in plain) < 0.8 * room), _NUMBER[-1])
    numbers = sum(min(wish, most) for wish in plain)
    share = max(room - numbers, 0.28 * room) / sum(wished[position] for position in texts)
    return [
        max(words[position], wish * min(share, 1.0)) if position in texts else max(words[position], min(wish, most))
        for position, wish in enumerate(wished)
    ]


def _data(report: Report, folder: Path) -> dict[str, Any]:
    """What the template reads: texts as they are, images as files beside it."""
    sections: list[dict[str, Any]] = []
    for section in report.sections:
        figures: list[dict[str, Any]] = []
        for figure in section.figures:
            image = f"figure-{len(sections)}-{len(figures)}.png"
            (folder / image).write_bytes(base64.b64decode(figure["png"]))
            shown = {"path": image, "alt": figure["alt"], "caption": figure.get("caption", "")}
            figures.append(shown | {"inches": _inches(folder / image)})
        table = None
        if section.table is not None:
            table = {
                "caption": section.table.caption,
                "header": list(section.table.header),
                "rows": [list(row) for row in section.table.rows],
                "text_columns": sorted({0, *section.table.text_columns}),
                "widths": _widths(section.table, _ROOM["compact" if report.pages else "full"]),
            }
        sections.append(
            {
                "title": section.title,
                "findings": section.findings,
                "figures": figures,
                "table": table,
                "notes": section.notes,
                "share": section.share,
            }
        )
    return {
        "title": report.title,
        "lead": report.lead,
        "lang": report.lang,
        "sections": sections,
        "sources": _shortened(report.sources),
        "sources_title": WORDS["sources"]["en" if report.lang == "en" else "fr"],
        "compact": report.pages is not None,
    }
