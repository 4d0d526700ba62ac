"""Work on stl files on the compatible surface: the answer is the result."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.imaging import pictures
from tests.routes import meshes, solids
from tests.routes.reading import ReadingClient

pytestmark = pytest.mark.usefixtures("working")


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return ReadingClient(app, app.response_class)


def post(client: FlaskClient, what: str, mesh: Any, name: str = "part.stl", **members: Any) -> Any:
    data = mesh if isinstance(mesh, bytes) else solids.stl(mesh)
    headers = members.pop("headers", None)
    query = members.pop("query", None)
    form = {"file": (BytesIO(data), name), **{key: str(value) for key, value in members.items()}}
    return client.post(f"/api/stl/{what}", data=form, headers=headers, query_string=query)


def code(response: Any) -> tuple[int, str]:
    return response.status_code, response.get_json()["code"]


def test_a_box_is_measured_exactly(client: FlaskClient) -> None:
    answer = post(client, "analyze", solids.box(10, 20, 30)).get_json()
    found = answer["analysis"]
    assert (answer["success"], answer["triangle_count"], answer["manifold"], answer["watertight"]) == (
        True, 12, True, True,
    )  # fmt: skip
    assert (answer["volume"], answer["surface_area"]) == (pytest.approx(6000), pytest.approx(2200))
    assert answer["bounds"]["size"] == pytest.approx([10, 20, 30])
    assert (found["genus"], found["body_count"], found["self_intersections"], found["quality_score"]) == (0, 1, 0, 100)
    assert found["printability"]["status"] == "healthy"
    assert found["processing_time"] > 0
    assert "warnings" not in answer


def test_a_damaged_file_is_reported_and_mended(client: FlaskClient) -> None:
    broken = solids.holed(solids.flipped(solids.ball()))
    found = post(client, "analyze", broken).get_json()["analysis"]
    assert (found["is_watertight"], found["volume"]) == (False, None)
    assert found["printability"]["status"] == "error"
    answer = post(client, "repair", broken, "my part.stl").get_json()
    report = answer["repair_report"]
    assert (report["is_watertight"], report["after"]["is_watertight"]) == (True, True)
    assert report["improvement"] == report["final_quality"] - report["initial_quality"] > 0
    assert answer["output_file"] == "repaired_my_part.stl"
    fetched = client.get(answer["download_url"])
    assert fetched.headers["Content-Type"] == "application/octet-stream"
    mended = solids.loaded(fetched.data)
    assert mended.is_watertight
    assert mended.volume == pytest.approx(solids.ball().volume, rel=0.01)
    assert client.get(f"/api/v1/assets/{answer['asset_id']}").get_json()["up_axis"] == "z"


def test_simplify_gives_the_exact_count_and_says_what_it_cost(client: FlaskClient) -> None:
    answer = post(client, "simplify", solids.ball(), target_triangles=501, target_reduction=0.1).get_json()
    report = answer["simplification_report"]
    assert (report["method"], report["initial_faces"], report["target_faces"]) == ("quadric_decimation", 1280, 501)
    assert (report["final_faces"], report["is_watertight"]) == (500, True)
    assert report["reduction_achieved"] == pytest.approx(1 - 500 / 1280)
    assert 95 < report["quality_preserved"] < 101
    assert 0 < report["mean_deviation_mm"] < report["max_deviation_mm"] < 1
    assert "target_reduction has no effect" in answer["warnings"][0]
    assert len(solids.loaded(client.get(answer["download_url"]).data).faces) == 500
    half = post(client, "simplify", solids.ball()).get_json()["simplification_report"]
    assert half["final_faces"] == 640


def test_a_target_above_the_count_returns_the_mesh_as_it_is(client: FlaskClient) -> None:
    answer = post(client, "simplify", solids.box(1, 2, 3), target_faces=100).get_json()
    assert answer["simplification_report"]["final_faces"] == 12
    assert "not more than" in answer["warnings"][0]


def test_what_cannot_be_reached_is_an_error_with_the_best_count(client: FlaskClient) -> None:
    two = solids.trimesh.util.concatenate([solids.ball(5), solids.ball(5).apply_translation([30, 0, 0])])
    answer = post(client, "simplify", two, target_faces=4)
    assert code(answer) == (422, "target_unreachable")
    assert answer.get_json()["best"] >= 8


def test_optimize_makes_it_ready_for_the_printer(client: FlaskClient) -> None:
    answer = post(client, "optimize", solids.box(10, 20, 300), printer="fdm-220").get_json()
    report = answer["optimization_report"]
    assert (report["success"], report["input_file"], report["output_file"]) == (
        True, "part.stl", "optimized_part.stl",
    )  # fmt: skip
    stages = report["stages"]
    assert stages["initial_analysis"]["bounding_box"]["size"] == pytest.approx([10, 20, 300])
    done = stages["print_optimization"]
    assert (done["printer"], done["up_axis"], done["estimated_resin_ml"]) == ("fdm-220", "z", None)
    assert max(done["final_size_mm"]) == pytest.approx(250 * 0.95)
    assert done["layers"] == round(done["final_size_mm"][2] / 0.2)
    assert done["estimated_filament_g"] > 0
    placed = solids.loaded(client.get(answer["download_url"]).data)
    assert placed.bounds[0][2] == pytest.approx(0, abs=1e-4)
    assert sorted(placed.extents) == pytest.approx(sorted(done["final_size_mm"]), rel=1e-4)
    assert stages["final_analysis"]["printability"]["status"] != "error"


def test_a_size_that_no_printer_of_that_name_builds_is_refused(client: FlaskClient) -> None:
    answer = post(client, "optimize", solids.box(10, 10, 10), target_size_mm=900)
    assert code(answer) == (422, "does_not_fit")


def test_hollowing_takes_material_away(client: FlaskClient) -> None:
    plate, printer = solids.box(40, 40, 6), "resin-small"
    solid = post(client, "optimize", plate, printer=printer).get_json()["optimization_report"]
    hollow = post(client, "optimize", plate, printer=printer, hollow=True, wall_thickness_mm=1).get_json()[
        "optimization_report"
    ]
    before, after = (report["stages"]["print_optimization"]["estimated_resin_ml"] for report in (solid, hollow))
    assert after < 0.7 * before
    assert "hollow" in [step["name"] for step in hollow["stages"]["print_optimization"]["operations"]]


def test_the_answer_can_be_the_stl_itself(client: FlaskClient) -> None:
    broken = solids.holed(solids.ball())
    for options in ({"headers": {"Accept": "model/stl"}}, {"query": {"download": "1"}}):
        answer = post(client, "repair", broken, **options)
        assert answer.mimetype == "model/stl"
        assert solids.loaded(answer.data).is_watertight
        assert "repaired_part.stl" in answer.headers["Content-Disposition"]
    assert post(client, "repair", broken, headers={"Accept": "*/*"}).mimetype == "application/json"


def test_a_stored_mesh_is_named_by_its_id_in_any_body(client: FlaskClient) -> None:
    first = post(client, "repair", solids.holed(solids.ball())).get_json()
    for named in (first["asset_id"], first["job_id"], first["job_id"].upper()):
        for body in ({"json": {"file": named}}, {"data": {"file": named}}):
            assert client.post("/api/stl/analyze", **body).get_json()["watertight"] is True
    for named in ("0" * 64, "nonsense", "6f1c2a9e-4d1b-4a53-9a55-0c1f6f1a7b21"):
        assert code(client.post("/api/stl/analyze", json={"file": named})) == (404, "file_not_found")


def test_wrong_requests_are_named(client: FlaskClient) -> None:
    assert code(client.post("/api/stl/analyze", data={})) == (400, "file_missing")
    assert code(client.post("/api/stl/repair", json={})) == (400, "file_missing")
    assert code(post(client, "analyze", meshes.stl(), "")) == (400, "file_missing")
    assert code(post(client, "analyze", meshes.obj(), "a.obj")) == (400, "invalid_request")
    assert code(post(client, "analyze", meshes.stl(), printer="toaster")) == (400, "invalid_request")
    assert code(post(client, "simplify", meshes.stl(), target_faces=3)) == (400, "invalid_request")
    assert code(post(client, "simplify", meshes.stl(), target_reduction=1)) == (400, "invalid_request")
    wrong = post(client, "simplify", meshes.stl(), target_faces=5, target_triangles=6)
    assert code(wrong) == (400, "invalid_request")
    named = post(client, "analyze", meshes.stl(), colour="red").get_json()
    assert "colour" in named["warnings"][0]


@pytest.mark.parametrize("what", ["analyze", "repair", "optimize", "simplify"])
def test_files_that_cannot_be_used_are_refused_by_all(client: FlaskClient, what: str) -> None:
    assert code(post(client, what, meshes.stl()[:-10])) == (422, "unreadable_mesh")
    assert code(post(client, what, b"\0" * 84)) == (422, "empty_mesh")
    nan = meshes.stl()[:96] + struct.pack("<f", float("nan")) + meshes.stl()[100:]
    assert code(post(client, what, nan)) == (422, "unreadable_mesh")


def test_a_single_triangle_is_no_accident(client: FlaskClient) -> None:
    one = b"one".ljust(80, b"\0") + struct.pack("<I", 1) + meshes.stl()[84:134]
    found = post(client, "analyze", one).get_json()["analysis"]
    assert (found["face_count"], found["is_watertight"], found["boundary_edges"]) == (1, False, 3)
    open_still = post(client, "repair", one)
    assert open_still.status_code in (200, 422)
    if open_still.status_code == 200:
        report = open_still.get_json()["repair_report"]
        assert report["is_watertight"] or open_still.get_json()["warnings"]


def test_units_of_work_are_jobs_that_are_cached(client: FlaskClient) -> None:
    first = post(client, "repair", solids.holed(solids.ball())).get_json()
    second = post(client, "repair", solids.holed(solids.ball())).get_json()
    assert second["asset_id"] == first["asset_id"]
    record = client.get(f"/api/job-status/{second['job_id']}").get_json()
    assert (record["job_type"], record["status"], record["cached"]) == ("repair", "completed", True)
    assert record["download_url"] == second["download_url"]
    assert record["repair_report"]["is_watertight"]
    assert client.get(record["model_preview_url"]).mimetype == "image/png"
    job = client.get(f"/api/v1/jobs/{first['job_id']}").get_json()
    assert (job["type"], job["result"]["after"]["is_watertight"]) == ("repair", True)
    again = client.post(f"/api/v1/jobs/{first['job_id']}/retry").get_json()
    assert (again["retried_from"], again["cached"]) == (first["job_id"], True)


def test_what_takes_longer_than_the_client_waits_is_202(client: FlaskClient) -> None:
    answer = post(client, "repair", solids.holed(solids.ball(7)), query={"wait": "0"})
    assert answer.status_code == 202
    started = answer.get_json()
    assert started["status"] == "processing"
    assert answer.headers["Location"] == f"/api/job-status/{started['job_id']}"
    assert client.get(f"{answer.headers['Location']}?wait=30").get_json()["status"] == "completed"


def test_what_is_wrong_with_a_file_is_said_for_meshes(client: FlaskClient) -> None:
    for name, data, problem, words in (
        ("a.stl", b"", "empty_mesh", "no bytes"),
        ("a.stl", meshes.stl()[:-10], "unreadable_mesh", "has 284 bytes, this one 274"),
        ("a.stl", pictures.png(), "unreadable_mesh", "no mesh that can be read"),
        ("a.stl", b"a text of some length, " * 9, "unreadable_mesh", "no stl"),
    ):
        stl_answer = post(client, "analyze", data, name)
        v1_answer = client.post("/api/v1/meshes/analyze", data={"input": (BytesIO(data), name)})
        for answer in (stl_answer, v1_answer):
            assert code(answer) == (422, problem)
            assert words in answer.get_json()["detail"]
