"""Descriptions of materials as files."""

from __future__ import annotations

from orfeas.domain.specs import WriteMaterial
from orfeas.stages.registry import Progress, implements


@implements(WriteMaterial)
def write(spec: WriteMaterial, on_progress: Progress) -> bytes:
    """The bytes of a text."""
    return spec.text.encode()
