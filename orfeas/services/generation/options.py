"""The options of a generation as a client gave them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from orfeas.domain import limits, quality
from orfeas.services.plans import PictureRequest

SAME = (
    "quality", "steps", "octree_resolution", "target_faces", "mc_level", "seed", "remove_background", "fit",
    "up_axis", "allow_degrade", "preview",
)  # fmt: skip
"""Members of all engines' requests that are recorded under their own names."""
NEURAL = ("guidance_scale", "deterministic", "keep_latent")
"""The same of requests that use a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Validated options of both surfaces; None or the default where nothing was given.

    `profile` and `allow_degrade` are None where the settings of the compatible surface decide; `batch_size` is the
    largest batch that the stages on a device take part in.
    `views` are the names of several pictures; None where there is one that has no name.
    `prompt` stands in place of pictures, and `picture` is the one that was or will be made of it; without one the
    embedded engine builds what the prompt says.
    """

    formats: tuple[str, ...]
    quality: int = quality.DEFAULT
    engine: str = "auto"
    model: str | None = None
    profile: str | None = None
    mode: str = "auto"
    steps: int | None = None
    octree_resolution: int | None = None
    guidance_scale: float | None = None
    target_faces: int | None = None
    mc_level: float = 0.0
    seed: int | str = 0
    remove_background: str = "auto"
    dimensions_mm: tuple[float, float, float] | None = None
    fit: str = "inside"
    up_axis: str = "y"
    texture: str = "auto"
    material: str | None = None
    texture_size: int | None = None
    require: dict[str, Any] | None = None
    allow_degrade: bool | None = None
    batch_size: int | None = None
    deterministic: bool = False
    preview: bool = True
    use_cache: bool = True
    keep_latent: bool = True
    priority: int = limits.DEFAULT_PRIORITY
    tags: tuple[str, ...] = ()
    project_id: str | None = None
    views: tuple[str, ...] | None = None
    prompt: str | None = None
    picture: PictureRequest | None = None

    @property
    def of_solids(self) -> bool:
        """Whether the embedded engine builds the prompt itself."""
        return self.prompt is not None and (self.picture is None or self.picture.model is None)


def options_of(params: dict[str, Any], **fixed: Any) -> Options:
    """The options among validated parameters of either surface; the members' names are those of v1."""
    known = {name: params[name] for name in Options.__slots__ if params.get(name) is not None}
    known["formats"] = tuple(dict.fromkeys(known.get("formats") or ("glb",)))
    known["tags"] = tuple(dict.fromkeys(known.get("tags") or ()))
    size = params.get("dimensions_mm")
    known["dimensions_mm"] = (float(size["width"]), float(size["height"]), float(size["depth"])) if size else None
    texture = params.get("texture")
    if isinstance(texture, dict):
        named = {
            "texture": texture.get("mode"),
            "material": texture.get("material"),
            "texture_size": texture.get("size"),
        }
        known.pop("texture")
        known.update({name: value for name, value in named.items() if value is not None})
    return Options(**{**known, **fixed})


def drawn(seed: int | str) -> int:
    """The seed, drawn where it is `random`."""
    return secrets.randbelow(limits.SEED[1] + 1) if isinstance(seed, str) else seed
