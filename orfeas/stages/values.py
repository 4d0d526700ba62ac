"""Values that stages hand to each other, and the bytes that stand for them.

A value is a frozen dataclass of arrays, plain members, further such dataclasses and tuples of these, or the bytes of a
file. The bytes give back an equal value, so a stage cannot tell whether its input was kept in memory or read from a
blob.
"""

from __future__ import annotations

import io
import json
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

KINDS: dict[str, type[Any]] = {}
PLAIN = "plain.json"
Arrays = dict[str, np.ndarray[Any, Any]]


def value_kind(name: str, kind: type[Any]) -> None:
    """Let stages hand over a dataclass, stored under a name."""
    KINDS[name] = kind


def encode(value: Any) -> bytes:
    """A file as it is; a dataclass as an uncompressed npz, equal for equal values."""
    if isinstance(value, bytes):
        return value
    arrays: Arrays = {}
    plain = _taken_apart(value, "", arrays)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **{PLAIN: np.frombuffer(json.dumps(plain).encode(), np.uint8)}, **arrays)
    return buffer.getvalue()


def decode(data: bytes) -> Any:
    """The dataclass that `encode` was given, with arrays that cannot be written to."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        plain = json.loads(stored[PLAIN].tobytes())
        arrays = {name: stored[name] for name in stored.files if name != PLAIN}
    return freeze(_put_together(plain, "", arrays))


def freeze(value: Any) -> Any:
    """Make a value's arrays read-only: several stages share it."""
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    elif isinstance(value, tuple):
        for part in value:
            freeze(part)
    elif is_dataclass(value):
        for field in fields(value):
            freeze(getattr(value, field.name))
    return value


def _taken_apart(value: Any, path: str, arrays: Arrays) -> dict[str, Any]:
    """The plain members of a dataclass; its arrays go to `arrays` under their path."""
    name = next((name for name, kind in KINDS.items() if type(value) is kind), None)
    if name is None or not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not a value that stages hand over")
    plain: dict[str, Any] = {"kind": name}
    for field in fields(value):
        member = getattr(value, field.name)
        if isinstance(member, np.ndarray):
            arrays[path + field.name] = member
        else:
            plain[field.name] = _plain(member, f"{path}{field.name}.", arrays)
    return plain


def _plain(member: Any, path: str, arrays: Arrays) -> Any:
    if is_dataclass(member):
        return _taken_apart(member, path, arrays)
    if isinstance(member, tuple):
        return [_plain(part, f"{path}{index}.", arrays) for index, part in enumerate(member)]
    return member


def _put_together(plain: dict[str, Any], path: str, arrays: Arrays) -> Any:
    kind = KINDS[plain["kind"]]
    members = {name: _member(member, f"{path}{name}.", arrays) for name, member in plain.items() if name != "kind"}
    own = {field.name: arrays[path + field.name] for field in fields(kind) if path + field.name in arrays}
    return kind(**members, **own)


def _member(member: Any, path: str, arrays: Arrays) -> Any:
    if isinstance(member, dict) and member.get("kind") in KINDS:
        return _put_together(member, path, arrays)
    if isinstance(member, list):
        return tuple(_member(part, f"{path}{index}.", arrays) for index, part in enumerate(member))
    return member
