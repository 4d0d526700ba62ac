"""`orfeas generate`: the stages of a generation in this process, with a progress bar."""

from __future__ import annotations

import hashlib
import io
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import click

from orfeas.config import Config
from orfeas.domain.formats import Formats
from orfeas.domain.profiles import QUANTUM, STANDARD
from orfeas.imaging import clean_upload
from orfeas.jobs.devices import processor
from orfeas.jobs.inline import InlineProgress, InlineRunner
from orfeas.jobs.plan import Source
from orfeas.jobs.views import Surface
from orfeas.services.engines import EMBEDDED, Choice
from orfeas.services.generation.checks import checked
from orfeas.services.generation.options import Options
from orfeas.services.generation.text import understood
from orfeas.services.performance.tuning import NO_MODEL, Tuning, Wish, tuning_of
from orfeas.services.plans import FolderModel, PictureRequest, Pictures, generation_plan
from orfeas.stages.device import DeviceSettings
from orfeas.storage.blobs import FolderStorage

DEFAULT_FORMAT = "glb"
SMALLEST_MM, LARGEST_MM = 1.0, 1000.0


@dataclass(frozen=True, slots=True)
class Made:
    """A finished model and what was measured on the file."""

    data: bytes
    measures: dict[str, Any]
    warnings: tuple[str, ...]
    seconds: float

    def summary(self) -> str:
        """One line: faces, size, whether it is closed, time."""
        width, height, depth = self.measures["extents_mm"]
        closed = "watertight" if self.measures["is_watertight"] else "not watertight"
        return (
            f"{self.measures['face_count']} faces, {width:.1f} x {height:.1f} x {depth:.1f} mm, "
            f"{closed}, {self.seconds:.2f} s"
        )


class Bar:
    """One line on the terminal that tells the stage; nothing where the output is no terminal."""

    WIDTH = 30

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, progress: InlineProgress) -> None:
        """Draw the state."""
        if self._shown:
            done = int(progress.percent / 100 * self.WIDTH)
            bar = "#" * done + "-" * (self.WIDTH - done)
            click.echo(f"\r[{bar}] {progress.percent:3.0f} %  {progress.stage:<20}", err=True, nl=False)

    def close(self) -> None:
        """Take the line away."""
        if self._shown:
            click.echo("\r" + " " * (self.WIDTH + 32) + "\r", err=True, nl=False)


def target(config: Config, photo: Path | None, output: Path | None, format_name: str | None) -> tuple[Path, str]:
    """Where to write and in which format; a contradiction between name and format is refused."""
    extension = output.suffix.lower().lstrip(".") if output else ""
    chosen = format_name or extension or DEFAULT_FORMAT
    if output is not None and extension and extension != chosen:
        raise click.UsageError(f"{output.name} does not end in .{chosen}; leave out --format or change the name.")
    if reason := Formats(config.blender).reason(chosen):
        raise click.UsageError(reason)
    if output is None:
        return Path(f"{photo.stem if photo else 'model'}.{chosen}"), chosen
    if not output.absolute().parent.is_dir():
        raise click.UsageError(f"There is no folder {output.absolute().parent}.")
    return (output if extension else output.with_suffix(f".{chosen}")), chosen


def box(dimensions: str | None) -> tuple[float, float, float] | None:
    """Read `W,H,D` in millimetres, also written `WxHxD`."""
    if dimensions is None:
        return None
    try:
        sides = [float(side) for side in dimensions.lower().replace("x", ",").split(",")]
    except ValueError:
        sides = []
    if len(sides) != 3 or not all(SMALLEST_MM <= side <= LARGEST_MM for side in sides):
        raise click.UsageError(f"--dimensions takes three sides of {SMALLEST_MM:g} to {LARGEST_MM:g} mm: 60,80,40")
    return sides[0], sides[1], sides[2]


