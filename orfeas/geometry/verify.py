"""Measures of a written file, taken from its bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from orfeas.errors import EmptyMeshError, ResultInvalidError, UnreadableMeshError
from orfeas.geometry import formats
from orfeas.geometry.manifoldness import Topology, topology
from orfeas.geometry.measures import signed_volume, surface_area
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.scale import UpAxis, turn_back
from orfeas.geometry.weld import collapsed


def measure(data: bytes, file_format: str, *, up_axis: UpAxis = "y") -> dict[str, Any]:
    """Load a mesh file and measure what it holds, vertices merged by position.

    Parameters
    ----------
    data : bytes
        The file.
    file_format : str
        As for `formats.read`.
    up_axis : "y" or "z"
        Axis that is up in the file; extents and bounds are given with y up.

    Returns
    -------
    dict
        JSON values. `volume_mm3` and `genus` are None unless the surface is watertight. `bounds` is
        [[x, y, z] lowest, [x, y, z] highest]. `degenerate_faces`, faces whose corners share a position,
        count as faces but not for the topology.

    Raises
    ------
    ResultInvalidError
        The file cannot be loaded or holds no faces.
    """
    try:
        mesh = turn_back(formats.read(data, file_format), up_axis)
    except (UnreadableMeshError, EmptyMeshError) as error:
        raise ResultInvalidError(f"The written {file_format} file could not be loaded again: {error.detail}") from error
    return {**measures(mesh), "size_bytes": len(data)}


def measures(mesh: Mesh) -> dict[str, Any]:
    """Measures of a mesh in millimetres, vertices merged by position."""
    empty = collapsed(mesh.faces)
    found = topology(mesh.faces[~empty])
    used = mesh.vertices[mesh.faces].reshape(-1, 3)
    low, high = used.min(axis=0), used.max(axis=0)
    closed = found.is_watertight
    return {
        "face_count": len(mesh.faces),
        "degenerate_faces": int(empty.sum()),
        **_topology(found),
        "volume_mm3": signed_volume(mesh.vertices, mesh.faces) if closed else None,
        "surface_area_mm2": surface_area(mesh.vertices, mesh.faces),
        "extents_mm": np.round(high - low, 6).tolist(),
        "bounds": np.round([low, high], 6).tolist(),
    }


def _topology(found: Topology) -> dict[str, Any]:
    return {
        "vertex_count": found.vertex_count,
        "edge_count": found.edge_count,
        "body_count": found.body_count,
        "is_watertight": found.is_watertight,
        "is_manifold": found.is_manifold,
        "is_oriented": found.is_oriented,
        "boundary_edges": found.boundary_edges,
        "non_manifold_edges": found.non_manifold_edges,
        "euler_number": found.euler_number,
        "genus": found.genus,
    }
