"""Which engine and model a request gets, and why (design, section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.models import Licence
from orfeas.errors import (
    CapabilityMissingError,
    LicenceTerritoryError,
    LicenceUnacknowledgedError,
    ModelUnavailableError,
)
from orfeas.jobs import devices
from orfeas.jobs.devices import DeviceFacts, Discovery
from orfeas.services.models import Model, ModelService
from orfeas.services.models.views import stat_digest
from orfeas.services.plans import EMBEDDED_ENGINE, HUNYUAN3D_ENGINE, ModelRef
from orfeas.storage.database import Database
from orfeas.storage.model_folder import ModelFolder

AUTO = "auto"
INSTALL_LATER_S = 300
"""`Retry-After` of what has to be installed by hand first."""
SMALLEST = "hunyuan3d-dit-v2-mini"
DEFAULT_MODEL_FILES = (f"{SMALLEST}/config.yaml", f"{SMALLEST}/model.fp16.safetensors")
"""What the smallest released checkpoint consists of (repository tencent/Hunyuan3D-2mini)."""
NOT_LOOKED = "No device has been looked for yet: 'orfeas serve' and 'orfeas worker --queue gpu' do."
NO_MODEL = "No shape model is installed in the model folder (ORFEAS_MODEL_DIR)."
PULL = "POST /api/v1/models/{id}/pull or 'orfeas models pull {id}' brings it."
NOT_EXACT = (
    "Results on MPS differ in the last bits from run to run; leave deterministic out, or use engine embedded "
    "and, where a model removes backgrounds, remove_background never."
)
FROM_SOLIDS = "Without a text-to-image model a sentence is built from solids, which needs no shape model."
ONE_PICTURE = "The embedded engine takes one picture; send image, or install a multi-view model."


@dataclass(frozen=True, slots=True)
class Choice:
    """An engine with its model, and a sentence that says why it was taken."""

    engine: str
    model: ModelRef | None = None
    reason: str = "It was asked for."


EMBEDDED = Choice(EMBEDDED_ENGINE)


class EngineService:
    """Choose engines and models.

    Parameters
    ----------
    found
        The devices there are; by default what the server's supervisor found last.
    """

    def __init__(
        self, config: Config, database: Database, models: ModelService, *, found: Discovery | None = None
    ) -> None:
        self._config, self._database, self._models = config, database, models
        self._found = found

    def choose(
        self,
        caller: Caller,
        *,
        engine: str = AUTO,
        model: str | None = None,
        mode: str = AUTO,
        views: Sequence[str] | None = None,
        solids: bool = False,
    ) -> Choice:
        """The engine and model of a request; `views` are the names of its pictures where they have names.

        `solids`: it starts from a sentence, and no model makes pictures of sentences here.

        Raises
        ------
        ModelUnavailableError
            What was asked for by name cannot run here; the sentence says what to install.
        CapabilityMissingError
            Several views were sent and nothing here takes them.
        LicenceTerritoryError, LicenceUnacknowledgedError
            The terms of the model that was asked for forbid it here, or nobody has accepted them.
        """
        wanted = self._config.engine if engine == AUTO else engine
        if wanted == EMBEDDED_ENGINE:
            if views is not None:
                raise CapabilityMissingError.at("/images", ONE_PICTURE)
            return EMBEDDED
        if model is not None or wanted == HUNYUAN3D_ENGINE:
            return self._explicit(caller, model, views)
        if mode != AUTO and views is None:
            return Choice(EMBEDDED_ENGINE, reason=f"The mode {mode} belongs to the embedded engine.")
        if solids:
            return Choice(EMBEDDED_ENGINE, reason=FROM_SOLIDS)
        found = self.auto(caller, several=views is not None)
        if views is not None and found.model is None:
            raise CapabilityMissingError.at("/images", f"Nothing here takes several views: {found.reason}")
        return found

    def auto(self, caller: Caller, *, several: bool = False) -> Choice:
        """What a request gets that names no engine."""
        device, reason = self.device()
        if device is None:
            return Choice(EMBEDDED_ENGINE, reason=reason)
        refused = []
        for model in self._candidates(caller, several=several):
            why_not = self._why_not(model, device)
            if why_not is None:
                return Choice(
                    HUNYUAN3D_ENGINE, self.reference(model, device), f"{model.id} is installed and fits {device.name}."
                )
            refused.append(why_not)
        if self._config.model and not refused:
            refused = [f"ORFEAS_MODEL={self._config.model} is not installed."]
        return Choice(EMBEDDED_ENGINE, reason=" ".join(refused) or (NO_MODEL if not several else _NO_MULTI_VIEW))

    def device(self) -> tuple[DeviceFacts | None, str]:
        """The device that models run on, or why there is none. What it has loaded or free does not count."""
        with self._database.read() as connection:
            found = self._found or devices.remembered(connection)
            failure = None if self._found else devices.failure(connection)
        if failure is not None:
            return None, f"The gpu worker cannot start: {failure}"
        if self._config.device == "cpu":
            return (devices.processor(), "") if find_spec("torch") else (None, devices.NO_TORCH)
        if found is None:
            return None, NOT_LOOKED
        usable = [facts for facts in found.devices if facts.kind != "cpu"]
        return (usable[0], "") if usable else (None, found.reason or devices.NO_DEVICE)

    def standing(self, caller: Caller) -> dict[str, dict[str, Any]]:
        """Each engine with whether it can be used, and why not."""
        device, reason = self.device()
        if device is not None and not any(self._pipelines(caller)):
            device, reason = None, f"{NO_MODEL} {PULL.format(id=SMALLEST)}"
        return {
            EMBEDDED_ENGINE: {"available": True, "reason": None},
            HUNYUAN3D_ENGINE: {"available": device is not None, "reason": reason or None},
        }

    def taken(self, caller: Caller) -> dict[str, str | None]:
        """What a request gets that names no engine, and why."""
        if self._config.engine == EMBEDDED_ENGINE:
            return {"engine": EMBEDDED_ENGINE, "model": None, "reason": "ORFEAS_ENGINE=embedded."}
        chosen = self.auto(caller)
        return {
            "engine": chosen.engine,
            "model": chosen.model.id if chosen.model else None,
            "reason": chosen.reason,
        }

    def reference(self, model: Model, device: DeviceFacts) -> ModelRef:
        """A model as a run uses it: in full precision on a processor, in that of its files elsewhere."""
        capabilities = model.capabilities
        return ModelRef(
            id=model.id,
            place=model.place,
            digest=model.revision or self._unhashed(model),
            precision="float32" if device.kind == "cpu" else "float16",
            revision=model.revision,
            views=capabilities.views if capabilities else ("front",),
            distilled=bool(capabilities and capabilities.distilled),
            licence=_terms(model.licence) if model.licence else None,
        )

    def check_deterministic(self, *, on_device: bool) -> None:
        """Refuse to promise equal bits where a device does not keep that.

        Raises
        ------
        CapabilityMissingError
            A stage runs on MPS, which has no deterministic products of matrices.
        """
        device, _ = self.device()
        if on_device and device is not None and device.kind == "mps":
            raise CapabilityMissingError.at("/deterministic", NOT_EXACT)

    def turbo_of(self, caller: Caller, ref: ModelRef) -> tuple[ModelRef | None, str | None]:
        """The step-distilled weights of a model, or why there are none to be used."""
        wanted = f"{ref.id.removesuffix('-fast')}-turbo"
        model = next((model for model in self._pipelines(caller) if model.id == wanted), None)
        device, reason = self.device()
        if model is None or device is None:
            return None, reason or f"{wanted} is not installed. {PULL.format(id=wanted)}"
        why_not = self._why_not(model, device)
        return (None, why_not) if why_not else (self.reference(model, device), None)

    def preferred(self, caller: Caller) -> Choice:
        """What a request gets that names neither engine nor model, with what the server is set to."""
        try:
            return self.choose(caller)
        except (ModelUnavailableError, LicenceTerritoryError, LicenceUnacknowledgedError) as error:
            return Choice(EMBEDDED_ENGINE, reason=error.detail)

    def unchanged(self, caller: Caller, ref: ModelRef) -> bool:
        """Whether the files are those that a run used."""
        model = next((model for model in self._pipelines(caller) if model.id == ref.id), None)
        return model is not None and ref.digest in (model.revision, self._unhashed(model))

    def _explicit(self, caller: Caller, model_id: str | None, views: Sequence[str] | None) -> Choice:
        model = self._named(caller, model_id) if model_id else self._first(caller, several=views is not None)
        capabilities = model.capabilities
        if capabilities is None or capabilities.component != "pipeline":
            raise _unavailable(f"{model.id} makes no shapes by itself; choose another model.", [model.id])
        if views is not None and len(capabilities.views) < 2:
            detail = f"{model.id} takes one picture; choose a multi-view model for images."
            raise CapabilityMissingError.at("/images", detail)
        device, reason = self.device()
        if device is None:
            raise _unavailable(f"{model.id} has nothing to run on. {reason}", [])
        self._models.check_licence(model)
        return Choice(HUNYUAN3D_ENGINE, self.reference(model, device))

    def _named(self, caller: Caller, model_id: str) -> Model:
        model = next((model for model in self._models.list(caller) if model.id == model_id), None)
        if model is None:
            raise _unavailable(f"There is no model {model_id[:100]!r}; GET /api/v1/models lists all.", [model_id])
        if not model.installed:
            missing = [f"{model.id}/{file.path}" for file in model.files if not file.present]
            raise _unavailable(f"{model.id} is {model.state}. {PULL.format(id=model.id)}", missing or [model.id])
        return model

    def _first(self, caller: Caller, *, several: bool) -> Model:
        if self._config.model and not several:
            return self._named(caller, self._config.model)
        refusals = []
        for model in self._candidates(caller, several=several):
            try:
                self._models.check_licence(model)
            except (LicenceTerritoryError, LicenceUnacknowledgedError) as error:
                refusals.append(error)
            else:
                return model
        if refusals:
            raise refusals[0]
        if several:
            raise CapabilityMissingError.at("/images", _NO_MULTI_VIEW)
        raise _unavailable(f"{NO_MODEL} {PULL.format(id=SMALLEST)}", list(DEFAULT_MODEL_FILES))

    def _candidates(self, caller: Caller, *, several: bool) -> Iterator[Model]:
        """In the order of the catalogue; only `ORFEAS_MODEL` where it is set."""
        for model in self._pipelines(caller):
            views = model.capabilities.views if model.capabilities else ()
            if (len(views) > 1 or not several) and self._config.model in (None, model.id):
                yield model

    def _pipelines(self, caller: Caller) -> Iterator[Model]:
        for model in self._models.installed(caller):
            if model.capabilities and model.capabilities.component == "pipeline":
                yield model

    def _why_not(self, model: Model, device: DeviceFacts) -> str | None:
        try:
            self._models.check_licence(model)
        except (LicenceTerritoryError, LicenceUnacknowledgedError) as error:
            return error.detail
        budget = self._config.gpu_memory_share * device.memory_bytes
        # The files hold 16 bits a weight, a processor computes in 32.
        needed = (model.size_bytes or 0) * (2 if device.kind == "cpu" else 1)
        if needed > budget:
            return f"{model.id} needs {needed / 1e9:.1f} GB for its weights, {budget / 1e9:.1f} GB may be used."
        return None

    def _unhashed(self, model: Model) -> str:
        found = ModelFolder(self._config.model_dir).find(model.place)
        return f"files:{stat_digest(found)}" if found else "absent"


_NO_MULTI_VIEW = "No installed model takes several views; send one image, or install hunyuan3d-dit-v2-mv."


def _terms(licence: Licence) -> dict[str, Any]:
    cap = f"up to {licence.user_cap} monthly active users" if licence.user_cap else "without a cap of users"
    use = f"Commercial use {cap}" if licence.commercial else "No commercial use"
    where = f"not in {', '.join(licence.excluded_territories)}" if licence.excluded_territories else "everywhere"
    return {"name": licence.name, "url": licence.url, "terms": f"{use}; {where}."}


def _unavailable(detail: str, missing: list[str]) -> ModelUnavailableError:
    advice = "Engine auto or embedded needs none of this."
    return ModelUnavailableError(f"{detail} {advice}", missing=missing, retry_after=INSTALL_LATER_S)
