"""Mesh files back to meshes, from their bytes alone: nothing else is opened, on disk or elsewhere."""

from __future__ import annotations

import re
import struct
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from trimesh.exchange.dae import load_collada

from orfeas.errors import EmptyMeshError, UnreadableMeshError
from orfeas.geometry import colors
from orfeas.geometry.formats.binary import STL_FACE
from orfeas.geometry.formats.painting import spread
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.weld import same_place

READABLE = ("stl", "obj", "ply", "off", "glb", "gltf", "3mf", "dae")
MILLIMETRES = {"glb": 1000.0, "gltf": 1000.0}  # of the unit that a format prescribes
# Words for units in 3MF; COLLADA gives a factor to the metre.
UNITS = {
    "micron": 0.001,
    "millimeter": 1.0,
    "millimeters": 1.0,
    "centimeter": 10.0,
    "inch": 25.4,
    "foot": 304.8,
    "meter": 1000.0,
    "meters": 1000.0,
}
WHITE = np.full((4, 4, 3), 255, dtype=np.uint8)  # the base colour picture of a mesh that has others only
LARGEST_UNPACKED = 1 << 30  # bytes; stops archives that unpack to far more than they hold
# A document type can define entities that grow without bound or name files.
FORBIDDEN_XML = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


class _NoFiles(trimesh.resolvers.Resolver):
    """Refuses whatever a mesh file refers to."""

    def __init__(self) -> None:
        """There is nothing to look in."""

    def get(self, name: str) -> bytes:
        raise FileNotFoundError(name)

    def write(self, name: str, data: bytes) -> None:
        raise PermissionError(name)

    def namespaced(self, namespace: str) -> _NoFiles:
        return self

    def keys(self) -> list[str]:
        return []


def read(data: bytes, file_format: str) -> Mesh:
    """A mesh from the bytes of a file.

    Parameters
    ----------
    data : bytes
        The file; for `obj` also a zip with one OBJ file, its materials and pictures.
    file_format : str
        One of `READABLE`.

    Returns
    -------
    Mesh
        In millimetres with the file's own axes, vertices merged by position. A texture is kept when the file has one
        material; several become vertex colours.

    Raises
    ------
    UnreadableMeshError
        The bytes are not a mesh of that format, refer to entities, or hold numbers that are not finite.
    EmptyMeshError
        The file holds no faces.
    """
    if file_format not in READABLE:
        raise UnreadableMeshError(f"Files of format {file_format} are not read here; {', '.join(READABLE)} are.")
    try:
        mesh = binary_stl(data) if file_format == "stl" else None
        mesh = mesh or _by_trimesh(data, file_format)
    except (UnreadableMeshError, EmptyMeshError):
        raise
    except Exception as error:  # the parsers raise whatever a malformed file makes them trip over
        raise UnreadableMeshError(f"The {file_format} file cannot be read: {type(error).__name__}: {error}") from error
    if len(mesh.faces) == 0:
        raise EmptyMeshError(f"The {file_format} file holds no faces.")
    if not np.isfinite(mesh.vertices[mesh.faces]).all():
        raise UnreadableMeshError(f"The {file_format} file has positions that are not finite.")
    return mesh


def binary_stl(data: bytes) -> Mesh | None:
    """A binary STL file, known by its length; None for another one."""
    if len(data) < 84 or len(data) != 84 + 50 * (count := struct.unpack_from("<I", data, 80)[0]):
        return None
    corners = np.frombuffer(data, dtype=STL_FACE, count=count, offset=84)["corners"].reshape(-1, 3)
    return _welded(corners.astype(np.float64), np.arange(len(corners)).reshape(-1, 3))


def _by_trimesh(data: bytes, file_format: str) -> Mesh:
    refuse_hazards(data, file_format)
    scene = loaded(data, file_format)
    parts = [part for part in _placed(scene) if len(part.faces)]
    if not parts:
        raise EmptyMeshError(f"The {file_format} file holds no faces.")
    mesh = parts[0] if len(parts) == 1 else _joined(parts)
    return mesh.moved(mesh.vertices * factor(scene, file_format))


