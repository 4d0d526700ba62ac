"""Work on stored meshes of v1."""

from __future__ import annotations

import json
import os
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import trimesh
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from tests.imaging import pictures
from tests.routes import meshes, solids
from tests.routes.reading import ReadingClient


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return ReadingClient(app, app.response_class)


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["code"]


def store(client: FlaskClient, mesh: Any, name: str = "part.stl") -> str:
    data = mesh if isinstance(mesh, bytes) else solids.stl(mesh)
    return str(client.post("/api/v1/uploads", data={"file": (BytesIO(data), name)}).get_json()["id"])


def ask(client: FlaskClient, what: str, asset_id: str, **members: Any) -> Any:
    return client.post(f"/api/v1/meshes/{what}", json={"input": {"asset_id": asset_id}, **members})


def file_of(client: FlaskClient, job: dict[str, Any], number: int = 0) -> trimesh.Trimesh:
    made = job["result"]["assets"][number]
    return solids.loaded(client.get(made["url"]).data, made["format"])


def test_an_analysis_is_the_measures_of_a_job_without_files(client: FlaskClient, finished: Any) -> None:
    asset_id = store(client, solids.box(10, 20, 30))
    answer = ask(client, "analyze", asset_id, printer="fdm-220", self_intersections=True)
    assert (answer.status_code, answer.headers["Location"]) == (202, answer.get_json()["links"]["self"])
    job = finished(answer)
    assert (job["type"], job["result"]["assets"]) == ("analyze", [])
    assert job["result"]["measures"]["volume"] == pytest.approx(6000)
    assert job["request"] == {
        "input": {"asset_id": asset_id}, "input_file": "part.stl", "unit": None, "printer": "fdm-220",
        "min_wall_mm": None, "self_intersections": "true",
    }  # fmt: skip
    assert client.get(f"/api/v1/assets/{asset_id}").get_json()["mesh"]["faces"] == 12
    assert code(client.get(job["links"]["result"])) == (404, "file_not_found")
    again = ask(client, "analyze", asset_id, printer="fdm-220", self_intersections="true")
    assert (again.status_code, again.get_json()["cached"]) == (200, True)


def test_a_repair_shows_before_and_after_and_keeps_axes_and_format(client: FlaskClient, finished: Any) -> None:
    broken = solids.holed(solids.ball())
    job = finished(ask(client, "repair", store(client, broken), require={"watertight": True}))
    result = job["result"]
    assert (result["before"]["is_watertight"], result["after"]["is_watertight"]) == (False, True)
    assert result["checks"] == [{"name": "watertight", "wanted": True, "measured": True, "ok": True, "format": "stl"}]
    (made,) = result["assets"]
    assert (made["filename"], made["up_axis"], made["role"]) == ("repaired_part.stl", "z", "model")
    assert file_of(client, job).bounds == pytest.approx(solids.ball().bounds, abs=1e-4)
    manifest = client.get(job["links"]["manifest"]).get_json()
    assert [step["stage"] for step in manifest["operations"]].count("mesh.analyze") == 2
    assert manifest["inputs"] == [{"fingerprint": store(client, broken), "sha256": store(client, broken)}]


def test_formats_are_those_asked_for_with_the_provenance_inside(client: FlaskClient, finished: Any) -> None:
    job = finished(ask(client, "simplify", store(client, solids.ball()), target_faces=200, formats=["glb", "3mf"]))
    assert [(a["format"], a["filename"], a["up_axis"]) for a in job["result"]["assets"]] == [
        ("glb", "simplified_part.glb", "y"), ("3mf", "simplified_part.3mf", "z"),
    ]  # fmt: skip
    assert (job["result"]["final_faces"], job["result"]["target_faces"]) == (200, 200)
    assert {m["face_count"] for m in job["result"]["measures"].values()} == {200}
    glb = client.get(job["result"]["assets"][0]["url"]).data
    recipe = json.loads(glb[20 : 20 + int.from_bytes(glb[12:16], "little")])["asset"]["extras"]["orfeas"]
    assert [stage["stage"] for stage in recipe["stages"]] == ["mesh.read", "mesh.simplify"]


