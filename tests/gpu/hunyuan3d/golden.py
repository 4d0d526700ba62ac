"""Where the recorded checkpoints, pictures and tensors of `tests/data/hunyuan3d` lie, and how to read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

# Threads cost more than they bring where tensors are tiny.
torch.set_num_threads(1)

DATA = Path(__file__).parents[2] / "data" / "hunyuan3d"
MODELS = DATA / "models"
INPUTS = DATA / "inputs"
BASE = ("tencent/Hunyuan3D-2tiny", "hunyuan3d-dit-v2-tiny")
TURBO = ("tencent/Hunyuan3D-2tiny", "hunyuan3d-dit-v2-tiny-turbo")
MULTIVIEW = ("tencent/Hunyuan3D-2tiny", "hunyuan3d-dit-v2-tiny-mv")
V21 = ("tencent/Hunyuan3D-2.1tiny", "hunyuan3d-dit-v2-1")


def vectors(name: str) -> dict[str, Any]:
    """The arrays of one file as tensors; scalars and texts as Python values."""
    with np.load(DATA / "vectors" / f"{name}.npz") as stored:
        return {key: _value(stored[key]) for key in stored.files}


def _value(array: np.ndarray[Any, Any]) -> Any:
    if array.ndim == 0 or array.dtype.kind in "US":
        return array.item() if array.ndim == 0 else array.tolist()
    return torch.from_numpy(array)
