"""What every answer has and every request passes, whatever the view."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from orfeas import logs
from orfeas.app import create_app
from orfeas.config import Config
from orfeas.errors import all_problems
from orfeas.routes import headers
from orfeas.services import build_services

V1 = "/api/v1/generations"
COMPATIBLE = "/api/generate-3d"


def problem_of(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem of a refusal, complete."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.mimetype == "application/problem+json"
    found = dict(response.get_json())
    assert found["code"] == code
    assert found["status"] == status
    assert found["type"] == f"/problems/{code.replace('_', '-')}"
    assert found["error"] == found["detail"]
    assert found["request_id"] == response.headers["X-Request-ID"]
    assert isinstance(found["errors"], list)
    return found


def other_app(tmp_path: Path, **settings: Any) -> Flask:
    """An app with other settings."""
    config = Config(data_dir=tmp_path / "other", disk_reserve_mb=0, **settings)
    return create_app(config, build_services(config))


@pytest.mark.parametrize("path", ["/health", "/nothing", "/", "/api/v1/assets/0/content", "/static/docs.css"])
def test_every_answer_has_the_security_headers(client: FlaskClient, path: str) -> None:
    response = client.get(path, buffered=True)
    for name, value in headers.SECURITY.items():
        if name != "Content-Security-Policy" or path != "/":
            assert response.headers[name] == value
    assert response.headers["Server"] == "orfeas"
    assert "upgrade-insecure-requests" not in response.headers["Content-Security-Policy"]


def test_a_request_id_is_kept_if_it_is_well_formed(client: FlaskClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc-1.2_3"}).headers["X-Request-ID"] == "abc-1.2_3"
    for bad in ("a b", "x" * 65, "é", "<script>"):
        made = client.get("/health", headers={"X-Request-ID": bad}).headers["X-Request-ID"]
        assert made != bad
        assert headers.REQUEST_ID.fullmatch(made)


def test_unknown_addresses_and_methods_are_problems(client: FlaskClient) -> None:
    problem_of(client.get("/nothing"), 404, "not_found")
    refused = client.delete("/api/health")
    problem = problem_of(refused, 405, "method_not_allowed")
    assert {"GET", "HEAD", "OPTIONS"} == set(refused.headers["Allow"].split(", ")) == set(problem["allowed"])


def test_head_and_options_answer_as_documented(client: FlaskClient) -> None:
    whole, head = client.get("/api/formats"), client.head("/api/formats")
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]
    options = client.options("/api/formats")
    assert options.status_code == 200
    assert set(options.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_cors_is_open_by_default_for_answers_refusals_and_preflights(client: FlaskClient) -> None:
    for response in (client.get("/health"), client.get("/nothing", headers={"Origin": "http://a.example"})):
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert response.headers["Access-Control-Expose-Headers"].split(", ") == sorted(headers.EXPOSED.split(", ")) or (
            response.headers["Access-Control-Expose-Headers"] == headers.EXPOSED
        )
    preflight = client.options(V1, headers={"Origin": "http://a.example", "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 200
    assert preflight.headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, PATCH, DELETE, OPTIONS, HEAD"
    assert preflight.headers["Access-Control-Allow-Headers"] == headers.REQUEST_HEADERS
    assert preflight.headers["Access-Control-Max-Age"] == "600"


def test_cors_with_a_list_answers_the_matching_origin(tmp_path: Path) -> None:
    client = other_app(tmp_path, cors_origins=("https://a.example", "https://b.example")).test_client()
    match = client.get("/health", headers={"Origin": "https://b.example"})
    assert match.headers.getlist("Access-Control-Allow-Origin") == ["https://b.example"]
    assert match.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in match.headers["Vary"]
    stranger = client.get("/health", headers={"Origin": "https://b.example.evil"})
    assert "Access-Control-Allow-Origin" not in stranger.headers
    assert client.get("/health").headers.getlist("Access-Control-Allow-Origin") == ["https://a.example"]


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:80", "[::1]:5000", "x.localhost"])
def test_loopback_hosts_are_answered(client: FlaskClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil", "a b", "@x"])
def test_other_hosts_are_refused(client: FlaskClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 421


def test_a_server_for_all_addresses_answers_for_any_of_them_but_for_no_name(tmp_path: Path) -> None:
    client = other_app(tmp_path, host="0.0.0.0", allow_open=True).test_client()
    assert client.get("/health", headers={"Host": "192.168.1.7:5000"}).status_code == 200
    problem_of(client.get("/health", headers={"Host": "rebound.example"}), 421, "bad_host")


@pytest.mark.parametrize(
    "method, path, refused",
    [
        ("GET", "/api/v1/jobs", False),
        ("POST", V1, False),
        ("DELETE", "/api/v1/jobs/1", True),
        ("PATCH", "/api/v1/cache", True),
        ("GET", "/api/v1/cache", True),
        ("GET", "/api/v1/cache/entries", True),
        ("GET", "/api/v1/models", True),
        ("GET", "/api/v1/modelsx", False),
        ("POST", "/api/ultra-performance/enable", True),
        ("GET", "/api/ultra-performance/status", False),
        ("GET", "/debug/flask-blueprints", True),
        ("OPTIONS", "/api/v1/cache", False),
        ("POST", COMPATIBLE, False),
    ],
)
def test_pages_of_other_sites_may_create_and_read_only(
    client: FlaskClient, method: str, path: str, refused: bool
) -> None:
    far = client.open(path, method=method, headers={"Sec-Fetch-Site": "cross-site"})
    assert (far.status_code == 403) is refused
    if refused:
        problem_of(far, 403, "forbidden")
    for near in ("same-origin", "same-site", "none"):
        assert client.open(path, method=method, headers={"Sec-Fetch-Site": near}).status_code != 403


def test_a_body_over_the_limit_is_refused_before_it_is_read(tmp_path: Path) -> None:
    client = other_app(tmp_path, max_upload_mb=1).test_client()

    class Unread(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, _: Any) -> int:
            raise AssertionError("the body was read")

    for path in ("/api/upload-image", "/api/v1/uploads", COMPATIBLE):
        unread = {"wsgi.input": Unread(), "CONTENT_LENGTH": "1000001", "CONTENT_TYPE": "image/png"}
        response = client.post(path, environ_overrides=unread)
        assert problem_of(response, 413, "too_large")["limit"] == 1_000_000


def test_a_body_of_unknown_length_is_cut_at_the_limit(tmp_path: Path) -> None:
    client = other_app(tmp_path, max_upload_mb=1).test_client()
    response = client.post(
        COMPATIBLE,
        input_stream=io.BytesIO(b" " * 1_200_000),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    problem_of(response, 413, "too_large")


@pytest.mark.parametrize("path, limit", [("/api/llm/analyze-code", 256_000), ("/api/log-error", 32_768)])
def test_smaller_limits_hold_for_bodies_of_unknown_length_too(client: FlaskClient, path: str, limit: int) -> None:
    response = client.post(
        path,
        input_stream=io.BytesIO(b" " * (limit + 1)),
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert problem_of(response, 413, "too_large")["limit"] == limit


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[1", b'{"a": NaN}', b'{"a": Infinity}', b'{"a": 1e999}', b'{"a": "\\ud800"}', b'{"a": "\\u0000"}',
        b"\xff\xfe", b"nonsense", b'{"a":' * 2000, b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}",
    ],
)  # fmt: skip
def test_json_that_cannot_be_read_is_a_bad_request_on_both_surfaces(client: FlaskClient, body: bytes) -> None:
    problem_of(client.post(V1, data=body, content_type="application/json"), 400, "bad_request")
    problem_of(client.post(COMPATIBLE, data=body, content_type="text/plain"), 400, "bad_request")


@pytest.mark.parametrize("body", [b"[]", b"1", b'"text"', b"null", b"true"])
def test_json_that_is_no_object_is_a_wrong_request(client: FlaskClient, body: bytes) -> None:
    problem_of(client.post(V1, data=body, content_type="application/json"), 422, "invalid_request")
    compatible = problem_of(client.post(COMPATIBLE, data=body), 400, "invalid_request")
    assert compatible["details"] == ["The body must be a JSON object."]


def test_v1_reads_json_and_multipart_only(client: FlaskClient) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/xml", None):
        problem = problem_of(client.post(V1, data=b"{}", content_type=kind), 415, "unsupported_media_type")
        assert problem["allowed"] == ["application/json", "multipart/form-data"]


def test_unknown_members_are_refused_on_v1_with_a_pointer(client: FlaskClient) -> None:
    asked = {"image": {"asset_id": "0" * 64}, "qualty": 3, "texture": {"mood": "none"}}
    problem = problem_of(client.post(V1, json=asked), 422, "invalid_request")
    assert {(entry["pointer"], entry["code"]) for entry in problem["errors"]} == {
        ("/qualty", "unknown"),
        ("/texture/mood", "unknown"),
    }


def test_unknown_members_are_named_in_warnings_on_the_compatible_surface(client: FlaskClient, upload: Any) -> None:
    answer = client.post("/api/upload-image", data=upload("mug.png", flavour="mint", other="1")).get_json()
    assert answer["status"] == "uploaded"
    assert any("flavour" in warning for warning in answer["warnings"])
    assert any("other" in warning for warning in answer["warnings"])
    clean = client.post("/api/upload-image", data=upload("mug.png")).get_json()
    assert not clean.get("warnings")


def test_a_wrong_value_is_400_with_details_on_the_compatible_surface(client: FlaskClient) -> None:
    problem = problem_of(client.post(COMPATIBLE, json={"job_id": "x", "quality": 11}), 400, "invalid_request")
    assert any(detail.startswith("quality: ") for detail in problem["details"])
    assert problem["errors"][0]["pointer"] == "/quality"


def test_unknown_members_do_not_hide_what_is_wrong_with_the_others(client: FlaskClient, upload: Any) -> None:
    refused = client.post("/api/generate", data=upload("mug.png", flavour="mint", width="10"))
    problem = problem_of(refused, 400, "invalid_request")
    assert {entry["pointer"] for entry in problem["errors"]} == {"/height", "/depth"}


def test_pointers_are_escaped(client: FlaskClient) -> None:
    problem = problem_of(client.post(V1, json={"a/b~c": 1, "image": {"asset_id": "0" * 64}}), 422, "invalid_request")
    assert [entry["pointer"] for entry in problem["errors"]] == ["/a~1b~0c"]


TRICKS = [
    "../config.py", "..%2fconfig.py", "%2e%2e/config.py", "....//config.py", "/etc/passwd", "%2fetc%2fpasswd",
    "..\\config.py", "icon-192.png%00.txt", ".", "..", "%ff", "C:\\x", "con",
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS)
def test_path_tricks_reach_nothing_outside_the_folder(client: FlaskClient, trick: str) -> None:
    for base in ("/icons/", "/static/", "/static/vendor/", "/problems/", "/api/preview/", "/api/download/x/"):
        response = client.get(base + trick, buffered=True)
        assert response.status_code in (400, 404, 308), f"{base}{trick}: {response.status_code}"
        assert b"ConfigError" not in response.data
        assert b"root:" not in response.data


def test_an_unexpected_error_is_logged_with_its_traceback_and_answered_without(
    app: Flask, client: FlaskClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("secret path /home/somebody")

    monkeypatch.setitem(app.view_functions, "monitoring.smoke", broken)
    with caplog.at_level(logging.ERROR, "orfeas"):
        problem = problem_of(client.get("/test-simple"), 500, "internal")
    assert "secret path" not in json.dumps(problem)
    record = next(record for record in caplog.records if record.name == "orfeas.errors")
    assert record.exc_info is not None
    line = json.loads(logs.JsonFormatter().format(record))
    assert line["request_id"] == problem["request_id"]
    assert "RuntimeError: secret path" in line["traceback"]


def test_each_request_is_one_line_of_json_without_its_query(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "orfeas"):
        client.get("/api/formats?sig=verysecret", headers={"Authorization": "Bearer orf_alsosecret"})
    records = [record for record in caplog.records if record.name == "orfeas.access"]
    assert len(records) == 1
    text = logs.JsonFormatter().format(records[0])
    assert "\n" not in text
    assert "secret" not in text
    line = json.loads(text)
    assert (line["method"], line["path"], line["endpoint"], line["status"]) == (
        "GET", "/api/formats", "/api/formats", 200,
    )  # fmt: skip
    assert line["bytes"] > 0
    assert 0.0 < line["seconds"] < 10.0


def test_secrets_among_the_fields_of_a_log_line_are_hidden() -> None:
    record = logging.LogRecord("orfeas", logging.INFO, __file__, 1, "made", None, None)
    record.fields = {"api_key": "abc", "X-Token": "abc", "name": "ok"}
    assert "abc" not in logs.JsonFormatter().format(record)
    assert logs.TextFormatter().format(record).endswith("orfeas: made api_key=(hidden) X-Token=(hidden) name=ok")


def test_the_log_level_and_form_are_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Config(data_dir=tmp_path, log_level="WARNING", log_format="text"))
    try:
        logging.getLogger("orfeas.x").info("quiet")
        logging.getLogger("orfeas.x").warning("loud")
        written = capsys.readouterr().err
        assert "quiet" not in written
        assert "WARNING orfeas.x: loud" in written
    finally:
        logs.configure(Config(data_dir=tmp_path))


def test_the_rate_limit_counts_all_but_health(tmp_path: Path) -> None:
    client = other_app(tmp_path, rate_limit_per_minute=3).test_client()
    for left in (2, 1, 0):
        response = client.get("/api/formats")
        assert response.headers["RateLimit-Policy"] == '"default";q=3;w=60'
        assert response.headers["RateLimit"].startswith(f'"default";r={left};t=')
    refused = client.get("/api/formats")
    problem = problem_of(refused, 429, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert problem["limit"] == 3
    for path in ("/health", "/ready", "/api/health", "/metrics", "/api/models-info"):
        assert client.get(path).status_code in (200, 503)
    stranger = client.get("/api/formats", environ_overrides={"REMOTE_ADDR": "10.1.1.1"})
    assert stranger.status_code == 200


def test_there_is_no_rate_limit_by_default(client: FlaskClient) -> None:
    assert "RateLimit" not in client.get("/api/formats").headers


def test_the_client_behind_a_proxy_is_believed_only_if_told_so(tmp_path: Path, client: FlaskClient) -> None:
    proxied = other_app(tmp_path, trust_proxy=1, rate_limit_per_minute=1).test_client()
    for address in ("10.0.0.1", "10.0.0.2"):
        assert proxied.get("/api/formats", headers={"X-Forwarded-For": address}).status_code == 200
    assert proxied.get("/api/formats", headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 429


def test_the_web_process_needs_no_heavy_library() -> None:
    heavy = ("torch", "scipy", "trimesh", "skimage", "cv2", "numpy", "PIL")
    code = f"import sys, orfeas.app; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_two_apps_in_one_process_do_not_share_state(app: Flask, tmp_path: Path) -> None:
    other = other_app(tmp_path)
    other.test_client().get("/health")
    assert b'endpoint="/health"' in other.test_client().get("/metrics").data
    assert b'endpoint="/health"' not in app.test_client().get("/metrics").data


def test_every_problem_has_its_page_and_its_document(client: FlaskClient) -> None:
    for code, kind in all_problems().items():
        slug = code.replace("_", "-")
        page = client.get(f"/problems/{slug}", headers={"Accept": "text/html"})
        assert page.mimetype == "text/html"
        assert kind.title.replace("'", "&#x27;") in page.get_data(as_text=True)
        answer = client.get(f"/problems/{slug}", headers={"Accept": "application/json"}).get_json()
        assert (answer["code"], answer["status"]) == (code, int(kind.status))
        assert answer["way_out"] == kind.way_out
        assert ("way_out" in vars(kind)) or code == "internal", f"{code} does not say what to do"
    problem_of(client.get("/problems/nonsense"), 404, "not_found")
    problem_of(client.get("/problems/not-found", headers={"Accept": "image/png"}), 406, "not_acceptable")


names = st.text(min_size=1, max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@limits(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(names | st.sampled_from(["image", "quality", "formats", "job_id"]), values, max_size=4))
def test_no_json_object_makes_the_server_fail(client: FlaskClient, body: dict[str, Any]) -> None:
    for path in (V1, COMPATIBLE, "/api/v1/uploads", "/api/v1/batches", "/api/v1/cache/clear"):
        if path.endswith("clear") and not body:
            continue
        response = client.post(path, json=body)
        assert response.status_code < 500 or response.status_code == 503, response.get_data(as_text=True)
