"""Indicators of French priority neighbourhoods (QPV), against what surrounds them.

Importing downloads nothing and writes nothing. Start with `list_indicators()`.
"""

from qpv_sante._version import __version__
from qpv_sante.areal import crosswalk
from qpv_sante.care import care_supply
from qpv_sante.charts import (
    figure_alt_text,
    plot_distribution,
    plot_gap,
    plot_inequality,
    plot_levels,
    plot_rank,
    plot_trend,
)
from qpv_sante.charts.profile import plot_profile
from qpv_sante.comparison import compare
from qpv_sante.composites import add_territories, list_territories
from qpv_sante.context import context
from qpv_sante.errors import QpvSanteError
from qpv_sante.estimation import estimate
from qpv_sante.imports import import_observations, remove_import
from qpv_sante.inequality.groups import summarize_inequality
from qpv_sante.initiative_links import attach_initiatives
from qpv_sante.initiatives import initiative_figures, load_initiatives
from qpv_sante.integrity import verify
from qpv_sante.listing import cite, describe, list_indicators, list_sources
from qpv_sante.loading import attach_zones, load_observations, load_zones
from qpv_sante.location import locate
from qpv_sante.maps import explore_map, plot_bivariate_map, plot_map
from qpv_sante.pipeline import build
from qpv_sante.profiles import positions, similar
from qpv_sante.provenance import provenance
from qpv_sante.ranking import rank
from qpv_sante.refresh import refresh
from qpv_sante.report import profile, report
from qpv_sante.tables import format_table

__all__ = [
    "QpvSanteError",
    "__version__",
    "add_territories",
    "attach_initiatives",
    "attach_zones",
    "build",
    "care_supply",
    "cite",
    "compare",
    "context",
    "crosswalk",
    "describe",
    "estimate",
    "explore_map",
    "figure_alt_text",
    "format_table",
    "import_observations",
    "initiative_figures",
    "list_indicators",
    "list_sources",
    "list_territories",
    "load_initiatives",
    "load_observations",
    "load_zones",
    "locate",
    "plot_bivariate_map",
    "plot_distribution",
    "plot_gap",
    "plot_inequality",
    "plot_levels",
    "plot_map",
    "plot_profile",
    "plot_rank",
    "plot_trend",
    "positions",
    "profile",
    "provenance",
    "rank",
    "refresh",
    "remove_import",
    "report",
    "similar",
    "summarize_inequality",
    "verify",
]
