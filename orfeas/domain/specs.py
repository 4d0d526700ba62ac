"""Every stage of the product: name, version, queue and typed parameters.

Weights are those of the published progress table; they hold until run times were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Keep, Produces, Queue, StageSpec

Millimetres = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class PrepareImage(StageSpec):
    """Cut the subject out of a picture. Input: the bytes of a stored image.

    `frame` is `subject`: cropped to it with a margin, or `whole`: the frame of the picture stays, and an alpha of its
    own is taken as it is (the neural models centre the subject themselves).
    """

    name: ClassVar[str] = "image.prepare"
    version: ClassVar[int] = 2
    weight: ClassVar[int] = 5
    remove_background: str = "auto"
    frame: str = "subject"


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
class Surface(StageSpec):
    """The closed surface of a height field at a grid."""

    name: ClassVar[str] = "shape.surface"
    octree_resolution: int = 144
    steps: int = 10
    mc_level: float = 0.0


@dataclass(frozen=True, slots=True)
class DeviceSpec(StageSpec):
    """A stage that runs on a device with a model.

    `model` is the id in the catalogue, `place` its folder below the model folder (`<repo>/<sub-folder>`), `revision`
    what its files are. `precision` is the type of the weights: float32, float16 or bfloat16.
    """

    queue: ClassVar[Queue] = Queue.GPU
    timeout_s: ClassVar[float] = 1800.0
    model: str = ""
    place: str = ""
    revision: str | None = None
    precision: str = "float32"


@dataclass(frozen=True, slots=True)
class ShapeEncode(DeviceSpec):
    """Condition tokens of a picture. Inputs: one prepared picture, or one for each of `views`, in their order."""

    name: ClassVar[str] = "shape.encode"
    weight: ClassVar[int] = 5
    views: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShapeSample(DeviceSpec):
    """Latents that the condition tokens stand for, after all steps of the denoiser."""

    name: ClassVar[str] = "shape.sample"
    keep: ClassVar[Keep] = Keep.LATENT
    weight: ClassVar[int] = 40
    num_inference_steps: int = 40
    guidance_scale: float | None = 5.0
    seed: int = 0
    deterministic: bool = False


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


@dataclass(frozen=True, slots=True)
class ModelLoad(DeviceSpec):
    """Bring a model's weights to the device. The nonce keeps a command from being taken for an earlier one."""

    name: ClassVar[str] = "model.load"
    produces: ClassVar[Produces] = Produces.NOTHING
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelUnload(StageSpec):
    """Take a model's weights off the device."""

    name: ClassVar[str] = "model.unload"
    queue: ClassVar[Queue] = Queue.GPU
    produces: ClassVar[Produces] = Produces.NOTHING
    model: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelClear(StageSpec):
    """Take all weights that are not in use off the device, and what the device keeps beside them."""

    name: ClassVar[str] = "model.clear"
    queue: ClassVar[Queue] = Queue.GPU
    produces: ClassVar[Produces] = Produces.NOTHING
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelPull(StageSpec):
    """Bring the files of a model from `source`, a repository of the hub or a local folder, to its `place`.

    The nonce keeps it from being taken for an earlier one: files may be gone since.
    """

    name: ClassVar[str] = "model.pull"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 24 * 3600.0
    needs_config: ClassVar[bool] = True
    place: str = ""
    source: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ModelVerify(StageSpec):
    """Hash the files of a model and compare them with what was published."""

    name: ClassVar[str] = "model.verify"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 24 * 3600.0
    needs_config: ClassVar[bool] = True
    place: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Clean(StageSpec):
    """Weld, drop degenerate faces, face outward."""

    name: ClassVar[str] = "mesh.clean"
    keep: ClassVar[Keep] = Keep.TRANSIENT
    weight: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Simplify(StageSpec):
    """Reduce a mesh to a number of triangles: exactly, or at most."""

    name: ClassVar[str] = "mesh.simplify"
    weight: ClassVar[int] = 5
    target_faces: int = 30_000
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Scale(StageSpec):
    """Bring a mesh to its size in millimetres."""

    name: ClassVar[str] = "mesh.scale"
    keep: ClassVar[Keep] = Keep.TRANSIENT
    weight: ClassVar[int] = 5
    dimensions_mm: Millimetres | None = None
    fit: str = "inside"


@dataclass(frozen=True, slots=True)
class Texture(StageSpec):
    """Lay the photo on the mesh. Inputs: mesh, prepared picture, height field."""

    name: ClassVar[str] = "mesh.texture"
    weight: ClassVar[int] = 15
    size: int = 1024


@dataclass(frozen=True, slots=True)
class Export(StageSpec):
    """Write the mesh to a file. `recipe` is the provenance that is embedded."""

    name: ClassVar[str] = "mesh.export"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    format: str = "glb"
    up_axis: str = "y"
    recipe: str = "{}"


@dataclass(frozen=True, slots=True)
class Verify(StageSpec):
    """Load a written file again and measure it. The measures are its report."""

    name: ClassVar[str] = "mesh.verify"
    produces: ClassVar[Produces] = Produces.NOTHING
    weight: ClassVar[int] = 2
    format: str = "glb"
    up_axis: str = "y"


@dataclass(frozen=True, slots=True)
class RenderPreview(StageSpec):
    """A shaded picture of the mesh as PNG."""

    name: ClassVar[str] = "render.preview"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    width: int = 512
    height: int = 512
    azimuth_deg: float = 35.0
    elevation_deg: float = 20.0


SPECS: dict[str, type[StageSpec]] = {
    spec.name: spec
    for spec in (
        PrepareImage, Inflate, Relief, Surface, Clean, Simplify, Scale, Texture, Export, Verify, RenderPreview,
        ShapeEncode, ShapeSample, ShapeDecode, ModelLoad, ModelUnload, ModelClear, ModelPull,
        ModelVerify,
    )
}  # fmt: skip
"""By name; those of the queue `gpu` are implemented by the device (`orfeas/gpu`), the others in `orfeas/stages`."""

__all__ = ["SPECS", "DeviceSpec", "Queue", *sorted(kind.__name__ for kind in SPECS.values())]
