"""Mesh files of strangers to models: parts kept, limits held, one clear error for each thing that is wrong."""

from __future__ import annotations

import json
import re
import struct
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
import trimesh
from lxml import etree
from numpy.typing import NDArray

from orfeas.domain.presets import Material
from orfeas.errors import EmptyMeshError, OrfeasError, TooLargeError, UnreadableMeshError
from orfeas.geometry import colors
from orfeas.geometry.assembly import Assembly, Model, Part, assembled
from orfeas.geometry.formats import painting, reading, surfaces
from orfeas.geometry.formats.painting import Paint
from orfeas.geometry.mesh import Faces, Mesh

Unit = Literal["mm", "cm", "m", "inch"]
MILLIMETRES = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}
UNITLESS = ("stl", "obj", "ply", "off")
"""Formats that do not say what they count in."""
MOST_FILES = 10_000  # in an archive
MOST_EXPANSION = 200  # times its size; text of meshes shrinks to a twentieth at best
ALWAYS_UNPACKED = 64 << 20  # bytes that an archive may hold whatever its size
DEPTH = 64  # of components in components
MOST_PARTS = 10_000
HEAD_BYTES = 65_536
RIGID = 1e-6
FACE_MARKS = {
    "obj": re.compile(rb"(?:^|\n)[ \t]*f[ \t]"),
    "stl": re.compile(rb"endfacet", re.IGNORECASE),
    "3mf": re.compile(rb"<(?:\w+:)?triangle[ \t\r\n]"),
}
HEADER_COUNTS = {
    "ply": re.compile(rb"element[ \t]+(?:vertex|face)[ \t]+(\d+)"),
    "off": re.compile(rb"^\s*(?:#[^\n]*\n\s*)*\w*OFF\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)"),
}


def read_model(data: bytes, file_format: str, *, max_faces: int, unit: Unit = "mm") -> Model:
    """A model from the bytes of a file that anyone may have made.

    Parameters
    ----------
    data : bytes
        The file; for `obj` also a zip with one OBJ file, its materials and pictures. Nothing else is opened.
    file_format : str
        One of `READABLE`.
    max_faces : int
        Triangles in all parts together, a part counted as often as it is placed.
    unit : "mm", "cm", "m" or "inch"
        What stl, obj, ply and off count in; the other formats say it themselves.

    Returns
    -------
    Mesh or Assembly
        Millimetres in the file's own axes, vertices merged by position: a plain mesh where the file is one, else its
        parts with their names, places and materials. Parts that their place stretches or mirrors are brought there.

    Raises
    ------
    UnreadableMeshError
        The bytes are no mesh of that format, refer to other files, or hold numbers that are not finite.
    EmptyMeshError
        The file holds no faces.
    TooLargeError
        More faces than `max_faces`, or an archive that unpacks to far more than it is.
    """
    if file_format not in reading.READABLE:
        raise UnreadableMeshError(
            f"Files of format {file_format} are not read here; {', '.join(reading.READABLE)} are."
        )
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # parsers warn of what is refused below
            model = _read(data, file_format, max_faces)
    except OrfeasError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # the parsers raise whatever a malformed file makes them trip over
        raise UnreadableMeshError(
            f"The {file_format} file cannot be read; it is damaged or incomplete ({type(error).__name__})."
        ) from error
    return _scaled(model, MILLIMETRES[unit]) if file_format in UNITLESS and unit != "mm" else model


def _read(data: bytes, file_format: str, max_faces: int) -> Model:
    if file_format == "stl" and not _is_text_stl(data):
        return _sound(_binary_stl(data, max_faces), file_format)
    _check(data, file_format, max_faces)
    materials: list[Material | None] = []
    if file_format in ("glb", "gltf"):
        data, materials = surfaces.numbered(data, file_format)
    scene = reading.loaded(data, file_format)
    looks = _Looks(file_format, materials, _paint(data, file_format, scene))
    found = tuple(_parts(scene, reading.factor(scene, file_format), max_faces, looks))
    if not found:
        raise EmptyMeshError(f"The {file_format} file holds no faces.")
    for part in found:
        _sound(part.mesh, file_format)
        if not np.isfinite(part.transform).all():
            raise UnreadableMeshError(f"The {file_format} file places a part at numbers that are not finite.")
    return _plainest(found)


@dataclass(frozen=True, slots=True)
class _Looks:
    """What a file says of surfaces beyond what trimesh takes from it: materials by number, paint by name."""

    file_format: str
    materials: list[Material | None]
    paint: dict[str, Paint]


def _paint(data: bytes, file_format: str, scene: Any) -> dict[str, Paint]:
    """The paint of the meshes of a scene that trimesh leaves out."""
    names = list(scene.geometry)
    if file_format == "3mf":
        found = painting.of_3mf(data)
    elif file_format == "off":
        found = [painting.of_off(data)]
    else:
        return {}
    return dict(zip(names, found, strict=True)) if len(names) == len(found) else {}


