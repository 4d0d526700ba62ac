"""A closed surface of a damaged one."""

from __future__ import annotations

from orfeas.geometry.repair.pipeline import Operation, Repaired, repair, taken_apart

__all__ = ["Operation", "Repaired", "repair", "taken_apart"]
