"""A stage whose output changes needs a new version, or old results would be taken for new ones.

Each stage runs on a fixed input, and a digest of its output is compared with the recorded one. A digest holds shapes
and figures, not a hash: the last bits of a float differ between processors. After raising the version of the stages
that changed, record anew with `python -m tests.stages.test_versions`.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import orfeas.stages.all
from orfeas.domain import specs
from orfeas.domain.materials import material_text
from orfeas.domain.presets import MATERIALS
from orfeas.domain.specs import SPECS
from orfeas.domain.specs.render import written
from orfeas.domain.stages import Queue, StageSpec
from orfeas.geometry import formats
from orfeas.stages.registry import IMPLEMENTATIONS, Result
from tests.stages import fixed

METAL = written(MATERIALS["metal"])
RECORD = Path(__file__).with_name("digests.json")
TOLERANCE = 2e-3

CASES: dict[str, tuple[StageSpec, tuple[Any, ...]]] = {
    "image.prepare": (specs.PrepareImage(), (fixed.PICTURE,)),
    "image.prepare whole": (specs.PrepareImage(frame="whole"), (fixed.PICTURE,)),
    "image.generate": (
        specs.GenerateImage(width=64, height=64, num_inference_steps=0, guidance_scale=0.0, style="anime"),
        (fixed.ball(3, 50.0),),
    ),
    "shape.inflate": (specs.Inflate(), (fixed.subject(),)),
    "shape.inflate auto relief": (specs.Inflate(), (fixed.subject(found=False),)),
    "shape.relief": (specs.Relief(), (fixed.subject(),)),
    "shape.relief lithophane": (specs.Relief(mode="lithophane"), (fixed.subject(),)),
    "shape.parametric": (specs.Parametric(scene=fixed.SCENE, seed=3, resolution=32), ()),
    "shape.parametric joined": (specs.Parametric(scene=fixed.SCENE, resolution=32, joined=True), ()),
    "shape.surface": (specs.Surface(octree_resolution=48, steps=4), (fixed.field(),)),
    "mesh.read": (specs.ReadMesh(format="stl", up_axis="z"), (formats.write(fixed.ball(3, 50.0), "stl"),)),
    "mesh.analyze": (specs.Analyze(up_axis="z"), (fixed.ball(1, 50.0),)),
    "mesh.orient": (specs.Orient(goal="height"), (fixed.ball(2, 50.0),)),
    "mesh.hollow": (specs.Hollow(wall_mm=4.0, grid=32), (fixed.ball(3, 50.0),)),
    "mesh.place": (specs.Place(printer="fdm-220"), (fixed.ball(3, 50.0),)),
    "mesh.assemble": (specs.Assemble(collision="box", lods=(64,)), (fixed.ball(2, 50.0),)),
    "mesh.repair": (specs.Repair(), (fixed.ball(),)),
    "mesh.clean": (specs.Clean(), (fixed.ball(),)),
    "mesh.simplify": (specs.Simplify(target_faces=500, exact=True), (fixed.ball(),)),
    "mesh.scale": (specs.Scale(dimensions_mm=(10.0, 20.0, 30.0), fit="stretch"), (fixed.ball(),)),
    "mesh.texture": (specs.Texture(size=256), (fixed.ball(3, 100.0), fixed.subject(), fixed.field())),
    "mesh.texture projection": (
        specs.Texture(size=256, mode="projection", views=("front",)),
        (fixed.ball(3, 100.0), fixed.subject()),
    ),
    "mesh.texture material": (
        specs.Texture(size=0, mode="material", material=material_text(MATERIALS["wood"])),
        (fixed.textured_ball(),),
    ),
    **{
        f"mesh.export {name}": (specs.Export(format=name, recipe='{"a":1}'), (fixed.textured_ball(),))
        for name in formats.WRITABLE
    },
    "mesh.verify": (specs.Verify(format="stl"), (formats.write(fixed.ball(3, 50.0), "stl"),)),
    "mesh.verify scored": (
        specs.Verify(format="stl", min_wall_mm=1.0, scored=True),
        (formats.write(fixed.ball(3, 50.0), "stl"),),
    ),
    "scene.compose": (specs.ComposeScene(objects=fixed.OBJECTS), (fixed.ball(), fixed.textured_ball())),
    "scene.compose flat": (specs.ComposeScene(objects=fixed.OBJECTS, flatten=True), (fixed.ball(), fixed.ball(3, 9.0))),
    "scene.export": (specs.ExportScene(camera=fixed.CAMERA, recipe='{"a":1}'), (fixed.ball(),)),
    "image.measure": (specs.MeasureImage(), (fixed.PICTURE,)),
    "mesh.overlap": (specs.MeasureOverlap(), (fixed.subject(), fixed.ball(3, 50.0))),
    "code.analyze": (specs.AnalyzeCode(code="def f(x=[]):\n    return x\n"), ()),
    "material.write": (specs.WriteMaterial(text="newmtl red\n"), ()),
    "render.picture": (specs.RenderPicture(width=96, height=96, material=METAL), (fixed.textured_ball(),)),
    "render.turntable": (specs.RenderTurntable(width=64, height=64, frames=8), (fixed.textured_ball(),)),
    "render.preview": (specs.RenderPreview(width=128, height=128), (fixed.textured_ball(),)),
}


def run(case: str) -> tuple[Any, dict[str, Any]]:
    spec, inputs = CASES[case]
    made = IMPLEMENTATIONS[spec.name][1](*inputs, spec=spec, on_progress=lambda share: None)
    return (made.value, made.report) if isinstance(made, Result) else (made, {})


def digest(case: str) -> dict[str, Any]:
    value, report = run(case)
    return {"value": _digest(value, CASES[case][0]), "report": _rounded(report)}


def _digest(value: Any, spec: StageSpec) -> Any:
    if isinstance(value, bytes) and isinstance(spec, specs.WriteMaterial):
        return value.decode()
    if isinstance(value, bytes) and isinstance(spec, specs.Export | specs.ExportScene):
        kind = spec.format if isinstance(spec, specs.Export) else "glb"
        return {"bytes": len(value), "mesh": _digest(formats.read(value, kind), spec)}
    if isinstance(value, bytes):
        return _digest(np.asarray(Image.open(BytesIO(value))), spec)
    if is_dataclass(value):
        return {field.name: _digest(getattr(value, field.name), spec) for field in fields(value)}
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return [_digest(part, spec) for part in value]
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "type": str(value.dtype), "figures": _figures(value)}
    return _rounded(value)


def _figures(values: np.ndarray) -> list[float]:
    """Mean, spread and quartiles of each column; of indices, whose order means nothing, only the largest."""
    if values.dtype == np.int64:
        return [float(values.max())]
    flat = values.reshape(-1, values.shape[-1]) if values.ndim > 1 and values.shape[-1] <= 4 else values.reshape(-1, 1)
    found = [flat.mean(0), flat.std(0), *np.percentile(flat.astype(float), [5, 25, 50, 75, 95], axis=0)]
    return [float(f"{number:.5g}") for number in np.concatenate(found)]


def _rounded(value: Any) -> Any:
    return json.loads(json.dumps(value), parse_float=lambda text: float(f"{float(text):.5g}"))


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, bool | str | None) or isinstance(other, bool | str | None):
        return bool(one == other)
    return bool(np.isclose(one, other, rtol=TOLERANCE, atol=TOLERANCE))


def recorded() -> dict[str, Any]:
    return dict(json.loads(RECORD.read_text()))


def _pure(spec: type[StageSpec]) -> bool:
    """A device's stages are tested beside it, but pictures of solids need none; what brings files has no output."""
    return spec.queue is Queue.CPU or spec is specs.GenerateImage


