"""The OpenAPI document: valid, committed as generated, and true, operation by operation."""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator
from werkzeug.test import TestResponse

from orfeas.app import create_app
from orfeas.config import Config
from orfeas.jobs.devices import DeviceFacts, Discovery, remember
from orfeas.jobs.inprocess import LocalWorker
from orfeas.jobs.wakeups import LocalWakeups
from orfeas.routes import BLUEPRINTS, examples
from orfeas.routes.context import is_v1
from orfeas.routes.document import METHODS, document_text, documented_examples, first_success, openapi_document
from orfeas.routes.glossary import GLOSSARY
from orfeas.routes.response_headers import SHOWN
from orfeas.services import Services, build_services
from orfeas.storage.tables import workers
from tests.llm_endpoint import Endpoint
from tests.routes import solids

COMMITTED = Path(__file__).parents[1] / "openapi" / "openapi.json"
DATA = Path(__file__).parent / "data"
JSON = "application/json"
PUBLISHED = {
    (operation["method"], operation["path"]): operation["success"]
    for operation in json.loads((DATA / "operations.json").read_text())
}
"""The statuses of success by method and path."""
WAITING = ("/api/llm/", "/api/stl/", "/api/agents/", "/api/v1/scene", "/generate")
"""Where an answer is the result of a job."""
QUICK = {"quality": "1", "formats": "glb", "engine": "embedded"}
"""Of the embedded engine, since some examples need a device that is said to be there and that nobody runs."""


def _app_for_reading(folder: Path, **settings: Any) -> tuple[Flask, Services]:
    services = build_services(Config(data_dir=folder, disk_reserve_mb=0, **settings))
    return create_app(services.config, services), services


