"""Closed shapes and the ways in which files of them are broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh, Vertices
from tests.geometry import solids

Damage = Callable[[Mesh, np.random.Generator], Mesh]
UNITS = (0.001, 25.4, 1000.0)


@dataclass(frozen=True)
class Shape:
    """A closed mesh and what is known of it."""

    mesh: Mesh
    genus: int

    @property
    def volume(self) -> float:
        return signed_volume(self.mesh.vertices, self.mesh.faces)


def handled(handles: int, faces: int, size: tuple[float, float, float] = (30.0, 30.0, 8.0)) -> Mesh:
    """A plate of about so many faces with a number of round holes through it, which make it longer."""
    from manifold3d import Manifold

    plate = Manifold.cube((size[0] * max(handles, 1), *size[1:]))
    for k in range(handles):
        plate -= Manifold.cylinder(20.0, 7.0, circular_segments=48).translate((30.0 * k + 15.0, 15.0, -5.0))
    length = (plate.surface_area() / faces * 2.3) ** 0.5
    made = plate.refine_to_length(length).to_mesh64()
    return Mesh(np.array(made.vert_properties[:, :3]), np.array(made.tri_verts, dtype=np.int64))


def shape(kind: str, faces: int, seed: int = 0) -> Shape:
    """A closed shape of about so many faces."""
    if kind == "ball":
        return Shape(solids.bumpy(solids.even_ball(40.0, faces), seed), 0)
    if kind == "torus":
        minor = max(8, round((faces / 4) ** 0.5))
        return Shape(solids.torus(2 * minor, minor), 1)
    if kind == "shell":
        outer, inner = (solids.even_ball(radius, faces // 2) for radius in (40.0, 38.5))
        return Shape(solids.together(outer, solids.inside_out(inner)), 0)
    if kind == "bodies":
        balls = [solids.even_ball(10.0, faces // 3, at=(25.0 * k, 3.0 * k, 0.0)) for k in range(3)]
        return Shape(solids.together(*balls), 0)
    if kind == "plate":
        return Shape(handled(0, faces, (60.0, 40.0, 0.8)), 0)
    return Shape(handled(int(kind[-1]), faces), int(kind[-1]))


SHAPES = ("ball", "torus", "shell", "bodies", "plate", "genus2", "genus3")


def holes(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Single faces and a few round patches gone."""
    middle = mesh.vertices[mesh.faces].mean(axis=1)
    gone = rng.random(len(mesh.faces)) < 0.003
    size = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    for centre in middle[rng.integers(len(middle), size=4)]:
        gone |= np.linalg.norm(middle - centre, axis=1) < rng.uniform(0.004, 0.02) * size
    return replace(mesh, faces=mesh.faces[~gone])


