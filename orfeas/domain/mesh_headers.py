"""Which mesh format a file holds, told by its first bytes and its size; nothing is parsed further."""

from __future__ import annotations

import json
import re
import struct
import zipfile
from dataclasses import dataclass
from io import BytesIO
from itertools import islice

HEAD_BYTES = 65_536
STL_HEADER_BYTES, STL_FACE_BYTES = 84, 50  # binary STL: 80 bytes, a count, 50 bytes for each triangle
GLB_JSON_CHUNK = 0x4E4F534A  # "JSON", glTF 2.0 section 4.4.3.2
_OBJ_LINE = re.compile(rb"^\s*(?:#.*|(?:mtllib|usemtl|o|g|s|v|vn|vt|vp|f|l|p)\s.*)?$")
_OBJ_VERTEX = re.compile(rb"(?:^|\n)[ \t]*v[ \t]+[-+.0-9eE]+[ \t]+[-+.0-9eE]+[ \t]+[-+.0-9eE]+")
_OBJ_FACE = re.compile(rb"(?:^|\n)[ \t]*f[ \t]+-?\d")
_OFF = re.compile(rb"\s*(?:#[^\n]*\n\s*)*(?:ST)?(?:C)?(?:N)?(?:4)?OFF(?:\s+BINARY)?\s+(?:#[^\n]*\n\s*)*(\d+)\s+(\d+)")
_PLY_FACES = re.compile(rb"\nelement[ \t]+face[ \t]+(\d+)")
_DAE = re.compile(rb"<COLLADA[\s>]")


@dataclass(frozen=True, slots=True)
class MeshHeader:
    """A format and, where the header says so, its number of triangles or polygons."""

    format: str
    faces: int | None = None


class BrokenMeshError(ValueError):
    """The file is no mesh of an accepted format; the text says why."""


class NoFacesError(BrokenMeshError):
    """The file is what it says, and holds nothing."""


def sniff_mesh(data: bytes, extension: str = "") -> MeshHeader:
    """The format of a mesh file by its content; the extension of its name only helps to say what is wrong.

    Raises
    ------
    BrokenMeshError
        It is none of stl, obj, ply, off, glb, gltf, 3mf and dae, or its header contradicts its size.
    """
    if not data:
        raise NoFacesError("it has no bytes")
    head = data[:HEAD_BYTES]
    for matches, read in _READERS:
        if matches(head):
            return read(data)
    if len(data) >= STL_HEADER_BYTES and _binary_stl_size(data) == len(data):
        return _binary_stl(data)
    if head.lstrip()[:5].lower() == b"solid":
        return _ascii_stl(data)
    if _OBJ_VERTEX.search(head):
        return _obj(data)
    if extension == "stl" and len(data) >= STL_HEADER_BYTES:
        raise BrokenMeshError(
            f"a binary stl with the count in its header has {_binary_stl_size(data)} bytes, this one {len(data)}; "
            "it is damaged, incomplete or no stl"
        )
    raise BrokenMeshError("the content is none of stl, obj, ply, off, glb, gltf, 3mf and dae")


def _binary_stl_size(data: bytes) -> int:
    count: int = struct.unpack_from("<I", data, 80)[0]
    return STL_HEADER_BYTES + STL_FACE_BYTES * count


def _binary_stl(data: bytes) -> MeshHeader:
    (count,) = struct.unpack_from("<I", data, 80)
    if count == 0:
        raise NoFacesError("the stl has no triangles")
    return MeshHeader("stl", count)


def _ascii_stl(data: bytes) -> MeshHeader:
    faces = data.count(b"endfacet")
    if not faces or b"endsolid" not in data[-4096:]:
        raise BrokenMeshError("the ascii stl has no facets or ends early")
    return MeshHeader("stl", faces)


