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
from pathlib import Path

import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

OF_THE_SCHEMA = ("invalid_request", "bad_request", "unsupported_media_type")
"""Codes that say the request is not as documented; every other one is about what it means."""
RULES = re.compile(
    r"[Ee]xactly one|[Aa]t least one|needed together|Give (either|an object)|is needed|another name of|in place of"
    r"|made by v1|repository of the hub|Send 1 to|no (mesh|image) that|neither an image nor a prompt|Unknown field"
    r"|There is no |named|has no effect|shows no objects|NUL|Must not be (above|blank)|differ|needs|no job id|[Ll]eave"
    r"|is part of a later release|has fixed limits|has no |neither fingerprints nor|holds one surface|is no picture"
    r"|must be base64|starts from an|\(ORFEAS_"
)
"""Rules between members, or about things of the server."""
TEXT_OF_OBJECTS = re.compile(
    r"Invalid input type|Not a valid mapping type|Invalid value|not JSON|must be a JSON object"
)
"""In a form or a plain text an object is JSON text, of which the document can say no more than that it is text."""
DATA = Path(__file__).parent / "data"
THERE: dict[str, str] = json.loads(os.environ.get("FUZZ_THERE", "{}"))
"""Things of the server by the name of a path parameter: half of the valid requests name one."""
turn = itertools.count()

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
    if case.query:
        case.query.pop("wait", None)
    meta = case.meta
    free = meta and meta.generation.mode is GenerationMode.POSITIVE and meta.phase.name.value != "stateful"
    for name in case.path_parameters if free else ():
        if name in THERE and next(turn) % 2:
            case.path_parameters[name] = THERE[name]
    if "Idempotency-Key" in case.headers:
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.check
def allowed_is_accepted(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """`positive_data_acceptance` for refusals of single members."""
    if refused_for_its_meaning(response, text=case.media_type != "application/json"):
        return None
    return CHECKS.get_one("positive_data_acceptance")(ctx, response, case)


def refused_for_its_meaning(response: schemathesis.Response, *, text: bool) -> bool:
    """Whether a refusal is about more than one member's type and range."""
    if response.status_code < 400 or "json" not in response.headers["content-type"][0]:
        return False
    problem = response.json()
    if problem["code"] not in OF_THE_SCHEMA:
        return True
    told = [entry["detail"] for entry in problem["errors"]] or [problem["detail"]]
    return all(RULES.search(sentence) or (text and TEXT_OF_OBJECTS.search(sentence)) for sentence in told)
