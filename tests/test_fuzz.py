"""Whatever the document allows, and much that it does not, gets a documented answer and never a 500."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
import time
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.serving import Server

FULL = os.environ.get("TEST_SCALE") == "full"
REQUESTS = 20_000 if FULL else 500
SCALE = (
    ["--max-examples=80", "--phases=examples,coverage,fuzzing,stateful"]
    if FULL
    else ["--max-examples=2", "--phases=examples,fuzzing"]
)
"""All: the examples, every boundary of every member, what is random, and sequences of requests."""
CONFIG = """
# A full queue, a language model that is not there and a time limit of the client's own are answers.
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503", "504"]

# So is a task that is not done in its own time.
[[operations]]
include-path = "/api/agents/submit-task"
[operations.checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "503", "504"]

# A body over the limit is refused unread, whatever is in it.
[checks.negative_data_rejection]
expected-statuses = ["400", "403", "404", "405", "406", "409", "413", "415", "422", "429", "503"]

# A model stays in the catalogue when its files are deleted.
[[operations]]
include-tag = "models"
[operations.checks.use_after_free]
enabled = false
"""
SETTINGS = {
    "cpu_workers": 2, "disk_reserve_mb": 0, "allow_url_input": 0, "queue_max": 100_000, "job_timeout_s": 60,
    "log_level": "WARNING",
}  # fmt: skip
ROOT = Path(__file__).parents[1]


def things(server: Server) -> dict[str, str]:
    """One of each kind of thing that paths name."""
    with httpx.Client(base_url=server.url, timeout=60.0) as client:
        photo = {"image": ("mug.png", (ROOT / "tests" / "data" / "mug.png").read_bytes())}
        job = client.post("/api/v1/generations?wait=60", data={"quality": "1"}, files=photo).json()
        asset_id = job["result"]["assets"][0]["asset_id"]
        items = [{"prompt": "a red cube"}]
        batch = client.post("/api/v1/batches", json={"items": items}).json()
        scene = client.post("/api/v1/scenes", json={"name": "fuzz"}).json()
        objects = f"/api/v1/scenes/{scene['id']}/objects"
        filled = client.post(objects, json={"input": {"asset_id": asset_id}}).raise_for_status().json()
        return {
            "job_id": job["id"], "uid": job["id"], "asset_id": asset_id, "batch_id": batch["id"],
            "scene_id": scene["id"], "object_id": filled["objects"][0]["id"], "filename": "model.glb",
            "model_id": "hunyuan3d-dit-v2-0", "slug": "not-found",
        }  # fmt: skip


def test_every_operation_answers_as_documented(tmp_path: Path) -> None:
    """Schemathesis with valid and with broken requests; `fuzzing` has its own form of two of its checks."""
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG)
    with Server(tmp_path / "data", log_dir=tmp_path, **SETTINGS) as server:
        command = [
            Path(sysconfig.get_path("scripts")) / "st", f"--config-file={config}", "run",
            ROOT / "openapi" / "openapi.json", f"--url={server.url}", *SCALE, "--mode=all", "--workers=2", "--seed=1",
            "--continue-on-failure", "--suppress-health-check=all",
            "--exclude-checks=positive_data_acceptance,negative_data_rejection",
            "--request-timeout=70", "--generation-database=none",
        ]  # fmt: skip
        environ = {
            **os.environ, "SCHEMATHESIS_HOOKS": "tests.fuzzing", "FUZZ_THERE": json.dumps(things(server)),
            "PYTHONPATH": str(ROOT), "NO_COLOR": "1",
        }  # fmt: skip
        before = requests_to(server)
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        sent = requests_to(server) - before
    told = "\n".join(line.strip()[:400] for line in done.stdout.splitlines() if line.strip())
    assert done.returncode == 0, f"{sent} requests\n{told[-20_000:]}\n{done.stderr[-2000:]}"
    assert sent >= REQUESTS


def requests_to(server: Server) -> int:
    """How many requests a server has answered, as it counts them itself."""
    time.sleep(0.2)  # Metrics are kept for a moment.
    families = text_string_to_metric_families(httpx.get(f"{server.url}/metrics", timeout=60.0).text)
    found = [family for family in families if family.name == "orfeas_requests"]
    return int(sum(sample.value for family in found for sample in family.samples if sample.name.endswith("_total")))
