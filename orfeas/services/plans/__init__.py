"""Engines as plan builders: a request in, the stages that make it out."""

from orfeas.services.plans.common import (
    PREVIEW_SIZE,
    FolderModel,
    Pictures,
    ShapeRequest,
    conversion_plan,
    generation_plan,
    prepared,
    preview_plan,
    without_folders,
)
from orfeas.services.plans.embedded import EMBEDDED_ENGINE, GenerationRequest
from orfeas.services.plans.hunyuan3d import HUNYUAN3D_ENGINE, ModelRef, NeuralRequest
from orfeas.services.plans.parametric import ParametricRequest
from orfeas.services.plans.pictures import PictureRequest, picture_plan

__all__ = [
    "EMBEDDED_ENGINE",
    "HUNYUAN3D_ENGINE",
    "PREVIEW_SIZE",
    "FolderModel",
    "GenerationRequest",
    "ModelRef",
    "NeuralRequest",
    "ParametricRequest",
    "PictureRequest",
    "Pictures",
    "ShapeRequest",
    "conversion_plan",
    "generation_plan",
    "picture_plan",
    "prepared",
    "preview_plan",
    "without_folders",
]
