"""Tiny folders of networks that remove backgrounds: as transformers writes one, and with ONNX graphs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 64
PLAIN = {"size": {"height": SIDE, "width": SIDE}, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}


def prepared(folder: Path, **members: Any) -> Path:
    """Write how pictures are prepared; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "preprocessor_config.json").write_text(json.dumps({**PLAIN, **members}))
    return folder


def write_network(folder: Path, labels: tuple[str, ...] = ("background", "subject"), seed: int = 0) -> Path:
    """A SegFormer of 6000 random weights, with safetensors; returns the folder."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation

    torch.manual_seed(seed)
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[3, 3],
        strides=[2, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=16,
        id2label=dict(enumerate(labels)),
    )  # fmt: skip
    SegformerForSemanticSegmentation(config).save_pretrained(folder, safe_serialization=True)
    return prepared(folder)


def write_graph(
    folder: Path, *, name: str = "model.onnx", sharpness: float = 40.0, level: float = 0.5, channels: int = 1,
    logits: bool = False, shape: tuple[Any, ...] = (1, 3, SIDE, SIDE),
) -> Path:  # fmt: skip
    """A graph that takes what is darker than `level` for the subject, by the mean of the channels."""
    from onnx import TensorProto, checker, helper, numpy_helper, save

    weights = np.full((channels, 3, 1, 1), -sharpness / 3, np.float32)
    offsets = np.full(channels, sharpness * level, np.float32)
    weights[1:], offsets[1:] = 0.0, 0.0
    nodes = [helper.make_node("Conv", ["picture", "weights", "offsets"], ["mask" if logits else "values"])]
    nodes += [] if logits else [helper.make_node("Sigmoid", ["values"], ["mask"])]
    graph = helper.make_graph(
        nodes, "darker",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("mask", TensorProto.FLOAT, (1, channels, None, None))],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(offsets, "offsets")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    path = prepared(folder) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    save(model, path)
    return folder
