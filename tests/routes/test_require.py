"""What a request requires is checked on the written files, loaded again."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
import trimesh
from flask.testing import FlaskClient

from tests.routes import solids

SMALL = {"quality": 1, "formats": "stl"}


def generate(client: FlaskClient, upload: Any, require: dict[str, Any], **members: Any) -> Any:
    form = upload("star.png", **{**SMALL, **members}, require=json.dumps(require))
    return client.post("/api/v1/generations", data=form)


def test_a_result_that_meets_what_was_required_lists_every_check(
    client: FlaskClient, finished: Any, upload: Any
) -> None:
    require = {
        "watertight": True, "single_body": True, "min_faces": 10, "max_faces": 100_000, "max_file_bytes": 10**7,
        "fits_mm": [101, 101, 101],
    }  # fmt: skip
    job = finished(generate(client, upload, require, formats="stl,glb"))
    assert job["request"]["require"] == require
    checks = job["result"]["checks"]
    assert {(check["name"], check["format"]) for check in checks} == {(n, f) for n in require for f in ("stl", "glb")}
    assert all(check["ok"] for check in checks)


def test_a_failed_check_ends_the_job_with_measures_and_keeps_the_files_as_rejected(
    client: FlaskClient, finished: Any, upload: Any
) -> None:
    job = finished(generate(client, upload, {"max_faces": 100, "watertight": True}), "failed")
    error = job["error"]
    assert (error["code"], error["status"]) == ("postcondition_failed", 422)
    assert error["measures"]["stl"]["face_count"] > 100
    assert "max_faces (wanted 100, measured" in error["detail"]
    assert {check["name"]: check["ok"] for check in job["result"]["checks"]} == {"max_faces": False, "watertight": True}
    (rejected,) = [asset for asset in job["result"]["assets"] if asset["role"] != "preview"]
    assert rejected["role"] == "rejected"
    mesh = trimesh.load_mesh(BytesIO(client.get(rejected["url"], buffered=True).data), file_type="stl")
    assert len(mesh.faces) == error["measures"]["stl"]["face_count"]
    assert client.get(f"/api/v1/jobs/{job['id']}/result").get_json()["code"] == "result_failed"


def test_a_failed_check_may_be_mended_once_where_that_is_allowed(
    client: FlaskClient, finished: Any, worker: Any, upload: Any
) -> None:
    job = finished(generate(client, upload, {"max_faces": 300}, allow_degrade="true"))
    assert [change["repair"] for change in job["result"]["degraded"]] == [True]
    assert job["result"]["checks"][0]["measured"] == 300
    assert "mesh.repair" in job["result"]["timings"]
    worker.drain()
    waiting = client.get(f"/api/v1/jobs/{job['id']}/result?format=off&wait=0")
    worker.drain()
    converted = client.get(f"/api/v1/jobs/{job['id']}/result?format=off", buffered=True)
    assert waiting.status_code == 404
    assert len(trimesh.load_mesh(BytesIO(converted.data), file_type="off").faces) == 300


def test_a_check_that_mending_does_not_help_fails_in_the_end(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(generate(client, upload, {"min_faces": 10**6}, allow_degrade="true"), "failed")
    assert job["error"]["code"] == "postcondition_failed"
    assert len(job["result"]["assets"]) == 2


def test_a_derived_job_checks_its_own_requirements(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(client.post("/api/v1/generations", data=upload("star.png", **SMALL)))
    url = f"/api/v1/jobs/{job['id']}/derive"
    fits = finished(client.post(url, json={"target_faces": 300, "require": {"max_faces": 300}}))
    assert fits["result"]["checks"][0]["ok"]
    failed = finished(client.post(url, json={"require": {"fits_mm": [10, 10, 10]}}), "failed")
    assert failed["error"]["code"] == "postcondition_failed"
    again = finished(client.post(f"/api/v1/jobs/{failed['id']}/retry"), "failed")
    assert again["request"]["require"] == {"fits_mm": [10.0, 10.0, 10.0]}


@pytest.mark.parametrize(
    "require", [{"printer": "none"}, {"max_faces": 0}, {"fits_mm": [1, 2]}, {"min_wall_mm": -1}, {"solid": True}]
)
def test_requirements_that_mean_nothing_are_refused(client: FlaskClient, upload: Any, require: dict[str, Any]) -> None:
    answer = generate(client, upload, require)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "invalid_request")
    assert answer.get_json()["errors"][0]["pointer"].startswith("/require/")


def test_walls_and_printers_are_checked_with_rays_on_the_file(client: FlaskClient, finished: Any) -> None:
    def repair(mesh: trimesh.Trimesh, require: dict[str, Any], state: str) -> dict[str, Any]:
        form = {"input": (BytesIO(solids.stl(mesh)), "part.stl"), "require": json.dumps(require)}
        return dict(finished(client.post("/api/v1/meshes/repair", data=form), state))

    thick = repair(solids.box(20, 20, 3), {"min_wall_mm": 2.5, "printer": "fdm-220"}, "succeeded")
    assert thick["result"]["checks"][0]["measured"]["min_mm"] == pytest.approx(3.0, abs=0.01)
    thin = repair(solids.box(20, 20, 0.8), {"printer": "fdm-220"}, "failed")
    assert thin["error"]["code"] == "postcondition_failed"
    assert thin["error"]["measures"]["stl"]["wall_thickness"]["thin_share"] > 0.9
    assert repair(solids.box(20, 20, 300), {"printer": "fdm-220"}, "failed")["result"]["checks"][0]["measured"][
        "size_mm"
    ] == [20, 20, 300]
