"""A small painter of shaded shapes on a transparent page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIDE = 512
LIGHT = np.array([-0.45, -0.55, 0.70])  # x right, y down, z to the viewer
Floats = NDArray[np.float64]
Colour = tuple[int, int, int]
Point = tuple[float, float]


class Painter:
    """Shapes are laid one over the other, lit from the upper left; coordinates in pixels, y down."""

    def __init__(self) -> None:
        self.y, self.x = np.mgrid[0.5:SIDE, 0.5:SIDE]
        self.colour = np.zeros((SIDE, SIDE, 3))
        self.alpha = np.zeros((SIDE, SIDE))

    def image(self) -> Image.Image:
        """The page with straight alpha."""
        rgba = np.dstack([self.colour, self.alpha * 255.0])
        return Image.fromarray(np.clip(rgba + 0.5, 0, 255).astype(np.uint8), "RGBA")

    def on(self, background: Floats) -> Image.Image:
        """The page over an opaque background (512, 512, 3)."""
        alpha = self.alpha[..., None]
        rgb = self.colour * alpha + background * (1 - alpha)
        return Image.fromarray(np.clip(rgb + 0.5, 0, 255).astype(np.uint8), "RGB").convert("RGBA")

    def ball(self, centre: Point, radii: Point, colour: Colour, angle_deg: float = 0.0, gloss: float = 0.15) -> None:
        """A lit ellipsoid."""
        u, v, turn = self._turned(centre, angle_deg)
        u, v = u / radii[0], v / radii[1]
        radius = np.sqrt(u * u + v * v)
        depth = np.sqrt(np.clip(1 - radius * radius, 0, 1))
        x, y = u * turn[0] - v * turn[1], u * turn[1] + v * turn[0]
        self.lay((1 - radius) * min(radii), self._lit(colour, x, y, depth, gloss))

    def limb(self, start: Point, end: Point, radius: float, colour: Colour, end_radius: float | None = None) -> None:
        """A lit capsule, tapered towards its end."""
        a, b = np.array(start), np.array(end)
        along = b - a
        t = np.clip(((self.x - a[0]) * along[0] + (self.y - a[1]) * along[1]) / max(float(along @ along), 1e-9), 0, 1)
        r = radius + t * ((radius if end_radius is None else end_radius) - radius)
        dx, dy = self.x - a[0] - t * along[0], self.y - a[1] - t * along[1]
        distance = np.hypot(dx, dy)
        depth = np.sqrt(np.clip(1 - (distance / r) ** 2, 0, 1))
        self.lay(r - distance, self._lit(colour, dx / r, dy / r, depth, 0.1))

    def polygon(self, points: Sequence[Point], colour: Colour, fade: float = 0.15) -> None:
        """A plain area that darkens a little downwards."""
        self._area(points, np.asarray(colour) * (1 - fade * self._down(points))[..., None])

    def box(self, corner: Point, other: Point, colour: Colour, radius: float = 8.0, fade: float = 0.15) -> None:
        """A rectangle with rounded corners."""
        cx, cy = (corner[0] + other[0]) / 2, (corner[1] + other[1]) / 2
        dx = np.abs(self.x - cx) - abs(other[0] - corner[0]) / 2 + radius
        dy = np.abs(self.y - cy) - abs(other[1] - corner[1]) / 2 + radius
        outside = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0)
        shade = 1 - fade * self._down([corner, other])
        self.lay(radius - outside, np.asarray(colour) * shade[..., None])

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        """A plain disc."""
        self.lay(radius - np.hypot(self.x - centre[0], self.y - centre[1]), np.asarray(colour, float) + 0 * self.colour)

    def ring(self, centre: Point, radii: Point, width: float, colour: Colour) -> None:
        """A lit torus seen from the front, elliptic if the radii differ."""
        u, v = (self.x - centre[0]) / radii[0], (self.y - centre[1]) / radii[1]
        radius = np.maximum(np.hypot(u, v), 1e-6)
        offset = (radius - 1) * min(radii) / width
        depth = np.sqrt(np.clip(1 - offset * offset, 0, 1))
        self.lay((1 - np.abs(offset)) * width, self._lit(colour, offset * u / radius, offset * v / radius, depth, 0.25))

    def erase_disc(self, centre: Point, radius: float) -> None:
        """A round hole."""
        self.alpha *= 1 - np.clip(radius - np.hypot(self.x - centre[0], self.y - centre[1]) + 0.5, 0, 1)

    def erase_polygon(self, points: Sequence[Point]) -> None:
        """A hole with straight sides."""
        self.alpha *= 1 - self._coverage(points)

    def lay(self, inside: Floats, colour: Floats) -> None:
        """A shape by its signed distance in pixels, positive inside."""
        self.lay_covered(np.clip(inside + 0.5, 0, 1), colour)

    def lay_covered(self, coverage: Floats, colour: Floats) -> None:
        """A shape by its coverage, 0 to 1."""
        alpha = coverage + self.alpha * (1 - coverage)
        over = coverage[..., None] * colour + ((self.alpha * (1 - coverage))[..., None]) * self.colour
        self.colour = np.where(alpha[..., None] > 0, over / np.maximum(alpha, 1e-9)[..., None], self.colour)
        self.alpha = alpha

    def _area(self, points: Sequence[Point], colour: Floats) -> None:
        self.lay_covered(self._coverage(points), colour)

    def _coverage(self, points: Sequence[Point]) -> Floats:
        sheet = Image.new("L", (SIDE * 4, SIDE * 4))
        ImageDraw.Draw(sheet).polygon([(4 * x, 4 * y) for x, y in points], fill=255)
        return np.asarray(sheet.resize((SIDE, SIDE), Image.Resampling.BOX), float) / 255.0

    def _down(self, points: Sequence[Point]) -> Floats:
        top, bottom = min(p[1] for p in points), max(p[1] for p in points)
        return np.asarray(np.clip((self.y - top) / max(bottom - top, 1e-9), 0, 1))

    def _turned(self, centre: Point, angle_deg: float) -> tuple[Floats, Floats, Point]:
        cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        x, y = self.x - centre[0], self.y - centre[1]
        return x * cos + y * sin, y * cos - x * sin, (float(cos), float(sin))

    @staticmethod
    def _lit(colour: Colour, x: Floats, y: Floats, z: Floats, gloss: float) -> Floats:
        light = LIGHT / np.linalg.norm(LIGHT)
        facing = np.clip(x * light[0] + y * light[1] + z * light[2], 0, 1)
        diffuse = 0.55 + 0.5 * facing
        shine = gloss * 255 * facing**24
        return np.asarray(np.asarray(colour) * diffuse[..., None] + shine[..., None])


def gradient(top: Colour, bottom: Colour, sideways: float = 0.0) -> Floats:
    """A background that changes evenly from top to bottom, and `sideways` steps of 8 bits from left to right."""
    t = np.linspace(0, 1, SIDE)[:, None, None]
    rows = np.asarray(top, float) * (1 - t) + np.asarray(bottom, float) * t
    return np.asarray(rows + np.linspace(-sideways, sideways, SIDE)[None, :, None] / 2)


def noise(seed: int, scale: int) -> Floats:
    """Smooth noise 0 to 1, features `scale` pixels across."""
    cells = np.random.default_rng(seed).random((SIDE // scale + 2, SIDE // scale + 2)) * 255
    sheet = Image.fromarray(cells.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(sheet, float) / 255.0
