"""Weights arrive where they belong, in little memory; every bad file is one clear error."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the extra `ml` is not installed")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from orfeas.errors import CheckpointError  # noqa: E402
from orfeas.gpu.hunyuan3d import checkpoint, weights  # noqa: E402
from orfeas.gpu.hunyuan3d.conditioner import ImageEncoder  # noqa: E402
from orfeas.gpu.hunyuan3d.config import read_pipeline  # noqa: E402
from tests.gpu.hunyuan3d import memory_probe  # noqa: E402
from tests.gpu.hunyuan3d.golden import BASE, MODELS, V21  # noqa: E402

SAFETENSORS, CKPT = "model.fp16.safetensors", "model.fp16.ckpt"
REPO, SUBFOLDER = "owner/repo", "model"
PARTS = ("model", "vae", "conditioner")


class Tiny(nn.Module):
    """Parameters of several shapes, a buffer and a scalar."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(5, 3) for _ in range(3))
        self.norm = nn.LayerNorm(3)
        self.temperature = nn.Parameter(torch.zeros(()))
        self.register_buffer("table", torch.zeros(2, 2))


def seeded(dtype: Any = torch.float16) -> dict[str, dict[str, Any]]:
    torch.manual_seed(1)
    return {part: {key: torch.randn(v.shape).to(dtype) for key, v in Tiny().state_dict().items()} for part in PARTS}


def store(root: Path, tables: dict[str, dict[str, Any]], name: str = SAFETENSORS) -> Path:
    folder = root / REPO / SUBFOLDER
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text("model: {}\n")
    if name.endswith("ckpt"):
        torch.save(tables, folder / name)
    else:
        save_file({f"{part}.{key}": v for part, table in tables.items() for key, v in table.items()}, folder / name)
    return folder


def load(folder: Path, part: str | None = "model", dtype: Any = torch.float32, module: Any = None) -> Any:
    with torch.device("meta"):
        module = module or Tiny()
    checkpoint.load_part(folder, part, module, device="cpu", dtype=dtype)
    return module


def refusal(root: Path, part: str | None = "model") -> str | None:
    """Why a checkpoint is not taken; None if it is, and then its weights can be used."""
    try:
        module = load(checkpoint.find(root, REPO, SUBFOLDER), part)
    except CheckpointError as error:
        return error.detail
    assert all(p.device.type == "cpu" and p.float().sum() is not None for p in module.parameters())
    return None


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("stored", [torch.float16, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_every_part_gets_its_own_weights(name: str, stored: Any, dtype: Any, tmp_path: Path) -> None:
    tables = seeded(stored)
    folder = store(tmp_path, tables, name)
    for part in PARTS:
        module = load(folder, part, dtype)
        for key, value in module.state_dict().items():
            assert value.dtype == dtype
            assert torch.equal(value, tables[part][key].to(dtype))
        assert not module.training
        assert not any(parameter.requires_grad for parameter in module.parameters())
        assert dict(module.named_buffers()).keys() == {"table"}


@pytest.mark.parametrize("folder", [BASE, V21])
def test_the_recorded_checkpoints_fill_an_encoder(folder: tuple[str, str]) -> None:
    found = checkpoint.find(MODELS, *folder)
    with torch.device("meta"):
        encoder = ImageEncoder(read_pipeline(found).encoder)
    checkpoint.load_part(found, "conditioner", encoder, device="cpu", dtype=torch.float16)
    assert all(value.abs().sum() > 0 for key, value in encoder.named_parameters() if not key.endswith("mask_token"))


def test_the_files_are_preferred_in_their_order(tmp_path: Path) -> None:
    names = ("model.ckpt", "model.fp16.ckpt", "model.safetensors", "model.fp16.safetensors")
    for number, name in enumerate(names):
        tables = seeded()
        for table in tables.values():
            table["temperature"] = torch.tensor(float(number))
        folder = store(tmp_path, tables, name)
        assert load(folder).temperature.item() == number


def test_a_file_may_mix_types_and_leave_them_unaligned(tmp_path: Path) -> None:
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "bias": {"dtype": "F16", "shape": [3], "data_offsets": [0, 6]},
            "weight": {"dtype": "F32", "shape": [3, 1], "data_offsets": [6, 18]},
        }
    ).encode()
    data = torch.tensor([1.0, 2, 3]).half().numpy().tobytes() + torch.tensor([4.0, 5, 6]).numpy().tobytes()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + data)
    with torch.device("meta"):
        linear = nn.Linear(1, 3)
    assert load(tmp_path, None, torch.float32, linear)(torch.ones(1)).tolist() == [5, 7, 9]


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
@pytest.mark.parametrize("part", ["vae", None])
def test_a_vae_may_bring_its_encoder_which_is_not_read(name: str, part: str | None, tmp_path: Path) -> None:
    table = {**seeded()["vae"], "encoder.a.weight": torch.ones(9), "pre_kl.bias": torch.ones(2)}
    folder = tmp_path / "vae"
    folder.mkdir()
    if name == CKPT:
        torch.save({"vae": table} if part else table, folder / name)
    else:
        save_file({f"{part}.{key}" if part else key: value for key, value in table.items()}, folder / name)
    assert torch.equal(load(folder, part).norm.weight, table["norm.weight"].float())


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
@pytest.mark.parametrize("part", ["model", "conditioner"])
def test_other_parts_may_not_bring_anything_else(name: str, part: str, tmp_path: Path) -> None:
    tables = seeded()
    tables[part]["encoder.a.weight"] = torch.ones(9)
    with pytest.raises(CheckpointError, match=r"1 unexpected: encoder\.a\.weight"):
        load(store(tmp_path, tables, name), part)


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_all_differences_are_named_in_one_error(name: str, tmp_path: Path) -> None:
    tables = seeded()
    table = tables["model"]
    del table["norm.weight"], table["blocks.1.bias"]
    table.update({f"extra.{number}": torch.ones(1) for number in range(20)})
    table["blocks.0.weight"] = torch.ones(5, 3)
    with pytest.raises(CheckpointError) as error:
        load(store(tmp_path, tables, name))
    detail = error.value.detail
    assert f"{SUBFOLDER}/{name} does not fit its config.yaml." in detail
    assert "2 missing: blocks.1.bias, norm.weight" in detail
    assert "20 unexpected: extra.0, " in detail
    assert "and 12 more" in detail
    assert "1 misshapen: blocks.0.weight (5x3 instead of 3x5)" in detail


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_a_part_that_is_absent_is_named_with_those_that_are_there(name: str, tmp_path: Path) -> None:
    tables = seeded()
    del tables["conditioner"]
    with pytest.raises(CheckpointError, match="holds nothing for 'conditioner', only model, vae"):
        load(store(tmp_path, tables, name), "conditioner")


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_weights_of_another_type_are_refused(name: str, tmp_path: Path) -> None:
    tables = seeded()
    tables["model"]["norm.weight"] = torch.ones(3, dtype=torch.int64)
    with pytest.raises(CheckpointError, match=r"norm\.weight' as (I64|torch\.int64); weights are"):
        load(store(tmp_path, tables, name))


