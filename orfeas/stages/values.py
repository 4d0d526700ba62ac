"""Values that stages hand to each other, and the bytes that stand for them.

A value is a frozen dataclass of arrays and plain members, or the bytes of a file. The bytes give back
an equal value, so a stage cannot tell whether its input was kept in memory or read from a blob.
"""

from __future__ import annotations

import io
import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

KINDS: dict[str, type[Any]] = {}
PLAIN = "plain.json"


def value_kind(name: str, kind: type[Any]) -> None:
    """Let stages hand over a dataclass, stored under a name."""
    KINDS[name] = kind


def encode(value: Any) -> bytes:
    """A file as it is; a dataclass as an uncompressed npz, equal for equal values."""
    if isinstance(value, bytes):
        return value
    name = next((name for name, kind in KINDS.items() if type(value) is kind), None)
    if name is None or not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not a value that stages hand over")
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    plain: dict[str, Any] = {"kind": name}
    for field in fields(value):
        member = getattr(value, field.name)
        if isinstance(member, np.ndarray):
            arrays[field.name] = member
        else:
            plain[field.name] = member
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{PLAIN: np.frombuffer(json.dumps(plain).encode(), np.uint8)}, **arrays)
    return buffer.getvalue()


def decode(data: bytes) -> Any:
    """The dataclass that `encode` was given, with arrays that cannot be written to."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        plain = json.loads(stored[PLAIN].tobytes())
        arrays = {name: stored[name] for name in stored.files if name != PLAIN}
    kind = KINDS[plain.pop("kind")]
    plain = {name: tuple(member) if isinstance(member, list) else member for name, member in plain.items()}
    return freeze(kind(**plain, **arrays))


def freeze(value: Any) -> Any:
    """Make a value's arrays read-only: several stages share it."""
    if is_dataclass(value):
        for field in fields(value):
            member = getattr(value, field.name)
            if isinstance(member, np.ndarray):
                member.flags.writeable = False
    return value
