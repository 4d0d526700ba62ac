"""Models: which there are, which are installed, under which terms; bring, check, remove, load and unload them."""

from __future__ import annotations

from orfeas.services.models.service import ModelService
from orfeas.services.models.views import Model, ModelFile, State
from orfeas.storage.model_rows import Acknowledgement

__all__ = ["Acknowledgement", "Model", "ModelFile", "ModelService", "State"]