def _ply(data: bytes) -> MeshHeader:
    header = data[:HEAD_BYTES].partition(b"end_header")
    if not header[1] or b"\nformat " not in header[0].replace(b"\r", b"\n") or b"element vertex" not in header[0]:
        raise BrokenMeshError("the ply header is incomplete")
    faces = _PLY_FACES.search(header[0].replace(b"\r\n", b"\n"))
    if faces is None or int(faces[1]) == 0:
        raise NoFacesError("the ply has no faces")
    if len(header[2]) == 0:
        raise BrokenMeshError("the ply ends behind its header")
    return MeshHeader("ply", int(faces[1]))


def _off(data: bytes) -> MeshHeader:
    counts = _OFF.match(data[:HEAD_BYTES])
    if counts is None or int(counts[1]) == 0 or int(counts[2]) == 0:
        raise NoFacesError("the off header names no vertices or faces")
    return MeshHeader("off", int(counts[2]))


def _glb(data: bytes) -> MeshHeader:
    try:
        _, version, length, json_length, kind = struct.unpack_from("<4sIIII", data)
    except struct.error as error:
        raise BrokenMeshError("the glb ends inside its header") from error
    if version != 2 or length != len(data) or kind != GLB_JSON_CHUNK or 20 + json_length > length:
        raise BrokenMeshError("the glb header contradicts the file")
    return _gltf_document(data[20 : 20 + json_length], "glb")


def _gltf(data: bytes) -> MeshHeader:
    return _gltf_document(data, "gltf")


def _gltf_document(text: bytes, name: str) -> MeshHeader:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BrokenMeshError(f"the {name} holds no JSON that can be read") from error
    asset = document.get("asset") if isinstance(document, dict) else None
    if not isinstance(asset, dict) or not str(asset.get("version", "")).startswith("2."):
        raise BrokenMeshError(f"the {name} is not glTF 2")
    if not document.get("meshes"):
        raise BrokenMeshError(f"the {name} has no mesh")
    if name == "gltf" and _outside_buffers(document):
        raise BrokenMeshError("the gltf refers to other files; send glb, or embed its buffers")
    return MeshHeader(name)


def _outside_buffers(document: dict[str, object]) -> bool:
    parts = [part for key in ("buffers", "images") for part in _list(document.get(key))]
    return any(isinstance(part, dict) and "uri" in part and not str(part["uri"]).startswith("data:") for part in parts)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _threemf(data: bytes) -> MeshHeader:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = {name.lower() for name in islice(archive.namelist(), 10_000)}
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise BrokenMeshError("the zip cannot be read") from error
    if "[content_types].xml" not in names or not any(name.endswith(".model") for name in names):
        raise BrokenMeshError("the zip is not a 3mf")
    return MeshHeader("3mf")


def _dae(data: bytes) -> MeshHeader:
    if b"</COLLADA>" not in data[-4096:]:
        raise BrokenMeshError("the dae ends early")
    if b"<!ENTITY" in data[:HEAD_BYTES]:
        raise BrokenMeshError("the dae declares entities")
    return MeshHeader("dae")


def _obj(data: bytes) -> MeshHeader:
    head = data[:HEAD_BYTES]
    lines = head.splitlines()[:-1] if len(data) > HEAD_BYTES else head.splitlines()
    if b"\0" in head or not all(_OBJ_LINE.match(line) for line in lines[:200]):
        raise BrokenMeshError("the obj has lines that no obj has")
    if not _OBJ_FACE.search(data):
        raise NoFacesError("the obj has no faces")
    return MeshHeader("obj")


_READERS = (
    (lambda head: head.startswith(b"glTF"), _glb),
    (lambda head: head.startswith((b"ply\n", b"ply\r")), _ply),
    (lambda head: head.startswith(b"PK\x03\x04"), _threemf),
    (lambda head: _OFF.match(head) is not None, _off),
    (lambda head: _DAE.search(head) is not None, _dae),
    (lambda head: head.lstrip()[:1] == b"{", _gltf),
)
