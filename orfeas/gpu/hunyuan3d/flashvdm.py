"""FlashVDM's sparse keys: neighbouring points attend only to the tokens that matter to a few of them.

A level's points are put into cells. A few points of each cell choose its keys: those with the largest mean product,
the same number for every head ("mean"), or all that get a share of the attention, the same for every head ("merge").

Source: FlashVDM (arXiv 2503.16302). Which points choose is defined here by the order of indices inside a cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from orfeas.gpu.hunyuan3d.field import ROUND_SHARE, Decoding, Evaluate, LevelPoints, unravel
from orfeas.gpu.hunyuan3d.grid import Axes
from orfeas.gpu.hunyuan3d.point_decoder import PointKeys

FlashMode = Literal["mean", "merge"]
Run = tuple[int, int, int]
"""A cell's number, its first point in the sorted order, and how many points follow one another there."""

BRICKS = 4
"""Bricks along each axis of the coarsest level."""
CELLS = 6
"""Cells along each axis of a finer level's bounding box."""
BRICK_STEP, MEAN_STEP, MERGE_STEP = 100, 50, 30
"""Every how many-th point of a brick or cell takes part in the choice of keys."""
MERGE_SHARE = 1e-6
"""A token that gets more of one point's attention, in the mean over heads, is kept in mode "merge"."""
FILL = 0.75
"""Runs are evaluated together if the shortest has at least this share of the longest one's points."""
SCORES = 1 << 26
"""Products of sampled points and tokens that are held at once."""


class FlashSampler:
    """Every point attends to the keys that its cell has chosen."""

    def __init__(self, decoding: Decoding, mode: FlashMode) -> None:
        self._decoding, self._mode = decoding, mode
        self._keys = decoding.decoder.keys(decoding.tokens) if decoding.savings.prepare_keys else None

    @property
    def depends_on_level(self) -> bool:
        """The cells of another level choose other keys."""
        return True

    def dense(self, axes: Axes) -> Tensor:
        """Values `[nx, ny, nz]` float32 of all samples, in bricks of neighbours."""
        nx, ny, nz = axes.shape
        indices = unravel(torch.arange(nx * ny * nz, device=axes.x.device), axes.shape)
        bricks = indices * BRICKS // torch.tensor(axes.shape, device=axes.x.device)
        level = _Level(self._decoding, self._keys, axes, _MeanChoice(), BRICK_STEP)
        self._decoding.progress.expect(len(indices))
        return level.evaluate(indices, _numbers(bricks, BRICKS), BRICKS**3).view(axes.shape)

    def level(self, axes: Axes) -> Evaluate:
        """An evaluation of some samples of one level; the first call's points lay out the cells and choose the keys.

        A point of a later call takes the keys of its cell; a cell that had no points chooses then.
        """
        choice, step = (_MeanChoice(), MEAN_STEP) if self._mode == "mean" else (_MergeChoice(), MERGE_STEP)
        level = _Level(self._decoding, self._keys, axes, choice, step)
        box: list[Tensor] = []

        def evaluate(indices: Tensor) -> Tensor:
            points = axes.points(indices)
            if not box:
                box.extend([points.amin(dim=0), points.amax(dim=0)])
            cells = ((points - box[0]) / (box[1] - box[0]).clamp(min=1e-12) * (CELLS - 0.001)).floor().long()
            self._decoding.progress.expect(len(indices), ROUND_SHARE)
            return level.evaluate(indices, _numbers(cells.clamp(0, CELLS - 1), CELLS), CELLS**3)

        return evaluate


