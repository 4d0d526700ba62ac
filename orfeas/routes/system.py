"""The server itself: capabilities, presets, its API document and the meaning of errors."""

from __future__ import annotations

import functools
import hashlib
from html import escape
from typing import Any

from flask import Flask, Response, current_app, jsonify, request
from flask_smorest import Blueprint

from orfeas.errors import NotAcceptableError, NotFoundError, OrfeasError, all_problems
from orfeas.routes.body import query_args
from orfeas.routes.conditional import with_etag
from orfeas.routes.context import caller, services
from orfeas.routes.document import document_text, openapi_document
from orfeas.routes.examples import example
from orfeas.routes.guide import guide
from orfeas.routes.headers import packaged_page, page
from orfeas.routes.problems import problems
from orfeas.routes.schemas.system import (
    CapabilitiesSchema,
    OpenApiSchema,
    PresetsArgsSchema,
    PresetsSchema,
    ProblemKindSchema,
)

blp = Blueprint("system", __name__, description="The server itself.")


@blp.get("/api/v1/capabilities")
@blp.response(200, CapabilitiesSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@example(
    response={
        "version": "0.1.0",
        "engines": {"embedded": {"available": True, "reason": None}},
        "auto": {"engine": "embedded", "model": None, "reason": "No shape model is installed."},
        "devices": [{"device": "cpu", "queues": ["cpu", "io"], "workers": 3}],
        "models": [],
        "formats": [
            {
                "format": "glb", "media_type": "model/gltf-binary", "read": True, "write": True, "colors": True,
                "textures": True, "units": "m", "available": True, "reason": None,
            }
        ],
        "features": {"image_to_3d": {"available": True, "reason": None}},
        "limits": {"upload_bytes": 50_000_000, "target_faces": [100, 2_000_000]},
        "auth": {"mode": "auto", "required": False},
        "territory": None,
        "llm": {"configured": False, "model": None},
    }
)  # fmt: skip
def capabilities() -> Response:
    """What this server can do"""
    return with_etag(jsonify(services().system.capabilities(caller())))


@blp.get("/api/v1/presets")
@query_args(blp, PresetsArgsSchema)
@blp.response(200, PresetsSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@problems(blp, "invalid_request", "capability_missing")
@example(
    query={"kind": "styles"},
    response={"styles": {"realistic": "studio light, PBR", "low_poly": "faceted"}},
)
def presets(params: dict[str, Any]) -> Response:
    """All presets, or those of one kind"""
    return with_etag(jsonify(services().system.presets(caller(), params.get("kind"))))


@blp.get("/openapi.json")
@blp.response(200, OpenApiSchema)
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@example(response={"openapi": "3.1.0", "info": {"title": "orfeas", "version": "0.1.0"}, "paths": {}, "components": {}})
def openapi() -> Response:
    """This document (OpenAPI 3.1)"""
    text, etag = document_bytes(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
    return with_etag(Response(text, mimetype="application/json"), etag=etag)


@functools.lru_cache(maxsize=8)
def document_bytes(app: Flask) -> tuple[bytes, str]:
    """The document and its hash, written once for each app."""
    text = document_text(app).encode()
    return text, hashlib.sha256(text).hexdigest()[:32]


@blp.get("/llms.txt")
@blp.response(200, {"type": "string"}, content_type="text/plain", description="The guide.")
@blp.alt_response(304, description="Unchanged since the ETag that was sent.", success=True)
@example()
def llms() -> Response:
    """Guide for programs"""
    text, etag = guide_bytes(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
    return with_etag(Response(text, mimetype="text/plain"), etag=etag)


@functools.lru_cache(maxsize=8)
def guide_bytes(app: Flask) -> tuple[bytes, str]:
    """The guide and its hash, written once for each app."""
    text = guide(openapi_document(app)).encode()
    return text, hashlib.sha256(text).hexdigest()[:32]


@blp.get("/docs")
@blp.response(200, {"type": "string"}, content_type="text/html", description="A page.")
@example()
def docs() -> Response:
    """API browser"""
    return page(packaged_page("docs.html"))


@blp.get("/problems/<slug>")
@blp.response(200, ProblemKindSchema)
@blp.alt_response(200, schema={"type": "string"}, content_type="text/html", success=True)
@problems(blp, "not_found", "not_acceptable")
@example(
    path={"slug": "job-not-found"},
    headers={"Accept": "application/json"},
    response={
        "type": "/problems/job-not-found", "code": "job_not_found", "title": "There is no such job", "status": 404,
        "retryable": False, "description": "There is no such job.",
        "way_out": "Check the id; a deleted job is gone, and another data folder or database has other jobs.",
    },
)  # fmt: skip
def problem(slug: str) -> Response:
    """What an error means"""
    kind = all_problems().get(slug.replace("-", "_"))
    if kind is None or "_" in slug:
        raise NotFoundError(f"There is no problem {slug[:64]!r}.")
    offered = ("text/html", "application/json", "application/problem+json")
    best = request.accept_mimetypes.best_match(offered) if request.accept_mimetypes else offered[0]
    if best is None:
        raise NotAcceptableError("Accept text/html or application/json.")
    response = page(_problem_page(kind)) if best == offered[0] else jsonify(_kind(kind))
    response.vary.add("Accept")
    return response


def _kind(kind: type[OrfeasError]) -> dict[str, Any]:
    found = kind().as_problem()
    text = kind.__doc__ if kind.__doc__ and kind.__doc__ != OrfeasError.__doc__ else None
    return {
        "type": found["type"],
        "code": kind.code,
        "title": kind.title,
        "status": int(kind.status),
        "retryable": kind.retryable,
        "description": text or f"{kind.title}.",
        "way_out": kind.way_out,
    }


def _problem_page(kind: type[OrfeasError]) -> str:
    found = _kind(kind)
    again = "The same request may succeed later." if kind.retryable else "The same request will fail again."
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{escape(kind.code)}</title>"
        '<link rel="stylesheet" href="/static/problem.css"><main>'
        f"<p class=quiet>Status {int(kind.status)}, code <code>{escape(kind.code)}</code></p>"
        f"<h1>{escape(kind.title)}</h1><p>{escape(found['description'])} {again}</p>"
        f"<p>{escape(kind.way_out)}</p>"
        '<p><a href="/">Studio</a> <a href="/docs">API</a></p></main></html>\n'
    )
