"""Uploaded images: what is kept, what is refused, and that nothing but a named problem comes out."""

from __future__ import annotations

import contextlib
import hashlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from orfeas.errors import ActiveContentError, InvalidImageError, OrfeasError
from orfeas.imaging import clean_upload, load_rgba, thumbnail
from tests.imaging.pictures import MAX_PIXELS, accepted, encoded, gradient, malformed, png, png_with_text

ACCEPTED = accepted()
MALFORMED = malformed()


def clean(data: bytes, name: str | None = None):  # type: ignore[no-untyped-def]
    return clean_upload(data, name, max_pixels=MAX_PIXELS)


@pytest.mark.parametrize("extension", sorted(ACCEPTED))
def test_every_accepted_format_keeps_its_pixels(extension: str) -> None:
    found = clean(ACCEPTED[extension], f"photo.{extension.upper()}")
    assert (found.width, found.height) == (96, 64)
    assert found.format == ("jpeg" if extension in ("jpg", "jpeg") else "png")
    was = np.asarray(Image.open(BytesIO(ACCEPTED[extension])).convert("RGBA"), dtype=int)
    lossy = 12 if found.format == "jpeg" else 0
    assert np.abs(load_rgba(found.data) - was).max() <= lossy


def test_the_pixel_hash_is_that_of_the_stored_pixels() -> None:
    for data in ACCEPTED.values():
        found = clean(data)
        assert found.pixel_sha256 == hashlib.sha256(b"96x64:" + load_rgba(found.data).tobytes()).hexdigest()


def test_formats_without_loss_share_one_pixel_hash() -> None:
    hashes = {clean(ACCEPTED[extension]).pixel_sha256 for extension in ("png", "bmp", "tif", "tiff")}
    assert len(hashes) == 1


def test_the_same_upload_gives_the_same_bytes() -> None:
    assert clean(ACCEPTED["jpg"]).data == clean(ACCEPTED["jpg"]).data
    assert clean(ACCEPTED["png"]).data == clean(ACCEPTED["png"]).data


def test_alpha_is_kept() -> None:
    found = clean(encoded(gradient(alpha=True), "PNG"))
    assert (found.mode, found.has_transparency) == ("RGBA", True)
    assert load_rgba(found.data)[0, 0, 3] == 0
    assert load_rgba(found.data)[0, -1, 3] == 255


@pytest.mark.parametrize(
    "mode, kind",
    [
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("1", "PNG"),
        ("P", "PNG"),
        ("RGBA", "WEBP"),
        ("LAB", "TIFF"),
        ("F", "TIFF"),
    ],
)
def test_other_modes_are_read(mode: str, kind: str) -> None:
    source = Image.new("LAB", (40, 40), (128, 128, 128)) if mode == "LAB" else gradient(40, 40).convert(mode)
    assert load_rgba(clean(encoded(source, kind)).data).shape == (40, 40, 4)


