"""glTF 2.0: binary (`glb`) and JSON with an embedded buffer (`gltf`).

Source: Khronos glTF 2.0 specification, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import Material
from orfeas.geometry import colors
from orfeas.geometry.assembly import Assembly, Model, Part
from orfeas.geometry.formats.images import jpeg, png
from orfeas.geometry.formats.parts import baked
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.normals import corner_normals

MILLIMETRE = 0.001  # glTF counts metres
ROUGHNESS = 0.8
PLAIN = [0.8, 0.8, 0.8, 1.0]  # base colour of a mesh without colours
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
FLOAT, UNSIGNED_SHORT, UNSIGNED_INT = 5126, 5123, 5125
LINEAR, LINEAR_MIPMAP_LINEAR, CLAMP_TO_EDGE = 9729, 9987, 33071
SAMPLER = {
    "magFilter": LINEAR,
    "minFilter": LINEAR_MIPMAP_LINEAR,
    "wrapS": CLAMP_TO_EDGE,
    "wrapT": CLAMP_TO_EDGE,
}


def write_glb(model: Model, provenance: Mapping[str, Any], name: str) -> bytes:
    """A binary glTF file."""
    document, payload = _document(model, provenance, name)
    text = _json(document)
    text += b" " * (-len(text) % 4)
    payload += b"\0" * (-len(payload) % 4)
    total = 12 + 8 + len(text) + 8 + len(payload)
    header = struct.pack("<4sIII4s", b"glTF", 2, total, len(text), b"JSON")
    return header + text + struct.pack("<I4s", len(payload), b"BIN\0") + payload


def write_gltf(model: Model, provenance: Mapping[str, Any], name: str) -> bytes:
    """A glTF file whose buffer stands inside as a data URI."""
    document, payload = _document(model, provenance, name)
    uri = "data:application/octet-stream;base64," + base64.b64encode(payload).decode("ascii")
    document["buffers"][0]["uri"] = uri
    return _json(document)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(slots=True)
class _Buffer:
    """The binary part while it grows, with the views and accessors into it."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def view(self, data: bytes, target: int | None = None) -> int:
        """Add bytes; the index of their view."""
        entry = {"buffer": 0, "byteOffset": self.size, "byteLength": len(data)}
        self.views.append(entry if target is None else entry | {"target": target})
        padded = data + b"\0" * (-len(data) % 4)
        self.parts.append(padded)
        self.size += len(padded)
        return len(self.views) - 1

    def accessor(self, values: NDArray[Any], kind: str, component: int, target: int, **more: Any) -> int:
        """Add an array; the index of its accessor."""
        view = self.view(np.ascontiguousarray(values).tobytes(), target)
        entry = {"bufferView": view, "componentType": component, "count": len(values), "type": kind}
        self.accessors.append(entry | more)
        return len(self.accessors) - 1


