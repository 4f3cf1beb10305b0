"""One neighbourhood in numbers: its position on every indicator, and the neighbourhoods most like it."""

from qpv_sante.profiles.nearest import similar
from qpv_sante.profiles.places import Quarter, find_quarter
from qpv_sante.profiles.values import positions

__all__ = ["Quarter", "find_quarter", "positions", "similar"]
