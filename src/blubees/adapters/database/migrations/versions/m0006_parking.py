"""Parked runs and what they wait for."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "parked_runs",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("run", sa.String(27), primary_key=True),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("flow", sa.String(63), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("trigger", sa.String(40), nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("issue", sa.String(20), nullable=False),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("key_version", sa.Integer, nullable=False),
        sa.Column("sealed_key", sa.LargeBinary, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
    )
    op.create_index("parked_by_status", "parked_runs", ["status", "changed_at"])
    op.create_table(
        "waits",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("run", sa.String(27), primary_key=True),
        sa.Column("path", sa.String(640), primary_key=True),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("turn", sa.Integer, nullable=False),
        sa.Column("about", sa.String(64), nullable=False),
        sa.Column("wait", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
    )
    op.create_index("waits_by_due", "waits", ["due"])
    op.create_index("waits_by_name", "waits", ["tenant", "name"])
    op.create_index("waits_by_event", "waits", ["tenant", "about"])
