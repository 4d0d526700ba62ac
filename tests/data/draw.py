"""Draws the pictures of this folder: `python tests/data/draw.py`. Deterministic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HERE = Path(__file__).parent


def star() -> Image.Image:
    """A yellow star on a transparent ground, 256 px."""
    image = Image.new("RGBA", (1024, 1024))
    corners = [
        (512 + radius * math.sin(k * math.pi / 5), 512 - radius * math.cos(k * math.pi / 5))
        for k in range(10)
        for radius in [460 if k % 2 == 0 else 190]
    ]
    ImageDraw.Draw(image).polygon(corners, fill=(245, 190, 40, 255))
    return image.resize((256, 256), Image.Resampling.LANCZOS)


def mug() -> Image.Image:
    """A shaded blue mug with a handle on a white ground, 512 px."""
    scale = 4
    image = Image.new("RGB", (512 * scale, 512 * scale), (250, 250, 250))
    draw = ImageDraw.Draw(image)
    draw.ellipse([s * scale for s in (280, 170, 450, 370)], fill=(40, 90, 170))
    draw.ellipse([s * scale for s in (315, 208, 415, 332)], fill=(250, 250, 250))
    for x in range(90, 340):
        light = 0.55 + 0.45 * math.sin(math.pi * (x - 80) / 270)
        draw.rectangle([x * scale, 110 * scale, (x + 1) * scale, 420 * scale], fill=_shade((60, 120, 215), light))
    draw.ellipse([s * scale for s in (90, 380, 340, 450)], fill=(45, 95, 175))
    draw.ellipse([s * scale for s in (90, 80, 340, 140)], fill=(30, 60, 120))
    return image.resize((512, 512), Image.Resampling.LANCZOS)


def figure() -> Image.Image:
    """A small figure on a soft gradient, 512 px."""
    scale = 2
    rows = np.linspace(225, 190, 512 * scale)[:, None, None]
    image = Image.fromarray(np.broadcast_to(rows, (512 * scale, 512 * scale, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    parts = [
        ((196, 40, 316, 170), (235, 190, 150)),
        ((176, 150, 336, 340), (190, 50, 60)),
        ((110, 170, 200, 220), (190, 50, 60)),
        ((312, 170, 402, 220), (190, 50, 60)),
        ((190, 310, 250, 470), (40, 50, 90)),
        ((262, 310, 322, 470), (40, 50, 90)),
    ]
    for box, colour in parts:
        draw.ellipse([side * scale for side in box], fill=colour)
    for x in (232, 268):
        draw.ellipse([side * scale for side in (x, 90, x + 14, 104)], fill=(20, 20, 20))
    return image.resize((512, 512), Image.Resampling.LANCZOS)


def scene() -> Image.Image:
    """Hills under a sky, without a subject: 512 x 384 px."""
    generator = np.random.default_rng(7)
    y, x = np.mgrid[0:384, 0:512].astype(np.float64)
    picture = np.stack([120 + y * 0.2, 160 + y * 0.15, 235 - y * 0.1], axis=2)
    for depth, colour in ((200, (110, 140, 120)), (250, (80, 120, 70)), (310, (50, 85, 45))):
        ridge = depth + 30 * np.sin(x / (40 + depth / 4) + depth) + 12 * np.sin(x / 17 + depth)
        picture[y > ridge] = colour
    picture += generator.normal(0, 6, picture.shape)
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.8))


def _shade(colour: tuple[int, int, int], light: float) -> tuple[int, int, int]:
    red, green, blue = (int(channel * light) for channel in colour)
    return red, green, blue


def main() -> None:
    """Write every picture."""
    star().save(HERE / "star.png", optimize=True)
    mug().save(HERE / "mug.png", optimize=True)
    figure().save(HERE / "figure.jpg", quality=90)
    scene().save(HERE / "scene.jpg", quality=85)


if __name__ == "__main__":
    main()
