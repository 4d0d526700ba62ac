"""Plans of pictures of stored meshes: from a given place, and along a path around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from orfeas.domain.camera import default_camera, upward
from orfeas.domain.materials import with_properties
from orfeas.domain.presets import LIGHTING, MATERIALS, Material, View
from orfeas.domain.specs.render import RenderPicture, RenderTurntable, written
from orfeas.jobs.plan import Node, Output, Plan
from orfeas.services.plans.meshes import REQUESTS, MeshRequest, StoredMesh

ENDINGS = {
    "gif": ("gif", "image/gif"),
    "png_zip": ("zip", "application/zip"),
    "mp4": ("mp4", "video/mp4"),
}
"""Extension and media type of each form of a turntable."""
ORBITAL_S = 15.0
"""Duration of an orbital path that names none."""
THUMBNAIL = RenderTurntable(
    width=320, height=320, frames=24, duration=6.0, height_above=4.5, distance=9.0, background="#f4f4f2",
    lighting=written(LIGHTING["studio"]),
)  # fmt: skip
"""The turntable of every finished mesh."""


def camera_members(view: View) -> dict[str, Any]:
    """A view as a request keeps it."""
    return {
        "position": list(view.position),
        "target": list(view.target),
        "fov": view.fov,
        "projection": view.projection,
    }


def material_members(chosen: str | Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A preset, or one with own properties, as a request keeps it; None for the model's own."""
    if chosen is None:
        return None
    name, own = (chosen, {}) if isinstance(chosen, str) else (chosen["material_type"], chosen["custom_properties"])
    made = with_properties(MATERIALS[name], own)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(made).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest(MeshRequest):
    """What all pictures take. `camera` has the members of a camera, `material` those of a material."""

    camera: Mapping[str, Any] = field(default_factory=default_camera)
    material: Mapping[str, Any] | None = None
    lighting: str = "studio"
    background: str = "lighting"
    width: int = 768
    height: int = 768
    samples: int = 4

    def _shared(self) -> dict[str, Any]:
        """Parameters of both stages."""
        return {
            "target": _vector(self.camera["target"]),
            "fov": float(self.camera["fov"]),
            "projection": str(self.camera["projection"]),
            "material": written(_material(self.material)) if self.material else "",
            "lighting": written(LIGHTING[self.lighting]),
            "background": self.background,
            "width": self.width,
            "height": self.height,
            "samples": self.samples,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderRequest(PictureRequest):
    """A picture from a place."""

    type: ClassVar[str] = "render"

    def plan(self, given: StoredMesh) -> Plan:
        """Read it and draw it."""
        position = _vector(self.camera["position"])
        up = upward(position, _vector(self.camera["target"]))
        drawn = Node(RenderPicture(position=position, up=up, **self._shared()), (given.read(self.unit),))
        return Plan((Output(drawn, "preview", "png", f"{given.stem}.png", "image/png"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class TurntableRequest(PictureRequest):
    """Pictures along a path around the camera's target; `animation` has the members of the path."""

    animation: Mapping[str, Any] = field(default_factory=lambda: {"type": "turntable"})
    frames: int = 36
    format: str = "gif"

    type: ClassVar[str] = "turntable"

    def plan(self, given: StoredMesh) -> Plan:
        """Read it and draw it from all sides."""
        path = dict(self.animation)
        path["path"] = path.pop("type", "turntable")
        if path["path"] == "orbital":
            path.setdefault("duration", ORBITAL_S)
        if "height" in path:
            path["height_above"] = path.pop("height")
        spec = RenderTurntable(frames=self.frames, format=self.format, **path, **self._shared())
        ending, media_type = ENDINGS[self.format]
        drawn = Node(spec, (given.read(self.unit),))
        role = "bundle" if self.format == "png_zip" else "preview"
        return Plan((Output(drawn, role, ending, f"{given.stem}_turntable.{ending}", media_type),))


def turntable_plan(picture: Plan) -> Plan:
    """The small turntable of what a plan draws a thumbnail of."""
    node = Node(THUMBNAIL, picture.outputs[0].node.inputs)
    return Plan((Output(node, "preview", "gif", "turntable.gif", "image/gif"),))


def _material(members: Mapping[str, Any]) -> Material:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in members.items()}
    return Material(**values)


def _vector(numbers: Any) -> tuple[float, float, float]:
    x, y, z = numbers
    return float(x), float(y), float(z)


for _kind in (RenderRequest, TurntableRequest):
    REQUESTS[_kind.type] = _kind
