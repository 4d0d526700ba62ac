"""add scenes: objects with places, light and a camera"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "scenes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("lighting", sa.String(length=32), nullable=False),
        sa.Column("camera", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scenes")),
    )
    op.create_index("ix_scenes_tenant_created_at_id", "scenes", ["tenant", "created_at", "id"])
    op.create_table(
        "scene_objects",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("scene_id", sa.String(length=36), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("asset_id", sa.String(length=64), nullable=False),
        sa.Column("members", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["scene_id"], ["scenes.id"], name=op.f("fk_scene_objects_scene_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scene_objects")),
    )
    op.create_index(op.f("ix_scene_objects_scene_id"), "scene_objects", ["scene_id"])
    op.create_index(op.f("ix_scene_objects_asset_id"), "scene_objects", ["asset_id"])


def downgrade() -> None:
    op.drop_table("scene_objects")
    op.drop_table("scenes")