def test_a_conversion_has_the_size_the_unit_and_the_axis_that_were_asked_for(
    client: FlaskClient, finished: Any
) -> None:
    asset_id = store(client, solids.box(1, 2, 3))
    inches = finished(ask(client, "convert", asset_id, formats=["stl"], unit="inch", up_axis="z"))
    assert file_of(client, inches).extents == pytest.approx([25.4, 50.8, 76.2])
    upright = finished(ask(client, "convert", asset_id, formats=["glb", "obj"]))
    assert file_of(client, upright).extents * 1000 == pytest.approx([1, 3, 2])
    assert file_of(client, upright, 1).extents == pytest.approx([1, 3, 2])
    size = {"width": 10, "height": 10, "depth": 10}
    sized = finished(ask(client, "convert", asset_id, formats=["ply"], dimensions_mm=size, fit="stretch"))
    assert file_of(client, sized).extents == pytest.approx([10, 10, 10])
    assert sized["request"]["dimensions_mm"] == size
    again = client.post(f"{sized['links']['self']}/retry").get_json()
    assert (again["cached"], again["fingerprint"]) == (True, sized["fingerprint"])


def test_orient_lays_it_down_and_says_how(client: FlaskClient, finished: Any) -> None:
    job = finished(ask(client, "orient", store(client, solids.box(10, 20, 60)), goal="height"))
    assert job["result"]["assets"][0]["up_axis"] == "z"
    assert file_of(client, job).extents[2] == pytest.approx(10)
    assert len(job["result"]["matrix"]) == 3
    assert job["result"]["candidates"][0]["height_mm"] == pytest.approx(10)


def test_a_shell_has_the_wall_and_an_open_mesh_has_none(client: FlaskClient, finished: Any) -> None:
    job = finished(ask(client, "hollow", store(client, solids.box(30, 30, 30)), wall_mm=3, grid=48))
    volumes = job["result"]["volumes"]
    assert volumes["solid_mm3"] == pytest.approx(27000, rel=1e-3)
    assert volumes["cavity_mm3"] == pytest.approx(24**3, rel=0.05)
    assert job["result"]["thinnest_wall_mm"] >= 2.9
    assert len(job["result"]["drains"]) == 2
    failed = finished(ask(client, "hollow", store(client, solids.holed(solids.ball())), wall_mm=2), "failed")
    assert (failed["error"]["code"], failed["error"]["status"]) == ("open_mesh", 422)


def test_optimize_writes_z_up_for_the_printer(client: FlaskClient, finished: Any) -> None:
    job = finished(ask(client, "optimize", store(client, solids.box(10, 20, 60)), printer="resin-small"))
    report = job["result"]["report"]
    assert report["stages"]["print_optimization"]["layers"] > 0
    assert job["result"]["assets"][0]["filename"] == "optimized_part.stl"
    assert file_of(client, job).bounds[0][2] == pytest.approx(0, abs=1e-4)
    assert code(ask(client, "optimize", store(client, solids.box(1, 1, 1)))) == (422, "invalid_request")


def test_a_failed_requirement_keeps_the_file_as_rejected(client: FlaskClient, finished: Any) -> None:
    job = finished(ask(client, "repair", store(client, solids.ball()), require={"max_faces": 10}), "failed")
    assert job["error"]["code"] == "postcondition_failed"
    assert job["error"]["measures"]["stl"]["face_count"] == 1280
    assert [asset["role"] for asset in job["result"]["assets"]] == ["rejected"]


def test_results_go_on_as_inputs_and_in_other_formats(client: FlaskClient, finished: Any, worker: Any) -> None:
    first = finished(ask(client, "simplify", store(client, solids.ball()), target_reduction=0.5))
    second = finished(client.post("/api/v1/meshes/repair", json={"input": {"job_id": first["id"]}}))
    assert second["result"]["before"]["face_count"] == 640
    url = f"{first['links']['result']}?format=off&wait=0"
    assert code(client.get(url)) == (404, "result_not_ready")
    worker.drain()
    assert len(solids.loaded(client.get(url).data, "off").faces) == 640
    derived = client.post(f"{first['links']['self']}/derive", json={"target_faces": 100})
    assert code(derived) == (422, "capability_missing")


def test_an_input_comes_in_every_way(client: FlaskClient, finished: Any) -> None:
    data = solids.stl(solids.box(1, 2, 3))
    alone = client.post("/api/v1/meshes/analyze", data={"input": (BytesIO(data), "a.stl"), "printer": "fdm-256"})
    assert finished(alone)["result"]["measures"]["face_count"] == 12
    request = json.dumps({"input": {"upload": "mesh"}, "formats": ["off"]})
    named = client.post("/api/v1/meshes/convert", data={"request": request, "mesh": (BytesIO(data), "a.stl")})
    assert finished(named)["result"]["assets"][0]["filename"] == "a.off"


