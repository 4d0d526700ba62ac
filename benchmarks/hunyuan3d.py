"""Shape generation, stage by stage, and what each saving is worth against the plain algorithm.

Weights are random and of the published sizes. Volumes are decoded at the network's full cost with its answers
replaced by an analytic field. The middle size takes four minutes on two cores, `--size mini` twenty.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from scipy.spatial import cKDTree
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks import checkpoints
from benchmarks.fields import Field, detailed, logits, torus
from benchmarks.report import RESULTS, Goal, Ratio, document, machine, write
from orfeas.gpu.hunyuan3d import Hunyuan3DPipeline, Savings
from orfeas.gpu.hunyuan3d.conditioner import ImageEncoder
from orfeas.gpu.hunyuan3d.config import read_pipeline
from orfeas.gpu.hunyuan3d.dit import Hunyuan3DDiT
from orfeas.gpu.hunyuan3d.experts import MixtureOfExperts
from orfeas.gpu.hunyuan3d.grid import Grid
from orfeas.gpu.hunyuan3d.settings import DiTSettings
from orfeas.gpu.hunyuan3d.vae import ShapeVAE
from orfeas.gpu.hunyuan3d.volume import Method

DENSE_POINTS = 500_000
"""Points that are evaluated to measure the dense cost, which is linear in their number."""
OCTREES = (128, 256)
PLAIN_CHUNK = 8000
"""Points for one evaluation in the published program."""
PUBLISHED = torch.float16
"""The type of the released files, in which the published program loads them."""
TOUCH = 1024
"""Every so many half-precision numbers one is read, so that each page of the file is in memory."""
METHODS: tuple[Method, ...] = ("hierarchical", "flashvdm")
LIMITS = {
    ("mini", "guided_evaluation"): 1.55,
    ("2.0", "guided_evaluation"): 1.22,
    ("mini", "load"): 5.0,
    ("middle-turbo", "turbo_sampling"): 0.97,  # no slower, to the noise of a pair
    ("mini", "volume_128"): 5.0,
    ("mini", "volume_256"): 15.0,
    ("middle", "volume_128"): 5.0,
    ("middle", "volume_256"): 15.0,
}


@dataclass
class Table:
    """What a run found: seconds and megabytes of stages, and ratios of pairs."""

    figures: dict[str, Goal] = field(default_factory=dict)
    ratios: dict[str, Ratio] = field(default_factory=dict)

    def seconds(self, name: str, value: float) -> None:
        self.figures[name] = Goal(value, "s")
        print(f"  {name:<52} {value:9.3f} s", flush=True)

    def faster(self, size: str, name: str, plain: float, ours: float) -> None:
        """Note how many times faster `ours` is."""
        self.ratios[f"{size}_{name}_speedup"] = Ratio(plain / ours, "higher")
        limit = LIMITS.get((size, name))
        if limit is not None:
            self.figures[f"{size}_{name}_speedup"] = Goal(plain / ours, "times", limit, at_least=True)
        print(f"  {size} {name:<46} {plain / ours:9.3f} times faster", flush=True)


class Meter:
    """Seconds and peak memory of a piece of work."""

    def __init__(self, device: torch.device, table: Table, prefix: str) -> None:
        self._cuda = device.type == "cuda"
        self._table = table
        self._prefix = prefix

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage once, with its peak memory."""
        self._forget_peak()
        started = self._now()
        yield
        self._table.seconds(f"{self._prefix}_{name}", self._now() - started)
        self._table.figures[f"{self._prefix}_{name}_peak"] = Goal(self._peak() / 1e6, "MB")

    def pair(self, ours: Callable[[], Any], plain: Callable[[], Any], rounds: int) -> tuple[float, float]:
        """Median seconds of two pieces of work that take turns."""
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for work, taken in zip((ours, plain), times, strict=True):
                started = self._now()
                work()
                taken.append(self._now() - started)
        return statistics.median(times[0]), statistics.median(times[1])

    def _now(self) -> float:
        if self._cuda:
            torch.cuda.synchronize()
        return time.perf_counter()

    def _forget_peak(self) -> None:
        gc.collect()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()
        elif sys.platform == "linux":
            Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")

    def _peak(self) -> float:
        if self._cuda:
            return float(torch.cuda.max_memory_allocated())
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return 1024.0 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def without(pipe: Hunyuan3DPipeline, *savings: str) -> Hunyuan3DPipeline:
    """The same weights with these savings off."""
    return replace(pipe, savings=replace(pipe.savings, **dict.fromkeys(savings, False)))


