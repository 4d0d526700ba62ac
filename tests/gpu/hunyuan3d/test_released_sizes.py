"""The modules have exactly the tensors of the published files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from benchmarks import checkpoints  # noqa: E402
from benchmarks.variants import VARIANTS  # noqa: E402
from orfeas.gpu.hunyuan3d import checkpoint  # noqa: E402


@pytest.mark.parametrize("name, size", [("mini", 3_819_958_234), ("mini-vae", 428_455_666), ("2.0-vae", 428_455_666)])
def test_a_file_has_the_published_length_to_the_byte(name: str, size: int) -> None:
    assert checkpoints.safetensors_size(name) == size


@pytest.mark.parametrize("name, size, tensors", [("2.1", 7_366_389_768, 1601), ("2.1-vae", 655_648_152, 410)])
def test_an_archive_has_the_published_length_but_for_its_directory(name: str, size: int, tensors: int) -> None:
    assert sum(map(len, checkpoints.shapes(name).values())) == tensors
    overhead = size - 2 * sum(checkpoints.parameters(name).values())
    # A record of a zip file has two headers with its name, and is aligned to 64 bytes.
    assert 250 < overhead / tensors < 550


@pytest.mark.parametrize(
    "name, millions",
    [
        ("2.0", {"model": 1113.27, "vae": 214.21, "conditioner": 1136.48}),
        ("2.0-fast", {"model": 1114.59, "vae": 214.21, "conditioner": 1136.48}),
        ("mini", {"model": 559.20, "vae": 214.21, "conditioner": 1136.48}),
        ("mini-turbo", {"model": 560.51, "vae": 214.21, "conditioner": 1136.48}),
        ("mv", {"model": 1113.27, "vae": 214.21, "conditioner": 1136.48}),
        ("2.1", {"model": 3050.76, "vae": 327.75, "conditioner": 304.37}),
        ("2.0-vae-turbo", {"": 203.69}),
    ],
)
def test_parts_have_the_published_numbers_of_parameters(name: str, millions: dict[str, float]) -> None:
    counts = {part: count / 1e6 for part, count in checkpoints.parameters(name).items()}
    assert counts == pytest.approx(millions, abs=0.006)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_published_configuration_is_read(name: str) -> None:
    assert checkpoints.parameters(name)


@pytest.mark.parametrize("name", ["tiny", "tiny-2.1"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_written_checkpoints_load(name: str, dtype: Any, tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path, name, seed=3, dtype=dtype)
    assert checkpoint.find(tmp_path, *checkpoints.place(name)) == folder
    for part, module in checkpoints.modules(name).items():
        checkpoint.load_part(folder, part, module, device="cpu", dtype=torch.float32)
        assert all(value.isfinite().all() for value in module.parameters())
        assert any(0.015 < value.std() < 0.025 for value in module.parameters() if value.numel() > 500)


def test_a_written_file_has_the_computed_length_and_is_written_once(tmp_path: Path) -> None:
    folder = checkpoints.write(tmp_path, "tiny")
    file = folder / "model.fp16.safetensors"
    assert file.stat().st_size == checkpoints.safetensors_size("tiny")
    before = (file.stat().st_mtime_ns, file.read_bytes())
    checkpoints.write(tmp_path, "tiny")
    assert file.stat().st_mtime_ns == before[0]
    checkpoints.write(tmp_path, "tiny", seed=1)
    assert file.read_bytes() != before[1]
    checkpoints.write(tmp_path, "tiny", seed=0)
    assert file.read_bytes() == before[1]
