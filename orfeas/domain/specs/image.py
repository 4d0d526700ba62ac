"""The stages that make, prepare and measure pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from orfeas.domain.specs.device import DeviceSpec
from orfeas.domain.stages import Keep, Produces, Queue, StageSpec


@dataclass(frozen=True, slots=True)
class PrepareImage(DeviceSpec):
    """Cut the subject out of a picture. Input: the bytes of a stored image.

    `frame` is `subject`: cropped to it with a margin, or `whole`: the frame of the picture stays, and an alpha of its
    own is taken as it is (the neural models centre the subject themselves). `place` is the folder of a model that finds
    the subject; without one a cpu worker looks for it.
    """

    name: ClassVar[str] = "image.prepare"
    version: ClassVar[int] = 2
    queue: ClassVar[Queue] = Queue.CPU
    weight: ClassVar[int] = 5
    timeout_s: ClassVar[float] = 300.0
    remove_background: str = "auto"
    frame: str = "subject"

    def parameters(self) -> dict[str, Any]:
        """Without a model only what is used then."""
        found = DeviceSpec.parameters(self)
        return found if self.place else {name: found[name] for name in ("remove_background", "frame")}


@dataclass(frozen=True, slots=True)
class GenerateImage(DeviceSpec):
    """A picture of a text, as PNG. `place` is a diffusers folder; the prompts hold the words of the style already.

    Without a folder a cpu worker renders the solids that are its input in a `style`, and refuses a prompt that stands
    for none. `width` and `height` are in pixels.
    """

    name: ClassVar[str] = "image.generate"
    version: ClassVar[int] = 2
    produces: ClassVar[Produces] = Produces.FILE
    keep: ClassVar[Keep] = Keep.FILE
    weight: ClassVar[int] = 20
    prompt: str = ""
    negative_prompt: str = ""
    width: int = 512
    height: int = 512
    num_inference_steps: int = 50
    guidance_scale: float = 7.0
    seed: int = 0
    style: str = ""


@dataclass(frozen=True, slots=True)
class MeasureImage(StageSpec):
    """What a picture is good for as an input. Input: the bytes of a stored image. The figures are its report."""

    name: ClassVar[str] = "image.measure"
    produces: ClassVar[Produces] = Produces.NOTHING
