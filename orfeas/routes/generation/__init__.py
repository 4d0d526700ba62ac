"""Generation: pictures in, models out, on both surfaces."""

from orfeas.routes.generation import batches, downloads, v1, views
from orfeas.routes.generation.blueprint import blp

__all__ = ["batches", "blp", "downloads", "v1", "views"]
