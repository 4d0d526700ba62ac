"""Mesh files: bytes from meshes and meshes from bytes, millimetres on both sides."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from orfeas.errors import EmptyMeshError, FormatUnavailableError
from orfeas.geometry.assembly import Assembly, Model
from orfeas.geometry.formats import collada, package, reading, usd, wavefront
from orfeas.geometry.formats.binary import write_ply, write_stl
from orfeas.geometry.formats.gltf import write_glb, write_gltf
from orfeas.geometry.formats.models import read_model
from orfeas.geometry.formats.parts import prepared
from orfeas.geometry.formats.reading import READABLE
from orfeas.geometry.formats.text import write_obj, write_off
from orfeas.geometry.formats.xml import write_3mf, write_dae
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.scale import UpAxis, turn

WRITABLE = ("stl", "obj", "ply", "off", "glb", "gltf", "3mf", "dae", *(("usdz",) if usd.AVAILABLE else ()))
BARE: Mapping[str, Callable[[Mesh], bytes]] = {"stl": write_stl, "ply": write_ply, "off": write_off}
"""Formats that hold one surface without names."""

__all__ = ["READABLE", "WRITABLE", "read", "read_model", "write"]


def read(data: bytes, file_format: str) -> Mesh:
    """A mesh from the bytes of a file, as `reading.read`; also a usdz that was written here, to check it."""
    if file_format == "usdz" and usd.AVAILABLE:
        return usd.read_usdz(data)
    return reading.read(data, file_format)


def write(
    model: Model,
    file_format: str,
    *,
    up_axis: UpAxis = "y",
    provenance: Mapping[str, Any] | str = "{}",
    name: str = "model",
) -> bytes:
    """A mesh file; the same arguments give the same bytes.

    Parameters
    ----------
    model : Mesh or Assembly
        Millimetres, y up. Parts are named nodes with transforms in glb, gltf, dae and usdz, objects in 3mf and obj,
        and merged in stl, ply and off; those without faces are left out.
    file_format : str
        One of `WRITABLE`. glb, gltf, dae and usdz count metres and hold the millimetres under a node scaled 0.001.
        ply, 3mf and dae hold a texture's colours at the vertices; stl and off hold no colours.
        obj with textures or materials is a zip of the OBJ file, its materials and its pictures. usdz needs usd-core.
    up_axis : "y" or "z"
        Axis that is up in the file.
    provenance : mapping or its JSON text
        How the model was made; kept in glb and gltf (`asset.extras.orfeas`), 3mf (metadata) and usdz (layer data).
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
    if isinstance(model, Mesh) and len(model.faces) == 0:
        raise EmptyMeshError("A mesh without faces cannot be written.")
    recipe: Mapping[str, Any] = json.loads(provenance) if isinstance(provenance, str) else provenance
    if isinstance(model, Assembly):
        found = prepared(model, up_axis)
        return _write_parts(found, file_format, up_axis, recipe, name)
    mesh = turn(model, up_axis)
    if file_format in BARE:
        return BARE[file_format](mesh)
    match file_format:
        case "obj":
            return write_obj(mesh, name)
        case "3mf":
            return write_3mf(mesh, recipe, name)
        case "dae":
            return write_dae(mesh, up_axis, name)
        case _:
            return _write_scene(mesh, file_format, up_axis, recipe, name)


def _write_parts(assembly: Assembly, file_format: str, up_axis: UpAxis, recipe: Mapping[str, Any], name: str) -> bytes:
    """A file of several parts; those formats that hold one surface get all of them merged."""
    if file_format in BARE:
        return BARE[file_format](assembly.merged())
    match file_format:
        case "obj":
            return wavefront.write_parts(assembly, name)
        case "3mf":
            return package.write_parts(assembly, recipe, name)
        case "dae":
            return collada.write_parts(assembly, up_axis, name)
        case _:
            return _write_scene(assembly, file_format, up_axis, recipe, name)


def _write_scene(model: Model, file_format: str, up_axis: UpAxis, recipe: Mapping[str, Any], name: str) -> bytes:
    """A file of a format that is written alike for one mesh and for several parts."""
    if file_format == "usdz":
        return usd.write_usdz(model, recipe, name, up_axis)
    return write_glb(model, recipe, name) if file_format == "glb" else write_gltf(model, recipe, name)
