"""From a stored picture to its subject, for whoever looks for the outline: a cpu worker, or a model on a device."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from orfeas.domain import limits
from orfeas.domain.specs import PrepareImage
from orfeas.errors import InvalidImageError
from orfeas.geometry import subject
from orfeas.geometry.subject import Outline, RemoveBackground, Subject, by_contrast
from orfeas.imaging import load_rgba
from orfeas.imaging.containers import BrokenContainerError, inspect
from orfeas.stages.registry import Result

LARGEST_SIDE = limits.IMAGE_SIDE_PX[1]


def decoded(picture: bytes) -> NDArray[np.uint8]:
    """The pixels (h, w, 4); the header is read before one is decoded, for not every blob was an upload.

    Raises
    ------
    InvalidImageError
        It is no picture, or too large.
    """
    try:
        header = inspect(picture)
    except BrokenContainerError as error:
        raise InvalidImageError(f"The stored picture cannot be read: {error}.") from error
    if max(header.width, header.height) > LARGEST_SIDE:
        raise InvalidImageError(
            f"The stored picture is {header.width} x {header.height} pixels; the longest side is {LARGEST_SIDE}."
        )
    return load_rgba(picture)


def to_cut(rgba: NDArray[np.uint8], spec: PrepareImage) -> NDArray[np.uint8] | None:
    """The picture (h, w, 3) whose outline is looked for; None where nothing is removed."""
    return subject.to_cut(rgba, remove_background=_removal(spec))


def cut_out(rgba: NDArray[np.uint8], spec: PrepareImage, outline: Outline = by_contrast) -> Result:
    """The subject, with what is known of it."""
    prepare = subject.prepare_whole if spec.frame == "whole" else subject.prepare
    found = prepare(rgba, remove_background=_removal(spec), outline=outline)
    return Result(found, _report(found))


def _removal(spec: PrepareImage) -> RemoveBackground:
    return cast(RemoveBackground, spec.remove_background)


def _report(found: Subject) -> dict[str, object]:
    height, width = found.alpha.shape
    return {
        "warnings": list(found.warnings),
        "subject_found": found.found,
        "width": width,
        "height": height,
        "coverage": round(float(found.alpha.mean()), 4),
    }
