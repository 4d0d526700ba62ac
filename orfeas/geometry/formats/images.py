"""Texture images inside files."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

JPEG_QUALITY = 92
PNG_LEVEL = 3  # a sixth larger than the best and five times as fast

Pixels = NDArray[np.uint8]


def jpeg(texture: Pixels) -> bytes:
    """A texture as JPEG with full colour resolution, since islands of a texture meet at hard edges."""
    target = BytesIO()
    Image.fromarray(texture).save(target, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    return target.getvalue()


def png(texture: Pixels) -> bytes:
    """A texture as PNG."""
    target = BytesIO()
    Image.fromarray(texture).save(target, "PNG", compress_level=PNG_LEVEL)
    return target.getvalue()
