"""What a stage is: a name, a version, a queue and typed parameters (design, section 1).

The implementation of each is in `orfeas/stages/`; this half is importable by every layer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar

from orfeas.domain.fingerprint import canonical


class Queue(StrEnum):
    """Which kind of worker runs a stage."""

    CPU = "cpu"
    GPU = "gpu"
    IO = "io"


class Produces(StrEnum):
    """What a stage leaves behind, beside its small JSON report."""

    ARRAYS = "arrays"
    FILE = "file"
    NOTHING = "nothing"


class Keep(StrEnum):
    """How long an output is worth its bytes; a transient one is cheaper to make again than to keep after its run."""

    FILE = "file"
    LATENT = "latent"
    INTERMEDIATE = "intermediate"
    TRANSIENT = "transient"


@dataclass(frozen=True, slots=True)
class StageSpec:
    """The parameters of one stage. Equal specs on equal inputs give equal outputs."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    queue: ClassVar[Queue] = Queue.CPU
    produces: ClassVar[Produces] = Produces.ARRAYS
    keep: ClassVar[Keep] = Keep.INTERMEDIATE
    weight: ClassVar[int] = 10
    timeout_s: ClassVar[float] = 300.0
    needs_config: ClassVar[bool] = False
    """Its implementation is given the settings of the process: it works on files of the machine."""

    def parameters(self) -> dict[str, Any]:
        """Every parameter with its default filled in; floats stay floats whatever was given."""
        found: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            found[field.name] = _as_declared(value, str(field.type))
        return dict(canonical(found))


def _as_declared(value: Any, declared: str) -> Any:
    if "float" not in declared:
        return value
    if isinstance(value, list | tuple):
        return [_as_declared(member, declared) for member in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
