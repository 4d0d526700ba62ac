"""The `config.yaml` of a checkpoint folder, read into settings; nothing that it names is imported.

Every parameter is read, known to change nothing, or refused: a model with an unknown switch would load and
give wrong shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from orfeas.gpu.hunyuan3d import sections
from orfeas.gpu.hunyuan3d.sections import Node, Part, build, require_divisor
from orfeas.gpu.hunyuan3d.settings import (
    DinoSettings,
    DiTPlainSettings,
    DiTSettings,
    EncoderSettings,
    PipelineSettings,
    ProcessorSettings,
    SchedulerSettings,
    VAESettings,
)

_DIT = Part(unused=frozenset({"axes_dim", "theta"}), fixed={"time_factor": (1000,)})
_DIT_PLAIN = Part(
    unused=frozenset({"input_size", "text_len"}),
    fixed={
        "mlp_ratio": (4,),
        "norm_type": ("layer",),
        "qk_norm": (True,),
        "qk_norm_type": ("rms",),
        "use_attention_pooling": (False,),
        "use_pos_emb": (False,),
        "with_decoupled_ca": (False,),
    },
)
_VAE = Part(
    unused=frozenset(
        {
            "downsample_ratio",
            "drop_path_rate",
            "num_encoder_layers",
            "pc_sharpedge_size",
            "pc_size",
            "point_feats",
            "use_checkpoint",
        }
    )
)
_DINO = Part(
    unused=frozenset(
        {
            "_attn_implementation_autoset",
            "_name_or_path",
            "architectures",
            "attention_probs_dropout_prob",
            "attn_implementation",
            "drop_path_rate",
            "dtype",
            "hidden_dropout_prob",
            "initializer_range",
            "layerscale_value",
            "out_features",
            "out_indices",
            "stage_names",
            "torch_dtype",
            "transformers_version",
            "use_mask_token",
        }
    ),
    fixed={
        "apply_layernorm": (True,),
        "hidden_act": ("gelu",),
        "model_type": ("dinov2",),
        "num_channels": (3,),
        "reshape_hidden_states": (True,),
    },
)
_ENCODER = Part(unused=frozenset({"view_num"}))
_SCHEDULER = Part(fixed={"use_dynamic_shifting": (False,)})
_PROCESSOR = Part()
_DENOISERS: Mapping[str, tuple[type[DiTSettings] | type[DiTPlainSettings], Part]] = {
    "Hunyuan3DDiT": (DiTSettings, _DIT),
    "HunYuanDiTPlain": (DiTPlainSettings, _DIT_PLAIN),
}
_ENCODERS = {"DinoImageEncoder": False, "DinoImageEncoderMV": True}
_SCHEDULERS = {"FlowMatchEulerDiscreteScheduler": False, "ConsistencyFlowMatchEulerDiscreteScheduler": True}
_PROCESSORS = {"ImageProcessorV2": False, "MVImageProcessorV2": True}


def read_pipeline(folder: Path) -> PipelineSettings:
    """All hyper-parameters of a DiT folder."""
    root = sections.read(folder)
    root.only({"model", "vae", "conditioner", "scheduler", "image_processor", "pipeline"})
    if "pipeline" in root.values:
        pipeline = root.child("pipeline")
        pipeline.choice("target", {"Hunyuan3DDiTFlowMatchingPipeline": None})
        pipeline.only({"target", "params"})
        pipeline.child("params", optional=True).only(set())
    settings = PipelineSettings(
        denoiser=_denoiser(root.child("model")),
        vae=_vae(root.child("vae")),
        encoder=_encoder(root.child("conditioner")),
        scheduler=_scheduler(root.child("scheduler")),
        processor=_processor(root.child("image_processor")),
    )
    _agree(root, settings)
    return settings


def read_vae(folder: Path) -> VAESettings:
    """The hyper-parameters of a VAE folder."""
    return _vae(sections.read(folder))


def _denoiser(node: Node) -> DiTSettings | DiTPlainSettings:
    node.only({"target", "params"})
    _, (kind, part) = node.choice("target", _DENOISERS)
    params = node.child("params")
    settings = build(kind, params, part)
    require_divisor(params, "num_heads", settings.num_heads, "hidden_size", settings.hidden_size)
    if isinstance(settings, DiTPlainSettings):
        if settings.num_moe_layers > settings.depth:
            raise params.error("exceeds the depth.", "num_moe_layers")
        if settings.moe_top_k > settings.num_experts:
            raise params.error("exceeds the number of experts.", "moe_top_k")
    return settings


def _vae(node: Node) -> VAESettings:
    node.only({"target", "params"})
    if "target" in node.values:
        node.choice("target", {"ShapeVAE": None})
    params = node.child("params")
    settings = build(VAESettings, params, _VAE)
    require_divisor(params, "heads", settings.heads, "width", settings.width)
    ratio = settings.geo_decoder_downsample_ratio
    require_divisor(params, "geo_decoder_downsample_ratio", ratio, "heads", settings.heads)
    if settings.scale_factor <= 0:
        raise params.error("must be above 0.", "scale_factor")
    return settings


def _encoder(node: Node) -> EncoderSettings:
    node.only({"target", "params"})
    node.choice("target", {"SingleImageEncoder": None})
    params = node.child("params")
    params.only({"main_image_encoder"})
    main = params.child("main_image_encoder")
    main.only({"type", "kwargs"})
    _, multiview = main.choice("type", _ENCODERS)
    kwargs = main.child("kwargs")
    dino = _dino(kwargs.child("config"))
    rest = Node(kwargs.file, kwargs.path, {key: value for key, value in kwargs.values.items() if key != "config"})
    settings = build(EncoderSettings, rest, _ENCODER, dino=dino, multiview=multiview)
    if settings.image_size < dino.patch_size:
        raise kwargs.error("is smaller than one patch.", "image_size")
    return settings


def _dino(node: Node) -> DinoSettings:
    if "image_size" not in node.values:
        raise node.error("is missing.", "image_size")
    values = {"table_size" if key == "image_size" else key: value for key, value in node.values.items()}
    settings = build(DinoSettings, Node(node.file, node.path, values), _DINO)
    require_divisor(node, "num_attention_heads", settings.num_attention_heads, "hidden_size", settings.hidden_size)
    if settings.table_size < settings.patch_size:
        raise node.error("is smaller than one patch.", "image_size")
    if settings.layer_norm_eps <= 0:
        raise node.error("must be above 0.", "layer_norm_eps")
    return settings


def _scheduler(node: Node) -> SchedulerSettings:
    node.only({"target", "params"})
    name, consistency = node.choice("target", _SCHEDULERS)
    params = node.child("params", optional=True)
    settings = build(SchedulerSettings, params, _SCHEDULER)
    if consistency != (settings.pcm_timesteps is not None):
        raise params.error(f"{'is missing' if consistency else 'has no meaning'} for {name}.", "pcm_timesteps")
    if (settings.pcm_timesteps or 1) > settings.num_train_timesteps:
        raise params.error("exceeds num_train_timesteps.", "pcm_timesteps")
    if settings.shift <= 0:
        raise params.error("must be above 0.", "shift")
    return settings


def _processor(node: Node) -> ProcessorSettings:
    node.only({"target", "params"})
    _, multiview = node.choice("target", _PROCESSORS)
    params = node.child("params", optional=True)
    given = Node(params.file, params.path, {key: value for key, value in params.values.items() if value is not None})
    settings = build(ProcessorSettings, given, _PROCESSOR, multiview=multiview)
    if not 0 <= settings.border_ratio < 1:
        raise params.error("must be at least 0 and below 1.", "border_ratio")
    return settings


def _agree(root: Node, settings: PipelineSettings) -> None:
    """Refuse parts that cannot work together."""
    denoiser, width = settings.denoiser, settings.encoder.dino.hidden_size
    context = denoiser.context_in_dim if isinstance(denoiser, DiTSettings) else denoiser.context_dim
    if context != width:
        raise root.error(f"reads tokens of width {context}, the image encoder makes {width}.", "model.params")
    if denoiser.in_channels != settings.vae.embed_dim:
        raise root.error(
            f"is {denoiser.in_channels}, the VAE has {settings.vae.embed_dim}.", "model.params.in_channels"
        )
    if settings.encoder.multiview != settings.processor.multiview:
        raise root.error("and the conditioner differ in whether they take several views.", "image_processor.target")
