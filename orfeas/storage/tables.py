"""The rows (design, section 3). SQLAlchemy Core: statements are written where they are needed.

Times are seconds since the epoch as floats; every owned row has a `tenant`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

AnyRow: TypeAlias = Row[*tuple[Any, ...]]

RowId = BigInteger().with_variant(Integer, "sqlite")

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("surface", String(16), nullable=False),
    Column("hidden", Boolean, nullable=False, server_default=false()),
    Column("batch_id", String(36)),
    Column("batch_index", Integer),
    Column("tags", JSON, nullable=False),
    Column("input", JSON, nullable=False),
    Column("input_asset", String(64), index=True),
    Column("input_filename", String(255), index=True),
    Column("retried_from", String(36)),
    Column("derived_from", String(36)),
    Column("sequence", Integer, nullable=False, server_default="0"),
    Column("type", String(32)),
    Column("state", String(16), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float, nullable=False),
    Index(None, "tenant", "hidden", "created_at", "id"),
    Index(None, "batch_id", "batch_index"),
)
"""`type` and `state` repeat those of the latest run, so that lists need no join."""

runs = Table(
    "runs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("tenant", String(64), nullable=False),
    Column("type", String(32), nullable=False),
    Column("request", JSON, nullable=False),
    Column("engine", String(64)),
    Column("model", String(128)),
    Column("method", String(64)),
    Column("profile", String(32)),
    Column("quality", Integer),
    Column("settings", JSON, nullable=False),
    Column("fingerprint", String(64), nullable=False, index=True),
    Column("outputs", JSON, nullable=False),
    Column("fallbacks", JSON, nullable=False),
    Column("checks", JSON),
    Column("weights", JSON, nullable=False),
    Column("weights_measured", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("cached", Boolean, nullable=False),
    Column("joined", Boolean, nullable=False),
    Column("private", Boolean, nullable=False),
    Column("reused", JSON, nullable=False),
    Column("degraded", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("percent", Integer, nullable=False, server_default="0"),
    Column("timings", JSON),
    Column("result", JSON),
    Column("error", JSON),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("finished_at", Float),
    Column("deadline", Float),
    Column("monitored", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("job_id", "number"),
    Index(None, "state", "priority", "created_at"),
    Index(None, "finished_at"),
    Index(None, "state", "cached", "finished_at"),
    Index(None, "profile", "state", "cached", "finished_at"),
)

stages = Table(
    "stages",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("tenant", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("name", String(48), nullable=False),
    Column("version", Integer, nullable=False),
    Column("queue", String(8), nullable=False),
    Column("keep", String(16), nullable=False),
    Column("timeout_s", Float, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("model", JSON),
    Column("inputs", JSON, nullable=False),
    Column("state", String(8), nullable=False),
    Column("priority", Integer, nullable=False, server_default="5"),
    Column("wanted_at", Float),
    Column("batch_limit", Integer),
    Column("after_job", String(36)),
    Column("held", Boolean, nullable=False, server_default=false()),
    Column("owner", String(40)),
    Column("lease_until", Float),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("crashes", Integer, nullable=False, server_default="0"),
    Column("fraction", Float, nullable=False, server_default="0"),
    Column("finished_at", Float),
    Column("seconds", Float),
    Column("output", String(64)),
    Column("output_bytes", BigInteger),
    Column("report", JSON),
    Column("error", JSON),
    Column("last_used_at", Float),
    UniqueConstraint("tenant", "fingerprint"),
    Index("ix_stages_ready", "queue", "state", "held", "tenant", "priority", "wanted_at"),
    Index(
        "ix_stages_after_job",
        "after_job",
        sqlite_where=text("after_job IS NOT NULL"),
        postgresql_where=text("after_job IS NOT NULL"),
    ),
    Index(None, "output", "output_bytes"),
    Index(
        "ix_stages_done",
        "tenant",
        "id",
        "keep",
        "output",
        "output_bytes",
        sqlite_where=text("state = 'done'"),
        postgresql_where=text("state = 'done'"),
    ),
    Index(
        "ix_stages_running", "owner", sqlite_where=text("owner IS NOT NULL"), postgresql_where=text("owner IS NOT NULL")
    ),
)
"""Memoised work. `output` is the hash of its blob; NULL where the report is all there is.

