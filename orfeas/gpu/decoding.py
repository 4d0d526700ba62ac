"""Latents to a mesh, chunk by chunk between other work, and the surface in another process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor

from orfeas.domain.specs import ShapeDecode
from orfeas.geometry.mesh import Mesh
from orfeas.gpu.forecast import Need
from orfeas.gpu.hunyuan3d.grid import Grid
from orfeas.gpu.hunyuan3d.pipeline import Method
from orfeas.gpu.hunyuan3d.volume import CHUNK_ON_CPU, CHUNK_ON_DEVICE
from orfeas.gpu.jobs import Job, Unit
from orfeas.gpu.surfaces import SharedGrid
from orfeas.gpu.turns import Report, Turns
from orfeas.gpu.values import Latents
from orfeas.stages.registry import Result
from orfeas.stages.task import Done

SMALLEST_CHUNK = 256
OCTREES = (768, 512, 384, 320, 256, 192, 128, 96, 64, 32, 16)
"""What is suggested where a finer grid does not fit."""
DECODED, STARTED = 0.9, 0.05
"""Shares of decoding: at the end of the volume, and before its first chunk."""


class DecodeJob(Job):
    """Latents to a mesh: tokens, then the volume chunk by chunk, then its surface in another process."""

    spec: ShapeDecode
    parts: ClassVar[tuple[str, ...]] = ("vae",)
    chunk = 0
    """Points for one evaluation."""
    _latents: Tensor | None = None
    _tokens: Tensor | None = None
    _turns: Turns[Grid] | None = None
    _grid: Grid | None = None

    def _vae(self) -> str:
        return self.spec.vae

    def begin(self) -> None:
        value: Latents = self.tools.exchange.read(self.task.inputs[0])
        self._latents = torch.from_numpy(np.array(value.latents))[None]
        self.chunk = CHUNK_ON_CPU if self.pipe.device.type == "cpu" else CHUNK_ON_DEVICE
        self.tools.surfaces.warm()

    def counted(self) -> Need:
        return self._counted(self.spec.octree_resolution)

    def _counted(self, octree_resolution: int) -> Need:
        volume, tokens = self.counts.volume(octree_resolution, self.chunk), self.counts.tokens()
        return Need(volume.held, max(volume.unit, tokens.unit))

    def seconds(self) -> float | None:
        return self.tools.forecast.seconds_for(*self._work)

    @property
    def _work(self) -> tuple[str, str, float]:
        """How much it is: surfaces grow with the square of the resolution, volumes with its cube."""
        spec = self.spec
        return (
            f"{spec.name} {spec.method}",
            self.model,
            float(spec.octree_resolution ** (3 if spec.method == "dense" else 2)),
        )

    def learn(self, unit: Unit, seconds: float, needed: int | None) -> None:
        if unit.kind == "chunk":
            self.tools.forecast.learn_bytes(self.task.name, self.model, self.unit_bytes, needed)

    def unit(self) -> Unit:
        if self._tokens is None:
            return Unit("tokens", (self.stage_id,))
        return Unit("chunk", (self.stage_id,), self.chunk)

    def run(self) -> bool:
        if self._tokens is None:
            assert self._latents is not None
            self._tokens = self.pipe.decode_latents(self._latents)
            return False
        if self._turns is None:
            self._turns = Turns(self._volume(self._tokens))
        ended = self._turns.give()
        self.fraction = max(self.fraction, STARTED + (DECODED - STARTED) * self._turns.share)
        return ended and self._take(self._turns)

    def _take(self, turns: Turns[Grid]) -> bool:
        """The volume is whole, or raises what went wrong."""
        self._turns = None
        if turns.error is not None:
            raise turns.error
        self._grid, self._tokens = turns.value, None
        self.tools.forecast.learn_seconds(*self._work, self.used_s)
        return True

    def _volume(self, tokens: Tensor) -> Callable[[Report], Grid]:
        pipe, spec, chunk, before = self.pipe, self.spec, self.chunk, self.tools.before
        unit = Unit("chunk", (self.stage_id,), chunk)

        def work(report: Report) -> Grid:
            def on_chunk(share: float) -> None:
                report(share)
                before(unit)

            before(unit)
            method = cast(Method, spec.method)
            return pipe.volume(tokens, spec.octree_resolution, method=method, num_chunks=chunk, on_chunk=on_chunk)

        return work

    def smaller(self) -> bool:
        if self.chunk <= SMALLEST_CHUNK or (self._tokens is None and self.lease is not None):
            return False
        self.chunk = max(self.chunk // 2, SMALLEST_CHUNK)
        self.unit_bytes = self.counted().unit
        return True

    def fits(self) -> tuple[str, dict[str, Any]]:
        asked = self.spec.octree_resolution
        weights = self.tools.manager.model(self.key).part_bytes("vae")
        limit = min(self.tools.manager.budget, weights + self.need().total // 2)
        for octree in OCTREES:
            if octree < asked and weights + self.corrected(self._counted(octree)).total <= limit:
                return f"octree_resolution {octree} would fit.", {"octree_resolution": octree}
        return super().fits()

    def finish(self) -> Done:
        assert self._grid is not None
        shared = SharedGrid(self._grid)
        self._grid = None
        vertices, faces = self.tools.surfaces.extract(shared, self.spec.mc_level).result()
        mesh = Mesh(vertices.astype(np.float64), faces.astype(np.int64))
        report = {"method": "hunyuan3d", "faces": len(faces), "vertices": len(vertices)} | self.report()
        return self.stored(Result(mesh, report))

    @property
    def holds_device(self) -> bool:
        return self._grid is not None

    def drop(self) -> None:
        if self._turns is not None:
            self._turns.stop()
        self._turns = self._grid = self._tokens = self._latents = None
        super().drop()
