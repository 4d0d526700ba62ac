"""Models over HTTP: a server with a device of its own, requests to it, and what the pipeline makes of them alone."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import psutil
import torch

from orfeas.gpu.hunyuan3d import Hunyuan3DPipeline
from orfeas.gpu.values import Latents
from orfeas.stages.values import decode
from orfeas.storage.blobs import FolderStorage
from tests.gpu.hunyuan3d.golden import INPUTS, MODELS
from tests.serving import Server

FINAL = ("succeeded", "failed", "cancelled")
PLACES = {
    "hunyuan3d-dit-v2-tiny": ("tencent/Hunyuan3D-2tiny", "hunyuan3d-dit-v2-tiny"),
    "hunyuan3d-dit-v2-tiny-turbo": ("tencent/Hunyuan3D-2tiny", "hunyuan3d-dit-v2-tiny-turbo"),
    "hunyuan3d-dit-v2-tiny-mv": ("tencent/Hunyuan3D-2tiny", "hunyuan3d-dit-v2-tiny-mv"),
    "v21": ("tencent/Hunyuan3D-2.1tiny", "hunyuan3d-dit-v2-1"),
}
PICTURES = "pictures"
"""A folder beside the server's models, where a text-to-image pipeline may be written."""
SMALL = {"octree_resolution": 32, "formats": ["glb"], "preview": False}


def serve(folder: Path, **settings: Any) -> Server:
    """A server whose models run on the processor, with the tiny checkpoints."""
    models = folder / "models"
    shutil.copytree(MODELS, models)
    options = {"cpu_workers": 1, "disk_reserve_mb": 0, "device": "cpu", "model_dir": models, **settings}
    return Server(folder / "data", **options)


@dataclass(frozen=True)
class Client:
    """Requests to a server."""

    server: Server

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return httpx.request(method, f"{self.server.url}{path}", timeout=60.0, **options)

    def generate(self, picture: int | Mapping[str, int] = 0, **members: Any) -> httpx.Response:
        """Post a generation of an input, or of several by view."""
        views = {"photo": picture} if isinstance(picture, int) else dict(picture)
        sources = {view: {"upload": view} for view in views}
        images = {"image": sources["photo"]} if isinstance(picture, int) else {"images": sources}
        files: dict[str, Any] = {
            view: (f"{view}.png", (INPUTS / f"input_{number}.png").read_bytes(), "image/png")
            for view, number in views.items()
        }
        files["request"] = (None, json.dumps({**SMALL, **images, **members}), "application/json")
        return self.ask("POST", "/api/v1/generations", files=files)

    def job(self, job: Any) -> dict[str, Any]:
        """A job as it is now."""
        return dict(self.ask("GET", f"/api/v1/jobs/{job['id']}").json())

    def ended(self, answer: httpx.Response, state: str = "succeeded", timeout_s: float = 120.0) -> dict[str, Any]:
        """The job of an answer when it is final."""
        assert answer.status_code in (200, 202), answer.text
        job = self.until(answer.json(), lambda job: job["state"] in FINAL, timeout_s)
        assert job["state"] == state, job["error"]
        return job

    def until(
        self, job: dict[str, Any], holds: Callable[[dict[str, Any]], bool], timeout_s: float = 120.0
    ) -> dict[str, Any]:
        """The job when something is true of it."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            shown = self.job(job)
            if holds(shown):
                return shown
            time.sleep(0.03)
        raise AssertionError(f"not after {timeout_s} s: {shown}\n{self.server.log()}")

    def loaded(self, model: str, timeout_s: float = 30.0) -> bool:
        """Whether the device reports a model among its weights, which it does after the fact."""
        limit = time.monotonic() + timeout_s
        while time.monotonic() < limit:
            if model in {use["id"] for use in self.ask("GET", "/api/v1/models/cache-status").json()["loaded"]}:
                return True
            time.sleep(0.1)
        return False

    def made(self, job: dict[str, Any], stage: str) -> Any:
        """What a stage of a job has stored."""
        return decode(FolderStorage(self.server.data_dir).read(self._operation(job, stage)["output_sha256"]))

    def fingerprint(self, job: dict[str, Any], stage: str) -> str:
        """The fingerprint of a stage of a job."""
        return str(self._operation(job, stage)["fingerprint"])

    def _operation(self, job: dict[str, Any], stage: str) -> dict[str, Any]:
        operations = self.ask("GET", f"/api/v1/jobs/{job['id']}/manifest").json()["operations"]
        return dict(next(done for done in operations if done["stage"] == stage))

    def latents(self, job: dict[str, Any]) -> torch.Tensor:
        """The latents of a finished job."""
        found: Latents = self.made(job, "shape.sample")
        return torch.tensor(found.latents)

    def devices(self) -> list[psutil.Process]:
        """The processes that own a device."""
        return self.server.processes("_gpu_child")


@cache
def pipe_of(model: str) -> Hunyuan3DPipeline:
    """The pipeline itself."""
    return Hunyuan3DPipeline.from_pretrained(MODELS, *PLACES[model])


def alone(
    model: str, picture: int | tuple[tuple[str, int], ...], steps: int, seed: int = 0, guidance: float = 5.0
) -> torch.Tensor:
    """The latents that the pipeline makes of a request."""
    pipe = pipe_of(model)
    given: Any = (
        INPUTS / f"input_{picture}.png"
        if isinstance(picture, int)
        else {view: INPUTS / f"input_{number}.png" for view, number in picture}
    )
    tokens = pipe.encode(pipe.preprocess(given))
    return pipe.sample(tokens, num_inference_steps=steps, guidance_scale=guidance, seeds=[seed])[0]
