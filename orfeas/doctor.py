"""`orfeas doctor`: what this machine can and cannot do, and what to install."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orfeas.config import Config, ConfigError

if TYPE_CHECKING:
    from orfeas.jobs.devices import Discovery

MEGABYTE = 1_000_000
CORE = (
    "flask", "flask-smorest", "sqlalchemy", "alembic", "numpy", "scipy", "pillow", "opencv-python-headless",
    "scikit-image", "trimesh", "manifold3d", "fast-simplification",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. A check that is `required` and not `ok` keeps orfeas from working."""

    name: str
    ok: bool
    detail: str
    advice: str | None = None
    required: bool = False

    def line(self) -> str:
        """For people."""
        mark = "ok  " if self.ok else ("FAIL" if self.required else "no  ")
        return f"{mark} {self.name}: {self.detail}" + (f"\n       {self.advice}" if self.advice and not self.ok else "")

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def examine(load: Callable[[], Config] = Config.from_env) -> list[Check]:
    """Every check, the required ones first."""
    try:
        config = load()
    except ConfigError as error:
        return [Check("settings", False, str(error), required=True), *_machine(), *_libraries()]
    found = [Check("settings", True, "read without errors", required=True)]
    return [*found, *_machine(), *_libraries(), *_storage(config), _port(config), *_optional(config)]


def _machine() -> Iterator[Check]:
    wanted = sys.version_info >= (3, 11)
    yield Check("python", wanted, platform.python_version(), "Install Python 3.11 or newer.", required=True)
    import psutil

    memory_gb = psutil.virtual_memory().total / 1e9
    yield Check("machine", True, f"{platform.machine()}, {os.cpu_count()} cores, {memory_gb:.1f} GB memory")


def _libraries() -> Iterator[Check]:
    missing = [name for name in CORE if _version(name) is None]
    detail = f"missing: {', '.join(missing)}" if missing else f"all {len(CORE)} are installed"
    yield Check("libraries", not missing, detail, "pip install -c constraints.txt .", required=True)
    server = _version("gunicorn")
    yield Check("web server", True, f"gunicorn {server}" if server else f"waitress {_version('waitress')}, 64 threads")
    yield _package(
        "previews",
        "embreex",
        "pictures take many times as long, and nothing is painted from photos",
        "pip install embreex (no wheel for Linux on ARM).",
    )


def _storage(config: Config) -> Iterator[Check]:
    folder = config.data_dir
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    writable = os.access(existing, os.W_OK | os.X_OK)
    yield Check(
        "data folder", writable, f"{folder} {'can' if writable else 'cannot'} be written",
        "Set ORFEAS_DATA_DIR to a folder of yours.", required=True,
    )  # fmt: skip
    free_mb = shutil.disk_usage(existing).free / MEGABYTE
    yield Check(
        "disk", free_mb > config.disk_reserve_mb, f"{free_mb:.0f} MB free, {config.disk_reserve_mb} MB are kept free",
        "Free some space, or lower ORFEAS_DISK_RESERVE_MB.", required=True,
    )  # fmt: skip
    if not config.database_url.startswith("sqlite"):
        yield _package("postgresql", "psycopg", "no driver", "pip install 'orfeas[postgres]'", required=True)


def _port(config: Config) -> Check:
    try:
        with socket.create_connection((config.host, config.port), timeout=1.0):
            return Check("port", False, f"{config.port} is in use", "An orfeas may be running; else set ORFEAS_PORT.")
    except OSError:
        return Check("port", True, f"{config.port} is free")


def _optional(config: Config) -> Iterator[Check]:
    yield Check("image to 3D", True, "embedded engine: no weights, no GPU, no network")
    yield from _models(config)
    yield model_check(config)
    yield _package(
        "model downloads", "huggingface_hub", "huggingface_hub is not installed",
        "'make install-ml' brings it; models in a local folder need it not.",
    )  # fmt: skip
    yield _program("fbx and blend", config.blender, "ORFEAS_BLENDER", "Blender")
    yield _program("mp4", config.ffmpeg, "ORFEAS_FFMPEG", "ffmpeg")


def _models(config: Config) -> Iterator[Check]:
    """The device that models run on, and what a request gets that names no engine."""
    from orfeas.jobs.devices import discover

    torch = _version("torch")
    found = discover(config)
    names = ", ".join(f"{facts.device} ({facts.name}, {facts.memory_bytes / 1e9:.0f} GB)" for facts in found.devices)
    detail = f"torch {torch} on {names}" if found.devices else "no device for models"
    yield Check("neural models", bool(found.devices), detail, found.reason)
    taken = _taken(config, found)
    yield Check("engine auto", True, f"takes {taken['model'] or taken['engine']}: {taken['reason']}")
    yield from _folders(config, found)


def _folders(config: Config, found: Discovery) -> Iterator[Check]:
    """The models that are set by their folders; what is done without them is no failure."""
    from orfeas.services.folder_models import BackgroundModels, PictureModels

    device = found.devices[0] if found.devices else None
    for name, kind in (("sentences by a model", PictureModels), ("backgrounds by a model", BackgroundModels)):
        models = kind(config, lambda: (device, found.reason or ""))
        reason, named = models.why_not(), f"{kind.setting}={models.wanted}" if models.wanted else "none is set"
        yield Check(name, reason is None, named, reason)


def _taken(config: Config, found: Discovery) -> dict[str, str | None]:
    """What `auto` takes on the rows of this server; on a scratch copy of a new server where it has none yet."""
    from orfeas.domain.caller import LOCAL
    from orfeas.services import build_services
    from orfeas.services.engines import EngineService

    with tempfile.TemporaryDirectory(prefix="orfeas-") as folder:
        fresh = config.database_url.startswith("sqlite") and not (config.data_dir / "orfeas.db").exists()
        used = replace(config, data_dir=Path(folder), database_url="") if fresh else config
        services = build_services(used)
        try:
            return EngineService(used, services.database, services.models, found=found).taken(LOCAL)
        finally:
            services.notifier.stop()
            services.database.dispose()


def model_check(config: Config) -> Check:
    """Which models are installed, and what the others that are there lack."""
    from orfeas.services.models.views import Model, State, build_models
    from orfeas.storage.model_folder import ModelFolder
    from orfeas.storage.model_rows import Known

    folder = ModelFolder(config.model_dir)
    models = build_models(folder, folder.discover(), defaultdict(Known), frozenset())
    advice = "'orfeas models list' shows all, 'orfeas models pull MODEL' brings one."

    def described(model: Model) -> str:
        if model.state is State.CORRUPT:
            return f"{model.id} cannot be used ({' '.join(model.warnings)})"
        return f"{model.id} is not complete; pull it again to go on"

    installed = [model.id for model in models if model.installed]
    wanting = [
        described(model)
        for model in models
        if model.state is State.CORRUPT or (model.state is State.ABSENT and folder.staging(model.place).exists())
    ]
    detail = f"installed: {', '.join(installed)}" if installed else "none is installed"
    return Check("models", bool(installed) and not wanting, "; ".join([detail, *wanting]), advice)


def _program(name: str, path: str | None, setting: str, program: str) -> Check:
    if path is None:
        return Check(name, False, f"{setting} is not set", f"Install {program} and set {setting} to its path.")
    return Check(name, shutil.which(path) is not None, f"{setting}={path}", "There is no such program.")


def _package(name: str, package: str, without: str, advice: str, *, required: bool = False) -> Check:
    found = _version(package)
    return Check(name, found is not None, f"{package} {found}" if found else without, advice, required)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
