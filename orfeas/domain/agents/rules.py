"""What is changed when a goal fails: for each an ordered list, of which the first is taken that was not tried yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orfeas.domain.fingerprint import canonical_json
from orfeas.domain.limits import OCTREE_RESOLUTION, SIDE_MM, TARGET_FACES
from orfeas.domain.profiles import STANDARD, ULTRA
from orfeas.domain.quality import HIGHEST, LOWEST

GENERATE, REPAIR, SIMPLIFY, SCALE = "generate", "repair", "simplify", "scale"
WALL_MARGIN = 1.02
FIT_MARGIN = 0.999
LARGEST_FACTOR = 10.0
"""By which a model is enlarged at most to make its walls thick enough."""
HEAVY = frozenset({"gpu_memory", "stage_memory", "stage_timeout", "deadline_exceeded"})
"""Errors that a lighter setting may avoid."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something to be done differently: with the file as it is, or (`generate`) in a new attempt."""

    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Equal for equal changes."""
        return canonical_json({"kind": self.kind, **self.parameters})

    @property
    def attempt(self) -> bool:
        """Whether it makes the model anew."""
        return self.kind == GENERATE


@dataclass(frozen=True, slots=True)
class Situation:
    """What rules look at: the options of the attempt, its measures, and what makes the shape.

    `grid` and `quality` are those that the attempt used; `neural`: a model makes it; `solids`: the prompt's solids.
    """

    options: Mapping[str, Any]
    goal: Mapping[str, Any]
    measured: Mapping[str, Any]
    grid: int
    quality: int
    neural: bool = False
    solids: bool = False


def changes(name: str, seen: Situation) -> Iterator[Change]:
    """Everything that may mend a failed goal, the cheapest first."""
    yield from RULES[name](seen)


def lighter(seen: Situation) -> Iterator[Change]:
    """Less time and memory."""
    if seen.neural and seen.options.get("profile") in (None, STANDARD):
        yield Change(GENERATE, {"profile": ULTRA})
    for quality in (seen.quality - 2, seen.quality - 4):
        if quality >= LOWEST:
            yield Change(GENERATE, {"quality": quality, "octree_resolution": None, "steps": None})


def _finer(seen: Situation) -> Iterator[Change]:
    if not seen.solids:
        for factor in (1.5, 2.0):
            grid = min(OCTREE_RESOLUTION[1], round(seen.grid * factor))
            if grid > seen.grid:
                yield Change(GENERATE, {"octree_resolution": grid})
    elif seen.quality < HIGHEST:
        yield Change(GENERATE, {"quality": min(HIGHEST, seen.quality + 3)})


def _mended(seen: Situation) -> Iterator[Change]:
    yield Change(REPAIR, {"aggressive": False})
    yield Change(REPAIR, {"aggressive": True})


def _closed(seen: Situation) -> Iterator[Change]:
    yield from _mended(seen)
    yield from _finer(seen)


def _fewer_faces(seen: Situation) -> Iterator[Change]:
    most = int(seen.goal["max_faces"])
    yield Change(SIMPLIFY, {"target_faces": most})
    if most >= TARGET_FACES[0]:
        yield Change(GENERATE, {"target_faces": most})


def _more_faces(seen: Situation) -> Iterator[Change]:
    least = max(TARGET_FACES[0], int(seen.goal["min_faces"]))
    if least <= TARGET_FACES[1]:
        yield Change(GENERATE, {"target_faces": least})
        for change in _finer(seen):
            yield Change(GENERATE, {**change.parameters, "target_faces": least})


def _outline(seen: Situation) -> Iterator[Change]:
    if not seen.solids and seen.options.get("remove_background") != "always":
        yield Change(GENERATE, {"remove_background": "always"})
    if seen.neural:
        seed = seen.options.get("seed")
        yield Change(GENERATE, {"seed": seed + 1 if isinstance(seed, int) else 1})
    yield from _finer(seen)


def _thicker(seen: Situation) -> Iterator[Change]:
    """Scaled until its thin walls are thick enough, where it may grow; else another grid."""
    wall = (seen.measured.get("wall_thickness") or {}).get("p5_mm")
    if wall:
        factor = float(seen.goal["min_wall_mm"]) * WALL_MARGIN / wall
        if 1.0 < factor <= LARGEST_FACTOR and (sizes := _scaled(seen, factor)) and _inside(sizes, seen):
            yield Change(SCALE, {"dimensions_mm": sizes})
    if not seen.solids:
        grid = max(OCTREE_RESOLUTION[0], round(seen.grid * 0.75))
        if grid < seen.grid:
            yield Change(GENERATE, {"octree_resolution": grid})


def _smaller(seen: Situation) -> Iterator[Change]:
    extents = seen.measured.get("extents_mm")
    if not extents:
        return
    x, y, z = extents
    factor = min(wanted / size for wanted, size in zip(seen.goal["fits_mm"], (x, z, y), strict=True) if size > 0.0)
    if factor < 1.0 and (sizes := _scaled(seen, factor * FIT_MARGIN)):
        yield Change(SCALE, {"dimensions_mm": sizes})


def _scaled(seen: Situation, factor: float) -> list[float] | None:
    """The sides of the model times a factor; None beyond what a size may be."""
    sizes = [round(float(size) * factor, 4) for size in seen.measured.get("extents_mm") or ()]
    return sizes if sizes and all(SIDE_MM[0] <= size <= SIDE_MM[1] for size in sizes) else None


def _inside(sizes: list[float], seen: Situation) -> bool:
    limit = seen.goal.get("fits_mm")
    turned = (sizes[0], sizes[2], sizes[1])
    return limit is None or all(size <= wanted for size, wanted in zip(turned, limit, strict=True))


RULES: dict[str, Callable[[Situation], Iterator[Change]]] = {
    "watertight": _closed,
    "min_quality_score": _closed,
    "max_faces": _fewer_faces,
    "min_faces": _more_faces,
    "min_wall_mm": _thicker,
    "fits_mm": _smaller,
    "min_silhouette_iou": _outline,
    "max_seconds": lighter,
}