@pytest.mark.parametrize("dtype, kind", [("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF")])
def test_sixteen_bits_become_eight_by_their_high_byte(dtype: str, kind: str) -> None:
    grey = np.arange(64, dtype=np.uint16)[None, :].repeat(40, 0) * 1028
    found = load_rgba(clean(encoded(Image.fromarray(grey.astype(dtype)), kind)).data)
    assert np.array_equal(found[0, :, 0], (grey[0] // 257).astype(np.uint8))


def test_both_byte_orders_of_tiff_are_the_same_picture() -> None:
    little = ACCEPTED["tif"]
    from PIL import TiffImagePlugin

    assert little[:2] == b"II"
    target = BytesIO()
    info = TiffImagePlugin.ImageFileDirectory_v2(b"MM\x00\x2a\x00\x00\x00\x00")
    gradient().save(target, "TIFF", tiffinfo=info)
    big = target.getvalue()
    if big[:2] == b"MM":
        assert clean(big).pixel_sha256 == clean(little).pixel_sha256
    assert clean(_big_endian_tiff()).pixel_sha256 == clean(little).pixel_sha256


def _big_endian_tiff() -> bytes:
    import struct

    pixels = np.asarray(gradient())
    tags = [
        (256, 4, 96), (257, 4, 64), (258, 3, None), (259, 3, 1), (262, 3, 2), (273, 4, 200), (277, 3, 3),
        (278, 4, 64), (279, 4, pixels.size),
    ]  # fmt: skip
    out = b"MM\x00*" + struct.pack(">IH", 8, len(tags))
    for tag, kind, value in tags:
        if tag == 258:
            out += struct.pack(">HHII", tag, 3, 3, 190)
        else:
            out += struct.pack(">HHI", tag, kind, 1) + (
                struct.pack(">I", value) if kind == 4 else struct.pack(">HH", value, 0)
            )
    out = (out + struct.pack(">I", 0)).ljust(190, b"\0") + struct.pack(">HHH", 8, 8, 8)
    return out.ljust(200, b"\0") + pixels.tobytes()


def test_the_first_frame_of_an_animation_is_kept() -> None:
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "lime", "blue")]
    for kind in ("GIF", "WEBP", "PNG"):
        options = {"lossless": True} if kind == "WEBP" else {}
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
        assert load_rgba(clean(data).data)[20, 20].tolist() == [255, 0, 0, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = clean(encoded(gradient(), "PNG", exif=exif.tobytes()))
    expected = np.asarray(gradient().convert("RGBA"))
    turns = {
        1: expected, 2: expected[:, ::-1], 3: expected[::-1, ::-1], 4: expected[::-1],
        5: expected.transpose(1, 0, 2), 6: np.rot90(expected, -1), 7: np.rot90(expected, 2).transpose(1, 0, 2),
        8: np.rot90(expected),
    }  # fmt: skip
    assert np.array_equal(load_rgba(found.data), turns[orientation])


def test_metadata_and_plain_trailing_bytes_are_dropped() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    data = encoded(
        gradient(), "JPEG", exif=exif.tobytes(), comment=b"a harmless word", xmp=b"<x:xmpmeta>me</x:xmpmeta>"
    )
    found = clean(data + b"\0\0 trailing").data
    for word in (b"secret", b"harmless", b"xmpmeta", b"trailing", b"Exif"):
        assert word not in found
    assert clean(png_with_text("nothing special")).data == clean(png()).data


@pytest.mark.parametrize("wrong", sorted(MALFORMED))
def test_malformed_uploads_are_refused(wrong: str) -> None:
    name, data = MALFORMED[wrong]
    with pytest.raises((InvalidImageError, ActiveContentError)) as refused:
        clean(data, name)
    active = any(word in wrong for word in ("php in", "script in", "html in", "behind"))
    assert isinstance(refused.value, ActiveContentError) == active
    assert len(refused.value.detail) > 20


def test_a_picture_without_extension_is_told_by_its_content() -> None:
    assert clean(ACCEPTED["webp"], "photo").original_format == "webp"


def test_pixel_limits_hold() -> None:
    with pytest.raises(InvalidImageError, match="pixels"):
        clean_upload(ACCEPTED["png"], None, max_pixels=96 * 64 - 1)
    assert clean_upload(ACCEPTED["png"], None, max_pixels=96 * 64).width == 96


def test_a_thumbnail_keeps_the_proportions() -> None:
    assert Image.open(BytesIO(thumbnail(ACCEPTED["png"], 64))).size == (64, 43)
    assert Image.open(BytesIO(thumbnail(ACCEPTED["png"], 512))).size == (96, 64)


@given(extension=st.sampled_from(sorted(ACCEPTED)), data=st.data())
@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_damaged_headers_and_cuts_end_in_a_picture_or_a_named_problem(extension: str, data: st.DataObject) -> None:
    raw = bytearray(ACCEPTED[extension])
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, min(len(raw), 200) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(raw))))
    with contextlib.suppress(InvalidImageError, ActiveContentError):
        found = clean(bytes(raw[:cut]), f"a.{extension}")
        assert load_rgba(found.data).shape == (found.height, found.width, 4)


SIGNATURES = [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM", b"II*\0", b"MM\0*", b"RIFF1234WEBPVP8X"]


@given(head=st.sampled_from(SIGNATURES), rest=st.binary(max_size=400))
@settings(max_examples=150, deadline=None, derandomize=True)
def test_noise_behind_a_signature_is_a_named_problem(head: bytes, rest: bytes) -> None:
    with pytest.raises(OrfeasError) as refused:
        clean(head + rest)
    assert refused.value.status == 400
