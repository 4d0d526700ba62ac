"""What a quality of 1 to 10 means for each family of engines."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

LOWEST, DEFAULT, HIGHEST = 1, 7, 10

LABELS = (
    "Draft", "Low", "Basic", "Standard", "Good", "High", "Very High", "Ultra", "Maximum", "Perfect",
)  # fmt: skip

WORDS = MappingProxyType({"draft": 1, "low": 3, "medium": 5, "high": 8, "ultra": 10})
"""Words that clients send in place of a number."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The settings that a quality stands for.

    `steps` are denoiser evaluations, or relaxation passes of the embedded engine; `target_faces` is an upper bound.
    """

    steps: int
    octree_resolution: int
    target_faces: int


def _rows(*rows: tuple[int, int, int]) -> MappingProxyType[int, Quality]:
    return MappingProxyType({quality: Quality(*row) for quality, row in enumerate(rows, start=LOWEST)})


FULL = _rows(
    (10, 128, 5_000),
    (15, 160, 10_000),
    (20, 192, 20_000),
    (25, 224, 30_000),
    (30, 256, 40_000),
    (35, 288, 60_000),
    (40, 320, 80_000),
    (50, 384, 120_000),
    (50, 448, 200_000),
    (50, 512, 400_000),
)
"""Every Hunyuan3D variant that is not step-distilled."""

TURBO = _rows(
    (3, 128, 5_000),
    (4, 160, 10_000),
    (5, 192, 20_000),
    (5, 224, 30_000),
    (5, 256, 40_000),
    (6, 288, 60_000),
    (6, 320, 80_000),
    (8, 384, 120_000),
    (8, 448, 200_000),
    (10, 512, 400_000),
)
"""Every Hunyuan3D `*-turbo` variant."""

EMBEDDED = _rows(
    (2, 48, 2_000),
    (3, 64, 4_000),
    (4, 80, 6_000),
    (5, 96, 8_000),
    (6, 112, 12_000),
    (8, 128, 20_000),
    (10, 144, 30_000),
    (12, 176, 50_000),
    (16, 208, 80_000),
    (20, 256, 150_000),
)

MAPS = MappingProxyType({"full": FULL, "turbo": TURBO, "embedded": EMBEDDED})


def parse_quality(value: object) -> int:
    """The number that a client's quality stands for: 7, "7", 7.0 or "high".

    Raises
    ------
    ValueError
        It is neither a whole number from 1 to 10 nor one of the words; the message lists them.
    """
    number = _number(value)
    if number is None or not LOWEST <= number <= HIGHEST:
        words = ", ".join(WORDS)
        raise ValueError(f"{value!r} is not a quality: use a whole number from {LOWEST} to {HIGHEST} or {words}.")
    return number


def label(quality: int) -> str:
    """The display name of a quality."""
    return LABELS[quality - LOWEST]


def _number(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        text = value.strip().lower()
        return WORDS.get(text) or (int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None)
    return None
