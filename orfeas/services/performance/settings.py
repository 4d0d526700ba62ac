"""The settings of the compatible surface's profiles: one row that holds over restarts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from orfeas.config import Config
from orfeas.domain.profiles import STANDARD
from orfeas.storage.statements import keep_setting, setting

KEY = "performance"
SPEED, ACCURACY, SECURITY = "speed", "accuracy", "security"
ENGINES = (SPEED, ACCURACY, SECURITY)


@dataclass(frozen=True, slots=True)
class PerformanceSettings:
    """What compatible requests get that say nothing else. `security` is always among the engines."""

    enabled: bool = False
    profile: str = STANDARD
    engines: tuple[str, ...] = (SECURITY,)
    quantum_protocols: bool = False
    auto_optimization: bool = False
    performance_monitoring: bool = True

    @property
    def in_force(self) -> str:
        """The profile that a compatible request gets."""
        return self.profile if self.speeds else STANDARD

    @property
    def speeds(self) -> bool:
        """Whether the switches of the profile are on."""
        return self.enabled and SPEED in self.engines

    @property
    def mends(self) -> bool:
        """Whether the mesh of each compatible run is repaired."""
        return self.enabled and ACCURACY in self.engines


def read(connection: Connection, config: Config) -> PerformanceSettings:
    """What was set last, else what the server starts with (`ORFEAS_PROFILE`)."""
    value = setting(connection, KEY)
    if value is not None:
        return PerformanceSettings(**{**value, "engines": tuple(value["engines"])})
    if config.profile == STANDARD:
        return PerformanceSettings()
    return PerformanceSettings(enabled=True, profile=config.profile, engines=ENGINES)


def write(connection: Connection, chosen: PerformanceSettings) -> None:
    """Keep the settings."""
    value = {**asdict(chosen), "engines": list(chosen.engines)}
    keep_setting(connection, KEY, value)
