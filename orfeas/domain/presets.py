"""Standard views, materials, lights, printers, profiles and styles."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

Vector = tuple[float, float, float]

# Cameras: distance 10, target in the origin, field of view 50 degrees, perspective.
CAMERA_DISTANCE = 10.0
CAMERA_FOV_DEG = 50.0
_D = CAMERA_DISTANCE


@dataclass(frozen=True, slots=True)
class View:
    """A camera that looks at the origin."""

    position: Vector
    up: Vector = (0.0, 1.0, 0.0)
    target: Vector = (0.0, 0.0, 0.0)
    fov: float = CAMERA_FOV_DEG
    projection: str = "perspective"


CAMERAS = MappingProxyType(
    {
        "front": View((0.0, 0.0, _D)),
        "back": View((0.0, 0.0, -_D)),
        "left": View((-_D, 0.0, 0.0)),
        "right": View((_D, 0.0, 0.0)),
        "top": View((0.0, _D, 0.0), up=(0.0, 0.0, -1.0)),
        "bottom": View((0.0, -_D, 0.0), up=(0.0, 0.0, 1.0)),
        "angle1": View((0.7 * _D, 0.5 * _D, 0.7 * _D)),
        "angle2": View((0.577 * _D, 0.577 * _D, 0.577 * _D)),
        "custom": View((0.0, 5.0, 10.0)),
    }
)


@dataclass(frozen=True, slots=True)
class Material:
    """A physically based surface; colours are linear red, green, blue from 0 to 1."""

    base_color: Vector
    metalness: float
    roughness: float
    reflectivity: float
    opacity: float = 1.0
    emissive: Vector = (0.0, 0.0, 0.0)
    emissive_intensity: float = 0.0
    normal_scale: float = 1.0


MATERIALS = MappingProxyType(
    {
        "metal": Material((0.53, 0.53, 0.53), 0.8, 0.3, 0.5),
        "plastic": Material((0.20, 0.60, 0.86), 0.0, 0.5, 0.3),
        "wood": Material((0.55, 0.27, 0.07), 0.0, 0.8, 0.1),
        "glass": Material((1.0, 1.0, 1.0), 0.0, 0.1, 0.9, opacity=0.6),
        "ceramic": Material((0.96, 0.96, 0.86), 0.0, 0.4, 0.4),
        "rubber": Material((0.17, 0.24, 0.31), 0.0, 0.9, 0.1),
    }
)


@dataclass(frozen=True, slots=True)
class Lamp:
    """A light with its intensity, position and colour."""

    intensity: float
    position: Vector
    color: Vector = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class LightRig:
    """Three lamps, ambient light and the colour behind them."""

    ambient: float
    main: Lamp
    fill: Lamp
    back: Lamp
    background: Vector
    shadow: float


LIGHTING = MappingProxyType(
    {
        "studio": LightRig(
            0.3,
            Lamp(1.0, (5, 10, 5)),
            Lamp(0.3, (-5, 5, -5)),
            Lamp(0.2, (0, 5, -10)),
            (0.10, 0.10, 0.10),
            0.5,
        ),
        "outdoor": LightRig(
            0.5,
            Lamp(1.5, (10, 15, 5), (1, 1, 0.93)),
            Lamp(0.4, (-8, 8, -5)),
            Lamp(0.3, (0, 10, -15)),
            (0.53, 0.81, 0.92),
            0.6,
        ),
        "dramatic": LightRig(
            0.1,
            Lamp(2.0, (10, 10, 2)),
            Lamp(0.1, (-10, 5, -5)),
            Lamp(0.05, (0, 5, -10)),
            (0.04, 0.04, 0.04),
            0.8,
        ),
        "night": LightRig(
            0.2,
            Lamp(0.8, (3, 8, 3), (0.4, 0.6, 1)),
            Lamp(0.2, (-5, 5, -5)),
            Lamp(0.3, (0, 5, -10)),
            (0.06, 0.06, 0.12),
            0.7,
        ),
        "warm": LightRig(
            0.4,
            Lamp(1.2, (5, 10, 5), (1, 0.87, 0.67)),
            Lamp(0.3, (-5, 5, -5)),
            Lamp(0.2, (0, 5, -10)),
            (0.16, 0.12, 0.10),
            0.4,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Printer:
    """A 3D printer: build volume in mm with z up, and what its process needs.

    `overhang_deg` counts from the vertical. `usable_share` of every side of the volume is used.
    """

    technology: str
    volume_mm: Vector
    layer_mm: float
    min_wall_mm: float
    overhang_deg: float
    support_angle_deg: float | None = None
    seconds_per_layer: float | None = None
    flow_mm3_per_s: float | None = None
    density_g_per_cm3: float | None = None
    supports: bool = True
    usable_share: float = 0.95

    def holds(self, size_mm: tuple[float, float, float]) -> bool:
        """Whether a box of x, y, z millimetres, z up, fits without being turned."""
        return all(
            side <= limit * self.usable_share + 1e-6 for side, limit in zip(size_mm, self.volume_mm, strict=True)
        )


PRINTERS = MappingProxyType(
    {
        "halot-x1": Printer("resin", (192, 120, 200), 0.05, 1.0, 45, support_angle_deg=50, seconds_per_layer=8),
        "resin-small": Printer("resin", (130, 80, 160), 0.05, 0.8, 45, seconds_per_layer=8),
        "fdm-220": Printer(
            "fdm", (220, 220, 250), 0.2, 1.0, 45, seconds_per_layer=3, flow_mm3_per_s=8, density_g_per_cm3=1.24
        ),
        "fdm-256": Printer(
            "fdm", (256, 256, 256), 0.2, 1.0, 45, seconds_per_layer=2, flow_mm3_per_s=15, density_g_per_cm3=1.24
        ),
        "powder-color": Printer("powder", (250, 250, 200), 0.1, 2.0, 90, supports=False),
    }
)
DEFAULT_PRINTER = "halot-x1"


@dataclass(frozen=True, slots=True)
class Profile:
    """A set of switches; factors count from the quality map."""

    precision: str
    compiled: bool
    steps_factor: float
    volume_decoding: str
    embedded_grid_factor: float
    largest_batch: int
    turbo_weights: bool = False
    result_cache: bool = True


PROFILES = MappingProxyType(
    {
        "standard": Profile("model", False, 1.0, "hierarchical", 1.0, 8),
        "enhanced": Profile("half", False, 1.0, "flashvdm", 0.85, 8),
        "ultra": Profile("half", True, 0.6, "flashvdm", 0.7, 16),
        "quantum": Profile("half", True, 0.5, "flashvdm", 0.6, 16, turbo_weights=True),
    }
)

STYLES = MappingProxyType(
    {
        "realistic": "studio light, PBR",
        "photorealistic": "studio light, PBR",
        "photographic": "studio light, PBR",
        "3d_render": "studio light, PBR",
        "artistic": "warm, soft steps",
        "digital_art": "warm, soft steps",
        "anime": "toon, outline",
        "cyberpunk": "night, neon rim",
        "fantasy": "warm, glow",
        "cinematic": "dramatic",
        "minimalist": "flat, white",
        "low_poly": "faceted",
        "mechanical": "metal, edges",
        "organic": "smooth",
        "futuristic": "night, glossy",
    }
)
"""Looks of pictures made from text, by name."""
