"""Charts: a frame of numbers in, Axes out. Every number is computed before anything is drawn."""

from qpv_sante.charts.alt_text import figure_alt_text
from qpv_sante.charts.common import MAX_ROWS
from qpv_sante.charts.distribution import plot_distribution
from qpv_sante.charts.gap import plot_gap
from qpv_sante.charts.gap_rows import REQUIRED as _REQUIRED
from qpv_sante.charts.inequality import plot_inequality
from qpv_sante.charts.levels import plot_levels
from qpv_sante.charts.ranking import plot_rank
from qpv_sante.charts.trend import plot_trend

__all__ = [
    "MAX_ROWS",
    "_REQUIRED",
    "figure_alt_text",
    "plot_distribution",
    "plot_gap",
    "plot_inequality",
    "plot_levels",
    "plot_rank",
    "plot_trend",
]
