"""Sentences become scenes: every word is known, synonyms are equal, and what is no sentence is refused."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orfeas.domain.prompt import NotUnderstoodError, Scene, Thing, parse, vocabulary
from orfeas.domain.prompt.lexicon import MATERIALS, NUMBERS, OBJECTS, PRIMITIVES, RELATIONS, SIZES

EXAMPLES = 200 if os.environ.get("TEST_SCALE") == "full" else 25
LINES = [line.split("/") for line in PRIMITIVES + OBJECTS]


def only(text: str) -> Thing:
    """The one thing of a text."""
    (thing,) = parse(text).scene.things
    return thing


def relations(text: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Relations of a text by the names of its shapes."""
    scene = parse(text).scene
    names = [thing.shape for thing in scene.things]
    return [(r.kind, names[r.subject], tuple(names[i] for i in r.objects)) for r in scene.relations]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_synonyms_and_plurals_share_a_fingerprint(line):
    scenes = {parse(f"a {word}").scene.fingerprint for word in line}
    assert len(scenes) == 1
    assert only(f"a {line[0]}").shape == line[0]


@pytest.mark.parametrize("plural, shape", [("boxes", "cube"), ("shelves", "shelf"), ("snowmen", "snowman"),
                                               ("helices", "helix"), ("arches", "arch"), ("keys", "key")])  # fmt: skip
def test_plurals_are_known(plural, shape):
    assert only(f"two {plural}") == Thing(shape, count=2)


def test_every_published_word_is_understood():
    for words in vocabulary().values():
        for word in (w for w in words if "<" not in w and "#" not in w):
            assert not parse(f"a cube and a {word} sphere").unrecognized_words, word


@pytest.mark.parametrize("text, found", [
    ("a red mug on a wooden table", [("on", "mug", ("table",))]),
    ("a small sphere on top of a large cube", [("on", "sphere", ("cube",))]),
    ("a ring of six cones around a tower", [("around", "cone", ("tower",))]),
    ("a ball inside a bowl", [("inside", "sphere", ("bowl",))]),
    ("two chairs beside a table", [("beside", "chair", ("table",))]),
    ("a key under a chair", [("under", "key", ("chair",))]),
    ("a tree behind a house", [("behind", "tree", ("house",))]),
    ("a tree in front of a big, red house", [("front", "tree", ("house",))]),
    ("a star between a cube and a cone", [("between", "star", ("cube", "cone"))]),
    ("a star between two cones", [("between", "star", ("cone",))]),
    ("a table with a lamp on it", [("on", "lamp", ("table",))]),
    ("a bowl with three balls", [("inside", "sphere", ("bowl",))]),
    ("a cube and a cone on a table", [("on", "cube", ("table",)), ("on", "cone", ("table",))]),
    ("a ball on a cube on a table", [("on", "sphere", ("cube",)), ("on", "cube", ("table",))]),
    ("on a table stands a mug", [("on", "mug", ("table",))]),
    ("a mug on a table and two chairs beside the table", [("on", "mug", ("table",)), ("beside", "chair", ("table",))]),
])  # fmt: skip
def test_relations_are_read(text, found):
    assert relations(text) == found


@pytest.mark.parametrize("text, thing", [
    ("a hollow 40 mm gear with 12 teeth", Thing("gear", forms=("hollow",), longest_mm=40.0, teeth=12)),
    ("tall twisted vase", Thing("vase", proportions=("tall",), forms=("twisted",))),
    ("three blue cubes in a row", Thing("cube", count=3, layout="row", color="#2457c5")),
    ("a pair of dark red donuts", Thing("torus", count=2, color="#721715")),
    ("half a dozen gold coins stacked", Thing("coin", count=6, layout="stack", material="metal", kind="gold")),
    ("a gold plastic cube", Thing("cube", color="#d9a520", material="plastic")),
    ("a 1 x 2 x 3 cm box with a hole and a handle", Thing("cube", box_mm=(10.0, 20.0, 30.0), forms=("handle", "hole"))),
    ("a cube, 2 inches, made of light oak", Thing("cube", longest_mm=50.8, material="wood", kind="oak", shade="light")),
    ("a #12abEF sphere", Thing("sphere", color="#12abef")),
    ("a tower 8 cm tall", Thing("tower", longest_mm=80.0)),
    ("a half, open, faceted egg", Thing("ellipsoid", forms=("faceted", "half", "open"))),
])  # fmt: skip
def test_properties_are_read(text, thing):
    assert only(text) == thing


def test_a_scene_survives_its_json():
    scene = parse("two 10 x 20 x 30 mm red bricks in a ring around a tall steel tower, and a mug").scene
    assert Scene.read(scene.json()) == scene
    assert Scene.read(scene.json()).fingerprint == scene.fingerprint


