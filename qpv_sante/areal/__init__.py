"""Areal weights, values carried from one set of zones to another, and the crosswalk between QPV zonings.

Exact areas only: the rule of the centroid is off by 13 % (median) per quarter. A value that is carried
says which share of the target it knows, and bounds what it does not.
"""

from __future__ import annotations

from qpv_sante.areal.carrying import carry
from qpv_sante.areal.crosswalks import crosswalk, match_outlines
from qpv_sante.areal.grid import grid_weights
from qpv_sante.areal.overlap import areal_weights
from qpv_sante.areal.zonings import carry_crosswalk

__all__ = ["areal_weights", "carry", "carry_crosswalk", "crosswalk", "grid_weights", "match_outlines"]
