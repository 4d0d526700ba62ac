"""Uploaded images, made safe: limits first, pixels written anew, everything else dropped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from orfeas.errors import InvalidImageError
from orfeas.imaging.containers import BrokenContainerError, Container, inspect
from orfeas.imaging.content import refuse_active

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

FAMILIES = {
    "png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "gif": "GIF", "bmp": "BMP",
    "tif": "TIFF", "tiff": "TIFF", "webp": "WEBP",
}  # fmt: skip
"""Accepted extensions and Pillow's name of what they hold."""

MAX_SIDE = 4096
MIN_SIDE = 32
JPEG_QUALITY = 95
PNG_LEVEL = 1
_BAND_ROWS = 256


@dataclass(frozen=True, slots=True)
class CleanImage:
    """A rewritten image.

    `pixel_sha256` is the hash of `"<width>x<height>:"` and the RGBA8 pixels that reading `data`
    gives, row by row: equal hashes are equal inputs of a stage.
    """

    data: bytes
    format: str
    media_type: str
    width: int
    height: int
    mode: str
    has_transparency: bool
    pixel_sha256: str
    original_sha256: str
    original_format: str

    @property
    def extension(self) -> str:
        """The usual extension of the stored file, without a dot."""
        return "jpg" if self.format == "jpeg" else self.format


def clean_upload(
    data: bytes | IO[bytes],
    filename: str | None,
    *,
    max_pixels: int,
    max_side: int = MAX_SIDE,
    min_side: int = MIN_SIDE,
) -> CleanImage:
    """Check an uploaded image and write its pixels anew, oriented and without metadata.

    Parameters
    ----------
    data
        The file's bytes, or a binary file that is read from where it stands.
    filename
        The client's name; its extension has to fit the content. None or without extension: any.
    max_pixels, max_side, min_side
        Limits in pixels, applied to the header before pixels are decoded.

    Returns
    -------
    CleanImage
        JPEG of quality 95 if it came as JPEG, else PNG; the first frame of an animation.

    Raises
    ------
    InvalidImageError
        Not an image of an accepted format, other content than the name says, truncated, outside
        the limits, or empty.
    ActiveContentError
        It carries script, PHP, HTML, an executable or an archive.
    """
    raw = data if isinstance(data, bytes) else data.read()
    if not raw:
        raise InvalidImageError("The file is empty; choose one that holds an image.")
    container = _inspected(raw, filename)
    _within_limits(container.width, container.height, max_pixels, max_side, min_side)
    refuse_active(raw, container)
    image = _decoded(raw, container.format, max_pixels, max_side, min_side)
    return _rewritten(image, raw, container.format)


def load_rgba(data: bytes) -> NDArray[np.uint8]:
    """The pixels of a stored image.

    Parameters
    ----------
    data : bytes
        What `clean_upload` wrote, or any file of an accepted format.

    Returns
    -------
    (height, width, 4) uint8
        Red, green, blue, alpha; oriented.

    Raises
    ------
    InvalidImageError
        The bytes are not a readable image.
    """
    import numpy as np

    return np.array(_decoded(data, _inspected(data, None).format).convert("RGBA"))


def thumbnail(data: bytes, size: int) -> bytes:
    """A PNG of a stored image whose longer side is at most `size` pixels."""
    image = _decoded(data, _inspected(data, None).format)
    image.thumbnail((size, size))
    return _encoded(image, "PNG")


def _inspected(data: bytes, filename: str | None) -> Container:
    family = _family(filename)
    try:
        container = inspect(data)
    except BrokenContainerError as error:
        raise InvalidImageError(f"The file is not an image that can be read: {error}.") from error
    if family not in (None, container.format):
        raise InvalidImageError(
            f"The name {filename!r} says {family}, but the content is {container.format}; give it its own extension."
        )
    return container


def _family(filename: str | None) -> str | None:
    extension = PurePosixPath(filename or "").suffix.lower().lstrip(".")
    if extension and extension not in FAMILIES:
        raise InvalidImageError(f"Files named .{extension[:20]} are not read here; send {', '.join(FAMILIES)}.")
    return FAMILIES.get(extension)


def _within_limits(width: int, height: int, max_pixels: int, max_side: int, min_side: int) -> None:
    if not min_side <= min(width, height) or max(width, height) > max_side:
        raise InvalidImageError(
            f"The image is {width} x {height} pixels; each side has to be {min_side} to {max_side}.",
            limit={"min_side": min_side, "max_side": max_side},
        )
    if width * height > max_pixels:
        raise InvalidImageError(
            f"The image has {width * height} pixels, more than {max_pixels}; send a smaller one.",
            limit={"max_pixels": max_pixels},
        )


def _decoded(raw: bytes, kind: str, max_pixels: int = 0, max_side: int = 0, min_side: int = 0) -> Image.Image:
    """The first frame, oriented, in mode RGB or RGBA. Limits are checked again on what Pillow saw."""
    from PIL import Image, ImageOps

    try:
        with Image.open(BytesIO(raw), formats=[kind]) as opened:
            if max_pixels:
                _within_limits(*opened.size, max_pixels, max_side, min_side)
            opened.load()
            orientation = opened.getexif().get(0x0112, 1)
            image = _eight_bit(opened)
        image.getexif()[0x0112] = orientation
        return ImageOps.exif_transpose(image)
    except InvalidImageError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever their parsing meets
        raise InvalidImageError("The image cannot be decoded; it is damaged or cut off.") from error


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _scaled(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """16 and 32 bit greys as 8 bit: integers by their high byte, floats as 0 to 1 or 0 to 255."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image)
    if values.dtype.kind == "f":
        values = np.nan_to_num(values) * (255.0 if np.nanmax(values) <= 1.0 else 1.0)
    elif values.dtype.itemsize == 2 or values.max() > 255:
        values = values // 257
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))


def _rewritten(image: Image.Image, raw: bytes, original: str) -> CleanImage:
    kind = "JPEG" if original == "JPEG" else "PNG"
    data = _encoded(image, kind)
    if kind == "JPEG":
        image = _decoded(data, kind)  # what a stage will see: the second encoding changed the pixels
    return CleanImage(
        data=data,
        format=kind.lower(),
        media_type=f"image/{kind.lower()}",
        width=image.width,
        height=image.height,
        mode=image.mode,
        has_transparency=image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255),
        pixel_sha256=_pixel_hash(image),
        original_sha256=hashlib.sha256(raw).hexdigest(),
        original_format=original.lower(),
    )


def _encoded(image: Image.Image, kind: str) -> bytes:
    target = BytesIO()
    options: dict[str, Any] = {"quality": JPEG_QUALITY} if kind == "JPEG" else {"compress_level": PNG_LEVEL}
    image.info = {}
    image.save(target, kind, **options)
    return target.getvalue()


def _pixel_hash(image: Image.Image) -> str:
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    for top in range(0, image.height, _BAND_ROWS):  # bands, so that no second full copy is made
        band = image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height)))
        digest.update(band.convert("RGBA").tobytes())
    return digest.hexdigest()
