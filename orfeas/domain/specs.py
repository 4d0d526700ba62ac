"""Every stage of the product: name, version, queue and typed parameters.

Weights are those of the published progress table; they hold until run times were measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from orfeas.domain.mesh_specs import Analyze, Assemble, Hollow, Orient, Place, ReadMesh, Repair
from orfeas.domain.render_specs import RenderPicture, RenderTurntable
from orfeas.domain.stages import Keep, Produces, Queue, StageSpec


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
class PrepareImage(DeviceSpec):
    """Cut the subject out of a picture. Input: the bytes of a stored image.

    `frame` is `subject`: cropped to it with a margin, or `whole`: the frame of the picture stays, and an alpha of its
    own is taken as it is (the neural models centre the subject themselves). `place` is the folder of a model that finds
    the subject; without one a cpu worker looks for it.
    """

    name: ClassVar[str] = "image.prepare"
    version: ClassVar[int] = 2
    queue: ClassVar[Queue] = Queue.CPU
    weight: ClassVar[int] = 5
    timeout_s: ClassVar[float] = 300.0
    remove_background: str = "auto"
    frame: str = "subject"

    def parameters(self) -> dict[str, Any]:
        """Without a model only what is used then."""
        found = DeviceSpec.parameters(self)
        return found if self.place else {name: found[name] for name in ("remove_background", "frame")}


@dataclass(frozen=True, slots=True)
class GenerateImage(DeviceSpec):
    """A picture of a text, as PNG. `place` is a diffusers folder; the prompts hold the words of the style already.

    Without a folder a cpu worker renders the solids that are its input in a `style`, and refuses a prompt that stands
    for none. `width` and `height` are in pixels.
    """

    name: ClassVar[str] = "image.generate"
    version: ClassVar[int] = 2
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 20
    prompt: str = ""
    negative_prompt: str = ""
    width: int = 512
    height: int = 512
    num_inference_steps: int = 50
    guidance_scale: float = 7.0
    seed: int = 0
    style: str = ""


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


@dataclass(frozen=True, slots=True)
class ModelLoad(DeviceSpec):
    """Bring a model's weights to the device. The nonce keeps a command from being taken for an earlier one.

    `swap` lets the others go first: `idle` once their work has ended, `now` or not at all; empty keeps them.
    """

    name: ClassVar[str] = "model.load"
    produces: ClassVar[Produces] = Produces.NOTHING
    swap: str = ""
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
    """Reduce a mesh to a number of triangles: exactly, or at most.

    With `measured` the report tells how far the surface moved; `target_reduction`, a share of the faces, stands in
    place of `target_faces` then, and boundaries and texture coordinates can be kept.
    """

    name: ClassVar[str] = "mesh.simplify"
    weight: ClassVar[int] = 5
    target_faces: int = 30_000
    exact: bool = False
    measured: bool = False
    target_reduction: float | None = None
    preserve_boundary: bool = True
    preserve_uv: bool = True


@dataclass(frozen=True, slots=True)
class Scale(StageSpec):
    """Bring a mesh to its size in millimetres, or with a `printer` into its volume.

    `longest_mm` is the longest side; without it a printer keeps the size or makes it just small enough. `turnable`:
    it is still to be turned for the print.
    """

    name: ClassVar[str] = "mesh.scale"
    keep: ClassVar[Keep] = Keep.TRANSIENT
    weight: ClassVar[int] = 5
    dimensions_mm: tuple[float, float, float] | None = None
    fit: str = "inside"
    longest_mm: float | None = None
    printer: str | None = None
    turnable: bool = True


@dataclass(frozen=True, slots=True)
class Texture(StageSpec):
    """Give a mesh its look.

    `mode` photo lays the picture on the front. Inputs: mesh, prepared picture, height field. Mode `projection` paints
    any model with pictures of its sides. Inputs: model, and for each of `views` its prepared picture. Mode `material`
    dresses it in `material`, the canonical JSON of one. Input: model. `size` is the longest side of the texture in
    texels; 0 where there is none.
    """

    name: ClassVar[str] = "mesh.texture"
    version: ClassVar[int] = 3
    weight: ClassVar[int] = 15
    timeout_s: ClassVar[float] = 600.0
    size: int = 1024
    mode: str = "photo"
    views: tuple[str, ...] = ()
    material: str = ""


@dataclass(frozen=True, slots=True)
class Export(StageSpec):
    """Write the model to a file. `recipe` is the provenance that is embedded.

    `unit` is that of the coordinates in formats that state none; a `bundle` is a zip, with a file for each part where
    the format holds one surface.
    """

    name: ClassVar[str] = "mesh.export"
    version: ClassVar[int] = 2
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    needs_config: ClassVar[bool] = True
    format: str = "glb"
    up_axis: str = "y"
    recipe: str = "{}"
    unit: str = "mm"
    bundle: bool = False


@dataclass(frozen=True, slots=True)
class Verify(StageSpec):
    """Load a written file again and measure it. The measures are its report.

    Walls are measured where `min_wall_mm` says what they are compared with; `scored`: its quality is told as well.
    """

    name: ClassVar[str] = "mesh.verify"
    produces: ClassVar[Produces] = Produces.NOTHING
    weight: ClassVar[int] = 2
    needs_config: ClassVar[bool] = True
    format: str = "glb"
    up_axis: str = "y"
    unit: str = "mm"
    min_wall_mm: float | None = None
    scored: bool = False


@dataclass(frozen=True, slots=True)
class RenderPreview(StageSpec):
    """A shaded picture of the mesh as PNG."""

    name: ClassVar[str] = "render.preview"
    version: ClassVar[int] = 2
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    width: int = 512
    height: int = 512
    azimuth_deg: float = 35.0
    elevation_deg: float = 20.0


@dataclass(frozen=True, slots=True)
class ComposeScene(StageSpec):
    """Models in their places. `objects` is a JSON list with name, position, rotation_deg, scale, material of each."""

    name: ClassVar[str] = "scene.compose"
    objects: str = "[]"
    flatten: bool = False


@dataclass(frozen=True, slots=True)
class ExportScene(StageSpec):
    """Write a scene to a glb file with its lights and its camera (JSON of a view)."""

    name: ClassVar[str] = "scene.export"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 3
    lighting: str = "studio"
    camera: str = "{}"
    recipe: str = "{}"
    part_name: str = "scene"


@dataclass(frozen=True, slots=True)
class AnalyzeCode(StageSpec):
    """Look at source code without running it; what is found is the report."""

    name: ClassVar[str] = "code.analyze"
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 10.0
    code: str = ""
    language: str = "python"


@dataclass(frozen=True, slots=True)
class CallLlm(StageSpec):
    """Let language models work on a task in several steps; what they wrote is the report.

    The nonce keeps a task from being taken for an earlier one: models answer differently each time.
    """

    name: ClassVar[str] = "llm.call"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 1800.0
    needs_config: ClassVar[bool] = True
    task: str = ""
    max_subtasks: int = 4
    models: tuple[str, ...] = ()
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class MeasureImage(StageSpec):
    """What a picture is good for as an input. Input: the bytes of a stored image. The figures are its report."""

    name: ClassVar[str] = "image.measure"
    produces: ClassVar[Produces] = Produces.NOTHING


@dataclass(frozen=True, slots=True)
class MeasureOverlap(StageSpec):
    """How far a model's outline from the front is that of the subject. Inputs: prepared picture, model."""

    name: ClassVar[str] = "mesh.overlap"
    produces: ClassVar[Produces] = Produces.NOTHING


@dataclass(frozen=True, slots=True)
class AgentStep(StageSpec):
    """One step of a run of agents: look at what the last one started, decide, start the next. `number` counts from 0.

    What was decided is the report; a step that runs again finds what it has started before.
    """

    name: ClassVar[str] = "agent.step"
    queue: ClassVar[Queue] = Queue.IO
    produces: ClassVar[Produces] = Produces.NOTHING
    timeout_s: ClassVar[float] = 600.0
    needs_config: ClassVar[bool] = True
    job_id: str = ""
    tenant: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class WriteMaterial(StageSpec):
    """A text that describes a material, as a file."""

    name: ClassVar[str] = "material.write"
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    text: str = ""


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
    "DeviceSpec",
    "Queue",
    "Analyze",
    "ReadMesh",
    "RenderPicture",
    "RenderTurntable",
    "Repair",
    *sorted(kind.__name__ for kind in SPECS.values()),
]
