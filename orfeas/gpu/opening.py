"""Models of all makes by their keys."""

from __future__ import annotations

from pathlib import Path

import torch

from orfeas.gpu.background import BackgroundWeights
from orfeas.gpu.manager import ModelKey, PipelineWeights, Weights
from orfeas.gpu.pictures import PictureWeights


def opened(model_dir: Path, key: ModelKey, device: torch.device) -> Weights:
    """A model with no part loaded."""
    if key.kind == "picture":
        return PictureWeights(model_dir, key, device)
    if key.kind == "background":
        return BackgroundWeights(model_dir, key, device)
    return PipelineWeights(model_dir, key, device)
