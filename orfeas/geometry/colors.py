"""Colours on surfaces: sRGB, texture lookup, colours of vertices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.mesh import Mesh

Colors = NDArray[np.uint8]
Floats32 = NDArray[np.float32]


def _decode_table() -> Floats32:
    """Linear light of the 256 sRGB codes, IEC 61966-2-1."""
    code = np.arange(256) / 255.0
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _encode_table() -> Colors:
    """The sRGB code of 4096 steps of the square root of linear light, which is nearly even to the eye."""
    light = np.linspace(0.0, 1.0, 4096) ** 2
    code = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1.0 / 2.4) - 0.055)
    return np.round(code * 255.0).astype(np.uint8)


_DECODE = _decode_table()
_ENCODE = _encode_table()


def linear(codes: Colors) -> Floats32:
    """Linear light, 0 to 1, of sRGB codes."""
    return _DECODE[codes]


def srgb(light: NDArray[np.floating[Any]]) -> Colors:
    """The sRGB codes of linear light; what lies outside 0 to 1 is clipped."""
    return np.asarray(_ENCODE[(np.sqrt(np.clip(light, 0.0, 1.0)) * 4095.0 + 0.5).astype(np.int32)])


def halved(texture: Colors) -> Colors:
    """The texture at half its size, averaged in linear light."""
    height, width = texture.shape[0] // 2 * 2, texture.shape[1] // 2 * 2
    light = linear(texture[:height, :width])
    return srgb((light[0::2, 0::2] + light[1::2, 0::2] + light[0::2, 1::2] + light[1::2, 1::2]) * np.float32(0.25))


def halved_numbers(picture: Colors) -> Colors:
    """A picture of numbers at half its size."""
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    whole = picture[:height, :width].astype(np.uint16)
    return ((whole[0::2, 0::2] + whole[1::2, 0::2] + whole[0::2, 1::2] + whole[1::2, 1::2] + 2) // 4).astype(np.uint8)


def lookup(texture: Colors, uv: Floats32) -> Floats32:
    """Linear light of a texture at texture coordinates.

    Parameters
    ----------
    texture : (h, w, 3) uint8
        sRGB, first row on top.
    uv : (n, 2) float
        Origin bottom left; the border colour continues outside 0 to 1.

    Returns
    -------
    (n, 3) float32
        Bilinear mean of the four nearest texels in linear light.
    """
    return _bilinear(texture, uv, linear)


def sample(picture: Colors, uv: Floats32) -> Floats32:
    """As `lookup`, of a picture whose codes are numbers from 0 to 1."""
    return _bilinear(picture, uv, _share)


def _share(codes: Colors) -> Floats32:
    return codes * np.float32(1.0 / 255.0)


def _bilinear(texture: Colors, uv: Floats32, meaning: Callable[[Colors], Floats32]) -> Floats32:
    height, width = texture.shape[:2]
    x = np.clip(uv[:, 0] * width - 0.5, 0.0, width - 1.0).astype(np.float32)
    y = np.clip((1.0 - uv[:, 1]) * height - 0.5, 0.0, height - 1.0).astype(np.float32)
    left, top = x.astype(np.int32), y.astype(np.int32)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    x, y = (x - left)[:, None], (y - top)[:, None]
    upper = meaning(texture[top, left]) * (1 - x) + meaning(texture[top, right]) * x
    lower = meaning(texture[bottom, left]) * (1 - x) + meaning(texture[bottom, right]) * x
    return np.asarray(upper * (1 - y) + lower * y)


def is_colored(mesh: Mesh) -> bool:
    """Whether the mesh has vertex colours or a texture."""
    return mesh.vertex_colors is not None or is_textured(mesh)


def is_textured(mesh: Mesh) -> bool:
    """Whether the mesh has a texture and coordinates into it."""
    return mesh.texture is not None and mesh.corner_uv is not None


def of_vertices(mesh: Mesh) -> Colors | None:
    """Colours of the vertices, (n, 4) sRGB and alpha: the mesh's own, or sampled from its texture.

    A vertex on a seam gets the mean of its corners in linear light. None when the mesh has no colour.
    """
    if mesh.vertex_colors is not None:
        return mesh.vertex_colors
    if mesh.texture is None or mesh.corner_uv is None:
        return None
    light = lookup(mesh.texture, mesh.corner_uv.reshape(-1, 2))
    corner, count = mesh.faces.ravel(), len(mesh.vertices)
    used = np.maximum(np.bincount(corner, minlength=count), 1)
    total = [np.bincount(corner, weights=light[:, channel], minlength=count) / used for channel in range(3)]
    alpha = np.full((count, 1), 255, dtype=np.uint8)
    return np.concatenate([srgb(np.stack(total, axis=1).astype(np.float32)), alpha], axis=1)
