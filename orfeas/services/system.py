"""What this server can do, and its presets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from orfeas.config import Config
from orfeas.domain import limits, presets, quality
from orfeas.domain.caller import Caller
from orfeas.domain.formats import MESH_FORMATS, Formats, MeshFormat
from orfeas.domain.prompt import vocabulary
from orfeas.errors import InvalidRequestError
from orfeas.jobs.jobs import Jobs
from orfeas.services.engines import EngineService
from orfeas.services.folder_models import BackgroundModels, FolderModels, PictureModels
from orfeas.services.info import info_cached, time_bucket
from orfeas.services.models import Model, ModelService
from orfeas.version import __version__

KINDS = ("cameras", "materials", "lighting", "printers", "quality", "profiles", "styles", "vocabulary")
NO_MULTI_VIEW = "No installed model takes several views."
LATER = "Not in this release."
NO_LLM = "No language model is configured: set ORFEAS_LLM_URL, and ORFEAS_LLM_MODEL."

FEATURES: dict[str, str | None] = {
    "image_to_3d": None,
    "relief": None,
    "lithophane": None,
    "photo_texture": None,
    "derive": None,
    "batches": None,
    "events": None,
    "result_cache": None,
    "text_to_image": None,
    "text_to_3d": None,
    "material_texture": None,
    "painted_texture": LATER,
    "post_conditions": None,
    "mesh_tools": None,
    "turntable": None,
    "scenes": None,
    "agents": None,
    "socket_io": None,
    "projects": LATER,
    "webhooks": LATER,
    "keys": LATER,
    "usage": LATER,
    "replays": LATER,
    "loras": LATER,
}
"""Why a feature is absent; None where it is present."""


class SystemService:
    """Describe the server."""

    def __init__(self, config: Config, jobs: Jobs, models: ModelService, engines: EngineService) -> None:
        self._config = config
        self._jobs = jobs
        self._models = models
        self._engines = engines

    def capabilities(self, caller: Caller) -> dict[str, Any]:
        """Engines, devices, formats, features and limits."""
        fixed, engines = _fixed(self._config), self._engines.standing(caller)
        neural = _neural(engines["hunyuan3d"]["reason"], self._models.installed(caller))
        return {
            **fixed,
            "engines": engines,
            "auto": self._engines.taken(caller),
            "features": {**fixed["features"], **neural, **self._folder_models()},
            "devices": _devices(self._jobs, caller, time_bucket()),
            "models": [_model(model) for model in self._models.installed(caller)],
        }

    def _folder_models(self) -> dict[str, Any]:
        """Whether models make pictures of sentences and remove backgrounds; both are done in another way without."""
        kinds: dict[str, type[FolderModels]] = {
            "text_to_image_model": PictureModels,
            "background_model": BackgroundModels,
        }
        reasons = {name: kind(self._config, self._engines.device).why_not() for name, kind in kinds.items()}
        return {name: _when(reason is None, reason) for name, reason in reasons.items()}

    def presets(self, caller: Caller, kind: str | None = None) -> dict[str, Any]:
        """Every preset by kind, or those of one kind."""
        if kind is not None and kind not in KINDS:
            detail = f"Allowed: {', '.join(KINDS)}."
            raise InvalidRequestError.at("/kind", detail, allowed=[*KINDS])
        return _presets() if kind is None else {kind: _presets()[kind]}


@info_cached
def _devices(jobs: Jobs, caller: Caller, _: int) -> list[dict[str, Any]]:
    """Devices of the workers that are there, each once with its queues and number of workers."""
    found: dict[str, dict[str, Any]] = {}
    for worker in jobs.queue_status(caller).workers:
        name = worker["device"] or "cpu"
        device = found.setdefault(name, {"device": name, "queues": [], "workers": 0})
        device["workers"] += 1
        device["queues"] = sorted({*device["queues"], worker["queue"]})
    return [*found.values()]


def _neural(reason: str | None, installed: Sequence[Model]) -> dict[str, dict[str, Any]]:
    """What depends on installed models and a device; `reason` is why there is none of both."""
    several = any(model.capabilities and len(model.capabilities.views) > 1 for model in installed)
    views = reason or (None if several else NO_MULTI_VIEW)
    return {
        "neural_shapes": {"available": reason is None, "reason": reason},
        "multi_view": {"available": views is None, "reason": views},
    }


def _model(model: Model) -> dict[str, Any]:
    """What an engine can be asked for."""
    shown: dict[str, Any] = {
        name: getattr(model, name) for name in ("id", "revision", "family", "task", "variant", "repo")
    }
    if model.capabilities is not None:
        shown.update(component=model.capabilities.component, views=[*model.capabilities.views])
    return shown


@info_cached
def _fixed(config: Config) -> dict[str, Any]:
    return {
        "version": __version__,
        "formats": [_format(found, Formats(config.blender)) for found in MESH_FORMATS.values()],
        "features": {
            **{name: {"available": reason is None, "reason": reason} for name, reason in FEATURES.items()},
            "code_analysis": {"available": True, "reason": None},
            "language_models": _when(config.llm_url is not None, NO_LLM),
            "url_input": _when(
                config.allow_url_input and not config.offline, "ORFEAS_ALLOW_URL_INPUT or ORFEAS_OFFLINE forbids it."
            ),
        },
        "limits": _limits(config),
        "auth": {"mode": config.auth, "required": False},
        "territory": config.territory,
        "llm": {"configured": config.llm_url is not None, "model": config.llm_model},
    }


def _when(available: bool, reason: str | None) -> dict[str, Any]:
    return {"available": available, "reason": None if available else reason}


def _format(found: MeshFormat, formats: Formats) -> dict[str, Any]:
    reason = formats.reason(found.name)
    return {
        "format": found.name,
        "media_type": found.media_type,
        "read": found.readable,
        "write": reason is None,
        "colors": found.colors,
        "textures": found.textures,
        "units": found.unit,
        "available": reason is None,
        "reason": reason,
    }


def _limits(config: Config) -> dict[str, Any]:
    return {
        "upload_bytes": config.max_upload_bytes,
        "image_side_px": [*limits.IMAGE_SIDE_PX],
        "image_pixels": config.max_image_pixels,
        "mesh_faces": config.max_faces,
        "steps": [*limits.STEPS],
        "octree_resolution": [*limits.OCTREE_RESOLUTION],
        "target_faces": [*limits.TARGET_FACES],
        "side_mm": [*limits.SIDE_MM],
        "texture_size": [*limits.TEXTURE_SIZE],
        "batch": config.max_batch,
        "queue": config.queue_max,
        "wait_seconds": limits.WAIT_S[1],
        "run_seconds": config.job_timeout_s,
        "rate_limit_per_minute": config.rate_limit_per_minute or None,
        "storage_max_bytes": config.storage_max_mb * 1_000_000 or None,
        "retention_hours": config.retention_h or None,
    }


@info_cached
def _presets() -> dict[str, Any]:
    return {
        "cameras": _by_name(presets.CAMERAS),
        "materials": _by_name(presets.MATERIALS),
        "lighting": _by_name(presets.LIGHTING),
        "printers": {
            name: {**asdict(printer), "default": name == presets.DEFAULT_PRINTER}
            for name, printer in presets.PRINTERS.items()
        },
        "quality": [_quality(level) for level in range(quality.LOWEST, quality.HIGHEST + 1)],
        "profiles": _by_name(presets.PROFILES),
        "styles": dict(presets.STYLES),
        "vocabulary": vocabulary(),
    }


def _by_name(found: Any) -> dict[str, Any]:
    return {name: asdict(value) for name, value in found.items()}


def _quality(level: int) -> dict[str, Any]:
    return {
        "quality": level,
        "label": quality.LABELS[level - 1],
        "default": level == quality.DEFAULT,
        "full": asdict(quality.FULL[level]),
        "turbo": asdict(quality.TURBO[level]),
        "embedded": asdict(quality.EMBEDDED[level]),
    }
