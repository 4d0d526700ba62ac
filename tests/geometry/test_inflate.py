"""Height fields of silhouettes and of pictures without one."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import spsolve

from orfeas.errors import EmptySurfaceError
from orfeas.geometry import poisson
from orfeas.geometry.field import HeightField
from orfeas.geometry.inflate import inflate
from orfeas.geometry.relief import lithophane, relief
from orfeas.geometry.subject import Subject, prepare
from tests.geometry.shapes import disc, drawn, rgba


@lru_cache
def field_of(name: str) -> HeightField:
    """The inflated drawing."""
    return inflate(drawn(name))


def depth(field: HeightField) -> float:
    """Front to back in units of the longest side."""
    return float(field.front.max() - field.back.min())


def test_poisson_agrees_with_the_disc_and_the_strip():
    y, x = np.mgrid[0:200, 0:200] - 99.5
    inside = np.hypot(x, y) < 80
    u = poisson.solve(inside, 4.0, np.zeros((200, 200), np.float32))
    assert u.max() == pytest.approx(80**2, rel=0.03)
    strip = np.zeros((300, 60), bool)
    strip[2:-2, 10:50] = True
    u = poisson.solve(strip, 2.0, np.zeros((300, 60), np.float32))
    assert u[150, 30] == pytest.approx(20.5**2, rel=0.04)


@pytest.mark.parametrize("name", ["bear", "robot", "chair", "random"])
def test_poisson_agrees_with_a_direct_solver(name):
    noise = ndimage.gaussian_filter(np.random.default_rng(2).random((120, 150)), 2)
    mask = np.pad(noise > np.median(noise), 2) if name == "random" else field_of(name).inside > 0
    count, index = int(mask.sum()), np.cumsum(mask).reshape(mask.shape) - 1
    pairs = [np.stack([index[a][both], index[b][both]]) for a, b, both in _neighbours(mask)]
    starts, ends = np.concatenate([np.hstack([pair, pair[::-1]]) for pair in pairs], axis=1)
    matrix = diags(np.full(count, 4.0)) - coo_matrix((np.ones(len(starts)), (starts, ends)), shape=(count, count))
    exact = spsolve(matrix.tocsc(), np.full(count, 2.0))
    u = poisson.solve(mask, 2.0, np.zeros(mask.shape, np.float32))[mask]
    assert np.abs(u - exact).max() < 0.02 * exact.max()


def _neighbours(mask):
    """Slices of pixels, of their right and lower neighbours, and where both are in the mask."""
    whole = slice(None)
    for first, second in (
        ((whole, slice(None, -1)), (whole, slice(1, None))),
        ((slice(None, -1), whole), (slice(1, None), whole)),
    ):
        yield first, second, mask[first] & mask[second]


def test_laplace_keeps_within_its_boundary_values():
    free = np.zeros((64, 64), bool)
    free[4:-4, 4:-4] = True
    values = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 64, axis=0)
    u = poisson.solve(free, 0.0, values)
    assert np.abs(u - values).max() < 0.03


def test_a_disc_becomes_a_ball():
    field = inflate(prepare(disc(), remove_background="auto"))
    assert depth(field) == pytest.approx(1.0, abs=0.06)
    middle = field.front.shape[0] // 2
    x = (np.arange(field.front.shape[1]) + 0.5 - field.front.shape[1] / 2) * field.pixel_size
    ball = np.sqrt(np.maximum(0.25 - x * x, 0))
    inner = np.abs(x) < 0.47
    assert np.abs(field.front[middle] - ball)[inner].max() < 0.04


def test_a_pole_is_round():
    left, _, right, _ = field_of("pole").bounds
    mask = np.zeros((400, 60))
    mask[10:390, 20:40] = 1
    field = inflate(prepare(rgba(mask), remove_background="auto"))
    assert depth(field) == pytest.approx(20 / 380, rel=0.12)
    assert right - left < 0.08


@pytest.mark.parametrize("name", ["star", "key", "logo", "leaf"])
def test_flat_things_stay_flat(name):
    assert depth(field_of(name)) < 0.15


@pytest.mark.parametrize("name", ["bear", "robot", "girl", "duck"])
def test_characters_have_depth_and_thinner_limbs(name):
    field = field_of(name)
    assert 0.3 < depth(field) < 0.8
    ridge = field.front[field.inside > 0]
    assert np.percentile(ridge, 20) < 0.5 * ridge.max()


def test_the_back_carries_no_relief():
    field = field_of("face")
    inside = field.inside > 0.05
    front, back = (np.abs(np.diff(values, 2, axis=1))[inside[:, 1:-1]].mean() for values in (field.front, field.back))
    assert front > 1.5 * back


def test_the_relief_fades_at_the_rim():
    field = field_of("face")
    rim = (field.inside > 0) & (field.inside < 0.006)
    assert np.abs(field.front + field.back)[rim].max() < 1e-4


def test_fur_has_no_spikes():
    field = field_of("fur")
    inside = field.inside > 0
    perimeter = (inside[:, 1:] != inside[:, :-1]).sum() + (inside[1:] != inside[:-1]).sum()
    # The pixel perimeter of a disc is 4 / pi of its circumference.
    assert perimeter < 1.15 * 8 * np.sqrt(inside.sum() / np.pi)


def test_bounds_are_those_of_the_silhouette():
    left, bottom, right, top = inflate(prepare(disc(), remove_background="auto")).bounds
    assert right - left == pytest.approx(1.0, abs=0.01)
    assert top - bottom == pytest.approx(1.0, abs=0.01)


def test_a_subject_too_faint_has_no_surface():
    with pytest.raises(EmptySurfaceError, match="faint"):
        inflate(Subject(np.zeros((32, 32, 3), np.uint8), np.full((32, 32), 0.3, np.float32), True))


def test_relief_is_a_plate_with_a_flat_back_raised_by_light():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[..., 3] = 255
    picture[:, 32:, :3] = 220
    field = relief(prepare(picture, remove_background="never"))
    inside = field.inside > 0.05
    assert np.ptp(field.back) == 0
    columns = np.broadcast_to(np.arange(field.front.shape[1]), field.front.shape)
    half = field.front.shape[1] / 2
    assert field.front[inside & (columns > half + 20)].min() > field.front[inside & (columns < half - 20)].max() + 0.03


def test_lithophane_is_thick_where_the_picture_is_dark():
    subject = drawn("portrait")
    field = lithophane(subject)
    thickness = (field.front - field.back)[field.inside > 0]
    assert thickness.min() == pytest.approx(0.008, abs=1e-4)
    assert thickness.max() == pytest.approx(0.03, abs=1e-4)
    light = np.asarray(subject.rgb.mean(axis=2))
    rows, columns = (np.linspace(0, n - 1, m).astype(int) for n, m in zip(light.shape, field.front.shape, strict=True))
    sampled = light[np.ix_(rows, columns)]
    assert np.corrcoef(sampled[field.inside > 0], thickness)[0, 1] < -0.95


def test_progress_rises_and_may_cancel():
    told: list[float] = []
    inflate(prepare(disc(64, 24), remove_background="auto"), told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0

    def cancel(_: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        inflate(prepare(disc(64, 24), remove_background="auto"), cancel)