class World:
    """An app with a worker, and a fresh thing for each placeholder of an example."""

    def __init__(self, folder: Path) -> None:
        self._language_model = Endpoint()
        self._only_scene: tuple[str, str] | None = None
        self.app, self.services = _app_for_reading(folder, llm_url=self._language_model.url, llm_model="small")
        self.client: FlaskClient = self.app.test_client()
        self.worker = LocalWorker(
            self.services.database, self.services.blobs, LocalWakeups(folder), config=self.services.config
        )
        self._makers: dict[str, Callable[[], str]] = {
            examples.JOB_ID: lambda: self._generated(**QUICK),
            examples.RUNNING_JOB_ID: lambda: self._create(**{**QUICK, "formats": "ply", "use_cache": "false"})["id"],
            examples.UPLOADED_JOB_ID: lambda: self._upload()["job_id"],
            examples.PREVIEW_FILENAME: lambda: self._upload()["filename"],
            examples.COMPATIBLE_JOB_ID: self._compatible,
            examples.BATCH_ID: self._batch,
            examples.COMPATIBLE_BATCH_ID: self._compatible_batch,
            examples.PHOTO_TEXT: lambda: base64.b64encode(_photo()).decode(),
            examples.SCENE_ID: lambda: self._scene()[0],
            examples.OBJECT_ID: lambda: self._scene()[1],
            examples.EMPTY_SCENE_ID: self._empty_scene,
            examples.ASSET_ID: lambda: self._asset("figure.jpg"),
            examples.UNUSED_ASSET_ID: lambda: self._asset("scene.jpg"),
            examples.MODEL_ASSET_ID: self._model_asset,
            examples.MODEL_ID: self._model,
            examples.LOADABLE_MODEL_ID: self._loadable_model,
            examples.MODEL_FOLDER: lambda: str(DATA / "hunyuan3d" / "models"),
        }

    @cached_property
    def examples(self) -> dict[str, dict[str, Any]]:
        """What is documented of each operation."""
        return documented_examples(self.app)

    @cached_property
    def closed_schemas(self) -> dict[str, Any]:
        """Every documented schema, taken as closed."""
        found = openapi_document(self.app)["components"]["schemas"]
        return {name: _closed(schema) for name, schema in found.items()}

    def close(self) -> None:
        """Stop what it started."""
        self.services.notifier.stop()
        self.services.database.dispose()
        self._language_model.close()

    def filled(self, value: Any) -> Any:
        """The value with every placeholder replaced by a thing that exists."""
        text = json.dumps(value)
        # A stored name begins with its job's placeholder, so longer ones are looked for first.
        for placeholder in sorted(self._makers, key=len, reverse=True):
            if placeholder in text:
                text = text.replace(placeholder, self._makers[placeholder]())
        return json.loads(text)

    def send(self, example: dict[str, Any]) -> TestResponse:
        """The example request of an operation."""
        path = example["path"]
        for name, value in self.filled(example.get("path_example", {})).items():
            path = path.replace(f"{{{name}}}", value)
        assert "{" not in path, f"{path}: the example lacks a path parameter"
        sent: dict[str, Any] = {"headers": example.get("headers_example")}
        members = self.filled(example.get("request_example", {}))
        if "files_example" in example:
            files = {name: _part(kind) for name, kind in example["files_example"].items()}
            sent["data"] = {**{name: _as_form(value) for name, value in members.items()}, **files}
        elif "requestBody" in example["operation"]:
            sent["json"] = members
        if path == "/ready":
            self._worker_row("cpu")
            self._until_ready()
        query = self.filled(example.get("query_example", {}))
        waits = example["method"] == "get" or path.startswith(WAITING)
        with self._working() if waits else nullcontext():
            return self.client.open(path, method=example["method"].upper(), query_string=query, buffered=True, **sent)

    def _until_ready(self) -> None:
        """Wait until the state that is kept for a moment is read anew."""
        limit = time.monotonic() + 10.0
        while self.client.get("/ready").status_code != 200 and time.monotonic() < limit:
            time.sleep(0.1)

    @contextmanager
    def _working(self) -> Iterator[None]:
        """Run what a request waits for, such as a picture that has to be rendered first."""
        done = threading.Event()

        def work() -> None:
            while not done.wait(0.02):
                self.worker.drain()

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _upload(self) -> dict[str, Any]:
        return self._json(self.client.post("/api/upload-image", data={"image": (BytesIO(_photo()), "mug.png")}))

    def _create(self, **fields: str) -> dict[str, Any]:
        form = {**fields, "image": (BytesIO(_photo()), "mug.png")}
        return self._json(self.client.post("/api/v1/generations", data=form))

    def _generated(self, **fields: str) -> str:
        job = self._create(**fields)
        self.worker.drain()
        ended = self._json(self.client.get(f"/api/v1/jobs/{job['id']}"))
        assert ended["state"] == "succeeded", ended["error"]
        return str(job["id"])

    def _compatible(self) -> str:
        job_id = self._upload()["job_id"]
        asked = {"job_id": job_id, "quality": 1, "format": "stl", "engine": "embedded"}
        self._json(self.client.post("/api/generate-3d", json=asked))
        self.worker.drain()
        return str(job_id)

    def _batch(self) -> str:
        items = [{"image": {"asset_id": self._asset("figure.jpg")}, "quality": 1, "engine": "embedded"}]
        found = self._json(self.client.post("/api/v1/batches", json={"items": items}))["id"]
        self.worker.drain()
        return str(found)

    def _compatible_batch(self) -> str:
        form = {"files": (BytesIO(_photo()), "mug.png"), "quality": "1"}
        return str(self._json(self.client.post("/api/batch-generate", data=form))["batch_id"])

    def _empty_scene(self) -> str:
        return str(self._json(self.client.post("/api/v1/scenes", json={"name": "empty"}))["id"])

    def _scene(self) -> tuple[str, str]:
        """One scene for all examples: an object is named together with its scene."""
        if self._only_scene is None:
            scene_id, body = self._empty_scene(), {"input": {"asset_id": self._model_asset()}}
            with self._working():
                scene = self._json(self.client.post(f"/api/v1/scenes/{scene_id}/objects", json=body))
            self._only_scene = (scene_id, str(scene["objects"][0]["id"]))
        return self._only_scene

    def _asset(self, name: str) -> str:
        form = {"file": (BytesIO((DATA / name).read_bytes()), name)}
        return str(self._json(self.client.post("/api/v1/uploads", data=form))["id"])

    def _model_asset(self) -> str:
        job = self._json(self.client.get(f"/api/v1/jobs/{self._generated(**QUICK)}"))
        return next(str(asset["asset_id"]) for asset in job["result"]["assets"] if asset["role"] == "model")

    def _worker_row(self, queue: str) -> None:
        """A worker that beats now."""
        now = time.time()
        row = {"id": queue, "queue": queue, "device": "cpu", "host": "here", "pid": 1, "started_at": now}
        beat = {"heartbeat_at": now, "state": "idle", "report": None}
        with self.services.database.transaction() as connection:
            connection.execute(workers.delete().where(workers.c.id == queue))
            connection.execute(workers.insert().values(**row, **beat))

    def _loadable_model(self) -> str:
        self._worker_row("gpu")
        remember(self.services.database, Discovery((DeviceFacts("cuda:0", "a device", 16_000_000_000),)))
        return self._model("hunyuan3d-dit-v2-tiny")

    def _model(self, name: str = "hunyuan3d-vae-v2-tiny") -> str:
        place = f"tencent/Hunyuan3D-2tiny/{name}"
        target = self.services.config.model_dir / place
        shutil.copytree(DATA / "hunyuan3d" / "models" / place, target, dirs_exist_ok=True)
        return target.name

    @staticmethod
    def _json(response: TestResponse) -> dict[str, Any]:
        assert response.status_code < 300, response.get_data(as_text=True)
        return dict(response.get_json())