class Outer(nn.Module):
    """Fuses itself after the modules inside it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.gate = Inner(), Inner(), nn.Linear(2, 2)

    def fuse(self) -> None:
        self.all = nn.Parameter(torch.cat([self.first.stacked, self.second.stacked]), requires_grad=False)
        del self.first, self.second


class Inner(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)

    def fuse(self) -> None:
        self.stacked = nn.Parameter(torch.stack([self.a.weight, self.b.weight]), requires_grad=False)
        del self.a, self.b


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
@pytest.mark.parametrize("nested", [False, True])
def test_modules_are_fused_innermost_first(nested: bool, name: str, dtype: Any, tmp_path: Path) -> None:
    with torch.device("meta"):
        module = nn.ModuleDict({"one": Outer(), "plain": nn.Linear(2, 1)}) if nested else Outer()
    table = {key: torch.randn(value.shape).half() for key, value in module.state_dict().items()}
    folder = store(tmp_path, {"model": table}, name)
    load(folder, "model", dtype, module)
    fused = module["one"] if isinstance(module, nn.ModuleDict) else module
    prefix = "one." if nested else ""
    order = [f"{prefix}{half}.{side}.weight" for half in ("first", "second") for side in ("a", "b")]
    assert torch.equal(fused.all, torch.stack([table[key].to(dtype) for key in order]))
    assert torch.equal(fused.gate.weight, table[f"{prefix}gate.weight"].to(dtype))
    assert set(fused.state_dict()) == {"all", "gate.weight", "gate.bias"}


def test_weights_do_not_change_the_file_and_outlive_it(tmp_path: Path) -> None:
    folder = store(tmp_path, seeded())
    before = (folder / SAFETENSORS).read_bytes()
    module = load(folder, "model", torch.float16)
    other = load(folder, "model", torch.float16)
    module.norm.weight.fill_(7)
    assert (folder / SAFETENSORS).read_bytes() == before
    assert torch.equal(other.norm.weight, seeded()["model"]["norm.weight"])
    (folder / SAFETENSORS).unlink()
    assert torch.equal(other.norm.weight, seeded()["model"]["norm.weight"])


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_threads_load_at_the_same_time(name: str, tmp_path: Path) -> None:
    folder, tables, done = store(tmp_path, seeded(), name), seeded(), []

    def work(part: str) -> None:
        module = load(folder, part)
        done.append(all(torch.equal(v, tables[part][k].float()) for k, v in module.state_dict().items()))

    threads = [threading.Thread(target=work, args=(part,)) for part in PARTS * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [True] * 9


@pytest.mark.parametrize("repo", ["..", "../x", "/etc", "a/../b", "a//b", "", ".", "a\\b", "a\0b", "a b", "C:/x", "a/"])
def test_names_cannot_leave_the_folder_of_models(repo: str, tmp_path: Path) -> None:
    for names in ((repo, "model"), ("owner/repo", repo)):
        with pytest.raises(CheckpointError, match="is not the name of a model's folder"):
            checkpoint.find(tmp_path, *names)


def test_half_finished_downloads_say_what_to_do(tmp_path: Path) -> None:
    assert "is not in the folder of models" in str(refusal(tmp_path))
    folder = store(tmp_path, seeded())
    good = (folder / SAFETENSORS).read_bytes()
    assert refusal(tmp_path) is None

    (folder / SAFETENSORS).rename(folder / f"{SAFETENSORS}.incomplete")
    assert "The download has not finished" in str(refusal(tmp_path))
    (folder / f"{SAFETENSORS}.incomplete").unlink()
    assert "has none of model.fp16.safetensors, " in str(refusal(tmp_path))

    cache = tmp_path / REPO / ".cache/huggingface/download" / SUBFOLDER
    cache.mkdir(parents=True)
    (cache / "abc.incomplete").touch()
    assert "The download has not finished" in str(refusal(tmp_path))

    (folder / SAFETENSORS).touch()
    assert "is empty" in str(refusal(tmp_path))
    (folder / SAFETENSORS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n")
    assert "is a pointer of Git LFS" in str(refusal(tmp_path))
    (folder / SAFETENSORS).write_bytes(bytes(len(good)))
    assert "is damaged" in str(refusal(tmp_path))
    (folder / SAFETENSORS).write_bytes(good[:-1])
    assert f"has {len(good) - 1:,} bytes, its header says {len(good):,}" in str(refusal(tmp_path))
    (folder / SAFETENSORS).write_bytes(good)
    (folder / "config.yaml").unlink()
    assert "has no config.yaml" in str(refusal(tmp_path))


def test_files_that_cannot_be_opened_are_a_clear_error(tmp_path: Path) -> None:
    folder = store(tmp_path, seeded())
    if os.geteuid():
        (folder / SAFETENSORS).chmod(0)
        assert "cannot be read: Permission denied" in str(refusal(tmp_path))
    with pytest.raises(CheckpointError, match="has none of"):
        load(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be read: Is a directory"):
        weights.open_weights(folder)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"null",
        b'"text"',
        b"{" * 5000,
        b"[" * 200_000,
        b'{"a": 1}',
        b'{"a": {}}',
        b'{"a": {"dtype": "F16", "shape": [-1], "data_offsets": [0, 2]}}',
        b'{"a": {"dtype": "F16", "shape": [1.0], "data_offsets": [0, 2]}}',
        b'{"a": {"dtype": "F16", "shape": [true], "data_offsets": [0, 2]}}',
        b'{"a": {"dtype": ["F16"], "shape": [1], "data_offsets": [0, 2]}}',
        b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2, 4]}}',
        b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [2, 4]}}',
        b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [2, 0]}}',
        b'{"a": {"dtype": "F16", "shape": [4611686018427387904, 4], "data_offsets": [0, 0]}}',
        b'{"a": {"dtype": "F16", "shape": [1' + b"0" * 5000 + b'], "data_offsets": [0, 2]}}',
        b'{"a": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}}',
        b'{"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}'.replace(b"}}", b'}, "b": {}}'),
        b'{"a": %s, "b": %s}' % ((b'{"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}',) * 2),
        b'{"\xff": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}',
        b'{"__metadata__": 3}',
    ],
    ids=range(22),
)
def test_headers_that_say_nonsense_are_one_clear_error(header: bytes, tmp_path: Path) -> None:
    folder = store(tmp_path, seeded())
    (folder / SAFETENSORS).write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0")
    assert f"{SUBFOLDER}/{SAFETENSORS}" in str(refusal(tmp_path))


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 2**32, 10**8 + 1, 3000])
def test_a_header_longer_than_the_file_is_one_clear_error(length: int, tmp_path: Path) -> None:
    folder = store(tmp_path, seeded())
    (folder / SAFETENSORS).write_bytes(struct.pack("<Q", length) + b"{}" * 20)
    assert "ends in its header" in str(refusal(tmp_path))


class Attack:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/hunyuan3d-attack",)


@pytest.mark.parametrize(
    "content",
    [
        Attack(),
        {"model": Attack()},
        {"model": {"norm.weight": "text"}},
        {"model": {3: torch.ones(1)}},
        {"model": {"a": torch.eye(3).to_sparse()}},
        {"model": {"a": torch.ones(2, device="meta")}},
        {"model": [torch.ones(1)]},
        {"model": {}},
        {},
        [1, 2],
        None,
        torch.ones(3),
        nn.Linear(2, 2),
    ],
    ids=range(13),
)
def test_pickles_of_anything_else_are_one_clear_error(content: Any, tmp_path: Path) -> None:
    folder = store(tmp_path, seeded(), CKPT)
    torch.save(content, folder / CKPT)
    assert f"{SUBFOLDER}/{CKPT}" in str(refusal(tmp_path))
    (folder / CKPT).write_bytes(pickle.dumps({"model": 1}))
    assert "is not a complete archive" in str(refusal(tmp_path))
    assert not Path("/tmp/hunyuan3d-attack").exists()


def test_archives_that_torch_never_writes_are_one_clear_error(tmp_path: Path) -> None:
    folder = store(tmp_path, seeded(), CKPT)
    with zipfile.ZipFile(folder / CKPT) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / CKPT, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    assert "has compressed records" in str(refusal(tmp_path))
    torch.save({"model": seeded()["model"]}, folder / CKPT, _use_new_zipfile_serialization=False)
    assert "is not a complete archive" in str(refusal(tmp_path))
    with zipfile.ZipFile(folder / CKPT, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    assert "is damaged" in str(refusal(tmp_path))
    with zipfile.ZipFile(folder / CKPT, "w") as archive:
        for name, content in records.items():
            if "/data/" not in name:
                archive.writestr(name, content)
    assert "is damaged" in str(refusal(tmp_path))


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_a_file_cut_anywhere_is_one_clear_error(name: str, tmp_path: Path) -> None:
    folder = store(tmp_path, seeded(), name)
    good = (folder / name).read_bytes()
    for length in [*range(0, len(good), 37), *range(len(good) - 30, len(good))]:
        (folder / name).write_bytes(good[:length])
        assert f"{SUBFOLDER}/{name}" in str(refusal(tmp_path)), length


@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
@limits(deadline=None, max_examples=150)
@given(data=st.data())
def test_damaged_bytes_load_or_are_one_clear_error(name: str, data: st.DataObject, tmp_path_factory: Any) -> None:
    root = tmp_path_factory.mktemp("damaged")
    folder = store(root, seeded(), name)
    content = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        removed = data.draw(st.integers(0, 20))
        content[place : place + removed] = data.draw(st.binary(max_size=20))
    (folder / name).write_bytes(content)
    detail = refusal(root)
    assert detail is None or (f"{SUBFOLDER}/{name}" in detail and len(detail) < 2000)
    shutil.rmtree(root)


def probed(root: Path, name: str, blocks: int, width: int, jobs: list[str]) -> list[dict[str, Any]]:
    """What `memory_probe.py` measures with a file of random weights in half precision."""
    for folder, count, size in (("large", blocks, width), ("small", 1, 8)):
        table = memory_probe.model(count, size, fused=False).half().state_dict()
        (root / folder).mkdir()
        if name == CKPT:
            torch.save({"model": table}, root / folder / name)
        else:
            save_file({f"model.{key}": value for key, value in table.items()}, root / folder / name)
    command = [sys.executable, memory_probe.__file__, str(root / "large"), str(blocks), str(width), *jobs]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": "."})
    return [json.loads(line) for line in done.stdout.splitlines()]


JOBS = ["float16:plain", "float32:plain", "float16:fused", "float32:fused"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_loading_needs_little_more_memory_than_the_weights(name: str, tmp_path: Path) -> None:
    results = probed(tmp_path, name, blocks=24, width=1024, jobs=JOBS)
    assert [result["job"] for result in results] == JOBS
    for result in results:
        assert result["bytes"] > 95_000_000
        assert 0.95 < result["peak"] < 1.15, result
        assert result["after"] < 1.08, result


@pytest.mark.soak
@pytest.mark.parametrize("name", [SAFETENSORS, CKPT])
def test_loading_a_large_file_needs_little_more_memory_than_the_weights(name: str, tmp_path: Path) -> None:
    for result in probed(tmp_path, name, blocks=24, width=2896, jobs=JOBS):
        assert result["bytes"] > 800_000_000
        assert 0.95 < result["peak"] < 1.15, result
