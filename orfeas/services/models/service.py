"""The decisions about models: list, bring, check, remove, and the guard of their licences."""

from __future__ import annotations

import contextlib
import importlib.util
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.models import is_hub_id
from orfeas.domain.specs import ModelPull, ModelVerify
from orfeas.domain.stages import Queue
from orfeas.errors import (
    CapabilityMissingError,
    DiskFullError,
    ForbiddenError,
    InvalidRequestError,
    LicenceTerritoryError,
    LicenceUnacknowledgedError,
    ModelInUseError,
    ModelUnavailableError,
    ModelUnknownError,
    QueueFullError,
)
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan
from orfeas.jobs.views import JobView, RunRequest, RunView, Surface
from orfeas.services.devices import LoadedModel
from orfeas.services.info import info_cached, time_bucket
from orfeas.services.models.views import Model, State, build_models, stat_digest
from orfeas.storage import model_rows
from orfeas.storage.database import Database
from orfeas.storage.model_folder import FoundModel, ModelFolder, model_source
from orfeas.storage.model_rows import Acknowledgement, Known
from orfeas.storage.tables import AnyRow, stages

Files = ModelPull | ModelVerify

PULL_TIMEOUT_S = 24 * 3600.0
"""The largest checkpoint has 7 GB; a slow line takes hours, and a pull that stops goes on where it was."""
UNFINISHED = ("wanted", "running")
NEEDS_HUB = (
    "The package huggingface_hub is not installed: 'make install-ml' brings it; or give a local folder as source."
)
OFFLINE = "ORFEAS_OFFLINE=1 forbids downloads; give a local folder with the files as source, or unset it."
SOURCE = "source is a repository of the hub (owner/name) or an absolute path of a folder that has a config.yaml."


