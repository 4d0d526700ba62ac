"""Where an image file ends, what size it declares and which text it carries, read without decoding a pixel.

Layouts: PNG (ISO/IEC 15948), JPEG (ITU-T T.81 annex B), GIF89a, BMP (BITMAPINFOHEADER), TIFF 6.0,
WebP (RIFF container, RFC 9649).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

MAX_JPEG_SCANS = 128
"""Progressive files have about ten scans; thousands of them cost minutes of decoding."""

MAX_TEXT_BYTES = 1_000_000
MAX_TIFF_PAGES = 1000
_TIFF_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}


class BrokenContainerError(ValueError):
    """The file ends early or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Container:
    """`format` is Pillow's name, `end` the first byte behind the image, `texts` its metadata."""

    format: str
    width: int
    height: int
    end: int
    texts: tuple[bytes, ...]


def inspect(data: bytes) -> Container:
    """The container of an image file, told by its first bytes.

    Raises
    ------
    BrokenContainerError
        It is none of the accepted formats, ends early or is malformed.
    """
    for signature, walk in _WALKERS:
        if data.startswith(signature):
            try:
                return walk(data)
            except (struct.error, IndexError, zlib.error) as error:
                raise BrokenContainerError("the file ends before the image does") from error
    raise BrokenContainerError("the content is none of png, jpeg, gif, bmp, tiff and webp")


def _png(data: bytes) -> Container:
    width, height = struct.unpack_from(">II", data, 16)
    position = 8
    texts: list[bytes] = []
    while True:
        length, kind = struct.unpack_from(">I4s", data, position)
        body = data[position + 8 : position + 8 + length]
        position += 12 + length
        if position > len(data):
            raise BrokenContainerError("the file ends inside a chunk")
        if kind in (b"tEXt", b"eXIf"):
            texts.append(body)
        elif kind in (b"zTXt", b"iTXt"):
            texts.append(_png_text(kind, body))
        elif kind == b"IEND":
            return Container("PNG", width, height, position, tuple(texts))


def _png_text(kind: bytes, body: bytes) -> bytes:
    """The chunk with its text inflated, at most `MAX_TEXT_BYTES` of it."""
    head, _, rest = body.partition(b"\0")
    if kind == b"zTXt":
        return head + b"\n" + _inflate(rest[1:])
    compressed, fields = rest[:1] == b"\1", rest[2:].split(b"\0", 2)
    text = fields[-1]
    return b"\n".join([head, *fields[:-1], _inflate(text) if compressed else text])


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, MAX_TEXT_BYTES)
    if inflater.unconsumed_tail:
        raise BrokenContainerError(f"a text chunk inflates past {MAX_TEXT_BYTES} bytes")
    return text


def _jpeg(data: bytes) -> Container:
    position, size, scans = 2, (0, 0), 0
    texts: list[bytes] = []
    while True:
        if data[position] != 0xFF:
            raise BrokenContainerError("a JPEG marker is missing")
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if marker == 0xD9:
            return Container("JPEG", *size, position + 2, tuple(texts))
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            position += 2
            continue
        (length,) = struct.unpack_from(">H", data, position + 2)
        segment = data[position + 4 : position + 2 + length]
        if marker == 0xFE or 0xE0 <= marker <= 0xEF:
            texts.append(segment)
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", segment, 1)
            size = (max(size[0], width), max(size[1], height))
        position += 2 + length
        if marker == 0xDA:
            scans += 1
            position = _after_scan(data, position)
        if scans > MAX_JPEG_SCANS:
            raise BrokenContainerError(f"it has more than {MAX_JPEG_SCANS} scans")


def _after_scan(data: bytes, position: int) -> int:
    """The next marker behind entropy-coded data: 0xFF followed by neither 0 nor a restart marker."""
    while True:
        position = data.find(b"\xff", position)
        if position < 0:
            raise BrokenContainerError("the file ends inside a scan")
        follower = data[position + 1]
        if follower != 0 and not 0xD0 <= follower <= 0xD7 and follower != 0xFF:
            return position
        position += 1 if follower == 0xFF else 2


def _gif(data: bytes) -> Container:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    position = 13 + _color_table(flags)
    texts: list[bytes] = []
    while True:
        kind = data[position]
        if kind == 0x3B:
            return Container("GIF", width, height, position + 1, tuple(texts))
        if kind == 0x21:
            body, position = _gif_blocks(data, position + 2)
            texts.append(body)
        elif kind == 0x2C:
            left, top, wide, high, flags = struct.unpack_from("<4HB", data, position + 1)
            width, height = max(width, left + wide), max(height, top + high)
            _, position = _gif_blocks(data, position + 11 + _color_table(flags), keep=False)
        else:
            raise BrokenContainerError("a GIF block is none that exists")


