"""The stages of scenes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.stages import Keep, Produces, StageSpec


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