def _plainest(found: tuple[Part, ...]) -> Model:
    """A single part without a material of its own as the mesh that it is, in its place."""
    if len(found) == 1 and found[0].material is None:
        return found[0].mesh if np.array_equal(found[0].transform, np.eye(4)) else found[0].placed
    return assembled(found)


def _sound(mesh: Mesh, file_format: str) -> Mesh:
    if len(mesh.faces) == 0:
        raise EmptyMeshError(f"The {file_format} file holds no faces.")
    # Beyond, squares of lengths are no numbers any more.
    if not (np.abs(mesh.vertices[mesh.faces]) < 1e30).all():
        raise UnreadableMeshError(
            f"The {file_format} file has positions that are not finite; export it again from the program it is from."
        )
    return mesh


def _is_text_stl(data: bytes) -> bool:
    """Whether an STL is text; many binary ones begin with "solid" too, but have no facets in words."""
    if len(data) >= 84 and len(data) == 84 + 50 * int(struct.unpack_from("<I", data, 80)[0]):
        return False
    head = data[:4096]
    return head.lstrip()[:5].lower() == b"solid" and b"\0" not in head and b"facet" in head.lower()


def _binary_stl(data: bytes, max_faces: int) -> Mesh:
    if len(data) < 84:
        raise UnreadableMeshError(f"The STL file ends after {len(data)} bytes, inside its header of 84.")
    count = int(struct.unpack_from("<I", data, 80)[0])
    if len(data) != 84 + 50 * count:
        raise UnreadableMeshError(
            f"The STL file says {count} triangles, which take {84 + 50 * count} bytes, but has {len(data)}; "
            "it was cut off or damaged. Export or upload it again."
        )
    _limit(count, max_faces)
    mesh = reading.binary_stl(data)
    return mesh if mesh is not None else Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))


def _limit(count: int, max_faces: int) -> None:
    if count > max_faces:
        raise TooLargeError(
            f"The mesh has {count} faces, more than {max_faces} (ORFEAS_MAX_FACES); simplify it before.",
            limit=max_faces,
        )


def _check(data: bytes, file_format: str, max_faces: int) -> None:
    """Refuse what would be dangerous or too large to parse."""
    texts = [data]
    if data[:4] == b"PK\x03\x04":
        _check_archive(data)
        texts = list(_texts(data, file_format))
    reading.refuse_hazards(data, file_format)
    for text in texts:
        if file_format in FACE_MARKS:
            _limit(sum(1 for _ in FACE_MARKS[file_format].finditer(text)), max_faces)
        if file_format in HEADER_COUNTS:
            _check_counts(text, file_format, max_faces)
    if file_format in ("glb", "gltf"):
        _check_gltf(data, file_format)
    if file_format == "3mf":
        _check_components(texts)


def _check_archive(data: bytes) -> None:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise TooLargeError(f"The archive holds {len(entries)} files, more than {MOST_FILES}.", limit=MOST_FILES)
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(ALWAYS_UNPACKED, MOST_EXPANSION * len(data)):
        raise TooLargeError(f"The archive unpacks to {unpacked >> 20} MiB, far more than its size explains.")
    for entry in entries:
        if entry.filename.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", entry.filename):
            raise UnreadableMeshError("The archive holds a file with a path that leads out of it.")


def _texts(data: bytes, file_format: str) -> Iterator[bytes]:
    ending = ".obj" if file_format == "obj" else ".model"
    with zipfile.ZipFile(BytesIO(data)) as archive:
        for name in archive.namelist():
            if name.lower().endswith(ending):
                yield archive.read(name)


def _check_counts(text: bytes, file_format: str, max_faces: int) -> None:
    """Numbers of vertices and faces in a header: within the limits, and no more than the bytes can hold."""
    for found in HEADER_COUNTS[file_format].finditer(text[:HEAD_BYTES]):
        for count in (int(number) for number in found.groups()):
            if count > len(text):
                raise UnreadableMeshError(f"The {file_format} file says it has more elements than it has bytes.")
            if found.groups()[-1] == str(count).encode() and b"vertex" not in found[0]:
                _limit(count, max_faces)


