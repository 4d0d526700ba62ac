"""The looks of pictures: what each named style does with surface, light and frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from orfeas.domain.presets import MATERIALS, Material, Vector
from orfeas.geometry.assembly import UNPAINTED

CLAY: Vector = (0.60, 0.585, 0.56)


@dataclass(frozen=True, slots=True)
class Look:
    """How a picture is drawn; the defaults are physically based light without decoration.

    Attributes
    ----------
    plain : Vector
        Linear colour of surfaces that have none.
    lighting : str
        The lighting preset of pictures that name none.
    environment, occlusion : float
        Strength of mirrored surroundings and of darkened cavities.
    spread : float
        Radius of the main light at distance one, which softens its shadow; 0 casts none.
    crisp : bool
        Whether the ends of shadows on the model are looked at in every pixel.
    ground : float
        Depth of the shadow below the model.
    steps, softness : int, float
        Bands that brightness is drawn in (0: continuous), and how softly they meet.
    flat : float
        Share of the plain colour in place of lit colour.
    wrap : float
        How far light reaches round the surface.
    outline, creases : float
        Width of drawn outlines and of drawn edges, in pixels of a picture 512 high.
    ink : Vector
        Colour of the lines, sRGB.
    faces : int
        Number of triangles that each part is reduced to and shown with; 0 keeps and smoothes all.
    crease_deg : float
        Faces that meet at less than this are smoothed.
    rim, rim_color, rim_across : float, Vector, Vector
        Light along the outline, and its colours on the right and on the left.
    glow : float
        Bloom of what is bright.
    gloss : float
        Factor of the roughness.
    coat : float
        A layer of clear lacquer.
    clear : bool
        Whether transparent surfaces look like glass: they mirror as much as opaque ones, and scatter the less the
        smoother and the less coloured they are. Otherwise they are blended, as in three.js.
    shoulder : float
        Linear light above which brightness is compressed towards white; 1 clips at white.
    saturation, vignette : float
        Of the finished picture.
    backdrop : Vector or None
        Colour behind the model, sRGB; None for that of the lighting.
    material, tint : Material or None, float
        What takes the place of the model's materials, and how much of the model's colours stays.
    """

    plain: Vector = CLAY
    lighting: str = "studio"
    environment: float = 1.0
    occlusion: float = 0.8
    spread: float = 0.09
    crisp: bool = True
    ground: float = 1.0
    steps: int = 0
    softness: float = 0.0
    flat: float = 0.0
    wrap: float = 0.0
    outline: float = 0.0
    creases: float = 0.0
    ink: Vector = (0.08, 0.07, 0.10)
    faces: int = 0
    crease_deg: float = 42.0
    rim: float = 0.0
    rim_color: Vector = (1.0, 1.0, 1.0)
    rim_across: Vector = (1.0, 1.0, 1.0)
    glow: float = 0.0
    gloss: float = 1.0
    coat: float = 0.0
    clear: bool = True
    shoulder: float = 1.0
    saturation: float = 1.0
    vignette: float = 0.0
    backdrop: Vector | None = None
    material: Material | None = None
    tint: float = 1.0


BARE = Look(plain=UNPAINTED, environment=0.0, occlusion=0.0, spread=0.0, ground=0.0, clear=False)
"""Lamps and surfaces alone, as three.js shows them without an environment and shadows."""

_REALISTIC = Look(vignette=0.10, shoulder=0.6)

LOOKS = MappingProxyType(
    {
        "realistic": _REALISTIC,
        "photorealistic": replace(_REALISTIC, backdrop=(0.72, 0.74, 0.77), spread=0.16, occlusion=1.0, vignette=0.16),
        "photographic": replace(_REALISTIC, backdrop=(0.36, 0.34, 0.32), spread=0.05, vignette=0.55, saturation=1.05),
        "3d_render": replace(_REALISTIC, backdrop=(0.52, 0.60, 0.74), gloss=0.6, coat=0.5, vignette=0.25),
        "artistic": Look(
            lighting="warm", environment=0.3, steps=4, softness=0.8, saturation=1.1, backdrop=(0.93, 0.88, 0.79),
            ink=(0.36, 0.25, 0.18), outline=1.0, vignette=0.2,
        ),
        "digital_art": Look(
            shoulder=0.6, lighting="warm", environment=0.7, steps=6, softness=0.9, saturation=1.3, rim=1.0,
            rim_color=(1.0, 0.62, 0.30), rim_across=(0.35, 0.45, 1.0), backdrop=(0.22, 0.19, 0.30), vignette=0.5,
        ),
        "anime": Look(
            environment=0.0, occlusion=0.0, spread=0.02, steps=3, softness=0.06, outline=2.4, creases=1.1,
            saturation=1.25, backdrop=(0.80, 0.90, 0.98), ink=(0.10, 0.08, 0.16),
        ),
        "cyberpunk": Look(
            shoulder=0.6, lighting="night", rim=4.0, rim_color=(0.0, 0.85, 1.0), rim_across=(1.0, 0.05, 0.65),
            glow=0.7, gloss=0.6, backdrop=(0.05, 0.03, 0.11), saturation=1.2, vignette=0.6,
        ),
        "fantasy": Look(
            shoulder=0.6, lighting="warm", wrap=0.3, rim=1.0, rim_color=(1.0, 0.80, 0.45),
            rim_across=(0.75, 0.55, 1.0), glow=0.8, saturation=1.2, backdrop=(0.30, 0.22, 0.36), vignette=0.6,
        ),
        "cinematic": Look(
            lighting="dramatic", environment=0.9, rim=0.9, rim_color=(1.0, 0.80, 0.6), rim_across=(0.45, 0.7, 1.0),
            shoulder=0.6, saturation=0.9, backdrop=(0.09, 0.11, 0.13), vignette=0.8,
        ),
        "minimalist": Look(
            environment=0.0, flat=0.72, occlusion=0.9, spread=0.2, ground=0.6, saturation=0.9, backdrop=(1.0, 1.0, 1.0)
        ),
        "low_poly": Look(environment=0.25, faces=500, shoulder=0.7, backdrop=(0.88, 0.91, 0.93), saturation=1.1),
        "mechanical": Look(
            material=MATERIALS["metal"], tint=0.35, environment=1.3, shoulder=0.6, creases=1.2, outline=1.5,
            ink=(0.10, 0.14, 0.20), backdrop=(0.86, 0.88, 0.90), crease_deg=30.0,
        ),
        "organic": Look(
            shoulder=0.6, lighting="warm", environment=0.4, crease_deg=120.0, wrap=0.55, rim=0.4,
            rim_color=(1.0, 0.93, 0.8), rim_across=(0.9, 1.0, 0.85), backdrop=(0.83, 0.87, 0.76), spread=0.2,
        ),
        "futuristic": Look(
            shoulder=0.6, lighting="night", environment=1.6, gloss=0.25, coat=1.0, rim=1.2, rim_color=(0.55, 0.9, 1.0),
            rim_across=(0.7, 0.75, 1.0), glow=0.35, backdrop=(0.07, 0.10, 0.16), vignette=0.4,
        ),
    }
)  # fmt: skip
"""By style."""
