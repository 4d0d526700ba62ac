"""Idempotency-Key, ETag, ranges, pages and waiting, through the real app."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from orfeas.domain.caller import LOCAL
from orfeas.errors import IdempotencyInFlightError, IdempotencyMismatchError
from orfeas.services import Services
from orfeas.services.idempotency import KEPT_S, LOST_S, IdempotencyService, StoredAnswer

UPLOADS, GENERATIONS = "/api/v1/uploads", "/api/v1/generations"


@pytest.fixture
def photo(data: Path) -> bytes:
    """A stored picture's bytes."""
    return (data / "mug.png").read_bytes()


@pytest.fixture
def asset(client: FlaskClient, photo: bytes) -> dict[str, Any]:
    """An uploaded picture."""
    return dict(client.post(UPLOADS, data={"file": (BytesIO(photo), "mug.png")}).get_json())


def keyed(key: str) -> dict[str, str]:
    """The header of a repeatable creation."""
    return {"Idempotency-Key": key}


def test_a_repeated_creation_gets_the_first_answer_and_makes_nothing(
    client: FlaskClient, asset: dict[str, Any]
) -> None:
    asked = {"image": {"asset_id": asset["id"]}, "quality": 1}
    first = client.post(GENERATIONS, json=asked, headers=keyed("once"))
    again = client.post(GENERATIONS, json=asked, headers=keyed("once"))
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.data == first.data
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert len(client.get("/api/v1/jobs").get_json()["items"]) == 1


def test_a_form_counts_by_its_parts_not_by_its_boundary(client: FlaskClient, photo: bytes) -> None:
    def send(content: bytes, boundary: str) -> Any:
        body = (
            (
                f'--{boundary}\r\nContent-Disposition: form-data; name="quality"\r\n\r\n1\r\n--{boundary}\r\n'
                'Content-Disposition: form-data; name="image"; filename="mug.png"\r\nContent-Type: image/png\r\n\r\n'
            ).encode()
            + content
            + f"\r\n--{boundary}--\r\n".encode()
        )
        kind = f"multipart/form-data; boundary={boundary}"
        return client.post(GENERATIONS, data=body, content_type=kind, headers=keyed("form"))

    first, again = send(photo, "aaaa"), send(photo, "bbbb")
    assert first.status_code == 202, first.get_json()
    assert again.get_json() == first.get_json()
    assert send(photo + b" ", "aaaa").get_json()["code"] == "idempotency_mismatch"


def test_the_key_of_another_body_or_operation_is_refused(client: FlaskClient, asset: dict[str, Any]) -> None:
    asked = {"image": {"asset_id": asset["id"]}, "quality": 1}
    client.post(GENERATIONS, json=asked, headers=keyed("k"))
    for url, body in ((GENERATIONS, {**asked, "quality": 2}), ("/api/v1/batches", {"items": [asked]})):
        refused = client.post(url, json=body, headers=keyed("k"))
        assert (refused.status_code, refused.get_json()["code"]) == (422, "idempotency_mismatch")


def test_a_refused_creation_leaves_its_key_free(client: FlaskClient, asset: dict[str, Any]) -> None:
    asked = {"image": {"asset_id": asset["id"]}, "quality": 11}
    assert client.post(GENERATIONS, json=asked, headers=keyed("k")).status_code == 422
    assert client.post(GENERATIONS, json={**asked, "quality": 1}, headers=keyed("k")).status_code == 202


@pytest.mark.parametrize("key", ["", "a b", "é", "x" * 129, "tab\t"])
def test_a_key_that_is_not_visible_characters_is_refused(client: FlaskClient, asset: dict[str, Any], key: str) -> None:
    asked = {"image": {"asset_id": asset["id"]}}
    refused = client.post(GENERATIONS, json=asked, headers=keyed(key))
    assert (refused.status_code, refused.get_json()["code"]) == (422, "invalid_request")


def test_a_key_whose_first_request_is_at_work_is_in_flight(
    client: FlaskClient, wired: Services, asset: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()
    create = wired.generation.create

    def slow(*args: Any, **kwargs: Any) -> Any:
        entered.set()
        leave.wait(10)
        return create(*args, **kwargs)

    monkeypatch.setattr(type(wired.generation), "create", lambda _, *args, **kwargs: slow(*args, **kwargs))
    asked = {"image": {"asset_id": asset["id"]}, "quality": 1}
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lambda: client.application.test_client().post(GENERATIONS, json=asked, headers=keyed("f")))
        assert entered.wait(10)
        second = client.post(GENERATIONS, json=asked, headers=keyed("f"))
        leave.set()
        assert first.result(10).status_code == 202
    assert (second.status_code, second.get_json()["code"]) == (409, "idempotency_in_flight")
    assert second.headers["Retry-After"] == "1"