def generate(
    config: Config,
    picture: tuple[str, bytes] | None,
    format_name: str,
    *,
    prompt: str | None = None,
    quality: int,
    size_mm: tuple[float, float, float] | None,
    mode: str,
    seed: int,
    profile: str = STANDARD,
    choice: Choice = EMBEDDED,
    device: DeviceSettings | None = None,
    background: FolderModel | None = None,
    progress: Bar | Callable[[InlineProgress], None],
) -> Made:
    """Run every stage from the picture, a name and bytes, or from the prompt, to the checked file."""
    started = time.perf_counter()
    options = Options(
        formats=(format_name,), quality=quality, mode=mode, seed=seed, dimensions_mm=size_mm, preview=False,
        prompt=prompt, picture=_illustration(prompt, seed) if prompt and choice.model else None,
    )  # fmt: skip
    request, warnings = checked(options, Surface.COMPATIBLE, choice)
    tuning = tuning_here(profile, choice)
    request = replace(tuning.applied(request), background=background)
    if choice.model is not None:
        warnings += [f"{entry['setting']} is off: {entry['reason']}" for entry in tuning.unavailable]
    pictures, sources = _start(options, picture, config.max_image_pixels)
    with tempfile.TemporaryDirectory(prefix="orfeas-") as folder:
        runner = InlineRunner(FolderStorage(Path(folder)), config=config, device=device)
        result = runner.run(generation_plan(request, pictures), sources=sources, on_progress=progress)
    if isinstance(progress, Bar):
        progress.close()
    noted = [text for report in result.reports.values() for text in report.get("warnings", ())]
    measures = result.reports["mesh.verify"]["measures"]
    return Made(result.files[0][1], measures, (*warnings, *noted), time.perf_counter() - started)


def _start(options: Options, picture: tuple[str, bytes] | None, max_pixels: int) -> tuple[Pictures, dict[str, bytes]]:
    """What a plan starts from, and the bytes of what is stored of it."""
    if picture is None:
        return ({"front": options.picture.node()} if options.picture else {}), {}
    clean = clean_upload(picture[1], picture[0], max_pixels=max_pixels)
    source = Source(clean.pixel_sha256, hashlib.sha256(clean.data).hexdigest())
    return {"front": source}, {source.blob: clean.data}


def _illustration(prompt: str, seed: int) -> PictureRequest:
    """The picture that a shape model gets of a sentence here: that of its solids."""
    return PictureRequest(prompt=prompt, seed=seed, scene=understood(prompt).scene.json())


def tuning_here(profile: str, choice: Choice) -> Tuning:
    """What a profile means for a choice that runs in this process: on the processor, or without a model."""
    device = processor() if choice.model else None
    distilled = choice.model is not None and choice.model.distilled
    wish = Wish(profile=profile, turbo=profile == QUANTUM and choice.model is not None)
    turbo = None if distilled or choice.model is None else f"--model names {choice.model.id}."
    return tuning_of(wish, Config(), device, NO_MODEL, turbo=turbo, distilled=distilled)


def chosen(config: Config, model: str) -> tuple[Choice, DeviceSettings, FolderModel | None]:
    """A model by its id, the processor of this process to run it on, and the model that removes backgrounds."""
    from orfeas.domain.caller import LOCAL
    from orfeas.jobs.worker import device_settings
    from orfeas.services import build_services

    if config.device != "cpu":
        raise click.UsageError(
            "A device belongs to the worker of 'orfeas serve'. Set ORFEAS_DEVICE=cpu to run the model here, slowly."
        )
    services = build_services(config)
    try:
        choice = services.engines.choose(LOCAL, model=model)
        background = services.generation.backgrounds.usable()
    finally:
        services.notifier.stop()
        services.database.dispose()
    return choice, device_settings(config, "cpu"), background


def write(path: Path, data: bytes) -> list[Path]:
    """Write the file; an obj with its materials is an archive, whose parts go side by side."""
    if path.suffix.lower() != ".obj" or not zipfile.is_zipfile(io.BytesIO(data)):
        path.write_bytes(data)
        return [path]
    written = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for name in archive.namelist():
            part = path if name.lower().endswith(".obj") else path.parent / PurePosixPath(name).name
            part.write_bytes(archive.read(name))
            written.append(part)
    return written
