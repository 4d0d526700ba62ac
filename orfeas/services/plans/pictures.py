"""Pictures of sentences: by a diffusers model, or of the solids of the parametric modeller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orfeas.domain.specs import GenerateImage, Parametric
from orfeas.domain.stages import Queue
from orfeas.domain.styles import DEFAULT_STYLE, TOLD, phrased
from orfeas.jobs.plan import Node, Output, Plan
from orfeas.services.plans.common import FolderModel

RESOLUTION = 72
"""Chords of a full turn: those of a model at the default quality, whose solids are then shared."""
FACETED = 12
"""The same in a style of plain facets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRequest:
    """A picture to be made of a sentence.

    Without a `model` it shows the solids of `scene`, the canonical JSON of what the sentence was understood as; with
    neither, the stage ends in `prompt_not_understood`. `width` and `height` are in pixels.
    """

    prompt: str
    negative_prompt: str = ""
    style: str = DEFAULT_STYLE
    width: int = 512
    height: int = 512
    steps: int = 50
    guidance_scale: float = 7.0
    seed: int = 0
    scene: str | None = None
    model: FolderModel | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What is used; null where solids have no such thing."""
        neural = self.model is not None
        return {
            "steps": self.steps if neural else None,
            "guidance_scale": self.guidance_scale if neural else None,
            "width": self.width,
            "height": self.height,
            "style": self.style,
            "seed": self.seed,
        }

    def document(self) -> dict[str, Any]:
        """As JSON, for rows."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> PictureRequest:
        """What `document` wrote."""
        model = document["model"]
        return cls(**{**document, "model": FolderModel(**model) if model else None})

    def node(self) -> Node:
        """The stage whose output is the PNG."""
        return self._denoised(self.model) if self.model else self._rendered()

    def _denoised(self, model: FolderModel) -> Node:
        prompt, negative = phrased(self.prompt, self.negative_prompt, self.style)
        spec = GenerateImage(
            **model.members, prompt=prompt, negative_prompt=negative, width=self.width, height=self.height,
            num_inference_steps=self.steps, guidance_scale=self.guidance_scale, seed=self.seed,
        )  # fmt: skip
        return Node(spec, model=model.identity)

    def _rendered(self) -> Node:
        """On a cpu worker; the words count by their scene alone, and only where there is none by themselves."""
        chords = FACETED if TOLD[self.style].faceted else RESOLUTION
        inputs = (Node(Parametric(scene=self.scene, seed=self.seed, resolution=chords)),) if self.scene else ()
        spec = GenerateImage(
            prompt="" if inputs else self.prompt, width=self.width, height=self.height, num_inference_steps=0,
            guidance_scale=0.0, seed=self.seed, style=self.style,
        )  # fmt: skip
        return Node(spec, inputs, queue=Queue.CPU)


def picture_plan(request: PictureRequest, filename: str) -> Plan:
    """The picture as the one file of a run."""
    return Plan((Output(request.node(), role="source", format="png", filename=filename, media_type="image/png"),))
