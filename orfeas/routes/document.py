"""The OpenAPI 3.1 document: what flask-smorest collects from the views, completed.

Added here, as it depends on the path: the problems of each operation, with the status that they have on its surface;
examples; operation ids; the headers that every operation takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from flask import Flask
from marshmallow import validate

from orfeas import errors
from orfeas.routes import response_headers, samples
from orfeas.routes.context import is_v1
from orfeas.routes.examples import PLACEHOLDERS
from orfeas.routes.glossary import meaning
from orfeas.routes.idempotency import PARAMETER as IDEMPOTENCY_KEY
from orfeas.routes.problems import MEDIA_TYPE, status_of
from orfeas.routes.waiting import parameters as waiting_parameters

RELATIONS: dict[str, dict[str, Any]] = {
    "Source": {"minProperties": 1, "maxProperties": 1},
    "UploadSource": {"minProperties": 1, "maxProperties": 1},
    "Views": {"minProperties": 1},
    "Goal": {"minProperties": 1},
    "Generation": {"oneOf": [{"required": [name]} for name in ("image", "images", "prompt")]},
    "AgentRun": {"oneOf": [{"required": [name]} for name in ("image", "prompt")]},
    "SimplifyMesh": {"oneOf": [{"required": [name]} for name in ("target_faces", "target_reduction")]},
}
"""Rules about several members of a JSON body, which the schemas check in code."""
METHODS = ("get", "post", "put", "patch", "delete")
DESCRIPTION = (
    "A photo becomes a watertight, textured 3D model. Two surfaces share all jobs and files: the compatible one, "
    "which existing clients use unchanged, and the resource API below `/api/v1`. Every error is a problem (RFC 9457); "
    "`/problems/{slug}` says what each means. X-Request-ID names each answer in the server's log. "
    "Words of an enumeration are taken in any case."
)


def openapi_document(app: Flask) -> dict[str, Any]:
    """The document of everything an app serves; the same for each app of this version."""
    document = _built(app)
    for item in document["paths"].values():
        for _, operation in _operations(item):
            del operation["x-example"]
    return document


def documented_examples(app: Flask) -> dict[str, dict[str, Any]]:
    """What `@example` was given, with `path`, `method` and the operation itself, by operation id."""
    return {
        operation["operationId"]: {**operation["x-example"], "path": path, "method": method, "operation": operation}
        for path, item in _built(app)["paths"].items()
        for method, operation in _operations(item)
    }


def _built(app: Flask) -> dict[str, Any]:
    api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    document: dict[str, Any] = json.loads(json.dumps(api.document()))
    document["info"]["description"] = DESCRIPTION
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    document["jsonSchemaDialect"] = "https://spec.openapis.org/oas/3.1/dialect/base"
    for name, rule in RELATIONS.items():
        document["components"]["schemas"][name].update(rule)
    _open_answers(document)
    _plain_forms(document)
    document["components"]["responses"] = {"Problem": _problem_response("What went wrong.")}
    response_headers.refer(document["components"]["responses"]["Problem"], "X-Request-ID", "Retry-After")
    document["components"]["headers"] = response_headers.components()
    endpoints = _endpoints(app)
    for path, item in document["paths"].items():
        for method, operation in _operations(item):
            _complete(operation, path, endpoints[path, method])
    document["paths"] = dict(sorted(document["paths"].items()))
    return document


def exclusive_bounds(converter: Any, field: Any, *, ret: dict[str, Any]) -> dict[str, Any]:
    """For apispec, which takes every bound of a range as inclusive."""
    del converter
    for validator in field.validators:
        if isinstance(validator, validate.Range):
            for side, inclusive in (("Minimum", validator.min_inclusive), ("Maximum", validator.max_inclusive)):
                if not inclusive:
                    ret[f"exclusive{side}"] = ret.pop(side.lower())
    return {}


def document_text(app: Flask) -> str:
    """The document as it is committed and served."""
    return json.dumps(openapi_document(app), indent=2, ensure_ascii=False) + "\n"


def _operations(item: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((method, item[method]) for method in METHODS if method in item)


def _endpoints(app: Flask) -> dict[tuple[str, str], str]:
    """The endpoint of each path and method, as `flask routes` shows it."""
    convert = app.extensions["flask-smorest"]["apis"][""]["ext_obj"].flask_plugin.flaskpath2openapi
    return {
        (convert(rule.rule), method.lower()): rule.endpoint
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
    }


def _complete(operation: dict[str, Any], path: str, endpoint: str) -> None:
    operation["operationId"] = endpoint
    codes = operation.pop("x-problems", [])
    if operation.pop("x-idempotent", False):
        operation.setdefault("parameters", []).append(dict(IDEMPOTENCY_KEY))
        codes = [*codes, "idempotency_in_flight", "idempotency_mismatch"]
    if (unasked := operation.pop("x-waits", None)) is not None:
        operation.setdefault("parameters", []).extend(waiting_parameters(unasked))
        codes = ["invalid_request", *codes]
    if "requestBody" in operation:
        codes = ["bad_request", "invalid_request", "too_large", *codes]
        if is_v1(path):
            codes = [*codes, "unsupported_media_type"]
    if _makes_a_job(operation["responses"]) and not operation["responses"].get("200"):
        operation["responses"]["200"] = {
            **deepcopy(operation["responses"]["202"]),
            "description": "It is final already: everything was made before, or it ended while the client waited.",
        }
    _document_problems(operation["responses"], codes, v1=is_v1(path))
    response_headers.list_headers(operation)
    _document_example(operation, operation.pop("x-example", {}))


def _makes_a_job(responses: dict[str, Any]) -> bool:
    """Whether 202 is a job, which may be final at once."""
    return bool(_schema_of(responses.get("202", {}).get("content", {}).get("application/json", {})) == "Job")


def _schema_of(answer: Mapping[str, Any]) -> str:
    return str(answer.get("schema", {}).get("$ref", "")).rpartition("/")[2]


def _document_problems(responses: dict[str, Any], codes: list[str], *, v1: bool) -> None:
    for status in [status for status in responses if status.isdigit() and int(status) >= 400]:
        if "$ref" in responses[status]:
            del responses[status]
    by_status: dict[str, list[type[errors.OrfeasError]]] = {}
    for code in dict.fromkeys(codes):
        kind = errors.all_problems()[code]
        by_status.setdefault(str(int(status_of(kind(), v1=v1))), []).append(kind)
    for status, kinds in sorted(by_status.items()):
        meaning = "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds)
        responses.setdefault(status, _problem_response(f"{meaning}."))
    responses["default"] = {"$ref": "#/components/responses/Problem"}


def _problem_response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _document_example(operation: dict[str, Any], example: Mapping[str, Any]) -> None:
    operation["x-example"] = {f"{name}_example": value for name, value in example.items()}
    members = example.get("request") or {}
    files = dict(example.get("files") or {})
    for content_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if content_type == "multipart/form-data":
            # Beside a file part, what names a stored thing would be one too many.
            content["example"] = {**{name: value for name, value in members.items() if not _stored(value)}, **files}
        elif not files and content_type == "application/json":
            content["example"] = members
    for status, response in operation["responses"].items():
        answer = response.get("content", {}).get("application/json")
        if status < "300" and answer is not None:
            _document_answer(answer, status, example)
    for parameter in operation.get("parameters", []):
        given = {**(example.get("query") or {}), **(example.get("headers") or {})}
        if parameter.get("name") in given:
            parameter["example"] = given[parameter["name"]]


def _stored(value: Any) -> bool:
    """Whether an example's value names a thing of the server, such as a job."""
    return any(placeholder in json.dumps(value) for placeholder in PLACEHOLDERS)


