"""The options of a generation as a client gave them, checked against what the engine can do.

Every option changes the result, is refused, or (on the compatible surface, whose clients always send some) is named in
`warnings`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orfeas.domain import limits, quality
from orfeas.domain.formats import MESH_FORMATS
from orfeas.domain.presets import MATERIALS
from orfeas.domain.profiles import STANDARD, Switches
from orfeas.errors import (
    InvalidRequestError,
    OrfeasError,
    ParameterNotSupportedError,
)
from orfeas.jobs.views import Surface
from orfeas.services.engines import EMBEDDED, Choice
from orfeas.services.generation import text
from orfeas.services.plans import (
    FolderModel,
    GenerationRequest,
    ModelRef,
    NeuralRequest,
    ParametricRequest,
    PictureRequest,
    ShapeRequest,
)
from orfeas.services.plans.common import mend

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


def checked(options: Options, surface: Surface, choice: Choice = EMBEDDED) -> tuple[ShapeRequest, list[str]]:
    """What the chosen engine is asked for, and the warnings; everything it cannot do is refused.

    Raises
    ------
    InvalidRequestError
        Texture mode material without a material that is known.
    ParameterNotSupportedError
        A parameter that the chosen engine cannot use (v1), or one of a later release.
    """
    _refuse_features(options)
    ignored = dict(_without_effect(options, choice.model))
    if options.of_solids and choice.model is None:
        return _solids(options, surface, ignored)
    _refuse_ignored(ignored, surface)
    return _request(options, choice.model), [*ignored.values(), *_hints(options, choice.model)]


def _solids(options: Options, surface: Surface, ignored: dict[str, str]) -> tuple[ShapeRequest, list[str]]:
    """What the parametric modeller is asked for."""
    _refuse_ignored(ignored, surface)
    parsed = text.understood(options.prompt or "")
    request = ParametricRequest(
        scene=parsed.scene.json(), seed=drawn(options.seed), texture=options.texture, **_common(options)
    )
    return request, [*ignored.values(), *text.left_out(parsed), *_hints(options, None)]


def _refuse_ignored(ignored: Mapping[str, str], surface: Surface) -> None:
    if ignored and surface is Surface.V1:
        raise ParameterNotSupportedError(
            f"{next(iter(ignored.values())).rstrip('.')}; leave it out.",
            errors=[_error(pointer, why, "parameter_not_supported") for pointer, why in ignored.items()],
        )


def normalised(options: Options, request: ShapeRequest, images: Mapping[str, str]) -> dict[str, Any]:
    """The request as clients see it again, and as later conversions and retries rebuild it.

    `images` are the ids of the pictures by view.
    """
    same = ("engine", "model", "deterministic", "use_cache", "keep_latent", "priority")
    sources = {view: {"asset_id": asset_id} for view, asset_id in images.items()}
    single = {"prompt": options.prompt} if options.prompt is not None else {"image": sources.get("front")}
    return {
        **({"images": sources} if options.views is not None else single),
        **{name: getattr(options, name) for name in same},
        "profile": options.profile or STANDARD,
        "mode": options.mode,
        "guidance_scale": None,
        **recorded(request),
        "tags": list(options.tags),
    }


def recorded(request: ShapeRequest) -> dict[str, Any]:
    """The members that an engine's request fills; `request_of` reads them back."""
    size = request.dimensions_mm
    return {
        **{name: getattr(request, name) for name in (*SAME, *_own(type(request)))},
        "formats": list(request.formats),
        "dimensions_mm": None if size is None else dict(zip(("width", "height", "depth"), size, strict=True)),
        "texture": {"mode": request.texture, "material": request.material, "size": request.texture_size},
        "require": None if request.require is None else dict(request.require),
    }


def _own(kind: type[ShapeRequest]) -> tuple[str, ...]:
    """Members that only one engine's requests have."""
    return {NeuralRequest: NEURAL, GenerationRequest: ("mode",)}.get(kind, ())


def request_of(
    recorded: dict[str, Any],
    model: Mapping[str, Any] | None = None,
    degraded: Sequence[Mapping[str, Any]] = (),
    tuning: Mapping[str, Any] | None = None,
) -> ShapeRequest:
    """The request that a run recorded, stepped down and mended as the run was.

    `model` is what it used, and `tuning` the settings of the run, where `tuned` left what its profile meant.
    """
    size, texture = recorded["dimensions_mm"], recorded["texture"]
    common: dict[str, Any] = {
        "formats": tuple(recorded["formats"]),
        "dimensions_mm": (size["width"], size["height"], size["depth"]) if size else None,
        "texture": texture["mode"],
        "texture_size": texture["size"],
        "material": texture["material"],
        "require": recorded.get("require"),
        **{name: recorded[name] for name in SAME},
    }
    scene = (tuning or {}).get("scene")
    kind = NeuralRequest if model else ParametricRequest if scene else GenerationRequest
    common |= {name: recorded[name] for name in _own(kind)}
    request: ShapeRequest
    if model:
        request = NeuralRequest(model=ModelRef.read(model), **common)
    else:
        request = ParametricRequest(scene=scene, **common) if scene else GenerationRequest(**common)
    request = _retuned(request, tuning or {})
    for change in degraded:
        request = _changed(request, change)
    return request


