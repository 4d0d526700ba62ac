"""Sentences through the whole API without a model: solids, pictures of them, and what is refused."""

from __future__ import annotations

import os
from io import BytesIO

import numpy as np
import pytest
import trimesh
from PIL import Image

from orfeas.domain.presets import STYLES

FULL = os.environ.get("TEST_SCALE") == "full"

GENERATIONS, IMAGES, TO_IMAGE = "/api/v1/generations", "/api/v1/images", "/api/text-to-image"
SENTENCE = "a red mug on a wooden table"
SMALL = {"width": 256, "height": 256}


def fetched(client, url):
    answer = client.get(url, buffered=True)
    assert answer.status_code == 200
    return answer


def picture(client, url):
    return np.asarray(Image.open(BytesIO(fetched(client, url).data)))


def scene(client, job, name="glb"):
    asset = next(asset for asset in job["result"]["assets"] if asset["format"] == name)
    return trimesh.load(BytesIO(fetched(client, asset["url"]).data), file_type=name)


def test_a_sentence_becomes_closed_parts_in_its_colours_and_one_solid_for_printing(client, finished):
    job = finished(client.post(GENERATIONS, json={"prompt": SENTENCE, "formats": ["glb", "stl"]}))
    assert (job["result"]["method"], job["result"]["engine"]) == ("parametric", "embedded")
    assert job["request"]["prompt"] == SENTENCE
    assert job["result"]["unrecognized_words"] == job["warnings"] == []
    parts = scene(client, job).geometry
    assert len(parts) == 2
    colors = {name: part.visual.material.baseColorFactor for name, part in parts.items()}
    mug = next(color for name, color in colors.items() if "mug" in name)
    assert mug[0] > 2 * max(mug[1], mug[2])
    solid = scene(client, job, "stl")
    assert solid.is_watertight
    assert solid.body_count == 1
    assert max(solid.extents) == pytest.approx(100.0, abs=0.01)
    assert {asset["role"] for asset in job["result"]["assets"]} == {"model", "preview"}


def test_synonyms_share_their_model(client, finished):
    finished(client.post(GENERATIONS, json={"prompt": "a red mug on a table", "quality": 1}))
    again = client.post(GENERATIONS, json={"prompt": "the red cup atop a desk", "quality": 1})
    assert again.status_code == 200
    assert again.get_json()["cached"]


def test_the_size_that_a_sentence_names_is_kept_and_a_box_goes_before_it(client, finished):
    named = finished(client.post(GENERATIONS, json={"prompt": "a 40 mm blue cube", "preview": False}))
    assert named["result"]["measures"]["glb"]["extents_mm"] == pytest.approx([40.0, 40.0, 40.0])
    box = {"width": 30, "height": 20, "depth": 50}
    boxed = {"prompt": "a 40 mm blue cube", "dimensions_mm": box, "fit": "stretch", "preview": False}
    job = finished(client.post(GENERATIONS, json=boxed))
    assert job["result"]["measures"]["glb"]["extents_mm"] == pytest.approx([30.0, 20.0, 50.0])


def test_faces_are_exact_and_divided_among_the_parts(client, finished):
    body = {"prompt": SENTENCE, "target_faces": 1500, "preview": False}
    job = finished(client.post(GENERATIONS, json=body))
    measured = job["result"]["measures"]["glb"]
    assert (measured["face_count"], measured["is_watertight"], measured["body_count"]) == (1500, True, 2)
    more = finished(client.post(GENERATIONS, json={"prompt": "a cube", "target_faces": 90_000, "preview": False}))
    assert any("fewer than the 90000" in warning for warning in more["warnings"])


def test_few_faces_are_divided_among_many_parts(client, finished):
    body = {"prompt": "twelve cubes in a grid", "target_faces": 144, "preview": False}
    assert finished(client.post(GENERATIONS, json=body))["result"]["measures"]["glb"]["face_count"] == 144


def test_quality_and_seed_change_solids(client, finished):
    def faces(**members):
        body = {"prompt": "two spheres beside a cone", "preview": False, **members}
        job = finished(client.post(GENERATIONS, json=body))
        return job["result"]["measures"]["glb"]["face_count"], job["fingerprint"], job["result"]["seed"]

    low, high, moved = faces(quality=1), faces(quality=8), faces(quality=1, seed=5)
    assert low[0] < high[0]
    assert low[1] != moved[1]
    assert faces(quality=1, seed="random")[2] not in (0, 5)


def test_words_that_mean_nothing_are_told(client, finished):
    job = finished(client.post(GENERATIONS, json={"prompt": "a sparkly red cube", "quality": 1}))
    assert job["result"]["unrecognized_words"] == ["sparkly"]
    assert any("sparkly" in warning for warning in job["warnings"])


