"""Models of several parts in every format: names, places, materials, colours."""

from __future__ import annotations

import json
import re
import subprocess
import xml.etree.ElementTree as ET
import zipfile
from io import BytesIO
from pathlib import Path

import collada
import numpy as np
import pytest
import trimesh

from orfeas.domain.presets import MATERIALS, Material
from orfeas.errors import EmptyMeshError, UnreadableMeshError
from orfeas.geometry import formats
from orfeas.geometry.assembly import Assembly, Part
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids
from tests.geometry.test_formats import RECIPE, glb_document, needs_validator, node_modules

TURN = trimesh.transformations.rotation_matrix(0.5, (1.0, 2.0, 3.0))
MIRROR = np.diag([-1.0, 1.0, 1.0, 1.0])
SHEAR = np.array([[1.0, 0.5, 0, 60], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
LAMP = Material((0.2, 0.2, 0.2), 0.0, 0.5, 0.5, emissive=(1.0, 0.5, 0.0), emissive_intensity=3.0)


def at(x: float, turn=None):
    matrix = np.eye(4) if turn is None else turn.copy()
    matrix[0, 3] += x
    return matrix


def parts() -> tuple[Part, ...]:
    ball = solids.ball(10.0, 3)
    return (
        Part("plain box", solids.box((10, 20, 30))),
        Part("painted", solids.painted(ball), at(40, TURN)),
        Part("textured", solids.textured(ball), at(80)),
        Part('gl"a<s>s', solids.box((10, 10, 10)), at(120, MIRROR), MATERIALS["glass"]),
        Part("metal", ball, at(160), MATERIALS["metal"]),
        Part("metal", ball, at(200), MATERIALS["metal"]),
        Part("tinted", solids.painted(ball), at(240), MATERIALS["plastic"]),
        Part("leaning", solids.box((10, 10, 10)), at(260, SHEAR), LAMP),
        Part("empty", Mesh(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))),
    )


MODEL = Assembly(parts())
WHOLE = MODEL.merged()
NAMED = ["plain box", "painted", "textured", 'gl"a<s>s', "metal", "metal_2", "tinted", "leaning"]


@pytest.mark.parametrize("up_axis", ["y", "z"])
@pytest.mark.parametrize("file_format", formats.READABLE)
def test_every_part_is_where_it_belongs_in_millimetres(file_format, up_axis):
    read = formats.read(formats.write(MODEL, file_format, up_axis=up_axis, provenance=RECIPE), file_format)
    order = [0, 1, 2] if up_axis == "y" else [0, 2, 1]
    assert len(read.faces) == len(WHOLE.faces)
    assert np.ptp(read.vertices, axis=0) == pytest.approx(np.ptp(WHOLE.vertices, axis=0)[order], rel=1e-5)
    # No part is inside out, the mirrored one neither.
    assert signed_volume(read.vertices, read.faces) == pytest.approx(
        signed_volume(WHOLE.vertices, WHOLE.faces), rel=1e-4
    )
    assert solids.back(read).is_watertight


@pytest.mark.parametrize("file_format", formats.WRITABLE)
def test_the_same_model_gives_the_same_bytes(file_format):
    assert formats.write(Assembly(parts()), file_format) == formats.write(Assembly(parts()), file_format)


@pytest.mark.parametrize("file_format", ["glb", "gltf", "dae", "3mf"])
def test_parts_come_back_with_their_names(file_format):
    model = formats.read_model(formats.write(MODEL, file_format), file_format, max_faces=10_000)
    written = [re.sub(r"[^\w.-]", "_", name) for name in NAMED] if file_format == "dae" else NAMED
    assert sorted(part.name for part in model.parts) == sorted(written)


@pytest.mark.parametrize("source", formats.READABLE)
@pytest.mark.parametrize("target", formats.READABLE)
def test_a_file_converted_from_any_format_to_any_other_keeps_faces_and_size(source, target):
    cube = solids.box((100.0, 50.0, 25.0))
    first = formats.read_model(formats.write(cube, source), source, max_faces=100)
    second = formats.read(formats.write(first, target), target)
    assert len(second.faces) == 12
    assert np.ptp(second.vertices, axis=0) == pytest.approx((100.0, 50.0, 25.0))


def test_a_cube_of_100_mm_is_a_tenth_of_a_metre_in_gltf_and_100_in_a_slicer():
    cube = Assembly((Part("cube", solids.box((100, 100, 100)), at(5)),))
    assert trimesh.load_scene(BytesIO(formats.write(cube, "glb")), file_type="glb").extents == pytest.approx([0.1] * 3)
    assert trimesh.load_mesh(BytesIO(formats.write(cube, "stl")), file_type="stl").extents == pytest.approx([100] * 3)


def materials_of(model) -> dict[str, dict]:
    return {found["name"]: found for found in glb_document(formats.write(model, "glb"))["materials"]}


def test_materials_become_gltf_surfaces():
    found = materials_of(MODEL)
    glass, metal, lamp = found['gl"a<s>s'], found["metal"], found["leaning"]
    assert glass["pbrMetallicRoughness"] == {
        "baseColorFactor": [1.0, 1.0, 1.0, 0.6], "metallicFactor": 0.0, "roughnessFactor": 0.1
    }  # fmt: skip
    assert glass["alphaMode"] == "BLEND"
    # 0.16 r^2 over the 0.04 of glTF: 3.24 for a reflectivity of 0.9, 1 for one of 0.5.
    assert glass["extensions"]["KHR_materials_specular"]["specularColorFactor"] == pytest.approx([3.24] * 3)
    assert metal["extensions"]["KHR_materials_specular"]["specularFactor"] == pytest.approx(1.0)
    assert metal["pbrMetallicRoughness"]["metallicFactor"] == 0.8
    assert lamp["emissiveFactor"] == [1.0, 0.5, 0.0]
    assert lamp["extensions"]["KHR_materials_emissive_strength"] == {"emissiveStrength": 3.0}


def test_alike_parts_share_a_mesh():
    document = glb_document(formats.write(MODEL, "glb"))
    meshes = {node["name"]: node.get("mesh") for node in document["nodes"]}
    assert meshes["metal"] == meshes["metal_2"]
    assert len(document["meshes"]) == 7
    assert document["extensionsUsed"] == ["KHR_materials_emissive_strength", "KHR_materials_specular"]


@needs_validator
@pytest.mark.parametrize("file_format", ["glb", "gltf"])
def test_the_khronos_validator_has_nothing_to_say_of_parts(file_format, tmp_path):
    path = tmp_path / f"model.{file_format}"
    path.write_bytes(formats.write(MODEL, file_format, up_axis="z", provenance=RECIPE))
    script = Path(__file__).with_name("gltf_validator.cjs")
    command = ["node", str(script), str(node_modules().resolve()), str(path)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert report["issues"]["messages"] == []


def test_lib3mf_finds_objects_materials_and_colours_without_a_warning():
    lib3mf = pytest.importorskip("lib3mf", reason="lib3mf, the reference reader, is not installed")
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromBuffer(formats.write(MODEL, "3mf", provenance=RECIPE))
    assert reader.GetWarningCount() == 0
    assert model.GetUnit() == lib3mf.ModelUnit.MilliMeter
    found, names = model.GetMeshObjects(), []
    while found.MoveNext():
        names.append(found.GetCurrentMeshObject().GetName())
    assert names == NAMED
    groups = model.GetBaseMaterialGroups()
    groups.MoveNext()
    group = groups.GetCurrentBaseMaterialGroup()
    first = group.GetAllPropertyIDs()[0]
    assert group.GetName(first) == 'gl"a<s>s'
    colour = group.GetDisplayColor(first)
    assert (colour.Red, colour.Green, colour.Blue, colour.Alpha) == (255, 255, 255, 153)
    item = model.GetBuildItems()
    item.MoveNext()
    assert item.GetCurrent().GetObjectResource().GetName() == "model"


def test_collada_has_nodes_materials_and_colours():
    document = collada.Collada(BytesIO(formats.write(MODEL, "dae")))
    assert document.errors == []
    assert [geometry.name for geometry in document.geometries] == NAMED
    red, green, blue, _ = document.materials[4].effect.diffuse
    assert (red, green, blue) == pytest.approx((0.753, 0.753, 0.753), abs=0.002)  # sRGB of 0.53
    assert document.materials[7].effect.emission[:3] == pytest.approx((1.0, 1.0, 0.0))
    assert document.materials[3].effect.transparency == pytest.approx(0.6)


def test_an_obj_names_its_objects_and_packs_materials_and_pictures():
    with zipfile.ZipFile(BytesIO(formats.write(MODEL, "obj"))) as archive:
        assert archive.namelist() == ["model.obj", "model.mtl", "textured.png"]
        text, materials = archive.read("model.obj").decode(), archive.read("model.mtl").decode()
    assert [line[2:] for line in text.splitlines() if line.startswith("o ")] == [
        name.replace(" ", "_") for name in NAMED
    ]
    assert "newmtl metal\n" in materials
    assert "Pm 0.8\n" in materials
    assert "map_Kd textured.png\n" in materials
    plain = formats.write(Assembly(MODEL.parts[:1] * 2), "obj").decode()
    assert "mtllib" not in plain
    assert plain.count("\no ") == 2


def test_a_model_whose_parts_have_no_faces_is_refused():
    with pytest.raises(EmptyMeshError):
        formats.write(Assembly(MODEL.parts[-1:]), "glb")


def test_names_cannot_break_the_xml():
    odd = Assembly((Part('a\x00b<&">' + "n" * 300, solids.box()), Part("", solids.box(), at(5))))
    for data in (
        formats.write(odd, "dae"),
        zipfile.ZipFile(BytesIO(formats.write(odd, "3mf"))).read("3D/3dmodel.model"),
    ):
        names = [node.get("name", "") for node in ET.fromstring(data).iter()]
        assert "part" in names
        assert max(map(len, names)) <= 120


def usd_modules():
    return pytest.importorskip("pxr", reason="usd-core is not installed (extra `usd`)")


def test_usdz_passes_the_checks_of_its_own_library(tmp_path):
    usd_modules()
    from pxr import Usd, UsdGeom, UsdValidation

    path = tmp_path / "model.usdz"
    path.write_bytes(formats.write(MODEL, "usdz", provenance=RECIPE))
    context = UsdValidation.ValidationContext(UsdValidation.ValidationRegistry().GetOrLoadAllValidators())
    assert [found.GetErrorAsString() for found in context.Validate(Usd.Stage.Open(str(path)))] == []
    poor = Usd.Stage.CreateInMemory()
    UsdGeom.Mesh.Define(poor, "/mesh")
    assert context.Validate(poor) != []


def test_usdz_holds_the_parts_in_metres(tmp_path):
    usd_modules()
    from pxr import Usd, UsdGeom, UsdShade

    path = tmp_path / "model.usdz"
    path.write_bytes(formats.write(MODEL, "usdz", provenance=RECIPE, up_axis="z"))
    stage = Usd.Stage.Open(str(path))
    assert (UsdGeom.GetStageMetersPerUnit(stage), UsdGeom.GetStageUpAxis(stage)) == (1.0, "Z")
    meshes = [prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    assert [prim.GetDisplayName() for prim in meshes] == NAMED
    counts = [len(UsdGeom.Mesh(prim).GetFaceVertexCountsAttr().Get()) for prim in meshes]
    assert sum(counts) == len(WHOLE.faces)
    box = UsdGeom.BBoxCache(0, [UsdGeom.Tokens.default_]).ComputeWorldBound(stage.GetDefaultPrim())
    size = np.array(box.ComputeAlignedRange().GetSize())
    assert size[0] == pytest.approx(np.ptp(WHOLE.vertices, axis=0)[0] / 1000.0, rel=0.05)  # of boxes of parts
    metal = UsdShade.MaterialBindingAPI(meshes[4]).ComputeBoundMaterial()[0].ComputeSurfaceSource()[0]
    assert metal.GetInput("metallic").Get() == pytest.approx(0.8)
    assert json.loads(stage.GetRootLayer().customLayerData["orfeas"]) == RECIPE


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_usdz_is_loaded_again_in_millimetres(up_axis):
    usd_modules()
    from orfeas.geometry.formats import usd

    read = usd.read_usdz(formats.write(MODEL, "usdz", up_axis=up_axis))
    order = [0, 1, 2] if up_axis == "y" else [0, 2, 1]
    assert len(read.faces) == len(WHOLE.faces)
    assert np.ptp(read.vertices, axis=0) == pytest.approx(np.ptp(WHOLE.vertices, axis=0)[order], rel=1e-5)
    assert signed_volume(read.vertices, read.faces) == pytest.approx(
        signed_volume(WHOLE.vertices, WHOLE.faces), rel=1e-4
    )
    with pytest.raises(UnreadableMeshError):
        usd.read_usdz(b"PK nothing of the kind")


def test_usdz_is_refused_without_its_library(monkeypatch):
    from orfeas.errors import FormatUnavailableError
    from orfeas.geometry.formats import usd

    monkeypatch.setattr(usd, "AVAILABLE", False)
    with pytest.raises(FormatUnavailableError, match="usd-core"):
        usd.write_usdz(MODEL, RECIPE, "model", "y")
    with pytest.raises(UnreadableMeshError, match="usd-core"):
        usd.read_usdz(b"")
