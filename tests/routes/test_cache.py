"""The cache over v1: figures, limits, entries, clearing."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from orfeas.domain.caller import Caller
from orfeas.errors import ForbiddenError
from tests.routes.reading import ReadingClient

CACHE = "/api/v1/cache"


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    app.test_client_class = ReadingClient
    return app.test_client()


def start(client: FlaskClient, upload: Any, **fields: Any) -> Any:
    form = {"quality": 1, "formats": "stl", "preview": "false", **fields}
    return client.post("/api/v1/generations", data=upload("star.png", **form))


def tiers(client: FlaskClient) -> Any:
    return client.get(CACHE).get_json()["tiers"]


def code(response: Any) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    return response.status_code, response.get_json()["code"]


def test_an_empty_cache_has_limits_and_no_invented_figures(client: FlaskClient, wired: Any) -> None:
    found = client.get(CACHE).get_json()
    stages = found["tiers"]["stages"]
    assert (stages["enabled"], stages["max_items"], stages["max_bytes"], stages["ttl_s"]) == (
        True,
        1000,
        512_000_000,
        86_400,
    )
    assert (stages["items"], stages["bytes"], stages["hits"], stages["hit_rate"]) == (0, 0, 0, None)
    assert found["tiers"]["latents"]["max_bytes"] == 2_048_000_000
    assert found["tiers"]["latents"]["ttl_s"] is None
    assert found["tiers"]["redis"]["enabled"] is False
    assert found["tiers"]["info"]["max_items"] == 128
    assert found["storage"]["file_bytes"] == 0
    assert found["storage"]["max_bytes"] is None
    assert found["storage"]["disk_free_bytes"] > 0


def test_hits_misses_and_bytes_are_those_of_the_work_done(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    first = tiers(client)
    assert first["stages"]["hits"] == first["latents"]["hits"] == 0
    assert first["stages"]["misses"] + first["latents"]["misses"] == len(job["runs"]) * 8
    assert first["latents"]["items"] == 1
    assert first["latents"]["bytes"] > 0
    again = start(client, upload)
    assert (again.status_code, again.get_json()["cached"]) == (200, True)
    second = tiers(client)
    assert second["stages"]["hits"] > 0
    assert second["stages"]["misses"] == first["stages"]["misses"]
    assert 0 < second["stages"]["hit_rate"] < 1


def test_an_identical_run_in_flight_counts_as_joined(client: FlaskClient, upload: Any) -> None:
    start(client, upload)
    start(client, upload)
    assert tiers(client)["stages"]["joined"] == 1


def test_entries_are_listed_by_tier_and_paged(client: FlaskClient, finished: Any, upload: Any) -> None:
    finished(start(client, upload))
    listed = client.get(f"{CACHE}/entries").get_json()["items"]
    assert len({entry["fingerprint"] for entry in listed}) == len(listed) == 8
    latents = client.get(f"{CACHE}/entries?tier=latents").get_json()["items"]
    assert [entry["stage"] for entry in latents] == ["shape.inflate"]
    page = client.get(f"{CACHE}/entries?limit=5")
    following = page.headers["Link"].split(";")[0].strip("<>")
    assert page.get_json()["items"] + client.get(following).get_json()["items"] == listed
    assert code(client.get(f"{CACHE}/entries?tier=info")) == (422, "invalid_request")
    assert code(client.get(f"{CACHE}/entries?cursor=x")) == (400, "bad_cursor")


def test_limits_are_kept_and_the_rest_stays(client: FlaskClient, wired: Any) -> None:
    answer = client.patch(CACHE, json={"stages": {"max_items": 7, "ttl_s": None}, "latents": {"max_bytes": 10}})
    assert answer.status_code == 200
    found = tiers(client)
    assert found == answer.get_json()["tiers"]
    assert (found["stages"]["max_items"], found["stages"]["ttl_s"]) == (7, None)
    assert found["stages"]["max_bytes"] == 512_000_000
    assert found["latents"]["max_bytes"] == 10


@pytest.mark.parametrize("changes", [
    {"info": {"max_items": 5}}, {"redis": {"enabled": True}}, {"stages": {}}, {"stages": {"max_items": -1}},
    {"stages": {"colour": "red"}}, {"disk": {}}, {"latents": {"enabled": "perhaps"}},
])  # fmt: skip
def test_limits_that_do_not_exist_are_refused(client: FlaskClient, changes: dict[str, Any]) -> None:
    assert code(client.patch(CACHE, json=changes)) == (422, "invalid_request")


def test_clearing_forgets_stages_and_keeps_files_of_jobs(client: FlaskClient, finished: Any, upload: Any) -> None:
    job = finished(start(client, upload))
    cleared = client.post(f"{CACHE}/clear", json={}).get_json()
    assert cleared["cleared"] == 8
    assert cleared["freed_bytes"] > 0
    assert client.get(f"{CACHE}/entries").get_json()["items"] == []
    assert client.get(job["links"]["result"]).status_code == 200
    again = start(client, upload)
    assert again.get_json()["cached"] is False
    assert finished(again)["result"]["assets"] == job["result"]["assets"]


def test_clearing_can_be_narrowed(client: FlaskClient, finished: Any, upload: Any) -> None:
    finished(start(client, upload))
    clear = lambda **members: client.post(f"{CACHE}/clear", json=members).get_json()["cleared"]  # noqa: E731
    assert clear(older_than_s=3600) == 0
    one = client.get(f"{CACHE}/entries?tier=stages").get_json()["items"][0]["fingerprint"]
    assert clear(fingerprint=one) == 1
    assert clear(tier="latents") == 1
    assert clear(tier="stages") == 6
    assert clear(tier="info") >= 0
    assert code(client.post(f"{CACHE}/clear", json={"tier": "redis"})) == (422, "invalid_request")
    assert code(client.post(f"{CACHE}/clear", json={"fingerprint": "x"})) == (422, "invalid_request")
    assert code(client.post(f"{CACHE}/clear", data="x", content_type="text/plain")) == (415, "unsupported_media_type")


def test_clearing_spares_what_an_unfinished_run_needs(client: FlaskClient, worker: Any, upload: Any) -> None:
    job = start(client, upload).get_json()
    for _ in range(3):
        worker.step()
    client.post(f"{CACHE}/clear", json={})
    worker.drain()
    assert client.get(job["links"]["self"]).get_json()["state"] == "succeeded"


def test_a_cleared_cache_starts_at_the_nearest_kept_ancestor(client: FlaskClient, finished: Any, upload: Any) -> None:
    finished(start(client, upload))
    client.post(f"{CACHE}/clear", json={"tier": "stages"})
    job = finished(start(client, upload))
    assert "shape.inflate" not in job["result"]["timings"]
    assert "shape.surface" in job["result"]["timings"]


def test_with_the_tier_off_nothing_is_reused(client: FlaskClient, finished: Any, upload: Any) -> None:
    client.patch(CACHE, json={"stages": {"enabled": False}})
    first = finished(start(client, upload))
    second = start(client, upload)
    assert (second.status_code, second.get_json()["cached"]) == (202, False)
    again = finished(second)
    assert again["result"]["assets"] == first["result"]["assets"]
    assert "shape.inflate" in again["result"]["timings"]


def test_changing_the_cache_needs_an_administrator(wired: Any) -> None:
    reader = Caller("default", frozenset({"read", "generate"}))
    with pytest.raises(ForbiddenError):
        wired.cache.change(reader, {"stages": {"max_items": 1}})
    with pytest.raises(ForbiddenError):
        wired.cache.clear(reader, tier=None, fingerprint=None, older_than_s=None)
