"""Pictures as the encoder expects them: the object centred on a white square, pixels from -1 to 1."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from orfeas.errors import InvalidImageError, InvalidRequestError
from orfeas.gpu.hunyuan3d.settings import ProcessorSettings

Picture = Image.Image | str | Path
Views = Mapping[str, Picture]
Images = Picture | Views | Sequence[Picture] | Sequence[Views]
Pixels = NDArray[np.uint8]

VIEWS = {"front": 0, "left": 1, "back": 2, "right": 3}
"""Indices of the views that the multi-view models know: the front and what turning by 90, 180 and 270 degrees shows."""


@dataclass(frozen=True, slots=True)
class Preprocessed:
    """Pictures for the encoder."""

    image: Tensor
    """[B, 3, s, s], or [B, V, 3, s, s] of several views, in float32 from -1 to 1."""
    mask: Tensor
    """[B, 1, s, s] or [B, V, 1, s, s], -1 where the picture is transparent."""
    view_idxs: tuple[tuple[int, ...], ...] | None = None
    """For each item the indices of its views in rising order."""

    @property
    def batch(self) -> int:
        """How many objects these are."""
        return len(self.image)


class ImageProcessor:
    """`ImageProcessorV2`, or `MVImageProcessorV2` where the settings say so."""

    def __init__(self, settings: ProcessorSettings) -> None:
        self.settings = settings

    def __call__(self, images: Images) -> Preprocessed:
        """Prepare a picture or a list of them; for several views a mapping from their names, or a list of such.

        Raises
        ------
        InvalidImageError
            A picture cannot be read, or nothing of it is opaque.
        InvalidRequestError
            The model wants views and gets pictures, or the other way round.
        """
        items = list(images) if isinstance(images, Sequence) and not isinstance(images, str) else [images]
        if not items:
            raise InvalidRequestError("There is no picture.")
        if any(isinstance(item, Mapping) != self.settings.multiview for item in items):
            wanted = f"views by name ({', '.join(VIEWS)})" if self.settings.multiview else "one picture for each object"
            raise InvalidRequestError(f"This model takes {wanted}.")
        if self.settings.multiview:
            return self._views(cast(list[Views], items))
        image, mask = self._stack(cast(list[Picture], items))
        return Preprocessed(image, mask)

    def _views(self, items: list[Views]) -> Preprocessed:
        for item in items:
            unknown = sorted(set(item) - VIEWS.keys(), key=str)
            if unknown or not item:
                raise InvalidRequestError(f"Views are {', '.join(VIEWS)}, not {unknown[0] if unknown else 'none'}.")
        if len({len(item) for item in items}) > 1:
            raise InvalidRequestError("All objects of a batch need the same number of views.")
        names = [sorted(item, key=VIEWS.__getitem__) for item in items]
        pairs = [self._stack([item[name] for name in order]) for item, order in zip(items, names, strict=True)]
        image, mask = (torch.stack(column) for column in zip(*pairs, strict=True))
        return Preprocessed(image, mask, tuple(tuple(VIEWS[name] for name in order) for order in names))

    def _stack(self, pictures: Sequence[Picture]) -> tuple[Tensor, Tensor]:
        pairs = [self._prepare(_rgba(picture)) for picture in pictures]
        image, mask = (torch.stack(column) for column in zip(*pairs, strict=True))
        return image, mask

    def _prepare(self, rgba: Pixels) -> tuple[Tensor, Tensor]:
        rgb, mask = recenter(rgba, self.settings.border_ratio)
        size = (self.settings.size, self.settings.size)
        resized = cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC)
        return _signed(resized), _signed(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST))


def recenter(rgba: Pixels, border_ratio: float) -> tuple[Pixels, Pixels]:
    """Scale the opaque part of a picture to a square with a border and put it on white.

    Parameters
    ----------
    rgba : (h, w, 4) uint8
        Colours are not multiplied by alpha.
    border_ratio
        Share of the square that stays free, both sides together.

    Returns
    -------
    rgb : (s, s, 3) uint8
        s is the longer side of the input.
    mask : (s, s, 1) uint8
        Alpha after scaling.

    Raises
    ------
    InvalidImageError
        Nothing is opaque, or only a single row or column.

    Notes
    -----
    The released models were trained on crops that leave out the last opaque row and column, on colours that were
    scaled without regard to alpha, and on values that were truncated, not rounded; so these are kept.
    """
    crop = _opaque_part(rgba)
    side = max(rgba.shape[:2])
    scale = int(side * (1 - border_ratio)) / max(crop.shape[:2])
    height, width = (max(int(length * scale), 1) for length in crop.shape[:2])
    top, left = (side - height) // 2, (side - width) // 2
    canvas = np.zeros((side, side, 4), dtype=np.uint8)
    resized = cv2.resize(crop, (width, height), interpolation=cv2.INTER_AREA)
    canvas[top : top + height, left : left + width] = resized
    alpha = canvas[..., 3:].astype(np.float32) / 255
    rgb = canvas[..., :3] * alpha + np.float32(255) * (1 - alpha)
    return rgb.clip(0, 255).astype(np.uint8), (alpha * 255).clip(0, 255).astype(np.uint8)


def _opaque_part(rgba: Pixels) -> Pixels:
    rows, columns = np.nonzero(rgba[..., 3].any(axis=1))[0], np.nonzero(rgba[..., 3].any(axis=0))[0]
    if not len(rows) or rows[0] == rows[-1] or columns[0] == columns[-1]:
        raise InvalidImageError("The picture is empty: nothing in it is opaque. Check its background removal.")
    return np.ascontiguousarray(rgba[rows[0] : rows[-1], columns[0] : columns[-1]])


def _rgba(picture: Picture) -> Pixels:
    """The pixels (h, w, 4) of a picture; without transparency they are opaque."""
    if isinstance(picture, Image.Image):
        return _converted(picture)
    try:
        with Image.open(picture) as opened:
            return _converted(opened)
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as cause:
        raise InvalidImageError(f"{Path(picture).name} is not a picture that can be read.") from cause


def _converted(picture: Image.Image) -> Pixels:
    if picture.mode.startswith("I;16"):
        # Pillow would clip 16 bits to 8 instead of scaling them.
        picture = Image.fromarray((np.asarray(picture, dtype=np.uint16) >> 8).astype(np.uint8))
    return np.asarray(picture.convert("RGBA"))


def _signed(pixels: NDArray[Any]) -> Tensor:
    """Bytes (s, s, c) or (s, s) to float32 [c, s, s] from -1 to 1."""
    values = torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1).contiguous()
    return values.float() / 255 * 2 - 1
