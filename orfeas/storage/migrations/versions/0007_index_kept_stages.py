"""index kept stages: what is stored is listed and summed without a look at all that was ever planned"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

DONE, OUTPUT, BEFORE = "ix_stages_done", "ix_stages_output_output_bytes", "ix_stages_output"


def upgrade() -> None:
    where = sa.text("state = 'done'")
    op.create_index(
        DONE, "stages", ["tenant", "id", "keep", "output", "output_bytes"], sqlite_where=where, postgresql_where=where
    )
    op.create_index(OUTPUT, "stages", ["output", "output_bytes"])
    op.drop_index(BEFORE, "stages")


def downgrade() -> None:
    op.create_index(BEFORE, "stages", ["output"])
    op.drop_index(OUTPUT, "stages")
    op.drop_index(DONE, "stages")
