"""What files can be written here, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from orfeas.config import Config
from orfeas.domain.caller import Caller
from orfeas.domain.formats import BY_BLENDER, MESH_FORMATS, Formats, MeshFormat
from orfeas.errors import FormatUnavailableError

ENGINE_FILES = {
    "udatasmith": "No open writer exists for Datasmith files; import glb or obj in Unreal Engine.",
    "prefab": "No open writer exists for Unity prefabs; import glb or obj in Unity.",
}
"""Project files of game engines, by their extension."""
NO_FFMPEG = "Videos need ffmpeg: set ORFEAS_FFMPEG to its path."


class ExportService:
    """List formats."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.meshes = Formats(config.blender)

    def formats(self, caller: Caller) -> list[dict[str, Any]]:
        """Every format with what it carries, whether it can be written, and by what."""
        return [*(_mesh_format(found, self.meshes) for found in MESH_FORMATS.values()), *self._others()]

    def _others(self) -> Iterator[dict[str, Any]]:
        yield _video(self._config.ffmpeg)
        for name, reason in ENGINE_FILES.items():
            yield _absent(name, "application/octet-stream", reason)


def require_writable(formats: Formats, names: Iterable[str]) -> None:
    """Refuse the first of some formats that cannot be written here, with those that can."""
    for name in names:
        if reason := formats.reason(name):
            raise FormatUnavailableError(f"{name}: {reason}", allowed=list(formats.writable))


def _mesh_format(found: MeshFormat, formats: Formats) -> dict[str, Any]:
    reason = formats.reason(found.name)
    return {
        "format": found.name,
        "media_type": found.media_type,
        "read": found.readable,
        "write": reason is None,
        "available": reason is None,
        "reason": reason,
        "colors": found.colors,
        "textures": found.textures,
        "units": found.unit,
        "converter": ("blender" if found.name in BY_BLENDER else "orfeas") if reason is None else None,
    }


def _video(ffmpeg: str | None) -> dict[str, Any]:
    """Turntables as video."""
    found = _absent("mp4", "video/mp4", NO_FFMPEG)
    if ffmpeg is None:
        return found
    return found | {"write": True, "available": True, "reason": None, "colors": True, "textures": True,
                    "converter": "ffmpeg"}  # fmt: skip


def _absent(name: str, media_type: str, reason: str) -> dict[str, Any]:
    return {
        "format": name, "media_type": media_type, "read": False, "write": False, "available": False, "reason": reason,
        "colors": False, "textures": False, "units": None, "converter": None,
    }  # fmt: skip
