"""Options checked against what the chosen engine can do.

Every option changes the result, is refused, or (on the compatible surface, whose clients always send some) is named in
`warnings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orfeas.domain.presets import MATERIALS
from orfeas.errors import InvalidRequestError, ParameterNotSupportedError
from orfeas.jobs.views import Surface
from orfeas.services.engines import EMBEDDED, Choice
from orfeas.services.generation import text
from orfeas.services.generation.effects import hints, without_effect
from orfeas.services.generation.options import NEURAL, SAME, Options, drawn
from orfeas.services.plans import GenerationRequest, ModelRef, NeuralRequest, ParametricRequest, ShapeRequest


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
    ignored = dict(without_effect(options, choice.model))
    if options.of_solids and choice.model is None:
        return _solids(options, surface, ignored)
    _refuse_ignored(ignored, surface)
    return _request(options, choice.model), [*ignored.values(), *hints(options, choice.model)]


def _solids(options: Options, surface: Surface, ignored: dict[str, str]) -> tuple[ShapeRequest, list[str]]:
    """What the parametric modeller is asked for."""
    _refuse_ignored(ignored, surface)
    parsed = text.understood(options.prompt or "")
    request = ParametricRequest(
        scene=parsed.scene.json(), seed=drawn(options.seed), texture=options.texture, **_common(options)
    )
    return request, [*ignored.values(), *text.left_out(parsed), *hints(options, None)]


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


def _refuse_features(options: Options) -> None:
    if options.texture == "paint":
        raise ParameterNotSupportedError.at("/texture", "texture paint is not part of this release; use auto or none.")
    if options.project_id is not None:
        raise ParameterNotSupportedError.at("/project_id", "Projects are not part of this release; leave it out.")
    if options.texture == "material" and options.material not in MATERIALS:
        given = "none is named" if options.material is None else f"{options.material!r} is not known"
        names = ", ".join(MATERIALS)
        raise InvalidRequestError.at("/material", f"texture material needs a material and {given}; use {names}.")


def _refuse_ignored(ignored: Mapping[str, str], surface: Surface) -> None:
    if ignored and surface is Surface.V1:
        raise ParameterNotSupportedError(
            f"{next(iter(ignored.values())).rstrip('.')}; leave it out.",
            errors=[
                {"pointer": pointer, "detail": why, "code": ParameterNotSupportedError.code}
                for pointer, why in ignored.items()
            ],
        )
