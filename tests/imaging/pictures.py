"""Pictures in every accepted form, and the ways in which a file can be wrong."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

MAX_PIXELS = 16_777_216
ZIP = b"PK\x03\x04\x14\x00\x00\x00" + b"\0" * 40 + b"PK\x05\x06" + b"\0" * 18
ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 60


def gradient(width: int = 96, height: int = 64, alpha: bool = False) -> Image.Image:
    """A smooth picture whose corners all differ; with alpha, transparent on the left."""
    x = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    y = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    channels = [x, y, 255 - x]
    if alpha:
        channels.append(np.where(x > 100, 255, 0))
    return Image.fromarray(np.dstack(channels).astype(np.uint8))


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    target = BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def png(**options: Any) -> bytes:
    return encoded(gradient(), "PNG", **options)


def png_with_text(text: str, *, compressed: bool = False) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", text, zip=compressed)
    return png(pnginfo=info)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def huge_png(width: int, height: int) -> bytes:
    """A header that promises many pixels, and nearly none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """A PNG whose text inflates to 50 MB."""
    body = b"Comment\0\0" + zlib.compress(b"a" * 50_000_000, 9)
    plain = png()
    return plain[:33] + chunk(b"zTXt", body) + plain[33:]


def scan_bomb() -> bytes:
    """A progressive JPEG with one of its scans repeated thousands of times."""
    data = encoded(gradient(), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    return data[:start] + data[start:-2] * 2000 + b"\xff\xd9"


def accepted() -> dict[str, bytes]:
    """A readable picture of each format by its extension."""
    image = gradient()
    return {
        "png": encoded(image, "PNG"),
        "jpg": encoded(image, "JPEG"),
        "jpeg": encoded(image, "JPEG", progressive=True),
        "gif": encoded(image.convert("P"), "GIF"),
        "bmp": encoded(image, "BMP"),
        "tif": encoded(image, "TIFF"),
        "tiff": encoded(image, "TIFF", compression="tiff_lzw"),
        "webp": encoded(image, "WEBP"),
    }


def malformed() -> dict[str, tuple[str, bytes]]:
    """Name and bytes of uploads that have to be refused, by what is wrong with them."""
    whole = accepted()
    found = {
        "empty": ("a.png", b""),
        "a text": ("a.png", b"hello, I am a picture"),
        "noise": ("a.png", bytes(range(256)) * 8),
        "another family": ("a.png", whole["jpg"]),
        "another extension": ("a.php", whole["png"]),
        "svg": ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        "signature alone": ("a.png", b"\x89PNG\r\n\x1a\n"),
        "huge sides": ("a.png", huge_png(60_000, 60_000)),
        "enormous sides": ("a.png", huge_png(2**31 - 1, 2**31 - 1)),
        "tiny": ("a.png", encoded(gradient(31, 31), "PNG")),
        "one long side": ("a.png", encoded(Image.new("RGB", (5000, 40)), "PNG")),
        "text bomb": ("a.png", text_bomb()),
        "scan bomb": ("a.jpg", scan_bomb()),
        "php in text": ("a.png", png_with_text("<?php system($_GET['c']); ?>")),
        "script in compressed text": ("a.png", png_with_text("<script>alert(1)</script>", compressed=True)),
        "html in a comment": ("a.jpg", encoded(gradient(), "JPEG", comment=b"<html><body>")),
        "zip behind": ("a.png", whole["png"] + ZIP),
        "zip behind a jpeg": ("a.jpg", whole["jpg"] + ZIP),
        "program behind": ("a.gif", whole["gif"] + ELF),
        "php behind": ("a.bmp", whole["bmp"] + b"<?php echo 1;"),
        "html behind webp": ("a.webp", whole["webp"] + b"<html><script>"),
        "script behind tiff": ("a.tif", whole["tif"] + b"<script>alert(1)</script>"),
    }
    for extension, data in whole.items():
        found[f"half a {extension}"] = (f"a.{extension}", data[: len(data) // 2])
        found[f"head of a {extension}"] = (f"a.{extension}", data[:20])
    return found


def variants(count: int) -> list[tuple[str, bytes]]:
    """`count` malformed uploads, always the same: the named ones, then cuts and flipped bytes that break a header."""
    found = list(malformed().values())
    generator = np.random.default_rng(20)
    whole = list(accepted().items())
    while len(found) < count:
        extension, data = whole[len(found) % len(whole)]
        cut = int(generator.integers(1, max(2, len(data) - 40)))
        found.append((f"a.{extension}", data[:cut]))
    return found[:count]
