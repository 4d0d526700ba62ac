"""The stages that make shapes: of pictures and sentences by the embedded engine, of pictures by a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.specs.device import DeviceSpec
from orfeas.domain.stages import Keep, StageSpec


@dataclass(frozen=True, slots=True)
class Inflate(StageSpec):
    """A height field of a silhouette; mode `auto` makes a relief where no subject was found."""

    name: ClassVar[str] = "shape.inflate"
    keep: ClassVar[Keep] = Keep.LATENT
    weight: ClassVar[int] = 45
    mode: str = "auto"


@dataclass(frozen=True, slots=True)
class Relief(StageSpec):
    """A plate whose height follows the picture (`relief`) or whose thickness does (`lithophane`)."""

    name: ClassVar[str] = "shape.relief"
    keep: ClassVar[Keep] = Keep.LATENT
    weight: ClassVar[int] = 45
    mode: str = "relief"


@dataclass(frozen=True, slots=True)
class Parametric(StageSpec):
    """Solids of a described scene, in mm. No inputs.

    `scene` is the canonical JSON of what a prompt was understood as; `resolution` the chords of a full turn. `joined`
    makes one solid without colours of all that touches, for formats that carry none.
    """

    name: ClassVar[str] = "shape.parametric"
    version: ClassVar[int] = 3
    keep: ClassVar[Keep] = Keep.LATENT
    weight: ClassVar[int] = 45
    scene: str = ""
    seed: int = 0
    resolution: int = 72
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Surface(StageSpec):
    """The closed surface of a height field at a grid."""

    name: ClassVar[str] = "shape.surface"
    octree_resolution: int = 144
    steps: int = 10
    mc_level: float = 0.0


@dataclass(frozen=True, slots=True)
class ShapeEncode(DeviceSpec):
    """Condition tokens of a picture. Inputs: one prepared picture, or one for each of `views`, in their order."""

    name: ClassVar[str] = "shape.encode"
    weight: ClassVar[int] = 5
    views: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShapeSample(DeviceSpec):
    """Latents that the condition tokens stand for, after all steps of the denoiser.

    `compiled` runs it through torch.compile, whose kernels round differently.
    """

    name: ClassVar[str] = "shape.sample"
    keep: ClassVar[Keep] = Keep.LATENT
    weight: ClassVar[int] = 40
    num_inference_steps: int = 40
    guidance_scale: float | None = 5.0
    seed: int = 0
    deterministic: bool = False
    compiled: bool = False


@dataclass(frozen=True, slots=True)
class ShapeDecode(DeviceSpec):
    """The surface of latents where the field equals `mc_level`. `method` is hierarchical, dense or flashvdm.

    `vae` is the folder of another decoder than the checkpoint's own, such as FlashVDM's smaller one.
    """

    name: ClassVar[str] = "shape.decode"
    weight: ClassVar[int] = 20
    octree_resolution: int = 320
    mc_level: float = 0.0
    method: str = "hierarchical"
    vae: str = ""
