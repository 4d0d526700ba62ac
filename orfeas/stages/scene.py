"""Scenes: stored models in their places, as one file."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np

from orfeas.domain.layout import rotation
from orfeas.domain.presets import LIGHTING, MATERIALS, View
from orfeas.domain.specs import ComposeScene, ExportScene
from orfeas.geometry import formats
from orfeas.geometry.assembly import Assembly, Matrix, Model, Part, as_assembly, as_mesh
from orfeas.geometry.formats.rig import with_rig
from orfeas.stages.registry import Progress, implements


@implements(ComposeScene)
def compose(*models: Model, spec: ComposeScene, on_progress: Progress) -> Model:
    """All objects as parts of one model; flattened, one mesh."""
    parts = [
        part
        for model, members in zip(models, json.loads(spec.objects), strict=True)
        for part in _placed(model, members)
    ]
    assembly = Assembly(tuple(parts))
    return assembly.merged() if spec.flatten else assembly


@implements(ExportScene)
def export(model: Model, spec: ExportScene, on_progress: Progress) -> bytes:
    """A glb file with lights and a camera."""
    glb = formats.write(model, "glb", provenance=spec.recipe, name=spec.part_name)
    camera = json.loads(spec.camera)
    view = View(
        cast(Any, tuple(camera["position"])),
        cast(Any, tuple(camera["up"])),
        cast(Any, tuple(camera["target"])),
        camera["fov"],
        camera["projection"],
    )
    return with_rig(glb, LIGHTING[spec.lighting], view)


def _placed(model: Model, members: dict[str, Any]) -> list[Part]:
    """The parts of an object, named after it, in its place; a material of its own goes over theirs."""
    matrix = _matrix(model, members)
    material = MATERIALS[members["material"]] if members["material"] else None
    found = as_assembly(model, members["name"]).parts
    return [
        Part(
            members["name"] if len(found) == 1 else f"{members['name']} {part.name}",
            part.mesh,
            matrix @ part.transform,
            material or part.material,
        )
        for part in found
    ]


def _matrix(model: Model, members: dict[str, Any]) -> Matrix:
    """From the model's axes to the scene's: the middle of its underside comes to the position."""
    mesh = as_mesh(model)
    used = mesh.vertices[mesh.faces].reshape(-1, 3)
    low, high = used.min(axis=0), used.max(axis=0)
    foot = np.array([(low[0] + high[0]) / 2.0, low[1], (low[2] + high[2]) / 2.0])
    turned = np.array(rotation(tuple(members["rotation_deg"]))) @ np.diag(members["scale"])
    matrix = np.eye(4)
    matrix[:3, :3] = turned
    matrix[:3, 3] = np.array(members["position"]) - turned @ foot
    return matrix
