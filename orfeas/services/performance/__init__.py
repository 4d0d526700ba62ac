"""Profiles in force, what runs took, and advice from both."""

from orfeas.services.performance.service import PerformanceService, algorithms
from orfeas.services.performance.settings import ENGINES, PerformanceSettings
from orfeas.services.performance.tuning import Tuning, Wish

__all__ = ["ENGINES", "PerformanceService", "PerformanceSettings", "Tuning", "Wish", "algorithms"]