def kept_keys(num_latents: int) -> int:
    """How many keys of each head a cell keeps in mode "mean"."""
    return {3072: 1024, 512: 256}.get(num_latents, max(num_latents // 3, 1))


def _numbers(cells: Tensor, side: int) -> Tensor:
    return (cells[:, 0] * side + cells[:, 1]) * side + cells[:, 2]


class _Choice(Protocol):
    """The keys that the cells of one level have chosen, a row for each cell."""

    def add(self, queries: Iterator[tuple[Tensor, Tensor]], rows: int, keys: PointKeys) -> None:
        """Append rows: sampled queries come as `[n, H, d]` with the number of the row, from 0, that each is for."""
        ...

    def of(self, rows: list[int], keys: PointKeys) -> tuple[PointKeys, Tensor | None]:
        """Keys and values `[n, H, K, d]` of some rows, and their attention mask `[n, 1, 1, K]`."""
        ...


class _MeanChoice:
    """The keys with the largest products with the mean of a cell's queries, for each head."""

    def __init__(self) -> None:
        self._chosen: Tensor | None = None

    def add(self, queries: Iterator[tuple[Tensor, Tensor]], rows: int, keys: PointKeys) -> None:
        """The mean of the products is the product with the sum of the queries, up to a positive factor."""
        _, heads, length, size = keys.k.shape
        total = torch.zeros(rows, heads, size, dtype=torch.float32, device=keys.k.device)
        for sampled, owner in queries:
            total.index_add_(0, owner, sampled.float())
        scores = torch.einsum("rhd,hld->rhl", total, keys.k[0].float())
        chosen = scores.topk(min(kept_keys(length), length), dim=-1).indices
        self._chosen = chosen if self._chosen is None else torch.cat([self._chosen, chosen])

    def of(self, rows: list[int], keys: PointKeys) -> tuple[PointKeys, Tensor | None]:
        """All chosen keys count."""
        assert self._chosen is not None
        positions = self._chosen[torch.tensor(rows, device=self._chosen.device)]
        head = torch.arange(positions.shape[1], device=positions.device)[:, None]
        return PointKeys(keys.k[0][head, positions], keys.v[0][head, positions]), None


class _MergeChoice:
    """The keys that any of a cell's points gives more than a trace of its attention, the same for all heads."""

    def __init__(self) -> None:
        self._masks: Tensor | None = None
        self._widths: list[int] = []

    def add(self, queries: Iterator[tuple[Tensor, Tensor]], rows: int, keys: PointKeys) -> None:
        """The products are not scaled before the softmax."""
        length = keys.k.shape[2]
        votes = torch.zeros(rows, length, dtype=torch.float32, device=keys.k.device)
        for sampled, owner in queries:
            products = torch.einsum("nhd,hld->nhl", sampled.float(), keys.k[0].float())
            shares = products.softmax(dim=-1).mean(dim=1)
            votes.index_add_(0, owner, (shares > MERGE_SHARE).float())
        masks = votes > 0
        self._widths += masks.sum(dim=1).tolist()
        self._masks = masks if self._masks is None else torch.cat([self._masks, masks])

    def of(self, rows: list[int], keys: PointKeys) -> tuple[PointKeys, Tensor | None]:
        """Rows have different numbers of keys: the shorter ones are filled up and masked."""
        assert self._masks is not None
        widths = [self._widths[row] for row in rows]
        masks = self._masks[torch.tensor(rows, device=self._masks.device)]
        positions = masks.byte().argsort(dim=-1, descending=True, stable=True)[:, : max(widths)]
        chosen = PointKeys(*(part[0][:, positions].transpose(0, 1) for part in (keys.k, keys.v)))
        same_width = min(widths) == max(widths)
        return chosen, None if same_width else masks.gather(1, positions)[:, None, None]


class _Level:
    """The cells of one level, the keys they have chosen so far, and the evaluation of their points."""

    def __init__(self, decoding: Decoding, keys: PointKeys | None, axes: Axes, choice: _Choice, step: int) -> None:
        self._decoding, self._prepared = decoding, keys
        self._points: LevelPoints = decoding.level(axes)
        self._choice, self._step = choice, step
        self._rows: dict[int, int] = {}

    def evaluate(self, indices: Tensor, cells: Tensor, num_cells: int) -> Tensor:
        """Values `[n]` of the samples `indices` `[n, 3]`, each in the cell of that number."""
        order = cells.argsort(stable=True)
        indices = indices[order]
        # The one synchronisation of a round: the sizes of the cells decide what is evaluated together.
        runs = _runs(cells.bincount(minlength=num_cells).tolist())
        batches = self._decoding.savings.batch_cells
        new = [run for run in runs if run[0] not in self._rows]
        for group in [new] if batches and new else [[run] for run in new]:
            self._choose(indices, group)
        values = torch.empty(len(indices), dtype=torch.float32, device=indices.device)
        limit = self._decoding.num_chunks
        for group in _packed(runs, limit) if batches else [[run] for run in _limited(runs, limit)]:
            targets, evaluated = self._evaluate(indices, group)
            values[order[targets]] = evaluated
        return values

    def _keys(self) -> PointKeys:
        return self._prepared or self._decoding.decoder.keys(self._decoding.tokens)

    def _choose(self, indices: Tensor, runs: list[Run]) -> None:
        keys = self._keys()
        self._choice.add(self._sampled_queries(indices, runs, keys), len(runs), keys)
        self._rows.update({cell: len(self._rows) + row for row, (cell, _, _) in enumerate(runs)})

    def _sampled_queries(self, indices: Tensor, runs: list[Run], keys: PointKeys) -> Iterator[tuple[Tensor, Tensor]]:
        """Queries `[n, H, d]` of every so many-th point of each run, and the number `[n]` of the run."""
        samples = [torch.arange(start, start + length, self._step) for _, start, length in runs]
        owners = [torch.full_like(sample, row) for row, sample in enumerate(samples)]
        _, heads, length, _ = keys.k.shape
        size = max(min(self._decoding.num_chunks, SCORES // (heads * length)), 1)
        for sample, owner in zip(
            torch.split(torch.cat(samples), size), torch.split(torch.cat(owners), size), strict=True
        ):
            embedded = self._points.embed(indices[sample.to(indices.device)])
            yield self._decoding.decoder.queries(embedded[None])[0].transpose(0, 1), owner.to(indices.device)

    def _evaluate(self, indices: Tensor, runs: list[Run]) -> tuple[Tensor, Tensor]:
        """Values of the points of some runs, filled up to the longest, and their positions in the sorted order."""
        table, slots = _table(runs)
        targets = table.flatten()[slots].to(indices.device)
        embedded = self._points.embed(indices[table.flatten().to(indices.device)]).view(*table.shape, -1)
        decoder = self._decoding.decoder
        keys, mask = self._choice.of([self._rows[cell] for cell, _, _ in runs], self._keys())
        queries = decoder.queries(embedded)
        attended = functional.scaled_dot_product_attention(queries, keys.k, keys.v, attn_mask=mask)
        values = decoder.finish(embedded, attended).flatten()[slots.to(indices.device)]
        return targets, self._points.finished(indices[targets], values)


def _runs(counts: list[int]) -> list[Run]:
    runs, start = [], 0
    for cell, count in enumerate(counts):
        if count:
            runs.append((cell, start, count))
        start += count
    return runs


def _limited(runs: list[Run], limit: int) -> list[Run]:
    """Runs of at most `limit` points."""
    return [
        (cell, start + offset, min(limit, length - offset))
        for cell, start, length in runs
        for offset in range(0, length, limit)
    ]


def _packed(runs: list[Run], limit: int) -> Iterator[list[Run]]:
    """Groups of runs of similar length with at most `limit` points when filled up, longest first."""
    group: list[Run] = []
    for run in sorted(_limited(runs, limit), key=lambda run: -run[2]):
        longest = group[0][2] if group else run[2]
        if group and (run[2] < FILL * longest or (len(group) + 1) * longest > limit):
            yield group
            group = []
        group.append(run)
    if group:
        yield group


def _table(runs: list[Run]) -> tuple[Tensor, Tensor]:
    """Sorted positions `[runs, longest]`, where a short run repeats its last one, and the flat slots that count."""
    starts = torch.tensor([start for _, start, _ in runs])[:, None]
    lengths = torch.tensor([length for _, _, length in runs])[:, None]
    steps = torch.arange(int(lengths.max()))
    return starts + torch.minimum(steps, lengths - 1), (steps < lengths).flatten().nonzero()[:, 0]
