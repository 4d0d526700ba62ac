"""What an uploaded file is: told by its name, its type and its content."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote_to_bytes

from orfeas.domain.formats import IMAGE_MEDIA_TYPES, MESH_FORMATS
from orfeas.domain.mesh_headers import BrokenMeshError, MeshHeader, NoFacesError, sniff_mesh
from orfeas.errors import (
    EmptyMeshError,
    InvalidRequestError,
    TooLargeError,
    UnreadableMeshError,
    UnsupportedMediaTypeError,
)
from orfeas.imaging import CleanImage
from orfeas.jobs import files

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_OCTETS = ("application/octet-stream", "binary/octet-stream", "application/x-www-form-urlencoded", "")
_FURTHER_TYPES = {
    "image/jpg": "jpg", "image/pjpeg": "jpg", "image/x-ms-bmp": "bmp", "image/x-png": "png", "application/sla": "stl",
    "application/vnd.ms-pki.stl": "stl", "model/x.stl-binary": "stl", "model/x.stl-ascii": "stl",
    "application/vnd.ms-package.3dmanufacturing-3dmodel+xml": "3mf", "model/ply": "ply",
}  # fmt: skip
_EXTENSIONS = {
    **{kind: name for name, kind in IMAGE_MEDIA_TYPES.items()},
    **{found.media_type: found.name for found in MESH_FORMATS.values() if found.readable},
    **_FURTHER_TYPES,
}


def extension_of(filename: str | None) -> str:
    """The extension of a name, lower case, without its dot."""
    return PurePosixPath(filename or "").suffix.lower().lstrip(".")


def name_by_type(media_type: str | None) -> str | None:
    """A name whose extension says what a media type says; None where it says nothing."""
    kind = (media_type or "").partition(";")[0].strip().lower()
    if kind in _OCTETS:
        return None
    extension = _EXTENSIONS.get(kind)
    if extension is None:
        raise UnsupportedMediaTypeError(
            f"The type {kind[:80]} is not read here; send one of the listed, or application/octet-stream.",
            allowed=sorted(_EXTENSIONS),
        )
    return f"upload.{extension}"


def decoded_uri(uri: str) -> tuple[str | None, bytes]:
    """The media type and the bytes of a data URI."""
    head = _DATA_URI.match(uri)
    if head is None:
        raise InvalidRequestError.at("/data", "A data URI is needed: data:image/png;base64,...")
    rest = uri[head.end() :]
    try:
        plain = unquote_to_bytes(rest)
        data = base64.b64decode(b"".join(plain.split()), validate=True) if head[3] else plain
    except (binascii.Error, ValueError) as error:
        raise InvalidRequestError.at("/data", "The data URI's base64 is damaged.") from error
    return head[1], data


def mesh_header(data: bytes, named: str | None, max_faces: int) -> MeshHeader:
    """What the head of a mesh file says; refused where the name, the content or the size does not fit."""
    extension = extension_of(named)
    try:
        header = sniff_mesh(data, extension)
    except NoFacesError as error:
        raise EmptyMeshError(f"There is nothing in the file: {error}.") from error
    except BrokenMeshError as error:
        wanted = "no mesh" if extension in MESH_FORMATS else "neither an image nor a mesh"
        raise UnreadableMeshError(f"The file is {wanted} that can be read: {error}.") from error
    if extension and extension != header.format:
        raise UnreadableMeshError(f"The file is named .{extension[:20]}, but its content is {header.format}.")
    if header.faces is not None and header.faces > max_faces:
        raise TooLargeError(
            f"The mesh has {header.faces} faces, more than {max_faces} (ORFEAS_MAX_FACES).", limit=max_faces
        )
    return header


def image_values(clean: CleanImage, shown: str | None) -> dict[str, Any]:
    """The columns of a cleaned picture's row."""
    return {
        "kind": "image",
        "format": clean.format,
        "media_type": clean.media_type,
        "filename": files.safe_name(shown, clean.extension),
        "original_sha256": clean.original_sha256,
        "pixel_sha256": clean.pixel_sha256,
        "image": {
            "width": clean.width,
            "height": clean.height,
            "mode": clean.mode,
            "has_transparency": clean.has_transparency,
        },
        "up_axis": None,
    }


def mesh_values(header: MeshHeader, shown: str | None) -> dict[str, Any]:
    """The columns of a mesh's row."""
    found = MESH_FORMATS[header.format]
    return {
        "kind": "mesh",
        "format": header.format,
        "media_type": found.media_type,
        "filename": files.safe_name(shown, header.format),
        "up_axis": found.upload_up_axis,
    }
