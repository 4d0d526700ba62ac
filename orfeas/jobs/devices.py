"""Which devices models could run on, found without loading torch here, and why there is none."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from sqlalchemy import Connection, select

from orfeas.config import Config
from orfeas.storage.database import Database
from orfeas.storage.statements import keep_setting, setting
from orfeas.storage.tables import workers

KEY = "devices"
PROBE_S = 120.0
PROBE = """
import json, torch
found = []
for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
    facts = torch.cuda.get_device_properties(number)
    found.append({"device": f"cuda:{number}", "name": facts.name, "memory_bytes": facts.total_memory})
if not found and torch.backends.mps.is_available():
    found.append({"device": "mps", "name": "Apple GPU", "memory_bytes": torch.mps.recommended_max_memory()})
print(json.dumps(found))
"""
DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"), Path("/dev/kfd"))
"""What a driver of NVIDIA, of Windows below Linux, or of AMD puts there."""

NO_TORCH = "torch is not installed: pip install -c constraints.txt 'orfeas[ml]' (make install-ml)."
NO_DEVICE = "No CUDA or MPS device was found. ORFEAS_DEVICE=cpu runs models on the processor, slowly."


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A device by torch's name for it, with its memory in bytes."""

    device: str
    name: str
    memory_bytes: int

    @property
    def kind(self) -> str:
        """`cuda`, `mps` or `cpu`."""
        return self.device.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Discovery:
    """The devices that models run on; without any, `reason` says why and what to do."""

    devices: tuple[DeviceFacts, ...] = ()
    reason: str | None = None


def discover(config: Config) -> Discovery:
    """Look for devices as `ORFEAS_DEVICE` allows; seconds long only where a driver is there."""
    if find_spec("torch") is None:
        return Discovery(reason=NO_TORCH)
    if config.device == "cpu":
        return Discovery((processor(),))
    if config.device == "auto" and not _maybe():
        return Discovery(reason=NO_DEVICE)
    try:
        found = probe()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Discovery(reason=f"torch is installed but cannot look for devices: {_last_line(error)}")
    wanted = tuple(facts for facts in found if config.device in ("auto", facts.kind))
    return Discovery(wanted) if wanted else Discovery(reason=_none_of(config.device))


def processor() -> DeviceFacts:
    """The processor as a device: its memory is the machine's."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return DeviceFacts("cpu", f"the processor ({platform.machine()})", memory)


def probe() -> list[DeviceFacts]:
    """Ask torch in a process of its own: here it would stay, with hundreds of megabytes."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        timeout=PROBE_S,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return [DeviceFacts(**facts) for facts in json.loads(done.stdout)]


def remember(database: Database, discovery: Discovery) -> None:
    """Keep what was found, for the web process and over restarts."""
    value = {"devices": [asdict(facts) for facts in discovery.devices], "reason": discovery.reason}
    with database.transaction() as connection:
        keep_setting(connection, KEY, value)


def remembered(connection: Connection) -> Discovery | None:
    """What was found last; None where nobody has looked yet."""
    value = setting(connection, KEY)
    if value is None:
        return None
    return Discovery(tuple(DeviceFacts(**facts) for facts in value["devices"]), value["reason"])


def _maybe() -> bool:
    """Whether a look with torch could find something."""
    return (platform.system() == "Darwin" and platform.machine() == "arm64") or any(path.exists() for path in DRIVERS)


def _none_of(device: str) -> str:
    return NO_DEVICE if device == "auto" else f"ORFEAS_DEVICE={device}, but torch finds no such device. {NO_DEVICE}"


def _last_line(error: Exception) -> str:
    said = getattr(error, "stderr", None) or str(error)
    return str(said).strip().splitlines()[-1][:200] if str(said).strip() else type(error).__name__


_GPU_WORKERS = select(workers.c.state, workers.c.report).where(workers.c.queue == "gpu")


def failure(connection: Connection) -> str | None:
    """What keeps every gpu worker that is there from working; None while one works or starts, or none is there."""
    rows = connection.execute(_GPU_WORKERS).all()
    if not rows or any(row.state != "failed" for row in rows):
        return None
    return str((rows[0].report or {}).get("error", "its process ends at once"))
