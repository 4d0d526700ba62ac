"""`orfeas mesh`: the work on meshes in this process, on files of the user, without a server."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from orfeas.config import Config
from orfeas.domain.formats import MESH_FORMATS, Formats
from orfeas.domain.mesh_headers import BrokenMeshError, NoFacesError, sniff_mesh
from orfeas.errors import EmptyMeshError, UnreadableMeshError
from orfeas.generate import Bar, write
from orfeas.jobs.inline import InlineResult, InlineRunner
from orfeas.jobs.plan import Source
from orfeas.services.mesh_reports import LAST, Report, analysis, repair_report, simplification_report
from orfeas.services.meshes import stem_of
from orfeas.services.plans.meshes import MeshRequest, StoredMesh
from orfeas.storage.blobs import FolderStorage

ERROR = "error"
STATUS = {"healthy": "ready to print", "warning": "prints, with reservations", ERROR: "cannot be printed as it is"}
UNKNOWN = "-"


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a command: its report for programs, its lines for people, and whether the mesh can be printed."""

    document: Report
    lines: list[str]
    printable: bool = True


def run(config: Config, path: Path, request: MeshRequest, output: Path | None) -> Done:
    """Do what is asked of a file, and write what comes of it."""
    data = path.read_bytes()
    made = _made(config, data, _stored(config, path, data), request)
    written = [str(part) for name, content in made.files for part in _written(name, content, output)]
    found = {"analyze": _analyzed, "repair": _repaired, "simplify": _simplified, "optimize": _optimized}
    done = found.get(request.type, _converted)(made)
    for warning in _warnings(made):
        done.lines.append(f"Note: {warning}")
    return Done(
        {**done.document, "files": written}, [*done.lines, *(f"Wrote {name}" for name in written)], done.printable
    )


def target(config: Config, output: Path | None, formats: tuple[str, ...]) -> tuple[str, ...]:
    """The formats to write; a contradiction between a name and a format is refused."""
    extension = output.suffix.lower().lstrip(".") if output else ""
    chosen = formats or ((extension,) if extension else ())
    for name in chosen:
        if reason := Formats(config.blender).reason(name):
            raise click.UsageError(reason)
    if extension and chosen != (extension,):
        raise click.UsageError(f"{output} does not end in .{chosen[0]}; leave out --format or change the name.")
    if output is not None and not output.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {output.absolute().parent}.")
    return chosen


def _stored(config: Config, path: Path, data: bytes) -> StoredMesh:
    try:
        found = sniff_mesh(data, path.suffix.lower().lstrip("."))
    except NoFacesError as error:
        raise EmptyMeshError(f"There is nothing in {path.name}: {error}.") from error
    except BrokenMeshError as error:
        raise UnreadableMeshError(f"{path.name} is no mesh that can be read: {error}.") from error
    digest = hashlib.sha256(data).hexdigest()
    axis = MESH_FORMATS[found.format].upload_up_axis
    return StoredMesh(Source(digest, digest), found.format, axis, stem_of(path.name), config.max_faces)


def _made(config: Config, data: bytes, given: StoredMesh, request: MeshRequest) -> InlineResult:
    bar = Bar()
    with tempfile.TemporaryDirectory(prefix="orfeas-") as folder:
        runner = InlineRunner(FolderStorage(Path(folder)), config=config)
        try:
            return runner.run(request.plan(given), sources={given.source.blob: data}, on_progress=bar)
        finally:
            bar.close()


def _written(name: str, data: bytes, output: Path | None) -> list[Path]:
    return write(output or Path(name), data)


def _warnings(made: InlineResult) -> list[str]:
    return list(dict.fromkeys(text for report in made.reports.values() for text in report.get("warnings", ())))


def _analyzed(made: InlineResult) -> Done:
    found = analysis(made.reports)
    return Done(found, list(_analysis_lines(found)), found["printability"]["status"] != ERROR)


def _repaired(made: InlineResult) -> Done:
    report = repair_report(made.reports)
    after = report["after"]
    lines = [f"  {step['name'].replace('_', ' ')}: {step['count']}" for step in report["operations"]]
    lines = ["Nothing had to be mended."] if not lines else ["Mended:", *lines]
    lines.append(f"Largest deviation {report['max_deviation_mm']:.4g} mm")
    return Done(report, [*lines, *_analysis_lines(after)], after["printability"]["status"] != ERROR)


def _simplified(made: InlineResult) -> Done:
    report = simplification_report(made.reports)
    kept = UNKNOWN if report["quality_preserved"] is None else f"{report['quality_preserved']:.2f} %"
    line = f"{report['initial_faces']} faces became {report['final_faces']}; volume kept {kept}, "
    return Done(report, [line + f"largest deviation {report['max_deviation_mm']:.4g} mm"])


def _optimized(made: InlineResult) -> Done:
    estimate, after = made.reports["mesh.place"]["estimate"], analysis(made.reports, LAST)
    x, y, z = estimate["final_size_mm"]
    hours = estimate["estimated_print_time_hours"]
    size, time = f"{x:.1f} x {y:.1f} x {z:.1f} mm, z up", UNKNOWN if hours is None else f"{hours:.2f} h"
    supports = "needed" if estimate["supports_needed"] else "not needed"
    lines = [f"{size}, {estimate['layers']} layers, {time}, supports {supports}"]
    document = {"estimate": estimate, "repair": made.reports["mesh.repair"], "analysis": after}
    return Done(document, [*lines, *_analysis_lines(after)], after["printability"]["status"] != ERROR)


def _converted(made: InlineResult) -> Done:
    measures = made.reports["mesh.verify"]["measures"]
    x, y, z = measures["extents_mm"]
    return Done({"measures": measures}, [f"{measures['face_count']} faces, {x:.2f} x {y:.2f} x {z:.2f} mm"])


def _analysis_lines(found: Report) -> Iterator[str]:
    """A table of what matters to the owner of a printer."""
    walls, box = found["wall_thickness"] or {}, found["bounding_box"]["size"]
    rows: list[tuple[str, Any]] = [
        ("faces, vertices", f"{found['face_count']}, {found['vertex_count']}"),
        ("size", " x ".join(f"{side:.2f}" for side in box) + " mm"),
        ("bodies", found["body_count"]),
        ("closed", _yes(found["is_watertight"])),
        ("manifold", _yes(found["is_manifold"])),
        ("holes", found["holes_count"]),
        ("crossing faces", UNKNOWN if found["self_intersections"] < 0 else found["self_intersections"]),
        ("volume", UNKNOWN if found["volume"] is None else f"{found['volume'] / 1000.0:.3f} cm3"),
        ("surface", f"{found['surface_area'] / 100.0:.2f} cm2"),
        ("thinnest wall", UNKNOWN if walls.get("min_mm") is None else f"{walls['min_mm']:.2f} mm"),
        ("overhangs", f"{100.0 * found['overhang_share']:.1f} % of the surface"),
        ("quality", f"{found['quality_score']:.0f} of 100"),
        ("printability", f"{found['printability_score']:.0f} of 100"),
    ]
    width = max(len(name) for name, _ in rows)
    yield from (f"{name:<{width}}  {value}" for name, value in rows)
    yield f"{'verdict':<{width}}  {STATUS[found['printability']['status']]}"
    for problem in found["printability"]["problems"]:
        yield f"  {problem['detail']}"
    for action in found["recommended_actions"]:
        yield f"  To do: {action}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