def loaded(data: bytes, file_format: str) -> Any:
    """The scene that a file describes, as trimesh has it."""
    packed = file_format == "obj" and data[:4] == b"PK\x03\x04"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the parser's own arithmetic, on parts without texture coordinates
        if file_format == "dae":
            return _collada(data)
        return trimesh.load_scene(
            BytesIO(data),
            file_type="zip" if packed else file_format,
            resolver=None if packed else _NoFiles(),
            process=False,
            maintain_order=True,
        )


def _collada(data: bytes) -> Any:
    """The scene of a COLLADA file; where corners have colours, these instead of the material, which would hide them."""
    found = load_collada(BytesIO(data), resolver=_NoFiles())  # type: ignore[no-untyped-call]
    for shape in found["geometry"].values():
        if shape["vertex_colors"] is not None:
            shape["visual"] = None
        shape |= {"process": False}
    return trimesh.load_scene(found)


def refuse_hazards(data: bytes, file_format: str) -> None:
    """Refuse archives that unpack to far more than they hold and XML with a document type."""
    texts = [data] if file_format == "dae" else []
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_UNPACKED:
                raise UnreadableMeshError("The archive unpacks to more than 1 GiB.")
            names = [name for name in archive.namelist() if name.lower().endswith((".model", ".rels", ".xml"))]
            texts = [archive.read(name) for name in names]
    for text in texts:
        if FORBIDDEN_XML.search(text) or b"\0" in text[:256]:
            raise UnreadableMeshError("XML with a document type, or not in UTF-8, is not read.")


def factor(scene: Any, file_format: str) -> float:
    """Millimetres in a unit of the file."""
    if file_format in MILLIMETRES:
        return MILLIMETRES[file_format]
    units = str(scene.units or "millimeter")
    if file_format == "dae" and units.endswith("* meters"):
        return float(units.split()[0]) * 1000.0
    return UNITS.get(units, 1.0)


def _placed(scene: Any) -> Iterator[Mesh]:
    """The triangle meshes of a scene, each where its node puts it."""
    for node in scene.graph.nodes_geometry:
        matrix, geometry = scene.graph[node]
        part = scene.geometry[geometry]
        if isinstance(part, trimesh.Trimesh):
            vertices = _moved(np.asarray(part.vertices, dtype=np.float64), np.asarray(matrix, dtype=np.float64))
            faces = np.asarray(part.faces, dtype=np.int64)
            # A mirroring node turns faces inside out.
            yield part_of(part, vertices, faces if np.linalg.det(matrix[:3, :3]) > 0.0 else faces[:, ::-1])