class ModelService:
    """Look after models.

    Parameters
    ----------
    on_devices
        The models with weights on a device.
    """

    JOB_TYPES = ("model_pull", "model_verify")

    def __init__(
        self,
        config: Config,
        database: Database,
        jobs: Jobs,
        *,
        on_devices: Callable[[], Iterable[LoadedModel]] = lambda: (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._database = database
        self._jobs = jobs
        self._folder = ModelFolder(config.model_dir)
        self._on_devices = on_devices
        self._now = now
        self._changes = 0

    # looking

    def list(self, caller: Caller) -> tuple[Model, ...]:
        """Every model, at most 2 s old; unhashed ones are hashed in the io queue from now on."""
        return self._with_loaded(_listed(self, caller, self._changes, time_bucket()))

    def installed(self, caller: Caller) -> tuple[Model, ...]:
        """The models whose files are there."""
        return tuple(model for model in self.list(caller) if model.installed)

    def get(self, caller: Caller, model_id: str, *, hashing: bool = True) -> Model:
        """One model as it is now."""
        return _find(self._with_loaded(self.read(caller, hashing=hashing)), model_id)

    def read(self, caller: Caller, *, hashing: bool = True) -> tuple[Model, ...]:
        """Every model as it is now; with `hashing`, unhashed ones are hashed in the io queue from now on."""
        found = self._folder.discover()
        known, pulls = self._rows(caller)
        pulled = pulls | {
            place
            for place in {*found, *known}
            if self._folder.is_locked(place) and self._folder.staging(place).exists()
        }
        models = build_models(self._folder, found, known, frozenset(pulled))
        for model in models:
            if hashing and model.state is State.INSTALLED and model.revision is None:
                self._database.after_look(partial(self._hash_once, caller, model, found[model.place]))
        return models

    def _with_loaded(self, models: tuple[Model, ...]) -> tuple[Model, ...]:
        """Models with what devices hold of them just now."""
        places = {loaded.place for loaded in self._on_devices()}
        return tuple(
            replace(model, state=State.LOADED) if model.installed and model.place in places else model
            for model in models
        )

    # changing

    def discard_unfinished(self, caller: Caller) -> int:
        """Remove what downloads that nobody goes on with have left; the bytes that are free then."""
        with self._database.read() as connection:
            parameters = connection.execute(
                select(stages.c.parameters).where(stages.c.name == ModelPull.name, stages.c.state.in_(UNFINISHED))
            ).scalars()
            wanted = {found["place"] for found in parameters}
        freed = self._folder.discard_unfinished(wanted)
        self._changes += 1
        return freed

    def pull(self, caller: Caller, model_id: str, source: str | None = None) -> JobView:
        """A job that downloads a model, or copies it from a local folder; the same pull in flight is joined.

        Raises
        ------
        CapabilityMissingError
            Downloads are not possible here; the sentence says why.
        InvalidRequestError
            The source is neither a repository nor a folder with the model.
        """
        require_scope(caller)
        model = self.get(caller, model_id, hashing=False)
        spec = self.pull_spec(model, source)
        request = {"model_id": model.id, "source": source}
        return self._start(caller, "model_pull", model, spec, request)

    def pull_spec(self, model: Model, source: str | None) -> ModelPull:
        """The stage that brings a model."""
        from_folder = not is_hub_id(source or model.repo)
        if from_folder and not model_source(Path(source or ""), model.place):
            raise InvalidRequestError.at("/source", SOURCE)
        if not from_folder and self._config.offline:
            raise CapabilityMissingError(OFFLINE)
        if not from_folder and importlib.util.find_spec("huggingface_hub") is None:
            raise CapabilityMissingError(NEEDS_HUB)
        return ModelPull(place=model.place, source=source or model.repo)

    def verify(self, caller: Caller, model_id: str) -> JobView:
        """A job that hashes every file and compares it with what was published."""
        require_scope(caller)
        model = self.get(caller, model_id, hashing=False)
        return self._start(caller, "model_verify", model, self.verify_spec(model), {"model_id": model.id})

    def verify_spec(self, model: Model) -> ModelVerify:
        """The stage that checks a model."""
        if not model.installed and model.state is not State.CORRUPT:
            raise ModelUnavailableError(f"{model.id} is {model.state}; pull it first.", model_id=model.id)
        return ModelVerify(place=model.place)

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The same pull or verification as a new job."""
        model = self.get(caller, run.request["model_id"], hashing=False)
        if run.type == "model_pull":
            spec: Files = self.pull_spec(model, run.request["source"])
        else:
            spec = self.verify_spec(model)
        return self._start(caller, run.type, model, spec, run.request, retried_from=retried_from)

    def remove(self, caller: Caller, model_id: str) -> bool:
        """Delete the files of a model and what is left of an unfinished pull; whether there was anything.

        Raises
        ------
        ModelInUseError
            It is loaded, at work, or on its way.
        """
        require_scope(caller)
        model = self.get(caller, model_id, hashing=False)
        if model.state is State.LOADED or self._wanted_by_a_stage(model):
            raise ModelInUseError(f"{model.id} is at work; wait for its jobs or unload it.", model_id=model.id)

        def refuse() -> None:
            raise ModelInUseError(
                f"The files of {model.id} are being brought or checked; wait for it.", model_id=model.id
            )

        with self._folder.locked(model.place, refuse):
            there = self._folder.remove(model.place)
        with self._database.transaction() as connection:
            model_rows.forget_install(connection, model.place)
        self._changes += 1
        return there

    def acknowledge(self, caller: Caller, model_id: str, *, by: str, purpose: str) -> Model:
        """Record who accepts the terms of a model, and what for."""
        require_scope(caller)
        model = self.get(caller, model_id, hashing=False)
        if model.licence is None:
            raise CapabilityMissingError(f"{model.id} is not in the catalogue, so no terms of it are known to accept.")
        given = Acknowledgement(model.licence.name, by, purpose, self._now())
        with self._database.transaction() as connection:
            model_rows.record_acknowledgement(connection, caller.tenant, model.place, given)
        self._changes += 1
        return self.get(caller, model_id, hashing=False)

    # the licence guard

    def check_licence(self, model: Model) -> None:
        """Refuse to load what the terms forbid here, or what nobody has accepted yet.

        Raises
        ------
        LicenceTerritoryError
            The terms exclude the territory that this server is in.
        LicenceUnacknowledgedError
            The territory is not stated or the terms have a cap, and nobody has accepted them.
        """
        licence, territory = model.licence, self._config.territory
        if licence is None:
            return
        if territory is not None and licence.excludes(territory):
            raise LicenceTerritoryError(
                f"The {licence.name} does not allow use in {territory} (ORFEAS_TERRITORY). Use another model.",
                model_id=model.id, url=licence.url,
            )  # fmt: skip
        unclear = (territory is None and bool(licence.excluded_territories)) or licence.user_cap is not None
        if unclear and model.acknowledgement is None:
            raise LicenceUnacknowledgedError(
                f"Read the {licence.name} at {licence.url}, then accept it by "
                f"POST /api/v1/models/{model.id}/acknowledge.",
                model_id=model.id, url=licence.url,
            )  # fmt: skip

    # rows and jobs

    def _rows(self, caller: Caller) -> tuple[dict[str, Known], set[str]]:
        """What is known, and the places that jobs are bringing a model to."""
        with self._database.read() as connection:
            known = model_rows.known(connection, caller.tenant)
            parameters = connection.execute(
                select(stages.c.parameters).where(stages.c.name == ModelPull.name, stages.c.state.in_(UNFINISHED))
            ).scalars()
            return known, {found["place"] for found in parameters}

    def _start(
        self, caller: Caller, type: str, model: Model, spec: Files, request: dict[str, Any], **options: Any
    ) -> JobView:
        self._changes += 1
        if not spec.nonce:
            spec = replace(spec, nonce=self._nonce_in_flight(caller, spec) or str(uuid.uuid4()))
        plan = Plan((), also=(Node(spec),))
        asked = RunRequest(type, plan, request, model=model.id, timeout_s=PULL_TIMEOUT_S)
        return self._jobs.create(caller, Surface.V1, asked, **options)

    def _nonce_in_flight(self, caller: Caller, spec: Files) -> str | None:
        """The nonce of the same work that is not done yet: with it, the new job joins."""
        wanted = spec.parameters()
        for row in self._stages_of(caller, spec.name):
            if row.state in UNFINISHED and {**row.parameters, "nonce": wanted["nonce"]} == wanted:
                return str(row.parameters["nonce"])
        return None

    def _hash_once(self, caller: Caller, model: Model, found: FoundModel) -> None:
        """Have the files hashed in the io queue; not again while they stay as they are, whatever comes of it."""
        spec = replace(self.verify_spec(model), nonce=stat_digest(found))
        tried = {row.parameters["nonce"] for row in self._stages_of(caller, spec.name) if row.state != "absent"}
        if spec.nonce not in tried:
            with contextlib.suppress(QueueFullError, DiskFullError):  # the next look tries again
                self._start(caller, "model_verify", model, spec, {"model_id": model.id}, hidden=True)

    def _stages_of(self, caller: Caller, name: str) -> Sequence[AnyRow]:
        where = (stages.c.tenant == caller.tenant, stages.c.name == name)
        with self._database.read() as connection:
            return connection.execute(select(stages.c.state, stages.c.parameters).where(*where)).all()

    def _wanted_by_a_stage(self, model: Model) -> bool:
        at_work = select(stages.c.parameters).where(stages.c.queue == Queue.GPU.value, stages.c.state.in_(UNFINISHED))
        with self._database.read() as connection:
            return any(found.get("place") == model.place for found in connection.execute(at_work).scalars())


@info_cached
def _listed(service: ModelService, caller: Caller, changes: int, bucket: int) -> tuple[Model, ...]:
    return service.read(caller)


def _find(models: tuple[Model, ...], model_id: str) -> Model:
    found = next((model for model in models if model.id == model_id), None)
    if found is None:
        raise ModelUnknownError(f"There is no model {model_id[:100]!r}; GET /api/v1/models lists all.")
    return found


def require_scope(caller: Caller) -> None:
    """Refuse callers that may not change models."""
    if not {"models", "admin"} & caller.scopes:
        raise ForbiddenError("Changing models needs the scope models.")
