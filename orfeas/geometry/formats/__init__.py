"""Mesh files: bytes from meshes and meshes from bytes, millimetres on both sides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orfeas.errors import EmptyMeshError, FormatUnavailableError
from orfeas.geometry.formats.binary import write_ply, write_stl
from orfeas.geometry.formats.gltf import write_glb, write_gltf
from orfeas.geometry.formats.reading import READABLE, read
from orfeas.geometry.formats.text import write_obj, write_off
from orfeas.geometry.formats.xml import write_3mf, write_dae
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.scale import UpAxis, turn

WRITABLE = ("stl", "obj", "ply", "off", "glb", "gltf", "3mf", "dae")

__all__ = ["READABLE", "WRITABLE", "read", "write"]


def write(
    mesh: Mesh,
    file_format: str,
    *,
    up_axis: UpAxis = "y",
    provenance: Mapping[str, Any] | str = "{}",
    name: str = "model",
) -> bytes:
    """A mesh file; the same arguments give the same bytes.

    Parameters
    ----------
    mesh : Mesh
        Millimetres, y up.
    file_format : str
        One of `WRITABLE`. glb, gltf and dae count metres and hold the millimetres under a node scaled 0.001.
        ply, 3mf and dae hold a texture's colours at the vertices; stl and off hold no colours.
        obj with a texture is a zip of the OBJ file, its material and its picture.
    up_axis : "y" or "z"
        Axis that is up in the file.
    provenance : mapping or its JSON text
        How the model was made; kept in glb and gltf (`asset.extras.orfeas`) and 3mf (metadata).
    name : str
        Of the object, and of the files in an archive.

    Raises
    ------
    FormatUnavailableError
        The format is not written here.
    EmptyMeshError
        The mesh has no faces.
    """
    if file_format not in WRITABLE:
        raise FormatUnavailableError(f"Files of format {file_format} cannot be written; {', '.join(WRITABLE)} can.")
    if len(mesh.faces) == 0:
        raise EmptyMeshError("A mesh without faces cannot be written.")
    recipe: Mapping[str, Any] = json.loads(provenance) if isinstance(provenance, str) else provenance
    mesh = turn(mesh, up_axis)
    match file_format:
        case "stl":
            return write_stl(mesh)
        case "ply":
            return write_ply(mesh)
        case "off":
            return write_off(mesh)
        case "obj":
            return write_obj(mesh, name)
        case "glb":
            return write_glb(mesh, recipe, name)
        case "gltf":
            return write_gltf(mesh, recipe, name)
        case "3mf":
            return write_3mf(mesh, recipe, name)
        case _:
            return write_dae(mesh, up_axis, name)
