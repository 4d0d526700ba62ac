"""What the plans of all engines share: sizes, faces, files, their check, their picture and their provenance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, ClassVar, TypeVar

from orfeas.domain.fingerprint import canonical_json
from orfeas.domain.formats import MESH_FORMATS, media_type
from orfeas.domain.materials import material_text
from orfeas.domain.presets import MATERIALS, PRINTERS
from orfeas.domain.profiles import STANDARD_SWITCHES, Switches
from orfeas.domain.quality import DEFAULT, Quality
from orfeas.domain.specs import Clean, Export, PrepareImage, RenderPreview, Repair, Scale, Simplify, Texture, Verify
from orfeas.domain.stages import Queue
from orfeas.jobs.plan import Fallback, Node, Output, Plan, Source

PREVIEW_SIZE = 512
LIGHTER_SETTINGS = 3
"""How many lighter settings `allow_degrade` may step down to, one after the other."""

Pictures = Mapping[str, Source | Node]
"""The pictures of a request by view, stored or made by a stage; a single one is the front."""

R = TypeVar("R", bound="ShapeRequest")


@dataclass(frozen=True, slots=True)
class FolderModel:
    """The model of a folder as a run uses it: `place` is its path, `digest` says what its files are."""

    id: str
    place: str
    digest: str
    precision: str

    @property
    def members(self) -> dict[str, str]:
        """What the parameters of its stages say of it."""
        return {"model": self.id, "place": self.place, "revision": self.digest, "precision": self.precision}

    @property
    def identity(self) -> dict[str, Any]:
        """What fingerprints hold of it."""
        return {"id": self.id, "revision": self.digest, "loras": []}


def prepared(
    picture: Source | Node, model: FolderModel | None, *, remove_background: str = "auto", frame: str = "subject"
) -> Node:
    """The stage that cuts the subject out of a picture: by a model on a device, else by a cpu worker."""
    if model is None or remove_background == "never":
        return Node(PrepareImage(remove_background=remove_background, frame=frame), (picture,))
    spec = PrepareImage(**model.members, remove_background=remove_background, frame=frame)
    return Node(spec, (picture,), model.identity, queue=Queue.GPU)


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
    longest side of 100 mm. `repair` mends the surface before it is reduced; `require` is what every file has to meet.
    `material` names the preset of texture mode material. `background` is the model that removes backgrounds, if one
    does. `switches` are those of the profile, and `below` is the next profile towards standard with its switches, where
    the run may step down to it.
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
    material: str | None = None
    texture_size: int = 1024
    allow_degrade: bool = False
    preview: bool = True
    repair: bool = False
    require: Mapping[str, Any] | None = None
    switches: Switches = STANDARD_SWITCHES
    below: tuple[str, Switches] | None = None
    background: FolderModel | None = None

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
        return self.octree_resolution or self.mapped_grid(self.map)

    def mapped_grid(self, row: Quality) -> int:
        """The grid of a row of the quality map under the profile."""
        return row.octree_resolution

    def mapped_steps(self, row: Quality) -> int:
        """The steps of a row of the quality map under the profile."""
        return row.steps

    @property
    def settings(self) -> dict[str, Any]:
        """What the engine will use."""
        return {
            "steps": self.steps or self.mapped_steps(self.map),
            "octree_resolution": self.grid,
            "guidance_scale": self.guidance,
            "target_faces": self.target_faces or self.map.target_faces,
            "seed": self.seed,
        }

    def textured(self, format_name: str) -> bool:
        """Whether the file of a format carries the photo, the colours or the material."""
        return self.texture != "none" and MESH_FORMATS[format_name].colors

    def lighter(self: R) -> R | None:
        """The next lighter setting, or None below the lightest of the map."""
        found = [(quality, row) for quality, row in self.rows.items() if self.mapped_grid(row) < self.grid]
        if not found:
            return None
        quality, row = found[-1]
        faces = self.target_faces and min(self.target_faces, row.target_faces)
        return replace(self, quality=quality, steps=self.lighter_steps(row), octree_resolution=None, target_faces=faces)

    def lighter_steps(self, row: Quality) -> int | None:
        """The steps of a lighter setting; None for those of its row."""
        return self.steps and min(self.steps, self.mapped_steps(row))

    def stepped_down(self: R) -> R:
        """The same under the next profile towards standard."""
        return replace(self, switches=self.below[1], below=None) if self.below else self

    def prepared(self, picture: Source | Node, *, frame: str = "subject") -> Node:
        """The picture with its subject cut out."""
        return prepared(picture, self.background, remove_background=self.remove_background, frame=frame)

    def dressed(self, plain: Node) -> Node:
        """The model in the material that was asked for."""
        assert self.material is not None
        spec = Texture(size=0, mode="material", material=material_text(MATERIALS[self.material]))
        return Node(spec, (plain,))

    def finished(self, surface: Node) -> Node:
        """A cleaned, reduced and sized mesh of a surface."""
        cleaned = Node(Clean(), (surface,))
        simplified = Node(
            Simplify(target_faces=self.settings["target_faces"], exact=self.target_faces is not None),
            (Node(Repair(), (cleaned,)) if self.repair else cleaned,),
        )
        return Node(Scale(dimensions_mm=self.dimensions_mm, fit=self.fit), (simplified,))


def generation_plan(request: ShapeRequest, pictures: Pictures) -> Plan:
    """Every stage from the picture to the checked files of all formats, and the thumbnail where it is wanted."""
    fallbacks = tuple(_fallbacks(request, pictures))
    return Plan(_outputs(request, pictures), fallbacks=fallbacks, batch_limit=request.switches.largest_batch)


def preview_plan(request: ShapeRequest, pictures: Pictures, size: int = PREVIEW_SIZE) -> Plan:
    """The thumbnail alone, `size` pixels wide and high."""
    return Plan((_preview_output(request, request.chain(pictures), size),))


def conversion_plan(request: ShapeRequest, pictures: Pictures, format_name: str) -> Plan:
    """The same model in another format: the kept mesh is written anew."""
    return Plan((_model_output(request, request.chain(pictures), format_name),))


def _model_output(request: ShapeRequest, stages: Chain, format_name: str, *, scored: bool = False) -> Output:
    """One written and verified file of the model."""
    textured = request.textured(format_name)
    zipped = textured and format_name == "obj"
    mesh = stages.textured if textured else stages.plain
    recipe = provenance(mesh, engine=request.engine, licence=request.licence)
    export = Node(Export(format=format_name, up_axis=request.up_axis, recipe=recipe), (mesh,))
    wall = required_wall_mm(request.require)
    check = Node(Verify(format=format_name, up_axis=request.up_axis, min_wall_mm=wall, scored=scored), (export,))
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


def _previews(request: ShapeRequest, stages: Chain) -> Iterator[Output]:
    """The thumbnail, and the shape before it is coloured where that takes a stage of its own."""
    yield _preview_output(request, stages)
    if stages.plain is not stages.textured and any(request.textured(name) for name in request.formats):
        recipe = provenance(stages.plain, engine=request.engine, licence=request.licence)
        export = Node(Export(format="glb", up_axis="y", recipe=recipe), (stages.plain,))
        yield Output(export, "preview", "glb", "untextured.glb", media_type("glb"), up_axis="y", early=True)


def provenance(mesh: Node, *, engine: str | None = None, licence: str | None = None) -> str:
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
            "parameters": without_folders(node.parameters),
            "inputs": [position.get(part.fingerprint, part.fingerprint) for part in node.inputs],
        }
        for node in nodes
    ]
    return canonical_json(
        {
            "generator": "orfeas",
            "engine": engine,
            "licence": licence,
            "inputs": list(hashes),
            "stages": stages,
        }
    )


def without_folders(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters as they may be shown: of a model outside the model folder only the name, not where it lies here."""
    place = parameters.get("place")
    return {**parameters, "place": PurePath(place).name} if place and PurePath(place).is_absolute() else parameters


