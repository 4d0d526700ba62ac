"""Cavities: bodies made hollow or open, with walls of even thickness."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import manifold3d
import numpy as np
from manifold3d import Manifold
from numpy.typing import NDArray

from orfeas.geometry.parametric.kit import Floats, from_faces
from orfeas.geometry.parametric.piece import Body, main_piece, with_solid

THROUGH = frozenset({"cylinder", "prism", "star", "heart", "gear", "arrow", "cross", "coin", "button", "plate", "arch",
                     "capsule"})  # fmt: skip
"""Made hollow along their axis: a frame or a pipe."""
LYING = frozenset({"cylinder", "gear", "coin", "button", "plate", "capsule"})
WALL = 0.09
LEAST_SHARE, LEAST_CAVITY = 0.2, 0.12
"""Share of its hull, and of the cavity in it, below which a solid is too thin to be made hollow, as a chair is."""


def hollowed(body: Body, shape: str, *, wide: bool) -> Body:
    """A cavity with even walls and a way out: along the axis, or through the top."""
    piece = main_piece(body)
    solid = piece.solid
    if shape in THROUGH and not wide:
        return with_solid(body, piece, solid - _core(solid, lying=shape in LYING))
    inner = _inner(solid)
    if inner is None:
        return body
    box = np.array(inner.bounding_box())
    centre, size = (box[:3] + box[3:]) / 2.0, box[3:] - box[:3]
    top = solid.bounding_box()[4]
    if wide:
        # The cavity's outline at its widest open height, carried up through the lid.
        level = float(box[4] - 0.12 * size[1]) if shape not in ("sphere", "ellipsoid") else float(centre[1])
        lid = _raised(_section(inner, level), level, top * 2.0 + 1.0)
    else:
        radius = 0.27 * float(min(size[0], size[2]))
        x, z = _highest(inner)
        lid = _post(radius, float(centre[1]), top * 2.0 + 1.0, x, z)
    kept = [part for part in body.pieces if part is piece or not wide or _is_clear(part.solid, lid)]
    cut = solid - (inner + lid)
    return replace(body, pieces=tuple(replace(part, solid=cut) if part is piece else part for part in kept))


def _is_clear(solid: Manifold, lid: Manifold) -> bool:
    """Whether a piece lies hardly in the way of the opening; a roof does, a door does not."""
    return bool((solid ^ lid).volume() < 0.2 * solid.volume())


def _highest(inner: Manifold) -> tuple[float, float]:
    """x and z of the cavity's top."""
    points = np.asarray(inner.to_mesh64().vert_properties)[:, :3]
    top = points[points[:, 1] > points[:, 1].max() - 1e-6 * max(1.0, float(np.ptp(points[:, 1])))]
    return float(top[:, 0].mean()), float(top[:, 2].mean())


def _core(solid: Manifold, *, lying: bool) -> Manifold:
    """The silhouette along the axis, moved inward by a wall, as a bar through the solid."""
    turned = solid.rotate((90.0, 0.0, 0.0)) if lying else solid
    box = np.array(turned.bounding_box())
    size = box[3:] - box[:3]
    flat = turned.project()
    for share in (WALL * 1.2, WALL * 0.7, WALL * 0.35):
        inside = flat.offset(-share * float(min(size[0], size[1])), manifold3d.JoinType.Round, 2.0, 32)
        parts = sorted(inside.decompose(), key=lambda part: -part.area())
        if parts and parts[0].area() > 0.15 * flat.area():
            break
    else:
        return Manifold()
    bar = parts[0].extrude(float(size[2]) * 2.0).translate((0.0, 0.0, float(box[2] - 0.5 * size[2])))
    return bar.rotate((-90.0, 0.0, 0.0)) if lying else bar


def _inner(solid: Manifold) -> Manifold | None:
    """The solid moved inward by a wall: exactly where it is convex, else eroded on a grid."""
    box = np.array(solid.bounding_box())
    wall = WALL * float(np.sort(box[3:] - box[:3])[:2].mean())
    share = float(solid.volume()) / float(solid.hull().volume())
    if share > 0.985:
        return _pulled_in(solid, wall)
    return None if share < LEAST_SHARE else eroded(solid, wall)


