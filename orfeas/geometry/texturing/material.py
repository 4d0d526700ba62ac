"""A material on every part of a model."""

from __future__ import annotations

from dataclasses import replace

from orfeas.domain.presets import Material
from orfeas.geometry.assembly import Assembly, Model, as_assembly


def dressed(model: Model, material: Material) -> Assembly:
    """The parts in one material. Colours and textures go: they would multiply its base colour."""
    parts = as_assembly(model).parts
    bare = (replace(part.mesh, corner_uv=None, texture=None, vertex_colors=None, maps=None) for part in parts)
    return Assembly(tuple(replace(part, mesh=mesh, material=material) for part, mesh in zip(parts, bare, strict=True)))
