"""Fixed inputs of stages, made by plain arithmetic so that no other stage's change shows in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from orfeas.geometry.field import HeightField
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.subject import Subject

SIZE = 96
SCENE = (
    '{"relations":[{"kind":"on","objects":[1],"subject":0}],'
    '"things":[{"color":"#d02b27","forms":["twisted"],"shape":"vase"},{"material":"wood","shape":"table"}]}'
)
PICTURE = (Path(__file__).parents[1] / "data" / "star.png").read_bytes()


def _radius() -> np.ndarray:
    """Distance of each pixel from the middle of the frame, where the disc's rim is at 0.5."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    middle = (SIZE - 1) / 2
    return np.hypot(rows - middle, columns - middle) / (0.86 * SIZE)


def subject(*, found: bool = True) -> Subject:
    """A disc with a soft rim, red growing to the right and green downwards."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    rgb = np.stack([columns * 2 + 40, rows * 2 + 30, np.full_like(rows, 90)], axis=-1).astype(np.uint8)
    alpha = np.clip((0.5 - _radius()) * 60.0 + 0.5, 0.0, 1.0).astype(np.float32)
    return Subject(rgb, alpha if found else np.ones((SIZE, SIZE), np.float32), found)


def field() -> HeightField:
    """A ball of diameter 1 in the frame of the disc."""
    radius = _radius()
    squared = 0.25 - radius**2
    front = (np.sign(squared) * np.sqrt(np.abs(squared))).astype(np.float32)
    inside = (0.5 - radius).astype(np.float32)
    return HeightField(inside, front, -front, 1.0 / (0.86 * SIZE), "round", "silhouette-inflation")


def ball(levels: int = 4, scale: float = 1.0) -> Mesh:
    """A sphere of diameter `scale`: an octahedron, divided `levels` times."""
    corners = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=np.float64)
    around = [(0, 4), (4, 1), (1, 5), (5, 0)]
    faces = np.array([*((a, 2, b) for a, b in around), *((b, 3, a) for a, b in around)])
    for _ in range(levels):
        corners, faces = _divided(corners, faces)
    return Mesh(corners * scale / 2.0, faces.astype(np.int64))


def textured_ball() -> Mesh:
    """The sphere with a picture laid on from the front."""
    mesh = ball(3, 50.0)
    uv = (mesh.vertices[mesh.faces][..., :2] / 50.0 + 0.5).astype(np.float32)
    rows, columns = np.mgrid[0:64, 0:64]
    texture = np.stack([columns * 4, rows * 4, np.full_like(rows, 128)], axis=-1).astype(np.uint8)
    return Mesh(mesh.vertices, mesh.faces, corner_uv=uv, texture=texture)


def _divided(corners: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    unique, index = np.unique(edges, axis=0, return_inverse=True)
    middles = corners[unique].mean(axis=1)
    middles /= np.linalg.norm(middles, axis=1, keepdims=True)
    a, b, c = faces.T
    ab, bc, ca = (index.reshape(3, -1) + len(corners)).reshape(3, -1)
    divided = np.concatenate([np.stack(part, axis=1) for part in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return np.concatenate([corners, middles]), divided


OBJECTS = (
    '[{"name": "ball", "position": [0, 0, 0], "rotation_deg": [0, 0, 0], "scale": [1, 1, 1], "material": null},'
    ' {"name": "other", "position": [50, 0, 0], "rotation_deg": [0, 90, 0], "scale": [1, 2, 1], "material": "wood"}]'
)
CAMERA = '{"position": [0, 50, 100], "up": [0, 1, 0], "target": [0, 0, 0], "fov": 50, "projection": "perspective"}'
