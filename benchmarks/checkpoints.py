"""Checkpoints with the published configurations and sizes and random weights, in the published layout.

`python -m benchmarks.checkpoints FOLDER VARIANT` writes one: mini has 3.8 GB, 2.0 has 4.9 GB and 2.1 has 7.4 GB.
"""

from __future__ import annotations

import json
import mmap
import sys
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import torch
import yaml
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.serialization import set_default_mmap_options, skip_data

from benchmarks.variants import VARIANTS, Variant, configuration
from orfeas.gpu.hunyuan3d.conditioner import ImageEncoder
from orfeas.gpu.hunyuan3d.config import read_pipeline, read_vae
from orfeas.gpu.hunyuan3d.dit import Hunyuan3DDiT
from orfeas.gpu.hunyuan3d.dit_plain import HunYuanDiTPlain
from orfeas.gpu.hunyuan3d.settings import DiTSettings
from orfeas.gpu.hunyuan3d.vae import ShapeVAE

Shapes = dict[str, tuple[int, ...]]

_STD = 0.02
_NAMES = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32"}


def place(name: str) -> tuple[str, str]:
    """Repository and sub-folder of a variant."""
    return VARIANTS[name].repo, VARIANTS[name].subfolder


def modules(name: str) -> dict[str, nn.Module]:
    """The parts of a variant on the meta device; the part of a VAE folder has no name."""
    variant = VARIANTS[name]
    with tempfile.TemporaryDirectory() as folder, torch.device("meta"):
        Path(folder, "config.yaml").write_text(yaml.safe_dump(configuration(name)), encoding="utf-8")
        if variant.vae_only:
            return {"": ShapeVAE(read_vae(Path(folder)))}
        settings = read_pipeline(Path(folder))
        model = settings.denoiser
        return {
            "model": Hunyuan3DDiT(model) if isinstance(model, DiTSettings) else HunYuanDiTPlain(model),
            "vae": ShapeVAE(settings.vae),
            "conditioner": ImageEncoder(settings.encoder),
        }


def shapes(name: str) -> dict[str, Shapes]:
    """Every tensor of the file by its part, in the order of the file."""
    tables = {
        part: {key: tuple(value.shape) for key, value in module.state_dict().items()}
        for part, module in modules(name).items()
    }
    if VARIANTS[name].plain:
        tables["" if VARIANTS[name].vae_only else "vae"] |= _vae_encoder(VARIANTS[name].vae_width, VARIANTS[name])
    return {part: dict(sorted(tables[part].items())) for part in sorted(tables)}


def _vae_encoder(width: int, variant: Variant) -> Shapes:
    """The half of the VAE that turns points into latents; it is published with 2.1 and never read."""
    head = width // variant.vae_heads
    table: Shapes = {"pre_kl.weight": (128, width), "pre_kl.bias": (128,)}
    table |= _linear("encoder.input_proj", width, 51 + 4) | _linear("encoder.ln_post", width)
    for block in ("cross_attn", *(f"self_attn.resblocks.{number}" for number in range(8))):
        prefix = f"encoder.{block}"
        cross = block == "cross_attn"
        maps = {"c_q": width, "c_kv": 2 * width} if cross else {"c_qkv": 3 * width}
        table |= {f"{prefix}.attn.{key}.weight": (rows, width) for key, rows in maps.items()}
        table |= _linear(f"{prefix}.attn.c_proj", width, width)
        for norm in ("q_norm", "k_norm"):
            table |= _linear(f"{prefix}.attn.attention.{norm}", head)
        for norm in ("ln_1", "ln_2", "ln_3")[: 3 if cross else 2]:
            table |= _linear(f"{prefix}.{norm}", width)
        table |= _linear(f"{prefix}.mlp.c_fc", 4 * width, width) | _linear(f"{prefix}.mlp.c_proj", width, 4 * width)
    return table


def _linear(name: str, rows: int, *columns: int) -> Shapes:
    return {f"{name}.weight": (rows, *columns), f"{name}.bias": (rows,)}


def parameters(name: str) -> dict[str, int]:
    """How many numbers each part of the file has."""
    return {part: sum(torch.Size(shape).numel() for shape in table.values()) for part, table in shapes(name).items()}


def header(name: str, dtype: torch.dtype = torch.float16) -> bytes:
    """The first bytes of a safetensors file, padded to a multiple of eight as its format wants."""
    entries, start = {}, 0
    for key, shape in _flat(name):
        end = start + torch.Size(shape).numel() * dtype.itemsize
        entries[key] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def safetensors_size(name: str, dtype: torch.dtype = torch.float16) -> int:
    """The exact length of the file in bytes."""
    return len(header(name, dtype)) + sum(parameters(name).values()) * dtype.itemsize


def _flat(name: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part, table in shapes(name).items():
        for key, shape in table.items():
            yield (f"{part}.{key}" if part else key), shape


def write(root: Path, name: str, *, seed: int = 0, dtype: torch.dtype = torch.float16) -> Path:
    """A folder with random weights under `root`; one that is there already, with this seed and type, is kept."""
    folder = Path(root, *place(name))
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ("model.fp16.ckpt" if VARIANTS[name].plain else "model.fp16.safetensors")
    made = folder / "made.json"
    facts = json.dumps({"configuration": configuration(name), "seed": seed, "dtype": _NAMES[dtype]})
    if made.is_file() and made.read_text(encoding="utf-8") == facts:
        return folder
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(name), sort_keys=False), encoding="utf-8")
    partial = folder / f"{file.name}.incomplete"
    (_write_pickle if VARIANTS[name].plain else _write_safetensors)(partial, name, seed, dtype)
    partial.replace(file)
    made.write_text(facts, encoding="utf-8")
    return folder


def _write_safetensors(path: Path, name: str, seed: int, dtype: torch.dtype) -> None:
    with path.open("wb") as stream:
        stream.write(header(name, dtype))
        for key, shape in _flat(name):
            value = _fill(torch.empty(shape, dtype=dtype), key, seed)
            stream.write(value.flatten().view(torch.uint8).numpy().data)


def _write_pickle(path: Path, name: str, seed: int, dtype: torch.dtype) -> None:
    """Write the archive without its data, then fill it through a shared mapping: nothing is held twice."""
    tables = shapes(name)
    with FakeTensorMode():
        content = {
            part: {key: torch.empty(shape, dtype=dtype) for key, shape in table.items()}
            for part, table in tables.items()
        }
    with skip_data(materialize_fake_tensors=True):
        torch.save(content.get("", content), path)
    with set_default_mmap_options(mmap.MAP_SHARED):
        stored = torch.load(path, mmap=True, weights_only=True)
    for part in tables:
        for key, value in (stored[part] if part else stored).items():
            _fill(value, f"{part}.{key}", seed)


def _fill(value: Tensor, key: str, seed: int) -> Tensor:
    """Norms and layer scales near 1, biases 0 and everything else with a small deviation, the same for each key."""
    if value.dim() == 1:
        return value.fill_(0.0 if key.endswith("bias") else 1.0)
    return value.normal_(std=_STD, generator=torch.Generator().manual_seed(zlib.crc32(f"{seed} {key}".encode())))


def main() -> None:
    """Write the variants that are named."""
    for name in sys.argv[2:]:
        print(write(Path(sys.argv[1]), name))


if __name__ == "__main__":
    main()