@pytest.mark.parametrize("path", [GENERATIONS, f"{GENERATIONS}/estimate", IMAGES])
def test_a_sentence_that_means_nothing_is_refused_with_what_would_be_understood(client, path):
    answer = client.post(path, json={"prompt": "a gigantic cubb"})
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (422, "prompt_not_understood")
    assert problem["near"] == {"cubb": ["cube"]}
    assert "snowman" in problem["vocabulary"]["objects"]
    assert problem["unrecognized_words"] == ["cubb"]
    assert "ORFEAS_TEXT_TO_IMAGE_MODEL" in problem["detail"]
    assert problem["errors"][0]["pointer"] == "/prompt"


@pytest.mark.parametrize(
    "members, code, pointer",
    [
        ({"steps": 5}, "parameter_not_supported", "/steps"),
        ({"octree_resolution": 64}, "parameter_not_supported", "/octree_resolution"),
        ({"guidance_scale": 5}, "parameter_not_supported", "/guidance_scale"),
        ({"mc_level": 0.1}, "parameter_not_supported", "/mc_level"),
        ({"mode": "relief"}, "parameter_not_supported", "/mode"),
        ({"remove_background": "always"}, "parameter_not_supported", "/remove_background"),
        ({"keep_latent": False}, "parameter_not_supported", "/keep_latent"),
        ({"texture": {"mode": "projection"}}, "parameter_not_supported", "/texture"),
        ({"image": {"asset_id": "0" * 64}}, "invalid_request", "/image"),
        ({"prompt": ""}, "invalid_request", "/prompt"),
    ],
)
def test_what_solids_cannot_use_is_refused(client, members, code, pointer):
    answer = client.post(GENERATIONS, json={"prompt": "a cube", **members})
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert pointer in [entry["pointer"] for entry in problem["errors"]]


def test_a_prompt_and_a_file_are_one_input_too_many(client, data):
    form = {"prompt": "a cube", "image": (BytesIO((data / "star.png").read_bytes()), "star.png")}
    answer = client.post(GENERATIONS, data=form)
    assert (answer.status_code, answer.get_json()["errors"][0]["pointer"]) == (422, "/prompt")


def test_a_shape_model_that_is_not_there_is_named(client):
    answer = client.post(GENERATIONS, json={"prompt": "a cube", "engine": "hunyuan3d"})
    assert (answer.status_code, answer.get_json()["code"]) == (503, "model_unavailable")
    assert "models pull" in answer.get_json()["detail"]


def test_a_model_of_a_sentence_is_retried_derived_converted_and_told(client, working):
    def finished(answer):
        job = client.get(f"/api/v1/jobs/{answer.get_json()['id']}?wait=20").get_json()
        assert job["state"] == "succeeded", job["error"]
        return job

    body = {"prompt": "a red mug", "quality": 2, "texture": {"mode": "none"}}
    job = finished(client.post(GENERATIONS, json=body))
    here = f"/api/v1/jobs/{job['id']}"
    again = client.post(f"{here}/retry").get_json()
    assert (again["cached"], again["fingerprint"]) == (True, job["fingerprint"])
    box = {"width": 20, "height": 20, "depth": 20}
    derived = finished(client.post(f"{here}/derive", json={"formats": ["ply"], "dimensions_mm": box}))
    assert max(derived["result"]["measures"]["ply"]["extents_mm"]) == pytest.approx(20.0)
    assert client.post(f"{here}/derive", json={"octree_resolution": 64}).status_code == 422
    converted = fetched(client, f"{here}/result?format=stl")
    assert trimesh.load_mesh(BytesIO(converted.data), file_type="stl").is_watertight
    manifest = client.get(f"{here}/manifest").get_json()
    assert manifest["operations"][0]["stage"] == "shape.parametric"
    assert manifest["inputs"] == []


def test_batches_and_estimates_take_sentences(client, finished):
    items = [{"prompt": "a cube"}, {"prompt": "xyzzy"}]
    refused = client.post("/api/v1/batches", json={"items": items, "defaults": {"quality": 1}}).get_json()
    assert refused["errors"][0]["pointer"] == "/items/1/prompt"
    batch = client.post("/api/v1/batches", json={"items": items, "atomic": False}).get_json()
    assert batch["jobs"][1]["error"]["code"] == "prompt_not_understood"
    forecast = client.post(f"{GENERATIONS}/estimate", json={"prompt": "a cube"}).get_json()
    assert (forecast["engine"], forecast["vram_mb"], forecast["fits"]) == ("embedded", 0, True)


# pictures


