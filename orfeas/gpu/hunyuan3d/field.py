"""Evaluates the point decoder at samples of a grid: what the volume decoders share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from orfeas.gpu.hunyuan3d.grid import Axes
from orfeas.gpu.hunyuan3d.point_decoder import AxisTables, PointDecoder
from orfeas.gpu.hunyuan3d.savings import Savings

Replace = Callable[[Tensor, Tensor], Tensor]
"""Points `[n, 3]` and their values `[n]` to other values `[n]`, for benchmarks on a known shape."""
Evaluate = Callable[[Tensor], Tensor]
"""Indices `[n, 3]` of samples, in index order, to their values `[n]` float32."""

ROUND_SHARE = 0.8
"""A level's first round of points is most of the level; how many rounds follow is not known before."""


class Sampler(Protocol):
    """Values at samples of a grid: all of them, or those of a finer level where they are asked for."""

    @property
    def depends_on_level(self) -> bool:
        """Whether a sample's value may be another one on another level, so that it has to be evaluated again."""
        ...

    def dense(self, axes: Axes) -> Tensor:
        """Values `[nx, ny, nz]` float32 of all samples."""
        ...

    def level(self, axes: Axes) -> Evaluate:
        """An evaluation of some samples of one level; it may be called several times."""
        ...


class Progress:
    """Tells a callback the finished share of the whole, which may raise to cancel."""

    def __init__(self, report: Callable[[float], None] | None = None) -> None:
        self._report = report
        self._at, self._end = 0.0, 1.0
        self._step = 0.0

    def span(self, start: float, end: float) -> None:
        """What follows fills this range of the whole."""
        self._at, self._end = start, end

    def expect(self, points: int, share: float = 1.0) -> None:
        """So many points fill this share of what is left of the range."""
        self._step = share * (self._end - self._at) / max(points, 1)

    def advance(self, points: int) -> None:
        """Report some more points."""
        self._at = min(self._at + points * self._step, self._end)
        if self._report is not None:
            self._report(self._at)

    def finish(self) -> None:
        """Report the end, unless rounding alone keeps it from having been reported."""
        if self._report is not None and self._at < 1.0:
            self._at = 1.0
            self._report(1.0)


@dataclass(frozen=True, slots=True)
class Decoding:
    """One shape being decoded; nothing in it is shared with another call."""

    decoder: PointDecoder
    tokens: Tensor
    savings: Savings
    num_chunks: int
    replace: Replace | None = None
    progress: Progress = field(default_factory=Progress)

    def level(self, axes: Axes) -> LevelPoints:
        """The samples of one grid, ready to be embedded."""
        tables = self.decoder.tables(axes.x, axes.y, axes.z) if self.savings.axis_tables else None
        return LevelPoints(self, axes, tables)


@dataclass(frozen=True, slots=True)
class LevelPoints:
    """The samples of one grid and their embeddings."""

    decoding: Decoding
    axes: Axes
    tables: AxisTables | None

    def embed(self, indices: Tensor) -> Tensor:
        """Embeddings `[n, g]` of samples in the precision of the weights."""
        decoder = self.decoding.decoder
        embedded = decoder.embed(self.axes.points(indices)) if self.tables is None else self.tables.embed(indices)
        return embedded.to(decoder.dtype)

    def finished(self, indices: Tensor, values: Tensor) -> Tensor:
        """Values `[n]` of a chunk after the replacement, and the progress of it."""
        decoding = self.decoding
        if decoding.replace is not None:
            values = decoding.replace(self.axes.points(indices), values)
        decoding.progress.advance(len(indices))
        return values


class PlainSampler:
    """Every point attends to all tokens of the shape; points are evaluated `num_chunks` at a time."""

    def __init__(self, decoding: Decoding) -> None:
        self._decoding = decoding
        self._keys = decoding.decoder.keys(decoding.tokens) if decoding.savings.prepare_keys else None

    @property
    def depends_on_level(self) -> bool:
        """A point has one value."""
        return False

    def dense(self, axes: Axes) -> Tensor:
        """Values `[nx, ny, nz]` float32 of all samples."""
        points = self._decoding.level(axes)
        values = torch.empty(axes.shape, dtype=torch.float32, device=axes.x.device)
        flat = values.view(-1)
        self._decoding.progress.expect(len(flat))
        for start in range(0, len(flat), self._decoding.num_chunks):
            stop = min(start + self._decoding.num_chunks, len(flat))
            order = torch.arange(start, stop, device=values.device)
            flat[start:stop] = self._chunk(points, unravel(order, axes.shape))
        return values

    def level(self, axes: Axes) -> Evaluate:
        """An evaluation of some samples of one level."""
        points = self._decoding.level(axes)

        def evaluate(indices: Tensor) -> Tensor:
            self._decoding.progress.expect(len(indices), ROUND_SHARE)
            chunks = [self._chunk(points, chunk) for chunk in torch.split(indices, self._decoding.num_chunks)]
            return torch.cat(chunks)

        return evaluate

    def _chunk(self, points: LevelPoints, indices: Tensor) -> Tensor:
        decoder = self._decoding.decoder
        keys = self._keys or decoder.keys(self._decoding.tokens)
        values = decoder.decode(points.embed(indices)[None], keys)[0]
        return points.finished(indices, values)


def unravel(flat: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Indices `[n, 3]` of flat positions `[n]` in a row-major array of this shape."""
    _, ny, nz = shape
    rows = flat // nz
    return torch.stack([rows // ny, rows % ny, flat % nz], dim=-1)
