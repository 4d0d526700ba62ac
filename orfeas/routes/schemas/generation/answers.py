"""Answers of the generation category."""

from __future__ import annotations

from marshmallow import Schema, fields

from orfeas.routes.schemas.common import Timestamp


class _Warned(Schema):
    warnings = fields.List(fields.String())


class ImageInfoSchema(Schema):
    """The stored picture."""

    size = fields.List(fields.Integer(), metadata={"description": "Width and height in pixels."})
    width = fields.Integer()
    height = fields.Integer()
    format = fields.String()
    mode = fields.String()
    has_transparency = fields.Boolean()
    file_size = fields.Integer(metadata={"description": "Bytes of the stored file."})


class UploadedSchema(_Warned):
    """A stored picture and the job it opened."""

    job_id = fields.String(required=True)
    filename = fields.String(required=True)
    original_filename = fields.String(required=True)
    preview_url = fields.String(required=True)
    image_url = fields.String(required=True)
    status = fields.String(required=True)
    asset_id = fields.String(required=True)
    image_info = fields.Nested(ImageInfoSchema, required=True)


class BoxSchema(Schema):
    """Millimetres along x, y and z."""

    width = fields.Float()
    height = fields.Float()
    depth = fields.Float()


class SettingsSchema(Schema):
    """What the engine uses; null where it has no such thing."""

    steps = fields.Integer(allow_none=True)
    octree_resolution = fields.Integer(allow_none=True)
    guidance_scale = fields.Float(allow_none=True)
    target_faces = fields.Integer(allow_none=True)
    seed = fields.Integer(allow_none=True)
    switches = fields.Dict(metadata={"description": "Of the profile, as they were for this run."})
    unavailable = fields.List(fields.Dict(), metadata={"description": "Switches that this machine lacks, with why."})


class _Asked(_Warned):
    format = fields.String()
    dimensions = fields.Nested(BoxSchema, allow_none=True)
    quality = fields.Integer(allow_none=True)
    engine = fields.String(allow_none=True)
    model = fields.String(allow_none=True)
    method = fields.String(allow_none=True)
    settings = fields.Nested(SettingsSchema)


class GenerationStartedSchema(_Asked):
    """A generation that was started, shared or found."""

    job_id = fields.String(required=True)
    status = fields.String(required=True)
    run = fields.Integer(required=True)
    queue_position = fields.Integer(allow_none=True)
    eta_seconds = fields.Float(allow_none=True)
    cached = fields.Boolean()
    joined = fields.Boolean()
    reused_mesh = fields.Boolean()


class PictureStartedSchema(_Warned):
    """A picture of a sentence that was started or found."""

    job_id = fields.String(required=True)
    status = fields.String(required=True)
    message = fields.String(required=True)
    engine = fields.String(required=True)
    cached = fields.Boolean()


class ImprovementsSchema(Schema):
    """What was measured of a profile; what has no measure is null."""

    speed = fields.Float(required=True, allow_none=True)
    accuracy = fields.Float(required=True, allow_none=True)
    security = fields.Float(required=True, allow_none=True)


class BasisSchema(Schema):
    """Runs that a measured speedup rests on."""

    runs = fields.Integer(required=True)
    reference_runs = fields.Integer(required=True)


class UltraAskedSchema(Schema):
    """The profile of a generation that was started."""

    enabled = fields.Boolean(required=True)
    profile = fields.String(required=True)
    settings = fields.Dict(required=True)
    measured_speedup = fields.Float(required=True, allow_none=True)
    basis = fields.Nested(BasisSchema, required=True)
    expected_improvements = fields.Nested(ImprovementsSchema, required=True)


class UltraStartedSchema(GenerationStartedSchema):
    """A generation that was started under a profile."""

    ultra_performance = fields.Nested(UltraAskedSchema, required=True)


class UltraMadeSchema(Schema):
    """The profile of a finished generation."""

    profile = fields.String(required=True)
    processing_time = fields.Float(required=True)
    algorithms_used = fields.List(fields.String(), required=True)
    measured_speedup = fields.Float(required=True, allow_none=True)


class QualityMetricsSchema(Schema):
    """What was measured on the written file."""

    overall_score = fields.Float(allow_none=True)
    quality_grade = fields.String(allow_none=True)
    printable = fields.Boolean(allow_none=True)
    is_watertight = fields.Boolean(allow_none=True)
    is_manifold = fields.Boolean(allow_none=True)
    face_count = fields.Integer(allow_none=True)
    vertex_count = fields.Integer(allow_none=True)
    body_count = fields.Integer(allow_none=True)
    extents_mm = fields.List(fields.Float(), allow_none=True)


