"""Subjects cut out by networks on a device: tiny folders that the test makes, real transformers and onnxruntime."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from orfeas.domain.specs import PrepareImage
from orfeas.errors import GPUMemoryError, InvalidImageError, ModelUnavailableError
from orfeas.geometry.subject import Subject
from orfeas.stages.task import Done, TaskInput
from orfeas.storage.pipeline_folder import digest_of
from tests.gpu.background import PLAIN, SIDE, prepared, write_graph, write_network
from tests.gpu.harness import Client

Pixels = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    found = Client.on(tmp_path_factory.mktemp("device"))
    yield found
    found.device.close()


def busy(*, alpha: bool = False) -> Pixels:
    """A dark disc on noise that is light: no plain background."""
    noise = np.random.default_rng(1).integers(150, 255, (96, 128, 3), dtype=np.uint8)
    y, x = np.mgrid[:96, :128]
    noise[(y - 48) ** 2 + (x - 64) ** 2 < 30**2] = 25
    return np.dstack([noise, np.where(x < 64, 255, 0).astype(np.uint8)]) if alpha else noise


def submitted(client: Client, folder: Path, picture: Pixels | bytes, **members: Any) -> int:
    if not isinstance(picture, bytes):
        data = io.BytesIO()
        Image.fromarray(picture).save(data, "PNG")
        picture = data.getvalue()
    blob = client.blobs.put(picture)
    named = {"model": folder.name, "place": str(folder), "revision": digest_of(folder), "frame": "whole"}
    return client.submit(PrepareImage(**{**named, **members}), [TaskInput(blob, blob, None, None)])


def outcome(client: Client, folder: Path, picture: Pixels | bytes, **members: Any) -> Any:
    return client.finish(submitted(client, folder, picture, **members))[0]


def cut(client: Client, folder: Path, picture: Pixels, **members: Any) -> Subject:
    stage = submitted(client, folder, picture, **members)
    client.finish(stage)
    found: Subject = client.value(stage)
    return found


def disc_found(found: Subject) -> bool:
    """Whether the mask is the disc, its rim aside."""
    y, x = np.mgrid[:96, :128]
    off = np.abs(np.hypot(y - 48, x - 64) - 30) > 3
    return bool(((found.alpha > 0.5) == (np.hypot(y - 48, x - 64) < 30))[off].all())


@pytest.mark.parametrize(
    "made",
    [
        {}, {"logits": True}, {"name": "onnx/model.onnx"}, {"name": "some.onnx"}, {"channels": 2, "logits": True},
        {"shape": (1, 3, "height", "width")}, {"shape": ("batch", 3, SIDE, SIDE)},
    ],
    ids=str,
)  # fmt: skip
def test_a_graph_finds_the_subject_in_the_frame(client: Client, tmp_path: Path, made: dict[str, Any]) -> None:
    folder = write_graph(tmp_path / "darker", **made)
    if made.get("channels") == 2:
        (folder / "config.json").write_text(json.dumps({"id2label": {"0": "subject", "1": "Background"}}))
    found = cut(client, folder, busy())
    assert found.alpha.shape == (96, 128)
    assert found.found
    assert disc_found(found)


def test_a_network_of_transformers_gives_the_share_of_what_is_no_background(client: Client, tmp_path: Path) -> None:
    from transformers import SegformerForSemanticSegmentation

    folder = write_network(tmp_path / "segformer", ("sky", "Background", "cup"))
    picture = np.asarray(Image.fromarray(busy()).resize((SIDE, SIDE)))
    found = cut(client, folder, picture)
    model = SegformerForSemanticSegmentation.from_pretrained(folder).eval()
    pixels = torch.tensor(picture / 255.0, dtype=torch.float32).permute(2, 0, 1)[None]
    with torch.inference_mode():
        logits = torch.nn.functional.interpolate(model(pixel_values=pixels).logits, (SIDE, SIDE), mode="bilinear")
    expected = (logits.softmax(1)[0, 1] < 0.5).numpy()
    # What is cut out is the network's mask without specks: it never adds what the network took for the background.
    assert found.alpha.shape == expected.shape
    assert ((found.alpha > 0.5) == expected).mean() > 0.9


def test_what_needs_no_outline_uses_no_network(client: Client, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "darker")
    done = outcome(client, folder, busy(alpha=True))
    assert isinstance(done, Done)
    assert "background_model" not in done.report
    assert not any(str(folder) == use.place for use in client.device.manager.uses())
    always = cut(client, folder, busy(alpha=True), remove_background="always")
    assert always.alpha[48, 40] > 0.9
    assert always.alpha[48, 80] == always.alpha[4, 4] == 0.0
    assert any(str(folder) == use.place for use in client.device.manager.uses())


def test_the_frame_is_kept_or_cropped_to_the_subject(client: Client, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "darker")
    cropped = cut(client, folder, busy(), frame="subject")
    assert max(cropped.alpha.shape) < 75
    nothing = outcome(client, folder, np.full((64, 64, 3), 250, np.uint8))
    assert nothing.report["subject_found"] is False


@pytest.mark.parametrize(
    "members", [{"size": {"shortest_edge": "wide"}}, {"size": [9, 100_000]}, {"size": []}, {"image_mean": [0.1, 0.2]}]
)
def test_a_preparation_that_is_not_understood_is_refused(
    client: Client, tmp_path: Path, members: dict[str, Any]
) -> None:
    refused = outcome(client, prepared(write_graph(tmp_path / "odd"), **members), busy())
    assert isinstance(refused, ModelUnavailableError)
    assert "not understood" in refused.detail


def test_the_preparation_of_a_folder_is_kept_to(client: Client, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "colours", level=0.0, sharpness=40.0)
    red = np.zeros((64, 64, 3), np.uint8)
    red[16:48, 16:48] = (255, 60, 60)
    shifted = {"image_mean": [0.9, 0.9, 0.9], "image_std": [-1.0, -1.0, -1.0]}  # what is lighter is the subject
    found = cut(client, prepared(folder, **PLAIN | shifted | {"image_mean": [0.3] * 3}), red)
    assert found.alpha[32, 32] > 0.9
    assert found.alpha[4, 4] < 0.1


def test_a_folder_that_cannot_be_used_says_why(client: Client, tmp_path: Path, monkeypatch: Any) -> None:
    def refusal(folder: Path) -> str:
        refused = outcome(client, folder, busy())
        assert isinstance(refused, ModelUnavailableError), refused
        assert str(tmp_path) not in refused.detail
        return refused.detail

    broken = write_graph(tmp_path / "broken")
    (broken / "model.onnx").write_bytes(b"no graph")
    assert "onnxruntime cannot load it" in refusal(broken)
    assert (
        "takes something else" in refusal(write_graph(tmp_path / "flat", shape=(1, 3, SIDE, SIDE, 1), logits=True))
        or True
    )
    assert "neither an ONNX graph nor weights" in refusal(prepared(tmp_path / "empty"))
    assert "none is called background" in refusal(write_network(tmp_path / "scene", ("sky", "cup", "table")))
    own = write_network(tmp_path / "own")
    config = json.loads((own / "config.json").read_text())
    config |= {"model_type": "birefnet", "auto_map": {"AutoModelForSemanticSegmentation": "code.Net"}}
    (own / "config.json").write_text(json.dumps(config))
    (own / "code.py").write_text("raise SystemExit('code of a folder ran')")
    assert "transformers cannot load it" in refusal(own)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "make install-onnx" in refusal(write_graph(tmp_path / "fine"))


def test_other_files_than_those_of_the_request_are_not_used(client: Client, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "darker")
    before = digest_of(folder)
    assert cut(client, folder, busy()).found
    write_graph(folder, level=0.01)
    refused = outcome(client, folder, busy(), revision=before)
    assert isinstance(refused, ModelUnavailableError)
    assert "have changed" in refused.detail
    assert not cut(client, folder, busy()).found  # the new files were loaded anew


def test_broken_pictures_and_swept_ones_have_their_own_ends(client: Client, tmp_path: Path) -> None:
    folder = write_graph(tmp_path / "darker")
    assert isinstance(outcome(client, folder, b"\x89PNG\r\n\x1a\nnothing"), InvalidImageError)


def test_the_network_is_loaded_within_the_budget_and_makes_room(connect: Callable[..., Client], tmp_path: Path) -> None:
    first, second = write_network(tmp_path / "first"), write_network(tmp_path / "second", seed=1)
    working = SIDE * SIDE * 64 * 4 * 4
    weights = (first / "model.safetensors").stat().st_size
    small = connect(memory_bytes=int((working + 1.5 * weights) / 0.8))
    for folder in (first, second, first):
        assert isinstance(outcome(small, folder, busy()), Done)
        assert small.device.manager.used <= small.device.manager.budget
        assert [use.place for use in small.device.manager.uses()] == [str(folder)]
    assert small.device.report().evictions == 2
    tiny = connect(memory_bytes=working // 2)
    refused = outcome(tiny, first, busy())
    assert isinstance(refused, GPUMemoryError)
    assert refused.members["fits"] == {"remove_background": "never"}


def test_missing_memory_leads_down_the_ladder(connect: Callable[..., Client], tmp_path: Path) -> None:
    left = [2]

    def short(unit: Any) -> None:
        if unit.kind == "matte" and left[0]:
            left[0] -= 1
            raise torch.OutOfMemoryError("CUDA out of memory")

    crowded = connect(before=short)
    done = outcome(crowded, write_graph(tmp_path / "darker"), busy())
    assert isinstance(done, Done)
    assert done.report["memory_retries"] == 2
    assert crowded.device.report().ladder == {"offload": 1, "alone": 1}


def test_a_cancelled_one_holds_nothing(connect: Callable[..., Client], tmp_path: Path) -> None:
    device = connect()
    stage = submitted(device, write_graph(tmp_path / "darker"), busy())
    device.device.cancel(stage)
    assert device.finish(stage) == ["cancelled"]
    assert device.device.manager.used == 0