def test_every_stage_is_implemented_and_has_a_digest():
    # Tests of the engine register stages of their own.
    implemented = {name for name, (spec, _) in IMPLEMENTATIONS.items() if not name.startswith("test.") and _pure(spec)}
    here = {name for name, spec in SPECS.items() if _pure(spec)}
    assert {spec.name for spec, _ in CASES.values()} == here == implemented
    assert list(recorded()) == list(CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_changed_output_has_a_new_version(case):
    spec, kept = CASES[case][0], recorded()[case]
    if spec.version != kept["version"]:
        pytest.fail(f"{spec.name} has version {spec.version}: record it with `python -m tests.stages.test_versions`.")
    assert same(digest(case), kept["digest"]), (
        f"The output of {spec.name} has changed: raise its version in orfeas/domain/specs, "
        "then run `python -m tests.stages.test_versions`."
    )


@pytest.mark.parametrize("case", CASES)
def test_a_stage_gives_the_same_bytes_twice(case):
    from orfeas.stages.values import encode

    one, two = run(case)[0], run(case)[0]
    if one is not None:
        assert encode(one) == encode(two)


def test_a_digest_sees_a_small_change():
    made = digest("shape.inflate")
    assert same(made, digest("shape.inflate"))
    figures = made["value"]["front"]["figures"]
    figures[0] += 3 * TOLERANCE * (1.0 + abs(figures[0]))
    assert not same(made, digest("shape.inflate"))


if __name__ == "__main__":
    assert orfeas.stages.all.MODULES
    document = {case: {"version": CASES[case][0].version, "digest": digest(case)} for case in CASES}
    RECORD.write_text(json.dumps(document, indent=1) + "\n")
