"""Decodes a shape's tokens on a grid: every sample, or only those near the surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d import hierarchical, published
from orfeas.gpu.hunyuan3d.field import Decoding, PlainSampler, Progress, Replace, Sampler
from orfeas.gpu.hunyuan3d.flashvdm import FlashMode, FlashSampler
from orfeas.gpu.hunyuan3d.grid import Bounds, Grid, corners, sample_axes
from orfeas.gpu.hunyuan3d.point_decoder import PointDecoder
from orfeas.gpu.hunyuan3d.savings import Savings

Method = Literal["dense", "hierarchical", "flashvdm"]

CHUNK_ON_CPU, CHUNK_ON_DEVICE = 2048, 65536
"""Points for one evaluation: larger ones are no faster, and smaller ones report and cancel more often."""
NARROW_MIN_RESOLUTION = 24
"""Cells along an axis of the coarsest level where the refined band is tied to the size of a cell."""
PUBLISHED_MIN_RESOLUTION = 63


@torch.no_grad()
def decode_volume(
    decoder: PointDecoder,
    tokens: Tensor,
    octree_resolution: int,
    *,
    level: float = 0.0,
    bounds: Bounds = 1.01,
    method: Method = "dense",
    flash_mode: FlashMode = "mean",
    num_chunks: int | None = None,
    min_resolution: int | None = None,
    on_chunk: Callable[[float], None] | None = None,
    savings: Savings | None = None,
    replace: Replace | None = None,
    reference: bool = False,
) -> Grid:
    """The field of one shape on a grid of `octree_resolution` cells along each axis.

    Parameters
    ----------
    decoder
        The point decoder of the autoencoder that made the tokens.
    tokens : (1, L, w)
        One shape.
    octree_resolution
        Cells along an axis; any number, also one that cannot be halved.
    level
        The value whose surface is wanted: what sparse decoding refines around.
    bounds
        Half the side of a cube, or xmin, ymin, zmin, xmax, ymax, zmax in model coordinates.
    method
        "dense" evaluates every sample. "hierarchical" and "flashvdm" evaluate the samples near the surface, coarse to
        fine, the latter with the keys that each cell chooses.
    num_chunks
        Points for one evaluation.
    min_resolution
        The coarsest level has at least this many cells along an axis. What is thinner than half of one of its cells
        and shows in none of its values is not found.
    on_chunk
        Told the finished share after each chunk; what it raises ends the decoding.
    replace
        Points and values to other values, for benchmarks.
    reference
        Follow the published algorithm in every detail: its levels, its band, unknown values as NaN. With "flashvdm"
        the grid is then smaller than the one asked for.

    Raises
    ------
    ValueError
        More than one shape, fewer than two cells, or bounds without extent.
    """
    if tokens.shape[0] != 1 or octree_resolution < 2:
        raise ValueError(f"One shape on at least 2 cells is decoded, not {tokens.shape[0]} on {octree_resolution}.")
    box = corners(bounds)
    num_chunks = num_chunks or (CHUNK_ON_CPU if tokens.device.type == "cpu" else CHUNK_ON_DEVICE)
    decoding = Decoding(
        decoder, tokens, savings or Savings(), num_chunks, _relative(replace, level), Progress(on_chunk)
    )
    sampler: Sampler = FlashSampler(decoding, flash_mode) if method == "flashvdm" else PlainSampler(decoding)
    if reference and method != "dense":
        levels = published.flash_levels if method == "flashvdm" else published.halved_levels
        resolutions = levels(octree_resolution, min_resolution or PUBLISHED_MIN_RESOLUTION)
        values = published.decode(sampler, box, resolutions, decoding.progress, tokens.device)
        return Grid(values.add_(level), ~values.isnan(), box, resolutions[-1])
    axes = sample_axes(box, octree_resolution, tokens.device)
    if method == "dense":
        values = sampler.dense(axes)
        known = torch.ones((), dtype=torch.bool, device=values.device).expand_as(values)
        return Grid(values.add_(level), known, box, octree_resolution)
    narrow = decoding.savings.narrow_band
    found = hierarchical.decode(
        sampler,
        axes,
        min_resolution=min_resolution or (NARROW_MIN_RESOLUTION if narrow else PUBLISHED_MIN_RESOLUTION),
        narrow=narrow,
        progress=decoding.progress,
    )
    return Grid(found.values.add_(level), found.known, box, octree_resolution)


def _relative(replace: Replace | None, level: float) -> Replace | None:
    """Values less the level, so that every decoder may look for a surface at zero."""
    if level == 0.0:
        return replace
    if replace is None:
        return lambda _, values: values - level
    return lambda points, values: replace(points, values) - level
