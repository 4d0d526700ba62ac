"""`warnings` of compatible answers: what a view collected is added to its JSON object."""

from __future__ import annotations

from flask import Flask, Response, g, json, request

from orfeas.routes.context import is_v1


def register(app: Flask) -> None:
    """Add the hook to an app."""
    app.after_request(_add)


def _add(response: Response) -> Response:
    collected: list[str] = g.get("warnings", [])
    if not collected or is_v1(request.path) or response.mimetype != "application/json":
        return response
    answer = response.get_json(silent=True)
    if not isinstance(answer, dict):
        return response
    answer["warnings"] = list(dict.fromkeys([*answer.get("warnings", []), *collected]))
    response.set_data(json.dumps(answer))
    return response
