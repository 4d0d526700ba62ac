"""The published checkpoints as data: their places and what their `config.yaml` says; and sizes for quick runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

_DINO = {
    "giant": {"hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24, "use_swiglu_ffn": True},
    "large": {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "use_swiglu_ffn": False},
    "small": {"hidden_size": 384, "num_hidden_layers": 12, "num_attention_heads": 6, "use_swiglu_ffn": False},
    "tiny": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "use_swiglu_ffn": True},
}
"""Sizes of DINOv2 (arXiv 2304.07193, table 17), and one for tests."""


@dataclass(frozen=True, slots=True)
class Variant:
    """What distinguishes a checkpoint from `2.0`."""

    repo: str = "tencent/Hunyuan3D-2"
    subfolder: str = "hunyuan3d-dit-v2-0"
    width: int = 1024
    heads: int = 16
    depth: int = 16
    depth_single_blocks: int = 32
    guidance_embed: bool = False
    pcm_timesteps: int | None = None
    multiview: bool = False
    plain: bool = False
    """The denoiser of 2.1, published as a `.ckpt` whose VAE has its encoder."""
    dino: str = "giant"
    image_size: int = 518
    processor_size: int = 512
    num_latents: int = 3072
    vae_width: int = 1024
    vae_heads: int = 16
    vae_layers: int = 16
    scale_factor: float = 0.9990943042622529
    vae_only: bool = False
    small_decoder: bool = False
    """The point decoder of the "turbo" VAE folders."""


_TWO = Variant()
_MINI = Variant(
    repo="tencent/Hunyuan3D-2mini",
    subfolder="hunyuan3d-dit-v2-mini",
    depth=8,
    depth_single_blocks=16,
    num_latents=512,
    scale_factor=1.0188137142395404,
)
_MV = replace(_TWO, repo="tencent/Hunyuan3D-2mv", subfolder="hunyuan3d-dit-v2-mv", multiview=True)
_PLAIN = Variant(
    repo="tencent/Hunyuan3D-2.1",
    subfolder="hunyuan3d-dit-v2-1",
    width=2048,
    depth=21,
    plain=True,
    dino="large",
    num_latents=4096,
    scale_factor=1.0039506158752403,
)
_MIDDLE = Variant(
    repo="orfeas/Hunyuan3D-2middle",
    subfolder="hunyuan3d-dit-v2-middle",
    width=512,
    heads=8,
    depth=4,
    depth_single_blocks=8,
    dino="small",
    image_size=224,
    processor_size=256,
    num_latents=512,
    vae_width=512,
    vae_heads=8,
    vae_layers=8,
)
_TINY = replace(
    _MIDDLE,
    repo="orfeas/Hunyuan3D-2tiny",
    subfolder="hunyuan3d-dit-v2-tiny",
    width=32,
    heads=2,
    depth=1,
    depth_single_blocks=1,
    dino="tiny",
    image_size=28,
    processor_size=32,
    num_latents=8,
    vae_width=32,
    vae_heads=2,
    vae_layers=1,
)


def _fast(variant: Variant) -> Variant:
    return replace(variant, subfolder=f"{variant.subfolder}-fast", guidance_embed=True)


def _turbo(variant: Variant, **changes: Any) -> Variant:
    subfolder = f"{variant.subfolder}-turbo"
    return replace(variant, subfolder=subfolder, guidance_embed=True, pcm_timesteps=100, **changes)


def _vae(variant: Variant, *, small: bool = False) -> Variant:
    subfolder = variant.subfolder.replace("-dit-", "-vae-") + ("-turbo" if small else "")
    return replace(variant, subfolder=subfolder, vae_only=True, small_decoder=small)


VARIANTS: dict[str, Variant] = {
    "2.0": _TWO,
    "2.0-fast": _fast(_TWO),
    "2.0-turbo": _turbo(_TWO),
    "2.0-vae": _vae(_TWO),
    "2.0-vae-turbo": _vae(_TWO, small=True),
    "mini": _MINI,
    "mini-fast": _fast(_MINI),
    "mini-turbo": _turbo(_MINI, image_size=1022, processor_size=1022),
    "mini-vae": _vae(_MINI),
    "mini-vae-turbo": _vae(_MINI, small=True),
    "mv": _MV,
    "mv-fast": _fast(_MV),
    "mv-turbo": _turbo(_MV),
    "2.1": _PLAIN,
    "2.1-vae": _vae(_PLAIN),
    "middle": _MIDDLE,
    "middle-turbo": _turbo(_MIDDLE),
    "middle-vae-turbo": _vae(_MIDDLE, small=True),
    "tiny": _TINY,
    "tiny-2.1": replace(_TINY, repo="orfeas/Hunyuan3D-2.1tiny", plain=True, depth=3),
}


def configuration(name: str) -> dict[str, Any]:
    """What the `config.yaml` of a variant says."""
    variant = VARIANTS[name]
    vae = {"target": "hy3dgen.shapegen.models.ShapeVAE", "params": _vae_params(variant)}
    if variant.vae_only:
        return vae
    scheduler, scheduler_params = "FlowMatchEulerDiscreteScheduler", {"num_train_timesteps": 1000}
    if variant.pcm_timesteps is not None:
        scheduler, scheduler_params["pcm_timesteps"] = f"Consistency{scheduler}", variant.pcm_timesteps
    views = "MV" if variant.multiview else ""
    dino: dict[str, Any] = {
        **_DINO[variant.dino],
        "image_size": 518,
        "mlp_ratio": 4,
        "patch_size": 14,
        "model_type": "dinov2",
    }
    encoder = {"type": f"DinoImageEncoder{views}", "kwargs": {"config": dino, "image_size": variant.image_size}}
    processor = {"size": variant.processor_size}
    return {
        "model": _denoiser(variant, dino["hidden_size"]),
        "vae": vae,
        "conditioner": {"target": "models.SingleImageEncoder", "params": {"main_image_encoder": encoder}},
        "scheduler": {"target": f"schedulers.{scheduler}", "params": scheduler_params},
        "image_processor": {"target": f"preprocessors.{views}ImageProcessorV2", "params": processor},
        "pipeline": {"target": "pipelines.Hunyuan3DDiTFlowMatchingPipeline"},
    }


def _denoiser(variant: Variant, context: int) -> dict[str, Any]:
    params: dict[str, Any] = {"in_channels": 64, "hidden_size": variant.width, "num_heads": variant.heads}
    params["depth"] = variant.depth
    if variant.plain:
        moe = {"num_moe_layers": min(6, variant.depth - 1), "num_experts": 8, "moe_top_k": 2}
        params |= {"context_dim": context, "qkv_bias": False, "qk_norm": True, "qk_norm_type": "rms", **moe}
        return {"target": "hy3dshape.models.denoisers.hunyuandit.HunYuanDiTPlain", "params": params}
    params |= {"context_in_dim": context, "depth_single_blocks": variant.depth_single_blocks}
    params |= {"mlp_ratio": 4.0, "qkv_bias": True, "guidance_embed": variant.guidance_embed}
    return {"target": "hy3dgen.shapegen.models.Hunyuan3DDiT", "params": params}


def _vae_params(variant: Variant) -> dict[str, Any]:
    small = variant.small_decoder
    return {
        "num_latents": variant.num_latents,
        "embed_dim": 64,
        "num_freqs": 8,
        "include_pi": False,
        "heads": variant.vae_heads,
        "width": variant.vae_width,
        "num_decoder_layers": variant.vae_layers,
        "qkv_bias": False,
        "qk_norm": True,
        "scale_factor": variant.scale_factor,
        "geo_decoder_mlp_expand_ratio": 1 if small else 4,
        "geo_decoder_downsample_ratio": 2 if small else 1,
        "geo_decoder_ln_post": not small,
        **({"num_encoder_layers": 8, "point_feats": 4} if variant.plain else {}),
    }
