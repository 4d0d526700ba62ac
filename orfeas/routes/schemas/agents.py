"""Agents: what they are asked, and how they stand."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.domain import limits
from orfeas.domain.agents.roster import PRIORITIES, TASK_TYPES
from orfeas.domain.quality import DEFAULT
from orfeas.routes.schemas.common import Flag, Integer, Number, Text, Timestamp, Word
from orfeas.routes.schemas.generation.fields import FormatName, Quality, between
from orfeas.routes.schemas.generation.v1 import GenerationSchema

ATTEMPTS = (1, 4)
RUN_ATTEMPTS = (1, 10)
TASK_S = (1.0, 600.0)


class GoalSchema(Schema):
    """What the result has to meet; what is left out is not looked at."""

    watertight = Flag()
    max_faces = Integer(validate=validate.Range(min=4))
    min_faces = Integer(validate=validate.Range(min=1))
    min_wall_mm = Number(validate=validate.Range(min=0.01, max=1000.0))
    fits_mm = fields.List(Number(validate=validate.Range(*limits.SIDE_MM)), validate=validate.Length(equal=3))
    min_silhouette_iou = Number(
        validate=validate.Range(0.0, 1.0),
        metadata={
            "description": "Intersection over union of the outlines of the subject and the model from the front."
        },
    )
    min_quality_score = Number(validate=validate.Range(0.0, 100.0))
    max_seconds = Number(
        validate=validate.Range(min=0.0, min_inclusive=False),
        metadata={"description": "Of one attempt: from the start of its generation to the end."},
    )

    @validates_schema
    def _possible(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("Name at least one goal, or leave goal out.")
        if data.get("min_faces", 0) > data.get("max_faces", float("inf")):
            raise ValidationError({"min_faces": ["Must not be above max_faces."]})


class AgentRunSchema(GenerationSchema):
    """A generation with a goal: it is measured, mended or made anew until the goal holds."""

    goal = fields.Nested(GoalSchema, metadata={"description": "Watertight with a quality score of 70 without one."})
    max_attempts = Integer(load_default=3, validate=between(RUN_ATTEMPTS))
    budget_s = Number(load_default=600.0, validate=validate.Range(1.0, 24 * 3600.0))

    @validates_schema
    def _of_a_picture(self, data: dict[str, Any], **_: Any) -> None:
        if "min_silhouette_iou" in data.get("goal", {}) and "prompt" in data:
            raise ValidationError({"goal": {"min_silhouette_iou": ["A prompt has no outline to compare with."]}})


class TaskDataSchema(Schema):
    """What a task is about; further members are ignored."""

    job_id = Text(validate=validate.Length(1, 64))
    asset_id = Text(validate=validate.Length(1, 64))
    prompt = Text(validate=validate.Length(*limits.PROMPT_CHARACTERS))
    goal = fields.Nested(GoalSchema)


class SubmitTaskSchema(Schema):
    """A task for an agent."""

    task_type = Word(*TASK_TYPES, load_default="general")
    task_data = fields.Nested(TaskDataSchema, load_default=dict)
    input_data = fields.Nested(TaskDataSchema, metadata={"description": "The same as task_data."})
    priority = Word(*PRIORITIES, load_default="medium")
    required_capabilities = fields.List(Text(validate=validate.Length(1, 64)), load_default=[])
    timeout = Number(load_default=60.0, validate=validate.Range(*TASK_S), metadata={"description": "s"})


class IntelligentGenerationSchema(Schema):
    """A picture to be made into a model until it is good."""

    quality = Quality(load_default=DEFAULT)
    speed_preference = Word("fast", "balanced", "quality", load_default="balanced")
    accuracy_priority = Flag(load_default=False)
    format = FormatName(load_default="stl")
    optimization = Word("auto", "none", load_default="auto")
    priority = Word(*PRIORITIES, load_default="medium")
    max_attempts = Integer(load_default=2, validate=between(ATTEMPTS))
    wait = Flag(load_default=True)


class OrchestratorSchema(Schema):
    """The agents with their figures; rates and means are null before the first task."""

    total_agents = fields.Integer()
    active_tasks = fields.Integer()
    agent_status = fields.Dict(keys=fields.String(), values=fields.Dict())
    capability_coverage = fields.Dict(keys=fields.String(), values=fields.Integer())


class AgentsStatusSchema(Schema):
    """How the agents stand."""

    available = fields.Boolean(required=True)
    orchestrator_status = fields.Nested(OrchestratorSchema, required=True)
    communication_status = fields.Dict(required=True)
    agent_communication_ready = fields.Boolean(required=True)


class TaskDoneSchema(Schema):
    """What an agent found."""

    success = fields.Boolean(required=True)
    task_id = fields.String(required=True)
    result = fields.Dict(required=True)
    message = fields.String(required=True)
    agent_id = fields.String(required=True)
    job_id = fields.String(metadata={"description": "The run that was started, if one was."})


class IntelligentlyGeneratedSchema(Schema):
    """The model, what was measured, and what was done for it."""

    success = fields.Boolean(required=True)
    task_id = fields.String(required=True)
    job_id = fields.String(required=True)
    status = fields.String()
    generation_result = fields.Dict(allow_none=True)
    quality_analysis = fields.Dict(allow_none=True)
    optimization_applied = fields.List(fields.Dict())
    performance_metrics = fields.Dict(allow_none=True)
    trace = fields.List(fields.Dict())


class CoordinationSchema(Schema):
    """A run at work."""

    goal = fields.Dict(allow_none=True)
    step = fields.String(allow_none=True)
    started_at = Timestamp()


class CoordinationsSchema(Schema):
    """Runs at work, and who takes what."""

    available = fields.Boolean(required=True)
    active_coordinations = fields.Dict(keys=fields.String(), values=fields.Nested(CoordinationSchema), required=True)
    service_discovery = fields.Dict(required=True)
    load_balancer = fields.Dict(required=True)


class MessageStatsSchema(Schema):
    """What agents told each other."""

    available = fields.Boolean(required=True)
    message_statistics = fields.Dict(required=True)
