"""What one request gets of a profile on this machine, and what it cannot get, with the reason."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, TypeVar

from orfeas.config import Config
from orfeas.domain.presets import PROFILES
from orfeas.domain.profiles import STANDARD, STANDARD_SWITCHES, Switches, step_down, switches_of
from orfeas.jobs.devices import DeviceFacts
from orfeas.services.plans import NeuralRequest, ShapeRequest

R = TypeVar("R", bound=ShapeRequest)
COMPILERS = ("cc", "gcc", "clang")
"""torch.compile builds its launchers with one of them."""
NO_MODEL = "The embedded engine uses no model."


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request wants of the profiles, its own members and the settings of the server taken together."""

    profile: str = STANDARD
    turbo: bool = False
    allow_degrade: bool = False
    steps_down: bool = False
    repair: bool = False
    monitored: bool = True


@dataclass(frozen=True, slots=True)
class Tuning:
    """The switches of a request. `unavailable` are those that the machine lacks: `{setting, reason}`."""

    profile: str = STANDARD
    switches: Switches = STANDARD_SWITCHES
    below: tuple[str, Switches] | None = None
    repair: bool = False
    monitored: bool = True
    precision: str | None = None
    turbo_weights: bool = False
    result_cache: bool = True
    unavailable: tuple[dict[str, str], ...] = ()

    def applied(self, request: R, batch_size: int | None = None) -> R:
        """The request with them; `batch_size` is a smaller largest batch that was asked for."""
        largest = min(self.switches.largest_batch, batch_size or self.switches.largest_batch)
        switches = replace(self.switches, largest_batch=largest)
        below = self.below if isinstance(request, NeuralRequest) else None
        return replace(request, switches=switches, below=below, repair=self.repair)

    def document(self) -> dict[str, Any]:
        """As clients see it."""
        switches = self.switches
        return {
            "precision": self.precision,
            "compiled_denoiser": switches.compiled,
            "steps_factor": switches.steps_factor,
            "turbo_weights": self.turbo_weights,
            "volume_decoding": switches.volume_decoding,
            "embedded_grid_factor": switches.embedded_grid_factor,
            "largest_batch": switches.largest_batch,
            "result_cache": self.result_cache,
            "unavailable": [*self.unavailable],
        }


def tuning_of(
    wish: Wish, config: Config, device: DeviceFacts | None, why_none: str, *, turbo: str | None, distilled: bool = False
) -> Tuning:
    """The switches of a profile on a device; None with the reason where no model is used.

    `turbo` says why step-distilled weights are wanted and not used; `distilled` whether the model has few steps anyway.
    """
    compiles = compiler_missing(device) is None
    switches = _capped(switches_of(wish.profile, compiles=compiles), config)
    if device is None or distilled:
        switches = replace(switches, steps_factor=1.0)
    if device is None:
        switches = replace(switches, volume_decoding=STANDARD_SWITCHES.volume_decoding)
    lower = step_down(wish.profile) if wish.steps_down else None
    return Tuning(
        profile=wish.profile,
        switches=switches,
        below=(lower, _capped(switches_of(lower, compiles=compiles), config)) if lower else None,
        repair=wish.repair,
        monitored=wish.monitored,
        precision=None if device is None else "float32" if device.kind == "cpu" else "float16",
        turbo_weights=distilled and wish.turbo,
        result_cache=config.cache,
        unavailable=tuple(_unavailable(wish, config, device, why_none, turbo)),
    )


def compiler_missing(device: DeviceFacts | None) -> str | None:
    """Why the denoiser cannot be compiled for a device; None where it can."""
    if device is None or device.kind != "cuda":
        return "The denoiser is compiled on CUDA devices only."
    if find_spec("triton") is None:
        return "The package triton is not installed: torch compiles with it."
    if not any(shutil.which(name) for name in COMPILERS):
        return f"There is no C compiler ({', '.join(COMPILERS)}) on this machine."
    return None


def _capped(switches: Switches, config: Config) -> Switches:
    return replace(switches, largest_batch=min(switches.largest_batch, config.gpu_batch_max))


def _unavailable(
    wish: Wish, config: Config, device: DeviceFacts | None, why_none: str, turbo: str | None
) -> Iterator[dict[str, str]]:
    """The switches of the profile that are off here."""
    profile = PROFILES[wish.profile]
    if profile.precision == "half" and (device is None or device.kind == "cpu"):
        yield _off("precision", why_none if device is None else "A processor computes in float32.")
    if profile.compiled and (reason := compiler_missing(device)):
        yield _off("compiled_denoiser", reason if device is not None else why_none)
    if profile.steps_factor != 1.0 and device is None:
        yield _off("steps_factor", why_none)
    if profile.volume_decoding != "hierarchical" and device is None:
        yield _off("volume_decoding", why_none)
    if wish.turbo and turbo:
        yield _off("turbo_weights", turbo)
    if profile.largest_batch > config.gpu_batch_max:
        yield _off("largest_batch", f"ORFEAS_GPU_BATCH_MAX={config.gpu_batch_max} is less.")
    if profile.result_cache and not config.cache:
        yield _off("result_cache", "ORFEAS_CACHE=0 turns it off.")


def _off(setting: str, reason: str) -> dict[str, str]:
    return {"setting": setting, "reason": reason}