def _document_answer(answer: dict[str, Any], status: str, example: Mapping[str, Any]) -> None:
    schema = _schema_of(answer)
    if "response" in example:
        answer["example"] = example["response"]
    elif status == "202" and schema == "Job":
        answer["example"] = samples.QUEUED_JOB
    elif schema in samples.ANSWERS:
        answer["example"] = samples.ANSWERS[schema]


def first_success(operation: Mapping[str, Any]) -> str:
    """The first documented status of success."""
    return str(min(status for status in operation["responses"] if status.isdigit() and status < "400"))


def _open_answers(document: dict[str, Any]) -> None:
    """Say what holds for clients: only v1 requests refuse unknown members, and a default of null is none.

    What both surfaces take has an open copy for the compatible one.
    """
    schemas = document["components"]["schemas"]
    bodies = [
        (is_v1(path), operation["requestBody"])
        for path, item in document["paths"].items()
        for _, operation in _operations(item)
        if "requestBody" in operation
    ]
    closed = set().union(*(_references(body, schemas) for v1, body in bodies if v1))
    opened = set().union(*(_references(body, schemas) for v1, body in bodies if not v1))
    copies = {name: f"Compatible{name}" for name in sorted(closed & opened)}
    schemas |= {copies[name]: deepcopy(schemas[name]) for name in copies}
    for value in (*(body for v1, body in bodies if not v1), *(schemas[copies.get(name, name)] for name in opened)):
        _point(value, copies)
    for name in {*closed, *opened, *copies.values()}:
        for member, found in schemas[name].get("properties", {}).items():
            if "description" not in found and (told := meaning(name, member)):
                found["description"] = told
    for name, schema in schemas.items():
        _tidy(schema, keep_closed=name in closed)