def mend(request: R) -> tuple[R, dict[str, Any]]:
    """The request with a repaired surface, with no more faces than are allowed; and what that changes."""
    most = (request.require or {}).get("max_faces")
    faces = None if most is None else min(most, request.target_faces or most)
    mended = replace(request, repair=True, target_faces=request.target_faces if faces is None else faces)
    reduced = "" if faces is None else f" and reduced to {faces} faces"
    return mended, {"message": f"A post-condition failed: the mesh was repaired{reduced}.", "repair": True}


def required_wall_mm(require: Mapping[str, Any] | None) -> float | None:
    """The thinnest wall that a request allows by itself or by its printer; None where walls do not matter."""
    wanted = [float(require["min_wall_mm"])] if require and "min_wall_mm" in require else []
    if require and "printer" in require:
        wanted.append(PRINTERS[require["printer"]].min_wall_mm)
    return max(wanted, default=None)


def _whole(request: ShapeRequest, pictures: Pictures) -> Plan:
    """A plan to fall back to."""
    return Plan(_outputs(request, pictures), batch_limit=request.switches.largest_batch)


def _outputs(request: ShapeRequest, pictures: Pictures) -> tuple[Output, ...]:
    stages = request.chain(pictures)
    models = [
        _model_output(request, stages, name, scored=position == 0) for position, name in enumerate(request.formats)
    ]
    return (*models, *_previews(request, stages)) if request.preview else tuple(models)


def _fallbacks(request: ShapeRequest, pictures: Pictures) -> Iterator[Fallback]:
    """Lighter plans in the order in which a run takes them, and a mended one; each is used once."""
    if not request.allow_degrade:
        return
    if request.require:
        mended, change = mend(request)
        yield Fallback(frozenset({"postcondition_failed"}), change, _whole(mended, pictures))
    if request.below:
        yield _stepped_down(request, pictures)
        request = request.stepped_down()
    lighter = request.lighter()
    for _ in range(LIGHTER_SETTINGS):
        if lighter is None:
            return
        grid = lighter.settings["octree_resolution"]
        message = f"Memory was short: made at grid {grid} with at most {lighter.settings['target_faces']} faces."
        plan = _whole(lighter, pictures)
        yield Fallback(request.lighter_after, {"message": message, **lighter.settings}, plan)
        lighter = lighter.lighter()


def _stepped_down(request: ShapeRequest, pictures: Pictures) -> Fallback:
    assert request.below is not None
    profile, down = request.below[0], request.stepped_down()
    change = {"message": f"Memory was short: made with profile {profile}.", "profile": profile, **down.settings}
    plan = _whole(down, pictures)
    return Fallback(request.lighter_after, change, plan)
