"""Pictures of texts by a diffusers pipeline, one denoising step at a time between other work."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from PIL import Image

from orfeas.domain.specs import GenerateImage
from orfeas.errors import ModelUnavailableError
from orfeas.gpu.folders import folder_key, require_same_files, safetensors_bytes, said
from orfeas.gpu.forecast import Need
from orfeas.gpu.jobs import Job, Unit
from orfeas.gpu.manager import DTYPES, ModelKey
from orfeas.gpu.turns import Report, Turns
from orfeas.stages.registry import Result
from orfeas.stages.task import Done
from orfeas.storage.pipeline_folder import PIPELINE

DECODED_CHANNELS = 256
"""Channels at full resolution while a picture is decoded, where the folder does not say."""
TENSORS_AT_ONCE = 4


class PictureWeights:
    """A diffusers folder, whole on the device or not at all.

    Raises
    ------
    ModelUnavailableError
        It is no text-to-image folder, or diffusers is not installed.
    """

    def __init__(self, model_dir: Path, key: ModelKey, device: torch.device) -> None:
        self.folder = model_dir / key.place  # an absolute place stays as it is
        self.device, self.dtype = device, DTYPES[key.precision]
        self.pipe: Any = None
        if not (self.folder / PIPELINE).is_file():
            raise ModelUnavailableError(
                f"{self.folder.name} is no diffusers folder: it has no {PIPELINE}.", missing=[PIPELINE]
            )
        self._bytes = sum(safetensors_bytes(path, self.dtype.itemsize) for path in self.folder.glob("*/*.safetensors"))

    def part_bytes(self, part: str) -> int:
        """All weights in the precision they are used in."""
        return self._bytes

    def load(self, part: str) -> Callable[[], None]:
        """Read the files and bring them to the device."""
        self.pipe = _loaded(self.folder, self.dtype).to(self.device)
        self.pipe.set_progress_bar_config(disable=True)
        return self._let_go

    def _let_go(self) -> None:
        self.pipe = None


def _loaded(folder: Path, dtype: torch.dtype) -> Any:
    """The pipeline of a folder: no download, no code of its own, no pickled weights."""
    try:
        from diffusers import AutoPipelineForText2Image  # noqa: PLC0415 - seconds, and only who makes pictures waits
        from diffusers.utils import logging as chatter  # noqa: PLC0415 - as above
        from transformers.utils import logging as more_chatter  # noqa: PLC0415 - as above
    except ImportError as error:
        detail = "diffusers is not installed: 'make install-ml' brings it."
        raise ModelUnavailableError(detail, missing=["diffusers"]) from error
    for each in (chatter, more_chatter):
        each.set_verbosity_error()
        each.disable_progress_bar()
    try:
        load: Any = AutoPipelineForText2Image
        return load.from_pretrained(str(folder), dtype=dtype, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        detail = f"{folder.name} cannot be loaded as a text-to-image folder with safetensors: {said(error, folder)}"
        raise ModelUnavailableError(detail, missing=[folder.name]) from error


class PictureJob(Job):
    """A prompt to a PNG. Others have their turn between two steps."""

    spec: GenerateImage
    parts: ClassVar[tuple[str, ...]] = ("pipeline",)
    _turns: Turns[Image.Image] | None = None
    _image: Image.Image | None = None
    _sliced = False
    _unused: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.key = folder_key(self.spec, "picture")

    @property
    def weights(self) -> PictureWeights:
        """The folder and what of it is on the device."""
        return cast(PictureWeights, self.tools.manager.model(self.key))

    @property
    def pipe(self) -> Any:
        """What says where the work is done."""
        return self.weights

    def begin(self) -> None:
        require_same_files(self.spec)
        self.tools.manager.model(self.key)

    def counted(self) -> Need:
        pixels = self.spec.width * self.spec.height
        return Need(0, pixels * DECODED_CHANNELS * TENSORS_AT_ONCE * self.weights.dtype.itemsize)

    def seconds(self) -> float | None:
        return self.tools.forecast.seconds_for(self.task.name, self.model, self._work)

    @property
    def _work(self) -> float:
        return float(self.spec.num_inference_steps * self.spec.width * self.spec.height)

    def learn(self, unit: Unit, seconds: float, needed: int | None) -> None:
        self.tools.forecast.learn_bytes(self.task.name, self.model, self.unit_bytes, needed)

    def unit(self) -> Unit:
        return Unit("step", (self.stage_id,))

    def run(self) -> bool:
        if self._turns is None:
            self._turns = Turns(self._picture)
        turns = self._turns
        ended = turns.give()
        self.fraction = max(self.fraction, turns.share)
        if not ended:
            return False
        self._turns = None
        if turns.error is not None:
            raise turns.error
        self._image = turns.value
        self.tools.forecast.learn_seconds(self.task.name, self.model, self._work, self.used_s)
        return True

    def _picture(self, report: Report) -> Image.Image:
        pipe, spec = self.weights.pipe, self.spec
        if self._sliced:
            pipe.enable_attention_slicing()

        def on_step(_: Any, step: int, __: Any, kept: dict[str, Any]) -> dict[str, Any]:
            report((step + 1) / (spec.num_inference_steps + 1))
            return kept

        wanted = {
            "prompt": spec.prompt,
            "negative_prompt": spec.negative_prompt or None,
            "width": spec.width,
            "height": spec.height,
            "num_inference_steps": spec.num_inference_steps,
            "guidance_scale": spec.guidance_scale,
            "generator": torch.Generator().manual_seed(spec.seed),
            "callback_on_step_end": on_step,
        }
        taken = inspect.signature(pipe.__call__).parameters
        self._unused = tuple(name for name, value in wanted.items() if value is not None and name not in taken)
        found = pipe(**{name: value for name, value in wanted.items() if name in taken})
        return cast(Image.Image, found.images[0])

    def smaller(self) -> bool:
        """Attention in slices: the same numbers with less at once."""
        if self._sliced or not hasattr(self.weights.pipe, "enable_attention_slicing"):
            return False
        self._sliced = True
        return True

    def fits(self) -> tuple[str, dict[str, Any]]:
        width, height = (max(256, side // 16 * 8) for side in (self.spec.width, self.spec.height))
        if (width, height) == (self.spec.width, self.spec.height):
            return super().fits()
        return f"{width} x {height} pixels need less.", {"width": width, "height": height}

    def finish(self) -> Done:
        assert self._image is not None
        data = io.BytesIO()
        self._image.convert("RGB").save(data, "PNG", compress_level=1)
        width, height = self._image.size
        self._image = None
        named = [f"{name} has no effect: the model takes none." for name in self._unused]
        return self.stored(
            Result(data.getvalue(), {"width": width, "height": height, "warnings": named} | self.report())
        )

    def drop(self) -> None:
        if self._turns is not None:
            self._turns.stop()
        self._turns = self._image = None
        super().drop()