def _point(value: Any, renamed: Mapping[str, str]) -> None:
    """Let references lead to renamed schemas."""
    if isinstance(value, dict):
        name = str(value.get("$ref", "")).rpartition("/")[2]
        if name in renamed:
            value["$ref"] = f"#/components/schemas/{renamed[name]}"
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _point(member, renamed)


def _plain_forms(document: dict[str, Any]) -> None:
    """Say how members travel in a form: files first, no null, and objects as JSON text.

    Swagger UI fills in made-up samples where there is neither a default nor an example, and sends them all. An empty
    field counts as not given.
    """
    schemas = document["components"]["schemas"]
    for item in document["paths"].values():
        for _, operation in _operations(item):
            form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
            schema = schemas.get(form.get("$ref", "").rpartition("/")[2], {})
            fields = sorted(schema.get("properties", {}).items(), key=lambda item: not _is_file(item[1]))
            schema["properties"] = {name: _form_field(field) for name, field in fields}


def _is_file(field: dict[str, Any]) -> bool:
    return bool(field.get("items", field).get("format") == "binary")


def _form_field(field: dict[str, Any]) -> dict[str, Any]:
    kinds = field.get("type")
    if isinstance(kinds, list):
        field = {**field, "type": next(kind for kind in kinds if kind != "null")}
    if {"type": "object"} in field.get("oneOf", ()):
        words = next(choice for choice in field["oneOf"] if choice["type"] == "string")
        told = " ".join((field.get("description", ""), "An object travels as JSON text.")).strip()
        field = {
            **{name: field[name] for name in ("default", "example") if name in field},
            **words,
            "description": told,
        }
    if "enum" in field:
        field = {**field, "enum": [value for value in field["enum"] if value is not None]}
    if field.get("type") in ("string", "integer", "number") and "default" not in field and "format" not in field:
        field = {**field, "example": ""}
    if "$ref" in field or "anyOf" in field or "allOf" in field or field.get("type") == "object":
        return {"type": "string", "description": "An object as JSON text.", "example": ""}
    return field


def _references(value: Any, schemas: Mapping[str, Any], found: set[str] | None = None) -> set[str]:
    """Every component schema that is reachable."""
    found = set() if found is None else found
    if isinstance(value, dict):
        name = str(value.get("$ref", "")).removeprefix("#/components/schemas/")
        if name in schemas and name not in found:
            found.add(name)
            _references(schemas[name], schemas, found)
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _references(member, schemas, found)
    return found


def _tidy(value: Any, *, keep_closed: bool) -> None:
    if isinstance(value, dict):
        if value.get("additionalProperties") is False and not keep_closed:
            del value["additionalProperties"]
        if "default" in value and value["default"] is None:
            del value["default"]
        for member in value.values():
            _tidy(member, keep_closed=keep_closed)
    elif isinstance(value, list):
        for member in value:
            _tidy(member, keep_closed=keep_closed)
