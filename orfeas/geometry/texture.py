"""The photo on a mesh: in front where it looks at the camera, its rim's colours around and behind."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from orfeas.geometry.atlas import Atlas, layout
from orfeas.geometry.field import ROUND, HeightField
from orfeas.geometry.fill import harmonic, pull_push
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.poisson import Progress
from orfeas.geometry.subject import Subject

Floats = NDArray[np.float32]

# The photo fades out between these angles of the surface to the viewer.
FULL_PHOTO_COS, NO_PHOTO_COS = np.cos(np.radians(44.0)), np.cos(np.radians(60.0))
# Depth below the outline, in units of the longest side, where a cut-out still has the background's colour in it.
FRINGE = 0.007
# Depth of the band whose colours stand for the rim.
RIM_NEAR, RIM_FAR = 0.01, 0.06
# Width of the outlines of drawings, which are left out of the model's colours.
OUTLINE = 0.015


def project(
    mesh: Mesh, subject: Subject, field: HeightField, *, size: int = 1024, on_progress: Progress | None = None
) -> Mesh:
    """Add texture coordinates and an image with the photo to a mesh.

    The mesh may be simplified, scaled and moved, axis by axis, but not turned: its bounding box is laid over the
    field's. The atlas holds two flat islands, the front at full size and the smooth back smaller. The photo fades by
    the surface normal into a harmonic fill from the rim, complete 60 degrees from the viewer, so that nothing streaks
    over the sides.

    Parameters
    ----------
    mesh : Mesh
        From `surface`, in any unit.
    subject : Subject
        The picture.
    field : HeightField
        Made from this subject.
    size : int
        Longest side of the texture in pixels; not more than the photo is worth.
    on_progress : callable, optional
        Told 0 to 1; may raise to cancel.

    Returns
    -------
    Mesh
        With `corner_uv` and `texture`; a lithophane stays plain, as it shows its picture by light.
    """
    if field.method == "lithophane":
        return mesh
    atlas = layout(field.bounds, size, 1.25 * max(subject.alpha.shape) / (max(field.inside.shape) * field.pixel_size))
    front, back = _paint(subject, field, atlas)
    if on_progress is not None:
        on_progress(0.7)
    texture = atlas.compose(front, back)
    return replace(mesh, corner_uv=_coordinates(mesh, field, atlas), texture=texture, vertex_colors=None, maps=None)


def _paint(subject: Subject, field: HeightField, atlas: Atlas) -> tuple[Floats, Floats]:
    """Front and back images of the atlas's islands."""
    scale = max(subject.alpha.shape) / max(field.inside.shape)
    photo = atlas.warped(subject.rgb.astype(np.float32), field.pixel_size / scale)
    alpha = atlas.warped(subject.alpha, field.pixel_size / scale)
    inside = atlas.warped(field.inside, field.pixel_size)
    trust = np.clip(inside / FRINGE, 0, 1) ** 2 * np.clip((alpha - 0.6) / 0.35, 0, 1)
    trust = np.maximum(trust, 1e-3 * np.clip(inside / FRINGE + 1, 0, 1) * alpha * alpha).astype(np.float32)
    clean = pull_push(photo, trust)
    bright = _not_darker_than_around(clean, inside)
    smooth = harmonic(clean, inside, _rim_band(inside) * bright)
    fill = np.asarray(cv2.resize(smooth, photo.shape[1::-1], interpolation=cv2.INTER_CUBIC), np.float32)
    at_rim = np.clip(2.0 - inside / OUTLINE, 0, 1)
    share = (atlas.warped(_photo_share(field), field.pixel_size) * (1 - at_rim * (1 - bright)))[..., None]
    return clean * share + fill * (1 - share), fill


def _rim_band(inside: Floats) -> Floats:
    """Trust in pixels as colours of the rim, by their depth below it."""
    band = np.clip(inside / RIM_NEAR, 0.02, 1) * np.clip((RIM_FAR - inside) / RIM_FAR, 0, 1) * (inside > 0)
    return np.asarray(band, np.float32)


def _not_darker_than_around(clean: Floats, inside: Floats) -> Floats:
    """Near 0 on the dark line that drawings have along the outline, 1 where a pixel is as light as those around it."""
    light = clean.mean(axis=2) / 255.0
    sigma = 0.025 * max(inside.shape)
    small = max(8, inside.shape[1] // 4), max(8, inside.shape[0] // 4)
    pair = cv2.resize(
        np.dstack([light * (inside > 0), (inside > 0)]).astype(np.float32), small, interpolation=cv2.INTER_AREA
    )
    pair = cv2.GaussianBlur(pair, (0, 0), sigma / 4)
    mean = cv2.resize(pair[..., 0] / np.maximum(pair[..., 1], 1e-3), inside.shape[::-1])
    return np.asarray(np.clip(0.7 + (light - mean) / 0.12, 0.03, 1), np.float32)


def _photo_share(field: HeightField) -> Floats:
    """How much of the photo each place of the front takes, by the smooth shape's angle to the viewer."""
    if field.solid != ROUND:
        return np.asarray(np.clip(field.inside / 0.008, 0, 1), np.float32)
    height = np.maximum(-field.back, 0)
    squared = -field.back * np.abs(field.back)
    slope_y, slope_x = np.gradient(squared, field.pixel_size)
    cos = 2 * height / np.sqrt(slope_x**2 + slope_y**2 + 4 * height**2 + 1e-12)
    share = np.clip((cos - NO_PHOTO_COS) / (FULL_PHOTO_COS - NO_PHOTO_COS), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def _coordinates(mesh: Mesh, field: HeightField, atlas: Atlas) -> NDArray[np.float32]:
    """Corner coordinates: faces before the rim's plane lie on the front island, the others on the back."""
    placed = _in_field(mesh, field)
    corners = placed[mesh.faces]
    return atlas.coordinates(corners[..., :2], _is_front(corners.mean(axis=1), field))


def _in_field(mesh: Mesh, field: HeightField) -> NDArray[np.float64]:
    """Vertices in field coordinates, by laying one bounding box over the other."""
    left, bottom, right, top = field.bounds
    inside = field.inside > 0
    low = np.array([left, bottom, float(field.back[inside].min())])
    high = np.array([right, top, float(field.front[inside].max())])
    start, end = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    extent = np.where(end - start > 0, end - start, 1.0)
    return np.asarray(low + (mesh.vertices - start) / extent * (high - low), np.float64)


def _is_front(centres: NDArray[np.float64], field: HeightField) -> NDArray[np.bool_]:
    """Whether points lie before the middle of the solid."""
    if field.solid == ROUND:
        return np.asarray(centres[:, 2] > 0)
    columns = np.clip(centres[:, 0] / field.pixel_size, 0, field.inside.shape[1] - 1).astype(np.int64)
    rows = np.clip(len(field.inside) - centres[:, 1] / field.pixel_size, 0, len(field.inside) - 1).astype(np.int64)
    return np.asarray(centres[:, 2] > ((field.front + field.back) / 2)[rows, columns])
