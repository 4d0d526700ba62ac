"""Generation: pictures and sentences in, models out, on both surfaces."""

from orfeas.routes.generation import batches, downloads, pictures, v1, views
from orfeas.routes.generation.blueprint import blp

__all__ = ["batches", "blp", "downloads", "pictures", "v1", "views"]
