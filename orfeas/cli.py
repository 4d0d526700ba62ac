"""The command `orfeas`. Everything heavy is imported where it is used: `--help` and workers start at once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orfeas.config import Config, ConfigError
from orfeas.domain import limits
from orfeas.domain.formats import MESH_FORMATS
from orfeas.domain.presets import DEFAULT_PRINTER, PRINTERS, PROFILES
from orfeas.domain.stages import Queue
from orfeas.errors import OrfeasError
from orfeas.version import __version__

if TYPE_CHECKING:
    from orfeas.services import Services

MODES = ("auto", "inflate", "relief", "lithophane")
FORMATS = click.Choice([*MESH_FORMATS], case_sensitive=False)


class Commands(click.Group):
    """Problems end a command with their sentence and status 1, never with a traceback."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except ConfigError as error:
            raise click.ClickException(str(error)) from error
        except OrfeasError as error:
            raise click.ClickException(error.detail) from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="orfeas")
@click.option("--data-dir", type=click.Path(file_okay=False), help="Data folder, as ORFEAS_DATA_DIR.")
def main(data_dir: str | None) -> None:
    """A photo becomes a watertight, textured 3D model, on your own machine.

    Settings are environment variables that begin with ORFEAS_; docs/configuration.md lists them.
    """
    if data_dir:
        os.environ["ORFEAS_DATA_DIR"] = str(Path(data_dir).absolute())


@main.command()
@click.option("--host", help="Address to bind, as ORFEAS_HOST (127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port, as ORFEAS_PORT (5000); 0 takes a free one.")
def serve(host: str | None, port: int | None) -> None:
    """Serve the API: the web process and all workers, until Ctrl-C or SIGTERM."""
    # The child processes read the same environment.
    os.environ.update(
        {name: str(value) for name, value in (("ORFEAS_HOST", host), ("ORFEAS_PORT", port)) if value is not None}
    )
    from orfeas.jobs import server

    config = _settings()
    for notice in config.notices:
        click.echo(notice, err=True)
    sys.exit(server.serve(config, click.echo))


@main.command()
@click.option(
    "--queue", type=click.Choice([queue.value for queue in Queue]), default=Queue.CPU.value, show_default=True
)
@click.option(
    "--count", type=click.IntRange(1, 64), default=1, show_default=True,
    help="Worker processes; of the queue gpu there is one for each device.",
)  # fmt: skip
def worker(queue: str, count: int) -> None:
    """Run workers alone, on the data folder and database of a server."""
    from orfeas.jobs import server

    sys.exit(server.work(_settings(), Queue(queue), count, click.echo))


@main.command()
@click.argument("photo", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--prompt", help="A sentence in place of PHOTO, such as 'a red mug on a wooden table'.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default PHOTO's name."
)
@click.option("--format", "format_name", type=FORMATS, help="File format; default: the output's extension, else glb.")
@click.option("--quality", type=click.IntRange(1, 10), default=7, show_default=True, help="1 is quickest, 10 finest.")
@click.option("--dimensions", metavar="W,H,D", help="Box in mm that the model fills on one axis. [longest side 100 mm]")
@click.option("--mode", type=click.Choice(MODES), default="auto", show_default=True, help="How the shape is made.")
@click.option("--seed", type=click.IntRange(0, 4294967295), default=0, help="For engines that draw at random.")
@click.option("--model", help="Id of an installed model, run here; needs ORFEAS_DEVICE=cpu. [the embedded engine]")
@click.option("--profile", type=click.Choice([*PROFILES]), help="Faster at some cost of detail. [ORFEAS_PROFILE]")
def generate(
    photo: Path | None,
    prompt: str | None,
    output: Path | None,
    format_name: str | None,
    quality: int,
    dimensions: str | None,
    mode: str,
    seed: int,
    model: str | None,
    profile: str | None,
) -> None:
    """Make a model of PHOTO, or of a sentence, in this process, without a server."""
    from orfeas import generate as local
    from orfeas.services.engines import EMBEDDED

    config = _settings()
    if (photo is None) == (prompt is None):
        raise click.UsageError("Name a PHOTO or give --prompt, one of both.")
    target, chosen = local.target(config, photo, output, format_name)
    choice, device, background = local.chosen(config, model) if model else (EMBEDDED, None, None)
    made = local.generate(
        config, (photo.name, photo.read_bytes()) if photo else None, chosen, prompt=prompt, quality=quality,
        size_mm=local.box(dimensions), mode=mode, seed=seed,
        choice=choice, device=device, background=background, progress=local.Bar(), profile=profile or config.profile,
    )  # fmt: skip
    for warning in (*made.warnings, *_without_network(photo, used=background is not None)):
        click.echo(f"Note: {warning}", err=True)
    for path in local.write(target, made.data):
        click.echo(f"Wrote {path}", err=True)
    click.echo(made.summary())


