"""The embedded engine as a plan builder: a request in, the stages that make it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from orfeas.domain.fingerprint import canonical_json
from orfeas.domain.formats import MESH_FORMATS, media_type
from orfeas.domain.quality import DEFAULT, EMBEDDED, Quality
from orfeas.domain.specs import (
    Clean,
    Export,
    Inflate,
    PrepareImage,
    Relief,
    RenderPreview,
    Scale,
    Simplify,
    Surface,
    Texture,
    Verify,
)
from orfeas.jobs.plan import Fallback, Node, Output, Plan, Source

ENGINE = "embedded"
PREVIEW_SIZE = 512
METHODS = {"inflate": "silhouette-inflation", "relief": "relief", "lithophane": "lithophane"}
LIGHTER_AFTER = frozenset({"stage_memory"})
LIGHTER_SETTINGS = 3
"""How many lighter settings `allow_degrade` may step down to, one after the other."""


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What the embedded engine is asked to make of one picture, every member checked.

    `steps`, `octree_resolution` and `target_faces` are None where the quality decides; `target_faces` is exact where it
    is given and an upper bound where it comes from the quality. `dimensions_mm` is width, height, depth or None for a
    longest side of 100 mm.
    """

    quality: int = DEFAULT
    mode: str = "auto"
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

    @property
    def map(self) -> Quality:
        """The row of the quality map."""
        return EMBEDDED[self.quality]

    @property
    def grid(self) -> int:
        """Cells along the longest side."""
        return self.octree_resolution or self.map.octree_resolution

    @property
    def settings(self) -> dict[str, Any]:
        """What the engine will use; it knows no guidance."""
        return {
            "steps": self.steps or self.map.steps,
            "octree_resolution": self.grid,
            "guidance_scale": None,
            "target_faces": self.target_faces or self.map.target_faces,
            "seed": self.seed,
        }

    @property
    def method(self) -> str | None:
        """How the shape will be made; None while `auto` has not seen the picture."""
        return METHODS.get(self.mode)

    def textured(self, format_name: str) -> bool:
        """Whether the file of a format carries the photo."""
        return self.texture != "none" and MESH_FORMATS[format_name].colors

    def lighter(self) -> GenerationRequest | None:
        """The next lighter setting, or None below the lightest of the map."""
        rows = [row for row in EMBEDDED.values() if row.octree_resolution < self.grid]
        if not rows:
            return None
        row = rows[-1]
        faces = self.target_faces and min(self.target_faces, row.target_faces)
        smaller = next(key for key, found in EMBEDDED.items() if found is row)
        steps = self.steps and min(self.steps, row.steps)
        return replace(self, quality=smaller, steps=steps, octree_resolution=None, target_faces=faces)


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages of one request up to the files."""

    prepared: Node
    field: Node
    surface: Node
    plain: Node
    textured: Node


def chain(request: GenerationRequest, picture: Source) -> Chain:
    """The stages that every format of a request shares."""
    prepared = Node(PrepareImage(remove_background=request.remove_background), (picture,))
    field = Node(_shape(request.mode), (prepared,))
    settings = request.settings
    surface = Node(
        Surface(octree_resolution=request.grid, steps=settings["steps"], mc_level=request.mc_level), (field,)
    )
    simplified = Node(
        Simplify(target_faces=settings["target_faces"], exact=request.target_faces is not None),
        (Node(Clean(), (surface,)),),
    )
    plain = Node(Scale(dimensions_mm=request.dimensions_mm, fit=request.fit), (simplified,))
    textured = Node(Texture(size=request.texture_size), (plain, prepared, field))
    return Chain(prepared, field, surface, plain, textured)


def embedded_plan(request: GenerationRequest, picture: Source) -> Plan:
    """Every stage from the picture to the checked files of all formats, and the thumbnail where it is wanted."""
    return Plan(_outputs(request, picture), fallbacks=tuple(_fallbacks(request, picture)))


def model_output(request: GenerationRequest, stages: Chain, format_name: str) -> Output:
    """One written and verified file of the model."""
    textured = request.textured(format_name)
    zipped = textured and format_name == "obj"
    mesh = stages.textured if textured else stages.plain
    export = Node(Export(format=format_name, up_axis=request.up_axis, recipe=recipe(mesh)), (mesh,))
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


def preview_output(request: GenerationRequest, stages: Chain, size: int = PREVIEW_SIZE) -> Output:
    """The rendered thumbnail, with the photo where a file of the request carries it."""
    textured = any(request.textured(name) for name in request.formats)
    picture = Node(RenderPreview(width=size, height=size), (stages.textured if textured else stages.plain,))
    return Output(picture, role="preview", format="png", filename="preview.png", media_type="image/png")


def preview_plan(request: GenerationRequest, picture: Source, size: int = PREVIEW_SIZE) -> Plan:
    """The thumbnail alone, `size` pixels wide and high."""
    return Plan((preview_output(request, chain(request, picture), size),))


def conversion_plan(request: GenerationRequest, picture: Source, format_name: str) -> Plan:
    """The same model in another format: the kept mesh is written anew."""
    return Plan((model_output(request, chain(request, picture), format_name),))


def recipe(mesh: Node) -> str:
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
        {"generator": "orfeas", "engine": ENGINE, "licence": None, "inputs": list(hashes), "stages": stages}
    )


def _shape(mode: str) -> Inflate | Relief:
    return Relief(mode=mode) if mode in ("relief", "lithophane") else Inflate(mode=mode)


def _outputs(request: GenerationRequest, picture: Source) -> tuple[Output, ...]:
    stages = chain(request, picture)
    models = [model_output(request, stages, name) for name in request.formats]
    return (*models, preview_output(request, stages)) if request.preview else tuple(models)


def _fallbacks(request: GenerationRequest, picture: Source) -> Iterator[Fallback]:
    """Lighter plans in the order in which a run takes them; each is used once."""
    if not request.allow_degrade:
        return
    lighter = request.lighter()
    for _ in range(LIGHTER_SETTINGS):
        if lighter is None:
            return
        grid = lighter.settings["octree_resolution"]
        message = f"Memory was short: made at grid {grid} with at most {lighter.settings['target_faces']} faces."
        yield Fallback(LIGHTER_AFTER, {"message": message, **lighter.settings}, Plan(_outputs(lighter, picture)))
        lighter = lighter.lighter()
