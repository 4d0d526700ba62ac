"""Uploads, generations and records of the compatible surface, with real pictures and a real worker."""

from io import BytesIO

import pytest
import trimesh
from PIL import Image

JOB = "6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21"


@pytest.fixture
def stored(client, upload):
    """The id of a pending job with the mug's picture."""
    return client.post("/api/upload-image", data=upload("mug.png")).get_json()["job_id"]


@pytest.fixture
def generate(client, stored):
    """Ask for a quick model of the stored picture."""

    def ask(**members):
        return client.post("/api/generate-3d", json={"job_id": stored, "quality": 1, **members})

    return ask


def test_an_upload_opens_a_pending_job_and_shows_the_cleaned_picture(client, upload, data):
    answer = client.post("/api/upload-image", data=upload("figure.jpg"))
    stored = answer.get_json()
    assert answer.status_code == 200
    assert stored["status"] == "uploaded"
    assert stored["original_filename"] == "figure.jpg"
    assert stored["filename"].startswith(stored["job_id"])
    assert stored["preview_url"] == stored["image_url"] == f"/api/preview/{stored['filename']}"
    shown = client.get(stored["preview_url"], buffered=True)
    picture = Image.open(BytesIO(shown.data))
    with Image.open(data / "figure.jpg") as original:
        size = original.size
    assert shown.mimetype == "image/jpeg"
    assert list(picture.size) == stored["image_info"]["size"] == list(size)
    assert len(shown.data) == stored["image_info"]["file_size"]
    record = client.get(f"/api/job-status/{stored['job_id']}").get_json()
    assert (record["status"], record["type"], record["progress"], record["run"]) == ("pending", None, 0, None)


@pytest.mark.parametrize("field", ["image", "file"])
def test_the_upload_alias_takes_both_fields(client, upload, field):
    answer = client.post("/upload-image", data=upload("star.png", field))
    assert answer.status_code == 200
    assert answer.headers["Link"] == '</api/upload-image>; rel="canonical"'


def test_an_upload_without_file_or_name_is_file_missing(client):
    for form in ({}, {"image": (BytesIO(b"x"), "")}):
        answer = client.post("/api/upload-image", data=form, content_type="multipart/form-data")
        assert (answer.status_code, answer.get_json()["code"]) == (400, "file_missing")


@pytest.mark.parametrize(
    "name, content", [("mug.png", b""), ("mug.png", b"GIF89a"), ("mug.jpg", None), ("mug.exe", None), ("mug", b"text")]
)
def test_what_is_no_picture_is_refused(client, upload, data, name, content):
    form = upload(name, content=(data / "mug.png").read_bytes() if content is None else content)
    answer = client.post("/api/upload-image", data=form)
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_image")


def test_a_picture_becomes_a_closed_stl(client, generate, finished):
    answer = generate()
    started = answer.get_json()
    assert answer.status_code == 200
    assert (started["status"], started["format"], started["engine"], started["run"]) == (
        "processing",
        "stl",
        "embedded",
        1,
    )
    assert started["settings"] == {
        "steps": 2, "octree_resolution": 48, "guidance_scale": None, "target_faces": 2000, "seed": 0,
    }  # fmt: skip
    record = finished(answer)
    assert record["status"] == "completed"
    assert record["method"] == "silhouette-inflation"
    metrics = record["quality_metrics"]
    assert metrics["is_watertight"]
    assert metrics["is_manifold"]
    assert metrics["printable"]
    assert (metrics["overall_score"], metrics["quality_grade"]) == (1.0, "A")
    fetched = client.get(record["download_url"], buffered=True)
    mesh = trimesh.load_mesh(BytesIO(fetched.data), file_type="stl")
    assert mesh.is_watertight
    assert mesh.volume > 0
    assert max(mesh.extents) == pytest.approx(100.0, abs=0.01)
    assert len(mesh.faces) == metrics["face_count"] <= 2000
    assert list(record["dimensions"].values()) == pytest.approx(mesh.extents, abs=0.01)


