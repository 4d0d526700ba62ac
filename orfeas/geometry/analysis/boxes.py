"""Pairs of triangles whose boxes overlap, by a tree of boxes over a space-filling curve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats32 = NDArray[np.float32]
Indices = NDArray[np.int32]
Pairs = tuple[Indices, Indices]

BLOCK = 1 << 19  # pairs at a time: bounds the memory, whatever the mesh
GRID_BITS = 10  # of each axis of the curve


@dataclass(frozen=True, slots=True)
class Tree:
    """A perfect binary tree of boxes.

    Attributes
    ----------
    levels : list of (6, 2^k) float32
        Lower and upper corners, the root first; boxes that fill up the last level are empty.
    order : (m,) int
        Triangle of each leaf.
    """

    levels: list[Floats32]
    order: Indices

    @classmethod
    def of(cls, low: Floats32, high: Floats32) -> Tree:
        """Over the boxes (m, 3) of triangles."""
        order = np.argsort(_curve((low + high) / 2.0)).astype(np.int32)
        size = 1 << max(0, int(len(order) - 1).bit_length())
        leaves = np.empty((6, size), dtype=np.float32)
        leaves[:3], leaves[3:] = np.inf, -np.inf
        leaves[:3, : len(order)] = low[order].T
        leaves[3:, : len(order)] = high[order].T
        levels = [leaves]
        while levels[-1].shape[1] > 1:
            below = levels[-1]
            lower = np.minimum(below[:3, 0::2], below[:3, 1::2])
            levels.append(np.concatenate([lower, np.maximum(below[3:, 0::2], below[3:, 1::2])]))
        return cls(levels[::-1], order)

    def pairs(self) -> Iterator[tuple[Indices, Indices, float]]:
        """Overlapping pairs in blocks, each pair once, with the share of the work that is done."""
        last = len(self.levels) - 1
        # A pair of one node with itself stands for its two children: they enter at each level.
        for level in range(1, last + 1):
            left = np.arange(0, self.levels[level].shape[1], 2, dtype=np.int32)
            stack = [(level, left, left + 1)]
            while stack:
                at, one, two = stack.pop()
                one, two = self._overlapping(at, one, two)
                if at == last:
                    yield self.order[one], self.order[two], level / last
                    continue
                cuts = [slice(start, start + BLOCK // 4) for start in range(0, len(one), BLOCK // 4)]
                # Children are made when their turn comes: what waits is small.
                stack.extend((at + 1, *_children(one[cut], two[cut])) for cut in cuts)

    def _overlapping(self, level: int, one: Indices, two: Indices) -> Pairs:
        """Those of the pairs whose boxes overlap; axis by axis, so that each looks at fewer."""
        boxes = self.levels[level]
        for axis in range(3):
            low, high = boxes[axis], boxes[axis + 3]
            kept = (low[one] <= high[two]) & (low[two] <= high[one])
            one, two = one[kept], two[kept]
        return one, two


def _children(one: Indices, two: Indices) -> Pairs:
    one, two = one * 2, two * 2
    return np.concatenate([one, one, one + 1, one + 1]), np.concatenate([two, two + 1, two, two + 1])


def _curve(places: Floats32) -> NDArray[np.uint32]:
    """Place of each point on a Morton curve through the box of all."""
    low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    cells = ((places - low) / span * (2**GRID_BITS - 1)).astype(np.uint32)
    one, two = np.uint32(1), np.uint32(2)
    return np.asarray(_spread(cells[:, 0]) | _spread(cells[:, 1]) << one | _spread(cells[:, 2]) << two, dtype=np.uint32)


def _spread(bits: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Ten bits, each followed by two zeros (G. M. Morton, IBM, 1966)."""
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        bits = np.asarray((bits | bits << np.uint32(shift)) & np.uint32(mask), dtype=np.uint32)
    return bits
