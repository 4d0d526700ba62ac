"""The plan of a request: which stages, and which of them other requests share."""

import json
from dataclasses import replace

import pytest

from orfeas.domain.specs import PrepareImage
from orfeas.domain.stages import Queue
from orfeas.jobs.plan import Node, Plan, Source, plan_document, privately
from orfeas.services.plans import (
    GenerationRequest,
    ModelRef,
    NeuralRequest,
    conversion_plan,
    generation_plan,
    preview_plan,
)

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
        "image.prepare", "shape.inflate", "shape.surface", "mesh.clean", "mesh.simplify", "mesh.scale", "mesh.export",
        "mesh.texture", "mesh.export", "mesh.verify", "render.preview",
    ]  # fmt: skip
    assert [output.filename for output in plan.outputs] == ["model.glb", "preview.png", "untextured.glb"]


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
    obj = generation_plan(GenerationRequest(formats=("obj",)), PICTURES).outputs[0]
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


MODEL = ModelRef(id="tiny", place="a/b/tiny", digest="d" * 64, precision="float16")
VIEWS = {"front": PICTURE, "back": Source(fingerprint="c" * 64, blob="c" * 64)}


def neural(**members):
    return NeuralRequest(model=replace(MODEL, **members.pop("of", {})), preview=False, **members)


def test_a_model_encodes_samples_decodes_and_finishes_like_any_engine():
    plan = generation_plan(neural(), PICTURES)
    assert stages(plan) == [
        "image.prepare", "shape.encode", "shape.sample", "shape.decode", "mesh.clean", "mesh.simplify", "mesh.scale",
        "mesh.export", "mesh.verify",
    ]  # fmt: skip
    recipe = json.loads(plan.outputs[0].node.spec.recipe)
    assert (recipe["engine"], recipe["stages"][2]["parameters"]["model"]) == ("hunyuan3d", "tiny")


def test_several_views_are_prepared_each_and_go_in_the_order_that_the_model_names():
    plan = generation_plan(neural(of={"views": ("front", "left", "back", "right")}), VIEWS)
    encode = next(node for node in plan.nodes() if node.spec.name == "shape.encode")
    assert encode.spec.views == ("front", "back")
    assert [node.inputs[0].fingerprint[0] for node in encode.inputs] == ["a", "c"]


SAMPLED = ["shape.sample", "shape.decode", "mesh.clean", "mesh.simplify", "mesh.scale", "mesh.export", "mesh.verify"]


@pytest.mark.parametrize(
    "change, again",
    [
        ({"seed": 1}, SAMPLED),
        ({"guidance_scale": 2.0}, SAMPLED),
        ({"deterministic": True}, SAMPLED),
        ({"quality": 5, "octree_resolution": 320, "target_faces": 80_000}, SAMPLED),
        ({"octree_resolution": 64}, SAMPLED[1:]),
        ({"mc_level": 0.1}, SAMPLED[1:]),
        ({"target_faces": 500}, SAMPLED[3:]),
        ({"formats": ("stl",)}, SAMPLED[5:]),
        ({"keep_latent": False}, []),
        ({"guidance_scale": 5.0}, []),
    ],
)
def test_latents_are_reused_by_what_changes_after_them(change, again):
    asked = neural()
    assert changed(generation_plan(asked, PICTURES), generation_plan(replace(asked, **change), PICTURES)) == again


def test_other_files_of_a_model_share_only_the_picture():
    one, two = (generation_plan(neural(of={"digest": digest}), PICTURES) for digest in ("d", "e"))
    assert changed(one, two)[:2] == ["shape.encode", "shape.sample"]


@pytest.mark.parametrize("distilled, steps", [(False, 40), (True, 6)])
def test_the_quality_map_of_a_model_follows_its_kind(distilled, steps):
    settings = neural(of={"distilled": distilled}).settings
    assert (settings["steps"], settings["octree_resolution"], settings["guidance_scale"]) == (steps, 320, 5.0)


def test_short_memory_of_a_device_costs_the_grid_but_no_new_diffusion():
    plan = generation_plan(neural(allow_degrade=True), PICTURES)
    assert [fallback.change["octree_resolution"] for fallback in plan.fallbacks] == [288, 256, 224]
    assert all("gpu_memory" in fallback.codes for fallback in plan.fallbacks)
    assert changed(plan, plan.fallbacks[0].plan)[0] == "shape.decode"


def test_latents_that_are_not_wanted_go_with_the_run():
    document = plan_document(generation_plan(neural(keep_latent=False), PICTURES))
    kept = {node["name"]: node["keep"] for node in document["nodes"]}
    assert (kept["shape.sample"], kept["shape.decode"]) == ("transient", "intermediate")


def test_one_stage_runs_on_the_queue_that_its_node_names():
    picture = Source(fingerprint="f" * 64, blob="b" * 64)
    here, there = Node(PrepareImage(), (picture,)), Node(PrepareImage(), (picture,), queue=Queue.GPU)
    queues = [plan_document(Plan((), also=(node,)))["nodes"][0]["queue"] for node in (here, there)]
    assert queues == ["cpu", "gpu"]
    assert plan_document(privately(Plan((), also=(there,)), "run"))["nodes"][0]["queue"] == "gpu"
    assert here.fingerprint == there.fingerprint
