"""add models: hashes of their files, what downloads brought, accepted terms"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_files",
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("hashed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("place", "path", name=op.f("pk_model_files")),
    )
    op.create_table(
        "model_installs",
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("revision", sa.String(length=64), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("installed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("place", name=op.f("pk_model_installs")),
    )
    op.create_table(
        "model_acknowledgements",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("place", sa.String(length=255), nullable=False),
        sa.Column("licence", sa.String(length=255), nullable=False),
        sa.Column("by", sa.String(length=128), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("acknowledged_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "place", name=op.f("pk_model_acknowledgements")),
    )


def downgrade() -> None:
    op.drop_table("model_acknowledgements")
    op.drop_table("model_installs")
    op.drop_table("model_files")
