"""Styles of pictures made from sentences: a look for the renderer, a phrase for a diffusers model."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from orfeas.domain.presets import Vector

DEFAULT_STYLE = "realistic"
BAD = "text, watermark, several pictures, cropped, blurred, low quality, deformed"


@dataclass(frozen=True, slots=True)
class Look:
    """How solids are shown, and what a model is told in its place.

    Attributes
    ----------
    phrase, avoid : str
        Joined to the prompt and to the negative prompt.
    lighting : str
        A rig of `presets.LIGHTING`.
    shading : str
        pbr, toon, outline or flat.
    background : (red, green, blue)
        sRGB, 0 to 1.
    faceted : bool
        Whether the solids are built with few, plain faces.
    white : bool
        Whether all surfaces are white.
    metalness, roughness : float or None
        Of all surfaces, in place of their own.
    """

    phrase: str
    avoid: str = ""
    lighting: str = "studio"
    shading: str = "pbr"
    background: Vector = (0.93, 0.93, 0.94)
    faceted: bool = False
    white: bool = False
    metalness: float | None = None
    roughness: float | None = None


_REAL = "studio photograph, physically based materials, soft light, plain white background"
_DARK: Vector = (0.05, 0.05, 0.11)
_WARM: Vector = (0.96, 0.90, 0.82)

LOOKS = MappingProxyType(
    {
        "realistic": Look(_REAL, "drawing, cartoon"),
        "photorealistic": Look(f"photorealistic, sharp focus, {_REAL}", "drawing, cartoon, render"),
        "photographic": Look(f"product photograph, 85 mm lens, {_REAL}", "drawing, cartoon, render"),
        "3d_render": Look("3D render, ray traced, studio light, plain white background", "photograph, drawing"),
        "artistic": Look("painting, warm light, visible brush strokes", "photograph", "warm", "toon", _WARM),
        "digital_art": Look("digital art, warm light, soft steps of colour", "photograph", "warm", "toon", _WARM),
        "anime": Look("anime style, cel shading, clean outlines", "photograph, realistic", "outdoor", "outline"),
        "cyberpunk": Look("cyberpunk, night, neon rim light", "daylight", "night", "pbr", _DARK),
        "fantasy": Look("fantasy art, warm glow, magical light", "modern", "warm", "pbr", _WARM),
        "cinematic": Look("cinematic, dramatic light, deep shadows", "flat light", "dramatic", "pbr",
                          (0.09, 0.09, 0.1)),
        "minimalist": Look("minimalist, flat colours, white background", "clutter, detail", "studio", "flat",
                           (1.0, 1.0, 1.0), white=True),
        "low_poly": Look("low poly, flat facets", "smooth, detailed", "outdoor", "pbr", (0.86, 0.92, 0.96),
                         faceted=True),
        "mechanical": Look("mechanical part, brushed metal, hard edges", "organic, soft", "studio", "outline",
                           (0.88, 0.89, 0.91), metalness=0.85, roughness=0.35),
        "organic": Look("organic forms, smooth and rounded", "hard edges, facets", "warm", "pbr", (0.93, 0.94, 0.88),
                        roughness=0.7),
        "futuristic": Look("futuristic, night, glossy surfaces", "old, worn", "night", "pbr", _DARK, roughness=0.08),
    }
)  # fmt: skip
"""By the names of `presets.STYLES`."""


def phrased(prompt: str, negative_prompt: str, style: str) -> tuple[str, str]:
    """The prompt and the negative prompt of a style, as a diffusers model gets them."""
    look = LOOKS[style]
    return f"{prompt}, {look.phrase}", ", ".join(part for part in (negative_prompt, look.avoid, BAD) if part)
