"""Sections of a `config.yaml` that know where they stand, and settings made from them with every key checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml

from orfeas.errors import CheckpointError

S = TypeVar("S")

_MAX_BYTES = 1 << 20
"""The released files have about 2 kB."""
_MAX_NUMBER = 1 << 17
_MAX_REPEATS = 512
"""Blocks of one kind; the released models have at most 40."""
_MAX_FREQUENCIES = 64


@dataclass(frozen=True, slots=True)
class Part:
    """What the parameters of one class may say, besides the fields of its settings."""

    unused: frozenset[str] = frozenset()
    """Keys that change nothing here: sizes of the training data, dropout, the encoder half of the VAE."""
    fixed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Keys that would change the result, with the values that are implemented."""


@dataclass(frozen=True, slots=True)
class Node:
    """A mapping in the file and where it stands, so that a refusal can name it."""

    file: str
    path: str
    values: Mapping[str, Any]

    def error(self, sentence: str, key: str | None = None) -> CheckpointError:
        """A refusal that names the file and the key."""
        place = ".".join(part for part in (self.path, key) if part)
        return CheckpointError(f"{self.file}: {f'{place!r} ' if place else ''}{sentence}")

    def child(self, key: str, *, optional: bool = False) -> Node:
        """The mapping under `key`; an absent one is empty where it is optional."""
        value = self.values.get(key)
        if value is None and optional:
            value = {}
        if key not in self.values and not optional:
            raise self.error("is missing.", key)
        path = f"{self.path}.{key}" if self.path else key
        return Node(self.file, path, _mapping(f"{self.file}: {path!r}", value))

    def only(self, allowed: frozenset[str] | set[str]) -> None:
        """Refuse keys that nothing is known about."""
        unknown = sorted(self.values.keys() - allowed)
        if unknown:
            raise self.error("is not known; this version cannot run the model.", unknown[0])

    def choice(self, key: str, choices: Mapping[str, S]) -> tuple[str, S]:
        """The entry whose name is the last dotted part of a class name."""
        value = self.values.get(key)
        name = value.rpartition(".")[2] if isinstance(value, str) else ""
        if name not in choices:
            raise self.error(f"is {_shown(value)}; known are {', '.join(choices)}.", key)
        return name, choices[name]


def read(folder: Path) -> Node:
    """The top of a folder's `config.yaml`."""
    name = f"{folder.name}/config.yaml"
    try:
        with (folder / "config.yaml").open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
    except OSError as cause:
        raise CheckpointError(
            f"{name} cannot be read: {cause.strerror or cause}. Download the folder again."
        ) from cause
    if len(text) > _MAX_BYTES:
        raise CheckpointError(f"{name} has more than {_MAX_BYTES} bytes; it is not the configuration of a model.")
    try:
        values = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError) as cause:
        raise CheckpointError(f"{name} is not YAML, or damaged. Download the folder again.") from cause
    return Node(name, "", _mapping(name, values))


def _mapping(place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise CheckpointError(f"{place} is not a mapping of names to values.")
    return value


def build(kind: type[S], node: Node, part: Part, **given: Any) -> S:
    """Settings from the parameters of a section: each field checked, everything else unused, fixed or refused."""
    hints = get_type_hints(kind)
    known = {member.name: member for member in fields(kind) if member.name not in given}  # type: ignore[arg-type]
    node.only(part.unused | part.fixed.keys() | known.keys())
    for key, allowed in part.fixed.items():
        if key in node.values and not any(_same(node.values[key], value) for value in allowed):
            raise node.error(f"is {_shown(node.values[key])}; only {_shown(allowed[0])} is implemented.", key)
    values = dict(given)
    for name, member in known.items():
        if name in node.values:
            values[name] = _value(node, name, hints[name])
        elif member.default is MISSING:
            raise node.error("is missing.", name)
    return kind(**values)


def _value(node: Node, key: str, hint: Any) -> Any:
    value = node.values[key]
    if hint is bool:
        if not isinstance(value, bool):
            raise node.error(f"is {_shown(value)}; it must be true or false.", key)
        return value
    return _float(node, key, value) if hint is float else _integer(node, key, value)


def _integer(node: Node, key: str, value: Any) -> int:
    repeats = "depth" in key or "layers" in key or "experts" in key
    low = 0 if key in {"depth_single_blocks", "num_moe_layers"} else 1
    high = _MAX_REPEATS if repeats else _MAX_FREQUENCIES if key == "num_freqs" else _MAX_NUMBER
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise node.error(f"is {_shown(value)}; it must be a whole number from {low} to {high}.", key)
    return value


def _float(node: Node, key: str, value: Any) -> float:
    # YAML 1.1 reads 1e-6, without a dot, as text.
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= _MAX_NUMBER:
        raise node.error(f"is {_shown(value)}; it must be a number from 0 to {_MAX_NUMBER}.", key)
    return number


def require_divisor(node: Node, small_name: str, small: int, large_name: str, large: int) -> None:
    """Refuse heads that do not share a width evenly, and the like."""
    if large % small:
        raise node.error(f"({small}) must divide {large_name} ({large}).", small_name)


def _same(value: Any, expected: Any) -> bool:
    return bool(value == expected) and isinstance(value, bool) == isinstance(expected, bool)


def _shown(value: Any) -> str:
    """A value of the file, short enough for a message; a container by its kind, as YAML can nest it without end."""
    return f"a {type(value).__name__}" if isinstance(value, dict | list | set | tuple) else repr(value)[:60]
