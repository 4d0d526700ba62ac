"""The embedded engine: height fields of one picture, without weights and without a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from orfeas.domain.quality import EMBEDDED, Quality
from orfeas.domain.specs import Inflate, Relief, Surface, Texture
from orfeas.jobs.plan import Node
from orfeas.services.plans.common import Chain, Pictures, ShapeRequest

EMBEDDED_ENGINE = "embedded"
METHODS = {"inflate": "silhouette-inflation", "relief": "relief", "lithophane": "lithophane"}


@dataclass(frozen=True, slots=True)
class GenerationRequest(ShapeRequest):
    """What the embedded engine is asked to make of one picture. It knows no guidance and draws nothing at random."""

    mode: str = "auto"

    engine: ClassVar[str] = EMBEDDED_ENGINE
    lighter_after: ClassVar[frozenset[str]] = frozenset({"stage_memory"})

    @property
    def rows(self) -> Mapping[int, Quality]:
        """The quality map of this engine: passes, grid and faces."""
        return EMBEDDED

    @property
    def method(self) -> str | None:
        """How the shape will be made; None while `auto` has not seen the picture."""
        return METHODS.get(self.mode)

    def mapped_grid(self, row: Quality) -> int:
        """The profile's share of the grid."""
        return self.switches.embedded_grid(row.octree_resolution)

    def chain(self, pictures: Pictures) -> Chain:
        """Cut out, raise, mesh, finish and lay the photo on it, or dress it."""
        prepared = self.prepared(pictures["front"])
        field = Node(_shape(self.mode), (prepared,))
        surface = Surface(octree_resolution=self.grid, steps=self.settings["steps"], mc_level=self.mc_level)
        plain = self.finished(Node(surface, (field,)))
        if self.texture == "material":
            return Chain(plain, self.dressed(plain))
        return Chain(plain, Node(Texture(size=self.texture_size), (plain, prepared, field)))


def _shape(mode: str) -> Inflate | Relief:
    return Relief(mode=mode) if mode in ("relief", "lithophane") else Inflate(mode=mode)