def _part(kind: str) -> tuple[BytesIO, str]:
    """A real file for a part of an example."""
    if kind == examples.MESH:
        return BytesIO(solids.stl(solids.ball())), kind
    return BytesIO(_photo()), "mug.png"


def _photo() -> bytes:
    return (DATA / "mug.png").read_bytes()


def _as_form(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One app for all operations of this module."""
    made = World(tmp_path_factory.mktemp("openapi"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def document(world: World) -> dict[str, Any]:
    """The generated document."""
    return openapi_document(world.app)


def operation_ids() -> list[str]:
    """Every documented endpoint, known before an app exists."""
    return sorted(f"{blp.name}.{endpoint}" for blp in BLUEPRINTS for endpoint in blp._docs)


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        problems = list(OpenAPIV31SpecValidator(document).iter_errors())
    assert not problems
    assert document["openapi"].startswith("3.1")


def test_the_committed_document_is_the_generated_one(world: World) -> None:
    assert COMMITTED.read_text(encoding="utf-8") == document_text(world.app), "run 'make openapi'"


def test_the_document_does_not_depend_on_the_data_folder(world: World, tmp_path: Path) -> None:
    other, services = _app_for_reading(tmp_path)
    assert document_text(other) == document_text(world.app)
    services.database.dispose()


def test_the_server_serves_the_document_with_an_etag(world: World) -> None:
    first = world.client.get("/openapi.json")
    assert first.get_json() == openapi_document(world.app)
    again = world.client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""


def test_every_rule_of_the_app_is_documented_under_its_category(world: World, document: dict[str, Any]) -> None:
    undocumented = {"icons", "static", "worker"}
    for rule in world.app.url_map.iter_rules():
        if rule.endpoint in undocumented:
            continue
        item = document["paths"][re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            operation = item[method.lower()]
            assert operation["operationId"] == rule.endpoint
            assert operation["tags"] == [rule.endpoint.split(".")[0]]
    assert [tag["name"] for tag in document["tags"]] == [blp.name for blp in BLUEPRINTS]


@pytest.mark.parametrize("operation_id", operation_ids())
def test_every_operation_tells_what_it_does_and_how_it_fails(world: World, operation_id: str) -> None:
    found = world.examples[operation_id]
    operation = found["operation"]
    assert operation["summary"]
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    for status, response in operation["responses"].items():
        if status.isdigit() and int(status) >= 400 and status != "503":
            assert [*response["content"]] == ["application/problem+json"], f"{operation_id} {status}"
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        assert "schema" in content, content_type
    if "requestBody" in operation:
        assert any("example" in content for content in operation["requestBody"]["content"].values()), operation_id
    answer = operation["responses"][str(found.get("status_example") or first_success(operation))]
    if JSON in answer.get("content", {}):
        assert "example" in answer["content"][JSON], f"{operation_id}: no example answer"
        _validate(world, operation, answer["content"][JSON], answer["content"][JSON]["example"], found["path"])


@pytest.mark.parametrize("operation_id", operation_ids())
def test_the_example_request_gets_the_documented_answer(world: World, operation_id: str) -> None:
    found = world.examples[operation_id]
    operation = found["operation"]
    response = world.send(found)
    status = str(response.status_code)
    assert status in operation["responses"], f"{status} is not documented: {response.get_data(as_text=True)[:500]}"
    published = PUBLISHED[found["method"].upper(), found["path"]]
    assert int(status) in published, response.get_data(as_text=True)[:500]
    _compare_headers(operation["responses"][status], response)
    content = operation["responses"][status].get("content", {})
    if not content:
        return
    assert response.mimetype in content or any(kind.endswith("/*") for kind in content), response.mimetype
    if response.mimetype == JSON:
        _validate(world, operation, content[JSON], response.get_json(), found["path"])
    world.worker.drain()


def _compare_headers(documented: dict[str, Any], response: TestResponse) -> None:
    """Every documented header that must be there is, and none is there that is documented elsewhere only."""
    listed = documented.get("headers", {})
    assert {name for name in listed if SHOWN[name].get("required")} <= {*response.headers.keys()}
    assert {name for name in SHOWN if name in response.headers} - {"X-Request-ID"} <= {*listed}


def test_a_documented_wait_is_read_before_anything_else(world: World, document: dict[str, Any]) -> None:
    waiting = [
        (path, method)
        for path, item in document["paths"].items()
        for method in METHODS
        if {"wait", "Prefer"} <= {found.get("name") for found in item.get(method, {}).get("parameters", ())}
    ]
    assert len(waiting) >= 45
    for path, method in waiting:
        url = re.sub(r"{[^}]+}", "none", path)
        for asked in ({"query_string": {"wait": 61}}, {"headers": {"Prefer": "respond-async, wait=61"}}):
            refused = world.client.open(url, method=method.upper(), **asked)
            assert refused.status_code == (422 if is_v1(path) else 400), path
            assert [error["pointer"] for error in refused.get_json()["errors"]] == ["/wait"], path


def test_only_v1_says_that_it_takes_no_further_members(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    closed = {True: 0, False: 0}
    for path, item in document["paths"].items():
        for method in METHODS:
            for name in _reached(item.get(method, {}).get("requestBody", {}), schemas):
                closed[is_v1(path)] += schemas[name].get("additionalProperties") is False
    assert closed[True] > 30
    assert closed[False] == 0


def test_every_member_of_a_request_is_described_and_no_word_is_left_over(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    bodies = [item.get(method, {}).get("requestBody", {}) for item in document["paths"].values() for method in METHODS]
    named = set().union(*(_reached(body, schemas) for body in bodies))
    members = {(name, member): found for name in named for member, found in schemas[name].get("properties", {}).items()}
    assert [key for key, found in members.items() if not found.get("description")] == []
    told = {found["description"] for found in members.values()}
    assert [key for key, words in GLOSSARY.items() if not any(words in text for text in told)] == []


def _reached(body: dict[str, Any], schemas: dict[str, Any]) -> set[str]:
    """The names of all schemas that a body is made of."""
    found: set[str] = set()
    texts = [json.dumps(body)]
    while texts:
        named = set(re.findall(r"#/components/schemas/(\w+)", texts.pop())) - found
        found |= named
        texts += [json.dumps(schemas[name]) for name in named]
    return found


def _validate(world: World, operation: dict[str, Any], content: dict[str, Any], answer: Any, path: str) -> None:
    """Compare an answer with its schema, every documented object taken as closed."""
    if not is_v1(path) and isinstance(answer, dict):
        answer = {name: value for name, value in answer.items() if name != "warnings"}
    validator = Draft202012Validator(
        {**_closed(content["schema"]), "components": {"schemas": world.closed_schemas}}, format_checker=FormatChecker()
    )
    problems = [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(answer)]
    assert not problems, f"{operation['operationId']}: {problems}"


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(member) for name, member in schema.items()}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


FORMS = ("generation.generate", "generation.generate_3d", "generation.create_generation", "generation.upload_image")


@pytest.mark.parametrize("operation_id", FORMS)
def test_a_form_as_the_api_browser_fills_it_in_is_taken(world: World, operation_id: str) -> None:
    found = world.examples[operation_id]
    schema = found["operation"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    fields = world.closed_schemas[schema["$ref"].rpartition("/")[2]]["properties"]
    form: dict[str, Any] = {}
    for name, field in fields.items():
        if name == "image":
            form[name] = (BytesIO(_photo()), "mug.png")
        elif field.get("type") != "array":
            form[name] = _as_form(field.get("default", field.get("example", "")))
    response = world.client.post(found["path"], data=form)
    assert response.status_code < 300, response.get_data(as_text=True)
    world.worker.drain()
