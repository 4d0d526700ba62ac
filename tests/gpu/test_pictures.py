"""Pictures of texts on a device, with a pipeline of a few kB that the test makes."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from orfeas.domain.specs import GenerateImage
from orfeas.errors import GPUMemoryError, ModelUnavailableError
from orfeas.gpu.jobs import Unit
from orfeas.stages.device import Ended, Progress
from orfeas.stages.task import Done
from tests.gpu.harness import Client
from tests.gpu.text_to_image import write

pytestmark = pytest.mark.filterwarnings("default")  # the libraries deprecate things of each other


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    found = Client.on(tmp_path_factory.mktemp("device"))
    yield found
    found.device.close()


def spec(folder: Path, **members: Any) -> GenerateImage:
    small = {"width": 64, "height": 64, "num_inference_steps": 2, "prompt": "a red cube"}
    return GenerateImage(model="tiny", place=str(folder), **{**small, **members})


def outcome(client: Client, asked: GenerateImage) -> tuple[Any, list[Progress]]:
    """How a stage ended, and what was told on the way."""
    stage, told, deadline = client.submit(asked), [], time.monotonic() + 30
    while time.monotonic() < deadline:
        for event in client.device.step():
            if isinstance(event, Ended) and event.stage_id == stage:
                return event.outcome, told
            if isinstance(event, Progress) and event.stage_id == stage:
                told.append(event)
    raise AssertionError("it did not end")


def pixels(client: Client, asked: GenerateImage) -> np.ndarray[Any, Any]:
    done, _ = outcome(client, asked)
    assert isinstance(done, Done), done
    assert done.blob
    return np.asarray(Image.open(io.BytesIO(client.blobs.read(done.blob))))


def test_a_seed_gives_the_same_picture_again_and_another_one_another(client: Client, folder: Path) -> None:
    first = pixels(client, spec(folder, seed=3, width=72))
    assert first.shape == (64, 72, 3)
    assert first.std() > 1
    assert np.array_equal(first, pixels(client, spec(folder, seed=3, width=72)))
    assert not np.array_equal(first, pixels(client, spec(folder, seed=4, width=72)))


@pytest.mark.parametrize(
    "change",
    [{"prompt": "a blue ball"}, {"negative_prompt": "blurred"}, {"guidance_scale": 2.0}, {"num_inference_steps": 3}],
)
def test_every_parameter_counts(client: Client, folder: Path, change: dict[str, Any]) -> None:
    assert not np.array_equal(pixels(client, spec(folder)), pixels(client, spec(folder, **change)))


def test_progress_is_told_for_each_step(client: Client, folder: Path) -> None:
    done, told = outcome(client, spec(folder, num_inference_steps=5))
    assert isinstance(done, Done)
    assert [round(each.fraction * 6) for each in told] == [1, 2, 3, 4, 5]
    assert (done.report["width"], done.report["warnings"]) == (64, [])


def test_a_cancelled_picture_stops_within_a_step_and_holds_nothing(client: Client, folder: Path) -> None:
    stage = client.submit(spec(folder, num_inference_steps=100))
    told = 0
    while told < 3:
        told += sum(isinstance(event, Progress) for event in client.device.step())
    client.device.cancel(stage)
    ended = [event for event in client.device.step() if isinstance(event, Ended)]
    assert [(event.stage_id, event.outcome) for event in ended] == [(stage, "cancelled")]
    weights = sum(use.size_bytes for use in client.device.manager.uses())
    assert client.device.manager.used == weights
    assert isinstance(outcome(client, spec(folder))[0], Done)


def test_a_folder_that_cannot_be_used_is_refused_with_a_reason(client: Client, folder: Path, tmp_path: Path) -> None:
    nothing, _ = outcome(client, spec(tmp_path))
    assert isinstance(nothing, ModelUnavailableError)
    assert "model_index.json" in nothing.detail
    pickled = tmp_path / "pickled"
    for path in folder.rglob("*"):
        target = pickled / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            target.with_suffix(".bin" if path.suffix == ".safetensors" else path.suffix).write_bytes(path.read_bytes())
    refused, _ = outcome(client, spec(pickled))
    assert isinstance(refused, ModelUnavailableError)
    assert "safetensors" in refused.detail


def test_a_picture_too_large_for_the_memory_fails_with_what_fits(folder: Path, tmp_path: Path) -> None:
    small = Client.on(tmp_path, memory_bytes=64 << 20)
    refused, _ = outcome(small, spec(folder, width=1024, height=1024))
    small.device.close()
    assert isinstance(refused, GPUMemoryError)
    assert refused.members["fits"] == {"width": 512, "height": 512}


def test_missing_memory_at_a_step_leads_down_the_ladder_and_the_picture_stays_the_same(
    client: Client, folder: Path, tmp_path: Path
) -> None:
    left = [3]

    def short(unit: Unit) -> None:
        if unit.kind == "step" and left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    crowded = Client.on(tmp_path, before=short)
    found = pixels(crowded, spec(folder, seed=3))
    assert crowded.device.report().ladder == {"chunk": 1, "offload": 1, "alone": 1}
    assert np.abs(found.astype(int) - pixels(client, spec(folder, seed=3))).max() <= 1
    crowded.device.close()


def test_a_picture_that_never_fits_ends_whatever_its_steps_could_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import AutoencoderKL

    tried = []

    def short(*_: Any, **__: Any) -> None:
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(AutoencoderKL, "decode", short)
    small = Client.on(tmp_path)
    refused, _ = outcome(small, spec(folder, width=512, height=512))
    assert isinstance(refused, GPUMemoryError)
    assert refused.members["fits"] == {"width": 256, "height": 256}
    assert len(tried) == 4
    assert small.device.idle
    small.device.close()
