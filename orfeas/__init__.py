"""orfeas: a photo becomes a watertight, textured 3D model, over a REST API on your own machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orfeas.version import __version__

if TYPE_CHECKING:
    from orfeas.app import create_app

__all__ = ["__version__", "create_app"]


def __getattr__(name: str) -> Any:
    # Flask is imported only by those who serve: workers and the command line start without it.
    if name == "create_app":
        from orfeas.app import create_app

        return create_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
