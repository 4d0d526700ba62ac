"""`make bench-check`: measures again and fails when a ratio is 20 % worse than the committed one."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.report import RESULTS

TOLERANCE = 0.2
BENCHMARKS = ("engine", "http", "mesh", "hunyuan3d")


def worse(committed: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """A sentence for each ratio that is more than 20 % worse, or missing."""
    found = []
    for name, before in committed["ratios"].items():
        now = measured["ratios"].get(name)
        if now is None:
            found.append(f"{name} was not measured")
            continue
        change = now["value"] / before["value"] - 1.0
        loss = change if before["better"] == "lower" else -change
        if loss > TOLERANCE:
            found.append(f"{name}: {now['value']:.3f}, committed {before['value']:.3f} ({loss:+.0%} worse)")
    return found


def main() -> int:
    """Run every benchmark with a committed result and compare; the exit status."""
    complaints = []
    with tempfile.TemporaryDirectory() as folder:
        for name in BENCHMARKS:
            committed = RESULTS / f"{name}.json"
            if not committed.exists():
                complaints.append(f"{name} has no committed result; run 'make bench'")
                continue
            fresh = Path(folder) / f"{name}.json"
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}", "--output", str(fresh)], check=True)
            complaints += worse(json.loads(committed.read_text()), json.loads(fresh.read_text()))
    for complaint in complaints:
        print(f"WORSE {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
