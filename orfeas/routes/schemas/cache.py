"""The cache over v1."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from orfeas.jobs.cache import Entry, Tier
from orfeas.routes.paging import PageArgsSchema
from orfeas.routes.schemas.common import Flag, Integer, LowerText, Number, Timestamp, Word, rfc3339
from orfeas.services.cache import Stored


class TierSchema(Schema):
    """A tier: its limits (null: none), what it holds, and how often it helped."""

    enabled = fields.Boolean(required=True)
    items = fields.Integer(required=True)
    max_items = fields.Integer(required=True, allow_none=True)
    bytes = fields.Integer(required=True, allow_none=True)
    max_bytes = fields.Integer(required=True, allow_none=True)
    ttl_s = fields.Float(required=True, allow_none=True)
    hits = fields.Integer(required=True)
    misses = fields.Integer(required=True)
    hit_rate = fields.Float(required=True, allow_none=True)
    evictions = fields.Integer(required=True, allow_none=True)
    joined = fields.Integer(required=True)


class TiersSchema(Schema):
    """The tiers by name."""

    info = fields.Nested(TierSchema, required=True)
    stages = fields.Nested(TierSchema, required=True)
    latents = fields.Nested(TierSchema, required=True)
    redis = fields.Nested(TierSchema, required=True)


class StoredSchema(Schema):
    """What is stored in all."""

    file_bytes = fields.Integer(required=True)
    max_bytes = fields.Integer(required=True, allow_none=True)
    disk_free_bytes = fields.Integer(required=True)


class CacheSchema(Schema):
    """The cache."""

    tiers = fields.Nested(TiersSchema, required=True)
    storage = fields.Nested(StoredSchema, required=True)


class TierLimitsSchema(Schema):
    """Limits of a tier; null is no limit."""

    enabled = Flag()
    max_items = Integer(allow_none=True, validate=validate.Range(min=0, max=10**9))
    max_bytes = Integer(allow_none=True, validate=validate.Range(min=0, max=2**60))
    ttl_s = Number(allow_none=True, validate=validate.Range(min=0, max=10**9))

    @validates_schema
    def _some(self, data: dict[str, Any], **_: Any) -> None:
        if not data:
            raise ValidationError("At least one of enabled, max_items, max_bytes and ttl_s is needed.")


class CacheChangesSchema(Schema):
    """Limits by tier. `info` and `redis` have none that can be set."""

    stages = fields.Nested(TierLimitsSchema)
    latents = fields.Nested(TierLimitsSchema)
    info = fields.Dict()
    redis = fields.Dict()


class EntryQuerySchema(PageArgsSchema):
    """Which entries a list shows."""

    tier = Word("stages", "latents", load_default=None)


class EntrySchema(Schema):
    """A kept stage."""

    fingerprint = fields.String(required=True)
    tier = fields.String(required=True)
    stage = fields.String(required=True, metadata={"example": "shape.surface"})
    version = fields.Integer(required=True)
    size_bytes = fields.Integer(required=True)
    created_at = Timestamp(allow_none=True)
    last_used_at = Timestamp(allow_none=True)


class EntryPageSchema(Schema):
    """A page of kept stages."""

    items = fields.List(fields.Nested(EntrySchema), required=True)
    next_cursor = fields.String(allow_none=True, required=True)


class ClearSchema(Schema):
    """What is forgotten: of one tier or of all rows, one fingerprint or all, however old."""

    tier = Word("info", "stages", "latents", "redis", load_default=None, allow_none=True)
    fingerprint = LowerText(load_default=None, allow_none=True, validate=validate.Regexp(r"^[0-9a-fA-F]{64}\Z"))
    older_than_s = Number(load_default=None, allow_none=True, validate=validate.Range(min=0, max=10**9))


class ClearedSchema(Schema):
    """What went. The bytes are those that nothing names any more; they are unlinked within the hour."""

    cleared = fields.Integer(required=True)
    freed_bytes = fields.Integer(required=True)


def cache_document(tiers: dict[str, Tier], info: dict[str, int], stored: Stored) -> dict[str, Any]:
    """The cache as v1 shows it."""
    return {
        "tiers": {"info": _info(info), **{name: _tier(tier) for name, tier in tiers.items()}, "redis": _redis()},
        "storage": {
            "file_bytes": stored.file_bytes,
            "max_bytes": stored.max_bytes,
            "disk_free_bytes": stored.disk_free_bytes,
        },
    }


def entry_document(entry: Entry) -> dict[str, Any]:
    """A kept stage as v1 shows it."""
    same = ("fingerprint", "tier", "stage", "version", "size_bytes")
    return {
        **{name: getattr(entry, name) for name in same},
        "created_at": rfc3339(entry.created_at),
        "last_used_at": rfc3339(entry.last_used_at),
    }


def _tier(tier: Tier) -> dict[str, Any]:
    limits = tier.limits
    figures = ("items", "bytes", "hits", "misses", "hit_rate", "evictions", "joined")
    return {
        **{name: getattr(tier, name) for name in figures},
        **{name: getattr(limits, name) for name in ("enabled", "max_items", "max_bytes", "ttl_s")},
    }


def _info(info: dict[str, int]) -> dict[str, Any]:
    asked = info["hits"] + info["misses"]
    return {
        "enabled": True, "items": info["items"], "max_items": info["max_items"], "bytes": None, "max_bytes": None,
        "ttl_s": None, "hits": info["hits"], "misses": info["misses"],
        "hit_rate": round(info["hits"] / asked, 4) if asked else None, "evictions": None, "joined": 0,
    }  # fmt: skip


def _redis() -> dict[str, Any]:
    return {
        "enabled": False, "items": 0, "max_items": None, "bytes": 0, "max_bytes": None, "ttl_s": None, "hits": 0,
        "misses": 0, "hit_rate": None, "evictions": 0, "joined": 0,
    }  # fmt: skip
