"""The studio: one page with its built files, its service worker, its manifest and its icons."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify, send_from_directory
from flask_smorest import Blueprint

from orfeas.routes.examples import example
from orfeas.routes.headers import PAGE_POLICY, packaged_page, page
from orfeas.routes.schemas.pages import WebManifestSchema

blp = Blueprint("pages", __name__, description="Pages for people.")

FILES = "static"
STUDIO = "studio/index.html"
HASHED = "studio/assets/"
"""Their names change with their content."""
YEAR_S = 31_536_000


def _icon(name: str, sizes: str, purpose: str = "any") -> dict[str, str]:
    return {"src": f"/icons/{name}", "sizes": sizes, "type": "image/png", "purpose": purpose}


MANIFEST: dict[str, Any] = {
    "id": "/",
    "name": "orfeas studio",
    "short_name": "orfeas",
    "start_url": "/",
    "scope": "/",
    "display": "standalone",
    "theme_color": "#14302b",
    "background_color": "#f6f5f1",
    "icons": [
        _icon("icon-192.png", "192x192"),
        _icon("icon-512.png", "512x512"),
        _icon("icon-maskable-512.png", "512x512", "maskable"),
    ],
}


def register(app: Flask) -> None:
    """Serve the package's own files; they are no part of the API document."""
    app.add_url_rule("/icons/<path:filename>", "icons", _icon_file)
    app.add_url_rule("/static/<path:filename>", "static", _static_file)
    app.add_url_rule("/sw.js", "worker", _service_worker)


def _icon_file(filename: str) -> Response:
    return send_from_directory(f"{FILES}/icons", filename, max_age=86_400)


def _static_file(filename: str) -> Response:
    response = send_from_directory(FILES, filename)
    if filename.startswith(HASHED) and response.status_code in (200, 304):
        response.headers["Cache-Control"] = f"public, max-age={YEAR_S}, immutable"
    return response


def _service_worker() -> Response:
    """At the root, as a worker may only serve what lies beside or below it; the policy is that of its own fetches."""
    response = send_from_directory(f"{FILES}/studio", "sw.js", mimetype="text/javascript")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    response.headers["Cache-Control"] = "no-cache"
    return response


@blp.get("/")
@blp.response(200, {"type": "string"}, content_type="text/html", description="A page.")
@example()
def index() -> Response:
    """Web UI"""
    return page(packaged_page(STUDIO))


@blp.get("/studio")
@blp.response(200, {"type": "string"}, content_type="text/html", description="A page.")
@example()
def studio() -> Response:
    """Web UI, at its own address"""
    return page(packaged_page(STUDIO))


@blp.get("/manifest.json")
@blp.response(200, WebManifestSchema, content_type="application/manifest+json")
@example(response=MANIFEST)
def manifest() -> Response:
    """Web app manifest"""
    response = jsonify(MANIFEST)
    response.mimetype = "application/manifest+json"
    return response
