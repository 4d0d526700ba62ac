"""The parametric modeller: solids of a described scene."""

from __future__ import annotations

from orfeas.geometry.parametric.build import build

__all__ = ["build"]
