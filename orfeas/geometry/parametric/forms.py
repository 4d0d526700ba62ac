"""Words of form, as changes of any body."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from manifold3d import Manifold

from orfeas.geometry.parametric.hollow import LYING, hollowed
from orfeas.geometry.parametric.kit import Floats, Kit, spline
from orfeas.geometry.parametric.piece import Body, main_piece, with_solid

VESSELS = frozenset({"mug", "bowl", "vase", "bottle", "tube", "lamp"})
"""Hollow and open by themselves."""
TURNED = frozenset({"sphere", "cylinder", "cone", "torus", "capsule", "tube", "ellipsoid", "hemisphere", "mug", "bowl",
                    "vase", "bottle", "coin", "button", "tower", "tree", "mushroom", "lamp", "rocket", "stool",
                    "snowman"})  # fmt: skip
"""Round about y: fluted before they are twisted, or a twist would not show."""
TWIST_DEG, TAPER, FLUTES, FLUTE = 110.0, 0.5, 8, 0.055
REFINED = 0.045
STEP = 6e-4
"""Between the cuts of pieces that overlap, so that no two lie in one plane."""


def deform(body: Body, forms: tuple[str, ...], shape: str) -> Body:
    """Twisted and tapered: every point moved by its height."""
    if not {"twisted", "tapered"} & set(forms):
        return body
    low, high = body.bounds
    size = high - low
    bend = _bend(low, high, twisted="twisted" in forms, tapered="tapered" in forms, fluted=shape in TURNED)
    step = REFINED * float(size.max()) * (1.0 if len(body.pieces) < 4 else 1.8)
    return body.changed(lambda solid: solid.refine_to_length(step).warp_batch(bend))


def _bend(low: Floats, high: Floats, *, twisted: bool, tapered: bool, fluted: bool) -> Callable[[Floats], Floats]:
    middle, height = (low + high) / 2.0, float(high[1] - low[1])

    def bend(points: Floats) -> Floats:
        share = (points[:, 1] - low[1]) / height
        x, z = points[:, 0] - middle[0], points[:, 2] - middle[2]
        scale = np.ones(len(points))
        if twisted and fluted:
            scale = 1.0 + FLUTE * np.cos(FLUTES * np.arctan2(z, x))
        if tapered:
            scale = scale * (1.0 - TAPER * share)
        angle = np.radians(TWIST_DEG) * share if twisted else np.zeros(len(points))
        cosine, sine = np.cos(angle), np.sin(angle)
        moved = np.column_stack([scale * (cosine * x + sine * z), points[:, 1], scale * (cosine * z - sine * x)])
        return np.asarray(moved + np.array([middle[0], 0.0, middle[2]]))

    return bend


SHOWN_IN_SECTION = frozenset({"hollow", "hole", "handle"})


def carve(body: Body, forms: tuple[str, ...], shape: str, kit: Kit) -> Body:
    """Hollow, open, with a hole, with a handle, half; in this order."""
    words = set(forms)
    if words & {"hollow", "open"} and shape not in VESSELS:
        body = hollowed(body, shape, wide="open" in words)
    if "hole" in words:
        body = _bored(body, shape, kit)
    if "handle" in words and shape != "mug":
        body = _handled(body, shape, kit)
    if "half" not in words:
        return body
    return _upper_half(body) if shape == "sphere" and not words & SHOWN_IN_SECTION else _halved(body)


def _bored(body: Body, shape: str, kit: Kit) -> Body:
    """A round hole right through where it makes one more tunnel: front to back, or down where the shape is flat."""
    piece = main_piece(body)
    solid = piece.solid
    box = np.array(solid.bounding_box())
    low, high = box[:3], box[3:]
    size, middle = high - low, (low + high) / 2.0
    axes = "yzx" if size[1] < 0.6 * min(size[0], size[2]) or shape in LYING else "zxy"
    for axis in axes:
        across = [i for i in range(3) if i != "xyz".index(axis)]
        for share in (0.1, 0.06) if shape in VESSELS else (0.2, 0.13, 0.08):
            radius = share * float(min(size[across[0]], size[across[1]]))
            for offset in _places(across, size):
                drill = _drill(axis, radius, middle + offset, 2.0 * float(size.max()), kit)
                cut = solid - drill
                if cut.genus() == solid.genus() + 1 and len(cut.decompose()) == len(solid.decompose()):
                    return with_solid(_cut(body, drill), piece, cut)
    return body


def _cut(body: Body, drill: Manifold) -> Body:
    """The drill goes through extra pieces as well."""
    pieces = [piece if piece.main else replace(piece, solid=piece.solid - drill) for piece in body.pieces]
    return replace(body, pieces=tuple(piece for piece in pieces if not piece.solid.is_empty()))


def _places(across: list[int], size: Floats) -> list[Floats]:
    """Where a hole may go: the middle first."""
    found = []
    for u, v in ((0, 0), (0, 0.2), (0, -0.2), (0, 0.38), (0, -0.38), (0.25, 0), (-0.25, 0), (0.3, 0.3), (-0.3, -0.3)):
        offset = np.zeros(3)
        first, second = (across[0], across[1]) if across[1] == 1 else (across[1], across[0])
        offset[first], offset[second] = u * size[first], v * size[second]
        found.append(offset)
    return found


def _drill(axis: str, radius: float, centre: Floats, length: float, kit: Kit) -> Manifold:
    bar = Manifold.cylinder(length, radius, -1.0, max(8, kit.segments), True)
    turned = bar.rotate({"x": (0.0, 90.0, 0.0), "y": (90.0, 0.0, 0.0), "z": (0.0, 0.0, 0.0)}[axis])
    return turned.translate(tuple(centre))


def _handled(body: Body, shape: str, kit: Kit) -> Body:
    """A loop at the right side that enters the body at two heights, or at the top where the side is too low."""
    piece = main_piece(body)
    box = np.array(piece.solid.bounding_box())
    low, size = box[:3], box[3:] - box[:3]
    upright = shape in VESSELS or size[1] > 0.45 * max(size[0], size[2])
    heights = ((0.45, 0.86), (0.3, 0.7)) if shape in VESSELS else ((0.27, 0.73), (0.4, 0.72), (0.1, 0.4))
    loops = [_loop(piece.solid, low, size, kit, shares) for shares in heights] if upright else []
    for loop in (*loops, _bow(piece.solid, low, size, kit)):
        if loop is not None:
            whole = piece.solid + loop
            if whole.genus() == piece.solid.genus() + 1 and len(whole.decompose()) == len(piece.solid.decompose()):
                return with_solid(body, piece, whole)
    return body


def _loop(solid: Manifold, low: Floats, size: Floats, kit: Kit, shares: tuple[float, float]) -> Manifold | None:
    """An ear between two heights of the right side."""
    middle_z, tall = float(low[2] + size[2] / 2.0), float(size[1])
    heights = [float(low[1]) + share * tall for share in shares]
    ends = [_entry(solid, (low[0] + 2.0 * size[0] + 1.0, y, middle_z), (-1.0, 0.0, 0.0)) for y in heights]
    if not all(ends):
        return None
    (x0, wall0), (x1, wall1) = ends[0], ends[1]  # type: ignore[misc]
    thick = 0.055 * tall
    y0, y1 = heights
    reach, rise = max(x0, x1) + 0.27 * tall, y1 - y0
    knots = [(x0 - min(1.1 * thick, 0.85 * wall0), y0), (x0 + 0.11 * tall, y0 - 0.01 * rise), (reach, y0 + 0.25 * rise),
             (reach, y0 + 0.75 * rise), (x1 + 0.11 * tall, y1 + 0.01 * rise),
             (x1 - min(1.1 * thick, 0.85 * wall1), y1)]  # fmt: skip
    return _bar(knots, middle_z, thick, kit)


def _bow(solid: Manifold, low: Floats, size: Floats, kit: Kit) -> Manifold | None:
    """A bow over the top."""
    middle_x, middle_z = float(low[0] + size[0] / 2.0), float(low[2] + size[2] / 2.0)
    reach = float(max(size[0], size[2]))
    left, right = middle_x - 0.2 * reach, middle_x + 0.2 * reach
    ends = [_entry(solid, (x, low[1] + 2.0 * size[1] + 1.0, middle_z), (0.0, -1.0, 0.0)) for x in (left, right)]
    if not all(ends):
        return None
    (y0, wall0), (y1, wall1) = ends[0], ends[1]  # type: ignore[misc]
    thick, top = 0.035 * reach, max(y0, y1) + 0.22 * reach
    sunk = min(thick, 0.85 * wall0), min(thick, 0.85 * wall1)
    knots = [(left, y0 - sunk[0]), (left, y0 + 0.1 * reach), (middle_x - 0.1 * reach, top),
             (middle_x + 0.1 * reach, top), (right, y1 + 0.1 * reach), (right, y1 - sunk[1])]  # fmt: skip
    return _bar(knots, middle_z, thick, kit)


def _bar(knots: list[tuple[float, float]], z: float, thick: float, kit: Kit) -> Manifold:
    path = spline(np.array(knots), 30)
    return kit.rod(np.column_stack([path, np.full(len(path), z)]), thick)


def _entry(
    solid: Manifold, start: tuple[float, float, float], toward: tuple[float, float, float]
) -> tuple[float, float] | None:
    """Where a ray along an axis enters the solid, on that axis, and how thick the solid is there."""
    axis = int(np.argmax(np.abs(toward)))
    begin = np.array(start) + 1e-4 * (np.arange(3) == 2)
    end = begin + np.array(toward) * 1e3
    hits = sorted(solid.ray_cast(tuple(begin), tuple(end)), key=lambda hit: float(hit.distance))
    if len(hits) < 2:
        return None
    return float(hits[0].position[axis]), abs(float(hits[0].position[axis] - hits[1].position[axis]))


def _upper_half(body: Body) -> Body:
    """What lies above the middle: half a ball rests on its cut."""
    low, high = body.bounds
    middle = float(low[1] + high[1]) / 2.0
    return body.changed(lambda solid: solid.trim_by_plane((0.0, 1.0, 0.0), middle))


def _halved(body: Body) -> Body:
    """The half behind the middle, its cut to the viewer; where pieces overlap there, the largest shows."""
    low, high = body.bounds
    middle, step = float(low[2] + high[2]) / 2.0, STEP * float((high - low).max())
    cut = []
    for piece in body.pieces:
        larger = sum(other.solid.volume() > piece.solid.volume() for other in body.pieces)
        half = piece.solid.trim_by_plane((0.0, 0.0, -1.0), step * larger - middle)
        cut += [] if half.is_empty() else [replace(piece, solid=half)]
    return replace(body, pieces=tuple(cut))
