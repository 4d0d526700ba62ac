"""Folders of models of other makes: which files one stands for, and how large they are."""

from __future__ import annotations

from pathlib import Path

import torch

from orfeas.domain.specs import DeviceSpec
from orfeas.errors import ModelUnavailableError
from orfeas.gpu.manager import ModelKey
from orfeas.storage.pipeline_folder import digest_of


def folder_key(spec: DeviceSpec, kind: str) -> ModelKey:
    """Other files in the same folder are another model."""
    return ModelKey(spec.place, spec.precision, kind=kind, revision=spec.revision or "")


def require_same_files(spec: DeviceSpec) -> None:
    """Refuse to make with other files what a fingerprint says was made with these.

    Raises
    ------
    ModelUnavailableError
        The files have changed since the request.
    """
    if spec.revision and digest_of(Path(spec.place)) != spec.revision:
        detail = f"The files of {spec.model} have changed since the request was made; send it again."
        raise ModelUnavailableError(detail, missing=[spec.model])


def safetensors_bytes(path: Path, width: int) -> int:
    """What the tensors of a file take with so many bytes for a number."""
    from safetensors import safe_open  # noqa: PLC0415 - only who has such a folder needs it

    with safe_open(path, framework="pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 - no mapping
    return sum(torch.Size(shape).numel() for shape in shapes) * width


def said(error: Exception, folder: Path) -> str:
    """What a library says of a folder, without where it lies on this machine."""
    return str(error).replace(str(folder), folder.name)[:300]