def _check_gltf(data: bytes, file_format: str) -> None:
    """No other files, no node in two places, no array that is not in the file."""
    document = json.loads(_gltf_text(data) if file_format == "glb" else data)
    if not isinstance(document, dict):
        raise UnreadableMeshError("The glTF file holds no object.")
    for entry in [*document.get("buffers", []), *document.get("images", [])]:
        if not str(entry.get("uri", "data:")).startswith("data:"):
            raise UnreadableMeshError("The glTF file refers to other files; send glb, or embed its buffers.")
    parents = Counter(child for node in document.get("nodes", []) for child in node.get("children", []))
    if any(count > 1 for count in parents.values()):
        raise UnreadableMeshError("The glTF file hangs a node below two others, which the format forbids.")
    if len(document.get("nodes", [])) > MOST_PARTS:
        raise TooLargeError(f"The glTF file has more than {MOST_PARTS} nodes.", limit=MOST_PARTS)
    if any("bufferView" not in entry and int(entry["count"]) > len(data) for entry in document.get("accessors", [])):
        raise UnreadableMeshError("The glTF file says it has more elements than it has bytes.")


def _gltf_text(data: bytes) -> bytes:
    magic, version, total, length, kind = struct.unpack_from("<4sIII4s", data)
    if (magic, version, kind) != (b"glTF", 2, b"JSON") or total != len(data) or 20 + length > len(data):
        raise UnreadableMeshError("The GLB file's header does not fit its content; it was cut off or damaged.")
    return data[20 : 20 + length]


def _check_components(texts: list[bytes]) -> None:
    """Objects of objects must end, and not multiply beyond reason."""
    inside: dict[str, list[str]] = {}
    roots: list[str] = []
    for text in texts:
        tree = etree.fromstring(text, etree.XMLParser(resolve_entities=False, no_network=True))
        for item in tree.iter("{*}object"):
            inside[str(item.get("id"))] = [str(part.get("objectid")) for part in item.iter("{*}component")]
        roots += [str(item.get("objectid")) for item in tree.iter("{*}item")]
    known: dict[str, int] = {}

    def placed(name: str, depth: int) -> int:
        if depth > DEPTH:
            raise UnreadableMeshError("The 3MF file nests components without end.")
        if name not in known:
            known[name] = sum(placed(part, depth + 1) for part in inside.get(name, [])) or 1
        return known[name]

    if sum(placed(root, 0) for root in roots) > MOST_PARTS:
        raise TooLargeError(f"The 3MF file places more than {MOST_PARTS} parts.", limit=MOST_PARTS)


def _parts(scene: Any, factor: float, max_faces: int, looks: _Looks) -> Iterator[Part]:
    """The triangle meshes of a scene with their places, in millimetres."""
    total = 0
    for node in scene.graph.nodes_geometry:
        matrix, geometry = scene.graph[node]
        shape = scene.geometry[geometry]
        if not isinstance(shape, trimesh.Trimesh) or len(shape.faces) == 0:
            continue
        total += len(shape.faces)
        _limit(total, max_faces)
        faces = np.asarray(shape.faces, dtype=np.int64)
        if faces.min() < 0 or faces.max() >= len(shape.vertices):
            raise UnreadableMeshError("The file has faces with corners that it does not have.")
        mesh, material = _look(shape, faces, looks, looks.paint.get(geometry, Paint()))
        yield _placed_part(str(node), mesh, material, np.asarray(matrix, dtype=np.float64), factor)


def _look(shape: Any, faces: Faces, looks: _Looks, paint: Paint) -> tuple[Mesh, Material | None]:
    """A mesh in its colours, and its surface."""
    vertices = np.asarray(shape.vertices, dtype=np.float64)
    painted = paint.vertices if paint.vertices is not None and len(paint.vertices) == len(vertices) else None
    mesh = reading.part_of(shape, vertices, faces, painted)
    if paint.whole is not None:
        return mesh, surfaces.of_code(paint.whole)
    return mesh, surfaces.of_part(shape, looks.file_format, looks.materials, colored=colors.is_colored(mesh))


def _placed_part(name: str, mesh: Mesh, material: Material | None, matrix: NDArray[np.float64], factor: float) -> Part:
    place = np.diag([factor, factor, factor, 1.0]) @ matrix
    linear = place[:3, :3]
    size = float(np.cbrt(np.linalg.det(linear)))
    if size > 0.0 and np.allclose(linear @ linear.T, size**2 * np.eye(3), rtol=0.0, atol=RIGID * size**2):
        place[:3, :3] = linear / size
        scaled = mesh if abs(size - 1.0) < 1e-12 else mesh.moved(mesh.vertices * size)
        return Part(name, scaled, place, material)
    return Part(name, Part(name, mesh, place).placed, np.eye(4), material)


def _scaled(model: Model, factor: float) -> Model:
    if isinstance(model, Mesh):
        return model.moved(model.vertices * factor)
    parts = []
    for part in model.parts:
        place = part.transform.copy()
        place[:3, 3] *= factor
        parts.append(Part(part.name, part.mesh.moved(part.mesh.vertices * factor), place, part.material))
    return Assembly(tuple(parts))
