"""The hyper-parameters of a checkpoint, by part. All of them come from its `config.yaml`.

Source: Hunyuan3D 2.0 (arXiv 2501.12202) and 2.1 (arXiv 2506.15442) and the configuration files released with them.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DiTSettings:
    """`Hunyuan3DDiT`: double and single stream blocks (2.0, mini, mv)."""

    in_channels: int
    context_in_dim: int
    hidden_size: int
    num_heads: int
    depth: int
    depth_single_blocks: int
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    guidance_embed: bool = False


@dataclass(frozen=True, slots=True)
class DiTPlainSettings:
    """`HunYuanDiTPlain`: long skips, cross attention and a mixture of experts (2.1)."""

    in_channels: int
    context_dim: int
    hidden_size: int
    num_heads: int
    depth: int
    qkv_bias: bool = False
    num_moe_layers: int = 6
    num_experts: int = 8
    moe_top_k: int = 2

    @property
    def guidance_embed(self) -> bool:
        """The released 2.1 model has no guidance embedding."""
        return False


@dataclass(frozen=True, slots=True)
class VAESettings:
    """`ShapeVAE`, its decoder half."""

    num_latents: int
    embed_dim: int
    width: int
    heads: int
    num_decoder_layers: int
    scale_factor: float
    num_freqs: int = 8
    include_pi: bool = False
    qkv_bias: bool = False
    qk_norm: bool = True
    geo_decoder_mlp_expand_ratio: int = 4
    geo_decoder_downsample_ratio: int = 1
    geo_decoder_ln_post: bool = True


@dataclass(frozen=True, slots=True)
class DinoSettings:
    """`Dinov2Model`, the vision transformer of an image encoder."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    table_size: int
    """Pixels along a side for which the position table is stored (518 in the released files)."""
    mlp_ratio: int = 4
    patch_size: int = 14
    use_swiglu_ffn: bool = False
    qkv_bias: bool = True
    layer_norm_eps: float = 1e-6


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """`SingleImageEncoder` around one DINOv2."""

    dino: DinoSettings
    image_size: int
    """Pixels along a side that enter DINOv2; may differ from its `table_size`."""
    use_cls_token: bool = True
    multiview: bool = False


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """Flow matching by Euler steps; `pcm_timesteps` is set for the consistency ("turbo") models."""

    num_train_timesteps: int = 1000
    shift: float = 1.0
    pcm_timesteps: int | None = None


@dataclass(frozen=True, slots=True)
class ProcessorSettings:
    """`ImageProcessorV2`, or `MVImageProcessorV2` when `multiview`."""

    size: int = 512
    border_ratio: float = 0.15
    multiview: bool = False


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """Everything that a DiT folder's `config.yaml` says."""

    denoiser: DiTSettings | DiTPlainSettings
    vae: VAESettings
    encoder: EncoderSettings
    scheduler: SchedulerSettings = field(default_factory=SchedulerSettings)
    processor: ProcessorSettings = field(default_factory=ProcessorSettings)
