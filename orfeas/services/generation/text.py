"""Sentences as the embedded engine takes them: what they are understood as, and what has no effect on solids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orfeas.domain.prompt import NotUnderstoodError, Parsed, parse
from orfeas.errors import PromptNotUnderstoodError

if TYPE_CHECKING:
    from orfeas.services.generation.options import Options

NO_PASSES = "has no effect: solids are built exactly, without passes and grids."


def understood(prompt: str) -> Parsed:
    """The scene of a sentence.

    Raises
    ------
    PromptNotUnderstoodError
        It names no known shape, or fewer than half of its words are known; with the vocabulary and near matches.
    """
    try:
        return parse(prompt)
    except NotUnderstoodError as error:
        raise PromptNotUnderstoodError.of(
            error.reason,
            unrecognized_words=error.unrecognized_words,
            near=error.near,
            vocabulary=error.vocabulary,
        ) from error


def left_out(parsed: Parsed) -> list[str]:
    """The warning about words that mean nothing here."""
    if not parsed.unrecognized_words:
        return []
    return [f"Words that are not in the vocabulary were left out: {', '.join(parsed.unrecognized_words)}."]


def without_effect(options: Options) -> list[tuple[str, str]]:
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
