"""When registrations that end by themselves are renewed."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """There is none yet."""
    op.create_table(
        "hook_renewals",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("flow", sa.String(63), primary_key=True),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("registered_at", sa.BigInteger, nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False, index=True),
        sa.Column("tries", sa.Integer, nullable=False),
    )
