"""add agents: stages that wait for a job, and what agents tell each other"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

AWAITED = "ix_stages_after_job"
BY_JOB = "ix_agent_messages_job_id"


def upgrade() -> None:
    op.add_column("stages", sa.Column("after_job", sa.String(36), nullable=True))
    named = sa.text("after_job IS NOT NULL")
    op.create_index(AWAITED, "stages", ["after_job"], sqlite_where=named, postgresql_where=named)
    op.create_table(
        "agent_messages",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("job_id", sa.String(36), nullable=False),
        sa.Column("sender", sa.String(32), nullable=False),
        sa.Column("receiver", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("sent_at", sa.Float(), nullable=False),
        sa.Column("received_at", sa.Float(), nullable=True),
        sa.Column("retries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("quality", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_agent_messages"),
    )
    op.create_index(BY_JOB, "agent_messages", ["job_id"])


def downgrade() -> None:
    op.drop_index(BY_JOB, "agent_messages")
    op.drop_table("agent_messages")
    op.drop_index(AWAITED, "stages")
    op.drop_column("stages", "after_job")