def _moved(vertices: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Vertices through a 4x4 matrix, column by column: equal vertices stay equal, which a matrix product may break."""
    x, y, z = vertices.T
    rows = [row[0] * x + row[1] * y + row[2] * z + row[3] for row in matrix[:3]]
    return np.stack(rows, axis=1)


def part_of(
    part: Any, vertices: NDArray[np.float64], faces: NDArray[np.int64], painted: NDArray[np.uint8] | None = None
) -> Mesh:
    """One piece of a scene with its colours as a mesh holds them: a picture, or colours of vertices."""
    uv, material = getattr(part.visual, "uv", None), getattr(part.visual, "material", None)
    texture, maps = _image(material), _maps(material)
    if uv is not None and (texture is not None or maps is not None) and len(uv) == len(vertices):
        corner_uv = np.asarray(uv, dtype=np.float32)[faces]
        mesh = _welded(vertices, faces, corner_uv=corner_uv, texture=WHITE if texture is None else texture)
        return replace(mesh, maps=maps)
    return _welded(vertices, faces, painted=_vertex_colors(part) if painted is None else painted)


def _image(material: Any) -> NDArray[np.uint8] | None:
    """The base colour picture of a material; trimesh's stand-in for a missing one was never a file."""
    picture = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    return None if picture is None or picture.format is None else np.asarray(picture.convert("RGB"))


def _maps(material: Any) -> Maps | None:
    """The other pictures of a glTF material."""
    if not isinstance(material, trimesh.visual.material.PBRMaterial):
        return None
    names = {"normal": "normalTexture", "surface": "metallicRoughnessTexture", "emissive": "emissiveTexture"}
    found = {member: getattr(material, name) for member, name in names.items()}
    pictures = {member: np.asarray(picture.convert("RGB")) for member, picture in found.items() if picture is not None}
    return Maps(**pictures) if pictures else None


def _vertex_colors(part: Any) -> NDArray[np.uint8] | None:
    """Colours of the vertices where the file defines some."""
    visual = part.visual
    if visual.kind == "vertex":
        return np.asarray(visual.vertex_colors, dtype=np.uint8)
    if visual.kind == "face":
        codes = np.repeat(np.asarray(visual.face_colors, dtype=np.uint8), 3, axis=0)
        return spread(len(part.vertices), np.asarray(part.faces).ravel(), codes)
    shorts = getattr(visual, "vertex_attributes", {}).get("color")
    return _ply_colors(part) if shorts is None else _from_linear(np.asarray(shorts))


def _ply_colors(part: Any) -> NDArray[np.uint8] | None:
    """Colours of a PLY file that has texture coordinates too, for which trimesh drops them."""
    rows = part.metadata.get("_ply_raw", {}).get("vertex", {}).get("data")
    names = getattr(getattr(rows, "dtype", None), "names", None) or ()
    if rows is None or len(rows) != len(part.vertices) or not {"red", "green", "blue"} <= set(names):
        return None
    channels = [np.asarray(rows[name]).ravel() for name in ("red", "green", "blue", "alpha") if name in names]
    if any(channel.dtype != np.uint8 for channel in channels):
        return None
    alpha = np.full(len(rows), 255, dtype=np.uint8)
    return np.stack([*channels, alpha][:4], axis=1)


def _from_linear(values: NDArray[Any]) -> NDArray[np.uint8]:
    """glTF's linear light, as numbers or as shares of an integer's range, as sRGB and alpha."""
    share = values / np.iinfo(values.dtype).max if values.dtype.kind == "u" else values
    codes = colors.srgb(share[:, :3].astype(np.float32))
    alpha = share[:, 3:4] if share.shape[1] == 4 else np.ones((len(share), 1))
    return np.concatenate([codes, np.round(alpha * 255.0).astype(np.uint8)], axis=1)


def _welded(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    *,
    corner_uv: NDArray[np.float32] | None = None,
    texture: NDArray[np.uint8] | None = None,
    painted: NDArray[np.uint8] | None = None,
) -> Mesh:
    first, group = same_place(vertices)
    mixed = painted if painted is None or len(first) == len(vertices) else spread(len(first), group, painted)
    return Mesh(vertices[first], group[faces], corner_uv, texture, None if mixed is None else mixed)


def _joined(parts: list[Mesh]) -> Mesh:
    """Several pieces as one mesh, with colours at the vertices if any piece has colours."""
    painted = [colors.of_vertices(part) for part in parts]
    white = [np.full((len(part.vertices), 4), 255, dtype=np.uint8) for part in parts]
    offsets = np.cumsum([0, *(len(part.vertices) for part in parts)])
    faces = np.concatenate([part.faces + offset for part, offset in zip(parts, offsets, strict=False)])
    together = None
    if any(found is not None for found in painted):
        together = np.concatenate([blank if own is None else own for own, blank in zip(painted, white, strict=True)])
    return _welded(np.concatenate([part.vertices for part in parts]), faces, painted=together)
