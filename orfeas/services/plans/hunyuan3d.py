"""The engine hunyuan3d: tokens of pictures, latents by diffusion, and the surface that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from orfeas.domain.quality import FULL, TURBO, Quality
from orfeas.domain.specs import ShapeDecode, ShapeEncode, ShapeSample, Texture
from orfeas.domain.stages import Keep
from orfeas.jobs.plan import Node
from orfeas.services.plans.common import Chain, Pictures, ShapeRequest

HUNYUAN3D_ENGINE = "hunyuan3d"
GUIDANCE = 5.0


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as a run uses it.

    `digest` is what fingerprints are made from: the revision, or while the files are not hashed, their sizes and times.
    """

    id: str
    place: str
    digest: str
    precision: str
    revision: str | None = None
    views: tuple[str, ...] = ("front",)
    distilled: bool = False
    licence: dict[str, Any] | None = None

    @property
    def multi_view(self) -> bool:
        """Whether it takes several views by name."""
        return len(self.views) > 1

    def document(self) -> dict[str, Any]:
        """As JSON, for rows."""
        return {**asdict(self), "views": list(self.views)}

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> ModelRef:
        """What `document` wrote."""
        return cls(**{**document, "views": tuple(document["views"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class NeuralRequest(ShapeRequest):
    """What a model is asked to make of a picture or several views. Its files carry them where that is asked for."""

    model: ModelRef
    texture: str = "none"
    guidance_scale: float | None = None
    deterministic: bool = False
    keep_latent: bool = True

    engine: ClassVar[str] = HUNYUAN3D_ENGINE
    lighter_after: ClassVar[frozenset[str]] = frozenset({"gpu_memory", "stage_memory"})

    @property
    def rows(self) -> Mapping[int, Quality]:
        """The quality map: step-distilled models have their own."""
        return TURBO if self.model.distilled else FULL

    @property
    def method(self) -> str | None:
        """The model's id."""
        return self.model.id

    @property
    def model_id(self) -> str | None:
        """The model's id."""
        return self.model.id

    @property
    def licence(self) -> str | None:
        """The name of the model's terms; None where they are not known."""
        return self.model.licence["name"] if self.model.licence else None

    @property
    def guidance(self) -> float | None:
        """The scale that was asked for, or that of all qualities."""
        return GUIDANCE if self.guidance_scale is None else self.guidance_scale

    def mapped_steps(self, row: Quality) -> int:
        """The profile's share of the steps; step-distilled models keep their own map."""
        return row.steps if self.model.distilled else self.switches.steps(row.steps)

    def lighter_steps(self, row: Quality) -> int | None:
        """Those that it had: the latents are kept, so fewer steps would cost time instead of saving memory."""
        return int(self.settings["steps"])

    def chain(self, pictures: Pictures) -> Chain:
        """Prepare each view, encode, sample, decode and finish; lay the pictures on it where that is asked for."""
        model = {"id": self.model.id, "revision": self.model.digest, "loras": []}
        views = tuple(view for view in self.model.views if view in pictures)
        prepared = [self.prepared(pictures[view], frame="whole") for view in views]
        shared = {
            "model": self.model.id,
            "place": self.model.place,
            "revision": self.model.digest,
            "precision": self.model.precision,
        }
        encoded = Node(ShapeEncode(**shared, views=views if self.model.multi_view else ()), (*prepared,), model)
        sampled = Node(
            ShapeSample(
                **shared,
                num_inference_steps=self.settings["steps"],
                guidance_scale=self.guidance,
                seed=self.seed,
                deterministic=self.deterministic,
                compiled=self.switches.compiled,
            ),
            (encoded,),
            model,
            keep=None if self.keep_latent else Keep.TRANSIENT,
        )
        decode = ShapeDecode(
            **shared, octree_resolution=self.grid, mc_level=self.mc_level, method=self.switches.volume_decoding
        )
        plain = self.finished(Node(decode, (sampled,), model))
        return Chain(plain, self._textured(plain, views, prepared))

    def _textured(self, plain: Node, views: tuple[str, ...], prepared: list[Node]) -> Node:
        """In a material, or painted with the pictures that it was made of."""
        if self.texture == "material":
            return self.dressed(plain)
        if self.texture == "projection":
            return Node(Texture(size=self.texture_size, mode="projection", views=views), (plain, *prepared))
        return plain