@dataclass(slots=True)
class _Looks:
    """Materials with their pictures and the extensions they need, while they grow."""

    materials: list[dict[str, Any]] = field(default_factory=list)
    textures: list[dict[str, Any]] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    extensions: set[str] = field(default_factory=set)

    def add(self, mesh: Mesh, material: Material | None, buffer: _Buffer, name: str) -> None:
        """The material of one mesh."""
        surface: dict[str, Any] = {"metallicFactor": 0.0, "roughnessFactor": ROUGHNESS}
        made: dict[str, Any] = {"name": name, "pbrMetallicRoughness": surface}
        if mesh.texture is not None and colors.is_textured(mesh):
            surface["baseColorTexture"] = {"index": self._texture(mesh.texture, buffer, name)}
        elif mesh.vertex_colors is None:
            surface["baseColorFactor"] = PLAIN
        elif (mesh.vertex_colors[:, 3] < 255).any():
            made["alphaMode"] = "BLEND"
        if material is not None:
            self._apply(material, made)
        if mesh.maps is not None and colors.is_textured(mesh):
            self._lay(mesh.maps, material, made, buffer)
        self.materials.append(made)

    def members(self) -> dict[str, Any]:
        """The members of the document; without pictures the materials alone."""
        found: dict[str, Any] = {"materials": self.materials}
        if self.textures:
            found |= {"textures": self.textures, "images": self.images, "samplers": [SAMPLER]}
        return found

    def _lay(self, maps: Maps, material: Material | None, made: dict[str, Any], buffer: _Buffer) -> None:
        """The pictures beside the base colour, without loss where they are numbers."""
        name = made["name"]
        if maps.normal is not None:
            scale = 1.0 if material is None else material.normal_scale
            made["normalTexture"] = {"index": self._texture(maps.normal, buffer, f"{name} normal", png), "scale": scale}
        if maps.surface is not None:
            index = self._texture(maps.surface, buffer, f"{name} surface", png)
            made["pbrMetallicRoughness"]["metallicRoughnessTexture"] = {"index": index}
        if maps.emissive is not None:
            made["emissiveTexture"] = {"index": self._texture(maps.emissive, buffer, f"{name} emissive")}

    def _texture(
        self, picture: NDArray[np.uint8], buffer: _Buffer, name: str, packed: Callable[[Any], bytes] = jpeg
    ) -> int:
        view = buffer.view(packed(picture))
        self.textures.append({"sampler": 0, "source": len(self.images)})
        kind = "image/jpeg" if packed is jpeg else "image/png"
        self.images.append({"name": name, "mimeType": kind, "bufferView": view})
        return len(self.textures) - 1

    def _apply(self, material: Material, made: dict[str, Any]) -> None:
        """Factors of a material; vertex colours and a texture multiply its base colour."""
        made["pbrMetallicRoughness"] |= {
            "baseColorFactor": [*material.base_color, material.opacity],
            "metallicFactor": material.metalness,
            "roughnessFactor": material.roughness,
        }
        if material.opacity < 1.0:
            made["alphaMode"] = "BLEND"
        extensions = {"KHR_materials_specular": _specular(material.reflectivity)}
        if material.emissive_intensity > 0.0 and any(material.emissive):
            made["emissiveFactor"] = [channel * min(1.0, material.emissive_intensity) for channel in material.emissive]
            if material.emissive_intensity > 1.0:
                extensions["KHR_materials_emissive_strength"] = {"emissiveStrength": material.emissive_intensity}
        made["extensions"] = extensions
        self.extensions |= extensions.keys()


def _specular(reflectivity: float) -> dict[str, Any]:
    """Reflection of a dielectric head on: 0.16 r^2, where glTF starts from 0.04.

    Source: S. Lagarde, C. de Rousiers, "Moving Frostbite to physically based rendering", SIGGRAPH 2014, section 3.
    """
    share = 4.0 * reflectivity**2
    return {"specularFactor": share} if share <= 1.0 else {"specularColorFactor": [share] * 3}


def _document(model: Model, provenance: Mapping[str, Any], name: str) -> tuple[dict[str, Any], bytes]:
    """The JSON part and the binary part."""
    buffer, looks = _Buffer(), _Looks()
    if isinstance(model, Assembly):
        meshes, nodes = _tree(model, buffer, looks, name)
    else:
        meshes = [_mesh(model, None, buffer, looks, name)]
        nodes = [{"name": name, "mesh": 0, "scale": [MILLIMETRE] * 3}]
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "orfeas", "extras": {"orfeas": dict(provenance)}},
        **({"extensionsUsed": sorted(looks.extensions)} if looks.extensions else {}),
        "scene": 0,
        "scenes": [{"name": name, "nodes": [0]}],
        "nodes": nodes,
        "meshes": meshes,
        **looks.members(),
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": buffer.size}],
    }
    return document, b"".join(buffer.parts)


