"""Images from outside, made safe with Pillow; the one part of image work that the web process does."""

from orfeas.imaging.clean import FAMILIES, CleanImage, clean_upload, load_rgba, thumbnail

__all__ = ["FAMILIES", "CleanImage", "clean_upload", "load_rgba", "thumbnail"]