def test_wrong_requests_have_pointers(client: FlaskClient) -> None:
    picture = client.post("/api/v1/uploads", data={"file": (BytesIO(pictures.png()), "a.png")}).get_json()["id"]
    glb, part = store(client, meshes.glb(), "a.glb"), store(client, meshes.stl())
    for what, asset_id, members, problem, pointer in (
        ("analyze", picture, {}, "invalid_request", "/input"),
        ("analyze", glb, {"unit": "inch"}, "parameter_not_supported", "/unit"),
        ("analyze", part, {"formats": ["stl"]}, "invalid_request", "/formats"),
        ("simplify", part, {}, "invalid_request", "/target_faces"),
        ("simplify", part, {"target_faces": 4, "target_reduction": 0.5}, "invalid_request", "/target_reduction"),
        ("convert", part, {}, "invalid_request", "/formats"),
        ("convert", part, {"formats": ["step"]}, "invalid_request", "/formats/0"),
        ("hollow", part, {}, "invalid_request", "/wall_mm"),
        ("orient", part, {"goal": "sideways"}, "invalid_request", "/goal"),
        ("repair", part, {"require": {"shiny": True}}, "invalid_request", "/require/shiny"),
    ):
        refused = ask(client, what, asset_id, **members)
        assert code(refused) == (422, problem), (what, members)
        assert pointer in [error["pointer"] for error in refused.get_json()["errors"]], (what, members)
    assert code(ask(client, "analyze", "0" * 64)) == (404, "file_not_found")
    assert code(client.post("/api/v1/meshes/analyze", json={})) == (422, "invalid_request")
    assert code(ask(client, "convert", part, formats=["fbx"])) == (422, "format_unavailable")


def test_a_key_gives_the_first_answer_again(client: FlaskClient) -> None:
    body, headers = {"input": {"asset_id": store(client, meshes.stl())}}, {"Idempotency-Key": "once"}
    first = client.post("/api/v1/meshes/repair", json=body, headers=headers)
    again = client.post("/api/v1/meshes/repair", json=body, headers=headers)
    assert again.get_json()["id"] == first.get_json()["id"]
    assert again.headers["Idempotency-Replayed"] == "true"


def test_a_job_can_be_cancelled_before_it_runs(client: FlaskClient, worker: Any) -> None:
    job = ask(client, "repair", store(client, solids.ball())).get_json()
    assert client.post(job["links"]["cancel"]).get_json()["state"] == "cancelled"
    assert worker.drain() == 0


def test_formats_say_what_they_carry_and_why_they_are_absent(client: FlaskClient) -> None:
    items = {item["format"]: item for item in client.get("/api/v1/exports/formats").get_json()["items"]}
    assert items["glb"]["available"]
    assert (items["stl"]["units"], items["stl"]["colors"]) == ("mm", False)
    for name in ("mp4", "udatasmith", "prefab"):
        assert not items[name]["available"]
        assert items[name]["reason"]


def test_a_scene_keeps_its_parts_in_their_places(client: FlaskClient, finished: Any) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(solids.box(0.01, 0.01, 0.01), geom_name="a")
    shifted = trimesh.transformations.translation_matrix([0.03, 0.0, 0.0])
    scene.add_geometry(solids.ball(0.01, 1), geom_name="b", transform=shifted)
    asset_id = store(client, scene.export(file_type="glb"), "two.glb")
    job = finished(ask(client, "convert", asset_id, formats=["glb", "stl"], up_axis="z"))
    assert job["result"]["measures"]["glb"]["extents_mm"] == pytest.approx([45, 20, 20], rel=0.02)
    again = trimesh.load_scene(BytesIO(client.get(job["result"]["assets"][0]["url"]).data), file_type="glb")
    assert len(again.geometry) == 2
    assert file_of(client, job, 1).body_count == 2
    repaired = finished(ask(client, "repair", asset_id))
    kept = trimesh.load_scene(BytesIO(client.get(repaired["result"]["assets"][0]["url"]).data), file_type="glb")
    assert len(kept.geometry) == 2
    sized = finished(
        ask(client, "convert", asset_id, formats=["stl"], dimensions_mm={"width": 90, "height": 90, "depth": 90})
    )
    assert max(file_of(client, sized).extents) == pytest.approx(90, rel=1e-4)


def test_parts_are_laid_down_and_scaled_together(client: FlaskClient, finished: Any) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(solids.box(0.01, 0.02, 0.3), geom_name="a")
    beside = trimesh.transformations.translation_matrix([0.02, 0.0, 0.0])
    scene.add_geometry(solids.box(0.01, 0.02, 0.3), geom_name="b", transform=beside)
    asset_id = store(client, scene.export(file_type="glb"), "two.glb")
    job = finished(ask(client, "optimize", asset_id, printer="fdm-220", formats=["glb", "stl"]))
    assert "scaled by" in job["warnings"][0]
    kept = trimesh.load_scene(BytesIO(client.get(job["result"]["assets"][0]["url"]).data), file_type="glb")
    assert len(kept.geometry) == 2
    placed = file_of(client, job, 1)
    assert max(placed.extents) == pytest.approx(250 * 0.95, rel=1e-4)
    assert placed.bounds[0][2] == pytest.approx(0, abs=1e-3)
    assert placed.bounds.mean(axis=0)[:2] == pytest.approx([0, 0], abs=1e-3)
    assert kept.extents * 1000 == pytest.approx(placed.extents, rel=1e-4)


