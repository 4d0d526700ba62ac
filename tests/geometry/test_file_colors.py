"""Colours and surfaces through files: every format that holds some, and those that other programs wrote."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from orfeas.domain.presets import MATERIALS, Material
from orfeas.geometry import formats
from orfeas.geometry.assembly import Assembly, Part, as_mesh
from orfeas.geometry.mesh import Mesh
from tests.geometry import solids
from tests.geometry.test_formats import glb_document

DATA = Path(__file__).parents[1] / "data" / "meshes"
COLORED = ("obj", "ply", "glb", "gltf", "3mf", "dae")
PAINTED = solids.painted(solids.ball(20.0, 3))
RED, BLUE = [255, 0, 0, 255], [0, 0, 255, 255]


def through(model, file_format):
    return formats.read_model(formats.write(model, file_format), file_format, max_faces=100_000)


@pytest.mark.parametrize("target", COLORED)
@pytest.mark.parametrize("source", COLORED)
def test_colours_come_through_every_pair_of_formats(source, target):
    mesh = through(through(PAINTED, source), target)
    assert isinstance(mesh, Mesh)
    assert (len(mesh.vertices), len(mesh.faces)) == (len(PAINTED.vertices), len(PAINTED.faces))
    assert np.ptp(mesh.vertices, axis=0) == pytest.approx(np.ptp(PAINTED.vertices, axis=0), rel=1e-5)
    order, before = (np.lexsort(np.round(found.vertices, 3).T) for found in (mesh, PAINTED))
    assert np.abs(mesh.vertex_colors[order].astype(int) - PAINTED.vertex_colors[before]).max() <= 2


@pytest.mark.parametrize("file_format", formats.READABLE)
def test_a_plain_mesh_comes_back_plain(file_format):
    mesh = through(solids.ball(20.0, 2), file_format)
    assert isinstance(mesh, Mesh)
    assert mesh.vertex_colors is None


@pytest.mark.parametrize("file_format", ["glb", "gltf"])
@pytest.mark.parametrize("name", MATERIALS)
def test_gltf_gives_back_a_material_as_it_was(file_format, name):
    (part,) = through(Assembly((Part("it", solids.box(), material=MATERIALS[name]),)), file_format).parts
    found, before = part.material, MATERIALS[name]
    assert found.base_color == before.base_color
    assert (found.metalness, found.roughness, found.opacity) == (before.metalness, before.roughness, before.opacity)
    assert found.reflectivity == pytest.approx(before.reflectivity, abs=1e-5)


def test_gltf_gives_back_light_that_a_lamp_sends_out():
    lamp = Material((0.2, 0.2, 0.2), 0.0, 0.5, 0.5, emissive=(1.0, 0.5, 0.0), emissive_intensity=3.0)
    (part,) = through(Assembly((Part("lamp", solids.box(), material=lamp),)), "glb").parts
    assert part.material == lamp


@pytest.mark.parametrize("file_format", ["3mf", "dae"])
def test_base_colours_of_parts_come_back_to_eight_bits(file_format):
    model = Assembly((Part("a", solids.box(), material=MATERIALS["wood"]), Part("b", solids.ball(5.0, 1))))
    found = {part.name: part.material for part in through(model, file_format).parts}
    assert found["a"].base_color == pytest.approx(MATERIALS["wood"].base_color, abs=0.005)
    assert found["b"] is None


def package(resources: str, triangles: str, own: str = "") -> bytes:
    """A 3MF file of a tetrahedron."""
    corners = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in ((0, 0, 0), (9, 0, 0), (0, 9, 0), (0, 0, 9)))
    text = (
        '<?xml version="1.0"?><model unit="millimeter" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"'
        f' xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02"><resources>{resources}'
        f'<object id="9" type="model" {own}><mesh><vertices>{corners}</vertices><triangles>{triangles}</triangles>'
        '</mesh></object></resources><build><item objectid="9"/></build></model>'
    )
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("3D/3dmodel.model", text)
    return target.getvalue()


def triangle(corners: str, more: str = "") -> str:
    first, second, third = corners
    return f'<triangle v1="{first}" v2="{second}" v3="{third}" {more}/>'


BASES = (
    '<basematerials id="1"><base name="a" displaycolor="#FF0000"/>'
    '<base name="b" displaycolor="#0000FF"/></basematerials>'
)
GROUP = '<m:colorgroup id="2"><m:color color="#FF0000"/><m:color color="#0000FFFF"/></m:colorgroup>'
FOUR = ("021", "013", "032", "123")


@pytest.mark.parametrize("own", ['pid="1" pindex="0"', 'pid="2" pindex="0"'])
def test_an_object_of_a_3mf_file_has_its_own_colour(own):
    model = formats.read_model(package(BASES + GROUP, "".join(map(triangle, FOUR)), own), "3mf", max_faces=9)
    if "1" in own:
        assert model.parts[0].material.base_color == (1.0, 0.0, 0.0)
    else:
        assert (model.vertex_colors == RED).all()


def test_corners_of_a_3mf_file_have_their_colours():
    shades = 'pid="2" p1="{}" p2="{}" p3="{}"'
    triangles = "".join(triangle(face, shades.format(*(int(corner == "3") for corner in face))) for face in FOUR)
    mesh = formats.read_model(package(GROUP, triangles), "3mf", max_faces=9)
    at_top = mesh.vertices[:, 2] == 9
    assert (mesh.vertex_colors[at_top] == BLUE).all()
    assert (mesh.vertex_colors[~at_top] == RED).all()


def test_triangles_of_a_3mf_file_share_their_colours_at_the_corners():
    painted = "".join(triangle(face, f'pid="1" p1="{int(face == "123")}"') for face in FOUR)
    mesh = formats.read_model(package(BASES, painted), "3mf", max_faces=9)
    origin = (mesh.vertices == 0.0).all(axis=1)
    assert (mesh.vertex_colors[origin] == RED).all()
    mixed = mesh.vertex_colors[~origin][:, [0, 2]]  # two thirds red and one third blue, in linear light
    assert np.abs(mixed.astype(int) - [213, 156]).max() <= 1


TETRAHEDRON = "0 0 0{}\n9 0 0{}\n0 9 0{}\n0 0 9{}\n"


@pytest.mark.parametrize(
    "code, end", [(" 255 0 0", ""), (" 1.0 0.0 0.0 1.0", ""), ("", " 255 0 0"), ("", " 1.0 0 0 1")]
)
def test_off_files_have_colours_at_vertices_or_faces(code, end):
    faces = "".join(f"3 {' '.join(face)}{end}\n" for face in FOUR)
    head = "COFF" if code else "OFF"
    text = f"{head} # a comment\n4 4 0\n{TETRAHEDRON.format(*[code] * 4)}{faces}"
    mesh = formats.read_model(text.encode(), "off", max_faces=9)
    assert (mesh.vertex_colors == RED).all()


@pytest.mark.parametrize(
    "name", ["meshlab_torus_colours.off", "meshlab_torus_colours.obj", "blender_torus_colours.ply"]
)
def test_files_of_other_programs_keep_their_colours(name):
    mesh = as_mesh(formats.read_model((DATA / name).read_bytes(), name[-3:], max_faces=100_000))
    assert len(np.unique(mesh.vertex_colors, axis=0)) > 10


def test_faces_of_a_ply_file_give_their_colours_to_the_corners():
    faces = "".join(f"3 {' '.join(face)} 255 0 0\n" for face in FOUR)
    head = "ply\nformat ascii 1.0\nelement vertex 4\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    head += "element face 4\nproperty list uchar int vertex_indices\n"
    head += "".join(f"property uchar {name}\n" for name in ("red", "green", "blue")) + "end_header\n"
    mesh = formats.read_model((head + TETRAHEDRON.format(*[""] * 4) + faces).encode(), "ply", max_faces=9)
    assert (mesh.vertex_colors == RED).all()


def test_what_stands_in_a_glb_beside_materials_stays():
    data = formats.write(solids.textured(solids.ball(20.0, 2)), "glb")
    mesh = formats.read_model(data, "glb", max_faces=9999)
    assert mesh.texture.shape == (64, 64, 3)
    assert glb_document(data)["materials"][0]["name"] == "model"
