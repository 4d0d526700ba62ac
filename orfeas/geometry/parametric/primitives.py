"""The primitives of the vocabulary, about one unit in size."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from manifold3d import Manifold

from orfeas.geometry.parametric.gears import gear
from orfeas.geometry.parametric.kit import Floats, Kit, arc, circle
from orfeas.geometry.parametric.piece import Body, Builder, single

GOLDEN = (1.0 + 5.0**0.5) / 2.0


def cube(kit: Kit) -> Body:
    """A box of equal sides."""
    return single(kit.box(1.0, 1.0, 1.0))


def cuboid(kit: Kit) -> Body:
    """A brick of 3 x 2 x 1.5."""
    return single(kit.box(1.0, 0.5, 0.667))


def sphere(kit: Kit) -> Body:
    """A ball; faceted, a geodesic one."""
    return single(kit.ball(0.5))


def cylinder(kit: Kit) -> Body:
    """As high as wide, so that `flat` makes a disc."""
    return single(kit.cylinder(0.4, 1.0))


def cone(kit: Kit) -> Body:
    """A cone with a broken rim."""
    return single(kit.lathe([(0, 0), (0.45, 0), (0, 1.0)]))


def pyramid(kit: Kit) -> Body:
    """A square one; its edges are broken by a hull of small balls only where they are rounded."""
    corners = np.array([[0.5, 0, 0.5], [-0.5, 0, 0.5], [-0.5, 0, -0.5], [0.5, 0, -0.5], [0, 0.8, 0]])
    return single(_polyhedron(kit, corners))


def torus(kit: Kit) -> Body:
    """A ring that lies flat."""
    count = max(8, kit.segments // 2)
    return single(kit.lathe(circle(0.15, count, (0.35, 0.0)).tolist(), edge=0.0))


def capsule(kit: Kit) -> Body:
    """A standing pill."""
    count = kit.points(0.25)
    lower, upper = arc(0.25, -90, 0, count, (0, 0.25)), arc(0.25, 0, 90, count, (0, 0.75))
    return single(kit.lathe([*lower, *upper], edge=0.0))


def tube(kit: Kit) -> Body:
    """A pipe."""
    return single(kit.lathe([(0.28, 0), (0.4, 0), (0.4, 1.0), (0.28, 1.0)]))


def prism(kit: Kit) -> Body:
    """A triangular one, lying on a side like a roof."""
    corners = [(-0.5, 0.0), (0.5, 0.0), (0.0, 0.866)]
    return single(kit.plate(corners, 1.0, corners=1.0))


def tetrahedron(kit: Kit) -> Body:
    """Standing on a face."""
    base = circle(0.577, 3, start_deg=90)
    corners = np.array([[x, 0.0, -y] for x, y in base] + [[0.0, 0.8165, 0.0]])
    return single(_polyhedron(kit, corners))


def octahedron(kit: Kit) -> Body:
    """Standing on a face."""
    return single(_on_face(_polyhedron(kit, np.concatenate([np.eye(3), -np.eye(3)]) * 0.5)))


def dodecahedron(kit: Kit) -> Body:
    """Standing on a face."""
    ones = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float64)
    more = [[0, a / GOLDEN, b * GOLDEN] for a in (-1, 1) for b in (-1, 1)]
    rest = [np.roll(row, turn) for row in more for turn in range(3)]
    return single(_on_face(_polyhedron(kit, np.concatenate([ones, np.array(rest)]) * 0.3)))


def icosahedron(kit: Kit) -> Body:
    """Standing on a face."""
    first = [[0.0, a, b * GOLDEN] for a in (-1, 1) for b in (-1, 1)]
    corners = np.array([np.roll(row, turn) for row in first for turn in range(3)]) * 0.3
    return single(_on_face(_polyhedron(kit, corners)))


def ellipsoid(kit: Kit) -> Body:
    """An egg, blunt end down."""
    angle = np.linspace(-np.pi / 2.0, np.pi / 2.0, kit.points(0.5))
    wide = 0.36 * np.cos(angle) * (1.0 - 0.13 * np.sin(angle))
    profile = [(max(float(r), 0.0), 0.5 + 0.5 * float(np.sin(a))) for r, a in zip(wide, angle, strict=True)]
    profile[0], profile[-1] = (0.0, 0.0), (0.0, 1.0)
    return single(kit.lathe(profile, edge=0.0))


def hemisphere(kit: Kit) -> Body:
    """A dome."""
    return single(kit.lathe([(0, 0), *arc(0.5, 0, 90, kit.points(0.25))[:-1], (0, 0.5)], edge=0.01))


def wedge(kit: Kit) -> Body:
    """A ramp that rises to the right."""
    corners = [(-0.5, 0.0), (0.5, 0.0), (0.5, 0.5)]
    return single(kit.plate(corners, 0.6, corners=1.0))


def star(kit: Kit) -> Body:
    """Five-pointed, standing on two points."""
    radius = np.where(np.arange(10) % 2 == 0, 0.5, 0.22)
    angle = np.radians(90) + np.arange(10) * np.pi / 5
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return single(kit.plate(points, 0.2, corners=0.6))


def heart(kit: Kit) -> Body:
    """Standing on its tip, front to the viewer."""
    lobe = [(0.0, 0.26), (0.09, 0.4), (0.17, 0.46), (0.255, 0.46)]
    shoulder = [(0.255, 0.46), (0.4, 0.46), (0.5, 0.35), (0.5, 0.2)]
    side = [(0.5, 0.2), (0.5, -0.03), (0.23, -0.22), (0.0, -0.49)]
    right = np.concatenate([_bezier(corners) for corners in (lobe, shoulder, side)])
    half = _even(right, 8 if kit.faceted else max(14, kit.segments // 2))
    left = half[-2:0:-1] * (-1.0, 1.0)
    return single(kit.plate(np.concatenate([half, left])[::-1], 0.26))


def helix(kit: Kit) -> Body:
    """A spring of four turns whose ends are rounded off."""
    turns, radius = 4, 0.065
    reach = radius / (2.0 * np.pi * 0.35)
    rounding = np.sin(np.linspace(0.0, np.pi / 2.0, 6 if kit.faceted else 8))
    inner = np.linspace(reach, turns - reach, kit.points(turns * 0.75, 40))[1:-1]
    t = np.concatenate([reach * (1.0 - rounding[::-1]), inner, turns - reach * (1.0 - rounding)])
    thick = np.full(len(t), radius)
    thick[: len(rounding)] = radius * np.maximum(np.sqrt(1.0 - rounding[::-1] ** 2), 0.12)
    thick[-len(rounding) :] = thick[: len(rounding)][::-1]
    path = np.column_stack([-0.35 * np.cos(2 * np.pi * t), 0.19 * t, -0.35 * np.sin(2 * np.pi * t)])
    return single(kit.rod(path, thick, sides=8 if kit.faceted else 18))


def arrow(kit: Kit) -> Body:
    """Pointing to the right, front to the viewer."""
    half = [(0.5, 0.0), (0.12, 0.3), (0.12, 0.13), (-0.5, 0.13)]
    points = np.array(half + [(x, -y) for x, y in half[:0:-1]])
    return single(kit.plate(points, 0.18, corners=0.6))


def cross(kit: Kit) -> Body:
    """Equal arms, front to the viewer."""
    a, b = 0.5, 0.165
    points = np.array([(b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b), (-b, -b),
                       (-b, -a)])  # fmt: skip
    return single(kit.plate(points, 0.24, corners=0.6))


def plate(kit: Kit) -> Body:
    """A flat slab."""
    return single(kit.box(1.0, 0.1, 0.7, edge=0.015))


def _polyhedron(kit: Kit, corners: Floats) -> Manifold:
    """The hull of the corners; rounded, of small balls inside them."""
    sharp = Manifold.hull_points(corners)
    if kit.steps == 1:
        return sharp
    size = kit.edge * 0.9
    centre = corners.mean(axis=0)
    inner = centre + (corners - centre) * (1.0 - 3.0 * size / float(np.linalg.norm(corners - centre, axis=1).min()))
    return Manifold.hull_points((inner[:, None] + size * kit.vectors()[None]).reshape(-1, 3))


def _on_face(solid: Manifold) -> Manifold:
    """Turned so that its first face lies at the bottom."""
    mesh = solid.to_mesh64()
    points, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts)
    sides = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
    area = np.round(np.linalg.norm(sides, axis=1), 6)
    normal = sides[int(np.argmax(area))]
    normal = normal / np.linalg.norm(normal)
    axis = np.cross(normal, [0.0, -1.0, 0.0])
    sine, cosine = float(np.linalg.norm(axis)), float(-normal[1])
    if sine < 1e-9:
        return solid
    axis = axis / sine
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turned = np.eye(3) + sine * k + (1.0 - cosine) * k @ k
    return solid.transform(np.column_stack([turned, np.zeros(3)]))


def _bezier(corners: list[tuple[float, float]]) -> Floats:
    """A cubic curve by 40 points, without its end."""
    t = np.linspace(0.0, 1.0, 40, endpoint=corners[-1][0] == 0.0)[:, None]
    a, b, c, d = (np.array(corner) for corner in corners)
    return np.asarray((1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d)


def _even(points: Floats, count: int) -> Floats:
    """An open line by points at even distances, both ends kept."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(0.0, length[-1], count)
    return np.column_stack([np.interp(at, length, points[:, axis]) for axis in range(2)])


PRIMITIVES: MappingProxyType[str, Builder] = MappingProxyType(
    {
        "cube": cube, "cuboid": cuboid, "sphere": sphere, "cylinder": cylinder, "cone": cone, "pyramid": pyramid,
        "torus": torus, "capsule": capsule, "tube": tube, "prism": prism, "tetrahedron": tetrahedron,
        "octahedron": octahedron, "dodecahedron": dodecahedron, "icosahedron": icosahedron, "ellipsoid": ellipsoid,
        "hemisphere": hemisphere, "wedge": wedge, "star": star, "heart": heart, "gear": gear, "helix": helix,
        "arrow": arrow, "cross": cross, "plate": plate,
    }
)  # fmt: skip
