"""Whatever the document allows, and much that it does not, gets a documented answer and never a 500."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as limits
from schemathesis.checks import CHECKS

from orfeas.app import create_app
from orfeas.config import Config
from orfeas.routes import BLUEPRINTS
from orfeas.services import build_services

CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
REFUSED_WHEN_FULL = 503
EXAMPLES = 120 if os.environ.get("TEST_SCALE") == "full" else 8


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    """The document of a real app, and the app behind it."""
    config = Config(data_dir=tmp_path_factory.mktemp("fuzz"), disk_reserve_mb=0, allow_url_input=False)
    services = build_services(config)
    yield schemathesis.openapi.from_wsgi("/openapi.json", create_app(config, services))
    services.notifier.stop()
    services.database.dispose()


@pytest.mark.parametrize("operation_id", sorted(f"{blp.name}.{name}" for blp in BLUEPRINTS for name in blp._docs))
def test_every_operation_answers_as_documented(api: schemathesis.BaseSchema, operation_id: str) -> None:
    @limits(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=api.find_operation_by_id(operation_id).as_strategy())
    def check(case: schemathesis.Case) -> None:
        case.query.pop("wait", None)
        response = case.call()
        if response.status_code != REFUSED_WHEN_FULL:
            case.validate_response(response, checks=[CHECKS.get_one(name) for name in CHECKED])

    check()
