"""What a print will take: layers, time, material, supports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orfeas.domain.presets import Printer
from orfeas.geometry.manifoldness import topology
from orfeas.geometry.measures import signed_volume
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.printing.overhang import slopes
from orfeas.geometry.raycast import Scene
from orfeas.geometry.weld import by_position, collapsed

Floats = NDArray[np.float64]

SUPPORT_SHARE = 0.15  # of the space below overhangs that supports fill
PIECES_ALONG = 48  # overhangs are sampled at least so often along the longest side
FINEST_SPLIT = 64  # sides of a face are cut into at most so many pieces


@dataclass(frozen=True, slots=True)
class Support:
    """What has to be held up.

    Attributes
    ----------
    needed : bool
        Some face overhangs by more than the printer's angle.
    area_mm2 : float
        Area of those faces.
    volume_mm3 : float
        Of the prisms between those faces and the bed or whatever of the mesh lies below them.
    """

    needed: bool
    area_mm2: float
    volume_mm3: float


def support(mesh: Mesh, printer: Printer) -> Support:
    """Supports of a mesh, z up, millimetres, that stands with its lowest point on the bed.

    Raises
    ------
    CapabilityMissingError
        Something overhangs and there is no ray casting on this machine to see what lies below.
    """
    angle = printer.overhang_deg
    found = slopes(mesh.vertices, mesh.faces, angle_deg=angle, layer_mm=printer.layer_mm)
    held = np.flatnonzero(found.overhanging)
    area = float(found.areas[held].sum())
    if not printer.supports or len(held) == 0:
        return Support(False, area, 0.0)
    return Support(True, area, _prisms(mesh, held))


def estimate(mesh: Mesh, printer: Printer, *, supports: bool) -> dict[str, Any]:
    """Figures of a print by plain formulas.

    Parameters
    ----------
    mesh : Mesh
        Millimetres, z up, lowest point on the bed.
    printer : Printer
        Resin: time = layers * seconds per layer. Filament: time = volume / flow + layers * overhead of a layer,
        mass = volume * density.
    supports : bool
        Whether supports are printed: they add 15 % of their prisms to the volume.

    Returns
    -------
    dict
        `layers`, `estimated_print_time_hours`, `estimated_resin_ml`, `estimated_filament_g`, `supports_needed`,
        `support_area_mm2`. What the technology does not use is None, and so is what needs the volume of a mesh that
        is not closed.
    """
    below = support(mesh, printer)
    heights = mesh.vertices[:, 2][mesh.faces]
    layers = max(1, int(np.ceil(float(np.ptp(heights)) / printer.layer_mm - 1e-4)))
    volume = _volume(mesh)
    if volume is not None and supports:
        volume += SUPPORT_SHARE * below.volume_mm3
    return {
        "layers": layers,
        **_consumption(printer, layers, volume),
        "supports_needed": below.needed,
        "support_area_mm2": below.area_mm2,
    }


def _consumption(printer: Printer, layers: int, volume: float | None) -> dict[str, float | None]:
    """Hours, millilitres of resin and grams of filament."""
    seconds = resin = filament = None
    if printer.technology == "resin" and printer.seconds_per_layer is not None:
        seconds = layers * printer.seconds_per_layer
        resin = None if volume is None else volume / 1000.0
    if printer.technology == "fdm" and volume is not None:
        if printer.flow_mm3_per_s is not None and printer.seconds_per_layer is not None:
            seconds = volume / printer.flow_mm3_per_s + layers * printer.seconds_per_layer
        if printer.density_g_per_cm3 is not None:
            filament = volume / 1000.0 * printer.density_g_per_cm3
    return {
        "estimated_print_time_hours": None if seconds is None else seconds / 3600.0,
        "estimated_resin_ml": resin,
        "estimated_filament_g": filament,
    }


def _volume(mesh: Mesh) -> float | None:
    """Enclosed volume; None where the surface is open."""
    _, faces = by_position(mesh.vertices, mesh.faces)
    closed = topology(faces[~collapsed(faces)]).is_watertight
    return abs(signed_volume(mesh.vertices, mesh.faces)) if closed else None


def _prisms(mesh: Mesh, held: NDArray[np.intp]) -> float:
    """Volume between these faces and what lies below them, by a ray down from the middle of each of their pieces."""
    low, high = mesh.vertices[mesh.faces].reshape(-1, 3).min(axis=0), mesh.vertices.max(axis=0)
    centres, shadows = _pieces(mesh.vertices[mesh.faces[held]], float((high - low).max()) / PIECES_ALONG)
    scale = float(np.linalg.norm(high - low)) or 1.0
    scene = Scene(((mesh.vertices - low) / scale).astype(np.float32), mesh.faces)
    # Rays start a little below the face that they leave.
    origins = ((centres - low) / scale).astype(np.float32) - np.array([0.0, 0.0, 1e-5], dtype=np.float32)
    hits = scene.first(origins, np.tile(np.array([[0.0, 0.0, -1.0]], dtype=np.float32), (len(origins), 1)))
    to_bed = centres[:, 2] - low[2]
    heights = np.where(hits.face >= 0, np.minimum(hits.distance.astype(np.float64) * scale, to_bed), to_bed)
    return float((shadows * heights).sum())


def _pieces(corners: Floats, side: float) -> tuple[Floats, Floats]:
    """Middles of the pieces that faces, (k, 3, 3), are cut into, and the area of each seen from above."""
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
    cuts = np.clip(np.ceil(edges / side), 1, FINEST_SPLIT).astype(np.int64)
    ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    flat = np.abs(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]) / 2.0
    centres, shadows = [], []
    for count in np.unique(cuts):
        weights = _barycentric(int(count))
        alike = np.flatnonzero(cuts == count)
        centres.append(np.einsum("pc,fci->fpi", weights, corners[alike]).reshape(-1, 3))
        shadows.append(np.repeat(flat[alike] / len(weights), len(weights)))
    return np.concatenate(centres), np.concatenate(shadows)


def _barycentric(count: int) -> Floats:
    """Middles of the count * count equal triangles of a triangle whose sides are cut into `count`, (count^2, 3)."""
    i, j = np.divmod(np.arange(count * count), count)
    upward = i + j < count
    i, j = np.where(upward, i, count - 1 - i), np.where(upward, j, count - 1 - j)
    inset = np.where(upward, 1.0 / 3.0, 2.0 / 3.0)
    u, v = (i + inset) / count, (j + inset) / count
    return np.stack([1.0 - u - v, u, v], axis=1)
