"""File formats: what they can carry, what they are called, and which of them can be written."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType

NO_USD = "Writing usdz needs the package usd-core: pip install 'orfeas[usd]', or ask for glb."
NO_BLENDER = "fbx and blend need Blender on this server: set ORFEAS_BLENDER to its path, or ask for glb."
BY_BLENDER = ("fbx", "blend")
BY_USD = ("usdz",)
HAS_USD = find_spec("pxr") is not None


@dataclass(frozen=True, slots=True)
class MeshFormat:
    """A mesh file format.

    `unit` is the unit of the written coordinates; `upload_up_axis` the axis that an uploaded file counts as up.
    """

    name: str
    media_type: str
    colors: bool
    textures: bool
    unit: str
    readable: bool = True
    upload_up_axis: str = "y"
    unit_stated: bool = False

    @property
    def download_type(self) -> str:
        """The media type of a download on the compatible surface."""
        return "application/octet-stream" if self.name == "stl" else self.media_type


MESH_FORMATS = MappingProxyType(
    {
        found.name: found
        for found in (
            MeshFormat("stl", "model/stl", False, False, "mm", upload_up_axis="z"),
            MeshFormat("obj", "model/obj", True, True, "mm"),
            MeshFormat("ply", "application/ply", True, False, "mm"),
            MeshFormat("off", "model/off", False, False, "mm"),
            MeshFormat("glb", "model/gltf-binary", True, True, "m", unit_stated=True),
            MeshFormat("gltf", "model/gltf+json", True, True, "m", unit_stated=True),
            MeshFormat("3mf", "model/3mf", True, False, "mm", upload_up_axis="z", unit_stated=True),
            MeshFormat("dae", "model/vnd.collada+xml", True, False, "m", unit_stated=True),
            MeshFormat("usdz", "model/vnd.usdz+zip", True, True, "m", readable=False),
            MeshFormat("fbx", "application/octet-stream", True, True, "m", readable=False),
            MeshFormat("blend", "application/octet-stream", True, True, "m", readable=False),
        )
    }
)

READABLE = tuple(found.name for found in MESH_FORMATS.values() if found.readable)


@dataclass(frozen=True, slots=True)
class Formats:
    """Which formats can be written with a program `blender`, a path or name as the settings give it."""

    blender: str | None = None

    @property
    def writable(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(name for name in MESH_FORMATS if self.reason(name) is None)

    def reason(self, name: str) -> str | None:
        """Why files of a format cannot be written, None where they can."""
        if name not in MESH_FORMATS:
            return f".{name} is no format of meshes. Formats: {', '.join(self.writable)}."
        if name in BY_BLENDER and not (self.blender and shutil.which(self.blender)):
            return NO_BLENDER
        return NO_USD if name in BY_USD and not HAS_USD else None


IMAGE_EXTENSIONS = MappingProxyType(
    {
        "png": "png",
        "jpg": "jpeg",
        "jpeg": "jpeg",
        "gif": "gif",
        "bmp": "bmp",
        "tif": "tiff",
        "tiff": "tiff",
        "webp": "webp",
    }
)
"""Extensions of accepted pictures and the family that their content must belong to."""

IMAGE_MEDIA_TYPES = MappingProxyType(
    {
        "png": "image/png",
        "jpeg": "image/jpeg",
        "gif": "image/gif",
        "bmp": "image/bmp",
        "tiff": "image/tiff",
        "webp": "image/webp",
    }
)


def media_type(format_name: str, *, zipped: bool = False) -> str:
    """The media type of a written file; a textured obj is a zip of obj, mtl and picture."""
    return "application/zip" if zipped else MESH_FORMATS[format_name].media_type


def sniff_image(head: bytes) -> str | None:
    """The picture family that the first 16 bytes belong to, or None.

    Signatures: PNG (ISO 15948, 5.2), JPEG (ISO 10918-1, SOI), GIF 87a and 89a, BMP, TIFF 6.0 in both byte orders,
    WebP (RFC 9649, RIFF container).
    """
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if head.startswith(b"BM"):
        return "bmp"
    if head.startswith((b"II*\x00", b"MM\x00*")):
        return "tiff"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return None
