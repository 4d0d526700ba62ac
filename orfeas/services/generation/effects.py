"""Options that change nothing for the chosen engine, with the sentences that say so."""

from __future__ import annotations

from orfeas.domain.formats import MESH_FORMATS
from orfeas.services.generation.options import Options
from orfeas.services.plans import ModelRef

NO_PASSES = "has no effect: solids are built exactly, without passes and grids."


def without_effect(options: Options, model: ModelRef | None) -> list[tuple[str, str]]:
    """Parameters that change nothing here, with the sentence that says so."""
    if model:
        found = _without_effect_on_a_model(options)
    elif options.of_solids:
        found = _without_effect_on_solids(options)
    else:
        found = _without_effect_on_the_embedded_engine(options)
    found += _looks_without_effect(options, model)
    if options.material is not None and options.texture != "material":
        found.append(("/material", f"material has no effect with texture {options.texture}."))
    return found


def hints(options: Options, model: ModelRef | None) -> list[str]:
    """What is told on both surfaces of options that change nothing here."""
    made_of_it = model is None and not options.of_solids and options.texture == "auto"
    photo = made_of_it or options.texture == "projection"
    textured = photo and any(MESH_FORMATS[name].textures for name in options.formats)
    found = []
    if options.texture_size is not None and not textured:
        found.append("texture size has no effect: no file of this request carries a picture.")
    if options.batch_size is not None and model is None:
        found.append("batch_size has no effect: the embedded engine makes each model alone.")
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


def _without_effect_on_solids(options: Options) -> list[tuple[str, str]]:
    """Parameters that change nothing about solids, with the sentence that says so."""
    found = [(name, getattr(options, name) is not None) for name in ("steps", "octree_resolution")]
    told = [(f"/{name}", f"{name} {NO_PASSES}") for name, given in found if given]
    if options.guidance_scale is not None:
        told.append(("/guidance_scale", "guidance_scale has no effect: the embedded engine has no guidance."))
    if options.mc_level != 0.0:
        told.append(("/mc_level", f"mc_level {NO_PASSES}"))
    if options.model is not None:
        told.append(("/model", "model has no effect: the embedded engine uses none."))
    if options.mode != "auto":
        told.append(("/mode", f"mode has no effect: {options.mode} makes shapes of images."))
    if options.remove_background != "auto":
        told.append(("/remove_background", "remove_background has no effect: a prompt has no background."))
    if not options.keep_latent:
        told.append(("/keep_latent", "keep_latent has no effect: the embedded engine has no latent."))
    return told
