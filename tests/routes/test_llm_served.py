"""Language model operations against a real server of a real, tiny model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.llm_server import MISSING, ModelServer
from tests.serving import Server

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install 'orfeas[ml,test]'")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    with ModelServer(tmp_path_factory.mktemp("llm")) as running:
        yield running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, model: ModelServer) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("asking")
    settings = {"llm_url": model.url, "llm_max_tokens": 64, "llm_timeout_s": 60, "cpu_workers": 1, "disk_reserve_mb": 0}
    with Server(folder, **settings) as server, httpx.Client(base_url=server.url, timeout=120.0) as client:
        yield client


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_its_model_is_listed_and_the_probe_is_real(served: httpx.Client, model: ModelServer) -> None:
    found = ok(served.get("/api/llm/models"))
    assert [entry["name"] for entry in found["available_models"]] == [model.model]
    assert found["configured"] is True
    assert set(found["task_recommendations"].values()) == {model.model}
    status = ok(served.get("/api/llm/status"))
    assert (status["reachable"], status["llm_system_enabled"]) == (True, True)
    assert status["models_initialized"] == {model.model: True}
    assert status["latency_ms"] > 0
    local = ok(served.get("/api/local-llm/status"))
    assert (local["available"], local["internal_model"], local["server"]) == (True, model.model, model.url[7:])


def test_an_answer_is_counted_in_its_own_tokens(served: httpx.Client, model: ModelServer) -> None:
    body = {"prompt": "Name three uses of a gear.", "quality": "fast", "max_latency": 60_000}
    found = ok(served.post("/api/llm/generate", json=body))
    assert found["model_used"] == model.model
    assert found["generated_content"]
    assert found["usage"]["prompt_tokens"] > len(body["prompt"])  # with the system prompt, a token a byte
    assert 1 <= found["usage"]["completion_tokens"] <= 64
    assert found["truncated"] is (found["usage"]["completion_tokens"] == 64)
    assert found["confidence_score"] is None  # this server tells no probabilities
    assert found["processing_time"] > 0


def test_fewer_tokens_are_honoured(served: httpx.Client) -> None:
    found = ok(served.post("/api/local-llm/generate", json={"prompt": "Hello", "max_tokens": 3}))
    assert len(found["response"].encode()) <= 3 * 4
    refused = served.post("/api/local-llm/generate", json={"prompt": "Hello", "max_tokens": 65})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


def test_code_that_is_no_code_scores_nothing(served: httpx.Client) -> None:
    body = {"requirements": "The area of a square.", "context": {"include_tests": True}}
    found = ok(served.post("/api/llm/code-generate", json=body))
    checked = ok(served.post("/api/llm/analyze-code", json={"code": found["generated_code"], "language": "python"}))
    assert (found["quality_score"], found["metrics"]) == (checked["quality_score"], checked["metrics"])
    assert found["documentation"] is None


def test_a_task_whose_plan_is_noise_is_done_in_one_step(served: httpx.Client, model: ModelServer) -> None:
    answer = ok(served.post("/api/llm/orchestrate", json={"task_description": "Compare gears and belts."}))
    [step] = answer["execution_breakdown"]
    assert (step["step"], step["model"], step["error"]) == (1, model.model, None)
    assert answer["final_result"] == step["output"]
    assert 0 < step["seconds"] <= answer["total_execution_time"]


def test_an_error_is_explained_beside_what_the_code_shows(served: httpx.Client, model: ModelServer) -> None:
    body = {"code": "def f(:\n", "error_message": "SyntaxError"}
    found = ok(served.post("/api/llm/debug-code", json=body))
    assert found["static_findings"]["syntax_error"]["line"] == 1
    assert found["debug_analysis"]
    assert found["model_used"] == model.model
    assert "warnings" not in found


def test_an_unknown_model_is_refused_with_those_that_are_there(served: httpx.Client, model: ModelServer) -> None:
    refused = served.post("/api/llm/generate", json={"prompt": "Hi", "model": "gpt-99"})
    assert refused.status_code == 400
    assert refused.json()["allowed"] == [model.model]


def test_a_planner_asks_it_and_goes_on_with_the_prompt_when_its_words_are_noise(served: httpx.Client) -> None:
    body = {"task_type": "prompt_plan", "task_data": {"prompt": "a large red cube"}, "timeout": 60}
    found = ok(served.post("/api/agents/submit-task", json=body))
    assert found["success"] is True
    assert json.dumps(found["result"])


def test_a_server_that_goes_away_is_said_to_be_away(model: ModelServer, served: httpx.Client) -> None:
    model.stop()
    refused = served.post("/api/llm/generate", json={"prompt": "Hi"})
    assert (refused.status_code, refused.json()["code"]) == (503, "llm_unreachable")
    assert "is it running" in refused.json()["detail"]
