"""Tenants' settings."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "tenant_settings",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("parking", sa.String(10), nullable=False),
        sa.Column("replay_seconds", sa.Integer, nullable=False),
    )
