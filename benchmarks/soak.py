"""The summary of `make soak` from pytest's own report: what was proved at full counts, and how long it took."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from benchmarks.report import RESULTS, commit, machine
from orfeas.version import __version__


def summary(reports: Sequence[Path]) -> dict[str, Any]:
    """Counts by file, what tests counted themselves, and each survival test with its seconds.

    A test that a later report has again counts as it ended there.
    """
    every = [case for report in reports for case in ElementTree.parse(report).iter("testcase")]
    cases = list({(case.get("classname"), case.get("name")): case for case in every}.values())
    ended = {id(case): _end(case) for case in cases}
    return {
        "soak": "full counts",
        "version": __version__,
        "commit": commit(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "totals": dict(Counter(ended.values())),
        "by_file": {
            name: dict(Counter(ended[id(case)] for case in cases if case.get("classname") == name))
            for name in sorted({str(case.get("classname")) for case in cases})
        },
        "counts": {str(case.get("name")): found for case in cases if (found := _counted(case))},
        "survival": {
            f"{case.get('name')}": {"end": ended[id(case)], "seconds": round(float(case.get("time", 0.0)), 1)}
            for case in cases
            if ".survival." in str(case.get("classname"))
        },
    }


def _counted(case: ElementTree.Element) -> dict[str, int]:
    """The whole numbers among a test's properties."""
    found = {str(noted.get("name")): str(noted.get("value")) for noted in case.iter("property")}
    return {name: int(value) for name, value in found.items() if value.isdecimal()}


def _end(case: ElementTree.Element) -> str:
    return next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed")


def earlier(kept: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """What an earlier summary has of the files that were not run again."""
    by_file = {name: ends for name, ends in kept["by_file"].items() if name not in found["by_file"]}
    totals: Counter[str] = Counter()
    for ends in by_file.values():
        totals.update(ends)
    return {"commit": kept["commit"], "at": kept["at"], "totals": dict(totals), "by_file": by_file}


def main() -> None:
    """Write the summary of the reports that are named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("reports", type=Path, nargs="+", help="of pytest (--junitxml)")
    parser.add_argument("--add", action="store_true", help="keep what the last summary has of files not run again")
    options = parser.parse_args()
    found, written = summary(options.reports), RESULTS / "soak.json"
    if options.add:
        found["earlier"] = earlier(json.loads(written.read_text(encoding="utf-8")), found)
    RESULTS.mkdir(exist_ok=True)
    written.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found["totals"]))


if __name__ == "__main__":
    main()
