"""The four steps that clients of the compatible surface know, by stage name."""

from __future__ import annotations

from types import MappingProxyType

STEPS = MappingProxyType(
    {
        "image.prepare": "image_preprocessing",
        "image.generate": "image_preprocessing",
        "shape.encode": "shape_generation",
        "shape.sample": "shape_generation",
        "shape.decode": "shape_generation",
        "shape.inflate": "shape_generation",
        "shape.relief": "shape_generation",
        "shape.parametric": "shape_generation",
        "shape.surface": "shape_generation",
        "mesh.clean": "shape_generation",
        "mesh.repair": "shape_generation",
        "mesh.simplify": "shape_generation",
        "mesh.scale": "shape_generation",
        "mesh.texture": "texture_synthesis",
        "mesh.export": "mesh_export",
        "mesh.verify": "mesh_export",
        "render.preview": "mesh_export",
    }
)

SENTENCES = MappingProxyType(
    {
        "image_preprocessing": "Preparing the picture",
        "shape_generation": "Making the shape",
        "texture_synthesis": "Laying the photo on the mesh",
        "mesh_export": "Writing and checking the files",
    }
)


def step_of(stage: str | None) -> str | None:
    """The compatible step of a stage, or the stage's own name where the table has none."""
    return None if stage is None else STEPS.get(stage, stage)
