"""The headers of answers: as the OpenAPI document lists them, and the link of an alias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Response

SHOWN: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "Names this request in the server's log."},
    "Location": {"description": "Where to ask for the thing that was made.", "format": "uri-reference"},
    "Retry-After": {"description": "Seconds until asking again is worth it.", "type": "integer", "minimum": 1},
    "ETag": {"required": True, "description": "Send it as If-None-Match: 304 then says that nothing has changed."},
    "Link": {"description": 'The next page (rel="next"), or the path that replaces this one (rel="canonical").'},
    "Accept-Ranges": {"description": "That parts may be asked for with Range.", "enum": ["bytes"]},
    "Content-Range": {"description": "Which part this is, or how long the whole is."},
    "Content-Disposition": {"description": "The file name to save it under."},
    "Idempotency-Replayed": {"description": "The kept answer to an earlier request of this key.", "enum": ["true"]},
    "Preference-Applied": {"description": "What of Prefer was done."},
    "X-Job-ID": {"required": True, "description": "The job that made the file; /api/v1/jobs/{job_id} has more."},
    "X-Orfeas-Warnings": {"description": "Parameters that had no effect."},
}
"""What is not said about a header in its answer: required, and its schema (a string where none is given)."""
LATER = ("429", "503", "507")
"""Refusals that pass."""
FILE = "addon.generate"
"""Answers with a file to a POST."""
TAGGED = frozenset({FILE, "scenes.change", "scenes.lay_out", "scenes.lay_out_alias"})
"""Answers with an ETag that are no reads, such as that of a changed scene."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of an operation, as the document knows it."""

    endpoint: str
    status: str
    statuses: frozenset[str]
    parameters: frozenset[str]

    @classmethod
    def of(cls, operation: dict[str, Any], status: str) -> _Answer:
        """The answer with a status."""
        parameters = frozenset(found["name"] for found in operation.get("parameters", ()))
        return cls(operation["operationId"], status, frozenset(operation["responses"]), parameters)

    @property
    def success(self) -> bool:
        return self.status.startswith("2")

    @property
    def makes(self) -> bool:
        return self.success and not {"201", "202"}.isdisjoint(self.statuses)


HAS: dict[str, Callable[[_Answer], bool]] = {
    "Location": lambda answer: answer.makes,
    "Retry-After": lambda answer: answer.makes or answer.status in LATER,
    "ETag": lambda answer: (
        answer.status in ("200", "206", "304") and ("304" in answer.statuses or answer.endpoint in TAGGED)
    ),
    "Link": lambda answer: answer.success and ("cursor" in answer.parameters or _is_alias(answer.endpoint)),
    "Accept-Ranges": lambda answer: answer.success and "206" in answer.statuses,
    "Content-Range": lambda answer: answer.status in ("206", "416"),
    "Content-Disposition": lambda answer: answer.success and ("206" in answer.statuses or answer.endpoint == FILE),
    "Idempotency-Replayed": lambda answer: answer.success and "Idempotency-Key" in answer.parameters,
    "Preference-Applied": lambda answer: answer.success and "Prefer" in answer.parameters,
    "X-Job-ID": lambda answer: answer.success and answer.endpoint == FILE,
    "X-Orfeas-Warnings": lambda answer: answer.success and answer.endpoint == FILE,
}
"""Which answers have a header."""


def canonical(response: Response, path: str) -> Response:
    """Name the path that an alias stands for."""
    response.headers["Link"] = f'<{path}>; rel="canonical"'
    return response


def _is_alias(endpoint: str) -> bool:
    return endpoint.endswith("_alias") or endpoint == "generation.generate"


def components() -> dict[str, dict[str, Any]]:
    """`components.headers` of the document."""
    return {name: _header(**facts) for name, facts in SHOWN.items()}


def _header(*, description: str, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"description": description, "required": required, "schema": {"type": "string", **schema}}


def list_headers(operation: dict[str, Any]) -> None:
    """Name the headers of each answer of an operation that is described in place."""
    for status, response in operation["responses"].items():
        if "$ref" not in response:
            refer(response, *(name for name, has in HAS.items() if has(_Answer.of(operation, status))))


def refer(response: dict[str, Any], *names: str) -> None:
    """Give a response references to headers."""
    listed = response.setdefault("headers", {})
    listed |= {name: {"$ref": f"#/components/headers/{name}"} for name in SHOWN if name in names}
