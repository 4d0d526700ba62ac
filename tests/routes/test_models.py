"""Models over v1: the catalogue, what lies on disk, terms, and removal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.models import CATALOGUE, RESERVED_IDS, ids_of
from orfeas.errors import ForbiddenError, LicenceTerritoryError, LicenceUnacknowledgedError
from tests.conftest import DATA
from tests.routes.test_monitoring import with_gpu

MODELS = "/api/v1/models"
TINY = DATA / "hunyuan3d" / "models"
SHAPE, VIEWS, DECODER = "hunyuan3d-dit-v2-tiny", "hunyuan3d-dit-v2-tiny-mv", "hunyuan3d-vae-v2-tiny"
TERMS = {"accepted": True, "by": "Ada", "purpose": "Games"}


def put(config: Config, place: str, target: str | None = None) -> Path:
    """Copy a tiny checkpoint into the folder of models."""
    folder = config.model_dir / (target or place)
    shutil.copytree(TINY / place, folder, dirs_exist_ok=True)
    return folder


def put_tiny(config: Config, name: str = SHAPE) -> Path:
    return put(config, f"tencent/Hunyuan3D-2tiny/{name}")


def read(client: FlaskClient, model_id: str) -> dict[str, Any]:
    answer = client.get(f"{MODELS}/{model_id}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return dict(answer.get_json())


def code(response: Any) -> tuple[int, str]:
    assert response.mimetype == "application/problem+json"
    return response.status_code, response.get_json()["code"]


def test_the_catalogue_has_every_release_in_order_and_invents_nothing(client: FlaskClient) -> None:
    items = client.get(MODELS).get_json()["items"]
    assert [item["id"] for item in items] == [release.subfolder for release in CATALOGUE]
    assert len(items) == 17
    assert {item["state"] for item in items} == {"absent"}
    assert {item["revision"] for item in items} == {None}
    mini = next(item for item in items if item["id"] == "hunyuan3d-dit-v2-mini")
    assert [(file["path"], file["size_bytes"], file["sha256"], file["present"]) for file in mini["files"]] == [
        ("config.yaml", None, None, False),
        ("model.fp16.safetensors", 3_819_958_234, None, False),
    ]
    assert mini["vram_mb"] == {"value": None, "basis": None}
    assert (mini["size_bytes"], mini["loras"], mini["warnings"]) == (None, [], [])


def test_capabilities_are_those_of_the_releases(client: FlaskClient) -> None:
    found = {item["id"]: item["capabilities"] for item in client.get(MODELS).get_json()["items"]}
    assert found["hunyuan3d-dit-v2-mini-turbo"] == {
        "component": "pipeline", "views": ["front"], "guidance_embedding": True, "distilled": True, "steps": 6,
    }  # fmt: skip
    assert found["hunyuan3d-dit-v2-1"]["guidance_embedding"] is False
    assert found["hunyuan3d-dit-v2-1"]["steps"] == 40
    assert found["hunyuan3d-dit-v2-mv-fast"]["views"] == ["front", "left", "back", "right"]
    assert found["hunyuan3d-vae-v2-0"]["component"] == "decoder"
    assert found["hunyuan3d-vae-v2-0"]["steps"] is None


def test_the_terms_are_those_of_the_community_licences(client: FlaskClient) -> None:
    licence = read(client, "hunyuan3d-dit-v2-1")["licence"]
    assert licence["name"] == "Tencent Hunyuan 3D 2.1 Community License"
    assert licence["url"] == "https://huggingface.co/tencent/Hunyuan3D-2.1/blob/main/LICENSE"
    assert (licence["commercial"], licence["user_cap"], licence["acknowledged"]) == (True, 1_000_000, None)
    assert len(licence["excluded_territories"]) == 29
    assert {"GB", "KR", "DE", "GR", "HR"} < set(licence["excluded_territories"])


def test_the_alias_names_the_canonical_address_and_lists_answer_304(client: FlaskClient) -> None:
    first, alias = client.get(MODELS), client.get(f"{MODELS}/list")
    assert alias.get_json() == first.get_json()
    assert alias.headers["Link"] == f'<{MODELS}>; rel="canonical"'
    again = client.get(MODELS, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


def test_an_unknown_model_is_not_found(client: FlaskClient) -> None:
    for method, path in (("get", "/x"), ("delete", "/x"), ("post", "/x/verify")):
        assert code(client.open(MODELS + path, method=method.upper())) == (404, "model_unknown")
    assert code(client.post(f"{MODELS}/x/pull", json={})) == (404, "model_unknown")
    assert code(client.post(f"{MODELS}/x/acknowledge", json=TERMS)) == (404, "model_unknown")


def test_pages_of_other_sites_may_not_even_look(client: FlaskClient) -> None:
    for path in (MODELS, f"{MODELS}/list", f"{MODELS}/hunyuan3d-dit-v2-0"):
        assert code(client.get(path, headers={"Sec-Fetch-Site": "cross-site"})) == (403, "forbidden")


def test_what_lies_in_the_folder_is_found_and_hashed_once_in_the_io_queue(
    client: FlaskClient, config: Config, worker: Any, wired: Any
) -> None:
    put_tiny(config)
    found = read(client, SHAPE)
    assert (found["state"], found["revision"], found["licence"]) == ("installed", None, None)
    assert "not in the catalogue" in found["warnings"][0]
    assert (found["repo"], found["family"], found["variant"]) == ("tencent/Hunyuan3D-2tiny", "hunyuan3d", None)
    assert found["size_bytes"] == 1683 + 1412610
    assert worker.drain() == 1
    hashed = read(client, SHAPE)
    assert len(hashed["revision"]) == 64
    assert {len(file["sha256"]) for file in hashed["files"]} == {64}
    read(client, SHAPE)
    assert worker.drain() == 0
    assert client.get("/api/v1/jobs").get_json()["items"] == []


def test_changed_files_are_another_revision(client: FlaskClient, config: Config, worker: Any) -> None:
    folder = put_tiny(config)
    read(client, SHAPE)
    worker.drain()
    before = read(client, SHAPE)["revision"]
    with (folder / "config.yaml").open("a") as stream:
        stream.write("# a comment\n")
    assert read(client, SHAPE)["revision"] is None
    worker.drain()
    assert read(client, SHAPE)["revision"] not in (None, before)


def test_capabilities_outside_the_catalogue_are_read_from_the_configuration(
    client: FlaskClient, config: Config
) -> None:
    for name in (VIEWS, f"{SHAPE}-turbo", DECODER):
        put_tiny(config, name)
    assert read(client, VIEWS)["capabilities"]["views"] == ["front", "left", "back", "right"]
    turbo = read(client, f"{SHAPE}-turbo")["capabilities"]
    assert (turbo["distilled"], turbo["guidance_embedding"], turbo["steps"]) == (True, True, 6)
    assert read(client, DECODER)["capabilities"]["component"] == "decoder"


def test_a_name_that_is_taken_gets_its_repository_appended(client: FlaskClient, config: Config) -> None:
    put(config, "tencent/Hunyuan3D-2.1tiny/hunyuan3d-dit-v2-1")
    found = read(client, "hunyuan3d-dit-v2-1--tencent-hunyuan3d-2.1tiny")
    assert found["repo"] == "tencent/Hunyuan3D-2.1tiny"
    assert read(client, "hunyuan3d-dit-v2-1")["state"] == "absent"


def test_ids_are_unique_and_never_a_reserved_word() -> None:
    places = ["a/b/list", "a/b/swap", "x/same", "y/same", "a-b/c/same", "a/b-c/same"]
    ids = ids_of(places)
    assert ids["x/same"] == "same--x"
    assert ids["a/b/list"] == "list--a-b"
    assert not RESERVED_IDS & set(ids.values())
    assert len(set(ids.values())) == len(ids)
    assert ids_of(reversed(places)) == ids


def test_a_folder_without_weights_or_with_a_wrong_size_is_corrupt(client: FlaskClient, config: Config) -> None:
    (put_tiny(config) / "model.fp16.safetensors").unlink()
    found = read(client, SHAPE)
    assert (found["state"], found["revision"]) == ("corrupt", None)
    assert "Pull it again" in found["warnings"][0]
    put(config, f"tencent/Hunyuan3D-2tiny/{SHAPE}", "tencent/Hunyuan3D-2mini/hunyuan3d-dit-v2-mini")
    mini = read(client, "hunyuan3d-dit-v2-mini")
    assert mini["state"] == "corrupt"
    assert mini["warnings"] == ["model.fp16.safetensors has 1412610 bytes instead of 3819958234. Pull it again."]


def test_hidden_folders_links_out_and_strange_names_are_no_models(client: FlaskClient, config: Config) -> None:
    for name in (".hidden/a/b", "a/b c", "a/b/c/d"):
        put(config, f"tencent/Hunyuan3D-2tiny/{DECODER}", name)
    assert len(client.get(MODELS).get_json()["items"]) == len(CATALOGUE)


def test_capabilities_list_installed_models(client: FlaskClient, config: Config) -> None:
    assert client.get("/api/v1/capabilities").get_json()["models"] == []
    put_tiny(config, VIEWS)
    wait_for_the_next_listing()
    models = client.get("/api/v1/capabilities").get_json()["models"]
    assert [(model["id"], model["task"], model["component"]) for model in models] == [(VIEWS, "shape", "pipeline")]


def test_a_listing_is_kept_for_two_seconds(client: FlaskClient, config: Config, monkeypatch: Any) -> None:
    monkeypatch.setattr("orfeas.services.models.service.time_bucket", lambda: 1)
    client.get(MODELS)
    put_tiny(config)
    assert SHAPE not in str(client.get(MODELS).get_json())
    monkeypatch.setattr("orfeas.services.models.service.time_bucket", lambda: 2)
    assert SHAPE in str(client.get(MODELS).get_json())


def test_removing_takes_the_folder_away_and_is_idempotent(client: FlaskClient, config: Config) -> None:
    folder = put_tiny(config)
    other = put_tiny(config, DECODER)
    assert client.delete(f"{MODELS}/{SHAPE}").status_code == 204
    assert not folder.exists()
    assert other.exists()
    assert code(client.get(f"{MODELS}/{SHAPE}")) == (404, "model_unknown")
    assert client.delete(f"{MODELS}/hunyuan3d-dit-v2-0").status_code == 204
    assert client.delete(f"{MODELS}/{DECODER}").status_code == 204
    assert not (config.model_dir / "tencent").exists()


def test_removing_a_link_leaves_what_it_points_to(client: FlaskClient, config: Config, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(TINY / "tencent/Hunyuan3D-2tiny" / SHAPE, tmp_path / "elsewhere")
    link = config.model_dir / "mine" / "tiny"
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    assert read(client, "tiny")["state"] == "installed"
    assert client.delete(f"{MODELS}/tiny").status_code == 204
    assert not link.exists()
    assert len(list(elsewhere.iterdir())) == 2


def test_a_model_that_is_loaded_is_not_removed(config: Config, wired: Any, client: FlaskClient) -> None:
    folder = put_tiny(config)
    place = f"tencent/Hunyuan3D-2tiny/{SHAPE}"
    use = {"model": SHAPE, "place": place, "precision": "float16", "parts": {}, "used_at": 0.0, "in_use": False}
    with_gpu(wired, models=[use])
    assert read(client, SHAPE)["state"] == "loaded"
    assert code(client.delete(f"{MODELS}/{SHAPE}")) == (409, "model_in_use")
    assert folder.exists()


def test_terms_are_accepted_by_somebody_for_something(client: FlaskClient, wired: Any) -> None:
    url = f"{MODELS}/hunyuan3d-dit-v2-0/acknowledge"
    answer = client.post(url, json=TERMS)
    accepted = answer.get_json()["licence"]["acknowledged"]
    assert (accepted["by"], accepted["purpose"]) == ("Ada", "Games")
    assert accepted["at"].endswith("Z")
    assert client.post(url, json={**TERMS, "by": "Bob"}).get_json()["licence"]["acknowledged"]["by"] == "Bob"
    listed = {item["id"]: item["licence"]["acknowledged"] for item in client.get(MODELS).get_json()["items"]}
    assert listed["hunyuan3d-dit-v2-0"]["by"] == "Bob"
    assert listed["hunyuan3d-dit-v2-0-fast"] is None


@pytest.mark.parametrize("body", [
    {}, {"accepted": True}, {"accepted": False, "by": "Ada", "purpose": "x"}, {**TERMS, "by": ""}, {**TERMS, "more": 1},
])  # fmt: skip
def test_terms_are_accepted_in_full_or_not(client: FlaskClient, body: dict[str, Any]) -> None:
    url = f"{MODELS}/hunyuan3d-dit-v2-0/acknowledge"
    assert code(client.post(url, json=body)) == (422, "invalid_request")


def test_terms_that_nobody_knows_cannot_be_accepted(client: FlaskClient, config: Config) -> None:
    put_tiny(config)
    assert code(client.post(f"{MODELS}/{SHAPE}/acknowledge", json=TERMS)) == (422, "capability_missing")


def test_the_guard_asks_for_the_terms_and_refuses_where_they_forbid(tmp_path: Path, caller: Caller) -> None:
    from orfeas.services import build_services

    for territory, expected in (("US", LicenceUnacknowledgedError), (None, LicenceUnacknowledgedError),
                                ("DE", LicenceTerritoryError), ("UK", LicenceTerritoryError)):  # fmt: skip
        config = Config(data_dir=tmp_path / str(territory), disk_reserve_mb=0, territory=territory)
        services = build_services(config)
        models = services.models
        with pytest.raises(expected):
            models.check_licence(models.get(caller, "hunyuan3d-dit-v2-0"))
        accepted = models.acknowledge(caller, "hunyuan3d-dit-v2-0", by="Ada", purpose="Games")
        if expected is LicenceTerritoryError:
            with pytest.raises(expected):
                models.check_licence(accepted)
        else:
            models.check_licence(accepted)
        put_tiny(config)
        models.check_licence(models.get(caller, SHAPE))  # outside the catalogue it does not apply
        services.database.dispose()


def test_changing_models_needs_the_scope(wired: Any) -> None:
    reader = Caller("default", frozenset({"read", "generate"}))
    with pytest.raises(ForbiddenError):
        wired.models.pull(reader, "hunyuan3d-dit-v2-0")
    with pytest.raises(ForbiddenError):
        wired.models.verify(reader, "hunyuan3d-dit-v2-0")
    with pytest.raises(ForbiddenError):
        wired.models.remove(reader, "hunyuan3d-dit-v2-0")
    with pytest.raises(ForbiddenError):
        wired.models.acknowledge(reader, "hunyuan3d-dit-v2-0", by="Ada", purpose="x")


def wait_for_the_next_listing() -> None:
    from orfeas.services.info import clear_info

    clear_info()


@pytest.fixture
def caller() -> Caller:
    return Caller("default", frozenset({"admin"}))
