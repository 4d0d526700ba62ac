"""What the plans of all engines share: sizes, faces, files, their check, their picture and their provenance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

from orfeas.domain.fingerprint import canonical_json
from orfeas.domain.formats import MESH_FORMATS, media_type
from orfeas.domain.quality import DEFAULT, Quality
from orfeas.domain.specs import Clean, Export, RenderPreview, Scale, Simplify, Verify
from orfeas.jobs.plan import Fallback, Node, Output, Plan, Source

PREVIEW_SIZE = 512
LIGHTER_SETTINGS = 3
"""How many lighter settings `allow_degrade` may step down to, one after the other."""

Pictures = Mapping[str, Source]
"""The pictures of a request by view; a single one is the front."""

R = TypeVar("R", bound="ShapeRequest")


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages of one request up to the files; the same node twice where nothing is textured."""

    plain: Node
    textured: Node


@dataclass(frozen=True, slots=True)
class ShapeRequest(ABC):
    """What an engine is asked to make, every member checked.

    `steps`, `octree_resolution` and `target_faces` are None where the quality decides; `target_faces` is exact where it
    is given and an upper bound where it comes from the quality. `dimensions_mm` is width, height, depth or None for a
    longest side of 100 mm.
    """

    quality: int = DEFAULT
    steps: int | None = None
    octree_resolution: int | None = None
    target_faces: int | None = None
    mc_level: float = 0.0
    seed: int = 0
    remove_background: str = "auto"
    formats: tuple[str, ...] = ("glb",)
    dimensions_mm: tuple[float, float, float] | None = None
    fit: str = "inside"
    up_axis: str = "y"
    texture: str = "auto"
    texture_size: int = 1024
    allow_degrade: bool = False
    preview: bool = True

    engine: ClassVar[str]
    lighter_after: ClassVar[frozenset[str]]

    @property
    @abstractmethod
    def rows(self) -> Mapping[int, Quality]:
        """The quality map of the engine or model."""

    @property
    @abstractmethod
    def method(self) -> str | None:
        """How the shape will be made; None where that is seen on the way."""

    @property
    def model_id(self) -> str | None:
        """The model, if one is used."""
        return None

    @property
    def licence(self) -> str | None:
        """The name of the model's terms, which is written into files."""
        return None

    @property
    def guidance(self) -> float | None:
        """The scale of the guidance; None for an engine that has none."""
        return None

    @abstractmethod
    def chain(self, pictures: Pictures) -> Chain:
        """The stages that every format of the request shares."""

    @property
    def map(self) -> Quality:
        """The row of the quality map."""
        return self.rows[self.quality]

    @property
    def grid(self) -> int:
        """Cells along the longest side."""
        return self.octree_resolution or self.map.octree_resolution

    @property
    def settings(self) -> dict[str, Any]:
        """What the engine will use."""
        return {
            "steps": self.steps or self.map.steps,
            "octree_resolution": self.grid,
            "guidance_scale": self.guidance,
            "target_faces": self.target_faces or self.map.target_faces,
            "seed": self.seed,
        }

    def textured(self, format_name: str) -> bool:
        """Whether the file of a format carries the photo."""
        return self.texture != "none" and MESH_FORMATS[format_name].colors

    def lighter(self: R) -> R | None:
        """The next lighter setting, or None below the lightest of the map."""
        found = [(quality, row) for quality, row in self.rows.items() if row.octree_resolution < self.grid]
        if not found:
            return None
        quality, row = found[-1]
        faces = self.target_faces and min(self.target_faces, row.target_faces)
        return replace(self, quality=quality, steps=self.lighter_steps(row), octree_resolution=None, target_faces=faces)

    def lighter_steps(self, row: Quality) -> int | None:
        """The steps of a lighter setting; None for those of its row."""
        return self.steps and min(self.steps, row.steps)

    def finished(self, surface: Node) -> Node:
        """A cleaned, reduced and sized mesh of a surface."""
        simplified = Node(
            Simplify(target_faces=self.settings["target_faces"], exact=self.target_faces is not None),
            (Node(Clean(), (surface,)),),
        )
        return Node(Scale(dimensions_mm=self.dimensions_mm, fit=self.fit), (simplified,))


