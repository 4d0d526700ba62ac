"""Several meshes in one model: the parts of a scene, of a described object, of a file that was read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import Material
from orfeas.geometry import colors
from orfeas.geometry.mesh import Faces, Mesh, Vertices

Matrix = NDArray[np.float64]
UNPAINTED = (0.8, 0.8, 0.8)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A mesh with its place and its surface.

    Attributes
    ----------
    transform : (4, 4) float64
        From the mesh's axes to those of the model, column vectors, millimetres.
    material : Material or None
        Without one the part has the colours of its mesh, or none. Vertex colours and a texture multiply its base
        colour, as in glTF.
    """

    name: str
    mesh: Mesh
    transform: Matrix = field(default_factory=lambda: np.eye(4))
    material: Material | None = None

    @property
    def placed(self) -> Mesh:
        """The mesh in the model's axes; a mirrored one keeps facing outward."""
        matrix = self.transform[:3, :3]
        moved = self.mesh.moved(self.mesh.vertices @ matrix.T + self.transform[:3, 3])
        if np.linalg.det(matrix) >= 0.0:
            return moved
        uv = None if moved.corner_uv is None else np.ascontiguousarray(moved.corner_uv[:, ::-1])
        return replace(moved, faces=np.ascontiguousarray(moved.faces[:, ::-1]), corner_uv=uv)


@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A model of one or more parts, y up, millimetres."""

    parts: tuple[Part, ...]

    def merged(self) -> Mesh:
        """All parts as one mesh in the model's axes; unlike colours become colours of vertices."""
        placed = [part.placed for part in self.parts]
        if len(placed) == 1 and self.parts[0].material is None:
            return placed[0]
        offsets = np.cumsum([0, *(len(mesh.vertices) for mesh in placed[:-1])])
        vertices: Vertices = np.concatenate([mesh.vertices for mesh in placed])
        faces: Faces = np.concatenate([mesh.faces + shift for mesh, shift in zip(placed, offsets, strict=True)])
        if not any(part.material or colors.is_colored(part.mesh) for part in self.parts):
            return Mesh(vertices, faces)
        painted = [_colors(part, mesh) for part, mesh in zip(self.parts, placed, strict=True)]
        return Mesh(vertices, faces, vertex_colors=np.concatenate(painted))

    def each(self, change: Callable[[Mesh], Mesh]) -> Assembly:
        """The same parts, every mesh changed by itself."""
        return Assembly(tuple(replace(part, mesh=change(part.mesh)) for part in self.parts))

    def moved(self, matrix: Matrix) -> Assembly:
        """The whole model by a (4, 4) matrix."""
        return Assembly(tuple(replace(part, transform=matrix @ part.transform) for part in self.parts))


Model = Mesh | Assembly
"""What the stages of meshes hand to each other."""


def as_mesh(model: Model) -> Mesh:
    """One mesh, for what looks at a surface as a whole."""
    return model.merged() if isinstance(model, Assembly) else model


def as_assembly(model: Model, name: str = "model") -> Assembly:
    """Parts, for what keeps them."""
    return model if isinstance(model, Assembly) else Assembly((Part(name, model),))


def assembled(parts: Iterable[Part]) -> Model:
    """The plain mesh where one part without place and material is all there is; else the parts."""
    found = tuple(parts)
    plain = len(found) == 1 and found[0].material is None and np.array_equal(found[0].transform, np.eye(4))
    return found[0].mesh if plain else Assembly(found)


def _colors(part: Part, mesh: Mesh) -> NDArray[np.uint8]:
    """(n, 4) sRGB and alpha of the vertices."""
    own = colors.of_vertices(mesh)
    base = part.material.base_color if part.material else UNPAINTED
    opacity = part.material.opacity if part.material else 1.0
    if own is None:
        rgb = colors.srgb(np.asarray([base], dtype=np.float32))[0]
        return np.tile(np.array([*rgb, round(opacity * 255)], dtype=np.uint8), (len(mesh.vertices), 1))
    if part.material is None:
        return own
    light = colors.linear(own[:, :3]) * np.asarray(base, dtype=np.float32)
    alpha = np.round(own[:, 3:] * opacity).astype(np.uint8)
    return np.concatenate([colors.srgb(light), alpha], axis=1)
