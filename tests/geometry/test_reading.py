"""Mesh files of strangers: parts, units, limits, and one clear error for each thing that is wrong."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from functools import lru_cache

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from orfeas.errors import EmptyMeshError, TooLargeError, UnreadableMeshError
from orfeas.geometry import formats
from orfeas.geometry.assembly import Assembly, Model, as_mesh
from orfeas.geometry.formats.models import read_model
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids

EXAMPLES = 3000 if os.environ.get("TEST_SCALE") == "full" else 150
NAMED = (UnreadableMeshError, EmptyMeshError, TooLargeError)
LIMIT = 100_000
BOX = solids.box((10.0, 20.0, 30.0))


def loaded(data: bytes, file_format: str, **more: object) -> Model:
    """The file within an ample limit."""
    return read_model(data, file_format, **{"max_faces": LIMIT, **more})  # type: ignore[arg-type]


@lru_cache
def files() -> list[tuple[str, bytes]]:
    """Real files in every format, plain, painted and with a picture."""
    shapes = [BOX, solids.painted(solids.ball(10.0, 1)), solids.textured(BOX)]
    made = [(name, formats.write(mesh, name)) for name in formats.READABLE for mesh in shapes]
    scene = trimesh.Scene([trimesh.creation.box(), trimesh.creation.icosphere(1)])
    made += [(name, scene.export(file_type=name)) for name in ("glb", "3mf")]
    return [*made, ("stl", trimesh.creation.box().export(file_type="stl_ascii").encode())]


@pytest.mark.parametrize("name", formats.READABLE)
def test_every_format_gives_back_the_size_in_millimetres(name: str) -> None:
    mesh = as_mesh(loaded(formats.write(BOX, name), name))
    assert len(mesh.faces) == 12
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx([10.0, 20.0, 30.0], rel=1e-6)


@pytest.mark.parametrize("unit, factor", [("mm", 1.0), ("cm", 10.0), ("m", 1000.0), ("inch", 25.4)])
def test_the_unit_counts_where_the_file_states_none(unit: str, factor: float) -> None:
    stl = as_mesh(loaded(formats.write(BOX, "stl"), "stl", unit=unit))
    glb = as_mesh(loaded(formats.write(BOX, "glb"), "glb", unit=unit))
    assert np.ptp(stl.vertices, axis=0) == pytest.approx(np.array([10.0, 20.0, 30.0]) * factor, rel=1e-6)
    assert np.ptp(glb.vertices, axis=0) == pytest.approx([10.0, 20.0, 30.0], rel=1e-6)


@pytest.mark.parametrize("name", ["glb", "3mf"])
def test_a_scene_keeps_its_parts_and_their_places(name: str) -> None:
    scene = trimesh.Scene()
    turn = trimesh.transformations.rotation_matrix(0.7, [1, 2, 3])
    turn[:3, 3] = 4.0, 5.0, 6.0
    box = trimesh.creation.box((1.0, 2.0, 3.0))
    scene.add_geometry(box, node_name="lid", geom_name="lid", transform=turn)
    scene.add_geometry(trimesh.creation.icosphere(1), node_name="knob", geom_name="knob")
    model = loaded(scene.export(file_type=name), name)
    assert isinstance(model, Assembly)
    assert len(model.parts) == 2
    lid = next(part for part in model.parts if len(part.mesh.faces) == 12)
    factor = 1000.0 if name == "glb" else 1.0
    there = trimesh.transformations.transform_points(box.vertices, turn) * factor
    assert np.sort(lid.placed.vertices, axis=0) == pytest.approx(np.sort(there, axis=0), rel=1e-4, abs=1e-3)
    assert np.linalg.det(lid.transform[:3, :3]) == pytest.approx(1.0)


def test_a_picture_and_colours_stay() -> None:
    picture = loaded(formats.write(solids.textured(BOX), "glb"), "glb")
    painted = as_mesh(loaded(formats.write(solids.painted(BOX), "ply"), "ply"))
    mesh = picture if isinstance(picture, Mesh) else picture.parts[0].mesh
    assert mesh.texture is not None
    assert mesh.texture.shape == (64, 64, 3)
    assert painted.vertex_colors is not None
    assert np.ptp(painted.vertex_colors[:, 0]) == 255


@pytest.mark.parametrize("cut", [0, 50, 83, 84, 200, -1])
def test_a_binary_stl_of_another_size_than_it_says_is_unreadable(cut: int) -> None:
    with pytest.raises(UnreadableMeshError):
        loaded(formats.write(BOX, "stl")[:cut], "stl")
    with pytest.raises(UnreadableMeshError, match="12 triangles"):
        loaded(formats.write(BOX, "stl") + b"more", "stl")


def test_a_binary_stl_that_begins_with_solid_is_read() -> None:
    data = b"solid " + formats.write(BOX, "stl")[6:]
    assert len(as_mesh(loaded(data, "stl")).faces) == 12
    with pytest.raises(UnreadableMeshError, match="cut off"):
        loaded(data[:-1], "stl")


def test_an_stl_without_triangles_is_empty() -> None:
    with pytest.raises(EmptyMeshError):
        loaded(b"\1" * 80 + struct.pack("<I", 0), "stl")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float) -> None:
    vertices = BOX.vertices.copy()
    vertices[3, 1] = value
    for name in ("stl", "ply"):
        with pytest.raises(UnreadableMeshError, match="finite"), np.errstate(all="ignore"):
            loaded(formats.write(Mesh(vertices, BOX.faces), name), name)


@pytest.mark.parametrize("name", formats.READABLE)
def test_more_faces_than_allowed_are_too_large(name: str) -> None:
    with pytest.raises(TooLargeError, match="11"):
        loaded(formats.write(BOX, name), name, max_faces=11)


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_too_large() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.obj", b"#" * (80 << 20))
    with pytest.raises(TooLargeError, match="unpacks"):
        loaded(target.getvalue(), "obj")


def test_paths_out_of_an_archive_are_refused() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("../model.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(UnreadableMeshError, match="leads out"):
        loaded(target.getvalue(), "obj")


def rewritten(changes: dict[str, object]) -> bytes:
    """The box as glTF with other members."""
    return json.dumps({**json.loads(formats.write(BOX, "gltf")), **changes}).encode()


@pytest.mark.parametrize(
    "changes, why",
    [
        ({"buffers": [{"uri": "http://127.0.0.1/a.bin", "byteLength": 9}]}, "other files"),
        ({"buffers": [{"uri": "../../etc/passwd", "byteLength": 9}]}, "other files"),
        ({"nodes": [{"children": [1, 1]}, {"mesh": 0}]}, "two others"),
        ({"accessors": [{"count": 10**12, "componentType": 5126, "type": "VEC3"}]}, "bytes"),
    ],
)
def test_gltf_that_asks_for_too_much_is_refused(changes: dict[str, object], why: str) -> None:
    with pytest.raises(UnreadableMeshError, match=why):
        loaded(rewritten(changes), "gltf")


def threemf(objects: str) -> bytes:
    """A 3MF file of these objects; the last one, 30, is built."""
    names = ('xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"', 'unit="millimeter"')
    text = f"<model {' '.join(names)}><resources>{objects}</resources><build><item objectid='30'/></build></model>"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("3D/3dmodel.model", text)
    return target.getvalue()


def test_components_that_multiply_or_never_end_are_refused() -> None:
    below = "<object id='{}'><components>{}</components></object>"
    many = "".join(below.format(n, f"<component objectid='{n - 1}'/>" * 4) for n in range(2, 31))
    with pytest.raises(TooLargeError, match="parts"):
        loaded(threemf(many), "3mf")
    with pytest.raises(UnreadableMeshError, match="without end"):
        loaded(threemf("<object id='30'><components><component objectid='30'/></components></object>"), "3mf")


@pytest.mark.parametrize("text", [b"<!DOCTYPE a [<!ENTITY b 'c'>]><COLLADA/>", b"<!doctype x><COLLADA/>"])
def test_xml_with_a_document_type_is_refused(text: bytes) -> None:
    with pytest.raises(UnreadableMeshError, match="document type"):
        loaded(text, "dae")


def test_a_format_that_is_not_read_is_named() -> None:
    with pytest.raises(UnreadableMeshError, match="fbx"):
        loaded(b"x", "fbx")


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.data())
def test_damaged_files_give_a_model_or_a_named_error(data: st.DataObject) -> None:
    name, found = data.draw(st.sampled_from(files()))
    damaged = bytearray(found)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([len(damaged), data.draw(st.integers(0, len(damaged)))]))
    try:
        model = loaded(bytes(damaged[:cut]), name)
    except NAMED:
        return
    mesh = as_mesh(model)
    assert len(mesh.faces) <= LIMIT
    assert np.isfinite(mesh.vertices[mesh.faces]).all()