def test_unknown_and_style_words_are_told():
    parsed = parse("a cinematic red cube with sparkles, low poly")
    assert parsed.unrecognized_words == ("sparkles",)
    assert parsed.style_words == ("cinematic", "low poly")


def test_what_is_beyond_a_scene_is_told():
    parsed = parse(" ".join(["twelve cubes and"] * 9))
    assert sum(thing.count for thing in parsed.scene.things) <= 100
    assert parsed.unrecognized_words == ("cubes",)
    assert parse("a gear with 90 teeth").unrecognized_words == ("90 teeth",)


def test_a_refusal_names_near_words_and_the_vocabulary():
    with pytest.raises(NotUnderstoodError) as refused:
        parse("a red cueb and a spere")
    assert refused.value.near["cueb"] == ["cube"]
    assert "sphere" in refused.value.near["spere"]
    assert "snowman" in refused.value.vocabulary["objects"]
    assert "none of the shapes" in str(refused.value)
    with pytest.raises(NotUnderstoodError, match="Fewer than half"):
        parse("my neighbour's angry cube dreams loudly")


NON_SENTENCES = st.one_of(
    st.text(st.characters(exclude_characters="aeiouAEIOU"), max_size=200),
    st.text(alphabet="qwzjk  ", max_size=80),
    st.lists(
        st.sampled_from(["on", "with", "a", "the", "40", "mm", "x", "red", "and", ",", "#", "it", "of"])
    ).map(" ".join),
)  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(NON_SENTENCES)
def test_what_is_no_sentence_is_refused_and_never_breaks(text):
    with pytest.raises(NotUnderstoodError) as refused:
        parse(text)
    assert all(refused.value.near.values())


WORDS = st.sampled_from([
    *(word for line in LINES for word in line), *NUMBERS, *RELATIONS, *(s.split("/")[0] for s in SIZES), *MATERIALS,
    "a", "the", "and", "with", "with a hole", "it", ",", "in a ring", "on it", "40 mm", "of", "dragon", "light",
])  # fmt: skip


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_any_words_end_in_a_sound_scene_or_a_refusal(text):
    try:
        scene = parse(text).scene
    except NotUnderstoodError:
        return
    assert scene.things
    assert Scene.read(scene.json()) == scene
    assert all(r.subject not in r.objects for r in scene.relations)


@pytest.mark.parametrize("text", ["a red mug on a table and xyzzy ", "cube ", "1 x 2 x 3 x ", "9", "mm ", "# , ' \" "])
def test_a_long_text_is_read_at_once(text):
    text = (text * 2000)[:2000]
    started = time.process_time()
    for _ in range(5):
        try:
            parse(text)
        except NotUnderstoodError:
            continue
    assert (time.process_time() - started) / 5 < 0.025


@pytest.mark.parametrize("size", ["0.01 mm", "0 mm", "10000001 mm", "1000 cm 0 mm x", "999999999999999999999 inch"])
def test_sizes_out_of_reach_are_told_and_not_taken(size):
    parsed = parse(f"a {size} cube")
    assert all(thing.longest_mm is None or 0.1 <= thing.longest_mm <= 10_000.0 for thing in parsed.scene.things)
    assert parsed.unrecognized_words


UNUSUAL = st.text(max_size=2000)


@settings(max_examples=EXAMPLES, deadline=None)
@given(UNUSUAL, UNUSUAL)
def test_any_characters_around_a_shape_are_read_or_refused(before, after):
    try:
        parsed = parse(f"{before[:990]} cube {after[:990]}")
    except NotUnderstoodError:
        return
    assert parsed.scene.things
    assert all(0.1 <= thing.longest_mm <= 10_000.0 for thing in parsed.scene.things if thing.longest_mm)


NESTED = st.recursive(
    st.sampled_from(["a cube", "the table", "two red balls", "it", "a 20 mm mug with a handle", "a bowl in a row"]),
    lambda inner: st.tuples(inner, st.sampled_from([*RELATIONS, "and", "with"]), inner).map(" ".join),
    max_leaves=12,
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(NESTED)
def test_nested_relations_never_lead_in_a_circle(text):
    try:
        scene = parse(text).scene
    except NotUnderstoodError:
        return
    above = {relation.subject: relation.objects for relation in scene.relations}
    assert len(above) == len(scene.relations)
    placed = {index for index in range(len(scene.things)) if index not in above}
    while ready := {index for index in above if index not in placed and set(above[index]) <= placed}:
        placed |= ready
    assert len(placed) == len(scene.things)
