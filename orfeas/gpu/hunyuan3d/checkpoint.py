"""Checkpoints: finding a complete one, and giving its weights to modules that were built on the meta device.

Loading costs no random initialisation. On the CPU, in the type of the file, weights stay mapped; otherwise they are
converted in small groups, each through a mapping of its own, so that the peak stays close to the weights' own size.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from orfeas.errors import CheckpointError
from orfeas.gpu.hunyuan3d.weights import Entry, WeightsFile, open_weights, some

PartName = Literal["model", "vae", "conditioner"]

_FILES = ("model.fp16.safetensors", "model.safetensors", "model.fp16.ckpt", "model.ckpt")
"""In the order of preference: safetensors opens at once, and half precision is what was published first."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*(/[A-Za-z0-9_][A-Za-z0-9_.\-]*)*")
_NEVER_READ = ("encoder.", "pre_kl.")
"""The half of the VAE that turns meshes into latents; some released files have it, some do not."""
_GROUP_BYTES = 256 << 20
_GROUPS = 24
"""A group is at most this fraction of all, so that small models also stay close to their own size."""


@runtime_checkable
class Fused(Protocol):
    """A module that replaces its weights by stacked or permuted copies once it has them."""

    def fuse(self) -> None:
        """Replace the published parameters by those that the forward pass uses."""


@dataclass(slots=True)
class Group:
    """Tensors that are read through one mapping."""

    keys: list[str] = field(default_factory=list)
    size_bytes: int = 0
    owner: str | None = None
    """The fused module that they belong to."""


def find(models_root: str | Path, repo: str, subfolder: str) -> Path:
    """The folder `<models_root>/<repo>/<subfolder>`, checked to hold a complete checkpoint.

    Raises
    ------
    CheckpointError
        A name leaves the root, or something is absent, half downloaded or damaged; the sentence says what to do.
    """
    for name in (repo, subfolder):
        if not _NAME.fullmatch(name):
            raise CheckpointError(f"{name[:80]!r} is not the name of a model's folder.")
    folder = Path(models_root) / PurePosixPath(repo) / PurePosixPath(subfolder)
    downloads = Path(models_root) / PurePosixPath(repo) / ".cache" / "huggingface" / "download" / subfolder
    place = f"{repo}/{subfolder}"
    if not folder.is_dir():
        raise CheckpointError(f"{place} is not in the folder of models. Download it first.")
    partial = any(next(part.glob("*.incomplete"), None) for part in (folder, downloads))
    again = "The download has not finished; let it finish or repeat it." if partial else "Download the folder again."
    if not (folder / "config.yaml").is_file():
        raise CheckpointError(f"{place} has no config.yaml. {again}")
    if not any((folder / name).is_file() for name in _FILES):
        raise CheckpointError(f"{place} has none of {', '.join(_FILES)}. {again}")
    _open(folder)
    return folder


def _open(folder: Path) -> WeightsFile:
    path = next((folder / name for name in _FILES if (folder / name).is_file()), None)
    if path is None:
        raise CheckpointError(f"{folder.name} has none of {', '.join(_FILES)}. Download the folder again.")
    return open_weights(path)


@torch.no_grad()
def load_part(
    folder: Path, part: PartName | None, module: nn.Module, *, device: str | torch.device, dtype: torch.dtype
) -> None:
    """Give a module on the meta device the weights of one part of a checkpoint.

    Parameters
    ----------
    part
        A part of a DiT folder; None for a VAE folder, whose file has no parts.
    module
        Its parameters have the names of the file. Submodules with a method `fuse` get it called.
    device, dtype
        Where and how the weights are kept. On the CPU in the type of the file they stay mapped.

    Raises
    ------
    CheckpointError
        The file is damaged, or its tensors are not those of the module.
    """
    source = _open(folder)
    entries = source.entries(part)
    if part in (None, "vae"):
        entries = {key: entry for key, entry in entries.items() if not key.startswith(_NEVER_READ)}
    _require_fit(source.name, {key: tuple(value.shape) for key, value in module.state_dict().items()}, entries)
    target = torch.device(device)
    for group in _groups(module, entries):
        tensors = source.read(part, group.keys)
        if group.owner is not None and target.type == "cpu":
            tensors = _scratch(tensors, dtype)
        _fill(module, tensors, target, dtype)
        if group.owner is not None:
            _fuse(module, group, group.owner)
    module.requires_grad_(requires_grad=False).eval()


