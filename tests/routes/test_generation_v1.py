"""Generations and estimates of v1."""

import base64
import json
from io import BytesIO

import pytest
import trimesh


@pytest.fixture
def picture(client, upload):
    """The id of a stored picture."""
    return client.post("/api/v1/uploads", data=upload("star.png", "file")).get_json()["id"]


@pytest.fixture
def create(client, picture):
    """Ask for a quick model of the stored picture."""

    def ask(**members):
        return client.post("/api/v1/generations", json={"image": {"asset_id": picture}, "quality": 1, **members})

    return ask


def test_a_generation_makes_every_listed_format_and_a_thumbnail(client, create, finished):
    answer = create(formats=["glb", "3mf", "stl"], tags=["a", "b"], priority=2)
    created = answer.get_json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/jobs/{created['id']}" == created["links"]["self"]
    assert (created["type"], created["state"], created["priority"], created["tags"]) == (
        "generation", "queued", 2, ["a", "b"],
    )  # fmt: skip
    job = finished(answer)
    result = job["result"]
    assert [(file["role"], file["format"]) for file in result["assets"]] == [
        ("model", "glb"), ("model", "3mf"), ("model", "stl"), ("preview", "png"), ("preview", "glb"),
    ]  # fmt: skip
    assert result["method"] == "silhouette-inflation"
    assert set(result["measures"]) == {"glb", "3mf", "stl"}
    assert all(found["is_watertight"] for found in result["measures"].values())
    assert result["settings"]["octree_resolution"] == 48
    data = client.get(result["assets"][0]["url"], buffered=True).data
    assert trimesh.load_scene(BytesIO(data), file_type="glb").geometry["model"].visual.material is not None


def test_the_same_request_is_200_and_done(create, finished):
    first = finished(create())
    again = create()
    assert again.status_code == 200
    job = again.get_json()
    assert (job["state"], job["cached"], job["fingerprint"]) == ("succeeded", True, first["fingerprint"])
    assert [file["asset_id"] for file in job["result"]["assets"]] == [
        file["asset_id"] for file in first["result"]["assets"]
    ]


def test_a_private_run_shares_nothing_yet_gives_the_same_bytes(create, finished):
    first = finished(create())
    private = finished(create(use_cache=False))
    assert private["cached"] is False
    assert private["fingerprint"] != first["fingerprint"]
    assert [file["asset_id"] for file in private["result"]["assets"]] == [
        file["asset_id"] for file in first["result"]["assets"]
    ]


def test_the_shape_is_shown_before_it_is_coloured(client, create, finished):
    job = finished(create(formats=["glb"]))
    events = client.get(f"{job['links']['events']}?last_event_id=0", buffered=True).get_data(as_text=True)
    told = [json.loads(line.removeprefix("data: ")) for line in events.splitlines() if line.startswith("data: ")]
    kinds = [event.get("kind") or event.get("progress", {}).get("stage") for event in told]
    assert kinds.index("untextured_mesh") < kinds.index("mesh.texture") < kinds.index("thumbnail")
    shown = next(event for event in told if event.get("kind") == "untextured_mesh")
    early, whole = (
        trimesh.load_scene(BytesIO(client.get(url, buffered=True).data), file_type="glb").geometry["model"]
        for url in (shown["url"], job["result"]["assets"][0]["url"])
    )
    assert len(early.faces) == len(whole.faces)
    assert early.visual.material.baseColorTexture is None
    assert whole.visual.material.baseColorTexture is not None


def test_what_is_not_coloured_has_no_shape_of_its_own_to_show(create, finished):
    for asked in ({"formats": ["stl"]}, {"formats": ["glb"], "texture": {"mode": "none"}}):
        assets = finished(create(**asked))["result"]["assets"]
        assert [file["format"] for file in assets if file["role"] == "preview"] == ["png"]


def test_without_preview_there_is_no_thumbnail(create, finished):
    assets = finished(create(preview=False))["result"]["assets"]
    assert [file["role"] for file in assets] == ["model"]


def test_mc_level_and_texture_size_change_the_file(create, finished):
    plain, thinner, finer = (
        finished(create(preview=False, **members))["result"]["assets"][0]["asset_id"]
        for members in ({}, {"mc_level": 0.02}, {"texture": {"size": 256}})
    )
    assert len({plain, thinner, finer}) == 3


def test_every_kind_of_source_is_the_same_picture(client, data, finished):
    raw = (data / "star.png").read_bytes()
    uri = "data:image/png;base64," + base64.b64encode(raw).decode()
    prints = [
        client.post("/api/v1/generations", json={"image": {"data": uri}, "quality": 1}),
        client.post("/api/v1/generations", data={"anything": (BytesIO(raw), "s.png"), "quality": "1"}),
        client.post(
            "/api/v1/generations",
            data={"request": '{"image": {"upload": "front"}, "quality": 1}', "front": (BytesIO(raw), "s.png")},
        ),
    ]
    assert len({answer.get_json()["fingerprint"] for answer in prints}) == 1


