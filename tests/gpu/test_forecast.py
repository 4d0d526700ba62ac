"""Forecasts: counted first, corrected by measurements, kept for the next process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.gpu.forecast import MARGIN, Counts, Forecast  # noqa: E402
from tests.gpu.harness import Client, Request, pipe_of  # noqa: E402

MB = 1 << 20
WHAT = ("shape.sample", "tiny float32")


def test_a_count_is_taken_as_it_is_until_something_was_measured() -> None:
    forecast = Forecast()
    assert forecast.bytes_for(*WHAT, 100 * MB) == 100 * MB
    assert forecast.seconds_for(*WHAT, 10) is None


def test_more_than_counted_is_believed_at_once_and_less_only_slowly() -> None:
    forecast = Forecast()
    forecast.learn_bytes(*WHAT, 100 * MB, 200 * MB)
    assert forecast.bytes_for(*WHAT, 100 * MB) == int(200 * MB * MARGIN)
    forecast.learn_bytes(*WHAT, 100 * MB, 100 * MB)
    assert forecast.bytes_for(*WHAT, 100 * MB) == pytest.approx(190 * MB * MARGIN, rel=1e-6)
    for _ in range(200):
        forecast.learn_bytes(*WHAT, 100 * MB, 100 * MB)
    assert forecast.bytes_for(*WHAT, 100 * MB) == pytest.approx(100 * MB * MARGIN, rel=1e-3)


def test_what_is_too_small_or_was_not_measured_says_nothing() -> None:
    forecast = Forecast()
    forecast.learn_bytes(*WHAT, 1000, 9000)
    forecast.learn_bytes(*WHAT, 100 * MB, None)
    assert forecast.bytes_for(*WHAT, 1000) == 1000


def test_times_settle_near_the_latest() -> None:
    forecast = Forecast()
    forecast.learn_seconds(*WHAT, 4, 8.0)
    assert forecast.seconds_for(*WHAT, 10) == 20.0
    for _ in range(40):
        forecast.learn_seconds(*WHAT, 2, 2.0)
    assert forecast.seconds_for(*WHAT, 10) == pytest.approx(10.0, rel=0.01)


def test_measurements_outlive_the_process_and_belong_to_a_device(tmp_path: Path) -> None:
    path = tmp_path / "new" / "forecast.json"
    forecast = Forecast(path, device="A")
    forecast.learn_bytes(*WHAT, 100 * MB, 300 * MB)
    forecast.learn_seconds(*WHAT, 1, 0.5)
    forecast.save()
    again = Forecast(path, device="A")
    assert again.bytes_for(*WHAT, 100 * MB) == forecast.bytes_for(*WHAT, 100 * MB)
    assert again.seconds_for(*WHAT, 2) == 1.0
    assert Forecast(path, device="B").seconds_for(*WHAT, 2) is None
    assert [entry.name for entry in path.parent.iterdir()] == ["forecast.json"]


@pytest.mark.parametrize("text", ["", "[1]", '{"a": {"unknown": 1}}', '{"a": 3}'])
def test_a_damaged_file_is_measured_anew(tmp_path: Path, text: str) -> None:
    path = tmp_path / "forecast.json"
    path.write_text(text, encoding="utf-8")
    forecast = Forecast(path)
    assert forecast.bytes_for(*WHAT, 100) == 100
    forecast.learn_seconds(*WHAT, 1, 1.0)
    forecast.save()
    assert json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("variant", ["base", "v21"])
def test_counts_grow_with_what_they_count(variant: str) -> None:
    counts = Counts(pipe_of(variant).settings, 2)
    double = Counts(pipe_of(variant).settings, 4)
    assert 0 < counts.sample(17, 4).total < counts.sample(34, 4).total < double.sample(34, 4).total
    assert counts.sample(17, 4).held <= counts.sample(17, 50).held
    assert counts.encode(1).total * 3 == counts.encode(3).total
    assert counts.volume(64, 1000).total < counts.volume(128, 1000).total < counts.volume(128, 2000).total


def test_the_released_sizes_are_counted_near_what_their_tensors_need() -> None:
    """2.0 in half precision: a volume of 256 cells needs its values, and an item far less than the weights."""
    from dataclasses import replace

    tiny = pipe_of("base").settings
    released = replace(
        tiny,
        denoiser=replace(
            tiny.denoiser, hidden_size=1024, num_heads=16, depth=16, depth_single_blocks=32, context_in_dim=1536
        ),
        vae=replace(tiny.vae, num_latents=3072, width=1024, heads=16),
    )
    counts = Counts(released, 2)
    assert 50 * MB < counts.sample(1370, 50).total < 600 * MB
    assert 257**3 * 4 < counts.volume(256, 8000).held < 257**3 * 12


def test_a_device_learns_times_and_keeps_them(tmp_path: Path, connect: type[Client]) -> None:
    path = tmp_path / "forecast.json"
    first = connect(forecast_file=path)  # type: ignore[call-arg]
    first.finish(first.sample(Request()))
    first.device.close()
    assert any("shape.sample" in key for key in json.loads(path.read_text(encoding="utf-8")))
    second = connect(forecast_file=path)  # type: ignore[call-arg]
    second.sample(Request(steps=40))
    second.step()
    assert second.device.report().active[0].needed_s
