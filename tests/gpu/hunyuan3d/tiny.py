"""The recorded autoencoders, in float32."""

from __future__ import annotations

import torch

from orfeas.gpu.hunyuan3d.checkpoint import load_part
from orfeas.gpu.hunyuan3d.config import read_pipeline, read_vae
from orfeas.gpu.hunyuan3d.vae import ShapeVAE
from tests.gpu.hunyuan3d.golden import MODELS

FOLDERS = {
    "base": "Hunyuan3D-2tiny/hunyuan3d-dit-v2-tiny",
    "turbo": "Hunyuan3D-2tiny/hunyuan3d-dit-v2-tiny-turbo",
    "mv": "Hunyuan3D-2tiny/hunyuan3d-dit-v2-tiny-mv",
    "basevae": "Hunyuan3D-2tiny/hunyuan3d-vae-v2-tiny",
    "turbovae": "Hunyuan3D-2tiny/hunyuan3d-vae-v2-tiny-turbo",
    "v21": "Hunyuan3D-2.1tiny/hunyuan3d-dit-v2-1",
    "v21vae": "Hunyuan3D-2.1tiny/hunyuan3d-vae-v2-1",
}


def load_vae(name: str) -> ShapeVAE:
    """One of the recorded autoencoders, whole or from the file of a pipeline."""
    folder = MODELS / "tencent" / FOLDERS[name]
    separate = name.endswith("vae")
    settings = read_vae(folder) if separate else read_pipeline(folder).vae
    with torch.device("meta"):
        vae = ShapeVAE(settings)
    load_part(folder, None if separate else "vae", vae, device="cpu", dtype=torch.float32)
    return vae.requires_grad_(False)
