"""The options of a generation as a client gave them, checked against what the engine can do.

Every option changes the result, is refused, or (on the compatible surface, whose clients always send some) is named in
`warnings`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orfeas.domain import limits, quality
from orfeas.domain.formats import MESH_FORMATS, WRITABLE
from orfeas.errors import (
    CapabilityMissingError,
    FormatUnavailableError,
    OrfeasError,
    ParameterNotSupportedError,
)
from orfeas.jobs.views import Surface
from orfeas.services.engines import EMBEDDED, Choice
from orfeas.services.plans import GenerationRequest, ModelRef, NeuralRequest, ShapeRequest

STANDARD = "standard"
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

    `views` are the names of several pictures; None where there is one that has no name.
    """

    formats: tuple[str, ...]
    quality: int = quality.DEFAULT
    engine: str = "auto"
    model: str | None = None
    profile: str = STANDARD
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
    allow_degrade: bool = False
    deterministic: bool = False
    preview: bool = True
    use_cache: bool = True
    keep_latent: bool = True
    priority: int = limits.DEFAULT_PRIORITY
    tags: tuple[str, ...] = ()
    project_id: str | None = None
    views: tuple[str, ...] | None = None


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


def checked(options: Options, surface: Surface, choice: Choice = EMBEDDED) -> tuple[ShapeRequest, list[str]]:
    """What the chosen engine is asked for, and the warnings; everything it cannot do is refused.

    Raises
    ------
    FormatUnavailableError
        A format cannot be written here.
    CapabilityMissingError
        A feature that no installed engine has.
    ParameterNotSupportedError
        A parameter that the chosen engine cannot use (v1), or one of a later release.
    """
    _refuse_formats(options)
    _refuse_features(options)
    ignored = dict(_without_effect(options, choice.model))
    if ignored and surface is Surface.V1:
        raise ParameterNotSupportedError(
            f"{next(iter(ignored.values())).rstrip('.')}; leave it out.",
            errors=[_error(pointer, text, "parameter_not_supported") for pointer, text in ignored.items()],
        )
    return _request(options, choice.model), [*ignored.values(), *_hints(options, choice.model)]


def normalised(options: Options, request: ShapeRequest, images: Mapping[str, str]) -> dict[str, Any]:
    """The request as clients see it again, and as later conversions and retries rebuild it.

    `images` are the ids of the pictures by view.
    """
    same = ("engine", "model", "profile", "deterministic", "use_cache", "keep_latent", "priority")
    sources = {view: {"asset_id": asset_id} for view, asset_id in images.items()}
    return {
        **({"images": sources} if options.views is not None else {"image": sources["front"]}),
        **{name: getattr(options, name) for name in same},
        "mode": options.mode,
        "guidance_scale": None,
        **recorded(request),
        "require": None,
        "tags": list(options.tags),
    }


def recorded(request: ShapeRequest) -> dict[str, Any]:
    """The members that an engine's request fills; `request_of` reads them back."""
    size = request.dimensions_mm
    own = NEURAL if isinstance(request, NeuralRequest) else ("mode",)
    return {
        **{name: getattr(request, name) for name in (*SAME, *own)},
        "formats": list(request.formats),
        "dimensions_mm": None if size is None else dict(zip(("width", "height", "depth"), size, strict=True)),
        "texture": {"mode": request.texture, "material": None, "size": request.texture_size},
    }


def request_of(recorded: dict[str, Any], model: Mapping[str, Any] | None = None, degraded: int = 0) -> ShapeRequest:
    """The request that a run recorded, stepped down as often as the run was; `model` is what it used."""
    size, texture = recorded["dimensions_mm"], recorded["texture"]
    common: dict[str, Any] = {
        "formats": tuple(recorded["formats"]),
        "dimensions_mm": (size["width"], size["height"], size["depth"]) if size else None,
        "texture": texture["mode"],
        "texture_size": texture["size"],
        **{name: recorded[name] for name in (*SAME, *(NEURAL if model else ("mode",)))},
    }
    request: ShapeRequest = (
        NeuralRequest(model=ModelRef.read(model), **common) if model else GenerationRequest(**common)
    )
    for _ in range(degraded):
        request = request.lighter() or request
    return request


def _refuse_formats(options: Options) -> None:
    for name in options.formats:
        reason = MESH_FORMATS[name].reason
        if reason:
            raise FormatUnavailableError(f"{name}: {reason}", allowed=list(WRITABLE))


def _refuse_features(options: Options) -> None:
    if options.texture == "paint":
        raise _at(
            ParameterNotSupportedError, "/texture", "texture paint is not part of this release; use auto or none."
        )
    if options.project_id is not None:
        raise _at(ParameterNotSupportedError, "/project_id", "Projects are not part of this release; leave it out.")
    if options.texture not in ("auto", "none"):
        raise _at(
            CapabilityMissingError,
            "/texture",
            f"texture {options.texture} cannot be made by any installed engine; use auto or none.",
        )
    if options.profile != STANDARD:
        raise _at(CapabilityMissingError, "/profile", f"Profile {options.profile} is not available; use standard.")
    if options.require:
        raise _at(CapabilityMissingError, "/require", "Post-conditions are not available; leave out require.")


def _at(kind: type[OrfeasError], pointer: str, detail: str) -> OrfeasError:
    return kind(detail, errors=[_error(pointer, detail, kind.code)])


def _error(pointer: str, detail: str, code: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail, "code": code}


def _without_effect(options: Options, model: ModelRef | None) -> list[tuple[str, str]]:
    """Parameters that change nothing here, with the sentence that says so."""
    found = _without_effect_on_a_model(options) if model else _without_effect_on_the_embedded_engine(options)
    if options.material is not None:
        found.append(("/material", f"material has no effect with texture {options.texture}."))
    return found


def _without_effect_on_a_model(options: Options) -> list[tuple[str, str]]:
    if options.mode == "auto":
        return []
    return [("/mode", f"mode has no effect: {options.mode} belongs to the embedded engine.")]


def _without_effect_on_the_embedded_engine(options: Options) -> list[tuple[str, str]]:
    found = []
    if options.model is not None:
        found.append(("/model", "model has no effect: the embedded engine uses none."))
    if options.guidance_scale is not None:
        found.append(("/guidance_scale", "guidance_scale has no effect: the embedded engine has no guidance."))
    if options.seed != 0:
        found.append(("/seed", "seed has no effect: the embedded engine draws nothing at random."))
    if not options.keep_latent:
        text = "keep_latent has no effect: the embedded engine has no latent, and its height field ages in the cache."
        found.append(("/keep_latent", text))
    return found


def _hints(options: Options, model: ModelRef | None) -> list[str]:
    textured = (
        model is None and options.texture != "none" and any(MESH_FORMATS[name].textures for name in options.formats)
    )
    if options.texture_size is not None and not textured:
        return ["texture size has no effect: no file of this request carries a picture."]
    return []


def _request(options: Options, model: ModelRef | None) -> ShapeRequest:
    common: dict[str, Any] = {
        **{name: getattr(options, name) for name in SAME if name != "seed"},
        "formats": options.formats,
        "dimensions_mm": options.dimensions_mm,
        "texture_size": options.texture_size or 1024,
    }
    if model is None:
        seed = options.seed if isinstance(options.seed, int) else 0
        return GenerationRequest(seed=seed, texture=options.texture, mode=options.mode, **common)
    drawn = secrets.randbelow(limits.SEED[1] + 1) if isinstance(options.seed, str) else options.seed
    own = {name: getattr(options, name) for name in NEURAL}
    return NeuralRequest(model=model, seed=drawn, **own, **common)