def _pulled_in(solid: Manifold, wall: float) -> Manifold | None:
    """A convex solid with every face moved inward: exact, by the half-spaces of its dual."""
    mesh = solid.to_mesh64()
    points, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts)
    normal = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    area = np.linalg.norm(normal, axis=1)
    kept = area > 1e-9 * area.max()
    normal = normal[kept] / area[kept, None]
    distance = np.einsum("ij,ij->i", normal, points[faces[kept, 0]]) - wall
    inside = _deepest(normal, distance)
    if inside is None:
        return None
    # The polar dual of the moved half-spaces around an inner point; its hull's faces are the corners sought.
    dual = Manifold.hull_points(normal / (distance - normal @ inside)[:, None])
    around = dual.to_mesh64()
    corner, sides = np.asarray(around.vert_properties)[:, :3], np.asarray(around.tri_verts)
    across = np.cross(corner[sides[:, 1]] - corner[sides[:, 0]], corner[sides[:, 2]] - corner[sides[:, 0]])
    depth = np.einsum("ij,ij->i", across, corner[sides[:, 0]])
    good = depth > 1e-9 * depth.max()
    return Manifold.hull_points(across[good] / depth[good, None] + inside)


def _deepest(normal: Floats, distance: Floats) -> Floats | None:
    """Centre of the largest ball in the half-spaces, or None if they have no common point."""
    from scipy.optimize import linprog

    rows = np.column_stack([normal, np.ones(len(normal))])
    found = linprog([0.0, 0.0, 0.0, -1.0], A_ub=rows, b_ub=distance, bounds=[(None, None)] * 3 + [(1e-6, None)])
    return np.asarray(found.x[:3]) if found.status == 0 else None


def eroded(solid: Manifold, wall: float, cells: int = 64) -> Manifold | None:
    """The largest cavity at least a wall inside a solid, from distances on a grid of voxels; None where it is thin."""
    import cv2
    from scipy import ndimage
    from skimage.measure import marching_cubes

    box = np.array(solid.bounding_box())
    low, size = box[:3], box[3:] - box[:3]
    step = float(size.max()) / cells
    count = np.ceil(size / step).astype(int) + 3
    filled = np.zeros((count[2], count[1], count[0]), dtype=np.uint8)
    for k in range(count[2]):
        z = float(low[2] + (k - 1) * step)
        polygons = solid.slice(z).to_polygons()
        drawn = [np.round(((np.asarray(p) - low[:2]) / step + 1.0) * 256.0).astype(np.int32) for p in polygons]
        if drawn:
            cv2.fillPoly(filled[k], drawn, 1, lineType=cv2.LINE_8, shift=8)
    deep = ndimage.distance_transform_edt(filled) * step
    for share in (1.0, 0.6, 0.4):
        level = max(wall * share, 1.5 * step)
        labels, found = ndimage.label(deep > level)
        if found:
            sizes = np.bincount(labels.ravel())[1:]
            chosen = np.where(labels == int(np.argmax(sizes)) + 1, deep, np.minimum(deep, level - 0.5 * step))
            if sizes.max() > 60:
                smooth = ndimage.gaussian_filter(chosen, 0.8)
                if smooth.max() > level:
                    points, faces, _, _ = marching_cubes(smooth, level)  # type: ignore[no-untyped-call]
                    inner = _largest(_solid(points[:, ::-1] * step + low - step, faces[:, ::-1]))
                    return inner if inner is not None and inner.volume() > LEAST_CAVITY * solid.volume() else None
    return None


def _solid(points: NDArray[np.floating[Any]], faces: NDArray[np.integer[Any]]) -> Manifold:
    return from_faces(np.asarray(points, dtype=np.float64), np.asarray(faces, dtype=np.int64)).simplify(1e-4)


def _largest(solid: Manifold) -> Manifold | None:
    parts = [part for part in solid.decompose() if part.volume() > 0.0]
    return max(parts, key=lambda part: float(part.volume())) if parts else None


def _section(solid: Manifold, y: float) -> manifold3d.CrossSection:
    """Cross-section at a height, in x and -z."""
    return solid.rotate((90.0, 0.0, 0.0)).slice(y)


def _raised(section: manifold3d.CrossSection, low: float, high: float) -> Manifold:
    return section.extrude(high - low).translate((0.0, 0.0, low)).rotate((-90.0, 0.0, 0.0))


def _post(radius: float, low: float, high: float, x: float, z: float) -> Manifold:
    return Manifold.cylinder(high - low, radius, -1.0, 40).rotate((-90.0, 0.0, 0.0)).translate((x, low, z))
