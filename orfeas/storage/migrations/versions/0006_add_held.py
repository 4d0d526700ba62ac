"""add held: stages that were found waiting for others, left out when the next one is looked for"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BEFORE = "ix_stages_queue_state_priority_wanted_at"
READY = "ix_stages_ready"


def upgrade() -> None:
    op.add_column("stages", sa.Column("held", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index(BEFORE, "stages")
    op.create_index(READY, "stages", ["queue", "state", "held", "tenant", "priority", "wanted_at"])


def downgrade() -> None:
    op.drop_index(READY, "stages")
    op.create_index(BEFORE, "stages", ["queue", "state", "priority", "wanted_at"])
    op.drop_column("stages", "held")
