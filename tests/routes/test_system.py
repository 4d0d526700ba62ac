"""Capabilities, presets and the pages about the API."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from orfeas.services.info import info_statistics

ROOT = Path(__file__).parents[2]


def test_capabilities_tell_the_truth_about_this_release(client: FlaskClient) -> None:
    found = client.get("/api/v1/capabilities").get_json()
    assert found["engines"]["embedded"] == {"available": True, "reason": None}
    assert found["engines"]["hunyuan3d"]["available"] is False
    assert found["models"] == []
    assert found["devices"] == []
    writable = {entry["format"] for entry in found["formats"] if entry["write"]}
    extra = {"usdz"} if find_spec("pxr") else set()
    assert writable == {"stl", "obj", "ply", "off", "glb", "gltf", "3mf", "dae"} | extra
    for name, feature in {**found["features"], **found["engines"]}.items():
        assert feature["available"] == (feature["reason"] is None), name
    assert found["features"]["webhooks"]["available"] is False
    assert found["limits"]["upload_bytes"] == 50_000_000
    assert found["limits"]["rate_limit_per_minute"] is None


def test_capabilities_and_presets_can_be_revalidated(client: FlaskClient) -> None:
    for url in ("/api/v1/capabilities", "/api/v1/presets"):
        first = client.get(url)
        again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_presets_come_whole_or_by_kind(client: FlaskClient) -> None:
    whole = client.get("/api/v1/presets").get_json()
    assert set(whole) == {"cameras", "materials", "lighting", "printers", "quality", "profiles", "styles", "vocabulary"}
    for kind in whole:
        assert client.get(f"/api/v1/presets?kind={kind}").get_json() == {kind: whole[kind]}
    assert whole["cameras"]["front"]["position"] == [0.0, 0.0, 10.0]
    assert "snowman" in whole["vocabulary"]["objects"]
    assert whole["materials"]["glass"]["opacity"] == 0.6
    assert [name for name, printer in whole["printers"].items() if printer["default"]] == ["halot-x1"]
    assert whole["quality"][6] == {
        "quality": 7, "label": "Very High", "default": True,
        "full": {"steps": 40, "octree_resolution": 320, "target_faces": 80_000},
        "turbo": {"steps": 6, "octree_resolution": 320, "target_faces": 80_000},
        "embedded": {"steps": 10, "octree_resolution": 144, "target_faces": 30_000},
    }  # fmt: skip


@pytest.mark.parametrize(
    "query, code, pointer",
    [("kind=colours", "invalid_request", "/kind"), ("kind=", "invalid_request", "/kind"),
     ("sort=1", "invalid_request", "/sort")],
)  # fmt: skip
def test_unknown_presets_are_refused(client: FlaskClient, query: str, code: str, pointer: str | None) -> None:
    refused = client.get(f"/api/v1/presets?{query}")
    assert (refused.status_code, refused.get_json()["code"]) == (422, code)
    assert [entry["pointer"] for entry in refused.get_json()["errors"]] == ([pointer] if pointer else [])


def test_pure_lookups_are_kept_and_counted(client: FlaskClient) -> None:
    client.get("/api/v1/presets")
    before = info_statistics()
    client.get("/api/v1/presets")
    after = info_statistics()
    assert after["hits"] > before["hits"]
    assert after["misses"] == before["misses"]


def test_the_api_browser_and_the_studio_load_only_what_this_server_has(client: FlaskClient) -> None:
    for url in ("/docs", "/", "/studio", "/problems/not-found"):
        page = client.get(url, headers={"Accept": "text/html"}, buffered=True)
        assert page.mimetype == "text/html"
        policy = page.headers["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        text = page.get_data(as_text=True)
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), "inline scripts are blocked by the policy"
        assert not re.search(r"\son\w+=|\sstyle=", text), "inline handlers and styles are blocked by the policy"
        linked = re.findall(r'(?:src|href)="([^"]+)"', text)
        assert linked
        for link in linked:
            assert link.startswith("/"), f"{link} is not on this server"
            assert client.get(link, buffered=True).status_code == 200, link


def test_scripts_fetch_from_this_server_only() -> None:
    sources = [
        ROOT / "orfeas/static/docs.js",
        *(ROOT / "studio/src").rglob("*.ts*"),
        *(ROOT / "studio/src").rglob("*.js"),
    ]
    assert len(sources) > 40
    for path in sources:
        text = path.read_text()
        assert "http:" not in text
        assert "https:" not in text
        assert "innerHTML" not in text.replace("dangerouslySetInnerHTML", "innerHTML")


def test_the_service_worker_may_fetch_and_is_asked_for_anew(client: FlaskClient) -> None:
    worker = client.get("/sw.js", buffered=True)
    assert (worker.mimetype, worker.headers["Cache-Control"]) == ("text/javascript", "no-cache")
    assert "connect-src 'self'" in worker.headers["Content-Security-Policy"]


def test_files_whose_names_change_with_their_content_are_kept(client: FlaskClient) -> None:
    page = client.get("/", buffered=True).get_data(as_text=True)
    built = re.findall(r'"(/static/studio/assets/[^"]+)"', page)
    assert built
    for path in built:
        assert "immutable" in client.get(path, buffered=True).headers["Cache-Control"]
    gone = client.get("/static/studio/assets/gone.js")
    assert (gone.status_code, "immutable" in gone.headers.get("Cache-Control", "")) == (404, False)


def test_the_vendored_browser_reads_openapi_3_1_and_has_its_licence(client: FlaskClient) -> None:
    base = "/static/vendor/swagger-ui/"
    assert b"OpenAPI31" in client.get(f"{base}swagger-ui-bundle.js", buffered=True).data
    assert b"Apache License" in client.get(f"{base}LICENSE", buffered=True).data


def test_the_manifest_names_icons_of_the_size_it_says(client: FlaskClient) -> None:
    response = client.get("/manifest.json")
    assert response.mimetype == "application/manifest+json"
    manifest: dict[str, Any] = response.get_json(force=True)
    assert (manifest["id"], manifest["start_url"], manifest["scope"], manifest["display"]) == (
        "/",
        "/",
        "/",
        "standalone",
    )
    purposes = set()
    for icon in manifest["icons"]:
        found = client.get(icon["src"], buffered=True)
        assert found.mimetype == "image/png"
        width, height = (int.from_bytes(found.data[at : at + 4]) for at in (16, 20))
        assert icon["sizes"] == f"{width}x{height}"
        purposes.add((width, icon["purpose"]))
    assert purposes == {(192, "any"), (512, "any"), (512, "maskable")}


def test_the_guide_for_programs_names_every_operation(client):
    answer = client.get("/llms.txt")
    assert answer.mimetype == "text/plain"
    text = answer.get_data(as_text=True)
    assert text.startswith("# orfeas\n")
    for path, item in client.get("/openapi.json").get_json()["paths"].items():
        for method in item.keys() & {"get", "post", "patch", "delete"}:
            assert f"`{method.upper()} {path}`" in text
    assert client.get("/llms.txt", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
