"""Indicators of French priority neighbourhoods (QPV), against what surrounds them.

Importing downloads nothing and writes nothing. Start with `list_indicators()`.
"""

from qpv_sante._version import __version__
from qpv_sante.areal import crosswalk
from qpv_sante.charts import plot_gap
from qpv_sante.comparison import compare
from qpv_sante.context import context
from qpv_sante.errors import QpvSanteError
from qpv_sante.estimation import estimate
from qpv_sante.imports import import_observations, remove_import
from qpv_sante.inequality.groups import summarize_inequality
from qpv_sante.listing import cite, describe, list_indicators, list_sources
from qpv_sante.loading import attach_zones, load_observations, load_zones
from qpv_sante.maps import plot_map
from qpv_sante.pipeline import build
from qpv_sante.ranking import rank
from qpv_sante.refresh import refresh
from qpv_sante.report import report

__all__ = [
    "QpvSanteError",
    "__version__",
    "attach_zones",
    "build",
    "cite",
    "compare",
    "context",
    "crosswalk",
    "describe",
    "estimate",
    "import_observations",
    "list_indicators",
    "list_sources",
    "load_observations",
    "load_zones",
    "plot_gap",
    "plot_map",
    "rank",
    "refresh",
    "remove_import",
    "report",
    "summarize_inequality",
]
