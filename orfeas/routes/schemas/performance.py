"""Profiles and timings of the compatible surface."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from orfeas.domain.presets import PROFILES
from orfeas.routes.schemas.common import Flag, Text, Timestamp
from orfeas.services.performance.settings import ENGINES

ENGINE_NAMES = validate.Length(0, 16)


def _name(*allowed: str, **kwargs: Any) -> Text:
    """One of a few names, in any case; the service refuses others and lists these."""
    return Text(validate=validate.Length(1, 64), metadata={"enum": [*allowed]}, **kwargs)


class _Warned(Schema):
    warnings = fields.List(fields.String())


class OffSchema(Schema):
    """A switch that is off here, and why."""

    setting = fields.String(required=True)
    reason = fields.String(required=True)


class ProfileSettingsSchema(Schema):
    """The switches that a compatible request gets now; precision is null where no model is used."""

    precision = fields.String(required=True, allow_none=True)
    compiled_denoiser = fields.Boolean(required=True)
    steps_factor = fields.Float(required=True)
    turbo_weights = fields.Boolean(required=True)
    volume_decoding = fields.String(required=True)
    embedded_grid_factor = fields.Float(required=True)
    largest_batch = fields.Integer(required=True)
    result_cache = fields.Boolean(required=True)
    unavailable = fields.List(fields.Nested(OffSchema), required=True)


class EngineStandingSchema(Schema):
    """Which engines are at work."""

    speed_optimizer = fields.Boolean(required=True)
    accuracy_enhancer = fields.Boolean(required=True)
    security_amplifier = fields.Boolean(required=True)


class StandingSchema(Schema):
    """What is on."""

    speed_optimizer_enabled = fields.Boolean(required=True)
    accuracy_enhancer_enabled = fields.Boolean(required=True)
    security_amplifier_enabled = fields.Boolean(required=True)
    quantum_protocols_active = fields.Boolean(required=True)
    optimization_level = fields.String(required=True)
    active_optimizations = fields.List(fields.String(), required=True)
    performance_monitor_active = fields.Boolean(required=True)
    cache_manager_active = fields.Boolean(required=True)


class GainsSchema(Schema):
    """What was measured; null below three runs of each profile, and where there is no measure."""

    speed_multiplier = fields.Float(required=True, allow_none=True)
    accuracy_improvement = fields.Float(required=True, allow_none=True)
    security_enhancement = fields.Float(required=True, allow_none=True)


class MetricsSchema(GainsSchema):
    """Figures of finished runs; null before the first."""

    processing_time_avg = fields.Float(required=True, allow_none=True)
    cache_hit_rate = fields.Float(required=True, allow_none=True)
    optimization_efficiency = fields.Float(required=True, allow_none=True)
    total_optimizations = fields.Integer(required=True)
    success_rate = fields.Float(required=True, allow_none=True)


class QuantumSchema(Schema):
    """Whether turbo weights are used where they are installed."""

    active = fields.Boolean(required=True)
    optimization_level = fields.String(required=True, allow_none=True)


class UltraStatusSchema(_Warned):
    """The profile in force; `reason` only while none is enabled."""

    enabled = fields.Boolean(required=True)
    status = fields.Nested(StandingSchema, required=True)
    performance_metrics = fields.Nested(MetricsSchema, required=True)
    optimization_engines = fields.Nested(EngineStandingSchema, required=True)
    quantum_protocols = fields.Nested(QuantumSchema, required=True)
    performance_gains = fields.Nested(GainsSchema, required=True)
    settings = fields.Nested(ProfileSettingsSchema, required=True)
    unavailable = fields.List(fields.Nested(OffSchema), required=True)
    timestamp = Timestamp(required=True)
    reason = fields.String()


class ProfileConfigurationSchema(Schema):
    """The settings; targets have no measure."""

    optimization_mode = fields.String(required=True)
    optimization_profile = fields.String(required=True)
    enabled_engines = fields.List(fields.String(), required=True)
    quantum_protocols = fields.Boolean(required=True)
    auto_optimization = fields.Boolean(required=True)
    performance_monitoring = fields.Boolean(required=True)
    cache_enabled = fields.Boolean(required=True)
    security_level = fields.String(required=True)
    max_processing_time = fields.Integer(required=True, metadata={"description": "Seconds."})
    speed_target = fields.Float(required=True, allow_none=True)
    accuracy_target = fields.Float(required=True, allow_none=True)
    security_target = fields.Float(required=True, allow_none=True)
    settings = fields.Nested(ProfileSettingsSchema, required=True)


class UltraConfigSchema(_Warned):
    """The settings, and what they may be."""

    configuration = fields.Nested(ProfileConfigurationSchema, required=True)
    available_profiles = fields.List(fields.String(), required=True)
    optimization_engines = fields.List(fields.String(), required=True)
    current_mode = fields.String(required=True)


class ConfigureSchema(Schema):
    """Settings that replace all that were there."""

    optimization_profile = _name(*PROFILES, load_default="standard")
    enabled_engines = fields.List(_name(*ENGINES, "all"), load_default=["all"], validate=ENGINE_NAMES)
    quantum_protocols = Flag(load_default=False)
    auto_optimization = Flag(load_default=False)
    performance_monitoring = Flag(load_default=True)


class ConfiguredSchema(_Warned):
    """The settings as they are now."""

    success = fields.Boolean(required=True)
    updated_configuration = fields.Nested(ProfileConfigurationSchema, required=True)
    message = fields.String(required=True)


class EnableSchema(Schema):
    """The profile to be enabled."""

    optimization_level = _name(*PROFILES, load_default="quantum")


class DisableSchema(Schema):
    """There are no members."""


class TargetsSchema(Schema):
    """Nothing is promised beforehand: what was measured is in the status."""

    speed_multiplier = fields.Float(required=True, allow_none=True)
    accuracy_multiplier = fields.Float(required=True, allow_none=True)
    security_multiplier = fields.Float(required=True, allow_none=True)


class EnabledSchema(Schema):
    """The profile that is enabled now."""

    enabled = fields.Boolean(required=True)
    optimization_level = fields.String(required=True)
    targets = fields.Nested(TargetsSchema, required=True)
    settings = fields.Nested(ProfileSettingsSchema, required=True)
    unavailable = fields.List(fields.Nested(OffSchema), required=True)


class UltraEnabledSchema(_Warned):
    """A profile was enabled."""

    success = fields.Boolean(required=True)
    optimization_enabled = fields.Boolean(required=True)
    optimization_level = fields.String(required=True)
    result = fields.Nested(EnabledSchema, required=True)
    message = fields.String(required=True)


class DisabledSchema(Schema):
    """No profile is enabled now."""

    enabled = fields.Boolean(required=True)
    optimization_level = fields.String(required=True)
    message = fields.String(required=True)


class UltraDisabledSchema(_Warned):
    """Profiles were turned off."""

    success = fields.Boolean(required=True)
    optimization_enabled = fields.Boolean(required=True)
    result = fields.Nested(DisabledSchema, required=True)
    message = fields.String(required=True)


class StageTimesSchema(Schema):
    """Seconds of one kind of stage."""

    avg_duration = fields.Float(required=True)
    min_duration = fields.Float(required=True)
    max_duration = fields.Float(required=True)
    count = fields.Integer(required=True)


class BottleneckSchema(Schema):
    """A stage with a large share of the time of all stages."""

    stage = fields.String(required=True)
    avg_percent = fields.Float(required=True)
    avg_duration_seconds = fields.Float(required=True)
    severity = fields.String(required=True, metadata={"enum": ["medium", "high", "critical"]})


class SummarySchema(_Warned):
    """The last fifty finished runs that computed something, in seconds; `error` before the first."""

    total_pipelines = fields.Integer(required=True)
    avg_duration = fields.Float(required=True)
    min_duration = fields.Float(required=True)
    max_duration = fields.Float(required=True)
    stage_breakdown = fields.Dict(keys=fields.String(), values=fields.Nested(StageTimesSchema), required=True)
    bottlenecks = fields.List(fields.Nested(BottleneckSchema), required=True)
    timestamp = Timestamp(required=True)
    error = fields.String()


class PerformanceAdviceSchema(Schema):
    """A sentence with the figures behind it, and the setting that it is about."""

    code = fields.String(required=True)
    message = fields.String(required=True)
    evidence = fields.Dict(required=True)
    setting = fields.String(required=True, allow_none=True)


class RecommendationsSchema(_Warned):
    """What the measurements suggest."""

    recommendations = fields.List(fields.String(), required=True)
    details = fields.List(fields.Nested(PerformanceAdviceSchema), required=True)
