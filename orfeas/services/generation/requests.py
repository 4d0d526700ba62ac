"""Requests as runs record them, and read back for conversions, retries and derivations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from orfeas.domain.profiles import STANDARD, Switches
from orfeas.services.generation.options import NEURAL, SAME, Options
from orfeas.services.plans import (
    FolderModel,
    GenerationRequest,
    ModelRef,
    NeuralRequest,
    ParametricRequest,
    ShapeRequest,
)
from orfeas.services.plans.common import mend


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
