"""USDZ packages, by the library usd-core.

Sources: Pixar, "USDZ File Format Specification" 1.3 (a zip without compression whose files begin at multiples of 64
bytes) and "UsdPreviewSurface Specification" 2.6, https://openusd.org/release
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Mapping
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from orfeas.errors import EmptyMeshError, FormatUnavailableError, UnreadableMeshError
from orfeas.geometry import colors
from orfeas.geometry.assembly import Assembly, Model, Part, as_assembly
from orfeas.geometry.formats.archive import EPOCH
from orfeas.geometry.formats.gltf import MILLIMETRE, PLAIN, ROUGHNESS
from orfeas.geometry.formats.images import png
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.normals import corner_normals
from orfeas.geometry.weld import by_position

AVAILABLE = find_spec("pxr") is not None
ALIGNMENT = 64  # bytes
PADDING_ID = 0x1986  # of the extra field that pads, as in Pixar's own writer


def write_usdz(model: Model, provenance: Mapping[str, Any], name: str, up_axis: str) -> bytes:
    """A USDZ package in metres with a mesh and a material for each part.

    Raises
    ------
    FormatUnavailableError
        usd-core is not installed.
    """
    if not AVAILABLE:
        raise FormatUnavailableError("Writing usdz needs the package usd-core: pip install 'orfeas[usd]'.")
    assembly = as_assembly(model, name)
    pictures = {
        f"textures/{index}.png": png(part.mesh.texture)
        for index, part in enumerate(assembly.parts)
        if part.mesh.texture is not None and colors.is_textured(part.mesh)
    }
    return _package({"model.usdc": _layer(assembly, provenance, name, up_axis), **pictures})


def read_usdz(data: bytes) -> Mesh:
    """The meshes of a USDZ package that `write_usdz` made, as one, in millimetres; colours are left out.

    Raises
    ------
    UnreadableMeshError
        usd-core cannot open the package, or it is not there to do so.
    EmptyMeshError
        The package holds no faces.
    """
    if not AVAILABLE:
        raise UnreadableMeshError("Reading usdz needs the package usd-core: pip install 'orfeas[usd]'.")
    from pxr import Tf, Usd  # noqa: PLC0415 - an optional package

    with TemporaryDirectory(prefix="orfeas-usd-") as folder:
        path = Path(folder) / "model.usdz"
        path.write_bytes(data)
        try:
            parts = _meshes(Usd.Stage.Open(str(path)))
        except Tf.ErrorException as error:
            raise UnreadableMeshError("The usdz file cannot be opened.") from error
    if not parts:
        raise EmptyMeshError("The usdz file holds no faces.")
    whole = Assembly(tuple(parts)).merged()
    first, faces = by_position(whole.vertices, whole.faces)
    return Mesh(whole.vertices[first], faces)


def _meshes(stage: Any) -> list[Part]:
    """The triangle meshes of a scene with their places."""
    from pxr import Gf, Usd, UsdGeom  # noqa: PLC0415 - an optional package

    factor = UsdGeom.GetStageMetersPerUnit(stage) / MILLIMETRE
    parts = []
    for prim in stage.Traverse():
        if prim.IsA(UsdGeom.Mesh):
            shape = UsdGeom.Mesh(prim)
            points = np.asarray(shape.GetPointsAttr().Get(), dtype=np.float64)
            faces = np.asarray(shape.GetFaceVertexIndicesAttr().Get(), dtype=np.int64).reshape(-1, 3)
            world = UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
            matrix = np.array(Gf.Matrix4d(world), dtype=np.float64).T
            parts.append(Part(prim.GetName(), Mesh(points, faces), np.diag([factor, factor, factor, 1.0]) @ matrix))
    return parts


def _layer(assembly: Assembly, provenance: Mapping[str, Any], name: str, up_axis: str) -> bytes:
    """The binary layer of the scene."""
    from pxr import Gf, Usd, UsdGeom  # noqa: PLC0415 - an optional package

    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z if up_axis == "z" else UsdGeom.Tokens.y)
    root = UsdGeom.Xform.Define(stage, "/model")
    stage.SetDefaultPrim(root.GetPrim())
    root.GetPrim().SetDisplayName(name)
    stage.GetRootLayer().customLayerData = {"orfeas": json.dumps(dict(provenance), separators=(",", ":"))}
    root.AddScaleOp().Set(Gf.Vec3f(MILLIMETRE, MILLIMETRE, MILLIMETRE))
    for index, part in enumerate(assembly.parts):
        _add(stage, index, part)
    with TemporaryDirectory(prefix="orfeas-usd-") as folder:
        path = Path(folder) / "model.usdc"
        stage.GetRootLayer().Export(str(path))
        return path.read_bytes()


def _add(stage: Any, index: int, part: Part) -> None:
    """The mesh of a part and its material."""
    from pxr import Gf, UsdGeom, UsdShade  # noqa: PLC0415 - an optional package

    mesh = UsdGeom.Mesh.Define(stage, f"/model/part_{index}")
    mesh.GetPrim().SetDisplayName(part.name)
    if not np.array_equal(part.transform, np.eye(4)):
        mesh.AddTransformOp().Set(Gf.Matrix4d(*part.transform.T.ravel().tolist()))  # row vectors
    _shape(mesh, part.mesh)
    material = UsdShade.Material.Define(stage, f"/model/material_{index}")
    shader = UsdShade.Shader.Define(stage, f"/model/material_{index}/surface")
    _surface(stage, shader, index, part)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _shape(mesh: Any, found: Mesh) -> None:
    """Points, faces, normals and what colours them."""
    from pxr import Gf, Sdf, UsdGeom, Vt  # noqa: PLC0415 - an optional package

    points = found.vertices.astype(np.float32)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(points))
    mesh.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(found.faces), 3, dtype=np.int32)))
    mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(found.faces.ravel().astype(np.int32)))
    mesh.CreateExtentAttr([Gf.Vec3f(*points.min(axis=0).tolist()), Gf.Vec3f(*points.max(axis=0).tolist())])
    normals = corner_normals(found.vertices, found.faces).reshape(-1, 3).astype(np.float32)
    mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.faceVarying)
    api = UsdGeom.PrimvarsAPI(mesh)
    if found.corner_uv is not None and colors.is_textured(found):
        st = api.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying)
        st.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(found.corner_uv.reshape(-1, 2), dtype=np.float32)))
    elif found.vertex_colors is not None:
        light = np.ascontiguousarray(colors.linear(found.vertex_colors[:, :3]))
        mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(Vt.Vec3fArray.FromNumpy(light))


def _surface(stage: Any, shader: Any, index: int, part: Part) -> None:
    """A preview surface of the part's material, its texture or the colours of its vertices."""
    from pxr import Gf, Sdf  # noqa: PLC0415 - an optional package

    material, kinds = part.material, Sdf.ValueTypeNames
    color = tuple(PLAIN[:3]) if material is None else material.base_color
    shader.CreateIdAttr("UsdPreviewSurface")
    diffuse = shader.CreateInput("diffuseColor", kinds.Color3f)
    diffuse.Set(Gf.Vec3f(*color))
    shader.CreateInput("metallic", kinds.Float).Set(0.0 if material is None else material.metalness)
    shader.CreateInput("roughness", kinds.Float).Set(ROUGHNESS if material is None else material.roughness)
    shader.CreateInput("opacity", kinds.Float).Set(1.0 if material is None else material.opacity)
    if material is not None:
        shader.CreateInput("ior", kinds.Float).Set(
            (1.0 + 0.4 * material.reflectivity) / (1.0 - 0.4 * material.reflectivity)
        )
        if material.emissive_intensity > 0.0 and any(material.emissive):
            glow = [channel * material.emissive_intensity for channel in material.emissive]
            shader.CreateInput("emissiveColor", kinds.Color3f).Set(Gf.Vec3f(*glow))
    if colors.is_textured(part.mesh):
        diffuse.ConnectToSource(_texture(stage, index, (1.0, 1.0, 1.0) if material is None else color), "rgb")
    elif part.mesh.vertex_colors is not None:
        diffuse.ConnectToSource(_reader(stage, index, "displayColor", 3), "result")


