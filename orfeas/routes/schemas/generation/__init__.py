"""Schemas of the generation category: requests of both surfaces, and answers."""

from orfeas.routes.schemas.generation.answers import (
    Base64FileSchema,
    BatchStartedSchema,
    BatchStatusSchema,
    EstimateSchema,
    FormatsSchema,
    GenerationStartedSchema,
    JobRecordSchema,
    UploadedSchema,
)
from orfeas.routes.schemas.generation.requests import (
    BatchGenerateSchema,
    GenerateFromImageSchema,
    GenerateSchema,
    ImageOrFileUploadSchema,
    ImageUploadSchema,
    options_from,
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
    "JobRecordSchema",
    "UploadedSchema",
    "options_from",
    "v1_options",
]
