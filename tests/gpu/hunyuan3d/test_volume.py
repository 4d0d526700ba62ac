"""Volume decoding: recorded grids, sparse against dense, any resolution, progress, cancellation and threads."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

import trimesh  # noqa: E402

from orfeas.gpu.hunyuan3d.hierarchical import level_positions  # noqa: E402
from orfeas.gpu.hunyuan3d.narrow_band import crossing_cells  # noqa: E402
from orfeas.gpu.hunyuan3d.published import near_surface  # noqa: E402
from orfeas.gpu.hunyuan3d.savings import Savings  # noqa: E402
from orfeas.gpu.hunyuan3d.surface import extract, index_surface, reference_mapping  # noqa: E402
from orfeas.gpu.hunyuan3d.volume import decode_volume  # noqa: E402
from tests.gpu.hunyuan3d.golden import vectors  # noqa: E402
from tests.gpu.hunyuan3d.shapes import SHAPES, Analytic, dense, sparse, torus  # noqa: E402
from tests.gpu.hunyuan3d.tiny import load_vae  # noqa: E402

NAMES = ["base", "turbovae", "v21"]


def shape(name):
    """A recorded decoder and the tokens of a recorded shape."""
    return load_vae(name).geo_decoder, vectors(f"{name}_vae")["vae_latents"]


def crossings(values):
    """The cells that hold the surface."""
    return torch.cat(list(crossing_cells(values)))


def assert_same_surface(sparse_grid, dense_grid):
    """The same cells hold the surface, and all values there are the evaluated ones, to rounding."""
    assert torch.equal(crossings(sparse_grid.values), crossings(dense_grid.values))
    assert torch.equal(sparse_grid.values > 0, dense_grid.values > 0)
    known = sparse_grid.known
    torch.testing.assert_close(sparse_grid.values[known], dense_grid.values[known], atol=1e-5, rtol=0)
    np.testing.assert_allclose(extract(sparse_grid)[0], extract(dense_grid)[0], atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("resolution", [32, 64])
def test_a_dense_grid_is_the_recorded_one(name, resolution):
    recorded = vectors(f"{name}_vae")["vanilla32"] if resolution == 32 else vectors(f"{name}_vanilla64")["grid"]
    grid = decode_volume(*shape(name), resolution)
    torch.testing.assert_close(grid.values, recorded[0], atol=2e-4, rtol=0)
    assert grid.known.all()


@pytest.mark.parametrize("name", NAMES)
def test_the_surface_s_neighbourhood_is_the_recorded_one(name):
    values = vectors(f"{name}_vanilla64")["grid"][0]
    near = near_surface(values, torch.ones_like(values, dtype=torch.bool))
    assert torch.equal(near.view(-1).nonzero()[:, 0], vectors(f"{name}_mesh64")["near_idx"].long())


@pytest.mark.parametrize("name", ["base_hier_fixed_100", *(f"{name}_hier_fixed_64" for name in NAMES)])
def test_the_published_refinement_is_the_recorded_one(name):
    recorded = vectors(name)
    resolution, smallest = recorded["octree_resolution"], recorded["min_resolution"]
    grid = decode_volume(
        *shape(name.split("_")[0]), resolution, method="hierarchical", min_resolution=smallest, reference=True
    )
    assert torch.equal(grid.known.view(-1).nonzero()[:, 0], recorded["idx"].long())
    torch.testing.assert_close(grid.values[grid.known], recorded["val"], atol=2e-4, rtol=0)
    vertices, faces = index_surface(grid.values.numpy(), 0.0)
    assert len(vertices) == len(recorded["tm_v"])
    assert len(faces) == len(recorded["tm_f"])
    positions = _sorted(reference_mapping(vertices, resolution))
    np.testing.assert_allclose(positions, _sorted(recorded["tm_v"].numpy()), atol=1e-4)


def _sorted(vertices):
    return vertices[np.lexsort(np.round(vertices, 3).T)]


@pytest.mark.parametrize("narrow", [True, False])
@pytest.mark.parametrize("name", SHAPES)
def test_sparse_decoding_has_exactly_the_dense_surface(name, narrow):
    assert_same_surface(sparse(Analytic(SHAPES[name]), 96, narrow=narrow), dense(Analytic(SHAPES[name]), 96))


@pytest.mark.parametrize("steepness", [2.0, 30.0])
@pytest.mark.parametrize("name", ["detailed", "plate"])
def test_the_steepness_of_the_field_does_not_matter(name, steepness):
    assert_same_surface(sparse(Analytic(SHAPES[name], steepness), 90), dense(Analytic(SHAPES[name], steepness), 90))


@pytest.mark.parametrize("resolution", [16, 31, 63, 100, 127])
def test_every_resolution_gives_the_same_surface_to_grid_accuracy(resolution):
    _assert_torus_at(resolution)


@pytest.mark.soak
@pytest.mark.parametrize("resolution", [192, 255, 256, 257, 380, 384, 511, 512])
def test_fine_resolutions_give_the_same_surface_to_grid_accuracy(resolution):
    _assert_torus_at(resolution)


def _assert_torus_at(resolution):
    grid = sparse(Analytic(torus), resolution)
    assert grid.values.shape == (resolution + 1,) * 3
    vertices, faces = extract(grid)
    assert torus(torch.from_numpy(vertices)).abs().max() < 0.25 * 2.02 / resolution
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    assert mesh.is_watertight
    assert mesh.euler_number == 0
    assert mesh.volume == pytest.approx(2 * np.pi**2 * 0.6 * 0.25**2, rel=20 / resolution**2 + 1e-4)


@pytest.mark.parametrize("narrow", [True, False])
def test_an_oblong_box_is_decoded_sparsely_too(narrow):
    bounds = (-0.9, -1.2, -0.3, 1.01, 0.9, 0.4)
    grid = sparse(Analytic(torus), 75, narrow=narrow, bounds=bounds)
    assert_same_surface(grid, dense(Analytic(torus), 75, bounds=bounds))
    assert grid.bounds == ((-0.9, -1.2, -0.3), (1.01, 0.9, 0.4))


@pytest.mark.parametrize("resolution, least", [(128, 8), (256, 25)])
@pytest.mark.parametrize("name", ["torus", "plate"])
def test_few_points_are_evaluated(name, resolution, least):
    sampler = Analytic(SHAPES[name])
    grid = sparse(sampler, resolution)
    assert sum(sampler.points) == grid.known.sum(), "a sample was evaluated twice"
    assert (resolution + 1) ** 3 / sum(sampler.points) > least


def test_noise_is_decoded_like_the_dense_volume():
    def noise(points):
        return (points * torch.tensor([91.7, 77.3, 83.9])).sin().sum(dim=1) * 0.1

    assert_same_surface(sparse(Analytic(noise), 48), dense(Analytic(noise), 48))


@pytest.mark.parametrize("resolution", [2, 16, 31, 63, 64, 100, 127, 380, 511, 512])
def test_each_level_holds_the_samples_of_the_coarser_one(resolution):
    levels = level_positions(resolution, 24, torch.device("cpu"))
    assert torch.equal(levels[-1], torch.arange(resolution + 1))
    for coarse, fine in pairwise(levels):
        cells = len(coarse) - 1
        assert len(fine) - 1 in (2 * cells, 2 * cells - 1)
        assert torch.equal(fine[(2 * torch.arange(cells + 1)).clamp(max=len(fine) - 1)], coarse)
    assert resolution < 48 or 24 <= len(levels[0]) - 1 < 49


@pytest.mark.parametrize("name", NAMES)
def test_a_decoded_shape_has_its_dense_surface(name):
    resolution = 50
    whole = decode_volume(*shape(name), resolution)
    grid = decode_volume(*shape(name), resolution, method="hierarchical")
    assert grid.known.sum() < whole.values.numel() / 3
    torch.testing.assert_close(grid.values[grid.known], whole.values[grid.known], atol=1e-5, rtol=0)
    assert torch.equal(grid.values > 0, whole.values > 0)


@pytest.mark.parametrize("method", ["dense", "hierarchical", "flashvdm"])
@pytest.mark.parametrize("saving", ["prepare_keys", "axis_tables"])
def test_a_saving_does_not_change_the_values(method, saving):
    without = Savings(**{saving: False})
    plain = decode_volume(*shape("base"), 40, method=method, savings=without, min_resolution=10)
    saved = decode_volume(*shape("base"), 40, method=method, min_resolution=10)
    assert (plain.known == saved.known).float().mean() > 0.999
    both = plain.known & saved.known
    torch.testing.assert_close(plain.values[both], saved.values[both], atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", ["dense", "hierarchical", "flashvdm"])
def test_the_size_of_a_chunk_does_not_change_the_values(method):
    small = decode_volume(*shape("turbovae"), 40, method=method, num_chunks=777, min_resolution=10)
    large = decode_volume(*shape("turbovae"), 40, method=method, num_chunks=10**6, min_resolution=10)
    torch.testing.assert_close(small.values, large.values, atol=1e-5, rtol=0)


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("method", ["dense", "hierarchical", "flashvdm"])
def test_progress_rises_to_the_whole(method, reference):
    reports = []
    options = {"num_chunks": 500, "min_resolution": 9, "reference": reference}
    decode_volume(*shape("turbovae"), 40, method=method, on_chunk=reports.append, **options)
    assert len(reports) > 5
    assert reports == sorted(reports)
    assert 0 < reports[0] < 0.5
    assert reports[-1] == pytest.approx(1.0)


def count_tensors():
    """How many tensors are alive, by their exact type: other objects of torch warn when they are asked for theirs."""
    return sum(type(item) is torch.Tensor for item in gc.get_objects())


class Cancelled(Exception):  # noqa: N818
    """What a callback raises."""


@pytest.mark.parametrize("method", ["dense", "hierarchical", "flashvdm"])
@pytest.mark.parametrize("chunk", [1, 4, 9])
def test_a_callback_that_raises_ends_the_decoding_and_leaves_no_tensor(method, chunk):
    decoder, tokens = shape("turbovae")
    calls = []

    def cancel(_):
        calls.append(1)
        if len(calls) == chunk:
            raise Cancelled

    gc.collect()
    before = count_tensors()
    with pytest.raises(Cancelled):
        decode_volume(decoder, tokens, 40, method=method, num_chunks=800, min_resolution=10, on_chunk=cancel)
    assert count_tensors() == before


@pytest.mark.parametrize("method", ["hierarchical", "flashvdm"])
def test_threads_share_a_decoder_without_disturbing_one_another(method):
    decoder, first = shape("base")
    items = [first, first.roll(1, dims=-1) * 0.9, first.flip(1) * 1.1, first * 0.8]

    def decode(tokens):
        return decode_volume(decoder, tokens, 32, method=method, min_resolution=8).values

    alone = [decode(tokens) for tokens in items]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(decode, items))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", ["dense", "hierarchical", "flashvdm"])
def test_a_benchmark_can_replace_the_values_by_a_known_shape(method):
    counted = []

    def replace(points, network):
        counted.append(len(points))
        assert points.shape == (len(network), 3)
        return (-8 * torus(points)).clamp(-1, 1)

    grid = decode_volume(*shape("turbovae"), 48, method=method, replace=replace, bounds=1)
    assert sum(counted) == grid.known.sum() or method == "flashvdm"
    assert_same_surface(grid, dense(Analytic(torus), 48, bounds=1))


@pytest.mark.parametrize("batch, resolution", [(2, 16), (1, 1), (1, 0)])
def test_only_one_shape_and_a_real_grid_are_decoded(batch, resolution):
    decoder, tokens = shape("base")
    with pytest.raises(ValueError, match="One shape on at least 2 cells"):
        decode_volume(decoder, tokens.expand(batch, -1, -1), resolution)
