"""Lights and a camera in a glb file: KHR_lights_punctual and the camera of glTF 2.0, beside the model's node."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.camera import upward, view_matrix
from orfeas.domain.presets import Lamp, LightRig, View
from orfeas.geometry.formats.gltf import MILLIMETRE

LIGHTS = "KHR_lights_punctual"
HEADER, CHUNK = 12, 8
NEAR_SHARE, FAR_SHARE = 0.01, 100.0
"""Clipping planes in distances of the camera from its target."""


def with_rig(glb: bytes, rig: LightRig, view: View) -> bytes:
    """The same file with three directional lights and a camera.

    Parameters
    ----------
    glb : bytes
        As `write_glb` gives it.
    rig : LightRig
        Intensities are those of a renderer whose white diffuse surface reflects an intensity of one as one; glTF counts
        lux, which is pi times as much. Ambient light has no place in the extension and stands in the scene's extras.
    view : View
        Millimetres.
    """
    length = struct.unpack_from("<I", glb, HEADER)[0]
    document = json.loads(glb[HEADER + CHUNK : HEADER + CHUNK + length])
    _add_lights(document, rig)
    _add_camera(document, view)
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    rest = glb[HEADER + CHUNK + length :]
    total = HEADER + CHUNK + len(text) + len(rest)
    return struct.pack("<4sIII4s", b"glTF", 2, total, len(text), b"JSON") + text + rest


def _add_lights(document: dict[str, Any], rig: LightRig) -> None:
    lamps = {"main": rig.main, "fill": rig.fill, "back": rig.back}
    lights = [
        {"name": name, "type": "directional", "color": list(lamp.color), "intensity": lamp.intensity * math.pi}
        for name, lamp in lamps.items()
    ]
    document.setdefault("extensionsUsed", []).append(LIGHTS)
    document["extensionsUsed"].sort()
    document.setdefault("extensions", {})[LIGHTS] = {"lights": lights}
    for index, (name, lamp) in enumerate(lamps.items()):
        node = {
            "name": f"{name} light",
            "rotation": _quaternion(_facing(lamp)),
            "extensions": {LIGHTS: {"light": index}},
        }
        _add_node(document, node)
    extras = {"ambient_intensity": rig.ambient, "background_color": list(rig.background)}
    document["scenes"][0]["extras"] = {"orfeas_lighting": extras}


def _add_camera(document: dict[str, Any], view: View) -> None:
    distance = math.dist(view.position, view.target) * MILLIMETRE
    clipping = {"znear": distance * NEAR_SHARE, "zfar": distance * FAR_SHARE}
    half = math.radians(view.fov) / 2.0
    if view.projection == "perspective":
        camera: dict[str, Any] = {"type": "perspective", "perspective": {"yfov": 2.0 * half, **clipping}}
    else:
        size = distance * math.tan(half)
        camera = {"type": "orthographic", "orthographic": {"xmag": size, "ymag": size, **clipping}}
    document["cameras"] = [{"name": "camera", **camera}]
    axes = np.array(view_matrix(view)).reshape(4, 4).T[:3, :3].T  # columns: right, up, backward
    place = [number * MILLIMETRE for number in view.position]
    _add_node(document, {"name": "camera", "camera": 0, "translation": place, "rotation": _quaternion(axes)})


def _add_node(document: dict[str, Any], node: dict[str, Any]) -> None:
    document["scenes"][0]["nodes"].append(len(document["nodes"]))
    document["nodes"].append(node)


def _facing(lamp: Lamp) -> NDArray[np.float64]:
    """The rotation under which -z points from the lamp to the origin."""
    seen = View(lamp.position, upward(lamp.position, (0.0, 0.0, 0.0)))
    return np.array(view_matrix(seen)).reshape(4, 4).T[:3, :3].T


def _quaternion(matrix: NDArray[np.float64]) -> list[float]:
    """x, y, z, w of a rotation (Shepperd, 1978)."""
    trace = np.array([*np.diag(matrix), matrix.trace()])
    largest = int(np.argmax(trace))
    if largest == 3:
        found = np.array(
            [matrix[2, 1] - matrix[1, 2], matrix[0, 2] - matrix[2, 0], matrix[1, 0] - matrix[0, 1], 1.0 + trace[3]]
        )
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        found = np.empty(4)
        found[i] = 1.0 - trace[3] + 2.0 * matrix[i, i]
        found[j] = matrix[j, i] + matrix[i, j]
        found[k] = matrix[k, i] + matrix[i, k]
        found[3] = matrix[k, j] - matrix[j, k]
    return [float(number) for number in found / np.linalg.norm(found)]
