"""Generations and the files they leave."""

from orfeas.services.generation.downloads import StoredFile
from orfeas.services.generation.files import GenerationFiles, Wait
from orfeas.services.generation.options import Options, options_of
from orfeas.services.generation.pictures import PictureOptions, PictureService
from orfeas.services.generation.records import record
from orfeas.services.generation.service import GenerationService, Images, Started, Upload, stored_name

__all__ = [
    "GenerationFiles",
    "GenerationService",
    "Images",
    "Options",
    "PictureOptions",
    "PictureService",
    "Started",
    "StoredFile",
    "Upload",
    "Wait",
    "options_of",
    "record",
    "stored_name",
]
