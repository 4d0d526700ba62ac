"""Styles of pictures made from sentences, as a diffusers model is told of them; `rendering.looks` draws them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

DEFAULT_STYLE = "realistic"
BAD = "text, watermark, several pictures, cropped, blurred, low quality, deformed"


@dataclass(frozen=True, slots=True)
class Style:
    """What a model is told, and how solids are built.

    Attributes
    ----------
    phrase, avoid : str
        Joined to the prompt and to the negative prompt.
    faceted : bool
        Whether the solids are built with few, plain faces.
    """

    phrase: str
    avoid: str = ""
    faceted: bool = False


_REAL = "studio photograph, physically based materials, soft light, plain white background"

TOLD = MappingProxyType(
    {
        "realistic": Style(_REAL, "drawing, cartoon"),
        "photorealistic": Style(f"photorealistic, sharp focus, {_REAL}", "drawing, cartoon, render"),
        "photographic": Style(f"product photograph, 85 mm lens, {_REAL}", "drawing, cartoon, render"),
        "3d_render": Style("3D render, ray traced, studio light, plain white background", "photograph, drawing"),
        "artistic": Style("painting, warm light, visible brush strokes", "photograph"),
        "digital_art": Style("digital art, warm light, soft steps of colour", "photograph"),
        "anime": Style("anime style, cel shading, clean outlines", "photograph, realistic"),
        "cyberpunk": Style("cyberpunk, night, neon rim light", "daylight"),
        "fantasy": Style("fantasy art, warm glow, magical light", "modern"),
        "cinematic": Style("cinematic, dramatic light, deep shadows", "flat light"),
        "minimalist": Style("minimalist, flat colours, white background", "clutter, detail"),
        "low_poly": Style("low poly, flat facets", "smooth, detailed", faceted=True),
        "mechanical": Style("mechanical part, brushed metal, hard edges", "organic, soft"),
        "organic": Style("organic forms, smooth and rounded", "hard edges, facets"),
        "futuristic": Style("futuristic, night, glossy surfaces", "old, worn"),
    }
)
"""By the names of `presets.STYLES`."""


def phrased(prompt: str, negative_prompt: str, style: str) -> tuple[str, str]:
    """The prompt and the negative prompt of a style, as a diffusers model gets them."""
    told = TOLD[style]
    return f"{prompt}, {told.phrase}", ", ".join(part for part in (negative_prompt, told.avoid, BAD) if part)