def _require_fit(name: str, expected: Mapping[str, tuple[int, ...]], entries: Mapping[str, Entry]) -> None:
    """Refuse a file whose tensors are not exactly those of the module, naming the first few of each kind."""
    missing = [key for key in expected if key not in entries]
    unexpected = [key for key in entries if key not in expected]
    misshapen = [
        f"{key} ({_shape(entries[key].shape)} instead of {_shape(shape)})"
        for key, shape in expected.items()
        if key in entries and entries[key].shape != shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    problems = [f"{len(keys)} {kind}: {some(keys)}" for kind, keys in kinds.items() if keys]
    if problems:
        raise CheckpointError(f"{name} does not fit its config.yaml. Tensors {'; '.join(problems)}.")


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "scalar"


def _groups(module: nn.Module, entries: Mapping[str, Entry]) -> Iterator[Group]:
    """All keys in the order of the file; the parameters of a fused module stay together."""
    limit = min(_GROUP_BYTES, sum(entry.size_bytes for entry in entries.values()) // _GROUPS)
    owners = _outermost_fused(module)
    fused: dict[str, Group] = {}
    plain = Group()
    for key, entry in sorted(entries.items(), key=lambda item: item[1].position):
        owner = next((name for name in _ancestors(key) if name in owners), None)
        if owner is not None:
            fused.setdefault(owner, Group(owner=owner)).keys.append(key)
            continue
        if plain.keys and plain.size_bytes + entry.size_bytes > limit:
            yield plain
            plain = Group()
        plain.keys.append(key)
        plain.size_bytes += entry.size_bytes
    if plain.keys:
        yield plain
    yield from fused.values()


def _outermost_fused(module: nn.Module) -> set[str]:
    names = {name for name, part in module.named_modules() if isinstance(part, Fused)}
    return {name for name in names if name == "" or not names.intersection(_ancestors(name))}


def _ancestors(key: str) -> list[str]:
    """Names of the modules around a parameter, outermost first: "", "a" and "a.b" for "a.b.weight"."""
    parts = key.split(".")
    return [".".join(parts[:count]) for count in range(len(parts))]


def _fill(module: nn.Module, tensors: dict[str, Tensor], device: torch.device, dtype: torch.dtype) -> None:
    for key in list(tensors):
        # The cast follows the copy: half as many bytes cross the bus.
        _put(module, key, tensors.pop(key).to(device).to(dtype))


def _scratch(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Convert weights that fusing will replace in a mapping of their own.

    An allocator keeps the holes that they would leave between the fused ones: measured as 0.8 times the weights.
    """
    if all(value.dtype == dtype for value in tensors.values()):
        return tensors
    count = sum(value.numel() for value in tensors.values())
    memory = torch.frombuffer(mmap.mmap(-1, max(count, 1) * dtype.itemsize), dtype=dtype)
    views = memory[:count].split_with_sizes([value.numel() for value in tensors.values()])
    return {key: view.view(value.shape).copy_(value) for (key, value), view in zip(tensors.items(), views, strict=True)}


def _put(module: nn.Module, key: str, value: Tensor) -> None:
    path, _, name = key.rpartition(".")
    owner = module.get_submodule(path)
    is_parameter = isinstance(getattr(owner, name), nn.Parameter)
    setattr(owner, name, nn.Parameter(value, requires_grad=False) if is_parameter else value)


def _fuse(module: nn.Module, group: Group, owner: str) -> None:
    """Fuse a module and those inside it, innermost first, and let go of the mapping that they were read through."""
    for part in reversed(list(module.get_submodule(owner).modules())):
        if isinstance(part, Fused):
            part.fuse()
    remaining = module.state_dict()
    for key in group.keys:
        if key in remaining:
            # A small tensor that stays as it was would keep all pages of the group in memory.
            _put(module, key, remaining[key].clone())
