"""The application: wiring, in the order it happens."""

from __future__ import annotations

import logging
import threading
from typing import Any

from flask import Flask
from flask_smorest import Api, Blueprint
from werkzeug.middleware.proxy_fix import ProxyFix

from orfeas import logs
from orfeas.config import Config, secret_key
from orfeas.routes import BLUEPRINTS, access, events, headers, limits, models, pages, problems, warnings
from orfeas.routes.context import EXTENSION
from orfeas.routes.document import exclusive_bounds
from orfeas.routes.schemas.common import ProblemSchema
from orfeas.services import Services, build_services
from orfeas.version import __version__

logger = logging.getLogger("orfeas.app")


class OrfeasApi(Api):  # type: ignore[misc]
    """flask-smorest without its own errors, as ours are problems, and with a document that waits until it is asked for.

    To make the document takes longer than all else that an app is made of, and few processes are asked for it.
    """

    DEFAULT_ERROR_RESPONSE_NAME = None

    def __init__(self, app: Flask) -> None:
        self._undocumented: list[Blueprint] = []
        self._documenting = threading.Lock()
        super().__init__(app)

    def _register_error_handlers(self) -> None:
        """Errors are answered by `routes/problems.py`."""

    def register_blueprint(self, blp: Blueprint) -> None:
        """Route a blueprint."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blp.name] = self
        self._app.register_blueprint(blp)
        self._undocumented.append(blp)

    def document(self) -> dict[str, Any]:
        """What is routed, as flask-smorest tells it."""
        with self._documenting:
            for blp in self._undocumented:
                blp.register_views_in_doc(self, self._app, self.spec, name=blp.name, parameters=None)
                self.spec.tag({"name": blp.name, "description": blp.description})
            self._undocumented.clear()
            return dict(self.spec.to_dict())


def create_app(config: Config | None = None, services: Services | None = None) -> Flask:
    """Make an app. Several may live in one process; all state hangs on their services."""
    if config is None:
        config = services.config if services is not None else Config.from_env()
    app = Flask("orfeas", static_folder=None)
    logs.configure(config)
    for notice in config.notices:
        logger.warning(notice)
    app.extensions[EXTENSION] = services or build_services(config)
    app.config.update(_flask_settings(config))
    app.json.sort_keys = False  # type: ignore[attr-defined]
    problems.register(app)
    headers.register(app, config)
    limits.register(app, config)
    warnings.register(app)
    pages.register(app)
    api = OrfeasApi(app)
    api.ma_plugin.converter.add_attribute_function(exclusive_bounds)
    api.spec.components.schema("Problem", schema=ProblemSchema)
    app.url_map.converters["model"] = models.ModelIdConverter
    api.register_converter(models.ModelIdConverter, lambda converter: {"type": "string", "minLength": 1})
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)
    access.register(app)
    events.register(app, config)
    if config.trust_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.trust_proxy, x_proto=config.trust_proxy)  # type: ignore[method-assign]
    return app


def _flask_settings(config: Config) -> dict[str, Any]:
    return {
        "API_TITLE": "orfeas",
        "API_VERSION": __version__,
        "OPENAPI_VERSION": "3.1.0",
        "DEBUG": config.debug,
        "SECRET_KEY": secret_key(config),
        "MAX_CONTENT_LENGTH": config.max_upload_bytes,
        "MAX_FORM_MEMORY_SIZE": config.max_upload_bytes,
    }
