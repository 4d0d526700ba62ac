"""`orfeas models`: list, pull, verify and remove models in this process, on the folders of a server."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orfeas.config import Config
from orfeas.domain.caller import LOCAL
from orfeas.domain.stages import StageSpec
from orfeas.generate import Bar
from orfeas.jobs.child import IO_STAGES
from orfeas.jobs.inline import InlineRunner
from orfeas.jobs.plan import Node, Plan
from orfeas.services import Services
from orfeas.services.models import Model, State
from orfeas.storage.blobs import FolderStorage

Say = Callable[[str], None]
DESCRIBED = {
    State.ABSENT: "absent",
    State.DOWNLOADING: "on its way",
    State.INSTALLED: "installed",
    State.LOADED: "loaded",
    State.CORRUPT: "corrupt",
}


def listed(services: Services, *, installed: bool) -> list[Model]:
    """The models of the catalogue and of the folder."""
    models = services.models.read(LOCAL, hashing=False)
    return [model for model in models if not installed or model.installed or model.state is State.CORRUPT]


def table(models: list[Model]) -> list[str]:
    """One line for each model, and one for each thing that is wrong with it."""
    width = max((len(model.id) for model in models), default=0)
    lines = []
    for model in models:
        lines.append(f"{model.id:<{width}}  {DESCRIBED[model.state]:<10}  {_size(model):>9}  {_terms(model)}".rstrip())
        if model.state is State.CORRUPT:
            lines += [f"{'':<{width}}  {warning}" for warning in model.warnings]
    return lines


def document(model: Model) -> dict[str, Any]:
    """A model for programs."""
    same = ("id", "repo", "revision", "size_bytes")
    return {**{name: getattr(model, name) for name in same}, "state": model.state.value}


def pull(services: Services, model_id: str, source: str | None, say: Say) -> None:
    """Bring a model; what was interrupted goes on."""
    model = services.models.get(LOCAL, model_id, hashing=False)
    if source is not None and Path(source).expanduser().is_dir():
        source = str(Path(source).expanduser().absolute())
    _run(services.config, services.models.pull_spec(model, source))
    brought = services.models.get(LOCAL, model_id, hashing=False)
    say(f"{brought.id} is installed: {_size(brought)}, revision {brought.revision}")
    if brought.licence is not None and brought.acknowledgement is None:
        say(f"Its terms have to be accepted before it is loaded: {brought.licence.name}, {brought.licence.url}")


def verify(services: Services, model_id: str, say: Say) -> None:
    """Hash every file and compare it with what was published."""
    model = services.models.get(LOCAL, model_id, hashing=False)
    report = _run(services.config, services.models.verify_spec(model))
    for file in report["files"]:
        say(f"{file['sha256']}  {file['path']}")
    for warning in report.get("warnings", ()):
        say(f"Note: {warning}")
    say(f"{model.id} is whole, revision {services.models.get(LOCAL, model_id, hashing=False).revision}")


def remove(services: Services, model_id: str, say: Say) -> None:
    """Remove a model's files."""
    there = services.models.remove(LOCAL, model_id)
    say(f"{model_id} was removed" if there else f"{model_id} was not there")


def _run(config: Config, spec: StageSpec) -> dict[str, Any]:
    bar = Bar()
    with tempfile.TemporaryDirectory(prefix="orfeas-") as folder:
        runner = InlineRunner(FolderStorage(Path(folder)), modules=IO_STAGES, config=config)
        try:
            return runner.run(Plan((), also=(Node(spec),)), sources={}, on_progress=bar).reports[spec.name]
        finally:
            bar.close()


def _size(model: Model) -> str:
    return "" if model.size_bytes is None else f"{model.size_bytes / 1e9:.2f} GB"


def _terms(model: Model) -> str:
    if model.licence is None:
        return "licence not known"
    return model.licence.name + (", accepted" if model.acknowledgement else "")
