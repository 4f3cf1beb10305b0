"""Reports: the QPV of a territory against their surroundings, and the sheet of one neighbourhood."""

from qpv_sante.report.comparisons import findings, gap_table
from qpv_sante.report.page import PAGE_SUFFIXES, Report, Section, Table, figure_of
from qpv_sante.report.quarter import profile
from qpv_sante.report.territory import report

__all__ = ["PAGE_SUFFIXES", "Report", "Section", "Table", "figure_of", "findings", "gap_table", "profile", "report"]
