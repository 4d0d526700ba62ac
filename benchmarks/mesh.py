"""Repair and simplification against other tools, on the same files in one run.

trimesh alone runs in this process. pymeshlab (GPL) and pymeshfix (AGPL) run as black boxes: in a virtual environment of
their own, made once in a folder of the cache, over files. Times are seconds of the processor, all threads
together, so that what else the machine does does not count; `_wall` figures are seconds of the clock.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import trimesh

from benchmarks import mesh_analysis
from benchmarks.report import Goal, Ratio, document, machine, median, output_path, write
from orfeas.geometry.deviation import deviation
from orfeas.geometry.manifoldness import topology
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.repair import repair
from orfeas.geometry.simplify import exactly, simplify_to
from tests.geometry import damage, solids

Made = TypeVar("Made")
CASES = int(os.environ.get("BENCH_MESH_CASES", "21"))
FACES = 80_000
LARGE, SMALL = 500_000, 50_000
RUNS = 3
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "orfeas" / "bench-mesh"
OTHERS = ("pymeshlab", "pymeshfix")

RUNNER = """
import json, sys, time
import numpy as np

def fix(source, target):
    import pymeshfix
    held = np.load(source)
    start = time.perf_counter()
    tool = pymeshfix.MeshFix(held["vertices"], held["faces"].astype(np.int32))
    tool.repair()
    took = time.perf_counter() - start
    np.savez(target, vertices=np.asarray(tool.points), faces=np.asarray(tool.faces))
    return took

def simplify(source, target, count):
    import pymeshlab
    held = np.load(source)
    meshes = pymeshlab.MeshSet()
    meshes.add_mesh(pymeshlab.Mesh(held["vertices"], held["faces"].astype(np.int32)))
    start = time.process_time()
    meshes.meshing_decimation_quadric_edge_collapse(targetfacenum=int(count))
    took = time.process_time() - start
    made = meshes.current_mesh()
    np.savez(target, vertices=made.vertex_matrix(), faces=made.face_matrix())
    return took

