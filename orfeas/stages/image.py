"""Pictures: from stored bytes to a subject that can be shaped."""

from __future__ import annotations

from typing import cast

from orfeas.domain import limits
from orfeas.domain.specs import PrepareImage
from orfeas.errors import InvalidImageError
from orfeas.geometry import subject
from orfeas.geometry.subject import RemoveBackground, Subject
from orfeas.imaging import load_rgba
from orfeas.imaging.containers import BrokenContainerError, inspect
from orfeas.stages.registry import Progress, Result, implements

LARGEST_SIDE = limits.IMAGE_SIDE_PX[1]


@implements(PrepareImage)
def prepare(picture: bytes, spec: PrepareImage, on_progress: Progress) -> Result:
    """Decode a stored picture and cut its subject out."""
    _within_limits(picture)
    rgba = load_rgba(picture)
    on_progress(0.3)
    cut_out = subject.prepare_whole if spec.frame == "whole" else subject.prepare
    found = cut_out(rgba, remove_background=cast(RemoveBackground, spec.remove_background))
    return Result(found, _report(found))


def _within_limits(picture: bytes) -> None:
    """Read the header before a pixel is decoded: a blob may have been put there by other means than an upload."""
    try:
        header = inspect(picture)
    except BrokenContainerError as error:
        raise InvalidImageError(f"The stored picture cannot be read: {error}.") from error
    if max(header.width, header.height) > LARGEST_SIDE:
        raise InvalidImageError(
            f"The stored picture is {header.width} x {header.height} pixels; the longest side is {LARGEST_SIDE}."
        )


def _report(found: Subject) -> dict[str, object]:
    height, width = found.alpha.shape
    return {
        "warnings": list(found.warnings),
        "subject_found": found.found,
        "width": width,
        "height": height,
        "coverage": round(float(found.alpha.mean()), 4),
    }
