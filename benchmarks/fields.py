"""Analytic fields in place of trained weights: random weights have no surface worth meshing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Field = Callable[[Tensor], Tensor]
"""Points [n, 3] to signed distance [n], negative inside."""


def torus(points: Tensor) -> Tensor:
    """A ring of radius 0.6 and thickness 0.25."""
    ring = torch.hypot(points[:, 0], points[:, 1]) - 0.6
    return torch.hypot(ring, points[:, 2]) - 0.25


def detailed(points: Tensor) -> Tensor:
    """A ball with a waved skin, a thin plate and a thin rod: features of few cells."""
    waves = 0.03 * torch.sin(14 * points).prod(dim=1)
    ball = points.norm(dim=1) - 0.6 + waves
    plate = (points.abs() - torch.tensor([0.9, 0.02, 0.5], device=points.device)).amax(dim=1)
    rod = torch.maximum(points[:, :2].norm(dim=1) - 0.03, points[:, 2].abs() - 0.95)
    return torch.minimum(torch.minimum(ball, plate), rod)


def logits(field: Field) -> Callable[[Tensor, Tensor], Tensor]:
    """A hook for `volume`: what a trained decoder would answer, clamp(-8 x distance)."""
    return lambda points, network: (-8 * field(points)).clamp(-1, 1).to(network.dtype)
