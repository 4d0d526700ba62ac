"""What figures suggest, and what a profile means on each kind of device."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from orfeas.config import Config
from orfeas.jobs.devices import DeviceFacts
from orfeas.services.performance import tuning
from orfeas.services.performance.advice import Observed, advice, bottlenecks
from orfeas.services.performance.timings import Recent, StageTimes
from orfeas.services.performance.tuning import Wish, compiler_missing, tuning_of

GPU = DeviceFacts("cuda:0", "a GPU", 10**10)
DEVICE = {"device": "cuda:0", "loads": 4, "evictions": 3, "oom_retries": 2, "memory_used": 95, "memory_budget": 100}


def stage(seconds: float) -> StageTimes:
    return StageTimes(seconds, seconds, seconds, 1, seconds)


@pytest.mark.parametrize("name, setting", [("shape.sample", "steps"), ("shape.decode", "octree_resolution")])
def test_every_figure_that_is_out_of_bounds_is_named_with_its_setting(name: str, setting: str) -> None:
    recent = Recent((1.0,), 10.0, {name: stage(7.0), "mesh.clean": stage(2.5), "mesh.scale": stage(0.5)})
    assert [(found["stage"], found["severity"]) for found in bottlenecks(recent)] == [
        (name, "critical"), ("mesh.clean", "medium"),
    ]  # fmt: skip
    seen = Observed(recent=recent, hits=2, misses=98, queued=9, cpu_workers=2, devices=(DEVICE,))
    found = {entry.code: entry.setting for entry in advice(seen)}
    assert found == {
        "bottleneck": setting, "cache_misses": "ORFEAS_CACHE_MAX_MB", "long_queue": "ORFEAS_CPU_WORKERS",
        "weights_reloaded": "ORFEAS_MODEL_IDLE_S", "memory_short": "ORFEAS_GPU_BATCH_MAX",
        "memory_full": "ORFEAS_GPU_MEMORY_SHARE",
    }  # fmt: skip


def test_figures_within_bounds_give_no_advice() -> None:
    quiet = {**DEVICE, "evictions": 0, "oom_retries": 0, "memory_used": 10}
    recent = Recent((1.0, 1.5), 2.0, {"mesh.clean": stage(0.5), "mesh.scale": stage(0.5)})
    assert advice(Observed(recent=recent, hits=60, misses=40, queued=1, cpu_workers=2, devices=(quiet,))) == []


def test_what_compiling_needs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {"triton": None}
    monkeypatch.setattr(tuning, "find_spec", found.get)
    assert "triton" in str(compiler_missing(GPU))
    found["triton"] = object()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "C compiler" in str(compiler_missing(GPU))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert compiler_missing(GPU) is None


def test_a_device_that_compiles_gets_every_switch_within_the_limits_of_the_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tuning, "compiler_missing", lambda device: None)
    config = Config(data_dir=tmp_path, gpu_batch_max=12, cache=False)
    made = tuning_of(Wish("ultra", steps_down=True), config, GPU, "", turbo=None).document()
    assert (made["compiled_denoiser"], made["precision"], made["largest_batch"]) == (True, "float16", 12)
    assert [entry["setting"] for entry in made["unavailable"]] == ["largest_batch", "result_cache"]