@pytest.mark.parametrize(
    "members, code, pointer",
    [
        ({"image": None}, "invalid_request", "/image"),
        ({"image": {}}, "invalid_request", "/image"),
        ({"image": {"asset_id": "0" * 64, "url": "http://x"}}, "invalid_request", "/image"),
        ({"prompt": "a cup"}, "invalid_request", "/prompt"),
        ({"sparkle": 1}, "invalid_request", "/sparkle"),
        ({"quality": 0}, "invalid_request", "/quality"),
        ({"formats": []}, "invalid_request", "/formats"),
        ({"formats": ["glb", "step"]}, "invalid_request", "/formats/1"),
        ({"priority": 10}, "invalid_request", "/priority"),
        ({"dimensions_mm": {"width": 1, "height": 1, "depth": 1001}}, "invalid_request", "/dimensions_mm/depth"),
        ({"texture": {"size": 100}}, "invalid_request", "/texture/size"),
        ({"texture": {"mode": "material"}}, "invalid_request", "/material"),
        ({"texture": {"mode": "material", "material": "cheese"}}, "invalid_request", "/material"),
        ({"texture": {"mode": "projection"}, "formats": ["stl"]}, "parameter_not_supported", "/texture"),
        ({"texture": {"mode": "paint"}}, "parameter_not_supported", "/texture"),
        ({"project_id": "x"}, "parameter_not_supported", "/project_id"),
        ({"profile": "warp"}, "invalid_request", "/profile"),
        ({"require": {"airtight": True}}, "invalid_request", "/require/airtight"),
        ({"guidance_scale": 5}, "parameter_not_supported", "/guidance_scale"),
        ({"seed": 1}, "parameter_not_supported", "/seed"),
        ({"seed": "random"}, "parameter_not_supported", "/seed"),
        ({"keep_latent": False}, "parameter_not_supported", "/keep_latent"),
    ],
)
def test_what_is_wrong_or_cannot_be_used_is_422_with_its_pointer(create, members, code, pointer):
    answer = create(**members)
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert pointer in [error["pointer"] for error in problem["errors"]]


def test_several_views_need_what_is_not_installed(client):
    answer = client.post("/api/v1/generations", json={"images": {"front": {"asset_id": "0" * 64}}})
    assert (answer.status_code, answer.get_json()["code"]) == (422, "capability_missing")


def test_an_engine_without_weights_is_503_with_what_is_missing(create):
    answer = create(engine="hunyuan3d")
    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["status"]) == (503, "model_unavailable", 503)
    assert problem["missing"]
    assert int(answer.headers["Retry-After"]) == problem["retry_after"]


def test_another_media_type_is_415_and_an_unknown_asset_404(client, create):
    answer = client.post("/api/v1/generations", data=b"quality=1", content_type="text/plain")
    assert answer.status_code == 415
    unknown = create(image={"asset_id": "0" * 64})
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "file_not_found")


def test_a_mesh_is_no_picture(client):
    corners = b"vertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\n"
    stl = b"solid x\nfacet normal 0 0 1\nouter loop\n" + corners + b"endloop\nendfacet\nendsolid x\n"
    answer = client.post("/api/v1/generations", data={"image": (BytesIO(stl), "x.stl")})
    assert answer.status_code == 422


def test_an_estimate_runs_nothing_and_invents_nothing(client, picture, worker):
    body = {"image": {"asset_id": picture}, "quality": 3}
    answer = client.post("/api/v1/generations/estimate", json=body)
    found = answer.get_json()
    assert answer.status_code == 200
    assert (found["fits"], found["engine"], found["basis"], found["seconds"]) == (True, "embedded", "none", None)
    assert found["settings"]["octree_resolution"] == 80
    assert found["cached"] is False
    assert worker.drain() == 0
    assert client.get("/api/v1/jobs").get_json()["items"] == []


def test_an_estimate_knows_what_is_made_already(client, create, picture, finished):
    finished(create())
    found = client.post("/api/v1/generations/estimate", json={"image": {"asset_id": picture}, "quality": 1}).get_json()
    assert (found["cached"], found["seconds"], found["queue_wait_seconds"]) == (True, 0.0, 0.0)


def test_after_five_runs_an_estimate_is_measured(client, create, picture, finished, monkeypatch):
    monkeypatch.setattr("orfeas.jobs.jobs.WEIGHTS_KEPT_S", 0.0)
    for target_faces in (500, 600, 700, 800, 900):
        job = finished(create(target_faces=target_faces, use_cache=False))
    body = {"image": {"asset_id": picture}, "quality": 1, "target_faces": 1000}
    found = client.post("/api/v1/generations/estimate", json=body).get_json()
    assert found["basis"] == "measured"
    assert 0.2 < found["seconds"] / sum(job["result"]["timings"].values()) < 5.0
