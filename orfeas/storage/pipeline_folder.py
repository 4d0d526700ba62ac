"""Folders of models of other makes than the catalogue's: where one is, and what its files are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

PIPELINE, CONFIG, PREPROCESSOR = "model_index.json", "config.json", "preprocessor_config.json"
"""What says what a folder holds: a pipeline of diffusers, a network of transformers, how its pictures are prepared."""
GRAPHS = ("model.onnx", "onnx/model.onnx")
"""Where the graph of a folder with several is."""
WEIGHTS = ("safetensors", "onnx", "onnx_data", "data")
"""Names' ends of files of weights; the last two are those that a graph keeps beside it."""
COUNTED = (*WEIGHTS, "json", "txt", "model")
DEEPEST = 3
"""Folders below the model folder in which an id is looked for: `<owner>/<repository>/<sub-folder>`."""


def find(named: str, model_dir: Path, fits: Callable[[Path], bool]) -> Path | None:
    """The folder of a path, or of a name below the model folder, that fits."""
    candidates = [Path(named).expanduser(), model_dir / named]
    if "/" not in named:
        candidates += [path for depth in range(1, DEEPEST) for path in sorted(model_dir.glob(f"{'*/' * depth}{named}"))]
    return next((path.resolve() for path in candidates if fits(path)), None)


def has_pipeline(folder: Path) -> bool:
    """Whether diffusers wrote it."""
    return (folder / PIPELINE).is_file()


def has_network(folder: Path) -> bool:
    """Whether it holds one network, as a graph or as transformers writes it."""
    return graph_of(folder) is not None or (folder / CONFIG).is_file()


def graph_of(folder: Path) -> Path | None:
    """The ONNX graph of a folder: the one of the usual name, or the only one."""
    named = next((folder / name for name in GRAPHS if (folder / name).is_file()), None)
    found = [*folder.glob("*.onnx")]
    return named or (found[0] if len(found) == 1 else None)


def digest_of(folder: Path) -> str:
    """A name for the files of a folder as they are now.

    SHA-256 over the names, sizes and times of change of all configurations and weights: to read gigabytes would hold up
    a request.
    """
    digest = hashlib.sha256()
    for path in sorted({path for kind in COUNTED for way in ("", "*/") for path in folder.glob(f"{way}*.{kind}")}):
        if not path.is_file():  # a link to what is gone, as half a download leaves it
            continue
        shown = path.stat()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{shown.st_size}\0{shown.st_mtime_ns}\n".encode())
    return f"files:{digest.hexdigest()}"
