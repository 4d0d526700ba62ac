"""What a stage will need of a device: counted from the sizes of tensors, corrected by what was measured.

A count is of bytes that layers hold at once. What an implementation of attention or an allocator adds is not known
before; so each kind of work has a factor, which rises at once when more was needed and falls slowly.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orfeas.gpu.hunyuan3d.settings import DiTSettings, PipelineSettings

log = logging.getLogger(__name__)

MARGIN = 1.15
"""Between what was measured and what is promised: fragments, and what the next piece of work does differently."""
WORTH_MEASURING = 32 << 20
"""Smaller pieces of work drown in what else the process does."""
FACTORS = (0.25, 8.0)
FALL, TIME_WEIGHT = 0.1, 0.2
BATCH_OF = " x"
"""Between the name of a kind of work and the size of its batch, in the names of measurements."""
CLOSE = 1.05
"""Times that differ by less than this are alike: what is measured on a shared machine scatters as much."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes of a stage beside the weights: for as long as it is on the device, and for one unit of work."""

    held: int
    unit: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.held + self.unit


@dataclass(slots=True)
class Measured:
    """What is known about one kind of work with one model in one precision."""

    factor: float = 1.0
    """Needed over counted bytes."""
    seconds: float | None = None
    """For one unit of the work: an item's evaluation, a picture, a thousand points."""
    count: int = 0


class Forecast:
    """Counts corrected by measurements, which outlive the process in a small file."""

    def __init__(self, path: Path | None = None, *, device: str = "cpu") -> None:
        self._path = path
        self._device = device
        self._known: dict[str, Measured] = {}
        self._changed = False
        self._read()

    def bytes_for(self, work: str, model: str, counted: int) -> int:
        """What to promise for a count of bytes."""
        known = self._known.get(self._key(work, model))
        return int(counted * (known.factor * MARGIN if known and known.count else 1.0))

    def seconds_for(self, work: str, model: str, units: float) -> float | None:
        """How long so many units take; None before one was measured."""
        known = self._known.get(self._key(work, model))
        return None if known is None or known.seconds is None else known.seconds * units

    def learn_bytes(self, work: str, model: str, counted: int, needed: int | None) -> None:
        """Note what a unit of work needed; too small ones say nothing."""
        if needed is None or max(counted, needed) < WORTH_MEASURING:
            return
        known = self._known.setdefault(self._key(work, model), Measured())
        ratio = min(max(needed / max(counted, 1), FACTORS[0]), FACTORS[1])
        higher = ratio > known.factor or known.count == 0
        known.factor = ratio if higher else known.factor + FALL * (ratio - known.factor)
        known.count += 1
        self._changed = True

    def learn_seconds(self, work: str, model: str, units: float, seconds: float) -> None:
        """Note how long so many units took."""
        known = self._known.setdefault(self._key(work, model), Measured())
        each = seconds / max(units, 1e-9)
        known.seconds = each if known.seconds is None else known.seconds + TIME_WEIGHT * (each - known.seconds)
        self._changed = True

    def learn_batch(self, work: str, model: str, size: int, seconds: float) -> None:
        """Note how long a batch of so many items took."""
        self.learn_seconds(f"{work}{BATCH_OF}{size}", model, size, seconds)

    def best_batch(self, work: str) -> int:
        """The smallest batch that is about as fast for an item as any that was measured; 1 before there are two.

        Of several models the smallest of theirs.
        """
        found: dict[str, dict[int, float]] = {}
        for key, known in self._known.items():
            name, _, size = key.rpartition(BATCH_OF)
            if name.startswith(f"{self._device} ") and name.endswith(f" {work}") and known.seconds is not None:
                found.setdefault(name, {})[int(size)] = known.seconds
        return min((_fastest(measured) for measured in found.values()), default=1)

    def save(self) -> None:
        """Write what is new, all at once or not at all."""
        if self._path is None or not self._changed:
            return
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=self._path.name)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump({key: asdict(known) for key, known in sorted(self._known.items())}, stream, indent=1)
            os.replace(name, self._path)
            self._changed = False

    def _read(self) -> None:
        if self._path is None or not self._path.is_file():
            return
        try:
            stored: dict[str, dict[str, Any]] = json.loads(self._path.read_text(encoding="utf-8"))
            self._known = {key: Measured(**values) for key, values in stored.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            log.warning("%s cannot be read; needs are measured again", self._path)

    def _key(self, work: str, model: str) -> str:
        return f"{self._device} {model} {work}"


def _fastest(measured: dict[int, float]) -> int:
    """The smallest size whose seconds for an item are within `CLOSE` of the least."""
    least = min(measured.values())
    return min(size for size, seconds in measured.items() if seconds <= least * CLOSE)


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts for one model; `width` is the bytes of a number in the precision of its weights."""

    settings: PipelineSettings
    width: int

    def encode(self, pictures: int) -> Need:
        """The image encoder on one object's pictures."""
        encoder = self.settings.encoder
        tokens = (encoder.image_size // encoder.dino.patch_size) ** 2 + 1
        layer = tokens * encoder.dino.hidden_size * self.width
        pixels = 3 * encoder.image_size**2 * 4
        return Need(pictures * (pixels + layer), pictures * layer * (8 + 2 * encoder.dino.mlp_ratio))

    def sample(self, tokens: int, steps: int) -> Need:
        """One item in the batch, with the modulations of its schedule."""
        model = self.settings.denoiser
        length, hidden = self.settings.vae.num_latents, model.hidden_size
        latents = 4 * length * model.in_channels
        if isinstance(model, DiTSettings):
            rows = 12 * model.depth + 3 * model.depth_single_blocks + 2
            condition, ratio = 2 * tokens * hidden, model.mlp_ratio
            sequence = length + tokens
        else:
            rows, ratio, sequence = 1, 4.0, length + 1
            # Keys and values of every block, and the skips that half of the blocks leave for the other half.
            condition = 2 * 2 * tokens * hidden * model.depth
        held = (condition + steps * rows * hidden) * self.width + 2 * latents
        skips = 0 if isinstance(model, DiTSettings) else model.depth // 2
        return Need(held, int(sequence * hidden * self.width * (10 + 3 * ratio + skips)) + 3 * latents)

    def tokens(self) -> Need:
        """Latents to the tokens of the point decoder."""
        vae = self.settings.vae
        return Need(4 * vae.num_latents * vae.width * self.width, 16 * vae.num_latents * vae.width * self.width)

    def volume(self, octree_resolution: int, chunk: int) -> Need:
        """A volume at a grid, with its values, what is known of them and a level before it; a chunk of points."""
        vae = self.settings.vae
        grid = int((octree_resolution + 1) ** 3 * 8)
        width = vae.width // vae.geo_decoder_downsample_ratio
        point = width * self.width * (6 + 2 * vae.geo_decoder_mlp_expand_ratio) + 4 * width
        return Need(grid + self.tokens().held, chunk * point)
