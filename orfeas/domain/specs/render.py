"""The stages that draw pictures of models.

Materials and lights are the values themselves, as canonical JSON, not the names of presets: a preset that changes is
another picture.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from orfeas.domain.fingerprint import canonical_json
from orfeas.domain.presets import Lamp, LightRig, Material, Vector, View
from orfeas.domain.stages import Keep, Produces, StageSpec


def written(value: Material | LightRig) -> str:
    """A material or a light rig as a parameter of a stage."""
    return canonical_json(_floats(asdict(value)))


def read_material(text: str) -> Material | None:
    """The material that was written; None of an empty text."""
    return Material(**_tuples(json.loads(text))) if text else None


def read_rig(text: str) -> LightRig | None:
    """The lights that were written; None of an empty text."""
    if not text:
        return None
    found = _tuples(json.loads(text))
    return LightRig(**found | {name: Lamp(**_tuples(found[name])) for name in ("main", "fill", "back")})


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _floats(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_floats(member) for member in value]
    return float(value)


def _tuples(members: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in members.items()}


@dataclass(frozen=True, slots=True)
class PictureSpec(StageSpec):
    """What pictures of models share.

    `material` takes the place of the model's own and `lighting` that of the style's; empty leaves them. `background` is
    `lighting`, `transparent` or `#rrggbb`. Views count as the standard ones do, whatever the model measures.
    """

    version: ClassVar[int] = 2
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    target: Vector = (0.0, 0.0, 0.0)
    fov: float = 50.0
    projection: str = "perspective"
    material: str = ""
    lighting: str = ""
    style: str = "realistic"
    background: str = "lighting"
    width: int = 768
    height: int = 768
    samples: int = 4


@dataclass(frozen=True, slots=True)
class RenderPicture(PictureSpec):
    """A picture of a model, as PNG."""

    name: ClassVar[str] = "render.picture"
    position: Vector = (7.0, 5.0, 7.0)
    up: Vector = (0.0, 1.0, 0.0)

    @property
    def view(self) -> View:
        """Where it is seen from."""
        return View(self.position, self.up, self.target, self.fov, self.projection)


@dataclass(frozen=True, slots=True)
class RenderTurntable(PictureSpec):
    """Pictures along a path around a model's target: `gif`, `png_zip` or `mp4`.

    `path` is turntable (with `distance`, `height` and `axis`) or orbital (with `radius` and `height_variation`).
    """

    name: ClassVar[str] = "render.turntable"
    weight: ClassVar[int] = 60
    timeout_s: ClassVar[float] = 1800.0
    needs_config: ClassVar[bool] = True
    path: str = "turntable"
    distance: float = 10.0
    height_above: float = 5.0
    axis: str = "y"
    radius: float = 10.0
    height_variation: float = 3.0
    duration: float = 10.0
    speed: float = 1.0
    frames: int = 36
    format: str = "gif"


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