A stage with `after_job` is not begun before that job has ended. `held` spares a look at those that cannot begin yet:
it is set when an input or that job was found at work, and taken back when one of them ends.
"""

stage_inputs = Table(
    "stage_inputs",
    metadata,
    Column("stage_id", RowId, ForeignKey("stages.id", ondelete="CASCADE"), primary_key=True),
    Column("input_id", RowId, ForeignKey("stages.id", ondelete="CASCADE"), primary_key=True, index=True),
)

run_stages = Table(
    "run_stages",
    metadata,
    Column("run_id", String(36), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage_id", RowId, ForeignKey("stages.id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("position", Integer, nullable=False),
    Column("target", Boolean, nullable=False),
    Column("interest", Boolean, nullable=False),
)
"""`interest`: the run needs this stage to run or to have run; stages before a kept result have none."""

events = Table(
    "events",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("run", Integer),
    Column("kind", String(16), nullable=False),
    Column("payload", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("job_id", "sequence"),
    sqlite_autoincrement=True,
)
"""`id` rises for ever: who reads by it must not miss an event that got the number of a deleted one."""

assets = Table(
    "assets",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("format", String(16), nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("filename", String(255), nullable=False),
    Column("origin", String(8), nullable=False),
    Column("original_sha256", String(64)),
    Column("pixel_sha256", String(64)),
    Column("image", JSON),
    Column("mesh", JSON),
    Column("up_axis", String(1)),
    Column("licence", JSON),
    Column("created_at", Float, nullable=False),
    Column("last_used_at", Float, nullable=False),
    Column("expires_at", Float),
    Index(None, "tenant", "created_at", "id"),
    Index(None, "id"),
)
"""Files with a name. `id` is the SHA-256 of the stored bytes, which are a blob."""

job_assets = Table(
    "job_assets",
    metadata,
    Column("run_id", String(36), ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("job_id", String(36), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("asset_id", String(64), nullable=False, index=True),
    Column("role", String(16), nullable=False),
    Column("format", String(16), nullable=False),
    Column("filename", String(255), nullable=False),
    Column("up_axis", String(1)),
)

batches = Table(
    "batches",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("surface", String(16), nullable=False),
    Column("request", JSON, nullable=False),
    Column("items", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
)
"""`items`: for each index the job id, or the problem of a refused item."""

workers = Table(
    "workers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("queue", String(8), nullable=False),
    Column("device", String(64)),
    Column("host", String(128), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("heartbeat_at", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("stage_id", RowId),
    Column("memory_bytes", BigInteger),
    Column("report", JSON),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(96), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""Totals that survive a restart, such as `cache.stages.hits`."""

settings = Table(
    "settings",
    metadata,
    Column("key", String(96), primary_key=True),
    Column("value", JSON, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("operation", String(160), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("status", Integer),
    Column("headers", JSON),
    Column("body", LargeBinary),
    Column("created_at", Float, nullable=False, index=True),
)

presets = Table(
    "presets",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("description", Text),
    Column("created_at", Float, nullable=False),
)
"""Saved presets, such as camera views."""

model_files = Table(
    "model_files",
    metadata,
    Column("place", String(255), primary_key=True),
    Column("path", String(255), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("hashed_at", Float, nullable=False),
)
"""Hashes of files of models; good for as long as a file keeps its size and its time of change."""

model_installs = Table(
    "model_installs",
    metadata,
    Column("place", String(255), primary_key=True),
    Column("source", Text, nullable=False),
    Column("revision", String(64)),
    Column("files", JSON, nullable=False),
    Column("installed_at", Float, nullable=False),
)
"""What a download brought: the hub's commit and the hash of each file."""

model_acknowledgements = Table(
    "model_acknowledgements",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("place", String(255), primary_key=True),
    Column("licence", String(255), nullable=False),
    Column("by", String(128), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("acknowledged_at", Float, nullable=False),
)
"""Who accepted the terms of a model, and what for."""

scenes = Table(
    "scenes",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("lighting", String(32), nullable=False),
    Column("camera", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Index("ix_scenes_tenant_created_at_id", "tenant", "created_at", "id"),
)

scene_objects = Table(
    "scene_objects",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("scene_id", String(36), ForeignKey("scenes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    Column("asset_id", String(64), nullable=False, index=True),
    Column("members", JSON, nullable=False),
)
"""What stands in a scene, in the order of `place`; `members` are name, position, rotation, scale, material, visible."""

agent_messages = Table(
    "agent_messages",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("job_id", String(36), nullable=False, index=True),
    Column("sender", String(32), nullable=False),
    Column("receiver", String(32), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("action", String(32), nullable=False),
    Column("sent_at", Float, nullable=False),
    Column("received_at", Float),
    Column("retries", Integer, nullable=False, server_default="0"),
    Column("ok", Boolean),
    Column("seconds", Float),
    Column("quality", Float),
)
"""What agents tell each other. `kind` is task or result; a result has `ok`, `seconds` and the `quality` it measured."""
