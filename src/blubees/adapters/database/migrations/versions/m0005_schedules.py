"""Schedules and polls."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "schedules",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("flow", sa.String(63), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("timing", sa.Text, nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("anchor", sa.BigInteger, nullable=False),
        sa.Column("next_due", sa.BigInteger, nullable=False),
        sa.Column("claimed_due", sa.BigInteger, nullable=False),
        sa.Column("claimed_at", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("missed", sa.Integer, nullable=False),
        sa.Column("last_due", sa.BigInteger, nullable=False),
        sa.Column("answered_at", sa.BigInteger, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failure", sa.String(40), nullable=False),
        sa.Column("http_status", sa.Integer, nullable=False),
        sa.Column("cursor", sa.String(200), nullable=False),
    )
    op.create_index("schedules_by_due", "schedules", ["claimed_due", "next_due"])
