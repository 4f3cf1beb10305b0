"""Room for what is written around axes: a new figure takes its size, given subplots are laid out or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from qpv_sante import style
from qpv_sante.errors import InvalidInputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def settle(ax: Axes, *, own: bool, least: tuple[float, float | None]) -> None:
    """Make room for what is written around the axes: a new figure takes its size, given subplots are laid out.

    Axes that were placed by hand (`set_position`, `add_axes`) stay where they are: what surrounds them is their
    owner's affair.

    Parameters
    ----------
    ax : Axes
        Drawn, texts included.
    own : bool
        Whether the figure is ours.
    least : tuple of float
        Width and height in inches under which the axes cannot be read; without a height, a map's follows its width.

    Raises
    ------
    InvalidInputError
        The figure of the given axes is too small; the message says which size would do.
    """
    import warnings

    from matplotlib.layout_engine import ConstrainedLayoutEngine

    if own:
        style.fit_figure(ax)
        return
    figure, place = style.root_figure(ax), ax.get_subplotspec()
    if place is None or not ax.get_in_layout():
        return
    with warnings.catch_warnings():
        # what does not fit is told below, with the size that would do
        warnings.simplefilter("ignore", UserWarning)
        (figure.get_layout_engine() or ConstrainedLayoutEngine()).execute(figure)
    inner, outer, page = ax.get_window_extent(), ax.get_tightbbox() or ax.get_window_extent(), figure.bbox
    slack = 0.05 * figure.dpi
    least_height = least[0] * inner.height / inner.width if least[1] is None else least[1]
    wide = outer.x0 > page.x0 - slack and outer.x1 < page.x1 + slack
    high = outer.y0 > page.y0 - slack and outer.y1 < page.y1 + slack
    width, height = inner.width / figure.dpi, inner.height / figure.dpi
    if wide and high and width >= least[0] and height >= least_height:
        return
    rows, columns = place.get_topmost_subplotspec().get_gridspec().get_geometry()
    have = figure.get_size_inches()
    around = (outer.width - inner.width) / figure.dpi + 0.2, (outer.height - inner.height) / figure.dpi + 0.2
    # a side that fails grows by an inch at least: texts wrap otherwise once there is room
    fits = (wide and width >= least[0], high and height >= least_height)
    grown = [side + (not enough) for side, enough in zip(have, fits, strict=True)]
    wanted = (max(grown[0], columns * (around[0] + least[0])), max(grown[1], rows * (around[1] + least_height)))
    raise InvalidInputError(
        f"These axes are too small for the figure: its title, legend and notes would be cut or cover its neighbours. "
        f"The whole figure is {have[0]:.1f} x {have[1]:.1f} inches; make it about {np.ceil(wanted[0]):.0f} x "
        f"{np.ceil(wanted[1]):.0f} (figsize=), or leave ax out: a new figure takes the size that it needs."
    )