def test_every_option_of_the_shape_changes_the_file(client, generate, finished):
    record = finished(
        generate(
            format="PLY", quality="low", target_faces=1000, up_axis="z", fit="stretch",
            dimensions={"width": 30, "height": 20, "depth": 10},
        )
    )  # fmt: skip
    mesh = trimesh.load_mesh(BytesIO(client.get(record["download_url"], buffered=True).data), file_type="ply")
    assert len(mesh.faces) == 1000
    assert list(mesh.extents) == pytest.approx([30, 10, 20], abs=0.01)
    assert record["quality"] == 3
    assert record["settings"]["target_faces"] == 1000


def test_width_height_and_depth_may_stand_alone_in_a_form(client, upload, finished):
    form = upload("star.png", quality=1, format="off", width=40, height=40, depth=40)
    record = finished(client.post("/api/generate", data=form))
    assert record["dimensions"] == {"width": 40.0, "height": 40.0, "depth": 40.0}
    assert max(record["quality_metrics"]["extents_mm"]) == pytest.approx(40.0, abs=0.01)


def test_modes_name_their_method_and_a_scene_becomes_a_relief(client, upload, finished):
    record = finished(client.post("/api/generate", data=upload("scene.jpg", quality=1)))
    assert record["method"] == "relief"
    assert any("relief" in warning for warning in record["warnings"])
    asked = client.post("/api/generate", data=upload("star.png", quality=1, mode="lithophane"))
    assert asked.get_json()["method"] == "lithophane"
    assert finished(asked)["quality_metrics"]["is_watertight"]


def test_a_form_with_the_image_generates_in_one_request(client, upload, finished):
    for path in ("/api/generate-3d", "/api/generate"):
        record = finished(client.post(path, data=upload("star.png", quality="draft", format="stl")))
        assert record["job_type"] == "image-to-3d"
        assert record["filename"].endswith("_star.png")


@pytest.mark.parametrize(
    "members, pointer",
    [
        ({"quality": 11}, "/quality"),
        ({"format": "step"}, "/format"),
        ({"steps": 0}, "/steps"),
        ({"steps": 2.5}, "/steps"),
        ({"octree_resolution": 513}, "/octree_resolution"),
        ({"target_faces": 99}, "/target_faces"),
        ({"dimensions": {"width": 10, "height": 10}}, "/dimensions/depth"),
        ({"dimensions": {"width": 10, "height": 10, "depth": 501}}, "/dimensions/depth"),
        ({"width": 10}, "/height"),
        ({"seed": -1}, "/seed"),
        ({"mode": "x"}, "/mode"),
        ({"up_axis": "x"}, "/up_axis"),
        ({"job_id": "not-an-id"}, "/job_id"),
        ({"job_id": None}, "/job_id"),
    ],
)
def test_a_bad_value_is_400_with_its_pointer(generate, members, pointer):
    answer = generate(**members)
    problem = answer.get_json()
    assert (answer.status_code, problem["code"]) == (400, "invalid_request")
    assert pointer in [error["pointer"] for error in problem["errors"]]
    assert problem["details"]


def test_an_unknown_job_is_404_and_an_absent_id_400(client):
    unknown = client.post("/api/generate-3d", json={"job_id": JOB})
    assert (unknown.status_code, unknown.get_json()["code"]) == (404, "job_not_found")
    absent = client.post("/api/generate-3d", data=b"")
    assert (absent.status_code, absent.get_json()["errors"][0]["pointer"]) == (400, "/job_id")