def generation_plan(request: ShapeRequest, pictures: Pictures) -> Plan:
    """Every stage from the picture to the checked files of all formats, and the thumbnail where it is wanted."""
    return Plan(_outputs(request, pictures), fallbacks=tuple(_fallbacks(request, pictures)))


def preview_plan(request: ShapeRequest, pictures: Pictures, size: int = PREVIEW_SIZE) -> Plan:
    """The thumbnail alone, `size` pixels wide and high."""
    return Plan((_preview_output(request, request.chain(pictures), size),))


def conversion_plan(request: ShapeRequest, pictures: Pictures, format_name: str) -> Plan:
    """The same model in another format: the kept mesh is written anew."""
    return Plan((_model_output(request, request.chain(pictures), format_name),))


def _model_output(request: ShapeRequest, stages: Chain, format_name: str) -> Output:
    """One written and verified file of the model."""
    textured = request.textured(format_name)
    zipped = textured and format_name == "obj"
    mesh = stages.textured if textured else stages.plain
    export = Node(Export(format=format_name, up_axis=request.up_axis, recipe=recipe(request, mesh)), (mesh,))
    check = Node(Verify(format=format_name, up_axis=request.up_axis), (export,))
    return Output(
        export,
        role="model",
        format=format_name,
        filename=f"model.{format_name}{'.zip' if zipped else ''}",
        media_type=media_type(format_name, zipped=zipped),
        up_axis=request.up_axis,
        verified_by=check,
    )


def _preview_output(request: ShapeRequest, stages: Chain, size: int = PREVIEW_SIZE) -> Output:
    """The rendered thumbnail, with the photo where a file of the request carries it."""
    textured = any(request.textured(name) for name in request.formats)
    picture = Node(RenderPreview(width=size, height=size), (stages.textured if textured else stages.plain,))
    return Output(picture, role="preview", format="png", filename="preview.png", media_type="image/png")


def recipe(request: ShapeRequest, mesh: Node) -> str:
    """The provenance that is written into a file: a function of the mesh's fingerprint and nothing else.

    Canonical JSON of the stages in order with their versions and parameters, the hashes of what they started from and
    the licence of the model (none for the embedded engine). Inputs are positions in `stages`, or a hash of `inputs`.
    """
    nodes = Plan((), also=(mesh,)).nodes()
    position = {node.fingerprint: index for index, node in enumerate(nodes)}
    hashes = dict.fromkeys(part.fingerprint for node in nodes for part in node.inputs if isinstance(part, Source))
    stages = [
        {
            "stage": node.spec.name,
            "version": node.spec.version,
            "parameters": node.spec.parameters(),
            "inputs": [position.get(part.fingerprint, part.fingerprint) for part in node.inputs],
        }
        for node in nodes
    ]
    return canonical_json(
        {
            "generator": "orfeas",
            "engine": request.engine,
            "licence": request.licence,
            "inputs": list(hashes),
            "stages": stages,
        }
    )


def _outputs(request: ShapeRequest, pictures: Pictures) -> tuple[Output, ...]:
    stages = request.chain(pictures)
    models = [_model_output(request, stages, name) for name in request.formats]
    return (*models, _preview_output(request, stages)) if request.preview else tuple(models)


def _fallbacks(request: ShapeRequest, pictures: Pictures) -> Iterator[Fallback]:
    """Lighter plans in the order in which a run takes them; each is used once."""
    if not request.allow_degrade:
        return
    lighter = request.lighter()
    for _ in range(LIGHTER_SETTINGS):
        if lighter is None:
            return
        grid = lighter.settings["octree_resolution"]
        message = f"Memory was short: made at grid {grid} with at most {lighter.settings['target_faces']} faces."
        plan = Plan(_outputs(lighter, pictures))
        yield Fallback(request.lighter_after, {"message": message, **lighter.settings}, plan)
        lighter = lighter.lighter()
