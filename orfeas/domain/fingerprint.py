"""The identity of a computation: canonical JSON and its hash (design: a stage is a pure function)."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from typing import Any


def canonical(value: Any) -> Any:
    """The value with one spelling only: text NFC, tuples as lists, keys sorted by `canonical_json`."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {canonical(str(key)): canonical(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(member) for member in value]
    if isinstance(value, float) and not (value - value == 0.0):
        raise ValueError(f"{value!r} is not a finite number")
    return value


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, integers as integers, floats by repr."""
    return json.dumps(canonical(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def fingerprint(value: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