@pytest.mark.parametrize(
    "members, status, code",
    [
        ({"format": "fbx"}, 422, "format_unavailable"),
        ({"texture": "material"}, 400, "invalid_request"),
        ({"texture": "paint"}, 422, "parameter_not_supported"),
        ({"engine": "hunyuan3d"}, 503, "model_unavailable"),
        ({"model": "hunyuan3d-dit-v2-mini"}, 503, "model_unavailable"),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_queued(client, generate, stored, members, status, code):
    answer = generate(**members)
    assert (answer.status_code, answer.get_json()["code"]) == (status, code)
    assert client.get(f"/api/job-status/{stored}").get_json()["status"] == "pending"


def test_unusable_and_unknown_members_are_named_in_warnings(generate):
    warnings = generate(guidance_scale=7.5, seed=4, sparkle=True).get_json()["warnings"]
    assert len(warnings) == 3
    assert all(any(name in warning for warning in warnings) for name in ("guidance_scale", "seed", "sparkle"))


def test_the_same_request_is_answered_at_once(client, generate, finished, upload):
    first = finished(generate())
    again = generate()
    assert (again.get_json()["status"], again.get_json()["cached"], again.get_json()["run"]) == ("completed", True, 2)
    other = client.post("/api/generate", data=upload("mug.png", quality=1)).get_json()
    assert (other["status"], other["cached"]) == ("completed", True)
    files = [
        client.get(f"/api/download/{job}/model.stl", buffered=True).data for job in (first["job_id"], other["job_id"])
    ]
    assert files[0] == files[1]


def test_the_identical_request_in_flight_is_joined(client, generate, upload, worker):
    first = generate().get_json()
    same = generate().get_json()
    assert (same["joined"], same["run"], same["job_id"]) == (True, 1, first["job_id"])
    other = client.post("/api/generate", data=upload("mug.png", quality=1)).get_json()
    assert other["joined"] is True
    assert other["job_id"] != first["job_id"]
    worker.drain()
    for job_id in (first["job_id"], other["job_id"]):
        assert client.get(f"/api/job-status/{job_id}").get_json()["status"] == "completed"


def test_another_format_writes_the_kept_mesh_anew(generate, finished):
    finished(generate())
    again = generate(format="ply")
    assert again.get_json()["reused_mesh"] is True
    record = finished(again)
    assert (record["run"], record["format"]) == (2, "ply")


def test_other_parameters_are_a_further_run_and_the_earlier_file_keeps_its_name(client, generate, finished):
    first = finished(generate())
    second = finished(generate(target_faces=500))
    assert (first["run"], second["run"]) == (1, 2)
    job = first["job_id"]
    latest, earlier = (
        client.get(f"/api/download/{job}/{name}", buffered=True) for name in ("model.stl", f"model_{job}_r1.stl")
    )
    assert len(latest.data) == 84 + 50 * 500
    assert len(earlier.data) > len(latest.data)
    assert f"model_{job}_r1.stl" in earlier.headers["Content-Disposition"]


def test_without_cache_nothing_is_read_and_nothing_is_left(generate, finished):
    finished(generate())
    fresh = generate(use_cache=False)
    assert "cached" not in fresh.get_json()
    assert finished(fresh)["cached"] is False
    assert finished(generate(target_faces=600, use_cache=False))["cached"] is False
    assert "cached" not in generate(target_faces=600).get_json()


def test_a_job_made_by_v1_takes_no_further_run(client, upload):
    made = client.post("/api/v1/generations", data=upload("mug.png", quality=1)).get_json()
    answer = client.post("/api/generate-3d", json={"job_id": made["id"]})
    assert (answer.status_code, answer.get_json()["code"]) == (400, "invalid_request")
    assert f"/api/v1/jobs/{made['id']}/derive" in answer.get_json()["detail"]


def test_the_record_has_an_etag_and_says_when_to_look_again(client, generate, stored, finished):
    generate()
    waiting = client.get(f"/api/job-status/{stored}")
    assert waiting.get_json()["queue_position"] == 1
    assert 1 <= int(waiting.headers["Retry-After"]) <= 10
    again = client.get(f"/api/job-status/{stored}", headers={"If-None-Match": waiting.headers["ETag"]})
    assert again.status_code == 304
    assert finished(generate())["progress"] == 100


@pytest.mark.parametrize("job_id", [JOB, "nonsense", "..", "%00"])
def test_an_unknown_or_malformed_id_has_no_record(client, job_id):
    assert client.get(f"/api/job-status/{job_id}").status_code == 404


def test_formats_tell_why_one_is_absent(client):
    found = client.get("/api/formats").get_json()
    details = {entry["format"]: entry for entry in found["details"]}
    assert found["formats"] == [name for name, entry in details.items() if entry["available"]]
    assert details["fbx"]["reason"]
    assert details["glb"] == {
        "format": "glb", "media_type": "model/gltf-binary", "available": True, "reason": None, "colors": True,
        "textures": True, "units": "m",
    }  # fmt: skip
    assert "webp" in found["input_formats"]
