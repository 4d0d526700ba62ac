"""What a mesh is like, and what a printer makes of it."""

from orfeas.geometry.analysis.analyze import SELF_INTERSECTION_FACES, analyze
from orfeas.geometry.analysis.scores import Scores, scores

__all__ = ["SELF_INTERSECTION_FACES", "Scores", "analyze", "scores"]
