"""Load a checkpoint in a fresh process and print the peak of its memory relative to the weights.

Usage: memory_probe.py FOLDER BLOCKS WIDTH, then one `dtype:fused` for each measurement. Each runs in a child that is
forked after torch is ready, so that only the loading counts; the peak includes resident pages of the file.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import torch
from torch import nn

from orfeas.gpu.hunyuan3d import checkpoint


class Block(nn.Module):
    """Two layers as they are published, and one that fusing leaves alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.small = nn.Linear(8, 8)


class FusedBlock(Block):
    """The same, stacked after loading."""

    def fuse(self) -> None:
        self.both = nn.Parameter(torch.stack([self.first.weight, self.second.weight]), requires_grad=False)
        del self.first.weight, self.second.weight


def model(blocks: int, width: int, *, fused: bool) -> nn.Module:
    kind = FusedBlock if fused else Block
    return nn.ModuleDict({"blocks": nn.ModuleList(kind(width) for _ in range(blocks)), "head": nn.Linear(width, 4)})


def status(key: str) -> int:
    """A line of /proc/self/status in bytes."""
    found = re.search(rf"{key}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def load(folder: Path, blocks: int, width: int, dtype: torch.dtype, *, fused: bool) -> nn.Module:
    with torch.device("meta"):
        module = model(blocks, width, fused=fused)
    checkpoint.load_part(folder, "model", module, device="cpu", dtype=dtype)
    for parameter in module.parameters():
        # Reads every page of a weight that is still mapped.
        parameter.amax()
    return module


def measure(folder: Path, blocks: int, width: int, dtype: torch.dtype, *, fused: bool) -> dict[str, float]:
    # A forked process faults pages of the libraries in again; they are not the loader's.
    load(folder.parent / "small", 1, 8, dtype, fused=fused)
    before = status("VmRSS")
    module = load(folder, blocks, width, dtype, fused=fused)
    size = sum(parameter.numel() * parameter.element_size() for parameter in module.parameters())
    return {"peak": (status("VmHWM") - before) / size, "after": (status("VmRSS") - before) / size, "bytes": size}


def main() -> None:
    torch.set_num_threads(1)
    folder, blocks, width = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for job in sys.argv[4:]:
        dtype, fused = getattr(torch, job.split(":")[0]), job.endswith(":fused")
        child = os.fork()
        if child == 0:
            print(json.dumps({"job": job, **measure(folder, blocks, width, dtype, fused=fused)}), flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


if __name__ == "__main__":
    main()
