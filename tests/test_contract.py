"""Every published operation is routed and documented, and its answers have the members that clients rely on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from orfeas.app import create_app
from orfeas.config import Config
from orfeas.routes.document import documented_examples, openapi_document
from orfeas.services import build_services
from tests.test_openapi import operation_ids

OPERATIONS: list[dict[str, Any]] = json.loads((Path(__file__).parent / "data" / "operations.json").read_text())
"""The published list; `tests/test_openapi.py` sends the example of each and checks the answer against its schema."""
PRESENT = [operation for operation in OPERATIONS if operation["release"] == 1]
LATER = [operation for operation in OPERATIONS if operation["release"] != 1]


def name(operation: dict[str, Any]) -> str:
    return f"{operation['method']} {operation['path']}"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    services = build_services(Config(data_dir=tmp_path_factory.mktemp("contract"), disk_reserve_mb=0))
    yield create_app(services.config, services)
    services.notifier.stop()
    services.database.dispose()


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    return openapi_document(app)


@pytest.fixture(scope="module")
def examples(app: Flask) -> dict[str, dict[str, Any]]:
    return documented_examples(app)


def found(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    item = document["paths"].get(operation["path"], {})
    return item.get(operation["method"].lower())


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def test_the_core_set_is_whole() -> None:
    core = [operation for operation in PRESENT if operation["core"]]
    assert len(core) == 48
    assert len({operation["path"] for operation in core}) == 47


@pytest.mark.parametrize("operation", PRESENT, ids=name)
def test_a_published_operation_is_documented_in_its_category(document, operation):
    documented = found(document, operation)
    assert documented is not None
    assert documented["tags"] == [operation["category"]]
    assert documented["summary"]
    for status in operation["success"]:
        assert str(status) in documented["responses"], f"{status} is not documented"
    content = documented.get("requestBody", {}).get("content", {})
    assert set(operation["request_content_types"]) <= set(content)
    assert all("schema" in found for found in content.values())


@pytest.mark.parametrize("operation", [entry for entry in PRESENT if entry["required_response_fields"]], ids=name)
def test_the_members_that_clients_rely_on_are_in_the_schema(document, operation):
    documented = found(document, operation)
    status = str(operation["success"][0])
    content = documented["responses"][status]["content"]
    schema = resolved(document, next(iter(content.values()))["schema"])
    assert set(operation["required_response_fields"]) <= set(schema["properties"])


@pytest.mark.parametrize("operation", PRESENT, ids=name)
def test_a_published_operation_is_sent_and_its_success_compared_with_its_schema(examples, document, operation):
    """What is sent is in `test_openapi.py`; here, that nothing published escapes it."""
    documented = found(document, operation)
    assert documented["operationId"] in operation_ids()
    example = examples[documented["operationId"]]
    assert (example["path"], example["method"]) == (operation["path"], operation["method"].lower())


@pytest.mark.parametrize("operation", LATER, ids=name)
def test_what_belongs_to_a_later_release_is_not_there(app, document, operation):
    assert found(document, operation) is None
    path = re.sub(r"{\w+}", "1", operation["path"])
    answer = app.test_client().open(path, method=operation["method"], json={})
    assert (answer.status_code, answer.get_json()["code"]) == (404, "not_found")


def test_nothing_is_served_that_was_not_published(document):
    published = {(operation["method"], operation["path"]) for operation in PRESENT}
    served = {
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method in item
        if method in ("get", "post", "put", "patch", "delete")
    }
    assert served <= published
