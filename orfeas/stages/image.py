"""Pictures: from stored bytes to a subject that can be shaped, and of solids in a style."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from orfeas.domain.prompt import NotUnderstoodError, parse
from orfeas.domain.specs import GenerateImage, PrepareImage
from orfeas.errors import PromptNotUnderstoodError
from orfeas.geometry import illustration
from orfeas.geometry.assembly import Model
from orfeas.stages.registry import Progress, Result, implements
from orfeas.stages.subject import cut_out, decoded

PNG_LEVEL = 1


@implements(PrepareImage)
def prepare(picture: bytes, spec: PrepareImage, on_progress: Progress) -> Result:
    """Decode a stored picture and cut its subject out."""
    rgba = decoded(picture)
    on_progress(0.3)
    return cut_out(rgba, spec)


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
