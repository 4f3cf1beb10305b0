"""Figures to files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpv_sante.export import check_suffix, written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")


def save_figure(axes: Axes, path: Path | str, *, dpi: int = 150) -> Path:
    """Write the figure that holds `axes`, in the format that the suffix names, and close it.

    Parameters
    ----------
    axes : Axes
    path : Path or str
        `.png`, `.svg` (text kept as text, identifiers stable between runs) or `.pdf`.
    dpi : int
        Dots per inch of a `.png`.

    Returns
    -------
    Path

    Raises
    ------
    UnknownNameError
        Another suffix.
    StoreError
        The file cannot be written.
    """
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    from qpv_sante.style import root_figure

    path = Path(path)
    check_suffix(path, FIGURE_SUFFIXES)
    figure = root_figure(axes)
    # no date inside: the same data give the same file
    metadata = {".png": {}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}[path.suffix.lower()]
    try:
        # Type 42: text that other programs can edit and that printers take
        settings: dict[Any, Any] = {"svg.hashsalt": "qpv_sante", "svg.fonttype": "none", "pdf.fonttype": 42}
        with written_whole(path) as aside, mpl.rc_context(settings):
            figure.savefig(aside, dpi=dpi, bbox_inches="tight", metadata=metadata)
    finally:
        plt.close(figure)
    return path
