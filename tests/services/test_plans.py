"""The plan of a request: which stages, and which of them other requests share."""

import json
from dataclasses import replace

import pytest

from orfeas.jobs.plan import Source
from orfeas.services.plans import GenerationRequest, conversion_plan, generation_plan, preview_plan

PICTURE = Source(fingerprint="a" * 64, blob="b" * 64)
PICTURES = {"front": PICTURE}


def stages(plan):
    return [node.spec.name for node in plan.nodes()]


def changed(one, other):
    known = {node.fingerprint for node in one.nodes()}
    return [node.spec.name for node in other.nodes() if node.fingerprint not in known]


def test_a_glb_takes_every_stage_once():
    plan = generation_plan(GenerationRequest(), PICTURES)
    assert stages(plan) == [
        "image.prepare", "shape.inflate", "shape.surface", "mesh.clean", "mesh.simplify", "mesh.scale", "mesh.texture",
        "mesh.export", "mesh.verify", "render.preview",
    ]  # fmt: skip
    assert [output.filename for output in plan.outputs] == ["model.glb", "preview.png"]


def test_an_stl_carries_no_colour_so_nothing_is_textured():
    plan = generation_plan(GenerationRequest(formats=("stl",)), PICTURES)
    assert "mesh.texture" not in stages(plan)


def test_the_stl_of_two_formats_is_the_stl_alone():
    both = generation_plan(GenerationRequest(formats=("glb", "stl"), preview=False), PICTURES)
    alone = generation_plan(GenerationRequest(formats=("stl",), preview=False), PICTURES)
    assert alone.outputs[0].node.fingerprint == both.outputs[1].node.fingerprint


def test_texture_none_leaves_the_photo_out_of_every_format():
    plan = generation_plan(GenerationRequest(formats=("glb", "obj"), texture="none"), PICTURES)
    assert "mesh.texture" not in stages(plan)
    assert [output.media_type for output in plan.outputs[:2]] == ["model/gltf-binary", "model/obj"]


def test_a_textured_obj_is_a_zip():
    (obj, _) = generation_plan(GenerationRequest(formats=("obj",)), PICTURES).outputs
    assert obj.media_type == "application/zip"


@pytest.mark.parametrize(
    "change, again",
    [
        ({"formats": ("ply",)}, ["mesh.export", "mesh.verify"]),
        ({"up_axis": "z"}, ["mesh.export", "mesh.verify"]),
        ({"texture_size": 512}, ["mesh.texture", "mesh.export", "mesh.verify"]),
        ({"dimensions_mm": (10.0, 20.0, 30.0)}, ["mesh.scale", "mesh.texture", "mesh.export", "mesh.verify"]),
        ({"target_faces": 500}, ["mesh.simplify", "mesh.scale", "mesh.texture", "mesh.export", "mesh.verify"]),
        ({"seed": 5}, []),
        ({"allow_degrade": True}, []),
    ],
)
def test_only_the_stages_after_a_change_are_new(change, again):
    asked = GenerationRequest(preview=False)
    assert changed(generation_plan(asked, PICTURES), generation_plan(replace(asked, **change), PICTURES)) == again


def test_a_quality_spelled_out_is_the_same_work_but_for_the_exact_count():
    by_quality = generation_plan(GenerationRequest(quality=5), PICTURES)
    spelled = generation_plan(GenerationRequest(quality=9, steps=6, octree_resolution=112), PICTURES)
    assert changed(by_quality, spelled)[0] == "mesh.simplify"


def test_another_picture_shares_nothing():
    asked = GenerationRequest()
    other = generation_plan(asked, {"front": Source(fingerprint="c" * 64, blob="b" * 64)})
    assert changed(generation_plan(asked, PICTURES), other) == stages(other)


def test_conversion_and_preview_end_in_the_stages_of_an_ordinary_request():
    whole = generation_plan(GenerationRequest(formats=("glb", "obj")), PICTURES)
    asked = GenerationRequest(formats=("glb", "obj"))
    assert not changed(whole, conversion_plan(asked, PICTURES, "obj"))
    assert not changed(whole, preview_plan(asked, PICTURES))


def test_the_recipe_lists_stages_hashes_and_licence_and_nothing_of_time_or_host():
    export = generation_plan(GenerationRequest(), PICTURES).outputs[0].node
    recipe = json.loads(export.spec.recipe)
    assert set(recipe) == {"generator", "engine", "licence", "inputs", "stages"}
    assert recipe["inputs"] == [PICTURE.fingerprint]
    assert [stage["stage"] for stage in recipe["stages"]][-1] == "mesh.texture"
    assert all(set(stage) == {"stage", "version", "parameters", "inputs"} for stage in recipe["stages"])
    assert PICTURE.blob not in export.spec.recipe
    again = generation_plan(GenerationRequest(seed=9), PICTURES).outputs[0].node
    assert again.spec.recipe == export.spec.recipe


def test_degrading_steps_down_the_map_and_is_listed():
    plan = generation_plan(GenerationRequest(quality=7, allow_degrade=True), PICTURES)
    grids = [fallback.change["octree_resolution"] for fallback in plan.fallbacks]
    assert grids == [128, 112, 96]
    assert all(fallback.codes == {"stage_memory"} for fallback in plan.fallbacks)
    assert not generation_plan(GenerationRequest(quality=7), PICTURES).fallbacks
    assert not generation_plan(GenerationRequest(quality=1, allow_degrade=True), PICTURES).fallbacks


def test_stepping_down_keeps_an_exact_count_only_as_far_as_the_lighter_map_goes():
    asked = GenerationRequest(quality=7, target_faces=29_001)
    lighter = asked.lighter()
    assert lighter is not None
    assert (lighter.quality, lighter.target_faces) == (6, 20_000)
