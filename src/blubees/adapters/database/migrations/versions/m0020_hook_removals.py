"""What is still to be taken back at vendors."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """There is none yet."""
    op.create_table(
        "hook_removals",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("removal", sa.String(32), primary_key=True),
        sa.Column("flow", sa.String(63), nullable=False),
        sa.Column("connection", sa.String(63), nullable=False),
        sa.Column("action", sa.String(63), nullable=False),
        sa.Column("inputs", sa.Text, nullable=False),
        sa.Column("connector", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("next", sa.BigInteger, nullable=False),
        sa.Column("failure", sa.String(120), nullable=False),
    )
    op.create_index("hook_removals_by_time", "hook_removals", ["next"])