def _color_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, position: int, *, keep: bool = True) -> tuple[bytes, int]:
    parts = []
    while length := data[position]:
        if keep:
            parts.append(data[position + 1 : position + 1 + length])
        position += 1 + length
    return b"".join(parts), position + 1


def _bmp(data: bytes) -> Container:
    (offset, header) = struct.unpack_from("<II", data, 10)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        size = 0
    else:
        width, height, _, bits, coding, size = struct.unpack_from("<iiHHII", data, 18)
        size = 0 if coding in (0, 3, 6) else size
    width, height = abs(width), abs(height)
    end = offset + (size or (width * bits + 31) // 32 * 4 * height)
    if end > len(data):
        raise BrokenContainerError("the file ends inside the pixels")
    return Container("BMP", width, height, end, ())


def _webp(data: bytes) -> Container:
    if data[8:12] != b"WEBP":
        raise BrokenContainerError("it is RIFF, but not WebP")
    end = struct.unpack_from("<I", data, 4)[0] + 8
    if end > len(data):
        raise BrokenContainerError("the file ends inside a chunk")
    texts, position = [], 12
    while position + 8 <= end:
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind in (b"EXIF", b"XMP "):
            texts.append(data[position + 8 : position + 8 + length])
        position += 8 + length + (length & 1)
    return Container("WEBP", *_webp_size(data), end + (end & 1), tuple(texts))


def _webp_size(data: bytes) -> tuple[int, int]:
    kind = data[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    raise BrokenContainerError("the first WebP chunk is none that exists")


def _tiff(data: bytes) -> Container:
    order = "<" if data[:2] == b"II" else ">"
    (position,) = struct.unpack_from(order + "I", data, 4)
    seen: set[int] = set()
    texts: list[bytes] = []
    end, size = 8, (0, 0)
    while position:
        if position in seen or len(seen) >= MAX_TIFF_PAGES:
            raise BrokenContainerError("the directories run in a circle or are too many")
        seen.add(position)
        tags, end_of_page, position = _tiff_page(data, order, position, texts)
        end = max(end, end_of_page)
        if len(seen) == 1:
            size = (tags.get(256, [0])[0], tags.get(257, [0])[0])
            if max(tags.get(322, [0])[0], tags.get(323, [0])[0]) > 8192:
                raise BrokenContainerError("its tiles are larger than any image accepted")
    return Container("TIFF", *size, end, tuple(texts))


def _tiff_page(data: bytes, order: str, position: int, texts: list[bytes]) -> tuple[dict[int, list[int]], int, int]:
    """Integer tags of one directory, where its bytes end, and the next directory; text goes to `texts`."""
    (count,) = struct.unpack_from(order + "H", data, position)
    tags: dict[int, list[int]] = {}
    end = position + 2 + 12 * count + 4
    for entry in range(position + 2, position + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, entry)
        length = _TIFF_SIZES.get(kind, 1) * number
        start = entry + 8 if length <= 4 else struct.unpack_from(order + "I", data, entry + 8)[0]
        if start + length > len(data):
            raise BrokenContainerError("a tag lies outside the file")
        end = max(end, start + length)
        if kind in (3, 4):
            tags[tag] = list(struct.unpack_from(f"{order}{number}{'H' if kind == 3 else 'I'}", data, start))
        elif kind in (1, 2, 7) and length > 4:
            texts.append(data[start : start + length])
    (following,) = struct.unpack_from(order + "I", data, end_of_entries(position, count))
    return tags, max(end, _tiff_pixels_end(tags, len(data))), following


def end_of_entries(position: int, count: int) -> int:
    """Where a TIFF directory of `count` entries names the next one."""
    return position + 2 + 12 * count


def _tiff_pixels_end(tags: dict[int, list[int]], size: int) -> int:
    offsets = tags.get(273) or tags.get(324) or []
    lengths = tags.get(279) or tags.get(325) or []
    if not lengths and offsets:
        return size  # strips without lengths run to the end
    end = max((offset + length for offset, length in zip(offsets, lengths, strict=False)), default=0)
    if end > size:
        raise BrokenContainerError("the file ends inside the pixels")
    return end


_WALKERS = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8", _jpeg),
    (b"GIF87a", _gif),
    (b"GIF89a", _gif),
    (b"BM", _bmp),
    (b"II*\0", _tiff),
    (b"MM\0*", _tiff),
    (b"RIFF", _webp),
)
