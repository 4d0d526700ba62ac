"""Imports every stage module: a worker preloads this one, and all implementations are registered."""

from __future__ import annotations

from orfeas.stages import image, mesh, render, shape

MODULES = (image, mesh, render, shape)
