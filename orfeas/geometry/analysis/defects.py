"""What is wrong with the faces, edges and vertices of a mesh, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order

from orfeas.geometry.manifoldness import Edges, Topology, fans, parts, topology, twins
from orfeas.geometry.measures import face_volumes
from orfeas.geometry.mesh import Faces, Mesh, Vertices
from orfeas.geometry.normals import face_cross
from orfeas.geometry.orient import wound_outward
from orfeas.geometry.weld import by_position, collapsed

Mask = NDArray[np.bool_]
DEGENERATE = 1e-12  # area of a face in squares of the box's diagonal


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A mesh, vertices merged, without the faces that name a vertex twice, and what its indices say.

    `collapsed_places` (c, 3) are the middles of the faces left out.
    """

    vertices: Vertices
    faces: Faces
    edges: Edges
    topology: Topology
    collapsed_places: Vertices

    @classmethod
    def of(cls, mesh: Mesh) -> Surface:
        first, faces = by_position(mesh.vertices, mesh.faces)
        vertices = mesh.vertices[first]
        empty = collapsed(faces)
        left_out = vertices[faces[empty]].mean(axis=1)
        faces = faces[~empty]
        return cls(vertices, faces, Edges.of(faces), topology(faces), left_out)

    @property
    def centres(self) -> Vertices:
        """Middle of every face, (m, 3)."""
        return np.asarray(self.vertices[self.faces].mean(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class Defects:
    """Masks over the faces (m,), directed edges and vertices with something wrong.

    Attributes
    ----------
    holes : int
        Loops of boundary edges.
    boundary, non_manifold : (k,) int
        One directed edge of each edge with one face, with more than two.
    joints : (j,) int
        Vertices that join separate fans.
    inverted, duplicate, degenerate : (m,) bool
        Faces wound against their body or the whole body inside out; all but one of the faces with the same three
        vertices; faces without area.
    """

    holes: int
    boundary: NDArray[np.intp]
    non_manifold: NDArray[np.intp]
    joints: NDArray[np.intp]
    inverted: Mask
    duplicate: Mask
    degenerate: Mask


def defects(surface: Surface) -> Defects:
    """Everything that is wrong with the surface but for faces that cross."""
    edges, faces = surface.edges, surface.faces
    boundary = edges.order[edges.start[edges.count == 1]]
    _, corner_fan = fans(faces, *edges.pairs())
    return Defects(
        holes=_loops(faces, boundary, corner_fan),
        boundary=boundary,
        non_manifold=edges.order[edges.start[edges.count > 2]],
        joints=_joints(faces, corner_fan),
        inverted=_inverted(surface),
        duplicate=_duplicate(faces),
        degenerate=_degenerate(surface.vertices, faces),
    )


def middles(surface: Surface, directed: NDArray[np.intp]) -> Vertices:
    """Middle of directed edges, (k, 3)."""
    face, corner = np.divmod(directed, 3)
    tail, head = surface.faces[face, corner], surface.faces[face, (corner + 1) % 3]
    return np.asarray((surface.vertices[tail] + surface.vertices[head]) / 2.0)


def _loops(faces: Faces, boundary: NDArray[np.intp], corner_fan: NDArray[np.int32]) -> int:
    """Loops of boundary edges, followed around the fans at their ends; holes that touch in a vertex are several."""
    if len(boundary) == 0:
        return 0
    face, corner = np.divmod(boundary, 3)
    heads = 3 * face + (corner + 1) % 3
    used, ends = np.unique(np.stack([corner_fan[boundary], corner_fan[heads]]), return_inverse=True)
    one, two = ends.reshape(2, -1)
    count, label = parts(len(used), one, two)
    fan_vertex = np.zeros(len(used), dtype=np.int64)
    fan_vertex[one], fan_vertex[two] = faces.ravel()[boundary], faces.ravel()[heads]
    _, where, again = np.unique(np.stack([label, fan_vertex]), axis=1, return_inverse=True, return_counts=True)
    pinched = np.unique(label[again[where.ravel()] > 1])
    rows = np.flatnonzero(np.isin(label[one], pinched))
    return count - len(pinched) + _simple_loops(one[rows].tolist(), two[rows].tolist(), fan_vertex.tolist())


def _simple_loops(one: list[int], two: list[int], vertex: list[int]) -> int:
    """Loops that visit each vertex once, of closed walks along edges from fan to fan."""
    near: dict[int, list[int]] = {}
    for index, fans_of in enumerate(zip(one, two, strict=True)):
        for fan in fans_of:
            near.setdefault(fan, []).append(index)
    waiting, found = dict.fromkeys(range(len(one))), 0
    while waiting:
        start = next(iter(waiting))
        edge: int | None = start
        fan = one[start]
        path, seen, before = [vertex[fan]], {vertex[fan]}, found
        while edge is not None:
            del waiting[edge]
            fan = two[edge] if fan == one[edge] else one[edge]
            if vertex[fan] in seen:
                found += 1
                while path[-1] != vertex[fan]:
                    seen.discard(path.pop())
            else:
                path.append(vertex[fan])
                seen.add(vertex[fan])
            edge = next((other for other in near[fan] if other in waiting), None)
        found += found == before  # ends at an edge with several faces
    return found


def _joints(faces: Faces, corner_fan: NDArray[np.int32]) -> NDArray[np.intp]:
    _, first = np.unique(corner_fan, return_index=True)
    return np.flatnonzero(np.bincount(faces.ravel()[first]) > 1)


def _duplicate(faces: Faces) -> Mask:
    """All but the first of faces with the same vertices."""
    several = np.flatnonzero(twins(faces))
    mask = np.zeros(len(faces), dtype=bool)
    _, first = np.unique(np.sort(faces[several], axis=1), axis=0, return_index=True)
    mask[several] = True
    mask[several[first]] = False
    return mask


def _degenerate(vertices: Vertices, faces: Faces) -> Mask:
    used = vertices[faces].reshape(-1, 3)
    diagonal = np.linalg.norm(used.max(axis=0) - used.min(axis=0)) if len(used) else 0.0
    area = np.linalg.norm(face_cross(vertices, faces), axis=1) / 2.0
    return np.asarray((area < DEGENERATE * diagonal**2) | (area == 0.0))


def _inverted(surface: Surface) -> Mask:
    """Faces that have to be turned over so that neighbours agree and bodies enclose what they contain."""
    faces, state = surface.faces, surface.topology
    if len(faces) == 0:
        return np.zeros(0, dtype=bool)
    against = np.zeros(len(faces), dtype=bool)
    if not state.is_oriented:
        against = _minority(faces, surface.edges)
    turned = np.where(against[:, None], faces[:, [0, 2, 1]], faces)
    if state.boundary_edges or state.non_manifold_edges:
        return _outermost_outward(surface, turned, against)
    outward = wound_outward(Mesh(surface.vertices, turned)).faces
    return np.asarray(against ^ (outward[:, 1] != turned[:, 1]))


def _minority(faces: Faces, edges: Edges) -> Mask:
    """In each patch of faces joined by edges with two faces, those wound unlike the larger part of it."""
    one, two = edges.pairs()
    tail = faces.ravel()
    alike = tail[one] != tail[two]
    count, patch = parts(len(faces), one // 3, two // 3)
    # Regions that agree within themselves are few: the walk from neighbour to neighbour goes over them.
    regions, region = parts(len(faces), one[alike] // 3, two[alike] // 3)
    meeting = [region[directed[~alike] // 3].astype(np.intp) for directed in (one, two)]
    side = _sides(regions, *meeting)[region]
    behind = np.bincount(patch, weights=side, minlength=count) * 2 > np.bincount(patch, minlength=count)
    return np.asarray(side ^ behind[patch])


def _sides(count: int, one: NDArray[np.intp], two: NDArray[np.intp]) -> Mask:
    """Two colours for `count` regions so that linked ones differ, as far as a spanning tree reaches."""
    # One more node linked to one region of each component makes one tree of all; its links never turn a region over.
    _, label = parts(count, one, two)
    _, seeds = np.unique(label, return_index=True)
    tails, heads = np.concatenate([one, seeds]), np.concatenate([two, np.full(len(seeds), count)])
    graph = coo_array((np.ones(len(tails)), (tails, heads)), shape=(count + 1, count + 1)).tocsr()
    order, before = breadth_first_order(graph, count, directed=False)
    side = np.zeros(count + 1, dtype=bool)
    for node, parent in zip(order[1:].tolist(), before[order[1:]].tolist(), strict=True):
        side[node] = parent != count and not side[parent]
    return side[:count]


def _outermost_outward(surface: Surface, turned: Faces, against: Mask) -> Mask:
    """Of an open mesh: its outermost patch is turned over as a whole if it is inside out."""
    one, two = surface.edges.pairs()
    count, patch = parts(len(turned), one // 3, two // 3)
    volume = np.bincount(patch, weights=face_volumes(surface.vertices, turned), minlength=count)
    # Whether a patch inside another one is a cavity or inside out cannot be told of an open mesh.
    outermost = int(np.abs(volume).argmax())
    return np.asarray(against ^ ((patch == outermost) & (volume[outermost] < 0.0)))
