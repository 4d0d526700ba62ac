"""Formats and what a file's first bytes say."""

import sys
from importlib.util import find_spec
from io import BytesIO

import pytest
from PIL import Image

from orfeas.domain import formats
from orfeas.geometry.formats import READABLE, WRITABLE


def test_the_listed_formats_are_those_that_the_writers_and_readers_know():
    assert set(formats.Formats().writable) == set(WRITABLE)
    assert set(formats.READABLE) == set(READABLE)


def test_a_format_that_cannot_be_written_says_why():
    def absent(blender):
        return [name for name in formats.MESH_FORMATS if formats.Formats(blender).reason(name)]

    without_usd = [] if find_spec("pxr") else ["usdz"]
    assert absent(None) == absent("/nowhere/blender") == [*without_usd, "fbx", "blend"]
    assert absent(sys.executable) == without_usd
    assert "stl" in formats.Formats().reason("doc")


def test_only_stl_downloads_as_octets():
    types = {name: formats.MESH_FORMATS[name].download_type for name in formats.Formats().writable}
    assert [name for name, kind in types.items() if kind == "application/octet-stream"] == ["stl"]


@pytest.mark.parametrize("family", ["png", "jpeg", "gif", "bmp", "tiff", "webp"])
def test_the_family_of_a_written_picture_is_told_by_its_first_bytes(family):
    target = BytesIO()
    Image.new("RGB", (40, 40), "red").save(target, family)
    assert formats.sniff_image(target.getvalue()[:16]) == family


@pytest.mark.parametrize("head", [b"", b"RIFF1234WAVE", b"GIF90a", b"%PDF-1.7", b"\x89PNG"])
def test_other_bytes_belong_to_no_family(head):
    assert formats.sniff_image(head) is None
