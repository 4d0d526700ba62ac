"""The command `orfeas`. Everything heavy is imported where it is used: `--help` and workers start at once."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orfeas.config import Config, ConfigError
from orfeas.domain.formats import WRITABLE
from orfeas.domain.stages import Queue
from orfeas.errors import OrfeasError
from orfeas.version import __version__

if TYPE_CHECKING:
    from orfeas.services import Services

MODES = ("auto", "inflate", "relief", "lithophane")
FORMATS = click.Choice(WRITABLE, case_sensitive=False)


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

    Settings are environment variables that begin with ORFEAS_; README.md lists them.
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
@click.argument("photo", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; default PHOTO's name."
)
@click.option("--format", "format_name", type=FORMATS, help="File format; default: the output's extension, else glb.")
@click.option("--quality", type=click.IntRange(1, 10), default=7, show_default=True, help="1 is quickest, 10 finest.")
@click.option("--dimensions", metavar="W,H,D", help="Box in mm that the model fills on one axis. [longest side 100 mm]")
@click.option("--mode", type=click.Choice(MODES), default="auto", show_default=True, help="How the shape is made.")
@click.option("--seed", type=click.IntRange(0, 4294967295), default=0, help="For engines that draw at random.")
@click.option("--model", help="Id of an installed model, run here; needs ORFEAS_DEVICE=cpu. [the embedded engine]")
def generate(
    photo: Path,
    output: Path | None,
    format_name: str | None,
    quality: int,
    dimensions: str | None,
    mode: str,
    seed: int,
    model: str | None,
) -> None:
    """Make a model of PHOTO in this process, without a server."""
    from orfeas import generate as local
    from orfeas.services.engines import EMBEDDED

    target, chosen = local.target(photo, output, format_name)
    choice, device = local.chosen(_settings(), model) if model else (EMBEDDED, None)
    made = local.generate(
        photo.read_bytes(), photo.name, chosen, quality=quality, size_mm=local.box(dimensions), mode=mode, seed=seed,
        max_pixels=_settings().max_image_pixels, choice=choice, device=device, progress=local.Bar(),
    )  # fmt: skip
    for warning in made.warnings:
        click.echo(f"Note: {warning}", err=True)
    for path in local.write(target, made.data):
        click.echo(f"Wrote {path}", err=True)
    click.echo(made.summary())


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
    from orfeas.routes.context import EXTENSION

    app.extensions[EXTENSION].notifier.stop()


def _services() -> Services:
    from orfeas.services import build_services

    return build_services(_settings())
