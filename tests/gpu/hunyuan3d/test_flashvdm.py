"""FlashVDM's sparse keys: recorded grids, batched cells against a loop, and the surface of the dense volume."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.gpu.hunyuan3d.flashvdm import kept_keys  # noqa: E402
from orfeas.gpu.hunyuan3d.published import flash_levels, halved_levels  # noqa: E402
from orfeas.gpu.hunyuan3d.savings import Savings  # noqa: E402
from orfeas.gpu.hunyuan3d.surface import extract  # noqa: E402
from orfeas.gpu.hunyuan3d.volume import decode_volume  # noqa: E402
from tests.gpu.hunyuan3d.golden import vectors  # noqa: E402
from tests.gpu.hunyuan3d.tiny import load_vae  # noqa: E402

RECORDED = [
    *(f"{name}_flash_{mode}_64" for name in ("base", "turbovae", "v21") for mode in ("mean", "merge")),
    "base_flash_mean_100",
]


def shape(name):
    """A recorded decoder and the tokens of a recorded shape."""
    return load_vae(name).geo_decoder, vectors(f"{name}_vae")["vae_latents"]


@pytest.mark.parametrize("batch_cells", [True, False])
@pytest.mark.parametrize("name", RECORDED)
def test_the_published_decoding_is_the_recorded_one(name, batch_cells):
    recorded = vectors(name)
    model, _, mode, _ = name.split("_")
    grid = decode_volume(
        *shape(model),
        recorded["octree_resolution"],
        method="flashvdm",
        flash_mode=mode,
        num_chunks=recorded["num_chunks"],
        min_resolution=recorded["min_resolution"],
        savings=Savings(batch_cells=batch_cells),
        reference=True,
    )
    assert list(grid.values.shape) == recorded["shape"].tolist()
    known = torch.zeros(grid.values.numel(), dtype=torch.bool)
    known[recorded["idx"].long()] = True
    assert (known != grid.known.view(-1)).sum() <= 0.001 * known.sum()
    differences = (grid.values.view(-1)[recorded["idx"].long()] - recorded["val"]).abs()
    tolerance, share = (2e-4, 0.999) if mode == "mean" else (1e-3, 0.99)
    assert (differences <= tolerance).float().mean() >= share


@pytest.mark.parametrize("mode", ["mean", "merge"])
@pytest.mark.parametrize("name", ["base", "turbovae"])
def test_batched_cells_have_the_values_of_looped_ones(name, mode):
    batched, looped = (
        decode_volume(*shape(name), 50, method="flashvdm", flash_mode=mode, savings=Savings(batch_cells=batch))
        for batch in (True, False)
    )
    assert (batched.known == looped.known).float().mean() > 0.9999
    differences = (batched.values - looped.values).abs()
    assert (differences < 1e-5).float().mean() > 0.999


@pytest.mark.parametrize("mode", ["mean", "merge"])
@pytest.mark.parametrize("resolution", [50, 64])
def test_the_grid_is_the_one_asked_for_and_has_no_unknown_values(resolution, mode):
    grid = decode_volume(*shape("base"), resolution, method="flashvdm", flash_mode=mode)
    assert grid.values.shape == (resolution + 1,) * 3
    assert grid.resolution == resolution
    assert grid.values.isfinite().all()
    assert grid.known.sum() < grid.values.numel() / 3


def test_the_surface_of_merged_keys_is_near_the_dense_one():
    decoder, tokens = shape("base")
    grid = decode_volume(decoder, tokens, 64, method="flashvdm", flash_mode="merge")
    vertices, _ = extract(grid)
    logits = decoder(torch.from_numpy(vertices)[None], decoder.keys(tokens))
    # Eight units of value are one unit of distance.
    assert logits.abs().quantile(0.99) < 8 * 0.5 * 2.02 / 64


def test_decoding_with_sparse_keys_leaves_the_decoder_as_it_was():
    decoder, tokens = shape("base")
    before = decode_volume(decoder, tokens, 24).values
    decode_volume(decoder, tokens, 48, method="flashvdm")
    assert torch.equal(decode_volume(decoder, tokens, 24).values, before)


def test_a_third_of_the_keys_is_kept_where_no_number_is_published():
    assert [kept_keys(length) for length in (3072, 512, 4096, 24, 1)] == [1024, 256, 1365, 8, 1]


@pytest.mark.parametrize(
    "resolution, halved, flash",
    [
        (384, [96, 192, 384], [95, 190, 380]),
        (380, [95, 190, 380], [95, 190, 380]),
        (256, [64, 128, 256], [63, 126, 252]),
        (128, [64, 128], [63, 126]),
        (50, [50], [47]),
    ],
)
def test_published_levels_are_halves(resolution, halved, flash):
    assert halved_levels(resolution, 63) == halved
    assert flash_levels(resolution, 63) == flash
