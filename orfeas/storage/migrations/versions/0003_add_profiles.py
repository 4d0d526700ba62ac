"""add profiles: the largest batch of a stage, whether a run's times count, and indexes of timings"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SUMMARY = "ix_runs_state_cached_finished_at"
PROFILES = "ix_runs_profile_state_cached_finished_at"


def upgrade() -> None:
    op.add_column("stages", sa.Column("batch_limit", sa.Integer(), nullable=True))
    op.add_column("runs", sa.Column("monitored", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_index(SUMMARY, "runs", ["state", "cached", "finished_at"])
    op.create_index(PROFILES, "runs", ["profile", "state", "cached", "finished_at"])


def downgrade() -> None:
    op.drop_index(PROFILES, "runs")
    op.drop_index(SUMMARY, "runs")
    op.drop_column("runs", "monitored")
    op.drop_column("stages", "batch_limit")