def _tree(
    assembly: Assembly, buffer: _Buffer, looks: _Looks, name: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Meshes, one for parts that share theirs, and nodes: the root, which counts in metres, and a child each."""
    meshes: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = [{"name": name, "children": [], "scale": [MILLIMETRE] * 3}]
    known: dict[tuple[int, Material | None], int] = {}
    for part in (_decomposable(part) for part in assembly.parts):
        key = (id(part.mesh), part.material)
        if key not in known:
            known[key] = len(meshes)
            meshes.append(_mesh(part.mesh, part.material, buffer, looks, part.name))
        node: dict[str, Any] = {"name": part.name, "mesh": known[key]}
        if not np.array_equal(part.transform, np.eye(4)):
            node["matrix"] = part.transform.T.ravel().tolist()  # by columns
        nodes[0]["children"].append(len(nodes))
        nodes.append(node)
    return meshes, nodes


def _decomposable(part: Part) -> Part:
    """The part itself, or moved to its place where its matrix shears, which nodes must not."""
    axes = part.transform[:3, :3] / np.maximum(np.linalg.norm(part.transform[:3, :3], axis=0), 1e-30)
    return part if np.allclose(axes.T @ axes, np.eye(3), atol=1e-6) else baked(part)


def _mesh(mesh: Mesh, material: Material | None, buffer: _Buffer, looks: _Looks, name: str) -> dict[str, Any]:
    primitive = {"attributes": _attributes(mesh, buffer), "material": len(looks.materials), "mode": 4}
    primitive["indices"] = len(buffer.accessors) - 1
    looks.add(mesh, material, buffer, name)
    return {"name": name, "primitives": [primitive]}


def _attributes(mesh: Mesh, buffer: _Buffer) -> dict[str, int]:
    """Vertex attributes and, as the last accessor, indices."""
    normals = corner_normals(mesh.vertices, mesh.faces).astype(np.float32).reshape(-1, 3)
    uv = mesh.corner_uv.reshape(-1, 2) if mesh.corner_uv is not None and colors.is_textured(mesh) else None
    first, indices = split_corners(mesh, normals, uv)
    vertex = mesh.faces.ravel()[first]
    positions = mesh.vertices[vertex].astype(np.float32)
    bounds = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    made = {
        "POSITION": buffer.accessor(positions, "VEC3", FLOAT, ARRAY_BUFFER, **bounds),
        "NORMAL": buffer.accessor(_safe_normals(normals[first]), "VEC3", FLOAT, ARRAY_BUFFER),
    }
    if uv is not None:
        flipped = np.stack([uv[first, 0], 1.0 - uv[first, 1]], axis=1)  # glTF starts at the top left
        made["TEXCOORD_0"] = buffer.accessor(flipped.astype(np.float32), "VEC2", FLOAT, ARRAY_BUFFER)
    elif mesh.vertex_colors is not None:
        light = _linear_shorts(mesh.vertex_colors[vertex])
        made["COLOR_0"] = buffer.accessor(light, "VEC4", UNSIGNED_SHORT, ARRAY_BUFFER, normalized=True)
    small = len(first) < 65535  # the largest value restarts a strip
    kind = UNSIGNED_SHORT if small else UNSIGNED_INT
    buffer.accessor(indices.astype(np.uint16 if small else np.uint32), "SCALAR", kind, ELEMENT_ARRAY_BUFFER)
    return made


def split_corners(
    mesh: Mesh, normals: NDArray[np.float32], uv: NDArray[np.float32] | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Corners that differ in vertex, normal or texture coordinates.

    Returns
    -------
    first : (k,) int
        The first corner of each kind, in the order of the faces.
    kind : (3 m,) int
        Kind of every corner.
    """
    columns = [mesh.faces.reshape(-1, 1), np.round(normals * 1024.0).astype(np.int64)]
    if uv is not None:
        columns.append(np.ascontiguousarray(uv).view(np.int32).astype(np.int64))
    key = np.zeros(mesh.faces.size, dtype=np.uint64)
    table = np.concatenate(columns, axis=1).astype(np.uint64)
    for column in table.T:
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)  # SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)
        key ^= key >> np.uint64(29)
    _, first, kind = np.unique(key, return_index=True, return_inverse=True)
    if not np.array_equal(table[first][kind], table):  # two rows share a key: practically never
        _, first, kind = np.unique(table, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[kind.ravel()]


def _safe_normals(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normals of length one; those of faces without area point up, as zero is not allowed."""
    normals = normals.copy()
    normals[np.abs(normals).sum(axis=1) < 0.5] = (0.0, 1.0, 0.0)
    return normals


def _linear_shorts(codes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """sRGB and alpha as the linear light that COLOR_0 holds, 16 bits each."""
    light = np.concatenate([colors.linear(codes[:, :3]), codes[:, 3:] / np.float32(255.0)], axis=1)
    return np.round(light * 65535.0).astype(np.uint16)
