"""Every word of the vocabulary and every relation, measured: bodies, sizes, colours, contact."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
import trimesh

from orfeas.domain.presets import MATERIALS
from orfeas.domain.prompt import lexicon, parse, vocabulary
from orfeas.geometry.assembly import Assembly
from orfeas.geometry.parametric import build, paint
from tests.geometry.test_parametric import CONTACT_MM, assert_sound, bodies, extents, gap, overlap

RED, BLUE = paint.linear(lexicon.COLORS["red"]), paint.linear(lexicon.COLORS["blue"])
WORDS = vocabulary()
SIZES_MM = {"tiny": 10, "small": 25, "medium": 50, "large": 100, "huge": 200}
TOUCHING = ("on", "under")
SCENES = {
    "between": "a red 20 mm sphere {phrase} a blue 40 mm cube and a blue 40 mm cone",
    "inside": "a red 20 mm sphere {phrase} a blue 60 mm bowl",
    "around": "a red 90 mm torus {phrase} a blue 30 mm sphere",
    "under": "a red 60 mm cube {phrase} a blue 30 mm mug",
}
BESIDE = "a red 20 mm sphere {phrase} a blue 40 mm cube"
PHRASES = [(kind, phrase) for kind, phrases in lexicon.RELATIONS.items() for phrase in phrases]


def built(text: str) -> Assembly:
    return build(parse(text).scene)


def box(body: object) -> np.ndarray:
    """Lowest and highest corner, (2, 3)."""
    return np.array(body.bounding_box()).reshape(2, 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind, phrase", PHRASES)
def test_every_relation_places_sound_bodies_in_their_size_and_colour(kind, phrase):
    text = SCENES.get(kind, BESIDE).format(phrase=phrase)
    scene = parse(text).scene
    assert [relation.kind for relation in scene.relations] == [kind]
    assembly = build(scene)
    assert_sound(assembly)
    found = list(bodies(assembly).values())
    assert len(found) == len(scene.things)
    sizes = [thing.longest_mm for thing in scene.things]
    assert [np.ptp(box(body), axis=0).max() for body in found] == pytest.approx(sizes, rel=0.01)
    bases = {part.name.split(",")[0]: part.material.base_color for part in assembly.parts if part.material}
    assert list(bases.values()) == [RED, *[BLUE] * (len(found) - 1)]
    for one, two in combinations(found, 2):
        assert overlap(one, two) < 1e-6
    related(kind, *found)


def related(kind: str, first: object, *others: object) -> None:
    """The first body is where the relation says, measured at the boxes and the distance."""
    one, other = box(first), box(others[0])
    middle, across = one.mean(axis=0) - other.mean(axis=0), 1e-3
    if kind in (*TOUCHING, "inside"):
        assert gap(first, others[0]) < CONTACT_MM  # type: ignore[arg-type]
    if kind == "on":
        assert one[0, 1] > other[1, 1] - across
    if kind == "under":
        assert one[1, 1] < other[0, 1] + across
    if kind == "beside":
        assert one[0, 0] > other[1, 0] - across or one[1, 0] < other[0, 0] + across
        assert middle[1] - np.ptp(one[:, 1]) / 2.0 + np.ptp(other[:, 1]) / 2.0 == pytest.approx(0.0, abs=across)
    if kind in ("front", "behind"):
        assert middle[2] * (1.0 if kind == "front" else -1.0) > 0.0
        assert one[0, 2] > other[1, 2] - across or one[1, 2] < other[0, 2] + across
    if kind == "inside":
        assert (one[0, [0, 2]] > other[0, [0, 2]]).all()
        assert (one[1, [0, 2]] < other[1, [0, 2]]).all()
        assert one[0, 1] > other[0, 1]
    if kind == "around":
        assert (one[0, [0, 2]] < other[0, [0, 2]]).all()
        assert (one[1, [0, 2]] > other[1, [0, 2]]).all()
    if kind == "between":
        far = box(others[1])
        spread = far.mean(axis=0) - other.mean(axis=0)
        assert 0.0 < middle @ spread < spread @ spread


@pytest.mark.parametrize("layout, phrase", [(k, p) for k, phrases in lexicon.LAYOUTS.items() for p in phrases])
def test_every_layout_sets_its_bodies_apart_or_on_each_other(layout, phrase):
    noun = phrase in ("row", "line", "circle", "grid", "stack", "pile")
    text = f"a {phrase} of four green 20 mm cubes" if noun else f"four green 20 mm cubes {phrase}"
    assembly = built(text)
    assert_sound(assembly)
    found = list(bodies(assembly).values())
    middles = np.array([box(body).mean(axis=0) for body in found])
    assert len(found) == 4
    assert all(overlap(one, two) < 1e-6 for one, two in combinations(found, 2))
    assert all(np.ptp(box(body), axis=0).max() == pytest.approx(20.0, rel=0.01) for body in found)
    spread = np.ptp(middles, axis=0)
    if layout == "stack":
        assert spread[1] == pytest.approx(60.0, abs=1.0)
        order = np.argsort(middles[:, 1])
        assert all(gap(found[a], found[b]) < CONTACT_MM for a, b in pairwise(order))
        return
    assert spread[1] == pytest.approx(0.0, abs=1e-3)
    if layout == "row":
        assert spread[2] == pytest.approx(0.0, abs=1e-3)
    if layout == "ring":
        radii = np.linalg.norm(middles[:, [0, 2]] - middles[:, [0, 2]].mean(axis=0), axis=1)
        assert radii == pytest.approx(radii[0], rel=1e-3)
    if layout == "grid":
        assert spread[0] > 1.0
        assert spread[2] > 1.0


@pytest.mark.parametrize("count", WORDS["counts"])
def test_every_count_is_that_many(count):
    number = lexicon.NUMBERS[count]
    text = f"a {count} of cones" if count in ("pair", "dozen") else f"{count} cone" + "s" * (number > 1)
    found = list(bodies(built(text)).values())
    assert len(found) == number
    assert all(overlap(one, two) < 1e-6 for one, two in combinations(found, 2))


@pytest.mark.parametrize("line", lexicon.SIZES)
def test_every_size_is_the_longest_side_of_every_kind_of_shape(line):
    for word in line.split("/"):
        for shape in ("sphere", "chair", "rocket"):
            assert extents(built(f"a {word} {shape}")).max() == pytest.approx(SIZES_MM[line.split("/")[0]], rel=0.01)


@pytest.mark.parametrize("preset, line", [(k, line) for k, kinds in lexicon.MATERIALS.items() for line in kinds])
def test_every_material_is_that_of_its_preset(preset, line):
    wanted = MATERIALS[preset]
    for word in line.split("/"):
        (part,) = built(f"a {word} cube").parts
        assert part.material is not None
        assert (part.material.metalness, part.material.opacity) == (wanted.metalness, wanted.opacity)
        assert trimesh.Trimesh(part.mesh.vertices, part.mesh.faces, process=False).is_watertight
    looks = {built(f"a {word.split('/')[0]} cube").parts[0].material for word in lexicon.MATERIALS[preset]}
    assert len(looks) == len(lexicon.MATERIALS[preset]), "the kinds of a material can be told apart"


@pytest.mark.parametrize("color", [*lexicon.COLORS, *lexicon.COLOR_SYNONYMS, "#3fa9f5"])
def test_every_colour_is_on_the_body(color):
    code = lexicon.COLORS.get(lexicon.COLOR_SYNONYMS.get(color, color), color)
    material = built(f"a {color} plastic sphere").parts[0].material
    assert material is not None
    assert material.base_color == pytest.approx(paint.linear(code), rel=1e-6)


@pytest.mark.parametrize("word", [w for line in lexicon.PROPORTIONS for w in line.split("/")])
def test_every_proportion_changes_a_shape_and_keeps_its_size(word):
    plain, changed = extents(built("a 60 mm cylinder")), extents(built(f"a {word} 60 mm cylinder"))
    assert changed.max() == pytest.approx(60.0, rel=0.01)
    assert np.abs(changed / plain - 1.0).max() > 0.1
