"""Frames as an animated file: GIF, a zip of PNGs, or MP4 by ffmpeg."""

from __future__ import annotations

import subprocess
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from orfeas.errors import CapabilityMissingError

Frame = NDArray[np.uint8]

COLORS = 255  # of a palette; one more is left for transparent pixels
SAMPLED = 8  # frames that the palette is chosen from
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can state
PNG_LEVEL = 1  # a third of the time of level 6 for a sixth more bytes
FFMPEG_LIMIT_S = 600
LEVELS = 32  # of each channel, while the nearest colour is looked for


def png(pixels: Frame) -> bytes:
    """A PNG of (h, w, 4) sRGB pixels, without alpha where all are opaque."""
    picture = Image.fromarray(pixels)
    target = BytesIO()
    picture.save(target, "PNG", compress_level=PNG_LEVEL)
    return target.getvalue()


def gif(frames: Sequence[Frame], seconds: float) -> bytes:
    """A GIF that plays for ever, all frames in the palette that suits them together.

    Colours between two of the palette are mixed in an ordered pattern, which stands still from frame to frame.
    """
    palette = _palette(frames)
    nearest = _nearest(palette)
    pictures = [_indexed(frame, palette, nearest) for frame in frames]
    clear = {"transparency": COLORS, "disposal": 2} if any((frame[..., 3] < 128).any() for frame in frames) else {}
    target = BytesIO()
    pictures[0].save(
        target, "GIF", save_all=True, append_images=pictures[1:], duration=_delays(len(frames), seconds), loop=0,
        optimize=False, **clear,
    )  # fmt: skip
    return target.getvalue()


def png_zip(frames: Sequence[Frame]) -> bytes:
    """`frame_000.png` and so on, with fixed times."""
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for index, frame in enumerate(frames):
            archive.writestr(zipfile.ZipInfo(f"frame_{index:03d}.png", EPOCH), png(frame))
    return target.getvalue()


def mp4(frames: Sequence[Frame], seconds: float, ffmpeg: str) -> bytes:
    """H.264 that browsers play; transparent pixels become white.

    Raises
    ------
    CapabilityMissingError
        ffmpeg cannot be started, or cannot write H.264.
    """
    height, width = frames[0].shape[:2]
    raw = b"".join(_on_white(frame)[: height // 2 * 2, : width // 2 * 2].tobytes() for frame in frames)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "turntable.mp4"
        command = [
            ffmpeg, "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width // 2 * 2}x{height // 2 * 2}",
            "-r", f"{len(frames) / seconds:.6f}", "-i", "-", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18",
            "-threads", "1", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact",
            "-movflags", "+faststart", "-y", str(path),
        ]  # fmt: skip
        try:
            done = subprocess.run(command, input=raw, capture_output=True, check=False, timeout=FFMPEG_LIMIT_S)
        except OSError as error:
            raise CapabilityMissingError(f"ffmpeg could not be started: {error}.") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise CapabilityMissingError(f"ffmpeg could not write the video: {said[-1] if said else 'no reason given'}")
        return path.read_bytes()


def _palette(frames: Sequence[Frame]) -> NDArray[np.uint8]:
    """(n, 3) colours that stand for those of some of the frames."""
    chosen = frames[:: max(1, len(frames) // SAMPLED)][:SAMPLED]
    strip = np.concatenate([_on_white(frame)[::2, ::2] for frame in chosen])
    found = Image.fromarray(strip).quantize(COLORS, Image.Quantize.MEDIANCUT)
    colors = np.array(found.getpalette() or [255, 255, 255], dtype=np.uint8).reshape(-1, 3)
    # The most frequent colour, a plain background, is there exactly.
    packed = strip.reshape(-1, 3).astype(np.int32) @ [65536, 256, 1]
    values, counts = np.unique(packed, return_counts=True)
    common = int(values[np.argmax(counts)])
    return np.concatenate(
        [colors[: COLORS - 1], np.array([[common >> 16, common >> 8 & 255, common & 255]], dtype=np.uint8)]
    )


def _nearest(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The palette's nearest colour to each of 32 x 32 x 32."""
    axis = np.arange(LEVELS) * (255.0 / (LEVELS - 1))
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(cKDTree(palette).query(grid)[1], dtype=np.uint8)


def _indexed(frame: Frame, palette: NDArray[np.uint8], nearest: NDArray[np.uint8]) -> Image.Image:
    pixels = _on_white(frame)
    tiles = [-(-side // 8) for side in pixels.shape[:2]]
    pattern = np.tile(BAYER, tiles)[: pixels.shape[0], : pixels.shape[1], None]
    step = 255.0 / (LEVELS - 1)
    level = np.clip((pixels + pattern * step) / step + 0.5, 0, LEVELS - 1).astype(np.int32)
    index = nearest[(level[..., 0] * LEVELS + level[..., 1]) * LEVELS + level[..., 2]]
    index[(pixels == palette[-1]).all(axis=2)] = len(palette) - 1
    index[frame[..., 3] < 128] = COLORS
    picture = Image.fromarray(index)
    colors = palette.ravel().tolist()
    picture.putpalette(colors + [255] * (768 - len(colors)))
    return picture


def _bayer(order: int) -> NDArray[np.float32]:
    """Thresholds from -0.5 to 0.5 in a square of 2^order, evenly mixed at every size.

    Source: B. E. Bayer, "An optimum method for two-level rendition of continuous-tone pictures", ICC 1973.
    """
    found = np.zeros((1, 1))
    for _ in range(order):
        found = np.block([[4 * found, 4 * found + 2], [4 * found + 3, 4 * found + 1]])
    return ((found + 0.5) / found.size - 0.5).astype(np.float32)


BAYER = _bayer(3)


def _delays(count: int, seconds: float) -> list[int]:
    """Milliseconds of each frame: whole hundredths of a second that add up, at least two, which browsers require."""
    ends = [round(100.0 * seconds * (index + 1) / count) for index in range(count)]
    starts = [0, *ends[:-1]]
    return [10 * max(2, end - start) for start, end in zip(starts, ends, strict=True)]


def _on_white(frame: Frame) -> Frame:
    if (frame[..., 3] == 255).all():
        return np.ascontiguousarray(frame[..., :3])
    alpha = frame[..., 3:].astype(np.float32) / 255.0
    return np.asarray(frame[..., :3] * alpha + 255.0 * (1.0 - alpha) + 0.5).astype(np.uint8)
