"""The recorded denoisers and a plain sampling loop around them, which the tests compare with the recordings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from orfeas.gpu.hunyuan3d import checkpoint
from orfeas.gpu.hunyuan3d.conditioner import ImageEncoder
from orfeas.gpu.hunyuan3d.config import read_pipeline
from orfeas.gpu.hunyuan3d.denoiser import Condition, Denoiser
from orfeas.gpu.hunyuan3d.dit import Hunyuan3DDiT
from orfeas.gpu.hunyuan3d.dit_plain import HunYuanDiTPlain
from orfeas.gpu.hunyuan3d.preprocess import ImageProcessor, Images
from orfeas.gpu.hunyuan3d.schedulers import Schedule
from orfeas.gpu.hunyuan3d.settings import DiTSettings, PipelineSettings
from tests.gpu.hunyuan3d.golden import BASE, INPUTS, MODELS, MULTIVIEW, TURBO, V21

FOLDERS = {"base": BASE, "turbo": TURBO, "mv": MULTIVIEW, "v21": V21}
SECOND: dict[str, Images] = dict.fromkeys(FOLDERS, INPUTS / "input_1.png")
"""What the entries `b_*` were recorded with."""
SECOND["mv"] = {view: INPUTS / f"input_{i}.png" for view, i in (("right", 1), ("front", 2), ("back", 0))}


@cache
def settings_of(name: str) -> PipelineSettings:
    return read_pipeline(checkpoint.find(MODELS, *FOLDERS[name]))


@cache
def load_denoiser(name: str, dtype: Any = torch.float32, *, group_experts: bool = True) -> Any:
    """A recorded denoiser. No test changes it, so all share it."""
    settings = settings_of(name).denoiser
    with torch.device("meta"):
        if isinstance(settings, DiTSettings):
            denoiser: Any = Hunyuan3DDiT(settings)
        else:
            denoiser = HunYuanDiTPlain(settings, group_experts=group_experts)
    checkpoint.load_part(checkpoint.find(MODELS, *FOLDERS[name]), "model", denoiser, device="cpu", dtype=dtype)
    return denoiser


def encode(name: str, images: Images) -> Tensor:
    """Condition tokens of pictures, which are opened as the recordings did it."""
    settings = settings_of(name)
    with torch.device("meta"):
        encoder = ImageEncoder(settings.encoder)
    checkpoint.load_part(
        checkpoint.find(MODELS, *FOLDERS[name]), "conditioner", encoder, device="cpu", dtype=torch.float32
    )
    opened = (
        {view: Image.open(path) for view, path in images.items()} if isinstance(images, dict) else Image.open(images)
    )
    prepared = ImageProcessor(settings.processor)(opened)
    return encoder(prepared.image, prepared.view_idxs)


def guidances(denoiser: Denoiser, *scales: float) -> Tensor | None:
    """What a denoiser takes as the guidance of its items."""
    return torch.tensor(scales) if denoiser.guidance_embed else None


def halves(denoiser: Any, tokens: Tensor, *, compressed: bool = True) -> list[Condition]:
    """The conditions of one guided evaluation, the conditional one first."""
    conditional = denoiser.prepare_condition(tokens)
    if denoiser.guidance_embed:
        return [conditional]
    return [conditional, denoiser.prepare_unconditional(*tokens.shape[:2], compressed=compressed)]


def evaluate(denoiser: Any, latents: Tensor, conditions: Sequence[Condition], t: float, scale: float) -> list[Tensor]:
    """Velocities of the halves at one time."""
    times = denoiser.prepare_times(torch.tensor([t]), guidances(denoiser, scale))
    return [denoiser(latents, condition, times) for condition in conditions]


def sample(denoiser: Any, plan: Schedule, latents: Tensor, conditions: Sequence[Condition], scale: float) -> Tensor:
    """Latents after all steps that go anywhere."""
    for i, t in enumerate(plan.sigmas[:-1].tolist()):
        if plan.widths[i]:
            velocity, *unconditional = evaluate(denoiser, latents, conditions, t, scale)
            for other in unconditional:
                velocity = other + scale * (velocity - other)
            latents = plan.step(latents, velocity, i)
    return latents
