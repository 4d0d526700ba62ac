"""What Schemathesis has to know of this server: which refusals are no contradiction to the document.

A request that the document allows may be refused for what no schema can say: it names a thing that is not there, holds
a file that cannot be read, or breaks a rule about several members together. Such refusals have their own codes and
sentences. `st run` loads this module by SCHEMATHESIS_HOOKS.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import schemathesis
from hypothesis import strategies
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.generation.jsonschema import strategy as drawing
from schemathesis.specs.openapi.negative import _strip_binary

OF_THE_SCHEMA = ("invalid_request", "bad_request", "unsupported_media_type")
"""Codes that say the request is not as documented; every other one is about what it means."""
RULES = re.compile(
    r"[Ee]xactly one|[Ss]end either|[Aa]t least one|needed together|Give (either|an object)|is needed|another name of"
    r"|in place of"
    r"|made by v1|repository of the hub|Send 1 to|no (mesh|image) that|neither an image nor a prompt|Unknown field"
    r"|There is no |named|has no effect|shows no objects|NUL|Must not be (above|blank)|differ|needs|no job id|[Ll]eave"
    r"|is part of a later release|has fixed limits|has no |neither fingerprints nor|holds one surface|is no picture"
    r"|must be base64|holds no data|\(ORFEAS_"
)
"""Rules between members, or about things of the server."""
TEXT_OF_OBJECTS = re.compile(
    r"Invalid input type|Not a valid mapping type|Invalid value|not JSON|must be a JSON object"
)
"""In a form or a plain text an object is JSON text, of which the document can say no more than that it is text."""
DATA = Path(__file__).parent / "data"
DOCUMENT = json.loads((Path(__file__).parents[1] / "openapi" / "openapi.json").read_text())
THERE: dict[str, str] = json.loads(os.environ.get("FUZZ_THERE", "{}"))
"""Things of the server by the name of a path parameter: half of the valid requests name one."""
turn = itertools.count()
validator_of = drawing._validator


def _valid_with_files(schema: Any) -> Callable[[Any], bool]:
    """Schemathesis 4.32 asks some validators about bytes, which they do not know; a file counts as text elsewhere."""
    is_valid = validator_of(schema)
    return lambda value: bool(is_valid(_strip_binary(value)))


drawing._validator = _valid_with_files

schemathesis.openapi.format(
    "binary",
    strategies.one_of(
        strategies.sampled_from([(DATA / name).read_bytes() for name in ("mug.png", "figure.jpg")]),
        strategies.sampled_from(
            [(DATA / "meshes" / name).read_bytes() for name in ("meshlab_cone.stl", "openscad_two.3mf")]
        ),
        strategies.binary(max_size=200),
    ),
)


@schemathesis.hook
def before_call(ctx: schemathesis.HookContext, case: schemathesis.Case, kwargs: dict[str, object]) -> None:
    """Wait for nothing, and use no key twice."""
    del ctx, kwargs
    _be_impatient(case)
    meta = case.meta
    free = meta and meta.generation.mode is GenerationMode.POSITIVE and meta.phase.name.value != "stateful"
    for name in case.path_parameters if free else ():
        if name in THERE and next(turn) % 2:
            case.path_parameters[name] = THERE[name]
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


def _be_impatient(case: schemathesis.Case) -> None:
    """Wait no longer than has to be, unless a wrong `wait` is what is tried."""
    names = {parameter["name"] for parameter in documented(case).get("parameters", ()) if "name" in parameter}
    if "wait" not in names:
        return
    if "wait" not in (case.query or {}):
        case.headers["Prefer"] = "wait=0"
    elif is_valid(case.query["wait"], {"type": "number", "minimum": 0, "maximum": 60}):
        case.query["wait"] = 0


def documented(case: schemathesis.Case) -> dict[str, Any]:
    """What the document says of an operation."""
    found: dict[str, Any] = DOCUMENT["paths"][case.operation.path][case.operation.method.lower()]
    return found


def body_schema(case: schemathesis.Case) -> dict[str, Any]:
    """What the document says of a body of the media type that a request has."""
    content: dict[str, Any] = documented(case).get("requestBody", {}).get("content", {})
    return dict(content.get(case.media_type or "", {}).get("schema", {}))


def is_valid(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value is as the document says."""
    return bool(Draft202012Validator({**schema, "components": DOCUMENT["components"]}).is_valid(value))


@schemathesis.check
def allowed_is_accepted(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """`positive_data_acceptance` for refusals of single members."""
    if refused_for_its_meaning(response, case):
        return None
    return CHECKS.get_one("positive_data_acceptance")(ctx, response, case)


@schemathesis.check
def broken_is_refused(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """`negative_data_rejection`, but words are taken in any case, which no schema can say."""
    if is_a_matter_of_capitals(case):
        return None
    return CHECKS.get_one("negative_data_rejection")(ctx, response, case)


def is_a_matter_of_capitals(case: schemathesis.Case) -> bool:
    """Whether a request would be as documented if its words were in lower case."""
    query = {each["name"]: each["schema"] for each in documented(case).get("parameters", ()) if each["in"] == "query"}
    given = [(case.body, body_schema(case))]
    given += [(value, query[name]) for name, value in (case.query or {}).items() if name in query]
    lowered = [(in_lower_case(value), schema) for value, schema in given]
    return lowered != given and all(is_valid(value, schema) for value, schema in lowered)


def in_lower_case(value: Any) -> Any:
    """The value with all words that the document lists in lower case."""
    if isinstance(value, dict):
        return {name: in_lower_case(member) for name, member in value.items()}
    if isinstance(value, list):
        return [in_lower_case(member) for member in value]
    return value.lower() if isinstance(value, str) and value.lower() in WORDS else value


def words_of(value: Any) -> set[str]:
    """Every word that a document lists."""
    if isinstance(value, list):
        return set().union(*map(words_of, value))
    if not isinstance(value, dict):
        return set()
    listed = {str(word) for word in value["enum"]} if isinstance(value.get("enum"), list) else set()
    return listed.union(*map(words_of, value.values()))


WORDS = words_of(DOCUMENT)


def refused_for_its_meaning(response: schemathesis.Response, case: schemathesis.Case) -> bool:
    """Whether a refusal is about more than one member's type and range."""
    if response.status_code < 400 or "json" not in response.headers["content-type"][0]:
        return False
    problem = response.json()
    if problem["code"] not in OF_THE_SCHEMA:
        return True
    told = problem["errors"] or [problem]
    return all(RULES.search(each["detail"]) or is_of_text(each, case) for each in told)


def is_of_text(told: dict[str, Any], case: schemathesis.Case) -> bool:
    """Whether a form's or a plain text was refused for what is written in it: an object, or a list with commas."""
    if case.media_type == "application/json":
        return False
    name = body_schema(case).get("$ref", "").rpartition("/")[2]
    members = DOCUMENT["components"]["schemas"].get(name, {}).get("properties", {})
    member = members.get(told.get("pointer", "")[1:], {})
    parted = member.get("type") == "array" and told["detail"].startswith("Length must be")
    return parted or bool(TEXT_OF_OBJECTS.search(told["detail"]))