def _texture(stage: Any, index: int, color: tuple[float, ...]) -> Any:
    """The picture that colours a part, multiplied by its base colour."""
    from pxr import Gf, Sdf, UsdShade  # noqa: PLC0415 - an optional package

    kinds = Sdf.ValueTypeNames
    texture = UsdShade.Shader.Define(stage, f"/model/material_{index}/texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", kinds.Asset).Set(f"textures/{index}.png")
    texture.CreateInput("sourceColorSpace", kinds.Token).Set("sRGB")
    texture.CreateInput("wrapS", kinds.Token).Set("clamp")
    texture.CreateInput("wrapT", kinds.Token).Set("clamp")
    texture.CreateInput("scale", kinds.Float4).Set(Gf.Vec4f(*color, 1.0))
    texture.CreateInput("st", kinds.Float2).ConnectToSource(_reader(stage, index, "st", 2), "result")
    texture.CreateOutput("rgb", kinds.Float3)
    return texture.ConnectableAPI()


def _reader(stage: Any, index: int, variable: str, size: int) -> Any:
    """What fetches a primvar of two or three numbers."""
    from pxr import Sdf, UsdShade  # noqa: PLC0415 - an optional package

    kinds = Sdf.ValueTypeNames
    reader = UsdShade.Shader.Define(stage, f"/model/material_{index}/{variable}_reader")
    reader.CreateIdAttr(f"UsdPrimvarReader_float{size}")
    reader.CreateInput("varname", kinds.String).Set(variable)
    reader.CreateOutput("result", kinds.Float2 if size == 2 else kinds.Float3)
    return reader.ConnectableAPI()


def _package(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files as they are, each at a multiple of 64 bytes."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, date_time=EPOCH)
            entry.create_system, entry.external_attr = 3, 0o644 << 16
            before = target.tell() + 30 + len(name) + 4  # header, name, and the head of the extra field
            padding = -before % ALIGNMENT
            entry.extra = struct.pack("<HH", PADDING_ID, padding) + bytes(padding)
            archive.writestr(entry, data)
    return target.getvalue()