def tuned(request: ShapeRequest) -> dict[str, Any]:
    """What a profile means for a request, for its run's settings; `request_of` reads it back."""
    below = request.below and [request.below[0], request.below[1].document()]
    found = {"switches": request.switches.document(), "below": below, "repair": request.repair}
    return {name: value for name, value in found.items() if value}


def _retuned(request: ShapeRequest, tuning: Mapping[str, Any]) -> ShapeRequest:
    below, background = tuning.get("below"), tuning.get("background")
    return replace(
        request,
        background=FolderModel(**background) if background else None,
        switches=Switches.read(tuning.get("switches")),
        below=(below[0], Switches.read(below[1])) if below else None,
        repair=bool(tuning.get("repair")),
    )


def _changed(request: ShapeRequest, change: Mapping[str, Any]) -> ShapeRequest:
    if change.get("repair"):
        return mend(request)[0]
    return request.stepped_down() if "profile" in change else request.lighter() or request


def _refuse_features(options: Options) -> None:
    if options.texture == "paint":
        raise _at(
            ParameterNotSupportedError, "/texture", "texture paint is not part of this release; use auto or none."
        )
    if options.project_id is not None:
        raise _at(ParameterNotSupportedError, "/project_id", "Projects are not part of this release; leave it out.")
    if options.texture == "material" and options.material not in MATERIALS:
        given = "none is named" if options.material is None else f"{options.material!r} is not known"
        names = ", ".join(MATERIALS)
        raise _at(InvalidRequestError, "/material", f"texture material needs a material and {given}; use {names}.")


def _at(kind: type[OrfeasError], pointer: str, detail: str) -> OrfeasError:
    return kind(detail, errors=[_error(pointer, detail, kind.code)])


def _error(pointer: str, detail: str, code: str) -> dict[str, str]:
    return {"pointer": pointer, "detail": detail, "code": code}


def _without_effect(options: Options, model: ModelRef | None) -> list[tuple[str, str]]:
    """Parameters that change nothing here, with the sentence that says so."""
    if model:
        found = _without_effect_on_a_model(options)
    elif options.of_solids:
        found = text.without_effect(options)
    else:
        found = _without_effect_on_the_embedded_engine(options)
    found += _looks_without_effect(options, model)
    if options.material is not None and options.texture != "material":
        found.append(("/material", f"material has no effect with texture {options.texture}."))
    return found


def _looks_without_effect(options: Options, model: ModelRef | None) -> list[tuple[str, str]]:
    if options.texture not in ("material", "projection"):
        return []
    if not any(MESH_FORMATS[name].colors for name in options.formats):
        why = f"{', '.join(options.formats)} carries no colours; ask for glb, obj or 3mf."
    elif options.texture == "material" or model is not None:
        return []
    elif options.of_solids:
        why = "solids of a prompt have no photo."
    elif options.mode == "lithophane":
        why = "a lithophane shows its picture by light."
    else:
        return []
    return [("/texture", f"texture {options.texture} has no effect: {why}")]


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
        why = "keep_latent has no effect: the embedded engine has no latent, and its height field ages in the cache."
        found.append(("/keep_latent", why))
    return found


def _hints(options: Options, model: ModelRef | None) -> list[str]:
    made_of_it = model is None and not options.of_solids and options.texture == "auto"
    photo = made_of_it or options.texture == "projection"
    textured = photo and any(MESH_FORMATS[name].textures for name in options.formats)
    found = []
    if options.texture_size is not None and not textured:
        found.append("texture size has no effect: no file of this request carries a picture.")
    if options.batch_size is not None and model is None:
        found.append("batch_size has no effect: the embedded engine makes each model alone.")
    return found


def drawn(seed: int | str) -> int:
    """The seed, drawn where it is `random`."""
    return secrets.randbelow(limits.SEED[1] + 1) if isinstance(seed, str) else seed


def _request(options: Options, model: ModelRef | None) -> ShapeRequest:
    common = _common(options)
    if model is None:
        seed = options.seed if isinstance(options.seed, int) else 0
        return GenerationRequest(seed=seed, texture=options.texture, mode=options.mode, **common)
    own = {name: getattr(options, name) for name in NEURAL}
    texture = options.texture if options.texture in ("material", "projection") else "none"
    return NeuralRequest(model=model, seed=drawn(options.seed), texture=texture, **own, **common)


def _common(options: Options) -> dict[str, Any]:
    """What the requests of all engines have."""
    return {
        **{name: getattr(options, name) for name in SAME if name != "seed"},
        "formats": options.formats,
        "dimensions_mm": options.dimensions_mm,
        "material": options.material if options.texture == "material" else None,
        "texture_size": options.texture_size or 1024,
        "require": options.require or None,
        "allow_degrade": bool(options.allow_degrade),
    }
