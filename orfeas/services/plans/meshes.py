"""Plans of work on stored meshes: what is asked of one, and the stages from its bytes to the checked files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar

from orfeas.domain.formats import MESH_FORMATS, media_type
from orfeas.domain.presets import DEFAULT_PRINTER, PRINTERS
from orfeas.domain.specs import (
    Analyze,
    Assemble,
    Export,
    Hollow,
    Orient,
    Place,
    ReadMesh,
    RenderPreview,
    Repair,
    Scale,
    Simplify,
    Verify,
)
from orfeas.jobs.plan import Node, Output, Plan, Source
from orfeas.services.plans.common import PREVIEW_SIZE, FolderModel, provenance, required_wall_mm

Y_UP = ("glb", "gltf")
"""Formats whose files have y up wherever nothing else is asked for."""
SIDES = ("width", "height", "depth")
DRAINS = (3.0, 2)
"""Diameter in mm and number of the holes that drain a hollow print."""


@dataclass(frozen=True, slots=True)
class StoredMesh:
    """A stored mesh file as plans start from it.

    `stem` is its name without extension, safe in a file name; `licence` the name of the terms it was made under;
    `pictures` are those of its sides, by view, and `background` is the model that removes their backgrounds.
    """

    source: Source
    format: str
    up_axis: str
    stem: str
    max_faces: int
    licence: str | None = None
    pictures: Mapping[str, Source] = field(default_factory=dict)
    background: FolderModel | None = None

    def read(self, unit: str | None = None) -> Node:
        """The stage that reads it."""
        spec = ReadMesh(format=self.format, up_axis=self.up_axis, unit=unit or "mm", max_faces=self.max_faces)
        return Node(spec, (self.source,))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshRequest(ABC):
    """What is asked of a stored mesh, every member checked; `unit` is None for what the file means by itself."""

    unit: str | None = None

    type: ClassVar[str]

    @abstractmethod
    def plan(self, given: StoredMesh) -> Plan:
        """Everything that has to be done."""

    @property
    def checks(self) -> dict[str, Any] | None:
        """What the files have to meet."""
        return None

    def document(self) -> dict[str, Any]:
        """The members as JSON; `MeshRequest.of` reads them back."""
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        if size := found.get("dimensions_mm"):
            found["dimensions_mm"] = dict(zip(SIDES, size, strict=True))
        return found

    @staticmethod
    def of(type: str, members: Mapping[str, Any]) -> MeshRequest:
        """The request of a type with these members; lists become tuples, others' members are left out."""
        kind = REQUESTS[type]
        names = {member.name for member in fields(kind)}
        given = {name: value for name, value in members.items() if name in names}
        if size := given.get("dimensions_mm"):
            given["dimensions_mm"] = [float(size[side]) for side in SIDES]
        typed: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
        return kind(**typed)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyzeRequest(MeshRequest):
    """A report on a mesh."""

    printer: str = DEFAULT_PRINTER
    min_wall_mm: float | None = None
    self_intersections: str = "auto"

    type: ClassVar[str] = "analyze"

    def plan(self, given: StoredMesh) -> Plan:
        """Read it and look at it; no file comes of it."""
        spec = Analyze(
            printer=self.printer, min_wall_mm=self.min_wall_mm, self_intersections=self.self_intersections,
            up_axis=given.up_axis,
        )  # fmt: skip
        return Plan((), also=(Node(spec, (given.read(self.unit),)),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReworkRequest(MeshRequest):
    """Something that ends in files: in `formats`, or in the format of the input."""

    formats: tuple[str, ...] = ()

    prefix: ClassVar[str]
    prints: ClassVar[bool] = False
    """Whether its files lie as they are printed, z up."""

    def axis(self, given: StoredMesh, format_name: str) -> str:
        """The axis that is up in a file."""
        if self.prints:
            return "z"
        return "y" if format_name in Y_UP else given.up_axis

    def outputs(
        self, given: StoredMesh, model: Node, *, min_wall_mm: float | None = None, unit: str = "mm"
    ) -> tuple[Output, ...]:
        """The model in every format, each file loaded again and measured."""
        names = self.formats or (given.format,)
        return tuple(self._output(given, model, name, min_wall_mm, unit) for name in names)

    def _output(self, given: StoredMesh, model: Node, format_name: str, min_wall_mm: float | None, unit: str) -> Output:
        axis, made_of = self.axis(given, format_name), provenance(model, licence=given.licence)
        export = Node(Export(format=format_name, up_axis=axis, recipe=made_of, unit=unit), (model,))
        check = Node(Verify(format=format_name, up_axis=axis, unit=unit, min_wall_mm=min_wall_mm), (export,))
        name = f"{self.prefix}{given.stem}.{format_name}"
        return Output(export, "model", format_name, name, media_type(format_name), axis, check)

    def file_analysis(self, given: StoredMesh, output: Output, **members: Any) -> Node:
        """The analysis of a file that was written, from its bytes."""
        axis = output.up_axis or "y"
        read = Node(ReadMesh(format=output.format, up_axis=axis, max_faces=given.max_faces), (output.node,))
        return Node(Analyze(up_axis=axis, **members), (read,))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRequest(ReworkRequest):
    """A mesh mended, with a report before and after."""

    aggressive: bool = False
    require: Mapping[str, Any] | None = None

    type: ClassVar[str] = "repair"
    prefix: ClassVar[str] = "repaired_"

    @property
    def checks(self) -> dict[str, Any] | None:
        """What was required."""
        return dict(self.require) if self.require else None

    def plan(self, given: StoredMesh) -> Plan:
        """Analyse, mend, write, and analyse what was written."""
        read = given.read(self.unit)
        repaired = Node(Repair(aggressive=self.aggressive), (read,))
        files = self.outputs(given, repaired, min_wall_mm=required_wall_mm(self.require))
        before = Node(Analyze(up_axis=given.up_axis), (read,))
        return Plan(files, also=(before, self.file_analysis(given, files[0])))


@dataclass(frozen=True, slots=True, kw_only=True)
class SimplifyRequest(ReworkRequest):
    """A mesh with an exact number of faces, or with a share of them taken away."""

    target_faces: int | None = None
    target_reduction: float | None = None
    preserve_boundary: bool = True
    preserve_uv: bool = True

    type: ClassVar[str] = "simplify"
    prefix: ClassVar[str] = "simplified_"

    def plan(self, given: StoredMesh) -> Plan:
        """Read, reduce, write."""
        spec = Simplify(
            target_faces=self.target_faces or 0,
            target_reduction=None if self.target_faces else self.target_reduction,
            exact=True,
            measured=True,
            preserve_boundary=self.preserve_boundary,
            preserve_uv=self.preserve_uv,
        )
        return Plan(self.outputs(given, Node(spec, (given.read(self.unit),))))


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimizeRequest(ReworkRequest):
    """A mesh made ready for a printer."""

    printer: str = DEFAULT_PRINTER
    target_size_mm: float | None = None
    hollow: bool = False
    wall_mm: float | None = None
    supports: bool = False
    orient: bool = True
    aggressive: bool = False

    type: ClassVar[str] = "optimize"
    prefix: ClassVar[str] = "optimized_"
    prints: ClassVar[bool] = True

    def plan(self, given: StoredMesh) -> Plan:
        """Analyse, repair, scale, orient, hollow, place on the bed, write, and analyse what was written."""
        read = given.read(self.unit)
        looked_at: dict[str, Any] = {"printer": self.printer, "min_wall_mm": self.wall_mm}
        model = Node(Repair(aggressive=self.aggressive), (read,))
        model = Node(Scale(printer=self.printer, longest_mm=self.target_size_mm, turnable=self.orient), (model,))
        if self.orient:
            goal = "height" if self.supports else "overhang"
            angle = float(PRINTERS[self.printer].overhang_deg)
            model = Node(Orient(goal=goal, angle_deg=angle, printer=self.printer), (model,))
        if self.hollow:
            diameter, count = DRAINS
            wall = self.wall_mm or PRINTERS[self.printer].min_wall_mm
            model = Node(Hollow(wall_mm=wall, drain_diameter_mm=diameter, drain_count=count), (model,))
        files = self.outputs(given, Node(Place(printer=self.printer, supports=self.supports), (model,)))
        before = Node(Analyze(up_axis=given.up_axis, **looked_at), (read,))
        return Plan(files, also=(before, self.file_analysis(given, files[0], **looked_at)))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrientRequest(ReworkRequest):
    """A mesh turned for printing."""

    goal: str = "overhang"
    angle_deg: float = 45.0

    type: ClassVar[str] = "orient"
    prefix: ClassVar[str] = "oriented_"
    prints: ClassVar[bool] = True

    def plan(self, given: StoredMesh) -> Plan:
        """Read, turn, write."""
        spec = Orient(goal=self.goal, angle_deg=self.angle_deg)
        return Plan(self.outputs(given, Node(spec, (given.read(self.unit),))))


@dataclass(frozen=True, slots=True, kw_only=True)
class HollowRequest(ReworkRequest):
    """A shell of a closed mesh."""

    wall_mm: float
    drain_diameter_mm: float = DRAINS[0]
    drain_count: int = DRAINS[1]
    grid: int = 192

    type: ClassVar[str] = "hollow"
    prefix: ClassVar[str] = "hollow_"

    def plan(self, given: StoredMesh) -> Plan:
        """Read, hollow, write."""
        spec = Hollow(
            wall_mm=self.wall_mm, drain_diameter_mm=self.drain_diameter_mm, drain_count=self.drain_count,
            grid=self.grid,
        )  # fmt: skip
        return Plan(self.outputs(given, Node(spec, (given.read(self.unit),))))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertRequest(ReworkRequest):
    """A mesh in other formats, and in another size where one is given."""

    dimensions_mm: tuple[float, float, float] | None = None
    fit: str = "inside"
    up_axis: str = "y"

    type: ClassVar[str] = "convert"
    prefix: ClassVar[str] = ""

    def axis(self, given: StoredMesh, format_name: str) -> str:
        """What was asked for."""
        return self.up_axis

    def plan(self, given: StoredMesh) -> Plan:
        """Read, size, write."""
        model = given.read(self.unit)
        if self.dimensions_mm is not None:
            model = Node(Scale(dimensions_mm=self.dimensions_mm, fit=self.fit), (model,))
        return Plan(self.outputs(given, model))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest(ReworkRequest):
    """A mesh in one file, with collision bodies and levels of detail; `written_unit` is that of the coordinates."""

    collision: str = "none"
    max_parts: int = 8
    lods: tuple[int, ...] = ()
    up_axis: str = "y"
    written_unit: str | None = None
    bundle: bool = False

    type: ClassVar[str] = "export"
    prefix: ClassVar[str] = ""

    @property
    def needs_nodes(self) -> bool:
        """Whether one surface is not enough for what is asked for."""
        return (self.collision != "none" or bool(self.lods)) and not self.bundle

    def axis(self, given: StoredMesh, format_name: str) -> str:
        """What was asked for."""
        return self.up_axis

    def plan(self, given: StoredMesh) -> Plan:
        """Read, add what is asked for, write."""
        model, name = given.read(self.unit), self.formats[0]
        if self.collision != "none" or self.lods:
            spec = Assemble(
                collision=self.collision, max_parts=self.max_parts, lods=self.lods, part_name=given.stem
            )  # fmt: skip
            model = Node(spec, (model,))
        unit = "mm" if MESH_FORMATS[name].unit_stated else self.written_unit or "mm"
        files = self.outputs(given, model, unit=unit)
        return Plan((_bundled(files[0], given.stem),) if self.bundle else files)


def _bundled(output: Output, stem: str) -> Output:
    """The same file as a zip."""
    spec, check = output.node.spec, output.verified_by
    assert isinstance(spec, Export)
    assert check is not None
    packed = Node(replace(spec, bundle=True), output.node.inputs)
    return Output(
        packed, "bundle", "zip", f"{stem}.zip", "application/zip", output.up_axis, Node(check.spec, (packed,))
    )


REQUESTS: dict[str, type[MeshRequest]] = {
    kind.type: kind
    for kind in (
        AnalyzeRequest, RepairRequest, SimplifyRequest, OptimizeRequest, OrientRequest, HollowRequest, ConvertRequest,
        ExportRequest,
    )
}  # fmt: skip
"""By the type of their jobs."""


def facts_plan(given: StoredMesh) -> Plan:
    """Reading alone: what an asset shows of its mesh."""
    return Plan((), also=(given.read(),))


def file_plan(given: StoredMesh, format_name: str) -> Plan:
    """The same model in another format."""
    return ConvertRequest(formats=(format_name,), up_axis=_kept_axis(given, format_name)).plan(given)


def picture_plan(given: StoredMesh, size: int = PREVIEW_SIZE) -> Plan:
    """A rendered thumbnail."""
    picture = Node(RenderPreview(width=size, height=size), (given.read(),))
    return Plan((Output(picture, "preview", "png", "preview.png", "image/png"),))


def _kept_axis(given: StoredMesh, format_name: str) -> str:
    return "y" if format_name in Y_UP else given.up_axis
