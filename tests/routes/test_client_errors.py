"""What pages report, and the table of routes."""

from __future__ import annotations

import json
import logging

import pytest

URL = "/api/log-error"


def logged(caplog):
    (line,) = [entry for entry in caplog.records if entry.name == "orfeas.client"]
    assert line.levelno == logging.WARNING
    return line.fields


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "application/octet-stream", ""])
def test_a_report_of_any_media_type_is_one_line_of_the_log(client, caplog, media_type):
    caplog.set_level(logging.WARNING, "orfeas.client")
    body = {"message": "100 % {broken}\n\x1b[31m", "url": "https://pages.example", "line": 4, "extra": {"a": [1]}}
    answer = client.post(URL, data=json.dumps(body), content_type=media_type)
    assert answer.status_code == 201
    found = logged(caplog)
    assert found["error_id"] == answer.get_json()["error_id"]
    assert found["report"] == {
        "message": "100 % {broken}  [31m", "url": "https://pages.example", "line": 4, "extra": '{"a": [1]}',
    }  # fmt: skip
    assert answer.get_json()["truncated"] is False


def test_long_texts_and_many_members_are_cut(client, caplog):
    caplog.set_level(logging.WARNING, "orfeas.client")
    body = {**{f"m{index}": index for index in range(30)}, "message": "é" * 4000, "lone": "\ud800"}
    answer = client.post(URL, data=json.dumps(body))
    assert answer.get_json()["truncated"] is True
    report = logged(caplog)["report"]
    assert len(report) == 20
    assert len(report["message"].encode()) <= 4096


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", (400, "bad_request")),
        (b"not json", (400, "bad_request")),
        (b"[" * 20_000, (400, "bad_request")),
        (b"[1]", (400, "invalid_request")),
        (b"{}", (400, "invalid_request")),
        (b'{"message": 5}', (400, "invalid_request")),
        (b'{"message": " "}', (400, "invalid_request")),
        (b" " * 32_769, (413, "too_large")),
    ],
)
def test_what_is_no_report_is_refused(client, data, expected):
    answer = client.post(URL, data=data)
    assert (answer.status_code, answer.get_json()["code"]) == expected


def test_one_address_may_report_thirty_times_a_minute(client):
    statuses = [client.post(URL, json={"message": "x"}).status_code for _ in range(32)]
    assert statuses == [201] * 30 + [429] * 2
    other = client.post(URL, json={"message": "x"}, environ_base={"REMOTE_ADDR": "10.0.0.9"})
    assert other.status_code == 201
    assert int(client.post(URL, json={"message": "x"}).headers["Retry-After"]) <= 60


def test_the_table_of_routes_is_for_administrators_on_this_site(client):
    found = client.get("/debug/flask-blueprints").get_json()
    assert found["blueprints"]["llm"]["import_name"] == "orfeas.routes.llm"
    assert {"endpoint": "llm.status", "methods": ["GET"], "rule": "/api/llm/status"} in found["llm_url_rules"]
    assert found["total_rules"] > 100
    foreign = client.get("/debug/flask-blueprints", headers={"Sec-Fetch-Site": "cross-site"})
    assert (foreign.status_code, foreign.get_json()["code"]) == (403, "forbidden")
