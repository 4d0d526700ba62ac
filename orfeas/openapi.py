"""The OpenAPI document as the server answers it, without a server."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from orfeas.app import create_app
from orfeas.config import Config
from orfeas.services import build_services


def document() -> dict[str, Any]:
    """`GET /openapi.json` of this version with default settings."""
    with tempfile.TemporaryDirectory(prefix="orfeas-") as folder:
        config = Config(data_dir=Path(folder), disk_reserve_mb=0)
        services = build_services(config)
        try:
            answer = create_app(config, services).test_client().get("/openapi.json")
            return dict(answer.get_json())
        finally:
            services.database.dispose()