def test_a_textured_mesh_as_obj_is_a_zip_that_says_so(client: FlaskClient, finished: Any, upload: Any) -> None:
    made = finished(client.post("/api/v1/generations", data=upload("star.png", quality=1, formats="glb")))
    job = finished(client.post("/api/v1/meshes/convert", json={"input": {"job_id": made["id"]}, "formats": ["obj"]}))
    (asset,) = job["result"]["assets"]
    assert (asset["filename"], asset["media_type"]) == ("model.obj.zip", "application/zip")
    assert job["result"]["measures"]["obj"]["is_watertight"]


@limits(
    max_examples=200 if os.environ.get("TEST_SCALE") == "full" else 15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    corners=st.lists(st.tuples(*[st.integers(-3, 3)] * 9), min_size=1, max_size=12),
    what=st.sampled_from(["analyze", "repair", "simplify", "optimize", "orient", "convert"]),
)
def test_any_triangles_end_in_a_result_or_a_named_refusal(
    client: FlaskClient, worker: Any, corners: list[tuple[int, ...]], what: str
) -> None:
    records = b"".join(struct.pack("<12fH", 0, 0, 0, *triangle, 0) for triangle in corners)
    data = b"any".ljust(80, b"\0") + struct.pack("<I", len(corners)) + records
    members = {"simplify": {"target_faces": 4}, "optimize": {"printer": "fdm-220"}, "convert": {"formats": ["glb"]}}
    answer = ask(client, what, store(client, data), **members.get(what, {}))
    assert answer.status_code in (200, 202), answer.get_json()
    worker.drain()
    job = client.get(answer.get_json()["links"]["self"]).get_json()
    if job["state"] == "failed":
        assert job["error"]["code"] in ("empty_mesh", "open_mesh", "target_unreachable", "unreadable_mesh"), job[
            "error"
        ]
    else:
        assert job["state"] == "succeeded"


PLY_BOMB = (
    b"ply\nformat binary_little_endian 1.0\nelement vertex 4000000000\nproperty float x\nproperty float y\n"
    b"property float z\nelement face 4000000000\nproperty list uchar int vertex_indices\nend_header\n"
)


@pytest.mark.parametrize(
    "name, data, wanted",
    [
        ("many.ply", PLY_BOMB + bytes(500), (413, "too_large")),
        ("many.off", b"OFF\n4000000000 4000000000 0\n0 0 0\n", (413, "too_large")),
        ("many.stl", b"x" * 80 + struct.pack("<I", 4_000_000_000) + bytes(500), (422, "unreadable_mesh")),
    ],
)
def test_files_that_claim_more_than_any_memory_holds_are_refused_when_they_arrive(
    client: FlaskClient, name: str, data: bytes, wanted: tuple[int, str]
) -> None:
    assert code(client.post("/api/v1/uploads", data={"file": (BytesIO(data), name)})) == wanted


REAL = sorted(path for path in (Path(__file__).parents[1] / "data" / "meshes").iterdir() if path.is_file())


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name)
def test_files_of_other_programs_are_analysed_and_mended(client: FlaskClient, finished: Any, path: Path) -> None:
    """None of them is an unexpected error, and all come out closed."""
    asset_id = store(client, path.read_bytes(), path.name)
    before = finished(ask(client, "analyze", asset_id))["result"]["measures"]
    assert before["face_count"] > 0
    job = finished(ask(client, "repair", asset_id, aggressive=True))
    after = job["result"]["after"]
    assert (job["result"]["is_watertight"], after["is_watertight"]) == (True, True)
    assert after["volume"] > 0


def test_parts_that_lie_on_one_another_are_told_and_made_one_where_that_is_asked_for(
    client: FlaskClient, finished: Any
) -> None:
    """Assimp wrote two parts of the robot to the same place."""
    asset_id = store(client, next(path for path in REAL if path.name == "assimp_robot.3mf").read_bytes(), "robot.3mf")
    apart = finished(ask(client, "repair", asset_id))
    assert (apart["result"]["is_watertight"], apart["result"]["after"]["is_watertight"]) == (False, False)
    assert "share edges" in apart["warnings"][0]
    one = finished(ask(client, "repair", asset_id, aggressive=True, require={"watertight": True}))
    assert "made one" in one["warnings"][0]
    assert one["result"]["after"]["body_count"] == 1
