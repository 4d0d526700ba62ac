"""Schemas of the generation category: requests of both surfaces, and answers."""

from orfeas.routes.schemas.generation.answers import (
    Base64FileSchema,
    BatchStartedSchema,
    BatchStatusSchema,
    EstimateSchema,
    FormatsSchema,
    GenerationStartedSchema,
    JobRecordSchema,
    PictureStartedSchema,
    UltraStartedSchema,
    UploadedSchema,
)
from orfeas.routes.schemas.generation.requests import (
    BatchGenerateSchema,
    GenerateFromImageSchema,
    GenerateSchema,
    ImageOrFileUploadSchema,
    ImagesSchema,
    ImageUploadSchema,
    TextToImageSchema,
    UltraGenerateSchema,
    options_from,
    picture_options,
)
from orfeas.routes.schemas.generation.v1 import GenerationSchema, v1_options

__all__ = [
    "Base64FileSchema",
    "BatchGenerateSchema",
    "BatchStartedSchema",
    "BatchStatusSchema",
    "EstimateSchema",
    "FormatsSchema",
    "GenerateFromImageSchema",
    "GenerateSchema",
    "GenerationSchema",
    "GenerationStartedSchema",
    "ImageOrFileUploadSchema",
    "ImageUploadSchema",
    "ImagesSchema",
    "JobRecordSchema",
    "PictureStartedSchema",
    "TextToImageSchema",
    "UltraGenerateSchema",
    "UltraStartedSchema",
    "UploadedSchema",
    "options_from",
    "picture_options",
    "v1_options",
]
