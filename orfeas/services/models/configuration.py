"""What a checkpoint's `config.yaml` says about what it can do; nothing that it names is imported."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import yaml

from orfeas.domain.models import FOUR_VIEWS, Capabilities

DENOISERS = frozenset({"Hunyuan3DDiT", "HunYuanDiTPlain"})


@lru_cache(maxsize=64)
def read_capabilities(text: bytes | None) -> Capabilities | None:
    """The capabilities of a Hunyuan3D checkpoint; None for anything else."""
    try:
        config = yaml.safe_load(text or b"")
    except (yaml.YAMLError, ValueError, ArithmeticError, LookupError, AttributeError, RecursionError):
        return None
    if _last_part(_at(config, "target")) == "ShapeVAE":
        return Capabilities("decoder", views=())
    if _last_part(_at(config, "model", "target")) not in DENOISERS:
        return None
    encoder = _at(config, "conditioner", "params", "main_image_encoder", "type")
    scheduler = _last_part(_at(config, "scheduler", "target"))
    return Capabilities(
        "pipeline",
        views=FOUR_VIEWS if _last_part(encoder).endswith("MV") else ("front",),
        guidance_embedding=_at(config, "model", "params", "guidance_embed") is True,
        distilled=scheduler.startswith("Consistency"),
    )


def _at(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _last_part(name: Any) -> str:
    return name.rpartition(".")[2] if isinstance(name, str) else ""
