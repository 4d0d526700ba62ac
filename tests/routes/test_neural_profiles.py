"""Profiles of models, on a real server with a device of its own and the tiny checkpoints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from orfeas.domain.profiles import Switches
from orfeas.jobs.plan import Source
from orfeas.services.plans import ModelRef, NeuralRequest, generation_plan
from tests.gpu.hunyuan3d.golden import INPUTS
from tests.routes.neural import Client, serve

TINY, TURBO = "hunyuan3d-dit-v2-tiny", "hunyuan3d-dit-v2-tiny-turbo"
ULTRA = "/api/ultra-performance"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with serve(tmp_path_factory.mktemp("profiles"), model=TINY) as server:
        found = Client(server)
        _wait_for_hashes(found)
        yield found


def _wait_for_hashes(client: Client) -> None:
    """Fingerprints hold the revision once the files are hashed, so compare none from before."""
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        revisions = [client.ask("GET", f"/api/v1/models/{name}").json()["revision"] for name in (TINY, TURBO)]
        if all(revisions):
            # The list that engines choose from is at most 2 s old.
            time.sleep(2.0)
            return
        time.sleep(0.1)
    raise AssertionError("the models were not hashed")


def parameters(client: Client, job: dict[str, Any], stage: str) -> dict[str, Any]:
    return dict(client._operation(job, stage)["parameters"])


def test_a_profile_changes_steps_and_decoding_and_says_what_a_processor_lacks(client: Client) -> None:
    plain = client.ended(client.generate(quality=1))
    ultra = client.ended(client.generate(quality=1, profile="ultra"))
    sampled = [parameters(client, job, "shape.sample")["num_inference_steps"] for job in (plain, ultra)]
    decoded = [parameters(client, job, "shape.decode")["method"] for job in (plain, ultra)]
    assert (sampled, decoded) == ([10, 6], ["hierarchical", "flashvdm"])
    assert (ultra["result"]["profile"], ultra["result"]["settings"]["steps"]) == ("ultra", 6)
    off = {entry["setting"]: entry["reason"] for entry in ultra["result"]["settings"]["unavailable"]}
    assert set(off) == {"precision", "compiled_denoiser"}
    assert "float32" in off["precision"]
    assert client.fingerprint(plain, "shape.encode") == client.fingerprint(ultra, "shape.encode")
    enhanced = client.ended(client.generate(quality=1, profile="enhanced"))
    assert client.fingerprint(enhanced, "shape.sample") == client.fingerprint(plain, "shape.sample")
    explicit = client.ended(client.generate(quality=1, profile="ultra", steps=10))
    assert client.fingerprint(explicit, "shape.sample") == client.fingerprint(plain, "shape.sample")


def test_quantum_takes_turbo_weights_unless_the_request_names_a_model(client: Client) -> None:
    job = client.ended(client.generate(quality=3, profile="quantum"))
    assert (job["result"]["model"], job["result"]["settings"]["steps"]) == (TURBO, 5)
    named = client.ended(client.generate(quality=1, profile="quantum", model=TINY))
    assert (named["result"]["model"], named["result"]["settings"]["steps"]) == (TINY, 5)
    assert "turbo_weights" in {entry["setting"] for entry in named["result"]["settings"]["unavailable"]}


def test_a_compatible_request_gets_the_enabled_profile(client: Client) -> None:
    client.ask("POST", f"{ULTRA}/enable", json={"optimization_level": "ultra"})
    files = {"image": ("p.png", (INPUTS / "input_0.png").read_bytes(), "image/png")}
    form = {"quality": "1", "octree_resolution": "32", "format": "stl"}
    started = client.ask("POST", "/api/generate-3d", files=files, data=form).json()
    assert (started["engine"], started["settings"]["steps"]) == ("hunyuan3d", 6)
    record = client.ask("GET", f"/api/job-status/{started['job_id']}?wait=30").json()
    assert record["ultra_performance"]["algorithms_used"] == ["flashvdm decoding", "steps x 0.6", "mesh repair"]
    status = client.ask("GET", f"{ULTRA}/status").json()
    assert status["settings"]["volume_decoding"] == "flashvdm"
    assert "steps_factor" in status["status"]["active_optimizations"]
    client.ask("POST", f"{ULTRA}/disable")


def test_the_largest_batch_is_kept_by_the_device(client: Client) -> None:
    files = [("files", (f"{n}.png", (INPUTS / f"input_{n}.png").read_bytes(), "image/png")) for n in (0, 1, 2)]
    form = {"batch_size": "1", "quality": "2", "octree_resolution": "32", "format_type": "stl", "use_cache": "false"}
    batch = client.ask("POST", "/api/batch-generate", files=files, data=form).json()
    assert "warnings" not in batch
    for job_id in batch["job_ids"]:
        client.ask("GET", f"/api/job-status/{job_id}?wait=30")
        manifest = client.ask("GET", f"/api/v1/jobs/{job_id}/manifest").json()
        assert manifest["batch_size"] == 1


def test_memory_shortage_steps_down_one_profile_first() -> None:
    model = ModelRef(id="mini", place="a/mini", digest="d", precision="float16")
    ultra, enhanced = Switches(steps_factor=0.6, largest_batch=16), Switches(volume_decoding="flashvdm")
    request = NeuralRequest(model=model, quality=5, switches=ultra, below=("enhanced", enhanced), allow_degrade=True)
    plan = generation_plan(request, {"front": Source("f", "b")})
    first, second = plan.fallbacks[:2]
    assert (first.change["profile"], first.change["steps"], plan.batch_limit) == ("enhanced", 30, 16)
    assert first.plan.fingerprint == generation_plan(request.stepped_down(), {"front": Source("f", "b")}).fingerprint
    assert second.change["octree_resolution"] < first.change["octree_resolution"] == 256
    assert "gpu_memory" in first.codes
