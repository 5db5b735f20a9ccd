"""Marks of keys that were seen (step kind `dedupe`)."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "seen",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("mark", sa.String(64), primary_key=True),
        sa.Column("asker", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
    )
    op.create_index("seen_by_expiry", "seen", ["expires_at"])
