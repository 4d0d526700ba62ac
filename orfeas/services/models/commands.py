"""Commands to a device: bring a model's weights there, let them go, and what is there."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from typing import Any

from orfeas.domain.caller import Caller
from orfeas.domain.specs import ModelClear, ModelLoad, ModelUnload
from orfeas.domain.stages import StageSpec
from orfeas.errors import CapabilityMissingError, ModelUnavailableError, rebuilt
from orfeas.jobs.jobs import Jobs
from orfeas.jobs.plan import Node, Plan
from orfeas.jobs.views import JobState, JobView, RunRequest, RunView, Surface
from orfeas.services.devices import DeviceService, LoadedModel
from orfeas.services.engines import EngineService
from orfeas.services.models.service import ModelService, require_scope
from orfeas.services.models.views import Model

FIRST = 1
MEMORY, UNFINISHED_FILES, ALL = "memory", "disk_partial", "all"
SCOPES = (MEMORY, UNFINISHED_FILES, ALL)
IDLE, NOW = "idle", "now"
NO_WORKER = "No gpu worker is there to take the command. {reason}"
STARTS_ONE = "'orfeas serve' starts one where a device is found; ORFEAS_DEVICE=cpu takes the processor."


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """What models take of devices and of the disk."""

    loaded: tuple[LoadedModel, ...]
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Freed:
    """Bytes that a command has freed: of the disk, and on devices once its job has ended."""

    disk_bytes: int
    job: JobView | None = None

    @property
    def device_bytes(self) -> int:
        """As the device reported."""
        run = self.job.latest if self.job else None
        reports = (run.result or {}).get("reports", {}) if run else {}
        return int(reports.get(ModelClear.name, {}).get("freed_bytes", 0))


class ModelCommands:
    """Tell devices what to load and what to let go."""

    LOAD, UNLOAD, CLEAR = "model_load", "model_unload", "model_clear"
    JOB_TYPES = (LOAD, UNLOAD, CLEAR)

    def __init__(self, jobs: Jobs, models: ModelService, engines: EngineService, devices: DeviceService) -> None:
        self._jobs = jobs
        self._models = models
        self._engines = engines
        self._devices = devices

    def load(self, caller: Caller, model_id: str, *, swap: str = "", **options: Any) -> JobView:
        """Bring all weights of a model to the device; with `swap` the others go first (see `ModelLoad`).

        Raises
        ------
        CapabilityMissingError
            There is no gpu worker, or the model is a part that others load.
        ModelUnavailableError
            It is not installed.
        LicenceTerritoryError, LicenceUnacknowledgedError
            Its terms forbid it here, or nobody has accepted them.
        """
        require_scope(caller)
        spec = self._load_spec(caller, self._models.get(caller, model_id), swap)
        return self._start(caller, self.LOAD, spec, {"model_id": model_id, "swap": swap or None}, **options)

    def unload(self, caller: Caller, model_id: str, **options: Any) -> JobView:
        """Take a model's weights off the device; one that is not there is no failure."""
        require_scope(caller)
        model = self._models.get(caller, model_id, hashing=False)
        self._require_worker()
        return self._start(caller, self.UNLOAD, ModelUnload(model=model.id), {"model_id": model.id}, **options)

    def clear(self, caller: Caller, scope: str) -> Freed:
        """Free memory of the device, what unfinished downloads have left on the disk, or both."""
        require_scope(caller)
        if scope != UNFINISHED_FILES:
            self._require_worker()
        disk_bytes = 0 if scope == MEMORY else self._models.discard_unfinished(caller)
        if scope == UNFINISHED_FILES:
            return Freed(disk_bytes)
        return Freed(disk_bytes, self._clear_memory(caller, {"scope": scope}))

    def status(self, caller: Caller) -> CacheStatus:
        """What is loaded, and the bytes of all models on the disk."""
        models = self._models.list(caller)
        return CacheStatus(self._devices.loaded(), sum(model.size_bytes or 0 for model in models))

    def retry(self, caller: Caller, run: RunView, *, retried_from: str) -> JobView:
        """The same command as a new job."""
        asked = run.request
        if run.type == self.LOAD:
            return self.load(caller, asked["model_id"], swap=asked["swap"] or "", retried_from=retried_from)
        if run.type == self.UNLOAD:
            return self.unload(caller, asked["model_id"], retried_from=retried_from)
        require_scope(caller)
        self._require_worker()
        return self._clear_memory(caller, asked, retried_from=retried_from)

    def _clear_memory(self, caller: Caller, asked: dict[str, Any], **options: Any) -> JobView:
        return self._start(caller, self.CLEAR, ModelClear(), asked, **options)

    def _load_spec(self, caller: Caller, model: Model, swap: str) -> ModelLoad:
        if not model.installed:
            raise ModelUnavailableError(f"{model.id} is {model.state}; pull it first.", model_id=model.id)
        if model.capabilities is None or model.capabilities.component != "pipeline":
            raise CapabilityMissingError(f"{model.id} is loaded with the model that uses it; load that one.")
        self._models.check_licence(model)
        self._require_worker()
        device, reason = self._engines.device()
        if device is None:
            raise CapabilityMissingError(NO_WORKER.format(reason=reason))
        ref = self._engines.reference(model, device)
        return ModelLoad(model=ref.id, place=ref.place, revision=ref.digest, precision=ref.precision, swap=swap)

    def _require_worker(self) -> None:
        if not self._devices.working():
            raise CapabilityMissingError(NO_WORKER.format(reason=self._engines.device()[1] or STARTS_ONE))

    def _start(
        self, caller: Caller, type: str, spec: ModelLoad | ModelUnload | ModelClear, request: dict[str, Any],
        **options: Any,
    ) -> JobView:  # fmt: skip
        plan = Plan((), also=(Node(_once(spec)),))
        model = request.get("model_id")
        asked = RunRequest(type, plan, request, model=model, priority=FIRST, monitored=False)
        return self._jobs.create(caller, Surface.V1, asked, **options)


def _once(spec: ModelLoad | ModelUnload | ModelClear) -> StageSpec:
    """A command is given anew each time: what was loaded once may be gone since."""
    return replace(spec, nonce=str(uuid.uuid4()))


def raise_failure(job: JobView) -> None:
    """Raise the problem that a command ended with, as if the view had met it."""
    if job.state is JobState.FAILED and job.latest is not None and job.latest.error is not None:
        raise rebuilt({**job.latest.error, "job_id": job.id})