def picture() -> Image.Image:
    """A disc on a transparent ground."""
    rows, columns = np.mgrid[:512, :512]
    disc = np.hypot(rows - 256, columns - 256) < 200
    pixels = np.stack([rows // 2, columns // 2, 255 - rows // 2, 255 * disc], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8), "RGBA")


def plain_load(folder: Path, dtype: torch.dtype) -> list[torch.nn.Module]:
    """Loading as it is commonly done: random initialisation, the whole file in memory, copies, conversion."""
    settings = read_pipeline(folder)
    assert isinstance(settings.denoiser, DiTSettings)
    parts: dict[str, torch.nn.Module] = {
        "model": Hunyuan3DDiT(settings.denoiser),
        "vae": ShapeVAE(settings.vae),
        "conditioner": ImageEncoder(settings.encoder),
    }
    from safetensors.torch import load_file

    state = load_file(folder / "model.fp16.safetensors")
    for name, module in parts.items():
        module.load_state_dict(
            {key.partition(".")[2]: value for key, value in state.items() if key.startswith(f"{name}.")}
        )
    return [module.to(dtype) for module in parts.values()]


class Size:
    """Everything that is measured for one published size."""

    def __init__(self, name: str, root: Path, device: str, dtype: torch.dtype, table: Table, rounds: int) -> None:
        self.name = name
        self.device = torch.device(device)
        self.dtype = dtype
        self.table = table
        self.rounds = rounds
        self.meter = Meter(self.device, table, name)
        self.root = root
        self.repo, self.subfolder = checkpoints.place(name)
        self.folder = checkpoints.write(root, name, seed=0)
        self.pipe = self._load()

    def _load(self) -> Hunyuan3DPipeline:
        return Hunyuan3DPipeline.from_pretrained(
            self.root, self.repo, self.subfolder, device=self.device, dtype=self.dtype
        )

    def load(self) -> None:
        """Loading in the type of the file, all of it touched, against loading as it is commonly done."""
        self.pipe = None  # type: ignore[assignment]  # its memory is not the loading's
        with self.meter.stage("load"):
            self.pipe = self._load()
        ours, plain = self.meter.pair(self._load_published, lambda: plain_load(self.folder, PUBLISHED), 2)
        self.table.seconds(f"{self.name}_load_float16_touched", ours)
        self.table.seconds(f"{self.name}_load_float16_plain", plain)
        self.table.faster(self.name, "load", plain, ours)

    def _load_published(self) -> None:
        pipe = Hunyuan3DPipeline.from_pretrained(
            self.root, self.repo, self.subfolder, device=self.device, dtype=PUBLISHED
        )
        for part in (pipe.encoder, pipe.denoiser, pipe.vae):
            with part.use() as module:
                for weights in module.parameters():
                    weights.view(-1)[::TOUCH].sum()

    def condition(self) -> torch.Tensor:
        """Preprocessing and the image encoder."""
        with self.meter.stage("preprocess"):
            preprocessed = self.pipe.preprocess(picture())
        with self.meter.stage("encode"):
            return self.pipe.encode(preprocessed)

    def sampling(self, condition: torch.Tensor) -> None:
        """A guided evaluation: everything on, everything off, and each saving off in turn."""
        ours = self._step(self.pipe, condition)
        with self.meter.stage("guided_evaluation"):
            ours()
        nothing = replace(self.pipe, savings=replace(Savings.none(), skip_zero_steps=True))
        fast, slow = self.meter.pair(ours, self._step(nothing, condition), self.rounds)
        self.table.seconds(f"{self.name}_guided_evaluation_plain", slow)
        self.table.faster(self.name, "guided_evaluation", slow, fast)
        if self.name == "2.0":  # minutes for each; the others tell what each saving is worth
            return
        for saving in ("compress_unconditional", "prepare_condition", "prepare_times"):
            fast, slow = self.meter.pair(ours, self._step(without(self.pipe, saving), condition), self.rounds)
            self.table.faster(self.name, saving, slow, fast)
        self._fused_attention(ours)
        self._unit_guidance(condition)

    def _step(self, pipe: Hunyuan3DPipeline, condition: torch.Tensor, scale: float = 5.0) -> Callable[[], Any]:
        """One guided evaluation with all that a loop computes around it: two steps, of which one has width zero."""
        return lambda: pipe.sample(condition, num_inference_steps=2, guidance_scale=scale)

    def _fused_attention(self, ours: Callable[[], Any]) -> None:
        def plain() -> None:
            with sdpa_kernel(SDPBackend.MATH):
                ours()

        fast, slow = self.meter.pair(ours, plain, self.rounds)
        self.table.faster(self.name, "fused_attention", slow, fast)

    def _unit_guidance(self, condition: torch.Tensor) -> None:
        ours = self._step(self.pipe, condition, 1.0)
        plain = self._step(without(self.pipe, "skip_unit_guidance"), condition, 1.0)
        fast, slow = self.meter.pair(ours, plain, self.rounds)
        self.table.faster(self.name, "skip_unit_guidance", slow, fast)

    def loops(self, condition: torch.Tensor) -> None:
        """Whole loops of five steps, with and without the evaluation of the step of width zero."""

        def loop(pipe: Hunyuan3DPipeline) -> Callable[[], Any]:
            return lambda: pipe.sample(condition, num_inference_steps=5, guidance_scale=5.0)

        turbo = self.pipe.settings.scheduler.pcm_timesteps is not None
        plain = replace(self.pipe, savings=Savings.none()) if turbo else without(self.pipe, "skip_zero_steps")
        fast, slow = self.meter.pair(loop(self.pipe), loop(plain), self.rounds)
        self.table.faster(self.name, "turbo_sampling" if turbo else "skip_zero_steps", slow, fast)

    def decoding(self, latents: torch.Tensor) -> None:
        """Tokens, points and volumes."""
        with self.meter.stage("decode_latents"):
            tokens = self.pipe.decode_latents(latents)
        plain = replace(self.pipe, savings=Savings.none())
        started = time.perf_counter()
        per_point = self._dense_cost(plain, tokens)
        self.table.seconds(f"{self.name}_dense_{DENSE_POINTS}_points", time.perf_counter() - started)
        for octree in OCTREES:
            dense = per_point * (octree + 1) ** 3
            self.table.seconds(f"{self.name}_volume_{octree}_dense_scaled", dense)
            for field_name, shape in (("torus", torus), ("detailed", detailed)):
                self._volume(tokens, octree, field_name, shape, dense)

    def decoding_savings(self, latents: torch.Tensor) -> None:
        """Each saving of the volume off in turn."""
        tokens = self.pipe.decode_latents(latents)
        for saving in ("prepare_keys", "axis_tables", "narrow_band"):
            self._volume_without(tokens, saving, "hierarchical")
        self._volume_without(tokens, "batch_cells", "flashvdm")

    def _dense_cost(self, pipe: Hunyuan3DPipeline, tokens: torch.Tensor) -> float:
        """Seconds for each point of a dense volume by the plain algorithm."""
        octree = round(DENSE_POINTS ** (1 / 3)) - 1
        started = time.perf_counter()
        pipe.volume(tokens, octree, method="dense", num_chunks=PLAIN_CHUNK)
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return (time.perf_counter() - started) / float((octree + 1) ** 3)

    def _volume(self, tokens: torch.Tensor, octree: int, field_name: str, shape: Field, dense_s: float) -> None:
        wanted = analytic_vertices(self.pipe, shape, octree)
        for method in METHODS if self.name == "middle" else METHODS[:1]:
            key = f"volume_{octree}_{method}_{field_name}"
            with self.meter.stage(key):
                grid = self.pipe.volume(tokens, octree, method=method, replace=logits(shape))
            taken = self.table.figures[f"{self.name}_{key}"].value
            name = f"volume_{octree}" if (method, field_name) == ("hierarchical", "torus") else key
            self.table.faster(self.name, name, dense_s, taken)
            self.table.figures[f"{self.name}_{key}_points"] = Goal(float(grid.known.sum()), "points")
            self._distance(key, grid, wanted)

    def _distance(self, key: str, grid: Grid, wanted: np.ndarray[Any, Any]) -> None:
        found = self.pipe.extract(grid).vertices
        cell = 2.02 / grid.resolution
        distances = [cKDTree(a).query(b)[0].max() for a, b in ((wanted, found), (found, wanted))]
        self.table.figures[f"{self.name}_{key}_distance"] = Goal(float(max(distances) / cell), "cells", 0.5)

    def _volume_without(self, tokens: torch.Tensor, saving: str, method: Method) -> None:
        def volume(pipe: Hunyuan3DPipeline) -> Callable[[], Any]:
            return lambda: pipe.volume(tokens, OCTREES[0], method=method, replace=logits(torus))

        fast, slow = self.meter.pair(volume(self.pipe), volume(without(self.pipe, saving)), 1)
        self.table.faster(self.name, saving, slow, fast)


def analytic_vertices(pipe: Hunyuan3DPipeline, shape: Field, octree: int) -> np.ndarray[Any, Any]:
    """The vertices of a field's dense surface, without a network."""
    axis = torch.linspace(-1.01, 1.01, octree + 1)
    values = torch.stack(
        [
            (-8 * shape(torch.cartesian_prod(x[None], axis, axis))).clamp(-1, 1).view(octree + 1, octree + 1)
            for x in axis
        ]
    )
    box = ((-1.01,) * 3, (1.01,) * 3)
    grid = Grid(values, torch.ones_like(values, dtype=torch.bool), box, octree)
    return pipe.extract(grid).vertices


def experts(size: Size, condition: torch.Tensor) -> None:
    """2.1 alone: grouped products against a loop over the experts."""
    with size.pipe.denoiser.use() as denoiser:
        groups = [part for part in denoiser.modules() if isinstance(part, MixtureOfExperts)]
    step = size._step(size.pipe, condition)  # noqa: SLF001

    def plain() -> None:
        for part in groups:
            part.grouped = False
        step()
        for part in groups:
            part.grouped = True

    fast, slow = size.meter.pair(step, plain, size.rounds)
    size.table.faster(size.name, "group_experts", slow, fast)


def measure(size: Size, parts: set[str]) -> None:
    """Every asked part of one size, in the order of a run."""
    condition = size.condition()
    latents = size.pipe.noise([0])
    if "sampling" in parts:
        size.sampling(condition)
        if size.name == "2.1":
            experts(size, condition)
    if "loops" in parts:
        size.loops(condition)
    if "decoding" in parts:
        size.decoding(latents)
    if "decoding_savings" in parts:
        size.decoding_savings(latents)
    if "load" in parts:  # last, as the memory that it lets go is not all given back
        size.load()


PARTS = {
    "middle": {"load", "sampling", "loops", "decoding", "decoding_savings"},
    "mini": {"load", "sampling", "decoding"},
    "middle-turbo": {"loops"},
    "mini-turbo": {"loops"},
    "2.0": {"sampling"},
    "2.1": {"sampling"},
}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS / "hunyuan3d.json")
    parser.add_argument("--size", action="append", choices=sorted(PARTS), help="default: middle and middle-turbo")
    parser.add_argument("--part", action="append", choices=sorted(PARTS["middle"]))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=Path, help="where checkpoints are made and kept; a temporary folder without")
    arguments = parser.parse_args()
    facts, table = machine() | {"torch": torch.__version__, "threads": torch.get_num_threads()}, Table()
    if arguments.device.startswith("cuda"):
        facts["device"] = torch.cuda.get_device_name()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.size or ["middle", "middle-turbo"]:
            print(name, flush=True)
            root = arguments.models or Path(folder)
            dtype = getattr(torch, arguments.dtype)
            parts = PARTS[name] & set(arguments.part or PARTS[name])
            measure(Size(name, root, arguments.device, dtype, table, arguments.rounds), parts)
            gc.collect()
    write(arguments.output, document("hunyuan3d", table.figures, table.ratios, facts))


if __name__ == "__main__":
    main()
