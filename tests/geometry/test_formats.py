"""Every format: what is written is read back by us and by independent readers."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import zipfile
from io import BytesIO
from pathlib import Path

import collada
import numpy as np
import pytest
import trimesh

from orfeas.errors import EmptyMeshError, FormatUnavailableError, UnreadableMeshError
from orfeas.geometry import formats, scale
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids

SIZE = (80.0, 100.0, 60.0)
PLAIN = scale.fit(solids.bumpy(solids.ball(), 2), dimensions_mm=SIZE, fit="stretch")
PAINTED, TEXTURED = solids.painted(PLAIN), solids.textured(PLAIN)
RECIPE = {"stages": [{"name": "shape.inflate", "version": 1}], "note": 'Größe <&> "1"'}
MESHES = {"plain": PLAIN, "painted": PAINTED, "textured": TEXTURED}


def node_modules() -> Path | None:
    """Where `npm ci` put the validator."""
    places = [os.environ.get("TEST_NODE_MODULES"), Path(__file__).parents[2] / "node_modules"]
    return next((Path(place) for place in places if place and (Path(place) / "gltf-validator").is_dir()), None)


needs_validator = pytest.mark.skipif(
    node_modules() is None or shutil.which("node") is None,
    reason="the Khronos validator is not installed: run `npm ci`, or set TEST_NODE_MODULES to its folder",
)


@pytest.mark.parametrize("up_axis", ["y", "z"])
@pytest.mark.parametrize("kind", MESHES)
@pytest.mark.parametrize("file_format", formats.READABLE)
def test_a_file_holds_the_mesh_in_millimetres(file_format, kind, up_axis):
    mesh = MESHES[kind]
    read = formats.read(formats.write(mesh, file_format, up_axis=up_axis, provenance=RECIPE), file_format)
    assert len(read.faces) == len(mesh.faces)
    assert len(read.vertices) == len(mesh.vertices)
    expected = scale.turn(mesh, up_axis).vertices
    assert read.vertices.min(axis=0) == pytest.approx(expected.min(axis=0), abs=1e-4)
    assert np.ptp(read.vertices, axis=0) == pytest.approx(np.array(SIZE)[[0, 1, 2] if up_axis == "y" else [0, 2, 1]])
    assert solids.back(read).is_watertight
    assert signed_volume(read.vertices, read.faces) == pytest.approx(signed_volume(mesh.vertices, mesh.faces), rel=1e-5)


@pytest.mark.parametrize("kind", MESHES)
@pytest.mark.parametrize("file_format", formats.WRITABLE)
def test_the_same_mesh_gives_the_same_bytes(file_format, kind):
    one, two = (formats.write(MESHES[kind], file_format, provenance=RECIPE) for _ in range(2))
    assert one == two


@pytest.mark.parametrize("file_format", ["obj", "ply", "glb", "gltf"])
def test_vertex_colours_come_back(file_format):
    read = formats.read(formats.write(PAINTED, file_format), file_format)
    expected = solids.painted(Mesh(read.vertices, read.faces)).vertex_colors.astype(int)
    assert np.abs(read.vertex_colors.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("file_format", ["obj", "glb", "gltf"])
def test_textures_come_back(file_format):
    read = formats.read(formats.write(TEXTURED, file_format), file_format)
    assert np.abs(read.texture.astype(int) - TEXTURED.texture.astype(int)).max() <= 4  # JPEG
    assert read.corner_uv == pytest.approx(solids.textured(Mesh(read.vertices, read.faces)).corner_uv, abs=1e-5)


def test_ply_holds_the_colours_of_a_texture():
    read = formats.read(formats.write(TEXTURED, "ply"), "ply")
    along = (read.vertices - read.vertices.min(axis=0)) / np.ptp(read.vertices, axis=0)
    assert np.abs(read.vertex_colors[:, 0] - along[:, 0] * 255.0).max() < 6.0
    assert np.abs(read.vertex_colors[:, 1] - along[:, 1] * 255.0).max() < 6.0
    assert (read.vertex_colors[:, 2] == 60).all()


def test_stl_is_binary_with_normals_outward():
    data = formats.write(PLAIN, "stl")
    assert len(data) == 84 + 50 * len(PLAIN.faces)
    assert not data.startswith(b"solid")
    assert struct.unpack_from("<I", data, 80) == (len(PLAIN.faces),)
    loaded = trimesh.load_mesh(BytesIO(data), file_type="stl")
    assert loaded.volume > 0.0
    stored = np.frombuffer(data, dtype=[("n", "<f4", 3), ("r", "u1", 38)], offset=84)["n"]
    assert stored == pytest.approx(loaded.face_normals, abs=1e-5)


def test_a_textured_obj_is_an_archive_with_fixed_names_and_dates():
    with zipfile.ZipFile(BytesIO(formats.write(TEXTURED, "obj"))) as archive:
        assert archive.namelist() == ["model.obj", "model.mtl", "model.png"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"mtllib model.mtl" in archive.read("model.obj")
        assert b"map_Kd model.png" in archive.read("model.mtl")
    assert formats.write(PLAIN, "obj").startswith(b"# written by orfeas, unit: mm\no model\nv ")


def glb_document(data: bytes) -> dict:
    length = struct.unpack_from("<I", data, 12)[0]
    return json.loads(data[20 : 20 + length])


@pytest.mark.parametrize("kind", MESHES)
def test_gltf_states_scale_and_origin(kind):
    data = formats.write(MESHES[kind], "glb", provenance=RECIPE)
    document = glb_document(data)
    assert document == {**json.loads(formats.write(MESHES[kind], "gltf", provenance=RECIPE)), "buffers": [
        {"byteLength": document["buffers"][0]["byteLength"]}
    ]}  # fmt: skip
    assert document["asset"]["extras"]["orfeas"] == RECIPE
    assert document["nodes"][0]["scale"] == [0.001] * 3
    assert document["materials"][0]["pbrMetallicRoughness"]["metallicFactor"] == 0.0
    assert trimesh.load_scene(BytesIO(data), file_type="glb").extents == pytest.approx(np.array(SIZE) / 1000.0)


def test_the_recipe_may_be_json_text():
    assert formats.write(PLAIN, "glb", provenance=json.dumps(RECIPE)) == formats.write(PLAIN, "glb", provenance=RECIPE)


def test_gltf_keeps_hard_edges_and_smooth_surfaces():
    def corners(mesh):
        return glb_document(formats.write(mesh, "glb"))["accessors"][0]["count"]

    assert corners(solids.box()) == 24  # three normals at each corner
    assert corners(solids.ball()) == len(solids.ball().vertices)


@needs_validator
@pytest.mark.parametrize("file_format", ["glb", "gltf"])
@pytest.mark.parametrize("kind", [*MESHES, "large", "translucent"])
def test_the_khronos_validator_has_nothing_to_say(kind, file_format, tmp_path):
    more = {
        "large": solids.ball(50.0, 7),  # more vertices than 16-bit indices can name
        "translucent": Mesh(PAINTED.vertices, PAINTED.faces, vertex_colors=PAINTED.vertex_colors // 2),
    }
    path = tmp_path / f"model.{file_format}"
    path.write_bytes(formats.write((MESHES | more)[kind], file_format, provenance=RECIPE))
    script = Path(__file__).with_name("gltf_validator.cjs")
    command = ["node", str(script), str(node_modules().resolve()), str(path)]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    assert report["issues"]["messages"] == []
    assert report["info"]["totalTriangleCount"] == len((MESHES | more)[kind].faces)


@pytest.mark.parametrize("kind", MESHES)
def test_lib3mf_reads_the_package_without_a_warning(kind):
    lib3mf = pytest.importorskip("lib3mf", reason="lib3mf, the reference reader, is not installed")
    model = lib3mf.get_wrapper().CreateModel()
    reader = model.QueryReader("3mf")
    reader.SetStrictModeActive(True)
    reader.ReadFromBuffer(formats.write(MESHES[kind], "3mf", provenance=RECIPE))
    assert reader.GetWarningCount() == 0
    assert model.GetUnit() == lib3mf.ModelUnit.MilliMeter
    found = model.GetMeshObjects()
    assert found.MoveNext()
    solid = found.GetCurrentMeshObject()
    assert (solid.GetVertexCount(), solid.GetTriangleCount()) == (len(PLAIN.vertices), len(PLAIN.faces))
    assert solid.IsManifoldAndOriented()
    data = model.GetMetaDataGroup().GetMetaDataByKey("urn:orfeas:provenance:1", "provenance").GetValue()
    assert json.loads(data) == RECIPE
    if kind != "plain":
        properties = solid.GetTriangleProperties(7)
        group = model.GetColorGroupByID(properties.ResourceID)
        colour = group.GetColor(properties.PropertyIDs[0])
        corner = formats.read(formats.write(MESHES[kind], "ply"), "ply").vertex_colors[PLAIN.faces[7, 0]]
        assert [colour.Red, colour.Green, colour.Blue] == corner[:3].tolist()


@pytest.mark.parametrize("up_axis", ["y", "z"])
def test_collada_states_unit_axis_and_colours(up_axis):
    document = collada.Collada(BytesIO(formats.write(PAINTED, "dae", up_axis=up_axis)))
    assert document.errors == []
    assert (document.assetInfo.unitmeter, document.assetInfo.upaxis) == (1.0, f"{up_axis.upper()}_UP")
    triangles = document.geometries[0].primitives[0]
    assert len(triangles) == len(PLAIN.faces)
    colours = triangles.sources["COLOR"][0][4].data
    assert colours * 255.0 == pytest.approx(PAINTED.vertex_colors, abs=0.02)
    node = next(document.scene.objects("geometry"))
    assert np.diag(node.matrix).tolist() == pytest.approx([0.001, 0.001, 0.001, 1.0])
    assert np.ptp(triangles.vertex, axis=0).max() == pytest.approx(100.0)


def test_unknown_formats_and_empty_meshes_are_refused():
    with pytest.raises(FormatUnavailableError):
        formats.write(PLAIN, "fbx")
    with pytest.raises(UnreadableMeshError):
        formats.read(b"", "fbx")
    with pytest.raises(EmptyMeshError):
        formats.write(Mesh(PLAIN.vertices, PLAIN.faces[:0]), "stl")


@pytest.mark.parametrize("file_format", formats.READABLE)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9])
def test_cut_files_are_unreadable_or_lack_faces(file_format, share):
    whole = formats.write(TEXTURED, file_format)
    try:
        read = formats.read(whole[: int(len(whole) * share)], file_format)
    except (UnreadableMeshError, EmptyMeshError):
        return
    assert len(read.faces) < len(TEXTURED.faces)


@pytest.mark.parametrize("file_format, offset", [("stl", 84 + 12), ("ply", 0)])
def test_positions_that_are_not_finite_are_unreadable(file_format, offset):
    data = bytearray(formats.write(PLAIN, file_format))
    place = offset or data.index(b"end_header\n") + len(b"end_header\n")
    struct.pack_into("<f", data, place, np.nan)
    with pytest.raises(UnreadableMeshError, match="finite"):
        formats.read(bytes(data), file_format)


def test_ascii_stl_is_read():
    text = solids.back(solids.box()).export(file_type="stl_ascii")
    assert len(formats.read(text.encode(), "stl").faces) == 12


def test_references_to_other_files_are_not_followed(tmp_path):
    secret = tmp_path / "secret.mtl"
    secret.write_text("newmtl secret\nKd 1 0 0\n")
    text = f"mtllib {secret}\nusemtl secret\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n"
    read = formats.read(text.encode(), "obj")
    assert (len(read.faces), read.texture, read.vertex_colors) == (1, None, None)
    outside = {"asset": {"version": "2.0"}, "buffers": [{"uri": str(secret), "byteLength": 4}], "meshes": []}
    with pytest.raises((UnreadableMeshError, EmptyMeshError)):
        formats.read(json.dumps(outside).encode(), "gltf")


@pytest.mark.parametrize("file_format", ["dae", "3mf"])
def test_xml_entities_are_refused(file_format):
    doctype = '<!DOCTYPE x [<!ENTITY boom SYSTEM "file:///etc/passwd">]>'
    if file_format == "dae":
        data = formats.write(PLAIN, "dae").decode().replace("?>\n", f"?>\n{doctype}", 1).encode()
    else:
        target = BytesIO()
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("3D/3dmodel.model", f'<?xml version="1.0"?>{doctype}<model>&boom;</model>')
        data = target.getvalue()
    with pytest.raises(UnreadableMeshError, match="document type"):
        formats.read(data, file_format)
