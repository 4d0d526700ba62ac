"""The text-to-image model that is set: where its folder is, whether it can be used, and what its files are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from orfeas.config import Config
from orfeas.errors import ModelUnavailableError
from orfeas.jobs.devices import DeviceFacts
from orfeas.services.plans import EMBEDDED_ENGINE, PictureModel

INDEX = "model_index.json"
NONE_SET = "No text-to-image model is set (ORFEAS_TEXT_TO_IMAGE_MODEL)."
SETTING = "ORFEAS_TEXT_TO_IMAGE_MODEL"
DEEPEST = 3
"""Folders below the model folder in which an id is looked for: `<owner>/<repository>/<sub-folder>`."""
INSTALL_LATER_S = 300


class PictureModels:
    """Find the diffusers folder that makes pictures of sentences.

    Parameters
    ----------
    device
        The device that models run on, or None with the reason.
    """

    def __init__(self, config: Config, device: Callable[[], tuple[DeviceFacts | None, str]]) -> None:
        self._config, self._device = config, device

    @property
    def wanted(self) -> str | None:
        """What is set; nothing where the server is told to use no models."""
        return None if self._config.engine == EMBEDDED_ENGINE else self._config.text_to_image_model

    def why_not(self) -> str | None:
        """Why pictures are not made by a model; None where they are."""
        if self.wanted is None:
            return NONE_SET
        if self._folder() is None:
            return f"{SETTING} names no folder with a {INDEX} and no folder of that name below ORFEAS_MODEL_DIR."
        if find_spec("torch") is None or find_spec("diffusers") is None:
            return "The packages torch and diffusers are needed: 'make install-ml' brings them."
        device, reason = self._device()
        return reason if device is None else None

    def reference(self) -> PictureModel | None:
        """The model as a run uses it, in full precision on a processor; None where none is set.

        Raises
        ------
        ModelUnavailableError
            One is set and cannot be used.
        """
        if self.wanted is None:
            return None
        why_not, (device, _), folder = self.why_not(), self._device(), self._folder()
        if why_not is not None or device is None or folder is None:
            detail = f"{why_not} Unset {SETTING} to have pictures of the solids that a prompt describes."
            raise ModelUnavailableError(detail, missing=[INDEX], retry_after=INSTALL_LATER_S)
        return PictureModel(
            id=folder.name,
            place=str(folder),
            digest=digest_of(folder),
            precision="float32" if device.kind == "cpu" else "float16",
        )

    def _folder(self) -> Path | None:
        named = self.wanted or ""
        root = self._config.model_dir
        candidates = [Path(named).expanduser(), root / named]
        if "/" not in named:
            candidates += [path for depth in range(1, DEEPEST) for path in sorted(root.glob(f"{'*/' * depth}{named}"))]
        return next((path.resolve() for path in candidates if (path / INDEX).is_file()), None)


def digest_of(folder: Path) -> str:
    """A name for the files of a folder as they are now.

    SHA-256 over the text of the index and the names, sizes and times of change of all configurations and weights: to
    read gigabytes would hold up a request.
    """
    digest = hashlib.sha256((folder / INDEX).read_bytes())
    files = [path for kind in ("safetensors", "json", "txt", "model") for path in folder.glob(f"*/*.{kind}")]
    for path in sorted(files):
        shown = path.stat()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{shown.st_size}\0{shown.st_mtime_ns}\n".encode())
    return f"files:{digest.hexdigest()}"
