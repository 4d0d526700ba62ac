"""Two flat islands in one image: the front and, smaller, the back."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Pixels around an island that continue its colours, so that filtering never reaches the neighbour.
GUTTER = 6
# The back is a smooth fill and needs fewer pixels.
BACK_SCALE = 0.35


@dataclass(frozen=True, slots=True)
class Atlas:
    """Where the islands lie; scales are pixels per unit of the field.

    Attributes
    ----------
    bounds : tuple of float
        x minimum, y minimum, x maximum, y maximum that an island covers inside its gutter.
    scale, back_scale : float
        Pixels per unit of the two islands.
    stacked : bool
        The back lies under the front rather than to its right.
    """

    bounds: tuple[float, float, float, float]
    scale: float
    back_scale: float
    stacked: bool

    def island(self, scale: float) -> tuple[int, int]:
        """Width and height in pixels of an island with its gutter."""
        left, bottom, right, top = self.bounds
        return (
            int(np.ceil((right - left) * scale)) + 2 * GUTTER,
            int(np.ceil((top - bottom) * scale)) + 2 * GUTTER,
        )

    def warped(self, image: Floats, pixel_size: float) -> Floats:
        """An image in the field's frame, resampled to the front island."""
        left, _, _, top = self.bounds
        step = 1.0 / (self.scale * pixel_size)
        if step > 1.3:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.4 * step), np.float32)
        height = image.shape[0] * pixel_size
        shift_x = left / pixel_size - GUTTER * step + 0.5 * step - 0.5
        shift_y = (height - top) / pixel_size - GUTTER * step + 0.5 * step - 0.5
        matrix = np.array([[step, 0, shift_x], [0, step, shift_y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(image, matrix, self.island(self.scale), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(warped, np.float32)

    def compose(self, front: Floats, back: Floats) -> NDArray[np.uint8]:
        """The texture; both images are those of the front island's frame."""
        width, height = self.island(self.scale)
        back_width, back_height = self.island(self.back_scale)
        extra = (back_height, 0) if self.stacked else (0, back_width)
        mean = front.mean(axis=(0, 1))
        canvas = np.tile(mean.astype(np.float32), (height + extra[0], width + extra[1], 1))
        canvas[:height, :width] = front
        row, column = (height, 0) if self.stacked else (0, width)
        canvas[row : row + back_height, column : column + back_width] = self._shrunk(back)
        return np.clip(canvas + 0.5, 0, 255).astype(np.uint8)

    def _shrunk(self, back: Floats) -> Floats:
        """The back's image on its island: the same frame at the lower scale, gutter in its own pixels."""
        step = self.scale / self.back_scale
        shift = GUTTER - GUTTER * step + 0.5 * step - 0.5
        matrix = np.array([[step, 0, shift], [0, step, shift]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = self.island(self.back_scale)
        return np.asarray(cv2.warpAffine(back, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)

    def coordinates(self, points: NDArray[np.float64], front: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Texture coordinates (m, 3, 2), origin bottom left, of face corners (m, 3, 2) in the field's x and y."""
        left, _, _, top = self.bounds
        width, height = self.island(self.scale)
        back_width, back_height = self.island(self.back_scale)
        offset = np.array([0, height] if self.stacked else [width, 0], float)
        scale = np.where(front, self.scale, self.back_scale)[:, None, None]
        pixels = (points - np.array([left, top])) * np.array([1.0, -1.0]) * scale + GUTTER
        pixels += np.where(front[:, None], 0.0, offset)[:, None, :]
        total = np.array([width + (0 if self.stacked else back_width), height + (back_height if self.stacked else 0)])
        uv = pixels / total
        uv[..., 1] = 1.0 - uv[..., 1]
        return np.asarray(np.clip(uv, 0.0, 1.0), np.float32)


def layout(bounds: tuple[float, float, float, float], size: int, most: float) -> Atlas:
    """Place both islands in `size` pixels, with at most `most` pixels per unit for the front."""
    width, height = bounds[2] - bounds[0], bounds[3] - bounds[1]
    stacked = width > height
    long, short = (width, height) if stacked else (height, width)
    room = size - 4 * GUTTER - 4
    scale = min(room / long, room / (short * (1 + BACK_SCALE)), most)
    return Atlas(bounds, max(scale, 1.0), max(scale * BACK_SCALE, 1.0), stacked)
