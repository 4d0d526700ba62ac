"""Configurations are read as they are; what is not implemented is refused by name."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

import yaml  # noqa: E402

from orfeas.errors import CheckpointError  # noqa: E402
from orfeas.gpu.hunyuan3d.config import read_pipeline, read_vae  # noqa: E402
from orfeas.gpu.hunyuan3d.settings import DiTPlainSettings, DiTSettings  # noqa: E402
from tests.gpu.hunyuan3d.golden import BASE, MODELS, MULTIVIEW, TURBO, V21  # noqa: E402

Change = Callable[[dict[str, Any]], Any]


def values(folder: tuple[str, str] = BASE) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(MODELS.joinpath(*folder, "config.yaml").read_text())
    return loaded


def written(folder: Path, content: Any) -> Path:
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def kwargs(content: dict[str, Any]) -> Any:
    return content["conditioner"]["params"]["main_image_encoder"]["kwargs"]


def refused(folder: Path) -> str | None:
    """Why a configuration is not taken; None if it is."""
    try:
        read_pipeline(folder)
    except CheckpointError as refusal:
        return refusal.detail
    return None


def test_the_recorded_checkpoints_are_read() -> None:
    base, turbo, several, plain = (read_pipeline(MODELS.joinpath(*folder)) for folder in (BASE, TURBO, MULTIVIEW, V21))
    assert isinstance(base.denoiser, DiTSettings)
    assert (base.denoiser.hidden_size, base.denoiser.depth, base.denoiser.guidance_embed) == (64, 2, False)
    assert base.encoder.dino.use_swiglu_ffn
    assert (base.encoder.dino.table_size, base.encoder.image_size) == (56, 56)
    assert base.processor.border_ratio == 0.15
    assert turbo.denoiser.guidance_embed
    assert turbo.scheduler.pcm_timesteps == 100
    assert several.encoder.multiview
    assert several.processor.multiview
    assert isinstance(plain.denoiser, DiTPlainSettings)
    assert (plain.denoiser.num_moe_layers, plain.denoiser.num_experts) == (2, 4)
    assert plain.vae.scale_factor == 1.0039506158752403
    assert not plain.encoder.dino.use_swiglu_ffn


def test_vae_folders_are_read() -> None:
    vae = read_vae(MODELS / "tencent/Hunyuan3D-2tiny/hunyuan3d-vae-v2-tiny-turbo")
    assert (vae.geo_decoder_downsample_ratio, vae.geo_decoder_mlp_expand_ratio) == (2, 1)
    assert not vae.geo_decoder_ln_post


def test_a_vae_folder_needs_no_target(tmp_path: Path) -> None:
    content = {"params": values()["vae"]["params"]}
    assert read_vae(written(tmp_path, content)).num_latents == 24


@pytest.mark.parametrize(
    "section, target",
    [
        ("model", "evil.module.Hunyuan3DDiTX"),
        ("model", "os.system"),
        ("vae", "hy3dgen.shapegen.models.VolumeVAE"),
        ("conditioner", "hy3dgen.shapegen.models.DualImageEncoder"),
        ("scheduler", "diffusers.DDIMScheduler"),
        ("image_processor", "hy3dgen.shapegen.preprocessors.ImageProcessorV3"),
        ("pipeline", "hy3dgen.shapegen.pipelines.Hunyuan3DDiTPipeline"),
        ("model", None),
        ("model", ["Hunyuan3DDiT"]),
    ],
)
def test_other_classes_are_refused_by_name(section: str, target: Any, tmp_path: Path) -> None:
    content = values()
    content[section]["target"] = target
    with pytest.raises(CheckpointError, match=rf"config\.yaml: '{section}\.target'"):
        read_pipeline(written(tmp_path, content))


def test_the_package_of_a_class_does_not_matter(tmp_path: Path) -> None:
    content = values()
    content["model"]["target"] = "anything.at.all.Hunyuan3DDiT"
    content["vae"]["target"] = "ShapeVAE"
    assert read_pipeline(written(tmp_path, content)) == read_pipeline(MODELS.joinpath(*BASE))


@pytest.mark.parametrize(
    "folder, change, key",
    [
        (BASE, lambda c: c["model"]["params"].pop("hidden_size"), "model.params.hidden_size"),
        (BASE, lambda c: c["model"]["params"].update(new_switch=True), "model.params.new_switch"),
        (BASE, lambda c: c["model"]["params"].update(time_factor=100), "model.params.time_factor"),
        (BASE, lambda c: c["model"]["params"].update(hidden_size="64"), "model.params.hidden_size"),
        (BASE, lambda c: c["model"]["params"].update(hidden_size=True), "model.params.hidden_size"),
        (BASE, lambda c: c["model"]["params"].update(hidden_size=-64), "model.params.hidden_size"),
        (BASE, lambda c: c["model"]["params"].update(depth=10**12), "model.params.depth"),
        (BASE, lambda c: c["model"]["params"].update(num_heads=5), "model.params.num_heads"),
        (BASE, lambda c: c["model"]["params"].update(qkv_bias="yes"), "model.params.qkv_bias"),
        (BASE, lambda c: c["model"]["params"].update(mlp_ratio=float("nan")), "model.params.mlp_ratio"),
        (BASE, lambda c: c["model"]["params"].update(context_in_dim=64), "model.params"),
        (BASE, lambda c: c["model"]["params"].update(in_channels=16), "model.params.in_channels"),
        (BASE, lambda c: c["model"].update(params=None), "model.params"),
        (BASE, lambda c: c.pop("vae"), "vae"),
        (BASE, lambda c: c.update(texture={}), "texture"),
        (BASE, lambda c: c["vae"]["params"].update(scale_factor=0), "vae.params.scale_factor"),
        (BASE, lambda c: c["vae"]["params"].update(geo_decoder_downsample_ratio=3), "geo_decoder_downsample_ratio"),
        (BASE, lambda c: c["scheduler"]["params"].update(use_dynamic_shifting=True), "use_dynamic_shifting"),
        (BASE, lambda c: c["scheduler"]["params"].update(pcm_timesteps=50), "scheduler.params.pcm_timesteps"),
        (BASE, lambda c: c["scheduler"]["params"].update(shift=0), "scheduler.params.shift"),
        (TURBO, lambda c: c["scheduler"]["params"].pop("pcm_timesteps"), "scheduler.params.pcm_timesteps"),
        (TURBO, lambda c: c["scheduler"]["params"].update(pcm_timesteps=1001), "scheduler.params.pcm_timesteps"),
        (
            BASE,
            lambda c: c["image_processor"]["params"].update(border_ratio=1.0),
            "image_processor.params.border_ratio",
        ),
        (BASE, lambda c: c["pipeline"].update(params={"x": 1}), "pipeline.params.x"),
        (MULTIVIEW, lambda c: c["image_processor"].update(target="a.ImageProcessorV2"), "image_processor.target"),
        (BASE, lambda c: kwargs(c)["config"].update(hidden_act="relu"), "kwargs.config.hidden_act"),
        (BASE, lambda c: kwargs(c)["config"].update(layer_norm_eps=0), "kwargs.config.layer_norm_eps"),
        (BASE, lambda c: kwargs(c)["config"].pop("image_size"), "kwargs.config.image_size"),
        (BASE, lambda c: kwargs(c).update(image_size=13), "kwargs.image_size"),
        (BASE, lambda c: kwargs(c).update(version="facebook/dinov2-giant"), "kwargs.version"),
        (BASE, lambda c: c["conditioner"]["params"].update(additional_image_encoder={}), "additional_image_encoder"),
        (V21, lambda c: c["model"]["params"].update(use_pos_emb=True), "model.params.use_pos_emb"),
        (V21, lambda c: c["model"]["params"].update(use_pos_emb=0), "model.params.use_pos_emb"),
        (V21, lambda c: c["model"]["params"].update(with_decoupled_ca=True), "with_decoupled_ca"),
        (V21, lambda c: c["model"]["params"].update(use_attention_pooling=True), "use_attention_pooling"),
        (V21, lambda c: c["model"]["params"].update(qk_norm_type="layer"), "qk_norm_type"),
        (V21, lambda c: c["model"]["params"].update(qk_norm=False), "model.params.qk_norm"),
        (V21, lambda c: c["model"]["params"].update(moe_top_k=5), "model.params.moe_top_k"),
        (V21, lambda c: c["model"]["params"].update(num_moe_layers=6), "model.params.num_moe_layers"),
    ],
)
def test_what_would_change_the_result_is_refused_by_key(
    folder: tuple[str, str], change: Change, key: str, tmp_path: Path
) -> None:
    content = values(folder)
    change(content)
    with pytest.raises(CheckpointError) as refusal:
        read_pipeline(written(tmp_path, content))
    assert refusal.value.detail.startswith(f"{tmp_path.name}/config.yaml: '")
    assert f"{key}' " in refusal.value.detail


def test_what_changes_nothing_is_passed_over(tmp_path: Path) -> None:
    content = values()
    content["model"]["params"].update(theta=1, time_factor=1000.0)
    content["vae"]["params"].update(num_encoder_layers=8, pc_size=81920, drop_path_rate=0.1)
    content["image_processor"]["params"]["border_ratio"] = None
    kwargs(content)["config"].update(transformers_version="4.57", hidden_dropout_prob=0.5, layer_norm_eps="1e-6")
    content["pipeline"]["params"] = {}
    assert read_pipeline(written(tmp_path, content)) == read_pipeline(MODELS.joinpath(*BASE))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x01\x02",
        b"\xff\xfe\xfa",
        b"[1, 2]",
        b"- model",
        b"model: [",
        b"{1: 2}",
        b"model: !!python/object/apply:os.system [true]",
        b"model: 2023-99-99",
        b"model: 0x" + b"f" * 20000,
        b"[" * 100_000,
        b"{a: " * 3000 + b"1" + b"}" * 3000,
        b"model: &a {target: b.Hunyuan3DDiT, params: *a}",
        b"a: 1\n" * 300_000,
    ],
    ids=range(14),
)
def test_a_file_that_is_no_configuration_is_one_clear_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    for read in (read_pipeline, read_vae):
        with pytest.raises(CheckpointError, match=r"config\.yaml"):
            read(tmp_path)


def test_an_absent_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.yaml cannot be read: No such file"):
        read_pipeline(tmp_path)
    (tmp_path / "config.yaml").mkdir()
    with pytest.raises(CheckpointError, match="Is a directory"):
        read_vae(tmp_path)


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner))


def paths(content: Any, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The place of every value in nested mappings."""
    if not isinstance(content, dict):
        return [above]
    return [above, *(path for key, value in content.items() for path in paths(value, (*above, key)))]


@limits(deadline=None, max_examples=50)
@given(data=st.data())
def test_any_value_in_any_place_is_read_or_refused(data: st.DataObject, tmp_path_factory: Any) -> None:
    content = copy.deepcopy(values(data.draw(st.sampled_from([BASE, TURBO, MULTIVIEW, V21]))))
    path = data.draw(st.sampled_from(paths(content)[1:]))
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(anything)
    folder = written(tmp_path_factory.mktemp("config"), content)
    detail = refused(folder)
    assert detail is None or "config.yaml" in detail
    assert len(detail or "") < 500


@limits(deadline=None, max_examples=50)
@given(data=st.data())
def test_damaged_bytes_are_read_or_refused(data: st.DataObject, tmp_path_factory: Any) -> None:
    content = bytearray(MODELS.joinpath(*TURBO, "config.yaml").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("config")
    (folder / "config.yaml").write_bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))])
    detail = refused(folder)
    assert detail is None or "config.yaml" in detail
