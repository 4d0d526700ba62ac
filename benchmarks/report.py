"""Results as JSON with the facts of the machine: absolute figures, and ratios that other machines can compare."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil

from orfeas.version import __version__

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure without a unit, of two times taken in one run."""

    value: float
    better: Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Goal:
    """An absolute figure and what it should reach."""

    value: float
    unit: str
    limit: float | None = None
    at_least: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it does; None without a limit."""
        if self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def machine() -> dict[str, Any]:
    """Facts that figures depend on."""
    return {
        "architecture": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str | None:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)


def peak_bytes() -> int:
    """Most memory that this process has had. Linux's own figure, as the one of getrusage(2) outlives an exec."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


def current_bytes() -> int:
    """Memory that this process has now."""
    return int(psutil.Process().memory_info().rss)


def document(name: str, figures: dict[str, Goal], ratios: dict[str, Ratio], facts: dict[str, Any]) -> dict[str, Any]:
    """What a benchmark found."""
    return {
        "benchmark": name,
        "version": __version__,
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": facts,
        "figures": {key: {**asdict(goal), "met": goal.met} for key, goal in figures.items()},
        "ratios": {key: asdict(ratio) for key, ratio in ratios.items()},
    }


def commit() -> str | None:
    """The short name of the commit that is measured, None outside a checkout."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def output_path(name: str) -> Path:
    """`--output`, or the committed place."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path, default=RESULTS / f"{name}.json")
    return Path(parser.parse_args().output)


def write(path: Path, found: dict[str, Any]) -> None:
    """Write a result and print it in short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    for key, goal in found["figures"].items():
        verdict = {True: "met", False: "MISSED", None: ""}[goal["met"]]
        wanted = "" if goal["limit"] is None else f"({'>=' if goal['at_least'] else '<='} {goal['limit']:g}) {verdict}"
        print(f"{key:<36} {goal['value']:>10.3f} {goal['unit']:<6} {wanted}")
    for key, ratio in found["ratios"].items():
        print(f"{key:<36} {ratio['value']:>10.3f} ratio  ({ratio['better']} is better)")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share (0 to 1) of all values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return statistics.median(values)
