"""Imports every stage module: a worker preloads this one, and all implementations are registered."""

from __future__ import annotations

from orfeas.domain.presets import Material
from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.field import HeightField
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.subject import Subject
from orfeas.stages import code, image, material, measure, mesh, printing, render, rework, scene, shape
from orfeas.stages.values import value_kind

MODULES = (code, image, material, measure, mesh, printing, render, rework, scene, shape)

value_kind("mesh", Mesh)
value_kind("maps", Maps)
value_kind("assembly", Assembly)
value_kind("part", Part)
value_kind("material", Material)
value_kind("subject", Subject)
value_kind("height_field", HeightField)
