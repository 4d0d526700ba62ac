"""Files of weights: what tensors they hold, and reading some of them through a mapping of their own.

A mapping lives as long as a tensor that was read through it. Whoever copies the tensors and lets them go also lets
go of the pages of the file, so that reading a large file piece by piece never holds much of it.
"""

from __future__ import annotations

import errno
import json
import math
import mmap
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import torch
from torch import Tensor

from orfeas.errors import CheckpointError

_DTYPES: Mapping[str, torch.dtype] = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}
"""Names of the safetensors format (its README, "Format") for the types that weights are published in."""
_MAX_HEADER_BYTES = 100_000_000
"""The limit of the safetensors format."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor in a file."""

    shape: tuple[int, ...]
    dtype: torch.dtype
    position: int
    """Where it lies among the others."""

    @property
    def size_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


class WeightsFile(Protocol):
    """A file of weights that was found to be complete."""

    @property
    def name(self) -> str:
        """Folder and file, for messages."""

    def entries(self, part: str | None) -> dict[str, Entry]:
        """The tensors of a part of the pipeline, or of a file that has no parts."""

    def read(self, part: str | None, keys: Sequence[str]) -> dict[str, Tensor]:
        """Some of these tensors, mapped from the file and not shared with any other call."""


def open_weights(path: Path) -> WeightsFile:
    """The weights in a `.safetensors` file or a `.ckpt` of `torch.save`.

    Raises
    ------
    CheckpointError
        The file is absent, empty, cut short or damaged.
    """
    name = f"{path.parent.name}/{path.name}"
    with _reading(name), path.open("rb") as stream:
        start = stream.read(32)
        if not start:
            raise _damaged(name, "is empty")
        if start.startswith(b"version https://git-lfs"):
            raise _damaged(name, "is a pointer of Git LFS, not the weights")
        if path.suffix == ".safetensors":
            return SafetensorsFile(path, name, *_header(name, stream))
        _check_archive(name, stream)
        return PickleFile(path, name)


@dataclass(frozen=True, slots=True)
class SafetensorsFile:
    """One flat table of tensors; the first dotted part of a key is the part of the pipeline."""

    path: Path
    name: str
    table: Mapping[str, Entry]
    """`position` counts bytes from the start of the file."""
    size_bytes: int

    def entries(self, part: str | None) -> dict[str, Entry]:
        if part is None:
            return dict(self.table)
        found = {key[len(part) + 1 :]: entry for key, entry in self.table.items() if key.startswith(f"{part}.")}
        if not found:
            owners = sorted({key.partition(".")[0] for key in self.table})
            raise _damaged(self.name, f"holds nothing for {part!r}, only {some(owners)}")
        return found

    def read(self, part: str | None, keys: Sequence[str]) -> dict[str, Tensor]:
        entries = {key: self.table[key if part is None else f"{part}.{key}"] for key in keys}
        start = min(entry.position for entry in entries.values()) // mmap.ALLOCATIONGRANULARITY
        start *= mmap.ALLOCATIONGRANULARITY
        end = max(entry.position + entry.size_bytes for entry in entries.values())
        with _reading(self.name), self.path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size != self.size_bytes:
                raise _damaged(self.name, "was changed while it was read")
            # A private mapping is writable memory to torch, while the file never changes.
            mapping = mmap.mmap(stream.fileno(), max(end - start, 1), access=mmap.ACCESS_COPY, offset=start)
            return {key: _mapped(mapping, entry, start) for key, entry in entries.items()}


@dataclass(frozen=True, slots=True)
class PickleFile:
    """A zip archive of `torch.save`: a table for each part, or one table in a file that has no parts."""

    path: Path
    name: str

    def entries(self, part: str | None) -> dict[str, Entry]:
        table = self._table(part)
        return {
            key: Entry(tuple(value.shape), value.dtype, position) for position, (key, value) in enumerate(table.items())
        }

    def read(self, part: str | None, keys: Sequence[str]) -> dict[str, Tensor]:
        table = self._table(part)
        return {key: table[key].contiguous() for key in keys}

    def _table(self, part: str | None) -> dict[str, Tensor]:
        with _reading(self.name):
            table = torch.load(self.path, map_location="cpu", mmap=True, weights_only=True)
            if part is not None and isinstance(table, dict):
                if part not in table:
                    raise _damaged(self.name, f"holds nothing for {part!r}, only {some([str(key) for key in table])}")
                table = table[part]
            if not isinstance(table, dict) or not table:
                raise _damaged(self.name, "is not a table of tensors")
            for key, value in table.items():
                _require_weights(self.name, key, value)
            return {key: value.detach() for key, value in table.items()}


