"""Files that only Blender writes, by an outside Blender in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from orfeas.domain.formats import BY_BLENDER
from orfeas.errors import FormatUnavailableError, StageTimeoutError, UpstreamFailedError

FORMATS = BY_BLENDER
TIMEOUT_S = 120.0
TAIL = 400  # characters of what the program said that an error repeats

# Runs inside Blender: the two paths stand after "--". Metres on both sides.
SCRIPT = """
import sys
import bpy
import numpy

if not hasattr(numpy, "bool"):  # Blender 3.4 as Debian 12 ships it asks its numpy for a name that is gone
    numpy.bool = bool
source, target = sys.argv[sys.argv.index("--") + 1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
if source.endswith(".fbx"):
    bpy.ops.import_scene.fbx(filepath=source)
elif source.endswith(".blend"):
    bpy.ops.wm.open_mainfile(filepath=source, load_ui=False, use_scripts=False)
else:
    bpy.ops.import_scene.gltf(filepath=source)
if target.endswith(".fbx"):
    bpy.ops.export_scene.fbx(filepath=target, path_mode="COPY", embed_textures=True, bake_anim=False)
elif target.endswith(".blend"):
    bpy.ops.file.pack_all()
    bpy.ops.wm.save_as_mainfile(filepath=target, compress=True)
else:
    bpy.ops.export_scene.gltf(filepath=target, export_format="GLB")
"""


def from_glb(glb: bytes, file_format: str, *, program: str | None, timeout_s: float = TIMEOUT_S) -> bytes:
    """A glb file as fbx or blend, its pictures packed inside.

    Parameters
    ----------
    glb : bytes
        Metres, y up; Blender turns it to its own axes and says so in the file.
    file_format : str
        One of `FORMATS`.
    program : str or None
        Path or name of Blender (`ORFEAS_BLENDER`).
    timeout_s : float
        After which Blender is ended.

    Raises
    ------
    FormatUnavailableError
        The format is not one of Blender's, or no Blender is configured or found.
    StageTimeoutError
        Blender took too long.
    UpstreamFailedError
        Blender ended without a file.
    """
    if file_format not in FORMATS:
        raise FormatUnavailableError(f"Blender does not write {file_format} here; {' and '.join(FORMATS)} it does.")
    return _converted(glb, "glb", file_format, program, timeout_s)


def to_glb(data: bytes, file_format: str, *, program: str | None, timeout_s: float = TIMEOUT_S) -> bytes:
    """An fbx or blend file as glb, to look at what was written; errors as `from_glb`."""
    return _converted(data, file_format, "glb", program, timeout_s)


def _converted(data: bytes, before: str, after: str, program: str | None, timeout_s: float) -> bytes:
    found = shutil.which(program) if program else None
    if found is None:
        named = f"{program} is not a program that can be run" if program else "none is configured"
        raise FormatUnavailableError(
            f"fbx and blend need Blender, and {named}: set ORFEAS_BLENDER to its path, or ask for glb."
        )
    with TemporaryDirectory(prefix="orfeas-blender-") as folder:
        script, source, target = (Path(folder) / name for name in ("convert.py", f"in.{before}", f"out.{after}"))
        script.write_text(SCRIPT, encoding="utf-8")
        source.write_bytes(data)
        said = _run(
            [found, "--background", "--factory-startup", "--python-exit-code", "3", "--python", str(script), "--",
             str(source), str(target)], folder, timeout_s
        )  # fmt: skip
        if not target.is_file() or target.stat().st_size == 0:
            raise UpstreamFailedError(f"Blender wrote no {after} file. It said: {said[-TAIL:]}")
        return target.read_bytes()


def _run(command: list[str], folder: str, timeout_s: float) -> str:
    """Run Blender in a session of its own, so that it ends with all it started."""
    home = {"HOME": folder, "PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
    with subprocess.Popen(
        command, cwd=folder, env=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise StageTimeoutError(f"Blender took longer than {timeout_s:g} s and was ended.") from None
    if process.returncode != 0:
        raise UpstreamFailedError(f"Blender ended with status {process.returncode}. It said: {said[-TAIL:]}")
    return said