def test_a_picture_of_a_sentence_goes_straight_to_its_solids(client, worker):
    asked = {"prompt": SENTENCE, "style": "anime", "width": 256, "height": 320, "seed": 3, "steps": 20}
    answer = client.post(TO_IMAGE, json=asked).get_json()
    assert (answer["status"], answer["engine"]) == ("processing", "embedded")
    assert any("steps" in warning for warning in answer["warnings"])
    status = f"/api/job-status/{answer['job_id']}"
    assert "preview_url" not in client.get(status).get_json()
    worker.drain()
    shown = client.get(status).get_json()
    assert (shown["status"], shown["type"], shown["job_type"]) == ("completed", "text_to_image", "text-to-image")
    assert (shown["prompt"], shown["style"]) == (SENTENCE, "anime")
    assert shown["filename"] == f"{answer['job_id']}_generated.png"
    assert shown["preview_url"] == shown["image_url"] == f"/api/preview/{shown['filename']}"
    assert picture(client, shown["preview_url"]).shape == (320, 256, 3)

    started = client.post("/api/generate-3d", json={"job_id": answer["job_id"], "format": "glb", "steps": 5}).get_json()
    assert (started["method"], started["settings"]["seed"], started["run"]) == ("parametric", 3, 2)
    worker.drain()
    made = client.get(status).get_json()
    assert (made["status"], made["job_type"], made["preview_url"]) == ("completed", "text-to-3d", shown["preview_url"])
    assert made["quality_metrics"]["is_watertight"]
    assert len(trimesh.load(BytesIO(fetched(client, made["download_url"]).data), file_type="glb").geometry) == 2


def test_styles_sizes_and_seeds_make_other_pictures_and_the_same_request_the_same(client, worker):
    def drawn(**members):
        job = client.post(TO_IMAGE, json={"prompt": "a gold coin", **SMALL, **members}).get_json()
        worker.drain()
        return picture(client, client.get(f"/api/job-status/{job['job_id']}").get_json()["image_url"])

    wanted = STYLES if FULL else ("realistic", "anime", "low_poly", "minimalist", "futuristic")
    found = {style: drawn(style=style) for style in wanted}
    assert len({image.tobytes() for image in found.values()}) == len(wanted)
    assert not np.array_equal(drawn(seed=1), drawn(seed=2))
    assert np.array_equal(drawn(use_cache=False), found["realistic"])
    assert drawn(width=264).shape == (256, 264, 3)
    assert found["minimalist"].mean() > 200 > 80 > found["futuristic"].mean()


def test_a_picture_made_before_is_there_at_once(client, worker):
    client.post(TO_IMAGE, json={"prompt": "a red cup", **SMALL})
    worker.drain()
    again = client.post(TO_IMAGE, json={"prompt": "the red mug", "art_style": "realistic", **SMALL}).get_json()
    assert (again["status"], again["cached"]) == ("completed", True)


def test_an_unknown_sentence_is_accepted_and_its_job_fails_with_the_vocabulary(client, worker):
    answer = client.post(TO_IMAGE, json={"prompt": "xyzzy plugh", **SMALL})
    assert (answer.status_code, answer.get_json()["status"]) == (200, "processing")
    worker.drain()
    shown = client.get(f"/api/job-status/{answer.get_json()['job_id']}").get_json()
    assert (shown["status"], shown["error_type"]) == ("failed", "prompt_not_understood")
    assert shown["problem"]["vocabulary"]["primitives"][0] == "cube"
    assert "ORFEAS_TEXT_TO_IMAGE_MODEL" in shown["error"]
    further = client.post("/api/generate-3d", json={"job_id": answer.get_json()["job_id"]})
    assert (further.status_code, further.get_json()["code"]) == (422, "prompt_not_understood")


@pytest.mark.parametrize(
    "members",
    [
        {"prompt": " "}, {"prompt": None}, {"prompt": "a" * 2001}, {"negative_prompt": "a" * 501}, {"width": 248},
        {"height": 2056}, {"width": 300}, {"style": "baroque"}, {"steps": 151}, {"guidance_scale": 21}, {"seed": -1},
    ],
)  # fmt: skip
def test_a_wrong_member_of_a_picture_is_refused_on_both_surfaces(client, members):
    for path, status in ((TO_IMAGE, 400), (IMAGES, 422)):
        answer = client.post(path, json={"prompt": "a cube", **members})
        assert (answer.status_code, answer.get_json()["code"]) == (status, "invalid_request")
        assert answer.get_json()["errors"][0]["pointer"] == f"/{next(iter(members))}"


@pytest.mark.parametrize("members", [{"steps": 5}, {"guidance_scale": 7}, {"negative_prompt": "blue"}])
def test_v1_pictures_refuse_what_only_a_model_takes(client, members):
    answer = client.post(IMAGES, json={"prompt": "a cube", **members})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "parameter_not_supported")


def test_a_picture_of_v1_is_a_result_and_an_image_for_others(client, finished):
    job = finished(client.post(IMAGES, json={"prompt": "a blue cube", **SMALL}))
    assert (job["type"], job["result"]["method"]) == ("text_to_image", "parametric")
    here = f"/api/v1/jobs/{job['id']}"
    assert fetched(client, f"{here}/result").mimetype == "image/png"
    assert client.get(f"{here}/result?format=glb").status_code == 422
    assert client.post(f"{here}/retry").get_json()["cached"]
    raised = finished(client.post(GENERATIONS, json={"image": {"job_id": job["id"]}, "quality": 1}))
    assert raised["result"]["method"] in ("silhouette-inflation", "relief")
