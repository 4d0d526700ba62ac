"""The embedded engine from a sentence: solids of the scene that it describes, without weights and without a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from orfeas.domain.prompt import Scene
from orfeas.domain.quality import EMBEDDED, Quality
from orfeas.domain.specs import Clean, Parametric, Repair, Scale, Simplify
from orfeas.jobs.plan import Node
from orfeas.services.plans.common import Chain, Pictures, ShapeRequest
from orfeas.services.plans.embedded import EMBEDDED_ENGINE

PARAMETRIC = "parametric"
CELLS_PER_CHORD = 2
"""Grid cells of the quality map for each chord of a full turn: 72 chords at the default quality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametricRequest(ShapeRequest):
    """What is asked of the parametric modeller. `scene` is the canonical JSON of what the sentence was understood as.

    The colours and materials of the words are kept in formats that carry them, each body as a part; in the others
    what touches is one solid.
    """

    scene: str

    engine: ClassVar[str] = EMBEDDED_ENGINE
    lighter_after: ClassVar[frozenset[str]] = frozenset({"stage_memory"})

    @property
    def rows(self) -> Mapping[int, Quality]:
        """The quality map of the embedded engine: its grid gives the chords, its faces are an upper bound."""
        return EMBEDDED

    @property
    def method(self) -> str | None:
        """How the shape is made."""
        return PARAMETRIC

    def mapped_grid(self, row: Quality) -> int:
        """The profile's share of the grid."""
        return self.switches.embedded_grid(row.octree_resolution)

    @property
    def settings(self) -> dict[str, Any]:
        """Solids have neither passes nor a grid."""
        nothing = dict.fromkeys(("steps", "octree_resolution", "guidance_scale"))
        return {**nothing, "target_faces": self.target_faces or self.map.target_faces, "seed": self.seed}

    def lighter(self) -> None:
        """Solids take little memory at every quality: nothing would be gained."""
        return

    def solids(self, *, joined: bool = False) -> Node:
        """The stage that builds the scene."""
        return Node(
            Parametric(scene=self.scene, seed=self.seed, resolution=self.grid // CELLS_PER_CHORD, joined=joined)
        )

    def chain(self, pictures: Pictures) -> Chain:
        """Build, clean, reduce and scale where the sentence names no size or a box is asked for."""
        solids = self.finished(self.solids())
        dressed = self.dressed(solids) if self.texture == "material" else solids
        return Chain(self.finished(self.solids(joined=True)), dressed)

    def finished(self, surface: Node) -> Node:
        """Cleaned, reduced and sized; a sentence that names millimetres keeps them, whatever its solids lost."""
        cleaned = Node(Clean(), (surface,))
        mended = Node(Repair(), (cleaned,)) if self.repair else cleaned
        most = Simplify(target_faces=self.settings["target_faces"], exact=self.target_faces is not None)
        reduced = Node(most, (mended,))
        if self.dimensions_mm is None and Scene.read(self.scene).names_size:
            return reduced
        return Node(Scale(dimensions_mm=self.dimensions_mm, fit=self.fit), (reduced,))
