"""Language models and code."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from orfeas.domain.code import LANGUAGES, PYTHON
from orfeas.llm.prompts import TASKS
from orfeas.routes.schemas.common import Flag, Integer, Text, Timestamp, Word
from orfeas.services.llm import TOKENS

PROMPT_CHARACTERS = 32_000
CODE_CHARACTERS = 200_000
LATENCY_MS = (100, 600_000)
SUBTASKS = (1, 8)
LOCAL_TOKENS = 2048


def _text(longest: int, **more: Any) -> Any:
    return Text(required=True, validate=validate.Length(1, longest), **more)


class LlmGenerateSchema(Schema):
    """A prompt for a language model."""

    prompt = _text(PROMPT_CHARACTERS)
    task_type = Word(*TASKS, load_default="general")
    model = Text(validate=validate.Length(1, 200))
    context = fields.Dict(keys=fields.String(), load_default=dict)
    max_latency = Integer(
        load_default=5000, validate=validate.Range(*LATENCY_MS), metadata={"description": "Milliseconds, the deadline."}
    )
    quality = Word(*TOKENS, load_default="balanced")


class CodeContextSchema(Schema):
    """What else is wanted."""

    include_tests = Flag(load_default=False)
    include_docs = Flag(load_default=False)


class CodeGenerateSchema(Schema):
    """What code has to do."""

    requirements = _text(PROMPT_CHARACTERS)
    language = Text(load_default=PYTHON, validate=validate.Regexp(r"^[A-Za-z0-9+#. -]{1,32}\Z"))
    context = fields.Nested(CodeContextSchema, load_default=lambda: CodeContextSchema().load({}))


class OrchestrateContextSchema(Schema):
    """How a task is shared out."""

    max_subtasks = Integer(load_default=4, validate=validate.Range(*SUBTASKS))
    models = fields.List(Text(validate=validate.Length(1, 200)), load_default=list, validate=validate.Length(max=8))


class OrchestrateSchema(Schema):
    """A task for several steps."""

    task_description = _text(PROMPT_CHARACTERS)
    context = fields.Nested(OrchestrateContextSchema, load_default=lambda: OrchestrateContextSchema().load({}))


class AnalyzeCodeSchema(Schema):
    """Source code to look at; it is never run."""

    code = _text(CODE_CHARACTERS)
    language = Word(*LANGUAGES, load_default=PYTHON)


class DebugCodeSchema(AnalyzeCodeSchema):
    """Source code with the error that it ends in."""

    error_message = _text(PROMPT_CHARACTERS)


class LocalGenerateSchema(Schema):
    """A prompt without further instructions."""

    prompt = _text(PROMPT_CHARACTERS)
    max_tokens = Integer(
        load_default=LOCAL_TOKENS,
        validate=validate.Range(min=1),
        metadata={"description": "At most what ORFEAS_LLM_MAX_TOKENS says."},
    )


class UsageSchema(Schema):
    """Tokens, where the endpoint tells them."""

    prompt_tokens = fields.Integer(required=True, allow_none=True)
    completion_tokens = fields.Integer(required=True, allow_none=True)


class GeneratedTextSchema(Schema):
    """What a model wrote."""

    generated_content = fields.String(required=True)
    model_used = fields.String(required=True)
    confidence_score = fields.Float(required=True, allow_none=True)
    processing_time = fields.Float(required=True, metadata={"description": "Seconds."})
    task_type = fields.String(required=True)
    usage = fields.Nested(UsageSchema, required=True)
    truncated = fields.Boolean(required=True)
    warnings = fields.List(fields.String())


class AdviceSchema(Schema):
    """Advice at a line."""

    line = fields.Integer(required=True)
    code = fields.String(required=True)
    message = fields.String(required=True)


class GeneratedCodeSchema(Schema):
    """Code that a model wrote, measured."""

    generated_code = fields.String(required=True)
    quality_score = fields.Float(required=True, allow_none=True)
    metrics = fields.Dict(required=True)
    suggestions = fields.List(fields.Nested(AdviceSchema), required=True)
    tests = fields.String(required=True, allow_none=True)
    documentation = fields.String(required=True, allow_none=True)
    language = fields.String(required=True)
    model_used = fields.String(required=True)
    warnings = fields.List(fields.String())


class StepSchema(Schema):
    """A step of a task; `output` or `error`."""

    step = fields.Integer(required=True)
    task = fields.String(required=True)
    model = fields.String(required=True)
    seconds = fields.Float(required=True)
    output = fields.String(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)


class OrchestratedSchema(Schema):
    """What models made of a task."""

    final_result = fields.String(required=True)
    execution_breakdown = fields.List(fields.Nested(StepSchema), required=True)
    llm_assignments = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    total_execution_time = fields.Float(required=True, metadata={"description": "Seconds."})
    warnings = fields.List(fields.String())


class OpportunitySchema(Schema):
    """A function that is over a limit."""

    name = fields.String(required=True)
    line = fields.Integer(required=True)
    reason = fields.String(required=True)
    value = fields.Integer(required=True)
    limit = fields.Integer(required=True)


class SyntaxErrorSchema(Schema):
    """Where the code cannot be read."""

    line = fields.Integer(required=True)
    column = fields.Integer(required=True)
    message = fields.String(required=True)


class CodeAnalysisSchema(Schema):
    """What a look at code found; the score is null for languages that are not parsed."""

    quality_score = fields.Float(required=True, allow_none=True)
    metrics = fields.Dict(required=True)
    suggestions = fields.List(fields.Nested(AdviceSchema), required=True)
    refactoring_opportunities = fields.List(fields.Nested(OpportunitySchema), required=True)
    language = fields.String(required=True)
    syntax_error = fields.Nested(SyntaxErrorSchema)
    warnings = fields.List(fields.String())


class DebugSchema(Schema):
    """Why code fails."""

    debug_analysis = fields.String(required=True, allow_none=True)
    static_findings = fields.Nested(CodeAnalysisSchema, required=True)
    model_used = fields.String(required=True, allow_none=True)
    confidence_score = fields.Float(required=True, allow_none=True)
    language = fields.String(required=True)
    warnings = fields.List(fields.String())


class StillWorkingSchema(Schema):
    """The job goes on."""

    job_id = fields.String(required=True)
    status = fields.String(required=True, metadata={"example": "processing"})
    warnings = fields.List(fields.String())


class ListedModelSchema(Schema):
    """A model that the endpoint lists; what it does not say is null."""

    name = fields.String(required=True)
    description = fields.String(required=True, allow_none=True)
    capabilities = fields.List(fields.String(), required=True, allow_none=True)
    max_tokens = fields.Integer(required=True, allow_none=True)
    speed = fields.String(required=True, allow_none=True)
    quality = fields.String(required=True, allow_none=True)


class LlmModelsSchema(Schema):
    """The models that can be asked."""

    available_models = fields.List(fields.Nested(ListedModelSchema), required=True)
    task_recommendations = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    features = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    configured = fields.Boolean(required=True)
    warnings = fields.List(fields.String())


class LlmStatusSchema(Schema):
    """Whether language models can be asked now."""

    llm_system_enabled = fields.Boolean(required=True)
    enterprise_llm_manager = fields.Boolean(required=True)
    copilot_enterprise = fields.Boolean(required=True)
    multi_llm_orchestrator = fields.Boolean(required=True)
    models_initialized = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    capabilities = fields.Dict(keys=fields.String(), values=fields.Boolean(), required=True)
    reachable = fields.Boolean(required=True)
    latency_ms = fields.Float(required=True, allow_none=True)
    timestamp = Timestamp(required=True)
    warnings = fields.List(fields.String())


class LocalStatusSchema(Schema):
    """The configured endpoint."""

    enabled = fields.Boolean(required=True)
    available = fields.Boolean(required=True)
    model = fields.String(required=True, allow_none=True)
    internal_model = fields.String(required=True, allow_none=True)
    server = fields.String(required=True, allow_none=True)
    temperature = fields.Float(required=True)


class LocalTextSchema(Schema):
    """What the model wrote."""

    response = fields.String(required=True)
    model = fields.String(required=True)
    source = fields.String(required=True)
    latency_ms = fields.Float(required=True)
    warnings = fields.List(fields.String())
