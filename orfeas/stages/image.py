"""Pictures: from stored bytes to a subject that can be shaped, and of solids in a style."""

from __future__ import annotations

from io import BytesIO
from typing import cast

from PIL import Image

from orfeas.domain import limits
from orfeas.domain.prompt import NotUnderstoodError, parse
from orfeas.domain.specs import GenerateImage, PrepareImage
from orfeas.errors import InvalidImageError, PromptNotUnderstoodError
from orfeas.geometry import illustration, subject
from orfeas.geometry.assembly import Model
from orfeas.geometry.subject import RemoveBackground, Subject
from orfeas.imaging import load_rgba
from orfeas.imaging.containers import BrokenContainerError, inspect
from orfeas.stages.registry import Progress, Result, implements

LARGEST_SIDE = limits.IMAGE_SIDE_PX[1]
PNG_LEVEL = 1


@implements(PrepareImage)
def prepare(picture: bytes, spec: PrepareImage, on_progress: Progress) -> Result:
    """Decode a stored picture and cut its subject out."""
    _within_limits(picture)
    rgba = load_rgba(picture)
    on_progress(0.3)
    cut_out = subject.prepare_whole if spec.frame == "whole" else subject.prepare
    found = cut_out(rgba, remove_background=cast(RemoveBackground, spec.remove_background))
    return Result(found, _report(found))


@implements(GenerateImage)
def picture(*solids: Model, spec: GenerateImage, on_progress: Progress) -> Result:
    """The solids of a sentence in a style; a sentence that stands for none ends here."""
    if not solids:
        raise _not_understood(spec.prompt)
    pixels = illustration.illustrate(solids[0], style=spec.style, width=spec.width, height=spec.height, seed=spec.seed)
    data = BytesIO()
    Image.fromarray(pixels).save(data, "PNG", compress_level=PNG_LEVEL)
    return Result(data.getvalue(), {"width": spec.width, "height": spec.height, "method": "parametric"})


def _not_understood(prompt: str) -> PromptNotUnderstoodError:
    try:
        parse(prompt)
    except NotUnderstoodError as error:
        return PromptNotUnderstoodError.of(
            error.reason,
            unrecognized_words=error.unrecognized_words,
            near=error.near,
            vocabulary=error.vocabulary,
        )
    return PromptNotUnderstoodError("The prompt was not understood when it was sent, and is now: send it again.")


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
