"""Binary STL and PLY.

Sources: M. Burns, "Automated Fabrication", 1993, section 6.5 (STL); G. Turk, "The PLY Polygon File Format", 1994.
"""

from __future__ import annotations

import struct

import numpy as np

from orfeas.geometry import colors
from orfeas.geometry.mesh import Mesh
from orfeas.geometry.normals import face_normals

STL_HEADER = b"binary STL by orfeas, millimetres"  # must not begin with "solid", which marks the text form
STL_FACE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(mesh: Mesh) -> bytes:
    """A binary STL file."""
    records = np.zeros(len(mesh.faces), dtype=STL_FACE)
    vertices = mesh.vertices.astype(np.float32)
    records["corners"] = vertices[mesh.faces]
    records["normal"] = face_normals(mesh.vertices, mesh.faces)
    return struct.pack("<80sI", STL_HEADER, len(records)) + bytes(records.tobytes())


def write_ply(mesh: Mesh) -> bytes:
    """A binary PLY file with vertex colours if the mesh has colours."""
    painted = colors.of_vertices(mesh)
    channels = [] if painted is None else ["red", "green", "blue", "alpha"][: 4 if (painted[:, 3] < 255).any() else 3]
    vertex = np.zeros(len(mesh.vertices), dtype=[("place", "<f4", 3), ("color", "u1", (len(channels),))])
    vertex["place"] = mesh.vertices
    if painted is not None:
        vertex["color"] = painted[:, : len(channels)]
    face = np.zeros(len(mesh.faces), dtype=[("count", "u1"), ("corners", "<i4", 3)])
    face["count"], face["corners"] = 3, mesh.faces
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment written by orfeas, unit: mm",
        f"element vertex {len(vertex)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {channel}" for channel in channels),
        f"element face {len(face)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    return "\n".join(header).encode("ascii") + vertex.tobytes() + face.tobytes()
