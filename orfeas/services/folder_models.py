"""Models that are set by a folder, for pictures of sentences and for backgrounds: where they are, what they lack."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from orfeas.config import Config
from orfeas.errors import ModelUnavailableError
from orfeas.jobs.devices import DeviceFacts
from orfeas.services.plans import EMBEDDED_ENGINE, FolderModel
from orfeas.storage.pipeline_folder import CONFIG, PIPELINE, digest_of, find, graph_of, has_network, has_pipeline

INSTALL_LATER_S = 300
SEGMENTATION = "ForSemanticSegmentation"
"""How the names of the networks end that transformers loads for this, without code of the folder's own."""


class FolderModels(ABC):
    """Find the folder of one setting.

    Parameters
    ----------
    device
        The device that models run on, or None with the reason.
    """

    setting: ClassVar[str]
    purpose: ClassVar[str]

    def __init__(self, config: Config, device: Callable[[], tuple[DeviceFacts | None, str]]) -> None:
        self._config, self._device = config, device

    @property
    def wanted(self) -> str | None:
        """What is set; nothing where the server is told to use no models."""
        return None if self._config.engine == EMBEDDED_ENGINE else self._named

    def why_not(self) -> str | None:
        """Why no model does this here; None where one does."""
        if self.wanted is None:
            return f"No {self.purpose} model is set ({self.setting})."
        folder = self._folder()
        if folder is None:
            return f"{self.setting} names no {self._shape} and none of that name below ORFEAS_MODEL_DIR."
        lacking = self._lacking(folder)
        if lacking is not None:
            return lacking
        device, reason = self._device()
        return reason if device is None else None

    def usable(self) -> FolderModel | None:
        """The model as a run uses it, in full precision on a processor; None where there is none to be used."""
        folder = self._folder()
        if folder is None or self.why_not() is not None:
            return None
        device, _ = self._device()
        if device is None:
            return None
        precision = "float32" if device.kind == "cpu" else "float16"
        return FolderModel(id=folder.name, place=str(folder), digest=digest_of(folder), precision=precision)

    @property
    @abstractmethod
    def _named(self) -> str | None:
        """The value of the setting."""

    @property
    @abstractmethod
    def _shape(self) -> str:
        """What a folder has to be, in words."""

    @abstractmethod
    def _fits(self, folder: Path) -> bool:
        """Whether a folder is that."""

    @abstractmethod
    def _lacking(self, folder: Path) -> str | None:
        """What keeps it from being loaded, as far as that is seen from outside."""

    def _folder(self) -> Path | None:
        return find(self.wanted, self._config.model_dir, self._fits) if self.wanted else None


class PictureModels(FolderModels):
    """The diffusers folder that makes pictures of sentences."""

    setting, purpose = "ORFEAS_TEXT_TO_IMAGE_MODEL", "text-to-image"
    _shape = f"folder with a {PIPELINE}"

    def reference(self) -> FolderModel | None:
        """The model; None where none is set.

        Raises
        ------
        ModelUnavailableError
            One is set and cannot be used.
        """
        found = self.usable()
        if found is None and self.wanted is not None:
            detail = f"{self.why_not()} Unset {self.setting} to have pictures of the solids that a prompt describes."
            raise ModelUnavailableError(detail, missing=[PIPELINE], retry_after=INSTALL_LATER_S)
        return found

    @property
    def _named(self) -> str | None:
        return self._config.text_to_image_model

    def _fits(self, folder: Path) -> bool:
        return has_pipeline(folder)

    def _lacking(self, folder: Path) -> str | None:
        return _packages("torch", "diffusers")


class BackgroundModels(FolderModels):
    """The folder of the network that tells subjects from their backgrounds."""

    setting, purpose = "ORFEAS_BACKGROUND_MODEL", "background removal"
    _shape = f"folder with an ONNX graph or a {CONFIG} of transformers"

    def instead(self) -> str | None:
        """What is said where one is set and another way is taken; None where what is set is done."""
        reason = self.why_not() if self.wanted is not None else None
        return f"The background was removed without the model of {self.setting}: {reason}" if reason else None

    @property
    def _named(self) -> str | None:
        return self._config.background_model

    def _fits(self, folder: Path) -> bool:
        return has_network(folder)

    def _lacking(self, folder: Path) -> str | None:
        if graph_of(folder) is not None:
            return _packages("torch", "onnxruntime")
        return _not_segmenting(folder) or _packages("torch", "transformers")


def _packages(*names: str) -> str | None:
    missing = [name for name in names if find_spec(name) is None]
    extra = "make install-onnx" if missing == ["onnxruntime"] else "make install-ml"
    return f"Missing packages: {', '.join(missing)}; '{extra}' brings them." if missing else None


def _not_segmenting(folder: Path) -> str | None:
    """Why the network of a folder is none that transformers loads to tell what belongs to the subject."""
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("architectures") or []
        if any(str(name).endswith(SEGMENTATION) for name in found):
            return None
    except (OSError, ValueError, AttributeError):
        return f"The {CONFIG} of {folder.name} cannot be read."
    shown = ", ".join(map(str, found))[:100] or "nothing"
    return (
        f"{folder.name} holds {shown}, which needs code of its own or serves another purpose: "
        f"use a network {SEGMENTATION[3:]} of transformers, or an ONNX graph."
    )
