"""Pictures of a textured model, and models of sentences: `python -m benchmarks.render` writes `results/render.json`.

Times of pictures are those of the stage's work on a model that was read already, the first one left out; one BLAS
thread, as in workers. Times of sentences are those of a client of a running server, from the request to the finished
job: the glb file, loaded again and measured, and its thumbnail.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np

from benchmarks.gallery_words import SENTENCES
from benchmarks.report import Goal, Ratio, document, machine, median, output_path, write
from orfeas.domain.presets import CAMERAS, LIGHTING, MATERIALS
from orfeas.domain.specs.render import RenderTurntable, written
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.rendering import Framing, render_model
from orfeas.stages.render import turntable
from tests.serving import Server

SIZE, ROUNDS = 512, 5
SEGMENTS = (250, 100)  # 50 000 triangles


def knot() -> Mesh:
    """A bent tube of 50 000 textured triangles."""
    along, around = np.meshgrid(*(np.arange(count) for count in SEGMENTS), indexing="ij")
    u, v = along / SEGMENTS[0], around / SEGMENTS[1]
    turn, tube = 2.0 * np.pi * u, 2.0 * np.pi * v
    radius = 30.0 + 10.0 * np.cos(3.0 * turn) + 11.0 * np.cos(tube)
    vertices = np.stack([radius * np.cos(turn), radius * np.sin(turn), 12.0 * np.sin(3.0 * turn) + 11.0 * np.sin(tube)])
    ahead, up = (along + 1) % SEGMENTS[0], (around + 1) % SEGMENTS[1]
    a, b, c, d = (
        (i * SEGMENTS[1] + j).ravel() for i, j in ((along, around), (ahead, around), (ahead, up), (along, up))
    )
    place = np.stack([u, v], axis=-1).reshape(-1, 2)
    corners = [place + np.divide(step, SEGMENTS) for step in ((0, 0), (1, 0), (1, 1), (0, 1))]
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    uv = np.concatenate([np.stack([corners[k] for k in three], 1) for three in ((0, 1, 2), (0, 2, 3))])
    return Mesh(vertices.reshape(3, -1).T, faces, corner_uv=uv.astype(np.float32), texture=_texture())


def _texture() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Stripes with soft borders, 1024 x 1024."""
    y, x = np.mgrid[0:1024, 0:1024] / 1024.0
    waves = [
        np.sin(2.0 * np.pi * (12.0 * x + 3.0 * y)),
        np.sin(2.0 * np.pi * 8.0 * y),
        np.sin(2.0 * np.pi * 5.0 * (x - y)),
    ]
    return np.stack([127.5 + 100.0 * wave for wave in waves], axis=-1).astype(np.uint8)


def seconds(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Median time of warm runs."""
    work()
    found = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return median(found)


def sentences() -> list[float]:
    """Seconds from the request to the finished glb, of sentences that were not asked before."""
    taken = []
    with (
        TemporaryDirectory(prefix="orfeas-bench-") as folder,
        Server(Path(folder), cache=1, disk_reserve_mb=64) as server,
        httpx.Client(base_url=server.url, timeout=120.0) as client,
    ):
        for prompt in ("a white cup", *SENTENCES):  # the first one wakes the worker's child up
            started = time.perf_counter()
            job = client.post("/api/v1/generations", json={"prompt": prompt}, headers={"Prefer": "wait=60"}).json()
            taken.append(time.perf_counter() - started)
            if job["state"] != "succeeded" or job["cached"]:
                raise RuntimeError(f"{prompt!r} was not made: {job['error']}")
    return taken[1:]


def main() -> None:
    """Measure and write."""
    path, facts, mesh = output_path("render"), machine(), knot()
    lit: dict[str, Any] = {"width": SIZE, "height": SIZE, "lighting": LIGHTING["studio"]}
    framed = seconds(lambda: render_model(mesh, view=Framing(), **lit))
    preset = seconds(lambda: render_model(mesh, view=CAMERAS["angle1"], **lit))
    single = seconds(lambda: render_model(mesh, view=Framing(), samples=1, **lit))
    metal = seconds(lambda: render_model(mesh, view=Framing(), material=MATERIALS["metal"], **lit))
    glass = seconds(lambda: render_model(mesh, view=Framing(), material=MATERIALS["glass"], **lit))
    spec = RenderTurntable(width=SIZE, height=SIZE, samples=1, frames=36, lighting=written(LIGHTING["studio"]))
    film = seconds(lambda: turntable(mesh, spec, lambda share: None), rounds=2)
    told = sentences()
    figures = {
        "picture_4_samples": Goal(framed, "s", 1.2),
        "picture_angle1_4_samples": Goal(preset, "s", 1.2),
        "picture_1_sample": Goal(single, "s"),
        "picture_metal": Goal(metal, "s", 1.2),
        "picture_glass": Goal(glass, "s"),
        "turntable_36_frames_1_sample": Goal(film, "s", 6.0),
        "sentence_to_glb_median": Goal(median(told), "s", 0.6),
        "sentence_to_glb_slowest": Goal(max(told), "s"),
    }
    ratios = {"four_samples_to_one": Ratio(framed / single, "lower")}
    write(path, document("render", figures, ratios, facts | {"triangles": len(mesh.faces)}))


if __name__ == "__main__":
    main()
