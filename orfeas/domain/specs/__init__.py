"""Every stage of the product: name, version, queue and typed parameters.

Weights are those of the published progress table; they hold until run times were measured.
"""

from __future__ import annotations

from orfeas.domain.specs.agents import AgentStep
from orfeas.domain.specs.device import DeviceSpec
from orfeas.domain.specs.image import GenerateImage, MeasureImage, PrepareImage
from orfeas.domain.specs.mesh import Clean, Export, MeasureOverlap, Scale, Simplify, Texture, Verify
from orfeas.domain.specs.models import ModelClear, ModelLoad, ModelPull, ModelUnload, ModelVerify
from orfeas.domain.specs.printing import Hollow, Orient, Place
from orfeas.domain.specs.render import PictureSpec, RenderPicture, RenderPreview, RenderTurntable
from orfeas.domain.specs.rework import Analyze, Assemble, ReadMesh, Repair
from orfeas.domain.specs.scene import ComposeScene, ExportScene
from orfeas.domain.specs.shape import Inflate, Parametric, Relief, ShapeDecode, ShapeEncode, ShapeSample, Surface
from orfeas.domain.specs.texts import AnalyzeCode, CallLlm, WriteMaterial
from orfeas.domain.stages import StageSpec

SPECS: dict[str, type[StageSpec]] = {
    spec.name: spec
    for spec in (
        PrepareImage, Inflate, Relief, Parametric, Surface, Clean, Simplify, Scale, Texture, Export, Verify,
        RenderPreview, RenderPicture, RenderTurntable, GenerateImage, ShapeEncode, ShapeSample, ShapeDecode,
        ModelLoad, ModelUnload, ModelClear, ModelPull, ModelVerify, WriteMaterial, AnalyzeCode, CallLlm, ComposeScene,
        ExportScene, ReadMesh, Repair, Analyze, Orient, Hollow, Place, Assemble, MeasureImage, MeasureOverlap,
        AgentStep,
    )
}  # fmt: skip
"""By name; those of the queue `gpu` are implemented by the device (`orfeas/gpu`), the others in `orfeas/stages`."""

__all__ = [
    "SPECS",
    "AgentStep",
    "Analyze",
    "AnalyzeCode",
    "Assemble",
    "CallLlm",
    "Clean",
    "ComposeScene",
    "DeviceSpec",
    "Export",
    "ExportScene",
    "GenerateImage",
    "Hollow",
    "Inflate",
    "MeasureImage",
    "MeasureOverlap",
    "ModelClear",
    "ModelLoad",
    "ModelPull",
    "ModelUnload",
    "ModelVerify",
    "Orient",
    "Parametric",
    "PictureSpec",
    "Place",
    "PrepareImage",
    "ReadMesh",
    "Relief",
    "RenderPicture",
    "RenderPreview",
    "RenderTurntable",
    "Repair",
    "Scale",
    "ShapeDecode",
    "ShapeEncode",
    "ShapeSample",
    "Simplify",
    "Surface",
    "Texture",
    "Verify",
    "WriteMaterial",
]
