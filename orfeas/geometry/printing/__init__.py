"""Preparing meshes for a printer: turned, sized, hollowed, placed, and what the print will take.

All of it in millimetres with z up; `orient` alone turns a mesh there and says how.
"""

from orfeas.geometry.printing.bed import Fitted, fit_to_printer, place_on_bed
from orfeas.geometry.printing.drains import Drain
from orfeas.geometry.printing.estimate import Support, estimate, support
from orfeas.geometry.printing.hollow import Hollowed, hollow
from orfeas.geometry.printing.orient import Candidate, Goal, Oriented, orient

__all__ = [
    "Candidate",
    "Drain",
    "Fitted",
    "Goal",
    "Hollowed",
    "Oriented",
    "Support",
    "estimate",
    "fit_to_printer",
    "hollow",
    "orient",
    "place_on_bed",
    "support",
]
