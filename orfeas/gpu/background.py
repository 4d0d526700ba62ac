"""Subjects of pictures cut out by a network on the device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from orfeas.domain.specs import PrepareImage
from orfeas.gpu.folders import folder_key, require_same_files, safetensors_bytes
from orfeas.gpu.forecast import Need
from orfeas.gpu.jobs import Job, Unit
from orfeas.gpu.manager import DTYPES, ModelKey, PartKey
from orfeas.gpu.mattes import Alpha, Matte, Pixels, Preparation, graph, network, unusable
from orfeas.stages.registry import Result
from orfeas.stages.subject import cut_out, decoded, to_cut
from orfeas.stages.task import Done
from orfeas.storage.pipeline_folder import graph_of

CHANNELS, TENSORS_AT_ONCE = 64, 4
"""Of the first levels, at the full size of what the network sees; what it really needs is measured."""


class BackgroundWeights:
    """The network of a folder, whole on the device or not at all.

    Raises
    ------
    ModelUnavailableError
        The folder holds no network that removes backgrounds.
    """

    def __init__(self, model_dir: Path, key: ModelKey, device: torch.device) -> None:
        self.folder = model_dir / key.place  # an absolute place stays as it is
        self.device, self.dtype = device, DTYPES[key.precision]
        self.matte: Matte | None = None
        self.size = Preparation.of(self.folder).size
        self._graph = graph_of(self.folder)
        self._bytes = self._weights()
        if not self._bytes:
            raise unusable(self.folder, "it has neither an ONNX graph nor weights as safetensors")

    def part_bytes(self, part: str) -> int:
        """All weights: a graph's as its files have them, others in the precision they are used in."""
        return self._bytes

    def load(self, part: str) -> Callable[[], None]:
        """Read the files and bring them to the device."""
        if self._graph is not None:
            self.matte = graph(self.folder, self._graph, self.device)
        else:
            self.matte = network(self.folder, self.device, self.dtype)
        return self._let_go

    def _let_go(self) -> None:
        self.matte = None

    def _weights(self) -> int:
        if self._graph is None:
            return sum(safetensors_bytes(path, self.dtype.itemsize) for path in self.folder.glob("*.safetensors"))
        beside = [path for end in ("onnx_data", "data") for path in self._graph.parent.glob(f"*.{end}")]
        return sum(path.stat().st_size for path in (self._graph, *beside))


class CutOutJob(Job):
    """A stored picture to its subject. One that needs no outline takes nothing of the device."""

    spec: PrepareImage
    parts: ClassVar[tuple[str, ...]] = ("network",)
    _rgba: NDArray[np.uint8] | None = None
    _shown: Pixels | None = None
    _alpha: Alpha | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.key = folder_key(self.spec, "background")

    @property
    def weights(self) -> BackgroundWeights:
        """The folder and what of it is on the device."""
        return cast(BackgroundWeights, self.tools.manager.model(self.key))

    @property
    def pipe(self) -> Any:
        """What says where the work is done."""
        return self.weights

    @property
    def lease_parts(self) -> tuple[PartKey, ...]:
        """The network, where an outline is looked for."""
        return super().lease_parts if self._shown is not None else ()

    def begin(self) -> None:
        self.future = self.tools.background.submit(self._read)

    def _read(self) -> None:
        self._rgba = decoded(self.tools.exchange.read(self.task.inputs[0]))
        self._shown = to_cut(self._rgba, self.spec)
        if self._shown is not None:
            require_same_files(self.spec)

    def counted(self) -> Need:
        if self._shown is None:
            return Need(0, 0)
        height, width = self.weights.size
        return Need(0, height * width * CHANNELS * TENSORS_AT_ONCE * self.weights.dtype.itemsize)

    def seconds(self) -> float | None:
        return self.tools.forecast.seconds_for(self.task.name, self.model, 1) if self._shown is not None else 0.0

    def learn(self, unit: Unit, seconds: float, needed: int | None) -> None:
        if self._shown is not None:
            super().learn(unit, seconds, needed)

    def unit(self) -> Unit:
        return Unit("matte", (self.stage_id,))

    def run(self) -> bool:
        if self._shown is not None:
            assert self.weights.matte is not None
            self._alpha = self.weights.matte(self._shown)
        return True

    def fits(self) -> tuple[str, dict[str, Any]]:
        return "Keep the background, or unset ORFEAS_BACKGROUND_MODEL.", {"remove_background": "never"}

    def finish(self) -> Done:
        assert self._rgba is not None
        used, alpha = self._shown is not None, self._alpha
        found = cut_out(self._rgba, self.spec, lambda _: (alpha, ()))
        made_by = {**self.report(), "background_model": self.spec.model} if used else {}
        return self.stored(Result(found.value, found.report | made_by))

    def drop(self) -> None:
        self._shown = self._alpha = None
        super().drop()
