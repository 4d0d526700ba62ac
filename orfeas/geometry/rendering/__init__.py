"""Pictures of models by ray casting, lit and shaded as three.js does; no OpenGL, no display."""

from __future__ import annotations

from orfeas.geometry.rendering.camera import Framing
from orfeas.geometry.rendering.looks import BARE, LOOKS, Look
from orfeas.geometry.rendering.studio import Studio, has_embree, render_model

__all__ = ["BARE", "LOOKS", "Framing", "Look", "Studio", "has_embree", "render_model"]