def _require_weights(name: str, key: Any, value: Any) -> None:
    plain = isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == "cpu"
    if not isinstance(key, str) or not plain:
        raise _damaged(name, f"holds {str(key)[:80]!r}, which is not a tensor")
    if value.dtype not in _DTYPES.values():
        raise _damaged(
            name, f"holds {key[:80]!r} as {value.dtype}; weights are {', '.join(map(str, _DTYPES.values()))}"
        )


def _mapped(mapping: mmap.mmap, entry: Entry, start: int) -> Tensor:
    count = math.prod(entry.shape)
    if not count:
        return torch.empty(entry.shape, dtype=entry.dtype)
    return torch.frombuffer(mapping, dtype=entry.dtype, count=count, offset=entry.position - start).view(entry.shape)


def _header(name: str, stream: BinaryIO) -> tuple[dict[str, Entry], int]:
    """Every entry of a safetensors header, checked to fill the file exactly, and the size of the file."""
    size = os.fstat(stream.fileno()).st_size
    stream.seek(0)
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > size - 8:
        raise _damaged(name, f"ends in its header, after {size} bytes")
    if length > _MAX_HEADER_BYTES:
        raise _damaged(name, "does not start with a header of safetensors")
    header = json.loads(stream.read(length))
    if not isinstance(header, dict):
        raise _damaged(name, "does not start with a header of safetensors")
    header.pop("__metadata__", None)
    table = {key: _entry(name, key, value, 8 + length) for key, value in header.items()}
    end = 8 + length
    for entry in sorted(table.values(), key=lambda entry: (entry.position, entry.size_bytes)):
        if entry.position != end:
            raise _damaged(name, "has tensors that overlap or leave gaps")
        end += entry.size_bytes
    if end != size:
        raise _damaged(name, f"has {size:,} bytes, its header says {end:,}")
    return table, size


def _entry(name: str, key: str, value: Any, data: int) -> Entry:
    kind, shape, offsets = (value.get(member) for member in ("dtype", "shape", "data_offsets"))
    if kind not in _DTYPES:
        raise _damaged(name, f"holds {key[:80]!r} as {str(kind)[:20]}; weights are {', '.join(_DTYPES)}")
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        raise _damaged(name, f"says nonsense about {key[:80]!r}")
    entry = Entry(tuple(shape), _DTYPES[kind], data + offsets[0])
    if offsets[1] - offsets[0] != entry.size_bytes:
        raise _damaged(name, f"says nonsense about {key[:80]!r}")
    return entry


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 8 and all(type(n) is int and 0 <= n < 1 << 62 for n in value)


def _check_archive(name: str, stream: BinaryIO) -> None:
    """Compare the directory at the end of a zip file with the records before it."""
    if not zipfile.is_zipfile(stream):
        raise _damaged(name, "is not a complete archive of torch.save")
    with zipfile.ZipFile(stream) as archive:
        for record in archive.infolist():
            # Compressed records could not be mapped; torch.save never makes them.
            if record.compress_type != zipfile.ZIP_STORED or record.file_size != record.compress_size:
                raise _damaged(name, "has compressed records")
            archive.open(record).close()


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Whatever goes wrong in a reader is a CheckpointError."""
    try:
        yield
    except CheckpointError:
        raise
    except OSError as cause:
        if cause.errno == errno.EINVAL:
            # A damaged directory of a zip file points to before its start.
            raise _damaged(name, "is damaged") from cause
        raise CheckpointError(f"{name} cannot be read: {cause.strerror or type(cause).__name__}.") from cause
    except Exception as cause:
        # Parsers of JSON, zip and pickles raise nearly anything for damaged bytes.
        raise _damaged(name, "is damaged") from cause


def _damaged(name: str, what: str) -> CheckpointError:
    return CheckpointError(f"{name} {what}. Delete the file and download it again.")


def some(names: Sequence[str], limit: int = 8) -> str:
    """The first few names, for a message."""
    shown = ", ".join(name[:120] for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown or "nothing"
