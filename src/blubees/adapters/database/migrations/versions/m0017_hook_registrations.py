"""What is registered at vendors for flows' webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """There is none yet."""
    op.create_table(
        "hook_registrations",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("flow", sa.String(63), primary_key=True),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("connection", sa.String(63), nullable=False),
        sa.Column("action", sa.String(63), nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("connector", sa.Text, nullable=False),
        sa.Column("registered_at", sa.BigInteger, nullable=False),
    )
