"""How long an analysis takes, and what it holds in memory, against trimesh on the same surfaces."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from typing import Any

from benchmarks.report import Goal, Ratio, current_bytes, peak_bytes

FACES = {"30k": 30_000, "100k": 100_000, "1m": 1_000_000}
SECONDS_100K = 2.0
BYTES_PER_FACE = 1000.0


def bumpy_sphere(faces: int) -> tuple[Any, Any]:
    """A closed surface of about this many faces, with bumps and no crossing, in millimetres."""
    import numpy as np
    from trimesh.creation import uv_sphere

    rings = max(3, round((faces / 8) ** 0.5))
    sphere = uv_sphere(radius=1.0, count=[rings, 2 * rings])
    waves = np.random.default_rng(1).normal(scale=3.0, size=(6, 3))
    bumps = np.sin(sphere.vertices @ waves.T).mean(axis=1, keepdims=True)
    return np.array(sphere.vertices * (1.0 + 0.1 * bumps) * 50.0), np.array(sphere.faces)


def measured() -> tuple[dict[str, Goal], dict[str, Ratio]]:
    """Figures and ratios; each surface is looked at in a process of its own."""
    figures: dict[str, Goal] = {}
    ratios: dict[str, Ratio] = {}
    for name, faces in FACES.items():
        ours, theirs = (_alone(work, faces) for work in (_ours, _theirs))
        limit = SECONDS_100K if name == "100k" else None
        figures[f"analysis_{name}_s"] = Goal(round(ours["seconds"], 3), "s", limit)
        figures[f"analysis_{name}_wall_s"] = Goal(round(ours["wall"], 3), "s")
        per_face = BYTES_PER_FACE if name == "1m" else None
        figures[f"analysis_{name}_bytes_per_face"] = Goal(round(ours["bytes"] / ours["faces"]), "B", per_face)
        figures[f"trimesh_{name}_s"] = Goal(round(theirs["seconds"], 3), "s")
        ratios[f"analysis_{name}_of_trimesh"] = Ratio(round(ours["seconds"] / theirs["seconds"], 3), "lower")
    return figures, ratios


def _alone(work: Callable[[int], dict[str, float]], faces: int) -> dict[str, float]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, (faces,))


def _ours(faces: int) -> dict[str, float]:
    from orfeas.domain.presets import PRINTERS
    from orfeas.geometry.analysis import analyze
    from orfeas.geometry.mesh import Mesh

    printer = PRINTERS["halot-x1"]
    analyze(Mesh(*bumpy_sphere(200)), printer=printer)
    return _timed(lambda mesh: analyze(Mesh(*mesh), printer=printer, self_intersections=True), bumpy_sphere(faces))


def _theirs(faces: int) -> dict[str, float]:
    """What trimesh knows of a mesh: it has no crossings, walls or overhang."""
    import trimesh

    def look(mesh: tuple[Any, Any]) -> None:
        loaded = trimesh.Trimesh(*mesh, process=True)
        _ = loaded.is_watertight, loaded.is_winding_consistent, loaded.volume, loaded.area, loaded.euler_number
        _ = loaded.body_count, loaded.center_mass

    look(bumpy_sphere(200))
    return _timed(look, bumpy_sphere(faces))


def _timed(work: Callable[[tuple[Any, Any]], Any], mesh: tuple[Any, Any]) -> dict[str, float]:
    before = current_bytes()
    start, clock = time.process_time(), time.perf_counter()
    work(mesh)
    spent, clock = time.process_time() - start, time.perf_counter() - clock
    return {"seconds": spent, "wall": clock, "bytes": peak_bytes() - before, "faces": len(mesh[1])}
