"""The shape autoencoder's decoder half against recorded tensors."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from tests.gpu.hunyuan3d.golden import vectors  # noqa: E402
from tests.gpu.hunyuan3d.tiny import load_vae  # noqa: E402


def latents_of(name: str) -> Any:
    """The final latents that the recorded decodings start from."""
    source = {"turbovae": "base", "basevae": "base", "v21vae": "v21"}.get(name, name)
    return vectors(f"{source}_denoise")["final_latents"]


@pytest.mark.parametrize("name", ["base", "turbo", "mv", "turbovae", "v21"])
def test_tokens_are_the_recorded_ones(name):
    tokens = load_vae(name).decode(latents_of(name))
    torch.testing.assert_close(tokens, vectors(f"{name}_vae")["vae_latents"], atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", ["base", "turbovae", "v21"])
def test_field_values_are_the_recorded_ones(name):
    recorded = vectors(f"{name}_vae")
    decoder = load_vae(name).geo_decoder
    logits = decoder(recorded["queries"], decoder.keys(recorded["vae_latents"]))
    torch.testing.assert_close(logits, recorded["query_logits"][..., 0], atol=2e-4, rtol=0)


@pytest.mark.parametrize("separate, whole", [("basevae", "base"), ("v21vae", "v21")])
def test_a_separate_folder_holds_the_same_decoder(separate, whole):
    tokens = load_vae(separate).decode(latents_of(whole))
    torch.testing.assert_close(tokens, vectors(f"{whole}_vae")["vae_latents"], atol=2e-4, rtol=0)


def test_features_are_coordinates_then_sines_then_cosines():
    recorded = vectors("fourier")
    features = load_vae("base").geo_decoder.features(recorded["x"])
    torch.testing.assert_close(features, recorded["y_nopi"], atol=1e-6, rtol=0)


@pytest.mark.parametrize("include_pi", [False, True])
def test_axis_tables_add_up_to_the_embedding(include_pi):
    decoder = load_vae("turbovae").geo_decoder
    decoder.include_pi = include_pi
    axes = [torch.linspace(-1.01, 1.01, 9), torch.linspace(-0.5, 1, 9), torch.linspace(0, 0.3, 9)]
    indices = torch.randint(0, 9, (50, 3), generator=torch.Generator().manual_seed(1))
    points = torch.stack([axis[indices[:, i]] for i, axis in enumerate(axes)], dim=-1)
    torch.testing.assert_close(decoder.tables(*axes).embed(indices), decoder.embed(points), atol=1e-5, rtol=0)


def test_shapes_of_a_batch_do_not_mix():
    decoder = load_vae("base").geo_decoder
    generator = torch.Generator().manual_seed(2)
    tokens = torch.randn(3, 24, 64, generator=generator)
    points = torch.rand(3, 40, 3, generator=generator) * 2 - 1
    together = decoder(points, decoder.keys(tokens))
    for item in range(3):
        alone = decoder(points[item : item + 1], decoder.keys(tokens[item : item + 1]))
        torch.testing.assert_close(together[item : item + 1], alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_keep_float32_coordinates_and_values(dtype):
    recorded = vectors("base_vae")
    vae = load_vae("base").to(dtype)
    tokens = vae.decode(latents_of("base"))
    logits = vae.geo_decoder(recorded["queries"], vae.geo_decoder.keys(tokens))
    assert tokens.dtype == dtype
    assert logits.dtype == torch.float32
    assert (logits - recorded["query_logits"][..., 0]).abs().mean() < 0.02
