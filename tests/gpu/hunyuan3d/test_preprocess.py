"""Pictures become what the recorded vectors say, and unusable ones are refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from PIL import Image

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.errors import InvalidImageError, InvalidRequestError  # noqa: E402
from orfeas.gpu.hunyuan3d.preprocess import ImageProcessor, recenter  # noqa: E402
from orfeas.gpu.hunyuan3d.settings import ProcessorSettings  # noqa: E402
from tests.gpu.hunyuan3d.golden import INPUTS, vectors  # noqa: E402

SINGLE = ProcessorSettings(size=64)
MULTIVIEW = ProcessorSettings(size=64, multiview=True)
SAME_OPENCV = cv2.__version__.startswith("5.")


def close(actual: Any, expected: Any) -> bool:
    """Equal with the recorded version of OpenCV; elsewhere nearly everywhere and nearly equal."""
    if SAME_OPENCV:
        return bool(torch.equal(actual, expected))
    return bool(((actual - expected).abs() <= 2 / 255 + 1e-6).float().mean() >= 0.99)


def solid(width: int, height: int, alpha: int = 255) -> Image.Image:
    return Image.new("RGBA", (width, height), (200, 100, 50, alpha))


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("name", ["pil0", "pil1", "rgb", "path0"])
def test_pictures_become_the_recorded_tensors(name: str, size: int) -> None:
    path = INPUTS / f"input_{name[-1] if name != 'rgb' else 'rgb'}.png"
    picture = str(path) if name.startswith("path") else Image.open(path)
    done = ImageProcessor(ProcessorSettings(size=size))(picture)
    expected = vectors("preprocess")
    assert done.image.shape == (1, 3, size, size)
    assert close(done.image, expected[f"{name}_{size}_image"])
    assert close(done.mask, expected[f"{name}_{size}_mask"])
    assert done.view_idxs is None


def test_a_wider_border_is_taken_from_the_settings() -> None:
    done = ImageProcessor(ProcessorSettings(size=96, border_ratio=0.25))(INPUTS / "input_1.png")
    expected = vectors("preprocess")
    assert close(done.image, expected["border25_96_image"])
    assert close(done.mask, expected["border25_96_mask"])


def test_recentring_gives_the_recorded_bytes() -> None:
    rgb, mask = recenter(np.asarray(Image.open(INPUTS / "input_0.png").convert("RGBA")), 0.15)
    expected = vectors("preprocess")
    assert close(torch.from_numpy(rgb).float(), expected["recenter0_rgb"].float())
    assert close(torch.from_numpy(mask).float(), expected["recenter0_mask"].float())


def test_views_are_sorted_and_numbered() -> None:
    views = {"back": INPUTS / "input_2.png", "front": INPUTS / "input_0.png", "left": INPUTS / "input_1.png"}
    done = ImageProcessor(MULTIVIEW)(views)
    expected = vectors("mv_denoise")
    assert done.view_idxs == ((0, 1, 2),)
    assert close(done.image, expected["pre_image"])
    assert close(done.mask, expected["pre_mask"])


def test_a_batch_is_its_items_one_after_the_other() -> None:
    paths = [INPUTS / f"input_{i}.png" for i in range(3)]
    batch = ImageProcessor(SINGLE)(paths)
    assert batch.batch == 3
    for row, path in enumerate(paths):
        assert torch.equal(batch.image[row : row + 1], ImageProcessor(SINGLE)(path).image)


def test_objects_of_a_batch_may_show_different_views() -> None:
    path = INPUTS / "input_0.png"
    done = ImageProcessor(MULTIVIEW)([{"front": path, "left": path}, {"right": path, "front": path}])
    assert done.image.shape == (2, 2, 3, 64, 64)
    assert done.mask.shape == (2, 2, 1, 64, 64)
    assert done.view_idxs == ((0, 1), (0, 3))


@pytest.mark.parametrize(
    "picture",
    [solid(40, 40, 0), solid(40, 1), solid(1, 40), solid(1, 1), Image.new("LA", (5, 5), (10, 0))],
    ids=["transparent", "one row", "one column", "one pixel", "transparent grey"],
)
def test_a_picture_without_anything_in_it_is_refused(picture: Image.Image) -> None:
    with pytest.raises(InvalidImageError, match="nothing in it is opaque"):
        ImageProcessor(SINGLE)(picture)


@pytest.mark.parametrize("content", [b"", b"not a picture", (INPUTS / "input_0.png").read_bytes()[:3000]])
def test_a_file_that_is_no_picture_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(InvalidImageError, match=r"photo\.png is not a picture"):
        ImageProcessor(SINGLE)(tmp_path / "photo.png")
    with pytest.raises(InvalidImageError):
        ImageProcessor(SINGLE)(tmp_path / "absent.png")


@pytest.mark.parametrize(
    "settings, images",
    [
        (SINGLE, {"front": solid(9, 9)}),
        (SINGLE, []),
        (MULTIVIEW, solid(9, 9)),
        (MULTIVIEW, {}),
        (MULTIVIEW, {"top": solid(9, 9)}),
        (MULTIVIEW, [{"front": solid(9, 9)}, {"front": solid(9, 9), "back": solid(9, 9)}]),
        (MULTIVIEW, [{"front": solid(9, 9)}, solid(9, 9)]),
    ],
)
def test_pictures_and_views_are_not_mistaken_for_each_other(settings: ProcessorSettings, images: Any) -> None:
    with pytest.raises(InvalidRequestError):
        ImageProcessor(settings)(images)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I;16", "I", "F"])
def test_every_kind_of_picture_is_taken(mode: str) -> None:
    grey = Image.fromarray(np.full((20, 30), 30000, np.uint16))
    picture = grey if mode == "I;16" else Image.new("RGB", (30, 20), (90, 80, 70)).convert(mode)
    assert ImageProcessor(SINGLE)(picture).image.isfinite().all()


def test_sixteen_bits_are_scaled_to_eight() -> None:
    grey = Image.fromarray(np.full((20, 20), 0x8000, np.uint16))
    done = ImageProcessor(SINGLE)(grey)
    assert done.image[0, :, 32, 32].tolist() == pytest.approx([128 / 255 * 2 - 1] * 3, abs=1e-6)


@limits(deadline=None, max_examples=60)
@given(width=st.integers(2, 300), height=st.integers(2, 300), border=st.floats(0, 0.9), data=st.data())
def test_any_opaque_box_ends_up_centred_within_its_border(
    width: int, height: int, border: float, data: st.DataObject
) -> None:
    rgba = np.zeros((height, width, 4), np.uint8)
    top, left = data.draw(st.integers(0, height - 2)), data.draw(st.integers(0, width - 2))
    bottom, right = data.draw(st.integers(top + 2, height)), data.draw(st.integers(left + 2, width))
    rgba[top:bottom, left:right] = 255
    side = max(width, height)
    rgb, mask = recenter(rgba, border)
    assert rgb.shape == (side, side, 3)
    rows, columns = np.nonzero(mask[..., 0].any(axis=1))[0], np.nonzero(mask[..., 0].any(axis=0))[0]
    longest = max(rows[-1] - rows[0], columns[-1] - columns[0]) + 1
    assert max(int(side * (1 - border)) - 1, 1) <= longest <= max(int(side * (1 - border)), 1)
    assert abs((rows[0] + rows[-1]) - (side - 1)) <= 1
    assert abs((columns[0] + columns[-1]) - (side - 1)) <= 1
