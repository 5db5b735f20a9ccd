"""The audit trail; which flows may use a connection, and when it was used."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Make them. Nobody changes an event: on SQLite a trigger says so, on PostgreSQL the rights of the service's role."""
    op.add_column("connections", sa.Column("flows", sa.Text, nullable=False, server_default=""))
    op.add_column("connections", sa.Column("used_at", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "audit_events",
        sa.Column("tenant", sa.String(25), primary_key=True),
        sa.Column("event", sa.String(27), primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("actor", sa.String(20), nullable=False),
        sa.Column("connection", sa.String(63), nullable=False),
        sa.Column("purpose", sa.String(20), nullable=False),
        sa.Column("flow", sa.String(63), nullable=False),
        sa.Column("run", sa.String(27), nullable=False),
        sa.Column("step", sa.String(640), nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
        sa.Column("detail", sa.String(40), nullable=False),
    )
    op.create_index("audit_by_time", "audit_events", ["at"])
    op.create_index("audit_by_connection", "audit_events", ["tenant", "connection", "event"])
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER audit_events_stay BEFORE UPDATE ON audit_events "
            "BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END"
        )
