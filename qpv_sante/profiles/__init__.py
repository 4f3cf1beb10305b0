"""A neighbourhood or a territory in numbers: position on every indicator, and the neighbourhoods most like one."""

from qpv_sante.profiles.nearest import similar
from qpv_sante.profiles.places import Quarter, find_quarter
from qpv_sante.profiles.values import positions

__all__ = ["Quarter", "find_quarter", "positions", "similar"]
