"""A tetrahedron in every mesh format that can be uploaded, written by hand, and broken ones."""

from __future__ import annotations

import base64
import json
import struct
import zipfile
from io import BytesIO

VERTICES = ((0.0, 0.0, 0.0), (10.0, 0.0, 0.0), (0.0, 10.0, 0.0), (0.0, 0.0, 10.0))
FACES = ((0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3))
MODEL_XML = b'<?xml version="1.0"?><model unit="millimeter"><resources/></model>'


def stl() -> bytes:
    triangles = b"".join(
        struct.pack("<12fH", 0, 0, 0, *(value for corner in face for value in VERTICES[corner]), 0) for face in FACES
    )
    return b"tetrahedron".ljust(80, b"\0") + struct.pack("<I", len(FACES)) + triangles


def ascii_stl() -> bytes:
    lines = ["solid t"]
    for face in FACES:
        corners = "\n".join("vertex {} {} {}".format(*VERTICES[corner]) for corner in face)
        lines.append(f"facet normal 0 0 0\nouter loop\n{corners}\nendloop\nendfacet")
    return "\n".join([*lines, "endsolid t\n"]).encode()


def obj() -> bytes:
    lines = ["# a tetrahedron", "o t", *("v {} {} {}".format(*vertex) for vertex in VERTICES)]
    return "\n".join([*lines, *(f"f {a + 1} {b + 1} {c + 1}" for a, b, c in FACES)]).encode() + b"\n"


def off() -> bytes:
    lines = ["OFF", "4 4 6", *("{} {} {}".format(*vertex) for vertex in VERTICES)]
    return "\n".join([*lines, *(f"3 {a} {b} {c}" for a, b, c in FACES)]).encode()


def ply() -> bytes:
    head = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n"
    head += "element face 4\nproperty list uchar int vertex_indices\nend_header\n"
    return (head + off().decode().split("6\n", 1)[1]).encode()


def gltf(uri: str | None = None) -> bytes:
    data = b"".join(struct.pack("<3f", *vertex) for vertex in VERTICES)
    embedded = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    buffers = [{"byteLength": len(data), "uri": uri or embedded}]
    document = {"asset": {"version": "2.0"}, "buffers": buffers, "meshes": [{"primitives": [{"attributes": {}}]}]}
    return json.dumps(document).encode()


def glb() -> bytes:
    text = json.dumps({"asset": {"version": "2.0"}, "meshes": [{"primitives": []}]}).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text


def threemf() -> bytes:
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("3D/3dmodel.model", MODEL_XML)
    return target.getvalue()


def dae() -> bytes:
    return b'<?xml version="1.0"?>\n<COLLADA version="1.4.1"><asset/></COLLADA>\n'


ACCEPTED = {
    "stl": stl(),
    "obj": obj(),
    "ply": ply(),
    "off": off(),
    "glb": glb(),
    "gltf": gltf(),
    "3mf": threemf(),
    "dae": dae(),
}

BROKEN = {
    "cut stl": ("a.stl", stl()[:-10]),
    "stl without triangles": ("a.stl", b"\0" * 84),
    "cut ascii stl": ("a.stl", ascii_stl()[: len(ascii_stl()) // 2]),
    "cut glb": ("a.glb", glb()[:-4]),
    "glb of version 1": ("a.glb", glb()[:4] + b"\1" + glb()[5:]),
    "gltf with outside buffers": ("a.gltf", gltf("file:///etc/passwd")),
    "json that is no gltf": ("a.gltf", b'{"a": 1}'),
    "any zip": ("a.3mf", threemf().replace(b"3dmodel.model", b"3dmodel.mowel")),
    "cut zip": ("a.3mf", threemf()[:40]),
    "dae with entities": ("a.dae", b'<!DOCTYPE x [<!ENTITY a "b">]>' + dae()),
    "cut dae": ("a.dae", dae()[:40]),
    "ply without faces": ("a.ply", ply().replace(b"element face 4", b"element face 0")),
    "cut ply": ("a.ply", ply()[:40]),
    "obj without faces": ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n"),
    "off without faces": ("a.off", b"OFF\n4 0 0\n"),
    "stl named obj": ("a.obj", stl()),
    "noise": ("a.stl", bytes(range(256))),
}
