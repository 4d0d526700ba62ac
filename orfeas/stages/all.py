"""Imports every stage module: a worker preloads this one, and all implementations are registered."""

from __future__ import annotations

from orfeas.geometry.field import HeightField
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.subject import Subject
from orfeas.stages import image, mesh, render, shape
from orfeas.stages.values import value_kind

MODULES = (image, mesh, render, shape)

value_kind("mesh", Mesh)
value_kind("subject", Subject)
value_kind("height_field", HeightField)
