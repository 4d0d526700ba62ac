"""Networks that tell a subject from its background: a segmentation network of transformers, or an ONNX graph.

Both get the whole picture at the size and with the colours that `preprocessor_config.json` names, or else at 1024 by
1024 with the mean and deviation of ImageNet, as the usual networks for this were trained.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from orfeas.errors import ModelUnavailableError
from orfeas.gpu.folders import said
from orfeas.storage.pipeline_folder import CONFIG, PREPROCESSOR

SIDE = 1024
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BACKGROUND = ("background", "bg", "unlabeled")
"""What a label is called that stands for none of the subjects."""
Alpha = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class Matte(Protocol):
    """A network on the device."""

    def __call__(self, picture: Pixels) -> Alpha:
        """Coverage 0 to 1 (h, w) of the subject in a picture (h, w, 3)."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """How a picture becomes numbers: its size (height, width), and the mean and deviation of each channel."""

    size: tuple[int, int] = (SIDE, SIDE)
    mean: tuple[float, ...] = MEAN
    deviation: tuple[float, ...] = DEVIATION
    scale: float = 1 / 255
    blue_first: bool = False

    @classmethod
    def of(cls, folder: Path) -> Preparation:
        """What the folder says, with the usual figures for what it does not say."""
        path = folder / PREPROCESSOR
        found = _object(path) if path.is_file() else {}
        normal = found.get("do_normalize", True)
        try:
            return cls(
                size=_size(found.get("size"), found.get("crop_size") if found.get("do_center_crop") else None),
                mean=_three(found.get("image_mean", MEAN)) if normal else (0.0, 0.0, 0.0),
                deviation=_three(found.get("image_std", DEVIATION)) if normal else (1.0, 1.0, 1.0),
                scale=float(found.get("rescale_factor", 1 / 255)) if found.get("do_rescale", True) else 1.0,
                blue_first=bool(found.get("do_flip_channel_order", False)),
            )
        except (TypeError, ValueError, KeyError) as error:
            raise unusable(folder, f"its {PREPROCESSOR} is not understood ({str(error)[:100]})") from error

    def __call__(self, picture: Pixels) -> NDArray[np.float32]:
        """The picture as (1, 3, height, width)."""
        height, width = self.size
        shrunk = picture.shape[0] > height or picture.shape[1] > width
        how = cv2.INTER_AREA if shrunk else cv2.INTER_LINEAR
        small = np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.float32)
        if self.blue_first:
            small = small[..., ::-1]
        numbers = (small * self.scale - np.array(self.mean)) / np.array(self.deviation)
        return np.ascontiguousarray(numbers.transpose(2, 0, 1)[None], np.float32)


def labels_of(folder: Path) -> dict[int, str]:
    """The labels that the configuration of a folder names, by their number."""
    path = folder / CONFIG
    found = _object(path).get("id2label") if path.is_file() else None
    return {int(number): str(name) for number, name in found.items()} if isinstance(found, Mapping) else {}


def background_of(folder: Path, count: int) -> int:
    """Which of several labels stands for the background; of two without names the first.

    Raises
    ------
    ModelUnavailableError
        None of them does.
    """
    names = {number: name.lower() for number, name in labels_of(folder).items()}
    found = [number for number, name in names.items() if name in BACKGROUND and number < count]
    if found:
        return found[0]
    if count == 2:
        return 0
    raise unusable(folder, f"it has {count} labels and none is called {BACKGROUND[0]}")


def network(folder: Path, device: torch.device, dtype: torch.dtype) -> Matte:
    """A segmentation network as transformers writes it: no download, no code of its own, no pickled weights."""
    try:
        from transformers import AutoModelForSemanticSegmentation  # noqa: PLC0415 - seconds; only who needs it waits
        from transformers.utils import logging  # noqa: PLC0415 - as above
    except ImportError as error:
        detail = "transformers is not installed: 'make install-ml' brings it."
        raise ModelUnavailableError(detail, missing=["transformers"]) from error
    load: Any = AutoModelForSemanticSegmentation
    chatter: Any = logging
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        model = load.from_pretrained(
            str(folder), dtype=dtype, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError, AttributeError, RuntimeError) as error:
        raise unusable(folder, f"transformers cannot load it: {said(error, folder)}") from error
    count = int(model.config.num_labels)
    background = background_of(folder, count) if count > 1 else None
    prepare, model = Preparation.of(folder), model.to(device).eval()

    @torch.inference_mode()
    def matte(picture: Pixels) -> Alpha:
        numbers = torch.from_numpy(prepare(picture)).to(device, dtype)
        return _as_large(coverage(model(pixel_values=numbers).logits.float(), background), picture)

    return matte


def graph(folder: Path, path: Path, device: torch.device) -> Matte:
    """An ONNX graph of (1, 3, h, w) to a mask (1, 1, h, w) or (1, h, w), or to a value for each label."""
    session = _session(folder, path, device)
    size, kind = _input_of(folder, session)
    prepare = Preparation.of(folder)
    prepare = Preparation(size or prepare.size, prepare.mean, prepare.deviation, prepare.scale, prepare.blue_first)
    name = session.get_inputs()[0].name
    # The first output is the finished mask; others are those of earlier levels.
    wanted = [session.get_outputs()[0].name]

    def matte(picture: Pixels) -> Alpha:
        found = _run(session, wanted, {name: prepare(picture).astype(kind)})
        logits = torch.from_numpy(np.asarray(found, np.float32))
        logits = logits[:, None] if logits.ndim == 3 else logits
        if logits.ndim != 4 or logits.shape[0] != 1:
            raise unusable(folder, f"its graph gives {tuple(found.shape)}, and a mask is (1, 1, h, w)")
        count = logits.shape[1]
        if count == 1 and float(logits.min()) >= 0.0 and float(logits.max()) <= 1.0:
            return _as_large(logits[0, 0], picture)  # the graph ends in a sigmoid
        return _as_large(coverage(logits, background_of(folder, count) if count > 1 else None), picture)

    return matte


def coverage(logits: Tensor, background: int | None) -> Tensor:
    """Logits (1, labels, h, w) to the share (h, w) of what is not the background."""
    if background is None:
        return torch.sigmoid(logits[0, 0])
    return 1.0 - torch.softmax(logits[0], dim=0)[background]


def unusable(folder: Path, why: str) -> ModelUnavailableError:
    """What is said of a folder that cannot remove backgrounds."""
    return ModelUnavailableError(f"{folder.name} cannot remove backgrounds: {why}.", missing=[folder.name])


def _session(folder: Path, path: Path, device: torch.device) -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - an extra of its own
    except ImportError as error:
        detail = "onnxruntime is not installed: 'make install-onnx' brings it."
        raise ModelUnavailableError(detail, missing=["onnxruntime"]) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    there = onnxruntime.get_available_providers()
    wanted = (["CUDAExecutionProvider"] if device.type == "cuda" else []) + ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=[name for name in wanted if name in there])
    except Exception as error:
        raise unusable(folder, f"onnxruntime cannot load it: {said(error, folder)}") from error


def _run(session: Any, wanted: list[str], given: dict[str, Any]) -> NDArray[Any]:
    try:
        return np.asarray(session.run(wanted, given)[0])
    except Exception as error:
        if "allocate" in str(error).lower():
            raise MemoryError(str(error)[:300]) from error
        raise


def _input_of(folder: Path, session: Any) -> tuple[tuple[int, int] | None, str]:
    """The size that a graph takes, None where it takes any, and the kind of its numbers."""
    inputs, kinds = session.get_inputs(), {"tensor(float)": "float32", "tensor(float16)": "float16"}
    shape = inputs[0].shape if len(inputs) == 1 else []
    one_picture = len(shape) == 4 and (shape[1] in (3, None) or isinstance(shape[1], str))
    if not one_picture or inputs[0].type not in kinds:
        raise unusable(folder, "its graph takes something else than one picture (1, 3, height, width) of floats")
    fixed = all(isinstance(side, int) and side > 0 for side in shape[2:])
    return ((shape[2], shape[3]) if fixed else None), kinds[inputs[0].type]


def _as_large(mask: Tensor, picture: Pixels) -> Alpha:
    height, width = picture.shape[:2]
    large = cv2.resize(mask.cpu().numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(np.asarray(large, np.float32), 0.0, 1.0)


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unusable(path.parent, f"its {path.name} cannot be read") from error
    return found if isinstance(found, dict) else {}


def _size(size: Any, crop: Any) -> tuple[int, int]:
    """Height and width; a shortest side means a square, for the picture is taken whole."""
    named = crop or size
    if named is None:
        return SIDE, SIDE
    if isinstance(named, Mapping):
        named = [named["height"], named["width"]] if "height" in named else named.get("shortest_edge", SIDE)
    height, width = named if isinstance(named, list) else (named, named)
    if not all(16 <= int(side) <= 4096 for side in (height, width)):
        raise ValueError(f"a size of {height} x {width}")
    return int(height), int(width)


def _three(values: Any) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    if len(found) != 3:
        raise ValueError("three channels have three means and deviations")
    return found
