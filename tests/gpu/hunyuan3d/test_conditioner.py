"""Pictures become the recorded condition tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from orfeas.gpu.hunyuan3d import checkpoint  # noqa: E402
from orfeas.gpu.hunyuan3d.conditioner import ImageEncoder, view_embedding  # noqa: E402
from orfeas.gpu.hunyuan3d.config import read_pipeline  # noqa: E402
from orfeas.gpu.hunyuan3d.dinov2 import Dinov2Model  # noqa: E402
from orfeas.gpu.hunyuan3d.settings import DinoSettings, EncoderSettings  # noqa: E402
from tests.gpu.hunyuan3d.golden import BASE, MODELS, MULTIVIEW, TURBO, V21, vectors  # noqa: E402

FOLDERS = {"base": BASE, "turbo": TURBO, "mv": MULTIVIEW, "v21": V21}
TINY = DinoSettings(hidden_size=24, num_hidden_layers=2, num_attention_heads=3, table_size=70)


def loaded(name: str, dtype: Any = torch.float32, **changes: Any) -> ImageEncoder:
    folder = checkpoint.find(MODELS, *FOLDERS[name])
    with torch.device("meta"):
        encoder = ImageEncoder(replace(read_pipeline(folder).encoder, **changes))
    checkpoint.load_part(folder, "conditioner", encoder, device="cpu", dtype=dtype)
    return encoder


def seeded(settings: EncoderSettings) -> ImageEncoder:
    torch.manual_seed(0)
    encoder = ImageEncoder(settings).requires_grad_(requires_grad=False)
    for parameter in encoder.parameters():
        parameter.normal_(std=0.2)
    return encoder


@pytest.mark.parametrize("name", FOLDERS)
def test_pixels_and_tokens_are_the_recorded_ones(name: str) -> None:
    encoder, expected = loaded(name), vectors(f"{name}_denoise")
    views = expected["view_idxs"].tolist() if name == "mv" else None
    torch.testing.assert_close(encoder.pixels(expected["pre_image"]), expected["dino_pixels"], atol=1e-5, rtol=0)
    tokens = encoder(expected["pre_image"], views)
    torch.testing.assert_close(tokens, expected["cond"][:1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["base", "mv"])
def test_half_precision_stays_near(name: str, dtype: Any) -> None:
    encoder, expected = loaded(name, dtype), vectors(f"{name}_denoise")
    views = expected["view_idxs"].tolist() if name == "mv" else None
    tokens = encoder(expected["pre_image"], views)
    assert tokens.dtype == dtype
    error = (tokens.float() - expected["cond"][:1]).norm() / expected["cond"][:1].norm()
    assert error < (0.005 if dtype == torch.float16 else 0.03)


def test_an_item_does_not_depend_on_its_batch() -> None:
    encoder, image = loaded("base"), torch.rand(3, 3, 64, 64) * 2 - 1
    together = encoder(image)
    for row in range(3):
        torch.testing.assert_close(together[row : row + 1], encoder(image[row : row + 1]), atol=1e-5, rtol=0)


def test_views_are_encoded_alone_and_marked_by_their_index() -> None:
    encoder = loaded("mv")
    image = torch.rand(2, 2, 3, 64, 64) * 2 - 1
    views = ((0, 2), (1, 3))
    together = encoder(image, views)
    count = together.shape[1] // 2
    for item, row in enumerate(views):
        for place, view in enumerate(row):
            alone = encoder(image[item, place][None]) + view_embedding(torch.tensor([view]), 48)
            part = together[item, place * count : (place + 1) * count]
            torch.testing.assert_close(part, alone[0], atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match="need their indices"):
        encoder(image)
    with pytest.raises(ValueError, match="view indices of shape"):
        encoder(image, ((0, 2),))


def test_the_front_view_adds_no_sine_and_a_full_cosine() -> None:
    assert view_embedding(torch.tensor([0]), 6).tolist() == [[0, 0, 0, 1, 1, 1]]
    turned = view_embedding(torch.tensor([2]), 4)[0]
    assert turned.tolist() == pytest.approx([0.9092974, 0.0199987, -0.4161468, 0.9998000], abs=1e-6)


def test_without_class_token_only_patches_remain() -> None:
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(loaded("base", use_cls_token=False)(image), loaded("base")(image)[:, 1:])


@pytest.mark.parametrize("size, tokens", [(70, 26), (98, 50), (42, 10), (75, 26)])
def test_other_sizes_resample_the_position_table(size: int, tokens: int) -> None:
    encoder = seeded(EncoderSettings(dino=TINY, image_size=size))
    done = encoder(torch.rand(1, 3, 64, 64))
    assert done.shape == (1, tokens, 24)
    assert done.isfinite().all()


def test_a_constant_position_table_stays_constant_at_every_size() -> None:
    model = Dinov2Model(TINY).embeddings.requires_grad_(requires_grad=False)
    model.position_embeddings[:, 1:] = torch.arange(24.0)
    model.position_embeddings[:, 0] = -1
    positions = model.positions(9, 4)
    assert positions.shape == (1, 37, 24)
    torch.testing.assert_close(positions[0, 1:], torch.arange(24.0).expand(36, 24))
    assert (positions[0, 0] == -1).all()


@pytest.mark.parametrize("height, width", [(64, 64), (70, 70), (64, 100), (333, 71)])
def test_pixels_are_a_centred_square(height: int, width: int) -> None:
    encoder = seeded(EncoderSettings(dino=TINY, image_size=70))
    ramp = torch.linspace(-1, 1, width).expand(1, 3, height, width)
    pixels = encoder.pixels(ramp)
    assert pixels.shape == (1, 3, 70, 70)
    std = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    values = (pixels[0] * std + mean)[:, :, 34:36].mean(dim=(1, 2))
    assert values.tolist() == pytest.approx([0.5] * 3, abs=0.01)


def test_a_picture_without_contrast_is_normalised_by_channel() -> None:
    encoder = seeded(EncoderSettings(dino=TINY, image_size=70))
    pixels = encoder.pixels(torch.ones(1, 3, 32, 32))
    assert pixels[0, :, 5, 5].tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225], abs=1e-5)


@pytest.mark.parametrize(
    "settings, millions",
    [
        (DinoSettings(1536, 40, 24, table_size=518, use_swiglu_ffn=True), 1136.48),
        (DinoSettings(1024, 24, 16, table_size=518), 304.37),
    ],
    ids=["giant", "large"],
)
def test_the_published_sizes_have_the_published_numbers_of_parameters(settings: DinoSettings, millions: float) -> None:
    with torch.device("meta"):
        encoder = ImageEncoder(EncoderSettings(dino=settings, image_size=518))
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