def flips(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """One face in five wound the other way."""
    turned = rng.random(len(mesh.faces)) < 0.2
    return replace(mesh, faces=np.where(turned[:, None], mesh.faces[:, ::-1], mesh.faces))


def duplicates(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Copies of some faces, half of them turned."""
    twice = mesh.faces[rng.integers(len(mesh.faces), size=max(3, len(mesh.faces) // 50))]
    half = len(twice) // 2
    return replace(mesh, faces=np.concatenate([mesh.faces, twice[:half], twice[half:, ::-1]]))


def fins(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Triangles that stand on edges."""
    face = mesh.faces[rng.integers(len(mesh.faces), size=12)]
    size = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    tips = mesh.vertices[face[:, 0]] + rng.normal(scale=0.03 * size, size=(12, 3))
    names = len(mesh.vertices) + np.arange(12)
    return Mesh(
        np.concatenate([mesh.vertices, tips]), np.concatenate([mesh.faces, np.column_stack([face[:, :2], names])])
    )


def junctions(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Faces split at the middle of an edge where their neighbour is not."""
    chosen = np.unique(rng.integers(len(mesh.faces), size=max(5, len(mesh.faces) // 100)))
    a, b, c = mesh.faces[chosen].T
    middle = (mesh.vertices[a] + mesh.vertices[b]) / 2.0
    names = len(mesh.vertices) + np.arange(len(chosen))
    keep = np.delete(mesh.faces, chosen, axis=0)
    halves = [np.stack([a, names, c], axis=1), np.stack([names, b, c], axis=1)]
    return Mesh(np.concatenate([mesh.vertices, middle]), np.concatenate([keep, *halves]))


def soup(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Every face with corners of its own, a few millionths off."""
    loose = solids.soup(mesh)
    size = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    return loose.moved(loose.vertices + rng.normal(scale=1e-7 * size, size=loose.vertices.shape))


def overlap(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """A closed ball that sticks in the surface."""
    size = float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))
    at = mesh.vertices[mesh.faces[int(rng.integers(len(mesh.faces))), 0]]
    return solids.together(mesh, solids.ball(0.12 * size, 3, at=tuple(at + 0.013 * size)))


def spikes(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Some vertices far outside."""
    vertices = mesh.vertices.copy()
    chosen = rng.integers(len(vertices), size=3)
    vertices[chosen] += 0.2 * (vertices[chosen] - vertices.mean(axis=0))
    return mesh.moved(vertices)


def units(mesh: Mesh, rng: np.random.Generator) -> Mesh:
    """Metres, inches or micrometres taken for millimetres."""
    return mesh.moved(mesh.vertices * float(rng.choice(UNITS)))


DAMAGES: dict[str, Damage] = {
    "holes": holes, "flips": flips, "duplicates": duplicates, "fins": fins, "junctions": junctions, "soup": soup,
    "overlap": overlap, "spikes": spikes, "units": units,
}  # fmt: skip
"""In the order in which a mix of them is done."""

KEEPS_VOLUME = frozenset({"holes", "flips", "duplicates", "fins", "junctions", "soup"})


def damaged(mesh: Mesh, kinds: set[str], seed: int) -> Mesh:
    """A mesh with these kinds of damage."""
    rng = np.random.default_rng(seed)
    order = ["overlap", "spikes", "units", "fins", "junctions", "holes", "duplicates", "flips", "soup"]
    for kind in order:
        if kind in kinds:
            mesh = DAMAGES[kind](mesh, rng)
    return mesh


def away(mesh: Mesh, hurt: Mesh, kinds: set[str]) -> Vertices:
    """Vertices of the damaged mesh, before its faces were torn apart, that no damage has touched.

    All of their faces are as they were, whichever way they wind, and they are clear of a body that sticks in.
    """
    mesh = mesh.moved(mesh.vertices * _factor(mesh, hurt)) if "units" in kinds else mesh
    before, after = _face_keys(mesh), _face_keys(hurt)
    touched = [mesh.vertices[mesh.faces[~np.isin(before, after)]], hurt.vertices[hurt.faces[~np.isin(after, before)]]]
    damage = np.unique(np.concatenate(touched).reshape(-1, 3), axis=0)
    if len(damage) == 0:
        return mesh.vertices
    distance, _ = cKDTree(damage).query(mesh.vertices)
    radius = 0.13 * float(np.linalg.norm(np.ptp(hurt.vertices, axis=0))) if "overlap" in kinds else 0.0
    kept: Vertices = mesh.vertices[distance > radius]
    return kept


def _factor(mesh: Mesh, hurt: Mesh) -> float:
    """Which wrong unit was taken."""
    ratio = float(np.ptp(hurt.vertices, axis=0).max() / np.ptp(mesh.vertices, axis=0).max())
    return min(UNITS, key=lambda factor: abs(np.log(ratio / factor)))


def _face_keys(mesh: Mesh) -> NDArray[np.void]:
    """A name for each face that its places alone decide."""
    corners = mesh.vertices[mesh.faces] + 0.0
    order = np.lexsort(corners.transpose(2, 0, 1), axis=1)
    ordered = np.ascontiguousarray(np.take_along_axis(corners, order[:, :, None], axis=1).reshape(-1, 9))
    return ordered.view(np.dtype((np.void, 72))).ravel()
