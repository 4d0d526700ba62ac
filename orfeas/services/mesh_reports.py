"""What jobs on meshes found out, put together from the reports of their stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orfeas.jobs.views import RunView

Report = dict[str, Any]
Make = Callable[[RunView, Mapping[str, Report]], Report]
FIRST, LAST = "mesh.analyze", "mesh.analyze#2"
"""The analyses of the input and of the file that was written."""


def result_members(run: RunView) -> Report:
    """The members that the type of a job adds to its result; none where it has none of its own."""
    make = _MEMBERS.get(run.type)
    reports = (run.result or {}).get("reports")
    return make(run, reports) if make and reports else {}


def compatible_members(run: RunView) -> Report:
    """The same as the compatible surface names it: the report of each operation under its own name."""
    reports = (run.result or {}).get("reports")
    if not reports or run.type not in _COMPATIBLE:
        return {}
    name, make = _COMPATIBLE[run.type]
    found = make(run, reports)
    return {name: found} if found else {}


def analysis(reports: Mapping[str, Report], name: str = FIRST) -> Report:
    """One analysis with the seconds that it took."""
    found = reports.get(name)
    return {} if found is None else {**found["analysis"], "processing_time": found.get("seconds")}


def repair_report(reports: Mapping[str, Report]) -> Report:
    """Before, after, and what was done between."""
    done, before, after = reports["mesh.repair"], analysis(reports), analysis(reports, LAST)
    return {
        "operations": done["operations"],
        "initial_quality": before["quality_score"],
        "final_quality": after["quality_score"],
        "improvement": round(after["quality_score"] - before["quality_score"], 3),
        "before": before,
        "after": after,
        **{name: done[name] for name in ("is_watertight", "volume_change", "max_deviation_mm", "mean_deviation_mm")},
        "processing_time": done.get("seconds"),
    }


def simplification_report(reports: Mapping[str, Report]) -> Report:
    """What became of the faces, and what it cost."""
    done = reports["mesh.simplify"]
    initial, final = done["faces_before"], done["faces"]
    return {
        "method": "quadric_decimation",
        "initial_faces": initial,
        "target_faces": done["target_faces"],
        "final_faces": final,
        "reduction_achieved": round(1.0 - final / initial, 6),
        **{
            name: done[name]
            for name in (
                "quality_preserved", "volume_change", "max_deviation_mm", "mean_deviation_mm", "is_watertight",
            )
        },
        "processing_time": done.get("seconds"),
    }  # fmt: skip


def optimization_report(run: RunView, reports: Mapping[str, Report]) -> Report:
    """Every step of making a mesh ready for a printer."""
    assets = (run.result or {}).get("assets", [])
    return {
        "input_file": run.request.get("input_file"),
        "output_file": assets[0]["filename"] if assets else None,
        "success": True,
        "stages": {
            "initial_analysis": analysis(reports),
            "auto_repair": _timed(reports["mesh.repair"]),
            "print_optimization": _print_optimization(run, reports),
            "final_analysis": analysis(reports, LAST),
        },
        "total_processing_time": round(sum(report.get("seconds") or 0.0 for report in reports.values()), 6),
    }


def _print_optimization(run: RunView, reports: Mapping[str, Report]) -> Report:
    scaled, placed = reports["mesh.scale"], reports["mesh.place"]
    steps = [name for name in ("mesh.scale", "mesh.orient", "mesh.hollow", "mesh.place") if name in reports]
    return {
        "printer": run.request["printer"],
        "operations": [
            *({"name": "scale", "factor": scaled["factor"]} for _ in (1,) if scaled["factor"] != 1.0),
            *({"name": "orient", "goal": reports[name]["goal"]} for name in steps if name == "mesh.orient"),
            *({"name": "hollow", **_hollow(reports)} for name in steps if name == "mesh.hollow"),
            {"name": "place_on_bed"},
        ],
        "up_axis": "z",
        "orientation": reports.get("mesh.orient", {}).get("matrix", IDENTITY),
        **placed["estimate"],
        "processing_time": round(sum(reports[name].get("seconds") or 0.0 for name in steps), 6),
    }


IDENTITY = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def _hollow(reports: Mapping[str, Report]) -> Report:
    return _without_notes(reports["mesh.hollow"])


def _without_notes(report: Report) -> Report:
    return {name: value for name, value in report.items() if name not in ("seconds", "warnings")}


def _timed(report: Report) -> Report:
    return {**_without_notes(report), "processing_time": report.get("seconds")}


_MEMBERS: dict[str, Make] = {
    "analyze": lambda run, reports: {"measures": analysis(reports)} if FIRST in reports else {},
    "repair": lambda run, reports: repair_report(reports),
    "simplify": lambda run, reports: simplification_report(reports),
    "optimize": lambda run, reports: {"report": optimization_report(run, reports)},
    "orient": lambda run, reports: _timed(reports["mesh.orient"]),
    "hollow": lambda run, reports: _timed(reports["mesh.hollow"]),
    "texture": lambda run, reports: _timed(reports.get("mesh.texture", {})),
}  # fmt: skip

_COMPATIBLE: dict[str, tuple[str, Make]] = {
    "analyze": ("analysis", lambda run, reports: analysis(reports)),
    "repair": ("repair_report", lambda run, reports: repair_report(reports)),
    "simplify": ("simplification_report", lambda run, reports: simplification_report(reports)),
    "optimize": ("optimization_report", optimization_report),
}