class JobRecordSchema(_Asked):
    """The whole job; members of other states are absent."""

    job_id = fields.String(required=True)
    status = fields.String(required=True)
    state = fields.String(required=True)
    type = fields.String(required=True, allow_none=True)
    job_type = fields.String(required=True, allow_none=True)
    progress = fields.Integer(required=True)
    step = fields.String(required=True)
    message = fields.String(required=True)
    stage = fields.String(required=True, allow_none=True)
    created_at = Timestamp(required=True)
    updated_at = Timestamp(required=True)
    run = fields.Integer(required=True, allow_none=True)
    sequence = fields.Integer(required=True)
    queue_position = fields.Integer(allow_none=True)
    eta_seconds = fields.Float(allow_none=True)
    filename = fields.String()
    preview_url = fields.String()
    image_url = fields.String()
    prompt = fields.String()
    style = fields.String(allow_none=True)
    unrecognized_words = fields.List(fields.String(), metadata={"description": "Of the prompt, where there are any."})
    output_file = fields.String(allow_none=True)
    download_url = fields.String(allow_none=True)
    model_preview_url = fields.String(allow_none=True)
    processing_time = fields.Float()
    cached = fields.Boolean()
    quality_metrics = fields.Nested(QualityMetricsSchema, allow_none=True)
    degraded = fields.List(fields.Dict())
    ultra_performance = fields.Nested(UltraMadeSchema)
    analysis = fields.Dict(metadata={"description": "Of a mesh (job_type analyze)."})
    repair_report = fields.Dict()
    simplification_report = fields.Dict()
    optimization_report = fields.Dict()
    error = fields.String(allow_none=True)
    error_type = fields.String(allow_none=True)
    error_details = fields.Dict()
    problem = fields.Dict()


class Base64FileSchema(Schema):
    """A file as text."""

    status = fields.String(required=True)
    filename = fields.String(required=True)
    original_size = fields.Integer(required=True)
    encoded_size = fields.Integer(required=True)
    media_type = fields.String(required=True)
    data = fields.String(required=True)


class FormatDetailsSchema(Schema):
    """One mesh format."""

    format = fields.String(required=True)
    media_type = fields.String(required=True)
    available = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    colors = fields.Boolean(required=True)
    textures = fields.Boolean(required=True)
    units = fields.String(required=True)


class FormatsSchema(_Warned):
    """What can be read and written here."""

    formats = fields.List(fields.String(), required=True)
    input_formats = fields.List(fields.String(), required=True)
    details = fields.List(fields.Nested(FormatDetailsSchema), required=True)


class RejectedSchema(Schema):
    """A file that was refused."""

    index = fields.Integer(required=True)
    filename = fields.String(required=True)
    error = fields.String(required=True)


class BatchStartedSchema(_Warned):
    """A batch that was started; `job_ids` follows the request, null where a file was refused."""

    batch_id = fields.String(required=True)
    job_ids = fields.List(fields.String(allow_none=True), required=True)
    success = fields.Boolean()
    total_jobs = fields.Integer()
    accepted = fields.Integer()
    rejected = fields.List(fields.Nested(RejectedSchema))
    estimated_time_seconds = fields.Float(allow_none=True)
    message = fields.String()
    job_count = fields.Integer()
    status = fields.String()


class BatchStatusCountsSchema(Schema):
    """How many jobs are in each state."""

    queued = fields.Integer(required=True)
    processing = fields.Integer(required=True)
    completed = fields.Integer(required=True)
    failed = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)


class BatchJobSchema(Schema):
    """One job of a batch."""

    job_id = fields.String(required=True, allow_none=True)
    status = fields.String(required=True)
    progress = fields.Integer(required=True)
    download_url = fields.String()
    error = fields.String()


class BatchStatusSchema(_Warned):
    """A batch as it stands."""

    batch_id = fields.String(required=True)
    status = fields.String(required=True)
    total_jobs = fields.Integer(required=True)
    counts = fields.Nested(BatchStatusCountsSchema, required=True)
    progress = fields.Integer(required=True)
    jobs = fields.List(fields.Nested(BatchJobSchema), required=True)


class AlternativeSchema(Schema):
    """The same with one change."""

    change = fields.Dict(required=True)
    seconds = fields.Float(required=True, allow_none=True)
    vram_mb = fields.Integer(required=True, allow_none=True)
    fits = fields.Boolean(required=True)


class EstimateSchema(Schema):
    """What a generation would take; null where nothing was measured yet."""

    fits = fields.Boolean(required=True)
    engine = fields.String(required=True)
    model = fields.String(required=True, allow_none=True)
    settings = fields.Nested(SettingsSchema, required=True)
    seconds = fields.Float(required=True, allow_none=True)
    queue_wait_seconds = fields.Float(required=True, allow_none=True)
    vram_mb = fields.Integer(required=True, allow_none=True)
    disk_bytes = fields.Integer(required=True, allow_none=True)
    basis = fields.String(required=True)
    cached = fields.Boolean(required=True)
    alternatives = fields.List(fields.Nested(AlternativeSchema), required=True)
