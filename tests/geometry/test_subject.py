"""The subject of a picture."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.drawings import DRAWINGS
from orfeas.geometry.subject import WORKING_SIDE, prepare
from tests.geometry.shapes import disc, drawn, rgba


def holes(alpha):
    """Enclosed gaps of a mask."""
    return ndimage.label(alpha <= 0.5)[1] - 1


def test_alpha_is_the_outline_and_the_crop_leaves_a_margin():
    subject = prepare(disc(), remove_background="auto")
    assert subject.found
    assert subject.alpha.sum() == pytest.approx(np.pi * 100**2, rel=0.005)
    frame = np.concatenate([subject.alpha[0], subject.alpha[-1], subject.alpha[:, 0], subject.alpha[:, -1]])
    assert frame.max() == 0
    assert max(subject.alpha.shape) < 230


@pytest.mark.parametrize("ends", [((250, 250, 250), (250, 250, 250)), ((250, 240, 230), (150, 160, 180))])
def test_a_flat_or_graded_background_is_taken_away(ends):
    picture = disc()
    t = np.linspace(0, 1, 256)[:, None, None]
    ground = np.array(ends[0]) * (1 - t) + np.array(ends[1]) * t
    mask = picture[..., 3:] / 255.0
    opaque = np.dstack([picture[..., :3] * mask + ground * (1 - mask), np.full((256, 256), 255)]).astype(np.uint8)
    subject = prepare(opaque, remove_background="auto")
    assert subject.found
    assert not subject.warnings
    assert (subject.alpha > 0.5).sum() == pytest.approx(np.pi * 100**2, rel=0.02)


def test_a_busy_background_is_cut_by_segmentation_and_said_so():
    subject = drawn("vase")
    assert subject.found
    assert "busy" in subject.warnings[0]
    height, width = (np.ptp(np.nonzero(subject.alpha > 0.5), axis=1)).tolist()
    assert height == pytest.approx(362, abs=14)
    assert width == pytest.approx(280, abs=20)


@pytest.mark.parametrize("name", ["landscape", "plain", "noise"])
def test_a_picture_without_a_subject_is_the_whole_frame(name):
    noise = np.random.default_rng(1).integers(0, 255, (128, 128, 3))
    pictures = {
        "landscape": np.asarray(DRAWINGS["landscape"]()),
        "plain": np.full((128, 128, 4), 255, np.uint8),
        "noise": np.dstack([noise, np.full((128, 128), 255)]).astype(np.uint8),
    }
    picture = pictures[name]
    subject = prepare(picture, remove_background="auto")
    assert not subject.found
    assert subject.alpha.sum() == picture.shape[0] * picture.shape[1]


def test_real_holes_stay_and_the_whites_of_eyes_are_filled():
    assert holes(drawn("mug").alpha) == 1
    assert holes(drawn("logo").alpha) == 4
    assert holes(drawn("face").alpha) == 0
    assert holes(drawn("robot").alpha) == 0


def sign(*marks, ground=255):
    """A blue square on a white page with discs (x, y, radius, grey) on it."""
    picture = np.full((256, 256, 3), ground, np.uint8)
    picture[28:228, 28:228] = (28, 96, 168)
    y, x = np.mgrid[0:256, 0:256]
    for at_x, at_y, radius, grey in marks:
        picture[np.hypot(x - at_x, y - at_y) < radius] = grey
    return np.dstack([picture, np.full((256, 256), 255, np.uint8)])


@pytest.mark.parametrize(
    "marks, expected",
    [
        ([(128, 128, 6, 255)], 1),
        ([(128, 128, 6, 250), (80, 80, 20, 248)], 2),
        ([(128, 128, 30, 255), (128, 128, 12, 20)], 0),
        ([(128, 128, 30, 200)], 0),
    ],
    ids=["small and deep", "a shade off", "an eye with its pupil", "a grey dot"],
)
def test_what_a_sign_of_one_colour_encloses_is_cut_out(marks, expected):
    assert holes(prepare(sign(*marks), remove_background="auto").alpha) == expected


def test_specks_go_and_separate_parts_stay():
    picture = np.asarray(DRAWINGS["cherries"]()).copy()
    picture[8:11, 8:11] = (255, 0, 0, 255)
    subject = prepare(picture, remove_background="auto")
    assert ndimage.label(subject.alpha > 0.5)[1] == 2


def test_never_keeps_alpha_and_takes_an_opaque_picture_whole():
    assert prepare(disc(), remove_background="never").found
    opaque = np.asarray(DRAWINGS["mug"]())
    assert not prepare(opaque, remove_background="never").found
    assert prepare(opaque, remove_background="auto").found


def test_always_looks_inside_the_opaque_part():
    mug = np.asarray(DRAWINGS["mug"]()).copy()
    mug[:40, :, 3] = 0
    kept = prepare(mug, remove_background="auto")
    cut = prepare(mug, remove_background="always")
    assert cut.alpha.sum() < 0.6 * kept.alpha.sum()
    assert holes(cut.alpha) == 1


def test_large_pictures_are_worked_on_at_a_smaller_size():
    subject = prepare(disc(1500, 700.0), remove_background="auto")
    assert max(subject.alpha.shape) <= 1.1 * WORKING_SIDE
    assert subject.rgb.shape[:2] == subject.alpha.shape


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (3, 2), (17, 5)])
@pytest.mark.parametrize("mode", ["auto", "always", "never"])
def test_tiny_pictures_have_an_answer(shape, mode):
    assert not prepare(rgba(np.ones(shape)), remove_background=mode).found


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 3), np.uint8), np.zeros((0, 4, 4), np.uint8), np.zeros((4, 4, 4))])
def test_anything_but_rgba_bytes_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        prepare(wrong, remove_background="auto")


def test_the_same_picture_gives_the_same_bytes():
    for name in ("vase", "apple"):
        first, second = (prepare(np.asarray(DRAWINGS[name]()), remove_background="auto") for _ in range(2))
        assert first.alpha.tobytes() == second.alpha.tobytes()
        assert first.rgb.tobytes() == second.rgb.tobytes()
