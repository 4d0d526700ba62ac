"""What is wrong with a mesh, in words that the owner of a printer understands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from orfeas.geometry.mesh import Vertices

MOST_POINTS = 500
NOWHERE: Vertices = np.zeros((0, 3))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: whether it stops a print, a sentence for one and for several, and what to do."""

    stops: bool
    one: str
    several: str
    action: str


REPAIR = "Run repair: it {}."
KINDS = MappingProxyType(
    {
        "holes": Kind(
            True,
            "The surface has a hole, so a slicer cannot tell inside from outside.",
            "The surface has {} holes, so a slicer cannot tell inside from outside.",
            REPAIR.format("fills holes; with aggressive it makes a new closed surface where filling is not enough"),
        ),
        "non_manifold_edges": Kind(
            True,
            "At {} edge more than two faces meet.",
            "At {} edges more than two faces meet.",
            REPAIR.format("takes such sheets apart"),
        ),
        "non_manifold_vertices": Kind(
            True,
            "In {} point parts of the surface touch without being joined.",
            "In {} points parts of the surface touch without being joined.",
            REPAIR.format("takes the parts asunder"),
        ),
        "inverted_faces": Kind(
            True,
            "{} face points inward.",
            "{} faces point inward.",
            REPAIR.format("turns faces outward"),
        ),
        "duplicate_faces": Kind(
            False,
            "{} face is there more than once.",
            "{} faces are there more than once.",
            REPAIR.format("drops duplicates"),
        ),
        "degenerate_faces": Kind(
            False,
            "{} face has no area.",
            "{} faces have no area.",
            REPAIR.format("drops faces without area"),
        ),
        "self_intersections": Kind(
            False,
            "{} pair of faces passes through each other.",
            "{} pairs of faces pass through each other; overlapping parts may print wrongly or leave gaps.",
            REPAIR.format("unites parts that overlap; with aggressive it makes a new surface"),
        ),
        "too_large": Kind(
            False,
            "The model does not fit into the printer: {detail}.",
            "",
            "Run optimize, which scales the model to the printer, or give a target_size_mm.",
        ),
        "thin_walls": Kind(
            False,
            "{} of the sampled places is thinner than the printer needs: {detail}.",
            "{} of the sampled places are thinner than the printer needs: {detail}.",
            "Make the thin walls thicker or print the model larger; thin parts break or do not come out.",
        ),
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Something wrong, how often, and where; `places` is called only when there is something."""

    code: str
    count: int
    places: Callable[[], Vertices] = lambda: NOWHERE
    detail: str = ""

    @property
    def stops(self) -> bool:
        """Whether no slicer can be trusted with the mesh as it is."""
        return KINDS[self.code].stops

    def described(self) -> dict[str, Any]:
        """As the analysis gives it."""
        kind = KINDS[self.code]
        text = (kind.one if self.count == 1 else kind.several).format(self.count, detail=self.detail)
        return {"code": self.code, "count": self.count, "detail": text, "points": thinned(self.places())}


def printability(found: list[Problem]) -> dict[str, Any]:
    """The state of the mesh with its problems."""
    status = "error" if any(problem.stops for problem in found) else "warning" if found else "healthy"
    return {"status": status, "problems": [problem.described() for problem in found]}


def recommended_actions(found: list[Problem]) -> list[str]:
    """What to do about the problems, each thing once."""
    return list(dict.fromkeys(KINDS[problem.code].action for problem in found))


def thinned(places: Vertices) -> list[list[float]]:
    """At most 500 of the places (n, 3), evenly taken."""
    if len(places) > MOST_POINTS:
        places = places[np.linspace(0, len(places) - 1, MOST_POINTS).round().astype(np.intp)]
    return [[round(float(value), 4) for value in place] for place in places]