def test_keys_are_forgotten_after_a_day_and_lost_ones_after_minutes(wired: Services) -> None:
    now = [1000.0]
    store = IdempotencyService(wired.database, now=lambda: now[0])
    assert store.begin(LOCAL, "k", "POST /x", "a" * 64) is None
    with pytest.raises(IdempotencyInFlightError):
        store.begin(LOCAL, "k", "POST /x", "a" * 64)
    now[0] += LOST_S + 1.0
    assert store.begin(LOCAL, "k", "POST /x", "b" * 64) is None
    answer = StoredAnswer(202, {"Location": "/y"}, b"{}")
    store.keep(LOCAL, "k", answer)
    now[0] += KEPT_S - 1.0
    assert store.begin(LOCAL, "k", "POST /x", "b" * 64) == answer
    with pytest.raises(IdempotencyMismatchError):
        store.begin(LOCAL, "k", "POST /x", "a" * 64)
    now[0] += 2.0
    assert store.begin(LOCAL, "k", "POST /x", "a" * 64) is None


# ETag and ranges


def content(client: FlaskClient, asset: dict[str, Any], **headers: str) -> Any:
    """The asset's bytes, asked for with headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.get(asset["links"]["content"], headers=named, buffered=True)


def test_whole_content_can_be_kept_for_ever(client: FlaskClient, asset: dict[str, Any]) -> None:
    whole = content(client, asset)
    assert whole.status_code == 200
    assert hashlib.sha256(whole.data).hexdigest() == asset["id"]
    assert whole.headers["ETag"] == f'"{asset["id"]}"'
    assert whole.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert whole.headers["Accept-Ranges"] == "bytes"
    unchanged = content(client, asset, If_None_Match=whole.headers["ETag"])
    assert (unchanged.status_code, unchanged.data) == (304, b"")
    assert content(client, asset, If_None_Match='"other"').status_code == 200
    head = client.head(asset["links"]["content"], buffered=True)
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(whole.data)))


@pytest.mark.parametrize(
    "asked, start, stop",
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=100-", 100, None), ("bytes=-7", -7, None)],
)
def test_one_range_is_given(
    client: FlaskClient, asset: dict[str, Any], asked: str, start: int, stop: int | None
) -> None:
    whole = content(client, asset).data
    part = content(client, asset, Range=asked)
    assert part.status_code == 206
    assert part.data == whole[start:stop]
    first = start % len(whole)
    assert part.headers["Content-Range"] == f"bytes {first}-{first + len(part.data) - 1}/{len(whole)}"


def test_a_range_past_the_end_is_cut_and_one_outside_is_416(client: FlaskClient, asset: dict[str, Any]) -> None:
    size = asset["size_bytes"]
    assert len(content(client, asset, Range=f"bytes={size - 3}-{size + 100}").data) == 3
    outside = content(client, asset, Range=f"bytes={size}-")
    assert (outside.status_code, outside.get_json()["code"]) == (416, "range_not_satisfiable")
    assert outside.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=0-1", "bytes=9-3", "bytes=x", "nonsense", "bytes=--1"])
def test_ranges_that_are_not_served_give_the_whole_file(client: FlaskClient, asset: dict[str, Any], asked: str) -> None:
    whole = content(client, asset, Range=asked)
    assert whole.status_code == 200
    assert len(whole.data) == asset["size_bytes"]


def test_if_range_gives_the_whole_file_when_it_has_changed(client: FlaskClient, asset: dict[str, Any]) -> None:
    same = content(client, asset, Range="bytes=0-3", If_Range=f'"{asset["id"]}"')
    other = content(client, asset, Range="bytes=0-3", If_Range='"another"')
    assert (same.status_code, other.status_code) == (206, 200)
    weak = content(client, asset, Range="bytes=0-3", If_Range=f'W/"{asset["id"]}"')
    assert (weak.status_code, len(weak.data)) == (200, asset["size_bytes"]), "a weak tag says nothing about bytes"


@limits(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 60_000), length=st.integers(1, 60_000))
def test_any_range_equals_that_slice(client: FlaskClient, asset: dict[str, Any], start: int, length: int) -> None:
    whole = content(client, asset).data
    part = content(client, asset, Range=f"bytes={start}-{start + length - 1}")
    if start >= len(whole):
        assert part.status_code == 416
    else:
        assert part.status_code == 206
        assert part.data == whole[start : start + length]


def test_a_job_read_has_an_etag_that_changes_with_the_job(client: FlaskClient, asset: dict[str, Any]) -> None:
    job = client.post(GENERATIONS, json={"image": {"asset_id": asset["id"]}, "quality": 1}).get_json()
    first = client.get(job["links"]["self"])
    assert client.get(job["links"]["self"], headers={"If-None-Match": first.headers["ETag"]}).status_code == 304
    client.post(job["links"]["cancel"])
    changed = client.get(job["links"]["self"], headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200
    assert changed.headers["ETag"] != first.headers["ETag"]


# pages


@pytest.fixture
def five_jobs(client: FlaskClient, asset: dict[str, Any]) -> list[str]:
    """Ids of five jobs, oldest first."""
    body = {"image": {"asset_id": asset["id"]}, "quality": 1}
    return [client.post(GENERATIONS, json={**body, "tags": [f"t{n % 2}"]}).get_json()["id"] for n in range(5)]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 200])
@pytest.mark.parametrize("sort", ["created_at", "-created_at"])
def test_pages_hold_every_job_once_in_order(client: FlaskClient, five_jobs: list[str], limit: int, sort: str) -> None:
    url, seen = f"/api/v1/jobs?limit={limit}&sort={sort}", []
    while url:
        response = client.get(url)
        page = response.get_json()
        seen += [job["id"] for job in page["items"]]
        assert len(page["items"]) <= limit
        link = re.fullmatch(r'<(/api/v1/jobs\?.*)>; rel="next"', response.headers.get("Link", ""))
        assert (link is None) == (page["next_cursor"] is None)
        url = link.group(1) if link else ""
    assert seen == (five_jobs if sort == "created_at" else five_jobs[::-1])


def test_a_cursor_belongs_to_its_list_and_filters(client: FlaskClient, five_jobs: list[str]) -> None:
    assert len(five_jobs) == 5
    cursor = client.get("/api/v1/jobs?limit=1&tag=t0").get_json()["next_cursor"]
    assert client.get(f"/api/v1/jobs?limit=2&tag=t0&cursor={cursor}").status_code == 200
    for url in (
        f"/api/v1/jobs?tag=t1&cursor={cursor}",
        f"/api/v1/jobs?cursor={cursor}",
        f"/api/v1/assets?cursor={cursor}",
    ):
        refused = client.get(url)
        assert (refused.status_code, refused.get_json()["code"]) == (400, "bad_cursor")


@limits(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cursor=st.text(min_size=1, max_size=60))
def test_no_other_text_is_a_cursor(client: FlaskClient, cursor: str) -> None:
    for path in ("/api/v1/jobs", "/api/v1/assets", "/api/v1/cache/entries"):
        refused = client.get(path, query_string={"cursor": cursor})
        assert (refused.status_code, refused.get_json()["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=1.5", "sort=size", "unknown=1", "state=x"])
def test_wrong_list_queries_are_refused_with_a_pointer(client: FlaskClient, query: str) -> None:
    refused = client.get(f"/api/v1/jobs?{query}")
    assert refused.status_code == 422
    assert [entry["pointer"] for entry in refused.get_json()["errors"]] == [f"/{query.partition('=')[0]}"]


# waiting


def test_waiting_ends_with_the_job(app: Flask, client: FlaskClient, asset: dict[str, Any], worker: Any) -> None:
    body = {"image": {"asset_id": asset["id"]}, "quality": 1}
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            lambda: app.test_client().post(GENERATIONS, json=body, headers={"Prefer": "respond-async, wait=30"})
        )
        while not waiting.done():
            worker.drain()
        response = waiting.result(30)
    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "wait=30"
    assert response.get_json()["state"] == "succeeded"
    assert "Retry-After" not in response.headers
    repeated = client.post(GENERATIONS, json=body)
    assert (repeated.status_code, repeated.get_json()["cached"]) == (200, True)


def test_time_up_answers_with_the_current_state(client: FlaskClient, asset: dict[str, Any]) -> None:
    created = client.post(f"{GENERATIONS}?wait=0.1", json={"image": {"asset_id": asset["id"]}, "quality": 1})
    assert created.status_code == 202
    job = client.get(f"{created.headers['Location']}?wait=0.1")
    assert job.get_json()["state"] == "queued"
    assert 1 <= int(job.headers["Retry-After"]) <= 10


def test_without_a_free_place_a_wait_answers_at_once(
    client: FlaskClient, wired: Services, asset: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    created = client.post(GENERATIONS, json={"image": {"asset_id": asset["id"]}, "quality": 1})
    monkeypatch.setattr(wired.holders, "_cap", 0)
    job = client.get(f"{created.headers['Location']}?wait=60")
    assert json.loads(job.data)["state"] == "queued"


@pytest.mark.parametrize("wait", ["-1", "61", "x", "nan", "inf", ""])
def test_a_wait_outside_its_limits_is_refused(client: FlaskClient, asset: dict[str, Any], wait: str) -> None:
    created = client.post(GENERATIONS, json={"image": {"asset_id": asset["id"]}, "quality": 1})
    refused = client.get(f"{created.headers['Location']}?wait={wait}")
    assert (refused.status_code, refused.get_json()["errors"][0]["pointer"]) == (422, "/wait")
