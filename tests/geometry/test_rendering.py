"""Pictures agree with what can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orfeas.domain.presets import CAMERAS, LIGHTING, MATERIALS, STYLES, Lamp, LightRig, Material, View
from orfeas.errors import EmptyMeshError
from orfeas.geometry import colors, formats
from orfeas.geometry.assembly import Assembly, Part, as_assembly
from orfeas.geometry.formats.models import read_model
from orfeas.geometry.mesh import Maps, Mesh
from orfeas.geometry.normals import unit
from orfeas.geometry.raycast import Scene
from orfeas.geometry.rendering import BARE, LOOKS, Framing, Look, Studio, render_model
from orfeas.geometry.rendering.camera import FRAMED_RADIUS
from orfeas.geometry.rendering.environment import environment
from orfeas.geometry.rendering.shading import Lights, surroundings
from orfeas.geometry.rendering.slow import SlowScene
from tests.geometry import solids

BALL = solids.ball(1.0, 5)
DARK = Lamp(0.0, (0, 1, 0))
MATT = Material((0.5, 0.5, 0.5), 0.0, 1.0, 0.0)
SIZE = 160


def rig(main: Lamp, ambient: float = 0.0, shadow: float = 1.0) -> LightRig:
    return LightRig(ambient, main, DARK, DARK, (0.0, 0.0, 0.0), shadow)


def picture(model, **more) -> np.ndarray:
    settings = {"view": CAMERAS["front"], "width": SIZE, "height": SIZE, "background": "transparent", **more}
    return render_model(model, **settings)


def light(pixels: np.ndarray) -> np.ndarray:
    return colors.linear(pixels[..., :3])


def flat_view(half_height: float) -> View:
    """An orthographic camera in front that sees so many millimetres above and below the origin."""
    fov = float(np.degrees(2.0 * np.arctan(half_height / 100.0)))
    return View((0.0, 0.0, 100.0), fov=fov, projection="orthographic")


def test_a_matt_ball_under_one_lamp_follows_the_cosine():
    lit = rig(Lamp(1.0, (1, 0, 1)))
    shown = picture(BALL, view=flat_view(1.25), framed=False, material=MATT, lighting=lit, style=BARE)
    row = light(shown)[SIZE // 2, :, 0]
    x = (np.arange(SIZE) + 0.5 - SIZE / 2) / (SIZE / 2) * 1.25
    inside = np.abs(x) < 0.97
    normal = np.stack([x[inside], 0 * x[inside], np.sqrt(1 - x[inside] ** 2)], axis=1)
    expected = 0.5 * np.maximum(normal @ unit(np.array([1.0, 0.0, 1.0])), 0.0)
    assert row[inside] == pytest.approx(expected, abs=0.012)
    assert row[inside][x[inside] < -0.75].max() == 0.0, "beyond the terminator at -sin 45 degrees it is dark"


def test_a_mirror_shows_the_environment():
    mirror = Material((1.0, 1.0, 1.0), 1.0, 0.0, 1.0)
    look = Look(environment=1.0, occlusion=0.0, spread=0.0, ground=0.0)
    lit = rig(DARK, ambient=0.5)
    shown = light(picture(BALL, view=flat_view(1.25), framed=False, material=mirror, lighting=lit, style=look))
    for row, column in ((80, 80), (60, 105), (67, 48), (118, 86)):
        x, y = (column + 0.5 - SIZE / 2) / SIZE * 2.5, (SIZE / 2 - row - 0.5) / SIZE * 2.5
        normal = np.array([x, y, np.sqrt(1.0 - x * x - y * y)])
        along = (2.0 * normal[2] * normal - [0.0, 0.0, 1.0]).astype(np.float32)
        expected = environment(along[None], np.array([0.0525], np.float32))[0] * surroundings(Lights.of(lit))
        assert shown[row, column] == pytest.approx(min(expected, 1.0), rel=0.08, abs=0.01)


def test_the_edge_of_a_shadow_lies_where_the_lamp_puts_it():
    plate = solids.box((1.0, 1.0, 0.02), at=(0.0, 0.0, 1.0))
    wall = solids.box((6.0, 4.0, 0.02))
    hard = Look(environment=0.0, occlusion=0.0, spread=1e-3, ground=0.0)
    lit = rig(Lamp(1.0, (1, 0, 1)))
    view = View((-30.0, 0.0, 100.0), fov=3.0, projection="orthographic")
    shown = picture(solids.together(plate, wall), view=view, framed=False, material=MATT, lighting=lit, style=hard,
                    width=400, height=400)  # fmt: skip
    studio = Studio(solids.together(plate, wall), size=400)
    rays = studio.camera(view, 400, 400, framed=False).rays(
        np.array([[c + 0.5, 200.5] for c in range(400)], np.float32)
    )
    met = studio.rays.first(*rays)
    at = (rays[0] + rays[1] * met.distance[:, None])[met.face >= 0] * studio.surfaces.radius + studio.surfaces.centre
    row = light(shown)[200, met.face >= 0, 0]
    on_wall = at[:, 2] < 0.1
    dark = at[on_wall & (row < 0.02), 0]
    # The plate from -0.5 to 0.5 is moved by its distance from the wall against the lamp; its own cover hides a part.
    assert dark.min() == pytest.approx(-1.48, abs=0.03)
    assert row[on_wall & (at[:, 0] < -1.56)].min() > 0.3


def test_shadow_strength_is_that_of_the_rig():
    roof = solids.box((3.0, 0.02, 3.0), at=(0.0, 1.5, 0.0))
    model = solids.together(roof, solids.box((1.0, 1.0, 1.0)))
    look = Look(environment=0.0, occlusion=0.0, spread=0.02, ground=0.0)
    for shadow in (0.0, 0.4, 1.0):
        lit = rig(Lamp(1.0, (0, 1, 0.3)), shadow=shadow)
        shown = picture(model, view=flat_view(2.0), framed=False, material=MATT, lighting=lit, style=look)
        expected = 0.5 * 0.3 / np.hypot(1.0, 0.3) * (1.0 - shadow)
        assert light(shown)[SIZE // 2, SIZE // 2, 0] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("half", [1.0, 2.5])
def test_orthographic_sizes_are_exact_to_a_pixel(half):
    shown = picture(solids.box((2.0, 1.0, 1.0)), view=flat_view(half), framed=False, width=200, height=200, style=BARE)
    rows, columns = np.nonzero(shown[..., 3] > 127)
    assert np.ptp(columns) + 1 == pytest.approx(200 * 1.0 / half, abs=1)
    assert np.ptp(rows) + 1 == pytest.approx(100 / half, abs=1)


def test_a_perspective_ball_has_the_size_that_its_field_of_view_says():
    shown = picture(BALL, view=View((0.0, 0.0, 5.0), fov=40.0), framed=False, style=BARE, width=300, height=300)
    rows = np.flatnonzero((shown[..., 3] > 127).any(axis=1))
    expected = 300 * np.tan(np.arcsin(1.0 / 5.0)) / np.tan(np.radians(20.0))
    assert np.ptp(rows) + 1 == pytest.approx(expected, abs=2)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_standard_views_show_models_of_every_size_alike(scale):
    shown = picture(BALL.moved(BALL.vertices * scale + 7.0 * scale), style=BARE)
    rows = np.flatnonzero((shown[..., 3] > 127).any(axis=1))
    expected = SIZE * np.tan(np.arcsin(FRAMED_RADIUS / 10.0)) / np.tan(np.radians(25.0))
    assert np.ptp(rows) + 1 == pytest.approx(expected, abs=2)
    assert rows.mean() == pytest.approx((SIZE - 1) / 2, abs=1)


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("width, height", [(96, 64), (48, 96)])
def test_every_standard_view_holds_the_whole_model(name, width, height):
    shown = picture(solids.box((1.0, 2.0, 3.0)), view=CAMERAS[name], width=width, height=height, style=BARE)
    covered = shown[..., 3] > 0
    assert covered.any()
    if name != "custom":
        assert not covered[[0, -1]].any()
        assert not covered[:, [0, -1]].any()


def test_top_and_bottom_views_are_upright():
    box = solids.box((1.0, 1.0, 2.0))
    reds = np.where(box.vertices[:, 2] > 0.0, 255, 0)
    paint = np.stack([reds, 0 * reds, 255 - reds, 0 * reds + 255], axis=1).astype(np.uint8)
    painted = Mesh(box.vertices, box.faces, vertex_colors=paint)
    top, bottom = picture(painted, view=CAMERAS["top"]), picture(painted, view=CAMERAS["bottom"])
    assert top[SIZE // 4 + 20, SIZE // 2, 2] > top[SIZE // 4 + 20, SIZE // 2, 0], "far (-z) is on top from above"
    assert bottom[SIZE // 4 + 20, SIZE // 2, 0] > bottom[SIZE // 4 + 20, SIZE // 2, 2], "near (+z) is on top from below"


def test_a_transparent_part_shows_what_is_behind_it():
    pane = Part("pane", solids.box((2.0, 2.0, 0.1), at=(0, 0, 1)), material=Material((1, 1, 1), 0, 1, 0, opacity=0.25))
    wall = Part("wall", solids.box((1.0, 1.0, 0.1)), material=MATT)
    lit = rig(Lamp(0.0, (0, 0, 1)), ambient=1.0)
    shown = picture(Assembly((pane, wall)), lighting=lit, style=BARE, view=flat_view(1.5), framed=False)
    assert light(shown)[SIZE // 2, SIZE // 2, 0] == pytest.approx(0.25 + 0.75 * 0.5, abs=0.01)
    assert shown[SIZE // 2, SIZE // 2, 3] == 255
    assert shown[SIZE // 2, int(SIZE * (0.5 + 0.8 / 3)), 3] == pytest.approx(0.25 * 255, abs=2)


def test_emissive_parts_shine_in_the_dark():
    lamp = Material((0, 0, 0), 0.0, 1.0, 0.0, emissive=(0.5, 0.25, 0.0), emissive_intensity=0.5)
    shown = light(picture(BALL, material=lamp, lighting=rig(DARK), style=BARE))
    assert shown[SIZE // 2, SIZE // 2] == pytest.approx([0.25, 0.125, 0.0], abs=0.01)


def test_a_material_takes_the_place_of_the_models_own_colours():
    own, dressed = picture(solids.textured(BALL), style=BARE), picture(solids.textured(BALL), style=BARE, material=MATT)
    assert np.ptp(own[60:100, 60:100, :3].astype(int), axis=2).max() > 40
    assert np.ptp(dressed[..., :3].astype(int), axis=2).max() <= 1


def test_parts_keep_their_own_textures_and_materials():
    left = Part("left", solids.textured(solids.ball(1.0, 3)))
    away = np.eye(4)
    away[0, 3] = 2.5
    shown = picture(Assembly((left, Part("right", solids.ball(1.0, 3), away, MATERIALS["plastic"]))), width=320)
    assert shown[SIZE // 2, 194, 2] > shown[SIZE // 2, 194, 0] + 40
    assert np.ptp(shown[SIZE // 2, 106:146, 0].astype(int)) > 40


def test_few_samples_where_nothing_changes_equal_many_everywhere():
    model = solids.textured(solids.torus())
    fine = picture(model, samples=4, background="#808080").astype(int)
    studio = Studio(model, size=SIZE)
    camera = studio.camera(CAMERAS["front"], SIZE, SIZE)
    studio._edges = lambda hits, shape: np.ones(len(hits.face), dtype=bool)  # type: ignore[method-assign]
    everywhere = studio.picture(camera, samples=4, background="#808080").astype(int)
    assert np.abs(fine - everywhere).max() <= 12
    assert np.abs(fine - everywhere).mean() < 0.25


@pytest.mark.parametrize("style", STYLES)
def test_every_style_has_a_look_of_its_own_and_repeats_it(style):
    model = solids.painted(solids.torus())
    shown = picture(model, view=Framing(), style=style, width=96, height=96, background="lighting")
    assert (shown == picture(model, view=Framing(), style=style, width=96, height=96, background="lighting")).all()
    assert (shown[..., 3] == 255).all()
    others = [name for name in LOOKS if name != style]
    for other in others:
        assert LOOKS[other] != LOOKS[style]
    assert np.ptp(shown[..., :3].astype(int).sum(axis=2)) > 60


@pytest.mark.parametrize("lighting", LIGHTING)
def test_the_background_is_that_of_the_lighting_or_what_is_asked_for(lighting):
    rig_of = LIGHTING[lighting]
    shown = picture(BALL, lighting=rig_of, background="lighting", width=48, height=48)
    assert shown[0, 0, :3] == pytest.approx([round(c * 255) for c in rig_of.background], abs=1)
    assert picture(BALL, lighting=rig_of, background="#102030", width=48, height=48)[0, 0].tolist() == [16, 32, 48, 255]
    assert picture(BALL, lighting=rig_of, width=48, height=48)[0, 0, 3] == 0


def test_rays_without_embree_meet_the_same_faces():
    rng = np.random.default_rng(3)
    torus = solids.torus()
    vertices = torus.vertices.astype(np.float32)
    origins = rng.uniform(-3, 3, (3000, 3)).astype(np.float32)
    directions = unit(rng.uniform(-1, 1, (3000, 3)).astype(np.float32) - 0.5 * origins)
    fast, slow = Scene(vertices, torus.faces), SlowScene(vertices, torus.faces)
    one, other = fast.first(origins, directions), slow.first(origins, directions)
    agree = one.face == other.face
    assert agree.mean() > 0.998
    met = agree & (one.face >= 0)
    assert met.sum() > 300
    assert other.distance[met] == pytest.approx(one.distance[met], abs=1e-4)
    assert other.u[met] == pytest.approx(one.u[met], abs=1e-3)
    assert (fast.reach_sky(origins, directions) == slow.reach_sky(origins, directions)).mean() > 0.998


def test_pictures_without_embree_look_the_same(monkeypatch):
    model = solids.textured(solids.torus())
    fast = picture(model, width=64, height=64).astype(int)
    monkeypatch.setattr("orfeas.geometry.rendering.studio.has_embree", lambda: False)
    assert np.abs(fast - picture(model, width=64, height=64)).mean() < 0.5


def test_no_faces_no_picture():
    with pytest.raises(EmptyMeshError):
        picture(Mesh(BALL.vertices, BALL.faces[:0]))


def square() -> Mesh:
    """Ten by ten millimetres that face the front, with a white picture all over."""
    vertices = np.array([[-5.0, -5, 0], [5, -5, 0], [5, 5, 0], [-5, 5, 0]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    uv = (vertices[faces][..., :2] / 10.0 + 0.5).astype(np.float32)
    return Mesh(vertices, faces, corner_uv=uv, texture=np.full((4, 4, 3), 255, np.uint8))


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_a_normal_map_leans_the_surface_as_far_as_its_scale_says(scale):
    lean = np.array([np.sin(0.5), 0.0, np.cos(0.5)])  # towards +x on the left half, towards +y on the right one
    codes = np.round(127.5 + 127.5 * np.stack([lean, lean[[1, 0, 2]]])).astype(np.uint8)
    picture_of_normals = np.repeat(np.repeat(codes[None], 32, axis=1), 64, axis=0)
    mesh = replace(square(), maps=Maps(normal=picture_of_normals))
    model = Assembly((Part("plate", mesh, material=replace(MATT, normal_scale=scale)),))
    toward = unit(np.array([1.0, 2.0, 2.0]))
    shown = light(picture(model, view=flat_view(5.0), framed=False, lighting=rig(Lamp(1.0, (1, 2, 2))), style=BARE))
    for column, told in ((40, codes[0]), (120, codes[1])):
        normal = unit((told / 127.5 - 1.0) * [scale, scale, 1.0])
        assert shown[80, column, 0] == pytest.approx(0.5 * normal @ toward, abs=0.01)


def test_maps_tell_roughness_metalness_and_glow_place_by_place():
    surface, glow = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    surface[:, :32], surface[:, 32:] = (0, 255, 255), (0, 255, 0)  # metal on the left
    glow[:16] = 255, 0, 0
    mesh = replace(square(), maps=Maps(surface=surface, emissive=glow))
    material = Material((0.5, 0.5, 0.5), 1.0, 1.0, 0.0, emissive=(1.0, 1.0, 1.0), emissive_intensity=0.25)
    model = Assembly((Part("plate", mesh, material=material),))
    shown = light(picture(model, view=flat_view(5.0), framed=False, lighting=rig(DARK, ambient=0.6), style=BARE))
    assert shown[120, 40] == pytest.approx(0.0, abs=0.01), "metal scatters nothing"
    assert shown[120, 120] == pytest.approx(0.3, abs=0.01)
    assert shown[20, 120] == pytest.approx([0.55, 0.3, 0.3], abs=0.01)


def test_maps_come_back_from_glb():
    y, x = np.mgrid[0:16, 0:16] * 16
    pictures = [np.stack([x, y, np.full_like(x, tone)], axis=-1).astype(np.uint8) for tone in (255, 90, 30)]
    material = Material(
        (0.9, 0.8, 0.7), 1.0, 0.5, 0.5, emissive=(1.0, 1.0, 1.0), emissive_intensity=1.0, normal_scale=0.5
    )
    model = Assembly((Part("plate", replace(square(), maps=Maps(*pictures)), material=material),))
    part = as_assembly(read_model(formats.write(model, "glb"), "glb", max_faces=100)).parts[0]
    assert part.material == material
    assert part.mesh.maps is not None
    assert np.array_equal(part.mesh.maps.normal, pictures[0])
    assert np.array_equal(part.mesh.maps.surface, pictures[1])
    assert np.abs(part.mesh.maps.emissive.astype(int) - pictures[2]).mean() < 4.0


def test_bright_light_keeps_its_shades_below_white():
    white = Material((0.96, 0.96, 0.86), 0.0, 0.4, 0.4)
    for lit in LIGHTING.values():
        shown = picture(BALL, view=flat_view(1.25), framed=False, material=white, lighting=lit)
        ball = shown[..., :3][shown[..., 3] == 255]
        assert (ball.min(axis=1) == 255).mean() < 0.01
        assert np.ptp(ball[:, 0]) > 25


def test_a_model_throws_its_shadow_on_the_ground_away_from_the_light():
    lit = rig(Lamp(1.0, (1, 1, 0)))
    shown = picture(solids.box((1.0, 1.0, 1.0)), view=Framing(0.0, 60.0), lighting=lit, material=MATT)
    ground = np.where(shown[..., 3] == 255, 0, shown[..., 3])
    left, right = ground[:, : SIZE // 2].sum(), ground[:, SIZE // 2 :].sum()
    assert left > 2 * right
    assert ground.max() > 150