print(json.dumps({"fix": fix, "simplify": simplify}[sys.argv[1]](*sys.argv[2:])))
"""


def main() -> None:
    """Measure, print and write."""
    path = output_path("mesh")
    facts = machine()
    figures: dict[str, Goal] = {}
    ratios: dict[str, Ratio] = {}
    with tempfile.TemporaryDirectory() as folder:
        python, reason = environment()
        _repairs(figures, ratios, python, Path(folder))
        _simplifications(figures, ratios, python, Path(folder))
    more_figures, more_ratios = mesh_analysis.measured()
    found = document("mesh", figures | more_figures, ratios | more_ratios, facts)
    if reason:
        found["skipped"] = dict.fromkeys(OTHERS, reason)
        print(f"without {' and '.join(OTHERS)}: {reason}")
    write(path, found)


def environment() -> tuple[Path | None, str | None]:
    """The Python that has the other tools, or why there is none."""
    python = CACHE / "bin" / "python"
    if not python.exists() or not _imports(python):
        done = subprocess.run([sys.executable, "-m", "venv", str(CACHE)], capture_output=True, text=True, check=False)
        install = [str(python), "-m", "pip", "install", "-q", *OTHERS]
        done = done if done.returncode else subprocess.run(install, capture_output=True, text=True, check=False)
        if done.returncode:
            return None, (done.stderr.strip().splitlines() or ["they cannot be installed"])[-1]
    return (python, None) if _imports(python) else (None, "they are installed but cannot be imported here")


def _imports(python: Path) -> bool:
    """Whether the tools load; pymeshlab needs system libraries of OpenGL."""
    return subprocess.run([str(python), "-c", f"import {', '.join(OTHERS)}"], capture_output=True).returncode == 0


def black_box(python: Path, folder: Path, task: str, mesh: Mesh, *args: str) -> tuple[Mesh | None, float | None]:
    """What another tool makes of a mesh, and its own seconds; None where it fails."""
    source, target = folder / "source.npz", folder / "target.npz"
    np.savez(source, vertices=mesh.vertices, faces=mesh.faces)
    command = [str(python), "-c", RUNNER, task, str(source), str(target), *args]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        return None, None
    if done.returncode:
        return None, None
    held = np.load(target)
    took = float(json.loads(done.stdout.strip().splitlines()[-1]))
    return Mesh(held["vertices"].astype(np.float64), held["faces"].astype(np.int64)), took


def damage_set() -> list[tuple[damage.Shape, frozenset[str], Mesh]]:
    """Shapes of 80 000 faces with one to three kinds of damage, welded as a reader of files would give them."""
    rng = np.random.default_rng(5)
    found = []
    for seed in range(CASES):
        mix = set(rng.choice(sorted(damage.DAMAGES), size=int(rng.integers(1, 4)), replace=False).tolist())
        whole = damage.shape(damage.SHAPES[seed % len(damage.SHAPES)], FACES, seed)
        found.append((whole, frozenset(mix), damage.damaged(whole.mesh, mix, seed)))
    return found


def is_good(mesh: Mesh | None, whole: damage.Shape, mix: frozenset[str]) -> bool:
    """Closed and of positive volume; genus and volume right where the damage leaves them defined."""
    if mesh is None or len(mesh.faces) == 0:
        return False
    state = topology(np.array(solids.back(mesh).faces))
    volume = signed_volume(mesh.vertices, mesh.faces)
    if not state.is_watertight or volume <= 0.0:
        return False
    return not mix <= damage.KEEPS_VOLUME or (state.genus == whole.genus and abs(volume / whole.volume - 1.0) <= 0.02)


def by_trimesh(mesh: Mesh) -> Mesh:
    """What trimesh offers for repair."""
    made = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
    made.update_faces(made.unique_faces() & made.nondegenerate_faces())
    trimesh.repair.fill_holes(made)
    trimesh.repair.fix_normals(made, multibody=True)  # type: ignore[no-untyped-call]
    return Mesh(np.array(made.vertices), np.array(made.faces, dtype=np.int64))


def timed(work: Callable[[], Made]) -> tuple[Made, float, float]:
    """What comes of some work, the seconds of the processor, and those of the clock."""
    start, clock = time.process_time(), time.perf_counter()
    made = work()
    return made, time.process_time() - start, time.perf_counter() - clock


def _repairs(figures: dict[str, Goal], ratios: dict[str, Ratio], python: Path | None, folder: Path) -> None:
    names = ("orfeas", "trimesh", *(["pymeshfix"] if python else []))
    seconds: dict[str, list[float]] = {name: [] for name in names}
    good = dict.fromkeys(names, 0)
    shared: list[tuple[float, float]] = []
    wall = []
    for whole, mix, hurt in damage_set():
        found, took, clock = timed(partial(repair, hurt, aggressive=True))
        seconds["orfeas"].append(took)
        wall.append(clock)
        good["orfeas"] += is_good(found.mesh, whole, mix)
        other, took, _ = timed(partial(by_trimesh, hurt))
        seconds["trimesh"].append(took)
        good["trimesh"] += is_good(other, whole, mix)
        if python:
            fixed, theirs = black_box(python, folder, "fix", hurt)
            good["pymeshfix"] += is_good(fixed, whole, mix)
            if theirs is not None:
                seconds["pymeshfix"].append(theirs)
                shared.append((seconds["orfeas"][-1], theirs))
    for name in names:
        ours = name == "orfeas"
        figures[f"repair_{name}_good"] = Goal(good[name] / CASES, "share", 1.0 if ours else None, at_least=True)
        figures[f"repair_{name}_median"] = Goal(median(seconds[name]), "s", 1.5 if ours else None)
    figures["repair_orfeas_median_wall"] = Goal(median(wall), "s")
    figures["repair_memory_per_face"] = Goal(_memory_per_face(), "B", 1000.0)
    if shared:
        ratio = median([ours for ours, _ in shared]) / median([theirs for _, theirs in shared])
        ratios["repair_seconds_to_pymeshfix"] = Ratio(ratio, "lower")
        figures["repair_seconds_to_pymeshfix"] = Goal(ratio, "", 1.0)


MEMORY = """
from benchmarks.report import current_bytes, peak_bytes
from orfeas.geometry.repair import repair
from tests.geometry import damage
hurt = damage.damaged(damage.shape("ball", 1_300_000).mesh, {"holes", "flips"}, 0)
small = damage.damaged(damage.shape("ball", 1_000).mesh, {"holes", "flips"}, 0)
repair(small, aggressive=True)
before = current_bytes()
repair(hurt, aggressive=True)
print((peak_bytes() - before) / len(hurt.faces))
"""


def _memory_per_face() -> float:
    """Bytes for each face that a repair of a large mesh adds to the peak of its process."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _simplifications(figures: dict[str, Goal], ratios: dict[str, Ratio], python: Path | None, folder: Path) -> None:
    mesh = solids.bumpy(solids.torus(707, 354), 3)
    mesh = mesh.moved(mesh.vertices * 40.0)
    took, wall, theirs = [], [], []
    for _ in range(RUNS):
        found, spent, clock = timed(partial(exactly, mesh, SMALL))
        took.append(spent)
        wall.append(clock)
        made, seconds = black_box(python, folder, "simplify", mesh, str(SMALL)) if python else (None, None)
        if made is not None and seconds is not None:
            other = made
            theirs.append(seconds)
    ours = deviation(mesh, found, samples=200_000).max_mm
    figures["simplify_orfeas"] = Goal(median(took), "s")
    figures["simplify_orfeas_wall"] = Goal(median(wall), "s")
    figures["simplify_orfeas_with_deviation"] = Goal(timed(partial(simplify_to, mesh, target_faces=SMALL))[1], "s")
    figures["simplify_orfeas_faces"] = Goal(len(found.faces), "", SMALL)
    figures["simplify_orfeas_hausdorff"] = Goal(ours, "mm")
    if not theirs:
        return
    seconds, apart = median(theirs), deviation(mesh, other, samples=200_000).max_mm
    figures["simplify_pymeshlab"] = Goal(seconds, "s")
    figures["simplify_pymeshlab_hausdorff"] = Goal(apart, "mm")
    figures["simplify_times_faster"] = Goal(seconds / median(took), "", 12.0, at_least=True)
    figures["simplify_hausdorff_ratio"] = Goal(ours / apart, "", 1.2)
    ratios["simplify_times_faster"] = Ratio(seconds / median(took), "higher")
    ratios["simplify_hausdorff_ratio"] = Ratio(ours / apart, "lower")


if __name__ == "__main__":
    main()
