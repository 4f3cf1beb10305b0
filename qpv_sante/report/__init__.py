"""Reports: the QPV of a territory against their surroundings, and the sheet of one neighbourhood."""

from qpv_sante.report.comparisons import findings, gap_table
from qpv_sante.report.page import Report, Section, Table, check_page, figure_of
from qpv_sante.report.quarter import profile
from qpv_sante.report.territory import report

__all__ = [
    "Report",
    "Section",
    "Table",
    "check_page",
    "figure_of",
    "findings",
    "gap_table",
    "profile",
    "report",
]