def _without_network(photo: Path | None, *, used: bool) -> list[str]:
    """What is said where a model for backgrounds is set that this process has no device for."""
    if photo is None or used or _settings().background_model is None:
        return []
    return ["ORFEAS_BACKGROUND_MODEL was not used: it runs in 'orfeas serve', or here with --model on a processor."]


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def doctor(as_json: bool) -> None:
    """Tell what this machine can and cannot do, and what to install."""
    from orfeas import doctor as checks

    found = checks.examine()
    if as_json:
        click.echo(json.dumps([check.as_dict() for check in found], indent=2))
    else:
        for check in found:
            click.echo(check.line())
    sys.exit(any(check.required and not check.ok for check in found))


@main.command()
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: print it."
)
def openapi(output: Path | None) -> None:
    """Write the OpenAPI 3.1 document of this version."""
    from orfeas.openapi import document

    written = json.dumps(document(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(written, nl=False)
    else:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(written, encoding="utf-8")


@main.group(invoke_without_command=True)
@click.pass_context
def cache(context: click.Context) -> None:
    """Look at finished stages that are kept for reuse, or drop them."""
    if context.invoked_subcommand is None:
        context.invoke(status)


@cache.command()
def status() -> None:
    """Print what is kept, and the limits."""
    from orfeas.domain.caller import LOCAL

    kept = _services().cache
    for name, tier in kept.tiers(LOCAL).items():
        cap = "no limit" if tier.limits.max_bytes is None else f"of {tier.limits.max_bytes / 1e6:.0f} MB"
        click.echo(
            f"{name}: {tier.items} kept, {tier.bytes / 1e6:.1f} MB ({cap}), {tier.hits} hits, {tier.misses} misses"
        )
    stored = kept.stored()
    click.echo(f"all files: {stored.file_bytes / 1e6:.1f} MB, {stored.disk_free_bytes / 1e6:.0f} MB of disk are free")


@cache.command()
@click.confirmation_option(prompt="Drop all kept stages? Files of jobs stay.")
def clear() -> None:
    """Drop everything that is kept for reuse; files of jobs stay."""
    from orfeas.domain.caller import LOCAL

    gone = _services().cache.clear(LOCAL, tier=None, fingerprint=None, older_than_s=None)
    click.echo(f"{gone.cleared} stages dropped, {gone.freed_bytes / 1e6:.1f} MB freed")


@main.group()
def models() -> None:
    """Look at models, bring, check or remove them; no server is needed."""


@models.command("list")
@click.option("--installed", is_flag=True, help="Only those whose files are there.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_models(installed: bool, as_json: bool) -> None:
    """Print the catalogue and what else lies in the folder of models."""
    from orfeas import model_commands

    found = model_commands.listed(_services(), installed=installed)
    if as_json:
        click.echo(json.dumps([model_commands.document(model) for model in found], indent=2))
    else:
        for line in model_commands.table(found):
            click.echo(line)


@models.command()
@click.argument("model")
@click.option("--source", help="A local folder that has the files, or another repository of the hub.")
def pull(model: str, source: str | None) -> None:
    """Download MODEL, or copy it from a folder; what was interrupted goes on."""
    from orfeas import model_commands

    model_commands.pull(_services(), model, source, click.echo)


@models.command()
@click.argument("model")
def verify(model: str) -> None:
    """Hash the files of MODEL and compare them with what was published."""
    from orfeas import model_commands

    model_commands.verify(_services(), model, click.echo)


@models.command()
@click.argument("model")
@click.confirmation_option(prompt="Remove the files of this model?")
def rm(model: str) -> None:
    """Remove the files of MODEL."""
    from orfeas import model_commands

    model_commands.remove(_services(), model, click.echo)


MESH_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
AS_JSON = click.option("--json", "as_json", is_flag=True, help="For programs.")
UNIT = click.option("--unit", type=click.Choice(("mm", "cm", "m", "inch")), help="Of files that state none. [mm]")
MESH_OUT = click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default: FILE's name with "
    "a word before it, in this folder.",
)  # fmt: skip
PRINTER = click.option("--printer", type=click.Choice([*PRINTERS]), default=DEFAULT_PRINTER, show_default=True)
AGGRESSIVE = click.option("--aggressive", is_flag=True, help="Make a new surface where nothing else closes it.")


@main.group()
def mesh() -> None:
    """Look at a mesh file, mend, reduce, prepare or convert it; no server is needed.

    The exit status is 1 when the mesh cannot be printed.
    """


@mesh.command()
@MESH_FILE
@PRINTER
@click.option("--min-wall", type=click.FloatRange(0.1, 100.0), help="Thinnest wall in mm. [the printer's]")
@click.option("--self-intersections", type=click.Choice(("auto", "true", "false")), default="auto", show_default=True)
@UNIT
@AS_JSON
def analyze(
    file: Path, printer: str, min_wall: float | None, self_intersections: str, unit: str | None, as_json: bool
) -> None:
    """Tell whether FILE is closed, sound and printable, and what is wrong with it."""
    members = {"printer": printer, "min_wall_mm": min_wall, "self_intersections": self_intersections, "unit": unit}
    _on_mesh("analyze", file, None, as_json, members)


@mesh.command()
@MESH_FILE
@MESH_OUT
@AGGRESSIVE
@UNIT
@AS_JSON
def repair(file: Path, output: Path | None, aggressive: bool, unit: str | None, as_json: bool) -> None:
    """Close FILE and make it sound."""
    _on_mesh("repair", file, output, as_json, {"aggressive": aggressive, "unit": unit})


@mesh.command()
@MESH_FILE
@MESH_OUT
@click.option("--faces", type=click.IntRange(*limits.MESH_TARGET_FACES), help="So many triangles, exactly.")
@click.option("--reduction", type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True), help="Share to take away.")
@UNIT
@AS_JSON
def simplify(
    file: Path, output: Path | None, faces: int | None, reduction: float | None, unit: str | None, as_json: bool
) -> None:
    """Reduce the triangles of FILE: to --faces, or by --reduction (0.5)."""
    if faces is not None and reduction is not None:
        raise click.UsageError("Give --faces or --reduction, not both.")
    members = {"target_faces": faces, "target_reduction": None if faces else reduction or 0.5, "unit": unit}
    _on_mesh("simplify", file, output, as_json, members)


@mesh.command()
@MESH_FILE
@MESH_OUT
@PRINTER
@click.option("--size", type=click.FloatRange(*limits.SIDE_MM), help="Longest side in mm. [kept, or made to fit]")
@click.option("--hollow", is_flag=True, help="Leave a shell with two drain holes of 3 mm.")
@click.option("--wall", type=click.FloatRange(*limits.WALL_MM), help="Wall in mm. [the printer's]")
@click.option("--supports", is_flag=True, help="Supports may be printed: lay it down flat.")
@click.option("--orient/--no-orient", default=True, show_default=True, help="Turn it.")
@AGGRESSIVE
@UNIT
@AS_JSON
def optimize(
    file: Path,
    output: Path | None,
    printer: str,
    size: float | None,
    hollow: bool,
    wall: float | None,
    supports: bool,
    orient: bool,
    aggressive: bool,
    unit: str | None,
    as_json: bool,
) -> None:
    """Make FILE ready for a printer: mended, sized, turned, placed on the bed."""
    members = {
        "printer": printer, "target_size_mm": size, "hollow": hollow, "wall_mm": wall, "supports": supports,
        "orient": orient, "aggressive": aggressive, "unit": unit,
    }  # fmt: skip
    _on_mesh("optimize", file, output, as_json, members)


@mesh.command()
@MESH_FILE
@MESH_OUT
@click.option("--format", "formats", type=FORMATS, multiple=True, help="May be given several times.")
@click.option("--dimensions", metavar="W,H,D", help="Box in mm that it fills on one axis. [its own size]")
@click.option("--up-axis", type=click.Choice(("y", "z")), default="y", show_default=True, help="In the written file.")
@UNIT
@AS_JSON
def convert(
    file: Path,
    output: Path | None,
    formats: tuple[str, ...],
    dimensions: str | None,
    up_axis: str,
    unit: str | None,
    as_json: bool,
) -> None:
    """Write FILE in other formats, also in another size."""
    from orfeas import generate as local

    if not formats and not (output and output.suffix):
        raise click.UsageError("Give --format, or a name with -o.")
    size = local.box(dimensions)
    sides = None if size is None else dict(zip(("width", "height", "depth"), size, strict=True))
    members = {"dimensions_mm": sides, "up_axis": up_axis, "unit": unit, "formats": formats}
    _on_mesh("convert", file, output, as_json, members)


def _on_mesh(kind: str, path: Path, output: Path | None, as_json: bool, members: dict[str, Any]) -> None:
    """Run one of the commands above and end with its status."""
    from orfeas import mesh_commands
    from orfeas.services.plans.meshes import MeshRequest

    config = _settings()
    chosen = mesh_commands.target(config, output, members.get("formats", ()))
    given = {**members, "formats": chosen} if kind != "analyze" else members
    done = mesh_commands.run(config, path, MeshRequest.of(kind, given), output)
    click.echo(json.dumps(done.document, indent=2) if as_json else "\n".join(done.lines))
    sys.exit(0 if done.printable else 1)


@main.command("_web", hidden=True)
@click.option("--listen-fd", type=int, required=True)
@click.option("--life-fd", type=int, required=True)
@click.option("--ready-fd", type=int)
def web_process(listen_fd: int, life_fd: int, ready_fd: int | None) -> None:
    """The web process of `orfeas serve`."""
    from orfeas.jobs.web import run_web

    run_web(_make_app, listen_fd=listen_fd, life_fd=life_fd, ready_fd=ready_fd, on_stop=_stop_waiters)


@main.command("_worker", hidden=True)
@click.option("--queue", type=click.Choice([queue.value for queue in Queue]), required=True)
@click.option("--id", "worker_id", required=True)
@click.option("--life-fd", type=int, required=True)
@click.option("--device", default="cpu")
def worker_process(queue: str, worker_id: str, life_fd: int, device: str) -> None:
    """One worker of `orfeas serve` or `orfeas worker`."""
    from orfeas.jobs.worker import run_worker

    run_worker(_settings(), Queue(queue), worker_id, life_fd, device=device)


@main.command("_gpu_child", hidden=True)
@click.argument("pipe", type=int)
@click.argument("life", type=int)
def gpu_child_process(pipe: int, life: int) -> None:
    """The process that owns a device, for its gpu worker."""
    from orfeas.jobs.gpu_child import child_main

    sys.exit(child_main(pipe, life))


def _settings() -> Config:
    return Config.from_env()


def _make_app() -> Any:
    from orfeas.app import create_app

    return create_app(_settings())


def _stop_waiters(app: Any) -> None:
    from orfeas.routes import events
    from orfeas.routes.context import EXTENSION

    app.extensions[EXTENSION].notifier.stop()
    events.stop(app)


def _services() -> Services:
    from orfeas.services import build_services

    return build_services(_settings())
